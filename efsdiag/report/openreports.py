"""A HealthReport as a Kubernetes report resource, for policy dashboards: `kubectl apply -f -` puts it into the cluster.

Shapes:  https://github.com/openreports/reports-api (openreports.io/v1alpha1)
         https://github.com/kubernetes-sigs/wg-policy-prototypes (wgpolicyk8s.io/v1alpha2), which came before it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from efsdiag.report.machine import as_yaml
from efsdiag.report.prometheus import whole
from efsdiag.report.refs import ref_in, targets_text
from efsdiag.report.text import clipped, safe

SOURCE = "efsdiag"
MOST_TEXT = 1000
"""Columns of a message or a property: the whole object has to stay below what the API server takes (1.5 MB)."""
RESULTS = ("pass", "fail", "warn", "error", "skip")

_API_VERSIONS = {
    "Pod": "v1",
    "PersistentVolumeClaim": "v1",
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
    "Prometheus": "monitoring.coreos.com/v1",
}
"""Kind of workload → what has to stand in a reference to it."""


def openreports(document: Mapping[str, Any]) -> str:
    """A ClusterReport, or a Report where one namespace was looked at. The next run's has the same name."""
    return as_yaml(_resource(document, "openreports.io/v1alpha1", "Report", "ClusterReport", {"source": SOURCE}))


def policy_report(document: Mapping[str, Any]) -> str:
    """The same as a ClusterPolicyReport or a PolicyReport, for readers of the older shape."""
    return as_yaml(_resource(document, "wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport", {}))


def _resource(
    document: Mapping[str, Any], version: str, kind: str, cluster_kind: str, more: Mapping[str, str]
) -> dict[str, Any]:
    scope, now = document["scope"], datetime.fromisoformat(document["checkedAt"])
    alone = scope["namespaces"][0] if len(scope["namespaces"]) == 1 and not scope["allNamespaces"] else ""
    results = [{**result, "timestamp": _timestamp(now)} for result in _results(document)]
    count = Counter(result["result"] for result in results)
    return {
        "apiVersion": version,
        "kind": kind if alone else cluster_kind,
        "metadata": {
            "name": SOURCE,
            **({"namespace": alone} if alone else {}),
            "labels": {"app.kubernetes.io/managed-by": SOURCE},
            "annotations": {"efsdiag/checked-at": document["checkedAt"], "efsdiag/status": document["status"]},
        },
        **more,
        "summary": {name: count[name] for name in RESULTS},
        "results": results,
    }


def _results(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """What decides the answer is scored: root causes, and what hides whether there is one."""
    looked = document["workloads"]
    words = f"{looked['healthy']} of {looked['looked']} workloads with storage are healthy"
    sure = document["status"] != "inconclusive" and whole(document)
    yield _result("workloads", "pass" if sure else "error", "info", words)
    for item in document["rootCauses"]:
        severity = "high" if item["confidence"] == "confirmed" else "medium"
        more = {
            "confidence": item["confidence"],
            "remedies": "; ".join(remedy["text"] for remedy in item["remedies"]),
            "byHand": "; ".join(item["byHand"]),
        }
        yield _result(item["check"], "fail", severity, item["summary"], item, more)
    for item in document["unexplained"]:
        yield _result(item["check"], "error", "medium", f"no cause was found: {item['summary']}", item)
    for item in document["suspects"]:
        yield _result(item["check"], "error", "medium", item["reason"], item, {"grant": item["grant"]})
    for item in document["latent"]:
        more = {"clearedBy": ", ".join(item["clearedBy"])}
        yield _result(item["check"], "warn", "low", item["summary"], item, more)
    for item in document["notChecked"]:
        more = {"grant": item["grant"]}
        yield _result(item["check"], "error", "info", item["reason"], item, more, scored=False)
    for item in document.get("suppressed", ()):
        more = {"suppressedUntil": item["expires"], "suppressedBecause": item["reason"]}
        yield _result(item["id"], "skip", "info", item["summary"], item, more)


def _result(
    policy: str,
    result: str,
    severity: str,
    message: str,
    item: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
    *,
    scored: bool | None = None,
) -> dict[str, Any]:
    """One result; `policy` is the check, `rule` the mode, and `category` the mode's layer."""
    known = item or {}
    mode = known.get("id", "")
    thing = str(ref_in(known.get("object")))
    named = {"rule": mode, "category": mode.partition(".")[0]} if mode else {}
    resources = [r for target in known.get("targets", ()) if (r := _resource_of(target))]
    properties = {"fingerprint": known.get("fingerprint", ""), "object": thing, **(more or {})}
    if "targets" in known:
        properties |= {"workloads": targets_text(known), "podCount": str(known["podCount"])}
    return {
        "source": SOURCE,
        "policy": policy,
        **named,
        "severity": severity,
        "result": result,
        "scored": result in ("pass", "fail", "error") if scored is None else scored,
        "message": _short(message),
        **({"resources": resources} if resources else {}),
        "properties": {name: _short(value) for name, value in properties.items() if value},
    }


def _resource_of(target: Mapping[str, Any]) -> dict[str, str] | None:
    version = _API_VERSIONS.get(target["kind"])
    named = {key: target[key] for key in ("kind", "namespace", "name")}
    return {"apiVersion": version, **named} if version else None


def _timestamp(time: datetime) -> dict[str, int]:
    return {"seconds": int(time.astimezone(UTC).timestamp()), "nanos": 0}


def _short(text: str) -> str:
    return clipped(safe(text), MOST_TEXT)
