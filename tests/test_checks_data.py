"""The checks of area data: the data directory is on the volume, and whom the file system sees may write it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from values import SINCE, attempt, claim, container, heard, node, said
from values import volume as raw_volume
from values_aws import (
    AP,
    CLIENT,
    FS,
    World,
    access_point,
    container_of,
    data_pod,
    file_system,
    file_system_policy,
    judged,
    listing,
    modes_of,
    printed,
    role,
    statement,
    unread,
    volume,
)

from efsdiag.checks import storage
from efsdiag.model import State, Verdict

ENDED = attempt("running", running=False)
THROUGH = volume(f"{FS}::{AP}").object
PLAIN = volume().object
LEAF_LINE = (
    'level=error component=activeQueryTracker msg="Error opening query log file" '
    'file=/prometheus/server/queries.active err="open /prometheus/server/queries.active: permission denied"'
)
FAILED_TO_CREATE = (
    'level=error component=activeQueryTracker msg="Failed to create directory for logging active queries"\n'
)
PARENT_LOG = FAILED_TO_CREATE + LEAF_LINE
MISSING_LOG = FAILED_TO_CREATE + LEAF_LINE.replace("permission denied", "no such file or directory")
MKDIR_LOG = 'level=error err="create active query log directory: mkdir /prometheus/server: permission denied"'
FILE_LOG = LEAF_LINE.replace("Error opening", "Failed to open")
READ_ONLY_LOG = LEAF_LINE.replace("permission denied", "read-only file system")
FILES = ("permission.existing-file-owner", True)
STARTED = 'level=info msg="Starting TSDB ..."\nlevel=info msg="TSDB started"'
WELL = (("/", 0, 0, "0755"), ("/server", 1000, 1000, "0755"))
ROOTS_LEAF = (("/", 0, 0, "0755"), ("/server", 0, 0, "0755"))
CLOSED_PARENT = (("/", 0, 0, "0700"), ("/server", 1000, 1000, "0755"))


def look(check: str, *, log: str = "", on: Any = PLAIN, seen: Any = None, **changed: Any) -> Verdict:
    """The verdict for a process that ended, with what it printed, on a volume that `seen` lists (None: nobody did)."""
    world = World(changed.pop("answers", {}), *changed.pop("refused", ()))
    given = {
        **ended(changed.pop("pod", data_pod()), on),
        "volume_listing": listing(*seen) if isinstance(seen, tuple) else seen,
        "heard": printed(log) if log else heard(),
        "container_log": log,
        "now": datetime(2026, 11, 21, 8, 0, tzinfo=UTC),
        "csi_driver": {"metadata": {"name": "efs.csi.aws.com"}, "spec": {}},
        **changed,
    }
    return judged(check, world, **{name: value for name, value in given.items() if value is not ...})


def ended(pod: Any, on: Any) -> dict[str, Any]:
    """What is read about a pod whose process ended, with its data on the volume; of what is said and seen, nothing."""
    return {
        "pod": pod,
        "main_container": container_of(pod),
        "attempt": ENDED,
        "claims": (claim(bound_to="pv-1"),),
        "volumes": {"pv-1": on},
        "access_points": {AP: access_point()},
        "file_system_ids": (FS,),
        "file_systems": {FS: file_system()},
        "file_system_policies": {FS: None},
        "node_role": None,
        "node": node(),
    }


# Where the data directory is.


def test_a_data_directory_below_the_claims_mount_passes() -> None:
    assert look("data-path-on-volume").state is State.PASS


@pytest.mark.parametrize(
    ("args", "mount"),
    [
        (("--storage.tsdb.path=/data",), {}),
        (("--storage.tsdb.path=/prometheus-old",), {}),
        (("--storage.tsdb.path=data/",), {"mountPath": "/data"}),
    ],
    ids=["elsewhere", "beside the mount", "relative to the working directory"],
)
def test_a_data_directory_elsewhere_fails(args: tuple[str, ...], mount: dict[str, str]) -> None:
    verdict = look("data-path-on-volume", pod=data_pod(args=args, mount=mount))
    assert modes_of(verdict) == [("prometheus.tsdb-path-off-volume", True)]


def test_a_pod_without_a_claim_keeps_its_data_where_it_likes() -> None:
    elsewhere = data_pod(args=("--storage.tsdb.path=/data",))
    assert look("data-path-on-volume", pod=elsewhere, claims=()).state is State.SKIP


# What a listing proves.


def test_a_directory_of_ones_own_below_open_parents_passes() -> None:
    assert look("parents-searchable", seen=WELL).state is State.PASS
    assert look("data-owned", seen=WELL).state is State.PASS


def test_a_parent_that_may_not_be_searched_is_the_cause_whoever_owns_the_directory() -> None:
    verdict = look("parents-searchable", seen=CLOSED_PARENT)
    assert modes_of(verdict) == [("permission.parent-not-searchable", True)]
    assert "/ (owner 0:0, mode 0700)" in verdict.says
    assert look("data-owned", seen=CLOSED_PARENT).state is State.WAITING


def test_a_directory_of_root_is_the_cause() -> None:
    verdict = look("data-owned", seen=ROOTS_LEAF)
    assert modes_of(verdict) == [("permission.data-dir-not-writable", True)]
    assert "/server (owner 0:0, mode 0755)" in verdict.says
    assert look("parents-searchable", seen=ROOTS_LEAF).state is State.PASS


def test_a_fresh_file_system_is_the_cause_where_the_data_directory_is_its_root() -> None:
    top = data_pod(args=("--storage.tsdb.path=/prometheus",))
    assert modes_of(look("data-owned", pod=top, seen=(("/", 0, 0, "0755"),))) == [
        ("permission.data-dir-not-writable", True)
    ]


def test_a_group_of_the_process_is_enough() -> None:
    for_group = (("/", 0, 0, "0755"), ("/server", 0, 2000, "2775"))
    assert look("data-owned", pod=data_pod(fsGroup=2000), seen=for_group).state is State.PASS
    assert look("data-owned", seen=for_group).state is State.FAIL


def test_with_a_sub_path_the_process_never_passes_the_parents() -> None:
    pod = data_pod(args=("--storage.tsdb.path=/prometheus",), mount={"subPath": "server"})
    assert look("parents-searchable", pod=pod, seen=CLOSED_PARENT).state is State.PASS
    assert look("data-owned", pod=pod, seen=CLOSED_PARENT).state is State.PASS


@pytest.mark.parametrize("name", ["queries.active", "lock"])
def test_a_file_of_another_user_in_a_good_directory_is_the_cause(name: str) -> None:
    seen = listing(*WELL, files=((f"/server/{name}", 0, 0, "0644"),))
    verdict = look("data-owned", seen=seen)
    assert modes_of(verdict) == [("permission.existing-file-owner", True)]
    assert f"/server/{name}" in verdict.says


def test_a_write_ahead_log_of_another_user_is_the_cause() -> None:
    seen = (*WELL, ("/server/wal", 0, 0, "0700"))
    assert modes_of(look("data-owned", seen=seen)) == [("permission.existing-file-owner", True)]


def test_files_of_another_user_elsewhere_are_not() -> None:
    others = (
        ("/server/notes.txt", 0, 0, "0600"),
        ("/grafana/lock", 472, 472, "0600"),
        ("/server/old/lock", 0, 0, "0600"),
    )
    assert look("data-owned", seen=listing(*WELL, files=others)).state is State.PASS


def test_root_passes_over_owners_on_efs_even_without_the_capability() -> None:
    for own in ({}, {"capabilities": {"drop": ["ALL"]}}):
        assert look("data-owned", pod=data_pod(user=0, own=own), seen=CLOSED_PARENT).state is State.PASS


def test_root_without_the_capability_is_held_up_on_a_local_disk() -> None:
    disk = raw_volume("pv-1", csi={"driver": "ebs.csi.aws.com"})
    seen = (("/", 1000, 1000, "0755"), ("/server", 1000, 1000, "0755"))
    dropped = data_pod(user=0, own={"capabilities": {"drop": ["ALL"]}})
    assert modes_of(look("data-owned", pod=dropped, on=disk, seen=seen)) == [("permission.data-dir-not-writable", True)]
    assert look("data-owned", pod=data_pod(user=0), on=disk, seen=seen).state is State.PASS


NO_ROOT = file_system_policy(statement("Allow", *CLIENT[:2]))


def test_root_is_nobody_where_the_policy_withholds_root_access() -> None:
    root = data_pod(user=0)
    verdict = look("data-owned", pod=root, seen=ROOTS_LEAF, file_system_policies={FS: NO_ROOT})
    assert modes_of(verdict) == [("permission.root-squash", True)]
    assert look("data-owned", pod=root, seen=ROOTS_LEAF).state is State.PASS


def test_root_squash_does_not_touch_other_users() -> None:
    assert look("data-owned", seen=WELL, file_system_policies={FS: NO_ROOT}).state is State.PASS


def test_the_user_of_the_access_point_counts_not_that_of_the_process() -> None:
    verdict = look("data-owned", on=THROUGH, seen=WELL, access_points={AP: access_point(user=(2000, 2000))})
    assert modes_of(verdict) == [("permission.access-point-uid-mismatch", True)]
    assert str(verdict.findings[0].object) == f"AccessPoint/{AP}"
    other_process = data_pod(user=65534)
    assert look("data-owned", on=THROUGH, pod=other_process, seen=WELL).state is State.PASS


def test_creation_info_changes_nothing_about_a_directory_that_exists() -> None:
    """access_point() has CreationInfo for 1000:1000; the directory was there before, and is root's."""
    point = access_point(path="/prometheus", user=(1000, 1000))
    verdict = look("data-owned", on=THROUGH, seen=ROOTS_LEAF, access_points={AP: point})
    assert modes_of(verdict) == [("permission.access-point-uid-mismatch", True)]


def test_an_access_point_without_a_user_leaves_the_process_as_it_is() -> None:
    verdict = look("data-owned", on=THROUGH, seen=ROOTS_LEAF, access_points={AP: access_point(user=None)})
    assert modes_of(verdict) == [("permission.data-dir-not-writable", True)]


# What the log says where nobody looked inside.


@pytest.mark.parametrize(
    ("log", "check", "mode"),
    [
        (PARENT_LOG, "parents-searchable", "permission.parent-not-searchable"),
        (LEAF_LINE, "data-owned", "permission.data-dir-not-writable"),
        (MISSING_LOG, "data-owned", "permission.data-dir-not-writable"),
        (MKDIR_LOG, "data-owned", "permission.data-dir-not-writable"),
        (FILE_LOG, "data-owned", "permission.existing-file-owner"),
    ],
    ids=["parent", "directory", "missing", "missing in 3.14", "file"],
)
def test_without_a_listing_the_log_makes_it_likely(log: str, check: str, mode: str) -> None:
    assert modes_of(look(check, log=log)) == [(mode, False)]


@pytest.mark.parametrize("log", [LEAF_LINE, MISSING_LOG, FILE_LOG], ids=["directory", "missing", "file"])
def test_without_a_listing_the_log_clears_the_parents(log: str) -> None:
    assert look("parents-searchable", log=log).state is State.PASS


def test_without_a_listing_the_log_clears_the_directory_where_a_parent_is_named() -> None:
    assert look("data-owned", log=PARENT_LOG).state is State.PASS


def test_a_failed_mkdir_leaves_the_parents_open_because_both_would_print_it() -> None:
    assert look("parents-searchable", log=MKDIR_LOG).state is State.UNKNOWN


def test_through_an_access_point_the_same_line_points_to_its_user() -> None:
    verdict = look("data-owned", on=THROUGH, log=LEAF_LINE)
    assert modes_of(verdict) == [("permission.access-point-uid-mismatch", False)]


@pytest.mark.parametrize("check", ["parents-searchable", "data-owned"])
def test_a_log_that_names_no_refused_path_clears_the_directory(check: str) -> None:
    assert look(check, log=STARTED).state is State.PASS


@pytest.mark.parametrize("check", ["parents-searchable", "data-owned"])
def test_nobody_knows_where_listing_and_log_are_refused(check: str) -> None:
    deaf = heard(unread={"log": unread("kube:log pods")})
    verdict = look(check, seen=..., refused=["volume:entries"], heard=deaf)
    assert verdict.state is State.UNKNOWN
    assert verdict.grant == "allow a consented probe of the volume's directories"


@pytest.mark.parametrize("check", ["parents-searchable", "data-owned"])
def test_nobody_knows_who_comes_where_the_access_points_are_refused(check: str) -> None:
    given = {"on": THROUGH, "seen": WELL, "access_points": ..., "refused": ["efs:DescribeAccessPoints"]}
    verdict = look(check, **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeAccessPoints")


def test_nobody_knows_as_whom_an_unknown_image_runs() -> None:
    verdict = look("data-owned", pod=data_pod(image="example.com/own/thing:1", user=None), seen=WELL)
    assert verdict.state is State.UNKNOWN
    assert "runAsUser" in verdict.grant


@pytest.mark.parametrize("check", ["parents-searchable", "data-owned"])
def test_the_directory_waits_for_its_volume_and_the_log_for_the_process(check: str) -> None:
    assert look(check, volumes={}, seen=...).state is State.WAITING
    assert look(check, attempt=attempt("created")).state is State.WAITING
    assert look(check, pod=data_pod(args=("--storage.tsdb.path=/data",))).state is State.WAITING


@pytest.mark.parametrize("seen", [None, WELL], ids=["unlisted", "listed"])
def test_the_log_blames_nobody_where_the_access_point_that_says_who_comes_is_refused(seen: Any) -> None:
    given = {"on": THROUGH, "seen": seen, "access_points": ..., "refused": ["efs:DescribeAccessPoints"]}
    verdict = look("data-owned", log=LEAF_LINE, **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeAccessPoints")


@pytest.mark.parametrize(("named", "modes"), [("00000012", [FILES]), ("00000013", [])])
def test_a_file_of_another_user_further_below_is_the_cause_where_the_program_names_it(
    named: str, modes: list[tuple[str, bool]]
) -> None:
    wal = (*WELL, ("/server/wal", 1000, 1000, "0755"))
    seen = listing(*wal, files=(("/server/wal/00000012", 0, 0, "0640"),))
    log = f'level=error err="opening storage failed: open /prometheus/server/wal/{named}: permission denied"'
    assert modes_of(look("data-owned", seen=seen, log=log)) == modes


def test_owners_are_not_judged_before_the_kubelet_has_given_the_files_to_the_group() -> None:
    scheduled = attempt("scheduled")
    on = volume(csi={"fsType": "efs"}, accessModes=["ReadWriteOnce"]).object
    for check, seen in (("data-owned", ROOTS_LEAF), ("parents-searchable", CLOSED_PARENT)):
        given = {"pod": data_pod(fsGroup=2000), "seen": seen, "attempt": scheduled}
        assert look(check, on=on, **given).state is State.WAITING
        assert look(check, **given).state is State.FAIL


# A directory that is not in the listing.


def test_a_missing_directory_that_may_not_be_made_is_proven_by_listing_and_log_together() -> None:
    for log in (MISSING_LOG, MKDIR_LOG):
        verdict = look("data-owned", seen=(("/", 0, 0, "0755"),), log=log)
        assert modes_of(verdict) == [("permission.data-dir-not-writable", True)]
        assert "/server" in verdict.says
        assert look("parents-searchable", seen=(("/", 0, 0, "0755"),), log=log).state is State.PASS


def test_a_directory_that_is_not_listed_is_not_taken_for_missing() -> None:
    assert modes_of(look("data-owned", seen=(("/", 0, 0, "0755"),), log=LEAF_LINE)) == [
        ("permission.data-dir-not-writable", False)
    ]
    assert look("data-owned", seen=(("/", 0, 0, "0755"),), log=STARTED).state is State.PASS


# fsGroup.


def group_of(seen: Any, *, policy: str = "", refused: Any = (), **spec: Any) -> Verdict:
    driver = {"metadata": {"name": "efs.csi.aws.com"}, "spec": {"fsGroupPolicy": policy} if policy else {}}
    given = {"seen": seen, "csi_driver": driver, "refused": refused}
    return look("fsgroup-applied", pod=data_pod(fsGroup=2000), on=volume(**spec).object, **given)


@pytest.mark.parametrize("policy", ["", "ReadWriteOnceWithFSType", "None"])
def test_fs_group_changes_nothing_on_an_efs_volume_without_a_type(policy: str) -> None:
    verdict = group_of(ROOTS_LEAF, policy=policy)
    assert modes_of(verdict) == [("permission.fsgroup-ineffective", True)]
    assert "2000" in verdict.says


@pytest.mark.parametrize(
    ("policy", "modes"), [("File", "ReadWriteMany"), ("", "ReadWriteOnce"), ("", "ReadWriteOncePod")]
)
def test_fs_group_is_applied_where_driver_or_volume_ask_for_it(policy: str, modes: str) -> None:
    typed = {} if policy else {"fsType": "efs"}
    assert group_of(ROOTS_LEAF, policy=policy, csi=typed, accessModes=[modes]).state is State.PASS


@pytest.mark.parametrize(("policy", "modes"), [("", "ReadWriteMany"), ("None", "ReadWriteOnce")])
def test_a_type_alone_does_not_make_the_kubelet_apply_fs_group(policy: str, modes: str) -> None:
    verdict = group_of(ROOTS_LEAF, policy=policy, csi={"fsType": "efs"}, accessModes=[modes])
    assert modes_of(verdict) == [("permission.fsgroup-ineffective", True)]


def test_fs_group_does_not_matter_where_nothing_depends_on_it() -> None:
    assert look("fsgroup-applied", seen=ROOTS_LEAF).state is State.SKIP
    assert group_of(WELL).state is State.SKIP
    assert group_of((("/", 0, 0, "0755"), ("/server", 0, 2000, "0755"))).state is State.PASS


def test_fs_group_is_unknown_where_the_driver_cannot_be_read_and_waits_for_the_volume() -> None:
    pod = data_pod(fsGroup=2000)
    refused = {"csi_driver": ..., "efs_wanted": True, "refused": ["kube:get csidrivers"]}
    verdict = look("fsgroup-applied", pod=pod, seen=ROOTS_LEAF, **refused)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow get csidrivers")
    assert look("fsgroup-applied", pod=pod, volumes={}, seen=...).state is State.WAITING


def test_fs_group_is_unknown_where_nobody_has_looked_inside_and_the_process_does_not_come_up() -> None:
    assert group_of(..., refused=["volume:entries"]).state is State.UNKNOWN
    assert group_of(..., refused=["volume:entries"], policy="File").state is State.PASS


def test_a_change_of_groups_that_fails_or_lasts_is_told_by_the_event() -> None:
    text = 'MountVolume.SetUp failed for volume "pv-1" : applyFSGroup failed for vol fs-1: permission denied'
    told = heard(said("pod-event", "FailedMount", text))
    assert modes_of(judged("fsgroup-succeeds", heard=told)) == [("permission.fsgroup-apply-failed", True)]
    assert judged("fsgroup-succeeds", heard=heard(said("pod-event", "FailedMount", "another"))).state is State.PASS
    deaf = judged("fsgroup-succeeds", heard=heard(unread={"pod-event": unread("kube:list events")}))
    assert (deaf.state, deaf.grant) == (State.UNKNOWN, "allow list events")
    assert judged("fsgroup-succeeds", heard=heard()).state is State.WAITING


# Changes of owner.

CHOWN = "chown: /prometheus: Operation not permitted"
GRAFANA_CHOWN = "chown: /var/lib/grafana: Operation not permitted"
INIT = container("init-chown-data", {"waiting": {"reason": "CrashLoopBackOff"}}, {"exitCode": 1}, init=True)


def chown(log: str = CHOWN, on: Any = THROUGH, **changed: Any) -> Verdict:
    given = {"main_container": INIT, "data_claim": claim(bound_to="pv-1"), "log": log, "on": on}
    return look("ownership-unchanged", **{**given, **changed})


def test_a_chown_through_an_access_point_with_a_user_is_refused_to_everybody() -> None:
    assert modes_of(chown()) == [("permission.access-point-chown-denied", True)]


def test_grafanas_own_init_container_is_told_as_such() -> None:
    assert modes_of(chown(GRAFANA_CHOWN)) == [("grafana.init-chown-denied", True)]


def test_an_access_point_without_a_user_refuses_no_chown() -> None:
    assert chown(access_points={AP: access_point(user=None)}).state is State.SKIP


def test_a_chown_is_refused_where_root_is_nobody() -> None:
    verdict = chown(on=PLAIN, file_system_policies={FS: NO_ROOT})
    assert modes_of(verdict) == [("permission.root-squash", True)]
    own_server = raw_volume("pv-1", nfs={"server": "10.0.0.9", "path": "/exports"})
    del own_server["spec"]["csi"]
    assert modes_of(chown(on=own_server)) == [("nfs.root-squash", False)]


def test_a_refused_chown_that_the_file_system_does_not_explain_is_not_blamed_on_it() -> None:
    assert chown(on=PLAIN).state is State.SKIP


def test_a_refused_chown_is_unknown_where_the_policy_is_refused() -> None:
    refused = {"file_system_policies": ..., "refused": ["efs:DescribeFileSystemPolicy"]}
    verdict = chown(on=PLAIN, **refused)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeFileSystemPolicy")


def test_no_refused_chown_passes_and_silence_waits() -> None:
    assert chown("level=info msg=started").state is State.PASS
    assert chown("").state is State.WAITING


# Reading only.

READ_ONLY_POLICY = file_system_policy(statement("Allow", CLIENT[0], CLIENT[2]))


def test_a_volume_that_is_mounted_for_writing_passes() -> None:
    assert look("volume-takes-writes").state is State.PASS
    disk = raw_volume("pv-1", csi={"driver": "ebs.csi.aws.com"})
    assert look("volume-takes-writes", on=disk).state is State.PASS


@pytest.mark.parametrize(
    ("pod", "on"),
    [
        (data_pod(mount={"readOnly": True}), PLAIN),
        (data_pod(), volume(csi={"readOnly": True}).object),
        (data_pod(), volume(options=("ro",)).object),
    ],
    ids=["volumeMount", "csi.readOnly", "mountOptions"],
)
def test_a_volume_that_is_mounted_read_only_fails(pod: Any, on: Any) -> None:
    assert modes_of(look("volume-takes-writes", pod=pod, on=on)) == [("mount.read-only", True)]


def test_a_claim_that_the_pod_takes_read_only_fails() -> None:
    pod = data_pod()
    pod["spec"]["volumes"][0]["persistentVolumeClaim"]["readOnly"] = True
    assert modes_of(look("volume-takes-writes", pod=pod)) == [("mount.read-only", True)]


def test_a_policy_that_allows_mounting_and_not_writing_fails_although_the_mount_succeeded() -> None:
    verdict = look("volume-takes-writes", file_system_policies={FS: READ_ONLY_POLICY})
    assert modes_of(verdict) == [("mount.read-only", True)]
    assert FS in verdict.says


def test_a_role_that_may_write_makes_up_for_the_policy_where_the_mount_signs_in() -> None:
    signing = volume(options=("iam",)).object
    given = {"on": signing, "file_system_policies": {FS: READ_ONLY_POLICY}}
    writer = role({"Statement": [statement("Allow", *CLIENT)]})
    assert look("volume-takes-writes", node_role=writer, **given).state is State.PASS
    assert modes_of(look("volume-takes-writes", node_role=role(), **given)) == [("mount.read-only", True)]


def test_whether_the_role_may_write_is_unknown_where_it_is_refused() -> None:
    refused = {"node_role": ..., "node_role_name": "nodes", "refused": ["iam:GetRole"]}
    verdict = look("volume-takes-writes", on=volume(options=("iam",)).object, **refused)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow iam:GetRole")


def test_the_right_to_write_waits_for_the_right_to_mount() -> None:
    other = file_system_policy(statement("Allow", *CLIENT, Principal={"AWS": "arn:aws:iam::111122223333:role/other"}))
    assert look("volume-takes-writes", file_system_policies={FS: other}).state is State.WAITING


def test_the_target_of_a_replication_is_read_only() -> None:
    replica = file_system(FileSystemProtection={"ReplicationOverwriteProtection": "REPLICATING"})
    verdict = look("volume-takes-writes", file_systems={FS: replica})
    assert modes_of(verdict) == [("efs.replica-read-only", True)]


def test_a_refused_policy_leaves_writing_open_until_the_program_speaks() -> None:
    refused = {"file_system_policies": ..., "refused": ["efs:DescribeFileSystemPolicy"]}
    verdict = look("volume-takes-writes", **refused)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeFileSystemPolicy")
    assert modes_of(look("volume-takes-writes", log=READ_ONLY_LOG, **refused)) == [("mount.read-only", False)]


def test_the_access_points_are_not_asked_for_the_right_to_write() -> None:
    refused = {"access_points": ..., "refused": ["efs:DescribeAccessPoints"]}
    assert look("volume-takes-writes", on=THROUGH, **refused).state is State.PASS


def test_a_file_system_of_another_account_is_not_taken_for_writable() -> None:
    assert look("volume-takes-writes", file_systems={FS: None}).state is State.WAITING
    verdict = look("volume-takes-writes", file_systems={FS: None}, log=READ_ONLY_LOG)
    assert modes_of(verdict) == [("mount.read-only", False)]


def test_another_kind_of_volume_is_read_only_where_the_program_says_so() -> None:
    disk = raw_volume("pv-1", csi={"driver": "ebs.csi.aws.com"})
    assert modes_of(look("volume-takes-writes", on=disk, log=READ_ONLY_LOG)) == [("mount.read-only", False)]


def test_writing_waits_for_the_volume() -> None:
    assert look("volume-takes-writes", volumes={}).state is State.WAITING


# SELinux.


def labels(system: str, log: str = LEAF_LINE, seen: Any = WELL) -> Verdict:
    worker = node()
    worker["status"]["nodeInfo"] = {"osImage": system}
    return look("labels-allow-nfs", node=worker, log=log, seen=seen)


@pytest.mark.parametrize("system", ["Red Hat Enterprise Linux 9.4", "Rocky Linux 9", "Talos (v1.7)"])
def test_a_refusal_against_owners_and_modes_is_likely_selinux_on_a_system_that_has_it(system: str) -> None:
    assert modes_of(labels(system)) == [("node.selinux-denies-nfs", False)]


def test_a_refusal_against_owners_and_modes_is_unexplained_on_other_systems() -> None:
    verdict = labels("Ubuntu 22.04.4 LTS")
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "look for AVC denials on the node")


def test_selinux_is_not_suspected_where_owners_and_modes_explain_it_or_nothing_is_refused() -> None:
    assert labels("Rocky Linux 9", seen=ROOTS_LEAF).state is State.SKIP
    assert labels("Rocky Linux 9", seen=None).state is State.SKIP
    assert labels("Rocky Linux 9", log=STARTED).state is State.PASS
    queries = listing(*WELL, files=(("/server/queries.active", 0, 0, "0600"),))
    assert labels("Rocky Linux 9", seen=queries).state is State.PASS


def test_selinux_is_unknown_where_the_node_is_refused() -> None:
    verdict = look("labels-allow-nfs", node=..., log=LEAF_LINE, seen=WELL, refused=["kube:get nodes"])
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow get nodes")


# The milestones.


@pytest.mark.parametrize("log", [LEAF_LINE, PARENT_LOG, READ_ONLY_LOG, MISSING_LOG, MKDIR_LOG])
def test_a_refusal_in_the_log_fails_the_milestone_without_naming_a_cause(log: str) -> None:
    assert modes_of(look("data-directory-writable", log=log)) == [("", True)]


def test_a_refusal_by_the_kubernetes_api_is_none_by_the_file_system() -> None:
    log = 'level=error msg="nodes is forbidden: User \\"system:serviceaccount:m:p\\" cannot list: permission denied"'
    assert look("data-directory-writable", log=log).state is State.WAITING


@pytest.mark.parametrize("milestone", ["data-directory-writable", "storage-open"])
def test_a_milestone_is_unknown_where_the_log_is_refused(milestone: str) -> None:
    ended = data_pod()
    main = container_of(ended, containerID="x", restartCount=3)
    verdict = look(milestone, container_log=..., main_container=main, refused=["kube:log pods"])
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow get pods/log")


@pytest.mark.parametrize("milestone", ["data-directory-writable", "storage-open"])
def test_a_milestone_passes_for_a_ready_pod_and_after_the_start_of_the_storage(milestone: str) -> None:
    assert look(milestone, attempt=attempt("ready")).state is State.PASS
    assert look(milestone, log=STARTED).state is State.PASS


@pytest.mark.parametrize("milestone", ["data-directory-writable", "storage-open"])
def test_a_milestone_waits_for_the_process_and_for_its_words(milestone: str) -> None:
    assert look(milestone, attempt=attempt("created")).state is State.WAITING
    assert look(milestone, log='level=info msg="Starting Prometheus Server"').state is State.WAITING


@pytest.mark.parametrize("milestone", [storage.data_directory_writable, storage.storage_open])
def test_a_milestone_does_not_apply_to_a_program_without_a_data_directory(milestone: Any) -> None:
    assert milestone(ENDED, container(), None, "").state is State.SKIP


def test_a_process_that_memory_ended_had_opened_its_files() -> None:
    killed = container_of(data_pod(), lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}})
    assert look("data-directory-writable", main_container=killed).state is State.PASS
    assert look("storage-answers", main_container=killed).state is State.PASS


def test_a_process_that_ends_by_itself_is_not_kept_by_a_hanging_mount() -> None:
    ended = container_of(data_pod(), lastState={"terminated": {"exitCode": 2}})
    assert look("storage-answers", main_container=ended).state is State.PASS


def test_a_running_process_that_is_not_ready_may_hang() -> None:
    running = container_of(data_pod(), state={"running": {"startedAt": SINCE}})
    assert look("storage-answers", attempt=attempt("running"), main_container=running).state is State.WAITING
    killed = container_of(data_pod(), lastState={"terminated": {"exitCode": 137, "reason": "Error"}})
    assert look("storage-answers", main_container=killed).state is State.WAITING


def test_reads_and_writes_do_not_matter_before_the_mount() -> None:
    assert look("storage-answers", attempt=attempt("scheduled")).state is State.SKIP
    assert look("storage-answers", attempt=attempt("ready")).state is State.PASS
