"""What the kubelet reported of one container."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from efsdiag.semantics.attempt import parse_time


@dataclass(frozen=True)
class Container:
    """One container of the pod: what was asked for and what became of it."""

    name: str
    spec: dict[str, Any]
    status: dict[str, Any]
    """Empty before the kubelet has reported on it."""
    init: bool = False

    @property
    def waiting_reason(self) -> str:
        return str((self.status.get("state", {}).get("waiting") or {}).get("reason", ""))

    @property
    def waiting_message(self) -> str:
        return str((self.status.get("state", {}).get("waiting") or {}).get("message", ""))

    @property
    def running(self) -> dict[str, Any] | None:
        running: dict[str, Any] | None = self.status.get("state", {}).get("running")
        return running

    @property
    def last_terminated(self) -> dict[str, Any] | None:
        """The end of its newest attempt: the present state where that is terminated, else the state before."""
        state, before = self.status.get("state", {}), self.status.get("lastState", {})
        ended: dict[str, Any] | None = state.get("terminated") or before.get("terminated")
        return ended

    @property
    def was_created(self) -> bool:
        return bool(self.status.get("containerID")) or bool(self.running) or bool(self.last_terminated)

    def is_early(self, now: datetime) -> bool:
        """Whether it runs again after a failure, and has not run for as long yet as the attempt that failed."""
        failure = self.status.get("lastState", {}).get("terminated") or {}
        if not self.running or self.status.get("ready") or not failure.get("exitCode"):
            return False
        lasted = parse_time(str(failure.get("finishedAt"))) - parse_time(str(failure.get("startedAt")))
        return now - parse_time(str(self.running.get("startedAt"))) < lasted


_BACK_OFF = re.compile(r"back-off (?:(\d+)m)?(?:(\d+)s)? restarting")
"""How the kubelet words it: "back-off 5m0s restarting failed container=…"."""


def next_start(container: Container) -> tuple[str, datetime] | None:
    """How long the kubelet waits before it starts the container again, and until when; None where it does not wait."""
    found, ended = _BACK_OFF.search(container.waiting_message), container.last_terminated
    if container.waiting_reason != "CrashLoopBackOff" or not found or not ended:
        return None
    waits = timedelta(minutes=int(found[1] or 0), seconds=int(found[2] or 0))
    words = found[0].removeprefix("back-off ").removesuffix(" restarting")
    return words, (parse_time(str(ended.get("finishedAt"))) + waits).astimezone(UTC)


def is_stuck(container: Container) -> bool:
    """An init container that failed and is tried again, so that nothing after it starts."""
    ended = container.last_terminated
    return not container.status.get("ready") and bool(ended) and bool(ended and ended.get("exitCode"))


def state_of(pod: dict[str, Any], main_container: Container) -> str:
    """The pod's state as kubectl would show it: "CrashLoopBackOff, 15 restarts, last exit code 2"."""
    words = [main_container.waiting_reason or ("Running" if main_container.running else pod["status"].get("phase", ""))]
    restarts = main_container.status.get("restartCount")
    if restarts:
        words.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    ended = main_container.last_terminated
    if ended:
        words.append(f"last exit code {ended.get('exitCode')}")
    return ", ".join(str(w) for w in words if w)
