"""What a volume's own fields say to the node plugin: its handle, its attributes, its mount options."""

from __future__ import annotations

from typing import Any

from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, passed, skipped, unknown
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.driver import DriverVersion
from efsdiag.semantics.handles import attribute_fault, handle_fault, option_fault


def volume_handle_valid(efs_volumes: tuple[EfsVolume, ...], node_driver_version: Any = UNREAD) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    version = node_driver_version if isinstance(node_driver_version, DriverVersion) else None
    for volume in efs_volumes:
        handle = _handle_of(volume)
        on = Ref("PersistentVolume", volume.name)
        fault = handle_fault(handle, version) or attribute_fault(volume.attributes, handle, volume.options, version)
        if fault:
            return failed(fault[0], f"volume {volume.name}: {fault[1]}", on, f"spec.csi.volumeHandle: {handle}")
        # The kubelet asks for the first mode of the list.
        if (volume.object["spec"].get("accessModes") or [""])[0] == "ReadOnlyMany":
            says = f"volume {volume.name} has the access mode ReadOnlyMany first, which the driver refuses"
            return failed("pv.access-mode-unsupported-by-driver", says, on, "spec.accessModes[0]: ReadOnlyMany")
    open_to = [_handle_of(v) for v in efs_volumes if _depends_on_version(v)]
    if open_to and isinstance(node_driver_version, Unread):
        return unknown(f"whether the driver accepts {open_to[0]}: {node_driver_version.why}", node_driver_version.grant)
    if open_to and version is not None and version.number is None:
        return unknown(f"whether the driver accepts {open_to[0]}: its image tag {version.tag!r} is no version")
    return passed("the node plugin accepts the handles")


def _depends_on_version(volume: EfsVolume) -> bool:
    handle = _handle_of(volume)
    return handle.startswith(("efs:", "s3files:")) or ".efs." in handle or "path" in volume.asked


def mount_options_valid(efs_volumes: tuple[EfsVolume, ...]) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    for volume in efs_volumes:
        fault = option_fault(volume.options, volume.tls, volume.kind)
        if fault:
            says = f"volume {volume.name}: {fault[1]}"
            return failed(
                fault[0], says, Ref("PersistentVolume", volume.name), f"mountOptions: {', '.join(volume.options)}"
            )
    return passed("the mount options agree")


def transit_encrypted(efs_volumes: tuple[EfsVolume, ...]) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    plain = [v for v in efs_volumes if not v.tls]
    if not plain:
        return passed("mounted with TLS")
    says = f"volume {plain[0].name} is mounted without TLS"
    return failed("mount.tls-disabled", says, Ref("PersistentVolume", plain[0].name), "encryptInTransit: false")


def _handle_of(volume: EfsVolume) -> str:
    return str(volume.object["spec"]["csi"].get("volumeHandle", ""))
