"""A real process: killed, stopped between two calls, and talked to at a terminal."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import consents
import pytest
from awsworld import Asked, Trouble
from lab import Lab, lab_of
from sampling import one_in
from terminal import WAIT_S, Terminal
from test_treatment import begun, mutating, planned, world_of

from efsdiag.treat.journal import Step, journals
from efsdiag.treat.plan_file import plan_from_json, read_plan


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with lab_of("nfs-port-closed", tmp_path) as made:
        yield made


class Gate:
    """A server that stops answering at one request until it is let go on."""

    def __init__(self, lab: Lab, stops: Callable[[Asked], bool], answer: Trouble | None) -> None:
        self.reached, self._open = threading.Event(), threading.Event()
        self._stops, self._answer = stops, answer
        lab.aws.meddle = self._meddle

    def _meddle(self, asked: Asked) -> Trouble | None:
        if "efsdiag/" not in asked.agent or self.reached.is_set() or not self._stops(asked):
            return None
        self.reached.set()
        self._open.wait(WAIT_S)
        return self._answer

    def let_go(self) -> None:
        self._open.set()


POINTS = {
    "at the rehearsal": (lambda asked: asked.dry_run, None),
    "before the call is made": (lambda asked: asked.mutates, Trouble("InternalError", 500)),
    "and the call is made after its death": (lambda asked: asked.mutates, None),
}


@pytest.mark.parametrize("then", ["apply", "undo"])
@pytest.mark.parametrize("point", one_in(2, POINTS))
def test_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(lab: Lab, point: str, then: str) -> None:
    before = world_of(lab)
    stops, answer = POINTS[point]
    file, plan = planned(lab)
    gate = Gate(lab, stops, answer)
    process = lab.start("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    assert gate.reached.wait(WAIT_S)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=WAIT_S)
    gate.let_go()
    time.sleep(0.3)
    if then == "apply":
        done = lab.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
        assert done.returncode == 0, done.stdout + done.stderr
        assert journals(lab.journal)[-1].steps == [Step.DONE]
        assert world_of(lab) != before
    done = lab.run("undo", "--approve", plan["digest"])
    nothing = then == "undo" and point == "at the rehearsal"
    assert done.returncode == (2 if nothing else 0), done.stdout + done.stderr
    assert world_of(lab) == before
    assert nothing or lab.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_call_and_stops_before_the_next_one(lab: Lab, number: signal.Signals) -> None:
    before = world_of(lab)
    file, plan, _ = begun(lab)
    gate = Gate(lab, lambda asked: asked.mutates, None)
    process = lab.start("apply", str(file), "--approve", plan.digest)
    assert gate.reached.wait(WAIT_S)
    process.send_signal(number)
    time.sleep(0.3)
    assert process.poll() is None
    gate.let_go()
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 128 + number
    assert "interrupted" in err
    (journal,) = journals(lab.journal)
    assert journal.steps == [Step.DONE, Step.LEFT, Step.LEFT]
    lease = lab.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system")
    assert lease
    assert lease["spec"]["holderIdentity"] == plan.digest
    done = lab.run("apply", str(file), "--approve", plan.digest, "--settle", "1s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert journals(lab.journal)[0].steps == [Step.DONE] * 3
    assert [r for r in mutating(lab) if "leases" not in r].count("AuthorizeSecurityGroupIngress") == 1
    assert lab.run("undo", "--approve", plan.digest).returncode == 0
    assert world_of(lab) == before
    assert lab.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None


def test_a_second_run_of_the_same_plan_waits_for_no_end_of_the_first(lab: Lab) -> None:
    file, plan, _ = begun(lab)
    gate = Gate(lab, lambda asked: asked.mutates, None)
    process = lab.start("apply", str(file), "--approve", plan.digest, "--settle", "1s")
    assert gate.reached.wait(WAIT_S)
    for words in (["apply", str(file)], ["undo"]):
        done = lab.run(*words, "--approve", plan.digest)
        assert done.returncode == 6
        assert "another-fix-runs" in done.stderr
    gate.let_go()
    process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert [r for r in mutating(lab) if "leases" not in r].count("AuthorizeSecurityGroupIngress") == 1


def fixing(lab: Lab) -> Terminal:
    """`efsdiag why --fix` with somebody in front of it."""
    return Terminal(lab.command("why", *lab.target, "--fix", "--settle", "1s"), lab.environment)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for what changes nothing."""
    with lab_of("nfs-port-closed", tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.mark.parametrize("answer", ["y\n", "YES\n", "\n", "yes please\n", "\x04"], ids=["y", "YES", "", "more", "EOF"])
def test_whatever_is_not_yes_changes_nothing(untouched: Lab, answer: str) -> None:
    terminal = fixing(untouched)
    terminal.until_asked()
    terminal.answer(answer)
    code, shown = terminal.end()
    assert code == 6
    assert "not agreed to; nothing of it was changed" in shown
    assert mutating(untouched) == []
    assert journals(untouched.journal) == []


def test_yes_carries_out_what_was_shown_and_what_shows_next_is_proposed_next(tmp_path: Path) -> None:
    with lab_of("vpc-dns-support-off", tmp_path) as lab:
        _, document = planned(lab)
        change = document["chosen"][0]["changes"][0]
        terminal = fixing(lab)
        shown = terminal.until_asked()
        for part in (change["words"][:50], change["command"], change["undoCommand"], "safe", document["digest"][:12]):
            assert part in shown
        assert mutating(lab) == []

        # The next cause shows as soon as the first is mended.
        lab.aws.meddle = lambda asked: close_port(lab) if asked.operation == "ModifyVpcAttribute" else None
        consents.agree(plan_from_json(document))
        terminal.answer("yes\n")
        second = terminal.until_asked()
        assert f"worked: {document['chosen'][0]['check']} no longer finds" in second
        assert "allow-nfs-from-nodes" in second
        assert "Nothing was changed." not in second
        next_plan = json.loads(lab.run("plan", *lab.target, "--emit", "json").stdout)
        assert [o["remedy"] for o in next_plan["chosen"]] == ["allow-nfs-from-nodes"]
        consents.agree(plan_from_json(next_plan))
        terminal.answer("yes\n")
        _, rest = terminal.end()
        assert "worked: nfs-port-open no longer finds network.mount-target-sg-ingress" in rest
        assert [journal.outcome for journal in journals(lab.journal)] == ["worked", "worked"]


def close_port(lab: Lab) -> None:
    ec2 = lab.aws.client("ec2")
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        rules = [rule for rule in group["IpPermissions"] if rule.get("FromPort") == 2049]
        if rules:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules)


def test_a_yes_to_what_is_no_longer_true_changes_nothing(lab: Lab) -> None:
    file, plan = planned(lab)
    terminal = fixing(lab)
    terminal.until_asked()
    given = read_plan(file).changes[0].write.parameters
    lab.aws.client("ec2").authorize_security_group_ingress(**given)
    terminal.answer("yes\n")
    _, shown = terminal.end()
    assert "nothing to do" in shown
    assert [r for r in mutating(lab) if r != "AuthorizeSecurityGroupIngress"] == []
    assert journals(lab.journal) == []
    assert plan["digest"][:12] not in shown


def test_a_signal_waits_also_where_other_threads_would_take_it() -> None:
    code = """
import os, signal, threading, time
from efsdiag.cli.signals import answered, undivided
threading.Thread(target=lambda: time.sleep(5), daemon=True).start()
with answered("terminal"):
    with undivided():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
        print("whole", flush=True)
    print("after", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stdout) == (143, "whole\n"), done.stderr
