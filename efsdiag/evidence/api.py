"""What leads from the controller's subnet to the AWS API."""

from __future__ import annotations

from typing import Any


def controller_route_tables(
    read: Any, provisioning_needed: bool, controller_instance: dict[str, Any]
) -> list[dict[str, Any]]:
    """The route tables of the VPC of the leading controller's instance. Source: ec2:DescribeRouteTables."""
    answer = read("ec2:DescribeRouteTables", **{"Filter.vpc-id": controller_instance["VpcId"]})
    return list((answer or {}).get("RouteTables", []))


def controller_vpc_endpoints(
    read: Any, provisioning_needed: bool, controller_instance: dict[str, Any]
) -> list[dict[str, Any]]:
    """The endpoints of the same VPC. Source: ec2:DescribeVpcEndpoints."""
    answer = read("ec2:DescribeVpcEndpoints", **{"Filter.vpc-id": controller_instance["VpcId"]})
    return [e for e in (answer or {}).get("VpcEndpoints", []) if e.get("VpcId") == controller_instance["VpcId"]]
