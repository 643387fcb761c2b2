"""The field story on a real NFSv4.1 mount, with and without what an EFS access point does to those who use it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import nfsguest
import pytest
from fieldstory import Story, There, story_on, tell_from_the_refusal_to_a_prometheus_that_is_ready_and_back
from kubelet import Kubelet
from nfsguest import Guest, NoGuest
from remedylab import RemedyLab, lab_of_world
from worlds.fault import load

from efsdiag.jobs.manifest import MOUNTED_AT, Inside, State, mend_job
from efsdiag.jobs.manifest import Place as JobPlace

pytestmark = [pytest.mark.nfs, pytest.mark.skipif(bool(nfsguest.missing()), reason=nfsguest.missing())]


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    try:
        with Guest() as started:
            yield started
    except NoGuest as error:
        pytest.skip(str(error))


@pytest.fixture
def story(guest: Guest, tmp_path: Path) -> Iterator[Story]:
    with story_on(There(guest, guest.efs), tmp_path) as told:
        yield told


def test_the_story_over_nfs(story: Story, tmp_path: Path) -> None:
    tell_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story, tmp_path)


FAULT = "permission.access-point-uid-mismatch:access_point_user_does_not_own_its_root-dynamic"
POINT_USER = 1000
OTHER_USER = 65534
"""As whom the pod runs; the access point puts its own user in the place of it."""


@pytest.fixture
def through_point(guest: Guest, tmp_path: Path) -> Iterator[tuple[RemedyLab, There, There]]:
    """A lab whose volume goes through an access point, the point's mount, and a mount without it."""
    (fault,) = [f for f in load() if f.name == FAULT]
    world = fault.world()
    world.volumes.clear()
    for point in world.aws[f"efs/describe-access-points/FileSystemId={world.file_system}"]["AccessPoints"]:
        point["PosixUser"] = {"Uid": POINT_USER, "Gid": POINT_USER}
    whole = There(guest, guest.efs / "data")
    whole.directory(whole.root, 0o755, POINT_USER)
    with lab_of_world(world, tmp_path) as lab:
        yield lab, There(guest, guest.point), whole
    guest.run(f"rm -r {guest.efs}/data/*")


def probed(lab: RemedyLab, *command: str) -> int:
    """The command with a probe that is agreed to."""
    assert lab.run(*command, "--probe") == 6, lab.printed
    digest = re.findall(r"--approve ([0-9a-f]{64})", lab.printed)[-1]
    return lab.run(*command, "--probe", "--approve", digest)


def mended(place: There, file: str, before: str, after: str) -> CompletedProcess[str]:
    """What came of the script with which efsdiag changes owners, run as root on the mount."""
    pod = {"metadata": {"namespace": "monitoring"}, "spec": {}}
    inside, state = Inside("pv", "claim", "/"), State(file, before, after)
    (container,) = mend_job(JobPlace(pod, "busybox"), inside, [state], "mend")["spec"]["template"]["spec"]["containers"]
    return place.run([str(place.root) if word == MOUNTED_AT else word for word in container["command"]])


def test_whoever_comes_through_an_access_point_is_its_user_and_may_change_no_owner(
    through_point: tuple[RemedyLab, There, There],
) -> None:
    lab, point, whole = through_point

    # Prometheus runs as somebody who owns nothing here, and all that it makes is the point's user's.
    assert "fs_type=NFS_SUPER_MAGIC" in point.ready(point.root, OTHER_USER)
    inside = There(point.guest, point.guest.server / "data")
    made = inside.states()
    assert str(inside.root / "wal") in made
    assert {state[:2] for state in made.values()} == {(POINT_USER, POINT_USER)}

    # Root left a file there, by a mount without the point.
    whole.file(whole.root / "queries.active", 0o600, 0)
    before = inside.states()
    printed = point.refused(point.root, OTHER_USER)
    pod = lab.world.pod["metadata"]
    for previous in (False, True):
        said = printed.replace(str(point.root), "/data")
        lab.kube.add_log(pod["namespace"], pod["name"], "prometheus-server", said, previous=previous)
    with Kubelet(lab.kube, {lab.world.claim["metadata"]["name"]: point.root}, run=point.run):
        assert probed(lab, "why", *lab.target, "-o", "json") == 1
        report = json.loads(lab.printed[lab.printed.index("{\n") :])
        assert [(c["id"], c["confidence"]) for c in report["rootCauses"]] == [
            ("permission.existing-file-owner", "confirmed")
        ]
        assert probed(lab, "plan", *lab.target) == 1
    shown = " ".join(lab.printed.split())
    assert "NOTHING TO CHANGE" in shown
    assert "makes every request as its own user and below its own directory; owners are changed from a mount" in shown

    # What it declines could not be done, by root either; and what it says instead can.
    change = ("/queries.active", "0:0:0600", f"{POINT_USER}:{POINT_USER}:0600")
    refused = mended(point, *change)
    assert (refused.returncode, "Operation not permitted" in refused.stderr) == (4, True), refused.stderr
    assert "/queries.active may not be changed; what was changed before it was put back" in refused.stderr
    assert inside.states() == before
    assert mended(whole, *change).returncode == 0
    assert "Server is ready" in point.ready(point.root, OTHER_USER)
