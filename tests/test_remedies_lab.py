"""Every remedy on a broken world: planned, agreed to, carried out, looked at again, and taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from awsworld import ACCOUNT_ID, Trouble
from commandline import Shell, missing
from commandshapes import RUN_BY, are_run, nowhere_run
from permits import rights_for
from remedylab import RemedyLab, lab_of_world
from sampling import REASON, one_in
from worlds.base import healthy
from worlds.fault import load
from worlds.faults_identity import add_identity_agents
from worlds.world import World

from efsdiag.changes import Write
from efsdiag.remedy_rules import load_remedies
from efsdiag.report.export import exported
from efsdiag.treat import carry_out
from efsdiag.treat.plan_file import read_plan
from efsdiag.writes import command_of

FAULTS = {f.name: f for f in load()}
Prepare = Callable[[World], None]


@dataclass(frozen=True)
class Round:
    """One broken world for one remedy."""

    fault: str
    mode: str
    prepare: Prepare | None = None
    """What the world has besides the fault."""
    also: bool = False
    """It mends what is wrong but not the cause."""
    binds: bool = False
    """What it writes is what the binder writes too, and is not compared."""

    def world(self) -> World:
        world = FAULTS[self.fault].world() if self.fault else healthy()
        if self.prepare:
            self.prepare(world)
        return world


def limited_plugin(world: World) -> None:
    limits = {"limits": {"memory": "64Mi"}}
    world.daemonset["spec"]["template"]["spec"]["containers"][0]["resources"] = limits
    for pod in world.driver_pods("efs-csi-node"):
        pod["spec"]["containers"][0]["resources"] = limits


def reserved_volume(world: World) -> None:
    reference = {"kind": "PersistentVolumeClaim", "namespace": world.namespace, "name": "prometheus-server"}
    world.volume["spec"]["claimRef"] = reference


def two_defaults(world: World) -> None:
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    own = world.get("storageclasses", "efs-sc")
    own["metadata"]["annotations"] = dict(mark)
    other = {**own, "metadata": {**own["metadata"], "name": "gp2", "uid": world.ids.uid(), "annotations": dict(mark)}}
    world.all("storageclasses").append({**other, "provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp2"}})


def controllers_on_one_node(world: World) -> None:
    for pod in world.driver_pods("efs-csi-controller"):
        pod["spec"]["nodeName"] = world.node["metadata"]["name"]


def deleting_class(world: World) -> None:
    world.volume["metadata"].setdefault("annotations", {})["pv.kubernetes.io/provisioned-by"] = "efs.csi.aws.com"
    world.volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"


def no_usable_profile(world: World) -> None:
    world.aws["iam/list-instance-profiles"] = {"InstanceProfiles": []}


def another_usable_profile(world: World) -> None:
    arn = f"arn:aws:iam::{world.account}:instance-profile/spare"
    role = world.aws[f"iam/get-role/RoleName={world.node_role}"]["Role"]
    profiles = world.aws["iam/list-instance-profiles"]["InstanceProfiles"]
    profiles.append({"InstanceProfileName": "spare", "Arn": arn, "Roles": [role]})


def no_role_of_the_driver(world: World) -> None:
    """The service account names a role that nobody has made yet."""
    for key in [k for k in world.aws if k.startswith("iam/") and k.endswith(f"RoleName={world.driver_role}")]:
        del world.aws[key]
    # Nothing in the account leads to its number any more, which is the server's own.
    account = world.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")
    told = [account["metadata"]["annotations"]]
    told += [e for p in world.driver_pods("efs-csi-controller") for e in p["spec"]["containers"][0]["env"]]
    for names in told:
        names |= {k: v.replace(world.account, ACCOUNT_ID) for k, v in names.items() if ":role/" in v}


def no_backup(world: World) -> None:
    world.aws[f"efs/describe-backup-policy/FileSystemId={world.file_system}"] = {"BackupPolicy": {"Status": "DISABLED"}}


ROUNDS = {
    "raise-volume-capacity": Round(
        "pvc.capacity-exceeds-pv:volume_is_smaller_than_the_claim", "pvc.capacity-exceeds-pv"
    ),
    "add-access-modes": Round("pvc.access-mode-mismatch:volume_lacks_the_access_mode", "pvc.access-mode-mismatch"),
    "set-volume-class": Round("pvc.storageclass-mismatch:volume_has_another_class", "pvc.storageclass-mismatch"),
    "label-volume": Round("pvc.selector-mismatch:claim_selects_a_label_that_the_volume_lacks", "pvc.selector-mismatch"),
    "free-released-volume": Round("pv.released:volume_still_refers_to_the_deleted_claim", "pv.released", binds=True),
    "retain-volume": Round("", "pv.reclaim-delete", deleting_class, also=True),
    "sign-in-to-mount": Round(
        "efs.policy-requires-iam:policy_admits_the_nodes_role_and_the_mount_is_anonymous", "efs.policy-requires-iam"
    ),
    "drop-invalid-mount-options": Round("mount.option-invalid:volume_asks_for_nfs_3", "mount.option-invalid"),
    "mount-for-writing": Round("mount.read-only:volume_has_the_option_ro-3.14", "mount.read-only"),
    "create-storage-class": Round(
        "storageclass.not-found:claim_names_a_class_that_does_not_exist-dynamic", "storageclass.not-found"
    ),
    "mark-default-class": Round(
        "storageclass.no-default:claim_names_no_class_and_none_is_default-dynamic", "storageclass.no-default"
    ),
    "unmark-default-classes": Round(
        "pvc.capacity-exceeds-pv:volume_is_smaller_than_the_claim",
        "storageclass.multiple-default",
        two_defaults,
        also=True,
    ),
    "mount-existing-claim": Round("pod.pvc-not-found:pod_names_a_claim_with_a_typo", "pod.pvc-not-found"),
    "create-claim": Round("pod.pvc-not-found:claim_was_never_made", "pod.pvc-not-found", reserved_volume),
    "raise-quota": Round("pod.quota-exceeded:quota_is_used_up", "pod.quota-exceeded"),
    "uncordon-node": Round("pod.node-unschedulable:workers_are_cordoned", "pod.node-unschedulable"),
    "tolerate-taint": Round("pod.untolerated-taint:all_workers_are_dedicated", "pod.untolerated-taint"),
    "create-driver-object": Round("csi.driver-object-missing:driver_object_was_deleted", "csi.driver-object-missing"),
    "let-node-plugin-stand-on-all-nodes": Round(
        "csi.node-daemonset-not-on-node:daemonset_does_not_tolerate_the_node", "csi.node-daemonset-not-on-node"
    ),
    "raise-node-plugin-memory": Round(
        "csi.node-plugin-oom:node_plugin_is_killed_for_its_memory", "csi.node-plugin-oom", limited_plugin
    ),
    "spread-controller": Round("", "csi.controller-replicas-colocated", controllers_on_one_node, also=True),
    "restart-controller": Round(
        "iam.irsa-pod-not-restarted:controller_is_older_than_the_annotation-dynamic-eks-v1.33.4",
        "iam.irsa-pod-not-restarted",
    ),
    "run-as-ordinary-user": Round(
        "container.run-as-non-root-uid0:chart_runs_as_root_against_its_rule", "container.run-as-non-root-uid0"
    ),
    "end-old-pod-first": Round(
        "helm.rolling-update-overlap:rolling_update_starts_the_new_pod_first", "helm.rolling-update-overlap"
    ),
    "put-data-on-volume": Round(
        "prometheus.tsdb-path-off-volume:data_path_is_beside_the_mount", "prometheus.tsdb-path-off-volume"
    ),
    "raise-memory-limit": Round("prometheus.oom-killed:memory_limit_is_too_low", "prometheus.oom-killed"),
    "give-start-more-time": Round(
        "prometheus.startup-probe-killed:liveness_probe_kills_the_replay", "prometheus.startup-probe-killed"
    ),
    "stop-changing-owners": Round(
        "grafana.init-chown-denied:grafanas_chown_is_refused-dynamic", "grafana.init-chown-denied"
    ),
    "run-as-owner": Round(
        "permission.data-dir-not-writable:data_directory_belongs_to_another_user-directories",
        "permission.data-dir-not-writable",
    ),
    "mount-as-owner": Round(
        "permission.data-dir-not-writable:data_directory_belongs_to_another_user-directories",
        "permission.data-dir-not-writable",
    ),
    "allow-nfs-in-network-acls": Round("network.nacl:network_acl_denies_nfs", "network.nacl"),
    "allow-nfs-from-nodes": Round(
        "network.mount-target-sg-ingress:mount_target_admits_udp_only", "network.mount-target-sg-ingress"
    ),
    "let-nfs-out-of-nodes": Round("network.node-sg-egress:nodes_may_only_speak_https", "network.node-sg-egress"),
    "switch-on-vpc-dns-support": Round(
        "network.vpc-dns-support-disabled:vpc_answers_no_dns", "network.vpc-dns-support-disabled"
    ),
    "switch-on-vpc-dns-hostnames": Round(
        "network.vpc-dns-hostnames-disabled:vpc_gives_no_host_names", "network.vpc-dns-hostnames-disabled"
    ),
    "create-mount-target": Round("network.no-mount-target:file_system_has_no_mount_target", "network.no-mount-target"),
    "allow-nfs-over-ipv6": Round("network.ipv6:group_admits_nfs_over_ipv4_only", "network.ipv6"),
    "switch-on-backups": Round("", "efs.no-backup", no_backup, also=True),
    "associate-pod-identity": Round(
        "iam.pod-identity-missing:pod_identity_has_no_association-dynamic-eks-v1.33.4",
        "iam.pod-identity-missing",
        add_identity_agents,
    ),
    "associate-instance-profile": Round(
        "iam.instance-profile-not-associated:no_instance_has_a_profile-dynamic", "iam.instance-profile-not-associated"
    ),
    "create-instance-profile": Round(
        "iam.instance-profile-not-associated:no_instance_has_a_profile-dynamic",
        "iam.instance-profile-not-associated",
        no_usable_profile,
    ),
    "add-role-to-profile": Round(
        "iam.instance-profile-without-role:profile_holds_no_role-dynamic",
        "iam.instance-profile-without-role",
        another_usable_profile,
    ),
    "attach-driver-policy": Round(
        "iam.role-without-policy:role_has_no_policy_for_efs-dynamic", "iam.role-without-policy"
    ),
    "attach-client-policy": Round("iam.client-mount-missing:role_may_not_mount", "iam.client-mount-missing"),
    "raise-hop-limit": Round("iam.imds-hop-limit:metadata_answers_one_hop_far-dynamic", "iam.imds-hop-limit"),
    "switch-on-metadata": Round("iam.imds-disabled:metadata_is_switched_off-dynamic", "iam.imds-disabled"),
    "trust-ec2": Round("iam.trust-policy-not-ec2:role_trusts_lambda_only-dynamic", "iam.trust-policy-not-ec2"),
    "register-oidc-provider": Round(
        "iam.irsa-oidc-provider-missing:account_has_no_oidc_provider-dynamic-eks-v1.33.4",
        "iam.irsa-oidc-provider-missing",
    ),
    "create-service-account-role": Round(
        "iam.irsa-trust-mismatch:role_trusts_another_service_account-dynamic-eks-v1.33.4",
        "iam.irsa-trust-mismatch",
        no_role_of_the_driver,
    ),
    "trust-service-account": Round(
        "iam.irsa-trust-mismatch:role_trusts_another_service_account-dynamic-eks-v1.33.4", "iam.irsa-trust-mismatch"
    ),
    "give-service-account-a-role": Round(
        "iam.irsa-annotation-missing:service_account_names_no_role-dynamic-eks-v1.33.4", "iam.irsa-annotation-missing"
    ),
}
WITHOUT = {
    **dict.fromkeys(
        (
            "install-prometheus",
            "install-driver",
            "create-file-system",
            "write-through-the-claim",
            "create-storage-for-claim",
        ),
        "it makes what settings wish for: test_install.py carries it out and takes it back",
    ),
    **dict.fromkeys(
        ("let-process-through", "give-data-directory", "give-named-files"),
        "this lab has no kubelet for its Job; test_field_story.py has its round, with real files",
    ),
    "look-inside-the-volume": "it mends nothing; test_probing.py carries it out",
    "ask-from-the-node": "it mends nothing; test_probing_network.py carries it out",
}
"""Remedies without a round, and why."""


def test_every_remedy_has_a_round_or_a_reason() -> None:
    assert set(ROUNDS) | set(WITHOUT) == set(load_remedies())
    assert not set(ROUNDS) & set(WITHOUT)


ALWAYS_BY_COMMAND = {"allow-nfs-from-nodes", "label-volume", "create-claim", "mount-as-owner", "trust-ec2"}
"""Remedies whose printed commands every run carries out; the programs take longer than all the rest of a round."""


@pytest.mark.parametrize("remedy", one_in(5, ROUNDS, always=ALWAYS_BY_COMMAND))
def test_a_remedy_mends_its_mode_and_undo_takes_it_back(
    remedy: str, tmp_path: Path, subtests: pytest.Subtests, request: pytest.FixtureRequest
) -> None:
    """With no other rights than `efsdiag permissions` derives: to plan, and then for the plan's remedies to write."""
    told = ROUNDS[remedy]
    with lab_of_world(told.world(), tmp_path) as lab:
        lab.rights = rights_for()
        before = lab.declared()
        plan = lab.plan("--remedy", remedy, *(("--also", told.mode) if told.also else ()))
        chosen = [o for o in plan["chosen"] if o["remedy"] == remedy]
        assert [o["mode"] for o in chosen] == [told.mode], lab.printed
        assert lab.declared() == before
        every = request.config.getoption("--all") or remedy in ALWAYS_BY_COMMAND
        made = after_commands(remedy, lab, before, subtests, every)
        lab.rights = rights_for(*(o["remedy"] for o in plan["chosen"]))
        assert lab.apply(plan["digest"]) == 0, lab.printed
        if made is not None:
            written = without_ids(lab.written)
            assert {k: v for k, v in made.items() if written.get(k) != v} == {}
            assert made == written
        assert f"worked: {chosen[0]['check']}" in lab.printed
        assert_rehearsed(lab)
        assert (lab.declared() == before) is told.binds
        assert told.mode not in lab.causes()
        for_good = all(c["undo"] is None for o in plan["chosen"] for c in o["changes"])
        # What cannot be undone leaves undo with nothing to do, which it says.
        assert lab.undo(plan["digest"]) == (2 if for_good else 0), lab.printed
        assert_taken_back(lab, before, [c for o in plan["chosen"] for c in o["changes"]])


UNKNOWN_YET = (
    "Value (efsdiag-efs-csi-driver) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
)


def test_a_profile_that_ec2_does_not_know_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out, "PAUSES_S", (0.01, 0.02, 0.03))
    with lab_of_world(ROUNDS["create-instance-profile"].world(), tmp_path) as lab:
        plan = lab.plan("--remedy", "create-instance-profile")
        refused = [Trouble("InvalidParameterValue", says=UNKNOWN_YET)] * 2
        lab.aws.meddle = lambda asked: (
            refused.pop() if refused and asked.operation == "AssociateIamInstanceProfile" else None
        )
        assert lab.apply(plan["digest"]) == 0, lab.printed
        assert lab.printed.count("since AWS does not know yet what was just made") == 2
        assert "Invalid IAM Instance Profile name" in lab.printed
        assert "worked: instance-profile-associated" in lab.printed
        made = [a.operation for a in lab.aws.asked if a.mutates and "efsdiag/" in a.agent]
        assert made.count("AssociateIamInstanceProfile") == 3
        assert made.count("CreateInstanceProfile") == 1


def test_a_profile_that_ec2_never_knows_ends_the_run_with_an_account_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry_out, "PAUSES_S", (0.01,))
    with lab_of_world(ROUNDS["create-instance-profile"].world(), tmp_path) as lab:
        before = lab.declared()
        plan = lab.plan("--remedy", "create-instance-profile")
        refused = Trouble("InvalidParameterValue", says=UNKNOWN_YET)
        lab.aws.meddle = lambda asked: refused if asked.operation == "AssociateIamInstanceProfile" else None
        assert lab.apply(plan["digest"]) == 5
        assert "failed: associate instance" in lab.printed
        assert lab.undo(plan["digest"]) == 0, lab.printed
        assert lab.declared() == before


def after_commands(remedy: str, lab: RemedyLab, before: dict[str, Any], subtests: pytest.Subtests, every: bool) -> Any:
    """What the world is like after the printed commands of plan.json, run by the real programs and taken back by those
    of the undo; None where they are run for another remedy, or the programs are not there.
    """
    changes = read_plan(lab.folder / "plan.json").changes
    writes = [write for change in changes for write in (change.write, change.undo) if write]
    assert nowhere_run(writes) == []
    if not are_run(remedy, writes):
        return None
    made = None
    with subtests.test(msg="the printed commands"):
        if not every:
            pytest.skip(REASON)
        if missing():
            pytest.skip(f"the printed commands of {remedy} are not run: {missing()}")
        # Whoever runs the commands may do more than efsdiag, which has no right to list what it deletes.
        lab.kube.grant_only(EVERYTHING)
        shell = Shell(lab.folder / "home", lab.kube.kubeconfig(lab.folder), lab.aws.url, lab.world.region)
        volumes = lab.all("persistentvolumes")
        for change in changes:
            run(shell, change.write)
        made = without_ids(lab.declared())
        for change in reversed(changes):
            if change.undo:
                run(shell, change.undo)
        if not all(change.undo for change in changes):
            for volume in volumes:
                lab.kube.add(volume)
        assert lab.declared() == before
        lab.kube.requests.clear()
    return made


EVERYTHING = {"metadata": {}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}


def run(shell: Shell, write: Write) -> None:
    done = shell(command_of(write))
    assert done.returncode == 0, command_of(write) + done.stderr


def without_ids(declared: dict[str, Any]) -> Any:
    """The world without the ids that AWS chooses."""
    return json.loads(re.sub(r"(fsap|\ba)-[0-9a-f]{17}", r"\1-", json.dumps(declared)))


def test_only_remedies_that_have_a_round_run_commands() -> None:
    assert set(RUN_BY.values()) <= set(ROUNDS)


@pytest.mark.skipif(bool(missing("aws")), reason=missing("aws"))
def test_the_script_waits_for_a_profile_that_ec2_does_not_know_yet(tmp_path: Path) -> None:
    with lab_of_world(ROUNDS["create-instance-profile"].world(), tmp_path) as lab:
        lab.plan("--remedy", "create-instance-profile")
        refused = [Trouble("InvalidParameterValue", says=UNKNOWN_YET)]
        lab.aws.meddle = lambda asked: (
            refused.pop() if refused and asked.operation == "AssociateIamInstanceProfile" else None
        )
        shell = Shell(tmp_path / "home", lab.kube.kubeconfig(tmp_path), lab.aws.url, lab.world.region)
        (tmp_path / "home" / "sleep").symlink_to("/bin/true")
        done = shell(exported(read_plan(tmp_path / "plan.json"), "commands"))
        assert done.returncode == 0, done.stderr
        assert "Invalid IAM Instance Profile name" in done.stderr
        assert [p for _, p in lab.declared()["aws associations"] if p.endswith("/efsdiag-efs-csi-driver")]


def assert_rehearsed(lab: RemedyLab) -> None:
    """The API server was asked beforehand about each change of Kubernetes that depends on no change before it."""
    asked = [r for r in lab.kube.mutations if not r.resource.startswith("leases")]
    rehearsed = {(r.verb, r.resource, str(r.body)) for r in asked if r.dry_run}
    made = {(r.verb, r.resource, str(r.body)) for r in asked if not r.dry_run and "::fsap-" not in str(r.body)}
    assert made <= rehearsed


def assert_taken_back(lab: RemedyLab, before: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    """The world is as before, but for the volumes that the driver made meanwhile, and what says why it has no undo."""
    assert all(change["undo"] or change["residue"] for change in changes)
    provisioned = f"persistentvolumes//{lab.example.volume['metadata']['name']}"
    after = {k: v for k, v in lab.declared().items() if k in before or k != provisioned}
    assert after == before
