"""`--probe` with somebody at a terminal: a question for the probe, and one for what mends it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import consents
import pytest
from fieldstory import TOLD_HERE, Story, story_here
from terminal import WAIT_S, Terminal

from efsdiag.treat.journal import journals
from efsdiag.treat.plan_file import read_plan

pytestmark = TOLD_HERE
story = story_here


def at_terminal(story: Story, *words: str) -> Terminal:
    return Terminal(story.lab.command(words[0], *story.lab.target, *words[1:]), story.lab.environment)


def agree_to_the_probe(story: Story) -> None:
    digest = story.probe_digest("why", *story.lab.target, "--probe")
    consents.agree_on(["why", "--approve", digest], story.lab.journal)
    story.lab.kube.requests.clear()


def outcomes(story: Story) -> list[str]:
    return [journal.outcome for journal in journals(story.lab.journal)]


@pytest.mark.parametrize("command", [("why", "--fix", "--probe"), ("plan", "--probe", "-o", "plan.json")], ids=str)
def test_whatever_is_not_yes_makes_no_probe(story: Story, command: tuple[str, ...], tmp_path: Path) -> None:
    story.lab.kube.requests.clear()
    words = [str(tmp_path / word) if word.endswith(".json") else word for word in command]
    terminal = at_terminal(story, *words)
    assert "look-inside-the-volume" in terminal.until_asked()
    terminal.answer("no\n")
    code, shown = terminal.end()
    assert (code, "not agreed to; nothing of it was changed" in shown) == (6, True), terminal.text
    assert (story.lab.kube.mutations, outcomes(story), (tmp_path / "plan.json").exists()) == ([], [], False)


def test_a_yes_to_the_probe_is_none_to_the_plan(story: Story) -> None:
    before = story.place.states()
    agree_to_the_probe(story)
    terminal = at_terminal(story, "why", "--fix", "--probe")
    terminal.until_asked()
    terminal.answer("yes\n")
    shown = terminal.until_asked()
    assert re.search(r"permission\.parent-not-searchable\S*   \S*confirmed", shown), shown
    assert "let-process-through" in shown
    assert story.jobs() == []
    terminal.answer("no\n")
    code, _ = terminal.end()
    assert (code, outcomes(story), story.jobs()) == (6, ["probed"], [])
    assert story.place.states() == before


def test_two_times_yes_probes_and_mends(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    story.planned(file)
    consents.agree(read_plan(file))
    agree_to_the_probe(story)
    before = story.place.states()
    terminal = at_terminal(story, "why", "--fix", "--probe", "--settle", "20s")
    terminal.until_asked()
    terminal.answer("yes\n")
    terminal.until_asked()
    terminal.answer("yes\n")
    code, shown = terminal.end()
    assert "worked: parents-searchable no longer finds permission.parent-not-searchable" in shown, terminal.text
    assert "prometheus-server has not been started since" in shown
    assert story.place.states() == {**before, str(story.data.parent): (0, 0, "0701")}
    # It looks before it asks and before it writes. The Job that mends lists what it leaves, so nobody is asked again.
    assert (code, outcomes(story)) == (3, ["probed"] * 3 + ["worked"]), "the first one is that of the plan"


def test_a_plan_is_written_after_a_yes_to_its_probe(story: Story, tmp_path: Path) -> None:
    agree_to_the_probe(story)
    file = tmp_path / "plan.json"
    terminal = at_terminal(story, "plan", "--probe", "-o", str(file))
    terminal.until_asked()
    terminal.answer("yes\n")
    code, shown = terminal.end()
    assert code == 0, terminal.text
    plan = json.loads(file.read_text())
    assert [o["remedy"] for o in plan["chosen"]] == ["let-process-through"]
    assert plan["digest"][:12] in shown
    assert (outcomes(story), story.jobs()) == (["probed"], [])


def test_ctrl_c_while_a_probe_runs_takes_it_away(story: Story) -> None:
    agree_to_the_probe(story)
    story.kubelet.paused.set()
    terminal = at_terminal(story, "why", "--fix", "--probe")
    terminal.until_asked()
    terminal.answer("yes\n")
    until = time.monotonic() + WAIT_S
    while not story.jobs() and time.monotonic() < until:
        time.sleep(0.05)
    assert story.jobs(), terminal.text
    terminal.answer("\x03")
    code, shown = terminal.end()
    assert (code, "interrupted" in shown) == (130, True), terminal.text
    assert story.jobs() == []
    assert story.lab.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None
