"""The checks of area identity that are about EKS Pod Identity, and how a role is to come to the driver on EKS."""

from __future__ import annotations

from typing import Any

import pytest
from values import node
from values_aws import (
    ACCOUNT,
    World,
    absent,
    credentials_via,
    made,
    modes_of,
    policy,
    provisioning_failed,
    role,
    unread,
    value,
)

from efsdiag.checks.identity import pod_identity_served, role_trusts_service_account, service_account_has_role
from efsdiag.model import Missing, State
from efsdiag.semantics.driver import ROLE_ANNOTATION, Via
from efsdiag.settings import Settings
from efsdiag.settings_file import load_settings

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


# The role that EKS associates.

OWN = {"namespace": "kube-system", "serviceAccount": "efs-csi-controller-sa", "associationId": "a-1"}
ARN = f"arn:aws:iam::{ACCOUNT}:role/storage/efs"
CLUSTER = {"arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/prod"}
PODS = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
BOTH = ["sts:AssumeRole", "sts:TagSession"]


def described(association: dict[str, Any]) -> World:
    answers = {
        "eks:ListPodIdentityAssociations": {"associations": [OWN]},
        "eks:DescribePodIdentityAssociation": {"association": association},
    }
    return World(answers)


def test_the_role_is_that_of_the_association() -> None:
    given = {"eks_cluster_name": "prod", "controller_credential_path": POD_IDENTITY}
    assert value(made("pod_identity_role", described({"roleArn": ARN}), **given)) == ARN
    elsewhere = described({"roleArn": ARN, "targetRoleArn": "arn:aws:iam::999999999999:role/efs"})
    assert absent(made("pod_identity_role", elsewhere, **given))
    assert absent(made("pod_identity_role", World(), **{**given, "controller_credential_path": credentials_via()}))


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ({"Action": BOTH}, State.PASS),
        ({"Action": "sts:AssumeRole"}, State.FAIL),
        ({"Action": BOTH, "Principal": {"Service": "ec2.amazonaws.com"}}, State.FAIL),
        (
            {"Action": BOTH, "Condition": {"StringEquals": {"aws:RequestTag/eks-cluster-arn": CLUSTER["arn"]}}},
            State.PASS,
        ),
        (
            {"Action": BOTH, "Condition": {"StringEquals": {"aws:RequestTag/kubernetes-service-account": "other"}}},
            State.FAIL,
        ),
        ({"Action": BOTH, "Condition": {"StringEquals": {"aws:SourceOrgID": "o-1"}}}, State.UNKNOWN),
    ],
    ids=["as documented", "no session tags", "EC2", "this cluster", "another account", "what nobody knows"],
)
def test_the_associated_role_has_to_trust_eks_for_this_service_account(statement: Any, state: State) -> None:
    found = role(trust=policy({**PODS, **statement}))
    assert role_trusts_service_account(POD_IDENTITY, found, None, ARN, CLUSTER).state is state


def test_an_associated_role_that_does_not_exist_fails_and_one_that_is_not_told_waits() -> None:
    gone = role_trusts_service_account(POD_IDENTITY, None, None, ARN, CLUSTER)
    assert modes_of(gone) == [("iam.pod-identity-missing", True)]
    assert role_trusts_service_account(POD_IDENTITY, None, None, None, CLUSTER).state is State.WAITING
    refused = unread("eks:DescribePodIdentityAssociation")
    verdict = role_trusts_service_account(POD_IDENTITY, None, None, refused, CLUSTER)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow eks:DescribePodIdentityAssociation")


def test_a_pod_that_is_older_than_its_association_has_to_be_replaced() -> None:
    verdict = service_account_has_role(credentials_via(), "prod", None, None, (OWN,), None)
    assert modes_of(verdict) == [("iam.irsa-pod-not-restarted", True)]


def test_what_is_missing_is_what_the_settings_wish_for() -> None:
    asked = (credentials_via(), "prod", role(), None, ())
    assert modes_of(service_account_has_role(*asked, None)) == [("iam.irsa-annotation-missing", True)]
    assert modes_of(service_account_has_role(*asked, "pod-identity")) == [("iam.pod-identity-missing", True)]
    assert service_account_has_role(*asked, "instance-profile").state is State.SKIP


# How the role is to come to a driver that is not there yet.


def missing(found: Any) -> Missing:
    assert isinstance(found, Missing), found
    return found


def settings(*flags: str) -> Settings:
    return load_settings(None, flags)


def eks_node(name: str, **labels: str) -> dict[str, Any]:
    found = node(name, labels=labels)
    found["status"] = {"nodeInfo": {"kubeletVersion": "v1.33.4-eks-99d6cc0"}}
    return found


ON_EKS: dict[str, Any] = {
    "wanted": settings(),
    "controller_node": eks_node("worker-1"),
    "wanted_nodes": [eks_node("worker-1"), eks_node("worker-2")],
    "wished_account": None,
    "pod_identity_associations": (),
    "agent_nodes": frozenset(),
    "eks_issuer": "oidc.eks.eu-west-1.amazonaws.com/id/ABC",
}
AUTO = {"eks.amazonaws.com/compute-type": "auto"}
ANNOTATED = {"metadata": {"name": "efs-csi-controller-sa", "annotations": {ROLE_ANNOTATION: ARN}}}


@pytest.mark.parametrize(
    ("given", "way"),
    [
        ({}, "irsa"),
        ({"agent_nodes": frozenset({"worker-1"})}, "irsa"),
        ({"agent_nodes": frozenset({"worker-1", "worker-2"})}, "pod-identity"),
        ({"wanted_nodes": [eks_node("worker-1", **AUTO)]}, "pod-identity"),
        ({"pod_identity_associations": (OWN,)}, "pod-identity"),
        ({"pod_identity_associations": ({**OWN, "namespace": "shop"},)}, "irsa"),
        ({"agent_nodes": frozenset({"worker-1", "worker-2"}), "wished_account": ANNOTATED}, "irsa"),
        ({"wanted": settings("iam.way=instance-profile"), "pod_identity_associations": None}, "instance-profile"),
        ({"controller_node": node("worker-1"), "pod_identity_associations": None}, "instance-profile"),
    ],
    ids=[
        "an issuer",
        "an agent on some nodes",
        "an agent on every node",
        "auto mode",
        "an association",
        "an association of another one",
        "an annotation",
        "the settings",
        "no EKS",
    ],
)
def test_the_way_of_the_role_is_the_one_that_the_cluster_has(given: dict[str, Any], way: str) -> None:
    assert value(made("identity_way", World(), **{**ON_EKS, **given})) == way


@pytest.mark.parametrize("given", [{"eks_issuer": None}, {"pod_identity_associations": None}], ids=["way", "cluster"])
def test_a_way_that_nothing_tells_is_asked_of_the_settings(given: dict[str, Any]) -> None:
    found = made("identity_way", World(), **{**ON_EKS, **given})
    assert missing(found).grant == "say how the driver gets its role in the setting iam.way"


def test_a_way_is_not_told_where_something_of_it_may_not_be_read() -> None:
    given = {k: v for k, v in ON_EKS.items() if k != "pod_identity_associations"}
    found = made("identity_way", World({}, "eks:ListPodIdentityAssociations"), **given, eks_cluster_name="prod")
    assert missing(found).grant == "allow eks:ListPodIdentityAssociations"


def wished(world: World, **given: Any) -> Any:
    known = {"wanted": settings(), "identity_way": "irsa", "wished_account": None, "eks_cluster": CLUSTER}
    return made("wished_role", world, **{**known, **given})


def test_the_role_that_is_wished_for_has_the_name_of_the_settings_in_the_account_of_the_cluster() -> None:
    none, there = World({"iam:GetRole": None}), World({"iam:GetRole": {"Role": {"Arn": ARN}}})
    assert value(wished(none)) == f"arn:aws:iam::{ACCOUNT}:role/prometheus-efs-efs-csi"
    assert value(wished(there)) == ARN, "a role that is there may stand under a path"
    assert absent(wished(World(), identity_way="instance-profile"))
    assert "not known" in missing(wished(none, eks_cluster=None)).why


def test_the_role_that_a_service_account_or_the_charts_values_name_is_the_one() -> None:
    assert value(wished(World(), wished_account=ANNOTATED)) == ARN
    flag = f"driver.values={{controller: {{serviceAccount: {{annotations: {{{ROLE_ANNOTATION}: '{ARN}'}}}}}}}}"
    assert value(wished(World(), wanted=settings(flag))) == ARN
