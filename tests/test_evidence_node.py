"""The evidence of area node: which EC2 instance a node is, and what the scheduler sees."""

from __future__ import annotations

from typing import Any

import pytest
from values import node, not_scheduled, pod, volume
from values_aws import INSTANCE, World, instance, instances, made

from efsdiag.model import Evidence, Missing, Query

NODE_IP = "10.0.1.10"
OTHER = "i-0bbbbbbbbbbbbbbbb"


def with_addresses(**addresses: str) -> dict[str, Any]:
    """A node without spec.providerID, as kubeadm leaves it."""
    found = node()
    found["status"]["addresses"] = [{"type": kind, "address": address} for kind, address in addresses.items()]
    return found


def ec2(*known: dict[str, Any], registered: dict[str, Any] | None = None) -> World:
    """An EC2 that answers by instance id, by private address and by private DNS name, as the real one does.

    `registered` is the CSINode of every node.
    """

    def find(query: Query) -> dict[str, Any]:
        asked = dict(query.parameters)
        fields = {
            "InstanceIds": "InstanceId",
            "Filter.private-ip-address": "PrivateIpAddress",
            "Filter.private-dns-name": "PrivateDnsName",
        }
        assert asked, "all instances were asked for"
        ((name, value),) = asked.items()
        wanted = (value,) if isinstance(value, str) else value
        return instances(*(i for i in known if i[fields[name]] in wanted))

    return World({"ec2:DescribeInstances": find, "kube:get csinodes": registered})


def found(evidence: Evidence | Missing) -> str:
    assert isinstance(evidence, Evidence), evidence
    return str(evidence.value["InstanceId"])


def csi_node(instance_id: str) -> dict[str, Any]:
    return {"spec": {"drivers": [{"name": "efs.csi.aws.com", "nodeID": instance_id}]}}


def test_a_node_is_found_by_its_provider_id() -> None:
    world = ec2(instance(), instance(OTHER))
    by_id = node(providerID=f"aws:///us-east-1a/{INSTANCE}")
    assert found(made("node_instance", world, node=by_id, csi_node=None)) == INSTANCE
    assert len(world.asked) == 1


@pytest.mark.parametrize("provider", ["", "k3s://worker1", "rke2://worker1"])
def test_without_an_aws_provider_id_a_node_is_found_by_what_the_driver_registered(provider: str) -> None:
    world = ec2(instance(), instance(OTHER))
    foreign = node(providerID=provider)
    assert found(made("node_instance", world, node=foreign, csi_node=csi_node(OTHER))) == OTHER


def test_without_both_a_node_is_found_by_its_internal_address() -> None:
    world = ec2(instance(), instance(OTHER, ip="10.0.1.11"))
    assert found(made("node_instance", world, node=with_addresses(InternalIP=NODE_IP), csi_node=None)) == INSTANCE


def test_at_last_a_node_is_found_by_its_private_dns_name() -> None:
    world = ec2(instance(), instance(OTHER, ip="10.0.1.11"))
    named = with_addresses(InternalDNS="ip-10-0-1-11.ec2.internal")
    assert found(made("node_instance", world, node=named, csi_node=None)) == OTHER


def test_an_id_that_is_gone_leads_on_to_the_address() -> None:
    replaced = with_addresses(InternalIP=NODE_IP)
    replaced["spec"]["providerID"] = f"aws:///us-east-1a/{OTHER}"
    assert found(made("node_instance", ec2(instance()), node=replaced, csi_node=None)) == INSTANCE


def test_an_address_that_two_vpcs_know_is_unknown_and_names_both() -> None:
    world = ec2(instance(), instance(OTHER, vpc="vpc-2"))
    missing = made("node_instance", world, node=with_addresses(InternalIP=NODE_IP), csi_node=None)
    assert isinstance(missing, Missing)
    assert not missing.absent
    assert INSTANCE in missing.why
    assert OTHER in missing.why
    assert missing.grant == "set spec.providerID"


def test_an_address_that_two_vpcs_know_is_decided_by_what_the_driver_registered() -> None:
    twins = (instance(), instance(OTHER, vpc="vpc-2"))
    for registered in (csi_node(OTHER), csi_node(INSTANCE)):
        world = ec2(*twins, registered=registered)
        lost = with_addresses(InternalIP=NODE_IP)
        assert (
            found(made("controller_instance", world, controller_node=lost))
            == registered["spec"]["drivers"][0]["nodeID"]
        )
    world = ec2(*twins, registered=csi_node("i-0cccccccccccccccc"))
    assert isinstance(made("controller_instance", world, controller_node=lost), Missing)


def test_what_the_driver_registered_is_not_asked_for_where_the_node_says_it() -> None:
    world = ec2(instance())
    assert found(made("controller_instance", world, controller_node=with_addresses(InternalIP=NODE_IP))) == INSTANCE
    assert [q.operation for q in world.asked] == ["ec2:DescribeInstances"]


@pytest.mark.parametrize("state", ["terminated", "shutting-down"])
def test_an_instance_that_is_gone_does_not_count(state: str) -> None:
    world = ec2(instance(OTHER, state=state), instance())
    assert found(made("node_instance", world, node=with_addresses(InternalIP=NODE_IP), csi_node=None)) == INSTANCE


def test_a_stopped_instance_still_is_its_node() -> None:
    world = ec2(instance(state="stopped"))
    assert found(made("node_instance", world, node=with_addresses(InternalIP=NODE_IP), csi_node=None)) == INSTANCE


def test_a_node_that_no_instance_of_the_account_is_is_unknown() -> None:
    for lost in (with_addresses(InternalIP="10.9.9.9"), node(name="worker1")):
        missing = made("node_instance", ec2(instance()), node=lost, csi_node=None)
        assert isinstance(missing, Missing)
        assert not missing.absent
        assert "--region" in missing.grant


def test_the_instance_is_unknown_where_ec2_is_refused_and_absent_where_the_pod_has_no_node() -> None:
    refused = made(
        "node_instance", World({}, "ec2:DescribeInstances"), node=with_addresses(InternalIP=NODE_IP), csi_node=None
    )
    assert isinstance(refused, Missing)
    assert (refused.absent, refused.grant) == (False, "allow ec2:DescribeInstances")
    waiting = made("node_instance", World(), pod=pod(node=None), csi_node=None)
    assert isinstance(waiting, Missing)
    assert waiting.absent


def test_the_controllers_instance_is_that_of_the_leaders_node() -> None:
    leader = {"metadata": {"name": "efs-csi-controller-1"}, "spec": {"nodeName": "worker2"}}
    world = ec2(instance(), instance(OTHER, ip="10.0.1.11"))
    by_name = {"worker2": node("worker2", providerID=f"aws:///us-east-1a/{OTHER}")}
    world.answers = {**world.answers, "kube:get nodes": lambda query: by_name[query.get("name")]}
    assert found(made("controller_instance", world, controller_leader=leader)) == OTHER


def test_a_controller_without_a_node_has_no_instance() -> None:
    missing = made("controller_instance", World(), controller_leader={"metadata": {"name": "c"}, "spec": {}})
    assert isinstance(missing, Missing)
    assert missing.absent


def test_the_other_controller_pods_instances_are_told_each_once_and_without_the_leaders() -> None:
    def on(name: str) -> dict[str, Any]:
        return {"metadata": {"name": f"pod-on-{name}"}, "spec": {"nodeName": name}}

    ids = {"worker2": OTHER, "worker3": "i-0cccccccccccccccc"}
    world = ec2(*(instance(i) for i in ids.values()))
    world.answers = {
        **world.answers,
        "kube:get nodes": lambda query: node(
            query.get("name"), providerID=f"aws:///us-east-1a/{ids[str(query.get('name'))]}"
        ),
    }
    pods = [on("worker1"), on("worker2"), on("worker2"), on("worker3"), {"metadata": {"name": "new"}, "spec": {}}]
    evidence = made("controller_peer_instances", world, controller_pods=pods, controller_leader=on("worker1"))
    assert isinstance(evidence, Evidence)
    assert [i["InstanceId"] for i in evidence.value] == sorted(ids.values())


def test_all_nodes_are_read_only_while_the_pod_has_none() -> None:
    world = World({"kube:list nodes": [node("worker1"), node("worker2")]})
    evidence = made("nodes", world, pod=pod(node=None))
    assert isinstance(evidence, Evidence)
    assert len(evidence.value) == 2
    assert isinstance(made("nodes", World(), pod=pod()), Missing)


NODES = [node("worker1"), node("worker2")]


def test_the_pods_of_each_node_are_read_by_node() -> None:
    world = World({"kube:list pods": lambda query: [{"on": query.get("fieldSelector")}]})
    evidence = made("pods_on_nodes", world, pod=pod(node=None, status=not_scheduled("Insufficient cpu")), nodes=NODES)
    assert isinstance(evidence, Evidence)
    assert evidence.value == {name: [{"on": f"spec.nodeName={name}"}] for name in ("worker1", "worker2")}


def test_the_pods_of_a_large_cluster_or_for_a_claims_sake_are_not_read() -> None:
    many = [node(f"worker{i}") for i in range(21)]
    unbound = not_scheduled("pod has unbound immediate PersistentVolumeClaims")
    for status, nodes in ((not_scheduled("Insufficient cpu"), many), (unbound, NODES)):
        missing = made("pods_on_nodes", World(), pod=pod(node=None, status=status), nodes=nodes)
        assert isinstance(missing, Missing)
        assert missing.absent


def test_the_filter_that_leaves_no_node_is_told() -> None:
    tainted = [node("worker1", taints=("dedicated=db:NoSchedule",))]
    given = {"nodes": tainted, "volumes": {"pv-1": volume(), "gone": None}, "pods_on_nodes": {}}
    evidence = made("filtering", World(), pod=pod(node=None), **given)
    assert isinstance(evidence, Evidence)
    assert "taint" in str(evidence.value.filter).lower()


def test_nodes_under_disk_pressure_are_told_by_name() -> None:
    pressed = node("worker2")
    pressed["status"]["conditions"].append({"type": "DiskPressure", "status": "True"})
    calm = node("worker1")
    calm["status"]["conditions"].append({"type": "DiskPressure", "status": "False"})
    evidence = made("pressed_nodes", World(), nodes=[calm, pressed])
    assert isinstance(evidence, Evidence)
    assert evidence.value == ("worker2",)
