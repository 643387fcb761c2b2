"""Worlds that together ask for everything that `why` may read; made so that each read decides something."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

from worlds.base import healthy
from worlds.fault import BESIDE, load
from worlds.world import Shape, Thing, World

from efsdiag.model import Subject

FAULTS = {fault.name: fault for fault in (*load(), *BESIDE)}
OPERATOR = "helm.operator-storageclass-missing:operator_does_not_find_the_class_default"
MIXED = (
    "csi.node-daemonset-not-on-node:daemonset_does_not_tolerate_the_node-eks-v1.33.4-dynamic",
    "csi.controller-crash-metadata:controller_finds_no_metadata-dynamic",
    "ebs.multi-attach:ebs_volume_hangs_on_another_node",
    OPERATOR,
    "pod.quota-exceeded:quota_is_used_up",
    "lb.no-controller:ingress_waits_in_silence-ingress",
    "network.nacl:network_acl_denies_nfs",
    "network.vpc-dns-support-disabled:vpc_answers_no_dns-eks-v1.33.4",
    "iam.pod-identity-missing:no_agent_stands_on_the_controllers_node-dynamic-eks-v1.33.4",
)


def owned_by(kind: str, group: str) -> World:
    """A pod that another kind of workload makes than a Deployment."""
    world = healthy()
    resource = f"{kind.lower()}s"
    owner: Thing = copy.deepcopy(world.deployment)
    owner |= {"kind": kind, "apiVersion": group}
    owner["metadata"] |= {"name": "prometheus", "uid": world.ids.uid()}
    world.all(resource).append(owner)
    reference = {"apiVersion": group, "kind": kind, "name": "prometheus", "uid": owner["metadata"]["uid"]}
    world.pod["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
    world.asked = Subject("pod", world.namespace, world.pod["metadata"]["name"])
    return world


def nothing_of(kind: str) -> World:
    """A target of that kind that is not there; others of it may be."""
    world = FAULTS[OPERATOR].world() if kind == "prometheus" else healthy()
    world.asked = Subject(kind, world.namespace, "no-such-thing")
    return world


def inline_policy() -> World:
    """The node's role has its rights in a policy of its own."""
    world = healthy(Shape(storage="dynamic", options=("iam",)))
    attached = world.aws[f"iam/list-attached-role-policies/RoleName={world.node_role}"]["AttachedPolicies"]
    document = next(
        json.loads(json.dumps(answer["PolicyVersion"]["Document"]))
        for path, answer in world.aws.items()
        if path.startswith("iam/get-policy-version/") and attached[0]["PolicyArn"].rpartition("/")[2] in path
    )
    attached.clear()
    name = world.node_role
    world.aws[f"iam/list-role-policies/RoleName={name}"] = {"PolicyNames": ["own"]}
    own = {"RoleName": name, "PolicyName": "own", "PolicyDocument": document}
    world.aws[f"iam/get-role-policy/PolicyName=own&RoleName={name}"] = own
    return world


CASES: dict[str, Callable[[], World]] = {
    **{name: FAULTS[name].world for name in MIXED},
    "StatefulSet": lambda: owned_by("StatefulSet", "apps/v1"),
    "DaemonSet": lambda: owned_by("DaemonSet", "apps/v1"),
    "Job": lambda: owned_by("Job", "batch/v1"),
    "inline policy": inline_policy,
    **{f"no {kind}": (lambda kind=kind: nothing_of(kind)) for kind in ("statefulset", "job", "prometheus")},
}
