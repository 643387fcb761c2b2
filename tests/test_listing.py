"""Listings of real directories: as somebody, by efsdiag itself and by the script of the Job, on two shells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from conftest import run_efsdiag

from efsdiag.jobs.manifest import script
from efsdiag.listing import listing_of
from efsdiag.semantics.posix import Credentials, access_to, parse_entries

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to other users, or be them")
USER = Credentials(1000, 1000)
DATA = "/prometheus/server"


@pytest.fixture
def root() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="efsdiag-listing-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def busybox() -> Iterator[str]:
    """A PATH on which there is nothing but busybox, and that other users may search, unlike pytest's own folders."""
    found = shutil.which("busybox")
    if not found:
        pytest.skip("busybox (Debian's package busybox) is not installed")
    with tempfile.TemporaryDirectory(prefix="efsdiag-busybox-") as folder:
        Path(folder).chmod(0o755)
        subprocess.run([found, "--install", "-s", folder], check=True)
        yield folder


@pytest.fixture(params=["efsdiag", "sh", "busybox"])
def look(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """`look(root, path, who)`: the listing, by each of those who can make one."""
    path = request.getfixturevalue("busybox") if request.param == "busybox" else "/usr/bin:/bin"

    def by_script(root: Path, data: str, who: Credentials | None = None, most: int = 500) -> dict[str, Any]:
        command = [shutil.which("sh", path=path), "-c", script("look"), "look", str(root), "pv-1", str(most), "/", data]
        ids: dict[str, Any] = {}
        if who:
            ids = {"user": who.uid, "group": who.gid, "extra_groups": sorted(who.groups)}
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=True, cwd="/", **ids)
        assert done.stderr == ""
        return dict(json.loads(done.stdout))

    def by_efsdiag(root: Path, data: str, who: Credentials | None = None, most: int = 500) -> dict[str, Any]:
        if most != 500:
            return listing_of(root, data, "pv-1", most)
        groups = ",".join(map(str, sorted(who.groups))) if who else ""
        ids = ["--uid", str(who.uid), "--gid", str(who.gid), "--groups", groups] if who else []
        code, out, err = run_efsdiag(["probe-path", str(root), "--data-path", data, "--volume", "pv-1", *ids])
        assert code == 0, err
        return dict(json.loads(out))

    return by_efsdiag if request.param == "efsdiag" else by_script


def directory(path: Path, mode: int, owner: int = 0) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, owner, owner)
    path.chmod(mode)
    return path


def seen(listing: dict[str, Any]) -> dict[str, tuple[str, int, int, str]]:
    return {e["path"]: (e["type"], e["uid"], e["gid"], e["mode"]) for e in listing["entries"]}


def missed(listing: dict[str, Any]) -> dict[str, str]:
    return {m["path"]: m["why"] for m in listing["notSeen"]}


@AS_ROOT
def test_the_way_and_what_is_in_the_directory_are_listed_and_nothing_beside(look: Any, root: Path) -> None:
    directory(root / "prometheus" / "server" / "wal", 0o700, 1000)
    (root / "prometheus" / "server" / "wal" / "00000001").write_text("")
    (root / "prometheus" / "server" / ".hidden").write_text("")
    directory(root / "prometheus" / "server", 0o2755, 1000)
    directory(root / "prometheus" / "other", 0o755)
    directory(root / "prometheus", 0o1711)
    (root / "prometheus" / "server" / ".hidden").chmod(0o604)
    found = look(root, DATA)
    assert seen(found) == {
        "/": ("directory", 0, 0, "0755"),
        "/prometheus": ("directory", 0, 0, "1711"),
        DATA: ("directory", 1000, 1000, "2755"),
        f"{DATA}/.hidden": ("file", 0, 0, "0604"),
        f"{DATA}/wal": ("directory", 1000, 1000, "0700"),
    }
    assert found["persistentVolume"] == "pv-1"
    assert found["space"]["totalBytes"] >= found["space"]["freeBytes"] > 0
    assert found["notSeen"] == []


@AS_ROOT
def test_what_lies_behind_a_directory_that_may_not_be_searched_is_not_seen_and_it_is_said_so(
    look: Any, root: Path
) -> None:
    directory(root / "prometheus" / "server", 0o755, 1000)
    directory(root / "prometheus", 0o700)
    found = look(root, DATA, USER)
    assert seen(found).keys() == {"/", "/prometheus"}
    assert missed(found) == {DATA: "Permission denied"}
    access = access_to(USER, parse_entries(found["entries"]), DATA)
    assert (access.why, access.stops_at) == ("not-searchable", "/prometheus")
    assert seen(look(root, DATA)).keys() == {"/", "/prometheus", DATA}


@AS_ROOT
def test_a_group_besides_the_own_one_opens_the_way(look: Any, root: Path) -> None:
    directory(root / "prometheus" / "server", 0o755, 1000)
    os.chown(root / "prometheus", 0, 500)
    (root / "prometheus").chmod(0o710)
    assert DATA not in seen(look(root, DATA, USER))
    assert DATA in seen(look(root, DATA, Credentials(1000, 1000, frozenset({500, 7}))))


@AS_ROOT
def test_a_directory_that_may_not_be_listed_is_seen_itself(look: Any, root: Path) -> None:
    directory(root / "prometheus" / "server" / "wal", 0o755)
    directory(root / "prometheus" / "server", 0o711)
    found = look(root, DATA, USER)
    assert seen(found).keys() == {"/", "/prometheus", DATA}
    assert missed(found)[DATA].startswith("its entries may not be listed")


def test_links_are_named_and_never_followed(look: Any, root: Path) -> None:
    (root / "server").mkdir()
    (root / "server" / "out").symlink_to("/etc")
    (root / "server" / "dead").symlink_to("nowhere")
    (root / "prometheus").symlink_to("/etc")
    (root / "server" / "deeper").mkdir()
    inside = look(root, "/server")
    assert seen(inside).keys() == {"/", "/server", "/server/deeper"}
    assert missed(inside).keys() == {"/server/out", "/server/dead"}
    through = look(root, "/prometheus/ssl")
    assert seen(through).keys() == {"/"}
    assert "symbolic link" in missed(through)["/prometheus"]


def test_a_missing_directory_and_a_file_on_the_way_end_it(look: Any, root: Path) -> None:
    (root / "file").write_text("")
    assert missed(look(root, "/no/such")) == {"/no": "No such file or directory"}
    found = look(root, "/file/below")
    assert seen(found).keys() == {"/", "/file"}


def test_the_root_itself_may_be_the_data_directory(look: Any, root: Path) -> None:
    (root / "wal").mkdir()
    assert seen(look(root, "/")).keys() == {"/", "/wal"}


def test_odd_names_do_not_break_the_document(look: Any, root: Path) -> None:
    names = ('quo"te', "back\\slash", "-n", "with space", "*", "$(id)", "ü", "..two", "%s")
    for name in names:
        (root / name).write_text("")
    (root / "line\nbreak").write_text("")
    (root / "esc\x1b[31m").write_text("")
    found = look(root, "/")
    assert seen(found).keys() == {"/", *(f"/{name}" for name in names)}
    assert "control characters" in missed(found)["/"]


def test_there_is_a_most_of_entries_and_it_is_said_so(look: Any, root: Path) -> None:
    for number in range(20):
        (root / f"{number:02}").write_text("")
    found = look(root, "/", most=10)
    assert len(found["entries"]) == 10
    assert "/" in missed(found)


def test_a_listing_takes_no_longer_than_it_may(root: Path) -> None:
    (root / "a").write_text("")
    found = listing_of(root, "/", "pv-1", most_s=-1)
    assert missed(found) == {"/": "it has more than the 0 entries that were looked at"}


@AS_ROOT
def test_looking_as_somebody_changes_nobody_for_longer(root: Path) -> None:
    before = os.getresuid(), os.getresgid(), os.getgroups()
    run_efsdiag(["probe-path", str(root), "--uid", "1000", "--groups", "5"])
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


@pytest.mark.parametrize(
    ("arguments", "reference"),
    [
        (["/no/such/place"], "path-not-readable"),
        (["/tmp", "--data-path", "relative"], "path-not-readable"),
        (["/tmp", "--data-path", "/a/../../etc"], "path-not-readable"),
        (["/tmp", "--gid", "5"], "usage"),
        (["/tmp", "--uid", "5", "--groups", "staff"], "value-not-accepted"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], reference: str) -> None:
    code, out, err = run_efsdiag(["probe-path", *arguments])
    assert (code, out) == (2, "")
    assert err.startswith(f"{reference}: ")


def test_a_listing_goes_into_a_file_that_is_not_there_yet_and_a_bundle_takes_it(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "pv-1.json"
    arguments = ["probe-path", str(root), "--volume", "pv-1", "-o", str(file)]
    assert run_efsdiag(arguments)[:2] == (0, "")
    assert parse_entries(json.loads(file.read_text())["entries"]).keys() == {"/"}
    code, _, err = run_efsdiag(arguments)
    assert (code, err.partition(":")[0]) == (2, "listing-not-written")


@pytest.mark.parametrize("name", [f.name for f in files("efsdiag.jobs").iterdir() if f.name.endswith(".sh")])
def test_every_script_is_one_for_a_posix_shell(name: str, busybox: str) -> None:
    file = str(files("efsdiag.jobs").joinpath(name))
    for shell in ("/bin/sh", f"{busybox}/sh"):
        subprocess.run([shell, "-n", file], check=True)
