"""What gives the driver credentials and rights.

An instance that has a profile keeps it: never is a profile replaced or taken from an instance.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Lookup, Proposal, Risk, Write
from efsdiag.evidence.cures import MOST_PROFILES
from efsdiag.model import Finding, Ref, State
from efsdiag.operations import read_of
from efsdiag.semantics.credentials import judge_trust_in_ec2
from efsdiag.semantics.driver_rights import ANY_FILE_SYSTEM, judge_provisioning
from efsdiag.semantics.iam_requests import CLUSTER_TAG
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.roles import Role
from efsdiag.settings import Settings
from efsdiag.writes import json_of, tag_list, write_of

Object = dict[str, Any]

DRIVER_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonEFSCSIDriverPolicy"
CLIENT_POLICY = "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientReadWriteAccess"
OWN_NAME = "efsdiag-efs-csi-driver"
"""The role and the profile that are made where the account has none."""
HOPS = "HttpPutResponseHopLimit"
SERVED = "HttpEndpoint"
LEAST_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "elasticfilesystem:DescribeAccessPoints",
                "elasticfilesystem:DescribeFileSystems",
                "elasticfilesystem:DescribeMountTargets",
                "ec2:DescribeAvailabilityZones",
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": "elasticfilesystem:CreateAccessPoint",
            "Resource": "*",
            "Condition": {"StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": ["elasticfilesystem:TagResource", "elasticfilesystem:DeleteAccessPoint"],
            "Resource": "*",
            "Condition": {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": "true"}},
        },
    ],
}
"""What the driver asks of AWS, and no more; the conditions keep it to access points of its own.
https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/iam-policy-example.json"""
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


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
    if instance is not controller_instance and not controller_instance.get("IamInstanceProfile"):
        # The same plan makes role and profile for the leading controller's instance, before this.
        return (_association(instance, name),)
    rights = _rights(role, own_role, wanted)
    profile = next((p for p in account_profiles if p["InstanceProfileName"] == name), None)
    held = [str(r["RoleName"]) for r in (profile or {}).get("Roles") or []]
    if isinstance(rights, Declined):
        return rights
    if held and held != [role]:
        return Declined(f"the instance profile {name} holds the role {held[0]}, which may not make EFS volumes")
    made = () if profile else (_profile(name, wanted),)
    added = () if held else (_in_profile(name, role),)
    return (*rights, *made, *added, _association(instance, name))


def _instance(cause: Finding, leading: Object, peers: list[Object] | None) -> Object:
    """The instance that the finding is about: the leading controller's, or one to which it may move."""
    name = cause.object.name if cause.object else ""
    return next((i for i in peers or [] if i["InstanceId"] == name), leading)


def _rights(role: str, present: Role | None, wanted: Settings | None) -> tuple[Change, ...] | Declined:
    """The changes that make the role and give it its rights, less those that are made already."""
    if present is not None and judge_trust_in_ec2(present.raw).state is not State.PASS:
        return Declined(f"the role {role} is there, and EC2 may not take it")
    tags = {"Tags": tag_list(wanted.aws_tags)} if wanted else {}
    trust = json_of({"Version": "2012-10-17", "Statement": [EC2]})
    make = Change(
        write_of("iam:CreateRole", RoleName=role, AssumeRolePolicyDocument=trust, **tags),
        f"create the role {role}, which EC2 can take",
        Ref("Role", role),
        undo=write_of("iam:DeleteRole", RoleName=role),
    )
    able = present is not None and judge_provisioning(present, {}, (), ANY_FILE_SYSTEM).state is State.PASS
    if able:
        return ()
    own = _own_policy(role, wanted.iam.policy) if wanted else _attachment(role, DRIVER_POLICY)
    return (own,) if present is not None else (make, own)


def _own_policy(role: str, name: str) -> Change:
    """The least that the driver needs, as an inline policy of the role: it goes with the role, and is nobody else's."""
    return Change(
        write_of("iam:PutRolePolicy", RoleName=role, PolicyName=name, PolicyDocument=json_of(LEAST_POLICY)),
        f"let the role {role} make and delete access points of the driver, by its inline policy {name}",
        Ref("Role", role),
        undo=write_of("iam:DeleteRolePolicy", RoleName=role, PolicyName=name),
    )


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
    if wanted is not None and all(name != wanted.iam.policy for name, _ in role.policies):
        # kops detaches managed policies that it was not told of, and leaves inline ones alone.
        # https://kops.sigs.k8s.io/iam_roles/#adding-external-policies
        return (_own_policy(role.name, wanted.iam.policy),)
    return _attached(role, DRIVER_POLICY)


def attach_client_policy(cause: Finding, node_role: Role) -> Proposal:
    return _attached(node_role, CLIENT_POLICY)


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


def _metadata(instance: Object, words: str, option: str, wanted: Any, was: Any) -> Change:
    def setting(value: Any) -> Write:
        return write_of("ec2:ModifyInstanceMetadataOptions", InstanceId=instance["InstanceId"], **{option: value})

    return Change(setting(wanted), words, Ref("Instance", instance["InstanceId"]), undo=setting(was))


def _not_one(what: str, found: list[str]) -> Declined:
    if not found:
        return Declined(f"the account has no {what}")
    return Declined(f"the account has several ({', '.join(sorted(found))}); which one is meant is for you to say")
