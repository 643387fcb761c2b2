"""What mends owners and modes inside a volume: a Job that changes exactly the named paths, or none of them.

Which those are is read from a listing of the volume alone; from what a program prints nobody could tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from efsdiag.changes import Change, Declined, Proposal, Risk
from efsdiag.evidence.data import LOOK, Actor, DataAccess, DataHome, Listing
from efsdiag.jobs.manifest import Inside, Place, State, creation, mend_job
from efsdiag.model import UNREAD, Finding, Ref
from efsdiag.semantics.posix import Credentials, Entry, components, granting, may

MOST_PATHS = 100
RESIDUE = "the Job and its log stay until the cluster takes them away, five minutes after its end"


def let_process_through(
    cause: Finding,
    data_home: DataHome,
    actor: Actor,
    owner_obstacle: str,
    probe_image: str,
    volume_listing: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    if not isinstance(volume_listing, Listing):
        return Declined(LOOK)
    who, root = actor.credentials, "/" + data_home.directory.sub_path
    above = [volume_listing.entries.get(p) for p in components(data_home.directory.on_volume, root)[:-1]]
    closed = [e for e in above if e and e.is_directory and not may(who, e, "x", capable=actor.capable)]
    if not closed:
        return Declined("the listing has no directory above the data directory that may not be searched")
    if owner_obstacle:
        return Declined(owner_obstacle)
    states = [(e, _state(e, e.uid, e.gid, granting(who, e, "x"))) for e in closed]
    return _proposal(cause, data_home, states, probe_image, own_job_names)


def give_data_directory(
    cause: Finding,
    data_home: DataHome,
    actor: Actor,
    owner_obstacle: str,
    probe_image: str,
    volume_listing: Any = UNREAD,
    own_job_names: Any = UNREAD,
) -> Proposal:
    if not isinstance(volume_listing, Listing):
        return Declined(LOOK)
    entry = volume_listing.entries.get(data_home.directory.on_volume)
    if entry is None:
        return Declined(f"{data_home.directory.on_volume} is not in the listing, so its owner is not known; {LOOK}")
    if not entry.is_directory:
        return Declined(f"{entry} is no directory")
    if owner_obstacle:
        return Declined(owner_obstacle)
    state = _owned(actor.credentials, entry, "rwx")
    return _proposal(cause, data_home, [(entry, state)], probe_image, own_job_names, Risk.DISRUPTIVE)


def give_named_files(
    cause: Finding,
    data_home: DataHome,
    data_access: DataAccess,
    actor: Actor,
    owner_obstacle: str,
    probe_image: str,
    own_job_names: Any = UNREAD,
) -> Proposal:
    named = [e for e in data_access.files if str(e) in cause.proof]
    if not named:
        return Declined(f"which files they are is not in a listing; {LOOK}")
    folders = [e for e in named if e.is_directory]
    if folders:
        own = data_home.directory.on_volume.rstrip("/")
        command = f"find {data_home.directory.path}{folders[0].path.removeprefix(own)} | wc -l"
        return Declined(
            f"{folders[0]} is a directory, and how much is in it is not known; nothing is changed recursively before "
            f"it was counted, in a pod with the claim: {command}"
        )
    if len(named) > MOST_PATHS:
        return Declined(f"{len(named)} files are more than {MOST_PATHS}, the most that are changed at once")
    if owner_obstacle:
        return Declined(owner_obstacle)
    states = [(e, _owned(actor.credentials, e, "rw")) for e in named]
    return _proposal(cause, data_home, states, probe_image, own_job_names, Risk.DISRUPTIVE)


def _owned(who: Credentials, entry: Entry, wanted: str) -> State:
    """The entry as the process's own, with these rights for its owner."""
    mine = Entry(entry.path, entry.type, who.uid, who.gid, entry.mode)
    gid = entry.gid if entry.uid == who.uid else who.gid
    return _state(entry, who.uid, gid, granting(who, mine, wanted))


def _state(entry: Entry, uid: int, gid: int, mode: int) -> State:
    return State(entry.path, f"{entry.uid}:{entry.gid}:{entry.mode:04o}", f"{uid}:{gid}:{mode:04o}")


def _proposal(
    cause: Finding,
    home: DataHome,
    states: Sequence[tuple[Entry, State]],
    image: str,
    taken: Any,
    risk: Risk = Risk.SAFE,
) -> Proposal:
    place = Place.beside(home.pod, home.container, image, taken)
    inside = Inside.of(home.directory, home.claim, home.volume)
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
