"""prometheus-operator, and what stands beside the pod in its release."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from efsdiag.evidence.release import PendingFront
from efsdiag.messages import recognise
from efsdiag.model import UNREAD, Ref, Subject, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import parse_time
from efsdiag.semantics.objects import ref_of

FIRST_WORD = timedelta(minutes=2)
"""By now a controller that makes load balancers has said something."""
LOAD_BALANCER_MODES = ("lb.subnets-not-tagged", "lb.iam-denied", "lb.attribute-conflict")


MISSING_CLASS = "helm.operator-storageclass-missing"


def operator_reconciles(
    subject: Subject,
    workload: Any = UNREAD,
    storage_class_names: tuple[str, ...] | None = None,
    operator_log: str | None = None,
) -> Verdict:
    if subject.kind != "prometheus" or workload is None:
        return skipped("no Prometheus resource was asked about")
    if isinstance(workload, Unread):
        return _by_operator_log(subject, workload, operator_log)
    conditions = workload.get("status", {}).get("conditions") or []
    refusing = [c for c in conditions if c.get("type") == "Reconciled" and c.get("status") == "False"]
    template = ((workload["spec"].get("storage") or {}).get("volumeClaimTemplate") or {}).get("spec") or {}
    named = template.get("storageClassName")
    if named and storage_class_names is not None and named not in storage_class_names:
        says = f"Prometheus {workload['metadata']['name']} names the storage class {named}, which does not exist"
        proof = [str(c.get("message", "")) for c in refusing]
        return failed(MISSING_CLASS, says, ref_of(workload), *proof, f"storageClassName: {named}")
    for condition in refusing:
        said = recognise(str(condition.get("message", "")), "resource-status")
        if any(s.mode == MISSING_CLASS for s in said):
            message = str(condition["message"])
            return failed(MISSING_CLASS, f"the operator refuses: {message}", ref_of(workload), message)
    return passed("the operator accepts the resource") if conditions else waiting("the operator has not answered")


def _by_operator_log(subject: Subject, workload: Unread, operator_log: str | None) -> Verdict:
    """Where the resource itself cannot be read: what its operator printed about it."""
    key = f"{subject.namespace}/{subject.name}"
    about = [
        line
        for line in (operator_log or "").splitlines()
        if re.search(rf"(?<![\w/.-]){re.escape(key)}(?![\w.-])", line)
    ]
    said = [
        s for line in about[-1:] for s in recognise(line.replace("\\", ""), "operator-log") if s.mode == MISSING_CLASS
    ]
    if not said:
        return unknown(workload.why, workload.grant)
    on = Ref("Prometheus", subject.name, subject.namespace)
    return failed(MISSING_CLASS, f"the operator refuses: {said[0].quote}", on, said[0].quote, sure=False)


def storage_spec_used(pod: dict[str, Any]) -> Verdict:
    labels = pod["metadata"].get("labels") or {}
    name = labels.get("operator.prometheus.io/name", "")
    if not name:
        return skipped("no operator runs this pod")
    volumes = [v for v in pod["spec"].get("volumes") or [] if v["name"] == f"prometheus-{name}-db"]
    if volumes and "emptyDir" in volumes[0]:
        says = f"Prometheus {name} keeps its data in an emptyDir; its resource has no storage"
        on = Ref("Prometheus", name, pod["metadata"]["namespace"])
        return failed("helm.storage-spec-ignored", says, on, f"volume {volumes[0]['name']}: emptyDir")
    return passed("the data are on a claim")


def release_claims_bound(pending_release_claims: tuple[str, ...], subject: Subject) -> Verdict:
    if not pending_release_claims:
        return passed("no other claim of the release is Pending")
    name = pending_release_claims[0]
    on = Ref("PersistentVolumeClaim", name, subject.namespace)
    return failed("alertmanager.pvc-pending", f"claim {name} of the release's Alertmanager is Pending", on)


def load_balancer_made(
    pending_services: tuple[PendingFront, ...], now: datetime, pending_ingresses: Any = UNREAD
) -> Verdict:
    ingresses = () if isinstance(pending_ingresses, Unread) else pending_ingresses or ()
    fronts = (*pending_services, *ingresses)
    for front in fronts:
        on = Ref(front.kind, front.name, front.namespace)
        said = [s for m in front.messages for s in recognise(m, "service-event") if s.mode in LOAD_BALANCER_MODES]
        if said:
            return failed(said[-1].mode, f"{on.kind} {on.name} has no address: {said[-1].quote}", on, said[-1].quote)
    silent = next((f for f in fronts if not f.messages and now - parse_time(f.made) > FIRST_WORD), None)
    if silent is not None:
        on = Ref(silent.kind, silent.name, silent.namespace)
        says = f"{on.kind} {on.name} has no address, and no controller has said a word about it"
        return failed("lb.no-controller", says, on, "status.loadBalancer.ingress: none", sure=False)
    if fronts:
        newest = fronts[0].messages[-1] if fronts[0].messages else "it was made just now; look again in two minutes"
        return waiting(f"{fronts[0].kind} {fronts[0].name} has no address yet: {newest}")
    if isinstance(pending_ingresses, Unread):
        return unknown(pending_ingresses.why, pending_ingresses.grant)
    return skipped("no Service or Ingress in front of the pod waits for an address")
