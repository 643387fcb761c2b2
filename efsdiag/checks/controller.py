"""What the driver's controller gets done: AWS allows what it asks for, and volumes that go are deleted."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, Verdict, failed, passed, skipped, waiting
from efsdiag.semantics.claims import Provisioning, ref_of_claim


def driver_requests_allowed(efs_classes: tuple[Provisioning, ...], heard: Heard | None = None) -> Verdict:
    if not efs_classes:
        return skipped("no claim waits for the EFS provisioner")
    said = heard.of("csi.no-credentials", "csi.access-denied") if heard else ()
    if not said:
        return waiting("nothing says whether AWS allows it")
    if said[-1].mode == "csi.no-credentials":
        return waiting("the controller has no credentials, so AWS was not asked yet")
    says = f"AWS refuses what the controller asks for: {said[-1].line}"
    return failed("csi.access-denied", says, ref_of_claim(efs_classes[0].claim), said[-1].line, sure=False)


def volume_deletable(dying_volume_events: dict[str, list[dict[str, Any]]]) -> Verdict:
    if not dying_volume_events:
        return skipped("no claim waits for a volume that is on its way out")
    for name, events in dying_volume_events.items():
        failures = [str(e.get("message", "")) for e in events if e.get("reason") == "VolumeFailedDelete"]
        if failures:
            says = f"the driver cannot delete volume {name}: {' '.join(failures[-1].split())[:300]}"
            return failed("csi.delete-volume-failed", says, Ref("PersistentVolume", name), failures[-1])
    return passed("no event tells that a volume could not be deleted")
