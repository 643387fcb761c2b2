"""How the volume binder treats one volume for one claim, and which volume was meant for a claim."""

from __future__ import annotations

from typing import Any

import pytest

from efsdiag.semantics.binding import Candidate, mismatches, nearest_volumes, points_at, storage_class_of

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


def a_claim(size: str = "5Gi", name: str = "prometheus-server", **spec: Any) -> dict[str, Any]:
    wanted = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": size}},
        "storageClassName": "",
        "volumeMode": "Filesystem",
        **spec,
    }
    return {"metadata": {"namespace": "monitoring", "name": name, "uid": "u1"}, "spec": wanted}


def a_volume(
    name: str = "prometheus-efs", size: str = "5Gi", phase: str = "Available", labels: Any = None, **spec: Any
) -> dict[str, Any]:
    offered = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": size},
        "volumeMode": "Filesystem",
        "csi": {"driver": "efs.csi.aws.com", "volumeHandle": "fs-0abc"},
        **spec,
    }
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": offered, "status": {"phase": phase}}


def ref(name: str = "prometheus-server", uid: str = "", namespace: str = "monitoring") -> dict[str, str]:
    return {"kind": "PersistentVolumeClaim", "namespace": namespace, "name": name} | ({"uid": uid} if uid else {})


def deleting(volume: dict[str, Any]) -> dict[str, Any]:
    return {**volume, "metadata": {**volume["metadata"], "deletionTimestamp": "2026-11-21T06:30:00Z"}}


def modes(claim: dict[str, Any], volume: dict[str, Any]) -> list[str]:
    return [mismatch.mode for mismatch in mismatches(claim, volume)]


def names(candidates: list[Candidate]) -> list[str]:
    return [candidate.name for candidate in candidates]


# One pair


def test_a_volume_that_satisfies_the_claim_has_no_mismatch() -> None:
    assert modes(a_claim(), a_volume()) == []
    assert modes(a_claim("1Gi"), a_volume(accessModes=["ReadWriteOnce", "ReadWriteMany"])) == []


@pytest.mark.parametrize(
    ("claim", "volume", "mode"),
    [
        (a_claim("10Gi"), a_volume(), "pvc.capacity-exceeds-pv"),
        (a_claim("5Gi"), a_volume(size="5G"), "pvc.capacity-exceeds-pv"),
        (a_claim(storageClassName="efs-sc"), a_volume(), "pvc.storageclass-mismatch"),
        (a_claim(), a_volume(storageClassName="efs-sc"), "pvc.storageclass-mismatch"),
        (a_claim(volumeMode="Block"), a_volume(), "pvc.volume-mode-mismatch"),
        (a_claim(accessModes=["ReadWriteOnce"]), a_volume(), "pvc.access-mode-mismatch"),
        (a_claim(selector={"matchLabels": {"app": "prometheus"}}), a_volume(), "pvc.selector-mismatch"),
        (a_claim(), deleting(a_volume()), "pv.terminating"),
        (a_claim(), a_volume(phase="Released", claimRef=ref("old", "u0")), "pv.released"),
        (a_claim(), a_volume(phase="Failed", claimRef=ref("old", "u0")), "pv.released"),
        (a_claim(), a_volume(phase="Bound", claimRef=ref(uid="u0")), "pv.released"),
        (a_claim(), a_volume(phase="Bound", claimRef=ref("other", "u2")), "pvc.bound-to-other-claim"),
        (a_claim(), a_volume(claimRef=ref("other")), "pvc.bound-to-other-claim"),
        (a_claim(), a_volume(claimRef=ref(uid="u1", namespace="default")), "pvc.bound-to-other-claim"),
    ],
)
def test_each_way_not_to_fit_has_its_mode(claim: dict[str, Any], volume: dict[str, Any], mode: str) -> None:
    assert modes(claim, volume) == [mode]


def test_a_missing_size_mode_or_class_counts_as_zero_filesystem_and_none() -> None:
    bare_claim = {"metadata": {"namespace": "n", "name": "c"}, "spec": {"accessModes": ["ReadWriteMany"]}}
    bare_volume = {"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteMany"]}}
    assert modes(bare_claim, bare_volume) == []


def test_a_selector_matches_by_labels_and_expressions() -> None:
    selector = {
        "matchLabels": {"app": "prometheus"},
        "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["test"]}],
    }
    claim = a_claim(selector=selector)
    assert modes(claim, a_volume(labels={"app": "prometheus"})) == []
    (found,) = mismatches(claim, a_volume(labels={"app": "prometheus", "tier": "test"}))
    assert found.says == (
        "volume prometheus-efs has the labels app=prometheus, tier=test; "
        "the selector of claim monitoring/prometheus-server wants app=prometheus; tier NotIn test"
    )
    assert modes(a_claim(selector={}), a_volume()) == []


def test_the_sentence_names_the_volume_what_it_has_and_what_the_claim_wants() -> None:
    (found,) = mismatches(a_claim("10Gi"), a_volume())
    assert found.says == "volume prometheus-efs declares 5Gi; claim monitoring/prometheus-server requests 10Gi"
    assert found.proof == (
        "PersistentVolume/prometheus-efs spec.capacity.storage: 5Gi",
        "PersistentVolumeClaim/monitoring/prometheus-server spec.resources.requests.storage: 10Gi",
    )


WRONG = {"accessModes": ["ReadWriteOnce"], "storageClassName": "efs-sc", "volumeMode": "Block"}


def test_a_named_volume_is_checked_in_the_order_of_check_volume_satisfy_claim() -> None:
    claim = a_claim("10Gi", volumeName="prometheus-efs", selector={"matchLabels": {"a": "b"}}, **WRONG)
    assert modes(claim, deleting(a_volume())) == [
        "pv.terminating",
        "pvc.capacity-exceeds-pv",
        "pvc.storageclass-mismatch",
        "pvc.volume-mode-mismatch",
        "pvc.access-mode-mismatch",
    ]


def test_an_unnamed_volume_is_checked_in_the_order_of_find_matching_volume() -> None:
    claim = a_claim("10Gi", selector={"matchLabels": {"a": "b"}}, **WRONG)
    assert modes(claim, deleting(a_volume(phase="Released", claimRef=ref("old", "u0")))) == [
        "pvc.access-mode-mismatch",
        "pv.released",
        "pvc.capacity-exceeds-pv",
        "pvc.volume-mode-mismatch",
        "pv.terminating",
        "pvc.selector-mismatch",
        "pvc.storageclass-mismatch",
    ]


def test_a_volume_reserved_for_the_claim_needs_neither_its_class_nor_its_selector() -> None:
    claim = a_claim(selector={"matchLabels": {"a": "b"}}, storageClassName="efs-sc")
    assert modes(claim, a_volume(claimRef=ref())) == []
    assert modes(claim, a_volume(size="1Gi", claimRef=ref())) == ["pvc.capacity-exceeds-pv"]


def test_a_volume_and_a_claim_that_name_each_other_are_bound_without_a_look() -> None:
    claim = a_claim("10Gi", volumeName="prometheus-efs", **WRONG)
    assert modes(claim, a_volume(claimRef=ref())) == []


def test_a_named_volume_of_another_claim_is_refused_before_all_else() -> None:
    claim = a_claim("10Gi", volumeName="prometheus-efs")
    held = a_volume(phase="Bound", claimRef=ref("other", "u2"))
    assert modes(claim, held) == ["pvc.bound-to-other-claim", "pvc.capacity-exceeds-pv"]


def test_a_claim_made_anew_under_its_old_name_does_not_get_its_volume_back() -> None:
    (found,) = mismatches(a_claim(), a_volume(phase="Released", claimRef=ref(uid="u0")))
    assert found.mode == "pv.released"
    assert found.says == (
        "volume prometheus-efs is Released and still refers to an earlier claim monitoring/prometheus-server (uid u0); "
        "the binder takes only free volumes"
    )


def test_a_claim_ref_points_at_a_claim_by_name_and_by_uid_where_it_has_one() -> None:
    assert points_at(a_volume(claimRef=ref(uid="u1")), a_claim())
    assert points_at(a_volume(claimRef=ref()), a_claim())
    assert not points_at(a_volume(claimRef=ref(uid="u0")), a_claim())
    assert not points_at(a_volume(), a_claim())


def test_the_class_annotation_of_old_wins_even_when_empty() -> None:
    claim = a_claim(storageClassName="efs-sc")
    claim["metadata"]["annotations"] = {CLASS_ANNOTATION: "gp2"}
    assert storage_class_of(claim) == "gp2"
    claim["metadata"]["annotations"] = {CLASS_ANNOTATION: ""}
    assert storage_class_of(claim) == ""


def test_a_size_that_is_no_quantity_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'5GB'"):
        mismatches(a_claim("5GB"), a_volume())


# Many volumes


def test_the_volume_with_the_fewest_mismatches_is_the_nearest() -> None:
    far = a_volume("a", size="1Gi", accessModes=["ReadWriteOnce"])
    near = a_volume("b", size="1Gi")
    assert names(nearest_volumes(a_claim(), [far, near])) == ["b", "a"]


def test_a_volume_that_matches_in_everything_comes_before_one_that_has_the_name() -> None:
    namesake, fits = a_volume("prometheus-server", size="1Gi"), a_volume("other")
    assert names(nearest_volumes(a_claim(), [namesake, fits])) == ["other", "prometheus-server"]


def test_the_volume_reserved_for_the_claim_comes_before_others_that_match() -> None:
    reserved, fits = a_volume("z", claimRef=ref()), a_volume("a")
    (first, second) = nearest_volumes(a_claim(), [fits, reserved])
    assert (first.name, second.name) == ("z", "a")
    assert first.because[0] == "its spec.claimRef names the claim"


def test_the_namesake_comes_before_a_nearer_stranger() -> None:
    namesake = a_volume("prometheus-server", size="1Gi", accessModes=["ReadWriteOnce"])
    assert names(nearest_volumes(a_claim(), [a_volume("other", size="1Gi"), namesake])) == [
        "prometheus-server",
        "other",
    ]


def test_a_volume_of_the_efs_driver_comes_before_one_of_another_driver() -> None:
    ebs = a_volume("a", size="1Gi", csi={"driver": "ebs.csi.aws.com"})
    assert names(nearest_volumes(a_claim(), [ebs, a_volume("b", size="1Gi")])) == ["b", "a"]


def test_of_equals_the_smaller_volume_comes_first_and_then_the_name_decides() -> None:
    volumes = [a_volume("c", size="20Gi"), a_volume("b", size="10Gi"), a_volume("a", size="20Gi")]
    assert names(nearest_volumes(a_claim(), volumes)) == ["b", "a", "c"]
    assert names(nearest_volumes(a_claim(), volumes[::-1])) == ["b", "a", "c"]


def test_a_volume_held_by_another_claim_is_no_candidate_unless_the_claim_names_it() -> None:
    held = a_volume(phase="Bound", claimRef=ref("other", "u2"))
    assert nearest_volumes(a_claim(), [held]) == []
    (only,) = nearest_volumes(a_claim(volumeName="prometheus-efs"), [held])
    assert [m.mode for m in only.mismatches] == ["pvc.bound-to-other-claim"]


def test_a_released_volume_is_a_candidate_only_where_nothing_else_is_wrong_with_it() -> None:
    fits = a_volume("a", phase="Released", claimRef=ref("old", "u0"))
    small = a_volume("b", size="1Gi", phase="Released", claimRef=ref("old", "u0"))
    assert names(nearest_volumes(a_claim(), [fits, small])) == ["a"]


def test_a_released_volume_that_refers_to_the_claims_own_name_is_always_a_candidate() -> None:
    small = a_volume("b", size="1Gi", phase="Released", claimRef=ref(uid="u0"))
    (only,) = nearest_volumes(a_claim(), [small])
    assert [m.mode for m in only.mismatches] == ["pv.released", "pvc.capacity-exceeds-pv"]


def test_a_claim_that_names_its_volume_has_no_other_candidate() -> None:
    named, fits = a_volume("named", size="1Gi"), a_volume("fits")
    assert names(nearest_volumes(a_claim(volumeName="named"), [fits, named])) == ["named"]
    assert nearest_volumes(a_claim(volumeName="no-such-volume"), [fits]) == []
