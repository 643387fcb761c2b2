"""The remedies for not knowing: short-lived Jobs that look where nobody else can, and change nothing."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.jobs.manifest import Inside, Place, creation, deletion, look_job
from efsdiag.model import UNREAD, Ref
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import Claim
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.posix import Credentials
from efsdiag.semantics.statuses import Container


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
