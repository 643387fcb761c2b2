"""What is wrong or odd around Prometheus and has nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable

from worlds.cluster import running_status
from worlds.ids import ago
from worlds.world import Thing, World, metadata

Noise = Callable[[World], None]


def crash_loop_next_door(world: World) -> None:
    """Another team's pod ends again and again, with words that would be telling in ours."""
    pod = _other_pod(world, "cart")
    pod["status"]["containerStatuses"][0] |= {
        "ready": False,
        "restartCount": 240,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(2)}},
    }
    world.print_log(pod, "main", ["opening storage failed: open /data/wal/0000: permission denied"])
    world.say(pod, "BackOff", "Back-off restarting failed container main in pod cart")


def pending_claim_next_door(world: World) -> None:
    """Another team's claim names a class that does not exist."""
    claim: Thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(world, "uploads", "shop"),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast-ssd",
            "resources": {"requests": {"storage": "1Ti"}},
        },
        "status": {"phase": "Pending"},
    }
    world.all("persistentvolumeclaims").append(claim)
    world.say(claim, "ProvisioningFailed", 'storageclass.storage.k8s.io "fast-ssd" not found')


def predecessor_failed(world: World) -> None:
    """Events about the pod that stood here before: same namespace, like name, another uid."""
    old = {**world.pod, "metadata": {**world.pod["metadata"], "uid": world.ids.uid()}}
    world.say(old, "FailedMount", "Unable to attach or mount volumes: timed out waiting for the condition", last=50)
    world.say(old, "FailedScheduling", '0/3 nodes are available: persistentvolumeclaim "x" not found.', last=55)
    world.say(old, "Failed", 'Error: secret "grafana" not found', last=48)


def late_start(world: World) -> None:
    """The pod's own first minutes: a projected volume that came late, a scheduler that waited for the claim."""
    pod = world.pod
    late = 'MountVolume.SetUp failed for volume "kube-api-access-x7k2p" : failed to sync configmap cache: timed out'
    world.say(pod, "FailedMount", f"{late} waiting for the condition", first=45, last=45, count=1)
    world.say(
        pod,
        "FailedScheduling",
        "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
        first=45,
        last=45,
        count=1,
    )


def driver_restarted(world: World) -> None:
    """The node was rebooted: the node plugin's containers have restarts, and are well."""
    for status in world.node_plugin["status"]["containerStatuses"]:
        ended = {"exitCode": 255, "reason": "Unknown", "finishedAt": ago(300)}
        status |= {"restartCount": 3, "lastState": {"terminated": ended}}


def spare_node_cordoned(world: World) -> None:
    """A node that Prometheus does not need is cordoned."""
    node = world.all("nodes")[-1]
    node["spec"] |= {
        "unschedulable": True,
        "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": ago(600)}],
    }
    world.say(node, "NodeNotSchedulable", "Node status is now: NodeNotSchedulable", normal=True, last=600, first=600)


def old_plugin_errors(world: World) -> None:
    """The node plugin's log still holds errors about another pod's volume, of hours ago."""
    world.append_log(
        world.node_plugin,
        "efs-plugin",
        "E1121 03:10:11.000000       1 mount_linux.go:272] Mount failed: exit status 1 Output: Failed to resolve "
        '"fs-0aaaaaaaaaaaaaaaa.efs.eu-west-1.amazonaws.com" - check that your file system ID is correct',
    )


def _other_pod(world: World, name: str) -> Thing:
    pod: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(world, f"{name}-{world.ids.suffix()}", "shop"),
        "spec": {
            "nodeName": world.all("nodes")[-1]["metadata"]["name"],
            "containers": [{"name": "main", "image": f"shop/{name}:1", "resources": {}}],
        },
    }
    pod["status"] = running_status(world, pod, since=600)
    world.all("pods").append(pod)
    return pod


AROUND: tuple[Noise, ...] = (
    crash_loop_next_door,
    pending_claim_next_door,
    predecessor_failed,
    driver_restarted,
    spare_node_cordoned,
)
"""Noise that goes with any fault."""
ALL: tuple[Noise, ...] = (*AROUND, late_start, old_plugin_errors)
"""Noise of a healthy world."""
