"""A mount after it was made: what a log says of it, and what a restart of the node plugin means for it."""

from __future__ import annotations

from typing import Any

import pytest
from values import Object, attempt, container, efs_volume, heard, modes, pod, said

from efsdiag.checks.mount import mount_alive
from efsdiag.checks.region import region_agrees
from efsdiag.model import State, Unread
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EfsVolume

LATE = said("pod-event", "Unhealthy", "Liveness probe failed: context deadline exceeded")
BEFORE, AFTER = "2026-11-21T05:00:00Z", "2026-11-21T07:00:00Z"
UNREADY: Attempt = attempt("running")


def plugin(started: str) -> list[Object]:
    status = {"name": "efs-plugin", "state": {"running": {"startedAt": started}}}
    return [{"metadata": {"name": "efs-csi-node-x"}, "status": {"containerStatuses": [status]}}]


@pytest.mark.parametrize(
    ("message", "mode"),
    [
        (said("node-log", "", "nfs: server 127.0.0.1 not responding, still trying"), "mount.hang-existing"),
        (said("log", "prometheus", "open /prometheus/server/wal: stale NFS file handle"), "mount.stale-handle"),
    ],
)
def test_a_mount_that_nobody_serves_any_more_is_told_by_a_log(message: Any, mode: str) -> None:
    assert modes(mount_alive(UNREADY, container(), heard(message), pod())) == [mode]


def test_a_mount_hangs_likely_where_the_node_plugin_was_restarted_after_it_and_probes_time_out() -> None:
    verdict = mount_alive(UNREADY, container(), heard(LATE), pod(), plugin(AFTER))
    assert modes(verdict) == ["mount.hang-existing"]
    assert not verdict.findings[0].sure


@pytest.mark.parametrize(
    ("messages", "restarted"), [((LATE,), BEFORE), ((), AFTER)], ids=["plugin-older-than-the-pod", "no-probe-timed-out"]
)
def test_half_of_the_signs_of_a_hanging_mount_blame_nothing(messages: tuple[Any, ...], restarted: str) -> None:
    assert mount_alive(UNREADY, container(), heard(*messages), pod(), plugin(restarted)).state is State.WAITING


def test_a_ready_pod_and_one_that_has_not_mounted_have_no_hanging_mount() -> None:
    assert mount_alive(attempt("ready"), container(), heard(), pod()).state is State.PASS
    assert mount_alive(attempt("scheduled"), container(), heard(), pod()).state is State.SKIP


def test_a_log_that_was_refused_leaves_the_mount_unknown() -> None:
    deaf = heard(unread={"log": Unread("refused", "allow get pods/log")})
    verdict = mount_alive(UNREADY, container(), deaf, pod())
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow get pods/log")


def test_a_restarted_node_plugin_and_late_probes_tell_without_the_log() -> None:
    deaf = heard(LATE, unread={"log": Unread("refused", "allow get pods/log")})
    assert modes(mount_alive(UNREADY, container(), deaf, pod(), plugin(AFTER))) == ["mount.hang-existing"]


def node(zone: str) -> Object:
    return {"InstanceId": "i-1", "Placement": {"AvailabilityZone": zone}}


def named(handle: str) -> EfsVolume:
    return efs_volume(handle)


def test_region_agrees_fails_where_the_handle_names_another_region() -> None:
    volume = named("fs-0123456789abcdef0.efs.us-west-2.amazonaws.com")
    verdict = region_agrees((volume,), (), node("us-east-1a"))
    assert modes(verdict) == ["csi.wrong-region"]
    assert region_agrees((volume,), (), node("us-west-2b")).state is State.PASS


def test_region_agrees_is_unknown_where_the_instance_cannot_be_read() -> None:
    volume = named("fs-0123456789abcdef0.efs.us-west-2.amazonaws.com")
    verdict = region_agrees((volume,), (), Unread("refused", "allow ec2:DescribeInstances"))
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow ec2:DescribeInstances")


def test_region_agrees_does_not_apply_where_nobody_names_a_region() -> None:
    assert region_agrees((named("fs-0123456789abcdef0"),), (), node("us-east-1a")).state is State.SKIP
