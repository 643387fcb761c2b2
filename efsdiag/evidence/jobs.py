"""Jobs of efsdiag itself that an earlier run left, or that are still there for a while."""

from __future__ import annotations

from typing import Any

OWN = "app.kubernetes.io/managed-by=efsdiag"


def own_job_names(read: Any, pod: dict[str, Any]) -> tuple[str, ...]:
    """Names of the Jobs in the pod's namespace that efsdiag made, so that a new one takes another name.

    Source:  kube:list jobs, by label
    """
    found = read("kube:list jobs", namespace=pod["metadata"]["namespace"], labelSelector=OWN) or []
    return tuple(sorted(j["metadata"]["name"] for j in found))
