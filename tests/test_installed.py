"""What `efsdiag install` has made of an empty account and a bare cluster; nothing here makes another one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import botocore.session
import consents
import pytest
from installlab import SAFE, InstallLab, bare, install_lab
from worlds.fault import BESIDE, load
from worlds.symptoms import SYMPTOMS

from efsdiag.rules import load_rulebook
from efsdiag.semantics.iam import Context, controller_requests, evaluate, parse_policy
from efsdiag.target import TARGET
from efsdiag.treat.journal import journals


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallLab]:
    """A lab in which everything was installed in one go. Tests only look at it."""
    with install_lab(bare(), tmp_path_factory.mktemp("installed")) as made:
        consents.forget()
        assert made.run(*SAFE) == 0, made.printed
        assert consents.OFFENCES == []
        yield made


def test_an_empty_account_and_a_bare_cluster_become_a_prometheus_on_efs(installed: InstallLab) -> None:
    assert "Prometheus runs with its data on EFS" in installed.printed
    account = installed.account()
    assert len(account["systems"]) == 1
    assert len(account["targets"]) == 2, "one in each zone that has nodes which take pods"
    assert len(account["associations"]) == 2
    pod = next(p for p in installed.all("pods", "monitoring"))
    assert pod["spec"]["securityContext"]["runAsUser"] == 65534
    point = installed.aws.client("efs").describe_access_points()["AccessPoints"][0]
    assert point["PosixUser"] == {"Uid": 65534, "Gid": 65534}


def test_a_second_run_asks_for_no_change_at_all(installed: InstallLab) -> None:
    before = len(installed.kube.mutations), len([a for a in installed.aws.asked if a.mutates])
    assert installed.run(*SAFE) == 0, installed.printed
    assert (len(installed.kube.mutations), len([a for a in installed.aws.asked if a.mutates])) == before


def test_why_finds_nothing_in_the_way_of_what_was_installed(installed: InstallLab) -> None:
    assert installed.run("why", "deployment/prometheus-server", "-n", "monitoring", "-o", "json") == 0
    report = json.loads(installed.printed[installed.printed.index("{") :])
    assert report["status"] == "healthy"
    assert {latent["kind"] for latent in report["latent"]} <= {"risk"}


def test_each_round_is_in_the_journal_and_worked(installed: InstallLab) -> None:
    told = journals(installed.journal)
    assert [j.outcome for j in told] == ["worked", "worked", "undone", "worked"], "the third is the trial"


# --- the same rules and the same remedies -------------------------------------------------------------------------


def test_every_check_of_the_target_is_one_on_which_why_can_fail() -> None:
    faults = {fault.mode for fault in [*load(), *BESIDE]} | {symptom.mode for symptom in SYMPTOMS}
    rules = load_rulebook().checks
    assert set(TARGET) <= set(rules)
    # A milestone is an effect: it fails by the checks before it, and in tests/worlds by every fault of theirs.
    unfailing = [c for c in TARGET if not rules[c].milestone and not faults & set(rules[c].modes)]
    assert unfailing == []


# --- the least rights ---------------------------------------------------------------------------------------------


def test_the_role_that_is_made_may_do_what_the_driver_asks_for_and_nothing_else(installed: InstallLab) -> None:
    iam = installed.aws.client("iam")
    name = "prometheus-efs-efs-csi"
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    (inline,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=inline)["PolicyDocument"]
    policy = parse_policy(document, inline)
    system = installed.aws.client("efs").describe_file_systems()["FileSystems"][0]["FileSystemArn"]
    asked = controller_requests()
    for action, request in asked.items():
        assert evaluate([policy], action, request.resource(system), request.context).allowed, action
    session = botocore.session.get_session()
    for prefix, service in (("elasticfilesystem", "efs"), ("ec2", "ec2"), ("iam", "iam")):
        for operation in session.get_service_model(service).operation_names:
            action = f"{prefix}:{operation}"
            if action not in asked:
                assert evaluate([policy], action, "*", Context()).denied, action


def test_the_role_may_not_touch_access_points_that_the_driver_did_not_make(installed: InstallLab) -> None:
    document = installed.aws.client("iam").get_role_policy(
        RoleName="prometheus-efs-efs-csi", PolicyName="prometheus-efs-efs-csi"
    )["PolicyDocument"]
    policy = parse_policy(document, "inline")
    point = "arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-0123456789abcdef0"
    foreign = Context({"aws:ResourceTag/team": "shop"}, closed=True)
    assert evaluate([policy], "elasticfilesystem:DeleteAccessPoint", point, foreign).denied
