"""The remedies for not knowing: short-lived Jobs that look where nobody else can, and leave nothing behind."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.charts import placement
from efsdiag.jobs.manifest import Inside, Place, creation, deletion, look_job, reach_job, trial_job
from efsdiag.model import UNREAD, Ref
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import Claim, EfsVolume
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.ends import NodeEnd, node_end, target_of
from efsdiag.semantics.handles import is_address
from efsdiag.semantics.hops import NFS_PORT
from efsdiag.semantics.instances import region_of
from efsdiag.semantics.mount_names import mount_name
from efsdiag.semantics.posix import Credentials
from efsdiag.semantics.statuses import Container
from efsdiag.settings import Settings


def look_inside_the_volume(
    pod: dict[str, Any],
    main_container: Container,
    attempt: Attempt,
    data_directory: DataPath,
    data_claim: Claim,
    data_volume: dict[str, Any],
    process_credentials: tuple[Credentials | None, str],
    probe_image: str,
    own_job_names: Any = UNREAD,
) -> Proposal:
    who, why = process_credentials
    if not attempt.mounted:
        return Declined("the pod's volumes are not mounted yet, and a Job that mounts them would wait as the pod does")
    if who is None:
        return Declined(f"as whom to look is not known: {why}")
    if "$(" in data_directory.on_volume or (data_directory.sub_path and not attempt.ran):
        return Declined("which directory of the volume the pod mounts is not known, or was not made yet")
    inside = Inside.of(data_directory, data_claim, data_volume)
    job = look_job(Place.beside(pod, main_container, probe_image, own_job_names), inside, who)
    words = f"run a Job that looks at the way to {inside.path} on volume {inside.volume}, as {who}, and changes nothing"
    return (Change(creation(job), words, Ref("PersistentVolume", inside.volume), undo=deletion(job)),)


def ask_from_the_node(
    pod: dict[str, Any],
    main_container: Container,
    attempt: Attempt,
    efs_volumes: tuple[EfsVolume, ...],
    probe_image: str,
    node_instance: Any = UNREAD,
    mount_targets: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    node = str(pod["spec"].get("nodeName") or "")
    if attempt.mounted:
        return Declined("the pod's volumes are mounted, so its node has reached the file system")
    if not node or not efs_volumes:
        return Declined("the pod is on no node yet, or mounts no EFS volume")
    instance = node_instance if isinstance(node_instance, dict) else {}
    region = region_of(instance)
    if not region:
        return Declined(f"the region of node {node}, and so the name of the file system, is not known")
    place = Place.beside(pod, main_container, probe_image, own_job_names)
    found: list[Change] = []
    for volume in efs_volumes:
        name, addresses = _way_to(volume, node_end(instance), region, mount_targets)
        if not name and not addresses:
            return Declined(
                f"for which name or address a mount of volume {volume.name} on node {node} asks is not known"
            )
        job = reach_job(place, volume.name, name, addresses)
        resolves = f"resolves {name} and " if name else ""
        words = f"run a Job on node {node} that {resolves}opens TCP {NFS_PORT} to {(*addresses, name)[0]}"
        found.append(Change(creation(job), words, Ref("FileSystem", volume.file_system), undo=deletion(job)))
    return tuple(found)


def _way_to(volume: EfsVolume, node: NodeEnd, region: str, mount_targets: Any) -> tuple[str, tuple[str, ...]]:
    """The name that a mount on the node resolves ("" for one by address), and the addresses that it opens, if known."""
    given = volume.asked.get("mounttargetip", "")
    if volume.by_address:
        return "", (given,) if is_address(given) else ()
    target = target_of(volume, node, (mount_targets or {}).get(volume.file_system) or [], {})
    return mount_name(volume, region, node.zone_id), (target.ip,) if target and target.ip else ()


def write_through_the_claim(
    wanted: Settings,
    claims: tuple[Claim, ...],
    probe_image: str,
    workload: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    if workload is not None:
        return Declined("the workload is there, or could not be looked for; its own pod shows whether it can write")
    waiting = [c.name for c in claims if not c.bound]
    if waiting:
        return Declined(f"claim {', '.join(waiting)} is not bound yet")
    who, image = Credentials(wanted.uid, wanted.gid), probe_image or wanted.smoke_image
    job = trial_job(wanted.namespace, wanted.claim, image, who, placement(wanted), own_job_names)
    words = f"run a Job that writes a line through claim {wanted.claim} and reads it back, as {who}"
    on = Ref("PersistentVolumeClaim", wanted.claim, wanted.namespace)
    return (Change(creation(job), words, on, undo=deletion(job)),)
