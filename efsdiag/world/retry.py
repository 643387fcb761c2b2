"""HTTP as both sources see it: one answer as a value, when to ask again, and who is asking.

botocore repeats AWS calls by itself; `insist` is for Kubernetes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that say nothing about the question: the server is busy, restarting or behind a broken proxy."""

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
"""A server may name a longer wait in Retry-After; someone is sitting in front of the terminal."""


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. The names of `headers` are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def insist(
    send: Callable[[], Reply],
    sleep: Callable[[float], None],
    attempts: int = 4,
    passing: frozenset[int] = PASSING,
) -> Reply:
    """The first reply whose status is not in `passing`, or the last one where `attempts` (1 or more) are used up."""
    for attempt in range(attempts - 1):
        reply = send()
        if reply.status not in passing:
            return reply
        sleep(wait_s(reply, attempt))
    return send()


def wait_s(reply: Reply, attempt: int) -> float:
    """Seconds to wait after the failed attempt number `attempt` (from 0): what Retry-After says, else doubling."""
    asked = reply.headers.get("retry-after", "")
    # RFC 9110 allows a date too; the Kubernetes API server sends seconds.
    wait = float(asked) if asked.isascii() and asked.isdigit() else FIRST_WAIT_S * 2**attempt
    return min(wait, LONGEST_WAIT_S)


@cache
def user_agent() -> str:
    """ "efsdiag/<version>", which audit logs and CloudTrail show."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"efsdiag/{version('efsdiag')}"
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "efsdiag/unknown"
