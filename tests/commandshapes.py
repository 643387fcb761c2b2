"""Which remedy's commands are run by the real kubectl and AWS CLI, for every shape that a printed command can have.

The AWS CLI takes most of a second for each command, so of those that differ in their values alone one is run. Commands
of kubectl are quick, and all are run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from efsdiag.changes import Lookup, Write

RUN_BY = {
    "ec2:AssociateIamInstanceProfile IamInstanceProfile InstanceId": "create-instance-profile",
    "ec2:AuthorizeSecurityGroupEgress GroupId IpPermissions": "let-nfs-out-of-nodes",
    "ec2:AuthorizeSecurityGroupIngress GroupId IpPermissions": "allow-nfs-from-nodes",
    "ec2:CreateNetworkAclEntry CidrBlock Egress NetworkAclId PortRange Protocol RuleAction RuleNumber": (
        "allow-nfs-in-network-acls"
    ),
    "ec2:DeleteNetworkAclEntry Egress NetworkAclId RuleNumber": "allow-nfs-in-network-acls",
    "ec2:DisassociateIamInstanceProfile AssociationId < ec2:DescribeIamInstanceProfileAssociations": (
        "create-instance-profile"
    ),
    "ec2:ModifyInstanceMetadataOptions HttpEndpoint InstanceId": "switch-on-metadata",
    "ec2:ModifyInstanceMetadataOptions HttpPutResponseHopLimit InstanceId": "raise-hop-limit",
    "ec2:ModifyVpcAttribute EnableDnsHostnames VpcId": "switch-on-vpc-dns-hostnames",
    "ec2:ModifyVpcAttribute EnableDnsSupport VpcId": "switch-on-vpc-dns-support",
    "ec2:RevokeSecurityGroupEgress GroupId IpPermissions": "let-nfs-out-of-nodes",
    "ec2:RevokeSecurityGroupIngress GroupId IpPermissions": "allow-nfs-from-nodes",
    "efs:CreateAccessPoint ClientToken FileSystemId PosixUser RootDirectory Tags": "mount-as-owner",
    "efs:CreateMountTarget FileSystemId SecurityGroups SubnetId": "create-mount-target",
    "efs:DeleteAccessPoint AccessPointId < efs:DescribeAccessPoints": "mount-as-owner",
    "efs:DeleteMountTarget MountTargetId < efs:DescribeMountTargets": "create-mount-target",
    "efs:PutBackupPolicy BackupPolicy FileSystemId": "switch-on-backups",
    "eks:CreatePodIdentityAssociation clusterName namespace roleArn serviceAccount": "associate-pod-identity",
    "eks:DeletePodIdentityAssociation associationId clusterName < eks:ListPodIdentityAssociations": (
        "associate-pod-identity"
    ),
    "iam:AddRoleToInstanceProfile InstanceProfileName RoleName": "create-instance-profile",
    "iam:AttachRolePolicy PolicyArn RoleName": "create-instance-profile",
    "iam:CreateInstanceProfile InstanceProfileName": "create-instance-profile",
    "iam:CreateOpenIDConnectProvider ClientIDList Url": "register-oidc-provider",
    "iam:CreateRole AssumeRolePolicyDocument RoleName": "create-instance-profile",
    "iam:DeleteInstanceProfile InstanceProfileName": "create-instance-profile",
    "iam:DeleteOpenIDConnectProvider OpenIDConnectProviderArn": "register-oidc-provider",
    "iam:DeleteRole RoleName": "create-instance-profile",
    "iam:DetachRolePolicy PolicyArn RoleName": "create-instance-profile",
    "iam:RemoveRoleFromInstanceProfile InstanceProfileName RoleName": "create-instance-profile",
    "iam:UpdateAssumeRolePolicy PolicyDocument RoleName": "trust-ec2",
}
"""Shape of a command of the AWS CLI, its look-ups behind "<" → the remedy of which all commands are run."""


def shape(write: Write) -> str:
    """The operation, the names of its parameters, and what is looked up for it."""
    asked = sorted({lookup.query.operation for lookup in _lookups(write.parameters)})
    return " ".join([write.operation, *sorted(write.parameters), *(f"< {operation}" for operation in asked)])


def are_run(remedy: str, writes: list[Write]) -> bool:
    """Whether the commands of the remedy are run: those that kubectl alone makes are, and those of the table."""
    return remedy in RUN_BY.values() or all(_is_quick(write) for write in writes)


def nowhere_run(writes: list[Write]) -> list[str]:
    """Shapes among the writes that are run for no remedy."""
    return sorted({shape(w) for w in writes if not w.operation.startswith("kube:")} - RUN_BY.keys())


def _is_quick(write: Write) -> bool:
    asked = {lookup.query.operation for lookup in _lookups(write.parameters)}
    return all(operation.startswith("kube:") for operation in (write.operation, *asked))


def _lookups(value: Any) -> Iterator[Lookup]:
    if isinstance(value, Lookup):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _lookups(item)
