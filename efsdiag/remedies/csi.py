"""What mends the EFS CSI driver's own objects."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.model import Finding, Ref
from efsdiag.operations import read_of
from efsdiag.patches import container_path, restart_change, template_change, template_spec
from efsdiag.semantics.claims import EFS_DRIVER
from efsdiag.semantics.driver import plugin_container
from efsdiag.semantics.quantity import bytes_of, format_bytes
from efsdiag.semantics.scheduling import matches_selector, untolerated_taints
from efsdiag.writes import MANAGED, own_uid, write_of

HOST = "kubernetes.io/hostname"


def create_driver_object(
    cause: Finding, node_daemonset: dict[str, Any], csi_driver: dict[str, Any] | None = None
) -> Proposal:
    if csi_driver is not None:
        return Declined("attachRequired of a CSIDriver cannot be changed; the driver's own chart makes it again")
    thing = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "CSIDriver",
        "metadata": {"name": EFS_DRIVER, "labels": MANAGED},
        "spec": {"attachRequired": False, "podInfoOnMount": False, "volumeLifecycleModes": ["Persistent"]},
    }
    query = read_of("kube:get csidrivers", name=EFS_DRIVER)
    return (
        Change(
            write_of("kube:create csidrivers", object=thing),
            f"create the CSIDriver {EFS_DRIVER}, which says that nothing has to attach an EFS volume",
            Ref("CSIDriver", EFS_DRIVER),
            undo=write_of("kube:delete csidrivers", name=EFS_DRIVER, uid=own_uid(query)),
        ),
    )


def let_node_plugin_stand_on_all_nodes(
    cause: Finding, node_daemonset: dict[str, Any], node: dict[str, Any]
) -> Proposal:
    spec = template_spec(node_daemonset)
    if not matches_selector({"spec": spec}, node):
        name = node["metadata"]["name"]
        return Declined(f"node {name} has not the labels that the node plugin's selector wants; set these, or that")
    if not untolerated_taints({"spec": spec}, node):
        return Declined("the node plugin tolerates the taints of the node, and something else keeps it away")
    tolerations = [*(spec.get("tolerations") or []), {"operator": "Exists"}]
    words = f"let {node_daemonset['metadata']['name']} stand on every node, whatever its taints"
    return _one(template_change(node_daemonset, {"/tolerations": tolerations}, words))


def raise_node_plugin_memory(cause: Finding, node_daemonset: dict[str, Any]) -> Proposal:
    spec = template_spec(node_daemonset)
    plugin = plugin_container(spec)
    limit = ((plugin.get("resources") or {}).get("limits") or {}).get("memory")
    at = container_path(spec, str(plugin.get("name", "")))
    if not limit or at is None:
        return Declined("the node plugin has no memory limit of its own: the node itself ran out of memory")
    more = format_bytes(2 * bytes_of(limit))
    words = f"raise the memory limit of {plugin['name']} in {node_daemonset['metadata']['name']} from {limit} to {more}"
    return _one(template_change(node_daemonset, {f"{at}/resources/limits/memory": more}, words))


def spread_controller(cause: Finding, controller_deployment: dict[str, Any]) -> Proposal:
    selector = controller_deployment["spec"]["selector"]
    spread = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": selector}
    present = template_spec(controller_deployment).get("topologySpreadConstraints") or []
    if any(c.get("topologyKey") == HOST for c in present):
        return Declined("the controller's pods are to be spread over nodes already; replace one of them")
    words = f"spread the pods of {controller_deployment['metadata']['name']} over nodes"
    return _one(template_change(controller_deployment, {"/topologySpreadConstraints": [*present, spread]}, words))


def restart_controller(
    cause: Finding, controller_deployment: dict[str, Any], controller_leader: dict[str, Any]
) -> Proposal:
    name = controller_leader["metadata"]["name"]
    words = f"replace the pods of {controller_deployment['metadata']['name']}, so that they get the role"
    return _one(restart_change(controller_deployment, name, words))


def _one(change: Change | Declined) -> Proposal:
    return change if isinstance(change, Declined) else (change,)
