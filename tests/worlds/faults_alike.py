"""Faults that show with the words of another one: what tells them apart stands in the objects."""

from __future__ import annotations

from worlds.account import set_attached, set_file_system_policy
from worlds.fault import Stage, fault
from worlds.faults_data import _failing_init
from worlds.faults_driver import NOT_REGISTERED, _uninstall
from worlds.faults_iam import drop_web_identity
from worlds.faults_others import _nfs
from worlds.logs import failing
from worlds.stages import TIMED_OUT, crashing, unmounted, unprovisioned
from worlds.world import World

CHOWN = "chown: /data: Operation not permitted"


@fault("csi.driver-not-installed", Stage.MOUNT, sure=False, label="object-left-behind")
def only_the_driver_object_was_left_behind(world: World) -> None:
    """Helm took the workloads away, and somebody keeps the CSIDriver object."""
    left = world.get("csidrivers", "efs.csi.aws.com")
    _uninstall(world)
    world.kube["csidrivers"] = [left]
    unmounted(world, NOT_REGISTERED)


@fault(
    "iam.irsa-annotation-missing",
    Stage.BIND,
    storage="dynamic",
    flavour="eks",
    kubernetes="v1.33.4",
    label="hop-limit-1",
)
def account_without_a_role_asks_metadata_that_is_too_far(world: World) -> None:
    """As EKS makes its nodes: pods do not reach the metadata service, and are not meant to."""
    drop_web_identity(world)
    world.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")["metadata"]["annotations"] = {}
    set_attached(world, world.node_role, {})
    for instance in world.instances():
        instance["MetadataOptions"]["HttpPutResponseHopLimit"] = 1
    unprovisioned(world, TIMED_OUT)


@fault("permission.root-squash", Stage.PROCESS, label="chown")
def root_may_not_change_owners_on_efs(world: World) -> None:
    rights = ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"]
    set_file_system_policy(world, {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": rights})
    _failing_init(world, "init-chown-data", "busybox:1.36", CHOWN)


@fault("nfs.root-squash", Stage.PROCESS, sure=False, label="chown")
def root_may_not_change_owners_on_the_nfs_server(world: World) -> None:
    _nfs(world)
    _failing_init(world, "init-chown-data", "busybox:1.36", CHOWN)


@fault("prometheus.lock-held", Stage.PROCESS, label="gone-node")
def dead_client_still_has_the_lock(world: World) -> None:
    """The node of the pod before is gone, and the NFS server has not let its lease run out."""
    error = "opening storage failed: lock DB directory: resource temporarily unavailable"
    crashing(world, failing(world.shape.prometheus, error))
