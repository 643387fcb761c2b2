"""What the cluster said about the present attempt: events, container states and logs, recognised once for all checks.

Only this pod's uid and its present attempt count. An event about a step that has come true since is history; so is a
log of a container that is ready now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from efsdiag.messages import recognise
from efsdiag.model import UNREAD, Ref, Unread
from efsdiag.semantics.attempt import CONFIGURING, PULLING, Attempt, attempt_of, parse_time
from efsdiag.semantics.claims import Claim, Provisioning
from efsdiag.semantics.objects import time_of
from efsdiag.semantics.statuses import Container

RECENT = timedelta(minutes=15)
"""Older than this before the newest message of its kind, a message is history: retries come every few minutes."""

MOUNT_REASONS = frozenset({"FailedMount", "FailedAttachVolume", "VolumePermissionChangeInProgress", "FailedMapVolume"})
CONTAINER_REASONS = frozenset({"Failed", "BackOff", "InspectFailed"})
NODE_REASONS = (
    re.compile("didn't match Pod's node affinity/selector"),
    re.compile(r"taint(?!.*(efs\.csi\.aws\.com/|node\.kubernetes\.io/))"),
    re.compile(r"taint {(efs\.csi\.aws\.com/|node\.kubernetes\.io/(?!unschedulable|not-ready|unreachable))"),
    re.compile("were unschedulable|node.kubernetes.io/(unschedulable|not-ready|unreachable)"),
)
"""What the scheduler says of nodes that the pod's storage and size were not held against, nearest to the pod last."""
_NODES = re.compile(r"0/\d+ nodes are available: (\d+ .*?)(?:\. preemption: .*|\.)?$", re.DOTALL)
_NEXT_REASON = re.compile(r", (?=\d+ (?:node\(s\)|Insufficient|Too many))")
_CONTAINER = re.compile(r"\{([^}]+)\}$")


@dataclass(frozen=True)
class Message:
    """One text about the present attempt."""

    where: str
    """The channel: pod-event, claim-event, volume-event, owner-event, container-status, log, plugin-log, …"""
    reason: str
    text: str
    about: Ref

    @property
    def source(self) -> str:
        """ "event FailedMount on Pod/monitoring/x", "log of …": for a reader who wants to look it up."""
        kind = f"event {self.reason} on" if self.where.endswith("-event") else f"{self.where.replace('-', ' ')} of"
        return f"{kind} {self.about}"


@dataclass(frozen=True)
class Sighted:
    """A message that supports a mode."""

    mode: str
    specific: bool
    """Whether the text belongs to this cause alone."""
    line: str
    """The part of the text that a reader should see, on one line."""
    message: Message


@dataclass(frozen=True)
class Heard:
    """All that was said, and which channels could not be listened to."""

    messages: tuple[Message, ...]
    sighted: tuple[Sighted, ...]
    unread: dict[str, Unread] = field(default_factory=dict)
    """Channel → why nobody could listen. Also where a message must have been there and is not kept any more."""

    def speaks(self, where: str) -> bool:
        return any(m.where == where for m in self.messages)

    def of(self, *modes: str) -> tuple[Sighted, ...]:
        return tuple(s for s in self.sighted if s.mode in modes)


def attempt(
    now: datetime,
    pod: dict[str, Any],
    pod_containers: tuple[Container, ...],
    main_container: Container,
    pod_events: Any = UNREAD,
) -> Attempt:
    """How far the pod's present attempt has come, from its status, and from its events where the status is silent."""
    statuses = [(c.status, c.init) for c in pod_containers]
    return attempt_of(pod, statuses, main_container.status, now, pod_events or ())


def heard(
    attempt: Attempt | None = None,
    pod: dict[str, Any] | None = None,
    main_container: Container | None = None,
    pod_events: Any = UNREAD,
    claims: tuple[Claim, ...] | None = None,
    claim_events: Any = UNREAD,
    owner_events: Any = UNREAD,
    workload: dict[str, Any] | None = None,
    container_log: Any = UNREAD,
    controller_log: Any = UNREAD,
    provisioner_log: Any = UNREAD,
    node_plugin_log: Any = UNREAD,
    registrar_log: Any = UNREAD,
    node_plugin_events: Any = UNREAD,
    controller_leader: Any = UNREAD,
    node_plugin_pods: Any = UNREAD,
    efs_classes: tuple[Provisioning, ...] | None = None,
) -> Heard:
    """Everything said about the present attempt, with the modes that it supports."""
    found: list[Message] = []
    unread: dict[str, Unread] = {}

    def listen(where: str, source: Any, messages: Iterable[Message]) -> None:
        if isinstance(source, Unread):
            unread[where] = source
        elif source is not None:
            found.extend(messages)

    if pod is not None and attempt is not None and main_container is not None:
        listen("pod-event", pod_events, _pod_messages(pod, pod_events, attempt))
        if "pod-event" not in unread and attempt.mount_overdue and not any(m.where == "pod-event" for m in found):
            unread["pod-event"] = Unread("no event about this mount is kept any more", "wait for the next attempt")
        found.extend(_status_messages(pod, main_container, attempt))
        if attempt.ran and not attempt.ready:
            listen("log", container_log, _log(container_log, "log", pod, main_container.name))
    elif workload is not None:
        listen("owner-event", owner_events, _events(owner_events or [], "owner-event"))
    if any(not c.bound for c in claims or () if c.object is not None):
        listen("claim-event", claim_events, _claim_messages(claim_events, claims or ()))
    if efs_classes:
        listen("plugin-log", controller_log, _log(controller_log, "plugin-log", controller_leader, "efs-plugin"))
        listen("provisioner-log", provisioner_log, _log(provisioner_log, "provisioner-log", controller_leader))
    if attempt is not None and not attempt.mounted:
        plugin = node_plugin_pods[0] if node_plugin_pods else None
        listen("plugin-event", node_plugin_events, _events(_newest(node_plugin_events or []), "plugin-event"))
        listen("plugin-log", node_plugin_log, _log(node_plugin_log, "plugin-log", plugin, "efs-plugin"))
        listen("registrar-log", registrar_log, _log(registrar_log, "registrar-log", plugin, "csi-driver-registrar"))
    return Heard(tuple(found), tuple(_sight(found)), unread)


def _pod_messages(pod: dict[str, Any], events: Any, attempt: Attempt) -> list[Message]:
    """The pod's events about the step that it stands at."""
    kept = [e for e in events or [] if _is_present(e, attempt) and not _is_overcome(e, pod)]
    found = _events(_newest(kept), "pod-event")
    condition = next((c for c in pod["status"].get("conditions") or [] if c["type"] == "PodScheduled"), None)
    if condition and condition["status"] == "False" and condition.get("message"):
        found.append(Message("pod-event", "FailedScheduling", condition["message"], _ref(pod)))
    return [part for message in found for part in _that_count(message)]


def _that_count(message: Message) -> list[Message]:
    """The message; of the scheduler's sentence, the reasons of the nodes that came nearest to taking the pod.

    "1 node(s) had untolerated taint(s), 2 Insufficient cpu": a node is counted for what refuses it first, so those for
    whose resources the pod is too big have no such taint, and the taint of the other one is not what the pod waits for.
    """
    whole = _NODES.match(message.text) if message.reason == "FailedScheduling" else None
    if whole is None:
        return [message]
    reasons = _NEXT_REASON.split(whole[1])
    farthest = max(_came_to(r) for r in reasons)
    return [replace(message, text=r) for r in reasons if _came_to(r) == farthest]


def _came_to(reason: str) -> int:
    """How far the nodes came that are refused for this reason: beyond all of NODE_REASONS, or to one of them."""
    return next((i for i, says in enumerate(NODE_REASONS) if says.search(reason)), len(NODE_REASONS))


def _is_present(event: dict[str, Any], attempt: Attempt) -> bool:
    reason = event.get("reason", "")
    if reason == "FailedScheduling":
        return not attempt.scheduled
    if reason in MOUNT_REASONS:
        return not attempt.mounted
    if reason in CONTAINER_REASONS:
        return attempt.mounted and not attempt.ready and not (attempt.ran and reason == "BackOff")
    if reason in ("Unhealthy", "Killing", "Evicted", "FailedKillPod"):
        return not attempt.ready
    return False


def _is_overcome(event: dict[str, Any], pod: dict[str, Any]) -> bool:
    """Whether the event tells that a container could not be made that was made since, and is not waiting again."""
    name = _CONTAINER.search(str(event.get("involvedObject", {}).get("fieldPath") or ""))
    if event.get("reason") not in CONTAINER_REASONS or name is None:
        return False
    keys = ("initContainerStatuses", "containerStatuses")
    statuses = [s for key in keys for s in pod["status"].get(key) or [] if s["name"] == name[1]]
    containers = [Container(s["name"], {}, s) for s in statuses]
    return any(c.was_created and c.waiting_reason not in PULLING | CONFIGURING for c in containers)


def _newest(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that were seen within `RECENT` of the newest one."""
    if not events:
        return []
    newest = max(parse_time(time_of(e)) for e in events)
    return [e for e in events if newest - parse_time(time_of(e)) <= RECENT]


def _claim_messages(events: Any, claims: tuple[Claim, ...]) -> list[Message]:
    pending = {c.name for c in claims if c.object is not None and not c.bound}
    return [
        m
        for name, own in sorted((events or {}).items())
        if name in pending
        for m in _events(_newest(own), "claim-event")
    ]


def _status_messages(pod: dict[str, Any], container: Container, attempt: Attempt) -> list[Message]:
    if not container.waiting_message or attempt.ready or container.waiting_reason == "CrashLoopBackOff":
        return []
    return [Message("container-status", container.waiting_reason, container.waiting_message, _ref(pod))]


def _events(events: list[dict[str, Any]], where: str) -> list[Message]:
    return [
        Message(
            where,
            str(e.get("reason", "")),
            str(e.get("message", "")),
            Ref(e["involvedObject"]["kind"], e["involvedObject"]["name"], e["involvedObject"].get("namespace", "")),
        )
        for e in events
    ]


def _log(text: Any, where: str, pod: Any, container: str = "") -> list[Message]:
    if not text or not isinstance(text, str) or not isinstance(pod, dict):
        return []
    return [Message(where, container, text, _ref(pod))]


def _ref(thing: dict[str, Any]) -> Ref:
    return Ref("Pod", thing["metadata"]["name"], thing["metadata"].get("namespace", ""))


def _sight(messages: list[Message]) -> Iterable[Sighted]:
    seen = set()
    for message in messages:
        for sighting in recognise(message.text, message.where, message.reason):
            key = (sighting.mode, message.where, sighting.quote)
            if key not in seen:
                seen.add(key)
                yield Sighted(sighting.mode, sighting.specific, sighting.quote, message)
