"""What looks alike: the same words, another cause each time, and the objects tell them apart.

Below the groups of the failure catalogue stand the traps: what looks like a storage problem and is none.
"""

from __future__ import annotations

import copy
import json
from datetime import timedelta

import pytest
from worlds import faults_container as container
from worlds import faults_data as data
from worlds import faults_mount as mount
from worlds import faults_network as network
from worlds.base import entry, healthy
from worlds.compose import unnoticed
from worlds.fault import BESIDE, Fault, load
from worlds.ids import NOW, ago
from worlds.logs import line, query_log_refused, serving
from worlds.look import causes_of, diagnosis_of
from worlds.stages import crashing, directory_of, mount_hangs, unbound, unmounted, unscheduled
from worlds.symptoms import SYMPTOMS
from worlds.world import World, metadata

from efsdiag.model import State, Status

FAULTS = {f.change.__name__: f for f in load()}
OTHERS = {f.change.__name__: f for f in BESIDE}

ALIKE: dict[str, dict[str, str]] = {
    "no persistent volumes available for this claim and no storage class is set": {
        "claim_names_no_class_and_none_is_default": "storageclass.no-default",
        "volume_is_smaller_than_the_claim": "pvc.capacity-exceeds-pv",
        "volume_lacks_the_access_mode": "pvc.access-mode-mismatch",
        "claim_wants_a_block_device": "pvc.volume-mode-mismatch",
        "claim_selects_a_label_that_the_volume_lacks": "pvc.selector-mismatch",
        "volume_still_refers_to_the_deleted_claim": "pv.released",
    },
    "Waiting for a volume to be created either by the external provisioner": {
        "driver_is_not_installed_for_a_claim": "csi.driver-not-installed",
        "class_misspells_the_provisioner": "storageclass.wrong-provisioner",
        "class_has_the_in_tree_ebs_provisioner": "ebs.no-csi-driver",
        "controller_is_scaled_to_zero": "csi.controller-not-running",
        "class_lacks_the_provisioning_mode": "csi.invalid-parameters",
    },
    "driver name efs.csi.aws.com not found in the list of registered CSI drivers": {
        "daemonset_does_not_tolerate_the_node": "csi.node-daemonset-not-on-node",
        "node_plugin_has_wrong_options": "csi.node-plugin-crash",
        "node_plugin_is_killed_for_its_memory": "csi.node-plugin-oom",
        "registrar_meets_another_zone_label": "csi.node-topology-collision",
        "kubelet_has_another_root": "csi.node-kubelet-path",
        "only_the_driver_object_was_left_behind": "csi.driver-not-installed",
    },
    "context deadline exceeded": {
        "mount_target_admits_another_group": "network.mount-target-sg-ingress",
        "nodes_may_only_speak_https": "network.node-sg-egress",
        "network_acl_denies_nfs": "network.nacl",
        "peered_vpc_has_no_route": "network.no-route",
        "group_admits_nfs_over_ipv4_only": "network.ipv6",
        "efs_throttles_the_driver": "csi.provision-timeout",
    },
    "access denied by server while mounting": {
        "policy_admits_the_nodes_role_and_the_mount_is_anonymous": "efs.policy-requires-iam",
        "role_may_not_mount": "iam.client-mount-missing",
        "policy_denies_plain_nfs": "efs.policy-requires-tls",
        "access_point_was_deleted": "efs.access-point-not-found",
        "access_point_has_no_root": "efs.access-point-root-missing",
        "nfs_server_does_not_export_to_the_node": "nfs.export-denied",
    },
    "queries.active": {
        "fresh_file_system_belongs_to_root": "permission.data-dir-not-writable",
        "parent_is_for_root_only": "permission.parent-not-searchable",
        "query_log_was_written_by_root": "permission.existing-file-owner",
        "access_point_user_does_not_own_its_root": "permission.access-point-uid-mismatch",
        "data_path_is_beside_the_mount": "prometheus.tsdb-path-off-volume",
        "selinux_keeps_containers_from_nfs": "node.selinux-denies-nfs",
        "mount_point_is_read_only": "mount.read-only",
    },
    "Operation not permitted": {
        "init_container_changes_owners": "permission.access-point-chown-denied",
        "root_may_not_change_owners_on_efs": "permission.root-squash",
        "root_may_not_change_owners_on_the_nfs_server": "nfs.root-squash",
        "grafanas_chown_is_refused": "grafana.init-chown-denied",
    },
    "lock DB directory: resource temporarily unavailable": {
        "rolling_update_starts_the_new_pod_first": "helm.rolling-update-overlap",
        "another_instance_holds_the_lock": "prometheus.lock-held",
        "dead_client_still_has_the_lock": "prometheus.lock-held",
    },
    "no EC2 IMDS role found": {
        "no_instance_has_a_profile": "iam.instance-profile-not-associated",
        "profile_holds_no_role": "iam.instance-profile-without-role",
        "metadata_answers_one_hop_far": "iam.imds-hop-limit",
        "something_in_the_cluster_blocks_metadata": "network.pod-imds-blocked",
        "account_without_a_role_asks_metadata_that_is_too_far": "iam.irsa-annotation-missing",
    },
    "": {
        "operator_does_not_find_the_class_default": "helm.operator-storageclass-missing",
        "quota_is_used_up": "pod.quota-exceeded",
        "pod_security_refuses_the_pod": "pod.not-created",
    },
}
"""What is seen (for the last, that there is no pod) → the fault behind it → the cause that has to be named, alone."""
CASES = [(text, name, mode) for text, found in ALIKE.items() for name, mode in found.items()]


@pytest.mark.parametrize(("text", "name", "mode"), CASES, ids=[name for _, name, _ in CASES])
def test_of_causes_that_look_alike_the_one_that_it_is_is_named(text: str, name: str, mode: str) -> None:
    world = FAULTS[name].world()
    assert text in _shown(world)
    assert causes_of(diagnosis_of(world)) == {mode}


@pytest.mark.parametrize("name", ["only_this_node_keeps_timing_out", "key_of_the_file_system_is_disabled"])
def test_what_no_object_tells_apart_from_a_closed_port_is_not_taken_for_one(name: str) -> None:
    named = causes_of(diagnosis_of(FAULTS[name].world()))
    assert not {mode for mode in named if mode.startswith(("network.", "efs.", "iam."))}


def test_a_refusal_on_the_claim_is_of_the_control_plane_and_not_of_the_mount() -> None:
    symptom = next(s for s in SYMPTOMS if s.mode == "csi.access-denied")
    diagnosis = diagnosis_of(*symptom.world())
    assert diagnosis.deepest == ("driver-requests-allowed",)
    assert "mount-admitted" not in diagnosis.symptoms


LOAD_BALANCERS = [f for f in OTHERS.values() if f.mode.startswith("lb.")]


@pytest.mark.parametrize("fault", LOAD_BALANCERS, ids=[f.change.__name__ for f in LOAD_BALANCERS])
def test_of_reasons_for_a_pending_address_the_one_that_it_is_is_reported(fault: Fault) -> None:
    found = {f.finding.mode for f in diagnosis_of(fault.world()).latent}
    assert {mode for mode in found if mode.startswith("lb.")} == {fault.mode}


def test_a_driver_that_registers_just_now_is_a_race_that_ends_by_itself() -> None:
    world = FAULTS["node_plugin_has_wrong_options"].world()
    _make_young(world, 20)
    world.node_plugin["status"]["containerStatuses"][0] |= {"restartCount": 0, "lastState": {}}
    verdict = diagnosis_of(world).verdicts["driver-registered-on-node"]
    assert verdict.state is State.WAITING
    assert "look again after 2026-11-21T09:00:" in verdict.says


def test_grafanas_own_directories_that_only_root_with_all_rights_could_enter_are_no_access_point() -> None:
    world = FAULTS["grafanas_chown_is_refused"].world()
    name = world.pod["metadata"]["name"]
    world.logs = {k: t.replace("Operation not", "Permission") for k, t in world.logs.items() if k[1] == name}
    assert "grafana.init-chown-denied" not in causes_of(diagnosis_of(world))


def _shown(world: World) -> str:
    """All that the cluster and the pods say."""
    said = [e["message"] for e in world.all("events")]
    return "\n".join([*said, *world.logs.values(), json.dumps([p["status"] for p in world.all("pods")])])


def _make_young(world: World, seconds: float) -> None:
    """Let the pod stand where it stands for so many seconds only."""
    since = (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pod = world.pod
    pod["metadata"]["creationTimestamp"] = pod["status"]["startTime"] = since
    for condition in pod["status"]["conditions"]:
        condition["lastTransitionTime"] = since
    for event in world.all("events"):
        if event["involvedObject"]["uid"] == pod["metadata"]["uid"]:
            event |= {"firstTimestamp": since, "lastTimestamp": since, "count": 1}


# Traps.


def test_what_lies_above_the_mount_root_is_not_the_processs_business() -> None:
    """The volume is a directory of the file system: the server looks that one up, not the process."""
    world = healthy()
    world.volume["spec"]["csi"]["volumeHandle"] = f"{world.file_system}:/team/prometheus"
    assert diagnosis_of(world).verdicts["parents-searchable"].state is State.PASS
    listing = world.volumes[world.volume["metadata"]["name"]]["entries"]
    listing.append(entry("/other", 0, mode="0700"))
    world.listing()["/"] |= {"uid": 0, "gid": 0}
    crashing(world, query_log_refused(world.shape.prometheus, directory_of(world), parent=False))
    assert causes_of(diagnosis_of(world)) == {"permission.data-dir-not-writable"}


@pytest.mark.parametrize("fault", [container.image_tag_does_not_exist, container.secret_of_the_environment_is_missing])
def test_image_and_configuration_errors_come_after_mounting(fault: object) -> None:
    world = healthy()
    unnoticed(world, network.mount_target_admits_another_group, mount.attribute_is_unknown)
    fault(world)
    diagnosis = diagnosis_of(world)
    assert not {mode for mode in causes_of(diagnosis) if mode.startswith(("network.", "pv.", "mount."))}
    assert diagnosis.verdicts["volume-mounted"].state is State.PASS


def test_fs_group_is_not_applied_to_efs_unless_the_volume_or_the_driver_says_so() -> None:
    def applied(world: World) -> State:
        data.fresh_file_system_belongs_to_root(world)
        return diagnosis_of(world).verdicts["fsgroup-applied"].state

    plain, typed, filed, shared = healthy(), healthy(), healthy(), healthy()
    typed.volume["spec"]["csi"]["fsType"] = shared.volume["spec"]["csi"]["fsType"] = "efs"
    typed.volume["spec"]["accessModes"] = typed.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    filed.get("csidrivers", "efs.csi.aws.com")["spec"]["fsGroupPolicy"] = "File"
    assert applied(plain) is State.FAIL
    assert applied(shared) is State.FAIL
    assert applied(typed) is State.PASS
    assert applied(filed) is State.PASS


def test_a_permission_that_the_kubernetes_api_refuses_is_no_file_system_finding() -> None:
    version = "3.5"
    refused = line(
        version,
        3,
        "error",
        "Failed to watch",
        err='pods is forbidden: User "system:serviceaccount:monitoring:prometheus-server" cannot list resource "pods": '
        "permission denied",
    )
    world = healthy()
    crashing(world, [*serving(version, on_nfs=True), refused])
    diagnosis = diagnosis_of(world)
    assert not causes_of(diagnosis)
    assert not {f.finding.mode for f in diagnosis.latent if f.finding.mode.startswith("permission.")}
    assert diagnosis.verdicts["data-owned"].state is State.PASS
    unread = healthy()
    crashing(unread, [*serving(version, on_nfs=True), refused])
    unread.volumes.clear()
    assert not causes_of(diagnosis_of(unread))


def test_a_released_volume_that_no_claim_needs_is_no_cause() -> None:
    world = healthy()
    network.mount_target_admits_another_group(world)
    other = copy.deepcopy(world.volume)
    other["metadata"] = metadata(world, "grafana-efs")
    other["spec"]["claimRef"] |= {"name": "grafana", "uid": world.ids.uid()}
    other["spec"]["capacity"]["storage"] = "1Gi"
    other["status"]["phase"] = "Released"
    world.all("persistentvolumes").append(other)
    assert causes_of(diagnosis_of(world)) == {"network.mount-target-sg-ingress"}


def test_volumes_that_are_too_small_or_released_are_no_cause_where_the_claim_wants_a_provisioner() -> None:
    world = FAULTS["controller_is_scaled_to_zero"].world()
    for phase, size in (("Released", "8Gi"), ("Available", "1Gi")):
        spec = {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": size},
            "csi": {"driver": "efs.csi.aws.com", "volumeHandle": world.file_system},
            "storageClassName": "",
        }
        volume = {"kind": "PersistentVolume", "metadata": metadata(world, f"old-{size.lower()}"), "spec": spec}
        world.all("persistentvolumes").append({**volume, "status": {"phase": phase}})
    assert causes_of(diagnosis_of(world)) == {"csi.controller-not-running"}


def test_a_claim_that_waits_for_its_first_consumer_is_normal_while_there_is_none() -> None:
    world = healthy(storage="dynamic")
    world.get("storageclasses", "efs-sc")["volumeBindingMode"] = "WaitForFirstConsumer"
    text = "waiting for first consumer to be created before binding"
    unbound(world, "WaitForFirstConsumer", text, by="persistentvolume-controller")
    world.kube["pods"] = [p for p in world.all("pods") if p["metadata"]["namespace"] == "kube-system"]
    from efsdiag.model import Subject

    world.asked = Subject("persistentvolumeclaim", world.namespace, "prometheus-server")
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert not diagnosis.causes
    assert "WaitForFirstConsumer" in diagnosis.verdicts["claim-bound"].says


@pytest.mark.parametrize(
    ("kind", "status"),
    [("MemoryPressure", "False"), ("NetworkUnavailable", "False"), ("KernelDeadlock", "True"), ("GpuHealthy", "False")],
)
def test_conditions_of_a_node_have_polarity_and_unknown_ones_are_information(kind: str, status: str) -> None:
    world = FAULTS["pod_requests_more_than_any_node_has"].world()
    for node in world.all("nodes"):
        node["status"]["conditions"] = [c for c in node["status"]["conditions"] if c["type"] != kind]
        node["status"]["conditions"].append({"type": kind, "status": status, "lastTransitionTime": ago(60)})
    assert causes_of(diagnosis_of(world)) == {"pod.insufficient-resources"}


def test_a_node_is_under_pressure_where_the_condition_is_true_and_not_where_it_is_false() -> None:
    assert causes_of(diagnosis_of(FAULTS["disks_of_the_workers_are_full"].world())) == {"pod.node-disk-pressure"}
    world = FAULTS["all_workers_are_dedicated"].world()
    assert all(c["status"] == "False" for n in world.all("nodes") for c in n["status"]["conditions"][:3])
    assert causes_of(diagnosis_of(world)) == {"pod.untolerated-taint"}


@pytest.mark.parametrize("seconds", [5, 40])
def test_a_mount_that_is_seconds_old_is_waited_for_with_a_time_to_look_again(seconds: int) -> None:
    world = healthy()
    mount_hangs(world)
    _make_young(world, seconds)
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert "look again after 2026-11-21T09:0" in diagnosis.verdicts["pod-ready"].says


def test_a_pod_that_waits_for_the_scheduler_since_seconds_is_waited_for() -> None:
    world = healthy()
    unscheduled(world, "3 node(s) had volume node affinity conflict")
    _make_young(world, 10)
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert "look again after 2026-11-21T09:0" in diagnosis.verdicts["pod-scheduled"].says


@pytest.mark.parametrize("said", ["Connection timed out", "access denied by server while mounting"])
def test_efs_that_is_mounted_by_nfs_has_no_server_to_mend(said: str) -> None:
    world = healthy(seed=3401)
    server = f"{world.file_system}.efs.{world.region}.amazonaws.com"
    world.volume["spec"].pop("csi")
    world.volume["spec"]["nfs"] = {"server": server, "path": "/"}
    name = world.volume["metadata"]["name"]
    output = f"mount failed: exit status 32 Output: mount.nfs: {said} {server}:/"
    unmounted(world, f'MountVolume.SetUp failed for volume "{name}" : {output}', whole=True)
    diagnosis = diagnosis_of(world)
    assert causes_of(diagnosis) == set()
    assert diagnosis.status is Status.INCONCLUSIVE
    world.volume["spec"]["nfs"]["server"] = "10.0.0.9"
    assert causes_of(diagnosis_of(world)) & {"nfs.server-down", "nfs.export-denied"}
