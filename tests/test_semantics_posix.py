"""The decisions of `semantics.posix`, by example and against the kernel of the machine that runs the tests.

For the second half this file is also a program: run as root, it answers questions on its standard input by dropping to
the asked ids and trying the thing (`python test_semantics_posix.py`).
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from efsdiag.semantics.posix import (
    Access,
    Credentials,
    Entry,
    access_to,
    first_unsearchable,
    lacking,
    may,
    normal_path,
    parse_entries,
    squashed,
    unwritable_files,
)

PROMETHEUS = Credentials(1000, 1000, frozenset({2000}))
ROOT = Credentials(0, 0)


def directory(path: str, mode: int, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, "directory", uid, gid, mode)


def file(path: str, mode: int, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, "file", uid, gid, mode)


def listing(*entries: Entry) -> dict[str, Entry]:
    return {entry.path: entry for entry in entries}


STORY = listing(
    directory("/", 0o755), directory("/prometheus", 0o700), directory("/prometheus/server", 0o755, 1000, 1000)
)


# The listing of a bundle


def test_entries_are_parsed_by_path_with_their_octal_modes() -> None:
    raw = [
        {"path": "/", "type": "directory", "uid": 0, "gid": 0, "mode": "0755"},
        {"path": "/wal/", "type": "directory", "uid": 65534, "gid": 65534, "mode": "2775"},
        {"path": "/lock", "type": "file", "uid": 1000, "gid": 0, "mode": "0"},
    ]
    assert parse_entries(raw) == listing(
        directory("/", 0o755), directory("/wal", 0o2775, 65534, 65534), file("/lock", 0, 1000, 0)
    )


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("mode", "0788", "'0788'"),
        ("mode", 755, "755"),
        ("mode", "", "''"),
        ("mode", "rwxr-xr-x", "rwxr-xr-x"),
        ("mode", "77777", "77777"),
        ("type", "symlink", "symlink"),
        ("uid", "0", "uid"),
        ("uid", -1, "-1"),
        ("gid", None, "gid"),
        ("gid", True, "True"),
        ("uid", 2**32, "4294967296"),
        ("path", "wal", "'wal'"),
        ("path", "/a/../b", "'/a/../b'"),
        ("path", None, "None"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused_by_name(field: str, value: object, named: str) -> None:
    good = {"path": "/wal", "type": "directory", "uid": 0, "gid": 0, "mode": "0755"}
    with pytest.raises(ValueError, match="wanted") as refused:
        parse_entries([{**good, field: value}])
    assert named in str(refused.value)


def test_an_entry_that_is_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="entry 0 is '/wal'"):
        parse_entries(["/wal"])  # type: ignore[list-item]


def test_a_path_listed_twice_is_refused_only_where_the_two_differ() -> None:
    one = {"path": "/wal", "type": "directory", "uid": 0, "gid": 0, "mode": "0755"}
    assert len(parse_entries([one, {**one, "path": "/wal/"}])) == 1
    with pytest.raises(ValueError, match="a second time"):
        parse_entries([one, {**one, "uid": 5}])


# One entry


@pytest.mark.parametrize(
    ("who", "entry", "allowed"),
    [
        (PROMETHEUS, file("/f", 0o640, 1000, 5), "rw"),
        (PROMETHEUS, file("/f", 0o077, 1000, 1000), ""),
        (PROMETHEUS, file("/f", 0o707, 0, 1000), ""),
        (PROMETHEUS, file("/f", 0o060, 0, 2000), "rw"),
        (PROMETHEUS, file("/f", 0o604, 0, 0), "r"),
        (ROOT, file("/f", 0o000, 1000, 1000), "rw"),
        (ROOT, file("/f", 0o010, 1000, 1000), "rwx"),
        (ROOT, directory("/d", 0o000, 1000, 1000), "rwx"),
    ],
)
def test_the_first_class_that_matches_decides_alone(who: Credentials, entry: Entry, allowed: str) -> None:
    assert "".join(p for p in "rwx" if may(who, entry, p)) == allowed  # type: ignore[arg-type]
    assert set(lacking(who, entry, "rwx")) == set("rwx") - set(allowed)


def test_root_without_the_capability_is_judged_by_the_mode() -> None:
    assert not may(ROOT, directory("/d", 0o700, 1000, 1000), "x", capable=False)
    assert may(ROOT, directory("/d", 0o700), "x", capable=False)


def test_squashed_root_is_nobody_and_keeps_its_other_groups() -> None:
    assert squashed(Credentials(0, 0, frozenset({0, 7}))) == Credentials(65534, 65534, frozenset({65534, 7}))
    assert not may(ROOT, directory("/", 0o755), "w", root_squash=True)
    assert may(ROOT, directory("/", 0o700, 65534, 65534), "w", root_squash=True)


# A path


def test_the_parent_that_cannot_be_searched_is_found_before_the_leaf_that_can() -> None:
    assert first_unsearchable(PROMETHEUS, STORY, "/prometheus/server") == STORY["/prometheus"]
    assert access_to(PROMETHEUS, STORY, "/prometheus/server") == Access(
        "/prometheus/server", "/prometheus", "not-searchable", STORY["/prometheus"], None, False
    )


def test_the_leaf_itself_is_no_parent() -> None:
    assert first_unsearchable(PROMETHEUS, STORY, "/prometheus") is None


def test_an_unlisted_parent_is_passed_over_and_a_listed_one_below_it_is_still_found() -> None:
    deep = listing(directory("/", 0o755), directory("/a/b", 0o700))
    assert first_unsearchable(PROMETHEUS, deep, "/a/b/c") == deep["/a/b"]


def test_a_sub_path_mount_begins_below_the_parents_that_it_never_passes() -> None:
    assert first_unsearchable(PROMETHEUS, STORY, "/prometheus/server", root="/prometheus/server") is None
    assert access_to(PROMETHEUS, STORY, "/prometheus/server", root="/prometheus/server").allowed is True


def test_a_path_outside_of_the_mounted_directory_is_refused() -> None:
    with pytest.raises(ValueError, match="/a is not below /ab"):
        access_to(PROMETHEUS, STORY, "/a", root="/ab")


def test_a_fresh_file_system_stops_everyone_but_root_at_its_root() -> None:
    fresh = listing(directory("/", 0o755))
    assert access_to(PROMETHEUS, fresh, "/") == Access("/", "/", "not-writable", fresh["/"], True, False)
    assert access_to(ROOT, fresh, "/").allowed is True
    assert access_to(ROOT, fresh, "/", root_squash=True).allowed is False


def test_a_leaf_that_may_be_written_but_not_searched_takes_no_files() -> None:
    odd = listing(directory("/", 0o755), directory("/data", 0o666))
    assert access_to(PROMETHEUS, odd, "/data").why == "not-writable"


def test_an_unlisted_leaf_is_unknown_and_says_whether_it_could_be_created() -> None:
    closed, open_ = listing(directory("/", 0o755)), listing(directory("/", 0o777))
    assert access_to(PROMETHEUS, closed, "/data") == Access("/data", "/data", "not-listed", None, None, False)
    assert access_to(PROMETHEUS, open_, "/data") == Access("/data", "/data", "not-listed", None, None, True)
    assert access_to(PROMETHEUS, open_, "/data").allowed is None


def test_an_unlisted_leaf_of_a_fully_listed_directory_is_missing() -> None:
    closed, open_ = listing(directory("/", 0o755)), listing(directory("/", 0o777))
    assert access_to(PROMETHEUS, open_, "/data", listed_fully=["/"]) == Access(
        "/data", "/data", "missing", None, False, True
    )
    assert access_to(PROMETHEUS, open_, "/data/deeper", listed_fully=["/"]).allowed is True
    assert access_to(PROMETHEUS, closed, "/data", listed_fully=["/"]) == Access(
        "/data", "/", "not-writable", closed["/"], False, False
    )


def test_nothing_is_known_without_the_root() -> None:
    assert access_to(PROMETHEUS, {}, "/data") == Access("/data", "/", "not-listed", None, None, None)


def test_a_file_on_the_way_is_not_a_directory() -> None:
    odd = listing(directory("/", 0o755), file("/data", 0o777))
    assert access_to(ROOT, odd, "/data/prometheus") == Access(
        "/data/prometheus", "/data", "not-a-directory", odd["/data"], False, False
    )


def test_doubled_and_trailing_slashes_do_not_matter() -> None:
    assert normal_path("//prometheus/./server/") == "/prometheus/server"
    assert access_to(ROOT, STORY, "/prometheus//server/").allowed is True


def test_files_and_directories_of_another_owner_are_listed_and_readable_neighbours_are_not() -> None:
    data = listing(
        directory("/", 0o777),
        directory("/data", 0o700, 1000, 1000),
        directory("/data/wal", 0o755, 65534, 65534),
        file("/data/wal/00000001", 0o644, 65534, 65534),
        directory("/data/chunks_head", 0o775, 0, 2000),
        file("/data/lock", 0o600, 1000, 1000),
        file("/data/queries.active", 0o200, 1000, 1000),
        directory("/database", 0o700),
    )
    found = [entry.path for entry in unwritable_files(PROMETHEUS, data, "/data")]
    assert found == ["/data/queries.active", "/data/wal", "/data/wal/00000001"]
    assert unwritable_files(ROOT, data, "/") == []


# The kernel

Ask = Callable[[Credentials, bool, list[tuple[str, str]]], list[str]]
"""(credentials, capable, [(what, path), …]) → for each "" where the kernel allowed it, else the name of its error."""

IDS = st.sampled_from([0, 1000, 1001, 65534])
CREDENTIALS = st.builds(Credentials, IDS, IDS, st.frozensets(IDS, max_size=2))
MODES = st.integers(0, 0o777)
SHAPES = st.sampled_from(["directory", "directory", "file"])
NAMES = ("a", "b")
COMPARED = {"entries": 0, "paths": 0, "partial": 0, "contents": 0}

kernel_settings = settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Ask]:
    """A child process that answers as the kernel does for the ids that it is asked about."""
    if os.geteuid() != 0:
        why = f"only root can act as other users; this is uid {os.geteuid()}"
        print(why)
        pytest.skip(why)
    child = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert child.stdin is not None
    assert child.stdout is not None
    questions, answers = child.stdin, child.stdout

    def ask(who: Credentials, capable: bool, wanted: list[tuple[str, str]]) -> list[str]:
        question = {"uid": who.uid, "gid": who.gid, "groups": sorted(who.groups), "capable": capable, "wanted": wanted}
        questions.write(json.dumps(question) + "\n")
        answer: list[str] = json.loads(answers.readline())
        return answer

    yield ask
    questions.close()
    assert child.wait(timeout=10) == 0
    answers.close()


@pytest.fixture(scope="module")
def volume() -> Iterator[Path]:
    """A folder on a real file system whose parents everyone may search; pytest's own are closed to other users."""
    # On a file system mounted noexec nobody may execute a file, whatever its mode.
    homes = [place for place in ("/var/tmp", "/tmp") if not os.statvfs(place).f_flag & os.ST_NOEXEC]
    folder = Path(tempfile.mkdtemp(prefix="efsdiag-", dir=homes[0]))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    """A root directory with two entries, each of them with two, and so on for three levels; files have none.

    The entries that are called "a" on the first two levels are directories, so that no tree has fewer than 7 entries.
    """
    found: list[Entry] = []

    def grow(path: str, depth: int) -> None:
        kind = "directory" if path in ("/", "/a", "/a/a") else draw(SHAPES)
        # Half of the directories can be searched by all, so that the deeper levels are reached.
        mode = draw(MODES) | (0o111 if kind == "directory" and draw(st.booleans()) else 0)
        found.append(Entry(path, kind, draw(IDS), draw(IDS), mode))
        for name in NAMES if kind == "directory" and depth < 3 else ():
            grow(f"{path.rstrip('/')}/{name}", depth + 1)

    grow("/", 0)
    return found


def build(top: Path, tree: list[Entry]) -> Callable[[str], str]:
    """Makes the tree in the folder, and returns how a path of the volume is called on this machine."""
    place = tempfile.mkdtemp(dir=top)

    def here(path: str) -> str:
        return f"{place}/root{path}".rstrip("/")

    for entry in tree:
        if entry.is_directory:
            os.mkdir(here(entry.path))
        else:
            Path(here(entry.path)).write_bytes(b"x")
    for entry in tree:
        os.chown(here(entry.path), entry.uid, entry.gid)
        os.chmod(here(entry.path), entry.mode)
    os.chmod(place, 0o755)
    return here


def read_back(here: Callable[[str], str], tree: list[Entry]) -> dict[str, Entry]:
    """The listing that a probe would record of the tree, parsed."""
    raw = []
    for entry in tree:
        found = os.lstat(here(entry.path))
        kind = "directory" if stat.S_ISDIR(found.st_mode) else "file"
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raw.append({"path": entry.path, "type": kind, "uid": found.st_uid, "gid": found.st_gid, "mode": mode})
    return parse_entries(raw)


def asked_paths(tree: list[Entry]) -> list[str]:
    """Every path of the tree, and below each directory and file one that is missing, and one that is missing twice."""
    listed = [entry.path for entry in tree]
    return [*listed, *(f"{p.rstrip('/')}/none" for p in listed), *(f"{p.rstrip('/')}/none/deeper" for p in listed)]


def test_one_entry_is_judged_as_the_kernel_judges_it(kernel: Ask, volume: Path) -> None:
    @kernel_settings
    @given(
        st.lists(st.tuples(SHAPES, IDS, IDS, MODES), min_size=12, max_size=12),
        st.lists(CREDENTIALS, min_size=4, max_size=4),
        st.booleans(),
    )
    def agrees(drawn: list[tuple[str, int, int, int]], everyone: list[Credentials], capable: bool) -> None:
        tree = [directory("/", 0o755), *(Entry(f"/{number}", *what) for number, what in enumerate(drawn))]
        here = build(volume, tree)
        entries = read_back(here, tree)
        wanted = [(letter, entry.path) for entry in tree for letter in "rwx"]
        for who in everyone:
            said = kernel(who, capable, [(letter, here(path)) for letter, path in wanted])
            ours = [may(who, entries[path], letter, capable=capable) for letter, path in wanted]  # type: ignore[arg-type]
            assert [not error for error in said] == ours, [(who, entries[p], w) for w, p in wanted]
            COMPARED["entries"] += len(wanted)

    agrees()
    assert COMPARED["entries"] >= 2000


def test_a_path_stops_where_the_kernel_stops(kernel: Ask, volume: Path) -> None:
    @kernel_settings
    @given(trees(), st.lists(CREDENTIALS, min_size=3, max_size=3), st.booleans())
    def agrees(tree: list[Entry], everyone: list[Credentials], capable: bool) -> None:
        here = build(volume, tree)
        entries = read_back(here, tree)
        full = [entry.path for entry in tree if entry.is_directory]
        paths = asked_paths(tree)
        for who in everyone:
            written = kernel(who, capable, [("write", here(path)) for path in paths])
            searched = kernel(who, capable, [("x", here(path)) for path in full])
            closed = {path for path, error in zip(full, searched, strict=True) if error}
            for path, error in zip(paths, written, strict=True):
                access = access_to(who, entries, path, listed_fully=full, capable=capable)
                unsearchable = first_unsearchable(who, entries, path, capable=capable)
                shown = (who, capable, access, error, entries)
                assert access.allowed is (not error), shown
                assert (access.why == "not-a-directory") is (error == "ENOTDIR"), shown
                assert (access.why in ("not-searchable", "not-writable")) is (error == "EACCES"), shown
                assert (access.why == "not-searchable") is (unsearchable is not None), shown
                if unsearchable is not None:
                    assert access.stops_at == unsearchable.path, shown
                    assert unsearchable.path in closed, shown
                COMPARED["paths"] += 1

    agrees()
    assert COMPARED["paths"] >= 2000


def test_a_partial_listing_never_contradicts_the_kernel(kernel: Ask, volume: Path) -> None:
    @kernel_settings
    @given(trees(), CREDENTIALS, st.data())
    def agrees(tree: list[Entry], who: Credentials, data: st.DataObject) -> None:
        here = build(volume, tree)
        kept = data.draw(st.lists(st.booleans(), min_size=len(tree), max_size=len(tree)))
        entries = read_back(here, [entry for entry, keep in zip(tree, kept, strict=True) if keep])
        paths = asked_paths(tree)
        for path, error in zip(paths, kernel(who, True, [("write", here(p)) for p in paths]), strict=True):
            access = access_to(who, entries, path)
            assert access.allowed in (None, not error), (who, access, error, entries)
            assert access.why != "missing"
            if first_unsearchable(who, entries, path):
                assert error == "EACCES", (who, path, error, entries)
            COMPARED["partial"] += 1

    agrees()
    assert COMPARED["partial"] >= 800


def test_what_is_said_to_be_unusable_inside_a_directory_is_what_the_kernel_refuses(kernel: Ask, volume: Path) -> None:
    @kernel_settings
    @given(trees(), CREDENTIALS)
    def agrees(tree: list[Entry], who: Credentials) -> None:
        top = Entry("/", "directory", who.uid, who.gid, 0o700)
        here = build(volume, [top, *tree[1:]])
        entries = read_back(here, [top, *tree[1:]])
        unusable = {entry.path for entry in unwritable_files(who, entries, "/")}
        below = [entry for entry in tree[1:] if first_unsearchable(who, entries, entry.path) is None]
        said = kernel(who, True, [("use", here(entry.path)) for entry in below])
        assert {e.path for e, error in zip(below, said, strict=True) if error} == {e.path for e in below} & unusable
        COMPARED["contents"] += len(below)

    agrees()
    assert COMPARED["contents"] >= 80


# The child


def answer_as_the_kernel() -> None:
    """Answers each line of the standard input in a child that has dropped to the asked ids."""
    for line in sys.stdin:
        question = json.loads(line)
        receive, send = os.pipe()
        child = os.fork()
        if not child:
            drop(question)
            os.write(send, json.dumps([tried(what, path) for what, path in question["wanted"]]).encode())
            os._exit(0)
        os.close(send)
        with os.fdopen(receive) as answer:
            print(answer.read(), flush=True)
        os.waitpid(child, 0)


def drop(question: dict[str, Any]) -> None:
    os.setgroups(question["groups"])
    os.setgid(question["gid"])
    os.setuid(question["uid"])
    if not question["capable"] and not question["uid"]:
        # capset(2), version 3: without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, or rather without any.
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
            os._exit(1)


def tried(what: str, path: str) -> str:
    """What the kernel says to one attempt: "" or the name of the error."""
    attempts = {"r": read, "w": write_bit, "x": search_or_execute, "write": write, "use": use}
    try:
        attempts[what](path)
    except OSError as error:
        return {2: "ENOENT", 13: "EACCES", 20: "ENOTDIR"}.get(error.errno or 0, str(error))
    return ""


def read(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def write_bit(path: str) -> None:
    """The write permission alone: a directory can be asked for it, but not opened for writing."""
    if os.path.isdir(path):
        asked(path, os.W_OK)
    else:
        os.close(os.open(path, os.O_WRONLY))


def search_or_execute(path: str) -> None:
    if os.path.isdir(path):
        os.stat(f"{path}/.")
    else:
        asked(path, os.X_OK)


def asked(path: str, bits: int) -> None:
    if not os.access(path, bits, effective_ids=True):
        raise PermissionError(13, "access(2) refuses", path)


def write(path: str) -> None:
    """Creates the path as `mkdir -p` does where it is missing, then writes in it; leaves no trace."""
    created = []
    top = path.index("/root") + len("/root")
    ends = [*(i for i in range(top + 1, len(path)) if path[i] == "/"), len(path)]
    try:
        os.stat(path)
    except FileNotFoundError:
        for part in [path[:end] for end in ends]:
            try:
                os.mkdir(part)
                created.append(part)
            except FileExistsError:
                continue
    try:
        if os.path.isdir(path):
            os.mkdir(f"{path}/probe")
            os.rmdir(f"{path}/probe")
        else:
            os.close(os.open(path, os.O_WRONLY))
    finally:
        for part in reversed(created):
            os.rmdir(part)


def use(path: str) -> None:
    """Uses a file as Prometheus uses its own (O_RDWR), a directory by listing it and creating in it."""
    if not os.path.isdir(path):
        os.close(os.open(path, os.O_RDWR))
        return
    os.listdir(path)
    os.mkdir(f"{path}/probe")
    os.rmdir(f"{path}/probe")


if __name__ == "__main__":
    answer_as_the_kernel()
