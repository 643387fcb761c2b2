"""Whether everybody means the same region."""

from __future__ import annotations

from typing import Any

from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, passed, skipped, unknown
from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.driver import plugin_container
from efsdiag.semantics.instances import region_of
from efsdiag.semantics.mount_names import handle_region
from efsdiag.semantics.objects import ref_of


def region_agrees(
    efs_volumes: tuple[EfsVolume, ...],
    efs_classes: tuple[Provisioning, ...],
    node_instance: Any = UNREAD,
    controller_instance: Any = UNREAD,
    controller_deployment: Any = UNREAD,
) -> Verdict:
    named = [(v, region) for v in efs_volumes if (region := handle_region(v))]
    told = _told(controller_deployment) if efs_classes else ""
    if not named and not told:
        return skipped("neither the handle nor the driver's environment names a region")
    if named:
        here = _region_of(node_instance)
        if isinstance(here, Unread):
            return unknown(here.why, here.grant)
        for volume, region in named:
            if here and region != here:
                says = f"the handle of volume {volume.name} names region {region}; the node runs in {here}"
                return failed("csi.wrong-region", says, Ref("PersistentVolume", volume.name))
    if told:
        here = _region_of(controller_instance)
        if isinstance(here, Unread):
            return unknown(here.why, here.grant)
        if here and told != here:
            says = f"the controller's AWS_REGION is {told}; its instance runs in {here}"
            return failed("csi.wrong-region", says, ref_of(controller_deployment), f"env AWS_REGION: {told}")
    return passed("handle, driver and instances name one region")


def _told(deployment: Any) -> str:
    """The region that the controller's environment sets; "" where it sets none."""
    if not isinstance(deployment, dict):
        return ""
    env = plugin_container(deployment["spec"]["template"]["spec"]).get("env") or []
    return next((str(e.get("value", "")) for e in env if e["name"] in ("AWS_REGION", "AWS_DEFAULT_REGION")), "")


def _region_of(instance: Any) -> str | Unread:
    """The region of an instance, from its zone: "us-east-1" of "us-east-1a"; "" where it is not known."""
    if isinstance(instance, Unread):
        return instance
    return region_of(instance or {})
