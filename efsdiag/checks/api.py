"""The way from the controller to the AWS API, as route tables and endpoints are written down."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, Verdict, failed, passed, skipped, unknown
from efsdiag.semantics.driver import plugin_container
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.routes import leaves_vpc, table_of

ELSEWHERE = ("HTTPS_PROXY", "https_proxy", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EFS")
"""Variables that send the driver's requests somewhere else than to the public endpoint."""

ANSWERS = ("csi.access-denied", "efs.file-system-not-found", "efs.access-point-quota", "efs.not-available")
"""What only the API itself can have said."""


def aws_api_routed(
    controller_leader: dict[str, Any],
    controller_instance: dict[str, Any],
    controller_route_tables: list[dict[str, Any]],
    controller_vpc_endpoints: list[dict[str, Any]],
    heard: Heard | None = None,
) -> Verdict:
    if answers := heard.of(*ANSWERS) if heard else ():
        return passed("the EFS API answered the controller", answers[-1].line)
    named = {e["name"] for e in plugin_container(controller_leader["spec"]).get("env") or []}
    if given := sorted(named.intersection(ELSEWHERE)):
        return skipped(f"the controller's requests go where {given[0]} says")
    if own := next((e for e in controller_vpc_endpoints if _is_of_efs(e)), None):
        return passed(f"{own['VpcEndpointId']} is an endpoint of EFS in the controller's VPC")
    name, vpc = instance_name(controller_instance), controller_instance["VpcId"]
    subnets = sorted({i.get("SubnetId", "") for i in controller_instance.get("NetworkInterfaces") or []} - {""})
    tables = [table_of(subnet, vpc, controller_route_tables) for subnet in subnets]
    if not tables or any(table is None for table in tables):
        return unknown(f"no route table of the subnet of instance {name} was read", "allow ec2:DescribeRouteTables")
    read = {str(t.get("RouteTableId", "")): t for t in tables if t is not None}
    if any(leaves_vpc(route) for table in read.values() for route in table.get("Routes") or ()):
        return passed(f"a route leads out of {vpc} from the subnet of instance {name}")
    first = next(iter(read))
    says = (
        f"{first}, the route table of instance {name} on which the controller runs, leads nowhere but into {vpc}, "
        "which has no endpoint of EFS"
    )
    # A list that lacks a table or an endpoint looks the same: it is certain where the controller says it too.
    told = bool(heard and heard.of("network.aws-api-unreachable"))
    proof = f"endpoints: {len(controller_vpc_endpoints)}"
    return failed("network.aws-api-unreachable", says, Ref("RouteTable", first), proof, sure=told)


def _is_of_efs(endpoint: dict[str, Any]) -> bool:
    """An interface endpoint that answers under the public name."""
    service = str(endpoint.get("ServiceName", "")).rpartition(".")[2]
    return (
        service in ("elasticfilesystem", "elasticfilesystem-fips")
        and str(endpoint.get("State", "")).lower() == "available"
        and bool(endpoint.get("PrivateDnsEnabled"))
    )
