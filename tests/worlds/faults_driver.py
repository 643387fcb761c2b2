"""The EFS CSI driver: not there, not on the node, not registered, not running."""

from __future__ import annotations

from worlds.fault import Stage, fault
from worlds.ids import ago
from worlds.stages import mount_fails, unmounted, unprovisioned, unscheduled, waits_for
from worlds.world import Thing, World

NOT_REGISTERED = (
    "kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name efs.csi.aws.com not found in the list of "
    "registered CSI drivers"
)


def _uninstall(world: World) -> None:
    for app in ("efs-csi-node", "efs-csi-controller"):
        for pod in world.driver_pods(app):
            world.remove("pods", pod)
            world.logs = {k: t for k, t in world.logs.items() if k[1] != pod["metadata"]["name"]}
    for resource in ("daemonsets", "deployments", "leases", "serviceaccounts"):
        world.kube[resource] = [t for t in world.all(resource) if not t["metadata"]["name"].startswith("efs-csi")]
    world.kube["csidrivers"] = []
    for node in world.all("csinodes"):
        node["spec"]["drivers"] = []


def _unregister(world: World) -> None:
    world.get("csinodes", world.node["metadata"]["name"])["spec"]["drivers"] = []


def stop(pod: Thing, container: str, *, reason: str = "Error", code: int = 1, restarts: int = 12) -> None:
    """One container of a driver's pod ends again and again."""
    for status in pod["status"]["containerStatuses"]:
        if status["name"] == container:
            status |= {
                "ready": False,
                "restartCount": restarts,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}},
                "lastState": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": ago(2)}},
            }
    for condition in pod["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady"):
            condition["status"] = "False"


@fault("csi.driver-not-installed", Stage.MOUNT)
def driver_is_not_installed_for_a_static_volume(world: World) -> None:
    _uninstall(world)
    handle, volume = world.file_system, world.volume["metadata"]["name"]
    unmounted(
        world,
        f'AttachVolume.Attach failed for volume "{volume}" : timed out waiting for external-attacher of '
        f"efs.csi.aws.com CSI driver to attach volume {handle}",
        reason="FailedAttachVolume",
        whole=True,
    )


@fault("csi.driver-not-installed", Stage.BIND, storage="dynamic", flavour="eks")
def driver_is_not_installed_for_a_claim(world: World) -> None:
    _uninstall(world)
    waits_for(world, "efs.csi.aws.com")


@fault("csi.driver-object-missing", Stage.MOUNT)
def driver_object_was_deleted(world: World) -> None:
    world.kube["csidrivers"] = []
    volume = world.volume["metadata"]["name"]
    unmounted(
        world,
        f'AttachVolume.Attach failed for volume "{volume}" : timed out waiting for external-attacher of '
        f"efs.csi.aws.com CSI driver to attach volume {world.file_system}",
        reason="FailedAttachVolume",
        whole=True,
    )


@fault("csi.node-daemonset-not-on-node", Stage.MOUNT)
@fault("csi.node-daemonset-not-on-node", Stage.MOUNT, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def daemonset_does_not_tolerate_the_node(world: World) -> None:
    taint = {"key": "dedicated", "value": "monitoring", "effect": "NoSchedule"}
    world.node["spec"]["taints"] = [taint]
    toleration = {"key": "dedicated", "operator": "Exists"}
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["tolerations"] = [*spec["tolerations"], toleration]
    daemons = world.daemonset
    daemons["spec"]["template"]["spec"]["tolerations"] = []
    world.remove("pods", world.node_plugin)
    count = len(world.all("nodes")) - 1
    daemons["status"] = {"desiredNumberScheduled": count, "numberReady": count, "currentNumberScheduled": count}
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-plugin-oom", Stage.MOUNT)
def node_plugin_is_killed_for_its_memory(world: World) -> None:
    stop(world.node_plugin, "efs-plugin", reason="OOMKilled", code=137)
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-plugin-crash", Stage.SCHEDULE)
def nodes_wait_for_a_plugin_that_crashes(world: World) -> None:
    for node in world.all("nodes"):
        node["spec"]["taints"] = [{"key": "efs.csi.aws.com/agent-not-ready", "effect": "NoExecute"}]
    for pod in world.driver_pods("efs-csi-node"):
        stop(pod, "efs-plugin", code=255)
    for csi_node in world.all("csinodes"):
        csi_node["spec"]["drivers"] = []
    unscheduled(world, f"{len(world.all('nodes'))} node(s) had untolerated taint(s)")


@fault("pv.volume-handle-version-skew", Stage.MOUNT, storage="dynamic", flavour="eks")
def plugin_of_the_node_is_older_than_the_daemonset(world: World) -> None:
    handle = f"efs:{world.volume['spec']['csi']['volumeHandle']}"
    world.volume["spec"]["csi"]["volumeHandle"] = handle
    for container in world.node_plugin["spec"]["containers"]:
        if container["name"] == "efs-plugin":
            container["image"] = container["image"].rpartition(":")[0] + ":v2.1.11"
    refusal = f"volume ID '{handle}' is invalid: Expected a file system ID of the form 'fs-...'"
    unmounted(world, f"rpc error: code = InvalidArgument desc = {refusal}")


@fault("csi.region-unresolved", Stage.MOUNT, sure=False)
def mount_helper_finds_no_region(world: World) -> None:
    mount_fails(
        world,
        'Error retrieving region. Please set the "region" parameter in the efs-utils configuration file or specify it '
        "as a mount option.",
        1,
    )


@fault("csi.node-plugin-crash", Stage.MOUNT)
def node_plugin_has_wrong_options(world: World) -> None:
    text = (
        "F1121 08:58:00 Invalid options: volumeAttachLimitOptIn is true, but volumeAttachLimit is not "
        "set to a positive value"
    )
    world.print_log(world.node_plugin, "efs-plugin", [text])
    world.print_log(world.node_plugin, "efs-plugin", [text], previous=True)
    stop(world.node_plugin, "efs-plugin")
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-plugin-crash", Stage.MOUNT, flavour="eks")
def node_plugin_finds_no_metadata(world: World) -> None:
    text = "F1121 08:58:00.000000       1 driver.go:70] could not get metadata: node providerID empty, cannot parse"
    world.print_log(world.node_plugin, "efs-plugin", [text])
    world.print_log(world.node_plugin, "efs-plugin", [text], previous=True)
    stop(world.node_plugin, "efs-plugin")
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-topology-collision", Stage.MOUNT)
def registrar_meets_another_zone_label(world: World) -> None:
    text = (
        "E1121 08:58:00 main.go:101] Registration process failed with error, restarting registration container: "
        "RegisterPlugin error -- plugin registration failed with err: error updating Node object with CSI driver node "
        'info: detected topology value collision: driver reported "topology.kubernetes.io/zone":"eu-west-1b" but '
        'existing label is "topology.kubernetes.io/zone":"local"'
    )
    world.node["metadata"]["labels"]["topology.kubernetes.io/zone"] = "local"
    for previous in (False, True):
        world.print_log(world.node_plugin, "csi-driver-registrar", [text], previous=previous)
    stop(world.node_plugin, "csi-driver-registrar")
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-kubelet-path", Stage.MOUNT, sure=False)
def kubelet_has_another_root(world: World) -> None:
    pod = world.node_plugin
    _never_created(world, pod)
    world.say(
        pod,
        "FailedMount",
        'MountVolume.SetUp failed for volume "registration-dir" : hostPath type check failed: '
        "/var/lib/kubelet/plugins_registry/ is not a directory",
    )
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


@fault("csi.node-selinux-or-readonly-host-path", Stage.MOUNT, sure=False)
def host_path_is_read_only(world: World) -> None:
    pod = world.node_plugin
    message = "failed to generate container spec: failed to mkdir /etc/amazon: mkdir /etc/amazon: read-only file system"
    _never_created(world, pod, "CreateContainerError", message)
    world.say(pod, "Failed", f"Error: {message}")
    _unregister(world)
    unmounted(world, NOT_REGISTERED)


def _never_created(world: World, pod: Thing, reason: str = "ContainerCreating", message: str = "") -> None:
    waiting = {"reason": reason, **({"message": message} if message else {})}
    for status in pod["status"]["containerStatuses"]:
        status |= {"ready": False, "started": False, "state": {"waiting": waiting}}
        status.pop("containerID", None)
    for condition in pod["status"]["conditions"]:
        if condition["type"] in ("Ready", "ContainersReady", "PodReadyToStartContainers"):
            condition["status"] = "False"
    pod["status"]["phase"] = "Pending"
    world.logs = {k: t for k, t in world.logs.items() if k[1] != pod["metadata"]["name"]}


@fault("csi.controller-not-running", Stage.BIND, storage="dynamic")
def controller_is_scaled_to_zero(world: World) -> None:
    for pod in world.driver_pods("efs-csi-controller"):
        world.remove("pods", pod)
        world.logs = {k: t for k, t in world.logs.items() if k[1] != pod["metadata"]["name"]}
    world.controller["spec"]["replicas"] = 0
    waits_for(world, "efs.csi.aws.com")


@fault("csi.controller-crash-metadata", Stage.BIND, storage="dynamic")
def controller_finds_no_metadata(world: World) -> None:
    text = "F1121 08:58:00.000000       1 driver.go:70] could not get metadata: node providerID empty, cannot parse"
    _crash_controller(world, text)


@fault("csi.controller-fips-region", Stage.BIND, storage="dynamic", sure=False)
def controller_wants_fips_in_europe(world: World) -> None:
    text = (
        "F1121 08:58:00.000000       1 cloud.go:99] FIPS endpoints are not available in region eu-west-1. "
        "FIPS endpoints "
        "are only supported in US and Canada regions. To resolve this, either set "
        "AWS_USE_FIPS_ENDPOINT=false or deploy "
        "your workload in a FIPS-supported region"
    )
    env = [{"name": "AWS_USE_FIPS_ENDPOINT", "value": "true"}, {"name": "AWS_REGION", "value": "eu-west-1"}]
    world.controller["spec"]["template"]["spec"]["containers"][0]["env"] += env
    _crash_controller(world, text)


def _crash_controller(world: World, text: str) -> None:
    waits_for(world, "efs.csi.aws.com")
    for pod in world.driver_pods("efs-csi-controller"):
        for previous in (False, True):
            world.print_log(pod, "efs-plugin", [text], previous=previous)
        stop(pod, "efs-plugin")


@fault("csi.provisioner-rbac", Stage.BIND, storage="dynamic", sure=False)
def provisioner_may_not_list_claims(world: World) -> None:
    waits_for(world, "efs.csi.aws.com")
    user = 'User \\"system:serviceaccount:kube-system:efs-csi-controller-sa\\"'
    text = (
        'E1121 08:58:00.000000       1 reflector.go:200] "Failed to watch" err="failed to list '
        f"*v1.PersistentVolumeClaim: persistentvolumeclaims is forbidden: {user} "
        'cannot list resource \\"persistentvolumeclaims\\" in API group \\"\\" at the cluster scope"'
    )
    world.print_log(world.leader, "csi-provisioner", [text] * 4)


@fault("csi.no-topology-registered", Stage.BIND, storage="dynamic", sure=False)
def no_node_has_registered(world: World) -> None:
    for node in world.all("csinodes"):
        node["spec"]["drivers"] = []
    unprovisioned(world, "error generating accessibility requirements: no available topology found")


@fault("csi.inflight-mount-limit", Stage.MOUNT, sure=False)
def too_many_mounts_at_once(world: World) -> None:
    unmounted(
        world,
        "rpc error: code = Aborted desc = The number of concurrent mount calls is 10, which has reached the limit",
    )
