"""The checks of rules/prometheus.yaml that join what the program says with what the objects show."""

from __future__ import annotations

from typing import Any

import pytest
from values import CLAIM, Object, attempt, container, efs_volume, heard, modes, pod, said, volume

from efsdiag.checks.prometheus import file_system_supported, single_instance, space_left
from efsdiag.model import State, Verdict
from efsdiag.semantics.containers import DataPath

LOCKED = 'err="opening storage failed: lock DB directory: resource temporarily unavailable"'
FULL = 'err="write to WAL: write /data/wal/00000012: no space left on device"'
STALE = 'msg="A lockfile from a previous execution already existed. It was replaced" file=/data/lock'
ON_CLAIM = DataPath("prometheus", "/data", "--storage.tsdb.path", "data", "/data", "", "/", False)
OFF_CLAIM = DataPath("prometheus", "/prometheus", "--storage.tsdb.path", "", "", "", "", False)


def log(text: str) -> Any:
    return heard(said("log", "prometheus", text))


def deployment(strategy: str = "RollingUpdate", replicas: int = 1) -> Object:
    spec = {"replicas": replicas, "strategy": {"type": strategy}}
    return {"kind": "Deployment", "metadata": {"name": "prometheus", "namespace": "monitoring"}, "spec": spec}


def sibling(replica_set: str) -> Object:
    owner = {"kind": "ReplicaSet", "name": replica_set, "controller": True}
    return {"metadata": {"name": f"{replica_set}-abcde", "ownerReferences": [owner]}}


def owned(replica_set: str) -> Object:
    mine = pod()
    mine["metadata"]["ownerReferences"] = sibling(replica_set)["metadata"]["ownerReferences"]
    return mine


def single(text: str = LOCKED, of: Any = None, *siblings: Object) -> Verdict:
    return single_instance(attempt("running"), owned("new"), log(text), of, list(siblings))


def test_single_instance_waits_before_the_process_ran() -> None:
    assert single_instance(attempt("created"), pod(), heard()).state is State.WAITING


def test_single_instance_passes_where_nothing_holds_the_lock() -> None:
    assert single(FULL).state is State.PASS


def test_single_instance_takes_a_stale_lock_file_for_what_it_is() -> None:
    assert single(STALE).state is State.PASS


def test_single_instance_fails_where_an_unknown_instance_holds_the_lock() -> None:
    verdict = single()
    assert modes(verdict) == ["prometheus.lock-held"]
    assert verdict.says.startswith("another instance holds the data directory")


def test_single_instance_fails_with_the_roll_out_that_starts_the_new_pod_first() -> None:
    verdict = single(LOCKED, deployment(), sibling("old"))
    assert modes(verdict) == ["helm.rolling-update-overlap"]
    assert "old-abcde still holds the data directory" in verdict.says


def test_single_instance_fails_with_the_roll_out_of_the_second_replica_set_among_several_replicas() -> None:
    verdict = single(LOCKED, deployment(replicas=2), sibling("new"), sibling("old"))
    assert modes(verdict) == ["helm.rolling-update-overlap"]
    assert "old-abcde" in verdict.says


@pytest.mark.parametrize(
    ("of", "other"),
    [
        (deployment(replicas=2), sibling("new")),
        (deployment("Recreate"), sibling("old")),
        ({"kind": "StatefulSet", "metadata": {"name": "p"}, "spec": {"replicas": 2}}, sibling("new")),
    ],
    ids=["two-replicas", "recreate", "stateful-set"],
)
def test_single_instance_does_not_blame_a_roll_out_that_is_none(of: Object, other: Object) -> None:
    verdict = single(LOCKED, of, other)
    assert modes(verdict) == ["prometheus.lock-held"]
    assert other["metadata"]["name"] in verdict.says


def space(text: str = FULL, where: DataPath | None = ON_CLAIM, on: Object | None = None) -> Verdict:
    return space_left(attempt("running"), log(text), pod(), where, on)


def test_space_left_passes_and_waits() -> None:
    assert space(LOCKED).state is State.PASS
    assert space_left(attempt("created"), heard(), pod()).state is State.WAITING


EBS = volume("vol", csi={"driver": "ebs.csi.aws.com"})
IN_TREE = volume("vol", csi=None, awsElasticBlockStore={"volumeID": "vol-1"})
NFS = volume("vol", csi=None, nfs={"server": "10.0.0.9", "path": "/"})
LOCAL = volume("vol", csi=None, hostPath={"path": "/mnt"})


@pytest.mark.parametrize(
    ("on", "mode", "sure"),
    [
        (EBS, "ebs.volume-full", True),
        (IN_TREE, "ebs.volume-full", True),
        (NFS, "nfs.server-disk-full", True),
        (LOCAL, "prometheus.no-space", True),
        (volume(), "prometheus.no-space", False),
        (None, "prometheus.no-space", False),
    ],
    ids=["ebs", "in-tree-ebs", "nfs", "host-path", "efs-which-grows", "unknown"],
)
def test_space_left_fails_for_the_storage_that_the_data_is_on(on: Object | None, mode: str, sure: bool) -> None:
    verdict = space(on=on)
    assert modes(verdict) == [mode]
    assert verdict.findings[0].sure is sure
    assert "no space left on device" in verdict.says


def test_space_left_says_that_the_data_is_on_no_claim() -> None:
    verdict = space(where=OFF_CLAIM)
    assert modes(verdict) == ["prometheus.no-space"]
    assert verdict.findings[0].sure
    assert verdict.says.startswith("/prometheus is on no claim of the pod")


def test_file_system_supported_fails_for_prometheus_on_efs_only() -> None:
    verdict = file_system_supported(container(), efs_volume())
    assert modes(verdict) == ["prometheus.on-nfs-unsupported"]
    assert str(verdict.findings[0].object) == f"PersistentVolume/{CLAIM}"
    assert file_system_supported(container(image="grafana/grafana:11"), efs_volume()).state is State.SKIP
