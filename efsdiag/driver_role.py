"""The role by which the driver gets at EFS: whom it trusts, the least that it needs, and the changes that make it.

A remedy of a `why` attaches Amazon's managed policy. An install gives a role of its own the least, as an inline policy:
that goes with the role, and is nobody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.changes import Change
from efsdiag.model import Ref, State
from efsdiag.semantics.driver import CredentialPath
from efsdiag.semantics.driver_rights import ANY_FILE_SYSTEM, judge_provisioning
from efsdiag.semantics.iam_requests import CLUSTER_TAG
from efsdiag.semantics.partitions import Partition
from efsdiag.semantics.roles import Role
from efsdiag.settings import Settings
from efsdiag.writes import json_of, tag_list, write_of

MANAGED_POLICY = "policy/service-role/AmazonEFSCSIDriverPolicy"
AUDIENCE = "sts.amazonaws.com"
LEAST_POLICY = {
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
            "Action": "elasticfilesystem:CreateAccessPoint",
            "Resource": "*",
            "Condition": {"StringEquals": {f"aws:RequestTag/{CLUSTER_TAG}": "true"}},
        },
        {
            "Effect": "Allow",
            "Action": ["elasticfilesystem:TagResource", "elasticfilesystem:DeleteAccessPoint"],
            "Resource": "*",
            "Condition": {"StringEquals": {f"aws:ResourceTag/{CLUSTER_TAG}": "true"}},
        },
    ],
}
"""What the driver asks of AWS, and no more; the conditions keep it to access points of its own.
https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/iam-policy-example.json"""


def ec2_trust(partition: Partition) -> dict[str, Any]:
    """The statement that lets EC2 take a role for its instances; in China EC2 has another name."""
    return {"Effect": "Allow", "Principal": {"Service": f"ec2.{partition.dns_suffix}"}, "Action": "sts:AssumeRole"}


def trust_document(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A trust policy of one statement."""
    return {"Version": "2012-10-17", "Statement": [statement]}


def web_identity_trust(partition: str, account: str, issuer: str, path: CredentialPath) -> dict[str, Any]:
    """The statement that lets the service account of the path, and no other one, take a role with a token of the
    issuer.
    """
    subject = f"system:serviceaccount:{path.namespace}:{path.service_account}"
    return {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:{partition}:iam::{account}:oidc-provider/{issuer}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{issuer}:aud": AUDIENCE, f"{issuer}:sub": subject}},
    }


def pod_identity_trust(cluster_arn: str, path: CredentialPath) -> dict[str, Any]:
    """The statement that lets EKS take a role for the service account of the path, and for no other one.

    Source:  https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
             https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html (the tags of the session)
    """
    tags = {
        "aws:RequestTag/kubernetes-namespace": path.namespace,
        "aws:RequestTag/kubernetes-service-account": path.service_account,
        **({"aws:RequestTag/eks-cluster-arn": cluster_arn} if cluster_arn else {}),
    }
    return {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": tags},
    }


def role_changes(
    name: str,
    trust: Mapping[str, Any],
    words: str,
    present: Role | None,
    wanted: Settings | None,
    *,
    partition: str = "aws",
    path: str = "/",
) -> tuple[Change, ...]:
    """The changes that make the role with that trust and give it its rights, less those that are made already."""
    above = {"Path": path} if path != "/" else {}
    tags = {"Tags": tag_list(wanted.aws_tags)} if wanted else {}
    made = Change(
        write_of("iam:CreateRole", RoleName=name, AssumeRolePolicyDocument=json_of(trust), **above, **tags),
        words,
        Ref("Role", name),
        undo=write_of("iam:DeleteRole", RoleName=name),
    )
    if present is None:
        return made, rights_change(name, None, wanted, partition)
    able = judge_provisioning(present, {}, (), ANY_FILE_SYSTEM).state is State.PASS
    return () if able else (rights_change(name, present, wanted, partition),)


def rights_change(name: str, present: Role | None, wanted: Settings | None, partition: str = "aws") -> Change:
    """The change that lets the role make volumes: the inline policy of an install, where the role has none of that
    name, else Amazon's managed one.

    kops detaches managed policies that it was not told of, and leaves inline ones alone.
    https://kops.sigs.k8s.io/iam_roles/#adding-external-policies
    """
    own = wanted.iam.policy if wanted else ""
    if own and all(held != own for held, _ in (present.policies if present else ())):
        return Change(
            write_of("iam:PutRolePolicy", RoleName=name, PolicyName=own, PolicyDocument=json_of(LEAST_POLICY)),
            f"let the role {name} make and delete access points of the driver, by its inline policy {own}",
            Ref("Role", name),
            undo=write_of("iam:DeleteRolePolicy", RoleName=name, PolicyName=own),
        )
    return attachment(name, f"arn:{partition}:iam::aws:{MANAGED_POLICY}")


def attachment(role: str, policy: str) -> Change:
    """The change that attaches the managed policy of that ARN to the role."""
    given = {"RoleName": role, "PolicyArn": policy}
    words = f"attach {policy.rpartition('/')[2]} to the role {role}"
    undo = write_of("iam:DetachRolePolicy", **given)
    return Change(write_of("iam:AttachRolePolicy", **given), words, Ref("Role", role), undo=undo)
