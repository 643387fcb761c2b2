"""What efsdiag can say to the world is a closed list of reads, each with its permission."""

from __future__ import annotations

import re

import pytest

from efsdiag.model import Query
from efsdiag.operations import READS, Read, read_of, resource_of

KUBE = [r for r in READS.values() if r.operation.startswith("kube:")]
AWS = [r for r in READS.values() if not r.operation.startswith(("kube:", "volume:"))]


def named(read: Read) -> str:
    return read.operation


def test_a_query_has_its_parameters_sorted_and_the_empty_ones_left_out() -> None:
    wanted = Query("kube:list pods", (("labelSelector", "app=x"), ("namespace", "m")))
    assert read_of("kube:list pods", namespace="m", labelSelector="app=x", fieldSelector="") == wanted
    assert read_of("ec2:DescribeInstances", InstanceIds=[]) == Query("ec2:DescribeInstances")


def test_several_values_become_a_tuple_whatever_they_came_in() -> None:
    as_list, as_tuple = (read_of("ec2:DescribeInstances", InstanceIds=kind(["i-2", "i-1"])) for kind in (list, tuple))
    assert as_list == as_tuple == Query("ec2:DescribeInstances", (("InstanceIds", ("i-2", "i-1")),))


def test_a_parameter_with_a_dot_is_given_by_its_name() -> None:
    made = read_of("ec2:DescribeNetworkAcls", **{"Filter.vpc-id": "vpc-1"})
    assert made == Query("ec2:DescribeNetworkAcls", (("Filter.vpc-id", "vpc-1"),))


def test_an_operation_that_is_no_read_is_refused_with_the_nearest_one_that_is() -> None:
    with pytest.raises(
        ValueError, match=r"operation-not-a-read: 'efs:DescribeMountTarget' .*'efs:DescribeMountTargets'"
    ):
        read_of("efs:DescribeMountTarget", FileSystemId="fs-1")


@pytest.mark.parametrize(
    "operation",
    [
        "kube:get secrets",
        "kube:list secrets",
        "kube:delete pods",
        "kube:exec pods",
        "efs:DeleteMountTarget",
        "",
        "pods",
    ],
)
def test_what_is_not_in_the_list_cannot_be_said(operation: str) -> None:
    with pytest.raises(ValueError, match="operation-not-a-read"):
        read_of(operation)


def test_a_parameter_that_the_read_does_not_take_is_refused_with_those_that_it_takes() -> None:
    with pytest.raises(ValueError, match="parameter-unknown: kube:get nodes takes name, not 'namespace'"):
        read_of("kube:get nodes", namespace="m", name="n")


def test_the_resource_of_a_kube_query_is_its_last_word() -> None:
    assert resource_of(read_of("kube:get pods", namespace="m", name="p")) == "pods"
    assert resource_of(read_of("kube:log pods", namespace="m", name="p")) == "pods"


@pytest.mark.parametrize("read", READS.values(), ids=named)
def test_each_read_stands_under_its_own_name_and_says_what_permission_it_takes(read: Read) -> None:
    assert READS[read.operation] is read
    assert read.permission


@pytest.mark.parametrize("read", KUBE, ids=named)
def test_kubernetes_is_asked_to_get_and_list_only_and_never_for_secrets(read: Read) -> None:
    verb, _, resource = read.permission.partition(" ")
    assert verb in ("get", "list")
    assert "secret" not in resource
    assert read.group
    assert ("namespace" in read.parameters) is read.namespaced


@pytest.mark.parametrize("read", AWS, ids=named)
def test_aws_is_asked_to_get_list_and_describe_only(read: Read) -> None:
    assert re.fullmatch(r"\w+:(Get|List|Describe)[A-Z]\w+", read.operation)
    action = read.operation.partition(":")[2]
    assert read.permission in (f"elasticfilesystem:{action}", read.operation)


@pytest.mark.parametrize(
    "action", ["iam:GetAccountAuthorizationDetails", "sts:GetSessionToken", "sts:GetFederationToken"]
)
def test_reads_that_hand_out_credentials_or_the_whole_account_are_not_in_the_list(action: str) -> None:
    assert action not in READS


@pytest.mark.parametrize("read", AWS, ids=named)
def test_what_narrows_a_list_is_a_parameter_and_names_where_the_list_is(read: Read) -> None:
    assert {name for name, _ in read.narrow} <= set(read.parameters)
    assert bool(read.narrow) is bool(read.items)
