"""What a bundle holds beside the reads of a diagnosis: lists of the namespaces involved, and AWS around the volumes.

Pure: from the queries that were asked and what was answered, the queries that are left to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from efsdiag.model import Answer, Query, Subject
from efsdiag.operations import read_of
from efsdiag.semantics.containers import claim_volume_names

CLUSTER = ("namespaces", "nodes", "persistentvolumes", "storageclasses", "csidrivers", "csinodes", "volumeattachments")
"""Resources without a namespace, those first that more depends on."""
NAMESPACED = (
    "pods", "persistentvolumeclaims", "events", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs",
    "services", "serviceaccounts", "resourcequotas", "limitranges", "networkpolicies", "ingresses", "prometheuses",
)  # fmt: skip
"""Resources in namespaces, those first that say what has storage.

ConfigMaps are read one by one where the diagnosis needs them, and leases too.
"""
LEASES_IN = "kube-system"
AT_MOST = "500"
"""Objects in a list around one target: what is longer is left out, whatever the size of the cluster."""

_ODD = (LookupError, TypeError, AttributeError, ValueError)


def lists_around(asked: Iterable[Query]) -> list[Query]:
    """The lists of the cluster and of each namespace that was asked about, bounded."""
    asked = list(asked)
    namespaces = sorted({q.get("namespace") for q in asked if q.operation.startswith("kube:")} - {""})
    found = [read_of(f"kube:list {resource}", atMost=AT_MOST) for resource in CLUSTER]
    found += [_bounded(resource, namespace) for namespace in namespaces for resource in NAMESPACED]
    return [*found, _bounded("leases", LEASES_IN)]


def _bounded(resource: str, namespace: str) -> Query:
    return read_of(f"kube:list {resource}", namespace=namespace, atMost=AT_MOST)


def file_systems_of(asked: Iterable[Query]) -> list[str]:
    """The ids of the file systems that were asked about, sorted."""
    found = {q.get("FileSystemId") for q in asked if q.operation.startswith("efs:")}
    return sorted(found - {""})


def aws_around(file_systems: Iterable[str]) -> list[Query]:
    """What the account says of the file systems, and of itself; nothing where no file system is in use."""
    of_system = (
        "efs:DescribeMountTargets",
        "efs:DescribeAccessPoints",
        "efs:DescribeFileSystemPolicy",
        "efs:DescribeBackupPolicy",
    )
    of_account = (
        "sts:GetCallerIdentity",
        "efs:DescribeFileSystems",
        "ec2:DescribeAvailabilityZones",
        "iam:ListInstanceProfiles",
        "iam:ListOpenIDConnectProviders",
    )
    per_system = [read_of(operation, FileSystemId=id_) for id_ in file_systems for operation in of_system]
    return [*map(read_of, of_account), *per_system] if per_system else []


def network_around(mount_targets: Iterable[Mapping[str, Any]]) -> list[Query]:
    """What AWS says of the mount targets' groups, subnets and VPCs."""
    targets = [target for target in mount_targets if target.get("MountTargetId")]
    groups = [read_of("efs:DescribeMountTargetSecurityGroups", MountTargetId=str(t["MountTargetId"])) for t in targets]
    subnets = sorted({str(t["SubnetId"]) for t in targets if t.get("SubnetId")})
    found = [read_of("ec2:DescribeSubnets", SubnetIds=tuple(subnets))] if subnets else []
    of_vpc = ("ec2:DescribeNetworkAcls", "ec2:DescribeRouteTables", "ec2:DescribeVpcEndpoints")
    for vpc in sorted({str(t["VpcId"]) for t in targets if t.get("VpcId")}):
        found.append(read_of("ec2:DescribeVpcs", VpcIds=(vpc,)))
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            found.append(read_of("ec2:DescribeVpcAttribute", Attribute=name, VpcId=vpc))
        found += [read_of(operation, **{"Filter.vpc-id": vpc}) for operation in of_vpc]
    return [*groups, *found]


def mount_targets_in(answers: Iterable[tuple[Query, Answer]]) -> list[Mapping[str, Any]]:
    """The mount targets in what was answered."""
    told = [answer for query, answer in answers if query.operation == "efs:DescribeMountTargets"]
    return [target for answer in told if isinstance(answer, Mapping) for target in answer.get("MountTargets") or []]


def subjects_with_storage(pods: Iterable[Any], claims: Iterable[Any]) -> list[Subject]:
    """Every pod that has storage, and every claim that no pod uses and that is not bound, by namespace and name.

    An object that is not as Kubernetes has it is one of them: what the diagnosis can read of it belongs to the bundle.
    """
    found: set[tuple[str, str, str]] = set()
    used: set[tuple[str, str]] = set()
    for pod in pods:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        try:
            mounted = claim_volume_names(pod["spec"])
            others = [v for v in pod["spec"].get("volumes") or [] if "nfs" in v or "csi" in v]
        except _ODD:
            found.add((namespace, "pod", name))
            continue
        used |= {(namespace, claim or f"{name}-{volume}") for volume, claim in mounted.items()}
        if mounted or others:
            found.add((namespace, "pod", name))
    for claim in claims:
        metadata = claim["metadata"]
        status = claim.get("status")
        bound = isinstance(status, Mapping) and status.get("phase") == "Bound"
        if not bound and (metadata["namespace"], metadata["name"]) not in used:
            found.add((metadata["namespace"], "persistentvolumeclaim", metadata["name"]))
    return [Subject(kind, namespace, name) for namespace, kind, name in sorted(found)]
