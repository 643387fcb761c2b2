"""What may be written, as data: a change with its undo, what a remedy proposes, and a plan with its digest.

Nothing here writes. A plan is agreed to by its digest, and only `world/writer.py` carries it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any

from efsdiag.model import Query, Ref, Subject


class Risk(Enum):
    """What a change can do besides its purpose. An irreversible one is shown and never applied."""

    SAFE = "safe"
    DISRUPTIVE = "disruptive"
    IRREVERSIBLE = "irreversible"

    @property
    def rank(self) -> int:
        """0 for the least of them."""
        return list(Risk).index(self)


@dataclass(frozen=True)
class Lookup:
    """A value that is read when the write is made: an id that AWS or the cluster chose.

    So an undo finds what it has to undo in the world as it is, also after a crash that lost the answer.
    """

    query: Query
    path: str
    """JMESPath into the answer; what it finds is one string, or null where there is nothing."""

    def as_json(self) -> dict[str, Any]:
        return {"read": self.query.operation, "parameters": dict(self.query.parameters), "path": self.path}


def with_lookups(value: Any, found: Callable[[Lookup], Any]) -> Any:
    """A parameter with `found` in the place of every lookup in it, however deep."""
    if isinstance(value, Lookup):
        return found(value)
    if isinstance(value, Mapping):
        return {k: with_lookups(v, found) for k, v in value.items()}
    return [with_lookups(v, found) for v in value] if isinstance(value, list) else value


def _ref_as_json(ref: Ref) -> dict[str, str]:
    return {name: value for name, value in vars(ref).items() if value}


@dataclass(frozen=True)
class Write:
    """One call that writes: an operation of `writes.WRITES` with its parameters, JSON values with `Lookup`s in them."""

    operation: str
    parameters: Mapping[str, Any] = field(hash=False)

    def as_json(self) -> dict[str, Any]:
        return {"operation": self.operation, "parameters": with_lookups(self.parameters, Lookup.as_json)}


@dataclass(frozen=True)
class Change:
    """One write, in words, with its risk and what takes it back."""

    write: Write
    words: str
    on: Ref
    risk: Risk = Risk.SAFE
    undo: Write | None = None
    residue: str = ""
    """What stays after the undo, or why there is none; "" where nothing stays."""

    def as_json(self) -> dict[str, Any]:
        return {
            "words": self.words,
            "risk": self.risk.value,
            "object": _ref_as_json(self.on),
            "write": self.write.as_json(),
            "undo": self.undo.as_json() if self.undo else None,
            "residue": self.residue,
        }


@dataclass(frozen=True)
class Declined:
    """A remedy has nothing to propose here, and why."""

    why: str


Proposal = tuple[Change, ...] | Declined


@dataclass(frozen=True)
class Option:
    """One cure of one cause: the remedy, what it costs, and its changes."""

    mode: str
    check: str
    on: Ref | None
    remedy: str
    does: str
    costs: str
    settles_s: float
    changes: tuple[Change, ...]

    @property
    def risk(self) -> Risk:
        return max((c.risk for c in self.changes), key=lambda risk: risk.rank)

    def as_json(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "check": self.check,
            "object": _ref_as_json(self.on) if self.on else None,
            "remedy": self.remedy,
            "does": self.does,
            "costs": self.costs,
            "risk": self.risk.value,
            "settlesS": self.settles_s,
            "changes": [c.as_json() for c in self.changes],
        }


@dataclass(frozen=True)
class Place:
    """Where a plan may be carried out, and nowhere else."""

    cluster: str
    """uid of the namespace kube-system; "" where it could not be read."""
    account: str
    region: str
    context: str = ""
    """Name of the context, for people."""


@dataclass(frozen=True)
class Choices:
    """What a person asks of a plan, beside its target."""

    remedies: tuple[str, ...] = ()
    """Remedies to take in the place of the least risky ones."""
    also: tuple[str, ...] = ()
    """Modes that are wrong but not the cause, and are to be mended too."""
    likely: bool = False
    """Whether causes that are likely only are mended too."""
    probe_image: str = ""
    """Image of the Jobs that look into a volume or mend it, in the place of the pod's own."""
    install: str = ""
    """Name of the install that the plan is a round of; "" where somebody mends what is there."""


@dataclass(frozen=True)
class Plan:
    """What would be written now, for which causes, and what else could be done in its place."""

    target: Subject
    place: Place
    made_at: datetime
    expires_at: datetime
    chosen: tuple[Option, ...]
    alternatives: tuple[Option, ...] = ()
    declined: tuple[tuple[str, str, str], ...] = ()
    """(mode, remedy, why) of remedies that have nothing to propose; the remedy is "" where there is none."""
    choices: Choices = Choices()
    live: bool = True
    looks: tuple[Option, ...] = ()
    """How it was looked where nobody can look without a write, and how it is looked again before it is carried out."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """The chosen changes, each once, in their order."""
        found: list[Change] = []
        for option in self.chosen:
            found += [c for c in option.changes if c not in found]
        return tuple(found)

    @property
    def look_plan(self) -> Plan:
        """The plan of the looks alone. A yes to a plan is a yes to the looks that it begins with."""
        return replace(self, chosen=self.looks, looks=(), alternatives=(), declined=())

    @property
    def holder(self) -> str:
        """In whose name the cluster is locked: this plan's, or the install's of which it is a round, so that a run that
        was killed is gone on with by another plan, as the world is another one then.
        """
        install = {"install": self.choices.install, "target": vars(self.target), "cluster": self.place.cluster}
        return _sha256(install) if self.choices.install else self.digest

    @property
    def digest(self) -> str:
        """SHA-256 of everything that a yes to this plan agrees to; the time is no part of it."""
        agreed = {
            "target": vars(self.target),
            "cluster": self.place.cluster,
            "account": self.place.account,
            "region": self.place.region,
            "chosen": [[o.mode, o.remedy] for o in self.chosen],
            "changes": [{**c.as_json(), "words": ""} for c in self.changes],
        }
        if self.looks:
            agreed["looks"] = self.look_plan.digest
        return _sha256(agreed)


def _sha256(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # A recorded name may hold half of a character, which UTF-8 cannot write.
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


@dataclass(frozen=True)
class Consent:
    """A person's yes to one digest."""

    digest: str


class Trouble(Enum):
    """Why a write did not happen, or what is known of it."""

    REFUSED = "refused"
    CONFLICT = "conflict"
    """The object is not as it was when the plan was made."""
    THROTTLED = "throttled"
    THERE = "there"
    """What is wanted is there already."""
    GONE = "gone"
    """What was to be taken away is not there."""
    EARLY = "early"
    """The service does not know yet what a change before this one has made; nothing was done."""
    INVALID = "invalid"
    IN_USE = "in use"
    """What is to be taken away is still used by something that goes away too."""
    LOST = "lost"
    """No answer came: whether it happened is not known."""


class WriteFailed(Exception):
    """A write that did not happen, or of which no answer came."""

    def __init__(self, trouble: Trouble, message: str, grant: str = "") -> None:
        self.trouble = trouble
        self.message = message
        self.grant = grant
        super().__init__(message)


class ConsentError(Exception):
    """Consent is missing, or is for another plan."""


def verify_consent(plan: Plan, consent: Consent) -> None:
    """Errors: ConsentError where the yes was to another digest."""
    if consent.digest != plan.digest:
        raise ConsentError(
            f"the approval is for {consent.digest or 'nothing'}; the digest of the plan is {plan.digest}"
        )
