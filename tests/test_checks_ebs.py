"""An EBS volume is attached to one node at a time; the VolumeAttachments say to which."""

from __future__ import annotations

from typing import Any

import pytest
from values import Object, attempt, claim, heard, modes, node, provisioning, said, storage_class
from values_aws import unread

from efsdiag.checks.ebs import ebs_volume_attachable, node_disk_roomy, provisioner_current
from efsdiag.evidence.volume import ebs_volumes
from efsdiag.model import State, Verdict

POD = {"spec": {"nodeName": "here"}}
EVENT = 'Multi-Attach error for volume "pv-1" Volume is already exclusively attached to one node'


def volume(driver: str = "ebs.csi.aws.com", mode: str = "ReadWriteOnce") -> dict[str, Any]:
    return {"metadata": {"name": "pv-1"}, "spec": {"csi": {"driver": driver}, "accessModes": [mode]}}


def attached(node: str, to: str = "pv-1", there: bool = True) -> dict[str, Any]:
    spec = {"nodeName": node, "source": {"persistentVolumeName": to}}
    return {"metadata": {"name": f"csi-{node}"}, "spec": spec, "status": {"attached": there}}


def look(*attachments: dict[str, Any], step: str = "scheduled", log: str = "", **more: Any) -> Verdict:
    ears = heard(said("pod-event", "FailedAttachVolume", log)) if log else heard()
    given = {"pod": POD, "volume_attachments": list(attachments), "heard": ears, **more}
    return ebs_volume_attachable(attempt(step), (volume(),), **given)


def test_a_volume_that_another_node_holds_is_the_cause_without_any_event() -> None:
    verdict = look(attached("there"))
    assert [(f.mode, f.sure) for f in verdict.findings] == [("ebs.multi-attach", True)]
    assert verdict.says == "volume pv-1 is attached to there; the pod is on here"


@pytest.mark.parametrize(
    "attachments", [(), (attached("here"),), (attached("there", there=False),), (attached("there", "pv-2"),)]
)
def test_a_volume_that_nobody_else_holds_passes(attachments: tuple[dict[str, Any], ...]) -> None:
    assert look(*attachments).state is State.PASS


def test_a_mounted_volume_passes_and_a_pod_without_a_node_waits() -> None:
    assert look(attached("there"), step="running").state is State.PASS
    assert look(attached("there"), pod={"spec": {}}).state is State.WAITING


def test_the_event_makes_it_likely_where_the_attachments_do_not_show_it() -> None:
    refused = unread("kube:list volumeattachments")
    for verdict in (look(log=EVENT), look(log=EVENT, volume_attachments=refused)):
        assert [(f.mode, f.sure) for f in verdict.findings] == [("ebs.multi-attach", False)]
    assert look(volume_attachments=refused).state is State.UNKNOWN


def test_only_volumes_of_ebs_for_one_writer_are_looked_at() -> None:
    found = {"a": volume(), "b": volume("efs.csi.aws.com"), "c": volume(mode="ReadWriteMany"), "d": None}
    assert ebs_volumes(found) == (volume(),)
    assert ebs_volume_attachable(attempt("scheduled"), ()).state is State.SKIP


# Classes and disks.

SMALLEST = {"smallest": "9Gi"}


def test_a_class_of_the_provisioner_of_old_is_told_from_one_of_the_driver() -> None:
    old, new = ({**storage_class(), "provisioner": name} for name in ("kubernetes.io/aws-ebs", "ebs.csi.aws.com"))
    assert modes(provisioner_current((provisioning(claim(), old),))) == ["ebs.in-tree-provisioner"]
    assert provisioner_current((provisioning(claim(), new),)).state is State.PASS


def test_without_a_class_there_is_nothing_to_name() -> None:
    assert provisioner_current(()).state is State.SKIP


def sized(size: str) -> Object:
    return {**node("worker1"), "status": {"capacity": {"ephemeral-storage": size}}}


def test_only_the_disk_of_a_node_under_pressure_counts_and_only_a_small_one() -> None:
    small = [sized("8043444Ki")]
    verdict = node_disk_roomy(small, ("worker1",), SMALLEST)
    assert modes(verdict) == ["ebs.root-volume-too-small"]
    assert verdict.says == "the disk of node worker1 is nearly full, and has 8043444Ki in all"
    assert node_disk_roomy(small, (), SMALLEST).state is State.PASS
    assert node_disk_roomy([sized("30Gi")], ("worker1",), SMALLEST).state is State.PASS
