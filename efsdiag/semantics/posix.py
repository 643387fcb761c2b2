"""Who may do what with a file: the decision of the Linux kernel, for files without an ACL, from owners and modes.

A listing of a volume is partial: a path that is not in it is unknown, never absent, unless the caller says that all
children of its parent are listed.

An NFS server decides by the numeric ids that the client sends, so this holds for Amazon EFS too, where uid 0 passes
every check unless the file system policy withholds ClientRootAccess (`root_squash`).

Source: https://man7.org/linux/man-pages/man7/path_resolution.7.html
        https://docs.aws.amazon.com/efs/latest/ug/accessing-fs-nfs-permissions.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Permission = Literal["r", "w", "x"]
Why = Literal["", "not-searchable", "not-writable", "missing", "not-a-directory", "not-listed"]

NOBODY = 65534
"""The anonymous uid and gid that root becomes where root is squashed (exports(5), anonuid)."""

_BITS: dict[str, int] = {"r": 4, "w": 2, "x": 1}
_TYPES = ("directory", "file")
_HIGHEST_ID = 2**32 - 2
_MODE = re.compile(r"[0-7]{1,5}")


@dataclass(frozen=True)
class Credentials:
    """The ids that a process acts with. `groups` are the supplementary ones; `gid` need not be among them."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()

    def __str__(self) -> str:
        more = f", groups {', '.join(map(str, sorted(self.groups)))}" if self.groups else ""
        return f"uid {self.uid}, gid {self.gid}{more}"


@dataclass(frozen=True)
class Entry:
    """A file or directory of a volume. `path` begins at the volume's root; `mode` holds the bits, without the type."""

    path: str
    type: str
    uid: int
    gid: int
    mode: int

    @property
    def is_directory(self) -> bool:
        return self.type == "directory"

    def __str__(self) -> str:
        return f"{self.path} (owner {self.uid}:{self.gid}, mode {self.mode:04o})"


@dataclass(frozen=True)
class Access:
    """How far some credentials come with writing at a path."""

    path: str
    stops_at: str
    """The first component that stops them; "" where nothing does. For a refusal this is the directory that refuses."""
    why: Why
    entry: Entry | None
    """The entry at `stops_at`; None where it is missing, not listed, or nothing stops."""
    exists: bool | None
    """Whether the leaf exists; None where the listing does not say, or it cannot be reached."""
    creatable: bool | None
    """Whether the leaf, if it is not there, could be created: write and search on the nearest existing parent. None
    where that parent is not listed; False where the leaf exists."""

    @property
    def allowed(self) -> bool | None:
        """True: they can write at the path, after creating it if it is missing. None: the listing does not say."""
        if self.why == "not-listed":
            return None
        return not self.why or (self.why == "missing" and self.creatable is True)


def parse_entries(raw: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    """The entries of a bundle's `volumes/<pv>.json`, by path.

    Shape:   {"/": Entry("/", "directory", 0, 0, 0o755), "/prometheus": ...}; paths without a trailing slash.
    Errors:  ValueError that names the entry and the field: a path that is not absolute, a type that is neither
             directory nor file, an id that is no number, a mode that is not octal, a path listed twice and differently.
    """
    entries: dict[str, Entry] = {}
    for number, item in enumerate(raw):
        entry = _entry(number, item)
        if entries.setdefault(entry.path, entry) != entry:
            raise ValueError(f"entry {number} lists {entry} a second time; the first was {entries[entry.path]}")
    return entries


def may(
    credentials: Credentials,
    entry: Entry,
    permission: Permission,
    *,
    root_squash: bool = False,
    capable: bool = True,
) -> bool:
    """Whether the kernel lets the credentials read, write, or search (directory) or execute (file) this one entry.

    `root_squash`: uid 0 and gid 0 become nobody. `capable`: uid 0 still has CAP_DAC_OVERRIDE; a container that drops it
    loses the bypass on a local disk, but not on NFS, where the server sees uid 0 only.
    """
    who = squashed(credentials) if root_squash else credentials
    if who.uid == 0 and capable:
        # CAP_DAC_OVERRIDE passes all but the execution of a file that nobody may execute.
        return permission != "x" or entry.is_directory or bool(entry.mode & 0o111)
    return bool((entry.mode >> _class_shift(who, entry)) & _BITS[permission])


def lacking(
    credentials: Credentials,
    entry: Entry,
    wanted: str,
    *,
    root_squash: bool = False,
    capable: bool = True,
) -> str:
    """The letters of `wanted` ("rwx") that the credentials do not have on the entry; "" where they have all."""
    options = {"root_squash": root_squash, "capable": capable}
    letters: tuple[Permission, ...] = ("r", "w", "x")
    return "".join(p for p in letters if p in wanted and not may(credentials, entry, p, **options))


def granting(credentials: Credentials, entry: Entry, wanted: str) -> int:
    """The entry's mode with the bits of `wanted` ("rwx") set in the one class that decides for the credentials."""
    return entry.mode | sum(_BITS[letter] for letter in wanted) << _class_shift(credentials, entry)


def squashed(credentials: Credentials) -> Credentials:
    """The credentials as a server with root squash sees them: every id 0 becomes nobody's."""
    uid, gid = credentials.uid or NOBODY, credentials.gid or NOBODY
    return Credentials(uid, gid, frozenset(group or NOBODY for group in credentials.groups))


def first_unsearchable(
    credentials: Credentials,
    entries: Mapping[str, Entry],
    path: str,
    *,
    root: str = "/",
    root_squash: bool = False,
    capable: bool = True,
) -> Entry | None:
    """The first directory from `root` down to the parent of `path` that the credentials may not search, if any.

    Directories that are not listed are passed over. `root` is where the walk begins: with a volumeMount's subPath the
    container never passes the directories above it.
    """
    options = {"root_squash": root_squash, "capable": capable}
    for parent in components(path, root)[:-1]:
        entry = entries.get(parent)
        if entry is not None and entry.is_directory and not may(credentials, entry, "x", **options):
            return entry
    return None


def access_to(
    credentials: Credentials,
    entries: Mapping[str, Entry],
    path: str,
    *,
    root: str = "/",
    listed_fully: Collection[str] = (),
    root_squash: bool = False,
    capable: bool = True,
) -> Access:
    """Whether the credentials can write at `path`: inside it if it is a directory, to it if it is a file.

    The first component that stops them is named: a parent that may not be searched, a parent that is a file, a leaf (or
    the parent of a missing leaf) that may not be written, or a component that is missing or not listed. A directory
    takes new files only from those who may write *and* search it; without either, a leaf is not-writable.

    `listed_fully` are the directories whose children are all in `entries`: below them, what is not listed is missing.
    Missing directories are created on the way, as `mkdir -p` and Go's MkdirAll do.
    """
    options = {"root_squash": root_squash, "capable": capable}
    leaf, parent = normal_path(path), None
    for component in components(path, root):
        if parent is not None and not parent.is_directory:
            return Access(leaf, parent.path, "not-a-directory", parent, False, False)
        if parent is not None and not may(credentials, parent, "x", **options):
            return Access(leaf, parent.path, "not-searchable", parent, None, False)
        entry = entries.get(component)
        if entry is None:
            writable = may(credentials, parent, "w", **options) if parent else None
            absent = parent is not None and parent.path in listed_fully
            return _not_there(leaf, component, parent, writable, absent)
        parent = entry
    assert parent is not None  # a path has one component at least, and each was found
    if lacking(credentials, parent, "wx" if parent.is_directory else "w", **options):
        return Access(leaf, leaf, "not-writable", parent, True, False)
    return Access(leaf, "", "", None, True, False)


def unwritable_files(
    credentials: Credentials,
    entries: Mapping[str, Entry],
    directory: str,
    *,
    root_squash: bool = False,
    capable: bool = True,
) -> list[Entry]:
    """What lies below `directory`, at any depth, and cannot be used by the credentials, ordered by path.

    Files that they may not both read and write, and directories that they may not list, search and add to (wal,
    chunks_head). The directory itself is not among them, and neither is it asked whether they can come that far.
    """
    options = {"root_squash": root_squash, "capable": capable}
    top = normal_path(directory)
    below = (entry for path, entry in sorted(entries.items()) if path != top and _is_within(path, top))
    return [e for e in below if lacking(credentials, e, "rwx" if e.is_directory else "rw", **options)]


def normal_path(path: str) -> str:
    """`path` without doubled and trailing slashes and without ".". Errors: ValueError if relative, or with ".."."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if not path.startswith("/") or ".." in parts:
        raise ValueError(f"path {path!r} is relative or has '..'; wanted an absolute path from the volume's root")
    return "/" + "/".join(parts)


def _not_there(leaf: str, component: str, parent: Entry | None, writable: bool | None, absent: bool) -> Access:
    """The access to a path one of whose components is not in the listing, below a parent that may be searched."""
    if not absent:
        return Access(leaf, component, "not-listed", None, None, writable)
    if writable or parent is None:
        return Access(leaf, component, "missing", None, False, True)
    return Access(leaf, parent.path, "not-writable", parent, False, False)


def components(path: str, root: str) -> list[str]:
    """Every directory from `root` to `path`, both included: ("/a/b", "/") is ["/", "/a", "/a/b"]."""
    leaf, top = normal_path(path), normal_path(root)
    if not _is_within(leaf, top):
        raise ValueError(f"path {leaf} is not below {top}; wanted a path inside the directory that is mounted")
    parts = leaf[1:].split("/") if leaf != "/" else []
    walk = ["/", *("/" + "/".join(parts[: end + 1]) for end in range(len(parts)))]
    return [component for component in walk if _is_within(component, top)]


def _is_within(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _class_shift(who: Credentials, entry: Entry) -> int:
    """How far the mode's bits for these credentials lie. The first class that matches decides alone: an owner without a
    bit is refused even where the group or the others have it."""
    if who.uid == entry.uid:
        return 6
    return 3 if entry.gid == who.gid or entry.gid in who.groups else 0


def _entry(number: int, item: Mapping[str, Any]) -> Entry:
    """One entry of the listing, or a ValueError that says which field of which entry is wrong."""
    if not isinstance(item, Mapping):
        raise ValueError(f"entry {number} is {item!r}; wanted an object with path, type, uid, gid and mode")
    path, kind, mode = item.get("path"), item.get("type"), item.get("mode")
    if not isinstance(path, str):
        raise ValueError(f"entry {number} has the path {path!r}; wanted a string")
    where = f"entry {number} ({path})"
    if kind not in _TYPES:
        raise ValueError(f"{where} has the type {kind!r}; wanted 'directory' or 'file'")
    if not isinstance(mode, str) or not _MODE.fullmatch(mode) or int(mode, 8) > 0o7777:
        raise ValueError(f"{where} has the mode {mode!r}; wanted an octal string such as '0755'")
    return Entry(
        normal_path(path), kind, _id(where, "uid", item.get("uid")), _id(where, "gid", item.get("gid")), int(mode, 8)
    )


def _id(where: str, name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _HIGHEST_ID:
        raise ValueError(f"{where} has the {name} {value!r}; wanted a number from 0 to {_HIGHEST_ID}")
    return value
