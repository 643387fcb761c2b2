"""The field story on a directory of this machine; test_field_story_nfs.py tells it over NFS.

Root alone can give directories to other users, so for others the story is told over NFS only.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from commandline import Shell, missing
from fieldstory import TOLD_HERE, Story, story_here, tell_from_the_refusal_to_a_prometheus_that_is_ready_and_back
from test_prometheus_really import PATIENCE_S

from efsdiag.treat.plan_file import read_plan
from efsdiag.writes import command_of

pytestmark = TOLD_HERE
story = story_here


def test_the_story_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story: Story, tmp_path: Path) -> None:
    tell_from_the_refusal_to_a_prometheus_that_is_ready_and_back(story, tmp_path)


def test_a_program_that_the_kubelet_starts_again_meanwhile_is_well_at_the_end_of_apply(
    story: Story, tmp_path: Path
) -> None:
    plan = story.planned(tmp_path / "plan.json")
    assert "the kubelet tries the program again within five minutes" in plan["chosen"][0]["does"]
    story.kubelet.after = lambda job: story.came_up() if "-mend-" in job["metadata"]["name"] else None
    done = story.run("apply", str(tmp_path / "plan.json"), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has not been started since" not in done.stdout
    assert "✓ healthy" in done.stdout


@pytest.mark.kubectl
@pytest.mark.skipif(bool(missing("kubectl")), reason=missing("kubectl"))
def test_the_printed_commands_of_the_job_that_mends_do_the_same(story: Story, tmp_path: Path) -> None:
    before = story.place.states()
    story.planned(tmp_path / "plan.json")
    (change,) = read_plan(tmp_path / "plan.json").changes
    shell = Shell(tmp_path / "home", story.lab.kube.kubeconfig(tmp_path), story.lab.aws.url, "ap-northeast-2")
    assert change.undo
    for write, parent in ((change.write, (0, 0, "0701")), (change.undo, (0, 0, "0700"))):
        done = shell(command_of(write))
        assert done.returncode == 0, done.stderr
        until = time.monotonic() + PATIENCE_S
        while not all(job.get("status") for job in story.lab.kube.objects("jobs.batch")) and time.monotonic() < until:
            time.sleep(0.05)
        assert story.place.states() == {**before, str(story.data.parent): parent}


def leaf_of_root(story: Story) -> str:
    story.place.directory(story.data, 0o755, 0)
    return "give-data-directory"


def file_of_root(story: Story) -> str:
    story.place.file(story.data / "queries.active", 0o600, 0)
    return "give-named-files"


@pytest.mark.parametrize("situation", [leaf_of_root, file_of_root])
def test_each_remedy_mends_what_keeps_a_real_prometheus_out_and_its_undo_takes_it_back(
    story: Story, situation: Any, tmp_path: Path
) -> None:
    story.place.directory(story.data.parent, 0o755, 0)
    remedy = situation(story)
    story.crashed()
    before = story.place.states()
    plan = story.planned(tmp_path / "plan.json")
    assert [o["remedy"] for o in plan["chosen"]] == [remedy]
    done = story.run("apply", str(tmp_path / "plan.json"), "--approve", plan["digest"], "--settle", "20s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worked: data-owned" in done.stdout
    mended = story.place.states()
    assert {path for path in before if before[path] != mended[path]} == {
        str(story.data / "queries.active") if remedy == "give-named-files" else str(story.data)
    }
    back = story.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert story.place.states() == before
    story.crashed()


def test_what_changed_since_the_plan_is_left_as_it_is(story: Story, tmp_path: Path) -> None:
    plan = story.planned(tmp_path / "plan.json")
    parent = story.data.parent
    apply = ("apply", str(tmp_path / "plan.json"), "--approve", plan["digest"])

    # The probe with which `apply` begins sees it.
    parent.chmod(0o740)
    before = story.place.states()
    done = story.run(*apply)
    assert (done.returncode, "plan-stale" in done.stderr) == (6, True), done.stdout + done.stderr
    assert story.place.states() == before
    assert story.jobs() == []

    # After that probe, the Job that mends sees it.
    parent.chmod(0o700)
    story.kubelet.before = lambda job: parent.chmod(0o750) if "-mend-" in job["metadata"]["name"] else None
    done = story.run(*apply)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "/prometheus is 0:0:0750; it had to be 0:0:0700" in done.stdout
    assert story.place.states()[str(parent)] == (0, 0, "0750")
