"""The EFS CSI driver's own pods: its container, its version, its credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from efsdiag.semantics.containers import image_name, image_tag, version_of

DRIVER_IMAGE = "aws-efs-csi-driver"
DRIVER_LABEL = "app.kubernetes.io/name=aws-efs-csi-driver"
USUAL_NAMESPACE = "kube-system"


@dataclass(frozen=True)
class DriverVersion:
    """What an image tag says about the driver."""

    tag: str
    number: tuple[int, ...] | None
    """None where the tag is no version."""

    def before(self, *number: int) -> bool:
        return self.number is not None and self.number < number

    def since(self, *number: int) -> bool:
        return self.number is not None and self.number >= number


FARGATE_DRIVER = DriverVersion("the driver built into Fargate", (2, 0, 0))
"""No pod of it is to be seen, and its version is not published; it reads no handles with a prefix, as before 3.0.

Source: https://github.com/kubernetes-sigs/aws-efs-csi-driver/issues/1947
"""


def is_fargate(node: dict[str, Any]) -> bool:
    """Whether the node is one of EKS Fargate, where no DaemonSet runs and EFS volumes are mounted all the same."""
    labels = node["metadata"].get("labels") or {}
    return bool(labels.get("eks.amazonaws.com/compute-type") == "fargate")


def driver_version(workload: dict[str, Any]) -> DriverVersion:
    """The tag of the driver's image in a workload's template."""
    return version_in(workload["spec"]["template"]["spec"])


def version_in(spec: dict[str, Any]) -> DriverVersion:
    """The tag of the driver's image in a pod's spec."""
    tag = image_tag(plugin_container(spec).get("image", ""))
    return DriverVersion(tag, version_of(tag))


def plugin_container(spec: dict[str, Any]) -> dict[str, Any]:
    """The container that runs the driver itself; empty where the spec has none."""
    for container in spec.get("containers") or []:
        if image_name(container.get("image", "")).endswith(DRIVER_IMAGE):
            return dict(container)
    return {}


def plugin_status(pod: dict[str, Any], container: str = "efs-plugin") -> dict[str, Any]:
    """The status of one of the driver's containers in a pod; empty where the kubelet has not reported on it."""
    states = pod.get("status", {}).get("containerStatuses") or []
    return next((dict(s) for s in states if s["name"] == container), {})


ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
CONTROLLER_ACCOUNT = "efs-csi-controller-sa"


def account_in(values: Mapping[str, Any]) -> str:
    """The service account of the controller, in the chart's own name or in that of these values."""
    return str(_account_values(values).get("name") or CONTROLLER_ACCOUNT)


def role_in(values: Mapping[str, Any]) -> str:
    """ARN of the role that these values of the chart name for the controller; "" where they name none."""
    annotations = _account_values(values).get("annotations")
    return str(annotations.get(ROLE_ANNOTATION) or "") if isinstance(annotations, Mapping) else ""


def _account_values(values: Mapping[str, Any]) -> Mapping[str, Any]:
    held: Any = values
    for key in ("controller", "serviceAccount"):
        held = held.get(key) if isinstance(held, Mapping) else None
    return held if isinstance(held, Mapping) else {}


class Via(Enum):
    """How credentials reach a process of the driver."""

    KEYS = "static keys in its environment"
    IRSA = "the role of its service account (IRSA)"
    POD_IDENTITY = "EKS Pod Identity"
    INSTANCE = "the instance profile of its node"


@dataclass(frozen=True)
class CredentialPath:
    """The first link of the AWS SDK's chain that a pod of the driver would use."""

    via: Via
    role_arn: str
    """Only where the pod itself names it (IRSA)."""
    annotated: str
    """The role that the service account names, whether the pod has it or not."""
    pod: str
    service_account: str
    namespace: str
    host_network: bool


def credential_path(pod: dict[str, Any], service_account: dict[str, Any] | None) -> CredentialPath:
    """What the driver's container in this pod finds, in the order in which the SDK looks."""
    env = {e["name"]: e for e in plugin_container(pod["spec"]).get("env") or []}
    if "AWS_ACCESS_KEY_ID" in env:
        via = Via.KEYS
    elif "AWS_WEB_IDENTITY_TOKEN_FILE" in env and "AWS_ROLE_ARN" in env:
        via = Via.IRSA
    elif "AWS_CONTAINER_CREDENTIALS_FULL_URI" in env:
        via = Via.POD_IDENTITY
    else:
        via = Via.INSTANCE
    annotations = (service_account or {}).get("metadata", {}).get("annotations") or {}
    return CredentialPath(
        via,
        str(env.get("AWS_ROLE_ARN", {}).get("value", "")),
        str(annotations.get(ROLE_ANNOTATION, "")),
        pod["metadata"]["name"],
        str(pod["spec"].get("serviceAccountName", "default")),
        pod["metadata"]["namespace"],
        bool(pod["spec"].get("hostNetwork")),
    )
