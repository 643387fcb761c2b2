"""What mends owners and modes inside a volume: a Job that changes exactly the named paths, or none of them.

Which those are is read from a listing of the volume alone; from what a program prints nobody could tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efsdiag.changes import Change, Declined, Proposal, Risk
from efsdiag.evidence.data import Actor, DataAccess, Listing
from efsdiag.jobs.manifest import Inside, Place, State, creation, mend_job
from efsdiag.model import UNREAD, Finding, Ref, Unread
from efsdiag.semantics.claims import Claim
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.iam_decisions import Decision
from efsdiag.semantics.posix import Credentials, Entry, components, granting, may
from efsdiag.semantics.statuses import Container

MOST_PATHS = 100
LOOK = "nobody has looked inside the volume; --probe looks"
RESIDUE = "the Job and its log stay until the cluster takes them away, five minutes after its end"
NEEDED = ("elasticfilesystem:ClientRootAccess", "elasticfilesystem:ClientWrite")


def let_process_through(
    cause: Finding,
    pod: dict[str, Any],
    main_container: Container,
    data_directory: DataPath,
    data_claim: Claim,
    data_volume: dict[str, Any],
    data_access: DataAccess,
    actor: Actor,
    probe_image: str,
    volume_listing: Any = UNREAD,
    through_access_point: str | None = None,
    client_rights: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    if not isinstance(volume_listing, Listing):
        return Declined(LOOK)
    who, root = actor.credentials, "/" + data_directory.sub_path
    above = [volume_listing.entries.get(p) for p in components(data_directory.on_volume, root)[:-1]]
    closed = [e for e in above if e and e.is_directory and not may(who, e, "x", capable=actor.capable)]
    if not closed:
        return Declined("the listing has no directory above the data directory that may not be searched")
    held = _held(data_volume, data_access, through_access_point, client_rights)
    states = [(e, _state(e, e.uid, e.gid, granting(who, e, "x"))) for e in closed]
    inside = Inside.of(data_directory, data_claim, data_volume)
    return held or _proposal(cause, Place.beside(pod, main_container, probe_image, own_job_names), inside, states)


def give_data_directory(
    cause: Finding,
    pod: dict[str, Any],
    main_container: Container,
    data_directory: DataPath,
    data_claim: Claim,
    data_volume: dict[str, Any],
    data_access: DataAccess,
    actor: Actor,
    probe_image: str,
    volume_listing: Any = UNREAD,
    through_access_point: str | None = None,
    client_rights: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    if not isinstance(volume_listing, Listing):
        return Declined(LOOK)
    entry = volume_listing.entries.get(data_directory.on_volume)
    if entry is None:
        return Declined(f"{data_directory.on_volume} is not in the listing, so its owner is not known; {LOOK}")
    if not entry.is_directory:
        return Declined(f"{entry} is no directory")
    held = _held(data_volume, data_access, through_access_point, client_rights)
    inside = Inside.of(data_directory, data_claim, data_volume)
    state = _owned(actor.credentials, entry, "rwx")
    place = Place.beside(pod, main_container, probe_image, own_job_names)
    return held or _proposal(cause, place, inside, [(entry, state)], Risk.DISRUPTIVE)


def give_named_files(
    cause: Finding,
    pod: dict[str, Any],
    main_container: Container,
    data_directory: DataPath,
    data_claim: Claim,
    data_volume: dict[str, Any],
    data_access: DataAccess,
    actor: Actor,
    probe_image: str,
    through_access_point: str | None = None,
    client_rights: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    named = [e for e in data_access.files if str(e) in cause.proof]
    if not named:
        return Declined(f"which files they are is not in a listing; {LOOK}")
    folders = [e for e in named if e.is_directory]
    if folders:
        own = data_directory.on_volume.rstrip("/")
        command = f"find {data_directory.path}{folders[0].path.removeprefix(own)} | wc -l"
        return Declined(
            f"{folders[0]} is a directory, and how much is in it is not known; nothing is changed recursively before "
            f"it was counted, in a pod with the claim: {command}"
        )
    if len(named) > MOST_PATHS:
        return Declined(f"{len(named)} files are more than {MOST_PATHS}, the most that are changed at once")
    held = _held(data_volume, data_access, through_access_point, client_rights)
    inside = Inside.of(data_directory, data_claim, data_volume)
    states = [(e, _owned(actor.credentials, e, "rw")) for e in named]
    place = Place.beside(pod, main_container, probe_image, own_job_names)
    return held or _proposal(cause, place, inside, states, Risk.DISRUPTIVE)


def _held(
    data_volume: dict[str, Any], data_access: DataAccess, access_point: str | None, client_rights: Any
) -> Declined | None:
    """Why a Job that runs as root could not change owners there, or could not be known to; None where it can."""
    name, spec = data_volume["metadata"]["name"], data_volume["spec"]
    if data_access.access is None:
        return Declined(LOOK)
    if access_point:
        return Declined(
            f"volume {name} goes through access point {access_point}, which makes every request as its own user and "
            "below its own directory; owners are changed from a mount without it"
        )
    if "ro" in (spec.get("mountOptions") or []) or (spec.get("csi") or {}).get("readOnly"):
        return Declined(f"volume {name} is mounted read-only")
    if "nfs" in spec:
        return Declined(f"whether the server of volume {name} lets root change owners is not known")
    if isinstance(client_rights, Unread):
        return Declined(f"whether the file system lets root in is not known: {client_rights.why}")
    decisions: dict[str, Decision] = client_rights or {}
    for action in NEEDED:
        if action in decisions and not decisions[action].allowed:
            return Declined(f"the file system's policy withholds {action}: to it, root is nobody who may change owners")
    return None


def _owned(who: Credentials, entry: Entry, wanted: str) -> State:
    """The entry as the process's own, with these rights for its owner."""
    mine = Entry(entry.path, entry.type, who.uid, who.gid, entry.mode)
    gid = entry.gid if entry.uid == who.uid else who.gid
    return _state(entry, who.uid, gid, granting(who, mine, wanted))


def _state(entry: Entry, uid: int, gid: int, mode: int) -> State:
    return State(entry.path, f"{entry.uid}:{entry.gid}:{entry.mode:04o}", f"{uid}:{gid}:{mode:04o}")


def _proposal(
    cause: Finding,
    place: Place,
    inside: Inside,
    states: Sequence[tuple[Entry, State]],
    risk: Risk = Risk.SAFE,
) -> Proposal:
    changed = [s for _, s in states]
    job = mend_job(place, inside, changed, "mend")
    back = mend_job(place, inside, [s.back for s in reversed(changed)], "undo")
    what = ", ".join(f"{s.path} from {_words(s.before)} to {_words(s.after)}" for s in changed)
    on = cause.object or Ref("PersistentVolume", inside.volume)
    words = f"on volume {inside.volume}, by a Job that runs as root: change {what}"
    return (Change(creation(job), words, on, risk, creation(back), RESIDUE),)


def _words(state: str) -> str:
    """ "0:0:0700" as people read it."""
    owner, _, mode = state.rpartition(":")
    return f"owner {owner} mode {mode}"
