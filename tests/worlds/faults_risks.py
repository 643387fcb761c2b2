"""Standing risks, and what goes on beside the pod: each is `beside` a pod that is well."""

from __future__ import annotations

import copy

from worlds.fault import beside
from worlds.ids import ago
from worlds.world import World, metadata


@beside("pv.reclaim-delete", storage="dynamic")
def volume_goes_with_its_claim(world: World) -> None:
    world.volume["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "efs.csi.aws.com"}
    world.volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"


@beside("storageclass.multiple-default", storage="dynamic")
def two_classes_are_the_default_beside_a_bound_claim(world: World) -> None:
    old = world.get("storageclasses", "efs-sc")
    new = {**old, "metadata": metadata(world, "gp2", age=60), "provisioner": "ebs.csi.aws.com", "parameters": {}}
    for class_ in (old, new):
        class_["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    world.all("storageclasses").append(new)


@beside("pv.rwo-not-enforced")
def two_pods_on_two_nodes_share_a_claim_for_one(world: World) -> None:
    world.volume["spec"]["accessModes"] = world.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    other = copy.deepcopy(world.pod)
    other["metadata"] |= {"name": f"{world.pod['metadata']['name'][:-5]}zzzzz", "uid": world.ids.uid()}
    other["metadata"]["creationTimestamp"] = ago(900)
    other["spec"]["nodeName"] = world.all("nodes")[-1]["metadata"]["name"]
    world.all("pods").append(other)


@beside("csi.controller-replicas-colocated")
def both_controller_pods_stand_on_one_node(world: World) -> None:
    for pod in world.driver_pods("efs-csi-controller"):
        pod["spec"]["nodeName"] = world.node["metadata"]["name"]


@beside("csi.driver-outdated", driver="v1.7.7")
@beside("csi.driver-outdated", driver="v3.2.0", label="regressions")
def driver_is_of_a_version_with_known_faults(world: World) -> None:
    assert world.shape.driver


@beside("csi.no-volume-metrics")
def node_plugin_reports_no_metrics(world: World) -> None:
    world.daemonset["spec"]["template"]["spec"]["containers"][0]["args"] = ["--v=2", "--vol-metrics-opt-in=false"]


@beside("iam.overbroad-instance-profile", storage="dynamic")
def any_pod_reaches_the_role_of_the_node(world: World) -> None:
    assert all(i["MetadataOptions"]["HttpPutResponseHopLimit"] == 2 for i in world.instances())


@beside("network.single-az-mount-target")
def another_zone_has_nodes_and_no_mount_target(world: World) -> None:
    world.targets[:] = [world.target]
    world.system["NumberOfMountTargets"] = 1


@beside("mount.tls-disabled")
def volume_is_mounted_in_the_clear(world: World) -> None:
    world.volume["spec"]["csi"]["volumeAttributes"] = {"encryptInTransit": "false"}


@beside("efs.one-zone")
def file_system_is_of_one_zone(world: World) -> None:
    zone = world.target["AvailabilityZoneName"]
    world.system["AvailabilityZoneName"] = zone
    world.targets[:] = [world.target]
    world.system["NumberOfMountTargets"] = 1


@beside("efs.no-backup")
def nothing_backs_the_file_system_up(world: World) -> None:
    path = f"efs/describe-backup-policy/FileSystemId={world.file_system}"
    world.aws[path] = {"BackupPolicy": {"Status": "DISABLED"}}


@beside("efs.unencrypted")
def file_system_is_not_encrypted(world: World) -> None:
    world.system["Encrypted"] = False


@beside("efs.policy-anonymous")
def file_system_has_no_policy(world: World) -> None:
    path = f"efs/describe-file-system-policy/FileSystemId={world.file_system}"
    assert world.aws[path]["Error"]["Code"] == "PolicyNotFound"


@beside("prometheus.on-nfs-unsupported")
def prometheus_stores_on_nfs(world: World) -> None:
    assert world.volume["spec"]["csi"]["driver"] == "efs.csi.aws.com"


@beside("nfs.single-point-on-master")
def nfs_server_stands_on_the_control_plane(world: World) -> None:
    master = next(n for n in world.all("nodes") if "node-role.kubernetes.io/control-plane" in n["metadata"]["labels"])
    world.volume["spec"].pop("csi")
    world.volume["spec"]["nfs"] = {"server": master["status"]["addresses"][0]["address"], "path": "/exports"}


@beside("pv.capacity-not-enforced")
def claim_waits_for_efs_to_grow(world: World) -> None:
    world.claim["spec"]["resources"]["requests"]["storage"] = "50Gi"


@beside("pvc.terminating")
def claim_was_deleted_and_its_pod_runs_on(world: World) -> None:
    world.claim["metadata"] |= {"deletionTimestamp": ago(30), "deletionGracePeriodSeconds": 0}
