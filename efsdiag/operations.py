"""The complete list of what efsdiag can say to the world, each with the permission that it needs.

A `Query` is made by `read_of` alone, so a name that is not here cannot be read; Secrets are not here.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from efsdiag.model import Query


@dataclass(frozen=True)
class Read:
    """One read: its name, its permission, and the parameters it takes."""

    operation: str
    permission: str
    """"get pods" or "elasticfilesystem:DescribeMountTargets"."""
    parameters: tuple[str, ...] = ()
    narrow: tuple[tuple[str, str], ...] = ()
    """Parameters that only narrow a list: name → the JSON field of an item that it names, so that a wider answer that
    was recorded can serve a narrower query ("InstanceIds" → "InstanceId")."""
    items: str = ""
    """Dotted path of the list that `narrow` filters, in the answer ("Reservations.Instances")."""
    group: str = ""
    """The API group and version of a Kubernetes resource ("v1", "apps/v1")."""
    namespaced: bool = True


def _kube(resource: str, group: str, namespaced: bool = True) -> list[Read]:
    """Both reads of a resource. `limit` asks for the first so many; `atMost` for all, unless there are more."""
    scope = ("namespace",) if namespaced else ()
    verbs = {"get": (*scope, "name"), "list": (*scope, "fieldSelector", "labelSelector", "limit", "atMost")}
    return [
        Read(f"kube:{verb} {resource}", f"{verb} {resource}", parameters, group=group, namespaced=namespaced)
        for verb, parameters in verbs.items()
    ]


_KUBE = [
    *_kube("pods", "v1"),
    *_kube("persistentvolumeclaims", "v1"),
    *_kube("persistentvolumes", "v1", namespaced=False),
    *_kube("nodes", "v1", namespaced=False),
    *_kube("namespaces", "v1", namespaced=False),
    *_kube("events", "v1"),
    *_kube("services", "v1"),
    *_kube("serviceaccounts", "v1"),
    *_kube("configmaps", "v1"),
    *_kube("resourcequotas", "v1"),
    *_kube("limitranges", "v1"),
    *_kube("deployments", "apps/v1"),
    *_kube("replicasets", "apps/v1"),
    *_kube("statefulsets", "apps/v1"),
    *_kube("daemonsets", "apps/v1"),
    *_kube("jobs", "batch/v1"),
    *_kube("storageclasses", "storage.k8s.io/v1", namespaced=False),
    *_kube("csidrivers", "storage.k8s.io/v1", namespaced=False),
    *_kube("csinodes", "storage.k8s.io/v1", namespaced=False),
    *_kube("volumeattachments", "storage.k8s.io/v1", namespaced=False),
    *_kube("leases", "coordination.k8s.io/v1"),
    *_kube("networkpolicies", "networking.k8s.io/v1"),
    *_kube("ingresses", "networking.k8s.io/v1"),
    *_kube("prometheuses", "monitoring.coreos.com/v1"),
    Read(
        "kube:log pods",
        "get pods/log",
        ("namespace", "name", "container", "previous", "tailLines"),
        group="v1",
    ),
]

_AWS = [
    Read("sts:GetCallerIdentity", "sts:GetCallerIdentity"),
    Read(
        "ec2:DescribeInstances",
        "ec2:DescribeInstances",
        ("InstanceIds", "Filter.private-ip-address", "Filter.private-dns-name"),
        (
            ("InstanceIds", "InstanceId"),
            ("Filter.private-ip-address", "PrivateIpAddress"),
            ("Filter.private-dns-name", "PrivateDnsName"),
        ),
        "Reservations.Instances",
    ),
    Read(
        "ec2:DescribeIamInstanceProfileAssociations",
        "ec2:DescribeIamInstanceProfileAssociations",
        ("Filter.instance-id",),
        (("Filter.instance-id", "InstanceId"),),
        "IamInstanceProfileAssociations",
    ),
    Read("ec2:DescribeVpcs", "ec2:DescribeVpcs", ("VpcIds",), (("VpcIds", "VpcId"),), "Vpcs"),
    Read("ec2:DescribeVpcAttribute", "ec2:DescribeVpcAttribute", ("Attribute", "VpcId")),
    Read("ec2:DescribeSubnets", "ec2:DescribeSubnets", ("SubnetIds",), (("SubnetIds", "SubnetId"),), "Subnets"),
    Read(
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroups",
        ("GroupIds", "Filter.group-name", "Filter.vpc-id"),
        (("GroupIds", "GroupId"), ("Filter.group-name", "GroupName"), ("Filter.vpc-id", "VpcId")),
        "SecurityGroups",
    ),
    Read(
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeNetworkAcls",
        ("Filter.vpc-id",),
        (("Filter.vpc-id", "VpcId"),),
        "NetworkAcls",
    ),
    Read(
        "ec2:DescribeRouteTables",
        "ec2:DescribeRouteTables",
        ("Filter.vpc-id",),
        (("Filter.vpc-id", "VpcId"),),
        "RouteTables",
    ),
    Read(
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeNetworkInterfaces",
        ("NetworkInterfaceIds",),
        (("NetworkInterfaceIds", "NetworkInterfaceId"),),
        "NetworkInterfaces",
    ),
    Read(
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeDhcpOptions",
        ("DhcpOptionsIds",),
        (("DhcpOptionsIds", "DhcpOptionsId"),),
        "DhcpOptions",
    ),
    Read(
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcEndpoints",
        ("Filter.vpc-id",),
        (("Filter.vpc-id", "VpcId"),),
        "VpcEndpoints",
    ),
    Read("ec2:DescribeAvailabilityZones", "ec2:DescribeAvailabilityZones"),
    Read("ec2:DescribeVolumes", "ec2:DescribeVolumes", ("VolumeIds",), (("VolumeIds", "VolumeId"),), "Volumes"),
    Read(
        "efs:DescribeFileSystems",
        "elasticfilesystem:DescribeFileSystems",
        ("FileSystemId",),
        (("FileSystemId", "FileSystemId"),),
        "FileSystems",
    ),
    Read("efs:DescribeMountTargets", "elasticfilesystem:DescribeMountTargets", ("FileSystemId",)),
    Read(
        "efs:DescribeMountTargetSecurityGroups",
        "elasticfilesystem:DescribeMountTargetSecurityGroups",
        ("MountTargetId",),
    ),
    Read("efs:DescribeAccessPoints", "elasticfilesystem:DescribeAccessPoints", ("FileSystemId",)),
    Read("efs:DescribeFileSystemPolicy", "elasticfilesystem:DescribeFileSystemPolicy", ("FileSystemId",)),
    Read("efs:DescribeBackupPolicy", "elasticfilesystem:DescribeBackupPolicy", ("FileSystemId",)),
    Read("iam:ListInstanceProfiles", "iam:ListInstanceProfiles"),
    Read("iam:GetInstanceProfile", "iam:GetInstanceProfile", ("InstanceProfileName",)),
    Read("iam:ListOpenIDConnectProviders", "iam:ListOpenIDConnectProviders"),
    Read("iam:GetRole", "iam:GetRole", ("RoleName",)),
    Read("iam:ListAttachedRolePolicies", "iam:ListAttachedRolePolicies", ("RoleName",)),
    Read("iam:ListRolePolicies", "iam:ListRolePolicies", ("RoleName",)),
    Read("iam:GetRolePolicy", "iam:GetRolePolicy", ("PolicyName", "RoleName")),
    Read("iam:GetPolicy", "iam:GetPolicy", ("PolicyArn",)),
    Read("iam:GetPolicyVersion", "iam:GetPolicyVersion", ("PolicyArn", "VersionId")),
    Read("eks:DescribeCluster", "eks:DescribeCluster", ("name",)),
    Read("eks:ListPodIdentityAssociations", "eks:ListPodIdentityAssociations", ("clusterName",)),
    Read(
        "eks:DescribePodIdentityAssociation",
        "eks:DescribePodIdentityAssociation",
        ("associationId", "clusterName"),
    ),
]

_VOLUME = [
    Read("volume:entries", "a consented probe of the volume's directories", ("persistentVolume",)),
    Read("volume:reach", "a consented probe from the node's network", ("node", "persistentVolume")),
]

READS: dict[str, Read] = {read.operation: read for read in (*_KUBE, *_AWS, *_VOLUME)}
"""Every read by its name."""


def read_of(operation: str, **parameters: str | tuple[str, ...] | list[str]) -> Query:
    """The query for `operation` with its parameters; empty parameters are left out.

    Parameter names that hold a dot or a dash are given with `**{"Filter.vpc-id": ...}`.

    Errors: ValueError for an operation that is not a read, or for a parameter that it does not take.
    """
    read = READS.get(operation)
    if read is None:
        near = difflib.get_close_matches(operation, READS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"operation-not-a-read: {operation!r} is not in operations.READS{hint}")
    for name in parameters:
        if name not in read.parameters:
            raise ValueError(f"parameter-unknown: {operation} takes {', '.join(read.parameters)}, not {name!r}")
    pairs = ((k, v if isinstance(v, str) else tuple(v)) for k, v in parameters.items() if v)
    return Query(operation, tuple(sorted(pairs)))


def resource_of(query: Query) -> str:
    """The Kubernetes resource that a kube query names: "pods" of "kube:get pods"."""
    return query.operation.partition(" ")[2]
