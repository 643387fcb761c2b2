"""What a pod requests, what a node still has, and which resource of the node the pod does not fit into.

Source: k8s.io/component-helpers v0.36.2 resource/helpers.go (PodRequests),
        Kubernetes v1.36 pkg/scheduler/framework/plugins/noderesources/fit.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from efsdiag.semantics.quantity import parse_quantity

Amounts = dict[str, Fraction]

_POD_LEVEL = ("cpu", "memory")
_ENDED = ("Succeeded", "Failed")


def pod_requests(pod: Mapping[str, Any]) -> Amounts:
    """What the scheduler reserves for a pod, by resource name; cpu in cores, memory and storage in bytes.

    The containers and the sidecars (init containers with restartPolicy Always) together, or any moment of the start if
    that needs more: an init container beside the sidecars before it. Then the pod's overhead. Requests of the pod as a
    whole (spec.resources) replace those of its containers. A resize under way is not looked at.

    Errors:  ValueError for a request that is not a quantity.
    """
    spec = pod.get("spec") or {}
    total: Amounts = {}
    for container in spec.get("containers") or []:
        total = _sum(total, _requests(container))
    sidecars: Amounts = {}
    start: Amounts = {}
    for container in spec.get("initContainers") or []:
        requests = _requests(container)
        if container.get("restartPolicy") == "Always":
            total, sidecars = _sum(total, requests), _sum(sidecars, requests)
            start = _most(start, sidecars)
        else:
            start = _most(start, _sum(requests, sidecars))
    total = _most(total, start)
    total.update({name: size for name, size in _requests(spec).items() if _may_be_pod_level(name)})
    return _sum(total, _amounts(spec.get("overhead")))


def free_resources(node: Mapping[str, Any], pods_on_node: Iterable[Mapping[str, Any]]) -> Amounts:
    """What the node's allocatable leaves, by resource name, after the requests of the pods that run on it.

    "pods" counts pods. A pod that has ended (Succeeded, Failed) takes nothing. Negative where too much is promised.

    Errors:  ValueError for an amount that is not a quantity.
    """
    free = _amounts((node.get("status") or {}).get("allocatable"))
    for pod in pods_on_node:
        if not has_ended(pod):
            taken = {**pod_requests(pod), "pods": Fraction(1)}
            free = {name: free.get(name, Fraction(0)) - taken.get(name, Fraction(0)) for name in {**free, **taken}}
    return free


def lacks(
    pod: Mapping[str, Any], node: Mapping[str, Any], pods_on_node: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[Fraction, Fraction]]:
    """The resources that the pod does not find on the node: name → (wanted, free); empty where it fits.

    A resource that the node does not offer is free 0. The pod itself, if it is among `pods_on_node`, is not counted.

    Errors:  ValueError for an amount that is not a quantity.
    """
    free = free_resources(node, [other for other in pods_on_node if not _is_same(other, pod)])
    wanted = {**pod_requests(pod), "pods": Fraction(1)}
    return {
        name: (size, free.get(name, Fraction(0)))
        for name, size in sorted(wanted.items())
        if size > 0 and size > free.get(name, Fraction(0))
    }


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's phase is final, so that the scheduler counts nothing for it."""
    return (pod.get("status") or {}).get("phase") in _ENDED


def _is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both are one pod: by uid, or by name and namespace where an object written by hand has no uid."""
    left, right = one.get("metadata") or {}, other.get("metadata") or {}
    key = ("uid",) if left.get("uid") and right.get("uid") else ("namespace", "name")
    return bool(left.get(key[-1])) and all(left.get(part) == right.get(part) for part in key)


def _requests(holder: Mapping[str, Any]) -> Amounts:
    return _amounts((holder.get("resources") or {}).get("requests"))


def _amounts(raw: Mapping[str, Any] | None) -> Amounts:
    return {name: parse_quantity(text) for name, text in (raw or {}).items()}


def _may_be_pod_level(resource: str) -> bool:
    return resource in _POD_LEVEL or resource.startswith("hugepages-")


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Fraction(0)) + other.get(name, Fraction(0)) for name in {**one, **other}}


def _most(one: Amounts, other: Amounts) -> Amounts:
    both = {**one, **other}
    return {name: max(one.get(name, size), other.get(name, size)) for name, size in both.items()}
