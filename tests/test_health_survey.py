"""What is in scope of a check: workloads with storage, the pods that stand for them, and what could not be listed."""

from __future__ import annotations

import copy

import pytest
from crowds import Thing, claim, maker, pod, prometheus, source_of, storage_class

from efsdiag.health.scope import NoSuchNamespace, Scope
from efsdiag.health.survey import survey
from efsdiag.health.workloads import Workload
from efsdiag.model import Answer, Query, Ref, Subject

DEPLOYMENT = Ref("Deployment", "web", "shop")


def of_deployment(name: str, made: str = "7c9d4", **more) -> Thing:
    return pod(name, owner=("ReplicaSet", f"web-{made}"), labels={"pod-template-hash": made}, **more)


def looked_at(workload: Workload) -> list[tuple[str, int]]:
    return [(subject.name, pods) for subject, pods in workload.to_look_at()]


def test_pods_of_two_replica_sets_are_one_deployment_and_the_worst_stands_for_it() -> None:
    source = source_of(of_deployment("web-1"), of_deployment("web-2", "5b8f6", ready=False), of_deployment("web-3"))
    found = survey(source, Scope())
    assert list(found.workloads) == [DEPLOYMENT]
    assert looked_at(found.workloads[DEPLOYMENT]) == [("web-2", 1)]
    assert (found.workloads[DEPLOYMENT].pods, found.workloads[DEPLOYMENT].ready) == (3, 2)


def test_a_replica_set_without_a_deployment_stands_for_itself() -> None:
    found = survey(source_of(pod("web-1", owner=("ReplicaSet", "web-7c9d4"))), Scope())
    assert list(found.workloads) == [Ref("ReplicaSet", "web-7c9d4", "shop")]


def test_one_pod_of_each_way_of_not_being_well_is_looked_at() -> None:
    pods = [
        of_deployment("web-1", ready=False, waits="ContainerCreating"),
        of_deployment("web-2", ready=False, waits="ContainerCreating"),
        of_deployment("web-3", ready=False, waits="ContainerCreating", node="node2"),
        of_deployment("web-4", ready=False, waits="CrashLoopBackOff"),
        of_deployment("web-5", ready=False, waits="ContainerCreating", claims=("other",)),
        of_deployment("web-6"),
    ]
    found = survey(source_of(*pods), Scope())
    assert looked_at(found.workloads[DEPLOYMENT]) == [("web-2", 2), ("web-3", 1), ("web-4", 1), ("web-5", 1)]


def test_a_ready_workload_is_looked_at_by_one_pod_that_stands_for_all() -> None:
    found = survey(source_of(*(of_deployment(f"web-{n}") for n in range(5))), Scope())
    assert looked_at(found.workloads[DEPLOYMENT]) == [("web-4", 5)]


def test_a_pod_that_goes_counts_only_where_no_other_one_stays() -> None:
    going = of_deployment("web-1", ready=False)
    going["metadata"]["deletionTimestamp"] = "2026-11-21T06:29:00Z"
    assert looked_at(survey(source_of(going, of_deployment("web-2")), Scope()).workloads[DEPLOYMENT])[0][0] == "web-2"
    assert looked_at(survey(source_of(going), Scope()).workloads[DEPLOYMENT])[0][0] == "web-1"


def test_pods_that_have_ended_are_no_trouble() -> None:
    done = [pod("backup-x2x2p", owner=("Job", "backup"), phase="Succeeded", ready=False)]
    failed = [pod("import-x2x2p", owner=("Job", "import"), phase="Failed", ready=False)]
    evicted = [pod("alone", phase="Failed", ready=False), of_deployment("web-1", phase="Failed", ready=False)]
    found = survey(source_of(*done, *failed, *evicted, of_deployment("web-2")), Scope())
    assert list(found.workloads) == [DEPLOYMENT]
    assert looked_at(found.workloads[DEPLOYMENT]) == [("web-2", 1)]


def test_a_deployment_of_evicted_pods_alone_is_looked_at() -> None:
    found = survey(source_of(of_deployment("web-1", phase="Failed", ready=False)), Scope())
    assert looked_at(found.workloads[DEPLOYMENT]) == [("web-1", 1)]


def test_workloads_without_storage_are_counted_and_not_looked_at() -> None:
    plain = [pod(f"api-{n}", claims=(), owner=("ReplicaSet", "api-1")) for n in range(3)]
    found = survey(source_of(*plain, pod("job", claims=())), Scope())
    assert (found.workloads, found.without_storage) == ({}, 2)


def test_an_ephemeral_volume_is_storage_and_its_claim_is_used() -> None:
    made = pod("web-1", claims=())
    made["spec"]["volumes"] = [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]
    found = survey(source_of(made, claim("web-1-scratch", phase="Pending")), Scope())
    assert list(found.workloads) == [Ref("Pod", "web-1", "shop")]


@pytest.mark.parametrize(
    ("kind", "spec", "status", "rests"),
    [
        ("Deployment", {}, {}, False),
        ("Deployment", {"replicas": 0}, {}, True),
        ("Deployment", {"paused": True}, {}, True),
        ("StatefulSet", {"replicas": 2}, {}, False),
        ("DaemonSet", {}, {"desiredNumberScheduled": 2}, False),
        ("DaemonSet", {}, {"desiredNumberScheduled": 0}, True),
        ("ReplicaSet", {"replicas": 1}, {}, False),
        ("Job", {}, {}, False),
        ("Job", {"suspend": True}, {}, True),
        ("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}, True),
    ],
)
def test_a_workload_without_pods_is_looked_at_itself_unless_it_should_have_none(
    kind: str, spec: Thing, status: Thing, rests: bool
) -> None:
    found = survey(source_of(maker(kind, "web", status=status, **spec)), Scope())
    assert len(found.at_rest) == int(rests)
    subjects = [subject for w in found.workloads.values() for subject, _ in w.to_look_at()]
    assert subjects == ([] if rests else [Subject(kind.lower(), "shop", "web")])


def test_a_template_without_storage_is_nothing_to_look_at() -> None:
    found = survey(source_of(maker("Deployment", "web", claims=())), Scope())
    assert (found.workloads, found.at_rest) == ({}, set())


def test_claim_templates_of_a_stateful_set_are_storage() -> None:
    templates = [{"metadata": {"name": "data"}}]
    found = survey(source_of(maker("StatefulSet", "db", claims=(), volumeClaimTemplates=templates)), Scope())
    assert list(found.workloads) == [Ref("StatefulSet", "db", "shop")]


def test_a_replica_set_of_a_deployment_is_not_looked_at_beside_it() -> None:
    replica_set = maker("ReplicaSet", "web-7c9d4")
    replica_set["metadata"]["ownerReferences"] = [{"kind": "Deployment", "name": "web", "controller": True}]
    found = survey(source_of(maker("Deployment", "web"), replica_set), Scope())
    assert list(found.workloads) == [DEPLOYMENT]


def test_a_prometheus_without_pods_is_looked_at_unless_its_stateful_set_is() -> None:
    alone = survey(source_of(prometheus("kps")), Scope())
    assert list(alone.workloads) == [Ref("Prometheus", "kps", "shop")]
    both = survey(source_of(prometheus("kps"), maker("StatefulSet", "prometheus-kps")), Scope())
    assert list(both.workloads) == [Ref("StatefulSet", "prometheus-kps", "shop")]
    running = pod("prometheus-kps-0", owner=("StatefulSet", "prometheus-kps"))
    assert Ref("Prometheus", "kps", "shop") not in survey(source_of(prometheus("kps"), running), Scope()).workloads


@pytest.mark.parametrize(
    ("own", "others", "looked"),
    [
        (claim("lone", phase="Pending"), [], True),
        (claim("lone", phase="Bound"), [], False),
        (claim("lone", phase="Pending", storage_class="late"), [], False),
        (claim("lone", phase="Pending"), [pod("web", claims=("lone",))], False),
        (claim("lone", phase="Pending"), [maker("Deployment", "web", claims=("lone",))], False),
        (claim("lone", phase="Pending"), [pod("web", "other", claims=("lone",))], True),
    ],
)
def test_a_claim_is_looked_at_where_it_waits_and_nobody_uses_it(own: Thing, others: list[Thing], looked: bool) -> None:
    classes = [storage_class("efs"), storage_class("late", "WaitForFirstConsumer")]
    found = survey(source_of(own, *others, *classes), Scope())
    ref = Ref("PersistentVolumeClaim", "lone", "shop")
    assert (ref in found.workloads) == looked


def test_the_namespaces_and_the_labels_narrow_what_is_looked_at() -> None:
    things = [pod("a", "one", labels={"app": "x"}), pod("b", "two", labels={"app": "x"}), pod("c", "two")]
    source = source_of(*things)

    def names(scope: Scope) -> list[str]:
        return [ref.name for ref in survey(source, scope).workloads]

    assert names(Scope()) == ["a", "b", "c"]
    assert names(Scope(("two",))) == ["b", "c"]
    assert names(Scope((), "app=x")) == ["a", "b"]
    assert names(Scope(("two",), "app=x")) == ["b"]


def test_a_namespace_that_does_not_exist_is_a_mistake_and_not_healthy() -> None:
    with pytest.raises(NoSuchNamespace):
        survey(source_of(), Scope(("shopp",)))


def test_an_empty_namespace_of_which_nobody_may_say_whether_it_exists_is_named() -> None:
    found = survey(source_of(unread=("namespaces",)), Scope(("shop",)))
    assert [u.operation for u in found.unlisted] == ["kube:get namespaces"]
    assert found.incomplete
    assert survey(source_of(pod("a"), unread=("namespaces",)), Scope(("shop",))).unlisted == []


def test_where_all_together_are_refused_each_namespace_is_asked_and_those_that_refuse_are_named() -> None:
    source = source_of(pod("a", "one"), pod("b", "two"), unread=("pods/two",))
    found = survey(source, Scope())
    assert [ref.name for ref in found.workloads] == ["a"]
    assert [(u.operation, u.namespace) for u in found.unlisted] == [("kube:list pods", "two")]
    assert "pods/two.json" in found.unlisted[0].grant
    assert found.incomplete


def test_a_refusal_of_every_namespace_is_named_once() -> None:
    found = survey(source_of(pod("a", "one"), pod("b", "two"), unread=("pods",)), Scope())
    assert [(u.operation, u.namespace) for u in found.unlisted] == [("kube:list pods", "")]


def test_without_a_list_of_namespaces_those_that_are_known_are_looked_at() -> None:
    source = source_of(pod("a", "one"), pod("b", "two"), unread=("namespaces",))
    found = survey(source, Scope(), ("two",))
    assert [ref.name for ref in found.workloads] == ["b"]
    assert [u.operation for u in found.unlisted] == ["kube:list namespaces"]
    assert found.incomplete


@pytest.mark.parametrize("resource", ["deployments", "statefulsets", "daemonsets", "replicasets", "jobs"])
def test_a_refused_list_of_workloads_leaves_the_scope_incomplete(resource: str) -> None:
    assert survey(source_of(pod("a"), unread=(resource,)), Scope()).incomplete


def test_prometheus_resources_that_may_not_be_listed_count_where_an_operator_was_seen() -> None:
    operator = pod("operator", claims=())
    operator["spec"]["containers"][0]["image"] = "quay.io/prometheus-operator/prometheus-operator:v0.91.0"
    without = survey(source_of(pod("a"), unread=("prometheuses",)), Scope())
    assert [u.operation for u in without.unlisted] == ["kube:list prometheuses"]
    assert not without.incomplete
    assert survey(source_of(pod("a"), operator, unread=("prometheuses",)), Scope()).incomplete


def test_an_object_that_comes_twice_is_counted_once() -> None:
    source = source_of(of_deployment("web-1"))

    class Twice:
        def __call__(self, query: Query) -> Answer:
            return source(query)

        def pages(self, query: Query) -> list[list[Thing]]:
            page = source(query)
            return [page, copy.deepcopy(page)]

    assert survey(Twice(), Scope()).workloads[DEPLOYMENT].pods == 1


def test_a_pod_of_the_kubelet_itself_stands_for_itself() -> None:
    found = survey(source_of(pod("etcd-node1", owner=("Node", "node1"))), Scope())
    assert list(found.workloads) == [Ref("Pod", "etcd-node1", "shop")]


ODD = {
    "a pod without a spec": (lambda: pod("odd"), ("spec",), None),
    "a pod whose conditions are text": (lambda: pod("odd", ready=False), ("status", "conditions"), "x"),
    "a pod whose volumes are a number": (lambda: pod("odd"), ("spec", "volumes"), 1),
    "a claim whose status is a list": (lambda: claim("odd"), ("status",), [1]),
    "a claim without a spec": (lambda: claim("odd", phase="Pending"), ("spec",), None),
    "a workload whose template is text": (lambda: maker("Deployment", "odd"), ("spec", "template"), "x"),
}


@pytest.mark.parametrize("case", ODD.values(), ids=ODD)
def test_an_object_that_is_odd_is_named_and_hides_no_other(case) -> None:
    make, (*way, last), junk = case
    odd = make()
    inner = odd
    for name in way:
        inner = inner[name]
    inner[last] = junk
    found = survey(source_of(odd, of_deployment("web-1")), Scope())
    assert DEPLOYMENT in found.workloads
    assert [u.reason for u in found.unlisted if "odd in it cannot be understood" in u.reason]
    assert found.incomplete
