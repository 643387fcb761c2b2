"""A real Prometheus on real directories: what it prints, and what a listing shows, must lead to the right mode.

The container is the process itself (uid 1000), the volume a directory, mounted where it is.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from values import attempt, claim, node
from values_aws import (
    FS,
    World,
    container_of,
    data_pod,
    file_system,
    judged,
    modes_of,
    volume,
)

from efsdiag.evidence.data import Listing
from efsdiag.evidence.messages import heard
from efsdiag.model import State, Verdict
from efsdiag.semantics.posix import parse_entries

PROMETHEUS = "/usr/bin/prometheus"
USER = 1000
PATIENCE_S = 15

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(not Path(PROMETHEUS).exists(), reason=f"{PROMETHEUS} is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to other users"),
]

BEHIND = (
    "data-path-on-volume",
    "parents-searchable",
    "data-owned",
    "ownership-unchanged",
    "volume-takes-writes",
    "labels-allow-nfs",
    "single-instance",
    "storage-healthy",
    "data-intact",
)
"""The checks that stand between a Prometheus and its storage."""


@pytest.fixture
def root() -> Iterator[Path]:
    """The volume's root: a new directory that everybody may search, and root owns."""
    made = Path(tempfile.mkdtemp(prefix="efsdiag-prometheus-"))
    made.chmod(0o755)
    (made / "prometheus.yml").write_text("global: {}\n")
    yield made
    shutil.rmtree(made)


def directory(path: Path, mode: int, owner: int) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def file(path: Path, mode: int, owner: int) -> None:
    path.write_text("[]")
    os.chown(path, owner, owner)
    path.chmod(mode)


@contextmanager
def started(root: Path, data: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Prometheus with its data in `data`, and what it prints in `log`; killed at the end in any case."""
    command = [
        PROMETHEUS,
        f"--config.file={root / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.use-lockfile",  # Debian's package does not lock unless it is told to
        "--web.listen-address=127.0.0.1:0",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=root, user=USER, group=USER, extra_groups=[]
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(PATIENCE_S)


def printed_by(root: Path, data: Path, log: Path) -> str:
    """What Prometheus prints until it ends, which it must do by itself."""
    with started(root, data, log) as process:
        assert process.wait(PATIENCE_S) != 0, log.read_text()
    return log.read_text()


def ready(process: subprocess.Popen[bytes], log: Path) -> str:
    """What a Prometheus that starts has printed by the time it is ready."""
    until = time.monotonic() + PATIENCE_S
    while "Server is ready to receive web requests" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    return log.read_text()


def listed(root: Path) -> Listing:
    """What a probe that runs as root would see inside the volume."""
    raw = []
    for path in [root, *sorted(root.rglob("*"))]:
        found = path.lstat()
        raw.append(
            {
                "path": "/" + str(path.relative_to(root)).removeprefix("."),
                "type": "directory" if stat.S_ISDIR(found.st_mode) else "file",
                "uid": found.st_uid,
                "gid": found.st_gid,
                "mode": f"{stat.S_IMODE(found.st_mode):04o}",
            }
        )
    return Listing(parse_entries(raw), "probe-pod", None, None)


def looked(root: Path, data: Path, log: str, listing: Listing | None) -> dict[str, Verdict]:
    """The verdicts on a pod whose process printed `log` and ended."""
    pod = data_pod(args=(f"--storage.tsdb.path={data}",), mount={"mountPath": str(root)}, user=USER)
    ended = attempt("running", running=False)
    main = container_of(pod, lastState={"terminated": {"exitCode": 1}})
    given: dict[str, Any] = {
        "pod": pod,
        "main_container": main,
        "attempt": ended,
        "claims": (claim(bound_to="pv-1"),),
        "volumes": {"pv-1": volume().object},
        "volume_listing": listing,
        "container_log": log,
        "heard": heard(attempt=ended, pod=pod, main_container=main, pod_events=[], container_log=log),
        "file_system_ids": (FS,),
        "file_systems": {FS: file_system()},
        "file_system_policies": {FS: None},
        "access_points": {},
        "node_role": None,
        "node": node(),
        "csi_driver": None,
        "workload": None,
        "sibling_pods": [],
    }
    return {check: judged(check, World(), **given) for check in (*BEHIND, "data-directory-writable", "storage-open")}


def blamed(verdicts: dict[str, Verdict]) -> list[tuple[str, bool]]:
    return [found for check in BEHIND for found in modes_of(verdicts[check])]


def parent_not_searchable(root: Path) -> Path:
    data = directory(root / "prometheus" / "server", 0o755, USER)
    directory(root / "prometheus", 0o700, 0)
    return data


def leaf_not_writable(root: Path) -> Path:
    return directory(root / "server", 0o755, 0)


def leaf_of_ones_own_without_write(root: Path) -> Path:
    return directory(root / "server", 0o555, USER)


def queries_of_another_user(root: Path) -> Path:
    data = directory(root / "server", 0o755, USER)
    file(data / "queries.active", 0o600, 0)
    return data


def lock_of_another_user(root: Path) -> Path:
    data = directory(root / "server", 0o755, USER)
    file(data / "lock", 0o644, 0)
    return data


def wal_not_readable(root: Path) -> Path:
    data = directory(root / "server", 0o755, USER)
    directory(data / "wal", 0o700, 0)
    return data


def missing_below_an_unwritable_parent(root: Path) -> Path:
    return root / "server"


def missing_with_its_parent(root: Path) -> Path:
    return root / "prometheus" / "server"


SITUATIONS = {
    parent_not_searchable: "permission.parent-not-searchable",
    leaf_not_writable: "permission.data-dir-not-writable",
    leaf_of_ones_own_without_write: "permission.data-dir-not-writable",
    queries_of_another_user: "permission.existing-file-owner",
    lock_of_another_user: "permission.existing-file-owner",
    wal_not_readable: "permission.existing-file-owner",
    missing_below_an_unwritable_parent: "permission.data-dir-not-writable",
    missing_with_its_parent: "permission.data-dir-not-writable",
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.__name__)
def test_the_log_alone_makes_the_mode_likely_and_a_listing_confirms_it(
    situation: Any, root: Path, tmp_path: Path
) -> None:
    data = situation(root)
    log = printed_by(root, data, tmp_path / "log")
    by_log, by_listing = (looked(root, data, log, listing) for listing in (None, listed(root)))
    assert blamed(by_log) == [(SITUATIONS[situation], False)], log
    assert blamed(by_listing) == [(SITUATIONS[situation], True)], log
    for verdicts in (by_log, by_listing):
        assert verdicts["data-directory-writable"].state is State.FAIL
        assert verdicts["storage-open"].state is State.WAITING


def test_a_file_that_everybody_may_read_is_told_from_its_directory_by_the_listing_only(
    root: Path, tmp_path: Path
) -> None:
    data = directory(root / "server", 0o755, USER)
    file(data / "queries.active", 0o644, 0)
    log = printed_by(root, data, tmp_path / "log")
    assert blamed(looked(root, data, log, None)) == [("permission.data-dir-not-writable", False)]
    assert blamed(looked(root, data, log, listed(root))) == [("permission.existing-file-owner", True)]


def test_a_second_instance_is_told_by_the_lock_and_not_blamed_on_the_directory(root: Path, tmp_path: Path) -> None:
    data = directory(root / "server", 0o755, USER)
    with started(root, data, tmp_path / "first") as first:
        ready(first, tmp_path / "first")
        log = printed_by(root, data, tmp_path / "second")
    for listing in (None, listed(root)):
        verdicts = looked(root, data, log, listing)
        assert [mode for mode, _ in blamed(verdicts)] == ["prometheus.lock-held"], log
        assert verdicts["data-directory-writable"].state is State.PASS


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_a_directory_that_is_well_is_blamed_for_nothing(mode: int, root: Path, tmp_path: Path) -> None:
    data = directory(root / "prometheus" / "server", mode, USER)
    with started(root, data, tmp_path / "log") as process:
        log = ready(process, tmp_path / "log")
    for listing in (None, listed(root)):
        verdicts = looked(root, data, log, listing)
        assert blamed(verdicts) == []
        assert verdicts["data-owned"].state is State.PASS
        assert verdicts["parents-searchable"].state is State.PASS
        assert verdicts["data-directory-writable"].state is State.PASS
        assert verdicts["storage-open"].state is State.PASS


def test_a_lock_file_that_an_earlier_run_left_is_blamed_for_nothing(root: Path, tmp_path: Path) -> None:
    data = directory(root / "server", 0o755, USER)
    for run in ("first", "second"):
        with started(root, data, tmp_path / run) as process:
            log = ready(process, tmp_path / run)
    assert "A lockfile from a previous execution already existed" in log
    assert blamed(looked(root, data, log, listed(root))) == []
