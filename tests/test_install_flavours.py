"""`efsdiag install` from nothing on the flavours of Kubernetes that people run on EC2 themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import values_aws
from awsworld import IMAGE
from installlab import SAFE, Cluster, InstallLab, install_lab
from installworlds import (
    AGENT,
    CLUSTER,
    DEDICATED,
    ETCD,
    LEVEL,
    SERVER,
    TAINTED,
    Bare,
    Part,
    as_restricted,
    controller_wants_metadata,
    k3s,
    kops,
    kubeadm,
    kubeadm_with_cloud_controller,
    rke2,
)
from sampling import one_in
from values_aws import judged
from worlds.world import Thing

from efsdiag.changes import Declined
from efsdiag.model import Finding, State
from efsdiag.remedies.bootstrap import create_storage_for_claim
from efsdiag.semantics.claims import Claim
from efsdiag.setting_names import default_settings
from efsdiag.settings_file import load_settings

FLAVOURS: dict[str, Callable[[], Bare]] = {
    "kubeadm, one node": lambda: kubeadm(SERVER),
    "kubeadm": lambda: kubeadm(TAINTED, AGENT, AGENT),
    "kubeadm with the cloud controller of AWS": lambda: kubeadm_with_cloud_controller(TAINTED, AGENT, AGENT),
    "kops": lambda: kops(TAINTED, AGENT, AGENT),
    "kops, one worker": lambda: kops(TAINTED, AGENT),
    "RKE2, one server": lambda: rke2(SERVER),
    "RKE2, three servers": lambda: rke2(SERVER, SERVER, SERVER),
    "RKE2, a dedicated server": lambda: rke2(Part("server", DEDICATED), AGENT, AGENT),
    "k3s, one server": lambda: k3s(SERVER),
    "k3s, three servers": lambda: k3s(SERVER, SERVER, SERVER),
    "k3s, etcd apart": lambda: k3s(Part("etcd", ETCD), SERVER, AGENT),
}


MOST_APART = ("kops", "RKE2, a dedicated server", "k3s, one server")
"""Those that every run tries."""


@contextmanager
def lab_of(made: Bare, folder: Path) -> Iterator[InstallLab]:
    with install_lab(made.world, folder, made.whole) as lab:
        lab.afterwards = controller_wants_metadata
        yield lab


def words(lab: InstallLab) -> str:
    """What was printed, as one line."""
    return " ".join(lab.printed.split())


@pytest.mark.parametrize("flavour", one_in(len(FLAVOURS), FLAVOURS, always=MOST_APART))
def test_an_install_reaches_its_target_and_changes_nothing_the_second_time(flavour: str, tmp_path: Path) -> None:
    made = FLAVOURS[flavour]()
    with lab_of(made, tmp_path) as lab:
        if flavour.startswith("RKE2"):
            lab.refuses = as_restricted
        assert lab.run(*SAFE) == 0, lab.printed
        assert "Prometheus runs with its data on EFS" in lab.printed
        assert len(lab.jobs) == 1, "a line was written through the claim"
        written = lab.writes()
        assert lab.run(*SAFE) == 0, lab.printed
        assert lab.writes() == written
        assert lab.run("why", "deployment/prometheus-server", "-n", "monitoring") == 0, lab.printed
        assert "healthy" in lab.printed
        open_to = {n["metadata"]["name"] for n in lab.all("nodes") if not n["spec"].get("taints")}
        controllers = [
            p for p in lab.all("pods", "kube-system") if p["metadata"]["labels"]["app"] == "efs-csi-controller"
        ]
        assert {p["spec"]["nodeName"] for p in controllers} <= open_to
        assert len(controllers) == min(2, len(open_to)), "no two of them on one node"
        account = lab.account()
        assert len(account["targets"]) == len(open_to), "each node is in a zone of its own"
        if not flavour.startswith("kops"):
            assert len(account["associations"]) == len(open_to)


def test_an_install_on_kops_gives_the_rights_to_the_role_that_its_nodes_have(tmp_path: Path) -> None:
    with lab_of(kops(TAINTED, AGENT), tmp_path) as lab:
        before = lab.account()
        assert lab.run(*SAFE) == 0, lab.printed
        after = lab.account()
        assert [after[k] for k in ("roles", "profiles", "associations")] == [
            before[k] for k in ("roles", "profiles", "associations")
        ]
        assert after["attached"] == before["attached"], "kops would detach it"
        assert dict(after["inline"]) == {f"masters.{CLUSTER}": [], f"nodes.{CLUSTER}": ["prometheus-efs-efs-csi"]}
        profiles = {instance: arn.rpartition("/")[2] for instance, arn in after["associations"]}
        limits = {profiles[instance]: options["HttpPutResponseHopLimit"] for instance, options in after["instances"]}
        says = "pods of the control plane reach no credentials, as before"
        assert limits == {f"masters.{CLUSTER}": 1, f"nodes.{CLUSTER}": 2}, says


# --- which instance a node is ---------------------------------------------------------------------------------------


def test_an_address_of_two_instances_is_decided_by_what_the_driver_registers(tmp_path: Path) -> None:
    made = k3s(SERVER, AGENT)
    with lab_of(made, tmp_path) as lab:
        twin = of_the_same_address(lab, made.world.instances()[1]["PrivateIpAddress"])
        assert lab.run(*SAFE) == 3, lab.printed
        assert f"of node {lab.all('nodes')[1]['metadata']['name']} fits several instances" in words(lab)
        assert lab.account()["associations"] == []
        Cluster(lab).work()
        assert lab.run(*SAFE) == 0, lab.printed
        associated = {instance for instance, _ in lab.account()["associations"]}
        assert len(associated) == 2
        assert twin not in associated


def of_the_same_address(lab: InstallLab, address: str) -> str:
    """An instance in another VPC, which has that address too; its id."""
    ec2 = lab.aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/16")["Subnet"]["SubnetId"]
    asked = {"ImageId": IMAGE, "MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "PrivateIpAddress": address}
    return str(ec2.run_instances(**asked)["Instances"][0]["InstanceId"])


def test_a_node_that_is_no_instance_is_named_and_can_be_left_out(tmp_path: Path) -> None:
    made = k3s(SERVER, AGENT, AGENT)
    for world in (made.world, made.whole):
        somewhere_else(world.all("nodes")[2])
    with lab_of(made, tmp_path) as lab:
        assert lab.run(*SAFE) == 3, lab.printed
        says = "no EC2 instance of this account and region is node laptop; the setting nodes can leave a node out"
        assert says in words(lab)
        assert lab.account()["associations"] == []
        for node in lab.all("nodes")[:2]:
            node["metadata"]["labels"]["on"] = "ec2"
            lab.kube.add(node)
        assert lab.run(*SAFE, "--set", "nodes=on=ec2") == 0, lab.printed
        assert len(lab.account()["targets"]) == 2


def somewhere_else(node: Thing) -> None:
    """Makes the node one that stands under somebody's desk."""
    node["metadata"]["name"] = "laptop"
    node["spec"]["providerID"] = "k3s://laptop"
    node["status"]["addresses"] = [{"type": "InternalIP", "address": "192.168.1.7"}]


def test_the_region_is_told_by_the_name_that_the_vpc_gives_a_node(tmp_path: Path) -> None:
    made = rke2(SERVER)
    name = made.world.instances()[0]["PrivateDnsName"]
    for world in (made.world, made.whole):
        for thing in (*world.all("nodes"), *world.all("csinodes")):
            thing["metadata"]["name"] = name
    with lab_of(made, tmp_path) as lab:
        lab.without = ("AWS_DEFAULT_REGION",)
        assert lab.run(*SAFE) == 0, lab.printed
        assert lab.run("why", "deployment/prometheus-server", "-n", "monitoring") == 0, lab.printed
        assert "eu-west-1 (from host name of node" in words(lab)


# --- one node, and nodes that take no pods --------------------------------------------------------------------------


def test_a_driver_that_is_there_with_two_controllers_is_in_order_where_there_is_one_node() -> None:
    pods = [controller_on("server"), controller_on("server")]
    alone = judged("controller-spread", controller_pods=pods, wanted_nodes=[a_node("server")])
    assert (alone.state, "no other node than server" in alone.says) == (State.SKIP, True)
    for nodes in (None, [a_node("server"), a_node("agent")]):
        assert judged("controller-spread", controller_pods=pods, wanted_nodes=nodes).state is State.FAIL


def controller_on(node: str) -> Thing:
    return {"metadata": {"name": "efs-csi-controller-x", "namespace": "kube-system"}, "spec": {"nodeName": node}}


def a_node(name: str, *taints: str) -> Thing:
    keys = [{"key": key, "effect": "NoSchedule"} for key in taints]
    return {"metadata": {"name": name, "labels": {}}, "spec": {"taints": keys}, "status": {}}


@pytest.mark.parametrize(
    ("taint", "counts"),
    [
        ("node.cloudprovider.kubernetes.io/uninitialized", True),
        ("node.kubernetes.io/not-ready", True),
        ("efs.csi.aws.com/agent-not-ready", True),
        ("node-role.kubernetes.io/control-plane", False),
        ("CriticalAddonsOnly", False),
    ],
)
def test_a_node_counts_whose_taints_go_by_themselves(taint: str, counts: bool) -> None:
    world = values_aws.World({"kube:list nodes": [a_node("tainted", taint), a_node("worker")]})
    found = values_aws.value(values_aws.made("wanted_nodes", world, wanted=default_settings()))
    assert [n["metadata"]["name"] for n in found] == (["tainted", "worker"] if counts else ["worker"])


# --- Pod Security ---------------------------------------------------------------------------------------------------


def test_what_says_nothing_of_itself_is_refused_where_every_namespace_is_restricted() -> None:
    assert as_restricted({"metadata": {}}, {"spec": {"containers": [{}]}})
    assert as_restricted({"metadata": {"labels": {LEVEL: "privileged"}}}, {"spec": {"containers": [{}]}}) == []


def test_the_level_of_a_namespace_that_is_made_is_that_of_the_settings() -> None:
    settings = load_settings(None, ["podSecurity=privileged"])
    claims = (Claim("prometheus-efs", "monitoring", "data", None),)
    found = create_storage_for_claim(
        Finding("pod.pvc-not-found", "", None), settings, claims, [], {"FileSystemId": "fs-1"}
    )
    assert not isinstance(found, Declined)
    (space,) = [c for c in found if c.write.operation == "kube:create namespaces"]
    assert space.write.parameters["object"]["metadata"]["labels"][LEVEL] == "privileged"
    assert space.words == "create the namespace monitoring, with Pod Security level privileged"
