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
from efsdiag.settings import ACCESS_POINT_DYNAMIC, Driver, Prometheus, Settings

HOST = "kubernetes.io/hostname"
AGENT_NOT_READY = {"key": "efs.csi.aws.com/agent-not-ready", "operator": "Exists"}
"""The driver's own start-up taint. The chart lets its controller tolerate CriticalAddonsOnly as well, which keeps the
workload off servers of k3s and RKE2: those get no role."""


UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the Pod Security level restricted asks of a container, which RKE2 with a CIS profile asks of every namespace.
https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""


def driver_release(settings: Settings, role_arn: str = "") -> Release:
    """The EFS CSI driver's release. `role_arn` is that of IRSA; "" where the driver gets its role another way."""
    driver = settings.driver
    return Release(
        driver.release, driver.namespace, chart_of(driver), driver_values(settings, role_arn), False, driver.timeout
    )


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


def driver_values(settings: Settings, role_arn: str = "") -> dict[str, Any]:
    """Values of the chart aws-efs-csi-driver: the controller on different nodes, tags, region and role."""
    driver = settings.driver
    account = {"serviceAccount": {"annotations": {ROLE_ANNOTATION: role_arn}}} if role_arn else {}
    spread = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway"}
    controller: dict[str, Any] = {
        "replicaCount": driver.replicas,
        "topologySpreadConstraints": [spread],
        "tolerations": [dict(AGENT_NOT_READY)],
        **account,
    }
    if driver.tags:
        controller["tags"] = dict(driver.tags)
    node: dict[str, Any] = dict(account)
    if driver.region:
        # efs-utils asks IMDS for the region, and takes this where it gets no answer.
        node["env"] = [{"name": "AWS_DEFAULT_REGION", "value": driver.region}]
    return merged({"controller": controller, **({"node": node} if node else {})}, driver.values)


def prometheus_values(settings: Settings) -> dict[str, Any]:
    """Values of the chart prometheus: one writer on the claim, as the owner of its data, bounded in time and size."""
    given, stateful = settings.prometheus, settings.prometheus.stateful_set
    service: dict[str, Any] = {"type": given.service_type}
    if given.source_ranges:
        service["loadBalancerSourceRanges"] = list(given.source_ranges)
    server: dict[str, Any] = {
        "replicaCount": 1,
        "statefulSet": {"enabled": stateful},
        # A second pod beside the first one would find the database locked.
        **({} if stateful else {"strategy": {"type": "Recreate"}}),
        "persistentVolume": {"enabled": True, "existingClaim": settings.claim},
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
    }
    reload: dict[str, Any] = {}
    if settings.uid != 0:
        # Root without capabilities could not write where another user owns the directory.
        server["containerSecurityContext"] = dict(UNPRIVILEGED)
        reload = {"configmapReload": {"prometheus": {"containerSecurityContext": dict(UNPRIVILEGED)}}}
    values = {
        **reload,
        "server": server,
        "alertmanager": _alertmanager(settings),
        "prometheus-pushgateway": {"enabled": given.pushgateway},
        "prometheus-node-exporter": _node_exporter(given),
        "kube-state-metrics": {"enabled": given.kube_state_metrics},
    }
    return merged(values, given.values)


def _alertmanager(settings: Settings) -> dict[str, Any]:
    if not settings.prometheus.alertmanager:
        return {"enabled": False}
    # It asks for a claim of its own, which stays pending where nothing makes volumes.
    if settings.storage.way == ACCESS_POINT_DYNAMIC:
        return {"enabled": True, "persistence": {"enabled": True, "storageClass": settings.storage_class}}
    return {"enabled": True, "persistence": {"enabled": False}}


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
