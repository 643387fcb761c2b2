"""A plan as text and in the forms of other tools; names that others chose do nothing there."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import Any

import pytest
import yaml
from plans import PLACE, a_change, label, plan_with, storage_class

from efsdiag.changes import Change, Lookup, Plan, Risk
from efsdiag.model import Ref, Subject
from efsdiag.operations import read_of
from efsdiag.releases import Chart, Release, release_change
from efsdiag.report.export import exported
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import Look, painted
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.writes import write_of

FORMS = ("commands", "yaml", "terraform")
HOSTILE = 'x\n; touch /tmp/mark #\x1b[2J\u202e\u2028\x85 ${file("/etc/passwd")} %{ for a in b } \' " <b> [a](b)'


def rule(direction: str = "Ingress", group: str = "sg-1", **more: Any) -> Change:
    pair = {"GroupId": "sg-2", "Description": "NFS to EFS, by efsdiag"}
    ports = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
    given = {"GroupId": group, "IpPermissions": [{**ports, "UserIdGroupPairs": [pair], **more}]}
    write, undo = (write_of(f"ec2:{verb}SecurityGroup{direction}", **given) for verb in ("Authorize", "Revoke"))
    return Change(write, f"admit TCP 2049 in {group}", Ref("SecurityGroup", group), undo=undo)


def attachment(role: str = "driver") -> Change:
    given = {"RoleName": role, "PolicyArn": "arn:aws:iam::aws:policy/AmazonEFSCSIDriverPolicy"}
    write, undo = (write_of(f"iam:{verb}RolePolicy", **given) for verb in ("Attach", "Detach"))
    return Change(write, f"attach the policy to {role}", Ref("Role", role), undo=undo)


def mount_target() -> Change:
    given = {"FileSystemId": "fs-1", "SubnetId": "subnet-1", "SecurityGroups": ["sg-1"]}
    return Change(
        write_of("efs:CreateMountTarget", **given),
        "create a mount target of fs-1 in subnet-1",
        Ref("FileSystem", "fs-1"),
        residue="its network interface goes a minute later",
    )


def release(name: str = "prometheus") -> Change:
    chart = Chart("prometheus", "https://charts.example.org", "1.2.3")
    made = Release(name, "monitoring", chart, {"server": {"persistentVolume": {"existingClaim": name}}}, True)
    return release_change(made, f"install {name}", Ref("Release", name), present=False)


def whole() -> Plan:
    """A plan with all that a plan can have."""
    account = (rule(), rule("Egress", "sg-3"), mount_target(), attachment())
    plan = plan_with(*account, label("pv-1"), storage_class("efs"), release())
    other = replace(plan.chosen[0], remedy="another-way", changes=(a_change(1, Risk.IRREVERSIBLE),))
    return replace(
        plan, alternatives=(other,), declined=(("network.nacl", "open-nacl", "the rule is not known"), ("x.y", "", "-"))
    )


def hostile() -> Plan:
    """Every name and text in it is somebody's attempt."""
    manifest = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": HOSTILE}}
    write = write_of("kube:create persistentvolumes", name=HOSTILE, object=manifest)
    made = Change(write, HOSTILE, Ref("x", HOSTILE), residue=HOSTILE)
    changes = (rule(group=HOSTILE), attachment(HOSTILE), label(HOSTILE), made, release(HOSTILE))
    plan = plan_with(*changes, place=replace(PLACE, context=HOSTILE), target=Subject("Pod", HOSTILE, HOSTILE))
    return replace(plan, declined=((HOSTILE, HOSTILE, HOSTILE),))


def text_of(plan: Plan, width: int = 100) -> str:
    return painted(plan_lines(plan_as_json(plan), width), Look(width, False, False, False))


def test_the_text_of_a_plan_is_as_it_was_read_in_review(golden: Any) -> None:
    golden("plan.txt", text_of(whole()))


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_a_plan_are_as_they_were_read_in_review(golden: Any, form: str) -> None:
    golden(f"plan.{form}", exported(whole(), form))


def test_nothing_to_change_is_said() -> None:
    assert "NOTHING TO CHANGE" in text_of(replace(whole(), chosen=()))


@pytest.mark.parametrize("width", [50, 80, 200])
def test_commands_are_never_broken(width: int) -> None:
    plan = whole()
    shown = text_of(plan, width).splitlines()
    for option in plan_as_json(plan)["chosen"]:
        for change in option["changes"]:
            assert any(line.endswith(change["command"]) for line in shown)


def test_hostile_names_are_inert_in_the_text() -> None:
    text = text_of(hostile())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", text)
    assert not re.search(r"^; touch", text, re.MULTILINE)


@pytest.mark.parametrize("plan", [whole(), hostile()], ids=["whole", "hostile"])
def test_the_shell_accepts_the_commands(plan: Plan) -> None:
    script = exported(plan, "commands")
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert not re.search(r"^; touch", script, re.MULTILINE)
    assert script.startswith(f"#!/bin/sh\nset -eu\n# plan {plan.digest}\n")


@pytest.mark.parametrize("plan", [whole(), hostile()], ids=["whole", "hostile"])
def test_the_yaml_is_the_manifests_and_nothing_else(plan: Plan) -> None:
    found = [document for document in yaml.safe_load_all(exported(plan, "yaml")) if document]
    assert found == [c.write.parameters["object"] for c in plan.changes if "object" in c.write.parameters]


@pytest.mark.parametrize("plan", [whole(), hostile()], ids=["whole", "hostile"])
def test_the_terraform_is_stable_and_evaluates_nothing(plan: Plan) -> None:
    text = exported(plan, "terraform")
    assert text == exported(plan, "terraform")
    for line in text.splitlines():
        if not line.startswith("#"):
            assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", line)
            assert re.fullmatch(
                r'|resource "\w+" "\w+" \{|\}|  \w+ += ("(?:[^"\\]|\\.)*"|\d+|true|false|\[.*\])', line
            ), line


def test_a_release_whose_values_are_looked_up_stands_as_a_comment() -> None:
    found = Lookup(read_of("kube:get namespaces", name="kube-system"), "metadata.uid")
    write = release().write
    change = replace(release(), write=write_of("helm:upgrade", **{**write.parameters, "values": {"a": found}}))
    text = exported(plan_with(change), "terraform")
    assert 'resource "' not in text
    assert "helm upgrade prometheus" in text


@pytest.mark.parametrize(
    "change",
    [
        rule(UserIdGroupPairs=[], IpRanges=[{"CidrIp": "10.0.0.0/8"}]),
        rule(UserIdGroupPairs=[{"GroupId": "sg-2"}, {"GroupId": "sg-3"}]),
        rule(Ipv6Ranges=[{"CidrIpv6": "::/0"}]),
    ],
)
def test_a_rule_that_one_resource_cannot_say_stands_as_a_comment(change: Change) -> None:
    text = exported(plan_with(change), "terraform")
    assert 'resource "' not in text
    assert "aws ec2 authorize-security-group-ingress" in text
