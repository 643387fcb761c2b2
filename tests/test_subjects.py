"""From what was typed to the pod that is looked at: kinds, names, owners, claims, and what stands for what."""

from __future__ import annotations

import re
from typing import Any

import pytest

from efsdiag.model import Query, Subject, Unreadable
from efsdiag.operations import resource_of
from efsdiag.semantics.objects import selector_of
from efsdiag.subjects import KINDS, SubjectError, choose, kind_of, parse_target, pick


class WithoutResources:
    """A source that has no custom resources, as a bundle that nobody made with them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def __call__(self, query: Query) -> Any:
        if "prometheuses" in query.operation:
            raise Unreadable(query, "not in the bundle", "collect it")
        return self.cluster(query)


class Cluster:
    """A source over lists of objects by resource; label selectors are compared as equal pairs or ignored."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.objects = objects

    def __call__(self, query: Query) -> Any:
        namespace = query.get("namespace")
        here = [o for o in self.objects.get(resource_of(query), []) if o["metadata"].get("namespace", "") == namespace]
        if query.operation.startswith("kube:get"):
            return next((o for o in here if o["metadata"]["name"] == query["name"]), None)
        wanted = [term.split("=") for term in query.get("labelSelector").split(",") if "=" in term]
        return [o for o in here if all(o["metadata"].get("labels", {}).get(k) == v for k, v in wanted)]


def pod(name: str, owner: str = "", ready: bool = True, at: int = 1, **more: Any) -> dict[str, Any]:
    """`owner` is "Kind/name"; `at` is the minute of its creation."""
    kind, _, by = owner.partition("/")
    owners = [{"kind": kind, "name": by, "uid": f"uid-{by}", "controller": True}] if owner else []
    metadata = {
        "namespace": "m",
        "name": name,
        "labels": {"app": "prometheus"},
        "ownerReferences": owners,
        "creationTimestamp": f"2026-11-21T06:{at:02}:00Z",
        **({"deletionTimestamp": "2026-11-21T07:00:00Z"} if more.get("going") else {}),
    }
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": c}} for c in more.get("claims", ())]
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    status = {"phase": more.get("phase", "Running"), "conditions": [condition]}
    return {"metadata": metadata, "spec": {"volumes": volumes}, "status": status}


def workload(kind: str, name: str, selector: Any = None) -> dict[str, Any]:
    selector = selector if selector is not None else {"matchLabels": {"app": "prometheus"}}
    metadata = {"namespace": "m", "name": name, "uid": f"uid-{name}"}
    return {"kind": kind, "metadata": metadata, "spec": {"selector": selector}}


def chosen(cluster: Cluster, target: str) -> tuple[str, str]:
    """(kind/name, note) of what will be looked at."""
    found = choose(cluster, parse_target([target], "m"))
    return f"{found.subject.kind}/{found.subject.name}", found.note


def refusal(cluster: Cluster, target: str) -> SubjectError:
    with pytest.raises(SubjectError) as raised:
        choose(cluster, parse_target([target], "m"))
    return raised.value


# --- what was typed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        (["pod/x"], "pod", "x"),
        (["po/x"], "pod", "x"),
        (["pods/x"], "pod", "x"),
        (["Pod/x"], "pod", "x"),
        (["pod", "x"], "pod", "x"),
        (["x"], "pod", "x"),
        (["deploy/x"], "deployment", "x"),
        (["deployment.apps/x"], "deployment", "x"),
        (["sts/x"], "statefulset", "x"),
        (["ds/x"], "daemonset", "x"),
        (["rs/x"], "replicaset", "x"),
        (["job/x"], "job", "x"),
        (["job.batch", "x"], "job", "x"),
        (["pvc/x"], "persistentvolumeclaim", "x"),
        (["pvc", "prometheus-server"], "persistentvolumeclaim", "prometheus-server"),
    ],
)
def test_a_target_is_a_type_and_a_name_and_a_bare_name_is_a_pod(words: list[str], kind: str, name: str) -> None:
    assert parse_target(words, "m") == Subject(kind, "m", name)


@pytest.mark.parametrize(
    "words", [[], [""], ["pod/"], ["/x"], ["pod/x/y"], ["pod", "x", "y"], ["pod/x", "y"], ["a/b/c"]]
)
def test_what_is_no_type_and_name_is_refused_with_an_example(words: list[str]) -> None:
    with pytest.raises(SubjectError) as raised:
        parse_target(words, "m")
    assert raised.value.reference == "target-malformed"
    assert "for example pod/" in raised.value.hint


@pytest.mark.parametrize(
    ("word", "hint"),
    [("deployement", "did you mean deployment?"), ("podd", "did you mean pod?"), ("pvcs", "did you mean pvc?")],
)
def test_a_kind_that_is_not_known_is_refused_with_the_nearest_one(word: str, hint: str) -> None:
    with pytest.raises(SubjectError) as raised:
        kind_of(word)
    assert (raised.value.reference, raised.value.hint) == ("kind-unknown", hint)


def test_a_kind_that_is_like_none_is_refused_with_all_that_are_known() -> None:
    with pytest.raises(SubjectError) as raised:
        kind_of("zzz")
    assert all(kind in raised.value.hint for kind in KINDS)


def test_no_word_means_two_kinds() -> None:
    words = [word for kind, (_, others) in KINDS.items() for word in (kind, *others)]
    assert sorted(words) == sorted(set(words))


# --- pods --------------------------------------------------------------------------------------------------------

EXISTENCE = {"a": "Exists", "b": "DoesNotExist"}
SERVER = "ReplicaSet/prometheus-server-7c9d4"


def test_a_pod_that_exists_is_looked_at_itself() -> None:
    cluster = Cluster(pods=[pod("server-1", SERVER), pod("server-1-more")])
    assert chosen(cluster, "pod/server-1") == ("pod/server-1", "")


def test_the_name_of_a_deployment_stands_for_its_pod() -> None:
    pods = [
        pod("prometheus-server-7c9d4-x2x2p", SERVER),
        pod("prometheus-server-ui-55-aaaaa", "ReplicaSet/prometheus-server-ui-55"),
    ]
    assert chosen(Cluster(pods=pods), "prometheus-server") == (
        "pod/prometheus-server-7c9d4-x2x2p",
        "pod/prometheus-server → pod/prometheus-server-7c9d4-x2x2p",
    )


@pytest.mark.parametrize(
    ("owner", "typed"),
    [
        ("StatefulSet/alertmanager", "alertmanager"),
        ("ReplicaSet/web-7c9d4", "web-7c9d4"),
        ("ReplicaSet/web-7c9d4", "web"),
        ("DaemonSet/node-exporter", "node-exporter"),
        ("Job/backup", "backup"),
    ],
)
def test_the_name_of_any_owner_stands_for_its_pod(owner: str, typed: str) -> None:
    assert chosen(Cluster(pods=[pod("a-0", owner), pod("b-0", "StatefulSet/b")]), typed)[0] == "pod/a-0"


def test_the_beginning_of_a_name_is_enough_where_one_workload_fits() -> None:
    pods = [pod("prometheus-server-7c9d4-a", SERVER), pod("prometheus-server-7c9d4-b", SERVER, ready=False)]
    assert chosen(Cluster(pods=pods), "prometheus-ser") == (
        "pod/prometheus-server-7c9d4-b",
        "pod/prometheus-ser → pod/prometheus-server-7c9d4-b, one of 2 (1 ready)",
    )


def test_a_beginning_that_several_workloads_share_is_refused_with_their_pods() -> None:
    pods = [pod("prometheus-b", "StatefulSet/prometheus-b"), pod("prometheus-a", SERVER), pod("other")]
    error = refusal(Cluster(pods=pods), "pod/prometheus")
    assert error.reference == "target-ambiguous"
    assert error.message == "several pods begin with 'prometheus': prometheus-a, prometheus-b"


def test_a_name_that_nothing_has_is_refused_with_the_nearest_names() -> None:
    error = refusal(Cluster(pods=[pod("prometheus-server-7c9d4-a", SERVER)]), "pod/promtheus-server")
    assert error.reference == "target-not-found"
    assert error.message == "there is no pod promtheus-server in namespace m"
    assert error.hint == "did you mean prometheus-server, prometheus-server-7c9d4-a?"


def test_a_name_that_is_like_none_says_so() -> None:
    assert refusal(Cluster(), "pod/x").hint == "there is none in namespace m that is like it"


def test_pods_of_other_namespaces_do_not_count() -> None:
    elsewhere = pod("x", SERVER)
    elsewhere["metadata"]["namespace"] = "other"
    assert refusal(Cluster(pods=[elsewhere]), "pod/x").reference == "target-not-found"


# --- workloads ---------------------------------------------------------------------------------------------------


def test_a_deployment_stands_for_its_own_pod_and_not_for_one_with_the_same_labels() -> None:
    pods = [pod("theirs", "ReplicaSet/other-55", ready=False, at=9), pod("ours", SERVER)]
    cluster = Cluster(pods=pods, deployments=[workload("Deployment", "prometheus-server")])
    assert chosen(cluster, "deploy/prometheus-server") == ("pod/ours", "deployment/prometheus-server → pod/ours")


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet", "ReplicaSet", "Job"])
def test_another_workload_stands_for_the_pods_that_it_controls(kind: str) -> None:
    pods = [pod("theirs", f"{kind}/other", ready=False), pod("ours", f"{kind}/w")]
    cluster = Cluster(pods=pods, **{KINDS[kind.lower()][0]: [workload(kind, "w")]})
    assert chosen(cluster, f"{kind}/w")[0] == "pod/ours"


@pytest.mark.parametrize(
    "selector",
    [
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["prometheus"]}]},
        {"matchLabels": {"app": "prometheus"}, "matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]},
    ],
)
def test_a_workload_that_selects_by_expressions_has_its_pods_too(selector: dict[str, Any]) -> None:
    cluster = Cluster(pods=[pod("ours", SERVER)], deployments=[workload("Deployment", "prometheus-server", selector)])
    assert chosen(cluster, "deploy/prometheus-server")[0] == "pod/ours"


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"matchLabels": {"b": "2", "a": "1"}}, "a=1,b=2"),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, "a in (1,2)"),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, "a notin (1)"),
        (
            {"matchLabels": {"z": "1"}, "matchExpressions": [{"key": k, "operator": o} for k, o in EXISTENCE.items()]},
            "z=1,a,!b",
        ),
    ],
)
def test_a_selector_is_written_as_the_api_takes_it(selector: dict[str, Any] | None, text: str) -> None:
    assert selector_of({"spec": {"selector": selector}}) == text


@pytest.mark.parametrize("pods", [[], [pod("theirs", "ReplicaSet/other-55")]])
def test_a_workload_without_pods_is_looked_at_itself(pods: list[dict[str, Any]]) -> None:
    cluster = Cluster(pods=pods, deployments=[workload("Deployment", "prometheus-server")])
    assert chosen(cluster, "deploy/prometheus-server") == ("deployment/prometheus-server", "")


def test_a_workload_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    cluster = Cluster(deployments=[workload("Deployment", "prometheus-server")])
    error = refusal(cluster, "deploy/prometheus-sever")
    assert (error.reference, error.hint) == ("target-not-found", "did you mean prometheus-server?")


def test_what_the_cluster_refuses_to_say_is_not_absent() -> None:
    def source(query: Query) -> Any:
        raise Unreadable(query, "the cluster refuses it", "get pods")

    with pytest.raises(Unreadable):
        choose(source, Subject("pod", "m", "x"))


# --- claims ------------------------------------------------------------------------------------------------------

CLAIM = {"metadata": {"namespace": "m", "name": "data"}}


def test_a_claim_stands_for_the_pod_that_mounts_it() -> None:
    pods = [
        pod("done", claims=["data"], phase="Succeeded", at=9),
        pod("user", claims=["data"]),
        pod("other", claims=["x"]),
    ]
    cluster = Cluster(pods=pods, persistentvolumeclaims=[CLAIM])
    assert chosen(cluster, "pvc/data") == ("pod/user", "persistentvolumeclaim/data → pod/user")


def test_a_claim_that_no_pod_mounts_is_looked_at_itself() -> None:
    cluster = Cluster(pods=[pod("done", claims=["data"], phase="Failed")], persistentvolumeclaims=[CLAIM])
    assert chosen(cluster, "pvc/data") == ("persistentvolumeclaim/data", "")


def volume(name: str, claim: str = "") -> dict[str, Any]:
    reference = {"claimRef": {"namespace": "m", "name": claim}} if claim else {}
    return {"kind": "PersistentVolume", "metadata": {"name": name}, "spec": reference}


def test_a_volume_stands_for_the_pod_that_mounts_its_claim() -> None:
    cluster = Cluster(
        pods=[pod("user", claims=["data"])], persistentvolumeclaims=[CLAIM], persistentvolumes=[volume("efs", "data")]
    )
    assert chosen(cluster, "pv/efs") == ("pod/user", "persistentvolume/efs → persistentvolumeclaim/data → pod/user")


def test_a_volume_whose_claim_no_pod_mounts_stands_for_the_claim() -> None:
    cluster = Cluster(persistentvolumeclaims=[CLAIM], persistentvolumes=[volume("efs", "data")])
    assert chosen(cluster, "pv/efs") == (
        "persistentvolumeclaim/data",
        "persistentvolume/efs → persistentvolumeclaim/data",
    )


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (volume("efs"), "no claim has volume efs, so that nothing waits for it"),
        (volume("efs", "gone"), "volume efs was of claim gone in namespace m, which is gone"),
    ],
)
def test_a_volume_that_no_claim_has_is_refused_with_what_became_of_its_claim(made: Any, message: str) -> None:
    with pytest.raises(SubjectError) as error:
        chosen(Cluster(persistentvolumes=[made]), "pv/efs")
    assert (error.value.reference, error.value.message) == ("volume-without-claim", message)


def test_a_volume_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SubjectError) as error:
        chosen(Cluster(persistentvolumes=[volume("prometheus-efs")]), "pv/prometheus-ebs")
    assert error.value.message == "there is no persistentvolume prometheus-ebs"
    assert error.value.hint == "did you mean prometheus-efs?"


# --- which of several --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pods", "wanted"),
    [
        ([pod("old", at=1), pod("new", at=2)], "new"),
        ([pod("broken", ready=False, at=1), pod("fine", at=2)], "broken"),
        ([pod("a", ready=False, at=1), pod("b", ready=False, at=2)], "b"),
        ([pod("going", ready=False, at=3, going=True), pod("fine", at=1)], "fine"),
        ([pod("going", ready=False, at=1, going=True), pod("gone", ready=False, at=2, going=True)], "gone"),
        ([pod("evicted", ready=False, at=3, phase="Failed"), pod("fine", at=1)], "fine"),
        ([pod("evicted", ready=False, at=3, phase="Failed"), pod("stuck", ready=False, at=1)], "stuck"),
        ([pod("first", phase="Failed", ready=False, at=1), pod("second", phase="Failed", ready=False, at=2)], "second"),
        ([pod("a", at=1), pod("b", at=1)], "b"),
    ],
)
def test_the_pod_that_stays_has_not_ended_is_not_ready_and_is_newest_is_picked(
    pods: list[dict[str, Any]], wanted: str
) -> None:
    assert pick(pods)["metadata"]["name"] == wanted
    assert pick(pods[::-1])["metadata"]["name"] == wanted


def test_the_note_says_of_how_many_pods_one_was_picked() -> None:
    pods = [pod("a", SERVER), pod("b", SERVER), pod("c", SERVER, ready=False)]
    cluster = Cluster(pods=pods, deployments=[workload("Deployment", "prometheus-server")])
    note = chosen(cluster, "deploy/prometheus-server")[1]
    assert re.fullmatch(r"deployment/prometheus-server → pod/c, one of 3 \(2 ready\)", note)


def test_a_prometheus_whose_resource_cannot_be_read_is_found_by_the_label_of_its_pods() -> None:
    made = pod("prometheus-k8s-0")
    made["metadata"]["labels"] = {"operator.prometheus.io/name": "k8s"}
    found = choose(WithoutResources(Cluster(pods=[made])), Subject("prometheus", "m", "k8s"))
    assert found.subject == Subject("pod", "m", "prometheus-k8s-0")
    alone = Subject("prometheus", "m", "other")
    assert choose(WithoutResources(Cluster(pods=[made])), alone).subject == alone
