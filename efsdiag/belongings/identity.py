"""What of an install is in IAM: its role, its instance profile, and what was associated with them.

A policy that was attached to a role of others bears no mark, nor does the cluster's issuer in IAM, which other roles
may have come to trust: they are told, and left. An inline policy is known by its name and by every word of it.
"""

from __future__ import annotations

from typing import Any

from efsdiag.belongings.own import Belongings, Object, bears, listed, taken, unmarked
from efsdiag.driver_role import LEAST_POLICY, MANAGED_POLICY
from efsdiag.model import Ref
from efsdiag.remedies.iam import CLIENT_POLICY
from efsdiag.settings import Settings

OWN_POLICIES = frozenset(policy.rpartition("/")[2] for policy in (MANAGED_POLICY, CLIENT_POLICY))
"""Managed policies that efsdiag attaches, by name: their ARNs differ from partition to partition."""


def find_identity(
    read: Any, instances: list[Object], cluster_name: str, issuer: str, settings: Settings, found: Belongings
) -> None:
    """Associations of the install's profile and role, then the profile, then the role.

    `instances` are those of the cluster's nodes, `cluster_name` and `issuer` those of an EKS cluster, else "".
    Source:  iam:GetInstanceProfile, iam:GetRole, iam:ListInstanceProfiles, iam:ListAttachedRolePolicies,
             iam:ListRolePolicies, iam:GetRolePolicy, iam:ListOpenIDConnectProviders,
             ec2:DescribeIamInstanceProfileAssociations, eks:ListPodIdentityAssociations
    Errors:  Unreadable
    """
    associations = _associations(read)
    profile = _profile(read, settings, instances, associations, found)
    _role(read, settings, cluster_name, profile, found)
    _policies_of_others(read, settings, instances, associations, found)
    if issuer:
        _issuer(read, issuer, found)


def _associations(read: Any) -> list[Object]:
    answer = read("ec2:DescribeIamInstanceProfileAssociations") or {}
    known: list[Object] = answer.get("IamInstanceProfileAssociations", [])
    return [a for a in known if a.get("State") not in ("disassociating", "disassociated")]


def _profile(
    read: Any, settings: Settings, instances: list[Object], associations: list[Object], found: Belongings
) -> str:
    """The name of the install's profile, where it is taken away; else ""."""
    name = settings.iam.instance_profile
    profile = (read("iam:GetInstanceProfile", InstanceProfileName=name) or {}).get("InstanceProfile")
    if profile is None:
        return ""
    if not bears(profile, settings):
        found.stays.append(unmarked(f"instance profile {name}"))
        return ""
    nodes = {str(i["InstanceId"]) for i in instances}
    using = [a for a in associations if a["IamInstanceProfile"]["Arn"] == profile["Arn"]]
    for one in (a for a in using if a["InstanceId"] in nodes):
        words = f"end the association of instance {one['InstanceId']} with the instance profile {name}"
        on, maker = Ref("Instance", str(one["InstanceId"])), f"ec2:AssociateIamInstanceProfile {one['InstanceId']}"
        own = str(one["AssociationId"])
        found.own.append(taken("ec2:DisassociateIamInstanceProfile", words, on, maker, AssociationId=own))
    strangers = [a["InstanceId"] for a in using if a["InstanceId"] not in nodes]
    if strangers:
        who = f"instance {listed(strangers)}, which is no node of this cluster"
        found.stays.append(f"instance profile {name} is used by {who}")
        return ""
    on = Ref("InstanceProfile", name)
    for role in profile.get("Roles") or []:
        held = str(role["RoleName"])
        parameters = {"InstanceProfileName": name, "RoleName": held}
        words, maker = (
            f"take the role {held} out of the instance profile {name}",
            f"iam:AddRoleToInstanceProfile {name}",
        )
        found.own.append(taken("iam:RemoveRoleFromInstanceProfile", words, on, maker, **parameters))
    words, maker = f"delete the instance profile {name}", f"iam:CreateInstanceProfile {name}"
    found.own.append(taken("iam:DeleteInstanceProfile", words, on, maker, InstanceProfileName=name))
    return name


def _role(read: Any, settings: Settings, cluster_name: str, profile: str, found: Belongings) -> None:
    name = settings.iam.role
    role = (read("iam:GetRole", RoleName=name) or {}).get("Role")
    if role is None:
        return
    if not bears(role, settings):
        found.stays.append(unmarked(f"role {name}"))
        return
    attached = (read("iam:ListAttachedRolePolicies", RoleName=name) or {}).get("AttachedPolicies", [])
    inline = (read("iam:ListRolePolicies", RoleName=name) or {}).get("PolicyNames", [])
    foreign = [p["PolicyName"] for p in attached if p["PolicyName"] not in OWN_POLICIES]
    foreign += [p for p in inline if p != settings.iam.policy]
    profiles = (read("iam:ListInstanceProfiles") or {}).get("InstanceProfiles", [])
    others = [
        p["InstanceProfileName"]
        for p in profiles
        if p["InstanceProfileName"] != profile and any(r["RoleName"] == name for r in p.get("Roles") or [])
    ]
    if foreign or others:
        why = f"policy {listed(foreign)}, which is not efsdiag's" if foreign else f"instance profile {listed(others)}"
        found.stays.append(f"role {name} has {why}" if foreign else f"role {name} is in {why}, which stays")
        return
    if cluster_name:
        _pod_identity(read, cluster_name, str(role["Arn"]), found)
    on = Ref("Role", name)
    for policy in attached:
        words, maker = f"detach {policy['PolicyName']} from the role {name}", f"iam:AttachRolePolicy {name}"
        arn = str(policy["PolicyArn"])
        found.own.append(taken("iam:DetachRolePolicy", words, on, maker, RoleName=name, PolicyArn=arn))
    for policy in inline:
        words, maker = f"delete the inline policy {policy} of the role {name}", f"iam:PutRolePolicy {name}"
        found.own.append(taken("iam:DeleteRolePolicy", words, on, maker, RoleName=name, PolicyName=policy))
    found.own.append(taken("iam:DeleteRole", f"delete the role {name}", on, f"iam:CreateRole {name}", RoleName=name))


def _pod_identity(read: Any, cluster: str, role: str, found: Belongings) -> None:
    """The associations of the role with service accounts of the cluster."""
    for one in (read("eks:ListPodIdentityAssociations", clusterName=cluster) or {}).get("associations", []):
        own = str(one["associationId"])
        whole = read("eks:DescribePodIdentityAssociation", clusterName=cluster, associationId=own) or {}
        if (whole.get("association") or {}).get("roleArn") != role:
            continue
        account = str(one["serviceAccount"])
        words = f"end the association of service account {account} with the role {role.rpartition('/')[2]}"
        on, maker = Ref("ServiceAccount", account, one["namespace"]), f"eks:CreatePodIdentityAssociation {account}"
        parameters = {"clusterName": cluster, "associationId": own}
        found.own.append(taken("eks:DeletePodIdentityAssociation", words, on, maker, **parameters))


def _policies_of_others(
    read: Any, settings: Settings, instances: list[Object], associations: list[Object], found: Belongings
) -> None:
    """The policies for the driver on the roles that the nodes had, or may have had, before."""
    nodes = {str(i["InstanceId"]) for i in instances}
    arns = {a["IamInstanceProfile"]["Arn"] for a in associations if a["InstanceId"] in nodes}
    profiles = (read("iam:ListInstanceProfiles") or {}).get("InstanceProfiles", [])
    roles = {str(r["RoleName"]) for p in profiles if p["Arn"] in arns for r in p.get("Roles") or []}
    for name in sorted(roles - {settings.iam.role}):
        attached = (read("iam:ListAttachedRolePolicies", RoleName=name) or {}).get("AttachedPolicies", [])
        for policy in attached:
            if policy["PolicyName"] in OWN_POLICIES:
                found.perhaps[f"iam:AttachRolePolicy {name}"] = (
                    f"policy {policy['PolicyName']} is attached to role {name}, which bears no mark: "
                    "whether an install attached it, only its journal knows"
                )
        if settings.iam.policy in (read("iam:ListRolePolicies", RoleName=name) or {}).get("PolicyNames", []):
            _inline_policy(read, name, settings.iam.policy, found)


def _inline_policy(read: Any, role: str, policy: str, found: Belongings) -> None:
    given = {"RoleName": role, "PolicyName": policy}
    maker = f"iam:PutRolePolicy {role}"
    if (read("iam:GetRolePolicy", **given) or {}).get("PolicyDocument") == LEAST_POLICY:
        words = f"delete the inline policy {policy} of the role {role}, which stays"
        found.own.append(taken("iam:DeleteRolePolicy", words, Ref("Role", role), maker, **given))
    else:
        found.perhaps[maker] = f"inline policy {policy} of role {role} says something else than an install writes"


def _issuer(read: Any, issuer: str, found: Belongings) -> None:
    providers = (read("iam:ListOpenIDConnectProviders") or {}).get("OpenIDConnectProviderList", [])
    if any(str(p["Arn"]).partition(":oidc-provider/")[2] == issuer for p in providers):
        found.perhaps[f"iam:CreateOpenIDConnectProvider https://{issuer}"] = (
            f"OIDC provider {issuer} is registered in IAM: whether an install did that, only its journal knows, "
            "and roles of others may trust it"
        )
