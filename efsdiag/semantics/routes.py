"""Where route tables send the traffic between a node and a mount target.

https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from efsdiag.semantics.ends import NodeEnd, Raw, TargetEnd
from efsdiag.semantics.hops import Hop, HopState, Step, covers

_TARGETS = (
    "GatewayId",
    "VpcPeeringConnectionId",
    "TransitGatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "NetworkInterfaceId",
    "InstanceId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
)

_TO_THE_INTERNET = ("igw-", "nat-", "eigw-", "cagw-")
"""What leads to the Internet, where a private address of another VPC cannot be reached."""


@dataclass(frozen=True)
class _Leg:
    """One direction: from a subnet to an address."""

    step: Step
    subnet_id: str
    vpc_id: str
    other: str
    other_ip: str
    other_vpc: str

    def __str__(self) -> str:
        return f"{self.other} is at {self.other_ip} in {self.other_vpc}"


def route_hops(node: NodeEnd, target: TargetEnd, tables: Sequence[Raw] | None, family: int = 4) -> tuple[Hop, Hop]:
    """The way from the node's subnet to the mount target, and the way back.

    Shape:   tables are RouteTables[] of both VPCs, or None where they were not read.
    Source:  ec2:DescribeRouteTables
    """
    name, here, there = target.mount_target_id, node.address(family), target.address(family)
    out = _Leg(Step.ROUTE_OUT, node.subnet_id, node.vpc_id, name, there, target.vpc_id)
    back = _Leg(Step.ROUTE_BACK, target.subnet_id, target.vpc_id, "the node", here, node.vpc_id)
    if node.subnet_id and node.subnet_id == target.subnet_id:
        says = f"the node and {name} are both in {node.subnet_id}; no route is needed"
        return (
            Hop(out.step, HopState.NOT_APPLICABLE, says, family=family),
            Hop(back.step, HopState.NOT_APPLICABLE, says, family=family),
        )
    return _hop(out, tables, family), _hop(back, tables, family)


def table_of(subnet_id: str, vpc_id: str, tables: Iterable[Raw]) -> Raw | None:
    """The route table associated with the subnet, or else the main one of its VPC; None where neither is listed."""
    tables = list(tables)
    for table in tables:
        if subnet_id and any(a.get("SubnetId") == subnet_id for a in table.get("Associations") or ()):
            return table
    for table in tables:
        main = any(a.get("Main") for a in table.get("Associations") or ())
        if main and vpc_id and table.get("VpcId") == vpc_id:
            return table
    return None


def route_for(table: Raw, ip: str) -> Raw | None:
    """The route that the table uses for the address: the longest prefix, a static one before a propagated one.

    Routes to a prefix list are left out, because its ranges are not part of the table.
    """
    fitting = [r for r in table.get("Routes") or () if _destination(r) and covers(_destination(r), ip)]
    usable = [route for route in fitting if route.get("State") != "filtered"]
    # Local routes come before propagated ones, however narrow those are.
    if any(_is_local(route) for route in usable):
        usable = [route for route in usable if not _propagated(route)]
    return max(usable, key=lambda r: (_prefix(r), _is_local(r), not _propagated(r)), default=None)


def leaves_vpc(route: Raw) -> bool:
    """Whether the route leads out of its VPC, to wherever: not the local one, no gateway endpoint, and not gone."""
    inside = str(route.get("GatewayId", "")) == "local" or str(route.get("GatewayId", "")).startswith("vpce-")
    return not inside and route.get("State", "active") == "active"


def _hop(leg: _Leg, tables: Sequence[Raw] | None, family: int) -> Hop:
    if not leg.vpc_id or not leg.other_vpc:
        says = f"the VPC of one end is not known, so neither is the way from {leg.subnet_id or 'its subnet'}"
        return Hop(leg.step, HopState.UNKNOWN, says, family=family)
    table = table_of(leg.subnet_id, leg.vpc_id, tables) if tables and leg.subnet_id else None
    if leg.vpc_id == leg.other_vpc:
        return _within(leg, table, family)
    if table is None:
        subnet = leg.subnet_id or "a subnet that is not known"
        what = "the route tables were not read" if tables is None else f"no route table of {subnet} was read"
        return Hop(leg.step, HopState.UNKNOWN, f"{what}; {leg}, reached from {leg.vpc_id}", family=family)
    return _between(leg, table, family)


def _within(leg: _Leg, table: Raw | None, family: int) -> Hop:
    """Inside one VPC the local route is always there; only a narrower route to an appliance comes before it."""
    if table is None:
        says = f"both ends are in {leg.vpc_id}, where every route table has the local route"
        return Hop(leg.step, HopState.OPEN, says, rule="local", family=family)
    name, route = table.get("RouteTableId") or "", route_for(table, leg.other_ip)
    if route is None or _is_local(route) or _prefix(route) == 0:
        says = f"{name} sends traffic within {leg.vpc_id} by the local route; {leg}"
        return Hop(leg.step, HopState.OPEN, says, name, "local", family)
    return _by_route(leg, name, route, family)


def _between(leg: _Leg, table: Raw, family: int) -> Hop:
    """From one VPC to another there must be a route; what stands behind a gateway is not part of the table."""
    name, route = table.get("RouteTableId") or "", route_for(table, leg.other_ip)
    listed = [r for r in table.get("Routes") or () if _names_other_ranges(r)]
    # A static route is preferred to a prefix list that overlaps it; the default route covers less than any list does.
    if listed and (route is None or _prefix(route) == 0 or _propagated(route)):
        prefix_list = listed[0]["DestinationPrefixListId"]
        says = f"{name} sends prefix list {prefix_list} to {_target(listed[0])}; its ranges are not known; {leg}"
        return Hop(leg.step, HopState.UNKNOWN, says, name, prefix_list, family)
    if route is None:
        return Hop(
            leg.step, HopState.BLOCKED, f"{name} has no route that covers {leg.other_ip}; {leg}", name, "", family
        )
    return _by_route(leg, name, route, family)


def _by_route(leg: _Leg, table: str, route: Raw, family: int) -> Hop:
    """What follows from the route that was chosen."""
    destination, via = _destination(route), _target(route)
    says = f"{table} sends {destination} to {via}"
    if route.get("State") == "blackhole":
        says += ", which is gone (blackhole)"
        return Hop(leg.step, HopState.BLOCKED, f"{says}; {leg}", table, destination, family)
    if _is_local(route):
        says += ", which does not leave the VPC"
        return Hop(leg.step, HopState.BLOCKED, f"{says}; {leg}", table, destination, family)
    if via.startswith("pcx-"):
        return Hop(leg.step, HopState.OPEN, f"{says}; {leg}", table, destination, family)
    if family == 4 and _prefix(route) == 0 and via.startswith(_TO_THE_INTERNET):
        says = f"{table} has no route that covers {leg.other_ip} but the default one to {via}, the Internet"
        return Hop(leg.step, HopState.BLOCKED, f"{says}; {leg}", table, "", family)
    return Hop(
        leg.step, HopState.UNKNOWN, f"{says}; what lies beyond it is not known; {leg}", table, destination, family
    )


def _destination(route: Raw) -> str:
    return route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock") or ""


def _prefix(route: Raw) -> int:
    return ip_network(_destination(route), strict=False).prefixlen


def _target(route: Raw) -> str:
    return next((str(route[name]) for name in _TARGETS if route.get(name)), "an unnamed target")


def _is_local(route: Raw) -> bool:
    return route.get("GatewayId") == "local"


def _propagated(route: Raw) -> bool:
    return route.get("Origin") in ("EnableVgwRoutePropagation", "Advertisement")


def _names_other_ranges(route: Raw) -> bool:
    """True for a prefix list of the user's; those of gateway endpoints hold public addresses of S3 and DynamoDB."""
    return bool(route.get("DestinationPrefixListId")) and not str(route.get("GatewayId", "")).startswith("vpce-")
