"""The evidence of area vpc: the network between the pod's node and the mount targets."""

from __future__ import annotations

from typing import Any

import pytest
from values_aws import (
    FS,
    World,
    absent,
    instance,
    made,
    mount_target,
    network_acl,
    route_table,
    security_group,
    unread,
    value,
    volume,
)

from efsdiag.model import Evidence, Missing
from efsdiag.semantics.ends import node_end, target_end
from efsdiag.semantics.hops import HopState

BOTH_TARGETS = {FS: [mount_target(), mount_target("fsmt-b", ip="10.0.3.50", zone="us-east-1b", zone_id="use1-az2")]}
ENDS = ((node_end(instance()), target_end(mount_target(), ("sg-efs",))),)
PEERED = ((node_end(instance()), target_end(mount_target(vpc="vpc-2"), ("sg-efs",))),)


def test_the_vpc_is_that_of_the_pods_node() -> None:
    assert value(made("vpc_id", World(), node_instance=instance(vpc="vpc-9"))) == "vpc-9"
    assert absent(made("vpc_id", World(), node_instance={"InstanceId": "i-1"}))


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize(
    ("evidence", "attribute", "field"),
    [
        ("vpc_dns_support", "enableDnsSupport", "EnableDnsSupport"),
        ("vpc_dns_hostnames", "enableDnsHostnames", "EnableDnsHostnames"),
    ],
)
def test_a_setting_that_is_off_is_a_value_and_not_absent(evidence: str, attribute: str, field: str, on: bool) -> None:
    world = World({"ec2:DescribeVpcAttribute": {"VpcId": "vpc-1", field: {"Value": on}}})
    assert value(made(evidence, world, vpc_id="vpc-1")) is on
    assert world.asked[0].get("Attribute") == attribute


def name_servers(*servers: str, options: str = "dopt-1", cidr: str = "10.0.0.0/16") -> Evidence | Missing:
    entry = {"Key": "domain-name-servers", "Values": [{"Value": s} for s in servers]}
    other = {"Key": "domain-name", "Values": [{"Value": "ec2.internal"}]}
    answers = {
        "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": cidr, "DhcpOptionsId": options}]},
        "ec2:DescribeDhcpOptions": {
            "DhcpOptions": [{"DhcpConfigurations": [other, entry] if servers else [other]}],
        },
    }
    return made("vpc_name_servers", World(answers), vpc_id="vpc-1")


def test_the_name_servers_are_those_of_the_vpcs_dhcp_options() -> None:
    assert value(name_servers("10.9.9.9", "AmazonProvidedDNS")) == ("10.9.9.9", "AmazonProvidedDNS")


@pytest.mark.parametrize(("cidr", "own"), [("10.0.0.0/16", "10.0.0.2"), ("172.31.128.0/20", "172.31.128.2")])
def test_the_base_address_plus_two_is_amazons_name_server(cidr: str, own: str) -> None:
    assert value(name_servers(own, cidr=cidr)) == ("AmazonProvidedDNS",)


def test_no_name_servers_are_told_without_options_or_without_that_option() -> None:
    assert absent(name_servers())
    assert absent(name_servers("10.9.9.9", options="default"))
    assert absent(made("vpc_name_servers", World({"ec2:DescribeVpcs": {"Vpcs": []}}), vpc_id="vpc-1"))


def test_the_subnets_of_both_ends_are_read_together() -> None:
    world = World({"ec2:DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-a"}]}})
    given = {"node_instance": instance(), "mount_targets": {FS: [mount_target()], "fs-gone": None}}
    assert value(made("subnets", world, **given)) == [{"SubnetId": "subnet-a"}]
    assert world.asked[0].get("SubnetIds") == "subnet-a,subnet-t"


GROUPS = {"ec2:DescribeSecurityGroups": {"SecurityGroups": [security_group("sg-node"), security_group("sg-efs")]}}


def test_the_groups_of_both_ends_are_read_together() -> None:
    world = World(GROUPS)
    given = {"node_instance": instance(), "mount_target_groups": {"fsmt-a": ("sg-efs",)}}
    groups = value(made("security_groups", world, **given))
    assert sorted(groups) == ["sg-efs", "sg-node"]
    assert world.asked[0].get("GroupIds") == "sg-efs,sg-node"


def test_the_groups_for_pods_on_a_second_interface_are_not_asked_for() -> None:
    node = instance()
    node["NetworkInterfaces"].append({"Attachment": {"DeviceIndex": 1}, "Groups": [{"GroupId": "sg-pods"}]})
    node["SecurityGroups"].append({"GroupId": "sg-pods"})
    world = World(GROUPS)
    made("security_groups", world, node_instance=node, mount_target_groups={})
    assert world.asked[0].get("GroupIds") == "sg-node"


def test_the_nodes_groups_are_read_although_the_mount_targets_are_refused() -> None:
    world = World(GROUPS, "efs:DescribeMountTargetSecurityGroups")
    given = {"node_instance": instance(), "mount_targets": {FS: [mount_target()]}}
    assert value(made("security_groups", world, **given))["sg-node"] == security_group("sg-node")


@pytest.mark.parametrize(
    ("evidence", "operation", "field"),
    [
        ("network_acls", "ec2:DescribeNetworkAcls", "NetworkAcls"),
        ("route_tables", "ec2:DescribeRouteTables", "RouteTables"),
    ],
)
def test_the_filters_and_routes_of_both_vpcs_are_read(evidence: str, operation: str, field: str) -> None:
    for ends, asked in ((ENDS, "vpc-1"), (PEERED, "vpc-1,vpc-2")):
        world = World({operation: {field: [{"VpcId": "vpc-1"}]}})
        assert value(made(evidence, world, mount_ends=ends)) == [{"VpcId": "vpc-1"}]
        assert [q.get("Filter.vpc-id") for q in world.asked] == [asked]


def ends(*volumes: Any, node: Any = None, targets: Any = BOTH_TARGETS, groups: Any = None) -> Evidence | Missing:
    given = {
        "node_instance": node or instance(),
        "efs_volumes": volumes or (volume(),),
        "mount_targets": targets,
        "subnets": [],
        "mount_target_groups": {} if groups is None else groups,
    }
    return made("mount_ends", World(), **given)


def names(evidence: Evidence | Missing) -> list[str]:
    return [target.mount_target_id for _, target in value(evidence)]


def test_a_volume_uses_the_mount_target_of_the_nodes_zone() -> None:
    assert names(ends()) == ["fsmt-a"]
    assert names(ends(node=instance(zone="us-east-1b", zone_id="use1-az2"))) == ["fsmt-b"]


@pytest.mark.parametrize("name", ["mounttargetip", "mountTargetIp"])
def test_a_volume_with_an_address_uses_the_mount_target_of_that_address(name: str) -> None:
    assert names(ends(volume(attributes={name: "10.0.3.50"}))) == ["fsmt-b"]


def test_a_volume_with_the_option_az_uses_the_mount_target_of_that_zone() -> None:
    assert names(ends(volume(options=("tls", "az=us-east-1b")))) == ["fsmt-b"]


def test_two_volumes_on_one_mount_target_make_one_way() -> None:
    assert names(ends(volume(), volume(f"{FS}:/other"))) == ["fsmt-a"]
    assert names(ends(volume(), volume(attributes={"mounttargetip": "10.0.3.50"}))) == ["fsmt-a", "fsmt-b"]


@pytest.mark.parametrize(
    "given",
    [
        {"targets": {FS: []}},
        {"targets": {FS: None}},
        {"node": instance(zone="us-east-1c", zone_id="use1-az3")},
    ],
    ids=["no mount target", "no file system", "another zone"],
)
def test_without_a_mount_target_to_use_there_is_no_way(given: dict[str, Any]) -> None:
    assert absent(ends(**given))
    assert absent(ends(volume(attributes={"mounttargetip": "10.0.9.9"})))


def test_the_groups_of_the_target_stay_unknown_where_they_are_refused() -> None:
    refused = unread("efs:DescribeMountTargetSecurityGroups")
    ((_, target),) = value(ends(groups=refused))
    assert target.security_groups is None
    ((_, target),) = value(ends(groups={"fsmt-a": ("sg-efs",)}))
    assert target.security_groups == ("sg-efs",)


WHOLE = {
    "mount_target_groups": {"fsmt-a": ("sg-efs",)},
    "security_groups": {"sg-node": security_group("sg-node"), "sg-efs": security_group("sg-efs", "sg-node")},
    "network_acls": [network_acl()],
    "route_tables": [route_table()],
}


def test_the_way_has_eight_hops_for_each_ip_version() -> None:
    assert len(value(made("nfs_path", World(), mount_ends=ENDS, **WHOLE)).hops) == 8
    node, target = instance(ipv6="2001:db8::10"), mount_target(ipv6="2001:db8::50")
    both = ((node_end(node), target_end(target, ("sg-efs",))),)
    assert len(value(made("nfs_path", World(), mount_ends=both, **WHOLE)).hops) == 16


@pytest.mark.parametrize(
    ("refused", "operation", "name"),
    [
        ("security_groups", "ec2:DescribeSecurityGroups", "security groups"),
        ("network_acls", "ec2:DescribeNetworkAcls", "network ACLs"),
        ("route_tables", "ec2:DescribeRouteTables", "route tables"),
    ],
)
def test_what_is_refused_is_kept_by_name_and_makes_no_hop_blocked(refused: str, operation: str, name: str) -> None:
    given = {key: found for key, found in WHOLE.items() if key != refused}
    world = World({}, operation)
    found = value(made("nfs_path", world, mount_ends=PEERED, node_instance=instance(), **given))
    assert list(found.unread) == [name]
    assert found.unread[name].grant == f"allow {operation}"
    assert HopState.UNKNOWN in {hop.state for hop in found.hops}
