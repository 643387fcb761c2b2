"""The two releases of an install, with the values that its settings mean in their charts.

Source: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/helm-chart-aws-efs-csi-driver-4.4.1/charts/aws-efs-csi-driver/values.yaml
        https://github.com/prometheus-community/helm-charts/blob/prometheus-29.27.0/charts/prometheus/values.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from efsdiag.releases import Chart, Release
from efsdiag.semantics.driver import ROLE_ANNOTATION
from efsdiag.semantics.selectors import requirements_of
from efsdiag.setting_names import of_stateful_set
from efsdiag.settings import ACCESS_POINT_DYNAMIC, IRSA, POD_IDENTITY, Driver, Prometheus, Settings

HOST = "kubernetes.io/hostname"
AGENT_NOT_READY = {"key": "efs.csi.aws.com/agent-not-ready", "operator": "Exists"}
"""The driver's own start-up taint. The chart lets its controller tolerate CriticalAddonsOnly as well, which keeps the
workload off servers of k3s and RKE2: those get no role."""


UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the Pod Security level restricted asks of a container, which RKE2 with a CIS profile asks of every namespace.
https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""


def driver_release(settings: Settings, role_arn: str = "", *, own_account: bool = True) -> Release:
    """The EFS CSI driver's release. `role_arn` is that of IRSA; "" where the driver gets its role another way.

    Without `own_account` the controller's service account is there already, and stays as it is.
    """
    driver = settings.driver
    values = driver_values(settings, role_arn, own_account=own_account)
    return Release(driver.release, driver.namespace, chart_of(driver), values, False, driver.timeout)


def prometheus_release(settings: Settings) -> Release:
    """The release of Prometheus, with its data on the claim of the settings."""
    given = settings.prometheus
    values = prometheus_values(settings)
    return Release(given.release, settings.namespace, chart_of(given), values, True, given.timeout)


def with_room(settings: Settings, nodes: int) -> Settings:
    """The settings with no more pods of the controller than there are nodes: two on one node help nobody."""
    return replace(settings, driver=replace(settings.driver, replicas=max(1, min(settings.driver.replicas, nodes))))


def chart_of(given: Driver | Prometheus) -> Chart:
    """Which chart the settings name: an archive before the repository."""
    if given.archive:
        return Chart(given.archive, digest=given.digest)
    return Chart(given.chart, given.repository, given.version, given.digest)


def driver_values(settings: Settings, role_arn: str = "", *, own_account: bool = True) -> dict[str, Any]:
    """Values of the chart aws-efs-csi-driver, those of the user over them."""
    return merged(own_driver_values(settings, role_arn, own_account=own_account), settings.driver.values)


def own_driver_values(settings: Settings, role_arn: str = "", *, own_account: bool = True) -> dict[str, Any]:
    """What the settings mean in that chart: the controller on different nodes, tags, region and role.

    A controller that takes its role from its instance can work on the nodes alone whose instances get it.
    """
    driver = settings.driver
    spread = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway"}
    controller: dict[str, Any] = {
        "replicaCount": driver.replicas,
        "topologySpreadConstraints": [spread],
        "tolerations": [dict(AGENT_NOT_READY)],
    }
    if not own_account:
        controller["serviceAccount"] = {"create": False}
    elif role_arn:
        # The node plugin mounts as its node does: the role trusts the controller's service account alone.
        controller["serviceAccount"] = {"annotations": {ROLE_ANNOTATION: role_arn}}
    if settings.nodes and settings.iam.way not in (IRSA, POD_IDENTITY):
        controller["affinity"] = node_affinity(settings.nodes)
    if driver.tags:
        controller["tags"] = dict(driver.tags)
    node: dict[str, Any] = {}
    if driver.region:
        # efs-utils asks IMDS for the region, and takes this where it gets no answer.
        node["env"] = [{"name": "AWS_DEFAULT_REGION", "value": driver.region}]
    return {"controller": controller, **({"node": node} if node else {})}


def prometheus_values(settings: Settings) -> dict[str, Any]:
    """Values of the chart prometheus, those of the user over them."""
    return merged(own_prometheus_values(settings), settings.prometheus.values)


def own_prometheus_values(settings: Settings) -> dict[str, Any]:
    """What the settings mean in that chart: one writer on the claim, as the owner of its data, bounded in time and
    size, on the nodes that reach EFS.
    """
    given, stateful = settings.prometheus, settings.prometheus.stateful_set
    service: dict[str, Any] = {"type": given.service_type}
    if given.source_ranges:
        service["loadBalancerSourceRanges"] = list(given.source_ranges)
    server: dict[str, Any] = {
        "replicaCount": 1,
        "statefulSet": {"enabled": stateful},
        # A second pod beside the first one would find the database locked.
        **({} if stateful else {"strategy": {"type": "Recreate"}}),
        "persistentVolume": _persistent_volume(settings),
        "securityContext": {
            "runAsUser": settings.uid,
            "runAsGroup": settings.gid,
            "fsGroup": settings.gid,
            "runAsNonRoot": settings.uid != 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "retention": given.retention,
        "retentionSize": given.retention_size,
        "service": service,
        **on_nodes(settings),
    }
    reload: dict[str, Any] = {}
    if settings.uid != 0:
        # Root without capabilities could not write where another user owns the directory.
        server["containerSecurityContext"] = dict(UNPRIVILEGED)
        reload = {"configmapReload": {"prometheus": {"containerSecurityContext": dict(UNPRIVILEGED)}}}
    return {
        **reload,
        "server": server,
        "alertmanager": _alertmanager(settings),
        "prometheus-pushgateway": {"enabled": given.pushgateway},
        "prometheus-node-exporter": _node_exporter(given),
        "kube-state-metrics": {"enabled": given.kube_state_metrics},
    }


def _persistent_volume(settings: Settings) -> dict[str, Any]:
    """The claim of the settings. A StatefulSet of the chart does not look at existingClaim: it mounts the claim of its
    template, and takes the one of that name that is there; the rest keeps it from making another kind of claim.
    """
    named = {"enabled": True, "existingClaim": settings.claim}
    if not settings.prometheus.stateful_set:
        return named
    made_by = settings.storage_class if settings.storage.way == ACCESS_POINT_DYNAMIC else "-"
    return {
        **named,
        "statefulSetNameOverride": settings.claim.removesuffix(of_stateful_set(settings)),
        "accessModes": ["ReadWriteMany"],
        "size": settings.storage.capacity,
        "storageClass": made_by,
    }


def placement(settings: Settings) -> dict[str, Any]:
    """On which nodes the pod of Prometheus may stand, by what a pod's spec calls it, with the values of the user."""
    server = prometheus_values(settings)["server"] or {}
    return {name: server[name] for name in ("affinity", "nodeSelector", "tolerations") if server.get(name)}


def on_nodes(settings: Settings) -> dict[str, Any]:
    """The value by which a pod stands on the nodes that reach EFS only; nothing where those are all nodes."""
    return {"affinity": node_affinity(settings.nodes)} if settings.nodes else {}


def node_affinity(selector: str) -> dict[str, Any]:
    """The affinity of a pod that may stand on the nodes of the label selector, and on no others."""
    terms = [{"matchExpressions": requirements_of(selector)}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _alertmanager(settings: Settings) -> dict[str, Any]:
    """Its data is where the driver makes volumes, else in its pod: a claim of another class would stay pending."""
    on = {"enabled": settings.prometheus.alertmanager}
    if settings.storage.way == ACCESS_POINT_DYNAMIC:
        kept = {"enabled": True, "storageClass": settings.storage_class}
        return {**on, "persistence": kept, **on_nodes(settings)}
    return {**on, "persistence": {"enabled": False}}


def _node_exporter(given: Prometheus) -> dict[str, Any]:
    if not given.node_exporter:
        return {"enabled": False}
    return {"enabled": True, "tolerations": [dict(t) for t in given.node_exporter_tolerations]}


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those of `over` in their place, as helm merges: mappings key by key, all else as a whole."""
    made = dict(values)
    for key, value in over.items():
        held = made.get(key)
        made[key] = merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return made
