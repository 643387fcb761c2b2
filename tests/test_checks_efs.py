"""The checks of area efs: the file system, its mount targets, and whether it admits the mount."""

from __future__ import annotations

from typing import Any

import pytest
from values import attempt, efs_volume, heard, said
from values_aws import (
    AP,
    AP_ARN,
    CLIENT,
    FS,
    REFUSED,
    TIMED_OUT,
    World,
    access_point,
    file_system,
    file_system_policy,
    instance,
    judged,
    modes_of,
    mount_failed,
    mount_target,
    statement,
    unread,
    volume,
)

from efsdiag.checks import efs, mount
from efsdiag.model import Ref, State, Verdict

OTHER = "fs-0fffffffffffffff0"
VOLUMES = (volume(),)
THROUGH = (volume(f"{FS}::{AP}"),)
SYSTEMS = {FS: file_system()}
GONE: dict[str, Any] = {FS: None}
ARNS = {AP: AP_ARN}

ANYBODY = file_system_policy(statement("Allow", *CLIENT))
TLS_ONLY = file_system_policy(
    statement("Allow", *CLIENT),
    statement("Deny", "*", Condition={"Bool": {"aws:SecureTransport": "false"}}),
)
SIGNED_ONLY = file_system_policy(statement("Allow", *CLIENT, Principal={"AWS": "arn:aws:iam::111122223333:role/nodes"}))
ONE_ACCESS_POINT = file_system_policy(
    statement("Allow", *CLIENT, Condition={"StringEquals": {"elasticfilesystem:AccessPointArn": AP_ARN}})
)
MOUNT_TARGETS_ONLY = file_system_policy(
    statement("Allow", *CLIENT, Condition={"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}})
)


READS = {
    "file-system-exists": "efs:DescribeFileSystems",
    "file-system-available": "efs:DescribeFileSystems",
    "file-system-encrypted": "efs:DescribeFileSystems",
    "file-system-regional": "efs:DescribeFileSystems",
    "file-system-backed-up": "efs:DescribeBackupPolicy",
    "mount-target-exists": "efs:DescribeMountTargets",
    "mount-target-in-vpc": "efs:DescribeMountTargets",
    "mount-target-in-zone": "efs:DescribeMountTargets",
    "mount-target-available": "efs:DescribeMountTargets",
    "mount-target-in-every-zone": "efs:DescribeMountTargets",
    "access-point-exists": "efs:DescribeAccessPoints",
    "access-point-root-exists": "efs:DescribeAccessPoints",
    "file-system-policy-admits": "efs:DescribeFileSystemPolicy",
}
ANSWERS: dict[str, Any] = {
    "efs:DescribeFileSystems": {"FileSystems": [file_system()]},
    "efs:DescribeMountTargets": {"MountTargets": [mount_target()]},
    "efs:DescribeMountTargetSecurityGroups": {"SecurityGroups": ["sg-efs"]},
    "efs:DescribeAccessPoints": {"AccessPoints": [access_point()]},
    "efs:DescribeFileSystemPolicy": {"Policy": ANYBODY},
    "efs:DescribeBackupPolicy": {"BackupPolicy": {"Status": "ENABLED"}},
    "ec2:DescribeSubnets": {"Subnets": []},
    "kube:list nodes": [],
}
GIVEN = {"efs_volumes": THROUGH, "efs_classes": (), "node_instance": instance(), "foreign_node": None, "heard": heard()}


@pytest.mark.parametrize(("check", "operation"), READS.items())
def test_a_check_is_unknown_where_its_read_is_refused(check: str, operation: str) -> None:
    whole = judged(check, World(ANSWERS), **GIVEN)
    assert whole.state is (State.SKIP if check == "access-point-root-exists" else State.PASS)
    verdict = judged(check, World(ANSWERS, operation), **GIVEN)
    permission = operation.replace("efs:", "elasticfilesystem:")
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {permission}")


@pytest.mark.parametrize("check", READS)
def test_a_check_waits_or_does_not_apply_where_nothing_names_a_file_system(check: str) -> None:
    verdict = judged(check, World(), **{**GIVEN, "efs_volumes": ()})
    assert verdict.state in (State.WAITING, State.SKIP)


@pytest.mark.parametrize("check", sorted(READS.keys() - {"file-system-exists"}))
def test_what_belongs_to_a_file_system_that_does_not_exist_waits_for_it(check: str) -> None:
    nothing = {**dict.fromkeys(ANSWERS), "ec2:DescribeSubnets": {"Subnets": []}}
    verdict = judged(check, World(nothing), **GIVEN)
    assert verdict.state is (State.SKIP if check == "access-point-root-exists" else State.WAITING)


# The file system.


def test_a_file_system_that_does_not_exist_here_fails() -> None:
    verdict = efs.file_system_exists((FS, OTHER), {FS: file_system(), OTHER: None}, {OTHER: None})
    assert modes_of(verdict) == [("efs.file-system-not-found", True)]
    assert str(verdict.findings[0].object) == f"FileSystem/{OTHER}"


def test_a_file_system_whose_mount_targets_are_seen_is_not_called_missing() -> None:
    assert efs.file_system_exists((FS,), GONE, {FS: [mount_target()]}).state is State.UNKNOWN


@pytest.mark.parametrize(
    "attributes",
    [{"crossaccount": "true"}, {"crossAccount": "1"}, {"mounttargetip": "10.9.1.5"}, {"mountTargetIp": "10.9.1.5"}],
    ids=str,
)
def test_a_file_system_of_another_account_is_not_called_missing(attributes: dict[str, str]) -> None:
    foreign = (volume(attributes=attributes),)
    verdict = efs.file_system_exists((FS,), GONE, GONE, foreign)
    assert verdict.state is State.UNKNOWN
    assert "account" in verdict.grant


@pytest.mark.parametrize("state", ["creating", "updating", "deleting", "error"])
def test_a_file_system_in_another_state_than_available_fails(state: str) -> None:
    assert modes_of(efs.file_system_available({FS: file_system(LifeCycleState=state)})) == [("efs.not-available", True)]


def test_a_file_system_that_is_being_changed_serves_the_volumes_that_are_made_and_makes_no_others() -> None:
    systems = {FS: file_system(LifeCycleState="updating"), OTHER: file_system(LifeCycleState="updating")}
    assert efs.file_system_available({FS: systems[FS]}, (volume(),)).state is State.PASS
    (found,) = efs.file_system_available(systems, (volume(),)).findings
    assert found.object == Ref("FileSystem", OTHER)


def test_the_standing_risks_of_a_file_system() -> None:
    bare = file_system(Encrypted=False, AvailabilityZoneName="us-east-1a")
    assert modes_of(efs.file_system_encrypted({FS: bare})) == [("efs.unencrypted", True)]
    assert modes_of(efs.file_system_regional({FS: bare})) == [("efs.one-zone", True)]
    assert modes_of(efs.file_system_backed_up({FS: bare}, {FS: ""})) == [("efs.no-backup", True)]
    assert modes_of(efs.file_system_backed_up({FS: bare}, {FS: "DISABLED"})) == [("efs.no-backup", True)]


# Mount targets.


def test_a_file_system_without_a_mount_target_fails() -> None:
    verdict = efs.mount_target_exists({FS: []}, {FS: file_system(NumberOfMountTargets=0)})
    assert modes_of(verdict) == [("network.no-mount-target", True)]


def test_a_list_that_lacks_mount_targets_which_the_file_system_counts_blames_nobody() -> None:
    counted = {FS: file_system(NumberOfMountTargets=2)}
    assert efs.mount_target_exists({FS: []}, counted).state is State.UNKNOWN
    zone_b = [mount_target(zone="us-east-1b", zone_id="use1-az2")]
    assert in_zone(targets=zone_b, file_systems=counted).state is State.UNKNOWN


def test_a_mount_target_in_another_vpc_only_fails() -> None:
    verdict = efs.mount_target_in_vpc("vpc-1", VOLUMES, {FS: [mount_target(vpc="vpc-2")]})
    assert modes_of(verdict) == [("network.different-vpc", True)]
    assert "vpc-2" in verdict.says
    assert "vpc-1" in verdict.says


def test_one_mount_target_in_the_nodes_vpc_is_enough() -> None:
    targets = [mount_target("fsmt-b", vpc="vpc-2"), mount_target()]
    assert efs.mount_target_in_vpc("vpc-1", VOLUMES, {FS: targets}).state is State.PASS


def test_a_mount_by_address_may_go_to_another_vpc() -> None:
    by_address = (volume(attributes={"mounttargetip": "10.0.2.50"}),)
    assert efs.mount_target_in_vpc("vpc-1", by_address, {FS: [mount_target(vpc="vpc-2")]}).state is State.PASS


def test_an_address_that_no_mount_target_has_any_more_fails() -> None:
    by_address = (volume(attributes={"mounttargetip": "10.0.2.99"}),)
    verdict = efs.mount_target_in_vpc("vpc-1", by_address, {FS: [mount_target()]})
    assert modes_of(verdict) == [("pv.mounttargetip-stale", True)]
    assert "10.0.2.99" in verdict.says
    assert "10.0.2.50" in verdict.says


def test_what_is_no_address_is_no_stale_one() -> None:
    garbage = (volume(attributes={"mounttargetip": "10.0.2"}),)
    assert efs.mount_target_in_vpc("vpc-1", garbage, {FS: [mount_target()]}).state is State.PASS


def test_what_is_no_access_point_id_is_no_missing_access_point() -> None:
    assert efs.access_point_exists((volume(f"{FS}::fsap-0a1b2c3d"),), {}).state is State.SKIP


def in_zone(targets: list[dict[str, Any]] | None = None, volumes: Any = VOLUMES, **others: Any) -> Verdict:
    found = [mount_target()] if targets is None else targets
    return efs.mount_target_in_zone(others.pop("node", instance()), volumes, {FS: found}, [], **others)


def test_a_mount_target_in_the_nodes_zone_passes() -> None:
    assert in_zone().state is State.PASS


def test_mount_targets_in_other_zones_only_fail() -> None:
    verdict = in_zone([mount_target(zone="us-east-1b", zone_id="use1-az2")])
    assert modes_of(verdict) == [("network.no-mount-target-in-az", True)]
    assert "us-east-1a" in verdict.says
    assert "us-east-1b" in verdict.says


def test_zones_are_compared_by_id_because_names_differ_between_accounts() -> None:
    assert in_zone([mount_target(zone="us-east-1c", zone_id="use1-az1")]).state is State.PASS
    verdict = in_zone([mount_target(zone="us-east-1a", zone_id="use1-az2")])
    assert modes_of(verdict) == [("network.no-mount-target-in-az", True)]


def test_zones_are_compared_by_name_where_an_id_is_not_told() -> None:
    assert in_zone([mount_target(zone_id="")]).state is State.PASS


def test_a_target_of_the_same_zone_in_another_vpc_is_none() -> None:
    assert in_zone([mount_target(vpc="vpc-2")]).state is State.WAITING


def test_the_nodes_zone_does_not_matter_to_a_mount_by_address() -> None:
    by_address = (volume(attributes={"mounttargetip": "10.0.2.50"}),)
    assert in_zone([mount_target(zone="us-east-1b", zone_id="use1-az2")], by_address).state is State.SKIP


def test_a_one_zone_file_system_is_reached_from_another_zone_by_the_option_az_only() -> None:
    zone_b = [mount_target(zone="us-east-1b", zone_id="use1-az2")]
    assert in_zone(zone_b, (volume(options=("tls", "az=us-east-1b")),)).state is State.PASS
    verdict = in_zone(zone_b, (volume(options=("az=us-east-1c",)),))
    assert modes_of(verdict) == [("network.no-mount-target-in-az", True)]
    assert "us-east-1c" in verdict.says


@pytest.mark.parametrize("state", ["creating", "updating", "deleting", "error"])
def test_the_mount_target_of_the_nodes_zone_must_be_available(state: str) -> None:
    targets = {FS: [mount_target(state=state), mount_target("fsmt-b", zone="us-east-1b", zone_id="use1-az2")]}
    given = {"node_instance": instance(), "efs_volumes": VOLUMES, "subnets": [], "mount_target_groups": {}}
    verdict = judged("mount-target-available", mount_targets=targets, **given)
    assert modes_of(verdict) == [("network.mount-target-not-available", True)]
    assert str(verdict.findings[0].object) == "MountTarget/fsmt-a"


def test_a_node_in_a_zone_without_a_mount_target_is_a_standing_risk() -> None:
    targets = {FS: [mount_target()]}
    verdict = efs.mount_target_in_every_zone(("worker3",), targets)
    assert modes_of(verdict) == [("network.single-az-mount-target", True)]
    assert "worker3" in verdict.says
    assert efs.mount_target_in_every_zone((), targets).state is State.PASS


# Access points.


def test_an_access_point_that_does_not_exist_fails() -> None:
    verdict = efs.access_point_exists(THROUGH, {}, SYSTEMS)
    assert modes_of(verdict) == [("efs.access-point-not-found", True)]


def test_an_access_point_of_another_file_system_fails() -> None:
    both = (*THROUGH, efs_volume(OTHER, "pv-2"))
    systems = {FS: file_system(), OTHER: file_system(OTHER)}
    verdict = efs.access_point_exists(both, {AP: access_point(file_system=OTHER)}, systems)
    assert modes_of(verdict) == [("efs.access-point-not-found", True)]


def test_an_access_point_that_is_going_fails() -> None:
    verdict = efs.access_point_exists(THROUGH, {AP: access_point(state="deleting")}, SYSTEMS)
    assert modes_of(verdict) == [("efs.access-point-not-found", True)]


def test_a_missing_access_point_is_likely_only_where_the_events_tell_of_something_else() -> None:
    def sure(text: str) -> bool:
        return efs.access_point_exists(THROUGH, {}, SYSTEMS, heard=mount_failed(text)).findings[0].sure

    assert sure(REFUSED)
    assert not sure(TIMED_OUT)


def test_a_missing_access_point_is_likely_only_where_the_policy_refuses_the_mount_in_any_case() -> None:
    def sure(written: str) -> bool:
        return efs.access_point_exists(THROUGH, {}, SYSTEMS, {FS: written}, ARNS).findings[0].sure

    assert not sure(SIGNED_ONLY)
    assert sure(ONE_ACCESS_POINT)


def test_access_points_do_not_matter_to_a_volume_that_goes_through_none() -> None:
    refused = unread("efs:DescribeAccessPoints")
    assert efs.access_point_exists(VOLUMES, refused).state is State.SKIP
    assert efs.access_point_root_exists(VOLUMES, refused).state is State.SKIP


NO_CREATION = {AP: access_point(path="/prometheus", creation=False)}


@pytest.mark.parametrize("point", [access_point(path="/prometheus"), access_point(creation=False)], ids=["made", "/"])
def test_a_root_that_efs_makes_or_that_is_always_there_is_no_question(point: dict[str, Any]) -> None:
    assert efs.access_point_root_exists(THROUGH, {AP: point}, mount_failed(REFUSED)).state is State.SKIP


def test_a_root_that_somebody_had_to_make_is_blamed_likely_where_the_server_refuses() -> None:
    verdict = efs.access_point_root_exists(THROUGH, NO_CREATION, mount_failed(REFUSED))
    assert modes_of(verdict) == [("efs.access-point-root-missing", False)]


def test_a_root_that_somebody_had_to_make_is_unknown_as_long_as_nobody_looked() -> None:
    for said_so in (heard(), mount_failed(TIMED_OUT)):
        assert efs.access_point_root_exists(THROUGH, NO_CREATION, said_so).state is State.UNKNOWN


# The file system policy.


def admits(written: str | None, *, volumes: Any = VOLUMES, systems: Any = None) -> Verdict:
    return efs.file_system_policy_admits(volumes, systems or SYSTEMS, {FS: written}, ARNS)


@pytest.mark.parametrize("written", [None, ANYBODY, TLS_ONLY, MOUNT_TARGETS_ONLY])
def test_a_policy_that_admits_anybody_over_tls_passes(written: str | None) -> None:
    assert admits(written).state is State.PASS


def test_only_the_absence_of_a_policy_is_told_as_such() -> None:
    assert admits(None).proof == ("PolicyNotFound",)
    assert admits(ANYBODY).proof == ()


def test_a_policy_that_denies_plain_text_refuses_a_volume_without_encryption() -> None:
    plain = (volume(attributes={"encryptInTransit": "false"}),)
    verdict = admits(TLS_ONLY, volumes=plain)
    assert modes_of(verdict) == [("efs.policy-requires-tls", True)]
    assert admits(ANYBODY, volumes=plain).state is State.PASS


def test_a_policy_that_allows_over_tls_only_refuses_a_volume_without_encryption() -> None:
    written = file_system_policy(statement("Allow", *CLIENT, Condition={"Bool": {"aws:SecureTransport": "true"}}))
    plain = (volume(attributes={"encryptInTransit": "false"}),)
    assert modes_of(admits(written, volumes=plain)) == [("efs.policy-requires-tls", True)]


def test_a_policy_for_a_role_refuses_a_volume_that_does_not_sign_in() -> None:
    verdict = admits(SIGNED_ONLY)
    assert modes_of(verdict) == [("efs.policy-requires-iam", True)]
    assert "mountOptions: none" in verdict.findings[0].proof


def test_a_mount_that_signs_in_is_not_judged_as_anonymous() -> None:
    assert admits(SIGNED_ONLY, volumes=(volume(options=("iam",)),)).state is State.SKIP


def test_a_policy_for_one_access_point_refuses_the_root_and_other_access_points() -> None:
    assert modes_of(admits(ONE_ACCESS_POINT)) == [("efs.policy-access-point-only", True)]
    other = (volume(f"{FS}::fsap-0fffffffffffffff0"),)
    assert modes_of(admits(ONE_ACCESS_POINT, volumes=other)) == [("efs.policy-access-point-only", True)]


def test_a_deny_of_all_other_access_points_is_told_as_such() -> None:
    condition = {"StringNotEquals": {"elasticfilesystem:AccessPointArn": AP_ARN}}
    written = file_system_policy(statement("Allow", *CLIENT), statement("Deny", *CLIENT, Condition=condition))
    assert modes_of(admits(written)) == [("efs.policy-access-point-only", True)]
    assert admits(written, volumes=THROUGH).state is State.PASS


def test_a_policy_for_one_access_point_admits_the_volume_that_goes_through_it() -> None:
    assert admits(ONE_ACCESS_POINT, volumes=THROUGH).state is State.PASS


def test_a_policy_that_does_not_concern_an_access_point_is_judged_without_reading_any() -> None:
    world = World(ANSWERS, "efs:DescribeAccessPoints")
    assert judged("file-system-policy-admits", world, **GIVEN).state is State.PASS


def test_the_second_volumes_file_system_is_judged_too() -> None:
    both = (volume(), efs_volume(OTHER, "pv-2"))
    systems = {FS: file_system(), OTHER: file_system(OTHER)}
    verdict = efs.file_system_policy_admits(both, systems, {FS: None, OTHER: SIGNED_ONLY})
    assert modes_of(verdict) == [("efs.policy-requires-iam", True)]
    assert str(verdict.findings[0].object) == "PersistentVolume/pv-2"


def test_a_policy_that_cannot_be_parsed_or_depends_on_the_clients_address_is_unknown() -> None:
    by_address = file_system_policy(
        statement("Allow", *CLIENT, Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    )
    for written in ("{}{", by_address):
        assert admits(written).state is State.UNKNOWN


# What the mount says.


def test_a_mounted_volume_was_admitted() -> None:
    assert mount.mount_admitted(VOLUMES, attempt("mounted"), mount_failed(REFUSED)).state is State.PASS


def test_a_refusal_by_the_server_is_a_symptom_that_the_event_tells() -> None:
    verdict = mount.mount_admitted(VOLUMES, attempt("scheduled"), mount_failed(REFUSED))
    assert modes_of(verdict) == [("mount.access-denied-by-server", False)]


def test_nothing_said_leaves_the_admission_open() -> None:
    for said_so in (None, heard(), mount_failed(TIMED_OUT)):
        assert mount.mount_admitted(VOLUMES, attempt("scheduled"), said_so).state is State.WAITING
    assert mount.mount_admitted((), attempt("scheduled"), None).state is State.SKIP


def test_who_is_told_that_a_directory_is_not_there_was_let_in() -> None:
    text = "mount.nfs4: mounting 127.0.0.1:/prometheus failed, reason given by server: No such file or directory"
    assert mount.mount_admitted(VOLUMES, attempt("scheduled"), mount_failed(text)).state is State.PASS


def test_efs_is_not_asked_where_the_node_plugin_refuses_every_volume_itself() -> None:
    refused = f'MountVolume.SetUp failed for volume "{VOLUMES[0].name}" : rpc error: code = InvalidArgument desc = x'
    late = f'MountVolume.SetUp failed for volume "{VOLUMES[0].name}" : rpc error: code = DeadlineExceeded desc = x'
    driver, network = (said("pod-event", "FailedMount", text) for text in (refused, late))
    assert mount.mount_admitted(VOLUMES, attempt("scheduled"), heard(driver)).state is State.WAITING
    assert mount.mount_admitted(VOLUMES, attempt("scheduled"), heard(driver, network)).state is State.WAITING
    two = (*VOLUMES, efs_volume(name="other"))
    assert mount.mount_admitted(two, attempt("scheduled"), heard(driver)).state is State.WAITING


def test_a_directory_that_the_server_does_not_find_is_told_by_the_event() -> None:
    text = "mount.nfs4: mounting 127.0.0.1:/prometheus failed, reason given by server: No such file or directory"
    verdict = judged("mounted-path-exists", heard=mount_failed(text))
    assert modes_of(verdict) == [("mount.path-not-found", True)]


def test_another_event_says_nothing_against_the_directory_and_no_event_leaves_it_open() -> None:
    assert judged("mounted-path-exists", heard=mount_failed(TIMED_OUT)).state is State.PASS
    assert judged("mounted-path-exists", heard=heard()).state is State.WAITING
    refused = heard(said("plugin-log", "", "nothing"), unread={"pod-event": unread("kube:list events")})
    verdict = judged("mounted-path-exists", heard=refused)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow list events")
