"""The EFS CSI driver in the cluster."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Finding, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.claims import EFS_DRIVER, EfsVolume, Provisioning
from efsdiag.semantics.class_parameters import faults_of
from efsdiag.semantics.containers import version_of
from efsdiag.semantics.driver import DriverVersion, plugin_container, plugin_status
from efsdiag.semantics.objects import is_ready, ref_of


def driver_object_present(
    efs_volumes: tuple[EfsVolume, ...],
    csi_driver: dict[str, Any] | None = None,
    node_daemonset: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if csi_driver is not None:
        return passed("CSIDriver efs.csi.aws.com exists", f"attachRequired: {csi_driver['spec'].get('attachRequired')}")
    if isinstance(node_daemonset, Unread):
        return unknown(
            f"CSIDriver {EFS_DRIVER} does not exist; whether its pods run: {node_daemonset.why}", node_daemonset.grant
        )
    if node_daemonset is None:
        says = "there is no CSIDriver efs.csi.aws.com and no efs-csi-node: the driver is not installed"
        return failed("csi.driver-not-installed", says, Ref("CSIDriver", EFS_DRIVER))
    if heard and any(m.reason == "FailedMount" and "MountVolume." in m.text for m in heard.messages):
        # Without the object the kubelet waits for an attacher, and never comes to mounting.
        return unknown("CSIDriver efs.csi.aws.com was not found, but the kubelet is past waiting for an attacher")
    says = "the driver's pods exist, but there is no CSIDriver efs.csi.aws.com"
    return failed("csi.driver-object-missing", says, Ref("CSIDriver", EFS_DRIVER))


def driver_registered_on_node(
    attempt: Attempt, efs_volumes: tuple[EfsVolume, ...], pod: dict[str, Any], csi_node: dict[str, Any] | None = None
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if not attempt.scheduled:
        return waiting("the pod has no node yet")
    name = pod["spec"]["nodeName"]
    drivers = [d["name"] for d in ((csi_node or {}).get("spec", {}).get("drivers") or [])]
    if EFS_DRIVER in drivers:
        return passed(f"CSINode {name} lists {EFS_DRIVER}", f"CSINode {name} spec.drivers: {', '.join(drivers)}")
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
) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
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
    pod = node_plugin_pods[0]
    if is_ready(pod):
        return passed(f"{pod['metadata']['name']} is ready")
    name = pod["metadata"]["name"]
    registrar = plugin_status(pod, "csi-driver-registrar")
    plugin = plugin_status(pod)
    ended = (plugin.get("lastState", {}).get("terminated") or plugin.get("state", {}).get("terminated")) or {}
    if ended.get("reason") == "OOMKilled":
        return failed(
            "csi.node-plugin-oom", f"efs-plugin of {name} was killed for its memory", ref_of(pod), "OOMKilled"
        )
    said = (
        heard.of("csi.node-topology-collision", "csi.node-kubelet-path", "csi.node-selinux-or-readonly-host-path")
        if heard
        else ()
    )
    if said:
        return failed(said[0].mode, f"{name} is not ready: {said[0].line}", ref_of(pod), said[0].line)
    if plugin.get("ready") and registrar and not registrar.get("ready"):
        says = f"csi-driver-registrar of {name} does not stay up, while efs-plugin is healthy"
        return failed("csi.node-topology-collision", says, ref_of(pod), sure=False)
    if plugin.get("restartCount") or ended:
        said = heard.of("csi.node-plugin-crash") if heard else ()
        why = said[0].line if said else f"exit code {ended.get('exitCode')}"
        says = f"efs-plugin of {name} does not stay up: {why}"
        return failed("csi.node-plugin-crash", says, ref_of(pod), f"restarts: {plugin.get('restartCount')}")
    return unknown(f"{name} is not ready, and nothing says why", "get events of the driver's namespace")


def controller_running(
    provisioning_needed: bool,
    controller_deployment: dict[str, Any] | None = None,
    controller_pods: list[dict[str, Any]] | None = None,
    csi_driver: dict[str, Any] | None = None,
    heard: Heard | None = None,
) -> Verdict:
    answering = heard is not None and any(m.reason == "Provisioning" for m in heard.messages)
    if controller_deployment is None and answering:
        return unknown("no efs-csi-controller Deployment was found, but the provisioner speaks of the claim")
    if controller_deployment is None:
        mode = "csi.driver-not-installed" if csi_driver is None else "csi.controller-not-running"
        return failed(mode, "there is no efs-csi-controller Deployment", Ref("Deployment", "efs-csi-controller"))
    on = ref_of(controller_deployment)
    ready = [p["metadata"]["name"] for p in controller_pods or [] if is_ready(p)]
    if ready:
        return passed(f"{', '.join(ready)} {'is' if len(ready) == 1 else 'are'} ready")
    for mode in ("csi.controller-fips-region", "csi.controller-crash-metadata"):
        said = heard.of(mode) if heard else ()
        if said:
            return failed(mode, f"no controller pod is ready: {said[0].line}", on, said[0].line)
    if _fips_outside_its_regions(controller_deployment):
        says = "the controller is told to use FIPS endpoints, which this region does not have"
        return failed("csi.controller-fips-region", says, on, "env AWS_USE_FIPS_ENDPOINT: true", sure=False)
    if not controller_pods and controller_deployment.get("status", {}).get("availableReplicas"):
        return unknown("no controller pod was found, but its Deployment says that some are available")
    wanted = controller_deployment["spec"].get("replicas", 1)
    says = f"none of the controller's {wanted} pods is ready" if wanted else "the controller is scaled to zero"
    return failed("csi.controller-not-running", says, on, f"spec.replicas: {wanted}")


def _fips_outside_its_regions(workload: dict[str, Any]) -> bool:
    env = {
        e["name"]: e.get("value", "") for e in plugin_container(workload["spec"]["template"]["spec"]).get("env") or []
    }
    region = env.get("AWS_REGION", "")
    return (
        env.get("AWS_USE_FIPS_ENDPOINT", "").lower() == "true"
        and bool(region)
        and not region.startswith(("us-", "ca-"))
    )


def controller_spread(controller_pods: list[dict[str, Any]]) -> Verdict:
    placed = [p for p in controller_pods if p["spec"].get("nodeName")]
    if len(placed) < 2:
        return skipped("the controller has fewer than two pods")
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
    findings = []
    for p in efs_classes:
        on = ref_of(p.storage_class or {})
        for mode, says in faults_of((p.storage_class or {}).get("parameters") or {}, tuple(arguments or ())):
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
