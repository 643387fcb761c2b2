"""Claims and volumes made by hand that do not come together."""

from __future__ import annotations

from worlds.fault import Stage, fault
from worlds.ids import ago
from worlds.stages import unbound, unscheduled, waits_for
from worlds.world import World, metadata

NO_VOLUME = "no persistent volumes available for this claim and no storage class is set"


def _no_volume(world: World) -> None:
    unbound(world, "FailedBinding", NO_VOLUME)


@fault("pod.pvc-not-found", Stage.BIND)
@fault("pod.pvc-not-found", Stage.BIND, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def pod_names_a_claim_with_a_typo(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["volumes"][1]["persistentVolumeClaim"] = {"claimName": "prometheus-sever"}
    unscheduled(world, 'persistentvolumeclaim "prometheus-sever" not found')


@fault("pod.pvc-not-found", Stage.BIND)
def claim_was_never_made(world: World) -> None:
    world.remove("persistentvolumeclaims", world.claim)
    world.volume["spec"].pop("claimRef")
    world.volume["status"]["phase"] = "Available"
    unscheduled(world, 'persistentvolumeclaim "prometheus-server" not found')


@fault("helm.existing-claim-in-other-namespace", Stage.BIND)
def claim_is_in_another_namespace(world: World) -> None:
    world.claim["metadata"]["namespace"] = world.volume["spec"]["claimRef"]["namespace"] = "default"
    unscheduled(world, 'persistentvolumeclaim "prometheus-server" not found')


@fault("pod.pvc-being-deleted", Stage.BIND)
def claim_is_being_deleted(world: World) -> None:
    world.claim["metadata"] |= {"deletionTimestamp": ago(30), "deletionGracePeriodSeconds": 0}
    unscheduled(world, 'persistentvolumeclaim "prometheus-server" is being deleted')


@fault("pod.pvc-pv-gone", Stage.BIND)
def volume_was_deleted_by_force(world: World) -> None:
    name = world.volume["metadata"]["name"]
    world.remove("persistentvolumes", world.volume)
    world.claim["status"] = {"phase": "Lost"}
    world.say(world.claim, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    unscheduled(world, f'persistentvolumeclaim "prometheus-server" bound to non-existent persistentvolume "{name}"')


@fault("storageclass.not-found", Stage.BIND)
def an_earlier_claim_left_a_volume_of_another_class(world: World) -> None:
    _no_volume(world)
    volume, claim = world.volume, world.claim
    volume["spec"]["capacity"]["storage"] = "1Gi"
    volume["spec"]["claimRef"] = {"namespace": world.namespace, "name": claim["metadata"]["name"], "uid": "before"}
    volume["status"]["phase"] = "Released"
    claim["spec"]["storageClassName"] = "efs-standard"
    world.forget(claim)
    world.say(claim, "ProvisioningFailed", 'storageclass.storage.k8s.io "efs-standard" not found')


@fault("pvc.capacity-exceeds-pv", Stage.BIND)
@fault("pvc.capacity-exceeds-pv", Stage.BIND, flavour="eks", kubernetes="v1.33.4")
def volume_is_smaller_than_the_claim(world: World) -> None:
    world.volume["spec"]["capacity"]["storage"] = "5Gi"
    _no_volume(world)


@fault("pvc.capacity-exceeds-pv", Stage.BIND, label="named")
def named_volume_is_smaller_than_the_claim(world: World) -> None:
    world.volume["spec"]["capacity"]["storage"] = "5Gi"
    name = world.volume["metadata"]["name"]
    unbound(world, "VolumeMismatch", f'Cannot bind to requested volume "{name}": requested PV is too small')
    world.claim["spec"]["volumeName"] = name


@fault("pvc.access-mode-mismatch", Stage.BIND)
def volume_lacks_the_access_mode(world: World) -> None:
    world.volume["spec"]["accessModes"] = ["ReadWriteOnce"]
    _no_volume(world)


@fault("pvc.storageclass-mismatch", Stage.BIND)
def volume_has_another_class(world: World) -> None:
    world.volume["spec"]["storageClassName"] = "efs-manual"
    _no_volume(world)


@fault("pvc.storageclass-mismatch", Stage.BIND, label="named")
def named_volume_has_another_class(world: World) -> None:
    name = world.volume["metadata"]["name"]
    world.volume["spec"]["storageClassName"] = "efs-manual"
    unbound(world, "VolumeMismatch", f'Cannot bind to requested volume "{name}": storageClassName does not match')
    world.claim["spec"]["volumeName"] = name


@fault("pvc.selector-mismatch", Stage.BIND)
def claim_selects_a_label_that_the_volume_lacks(world: World) -> None:
    world.claim["spec"]["selector"] = {"matchLabels": {"tier": "metrics"}}
    _no_volume(world)


@fault("pvc.volume-mode-mismatch", Stage.BIND)
def claim_wants_a_block_device(world: World) -> None:
    world.claim["spec"]["volumeMode"] = "Block"
    _no_volume(world)


@fault("pvc.bound-to-other-claim", Stage.BIND)
def named_volume_belongs_to_another_claim(world: World) -> None:
    name = world.volume["metadata"]["name"]
    unbound(world, "FailedBinding", f'volume "{name}" already bound to a different claim.')
    world.claim["spec"]["volumeName"] = name
    other = {**world.claim, "metadata": metadata(world, "reports", "shop"), "status": {"phase": "Bound"}}
    world.all("persistentvolumeclaims").append(other)
    uid = other["metadata"]["uid"]
    world.volume["spec"]["claimRef"] = {
        "kind": "PersistentVolumeClaim",
        "namespace": "shop",
        "name": "reports",
        "uid": uid,
    }
    world.volume["status"]["phase"] = "Bound"


@fault("pv.released", Stage.BIND)
def volume_still_refers_to_the_deleted_claim(world: World) -> None:
    reference = {**world.volume["spec"]["claimRef"], "uid": world.ids.uid()}
    _no_volume(world)
    world.volume["spec"]["claimRef"] = reference
    world.volume["status"]["phase"] = "Released"


@fault("pv.terminating", Stage.BIND)
def volume_is_being_deleted(world: World) -> None:
    world.volume["metadata"] |= {"deletionTimestamp": ago(60), "deletionGracePeriodSeconds": 0}
    _no_volume(world)


@fault("csi.delete-volume-failed", Stage.BIND)
def driver_cannot_delete_the_released_volume(world: World) -> None:
    """Its claim was deleted and made anew; the volume is to be deleted, and the driver may not."""
    reference = {**world.volume["spec"]["claimRef"], "uid": world.ids.uid()}
    _no_volume(world)
    world.volume["spec"] |= {"claimRef": reference, "persistentVolumeReclaimPolicy": "Delete"}
    world.volume["status"]["phase"] = "Released"
    denied = "rpc error: code = Unauthenticated desc = Access Denied. Please ensure you have the right AWS permissions"
    world.say(world.volume, "VolumeFailedDelete", f"{denied}: Access denied", by="efs.csi.aws.com_efs-csi-controller-x")


@fault("storageclass.not-found", Stage.BIND, storage="dynamic")
@fault("storageclass.not-found", Stage.BIND, storage="dynamic", flavour="eks", kubernetes="v1.33.4")
def claim_names_a_class_that_does_not_exist(world: World) -> None:
    world.claim["spec"]["storageClassName"] = "efs-csi"
    unbound(world, "ProvisioningFailed", 'storageclass.storage.k8s.io "efs-csi" not found')


@fault("storageclass.no-default", Stage.BIND, storage="dynamic")
def claim_names_no_class_and_none_is_default(world: World) -> None:
    world.claim["spec"].pop("storageClassName")
    _no_volume(world)


@fault("storageclass.wrong-provisioner", Stage.BIND, storage="dynamic")
def class_misspells_the_provisioner(world: World) -> None:
    world.get("storageclasses", "efs-sc")["provisioner"] = "efs.csi.amazonaws.com"
    waits_for(world, "efs.csi.amazonaws.com")


@fault("ebs.no-csi-driver", Stage.BIND, storage="dynamic")
def default_class_is_ebs_without_its_driver(world: World) -> None:
    class_ = world.get("storageclasses", "efs-sc")
    class_["metadata"]["name"] = "gp3"
    class_ |= {"provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}}
    world.claim["spec"] |= {"storageClassName": "gp3", "accessModes": ["ReadWriteOnce"]}
    waits_for(world, "ebs.csi.aws.com")


@fault("ebs.no-csi-driver", Stage.BIND, storage="dynamic", latent=("storageclass.multiple-default",), label="defaults")
def newer_default_class_is_ebs(world: World) -> None:
    old = world.get("storageclasses", "efs-sc")
    new = {**old, "metadata": metadata(world, "gp2", age=60), "provisioner": "ebs.csi.aws.com", "parameters": {}}
    for class_ in (old, new):
        class_["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    world.all("storageclasses").append(new)
    world.claim["spec"].pop("storageClassName")
    waits_for(world, "ebs.csi.aws.com")


@fault(
    "ebs.in-tree-provisioner",
    Stage.BIND,
    wanted=("ebs.no-csi-driver",),
    latent=("ebs.in-tree-provisioner",),
    storage="dynamic",
    flavour="eks",
)
def class_has_the_in_tree_ebs_provisioner(world: World) -> None:
    class_ = world.get("storageclasses", "efs-sc")
    class_["metadata"]["name"] = "gp2"
    class_ |= {"provisioner": "kubernetes.io/aws-ebs", "parameters": {"type": "gp2", "fsType": "ext4"}}
    world.claim["spec"] |= {"storageClassName": "gp2", "accessModes": ["ReadWriteOnce"]}
    waits_for(world, "ebs.csi.aws.com")
