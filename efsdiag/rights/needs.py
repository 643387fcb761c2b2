"""What each read and write is needed for: by which check, which remedy, or for what a command does besides.

All of it is derived: a check names its evidence, the evidence's code names its reads, a remedy's code names its writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from efsdiag.gather import parameters_of
from efsdiag.operations import READS
from efsdiag.remedy_rules import Remedy
from efsdiag.rights.spoken import operations_of
from efsdiag.rules import Rulebook
from efsdiag.world.job_logs import listing, reach
from efsdiag.writes import WRITES

JOB_LOGS = {"volume:entries": listing, "volume:reach": reach}
"""What is read from the cluster where a query about a volume is asked: the logs of efsdiag's own Jobs."""
LOCK = ("kube:create leases", "kube:get leases", "kube:patch leases", "kube:delete leases")
"""What `world/lease.py` asks for, in the namespace kube-system."""
HEARS = "hears what was said about the pod"
LOCKS = "keeps two plans apart"
LOST = "sees what became of a call whose answer was lost"


@dataclass
class Reasons:
    """Why an operation is needed. `purposes` are phrases that go on "it …"."""

    checks: dict[str, int] = field(default_factory=dict)
    """Check → how many operations it needs in all; those that need few are the nearest to each of them."""
    remedies: dict[str, int] = field(default_factory=dict)
    purposes: dict[str, None] = field(default_factory=dict)

    def add(self, other: Reasons) -> None:
        """Takes over the reasons of another."""
        self.checks |= other.checks
        self.remedies |= other.remedies
        self.purposes |= other.purposes


class Needs(dict[str, Reasons]):
    """Operation → why it is needed."""

    def ask(self, operations: Iterable[str], why: Reasons) -> None:
        """These operations are needed, for these reasons."""
        for name in operations:
            self.setdefault(name, Reasons()).add(why)
            if name in JOB_LOGS:
                self.ask(operations_of(JOB_LOGS[name]), why)

    def merge(self, other: Mapping[str, Reasons]) -> None:
        """These needs, too."""
        for name, reasons in other.items():
            self.setdefault(name, Reasons()).add(reasons)


def of_checks(book: Rulebook) -> Needs:
    """What the checks read, by way of the evidence that they ask for."""
    needs = Needs()
    for check in book.checks.values():
        reads = _evidence_reads(book, check.judge) | _closure(book, [check.shown_by])
        needs.ask(reads, Reasons(checks={check.id: len(reads)}))
    # What was said about the pod is heard after all checks, whether or not one of them asks for it.
    needs.ask(_closure(book, ["heard"]), for_(HEARS))
    return needs


def of_remedies(book: Rulebook, remedies: Iterable[Remedy]) -> Needs:
    """What remedies read to make their proposals."""
    needs = Needs()
    for remedy in remedies:
        reads = _evidence_reads(book, remedy.propose)
        needs.ask(reads, Reasons(remedies={remedy.id: len(reads)}))
    return needs


def of_changes(book: Rulebook, remedies: Iterable[Remedy]) -> Needs:
    """What carrying out remedies writes, and reads besides, with the undo of it and the lock."""
    needs = Needs()
    for remedy in remedies:
        said = operations_of(remedy.propose)
        patched = _objects_of(book, remedy)
        kept = {name for name in said if not name.startswith("kube:patch ") or name.partition(" ")[2] in patched}
        needs.ask(kept, Reasons(remedies={remedy.id: len(kept)}))
    needs.ask(LOCK, for_(LOCKS))
    made = {name.partition(" ")[2] for name in needs if name.startswith(("kube:create ", "kube:patch "))}
    needs.ask((f"kube:get {resource}" for resource in made), for_(LOST))
    return needs


def of_parts(parts: Mapping[str, Iterable[Any]]) -> Needs:
    """What other parts of the program read: purpose → its functions, classes and modules."""
    needs = Needs()
    for purpose, roots in parts.items():
        needs.ask(operations_of(*roots) & READS.keys(), for_(purpose))
    return needs


def writing(needs: Needs) -> Needs:
    """The part of the needs that the identity which writes has to have."""
    kept = Needs()
    for name, reasons in needs.items():
        purposes = {p: None for p in reasons.purposes if p in (LOCKS, LOST)}
        if name in WRITES or purposes:
            kept[name] = Reasons({}, reasons.remedies if name in WRITES else {}, purposes)
    return kept


def for_(purpose: str) -> Reasons:
    """One purpose as reasons."""
    return Reasons(purposes={purpose: None})


def _evidence_reads(book: Rulebook, function: Any) -> frozenset[str]:
    return _closure(book, [name for name, _ in parameters_of(function)])


def _closure(book: Rulebook, names: Iterable[str]) -> frozenset[str]:
    """What is read for these evidences and all that they are made from."""
    seen: set[str] = set()
    found: set[str] = set()
    unvisited = [name for name in names if name in book.evidence]
    while unvisited:
        name = unvisited.pop()
        if name in seen:
            continue
        seen.add(name)
        function = book.evidence[name]
        found |= operations_of(function)
        unvisited += [p for p, _ in parameters_of(function) if p in book.evidence]
    return frozenset(found & READS.keys())


def _objects_of(book: Rulebook, remedy: Remedy) -> set[str]:
    """The resources whose objects the remedy is given, and so could patch: "persistentvolumes"."""
    found: set[str] = set()
    unvisited = [name for name, _ in parameters_of(remedy.propose)]
    seen = set(unvisited)
    while unvisited:
        function = book.evidence.get(unvisited.pop())
        if function is None:
            continue
        own = operations_of(function)
        found |= {name.partition(" ")[2] for name in own if name.startswith("kube:")}
        # Evidence that reads nothing itself hands on what it was made from.
        more = [p for p, _ in parameters_of(function) if p not in seen and not own]
        seen.update(more)
        unvisited += more
    return found
