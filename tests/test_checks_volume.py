"""The checks of rules/volume.yaml: claims that exist and are bound, what they wait for, and the fields of volumes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from values import (
    CLAIM,
    CLAIM_REF,
    FILE_SYSTEM,
    NAME,
    Object,
    World,
    claim,
    efs_volume,
    heard,
    modes,
    not_scheduled,
    pod,
    provisioning,
    said,
    storage_class,
    subject,
    volume,
)
from worlds.base import healthy
from worlds.look import diagnosis_of
from worlds.stages import unbound
from worlds.world import Shape

from efsdiag.checks.handle import mount_options_valid, transit_encrypted, volume_handle_valid
from efsdiag.checks.volume import (
    claim_bound,
    claim_exists,
    claim_kept,
    claim_volume_present,
    consumer_scheduled,
    default_class_exists,
    one_default_class,
    provisioner_known,
    storage_class_exists,
    volume_fits_claim,
    volume_mode_supported,
    volume_provisioned,
)
from efsdiag.investigate import investigate
from efsdiag.model import State, Status, Unread, Verdict
from efsdiag.rules import Rulebook
from efsdiag.semantics.claims import SELECTED_NODE, Claim, Provisioning
from efsdiag.semantics.driver import DriverVersion

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LATER = storage_class(volumeBindingMode="WaitForFirstConsumer")
V3 = DriverVersion("v3.0.0", (3, 0, 0))
V2 = DriverVersion("v2.1.0", (2, 1, 0))


def at_node(of: Claim) -> Claim:
    """The claim for which the scheduler has chosen a node."""
    assert of.object is not None
    of.object["metadata"]["annotations"] = {SELECTED_NODE: "worker1"}
    return of


def wants(name: str | None, **spec: Any) -> Claim:
    """A Pending claim of the class `name`; None for one that names no class."""
    return claim(storageClassName=name, **spec)


def by_hand(of: Claim, by: Object | None = None) -> Provisioning:
    return provisioning(of, by, dynamic=False)


# ---- the claim itself


def test_claim_exists_passes() -> None:
    assert claim_exists(subject(), (claim(),)).state is State.PASS


def test_claim_exists_does_not_apply_to_a_pod_without_claims() -> None:
    assert claim_exists(subject(), ()).state is State.SKIP


def test_claim_exists_fails_for_the_one_that_is_missing_and_names_its_nearest_neighbour() -> None:
    both = (claim("other"), claim("prometheus-sever", exists=False))
    verdict = claim_exists(subject(), both, pod(node=None), None, None, ["grafana", CLAIM, "other"])
    assert modes(verdict) == ["pod.pvc-not-found"]
    assert verdict.says.startswith("the pod mounts claim prometheus-sever, which does not exist in monitoring")
    assert CLAIM in verdict.says
    assert "grafana" not in verdict.says


def test_claim_exists_fails_for_each_one_that_is_missing() -> None:
    both = (claim("one", exists=False), claim("two", exists=False))
    assert modes(claim_exists(subject(), both)) == ["pod.pvc-not-found"] * 2


def in_default(name: str) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}}


@pytest.mark.parametrize("neighbours", [[], ["grafana"]], ids=["empty-namespace", "unrelated-claim-beside-it"])
def test_claim_exists_finds_the_claim_in_another_namespace(neighbours: list[str]) -> None:
    missing = (claim(exists=False),)
    verdict = claim_exists(subject(), missing, pod(node=None), None, [in_default(CLAIM)], neighbours)
    assert modes(verdict) == ["helm.existing-claim-in-other-namespace"]
    assert verdict.says == f"claim {CLAIM} is in namespace default; the pod is in monitoring"


def test_claim_exists_takes_a_near_name_in_the_namespace_for_what_was_meant() -> None:
    missing = (claim("prometheus-sever", exists=False),)
    verdict = claim_exists(subject(), missing, pod(node=None), None, [in_default("prometheus-sever")], [CLAIM])
    assert modes(verdict) == ["pod.pvc-not-found"]


def test_claim_exists_needs_no_namesakes_to_be_readable_and_does_not_call_the_namespace_empty() -> None:
    verdict = claim_exists(subject(), (claim(exists=False),), pod(node=None), None, Unread("no"), Unread("no"))
    assert modes(verdict) == ["pod.pvc-not-found"]
    assert "no claim at all" not in verdict.says
    assert "has no claim at all" in claim_exists(subject(), (claim(exists=False),), pod(node=None), None, None, []).says


def test_claim_exists_blames_the_template_that_names_the_claim() -> None:
    deployment = {"kind": "Deployment", "metadata": {"name": "prometheus", "namespace": "monitoring"}}
    verdict = claim_exists(subject(), (claim(exists=False),), pod(node=None), deployment)
    assert str(verdict.findings[0].object) == "Deployment/monitoring/prometheus"


def test_a_claim_that_is_missing_under_a_scheduled_pod_was_not_collected() -> None:
    verdict = claim_exists(subject(), (claim(exists=False),), pod(), None, [], [])
    assert verdict.state is State.UNKNOWN
    assert "could not have been scheduled" in verdict.says


def test_claim_exists_is_unknown_where_the_scheduler_saw_the_claim() -> None:
    waits = pod(node=None, status=not_scheduled("pod has unbound immediate PersistentVolumeClaims"))
    assert claim_exists(subject(), (claim(exists=False),), waits).state is State.UNKNOWN


def test_claim_kept_passes_skips_and_fails() -> None:
    going = claim()
    assert going.object is not None
    going.object["metadata"]["deletionTimestamp"] = "2026-11-21T06:10:00Z"
    assert claim_kept((claim(),)).state is State.PASS
    assert claim_kept((claim(exists=False),)).state is State.SKIP
    verdict = claim_kept((claim("other"), going), {"metadata": {"name": "p"}, "spec": {}})
    assert modes(verdict) == ["pod.pvc-being-deleted"]
    assert verdict.says == f"claim {CLAIM} is being deleted since 2026-11-21T06:10:00Z"


def test_a_claim_that_is_being_deleted_stays_while_a_pod_refers_to_it() -> None:
    going = claim()
    assert going.object is not None
    going.object["metadata"]["deletionTimestamp"] = "2026-11-21T06:10:00Z"
    used, unseen = claim_kept((going,), pod()), claim_kept((going,))
    assert modes(used) == modes(unseen) == ["pvc.terminating"]
    assert used.says.endswith("and stays as long as pod prometheus-server-0 refers to it")
    assert (used.findings[0].sure, unseen.findings[0].sure) == (True, False)


def test_claim_volume_present_passes_and_skips() -> None:
    assert claim_volume_present((claim(bound_to="pv"),), {"pv": volume("pv")}).state is State.PASS
    assert claim_volume_present((claim(),), {}).state is State.SKIP


@pytest.mark.parametrize(("phase", "sure"), [("Lost", True), ("Bound", False)])
def test_claim_volume_present_is_sure_only_of_a_claim_that_kubernetes_calls_lost(phase: str, sure: bool) -> None:
    verdict = claim_volume_present((claim(bound_to="pv", phase=phase),), {"pv": None})
    assert modes(verdict) == ["pod.pvc-pv-gone"]
    assert verdict.findings[0].sure is sure


def test_claim_volume_present_does_not_apply_to_a_pending_claim_that_names_its_volume() -> None:
    assert claim_volume_present((claim(volumeName="pv"),), {"pv": None}).state is State.SKIP


# ---- bound


def test_claim_bound_passes_skips_and_waits() -> None:
    assert claim_bound((claim(bound_to="pv"),), ()).state is State.PASS
    assert claim_bound((), ()).state is State.SKIP
    assert claim_bound((claim(exists=False),), ()).state is State.WAITING


def test_claim_bound_fails_for_a_claim_that_stays_pending() -> None:
    verdict = claim_bound((claim(),), (by_hand(claim()),))
    assert modes(verdict) == ["pod.unbound-immediate-pvc"]
    assert verdict.says == f"claim {CLAIM} is Pending"
    lost = claim(bound_to="gone", phase="Lost")
    assert claim_bound((lost,), (by_hand(lost),)).says == f"claim {CLAIM} is Lost"


def test_claim_bound_waits_for_a_first_consumer_which_is_normal() -> None:
    verdict = claim_bound((claim(),), (provisioning(claim(), LATER),))
    assert verdict.state is State.WAITING
    assert "WaitForFirstConsumer" in verdict.says


def test_claim_bound_fails_once_the_scheduler_has_chosen_a_node() -> None:
    chosen = at_node(claim())
    assert claim_bound((chosen,), (provisioning(chosen, LATER),)).state is State.FAIL


def test_claim_bound_names_the_broken_claim_and_not_the_one_that_waits_for_its_consumer() -> None:
    normal, broken, fine = claim("normal"), claim("broken"), claim("fine", bound_to="pv")
    verdict = claim_bound((fine, normal, broken), (provisioning(normal, LATER), by_hand(broken)))
    assert verdict.says == "claim broken is Pending"


def test_consumer_scheduled_skips_waits_and_fails() -> None:
    waits = (provisioning(claim(), LATER),)
    assert consumer_scheduled((provisioning(claim()),), pod()).state is State.SKIP
    assert consumer_scheduled((provisioning(at_node(claim()), LATER),), pod()).state is State.SKIP
    assert consumer_scheduled(waits, None).state is State.WAITING
    assert consumer_scheduled(waits, pod(node=None)).state is State.WAITING
    verdict = consumer_scheduled(waits, pod())
    assert modes(verdict) == ["pvc.waiting-first-consumer"]
    assert verdict.findings[0].object == CLAIM_REF


# ---- volumes made by hand


def fits(of: Claim, *volumes: Object, by: Object | None = None) -> Verdict:
    return volume_fits_claim((by_hand(of, by),), list(volumes))


def test_volume_fits_claim_passes_where_one_does() -> None:
    verdict = fits(claim(), volume("other", capacity={"storage": "1Gi"}), volume("free"))
    assert verdict.state is State.PASS
    assert verdict.says == f"volume free fits claim {CLAIM}"


def test_volume_fits_claim_does_not_apply_to_a_claim_that_a_provisioner_serves() -> None:
    small = volume(CLAIM, capacity={"storage": "1Gi"})
    assert volume_fits_claim((provisioning(claim(storageClassName="efs-sc")),), [small]).state is State.SKIP


BOUND_TO_OTHER = {"namespace": "shop", "name": "reports", "uid": "uid-reports"}


@pytest.mark.parametrize(
    ("wanted", "offered", "mode"),
    [
        (claim(resources={"requests": {"storage": "10Gi"}}), volume(), "pvc.capacity-exceeds-pv"),
        (claim(accessModes=["ReadWriteMany"]), volume(), "pvc.access-mode-mismatch"),
        (claim(), volume(storageClassName="efs-sc"), "pvc.storageclass-mismatch"),
        (claim(selector={"matchLabels": {"app": "x"}}), volume(), "pvc.selector-mismatch"),
        (claim(volumeMode="Block"), volume(), "pvc.volume-mode-mismatch"),
        (claim(volumeName="pv"), volume("pv", claimRef=BOUND_TO_OTHER, phase="Bound"), "pvc.bound-to-other-claim"),
        (claim(), volume(claimRef=BOUND_TO_OTHER, phase="Released"), "pv.released"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_volume_fits_claim_fails_with_what_keeps_the_two_apart(wanted: Claim, offered: Object, mode: str) -> None:
    verdict = fits(wanted, offered)
    assert modes(verdict) == [mode]
    assert verdict.findings[0].sure
    assert verdict.findings[0].object == CLAIM_REF


def test_volume_fits_claim_fails_for_a_volume_that_is_being_deleted() -> None:
    going = volume()
    going["metadata"]["deletionTimestamp"] = "2026-11-21T06:10:00Z"
    assert modes(fits(claim(), going)) == ["pv.terminating"]


def test_volume_fits_claim_names_all_that_is_wrong_with_the_volume_of_the_claims_name() -> None:
    small = volume(CLAIM, capacity={"storage": "1Gi"}, accessModes=["ReadOnlyMany"])
    verdict = fits(claim(), small, volume("other", accessModes=["ReadOnlyMany"]))
    assert modes(verdict) == ["pvc.access-mode-mismatch", "pvc.capacity-exceeds-pv"]
    assert CLAIM in verdict.says


def test_volume_fits_claim_says_nothing_of_volumes_that_nobody_meant() -> None:
    tiny = volume("grafana", capacity={"storage": "1Gi"}, accessModes=["ReadOnlyMany"])
    block = volume("alerts", volumeMode="Block", accessModes=["ReadOnlyMany"])
    verdict = fits(claim(), tiny, block)
    assert modes(verdict) == ["pvc.no-class-and-no-pv"]
    assert not verdict.findings[0].sure
    assert "grafana" not in verdict.says


def test_volume_fits_claim_takes_the_only_volume_that_could_be_meant_with_all_that_is_wrong_with_it() -> None:
    alone = volume("efs-pv", capacity={"storage": "1Gi"}, accessModes=["ReadOnlyMany"])
    assert modes(fits(claim(), alone)) == ["pvc.access-mode-mismatch", "pvc.capacity-exceeds-pv"]


def test_volume_fits_claim_fails_without_any_volume() -> None:
    assert modes(fits(claim())) == ["pvc.no-class-and-no-pv"]


def test_volume_fits_claim_fails_where_the_claim_names_a_volume_that_does_not_exist() -> None:
    verdict = fits(claim(volumeName="typo", storageClassName="efs-sc"), volume())
    assert modes(verdict) == ["pvc.no-class-and-no-pv"]
    assert verdict.says == f"claim {CLAIM} names the volume typo, which does not exist"


def test_volume_fits_claim_fails_for_a_class_without_a_provisioner_and_without_volumes() -> None:
    local = storage_class("local", "kubernetes.io/no-provisioner")
    verdict = fits(wants("local"), volume("other"), by=local)
    assert modes(verdict) == ["storageclass.wrong-provisioner"]
    assert not verdict.findings[0].sure
    assert fits(wants("local"), volume(storageClassName="local"), by=local).state is State.PASS


def test_volume_fits_claim_does_not_apply_to_a_claim_that_lost_its_volume() -> None:
    assert fits(claim(bound_to="gone", phase="Lost")).state is State.SKIP


def test_volume_fits_claim_fails_for_the_broken_one_of_two_claims() -> None:
    two = (by_hand(claim("fine")), by_hand(claim("broken", resources={"requests": {"storage": "9Gi"}})))
    verdict = volume_fits_claim(two, [volume("fine"), volume("broken")])
    assert [str(f.object) for f in verdict.findings] == ["PersistentVolumeClaim/monitoring/broken"]


# ---- classes


def test_storage_class_exists_passes_and_skips() -> None:
    assert storage_class_exists((provisioning(wants("efs-sc")),)).state is State.PASS
    assert storage_class_exists((by_hand(claim()),)).state is State.SKIP
    assert storage_class_exists((by_hand(wants("efs-sc", volumeName="pv")),)).state is State.SKIP


def class_of(of: Claim, *volumes: Object, ears: Any = None) -> Verdict:
    return storage_class_exists((by_hand(of),), list(volumes), ears or heard())


def test_storage_class_exists_fails_where_neither_a_class_nor_a_volume_of_that_name_is_there() -> None:
    verdict = class_of(wants("default"))
    assert modes(verdict) == ["storageclass.not-found"]
    assert verdict.findings[0].sure
    assert verdict.says == f"claim {CLAIM} names the storage class default, which does not exist"


def test_storage_class_exists_does_not_apply_where_a_volume_has_the_same_class_string() -> None:
    assert class_of(wants("manual"), volume(storageClassName="manual")).state is State.SKIP


def test_a_volume_of_the_class_that_is_too_small_is_the_cause_and_not_the_missing_class() -> None:
    small = volume("pv", storageClassName="manual", capacity={"storage": "1Gi"})
    assert class_of(wants("manual"), small).state is State.SKIP
    assert modes(fits(wants("manual"), small)) == ["pvc.capacity-exceeds-pv"]


def test_an_unrelated_volume_of_the_efs_driver_does_not_stand_in_for_the_missing_class() -> None:
    unrelated = volume("grafana")
    assert modes(class_of(wants("efs-sc"), unrelated)) == ["storageclass.not-found"]
    assert fits(wants("efs-sc"), unrelated).state is State.SKIP


def test_what_the_provisioner_once_made_for_another_claim_does_not_stand_in_for_the_missing_class() -> None:
    left = volume("pvc-1", storageClassName="efs-sc", claimRef=BOUND_TO_OTHER, phase="Released")
    left["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "efs.csi.aws.com"}
    assert modes(class_of(wants("efs-sc"), left)) == ["storageclass.not-found"]
    assert fits(wants("efs-sc"), left).state is State.SKIP


def test_a_released_volume_made_by_hand_of_the_same_class_was_meant() -> None:
    left = volume("pv", storageClassName="manual", claimRef=BOUND_TO_OTHER, phase="Released")
    assert modes(fits(wants("manual"), left)) == ["pv.released"]


def test_a_volume_of_the_claims_name_and_another_class_was_meant() -> None:
    assert modes(fits(wants("efs-sc"), volume(CLAIM))) == ["pvc.storageclass-mismatch"]
    assert class_of(wants("efs-sc"), volume(CLAIM)).state is State.SKIP


def test_what_an_earlier_claim_of_the_same_name_left_in_another_class_is_not_what_this_claim_waits_for() -> None:
    earlier = {"namespace": "monitoring", "name": CLAIM, "uid": "uid-before"}
    left = volume(CLAIM, capacity={"storage": "1Gi"}, claimRef=earlier, phase="Released")
    assert modes(class_of(wants("efs-sc"), left)) == ["storageclass.not-found"]
    assert fits(wants("efs-sc"), left).state is State.SKIP


@pytest.mark.parametrize(("message", "sure"), [('storageclass.storage.k8s.io "efs-sc" not found', True), ("", False)])
def test_storage_class_exists_doubts_where_the_binder_has_seen_the_class(message: str, sure: bool) -> None:
    seen = wants("efs-sc")
    assert seen.object is not None
    seen.object["metadata"]["annotations"] = {"volume.kubernetes.io/storage-provisioner": "efs.csi.aws.com"}
    ears = heard(said("claim-event", "ProvisioningFailed", message, CLAIM_REF)) if message else heard()
    assert class_of(seen, ears=ears).findings[0].sure is sure


def test_default_class_exists_passes_skips_and_fails() -> None:
    assert default_class_exists((provisioning(wants(None)),)).state is State.PASS
    assert default_class_exists((provisioning(wants("efs-sc")),)).state is State.SKIP
    verdict = default_class_exists((by_hand(wants(None)),), [])
    assert modes(verdict) == ["storageclass.no-default"]
    assert verdict.findings[0].object == CLAIM_REF


def test_default_class_exists_does_not_apply_to_a_claim_that_a_volume_fits() -> None:
    assert default_class_exists((by_hand(wants(None)),), [volume("free")]).state is State.SKIP


def test_an_unrelated_volume_does_not_stand_in_for_the_default_class() -> None:
    small = volume("grafana", capacity={"storage": "1Gi"})
    assert modes(default_class_exists((by_hand(wants(None)),), [small])) == ["storageclass.no-default"]
    assert fits(wants(None), small).state is State.SKIP


def test_one_default_class_passes_and_fails() -> None:
    assert one_default_class([storage_class()]).state is State.PASS
    verdict = one_default_class([storage_class("gp3"), storage_class("efs-sc")])
    assert modes(verdict) == ["storageclass.multiple-default"]
    assert verdict.says == "gp3 and efs-sc are all default classes; gp3, the newest, wins"


# ---- provisioners


def known(by: Object, drivers: dict[str, bool], ears: Any = None, *volumes: Object, **more: Any) -> Verdict:
    return provisioner_known((provisioning(claim(), by),), drivers, ears or heard(), list(volumes), **more)


def test_provisioner_known_passes_and_skips() -> None:
    assert known(storage_class(), {"efs.csi.aws.com": True}).state is State.PASS
    assert provisioner_known((by_hand(claim()),), {}, heard()).state is State.SKIP


@pytest.mark.parametrize(
    ("provisioner", "mode", "sure"),
    [
        ("efs.csi.aws.com", "csi.driver-not-installed", True),
        ("ebs.csi.aws.com", "ebs.no-csi-driver", True),
        ("kubernetes.io/aws-ebs", "ebs.no-csi-driver", True),
        ("efs.csi.amazonaws.com", "storageclass.wrong-provisioner", True),
        ("openshift.org/aws-efs", "storageclass.wrong-provisioner", True),
        ("rancher.io/local-path", "storageclass.wrong-provisioner", False),
    ],
)
def test_provisioner_known_fails_for_a_driver_that_is_not_there(provisioner: str, mode: str, sure: bool) -> None:
    verdict = known(storage_class("the-class", provisioner), {provisioner: False})
    assert modes(verdict) == [mode]
    assert verdict.findings[0].sure is sure
    assert verdict.says.startswith(f"class the-class has the provisioner {provisioner}")


def test_provisioner_known_passes_where_longhorn_is_installed_and_has_not_started() -> None:
    by, drivers = storage_class("longhorn", "driver.longhorn.io"), {"driver.longhorn.io": False}
    assert known(by, drivers, longhorn_managers=[{"kind": "Pod"}]).state is State.PASS
    assert modes(known(by, drivers, longhorn_managers=[])) == ["storageclass.wrong-provisioner"]


def test_provisioner_known_says_which_installed_driver_is_nearest() -> None:
    verdict = known(storage_class(provisioner="efs.csi.aws.co"), {"efs.csi.aws.co": False, "efs.csi.aws.com": True})
    assert verdict.says.endswith("; efs.csi.aws.com is")


@pytest.mark.parametrize(
    ("reason", "text", "answered"),
    [
        ("Provisioning", "External provisioner is provisioning volume", True),
        ("ProvisioningFailed", 'failed to provision volume with StorageClass "efs-sc": rpc error', True),
        ("ProvisioningFailed", "Volume provisioning failed with infeasible error. Retries will be delayed.", True),
        ("ProvisioningFailed", 'storageclass.storage.k8s.io "efs-sc" not found', False),
        ("ExternalProvisioning", "Waiting for a volume to be created", False),
    ],
)
def test_a_provisioner_that_speaks_of_the_claim_is_there(reason: str, text: str, answered: bool) -> None:
    ears = heard(said("claim-event", reason, text, CLAIM_REF))
    assert (known(storage_class(), {"efs.csi.aws.com": False}, ears).state is State.PASS) is answered


def test_the_efs_driver_is_installed_where_its_controller_is_although_the_object_is_not() -> None:
    drivers = {"efs.csi.aws.com": False}
    assert known(storage_class(), drivers, controller_deployment={"kind": "Deployment"}).state is State.PASS
    assert known(storage_class(), drivers, controller_deployment=None).state is State.FAIL
    assert known(storage_class(), drivers, controller_deployment=Unread("no")).state is State.FAIL


def test_a_provisioner_that_is_no_csi_driver_is_not_asked_before_there_is_a_consumer() -> None:
    local = storage_class("local-path", "rancher.io/local-path", volumeBindingMode="WaitForFirstConsumer")
    assert known(local, {"rancher.io/local-path": False}).state is State.WAITING


def test_a_provisioner_that_is_no_csi_driver_is_known_by_the_volumes_that_it_made() -> None:
    made = volume("pvc-1", csi=None)
    made["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": "rancher.io/local-path"}
    local = storage_class("local-path", "rancher.io/local-path")
    assert known(local, {"rancher.io/local-path": False}, None, made).state is State.PASS


def test_the_broken_one_of_two_provisioners_is_found_behind_the_one_that_waits() -> None:
    local = storage_class("local-path", "rancher.io/local-path", volumeBindingMode="WaitForFirstConsumer")
    two = (provisioning(claim("a"), local), provisioning(claim("b")))
    drivers = {"rancher.io/local-path": False, "efs.csi.aws.com": False}
    assert modes(provisioner_known(two, drivers, heard())) == ["csi.driver-not-installed"]


def test_volume_provisioned_passes_for_bound_claims_and_skips_where_none_is_provisioned() -> None:
    assert volume_provisioned((claim(bound_to="pv"),), ()).state is State.PASS
    assert volume_provisioned((claim(),), (by_hand(claim()),)).state is State.SKIP
    assert volume_provisioned((), ()).state is State.SKIP


def test_volume_provisioned_does_not_apply_to_a_claim_that_lost_its_volume() -> None:
    lost = claim(bound_to="pv", phase="Lost", storageClassName="deleted")
    assert volume_provisioned((lost,), (by_hand(lost),)).state is State.SKIP


def test_volume_provisioned_fails_with_the_claim_that_got_none() -> None:
    verdict = volume_provisioned((claim(),), (provisioning(claim()),), [])
    assert verdict.state is State.FAIL
    assert verdict.findings[0].mode == ""
    assert verdict.says == f"no volume was made for claim {CLAIM}"


@pytest.mark.parametrize("name", ["not-there", None], ids=["missing-class", "no-default-class"])
def test_volume_provisioned_fails_where_the_class_is_missing(name: str | None) -> None:
    assert volume_provisioned((wants(name),), (by_hand(wants(name)),), []).state is State.FAIL


def test_volume_provisioned_waits_for_a_first_consumer() -> None:
    assert volume_provisioned((claim(),), (provisioning(claim(), LATER),)).state is State.WAITING


def test_volume_provisioned_fails_for_the_broken_claim_beside_one_that_waits_for_its_consumer() -> None:
    normal, broken = claim("normal"), claim("broken")
    verdict = volume_provisioned((normal, broken), (provisioning(normal, LATER), provisioning(broken)))
    assert verdict.says == "no volume was made for claim broken"


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        ({"volumeMode": "Block"}, "pvc.volume-mode-mismatch"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "pvc.selector-mismatch"),
        ({"accessModes": ["ReadOnlyMany"]}, "csi.invalid-parameters"),
    ],
)
def test_volume_mode_supported_fails_for_what_efs_cannot_give(spec: Object, mode: str) -> None:
    fine, wrong = provisioning(claim("fine")), provisioning(claim(**spec))
    assert modes(volume_mode_supported((fine, wrong))) == [mode]


def test_volume_mode_supported_passes_and_skips() -> None:
    assert volume_mode_supported((provisioning(claim(accessModes=["ReadWriteMany"])),)).state is State.PASS
    assert volume_mode_supported(()).state is State.SKIP


# ---- the volume's own fields


def test_volume_handle_valid_passes_and_skips() -> None:
    assert volume_handle_valid((efs_volume(),), V2).state is State.PASS
    assert volume_handle_valid((), V2).state is State.SKIP


@pytest.mark.parametrize(
    ("handle", "csi", "version", "mode"),
    [
        ("FileSystemId", {}, V2, "pv.volume-handle-invalid"),
        (f"{FILE_SYSTEM}:/:fsap-0123456789abcdef0:x", {}, V2, "pv.volume-handle-invalid"),
        (f"efs:{FILE_SYSTEM}", {}, V2, "pv.volume-handle-version-skew"),
        (f"{FILE_SYSTEM}.efs.eu-west-1.amazonaws.com", {}, V3, "pv.volume-handle-dns-name"),
        (FILE_SYSTEM, {"volumeAttributes": {"path": "/data"}}, V3, "pv.volume-attribute-path-removed"),
        (FILE_SYSTEM, {"volumeAttributes": {"encrypt": "yes"}}, V2, "pv.volume-attribute-unsupported"),
    ],
)
def test_volume_handle_valid_fails(handle: str, csi: Object, version: DriverVersion, mode: str) -> None:
    fine, wrong = efs_volume(name="fine"), efs_volume(handle, "wrong", csi=csi)
    verdict = volume_handle_valid((fine, wrong), version)
    assert modes(verdict) == [mode]
    assert str(verdict.findings[0].object) == "PersistentVolume/wrong"


@pytest.mark.parametrize(
    ("access", "state"),
    [
        (["ReadOnlyMany"], State.FAIL),
        (["ReadOnlyMany", "ReadWriteMany"], State.FAIL),
        (["ReadWriteMany", "ReadOnlyMany"], State.PASS),
    ],
)
def test_volume_handle_valid_looks_at_the_first_access_mode_as_the_kubelet_does(access: Any, state: State) -> None:
    verdict = volume_handle_valid((efs_volume(accessModes=access),), V2)
    assert verdict.state is state
    assert state is State.PASS or modes(verdict) == ["pv.access-mode-unsupported-by-driver"]


@pytest.mark.parametrize("version", [Unread("no daemonsets", "list daemonsets"), DriverVersion("latest", None)])
def test_volume_handle_valid_is_unknown_where_it_depends_on_a_version_that_nobody_knows(version: Any) -> None:
    assert volume_handle_valid((efs_volume(f"efs:{FILE_SYSTEM}"),), version).state is State.UNKNOWN
    assert volume_handle_valid((efs_volume(),), version).state is State.PASS


def test_volume_handle_valid_fails_for_a_wrong_handle_beside_one_that_depends_on_the_version() -> None:
    two = (efs_volume(f"efs:{FILE_SYSTEM}", "depends"), efs_volume("arn:aws:efs", "wrong"))
    assert modes(volume_handle_valid(two, Unread("no"))) == ["pv.volume-handle-invalid"]


def test_mount_options_valid_passes_skips_and_fails() -> None:
    plain = {"volumeAttributes": {"encryptInTransit": "false"}}
    assert mount_options_valid((efs_volume(mountOptions=["tls", "iam"]),)).state is State.PASS
    assert mount_options_valid(()).state is State.SKIP
    contradiction = efs_volume(mountOptions=["iam"], csi=plain)
    assert modes(mount_options_valid((efs_volume(), contradiction))) == ["mount.option-invalid"]
    s3 = efs_volume(f"s3files:{FILE_SYSTEM}", csi=plain)
    assert modes(mount_options_valid((s3,))) == ["mount.s3files-unsupported-option"]


def test_transit_encrypted_passes_skips_and_fails() -> None:
    plain = efs_volume(name="plain", csi={"volumeAttributes": {"encryptInTransit": "false"}})
    assert transit_encrypted((efs_volume(),)).state is State.PASS
    assert transit_encrypted(()).state is State.SKIP
    verdict = transit_encrypted((efs_volume(), plain))
    assert modes(verdict) == ["mount.tls-disabled"]
    assert verdict.says == "volume plain is mounted without TLS"


def test_what_was_asked_about_is_named_where_no_workload_is_known() -> None:
    assert str(claim_exists(subject(), (claim(exists=False),)).findings[0].object) == f"Pod/monitoring/{NAME}"


# ---- in a whole world


def test_a_claim_that_waits_for_its_first_consumer_is_healthy(rulebook: Rulebook) -> None:
    local = storage_class("local-path", "rancher.io/local-path", volumeBindingMode="WaitForFirstConsumer")
    world = World(wants("local-path").object or {}, local)
    diagnosis = investigate(rulebook, world, subject("persistentvolumeclaim", CLAIM), NOW, strict=True).diagnosis
    assert diagnosis.status is Status.HEALTHY
    assert diagnosis.verdicts["claim-bound"].state is State.WAITING
    assert not diagnosis.causes


def test_a_pod_that_names_its_node_itself_is_why_its_claim_waits_for_ever() -> None:
    world = healthy(Shape(storage="dynamic"))
    name = world.node["metadata"]["name"]
    unbound(world, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    world.get("storageclasses", "efs-sc")["volumeBindingMode"] = "WaitForFirstConsumer"
    world.pod["spec"]["nodeName"] = name
    world.pod["status"] = {"phase": "Pending", "startTime": "2026-11-21T00:00:00Z"}
    diagnosis = diagnosis_of(world)
    assert [(c.check, c.finding.mode) for c in diagnosis.causes] == [
        ("consumer-scheduled", "pvc.waiting-first-consumer")
    ]
    assert not diagnosis.causes[0].confirmed


def test_volumes_that_nobody_needs_are_not_blamed_for_a_pod_that_runs() -> None:
    world = healthy(Shape(storage="static"))
    for volume_name, phase in (("left", "Released"), ("small", "Available")):
        spare = volume(volume_name, phase=phase, capacity={"storage": "1Gi"})
        if phase == "Released":
            spare["spec"]["claimRef"] = BOUND_TO_OTHER
        world.all("persistentvolumes").append(spare)
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert not {"pv.released", "pvc.capacity-exceeds-pv"} & {f.finding.mode for f in diagnosis.latent}
