"""What gives the driver on EKS the role of its service account, by IRSA or by Pod Identity.

A role that is made here is a new one with a name of its own: whether another one was meant cannot be known.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal, Write
from efsdiag.model import Finding, Ref
from efsdiag.operations import read_of
from efsdiag.patches import change_of, pointer, restart_change
from efsdiag.semantics.driver import ROLE_ANNOTATION, CredentialPath
from efsdiag.semantics.roles import Role
from efsdiag.writes import json_of, write_of

DRIVER_POLICY = "policy/service-role/AmazonEFSCSIDriverPolicy"
AUDIENCE = "sts.amazonaws.com"
LONGEST_NAME = 64


def register_oidc_provider(cause: Finding, controller_credential_path: CredentialPath, eks_issuer: str) -> Proposal:
    parts = controller_credential_path.role_arn.split(":")
    if len(parts) < 6:
        return Declined("the account of the driver's role is not known")
    return (_provider(parts[1], parts[4], eks_issuer),)


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
    more = _web_identity(parts[1], parts[4], eks_issuer, controller_credential_path)

    def trusting(document: dict[str, Any]) -> Write:
        return write_of("iam:UpdateAssumeRolePolicy", RoleName=role.name, PolicyDocument=json_of(document))

    account = controller_credential_path.service_account
    words = f"let the role {role.name} trust service account {account}, besides those whom it trusts today"
    new = {**old, "Statement": [*listed, more]}
    return (Change(trusting(new), words, Ref("Role", role.name), undo=trusting(old)),)


def give_service_account_a_role(
    cause: Finding,
    controller_credential_path: CredentialPath,
    controller_account: dict[str, Any],
    controller_deployment: dict[str, Any],
    eks_cluster_name: str,
    eks_issuer: str,
    registered_issuers: tuple[str, ...],
    file_systems: dict[str, dict[str, Any] | None],
) -> Proposal:
    place = _place(file_systems)
    if place is None:
        return Declined("the account is not known, since no file system of it is")
    path, name = controller_credential_path, _role_name(eks_cluster_name)
    trust = _document(_web_identity(*place, eks_issuer, path))
    annotated = change_of(
        controller_account,
        {pointer("metadata", "annotations", ROLE_ANNOTATION): _role_arn(place, name)},
        f"name the role {name} in service account {path.service_account}",
    )
    again = restart_change(
        controller_deployment, path.pod, f"replace the pods of {controller_deployment['metadata']['name']}"
    )
    if isinstance(annotated, Declined):
        return annotated
    if isinstance(again, Declined):
        return again
    provider = [] if eks_issuer in registered_issuers else [_provider(*place, eks_issuer)]
    return (*provider, *_role(name, trust, f"arn:{place[0]}:iam::aws:{DRIVER_POLICY}"), annotated, again)


def associate_pod_identity(
    cause: Finding,
    controller_credential_path: CredentialPath,
    eks_cluster_name: str,
    pod_identity_associations: tuple[dict[str, Any], ...],
    file_systems: dict[str, dict[str, Any] | None],
) -> Proposal:
    path, name, place = controller_credential_path, _role_name(eks_cluster_name), _place(file_systems)
    if place is None:
        return Declined("the account is not known, since no file system of it is")
    own_pair = (path.namespace, path.service_account)
    if any((a.get("namespace"), a.get("serviceAccount")) == own_pair for a in pod_identity_associations):
        return Declined(f"service account {path.service_account} has an association; its role or the agent is at fault")
    pods = {"Service": "pods.eks.amazonaws.com"}
    trust = _document({"Effect": "Allow", "Principal": pods, "Action": ["sts:AssumeRole", "sts:TagSession"]})
    own = (
        f"associations[?namespace=='{path.namespace}' && serviceAccount=='{path.service_account}'].associationId | [0]"
    )
    found = Lookup(read_of("eks:ListPodIdentityAssociations", clusterName=eks_cluster_name), own)
    made = Change(
        write_of(
            "eks:CreatePodIdentityAssociation",
            clusterName=eks_cluster_name,
            namespace=path.namespace,
            serviceAccount=path.service_account,
            roleArn=_role_arn(place, name),
        ),
        f"associate the role {name} with service account {path.service_account} of {path.namespace}",
        Ref("ServiceAccount", path.service_account, path.namespace),
        undo=write_of("eks:DeletePodIdentityAssociation", clusterName=eks_cluster_name, associationId=found),
    )
    return (*_role(name, trust, f"arn:{place[0]}:iam::aws:{DRIVER_POLICY}"), made)


def _provider(partition: str, account: str, issuer: str) -> Change:
    arn = f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"
    return Change(
        write_of("iam:CreateOpenIDConnectProvider", Url=f"https://{issuer}", ClientIDList=[AUDIENCE]),
        f"register the cluster's issuer {issuer} in IAM",
        Ref("OpenIDConnectProvider", issuer),
        undo=write_of("iam:DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=arn),
    )


def _role(name: str, trust: dict[str, Any], policy: str) -> tuple[Change, ...]:
    on, short = Ref("Role", name), policy.rpartition("/")[2]
    return (
        Change(
            write_of("iam:CreateRole", RoleName=name, AssumeRolePolicyDocument=json_of(trust)),
            f"create the role {name} for the driver",
            on,
            undo=write_of("iam:DeleteRole", RoleName=name),
        ),
        Change(
            write_of("iam:AttachRolePolicy", RoleName=name, PolicyArn=policy),
            f"attach {short} to the role {name}",
            on,
            undo=write_of("iam:DetachRolePolicy", RoleName=name, PolicyArn=policy),
        ),
    )


def _web_identity(partition: str, account: str, issuer: str, path: CredentialPath) -> dict[str, Any]:
    """The statement that lets the service account of the path take a role with a token of the issuer."""
    subject = f"system:serviceaccount:{path.namespace}:{path.service_account}"
    return {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": subject}},
    }


def _document(statement: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _place(file_systems: dict[str, dict[str, Any] | None]) -> tuple[str, str] | None:
    """Partition and account, as the ARN of a file system tells them."""
    arns = [str(s["FileSystemArn"]).split(":") for s in file_systems.values() if s is not None]
    return (arns[0][1], arns[0][4]) if arns else None


def _role_name(cluster: str) -> str:
    return f"efsdiag-efs-csi-{cluster}"[:LONGEST_NAME]


def _role_arn(place: tuple[str, str], name: str) -> str:
    return f"arn:{place[0]}:iam::{place[1]}:role/{name}"
