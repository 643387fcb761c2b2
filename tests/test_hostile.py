"""Hostile text is inert in every format: it is shown, and does nothing."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import run_efsdiag
from hostile import MARK, TEXTS, bundle, every_text, invisible, planted, strings, target
from plans import PLACE, plan_with
from reports import BLIND, SICK, health, report, verdicts
from tickets import faults_of

from efsdiag.changes import Change, Plan
from efsdiag.cli.faults import Fault, text_of
from efsdiag.model import Ref, Subject
from efsdiag.report.data import Usage
from efsdiag.report.export import exported
from efsdiag.report.forms import HEALTH_FORMS, health_text
from efsdiag.report.machine import as_json, as_yaml
from efsdiag.report.markdown import markdown
from efsdiag.report.plan_text import plan_lines
from efsdiag.report.terminal import MOST_LINES, Look, painted, render, with_rendered
from efsdiag.treat.journal import Step, begin
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.writes import MANAGED, write_of

STATES = {"diagnosed": SICK, "inconclusive": BLIND, "healthy": verdicts()}
every_state = pytest.mark.parametrize("state", STATES)
COUNTS = {"prometheus"}
"""Forms that hold numbers and ids alone."""
ALL = " ".join(text for name, text in TEXTS.items() if name != "long")


def reported(state: str, text: str) -> Any:
    return planted(report(STATES[state], note="a note", usage=Usage(12)), text)


# --- the formats of a report -------------------------------------------------------------------------------------


@every_text
@every_state
@pytest.mark.parametrize("verbose", [False, True])
def test_a_terminal_shows_it_and_does_nothing(state: str, text: str, verbose: bool) -> None:
    printed = render(reported(state, text), Look(verbose=verbose))
    assert MARK in printed
    assert invisible(printed) == []
    # A line break in it makes no line of its own, so nobody is told that all is well.
    assert state == "healthy" or not re.search(r"^\s*✓ healthy", printed, re.MULTILINE)
    assert verbose or len(printed.splitlines()) <= MOST_LINES


@every_text
def test_colours_are_the_reports_own(text: str) -> None:
    printed = render(reported("diagnosed", text), Look(colour=True))
    assert invisible(re.sub(r"\x1b\[[0-9;]*m", "", printed)) == []
    assert set(re.findall(r"\x1b\[[0-9;]*m", printed)) <= {
        "\x1b[0m",
        "\x1b[1m",
        "\x1b[2m",
        "\x1b[32m",
        "\x1b[33m",
        "\x1b[36m",
        "\x1b[1;31m",
    }


@every_text
def test_an_ascii_terminal_gets_ascii(text: str) -> None:
    printed = render(reported("diagnosed", text), Look(ascii=True))
    assert printed.isascii()
    assert invisible(printed) == []


@every_text
@every_state
@pytest.mark.parametrize(("write", "read"), [(as_json, json.loads), (as_yaml, yaml.safe_load)], ids=["json", "yaml"])
def test_json_and_yaml_keep_it_and_show_nothing_invisible(state: str, text: str, write: Any, read: Any) -> None:
    document = with_rendered(reported(state, text))
    printed = write(document)
    assert read(printed) == document
    assert invisible(printed) == []
    assert invisible(document["rendered"]) == []
    assert text in set(strings(read(printed)))


@every_text
@every_state
def test_a_ticket_has_it_as_text_alone(state: str, text: str) -> None:
    printed = markdown(reported(state, text))
    assert faults_of(printed) == []
    assert MARK in printed


@every_text
@pytest.mark.parametrize("form", ["terminal", "json", "yaml", "markdown"])
def test_an_error_tells_it_on_lines_of_its_own(form: str, text: str) -> None:
    printed = text_of(Fault("target-not-found", f"there is no pod {text}", text), form)
    assert MARK in printed
    assert invisible(printed) == []
    if form in ("terminal", "markdown"):
        assert [own[:2] for own in printed.splitlines()] == ["ta", "  "]


@every_text
@pytest.mark.parametrize("form", HEALTH_FORMS)
def test_a_health_report_is_inert_in_every_form(form: str, text: str) -> None:
    printed = health_text(form, planted(health(causes=2), text), Look())
    assert MARK in printed or form in COUNTS
    assert invisible(printed) == []
    assert form != "markdown" or faults_of(printed) == []


# --- plans and journals ------------------------------------------------------------------------------------------


def hostile_plan(text: str) -> Plan:
    """A patch, a creation and a call of AWS, all with the text in the place of every name."""
    pv = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": text, "labels": MANAGED}}
    both = [{"op": "test", "path": "/metadata/labels/x", "value": text}]
    both += [{"op": "replace", "path": "/metadata/labels/x", "value": text}]
    writes = (
        write_of("kube:create persistentvolumes", name=text, object=pv),
        write_of("kube:patch persistentvolumes", name=text, patch=both),
        write_of("iam:AttachRolePolicy", RoleName=text, PolicyArn=text),
        write_of("efs:CreateMountTarget", FileSystemId=text, SubnetId=text, SecurityGroups=[text]),
    )
    undo = write_of("iam:DetachRolePolicy", RoleName=text, PolicyArn=text)
    changes = [Change(w, f"change {text}", Ref("PersistentVolume", text), undo=undo, residue=text) for w in writes]
    plan = plan_with(*changes, place=replace(PLACE, context=text), target=Subject("pod", text, text))
    return replace(plan, declined=(("network.nacl", "open-nacl", text),))


@every_text
def test_a_plan_shows_it_on_lines_of_its_own(text: str) -> None:
    printed = painted(plan_lines(plan_as_json(hostile_plan(text)), 100), Look())
    assert MARK in printed
    assert invisible(printed) == []
    assert all(re.match(r"PLAN |  |1 of 1|NOT PROPOSED|$", own) for own in printed.splitlines())


@every_text
def test_a_plan_in_a_file_is_the_same_plan(text: str) -> None:
    document = plan_as_json(hostile_plan(text))
    printed = as_json(document)
    assert json.loads(printed) == json.loads(json.dumps(document))
    assert invisible(printed) == []


@every_text
@pytest.mark.parametrize("form", ["commands", "yaml", "terraform"])
def test_what_a_plan_is_emitted_as_shows_nothing_invisible(form: str, text: str) -> None:
    printed = exported(hostile_plan(text), form)
    assert MARK in printed
    assert invisible(printed) == []


@every_text
def test_emitted_manifests_give_back_the_name(text: str) -> None:
    (manifest,) = yaml.safe_load_all(exported(hostile_plan(text), "yaml"))
    assert manifest["metadata"]["name"] == text


def test_emitted_commands_run_nothing_but_themselves(tmp_path: Path) -> None:
    """In a real shell, in which kubectl and aws are functions: nothing is written, and nothing else is run."""
    scripts = [exported(hostile_plan(text), "commands") for name, text in TEXTS.items() if name != "surrogate"]
    before = "kubectl() { cat >/dev/null; }\naws() { :; }\nPATH=/nowhere\ncat() { while read -r _; do :; done; }\n"
    done = subprocess.run(
        ["/bin/sh"], input=before + "".join(scripts), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@every_text
def test_the_list_of_journals_shows_it_on_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFSDIAG_JOURNAL", str(tmp_path))
    now = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
    journal = begin(tmp_path, hostile_plan(text), now)
    journal.tell(0, Step.FAILED, now, text)
    code, listed, _ = run_efsdiag(["journal"])
    _, steps, _ = run_efsdiag(["journal", journal.id])
    assert code == 0
    assert len(listed.splitlines()) == 1
    assert len(steps.splitlines()) == 1 + 1 + len(journal.plan.changes)
    for printed in (listed, steps):
        assert MARK in printed
        assert invisible(printed) == []


# --- from evidence to the report, by the command -----------------------------------------------------------------


def asked(folder: Path, *options: str) -> tuple[int, str, str]:
    namespace, _, name = target()
    workload = "deploy/" + name.rsplit("-", 2)[0]
    return run_efsdiag([options[0], workload, "-n", namespace, "--bundle", str(folder), *options[1:]])


@every_text
def test_hostile_evidence_changes_no_answer_and_arrives_as_text(text: str, tmp_path: Path) -> None:
    code, out, err = asked(bundle(tmp_path, text), "why", "-o", "json")
    found = json.loads(out)
    assert (code, err) == (1, "")
    assert [cause["id"] for cause in found["rootCauses"]] == ["network.mount-target-sg-ingress"]
    assert any(MARK in own for own in strings(found))
    assert invisible(out) == []


@pytest.mark.parametrize("form", ["terminal", "yaml", "markdown"])
def test_all_of_it_at_once_is_inert_in_what_why_prints(form: str, tmp_path: Path) -> None:
    code, out, _ = asked(bundle(tmp_path, ALL), "why", "-o", form)
    assert code == 1
    assert MARK in out
    assert invisible(out) == []
    assert form != "markdown" or faults_of(out) == []


@pytest.mark.parametrize("form", HEALTH_FORMS)
def test_all_of_it_at_once_is_inert_in_what_check_prints(form: str, tmp_path: Path) -> None:
    code, out, _ = run_efsdiag(["check", "--bundle", str(bundle(tmp_path, ALL)), "-o", form])
    assert code == 1
    assert MARK in out or form in COUNTS
    assert invisible(out) == []
    assert form != "markdown" or faults_of(out) == []


@pytest.mark.parametrize("emit", ["text", "json", "commands", "yaml", "terraform"])
def test_all_of_it_at_once_is_inert_in_what_plan_prints(emit: str, tmp_path: Path) -> None:
    code, out, _ = asked(bundle(tmp_path, ALL), "plan", "--emit", emit)
    assert code == 0
    assert out
    assert invisible(out) == []


@every_text
@pytest.mark.parametrize("command", ["why", "explain", "graph", "schema"])
def test_an_argument_is_told_as_text(command: str, text: str) -> None:
    code, out, err = run_efsdiag([command, *(["--bundle", "x"] if command == "why" else []), "--", text])
    assert (code, out) in ((2, ""), (4, ""))
    assert invisible(err) == []
    assert len(err.splitlines()) <= 2
