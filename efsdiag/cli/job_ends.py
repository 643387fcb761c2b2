"""Waiting for the Jobs that a plan made: with a line on stderr, until they end or the time is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.changes import Write
from efsdiag.model import Source, Unreadable
from efsdiag.operations import read_of
from efsdiag.report.text import safe

LOOK_AGAIN_S = 1.0
LAST_LINES = 5
NEVER = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerError", "CreateContainerConfigError")
"""A container that waits for one of these will hardly start by itself."""


@dataclass(frozen=True)
class End:
    """How a Job ended."""

    name: str
    well: bool
    says: str = ""


def jobs_of(writes: Iterable[Write | None]) -> list[tuple[str, str]]:
    """(namespace, name) of the Jobs that the writes make."""
    made = [w.parameters["object"]["metadata"] for w in writes if w and w.operation == "kube:create jobs"]
    return [(str(m["namespace"]), str(m["name"])) for m in made]


def await_jobs(jobs: Iterable[tuple[str, str]], ask: Source, most_s: float) -> list[End]:
    """How each of the Jobs ended; one that did not end within the time did not end well."""
    started = time.monotonic()
    ends: list[End] = []
    for namespace, name in jobs:
        while (end := _end(ask, namespace, name)) is None:
            waited = time.monotonic() - started
            if waited >= most_s:
                end = End(name, False, f"it did not end within {most_s:.0f} s{_reason(ask, namespace, name)}")
                break
            print(f"waiting for Job {safe(namespace)}/{safe(name)}, {waited:.0f} of {most_s:.0f} s", file=sys.stderr)
            time.sleep(min(LOOK_AGAIN_S, max(most_s - waited, 0.1)))
        ends.append(end)
    return ends


def _end(ask: Source, namespace: str, name: str) -> End | None:
    """How the Job ended; None while it goes on, or where nobody can say."""
    try:
        job = ask(read_of("kube:get jobs", namespace=namespace, name=name))
    except Unreadable as refusal:
        return End(name, False, f"whether it ended could not be read: {refusal.why}")
    if job is None:
        return End(name, False, "it is not there any more")
    conditions = {c["type"]: c for c in (job.get("status") or {}).get("conditions") or [] if c.get("status") == "True"}
    if "Complete" in conditions:
        return End(name, True)
    if "Failed" in conditions:
        why = str(conditions["Failed"].get("message") or conditions["Failed"].get("reason") or "it failed")
        return End(name, False, f"{why}{_reason(ask, namespace, name)}")
    return None


def _reason(ask: Source, namespace: str, name: str) -> str:
    """What the Job's pod, its log or its events say of why it is not well; "" where they say nothing."""
    try:
        pods = ask(read_of("kube:list pods", namespace=namespace, labelSelector=f"job-name={name}")) or []
        said = [words for pod in pods for words in _of_pod(ask, pod)]
        if not pods:
            field = f"involvedObject.name={name}"
            events = ask(read_of("kube:list events", namespace=namespace, fieldSelector=field)) or []
            said = [str(e.get("message", "")) for e in events if e.get("type") == "Warning"]
    except Unreadable:
        return ""
    return "".join(f"; {' '.join(words.split())}" for words in said if words)


def _of_pod(ask: Source, pod: Mapping[str, Any]) -> Iterable[str]:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        state = status.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason") in NEVER:
            yield f"{waiting['reason']}: {waiting.get('message', '')}; --probe-image names another image"
        if ended.get("reason") in ("StartError", "ContainerCannotRun"):
            yield f"{ended.get('message', '')}; it has to have a shell: --probe-image names another image"
        elif ended.get("exitCode"):
            metadata = pod["metadata"]
            log = ask(read_of("kube:log pods", namespace=metadata["namespace"], name=metadata["name"]))
            yield from str(log or "").splitlines()[-LAST_LINES:]
