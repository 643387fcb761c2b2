"""How far a pod has come, read from its status: scheduled, mounted, created, running, ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
CONFIGURING = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
NEVER_EXECUTED = frozenset({"StartError", "ContainerCannotRun"})
"""How containerd, and Docker before it, end a container whose command could not be executed."""
MOUNT_REASONS = frozenset({"FailedMount", "FailedAttachVolume"})
AFTER_MOUNT = frozenset({"FailedCreatePodSandBox", "Pulling", "Pulled", "Created", "Started"})
"""Reasons of the kubelet's events about what it does once all volumes are mounted.

Source:  https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/kubelet.go SyncPod
"""
MOUNT_GRACE = timedelta(seconds=60)
"""A mount that takes less is normal; kubelet's own patience with one is two minutes."""
MOUNT_OVERDUE = timedelta(minutes=3)
"""By now the kubelet must have said that a mount failed."""
READY_GRACE = timedelta(seconds=90)
"""A process that started less ago may still be coming up."""


@dataclass(frozen=True)
class Attempt:
    """The pod's present attempt. Times are UTC."""

    scheduled: bool
    mounted: bool
    """The kubelet creates the sandbox, pulls images and makes containers only after all volumes are mounted."""
    pulled: bool
    created: bool
    ran: bool
    """The main container's process was executed, now or in the attempt that just ended."""
    running: bool
    ready: bool
    finished: bool
    """It ran to its end, and was meant to."""
    young: bool
    """So recently at the step where it stands that standing there says nothing yet."""
    mount_overdue: bool
    look_again: str
    """For a young one: when to look again, RFC 3339."""


def attempt_of(
    pod: Mapping[str, Any],
    statuses: Sequence[tuple[Mapping[str, Any], bool]],
    main: Mapping[str, Any],
    now: datetime,
    events: Sequence[Mapping[str, Any]] = (),
) -> Attempt:
    """The attempt that status and events show; `statuses` are (container status, is init container).

    `events` are the pod's own, oldest first.
    """
    status = pod.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    scheduled = bool(pod["spec"].get("nodeName"))
    main_reason = (main.get("state", {}).get("waiting") or {}).get("reason", "")
    created = _was_created(main)
    running = bool(main.get("state", {}).get("running"))
    ready = conditions.get("Ready", {}).get("status") == "True"
    mounted = is_mounted(pod) or (scheduled and _went_past_mounting(events))
    began = _began(pod, conditions, main, mounted, running)
    grace = READY_GRACE if running else MOUNT_GRACE
    age = now - began if began else grace
    return Attempt(
        scheduled=scheduled,
        mounted=mounted,
        pulled=created or main_reason in CONFIGURING,
        created=created,
        ran=running or _was_executed(main),
        running=running,
        ready=ready,
        finished=status.get("phase") == "Succeeded",
        young=not ready and age < grace and not _restarted(statuses),
        mount_overdue=scheduled and not mounted and age >= MOUNT_OVERDUE,
        look_again=(began + grace).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if began else "",
    )


def has_mounted_since(other: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether `other` has mounted its volumes, and began to after `pod` began: by when their kubelets took them up."""
    began, own = (p.get("status", {}).get("startTime") for p in (other, pod))
    if not began or not own or parse_time(str(began)) < parse_time(str(own)):
        return False
    return is_mounted(other)


def is_mounted(pod: Mapping[str, Any]) -> bool:
    """Whether all volumes of the pod were mounted: the kubelet makes sandbox and containers only after that."""
    status = pod.get("status", {})
    statuses = [s for key in ("initContainerStatuses", "containerStatuses") for s in status.get(key) or []]
    conditions = {c["type"]: c.get("status") == "True" for c in status.get("conditions") or []}
    reasons = [(s.get("state", {}).get("waiting") or {}).get("reason", "") for s in statuses]
    past_mount = any(r in PULLING | CONFIGURING | {"CrashLoopBackOff"} for r in reasons)
    known = conditions.get("PodReadyToStartContainers") or conditions.get("Ready")
    return bool(pod["spec"].get("nodeName")) and bool(known or past_mount or any(map(_was_created, statuses)))


def _went_past_mounting(events: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the newest event about mounts or about what follows them is one of what follows.

    A pod whose sandbox gets no address has no such state in its status; before Kubernetes 1.29 no condition says it.
    """
    told = [e for e in events if e.get("reason") in MOUNT_REASONS | AFTER_MOUNT]
    return bool(told) and told[-1]["reason"] in AFTER_MOUNT


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, UTC where it names no zone; the beginning of time for an odd one, so that it counts as old."""
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _was_created(status: Mapping[str, Any]) -> bool:
    state = status.get("state", {})
    return bool(status.get("containerID") or state.get("running") or state.get("terminated") or _ended(status))


def _ended(status: Mapping[str, Any]) -> Any:
    return status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated")


def _was_executed(status: Mapping[str, Any]) -> bool:
    """Whether one of its attempts came as far as its process; a runtime that cannot execute it ends it with these."""
    ends = [status.get(at, {}).get("terminated") for at in ("state", "lastState")]
    return any(end and end.get("reason") not in NEVER_EXECUTED for end in ends)


def _restarted(statuses: Sequence[tuple[Mapping[str, Any], bool]]) -> bool:
    """Something already failed once: however young, that is more than waiting."""
    return any(s.get("restartCount") or (_ended(s) or {}).get("exitCode") for s, _ in statuses)


def _began(
    pod: Mapping[str, Any], conditions: Mapping[str, Any], main: Mapping[str, Any], mounted: bool, running: bool
) -> datetime | None:
    """When it came to the step where it stands."""
    if running:
        text = main["state"]["running"].get("startedAt")
    elif mounted:
        text = conditions.get("PodReadyToStartContainers", {}).get("lastTransitionTime")
    else:
        text = conditions.get("PodScheduled", {}).get("lastTransitionTime")
    text = text or pod.get("status", {}).get("startTime") or pod["metadata"].get("creationTimestamp")
    return parse_time(str(text)) if text else None
