"""The checks of area identity: the agent of EKS Pod Identity."""

from __future__ import annotations

from typing import Any

import pytest
from values import node
from values_aws import World, absent, credentials_via, made, modes_of, provisioning_failed, unread, value

from efsdiag.checks.identity import pod_identity_served
from efsdiag.model import State
from efsdiag.semantics.driver import Via

POD_IDENTITY = credentials_via(Via.POD_IDENTITY)
NODE = node("worker-1")
NOT_TRUSTED = (
    "failed to load credentials, Unauthorized Exception! EKS does not have permissions to assume the associated role."
)


def agent(ready: bool = True) -> dict[str, Any]:
    condition = {"type": "Ready", "status": str(ready)}
    return {
        "metadata": {"name": "eks-pod-identity-agent-x", "namespace": "kube-system"},
        "spec": {},
        "status": {"phase": "Running", "conditions": [condition]},
    }


def test_a_ready_agent_on_the_controllers_node_passes() -> None:
    assert pod_identity_served(POD_IDENTITY, NODE, [agent()]).state is State.PASS


def test_no_agent_on_the_controllers_node_fails() -> None:
    verdict = pod_identity_served(POD_IDENTITY, NODE, [])
    assert modes_of(verdict) == [("iam.pod-identity-missing", True)]
    assert str(verdict.findings[0].object) == "Node/worker-1"


def test_an_agent_that_is_not_ready_is_likely_the_reason() -> None:
    assert modes_of(pod_identity_served(POD_IDENTITY, NODE, [agent(ready=False)])) == [
        ("iam.pod-identity-missing", False)
    ]


def test_what_the_agent_says_counts_though_it_runs() -> None:
    verdict = pod_identity_served(POD_IDENTITY, NODE, [agent()], provisioning_failed(NOT_TRUSTED))
    assert modes_of(verdict) == [("iam.pod-identity-missing", False)]


def test_a_node_of_auto_mode_has_its_agent_built_in() -> None:
    auto = node("worker-1", labels={"eks.amazonaws.com/compute-type": "auto"})
    assert pod_identity_served(POD_IDENTITY, auto, []).state is State.SKIP


def test_agents_that_were_not_read_are_unknown() -> None:
    assert pod_identity_served(POD_IDENTITY, NODE, unread("kube:list pods")).state is State.UNKNOWN


def test_a_controller_without_a_node_waits() -> None:
    assert pod_identity_served(POD_IDENTITY, None, None).state is State.WAITING


@pytest.mark.parametrize("via", [Via.INSTANCE, Via.IRSA, Via.KEYS])
def test_other_credentials_need_no_agent(via: Via) -> None:
    assert pod_identity_served(credentials_via(via), NODE, None).state is State.SKIP


def test_the_agents_are_asked_for_by_their_node_and_only_where_they_are_needed() -> None:
    def answer(query: Any) -> list[dict[str, Any]]:
        assert query["fieldSelector"] == "spec.nodeName=worker-1"
        return [agent()]

    given = {"controller_credential_path": POD_IDENTITY, "controller_node": NODE}
    assert value(made("identity_agents", World({"kube:list pods": answer}), **given)) == [agent()]
    assert absent(made("identity_agents", World(), **{**given, "controller_credential_path": credentials_via()}))
