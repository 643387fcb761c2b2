"""The nouns: Query → Evidence → Verdict → Diagnosis (→ Plan → Change). Standard library only.

Everything here is a frozen value. What is not decided is `unknown`: the zero value of a verdict is "nobody looked".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

Answer: TypeAlias = Any
"""What a source returns: the raw JSON of the vendor (dict, list or str), or None for "does not exist"."""


@dataclass(frozen=True)
class Query:
    """One read of Kubernetes, AWS or a volume, as data.

    `operation` is a name of `operations.READS`: "kube:get pods", "efs:DescribeMountTargets", "volume:entries".
    `parameters` are sorted pairs; a value is a string or a tuple of strings, so that a query can be a dictionary key.
    """

    operation: str
    parameters: tuple[tuple[str, str | tuple[str, ...]], ...] = ()

    def __getitem__(self, name: str) -> str | tuple[str, ...]:
        return dict(self.parameters)[name]

    def get(self, name: str, default: str = "") -> str:
        """The parameter as one string; `default` where the query does not have it."""
        value = dict(self.parameters).get(name, default)
        return value if isinstance(value, str) else ",".join(value)

    def __lt__(self, other: Query) -> bool:
        """Queries sort as they read: a parameter may be a string in the one and a tuple in the other."""
        return str(self) < str(other)

    def __str__(self) -> str:
        given = " ".join(f"{k}={v if isinstance(v, str) else ','.join(v)}" for k, v in self.parameters)
        return f"{self.operation} {given}".strip()


class Unreadable(Exception):
    """A source could not look: refused, timed out, unreachable, or not in the bundle. Never "does not exist"."""

    def __init__(self, query: Query | None, why: str, grant: str = "") -> None:
        super().__init__(why)
        self.query = query
        self.why = why
        self.grant = grant
        """What would make it readable: the verb and resource, the IAM action, or how to collect it."""


class Source(Protocol):
    """Answers queries: live, bundle, recorder. Returns a value, None for "does not exist", or raises `Unreadable`."""

    def __call__(self, query: Query) -> Answer: ...


@dataclass(frozen=True)
class Ref:
    """An object by name, in Kubernetes ("Pod", "monitoring", "x") or in AWS ("SecurityGroup", "", "sg-0a")."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(p for p in (self.kind, self.namespace, self.name) if p)


@dataclass(frozen=True)
class Subject:
    """What we were asked about. `kind` is the Kubernetes kind in lower case: pod, deployment, persistentvolumeclaim."""

    kind: str
    namespace: str
    name: str


class State(Enum):
    """What looking at the evidence showed (design: every check begins as unknown)."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    WAITING = "waiting"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """One way in which a claim fails, on one object. A verdict that fails has at least one."""

    mode: str
    """An id of the failure catalogue, or "" where a milestone fails in a way that no mode names."""
    says: str
    object: Ref | None = None
    sure: bool = True
    """False where only a message says so: the cause is then likely, not confirmed."""
    proof: tuple[str, ...] = ()
    """Lines a reader can check: field paths with values, log lines, events."""


@dataclass(frozen=True)
class Verdict:
    """The state of one check, with the sentence of today's names."""

    state: State = State.UNKNOWN
    says: str = "not looked at"
    findings: tuple[Finding, ...] = ()
    grant: str = ""
    proof: tuple[str, ...] = ()
    unread: str = ""
    """Why something could not be read, where the claim fails by what else is known; `grant` is what to allow."""


def passed(says: str, *proof: str) -> Verdict:
    """The claim holds, and `proof` are the lines that show it."""
    return Verdict(State.PASS, says, proof=proof)


def skipped(says: str) -> Verdict:
    """The claim does not apply here."""
    return Verdict(State.SKIP, says)


def waiting(says: str) -> Verdict:
    """What the claim inspects does not exist yet."""
    return Verdict(State.WAITING, says)


def unknown(says: str, grant: str = "") -> Verdict:
    """Nobody could look. Checks return it only for what the evidence itself leaves open; the engine does the rest."""
    return Verdict(State.UNKNOWN, says, grant=grant)


def failed(mode: str, says: str, on: Ref | None = None, *proof: str, sure: bool = True) -> Verdict:
    """The claim does not hold in the way `mode`, on the object `on`."""
    return Verdict(State.FAIL, says, (Finding(mode, says, on, sure, proof),))


def failed_all(findings: Sequence[Finding]) -> Verdict:
    """The claim fails in several ways, or on several objects, at once."""
    return Verdict(State.FAIL, findings[0].says, tuple(findings))


@dataclass(frozen=True)
class Unread:
    """Stands in for evidence that could not be read, in a parameter whose default is `UNREAD`."""

    why: str = ""
    grant: str = ""

    def __bool__(self) -> bool:
        return False


UNREAD = Unread("not asked for")
"""Default of a parameter whose function can decide without it: it then gets an `Unread`, and must not pass on it."""


@dataclass(frozen=True)
class Evidence:
    """A named value with the queries behind it."""

    name: str
    value: Any
    queries: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Missing:
    """Evidence that is not there: absent (what it inspects does not exist) or unreadable (we could not look)."""

    name: str
    why: str
    absent: bool
    grant: str = ""
    queries: tuple[Query, ...] = ()


class ModeKind(Enum):
    """A cause can be blamed; a symptom never ends a walk; a risk blocks nothing."""

    CAUSE = "cause"
    SYMPTOM = "symptom"
    RISK = "risk"


@dataclass(frozen=True)
class Mode:
    """One entry of the failure catalogue."""

    id: str
    kind: ModeKind
    meaning: str
    fix: tuple[str, ...] = ()
    risk: str = "safe"
    reversible: bool = True
    by_hand: tuple[str, ...] = ()
    confused_with: tuple[str, ...] = ()
    """Modes that look alike: their ids."""
    references: tuple[str, ...] = ()
    signs: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    not_judged: str = ""
    """Why no check looks for it; "" where one does."""
    decided_by: str = ""
    """For such a mode: the evidence that would decide it."""


@dataclass(frozen=True)
class Check:
    """One claim that should hold: the text of its rule and the function that judges it."""

    id: str
    claim: str
    matters: str
    blocks: tuple[str, ...]
    modes: tuple[str, ...]
    judge: Callable[..., Verdict]
    reference: str = ""
    by_hand: tuple[str, ...] = ()
    milestone: bool = False
    actionable: bool = False
    """A symptom that tells the reader where to act even where nothing behind it could be looked at."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    shown_by: str = ""
    """Evidence, a sentence, that shows where nobody could look that the claim is not in the way; "" where none does."""
    where: str = ""
    """File and line of the rule."""


@dataclass(frozen=True)
class Cause:
    """A failing check without a failing check behind it, for one of its findings."""

    check: str
    finding: Finding
    confirmed: bool
    chain: tuple[str, ...]
    unverified: tuple[str, ...] = ()
    """Unknown checks behind it, which could still turn out to be the deeper cause."""


@dataclass(frozen=True)
class Latent:
    """Wrong, but not the cause: what cut it off from the target (passing or skipped checks), or nothing to cut."""

    check: str
    finding: Finding
    cleared_by: tuple[str, ...]


@dataclass(frozen=True)
class Suspect:
    """A check nobody could look at that could have led to the target's failure."""

    check: str
    reason: str
    grant: str = ""
    supported_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class RuledOut:
    """Checks that cannot be why the target fails, and the passing checks that show it."""

    check: str
    by: tuple[str, ...]


class Status(Enum):
    """The answer in one word, and its exit code."""

    HEALTHY = "healthy"
    DIAGNOSED = "diagnosed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Diagnosis:
    """The verdicts sorted into causes, symptoms, suspects and latent findings."""

    target: str
    status: Status
    verdicts: Mapping[str, Verdict]
    causes: tuple[Cause, ...]
    symptoms: tuple[str, ...]
    suspects: tuple[Suspect, ...]
    latent: tuple[Latent, ...]
    ruled_out: tuple[RuledOut, ...]
    deepest: tuple[str, ...] = ()
    """The failing milestones nearest to the cause, where no cause could be named."""
