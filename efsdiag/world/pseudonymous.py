"""What was recorded, with pseudonyms: the queries, the answers, the refusals and what the bundle says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from efsdiag.model import Query
from efsdiag.operations import read_of
from efsdiag.pseudonyms.names import Pseudonyms, pseudonyms_for
from efsdiag.world.bundle_reads import Recorded

NOTE = (
    "names, addresses and account ids are pseudonyms; not replaced are ids that AWS and Kubernetes chose, times, words "
    "of one or two letters, words that everybody has, and names that a policy has a pattern for, ending inside a word"
)
"""What bundle.json says under "pseudonyms"."""


@dataclass(frozen=True)
class Renamed:
    """What was recorded under pseudonyms, and what made them."""

    pseudonyms: Pseudonyms
    entries: list[Recorded]
    manifest: dict[str, Any]

    def query(self, query: Query) -> Query:
        """The query that asks for the same."""
        return _query(self.pseudonyms, query)


def renamed(key: bytes, entries: Sequence[Recorded], manifest: Mapping[str, Any]) -> Renamed:
    """All that was asked and answered, with the pseudonyms that the key makes."""
    asked = [dict(entry.query.parameters) for entry in entries]
    named = [{"metadata": given} for given in asked if "name" in given]
    found = pseudonyms_for(key, [*(entry.answer for entry in entries), *asked, *named, manifest])
    told = {**found.value(manifest), "capturedAt": manifest["capturedAt"], "pseudonyms": NOTE}
    return Renamed(found, [_entry(found, entry) for entry in entries], told)


def _entry(pseudonyms: Pseudonyms, entry: Recorded) -> Recorded:
    answer = pseudonyms.value(entry.answer)
    if entry.query.operation.startswith("kube:list ") and isinstance(answer, list):
        answer = sorted(answer, key=_key)  # as a server would give them
    return replace(
        entry,
        query=_query(pseudonyms, entry.query),
        answer=answer,
        why=pseudonyms.text(entry.why),
        grant=pseudonyms.text(entry.grant),
    )


def _key(thing: Any) -> str:
    metadata = thing.get("metadata") or {}
    return f"{metadata.get('namespace') or ''}/{metadata.get('name')}"


def _query(pseudonyms: Pseudonyms, query: Query) -> Query:
    return read_of(query.operation, **{name: pseudonyms.value(value) for name, value in query.parameters})
