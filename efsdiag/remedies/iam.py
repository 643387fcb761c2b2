"""What gives the driver credentials and rights.

An instance that has a profile keeps it: never is a profile replaced or taken from an instance.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal, Risk, Write
from efsdiag.evidence.cures import MOST_PROFILES
from efsdiag.model import Finding, Ref
from efsdiag.operations import read_of
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.roles import Role
from efsdiag.writes import json_of, write_of

DRIVER_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy"
CLIENT_POLICY = "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientReadWriteAccess"
OWN_NAME = "efsdiag-efs-csi-driver"
"""The role and the profile that are made where the account has none."""
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def associate_instance_profile(
    cause: Finding, controller_instance: dict[str, Any], usable_profiles: tuple[dict[str, Any], ...]
) -> Proposal:
    if controller_instance.get("IamInstanceProfile"):
        return Declined(f"instance {instance_name(controller_instance)} says that it has a profile, which stays")
    if len(usable_profiles) != 1:
        return _not_one("instance profile whose role may make EFS volumes", [p["Arn"] for p in usable_profiles])
    profile, instance = usable_profiles[0], str(controller_instance["InstanceId"])
    name = profile["InstanceProfileName"]
    query = read_of("ec2:DescribeIamInstanceProfileAssociations", **{"Filter.instance-id": instance})
    own = f"IamInstanceProfileAssociations[?IamInstanceProfile.Arn=='{profile['Arn']}'].AssociationId | [0]"
    return (
        Change(
            write_of("ec2:AssociateIamInstanceProfile", InstanceId=instance, IamInstanceProfile={"Name": name}),
            f"associate instance {instance_name(controller_instance)} with the instance profile {name}",
            Ref("Instance", instance),
            undo=write_of("ec2:DisassociateIamInstanceProfile", AssociationId=Lookup(query, own)),
        ),
    )


def create_instance_profile(
    cause: Finding,
    controller_instance: dict[str, Any],
    usable_profiles: tuple[dict[str, Any], ...],
    profile_names: tuple[str, ...],
) -> Proposal:
    if controller_instance.get("IamInstanceProfile"):
        return Declined(f"instance {instance_name(controller_instance)} says that it has a profile, which stays")
    if len(profile_names) > MOST_PROFILES:
        return Declined(f"the account has {len(profile_names)} instance profiles, and they are not looked through")
    if usable_profiles:
        names = ", ".join(sorted(str(p["InstanceProfileName"]) for p in usable_profiles))
        return Declined(f"the account has a profile for it already ({names})")
    name, instance = OWN_NAME, str(controller_instance["InstanceId"])
    trust = {"Version": "2012-10-17", "Statement": [EC2]}
    profile = {"InstanceProfileName": name}
    query = read_of("ec2:DescribeIamInstanceProfileAssociations", **{"Filter.instance-id": instance})
    own = f"IamInstanceProfileAssociations[?ends_with(IamInstanceProfile.Arn, '/{name}')].AssociationId | [0]"
    return (
        Change(
            write_of("iam:CreateRole", RoleName=name, AssumeRolePolicyDocument=json_of(trust)),
            f"create the role {name}, which EC2 can take",
            Ref("Role", name),
            undo=write_of("iam:DeleteRole", RoleName=name),
        ),
        _attachment(name, DRIVER_POLICY),
        Change(
            write_of("iam:CreateInstanceProfile", **profile),
            f"create the instance profile {name}",
            Ref("InstanceProfile", name),
            undo=write_of("iam:DeleteInstanceProfile", **profile),
        ),
        Change(
            write_of("iam:AddRoleToInstanceProfile", **profile, RoleName=name),
            f"add the role {name} to the instance profile {name}",
            Ref("InstanceProfile", name),
            undo=write_of("iam:RemoveRoleFromInstanceProfile", **profile, RoleName=name),
        ),
        Change(
            write_of("ec2:AssociateIamInstanceProfile", InstanceId=instance, IamInstanceProfile={"Name": name}),
            f"associate instance {instance_name(controller_instance)} with the instance profile {name}",
            Ref("Instance", instance),
            undo=write_of("ec2:DisassociateIamInstanceProfile", AssociationId=Lookup(query, own)),
        ),
    )


def add_role_to_profile(
    cause: Finding, controller_association: dict[str, Any], usable_roles: tuple[str, ...]
) -> Proposal:
    profile = controller_association["IamInstanceProfile"]["Arn"].rpartition("/")[2]
    if len(usable_roles) != 1:
        return _not_one("role that trusts EC2 and may make EFS volumes", list(usable_roles))
    role = usable_roles[0]

    def write(operation: str) -> Write:
        return write_of(f"iam:{operation}", InstanceProfileName=profile, RoleName=role)

    return (
        Change(
            write("AddRoleToInstanceProfile"),
            f"add the role {role} to the instance profile {profile}",
            Ref("InstanceProfile", profile),
            undo=write("RemoveRoleFromInstanceProfile"),
        ),
    )


def attach_driver_policy(cause: Finding, controller_role: Role) -> Proposal:
    return _attached(controller_role, DRIVER_POLICY)


def attach_client_policy(cause: Finding, node_role: Role) -> Proposal:
    return _attached(node_role, CLIENT_POLICY)


def raise_hop_limit(cause: Finding, controller_instance: dict[str, Any]) -> Proposal:
    options = controller_instance.get("MetadataOptions") or {}
    if options.get("HttpPutResponseHopLimit") != 1:
        return Declined(f"the hop limit is {options.get('HttpPutResponseHopLimit')}")
    words = f"let the metadata service of instance {instance_name(controller_instance)} answer 2 hops far"
    return (_metadata(controller_instance, words, "HttpPutResponseHopLimit", 2, 1),)


def switch_on_metadata(cause: Finding, controller_instance: dict[str, Any]) -> Proposal:
    options = controller_instance.get("MetadataOptions") or {}
    if options.get("HttpEndpoint") != "disabled":
        return Declined(f"the metadata service is {options.get('HttpEndpoint')}")
    words = f"switch on the metadata service of instance {instance_name(controller_instance)}"
    return (_metadata(controller_instance, words, "HttpEndpoint", "enabled", "disabled"),)


def trust_ec2(cause: Finding, controller_profile: dict[str, Any]) -> Proposal:
    role = (controller_profile.get("Roles") or [{}])[0]
    old = role.get("AssumeRolePolicyDocument")
    if not isinstance(old, dict):
        return Declined("whom the role trusts today is not known")
    statements = old.get("Statement") or []
    listed = statements if isinstance(statements, list) else [statements]
    new = {**old, "Statement": [*listed, EC2]}
    name = str(role["RoleName"])

    def trusting(document: dict[str, Any]) -> Write:
        return write_of("iam:UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=json_of(document))

    words = f"let the role {name} trust EC2, besides those whom it trusts today"
    return (Change(trusting(new), words, Ref("Role", name), Risk.DISRUPTIVE, trusting(old)),)


def _attached(role: Role, policy: str) -> Proposal:
    if any(name == policy.rpartition("/")[2] for name, _ in role.policies):
        return Declined(f"the role {role.name} has {policy.rpartition('/')[2]} already")
    return (_attachment(role.name, policy),)


def _attachment(role: str, policy: str) -> Change:
    def write(operation: str) -> Write:
        return write_of(f"iam:{operation}", RoleName=role, PolicyArn=policy)

    words = f"attach {policy.rpartition('/')[2]} to the role {role}"
    return Change(write("AttachRolePolicy"), words, Ref("Role", role), undo=write("DetachRolePolicy"))


def _metadata(instance: dict[str, Any], words: str, option: str, wanted: Any, was: Any) -> Change:
    def setting(value: Any) -> Write:
        return write_of("ec2:ModifyInstanceMetadataOptions", InstanceId=instance["InstanceId"], **{option: value})

    return Change(setting(wanted), words, Ref("Instance", instance["InstanceId"]), undo=setting(was))


def _not_one(what: str, found: list[str]) -> Declined:
    if not found:
        return Declined(f"the account has no {what}")
    return Declined(f"the account has several ({', '.join(sorted(found))}); which one is meant is for you to say")
