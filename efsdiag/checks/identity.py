"""EKS Pod Identity: the agent that hands out the associated role, and what it says."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.semantics.objects import is_ready

AUTO_MODE = "eks.amazonaws.com/compute-type"
"""Nodes with this label at "auto" run the agent as a part of themselves, not as a pod."""


def pod_identity_served(
    controller_credential_path: CredentialPath,
    controller_node: dict[str, Any] | None = None,
    identity_agents: Any = UNREAD,
    heard: Heard | None = None,
) -> Verdict:
    path = controller_credential_path
    if path.via is not Via.POD_IDENTITY:
        return skipped(f"the controller's credentials are {path.via.value}")
    said = [s for s in heard.of("iam.pod-identity-missing") if s.specific] if heard else []
    if said:
        return failed_all([finding_of(said[0], sure=False)])
    if controller_node is None:
        return waiting("the controller stands on no node")
    name, labels = controller_node["metadata"]["name"], controller_node["metadata"].get("labels") or {}
    if labels.get(AUTO_MODE) == "auto":
        return skipped(f"node {name} of EKS Auto Mode has the agent built in")
    if isinstance(identity_agents, Unread):
        return unknown(identity_agents.why, identity_agents.grant)
    if not identity_agents:
        says = f"no pod of eks-pod-identity-agent stands on node {name}, where the controller runs"
        return failed("iam.pod-identity-missing", says, Ref("Node", name), "pods of the agent there: 0")
    if not any(is_ready(p) for p in identity_agents):
        agent = identity_agents[0]["metadata"]
        says = f"{agent['name']}, the Pod Identity agent of node {name}, is not ready"
        return failed("iam.pod-identity-missing", says, Ref("Pod", agent["name"], agent["namespace"]), sure=False)
    return passed(f"the Pod Identity agent of node {name} is ready")
