"""What mends the options with which a volume is mounted.

The kubelet mounts with the options that the volume had when it met the pod, so the pods are replaced as well.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Declined, Proposal
from efsdiag.model import Finding
from efsdiag.patches import REMOVE, change_of, container_path, pointer, restart_change, template_change, template_spec
from efsdiag.semantics.claims import EfsVolume, efs_volume
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.driver_rights import judge_mount
from efsdiag.semantics.handles import option_fault
from efsdiag.semantics.roles import Role

OPTIONS = "/spec/mountOptions"


def sign_in_to_mount(
    cause: Finding,
    efs_volumes: tuple[EfsVolume, ...],
    pod: dict[str, Any],
    signing_role: Role,
    file_systems: dict[str, dict[str, Any] | None],
    file_system_policies: dict[str, str | None],
    access_point_arns: dict[str, str],
    workload: dict[str, Any] | None = None,
) -> Proposal:
    volume = _volume(cause, efs_volumes)
    system = file_systems.get(volume.file_system) if volume else None
    if volume is None or system is None:
        return Declined("the volume or its file system is not known")
    if not volume.tls:
        return Declined(f"volume {volume.name} is mounted without TLS, which the option iam needs")
    signed = _with_options(volume, (*volume.options, "iam"))
    arn = access_point_arns.get(volume.access_point)
    policy = file_system_policies.get(volume.file_system)
    refusal = judge_mount(signing_role, policy, system, {"AccessPointArn": arn} if arn else None, signed)
    if refusal is not None:
        return Declined(refusal.says)
    words = f"let mounts of volume {volume.name} sign in, as role {signing_role.name} of the node plugin"
    return _remounted(volume, signed.options, words, pod, workload)


def drop_invalid_mount_options(
    cause: Finding, efs_volumes: tuple[EfsVolume, ...], pod: dict[str, Any], workload: dict[str, Any] | None = None
) -> Proposal:
    volume = _volume(cause, efs_volumes)
    if volume is None:
        return Declined("the volume is not known")
    wrong = ("port", "nfsvers", "vers")
    kept = tuple(o for o in volume.options if o.partition("=")[0] not in wrong)
    fault = option_fault(kept, volume.tls, volume.kind)
    if fault or kept == volume.options:
        return Declined(f"{fault[1] if fault else 'no option is known to be wrong'}; that takes a new volume")
    dropped = ", ".join(o for o in volume.options if o not in kept)
    return _remounted(volume, kept, f"drop {dropped} from the options of volume {volume.name}", pod, workload)


def mount_for_writing(
    cause: Finding,
    data_directory: DataPath,
    pod: dict[str, Any],
    efs_volumes: tuple[EfsVolume, ...] | None = None,
    workload: dict[str, Any] | None = None,
) -> Proposal:
    if data_directory.read_only:
        return _mount_point_for_writing(data_directory, workload)
    volume = _volume(cause, efs_volumes or ())
    if volume is None:
        return Declined("the policies of the file system give this client no right to write; they say who has it")
    if volume.object["spec"]["csi"].get("readOnly"):
        return Declined(f"volume {volume.name} has csi.readOnly, which cannot be changed; that takes a new volume")
    kept = tuple(o for o in volume.options if o != "ro")
    return _remounted(volume, kept, f"drop ro from the options of volume {volume.name}", pod, workload)


def _mount_point_for_writing(data_directory: DataPath, workload: dict[str, Any] | None) -> Proposal:
    spec = template_spec(workload)
    holder = container_path(spec, data_directory.container)
    values: dict[str, Any] = {}
    for number, volume in enumerate(spec.get("volumes") or []):
        if volume["name"] == data_directory.volume and (volume.get("persistentVolumeClaim") or {}).get("readOnly"):
            values[pointer("volumes", number, "persistentVolumeClaim", "readOnly")] = REMOVE
    own = (c for c in spec.get("containers") or [] if c["name"] == data_directory.container)
    container: dict[str, Any] = next(own, {})
    for number, mount in enumerate(container.get("volumeMounts") or []):
        if mount["name"] == data_directory.volume and mount.get("readOnly") and holder:
            values[f"{holder}/volumeMounts/{number}/readOnly"] = REMOVE
    words = f"mount {data_directory.mount_path} of {data_directory.container} for writing"
    change = template_change(workload, values, words)
    return change if isinstance(change, Declined) else (change,)


def _remounted(
    volume: EfsVolume, options: tuple[str, ...], words: str, pod: dict[str, Any], workload: dict[str, Any] | None
) -> Proposal:
    value = list(options) or REMOVE
    change = change_of(volume.object, {OPTIONS: value}, words)
    name = pod["metadata"]["name"]
    again = restart_change(workload, name, f"replace pod {name}, so that its volumes are mounted anew")
    if isinstance(change, Declined):
        return change
    if isinstance(again, Declined):
        return Declined(f"{again.why}; {words}, and replace the pod then")
    return change, again


def _volume(cause: Finding, efs_volumes: tuple[EfsVolume, ...]) -> EfsVolume | None:
    named = cause.object.name if cause.object and cause.object.kind == "PersistentVolume" else ""
    return next((v for v in efs_volumes if v.name == named), None)


def _with_options(volume: EfsVolume, options: tuple[str, ...]) -> EfsVolume:
    thing = volume.object
    return efs_volume({**thing, "spec": {**thing["spec"], "mountOptions": list(options)}}, volume.claim)
