"""What the EFS node plugin makes of a volume's handle, attributes and mount options.

The grammar since driver 3.0: [efs:|s3files:]fs-<hex>[:<path>[:fsap-<hex>]]
Source: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/pkg/driver/node.go
        https://github.com/aws/efs-utils/blob/master/src/efs_utils_common/mount_options.py
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from efsdiag.semantics.driver import DriverVersion

FILE_SYSTEM = re.compile(r"fs-[0-9a-f]{8,40}")
ACCESS_POINT = re.compile(r"fsap-[0-9a-f]{8,40}")
HELPER_ACCESS_POINT = re.compile(r"fsap-[0-9a-f]{17}")
"""mount.efs is stricter than the driver: exactly 17 hexadecimal digits."""
ATTRIBUTES = frozenset(
    {
        "encryptintransit",
        "mounttargetip",
        "mounttargetipmap",
        "crossaccount",
        "path",
        "az",
        "storage.kubernetes.io/csiprovisioneridentity",
        "storage.kubernetes.io/csi.provisioneridentity",
    }
)
PROVISIONER_PARAMETERS = frozenset({"provisioningmode", "filesystemid", "directoryperms", "uid", "gid", "basepath"})
"""Left in the attributes by drivers that copy their class parameters; harmless."""
BOOLEANS = frozenset({"1", "t", "true", "0", "f", "false"})


def handle_fault(handle: str, version: DriverVersion | None) -> tuple[str, str] | None:
    """(mode, sentence) for a handle that the node plugin refuses; None for a good one."""
    prefix, bare = "", handle
    for known in ("s3files:", "efs:"):
        if handle.startswith(known):
            prefix, bare = known, handle.removeprefix(known)
    if prefix and version is not None and version.before(3, 0, 0):
        return (
            "pv.volume-handle-version-skew",
            f"the handle {handle} begins with {prefix}, which {version.tag} does not know",
        )
    parts = bare.split(":")
    if ".efs." in parts[0]:
        if version is not None and version.since(3, 0, 0) and version.before(3, 5, 0):
            return "pv.volume-handle-dns-name", f"the handle {handle} is a DNS name, which {version.tag} refuses"
        return None
    if len(parts) > 3:
        return (
            "pv.volume-handle-invalid",
            f"the handle {handle} has {len(parts)} fields; the driver knows at most three",
        )
    if not FILE_SYSTEM.fullmatch(parts[0]):
        return (
            "pv.volume-handle-invalid",
            f"the handle {handle} begins with {parts[0]!r}, not with a file system id (fs-…)",
        )
    point = parts[2] if len(parts) == 3 else ""
    if point and not ACCESS_POINT.fullmatch(point):
        return "pv.volume-handle-invalid", f"the handle {handle} names the access point {point!r}, not fsap-…"
    if point and not HELPER_ACCESS_POINT.fullmatch(point):
        return "pv.volume-handle-invalid", f"the access point {point} does not have 17 digits, and mount.efs refuses it"
    return None


def attribute_fault(
    attributes: Mapping[str, str], handle: str, options: Sequence[str], version: DriverVersion | None
) -> tuple[str, str] | None:
    """(mode, sentence) for volume attributes that the node plugin refuses; None for good ones."""
    low = {k.lower(): str(v) for k, v in attributes.items()}
    if "path" in low and version is not None and version.since(3, 0, 0):
        return (
            "pv.volume-attribute-path-removed",
            f"volumeAttributes.path is refused since driver 3.0.0; this is {version.tag}",
        )
    for key in attributes:
        if key.lower() not in ATTRIBUTES | PROVISIONER_PARAMETERS:
            return "pv.volume-attribute-unsupported", f"volumeAttributes has {key}, which the driver does not know"
    if "encryptintransit" in low and low["encryptintransit"].lower() not in BOOLEANS:
        value = low["encryptintransit"]
        return "pv.volume-attribute-unsupported", f"encryptInTransit is {value!r}; the driver wants true or false"
    if "mounttargetip" in low and not is_address(low["mounttargetip"]):
        return "pv.volume-attribute-unsupported", f"mounttargetip is {low['mounttargetip']!r}, which is no IP address"
    named = [o.partition("=")[2] for o in options if o.startswith("accesspoint=")]
    in_handle = handle.split(":")[2:3]
    if named and in_handle and in_handle[0] and named[0] != in_handle[0]:
        says = f"mountOptions name {named[0]}, the handle {in_handle[0]}"
        return "pv.volume-attribute-unsupported", says
    if (
        "crossaccount" in options
        and version is not None
        and version.since(3, 0, 0)
        and not handle.startswith("s3files:")
    ):
        return "pv.volume-attribute-unsupported", "mountOptions have crossaccount, which only the driver itself may set"
    if "tls" in options and low.get("encryptintransit", "true").lower() in ("false", "f", "0"):
        return "pv.volume-attribute-unsupported", "mountOptions have tls, and encryptInTransit is false"
    return None


def option_fault(options: Sequence[str], tls: bool, kind: str) -> tuple[str, str] | None:
    """(mode, sentence) for mount options that mount.efs refuses; None for good ones."""
    names = {o.partition("=")[0] for o in options}
    if kind == "s3files":
        wrong = sorted(names & {"crossaccount", "stunnel"})
        if not tls:
            return (
                "mount.s3files-unsupported-option",
                "encryptInTransit is false; S3 Files is always encrypted in transit",
            )
        if wrong:
            return "mount.s3files-unsupported-option", f"S3 Files does not support {', '.join(wrong)}"
    if "iam" in names and not tls:
        return "mount.option-invalid", "iam needs tls, and encryptInTransit is false"
    if "port" in names and tls:
        return "mount.option-invalid", "port and tls exclude each other"
    old = next((o for o in options if re.fullmatch(r"(nfs)?vers=[23](\.\d)?", o)), "")
    if old:
        return "mount.option-invalid", f"{old}: EFS speaks NFS 4.0 and 4.1 only"
    return None


def is_address(text: str) -> bool:
    """Whether the driver takes the text for an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
