"""The data directory: reachable and writable by whom the file system sees."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.data import Actor, DataAccess
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, State, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.log_marks import opened_storage, reached_storage, storage_error
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.statuses import Container

PARENT = "permission.parent-not-searchable"
LEAF = "permission.data-dir-not-writable"
FILES = "permission.existing-file-owner"
REFUSALS = (PARENT, LEAF, FILES)
NEEDED_FILES = ("queries.active", "lock", "wal", "chunks_head")
"""What Prometheus opens for writing at start; other files may be read-only to it for a while."""
SELINUX_SYSTEMS = ("red hat", "rhel", "rocky", "alma", "centos", "fedora", "talos", "openshift", "oracle linux")


def data_path_on_volume(data_directory: DataPath, pod: dict[str, Any], claims: tuple[Any, ...]) -> Verdict:
    if data_directory.volume:
        return passed(
            f"{data_directory.path} in the container is {data_directory.on_volume} on the volume",
            f"volumeMounts: {data_directory.mount_path}",
        )
    if not claims:
        return skipped("the pod mounts no claim")
    says = f"{data_directory.path}, the data directory of {data_directory.container}, is on no claim of the pod"
    return failed("prometheus.tsdb-path-off-volume", says, ref_of(pod), f"{data_directory.flag}={data_directory.path}")


def parents_searchable(
    attempt: Attempt,
    data_directory: DataPath,
    data_access: DataAccess | None = None,
    actor: Any = UNREAD,
    data_volume: dict[str, Any] | None = None,
    heard: Heard | None = None,
) -> Verdict:
    if data_access is None or data_volume is None:
        return waiting("the data directory is on no volume yet")
    on = Ref("PersistentVolume", data_volume["metadata"]["name"])
    access = data_access.access
    if access is not None and access.why == "not-searchable" and access.entry is not None:
        says = f"{access.entry} on the volume may not be searched by {actor.credentials}; {_place(data_directory)}"
        return failed(PARENT, says, on, _place(data_directory), f"{access.entry}")
    if access is not None and access.why != "not-listed":
        return passed(f"{actor.credentials} may search every directory above {data_directory.on_volume}")
    return _by_log(PARENT, attempt, heard, on, data_access, data_directory)


def data_owned(
    attempt: Attempt,
    data_directory: DataPath,
    data_access: DataAccess | None = None,
    actor: Any = UNREAD,
    data_volume: dict[str, Any] | None = None,
    heard: Heard | None = None,
    pod: dict[str, Any] | None = None,
) -> Verdict:
    if data_access is None or data_volume is None:
        return waiting("the data directory is on no volume yet")
    on = Ref("PersistentVolume", data_volume["metadata"]["name"])
    access = data_access.access
    if access is None or (access.why == "not-listed" and access.creatable is not False):
        return _by_log(LEAF, attempt, heard, on, data_access, data_directory)
    if access.why == "not-searchable":
        return waiting("the process cannot come to the data directory")
    if access.why == "not-listed":
        return _by_log(LEAF, attempt, heard, on, data_access, data_directory)
    if access.why:
        return _unwritable(data_directory, data_access, actor, data_volume, on)
    needed = [e for e in data_access.files if e.path.rpartition("/")[2] in NEEDED_FILES]
    if needed:
        says = f"{needed[0]} in the data directory is not {actor.credentials}'s to write"
        return failed(FILES, says, on, *(str(e) for e in needed))
    return passed(f"{actor.credentials} may write {data_directory.on_volume} on the volume", _place(data_directory))


def _unwritable(
    data_directory: DataPath, data_access: DataAccess, actor: Actor, data_volume: dict[str, Any], on: Ref
) -> Verdict:
    access = data_access.access
    assert access is not None  # the caller looked
    where = access.entry or data_directory.on_volume
    says = (
        f"{where} on the volume may not be written by {actor.credentials} ({actor.said_by}); {_place(data_directory)}"
    )
    proof = (_place(data_directory), str(where), f"{actor.credentials}: {actor.said_by}")
    if actor.process is not None or actor.said_by.startswith("access point"):
        point = Ref("AccessPoint", actor.said_by.removeprefix("access point "))
        return failed("permission.access-point-uid-mismatch", says, point, *proof)
    if data_access.squashed:
        says = f"the file system withholds ClientRootAccess, so uid 0 is nobody, who may not write {where}"
        return failed("permission.root-squash", says, on, *proof)
    return failed(LEAF, says, on, *proof)


def _by_log(
    mode: str, attempt: Attempt, heard: Heard | None, on: Ref, data_access: DataAccess, data_directory: DataPath
) -> Verdict:
    """Where no listing decides, what the program printed does: likely, not confirmed."""
    if not attempt.ran or heard is None:
        return waiting("the process has not run yet")
    said = [s for s in heard.of(*REFUSALS) if s.specific]
    wanted = {LEAF: (LEAF, FILES), PARENT: (PARENT,)}[mode]
    own = [s for s in said if s.mode in wanted]
    if own:
        finding = finding_of(own[0], sure=False)
        says = f"{finding.says}; {_place(data_directory)}; the volume itself was not looked at"
        return failed(own[0].mode, says, on, *finding.proof, sure=False)
    if said:
        return passed(f"the program's own words name another cause: {said[0].line}")
    if "log" in heard.unread:
        return unknown(data_access.why or "the volume's listing does not go so far", data_access.grant)
    if heard.speaks("log") or attempt.ready:
        return passed("the program names no refused path")
    return unknown(data_access.why or "the volume's listing does not go so far", data_access.grant)


def _place(data_directory: DataPath) -> str:
    return f"{data_directory.path} in the container is {data_directory.on_volume} on the volume"


def fsgroup_applied(
    pod: dict[str, Any],
    data_efs_volume: EfsVolume,
    data_access: DataAccess,
    csi_driver: dict[str, Any] | None = None,
) -> Verdict:
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    if group is None:
        return skipped("the pod sets no fsGroup")
    access = data_access.access
    if access is None or access.allowed is not False:
        return skipped("nothing depends on fsGroup")
    if access.entry is not None and access.entry.gid == group:
        return passed(f"{access.entry} has the group {group} already")
    csi = data_efs_volume.object["spec"]["csi"]
    policy = ((csi_driver or {}).get("spec") or {}).get("fsGroupPolicy") or "ReadWriteOnceWithFSType"
    if policy == "File" or (
        csi.get("fsType") and "ReadWriteOnce" in data_efs_volume.object["spec"].get("accessModes", [])
    ):
        return passed("the kubelet applies fsGroup to this volume")
    says = (
        f"fsGroup {group} is not applied to volume {data_efs_volume.name}: the driver's fsGroupPolicy is {policy}, "
        f"the volume's fsType is {csi.get('fsType') or 'not set'}"
    )
    return failed("permission.fsgroup-ineffective", says, Ref("PersistentVolume", data_efs_volume.name))


def ownership_unchanged(heard: Heard, main_container: Container, through_access_point: str | None = None) -> Verdict:
    said = heard.of("permission.access-point-chown-denied", "grafana.init-chown-denied")
    if not said:
        return passed("no container was refused a change of owner") if heard.messages else waiting("nothing was said")
    if through_access_point is None:
        return skipped("the volume goes through no access point")
    grafana = "chown" in main_container.name and any("grafana" in s.line for s in said)
    mode = "grafana.init-chown-denied" if grafana else "permission.access-point-chown-denied"
    says = f"{main_container.name} changes owners through access point {through_access_point}: {said[0].line}"
    return failed(mode, says, Ref("AccessPoint", through_access_point), said[0].line)


def volume_takes_writes(
    data_directory: DataPath,
    data_volume: dict[str, Any],
    pod: dict[str, Any],
    client_rights: Any = UNREAD,
    file_systems: Any = UNREAD,
    data_efs_volume: EfsVolume | None = None,
    heard: Heard | None = None,
) -> Verdict:
    spec = data_volume["spec"]
    on = Ref("PersistentVolume", data_volume["metadata"]["name"])
    if data_directory.read_only:
        says = f"{data_directory.mount_path} of {data_directory.container} is mounted read-only"
        return failed("mount.read-only", says, ref_of(pod), "readOnly: true")
    if (spec.get("csi") or {}).get("readOnly") or "ro" in (spec.get("mountOptions") or []):
        return failed("mount.read-only", f"volume {on.name} is read-only", on, "csi.readOnly or mountOptions: ro")
    if data_efs_volume is None:
        return passed("the volume is mounted for writing")
    system = (file_systems if isinstance(file_systems, dict) else {}).get(data_efs_volume.file_system) or {}
    if (system.get("FileSystemProtection") or {}).get("ReplicationOverwriteProtection") == "REPLICATING":
        says = f"file system {data_efs_volume.file_system} is the target of a replication, and read-only"
        return failed("efs.replica-read-only", says, Ref("FileSystem", data_efs_volume.file_system))
    said = heard.of("mount.read-only") if heard else ()
    if isinstance(client_rights, Unread):
        if said:
            return failed("mount.read-only", f"the program says: {said[0].line}", on, said[0].line, sure=False)
        return unknown(client_rights.why, client_rights.grant)
    rights = client_rights or {}
    write, mount = rights.get("elasticfilesystem:ClientWrite"), rights.get("elasticfilesystem:ClientMount")
    if mount is not None and mount.denied:
        return waiting("EFS does not admit the mount at all")
    if write is None or write.allowed:
        return passed(f"EFS allows the client to write {data_efs_volume.file_system}")
    if not write.denied:
        return unknown(f"whether EFS allows writing depends on {', '.join(write.missing_keys)}")
    name, why = data_efs_volume.file_system, "; ".join(write.because[:2])
    says = f"the policies of {name} allow this client to mount, not to write: {why}"
    return failed("mount.read-only", says, Ref("FileSystem", data_efs_volume.file_system), *write.because)


def labels_allow_nfs(
    node: dict[str, Any], data_access: DataAccess, heard: Heard, data_efs_volume: EfsVolume
) -> Verdict:
    if data_access.access is None or data_access.access.allowed is not True:
        return skipped("owners and modes are not known to allow the process")
    said = heard.of(*REFUSALS)
    if not said or data_access.files:
        return passed("the process is not refused what owners and modes allow")
    system = str(node.get("status", {}).get("nodeInfo", {}).get("osImage", ""))
    says = (
        f"owners and modes allow the process, and still: {said[0].line}; node {node['metadata']['name']} runs {system}"
    )
    if any(name in system.lower() for name in SELINUX_SYSTEMS):
        return failed("node.selinux-denies-nfs", says, ref_of(node), said[0].line, sure=False)
    return unknown(says, "look for AVC denials on the node")


def data_directory_writable(
    attempt: Attempt, main_container: Container, data_directory: DataPath | None = None, container_log: Any = UNREAD
) -> Verdict:
    if data_directory is None:
        return skipped("the program has no data directory that efsdiag knows")
    if attempt.ready or _killed_for_memory(main_container):
        return passed("the program came past opening its files")
    if not attempt.ran:
        return waiting("the process has not run yet")
    log = container_log if isinstance(container_log, str) else ""
    error = storage_error(log)
    if error:
        return failed("", f"{main_container.name} cannot use {data_directory.path}: {error}", None, error)
    if reached_storage(log):
        return passed("the program's log goes on after opening its files")
    return waiting("the log does not say whether the program came so far")


def _killed_for_memory(container: Container) -> bool:
    return (container.last_terminated or {}).get("reason") == "OOMKilled"


def storage_answers(attempt: Attempt, main_container: Container) -> Verdict:
    if not attempt.mounted:
        return skipped("nothing is mounted yet")
    if attempt.ready:
        return passed("the pod is ready")
    if not attempt.ran:
        return skipped("the process has not run yet")
    ended = main_container.last_terminated or {}
    if not main_container.running and ended.get("exitCode") not in (137, 143):
        return passed("the process ends by itself; a hanging mount would keep it waiting")
    if ended.get("reason") == "OOMKilled":
        return passed("the process was killed for its memory")
    return waiting("nothing says whether reads and writes come back")


def storage_open(
    attempt: Attempt, main_container: Container, data_directory: DataPath | None = None, container_log: Any = UNREAD
) -> Verdict:
    if data_directory is None:
        return skipped("the program has no data directory that efsdiag knows")
    log = container_log if isinstance(container_log, str) else ""
    if attempt.ready or opened_storage(log):
        return passed("the program has opened its storage")
    return (
        waiting("the program has not opened its storage")
        if not attempt.ran
        else Verdict(State.WAITING, "the log does not say")
    )
