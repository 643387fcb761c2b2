"""What a role lets the EFS driver do, and in which way it falls short."""

from __future__ import annotations

import json
from typing import Any

import pytest

from efsdiag.model import State, Verdict
from efsdiag.semantics.claims import Claim, EfsVolume, efs_volume
from efsdiag.semantics.driver_rights import (
    NEEDED,
    client_decisions,
    decisions_for,
    judge_mount,
    judge_provisioning,
    may_use_efs,
    tags_of,
)
from efsdiag.semantics.roles import Role

SYSTEM = {"FileSystemArn": "arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/fs-0a"}
ARN = SYSTEM["FileSystemArn"]
POINT = "fsap-0123456789abcdef0"
POINT_ARN = f"arn:aws:elasticfilesystem:eu-west-1:111122223333:access-point/{POINT}"
CLUSTER = "efs.csi.aws.com/cluster"


def statement(*actions: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": list(actions), "Resource": "*", **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def role(*statements: dict[str, Any], boundary: Any = None) -> Role:
    policies = (("driver", document(*statements)),) if statements else ()
    return Role("node", {"Arn": "arn:aws:iam::111122223333:role/node"}, policies, boundary)


ALL = statement(*NEEDED)
EXAMPLE = [
    statement("elasticfilesystem:DescribeAccessPoints", "elasticfilesystem:DescribeFileSystems"),
    statement("elasticfilesystem:CreateAccessPoint", Condition={"StringLike": {f"aws:RequestTag/{CLUSTER}": "true"}}),
    statement("elasticfilesystem:TagResource", Condition={"StringLike": {f"aws:ResourceTag/{CLUSTER}": "true"}}),
]
"""The driver's own example policy: access points must carry its tag."""
ONLY_ITS_TAG = statement(
    "elasticfilesystem:CreateAccessPoint",
    "elasticfilesystem:TagResource",
    Condition={"ForAllValues:StringEquals": {"aws:TagKeys": CLUSTER}},
)
"""As AmazonEFSCSIDriverPolicy puts it: no tag but the driver's."""


def judged(own: Role, arguments: tuple[str, ...] = (), **parameters: str) -> Verdict:
    return judge_provisioning(own, parameters, arguments, ARN)


def mode_of(verdict: Verdict) -> str:
    return verdict.findings[0].mode if verdict.findings else verdict.state.value


# --- making volumes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "own",
    [
        role(ALL),
        role(statement("*")),
        role(statement("elasticfilesystem:*")),
        role(*EXAMPLE),
        role(EXAMPLE[0], ONLY_ITS_TAG),
        role(ALL, boundary=document(statement("elasticfilesystem:*"))),
        role(ALL, statement("elasticfilesystem:DeleteFileSystem", effect="Deny")),
    ],
)
def test_a_role_that_allows_all_that_making_a_volume_takes_passes(own: Role) -> None:
    verdict = judged(own)
    assert verdict.state is State.PASS
    assert all(action in verdict.proof[0] for action in NEEDED)


@pytest.mark.parametrize(
    ("own", "arguments", "parameters", "mode"),
    [
        (role(), (), {}, "iam.role-without-policy"),
        (role(statement("s3:*")), (), {}, "iam.role-without-policy"),
        (role(*EXAMPLE[:2]), (), {}, "iam.policy-missing-actions"),
        (role(EXAMPLE[0]), (), {}, "iam.policy-missing-actions"),
        (role(ALL, statement("elasticfilesystem:CreateAccessPoint", effect="Deny")), (), {}, "iam.explicit-deny"),
        (role(ALL, statement("*", effect="Deny")), (), {}, "iam.explicit-deny"),
        (role(ALL, boundary=document(statement("ec2:*"))), (), {}, "iam.permissions-boundary"),
        (role(*EXAMPLE), (), {"enableTagging": "false"}, "csi.enable-tagging-conflict"),
        (role(EXAMPLE[0], ONLY_ITS_TAG), ("--tags=team:monitoring",), {}, "csi.custom-tags-denied"),
        (
            role(statement(*NEEDED, Condition={"StringEquals": {f"aws:RequestTag/{CLUSTER}": "no"}})),
            (),
            {},
            "iam.policy-condition-mismatch",
        ),
    ],
)
def test_a_role_that_falls_short_is_named_with_the_way_in_which_it_does(
    own: Role, arguments: tuple[str, ...], parameters: dict[str, str], mode: str
) -> None:
    verdict = judged(own, arguments, **parameters)
    assert mode_of(verdict) == mode
    assert verdict.findings[0].sure
    assert str(verdict.findings[0].object) == "Role/node"
    assert "role node" in verdict.says


def test_a_policy_for_another_file_system_does_not_count() -> None:
    other = {"Resource": ARN.replace("fs-0a", "fs-0b")}
    assert judged(role({**ALL, **other})).state is State.FAIL


def test_a_role_without_any_policy_says_so() -> None:
    assert judged(role()).says == "no policy of role node allows anything on EFS; it has no policy at all"
    assert judged(role(statement("s3:*"))).says.endswith("it has driver")


def test_what_depends_on_something_that_nobody_knows_is_unknown() -> None:
    verdict = judged(role({**ALL, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}))
    assert verdict.state is State.UNKNOWN
    assert verdict.says.lower() == "whether role node may make volumes depends on aws:sourcevpc"


def test_a_policy_that_cannot_be_understood_is_unknown() -> None:
    verdict = judged(Role("node", {}, (("odd", {"Statement": "x"}),), None))
    assert verdict.state is State.UNKNOWN
    assert verdict.says.startswith("a policy of role node cannot be understood: ")


def test_without_tagging_nothing_is_tagged() -> None:
    assert "elasticfilesystem:TagResource" in decisions_for(role(ALL), {}, (), ARN)
    assert "elasticfilesystem:TagResource" not in decisions_for(role(ALL), {"enableTagging": "False"}, (), ARN)


@pytest.mark.parametrize(
    ("own", "may"),
    [
        (role(), False),
        (role(statement("s3:*")), False),
        (role(EXAMPLE[0]), True),
        (role(statement("*")), True),
        (Role("node", {}, (("odd", {"Statement": "x"}),), None), True),
    ],
)
def test_a_role_may_use_efs_where_it_is_allowed_any_of_it_or_nobody_can_tell(own: Role, may: bool) -> None:
    assert may_use_efs(own) is may


@pytest.mark.parametrize(
    ("argument", "tags"),
    [
        ("--tags=team:monitoring", {"team": "monitoring"}),
        ("--tags=team:monitoring env:prod", {"team": "monitoring", "env": "prod"}),
        ("--tags=", {}),
        ("--v=2", {}),
    ],
)
def test_the_tags_of_the_controller_are_read_from_its_argument(argument: str, tags: dict[str, str]) -> None:
    assert tags_of(["--endpoint=x", argument]) == tags


# --- mounting with the option iam --------------------------------------------------------------------------------

CLIENT = statement("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite")
MOUNT, WRITE, ROOT = (f"elasticfilesystem:Client{name}" for name in ("Mount", "Write", "RootAccess"))


def volume(handle: str = f"fs-0a::{POINT}", **attributes: str) -> EfsVolume:
    spec = {"csi": {"volumeHandle": handle, "volumeAttributes": attributes}, "mountOptions": ["iam"]}
    return efs_volume({"metadata": {"name": "pv"}, "spec": spec}, Claim("c", "m", "data", {"metadata": {}}))


def resource_policy(*statements: dict[str, Any]) -> str:
    return json.dumps(document(*({"Principal": {"AWS": "*"}, **s} for s in statements)))


READ_ONLY = resource_policy(statement(MOUNT))
SECURE = resource_policy(statement("*", effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}), CLIENT)
POINT_ONLY = resource_policy(
    statement(MOUNT, WRITE, Condition={"StringEquals": {"elasticfilesystem:AccessPointArn": POINT_ARN}})
)


@pytest.mark.parametrize(
    ("own", "policy", "mode"),
    [
        (role(CLIENT), None, ""),
        (role(), None, ""),
        (role(CLIENT), READ_ONLY, ""),
        (role(), READ_ONLY, ""),
        (role(), POINT_ONLY, ""),
        (role(), resource_policy(statement(WRITE)), "iam.client-mount-missing"),
        (role(CLIENT, statement(MOUNT, effect="Deny")), READ_ONLY, "iam.client-mount-missing"),
        (role(CLIENT), resource_policy(statement(MOUNT, effect="Deny")), "iam.client-mount-missing"),
    ],
)
def test_an_allow_on_either_side_mounts_and_a_deny_on_either_side_does_not(
    own: Role, policy: str | None, mode: str
) -> None:
    verdict = judge_mount(own, policy, SYSTEM, {"AccessPointArn": POINT_ARN}, volume())
    assert (mode_of(verdict) if verdict else "") == mode


def test_a_mount_that_nobody_can_judge_is_unknown() -> None:
    odd = judge_mount(role(), "{", SYSTEM, None, volume())
    assert odd is not None
    assert odd.state is State.UNKNOWN
    assert odd.says.startswith("a policy cannot be understood: ")


@pytest.mark.parametrize(
    ("attributes", "handle", "allowed"),
    [
        ({}, "fs-0a", True),
        ({"encryptInTransit": "false"}, "fs-0a", False),
        ({"encryptInTransit": "false"}, f"fs-0a::{POINT}", True),
    ],
)
def test_a_policy_that_wants_tls_asks_how_the_volume_is_mounted(
    attributes: dict[str, str], handle: str, allowed: bool
) -> None:
    decisions = client_decisions(None, SECURE, SYSTEM, None, volume(handle, **attributes))
    assert not isinstance(decisions, Verdict)
    assert decisions[MOUNT].allowed is allowed
    assert decisions[MOUNT].denied is not allowed


def test_a_mount_without_signing_in_is_anonymous_and_gets_what_the_policy_gives_everybody() -> None:
    everybody = client_decisions(None, None, SYSTEM, None, volume())
    some = client_decisions(None, READ_ONLY, SYSTEM, None, volume())
    assert not isinstance(everybody, Verdict)
    assert not isinstance(some, Verdict)
    assert [everybody[a].allowed for a in (MOUNT, WRITE, ROOT)] == [True, True, True]
    assert [some[a].allowed for a in (MOUNT, WRITE, ROOT)] == [True, False, False]
