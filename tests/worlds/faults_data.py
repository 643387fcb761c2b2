"""The data directory: where it is, and who may write it."""

from __future__ import annotations

from worlds.account import set_file_system_policy
from worlds.base import USER, entry
from worlds.fault import Stage, fault
from worlds.logs import failing, line, query_log_refused
from worlds.stages import crashing, directory_of
from worlds.world import World


def _refused(world: World, *, parent: bool, why: str = "permission denied") -> None:
    version = world.shape.prometheus
    log = query_log_refused(version, directory_of(world), why, parent=parent)
    crashing(world, log, code=1 if version == "3.14" else 2)


@fault("permission.data-dir-not-writable", Stage.PROCESS, prometheus="2.42", latent=("permission.fsgroup-ineffective",))
@fault("permission.data-dir-not-writable", Stage.PROCESS, prometheus="3.5", flavour="eks")
@fault("permission.data-dir-not-writable", Stage.PROCESS, prometheus="3.14")
def fresh_file_system_belongs_to_root(world: World) -> None:
    world.listing()["/"] |= {"uid": 0, "gid": 0}
    _refused(world, parent=False)


@fault("permission.data-dir-not-writable", Stage.PROCESS, storage="directories")
def data_directory_belongs_to_another_user(world: World) -> None:
    world.listing()["/prometheus/server"] |= {"uid": 1000, "gid": 1000}
    _refused(world, parent=False)


@fault("permission.data-dir-not-writable", Stage.PROCESS, sure=False, label="unlisted")
def nobody_looked_inside_and_the_log_says_so(world: World) -> None:
    world.volumes.clear()
    _refused(world, parent=False)


@fault("permission.parent-not-searchable", Stage.PROCESS, storage="directories", prometheus="2.42")
@fault("permission.parent-not-searchable", Stage.PROCESS, storage="directories", prometheus="3.5", flavour="eks")
@fault("permission.parent-not-searchable", Stage.PROCESS, storage="directories", prometheus="3.14")
def parent_is_for_root_only(world: World) -> None:
    world.listing()["/prometheus"] |= {"uid": 0, "gid": 0, "mode": "0700"}
    _refused(world, parent=True)


@fault("permission.parent-not-searchable", Stage.PROCESS, storage="directories")
def mount_root_is_for_root_only(world: World) -> None:
    world.listing()["/"] |= {"uid": 0, "gid": 0, "mode": "0750"}
    _refused(world, parent=True)


@fault("permission.existing-file-owner", Stage.PROCESS)
def query_log_was_written_by_root(world: World) -> None:
    world.volumes["prometheus-efs"]["entries"].append(entry("/queries.active", 0, mode="0644", kind="file"))
    _refused(world, parent=False)


@fault("permission.existing-file-owner", Stage.PROCESS, prometheus="3.14")
def lock_was_written_by_root(world: World) -> None:
    world.volumes["prometheus-efs"]["entries"].append(entry("/lock", 0, mode="0644", kind="file"))
    path = f"{directory_of(world)}/lock"
    log = failing(world.shape.prometheus, f"opening storage failed: lock DB directory: open {path}: permission denied")
    crashing(world, log)


@fault("permission.existing-file-owner", Stage.PROCESS)
def segment_was_written_by_root(world: World) -> None:
    world.volumes["prometheus-efs"]["entries"].append(entry("/wal/00000007", 0, mode="0600", kind="file"))
    path = f"{directory_of(world)}/wal/00000007"
    crashing(world, failing(world.shape.prometheus, f"opening storage failed: open {path}: permission denied"))


@fault("permission.access-point-uid-mismatch", Stage.PROCESS, storage="dynamic")
def access_point_user_does_not_own_its_root(world: World) -> None:
    world.listing()["/"] |= {"uid": USER, "gid": USER, "mode": "0755"}
    _refused(world, parent=False)


@fault("permission.root-squash", Stage.PROCESS)
def root_is_nobody_to_the_file_system(world: World) -> None:
    context = {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": False}
    world.pod["spec"]["securityContext"] = world.deployment["spec"]["template"]["spec"]["securityContext"] = context
    world.listing()["/"] |= {"uid": 0, "gid": 0}
    rights = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    set_file_system_policy(world, {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": rights})
    _refused(world, parent=False)


@fault("mount.read-only", Stage.PROCESS)
def policy_gives_no_right_to_write(world: World) -> None:
    rights = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientRootAccess"]
    set_file_system_policy(world, {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": rights})
    _refused(world, parent=False, why="read-only file system")


@fault("mount.read-only", Stage.PROCESS, prometheus="2.42")
def mount_point_is_read_only(world: World) -> None:
    world.main["volumeMounts"][1]["readOnly"] = True
    _refused(world, parent=False, why="read-only file system")


@fault("mount.read-only", Stage.PROCESS, prometheus="3.14", options=("ro",))
def volume_has_the_option_ro(world: World) -> None:
    _refused(world, parent=False, why="read-only file system")


@fault("efs.replica-read-only", Stage.PROCESS)
def file_system_is_a_replica(world: World) -> None:
    world.system["FileSystemProtection"]["ReplicationOverwriteProtection"] = "REPLICATING"
    _refused(world, parent=False, why="read-only file system")


@fault("prometheus.tsdb-path-off-volume", Stage.PROCESS)
def data_path_is_beside_the_mount(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["args"][1] = "--storage.tsdb.path=/efs"
    crashing(world, query_log_refused(world.shape.prometheus, "/efs", parent=True), code=2)


@fault("permission.access-point-chown-denied", Stage.PROCESS, storage="dynamic")
def init_container_changes_owners(world: World) -> None:
    _failing_init(world, "init-chown-data", "busybox:1.36", "chown: /data: Operation not permitted")


def _failing_init(world: World, name: str, image: str, line: str) -> None:
    """An init container that ends again and again before anything else starts."""
    crashing(world, [])
    world.logs = {k: t for k, t in world.logs.items() if k[1] != world.pod["metadata"]["name"]}
    pod = world.pod
    mounts = [m for m in world.main["volumeMounts"] if m["name"] == "storage-volume"]
    init = {"name": name, "image": image, "command": ["chown", "-R", "65534", "/data"], "volumeMounts": mounts}
    pod["spec"]["initContainers"] = [{**init, "securityContext": {"runAsUser": 0, "runAsNonRoot": False}}]
    status = pod["status"]["containerStatuses"][0]
    pod["status"]["initContainerStatuses"] = [{**status, "name": name, "image": image}]
    pod["status"]["containerStatuses"] = [
        {
            "name": "prometheus-server",
            "image": world.main["image"],
            "ready": False,
            "restartCount": 0,
            "state": {"waiting": {"reason": "PodInitializing"}},
            "lastState": {},
        }
    ]
    pod["status"]["phase"] = "Pending"
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "Initialized":
            condition["status"] = "False"
    world.print_log(pod, name, [line])
    world.print_log(pod, name, [line], previous=True)


@fault("node.selinux-denies-nfs", Stage.PROCESS, sure=False)
def selinux_keeps_containers_from_nfs(world: World) -> None:
    world.node["status"]["nodeInfo"]["osImage"] = "Red Hat Enterprise Linux 9.6 (Plow)"
    _refused(world, parent=False)


@fault("prometheus.tsdb-path-off-volume", Stage.PROCESS, label="default")
def nobody_says_where_the_data_go(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["args"].pop(1)
    _refused(world, parent=True, why="no such file or directory")


@fault("permission.data-dir-not-writable", Stage.PROCESS, label="alertmanager")
def alertmanager_cannot_make_its_directory(world: World) -> None:
    """Alertmanager keeps its data in a directory below the root of a new file system."""
    world.listing()["/"] |= {"uid": 0, "gid": 0}
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        container = spec["containers"][0]
        container |= {"image": "quay.io/prometheus/alertmanager:v0.28.1", "args": ["--storage.path=/data/alerts"]}
    why = "mkdir /data/alerts: permission denied"
    crashing(world, [line("3.5", 1.2, "error", "Unable to create data directory", err=why)])
