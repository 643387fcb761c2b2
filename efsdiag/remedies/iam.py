"""What gives the driver credentials and rights.

An instance that has a profile keeps it: never is a profile replaced or taken from an instance.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal, Risk, Write
from efsdiag.driver_role import attachment, ec2_trust, rights_change, role_changes, trust_document
from efsdiag.evidence.cures import MOST_PROFILES
from efsdiag.model import Finding, Ref, State
from efsdiag.operations import read_of
from efsdiag.semantics.credentials import judge_trust_in_ec2
from efsdiag.semantics.instances import region_of
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.partitions import Partition, partition_in, partition_of
from efsdiag.semantics.roles import Role
from efsdiag.settings import Settings
from efsdiag.writes import json_of, tag_list, write_of

Object = dict[str, Any]

CLIENT_POLICY = "policy/AmazonElasticFileSystemClientReadWriteAccess"
OWN_NAME = "efsdiag-efs-csi-driver"
"""The role and the profile that are made where the account has none."""
HOPS = "HttpPutResponseHopLimit"
SERVED = "HttpEndpoint"


def associate_instance_profile(
    cause: Finding,
    controller_instance: Object,
    usable_profiles: tuple[Object, ...],
    controller_peer_instances: list[Object] | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    instance = _instance(cause, controller_instance, controller_peer_instances)
    if instance.get("IamInstanceProfile"):
        return Declined(f"instance {instance_name(instance)} says that it has a profile, which stays")
    own = [p for p in usable_profiles if wanted and p["InstanceProfileName"] == wanted.iam.instance_profile]
    if len(own or usable_profiles) != 1:
        return _not_one("instance profile whose role may make EFS volumes", [p["Arn"] for p in usable_profiles])
    return (_association(instance, str((own or usable_profiles)[0]["InstanceProfileName"])),)


def create_instance_profile(
    cause: Finding,
    controller_instance: Object,
    usable_profiles: tuple[Object, ...],
    account_profiles: tuple[Object, ...],
    controller_peer_instances: list[Object] | None = None,
    own_role: Role | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    instance = _instance(cause, controller_instance, controller_peer_instances)
    if instance.get("IamInstanceProfile"):
        return Declined(f"instance {instance_name(instance)} says that it has a profile, which stays")
    if len(account_profiles) > MOST_PROFILES:
        return Declined(f"the account has {len(account_profiles)} instance profiles, and they are not looked through")
    if usable_profiles:
        names = ", ".join(sorted(str(p["InstanceProfileName"]) for p in usable_profiles))
        return Declined(f"the account has a profile for it already ({names})")
    role = wanted.iam.role if wanted else OWN_NAME
    name = wanted.iam.instance_profile if wanted else OWN_NAME
    rights = _rights(role, own_role, wanted, partition_of(region_of(controller_instance)))
    profile = next((p for p in account_profiles if p["InstanceProfileName"] == name), None)
    held = [str(r["RoleName"]) for r in (profile or {}).get("Roles") or []]
    if isinstance(rights, Declined):
        return rights
    if held and held != [role]:
        return Declined(f"the instance profile {name} holds the role {held[0]}, which may not make EFS volumes")
    if instance is not controller_instance and not controller_instance.get("IamInstanceProfile"):
        # The same plan makes role and profile for the leading controller's instance, before this.
        return (_association(instance, name),)
    made = () if profile else (_profile(name, wanted),)
    added = () if held else (_in_profile(name, role),)
    return (*rights, *made, *added, _association(instance, name))


def _instance(cause: Finding, leading: Object, peers: list[Object] | None) -> Object:
    """The instance that the finding is about: the leading controller's, or one to which it may move."""
    name = cause.object.name if cause.object else ""
    return next((i for i in peers or [] if i["InstanceId"] == name), leading)


def _rights(
    role: str, present: Role | None, wanted: Settings | None, partition: Partition
) -> tuple[Change, ...] | Declined:
    """The changes that make the role and give it its rights, less those that are made already."""
    if present is not None and judge_trust_in_ec2(present.raw).state is not State.PASS:
        return Declined(f"the role {role} is there, and EC2 may not take it")
    trust, words = trust_document(ec2_trust(partition)), f"create the role {role}, which EC2 can take"
    return role_changes(role, trust, words, present, wanted, partition=partition.name)


def _profile(name: str, wanted: Settings | None) -> Change:
    tags = {"Tags": tag_list(wanted.aws_tags)} if wanted else {}
    return Change(
        write_of("iam:CreateInstanceProfile", InstanceProfileName=name, **tags),
        f"create the instance profile {name}",
        Ref("InstanceProfile", name),
        undo=write_of("iam:DeleteInstanceProfile", InstanceProfileName=name),
    )


def _in_profile(profile: str, role: str) -> Change:
    def write(operation: str) -> Write:
        return write_of(f"iam:{operation}", InstanceProfileName=profile, RoleName=role)

    words = f"add the role {role} to the instance profile {profile}"
    undo = write("RemoveRoleFromInstanceProfile")
    return Change(write("AddRoleToInstanceProfile"), words, Ref("InstanceProfile", profile), undo=undo)


def _association(instance: Object, profile: str) -> Change:
    own = str(instance["InstanceId"])
    query = read_of("ec2:DescribeIamInstanceProfileAssociations", **{"Filter.instance-id": own})
    path = f"IamInstanceProfileAssociations[?ends_with(IamInstanceProfile.Arn, '/{profile}')].AssociationId | [0]"
    return Change(
        write_of("ec2:AssociateIamInstanceProfile", InstanceId=own, IamInstanceProfile={"Name": profile}),
        f"associate instance {instance_name(instance)} with the instance profile {profile}",
        Ref("Instance", own),
        undo=write_of("ec2:DisassociateIamInstanceProfile", AssociationId=Lookup(query, path)),
    )


def add_role_to_profile(
    cause: Finding, controller_association: dict[str, Any], usable_roles: tuple[str, ...]
) -> Proposal:
    profile = controller_association["IamInstanceProfile"]["Arn"].rpartition("/")[2]
    if len(usable_roles) != 1:
        return _not_one("role that trusts EC2 and may make EFS volumes", list(usable_roles))
    return (_in_profile(profile, usable_roles[0]),)


def attach_driver_policy(
    cause: Finding,
    controller_role: Role | None = None,
    peer_roles: dict[str, Role | None] | None = None,
    wanted: Settings | None = None,
) -> Proposal:
    role = (peer_roles or {}).get(cause.object.name if cause.object else "") or controller_role
    if role is None:
        return Declined("the role is not known")
    return _attached(role, rights_change(role.name, role, wanted, partition_in(role.arn).name))


def attach_client_policy(cause: Finding, node_role: Role) -> Proposal:
    return _attached(
        node_role, attachment(node_role.name, f"arn:{partition_in(node_role.arn).name}:iam::aws:{CLIENT_POLICY}")
    )


def raise_hop_limit(
    cause: Finding, controller_instance: Object, controller_peer_instances: list[Object] | None = None
) -> Proposal:
    instance = _instance(cause, controller_instance, controller_peer_instances)
    found = [
        _metadata(i, f"let the metadata service of instance {instance_name(i)} answer 2 hops far", HOPS, 2, 1)
        for i in _with_peers(instance, controller_instance, controller_peer_instances)
        if (i.get("MetadataOptions") or {}).get(HOPS) == 1
    ]
    limit = (instance.get("MetadataOptions") or {}).get(HOPS)
    return tuple(found) if limit == 1 else Declined(f"the hop limit is {limit}")


def switch_on_metadata(
    cause: Finding, controller_instance: Object, controller_peer_instances: list[Object] | None = None
) -> Proposal:
    instance = _instance(cause, controller_instance, controller_peer_instances)
    found = [
        _metadata(i, f"switch on the metadata service of instance {instance_name(i)}", SERVED, "enabled", "disabled")
        for i in _with_peers(instance, controller_instance, controller_peer_instances)
        if (i.get("MetadataOptions") or {}).get(SERVED) == "disabled"
    ]
    state = (instance.get("MetadataOptions") or {}).get(SERVED)
    return tuple(found) if state == "disabled" else Declined(f"the metadata service is {state}")


def _with_peers(instance: Object, leading: Object, peers: list[Object] | None) -> list[Object]:
    """The instance; with the leading controller's, those of the other nodes to which it may move."""
    return [instance, *(peers or [])] if instance is leading else [instance]


def trust_ec2(
    cause: Finding, controller_profile: Object | None = None, peer_profiles: dict[str, Object | None] | None = None
) -> Proposal:
    profiles = [controller_profile, *(peer_profiles or {}).values()]
    roles = [r for p in profiles for r in (p or {}).get("Roles") or []]
    named = cause.object.name if cause.object else ""
    role = next((r for r in roles if r["RoleName"] == named), roles[0] if roles else {})
    old = role.get("AssumeRolePolicyDocument")
    if not isinstance(old, dict):
        return Declined("whom the role trusts today is not known")
    statements = old.get("Statement") or []
    listed = statements if isinstance(statements, list) else [statements]
    new = {**old, "Statement": [*listed, ec2_trust(partition_in(str(role.get("Arn", ""))))]}
    name = str(role["RoleName"])

    def trusting(document: dict[str, Any]) -> Write:
        return write_of("iam:UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=json_of(document))

    words = f"let the role {name} trust EC2, besides those whom it trusts today"
    return (Change(trusting(new), words, Ref("Role", name), Risk.DISRUPTIVE, trusting(old)),)


def _attached(role: Role, change: Change) -> Proposal:
    policy = str(change.write.parameters.get("PolicyArn", "")).rpartition("/")[2]
    if any(name == policy for name, _ in role.policies):
        return Declined(f"the role {role.name} has {policy} already")
    return (change,)


def _metadata(instance: Object, words: str, option: str, wanted: Any, was: Any) -> Change:
    def setting(value: Any) -> Write:
        return write_of("ec2:ModifyInstanceMetadataOptions", InstanceId=instance["InstanceId"], **{option: value})

    return Change(setting(wanted), words, Ref("Instance", instance["InstanceId"]), undo=setting(was))


def _not_one(what: str, found: list[str]) -> Declined:
    if not found:
        return Declined(f"the account has no {what}")
    return Declined(f"the account has several ({', '.join(sorted(found))}); which one is meant is for you to say")
