"""The Kubernetes API for tests, held against the real kubectl: what kubectl accepts and prints is the referee."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubeapi import KubeApi

KUBECTL = shutil.which("kubectl")

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH"),
]


class Kubectl:
    """Runs kubectl against one server, with a home of its own so that no cache or setting of the user counts."""

    def __init__(self, api: KubeApi, home: Path) -> None:
        self.api = api
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        config = api.kubeconfig(home, namespace="monitoring")
        self.environment = {**kept, "HOME": str(home), "KUBECONFIG": str(config)}

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(KUBECTL), *arguments]
        return subprocess.run(
            command, input=given, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def __call__(self, *arguments: str, given: str = "") -> str:
        """What kubectl prints. Fails the test with kubectl's complaint where it does not exit with 0."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self, *arguments: str) -> list[str]:
        return [item["metadata"]["name"] for item in json.loads(self("get", *arguments, "-o", "json"))["items"]]

    def complaint(self, *arguments: str) -> str:
        """What kubectl says on stderr when it fails. Fails the test where it succeeds."""
        done = self.run(*arguments)
        assert done.returncode == 1, done.stdout
        return done.stderr.strip()


def list_of(*items: Mapping[str, Any]) -> str:
    return json.dumps({"kind": "List", "apiVersion": "v1", "items": items})


def pod(name: str, node: str, container: Mapping[str, Any], namespace: str = "monitoring") -> dict[str, Any]:
    mounts = [{"name": "data", "mountPath": "/data"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": {"app": name[:4]}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "server", "image": "prom/prometheus:v2.42.0", "volumeMounts": mounts}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
        "status": {"phase": "Running", "containerStatuses": [{"name": "server", "ready": True, **container}]},
    }


def sample() -> dict[str, str]:
    """The files of a small bundle: one pod that was restarted, one that waits for its volume."""
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "containerID": "containerd://0"}}
    runs = {"state": {"running": {"startedAt": "2026-11-21T06:00:00Z"}}, "lastState": ended, "restartCount": 1}
    waits = {"state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}, "restartCount": 0}
    pods = [pod("prom-0", "n1", runs), pod("prom-1", "n2", waits), *(pod(f"work-{i}", "n1", runs) for i in range(5))]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "prom-1.1", "namespace": "monitoring"},
        "involvedObject": {"kind": "Pod", "namespace": "monitoring", "name": "prom-1", "uid": "uid-prom-1"},
        "reason": "FailedMount",
        "message": "MountVolume.SetUp failed for volume data",
        "type": "Warning",
        "source": {"component": "kubelet"},
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "monitoring"},
        "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "efs-sc", "volumeName": "pv"},
        "status": {"phase": "Bound"},
    }
    names = ("monitoring", "shop")
    return {
        "namespaces.json": list_of(*({"metadata": {"name": name}} for name in names)),
        "storage-classes.json": list_of({"metadata": {"name": "efs-sc"}, "provisioner": "efs.csi.aws.com"}),
        "pods/monitoring.json": list_of(*pods),
        "pods/shop.json": list_of(pod("shop-0", "n2", runs, "shop")),
        "events/monitoring.json": list_of(event),
        "pvcs/monitoring.json": list_of(claim),
        "deployments/monitoring.json": list_of(),
        "configmaps/monitoring.json": list_of(),
        "pods/logs/monitoring/prom-0/server.log": "one\ntwo\nthree\n",
        "pods/logs/monitoring/prom-0/server-previous.log": "killed\n",
    }


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    for name, text in sample().items():
        path = tmp_path / "bundle" / "cluster-resources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with KubeApi.from_bundle(tmp_path / "bundle") as api:
        yield Kubectl(api, tmp_path)


PODS = "/api/v1/namespaces/monitoring/pods"


def test_kubectl_gets_the_pods_of_one_namespace_and_of_all(kubectl: Kubectl) -> None:
    of_one = ["prom-0", "prom-1", "work-0", "work-1", "work-2", "work-3", "work-4"]
    assert kubectl.names("pods") == of_one
    assert kubectl.names("pods", "-A") == [*of_one, "shop-0"]
    listed = json.loads(kubectl("get", "pods", "-o", "json"))
    assert listed["items"][0]["kind"] == "Pod"
    assert listed["items"][0]["metadata"]["uid"] == "uid-prom-0"


def test_kubectl_gets_one_object_by_its_short_name(kubectl: Kubectl) -> None:
    found = json.loads(kubectl("get", "pod", "prom-0", "-o", "json"))
    assert (found["kind"], found["spec"]["nodeName"]) == ("Pod", "n1")
    assert kubectl("get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}") == "pv"
    assert kubectl("get", "sc", "-o", "name") == "storageclass.storage.k8s.io/efs-sc\n"


def test_kubectl_describes_a_pod_with_its_events(kubectl: Kubectl) -> None:
    told = kubectl("describe", "pod", "prom-1")
    assert "FailedMount" in told
    assert "MountVolume.SetUp failed for volume data" in told
    assert "ContainerCreating" in told
    assert "FailedMount" not in kubectl("describe", "pod", "prom-0")
    selectors = [r.query.get("fieldSelector", "") for r in kubectl.api.requests if r.resource == "events"]
    assert any("involvedObject.uid=uid-prom-1" in selector for selector in selectors)


def test_kubectl_prints_the_log_of_each_run(kubectl: Kubectl) -> None:
    assert kubectl("logs", "prom-0") == "one\ntwo\nthree\n"
    assert kubectl("logs", "prom-0", "-c", "server", "--tail=1") == "three\n"
    assert kubectl("logs", "prom-0", "--previous") == "killed\n"


def test_kubectl_words_the_lack_of_a_log_as_with_a_real_server(kubectl: Kubectl) -> None:
    waiting = 'container "server" in pod "prom-1" is waiting to start: ContainerCreating'
    assert kubectl.complaint("logs", "prom-1") == f"Error from server (BadRequest): {waiting}"
    previous = 'previous terminated container "server" in pod "prom-1" not found'
    assert kubectl.complaint("logs", "prom-1", "--previous") == f"Error from server (BadRequest): {previous}"


def test_kubectl_selects_by_label_and_by_field(kubectl: Kubectl) -> None:
    assert kubectl.names("pods", "-l", "app=prom") == ["prom-0", "prom-1"]
    assert kubectl.names("pods", "-A", "-l", "app notin (prom, work)") == ["shop-0"]
    assert kubectl.names("pods", "-A", "--field-selector", "spec.nodeName=n2") == ["prom-1", "shop-0"]
    assert kubectl.names("events", "--field-selector", "involvedObject.name=prom-1") == ["prom-1.1"]
    refused = kubectl.complaint("get", "pvc", "--field-selector", "spec.volumeName=pv")
    assert '"spec.volumeName" is not a known field selector: only "metadata.name", "metadata.namespace"' in refused


def test_kubectl_reads_a_list_in_chunks(kubectl: Kubectl) -> None:
    whole = kubectl.names("pods")
    kubectl.api.requests.clear()
    assert kubectl.names("pods", "--chunk-size=3") == whole
    asked = [request.query for request in kubectl.api.requests if request.path == PODS]
    assert [query["limit"] for query in asked] == ["3", "3", "3"]
    assert ["continue" in query for query in asked] == [False, True, True]


def test_kubectl_says_that_a_list_expired_between_its_chunks(kubectl: Kubectl) -> None:
    kubectl.api.fail("continue=", status=410)
    told = kubectl.complaint("get", "pods", "--chunk-size=3", "-o", "json")
    assert told.startswith("Error from server (Expired): The provided continue parameter is too old to display")


def test_kubectl_reads_a_page_as_the_server_sends_it(kubectl: Kubectl) -> None:
    page = json.loads(kubectl("get", "--raw", f"{PODS}?limit=2"))
    assert [item["metadata"]["name"] for item in page["items"]] == ["prom-0", "prom-1"]
    assert page["metadata"]["remainingItemCount"] == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("get", "pod", "zz"), 'Error from server (NotFound): pods "zz" not found'),
        (("get", "prometheuses"), 'error: the server doesn\'t have a resource type "prometheuses"'),
        (
            ("get", "secrets"),
            'Error from server (Forbidden): secrets is forbidden: User "viewer" cannot list resource "secrets" '
            'in API group "" in the namespace "monitoring"',
        ),
        (
            ("get", "nodes", "n1"),
            'Error from server (Forbidden): nodes "n1" is forbidden: User "viewer" cannot get resource "nodes" '
            'in API group "" at the cluster scope',
        ),
    ],
)
def test_kubectl_words_a_refusal_as_with_a_real_server(
    kubectl: Kubectl, arguments: tuple[str, ...], complaint: str
) -> None:
    assert kubectl.complaint(*arguments) == complaint


def test_kubectl_waits_and_asks_again_after_429(kubectl: Kubectl) -> None:
    kubectl.api.fail(f"GET {PODS}/prom-0", status=429, times=2, headers={"Retry-After": "0"})
    assert kubectl("get", "pod", "prom-0", "-o", "name") == "pod/prom-0\n"
    assert [r.status for r in kubectl.api.requests if r.name == "prom-0"] == [429, 429, 200]


def test_kubectl_finds_a_custom_resource_by_discovery(kubectl: Kubectl) -> None:
    metadata = {"name": "k8s", "namespace": "monitoring"}
    kubectl.api.add({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": metadata})
    assert kubectl("get", "prometheuses", "-o", "name") == "prometheus.monitoring.coreos.com/k8s\n"


def test_kubectl_is_not_let_in_where_a_token_is_needed(tmp_path: Path) -> None:
    # kubectl sends tokens over TLS alone, so that here it comes without one.
    with KubeApi(token="right") as api:
        kubectl = Kubectl(api, tmp_path)
        assert "You must be logged in to the server" in kubectl.complaint("get", "namespaces", "-o", "name")
        assert {request.status for request in api.requests} == {401}


def test_kubectl_impersonates(kubectl: Kubectl) -> None:
    assert 'User "jane" cannot list resource "secrets"' in kubectl.complaint("get", "secrets", "--as", "jane")
    assert {request.user for request in kubectl.api.secret_reads} == {"jane"}


def test_reading_with_kubectl_changes_nothing_and_asks_for_no_secret(kubectl: Kubectl) -> None:
    kubectl("get", "pods,pvc,events", "-o", "json")
    kubectl("describe", "pods")
    assert (kubectl.api.mutations, kubectl.api.secret_reads) == ([], [])


DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "monitoring"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
        },
    },
}


def test_kubectl_creates_patches_labels_and_deletes(kubectl: Kubectl) -> None:
    kubectl("create", "--validate=false", "-f", "-", given=json.dumps(DEPLOYMENT))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b:2"}]}}}}
    kubectl("patch", "deployment", "web", "-p", json.dumps(patch))
    path = "jsonpath={.spec.template.spec.containers[*].image}"
    assert kubectl("get", "deployment", "web", "-o", path) == "a:1 b:2"
    kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"add","path":"/spec/replicas","value":3}]')
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"spec":{"paused":true}}')
    kubectl("label", "deployment", "web", "team=x")
    found = kubectl.api.object("deployments", "web", "monitoring")
    assert found is not None
    assert (found["spec"]["replicas"], found["spec"]["paused"]) == (3, True)
    assert found["metadata"]["labels"] == {"team": "x"}
    assert kubectl("delete", "deployment", "web", "--wait=false") == 'deployment.apps "web" deleted\n'
    assert kubectl.api.object("deployments", "web", "monitoring") is None
    assert [request.verb for request in kubectl.api.mutations] == ["create", *["patch"] * 4, "delete"]


def test_kubectl_applies_twice_on_either_side_and_the_second_changes_nothing(kubectl: Kubectl) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1"}}
    for name, side in (("one", ()), ("two", ("--server-side",))):
        given = json.dumps(config | {"metadata": {"name": name}})
        for _ in range(2):
            kubectl("apply", "--validate=false", *side, "-f", "-", given=given)
        found = kubectl.api.object("configmaps", name, "monitoring")
        assert found is not None
        assert found["data"] == {"k": "1"}
        version = found["metadata"]["resourceVersion"]
        kubectl("apply", "--validate=false", *side, "-f", "-", given=given)
        again = kubectl.api.object("configmaps", name, "monitoring")
        assert again is not None
        assert again["metadata"]["resourceVersion"] == version


def test_kubectl_keeps_nothing_of_a_dry_run(kubectl: Kubectl) -> None:
    given = json.dumps(DEPLOYMENT)
    arguments = ("create", "--validate=false", "--dry-run=server", "-o", "name", "-f", "-")
    tried = kubectl.run(*arguments, given=given)
    if "failed to download openapi" in tried.stderr:
        pytest.skip("this kubectl (before 1.27) asks for an OpenAPI document first, which this server does not have")
    kubectl.api.requests.clear()
    shown = kubectl(*arguments, given=given)
    assert shown == "deployment.apps/web\n"
    assert kubectl.api.object("deployments", "web", "monitoring") is None
    assert [request.dry_run for request in kubectl.api.mutations] == [True]
