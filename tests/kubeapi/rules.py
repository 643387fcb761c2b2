"""Who may do what (`Access`), and when the server misbehaves on purpose (`Faults`)."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .answers import forbidden
from .resources import Resource

_FOR_EVERYBODY = ("authentication.k8s.io", "authorization.k8s.io")
"""Groups that ClusterRole system:basic-user opens to everybody who is signed in."""


@dataclass(frozen=True)
class _Refused:
    """`namespace`: None everywhere, "" at the cluster scope alone, else in that namespace."""

    verb: str
    resource: str
    namespace: str | None
    cluster_too: bool

    def covers(self, verb: str, names: tuple[str, ...], namespace: str) -> bool:
        if self.verb not in ("*", verb) or self.resource not in ("*", *names):
            return False
        return self.namespace in (None, namespace) or (self.cluster_too and not namespace)


@dataclass(frozen=True)
class _Rule:
    """One rule of a role, as RBAC reads it; `namespace` is that of a Role, "" for a ClusterRole."""

    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]
    names: frozenset[str]
    namespace: str

    def covers(self, verb: str, group: str, resource: str, namespace: str, name: str) -> bool:
        wanted = ((verb, self.verbs), (group, self.groups), (resource, self.resources))
        if not all("*" in known or asked in known for asked, known in wanted):
            return False
        return (not self.names or name in self.names) and self.namespace in ("", namespace)


class Access:
    """What is forbidden; everything else is allowed. With roles, only what they allow and nobody forbids."""

    def __init__(self) -> None:
        self._refused: list[_Refused] = []
        self._rules: list[_Rule] | None = None

    def grant_only(self, roles: Iterable[Mapping[str, Any]]) -> None:
        """The caller has these roles (ClusterRole and Role as manifests), and no other right."""
        self._rules = [
            _Rule(
                *(frozenset(rule.get(key) or ()) for key in ("apiGroups", "resources", "verbs", "resourceNames")),
                role["metadata"].get("namespace", ""),
            )
            for role in roles
            for rule in role["rules"] or ()
        ]

    def forbid(self, verb: str, resource: str, namespace: str | None = None, cluster_too: bool = True) -> None:
        """`cluster_too`: who may not list in one namespace may not list in all of them at once, as RBAC has it."""
        self._refused.append(_Refused(verb, resource, namespace, cluster_too))

    def permit(self) -> None:
        """Forbids nothing any more."""
        self._refused.clear()

    def allows(self, verb: str, resource: Resource, subresource: str = "", namespace: str = "", name: str = "") -> bool:
        tail = f"/{subresource}" if subresource else ""
        asked = (verb, resource.group, f"{resource.plural}{tail}", namespace, name)
        open_to_all = self._rules is None or resource.group in _FOR_EVERYBODY
        if not open_to_all and not any(rule.covers(*asked) for rule in self._rules or ()):
            return False
        names = (f"{resource.plural}{tail}", f"{resource.qualified}{tail}")
        return not any(rule.covers(verb, names, namespace) for rule in self._refused)

    def check(self, user: str, verb: str, resource: Resource, subresource: str, namespace: str, name: str) -> None:
        """Refuses with 403 what is forbidden."""
        if not self.allows(verb, resource, subresource, namespace, name):
            raise forbidden(resource, subresource, user, verb, namespace, name)


@dataclass
class Fault:
    """One way to misbehave, for the requests that match, `left` more times (None: for ever)."""

    match: re.Pattern[str]
    status: int = 0
    left: int | None = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False
    delay_s: float = 0
    message: str = ""


class Faults:
    """The faults in the order in which they were asked for."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        if not (fault.status or fault.reset or fault.delay_s):
            raise ValueError("a fault needs a status, a reset or a delay")
        with self._lock:
            self._faults.append(fault)

    def take(self, target: str) -> Fault | None:
        """The first fault for "METHOD path?query" that is not used up; it is used once by this."""
        with self._lock:
            for fault in self._faults:
                if fault.left != 0 and fault.match.search(target):
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None
