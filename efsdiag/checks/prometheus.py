"""What the program with the data says of itself, joined with what the objects show."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EFS_DRIVER
from efsdiag.semantics.containers import DataPath, image_name
from efsdiag.semantics.objects import controller_of, ref_of
from efsdiag.semantics.readiness import is_prometheus, readiness_asked
from efsdiag.semantics.statuses import Container


def ready_answered(pod: dict[str, Any], attempt: Attempt, pod_containers: tuple[Container, ...]) -> Verdict:
    program = next((c for c in pod_containers if not c.init and is_prometheus(c.spec)), None)
    if program is None:
        return skipped("the pod runs no Prometheus")
    if not program.running:
        return waiting(f"{program.name} does not run")
    asked = readiness_asked(program.spec)
    if program.status.get("ready") and asked.ready:
        return passed(f"{program.name} answers {asked.path}: the kubelet asks it, and takes it for ready", asked.words)
    if program.status.get("ready"):
        return unknown(
            f"{program.name} is ready without being asked at {asked.path}: {asked.words}",
            f"a readiness probe of GET {asked.path} on the port of {program.name}",
        )
    if attempt.young:
        return waiting(f"{program.name} is still coming up; look again after {attempt.look_again}")
    if not asked.ready:
        return waiting(f"{program.name} is not ready, and is not asked at {asked.path}: {asked.words}")
    says = f"{program.name} runs, and does not answer {asked.path} with success"
    return failed("", says, ref_of(pod), asked.words)


def single_instance(
    attempt: Attempt, pod: dict[str, Any], heard: Heard, workload: Any = None, sibling_pods: Any = None
) -> Verdict:
    if not attempt.ran:
        return waiting("the process has not run yet")
    held = heard.of("prometheus.lock-held")
    if not held:
        return passed("the program does not say that another one holds its data")
    others = [p["metadata"]["name"] for p in sibling_pods or []]
    spec = (workload or {}).get("spec", {})
    strategy = (spec.get("strategy") or {}).get("type")
    # Of several replicas each holds the directory against the others, whatever is rolled out.
    one = spec.get("replicas", 1) == 1
    older = [p["metadata"]["name"] for p in sibling_pods or [] if one or controller_of(p) != controller_of(pod)]
    if older and strategy == "RollingUpdate":
        says = (
            f"Deployment {workload['metadata']['name']} starts the new pod before the old one ends (RollingUpdate): "
            f"{older[0]} still holds the data directory"
        )
        return failed(
            "helm.rolling-update-overlap", says, ref_of(workload), held[0].line, "strategy.type: RollingUpdate"
        )
    by = f"{', '.join(others)} of the same workload" if others else "another instance"
    says = f"{by} holds the data directory: {held[0].line}"
    return failed("prometheus.lock-held", says, ref_of(pod), held[0].line, *others)


def space_left(
    attempt: Attempt,
    heard: Heard,
    pod: dict[str, Any],
    data_directory: DataPath | None = None,
    data_volume: dict[str, Any] | None = None,
) -> Verdict:
    if not attempt.ran:
        return waiting("the process has not run yet")
    said = heard.of("prometheus.no-space", "ebs.volume-full", "nfs.server-disk-full")
    if not said:
        return passed("the program does not say that space ran out")
    spec = (data_volume or {}).get("spec", {})
    if data_volume is not None and (
        (spec.get("csi") or {}).get("driver") == "ebs.csi.aws.com" or "awsElasticBlockStore" in spec
    ):
        on = Ref("PersistentVolume", data_volume["metadata"]["name"])
        return failed("ebs.volume-full", f"EBS volume {on.name} is full: {said[0].line}", on, said[0].line)
    if data_volume is not None and "nfs" in spec:
        says = f"the disk of NFS server {spec['nfs'].get('server')} is full: {said[0].line}"
        return failed(
            "nfs.server-disk-full", says, Ref("PersistentVolume", data_volume["metadata"]["name"]), said[0].line
        )
    if data_directory is not None and not data_directory.volume:
        says = f"{data_directory.path} is on no claim of the pod, and the disk behind it is full: {said[0].line}"
        return failed("prometheus.no-space", says, ref_of(pod), said[0].line)
    # EFS grows with what is written: on its volume, another directory must be meant. Of no volume nobody can say.
    sure = data_volume is not None and (spec.get("csi") or {}).get("driver") != EFS_DRIVER
    says = f"no space is left for the program: {said[0].line}"
    return failed("prometheus.no-space", says, ref_of(pod), said[0].line, sure=sure)


def file_system_supported(main_container: Container, data_efs_volume: Any) -> Verdict:
    if not image_name(main_container.spec.get("image", "")).endswith("/prometheus"):
        return skipped("the program is not Prometheus")
    on = Ref("PersistentVolume", data_efs_volume.name)
    return failed("prometheus.on-nfs-unsupported", "Prometheus does not support NFS, and so not EFS, for its data", on)
