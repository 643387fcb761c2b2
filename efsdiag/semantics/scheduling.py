"""Which nodes the scheduler can give to a pod, and what excludes the others. Raw Kubernetes objects in, values out.

Source: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
        https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
        k8s.io/api v0.36.2 core/v1/toleration.go, Kubernetes v1.36 pkg/scheduler/framework/plugins
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from efsdiag.semantics.quantity import format_amount
from efsdiag.semantics.resources import free_resources, lacks, pod_requests
from efsdiag.semantics.selectors import labels_of, node_selector_matches

__all__ = [
    "Condition",
    "Exclusion",
    "Filter",
    "Filtering",
    "bad_conditions",
    "first_excluding_filter",
    "free_resources",
    "is_cordoned",
    "is_ready",
    "judge_condition",
    "lacks",
    "matches_selector",
    "pod_requests",
    "taint_text",
    "untolerated_taints",
    "volume_affinity_matches",
    "waiting_for_agent",
]

Object = Mapping[str, Any]

AGENT_TAINT = "efs.csi.aws.com/agent-not-ready"
"""What keeps pods off a node until its EFS node plugin has started, which takes it away."""
_CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_NOT_READY = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_BAD_WHEN_TRUE = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
_INTEGER = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)


class Filter(Enum):
    """What can take a node away from a pod, in the order in which it is applied here."""

    SELECTOR = "selector"
    TAINTS = "taints"
    NOT_READY = "cordoned-or-not-ready"
    VOLUME_AFFINITY = "volume-node-affinity"
    RESOURCES = "resources"


class Condition(Enum):
    """What one node condition says about the node."""

    GOOD = "good"
    BAD = "bad"
    INFORMATION = "information"
    """A type whose polarity is not known here (node-problem-detector and others add theirs): nothing can be blamed."""


@dataclass(frozen=True)
class Exclusion:
    """Why one node cannot take the pod: the first filter that refuses it, in words."""

    node: str
    filter: Filter
    says: str
    taints: tuple[str, ...] = ()
    """The taints that are not tolerated, as kubectl writes them, where the filter is TAINTS."""
    resources: tuple[str, ...] = ()
    """The resources that do not suffice, where the filter is RESOURCES."""


@dataclass(frozen=True)
class Filtering:
    """What is left of the nodes for one pod."""

    filter: Filter | None
    """The filter that took the last node away; None where a node is left, or where there are no nodes at all."""
    left: tuple[str, ...]
    """The nodes that no filter refuses."""
    exclusions: tuple[Exclusion, ...]
    """One for each node that is not left, in the order of the nodes."""
    unjudged: tuple[Filter, ...] = ()
    """Filters that could not be applied to the nodes that are left: they may still refuse them."""

    def by(self, which: Filter) -> tuple[Exclusion, ...]:
        """The exclusions by one filter."""
        return tuple(exclusion for exclusion in self.exclusions if exclusion.filter is which)


def waiting_for_agent(filtering: Filtering | None) -> tuple[Exclusion, ...]:
    """The nodes that would take the pod but for the driver's start-up taint, where the taints leave it no node."""
    if filtering is None or filtering.filter is not Filter.TAINTS:
        return ()
    return tuple(e for e in filtering.by(Filter.TAINTS) if all(AGENT_TAINT in t for t in e.taints))


def first_excluding_filter(
    pod: Object,
    nodes: Sequence[Object],
    pvs: Sequence[Object] = (),
    pods_by_node: Mapping[str, Sequence[Object]] | None = None,
) -> Filtering:
    """The filter that leaves the pod without a node, with the reason for each node.

    Order:   selector and affinity, taints, cordoned or not ready, node affinity of the volumes, resources. Each node is
             refused by the first of them that fits; the taints that stand for "cordoned" and "not ready" count there.
    `pvs`:   the volumes that the pod's claims are bound to.
    `pods_by_node`: node name → pods that run there; a node without a key has none. None: resources stay unjudged.
    Errors:  ValueError for an amount that is not a quantity.
    """
    exclusions, left, latest = [], [], None
    order = list(Filter)
    for node in nodes:
        exclusion = _exclusion(pod, node, pvs, pods_by_node)
        if exclusion is None:
            left.append(_name(node))
            continue
        exclusions.append(exclusion)
        if latest is None or order.index(exclusion.filter) > order.index(latest):
            latest = exclusion.filter
    unjudged = (Filter.RESOURCES,) if left and pods_by_node is None else ()
    return Filtering(None if left else latest, tuple(left), tuple(exclusions), unjudged)


def untolerated_taints(pod: Object, node: Object) -> list[dict[str, Any]]:
    """The taints of the node with the effect NoSchedule or NoExecute that no toleration of the pod covers, in order.

    tolerationSeconds is not looked at: it says how long a running pod may stay, not whether a new one may come.
    """
    tolerations = (pod.get("spec") or {}).get("tolerations") or []
    taints = (node.get("spec") or {}).get("taints") or []
    hard = (dict(taint) for taint in taints if taint.get("effect") in ("NoSchedule", "NoExecute"))
    return [taint for taint in hard if not any(_tolerates(toleration, taint) for toleration in tolerations)]


def matches_selector(pod: Object, node: Object) -> bool:
    """Whether the node has every label of the pod's nodeSelector and satisfies its required node affinity."""
    spec, labels = pod.get("spec") or {}, labels_of(node)
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or node_selector_matches(required, labels, _name(node))


def volume_affinity_matches(pv: Object, node: Object) -> bool:
    """Whether the node satisfies the node affinity of the volume; true for a volume without one (a regional EFS)."""
    required = ((pv.get("spec") or {}).get("nodeAffinity") or {}).get("required")
    return required is None or node_selector_matches(required, labels_of(node))


def is_ready(node: Object) -> bool:
    """Whether the node's condition Ready is True. A node that has not reported it yet is not ready."""
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in _conditions(node))


def is_cordoned(node: Object) -> bool:
    """Whether spec.unschedulable is set (kubectl cordon, kubectl drain)."""
    return (node.get("spec") or {}).get("unschedulable") is True


def judge_condition(condition: Object) -> Condition:
    """What a node condition says: Ready is bad unless True; a pressure or NetworkUnavailable is bad when True.

    A pressure with the status Unknown is information: the kubelet is silent then, and Ready says so.
    """
    kind, status = condition.get("type"), condition.get("status")
    if kind == "Ready":
        return Condition.GOOD if status == "True" else Condition.BAD
    if kind not in _BAD_WHEN_TRUE or status not in ("True", "False"):
        return Condition.INFORMATION
    return Condition.BAD if status == "True" else Condition.GOOD


def bad_conditions(node: Object) -> list[dict[str, Any]]:
    """The conditions of the node that say something is wrong with it, in the order of the node."""
    return [dict(c) for c in _conditions(node) if judge_condition(c) is Condition.BAD]


def taint_text(taint: Object) -> str:
    """A taint as kubectl writes it: "dedicated=monitoring:NoSchedule", or without "=" where it has no value."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key', '')}{value}:{taint.get('effect', '')}"


def _exclusion(
    pod: Object, node: Object, pvs: Sequence[Object], pods_by_node: Mapping[str, Sequence[Object]] | None
) -> Exclusion | None:
    """The first refusal of one node, or None."""
    name = _name(node)
    if not matches_selector(pod, node):
        return Exclusion(name, Filter.SELECTOR, f"node {name} does not have the labels that the pod's selector wants")
    untolerated = untolerated_taints(pod, node)
    taints = tuple(taint_text(t) for t in untolerated if t.get("key") not in (_CORDONED["key"], *_NOT_READY))
    if taints:
        says = f"node {name} has {_listed('taint', taints)}; the pod does not tolerate {_it(taints)}"
        return Exclusion(name, Filter.TAINTS, says, taints=taints)
    if standing := _not_standing(pod, node, [t.get("key", "") for t in untolerated]):
        return Exclusion(name, Filter.NOT_READY, f"node {name} is {standing}")
    if elsewhere := [_name(pv) for pv in pvs if not volume_affinity_matches(pv, node)]:
        says = f"node {name} is outside the node affinity of {_listed('volume', elsewhere)}"
        return Exclusion(name, Filter.VOLUME_AFFINITY, says)
    return None if pods_by_node is None else _too_full(pod, node, pods_by_node.get(name, ()))


def _not_standing(pod: Object, node: Object, untolerated: list[str]) -> str:
    """Why the node takes no new pod now ("cordoned", "not ready (KubeletNotReady)"); "" where it does.

    A pod that tolerates the taints that stand for both, as the agents of every node do, is kept away by neither.
    """
    if is_cordoned(node) and not _tolerates_any(pod, [_CORDONED]):
        return "cordoned (spec.unschedulable is true)"
    if not is_ready(node) and not _tolerates_any(pod, [{"key": key, "effect": "NoSchedule"} for key in _NOT_READY]):
        ready = next((c for c in _conditions(node) if c.get("type") == "Ready"), {})
        reason = f", {ready['reason']}" if ready.get("reason") else ""
        return f"not ready (its condition Ready is {ready.get('status', 'absent')}{reason})"
    return f"marked {untolerated[0]}" if untolerated else ""


def _too_full(pod: Object, node: Object, pods_on_node: Iterable[Object]) -> Exclusion | None:
    name = _name(node)
    lacking = lacks(pod, node, pods_on_node)
    if not lacking:
        return None
    amounts = (
        f"{format_amount(resource, free)} of {resource} free, the pod wants {format_amount(resource, wanted)}"
        for resource, (wanted, free) in lacking.items()
    )
    return Exclusion(name, Filter.RESOURCES, f"node {name} has {'; '.join(amounts)}", resources=tuple(lacking))


def _tolerates_any(pod: Object, taints: Iterable[Object]) -> bool:
    tolerations = (pod.get("spec") or {}).get("tolerations") or []
    return any(_tolerates(toleration, taint) for toleration in tolerations for taint in taints)


def _tolerates(toleration: Object, taint: Object) -> bool:
    """Whether one toleration covers one taint. An empty effect or key covers every effect or key."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    wanted, found = str(toleration.get("value") or ""), str(taint.get("value") or "")
    match toleration.get("operator") or "Equal":
        case "Equal":
            return wanted == found
        case "Exists":
            return True
        case "Gt" | "Lt" as operator if _INTEGER.fullmatch(wanted) and _INTEGER.fullmatch(found):
            # An API server accepts these only where its feature gate TaintTolerationComparisonOperators is on.
            return int(found) > int(wanted) if operator == "Gt" else int(found) < int(wanted)
    return False


def _conditions(node: Object) -> list[Object]:
    return list((node.get("status") or {}).get("conditions") or [])


def _name(thing: Object) -> str:
    return str((thing.get("metadata") or {}).get("name", ""))


def _listed(noun: str, names: Sequence[str]) -> str:
    return f"the {noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _it(names: Sequence[str]) -> str:
    return "them" if len(names) > 1 else "it"
