"""What a fact rules out: something else is wrong as well, or cannot be looked at, and it is not blamed.

One test for each exoneration of the failure catalogue, with its caveats.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from datetime import timedelta

import pytest
from worlds import faults_container as container
from worlds import faults_data as data
from worlds import faults_driver as driver
from worlds import faults_iam as iam
from worlds import faults_mount as mount
from worlds import faults_network as network
from worlds import faults_program as program
from worlds import faults_scheduling as scheduling
from worlds.base import healthy
from worlds.compose import uncollected, unnoticed
from worlds.fault import Change
from worlds.ids import ago
from worlds.logs import line, opening, serving
from worlds.look import causes_of, diagnosis_of, rulebook
from worlds.stages import mount_fails, running_unready
from worlds.world import Thing, World

from efsdiag.model import Diagnosis, ModeKind, State, Status, Verdict
from efsdiag.semantics.attempt import parse_time

NETWORK: tuple[Change, ...] = (
    network.mount_target_admits_another_group,
    network.nodes_may_only_speak_https,
    network.network_acl_denies_nfs,
    network.vpc_answers_no_dns,
)
NETWORK_CHECKS = {"nfs-port-open", "node-egress-open", "network-acls-open", "vpc-dns-support-on"}


def blamed(diagnosis: Diagnosis) -> set[str]:
    """The modes that are named as causes; they are confirmed, all of them."""
    named = causes_of(diagnosis)
    assert named == causes_of(diagnosis, confirmed=True)
    return named


def cleared(diagnosis: Diagnosis) -> dict[str, set[str]]:
    """Check → what cleared it, of the checks that were ruled out or found wrong without being the cause."""
    found = {r.check: set(r.by) for r in diagnosis.ruled_out}
    for latent in diagnosis.latent:
        found.setdefault(latent.check, set()).update(latent.cleared_by)
    return found


def suspects(diagnosis: Diagnosis) -> set[str]:
    return {s.check for s in diagnosis.suspects}


def verdict_of(diagnosis: Diagnosis, check: str) -> Verdict:
    return diagnosis.verdicts[check]


def latent(diagnosis: Diagnosis) -> set[str]:
    """What is wrong and not the cause, less the standing risks."""
    modes = rulebook().modes
    return {f.finding.mode for f in diagnosis.latent if modes[f.finding.mode].kind is not ModeKind.RISK}


def world_of(fault: Change, *hidden: Change, **shape: object) -> World:
    """A world with a fault and its symptoms, and with other things wrong that do not show."""
    world = healthy(**shape)
    unnoticed(world, *hidden)
    fault(world)
    return world


def cleared_by(diagnosis: Diagnosis, checks: Collection[str], by: str) -> bool:
    found = cleared(diagnosis)
    return all(by in found.get(check, set()) for check in checks)


# A container, or what the kubelet says of one.


@pytest.mark.parametrize(
    ("wrong", "mode", "by"),
    [
        (network.mount_target_admits_another_group, "network.mount-target-sg-ingress", "mount-admitted"),
        (network.network_acl_denies_nfs, "network.nacl", "mount-admitted"),
        (network.file_system_has_no_mount_target, "network.no-mount-target", "mount-admitted"),
        (network.vpc_answers_no_dns, "network.vpc-dns-support-disabled", "mount-admitted"),
        (mount.policy_admits_one_access_point, "efs.policy-access-point-only", "mount-admitted"),
        (mount.handle_is_the_volumes_name, "pv.volume-handle-invalid", "volume-mounted"),
        (driver.node_plugin_is_killed_for_its_memory, "csi.node-plugin-oom", "volume-mounted"),
        (driver.driver_object_was_deleted, "csi.driver-object-missing", "volume-mounted"),
    ],
)
def test_an_image_being_pulled_clears_all_that_leads_to_the_mount(wrong: Change, mode: str, by: str) -> None:
    diagnosis = diagnosis_of(world_of(container.image_tag_does_not_exist, wrong))
    assert blamed(diagnosis) == {"container.image-pull"}
    found = {f.finding.mode: f.cleared_by for f in diagnosis.latent}
    assert by in found[mode]


def test_an_image_being_pulled_clears_scheduling_and_binding() -> None:
    world = world_of(container.image_tag_does_not_exist, scheduling.workers_are_cordoned)
    world.claim["spec"]["resources"]["requests"]["storage"] = "16Gi"
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"container.image-pull"}
    assert latent(diagnosis) == set()
    assert cleared_by(diagnosis, ["node-available"], "node-available")


def test_while_an_image_is_pulled_nobody_needs_to_look_at_the_account() -> None:
    world = world_of(container.image_tag_does_not_exist)
    diagnosis = diagnosis_of(world, uncollected(world, "aws/ec2", "aws/iam", "aws/efs/describe-mount-targets"))
    assert blamed(diagnosis) == {"container.image-pull"}
    assert not suspects(diagnosis)
    assert cleared_by(diagnosis, {"nfs-port-open", "mount-target-in-zone"}, "mount-admitted")


def test_a_mount_that_hangs_later_is_still_possible_after_the_containers_were_made() -> None:
    world = healthy()
    unnoticed(world, network.mount_target_admits_another_group)
    running_unready(world, opening(world.shape.prometheus))
    assert blamed(diagnosis_of(world)) == {"network.mount-target-sg-ingress"}


def test_a_successful_mount_does_not_clear_a_policy_that_denies_writing() -> None:
    world = world_of(container.image_tag_does_not_exist, data.policy_gives_no_right_to_write)
    found = {c.finding.mode: c.chain for c in diagnosis_of(world).causes}
    assert set(found) == {"container.image-pull", "mount.read-only"}
    assert "volume-mounted" not in found["mount.read-only"]


def test_a_container_that_may_not_be_configured_has_its_volumes_mounted() -> None:
    hidden = (mount.role_may_not_mount, driver.node_plugin_is_killed_for_its_memory, *NETWORK)
    diagnosis = diagnosis_of(world_of(container.chart_runs_as_root_against_its_rule, *hidden, options=("iam",)))
    assert blamed(diagnosis) == {"container.run-as-non-root-uid0"}
    assert {"iam.client-mount-missing", "csi.node-plugin-oom", "network.vpc-dns-support-disabled"} <= latent(diagnosis)
    assert cleared_by(diagnosis, NETWORK_CHECKS, "mount-admitted")


def test_a_sub_path_that_cannot_be_made_is_about_the_volume_and_still_not_about_the_mount() -> None:
    diagnosis = diagnosis_of(world_of(container.sub_path_cannot_be_made, *NETWORK))
    assert blamed(diagnosis) == {"container.subpath-failed"}
    assert cleared_by(diagnosis, NETWORK_CHECKS, "mount-admitted")


# How the volume came to be.


@pytest.mark.parametrize("flavour", ["kubeadm", "eks"])
def test_a_volume_made_by_hand_and_mounted_without_iam_needs_no_credentials_and_no_controller(flavour: str) -> None:
    hidden = (iam.metadata_answers_one_hop_far, iam.no_instance_has_a_profile, iam.role_trusts_lambda_only)
    world = world_of(network.mount_target_admits_another_group, *hidden, flavour=flavour)
    for pod in world.driver_pods("efs-csi-controller"):
        world.remove("pods", pod)
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"network.mount-target-sg-ingress"}
    assert not suspects(diagnosis)
    assert latent(diagnosis) == {"csi.controller-not-running"}
    assert cleared_by(diagnosis, ["controller-running"], "volume-provisioned")
    unread = diagnosis_of(world, uncollected(world, "aws/iam", "aws/ec2/describe-iam-instance-profile-associations"))
    assert blamed(unread) == {"network.mount-target-sg-ingress"}
    assert not suspects(unread)


def test_a_bound_claim_clears_class_provisioner_and_credentials() -> None:
    hidden = (iam.no_instance_has_a_profile, iam.role_has_no_policy_for_efs, driver.controller_is_scaled_to_zero)
    world = world_of(data.access_point_user_does_not_own_its_root, *hidden, storage="dynamic")
    world.kube["storageclasses"] = []
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"permission.access-point-uid-mismatch"}
    assert latent(diagnosis) <= {"csi.controller-not-running", "permission.fsgroup-ineffective"}
    assert cleared_by(diagnosis, ["controller-running"], "volume-provisioned")
    unread = diagnosis_of(world, uncollected(world, "aws/iam", "cluster-resources/storage-classes"))
    assert blamed(unread) == {"permission.access-point-uid-mismatch"}
    assert not suspects(unread)


def test_a_bound_claim_says_nothing_of_the_mount() -> None:
    world = world_of(network.file_system_has_no_mount_target, storage="dynamic")
    assert world.claim["status"]["phase"] == "Bound"
    assert blamed(diagnosis_of(world)) == {"network.no-mount-target"}


# What the mount says.


def test_a_refusal_by_the_server_crossed_the_network() -> None:
    hidden = (*NETWORK, network.mount_target_is_being_created)
    diagnosis = diagnosis_of(world_of(mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous, *hidden))
    assert blamed(diagnosis) == {"efs.policy-requires-iam"}
    assert "network.mount-target-not-available" in latent(diagnosis)
    assert cleared_by(diagnosis, {"nfs-port-open", "node-egress-open", "network-acls-open"}, "nfs-answers")
    assert cleared_by(diagnosis, {"vpc-dns-support-on"}, "name-resolves")


def test_after_a_refusal_by_the_server_nobody_needs_to_look_at_the_network() -> None:
    world = world_of(mount.policy_admits_the_nodes_role_and_the_mount_is_anonymous)
    diagnosis = diagnosis_of(world, uncollected(world, "aws/ec2/", "aws/efs/describe-mount-targets"))
    assert blamed(diagnosis) == {"efs.policy-requires-iam"}
    assert not suspects(diagnosis) & (NETWORK_CHECKS | {"mount-target-in-zone", "name-resolves", "nfs-answers"})


def test_a_directory_that_the_server_does_not_find_clears_network_and_policy() -> None:
    hidden = (*NETWORK, mount.policy_admits_one_access_point)
    diagnosis = diagnosis_of(world_of(mount.handle_names_a_directory_that_is_not_there, *hidden))
    assert blamed(diagnosis) == {"mount.path-not-found"}
    assert cleared_by(diagnosis, {"nfs-port-open", "node-egress-open", "network-acls-open"}, "nfs-answers")
    assert cleared_by(diagnosis, {"file-system-policy-admits"}, "mount-admitted")


def test_a_name_that_does_not_resolve_says_nothing_of_the_port() -> None:
    world = world_of(network.vpc_answers_no_dns)
    diagnosis = diagnosis_of(world, uncollected(world, "aws/ec2/describe-security-groups"))
    assert causes_of(diagnosis) == {"network.vpc-dns-support-disabled"}
    assert {"nfs-port-open", "node-egress-open"} <= suspects(diagnosis)
    both = diagnosis_of(world_of(network.vpc_answers_no_dns, network.mount_target_admits_another_group))
    assert causes_of(both) == {"network.vpc-dns-support-disabled", "network.mount-target-sg-ingress"}


def test_what_the_driver_refuses_itself_has_not_come_to_the_wire_yet() -> None:
    alone = world_of(mount.attribute_is_unknown)
    assert blamed(diagnosis_of(alone)) == {"pv.volume-attribute-unsupported"}
    unread = diagnosis_of(alone, uncollected(alone, "aws/ec2/", "aws/iam/"))
    assert blamed(unread) == {"pv.volume-attribute-unsupported"}
    # What AWS shows to be shut stops the mount as soon as the volume is right: it is a cause of its own.
    both = diagnosis_of(world_of(mount.attribute_is_unknown, network.mount_target_admits_another_group))
    assert blamed(both) == {"pv.volume-attribute-unsupported", "network.mount-target-sg-ingress"}
    assert verdict_of(both, "mount-admitted").state is State.WAITING


def test_the_watchdogs_warning_clears_nothing() -> None:
    warning = 'Could not start amazon-efs-mount-watchdog, unrecognized init system "aws-efs-csi-dri"'
    world = healthy()
    unnoticed(world, network.mount_target_admits_another_group)
    mount_fails(world, f"{warning}\nb'mount.nfs4: mount system call failed'")
    assert causes_of(diagnosis_of(world)) == {"network.mount-target-sg-ingress"}
    assert says_nothing(warning)


def test_a_warning_about_the_mount_helpers_configuration_clears_nothing_and_blames_nothing() -> None:
    warning = "Warning: config file does not have fips_mode_enabled item in section mount."
    world = healthy()
    unnoticed(world, network.mount_target_admits_another_group)
    mount_fails(world, f"{warning}\nb'mount.nfs4: mount system call failed'")
    assert causes_of(diagnosis_of(world)) == {"network.mount-target-sg-ingress"}
    assert says_nothing(warning)


def says_nothing(warning: str) -> bool:
    """Whether a healthy world stays healthy with the line in the node plugin's log."""
    world = healthy()
    world.append_log(world.node_plugin, "efs-plugin", warning)
    diagnosis = diagnosis_of(world)
    return diagnosis.status is Status.HEALTHY and not latent(diagnosis)


# What AWS answers the controller.


@pytest.mark.parametrize("hidden", [iam.metadata_answers_one_hop_far, iam.metadata_is_switched_off])
def test_who_is_refused_by_aws_has_credentials(hidden: Change) -> None:
    diagnosis = diagnosis_of(world_of(iam.role_has_no_policy_for_efs, hidden, storage="dynamic"))
    assert blamed(diagnosis) == {"iam.role-without-policy"}
    assert cleared_by(diagnosis, ["instance-metadata-reachable"], "controller-has-credentials")


def test_after_a_refusal_by_aws_nobody_needs_to_look_where_credentials_come_from() -> None:
    world = world_of(iam.policy_lacks_create_access_point, storage="dynamic")
    world.aws["iam/list-instance-profiles"] = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    assert not suspects(diagnosis_of(world)) & {"profile-has-role", "role-trusts-ec2", "instance-profile-associated"}


@pytest.mark.parametrize("hidden", [iam.metadata_answers_one_hop_far, iam.metadata_is_switched_off])
def test_a_404_of_the_metadata_service_clears_hop_limit_and_endpoint(hidden: Change) -> None:
    diagnosis = diagnosis_of(world_of(iam.profile_holds_no_role, hidden, storage="dynamic"))
    assert blamed(diagnosis) == {"iam.instance-profile-without-role"}
    assert cleared_by(diagnosis, ["instance-metadata-reachable"], "instance-metadata-reachable")


@pytest.mark.parametrize("hidden", [iam.role_has_no_policy_for_efs, iam.another_policy_denies_efs])
def test_without_an_answer_of_the_metadata_service_no_policy_was_asked_yet(hidden: Change) -> None:
    alone = world_of(iam.metadata_answers_one_hop_far, storage="dynamic")
    unread = diagnosis_of(alone, uncollected(alone, "aws/iam/get-policy"))
    assert blamed(unread) == {"iam.imds-hop-limit"}
    # A policy that lacks the right stops it as soon as there are credentials: it is a cause of its own.
    both = diagnosis_of(world_of(iam.metadata_answers_one_hop_far, hidden, storage="dynamic"))
    assert "iam.imds-hop-limit" in blamed(both)
    assert blamed(both) - {"iam.imds-hop-limit"} <= {"iam.role-without-policy", "iam.explicit-deny"}
    assert verdict_of(both, "driver-requests-allowed").state is State.WAITING


# What the program says.


def test_permission_denied_after_a_mount_is_about_owners_and_not_about_iam_or_the_network() -> None:
    hidden = (*NETWORK, mount.role_may_not_mount, iam.no_instance_has_a_profile)
    world = world_of(data.fresh_file_system_belongs_to_root, *hidden, options=("iam",))
    world.claim["spec"]["accessModes"] = ["ReadWriteOnce"]
    world.volume["spec"]["capacity"]["storage"] = "1Gi"
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"permission.data-dir-not-writable"}
    assert {"iam.instance-profile-not-associated", "mount.iam-no-credentials"} <= latent(diagnosis)
    assert cleared_by(diagnosis, {*NETWORK_CHECKS, "node-has-credentials"}, "mount-admitted")
    unread = diagnosis_of(world, uncollected(world, "aws/ec2/", "aws/iam/list"))
    assert blamed(unread) == {"permission.data-dir-not-writable"}
    assert suspects(unread) <= {"volume-takes-writes"}


def test_a_lock_file_that_was_replaced_is_not_held() -> None:
    version = "3.5"
    replaced = line(version, 1.7, "warn", "A lockfile from a previous execution already existed. It was replaced")
    world = world_of(program.wal_cannot_be_repaired)
    name = world.pod["metadata"]["name"]
    world.logs = {k: f"{replaced}\n{t}" if k[1] == name else t for k, t in world.logs.items()}
    diagnosis = diagnosis_of(world)
    assert causes_of(diagnosis) == {"prometheus.wal-corruption"}
    assert cleared_by(diagnosis, ["single-instance"], "single-instance")


def test_a_container_that_was_killed_for_its_memory_had_its_storage() -> None:
    hidden = (data.fresh_file_system_belongs_to_root, data.policy_gives_no_right_to_write, *NETWORK)
    world = world_of(program.memory_limit_is_too_low, *hidden)
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"prometheus.oom-killed"}
    assert {"permission.data-dir-not-writable", "mount.read-only"} <= latent(diagnosis)
    assert cleared_by(diagnosis, ["data-owned", "volume-takes-writes"], "data-directory-writable")
    unread = diagnosis_of(world, uncollected(world, "aws/", "volumes/"))
    assert blamed(unread) == {"prometheus.oom-killed"}
    assert not suspects(unread)


def test_a_database_that_was_opened_clears_the_storage() -> None:
    world = healthy()
    running_unready(world, serving(world.shape.prometheus, on_nfs=True))
    unnoticed(world, data.fresh_file_system_belongs_to_root, data.policy_gives_no_right_to_write)
    diagnosis = diagnosis_of(world)
    assert not causes_of(diagnosis)
    assert {"permission.data-dir-not-writable", "mount.read-only"} <= latent(diagnosis)
    assert cleared_by(diagnosis, ["data-owned", "volume-takes-writes"], "data-directory-writable")
    assert diagnosis.deepest == ("ready-answered",)
    unread = diagnosis_of(world, uncollected(world, "volumes/", "aws/efs/describe-file-system-policy"))
    assert not suspects(unread) & {"data-owned", "parents-searchable", "volume-takes-writes"}


# What other objects show.


def test_where_another_pod_of_the_node_has_mounted_the_file_system_the_difference_is_in_the_volume() -> None:
    world = healthy()
    add_user_of_the_claim(world, world.node)
    mount.attribute_is_unknown(world)
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"pv.volume-attribute-unsupported"}
    assert are_fine(diagnosis, {"node-plugin-on-node", "node-plugin-runs", "driver-registered-on-node"})
    assert are_fine(diagnosis, {*NETWORK_CHECKS, "mount-target-in-zone", "node-has-credentials"})


def test_where_the_claim_works_on_another_node_the_difference_is_in_the_node() -> None:
    world = healthy()
    add_user_of_the_claim(world, world.all("nodes")[-1])
    driver.daemonset_does_not_tolerate_the_node(world)
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"csi.node-daemonset-not-on-node"}
    assert are_fine(diagnosis, {"volume-handle-valid", "mount-options-valid", "file-system-policy-admits"})
    assert are_fine(diagnosis, {"access-point-exists", "file-system-exists", "data-owned", "parents-searchable"})


def test_what_another_pod_of_the_node_has_mounted_since_needs_nobody_to_look_at_the_network() -> None:
    world = timing_out()
    user = add_user_of_the_claim(world, world.node)
    user["status"]["startTime"] = later(world.pod["status"]["startTime"])
    diagnosis = without_account(world)
    assert not suspects(diagnosis) & {*NETWORK_CHECKS, "route-exists", "mount-target-in-zone"}
    assert "pod monitoring/reports has mounted" in verdict_of(diagnosis, "nfs-port-open").says
    assert "file-system-policy-admits" in suspects(diagnosis)


def test_what_another_pod_mounted_before_says_nothing_of_the_network_now() -> None:
    world = timing_out()
    user = add_user_of_the_claim(world, world.node)
    user["status"]["startTime"] = "2020-01-01T00:00:00Z"
    assert "nfs-port-open" in suspects(without_account(world))


def test_a_pod_that_only_waits_beside_shows_nothing() -> None:
    world = timing_out()
    user = add_user_of_the_claim(world, world.node)
    user["status"] = {**world.pod["status"], "startTime": later(world.pod["status"]["startTime"])}
    assert "nfs-port-open" in suspects(without_account(world))


def test_what_another_pod_of_the_node_has_mounted_of_another_file_system_shows_nothing() -> None:
    world = timing_out()
    user = add_user_of_the_claim(world, world.node)
    user["status"]["startTime"] = later(world.pod["status"]["startTime"])
    claim, volume = copy.deepcopy(world.claim), copy.deepcopy(world.volume)
    claim["metadata"] |= {"name": "other", "uid": world.ids.uid()}
    claim["spec"]["volumeName"] = volume["metadata"]["name"] = "other"
    volume["spec"]["csi"]["volumeHandle"] = "fs-0123456789abcdef0"
    world.all("persistentvolumeclaims").append(claim)
    world.all("persistentvolumes").append(volume)
    for mounted in user["spec"]["volumes"]:
        if "persistentVolumeClaim" in mounted:
            mounted["persistentVolumeClaim"]["claimName"] = "other"
    assert "nfs-port-open" in suspects(without_account(world))


def test_what_works_on_another_node_needs_nobody_to_look_whether_the_file_system_exists() -> None:
    world = timing_out()
    user = add_user_of_the_claim(world, world.all("nodes")[-1])
    user["status"]["startTime"] = later(world.pod["status"]["startTime"])
    diagnosis = without_account(world)
    assert "file-system-exists" not in suspects(diagnosis)
    assert {"nfs-port-open", "route-exists"} <= suspects(diagnosis)


def test_where_no_other_pod_has_mounted_the_file_system_somebody_needs_to_look() -> None:
    found = suspects(without_account(timing_out()))
    assert {"nfs-port-open", "route-exists", "mount-target-in-zone", "file-system-exists"} <= found


def without_account(world: World) -> Diagnosis:
    """The diagnosis of one who may not look at EC2 and EFS."""
    return diagnosis_of(world, uncollected(world, "aws/ec2", "aws/efs"))


def timing_out() -> World:
    """A pod whose mount hangs, and nobody knows why."""
    world = healthy()
    mount.only_this_node_keeps_timing_out(world)
    return world


def later(text: str) -> str:
    return (parse_time(text) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_user_of_the_claim(world: World, node: Thing) -> Thing:
    """Another pod of the namespace, which runs on the node with the same claim."""
    pod = copy.deepcopy(world.pod)
    pod["metadata"] |= {"name": "reports", "uid": world.ids.uid(), "labels": {"app": "reports"}}
    pod["metadata"].pop("ownerReferences")
    pod["spec"]["nodeName"] = node["metadata"]["name"]
    pod["status"] = copy.deepcopy(healthy().pod["status"])
    world.all("pods").append(pod)
    return pod


def are_fine(diagnosis: Diagnosis, checks: Collection[str]) -> bool:
    states = {diagnosis.verdicts[check].state for check in checks}
    return states <= {State.PASS, State.SKIP, State.WAITING} and not suspects(diagnosis) & set(checks)


def test_a_node_that_lists_the_driver_clears_taints_and_zone_labels() -> None:
    world = world_of(network.mount_target_admits_another_group)
    world.daemonset["spec"]["template"]["spec"]["tolerations"] = []
    world.node["spec"]["taints"] = [{"key": "dedicated", "effect": "NoSchedule"}]
    world.node["metadata"]["labels"]["topology.kubernetes.io/zone"] = "local"
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"network.mount-target-sg-ingress"}
    assert cleared_by(diagnosis, ["driver-registered-on-node"], "driver-registered-on-node")


def test_nodes_without_disk_pressure_are_not_short_of_disk() -> None:
    world = world_of(program.file_system_is_full)
    for node in world.all("nodes"):
        node["status"]["capacity"]["ephemeral-storage"] = node["status"]["allocatable"]["ephemeral-storage"] = "7Gi"
    diagnosis = diagnosis_of(world)
    assert causes_of(diagnosis) == {"prometheus.no-space"}
    assert cleared_by(diagnosis, ["node-available"], "node-available")


def test_the_node_plugin_is_on_the_hosts_network_so_pod_networks_and_hop_limits_do_not_touch_mounts() -> None:
    world = healthy(options=("iam",))
    unnoticed(world, iam.metadata_answers_one_hop_far)
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for namespace in ("kube-system", world.namespace):
        named = {"name": "deny-all", "namespace": namespace, "uid": world.ids.uid(), "creationTimestamp": ago(900)}
        world.all("networkpolicies").append({"kind": "NetworkPolicy", "metadata": named, "spec": deny})
    for_pods = {"DeviceIndex": 1, "NetworkCardIndex": 0, "Status": "attached"}
    groups = [{"GroupId": "sg-0123456789abcdef0", "GroupName": "pods"}]
    instance = world.instance()
    instance["NetworkInterfaces"].append({**instance["NetworkInterfaces"][0], "Attachment": for_pods, "Groups": groups})
    network.mount_target_admits_another_group(world)
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"network.mount-target-sg-ingress"}
    assert latent(diagnosis) == {"iam.imds-hop-limit"}
    assert cleared_by(diagnosis, ["node-has-credentials"], "node-has-credentials")
    assert cleared_by(diagnosis, ["node-egress-open"], "node-egress-open")


def test_without_a_file_system_policy_no_policy_refuses() -> None:
    world = world_of(network.mount_target_admits_another_group, mount.role_may_not_mount, options=("iam",))
    not_found = {"Error": {"Code": "PolicyNotFound", "Message": "No file system policy attached."}}
    world.aws[f"efs/describe-file-system-policy/FileSystemId={world.file_system}"] = not_found
    diagnosis = diagnosis_of(world)
    assert blamed(diagnosis) == {"network.mount-target-sg-ingress"}
    assert latent(diagnosis) == set()
    assert {"file-system-policy-admits", "policy-allows-mount"} <= set(cleared(diagnosis))


def test_without_a_file_system_policy_root_is_not_squashed() -> None:
    world = world_of(data.root_is_nobody_to_the_file_system)
    not_found = {"Error": {"Code": "PolicyNotFound", "Message": "No file system policy attached."}}
    world.aws[f"efs/describe-file-system-policy/FileSystemId={world.file_system}"] = not_found
    diagnosis = diagnosis_of(world)
    assert "permission.root-squash" not in causes_of(diagnosis) | latent(diagnosis)
    assert diagnosis.deepest == ("data-directory-writable",)
