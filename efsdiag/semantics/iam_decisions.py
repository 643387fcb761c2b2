"""From the statements that apply, and those that do not, to one decision with its reason.

Every layer (identity policies, permissions boundary, …) must allow, and a Deny in any of them decides.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from efsdiag.semantics.iam_conditions import every, some
from efsdiag.semantics.iam_language import Policy
from efsdiag.semantics.iam_statements import Match, Part, Request, match

Where: TypeAlias = tuple[str, str | int]
"""A statement: the name of its policy, and its Sid or its index."""


class Effect(Enum):
    """The answer."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicit-deny"
    IMPLICIT_DENY = "implicit-deny"
    UNKNOWN = "unknown"


class Reason(Enum):
    """Why. Of several reasons of an implicit deny the one nearest to an allow is given; they stand in that order."""

    ALLOW_STATEMENT = "an Allow statement applies"
    DEFAULT_POLICY = "the resource has no policy, and its default allows everyone"
    DENY_STATEMENT = "a Deny statement applies"
    UNDECIDED = "what is known does not decide"
    BOUNDARY = "the permissions boundary does not allow it"
    SERVICE_CONTROL_POLICY = "a service control policy does not allow it"
    CONDITION_FAILS = "an Allow statement names the action, but its Condition fails"
    RESOURCE_DIFFERS = "an Allow statement names the action, but not the resource"
    DELEGATED = "an Allow statement names the caller's account, which leaves it to the identity policies there"
    PRINCIPAL_DIFFERS = "an Allow statement names the action, but not the caller"
    NO_STATEMENT = "no Allow statement names the action"


@dataclass(frozen=True)
class NearMiss:
    """An Allow statement that names the action and does not apply; `keys` are the condition keys that fail."""

    policy: str
    statement: str | int
    part: Part
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The answer for one action on one resource.

    matched:       the statements on which it rests: those that allow, those that deny, or where it is unknown those
                   that cannot be decided. Of an implicit deny, those of other layers that would have allowed it.
    near_misses:   of an implicit deny, nearest first.
    missing_keys:  of an unknown, the context keys (or "Principal", "Resource") whose values would decide.
    because:       short sentences for a reader.
    """

    effect: Effect
    reason: Reason
    matched: tuple[Where, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    missing_keys: tuple[str, ...] = ()
    because: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Certainly allowed."""
        return self.effect is Effect.ALLOWED

    @property
    def denied(self) -> bool:
        """Certainly denied, in one way or the other."""
        return self.effect in (Effect.EXPLICIT_DENY, Effect.IMPLICIT_DENY)


class LayerKind(Enum):
    """Whose policies they are, as a sentence begins."""

    IDENTITY = ""
    RESOURCE = "the resource's policy "
    TRUST = "the trust policy "
    BOUNDARY = "the permissions boundary "
    SERVICE_CONTROL = "the service control policy "


@dataclass(frozen=True)
class Layer:
    """Policies of which one must allow."""

    kind: LayerKind
    names: str
    allows: tuple[Match, ...]
    denies: tuple[Match, ...]
    binding: bool = True
    """False where it is not certain that this layer counts: then that it does not allow decides nothing."""
    delegates: bool = True
    """False where the policies to which an Allow for the whole account delegates are asked as well."""

    @property
    def whose(self) -> str:
        """Kind and names in words; a policy that is named after its kind, once."""
        kind = self.kind.value
        return kind.strip() if kind.strip().endswith(f" {self.names}") else f"{kind}{self.names}"

    @property
    def allow(self) -> bool | None:
        """Whether one of the Allow statements applies."""
        value = some(False if self._left_to_others(m) else m.value for m in self.allows)
        return value if value or self.binding else None

    @property
    def undecided(self) -> list[Match]:
        """The Allow statements that may apply."""
        return [m for m in self.allows if m.value is None and not self._left_to_others(m)]

    @property
    def misses(self) -> list[Match]:
        """The Allow statements that name the action, nearest first; for a layer that does not allow."""
        named = [m for m in self.allows if m.part in _REASON_OF]
        return sorted(named, key=lambda m: _NEAREST.index(_reason_of(m)))

    @property
    def reason(self) -> Reason:
        """Why a layer that does not allow does not."""
        if self.kind in _REASON_OF_LAYER:
            return _REASON_OF_LAYER[self.kind]
        return next((_reason_of(m) for m in self.misses), Reason.NO_STATEMENT)

    def _left_to_others(self, found: Match) -> bool:
        return found.part is Part.DELEGATION and not self.delegates


Route: TypeAlias = Sequence[Layer]
"""Layers that must all allow. A request passes if one of its routes does, and if nothing in any of them denies."""

_REASON_OF = {
    Part.CONDITION: Reason.CONDITION_FAILS,
    Part.RESOURCE: Reason.RESOURCE_DIFFERS,
    Part.DELEGATION: Reason.DELEGATED,
    Part.PRINCIPAL: Reason.PRINCIPAL_DIFFERS,
}
_REASON_OF_LAYER = {
    LayerKind.BOUNDARY: Reason.BOUNDARY,
    LayerKind.SERVICE_CONTROL: Reason.SERVICE_CONTROL_POLICY,
}
_NEAREST = list(Reason)


def _reason_of(miss: Match) -> Reason:
    return _REASON_OF[miss.part] if miss.part else Reason.NO_STATEMENT


def layer_of(kind: LayerKind, policies: Sequence[Policy], request: Request) -> Layer:
    """The layer that these policies make for the request."""
    found = [match(statement, request) for policy in policies for statement in policy.statements]
    allows = tuple(m for m in found if m.statement.allows)
    denies = tuple(m for m in found if not m.statement.allows)
    return Layer(kind, ", ".join(policy.name for policy in policies), allows, denies)


def decide(action: str, routes: Sequence[Route]) -> Decision:
    """The decision: an explicit deny first, then whether some route allows, then whether an open Deny could undo it."""
    denies = list(dict.fromkeys(m for route in routes for layer in route for m in layer.denies))
    if denying := [m for m in denies if m.value]:
        said = tuple(f"{m.statement} denies {action}" for m in denying)
        return Decision(Effect.EXPLICIT_DENY, Reason.DENY_STATEMENT, _where(denying), because=said)
    allow = some(_passes(route) for route in routes)
    if allow is False:
        return _implicitly_denied(action, routes)
    open_denies = [m for m in denies if m.value is None]
    if allow is None or open_denies:
        return _undecided(action, [] if allow else routes, open_denies)
    allowing = [m for route in routes if _passes(route) for layer in route for m in layer.allows if m.value]
    said = tuple(dict.fromkeys(f"{m.statement} allows {action}" for m in allowing))
    return Decision(Effect.ALLOWED, Reason.ALLOW_STATEMENT, _where(allowing), because=said)


def _passes(route: Route) -> bool | None:
    return every(layer.allow for layer in route)


def _undecided(action: str, routes: Sequence[Route], open_denies: list[Match]) -> Decision:
    possible = [layer for route in routes if _passes(route) is None for layer in route if not layer.allow]
    waiting = list(dict.fromkeys([*open_denies, *(m for layer in possible for m in layer.undecided)]))
    unsure = [layer for layer in possible if not layer.binding]
    keys = {key for m in waiting for key in m.keys} | {layer.kind.value.strip() for layer in unsure}
    said = [f"whether {m.statement} applies to {action} cannot be told: {_for_lack_of(m)}" for m in waiting]
    said += [f"whether {layer.whose} counts here cannot be told" for layer in unsure]
    delegated = waiting and all(m.part is Part.DELEGATION for m in waiting)
    reason = Reason.DELEGATED if delegated else Reason.UNDECIDED
    return Decision(Effect.UNKNOWN, reason, _where(waiting), missing_keys=tuple(sorted(keys)), because=tuple(said))


def _for_lack_of(undecided: Match) -> str:
    return "; ".join(undecided.notes) or f"{', '.join(undecided.keys)} is not known"


def _implicitly_denied(action: str, routes: Sequence[Route]) -> Decision:
    failing = [[layer for layer in route if layer.allow is False] for route in routes]
    nearest = sorted((layers[0] for layers in failing), key=lambda layer: _NEAREST.index(layer.reason))
    misses = [m for layer in nearest for m in layer.misses]
    near = tuple(NearMiss(m.statement.policy, m.statement.label, m.part, m.keys) for m in misses if m.part)
    passed = [m for route in routes for layer in route if layer.allow for m in layer.allows if m.value]
    said = [_refusal(layer, action) for layers in failing for layer in layers]
    said += [f"{m.statement} does not apply: {'; '.join(m.notes)}" for m in misses]
    return Decision(Effect.IMPLICIT_DENY, nearest[0].reason, _where(passed), near, because=tuple(said))


def _refusal(layer: Layer, action: str) -> str:
    if not layer.names:
        return f"there is no policy that could allow {action}"
    what = f"that names {action} applies" if layer.misses else f"names {action}"
    return f"{layer.whose}: no Allow statement {what}"


def _where(found: Iterable[Match]) -> tuple[Where, ...]:
    return tuple(dict.fromkeys((m.statement.policy, m.statement.label) for m in found))
