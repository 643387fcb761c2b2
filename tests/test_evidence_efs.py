"""The evidence of area efs: file systems, mount targets, policies and access points."""

from __future__ import annotations

from typing import Any

import pytest
from values import claim, efs_volume, node, provisioning, storage_class
from values_aws import AP, AP_ARN, FS, World, absent, access_point, file_system, made, mount_target, value, volume

from efsdiag.model import Missing, Query
from efsdiag.setting_names import with_names
from efsdiag.settings import Settings

OTHER = "fs-0fffffffffffffff0"
BOTH = (FS, OTHER)


def known(answer: Any) -> Any:
    """An answer for the first file system; none for any other."""
    return lambda query: answer if query.get("FileSystemId") == FS else None


def test_the_file_systems_are_those_of_volumes_and_of_classes_each_once() -> None:
    wanted = storage_class(parameters={"fileSystemId": OTHER})
    given = {
        "efs_volumes": (volume(), volume(f"{FS}:/data"), efs_volume("s3files:fs-1")),
        "efs_classes": (provisioning(claim(storageClassName="efs-sc"), wanted),),
    }
    assert value(made("file_system_ids", World(), **given)) == BOTH


def test_no_file_system_is_named_by_a_malformed_handle_or_a_class_without_one() -> None:
    given = {
        "efs_volumes": (volume("my-file-system"),),
        "efs_classes": (provisioning(claim(storageClassName="efs-sc"), storage_class(parameters={})),),
    }
    missing = made("file_system_ids", World(), **given)
    assert isinstance(missing, Missing)
    assert missing.absent


def test_each_file_system_is_asked_for_by_id_and_one_that_does_not_exist_is_none() -> None:
    world = World({"efs:DescribeFileSystems": known({"FileSystems": [file_system()]})})
    assert value(made("file_systems", world, file_system_ids=BOTH)) == {FS: file_system(), OTHER: None}
    assert [q.get("FileSystemId") for q in world.asked] == list(BOTH)


def test_a_wider_answer_than_the_question_is_narrowed() -> None:
    everything = {"FileSystems": [file_system(OTHER), file_system()]}
    world = World({"efs:DescribeFileSystems": everything})
    assert value(made("file_systems", world, file_system_ids=(FS,))) == {FS: file_system()}


def test_mount_targets_are_ordered_by_zone_and_none_where_the_file_system_does_not_exist() -> None:
    b, a = mount_target("fsmt-b", zone="us-east-1b"), mount_target("fsmt-a")
    foreign = mount_target("fsmt-c", file_system=OTHER)
    world = World({"efs:DescribeMountTargets": known({"MountTargets": [b, a, foreign]})})
    assert value(made("mount_targets", world, file_system_ids=BOTH)) == {FS: [a, b], OTHER: None}


def test_the_groups_of_every_mount_target_are_read() -> None:
    world = World(
        {"efs:DescribeMountTargetSecurityGroups": lambda q: {"SecurityGroups": [f"sg-{q.get('MountTargetId')}"]}}
    )
    targets = {FS: [mount_target("fsmt-a"), mount_target("fsmt-b")], OTHER: None}
    groups = value(made("mount_target_groups", world, mount_targets=targets))
    assert groups == {"fsmt-a": ("sg-fsmt-a",), "fsmt-b": ("sg-fsmt-b",)}


def test_a_file_system_without_a_policy_has_none() -> None:
    world = World({"efs:DescribeFileSystemPolicy": known({"Policy": "{}"})})
    assert value(made("file_system_policies", world, file_system_ids=BOTH)) == {FS: "{}", OTHER: None}


def test_access_points_of_all_file_systems_are_told_by_id() -> None:
    world = World({"efs:DescribeAccessPoints": known({"AccessPoints": [access_point()]})})
    assert value(made("access_points", world, file_system_ids=BOTH)) == {AP: access_point()}


def test_the_arn_of_an_access_point_follows_from_its_file_system_whether_it_exists_or_not() -> None:
    systems = {FS: file_system(), OTHER: None}
    volumes = (volume(f"{FS}::{AP}"), volume(), efs_volume(f"{OTHER}::fsap-0fffffffffffffff0", "pv-2"))
    assert value(made("access_point_arns", World(), efs_volumes=volumes, file_systems=systems)) == {AP: AP_ARN}


def test_a_file_system_without_a_backup_policy_has_the_empty_one() -> None:
    world = World({"efs:DescribeBackupPolicy": known({"BackupPolicy": {"Status": "ENABLED"}})})
    assert value(made("backup_policies", world, file_system_ids=BOTH)) == {FS: "ENABLED", OTHER: ""}


@pytest.mark.parametrize(
    ("evidence", "operation"),
    [
        ("file_systems", "efs:DescribeFileSystems"),
        ("mount_targets", "efs:DescribeMountTargets"),
        ("mount_target_groups", "efs:DescribeMountTargetSecurityGroups"),
        ("file_system_policies", "efs:DescribeFileSystemPolicy"),
        ("access_points", "efs:DescribeAccessPoints"),
        ("backup_policies", "efs:DescribeBackupPolicy"),
    ],
)
def test_what_is_refused_is_unreadable_with_the_permission_that_it_needs(evidence: str, operation: str) -> None:
    given: dict[str, Any] = {"file_system_ids": (FS,)}
    if evidence == "mount_target_groups":
        given["mount_targets"] = {FS: [mount_target()]}
    missing = made(evidence, World({}, operation), **given)
    assert isinstance(missing, Missing)
    permission = operation.replace("efs:", "elasticfilesystem:")
    assert (missing.absent, missing.grant) == (False, f"allow {permission}")
    assert [q.operation for q in missing.queries] == [operation]


def test_one_node_out_of_the_zones_is_asked_for_by_label() -> None:
    world = World({"kube:list nodes": [node("worker3")]})
    targets = {FS: [mount_target(), mount_target("fsmt-b", zone="us-east-1b"), mount_target("fsmt-c", zone="")]}
    assert value(made("nodes_out_of_zone", world, mount_targets=targets)) == ("worker3",)
    zone = "topology.kubernetes.io/zone"
    asked: Query = world.asked[0]
    assert asked.get("labelSelector") == f"{zone},{zone} notin (us-east-1a,us-east-1b)"
    assert asked.get("limit") == "1"


def test_without_a_mount_target_no_node_is_out_of_its_zones() -> None:
    for targets in ({FS: []}, {FS: None}, {FS: [mount_target(zone="")]}):
        missing = made("nodes_out_of_zone", World(), mount_targets=targets)
        assert isinstance(missing, Missing)
        assert missing.absent


@pytest.mark.parametrize("name", ["", "prometheus-efs"])
def test_nothing_untagged_is_adopted_whatever_the_name(name: str) -> None:
    wanted = with_names(Settings(name=name))
    world = World(
        {
            "efs:DescribeFileSystems": {"FileSystems": [file_system(CreationToken="theirs"), file_system("fs-2")]},
            "efs:DescribeAccessPoints": {"AccessPoints": [access_point()]},
        }
    )
    assert absent(made("wanted_file_system", world, wanted=wanted))
    assert absent(made("wanted_access_point", world, wanted=wanted, wanted_file_system=file_system()))
