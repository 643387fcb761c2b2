"""What else than owners and modes keeps a mounted client from writing: rights, squashed root, a group not applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.model import Ref, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.iam_decisions import Decision


def judge_writing(rights: Mapping[str, Decision], file_system: str) -> Verdict:
    """Whether EFS allows the client that it admits to write as well.

    Shape:   `rights` are the decisions for ClientMount and ClientWrite by action.
    """
    write, mount = rights["elasticfilesystem:ClientWrite"], rights["elasticfilesystem:ClientMount"]
    if mount.denied:
        return waiting("EFS does not admit the mount at all")
    if write.allowed:
        return passed(f"EFS allows the client to write {file_system}")
    if not write.denied:
        return unknown(f"whether EFS allows writing depends on {', '.join(write.missing_keys)}")
    says = f"the policies of {file_system} allow this client to mount, not to write: {'; '.join(write.because[:2])}"
    return failed("mount.read-only", says, Ref("FileSystem", file_system), *write.because)


def chown_by_root(container: str, volume: Mapping[str, Any] | None, rights: Any, line: str) -> Verdict:
    """What refuses a change of owner where no access point does: a server to which root is nobody.

    `rights` as above, or `Unread`, or None for a volume that is not of EFS; `line` is what the container printed.
    """
    if volume is None:
        return skipped("the container's directory is on no volume")
    on = Ref("PersistentVolume", volume["metadata"]["name"])
    if "nfs" in volume["spec"]:
        says = f"the server of volume {on.name} does not let root of {container} change owners: {line}"
        return failed("nfs.root-squash", says, on, line, sure=False)
    if isinstance(rights, Unread):
        return unknown(rights.why, rights.grant)
    right = (rights or {}).get("elasticfilesystem:ClientRootAccess")
    if right is not None and right.denied:
        says = f"the file system withholds ClientRootAccess, so root of {container} is nobody: {line}"
        return failed("permission.root-squash", says, on, line, *right.because)
    return skipped("the volume goes through no access point, and root is root to it")


def group_is_applied(spec: Mapping[str, Any], policy: str) -> bool:
    """Whether the kubelet gives the files of a CSI volume to the pod's fsGroup, under that fsGroupPolicy of the driver.

    Source:  https://kubernetes-csi.github.io/docs/support-fsgroup.html
    """
    once = {"ReadWriteOnce", "ReadWriteOncePod"} & set(spec.get("accessModes") or ())
    by_type = policy == "ReadWriteOnceWithFSType" and spec["csi"].get("fsType") and once
    return policy == "File" or bool(by_type)


def group_will_be_applied(pod: Mapping[str, Any] | None, volume: Mapping[str, Any], csi_driver: Any) -> bool:
    """Whether the kubelet gives the volume's files to this pod's fsGroup when it mounts them.

    `csi_driver` is the driver's CSIDriver object; where nobody could read it, it is taken for one without a policy.
    """
    group = (((pod or {}).get("spec") or {}).get("securityContext") or {}).get("fsGroup")
    if group is None or "csi" not in volume["spec"]:
        return False
    return group_is_applied(volume["spec"], group_policy(csi_driver))


def group_policy(csi_driver: Any) -> str:
    """The fsGroupPolicy of a CSIDriver object, or the one that the API puts in where there is none."""
    spec = (csi_driver or {}).get("spec") or {} if isinstance(csi_driver, Mapping) else {}
    return str(spec.get("fsGroupPolicy") or "ReadWriteOnceWithFSType")
