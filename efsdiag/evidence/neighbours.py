"""Other pods whose mounts show what nobody could look at: on the same node, or of the same claims.

What they show is as narrow as their mount. It has to be of the same file system, and made since this pod began to wait
for its own: a mount of last week says nothing of a port that was closed today.
"""

from __future__ import annotations

from typing import Any

from efsdiag.model import Unreadable
from efsdiag.semantics.attempt import Attempt, has_mounted_since
from efsdiag.semantics.claims import EFS_DRIVER, Claim, EfsVolume, efs_volume
from efsdiag.semantics.containers import claim_volume_names

MOST_PODS = 20
"""So many pods with claims of their own are looked into, in the order of their names."""


def mounted_beside(read: Any, pod: dict[str, Any], attempt: Attempt, efs_volumes: tuple[EfsVolume, ...]) -> str | None:
    """Says which pods of this node have mounted all the file systems that this pod waits for; absent where none have.

    Source:  kube:list pods, field selector spec.nodeName; their claims and volumes by name
    """
    if not _waits(attempt) or any(v.crosses_accounts for v in efs_volumes):
        return None
    shown: dict[str, str] = {}
    wanted = {v.file_system for v in efs_volumes}
    for other in _since(pod, _pods_on(read, pod))[:MOST_PODS]:
        for name in sorted(wanted & _file_systems(read, other)):
            shown.setdefault(name, f"{_name(other)} has mounted {name} on this node")
        if wanted and shown.keys() == wanted:
            return "; ".join(f"{shown[name]} since this pod began to wait" for name in sorted(shown))
    return None


def mounted_elsewhere(
    read: Any, pod: dict[str, Any], attempt: Attempt, claims: tuple[Claim, ...], efs_volumes: tuple[EfsVolume, ...]
) -> str | None:
    """Says which pod of another node has mounted all the claims that this pod waits for; absent where none has.

    Source:  kube:list pods of the namespace
    """
    if not _waits(attempt) or not efs_volumes:
        return None
    own = pod["metadata"]["namespace"]
    wanted = {c.name for c in claims}
    for other in _since(pod, read("kube:list pods", namespace=own) or []):
        node = other["spec"].get("nodeName")
        if node != pod["spec"].get("nodeName") and wanted <= set(claim_volume_names(other["spec"]).values()):
            return f"{_name(other)} has mounted the same claim on node {node} since this pod began to wait"
    return None


def _waits(attempt: Attempt) -> bool:
    return attempt.scheduled and not attempt.mounted


def _pods_on(read: Any, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The pods of the node, of all namespaces; of this one where others may not be listed."""
    here = {"fieldSelector": f"spec.nodeName={pod['spec']['nodeName']}"}
    try:
        return list(read("kube:list pods", **here) or [])
    except Unreadable:
        return list(read("kube:list pods", namespace=pod["metadata"]["namespace"], **here) or [])


def _since(pod: dict[str, Any], pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    own = pod["metadata"].get("uid")
    others = [p for p in pods if p["metadata"].get("uid") != own and has_mounted_since(p, pod)]
    return sorted((p for p in others if claim_volume_names(p["spec"])), key=_name)


def _file_systems(read: Any, pod: dict[str, Any]) -> set[str]:
    """The EFS file systems that the pod has mounted; none where its claims or volumes cannot be read."""
    namespace = pod["metadata"]["namespace"]
    found = set()
    for volume, name in claim_volume_names(pod["spec"]).items():
        try:
            claim = Claim(
                name, namespace, volume, read("kube:get persistentvolumeclaims", namespace=namespace, name=name)
            )
            bound = claim.spec.get("volumeName")
            behind = read("kube:get persistentvolumes", name=bound) if bound else None
        except Unreadable:
            continue
        if behind and (behind["spec"].get("csi") or {}).get("driver") == EFS_DRIVER:
            mounted = efs_volume(behind, claim)
            found |= set() if mounted.crosses_accounts else {mounted.file_system}
    return found


def _name(pod: dict[str, Any]) -> str:
    return f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
