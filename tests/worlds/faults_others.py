"""Other storage and other programs: NFS servers, EBS, Grafana, Longhorn, the operator, load balancers."""

from __future__ import annotations

from worlds.fault import Stage, fault
from worlds.faults_data import _failing_init
from worlds.faults_driver import stop
from worlds.ids import ago
from worlds.logs import query_log_refused
from worlds.other_storage import manager_of, on_ebs, on_longhorn
from worlds.stages import crashing, directory_of, unbound, unmounted, unprovisioned, unscheduled, waits_for
from worlds.world import Thing, World, metadata

LONGHORN_NOT_FOUND = (
    "kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name driver.longhorn.io not "
    "found in the list of registered CSI drivers"
)


def _nfs(world: World) -> Thing:
    """The volume on an NFS server instead of EFS."""
    world.volume["spec"].pop("csi")
    source = {"server": "10.0.0.9", "path": "/exports/prometheus"}
    world.volume["spec"]["nfs"] = source
    world.volumes.clear()
    return source


def _nfs_error(world: World, output: str, status: int = 32) -> None:
    volume = world.volume["metadata"]["name"]
    text = (
        f'MountVolume.SetUp failed for volume "{volume}" : mount failed: exit status {status}\nMounting '
        f"command: mount\n"
        f"Mounting arguments: -t nfs 10.0.0.9:/exports/prometheus /mount\nOutput: {output}\n"
    )
    unmounted(world, text, whole=True)


@fault("nfs.client-missing", Stage.MOUNT, sure=False)
def node_has_no_nfs_helper(world: World) -> None:
    _nfs(world)
    _nfs_error(
        world,
        "mount: /mount: bad option; for several filesystems (e.g. nfs, cifs) you might need a "
        "/sbin/mount.<type> helper program.",
    )


@fault("nfs.server-down", Stage.MOUNT, sure=False)
def nfs_server_refuses_connections(world: World) -> None:
    _nfs(world)
    _nfs_error(world, "mount.nfs: Connection refused")


@fault("nfs.export-denied", Stage.MOUNT, sure=False)
def nfs_server_does_not_export_to_the_node(world: World) -> None:
    _nfs(world)
    _nfs_error(world, "mount.nfs: access denied by server while mounting 10.0.0.9:/exports/prometheus")


@fault("nfs.path-missing", Stage.MOUNT, sure=False)
def nfs_server_has_no_such_path(world: World) -> None:
    _nfs(world)
    _nfs_error(
        world,
        "mount.nfs: mounting 10.0.0.9:/exports/prometheus failed, reason given by server: No such file or directory",
    )


@fault("nfs.root-squash", Stage.PROCESS, sure=False)
def nfs_server_squashes_root(world: World) -> None:
    _nfs(world)
    context = {"runAsUser": 0, "runAsGroup": 0}
    world.pod["spec"]["securityContext"] = world.deployment["spec"]["template"]["spec"]["securityContext"] = context
    crashing(world, query_log_refused(world.shape.prometheus, directory_of(world), parent=False), code=2)


@fault("grafana.init-chown-denied", Stage.PROCESS, storage="dynamic")
def grafanas_chown_is_refused(world: World) -> None:
    _failing_init(
        world, "init-chown-data", "docker.io/library/busybox:1.31.1", "chown: /var/lib/grafana: Operation not permitted"
    )
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0] |= {"image": "docker.io/grafana/grafana:12.2.0", "args": []}
        spec["containers"][0]["volumeMounts"][1]["mountPath"] = "/var/lib/grafana"


def _ebs(world: World) -> None:
    world.volume["spec"]["csi"] = {
        "driver": "ebs.csi.aws.com",
        "volumeHandle": "vol-0123456789abcdef0",
        "fsType": "ext4",
    }
    world.volume["spec"]["accessModes"] = world.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    world.volumes.clear()
    _ebs_driver(world)


def _ebs_driver(world: World) -> None:
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": metadata(world, "ebs.csi.aws.com")}
    world.all("csidrivers").append({**driver, "spec": {"attachRequired": True}})


@fault("ebs.multi-attach", Stage.MOUNT)
def ebs_volume_hangs_on_another_node(world: World) -> None:
    _ebs(world)
    volume = world.volume["metadata"]["name"]
    attachment = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "VolumeAttachment",
        "metadata": metadata(world, f"csi-{world.ids.hex(64)}"),
        "spec": {
            "attacher": "ebs.csi.aws.com",
            "nodeName": world.all("nodes")[-1]["metadata"]["name"],
            "source": {"persistentVolumeName": volume},
        },
        "status": {"attached": True},
    }
    world.all("volumeattachments").append(attachment)
    text = (
        f'Multi-Attach error for volume "{volume}" Volume is already exclusively attached to one node and can\'t be '
        "attached to another"
    )
    unmounted(world, text, reason="FailedAttachVolume", whole=True)


@fault("ebs.iam-denied", Stage.BIND, storage="dynamic", sure=False)
def ebs_driver_may_not_create_volumes(world: World) -> None:
    _ebs_driver(world)
    class_ = world.get("storageclasses", "efs-sc")
    class_ |= {"provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}}
    class_["metadata"]["name"] = world.claim["spec"]["storageClassName"] = "gp3"
    world.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    unprovisioned(
        world,
        'rpc error: code = Internal desc = Could not create volume "pvc-1": could not create volume in EC2: operation '
        "error EC2: CreateVolume, https response error StatusCode: 403, RequestID: 1, api error UnauthorizedOperation: "
        "You are not authorized to perform this operation.",
    )


@fault("longhorn.open-iscsi-missing", Stage.BIND, storage="dynamic")
def longhorn_never_started(world: World) -> None:
    class_ = world.get("storageclasses", "efs-sc")
    class_ |= {"provisioner": "driver.longhorn.io", "parameters": {"numberOfReplicas": "3"}}
    class_["metadata"]["name"] = world.claim["spec"]["storageClassName"] = "longhorn"
    world.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    waits_for(world, "driver.longhorn.io")
    _longhorn_manager(world)


def _longhorn_manager(world: World) -> None:
    """The manager on the first node, which ends because iscsiadm is not there."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata(world, "longhorn-system")}
    world.all("namespaces").append({**namespace, "status": {"phase": "Active"}})
    pod: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(world, "longhorn-manager-7k2xq", "longhorn-system", labels={"app": "longhorn-manager"}),
        "spec": {
            "nodeName": world.all("nodes")[0]["metadata"]["name"],
            "containers": [{"name": "longhorn-manager", "image": "longhornio/longhorn-manager:v1.9.1"}],
        },
    }
    ended = {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": ago(4), "finishedAt": ago(4)}}
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"name": "longhorn-manager", "ready": False, "restartCount": 9, "state": state, "lastState": ended}
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    pod["status"] = {"phase": "Running", "conditions": conditions, "containerStatuses": [status]}
    world.all("pods").append(pod)
    says = "failed to check environment, please make sure you have iscsiadm/open-iscsi installed on the host"
    world.print_log(pod, "longhorn-manager", [f'level=fatal msg="Error starting manager: {says}"'])


@fault("storageclass.not-found", Stage.BIND, label="gp3")
def class_gp3_was_never_made(world: World) -> None:
    """EKS makes gp2 only."""
    on_ebs(world)
    world.remove("storageclasses", world.get("storageclasses", "gp3"))
    unbound(world, "ProvisioningFailed", 'storageclass.storage.k8s.io "gp3" not found')
    world.kube["persistentvolumes"] = []


@fault("pod.volume-node-affinity-conflict", Stage.SCHEDULE, label="ebs")
def ebs_volume_is_in_a_zone_without_workers(world: World) -> None:
    """The node group was made anew in other zones, and the volume stayed."""
    on_ebs(world)
    zone = world.volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]
    zone["values"] = ["eu-west-1f"]
    unscheduled(world, "3 node(s) didn't match PersistentVolume's node affinity")


@fault("longhorn.open-iscsi-missing", Stage.MOUNT, label="manager")
def longhorns_manager_finds_no_iscsi(world: World) -> None:
    on_longhorn(world)
    manager = manager_of(world)
    text = (
        'time="2026-11-21T08:58:00Z" level=fatal msg="Error starting manager: failed to check environment, please '
        'make sure you have iscsiadm/open-iscsi installed on the host"'
    )
    for previous in (False, True):
        world.print_log(manager, "longhorn-manager", [text], previous=previous)
    stop(manager, "longhorn-manager")
    unmounted(world, LONGHORN_NOT_FOUND)


@fault("longhorn.open-iscsi-missing", Stage.MOUNT, sure=False)
def longhorn_finds_no_iscsi(world: World) -> None:
    world.volume["spec"]["csi"] = {"driver": "driver.longhorn.io", "volumeHandle": world.volume["metadata"]["name"]}
    world.volumes.clear()
    unmounted(world, LONGHORN_NOT_FOUND)
