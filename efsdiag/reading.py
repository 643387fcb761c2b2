"""Reads that several evidence functions share. Each takes `read` first."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Missing, Unreadable
from efsdiag.semantics.containers import image_name
from efsdiag.semantics.driver import (
    DRIVER_IMAGE,
    DRIVER_LABEL,
    USUAL_NAMESPACE,
    CredentialPath,
    credential_path,
    plugin_status,
)
from efsdiag.semantics.instances import Identity, identities_of, live_instances
from efsdiag.semantics.objects import time_of
from efsdiag.semantics.roles import Role

SETTLED = ("associated", "associating", "disassociating")
"""States of an association, from the one that counts to the one that goes."""


def events_about(read: Any, thing: dict[str, Any]) -> list[dict[str, Any]]:
    """The events whose involvedObject is this object, by uid, oldest first."""
    metadata = thing["metadata"]
    found = read(
        "kube:list events",
        namespace=metadata.get("namespace") or "default",
        fieldSelector=f"involvedObject.uid={metadata['uid']}",
    )
    return sorted(found or [], key=time_of)


def find_driver(read: Any, resource: str) -> dict[str, Any] | None:
    """The workload whose containers run the driver's image, in kube-system or elsewhere.

    Found in kube-system, it is found, even where other namespaces cannot be read.
    """
    refusal: Unreadable | None = None
    try:
        near = _running_driver(read(f"kube:list {resource}", namespace=USUAL_NAMESPACE))
        if near is not None:
            return near
    except Unreadable as error:
        refusal = error
    # By its label, not whole: there are few daemonsets, but a large cluster has thousands of deployments.
    far = _running_driver(read(f"kube:list {resource}", labelSelector=DRIVER_LABEL))
    if far is None and refusal is not None:
        raise refusal
    return far


def _running_driver(workloads: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    for workload in sorted(workloads or [], key=lambda w: w["metadata"]["name"]):
        containers = workload["spec"]["template"]["spec"].get("containers") or []
        if any(image_name(c.get("image", "")).endswith(DRIVER_IMAGE) for c in containers):
            return workload
    return None


def pods_of(read: Any, workload: dict[str, Any], field_selector: str = "") -> list[dict[str, Any]]:
    """The pods that a workload's labels select, sorted by name. Source: kube:list pods."""
    labels = workload["spec"]["selector"].get("matchLabels") or {}
    found = read(
        "kube:list pods",
        namespace=workload["metadata"]["namespace"],
        labelSelector=",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        fieldSelector=field_selector,
    )
    return sorted(found or [], key=lambda p: p["metadata"]["name"])


def plugin_log(read: Any, pod: dict[str, Any], container: str) -> str | None:
    """The last 200 lines of one container, or of its attempt before where it has none."""
    where = {"namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "container": container}
    status = plugin_status(pod, container)
    if not status.get("containerID") and not status.get("restartCount"):
        return None
    text: str | None = read("kube:log pods", **where, tailLines="200")
    if not text and status.get("restartCount"):
        text = read("kube:log pods", **where, tailLines="200", previous="true")
    return text or None


def find_instance(read: Any, node: dict[str, Any], csi_node: dict[str, Any] | None = None) -> Any:
    """The EC2 instance of a node: raw, or a `Missing` that says why it cannot be told.

    Where the node itself leaves it open (k3s and RKE2 give it an id of their own, and an address may be that of an
    instance in another VPC too), what the driver registered with the kubelet decides, once it is there.

    Source:  ec2:DescribeInstances, by id, by private IP or by private DNS name; kube:get csinodes
    """
    found = _told_by(read, node, identities_of(node, csi_node))
    if not isinstance(found, Missing) or csi_node is not None:
        return found
    try:
        registered = read("kube:get csinodes", name=node["metadata"]["name"])
    except Unreadable:
        return found
    known = identities_of(node)
    more = [i for i in identities_of(node, registered) if i not in known]
    return _told_by(read, node, more) if more else found


def _told_by(read: Any, node: dict[str, Any], identities: list[Identity]) -> Any:
    name = node["metadata"]["name"]
    for identity in identities:
        answer = read("ec2:DescribeInstances", **identity.parameters)
        live = live_instances(answer)
        if len(live) == 1:
            return live[0]
        if len(live) > 1:
            ids = ", ".join(sorted(i["InstanceId"] for i in live))
            return Missing(
                "", f"{identity.says} of node {name} fits several instances: {ids}", False, "set spec.providerID"
            )
    return Missing(
        "", f"no EC2 instance of this account and region is node {name}", False, "check --profile and --region"
    )


def path_of(read: Any, pod: dict[str, Any]) -> CredentialPath:
    """How credentials reach a pod of the driver. Source: kube:get serviceaccounts."""
    account = read(
        "kube:get serviceaccounts",
        namespace=pod["metadata"]["namespace"],
        name=pod["spec"].get("serviceAccountName", "default"),
    )
    return credential_path(pod, account)


def association_of(read: Any, instance: dict[str, Any]) -> dict[str, Any] | None:
    """The instance's profile association, the settled one first; None where it has none.

    Source:  ec2:DescribeIamInstanceProfileAssociations, by instance
    """
    return associations_of(read, [instance])[instance["InstanceId"]]


def associations_of(read: Any, instances: list[dict[str, Any]]) -> dict[str, dict[str, Any] | None]:
    """Instance id → the same, for several instances at once."""
    ids = [i["InstanceId"] for i in instances]
    answers = read.many(("ec2:DescribeIamInstanceProfileAssociations", {"Filter.instance-id": own}) for own in ids)
    return {own: _settled(answer, own) for own, answer in zip(ids, answers, strict=True)}


def _settled(answer: dict[str, Any] | None, own: str) -> dict[str, Any] | None:
    found = [a for a in (answer or {}).get("IamInstanceProfileAssociations", []) if a["InstanceId"] == own]
    live = [a for a in found if a.get("State") != "disassociated"]
    return min(live, key=lambda a: SETTLED.index(a["State"]) if a.get("State") in SETTLED else 0, default=None)


def profile_of(read: Any, association: dict[str, Any]) -> dict[str, Any] | None:
    """The instance profile that an association names, with its roles. Source: iam:ListInstanceProfiles."""
    arn = association["IamInstanceProfile"]["Arn"]
    answer = read("iam:ListInstanceProfiles")
    return next((p for p in (answer or {}).get("InstanceProfiles", []) if p["Arn"] == arn), None)


def read_role(read: Any, name: str) -> Role | None:
    """A role with all its policy documents."""
    answer, attached, inline = read.many(
        [
            ("iam:GetRole", {"RoleName": name}),
            ("iam:ListAttachedRolePolicies", {"RoleName": name}),
            ("iam:ListRolePolicies", {"RoleName": name}),
        ]
    )
    if answer is None:
        return None
    raw = answer["Role"]
    arns = [p["PolicyArn"] for p in (attached or {}).get("AttachedPolicies", [])]
    boundary = (raw.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    managed = _managed(read, [*arns, *([boundary] if boundary else [])])
    names = (inline or {}).get("PolicyNames", [])
    own = read.many(("iam:GetRolePolicy", {"RoleName": name, "PolicyName": n}) for n in names)
    documents = [(arn.rpartition("/")[2], managed[arn]) for arn in arns if arn in managed]
    documents += [(n, a["PolicyDocument"]) for n, a in zip(names, own, strict=True) if a is not None]
    return Role(name, raw, tuple(documents), managed.get(boundary) if boundary else None)


def _managed(read: Any, arns: list[str]) -> dict[str, Any]:
    """Policy ARN → the document of its default version."""
    policies = read.many(("iam:GetPolicy", {"PolicyArn": arn}) for arn in arns)
    known = [(arn, p["Policy"]["DefaultVersionId"]) for arn, p in zip(arns, policies, strict=True) if p is not None]
    versions = read.many(("iam:GetPolicyVersion", {"PolicyArn": arn, "VersionId": v}) for arn, v in known)
    return {arn: v["PolicyVersion"]["Document"] for (arn, _), v in zip(known, versions, strict=True) if v is not None}
