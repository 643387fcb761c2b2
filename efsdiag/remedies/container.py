"""What mends how a workload runs its program: as whom, with how much memory, for how long it may start, and where.

All of it is in the workload's template: its pods are replaced.
"""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.evidence.data import Listing
from efsdiag.model import UNREAD, Finding
from efsdiag.patches import REMOVE, change_of, container_path, template_change, template_fixed, template_spec
from efsdiag.semantics.containers import (
    PATH_FLAGS,
    PROMETHEUS_IMAGES,
    DataPath,
    claim_volume_names,
    flag_value,
    image_name,
)
from efsdiag.semantics.posix import NOBODY
from efsdiag.semantics.quantity import bytes_of, format_bytes
from efsdiag.semantics.statuses import Container
from efsdiag.settings import Settings

Workload = dict[str, Any] | None
PERIOD_S = 15
LONG_START_S = 900
"""What the Prometheus operator gives a start that reads much data."""


def run_as_ordinary_user(
    cause: Finding,
    pod_containers: tuple[Container, ...],
    workload: Workload = None,
    data_directory: DataPath | None = None,
    volume_listing: Any = UNREAD,
) -> Proposal:
    spec = template_spec(workload)
    named = [c for c in pod_containers if not c.was_created and f"container {c.name} " in f"{cause.says} "]
    container = next(iter([*named, *(c for c in pod_containers if not c.was_created)]), None)
    at = container_path(spec, container.name) if container else None
    if container is None or at is None:
        return template_fixed(workload) or Declined("which container of the template is meant is not known")
    owner = _owner(volume_listing, data_directory, container.name)
    uid, gid = owner or (NOBODY, NOBODY)
    own = container.spec.get("securityContext") or {}
    place = f"{at}/securityContext" if {"runAsUser", "runAsNonRoot"} & own.keys() else "/securityContext"
    values = {f"{place}/runAsUser": uid, f"{place}/runAsGroup": gid}
    whose = ", the owner of its data" if owner else ", which is nobody's"
    return _one(template_change(workload, values, f"run {container.name} as uid {uid}, gid {gid}{whose}"))


def end_old_pod_first(cause: Finding, workload: Workload = None) -> Proposal:
    spec = (workload or {}).get("spec") or {}
    strategy = (spec.get("strategy") or {}).get("type")
    refused = template_fixed(workload)
    if refused or workload is None:
        return refused or Declined("the pod is made by nothing")
    if strategy != "RollingUpdate":
        return Declined(
            "the workload ends its old pod before it starts the new one; somebody else holds the data: find that one"
        )
    if spec.get("replicas", 1) != 1:
        return Declined(f"the workload has {spec['replicas']} replicas on one data directory; it has to have 1")
    words = f"let {workload['metadata']['name']} end the old pod before it starts the new one (Recreate)"
    # That alone replaces no pod: the one that waits for the lock gets it when the old one is gone.
    values = {"/spec/strategy": {"type": "Recreate"}}
    return _one(change_of(workload, values, words, relies_on=["/spec/replicas"]))


def put_data_on_volume(
    cause: Finding,
    main_container: Container,
    pod: dict[str, Any],
    workload: Workload = None,
    wanted: Settings | None = None,
) -> Proposal:
    spec, name = template_spec(workload), main_container.name
    at = container_path(spec, name)
    container = next((c for c in spec.get("containers") or [] if c["name"] == name), None)
    if container is None or at is None:
        return template_fixed(workload) or Declined(f"the template has no container {name}")
    mounts = [m for m in container.get("volumeMounts") or [] if m["name"] in claim_volume_names(spec)]
    if len(mounts) != 1:
        return Declined(f"{name} mounts {len(mounts)} claims; on which its data are to be is for you to say")
    words = [str(word) for word in container.get("args") or []]
    flag, _ = flag_value({"args": words}, PATH_FLAGS)
    claim = claim_volume_names(spec)[mounts[0]["name"]]
    if wanted is not None and claim != wanted.claim:
        return Declined(f"{name} mounts claim {claim}; data that is there does not move by itself to {wanted.claim}")
    place = str(mounts[0]["mountPath"])
    if not flag and (not words or image_name(container.get("image", "")) not in PROMETHEUS_IMAGES):
        return Declined(f"which argument tells {name} where its data are is not known")
    changed = _with_flag(words, flag or PATH_FLAGS[0], place)
    says = f"let {name} keep its data in {place}, where the claim is mounted"
    return _one(template_change(workload, {f"{at}/args": changed}, says))


def raise_memory_limit(cause: Finding, pod_containers: tuple[Container, ...], workload: Workload = None) -> Proposal:
    spec, values, shown = template_spec(workload), {}, []
    for container in pod_containers:
        if (container.last_terminated or {}).get("reason") != "OOMKilled":
            continue
        limit = ((container.spec.get("resources") or {}).get("limits") or {}).get("memory")
        at = container_path(spec, container.name)
        if limit is None:
            return Declined(f"{container.name} has no memory limit of its own: its node ran out of memory")
        if at is not None:
            more = format_bytes(2 * bytes_of(limit))
            values[f"{at}/resources/limits/memory"] = more
            shown.append(f"{container.name} from {limit} to {more}")
    return _one(template_change(workload, values, f"raise the memory limit of {', '.join(shown)}"))


def give_start_more_time(cause: Finding, main_container: Container, workload: Workload = None) -> Proposal:
    spec, name = template_spec(workload), main_container.name
    at = container_path(spec, name)
    container = next((c for c in spec.get("containers") or [] if c["name"] == name), None)
    if container is None or at is None:
        return template_fixed(workload) or Declined(f"the template has no container {name}")
    own = container.get("startupProbe") or {}
    like = own or container.get("livenessProbe")
    if not like:
        return Declined(f"{name} has no probe whose start could be waited for")
    before = int(own.get("periodSeconds", 10)) * int(own.get("failureThreshold", 3)) if own else 0
    most = max(LONG_START_S, 2 * before)
    # The defaults are stated, so that the undo finds the probe as it was written.
    probe = {"timeoutSeconds": 1, **like, "periodSeconds": PERIOD_S, "successThreshold": 1}
    probe["failureThreshold"] = -(-most // PERIOD_S)
    words = f"give {name} {most // 60} minutes to start before its other probes count"
    return _one(template_change(workload, {f"{at}/startupProbe": probe}, words))


def stop_changing_owners(cause: Finding, main_container: Container, workload: Workload = None) -> Proposal:
    inits = template_spec(workload).get("initContainers") or []
    kept = [c for c in inits if c["name"] != main_container.name]
    if workload is not None and len(kept) == len(inits):
        return Declined(f"the template has no init container {main_container.name}")
    words = f"leave out the init container {main_container.name}, which only changes owners"
    return _one(template_change(workload, {"/initContainers": kept or REMOVE}, words))


def _owner(listing: Any, directory: DataPath | None, container: str) -> tuple[int, int] | None:
    """The owner of the container's data directory, where somebody has looked; root is none."""
    if not isinstance(listing, Listing) or directory is None or directory.container != container:
        return None
    entry = listing.entries.get(directory.on_volume)
    return (entry.uid, entry.gid) if entry is not None and entry.uid else None


def _with_flag(words: list[str], flag: str, value: str) -> list[str]:
    for n, word in enumerate(words):
        if word == flag and n + 1 < len(words):
            return [*words[: n + 1], value, *words[n + 2 :]]
        if word.partition("=")[0] == flag:
            return [*words[:n], f"{flag}={value}", *words[n + 1 :]]
    return [*words, f"{flag}={value}"]


def _one(change: Change | Declined) -> Proposal:
    return change if isinstance(change, Declined) else (change,)
