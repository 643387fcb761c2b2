"""The hops of NFS between a node and a mount target, judged from what AWS describes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.semantics.network import (
    Direction,
    Hop,
    HopState,
    NodeEnd,
    Step,
    TargetEnd,
    blocked,
    describe_group,
    node_end,
    path,
    target_end,
    target_for,
)
from efsdiag.semantics.network_acls import acl_of, rulings
from efsdiag.semantics.routes import route_for, table_of

OPEN, BLOCKED, UNKNOWN, NOT_APPLICABLE = HopState

NODE = NodeEnd("i-01", "10.0.1.5", (), "subnet-a", "vpc-1", "us-east-1a", "use1-az1", ("sg-node",), "111122223333")
TARGET = TargetEnd(
    "fsmt-01", "10.0.2.9", "", "subnet-b", "vpc-1", "us-east-1a", "use1-az1", ("sg-efs",), "111122223333"
)
ABROAD = replace(TARGET, ip="10.9.2.9", subnet_id="subnet-z", vpc_id="vpc-2")

Raw = dict[str, Any]


def permission(
    protocol: str = "tcp",
    ports: tuple[int, int] | None = (2049, 2049),
    cidrs: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
    pair: dict[str, str] | None = None,
) -> Raw:
    return {
        "IpProtocol": protocol,
        **({} if ports is None else {"FromPort": ports[0], "ToPort": ports[1]}),
        "UserIdGroupPairs": [{"UserId": "111122223333", "GroupId": g, **(pair or {})} for g in groups],
        "IpRanges": [{"CidrIp": c} for c in cidrs if ":" not in c],
        "Ipv6Ranges": [{"CidrIpv6": c} for c in cidrs if ":" in c],
        "PrefixListIds": [{"PrefixListId": p} for p in lists],
    }


ANYWHERE = permission("-1", None, ("0.0.0.0/0",))


def group(name: str, ingress: list[Raw] | None = None, egress: list[Raw] | None = None) -> Raw:
    outward = [ANYWHERE] if egress is None else egress
    return {"GroupId": name, "VpcId": "vpc-1", "IpPermissions": ingress or [], "IpPermissionsEgress": outward}


def entry(
    number: int,
    action: str,
    egress: bool,
    cidr: str = "0.0.0.0/0",
    ports: tuple[int, int] | None = None,
    protocol: str = "6",
) -> Raw:
    field = "Ipv6CidrBlock" if ":" in cidr else "CidrBlock"
    ranged = {} if ports is None else {"PortRange": {"From": ports[0], "To": ports[1]}}
    return {"RuleNumber": number, "RuleAction": action, "Egress": egress, "Protocol": protocol, field: cidr, **ranged}


def acl(name: str, entries: list[Raw], *subnets: str, default: bool = False, vpc: str = "vpc-1") -> Raw:
    last = [entry(32767, "deny", egress, protocol="-1") for egress in (True, False)]
    return {
        "NetworkAclId": name,
        "VpcId": vpc,
        "IsDefault": default,
        "Associations": [{"NetworkAclId": name, "SubnetId": s} for s in subnets],
        "Entries": entries + last,
    }


ADMIT_ALL = [entry(100, "allow", egress, protocol="-1") for egress in (True, False)]
DEFAULT_ACL = acl("acl-default", ADMIT_ALL, default=True)


def table(name: str, routes: list[Raw], *subnets: str, main: bool = False, vpc: str = "vpc-1") -> Raw:
    associations: list[Raw] = [{"Main": False, "SubnetId": s, "RouteTableId": name} for s in subnets]
    if main:
        associations.append({"Main": True, "RouteTableId": name})
    return {"RouteTableId": name, "VpcId": vpc, "Associations": associations, "Routes": routes}


def route(destination: str, state: str = "active", **target: str) -> Raw:
    field = "DestinationIpv6CidrBlock" if ":" in destination else "DestinationCidrBlock"
    field = "DestinationPrefixListId" if destination.startswith("pl-") else field
    return {field: destination, "State": state, "Origin": "CreateRoute", **target}


LOCAL = route("10.0.0.0/16", GatewayId="local")
LOCAL_2 = route("10.9.0.0/16", GatewayId="local")
TABLES = [table("rtb-1", [LOCAL], main=True)]


def walk(
    node: NodeEnd = NODE,
    target: TargetEnd = TARGET,
    ingress: list[Raw] | None = None,
    egress: list[Raw] | None = None,
    acls: list[Raw] | None = None,
    tables: list[Raw] | None = None,
    family: int = 4,
) -> dict[Step, Hop]:
    """The hops of one IP version by step; what is not given is as open as AWS makes it by default."""
    admitting = [permission(groups=("sg-node",))] if ingress is None else ingress
    groups = {"sg-node": group("sg-node", egress=egress), "sg-efs": group("sg-efs", admitting)}
    hops = path(node, target, groups, acls or [DEFAULT_ACL], TABLES if tables is None else tables)
    return {hop.step: hop for hop in hops if hop.family == family}


# The path


def test_a_path_has_one_hop_for_every_step_in_order() -> None:
    groups = {"sg-node": group("sg-node"), "sg-efs": group("sg-efs", [permission(groups=("sg-node",))])}
    hops = path(NODE, TARGET, groups, [DEFAULT_ACL], TABLES)
    assert [hop.step for hop in hops] == list(Step)
    assert {hop.state for hop in hops} == {OPEN}
    assert blocked(hops) == ()


def test_blocked_gives_only_the_hops_that_block() -> None:
    hops = walk(ingress=[]).values()
    assert [hop.step for hop in blocked(hops)] == [Step.TARGET_INGRESS]


def test_what_was_not_read_makes_its_hops_unknown_and_is_named() -> None:
    hops = {hop.step: hop for hop in path(NODE, ABROAD, None, None, None)}
    assert {hop.state for hop in hops.values()} == {UNKNOWN}
    assert "sg-node" in hops[Step.NODE_EGRESS].says
    assert "sg-efs" in hops[Step.TARGET_INGRESS].says
    assert "network ACLs were not read" in hops[Step.NODE_ACL_OUT].says
    assert "route tables were not read" in hops[Step.ROUTE_OUT].says


def test_without_an_address_every_hop_is_unknown() -> None:
    hops = path(replace(NODE, ip=""), TARGET, {}, [], [])
    assert [(hop.state, hop.says) for hop in hops] == [(UNKNOWN, "no address of i-01 is known")] * 8


def test_an_ipv6_only_mount_target_cannot_be_reached_from_an_ipv4_node() -> None:
    hops = path(NODE, replace(TARGET, ip="", ipv6="2600:1f::9"), {}, [], [])
    (stop,) = blocked(hops)
    assert (stop.step, stop.object_id, stop.family) == (Step.ROUTE_OUT, "fsmt-01", 6)
    assert stop.says == "fsmt-01 has only IPv6 2600:1f::9; i-01 has only IPv4 10.0.1.5"
    assert {hop.state for hop in hops if hop is not stop} == {NOT_APPLICABLE}


DUAL_NODE = replace(NODE, ipv6s=("2600:1f:0:1::5",))
DUAL_TARGET = replace(TARGET, ipv6="2600:1f:0:2::9")


def test_with_addresses_of_both_versions_each_version_is_judged() -> None:
    hops = path(DUAL_NODE, DUAL_TARGET, {}, [], [])
    assert [hop.family for hop in hops] == [4] * 8 + [6] * 8


@pytest.mark.parametrize(("cidr", "open_family"), [("10.0.0.0/16", 4), ("2600:1f::/48", 6)])
def test_a_range_of_one_version_admits_nothing_of_the_other(cidr: str, open_family: int) -> None:
    for family in (4, 6):
        hop = walk(DUAL_NODE, DUAL_TARGET, ingress=[permission(cidrs=(cidr,))], family=family)[Step.TARGET_INGRESS]
        assert hop.state is (OPEN if family == open_family else BLOCKED)


def test_a_group_as_source_admits_both_versions() -> None:
    assert {walk(DUAL_NODE, DUAL_TARGET, family=f)[Step.TARGET_INGRESS].state for f in (4, 6)} == {OPEN}


# Security groups


def test_a_group_that_names_another_group_blocks_and_says_who_is_admitted() -> None:
    hop = walk(ingress=[permission(groups=("sg-bastion",))])[Step.TARGET_INGRESS]
    assert (hop.state, hop.object_id, hop.rule) == (BLOCKED, "sg-efs", "")
    assert hop.says == "sg-efs admits TCP 2049 from sg-bastion; the node is in sg-node at 10.0.1.5"


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (permission(groups=("sg-node",)), "TCP 2049 from sg-node"),
        (permission(cidrs=("10.0.1.0/24",)), "TCP 2049 from 10.0.1.0/24"),
        (permission(cidrs=("10.0.1.5/32",)), "TCP 2049 from 10.0.1.5/32"),
        (permission(ports=(2000, 2100), cidrs=("10.0.0.0/8",)), "TCP 2000-2100 from 10.0.0.0/8"),
        (permission("6", (0, 65535), ("0.0.0.0/0",)), "TCP 0-65535 from 0.0.0.0/0"),
        (permission("-1", None, groups=("sg-node",)), "all traffic from sg-node"),
    ],
)
def test_a_rule_that_covers_2049_and_the_node_admits(rule: Raw, text: str) -> None:
    hop = walk(ingress=[rule])[Step.TARGET_INGRESS]
    assert (hop.state, hop.rule) == (OPEN, text)


@pytest.mark.parametrize(
    "rule",
    [
        permission(cidrs=("10.0.3.0/24",)),
        permission(ports=(2050, 65535), cidrs=("0.0.0.0/0",)),
        permission(ports=(111, 2048), groups=("sg-node",)),
        permission("udp", (2049, 2049), ("0.0.0.0/0",)),
        permission("icmp", (-1, -1), ("0.0.0.0/0",)),
        permission(cidrs=("::/0",)),
        permission(),
    ],
)
def test_a_rule_that_covers_another_port_protocol_or_source_does_not_admit(rule: Raw) -> None:
    assert walk(ingress=[rule])[Step.TARGET_INGRESS].state is BLOCKED


def test_a_self_reference_admits_a_node_that_is_in_the_same_group() -> None:
    shared = {"sg-one": group("sg-one", [permission("-1", None, groups=("sg-one",))])}
    node, target = replace(NODE, security_groups=("sg-one",)), replace(TARGET, security_groups=("sg-one",))
    assert {hop.state for hop in path(node, target, shared, [DEFAULT_ACL], TABLES)} == {OPEN}


def test_one_of_several_groups_is_enough() -> None:
    groups = {"sg-a": group("sg-a"), "sg-b": group("sg-b", [permission(groups=("sg-node",))])}
    hop = path(NODE, replace(TARGET, security_groups=("sg-a", "sg-b")), groups, [], [])[1]
    assert (hop.state, hop.object_id) == (OPEN, "sg-b")


def test_of_several_groups_the_one_meant_for_nfs_is_named_as_the_object() -> None:
    groups = {"sg-a": group("sg-a"), "sg-b": group("sg-b", [permission(groups=("sg-other",))])}
    hop = path(NODE, replace(TARGET, security_groups=("sg-a", "sg-b")), groups, [], [])[1]
    assert (hop.state, hop.object_id) == (BLOCKED, "sg-b")
    assert hop.says.startswith("sg-a admits nothing on TCP 2049; sg-b admits TCP 2049 from sg-other; the node is in")


def test_a_group_open_to_its_own_members_only_is_not_taken_for_the_one_meant_for_nfs() -> None:
    own = permission("-1", None, groups=("sg-a",))
    groups = {"sg-a": group("sg-a", [own]), "sg-b": group("sg-b", [permission(groups=("sg-other",))])}
    hop = path(NODE, replace(TARGET, security_groups=("sg-a", "sg-b")), groups, [], [])[1]
    assert (hop.state, hop.object_id) == (BLOCKED, "sg-b")


def test_a_group_that_was_not_read_leaves_the_hop_unknown_unless_another_admits() -> None:
    target = replace(TARGET, security_groups=("sg-unread", "sg-efs"))
    closed = path(NODE, target, {"sg-unread": None, "sg-efs": group("sg-efs")}, [], [])[1]
    admitting = {"sg-unread": None, "sg-efs": group("sg-efs", [permission(groups=("sg-node",))])}
    assert (closed.state, closed.object_id) == (UNKNOWN, "sg-unread")
    assert path(NODE, target, admitting, [], [])[1].state is OPEN


@pytest.mark.parametrize("groups", [None, ()])
def test_a_mount_target_whose_groups_are_not_known_is_unknown(groups: tuple[str, ...] | None) -> None:
    hop = path(NODE, replace(TARGET, security_groups=groups), {}, [], [])[1]
    assert hop.state is UNKNOWN
    assert hop.says.startswith("the security groups of fsmt-01 ")


def test_a_prefix_list_is_unknown_and_a_plain_rule_beside_it_decides() -> None:
    listed = permission(lists=("pl-07",))
    hop = walk(ingress=[listed])[Step.TARGET_INGRESS]
    assert (hop.state, hop.rule) == (UNKNOWN, "TCP 2049 from prefix list pl-07")
    assert walk(ingress=[listed, permission(cidrs=("10.0.1.0/24",))])[Step.TARGET_INGRESS].state is OPEN


def test_a_rule_naming_a_group_is_unknown_where_the_nodes_groups_are_unknown() -> None:
    hop = walk(replace(NODE, security_groups=None))[Step.TARGET_INGRESS]
    assert hop.state is UNKNOWN
    assert "whether the node is in it is not known" in hop.says


@pytest.mark.parametrize(("status", "state"), [("active", OPEN), ("deleted", BLOCKED), ("", UNKNOWN)])
def test_a_group_of_a_peered_account_counts_while_the_peering_is_active(status: str, state: HopState) -> None:
    pair = {"VpcId": "vpc-1", "PeeringStatus": status, "UserId": "444455556666"} if status else {}
    hop = walk(target=ABROAD, ingress=[permission(groups=("sg-node",), pair=pair)])[Step.TARGET_INGRESS]
    assert hop.state is state


@pytest.mark.parametrize(
    ("rule", "state"),
    [
        (permission(groups=("sg-efs",)), OPEN),
        (permission(cidrs=("10.0.2.9/32",)), OPEN),
        (permission(cidrs=("10.0.1.0/24",)), BLOCKED),
        (permission(groups=("sg-node",)), BLOCKED),
        (permission(ports=(443, 443), cidrs=("0.0.0.0/0",)), BLOCKED),
        (permission(lists=("pl-07",)), UNKNOWN),
    ],
)
def test_the_nodes_group_must_let_2049_out_to_the_mount_target(rule: Raw, state: HopState) -> None:
    hop = walk(egress=[rule])[Step.NODE_EGRESS]
    assert (hop.state, hop.object_id) == (state, "sg-node")


def test_a_closed_egress_says_where_the_mount_target_is() -> None:
    hop = walk(egress=[permission(ports=(443, 443), cidrs=("0.0.0.0/0",))])[Step.NODE_EGRESS]
    assert hop.says == "sg-node lets out nothing on TCP 2049; fsmt-01 is in sg-efs at 10.0.2.9"


def test_describe_group_tells_what_is_admitted_on_2049_only() -> None:
    raw = group(
        "sg", [permission(ports=(22, 22), cidrs=("1.0.0.0/8",)), permission(cidrs=("10.0.0.0/16",), groups=("sg-b",))]
    )
    assert describe_group(raw) == "TCP 2049 from 10.0.0.0/16 and sg-b"
    assert describe_group(raw, Direction.EGRESS) == "TCP 2049 to 0.0.0.0/0"
    assert describe_group(group("sg", egress=[]), Direction.EGRESS) == "nothing on TCP 2049"


def test_describe_group_marks_a_stale_peer() -> None:
    raw = group("sg", [permission(groups=("sg-b",), pair={"PeeringStatus": "deleted"})])
    assert describe_group(raw) == "TCP 2049 from sg-b (peering deleted)"


permissions = st.builds(
    permission,
    st.sampled_from(["-1", "tcp", "udp", "6"]),
    st.tuples(st.integers(0, 2100), st.integers(2000, 65535)),
    st.lists(st.sampled_from(["0.0.0.0/0", "10.0.1.0/24", "10.0.1.5/32", "10.0.3.0/24", "::/0"]), max_size=2).map(
        tuple
    ),
    st.lists(st.sampled_from(["sg-node", "sg-efs", "sg-other"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["pl-1", "pl-2"]), max_size=1).map(tuple),
)


@given(st.lists(permissions, max_size=4), permissions, st.integers(0, 4))
def test_a_rule_more_never_closes_an_open_hop(rules: list[Raw], extra: Raw, place: int) -> None:
    more = [*rules[:place], extra, *rules[place:]]
    old, new = walk(ingress=rules, egress=rules), walk(ingress=more, egress=more)
    for step in (Step.TARGET_INGRESS, Step.NODE_EGRESS):
        before, after = old[step].state, new[step].state
        assert before is not OPEN or after is OPEN
        # A rule more can turn "blocked" into "unknown" or "open", and "unknown" into "open"; nothing goes back.
        order = [BLOCKED, UNKNOWN, OPEN]
        assert order.index(before) <= order.index(after)


@given(st.lists(permissions, max_size=5).flatmap(lambda rules: st.tuples(st.just(rules), st.permutations(rules))))
def test_the_order_of_rules_in_a_group_does_not_matter(both: tuple[list[Raw], list[Raw]]) -> None:
    first, second = both
    assert walk(ingress=first)[Step.TARGET_INGRESS] == walk(ingress=second)[Step.TARGET_INGRESS]
    assert walk(egress=first)[Step.NODE_EGRESS] == walk(egress=second)[Step.NODE_EGRESS]


@given(st.lists(permissions, max_size=4))
def test_without_lists_a_group_admits_exactly_what_some_rule_of_it_admits(rules: list[Raw]) -> None:
    plain = [{**rule, "PrefixListIds": []} for rule in rules]

    def admits(rule: Raw) -> bool:
        port = rule["IpProtocol"] == "-1" or (
            rule["IpProtocol"] in ("tcp", "6") and rule["FromPort"] <= 2049 <= rule["ToPort"]
        )
        ranges = {r["CidrIp"] for r in rule["IpRanges"]} & {"0.0.0.0/0", "10.0.1.0/24", "10.0.1.5/32"}
        return port and bool(ranges or "sg-node" in [p["GroupId"] for p in rule["UserIdGroupPairs"]])

    wanted = OPEN if any(map(admits, plain)) else BLOCKED
    assert walk(ingress=plain)[Step.TARGET_INGRESS].state is wanted


# Network ACLs

ACL_STEPS = (Step.NODE_ACL_OUT, Step.TARGET_ACL_IN, Step.TARGET_ACL_OUT, Step.NODE_ACL_IN)


def test_inside_one_subnet_neither_acls_nor_routes_apply() -> None:
    hops = walk(target=replace(TARGET, subnet_id="subnet-a"), acls=[acl("acl-shut", [], "subnet-a")])
    assert {hops[step].state for step in (*ACL_STEPS, Step.ROUTE_OUT, Step.ROUTE_BACK)} == {NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("subnet", "shut", "step", "says"),
    [
        (
            "subnet-a",
            entry(90, "deny", True, ports=(2049, 2049)),
            Step.NODE_ACL_OUT,
            "TCP 2049 out of subnet-a to 10.0.2.9",
        ),
        (
            "subnet-b",
            entry(90, "deny", False, ports=(2049, 2049)),
            Step.TARGET_ACL_IN,
            "TCP 2049 into subnet-b from 10.0.1.5",
        ),
        ("subnet-b", entry(90, "deny", True, ports=(1024, 65535)), Step.TARGET_ACL_OUT, "out of subnet-b to 10.0.1.5"),
        ("subnet-a", entry(90, "deny", False, ports=(1024, 65535)), Step.NODE_ACL_IN, "into subnet-a from 10.0.2.9"),
    ],
)
def test_each_direction_of_each_subnet_has_its_own_hop(subnet: str, shut: Raw, step: Step, says: str) -> None:
    hops = walk(acls=[DEFAULT_ACL, acl("acl-shut", [shut, *ADMIT_ALL], subnet)])
    stops = [hop for hop in hops.values() if hop.state is BLOCKED]
    assert [(hop.step, hop.object_id, hop.rule, hop.partial) for hop in stops] == [(step, "acl-shut", "90", False)]
    assert stops[0].says.startswith("rule 90 of acl-shut denies ")
    assert says in stops[0].says


def test_the_lowest_rule_wins_whatever_the_order_in_which_aws_lists_them() -> None:
    entries = [entry(200, "deny", True, ports=(2049, 2049)), entry(100, "allow", True), entry(100, "allow", False)]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_OUT]
    assert (hop.state, hop.rule) == (OPEN, "100")


def test_an_acl_without_a_rule_for_nfs_blocks_by_its_last_rule() -> None:
    only_https = [entry(100, "allow", False, ports=(443, 443)), entry(100, "allow", True)]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", only_https, "subnet-b")])[Step.TARGET_ACL_IN]
    assert (hop.state, hop.rule) == (BLOCKED, "32767")
    assert hop.says.startswith("the last rule (*) of acl-1 denies TCP 2049 into subnet-b")


def test_an_acl_with_no_matching_rule_at_all_blocks_without_a_rule() -> None:
    bare = {**acl("acl-1", [], "subnet-b"), "Entries": []}
    hop = walk(acls=[DEFAULT_ACL, bare])[Step.TARGET_ACL_IN]
    assert (hop.state, hop.rule) == (BLOCKED, "")


def test_an_acl_rule_for_another_address_protocol_or_version_is_passed_over() -> None:
    entries = [
        entry(10, "deny", True, "10.0.3.0/24"),
        entry(20, "deny", True, protocol="17", ports=(2049, 2049)),
        entry(30, "deny", True, "::/0"),
        *ADMIT_ALL,
    ]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_OUT]
    assert (hop.state, hop.rule) == (OPEN, "100")


def test_a_denied_part_of_the_client_ports_blocks_in_part() -> None:
    entries = [entry(90, "deny", False, ports=(40000, 50000)), *ADMIT_ALL]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_IN]
    assert (hop.state, hop.rule, hop.denied_ports, hop.partial) == (BLOCKED, "90", ((40000, 50000),), True)
    assert "so mounts from those ports fail" in hop.says


def test_the_port_range_of_linux_is_enough_and_the_rest_is_told() -> None:
    entries = [entry(100, "allow", False, ports=(32768, 65535)), entry(100, "allow", True)]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_IN]
    assert (hop.state, hop.rule, hop.denied_ports) == (OPEN, "100", ((1024, 32767),))
    assert "it denies 1024-32767, which Linux does not connect from by default" in hop.says


def test_a_stateless_acl_that_forgets_the_reply_blocks_it_whole() -> None:
    entries = [entry(100, "allow", True), entry(100, "allow", False, ports=(443, 443))]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_IN]
    assert (hop.state, hop.denied_ports, hop.partial) == (BLOCKED, ((1024, 65535),), False)
    assert "an ACL keeps no state, so they need a rule of their own" in hop.says


def test_neighbouring_denied_ranges_are_told_as_one() -> None:
    entries = [
        entry(80, "deny", False, ports=(40000, 44999)),
        entry(90, "deny", False, ports=(45000, 50000)),
        *ADMIT_ALL,
    ]
    hop = walk(acls=[DEFAULT_ACL, acl("acl-1", entries, "subnet-a")])[Step.NODE_ACL_IN]
    assert (hop.rule, hop.denied_ports) == ("80", ((40000, 50000),))


def test_the_acl_of_a_subnet_that_is_not_known_is_unknown() -> None:
    hops = walk(replace(NODE, subnet_id=""))
    assert [hops[step].state for step in ACL_STEPS] == [UNKNOWN, OPEN, OPEN, UNKNOWN]


def test_ipv6_needs_acl_rules_of_its_own() -> None:
    four = walk(DUAL_NODE, DUAL_TARGET)
    six = walk(DUAL_NODE, DUAL_TARGET, family=6)
    assert {four[step].state for step in ACL_STEPS} == {OPEN}
    assert {six[step].state for step in ACL_STEPS} == {BLOCKED}
    both = acl(
        "acl-6", [*ADMIT_ALL, *(entry(101, "allow", e, "::/0", protocol="-1") for e in (True, False))], default=True
    )
    assert {walk(DUAL_NODE, DUAL_TARGET, acls=[both], family=6)[step].state for step in ACL_STEPS} == {OPEN}


def test_a_subnet_without_an_association_uses_the_default_acl_of_its_vpc() -> None:
    own, other = acl("acl-own", [], "subnet-a"), acl("acl-other", [], default=True, vpc="vpc-2")
    listed = [other, own, DEFAULT_ACL]
    assert acl_of("subnet-a", "vpc-1", listed) == own
    assert acl_of("subnet-b", "vpc-1", listed) == DEFAULT_ACL
    assert acl_of("subnet-b", "vpc-3", listed) is None


def test_the_acls_of_a_vpc_that_was_not_read_are_unknown() -> None:
    hops = walk(target=ABROAD)
    assert [hops[step].state for step in ACL_STEPS] == [OPEN, UNKNOWN, UNKNOWN, OPEN]
    assert "subnet-z" in hops[Step.TARGET_ACL_IN].says


cidrs = st.sampled_from(["0.0.0.0/0", "10.0.0.0/16", "10.0.1.0/24", "10.0.1.5/32", "10.0.3.0/24", "::/0"])
port_ranges = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(lambda p: (min(p), max(p)))
entries_lists = st.lists(
    st.builds(
        entry,
        st.integers(1, 32766),
        st.sampled_from(["allow", "deny"]),
        st.booleans(),
        cidrs,
        st.none() | port_ranges,
        st.sampled_from(["-1", "6", "17"]),
    ),
    max_size=6,
    unique_by=lambda e: (e["RuleNumber"], e["Egress"]),
)


def naive(entries: list[Raw], egress: bool, ip: str, port: int) -> tuple[bool, str]:
    """The textbook evaluation of one port: the first rule that matches, in ascending number, or a denial."""
    for rule in sorted(entries, key=lambda e: e["RuleNumber"]):
        if rule["Egress"] is not egress or rule["Protocol"] not in ("-1", "6"):
            continue
        if ip_address(ip) not in ip_network(rule.get("CidrBlock") or rule["Ipv6CidrBlock"]):
            continue
        span = rule.get("PortRange")
        if rule["Protocol"] == "-1" or span is None or span["From"] <= port <= span["To"]:
            return rule["RuleAction"] == "allow", str(rule["RuleNumber"])
    return False, ""


@given(entries_lists, st.booleans(), st.lists(st.integers(1024, 65535), min_size=20, max_size=60))
def test_acl_rulings_equal_a_port_by_port_evaluation(entries: list[Raw], egress: bool, sample: list[int]) -> None:
    found = rulings({"Entries": entries}, egress, "10.0.1.5", (1024, 65535))
    # The rulings tile the range: every one of the 64512 ports is decided once.
    assert sum(r.ports[1] - r.ports[0] + 1 for r in found) == 64512
    assert [r.ports[0] for r in found] == [1024, *(r.ports[1] + 1 for r in found[:-1])]
    edges = {port for r in found for port in r.ports}
    for port in {*sample, *edges}:
        ruling = next(r for r in found if r.ports[0] <= port <= r.ports[1])
        assert (ruling.allowed, ruling.rule) == naive(entries, egress, "10.0.1.5", port)


@given(entries_lists)
def test_the_denied_ports_of_a_hop_are_those_that_a_port_by_port_evaluation_denies(entries: list[Raw]) -> None:
    hop = walk(acls=[acl("acl-1", entries, "subnet-a", "subnet-b")])[Step.TARGET_ACL_OUT]
    told = {port for first, last in hop.denied_ports for port in range(first, last + 1)}
    sample = {*range(1024, 65536, 97), *(p for e in entries for p in (e.get("PortRange") or {}).values() if p >= 1024)}
    denied = {port for port in sample if not naive(entries, True, "10.0.1.5", port)[0]}
    assert told & sample == denied
    assert (hop.state is BLOCKED) == any(32768 <= port <= 60999 for port in told)


# Routes


def test_inside_one_vpc_the_local_route_is_open_even_when_no_table_was_read() -> None:
    groups = {"sg-node": group("sg-node"), "sg-efs": group("sg-efs")}
    hops = {hop.step: hop for hop in path(NODE, TARGET, groups, [DEFAULT_ACL], None)}
    assert [(hops[s].state, hops[s].rule) for s in (Step.ROUTE_OUT, Step.ROUTE_BACK)] == [(OPEN, "local")] * 2


@pytest.mark.parametrize(("status", "state"), [("active", UNKNOWN), ("blackhole", BLOCKED)])
def test_a_narrower_route_to_an_appliance_comes_before_the_local_one(status: str, state: HopState) -> None:
    appliance = table("rtb-a", [LOCAL, route("10.0.2.0/24", status, NetworkInterfaceId="eni-07")], "subnet-a")
    hops = walk(tables=[*TABLES, appliance])
    assert (hops[Step.ROUTE_OUT].state, hops[Step.ROUTE_OUT].rule) == (state, "10.0.2.0/24")
    assert hops[Step.ROUTE_BACK].state is OPEN


def test_a_propagated_route_never_comes_before_the_local_one() -> None:
    learnt = {**route("10.0.2.0/24", GatewayId="vgw-1"), "Origin": "EnableVgwRoutePropagation"}
    assert walk(tables=[table("rtb-1", [LOCAL, learnt], main=True)])[Step.ROUTE_OUT].state is OPEN


def test_inside_one_vpc_a_default_route_says_nothing_about_the_local_one() -> None:
    bare = table("rtb-1", [route("0.0.0.0/0", GatewayId="igw-1")], main=True)
    assert walk(tables=[bare])[Step.ROUTE_OUT].state is OPEN


PEERED = route("10.9.0.0/16", VpcPeeringConnectionId="pcx-1")
PEERED_BACK = table("rtb-2", [LOCAL_2, route("10.0.0.0/16", VpcPeeringConnectionId="pcx-1")], "subnet-z", vpc="vpc-2")


@pytest.mark.parametrize(
    ("routes", "state", "rule"),
    [
        ([PEERED], OPEN, "10.9.0.0/16"),
        ([route("10.9.0.0/16", "blackhole", VpcPeeringConnectionId="pcx-1")], BLOCKED, "10.9.0.0/16"),
        ([route("10.9.0.0/16", TransitGatewayId="tgw-1")], UNKNOWN, "10.9.0.0/16"),
        ([route("0.0.0.0/0", TransitGatewayId="tgw-1")], UNKNOWN, "0.0.0.0/0"),
        ([route("0.0.0.0/0", NatGatewayId="nat-1")], BLOCKED, ""),
        ([route("0.0.0.0/0", GatewayId="igw-1")], BLOCKED, ""),
        ([route("10.9.0.0/16", NatGatewayId="nat-1")], UNKNOWN, "10.9.0.0/16"),
        ([], BLOCKED, ""),
        ([route("10.8.0.0/16", VpcPeeringConnectionId="pcx-1")], BLOCKED, ""),
        ([route("pl-7", TransitGatewayId="tgw-1")], UNKNOWN, "pl-7"),
        ([route("pl-7", TransitGatewayId="tgw-1"), route("0.0.0.0/0", GatewayId="igw-1")], UNKNOWN, "pl-7"),
        ([route("pl-7", TransitGatewayId="tgw-1"), {**PEERED, "Origin": "Advertisement"}], UNKNOWN, "pl-7"),
        ([route("10.9.0.0/16", "filtered", VpcPeeringConnectionId="pcx-1")], BLOCKED, ""),
        ([route("pl-s3", GatewayId="vpce-1"), route("0.0.0.0/0", GatewayId="igw-1")], BLOCKED, ""),
        ([route("pl-7", TransitGatewayId="tgw-1"), PEERED], OPEN, "10.9.0.0/16"),
        ([route("10.9.2.0/24", "blackhole", TransitGatewayId="t"), PEERED], BLOCKED, "10.9.2.0/24"),
    ],
)
def test_the_way_to_another_vpc_is_what_the_nodes_route_table_says(
    routes: list[Raw], state: HopState, rule: str
) -> None:
    hops = walk(target=ABROAD, tables=[table("rtb-1", [LOCAL, *routes], main=True), PEERED_BACK])
    out, back = hops[Step.ROUTE_OUT], hops[Step.ROUTE_BACK]
    assert (out.state, out.object_id, out.rule) == (state, "rtb-1", rule)
    assert (back.state, back.object_id, back.rule) == (OPEN, "rtb-2", "10.0.0.0/16")


def test_a_missing_route_back_is_a_hop_of_its_own() -> None:
    tables = [
        table("rtb-1", [LOCAL, PEERED], "subnet-a"),
        table("rtb-2", [LOCAL_2], main=True, vpc="vpc-2"),
    ]
    hops = walk(target=ABROAD, tables=tables)
    assert [hops[s].state for s in (Step.ROUTE_OUT, Step.ROUTE_BACK)] == [OPEN, BLOCKED]
    assert hops[Step.ROUTE_BACK].says == "rtb-2 has no route that covers 10.0.1.5; the node is at 10.0.1.5 in vpc-1"


def test_the_route_tables_of_a_vpc_that_was_not_read_are_unknown() -> None:
    hops = walk(target=ABROAD)
    assert [hops[s].state for s in (Step.ROUTE_OUT, Step.ROUTE_BACK)] == [BLOCKED, UNKNOWN]
    assert "no route table of subnet-z was read" in hops[Step.ROUTE_BACK].says


@pytest.mark.parametrize("lost", [{"vpc_id": ""}, {"subnet_id": ""}])
def test_the_way_from_a_place_that_is_not_known_is_unknown(lost: dict[str, str]) -> None:
    node = replace(NODE, **lost)  # type: ignore[arg-type]
    tables = [table("rtb-1", [LOCAL, PEERED], main=True), PEERED_BACK]
    assert walk(node, ABROAD, tables=tables)[Step.ROUTE_OUT].state is UNKNOWN


def test_the_way_to_a_mount_target_in_a_vpc_that_is_not_known_is_unknown() -> None:
    hop = walk(target=replace(ABROAD, vpc_id=""), tables=[table("rtb-1", [LOCAL, PEERED], main=True)])[Step.ROUTE_OUT]
    assert hop.state is UNKNOWN


def test_overlapping_address_ranges_keep_the_traffic_at_home() -> None:
    twin = replace(ABROAD, ip="10.0.2.9")
    hop = walk(target=twin, tables=[*TABLES, PEERED_BACK])[Step.ROUTE_OUT]
    assert (hop.state, hop.rule) == (BLOCKED, "10.0.0.0/16")
    assert "does not leave the VPC" in hop.says


def test_an_explicit_route_table_comes_before_the_main_one() -> None:
    main, own = table("rtb-main", [LOCAL], main=True), table("rtb-own", [LOCAL], "subnet-a")
    assert table_of("subnet-a", "vpc-1", [main, own]) == own
    assert table_of("subnet-b", "vpc-1", [main, own]) == main
    assert table_of("subnet-b", "vpc-2", [main, own]) is None


def test_a_static_route_comes_before_a_propagated_one_of_the_same_range() -> None:
    learnt = {**route("10.9.0.0/16", GatewayId="vgw-1"), "Origin": "EnableVgwRoutePropagation"}
    static = PEERED
    for routes in ([learnt, static], [static, learnt]):
        assert route_for(table("rtb", routes), "10.9.2.9") == static


def test_ipv6_traffic_follows_ipv6_routes() -> None:
    node, target = DUAL_NODE, replace(ABROAD, ipv6="2600:99::9")
    tables = [table("rtb-1", [LOCAL, PEERED], main=True)]
    assert walk(node, target, tables=tables)[Step.ROUTE_OUT].state is OPEN
    assert walk(node, target, tables=tables, family=6)[Step.ROUTE_OUT].state is BLOCKED


def test_a_default_ipv6_route_may_reach_a_public_address_of_another_vpc() -> None:
    tables = [table("rtb-1", [LOCAL, route("::/0", EgressOnlyInternetGatewayId="eigw-1")], main=True)]
    hop = walk(DUAL_NODE, replace(ABROAD, ipv6="2600:99::9"), tables=tables, family=6)[Step.ROUTE_OUT]
    assert (hop.state, hop.rule) == (UNKNOWN, "::/0")


# The ends


def test_the_first_interface_of_a_second_network_card_is_not_the_primary_one() -> None:
    second = {"Attachment": {"DeviceIndex": 0, "NetworkCardIndex": 1}, "SubnetId": "subnet-pods", "Groups": []}
    listed = {**INSTANCE, "NetworkInterfaces": [second, *INSTANCE["NetworkInterfaces"]]}
    assert node_end(listed, SUBNETS).subnet_id == "subnet-a"


INSTANCE: Raw = {
    "InstanceId": "i-01",
    "Placement": {"AvailabilityZone": "us-east-1a"},
    "PrivateIpAddress": "10.0.1.5",
    "SubnetId": "subnet-a",
    "VpcId": "vpc-1",
    "SecurityGroups": [{"GroupId": "sg-node"}],
    "NetworkInterfaces": [
        {
            "Attachment": {"DeviceIndex": 1},
            "PrivateIpAddress": "10.0.7.7",
            "SubnetId": "subnet-pods",
            "VpcId": "vpc-1",
            "Groups": [{"GroupId": "sg-pods"}],
        },
        {
            "Attachment": {"DeviceIndex": 0, "NetworkCardIndex": 0},
            "PrivateIpAddress": "10.0.1.5",
            "SubnetId": "subnet-a",
            "VpcId": "vpc-1",
            "OwnerId": "111122223333",
            "Ipv6Addresses": [{"Ipv6Address": "2600:1f:0:1::5"}],
            "Groups": [{"GroupId": "sg-node"}],
        },
    ],
}
SUBNETS = [
    {"SubnetId": "subnet-pods", "AvailabilityZoneId": "use1-az9"},
    {"SubnetId": "subnet-a", "AvailabilityZoneId": "use1-az1"},
]


def test_the_nodes_end_is_its_primary_interface() -> None:
    assert node_end(INSTANCE, SUBNETS) == replace(NODE, ipv6s=("2600:1f:0:1::5",))


def test_an_instance_without_listed_interfaces_tells_its_end_itself() -> None:
    bare = {key: value for key, value in INSTANCE.items() if key != "NetworkInterfaces"}
    assert node_end(bare, SUBNETS) == replace(NODE, account="")


def test_what_the_instance_does_not_say_stays_unknown() -> None:
    end = node_end({"InstanceId": "i-01", "Placement": {"AvailabilityZoneId": "use1-az1"}}, None)
    assert end == NodeEnd("i-01", zone_id="use1-az1", security_groups=None)


def test_the_targets_end_is_the_mount_target_with_its_groups() -> None:
    raw = {
        "MountTargetId": "fsmt-01",
        "IpAddress": "10.0.2.9",
        "SubnetId": "subnet-b",
        "VpcId": "vpc-1",
        "AvailabilityZoneName": "us-east-1a",
        "AvailabilityZoneId": "use1-az1",
        "OwnerId": "111122223333",
    }
    assert target_end(raw, ["sg-efs"]) == TARGET
    assert target_end(raw, None).security_groups is None
    assert target_end({"MountTargetId": "fsmt-6", "Ipv6Address": "2600::9"}, []).address(6) == "2600::9"


# Zones


def test_the_target_for_a_node_is_the_one_with_its_zone_id_whatever_the_names() -> None:
    misnamed = replace(TARGET, mount_target_id="fsmt-02", zone_id="use1-az2")
    renamed = replace(TARGET, zone="us-east-1f")
    assert target_for(NODE, [misnamed, renamed]) == renamed
    assert target_for(NODE, [misnamed]) is None


def test_zone_names_decide_where_an_id_is_missing_in_one_account() -> None:
    nameless = replace(TARGET, zone_id="")
    assert target_for(NODE, [nameless]) == nameless
    assert target_for(replace(NODE, zone="us-east-1b"), [nameless]) is None


def test_zone_names_of_another_account_prove_nothing() -> None:
    assert target_for(NODE, [replace(TARGET, zone_id="", account="444455556666")]) is None


def test_two_unknown_zones_are_not_the_same_zone() -> None:
    assert target_for(replace(NODE, zone="", zone_id=""), [replace(TARGET, zone="", zone_id="")]) is None


def test_of_two_targets_in_the_zone_the_one_in_the_nodes_vpc_is_taken() -> None:
    assert target_for(NODE, [replace(ABROAD, mount_target_id="fsmt-00"), TARGET]) == TARGET
