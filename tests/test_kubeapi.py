"""The Kubernetes API for tests, asked over HTTP: it answers and refuses in the words of a real 1.36 server."""

from __future__ import annotations

import base64
import http.client
import json
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from kubeapi import KubeApi, Log


@dataclass
class Reply:
    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        return str(self.json["message"])

    @property
    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.json["items"]]


def ask(
    api: KubeApi,
    path: str,
    method: str = "GET",
    body: Any = None,
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10,
    **query: Any,
) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=timeout_s)
    try:
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body)
        connection.request(method, target, data, {"Content-Type": content_type, **(headers or {})})
        response = connection.getresponse()
        return Reply(response.status, response.read().decode(), dict(response.headers))
    finally:
        connection.close()


def pod(name: str, namespace: str = "monitoring", node: str = "n1", **more: Any) -> dict[str, Any]:
    labels = more.pop("labels", {"app": name})
    spec = {"nodeName": node, "containers": [{"name": "server", "image": "prom"}], **more.pop("spec", {})}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": "Running"},
    } | more


def claim(name: str = "data", namespace: str = "monitoring") -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "5Gi"}}, "volumeName": "pv"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def volume(handle: str = "fs-1", **metadata: Any) -> dict[str, Any]:
    csi = {"driver": "efs.csi.aws.com", "volumeHandle": handle}
    spec = {"capacity": {"storage": "5Gi"}, "csi": csi}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv", **metadata}, "spec": spec}


def deployment(replicas: int = 1) -> dict[str, Any]:
    containers = [{"name": "server", "image": "prom:1"}, {"name": "reload", "image": "reload:1"}]
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "prom"}},
        "template": {"metadata": {"labels": {"app": "prom"}}, "spec": {"containers": containers}},
    }
    metadata = {"name": "prom", "namespace": "monitoring"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def event(name: str, about: str, uid: str) -> dict[str, Any]:
    involved = {"kind": "Pod", "namespace": "monitoring", "name": about, "uid": uid}
    metadata = {"name": name, "namespace": "monitoring"}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata,
        "involvedObject": involved,
        "reason": "FailedMount",
        "type": "Warning",
        "source": {"component": "kubelet"},
    }


PROMETHEUS = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "Prometheus",
    "metadata": {"name": "k8s", "namespace": "monitoring"},
    "spec": {"replicas": 2},
}
PODS = "/api/v1/namespaces/monitoring/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/monitoring/deployments"


@pytest.fixture
def api() -> Iterator[KubeApi]:
    objects = [
        pod("a", labels={"app": "web", "tier": "front"}),
        pod("b", labels={"app": "web"}, node="n2"),
        pod("c", "shop", labels={"app": "db", "size": "3"}, status={"phase": "Pending"}),
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": True}},
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2"}, "spec": {}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "monitoring"}, "data": {}},
        claim(),
        volume(),
        deployment(),
        event("e1", "a", "uid-a"),
        event("e2", "b", "uid-b"),
    ]
    with KubeApi(objects) as served:
        yield served


# Reading


def test_an_object_has_its_kind_and_the_items_of_a_list_do_not(api: KubeApi) -> None:
    one = ask(api, f"{PODS}/a").json
    assert (one["kind"], one["apiVersion"], one["metadata"]["name"]) == ("Pod", "v1", "a")
    assert {"uid", "resourceVersion", "creationTimestamp"} <= one["metadata"].keys()
    listed = ask(api, PODS).json
    assert (listed["kind"], listed["apiVersion"]) == ("PodList", "v1")
    assert [sorted(item) for item in listed["items"]] == [["metadata", "spec", "status"]] * 2


def test_the_items_of_a_custom_resource_keep_their_kind(api: KubeApi) -> None:
    api.add(PROMETHEUS)
    found = ask(api, "/apis/monitoring.coreos.com/v1/prometheuses").json
    assert (found["kind"], found["items"][0]["kind"]) == ("PrometheusList", "Prometheus")
    assert ask(api, "/apis/monitoring.coreos.com/v1").json["resources"][0]["name"] == "prometheuses"
    groups = [group["name"] for group in ask(api, "/apis").json["groups"]]
    assert groups[-1] == "monitoring.coreos.com"


def test_a_list_is_of_one_namespace_or_of_all_in_the_order_of_etcd(api: KubeApi) -> None:
    # "-" stands before "/" in ASCII, so the keys of shop-b come before those of shop.
    api.add(pod("z", "shop-b"))
    assert ask(api, PODS).names == ["a", "b"]
    assert ask(api, "/api/v1/pods").names == ["a", "b", "z", "c"]
    assert ask(api, "/api/v1/namespaces/nowhere/pods").json["items"] == []


def test_what_is_absent_is_worded_as_the_real_server_words_it(api: KubeApi) -> None:
    pod_404 = ask(api, f"{PODS}/zz")
    assert pod_404.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": 'pods "zz" not found',
        "reason": "NotFound",
        "details": {"name": "zz", "kind": "pods"},
        "code": 404,
    }
    assert ask(api, f"{DEPLOYMENTS}/zz").message == 'deployments.apps "zz" not found'
    unknown = ask(api, "/api/v1/namespaces/monitoring/gizmos")
    assert (unknown.status, unknown.message) == (404, "the server could not find the requested resource")


@pytest.mark.parametrize(
    "path", ["/apis/monitoring.coreos.com/v1/prometheuses", "/apis/apps/v9/deployments", "/nothing", "/api/v1x/pods"]
)
def test_an_unknown_group_version_or_path_is_404_in_plain_text(api: KubeApi, path: str) -> None:
    found = ask(api, path)
    assert (found.status, found.text) == (404, "404 page not found\n")
    assert found.headers["Content-Type"].startswith("text/plain")


def test_the_version_is_the_one_given() -> None:
    with KubeApi(version="v1.31.4") as api:
        found = ask(api, "/version").json
    assert (found["gitVersion"], found["major"], found["minor"]) == ("v1.31.4", "1", "31")
    with KubeApi() as api:
        assert ask(api, "/version").json["gitVersion"] == "v1.36.2"


def test_a_watch_is_refused_and_not_answered_as_a_list(api: KubeApi) -> None:
    assert ask(api, PODS, watch=1).status == 405


# Selectors


@pytest.mark.parametrize(
    ("path", "selector", "names"),
    [
        ("/api/v1/pods", "spec.nodeName=n1", ["a", "c"]),
        ("/api/v1/pods", "spec.nodeName!=n1", ["b"]),
        ("/api/v1/pods", "status.phase=Pending", ["c"]),
        ("/api/v1/pods", "metadata.namespace=shop", ["c"]),
        ("/api/v1/pods", "spec.hostNetwork=false,spec.nodeName==n2", ["b"]),
        ("/api/v1/pods", "metadata.name=a", ["a"]),
        (PODS, "metadata.name=a", ["a"]),
        (PODS, "metadata.name=c", []),
        (PODS, "metadata.name=a,status.phase=Pending", []),
        ("/api/v1/nodes", "spec.unschedulable=true", ["n1"]),
        ("/api/v1/events", "involvedObject.uid=uid-b", ["e2"]),
        ("/api/v1/events", "involvedObject.kind=Pod,involvedObject.name=a,type!=Normal", ["e1"]),
        ("/api/v1/events", "source=kubelet,reason=FailedMount", ["e1", "e2"]),
        ("/api/v1/persistentvolumes", "metadata.name=pv", ["pv"]),
        ("/apis/apps/v1/deployments", "metadata.namespace!=monitoring", []),
    ],
)
def test_a_field_selector_narrows_a_list(api: KubeApi, path: str, selector: str, names: list[str]) -> None:
    assert ask(api, path, fieldSelector=selector).names == names


@pytest.mark.parametrize(
    ("path", "selector", "message"),
    [
        ("/api/v1/pods", "spec.foo=x", "field label not supported: spec.foo"),
        ("/api/v1/nodes", "metadata.namespace=x", "field label not supported: metadata.namespace"),
        (
            "/api/v1/persistentvolumeclaims",
            "spec.volumeName=pv",
            '"spec.volumeName" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (
            "/api/v1/persistentvolumes",
            "spec.claimRef.name=x",
            '"spec.claimRef.name" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("/apis/batch/v1/jobs", "status.failed=1", 'field label "status.failed" not supported for batchv1.Job'),
        ("/api/v1/pods", "spec.nodeName", "invalid selector: 'spec.nodeName'; can't understand 'spec.nodeName'"),
    ],
)
def test_a_field_that_the_kind_cannot_be_selected_by_is_400(
    api: KubeApi, path: str, selector: str, message: str
) -> None:
    found = ask(api, path, fieldSelector=selector)
    assert (found.status, found.json["reason"], found.message) == (400, "BadRequest", message)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=web", ["a", "b"]),
        ("app==web,tier", ["a"]),
        ("app!=web", ["c"]),
        ("!tier", ["b", "c"]),
        ("tier!=front", ["b", "c"]),
        ("app in (web, db), !tier", ["b", "c"]),
        ("app notin (web)", ["c"]),
        ("tier in (front,)", ["a"]),
        ("size>2", ["c"]),
        ("size<3", []),
        ("app=", []),
    ],
)
def test_a_label_selector_narrows_a_list(api: KubeApi, selector: str, names: list[str]) -> None:
    assert ask(api, "/api/v1/pods", labelSelector=selector).names == names


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a===b", "unable to parse requirement: found '=', expected: identifier"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b,", "found '', expected: identifier after ','"),
    ],
)
def test_a_label_selector_that_does_not_parse_is_400(api: KubeApi, selector: str, message: str) -> None:
    found = ask(api, "/api/v1/pods", labelSelector=selector)
    assert (found.status, found.message) == (400, message)


def test_a_label_value_that_no_label_can_have_is_400(api: KubeApi) -> None:
    found = ask(api, "/api/v1/pods", labelSelector="app=a/b")
    assert found.status == 400
    assert found.message.startswith('unable to parse requirement: values[0][app]: Invalid value: "a/b": a valid label')


# Pages


def after(token: str) -> dict[str, Any]:
    """The parameter of the next page, whose name is a keyword of Python."""
    return {"continue": token}


def pages(api: KubeApi, path: str, limit: int, **query: Any) -> list[Reply]:
    found = [ask(api, path, limit=limit, **query)]
    while token := found[-1].json["metadata"].get("continue"):
        found.append(ask(api, path, limit=limit, **query, **after(token)))
    return found


def test_pages_together_are_the_list_and_count_what_remains() -> None:
    objects = [pod(f"p{i}", namespace) for i in range(5) for namespace in ("a", "a-b", "b")]
    with KubeApi(objects) as api:
        found = pages(api, "/api/v1/pods", 4)
        assert [len(page.names) for page in found] == [4, 4, 4, 3]
        assert [page.json["metadata"].get("remainingItemCount") for page in found] == [11, 7, 3, None]
        assert [name for page in found for name in page.names] == ask(api, "/api/v1/pods").names
        one = pages(api, "/api/v1/namespaces/a/pods", 2)
        assert [page.names for page in one] == [["p0", "p1"], ["p2", "p3"], ["p4"]]
        assert pages(api, "/api/v1/namespaces/a/pods", 5)[0].json["metadata"].keys() == {"resourceVersion"}


def test_a_page_of_a_selection_does_not_count_what_remains() -> None:
    with KubeApi([pod(f"p{i}", labels={"odd": str(i % 2)}) for i in range(6)]) as api:
        found = pages(api, "/api/v1/pods", 2, labelSelector="odd=1")
    assert [page.names for page in found] == [["p1", "p3"], ["p5"]]
    assert "remainingItemCount" not in found[0].json["metadata"]


def test_a_continue_token_is_that_of_the_real_server() -> None:
    with KubeApi([pod("p1", "t"), pod("p2", "t")]) as api:
        token = ask(api, "/api/v1/pods", limit=1).json["metadata"]["continue"]
    content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert (content["v"], content["start"]) == ("meta.k8s.io/v1", "/t/p1\0")


def test_a_bad_continue_token_is_400(api: KubeApi) -> None:
    found = ask(api, "/api/v1/pods", limit=1, **after("abc"))
    assert found.status == 400
    assert found.message == (
        "invalid continue token: continue key is not valid: invalid character 'i' looking for beginning of value"
    )
    assert ask(api, "/api/v1/pods", limit=1, **after("%%%")).status == 400


def test_a_token_from_before_a_compaction_is_410_and_hands_out_one_that_works(api: KubeApi) -> None:
    token = ask(api, "/api/v1/pods", limit=1).json["metadata"]["continue"]
    api.compact()
    gone = ask(api, "/api/v1/pods", limit=1, **after(token))
    assert (gone.status, gone.json["reason"]) == (410, "Expired")
    assert gone.message.startswith("The provided continue parameter is too old to display a consistent list result.")
    rest = ask(api, "/api/v1/pods", **after(gone.json["metadata"]["continue"]))
    assert rest.names == ["b", "c"]
    assert [page.names for page in pages(api, "/api/v1/pods", 1)] == [["a"], ["b"], ["c"]]


def test_a_list_can_expire_between_its_pages_on_demand(api: KubeApi) -> None:
    api.fail("continue=", status=410)
    token = ask(api, "/api/v1/pods", limit=2).json["metadata"]["continue"]
    gone = ask(api, "/api/v1/pods", limit=2, **after(token))
    assert (gone.status, gone.json["reason"]) == (410, "Expired")
    assert ask(api, "/api/v1/pods", **after(gone.json["metadata"]["continue"])).names == ["c"]


# Logs


@pytest.fixture
def logged() -> Iterator[KubeApi]:
    waiting = {"name": "server", "state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}}
    pulling = {"name": "server", "state": {"waiting": {"reason": "ImagePullBackOff"}}, "lastState": {}}
    ended = {"terminated": {"exitCode": 1, "containerID": "containerd://1"}}
    restarted = {"name": "server", "state": {"running": {}}, "lastState": ended}
    two = {"containers": [{"name": "x"}, {"name": "y"}], "initContainers": [{"name": "i"}]}
    objects = [
        pod("a"),
        pod("two", spec=two),
        pod("unscheduled", node=""),
        pod("waiting", status={"phase": "Pending", "containerStatuses": [waiting]}),
        pod("pulling", status={"phase": "Pending", "containerStatuses": [pulling]}),
        pod("restarted", status={"phase": "Running", "containerStatuses": [restarted]}),
        pod("unseen", status={"phase": "Pending"}),
    ]
    logs = [
        Log("monitoring", "a", "server", "one\ntwo\x85still two\nthree\n"),
        Log("monitoring", "a", "server", "killed\n", previous=True),
        Log("monitoring", "two", "y", "from y\n"),
    ]
    with KubeApi(objects, logs) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("a", {}, "one\ntwo\x85still two\nthree\n"),
        ("a", {"container": "server", "tailLines": 2}, "two\x85still two\nthree\n"),
        ("a", {"tailLines": 0}, ""),
        ("a", {"tailLines": 99, "limitBytes": 3}, "one"),
        ("a", {"previous": "true"}, "killed\n"),
        ("two", {"container": "y"}, "from y\n"),
        ("two", {"container": "x"}, ""),
    ],
)
def test_a_log_is_that_of_the_container_and_run(logged: KubeApi, path: str, query: dict[str, Any], text: str) -> None:
    found = ask(logged, f"{PODS}/{path}/log", **query)
    assert (found.status, found.text) == (200, text)
    assert found.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("name", "query", "message"),
    [
        ("two", {"container": "y", "previous": "true"}, 'previous terminated container "y" in pod "two" not found'),
        ("restarted", {"previous": "1"}, 'previous terminated container "server" in pod "restarted" not found'),
        ("two", {"container": "z"}, "container z is not valid for pod two"),
        (
            "two",
            {},
            "a container name must be specified for pod two, choose one of: [x y] or one of the init containers: [i]",
        ),
        ("waiting", {}, 'container "server" in pod "waiting" is waiting to start: ContainerCreating'),
        ("pulling", {}, 'container "server" in pod "pulling" is waiting to start: trying and failing to pull image'),
        ("unseen", {}, 'container "server" in pod "unseen" is not available'),
    ],
)
def test_a_log_that_is_not_there_is_400_in_the_words_of_kubelet(
    logged: KubeApi, name: str, query: dict[str, Any], message: str
) -> None:
    found = ask(logged, f"{PODS}/{name}/log", **query)
    assert (found.status, found.json["reason"], found.message) == (400, "BadRequest", message)


def test_the_log_of_an_unscheduled_pod_is_204_and_of_an_absent_one_404(logged: KubeApi) -> None:
    empty = ask(logged, f"{PODS}/unscheduled/log")
    assert (empty.status, empty.text) == (204, "")
    assert ask(logged, f"{PODS}/zz/log").message == 'pods "zz" not found'


# Access


def test_without_the_right_token_everything_is_401() -> None:
    with KubeApi([pod("a")], token="secret") as api:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            found = ask(api, PODS, headers=headers)
            assert (found.status, found.message, found.json["reason"]) == (401, "Unauthorized", "Unauthorized")
        assert ask(api, PODS, headers={"Authorization": "Bearer secret"}).names == ["a"]
        assert [request.user for request in api.requests] == ["", "", "viewer"]


def test_forbidden_is_worded_as_rbac_words_it(api: KubeApi) -> None:
    api.forbid("*", "secrets")
    api.forbid("get", "pods/log")
    api.forbid("get", "deployments.apps")
    found = ask(api, "/api/v1/secrets")
    assert (found.status, found.json["details"]) == (403, {"kind": "secrets"})
    assert found.message == (
        'secrets is forbidden: User "viewer" cannot list resource "secrets" in API group "" at the cluster scope'
    )
    assert ask(api, f"{PODS}/a/log").message == (
        'pods "a" is forbidden: User "viewer" cannot get resource "pods/log" in API group "" '
        'in the namespace "monitoring"'
    )
    assert ask(api, f"{DEPLOYMENTS}/prom").message == (
        'deployments.apps "prom" is forbidden: User "viewer" cannot get resource "deployments" in API group "apps" '
        'in the namespace "monitoring"'
    )
    assert ask(api, f"{PODS}/a").status == 200
    assert ask(api, DEPLOYMENTS).status == 200


def test_what_is_forbidden_in_a_namespace_is_forbidden_at_the_cluster_scope_and_nowhere_else(api: KubeApi) -> None:
    api.forbid("list", "pods", "monitoring")
    assert [ask(api, p).status for p in (PODS, "/api/v1/pods", "/api/v1/namespaces/shop/pods")] == [403, 403, 200]


def test_what_is_forbidden_at_the_cluster_scope_alone_is_allowed_in_a_namespace(api: KubeApi) -> None:
    api.forbid("list", "pods", "")
    assert [ask(api, p).status for p in ("/api/v1/pods", PODS)] == [403, 200]


def test_an_absent_object_that_may_not_be_read_is_forbidden_and_not_absent(api: KubeApi) -> None:
    api.forbid("get", "pods")
    assert ask(api, f"{PODS}/zz").status == 403


def test_impersonation_is_named_in_refusals_and_can_itself_be_refused(api: KubeApi) -> None:
    api.forbid("list", "secrets")
    found = ask(api, "/api/v1/secrets", headers={"Impersonate-User": "jane"})
    assert 'User "jane" cannot list' in found.message
    assert (api.requests[-1].user, api.requests[-1].headers["impersonate-user"]) == ("jane", "jane")
    api.forbid("impersonate", "users")
    assert ask(api, PODS, headers={"Impersonate-User": "jane"}).message == (
        'users "jane" is forbidden: User "viewer" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )


def test_an_access_review_answers_from_what_is_forbidden_and_is_no_mutation(api: KubeApi) -> None:
    api.forbid("delete", "pods", "monitoring")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def allowed(**attributes: str) -> bool:
        reply = ask(api, path, "POST", {"spec": {"resourceAttributes": attributes}})
        assert reply.status == 201
        return bool(reply.json["status"]["allowed"])

    assert not allowed(verb="delete", resource="pods", namespace="monitoring")
    assert allowed(verb="delete", resource="pods", namespace="shop")
    assert allowed(verb="get", resource="pods", namespace="monitoring")
    assert api.mutations == []


# Faults


def test_429_comes_n_times_with_retry_after_in_plain_text(api: KubeApi) -> None:
    api.fail("GET .*/pods", status=429, times=2, headers={"Retry-After": "7"})
    found = [ask(api, PODS) for _ in range(3)]
    assert [reply.status for reply in found] == [429, 429, 200]
    assert found[0].headers["Retry-After"] == "7"
    assert found[0].text == "Too many requests, please try again later.\n"


@pytest.mark.parametrize(
    ("status", "reason"), [(500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout"), (409, "Conflict")]
)
def test_a_server_error_is_a_status_for_the_requests_that_match(api: KubeApi, status: int, reason: str) -> None:
    api.fail(r"fieldSelector=spec\.nodeName=n1", status=status, times=None)
    for _ in range(3):
        found = ask(api, PODS, fieldSelector="spec.nodeName=n1")
        assert (found.status, found.json["reason"], found.json["code"]) == (status, reason, status)
    assert ask(api, PODS, fieldSelector="spec.nodeName=n2").status == 200


def test_a_reset_connection_is_an_error_of_the_client_and_is_recorded_as_status_0(api: KubeApi) -> None:
    api.fail("GET", reset=True)
    with pytest.raises(ConnectionResetError) as told:
        ask(api, PODS)
    # A connection that is closed in good order is told by a subclass, RemoteDisconnected.
    assert told.type is ConnectionResetError
    assert ask(api, PODS).status == 200
    assert [request.status for request in api.requests] == [0, 200]


def test_a_delay_outlasts_the_client_and_ends_with_the_server(api: KubeApi) -> None:
    api.fail("/pods", delay_s=60)
    with pytest.raises(TimeoutError):
        ask(api, PODS, timeout_s=0.1)
    assert ask(api, PODS).status == 200
    api.stop()
    with pytest.raises(RuntimeError, match="not started"):
        _ = api.url


def test_a_fault_that_does_nothing_is_a_mistake(api: KubeApi) -> None:
    with pytest.raises(ValueError, match="needs a status, a reset or a delay"):
        api.fail("GET")


# The record


def test_every_request_is_recorded_with_who_asked_and_what_for(api: KubeApi) -> None:
    reply = ask(api, f"{PODS}/a/log", headers={"User-Agent": "efsdiag"}, tailLines=3)
    (seen,) = api.requests
    assert (seen.method, seen.path, seen.query) == ("GET", f"{PODS}/a/log", {"tailLines": "3"})
    assert (seen.verb, seen.resource, seen.namespace, seen.name) == ("get", "pods/log", "monitoring", "a")
    assert (seen.status, seen.bytes) == (reply.status, len(reply.text))
    assert (seen.user, seen.headers) == ("viewer", {"user-agent": "efsdiag"})
    api.requests.clear()
    ask(api, "/version")
    assert [(request.path, request.verb) for request in api.requests] == [("/version", "")]


def test_mutations_and_secret_reads_hold_the_refused_ones_too(api: KubeApi) -> None:
    api.forbid("*", "secrets")
    ask(api, "/api/v1/secrets")
    ask(api, "/api/v1/namespaces/monitoring/secrets/tls")
    ask(api, PODS)
    assert api.mutations == []
    assert [(r.verb, r.status) for r in api.secret_reads] == [("list", 403), ("get", 403)]
    ask(api, f"{PODS}/zz", "DELETE")
    ask(api, PODS, "POST", pod("new"), dryRun="All")
    assert [(r.verb, r.status, r.dry_run) for r in api.mutations] == [("delete", 404, False), ("create", 201, True)]


def test_the_token_is_not_in_the_record() -> None:
    with KubeApi(token="s3cret") as api:
        ask(api, "/version", headers={"Authorization": "Bearer s3cret"})
        assert "s3cret" not in repr(api.requests) + str(api.requests[0].headers)


# Objects from Python


def test_objects_are_added_replaced_and_removed_while_it_runs(api: KubeApi) -> None:
    assert ask(api, PODS).names == ["a", "b"]
    first = ask(api, f"{PODS}/a").json["metadata"]["resourceVersion"]
    api.add({"kind": "List", "apiVersion": "v1", "items": [pod("a", node="n9"), pod("aa")]})
    again = ask(api, f"{PODS}/a").json
    assert again["spec"]["nodeName"] == "n9"
    assert int(again["metadata"]["resourceVersion"]) > int(first)
    assert ask(api, PODS).names == ["a", "aa", "b"]
    api.remove("pods", "aa", "monitoring")
    assert ask(api, PODS).names == ["a", "b"]
    assert api.object("pods", "aa", "monitoring") is None
    with pytest.raises(LookupError):
        api.remove("pods", "aa", "monitoring")


def test_a_given_object_keeps_its_uid_version_and_age(api: KubeApi) -> None:
    own = {"uid": "u-1", "resourceVersion": "330400", "creationTimestamp": "2026-11-21T06:25:45Z"}
    given = pod("old")
    api.add(given | {"metadata": given["metadata"] | own})
    assert own.items() <= ask(api, f"{PODS}/old").json["metadata"].items()
    api.add(pod("new"))
    assert int(ask(api, f"{PODS}/new").json["metadata"]["resourceVersion"]) > 330400


def test_a_mistake_in_a_given_object_is_told() -> None:
    with pytest.raises(ValueError, match="apps/v1 has no kind 'Deploymnt'"):
        KubeApi([{"apiVersion": "apps/v1", "kind": "Deploymnt", "metadata": {"name": "x", "namespace": "y"}}])
    with pytest.raises(ValueError, match="Pod 'x' is without a namespace"):
        KubeApi([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}])


def test_the_kubeconfig_names_the_server_and_the_token(tmp_path: Path) -> None:
    with KubeApi(token="t", user="jane") as api:
        path = api.kubeconfig(tmp_path, namespace="monitoring")
        config = json.loads(path.read_text())
        assert config["clusters"][0]["cluster"]["server"] == api.url
    assert config["users"] == [{"name": "jane", "user": {"token": "t"}}]
    assert config["contexts"][0]["context"]["namespace"] == "monitoring"
    assert path.stat().st_mode & 0o777 == 0o600


# A bundle


def list_of(*items: Mapping[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": items})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    ended = {"terminated": {"exitCode": 137, "containerID": "containerd://1"}}
    restarted = {"name": "server", "state": {"running": {}}, "lastState": ended}
    namespaces = [{"metadata": {"name": name}} for name in ("monitoring", "shop", "empty")]
    pods = [pod("a", status={"phase": "Running", "containerStatuses": [restarted]}), pod("b", node="")]
    files = {
        "namespaces.json": list_of(*namespaces),
        "pvs.json": list_of(volume()),
        "pods/monitoring.json": list_of(*pods),
        "pods/empty.json": list_of(),
        "pvcs/monitoring.json": list_of(claim()),
        "pods/logs/monitoring/a/server.log": "up\n",
    }
    root = tmp_path / "case"
    for name, text in files.items():
        path = root / "cluster-resources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "bundle.json").write_text(json.dumps({"cluster": {"kubernetesVersion": "v1.35.1"}}))
    return root


def test_a_bundle_is_served_as_the_cluster_that_it_was_read_from(bundle: Path) -> None:
    with KubeApi.from_bundle(bundle) as api:
        assert ask(api, "/version").json["gitVersion"] == "v1.35.1"
        assert ask(api, "/api/v1/pods").names == ["a", "b"]
        assert ask(api, "/api/v1/namespaces/empty/pods").names == []
        assert ask(api, "/api/v1/persistentvolumes/pv").json["spec"]["csi"]["volumeHandle"] == "fs-1"
        assert ask(api, f"{PODS}/a/log").text == "up\n"
        assert ask(api, f"{PODS}/b/log").status == 204
        assert ask(api, "/apis/monitoring.coreos.com/v1/prometheuses").text == "404 page not found\n"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/apis/apps/v1/deployments", 403),
        ("/api/v1/secrets", 403),
        ("/api/v1/namespaces/shop/pods", 403),
        ("/api/v1/namespaces/shop/pods/x", 403),
        ("/api/v1/nodes", 403),
        (f"{PODS}/a/log?previous=true", 403),
    ],
)
def test_what_nobody_read_into_a_bundle_is_forbidden_and_not_empty(bundle: Path, path: str, status: int) -> None:
    with KubeApi.from_bundle(bundle) as api:
        assert ask(api, path).status == status
    with KubeApi.from_bundle(bundle, unread="empty") as api:
        assert ask(api, path.partition("?")[0]).status in (200, 404)


def test_a_packed_bundle_is_served_too(bundle: Path, tmp_path: Path) -> None:
    packed = tmp_path / "case.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(bundle, arcname="case")
    with KubeApi.from_bundle(packed, token="t") as api:
        assert ask(api, PODS, headers={"Authorization": "Bearer t"}).names == ["a", "b"]


def test_a_folder_without_a_cluster_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="it is not an evidence bundle"):
        KubeApi.from_bundle(tmp_path)


# Writing


def test_a_created_object_is_kept_under_a_name_and_uid_of_its_own(api: KubeApi) -> None:
    made = {"metadata": {"generateName": "probe-"}, "spec": {"template": {}}}
    reply = ask(api, "/apis/batch/v1/namespaces/monitoring/jobs", "POST", made)
    name = reply.json["metadata"]["name"]
    assert (reply.status, reply.json["kind"], name[:6], len(name)) == (201, "Job", "probe-", 11)
    kept = api.object("jobs", name, "monitoring")
    assert kept is not None
    assert kept["metadata"]["generation"] == 1
    assert kept["metadata"]["uid"] == reply.json["metadata"]["uid"]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (PODS, pod("a"), 409, 'pods "a" already exists'),
        (
            PODS,
            pod("x", "shop"),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        ("/api/v1/namespaces/none/pods", pod("x", "none"), 404, 'namespaces "none" not found'),
        ("/api/v1/persistentvolumes", {"metadata": {}}, 422, None),
        (PODS, [], 400, None),
    ],
)
def test_a_create_is_refused_as_the_real_server_refuses_it(
    api: KubeApi, path: str, body: Any, status: int, message: str | None
) -> None:
    found = ask(api, path, "POST", body)
    assert found.status == status
    assert message in (None, found.message)


def test_a_body_that_is_not_json_is_415(api: KubeApi) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
    connection.request("POST", PODS, b"k8s\0\n", {"Content-Type": "application/vnd.kubernetes.protobuf"})
    assert connection.getresponse().status == 415
    connection.close()
    assert ask(api, PODS).names == ["a", "b"]


def test_a_bad_name_is_invalid(api: KubeApi) -> None:
    found = ask(api, PODS, "POST", pod("Bad_Name"))
    assert (found.status, found.json["reason"]) == (422, "Invalid")
    assert found.message.startswith('Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase')


def test_an_update_with_an_old_resource_version_is_a_conflict(api: KubeApi) -> None:
    path = "/api/v1/namespaces/monitoring/configmaps/c"
    old = ask(api, path).json
    new = ask(api, path, "PUT", old | {"data": {"k": "1"}})
    assert (new.status, new.json["data"]) == (200, {"k": "1"})
    stale = ask(api, path, "PUT", old | {"data": {"k": "2"}})
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert (stale.status, ask(api, path).json["data"]) == (409, {"k": "1"})
    assert ask(api, path.replace("/c", "/d"), "PUT", old).status == 404


def images(api: KubeApi) -> list[str]:
    found = api.object("deployments", "prom", "monitoring")
    assert found is not None
    return [container["image"] for container in found["spec"]["template"]["spec"]["containers"]]


def test_a_strategic_patch_merges_containers_by_name_and_raises_the_generation(api: KubeApi) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "reload", "image": "reload:2"}]}}}}
    reply = ask(api, f"{DEPLOYMENTS}/prom", "PATCH", patch, "application/strategic-merge-patch+json")
    assert (reply.status, images(api)) == (200, ["prom:1", "reload:2"])
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "reload", "$patch": "delete"}]}}}}
    ask(api, f"{DEPLOYMENTS}/prom", "PATCH", gone, "application/strategic-merge-patch+json")
    assert images(api) == ["prom:1"]


def test_a_merge_patch_replaces_lists_and_null_removes(api: KubeApi) -> None:
    patch = {"spec": {"replicas": None, "template": {"spec": {"containers": [{"name": "x", "image": "x:1"}]}}}}
    reply = ask(api, f"{DEPLOYMENTS}/prom", "PATCH", patch, "application/merge-patch+json")
    assert ("replicas" in reply.json["spec"], images(api)) == (False, ["x:1"])


def test_a_json_patch_applies_whole_or_not_at_all(api: KubeApi) -> None:
    base = "/spec/template/spec/containers"
    patch = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "add", "path": f"{base}/-", "value": {"name": "x", "image": "x:1"}},
        {"op": "replace", "path": f"{base}/0/image", "value": "prom:2"},
        {"op": "remove", "path": f"{base}/1"},
    ]
    assert ask(api, f"{DEPLOYMENTS}/prom", "PATCH", patch, "application/json-patch+json").status == 200
    assert images(api) == ["prom:2", "x:1"]
    failing = [{"op": "remove", "path": f"{base}/0"}, {"op": "test", "path": "/spec/replicas", "value": 9}]
    assert ask(api, f"{DEPLOYMENTS}/prom", "PATCH", failing, "application/json-patch+json").status == 422
    assert images(api) == ["prom:2", "x:1"]


def test_apply_creates_for_those_alone_who_may_create(api: KubeApi) -> None:
    path, kind = "/apis/apps/v1/namespaces/monitoring/deployments", "application/apply-patch+yaml"
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "new"}, "spec": {"replicas": 1}}
    api.forbid("create", "deployments.apps")
    refused = ask(api, f"{path}/new", "PATCH", manifest, kind, fieldManager="tests")
    assert refused.status == 403
    assert 'cannot create resource "deployments"' in refused.message
    assert api.object("deployments.apps", "new", "monitoring") is None


def test_the_openapi_document_has_no_schemas(api: KubeApi) -> None:
    found = ask(api, "/openapi/v2")
    assert (found.status, found.text) == (200, "")
    assert found.headers["Content-Type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def field_of(number: int, value: bytes) -> bytes:
    """A field of a protobuf message that holds bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def protobuf(kind: str, raw: bytes) -> bytes:
    about = field_of(1, b"v1") + field_of(2, kind.encode())
    return b"k8s\0" + field_of(1, about) + field_of(2, raw)


def test_a_secret_is_known_in_protobuf_and_nothing_else_is(api: KubeApi) -> None:
    metadata = field_of(1, b"s") + field_of(3, b"monitoring") + field_of(11, field_of(1, b"a") + field_of(2, b"b"))
    secret = field_of(1, metadata) + field_of(2, field_of(1, b"k") + field_of(2, b"v")) + field_of(3, b"Opaque")
    path = "/api/v1/namespaces/monitoring/secrets"

    def send(body: bytes, method: str = "POST", tail: str = "") -> int:
        connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=10)
        try:
            connection.request(method, path + tail, body, {"Content-Type": "application/vnd.kubernetes.protobuf"})
            return connection.getresponse().status
        finally:
            connection.close()

    assert send(protobuf("Secret", secret)) == 201
    kept = api.object("secrets", "s", "monitoring")
    assert kept is not None
    assert (kept["data"], kept["type"], kept["metadata"]["labels"]) == ({"k": "dg=="}, "Opaque", {"a": "b"})
    assert send(protobuf("Pod", secret)) == 415
    assert send(protobuf("Secret", secret)[:-3] + b"\xff") == 415
    assert send(protobuf("DeleteOptions", b""), "DELETE", "/s") == 200
    assert api.object("secrets", "s", "monitoring") is None


def test_apply_creates_and_then_merges(api: KubeApi) -> None:
    path = "/api/v1/namespaces/monitoring/configmaps/new"
    kind = "application/apply-patch+yaml"
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
    assert ask(api, path, "PATCH", manifest, kind).status == 422
    assert ask(api, path, "PATCH", manifest, kind, fieldManager="efsdiag").status == 201
    again = ask(api, path, "PATCH", manifest | {"data": {"b": "2"}}, kind, fieldManager="efsdiag")
    assert (again.status, again.json["data"]) == (200, {"a": "1", "b": "2"})


def test_an_unknown_kind_of_patch_is_415(api: KubeApi) -> None:
    found = ask(api, f"{PODS}/a", "PATCH", {}, "application/json")
    assert (found.status, found.message) == (415, "415: Unsupported Media Type")
    api.add(PROMETHEUS)
    custom = "/apis/monitoring.coreos.com/v1/namespaces/monitoring/prometheuses/k8s"
    assert ask(api, custom, "PATCH", {}, "application/strategic-merge-patch+json").status == 415
    merged = ask(api, custom, "PATCH", {"spec": {"replicas": 1}}, "application/merge-patch+json")
    assert merged.json["spec"] == {"replicas": 1}


@pytest.mark.parametrize(
    ("path", "patch", "message"),
    [
        (
            "/api/v1/persistentvolumes/pv",
            {"spec": {"csi": {"volumeHandle": "fs-2"}}},
            'PersistentVolume "pv" is invalid: spec.persistentvolumesource: Forbidden: '
            "spec.persistentvolumesource is immutable after creation",
        ),
        (
            "/api/v1/namespaces/monitoring/persistentvolumeclaims/data",
            {"spec": {"volumeName": "other"}},
            'PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation except '
            "resources.requests and volumeAttributesClassName for bound claims",
        ),
        (
            f"{DEPLOYMENTS}/prom",
            {"spec": {"selector": {"matchLabels": {"app": "x"}}}},
            'Deployment.apps "prom" is invalid: spec.selector: Invalid value: {"matchLabels": {"app": "x"}}: '
            "field is immutable",
        ),
        (f"{PODS}/a", {"spec": {"restartPolicy": "Never"}}, None),
    ],
)
def test_a_change_of_what_is_fixed_is_invalid(
    api: KubeApi, path: str, patch: dict[str, Any], message: str | None
) -> None:
    before = ask(api, path).json
    found = ask(api, path, "PATCH", patch, "application/merge-patch+json")
    assert found.status == 422
    assert message in (None, found.message)
    assert ask(api, path).json == before


def test_a_claim_may_ask_for_more_and_a_volume_may_change_what_is_not_its_source(api: KubeApi) -> None:
    merge = "application/merge-patch+json"
    more = {"spec": {"resources": {"requests": {"storage": "9Gi"}}}}
    assert ask(api, "/api/v1/namespaces/monitoring/persistentvolumeclaims/data", "PATCH", more, merge).status == 200
    retain = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    assert ask(api, "/api/v1/persistentvolumes/pv", "PATCH", retain, merge).status == 200


def test_the_status_is_changed_by_its_own_path_alone(api: KubeApi) -> None:
    merge, change = "application/merge-patch+json", {"status": {"phase": "Failed"}, "metadata": {"labels": {"x": "y"}}}
    assert ask(api, f"{PODS}/a", "PATCH", change, merge).json["status"] == {"phase": "Running"}
    found = ask(api, f"{PODS}/b/status", "PATCH", change, merge).json
    assert (found["status"], found["metadata"]["labels"]) == ({"phase": "Failed"}, {"app": "web"})


def test_a_delete_removes_and_a_finalizer_holds_until_it_is_taken_off(api: KubeApi) -> None:
    assert ask(api, f"{PODS}/a", "DELETE").json["status"] == "Success"
    assert ask(api, PODS).names == ["b"]
    api.add(volume(finalizers=["kubernetes.io/pv-protection"]))
    held = ask(api, "/api/v1/persistentvolumes/pv", "DELETE")
    assert "deletionTimestamp" in held.json["metadata"]
    assert ask(api, "/api/v1/persistentvolumes/pv").status == 200
    free = {"metadata": {"finalizers": None}}
    ask(api, "/api/v1/persistentvolumes/pv", "PATCH", free, "application/merge-patch+json")
    assert ask(api, "/api/v1/persistentvolumes/pv").status == 404


def test_a_delete_of_another_uid_is_a_conflict(api: KubeApi) -> None:
    found = ask(api, f"{PODS}/a", "DELETE", {"preconditions": {"uid": "other"}})
    assert found.status == 409
    assert "the UID in the precondition (other) does not match the UID in record" in found.message
    assert ask(api, f"{PODS}/a").status == 200


def test_a_dry_run_answers_as_the_write_would_and_keeps_nothing(api: KubeApi) -> None:
    before = [ask(api, path).json["items"] for path in ("/api/v1/pods", "/apis/apps/v1/deployments")]
    made = ask(api, PODS, "POST", pod("new"), dryRun="All")
    assert (made.status, made.json["metadata"]["name"], made.json["kind"]) == (201, "new", "Pod")
    scaled = ask(
        api,
        f"{DEPLOYMENTS}/prom",
        "PATCH",
        {"spec": {"replicas": 5}},
        "application/merge-patch+json",
        dryRun="All",
    )
    assert scaled.json["spec"]["replicas"] == 5
    assert ask(api, f"{PODS}/a", "DELETE", dryRun="All").status == 200
    assert [ask(api, path).json["items"] for path in ("/api/v1/pods", "/apis/apps/v1/deployments")] == before


def test_a_collection_is_not_deleted(api: KubeApi) -> None:
    assert ask(api, PODS, "DELETE").status == 405
    assert ask(api, PODS).names == ["a", "b"]
    assert [request.verb for request in api.mutations] == ["deletecollection"]


# Size


def fastest_s(call: Callable[[], object]) -> float:
    """The shortest of three runs, which other work on the machine disturbs least."""
    taken = []
    for _ in range(3):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken)


def test_of_fifty_thousand_pods_a_page_or_a_namespace_costs_a_fraction_of_the_list() -> None:
    objects = (pod(f"p{i}", f"ns-{i % 40}", f"n{i % 300}") for i in range(50_000))
    with KubeApi(objects) as api:
        first = ask(api, "/api/v1/pods", limit=500)
        token = first.json["metadata"]["continue"]
        assert first.json["metadata"]["remainingItemCount"] == 49_500
        assert len(ask(api, "/api/v1/namespaces/ns-7/pods").names) == 1_250
        assert len(ask(api, "/api/v1/pods", fieldSelector="spec.nodeName=n5").names) == 167
        whole_s = fastest_s(lambda: ask(api, "/api/v1/pods"))
        assert fastest_s(lambda: ask(api, "/api/v1/pods", limit=500, **after(token))) < whole_s / 5
        assert fastest_s(lambda: ask(api, "/api/v1/namespaces/ns-7/pods")) < whole_s / 5
        assert fastest_s(lambda: ask(api, "/api/v1/namespaces/ns-7/pods/p7")) < whole_s / 20
