"""How far a program's log shows that it came with its storage."""

from __future__ import annotations

import pytest

from efsdiag.semantics.log_marks import opened_storage, reached_storage, storage_error

STARTING = 'time=2026-11-21T06:00:00.000Z level=INFO source=main.go:1303 msg="Starting TSDB ..."'
REPLAYING = 'ts=2026-11-21T06:00:00.000Z level=info component=tsdb msg="Replaying WAL, this may take a while"'
STARTED = 'time=2026-11-21T06:00:02.000Z level=INFO source=main.go:1318 msg="TSDB started"'
READY = 'level=info msg="Server is ready to receive web requests."'
LOCKED = 'level=ERROR msg="opening storage failed" err="lock DB directory: resource temporarily unavailable"'
QUERIES = (
    'level=ERROR source=query_logger.go:113 msg="Error opening query log file" '
    'err="open /data/queries.active: permission denied"'
)
FORBIDDEN = (
    'level=error component=k8s_client_runtime msg="Failed to watch *v1.Pod: pods is forbidden: User '
    '\\"system:serviceaccount:m:p\\" cannot list resource \\"pods\\": permission denied"'
)
FLAGS = 'level=INFO msg="Starting Prometheus Server" mode=server version="(version=3.5.0)"'


@pytest.mark.parametrize(
    ("log", "reached", "opened"),
    [
        ("", False, False),
        (FLAGS, False, False),
        (STARTING, True, False),
        (f"{STARTING}\n{REPLAYING}", True, False),
        (LOCKED, True, False),
        (f"{STARTING}\n{STARTED}\n{READY}", True, True),
        ('level=info component=tsdb msg="WAL replay completed" total_replay_duration=1.2s', True, True),
        (QUERIES, False, False),
        (f"{STARTING}\n{QUERIES}", False, False),
        (f"{FORBIDDEN}\n{STARTED}", True, True),
    ],
)
def test_the_marks_of_prometheus_show_how_far_it_came(log: str, reached: bool, opened: bool) -> None:
    assert (reached_storage(log), opened_storage(log)) == (reached, opened)


@pytest.mark.parametrize(
    "line",
    [
        QUERIES,
        "mkdir /efs: permission denied",
        "open /data/wal/00000001: Permission denied",
        "mkdir: can't create directory '/var/lib/grafana/plugins': Permission denied",
        "chown: /var/lib/grafana: Operation not permitted",
        "open /data/lock: read-only file system",
    ],
)
def test_a_refusal_by_the_file_system_is_found_and_shown_on_one_line(line: str) -> None:
    assert storage_error(f"{FLAGS}\n  {line}  \n{QUERIES}") == " ".join(line.split())


@pytest.mark.parametrize("line", [FORBIDDEN, "cannot get resource leases: permission denied", "all is well", ""])
def test_a_refusal_by_the_kubernetes_api_is_no_refusal_by_the_file_system(line: str) -> None:
    assert storage_error(line) == ""


def test_a_long_line_is_cut() -> None:
    assert len(storage_error("permission denied " * 100)) == 300
