"""Objects as documents name them: {"kind": "Pod", "namespace": "monitoring", "name": "web-0"}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.model import Ref


def ref_in(named: Mapping[str, Any] | None) -> Ref:
    """The object; one without a kind and a name where an entry has none. Its text is "Pod/monitoring/web-0"."""
    thing = named or {}
    return Ref(thing.get("kind", ""), thing.get("name", ""), thing.get("namespace") or "")


def targets_text(entry: Mapping[str, Any]) -> str:
    """The workloads that an entry is about: "Deployment/shop/web, Deployment/shop/api, … 3 more"."""
    named = [str(ref_in(target)) for target in entry["targets"]]
    more = entry["targetCount"] - len(named)
    return ", ".join([*named, *([f"… {more} more"] if more > 0 else [])])


def how_many(entry: Mapping[str, Any]) -> str:
    """ "60 pods of 12 workloads"; "1 workload without a pod"."""
    pods, workloads = entry["podCount"], entry["targetCount"]
    many = f"{workloads} workload{'s' * (workloads != 1)}"
    return f"{pods} pod{'s' * (pods != 1)} of {many}" if pods else f"{many} without a pod"
