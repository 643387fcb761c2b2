"""`capture`, wired: the source, what is read of it, the limits, the file, and what is said about it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Any

import click

from efsdiag.cli import output
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.cli.manifests import manifest_of
from efsdiag.cli.progress import Progress, watched
from efsdiag.cli.run import rulebook_of
from efsdiag.cli.signals import undivided
from efsdiag.cli.sources import LiveOptions, Opened, fault_of, open_bundle, open_live, target_told_of
from efsdiag.model import Subject
from efsdiag.report.text import safe
from efsdiag.rules import Rulebook
from efsdiag.subjects import parse_target
from efsdiag.taking import Taking
from efsdiag.world import recorder
from efsdiag.world.bundle_limits import Fitted, fitted
from efsdiag.world.bundle_reads import Outcome, Recorded
from efsdiag.world.bundle_writing import verify_free, write_bundle
from efsdiag.world.capped import Capped
from efsdiag.world.errors import Unreachable
from efsdiag.world.pseudonymous import Renamed, renamed

LEAST_KEY = 16
"""Bytes of a key for pseudonyms."""
MOST_KEY = 65_536
"""Bytes: a file that is longer, or has no end, is another one than was meant."""
MOST_SAID = 10
"""Lines about what was not read, without -v."""


@dataclass(frozen=True)
class Wanted:
    """What was asked on the command line."""

    target: tuple[str, ...]
    all_namespaces: bool
    namespace: str | None
    file: Path
    max_size: int
    timeout: float
    verbose: bool


def run(target: tuple[str, ...], given: Mapping[str, Any]) -> int:
    """Writes the bundle, says what is in it, and returns the exit code. Errors: Fault."""
    wanted = Wanted(target, file=Path(given["file"]), **{n: given[n] for n in _SAME})
    _verify(wanted)
    live = LiveOptions.of(given)
    key = _key(given["pseudonym_key"]) if given["pseudonym_key"] else token_bytes(32) if given["pseudonyms"] else b""
    rulebook = rulebook_of(given["rules"])
    opened = open_bundle(given["bundle"]) if given["bundle"] else open_live(live)
    with opened.closing:
        taking = _taken(wanted, rulebook, opened)
        opened.verify()
        manifest = recorder.manifest_of({**manifest_of(opened), "leftOut": taking.left_out})
    entries, needed, hidden = taking.entries, taking.needed, None
    if key:
        hidden = renamed(key, entries, manifest)
        entries, manifest, needed = hidden.entries, hidden.manifest, {hidden.query(query) for query in needed}
    try:
        made = fitted(entries, manifest, wanted.max_size, {entry.query for entry in entries} - needed)
        with undivided():
            write_bundle(wanted.file, lambda: made.files, manifest["capturedAt"])
    except Unreachable as error:
        raise fault_of(error) from error
    _say(wanted, taking.asked, hidden, made)
    return 0


_SAME = ("all_namespaces", "namespace", "max_size", "timeout", "verbose")


def _verify(wanted: Wanted) -> None:
    """Before anything is read. Errors: click.UsageError, Fault."""
    if wanted.all_namespaces and (wanted.target or wanted.namespace):
        raise click.UsageError("-A is for everything, a target and -n are for a part of it: give one of them")
    if not (wanted.target or wanted.all_namespaces or wanted.namespace):
        raise click.UsageError("give a target, or -n for all that is in a namespace, or -A for everything")
    try:
        verify_free(wanted.file)
    except Unreachable as error:
        raise fault_of(error) from error


def _key(file: str) -> bytes:
    """The key in the file. Errors: Fault."""
    try:
        with Path(file).open("rb") as opened:
            key = opened.read(MOST_KEY + 1).strip()
    except OSError as error:
        raise Fault("key-unreadable", f"{file} cannot be read: {error.strerror or error}", "", USAGE) from error
    if len(key) > MOST_KEY:
        hint = f"head -c 32 /dev/urandom > {file}.key makes one"
        raise Fault("key-too-long", f"{file} has more than {MOST_KEY} bytes, so it is no key", hint, USAGE)
    if len(key) < LEAST_KEY:
        hint = f"head -c 32 /dev/urandom > {file} makes one"
        raise Fault("key-too-short", f"{file} has {len(key)} bytes; wanted are {LEAST_KEY} or more", hint, USAGE)
    return key


def _taken(wanted: Wanted, rulebook: Rulebook, opened: Opened) -> Taking:
    """What was read. Errors: Fault."""
    capped = Capped(opened.source, wanted.timeout)
    progress = Progress(capped, output.width()) if watched() else None
    recording = recorder.Recording(progress or capped, wanted.file, {})
    taking = Taking(rulebook, recording, opened.now, opened.workers, wanted.max_size)
    try:
        with target_told_of(opened):
            if wanted.target:
                taking.around(parse_target(wanted.target, wanted.namespace or opened.namespace))
            else:
                taking.all_in(wanted.namespace or "", opened.namespace)
        return taking
    finally:
        if progress:
            progress.clear()


def _say(wanted: Wanted, asked: Sequence[Subject], hidden: Renamed | None, made: Fitted) -> None:
    """What is in the bundle on standard output, and on stderr what is not."""
    answered = sum(entry.outcome is not Outcome.REFUSED for entry in made.entries)
    what = "1 target" if wanted.target else f"{len(asked)} with storage"
    size = sum(len(data) for data in made.files.values())
    output.write(f"{safe(str(wanted.file))}: {what}, {answered} reads, {_in_units(size)} unpacked\n")
    for subject in asked if wanted.target else ():
        shown = hidden.pseudonyms.text if hidden else str
        target = [f"{subject.kind}/{shown(subject.name)}", "-n", shown(subject.namespace)]
        words = ["efsdiag", "why", *target, "--bundle", str(wanted.file)]
        output.write(f"{safe(shlex.join(words))}\n")
    _complain("left out", made.left_out, wanted.verbose)
    refused = [e for e in made.entries if e.outcome is Outcome.REFUSED]
    _complain("not read", sorted({_sentence(e) for e in refused}), wanted.verbose)


def _complain(what: str, lines: Sequence[str], verbose: bool) -> None:
    shown = lines if verbose else lines[:MOST_SAID]
    for line in shown:
        print(safe(f"{what}: {line}"), file=sys.stderr)
    if len(lines) > len(shown):
        print(f"{what}: {len(lines) - len(shown)} more (-v names them; so does the bundle)", file=sys.stderr)


def _sentence(entry: Recorded) -> str:
    grant = f" ({entry.grant})" if entry.grant else ""
    return f"{entry.query}: {entry.why}{grant}"


def _in_units(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(size // 1000, 1)} kB"
