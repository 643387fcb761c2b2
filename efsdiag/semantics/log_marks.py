"""How far a program's log shows that it came with its storage.

Prometheus first opens queries.active, then its TSDB; both leave marks, in 2.x and 3.x alike.
Source: https://github.com/prometheus/prometheus/blob/main/cmd/prometheus/main.go
"""

from __future__ import annotations

import re

_REACHED = re.compile(
    r"Starting TSDB|Replaying on-disk memory mappable chunks|Replaying WAL|WAL segment loaded|WAL checkpoint loaded"
    r"|WAL replay completed|lock DB directory: resource temporarily unavailable"
    r"|TSDB started|Server is ready to receive web requests"
)
_OPENED = re.compile(r"TSDB started|Server is ready to receive web requests|WAL replay completed")
_REFUSED = re.compile(r"permission denied|read-only file system|operation not permitted", re.IGNORECASE)
_API = re.compile(r'forbidden: User "|is forbidden:|cannot (list|get|watch) resource', re.IGNORECASE)


def reached_storage(log: str) -> bool:
    """Whether the log goes on after the program had opened files in its data directory."""
    return bool(_REACHED.search(log)) and not storage_error(log)


def opened_storage(log: str) -> bool:
    """Whether the program says that its storage is open."""
    return bool(_OPENED.search(log))


def storage_error(log: str) -> str:
    """The first line that says that the file system refused the program; "" where none does.

    A refusal by the Kubernetes API is none.
    """
    for line in log.splitlines():
        if _REFUSED.search(line) and not _API.search(line):
            return " ".join(line.split())[:300]
    return ""
