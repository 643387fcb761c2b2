"""The AWS account of a healthy world: instances, network, file system, roles."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from worlds.world import Thing, World

DRIVER_POLICY: Thing = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "elasticfilesystem:DescribeAccessPoints",
                "elasticfilesystem:DescribeFileSystems",
                "elasticfilesystem:DescribeMountTargets",
                "ec2:DescribeAvailabilityZones",
            ],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": ["elasticfilesystem:CreateAccessPoint"],
            "Resource": "*",
            "Condition": {"StringLike": {"aws:RequestTag/efs.csi.aws.com/cluster": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": ["elasticfilesystem:TagResource"],
            "Resource": "*",
            "Condition": {"StringLike": {"aws:ResourceTag/efs.csi.aws.com/cluster": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": "elasticfilesystem:DeleteAccessPoint",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:ResourceTag/efs.csi.aws.com/cluster": "true"}},
        },
    ],
}
CLIENT_POLICY: Thing = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "elasticfilesystem:ClientMount",
                "elasticfilesystem:ClientWrite",
                "elasticfilesystem:ClientRootAccess",
            ],
            "Resource": "*",
        }
    ],
}
SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def add_network(world: World) -> None:
    """A VPC with a subnet, a worker and later a mount target in each of three zones."""
    ids, zones = world.ids, [f"{world.region}{letter}" for letter in "abc"]
    world.vpc = ids.aws("vpc")
    nodes, efs, acl, table = ids.aws("sg"), ids.aws("sg"), ids.aws("acl"), ids.aws("rtb")
    subnets = [
        {
            "SubnetId": ids.aws("subnet"),
            "VpcId": world.vpc,
            "AvailabilityZone": zone,
            "AvailabilityZoneId": f"euw1-az{i + 1}",
            "CidrBlock": f"10.0.{i}.0/24",
            "Ipv6CidrBlockAssociationSet": [],
        }
        for i, zone in enumerate(zones)
    ]
    profile = f"arn:aws:iam::{world.account}:instance-profile/{world.node_role}"
    instances = [_instance(world, i, subnet, nodes, profile) for i, subnet in enumerate(subnets)]
    associations = [
        {
            "AssociationId": ids.aws("iip-assoc"),
            "InstanceId": i["InstanceId"],
            "IamInstanceProfile": dict(i["IamInstanceProfile"]),
            "State": "associated",
        }
        for i in instances
    ]
    world.aws |= {
        "ec2/describe-instances": {"Reservations": [{"ReservationId": ids.aws("r"), "Instances": instances}]},
        "ec2/describe-iam-instance-profile-associations": {"IamInstanceProfileAssociations": associations},
        "ec2/describe-vpcs": {
            "Vpcs": [{"VpcId": world.vpc, "CidrBlock": "10.0.0.0/16", "DhcpOptionsId": "dopt-0abc0000000000001"}]
        },
        "ec2/describe-dhcp-options": {
            "DhcpOptions": [
                {
                    "DhcpOptionsId": "dopt-0abc0000000000001",
                    "DhcpConfigurations": [
                        {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
                    ],
                }
            ]
        },
        "ec2/describe-subnets": {"Subnets": subnets},
        "ec2/describe-security-groups": {
            "SecurityGroups": [
                _group(world, nodes, "nodes", [_rule("-1", None, [nodes])]),
                _group(world, efs, "efs", [_rule("tcp", 2049, [nodes])]),
            ]
        },
        "ec2/describe-network-acls": {"NetworkAcls": [_open_acl(world, acl, subnets)]},
        "ec2/describe-route-tables": {"RouteTables": [_routes(world, table)]},
        "ec2/describe-availability-zones": {
            "AvailabilityZones": [
                {"ZoneName": z, "ZoneId": f"euw1-az{i + 1}", "RegionName": world.region, "State": "available"}
                for i, z in enumerate(zones)
            ]
        },
        "ec2/describe-vpc-endpoints": {"VpcEndpoints": []},
        "ec2/describe-network-interfaces": {"NetworkInterfaces": []},
        "ec2/describe-volumes": {"Volumes": []},
    }
    for attribute, field in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
        path = f"ec2/describe-vpc-attribute/Attribute={attribute}&VpcId={world.vpc}"
        world.aws[path] = {"VpcId": world.vpc, field: {"Value": True}}


def _instance(world: World, i: int, subnet: Thing, group: str, profile: str) -> Thing:
    address = f"10.0.{i}.{world.ids.number(20, 90)}"
    tags = [{"Key": "Name", "Value": f"node-{i}"}]
    if world.shape.flavour == "eks":
        tags.append({"Key": "aws:eks:cluster-name", "Value": "shop-cluster"})
    return {
        "InstanceId": world.ids.aws("i"),
        "PrivateIpAddress": address,
        "PrivateDnsName": f"ip-{address.replace('.', '-')}.{world.region}.compute.internal",
        "VpcId": world.vpc,
        "SubnetId": subnet["SubnetId"],
        "Placement": {"AvailabilityZone": subnet["AvailabilityZone"]},
        "SecurityGroups": [{"GroupId": group, "GroupName": "nodes"}],
        "State": {"Name": "running"},
        "IamInstanceProfile": {"Arn": profile, "Id": "AIPA"},
        "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "NetworkInterfaces": [
            {
                "NetworkInterfaceId": world.ids.aws("eni"),
                "SubnetId": subnet["SubnetId"],
                "VpcId": world.vpc,
                "PrivateIpAddress": address,
                "Attachment": {"DeviceIndex": 0, "NetworkCardIndex": 0, "Status": "attached"},
                "Groups": [{"GroupId": group, "GroupName": "nodes"}],
                "Ipv6Addresses": [],
            }
        ],
        "Tags": tags,
    }


def _rule(protocol: str, port: int | None, groups: list[str], cidrs: tuple[str, ...] = ()) -> Thing:
    found: Thing = {
        "IpProtocol": protocol,
        "UserIdGroupPairs": [{"GroupId": g} for g in groups],
        "IpRanges": [{"CidrIp": c} for c in cidrs],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
    }
    return found if port is None else {**found, "FromPort": port, "ToPort": port}


def _group(world: World, group: str, name: str, ingress: list[Thing]) -> Thing:
    return {
        "GroupId": group,
        "GroupName": name,
        "VpcId": world.vpc,
        "OwnerId": world.account,
        "IpPermissions": ingress,
        "IpPermissionsEgress": [_rule("-1", None, [], ("0.0.0.0/0",))],
    }


def _open_acl(world: World, acl: str, subnets: list[Thing]) -> Thing:
    entries = [
        {"Egress": egress, "Protocol": "-1", "RuleAction": action, "RuleNumber": number, "CidrBlock": "0.0.0.0/0"}
        for egress in (False, True)
        for number, action in ((100, "allow"), (32767, "deny"))
    ]
    return {
        "NetworkAclId": acl,
        "VpcId": world.vpc,
        "IsDefault": True,
        "Associations": [{"NetworkAclId": acl, "SubnetId": s["SubnetId"]} for s in subnets],
        "Entries": entries,
    }


def _routes(world: World, table: str) -> Thing:
    return {
        "RouteTableId": table,
        "VpcId": world.vpc,
        "Associations": [{"Main": True, "RouteTableId": table, "AssociationState": {"State": "associated"}}],
        "Routes": [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-0a", "State": "active"},
        ],
    }


def add_file_system(world: World) -> None:
    """The file system, with a mount target in each zone that has a subnet."""
    ids = world.ids
    world.file_system = fs = ids.aws("fs")
    group = world.group("efs")["GroupId"]
    targets = [
        {
            "MountTargetId": ids.aws("fsmt"),
            "FileSystemId": fs,
            "SubnetId": subnet["SubnetId"],
            "VpcId": world.vpc,
            "LifeCycleState": "available",
            "IpAddress": subnet["CidrBlock"].replace("0/24", str(ids.number(100, 200))),
            "AvailabilityZoneName": subnet["AvailabilityZone"],
            "AvailabilityZoneId": subnet["AvailabilityZoneId"],
            "NetworkInterfaceId": ids.aws("eni"),
        }
        for subnet in world.aws["ec2/describe-subnets"]["Subnets"]
    ]
    world.aws |= {
        "efs/describe-file-systems": {
            "FileSystems": [
                {
                    "FileSystemId": fs,
                    "FileSystemArn": f"arn:aws:elasticfilesystem:{world.region}:{world.account}:file-system/{fs}",
                    "OwnerId": world.account,
                    "LifeCycleState": "available",
                    "Encrypted": True,
                    "NumberOfMountTargets": len(targets),
                    "PerformanceMode": "generalPurpose",
                    "ThroughputMode": "elastic",
                    "FileSystemProtection": {"ReplicationOverwriteProtection": "ENABLED"},
                    "Tags": [],
                }
            ]
        },
        f"efs/describe-mount-targets/FileSystemId={fs}": {"MountTargets": targets},
        f"efs/describe-access-points/FileSystemId={fs}": {"AccessPoints": []},
        f"efs/describe-file-system-policy/FileSystemId={fs}": {
            "Error": {"Code": "PolicyNotFound", "Message": f"No file system policy attached to {fs}."}
        },
        f"efs/describe-backup-policy/FileSystemId={fs}": {"BackupPolicy": {"Status": "ENABLED"}},
    }
    for target in targets:
        path = f"efs/describe-mount-target-security-groups/MountTargetId={target['MountTargetId']}"
        world.aws[path] = {"SecurityGroups": [group]}


def set_file_system_policy(world: World, *statements: Thing) -> None:
    """The file system policy with these statements."""
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    path = f"efs/describe-file-system-policy/FileSystemId={world.file_system}"
    world.aws[path] = {"FileSystemId": world.file_system, "Policy": json.dumps(document)}


def add_role(world: World, name: str, trust: Thing, policies: dict[str, Thing]) -> None:
    """A role with its own policies, and the profile of the same name where EC2 may take it."""
    arn = f"arn:aws:iam::{world.account}:role/{name}"
    role = {"RoleName": name, "Arn": arn, "Path": "/", "AssumeRolePolicyDocument": trust}
    world.aws[f"iam/get-role/RoleName={name}"] = {"Role": role}
    world.aws[f"iam/list-role-policies/RoleName={name}"] = {"PolicyNames": []}
    attached = {f"arn:aws:iam::{world.account}:policy/{n}": d for n, d in policies.items()}
    ssm = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]}
    set_attached(world, name, {**attached, SSM: ssm})


def set_attached(world: World, role: str, policies: dict[str, Any]) -> None:
    """The managed policies of a role: ARN → document."""
    world.aws[f"iam/list-attached-role-policies/RoleName={role}"] = {
        "AttachedPolicies": [{"PolicyArn": a, "PolicyName": a.rpartition("/")[2]} for a in policies]
    }
    for arn, document in policies.items():
        quoted = quote(arn, safe="")
        world.aws[f"iam/get-policy/PolicyArn={quoted}"] = {"Policy": {"Arn": arn, "DefaultVersionId": "v1"}}
        world.aws[f"iam/get-policy-version/PolicyArn={quoted}&VersionId=v1"] = {
            "PolicyVersion": {"VersionId": "v1", "IsDefaultVersion": True, "Document": document}
        }


def trust_of(principal: Thing, action: str | list[str] = "sts:AssumeRole", **condition: Any) -> Thing:
    statement: Thing = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}
