"""What an uninstall deletes beyond an undo, where it is named and agreed to apart: the file system, the namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efsdiag.changes import Change, Declined, Proposal, Risk
from efsdiag.model import Ref, Source
from efsdiag.operations import read_of
from efsdiag.settings import OWN_TAG, Settings
from efsdiag.writes import MANAGED, own_uid, write_of

Thing = dict[str, Any]
NAMESPACED = (
    "pods",
    "persistentvolumeclaims",
    "services",
    "deployments",
    "statefulsets",
    "daemonsets",
    "jobs",
    "ingresses",
    "configmaps",
    "serviceaccounts",
)
"""What is looked for in a namespace before it is deleted. Secrets are never read."""
ALWAYS_THERE = {"configmaps": "kube-root-ca.crt", "serviceaccounts": "default"}


def around_file_system(source: Source, name: str) -> tuple[Thing | None, list[Thing], list[Thing]]:
    """The file system of that id, or None, its mount targets and its access points. Errors: Unreadable."""
    reads = ("FileSystems", "MountTargets", "AccessPoints")
    systems, targets, points = (
        (source(read_of(f"efs:Describe{key}", FileSystemId=name)) or {}).get(key, []) for key in reads
    )
    return next(iter(systems), None), targets, points


def inside_namespace(source: Source, name: str) -> tuple[Thing | None, dict[str, list[str]]]:
    """The namespace, or None, and by resource the names of what is in it. Errors: Unreadable."""
    found = {resource: source(read_of(f"kube:list {resource}", namespace=name)) or [] for resource in NAMESPACED}
    inside = {resource: [str(t["metadata"]["name"]) for t in things] for resource, things in found.items()}
    return source(read_of("kube:get namespaces", name=name)), inside


def file_system_deletion(
    settings: Settings,
    system: Mapping[str, Any] | None,
    targets: Sequence[Mapping[str, Any]],
    points: Sequence[Mapping[str, Any]],
) -> Proposal:
    """The change that deletes the file system with its data; declined for one that is not the install's own, or in use.

    Shape:   system as efs:DescribeFileSystems has it; its mount targets and access points as they are now.
    """
    if system is None:
        return Declined("there is no such file system in this account and region")
    name = str(system["FileSystemId"])
    tags = {t["Key"]: t["Value"] for t in system.get("Tags") or []}
    if tags.get(OWN_TAG) != settings.name:
        return Declined(f"file system {name} has not the tag {OWN_TAG}={settings.name}; it is not of this install")
    used = [t for t in targets if t.get("LifeCycleState") not in ("deleting", "deleted")]
    if used or points:
        names = ", ".join([str(t["MountTargetId"]) for t in used] + [str(p["AccessPointId"]) for p in points])
        return Declined(f"file system {name} is still used by {names}")
    change = Change(
        write_of("efs:DeleteFileSystem", FileSystemId=name),
        f"delete the file system {name} with all its data",
        Ref("FileSystem", name),
        Risk.IRREVERSIBLE,
        residue="nothing brings the data back but a backup",
    )
    return (change,)


def namespace_deletion(namespace: Mapping[str, Any] | None, inside: Mapping[str, Sequence[str]]) -> Proposal:
    """The change that deletes the namespace; declined where it is not the install's own, or something is in it.

    Shape:   inside is resource → names of what is there.
    """
    if namespace is None:
        return Declined("there is no such namespace")
    name = str(namespace["metadata"]["name"])
    labels = namespace["metadata"].get("labels") or {}
    if not MANAGED.items() <= labels.items():
        return Declined(f"namespace {name} was not made by efsdiag")
    left = [f"{resource} {n}" for resource in NAMESPACED for n in inside[resource] if ALWAYS_THERE.get(resource) != n]
    if left:
        return Declined(f"in namespace {name} there is still {', '.join(left[:5])}")
    query = read_of("kube:get namespaces", name=name)
    change = Change(
        write_of("kube:delete namespaces", name=name, uid=own_uid(query)),
        f"delete the namespace {name}, in which nothing is left but what Kubernetes puts there",
        Ref("Namespace", name),
        Risk.DISRUPTIVE,
        residue="Secrets in it, which efsdiag does not read, go with it",
    )
    return (change,)
