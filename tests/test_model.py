"""The nouns are values: frozen, comparable, and undecided until somebody looked."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from efsdiag import model
from efsdiag.model import (
    UNREAD,
    Finding,
    Query,
    Ref,
    State,
    Unread,
    Unreadable,
    Verdict,
    failed,
    failed_all,
    passed,
    skipped,
    unknown,
    waiting,
)

PODS = Query("kube:list pods", (("labelSelector", "app=x"), ("namespace", "m")))
INSTANCES = Query("ec2:DescribeInstances", (("InstanceIds", ("i-1", "i-2")),))
NOUNS = [c for _, c in inspect.getmembers(model, inspect.isclass) if dataclasses.is_dataclass(c)]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda c: c.__name__)
def test_every_noun_is_frozen(noun: type) -> None:
    assert noun.__dataclass_params__.frozen


def test_a_query_gives_its_parameters_by_name() -> None:
    assert PODS["namespace"] == "m"
    assert INSTANCES["InstanceIds"] == ("i-1", "i-2")
    with pytest.raises(KeyError):
        PODS["name"]


def test_a_query_gives_a_parameter_as_one_string_and_a_default_where_it_has_none() -> None:
    assert PODS.get("labelSelector") == "app=x"
    assert INSTANCES.get("InstanceIds") == "i-1,i-2"
    assert PODS.get("name") == ""
    assert PODS.get("limit", "500") == "500"


def test_a_query_is_shown_as_its_operation_with_its_parameters() -> None:
    assert str(PODS) == "kube:list pods labelSelector=app=x namespace=m"
    assert str(INSTANCES) == "ec2:DescribeInstances InstanceIds=i-1,i-2"
    assert str(Query("sts:GetCallerIdentity")) == "sts:GetCallerIdentity"


def test_queries_are_keys_and_sort() -> None:
    assert len({PODS, Query(PODS.operation, PODS.parameters), INSTANCES}) == 2
    assert sorted([PODS, INSTANCES]) == [INSTANCES, PODS]


def test_an_object_is_shown_with_the_parts_that_it_has() -> None:
    assert str(Ref("Pod", "x", "monitoring")) == "Pod/monitoring/x"
    assert str(Ref("SecurityGroup", "sg-0a")) == "SecurityGroup/sg-0a"


def test_a_verdict_begins_as_unknown() -> None:
    assert Verdict().state is State.UNKNOWN


def test_each_state_has_its_own_word() -> None:
    assert passed("p", "line") == Verdict(State.PASS, "p", proof=("line",))
    assert skipped("s") == Verdict(State.SKIP, "s")
    assert waiting("w") == Verdict(State.WAITING, "w")
    assert unknown("u", "grant it") == Verdict(State.UNKNOWN, "u", grant="grant it")


def test_a_failure_has_a_finding_with_its_object_and_proof() -> None:
    on = Ref("Pod", "x", "m")
    wanted = Verdict(State.FAIL, "f", (Finding("a.mode", "f", on, False, ("line",)),))
    assert failed("a.mode", "f", on, "line", sure=False) == wanted
    assert failed("a.mode", "f").findings[0].sure


def test_several_failures_speak_with_the_first_one() -> None:
    both = [Finding("a.mode", "first"), Finding("b.mode", "second")]
    assert failed_all(both) == Verdict(State.FAIL, "first", tuple(both))


def test_what_could_not_be_read_counts_as_false_and_differs_by_its_reason() -> None:
    assert not UNREAD
    assert Unread("refused") != UNREAD


def test_unreadable_says_what_was_asked_why_it_failed_and_what_would_help() -> None:
    refusal = Unreadable(PODS, "the cluster refuses it", "list pods")
    assert (refusal.query, str(refusal), refusal.grant) == (PODS, "the cluster refuses it", "list pods")
