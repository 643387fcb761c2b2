"""An install, and its uninstall, where others were there before, or something was left half made."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from awsworld import ACCOUNT_ID, Trouble
from installlab import SAFE, InstallLab, bare, install_lab
from moto.efs import models

NAME = "prometheus-efs"
ROLE = f"{NAME}-efs-csi"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


# --- IAM ------------------------------------------------------------------------------------------------------------


def trust_in(service: str) -> str:
    allowed = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


@pytest.mark.parametrize("what", ["role", "profile"])
def test_what_is_declined_for_the_first_instance_is_not_done_to_the_others(lab: InstallLab, what: str) -> None:
    iam = lab.aws.client("iam")
    if what == "role":
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust_in("lambda"))
        said = f"the role {ROLE} is there, and EC2 may not take it"
    else:
        iam.create_instance_profile(InstanceProfileName=ROLE)
        iam.create_role(RoleName="admin", AssumeRolePolicyDocument=trust_in("ec2"))
        iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="admin")
        said = f"the instance profile {ROLE} holds the role admin, which may not make EFS volumes"
    assert lab.run("install", "--plan") == 0, lab.printed
    assert "associate instance" not in lab.printed
    assert " ".join(lab.printed.split()).count(said) == 2, "once for each instance"


# --- what others use ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallLab]:
    """A world in which all is installed, and the journal is lost; the tests only read it."""
    with install_lab(bare(), tmp_path_factory.mktemp("installed")) as lab:
        assert lab.run(*SAFE) == 0, lab.printed
        shutil.rmtree(lab.journal)
        yield lab


def taken_back(lab: InstallLab, *flags: str) -> tuple[str, str]:
    """What an uninstall would take back, and what would stay, each on one line."""
    assert lab.run("uninstall", "--plan", *flags) == 0, lab.printed
    takes, _, stays = " ".join(lab.printed.split()).partition("WHAT STAYS")
    return takes, stays


def test_a_prometheus_on_another_claim_is_not_taken_back(installed: InstallLab) -> None:
    takes, stays = taken_back(installed, "--set", "claim=other")
    assert "release prometheus" not in takes
    assert f"its data is on claim {NAME}, and the settings are about claim other" in stays
    assert "uninstall the release prometheus of monitoring" in taken_back(installed)[0]


def test_what_serves_the_volume_of_another_claim_is_not_taken_back(installed: InstallLab) -> None:
    """The same name with another namespace: the volume, and who mounts it, is not of these settings."""
    takes, stays = taken_back(installed, "--set", "namespace=other")
    assert "mount target" not in takes
    assert "access point" not in takes
    assert "security group" not in takes
    assert re.search(rf"mount target \S+ of \S+ is used by volume {NAME}", stays), stays
    assert re.search(rf"access point \S+ is used by volume {NAME}", stays), stays


def test_mount_targets_under_volumes_of_others_are_not_taken_back(installed: InstallLab) -> None:
    volume = copy.deepcopy(installed.kube.object("persistentvolumes", NAME))
    assert volume is not None
    system = str(volume["spec"]["csi"]["volumeHandle"]).partition(":")[0]
    volume["metadata"]["name"] = "theirs"
    volume["spec"]["csi"]["volumeHandle"] = f"{system}:/theirs"
    volume["spec"]["claimRef"] = {"namespace": "shop", "name": "theirs", "uid": "theirs"}
    installed.kube.add(volume)
    try:
        takes, stays = taken_back(installed)
    finally:
        installed.kube.remove("persistentvolumes", "theirs")
    assert "delete mount target" not in takes
    assert "delete access point" in takes, "only theirs stays"
    assert re.search(r"mount target \S+ of \S+ is used by volume theirs", stays), stays


# --- a claim and a volume that are not on EFS -----------------------------------------------------------------------

EBS = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": NAME},
    "spec": {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "50Gi"},
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a1"},
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "volumeMode": "Filesystem",
    },
    "status": {"phase": "Available"},
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": NAME, "namespace": "monitoring", "uid": "their-claim"},
    "spec": {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "50Gi"}},
        "storageClassName": "",
        "volumeName": NAME,
    },
    "status": {"phase": "Bound"},
}


@pytest.mark.parametrize("bound", [True, False], ids=["a claim is bound to it", "it waits for the claim"])
def test_no_prometheus_is_installed_on_a_volume_that_is_not_on_efs(lab: InstallLab, bound: bool) -> None:
    lab.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    lab.kube.add(copy.deepcopy(EBS))
    if bound:
        lab.kube.add({**copy.deepcopy(EBS), "status": {"phase": "Bound"}})
        lab.kube.add(copy.deepcopy(CLAIM))
    assert lab.run(*SAFE) == 5, lab.printed
    assert lab.jobs == []
    assert lab.releases.keys() == {"aws-efs-csi-driver"}
    said = f"claim {NAME} is bound to volume {NAME}, which is not on EFS; name another one in the setting claim"
    waits = f"volume {NAME}, which waits for that claim, is not on EFS"
    assert (said if bound else waits) in lab.printed.partition("NO REMEDY IS LEFT")[2], lab.printed
    assert ("CreateFileSystem" in lab.writes()) is not bound


# --- what is said at the end ----------------------------------------------------------------------------------------


def test_a_plan_that_is_refused_after_others_were_carried_out_does_not_say_that_nothing_was_changed(
    lab: InstallLab,
) -> None:
    lab.aws.meddle = lambda a: (
        Trouble("SecurityGroupLimitExceeded", 400) if a.operation == "CreateSecurityGroup" else None
    )
    assert lab.run(*SAFE) == 5, lab.printed
    assert "CreateFileSystem" in lab.writes()
    end = lab.printed.partition("change-refused: ")[2]
    assert end.startswith("nothing of this plan was changed: ec2:CreateSecurityGroup")
    assert "efsdiag install goes on from here, efsdiag uninstall takes back what was made" in end


def test_where_nothing_was_made_yet_there_is_nothing_to_go_on_from(lab: InstallLab) -> None:
    assert lab.run("install") == 6
    assert "goes on from here" not in lab.printed


def test_a_plan_without_a_sign_in_says_so_and_how_to_sign_in(lab: InstallLab) -> None:
    lab.aws.meddle = lambda asked: Trouble("ExpiredToken", 403)
    assert lab.run("install", "--plan") == 3, lab.printed
    unread = lab.printed.partition("NOT LOOKED AT")[2].partition("OPEN")[0]
    assert "nobody is signed in to AWS: " in unread
    assert "sign in with `aws sso login` or `aws configure`" in unread
    assert "ONCE IT EXISTS" not in lab.printed, "there is no plan after which it could"


# --- storage that was there before ----------------------------------------------------------------------------------


def test_an_access_point_of_the_name_that_leads_elsewhere_is_used_only_where_it_is_named(lab: InstallLab) -> None:
    efs = lab.aws.client("efs")
    system = efs.create_file_system(CreationToken=NAME, Encrypted=True, Backup=True)["FileSystemId"]
    user, root = {"Uid": 65534, "Gid": 65534}, {"Path": "/elsewhere"}
    made = efs.create_access_point(ClientToken=NAME, FileSystemId=system, PosixUser=user, RootDirectory=root)
    point = made["AccessPointId"]
    assert lab.run("install", "--plan") == 0, lab.printed
    shown = " ".join(lab.printed.split())
    assert f"access point {point}, which has the install's name, leads to /elsewhere; storage.path is /prom" in shown
    assert "create volume" not in shown
    for named in (f"storage.accessPoint={point}", "storage.path=/elsewhere"):
        assert lab.run("install", "--plan", "--set", named) == 0, lab.printed
        assert f"create volume {NAME}" in lab.printed


def test_nothing_is_made_in_a_namespace_that_is_being_deleted(lab: InstallLab) -> None:
    going = {"name": "monitoring", "deletionTimestamp": "2026-11-21T08:00:00Z"}
    lab.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": going, "status": {"phase": "Terminating"}})
    lab.aws.client("efs").create_file_system(CreationToken=NAME, Encrypted=True, Backup=True)
    assert lab.run("install", "--plan") == 0, lab.printed
    assert "create claim" not in lab.printed
    assert "namespace monitoring is being deleted, and takes nothing new; go on when it is gone" in " ".join(
        lab.printed.split()
    )
    assert "reuse namespace" not in lab.printed


def test_no_file_system_is_made_while_one_of_its_name_is_being_deleted(lab: InstallLab) -> None:
    system = lab.aws.client("efs").create_file_system(CreationToken=NAME)["FileSystemId"]
    kept = models.efs_backends[ACCOUNT_ID][lab.aws.region].file_systems_by_id
    kept[system].life_cycle_state = "deleting"
    assert lab.run(*SAFE) == 3, lab.printed
    assert lab.writes() == []
    assert lab.run("install", "--plan") == 3, lab.printed
    plan, _, unread = " ".join(lab.printed.split()).partition("NOT LOOKED AT")
    assert "create the file system" not in plan
    assert f"? file system {system}, which has that name, is being deleted run it again when that one is gone" in unread
    assert unread.count(system) == 1, "each reason once"
    del kept[system]
    assert lab.run("install", "--plan") == 0, lab.printed
    assert f"create the file system {NAME}" in lab.printed
