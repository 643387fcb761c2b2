"""Claims, how they are provisioned, and what the handle of an EFS volume says."""

from __future__ import annotations

from typing import Any

import pytest

from efsdiag.model import Ref
from efsdiag.semantics.claims import Claim, EfsVolume, Provisioning, efs_volume, ref_of_claim

POINT = "fsap-0123456789abcdef0"
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"


def claim(spec: dict[str, Any] | None = None, phase: str = "Bound", annotations: dict[str, str] | None = None) -> Claim:
    found = {"metadata": {"name": "c", "annotations": annotations}, "spec": spec or {}, "status": {"phase": phase}}
    return Claim("c", "m", "data", found)


def volume(
    handle: str = "fs-0a", annotations: dict[str, str] | None = None, options: Any = (), **attributes: str
) -> EfsVolume:
    spec = {"csi": {"volumeHandle": handle, "volumeAttributes": attributes or None}, "mountOptions": list(options)}
    return efs_volume({"metadata": {"name": "pv", "annotations": annotations}, "spec": spec}, claim())


# --- claims ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "spec", "bound"),
    [
        ("Bound", {"volumeName": "pv"}, True),
        ("Bound", {}, False),
        ("Pending", {"volumeName": "pv"}, False),
        ("Lost", {"volumeName": "pv"}, False),
        ("Pending", {}, False),
    ],
)
def test_a_claim_is_bound_where_its_phase_and_its_volume_say_so(phase: str, spec: dict[str, Any], bound: bool) -> None:
    assert claim(spec, phase).bound is bound


def test_a_claim_that_does_not_exist_is_not_bound_and_names_no_class() -> None:
    missing = Claim("c", "m", "data", None)
    assert (missing.bound, missing.phase, missing.spec, missing.class_name) == (False, "", {}, None)
    assert ref_of_claim(missing) == Ref("PersistentVolumeClaim", "c", "m")


@pytest.mark.parametrize(
    ("spec", "annotations", "wanted"),
    [
        ({}, None, None),
        ({"storageClassName": None}, {}, None),
        ({"storageClassName": ""}, None, ""),
        ({"storageClassName": "efs"}, None, "efs"),
        ({}, {OLD_CLASS: "old"}, "old"),
        ({"storageClassName": "efs"}, {OLD_CLASS: "old"}, "old"),
        ({"storageClassName": "efs"}, {OLD_CLASS: ""}, ""),
    ],
)
def test_the_class_of_a_claim_is_none_empty_or_a_name_and_the_old_annotation_wins(
    spec: dict[str, Any], annotations: dict[str, str] | None, wanted: str | None
) -> None:
    assert claim(spec, annotations=annotations).class_name == wanted


def test_a_provisioning_tells_who_makes_the_volume_and_when() -> None:
    first_consumer = {"provisioner": "efs.csi.aws.com", "volumeBindingMode": "WaitForFirstConsumer"}
    chosen = claim(annotations={"volume.kubernetes.io/selected-node": "worker1"})
    found = Provisioning(chosen, first_consumer, True)
    assert (found.provisioner, found.waits_for_consumer, found.node_selected) == ("efs.csi.aws.com", True, True)
    by_hand = Provisioning(claim(), None, False)
    assert (by_hand.provisioner, by_hand.waits_for_consumer, by_hand.node_selected) == ("", False, False)


# --- handles -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("handle", "file_system", "path", "access_point", "kind"),
    [
        ("fs-0a", "fs-0a", "/", "", "efs"),
        ("fs-0a:/prometheus", "fs-0a", "/prometheus", "", "efs"),
        (f"fs-0a::{POINT}", "fs-0a", "/", POINT, "efs"),
        (f"fs-0a:/x:{POINT}", "fs-0a", "/x", POINT, "efs"),
        (f"efs:fs-0a::{POINT}", "fs-0a", "/", POINT, "efs"),
        (f"s3files:fs-0a:/x:{POINT}", "fs-0a", "/x", POINT, "s3files"),
        ("fs-0a.efs.eu-west-1.amazonaws.com", "fs-0a", "/", "", "efs"),
        ("fs-0a.efs.eu-west-1.amazonaws.com:/x", "fs-0a", "/x", "", "efs"),
        ("", "", "/", "", "efs"),
        ("[FileSystemId]", "[FileSystemId]", "/", "", "efs"),
        ("fs-0a:b:c:d", "fs-0a", "b", "c:d", "efs"),
    ],
)
def test_a_handle_is_taken_apart_and_a_malformed_one_gives_odd_parts(
    handle: str, file_system: str, path: str, access_point: str, kind: str
) -> None:
    found = volume(handle)
    assert (found.file_system, found.path, found.access_point, found.kind) == (file_system, path, access_point, kind)


def test_the_old_attribute_path_counts_where_the_handle_has_none() -> None:
    assert volume("fs-0a", path="/old").path == "/old"
    assert volume("fs-0a:/new", path="/old").path == "/new"


def test_an_access_point_may_stand_among_the_mount_options_and_the_handle_comes_first() -> None:
    assert volume("fs-0a", options=[f"accesspoint={POINT}"]).access_point == POINT
    assert volume(f"fs-0a::{POINT}", options=["accesspoint=fsap-1"]).access_point == POINT


@pytest.mark.parametrize(
    ("handle", "attributes", "options", "tls"),
    [
        ("fs-0a", {}, (), True),
        ("fs-0a", {"encryptInTransit": "true"}, (), True),
        ("fs-0a", {"encryptInTransit": "1"}, (), True),
        ("fs-0a", {"encryptInTransit": "false"}, (), False),
        ("fs-0a", {"encryptInTransit": "False"}, (), False),
        ("fs-0a", {"encryptInTransit": "0"}, (), False),
        ("fs-0a", {"encryptintransit": "f"}, (), False),
        (f"fs-0a::{POINT}", {"encryptInTransit": "false"}, (), True),
        (f"efs:fs-0a::{POINT}", {"encryptInTransit": "false"}, (), True),
        ("fs-0a", {"encryptInTransit": "false"}, (f"accesspoint={POINT}",), False),
        (f"s3files:fs-0a::{POINT}", {"encryptInTransit": "false"}, (), False),
    ],
)
def test_a_mount_has_tls_unless_it_is_switched_off_and_an_access_point_of_the_handle_brings_it_back(
    handle: str, attributes: dict[str, str], options: tuple[str, ...], tls: bool
) -> None:
    assert volume(handle, options=options, **attributes).tls is tls


@pytest.mark.parametrize(
    ("handle", "options", "uses_iam"),
    [("fs-0a", (), False), ("fs-0a", ("tls", "iam"), True), ("fs-0a", ("iamx",), False), ("s3files:fs-0a", (), True)],
)
def test_a_mount_signs_in_with_the_option_iam_and_s3_files_always_do(
    handle: str, options: tuple[str, ...], uses_iam: bool
) -> None:
    assert volume(handle, options=options).uses_iam is uses_iam


def test_a_volume_is_static_where_no_provisioner_left_its_mark() -> None:
    assert volume().static
    assert not volume(annotations={"pv.kubernetes.io/provisioned-by": "efs.csi.aws.com"}).static
    assert not volume(**{"storage.kubernetes.io/csiProvisionerIdentity": "1-8081-efs.csi.aws.com"}).static
