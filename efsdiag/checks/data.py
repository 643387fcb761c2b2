"""The data directory: reachable and writable by whom the file system sees."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.data import Actor, DataAccess
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import Claim, EfsVolume
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.posix import Access
from efsdiag.semantics.statuses import Container
from efsdiag.semantics.writing import chown_by_root, group_is_applied, group_policy, judge_writing
from efsdiag.settings import Settings

PARENT = "permission.parent-not-searchable"
LEAF = "permission.data-dir-not-writable"
FILES = "permission.existing-file-owner"
REFUSALS = (PARENT, LEAF, FILES)
NEEDED_FILES = ("queries.active", "lock", "wal", "chunks_head")
"""What Prometheus opens for writing at start; other files may be read-only to it for a while."""
ABSENT = (
    "queries.active: no such file or directory",
    "create active query log directory: mkdir",
    "Unable to create data directory",
)
"""Of a data directory that is not there and could not be made: Prometheus until 3.13, and since; Alertmanager."""
SELINUX_SYSTEMS = ("red hat", "rhel", "rocky", "alma", "centos", "fedora", "talos", "openshift", "oracle linux")


def data_path_on_volume(
    data_directory: DataPath, pod: dict[str, Any], claims: tuple[Claim, ...], wanted: Settings | None = None
) -> Verdict:
    proof = f"{data_directory.flag}={data_directory.path}" if data_directory.flag else "no argument says another path"
    on = next((c.name for c in claims if c.pod_volume == data_directory.volume), "") if data_directory.volume else ""
    if wanted is not None and on != wanted.claim:
        found = f"claim {on}" if on else "no claim of the pod"
        says = f"{data_directory.path}, the data directory of {data_directory.container}, is on {found}"
        says = f"{says}; the settings wish for claim {wanted.claim}"
        return failed("prometheus.tsdb-path-off-volume", says, ref_of(pod), proof)
    if data_directory.volume:
        return passed(
            f"{data_directory.path} in the container is {data_directory.on_volume} on the volume",
            f"volumeMounts: {data_directory.mount_path}",
        )
    if not claims:
        return skipped("the pod mounts no claim")
    says = f"{data_directory.path}, the data directory of {data_directory.container}, is on no claim of the pod"
    return failed("prometheus.tsdb-path-off-volume", says, ref_of(pod), proof)


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
    if access is not None and access.why == "not-listed" and _cannot_be_made(access, heard):
        return passed(f"{actor.credentials} may search every directory down to the missing {access.stops_at}")
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
    through_access_point: str | None = None,
) -> Verdict:
    if data_access is None or data_volume is None:
        return waiting("the data directory is on no volume yet")
    on = Ref("PersistentVolume", data_volume["metadata"]["name"])
    access = data_access.access
    unlisted = access is not None and access.why == "not-listed"
    if access is None or (unlisted and (data_access.gap or not _cannot_be_made(access, heard))):
        own_server = "nfs" in data_volume["spec"]
        return _by_log(LEAF, attempt, heard, on, data_access, data_directory, actor, own_server, through_access_point)
    if access.why == "not-searchable":
        return waiting("the process cannot come to the data directory")
    if access.why:
        return _unwritable(data_directory, data_access, actor, on)
    own = data_directory.on_volume.rstrip("/")
    names = {f"{own}/{name}" for name in NEEDED_FILES}
    needed = [
        e for e in data_access.files if e.path in names or _is_named(e.path.removeprefix(own), data_directory, heard)
    ]
    if needed:
        says = f"{needed[0]} in the data directory is not {actor.credentials}'s to write"
        return failed(FILES, says, on, *(str(e) for e in needed))
    return passed(f"{actor.credentials} may write {data_directory.on_volume} on the volume", _place(data_directory))


def _is_named(below: str, data_directory: DataPath, heard: Heard | None) -> bool:
    """Whether the program says that this very file below its data directory is refused to it."""
    said = heard.of(FILES) if heard else ()
    return any(f"open {data_directory.path.rstrip('/')}{below}: " in s.message.text for s in said)


def _cannot_be_made(access: Access, heard: Heard | None) -> bool:
    """Whether a directory that the listing lacks is not there, as the program says, and may not be made either."""
    said = heard.of(LEAF) if heard else ()
    return access.creatable is False and any(words in s.message.text for s in said for words in ABSENT)


def _unwritable(data_directory: DataPath, data_access: DataAccess, actor: Actor, on: Ref) -> Verdict:
    access = data_access.access
    assert access is not None  # the caller looked
    where = access.entry or access.stops_at or data_directory.on_volume
    may_not = "is not there, and may not be made" if access.why == "not-listed" else "may not be written"
    says = f"{where} on the volume {may_not} by {actor.credentials} ({actor.said_by}); {_place(data_directory)}"
    proof = (_place(data_directory), str(where), f"{actor.credentials}: {actor.said_by}")
    if actor.process is not None or actor.said_by.startswith("access point"):
        point = Ref("AccessPoint", actor.said_by.removeprefix("access point "))
        return failed("permission.access-point-uid-mismatch", says, point, *proof)
    if data_access.squashed:
        says = f"the file system withholds ClientRootAccess, so uid 0 is nobody, who may not write {where}"
        return failed("permission.root-squash", says, on, *proof)
    return failed(LEAF, says, on, *proof)


def _by_log(
    mode: str,
    attempt: Attempt,
    heard: Heard | None,
    on: Ref,
    data_access: DataAccess,
    data_directory: DataPath,
    actor: Any = None,
    own_server: bool = False,
    through_access_point: str | None = None,
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
    shared = heard.of(mode)
    if shared and mode == LEAF and isinstance(actor, Unread) and through_access_point:
        says = f"access point {through_access_point} may put another user in place of the process's"
        return unknown(f"{says}, and {actor.why}: {shared[0].line}", actor.grant)
    if shared and mode == LEAF:
        # The same words for an older file of another user, which is the rarer case.
        likely = _refused_as(actor, own_server)
        says = (
            f"{finding_of(shared[0], sure=False).says}; {_place(data_directory)}; the volume itself was not looked at"
        )
        return failed(likely, says, on, shared[0].line, sure=False)
    if shared:
        return unknown(f"what was said fits it, and other causes too: {shared[0].line}", data_access.grant)
    if "log" not in heard.unread and (heard.speaks("log") or attempt.ready):
        return passed("the program names no refused path")
    return unknown(data_access.why or "the volume's listing does not go so far", data_access.grant)


def _refused_as(actor: Any, own_server: bool) -> str:
    """The likeliest mode of a refusal that only the log shows, by whom the file system sees."""
    if isinstance(actor, Actor) and actor.said_by.startswith("access point"):
        return "permission.access-point-uid-mismatch"
    if isinstance(actor, Actor) and actor.credentials.uid == 0:
        # Nobody refuses root but a server to which root is nobody.
        return "nfs.root-squash" if own_server else "permission.root-squash"
    return LEAF


def _place(data_directory: DataPath) -> str:
    return f"{data_directory.path} in the container is {data_directory.on_volume} on the volume"


def fsgroup_applied(
    pod: dict[str, Any],
    data_efs_volume: EfsVolume,
    data_access: DataAccess,
    attempt: Attempt,
    csi_driver: dict[str, Any] | None = None,
) -> Verdict:
    group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
    if group is None:
        return skipped("the pod sets no fsGroup")
    access = data_access.access
    if attempt.ready or (access is not None and access.allowed):
        return skipped("nothing depends on fsGroup")
    if access is not None and access.entry is not None and access.entry.gid == group:
        return passed(f"{access.entry} has the group {group} already")
    spec = data_efs_volume.object["spec"]
    policy = group_policy(csi_driver)
    if group_is_applied(spec, policy):
        return passed("the kubelet applies fsGroup to this volume")
    if access is None or access.allowed is None:
        if not attempt.mounted:
            return waiting("the process has not come to its data yet")
        return unknown(data_access.why or "the listing of the volume does not tell who may write", data_access.grant)
    says = (
        f"fsGroup {group} is not applied to volume {data_efs_volume.name}: the driver's fsGroupPolicy is {policy}, "
        f"the volume's fsType is {spec['csi'].get('fsType') or 'not set'}"
    )
    return failed("permission.fsgroup-ineffective", says, Ref("PersistentVolume", data_efs_volume.name))


def ownership_unchanged(
    heard: Heard,
    main_container: Container,
    through_access_point: str | None = None,
    access_point: Any = UNREAD,
    data_volume: dict[str, Any] | None = None,
    client_rights: Any = UNREAD,
) -> Verdict:
    said = heard.of("permission.access-point-chown-denied", "grafana.init-chown-denied")
    if not said:
        return passed("no container was refused a change of owner") if heard.messages else waiting("nothing was said")
    if through_access_point is None:
        return chown_by_root(main_container.name, data_volume, client_rights, said[0].line)
    if isinstance(access_point, dict) and not access_point.get("PosixUser"):
        return skipped(f"access point {through_access_point} enforces no user")
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
    name = data_efs_volume.file_system if data_efs_volume else ""
    system = (file_systems if isinstance(file_systems, dict) else {}).get(name) or {}
    if (system.get("FileSystemProtection") or {}).get("ReplicationOverwriteProtection") == "REPLICATING":
        says = f"file system {name} is the target of a replication, and read-only"
        return failed("efs.replica-read-only", says, Ref("FileSystem", name))
    said = heard.of("mount.read-only") if heard else ()
    if said and not client_rights:
        return failed("mount.read-only", f"the program says: {said[0].line}", on, said[0].line, sure=False)
    if data_efs_volume is None:
        return passed("the volume is mounted for writing")
    if isinstance(client_rights, Unread):
        return unknown(client_rights.why, client_rights.grant)
    if client_rights is None:
        return waiting(f"file system {name} is not one of this account")
    return judge_writing(client_rights, name)


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
