"""What lets a pod be made and find a node."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from efsdiag.changes import Declined, Proposal
from efsdiag.model import Finding
from efsdiag.patches import REMOVE, change_of, pointer, template_change, template_spec
from efsdiag.semantics.quantity import format_amount, parse_quantity
from efsdiag.semantics.scheduling import (
    Filter,
    Filtering,
    first_excluding_filter,
    is_cordoned,
    is_ready,
    untolerated_taints,
)

CONTROL_PLANE = "node-role.kubernetes.io/"
CONDITION = "node.kubernetes.io/"
REFUSED = re.compile(r"exceeded quota: (?P<name>[-a-z0-9.]+), requested: (?P<requested>.+?), used: ")


def raise_quota(cause: Finding, quotas: list[dict[str, Any]]) -> Proposal:
    said = REFUSED.search(cause.says)
    quota = next((q for q in quotas if said and q["metadata"]["name"] == said["name"]), None)
    if said is None or quota is None:
        return Declined("which quota refuses the pod is not said, or it is not there any more")
    status = quota.get("status") or {}
    wanted, hard = {}, quota["spec"].get("hard") or {}
    for part in said["requested"].split(","):
        name, _, amount = part.partition("=")
        used = (status.get("used") or {}).get(name)
        if name not in hard or used is None:
            return Declined(f"how much of {name} is used is not known")
        need: Fraction = parse_quantity(used) + parse_quantity(amount)
        if need > parse_quantity(hard[name]):
            wanted[name] = format_amount(name.removeprefix("requests.").removeprefix("limits."), need)
    shown = ", ".join(f"{name} {hard[name]} to {amount}" for name, amount in wanted.items())
    words = f"raise {shown} in quota {said['name']}, so that the pod just fits"
    change = change_of(quota, {pointer("spec", "hard", name): amount for name, amount in wanted.items()}, words)
    return change if isinstance(change, Declined) else (change,)


def uncordon_node(cause: Finding, filtering: Filtering, nodes: list[dict[str, Any]]) -> Proposal:
    away = {e.node for e in filtering.by(Filter.NOT_READY)}
    able = sorted((n for n in nodes if n["metadata"]["name"] in away and is_cordoned(n) and is_ready(n)), key=_name)
    if not able:
        return Declined("no node that could take the pod is cordoned and ready")
    words = f"let node {_name(able[0])} take pods again"
    change = change_of(able[0], {"/spec/unschedulable": REMOVE}, words)
    return change if isinstance(change, Declined) else (change,)


def tolerate_taint(
    cause: Finding,
    pod: dict[str, Any],
    nodes: list[dict[str, Any]],
    volumes: dict[str, dict[str, Any] | None],
    workload: dict[str, Any] | None = None,
) -> Proposal:
    found = [_tolerations(pod, node) for node in nodes]
    kinds: list[list[dict[str, str]]] = []
    for tolerations in found:
        if tolerations and tolerations not in kinds:
            kinds.append(tolerations)
    if len(kinds) != 1:
        return Declined(f"the workers have {len(kinds)} different sets of taints; which one is meant is for you to say")
    more = [*(pod["spec"].get("tolerations") or []), *kinds[0]]
    held = [v for v in volumes.values() if v is not None]
    left = first_excluding_filter({**pod, "spec": {**pod["spec"], "tolerations": more}}, nodes, held)
    if not left.left:
        return Declined("with these taints tolerated no node would take the pod either")
    own = template_spec(workload).get("tolerations") or []
    shown = ", ".join(t["key"] + (f"={t['value']}" if t.get("value") else "") for t in kinds[0])
    words = f"let the pods of the workload stand on nodes with the taint {shown}"
    change = template_change(workload, {"/tolerations": [*own, *kinds[0]]}, words)
    return change if isinstance(change, Declined) else (change,)


def _tolerations(pod: dict[str, Any], node: dict[str, Any]) -> list[dict[str, str]]:
    """What the pod would have to tolerate on a worker; empty for the control plane, and where a condition is meant."""
    taints = untolerated_taints(pod, node)
    if any(str(t.get("key", "")).startswith((CONTROL_PLANE, CONDITION)) for t in taints):
        return []
    return [
        {"key": t["key"], "effect": t["effect"]}
        | ({"operator": "Equal", "value": t["value"]} if t.get("value") else {"operator": "Exists"})
        for t in taints
    ]


def _name(thing: dict[str, Any]) -> str:
    return str(thing["metadata"]["name"])
