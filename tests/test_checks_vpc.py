"""The checks of area vpc: names, security groups, network ACLs and routes between the node and the mount target."""

from __future__ import annotations

from typing import Any

import pytest
from values import efs_volume, heard, pod
from values_aws import (
    DEADLINE,
    FS,
    REFUSED,
    TIMED_OUT,
    UNRESOLVED,
    World,
    instance,
    judged,
    modes_of,
    mount_failed,
    mount_target,
    network_acl,
    route_table,
    security_group,
    volume,
)

from efsdiag.checks import vpc
from efsdiag.model import State, Verdict

VOLUMES = (volume(),)
BY_ADDRESS = (volume(attributes={"mounttargetip": "10.0.2.50"}),)
NO_NAME = mount_failed(UNRESOLVED)
HOPS = ("nfs-port-open", "node-egress-open", "network-acls-open", "route-exists", "ipv6-open")
ALL_IN = ("10.0.0.0/16",)


def state(check: str, **changed: Any) -> Verdict:
    """The verdict on the way from a node to a mount target in another subnet, all well but what is `changed`."""
    world = World(changed.pop("answers", {}), *changed.pop("refused", ()))
    given = {
        "node_instance": instance(),
        "efs_volumes": VOLUMES,
        "mount_targets": {FS: [mount_target()]},
        "mount_target_groups": {"fsmt-a": ("sg-efs",)},
        "subnets": [],
        "security_groups": {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", "sg-node")},
        "network_acls": [network_acl()],
        "route_tables": [route_table()],
        **changed,
    }
    return judged(check, world, **{name: value for name, value in given.items() if value is not ...})


# The five checks of the way.


@pytest.mark.parametrize("check", HOPS[:4])
def test_a_way_that_is_open_passes(check: str) -> None:
    assert state(check).state is State.PASS


@pytest.mark.parametrize("check", HOPS[2:])
def test_within_one_subnet_there_is_neither_acl_nor_route_to_pass(check: str) -> None:
    assert state(check, mount_targets={FS: [mount_target(subnet="subnet-a")]}).state is State.SKIP


@pytest.mark.parametrize("check", HOPS)
def test_the_way_waits_for_a_mount_target(check: str) -> None:
    assert state(check, mount_targets={FS: []}).state is State.WAITING


@pytest.mark.parametrize("check", HOPS)
def test_the_way_waits_for_an_efs_volume(check: str) -> None:
    assert state(check, efs_volumes=()).state is State.WAITING


@pytest.mark.parametrize(
    ("sources", "egress"),
    [((), None), (("sg-other",), None), (("10.9.0.0/16",), None)],
    ids=["nobody", "another group", "another range"],
)
def test_a_mount_target_group_that_admits_others_only_is_blamed(sources: tuple[str, ...], egress: None) -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", *sources)}
    verdict = state("nfs-port-open", security_groups=groups)
    assert modes_of(verdict) == [("network.mount-target-sg-ingress", True)]
    assert str(verdict.findings[0].object) == "SecurityGroup/sg-efs"


def test_a_group_that_opens_another_port_is_blamed() -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", "sg-node", port=443)}
    assert modes_of(state("nfs-port-open", security_groups=groups)) == [("network.mount-target-sg-ingress", True)]


def test_the_groups_of_the_nodes_primary_interface_count_not_those_for_pods() -> None:
    node = instance(groups=("sg-node",))
    node["NetworkInterfaces"].append({"Attachment": {"DeviceIndex": 1}, "Groups": [{"GroupId": "sg-pods"}]})
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", "sg-pods")}
    verdict = state("nfs-port-open", node_instance=node, security_groups=groups)
    assert modes_of(verdict) == [("network.mount-target-sg-ingress", True)]


def test_a_node_group_that_lets_nothing_out_is_blamed() -> None:
    groups = {"sg-node": security_group("sg-node", egress=()), "sg-efs": security_group("sg-efs", "sg-node")}
    verdict = state("node-egress-open", security_groups=groups)
    assert modes_of(verdict) == [("network.node-sg-egress", True)]
    assert str(verdict.findings[0].object) == "SecurityGroup/sg-node"
    assert state("nfs-port-open", security_groups=groups).state is State.PASS


@pytest.mark.parametrize(
    ("egress", "cidr"),
    [(True, "10.0.2.0/24"), (False, "10.0.1.0/24"), (True, "10.0.1.0/24"), (False, "10.0.2.0/24")],
    ids=["request out", "request in", "reply out", "reply in"],
)
def test_a_network_acl_that_denies_a_request_or_its_reply_is_blamed(egress: bool, cidr: str) -> None:
    verdict = state("network-acls-open", network_acls=[network_acl((50, egress, cidr))])
    assert modes_of(verdict) == [("network.nacl", True)]
    assert str(verdict.findings[0].object) == "NetworkAcl/acl-1"


IN_VPC_2 = {"vpc": "vpc-2", "ip": "10.2.0.50", "subnet": "subnet-2"}
PEERED = {
    "efs_volumes": (volume(attributes={"mounttargetip": "10.2.0.50"}),),
    "mount_targets": {FS: [mount_target(**IN_VPC_2)]},
    "security_groups": {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", *ALL_IN)},
}
"""A volume that is mounted by an address in a peered VPC."""
TABLES = [
    route_table(("10.2.0.0/16", "pcx-1")),
    route_table(("10.0.0.0/16", "pcx-1"), name="rtb-2", vpc="vpc-2", cidr="10.2.0.0/16"),
]


def test_a_peered_vpc_is_reached_where_both_have_a_route() -> None:
    assert state("route-exists", route_tables=TABLES, **PEERED).state is State.PASS


@pytest.mark.parametrize("kept", [0, 1])
def test_a_peered_vpc_without_a_route_there_or_back_is_blamed(kept: int) -> None:
    bare = [route_table(), route_table(name="rtb-2", vpc="vpc-2", cidr="10.2.0.0/16")]
    tables = [TABLES[i] if i == kept else bare[i] for i in (0, 1)]
    verdict = state("route-exists", route_tables=tables, **PEERED)
    assert modes_of(verdict) == [("network.no-route", True)]
    assert str(verdict.findings[0].object) == f"RouteTable/{['rtb-2', 'rtb-1'][kept]}"


def test_an_end_that_has_ipv6_only_is_blamed_as_the_mount_target() -> None:
    target = mount_target(ipv6="2001:db8::50")
    del target["IpAddress"]
    verdict = state("route-exists", mount_targets={FS: [target]})
    assert modes_of(verdict) == [("network.no-route", True)]
    assert str(verdict.findings[0].object) == "MountTarget/fsmt-a"


BOTH_VERSIONS = {
    "node_instance": instance(ipv6="2001:db8::10"),
    "mount_targets": {FS: [mount_target(ipv6="2001:db8::50")]},
}


def test_a_group_that_admits_ipv4_only_is_blamed_where_both_ends_have_ipv6() -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", *ALL_IN)}
    verdict = state("ipv6-open", security_groups=groups, **BOTH_VERSIONS)
    assert modes_of(verdict) == [("network.ipv6", True)]
    assert str(verdict.findings[0].object) == "SecurityGroup/sg-efs"
    assert state("nfs-port-open", security_groups=groups, **BOTH_VERSIONS).state is State.PASS


def test_an_acl_that_admits_ipv4_only_is_named_as_an_acl() -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", *ALL_IN, "2001:db8::/32")}
    verdict = state("ipv6-open", security_groups=groups, **BOTH_VERSIONS)
    assert modes_of(verdict) == [("network.ipv6", True)]
    assert str(verdict.findings[0].object) == "NetworkAcl/acl-1"


def test_ipv6_passes_where_everything_admits_it() -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", *ALL_IN, "2001:db8::/32")}
    acl = network_acl()
    for egress in (True, False):
        entry = {"RuleNumber": 101, "Egress": egress, "RuleAction": "allow", "Protocol": "-1", "Ipv6CidrBlock": "::/0"}
        acl["Entries"].append(entry)
    assert state("ipv6-open", security_groups=groups, network_acls=[acl], **BOTH_VERSIONS).state is State.PASS


def test_ipv6_does_not_matter_to_ends_without_it() -> None:
    assert state("ipv6-open").state is State.SKIP


def test_ipv6_is_not_blamed_where_ipv4_is_blocked_as_well() -> None:
    groups = {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs")}
    assert state("ipv6-open", security_groups=groups, **BOTH_VERSIONS).state is State.SKIP


REFUSALS = {
    "nfs-port-open": ("security_groups", "ec2:DescribeSecurityGroups"),
    "node-egress-open": ("security_groups", "ec2:DescribeSecurityGroups"),
    "network-acls-open": ("network_acls", "ec2:DescribeNetworkAcls"),
    "route-exists": ("route_tables", "ec2:DescribeRouteTables"),
}


@pytest.mark.parametrize("check", REFUSALS)
def test_a_hop_is_unknown_where_what_decides_it_is_refused_and_names_that_alone(check: str) -> None:
    """Everything of the network is refused at once; each check asks for its own part only."""
    everything = {name: ... for name, _ in REFUSALS.values()}
    refused = [operation for _, operation in REFUSALS.values()]
    verdict = state(check, refused=refused, **{**PEERED, **everything})
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {REFUSALS[check][1]}")


def test_the_port_is_unknown_and_the_nodes_egress_is_not_where_the_targets_groups_are_refused() -> None:
    refused = {"mount_target_groups": ..., "security_groups": ..., "refused": ["efs:DescribeMountTargetSecurityGroups"]}
    answers = {"ec2:DescribeSecurityGroups": {"SecurityGroups": [security_group("sg-node")]}}
    port = state("nfs-port-open", answers=answers, **refused)
    assert (port.state, port.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeMountTargetSecurityGroups")
    assert state("node-egress-open", answers=answers, **refused).state is State.PASS


def test_refused_network_acls_leave_the_port_as_it_is() -> None:
    refused = {"network_acls": ..., "refused": ["ec2:DescribeNetworkAcls"]}
    assert state("nfs-port-open", **refused).state is State.PASS


@pytest.mark.parametrize("check", HOPS)
def test_the_way_is_unknown_where_the_mount_targets_are_refused(check: str) -> None:
    verdict = state(check, mount_targets=..., file_system_ids=(FS,), refused=["efs:DescribeMountTargets"])
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow elasticfilesystem:DescribeMountTargets")


# DNS.


def test_dns_support_that_is_on_passes_and_off_fails() -> None:
    assert vpc.vpc_dns_support_on("vpc-1", True, VOLUMES).state is State.PASS
    verdict = vpc.vpc_dns_support_on("vpc-1", False, VOLUMES)
    assert modes_of(verdict) == [("network.vpc-dns-support-disabled", True)]


def test_dns_does_not_matter_to_a_mount_by_address() -> None:
    assert vpc.vpc_dns_support_on("vpc-1", False, BY_ADDRESS).state is State.SKIP
    assert vpc.vpc_dns_support_on("vpc-1", False, (*BY_ADDRESS, *VOLUMES)).state is State.FAIL


def test_host_names_that_are_off_are_a_finding_of_their_own_only_while_names_resolve() -> None:
    assert vpc.vpc_dns_hostnames_on("vpc-1", True).state is State.PASS
    assert modes_of(vpc.vpc_dns_hostnames_on("vpc-1", False)) == [("network.vpc-dns-hostnames-disabled", True)]
    assert vpc.vpc_dns_hostnames_on("vpc-1", False, NO_NAME).state is State.SKIP


def test_host_names_that_are_off_explain_a_name_that_does_not_resolve() -> None:
    assert modes_of(vpc.vpc_names_complete("vpc-1", False, NO_NAME)) == [("network.vpc-dns-hostnames-disabled", True)]
    assert vpc.vpc_names_complete("vpc-1", True, NO_NAME).state is State.PASS
    assert vpc.vpc_names_complete("vpc-1", False, heard()).state is State.SKIP
    assert vpc.vpc_names_complete(None, None, NO_NAME).state is State.WAITING


@pytest.mark.parametrize(
    ("check", "attribute"),
    [
        ("vpc-dns-support-on", "ec2:DescribeVpcAttribute"),
        ("vpc-dns-hostnames-on", "ec2:DescribeVpcAttribute"),
        ("vpc-names-complete", "ec2:DescribeVpcAttribute"),
        ("node-asks-vpc-resolver", "ec2:DescribeVpcs"),
    ],
)
def test_a_setting_of_the_vpc_is_unknown_where_it_is_refused(check: str, attribute: str) -> None:
    said_so = heard() if check == "vpc-dns-hostnames-on" else NO_NAME
    given = {"node_instance": instance(), "efs_volumes": VOLUMES, "heard": said_so}
    verdict = judged(check, World({}, attribute), **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {attribute}")


@pytest.mark.parametrize("check", ["vpc-dns-support-on", "vpc-dns-hostnames-on"])
def test_a_setting_of_the_vpc_waits_for_the_pods_node(check: str) -> None:
    given = {"pod": pod(node=None), "efs_wanted": True, "efs_volumes": VOLUMES, "heard": heard()}
    assert judged(check, World(), **given).state is State.WAITING


@pytest.mark.parametrize(
    "servers",
    [None, (), ("AmazonProvidedDNS",), ("169.254.169.253",), ("10.9.9.9", "AmazonProvidedDNS")],
    ids=["no options", "none named", "Amazon's", "its link-local address", "Amazon's among others"],
)
def test_the_vpcs_own_name_server_passes(servers: tuple[str, ...] | None) -> None:
    assert vpc.node_asks_vpc_resolver("vpc-1", NO_NAME, servers).state is State.PASS


def test_another_name_server_is_a_likely_cause_because_it_may_pass_the_question_on() -> None:
    verdict = vpc.node_asks_vpc_resolver("vpc-1", NO_NAME, ("10.9.9.9",))
    assert modes_of(verdict) == [("network.custom-dns-resolver", False)]


def test_the_base_address_plus_two_is_the_vpcs_own_name_server() -> None:
    answers = {
        "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "DhcpOptionsId": "dopt-1"}]},
        "ec2:DescribeDhcpOptions": {
            "DhcpOptions": [{"DhcpConfigurations": [{"Key": "domain-name-servers", "Values": [{"Value": "10.0.0.2"}]}]}]
        },
    }
    assert judged("node-asks-vpc-resolver", World(answers), vpc_id="vpc-1", heard=NO_NAME).state is State.PASS


def test_the_name_server_does_not_matter_while_names_resolve_or_before_there_is_a_node() -> None:
    assert vpc.node_asks_vpc_resolver("vpc-1", heard(), ("10.9.9.9",)).state is State.SKIP
    assert vpc.node_asks_vpc_resolver(None, NO_NAME, None).state is State.WAITING


# The milestones.


def test_a_name_that_does_not_resolve_is_a_symptom_that_the_event_tells() -> None:
    assert modes_of(vpc.name_resolves(VOLUMES, NO_NAME)) == [("mount.dns-unresolved", False)]


@pytest.mark.parametrize("text", [REFUSED, TIMED_OUT])
def test_a_mount_that_came_further_resolved_its_name(text: str) -> None:
    assert vpc.name_resolves(VOLUMES, mount_failed(text)).state is State.PASS


def test_a_bare_deadline_does_not_say_how_far_the_mount_came() -> None:
    assert vpc.name_resolves(VOLUMES, mount_failed(DEADLINE)).state is State.WAITING


def test_an_answer_of_the_server_proves_the_way_to_it() -> None:
    assert vpc.nfs_answers(VOLUMES, mount_failed(REFUSED)).state is State.PASS


@pytest.mark.parametrize("text", [TIMED_OUT, DEADLINE])
def test_a_mount_target_that_does_not_answer_is_a_symptom_that_the_event_tells(text: str) -> None:
    assert modes_of(vpc.nfs_answers(VOLUMES, mount_failed(text))) == [("mount.timeout", False)]


def test_the_milestones_wait_while_nothing_is_said_and_do_not_apply_without_efs() -> None:
    for milestone in (vpc.name_resolves, vpc.nfs_answers):
        assert milestone(VOLUMES, heard()).state is State.WAITING
        assert milestone(VOLUMES, None).state is State.WAITING
        assert milestone((), NO_NAME).state is State.SKIP


def test_a_name_that_does_not_resolve_says_nothing_of_the_port() -> None:
    assert vpc.nfs_answers(VOLUMES, NO_NAME).state is State.WAITING


def test_the_milestones_name_the_file_system() -> None:
    other = (efs_volume("fs-0fffffffffffffff0"),)
    assert str(vpc.nfs_answers(other, mount_failed(TIMED_OUT)).findings[0].object) == "FileSystem/fs-0fffffffffffffff0"
