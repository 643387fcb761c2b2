"""The rights that a report says are missing: out of the `grant` of everything that could not be looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from efsdiag.operations import READS
from efsdiag.rights.needs import Reasons, for_
from efsdiag.rights.roles import EVERYWHERE, Grants, Right, right_of

_KUBERNETES = re.compile(
    r"(?P<permission>(?:get|list) [a-z/]+)"
    r"(?: \(cluster-wide\)| in all namespaces| in namespace (?P<namespace>[a-z0-9-]+))"
)
_AWS = re.compile(r"allow (?P<permission>[a-z0-9-]+:\w+)")
_OPERATIONS = {read.permission: read.operation for read in READS.values()}


def missing_rights(report: Any) -> tuple[Grants, list[str]]:
    """The rights that were refused, with the checks that asked; and what else the report says would help to see more.

    `report` is a document of `-o json` or `-o yaml`, of any kind.
    """
    kubernetes: dict[Right, Reasons] = {}
    aws: dict[str, Reasons] = {}
    others: dict[str, None] = {}
    for check, grant in _grants_in(report):
        found = _KUBERNETES.fullmatch(grant) or _AWS.fullmatch(grant)
        operation = _OPERATIONS.get(found["permission"]) if found else None
        if found is None or operation is None:
            others |= {grant: None}
            continue
        reasons = Reasons({check: 1}) if check else for_("was refused")
        if operation.startswith("kube:"):
            namespace = found["namespace"] or EVERYWHERE
            kubernetes.setdefault(right_of(operation, found["permission"], namespace), Reasons()).add(reasons)
        else:
            aws.setdefault(found["permission"], Reasons()).add(reasons)
    wide = {right for right in kubernetes if right.namespace == EVERYWHERE}
    needed = {r: why for r, why in kubernetes.items() if r in wide or Right(r.group, r.resource, r.verb) not in wide}
    return Grants(dict(sorted(needed.items())), dict(sorted(aws.items()))), list(others)


def _grants_in(value: Any) -> Iterator[tuple[str, str]]:
    """(check, grant) of every part of the document that has a grant, however deep it stands."""
    if isinstance(value, Mapping):
        if isinstance(value.get("grant"), str) and value["grant"]:
            yield str(value.get("check") or ""), value["grant"]
        for inner in value.values():
            yield from _grants_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _grants_in(inner)
