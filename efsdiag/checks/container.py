"""From mounted volumes to a process that stays up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import Finding, Ref, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import CONFIGURING, PULLING, Attempt, parse_time
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.statuses import Container

LONGEST_START = timedelta(minutes=15)
"""So long the startup probe of the Prometheus operator waits for a start that reads much data."""

NEVER_EXECUTED = ("StartError", "ContainerCannotRun")
"""How a container ends whose process the runtime could not execute."""


def config_volumes_present(
    pod: dict[str, Any],
    attempt: Attempt,
    missing_config_maps: tuple[str, ...] | None = None,
    heard: Heard | None = None,
) -> Verdict:
    if attempt.mounted:
        return passed("the kubelet mounted every volume of this pod")
    if not attempt.scheduled:
        return waiting("the pod has no node yet")
    if missing_config_maps:
        namespace = pod["metadata"]["namespace"]
        # The kubelet names each volume that it cannot mount; where it names others only, the answer may have a gap.
        speaks = heard is not None and heard.speaks("pod-event")
        sure = not speaks or bool(heard and heard.of("container.volume-config-missing"))
        return failed_all(
            [
                Finding(
                    "container.volume-config-missing",
                    f"the pod mounts ConfigMap {name}, which does not exist in {namespace}",
                    Ref("ConfigMap", name, namespace),
                    sure,
                    proof=(f"spec.volumes[].configMap.name: {name}",),
                )
                for name in missing_config_maps
            ]
        )
    said = [s for s in heard.of("container.volume-config-missing") if s.specific] if heard else []
    if said:
        # A Secret is never read, so of Secrets the kubelet's own words are the proof.
        return failed("container.volume-config-missing", said[0].line, ref_of(pod), said[0].line)
    secrets = _mounted_secrets(pod["spec"])
    deaf = heard.unread.get("pod-event") if heard else None
    if secrets and deaf is not None:
        return unknown(f"whether Secret {secrets[0]} exists, the pod's events would say: {deaf.why}", deaf.grant)
    return passed("the ConfigMaps that the pod mounts exist")


def _mounted_secrets(spec: dict[str, Any]) -> list[str]:
    """The Secrets that the pod mounts and may not do without, projected ones included."""
    sources = [
        source
        for volume in spec.get("volumes") or []
        for source in (volume, *((volume.get("projected") or {}).get("sources") or []))
        if "secret" in source and not source["secret"].get("optional")
    ]
    return [str(s["secret"].get("secretName") or s["secret"].get("name")) for s in sources]


def image_pulled(pod: dict[str, Any], attempt: Attempt, pod_containers: tuple[Container, ...]) -> Verdict:
    stuck = [c for c in pod_containers if c.waiting_reason in PULLING]
    if stuck:
        image = stuck[0].spec.get("image", "")
        says = f"image {image} of container {stuck[0].name} cannot be pulled: {stuck[0].waiting_reason}"
        return failed("container.image-pull", says, ref_of(pod), " ".join(stuck[0].waiting_message.split())[:300])
    if attempt.pulled:
        return passed("the images are on the node")
    return waiting("nothing was pulled yet")


def user_allowed(pod: dict[str, Any], pod_containers: tuple[Container, ...], heard: Heard | None = None) -> Verdict:
    undecided = []
    for container in pod_containers:
        if container.was_created:
            continue
        must_not, uid = _root_rule(pod["spec"], container.spec)
        if must_not and uid is None and container.waiting_reason not in CONFIGURING:
            undecided.append(container.name)
        if must_not and uid == 0:
            says = f"container {container.name} runs as uid 0, and runAsNonRoot is true"
            return failed("container.run-as-non-root-uid0", says, ref_of(pod), "runAsNonRoot: true", "runAsUser: 0")
    said = [s for s in heard.of("container.run-as-non-root-image") if s.specific] if heard else []
    if said:
        return failed("container.run-as-non-root-image", said[0].line, ref_of(pod), said[0].line)
    if undecided:
        return waiting(f"the kubelet has not looked yet as whom the image of {undecided[0]} runs")
    return passed("no container runs as root against the pod's own rule")


def _root_rule(spec: dict[str, Any], container: dict[str, Any]) -> tuple[bool, int | None]:
    """(runAsNonRoot, runAsUser) in force: the container's own, else the pod's."""
    outer, inner = spec.get("securityContext") or {}, container.get("securityContext") or {}
    return bool(inner.get("runAsNonRoot", outer.get("runAsNonRoot"))), inner.get("runAsUser", outer.get("runAsUser"))


def container_created(attempt: Attempt, main_container: Container) -> Verdict:
    if attempt.created:
        return passed(f"container {main_container.name} was created")
    if main_container.waiting_reason in CONFIGURING:
        message = " ".join(main_container.waiting_message.split())[:300]
        says = f"container {main_container.name} cannot be created: {main_container.waiting_reason}: {message}"
        return failed("", says, None, message)
    return waiting("it is not this container's turn yet")


def process_started(attempt: Attempt, main_container: Container) -> Verdict:
    if attempt.ran:
        return passed(f"the process of {main_container.name} was executed")
    ended = main_container.last_terminated or {}
    if main_container.waiting_reason == "RunContainerError" or ended.get("reason") in NEVER_EXECUTED:
        message = " ".join((main_container.waiting_message or str(ended.get("message", ""))).split())[:300]
        return failed("", f"the process of {main_container.name} could not be executed: {message}", None, message)
    return waiting("the container was not started")


def memory_suffices(
    attempt: Attempt, pod: dict[str, Any], pod_containers: tuple[Container, ...], now: datetime, workload: Any = None
) -> Verdict:
    killed = [c for c in pod_containers if (c.last_terminated or {}).get("reason") == "OOMKilled"]
    if not killed:
        return passed("no container was killed for its memory")
    if attempt.ready:
        return passed("the pod is ready again after it was killed for its memory")
    killed = [c for c in killed if not c.status.get("ready") and not _has_settled(c, now)]
    if not killed:
        return passed("what was killed for its memory has been running again for long")
    findings = [_killed_for_memory(c, ref_of(workload) if workload else ref_of(pod)) for c in killed]
    return failed_all(findings)


def _killed_for_memory(container: Container, on: Ref) -> Finding:
    limit = ((container.spec.get("resources") or {}).get("limits") or {}).get("memory", "no limit of its own")
    ended = container.last_terminated or {}
    says = f"{container.name} was killed for its memory ({limit}) at {ended.get('finishedAt')}"
    proof = ("lastState.terminated.reason: OOMKilled", f"limits.memory: {limit}")
    return Finding("prometheus.oom-killed", says, on, proof=proof)


def _has_settled(container: Container, now: datetime) -> bool:
    """Whether it has been running for so long that the end of the attempt before is not why it is not ready now."""
    since = (container.running or {}).get("startedAt")
    return bool(since) and now - parse_time(str(since)) > LONGEST_START


def probes_patient(attempt: Attempt, main_container: Container, heard: Heard) -> Verdict:
    if attempt.ready:
        return passed("the pod is ready")
    own = f"Container {main_container.name} failed"
    killed = [s for s in heard.of("prometheus.startup-probe-killed") if s.message.text.startswith(own)]
    ended = main_container.last_terminated or {}
    # A program that the kubelet ends either obeys (0, 143) or is killed (137); any other exit code is its own doing.
    by_kubelet = ended.get("reason") != "OOMKilled" and ended.get("exitCode") in (0, 137, 143)
    if killed and by_kubelet and main_container.status.get("restartCount"):
        says = f"{main_container.name} was killed by its probe: {killed[0].line}"
        return failed("prometheus.startup-probe-killed", says, killed[0].message.about, killed[0].line)
    if not attempt.ran:
        return skipped("the process has not run yet")
    return passed("no probe killed the container")
