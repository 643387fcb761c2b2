"""Pods that are not made, or that no node can take."""

from __future__ import annotations

from worlds.fault import Stage, fault
from worlds.ids import ago
from worlds.stages import no_pod, unscheduled
from worlds.world import World, metadata


def _workers(world: World) -> list[dict]:  # type: ignore[type-arg]
    """The nodes that are not the control plane's."""
    label = "node-role.kubernetes.io/control-plane"
    return [n for n in world.all("nodes") if label not in n["metadata"].get("labels", {})]


def _control_plane(world: World) -> str:
    """What the scheduler says of the control plane's node, where there is one."""
    if world.shape.flavour == "eks":
        return ""
    taint = "taint {node-role.kubernetes.io/control-plane: }" if world.shape.kubernetes < "v1.34" else "taint(s)"
    return f"1 node(s) had untolerated {taint}, "


@fault("pod.quota-exceeded", Stage.CREATE)
def quota_is_used_up(world: World) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata(world, "team", world.namespace),
        "spec": {"hard": {"requests.memory": "1Gi"}},
        "status": {"hard": {"requests.memory": "1Gi"}, "used": {"requests.memory": "800Mi"}},
    }
    world.all("resourcequotas").append(quota)
    no_pod(
        world,
        'Error creating: pods "prometheus-server-x-abcde" is forbidden: exceeded quota: team, requested: '
        "requests.memory=1Gi, used: requests.memory=800Mi, limited: requests.memory=1Gi",
    )


@fault("pod.not-created", Stage.CREATE, sure=False)
def pod_security_refuses_the_pod(world: World) -> None:
    labels = world.get("namespaces", world.namespace)["metadata"]["labels"]
    labels["pod-security.kubernetes.io/enforce"] = "restricted"
    no_pod(
        world,
        'Error creating: pods "prometheus-server-x-abcde" is forbidden: violates PodSecurity "restricted:latest": '
        "allowPrivilegeEscalation != false, seccompProfile",
    )


@fault("pod.not-created", Stage.CREATE, sure=False)
def service_account_is_missing(world: World) -> None:
    world.remove("serviceaccounts", world.get("serviceaccounts", "prometheus-server", world.namespace))
    no_pod(
        world,
        'Error creating: pods "prometheus-server-x-" is forbidden: error looking up service account '
        'monitoring/prometheus-server: serviceaccount "prometheus-server" not found',
    )


@fault("pod.untolerated-taint", Stage.SCHEDULE)
@fault("pod.untolerated-taint", Stage.SCHEDULE, flavour="eks", kubernetes="v1.33.4")
def all_workers_are_dedicated(world: World) -> None:
    for node in _workers(world):
        node["spec"]["taints"] = [{"key": "dedicated", "value": "batch", "effect": "NoSchedule"}]
    old = world.shape.kubernetes < "v1.34"
    count = len(world.all("nodes"))
    unscheduled(world, f"{count} node(s) had untolerated {'taint {dedicated: batch}' if old else 'taint(s)'}")


@fault("pod.efs-agent-not-ready-taint", Stage.SCHEDULE, flavour="eks", kubernetes="v1.33.4")
@fault("pod.efs-agent-not-ready-taint", Stage.SCHEDULE)
def agent_taint_stays(world: World) -> None:
    for node in _workers(world):
        node["spec"]["taints"] = [{"key": "efs.csi.aws.com/agent-not-ready", "effect": "NoExecute"}]
    old = world.shape.kubernetes < "v1.34"
    count = len(world.all("nodes"))
    taint = "taint {efs.csi.aws.com/agent-not-ready: }" if old else "taint(s)"
    unscheduled(world, f"{count} node(s) had untolerated {taint}")
    for pod in world.driver_pods("efs-csi-node"):
        world.append_log(pod, "efs-plugin", "E1121 08:00:00 Unexpected failure when attempting to remove node taint(s)")


@fault("pod.node-selector-mismatch", Stage.SCHEDULE)
def no_node_has_the_label(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["nodeSelector"] = {"disktype": "ssd"}
    count = len(world.all("nodes"))
    unscheduled(world, f"{count} node(s) didn't match Pod's node affinity/selector")


@fault("pod.node-unschedulable", Stage.SCHEDULE)
def workers_are_cordoned(world: World) -> None:
    workers = _workers(world)
    for node in workers:
        node["spec"]["unschedulable"] = True
        node["spec"]["taints"] = [
            {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": ago(60)}
        ]
    unscheduled(world, f"{_control_plane(world)}{len(workers)} node(s) were unschedulable")


@fault("pod.insufficient-resources", Stage.SCHEDULE)
@fault("pod.insufficient-resources", Stage.SCHEDULE, flavour="eks", kubernetes="v1.33.4")
def pod_requests_more_than_any_node_has(world: World) -> None:
    workers = _workers(world)
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["resources"] = {"requests": {"cpu": "500m", "memory": "64Gi"}}
    unscheduled(world, f"{_control_plane(world)}{len(workers)} Insufficient memory")


@fault("pod.node-disk-pressure", Stage.SCHEDULE)
def disks_of_the_workers_are_full(world: World) -> None:
    workers = _workers(world)
    for node in workers:
        node["spec"]["taints"] = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
        pressure = next(c for c in node["status"]["conditions"] if c["type"] == "DiskPressure")
        pressure |= {"status": "True", "reason": "KubeletHasDiskPressure"}
        world.say(node, "FreeDiskSpaceFailed", "failed to garbage collect required amount of images")
    old = world.shape.kubernetes < "v1.34"
    taint = "taint {node.kubernetes.io/disk-pressure: }" if old else "taint(s)"
    unscheduled(world, f"{len(world.all('nodes'))} node(s) had untolerated {taint}")


@fault("pod.node-disk-pressure", Stage.SCHEDULE, latent=("ebs.root-volume-too-small",), label="8-gib")
def images_fill_the_disks_that_ec2_gives_without_being_asked(world: World) -> None:
    for node in _workers(world):
        node["status"]["capacity"]["ephemeral-storage"] = "8043444Ki"
    disks_of_the_workers_are_full(world)


@fault("pod.volume-node-affinity-conflict", Stage.SCHEDULE)
@fault("pod.volume-node-affinity-conflict", Stage.SCHEDULE, kubernetes="v1.33.4", flavour="eks")
def volume_is_bound_to_a_zone_without_workers(world: World) -> None:
    zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["eu-west-1f"]}
    world.volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}}
    count = len(_workers(world))
    old = world.shape.kubernetes < "v1.34"
    says = "had volume node affinity conflict" if old else "didn't match PersistentVolume's node affinity"
    unscheduled(world, f"{_control_plane(world)}{count} node(s) {says}")


@fault("pod.max-volume-count", Stage.SCHEDULE, sure=False)
def nodes_take_no_more_volumes(world: World) -> None:
    for node in world.all("csinodes"):
        node["spec"]["drivers"][0]["allocatable"] = {"count": 1}
    unscheduled(world, f"{_control_plane(world)}{len(_workers(world))} node(s) exceed max volume count")


@fault("pod.rwop-in-use", Stage.SCHEDULE, sure=False)
def another_pod_holds_the_exclusive_claim(world: World) -> None:
    other = {**world.pod, "metadata": metadata(world, "prometheus-debug", world.namespace, labels={"app": "debug"})}
    other["spec"] = {**world.pod["spec"]}
    other["status"] = {**world.pod["status"]}
    world.all("pods").append(other)
    world.claim["spec"]["accessModes"] = world.volume["spec"]["accessModes"] = ["ReadWriteOncePod"]
    unscheduled(
        world,
        f"{_control_plane(world)}{len(_workers(world))} node(s) unavailable due to PersistentVolumeClaim with "
        "ReadWriteOncePod access mode already in-use by another pod",
    )
