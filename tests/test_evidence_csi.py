"""The EFS CSI driver in the cluster: what is found of it, whose log speaks, and when nobody has to look."""

from __future__ import annotations

from typing import Any

import pytest
from values import NODE, Object, World, claim, efs_volume, node, pod, provisioning

from efsdiag.evidence import csi as evidence
from efsdiag.gather import Reader
from efsdiag.model import UNREAD, Unread, Unreadable
from efsdiag.semantics.driver import FARGATE_DRIVER, DriverVersion
from efsdiag.semantics.scheduling import first_excluding_filter

IMAGE = "public.ecr.aws/efs-csi-driver/amazon/aws-efs-csi-driver"
LABELS = {"app.kubernetes.io/name": "aws-efs-csi-driver"}


def reading(*objects: Object, **more: Any) -> Reader:
    return Reader(World(*objects, **more), 1)


def workload(kind: str, name: str, namespace: str = "kube-system", image: str = f"{IMAGE}:v2.1.0") -> Object:
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [{"name": "efs-plugin", "image": image}]}},
        },
    }


DAEMONS = workload("DaemonSet", "efs-csi-node")
CONTROLLER = workload("Deployment", "efs-csi-controller")


def driver_pod(name: str, app: str, *, node: str = NODE, ready: bool = True, registrar: bool = True) -> Object:
    statuses = [
        {"name": "efs-plugin", "ready": ready, "containerID": "c", "restartCount": 0 if ready else 3},
        {"name": "csi-driver-registrar", "ready": registrar, "containerID": "r", "restartCount": 0},
    ]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "uid": f"uid-{name}", "labels": {"app": app}},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": statuses},
    }


A = driver_pod("efs-csi-controller-a", "efs-csi-controller")
B = driver_pod("efs-csi-controller-b", "efs-csi-controller", node="worker2")


def lease(holder: str) -> Object:
    metadata = {"name": "efs-csi-aws-com", "namespace": "kube-system"}
    return {"kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": holder}}


def test_the_driver_is_wanted_by_a_volume_or_by_a_claim_and_by_nothing_else() -> None:
    assert evidence.efs_wanted((efs_volume(),), ()) is True
    assert evidence.efs_wanted((), (provisioning(claim()),)) is True
    assert evidence.efs_wanted((), ()) is None


def test_the_driver_object_is_read_by_its_name() -> None:
    made = {"kind": "CSIDriver", "metadata": {"name": "efs.csi.aws.com"}}
    assert evidence.csi_driver(reading(made), True) == made
    assert evidence.csi_driver(reading({"kind": "CSIDriver", "metadata": {"name": "ebs.csi.aws.com"}}), True) is None


def test_the_workloads_are_found_by_their_image_wherever_they_are() -> None:
    other = workload("DaemonSet", "aws-node", image="amazon/vpc-cni:v1")
    assert evidence.node_daemonset(reading(other, DAEMONS), True) == DAEMONS
    elsewhere = workload("Deployment", "efs", "storage")
    assert evidence.controller_deployment(reading(elsewhere), True) == elsewhere
    assert evidence.node_daemonset(reading(other), True) is None


def test_workloads_that_may_not_be_listed_are_not_missing() -> None:
    with pytest.raises(Unreadable):
        evidence.node_daemonset(reading(refuses=["daemonsets"]), True)


def names(pods: list[Object] | None) -> list[str]:
    return [p["metadata"]["name"] for p in pods or []]


def test_the_pods_of_the_controller_are_those_of_its_selector_by_name() -> None:
    assert names(evidence.controller_pods(reading(B, driver_pod("x", "other"), A), CONTROLLER)) == names([A, B])


def test_the_pods_of_the_node_plugin_are_those_on_the_pods_node() -> None:
    here, there = driver_pod("n1", "efs-csi-node"), driver_pod("n2", "efs-csi-node", node="worker2")
    assert names(evidence.node_plugin_pods(reading(here, there), DAEMONS, pod())) == ["n1"]
    assert evidence.node_plugin_pods(reading(there), DAEMONS, pod()) == []
    assert evidence.node_plugin_pods(reading(here), DAEMONS, pod(node=None)) is None
    assert evidence.node_plugin_pods(reading(here), DAEMONS, None) is None


def test_the_leader_is_the_holder_of_the_lease_else_the_first_that_is_ready_else_the_first() -> None:
    down = driver_pod("efs-csi-controller-0", "efs-csi-controller", ready=False)
    held = evidence.controller_lease(reading(lease(f"{B['metadata']['name']}_uid")), CONTROLLER)
    assert evidence.controller_leader([A, B], held) == B
    assert evidence.controller_leader([down, A], lease("gone_uid")) == A
    assert evidence.controller_leader([down, A], None) == A
    assert evidence.controller_leader([down], None) == down
    assert evidence.controller_leader([], None) is None


def signed(host: str, minute: int) -> Object:
    component = f"efs.csi.aws.com_{host}_0b1c"
    return {"source": {"component": component}, "lastTimestamp": f"2026-07-04T10:{minute:02}:00Z"}


def test_where_no_lease_may_be_read_the_newest_signed_event_tells_who_leads_and_several_are_not_chosen_from() -> None:
    refused = Unread("leases may not be read", "allow get leases")
    by_others = {"component": "persistentvolume-controller"}
    events = {"data": [signed("efs-csi-controller-a", 1), signed("efs-csi-controller-b", 2), {"source": by_others}]}
    assert evidence.controller_leader([A, B], refused, events) == B
    assert evidence.controller_leader([A], refused, {}) == A
    hosted = {**B, "spec": {"nodeName": "worker2", "hostNetwork": True}}
    assert evidence.controller_leader([A, hosted], refused, {"data": [signed("worker2", 1)]}) == hosted
    gone = {"data": [signed("efs-csi-controller-b-0", 3)]}
    for said in ({}, gone, UNREAD):
        missing = evidence.controller_leader([A, B], refused, said)
        assert not missing.absent
        assert (missing.grant, "which of 2 controller pods leads" in missing.why) == ("allow get leases", True)


def test_versions_are_those_of_the_images() -> None:
    assert evidence.node_driver_version(DAEMONS) == DriverVersion("v2.1.0", (2, 1, 0))
    older = driver_pod("n1", "efs-csi-node")
    older["spec"]["containers"] = [{"name": "efs-plugin", "image": f"{IMAGE}:v1.7.0"}]
    assert evidence.node_driver_version(DAEMONS, [older]) == DriverVersion("v1.7.0", (1, 7, 0))
    assert evidence.node_driver_version(DAEMONS, []) == DriverVersion("v2.1.0", (2, 1, 0))
    assert evidence.node_driver_version(None) is None
    odd = workload("Deployment", "c", image=f"{IMAGE}@sha256:abc")
    assert evidence.controller_version(odd) == DriverVersion("", None)


def test_what_the_kubelet_registered_is_read_by_the_name_of_the_node() -> None:
    made = {"kind": "CSINode", "metadata": {"name": NODE}}
    assert evidence.csi_node(reading(made), True, pod()) == made
    assert evidence.csi_node(reading(made), True, pod(node=None)) is None


def test_logs_are_those_of_the_drivers_container_or_of_the_attempt_that_crashed() -> None:
    crashed = driver_pod("n1", "efs-csi-node", ready=False)
    logs = {"n1 efs-plugin previous": "it crashed", f"{A['metadata']['name']} efs-plugin": "it runs"}
    read = reading(logs=logs)
    assert evidence.node_plugin_log(read, [crashed]) == "it crashed"
    assert evidence.controller_log(read, A) == "it runs"
    assert evidence.node_plugin_log(read, []) is None


def test_a_container_that_was_never_made_has_no_log_and_nobody_asks_for_it() -> None:
    new = driver_pod("n1", "efs-csi-node")
    new["status"]["containerStatuses"] = []
    read = reading(logs={"n1 efs-plugin": "x"})
    assert evidence.node_plugin_log(read, [new]) is None
    assert read.asked == []


def test_the_registrar_is_heard_only_where_it_is_not_healthy() -> None:
    logs = {"n1 csi-driver-registrar": "collision"}
    assert evidence.registrar_log(reading(logs=logs), [driver_pod("n1", "n", registrar=False)]) == "collision"
    assert evidence.registrar_log(reading(logs=logs), [driver_pod("n1", "n")]) is None


def test_the_provisioner_is_heard_only_where_a_claim_waits_for_it() -> None:
    beside = driver_pod("c", "efs-csi-controller")
    beside["status"]["containerStatuses"].append({"name": "csi-provisioner", "containerID": "p"})
    read = reading(logs={"c csi-provisioner": "forbidden"})
    assert evidence.provisioner_log(read, beside, (provisioning(claim()),)) == "forbidden"
    assert evidence.provisioner_log(read, beside, (provisioning(claim(), dynamic=False),)) is None


def test_events_of_the_node_plugin_are_read_only_where_none_of_its_pods_is_ready() -> None:
    def event(uid: str, at: str) -> Object:
        metadata = {"name": at, "namespace": "kube-system"}
        return {"kind": "Event", "metadata": metadata, "involvedObject": {"uid": uid}, "lastTimestamp": at}

    read = reading(event("uid-n1", "2026-11-21T06:02:00Z"), event("uid-n1", "2026-11-21T06:01:00Z"), event("uid-x", ""))
    down = driver_pod("n1", "efs-csi-node", ready=False)
    found = evidence.node_plugin_events(read, [down])
    assert [e["metadata"]["name"] for e in found or []] == ["2026-11-21T06:01:00Z", "2026-11-21T06:02:00Z"]
    asked = len(read.asked)
    assert evidence.node_plugin_events(read, [down, driver_pod("n2", "efs-csi-node")]) is None
    assert evidence.node_plugin_events(read, []) is None
    assert len(read.asked) == asked


FARGATE = {"metadata": {"name": "fargate-1", "labels": {"eks.amazonaws.com/compute-type": "fargate"}}}


def test_fargate_brings_a_driver_along_that_knows_no_prefix() -> None:
    version = evidence.node_driver_version(DAEMONS, [], FARGATE)
    assert version == FARGATE_DRIVER
    assert version is not None
    assert version.before(3, 0, 0)


def test_the_pods_that_nodes_wait_for_are_those_of_the_nodes_with_the_start_up_taint() -> None:
    taint = "efs.csi.aws.com/agent-not-ready=:NoExecute"
    here = driver_pod("n1", "efs-csi-node")
    waiting = first_excluding_filter(pod(node=None), [node(taints=[taint]), node("worker2", taints=[taint])])
    found = evidence.starting_plugin_pods(reading(here, DAEMONS), waiting)
    assert {name: names(pods) for name, pods in (found or {}).items()} == {NODE: ["n1"], "worker2": []}
    dedicated = first_excluding_filter(pod(node=None), [node(taints=["dedicated=batch:NoSchedule"])])
    assert evidence.starting_plugin_pods(reading(here, DAEMONS), dedicated) is None


@pytest.mark.parametrize(
    ("registered", "daemons", "controller", "left"),
    [
        ("ebs.csi.aws.com", None, None, True),
        ("efs.csi.aws.com", None, None, False),
        ("", DAEMONS, None, None),
        ("", None, CONTROLLER, None),
    ],
    ids=["its object alone", "a node has it", "its node plugin", "its controller"],
)
def test_a_driver_is_left_behind_where_no_workload_and_no_node_has_it(
    registered: str, daemons: Object | None, controller: Object | None, left: bool | None
) -> None:
    drivers = [{"name": registered}] if registered else []
    read = reading({"kind": "CSINode", "metadata": {"name": NODE}, "spec": {"drivers": drivers}})
    nodes = [node(), node("without-one")]
    assert evidence.driver_left_behind(read, nodes, {"kind": "CSIDriver"}, daemons, controller) is left
