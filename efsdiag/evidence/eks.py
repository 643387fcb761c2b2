"""What EKS and IAM say of the cluster's own identities: its issuer, and the associations of Pod Identity."""

from __future__ import annotations

from typing import Any

from efsdiag.semantics.credentials import own_association
from efsdiag.semantics.driver import USUAL_NAMESPACE, CredentialPath, Via
from efsdiag.semantics.objects import is_eks

AGENT_LABEL = "app.kubernetes.io/name=eks-pod-identity-agent"


def eks_cluster_name(controller_instance: dict[str, Any], controller_node: dict[str, Any]) -> str | None:
    """The EKS cluster that the controller's node belongs to; absent on Kubernetes of one's own."""
    if not is_eks(controller_node):
        return None
    tags = {t["Key"]: t["Value"] for t in controller_instance.get("Tags") or []}
    named = tags.get("aws:eks:cluster-name") or tags.get("eks:cluster-name")
    return named or next((k.rpartition("/")[2] for k in sorted(tags) if k.startswith("kubernetes.io/cluster/")), None)


def eks_cluster(read: Any, eks_cluster_name: str) -> dict[str, Any] | None:
    """The EKS cluster, raw; absent where EKS knows none of that name. Source: eks:DescribeCluster."""
    answer = read("eks:DescribeCluster", name=eks_cluster_name)
    found: dict[str, Any] | None = (answer or {}).get("cluster")
    return found


def eks_issuer(eks_cluster: dict[str, Any]) -> str | None:
    """The OIDC issuer of the EKS cluster, without its scheme."""
    issuer = (eks_cluster.get("identity") or {}).get("oidc", {}).get("issuer", "")
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


def pod_identity_role(read: Any, eks_cluster_name: str, controller_credential_path: CredentialPath) -> str | None:
    """ARN of the role that EKS associates with the controller's service account; absent where that has no association,
    and where the association leads on to a role of another account, which is not looked at.

    Source:  eks:ListPodIdentityAssociations, eks:DescribePodIdentityAssociation
             https://docs.aws.amazon.com/eks/latest/APIReference/API_PodIdentityAssociation.html
    """
    if controller_credential_path.via is not Via.POD_IDENTITY:
        return None
    answer = read("eks:ListPodIdentityAssociations", clusterName=eks_cluster_name)
    own = own_association((answer or {}).get("associations", ()), controller_credential_path)
    if own is None or not own.get("associationId"):
        return None
    answer = read(
        "eks:DescribePodIdentityAssociation", clusterName=eks_cluster_name, associationId=own["associationId"]
    )
    found = (answer or {}).get("association") or {}
    return None if found.get("targetRoleArn") else found.get("roleArn")
