"""The role that its service account hands to the controller: by IRSA, or by EKS Pod Identity."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.credentials import (
    judge_pod_identity,
    judge_trust_in_pod_identity,
    judge_trust_in_service_account,
    own_association,
    unread_among,
)
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.semantics.driver_rights import may_use_efs
from efsdiag.semantics.objects import has_identity_agent, is_ready
from efsdiag.settings import INSTANCE_PROFILE, POD_IDENTITY

OWN_ISSUER = "kubectl get --raw /.well-known/openid-configuration"
"""Tells the issuer of a cluster that is not EKS."""


def service_account_has_role(
    controller_credential_path: CredentialPath,
    eks_cluster_name: Any = UNREAD,
    controller_role: Any = UNREAD,
    controller_association: Any = UNREAD,
    pod_identity_associations: Any = UNREAD,
    identity_way: Any = UNREAD,
) -> Verdict:
    path = controller_credential_path
    if path.via is Via.POD_IDENTITY:
        return judge_pod_identity(path, pod_identity_associations)
    if path.via is not Via.INSTANCE:
        return passed(f"the controller's credentials are {path.via.value}")
    if refused := unread_among(eks_cluster_name):
        return refused
    if eks_cluster_name is None:
        return skipped("the cluster is not EKS: the driver takes the role of its instance")
    if identity_way == INSTANCE_PROFILE:
        return skipped("the settings give the driver the role of its node")
    if path.annotated:
        return _older_than_its_role(path, f"names role {path.annotated.rpartition('/')[2]}", "AWS_ROLE_ARN")
    known = () if isinstance(pod_identity_associations, Unread) else pod_identity_associations or ()
    if own_association(known, path) is not None:
        return _older_than_its_role(path, "has a role by Pod Identity", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if refused := unread_among(controller_role, controller_association):
        return refused
    if controller_role is not None and may_use_efs(controller_role):
        return passed("the controller uses the role of its node, which may use EFS")
    if identity_way == POD_IDENTITY:
        return judge_pod_identity(path, pod_identity_associations)
    on = Ref("ServiceAccount", path.service_account, path.namespace)
    says = f"service account {path.service_account} names no role, and the role of the node may not use EFS"
    return failed("iam.irsa-annotation-missing", says, on, "annotation eks.amazonaws.com/role-arn: absent")


def _older_than_its_role(path: CredentialPath, has: str, variable: str) -> Verdict:
    on = Ref("ServiceAccount", path.service_account, path.namespace)
    says = f"service account {path.service_account} {has}, but {path.pod} was created without it"
    proof = (f"annotation {path.annotated}",) if path.annotated else ()
    return failed("iam.irsa-pod-not-restarted", says, on, *proof, f"env {variable}: absent")


def oidc_provider_registered(
    controller_credential_path: CredentialPath, oidc_providers: Any = UNREAD, eks_issuer: Any = UNREAD
) -> Verdict:
    if controller_credential_path.via is not Via.IRSA:
        return skipped("the controller does not use a service account token")
    if refused := unread_among(oidc_providers, eks_issuer):
        return refused
    if eks_issuer is None:
        return unknown("the cluster's issuer is not known", OWN_ISSUER)
    if any(arn.partition(":oidc-provider/")[2] == eks_issuer for arn in oidc_providers or ()):
        return passed(f"IAM knows the issuer {eks_issuer}")
    says = f"the account has no OIDC provider for the cluster's issuer {eks_issuer}"
    return failed("iam.irsa-oidc-provider-missing", says, Ref("OpenIDConnectProvider", eks_issuer))


def role_trusts_service_account(
    controller_credential_path: CredentialPath,
    controller_role: Any = UNREAD,
    eks_issuer: Any = UNREAD,
    pod_identity_role: Any = UNREAD,
    eks_cluster: Any = UNREAD,
) -> Verdict:
    path = controller_credential_path
    if path.via is Via.POD_IDENTITY:
        return _trust_in_pod_identity(path, controller_role, pod_identity_role, eks_cluster)
    if path.via is not Via.IRSA:
        return skipped("the controller does not use a service account token")
    if not path.role_arn:
        return unknown(
            "the variable AWS_ROLE_ARN of the controller has no value in its spec", "state it in the pod template"
        )
    name = path.role_arn.rpartition("/")[2]
    if refused := unread_among(controller_role):
        return refused
    if controller_role is None:
        return failed("iam.irsa-trust-mismatch", f"the role {name} does not exist", Ref("Role", name))
    if refused := unread_among(eks_issuer):
        return refused
    if eks_issuer is None:
        return unknown("the cluster's issuer is not known", OWN_ISSUER)
    return judge_trust_in_service_account(controller_role, path, eks_issuer)


def _trust_in_pod_identity(path: CredentialPath, role: Any, associated: Any, cluster: Any) -> Verdict:
    """Whether EKS may take the role that it associates with the service account; waiting where none is known."""
    if role is None and associated is None:
        return waiting("which role EKS associates with the service account is not told")
    if refused := unread_among(role, cluster) or (unread_among(associated) if role is None else None):
        return refused
    if role is None:
        name = str(associated).rpartition("/")[2]
        says = f"the role {name}, which EKS associates with service account {path.service_account}, does not exist"
        return failed("iam.pod-identity-missing", says, Ref("Role", name))
    return judge_trust_in_pod_identity(role, path, str((cluster or {}).get("arn", "")))


def pod_identity_served(
    controller_credential_path: CredentialPath,
    controller_node: dict[str, Any] | None = None,
    identity_agents: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    path = controller_credential_path
    if path.via is not Via.POD_IDENTITY:
        return skipped(f"the controller's credentials are {path.via.value}")
    said = [s for s in heard.of("iam.pod-identity-missing") if s.specific] if heard else []
    if said:
        return failed_all([finding_of(said[0], sure=False)])
    if controller_node is None:
        return waiting("the controller stands on no node")
    name = controller_node["metadata"]["name"]
    if has_identity_agent(controller_node):
        return skipped(f"node {name} of EKS Auto Mode has the agent built in")
    if isinstance(identity_agents, Unread):
        return unknown(identity_agents.why, identity_agents.grant)
    if not identity_agents:
        says = f"no pod of eks-pod-identity-agent stands on node {name}, where the controller runs"
        return failed("iam.pod-identity-missing", says, Ref("Node", name), "pods of the agent there: 0")
    if not any(is_ready(p) for p in identity_agents):
        agent = identity_agents[0]["metadata"]
        says = f"{agent['name']}, the Pod Identity agent of node {name}, is not ready"
        return failed("iam.pod-identity-missing", says, Ref("Pod", agent["name"], agent["namespace"]), sure=False)
    return passed(f"the Pod Identity agent of node {name} is ready")
