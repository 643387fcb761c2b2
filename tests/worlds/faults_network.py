"""The network between the pod's node and the mount target."""

from __future__ import annotations

from typing import Any

from worlds.fault import Stage, fault
from worlds.logs import opening
from worlds.stages import mount_fails, mount_hangs, name_unresolved, running_unready
from worlds.world import World

UNABLE = (
    "Unable to locate credentials when performing operation DescribeMountTargets, please confirm your aws credentials "
    "are properly configured."
)


def _zone(world: World) -> str:
    zone: str = world.instance()["Placement"]["AvailabilityZone"]
    return zone


@fault("network.mount-target-sg-ingress", Stage.MOUNT)
@fault("network.mount-target-sg-ingress", Stage.MOUNT, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def mount_target_admits_another_group(world: World) -> None:
    rule = world.group("efs")["IpPermissions"][0]
    rule["UserIdGroupPairs"] = [{"GroupId": world.ids.aws("sg")}]
    mount_hangs(world)


@fault("network.mount-target-sg-ingress", Stage.MOUNT, storage="directories")
def mount_target_has_the_default_group(world: World) -> None:
    world.group("efs")["IpPermissions"] = []
    mount_hangs(world)


@fault("network.mount-target-sg-ingress", Stage.MOUNT)
def mount_target_admits_udp_only(world: World) -> None:
    world.group("efs")["IpPermissions"][0]["IpProtocol"] = "udp"
    mount_hangs(world)


@fault("network.node-sg-egress", Stage.MOUNT)
def nodes_may_only_speak_https(world: World) -> None:
    world.group("nodes")["IpPermissionsEgress"][0] |= {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    mount_hangs(world)


@fault("network.nacl", Stage.MOUNT)
@fault("network.nacl", Stage.MOUNT, flavour="eks", storage="dynamic")
def network_acl_denies_nfs(world: World) -> None:
    deny = {
        "Egress": False,
        "Protocol": "6",
        "RuleAction": "deny",
        "RuleNumber": 50,
        "CidrBlock": "10.0.0.0/16",
        "PortRange": {"From": 2049, "To": 2049},
    }
    subnets = world.aws["ec2/describe-subnets"]["Subnets"]
    acl = world.aws["ec2/describe-network-acls"]["NetworkAcls"][0]
    apart = _subnet_of_its_own(world, subnets)
    acl["Associations"] = [a for a in acl["Associations"] if a["SubnetId"] != apart]
    own = {**acl, "NetworkAclId": world.ids.aws("acl"), "IsDefault": False, "Entries": [deny, *acl["Entries"]]}
    own["Associations"] = [{"NetworkAclId": own["NetworkAclId"], "SubnetId": apart}]
    world.aws["ec2/describe-network-acls"]["NetworkAcls"].append(own)
    mount_hangs(world)


def _subnet_of_its_own(world: World, subnets: list[dict[str, Any]]) -> str:
    """Move the mount target of the node's zone to a subnet where no node stands."""
    target = world.target
    base = next(s for s in subnets if s["SubnetId"] == target["SubnetId"])
    new = {**base, "SubnetId": world.ids.aws("subnet"), "CidrBlock": base["CidrBlock"].replace("10.0.", "10.0.10")}
    subnets.append(new)
    target["SubnetId"] = new["SubnetId"]
    target["IpAddress"] = new["CidrBlock"].replace("0/24", "77")
    for acl in world.aws["ec2/describe-network-acls"]["NetworkAcls"]:
        acl["Associations"].append({"NetworkAclId": acl["NetworkAclId"], "SubnetId": new["SubnetId"]})
    return str(new["SubnetId"])


@fault("network.no-route", Stage.MOUNT)
def peered_vpc_has_no_route(world: World) -> None:
    """A mount target in a peered VPC, by its address, without a route to it."""
    other = world.ids.aws("vpc")
    base = world.aws["ec2/describe-subnets"]["Subnets"][1]
    subnet = {**base, "SubnetId": world.ids.aws("subnet"), "VpcId": other, "CidrBlock": "10.9.0.0/24"}
    world.aws["ec2/describe-subnets"]["Subnets"].append(subnet)
    target = world.target
    target |= {"VpcId": other, "SubnetId": subnet["SubnetId"], "IpAddress": "10.9.0.77"}
    for remaining in [t for t in world.targets if t is not target]:
        world.targets.remove(remaining)
    world.system["NumberOfMountTargets"] = 1
    world.group("efs")["IpPermissions"][0] |= {"UserIdGroupPairs": [], "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    world.group("efs")["VpcId"] = other
    routes = world.aws["ec2/describe-route-tables"]["RouteTables"][0]["Routes"]
    routes[:] = [r for r in routes if r["GatewayId"] == "local"]
    world.volume["spec"]["csi"]["volumeAttributes"] = {"mounttargetip": "10.9.0.77"}
    mount_hangs(world)


@fault("network.vpc-dns-support-disabled", Stage.MOUNT)
@fault("network.vpc-dns-support-disabled", Stage.MOUNT, flavour="eks", kubernetes="v1.33.4")
def vpc_answers_no_dns(world: World) -> None:
    path = f"ec2/describe-vpc-attribute/Attribute=enableDnsSupport&VpcId={world.vpc}"
    world.aws[path]["EnableDnsSupport"]["Value"] = False
    url = f"https://elasticfilesystem.{world.region}.amazonaws.com/2015-02-01/mount-targets"
    name_unresolved(
        world,
        "Could not connect to the endpoint when performing operation DescribeMountTargets, Could not connect to the "
        f'endpoint URL: "{url}?FileSystemId={world.file_system}"',
    )


@fault("network.vpc-dns-hostnames-disabled", Stage.MOUNT)
def vpc_gives_no_host_names(world: World) -> None:
    path = f"ec2/describe-vpc-attribute/Attribute=enableDnsHostnames&VpcId={world.vpc}"
    world.aws[path]["EnableDnsHostnames"]["Value"] = False
    name_unresolved(world, UNABLE)


@fault("network.custom-dns-resolver", Stage.MOUNT, sure=False)
def instances_ask_a_company_resolver(world: World) -> None:
    options = world.aws["ec2/describe-dhcp-options"]["DhcpOptions"][0]
    options["DhcpConfigurations"][0]["Values"] = [{"Value": "10.200.0.2"}, {"Value": "10.200.0.3"}]
    name_unresolved(world, UNABLE)


@fault("network.no-mount-target", Stage.MOUNT)
def file_system_has_no_mount_target(world: World) -> None:
    zone = _zone(world)
    world.targets.clear()
    world.system["NumberOfMountTargets"] = 0
    name_unresolved(
        world,
        f"Cannot find mount target for the file system {world.file_system}, please create a mount target in {zone}.",
    )


@fault("network.no-mount-target", Stage.PROCESS)
def mount_targets_were_deleted_under_the_mount(world: World) -> None:
    """The mount was made; nothing answers it any more."""
    world.targets.clear()
    world.system["NumberOfMountTargets"] = 0
    running_unready(world, opening(world.shape.prometheus), since=44)
    world.say(world.pod, "Unhealthy", "Readiness probe failed: context deadline exceeded")


@fault("network.no-mount-target-in-az", Stage.MOUNT)
@fault("network.no-mount-target-in-az", Stage.MOUNT, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def node_stands_in_a_zone_without_mount_target(world: World) -> None:
    zone = _zone(world)
    world.targets.remove(world.target)
    world.system["NumberOfMountTargets"] = len(world.targets)
    others = [t["AvailabilityZoneName"] for t in world.targets]
    name_unresolved(
        world,
        f"No matching mount target in the az {zone}. Please create one mount target in {zone}, or try the mount target "
        f"in another AZ by passing the availability zone name option. Available mount target(s) are in az {others}",
    )


@fault("network.mount-target-not-available", Stage.MOUNT)
def mount_target_is_being_created(world: World) -> None:
    zone = _zone(world)
    world.target["LifeCycleState"] = "creating"
    name_unresolved(
        world,
        f"Mount target in the az {zone} is creating, please retry in 5 minutes, or use the mount target in "
        f"the other az "
        "by passing the availability zone name option.",
    )


@fault("network.different-vpc", Stage.MOUNT)
def file_system_belongs_to_another_vpc(world: World) -> None:
    other = world.ids.aws("vpc")
    for subnet in list(world.aws["ec2/describe-subnets"]["Subnets"]):
        copy = {**subnet, "SubnetId": world.ids.aws("subnet"), "VpcId": other}
        copy["CidrBlock"] = copy["CidrBlock"].replace("10.0.", "10.8.")
        world.aws["ec2/describe-subnets"]["Subnets"].append(copy)
        for target in world.targets:
            if target["SubnetId"] == subnet["SubnetId"]:
                target |= {"VpcId": other, "SubnetId": copy["SubnetId"]}
                target["IpAddress"] = target["IpAddress"].replace("10.0.", "10.8.")
    world.group("efs")["VpcId"] = other
    address = world.targets[0]["IpAddress"]
    name_unresolved(
        world,
        f"Connection to the mount target IP address {address} timeout. Please retry in 5 minutes if the "
        f"mount target is "
        "newly created. Otherwise check your VPC and security group configuration to ensure your file system is "
        "reachable via TCP port 2049 from your instance.",
    )


@fault("network.ipv6", Stage.MOUNT)
def group_admits_nfs_over_ipv4_only(world: World) -> None:
    for i, subnet in enumerate(world.aws["ec2/describe-subnets"]["Subnets"]):
        state = {"State": "associated"}
        block = {"Ipv6CidrBlock": f"2a05:d018:1:{i}::/64", "Ipv6CidrBlockState": state}
        subnet["Ipv6CidrBlockAssociationSet"] = [block]
    for i, instance in enumerate(world.instances()):
        instance["NetworkInterfaces"][0]["Ipv6Addresses"] = [{"Ipv6Address": f"2a05:d018:1:{i}::aa"}]
        instance["Ipv6Address"] = f"2a05:d018:1:{i}::aa"
    for i, target in enumerate(world.targets):
        target |= {"IpAddressType": "DUAL_STACK", "Ipv6Address": f"2a05:d018:1:{i}::bb"}
    rule = world.group("efs")["IpPermissions"][0]
    rule |= {"UserIdGroupPairs": [], "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
    table = world.aws["ec2/describe-route-tables"]["RouteTables"][0]["Routes"]
    table.append({"DestinationIpv6CidrBlock": "2a05:d018:1::/56", "GatewayId": "local", "State": "active"})
    for acl in world.aws["ec2/describe-network-acls"]["NetworkAcls"]:
        acl["Entries"] += [
            {"Egress": e, "Protocol": "-1", "RuleAction": "allow", "RuleNumber": 101, "Ipv6CidrBlock": "::/0"}
            for e in (True, False)
        ]
    world.group("nodes")["IpPermissionsEgress"][0]["Ipv6Ranges"] = [{"CidrIpv6": "::/0"}]
    mount_hangs(world)


@fault("pv.mounttargetip-stale", Stage.MOUNT)
def volume_names_an_address_that_is_gone(world: World) -> None:
    world.volume["spec"]["csi"]["volumeAttributes"] = {"mounttargetip": "10.0.1.250"}
    mount_fails(
        world,
        "Cannot connect to file system mount target ip address 10.0.1.250.\nConnection to the mount target IP address "
        "10.0.1.250 timeout. Please retry in 5 minutes if the mount target is newly created.",
        1,
    )
