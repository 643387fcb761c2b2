"""Area reach: the matrix of the cluster's other nodes and the mount targets that they would use."""

from __future__ import annotations

from typing import Any

import pytest
from values import efs_volume, node, pod
from values_aws import (
    FS,
    World,
    instance,
    instances,
    judged,
    made,
    modes_of,
    mount_target,
    network_acl,
    route_table,
    security_group,
    unread,
    value,
)

from efsdiag.model import Ref, State, Verdict
from efsdiag.semantics.ends import node_end, target_end
from efsdiag.semantics.hops import HopState

TARGETS = {FS: [mount_target(), mount_target("fsmt-b", ip="10.0.3.50", zone="us-east-1b", zone_id="use1-az2")]}
ENDS = ((node_end(instance()), target_end(mount_target(), ("sg-efs",))),)


def other(name: str, at: str = "", ip: str = "") -> dict[str, Any]:
    """A node that is not the pod's: told by its providerID, or by its address only."""
    made_node = node(name, **({"providerID": f"aws:///us-east-1a/{at}"} if at else {}))
    made_node["status"]["addresses"] = [{"type": "InternalIP", "address": ip}] if ip else []
    return made_node


B, C, D = "i-0bbbbbbbbbbbbbbbb", "i-0cccccccccccccccc", "i-0dddddddddddddddd"
NODES = [node(), other("worker2", B), other("worker3", ip="10.0.1.13")]


def world(*found: dict[str, Any], nodes: list[dict[str, Any]] = NODES) -> World:
    return World(
        {
            "kube:list nodes": nodes,
            "ec2:DescribeInstances": instances(*found),
            "ec2:DescribeSecurityGroups": {"SecurityGroups": [security_group("sg-other")]},
        }
    )


def given(**changes: Any) -> dict[str, Any]:
    return {
        "pod": pod(),
        "mount_ends": ENDS,
        "efs_volumes": (efs_volume(),),
        "mount_targets": TARGETS,
        "mount_target_groups": {"fsmt-a": ("sg-efs",), "fsmt-b": ("sg-efs",)},
        "security_groups": {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", "sg-node")},
        "network_acls": [network_acl()],
        "route_tables": [route_table()],
        **changes,
    }


WELL = instance(B, ip="10.0.1.12"), instance(C, ip="10.0.1.13", zone="us-east-1b", zone_id="use1-az2")


def judge(source: World, **changes: Any) -> Verdict:
    return judged("other-nodes-reach-mount-target", source, **given(**changes))


def test_other_nodes_are_found_by_id_and_by_address_in_one_read_each() -> None:
    source = world(*WELL)
    found = value(made("other_instances", source, pod=pod(), mount_ends=ENDS))
    assert {name: i["InstanceId"] for name, i in found.items()} == {"worker2": B, "worker3": C}
    assert [q.operation for q in source.asked] == ["kube:list nodes", "ec2:DescribeInstances", "ec2:DescribeInstances"]
    assert source.asked[0].get("limit") == "100"


def test_of_instances_with_one_address_none_is_taken() -> None:
    twins = instance(C, ip="10.0.1.13"), instance(D, ip="10.0.1.13")
    assert value(made("other_instances", world(*twins), pod=pod(), mount_ends=ENDS)) == {
        "worker2": None,
        "worker3": None,
    }
    gone = instance(C, ip="10.0.1.13"), instance(D, ip="10.0.1.13", state="terminated")
    assert value(made("other_instances", world(*gone), pod=pod(), mount_ends=ENDS))["worker3"]["InstanceId"] == C


def test_each_other_node_has_the_mount_target_of_its_zone() -> None:
    rows = value(made("reaches", world(*WELL), **given()))
    assert [(r.node, r.target) for r in rows] == [("worker2", "fsmt-a"), ("worker3", "fsmt-b")]


def test_every_other_node_that_gets_through_passes() -> None:
    verdict = judge(world(*WELL))
    assert verdict.state is State.PASS
    assert "2 other nodes" in verdict.says


def test_a_node_in_another_security_group_is_told_with_the_group_that_keeps_it_out() -> None:
    apart = (instance(B, ip="10.0.1.12", groups=("sg-other",)), WELL[1])
    verdict = judge(world(*apart))
    assert modes_of(verdict) == [("network.mount-target-sg-ingress", True)]
    assert verdict.findings[0].object == Ref("SecurityGroup", "sg-efs")
    assert verdict.says.startswith("worker2 could not mount")


def test_what_stops_the_pods_own_node_is_not_told_twice() -> None:
    shut = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs")}
    own = made("nfs_path", World(), **given(security_groups=shut))
    assert any(h.object_id == "sg-efs" and h.state is HopState.BLOCKED for h in value(own).hops)
    assert judge(world(*WELL), security_groups=shut).findings == ()


def test_many_nodes_are_one_finding_with_their_number() -> None:
    nodes = [node(), *(other(f"other{i}", f"i-0{i:016x}") for i in range(60))]
    found = [instance(f"i-0{i:016x}", ip=f"10.0.1.{i + 20}", groups=("sg-other",)) for i in range(60)]
    verdict = judge(world(*found, nodes=nodes))
    assert len(verdict.findings) == 1
    assert "57 more" in verdict.says
    assert len(verdict.findings[0].proof) == 60


def test_an_instance_that_is_not_found_makes_it_unknown_and_not_fine() -> None:
    verdict = judge(world(WELL[0]))
    assert verdict.state is State.UNKNOWN
    assert "worker3" in verdict.says


@pytest.mark.parametrize("what", ["network_acls", "other_groups"])
def test_what_could_not_be_read_makes_it_unknown(what: str) -> None:
    assert judge(world(*WELL), **{what: unread("ec2:DescribeNetworkAcls")}).state is State.UNKNOWN


def test_a_cluster_of_one_node_has_nothing_to_ask() -> None:
    assert judge(world(nodes=[node()])).state is State.SKIP
