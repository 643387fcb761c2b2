"""A pod whose events tell that the kubelet went past mounting is kept from starting by something else."""

from __future__ import annotations

import pytest
from worlds import faults_mount as mount
from worlds.base import healthy
from worlds.compose import unnoticed
from worlds.look import causes_of, diagnosis_of
from worlds.stages import _waiting
from worlds.world import World

SANDBOX = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to assign an IP address to container"


def creating(kubernetes: str = "v1.36.2") -> World:
    """A pod in ContainerCreating, and a policy that refuses mounts by now."""
    world = healthy(seed=3201, kubernetes=kubernetes)
    unnoticed(world, mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous)
    world.forget(world.pod)
    _waiting(world, "ContainerCreating")
    return world


@pytest.mark.parametrize(
    ("kubernetes", "reason", "message"),
    [
        ("v1.36.2", "FailedCreatePodSandBox", SANDBOX),
        ("v1.27.9", "Pulling", 'Pulling image "quay.io/prometheus/prometheus:v3.5.0"'),
    ],
)
def test_the_mount_is_not_blamed_for_what_comes_after_it(kubernetes: str, reason: str, message: str) -> None:
    world = creating(kubernetes)
    if kubernetes < "v1.29":
        kept = [c for c in world.pod["status"]["conditions"] if c["type"] != "PodReadyToStartContainers"]
        world.pod["status"]["conditions"] = kept
    assert causes_of(diagnosis_of(world)) == {"efs.policy-requires-iam"}
    world.say(world.pod, reason, message)
    assert causes_of(diagnosis_of(world)) == set()


def test_a_mount_that_fails_after_the_sandbox_was_tried_counts() -> None:
    world = healthy(seed=3202)
    world.say(world.pod, "FailedCreatePodSandBox", SANDBOX, last=30)
    mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous(world)
    assert causes_of(diagnosis_of(world)) == {"efs.policy-requires-iam"}
