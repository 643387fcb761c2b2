"""The checks of area api: the way from the controller to the AWS API."""

from __future__ import annotations

from typing import Any

import pytest
from values_aws import ACCESS_DENIED, World, instance, made, modes_of, provisioning_failed, route_table, value

from efsdiag.checks.api import aws_api_routed
from efsdiag.model import State, Verdict

ENDPOINT = {
    "VpcEndpointId": "vpce-1",
    "VpcId": "vpc-1",
    "ServiceName": "com.amazonaws.us-east-1.elasticfilesystem",
    "State": "available",
    "PrivateDnsEnabled": True,
}
ISOLATED = route_table()


def leader(*env: str) -> dict[str, Any]:
    image = "public.ecr.aws/efs-csi-driver/amazon/aws-efs-csi-driver:v2.1.0"
    return {"spec": {"containers": [{"name": "efs-plugin", "image": image, "env": [{"name": e} for e in env]}]}}


def routed(*tables: dict[str, Any], env: tuple[str, ...] = (), endpoints: Any = (), said: str = "") -> Verdict:
    heard = provisioning_failed(said) if said else None
    return aws_api_routed(leader(*env), instance(), list(tables), list(endpoints), heard)


def leading(**route: str) -> dict[str, Any]:
    return {**ISOLATED, "Routes": [*ISOLATED["Routes"], {"State": "active", **route}]}


def test_a_table_with_the_local_route_alone_fails() -> None:
    verdict = routed(ISOLATED)
    assert modes_of(verdict) == [("network.aws-api-unreachable", False)]
    assert str(verdict.findings[0].object) == "RouteTable/rtb-1"


@pytest.mark.parametrize("way", [{"NatGatewayId": "nat-1"}, {"TransitGatewayId": "tgw-1"}, {"GatewayId": "igw-1"}])
def test_a_route_out_of_the_vpc_passes(way: dict[str, str]) -> None:
    assert routed(leading(DestinationCidrBlock="0.0.0.0/0", **way)).state is State.PASS


def test_a_nat_gateway_that_is_gone_is_no_way() -> None:
    gone = leading(DestinationCidrBlock="0.0.0.0/0", NatGatewayId="nat-1", State="blackhole")
    assert modes_of(routed(gone)) == [("network.aws-api-unreachable", False)]


def test_an_endpoint_of_s3_is_no_way() -> None:
    s3 = leading(DestinationPrefixListId="pl-1", GatewayId="vpce-9")
    assert modes_of(routed(s3)) == [("network.aws-api-unreachable", False)]


def test_an_endpoint_of_efs_passes() -> None:
    assert routed(ISOLATED, endpoints=[ENDPOINT]).state is State.PASS


@pytest.mark.parametrize(
    "change", [{"PrivateDnsEnabled": False}, {"State": "pending"}, {"ServiceName": "com.amazonaws.us-east-1.ec2"}]
)
def test_an_endpoint_that_does_not_answer_for_efs_is_no_way(change: dict[str, Any]) -> None:
    assert modes_of(routed(ISOLATED, endpoints=[{**ENDPOINT, **change}])) == [("network.aws-api-unreachable", False)]


def test_where_aws_answered_it_was_reached() -> None:
    assert routed(ISOLATED, said=ACCESS_DENIED).state is State.PASS


def test_a_proxy_knows_its_own_way() -> None:
    assert routed(ISOLATED, env=("HTTPS_PROXY",)).state is State.SKIP


def test_a_subnet_whose_table_is_not_listed_is_unknown() -> None:
    assert routed().state is State.UNKNOWN


def test_the_endpoints_are_those_of_the_controllers_vpc() -> None:
    world = World({"ec2:DescribeVpcEndpoints": {"VpcEndpoints": [ENDPOINT, {**ENDPOINT, "VpcId": "vpc-2"}]}})
    given = {"provisioning_needed": True, "controller_instance": instance()}
    assert value(made("controller_vpc_endpoints", world, **given)) == [ENDPOINT]
    tables = World({"ec2:DescribeRouteTables": {"RouteTables": [ISOLATED]}})
    assert value(made("controller_route_tables", tables, **given)) == [ISOLATED]
