"""The field story, told on a file system: a real Prometheus behind a directory that it may not search.

The cluster and the account are test servers, and Jobs run as processes where the file system is mounted; owners, modes,
Prometheus, and the scripts of the Jobs are real.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, Protocol

import pytest
from kubelet import Kubelet, run_here
from lab import Lab, lab_of
from nfsguest import Guest
from test_prometheus_really import PROMETHEUS, USER, directory, printed_by, ready, started

CLAIM = "prometheus-server"
PARENT = "permission.parent-not-searchable"
CONTAINER = "prometheus-server"
States = dict[str, tuple[int, int, str]]
"""Path → uid, gid, and mode in four octal digits."""


class Place(Protocol):
    """Where a file system is mounted, and programs run on it. Paths are those of that machine."""

    @property
    def root(self) -> Path:
        """The directory that the pod mounts at /efs."""

    def directory(self, path: Path, mode: int, owner: int) -> None:
        """Makes it and those above it, or gives it owner and mode."""

    def file(self, path: Path, mode: int, owner: int) -> None:
        """Makes a file."""

    def remove(self, path: Path) -> None:
        """Removes it with everything in it."""

    def states(self) -> States:
        """Owners and modes of everything on the file system."""

    def run(self, command: list[str]) -> CompletedProcess[str]:
        """What came of a command, run as root."""

    def refused(self, data: Path, user: int = USER) -> str:
        """What a Prometheus prints that ends by itself, with a failure."""

    def ready(self, data: Path, user: int = USER) -> str:
        """What a Prometheus prints until it is ready; then it is ended."""


class Here:
    """A directory of this machine. Root alone can give directories to other users."""

    def __init__(self, root: Path, logs: Path) -> None:
        self.root, self._logs, self._number = root, logs, 0
        (root / "prometheus.yml").write_text("global: {}\n")

    def directory(self, path: Path, mode: int, owner: int) -> None:
        directory(path, mode, owner)

    def file(self, path: Path, mode: int, owner: int) -> None:
        path.write_text("[]")
        os.chown(path, owner, owner)
        path.chmod(mode)

    def remove(self, path: Path) -> None:
        shutil.rmtree(path)

    def states(self) -> States:
        found = {p: p.lstat() for p in [self.root, *sorted(self.root.rglob("*"))]}
        return {str(p): (s.st_uid, s.st_gid, f"{stat.S_IMODE(s.st_mode):04o}") for p, s in found.items()}

    def run(self, command: list[str]) -> CompletedProcess[str]:
        return run_here(command)

    def refused(self, data: Path, user: int = USER) -> str:
        return printed_by(self.root, data, self._log())

    def ready(self, data: Path, user: int = USER) -> str:
        log = self._log()
        with started(self.root, data, log) as process:
            return ready(process, log)

    def _log(self) -> Path:
        self._number += 1
        return self._logs / f"prometheus-{self._number}"


STARTED = """
echo 'global: {{}}' >/var/lib/prometheus.yml
: >/var/lib/log
setpriv --reuid={user} --regid={user} --clear-groups prometheus --config.file=/var/lib/prometheus.yml \
    --storage.tsdb.path={data} --storage.tsdb.use-lockfile --web.listen-address=127.0.0.1:0 >/var/lib/log 2>&1 &
waited=0
while kill -0 $! && [ $waited -lt 200 ] && ! grep -q 'Server is ready' /var/lib/log; do
    sleep 0.1
    waited=$((waited + 1))
done
kill $! 2>/dev/null
wait $!
code=$?
cat /var/lib/log
exit $code
"""


class There:
    """A directory of the guest, which the guest mounts over NFS."""

    def __init__(self, guest: Guest, root: Path) -> None:
        self.guest, self.root = guest, root

    def directory(self, path: Path, mode: int, owner: int) -> None:
        self._shell(f"mkdir -p {path} && chown {owner}:{owner} {path} && chmod {mode:o} {path}")

    def file(self, path: Path, mode: int, owner: int) -> None:
        self._shell(f"echo '[]' >{path} && chown {owner}:{owner} {path} && chmod {mode:o} {path}")

    def remove(self, path: Path) -> None:
        self._shell(f"rm -r {path}")

    def states(self) -> States:
        lines = self._shell(f"find {self.root} -printf '%p %U %G %m\\n'").splitlines()
        found = [line.rsplit(" ", 3) for line in lines]
        return {path: (int(uid), int(gid), f"{mode:0>4}") for path, uid, gid, mode in found}

    def run(self, command: list[str]) -> CompletedProcess[str]:
        return self.guest.run(shlex.join(command))

    def refused(self, data: Path, user: int = USER) -> str:
        done = self.guest.run(STARTED.format(user=user, data=data))
        # Ended from outside it would end with 0, or with 143 before it can.
        assert done.returncode in (1, 2), f"{done.returncode}: {done.stdout}"
        return done.stdout

    def ready(self, data: Path, user: int = USER) -> str:
        done = self.guest.run(STARTED.format(user=user, data=data))
        assert "Server is ready to receive web requests" in done.stdout, done.stdout
        return done.stdout

    def _shell(self, script: str) -> str:
        done = self.guest.run(script)
        assert done.returncode == 0, done.stderr
        return done.stdout


@dataclass
class Story:
    """The lab, the file system, and what runs Jobs on it."""

    lab: Lab
    place: Place
    kubelet: Kubelet

    @property
    def data(self) -> Path:
        return self.place.root / "prometheus" / "server"

    def run(self, *arguments: str) -> CompletedProcess[str]:
        """The command on the lab's cluster and account, in this process; nobody is at a terminal."""
        return self.lab.run(*arguments)

    def pod(self) -> dict[str, Any]:
        found = self.lab.kube.object("pods", self.lab.expect["target"].rpartition("/")[2], "default")
        assert found is not None
        return found

    def crashed(self) -> str:
        """Prometheus runs into its refusal, and the pod's log says so; what it printed."""
        printed = self.place.refused(self.data)
        name = self.pod()["metadata"]["name"]
        for previous in (False, True):
            self.lab.kube.add_log("default", name, CONTAINER, self._in_pod(printed), previous=previous)
        return printed

    def came_up(self) -> None:
        """Prometheus starts, and the pod is as it is once Prometheus is ready."""
        printed, pod = self.place.ready(self.data), self.pod()
        for status in pod["status"]["containerStatuses"]:
            if status["name"] == CONTAINER:
                status |= {"ready": True, "started": True, "state": {"running": {"startedAt": "2026-09-25T02:01:00Z"}}}
                status["restartCount"] += 1
        for condition in pod["status"]["conditions"]:
            condition["status"] = "True"
        self.lab.kube.add(pod)
        self.lab.kube.add_log("default", pod["metadata"]["name"], CONTAINER, self._in_pod(printed))

    def jobs(self) -> list[str]:
        """The Jobs of efsdiag that are there now."""
        return [j["metadata"]["name"] for j in self.lab.kube.objects("jobs.batch")]

    def probe_digest(self, *command: str) -> str:
        """The digest of the probe that the command would make, which it says where nobody is asked."""
        done = self.run(*command)
        assert done.returncode == 6, done.stdout + done.stderr
        return done.stderr.rpartition("--approve ")[2].split()[0]

    def planned(self, file: Path) -> dict[str, Any]:
        """The plan after a probe that was agreed to, in the file."""
        digest = self.probe_digest("plan", *self.lab.target, "--probe")
        made = self.run("plan", *self.lab.target, "--probe", "--approve", digest, "-o", str(file))
        assert made.returncode == 0, made.stdout + made.stderr
        return dict(json.loads(file.read_text()))

    def _in_pod(self, printed: str) -> str:
        return printed.replace(str(self.place.root), "/efs")


@contextmanager
def story_on(place: Place, folder: Path) -> Iterator[Story]:
    """The story's first scene on the file system: Prometheus met a directory that it may not search."""
    place.directory(place.root / "prometheus" / "server", 0o755, USER)
    place.directory(place.root / "prometheus", 0o700, 0)
    with (
        lab_of("story-parent-dir", folder) as lab,
        Kubelet(lab.kube, {CLAIM: place.root}, run=place.run) as kubelet,
    ):
        told = Story(lab, place, kubelet)
        told.crashed()
        yield told


@contextmanager
def here(logs: Path) -> Iterator[Here]:
    """A new directory of this machine, which everybody may search."""
    root = Path(tempfile.mkdtemp(prefix="efsdiag-story-"))
    root.chmod(0o755)
    try:
        yield Here(root, logs)
    finally:
        shutil.rmtree(root)


TOLD_HERE = [
    pytest.mark.prometheus,
    pytest.mark.skipif(not Path(PROMETHEUS).exists(), reason=f"{PROMETHEUS} is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give directories to other users"),
    pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (Debian's package util-linux) is not installed"),
]
"""The marks of tests that take `story_here`."""


@pytest.fixture
def story_here(tmp_path: Path) -> Iterator[Story]:
    """The story on a directory of this machine."""
    with here(tmp_path) as place, story_on(place, tmp_path) as told:
        yield told


def causes(printed: str) -> dict[str, str]:
    """Mode → confidence of the report's root causes."""
    return {c["id"]: c["confidence"] for c in json.loads(printed)["rootCauses"]}


def tell_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story: Story, folder: Path) -> None:
    """The whole story, with everything that efsdiag says and does in it."""
    lab, before = story.lab, story.place.states()

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
    assert story.place.states() == before

    file = folder / "plan.json"
    made = story.run("plan", *lab.target, "--probe", "--approve", digest, "-o", str(file))
    assert made.returncode == 0, made.stdout + made.stderr
    plan = json.loads(file.read_text())
    assert [o["remedy"] for o in plan["chosen"]] == ["let-process-through"]
    assert story.jobs() == []
    assert story.place.states() == before

    done = story.run("apply", str(file), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worked: parents-searchable" in done.stdout
    # The kubelet waits after so many failures, and nobody has to wonder at a log from before the change.
    assert "prometheus-server has not been started since: the kubelet waits 5m0s after its end, until" in done.stdout
    assert f"  kubectl -n default delete pod {story.pod()['metadata']['name']}\n" in done.stdout
    assert story.place.states() == {**before, str(story.data.parent): (0, 0, "0701")}

    story.came_up()
    well = story.run("why", *lab.target, "-o", "json")
    assert (well.returncode, json.loads(well.stdout)["status"]) == (0, "healthy"), well.stdout
    story.place.remove(story.data)
    story.place.directory(story.data, 0o755, USER)

    back = story.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert story.place.states() == before
