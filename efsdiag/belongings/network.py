"""What of an install is around the file system: access points, mount targets, the security group and rules about it.

A mount target has no tags. It counts as the install's own where its file system has the install's tag, and its only
security group is the tagged one that the install made.
"""

from __future__ import annotations

from typing import Any

from efsdiag.belongings.cluster import serves_others
from efsdiag.belongings.own import Belongings, Object, bears, listed, taken, unmarked
from efsdiag.model import Ref
from efsdiag.nfs_group import RULE_SAYS
from efsdiag.semantics.ends import node_end
from efsdiag.settings import Settings

GONE = ("deleting", "deleted")


def own_systems(read: Any, settings: Settings) -> list[Object]:
    """The file systems that the install may have used: named by the settings, or with their name as token or tag.

    Source:  efs:DescribeFileSystems. Errors: Unreadable.
    """
    named = settings.storage.file_system
    known = (read("efs:DescribeFileSystems") or {}).get("FileSystems", [])
    live = [s for s in known if s.get("LifeCycleState") not in GONE]
    return [
        s for s in live if s["FileSystemId"] == named or s.get("CreationToken") == settings.name or bears(s, settings)
    ]


def find_systems(systems: list[Object], settings: Settings, found: Belongings) -> None:
    """The file systems, none of which is taken away here."""
    for system in systems:
        name = system["FileSystemId"]
        if bears(system, settings):
            says = f"file system {name} stays with its data; efsdiag uninstall --delete-file-system {name} deletes both"
        else:
            says = unmarked(f"file system {name}")
        found.stays.append(says)


def find_access_points(read: Any, systems: list[Object], settings: Settings, found: Belongings) -> None:
    """The access point that the install made: it has the tag, and the name as its token.

    One that only has the tag may have been tagged by somebody who wanted it to be adopted.
    Source:  efs:DescribeAccessPoints, kube:list persistentvolumes. Errors: Unreadable.
    """
    volumes = read("kube:list persistentvolumes") or []
    for system in systems:
        answer = read("efs:DescribeAccessPoints", FileSystemId=str(system["FileSystemId"])) or {}
        for point in answer.get("AccessPoints", []):
            if point.get("LifeCycleState") in GONE:
                continue
            name, token = str(point["AccessPointId"]), point.get("ClientToken") == settings.name
            users = [
                v["metadata"]["name"]
                for v in volumes
                if name in str((v["spec"].get("csi") or {}).get("volumeHandle", ""))
                and (v["metadata"]["name"] != settings.volume or serves_others(v, settings))
            ]
            if not bears(point, settings):
                if token or name == settings.storage.access_point:
                    found.stays.append(unmarked(f"access point {name}"))
            elif not token:
                found.stays.append(f"access point {name} has the tag, and was not made by efsdiag install")
            elif users:
                found.stays.append(f"access point {name} is used by volume {listed(users)}")
            else:
                words = f"delete access point {name} of {system['FileSystemId']}"
                stays = "what was written through it stays on the file system"
                on, maker = Ref("AccessPoint", name), f"efs:CreateAccessPoint {settings.name}"
                found.own.append(taken("efs:DeleteAccessPoint", words, on, maker, residue=stays, AccessPointId=name))


def find_network(
    read: Any, systems: list[Object], instances: list[Object], settings: Settings, found: Belongings
) -> None:
    """Mount targets, then the rules that name the group, then the group itself.

    Source:  ec2:DescribeSecurityGroups, efs:DescribeMountTargets, efs:DescribeMountTargetSecurityGroups,
             kube:list persistentvolumes
    Errors:  Unreadable
    """
    ends = [node_end(i) for i in instances]
    name, vpcs = settings.group_name, {end.vpc_id for end in ends}
    answer = read("ec2:DescribeSecurityGroups", **{"Filter.group-name": name}) or {}
    named = [g for g in answer.get("SecurityGroups", []) if g["GroupName"] == name]
    own = [g for g in named if bears(g, settings) and g["VpcId"] in vpcs]
    kept = _mount_targets(read, systems, {str(g["GroupId"]) for g in own}, settings, found)
    nodes = sorted({g for end in ends for g in end.security_groups or ()})
    for group in named:
        own_id = str(group["GroupId"])
        if group not in own:
            elsewhere = f"security group {own_id} is in {group['VpcId']}, where no node of this cluster is"
            found.stays.append(elsewhere if bears(group, settings) else unmarked(f"security group {own_id}"))
        elif own_id in kept:
            found.stays.append(f"security group {own_id} is used by mount target {listed(kept[own_id])}, which stays")
        else:
            _rules(read, nodes, own_id, found)
            words = f"delete security group {own_id} ({name}) with its rules"
            on, maker = Ref("SecurityGroup", own_id), f"ec2:CreateSecurityGroup {name}"
            found.own.append(taken("ec2:DeleteSecurityGroup", words, on, maker, GroupId=own_id))


def _mount_targets(
    read: Any, systems: list[Object], own: set[str], settings: Settings, found: Belongings
) -> dict[str, list[str]]:
    """Security group → the mount targets that use it and stay."""
    kept: dict[str, list[str]] = {}
    volumes = [v for v in read("kube:list persistentvolumes") or [] if serves_others(v, settings)]
    for system in systems:
        of = str(system["FileSystemId"])
        users = [v["metadata"]["name"] for v in volumes if _lies_on(v, of)]
        for target in (read("efs:DescribeMountTargets", FileSystemId=of) or {}).get("MountTargets", []):
            if target.get("LifeCycleState") in GONE:
                continue
            name, subnet = str(target["MountTargetId"]), str(target["SubnetId"])
            groups = (read("efs:DescribeMountTargetSecurityGroups", MountTargetId=name) or {}).get("SecurityGroups", [])
            if bears(system, settings) and groups and set(groups) <= own and not users:
                words = f"delete mount target {name} of {of} in {subnet}"
                on, maker = Ref("MountTarget", name), f"efs:CreateMountTarget {subnet}"
                found.own.append(taken("efs:DeleteMountTarget", words, on, maker, MountTargetId=name))
                continue
            for group in groups:
                kept.setdefault(group, []).append(name)
            why = f"has no tags, and {of} bears no tag of this install"
            if bears(system, settings):
                why = f"has no tags, and its security groups ({listed(groups)}) are not the install's alone"
            why = f"is used by volume {listed(users)}" if users else why
            found.stays.append(f"mount target {name} of {of} {why}")
    return kept


def _lies_on(volume: Object, system: str) -> bool:
    """Whether the volume is on the file system, by its handle: fs-0a1, fs-0a1:/path or fs-0a1::fsap-0b2."""
    return str((volume["spec"].get("csi") or {}).get("volumeHandle", "")).partition(":")[0] == system


def _rules(read: Any, groups: list[str], own: str, found: Belongings) -> None:
    """The rules of the nodes' groups that let NFS out to the group; they bear efsdiag's description."""
    answer = read("ec2:DescribeSecurityGroups", GroupIds=tuple(groups)) if groups else None
    for group in (answer or {}).get("SecurityGroups", []):
        name = str(group["GroupId"])
        for rule in group.get("IpPermissionsEgress") or []:
            pairs = [p for p in rule.get("UserIdGroupPairs") or [] if p["GroupId"] == own]
            if not any(p.get("Description") == RULE_SAYS for p in pairs):
                continue
            says = [{"GroupId": own, "Description": RULE_SAYS}]
            ports = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
            words = f"no longer let TCP {rule.get('ToPort', '')} out of security group {name} to {own}"
            on, maker = Ref("SecurityGroup", name), f"ec2:AuthorizeSecurityGroupEgress {name}"
            given = [{**ports, "UserIdGroupPairs": says}]
            found.own.append(
                taken("ec2:RevokeSecurityGroupEgress", words, on, maker, GroupId=name, IpPermissions=given)
            )
