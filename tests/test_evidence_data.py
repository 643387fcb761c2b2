"""The evidence of area data: where the data directory is, who owns the way to it, and as whom the process comes."""

from __future__ import annotations

from typing import Any

import pytest
from values import attempt, claim, container
from values import volume as raw_volume
from values_aws import (
    AP,
    AP_ARN,
    CLIENT,
    FS,
    World,
    absent,
    access_point,
    container_of,
    data_pod,
    file_system,
    file_system_policy,
    listing,
    made,
    role,
    statement,
    value,
    volume,
)

from efsdiag.model import Evidence, Missing
from efsdiag.semantics.posix import Credentials

THROUGH = volume(f"{FS}::{AP}")


def about(pod: dict[str, Any], on: Any = None, **others: Any) -> dict[str, Any]:
    """The pod, its claim and the volume behind it, as evidence that is there already."""
    raw = volume().object if on is None else on
    return {
        "pod": pod,
        "main_container": container_of(pod),
        "claims": (claim(bound_to="pv-1"),),
        "volumes": {"pv-1": raw},
        "access_points": {AP: access_point(user=(2000, 3000), groups=(4000,))},
        "attempt": attempt("running"),
        "csi_driver": None,
        **others,
    }


# Where.


def test_the_data_directory_is_told_in_the_container_and_on_the_volume() -> None:
    found = value(made("data_directory", World(), **about(data_pod())))
    assert (found.path, found.on_volume) == ("/prometheus/server", "/server")
    with_sub_path = data_pod(mount={"subPath": "team-a"})
    assert value(made("data_directory", World(), **about(with_sub_path))).on_volume == "/team-a/server"


def test_a_program_without_claim_flag_or_well_known_path_has_no_data_directory() -> None:
    assert absent(made("data_directory", World(), pod={"metadata": {}, "spec": {}}, main_container=container()))


def test_the_data_volume_is_the_one_behind_the_claim_of_the_data_directory() -> None:
    given = about(data_pod())
    given["claims"] = (claim("grafana", bound_to="pv-2"), claim(bound_to="pv-1"))
    given["volumes"]["pv-2"] = raw_volume("pv-2")
    assert value(made("data_volume", World(), **given))["metadata"]["name"] == "pv-1"
    assert value(made("data_efs_volume", World(), **given)).name == "pv-1"


def test_there_is_no_data_volume_before_the_claim_exists_is_bound_or_holds_the_directory() -> None:
    pod = data_pod()
    assert absent(made("data_volume", World(), **about(pod, claims=(claim(exists=False),))))
    assert absent(made("data_volume", World(), **about(pod, claims=(claim(),))))
    assert absent(made("data_volume", World(), **about(data_pod(args=("--storage.tsdb.path=/data",)))))


def test_a_volume_of_another_driver_is_no_efs_volume() -> None:
    disk = raw_volume("pv-1", csi={"driver": "ebs.csi.aws.com"})
    assert absent(made("data_efs_volume", World(), **about(data_pod(), disk)))


def test_a_listing_is_asked_for_by_the_volume_and_taken_apart() -> None:
    raw = {
        "persistentVolume": "pv-1",
        "observedFrom": "probe-pod",
        "entries": [{"path": "/", "type": "directory", "uid": 0, "gid": 0, "mode": "0755"}],
        "space": {"totalBytes": 100, "freeBytes": 40, "freeInodes": None},
    }
    world = World({"volume:entries": raw})
    found = value(made("volume_listing", world, data_volume=volume().object))
    assert world.asked[0].get("persistentVolume") == "pv-1"
    assert (found.seen_from, found.total_bytes, found.free_bytes) == ("probe-pod", 100, 40)
    assert found.entries["/"].mode == 0o755
    assert absent(made("volume_listing", World({"volume:entries": None}), data_volume=volume().object))


# As whom.


def actor(pod: dict[str, Any], on: Any = None, **others: Any) -> Any:
    return value(made("actor", World(), **about(pod, on, **others)))


def test_the_process_comes_as_its_security_context_says_with_its_groups() -> None:
    found = actor(data_pod(fsGroup=2000, supplementalGroups=[3000]))
    assert found.credentials == Credentials(1000, 1000, frozenset({2000, 3000}))
    assert found.said_by == "securityContext"


def test_the_containers_own_context_wins_over_the_pods() -> None:
    assert actor(data_pod(own={"runAsUser": 65534, "runAsGroup": 65534})).credentials == Credentials(65534, 65534)


def test_a_well_known_image_says_as_whom_it_runs() -> None:
    found = actor(data_pod(user=None))
    assert found.credentials == Credentials(65534, 65534)
    assert "prometheus/prometheus" in found.said_by


def test_nobody_knows_as_whom_another_image_runs() -> None:
    given = about(data_pod(image="example.com/own/thing:1", user=None))
    assert absent(made("actor", World(), **given))
    credentials, why = value(made("process_credentials", World(), **given))
    assert credentials is None
    assert "securityContext" in why


def test_the_user_of_an_access_point_takes_the_place_of_the_process() -> None:
    found = actor(data_pod(fsGroup=2000), THROUGH.object)
    assert found.credentials == Credentials(2000, 3000, frozenset({4000}))
    assert found.process == Credentials(1000, 1000, frozenset({2000}))
    assert found.said_by == f"access point {AP}"


def test_the_user_of_an_access_point_is_known_although_that_of_the_process_is_not() -> None:
    found = actor(data_pod(image="example.com/own/thing:1", user=None), THROUGH.object)
    assert (found.credentials.uid, found.process) == (2000, None)


def test_an_access_point_without_a_user_leaves_the_process_as_it_is() -> None:
    found = actor(data_pod(), THROUGH.object, access_points={AP: access_point(user=None)})
    assert found.credentials == Credentials(1000, 1000)


def test_nobody_knows_who_comes_through_an_access_point_that_is_refused() -> None:
    given = about(data_pod(), THROUGH.object, file_system_ids=(FS,))
    del given["access_points"]
    missing = made("actor", World({}, "efs:DescribeAccessPoints"), **given)
    assert isinstance(missing, Missing)
    assert (missing.absent, missing.grant) == (False, "allow elasticfilesystem:DescribeAccessPoints")


def test_refused_access_points_do_not_matter_to_a_volume_that_goes_through_none() -> None:
    given = about(data_pod(), file_system_ids=(FS,))
    del given["access_points"]
    assert value(made("actor", World({}, "efs:DescribeAccessPoints"), **given)).credentials.uid == 1000


NFS_SERVER = {"metadata": {"name": "pv-1"}, "spec": {"nfs": {"server": "10.0.0.9", "path": "/exports"}}}
DISK = raw_volume("pv-1", csi={"driver": "ebs.csi.aws.com"})


@pytest.mark.parametrize(
    ("on", "dropped", "capable"),
    [
        (None, True, True),
        (NFS_SERVER, True, True),
        (DISK, True, False),
        (DISK, False, True),
    ],
    ids=["EFS", "an NFS server", "a disk", "a disk, with the capability"],
)
def test_only_a_disk_asks_for_the_capability_of_root(on: Any, dropped: bool, capable: bool) -> None:
    own = {"capabilities": {"drop": ["ALL"]}} if dropped else {}
    assert actor(data_pod(user=0, own=own), on).capable is capable


@pytest.mark.parametrize("handle", [FS, f"{FS}::{AP}"])
def test_the_access_point_of_the_handle_is_told_by_id_and_as_it_is(handle: str) -> None:
    given = about(data_pod(), volume(handle).object)
    if AP in handle:
        assert value(made("through_access_point", World(), **given)) == AP
        assert value(made("access_point", World(), **given))["AccessPointId"] == AP
    else:
        assert absent(made("through_access_point", World(), **given))
        assert absent(made("access_point", World(), **given))


# What EFS allows.


def rights(written: str | None, on: Any = None, **others: Any) -> Evidence | Missing:
    given = about(data_pod(), on, file_system_policies={FS: written}, file_systems={FS: file_system()})
    return made("client_rights", World(), **{**given, "node_role": None, **others})


def allowed(evidence: Evidence | Missing) -> list[bool]:
    """ClientMount, ClientWrite, ClientRootAccess."""
    return [value(evidence)[action].allowed for action in CLIENT]


def test_without_a_policy_everybody_may_do_everything() -> None:
    assert allowed(rights(None)) == [True, True, True]


def test_a_policy_may_allow_mounting_alone() -> None:
    assert allowed(rights(file_system_policy(statement("Allow", CLIENT[0])))) == [True, False, False]


def test_the_role_counts_for_a_mount_that_signs_in_only() -> None:
    nobody = file_system_policy(statement("Allow", CLIENT[0]))
    writer = role({"Statement": [statement("Allow", *CLIENT)]})
    assert allowed(rights(nobody, node_role=writer)) == [True, False, False]
    assert allowed(rights(nobody, volume(options=("iam",)).object, node_role=writer)) == [True, True, True]


def test_a_policy_for_an_access_point_counts_for_the_volume_that_names_it() -> None:
    condition = {"StringEquals": {"elasticfilesystem:AccessPointArn": AP_ARN}}
    written = file_system_policy(statement("Allow", *CLIENT, Condition=condition))
    assert allowed(rights(written, THROUGH.object)) == [True, True, True]
    assert allowed(rights(written)) == [False, False, False]


def test_the_rights_on_a_file_system_that_is_not_here_are_absent() -> None:
    assert absent(rights(None, file_systems={FS: None}))


@pytest.mark.parametrize(
    ("operation", "grant"),
    [
        ("efs:DescribeFileSystemPolicy", "allow elasticfilesystem:DescribeFileSystemPolicy"),
        ("iam:GetRole", "allow iam:GetRole"),
    ],
)
def test_the_rights_are_unreadable_where_a_policy_is_refused(operation: str, grant: str) -> None:
    given = about(data_pod(), volume(options=("iam",)).object, file_systems={FS: file_system()})
    given |= {"file_system_ids": (FS,), "node_role_name": "nodes"}
    roles = dict.fromkeys(("iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"))
    answers = {"efs:DescribeFileSystemPolicy": None, **roles}
    missing = made("client_rights", World(answers, operation), **given)
    assert isinstance(missing, Missing)
    assert (missing.absent, missing.grant) == (False, grant)


def test_a_role_that_is_refused_does_not_matter_to_an_anonymous_mount() -> None:
    given = about(data_pod(), file_systems={FS: file_system()}, file_system_policies={FS: None})
    evidence = made("client_rights", World({}, "iam:GetRole"), node_role_name="nodes", **given)
    assert allowed(evidence) == [True, True, True]


def test_a_policy_that_cannot_be_parsed_leaves_the_rights_unknown() -> None:
    missing = rights("{}{")
    assert isinstance(missing, Missing)
    assert not missing.absent


# How far the process comes.


def access(seen: Any, pod: dict[str, Any] | None = None, **others: Any) -> Any:
    given = about(pod or data_pod(), volume_listing=seen, file_systems={FS: file_system()})
    given |= {"file_system_policies": {FS: None}, "node_role": None, **others}
    return value(made("data_access", World(), **given))


def test_the_walk_stops_at_the_first_directory_that_refuses() -> None:
    closed = listing(("/", 0, 0, "0700"), ("/server", 1000, 1000, "0755"))
    assert access(closed).access.stops_at == "/"
    with_sub_path = data_pod(args=("--storage.tsdb.path=/prometheus",), mount={"subPath": "server"})
    assert access(closed, with_sub_path).access.allowed is True


def test_what_the_process_may_not_use_inside_is_told() -> None:
    seen = listing(
        ("/", 0, 0, "0755"), ("/server", 1000, 1000, "0755"), files=(("/server/queries.active", 0, 0, "0644"),)
    )
    assert [entry.path for entry in access(seen).files] == ["/server/queries.active"]


def test_root_is_squashed_where_the_policy_withholds_root_access_and_nobody_else_is() -> None:
    seen = listing(("/", 0, 0, "0755"), ("/server", 0, 0, "0755"))
    no_root = {FS: file_system_policy(statement("Allow", *CLIENT[:2]))}
    assert access(seen, data_pod(user=0), file_system_policies=no_root).squashed
    assert access(seen, data_pod(user=0), file_system_policies=no_root).access.allowed is False
    assert access(seen, data_pod(user=0)).access.allowed is True
    assert not access(seen, data_pod(), file_system_policies=no_root).squashed


def test_without_a_listing_or_an_actor_nobody_knows_and_the_reason_is_kept() -> None:
    assert access(None).access is None
    assert access(None).why == "nobody has looked inside the volume"
    unknown_user = data_pod(image="example.com/own/thing:1", user=None)
    seen = access(listing(("/", 0, 0, "0755")), unknown_user)
    assert (seen.access, seen.grant) == (None, "state runAsUser in the pod")


def test_a_refused_listing_keeps_how_to_grant_it() -> None:
    given = about(data_pod(), file_systems={FS: file_system()}, file_system_policies={FS: None}, node_role=None)
    found = value(made("data_access", World({}, "volume:entries"), **given))
    assert (found.access, found.grant) == (None, "allow a consented probe of the volume's directories")
