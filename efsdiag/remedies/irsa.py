"""What gives the driver on EKS the role of its service account, by IRSA or by Pod Identity.

A role that is made here is a new one: of the name in the settings of an install, or of the name that is in the service
account already, or of a name of its own, since whether another one was meant cannot be known then.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal, Write
from efsdiag.driver_role import AUDIENCE, pod_identity_trust, role_changes, trust_document, web_identity_trust
from efsdiag.model import Finding, Ref, State
from efsdiag.operations import read_of
from efsdiag.patches import change_of, pointer, restart_change
from efsdiag.semantics.credentials import judge_trust_in_pod_identity, own_association
from efsdiag.semantics.driver import ROLE_ANNOTATION, CredentialPath
from efsdiag.semantics.roles import Role
from efsdiag.settings import Settings
from efsdiag.writes import json_of, tag_list, write_of

Object = dict[str, Any]
LONGEST_NAME = 64


def register_oidc_provider(
    cause: Finding, controller_credential_path: CredentialPath, eks_issuer: str, wanted: Settings | None = None
) -> Proposal:
    parts = controller_credential_path.role_arn.split(":")
    if len(parts) < 6:
        return Declined("the account of the driver's role is not known")
    return (_provider((parts[1], parts[4]), eks_issuer, wanted),)


def create_service_account_role(
    cause: Finding,
    controller_credential_path: CredentialPath,
    eks_cluster: Object,
    eks_issuer: str,
    registered_issuers: tuple[str, ...],
    controller_role: Role | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    path, place = controller_credential_path, _place(eks_cluster, {})
    if controller_role is not None:
        return Declined(f"the role {controller_role.name} is there; whom it trusts has to change")
    parts = path.role_arn.split(":", 5)
    if len(parts) < 6 or place is None or (parts[1], parts[4]) != place:
        return Declined(f"the role {path.role_arn} is not of the account of the cluster, and is not made here")
    above, _, name = parts[5].removeprefix("role").rpartition("/")
    trust = trust_document(web_identity_trust(*place, eks_issuer, path))
    words = f"create the role {name}, which service account {path.service_account} alone can take"
    made = role_changes(name, trust, words, None, wanted, partition=place[0], path=f"{above}/")
    provider = () if eks_issuer in registered_issuers else (_provider(place, eks_issuer, wanted),)
    return (*provider, *made)


def trust_service_account(
    cause: Finding,
    controller_credential_path: CredentialPath,
    controller_role: Role,
    eks_issuer: str,
    registered_issuers: tuple[str, ...],
) -> Proposal:
    role, old = controller_role, controller_role.trust
    if not isinstance(old, dict):
        return Declined("whom the role trusts today is not known")
    if eks_issuer not in registered_issuers:
        return Declined(f"the account has no OIDC provider for {eks_issuer}; a role can trust it only then")
    parts = role.arn.split(":")
    statements = old.get("Statement") or []
    listed = statements if isinstance(statements, list) else [statements]
    more = web_identity_trust(parts[1], parts[4], eks_issuer, controller_credential_path)

    def trusting(document: dict[str, Any]) -> Write:
        return write_of("iam:UpdateAssumeRolePolicy", RoleName=role.name, PolicyDocument=json_of(document))

    account = controller_credential_path.service_account
    words = f"let the role {role.name} trust service account {account}, besides those whom it trusts today"
    new = {**old, "Statement": [*listed, more]}
    return (Change(trusting(new), words, Ref("Role", role.name), undo=trusting(old)),)


def give_service_account_a_role(
    cause: Finding,
    controller_credential_path: CredentialPath,
    controller_account: Object,
    controller_deployment: Object,
    eks_cluster_name: str,
    eks_issuer: str,
    registered_issuers: tuple[str, ...],
    eks_cluster: Object | None = None,
    file_systems: dict[str, Object | None] | None = None,
    wished_role: str | None = None,
    own_role: Role | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    path, place = controller_credential_path, _place(eks_cluster, file_systems or {})
    if place is None:
        return Declined("the account is not known, since neither its cluster nor a file system of it is")
    arn = wished_role or _role_arn(place, _role_name(eks_cluster_name))
    name = arn.rpartition("/")[2]
    annotated = change_of(
        controller_account,
        {pointer("metadata", "annotations", ROLE_ANNOTATION): arn},
        f"name the role {name} in service account {path.service_account}",
    )
    again = restart_change(
        controller_deployment, path.pod, f"replace the pods of {controller_deployment['metadata']['name']}"
    )
    if isinstance(annotated, Declined):
        return annotated
    if isinstance(again, Declined):
        return again
    provider = () if eks_issuer in registered_issuers else (_provider(place, eks_issuer, wanted),)
    trust = trust_document(web_identity_trust(*place, eks_issuer, path))
    present = own_role if own_role and own_role.name == name else None
    made = role_changes(name, trust, f"create the role {name} for the driver", present, wanted, partition=place[0])
    return (*provider, *made, annotated, again)


def associate_pod_identity(
    cause: Finding,
    controller_credential_path: CredentialPath,
    eks_cluster_name: str,
    pod_identity_associations: tuple[Object, ...],
    eks_cluster: Object | None = None,
    file_systems: dict[str, Object | None] | None = None,
    wished_role: str | None = None,
    own_role: Role | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    path, place = controller_credential_path, _place(eks_cluster, file_systems or {})
    if place is None:
        return Declined("the account is not known, since neither its cluster nor a file system of it is")
    if cause.object is not None and cause.object.kind == "Node":
        return Declined(f"node {cause.object.name} lacks the agent, which is the EKS add-on eks-pod-identity-agent")
    if own_association(pod_identity_associations, path) is not None:
        return Declined(f"service account {path.service_account} has an association; its role or the agent is at fault")
    arn = wished_role or _role_arn(place, _role_name(eks_cluster_name))
    name, cluster_arn = arn.rpartition("/")[2], str((eks_cluster or {}).get("arn", ""))
    present = own_role if own_role and own_role.name == name else None
    if present is not None and judge_trust_in_pod_identity(present, path, cluster_arn).state is not State.PASS:
        return Declined(f"the role {name} is there, and EKS may not take it for service account {path.service_account}")
    trust, words = trust_document(pod_identity_trust(cluster_arn, path)), f"create the role {name} for the driver"
    own = (
        f"associations[?namespace=='{path.namespace}' && serviceAccount=='{path.service_account}'].associationId | [0]"
    )
    found = Lookup(read_of("eks:ListPodIdentityAssociations", clusterName=eks_cluster_name), own)
    tags = {"tags": wanted.aws_tags} if wanted else {}
    made = Change(
        write_of(
            "eks:CreatePodIdentityAssociation",
            clusterName=eks_cluster_name,
            namespace=path.namespace,
            serviceAccount=path.service_account,
            roleArn=arn,
            **tags,
        ),
        f"associate the role {name} with service account {path.service_account} of {path.namespace}",
        Ref("ServiceAccount", path.service_account, path.namespace),
        undo=write_of("eks:DeletePodIdentityAssociation", clusterName=eks_cluster_name, associationId=found),
    )
    return (*role_changes(name, trust, words, present, wanted, partition=place[0]), made)


def _provider(place: tuple[str, str], issuer: str, wanted: Settings | None) -> Change:
    arn = f"arn:{place[0]}:iam::{place[1]}:oidc-provider/{issuer}"
    tags = {"Tags": tag_list(wanted.aws_tags)} if wanted else {}
    return Change(
        write_of("iam:CreateOpenIDConnectProvider", Url=f"https://{issuer}", ClientIDList=[AUDIENCE], **tags),
        f"register the cluster's issuer {issuer} in IAM",
        Ref("OpenIDConnectProvider", issuer),
        undo=write_of("iam:DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn),
    )


def _place(cluster: Object | None, file_systems: dict[str, Object | None]) -> tuple[str, str] | None:
    """Partition and account, as the ARN of the cluster tells them, or else that of a file system."""
    arns = [str((cluster or {}).get("arn", "")), *(str(s["FileSystemArn"]) for s in file_systems.values() if s)]
    parts = next((a.split(":") for a in arns if a), None)
    return (parts[1], parts[4]) if parts else None


def _role_name(cluster: str) -> str:
    return f"efsdiag-efs-csi-{cluster}"[:LONGEST_NAME]


def _role_arn(place: tuple[str, str], name: str) -> str:
    return f"arn:{place[0]}:iam::{place[1]}:role/{name}"
