"""What security groups admit on TCP 2049. They are stateful: a reply needs no rule of its own.

https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from efsdiag.semantics.ends import NodeEnd, Raw, TargetEnd
from efsdiag.semantics.hops import NFS_PORT, Hop, HopState, Step, covers

Groups = Mapping[str, Raw | None]
"""Security groups by id, as ec2:DescribeSecurityGroups prints them; None (or no key) where one was not read."""


class Direction(Enum):
    """Which rules of a group: those for traffic that comes in, or those for traffic that goes out."""

    INGRESS = "IpPermissions"
    EGRESS = "IpPermissionsEgress"

    @property
    def preposition(self) -> str:
        """How a rule's source or destination is put in a sentence."""
        return "from" if self is Direction.INGRESS else "to"


@dataclass(frozen=True, order=True)
class Rule:
    """One source (or destination) of one permission that covers TCP 2049."""

    other: str
    """A CIDR, a security group's id or a prefix list's id."""
    kind: str
    """The field of IpPermissions[] that it stands in."""
    traffic: str
    """"TCP 2049", "TCP 2000-2100" or "all traffic"."""
    vpc_id: str = ""
    peering: str = ""
    """PeeringStatus of a group in a peered VPC, "" for one of the same VPC."""


@dataclass(frozen=True)
class _Side:
    """One end of the connection, as a rule sees it."""

    name: str
    ip: str
    vpc_id: str
    groups: tuple[str, ...] | None

    def __str__(self) -> str:
        groups = "groups that were not read" if self.groups is None else " and ".join(self.groups) or "no group"
        return f"{self.name} is in {groups} at {self.ip}"


def node_egress(node: NodeEnd, target: TargetEnd, groups: Groups | None, family: int = 4) -> Hop:
    """Whether the groups of the node's primary interface let TCP 2049 out to the mount target."""
    near, far = _node_side(node, family), _target_side(target, family)
    return _hop(Step.NODE_EGRESS, Direction.EGRESS, near, far, groups or {}, family)


def target_ingress(node: NodeEnd, target: TargetEnd, groups: Groups | None, family: int = 4) -> Hop:
    """Whether the groups of the mount target admit TCP 2049 from the node."""
    near, far = _target_side(target, family), _node_side(node, family)
    return _hop(Step.TARGET_INGRESS, Direction.INGRESS, near, far, groups or {}, family)


def describe_group(group: Raw, direction: Direction = Direction.INGRESS) -> str:
    """What one group admits on TCP 2049, in words: "TCP 2049 from sg-0b4 and 10.0.0.0/16", "nothing on TCP 2049"."""
    others = list(dict.fromkeys(_name(rule) for rule in sorted(nfs_rules(group, direction))))
    if not others:
        return f"nothing on TCP {NFS_PORT}"
    return f"TCP {NFS_PORT} {direction.preposition} {_listed(others)}"


def nfs_rules(group: Raw, direction: Direction = Direction.INGRESS) -> Iterator[Rule]:
    """The rules of a group that cover TCP 2049, one for each source or destination."""
    for permission in group.get(direction.value) or ():
        traffic = _traffic(permission)
        if not traffic:
            continue
        for pair in permission.get("UserIdGroupPairs") or ():
            # The id of a group is unique among all accounts, so the pair's UserId adds nothing.
            vpc_id, peering = pair.get("VpcId") or "", pair.get("PeeringStatus") or ""
            yield Rule(pair.get("GroupId") or "", "UserIdGroupPairs", traffic, vpc_id, peering)
        for kind, field in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"), ("PrefixListIds", "PrefixListId")):
            for source in permission.get(kind) or ():
                yield Rule(source[field], kind, traffic)


def _traffic(permission: Raw) -> str:
    """The traffic of a permission in words, or "" where TCP 2049 is not among it."""
    protocol = str(permission.get("IpProtocol", "")).lower()
    if protocol == "-1":
        return "all traffic"
    first, last = permission.get("FromPort", 0), permission.get("ToPort", 65535)
    if protocol not in ("tcp", "6") or not first <= NFS_PORT <= last:
        return ""
    return f"TCP {first}" if first == last else f"TCP {first}-{last}"


def _hop(step: Step, direction: Direction, near: _Side, far: _Side, groups: Groups, family: int) -> Hop:
    """The groups of one side together: they admit what any one of them admits."""
    if not near.groups:
        why = "were not read" if near.groups is None else "are not known: an interface has at least one, none is listed"
        return Hop(step, HopState.UNKNOWN, f"the security groups of {near.name} {why}", family=family)
    read = {name: raw for name in near.groups if (raw := groups.get(name)) is not None}
    doubts: list[tuple[str, Rule, str]] = []
    for name, raw in read.items():
        for rule in sorted(nfs_rules(raw, direction)):
            state, why = _judge(rule, near, far)
            if state is HopState.OPEN:
                text = _text(rule, direction)
                return Hop(step, state, f"{name} {_verb(direction)} {text}; {far}", name, text, family)
            if state is HopState.UNKNOWN:
                doubts.append((name, rule, why))
    if doubts:
        name, rule, why = doubts[0]
        text = _text(rule, direction)
        return Hop(step, HopState.UNKNOWN, f"{name} {_verb(direction)} {text}, {why}; {far}", name, text, family)
    unread = [name for name in near.groups if name not in read]
    if unread:
        says = f"the rules of {_listed(unread)}, which {near.name} uses, were not read; {far}"
        return Hop(step, HopState.UNKNOWN, says, unread[0], family=family)
    found = "; ".join(f"{name} {_verb(direction)} {describe_group(raw, direction)}" for name, raw in read.items())
    return Hop(step, HopState.BLOCKED, f"{found}; {far}", _culprit(read, direction), family=family)


def _judge(rule: Rule, near: _Side, far: _Side) -> tuple[HopState, str]:
    """Whether one rule admits the far side, and why that is not known where it is not."""
    if rule.kind == "PrefixListIds":
        return HopState.UNKNOWN, "whose addresses are not known"
    if rule.kind != "UserIdGroupPairs":
        return (HopState.OPEN if covers(rule.other, far.ip) else HopState.BLOCKED), ""
    if far.groups is None:
        return HopState.UNKNOWN, f"and whether {far.name} is in it is not known"
    if rule.other not in far.groups:
        return HopState.BLOCKED, ""
    if rule.peering:
        # A rule stays behind as "stale" when its peering connection or group is deleted, and then admits nothing:
        # https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html
        return (HopState.OPEN if rule.peering == "active" else HopState.BLOCKED), ""
    if near.vpc_id and near.vpc_id == far.vpc_id:
        return HopState.OPEN, ""
    return HopState.UNKNOWN, "a group of another VPC, which counts only where the connection of the VPCs supports it"


def _culprit(read: Groups, direction: Direction) -> str:
    """The group to change: one that is meant for NFS, as it admits somebody on 2049, or else the first."""
    for name, raw in read.items():
        if raw is not None and any(rule.traffic != "all traffic" for rule in nfs_rules(raw, direction)):
            return name
    return next(iter(read))


def _node_side(node: NodeEnd, family: int) -> _Side:
    return _Side("the node", node.address(family), node.vpc_id, node.security_groups)


def _target_side(target: TargetEnd, family: int) -> _Side:
    return _Side(target.mount_target_id, target.address(family), target.vpc_id, target.security_groups)


def _text(rule: Rule, direction: Direction) -> str:
    return f"{rule.traffic} {direction.preposition} {_name(rule)}"


def _name(rule: Rule) -> str:
    if rule.kind == "PrefixListIds":
        return f"prefix list {rule.other}"
    stale = rule.peering and rule.peering != "active"
    return f"{rule.other} (peering {rule.peering})" if stale else rule.other


def _verb(direction: Direction) -> str:
    return "admits" if direction is Direction.INGRESS else "lets out"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
