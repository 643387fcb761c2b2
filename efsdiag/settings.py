"""What an install is to make: names, storage, identity and charts, each with its default and its meaning.

A key of `efsdiag.yaml` is the field's name in camelCase: `storage.file_system` is `storage.fileSystem`. The metadata of
a field holds its kind (`setting_kinds.py`) and the comment that stands above it in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from efsdiag.setting_kinds import (
    ACCOUNT_PART,
    ARCHIVE,
    BOOLEAN,
    CIDRS,
    DIGEST,
    DNS_NAME,
    DRIVER_TAGS,
    DURATION,
    FREE_MAP,
    IMAGE,
    KMS_KEY,
    NAME,
    NAMESPACE,
    PATH,
    QUANTITY,
    REGION,
    RELEASE,
    RETENTION,
    SELECTOR,
    SIZE,
    TAGS,
    TEXT,
    TOLERATIONS,
    UID,
    URL,
    VERSION,
    Kind,
    aws_id,
    choice,
    count,
)

ACCESS_POINT_STATIC = "access-point-static"
ACCESS_POINT_DYNAMIC = "access-point-dynamic"
DIRECTORY = "directory"

INSTANCE_PROFILE = "instance-profile"
IRSA = "irsa"
POD_IDENTITY = "pod-identity"


def setting(default: Any, kind: Kind, says: str) -> Any:
    """A field of the settings: its default, its kind, and its comment in the file."""
    metadata = {"kind": kind, "says": says}
    if isinstance(default, dict | list):
        return field(default_factory=lambda: type(default)(default), metadata=metadata, hash=False)
    return field(default=default, metadata=metadata)


def section(made: type, says: str) -> Any:
    """A field that holds settings of its own."""
    return field(default_factory=made, metadata={"says": says})


@dataclass(frozen=True)
class Storage:
    """The file system, and how the claim gets its part of it."""

    way: str = setting(
        ACCESS_POINT_STATIC,
        choice(ACCESS_POINT_STATIC, ACCESS_POINT_DYNAMIC, DIRECTORY),
        "How the claim gets its storage: one access point that is made here, one that the driver makes for the claim,\n"
        "or a plain directory, whose owner somebody has to set.",
    )
    file_system: str = setting(
        "", aws_id("fs"), "File system to adopt (fs-…). Empty: the one with the name as its creation token, else new."
    )
    access_point: str = setting(
        "", aws_id("fsap"), "Access point to adopt (fsap-…). Empty: the one with the tag, else new."
    )
    encrypted: bool = setting(True, BOOLEAN, "Whether a new file system is encrypted at rest; cannot be changed later.")
    kms_key: str = setting("", KMS_KEY, "KMS key for it (id, ARN or alias/…). Empty: the key of AWS for EFS.")
    backup: bool = setting(True, BOOLEAN, "Whether AWS Backup keeps daily backups of a new file system.")
    performance_mode: str = setting(
        "generalPurpose",
        choice("generalPurpose", "maxIO"),
        "Performance mode of a new file system; cannot be changed later. Elastic throughput wants generalPurpose.",
    )
    throughput_mode: str = setting(
        "elastic", choice("elastic", "bursting", "provisioned"), "Throughput mode of a new file system."
    )
    throughput: int = setting(
        0, count(0, 3414), "MiB/s of a file system with provisioned throughput, 1 to 3414; 0 in the other modes."
    )
    capacity: str = setting(
        "50Gi", QUANTITY, "What claim and volume ask for (a Kubernetes quantity). EFS limits nothing by it."
    )
    path: str = setting(
        "/prometheus", PATH, "Directory on the file system that holds the data: the root of the access point."
    )


@dataclass(frozen=True)
class Iam:
    """The role by which the driver gets at EFS."""

    way: str = setting(
        "",
        choice("", INSTANCE_PROFILE, IRSA, POD_IDENTITY),
        "How the driver gets its role. Empty: as the cluster has it (instance-profile on EC2; on EKS pod-identity\n"
        "where its agent stands on every node, else irsa).",
    )
    role: str = setting("", ACCOUNT_PART, "Name of the role. Empty: NAME-efs-csi.")
    policy: str = setting("", ACCOUNT_PART, "Name of the role's inline policy. Empty: NAME-efs-csi.")
    instance_profile: str = setting("", ACCOUNT_PART, "Name of the instance profile. Empty: NAME-efs-csi.")


@dataclass(frozen=True)
class Driver:
    """The EFS CSI driver's release."""

    release: str = setting("aws-efs-csi-driver", RELEASE, "Name of the Helm release.")
    namespace: str = setting("kube-system", NAMESPACE, "Its namespace.")
    chart: str = setting("aws-efs-csi-driver", TEXT, "Name of the chart in the repository, or an oci:// address.")
    repository: str = setting(
        "https://kubernetes-sigs.github.io/aws-efs-csi-driver/",
        URL,
        "Address of the chart repository; empty for oci://.",
    )
    version: str = setting("4.4.1", VERSION, "Version of the chart (4.4.1 brings driver v3.4.1).")
    archive: str = setting("", ARCHIVE, "Chart archive (.tgz) to take in the place of the repository.")
    digest: str = setting("", DIGEST, "SHA-256 of the chart's archive (sha256:…); another archive is then refused.")
    replicas: int = setting(2, count(1, 10), "Pods of the controller.")
    tags: dict[str, str] = setting(
        {}, DRIVER_TAGS, "AWS tags of the access points that the driver makes; without spaces and colons."
    )
    region: str = setting(
        "", REGION, "AWS region for the driver's mounts. Empty: the one that IMDS says; set it where IMDS is closed."
    )
    timeout: str = setting("5m", DURATION, "How long helm waits for its hooks (300s, 5m).")
    values: dict[str, Any] = setting(
        {}, FREE_MAP, "Further values of the chart, as in its values.yaml. They win over what efsdiag sets."
    )


@dataclass(frozen=True)
class Prometheus:
    """The release of Prometheus."""

    release: str = setting("prometheus", RELEASE, "Name of the Helm release.")
    chart: str = setting("prometheus", TEXT, "Name of the chart in the repository, or an oci:// address.")
    repository: str = setting(
        "https://prometheus-community.github.io/helm-charts", URL, "Address of the chart repository; empty for oci://."
    )
    version: str = setting("29.27.0", VERSION, "Version of the chart (29.27.0 brings Prometheus v3.14.0).")
    archive: str = setting("", ARCHIVE, "Chart archive (.tgz) to take in the place of the repository.")
    digest: str = setting("", DIGEST, "SHA-256 of the chart's archive (sha256:…); another archive is then refused.")
    retention: str = setting("15d", RETENTION, "How long samples are kept (15d, 4w).")
    retention_size: str = setting(
        "40GB", SIZE, "How much data is kept (40GB): what bounds it on EFS, which never fills up. Empty: no bound."
    )
    service_type: str = setting(
        "ClusterIP", choice("ClusterIP", "NodePort", "LoadBalancer"), "How the server is reached."
    )
    source_ranges: list[str] = setting(
        [], CIDRS, "Networks (CIDR) that may reach it through a LoadBalancer. Empty: everybody."
    )
    stateful_set: bool = setting(
        False, BOOLEAN, "Whether the server is a StatefulSet, not a Deployment with the strategy Recreate."
    )
    alertmanager: bool = setting(
        False, BOOLEAN, "Whether Alertmanager is installed too; it keeps its data where the driver makes volumes."
    )
    pushgateway: bool = setting(False, BOOLEAN, "Whether the Pushgateway is installed too.")
    node_exporter: bool = setting(True, BOOLEAN, "Whether node-exporter is installed too, one on each node.")
    node_exporter_tolerations: list[dict[str, Any]] = setting(
        [{"operator": "Exists"}], TOLERATIONS, "Taints that node-exporter tolerates, as in a pod."
    )
    kube_state_metrics: bool = setting(True, BOOLEAN, "Whether kube-state-metrics is installed too.")
    timeout: str = setting("5m", DURATION, "How long helm waits for its hooks (300s, 5m).")
    values: dict[str, Any] = setting(
        {}, FREE_MAP, "Further values of the chart, as in its values.yaml. They win over what efsdiag sets."
    )


OWN_TAG = "efsdiag/name"
"""Key of the AWS tag by which what an install made is found; its value is the install's name."""


@dataclass(frozen=True)
class Settings:
    """What an install is to make."""

    name: str = setting(
        "prometheus-efs",
        NAME,
        "Base of all names: creation token and tag Name in AWS, and the names that are empty below.",
    )
    tags: dict[str, str] = setting({}, TAGS, "AWS tags of everything that is made there.")
    region: str = setting("", REGION, "AWS region. Empty: the one that the cluster's nodes say.")
    namespace: str = setting("monitoring", NAMESPACE, "Namespace of the claim and of Prometheus.")
    pod_security: str = setting(
        "",
        choice("", "privileged", "baseline", "restricted"),
        "Pod Security level of the namespace, where it is made here (pod-security.kubernetes.io/enforce). Empty: the\n"
        "cluster's own one. node-exporter wants privileged.",
    )
    nodes: str = setting(
        "",
        SELECTOR,
        "Nodes that are to reach EFS (a label selector, such as pool=data): Prometheus and the driver's controller\n"
        "are kept to them. Empty: all that take pods.",
    )
    uid: int = setting(65534, UID, "User that Prometheus runs as, and that owns its data.")
    gid: int = setting(65534, UID, "Group that Prometheus runs as, and that owns its data.")
    claim: str = setting(
        "", DNS_NAME, "Name of the PersistentVolumeClaim. Empty: NAME; of a StatefulSet storage-volume-SERVER-0."
    )
    volume: str = setting("", DNS_NAME, "Name of the PersistentVolume, where it is made here. Empty: NAME.")
    storage_class: str = setting("", DNS_NAME, "Name of the StorageClass. Empty: NAME.")
    smoke_image: str = setting(
        "public.ecr.aws/docker/library/busybox:1.37", IMAGE, "Image of the pod that writes and reads back a line."
    )
    storage: Storage = section(Storage, "The file system, and the claim's part of it.")
    iam: Iam = section(Iam, "How the driver gets at EFS.")
    driver: Driver = section(Driver, "The EFS CSI driver, by Helm.")
    prometheus: Prometheus = section(Prometheus, "Prometheus, by Helm.")

    @property
    def aws_tags(self) -> dict[str, str]:
        """Tags of everything that is made in AWS: those of the file, the name, and the one by which it is found."""
        return {**self.tags, "Name": self.name, OWN_TAG: self.name}

    @property
    def group_name(self) -> str:
        """The security group of its mount targets."""
        return f"{self.name}-efs"


def key_of(name: str) -> str:
    """A field's key in the file: "file_system" → "fileSystem"."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def known_fields(made: type | object) -> Mapping[str, Any]:
    """Key → field of a section."""
    return {key_of(f.name): f for f in fields(made)}  # type: ignore[arg-type]


def section_of(known: Any) -> type | None:
    """The class of the section that the field holds; None for a setting."""
    made = known.default_factory
    return made if isinstance(made, type) and is_dataclass(made) else None


def documented(made: Any = None, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key by its whole path, in the order of the file: (path, comment, default); None for a section."""
    made = Settings() if made is None else made
    for key, known in known_fields(made).items():
        whole = f"{path}{key}"
        inner = section_of(known) is not None
        value = getattr(made, known.name)
        yield whole, known.metadata["says"], None if inner else value
        if inner:
            yield from documented(value, f"{whole}.")
