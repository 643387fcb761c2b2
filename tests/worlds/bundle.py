"""The evidence bundle that a world is written as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from worlds.ids import NOW
from worlds.world import Thing, World

CLUSTER_SCOPED = {
    "namespaces": "namespaces",
    "nodes": "nodes",
    "persistentvolumes": "pvs",
    "storageclasses": "storage-classes",
    "volumeattachments": "volumeattachments",
    "csidrivers": "csidrivers",
    "csinodes": "csinodes",
}
NAMESPACED = {
    "pods": "pods",
    "persistentvolumeclaims": "pvcs",
    "events": "events",
    "deployments": "deployments",
    "replicasets": "replicasets",
    "statefulsets": "statefulsets",
    "daemonsets": "daemonsets",
    "services": "services",
    "serviceaccounts": "serviceaccounts",
    "configmaps": "configmaps",
    "resourcequotas": "resource-quota",
    "limitranges": "limitranges",
    "networkpolicies": "network-policy",
    "jobs": "jobs",
    "leases": "leases",
    "ingresses": "ingress",
    "prometheuses": "custom-resources/prometheuses.monitoring.coreos.com",
}


def files_of(world: World) -> dict[str, Any]:
    """Path in the bundle → what stands there: JSON, or the text of a log."""
    found: dict[str, Any] = {
        "bundle.json": {
            "apiVersion": "efsdiag/v1",
            "kind": "EvidenceBundle",
            "capturedAt": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cluster": {"context": "test", "kubernetesVersion": world.shape.kubernetes},
            "aws": {"accountId": world.account, "region": world.region},
        }
    }
    for resource, name in CLUSTER_SCOPED.items():
        found[f"cluster-resources/{name}.json"] = _list(world.all(resource))
    for resource, folder in NAMESPACED.items():
        for space in world.all("namespaces"):
            own = space["metadata"]["name"]
            items = [t for t in world.all(resource) if t["metadata"]["namespace"] == own]
            found[f"cluster-resources/{folder}/{own}.json"] = _list(items)
    for (namespace, pod, container, previous), text in world.logs.items():
        suffix = "-previous.log" if previous else ".log"
        found[f"cluster-resources/pods/logs/{namespace}/{pod}/{container}{suffix}"] = text
    for path, answer in world.aws.items():
        found[f"aws/{path}.json"] = answer
    for volume, listing in world.volumes.items():
        found[f"volumes/{quote(volume, safe='')}.json"] = listing
    return found


def encoded(files: dict[str, Any]) -> dict[str, bytes]:
    """The files as bytes: a log as it is, everything else as JSON."""
    return {p: (c if isinstance(c, str) else json.dumps(c, indent=1)).encode() for p, c in files.items()}


def write(world: World, folder: Path) -> None:
    """Write the world as an evidence bundle."""
    for path, content in encoded(files_of(world)).items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _list(items: list[Thing]) -> Thing:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}
