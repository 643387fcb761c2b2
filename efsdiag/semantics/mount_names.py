"""The name that mount.efs resolves for a volume.

Source: https://github.com/aws/efs-utils/blob/master/src/mount_efs/dns_resolver.py
        https://github.com/aws/efs-utils/blob/master/dist/efs-utils.conf and s3files-utils.conf
"""

from __future__ import annotations

import re

from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.partitions import partition_of

DNS_HANDLE = re.compile(r"fs-[0-9a-f]+\.efs\.([a-z0-9-]+)\.[a-z]")
S3_FILES = {"amazonaws.com": "on.aws", "amazonaws.com.cn": "on.amazonwebservices.com.cn"}


def handle_region(volume: EfsVolume) -> str:
    """The region in a handle that is a DNS name; "" in any other."""
    found = DNS_HANDLE.search(str(volume.object["spec"]["csi"].get("volumeHandle")))
    return found[1] if found else ""


def is_file_system_name(server: str) -> bool:
    """Whether an NFS server's name is that of an EFS file system, with or without a zone before it."""
    return bool(DNS_HANDLE.search(server))


def mount_name(volume: EfsVolume, region: str, zone_id: str) -> str:
    """The name that a mount of the volume asks for on a node in that region and zone.

    "" where the name has the zone's id in it, and that is not known, or where the volume is mounted by address.
    """
    if volume.by_address:
        return ""
    region = _option(volume, "region") or handle_region(volume) or region
    suffix = partition_of(region).dns_suffix
    if volume.kind == "s3files":
        return f"{zone_id}.{volume.file_system}.s3files.{region}.{S3_FILES.get(suffix, suffix)}" if zone_id else ""
    name = f"{volume.file_system}.efs.{region}.{suffix}"
    if volume.crosses_accounts:
        return f"{zone_id}.{name}" if zone_id else ""
    zone = _option(volume, "az")
    return f"{zone}.{name}" if zone else name


def _option(volume: EfsVolume, option: str) -> str:
    """The value of a mount option; "" where it is not set."""
    return next((o.partition("=")[2] for o in volume.options if o.startswith(f"{option}=")), "")
