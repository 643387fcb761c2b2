"""A secret that stands everywhere in the cluster and in the account is in nothing that efsdiag writes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from canary import (
    CANARY,
    FORMS,
    KNOWN_BY_FORM,
    LOGGED,
    PLAN_SHOWN,
    assert_sown,
    found_in,
    said,
    sown_lab,
    written_in,
)
from conftest import run_efsdiag
from lab import Lab

from efsdiag.cli import faults
from efsdiag.cli.group import COMMANDS
from efsdiag.cli.output import FORMATS
from efsdiag.cli.plan import EMITS
from efsdiag.cli.why import why
from efsdiag.redaction import MARK
from efsdiag.report.forms import HEALTH_FORMS

WHY_FORMS = next(option for option in why.params if option.name == "form").type.choices  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def no_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A pod that ends with a message in its log."""
    with sown_lab("story-parent-dir", tmp_path_factory.mktemp("story")) as lab:
        yield lab


def test_the_canary_is_served_in_every_place(story: Lab) -> None:
    assert_sown(story)
    logs = "".join(file.read_text() for file in (story.folder / "served").rglob("*.log"))
    assert all(line in logs for line in LOGGED)
    assert CANARY in story.kube.kubeconfig(story.folder).read_text()
    assert set(KNOWN_BY_FORM) < set(FORMS)


@pytest.mark.parametrize("form", WHY_FORMS)
def test_a_report_has_no_secret(story: Lab, form: str) -> None:
    code, text = said(story, "why", *story.target, "-o", form, "-v")
    assert code == 1, text
    assert MARK in text or form == "markdown", "lines of proof have secrets in them"


def test_a_short_report_has_no_secret(story: Lab) -> None:
    assert said(story, "why", *story.target)[0] == 1


@pytest.mark.parametrize("form", HEALTH_FORMS)
def test_a_health_report_has_no_secret(story: Lab, tmp_path: Path, form: str) -> None:
    files = ["--state", str(tmp_path / "state.json"), "--textfile", str(tmp_path / "x.prom")]
    code, _ = said(story, "check", "-A", "-o", form, "-v", "--lock", str(tmp_path / "lock"), *files)
    assert code == 1
    assert {name for name, _ in written_in(tmp_path)} >= {files[1], files[3]}
    assert found_in(*(data for _, data in written_in(tmp_path))) == []


@pytest.mark.parametrize("place", ["folder", "archive.tar.gz"])
def test_a_recorded_bundle_has_no_secret(story: Lab, tmp_path: Path, place: str) -> None:
    code, text = said(story, "why", *story.target, "--record", str(tmp_path / place))
    assert code == 1, text
    nothing_in(tmp_path)


@pytest.mark.parametrize("words", [["TARGET"], ["-A"], ["-A", "--pseudonyms"], ["TARGET", "--max-size", "300k"]])
def test_a_captured_bundle_has_no_secret(story: Lab, tmp_path: Path, words: list[str]) -> None:
    target = [part for word in words for part in (story.target if word == "TARGET" else (word,))]
    code, text = said(story, "capture", *target, "-v", "-o", str(tmp_path / "b.tar.gz"))
    assert code == 0, text
    nothing_in(tmp_path)


def nothing_in(folder: Path) -> None:
    """No file has the canary, and secrets were there to be taken out."""
    written = written_in(folder)
    assert [name for name, data in written if found_in(name, data)] == []
    assert [name for name, data in written if MARK.encode() in data and name.endswith(".log")]
    assert [name for name, data in written if MARK.encode() in data and "/pods/" in name and name.endswith(".json")]


@pytest.mark.parametrize("emit", EMITS)
def test_a_plan_in_which_nothing_is_proposed_has_no_secret(story: Lab, emit: str) -> None:
    code, text = said(story, "plan", *story.target, "--emit", emit)
    assert code == 1, text
    assert PLAN_SHOWN.search(text)


# --- faults ------------------------------------------------------------------------------------------------------


def kubeconfig(folder: Path, user: dict[str, Any], server: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "config").write_text(json.dumps(config, indent=1))
    return str(folder / "config")


def plugin(folder: Path, text: str, code: int) -> dict[str, Any]:
    """A sign-in plug-in with the canary in its environment, which prints a text and ends with a code."""
    script = folder / "plugin"
    script.write_text(f"#!{sys.executable}\nimport os, sys\nsys.stdout.write({text!r})\nsys.exit({code})\n")
    script.chmod(0o700)
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}
    return {"exec": {**asked, "env": [{"name": "VAULT_TOKEN", "value": CANARY}], "args": ["--password", CANARY]}}


CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": CANARY}}
USERS = {
    "token": lambda folder: {"token": CANARY},
    "password": lambda folder: {"username": "u", "password": CANARY},
    "token with a line feed": lambda folder: {"token": f"{CANARY}\nX: y"},
    "plug-in": lambda folder: plugin(folder, json.dumps(CREDENTIAL), 0),
    "plug-in that fails": lambda folder: plugin(folder, json.dumps(CREDENTIAL), 1),
    "plug-in that prints no JSON": lambda folder: plugin(folder, f"token: {CANARY}", 0),
    "plug-in that prints another thing": lambda folder: plugin(folder, json.dumps({"token": CANARY}), 0),
    "certificate that is none": lambda folder: {"client-key-data": CANARY, "client-certificate-data": CANARY},
}
SIGNED_IN = ("token", "plug-in")


@pytest.mark.parametrize("form", ["terminal", "json"])
@pytest.mark.parametrize("way", USERS)
def test_whoever_signs_in_or_fails_to_is_told_of_without_the_secret(
    story: Lab, tmp_path: Path, way: str, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, USERS[way](tmp_path), story.kube.url)
    words = ["why", "pod/x", "-v", "-o", form, "--record", str(tmp_path / "recorded"), "--kubeconfig", config]
    code, out, err = run_efsdiag(words)
    # Whoever is signed in is told that there is no such pod.
    assert code == (2 if way in SIGNED_IN else 4), out + err
    assert found_in(out, err, *capfd.readouterr()) == []


@pytest.mark.parametrize("broken", [f'token: "{CANARY}', f"users: [{{token: {CANARY}]", f"password: {CANARY}: x: y"])
def test_a_kubeconfig_that_cannot_be_read_is_told_of_without_the_secret(tmp_path: Path, broken: str) -> None:
    (tmp_path / "config").write_text(f"apiVersion: v1\nkind: Config\n{broken}\n")
    code, out, err = run_efsdiag(["why", "pod/x", "-v", "--kubeconfig", str(tmp_path / "config")])
    assert code == 4
    assert found_in(out, err) == []


@pytest.mark.parametrize("form", sorted({*FORMATS, *HEALTH_FORMS}))
def test_a_fault_that_quotes_a_secret_is_told_of_without_it(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    fault = faults.Fault("x", f"GET https://u:{CANARY}@host?token={CANARY}", f"use --password {CANARY}")
    text = faults.text_of(fault, form)
    assert found_in(text, str(fault)) == []
    assert MARK in text or "&lt;redacted&gt;" in text


def test_a_traceback_has_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(f"cannot parse password={CANARY}")
    except ValueError as error:
        fault = faults.internal_fault(error, verbose=True)
    written = capsys.readouterr()
    assert "Traceback" in written.err
    assert found_in(written.out, written.err, fault.message) == []


@pytest.mark.parametrize(("status", "times"), [(403, 2), (500, 8)])
def test_what_a_server_says_is_told_without_the_secret(story: Lab, status: int, times: int) -> None:
    """Two questions; after a server error each is asked again, three times."""
    story.kube.fail(
        r"GET .*/events", status=status, times=times, message=f"denied: token={CANARY} https://u:{CANARY}@h"
    )
    code, text = said(story, "why", *story.target, "-o", "json")
    assert code == 1, text
    assert "denied: token=<redacted> https://" in text


def test_where_results_go_is_told_without_the_password_in_its_address(story: Lab, tmp_path: Path) -> None:
    words = [
        "--state",
        str(tmp_path / "state.json"),
        "--alertmanager",
        f"http://user:{CANARY}@127.0.0.1:9/x",
    ]
    code, text = said(story, "check", "-A", "-v", "--lock", str(tmp_path / "lock"), *words)
    assert code == 74, text
    assert "alerts-not-sent: http://127.0.0.1:9/x" in text


@pytest.mark.parametrize(
    ("words", "ends", "wanted"),
    [
        (["install", "--plan"], 0, r"PLAN [0-9a-f]{12} .*\n(.*\n)*.*spread-controller"),
        (["install", "--dry-run"], 0, r"instance-profile-associated: instance i-\w+ .* has no instance profile"),
        # Helm, where it is there at all, sends no token to a server without TLS.
        (["uninstall"], 3, "could not be looked at: release prometheus of monitoring"),
    ],
    ids=["install --plan", "install --dry-run", "uninstall"],
)
def test_an_install_has_no_secret(story: Lab, words: list[str], ends: int, wanted: str) -> None:
    """Of the workload of the story, which has secrets everywhere."""
    where = ["--set", "namespace=default"] if words[0] == "install" else []
    code, text = said(story, *words, *where, "-v")
    assert code == ends, text
    assert re.search(wanted, text), text


def test_every_command_that_reads_a_cluster_is_among_these() -> None:
    """A new command has to be looked at here."""
    silent = {"explain", "graph", "probe-path", "diff"}
    looked_at = {"why", "check", "plan", "apply", "undo", "journal", "capture", "install", "uninstall"}
    assert set(COMMANDS) - silent - LATER <= looked_at


LATER = {"schema", "permissions", "completion", "man"}
"""Commands that print what efsdiag ships, and nothing of a cluster."""
