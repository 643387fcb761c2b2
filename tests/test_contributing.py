"""CONTRIBUTING.md shows a check in a folder of one's own. Its files are taken from the page, and used as it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_efsdiag

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = [text for language, text in BLOCKS if language == "text"]
WHY = ["why", "pod/prometheus-server", "--bundle", str(ROOT / "fixtures" / "story-parent-dir")]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with my-rules/ in it, as the page writes its files; the working directory."""
    (tmp_path / "my-rules").mkdir()
    for _, text in BLOCKS:
        name = re.match(r"# (\S+\.(?:py|yaml))\n", text)
        if name:
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_has_a_rule_a_function_and_a_test_in_20_lines_each(folder):
    assert (folder / "test_retention.py").exists()
    rule, function = (folder / "my-rules" / name for name in ("retention.yaml", "retention.py"))
    own = [line for file in (rule, function) for line in file.read_text().splitlines()[1:] if line.strip()]
    imports = [line for line in own if line.startswith("from ")]
    assert len(own) - len(imports) <= 20


def test_the_command_on_the_page_uses_the_check(folder):
    (command,) = re.findall(r"^efsdiag (why .* --rules my-rules.*)$", PAGE, re.MULTILINE)
    arguments = command.replace("fixtures/", f"{ROOT}/fixtures/").split()
    code, out, err = run_efsdiag(arguments)
    assert (code, err) == (1, "")
    assert "".join(f"  {line}\n" for line in SHOWN[0].splitlines()) in out


def test_the_check_is_latent_and_changes_no_cause(folder):
    without = json.loads(run_efsdiag([*WHY, "-o", "json"])[1])
    report = json.loads(run_efsdiag([*WHY, "-o", "json", "--rules", "my-rules"])[1])
    assert report["rootCauses"] == without["rootCauses"]
    added = [item for item in report["latent"] if item["check"] == "retention-sized"]
    assert [(item["id"], item["kind"]) for item in added] == [("pv.capacity-not-enforced", "risk")]
    assert [item for item in report["latent"] if item not in added] == without["latent"]


def test_the_test_on_the_page_passes_and_fails_where_the_check_is_wrong(folder):
    def run() -> subprocess.CompletedProcess[str]:
        (folder / "pytest.ini").write_text("[pytest]\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_retention.py"]
        environment = {**os.environ, "PYTHONPATH": "my-rules"}
        return subprocess.run(
            command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60
        )

    right = run()
    assert (right.returncode, "2 passed" in right.stdout) == (0, True), right.stdout
    check = folder / "my-rules" / "retention.py"
    check.write_text(check.read_text().replace("if size:", "if not size:"))
    assert "2 failed" in run().stdout


def test_a_misspelt_rule_is_answered_as_the_page_shows(folder):
    rule = folder / "my-rules" / "retention.yaml"
    rule.write_text(rule.read_text().replace("retention-sized", "retention-seized"))
    code, out, err = run_efsdiag([*WHY, "--rules", "my-rules"])
    assert (code, out, err) == (2, "", SHOWN[1])


def test_every_path_that_the_page_names_is_there():
    named = re.findall(r"`((?:efsdiag|rules|tests|scripts|docs|fixtures)/[\w./-]*)`", PAGE)
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists()] == []
