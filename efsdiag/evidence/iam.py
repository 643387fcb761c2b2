"""Which AWS principal the driver really uses, and what its role and policies say."""

from __future__ import annotations

import re
from typing import Any

from efsdiag.model import UNREAD, Missing, Unread
from efsdiag.reading import association_of, associations_of, path_of, profile_of, read_role
from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.driver import USUAL_NAMESPACE, CredentialPath, Via
from efsdiag.semantics.objects import is_eks
from efsdiag.semantics.roles import Role
from efsdiag.settings import ACCESS_POINT_DYNAMIC, INSTANCE_PROFILE, IRSA, Settings

_ASSUMED = re.compile(r"\barn:aws[\w-]*:sts::\d{12}:assumed-role/([\w+=,.@-]+)/")
CONTROLLER_ACCOUNT = "efs-csi-controller-sa"
AGENT_LABEL = "app.kubernetes.io/name=eks-pod-identity-agent"


def provisioning_needed(efs_classes: tuple[Provisioning, ...], wanted: Settings | None = None) -> bool | None:
    """Whether the EFS controller is to make a volume for a claim; absent where no claim waits, and none is wanted."""
    return True if efs_classes or (wanted and wanted.storage.way == ACCESS_POINT_DYNAMIC) else None


def controller_credential_path(
    read: Any,
    controller_leader: dict[str, Any] | None = None,
    controller_node: Any = UNREAD,
    wanted: Settings | None = None,
) -> CredentialPath | Missing | None:
    """How credentials reach the leading controller pod, or are to reach it where it is wanted and not there yet.

    Source:  its spec, kube:get serviceaccounts
    """
    if controller_leader is not None:
        return path_of(read, controller_leader)
    if wanted is None:
        return None
    if isinstance(controller_node, Unread):
        return Missing("controller_credential_path", controller_node.why, False, controller_node.grant)
    if controller_node is None:
        return None
    way = wanted.iam.way or (IRSA if is_eks(controller_node) else INSTANCE_PROFILE)
    if way != INSTANCE_PROFILE:
        # The driver's chart makes the service account, so its role can be judged once the driver is there.
        return None
    return CredentialPath(
        Via.INSTANCE, "", "", "efs-csi-controller", CONTROLLER_ACCOUNT, wanted.driver.namespace, False
    )


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
) -> str | None:
    """The role whose credentials the controller gets; absent where there is none, or it is not told.

    With Pod Identity the controller's pod does not name it; AWS does where it refuses, in the controller's log.
    """
    if controller_credential_path.via is Via.POD_IDENTITY and isinstance(controller_log, str):
        named = _ASSUMED.findall(controller_log)
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


def eks_cluster_name(controller_instance: dict[str, Any], controller_node: dict[str, Any]) -> str | None:
    """The EKS cluster that the controller's node belongs to; absent on Kubernetes of one's own."""
    if not is_eks(controller_node):
        return None
    tags = {t["Key"]: t["Value"] for t in controller_instance.get("Tags") or []}
    named = tags.get("aws:eks:cluster-name") or tags.get("eks:cluster-name")
    return named or next((k.rpartition("/")[2] for k in sorted(tags) if k.startswith("kubernetes.io/cluster/")), None)


def eks_issuer(read: Any, eks_cluster_name: str) -> str | None:
    """The OIDC issuer of the EKS cluster, without its scheme. Source: eks:DescribeCluster."""
    answer = read("eks:DescribeCluster", name=eks_cluster_name)
    issuer = ((answer or {}).get("cluster", {}).get("identity") or {}).get("oidc", {}).get("issuer", "")
    return str(issuer).removeprefix("https://") or None


def oidc_providers(read: Any, controller_credential_path: CredentialPath) -> tuple[str, ...] | None:
    """ARNs of the account's OIDC providers, where a service account names a role; absent where none does.

    Source:  iam:ListOpenIDConnectProviders
    """
    if not (controller_credential_path.annotated or controller_credential_path.via is Via.IRSA):
        return None
    answer = read("iam:ListOpenIDConnectProviders")
    return tuple(sorted(p["Arn"] for p in (answer or {}).get("OpenIDConnectProviderList", [])))


def pod_identity_associations(read: Any, eks_cluster_name: str) -> tuple[dict[str, Any], ...]:
    """The cluster's Pod Identity associations. Source: eks:ListPodIdentityAssociations."""
    answer = read("eks:ListPodIdentityAssociations", clusterName=eks_cluster_name)
    return tuple((answer or {}).get("associations", ()))


def identity_agents(
    read: Any, controller_credential_path: CredentialPath, controller_node: dict[str, Any]
) -> list[dict[str, Any]] | None:
    """The Pod Identity agent's pods on the controller's node; absent where the controller does not use it.

    Source:  kube:list pods in kube-system, label selector and spec.nodeName
             https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    if controller_credential_path.via is not Via.POD_IDENTITY:
        return None
    node = f"spec.nodeName={controller_node['metadata']['name']}"
    return list(read("kube:list pods", namespace=USUAL_NAMESPACE, labelSelector=AGENT_LABEL, fieldSelector=node) or [])
