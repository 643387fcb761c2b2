"""What an install finds there, uses, and shows; a driver that others installed is not installed a second time."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from installlab import SAFE, InstallLab, bare, install_lab
from sampling import one_in
from worlds.base import healthy
from worlds.world import Thing, World

RELEASE = {"meta.helm.sh/release-name": "efs", "meta.helm.sh/release-namespace": "csi"}
CHART = {"app.kubernetes.io/name": "aws-efs-csi-driver"}
INSTALLED: dict[str, tuple[str, Thing, str]] = {
    "another release": ("csi", {"annotations": RELEASE, "labels": CHART}, "of release efs in csi"),
    "raw manifests": ("kube-system", {}, "of no Helm release"),
    "EKS add-on": ("kube-system", {"labels": {"app.kubernetes.io/managed-by": "EKS"}}, "of an EKS add-on"),
}
"""How the driver came: its namespace, its metadata, and what is said of it."""


def with_driver(namespace: str, metadata: Thing) -> World:
    """The bare world with the driver running in it; its CSIDriver object was forgotten."""
    world, example = bare(), healthy()
    for resource in ("serviceaccounts", "daemonsets", "deployments", "replicasets", "pods", "leases"):
        for thing in copy.deepcopy(example.all(resource)):
            if "efs-csi" not in thing["metadata"]["name"] and "efs-csi" not in str(thing.get("spec")):
                continue
            thing["metadata"]["namespace"] = namespace
            if resource in ("daemonsets", "deployments"):
                for name, more in metadata.items():
                    thing["metadata"][name] = {**(thing["metadata"].get(name) or {}), **more}
            world.all(resource).append(thing)
    if namespace != "kube-system":
        world.all("namespaces").append({"metadata": {"name": namespace}})
    world.kube["csinodes"] = copy.deepcopy(example.all("csinodes"))
    return world


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InstallLab]:
    namespace, metadata, _ = INSTALLED[request.param]
    with install_lab(with_driver(namespace, metadata), tmp_path) as made:
        yield made


@pytest.mark.parametrize("lab", one_in(3, INSTALLED), indirect=True)
def test_a_driver_of_others_is_used_mended_and_never_installed_again(
    lab: InstallLab, request: pytest.FixtureRequest
) -> None:
    namespace, _, said = INSTALLED[request.node.callspec.params["lab"]]
    assert lab.run("install", "--plan") == 0, lab.printed
    assert f"reuse driver: DaemonSet {namespace}/efs-csi-node, {said}   found by its image" in lab.printed
    assert "install the EFS CSI driver" not in lab.printed
    assert lab.run(*SAFE) == 0, lab.printed
    assert list(lab.releases) == ["prometheus"]
    assert "create csidrivers.storage.k8s.io efs.csi.aws.com" in lab.writes(), "its own flaw is mended"


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


def test_what_is_there_is_shown_with_its_id_and_by_what_it_was_found(empty: InstallLab) -> None:
    lab, (efs, ec2, iam) = empty, (empty.aws.client(s) for s in ("efs", "ec2", "iam"))
    tags = [{"Key": "efsdiag/name", "Value": "prometheus-efs"}]
    system = efs.create_file_system(CreationToken="theirs", Encrypted=True, Backup=True, Tags=tags)["FileSystemId"]
    instance = ec2.describe_instances()["Reservations"][0]["Instances"][0]
    target = efs.create_mount_target(FileSystemId=system, SubnetId=instance["SubnetId"])["MountTargetId"]
    group = ec2.create_security_group(GroupName="prometheus-efs-efs", Description="x", VpcId=instance["VpcId"])
    point = efs.create_access_point(ClientToken="prometheus-efs", FileSystemId=system)["AccessPointId"]
    iam.create_role(RoleName="nodes", AssumeRolePolicyDocument="{}")
    iam.create_role(RoleName="prometheus-efs-efs-csi", AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName="nodes")
    iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
    for one in (i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]):
        ec2.associate_iam_instance_profile(InstanceId=one["InstanceId"], IamInstanceProfile={"Name": "nodes"})
    lab.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    lab.run("install", "--dry-run")
    instances = sorted(i["InstanceId"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"])
    nodes = ", ".join(i for i in instances if i in lab.printed.partition("REUSED")[2])
    found = re.findall(r"^  reuse (.*?)   found by (.*)$", lab.printed, re.MULTILINE)
    assert found == [
        (f"file system {system}", "its tag efsdiag/name=prometheus-efs"),
        (f"mount target {target} in eu-west-1a", f"file system {system}, which has it"),
        (f"security group {group['GroupId']}", "its name prometheus-efs-efs"),
        (f"access point {point}", "its token prometheus-efs"),
        ("instance profile nodes with role nodes", f"instance {nodes}"),
        ("role prometheus-efs-efs-csi", "its name"),
        ("namespace monitoring", "its name"),
    ]
    assert lab.writes() == []


def test_in_an_empty_account_and_a_bare_cluster_nothing_is_used_again(empty: InstallLab) -> None:
    assert empty.run("install", "--plan") == 0, empty.printed
    assert "REUSED" not in empty.printed


def test_a_driver_of_which_only_its_object_is_left_is_installed_again(empty: InstallLab) -> None:
    """The chart keeps its CSIDriver when the release goes."""
    empty.kube.add(copy.deepcopy(empty.example.get("csidrivers", "efs.csi.aws.com")))
    assert empty.run(*SAFE) == 0, empty.printed
    assert sorted(empty.releases) == ["aws-efs-csi-driver", "prometheus"]
