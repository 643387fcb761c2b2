"""The field story on a real file system: a real Prometheus behind a directory that it may not search.

The cluster and the account are test servers, Jobs run as local processes; owners, modes, Prometheus, and the scripts of
the Jobs are real. Root alone can give directories to other users, so elsewhere the story is not told.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from conftest import run_efsdiag
from kubelet import Kubelet
from lab import Lab, lab_of
from test_prometheus_really import PROMETHEUS, USER, directory, printed_by, ready, started

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(not Path(PROMETHEUS).exists(), reason=f"{PROMETHEUS} is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to other users"),
    pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (Debian's package util-linux) is not installed"),
]

CLAIM = "prometheus-server"
PARENT = "permission.parent-not-searchable"
CONTAINER = "prometheus-server"


@dataclass
class Story:
    """The lab, and the directory that stands for the file system, which the pod mounts at /efs."""

    lab: Lab
    root: Path
    kubelet: Kubelet

    @property
    def data(self) -> Path:
        return self.root / "prometheus" / "server"

    def run(self, *arguments: str) -> CompletedProcess[str]:
        """The command on the lab's cluster and account, in this process; nobody is at a terminal."""
        command = [*arguments, "--kubeconfig", str(self.lab.kube.kubeconfig(self.lab.folder))]
        return CompletedProcess(command, *run_efsdiag(command))

    def pod(self) -> dict[str, Any]:
        found = self.lab.kube.object("pods", self.lab.expect["target"].rpartition("/")[2], "default")
        assert found is not None
        return found

    def crashed(self, log: Path) -> None:
        """Prometheus runs into its refusal, and the pod's log says so."""
        printed = printed_by(self.root, self.data, log).replace(str(self.root), "/efs")
        name = self.pod()["metadata"]["name"]
        self.lab.kube.add_log("default", name, CONTAINER, printed)
        self.lab.kube.add_log("default", name, CONTAINER, printed, previous=True)

    def came_up(self, printed: str) -> None:
        """The pod as it is once Prometheus is ready."""
        pod = self.pod()
        for status in pod["status"]["containerStatuses"]:
            if status["name"] == CONTAINER:
                status |= {"ready": True, "started": True, "state": {"running": {"startedAt": "2026-09-25T02:01:00Z"}}}
        for condition in pod["status"]["conditions"]:
            condition["status"] = "True"
        self.lab.kube.add(pod)
        self.lab.kube.add_log("default", pod["metadata"]["name"], CONTAINER, printed.replace(str(self.root), "/efs"))

    def jobs(self) -> list[str]:
        """The Jobs of efsdiag that are there now."""
        return [j["metadata"]["name"] for j in self.lab.kube.objects("jobs.batch")]

    def states(self) -> dict[str, tuple[int, int, str]]:
        """Owners and modes of everything in the volume."""
        found = {p: p.lstat() for p in [self.root, *sorted(self.root.rglob("*"))]}
        return {str(p): (s.st_uid, s.st_gid, f"{stat.S_IMODE(s.st_mode):04o}") for p, s in found.items()}

    def probe_digest(self, *command: str) -> str:
        """The digest of the probe that the command would make, which it says where nobody is asked."""
        done = self.run(*command)
        assert done.returncode == 6, done.stdout + done.stderr
        return done.stderr.rpartition("--approve ")[2].split()[0]


@pytest.fixture
def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    root = Path(tempfile.mkdtemp(prefix="efsdiag-story-"))
    root.chmod(0o755)
    (root / "prometheus.yml").write_text("global: {}\n")
    directory(root / "prometheus" / "server", 0o755, USER)
    directory(root / "prometheus", 0o700, 0)
    with lab_of("story-parent-dir", tmp_path) as lab, Kubelet(lab.kube, {CLAIM: root}) as kubelet:
        for name in [name for name in os.environ if name.startswith(("AWS_", "KUBECONFIG"))]:
            monkeypatch.delenv(name)
        for name, value in {**lab.aws.environment, "EFSDIAG_JOURNAL": str(tmp_path / "journal")}.items():
            monkeypatch.setenv(name, value)
        told = Story(lab, root, kubelet)
        told.crashed(tmp_path / "log")
        yield told
    shutil.rmtree(root)


def causes(printed: str) -> dict[str, str]:
    return {c["id"]: c["confidence"] for c in json.loads(printed)["rootCauses"]}


def test_the_story_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story: Story, tmp_path: Path) -> None:
    lab, before = story.lab, story.states()

    # Without a look inside, the log makes it likely at most, and there is no remedy for what is likely.
    first = story.run("why", *lab.target, "-o", "json")
    assert causes(first.stdout).get(PARENT) != "confirmed"

    # Nobody is asked, nobody said yes: nothing is made.
    lab.kube.requests.clear()
    digest = story.probe_digest("why", *lab.target, "--probe")
    assert lab.kube.mutations == []

    seen = story.run("why", *lab.target, "--probe", "--approve", digest, "-o", "json")
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert causes(seen.stdout) == {PARENT: "confirmed"}
    assert story.jobs() == []
    assert story.states() == before

    file = tmp_path / "plan.json"
    made = story.run("plan", *lab.target, "--probe", "--approve", digest, "-o", str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    plan = json.loads(file.read_text())
    assert [o["remedy"] for o in plan["chosen"]] == ["let-process-through"]
    assert story.jobs() == []
    assert story.states() == before

    done = story.run("apply", str(file), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worked: parents-searchable" in done.stdout
    parent = str(story.root / "prometheus")
    assert story.states() == {**before, parent: (0, 0, "0701")}

    with started(story.root, story.data, tmp_path / "second") as process:
        story.came_up(ready(process, tmp_path / "second"))
        well = story.run("why", *lab.target, "-o", "json")
        assert (well.returncode, json.loads(well.stdout)["status"]) == (0, "healthy"), well.stdout
    shutil.rmtree(story.data)
    directory(story.data, 0o755, USER)

    back = story.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert story.states() == before


def planned(story: Story, file: Path) -> dict[str, Any]:
    """The plan after a probe that was agreed to, in the file."""
    digest = story.probe_digest("plan", *story.lab.target, "--probe")
    made = story.run("plan", *story.lab.target, "--probe", "--approve", digest, "-o", str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    return dict(json.loads(file.read_text()))


def leaf_of_root(story: Story) -> str:
    directory(story.data, 0o755, 0)
    return "give-data-directory"


def file_of_root(story: Story) -> str:
    (story.data / "queries.active").write_text("[]")
    (story.data / "queries.active").chmod(0o600)
    return "give-named-files"


@pytest.mark.parametrize("situation", [leaf_of_root, file_of_root])
def test_each_remedy_mends_what_keeps_a_real_prometheus_out_and_its_undo_takes_it_back(
    story: Story, situation: Any, tmp_path: Path
) -> None:
    directory(story.root / "prometheus", 0o755, 0)
    remedy = situation(story)
    story.crashed(tmp_path / "again")
    before = story.states()
    plan = planned(story, tmp_path / "plan.json")
    assert [o["remedy"] for o in plan["chosen"]] == [remedy]
    done = story.run("apply", str(tmp_path / "plan.json"), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worked: data-owned" in done.stdout
    mended = story.states()
    assert {path for path in before if before[path] != mended[path]} == {
        str(story.data / "queries.active") if remedy == "give-named-files" else str(story.data)
    }
    back = story.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert story.states() == before
    story.crashed(tmp_path / "and again")


def test_what_changed_since_the_plan_is_left_as_it_is(story: Story, tmp_path: Path) -> None:
    plan = planned(story, tmp_path / "plan.json")
    parent = story.root / "prometheus"
    apply = ("apply", str(tmp_path / "plan.json"), "--approve", plan["digest"])

    # The probe with which `apply` begins sees it.
    parent.chmod(0o740)
    before = story.states()
    done = story.run(*apply)
    assert (done.returncode, "plan-stale" in done.stderr) == (6, True), done.stdout + done.stderr
    assert story.states() == before
    assert story.jobs() == []

    # After that probe, the Job that mends sees it.
    parent.chmod(0o700)
    story.kubelet.before = lambda job: parent.chmod(0o750) if "-mend-" in job["metadata"]["name"] else None
    done = story.run(*apply)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "/prometheus is 0:0:0750; it had to be 0:0:0700" in done.stdout
    assert story.states()[str(parent)] == (0, 0, "0750")
