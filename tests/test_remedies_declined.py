"""Where a remedy declines: it would have to guess, could lose data, or would not last. Faults with one more thing."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from remedylab import settle_template
from worlds.base import entry
from worlds.bundle import encoded, files_of
from worlds.fault import load
from worlds.ids import NOW
from worlds.look import rulebook
from worlds.world import Thing, World, metadata

from efsdiag.changes import Choices, Plan
from efsdiag.gather import Gather
from efsdiag.investigate import investigate
from efsdiag.remedy_rules import load_remedies
from efsdiag.treat.planning import place_of, plan_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

FAULTS = {f.name: f for f in load()}
TOO_SMALL = "pvc.capacity-exceeds-pv:volume_is_smaller_than_the_claim"
RELEASED = "pv.released:volume_still_refers_to_the_deleted_claim"
NO_CLASS = "storageclass.not-found:claim_names_a_class_that_does_not_exist-dynamic"
NO_DEFAULT = "storageclass.no-default:claim_names_no_class_and_none_is_default-dynamic"
TYPO = "pod.pvc-not-found:pod_names_a_claim_with_a_typo"
NEVER_MADE = "pod.pvc-not-found:claim_was_never_made"
TAINTED = "pod.untolerated-taint:all_workers_are_dedicated"
CORDONED = "pod.node-unschedulable:workers_are_cordoned"
OOM = "prometheus.oom-killed:memory_limit_is_too_low"
OWNER = "permission.data-dir-not-writable:data_directory_belongs_to_another_user-directories"
READ_ONLY = "mount.read-only:volume_has_the_option_ro-3.14"
ANONYMOUS = "efs.policy-requires-iam:policy_admits_the_nodes_role_and_the_mount_is_anonymous"
OVERLAP = "helm.rolling-update-overlap:rolling_update_starts_the_new_pod_first"
NO_PROFILE = "iam.instance-profile-not-associated:no_instance_has_a_profile-dynamic"
ASSOCIATED = "iam.pod-identity-missing:role_does_not_trust_pod_identity-dynamic-eks-v1.33.4"


def plan_with(fault: str, change: Callable[[World], None]) -> Plan:
    world = FAULTS[fault].world()
    settle_template(world)
    change(world)
    source = BundleSource.of(Memory(encoded(files_of(world))))
    found = investigate(rulebook(), source, world.asked, NOW, strict=True)
    gather = Gather(rulebook().evidence, source, {"subject": found.subject, "now": NOW}, strict=True)
    place = place_of(source, world.account, world.region, "")
    return plan_of(found.diagnosis, found.asked, gather, load_remedies(), place, NOW, Choices(likely=True))


def as_it_is(world: World) -> None:
    """The fault declines by itself."""


def deleted_with_its_claim(world: World) -> None:
    world.volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete"


def of_ebs(world: World) -> None:
    world.volume["spec"]["csi"] = {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-0a"}


def shared_directory(world: World) -> None:
    other = copy.deepcopy(world.volume)
    other["metadata"] |= {"name": "reports", "uid": world.ids.uid(), "labels": {}}
    other["spec"]["claimRef"] = {"namespace": "shop", "name": "reports", "uid": world.ids.uid()}
    other["status"]["phase"] = "Bound"
    world.all("persistentvolumes").append(other)


def two_classes(world: World) -> None:
    own = world.get("storageclasses", "efs-sc")
    parameters = {**own["parameters"], "fileSystemId": "fs-0123456789abcdef0"}
    world.all("storageclasses").append({**own, "metadata": metadata(world, "efs-other"), "parameters": parameters})


def says_nothing_of_efs(world: World) -> None:
    world.claim["spec"] |= {"storageClassName": "gp3", "accessModes": ["ReadWriteOnce"]}


def claim_in_use(world: World) -> None:
    other = copy.deepcopy(world.pod)
    other["metadata"] = metadata(world, "reports-0", world.namespace, labels={"app": "reports"})
    other["spec"]["volumes"][1]["persistentVolumeClaim"] = {"claimName": "prometheus-server"}
    world.all("pods").append(other)


def two_kinds_of_taints(world: World) -> None:
    world.node["spec"]["taints"] = [{"key": "team", "value": "data", "effect": "NoSchedule"}]


def made_by_an_operator(world: World) -> None:
    owner = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "name": "main", "uid": "u"}
    world.deployment["metadata"]["ownerReferences"] = [{**owner, "controller": True}]


def no_limit(world: World) -> None:
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["resources"] = {}


def files_of_root_inside(world: World) -> None:
    volume: Thing = world.volumes[world.volume["metadata"]["name"]]
    volume["entries"].append(entry("/prometheus/server/wal", 0, mode="0700"))


def fixed_read_only(world: World) -> None:
    world.volume["spec"]["csi"]["readOnly"] = True


def without_tls(world: World) -> None:
    world.volume["spec"]["csi"]["volumeAttributes"] = {"encryptInTransit": "false"}


def two_replicas(world: World) -> None:
    world.deployment["spec"]["replicas"] = 2


def nodes_not_ready(world: World) -> None:
    for node in world.all("nodes"):
        ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
        ready["status"] = "Unknown"


def many_profiles(world: World) -> None:
    listed = world.aws["iam/list-instance-profiles"]["InstanceProfiles"]
    listed += [{**listed[0], "InstanceProfileName": f"p{n}", "Roles": []} for n in range(30)]


@pytest.mark.parametrize(
    ("fault", "change", "remedy", "word"),
    [
        (TOO_SMALL, deleted_with_its_claim, "raise-volume-capacity", "would lose its data"),
        (TOO_SMALL, of_ebs, "raise-volume-capacity", "not of EFS"),
        (RELEASED, shared_directory, "free-released-volume", "reports holds the same directory"),
        (RELEASED, deleted_with_its_claim, "free-released-volume", "would lose its data"),
        (NO_CLASS, two_classes, "create-storage-class", "do not agree"),
        (NO_CLASS, says_nothing_of_efs, "create-storage-class", "nothing says"),
        (NO_DEFAULT, two_classes, "mark-default-class", "for you to say"),
        (TYPO, claim_in_use, "mount-existing-claim", "mounted by pod reports-0"),
        (NEVER_MADE, deleted_with_its_claim, "create-claim", "no volumes wait"),
        (TAINTED, two_kinds_of_taints, "tolerate-taint", "2 different sets"),
        (CORDONED, nodes_not_ready, "uncordon-node", "no node"),
        (OOM, made_by_an_operator, "raise-memory-limit", "Prometheus main"),
        (OOM, no_limit, "raise-memory-limit", "no memory limit"),
        (OWNER, files_of_root_inside, "run-as-owner", "could write all of it"),
        (OWNER, files_of_root_inside, "mount-as-owner", "could write all of it"),
        (READ_ONLY, fixed_read_only, "mount-for-writing", "cannot be changed"),
        (READ_ONLY, made_by_an_operator, "mount-for-writing", "Prometheus main"),
        (ANONYMOUS, without_tls, "sign-in-to-mount", "without TLS"),
        (OVERLAP, two_replicas, "end-old-pod-first", "2 replicas"),
        (ASSOCIATED, as_it_is, "associate-pod-identity", "has an association"),
        (NO_PROFILE, many_profiles, "create-instance-profile", "31 instance profiles"),
    ],
)
def test_a_remedy_declines_in_words(fault: str, change: Callable[[World], None], remedy: str, word: str) -> None:
    plan = plan_with(fault, change)
    assert remedy not in {o.remedy for o in (*plan.chosen, *plan.alternatives)}
    told = {r: why for _, r, why in plan.declined}
    assert word in told.get(remedy, ""), told
