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
from typing import Any

import pytest
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
        done = self.lab.run(*command)
        assert done.returncode == 6, done.stdout + done.stderr
        return done.stderr.rpartition("--approve ")[2].split()[0]


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    root = Path(tempfile.mkdtemp(prefix="efsdiag-story-"))
    root.chmod(0o755)
    (root / "prometheus.yml").write_text("global: {}\n")
    directory(root / "prometheus" / "server", 0o755, USER)
    directory(root / "prometheus", 0o700, 0)
    with lab_of("story-parent-dir", tmp_path) as lab, Kubelet(lab.kube, {CLAIM: root}) as kubelet:
        told = Story(lab, root, kubelet)
        told.crashed(tmp_path / "log")
        yield told
    shutil.rmtree(root)


def causes(printed: str) -> dict[str, str]:
    return {c["id"]: c["confidence"] for c in json.loads(printed)["rootCauses"]}


def test_the_story_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story: Story, tmp_path: Path) -> None:
    lab, before = story.lab, story.states()

    # Without a look inside, the log makes it likely at most, and there is no remedy for what is likely.
    first = lab.run("why", *lab.target, "-o", "json")
    assert causes(first.stdout).get(PARENT) != "confirmed"

    # Nobody is asked, nobody said yes: nothing is made.
    lab.kube.requests.clear()
    digest = story.probe_digest("why", *lab.target, "--probe")
    assert lab.kube.mutations == []

    seen = lab.run("why", *lab.target, "--probe", "--approve", digest, "-o", "json")
    assert seen.returncode == 1, seen.stdout + seen.stderr
    assert causes(seen.stdout) == {PARENT: "confirmed"}
    assert story.jobs() == []
    assert story.states() == before

    file = tmp_path / "plan.json"
    made = lab.run("plan", *lab.target, "--probe", "--approve", digest, "-o", str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    plan = json.loads(file.read_text())
    assert [o["remedy"] for o in plan["chosen"]] == ["let-process-through"]
    assert story.jobs() == []
    assert story.states() == before

    done = lab.run("apply", str(file), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worked: parents-searchable" in done.stdout
    parent = str(story.root / "prometheus")
    assert story.states() == {**before, parent: (0, 0, "0701")}

    with started(story.root, story.data, tmp_path / "second") as process:
        story.came_up(ready(process, tmp_path / "second"))
        well = lab.run("why", *lab.target, "-o", "json")
        assert (well.returncode, json.loads(well.stdout)["status"]) == (0, "healthy"), well.stdout
    shutil.rmtree(story.data)
    directory(story.data, 0o755, USER)

    back = lab.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert story.states() == before
