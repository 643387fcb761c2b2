"""EBS: volumes on one node at a time, the classes that make them, and the nodes' own disks."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EBS_DRIVER, IN_TREE_EBS, Provisioning
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.quantity import bytes_of

MODE = "ebs.multi-attach"


def ebs_volume_attachable(
    attempt: Attempt,
    ebs_volumes: tuple[dict[str, Any], ...],
    pod: dict[str, Any] | None = None,
    volume_attachments: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    if not ebs_volumes:
        return skipped("the pod mounts no EBS volume")
    if attempt.mounted:
        return passed("the volume is attached to the pod's node, and mounted")
    node = (pod or {}).get("spec", {}).get("nodeName", "")
    if not node:
        return waiting("the pod has no node yet")
    said = heard.of(MODE) if heard else ()
    if isinstance(volume_attachments, Unread) and not said:
        return unknown(volume_attachments.why, volume_attachments.grant)
    if isinstance(volume_attachments, Unread):
        return failed_all([finding_of(said[0], sure=False)])
    names = {v["metadata"]["name"] for v in ebs_volumes}
    held = {a["spec"]["nodeName"]: a for a in volume_attachments or [] if _volume_of(a) in names and _is_attached(a)}
    if node in held:
        return passed(f"{_volume_of(held[node])} is attached to {node}")
    if not held and said:
        return failed_all([finding_of(said[0], sure=False)])
    if not held:
        return passed("no node holds the volume")
    other, attachment = min(held.items())
    says = f"volume {_volume_of(attachment)} is attached to {other}; the pod is on {node}"
    on = Ref("PersistentVolume", _volume_of(attachment))
    return failed(MODE, says, on, f"VolumeAttachment {attachment['metadata']['name']} status.attached: true")


def provisioner_current(provisionings: tuple[Provisioning, ...]) -> Verdict:
    classes = [p.storage_class for p in provisionings if p.storage_class is not None]
    if not classes:
        return skipped("no claim waits for a class")
    old = [c for c in classes if c.get("provisioner") == IN_TREE_EBS]
    if not old:
        return passed("the classes name the driver itself")
    on = ref_of(old[0])
    says = f"class {on.name} names {IN_TREE_EBS}; Kubernetes hands its work to {EBS_DRIVER}"
    return failed("ebs.in-tree-provisioner", says, on, f"provisioner: {IN_TREE_EBS}")


def node_disk_roomy(nodes: list[dict[str, Any]], pressed_nodes: tuple[str, ...], settings: dict[str, str]) -> Verdict:
    smallest = bytes_of(settings["smallest"])
    for node in nodes:
        size = (node.get("status", {}).get("capacity") or {}).get("ephemeral-storage")
        if node["metadata"]["name"] in pressed_nodes and size and bytes_of(size) < smallest:
            on = ref_of(node)
            says = f"the disk of node {on.name} is nearly full, and has {size} in all"
            return failed("ebs.root-volume-too-small", says, on, f"status.capacity.ephemeral-storage: {size}")
    return passed("no node is short of disk because its disk is as small as EC2 makes it")


def _volume_of(attachment: dict[str, Any]) -> str:
    return str(attachment["spec"]["source"].get("persistentVolumeName", ""))


def _is_attached(attachment: dict[str, Any]) -> bool:
    return bool((attachment.get("status") or {}).get("attached"))
