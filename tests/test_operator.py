"""`why prometheus/NAME`: the operator that refuses makes neither a pod nor a claim."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from efsdiag.checks.operator import load_balancer_made, operator_reconciles, release_claims_bound, storage_spec_used
from efsdiag.evidence.release import PendingFront
from efsdiag.investigate import Investigation, investigate
from efsdiag.model import Answer, Query, Ref, State, Subject, Unread, Unreadable
from efsdiag.operations import resource_of
from efsdiag.rules import load_rulebook

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MADE = "2026-11-20T00:00:00Z"
REFUSES = 'storage class "default" does not exist'


def resource(class_name: str = "default", message: str = REFUSES) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": "kps", "namespace": "monitoring", "uid": "u-1"},
        "spec": {"storage": {"volumeClaimTemplate": {"spec": {"storageClassName": class_name}}}},
        "status": {"conditions": [{"type": "Reconciled", "status": "False", "message": message}] if message else []},
    }


class World:
    """Objects by resource; everything else is there and empty. `refused` operations raise."""

    def __init__(self, objects: dict[str, list[dict[str, Any]]], refused: tuple[str, ...] = ()) -> None:
        self.objects = objects
        self.refused = refused

    def __call__(self, query: Query) -> Answer:
        if query.operation in self.refused:
            raise Unreadable(query, "refused", "grant")
        kept = self.objects.get(resource_of(query), [])
        if query.operation.startswith("kube:get "):
            return next((o for o in kept if o["metadata"]["name"] == query.get("name")), None)
        return list(kept) if query.operation.startswith("kube:list ") else None


def why(world: World) -> Investigation:
    return investigate(load_rulebook(), world, Subject("prometheus", "monitoring", "kps"), NOW, strict=True)


def test_why_prometheus_names_the_class_that_the_operator_refuses() -> None:
    diagnosis = why(World({"prometheuses": [resource()]})).diagnosis
    assert [c.finding.mode for c in diagnosis.causes] == ["helm.operator-storageclass-missing"]
    assert diagnosis.causes[0].chain == ("operator-reconciles", "pod-exists", "pod-ready")


def test_why_prometheus_believes_the_operator_where_classes_cannot_be_read() -> None:
    found = why(World({"prometheuses": [resource()]}, ("kube:list storageclasses",))).diagnosis
    assert "helm.operator-storageclass-missing" not in {c.finding.mode for c in found.causes if c.confirmed}


def test_why_prometheus_looks_at_the_pod_that_the_operator_made() -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "prometheus-kps-0", "namespace": "monitoring", "uid": "u-2", "labels": {}},
        "spec": {"nodeName": "n", "containers": [{"name": "prometheus", "image": "prometheus"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"},
    }
    found = why(World({"prometheuses": [resource("there", "")], "pods": [pod]}))
    assert found.subject == Subject("pod", "monitoring", "prometheus-kps-0")
    assert found.diagnosis.status.value == "healthy"


@pytest.mark.parametrize(
    ("about", "modes"),
    [("monitoring/kps", ["helm.operator-storageclass-missing"]), ("monitoring/kps-2", []), ("team-monitoring/kps", [])],
)
def test_the_operators_log_speaks_where_the_resource_cannot_be_read(about: str, modes: list[str]) -> None:
    subject = Subject("prometheus", "monitoring", "kps")
    log = 'level=error err="sync \\"' + about + '\\" failed: storage class \\\\"default\\\\" does not exist"'
    verdict = operator_reconciles(subject, Unread("not in the bundle", "collect it"), None, log)
    assert [(f.mode, f.sure) for f in verdict.findings] == [(m, False) for m in modes]
    assert (verdict.state is State.UNKNOWN) is (not modes)


def test_operator_reconciles_passes_where_the_class_exists() -> None:
    subject = Subject("prometheus", "monitoring", "kps")
    accepted = {**resource("efs-sc", ""), "status": {"conditions": [{"type": "Reconciled", "status": "True"}]}}
    assert operator_reconciles(subject, accepted, ("efs-sc",)).state is State.PASS
    assert operator_reconciles(Subject("pod", "a", "b")).state is State.SKIP


def test_storage_spec_used_fails_on_an_empty_dir_of_the_operator() -> None:
    labels = {"operator.prometheus.io/name": "kps"}
    volume = {"name": "prometheus-kps-db", "emptyDir": {}}
    pod = {"metadata": {"name": "p", "namespace": "m", "labels": labels}, "spec": {"volumes": [volume]}}
    assert storage_spec_used(pod).findings[0].mode == "helm.storage-spec-ignored"
    on_claim = {**pod, "spec": {"volumes": [{"name": "prometheus-kps-db", "persistentVolumeClaim": {}}]}}
    assert storage_spec_used(on_claim).state is State.PASS
    assert storage_spec_used({"metadata": {"name": "p", "namespace": "m"}, "spec": {}}).state is State.SKIP


def test_release_claims_bound_names_the_claim_of_alertmanager() -> None:
    subject = Subject("pod", "monitoring", "p")
    verdict = release_claims_bound(("storage-prometheus-alertmanager-0",), subject)
    assert verdict.findings[0].mode == "alertmanager.pvc-pending"
    assert release_claims_bound((), subject).state is State.PASS


@pytest.mark.parametrize(
    ("message", "mode"),
    [
        (
            "Failed build model due to unable to resolve at least one subnet. Evaluated 3 subnets: 0 are tagged for "
            "other clusters, and 1 have insufficient available IP addresses",
            "lb.subnets-not-tagged",
        ),
        (
            "Failed build model due to couldn't auto-discover subnets: UnauthorizedOperation: You are not authorized "
            "to perform this operation.",
            "lb.iam-denied",
        ),
        ("Failed build model due to conflicting load balancer attributes idle_timeout", "lb.attribute-conflict"),
    ],
)
def test_load_balancer_made_names_what_its_controller_said(message: str, mode: str) -> None:
    front = PendingFront("Service", "web", "monitoring", (message,), MADE)
    assert load_balancer_made((front,), NOW).findings[0].mode == mode
    ingress = PendingFront("Ingress", "web", "monitoring", (message,), MADE)
    assert load_balancer_made((), NOW, (ingress,)).findings[0].object == Ref("Ingress", "web", "monitoring")


def test_load_balancer_made_says_that_nobody_answers() -> None:
    verdict = load_balancer_made((PendingFront("Service", "web", "monitoring", (), MADE),), NOW)
    assert verdict.findings[0].mode == "lb.no-controller"
    assert not verdict.findings[0].sure
    assert load_balancer_made((), NOW, ()).state is State.SKIP


def test_load_balancer_made_is_unknown_where_only_services_could_be_read() -> None:
    assert load_balancer_made((), NOW).state is State.UNKNOWN


def test_load_balancer_made_gives_a_new_service_its_time() -> None:
    new = PendingFront("Service", "web", "monitoring", (), "2026-11-20T23:59:30Z")
    assert load_balancer_made((new,), NOW, ()).state is State.WAITING
