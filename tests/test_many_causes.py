"""Two and three things that stop a pod at once: each is reported, with a chain of its own that ends at the pod."""

from __future__ import annotations

from itertools import combinations

import pytest
from worlds import faults_iam as iam
from worlds import faults_mount as mount
from worlds import faults_network as network
from worlds.base import healthy
from worlds.compose import unnoticed
from worlds.fault import Change
from worlds.look import causes_of, diagnosis_of

AT_THE_MOUNT: dict[Change, str] = {
    network.vpc_answers_no_dns: "network.vpc-dns-support-disabled",
    network.mount_target_admits_another_group: "network.mount-target-sg-ingress",
    network.nodes_may_only_speak_https: "network.node-sg-egress",
    network.network_acl_denies_nfs: "network.nacl",
    mount.policy_admits_one_access_point: "efs.policy-access-point-only",
}
"""In the order in which a mount meets them: the first one shows, and hides the others."""
AT_THE_CLAIM: dict[Change, str] = {
    iam.metadata_answers_one_hop_far: "iam.imds-hop-limit",
    iam.role_trusts_lambda_only: "iam.trust-policy-not-ec2",
    iam.policy_lacks_create_access_point: "iam.policy-missing-actions",
}


def sets_of(faults: dict[Change, str]) -> list[tuple[Change, ...]]:
    return [chosen for count in (2, 3) for chosen in combinations(faults, count)]


def names(chosen: object) -> str:
    return "+".join(c.__name__ for c in chosen) if isinstance(chosen, tuple) else str(chosen)


@pytest.mark.parametrize("chosen", sets_of(AT_THE_MOUNT), ids=names)
def test_all_that_keeps_a_volume_from_being_mounted_is_reported(chosen: tuple[Change, ...]) -> None:
    assert_each_is_told(chosen, AT_THE_MOUNT)


@pytest.mark.parametrize("chosen", sets_of(AT_THE_CLAIM), ids=names)
def test_all_that_keeps_a_volume_from_being_made_is_reported(chosen: tuple[Change, ...]) -> None:
    assert_each_is_told(chosen, AT_THE_CLAIM, storage="dynamic")


def assert_each_is_told(chosen: tuple[Change, ...], modes: dict[Change, str], **shape: object) -> None:
    shows, *hidden = chosen
    world = healthy(**shape)
    shows(world)
    unnoticed(world, *hidden)
    diagnosis = diagnosis_of(world)
    assert causes_of(diagnosis, confirmed=True) == {modes[c] for c in chosen}
    chains = {cause.finding.mode: cause.chain for cause in diagnosis.causes}
    assert len({chain[0] for chain in chains.values()}) == len(chosen)
    assert {chain[-1] for chain in chains.values()} == {"pod-ready"}
