"""`--probe`: agreed to, made, read, and always taken away, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import consents
import pytest
from conftest import FIXTURES, ROOT, Situation, run_efsdiag
from kubeapi import KubeApi
from kubelet import Kubelet
from test_listing import AS_ROOT, directory

STORY = Situation(FIXTURES / "story-parent-dir")
POD = STORY.target.name
IMAGE = "quay.io/prometheus/prometheus:v2.42.0"


@dataclass
class Lab:
    """The story's cluster, nobody signed in to AWS, and a kubelet."""

    api: KubeApi
    kubelet: Kubelet
    folder: Path
    volume: Path

    @property
    def command(self) -> list[str]:
        return ["why", f"pod/{POD}", "--kubeconfig", str(self.api.kubeconfig(self.folder)), "--probe"]

    def digest(self) -> str:
        code, _, err = run_efsdiag(self.command)
        assert code == 6, err
        return err.rpartition("--approve ")[2].split()[0]

    def jobs(self) -> list[dict[str, Any]]:
        return self.api.objects("jobs.batch")

    def journals(self) -> list[list[dict[str, Any]]]:
        files = sorted((self.folder / "journal").glob("*.jsonl"))
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    for name in list(os.environ):
        if name.startswith(("AWS_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EFSDIAG_JOURNAL", str(tmp_path / "journal"))
    with tempfile.TemporaryDirectory(prefix="efsdiag-volume-") as made:
        volume = directory(Path(made), 0o755)
        directory(volume / "prometheus" / "server", 0o755, 1000)
        directory(volume / "prometheus", 0o700)
        with KubeApi.from_bundle(STORY.path) as api, Kubelet(api, {"prometheus-server": volume}) as kubelet:
            yield Lab(api, kubelet, tmp_path, volume)


pytestmark = AS_ROOT


def test_a_probe_shows_its_plan_and_makes_nothing_without_a_yes(lab: Lab) -> None:
    code, out, err = run_efsdiag(lab.command)
    assert (code, out) == (6, "")
    assert "look-inside-the-volume" in err
    assert "kubectl -n default create -f -" in err
    assert lab.api.mutations == []
    assert lab.journals() == []


@pytest.mark.parametrize("approval", ["0" * 64, "yes"])
def test_a_yes_to_something_else_makes_nothing(lab: Lab, approval: str) -> None:
    code, _, err = run_efsdiag([*lab.command, "--approve", approval])
    assert (code, "consent-missing" in err) == (6, True)
    assert lab.api.mutations == []


def test_a_probe_proves_the_parent_and_is_gone_at_the_end(lab: Lab) -> None:
    code, out, err = run_efsdiag([*lab.command, "--approve", lab.digest(), "-o", "json"])
    assert code == 1, err
    report = json.loads(out)
    assert [(c["id"], c["confidence"]) for c in report["rootCauses"]] == [
        ("permission.parent-not-searchable", "confirmed")
    ]
    assert report["changed"]
    assert lab.jobs() == []
    assert lab.api.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None
    ((*_, last),) = lab.journals()
    assert last["outcome"] == "probed"
    written = [f"{r.verb} {r.resource}" for r in lab.api.mutations if "leases" not in r.resource]
    assert written == ["create jobs.batch", "create jobs.batch", "delete jobs.batch"]  # the first one is a dry run


def test_what_a_probe_saw_is_in_the_recorded_bundle(lab: Lab, tmp_path: Path) -> None:
    bundle = tmp_path / "recorded"
    digest = lab.digest()
    _, out, err = run_efsdiag([*lab.command, "--approve", digest, "-o", "json", "--record", str(bundle)])
    assert (bundle / "volumes" / "prometheus-server.json").exists(), err
    _, again, _ = run_efsdiag(["why", f"pod/{POD}", "-n", "default", "--bundle", str(bundle), "-o", "json"])
    assert json.loads(again)["rootCauses"] == json.loads(out)["rootCauses"]


def test_an_image_without_a_shell_leaves_it_unknown_and_says_what_to_do(lab: Lab) -> None:
    digest = lab.digest()
    lab.kubelet._without_shell = IMAGE
    code, out, err = run_efsdiag([*lab.command, "--approve", digest, "-o", "json"])
    assert "--probe-image names another image" in err
    assert "permission.parent-not-searchable" not in {
        c["id"] for c in json.loads(out)["rootCauses"] if c["confidence"] == "confirmed"
    }
    assert code in (1, 3)
    assert lab.jobs() == []


def test_a_probe_that_does_not_end_is_taken_away_when_its_time_is_over(lab: Lab) -> None:
    digest = lab.digest()
    lab.kubelet.paused.set()
    code, _, err = run_efsdiag([*lab.command, "--approve", digest, "--probe-timeout", "1s"])
    assert "did not end within 1 s" in err
    assert code in (1, 3)
    assert lab.jobs() == []


def test_a_refused_job_changes_nothing_and_names_the_right(lab: Lab) -> None:
    digest = lab.digest()
    lab.api.forbid("create", "jobs.batch")
    code, _, err = run_efsdiag([*lab.command, "--approve", digest])
    assert code == 5, err
    assert "create jobs" in err
    assert lab.jobs() == []


def test_a_deletion_that_is_refused_is_told_with_what_takes_the_job_away(lab: Lab) -> None:
    digest = lab.digest()
    lab.api.forbid("delete", "jobs.batch")
    code, _, err = run_efsdiag([*lab.command, "--approve", digest])
    assert code == 1
    assert "efsdiag undo" in err
    assert len(lab.jobs()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_probe_runs_takes_it_away_before_the_end(lab: Lab, number: int) -> None:
    digest = lab.digest()
    lab.kubelet.paused.set()
    command = [sys.executable, "-m", "efsdiag", *lab.command, "--approve", digest, "-o", "json"]
    consents.agree_on(command[3:], lab.folder / "journal")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not lab.jobs() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    assert lab.jobs(), process.communicate()
    time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert json.loads(out)["error"]["reference"] == "interrupted"
    assert lab.jobs() == []
    assert lab.api.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None


def test_a_probe_that_was_killed_is_taken_away_by_undo(lab: Lab) -> None:
    digest = lab.digest()
    lab.kubelet.paused.set()
    command = [sys.executable, "-m", "efsdiag", *lab.command, "--approve", digest]
    consents.agree_on(command[3:], lab.folder / "journal")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not lab.jobs() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.5)
    process.kill()
    process.wait(30)
    assert len(lab.jobs()) == 1
    code, _, err = run_efsdiag(["undo", "--approve", digest, "--kubeconfig", str(lab.api.kubeconfig(lab.folder))])
    assert code == 0, err
    assert lab.jobs() == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["why", "pod/x", "--probe", "--bundle", str(STORY.path)], "--probe is for a live system"),
        (["plan", "pod/x", "--probe", "--bundle", str(STORY.path)], "--probe is for a live system"),
        (["why", "pod/x", "--probe-image", "busybox"], "--probe-image goes with --fix or --probe"),
        (["why", "pod/x", "--approve", "0"], "--approve goes with --fix or --probe"),
    ],
)
def test_a_probe_that_cannot_be_is_a_usage_error(command: list[str], says: str) -> None:
    code, _, err = run_efsdiag(command)
    assert code == 2
    assert says in err
