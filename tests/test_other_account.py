"""What is answered from another account or region than the cluster's says nothing about the cluster's own things."""

from __future__ import annotations

import pytest
from worlds import faults_data as data
from worlds import faults_iam as iam
from worlds import faults_mount as mount
from worlds import faults_network as network
from worlds.base import healthy
from worlds.fault import Change
from worlds.look import causes_of, diagnosis_of
from worlds.stages import mount_hangs
from worlds.world import World

EMPTY = {
    "iam/list-open-id-connect-providers": {"OpenIDConnectProviderList": []},
    "iam/list-instance-profiles": {"InstanceProfiles": []},
    "efs/describe-file-systems": {"FileSystems": []},
}
REFUSALS = {"iam": "NoSuchEntity", "eks": "ResourceNotFoundException", "efs": "FileSystemNotFound"}


def seen_from_elsewhere(world: World) -> None:
    """All of AWS as an account answers that has none of the cluster's things."""
    for path, answer in list(world.aws.items()):
        service = path.partition("/")[0]
        if path in EMPTY:
            world.aws[path] = EMPTY[path]
        elif service in REFUSALS:
            world.aws[path] = {"Error": {"Code": REFUSALS[service], "Message": "there is none"}}
        elif service == "ec2" and "/" not in path.removeprefix("ec2/"):
            world.aws[path] = {next(iter(answer)): []}


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (mount_hangs, {}),
        (network.vpc_answers_no_dns, {}),
        (mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous, {}),
        (mount.access_point_was_deleted, {"storage": "dynamic"}),
        (iam.no_instance_has_a_profile, {"storage": "dynamic"}),
        (iam.role_has_no_policy_for_efs, {"storage": "dynamic", "flavour": "eks"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_nothing_is_called_missing_where_the_clusters_nodes_are_not_either(
    change: Change, shape: dict[str, str]
) -> None:
    world = healthy(seed=3101, **shape)
    change(world)
    seen_from_elsewhere(world)
    diagnosis = diagnosis_of(world)
    assert causes_of(diagnosis) == set()
    assert "file-system-exists" in {s.check for s in diagnosis.suspects}


def test_what_the_cluster_itself_proves_is_named_all_the_same() -> None:
    world = healthy(seed=3102)
    data.fresh_file_system_belongs_to_root(world)
    seen_from_elsewhere(world)
    assert causes_of(diagnosis_of(world), confirmed=True) == {"permission.data-dir-not-writable"}


def test_a_deleted_file_system_is_missing_where_the_nodes_are_found() -> None:
    world = healthy(seed=3103)
    mount.volume_names_a_deleted_file_system(world)
    assert causes_of(diagnosis_of(world), confirmed=True) == {"efs.file-system-not-found"}
