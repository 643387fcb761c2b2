"""Makes a bundle fit into so many bytes: the beginnings of long logs go first, then lists that no diagnosis asked for.

What goes is refused in reads.json, with the reason, so nothing that was left out counts as empty.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from efsdiag.model import Query
from efsdiag.operations import read_of
from efsdiag.world.bundle_reads import Outcome, Recorded
from efsdiag.world.bundle_writing import size_of
from efsdiag.world.errors import Unreachable
from efsdiag.world.recorder import files_of

LEAST_LOG = 2000
"""Bytes of a log that are kept before any list goes: its last lines."""
_ROUNDS = 8
GRANT = "a capture with a larger --max-size"


@dataclass(frozen=True)
class Fitted:
    """What is written, and what of it was cut or left out."""

    entries: tuple[Recorded, ...]
    files: Mapping[str, bytes]
    left_out: tuple[str, ...]


def fitted(
    entries: Sequence[Recorded], manifest: Mapping[str, Any], most_bytes: int, spare: Collection[Query] = ()
) -> Fitted:
    """The files of a bundle of at most so many bytes. `spare` are the queries that no diagnosis asked.

    Errors: Unreachable where even without all of that it is larger.
    """
    kept = list(entries)
    left_out: list[str] = []
    log_bytes = max((len(_bytes(e)) for e in kept if _is_log(e)), default=0)
    while True:
        files = files_of(kept, _told(manifest, left_out))
        excess = size_of(files) - most_bytes
        if excess <= 0:
            return Fitted(tuple(kept), files, (*manifest.get("leftOut", ()), *left_out))
        if log_bytes > LEAST_LOG:
            log_bytes = max(LEAST_LOG, _longest_within(kept, excess, log_bytes))
            kept, left_out = _with_short_logs(entries, log_bytes)
            continue
        dropped = _without_the_largest(kept, spare)
        if dropped is None:
            dropped = _without_logs(kept)
        if dropped is None:
            message = f"what the diagnosis read is {size_of(files)} bytes, and at most {most_bytes} are wanted"
            raise Unreachable("bundle-too-large", message, "give a larger --max-size, or one target")
        kept, said = dropped
        left_out.append(said)


def _told(manifest: Mapping[str, Any], left_out: Sequence[str]) -> dict[str, Any]:
    said = [*manifest.get("leftOut", ()), *left_out]
    return {**manifest, "leftOut": said} if said else {k: v for k, v in manifest.items() if k != "leftOut"}


def _is_log(entry: Recorded) -> bool:
    return entry.query.operation.startswith("kube:log ") and entry.outcome is Outcome.ANSWERED


def _bytes(entry: Recorded) -> bytes:
    return str(entry.answer).encode("utf-8", "replace")


def _longest_within(entries: Sequence[Recorded], excess: int, log_bytes: int) -> int:
    """How long a log may be so that all logs together lose `excess` bytes, and the short ones nothing."""
    lengths = sorted(min(len(_bytes(e)), log_bytes) for e in entries if _is_log(e))
    left = sum(lengths) - excess
    for number, length in enumerate(lengths):
        share = left // (len(lengths) - number)
        if length > share:
            return max(share, 0)
        left -= length
    return log_bytes - 1


def _with_short_logs(entries: Sequence[Recorded], most: int) -> tuple[list[Recorded], list[str]]:
    """Each longer log as its last lines, under the query for so many lines; what was asked for is refused."""
    made: dict[Query, Recorded] = {}
    said: list[str] = []
    for entry in entries:
        text = _bytes(entry) if _is_log(entry) else b""
        if len(text) <= most:
            made[entry.query] = entry
            continue
        tail = text[-most:].partition(b"\n")[2].decode("utf-8", "replace")
        lines = tail.count("\n") + bool(tail and not tail.endswith("\n"))
        why = f"left out: of this log only the last {lines} lines are kept, since the bundle would be too large"
        made[entry.query] = Recorded(entry.query, Outcome.REFUSED, why=why, grant=GRANT)
        said.append(f"{_named(entry.query)}: all but the last {lines} lines")
        parameters = {**dict(entry.query.parameters), "tailLines": str(lines)}
        short = read_of(entry.query.operation, **parameters)
        if lines and short != entry.query:
            made[short] = replace(entry, query=short, answer=tail)
    return list(made.values()), said


def _without_the_largest(entries: Sequence[Recorded], spare: Collection[Query]) -> tuple[list[Recorded], str] | None:
    """The entries with the largest one refused that no diagnosis asked for; None where there is none."""
    able = [e for e in entries if e.query in spare and e.outcome is Outcome.ANSWERED]
    return _refused(entries, max(able, key=lambda e: len(json.dumps(e.answer)))) if able else None


def _without_logs(entries: Sequence[Recorded]) -> tuple[list[Recorded], str] | None:
    able = [e for e in entries if _is_log(e)]
    return _refused(entries, max(able, key=lambda e: len(_bytes(e)))) if able else None


def _refused(entries: Sequence[Recorded], largest: Recorded) -> tuple[list[Recorded], str]:
    why = "left out: the bundle would be too large"
    refused = Recorded(largest.query, Outcome.REFUSED, why=why, grant=GRANT)
    return [refused if e is largest else e for e in entries], f"{_named(largest.query)}: all of it"


def _named(query: Query) -> str:
    """The query without what only bounds it."""
    given = {name: value for name, value in query.parameters if name not in ("atMost", "tailLines")}
    return str(read_of(query.operation, **given))
