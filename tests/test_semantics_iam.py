"""What `efsdiag.semantics.iam` decides, and what it leaves open."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds.account import DRIVER_POLICY

from efsdiag.semantics.iam import (
    ANONYMOUS,
    CONTROLLER_ACTIONS,
    NODE_ACTIONS,
    Context,
    Decision,
    Effect,
    NearMiss,
    Part,
    Policy,
    PolicyError,
    Principal,
    Reason,
    controller_requests,
    efs_client_access,
    evaluate,
    evaluate_resource_policy,
    parse_policy,
    trusts,
)

ACCOUNT = "111122223333"
FILE_SYSTEM = f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}:file-system/fs-0265ba06557d32aa4"
OTHER_FILE_SYSTEM = f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}:file-system/fs-0000000000000beef"
ACCESS_POINT = f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
NODE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/nodes.example.org"
MOUNT, WRITE, ROOT = NODE_ACTIONS
CLOSED = Context(closed=True)
OPEN = Context()

MANAGED_TAGS = {
    "ForAllValues:StringEquals": {"aws:TagKeys": "efs.csi.aws.com/cluster"},
    "Null": {"aws:RequestTag/efs.csi.aws.com/cluster": "false"},
}
MANAGED = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "AllowDescribe", **DRIVER_POLICY["Statement"][0]},
        {
            "Sid": "AllowCreateAccessPoint",
            "Effect": "Allow",
            "Action": ["elasticfilesystem:CreateAccessPoint"],
            "Resource": "*",
            "Condition": MANAGED_TAGS,
        },
        {
            "Sid": "AllowTagNewAccessPoints",
            "Effect": "Allow",
            "Action": ["elasticfilesystem:TagResource"],
            "Resource": "*",
            "Condition": {
                **MANAGED_TAGS,
                "StringEquals": {"elasticfilesystem:CreateAction": "CreateAccessPoint"},
            },
        },
        {
            "Sid": "AllowDeleteAccessPoint",
            "Effect": "Allow",
            "Action": "elasticfilesystem:DeleteAccessPoint",
            "Resource": "*",
            "Condition": {"Null": {"aws:ResourceTag/efs.csi.aws.com/cluster": "false"}},
        },
    ],
}
INSTANCE_CORE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": ["ssm:GetDocument", "ssm:GetParameter"], "Resource": "*"}],
}
TRUSTS_EC2 = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
CONTROLLER_ACCOUNT = "system:serviceaccount:kube-system:efs-csi-controller-sa"
TOKEN = Context({f"{ISSUER}:sub": CONTROLLER_ACCOUNT, f"{ISSUER}:aud": "sts.amazonaws.com"}, closed=True)


def policy(*statements: dict[str, Any], name: str = "p") -> Policy:
    """A policy of these statements; what a statement leaves out is Allow, s:Act, on everything."""
    filled = []
    for statement in statements:
        base: dict[str, Any] = {"Effect": "Allow"}
        if "NotAction" not in statement:
            base["Action"] = "s:Act"
        if not {"Resource", "NotResource", "Principal", "NotPrincipal"} & set(statement):
            base["Resource"] = "*"
        filled.append({**base, **statement})
    return parse_policy({"Version": "2012-10-17", "Statement": filled}, name)


def ask(context: Context, *statements: dict[str, Any], on: str = "arn:aws:s:eu:1:thing/a") -> Decision:
    return evaluate([policy(*statements)], "s:Act", on, context)


def under(condition: dict[str, Any], context: Context) -> Effect:
    """What one Allow statement with this Condition gives."""
    return ask(context, {"Condition": condition}).effect


def controller(document: dict[str, Any], **request: Any) -> dict[str, Decision]:
    """The decisions on all requests of the driver's controller."""
    policies = [parse_policy(INSTANCE_CORE, "AmazonSSMManagedInstanceCore"), parse_policy(document, "efs-csi-driver")]
    requests = controller_requests(**request)
    return {
        action: evaluate(policies, action, asked.resource(FILE_SYSTEM), asked.context)
        for action, asked in requests.items()
    }


# documents


@pytest.mark.parametrize(
    "document",
    [
        TRUSTS_EC2,
        json.dumps(TRUSTS_EC2),
        "\n " + json.dumps(TRUSTS_EC2, indent=2),
        quote(json.dumps(TRUSTS_EC2)),
        quote("\n" + json.dumps(TRUSTS_EC2)),
        {**TRUSTS_EC2, "Statement": TRUSTS_EC2["Statement"][0]},
    ],
    ids=["object", "json", "indented", "url-encoded", "url-encoded-newline", "statement-not-a-list"],
)
def test_a_policy_is_read_from_every_form_in_which_aws_gives_it(document: Any) -> None:
    read = parse_policy(document, "trust")
    assert trusts(read, Principal.service("ec2.amazonaws.com"), "sts:AssumeRole", OPEN).allowed
    assert [str(s) for s in read.statements] == ["trust Statement[0]"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "the document is not JSON"),
        ("[]", "the document is a list; it must be an object"),
        ({"Version": "2012-10-17"}, "the document has no Statement"),
        ({"Version": "2021-01-01", "Statement": []}, "Version is '2021-01-01'"),
        ({"Statement": ["Allow"]}, "Statement[0] is a string; it must be an object"),
        ({"Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}, "Statement[0].Effect is 'allow'"),
        ({"Statement": {"Effect": "Allow", "Resource": "*"}}, "neither Action nor NotAction"),
        ({"Statement": {"Effect": "Allow", "Action": "*"}}, "neither Resource nor Principal"),
        (
            {"Statement": {"Effect": "Allow", "Action": "a:b", "NotAction": "a:c", "Resource": "*"}},
            "both Action and NotAction",
        ),
        ({"Statement": {"Effect": "Allow", "Action": [1], "Resource": "*"}}, "Statement[0].Action holds 1"),
        ({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Resorce": "*"}}, "has Resorce"),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "Principal": {"Users": "x"}}},
            "Statement[0].Principal has Users",
        ),
        ({"Statement": {"Effect": "Allow", "Action": "*", "Principal": "x"}}, "Principal is 'x'"),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": []}},
            "Condition is a list; it must be an object",
        ),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": "x"}}},
            "Condition.Bool is a string; it must be an object",
        ),
        (
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"k": None}}}},
            "Condition.Bool.k holds null",
        ),
    ],
)
def test_a_malformed_policy_is_refused_with_the_place_and_what_is_wanted(document: Any, sentence: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(document, "mine")
    assert str(refused.value).startswith("mine: ")
    assert sentence in str(refused.value)


# actions and resources


@pytest.mark.parametrize(
    ("actions", "allowed"),
    [
        ({"Action": "*"}, True),
        ({"Action": "S:aCt"}, True),
        ({"Action": "s:A?t"}, True),
        ({"Action": ["t:Act", "s:*"]}, True),
        ({"Action": "s:Ac"}, False),
        ({"Action": "s:Act?"}, False),
        ({"Action": "s.Act"}, False),
        ({"NotAction": "s:Other"}, True),
        ({"NotAction": ["s:A*", "t:*"]}, False),
    ],
)
def test_an_action_is_matched_without_case_and_with_wildcards(actions: dict[str, Any], allowed: bool) -> None:
    assert ask(CLOSED, actions).allowed is allowed


@pytest.mark.parametrize(
    ("resources", "allowed"),
    [
        ({"Resource": "arn:aws:s:*:*:thing/*"}, True),
        ({"Resource": "arn:aws:s:eu:1:thing/?"}, True),
        ({"Resource": "arn:*"}, True),
        ({"Resource": "arn:aws:s:eu:1:Thing/a"}, False),
        ({"Resource": ["arn:aws:s:eu:1:thing/b", "arn:aws:s:eu:2:thing/a"]}, False),
        ({"NotResource": "arn:aws:s:eu:1:thing/b"}, True),
        ({"NotResource": "arn:aws:s:eu:1:thing/*"}, False),
    ],
)
def test_a_resource_is_matched_with_case_and_with_wildcards(resources: dict[str, Any], allowed: bool) -> None:
    assert ask(CLOSED, resources).allowed is allowed


# policy variables


@pytest.mark.parametrize(
    ("resource", "on", "allowed"),
    [
        ("arn:aws:s:eu:1:home/${aws:username}/x", "arn:aws:s:eu:1:home/ann/x", True),
        ("arn:aws:s:eu:1:home/${aws:username}/x", "arn:aws:s:eu:1:home/bob/x", False),
        ("arn:aws:s:eu:1:home/${aws:username}", "arn:aws:s:eu:1:home/annex", False),
        ("arn:aws:s:eu:1:${s:nothing, 'team'}", "arn:aws:s:eu:1:team", True),
        ("arn:aws:s:eu:1:${s:nothing}", "arn:aws:s:eu:1:", False),
        ("arn:aws:s:eu:1:a${*}b${?}c${$}", "arn:aws:s:eu:1:a*b?c$", True),
        ("arn:aws:s:eu:1:a${*}", "arn:aws:s:eu:1:abc", False),
        ("arn:aws:s:eu:1:${s:star}", "arn:aws:s:eu:1:anything", False),
        ("arn:aws:s:eu:1:${s:star}", "arn:aws:s:eu:1:*", True),
        ("arn:aws:s:eu:${s:one}:home/ann", "arn:aws:s:eu:1:home/ann", False),
        ("arn:aws:s:eu:1:${s:two}", "arn:aws:s:eu:1:x", False),
    ],
)
def test_a_variable_is_replaced_after_the_fifth_colon_and_taken_literally(
    resource: str, on: str, allowed: bool
) -> None:
    context = Context({"aws:username": "ann", "s:star": "*", "s:one": "1", "s:two": ["x", "y"]}, closed=True)
    assert ask(context, {"Resource": resource}, on=on).allowed is allowed


def test_a_variable_that_is_not_known_leaves_the_answer_open_and_is_named() -> None:
    decision = ask(OPEN, {"Resource": "arn:aws:s:eu:1:thing/${aws:username}"})
    assert decision.effect is Effect.UNKNOWN
    assert decision.missing_keys == ("aws:username",)
    assert "aws:username is not known" in decision.because[0]


def test_a_negation_waits_for_its_variable_even_where_its_key_is_absent() -> None:
    decision = ask(Context(absent=("s:k",)), {"Condition": {"StringNotEquals": {"s:k": "${aws:username}"}}})
    assert (decision.effect, decision.missing_keys) == (Effect.UNKNOWN, ("aws:username",))


def test_a_default_with_a_wildcard_decides_nothing() -> None:
    assert ask(CLOSED, {"Resource": "arn:aws:s:eu:1:${s:who, '*'}"}).missing_keys == ("s:who",)


def test_the_old_version_takes_a_variable_literally() -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s:eu:1:${aws:username}"}
    old = parse_policy({"Version": "2008-10-17", "Statement": statement})
    context = Context({"aws:username": "ann"})
    assert not evaluate([old], "s:Act", "arn:aws:s:eu:1:ann", context).allowed
    assert evaluate([old], "s:Act", "arn:aws:s:eu:1:${aws:username}", context).allowed


@pytest.mark.parametrize(
    "statement",
    [
        {"Condition": {"StringNotEquals": {"s:k": "${s:nothing}"}}},
        {"Condition": {"StringNotLikeIfExists": {"s:absent": ["${s:nothing}", "x"]}}},
        {"Condition": {"ForAllValues:StringNotEquals": {"s:absent": "${s:nothing}"}}},
        {"Condition": {"ArnNotLike": {"s:k": "arn:aws:s:eu:1:${s:nothing}"}}},
        {"NotResource": "arn:aws:s:eu:1:${s:nothing}"},
    ],
)
def test_a_negation_of_a_variable_without_a_value_makes_the_statement_not_apply(statement: dict[str, Any]) -> None:
    assert ask(Context({"s:k": "v"}, closed=True), statement).effect is Effect.IMPLICIT_DENY


def test_a_variable_without_a_value_does_not_spoil_the_other_wanted_values() -> None:
    context = Context({"s:k": "v"}, closed=True)
    assert under({"StringEquals": {"s:k": ["${s:nothing}", "v"]}}, context) is Effect.ALLOWED


# condition operators

YES, NO, OPEN_ENDED = Effect.ALLOWED, Effect.IMPLICIT_DENY, Effect.UNKNOWN


@pytest.mark.parametrize(
    ("operator", "wanted", "found", "effect"),
    [
        ("StringEquals", "Dev", "Dev", YES),
        ("StringEquals", "Dev", "dev", NO),
        ("StringEquals", "D*", "Dev", NO),
        ("StringEquals", "D*", "D*", YES),
        ("StringEquals", ["a", "Dev"], "Dev", YES),
        ("StringEquals", [], "Dev", NO),
        ("StringNotEquals", [], "Dev", YES),
        ("stringequals", "Dev", "Dev", YES),
        ("StringNotEquals", ["a", "Dev"], "Dev", NO),
        ("StringNotEquals", ["a", "b"], "Dev", YES),
        ("StringEqualsIgnoreCase", "DEV", "dev", YES),
        ("StringNotEqualsIgnoreCase", "DEV", "dev", NO),
        ("StringLike", "D?v*", "Dev", YES),
        ("StringLike", "D.v", "Dev", NO),
        ("StringNotLike", "D*", "Dev", NO),
        ("NumericEquals", "10", "10.0", YES),
        ("NumericNotEquals", 10, "11", YES),
        ("NumericLessThan", "9", "10", NO),
        ("NumericLessThanEquals", 10, "10", YES),
        ("NumericGreaterThan", "9", "10", YES),
        ("NumericGreaterThanEquals", "10.5", "10", NO),
        ("NumericEquals", "ten", "10", OPEN_ENDED),
        ("NumericNotEquals", "ten", "10", OPEN_ENDED),
        ("DateEquals", "2026-11-21T00:00:00Z", "2026-11-21T01:00:00+01:00", YES),
        ("DateNotEquals", "2026-11-21T00:00:00Z", "2026-11-21", NO),
        ("DateLessThan", "2026-11-21T00:00:00Z", "2026-11-20T23:59:59Z", YES),
        ("DateLessThanEquals", "0", "1970-01-01T00:00:00Z", YES),
        ("DateGreaterThan", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", NO),
        ("DateGreaterThanEquals", "2026-11-21T00:00:00Z", "2026-11-21T00:00:00Z", YES),
        ("DateGreaterThan", "tomorrow", "2026-11-21T00:00:00Z", OPEN_ENDED),
        ("Bool", True, "true", YES),
        ("Bool", "false", "true", NO),
        ("Bool", "yes", "true", OPEN_ENDED),
        ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", YES),
        ("BinaryEquals", "QmluYXJ5", "Qml", NO),
        ("IpAddress", ["192.0.2.0/24", "2001:db8::/32"], "192.0.2.7", YES),
        ("IpAddress", "2001:db8::/32", "192.0.2.7", NO),
        ("IpAddress", "192.0.2.7", "192.0.2.7", YES),
        ("NotIpAddress", "192.0.2.0/24", "192.0.2.7", NO),
        ("NotIpAddress", "192.0.2.0/24", "198.51.100.7", YES),
        ("IpAddress", "here", "192.0.2.7", OPEN_ENDED),
        ("ArnEquals", "arn:aws:s:*:1:thing/*", "arn:aws:s:eu:1:thing/a", YES),
        ("ArnLike", "arn:aws:s:*:thing/a", "arn:aws:s:eu:1:thing/a", OPEN_ENDED),
        ("ArnLike", "arn:aws:s:e*:1:thing/a:b", "arn:aws:s:eu:1:thing/a:b", YES),
        ("ArnLike", "arn:aws:s:e*:1:thing/a", "eu", NO),
        ("ArnNotLike", "arn:aws:s:*:1:thing/*", "arn:aws:s:eu:1:thing/a", NO),
        ("ArnNotEquals", "arn:aws:s:eu:1:thing/b", "arn:aws:s:eu:1:thing/a", YES),
        ("StringMatches", "Dev", "Dev", OPEN_ENDED),
        ("ForSomeValues:StringEquals", "Dev", "Dev", OPEN_ENDED),
        ("ForAllValues:Null", "false", "Dev", OPEN_ENDED),
    ],
)
def test_an_operator_compares_the_value_found_with_the_values_wanted(
    operator: str, wanted: Any, found: str, effect: Effect
) -> None:
    assert under({operator: {"s:Key": wanted}}, Context({"S:KEY": found}, closed=True)) is effect


def test_what_cannot_be_compared_is_said() -> None:
    strange = ask(CLOSED, {"Condition": {"StringMatches": {"s:k": "x"}}})
    assert strange.because == (
        "whether p Statement[0] applies to s:Act cannot be told: StringMatches is not an operator known here",
    )
    unreadable = ask(Context({"s:k": "ten"}), {"Condition": {"NumericEquals": {"s:k": "10"}}})
    assert unreadable.missing_keys == ("s:k",)
    assert "s:k is 'ten', which cannot be compared by NumericEquals '10'" in unreadable.because[0]


@pytest.mark.parametrize(
    ("operator", "wanted", "effect"),
    [
        ("StringEquals", "x", NO),
        ("StringNotEquals", "x", YES),
        ("NumericNotEquals", "1", YES),
        ("StringEqualsIfExists", "x", YES),
        ("BoolIfExists", "true", YES),
        ("ForAllValues:StringEquals", "x", YES),
        ("ForAnyValue:StringEquals", "x", NO),
        ("ForAnyValue:StringNotEquals", "x", NO),
        ("ForAnyValue:StringEqualsIfExists", "x", OPEN_ENDED),
        ("Null", "true", YES),
        ("Null", "false", NO),
        ("Null", False, NO),
        ("Null", "maybe", OPEN_ENDED),
    ],
)
def test_an_absent_key_meets_negations_ifexists_and_null(operator: str, wanted: Any, effect: Effect) -> None:
    assert under({operator: {"s:k": wanted}}, CLOSED) is effect
    assert under({operator: {"s:k": wanted}}, Context(absent=("S:*",))) is effect
    assert under({operator: {"s:k": wanted}}, Context({"s:k": ()}, absent=())) is effect


@pytest.mark.parametrize(
    "operator", ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "ForAllValues:StringEquals", "Null"]
)
def test_a_key_that_is_not_known_leaves_the_answer_open_and_is_named(operator: str) -> None:
    decision = ask(OPEN, {"Sid": "Tagged", "Condition": {operator: {"aws:SourceVpc": "true"}}})
    assert (decision.effect, decision.reason) == (Effect.UNKNOWN, Reason.UNDECIDED)
    assert decision.missing_keys == ("aws:SourceVpc",)
    assert decision.matched == (("p", "Tagged"),)


@pytest.mark.parametrize(
    ("operator", "found", "effect"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], YES),
        ("ForAllValues:StringEquals", ["a", "c"], NO),
        ("ForAnyValue:StringEquals", ["a", "c"], YES),
        ("ForAnyValue:StringEquals", ["c", "d"], NO),
        ("ForAllValues:StringNotEquals", ["c", "d"], YES),
        ("ForAllValues:StringNotEquals", ["a", "c"], NO),
        ("ForAnyValue:StringNotEquals", ["a", "c"], YES),
        ("ForAnyValue:StringNotEquals", ["a", "b"], NO),
        ("StringEquals", ["a", "b"], YES),
        ("StringEquals", ["c", "d"], NO),
        ("StringEquals", ["a", "c"], OPEN_ENDED),
    ],
)
def test_set_operators_compare_every_value_of_a_key(operator: str, found: list[str], effect: Effect) -> None:
    assert under({operator: {"s:k": ["a", "b"]}}, Context({"s:k": found})) is effect


def test_all_keys_of_a_condition_must_hold_and_those_that_fail_are_named() -> None:
    block = {"StringEquals": {"s:a": "1", "s:b": "2"}, "Bool": {"s:c": "true"}}
    decision = ask(Context({"s:a": "1", "s:b": "3", "s:c": False}), {"Condition": block})
    assert decision.near_misses == (NearMiss("p", 0, Part.CONDITION, ("s:b", "s:c")),)
    assert "s:b is '3'; StringEquals wants '2'; s:c is 'false'; Bool wants 'true'" in decision.because[-1]


def test_a_known_key_wins_over_an_absent_pattern() -> None:
    context = Context({"aws:RequestTag/a": "1"}, ("aws:RequestTag/*",))
    assert context.values("aws:requesttag/A") == ("1",)
    assert context.values("aws:RequestTag/b") == ()
    assert context.values("aws:ResourceTag/a") is None


# the ways to be refused


def test_a_refusal_tells_that_no_statement_names_the_action() -> None:
    decision = evaluate([parse_policy(INSTANCE_CORE, "core")], "elasticfilesystem:TagResource", FILE_SYSTEM, OPEN)
    assert (decision.effect, decision.reason) == (Effect.IMPLICIT_DENY, Reason.NO_STATEMENT)
    assert decision.near_misses == ()
    assert decision.because == ("core: no Allow statement names elasticfilesystem:TagResource",)


def test_a_role_without_policies_is_refused_everything() -> None:
    decision = evaluate([], "s:Act", "*", OPEN)
    assert (decision.effect, decision.reason) == (Effect.IMPLICIT_DENY, Reason.NO_STATEMENT)
    assert decision.because == ("there is no policy that could allow s:Act",)


def test_a_refusal_tells_the_statement_and_the_key_of_a_condition_that_fails() -> None:
    decision = ask(Context({"aws:RequestedRegion": "eu-central-1"}), {"Sid": "Home", "Condition": {
        "StringEquals": {"aws:RequestedRegion": "us-east-1"}}})  # fmt: skip
    assert decision.reason is Reason.CONDITION_FAILS
    assert decision.near_misses == (NearMiss("p", "Home", Part.CONDITION, ("aws:RequestedRegion",)),)
    assert decision.because[-1] == (
        "p statement Home does not apply: aws:RequestedRegion is 'eu-central-1'; StringEquals wants 'us-east-1'"
    )


def test_a_refusal_tells_the_statement_that_allows_it_on_another_resource() -> None:
    decision = evaluate([policy({"Resource": OTHER_FILE_SYSTEM})], "s:Act", FILE_SYSTEM, OPEN)
    assert decision.reason is Reason.RESOURCE_DIFFERS
    assert decision.near_misses == (NearMiss("p", 0, Part.RESOURCE),)
    assert OTHER_FILE_SYSTEM in decision.because[-1]
    assert FILE_SYSTEM in decision.because[-1]


def test_a_failing_condition_is_nearer_than_another_resource() -> None:
    failing = {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}
    decision = ask(CLOSED, {"Resource": OTHER_FILE_SYSTEM}, failing)
    assert decision.reason is Reason.CONDITION_FAILS
    assert [miss.statement for miss in decision.near_misses] == [1, 0]


def test_a_boundary_that_does_not_allow_refuses() -> None:
    boundary = policy({"Action": "t:*"}, name="limit")
    decision = evaluate([policy({}, name="own")], "s:Act", "*", OPEN, boundary)
    assert (decision.effect, decision.reason) == (Effect.IMPLICIT_DENY, Reason.BOUNDARY)
    assert decision.matched == (("own", 0),)
    assert decision.because == ("the permissions boundary limit: no Allow statement names s:Act",)
    nameless = evaluate([policy({}, name="own")], "s:Act", "*", OPEN, replace(boundary, name="permissions boundary"))
    assert nameless.because == ("the permissions boundary: no Allow statement names s:Act",)


def test_a_boundary_grants_nothing_by_itself() -> None:
    decision = evaluate([], "s:Act", "*", OPEN, policy({}))
    assert (decision.effect, decision.reason) == (Effect.IMPLICIT_DENY, Reason.NO_STATEMENT)


def test_every_level_of_service_control_policies_must_allow() -> None:
    everything, other = policy({"Action": "*"}, name="Full"), policy({"Action": "t:*"}, name="Guard")
    own = [policy({})]
    assert evaluate(own, "s:Act", "*", OPEN, scps=[[everything], [other, everything]]).allowed
    decision = evaluate(own, "s:Act", "*", OPEN, scps=[[everything], [other]])
    assert (decision.effect, decision.reason) == (Effect.IMPLICIT_DENY, Reason.SERVICE_CONTROL_POLICY)
    assert decision.because == ("the service control policy Guard: no Allow statement names s:Act",)


@pytest.mark.parametrize("place", ["identity", "boundary", "scps"])
def test_an_explicit_deny_anywhere_decides_and_is_named(place: str) -> None:
    allow, deny = policy({}), policy({}, {"Sid": "Never", "Effect": "Deny"}, name="guard")
    layers: dict[str, Any] = {"identity": [allow], "boundary": None, "scps": ()}
    layers[place] = {"identity": [allow, deny], "boundary": deny, "scps": [[deny]]}[place]
    decision = evaluate(layers["identity"], "s:Act", "*", OPEN, layers["boundary"], layers["scps"])
    assert (decision.effect, decision.reason) == (Effect.EXPLICIT_DENY, Reason.DENY_STATEMENT)
    assert decision.matched == (("guard", "Never"),)
    assert decision.because == ("guard statement Never denies s:Act",)


def test_a_deny_that_may_apply_leaves_an_allowed_action_open_and_a_refused_one_refused() -> None:
    deny = {"Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}
    decision = ask(OPEN, {}, deny)
    assert (decision.effect, decision.missing_keys) == (Effect.UNKNOWN, ("aws:SourceVpc",))
    assert ask(OPEN, {"Action": "t:x"}, deny).effect is Effect.IMPLICIT_DENY


def test_an_allow_that_applies_makes_one_that_may_apply_irrelevant() -> None:
    assert ask(OPEN, {"Condition": {"Bool": {"s:k": "true"}}}, {}).matched == (("p", 1),)


def test_a_statement_out_of_place_decides_nothing() -> None:
    of_resource = policy({"Principal": "*"})
    assert evaluate([of_resource], "s:Act", "*", CLOSED).missing_keys == ("Principal", "Resource")
    of_identity = evaluate_resource_policy(policy({}), ANONYMOUS, "s:Act", "*", CLOSED)
    assert (of_identity.effect, of_identity.missing_keys) == (Effect.UNKNOWN, ("Principal",))


# the controller of the driver


def test_the_example_policy_of_the_driver_allows_all_that_its_controller_asks() -> None:
    decisions = controller(DRIVER_POLICY)
    assert set(decisions) == set(CONTROLLER_ACTIONS)
    assert {action for action, decision in decisions.items() if not decision.allowed} == set()
    assert decisions["elasticfilesystem:CreateAccessPoint"].matched == (("efs-csi-driver", 1),)


def test_the_managed_policy_allows_all_that_the_controller_asks() -> None:
    assert {action for action, decision in controller(MANAGED).items() if not decision.allowed} == set()


def test_the_constants_hold_the_context_that_the_driver_sends() -> None:
    tag = "efs.csi.aws.com/cluster"
    sent = {action: request.context for action, request in CONTROLLER_ACTIONS.items()}
    assert sent["elasticfilesystem:CreateAccessPoint"].values("aws:TagKeys") == (tag,)
    assert sent["elasticfilesystem:CreateAccessPoint"].values(f"aws:RequestTag/{tag}") == ("true",)
    assert sent["elasticfilesystem:DeleteAccessPoint"].values(f"aws:ResourceTag/{tag}") == ("true",)
    assert sent["elasticfilesystem:DeleteAccessPoint"].values(f"aws:RequestTag/{tag}") == ()
    assert sent["elasticfilesystem:TagResource"].values(f"aws:ResourceTag/{tag}") == ("true",)
    assert sent["elasticfilesystem:DescribeFileSystems"].values("aws:TagKeys") == ()
    assert sent["elasticfilesystem:DescribeFileSystems"].values("aws:SourceVpc") is None


def test_extra_tags_of_the_controller_are_refused_by_the_managed_policy() -> None:
    decisions = controller(MANAGED, tags={"team": "data"})
    refused = {action for action, decision in decisions.items() if decision.denied}
    assert refused == {"elasticfilesystem:CreateAccessPoint", "elasticfilesystem:TagResource"}
    assert decisions["elasticfilesystem:CreateAccessPoint"].near_misses == (
        NearMiss("efs-csi-driver", "AllowCreateAccessPoint", Part.CONDITION, ("aws:TagKeys",)),
    )


def test_extra_tags_of_the_controller_pass_the_example_policy() -> None:
    assert all(d.allowed for d in controller(DRIVER_POLICY, tags={"team": "data"}).values())


def test_a_class_without_tagging_is_refused_by_a_policy_that_wants_the_cluster_tag() -> None:
    decisions = controller(DRIVER_POLICY, tagging=False)
    assert "elasticfilesystem:TagResource" not in decisions
    assert decisions["elasticfilesystem:CreateAccessPoint"].near_misses == (
        NearMiss("efs-csi-driver", 1, Part.CONDITION, ("aws:RequestTag/efs.csi.aws.com/cluster",)),
    )


def test_an_old_copy_of_the_policy_lacks_tagging() -> None:
    old = {
        **DRIVER_POLICY,
        "Statement": [s for i, s in enumerate(DRIVER_POLICY["Statement"]) if i != 2],
    }
    decisions = controller(old)
    refused = {action: decision.reason for action, decision in decisions.items() if not decision.allowed}
    assert refused == {"elasticfilesystem:TagResource": Reason.NO_STATEMENT}


def test_a_policy_for_another_vpc_is_open_until_the_vpc_is_known() -> None:
    statement = {
        "Action": "elasticfilesystem:*",
        "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-0aa"}},
    }
    asked = CONTROLLER_ACTIONS["elasticfilesystem:DescribeFileSystems"]
    open_ended = evaluate([policy(statement)], asked.action, asked.resource(FILE_SYSTEM), asked.context)
    assert open_ended.missing_keys == ("aws:SourceVpc",)
    known = Context({**asked.context.known, "aws:SourceVpc": "vpc-0bb"})
    decision = evaluate([policy(statement)], asked.action, asked.resource(FILE_SYSTEM), known)
    assert decision.reason is Reason.CONDITION_FAILS


def test_a_policy_on_another_file_system_does_not_reach_this_one() -> None:
    asked = CONTROLLER_ACTIONS["elasticfilesystem:CreateAccessPoint"]
    other = policy({"Action": "elasticfilesystem:*", "Resource": OTHER_FILE_SYSTEM})
    decision = evaluate([other], asked.action, asked.resource(FILE_SYSTEM), asked.context)
    assert decision.reason is Reason.RESOURCE_DIFFERS


def test_an_access_point_to_be_created_is_in_the_account_and_region_of_its_file_system() -> None:
    asked = CONTROLLER_ACTIONS["elasticfilesystem:TagResource"].resource(FILE_SYSTEM)
    assert asked.startswith(f"arn:aws:elasticfilesystem:eu-central-1:{ACCOUNT}:access-point/fsap-")
    assert CONTROLLER_ACTIONS["ec2:DescribeAvailabilityZones"].resource(FILE_SYSTEM) == "*"


# principals of resource policies

SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/nodes.example.org/i-0123"


@pytest.mark.parametrize(
    ("element", "caller", "effect"),
    [
        ({"Principal": "*"}, ANONYMOUS, YES),
        ({"Principal": {"AWS": "*"}}, ANONYMOUS, YES),
        ({"Principal": {"AWS": NODE_ROLE}}, ANONYMOUS, NO),
        ({"Principal": {"AWS": ACCOUNT}}, ANONYMOUS, NO),
        ({"Principal": "*"}, Principal.aws(NODE_ROLE), YES),
        ({"Principal": {"AWS": ["999988887777", NODE_ROLE]}}, Principal.aws(NODE_ROLE), YES),
        ({"Principal": {"AWS": NODE_ROLE}}, Principal.aws(SESSION), YES),
        ({"Principal": {"AWS": NODE_ROLE.replace("role/", "role/path/")}}, Principal.aws(SESSION), YES),
        ({"Principal": {"AWS": NODE_ROLE.replace("role/", "role/path/")}}, Principal.aws(NODE_ROLE), NO),
        ({"Principal": {"AWS": SESSION}}, Principal.aws(NODE_ROLE), OPEN_ENDED),
        ({"Principal": {"AWS": NODE_ROLE}}, Principal.aws(""), OPEN_ENDED),
        ({"Principal": {"AWS": NODE_ROLE.replace("nodes", "*")}}, Principal.aws(NODE_ROLE), OPEN_ENDED),
        ({"Principal": {"AWS": "AROAGDLKMFQKIWBXX2BWL"}}, Principal.aws(NODE_ROLE), NO),
        ({"Principal": {"AWS": ACCOUNT}}, Principal.aws(NODE_ROLE), OPEN_ENDED),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}, Principal.aws(NODE_ROLE), OPEN_ENDED),
        ({"Principal": {"AWS": ACCOUNT}}, Principal.aws(f"arn:aws:iam::{ACCOUNT}:root"), YES),
        ({"Principal": {"AWS": "999988887777"}}, Principal.aws(NODE_ROLE), NO),
        ({"Principal": {"Service": "ec2.amazonaws.com"}}, Principal.aws(NODE_ROLE), NO),
        ({"Principal": "*"}, Principal.service("ec2.amazonaws.com"), OPEN_ENDED),
        ({"NotPrincipal": {"AWS": NODE_ROLE}}, ANONYMOUS, YES),
        ({"NotPrincipal": {"AWS": "*"}}, ANONYMOUS, NO),
        ({"NotPrincipal": {"AWS": [NODE_ROLE, ACCOUNT]}}, Principal.aws(NODE_ROLE), NO),
        ({"NotPrincipal": {"AWS": NODE_ROLE}}, Principal.aws(NODE_ROLE), OPEN_ENDED),
        ({"NotPrincipal": {"AWS": NODE_ROLE}}, Principal.aws(""), OPEN_ENDED),
        ({"NotPrincipal": {"Service": "ec2.amazonaws.com"}}, Principal.service("ec2.amazonaws.com"), NO),
    ],
)
def test_a_statement_of_a_resource_applies_to_the_callers_it_names(
    element: dict[str, Any], caller: Principal, effect: Effect
) -> None:
    assert evaluate_resource_policy(policy(element), caller, "s:Act", "*", CLOSED).effect is effect


def test_an_allow_for_another_caller_and_one_for_the_whole_account_are_told_apart() -> None:
    caller = Principal.aws(NODE_ROLE)
    other = policy({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}})
    decision = evaluate_resource_policy(other, caller, "s:Act", "*", CLOSED)
    assert (decision.reason, decision.near_misses) == (Reason.PRINCIPAL_DIFFERS, (NearMiss("p", 0, Part.PRINCIPAL),))
    whole = evaluate_resource_policy(policy({"Principal": {"AWS": ACCOUNT}}), caller, "s:Act", "*", CLOSED)
    assert (whole.effect, whole.reason) == (Effect.UNKNOWN, Reason.DELEGATED)


def test_a_deny_for_the_whole_account_meets_every_role_in_it() -> None:
    guarded = policy({"Principal": "*"}, {"Effect": "Deny", "Principal": {"AWS": ACCOUNT}})
    assert (
        evaluate_resource_policy(guarded, Principal.aws(NODE_ROLE), "s:Act", "*", OPEN).effect is Effect.EXPLICIT_DENY
    )
    assert evaluate_resource_policy(guarded, ANONYMOUS, "s:Act", "*", OPEN).allowed


# NFS clients of EFS


def of_wizard(**changes: Any) -> Policy:
    """A file system policy as the console's wizard writes it."""
    statement = {
        "Sid": "efs-statement-b9dfcf97",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": list(NODE_ACTIONS),
        "Resource": FILE_SYSTEM,
        "Condition": {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}},
        **changes,
    }
    return parse_policy(
        json.dumps({"Version": "2012-10-17", "Id": "efs-policy-wizard", "Statement": [statement]}), "fs"
    )


NODE_POLICY = parse_policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": list(NODE_ACTIONS), "Resource": FILE_SYSTEM}],
    },
    "efs-client",
)
REQUIRES_TLS = {
    "Sid": "Tls",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def test_without_a_file_system_policy_everybody_may_do_everything() -> None:
    for identity in (None, [], [NODE_POLICY]):
        decisions = efs_client_access(None, identity, FILE_SYSTEM, None, False)
        assert {d.reason for d in decisions.values()} == {Reason.DEFAULT_POLICY}
        assert all(d.allowed for d in decisions.values())


def test_a_policy_for_the_node_role_refuses_a_mount_without_iam_and_allows_one_with_it() -> None:
    own = of_wizard(Principal={"AWS": NODE_ROLE})
    anonymous = efs_client_access(own, None, FILE_SYSTEM, None, True)
    assert {(d.effect, d.reason) for d in anonymous.values()} == {(Effect.IMPLICIT_DENY, Reason.PRINCIPAL_DIFFERS)}
    assert f"the caller is anonymous; its Principal is {NODE_ROLE}" in anonymous[MOUNT].because[-1]
    with_iam = efs_client_access(own, [], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)
    assert all(d.allowed for d in with_iam.values())


def test_a_policy_for_everyone_allows_a_mount_without_iam() -> None:
    assert all(d.allowed for d in efs_client_access(of_wizard(), None, FILE_SYSTEM, None, True).values())


def test_an_allow_of_either_side_is_enough() -> None:
    other = of_wizard(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"})
    by_identity = efs_client_access(other, [NODE_POLICY], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)
    assert by_identity[ROOT].matched == (("efs-client", 0),)
    by_resource = efs_client_access(of_wizard(), [], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)
    assert by_resource[ROOT].matched == (("fs", "efs-statement-b9dfcf97"),)
    neither = efs_client_access(other, [], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)
    assert {d.effect for d in neither.values()} == {Effect.IMPLICIT_DENY}


def test_reading_may_be_allowed_without_writing_and_root() -> None:
    decisions = efs_client_access(of_wizard(Action=MOUNT), None, FILE_SYSTEM, None, True)
    assert decisions[MOUNT].allowed
    assert {decisions[a].reason for a in (WRITE, ROOT)} == {Reason.NO_STATEMENT}


def test_a_deny_without_tls_meets_only_plain_mounts() -> None:
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "elasticfilesystem:Client*"}
    strict = parse_policy({"Version": "2012-10-17", "Statement": [everyone, REQUIRES_TLS]}, "fs")
    plain = efs_client_access(strict, None, FILE_SYSTEM, None, False)
    assert plain[MOUNT].effect is Effect.EXPLICIT_DENY
    assert plain[MOUNT].matched == (("fs", "Tls"),)
    assert efs_client_access(strict, None, FILE_SYSTEM, None, True)[MOUNT].allowed
    # The Deny of the resource also decides against the Allow of the node's role.
    assert efs_client_access(strict, [NODE_POLICY], FILE_SYSTEM, None, False)[MOUNT].effect is Effect.EXPLICIT_DENY


@pytest.mark.parametrize(
    ("access_point", "effect"),
    [(ACCESS_POINT, YES), (ACCESS_POINT.replace("def0", "beef"), NO), (None, NO)],
    ids=["that one", "another", "none"],
)
def test_a_policy_for_one_access_point_allows_that_one_only(access_point: str | None, effect: Effect) -> None:
    only = of_wizard(Condition={"StringEquals": {"elasticfilesystem:AccessPointArn": ACCESS_POINT}})
    decision = efs_client_access(only, None, FILE_SYSTEM, access_point, True)[MOUNT]
    assert decision.effect is effect
    keys = [miss.keys for miss in decision.near_misses]
    assert keys == ([] if effect is YES else [("elasticfilesystem:AccessPointArn",)])


@pytest.mark.parametrize(
    ("condition", "key"),
    [
        ({"ArnEquals": {"aws:PrincipalArn": NODE_ROLE}}, "aws:PrincipalArn"),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, "aws:SourceIp"),
    ],
)
def test_what_efs_does_not_enforce_or_we_cannot_see_stays_open(condition: dict[str, Any], key: str) -> None:
    decision = efs_client_access(of_wizard(Condition=condition), None, FILE_SYSTEM, None, True)[MOUNT]
    assert (decision.effect, decision.missing_keys) == (Effect.UNKNOWN, (key,))


def test_a_key_that_efs_does_not_enforce_stays_open_even_where_its_value_is_known() -> None:
    only = of_wizard(Condition={"ArnEquals": {"aws:PrincipalArn": NODE_ROLE}})
    context = Context({"aws:PrincipalArn": NODE_ROLE}, closed=True)
    decision = evaluate_resource_policy(only, Principal.aws(NODE_ROLE), MOUNT, FILE_SYSTEM, context)
    assert decision.missing_keys == ("aws:PrincipalArn",)
    read = of_wizard(Action="elasticfilesystem:DescribeFileSystems", Condition={"ArnEquals": {
        "aws:PrincipalArn": NODE_ROLE}})  # fmt: skip
    caller = Principal.aws(NODE_ROLE)
    action = "elasticfilesystem:DescribeFileSystems"
    assert evaluate_resource_policy(read, caller, action, FILE_SYSTEM, context).allowed


def test_an_allow_for_the_whole_account_leaves_it_to_the_identity_policies() -> None:
    account = of_wizard(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    without = efs_client_access(account, [], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)[MOUNT]
    assert (without.effect, without.reason) == (Effect.IMPLICIT_DENY, Reason.DELEGATED)
    assert efs_client_access(account, [NODE_POLICY], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE)[MOUNT].allowed


def test_a_role_that_is_not_known_leaves_a_policy_for_a_role_open() -> None:
    own = of_wizard(Principal={"AWS": NODE_ROLE})
    decision = efs_client_access(own, [], FILE_SYSTEM, None, True)[MOUNT]
    assert (decision.effect, decision.missing_keys) == (Effect.UNKNOWN, ("Principal",))


def test_a_boundary_limits_the_identity_side_and_leaves_the_other_open() -> None:
    boundary = policy({"Action": "s3:*"}, name="limit")
    other = of_wizard(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"})
    refused = efs_client_access(
        other, [NODE_POLICY], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE, boundary=boundary
    )[MOUNT]
    assert (refused.effect, refused.reason) == (Effect.IMPLICIT_DENY, Reason.BOUNDARY)
    own = of_wizard(Principal={"AWS": NODE_ROLE})
    granted = efs_client_access(own, [], FILE_SYSTEM, None, True, principal_arn=NODE_ROLE, boundary=boundary)[MOUNT]
    assert (granted.effect, granted.missing_keys) == (Effect.UNKNOWN, ("the permissions boundary",))
    assert granted.because == ("whether the permissions boundary limit counts here cannot be told",)


# trust policies


def web_identity(condition: dict[str, Any], provider: str = PROVIDER) -> Policy:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": condition,
    }
    return parse_policy({"Version": "2012-10-17", "Statement": [statement]}, "trust")


def test_a_role_trusts_the_service_it_names_and_no_other() -> None:
    trust = parse_policy(TRUSTS_EC2, "trust")
    assert trusts(trust, Principal.service("ec2.amazonaws.com"), "sts:AssumeRole", OPEN).allowed
    for other in ("eks.amazonaws.com", "ec2.amazonaws.com.cn"):
        decision = trusts(trust, Principal.service(other), "sts:AssumeRole", OPEN)
        assert decision.reason is Reason.PRINCIPAL_DIFFERS
        assert decision.because == (
            "the trust policy trust: no Allow statement that names sts:AssumeRole applies",
            f"trust Statement[0] does not apply: the caller is {other}; its Principal is ec2.amazonaws.com",
        )


@pytest.mark.parametrize(
    ("condition", "effect"),
    [
        ({"StringEquals": {f"{ISSUER}:sub": CONTROLLER_ACCOUNT, f"{ISSUER}:aud": "sts.amazonaws.com"}}, YES),
        ({"StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:kube-system:efs-csi-*"}}, NO),
        ({"StringLike": {f"{ISSUER}:sub": "system:serviceaccount:kube-system:efs-csi-*"}}, YES),
        ({"StringEquals": {f"{ISSUER}:sub": "system:serviceaccount:default:efs-csi-controller-sa"}}, NO),
        ({"StringEquals": {f"{ISSUER.replace('eu-central-1', 'us-east-1')}:sub": CONTROLLER_ACCOUNT}}, NO),
        ({"StringEquals": {f"{ISSUER}:aud": "other"}}, NO),
    ],
)
def test_a_web_identity_is_trusted_by_its_subject_and_audience(condition: dict[str, Any], effect: Effect) -> None:
    action = "sts:AssumeRoleWithWebIdentity"
    assert trusts(web_identity(condition), Principal.federated(PROVIDER), action, TOKEN).effect is effect


def test_the_provider_of_another_cluster_is_not_trusted() -> None:
    other = PROVIDER.replace("EXAMPLED", "REPLACED")
    trust = web_identity({"StringEquals": {f"{ISSUER}:sub": CONTROLLER_ACCOUNT}}, other)
    decision = trusts(trust, Principal.federated(PROVIDER), "sts:AssumeRoleWithWebIdentity", TOKEN)
    assert decision.reason is Reason.PRINCIPAL_DIFFERS


def test_pod_identity_needs_the_tagging_of_sessions_as_well() -> None:
    agent = Principal.service("pods.eks.amazonaws.com")
    statement = {"Effect": "Allow", "Principal": {"Service": "pods.eks.amazonaws.com"}}
    both = parse_policy({"Statement": {**statement, "Action": ["sts:AssumeRole", "sts:TagSession"]}})
    assert all(trusts(both, agent, action, OPEN).allowed for action in ("sts:AssumeRole", "sts:TagSession"))
    half = parse_policy({"Statement": {**statement, "Action": "sts:AssumeRole"}})
    assert trusts(half, agent, "sts:TagSession", OPEN).reason is Reason.NO_STATEMENT


def test_a_trust_in_a_whole_account_is_left_to_the_caller() -> None:
    trust = policy({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"})
    decision = trusts(trust, Principal.aws(NODE_ROLE), "sts:AssumeRole", OPEN)
    assert (decision.effect, decision.reason) == (Effect.UNKNOWN, Reason.DELEGATED)


# properties

KEYS = ("s:a", "s:b", "s:tags", "aws:username")
WORDS = ("x", "y", "x*", "true", "7", "${aws:username}", "${s:a, 'x'}", "arn:aws:s:eu:1:x")
OPERATORS = (
    "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringNotLikeIfExists",
    "ForAllValues:StringEquals", "ForAnyValue:StringEquals", "ForAllValues:StringNotEquals",
    "ForAnyValue:StringNotEquals", "ForAnyValue:StringEqualsIfExists", "Null", "Bool", "NumericLessThan",
    "NumericNotEquals", "ArnLike", "ArnNotLike", "DateGreaterThan", "StringMatches",
)  # fmt: skip
RESOURCES = ("*", "arn:aws:s:eu:1:x", "arn:aws:s:eu:1:${aws:username}", "arn:aws:s:eu:*:y*", "arn:aws:s:eu:1:${s:b}")

conditions = st.dictionaries(
    st.sampled_from(OPERATORS),
    st.dictionaries(
        st.sampled_from(KEYS), st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), min_size=1, max_size=2
    ),
    max_size=2,
)
bodies = st.fixed_dictionaries(
    {"Effect": st.sampled_from(("Allow", "Allow", "Deny")), "Condition": conditions}
).flatmap(
    lambda body: st.tuples(
        st.sampled_from(("Action", "Action", "NotAction")),
        st.sampled_from(("s:Act", "s:*", "t:Act")),
        st.sampled_from(("Resource", "Resource", "NotResource")),
        st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2),
    ).map(lambda drawn: {**body, drawn[0]: drawn[1], drawn[2]: drawn[3]})
)
documents = st.lists(bodies, max_size=4)
values = st.one_of(st.sampled_from(("x", "y", "true", "7")), st.lists(st.sampled_from(("x", "y", "7")), max_size=3))
contexts = st.builds(
    Context, st.dictionaries(st.sampled_from(KEYS), values), st.lists(st.sampled_from(KEYS), max_size=2), st.booleans()
)
resources = st.sampled_from(("arn:aws:s:eu:1:x", "arn:aws:s:eu:1:y", "*"))


def decided(
    statements: list[dict[str, Any]], resource: str, context: Context, limit: list[dict[str, Any]] | None = None
) -> Decision:
    boundary = policy(*limit, name="limit") if limit is not None else None
    return evaluate([policy(*statements)], "s:Act", resource, context, boundary)


@given(documents, bodies, resources, contexts, st.none() | documents)
def test_one_more_allow_keeps_what_is_allowed(
    statements: list[Any], more: dict[str, Any], resource: str, context: Context, limit: list[Any] | None
) -> None:
    before = decided(statements, resource, context, limit)
    after = decided([*statements, {**more, "Effect": "Allow"}], resource, context, limit)
    assert after.allowed or not before.allowed
    assert (after.effect is Effect.EXPLICIT_DENY) == (before.effect is Effect.EXPLICIT_DENY)


@given(documents, bodies, resources, contexts, st.none() | documents)
def test_one_more_deny_keeps_what_is_denied(
    statements: list[Any], more: dict[str, Any], resource: str, context: Context, limit: list[Any] | None
) -> None:
    before = decided(statements, resource, context, limit)
    after = decided([*statements, {**more, "Effect": "Deny"}], resource, context, limit)
    assert after.denied or not before.denied
    assert before.allowed or not after.allowed


@given(documents, resources, contexts, st.sets(st.sampled_from(KEYS)), st.none() | documents)
def test_hiding_keys_leaves_the_answer_or_makes_it_unknown(
    statements: list[Any], resource: str, context: Context, hidden: set[str], limit: list[Any] | None
) -> None:
    full = decided(statements, resource, context, limit)
    less = decided(statements, resource, context.only(key for key in KEYS if key not in hidden), limit)
    assert full.allowed or not less.allowed
    assert full.denied or not less.denied


@given(documents.flatmap(lambda d: st.tuples(st.just(d), st.permutations(d))), resources, contexts)
def test_the_order_of_statements_does_not_matter(
    orders: tuple[list[Any], list[Any]], resource: str, context: Context
) -> None:
    one, other = (decided(order, resource, context) for order in orders)
    assert (one.effect, one.reason, one.missing_keys) == (other.effect, other.reason, other.missing_keys)


@given(documents, resources, contexts)
def test_an_answer_always_says_what_it_rests_on(statements: list[Any], resource: str, context: Context) -> None:
    decision = decided(statements, resource, context)
    assert decision.because
    assert bool(decision.missing_keys) == (decision.effect is Effect.UNKNOWN)
    assert bool(decision.matched) == (decision.effect is not Effect.IMPLICIT_DENY)


@given(documents, resources, st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("x", "y", "true", "7"))))
def test_two_policies_decide_as_one_with_the_statements_of_both(
    statements: list[Any], resource: str, known: dict[str, str]
) -> None:
    context = Context(known, closed=True)
    apart = [policy(statement) for statement in statements]
    together = decided(statements, resource, context)
    split = evaluate(apart, "s:Act", resource, context)
    assert (split.effect, split.missing_keys) == (together.effect, together.missing_keys)
