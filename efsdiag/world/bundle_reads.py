"""reads.json: every query that was recorded, with its outcome.

The files of a recorded bundle hold what narrow reads brought home, so a List in it is not all that there was. This is
where it is written down what was asked; nothing else is answered from such a bundle.

    {"apiVersion": "efsdiag/v1", "kind": "RecordedReads", "reads": [
      {"operation": "kube:get pods", "parameters": {"name": "x", "namespace": "a"}, "outcome": "answered"},
      {"operation": "ec2:DescribeVpcs", "parameters": {"VpcIds": ["vpc-1"]}, "outcome": "absent"},
      {"operation": "kube:list events", "parameters": {}, "outcome": "refused", "why": "...", "grant": "..."}]}

A list of all namespaces has "files", which it is spread over. An answer that the files cannot give back exactly (an
object that changed between two reads, a list in another order) stands in the entry itself, as "answer".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from efsdiag.model import Answer, Query
from efsdiag.operations import READS, resource_of
from efsdiag.world.bundle_aws import covers
from efsdiag.world.bundle_layout import values_of

READS_FILE = "reads.json"
API_VERSION = "efsdiag/v1"
KIND = "RecordedReads"


class Outcome(Enum):
    """How a recorded read ended."""

    ANSWERED = "answered"
    ABSENT = "absent"
    REFUSED = "refused"


@dataclass(frozen=True)
class Recorded:
    """One query with its outcome."""

    query: Query
    outcome: Outcome
    answer: Answer = None
    """The answer, where `inline`; else it is in the files."""
    inline: bool = False
    why: str = ""
    grant: str = ""
    files: tuple[str, ...] = ()
    """The files that a list of all namespaces is spread over: where one is gone, so is the answer."""


class Reads:
    """What was recorded, to be looked up by query."""

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        self._by_query = {entry.query: entry for entry in recorded}
        self._by_operation: dict[str, list[Recorded]] = {}
        self._whole: dict[Query, Recorded] = {}
        for entry in self._by_query.values():
            self._by_operation.setdefault(entry.query.operation, []).append(entry)
            if entry.query.get("atMost") and entry.outcome is not Outcome.REFUSED:
                unbounded = tuple(pair for pair in entry.query.parameters if pair[0] != "atMost")
                self._whole[Query(entry.query.operation, unbounded)] = entry

    def same(self, query: Query) -> Recorded | None:
        """The entry of the same query."""
        return self._by_query.get(query)

    def wider(self, query: Query) -> Recorded | None:
        """The entry of a read whose answer holds that of `query`; None where there is none.

        That is a list of all objects of the kind, in the namespace or everywhere, which is also what a list of at most
        so many objects is where it was answered; a log with at least as many lines;
        an AWS list that only has to be narrowed.
        """
        if query.operation.startswith(("kube:get ", "kube:list ")):
            return self._list_around(query)
        same_operation = self._by_operation.get(query.operation, [])
        answered = [entry for entry in same_operation if entry.outcome is Outcome.ANSWERED]
        if query.operation.startswith("kube:log "):
            return next((entry for entry in answered if _longer(entry.query, query)), None)
        if query.operation.startswith("volume:"):
            return None
        read, asked = READS[query.operation], values_of(query)
        return next((entry for entry in answered if covers(read, values_of(entry.query), asked)), None)

    def _list_around(self, query: Query) -> Recorded | None:
        operation, namespace = f"kube:list {resource_of(query)}", query.get("namespace")
        here = Query(operation, (("namespace", namespace),)) if namespace else Query(operation)
        entries = [known.get(query) for query in (here, Query(operation)) for known in (self._by_query, self._whole)]
        return next((entry for entry in entries if entry and entry.outcome is not Outcome.REFUSED), None)


def _longer(recorded: Query, asked: Query) -> bool:
    """True where both are about the same log, and `recorded` brought at least the lines that `asked` wants."""
    of_one, of_other = ({n: v for n, v in q.parameters if n != "tailLines"} for q in (recorded, asked))
    if of_one != of_other:
        return False
    had, wanted = recorded.get("tailLines"), asked.get("tailLines")
    return not had or (had.isdecimal() and wanted.isdecimal() and int(wanted) <= int(had))


def as_document(recorded: Iterable[Recorded]) -> dict[str, Any]:
    """The content of reads.json, in the order given."""
    return {"apiVersion": API_VERSION, "kind": KIND, "reads": [_as_entry(entry) for entry in recorded]}


def from_document(document: Any) -> Reads:
    """The content of reads.json. Raises ValueError where it is not what `as_document` makes; the text says why."""
    if not isinstance(document, dict):
        raise ValueError("it is not an object")
    found = (document.get("apiVersion"), document.get("kind"))
    if found != (API_VERSION, KIND):
        raise ValueError(f"it is {found[1]} of {found[0]}, wanted is {KIND} of {API_VERSION}")
    entries = document.get("reads")
    if not isinstance(entries, list):
        raise ValueError("its reads are not a list")
    return Reads(_from_entry(at, entry) for at, entry in enumerate(entries))


def _as_entry(recorded: Recorded) -> dict[str, Any]:
    query = recorded.query
    parameters = {name: value if isinstance(value, str) else list(value) for name, value in query.parameters}
    entry = {"operation": query.operation, "parameters": parameters, "outcome": recorded.outcome.value}
    if recorded.outcome is Outcome.REFUSED:
        entry |= {"why": recorded.why, "grant": recorded.grant}
    if recorded.files:
        entry["files"] = list(recorded.files)
    if recorded.inline:
        entry["answer"] = recorded.answer
    return entry


def _from_entry(at: int, entry: Any) -> Recorded:
    try:
        outcome = Outcome(entry["outcome"])
        query = Query(str(entry["operation"]), tuple(sorted(_pairs(entry["parameters"]))))
        why, grant, files = entry.get("why", ""), entry.get("grant", ""), entry.get("files", [])
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise ValueError(f"read {at} cannot be understood: {type(fault).__name__}: {fault}") from fault
    if not isinstance(files, list) or not all(isinstance(text, str) for text in (why, grant, *files)):
        raise ValueError(f"read {at} has a why, a grant or a file that is not a string")
    return Recorded(query, outcome, entry.get("answer"), "answer" in entry, why, grant, tuple(files))


def _pairs(parameters: Mapping[str, Any]) -> list[tuple[str, str | tuple[str, ...]]]:
    pairs: list[tuple[str, str | tuple[str, ...]]] = []
    for name, value in parameters.items():
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise ValueError(f"the parameter {name} is neither a string nor a list of strings")
        pairs.append((name, value if isinstance(value, str) else tuple(values)))
    return pairs
