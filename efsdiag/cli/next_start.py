"""After a change: whether the program has been started since, and when it will be."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from efsdiag.cli.run import Looked
from efsdiag.model import Evidence
from efsdiag.report.data import time_text
from efsdiag.report.layout import Line, line
from efsdiag.report.text import safe
from efsdiag.semantics.statuses import Container, next_start

Start = tuple[str, int]
"""Which start of the main container: the uid of its pod, and how often it was started again."""


def start_of(done: Looked) -> Start | None:
    """The newest start of the main container; None where there is no pod."""
    found = _pod_and_container(done)
    return _start(*found) if found else None


def next_start_lines(done: Looked, before: Start | None) -> Sequence[Line]:
    """When the kubelet starts the program again, where it has not been started since `before` and waits for that."""
    found = _pod_and_container(done)
    waits = next_start(found[1]) if found else None
    if found is None or waits is None or _start(*found) != before:
        return ()
    pod, container = found
    back_off, until = waits
    says = f"{container.name} has not been started since: the kubelet waits {back_off} after its end, until "
    lines = [line(safe(f"{says}{time_text(until)}"), "warn")]
    metadata = pod["metadata"]
    # Nobody would make a pod again that belongs to no workload.
    if metadata.get("ownerReferences"):
        words = ("kubectl", "-n", metadata["namespace"], "delete", "pod", metadata["name"])
        lines += [line("to have it started now"), line(f"  {safe(shlex.join(words))}", "command")]
    return lines


def _start(pod: dict[str, Any], container: Container) -> Start:
    return str(pod["metadata"].get("uid")), int(container.status.get("restartCount") or 0)


def _pod_and_container(done: Looked) -> tuple[dict[str, Any], Container] | None:
    gather = done.gather()
    pod, container = gather("pod"), gather("main_container")
    return (pod.value, container.value) if isinstance(pod, Evidence) and isinstance(container, Evidence) else None
