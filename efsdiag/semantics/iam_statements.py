"""Whether one statement of a policy applies to one request, and if not, which part of it does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from efsdiag.semantics.iam_conditions import condition_holds, every
from efsdiag.semantics.iam_language import Context, Listed, Resolved, Statement, matches, resolve, wildcards


class Part(Enum):
    """The part of a statement that decides."""

    ACTION = "action"
    PRINCIPAL = "principal"
    RESOURCE = "resource"
    CONDITION = "condition"
    DELEGATION = "delegation"
    """It names the caller's account: then the identity policies in that account decide."""


class PrincipalKind(Enum):
    """As the Principal element spells it."""

    AWS = "AWS"
    SERVICE = "Service"
    FEDERATED = "Federated"
    ANONYMOUS = "*"


@dataclass(frozen=True)
class Principal:
    """Who asks. `name` is an ARN, a service such as "ec2.amazonaws.com", or "" where it is not known."""

    kind: PrincipalKind
    name: str

    @staticmethod
    def aws(arn: str) -> Principal:
        """A role, a session of a role, or a user, by its ARN."""
        return Principal(PrincipalKind.AWS, arn)

    @staticmethod
    def service(name: str) -> Principal:
        """A service: "ec2.amazonaws.com", "pods.eks.amazonaws.com"."""
        return Principal(PrincipalKind.SERVICE, name)

    @staticmethod
    def federated(provider: str) -> Principal:
        """An identity provider by its ARN: "arn:aws:iam::111122223333:oidc-provider/…"."""
        return Principal(PrincipalKind.FEDERATED, provider)


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, "*")
"""Nobody in particular: an NFS client that mounts without the option `iam`."""


@dataclass(frozen=True)
class Request:
    """What is asked. `principal` is None where the policy is attached to the caller."""

    action: str
    resource: str
    context: Context
    principal: Principal | None = None
    names_resource: bool = True
    """False for a trust policy, whose statements name no resource."""


@dataclass(frozen=True)
class Match:
    """Whether the statement applies. `part` says what fails, or what cannot be decided, for lack of `keys`."""

    statement: Statement
    value: bool | None
    part: Part | None = None
    keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def match(statement: Statement, request: Request) -> Match:
    """Whether the statement applies to the request: the first part that fails, else the first that is undecided."""
    named = any(matches(wildcards(a), request.action, ignore_case=True) for a in statement.actions.values)
    if named == statement.actions.negated:
        return Match(statement, False, Part.ACTION)
    parts = [_principal(statement, request), _resource(statement, request), _conditions(statement, request)]
    failing = [part for part in parts if part.value is False]
    undecided = [part for part in parts if part.value is None]
    if failing:
        return failing[0]
    if undecided:
        keys = tuple(sorted({key for part in undecided for key in part.keys}))
        return Match(statement, None, undecided[0].part, keys, tuple(n for part in undecided for n in part.notes))
    return Match(statement, True)


def _resource(statement: Statement, request: Request) -> Match:
    if not request.names_resource:
        return Match(statement, True)
    if statement.resources is None:
        # A policy on a resource may leave it out; a policy on an identity may not.
        value = True if request.principal else None
        return Match(statement, value, Part.RESOURCE, () if value else ("Resource",))
    patterns = [_resource_pattern(text, statement, request.context) for text in statement.resources.values]
    negated = statement.resources.negated
    hit = any(p.pattern is not None and matches(p.pattern, request.resource) for p in patterns)
    empty = any(p.pattern is None and not p.missing for p in patterns)
    missing = tuple(sorted({p.missing for p in patterns if p.missing}))
    if (negated and (hit or empty)) or (not negated and not hit and not missing):
        element = "NotResource" if negated else "Resource"
        note = f"it is asked on {request.resource}; its {element} is {', '.join(statement.resources.values)}"
        return Match(statement, False, Part.RESOURCE, (), (note,))
    if missing and not hit:
        return Match(statement, None, Part.RESOURCE, missing)
    return Match(statement, True)


def _resource_pattern(text: str, statement: Statement, context: Context) -> Resolved:
    # Variables are replaced only in the sixth part of an ARN; before it, ${…} is text.
    parts = text.split(":", 5)
    if not statement.variables or len(parts) < 6:
        return Resolved(wildcards(text))
    last = resolve(parts[5], context)
    if last.pattern is None:
        return last
    return Resolved(":".join([*map(wildcards, parts[:5]), last.pattern]))


def _conditions(statement: Statement, request: Request) -> Match:
    found = [condition_holds(c, request.context, variables=statement.variables) for c in statement.conditions]
    value = every(truth.value for truth in found)
    if value:
        return Match(statement, True)
    deciding = [truth for truth in found if truth.value is value]
    keys = tuple(sorted({key for truth in deciding for key in truth.keys}))
    return Match(statement, value, Part.CONDITION, keys, tuple(n for truth in deciding for n in truth.notes))


class _Naming(Enum):
    NO = "names somebody else"
    UNSURE = "cannot be told"
    ACCOUNT = "names the caller's account"
    EXACT = "names the caller"


def _principal(statement: Statement, request: Request) -> Match:
    if request.principal is None and statement.principals is None:
        return Match(statement, True)
    if request.principal is None or statement.principals is None:
        return Match(statement, None, Part.PRINCIPAL, ("Principal",), ("Principal is out of place, or missing",))
    names = {_naming(kind, name, request.principal) for kind, name in statement.principals.values}
    if statement.principals.negated:
        return _not_principal(statement, request.principal, names)
    if _Naming.EXACT in names or (_Naming.ACCOUNT in names and not statement.allows):
        return Match(statement, True)
    if _Naming.UNSURE in names:
        return Match(statement, None, Part.PRINCIPAL, ("Principal",), (_principal_note(statement, request.principal),))
    if _Naming.ACCOUNT in names:
        return Match(statement, None, Part.DELEGATION, (), (_principal_note(statement, request.principal),))
    return Match(statement, False, Part.PRINCIPAL, (), (_principal_note(statement, request.principal),))


def _not_principal(statement: Statement, principal: Principal, names: set[_Naming]) -> Match:
    # NotPrincipal that names a role without its account may still meet its sessions, so that decides nothing:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    assert statement.principals is not None
    if names <= {_Naming.NO}:
        return Match(statement, True)
    everyone = any(name == "*" for _, name in statement.principals.values)
    whole = everyone or principal.kind is not PrincipalKind.AWS or _Naming.ACCOUNT in names
    if _Naming.EXACT in names and whole:
        return Match(statement, False, Part.PRINCIPAL, (), (_principal_note(statement, principal),))
    return Match(statement, None, Part.PRINCIPAL, ("Principal",), (_principal_note(statement, principal),))


def _principal_note(statement: Statement, principal: Principal) -> str:
    assert statement.principals is not None
    listed: Listed[tuple[str, str]] = statement.principals
    element = "NotPrincipal" if listed.negated else "Principal"
    caller = "anonymous" if principal == ANONYMOUS else principal.name or "not known"
    return f"the caller is {caller}; its {element} is {', '.join(name for _, name in listed.values)}"


def _naming(kind: str, name: str, principal: Principal) -> _Naming:
    if name == "*" and kind in ("*", "AWS"):
        known = principal.kind in (PrincipalKind.AWS, PrincipalKind.ANONYMOUS)
        return _Naming.EXACT if known else _Naming.UNSURE
    if kind != principal.kind.value:
        return _Naming.NO
    if not principal.name or "*" in name:
        return _Naming.UNSURE
    if principal.kind is PrincipalKind.AWS:
        return _aws_naming(name, principal.name)
    return _Naming.EXACT if name == principal.name else _Naming.NO


_ACCOUNT = re.compile(r"(?:arn:[^:]+:iam::)?(\d{12})(?::root)?")
_ROLE = re.compile(r"arn:([^:]+):iam::(\d{12}):role/(?:.*/)?([^/]+)")
_SESSION = re.compile(r"arn:([^:]+):sts::(\d{12}):assumed-role/([^/]+)/.+")


def _aws_naming(name: str, caller: str) -> _Naming:
    if name == caller:
        return _Naming.EXACT
    if account := _ACCOUNT.fullmatch(name):
        same = caller.split(":")[4:5] == [account[1]]
        root = caller.endswith(":root")
        return (_Naming.EXACT if root else _Naming.ACCOUNT) if same else _Naming.NO
    # "AROA…": IAM shows the unique id of a role or user that was deleted; a new one of that name is another.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    role, session = _ROLE.fullmatch(name), _SESSION.fullmatch(name)
    caller_role, caller_session = _ROLE.fullmatch(caller), _SESSION.fullmatch(caller)
    # The ARN of a session leaves out the role's path; names of roles are unique in an account.
    if role and caller_session and role.groups() == caller_session.groups():
        return _Naming.EXACT
    if session and caller_role and session.groups() == caller_role.groups():
        return _Naming.UNSURE
    return _Naming.NO
