"""EBS volumes: attached to one node at a time."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt

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


def _volume_of(attachment: dict[str, Any]) -> str:
    return str(attachment["spec"]["source"].get("persistentVolumeName", ""))


def _is_attached(attachment: dict[str, Any]) -> bool:
    return bool((attachment.get("status") or {}).get("attached"))
