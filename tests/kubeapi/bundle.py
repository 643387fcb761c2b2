"""What an evidence bundle holds of the cluster: objects, logs, and which reads nobody made."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .logs import Log

_ROOT = "cluster-resources/"
_LOGS = "pods/logs/"
_CLUSTER = {
    "namespaces": ("v1", "Namespace"),
    "nodes": ("v1", "Node"),
    "pvs": ("v1", "PersistentVolume"),
    "storage-classes": ("storage.k8s.io/v1", "StorageClass"),
    "volumeattachments": ("storage.k8s.io/v1", "VolumeAttachment"),
    "csidrivers": ("storage.k8s.io/v1", "CSIDriver"),
    "csinodes": ("storage.k8s.io/v1", "CSINode"),
}
_NAMESPACED = {
    "pods": ("v1", "Pod"),
    "pvcs": ("v1", "PersistentVolumeClaim"),
    "events": ("v1", "Event"),
    "services": ("v1", "Service"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "configmaps": ("v1", "ConfigMap"),
    "resource-quota": ("v1", "ResourceQuota"),
    "limitranges": ("v1", "LimitRange"),
    "deployments": ("apps/v1", "Deployment"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "jobs": ("batch/v1", "Job"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "network-policy": ("networking.k8s.io/v1", "NetworkPolicy"),
    "ingress": ("networking.k8s.io/v1", "Ingress"),
}


@dataclass
class Cluster:
    """The cluster as a bundle recorded it."""

    version: str = ""
    """Empty where the bundle does not say it."""
    objects: list[dict[str, Any]] = field(default_factory=list)
    logs: list[Log] = field(default_factory=list)
    read: set[tuple[str, str, str]] = field(default_factory=set)
    """(apiVersion, kind, namespace) of each list that was read, the empty ones included; namespace "" for all."""

    def unread(self) -> Iterator[tuple[str, str, str | None]]:
        """(apiVersion, kind, namespace) of what nobody read; namespace None where the kind was read nowhere."""
        namespaces = {o["metadata"]["name"] for o in self.objects if o["kind"] == "Namespace"}
        namespaces |= {namespace for _, _, namespace in self.read if namespace}
        for api_version, kind in sorted({*_CLUSTER.values(), *_NAMESPACED.values(), ("v1", "Secret")}):
            where = {namespace for a, k, namespace in self.read if (a, k) == (api_version, kind)}
            if not where:
                yield api_version, kind, None
            elif "" not in where:
                yield from ((api_version, kind, namespace) for namespace in sorted(namespaces - where))


def read_cluster(path: Path) -> Cluster:
    """The cluster in a bundle: a folder or a .tar.gz of one.

    Errors: ValueError where there is nothing of a cluster in it.
    """
    cluster = Cluster()
    for name, data in sorted(_files(path)):
        if name == "bundle.json":
            cluster.version = json.loads(data).get("cluster", {}).get("kubernetesVersion", "")
        elif name.startswith(_LOGS):
            _add_log(cluster, name.removeprefix(_LOGS), data)
        else:
            _add_list(cluster, name, data)
    if not cluster.read:
        raise ValueError(f"{path} has no {_ROOT}: it is not an evidence bundle")
    return cluster


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files that matter, named from `cluster-resources/` down, whatever folder the bundle itself lies in."""
    if path.is_dir():
        found = ((str(p.relative_to(path)), p.read_bytes()) for p in path.rglob("*") if p.is_file())
        yield from _relevant(found)
    else:
        with tarfile.open(path) as archive:
            members = ((m.name, archive.extractfile(m)) for m in archive if m.isfile())
            yield from _relevant((name, member.read()) for name, member in members if member)


def _relevant(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    for name, data in files:
        before, root, rest = name.partition(_ROOT)
        if root and before.count("/") <= 1:
            yield rest, data
        elif name.rpartition("/")[2] == "bundle.json":
            yield "bundle.json", data


def _add_log(cluster: Cluster, name: str, data: bytes) -> None:
    if not name.endswith(".log") or name.count("/") != 2:
        return
    namespace, pod, file = name.split("/")
    stem = file.removesuffix(".log")
    container = stem.removesuffix("-previous")
    cluster.logs.append(Log(namespace, pod, container, data.decode(errors="replace"), previous=stem != container))


def _add_list(cluster: Cluster, name: str, data: bytes) -> None:
    folder, _, file = name.removesuffix(".json").rpartition("/")
    known = _NAMESPACED.get(folder) if folder else _CLUSTER.get(file)
    if not known or not name.endswith(".json"):
        return
    api_version, kind = known
    cluster.read.add((api_version, kind, file if folder else ""))
    for item in json.loads(data).get("items") or ():
        # Troubleshoot's lists leave kind and apiVersion out of their items.
        cluster.objects.append({"apiVersion": api_version, "kind": kind, **item})
