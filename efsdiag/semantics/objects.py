"""Small questions to raw Kubernetes and EC2 objects."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Ref


def controller_of(thing: dict[str, Any]) -> dict[str, Any] | None:
    """The owner reference whose `controller` is true."""
    references: list[dict[str, Any]] = thing["metadata"].get("ownerReferences") or []
    return next((r for r in references if r.get("controller")), None)


def selector_of(workload: dict[str, Any]) -> str:
    """The workload's selector, matchLabels and matchExpressions, as the text of a label selector; "" for none."""
    selector = workload["spec"].get("selector") or {}
    labels = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    return ",".join([*labels, *(_term(e) for e in selector.get("matchExpressions") or [])])


def replica_failure(workload: dict[str, Any]) -> str:
    """What the workload's controller says of a pod that it may not create; "" where it says nothing of the kind."""
    conditions = workload.get("status", {}).get("conditions") or []
    said = (c for c in conditions if c.get("type") == "ReplicaFailure" and c.get("status") == "True")
    return next((str(c.get("message") or c.get("reason") or "") for c in said), "")


def _term(expression: dict[str, Any]) -> str:
    key, operator = expression["key"], expression["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return key if operator == "Exists" else f"!{key}"
    return f"{key} {operator.lower()} ({','.join(expression.get('values') or [])})"


def time_of(event: dict[str, Any]) -> str:
    """When an event was last seen: RFC 3339, as a string that sorts."""
    series = (event.get("series") or {}).get("lastObservedTime")
    seen = series or event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return str(seen or "")


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether the pod's condition Ready is True."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or [])


def instance_name(instance: dict[str, Any]) -> str:
    """ "i-0a… (worker1)": the id with its Name tag where it has one."""
    name = next((t["Value"] for t in instance.get("Tags") or [] if t["Key"] == "Name"), "")
    return f"{instance['InstanceId']} ({name})" if name else str(instance["InstanceId"])


def ref_of(thing: dict[str, Any]) -> Ref:
    """The object's name: kind, namespace, name."""
    metadata = thing["metadata"]
    return Ref(str(thing.get("kind", "Object")), metadata["name"], metadata.get("namespace") or "")


def scheduler_message(pod: dict[str, Any]) -> str:
    """What the scheduler wrote on the pod when it found no node; "" where it wrote nothing."""
    conditions = pod.get("status", {}).get("conditions") or []
    return next((str(c.get("message", "")) for c in conditions if c["type"] == "PodScheduled"), "")


def backends_of(ingress: dict[str, Any]) -> set[str]:
    """The names of the Services to which an Ingress leads."""
    spec = ingress.get("spec") or {}
    paths = [p for rule in spec.get("rules") or [] for p in (rule.get("http") or {}).get("paths") or []]
    backends = [spec.get("defaultBackend") or {}, *(p.get("backend") or {} for p in paths)]
    return {str(b["service"]["name"]) for b in backends if b.get("service")}


def has_identity_agent(node: dict[str, Any]) -> bool:
    """Whether the node, one of EKS Auto Mode, has the agent of Pod Identity as a part of itself, and not as a pod.

    Source:  https://docs.aws.amazon.com/eks/latest/userguide/pod-id-agent-setup.html
    """
    labels = node["metadata"].get("labels") or {}
    return bool(labels.get("eks.amazonaws.com/compute-type") == "auto")


def is_eks(node: dict[str, Any]) -> bool:
    """Whether the node belongs to an EKS cluster: its kubelet is of EKS's own make."""
    return "-eks-" in str(node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", ""))
