"""Jobs of efsdiag itself that an earlier run left, or that are still there for a while."""

from __future__ import annotations

from typing import Any

from efsdiag.settings import Settings

OWN = "app.kubernetes.io/managed-by=efsdiag"


def own_job_names(
    read: Any, pod: dict[str, Any] | None = None, wanted: Settings | None = None
) -> tuple[str, ...] | None:
    """Names of the Jobs in the pod's namespace that efsdiag made, so that a new one takes another name.

    Absent where there is neither a pod nor one that is wanted.

    Source:  kube:list jobs, by label
    """
    if pod is None and wanted is None:
        return None
    namespace = pod["metadata"]["namespace"] if pod is not None else wanted.namespace if wanted else ""
    found = read("kube:list jobs", namespace=namespace, labelSelector=OWN) or []
    return tuple(sorted(j["metadata"]["name"] for j in found))
