"""Milestones of the program with its storage: it creates its files, opens them, and gets answers."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.data import ABSENT
from efsdiag.model import UNREAD, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.log_marks import opened_storage, reached_storage, storage_error
from efsdiag.semantics.statuses import Container


def data_directory_writable(
    attempt: Attempt, main_container: Container, data_directory: DataPath | None = None, container_log: Any = UNREAD
) -> Verdict:
    if data_directory is None:
        return skipped("the program has no data directory that efsdiag knows")
    if attempt.ready or (main_container.last_terminated or {}).get("reason") == "OOMKilled":
        return passed("the program came past opening its files")
    if not attempt.ran:
        return waiting("the process has not run yet")
    if isinstance(container_log, Unread):
        return unknown(container_log.why, container_log.grant)
    log = container_log or ""
    error = storage_error(log) or next((line for line in log.splitlines() if ABSENT[0] in line), "")
    if error:
        return failed("", f"{main_container.name} cannot use {data_directory.path}: {error}", None, error)
    if reached_storage(log):
        return passed("the program's log goes on after opening its files")
    return waiting("the log does not say whether the program came so far")


def storage_answers(attempt: Attempt, main_container: Container) -> Verdict:
    if not attempt.mounted:
        return skipped("nothing is mounted yet")
    if attempt.ready:
        return passed("the pod is ready")
    if not attempt.ran:
        return skipped("the process has not run yet")
    ended = main_container.last_terminated or {}
    if not main_container.running and ended.get("exitCode") not in (137, 143):
        return passed("the process ends by itself; a hanging mount would keep it waiting")
    if ended.get("reason") == "OOMKilled":
        return passed("the process was killed for its memory")
    return waiting("nothing says whether reads and writes come back")


def storage_open(
    attempt: Attempt, main_container: Container, data_directory: DataPath | None = None, container_log: Any = UNREAD
) -> Verdict:
    if data_directory is None:
        return skipped("the program has no data directory that efsdiag knows")
    if attempt.ready or (isinstance(container_log, str) and opened_storage(container_log)):
        return passed("the program has opened its storage")
    if not attempt.ran:
        return waiting("the program has not opened its storage")
    if isinstance(container_log, Unread):
        return unknown(container_log.why, container_log.grant)
    return waiting("the log does not say")
