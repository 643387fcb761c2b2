"""Needs as what grants them: rules of a Kubernetes role, and actions of an IAM policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.operations import READS
from efsdiag.rights.needs import Reasons
from efsdiag.writes import WRITES

FOR_EVERYBODY = frozenset({"sts:GetCallerIdentity"})
"""AWS answers it whatever the caller's policies say.
Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""
EVERYWHERE = ""
"""In the place of a namespace."""


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource of Kubernetes, in one namespace or everywhere."""

    group: str
    """ "" for the core group, "apps"."""
    resource: str
    """ "pods", "pods/log"."""
    verb: str
    namespace: str = EVERYWHERE


@dataclass(frozen=True)
class Grants:
    """The rights that needs come to, each with its reasons."""

    kubernetes: Mapping[Right, Reasons]
    aws: Mapping[str, Reasons]
    """Action ("ec2:DescribeVpcs") → why."""


def grants_of(needs: Mapping[str, Reasons]) -> Grants:
    """The rights for these operations of `READS` and `WRITES`."""
    kubernetes: dict[Right, Reasons] = {}
    aws: dict[str, Reasons] = {}
    for name, reasons in needs.items():
        if name.startswith("volume:"):
            continue
        for permission in permissions_of(name):
            if name.startswith("kube:"):
                kubernetes.setdefault(right_of(name, permission), Reasons()).add(reasons)
            elif permission not in FOR_EVERYBODY:
                aws.setdefault(permission, Reasons()).add(reasons)
    return Grants(dict(sorted(kubernetes.items())), dict(sorted(aws.items())))


def permissions_of(operation: str) -> tuple[str, ...]:
    """What the operation needs: ("get pods/log",), ("ec2:AssociateIamInstanceProfile", "iam:PassRole")."""
    read = READS.get(operation)
    return (read.permission,) if read else WRITES[operation].permissions


def right_of(operation: str, permission: str, namespace: str = EVERYWHERE) -> Right:
    """The right for an operation of Kubernetes."""
    group = (READS.get(operation) or WRITES[operation]).group.rpartition("/")[0]
    verb, _, resource = permission.partition(" ")
    return Right(group, resource, verb, namespace)


def roles_of(rights: Iterable[Right], name: str) -> list[dict[str, Any]]:
    """A ClusterRole for what is needed everywhere, and a Role for each namespace; a rule for each resource."""
    by_namespace: dict[str, list[Right]] = {}
    for right in sorted(rights):
        by_namespace.setdefault(right.namespace, []).append(right)
    return [role_of(own, name, namespace) for namespace, own in sorted(by_namespace.items())]


def role_of(rights: Iterable[Right], name: str, namespace: str = EVERYWHERE) -> dict[str, Any]:
    """One role; its rules have one resource each, in the order of the rights."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    rules = [{"apiGroups": [g], "resources": [r], "verbs": sorted(v)} for (g, r), v in verbs.items()]
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def binding_of(role: Mapping[str, Any], account: str, account_namespace: str) -> dict[str, Any]:
    """What gives the role to a service account."""
    scope = {"namespace": role["metadata"]["namespace"]} if role["kind"] == "Role" else {}
    name = role["metadata"]["name"]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{role['kind']}Binding",
        "metadata": {"name": name, **scope},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": account_namespace}],
    }


def policy_of(actions: Iterable[str], sid: str) -> dict[str, Any]:
    """The IAM policy that allows these actions."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}
