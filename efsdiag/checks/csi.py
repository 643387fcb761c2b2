"""The EFS CSI driver in the cluster."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard, Message, Sighted
from efsdiag.model import UNREAD, Finding, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import PULLING, Attempt
from efsdiag.semantics.claims import EFS_DRIVER, EfsVolume, Provisioning
from efsdiag.semantics.class_parameters import faults_of
from efsdiag.semantics.containers import version_of
from efsdiag.semantics.driver import DriverVersion, driver_version, is_fargate, plugin_container, plugin_status
from efsdiag.semantics.objects import is_ready, ref_of

BUILT_IN = "the node is one of Fargate, which brings the driver along"
MOUNT_STEPS = ("MountVolume.SetUp", "MountVolume.MountDevice")


def driver_object_present(
    efs_volumes: tuple[EfsVolume, ...],
    csi_driver: dict[str, Any] | None = None,
    node_daemonset: Any = UNREAD,
    csi_node: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    on = Ref("CSIDriver", EFS_DRIVER)
    if csi_driver is not None and csi_driver["spec"].get("attachRequired"):
        says = "CSIDriver efs.csi.aws.com has attachRequired true; EFS has nothing that attaches, and wants false"
        return failed("csi.driver-object-missing", says, on, "spec.attachRequired: true")
    if csi_driver is not None:
        return passed("CSIDriver efs.csi.aws.com exists", f"attachRequired: {csi_driver['spec'].get('attachRequired')}")
    if isinstance(node_daemonset, Unread):
        return unknown(
            f"CSIDriver {EFS_DRIVER} does not exist; whether its pods run: {node_daemonset.why}", node_daemonset.grant
        )
    registered = EFS_DRIVER in _drivers_of(csi_node or None)
    if node_daemonset is None and not registered:
        says = "there is no CSIDriver efs.csi.aws.com and no efs-csi-node: the driver is not installed"
        return failed("csi.driver-not-installed", says, on)
    if heard and any(_is_past_attaching(m, efs_volumes) for m in heard.messages):
        return unknown("CSIDriver efs.csi.aws.com was not found, but the kubelet is past waiting for an attacher")
    shown = "the node knows the driver" if node_daemonset is None else "the driver's pods exist"
    return failed("csi.driver-object-missing", f"{shown}, but there is no CSIDriver efs.csi.aws.com", on)


def _is_past_attaching(message: Message, efs_volumes: tuple[EfsVolume, ...]) -> bool:
    """Without the object the kubelet waits for an attacher, and never comes to mounting the EFS volume itself."""
    steps = [f'{step} failed for volume "{v.name}"' for v in efs_volumes for step in MOUNT_STEPS]
    return message.reason == "FailedMount" and any(step in message.text for step in steps)


def _drivers_of(csi_node: dict[str, Any] | None) -> list[str]:
    return [d["name"] for d in (csi_node or {}).get("spec", {}).get("drivers") or []]


def driver_registered_on_node(
    attempt: Attempt,
    efs_volumes: tuple[EfsVolume, ...],
    pod: dict[str, Any],
    csi_node: dict[str, Any] | None = None,
    node: Any = UNREAD,
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if node and is_fargate(node):
        return skipped(BUILT_IN)
    if not attempt.scheduled:
        return waiting("the pod has no node yet")
    name = pod["spec"]["nodeName"]
    drivers = _drivers_of(csi_node)
    if EFS_DRIVER in drivers:
        return passed(f"CSINode {name} lists {EFS_DRIVER}", f"CSINode {name} spec.drivers: {', '.join(drivers)}")
    if attempt.young:
        return waiting(f"the driver may still be registering on {name}; look again after {attempt.look_again}")
    has = f"it lists {', '.join(drivers)}" if drivers else "it lists none"
    says = f"the kubelet of {name} does not know {EFS_DRIVER}; {has}"
    return failed("csi.node-plugin-not-registered", says, Ref("CSINode", name), f"CSINode {name} spec.drivers: {has}")


def node_plugin_on_node(
    attempt: Attempt,
    efs_volumes: tuple[EfsVolume, ...],
    pod: dict[str, Any],
    node_daemonset: dict[str, Any] | None = None,
    node_plugin_pods: list[dict[str, Any]] | None = None,
    csi_driver: Any = UNREAD,
    node: Any = UNREAD,
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if node and is_fargate(node):
        return skipped(BUILT_IN)
    if node_daemonset is None:
        says = "there is no efs-csi-node DaemonSet"
        return failed("csi.driver-not-installed", says, Ref("DaemonSet", "efs-csi-node"), sure=csi_driver is None)
    if not attempt.scheduled:
        return waiting("the pod has no node yet")
    name = pod["spec"]["nodeName"]
    if node_plugin_pods:
        return passed(f"{node_plugin_pods[0]['metadata']['name']} stands on {name}")
    spread = node_daemonset.get("status", {})
    says = (
        f"no pod of {node_daemonset['metadata']['name']} stands on {name}; "
        f"it wants {spread.get('desiredNumberScheduled', 0)} nodes in all"
    )
    template = node_daemonset["spec"]["template"]["spec"]
    proof = (
        f"tolerations: {template.get('tolerations') or 'none'}",
        f"nodeSelector: {template.get('nodeSelector') or 'none'}",
    )
    return failed("csi.node-daemonset-not-on-node", says, ref_of(node_daemonset), *proof)


def node_plugin_runs(
    attempt: Attempt,
    efs_volumes: tuple[EfsVolume, ...],
    node_plugin_pods: list[dict[str, Any]] | None = None,
    heard: Heard | None = None,
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if not node_plugin_pods:
        return waiting("no pod of efs-csi-node stands there")
    # While the DaemonSet is rolled out there can be two: the old one that goes, and the new one.
    pod = next((p for p in node_plugin_pods if is_ready(p)), node_plugin_pods[0])
    name = pod["metadata"]["name"]
    plugin, registrar = plugin_status(pod), plugin_status(pod, "csi-driver-registrar")
    if is_ready(pod):
        return passed(f"{name} is ready")
    if plugin.get("ready") and registrar.get("ready"):
        return passed(f"efs-plugin and csi-driver-registrar of {name} are ready; another container of it is not")
    return _why_not_ready(pod, plugin, registrar, heard)


def node_plugin_started(
    pod: dict[str, Any], starting_plugin_pods: Any = UNREAD, node_daemonset: Any = UNREAD, heard: Heard | None = None
) -> Verdict:
    if pod["spec"].get("nodeName"):
        return skipped("the pod has its node")
    if isinstance(starting_plugin_pods, Unread):
        return unknown(starting_plugin_pods.why, starting_plugin_pods.grant)
    if not starting_plugin_pods:
        return skipped("no node waits for the node plugin to start")
    standing = [pod for pods in starting_plugin_pods.values() for pod in pods]
    ready = [p["metadata"]["name"] for p in standing if is_ready(p)]
    if ready:
        return passed(f"{ready[0]} is ready")
    if not standing:
        on = ref_of(node_daemonset) if node_daemonset else Ref("DaemonSet", "efs-csi-node", "kube-system")
        says = f"no pod of {on.name} stands on {', '.join(starting_plugin_pods)}, which wait{{}} for it"
        return failed("csi.node-daemonset-not-on-node", says.format("s" if len(starting_plugin_pods) == 1 else ""), on)
    return _why_not_ready(
        standing[0], plugin_status(standing[0]), plugin_status(standing[0], "csi-driver-registrar"), heard
    )


def _why_not_ready(
    pod: dict[str, Any], plugin: dict[str, Any], registrar: dict[str, Any], heard: Heard | None
) -> Verdict:
    name, on = pod["metadata"]["name"], ref_of(pod)
    for status in (plugin, registrar):
        stuck = status.get("state", {}).get("waiting") or {}
        if stuck.get("reason") in PULLING:
            says = f"image {status.get('image')} of {status['name']} in {name} cannot be pulled: {stuck['reason']}"
            return failed("container.image-pull", says, on, " ".join(str(stuck.get("message", "")).split())[:300])
    ended = (plugin.get("lastState", {}).get("terminated") or plugin.get("state", {}).get("terminated")) or {}
    if ended.get("reason") == "OOMKilled" and not plugin.get("ready"):
        return failed("csi.node-plugin-oom", f"efs-plugin of {name} was killed for its memory", on, "OOMKilled")
    if plugin.get("ready") and registrar and not registrar.get("ready"):
        said = _said_of(name, heard, "csi.node-topology-collision")
        why = said[0].line if said else f"csi-driver-registrar of {name} does not stay up, while efs-plugin is healthy"
        return failed("csi.node-topology-collision", f"{name} is not ready: {why}", on, why, sure=bool(said))
    told = _said_of(name, heard, "csi.node-kubelet-path", "csi.node-selinux-or-readonly-host-path")
    if told:
        return failed(told[0].mode, f"{name} is not ready: {told[0].line}", on, told[0].line, sure=False)
    if not plugin.get("ready") and (plugin.get("restartCount") or ended):
        crashed = heard.of("csi.node-plugin-crash") if heard else ()
        why = next((s.line for s in crashed if s.message.where == "plugin-log"), f"exit code {ended.get('exitCode')}")
        says = f"efs-plugin of {name} does not stay up: {why}"
        return failed("csi.node-plugin-crash", says, on, f"restarts: {plugin.get('restartCount')}")
    return unknown(f"{name} is not ready, and nothing says why", "get events of the driver's namespace")


def _said_of(pod: str, heard: Heard | None, *modes: str) -> list[Sighted]:
    """What was said of the driver's own pod, and fits nothing else; that a pod waits for it tells no reason."""
    return [s for s in heard.of(*modes) if s.specific and s.message.about.name == pod] if heard else []


def controller_running(
    efs_wanted: bool,
    provisionings: tuple[Provisioning, ...],
    efs_classes: tuple[Provisioning, ...],
    controller_deployment: dict[str, Any] | None = None,
    controller_pods: list[dict[str, Any]] | None = None,
    csi_driver: dict[str, Any] | None = None,
    heard: Heard | None = None,
    driver_left_behind: Any = UNREAD,
) -> Verdict:
    if provisionings and not efs_classes:
        return skipped("no claim that is not bound waits for the EFS provisioner")
    if controller_deployment is None:
        if _answers(efs_classes, heard):
            return unknown("no efs-csi-controller Deployment was found, but the provisioner speaks of the claim")
        gone = csi_driver is None or driver_left_behind is True
        mode = "csi.driver-not-installed" if gone else "csi.controller-not-running"
        on = Ref("Deployment", "efs-csi-controller")
        return failed(mode, "there is no efs-csi-controller Deployment", on, sure=gone)
    ready = [p["metadata"]["name"] for p in controller_pods or [] if is_ready(p)]
    if ready:
        return passed(f"{', '.join(ready)} {'is' if len(ready) == 1 else 'are'} ready")
    return _why_no_controller(controller_deployment, controller_pods or [], heard)


def _why_no_controller(deployment: dict[str, Any], pods: list[dict[str, Any]], heard: Heard | None) -> Verdict:
    on, names = ref_of(deployment), [p["metadata"]["name"] for p in pods]
    for mode in ("csi.controller-fips-region", "csi.controller-crash-metadata"):
        # The node plugin prints the same line when it finds no metadata: here the line is the controller's own.
        said = [s.line for s in (heard.of(mode) if heard else ()) if s.message.about.name in names]
        if said:
            return failed(mode, f"no controller pod is ready: {said[0]}", on, said[0])
    if _fips_outside_its_regions(deployment):
        says = "the controller is told to use FIPS endpoints, which this region does not have"
        return failed("csi.controller-fips-region", says, on, "env AWS_USE_FIPS_ENDPOINT: true", sure=False)
    if not pods and deployment.get("status", {}).get("availableReplicas"):
        return unknown("no controller pod was found, but its Deployment says that some are available")
    wanted = deployment["spec"].get("replicas", 1)
    says = f"none of the controller's {wanted} pods is ready" if wanted else "the controller is scaled to zero"
    # A plugin that crashes says why in its log; without that the reason is open.
    silent = any(plugin_status(p).get("restartCount") for p in pods) and heard and "plugin-log" in heard.unread
    return failed("csi.controller-not-running", says, on, f"spec.replicas: {wanted}", sure=not silent)


def _answers(efs_classes: tuple[Provisioning, ...], heard: Heard | None) -> bool:
    """Whether the EFS provisioner has spoken of a claim that waits for it."""
    names = {p.claim.name for p in efs_classes}
    return heard is not None and any(m.reason == "Provisioning" and m.about.name in names for m in heard.messages)


def _fips_outside_its_regions(workload: dict[str, Any]) -> bool:
    """Whether the driver is told to use FIPS endpoints where there are none; before 3.1.0 it starts all the same."""
    plugin = plugin_container(workload["spec"]["template"]["spec"])
    env = {e["name"]: e.get("value", "") for e in plugin.get("env") or []}
    region = env.get("AWS_REGION", "")
    told = env.get("AWS_USE_FIPS_ENDPOINT", "").lower() == "true" and not driver_version(workload).before(3, 1, 0)
    return told and bool(region) and not region.startswith(("us-", "ca-"))


def controller_spread(
    controller_pods: list[dict[str, Any]], wanted_nodes: list[dict[str, Any]] | None = None
) -> Verdict:
    placed = [p for p in controller_pods if p["spec"].get("nodeName")]
    if len(placed) < 2:
        return skipped("the controller has fewer than two pods")
    if wanted_nodes is not None and len(wanted_nodes) == 1:
        return skipped(f"there is no other node than {wanted_nodes[0]['metadata']['name']} to spread to")
    nodes = sorted({p["spec"]["nodeName"] for p in placed})
    if len(nodes) > 1:
        return passed(f"the controller's pods stand on {', '.join(nodes)}")
    names = ", ".join(p["metadata"]["name"] for p in placed)
    on = Ref("Deployment", "efs-csi-controller", placed[0]["metadata"]["namespace"])
    return failed("csi.controller-replicas-colocated", f"{names} all stand on {nodes[0]}", on)


def class_parameters_valid(
    efs_classes: tuple[Provisioning, ...], controller_deployment: dict[str, Any] | None = None
) -> Verdict:
    if not efs_classes:
        return skipped("no claim waits for the EFS provisioner")
    arguments = plugin_container((controller_deployment or {}).get("spec", {}).get("template", {}).get("spec", {})).get(
        "args"
    )
    version = driver_version(controller_deployment) if controller_deployment else None
    findings = []
    for p in efs_classes:
        on = ref_of(p.storage_class or {})
        for mode, says in faults_of((p.storage_class or {}).get("parameters") or {}, tuple(arguments or ()), version):
            findings.append(Finding(mode, f"class {on.name}: {says}", on, proof=(says,)))
    return failed_all(findings) if findings else passed("the driver accepts the class's parameters")


def driver_current(node_driver_version: DriverVersion, settings: dict[str, str]) -> Verdict:
    version = node_driver_version
    if version.number is None:
        return skipped(f"the driver's image tag {version.tag!r} is no version")
    oldest, first, last = (version_of(settings[k]) or () for k in ("oldest", "faulty_from", "faulty_to"))
    if version.number < oldest:
        says = f"the driver is {version.tag}; {settings['oldest']} replaced stunnel"
        return failed("csi.driver-outdated", says, Ref("DaemonSet", "efs-csi-node"))
    if first <= version.number <= last:
        says = (
            f"the driver is {version.tag}; {settings['faulty_from']} to {settings['faulty_to']} have known regressions"
        )
        return failed("csi.driver-outdated", says, Ref("DaemonSet", "efs-csi-node"))
    return passed(f"the driver is {version.tag}")
