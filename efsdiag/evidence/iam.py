"""Which AWS principal the driver really uses, and what its role and policies say."""

from __future__ import annotations

import re
from typing import Any

from efsdiag.model import UNREAD, Missing, Unread
from efsdiag.reading import association_of, associations_of, path_of, profile_of, read_role
from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.driver import CredentialPath, Via, account_in
from efsdiag.semantics.roles import Role
from efsdiag.settings import ACCESS_POINT_DYNAMIC, INSTANCE_PROFILE, IRSA, POD_IDENTITY, Settings

_ASSUMED = re.compile(r"\barn:aws[\w-]*:sts::\d{12}:assumed-role/([\w+=,.@-]+)/")
VIA = {INSTANCE_PROFILE: Via.INSTANCE, IRSA: Via.IRSA, POD_IDENTITY: Via.POD_IDENTITY}


def provisioning_needed(efs_classes: tuple[Provisioning, ...], wanted: Settings | None = None) -> bool | None:
    """Whether the EFS controller is to make a volume for a claim; absent where no claim waits, and none is wanted."""
    return True if efs_classes or (wanted and wanted.storage.way == ACCESS_POINT_DYNAMIC) else None


def controller_credential_path(
    read: Any,
    controller_leader: dict[str, Any] | None = None,
    wanted: Settings | None = None,
    identity_way: Any = UNREAD,
    wished_role: Any = UNREAD,
) -> CredentialPath | Missing | None:
    """How credentials reach the leading controller pod, or are to reach it where it is wanted and not there yet.

    Source:  its spec, kube:get serviceaccounts
    """
    if controller_leader is not None:
        return path_of(read, controller_leader)
    if wanted is None or identity_way is None:
        return None
    unread = next((e for e in (identity_way, wished_role) if isinstance(e, Unread)), None)
    if unread is not None:
        return Missing("controller_credential_path", unread.why, False, unread.grant)
    role = str(wished_role) if identity_way == IRSA else ""
    account, namespace = account_in(wanted.driver.values), wanted.driver.namespace
    return CredentialPath(VIA[identity_way], role, role, "efs-csi-controller", account, namespace, False)


def node_credential_path(
    read: Any, node_identity_needed: bool, node_plugin_pods: list[dict[str, Any]]
) -> CredentialPath | None:
    """How credentials reach the node plugin on the pod's node; absent where there is no such pod, or no need."""
    return path_of(read, node_plugin_pods[0]) if node_plugin_pods else None


def controller_association(read: Any, controller_instance: dict[str, Any]) -> dict[str, Any] | None:
    """The instance profile association of the leading controller's instance; absent where it has none.

    Source:  ec2:DescribeIamInstanceProfileAssociations, by instance
    """
    return association_of(read, controller_instance)


def node_association(read: Any, node_identity_needed: bool, node_instance: dict[str, Any]) -> dict[str, Any] | None:
    """The same for the pod's node; not asked where no mount signs in."""
    return association_of(read, node_instance)


def peer_associations(read: Any, controller_peer_instances: list[dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """Instance id → association, for the other controller pods' instances."""
    return associations_of(read, controller_peer_instances)


def controller_profile(read: Any, controller_association: dict[str, Any]) -> dict[str, Any] | None:
    """The instance profile under the leading controller, with its roles. Source: iam:ListInstanceProfiles."""
    return profile_of(read, controller_association)


def node_profile(read: Any, node_association: dict[str, Any]) -> dict[str, Any] | None:
    """The same for the pod's node."""
    return profile_of(read, node_association)


def controller_role_name(
    controller_credential_path: CredentialPath,
    controller_profile: dict[str, Any] | None = None,
    controller_log: Any = UNREAD,
    pod_identity_role: Any = UNREAD,
) -> str | None:
    """The role whose credentials the controller gets; absent where there is none, or it is not told.

    With Pod Identity the controller's pod does not name it: its association does, or AWS where it refuses, in the
    controller's log.
    """
    if controller_credential_path.via is Via.POD_IDENTITY:
        if isinstance(pod_identity_role, str):
            return pod_identity_role.rpartition("/")[2]
        named = _ASSUMED.findall(controller_log) if isinstance(controller_log, str) else []
        return str(named[-1]) if named else None
    return _role_name(controller_credential_path, controller_profile)


def node_role_name(node_credential_path: CredentialPath, node_profile: dict[str, Any] | None = None) -> str | None:
    """The role whose credentials the node plugin on the pod's node gets."""
    return _role_name(node_credential_path, node_profile)


def _role_name(path: CredentialPath, profile: dict[str, Any] | None) -> str | None:
    if path.via is Via.IRSA:
        return path.role_arn.rpartition("/")[2] or None
    if path.via is Via.INSTANCE:
        roles = (profile or {}).get("Roles") or []
        return str(roles[0]["RoleName"]) if roles else None
    return None


def controller_role(read: Any, controller_role_name: str) -> Role | None:
    """The controller's role; absent where no role of that name exists.

    Source:  iam:GetRole, ListAttachedRolePolicies, ListRolePolicies, GetRolePolicy, GetPolicy, GetPolicyVersion
    """
    return read_role(read, controller_role_name)


def node_role(read: Any, node_role_name: str) -> Role | None:
    """The role of the node plugin on the pod's node."""
    return read_role(read, node_role_name)


def node_identity_needed(efs_volumes: tuple[EfsVolume, ...]) -> bool | None:
    """Whether a mount signs in to EFS as the node plugin's principal (mount option iam); absent where none does."""
    return True if any(v.uses_iam for v in efs_volumes) else None
