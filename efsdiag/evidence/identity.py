"""How the driver is to get its role where it is wished for: as the settings say, or else as the cluster has it."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.eks import AGENT_LABEL
from efsdiag.model import UNREAD, Missing, Unread
from efsdiag.semantics.driver import ROLE_ANNOTATION, USUAL_NAMESPACE, account_in, role_in
from efsdiag.semantics.objects import has_identity_agent, is_eks
from efsdiag.settings import INSTANCE_PROFILE, IRSA, POD_IDENTITY, Settings

NAME_IT = "say how the driver gets its role in the setting iam.way"


def wished_account(read: Any, wanted: Settings, eks_cluster_name: str) -> dict[str, Any] | None:
    """The controller's service account, which may be there before the driver is.

    Source:  kube:get serviceaccounts
    """
    found: dict[str, Any] | None = read(
        "kube:get serviceaccounts", namespace=wanted.driver.namespace, name=account_in(wanted.driver.values)
    )
    return found


def agent_nodes(read: Any, wanted: Settings, eks_cluster_name: str) -> frozenset[str] | None:
    """The nodes on which the agent of Pod Identity stands; absent where the settings say the way themselves.

    Source:  kube:list pods in kube-system, label selector
    """
    if wanted.iam.way:
        return None
    found = read("kube:list pods", namespace=USUAL_NAMESPACE, labelSelector=AGENT_LABEL) or []
    return frozenset(str(p["spec"]["nodeName"]) for p in found if p["spec"].get("nodeName"))


def identity_way(
    wanted: Settings,
    controller_node: dict[str, Any],
    wanted_nodes: list[dict[str, Any]],
    wished_account: Any = UNREAD,
    pod_identity_associations: Any = UNREAD,
    agent_nodes: Any = UNREAD,
    eks_issuer: Any = UNREAD,
) -> str | Missing:
    """How the driver is to get its role, in the words of the setting iam.way.

    Off EKS by the instance. On EKS as its service account has it already; else by Pod Identity where its agent stands
    on every wanted node, and by the cluster's issuer where it does not.
    """
    if wanted.iam.way or not is_eks(controller_node):
        return wanted.iam.way or INSTANCE_PROFILE
    asked = (wished_account, pod_identity_associations, agent_nodes, eks_issuer)
    unread = next((e for e in asked if isinstance(e, Unread)), None)
    if unread is not None:
        return Missing("identity_way", unread.why, False, unread.grant)
    if pod_identity_associations is None:
        why = "the tags of the nodes' instances do not say which EKS cluster they belong to"
        return Missing("identity_way", why, False, NAME_IT)
    own = (wanted.driver.namespace, account_in(wanted.driver.values))
    if any((a.get("namespace"), a.get("serviceAccount")) == own for a in pod_identity_associations):
        return POD_IDENTITY
    if _annotated(wished_account):
        return IRSA
    served = all(n["metadata"]["name"] in agent_nodes or has_identity_agent(n) for n in wanted_nodes)
    if served or eks_issuer:
        return POD_IDENTITY if served else IRSA
    why = "the cluster has no OIDC issuer, and no agent of Pod Identity on every node"
    return Missing("identity_way", why, False, NAME_IT)


def wished_role(
    read: Any,
    wanted: Settings,
    identity_way: str,
    wished_account: dict[str, Any] | None = None,
    eks_cluster: dict[str, Any] | None = None,
) -> str | Missing | None:
    """ARN of the role that the controller's service account is to get; absent where it gets that of its instance.

    It is the one that the service account or the chart's values name; else the one of the name in the settings, which
    need not be there yet: the cluster's own ARN tells its account.

    Source:  iam:GetRole
    """
    if identity_way == INSTANCE_PROFILE:
        return None
    named = _annotated(wished_account) or role_in(wanted.driver.values)
    if named and identity_way == IRSA:
        return named
    answer = read("iam:GetRole", RoleName=wanted.iam.role)
    if answer is not None:
        return str(answer["Role"]["Arn"])
    place = str((eks_cluster or {}).get("arn", "")).split(":")
    if len(place) > 4:
        return f"arn:{place[1]}:iam::{place[4]}:role/{wanted.iam.role}"
    why = "the tags of the nodes' instances do not lead to an EKS cluster, so its account is not known"
    return Missing("wished_role", why, False, "allow eks:DescribeCluster, and tag the instances with the cluster")


def _annotated(account: dict[str, Any] | None) -> str:
    annotations = (account or {}).get("metadata", {}).get("annotations") or {}
    return str(annotations.get(ROLE_ANNOTATION, ""))
