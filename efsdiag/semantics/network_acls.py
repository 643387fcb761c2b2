"""What network ACLs admit. They are stateless: a request and its reply each need a rule, in both subnets.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from efsdiag.semantics.ends import NodeEnd, Raw, TargetEnd
from efsdiag.semantics.hops import EPHEMERAL, NFS_PORT, Hop, HopState, Ports, Step, covers

LINUX_CLIENT_PORTS: Ports = (32768, 60999)
"""The ports that Linux chooses from when it connects, unless ip_local_port_range was changed.
https://docs.kernel.org/networking/ip-sysctl.html"""

_CATCH_ALL = 32767
"""The number from which on a rule is the one that AWS shows as * and that denies the rest (32768 for IPv6)."""


@dataclass(frozen=True)
class Ruling:
    """What one rule decides about a range of ports; `rule` is "" where no rule matches, which denies."""

    ports: Ports
    allowed: bool
    rule: str


@dataclass(frozen=True)
class _Leg:
    """The traffic that one ACL sees in one direction."""

    step: Step
    subnet_id: str
    vpc_id: str
    egress: bool
    other_ip: str
    wanted: Ports

    def __str__(self) -> str:
        way = f"out of {self.subnet_id} to" if self.egress else f"into {self.subnet_id} from"
        return f"{way} {self.other_ip}"


def acl_hops(node: NodeEnd, target: TargetEnd, acls: Sequence[Raw] | None, family: int = 4) -> tuple[Hop, ...]:
    """The four ACL decisions: the request out of the node's subnet and into the target's, the reply the other way.

    Shape:   acls are NetworkAcls[], or None where they were not read.
    Source:  ec2:DescribeNetworkAcls
    """
    here, there = node.address(family), target.address(family)
    nfs = (NFS_PORT, NFS_PORT)
    legs = (
        _Leg(Step.NODE_ACL_OUT, node.subnet_id, node.vpc_id, True, there, nfs),
        _Leg(Step.TARGET_ACL_IN, target.subnet_id, target.vpc_id, False, here, nfs),
        _Leg(Step.TARGET_ACL_OUT, target.subnet_id, target.vpc_id, True, here, EPHEMERAL),
        _Leg(Step.NODE_ACL_IN, node.subnet_id, node.vpc_id, False, there, EPHEMERAL),
    )
    if node.subnet_id and node.subnet_id == target.subnet_id:
        says = f"the node and {target.mount_target_id} are both in {node.subnet_id}; no network ACL stands between them"
        return tuple(Hop(leg.step, HopState.NOT_APPLICABLE, says, family=family) for leg in legs)
    return tuple(_hop(leg, acls, family) for leg in legs)


def acl_of(subnet_id: str, vpc_id: str, acls: Iterable[Raw]) -> Raw | None:
    """The ACL that the subnet is associated with, or else the default one of its VPC; None where neither is listed."""
    acls = list(acls)
    for acl in acls:
        if subnet_id and any(a.get("SubnetId") == subnet_id for a in acl.get("Associations") or ()):
            return acl
    return next((a for a in acls if vpc_id and a.get("IsDefault") and a.get("VpcId") == vpc_id), None)


def rulings(acl: Raw, egress: bool, other_ip: str, wanted: Ports) -> tuple[Ruling, ...]:
    """What the ACL decides about every wanted TCP port, in the order of the ports: the lowest matching rule wins."""
    left, decided = [wanted], []
    for entry in sorted(acl.get("Entries") or (), key=lambda entry: int(entry["RuleNumber"])):
        ports = _ports(entry, egress, other_ip)
        if ports is None:
            continue
        rest: list[Ports] = []
        for first, last in left:
            low, high = max(first, ports[0]), min(last, ports[1])
            if low > high:
                rest.append((first, last))
                continue
            decided.append(Ruling((low, high), entry.get("RuleAction") == "allow", str(entry["RuleNumber"])))
            rest += [part for part in ((first, low - 1), (high + 1, last)) if part[0] <= part[1]]
        left = rest
    decided += [Ruling(ports, False, "") for ports in left]
    return tuple(sorted(decided, key=lambda ruling: ruling.ports))


def _ports(entry: Raw, egress: bool, other_ip: str) -> Ports | None:
    """The TCP ports that a rule decides for this direction and address; None where it does not apply."""
    protocol = str(entry.get("Protocol", "")).lower()
    cidr = entry.get("CidrBlock") or entry.get("Ipv6CidrBlock") or ""
    if bool(entry.get("Egress")) != egress or protocol not in ("-1", "6", "tcp") or not cidr:
        return None
    if not covers(cidr, other_ip):
        return None
    ports = {} if protocol == "-1" else entry.get("PortRange") or {}
    return ports.get("From", 0), ports.get("To", 65535)


def _hop(leg: _Leg, acls: Sequence[Raw] | None, family: int) -> Hop:
    if acls is None or not leg.subnet_id:
        missing = "the network ACLs were not read" if acls is None else "the subnet is not known"
        return Hop(leg.step, HopState.UNKNOWN, f"{missing}; wanted: TCP {_range(leg.wanted)} {leg}", family=family)
    acl = acl_of(leg.subnet_id, leg.vpc_id, acls)
    if acl is None:
        says = f"no network ACL of {leg.subnet_id} or default one of {leg.vpc_id or 'its VPC'} is among those read"
        return Hop(leg.step, HopState.UNKNOWN, says, family=family)
    name = acl.get("NetworkAclId") or ""
    found = rulings(acl, leg.egress, leg.other_ip, leg.wanted)
    denied = _joined(ruling for ruling in found if not ruling.allowed)
    # A refusal outside the ports that Linux chooses from is told, but no client of the default kind meets it.
    needed = leg.wanted if leg.wanted != EPHEMERAL else LINUX_CLIENT_PORTS
    bad = [ruling for ruling in found if not ruling.allowed and _overlap(ruling.ports, needed)]
    if not bad:
        rule = next(ruling.rule for ruling in found if ruling.allowed and _overlap(ruling.ports, needed))
        says = f"{_rule(name, rule)} admits TCP {_range(needed if denied else leg.wanted)} {leg}" + _aside(denied)
        return Hop(leg.step, HopState.OPEN, says, name, rule, family, denied)
    says = f"{_rule(name, bad[0].rule)} denies {_what(leg, denied)}"
    return Hop(leg.step, HopState.BLOCKED, says, name, bad[0].rule, family, () if leg.wanted != EPHEMERAL else denied)


def _what(leg: _Leg, denied: tuple[Ports, ...]) -> str:
    """What is denied, and what is wanted where that is more."""
    if leg.wanted != EPHEMERAL:
        return f"TCP {NFS_PORT} {leg}; NFS needs it"
    ranges = ", ".join(map(_range, denied))
    if denied == (EPHEMERAL,):
        return f"the replies on TCP {ranges} {leg}; an ACL keeps no state, so they need a rule of their own"
    return f"replies to the client ports {ranges} {leg}, so mounts from those ports fail; wanted: {_range(EPHEMERAL)}"


def _aside(denied: tuple[Ports, ...]) -> str:
    if not denied:
        return ""
    return f"; it denies {', '.join(map(_range, denied))}, which Linux does not connect from by default"


def _rule(acl: str, rule: str) -> str:
    if not rule:
        return f"no rule of {acl} matches, which"
    return f"the last rule (*) of {acl}" if int(rule) >= _CATCH_ALL else f"rule {rule} of {acl}"


def _joined(found: Iterable[Ruling]) -> tuple[Ports, ...]:
    """The ranges of the rulings, neighbours made one."""
    ranges: list[Ports] = []
    for first, last in (ruling.ports for ruling in found):
        if ranges and ranges[-1][1] + 1 == first:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return tuple(ranges)


def _overlap(a: Ports, b: Ports) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


def _range(ports: Ports) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
