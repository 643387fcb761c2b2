"""A Deployment that has ready pods, and is refused the ones that it lacks."""

from __future__ import annotations

import pytest
from worlds import faults_program as program
from worlds.base import healthy
from worlds.bundle import encoded, files_of
from worlds.ids import NOW
from worlds.look import causes_of, rulebook
from worlds.world import PROMETHEUS, World

from efsdiag.investigate import investigate
from efsdiag.model import Diagnosis, Subject
from efsdiag.subjects import choose
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

QUOTA = 'pods "prometheus-server-x-abcde" is forbidden: exceeded quota: team, requested: requests.memory=1Gi'
SECURITY = 'pods "prometheus-server-x-abcde" is forbidden: violates PodSecurity "restricted:latest"'


def why(world: World) -> tuple[Subject, Diagnosis]:
    """What is chosen for the Deployment, and what is found of it."""
    source = BundleSource.of(Memory(encoded(files_of(world))))
    chosen = choose(source, PROMETHEUS).subject
    return chosen, investigate(rulebook(), source, chosen, NOW, strict=True).diagnosis


def refused(world: World, message: str, status: str = "True") -> None:
    world.deployment["spec"]["replicas"] = 2
    condition = {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": message}
    world.deployment["status"]["conditions"] = [condition]


@pytest.mark.parametrize(("message", "mode"), [(QUOTA, "pod.quota-exceeded"), (SECURITY, "pod.not-created")])
@pytest.mark.parametrize("told", [True, False], ids=["event", "no-event"])
def test_the_refusal_is_the_cause_where_what_exists_is_ready(message: str, mode: str, told: bool) -> None:
    world = healthy(seed=3301)
    refused(world, message)
    if told:
        world.say(world.all("replicasets")[0], "FailedCreate", f"Error creating: {message}", by="replicaset-controller")
    chosen, diagnosis = why(world)
    assert chosen == PROMETHEUS
    assert causes_of(diagnosis) == {mode}


def test_a_pod_that_fails_comes_before_one_that_is_refused() -> None:
    world = healthy(seed=3302)
    program.flag_was_removed(world)
    refused(world, QUOTA)
    assert causes_of(why(world)[1]) == {"prometheus.bad-flag"}


def test_a_refusal_that_is_over_is_none() -> None:
    world = healthy(seed=3303)
    refused(world, QUOTA, status="False")
    chosen, diagnosis = why(world)
    assert chosen.kind == "pod"
    assert causes_of(diagnosis) == set()
