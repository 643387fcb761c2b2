"""The symptoms, each in a world where nothing behind it could be read, so that no cause can be named for certain."""

from __future__ import annotations

from dataclasses import dataclass

from efsdiag.world.bundle_files import Memory
from worlds import faults_claims as claims
from worlds import faults_driver as driver
from worlds import faults_iam as iam
from worlds import faults_mount as mount
from worlds import faults_network as network
from worlds.base import healthy
from worlds.compose import uncollected
from worlds.fault import Change
from worlds.ids import ago
from worlds.stages import unbound
from worlds.world import Shape, World

KUBE = "cluster-resources/"


@dataclass(frozen=True)
class Symptom:
    """A symptom, what makes it, and what nobody collected."""

    mode: str
    change: Change
    shape: Shape
    unread: tuple[str, ...]
    actionable: bool = False
    """Whether the symptom itself is reported as a likely cause, because the reader can act on it."""

    def world(self) -> tuple[World, Memory]:
        world = healthy(self.shape)
        self.change(world)
        return world, uncollected(world, *self.unread)


def claim_wants_a_volume_that_is_not_there(world: World) -> None:
    """No volume made by hand comes near the claim: which one was meant, nobody can say."""
    unbound(world, "FailedBinding", claims.NO_VOLUME)
    world.kube["persistentvolumes"] = []


def pod_names_its_node_itself(world: World) -> None:
    """The class waits for the scheduler, and the pod has passed by it."""
    world.get("storageclasses", "efs-sc")["volumeBindingMode"] = "WaitForFirstConsumer"
    node = world.pod["spec"]["nodeName"]
    text = "waiting for first consumer to be created before binding"
    unbound(world, "WaitForFirstConsumer", text)
    pod = world.pod
    world.forget(pod)
    pod["spec"]["nodeName"] = node
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(45)}]
    text = 'MountVolume.SetUp failed for volume "storage-volume" : persistentvolumeclaim "prometheus-server" not bound'
    world.say(pod, "FailedMount", text.replace("MountVolume.SetUp failed", "Unable to attach or mount volumes"))


STATIC, DYNAMIC = Shape(seed=2001), Shape(seed=2002, storage="dynamic")
SYMPTOMS = (
    Symptom(
        "pod.unbound-immediate-pvc",
        claims.volume_is_smaller_than_the_claim,
        STATIC,
        (f"{KUBE}pvs", f"{KUBE}events/monitoring"),
    ),
    Symptom("pvc.no-class-and-no-pv", claim_wants_a_volume_that_is_not_there, STATIC, (), actionable=True),
    Symptom("pvc.waiting-first-consumer", pod_names_its_node_itself, DYNAMIC, ("aws/",), actionable=True),
    Symptom("csi.no-credentials", iam.no_instance_has_a_profile, DYNAMIC, ("aws/",)),
    Symptom("csi.access-denied", iam.policy_lacks_create_access_point, DYNAMIC, ("aws/iam", f"{KUBE}pods/logs/kube")),
    Symptom(
        "csi.node-plugin-not-registered",
        driver.node_plugin_has_wrong_options,
        STATIC,
        (f"{KUBE}pods/kube-system", f"{KUBE}daemonsets/kube-system", f"{KUBE}pods/logs/kube", "aws/"),
        actionable=True,
    ),
    Symptom("mount.dns-unresolved", network.vpc_answers_no_dns, STATIC, ("aws/",)),
    Symptom("mount.timeout", network.mount_target_admits_another_group, STATIC, ("aws/",)),
    Symptom(
        "mount.access-denied-by-server",
        mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous,
        STATIC,
        ("aws/efs/describe-file-system-policy",),
    ),
)
