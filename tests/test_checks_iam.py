"""The checks of area iam: which principal the driver gets, and what it may do."""

from __future__ import annotations

from typing import Any

import pytest
from values import CLAIM_REF, claim, heard, node, provisioning, said, storage_class
from values_aws import (
    ACCESS_DENIED,
    ACCOUNT,
    AP,
    AP_ARN,
    CLIENT,
    DRIVER,
    DRIVER_ROLE,
    FS,
    FS_ARN,
    INSTANCE,
    NO_ROLE_404,
    NO_ROLE_TIMEOUT,
    World,
    access_point,
    association,
    credentials_via,
    file_system,
    file_system_policy,
    heard_out,
    instance,
    instances,
    judged,
    modes_of,
    policy,
    profile,
    provisioning_failed,
    role,
    statement,
    unread,
    volume,
)

from efsdiag.checks import iam, identity
from efsdiag.evidence.messages import Message
from efsdiag.model import State, Unread, Verdict
from efsdiag.semantics.driver import Via

ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/ABC"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/efs-driver"
INSTANCE_PATH = credentials_via()
EFS_CLASS = (provisioning(claim(storageClassName="efs-sc")),)
IRSA_PATH = credentials_via(Via.IRSA, role_arn=ROLE_ARN, annotated=ROLE_ARN)
NO_EC2 = unread("ec2:DescribeInstances")
OF_INSTANCE = {
    "instance-profile-associated": "ec2:DescribeIamInstanceProfileAssociations",
    "profile-has-role": "iam:ListInstanceProfiles",
    "role-trusts-ec2": "iam:ListInstanceProfiles",
    "instance-metadata-reachable": "ec2:DescribeInstances",
}
"""Checks of the instance's credentials, each with a read that it needs."""


def irsa_trust(subject: str = "system:serviceaccount:kube-system:efs-csi-controller-sa", like: bool = False) -> Any:
    condition = {f"{ISSUER}:sub": subject, f"{ISSUER}:aud": "sts.amazonaws.com"}
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike" if like else "StringEquals": condition},
        }
    )


# What belongs to the instance.


ON_ITS_NODE = {
    "controller_leader": {"metadata": {"name": "efs-csi-controller-1"}, "spec": {"nodeName": "worker1"}},
    "controller_pods": [],
    "controller_node": node("worker1", providerID=f"aws:///us-east-1a/{INSTANCE}"),
    "heard": heard(),
    "eks_cluster_name": None,
    "identity_way": None,
    "controller_role": None,
}
ASSOCIATIONS = {"IamInstanceProfileAssociations": [association()]}


@pytest.mark.parametrize("check", OF_INSTANCE)
@pytest.mark.parametrize("via", [Via.IRSA, Via.POD_IDENTITY, Via.KEYS])
def test_an_instance_check_does_not_apply_to_other_credentials_even_where_aws_is_refused(check: str, via: Via) -> None:
    world = World({}, *OF_INSTANCE.values())
    verdict = judged(check, world, controller_credential_path=credentials_via(via), **ON_ITS_NODE)
    assert verdict.state is State.SKIP


@pytest.mark.parametrize(("check", "operation"), OF_INSTANCE.items())
def test_an_instance_check_is_unknown_where_its_read_is_refused(check: str, operation: str) -> None:
    answers = {
        "ec2:DescribeInstances": instances(instance()),
        "ec2:DescribeIamInstanceProfileAssociations": ASSOCIATIONS,
        "iam:ListInstanceProfiles": {"InstanceProfiles": [profile(DRIVER_ROLE)]},
    }
    given = {"controller_credential_path": INSTANCE_PATH, **ON_ITS_NODE}
    assert judged(check, World(answers), **given).state is State.PASS
    verdict = judged(check, World(answers, operation), **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {operation}")


def test_an_associated_profile_passes() -> None:
    verdict = iam.instance_profile_associated(INSTANCE_PATH, instance(), association(), {})
    assert verdict.state is State.PASS


def test_it_passes_although_the_associations_of_the_other_instances_are_refused() -> None:
    other = unread("ec2:DescribeIamInstanceProfileAssociations")
    assert iam.instance_profile_associated(INSTANCE_PATH, instance(), association(), other).state is State.PASS


def test_an_instance_without_a_profile_fails() -> None:
    verdict = iam.instance_profile_associated(INSTANCE_PATH, instance(tags={"Name": "worker1"}), None, {})
    assert modes_of(verdict) == [("iam.instance-profile-not-associated", True)]
    assert f"{INSTANCE} (worker1)" in verdict.says


def test_only_some_instances_with_a_profile_is_a_mode_of_its_own() -> None:
    peers = {"i-0bbbbbbbbbbbbbbbb": association(on="i-0bbbbbbbbbbbbbbbb"), "i-0cccccccccccccccc": None}
    verdict = iam.instance_profile_associated(INSTANCE_PATH, instance(), None, peers)
    assert modes_of(verdict) == [("iam.partial-node-coverage", True)]
    assert "i-0bbbbbbbbbbbbbbbb" in verdict.says
    assert "i-0cccccccccccccccc" not in verdict.says


@pytest.mark.parametrize("state", ["associating", "disassociating"])
def test_an_association_on_its_way_fails(state: str) -> None:
    verdict = iam.instance_profile_associated(INSTANCE_PATH, instance(), association(state), {})
    assert modes_of(verdict) == [("iam.association-transitioning", True)]


def test_it_waits_where_the_controller_stands_on_no_node() -> None:
    assert iam.instance_profile_associated(INSTANCE_PATH, None, None, {}).state is State.WAITING
    assert iam.instance_metadata_reachable(INSTANCE_PATH, None).state is State.WAITING


def test_a_profile_with_a_role_passes() -> None:
    assert iam.profile_has_role(INSTANCE_PATH, association(), profile(DRIVER_ROLE)).state is State.PASS


def test_a_profile_without_a_role_fails() -> None:
    verdict = iam.profile_has_role(INSTANCE_PATH, association(), profile())
    assert modes_of(verdict) == [("iam.instance-profile-without-role", True)]


def test_a_profile_that_is_associated_and_not_found_is_unknown() -> None:
    assert iam.profile_has_role(INSTANCE_PATH, association(), None).state is State.UNKNOWN


def test_the_role_waits_for_the_profile() -> None:
    assert iam.profile_has_role(INSTANCE_PATH, None, None).state is State.WAITING
    assert iam.role_trusts_ec2(INSTANCE_PATH, None).state is State.WAITING
    assert iam.role_trusts_ec2(INSTANCE_PATH, profile()).state is State.WAITING


@pytest.mark.parametrize("service", ["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])
def test_a_role_that_trusts_ec2_passes(service: str) -> None:
    trust = policy({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    assert iam.role_trusts_ec2(INSTANCE_PATH, profile(role(trust=trust))).state is State.PASS


def test_a_role_for_another_service_fails() -> None:
    trust = policy({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
    verdict = iam.role_trusts_ec2(INSTANCE_PATH, profile(role(trust=trust)))
    assert modes_of(verdict) == [("iam.trust-policy-not-ec2", True)]


def test_a_trust_policy_that_cannot_be_parsed_or_depends_on_an_unknown_key_is_unknown() -> None:
    odd = {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
    for trust in (policy(odd), {"Statement": "nonsense"}):
        assert iam.role_trusts_ec2(INSTANCE_PATH, profile(role(trust=trust))).state is State.UNKNOWN


# The metadata service.


def metadata(verdict_of: dict[str, Any], said_of_claim: str = "", host_network: bool = False) -> Verdict:
    path = credentials_via(host_network=host_network)
    said_so = provisioning_failed(said_of_claim) if said_of_claim else heard()
    return iam.instance_metadata_reachable(path, verdict_of, said_so)


def test_one_hop_and_tokens_keep_a_pod_of_the_pod_network_from_its_credentials() -> None:
    verdict = metadata(instance(hops=1))
    assert modes_of(verdict) == [("iam.imds-hop-limit", True)]
    assert "HttpPutResponseHopLimit: 1" in verdict.findings[0].proof


def test_one_hop_is_harmless_where_tokens_are_optional() -> None:
    assert metadata(instance(hops=1, tokens="optional")).state is State.PASS


def test_one_hop_is_enough_for_a_controller_on_the_host_network() -> None:
    assert metadata(instance(hops=1), host_network=True).state is State.PASS


def test_an_answer_404_of_the_metadata_service_excludes_the_hop_limit_and_needs_no_ec2() -> None:
    assert metadata(instance(hops=1), NO_ROLE_404).state is State.PASS
    refused = iam.instance_metadata_reachable(INSTANCE_PATH, NO_EC2, provisioning_failed(NO_ROLE_404))
    assert refused.state is State.PASS


def test_a_metadata_service_that_is_switched_off_fails() -> None:
    verdict = metadata(instance(endpoint="disabled"), NO_ROLE_TIMEOUT)
    assert modes_of(verdict) == [("iam.imds-disabled", True)]


def test_a_timeout_in_spite_of_two_hops_points_to_the_pod_network_and_is_likely_only() -> None:
    assert modes_of(metadata(instance(hops=2), NO_ROLE_TIMEOUT)) == [("network.pod-imds-blocked", False)]


def test_a_timeout_with_one_hop_is_the_hop_limit() -> None:
    assert modes_of(metadata(instance(hops=1), NO_ROLE_TIMEOUT)) == [("iam.imds-hop-limit", True)]


def test_an_instance_that_does_not_tell_its_metadata_options_passes_nothing() -> None:
    assert metadata({"InstanceId": INSTANCE}).state is State.UNKNOWN


# The service account, on EKS.


def test_credentials_that_do_not_come_from_the_instance_satisfy_the_service_account() -> None:
    assert identity.service_account_has_role(IRSA_PATH, NO_EC2).state is State.PASS


def test_an_annotation_that_the_pod_was_created_without_fails() -> None:
    verdict = identity.service_account_has_role(credentials_via(annotated=ROLE_ARN), "prod", None, None)
    assert modes_of(verdict) == [("iam.irsa-pod-not-restarted", True)]


def test_a_cluster_of_ones_own_needs_no_role_of_a_service_account() -> None:
    assert identity.service_account_has_role(INSTANCE_PATH, None, None, None).state is State.SKIP
    left_over = credentials_via(annotated=ROLE_ARN)
    assert identity.service_account_has_role(left_over, None, None, None).state is State.SKIP


def test_an_annotation_is_not_judged_while_nobody_knows_whether_the_cluster_is_eks() -> None:
    assert identity.service_account_has_role(credentials_via(annotated=ROLE_ARN)).state is State.UNKNOWN


def test_on_eks_a_node_role_that_may_use_efs_will_do() -> None:
    assert identity.service_account_has_role(INSTANCE_PATH, "prod", DRIVER_ROLE, association()).state is State.PASS


def test_on_eks_a_service_account_without_a_role_fails_where_the_node_role_may_not_use_efs() -> None:
    node_role = role(policy(statement("Allow", "ec2:Describe*")))
    verdict = identity.service_account_has_role(INSTANCE_PATH, "prod", node_role, association())
    assert modes_of(verdict) == [("iam.irsa-annotation-missing", True)]


def test_on_eks_an_unreadable_node_role_leaves_it_open() -> None:
    world = World({}, "iam:GetRole")
    given = {"eks_cluster_name": "prod", "controller_role_name": "nodes", "controller_association": association()}
    given |= {"pod_identity_associations": (), "identity_way": None}
    verdict = judged("service-account-has-role", world, controller_credential_path=INSTANCE_PATH, **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow iam:GetRole")


@pytest.mark.parametrize(
    ("mode", "check", "message"),
    [
        (
            "iam.pod-identity-missing",
            "service-account-has-role",
            said("claim-event", "ProvisioningFailed", "EKS does not have permissions to assume the associated role."),
        ),
        (
            "iam.scp-deny",
            "policy-allows-driver",
            said("plugin-log", "efs-plugin", "... with an explicit deny in a service control policy"),
        ),
    ],
)
def test_what_only_aws_knows_is_heard_where_the_role_cannot_be_read(mode: str, check: str, message: Message) -> None:
    given = {
        "controller_credential_path": INSTANCE_PATH,
        "controller_role_name": "nodes",
        "controller_association": association(),
        "controller_deployment": {"spec": {"template": {"spec": {"containers": []}}}},
        "eks_cluster_name": "prod",
        "pod_identity_associations": (),
        "pod_identity_role": None,
        "identity_way": None,
        "efs_classes": EFS_CLASS,
        "file_systems": {FS: file_system()},
        "file_system_ids": (FS,),
    }
    verdict = heard_out(check, World({}, "iam:GetRole"), heard=heard(message), **given)
    assert modes_of(verdict) == [(mode, False)]


POD_IDENTITY = credentials_via(Via.POD_IDENTITY)
OWN_ASSOCIATION = {"namespace": "kube-system", "serviceAccount": "efs-csi-controller-sa"}


def test_pod_identity_needs_an_association_of_the_pods_own_service_account() -> None:
    assert identity.service_account_has_role(POD_IDENTITY, "prod", None, None, (OWN_ASSOCIATION,)).state is State.PASS
    for others in ((), ({**OWN_ASSOCIATION, "namespace": "default"},)):
        verdict = identity.service_account_has_role(POD_IDENTITY, "prod", None, None, others)
        assert modes_of(verdict) == [("iam.pod-identity-missing", True)]


def test_pod_identity_is_unknown_where_the_associations_are_refused_or_there_is_no_cluster() -> None:
    given = {"controller_credential_path": POD_IDENTITY, "eks_cluster_name": "prod", "controller_association": None}
    given |= {"identity_way": None}
    world = World({}, "eks:ListPodIdentityAssociations")
    verdict = judged("service-account-has-role", world, controller_profile=None, controller_log=None, **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow eks:ListPodIdentityAssociations")
    assert identity.service_account_has_role(POD_IDENTITY, None, None, None, None).state is State.UNKNOWN


def test_a_registered_issuer_passes() -> None:
    assert identity.oidc_provider_registered(IRSA_PATH, (PROVIDER,), ISSUER).state is State.PASS


@pytest.mark.parametrize("known", [(), (PROVIDER.replace("ABC", "OLD"),)], ids=["none", "of an older cluster"])
def test_an_issuer_that_iam_does_not_know_fails(known: tuple[str, ...]) -> None:
    verdict = identity.oidc_provider_registered(IRSA_PATH, known, ISSUER)
    assert modes_of(verdict) == [("iam.irsa-oidc-provider-missing", True)]


def test_the_issuer_does_not_matter_to_other_credentials() -> None:
    refused = unread("iam:ListOpenIDConnectProviders")
    assert identity.oidc_provider_registered(credentials_via(annotated=ROLE_ARN), refused).state is State.SKIP


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("iam:ListOpenIDConnectProviders", {"eks_issuer": ISSUER}),
        ("eks:DescribeCluster", {"oidc_providers": (PROVIDER,), "eks_cluster_name": "prod"}),
    ],
)
def test_the_issuer_is_unknown_where_its_read_is_refused(operation: str, given: dict[str, Any]) -> None:
    world = World({}, operation)
    verdict = judged("oidc-provider-registered", world, controller_credential_path=IRSA_PATH, **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {operation}")


def test_the_issuer_of_a_cluster_of_ones_own_is_not_known() -> None:
    assert identity.oidc_provider_registered(IRSA_PATH, (PROVIDER,), None).state is State.UNKNOWN
    assert identity.role_trusts_service_account(IRSA_PATH, role(trust=irsa_trust()), None).state is State.UNKNOWN


def test_a_role_that_trusts_the_service_account_passes() -> None:
    assert identity.role_trusts_service_account(IRSA_PATH, role(trust=irsa_trust()), ISSUER).state is State.PASS
    wild = irsa_trust("system:serviceaccount:kube-system:efs-csi-*", like=True)
    assert identity.role_trusts_service_account(IRSA_PATH, role(trust=wild), ISSUER).state is State.PASS


@pytest.mark.parametrize(
    "trust",
    [
        irsa_trust("system:serviceaccount:default:efs-csi-controller-sa"),
        irsa_trust("system:serviceaccount:kube-system:efs-csi-*"),
        policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}),
    ],
    ids=["another namespace", "a wildcard under StringEquals", "EC2 only"],
)
def test_a_role_that_does_not_trust_the_service_account_fails(trust: Any) -> None:
    verdict = identity.role_trusts_service_account(IRSA_PATH, role(trust=trust), ISSUER)
    assert modes_of(verdict) == [("iam.irsa-trust-mismatch", True)]


def test_a_role_that_does_not_exist_trusts_nobody() -> None:
    assert modes_of(identity.role_trusts_service_account(IRSA_PATH, None, ISSUER)) == [
        ("iam.irsa-trust-mismatch", True)
    ]


def test_a_role_arn_that_the_spec_does_not_tell_blames_nobody() -> None:
    assert identity.role_trusts_service_account(credentials_via(Via.IRSA), None, ISSUER).state is State.UNKNOWN


def test_the_trust_of_a_role_does_not_matter_to_other_credentials() -> None:
    assert identity.role_trusts_service_account(INSTANCE_PATH, unread("iam:GetRole"), ISSUER).state is State.SKIP


def test_the_trust_of_a_role_that_cannot_be_read_is_unknown() -> None:
    given = {"controller_credential_path": IRSA_PATH, "controller_role_name": "efs-driver", "eks_issuer": ISSUER}
    given |= {"pod_identity_role": None, "eks_cluster": None}
    verdict = judged("role-trusts-service-account", World({}, "iam:GetRole"), **given)
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow iam:GetRole")


# The controller's credentials, and its policy.


def test_no_credentials_is_what_the_claim_says_of_the_controller() -> None:
    verdict = iam.controller_has_credentials(True, EFS_CLASS, provisioning_failed(NO_ROLE_404))
    assert modes_of(verdict) == [("csi.no-credentials", False)]


def test_a_refusal_by_aws_proves_credentials() -> None:
    assert iam.controller_has_credentials(True, EFS_CLASS, provisioning_failed(ACCESS_DENIED)).state is State.PASS


def test_the_newest_message_says_whether_the_controller_has_credentials() -> None:
    none, denied = (said("claim-event", "ProvisioningFailed", text, CLAIM_REF) for text in (NO_ROLE_404, ACCESS_DENIED))
    mended = iam.controller_has_credentials(True, EFS_CLASS, heard(none, denied))
    assert mended.state is State.PASS
    lost = iam.controller_has_credentials(True, EFS_CLASS, heard(denied, none))
    assert modes_of(lost) == [("csi.no-credentials", False)]


def test_nothing_said_proves_nothing_about_credentials() -> None:
    assert iam.controller_has_credentials(True, EFS_CLASS, heard()).state is State.WAITING


def test_the_controllers_credentials_wait_where_no_claim_needs_it() -> None:
    given = {"efs_classes": (), "provisionings": (), "heard": heard()}
    assert judged("controller-has-credentials", **given).state is State.WAITING


def provision(found: Any, *, arguments: tuple[str, ...] = (), tagging: str = "", **others: Any) -> Verdict:
    parameters = {"provisioningMode": "efs-ap", "fileSystemId": FS, **({"enableTagging": tagging} if tagging else {})}
    wanted = provisioning(claim(storageClassName="efs-sc"), storage_class(parameters=parameters))
    plugin = {"name": "efs-plugin", "image": "amazon/aws-efs-csi-driver:v2.1.0", "args": list(arguments)}
    deployment = {"spec": {"template": {"spec": {"containers": [plugin]}}}}
    path = others.pop("path", INSTANCE_PATH)
    given = {"eks_cluster_name": None, "file_systems": {FS: file_system()}, "pod_identity_role": None, **others}
    return iam.policy_allows_driver(path, (wanted,), (FS,), deployment, controller_role=found, **given)


def test_a_role_with_the_drivers_policy_passes() -> None:
    assert provision(DRIVER_ROLE).state is State.PASS


CLUSTER_TAG = {"StringEquals": {"aws:RequestTag/efs.csi.aws.com/cluster": "true"}}
ONLY_CLUSTER_TAG = {"ForAllValues:StringEquals": {"aws:TagKeys": "efs.csi.aws.com/cluster"}}
REST = [a for a in DRIVER if not a.endswith("CreateAccessPoint")]
CREATE = "elasticfilesystem:CreateAccessPoint"
FALLS_SHORT = {
    "iam.role-without-policy": (role(), {}),
    "iam.policy-missing-actions": (role(policy(statement("Allow", *DRIVER[:3]))), {}),
    "iam.policy-condition-mismatch": (
        role(
            policy(
                statement("Allow", *REST),
                statement("Allow", CREATE, Condition={"StringEquals": {"aws:RequestTag/team": "storage"}}),
            )
        ),
        {},
    ),
    "iam.permissions-boundary": (
        role(policy(statement("Allow", *DRIVER)), boundary=policy(statement("Allow", "ec2:*"))),
        {},
    ),
    "iam.explicit-deny": (role(policy(statement("Allow", *DRIVER), statement("Deny", CREATE))), {}),
    "csi.custom-tags-denied": (
        role(policy(statement("Allow", *REST), statement("Allow", CREATE, Condition=ONLY_CLUSTER_TAG))),
        {"arguments": ("--tags=team:storage",)},
    ),
    "csi.enable-tagging-conflict": (
        role(policy(statement("Allow", *REST), statement("Allow", CREATE, Condition=CLUSTER_TAG))),
        {"tagging": "false"},
    ),
}


@pytest.mark.parametrize("mode", FALLS_SHORT)
def test_a_role_that_falls_short_fails_in_the_way_it_does(mode: str) -> None:
    found, others = FALLS_SHORT[mode]
    assert modes_of(provision(found, **others)) == [(mode, True)]


def test_the_conditions_of_the_managed_policy_hold_for_the_driver_as_it_is_installed() -> None:
    found = role(policy(statement("Allow", *REST), statement("Allow", CREATE, Condition=CLUSTER_TAG)))
    assert provision(found).state is State.PASS


def test_an_action_on_another_file_system_only_is_not_enough() -> None:
    found = role(policy(statement("Allow", *DRIVER, Resource=FS_ARN.replace(FS, "fs-0fffffffffffffff0"))))
    assert modes_of(provision(found)) == [("iam.policy-condition-mismatch", True)]


def test_a_condition_on_another_region_is_not_met() -> None:
    elsewhere = {"StringEquals": {"aws:RequestedRegion": "sa-east-1"}}
    assert modes_of(provision(role(policy(statement("Allow", *DRIVER, Condition=elsewhere))))) == [
        ("iam.policy-condition-mismatch", True)
    ]


def test_a_condition_that_nobody_can_judge_is_likely_the_reason_where_aws_refuses() -> None:
    found = role(policy(statement("Allow", *DRIVER, Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})))
    assert provision(found).state is State.UNKNOWN
    refused = provision(found, heard=provisioning_failed(ACCESS_DENIED))
    assert modes_of(refused) == [("iam.policy-condition-mismatch", False)]


def test_a_role_that_aws_named_is_judged_with_pod_identity_too() -> None:
    assert modes_of(provision(role(), path=credentials_via(Via.POD_IDENTITY))) == [("iam.role-without-policy", True)]


def test_keys_and_pod_identity_do_not_tell_their_role() -> None:
    for via in (Via.KEYS, Via.POD_IDENTITY):
        verdict = provision(None, path=credentials_via(via))
        assert (verdict.state, verdict.grant) == (State.UNKNOWN, "aws sts get-caller-identity")


def test_a_policy_waits_for_its_role() -> None:
    assert provision(None).state is State.WAITING


def test_on_eks_the_driver_should_not_depend_on_the_role_of_its_node() -> None:
    assert provision(role(), eks_cluster_name="prod").state is State.WAITING
    assert modes_of(provision(FALLS_SHORT["iam.policy-missing-actions"][0], eks_cluster_name="prod")) == [
        ("iam.policy-missing-actions", True)
    ]


@pytest.mark.parametrize(
    "operation", ["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"]
)
def test_a_policy_that_cannot_be_read_is_unknown(operation: str) -> None:
    answers = {
        "iam:GetRole": {"Role": DRIVER_ROLE.raw},
        "iam:ListAttachedRolePolicies": {"AttachedPolicies": []},
        "iam:ListRolePolicies": {"PolicyNames": ["efs"]},
    }
    given = {
        "controller_role_name": "efs-driver",
        "efs_classes": EFS_CLASS,
        "file_systems": {FS: file_system()},
        "eks_cluster_name": None,
        "identity_way": None,
        "efs_volumes": (),
        "heard": heard(),
        "controller_deployment": {"spec": {"template": {"spec": {"containers": []}}}},
    }
    verdict = judged(
        "policy-allows-driver", World(answers, operation), controller_credential_path=INSTANCE_PATH, **given
    )
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {operation}")


def test_a_policy_that_is_no_policy_is_unknown() -> None:
    assert provision(role({"Statement": [{"Effect": "Perhaps", "Action": "*"}]})).state is State.UNKNOWN


# A mount that signs in, as the node plugin.

SIGNING = (volume(options=("iam",)),)
NODE = {
    "node_credential_path": INSTANCE_PATH,
    "node_association": association(),
    "node_profile": profile(role()),
    "node_instance": instance(),
}


def test_without_the_option_iam_the_node_needs_no_credentials() -> None:
    assert iam.node_has_credentials((volume(),), unread("kube:list pods")).state is State.SKIP
    assert iam.policy_allows_mount((volume(),), unread("iam:GetRole")).state is State.SKIP


def test_a_node_whose_profile_holds_a_role_has_credentials_also_one_hop_away() -> None:
    assert iam.node_has_credentials(SIGNING, **{**NODE, "node_instance": instance(hops=1)}).state is State.PASS


def test_a_node_plugin_with_a_role_of_its_own_needs_no_instance_profile() -> None:
    verdict = iam.node_has_credentials(SIGNING, IRSA_PATH, None, None, NO_EC2)
    assert verdict.state is State.PASS


@pytest.mark.parametrize(
    "changed",
    [{"node_association": None}, {"node_profile": profile()}, {"node_instance": instance(endpoint="disabled")}],
    ids=["no profile", "a profile without a role", "no metadata service"],
)
def test_a_node_without_credentials_fails(changed: dict[str, Any]) -> None:
    verdict = iam.node_has_credentials(SIGNING, **{**NODE, **changed})
    assert modes_of(verdict) == [("mount.iam-no-credentials", True)]
    assert verdict.findings[0].object is not None
    assert verdict.findings[0].object.name == INSTANCE


def test_the_nodes_credentials_wait_for_the_node_plugin() -> None:
    assert iam.node_has_credentials(SIGNING, None).state is State.WAITING


@pytest.mark.parametrize("refused", ["node_credential_path", "node_association", "node_profile", "node_instance"])
def test_the_nodes_credentials_are_unknown_where_something_is_refused(refused: str) -> None:
    verdict = iam.node_has_credentials(SIGNING, **{**NODE, refused: NO_EC2})
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow ec2:DescribeInstances")


def sign_in(found: Any, written: str | None, *, handle: str = FS, **others: Any) -> Verdict:
    signing = (volume(handle, options=("iam",)),)
    arns = {AP: AP_ARN} if AP in handle else {}
    given = {"file_system_policies": {FS: written}, "file_systems": {FS: file_system()}, "access_point_arns": arns}
    return iam.policy_allows_mount(signing, found, **{**given, **others})


EVERYBODY = file_system_policy(statement("Allow", *CLIENT))
NOBODY = file_system_policy(statement("Allow", *CLIENT, Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}))


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (role(), None),
        (role(), EVERYBODY),
        (role(policy(statement("Allow", "elasticfilesystem:ClientMount"))), NOBODY),
        (role(), file_system_policy(statement("Allow", *CLIENT, Principal={"AWS": ROLE_ARN}))),
    ],
    ids=["no policy", "a policy for everybody", "the role allows it", "the policy names the role"],
)
def test_a_role_may_mount_where_either_side_allows_it(found: Any, written: str | None) -> None:
    assert sign_in(found, written).state is State.PASS


def test_a_role_that_neither_side_allows_may_not_mount() -> None:
    verdict = sign_in(DRIVER_ROLE, NOBODY)
    assert modes_of(verdict) == [("iam.client-mount-missing", True)]


def test_a_deny_of_the_file_system_outweighs_the_role() -> None:
    denied = file_system_policy(statement("Allow", *CLIENT), statement("Deny", "elasticfilesystem:ClientMount"))
    assert modes_of(sign_in(role(policy(statement("Allow", "*"))), denied)) == [("iam.client-mount-missing", True)]


def test_a_policy_for_one_access_point_admits_the_mount_through_it_whether_that_exists_or_not() -> None:
    through = file_system_policy(
        statement("Allow", *CLIENT, Condition={"StringEquals": {"elasticfilesystem:AccessPointArn": AP_ARN}})
    )
    assert sign_in(role(), through, handle=f"{FS}::{AP}").state is State.PASS
    assert modes_of(sign_in(role(), through)) == [("iam.client-mount-missing", True)]


def test_the_right_to_mount_waits_for_the_role_and_the_file_system() -> None:
    assert sign_in(None, None).state is State.WAITING
    assert sign_in(role(), None, file_systems={FS: None}).state is State.WAITING


@pytest.mark.parametrize("operation", ["iam:GetRole", "efs:DescribeFileSystemPolicy", "efs:DescribeFileSystems"])
def test_the_right_to_mount_is_unknown_where_a_read_is_refused(operation: str) -> None:
    answers = {
        "iam:GetRole": {"Role": role().raw},
        "iam:ListAttachedRolePolicies": None,
        "iam:ListRolePolicies": None,
        "efs:DescribeFileSystemPolicy": None,
        "efs:DescribeFileSystems": {"FileSystems": [file_system()]},
        "efs:DescribeAccessPoints": {"AccessPoints": [access_point()]},
    }
    given = {"efs_volumes": SIGNING, "efs_classes": (), "node_role_name": "nodes"}
    assert judged("policy-allows-mount", World(answers), **given).state is State.PASS
    verdict = judged("policy-allows-mount", World(answers, operation), **given)
    permission = operation.replace("efs:", "elasticfilesystem:")
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, f"allow {permission}")


def test_the_api_is_out_of_reach_where_the_plugin_says_so() -> None:
    log = "E1121 Unknown error attempting to contact AWS EFS API: dial tcp: i/o timeout"
    verdict = judged("aws-api-reachable", heard=heard(said("plugin-log", "efs-plugin", log)))
    assert modes_of(verdict) == [("network.aws-api-unreachable", True)]


def test_the_api_is_reached_where_the_claim_tells_of_an_answer() -> None:
    assert judged("aws-api-reachable", heard=provisioning_failed(ACCESS_DENIED)).state is State.PASS


def test_nobody_knows_whether_the_api_is_reached_where_the_logs_are_refused() -> None:
    refused = unread("kube:log pods")
    verdict = judged("aws-api-reachable", heard=heard(unread={"plugin-log": refused}))
    assert (verdict.state, verdict.grant) == (State.UNKNOWN, "allow get pods/log")
    assert judged("aws-api-reachable", heard=heard()).state is State.WAITING


def test_on_eks_the_metadata_service_matters_only_to_a_controller_that_is_meant_to_take_its_nodes_role() -> None:
    def far(role_of_node: object) -> State:
        near = instance(hops=1)
        return iam.instance_metadata_reachable(INSTANCE_PATH, near, None, "shop-cluster", role_of_node).state

    assert far(role()) is State.SKIP
    assert far(None) is State.SKIP
    assert far(role(policy(statement("Allow", *DRIVER)))) is State.FAIL
    assert far(Unread("refused", "allow iam:GetRole")) is State.UNKNOWN
