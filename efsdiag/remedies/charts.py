"""What is installed by Helm: the driver, and Prometheus on its claim."""

from __future__ import annotations

from typing import Any

from efsdiag.changes import Declined, Proposal
from efsdiag.charts import driver_release, prometheus_release, with_room
from efsdiag.model import UNREAD, Finding, Ref, Subject, Unread
from efsdiag.releases import Chart, release_change
from efsdiag.semantics.claims import Claim
from efsdiag.setting_names import default_settings
from efsdiag.settings import Settings


def install_driver(
    cause: Finding,
    node_daemonset: dict[str, Any] | None = None,
    controller_deployment: dict[str, Any] | None = None,
    wanted: Settings | None = None,
    wanted_nodes: list[dict[str, Any]] | None = None,
) -> Proposal:
    there = node_daemonset or controller_deployment
    if there is not None:
        return Declined(f"part of the driver is there ({there['metadata']['name']}); who installed it has to mend it")
    settings = wanted or default_settings()
    release = driver_release(with_room(settings, len(wanted_nodes)) if wanted_nodes else settings)
    words = f"install the EFS CSI driver ({_shown(release.chart)}) as release {release.name} in {release.namespace}"
    on = Ref("Deployment", "efs-csi-controller", release.namespace)
    return (release_change(release, words, on, present=False),)


def install_prometheus(
    cause: Finding, wanted: Settings, subject: Subject, claims: tuple[Claim, ...], workload: Any = UNREAD
) -> Proposal:
    if isinstance(workload, Unread):
        return Declined(f"whether it is there could not be read: {workload.why}")
    if workload is not None:
        return Declined("the workload is there; what keeps its pods from being made has to be mended")
    waiting = [c.name for c in claims if not c.bound]
    if waiting:
        return Declined(f"claim {', '.join(waiting)} is not bound yet; Prometheus is installed when it is")
    release = prometheus_release(wanted)
    words = f"install Prometheus ({_shown(release.chart)}) as release {release.name} in {release.namespace}"
    on = Ref(subject.kind.capitalize(), subject.name, subject.namespace)
    return (release_change(release, f"{words}, with its data on claim {wanted.claim}", on, present=False),)


def _shown(chart: Chart) -> str:
    return f"chart {chart.chart} {chart.version}".strip()
