"""How far a pod has come: young or not, mounted, pulled, created, ran, from what the kubelet reports."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from efsdiag.semantics.attempt import MOUNT_GRACE, MOUNT_OVERDUE, READY_GRACE, Attempt, attempt_of, parse_time
from efsdiag.semantics.statuses import Container, is_stuck, next_start, state_of

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def condition(type_: str, status: str = "True", since: float = 600) -> dict[str, str]:
    return {"type": type_, "status": status, "lastTransitionTime": ago(since)}


def waiting_for(reason: str, **more: Any) -> dict[str, Any]:
    return {"name": "main", "state": {"waiting": {"reason": reason}}, **more}


def running(since: float = 600, **more: Any) -> dict[str, Any]:
    return {"name": "main", "state": {"running": {"startedAt": ago(since)}}, "containerID": "containerd://1", **more}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


def attempt(
    main: dict[str, Any] | None = None,
    *conditions: dict[str, str],
    init: dict[str, Any] | None = None,
    node: str = "worker1",
    phase: str = "Pending",
    created: float = 600,
) -> Attempt:
    """The attempt of a pod with one container, and one init container where `init` is its status."""
    spec = {"nodeName": node} if node else {}
    pod = {
        "metadata": {"name": "p", "creationTimestamp": ago(created)},
        "spec": spec,
        "status": {"phase": phase, "conditions": list(conditions)},
    }
    pod["status"] |= {"containerStatuses": [main] if main else [], "initContainerStatuses": [init] if init else []}
    main = main or {}
    statuses = [(init, True)] if init else []
    return attempt_of(pod, [*statuses, (main, False)], main, NOW)


# --- mounted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "init", "sandbox", "mounted"),
    [
        (waiting_for("ContainerCreating"), None, None, False),
        (waiting_for("ContainerCreating"), None, "False", False),
        (waiting_for("ContainerCreating"), None, "True", True),
        ({}, None, None, False),
        (waiting_for("PodInitializing"), waiting_for("PodInitializing"), None, False),
        (waiting_for("PodInitializing"), running(), None, True),
        (waiting_for("PodInitializing"), {"state": ended(0, "Completed")}, None, True),
        (waiting_for("PodInitializing"), waiting_for("CrashLoopBackOff", lastState=ended(1)), None, True),
        (waiting_for("PodInitializing"), waiting_for("ImagePullBackOff"), None, True),
        (waiting_for("ImagePullBackOff"), None, None, True),
        (waiting_for("ErrImagePull"), None, None, True),
        (waiting_for("CreateContainerConfigError"), None, None, True),
        (waiting_for("CrashLoopBackOff"), None, None, True),
        (running(), None, None, True),
        (running(), None, "False", True),
    ],
)
def test_volumes_are_mounted_once_a_sandbox_a_pull_or_a_container_shows_it(
    main: dict[str, Any], init: dict[str, Any] | None, sandbox: str | None, mounted: bool
) -> None:
    conditions = [condition("PodReadyToStartContainers", sandbox)] if sandbox else []
    assert attempt(main, *conditions, init=init).mounted is mounted


def test_a_pod_without_a_node_has_nothing_mounted() -> None:
    found = attempt({}, node="")
    assert (found.scheduled, found.mounted, found.mount_overdue) == (False, False, False)


# --- pulled, created, ran, running, ready ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "pulled", "created", "ran", "is_running"),
    [
        (waiting_for("ContainerCreating"), False, False, False, False),
        (waiting_for("ImagePullBackOff"), False, False, False, False),
        (waiting_for("CreateContainerConfigError"), True, False, False, False),
        (waiting_for("CreateContainerError"), True, False, False, False),
        (running(), True, True, True, True),
        (waiting_for("CrashLoopBackOff", lastState=ended(2)), True, True, True, False),
        ({"state": ended(1)}, True, True, True, False),
        ({"state": ended(0, "Completed")}, True, True, True, False),
        (waiting_for("RunContainerError", containerID="containerd://1"), True, True, False, False),
        (waiting_for("RunContainerError", lastState=ended(128, "StartError")), True, True, False, False),
        (waiting_for("CrashLoopBackOff", lastState=ended(128, "StartError")), True, True, False, False),
        ({"state": ended(127, "ContainerCannotRun")}, True, True, False, False),
        ({"state": ended(128, "StartError"), "lastState": ended(2)}, True, True, True, False),
        (waiting_for("CrashLoopBackOff", lastState=ended(137, "OOMKilled")), True, True, True, False),
    ],
)
def test_a_container_comes_from_pulled_to_running_step_by_step(
    main: dict[str, Any], pulled: bool, created: bool, ran: bool, is_running: bool
) -> None:
    found = attempt(main)
    assert (found.pulled, found.created, found.ran, found.running) == (pulled, created, ran, is_running)


def test_an_init_container_that_ran_does_not_make_the_main_container_one_that_ran() -> None:
    found = attempt(waiting_for("PodInitializing"), init=waiting_for("CrashLoopBackOff", lastState=ended(1)))
    assert (found.mounted, found.created, found.ran) == (True, False, False)


@pytest.mark.parametrize("status", ["True", "False"])
def test_a_pod_is_ready_where_its_condition_says_so(status: str) -> None:
    assert attempt(running(), condition("Ready", status)).ready is (status == "True")


@pytest.mark.parametrize(("phase", "finished"), [("Succeeded", True), ("Failed", False), ("Running", False)])
def test_a_pod_has_finished_where_it_succeeded(phase: str, finished: bool) -> None:
    assert attempt({"state": ended(0, "Completed")}, phase=phase).finished is finished


# --- young, overdue ----------------------------------------------------------------------------------------------

MOUNT_S, READY_S = MOUNT_GRACE.total_seconds(), READY_GRACE.total_seconds()
CREATING = waiting_for("ContainerCreating")


@pytest.mark.parametrize(
    ("main", "conditions", "young"),
    [
        (CREATING, [condition("PodScheduled", since=MOUNT_S - 1)], True),
        (CREATING, [condition("PodScheduled", since=MOUNT_S)], False),
        (CREATING, [condition("PodReadyToStartContainers", since=MOUNT_S - 1), condition("PodScheduled")], True),
        (CREATING, [condition("PodReadyToStartContainers", since=MOUNT_S), condition("PodScheduled")], False),
        (running(READY_S - 1), [condition("PodScheduled")], True),
        (running(READY_S), [condition("PodScheduled")], False),
        (running(5), [condition("Ready")], False),
        (running(5, restartCount=1), [condition("PodScheduled")], False),
        (waiting_for("CrashLoopBackOff", lastState=ended(2)), [condition("PodScheduled", since=5)], False),
        ({"state": ended(1)}, [condition("PodScheduled", since=5)], False),
        ({"state": ended(0, "Completed")}, [condition("PodScheduled", since=5)], True),
    ],
)
def test_a_pod_is_young_within_the_grace_of_its_step_and_where_nothing_failed_yet(
    main: dict[str, Any], conditions: list[dict[str, str]], young: bool
) -> None:
    assert attempt(main, *conditions, created=5).young is young


def test_a_failed_init_container_takes_away_the_youth_of_a_pod() -> None:
    waiting = waiting_for("PodInitializing")
    assert attempt(waiting, init=running(5), created=5).young
    assert attempt(waiting, init={"state": ended(0, "Completed")}, created=5).young
    assert not attempt(waiting, init={"state": ended(1)}, created=5).young
    assert not attempt(waiting, init=running(5, restartCount=3), created=5).young


@pytest.mark.parametrize(("created", "young"), [(MOUNT_S - 1, True), (MOUNT_S, False)])
def test_a_pod_without_conditions_is_as_old_as_its_creation(created: float, young: bool) -> None:
    assert attempt({}, node="", created=created).young is young


def test_a_pod_of_unknown_age_is_not_young() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {}, "status": {}}
    found = attempt_of(pod, [], {}, NOW)
    assert (found.young, found.look_again) == (False, "")


def test_a_young_pod_says_when_to_look_again() -> None:
    assert attempt(CREATING, condition("PodScheduled", since=10)).look_again == "2026-11-21T06:30:50Z"
    assert attempt(running(10)).look_again == "2026-11-21T06:31:20Z"


@pytest.mark.parametrize(
    ("main", "since", "overdue"),
    [
        (CREATING, MOUNT_OVERDUE.total_seconds() - 1, False),
        (CREATING, MOUNT_OVERDUE.total_seconds(), True),
        (running(1000), 1000, False),
    ],
)
def test_a_mount_is_overdue_where_the_kubelet_must_have_spoken(
    main: dict[str, Any], since: float, overdue: bool
) -> None:
    assert attempt(main, condition("PodScheduled", since=since), created=since).mount_overdue is overdue


@pytest.fixture
def in_seoul(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Seoul")
        time.tzset()
        yield
    time.tzset()


# --- times -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T06:30:00Z",
        "2026-11-21T06:30:00.000000Z",
        "2026-11-21T06:30:00.000000000Z",
        "2026-11-21T15:30:00+09:00",
        "2026-11-21T06:30:00",
    ],
)
def test_a_time_is_read_in_utc_whatever_the_zone_of_this_machine(text: str, in_seoul: None) -> None:
    assert parse_time(text) == NOW


@pytest.mark.parametrize("text", ["", "None", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+09:00"])
def test_an_odd_time_counts_as_the_beginning_of_time(text: str) -> None:
    assert parse_time(text) == datetime.fromtimestamp(0, UTC)


# --- one container -----------------------------------------------------------------------------------------------


def container(status: dict[str, Any], init: bool = False) -> Container:
    return Container("main", {}, status, init)


def test_a_container_that_nobody_reported_on_was_not_created() -> None:
    seen = container({})
    assert (seen.waiting_reason, seen.waiting_message, seen.running, seen.last_terminated, seen.was_created) == (
        "",
        "",
        None,
        None,
        False,
    )


def test_the_newest_end_of_a_container_is_its_present_one() -> None:
    assert container({"state": ended(1), "lastState": ended(2)}).last_terminated == ended(1)["terminated"]
    assert container({"state": {"running": {}}, "lastState": ended(2)}).last_terminated == ended(2)["terminated"]


@pytest.mark.parametrize(
    ("status", "stuck"),
    [
        (waiting_for("CrashLoopBackOff", lastState=ended(1)), True),
        (running(5, lastState=ended(1)), True),
        ({"state": ended(1)}, True),
        ({"state": ended(0, "Completed"), "ready": True}, False),
        ({"state": ended(0, "Completed"), "lastState": ended(1)}, False),
        (waiting_for("PodInitializing"), False),
        ({}, False),
    ],
)
def test_an_init_container_is_stuck_where_it_failed_and_is_tried_again(status: dict[str, Any], stuck: bool) -> None:
    assert is_stuck(container(status, init=True)) is stuck


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (
            waiting_for("CrashLoopBackOff", restartCount=15, lastState=ended(2)),
            "CrashLoopBackOff, 15 restarts, last exit code 2",
        ),
        (running(5, restartCount=1, lastState=ended(0)), "Running, 1 restart, last exit code 0"),
        (running(), "Running"),
        ({}, "Pending"),
    ],
)
def test_the_state_of_a_pod_reads_as_kubectl_shows_it(status: dict[str, Any], shown: str) -> None:
    assert state_of({"status": {"phase": "Pending"}}, container(status)) == shown


def backing_off(message: str, reason: str = "CrashLoopBackOff") -> dict[str, Any]:
    ended = {"exitCode": 2, "finishedAt": "2026-11-21T06:00:00Z"}
    return {"state": {"waiting": {"reason": reason, "message": message}}, "lastState": {"terminated": ended}}


@pytest.mark.parametrize(
    ("message", "waits", "until"),
    [
        ("back-off 5m0s restarting failed container=prometheus pod=p_n(1)", "5m0s", "06:05:00"),
        ("back-off 1m20s restarting failed container=prometheus pod=p_n(1)", "1m20s", "06:01:20"),
        ("back-off 10s restarting failed container=prometheus pod=p_n(1)", "10s", "06:00:10"),
    ],
)
def test_a_container_that_failed_is_started_again_after_the_back_off(message: str, waits: str, until: str) -> None:
    found = next_start(container(backing_off(message)))
    assert found
    assert (found[0], found[1].strftime("%H:%M:%S")) == (waits, until)


@pytest.mark.parametrize(
    "status",
    [
        backing_off("Back-off pulling image", "ImagePullBackOff"),
        backing_off("something else"),
        {"state": {"running": {"startedAt": "2026-11-21T06:00:00Z"}}},
        {},
    ],
)
def test_when_nobody_says_how_long_the_kubelet_waits_no_time_is_told(status: dict[str, Any]) -> None:
    assert next_start(container(status)) is None
