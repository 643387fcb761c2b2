"""Whether the policy of a file system admits a mount that does not sign in, and if not, what it asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from efsdiag.model import Ref, Verdict, failed, unknown
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.driver_rights import client_decisions
from efsdiag.semantics.iam import efs_client_access, parse_policy

MOUNT = "elasticfilesystem:ClientMount"
ACCESS_POINT_ARN = re.compile(r"arn:[\w-]+:elasticfilesystem:[\w-]*:\d*:access-point/fsap-[0-9a-f]+")


def anonymous_refusal(
    volume: EfsVolume, policy: str, system: Mapping[str, Any], access_point_arn: str | None
) -> Verdict | None:
    """How the policy refuses an anonymous mount of the volume; None where it admits it.

    `access_point_arn` is that of the access point which the volume names, whether it exists or not.
    """
    point = {"AccessPointArn": access_point_arn} if access_point_arn else None
    decisions = client_decisions(None, policy, system, point, volume)
    if isinstance(decisions, Verdict):
        return decisions
    mount = decisions[MOUNT]
    if mount.allowed:
        return None
    if not mount.denied:
        return unknown(f"whether {volume.file_system} admits the mount depends on {', '.join(mount.missing_keys)}")
    mode, says = _what_it_asks_for(volume, policy, system, access_point_arn)
    on = Ref("PersistentVolume", volume.name)
    return failed(mode, says, on, *mount.because, f"mountOptions: {', '.join(volume.options) or 'none'}")


def _what_it_asks_for(
    volume: EfsVolume, policy: str, system: Mapping[str, Any], access_point_arn: str | None
) -> tuple[str, str]:
    """The mode and its sentence, by asking what else the policy would have admitted."""

    def admits(through: str | None, tls: bool) -> bool:
        written = parse_policy(policy, volume.file_system)
        return efs_client_access(written, None, str(system.get("FileSystemArn", "")), through, tls)[MOUNT].allowed

    if not volume.tls and admits(access_point_arn, True):
        says = f"{volume.file_system} admits TLS only; volume {volume.name} has encryptInTransit false"
        return "efs.policy-requires-tls", says
    others = [arn for arn in ACCESS_POINT_ARN.findall(policy) if arn != access_point_arn]
    if any(admits(other, tls) for other in others for tls in (volume.tls, True)):
        through = volume.access_point or "no access point"
        says = f"{volume.file_system} admits certain access points only; {volume.name} goes through {through}"
        return "efs.policy-access-point-only", says
    says = f"the policy of {volume.file_system} admits no anonymous mount, and volume {volume.name} does not sign in"
    return "efs.policy-requires-iam", f"{says} (mountOptions lack iam)"
