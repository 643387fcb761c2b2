"""What is installed by Helm: the driver, and Prometheus on its claim."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from efsdiag.changes import Declined, Proposal
from efsdiag.charts import driver_release, prometheus_release, with_room
from efsdiag.model import UNREAD, Finding, Ref, Subject, Unread
from efsdiag.releases import Chart, release_change
from efsdiag.semantics.claims import Claim, off_efs
from efsdiag.semantics.credentials import own_association
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.setting_names import default_settings
from efsdiag.settings import IRSA, POD_IDENTITY, Settings

WAYS = {Via.IRSA: IRSA, Via.POD_IDENTITY: POD_IDENTITY}


def install_driver(
    cause: Finding,
    node_daemonset: dict[str, Any] | None = None,
    controller_deployment: dict[str, Any] | None = None,
    wanted: Settings | None = None,
    wanted_nodes: list[dict[str, Any]] | None = None,
    controller_credential_path: Any = UNREAD,
    pod_identity_associations: Any = UNREAD,
    wished_account: Any = UNREAD,
) -> Proposal:
    there = node_daemonset or controller_deployment
    if there is not None:
        return Declined(f"part of the driver is there ({there['metadata']['name']}); who installed it has to mend it")
    settings, path = wanted or default_settings(), controller_credential_path
    if wanted and isinstance(path, Unread):
        return Declined(f"how the driver is to get its role is not told: {path.why}")
    via = path.via if isinstance(path, CredentialPath) else None
    if via is Via.POD_IDENTITY and not _associated(pod_identity_associations, path):
        # EKS hands the role to pods that are made after the association.
        return Declined(
            f"service account {path.service_account} has no Pod Identity association yet; the driver comes after"
        )
    role_arn = path.role_arn if via is Via.IRSA else ""
    if via in WAYS:
        # The controller has a role of its own then, and may stand on any node.
        settings = replace(settings, iam=replace(settings.iam, way=WAYS[via]))
    settings = with_room(settings, len(wanted_nodes)) if wanted_nodes else settings
    release = driver_release(settings, role_arn, own_account=_is_of_release(wished_account, settings))
    words = f"install the EFS CSI driver ({_shown(release.chart)}) as release {release.name} in {release.namespace}"
    on = Ref("Deployment", "efs-csi-controller", release.namespace)
    return (release_change(release, words, on, present=False),)


def _associated(associations: Any, path: CredentialPath) -> bool:
    return not isinstance(associations, Unread) and own_association(associations or (), path) is not None


def _is_of_release(account: Any, settings: Settings) -> bool:
    """Whether the chart may make the service account: there is none, or helm made it for this release."""
    if account is None or isinstance(account, Unread):
        return True
    annotations = account["metadata"].get("annotations") or {}
    return bool(annotations.get("meta.helm.sh/release-name") == settings.driver.release)


def install_prometheus(
    cause: Finding,
    wanted: Settings,
    subject: Subject,
    claims: tuple[Claim, ...],
    volumes: dict[str, dict[str, Any] | None],
    workload: Any = UNREAD,
) -> Proposal:
    if isinstance(workload, Unread):
        return Declined(f"whether it is there could not be read: {workload.why}")
    if workload is not None:
        return Declined("the workload is there; what keeps its pods from being made has to be mended")
    waiting = [c.name for c in claims if not c.bound]
    if waiting:
        return Declined(f"claim {', '.join(waiting)} is not bound yet; Prometheus is installed when it is")
    elsewhere = off_efs(claims, volumes)
    if elsewhere:
        return Declined(f"{elsewhere}; name another one in the setting claim")
    release = prometheus_release(wanted)
    words = f"install Prometheus ({_shown(release.chart)}) as release {release.name} in {release.namespace}"
    on = Ref(subject.kind.capitalize(), subject.name, subject.namespace)
    return (release_change(release, f"{words}, with its data on claim {wanted.claim}", on, present=False),)


def _shown(chart: Chart) -> str:
    return f"chart {chart.chart} {chart.version}".strip()
