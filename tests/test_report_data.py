"""An investigation as plain data."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from reports import BLIND, NOW, POD, SICK, report, verdicts

from efsdiag.model import Ref, Subject, failed
from efsdiag.report.by_hand import filled, names_of
from efsdiag.report.data import Environment, Usage, time_text
from efsdiag.report.fingerprint import base_name, fingerprint


def test_a_cause_says_what_where_how_sure_and_what_mends_it():
    (cause,) = report(SICK)["rootCauses"]
    assert (cause["id"], cause["check"], cause["confidence"]) == ("net.port", "port-open", "confirmed")
    assert cause["summary"] == "sg-1 admits nobody; the node is in sg-2"
    assert cause["object"] == {"kind": "SecurityGroup", "name": "sg-1"}
    assert cause["chain"] == ["port-open", "mounted", "ready"]
    assert cause["remedies"] == [{"text": "Mend it", "risk": "disruptive", "reversible": True}]
    assert cause["references"] == ["https://example.com/rule"]


def test_each_step_of_the_chain_says_what_was_seen_and_read():
    (cause,) = report(SICK)["rootCauses"]
    assert cause["evidence"][0] == {
        "check": "port-open",
        "says": "sg-1 admits nobody; the node is in sg-2",
        "proof": ["IpPermissions: none"],
        "queries": [{"operation": "ec2:DescribeSecurityGroups", "parameters": {"GroupIds": ["sg-1"]}}],
    }
    assert [step["check"] for step in cause["evidence"]] == cause["chain"]


def test_known_names_stand_in_the_commands_and_others_stay_open():
    (cause,) = report(SICK, names={"container": "web"})["rootCauses"]
    assert cause["byHand"] == ["aws ec2 describe --group sg-1 --pod shop/web-7c9d4-x2x2p"]
    assert filled("kubectl logs <pod> -c <container> <path>", {"container": "web"}) == (
        "kubectl logs <pod> -c web <path>"
    )


@pytest.mark.parametrize("name", ["$(reboot)", "a b", "-rf", "a;b", "", "a\nb", "`x`", "a|b", "../x"])
def test_a_name_that_a_shell_would_act_on_is_not_put_into_a_command(name):
    assert filled("kubectl logs <pod>", {"pod": name}) == "kubectl logs <pod>"


def test_the_pod_of_a_command_is_the_one_that_was_asked_about():
    assert "pod" not in names_of(Ref("Pod", "efs-csi-node-n4kgq", "kube-system"))
    assert names_of(POD) == {"namespace": "shop", "pod": "web-7c9d4-x2x2p"}


def test_what_is_broken_but_harmless_comes_before_risks_and_says_what_cleared_it():
    latent = report(SICK)["latent"]
    assert [(item["id"], item["kind"], item["clearedBy"]) for item in latent] == [
        ("iam.role", "cause", ["provisioned"]),
        ("efs.no-backup", "risk", []),
    ]


def test_what_nobody_could_look_at_says_why_and_what_to_grant():
    found = report(BLIND)
    assert found["status"] == "inconclusive"
    assert found["rootCauses"] == []
    assert found["deepest"] == ["mounted"]
    assert found["suspects"] == [
        {
            "check": "port-open",
            "reason": "AWS refuses ec2:DescribeSecurityGroups",
            "grant": "allow ec2:DescribeSecurityGroups",
            "supportedBy": [],
        }
    ]
    assert found["notChecked"] == []


def test_what_was_not_read_and_could_not_matter_is_listed_apart():
    states = {**BLIND, "mounted": verdicts()["mounted"], "ready": verdicts()["ready"]}
    found = report(states)
    assert found["suspects"] == []
    assert [item["check"] for item in found["notChecked"]] == ["port-open"]


@pytest.mark.parametrize(
    ("states", "status", "code"), [(verdicts(), "healthy", 0), (SICK, "diagnosed", 1), (BLIND, "inconclusive", 3)]
)
def test_the_status_has_its_exit_code(states, status, code):
    found = report(states)
    assert (found["status"], found["exitCode"]) == (status, code)


@pytest.mark.parametrize(
    ("kind", "spelled"),
    [("pod", "Pod"), ("persistentvolumeclaim", "PersistentVolumeClaim"), ("statefulset", "StatefulSet")],
)
def test_kinds_are_spelled_as_in_kubernetes(kind, spelled):
    assert report(SICK, subject=Subject(kind, "shop", "data"))["target"]["kind"] == spelled


def test_a_cause_without_an_object_is_on_what_was_asked_about():
    states = {**SICK, "port-open": failed("net.port", "closed")}
    assert report(states)["rootCauses"][0]["object"] == {"kind": "Pod", "name": POD.name, "namespace": "shop"}


def test_totals_count_the_checks_by_state():
    assert report(SICK)["totals"] == {
        "checks": 7, "pass": 2, "fail": 5, "unknown": 0, "waiting": 0, "skip": 0,
    }  # fmt: skip


def test_the_environment_and_the_cost_are_told():
    where = Environment("live", "lab", None, None, "eu-central-1", "label x of node n", "v3.4.1")
    found = report(SICK, environment=where, usage=Usage(7, 1234), note="deployment/web → pod/web")
    assert found["environment"] == {
        "source": "live",
        "context": "lab",
        "kubernetesVersion": None,
        "account": None,
        "region": "eu-central-1",
        "regionFrom": "label x of node n",
        "driverVersion": "v3.4.1",
    }
    assert found["usage"] == {"requests": 7, "durationMs": 1234}
    assert found["note"] == "deployment/web → pod/web"
    assert found["now"] == "2026-11-21T06:30:00Z"


def test_times_are_in_utc():
    assert time_text(datetime(2026, 11, 21, 15, 30, tzinfo=timezone(timedelta(hours=9)))) == time_text(NOW)


def test_the_document_is_plain_data():
    assert json.loads(json.dumps(report(SICK))) == report(SICK)


def test_the_order_in_which_verdicts_came_does_not_show():
    backwards = dict(reversed(SICK.items()))
    assert json.dumps(report(backwards)) == json.dumps(report(SICK))


def test_the_next_pod_of_a_workload_has_the_same_fingerprint():
    workload = Ref("Deployment", "web", "shop")
    prints = {fingerprint("a.b", Ref("Pod", f"web-7c9d4-{end}", "shop"), workload) for end in ("x2x2p", "zzzzz")}
    assert len(prints) == 1
    assert prints == {fingerprint("a.b", Ref("Pod", "web-7c9d4-x2x2p", "shop"))}
    assert prints == {fingerprint("a.b", workload, workload)}


def test_another_mode_or_object_has_another_fingerprint():
    group = fingerprint("a.b", Ref("SecurityGroup", "sg-1"))
    others = [("a.c", "SecurityGroup", "sg-1"), ("a.b", "SecurityGroup", "sg-2"), ("a.b", "Subnet", "sg-1")]
    assert group not in [fingerprint(m, Ref(kind, name)) for m, kind, name in others]
    assert len(group) == 12


def test_a_fingerprint_does_not_change_between_versions():
    assert fingerprint("a.b", Ref("SecurityGroup", "sg-1")) == "32a48052a093"


@pytest.mark.parametrize(
    ("pod", "base"),
    [
        ("prometheus-server-7c9d4-x2x2p", "prometheus-server"),
        ("prometheus-server-dvj2hz2rgs-xhcx2", "prometheus-server"),
        ("efs-csi-node-n4kgq", "efs-csi-node"),
        ("prometheus-0", "prometheus-0"),
        ("x2x2p", "x2x2p"),
    ],
)
def test_the_made_up_endings_of_a_pod_are_no_part_of_its_base_name(pod, base):
    assert base_name(pod) == base
