"""Prometheus itself: its flags, its configuration, its memory, its data."""

from __future__ import annotations

import copy

from worlds.cluster import owner_of
from worlds.fault import Stage, fault
from worlds.ids import ago
from worlds.logs import begin, failing, line, opening
from worlds.stages import crashing, directory_of, running_unready
from worlds.world import World, metadata


def _storage(world: World, error: str) -> None:
    crashing(world, failing(world.shape.prometheus, f"opening storage failed: {error}"))


@fault("prometheus.lock-held", Stage.PROCESS, prometheus="2.42")
@fault("prometheus.lock-held", Stage.PROCESS, prometheus="3.14", flavour="eks")
def another_instance_holds_the_lock(world: World) -> None:
    _storage(world, "lock DB directory: resource temporarily unavailable")


@fault("helm.rolling-update-overlap", Stage.PROCESS)
def rolling_update_starts_the_new_pod_first(world: World) -> None:
    old = copy.deepcopy(world.pod)
    before = copy.deepcopy(world.get("replicasets", old["metadata"]["ownerReferences"][0]["name"], world.namespace))
    digest = world.ids.suffix(10)
    for thing, name in ((before, f"prometheus-server-{digest}"), (old, f"prometheus-server-{digest}-abcde")):
        thing["metadata"] |= {"name": name, "uid": world.ids.uid(), "creationTimestamp": ago(9000)}
        thing["metadata"]["labels"]["pod-template-hash"] = digest
    before["spec"]["selector"]["matchLabels"]["pod-template-hash"] = digest
    old["metadata"]["ownerReferences"] = [owner_of(before)]
    world.all("replicasets").append(before)
    world.deployment["spec"]["strategy"] = {"type": "RollingUpdate"}
    _storage(world, "lock DB directory: resource temporarily unavailable")
    world.all("pods").append(old)


@fault("prometheus.lock-unsupported", Stage.PROCESS, sure=False)
def file_system_grants_no_locks(world: World) -> None:
    _storage(world, "lock DB directory: no locks available")


@fault("prometheus.wal-corruption", Stage.PROCESS, sure=False, prometheus="2.42")
@fault("prometheus.wal-corruption", Stage.PROCESS, sure=False, prometheus="3.14")
def wal_cannot_be_repaired(world: World) -> None:
    path = f"{directory_of(world)}/wal/00002019"
    _storage(world, f"repair corrupted WAL: cannot handle error: open WAL segment: 2019: open {path}: no such file")


@fault("prometheus.block-corruption", Stage.PROCESS, sure=False)
def block_has_lost_its_meta_file(world: World) -> None:
    block = f"{directory_of(world)}/01JCZK3F6Q4X7N0V5W8Y2B9D1E"
    _storage(
        world,
        f'block dir: \\"{block}\\": read meta information {block}: open {block}/meta.json: no such file or directory',
    )


@fault("prometheus.head-chunks-corruption", Stage.PROCESS, sure=False)
def head_chunks_have_gaps(world: World) -> None:
    _storage(world, "found unsequential head chunk files 519 and 521")


@fault("prometheus.io-error", Stage.PROCESS, sure=False)
def reads_end_in_an_error(world: World) -> None:
    _storage(world, f"read {directory_of(world)}/wal/00000012: input/output error")


@fault("prometheus.no-space", Stage.PROCESS, sure=False)
def file_system_is_full(world: World) -> None:
    _storage(
        world, f"open DB in {directory_of(world)}: write {directory_of(world)}/wal/00000012: no space left on device"
    )


@fault("prometheus.disk-quota-exceeded", Stage.PROCESS, sure=False)
def efs_limit_is_reached(world: World) -> None:
    _storage(world, f"write {directory_of(world)}/wal/00000012: disk quota exceeded")


@fault("prometheus.sigbus-query-log", Stage.PROCESS, sure=False)
def memory_map_of_the_query_log_breaks(world: World) -> None:
    log = [
        *opening(world.shape.prometheus),
        "unexpected fault address 0x7f3a5c000000",
        "fatal error: fault",
        "[signal SIGBUS: bus error code=0x2 addr=0x7f3a5c000000 pc=0x46f1a5]",
    ]
    crashing(world, log, code=2)


@fault("prometheus.oom-killed", Stage.PROCESS)
@fault(
    "prometheus.oom-killed", Stage.PROCESS, flavour="eks", kubernetes="v1.33.4", storage="dynamic", prometheus="2.42"
)
def memory_limit_is_too_low(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["resources"] = {"limits": {"memory": "512Mi"}, "requests": {"memory": "512Mi"}}
    version = world.shape.prometheus
    log = [*opening(version), line(version, 2.1, "info", "Replaying WAL, this may take a while", component="tsdb")]
    crashing(world, log, code=137, why="OOMKilled")


@fault("prometheus.startup-probe-killed", Stage.PROCESS, sure=False)
def liveness_probe_kills_the_replay(world: World) -> None:
    version = world.shape.prometheus
    log = [*opening(version), line(version, 2.1, "info", "Replaying WAL, this may take a while", component="tsdb")]
    running_unready(world, log, since=1)
    status = world.pod["status"]["containerStatuses"][0]
    status |= {
        "restartCount": 7,
        "lastState": {"terminated": {"exitCode": 143, "reason": "Error", "finishedAt": ago(1.1)}},
    }
    world.say(world.pod, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503")
    world.say(world.pod, "Killing", "Container prometheus-server failed liveness probe, will be restarted")


@fault("prometheus.bad-config", Stage.PROCESS, sure=False, prometheus="2.42")
@fault("prometheus.bad-config", Stage.PROCESS, sure=False, prometheus="3.5")
@fault("prometheus.bad-config", Stage.PROCESS, sure=False, prometheus="3.14")
def configuration_has_an_unknown_field(world: World) -> None:
    version, file = world.shape.prometheus, "/etc/config/prometheus.yml"
    error = (
        f"parsing YAML file {file}: yaml: unmarshal errors: line 3: field scrape_intervall not found in "
        f"type config.plain"
    )
    text = line(version, 1.2, "error", f"Error loading config (--config.file={file})", file=file, err=error)
    crashing(world, [text], code=2)


@fault("prometheus.bad-flag", Stage.PROCESS, sure=False, prometheus="2.42")
@fault("prometheus.bad-flag", Stage.PROCESS, sure=False, prometheus="3.14")
def flag_was_removed(world: World) -> None:
    world.main["args"].append("--storage.tsdb.retention=15d")
    text = "unknown long flag '--storage.tsdb.retention'"
    crashing(world, [f"Error parsing command line arguments: {text}", f"prometheus: error: {text}"], code=2)


@fault("prometheus.agent-mode-mismatch", Stage.PROCESS, sure=False)
def server_flags_in_agent_mode(world: World) -> None:
    world.main["args"].append("--agent")
    flags = 'The following flag(s) can not be used in agent mode: ["--storage.tsdb.path"]'
    crashing(world, [*begin(world.shape.prometheus), flags], code=3)


@fault("grafana.sqlite-on-nfs", Stage.PROCESS, sure=False)
def grafana_keeps_sqlite_on_efs(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        container = spec["containers"][0]
        container |= {"image": "docker.io/grafana/grafana:12.2.0", "args": []}
        container["volumeMounts"][1]["mountPath"] = "/var/lib/grafana"
    text = (
        'logger=migrator t=2026-11-21T08:57:00Z level=error msg="Executing migration failed" error="database is locked"'
    )
    crashing(world, [text])


@fault("ebs.volume-full", Stage.PROCESS)
def ebs_volume_is_full(world: World) -> None:
    _on_other_storage(
        world, csi={"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0123456789abcdef0", "fsType": "ext4"}
    )
    file_system_is_full(world)


@fault("nfs.server-disk-full", Stage.PROCESS)
def disk_of_the_nfs_server_is_full(world: World) -> None:
    _on_other_storage(world, nfs={"server": "10.0.0.9", "path": "/exports/prometheus"})
    file_system_is_full(world)


def _on_other_storage(world: World, **source: dict[str, str]) -> None:
    world.volume["spec"].pop("csi")
    world.volume["spec"] |= source
    world.volumes.clear()
    world.all("csidrivers").append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": metadata(world, "ebs.csi.aws.com"),
            "spec": {},
        }
    )
