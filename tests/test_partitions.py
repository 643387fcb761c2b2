"""Roles, policies and principals in the partitions of AWS, of which China and GovCloud have their own."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from values_aws import policy, role, statement

from efsdiag.changes import Change, Declined, Proposal
from efsdiag.driver_role import ec2_trust
from efsdiag.model import Finding, Ref, State
from efsdiag.remedies import iam
from efsdiag.semantics.credentials import judge_trust_in_ec2
from efsdiag.semantics.partitions import PARTITIONS, Partition, partition_in, partition_of
from efsdiag.semantics.roles import Role

REGIONS = {"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-iso-b": "us-isob-east-1"}
every_partition = pytest.mark.parametrize("name", REGIONS)


def test_the_partitions_are_those_that_botocore_knows() -> None:
    session = botocore.session.get_session()
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    regions = {p.name: session.get_available_regions("ec2", p.name) for p in PARTITIONS}
    for partition in (p for p in PARTITIONS if regions[p.name]):
        url = session.create_client("ec2", regions[partition.name][0], **keys).meta.endpoint_url
        assert url.endswith(f".{partition.dns_suffix}")
        assert [r for r in regions[partition.name] if partition_of(r) is not partition] == []
    assert set(session.get_available_partitions()) <= set(regions)
    assert all(regions[name] for name in REGIONS)


def changes(proposal: Proposal) -> tuple[Change, ...]:
    assert not isinstance(proposal, Declined), proposal
    return tuple(proposal)


def moved(name: str, *documents: Any, trust: Any = None) -> Role:
    """A role in that partition."""
    made = role(*documents)
    raw = {**made.raw, "Arn": made.arn.replace("arn:aws:", f"arn:{name}:")}
    return Role(made.name, {**raw, **({"AssumeRolePolicyDocument": trust} if trust else {})}, made.policies, None)


CAUSE = Finding("iam.role-without-policy", "", Ref("Role", "efs-driver"))


@every_partition
def test_policies_of_amazon_are_attached_by_their_names_in_the_partition(name: str) -> None:
    bare = moved(name)
    found = [*changes(iam.attach_driver_policy(CAUSE, bare)), *changes(iam.attach_client_policy(CAUSE, bare))]
    arns = [c.write.parameters["PolicyArn"] for c in found]
    assert [a.rpartition(":iam::aws:policy/")[0] for a in arns] == [f"arn:{name}"] * 2
    assert [c.undo.parameters["PolicyArn"] for c in found if c.undo] == arns


@every_partition
def test_a_role_that_is_made_there_trusts_ec2_by_its_name_there(name: str) -> None:
    partition = partition_of(REGIONS[name])
    instance = {"InstanceId": "i-1", "Placement": {"AvailabilityZone": f"{REGIONS[name]}a"}}
    made = changes(iam.create_instance_profile(CAUSE, instance, (), ()))
    documents = [
        json.loads(c.write.parameters["AssumeRolePolicyDocument"]) for c in made if "CreateRole" in str(c.write)
    ]
    assert [d["Statement"][0]["Principal"]["Service"] for d in documents] == [f"ec2.{partition.dns_suffix}"]
    assert judge_trust_in_ec2({"RoleName": "x", "AssumeRolePolicyDocument": documents[0]}).state is State.PASS
    attached = [c.write.parameters["PolicyArn"] for c in made if c.write.operation == "iam:AttachRolePolicy"]
    assert all(a.startswith(f"arn:{name}:") for a in attached)
    assert attached


@every_partition
def test_trust_in_ec2_is_added_by_its_name_there(name: str) -> None:
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    foreign = moved(name, policy(statement("Allow", "*")), trust=policy(lambdas))
    (change,) = changes(iam.trust_ec2(CAUSE, {"Roles": [foreign.raw]}))
    trusted = json.loads(change.write.parameters["PolicyDocument"])["Statement"]
    assert trusted == [lambdas, ec2_trust(partition_of(REGIONS[name]))]


def test_what_has_no_arn_is_taken_to_be_where_most_accounts_are() -> None:
    assert partition_in("") == partition_of("") == Partition("aws", "amazonaws.com", "")
