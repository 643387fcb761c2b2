"""Claims, how they are provisioned, and what an EFS volume's handle says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from efsdiag.model import Ref

EFS_DRIVER = "efs.csi.aws.com"
EBS_DRIVER = "ebs.csi.aws.com"
IN_TREE_EBS = "kubernetes.io/aws-ebs"
LONGHORN_DRIVER = "driver.longhorn.io"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
SELECTED_NODE = "volume.kubernetes.io/selected-node"


@dataclass(frozen=True)
class Claim:
    """One claim that the pod mounts."""

    name: str
    namespace: str
    pod_volume: str
    """The pod's volume of that claim, or "" where the claim itself was asked about."""
    object: dict[str, Any] | None
    """None where no such claim exists."""

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = (self.object or {}).get("spec", {})
        return spec

    @property
    def phase(self) -> str:
        return str((self.object or {}).get("status", {}).get("phase", ""))

    @property
    def bound(self) -> bool:
        return self.phase == "Bound" and bool(self.spec.get("volumeName"))

    @property
    def class_name(self) -> str | None:
        """The class it names: None where it names none, "" where it wants none (a volume made by hand).

        The annotation of old wins over spec.storageClassName, as it does for the volume binder.
        """
        annotations = (self.object or {}).get("metadata", {}).get("annotations") or {}
        found: str | None = annotations.get(OLD_CLASS, self.spec.get("storageClassName"))
        return found


def is_of_efs(volume: dict[str, Any]) -> bool:
    """Whether the EFS driver mounts the volume."""
    return bool((volume["spec"].get("csi") or {}).get("driver") == EFS_DRIVER)


def off_efs(claims: tuple[Claim, ...], volumes: dict[str, dict[str, Any] | None]) -> str:
    """Which of the claims is bound to a volume that is not on EFS, in words; "" where none is."""
    for claim in (c for c in claims if c.bound):
        volume = volumes.get(claim.spec["volumeName"])
        if volume is not None and not is_of_efs(volume):
            return f"claim {claim.name} is bound to volume {volume['metadata']['name']}, which is not on EFS"
    return ""


@dataclass(frozen=True)
class Provisioning:
    """How an unbound claim is to get its volume."""

    claim: Claim
    storage_class: dict[str, Any] | None
    """None where its class has no object, or where it wants a volume made by hand."""
    dynamic: bool
    """Whether a provisioner is to make it."""

    @property
    def provisioner(self) -> str:
        return str((self.storage_class or {}).get("provisioner", ""))

    @property
    def waits_for_consumer(self) -> bool:
        return (self.storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"

    @property
    def node_selected(self) -> bool:
        return SELECTED_NODE in ((self.claim.object or {})["metadata"].get("annotations") or {})


@dataclass(frozen=True)
class EfsVolume:
    """A volume of the EFS driver, as its handle describes it."""

    name: str
    object: dict[str, Any]
    claim: Claim
    file_system: str
    path: str
    """The directory of the file system (or of the access point) that is mounted, "/" by default."""
    access_point: str
    """"" where the handle names none."""
    kind: str
    """efs or s3files."""

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(self.object["spec"].get("mountOptions") or ())

    @property
    def attributes(self) -> dict[str, str]:
        return self.object["spec"]["csi"].get("volumeAttributes") or {}

    @property
    def asked(self) -> dict[str, str]:
        """The attributes by their names in lower case: the driver compares them so.

        Source:  https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/pkg/driver/node.go
        """
        return {name.lower(): str(value) for name, value in self.attributes.items()}

    @property
    def tls(self) -> bool:
        """Whether it is mounted with TLS. The driver adds that itself where the handle names an EFS access point.

        It reads values as Go's strconv.ParseBool does.
        """
        handle = str(self.object["spec"]["csi"].get("volumeHandle", ""))
        if self.kind == "efs" and self.access_point and handle.endswith(f":{self.access_point}"):
            return True
        return self.asked.get("encryptintransit", "true").lower() not in ("false", "f", "0")

    @property
    def crosses_accounts(self) -> bool:
        """Whether it is mounted as another account's file systems are: by address, or marked crossaccount."""
        crosses = self.asked.get("crossaccount", "").lower() in ("true", "t", "1")
        return bool(self.asked.get("mounttargetip")) or crosses

    @property
    def by_address(self) -> bool:
        """Whether it is mounted by an address, so that no name is resolved."""
        return bool(self.asked.get("mounttargetip") or self.asked.get("mounttargetipmap"))

    @property
    def uses_iam(self) -> bool:
        return "iam" in self.options or self.kind == "s3files"

    @property
    def static(self) -> bool:
        """Made by hand: no provisioner left its mark."""
        made_by = (self.object["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by")
        return not made_by and "storage.kubernetes.io/csiProvisionerIdentity" not in self.attributes


def efs_volume(volume: dict[str, Any], claim: Claim) -> EfsVolume:
    """The volume with its handle taken apart: [efs:|s3files:]fs-…[:path[:fsap-…]]. A malformed handle gives odd parts,
    never an error: `volume-handle-valid` judges it.
    """
    handle = str(volume["spec"]["csi"].get("volumeHandle", ""))
    kind = "s3files" if handle.startswith("s3files:") else "efs"
    bare = handle.removeprefix("s3files:").removeprefix("efs:")
    file_system, _, rest = bare.partition(":")
    path, _, access_point = rest.partition(":")
    attributes = volume["spec"]["csi"].get("volumeAttributes") or {}
    old_path = next((str(value) for name, value in attributes.items() if name.lower() == "path"), "")
    options = volume["spec"].get("mountOptions") or []
    named = next((o.partition("=")[2] for o in options if o.startswith("accesspoint=")), "")
    return EfsVolume(
        volume["metadata"]["name"],
        volume,
        claim,
        file_system.partition(".")[0],
        path or old_path or "/",
        access_point or named,
        kind,
    )


def ref_of_claim(claim: Claim) -> Ref:
    """The claim's name, whether it exists or not."""
    return Ref("PersistentVolumeClaim", claim.name, claim.namespace)
