"""Claims, the volumes behind them and the classes that apply, out of raw objects."""

from __future__ import annotations

from typing import Any

import pytest
from values import CLAIM, NAMESPACE, Object, World, claim, pod, provisioning, storage_class, subject, volume

from efsdiag.evidence import volume as evidence
from efsdiag.gather import Reader
from efsdiag.model import Unreadable
from efsdiag.semantics.claims import Claim


def reading(*objects: Object, **more: Any) -> Reader:
    return Reader(World(*objects, **more), 1)


def raw(of: Claim) -> Object:
    assert of.object is not None
    return of.object


EPHEMERAL = {"volumes": [{"name": "cache", "ephemeral": {"volumeClaimTemplate": {}}}]}


def names(found: tuple[Claim, ...] | None) -> list[str]:
    return [c.name for c in found or ()]


def test_claims_come_in_the_order_of_the_pods_volumes_whether_they_exist_or_not() -> None:
    found = evidence.claims(reading(raw(claim("b"))), subject(), pod(claims=("b", "a"))["spec"])
    assert found == (Claim("b", NAMESPACE, "data-b", raw(claim("b"))), Claim("a", NAMESPACE, "data-a", None))


def test_a_claim_that_was_asked_about_stands_for_itself() -> None:
    found = evidence.claims(reading(raw(claim())), subject("persistentvolumeclaim", CLAIM))
    assert found == (Claim(CLAIM, NAMESPACE, "", raw(claim())),)


def test_an_ephemeral_volumes_claim_has_the_name_of_the_pod_and_comes_with_it() -> None:
    assert names(evidence.claims(reading(), subject(name="p"), EPHEMERAL)) == ["p-cache"]
    assert names(evidence.claims(reading(), subject("deployment", "d"), EPHEMERAL)) == []


def test_a_pod_that_is_gone_has_no_claims_to_judge_and_one_that_mounts_none_has_an_empty_list() -> None:
    assert evidence.claims(reading(), subject()) is None
    assert evidence.claims(reading(), subject(), {"volumes": [{"name": "tmp", "emptyDir": {}}]}) == ()


def test_claims_that_may_not_be_read_are_not_missing() -> None:
    with pytest.raises(Unreadable):
        evidence.claims(reading(refuses=["persistentvolumeclaims"]), subject(), pod()["spec"])


def test_unbound_are_those_that_exist_and_are_not_bound() -> None:
    every = (
        claim("gone", exists=False),
        claim("bound", bound_to="pv"),
        claim("open"),
        claim(bound_to="pv", phase="Lost"),
    )
    assert names(evidence.unbound_claims(every)) == ["open", CLAIM]


def test_namesakes_and_neighbours_are_looked_for_only_where_a_claim_is_missing() -> None:
    elsewhere = raw(claim("gone"))
    elsewhere["metadata"]["namespace"] = "default"
    read = reading(elsewhere, raw(claim("b")), raw(claim("a")))
    missing = (claim("gone", exists=False), claim("b"))
    assert evidence.same_named_claims(read, missing) == [elsewhere]
    assert evidence.neighbour_claims(read, subject(), missing) == ["a", "b"]
    asked = len(read.asked)
    assert evidence.same_named_claims(read, (claim("b"),)) is None
    assert evidence.neighbour_claims(read, subject(), (claim("b"),)) is None
    assert len(read.asked) == asked


def test_claim_events_are_those_of_the_claims_own_uid() -> None:
    def event(uid: str) -> Object:
        return {"kind": "Event", "metadata": {"name": uid, "namespace": NAMESPACE}, "involvedObject": {"uid": uid}}

    read = reading(event(f"uid-{CLAIM}"), event("uid-before"))
    found = evidence.claim_events(read, (claim(), claim("gone", exists=False)))
    assert {name: [e["metadata"]["name"] for e in events] for name, events in found.items()} == {
        CLAIM: [f"uid-{CLAIM}"]
    }


def test_volumes_are_those_that_the_claims_name_also_where_they_do_not_exist() -> None:
    found = evidence.volumes(reading(volume("pv")), (claim(bound_to="pv"), claim("b", bound_to="gone"), claim("c")))
    assert found == {"gone": None, "pv": volume("pv")}


def test_candidates_and_classes_are_read_only_while_a_claim_looks_for_a_volume() -> None:
    read = reading(volume("pv"), storage_class())
    assert evidence.candidate_volumes(read, (claim(),)) == [volume("pv")]
    assert evidence.storage_classes(read, (claim(),)) == [storage_class()]
    assert evidence.candidate_volumes(read, ()) is None
    assert evidence.storage_classes(read, ()) is None
    assert len(read.asked) == 2


def marked(name: str, created: str, annotation: str = "storageclass.kubernetes.io/is-default-class") -> Object:
    made = storage_class(name)
    made["metadata"] |= {"annotations": {annotation: "true"}, "creationTimestamp": created}
    return made


def defaults(*classes: Object) -> list[str]:
    return [c["metadata"]["name"] for c in evidence.default_classes(list(classes))]


def test_the_newest_default_class_comes_first_and_of_the_same_age_the_first_by_name() -> None:
    old, new = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
    assert defaults(marked("c", old), marked("b", new), marked("a", new), storage_class("plain")) == ["a", "b", "c"]


def test_the_annotation_of_old_makes_a_class_the_default_too() -> None:
    assert defaults(marked("gp2", "", "storageclass.beta.kubernetes.io/is-default-class")) == ["gp2"]


def test_a_class_that_is_marked_as_no_default_is_none() -> None:
    declined = storage_class("gp2")
    declined["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "false"}
    assert defaults(declined) == []


LOCAL = storage_class("local", "kubernetes.io/no-provisioner")


@pytest.mark.parametrize(
    ("of", "used", "dynamic"),
    [
        (claim(storageClassName="efs-sc"), "efs-sc", True),
        (claim(storageClassName=None), "gp3", True),
        (claim(storageClassName=""), None, False),
        (claim(storageClassName="missing"), None, False),
        (claim(storageClassName="local"), "local", False),
        (claim(storageClassName="efs-sc", volumeName="pv"), "efs-sc", False),
    ],
    ids=["named", "default", "none-wanted", "missing", "no-provisioner", "names-its-volume"],
)
def test_a_claim_is_provisioned_by_its_class_or_the_default_one(of: Claim, used: str | None, dynamic: bool) -> None:
    default = storage_class("gp3", "ebs.csi.aws.com", default=True)
    (found,) = evidence.provisionings((of,), [storage_class(), default, LOCAL], [default])
    assert (found.storage_class or {"metadata": {"name": None}})["metadata"]["name"] == used
    assert found.dynamic is dynamic


def test_without_a_default_class_a_claim_without_a_class_is_not_provisioned() -> None:
    (found,) = evidence.provisionings((claim(storageClassName=None),), [storage_class()], [])
    assert found.storage_class is None
    assert not found.dynamic


def test_efs_volumes_are_those_of_the_driver_that_a_claim_names() -> None:
    volumes = {"efs": volume("efs"), "nfs": volume("nfs", csi=None, nfs={"server": "x"}), "gone": None}
    of = [claim(name, bound_to=name) for name in volumes]
    assert [v.name for v in evidence.efs_volumes((*of, claim("open")), volumes)] == ["efs"]


def test_efs_classes_are_those_that_the_efs_provisioner_serves() -> None:
    ebs = provisioning(claim("a"), storage_class("gp3", "ebs.csi.aws.com"))
    efs, by_hand = provisioning(claim("b")), provisioning(claim("c"), storage_class(), dynamic=False)
    assert evidence.efs_classes((ebs, efs, by_hand)) == (efs,)


def test_provisioners_are_known_by_their_driver_objects_the_in_tree_one_by_that_of_ebs() -> None:
    installed = {"kind": "CSIDriver", "metadata": {"name": "ebs.csi.aws.com"}}
    wanted = tuple(
        provisioning(claim(p), storage_class(p, p))
        for p in ("kubernetes.io/aws-ebs", "efs.csi.aws.com", "ebs.csi.aws.com")
    )
    found = evidence.provisioner_drivers(reading(installed), wanted)
    assert found == {"kubernetes.io/aws-ebs": True, "efs.csi.aws.com": False, "ebs.csi.aws.com": True}
    assert evidence.provisioner_drivers(reading(installed), (provisioning(claim(), dynamic=False),)) is None


def test_events_of_dying_volumes_are_read_only_where_a_claim_would_get_one_that_is_to_be_deleted() -> None:
    waits = claim(storageClassName="")
    released = volume(CLAIM, phase="Released", persistentVolumeReclaimPolicy="Delete", claimRef={"name": "old"})
    kept = volume(CLAIM, phase="Released", persistentVolumeReclaimPolicy="Retain", claimRef={"name": "old"})
    by_hand = (provisioning(waits, None, dynamic=False),)

    def seen(*volumes: Object) -> dict[str, Any]:
        return evidence.dying_volume_events(reading(), by_hand, list(volumes))

    assert seen(released) == {CLAIM: []}
    assert seen(kept) == seen(volume(CLAIM)) == seen() == {}
    assert evidence.dying_volume_events(reading(), (), [released]) == {}
