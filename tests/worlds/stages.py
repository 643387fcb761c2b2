"""How far the pod of Prometheus gets, with the symptoms of standing there: states, events, logs.

Each function sets back what the healthy world had beyond that step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worlds.base import data_directory
from worlds.ids import ago
from worlds.logs import failed_mount, unresolved
from worlds.world import Thing, World


def no_pod(world: World, message: str) -> None:
    """The ReplicaSet could not create the pod."""
    pod = world.pod
    owner = world.get("replicasets", pod["metadata"]["ownerReferences"][0]["name"], world.namespace)
    _drop_logs(world)
    world.forget(pod)
    world.remove("pods", pod)
    owner["status"] = {"replicas": 0}
    world.deployment["status"] = {"replicas": 0, "unavailableReplicas": 1}
    world.say(owner, "FailedCreate", message, by="replicaset-controller")


def unscheduled(world: World, because: str) -> None:
    """The scheduler finds no node; `because` is the middle of its sentence."""
    pod, count = world.pod, len(world.all("nodes"))
    pod["spec"].pop("nodeName", None)
    tail = "not found" if "PersistentVolumeClaim" in because else f"{count} Preemption is not helpful for scheduling"
    message = f"0/{count} nodes are available: {because}. preemption: 0/{count} nodes are available: {tail}."
    _drop_logs(world)
    world.forget(pod)
    pod["status"] = {
        "phase": "Pending",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
                "lastTransitionTime": ago(45),
            }
        ],
    }
    world.say(pod, "FailedScheduling", message, by="default-scheduler")
    _unready(world)


def unbound(world: World, reason: str, message: str, *, by: str = "persistentvolume-controller") -> None:
    """The claim is Pending: a volume made by hand is free, one that a provisioner made was never made."""
    claim = world.claim
    claim["status"] = {"phase": "Pending"}
    named = claim["spec"].pop("volumeName", "")
    claim["metadata"]["annotations"].pop("pv.kubernetes.io/bind-completed", None)
    world.forget(claim)
    for volume in [v for v in world.all("persistentvolumes") if v["metadata"]["name"] == named]:
        if world.shape.storage == "dynamic":
            world.remove("persistentvolumes", volume)
            world.volumes.pop(named, None)
            path = f"efs/describe-access-points/FileSystemId={world.file_system}"
            if path in world.aws:
                world.aws[path] = {"AccessPoints": []}
        else:
            volume["spec"].pop("claimRef", None)
            volume["status"]["phase"] = "Available"
    world.say(claim, reason, message, by=by, normal=reason in ("ExternalProvisioning", "WaitForFirstConsumer"))
    unscheduled(world, "pod has unbound immediate PersistentVolumeClaims")


def unprovisioned(world: World, error: str, *, logged: Sequence[str] = ()) -> None:
    """The provisioner was asked and failed with this error; the controller prints `logged`."""
    leader = world.leader["metadata"]["name"]
    class_name = world.claim["spec"].get("storageClassName", "efs-sc")
    waits_for(world, "efs.csi.aws.com")
    message = f'failed to provision volume with StorageClass "{class_name}": {error}'
    world.say(world.claim, "ProvisioningFailed", message, by=f"efs.csi.aws.com_{leader}_{world.ids.uid()}")
    world.append_log(
        world.leader, "efs-plugin", *logged, f"E1121 08:58:12.000000       1 driver.go:118] GRPC error: {error}"
    )
    world.append_log(world.leader, "csi-provisioner", f"I1121 08:58:12.000000       1 event.go:389] {message}")


def waits_for(world: World, provisioner: str) -> None:
    """The claim waits for a provisioner that does not answer."""
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    unbound(world, "ExternalProvisioning", text)


ACCESS_DENIED = (
    "rpc error: code = Unauthenticated desc = Access Denied. Please ensure you have the right AWS permissions: "
    "Access denied"
)
NO_ROLE = (
    "rpc error: code = Internal desc = Failed to fetch Access Points or Describe File System: List Access Points "
    "failed: operation error EFS: DescribeAccessPoints, get identity: get credentials: failed to refresh cached "
    "credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, "
)
NOT_FOUND_404 = NO_ROLE + "http response error StatusCode: 404, request to EC2 IMDS failed"
TIMED_OUT = NO_ROLE + "request canceled, context deadline exceeded"


def unmounted(world: World, error: str, *, logged: str = "", reason: str = "FailedMount", whole: bool = False) -> None:
    """The kubelet cannot mount the data volume. `whole`: `error` is the whole message."""
    pod = world.pod
    volume = world.volume["metadata"]["name"]
    _waiting(world, "ContainerCreating")
    message = error if whole else f'MountVolume.SetUp failed for volume "{volume}" : {error}'
    world.say(pod, reason, message)
    world.append_log(
        world.node_plugin, "efs-plugin", f"E1121 08:58:02.344550       1 driver.go:118] GRPC error: {logged or error}"
    ) if not whole and _plugin_ran(world) else None


def mount_fails(world: World, output: str, status: int = 32) -> None:
    """mount.efs ran on the node and ended with this output."""
    unmounted(world, _mount_error(world, output, status))


def mount_hangs(world: World) -> None:
    """No answer on TCP 2049: the kubelet gives up; the driver's log says why."""
    output = (
        "Mount attempt 1/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.\n"
        "Mount attempt 2/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.\n"
        "b'mount.nfs4: mount system call failed'"
    )
    error = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    unmounted(world, error, logged=_mount_error(world, output, 32))


def name_unresolved(world: World, fallback: str) -> None:
    """The file system's name does not resolve on the node; `fallback` says how asking the API went."""
    mount_fails(world, unresolved(world.file_system, world.region, fallback), 1)


def _mount_error(world: World, output: str, status: int) -> str:
    pod, volume = world.pod, world.volume
    target = (
        f"/var/lib/kubelet/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~csi/{volume['metadata']['name']}/mount"
    )
    options = ",".join([*([f"accesspoint={world.access_point}"] if world.access_point else []), "tls"])
    return failed_mount(f"{world.file_system}:/", options, target, output, status)


def not_created(world: World, reason: str, message: str) -> None:
    """The volumes are mounted, the container cannot be made."""
    pod = world.pod
    _waiting(world, reason, message, mounted=True)
    said = f"Error: {message}" if reason == "CreateContainerConfigError" else message
    world.say(pod, "Failed", said)


def crashing(world: World, log: Sequence[str], code: int = 1, why: str = "Error", *, restarts: int = 9) -> None:
    """The program ends again and again with this log."""
    pod = world.pod
    name = pod["metadata"]["name"]
    status = pod["status"]["containerStatuses"][0]
    ended = {"exitCode": code, "reason": why, "startedAt": ago(3.2), "finishedAt": ago(3.1)}
    ended["containerID"] = status["containerID"] = f"containerd://{world.ids.hex(64)}"
    back_off = f"back-off 5m0s restarting failed container=prometheus-server pod={name}_{world.namespace}"
    status |= {
        "ready": False,
        "started": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": back_off}},
        "lastState": {"terminated": ended},
    }
    _conditions(pod, ready=False)
    for previous in (False, True):
        world.print_log(pod, "prometheus-server", log, previous=previous)
    world.say(pod, "BackOff", "Back-off restarting failed container prometheus-server in pod " + name)
    _unready(world)


def running_unready(world: World, log: Sequence[str], *, since: float = 20) -> None:
    """The process runs, and its readiness probe fails."""
    pod = world.pod
    pod["status"]["containerStatuses"][0] |= {
        "ready": False,
        "state": {"running": {"startedAt": ago(since)}},
    }
    _conditions(pod, ready=False)
    world.print_log(pod, "prometheus-server", log)
    world.say(pod, "Unhealthy", "Readiness probe failed: context deadline exceeded")
    _unready(world)


def _waiting(world: World, reason: str, message: str = "", *, mounted: bool = False) -> None:
    pod = world.pod
    waiting: dict[str, Any] = {"reason": reason, **({"message": message} if message else {})}
    for status in pod["status"]["containerStatuses"]:
        status |= {"ready": False, "started": False, "restartCount": 0, "state": {"waiting": waiting}, "lastState": {}}
        status.pop("containerID", None)
    for status in pod["status"].get("initContainerStatuses") or []:
        status |= {"ready": False, "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}
        status |= {"lastState": {}, "containerID": ""}
    pod["status"]["phase"] = "Pending"
    _drop_logs(world)
    _conditions(pod, ready=False, mounted=mounted)
    _unready(world)


def _conditions(pod: Thing, *, ready: bool, mounted: bool = True) -> None:
    false = {"Ready", "ContainersReady"} if not ready else set()
    false |= set() if mounted else {"PodReadyToStartContainers"}
    for condition in pod["status"]["conditions"]:
        condition["status"] = "False" if condition["type"] in false else "True"


def _unready(world: World) -> None:
    world.deployment["status"] = {"replicas": 1, "unavailableReplicas": 1, "updatedReplicas": 1}


def _drop_logs(world: World) -> None:
    name = world.pod["metadata"]["name"]
    world.logs = {key: text for key, text in world.logs.items() if key[1] != name}


def _plugin_ran(world: World) -> bool:
    return any(p["spec"].get("nodeName") == world.node["metadata"]["name"] for p in world.driver_pods("efs-csi-node"))


def directory_of(world: World) -> str:
    """The data directory in the container."""
    return data_directory(world)[1]
