"""The command line: what is printed where, and the exit codes."""

import io
import json
import shutil
import sys
import tarfile
import unicodedata

import click
import pytest
import yaml
from conftest import FIXTURES, Situation, run_efsdiag

from efsdiag.cli.options import seconds
from efsdiag.cli.output import NotWritten, asked_format, width
from efsdiag.subjects import kind_of

HEALTHY, SICK = Situation(FIXTURES / "healthy-noisy"), Situation(FIXTURES / "recorded-parent-dir")
FORMS = ["terminal", "json", "yaml"]


def empty_bundle(folder):
    """A bundle that says when it was made, and nothing about any cluster."""
    place = folder / "empty"
    place.mkdir()
    manifest = {"apiVersion": "efsdiag/v1", "kind": "EvidenceBundle", "capturedAt": "2026-11-21T06:30:00Z"}
    (place / "bundle.json").write_text(json.dumps(manifest))
    return place


def hostile_bundle(folder):
    """An archive with a member that would be written beside it."""
    place = folder / "hostile.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("../../etc/cron.d/x"), io.BytesIO())
    return place


CASES = {
    "healthy": (0, lambda _: HEALTHY.asked()),
    "a cause": (1, lambda _: SICK.asked()),
    "no such option": (2, lambda _: ["why", "pod/x", "--no-such-option"]),
    "no target": (2, lambda _: ["why"]),
    "no command": (2, lambda _: []),
    "no such command": (2, lambda _: ["wy"]),
    "no such kind": (2, lambda _: ["why", "ingress/x", "--bundle", str(SICK.path)]),
    "no such pod": (2, lambda _: ["why", "pod/x", "-n", "infra-metrics", "--bundle", str(SICK.path)]),
    "not a target": (2, lambda _: ["why", "pod/x/y", "--bundle", str(SICK.path)]),
    "a live option with a bundle": (2, lambda _: SICK.asked("--context", "lab")),
    "a group without a user": (2, lambda _: ["why", "pod/x", "--as-group", "g"]),
    "no such rules": (2, lambda folder: SICK.asked("--rules", str(folder / "nowhere"))),
    "nothing to look at": (3, lambda folder: ["why", "pod/x", "--bundle", str(empty_bundle(folder))]),
    "no bundle": (4, lambda folder: ["why", "pod/x", "--bundle", str(folder / "nowhere")]),
    "a hostile bundle": (4, lambda folder: ["why", "pod/x", "--bundle", str(hostile_bundle(folder))]),
    "no kubeconfig": (4, lambda folder: ["why", "pod/x", "--kubeconfig", str(folder / "nowhere")]),
}


def without_repeats(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names))
    return dict(pairs)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", CASES)
def test_the_exit_code_is_the_same_in_every_format(case, form, tmp_path):
    code, make = CASES[case]
    assert run_efsdiag([*make(tmp_path), "-o", form])[0] == code


@pytest.mark.parametrize("case", CASES)
def test_json_is_one_document_with_nothing_beside_it(case, tmp_path):
    code, make = CASES[case]
    arguments = make(tmp_path)
    _, out, err = run_efsdiag([*arguments, "-o", "json"])
    document = json.loads(out, object_pairs_hook=without_repeats)
    assert document["apiVersion"] == "efsdiag/v1"
    assert document["exitCode"] == code
    assert err == ""


@pytest.mark.parametrize("case", CASES)
def test_yaml_says_the_same_as_json(case, tmp_path):
    arguments = CASES[case][1](tmp_path)
    as_yaml, as_json = run_efsdiag([*arguments, "-o", "yaml"])[1], run_efsdiag([*arguments, "-o", "json"])[1]
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


@pytest.mark.parametrize("case", [c for c, (code, _) in CASES.items() if code in (2, 4) and c != "no command"])
def test_an_error_says_what_it_is_and_what_to_do(case, tmp_path):
    arguments = CASES[case][1](tmp_path)
    _, out, err = run_efsdiag(arguments)
    document = json.loads(run_efsdiag([*arguments, "-o", "json"])[1])
    assert out == ""
    assert (document["kind"], document["status"]) == ("Error", "error")
    assert set(document["error"]) == {"reference", "message", "hint"}
    assert all(document["error"].values())
    assert err.startswith(f"{document['error']['reference']}: ")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["wy"], "did you mean why?"),
        (["why", "depoyment/x", "--bundle", str(SICK.path)], "did you mean deployment?"),
        (["why", "prometheus-servr", "-n", "infra-metrics", "--bundle", str(SICK.path)], "prometheus-server"),
        (["explain", "parent-not-searchable"], "permission.parent-not-searchable"),
        (["explain", "iam.role-without-polcy"], "iam.role-without-policy"),
        (["explain", "zzzz"], "explain --list"),
        (["graph", "volume-mountd"], "volume-mounted"),
    ],
)
def test_a_misspelling_is_answered_with_what_was_probably_meant(arguments, hint):
    code, out, err = run_efsdiag(arguments)
    assert (code, out) == (2, "")
    assert hint in err


@pytest.mark.parametrize(
    "words",
    [
        ["deployment/prometheus-server"],
        ["deploy", "prometheus-server"],
        ["prometheus-server"],
        ["po/prometheus-server-86c8cf999d-5rcjv"],
    ],
)
def test_a_target_can_be_typed_as_in_kubectl(words):
    out = run_efsdiag(["why", *words, "-n", "infra-metrics", "--bundle", str(SICK.path), "-o", "json"])[1]
    report = json.loads(out)
    assert report["target"]["name"] == "prometheus-server-86c8cf999d-5rcjv"
    assert report["rootCauses"][0]["id"] == "permission.parent-not-searchable"


def test_a_claim_is_looked_at_through_the_pod_that_mounts_it():
    claim = json.loads((SICK.path / "cluster-resources/pvcs/infra-metrics.json").read_text())["items"][0]
    name = claim["metadata"]["name"]
    out = run_efsdiag(["why", f"pvc/{name}", "-n", "infra-metrics", "--bundle", str(SICK.path), "-o", "json"])[1]
    report = json.loads(out)
    assert report["asked"] == {"kind": "PersistentVolumeClaim", "namespace": "infra-metrics", "name": name}
    assert report["target"]["kind"] == "Pod"
    assert report["note"].startswith("persistentvolumeclaim/")


def test_in_a_bundle_the_namespace_is_default_unless_it_is_named():
    story = Situation(FIXTURES / "story-parent-dir")
    assert run_efsdiag(["why", f"pod/{story.target.name}", "--bundle", str(story.path)])[0] == 1
    report = json.loads(run_efsdiag(["why", "deploy/prometheus-server", "--bundle", str(SICK.path), "-o", "json"])[1])
    assert report["asked"]["namespace"] == "default"


def test_a_bundle_is_looked_at_as_of_when_it_was_captured():
    report = SICK.report()
    assert report["now"] == json.loads((SICK.path / "bundle.json").read_text())["capturedAt"]
    assert report["usage"]["durationMs"] is None
    assert report["environment"]["source"] == "bundle"


def test_commands_name_the_container_and_the_node_of_the_pod():
    commands = "\n".join(SICK.report()["rootCauses"][0]["byHand"])
    assert "-c prometheus-server" in commands
    assert "<namespace>" not in commands
    assert "<pod>" not in commands


def rewritten(folder, old, new):
    """A copy of the sick bundle with one text in all of its JSON replaced by another."""
    place = folder / "copy"
    shutil.copytree(SICK.path, place)
    for file in place.rglob("*.json"):
        file.write_text(file.read_text().replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))
    return place


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [[], ["-v"], ["--ascii"]])
def test_hostile_names_in_a_bundle_are_inert(form, options, tmp_path):
    hostile = "efs\x1b[2J\x1b]0;owned\x07\u202e\u2028\n✓ healthy\x9b31m"
    place = rewritten(tmp_path, "efs-infra-metrics", hostile)
    asked = ["why", "deploy/prometheus-server", "-n", "infra-metrics", "--bundle", str(place), "-o", form, *options]
    code, out, err = run_efsdiag(asked)
    assert code == 1
    assert [c for c in out + err if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")] == []
    assert not [own for own in out.splitlines() if own.startswith("✓ healthy")]
    if form == "json":
        assert json.loads(out)["rootCauses"][0]["object"]["name"] == hostile


def test_a_hostile_target_is_inert_in_the_error_about_it():
    _, out, err = run_efsdiag(["why", "pod/x\x1b[31m\u202e\n", "-n", "infra-metrics", "--bundle", str(SICK.path)])
    assert out == ""
    assert [c for c in err if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")] == []


def test_a_fault_of_efsdiag_has_its_own_code_and_no_traceback_unless_asked(monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("seven by zero")

    monkeypatch.setattr("efsdiag.cli.run.investigate", fail)
    code, out, err = run_efsdiag(SICK.asked())
    assert (code, out) == (70, "")
    assert err.startswith("internal-fault: efsdiag itself failed: ZeroDivisionError: seven by zero\n")
    assert "Traceback" not in err
    assert "Traceback" in run_efsdiag(SICK.asked("-v"))[2]
    document = json.loads(run_efsdiag(SICK.asked("-o", "json"))[1])
    assert (document["error"]["reference"], document["exitCode"]) == ("internal-fault", 70)


def test_a_standard_output_that_takes_no_more_is_told_on_stderr(monkeypatch):
    def fail(_):
        raise NotWritten("the report could not be written: No space left on device")

    monkeypatch.setattr("efsdiag.cli.output.write", fail)
    code, out, err = run_efsdiag(SICK.asked("-o", "json"))
    assert (code, out) == (74, "")
    assert "No space left on device" in err


def test_a_mistake_in_own_rules_is_a_usage_error_that_names_file_and_line(tmp_path):
    (tmp_path / "own.yaml").write_text("own-check:\n  claim: x\n  matters: y\n  blocks: [pod-redy]\n  modes: []\n")
    (tmp_path / "own.py").write_text("from efsdiag.model import passed\ndef own_check(): return passed('x')\n")
    code, _, err = run_efsdiag(SICK.asked("--rules", str(tmp_path)))
    assert code == 2
    assert "own.yaml:1" in err
    assert "did you mean pod-ready?" in err


def test_own_rules_are_judged_beside_the_others(tmp_path):
    (tmp_path / "own.yaml").write_text("own-check:\n  claim: x\n  matters: y\n  blocks: [pod-ready]\n  modes: []\n")
    (tmp_path / "own.py").write_text("from efsdiag.model import passed\ndef own_check(): return passed('seen')\n")
    report = json.loads(run_efsdiag(SICK.asked("--rules", str(tmp_path), "-o", "json"))[1])
    assert {"own-check": "seen"}.items() <= {c["id"]: c["says"] for c in report["checks"]}.items()
    assert "own-check: x" in run_efsdiag(["graph", "pod-ready", "--rules", str(tmp_path)])[1]


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        (["why", "x", "-o", "json"], "json"),
        (["why", "x", "-oyaml"], "yaml"),
        (["why", "x", "-vo", "json"], "json"),
        (["why", "x", "--output=json"], "json"),
        (["--output", "yaml"], "yaml"),
        (["why", "x", "-o", "xml"], "terminal"),
        (["why", "--", "-o", "json"], "terminal"),
        (["why", "-o"], "terminal"),
    ],
)
def test_the_format_of_an_error_is_the_one_among_the_arguments(arguments, form):
    assert asked_format(arguments) == form


@pytest.mark.parametrize(
    ("text", "expected"), [("30", 30), ("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1.5s", 1.5), ("1h", 3600)]
)
def test_a_timeout_is_written_as_in_kubectl(text, expected):
    assert seconds(None, None, text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1", "5x", "s", "1m junk", "nan", "١"])
def test_what_is_not_a_time_above_zero_is_refused(text):
    with pytest.raises(click.BadParameter, match="not a time above zero"):
        seconds(None, None, text)


def test_a_time_that_nobody_can_wait_for_is_a_mistake():
    assert run_efsdiag(["check", "--bundle", "/none", "--timeout", "99999999999999h"])[0] == 2


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("options", "environment", "coloured"),
    [
        ([], {"TERM": "xterm"}, True),
        ([], {"TERM": "dumb"}, False),
        ([], {"TERM": "xterm", "NO_COLOR": "1"}, False),
        ([], {"TERM": "xterm", "NO_COLOR": ""}, True),
        (["--color", "never"], {"TERM": "xterm"}, False),
        (["--color", "always"], {"TERM": "dumb", "NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_gets_colours_unless_somebody_does_not_want_them(options, environment, coloured, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr("efsdiag.cli.progress.watched", lambda: False)
    from efsdiag.cli import main

    assert main(SICK.asked(*options)) == 1
    assert ("\x1b[" in screen.getvalue()) == coloured


@pytest.mark.parametrize(("environment", "coloured"), [({}, False), ({"FORCE_COLOR": "1"}, True)])
def test_what_is_no_terminal_gets_colours_only_by_force(environment, coloured, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in run_efsdiag(SICK.asked())[1]) == coloured


@pytest.mark.parametrize(("columns", "expected"), [("72", 72), ("3", 50), ("many", 100), ("", 100), ("0", 100)])
def test_columns_says_how_wide_the_report_may_be(columns, expected, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert width() == expected


@pytest.mark.parametrize(("term", "shown"), [("xterm", True), ("dumb", False)])
def test_progress_is_on_a_terminals_stderr_alone_and_leaves_no_trace(term, shown, monkeypatch):
    from efsdiag.cli import main

    monkeypatch.setenv("TERM", term)
    out, err = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(SICK.asked("-o", "json")) == 1
    assert json.loads(out.getvalue())["kind"] == "Diagnosis"
    assert ("reading 1: kube:get deployments" in err.getvalue()) == shown
    assert err.getvalue().endswith("\r\x1b[K") == shown


def test_nothing_is_said_on_stderr_where_nobody_watches():
    assert run_efsdiag(SICK.asked())[2] == ""


def test_a_bundle_can_be_recorded_again_and_says_the_same(tmp_path):
    place = tmp_path / "again.tar.gz"
    first = json.loads(run_efsdiag(SICK.asked("-o", "json", "--record", str(place)))[1])
    again = ["why", f"{SICK.target.kind}/{SICK.target.name}", "-n", SICK.target.namespace, "--bundle", str(place)]
    second = json.loads(run_efsdiag([*again, "-o", "json"])[1])
    assert {**first, "usage": None} == {**second, "usage": None}


def test_a_recording_is_never_written_over(tmp_path):
    place = tmp_path / "here.tar.gz"
    place.write_text("mine")
    code, _, err = run_efsdiag(SICK.asked("--record", str(place)))
    assert code == 2
    assert err.startswith("bundle-exists: ")
    assert place.read_text() == "mine"


def test_a_recording_that_cannot_be_written_is_an_error(tmp_path):
    code, out, err = run_efsdiag(SICK.asked("--record", str(tmp_path / "no-such-folder" / "b.tar.gz")))
    assert (code, out) == (2, "")
    assert err.startswith("bundle-not-written: ")


def test_explain_prints_a_page_and_list_prints_all():
    code, out, _ = run_efsdiag(["explain", "permission.parent-not-searchable"])
    assert code == 0
    assert out.startswith("permission.parent-not-searchable\n")
    assert len(run_efsdiag(["explain", "--list"])[1].splitlines()) > 200


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "--list", "iam.role-without-policy"]])
def test_explain_wants_a_mode_or_the_list(arguments):
    assert run_efsdiag(arguments)[0] == 2


@pytest.mark.parametrize(
    ("form", "start"), [("text", "volume-mounted: "), ("dot", "digraph efsdiag {"), ("mermaid", "flowchart LR")]
)
def test_graph_prints_what_lies_behind_a_check(form, start):
    code, out, _ = run_efsdiag(["graph", "volume-mounted", "--format", form])
    assert code == 0
    assert out.startswith(start)
    assert "nfs-port-open" in out
    assert "pod-ready" not in out


def test_the_whole_graph_holds_every_check(rulebook):
    out = run_efsdiag(["graph", "--format", "dot"])[1]
    assert all(f'  "{id_}" [shape=' in out for id_ in rulebook.checks)


def test_as_a_plugin_of_kubectl_it_calls_itself_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-efsdiag"])
    assert run_efsdiag(["why", "--help"])[1].startswith("Usage: kubectl efsdiag why ")


def test_every_kind_that_can_be_asked_about_is_in_the_help():
    text = run_efsdiag(["why", "--help"])[1]
    assert all(kind in text for kind in ("pod", "deployment", "statefulset", "daemonset", "replicaset", "job", "pvc"))
    assert kind_of("pvc") == "persistentvolumeclaim"
