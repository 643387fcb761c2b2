"""What the nodes have to which the driver's controller may move: profile, role and policies of their instances."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Missing
from efsdiag.reading import find_instance, profile_of, read_role
from efsdiag.semantics.roles import Role


def peer_profiles(read: Any, peer_associations: dict[str, dict[str, Any] | None]) -> dict[str, dict[str, Any] | None]:
    """Instance id → its instance profile with its roles, or None. Source: iam:ListInstanceProfiles."""
    return {i: profile_of(read, a) if a is not None else None for i, a in peer_associations.items()}


def peer_roles(read: Any, peer_profiles: dict[str, dict[str, Any] | None]) -> dict[str, Role | None]:
    """Role name → the role, for the roles of those profiles, each read once.

    Source:  as `controller_role`
    """
    names = sorted({str(r["RoleName"]) for p in peer_profiles.values() for r in (p or {}).get("Roles") or []})
    return {name: read_role(read, name) for name in names}


def stranded_instances(
    read: Any, nodes_out_of_zone: tuple[str, ...], wanted_instances: dict[str, dict[str, Any]] | None = None
) -> Any:
    """The instances of the nodes in whose zone there is no mount target.

    Source:  kube:get nodes, ec2:DescribeInstances
    """
    if wanted_instances is not None:
        return [wanted_instances[name] for name in nodes_out_of_zone]
    nodes = [read("kube:get nodes", name=name) for name in nodes_out_of_zone]
    found = [find_instance(read, n) for n in nodes if n is not None]
    return next((i for i in found if isinstance(i, Missing)), found)
