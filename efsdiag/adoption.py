"""What an install uses that is there already: each thing with its id, and by what it was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.model import UNREAD
from efsdiag.semantics.claims import Claim
from efsdiag.settings import OWN_TAG, Settings

Thing = Mapping[str, Any]
RELEASE = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
"""Annotations of all that helm makes: https://helm.sh/docs/topics/advanced/"""
MANAGED_BY = "app.kubernetes.io/managed-by"


@dataclass(frozen=True)
class Reused:
    """One thing that is there."""

    what: str
    """Its kind and its id: "file system fs-0a1"."""
    by: str
    """What it was found by."""


def reused(
    wanted: Settings,
    wanted_file_system: Any = UNREAD,
    wanted_access_point: Any = UNREAD,
    mount_targets: Any = UNREAD,
    wanted_group: Any = UNREAD,
    controller_association: Any = UNREAD,
    peer_associations: Any = UNREAD,
    account_profiles: Any = UNREAD,
    own_role: Any = UNREAD,
    node_daemonset: Any = UNREAD,
    controller_deployment: Any = UNREAD,
    wanted_namespace: Any = UNREAD,
    claims: Any = UNREAD,
    every_volume: Any = UNREAD,
    workload: Any = UNREAD,
) -> tuple[Reused, ...]:
    """All of it, from the account to the program. What could not be read is left out: a check tells of that."""
    system, point = wanted.storage.file_system, wanted.storage.access_point
    group = _text(wanted_group, "GroupName")
    return (
        *_stored("file system", ("FileSystemId", "CreationToken"), wanted_file_system, system, wanted),
        *_mount_targets(_text(wanted_file_system, "FileSystemId"), mount_targets),
        *_named("security group", _text(wanted_group, "GroupId"), f"its name {group}"),
        *_stored("access point", ("AccessPointId", "ClientToken"), wanted_access_point, point, wanted),
        *_profiles(controller_association, peer_associations, account_profiles),
        *_named("role", getattr(own_role, "name", ""), "its name"),
        *_workloads("driver", "its image", node_daemonset, controller_deployment),
        *_named("namespace", "" if _goes(wanted_namespace) else _name(wanted_namespace), "its name"),
        *_claimed(wanted, claims, every_volume),
        *_workloads("Prometheus", "its name", workload),
    )


def maker_of(thing: Thing) -> str:
    """Who installed an object: its Helm release, an add-on of EKS, or neither, in words."""
    metadata = thing["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    managers = {field.get("manager") for field in metadata.get("managedFields") or []}
    if RELEASE in annotations:
        return f"of release {annotations[RELEASE]} in {annotations.get(RELEASE_NAMESPACE, '?')}"
    return "of an EKS add-on" if labels.get(MANAGED_BY) == "EKS" or "eks" in managers else "of no Helm release"


def _stored(what: str, keys: tuple[str, str], thing: Any, named: str, wanted: Settings) -> Iterable[Reused]:
    if not isinstance(thing, Mapping):
        return
    key, token = keys
    by = f"the setting {'storage.fileSystem' if key == 'FileSystemId' else 'storage.accessPoint'}"
    if not named:
        by = f"its token {wanted.name}" if thing.get(token) == wanted.name else f"its tag {OWN_TAG}={wanted.name}"
    yield Reused(f"{what} {thing[key]}", by)


def _mount_targets(system: str, targets: Any) -> Iterable[Reused]:
    for target in (targets.get(system) or []) if isinstance(targets, Mapping) else ():
        zone = target.get("AvailabilityZoneName", target["SubnetId"])
        yield Reused(f"mount target {target['MountTargetId']} in {zone}", f"file system {system}, which has it")


def _named(what: str, name: str, by: str) -> Iterable[Reused]:
    return (Reused(f"{what} {name}", by),) if name else ()


def _text(thing: Any, key: str) -> str:
    return str(thing.get(key, "")) if isinstance(thing, Mapping) else ""


def _name(thing: Any) -> str:
    return str(thing["metadata"]["name"]) if isinstance(thing, Mapping) else ""


def _goes(thing: Any) -> bool:
    return isinstance(thing, Mapping) and "deletionTimestamp" in thing["metadata"]


def _profiles(leading: Any, others: Any, profiles: Any) -> Iterable[Reused]:
    """The profiles that the nodes' instances have, each once."""
    known = [leading, *(others.values() if isinstance(others, Mapping) else ())]
    roles = {
        p["Arn"]: ", ".join(str(r["RoleName"]) for r in p.get("Roles") or [])
        for p in (profiles if isinstance(profiles, tuple | list) else ())
    }
    holders: dict[str, list[str]] = {}
    for association in (a for a in known if isinstance(a, Mapping)):
        holders.setdefault(str(association["IamInstanceProfile"]["Arn"]), []).append(str(association["InstanceId"]))
    for arn, held in sorted(holders.items()):
        role = f" with role {roles[arn]}" if roles.get(arn) else ""
        yield Reused(f"instance profile {arn.rpartition('/')[2]}{role}", f"instance {', '.join(sorted(set(held)))}")


def _workloads(what: str, by: str, *found: Any) -> Iterable[Reused]:
    for thing in found:
        if isinstance(thing, Mapping):
            name = f"{thing.get('kind', 'workload')} {thing['metadata'].get('namespace', '')}/{_name(thing)}"
            yield Reused(f"{what}: {name}, {maker_of(thing)}", by)


def _claimed(wanted: Settings, claims: Any, volumes: Any) -> Iterable[Reused]:
    there: list[Claim] = [c for c in claims or () if c.object is not None] if isinstance(claims, tuple) else []
    names = [c.name for c in there if c.name == wanted.claim]
    yield from (Reused(f"claim {name}", "its name") for name in names)
    known = [_name(v) for v in volumes] if isinstance(volumes, list) else []
    yield from (Reused(f"volume {name}", "its name") for name in known if name == wanted.volume)
