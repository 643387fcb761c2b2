"""The evidence of area iam: the principal that the driver really uses, and what its role and policies say."""

from __future__ import annotations

from typing import Any

import pytest
from values import claim, node, provisioning
from values_aws import (
    ACCOUNT,
    DRIVER_ROLE,
    INSTANCE,
    World,
    absent,
    association,
    credentials_via,
    instance,
    made,
    policy,
    profile,
    role,
    statement,
    value,
    volume,
)

from efsdiag.model import Evidence, Missing
from efsdiag.semantics.driver import Via
from efsdiag.semantics.roles import Role

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/efs-driver"
ACCOUNT_OF_POD = {"metadata": {"name": "efs-csi-controller-sa"}}


def controller(*env: str, host_network: bool = False) -> dict[str, Any]:
    """The leading controller pod; `env` are the names of its driver container's variables."""
    variables = [{"name": n, "value": ROLE_ARN if n == "AWS_ROLE_ARN" else "x"} for n in env]
    plugin = {"name": "efs-plugin", "image": "public.ecr.aws/efs-csi-driver/amazon/aws-efs-csi-driver:v2.1.0"}
    spec: dict[str, Any] = {
        "serviceAccountName": "efs-csi-controller-sa",
        "containers": [{"name": "csi-provisioner", "image": "csi-provisioner:v5"}, {**plugin, "env": variables}],
    }
    if host_network:
        spec["hostNetwork"] = True
    return {"metadata": {"name": "efs-csi-controller-1", "namespace": "kube-system"}, "spec": spec}


def path(*env: str, account: Any = ACCOUNT_OF_POD, **pod: Any) -> Any:
    world = World({"kube:get serviceaccounts": account})
    return value(made("controller_credential_path", world, controller_leader=controller(*env, **pod)))


# How credentials come.


@pytest.mark.parametrize(
    ("env", "via"),
    [
        ((), Via.INSTANCE),
        (("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"), Via.IRSA),
        (("AWS_CONTAINER_CREDENTIALS_FULL_URI",), Via.POD_IDENTITY),
        (("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"), Via.KEYS),
        (("AWS_ROLE_ARN",), Via.INSTANCE),
    ],
    ids=["nothing", "IRSA", "Pod Identity", "keys come first", "a role without a token"],
)
def test_the_pods_own_environment_decides_how_credentials_come(env: tuple[str, ...], via: Via) -> None:
    assert path(*env).via is via


def test_an_annotation_that_the_pod_was_created_without_is_kept_apart_from_its_role() -> None:
    annotated = {"metadata": {"name": "sa", "annotations": {"eks.amazonaws.com/role-arn": ROLE_ARN}}}
    found = path(account=annotated)
    assert (found.via, found.role_arn, found.annotated) == (Via.INSTANCE, "", ROLE_ARN)


def test_the_host_network_and_a_missing_service_account_are_told() -> None:
    found = path(account=None, host_network=True)
    assert (found.host_network, found.annotated) == (True, "")
    assert not path().host_network


def test_the_node_plugins_credentials_are_asked_for_only_where_a_mount_signs_in() -> None:
    pods = [controller()]
    world = World({"kube:get serviceaccounts": ACCOUNT_OF_POD})
    signing = (volume(options=("iam",)),)
    assert value(made("node_credential_path", world, efs_volumes=signing, node_plugin_pods=pods)).via is Via.INSTANCE
    assert absent(made("node_credential_path", World(), efs_volumes=(volume(),), node_plugin_pods=pods))
    assert absent(made("node_credential_path", World(), efs_volumes=signing, node_plugin_pods=[]))
    s3_files = (volume("s3files:fs-0123456789abcdef0"),)
    assert value(made("node_identity_needed", World(), efs_volumes=s3_files)) is True


# From the instance to the role.


def test_the_association_is_that_of_the_instance_and_not_one_that_has_ended() -> None:
    known = [association("disassociated"), association(on="i-0bbbbbbbbbbbbbbbb"), association()]
    world = World({"ec2:DescribeIamInstanceProfileAssociations": {"IamInstanceProfileAssociations": known}})
    assert value(made("controller_association", world, controller_instance=instance())) == association()
    assert world.asked[0].get("Filter.instance-id") == INSTANCE


def test_an_instance_without_an_association_has_none() -> None:
    for known in ([], [association("disassociated")]):
        world = World({"ec2:DescribeIamInstanceProfileAssociations": {"IamInstanceProfileAssociations": known}})
        assert absent(made("controller_association", world, controller_instance=instance()))


def test_the_nodes_association_is_not_asked_for_where_no_mount_signs_in() -> None:
    given = {"efs_volumes": (volume(),), "node_instance": instance()}
    assert absent(made("node_association", World(), **given))


def test_each_peers_association_is_told_by_its_instance() -> None:
    other = "i-0bbbbbbbbbbbbbbbb"
    world = World({"ec2:DescribeIamInstanceProfileAssociations": {"IamInstanceProfileAssociations": [association()]}})
    peers = [instance(), instance(other)]
    found = value(made("peer_associations", world, controller_peer_instances=peers))
    assert found == {INSTANCE: association(), other: None}


def test_the_profile_is_found_by_its_arn() -> None:
    other = {**profile(), "Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/other"}
    world = World({"iam:ListInstanceProfiles": {"InstanceProfiles": [other, profile(DRIVER_ROLE)]}})
    assert value(made("controller_profile", world, controller_association=association())) == profile(DRIVER_ROLE)
    gone = World({"iam:ListInstanceProfiles": {"InstanceProfiles": [other]}})
    assert absent(made("controller_profile", gone, controller_association=association()))


@pytest.mark.parametrize(
    ("via", "found", "name"),
    [
        (credentials_via(), profile(DRIVER_ROLE), "efs-driver"),
        (credentials_via(), profile(), None),
        (credentials_via(), None, None),
        (credentials_via(Via.IRSA, role_arn=f"arn:aws:iam::{ACCOUNT}:role/path/own"), profile(DRIVER_ROLE), "own"),
        (credentials_via(Via.POD_IDENTITY), profile(DRIVER_ROLE), None),
        (credentials_via(Via.KEYS), profile(DRIVER_ROLE), None),
    ],
    ids=["instance", "empty profile", "no profile", "IRSA", "Pod Identity", "keys"],
)
def test_the_role_is_that_of_the_way_in_which_credentials_come(via: Any, found: Any, name: str | None) -> None:
    given = {"controller_credential_path": via, "controller_profile": found, "controller_log": None}
    given["pod_identity_role"] = None
    evidence = made("controller_role_name", World(), **given)
    assert absent(evidence) if name is None else value(evidence) == name


def test_with_pod_identity_aws_names_the_role_where_it_refuses() -> None:
    log = (
        "I1121 started\n"
        f"E1121 AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/efs-driver/eks-prod-efs-csi-co-1a "
        "is not authorized to perform: elasticfilesystem:DescribeAccessPoints\n"
    )
    given: dict[str, Any] = {"controller_credential_path": credentials_via(Via.POD_IDENTITY)}
    given |= {"controller_profile": None, "pod_identity_role": None}
    assert value(made("controller_role_name", World(), **given, controller_log=log)) == "efs-driver"
    assert absent(made("controller_role_name", World(), **given, controller_log="I1121 started"))


def document(*actions: str) -> dict[str, Any]:
    return policy(statement("Allow", *actions))


MANAGED = f"arn:aws:iam::{ACCOUNT}:policy/efs"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
IAM: dict[str, Any] = {
    "iam:GetRole": {
        "Role": {**role().raw, "PermissionsBoundary": {"PermissionsBoundaryArn": BOUNDARY}},
    },
    "iam:ListAttachedRolePolicies": {"AttachedPolicies": [{"PolicyName": "efs", "PolicyArn": MANAGED}]},
    "iam:ListRolePolicies": {"PolicyNames": ["inline"]},
    "iam:GetRolePolicy": {"PolicyDocument": document("ec2:*")},
    "iam:GetPolicy": lambda query: {"Policy": {"DefaultVersionId": {MANAGED: "v7"}.get(query.get("PolicyArn"), "v1")}},
    "iam:GetPolicyVersion": lambda query: {
        "PolicyVersion": {"Document": document(f"{query.get('PolicyArn')}@{query.get('VersionId')}")}
    },
}


def test_a_role_has_its_attached_policies_in_their_default_version_its_own_ones_and_its_boundary() -> None:
    found: Role = value(made("controller_role", World(IAM), controller_role_name="efs-driver"))
    assert found.policies == (("efs", document(f"{MANAGED}@v7")), ("inline", document("ec2:*")))
    assert found.boundary == document(f"{BOUNDARY}@v1")
    assert found.arn == ROLE_ARN


def test_a_role_that_does_not_exist_is_absent() -> None:
    nothing = dict.fromkeys(IAM)
    assert absent(made("controller_role", World(nothing), controller_role_name="gone"))


@pytest.mark.parametrize("operation", IAM)
def test_a_role_is_unreadable_where_one_of_its_reads_is_refused(operation: str) -> None:
    missing = made("node_role", World(IAM, operation), node_role_name="nodes")
    assert isinstance(missing, Missing)
    assert (missing.absent, missing.grant) == (False, f"allow {operation}")


# The cluster.


def on_kubelet(version: str, tags: dict[str, str] | None = None) -> Evidence | Missing:
    worker = node()
    worker["status"]["nodeInfo"] = {"kubeletVersion": version}
    return made("eks_cluster_name", World(), controller_instance=instance(tags=tags), controller_node=worker)


@pytest.mark.parametrize("tag", ["aws:eks:cluster-name", "eks:cluster-name"])
def test_an_eks_cluster_is_told_by_its_kubelet_and_named_by_the_instances_tags(tag: str) -> None:
    assert value(on_kubelet("v1.33.4-eks-99d6cc0", {tag: "prod"})) == "prod"
    assert value(on_kubelet("v1.33.4-eks-99d6cc0", {"kubernetes.io/cluster/prod": "owned"})) == "prod"


def test_a_cluster_of_ones_own_is_no_eks_cluster_whatever_its_tags() -> None:
    assert absent(on_kubelet("v1.36.2", {"kubernetes.io/cluster/prod": "owned"}))


def test_the_issuer_is_told_without_its_scheme() -> None:
    issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/ABC"
    world = World({"eks:DescribeCluster": {"cluster": {"identity": {"oidc": {"issuer": issuer}}}}})
    assert value(made("eks_issuer", world, eks_cluster_name="prod")) == issuer.removeprefix("https://")
    for answer in (None, {"cluster": {}}):
        assert absent(made("eks_issuer", World({"eks:DescribeCluster": answer}), eks_cluster_name="prod"))


def test_the_oidc_providers_are_read_only_where_a_service_account_names_a_role() -> None:
    world = World({"iam:ListOpenIDConnectProviders": {"OpenIDConnectProviderList": [{"Arn": "b"}, {"Arn": "a"}]}})
    for named in (credentials_via(annotated=ROLE_ARN), credentials_via(Via.IRSA, role_arn=ROLE_ARN)):
        assert value(made("oidc_providers", world, controller_credential_path=named)) == ("a", "b")
    assert absent(made("oidc_providers", World(), controller_credential_path=credentials_via()))


def test_the_clusters_pod_identity_associations_are_listed() -> None:
    world = World({"eks:ListPodIdentityAssociations": {"associations": [{"namespace": "kube-system"}]}})
    assert value(made("pod_identity_associations", world, eks_cluster_name="prod")) == ({"namespace": "kube-system"},)


def test_provisioning_is_needed_where_a_claim_waits_for_the_efs_driver() -> None:
    waiting = (provisioning(claim(storageClassName="efs-sc")),)
    assert value(made("provisioning_needed", World(), efs_classes=waiting)) is True
    assert absent(made("provisioning_needed", World(), efs_classes=()))
