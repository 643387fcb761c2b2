"""Containers of bundles: folders and tar archives, friendly and hostile."""

from __future__ import annotations

import gzip
import io
import os
import socket
import stat
import struct
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from efsdiag.world.archive import Limits
from efsdiag.world.bundle_files import Files, open_files
from efsdiag.world.errors import Unreachable

MANIFEST = ("bundle.json", b"{}")


def tar_of(*members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive of files (name, content) and of members made by hand."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Files]]:
    """Opens bytes as an archive at "bundle.tar.gz"; closed at the end."""
    held: list[Files] = []

    def open_bytes(data: bytes, limits: Limits | None = None) -> Files:
        place = tmp_path / "bundle.tar.gz"
        place.write_bytes(data)
        held.append(open_files(place, limits or Limits()))
        return held[-1]

    yield open_bytes
    for files in held:
        files.close()


def refused(open_it: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Unreachable) as caught:
        open_it()
    assert caught.value.hint
    return caught.value.reference, caught.value.message


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_an_archive_is_read_by_content_whatever_its_compression_and_dialect(opened, packed, form):
    long_name = "aws/iam/get-policy/" + "x" * 90 + ".json"
    data = tar_of(MANIFEST, (long_name, b"[1]"), ("aws/empty.json", b""), form=form)
    files = opened(packed(data))
    assert set(files.names) == {"bundle.json", long_name, "aws/empty.json"}
    assert files.read(long_name) == b"[1]"
    assert files.read("aws/empty.json") == b""


@pytest.mark.parametrize("top", ["", "./", "support-bundle-2026-11-21/", "./capture/"])
def test_one_top_folder_is_looked_into(opened, top):
    data = tar_of((f"{top}version.yaml", b"x"), (f"{top}cluster-resources/nodes.json", b"[]"))
    assert set(opened(data).names) == {"version.yaml", "cluster-resources/nodes.json"}


def test_directories_and_names_of_other_scripts_are_fine(opened):
    folder = special("aws/", tarfile.DIRTYPE)
    files = opened(tar_of(folder, folder, ("aws/métrique.json", b"1"), ("aws//./b.json", b"2")))
    assert files.read("aws/métrique.json") == b"1"
    assert files.read("aws/b.json") == b"2"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../bundle.json", "aws/../../x.json", "cluster-resources/..", "//x", "aws/.."]
)
def test_names_that_leave_the_archive_are_refused(opened, name):
    reference, message = refused(lambda: opened(tar_of(MANIFEST, (name, b"{}"))))
    assert reference == "bundle-refused"
    assert f"{name!r} leaves it" in message


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        (tarfile.SYMTYPE, "/etc/passwd", "a symbolic link to '/etc/passwd'"),
        (tarfile.SYMTYPE, "bundle.json", "a symbolic link to 'bundle.json'"),
        (tarfile.SYMTYPE, "cluster-resources/pods/logs/a/b/c.log", "a symbolic link"),
        (tarfile.LNKTYPE, "bundle.json", "a hard link"),
        (tarfile.CHRTYPE, "", "a device"),
        (tarfile.BLKTYPE, "", "a device"),
        (tarfile.FIFOTYPE, "", "a pipe"),
        (b"9", "", "not a regular file"),
    ],
)
def test_members_that_are_not_files_are_refused(opened, kind, target, words):
    reference, message = refused(lambda: opened(tar_of(MANIFEST, special("notes", kind, target))))
    assert reference == "bundle-refused"
    assert f"'notes' is {words}" in message


def test_the_links_of_a_troubleshoot_bundle_to_its_own_pod_logs_are_passed_over(opened):
    log = ("sb/cluster-resources/pods/logs/a/b/c.log", b"hello\n")
    link = special("sb/app/b/c.log", tarfile.SYMTYPE, "../../cluster-resources/pods/logs/a/b/c.log")
    files = opened(gzip.compress(tar_of(log, link)))
    assert set(files.names) == {"cluster-resources/pods/logs/a/b/c.log"}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("sb/app/c.log", "../../etc/passwd"),
        ("sb/app/c.log", "/cluster-resources/pods/logs/a/b/c.log"),
        ("sb/app/c.log", "../cluster-resources/nodes.json"),
        ("sb/app/c.log", "../cluster-resources/pods/logs/../../../../x"),
        ("sb/cluster-resources/nodes.json", "pods/logs/a/b/c.log"),
        ("sb/volumes/x.json", "../cluster-resources/pods/logs/a/b/c.log"),
    ],
)
def test_other_links_of_a_troubleshoot_bundle_are_refused(opened, name, target):
    log = ("sb/cluster-resources/pods/logs/a/b/c.log", b"hello\n")
    reference, _ = refused(lambda: opened(tar_of(log, special(name, tarfile.SYMTYPE, target))))
    assert reference == "bundle-refused"


def test_a_name_given_twice_is_refused_however_it_is_spelled(opened):
    for second in ("bundle.json", "./bundle.json"):
        reference, message = refused(lambda second=second: opened(tar_of(MANIFEST, (second, b"[]"))))
        assert (reference, "'bundle.json' twice" in message) == ("bundle-refused", True)


def header(name: bytes, size: bytes = b"00000000000", kind: bytes = b"0", magic: bytes = b"ustar\x0000") -> bytes:
    """One tar header made by hand, with the right checksum."""
    fields = struct.pack("100s8s8s8s12s12s8sc100s8s", name, b"644", b"0", b"0", size, b"0", b" " * 8, kind, b"", magic)
    block = fields.ljust(512, b"\0")
    return block[:148] + f"{sum(block):06o}\0 ".encode() + block[156:]


END = bytes(1024)


def test_names_that_are_not_utf8_are_refused(opened):
    reference, message = refused(lambda: opened(header(b"bundle.json") + header(b"aws/\xff\xfe.json") + END))
    assert reference == "bundle-refused"
    assert "is not UTF-8" in message


def test_names_that_are_not_utf8_are_refused_in_extended_headers_too(opened):
    record = b"path=aws/\xff\xfe.json\n"
    record = f"{len(record) + 3} ".encode() + record
    size = f"{len(record):011o}".encode()
    data = header(b"bundle.json") + header(b"x", size, b"x") + record.ljust(512, b"\0") + header(b"y") + END
    assert refused(lambda: opened(data))[0] == "bundle-refused"


def test_more_members_than_the_limit_are_refused(opened):
    data = tar_of(MANIFEST, *((f"aws/{n}.json", b"") for n in range(20)))
    assert "more than 20 members" in refused(lambda: opened(data, Limits(members=20)))[1]
    assert len(opened(data, Limits(members=21)).names) == 21


def test_more_bytes_than_the_limit_are_refused_compressed_or_not(opened):
    data = tar_of(MANIFEST, ("aws/a.json", os.urandom(40_000)), ("aws/b.json", os.urandom(40_000)))
    small = Limits(total_bytes=70_000)
    assert "members have more than 70000 bytes" in refused(lambda: opened(data, small))[1]
    assert "unpacks to more than 70000 bytes" in refused(lambda: opened(gzip.compress(data), small))[1]


def test_a_compression_bomb_is_refused_by_its_ratio_before_it_is_unpacked(opened, monkeypatch, tmp_path):
    written = tmp_path / "unpacked"
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: written.open("w+b"))
    bomb = gzip.compress(tar_of(MANIFEST, ("aws/zeros.json", bytes(64 * 2**20))), 9)
    reference, message = refused(lambda: opened(bomb))
    assert (reference, "more than 500 times its size" in message) == ("bundle-refused", True)
    assert written.stat().st_size <= 17 * 2**20


def test_a_compressed_archive_is_unpacked_into_a_file_without_a_name(opened, monkeypatch, tmp_path):
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    files = opened(gzip.compress(tar_of(MANIFEST)))
    assert files.read("bundle.json") == b"{}"
    assert list(place.iterdir()) == []


def test_a_header_that_takes_much_memory_is_refused_without_reading_it(opened):
    record = b"comment=" + b"x" * 2 * 2**20 + b"\n"
    record = f"{len(record) + 8} ".encode() + record
    padded = record.ljust(-(-len(record) // 512) * 512, b"\0")
    claim = header(b"pax", f"{len(record):011o}".encode(), b"x") + padded + header(b"bundle.json") + END
    assert refused(lambda: opened(claim))[0] == "bundle-corrupt"
    assert set(opened(claim, Limits(header_bytes=3 * 2**20)).names) == {"bundle.json"}


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777\0", b"not-a-number"])
def test_a_member_with_an_impossible_size_is_refused(opened, size):
    assert refused(lambda: opened(header(b"bundle.json", size) + END))[0] == "bundle-corrupt"


def test_a_chain_of_extended_headers_ends_in_an_error_and_not_in_a_crash(opened):
    record = b"9 path=a\n"
    link = header(b"x", f"{len(record):011o}".encode(), b"x") + record.ljust(512, b"\0")
    assert refused(lambda: opened(link * 5000 + header(b"a") + END))[0] == "bundle-corrupt"


def test_a_sparse_member_is_refused(opened):
    data = header(b"bundle.json") + header(b"aws/x.json", kind=b"S", magic=b"ustar  \0") + END
    assert refused(lambda: opened(data))[0] in ("bundle-refused", "bundle-corrupt")


@pytest.mark.parametrize("cut", [700, 1500, 2100, 2600])
def test_an_archive_that_was_cut_off_is_damaged_and_not_shorter(opened, cut):
    data = tar_of(MANIFEST, ("aws/a.json", b"x" * 700), ("aws/b.json", b"y"))[:cut]
    assert refused(lambda: opened(data))[0] == "bundle-corrupt"


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(opened):
    data = bytearray(tar_of(MANIFEST, ("aws/a.json", b"x"), ("aws/b.json", b"y")))
    data[1024 + 3] ^= 0xFF
    assert refused(lambda: opened(bytes(data)))[0] == "bundle-corrupt"


def test_damaged_gzip_is_named_so(opened):
    whole = gzip.compress(tar_of(MANIFEST, ("aws/a.json", os.urandom(5000))))
    flipped = whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    for data in (whole[:-9], whole[:3000], flipped, b"\x1f\x8b garbage that is no gzip stream"):
        assert refused(lambda data=data: opened(data))[0] == "bundle-corrupt"


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(600), b"hello", b'{"kind": "List"}', os.urandom(4096)])
def test_a_file_that_is_no_tar_is_refused(opened, data):
    assert refused(lambda: opened(data))[0] == "bundle-corrupt"


def test_an_archive_without_evidence_is_not_a_bundle(opened):
    assert refused(lambda: opened(b""))[0] == "bundle-empty"
    assert refused(lambda: opened(END))[0] in ("bundle-empty", "bundle-corrupt")
    assert refused(lambda: opened(tar_of(special("aws/", tarfile.DIRTYPE))))[0] == "bundle-empty"
    assert refused(lambda: opened(tar_of(("readme.md", b"hi"))))[0] == "bundle-not-a-bundle"
    two = tar_of(("one/bundle.json", b"{}"), ("two/bundle.json", b"{}"))
    reference, message = refused(lambda: opened(two))
    assert (reference, "holds 2 bundles: 'one/', 'two/'" in message) == ("bundle-not-a-bundle", True)


def test_a_file_larger_than_the_limit_is_not_loaded(opened):
    files = opened(tar_of(MANIFEST, ("aws/big.json", bytes(5000))), Limits(file_bytes=4000))
    with pytest.raises(OSError, match="5000 bytes, more than 4000"):
        files.read("aws/big.json")


# Folders


def folder_with(place: Path, *names: str) -> Path:
    for name in names:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("{}")
    return place


def test_a_folder_is_read_and_so_is_the_one_folder_inside_it(tmp_path):
    folder_with(tmp_path, "inner/bundle.json", "inner/aws/sts/get-caller-identity.json", "readme.md")
    for place in (tmp_path, tmp_path / "inner"):
        files = open_files(place)
        assert set(files.names) == {"bundle.json", "aws/sts/get-caller-identity.json"}
        assert files.read("bundle.json") == b"{}"


def test_a_folder_cannot_be_left_by_name(tmp_path):
    (tmp_path / "secret").write_text("x")
    files = open_files(folder_with(tmp_path / "b", "bundle.json"))
    for name in ("../secret", str(tmp_path / "secret"), "missing.json"):
        with pytest.raises(OSError, match="is not a file of the bundle"):
            files.read(name)


def test_a_link_that_leaves_the_folder_is_refused_and_one_that_stays_is_read(tmp_path):
    bundle = folder_with(tmp_path / "b", "bundle.json", "aws/a.json")
    (tmp_path / "outside").write_text("secret")
    (bundle / "aws" / "same.json").symlink_to("a.json")
    (bundle / "aws" / "gone.json").symlink_to("nowhere.json")
    assert set(open_files(bundle).names) == {"bundle.json", "aws/a.json", "aws/same.json"}
    (bundle / "aws" / "b.json").symlink_to(tmp_path / "outside")
    reference, message = refused(lambda: open_files(bundle))
    assert (reference, "'aws/b.json' is a link that leaves it" in message) == ("bundle-refused", True)


def test_a_link_that_is_turned_outwards_after_opening_is_not_followed(tmp_path):
    bundle = folder_with(tmp_path / "b", "bundle.json", "aws/a.json")
    (tmp_path / "outside").write_text("secret")
    files = open_files(bundle)
    (bundle / "aws" / "a.json").unlink()
    (bundle / "aws" / "a.json").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="is not a file of the bundle"):
        files.read("aws/a.json")


def test_a_link_to_a_folder_a_pipe_and_a_socket_are_refused(tmp_path):
    loop = folder_with(tmp_path / "loop", "bundle.json")
    (loop / "again").symlink_to(".")
    assert "link to a folder" in refused(lambda: open_files(loop))[1]
    pipe = folder_with(tmp_path / "pipe", "bundle.json")
    os.mkfifo(pipe / "waits")
    assert "a pipe" in refused(lambda: open_files(pipe))[1]
    sock = folder_with(tmp_path / "sock", "bundle.json")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(sock / "s"))
        assert "a socket" in refused(lambda: open_files(sock))[1]


def test_names_in_a_folder_that_are_not_utf8_are_refused(tmp_path):
    folder_with(tmp_path, "bundle.json")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.json")).write_text("{}")
    assert "is not UTF-8" in refused(lambda: open_files(tmp_path))[1]


def test_more_files_in_a_folder_than_the_limit_are_refused(tmp_path):
    folder_with(tmp_path, "bundle.json", "a", "b")
    assert "more than 2 files" in refused(lambda: open_files(tmp_path, Limits(members=2)))[1]
    large = open_files(tmp_path, Limits(file_bytes=1))
    with pytest.raises(OSError, match="more than 1 bytes"):
        large.read("bundle.json")


def test_what_is_not_there_or_empty_or_something_else_is_said_so(tmp_path):
    assert refused(lambda: open_files(tmp_path / "nowhere"))[0] == "bundle-not-found"
    assert refused(lambda: open_files(tmp_path))[0] == "bundle-empty"
    (tmp_path / "readme.md").write_text("x")
    assert refused(lambda: open_files(tmp_path))[0] == "bundle-not-a-bundle"
    os.mkfifo(tmp_path / "pipe")
    assert refused(lambda: open_files(tmp_path / "pipe"))[0] == "bundle-not-a-bundle"


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A folder that everybody may enter, with this process acting as a user who is not root."""
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o755)
    was = os.geteuid()
    if was == 0:
        os.chown(place, 65534, 65534)
        os.seteuid(65534)
    yield place
    os.seteuid(was)
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    place.rmdir()


def test_what_may_not_be_read_is_unreachable_with_the_reason(as_nobody):
    archive = as_nobody / "bundle.tar.gz"
    archive.write_bytes(tar_of(MANIFEST))
    archive.chmod(0)
    closed = folder_with(as_nobody / "b", "bundle.json", "aws/a.json")
    (closed / "aws").chmod(0)
    try:
        for place in (archive, closed):
            assert refused(lambda place=place: open_files(place)) == (
                "bundle-unreadable",
                f"{place} cannot be read: Permission denied",
            )
    finally:
        (closed / "aws").chmod(stat.S_IRWXU)
