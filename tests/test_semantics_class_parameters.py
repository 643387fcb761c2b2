"""What the EFS driver and EFS refuse in the parameters of a StorageClass."""

from __future__ import annotations

import pytest

from efsdiag.semantics.class_parameters import faults_of
from efsdiag.semantics.driver import DriverVersion

GOOD = {"provisioningMode": "efs-ap", "fileSystemId": "fs-0123456789abcdef0", "directoryPerms": "700"}
INVALID = "csi.invalid-parameters"
PERMISSIONS = "csi.directory-perms-missing"
PATTERN = "csi.subpath-pattern-invalid"
TAGGING = "csi.enable-tagging-conflict"


def faults(without: str = "", arguments: tuple[str, ...] = (), **more: str) -> list[tuple[str, str]]:
    return faults_of({k: v for k, v in {**GOOD, **more}.items() if k != without}, arguments)


def modes(without: str = "", arguments: tuple[str, ...] = (), **more: str) -> list[str]:
    return [mode for mode, _ in faults(without, arguments, **more)]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"uid": "0", "gid": "0"},
        {"gidRangeStart": "1000", "gidRangeEnd": "2000"},
        {"gidRangeStart": "9", "gidRangeEnd": "10"},
        {"directoryPerms": "0755"},
        {"basePath": "/dynamic", "subPathPattern": "${.PVC.namespace}/${.PVC.name}"},
        {"basePath": "/a/b/c"},
        {"reuseAccessPoint": "true", "ensureUniqueDirectory": "false", "enforceZoneAffinity": "True"},
        {"csi.storage.k8s.io/fstype": "efs"},
        {"provisioningMode": "s3files-ap"},
        {"az": "eu-west-1a"},
    ],
)
def test_parameters_that_the_driver_accepts_have_no_fault(more: dict[str, str]) -> None:
    assert faults(**more) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"provisioningMode": "efs"}, "provisioningMode is 'efs'; the driver wants efs-ap"),
        ({"provisioningMode": "EFS-AP"}, "provisioningMode is 'EFS-AP'; the driver wants efs-ap"),
        ({"provisioningMode": ""}, "provisioningMode is missing; the driver wants efs-ap"),
        ({"fileSystemIdConfigRef": "a/b"}, "it has fileSystemId and fileSystemIdConfigRef; the driver wants one"),
        ({"fileSystemId": ""}, "it has none; the driver wants one"),
        ({"uid": "nobody"}, "uid is 'nobody'; the driver wants a number"),
        ({"gid": "-1"}, "gid is '-1'; the driver wants a number"),
        ({"gidRangeStart": "1000"}, "only one of gidRangeStart and gidRangeEnd is given"),
        ({"gidRangeEnd": "1000"}, "only one of gidRangeStart and gidRangeEnd is given"),
        ({"gidRangeStart": "2000", "gidRangeEnd": "1000"}, "gidRangeEnd 1000 is not greater than gidRangeStart 2000"),
        ({"gidRangeStart": "5", "gidRangeEnd": "5"}, "gidRangeEnd 5 is not greater than gidRangeStart 5"),
        ({"gidRangeStart": "0", "gidRangeEnd": "5"}, "gidRangeStart is '0'; the driver wants a number greater than 0"),
        ({"gidRangeStart": "a", "gidRangeEnd": "5"}, "gidRangeStart is 'a'; the driver wants a number"),
        ({"reuseAccessPoint": "yes"}, "reuseAccessPoint is 'yes'; the driver wants true or false"),
        ({"enforceZoneAffinity": "on"}, "enforceZoneAffinity is 'on'; the driver wants true or false"),
        ({"enableTagging": "no"}, "enableTagging is 'no'; the driver wants true or false"),
        ({"csi.storage.k8s.io/fstype": "ext4"}, "csi.storage.k8s.io/fstype is 'ext4'; the driver refuses it"),
    ],
)
def test_a_parameter_that_the_driver_refuses_is_named_with_what_it_wants(more: dict[str, str], says: str) -> None:
    found = faults(**more)
    assert [mode for mode, _ in found] == [INVALID]
    assert found[0][1].endswith(says)


@pytest.mark.parametrize("key", ["fileSystemIdConfigRef", "fileSystemIdSecretRef"])
def test_a_file_system_may_be_named_by_reference(key: str) -> None:
    assert faults("fileSystemId", **{key: "namespace/name/key"}) == []


@pytest.mark.parametrize(("key", "mode"), [("provisioningMode", INVALID), ("fileSystemId", INVALID)])
def test_what_the_driver_needs_may_not_be_missing(key: str, mode: str) -> None:
    assert modes(without=key) == [mode]


@pytest.mark.parametrize(
    ("permissions", "wanted"),
    [("700", True), ("0700", True), ("1777", True), ("77", False), ("00700", False), ("778", False), ("rwx", False)],
)
def test_directory_permissions_are_three_or_four_octal_digits(permissions: str, wanted: bool) -> None:
    assert modes(directoryPerms=permissions) == ([] if wanted else [PERMISSIONS])


@pytest.mark.parametrize("without", [True, False])
def test_missing_directory_permissions_are_named(without: bool) -> None:
    found = faults("directoryPerms") if without else faults(directoryPerms="")
    assert found == [(PERMISSIONS, "directoryPerms is missing; EFS wants three or four octal digits, as in 700")]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"subPathPattern": "${.PVC.nam}"}, "subPathPattern has ${.PVC.nam}; the driver knows .PV.name, .PVC.name"),
        ({"subPathPattern": "${PVC.name}/x"}, "subPathPattern has ${PVC.name}; "),
        ({"basePath": "/a/b/c", "subPathPattern": "d/e"}, "make 5 directories; EFS allows 4"),
        ({"subPathPattern": "a/b/c/d/e"}, "make 5 directories; EFS allows 4"),
        ({"basePath": "/a/b/c/d"}, "make 5 directories; EFS allows 4"),
        ({"basePath": "/" + "x" * 100}, "basePath has 101 characters; EFS allows 100"),
    ],
)
def test_a_path_that_efs_refuses_is_named(more: dict[str, str], says: str) -> None:
    found = faults(**more)
    assert [mode for mode, _ in found] == [PATTERN]
    assert says in found[0][1]


@pytest.mark.parametrize(
    ("tagging", "arguments", "wanted"),
    [
        ("false", ("--endpoint=x", "--tags=team:a"), [TAGGING]),
        ("False", ("--tags=team:a",), [TAGGING]),
        ("false", ("--tags=",), []),
        ("false", (), []),
        ("true", ("--tags=team:a",), []),
    ],
)
def test_tags_of_the_controller_and_a_class_without_tagging_exclude_each_other(
    tagging: str, arguments: tuple[str, ...], wanted: list[str]
) -> None:
    assert modes(arguments=arguments, enableTagging=tagging) == wanted


def test_every_fault_of_a_class_is_told() -> None:
    assert [mode for mode, _ in faults_of({})] == [INVALID, INVALID, PERMISSIONS]


def test_a_mode_of_3_0_is_not_known_before() -> None:
    parameters = {**GOOD, "provisioningMode": "s3files-ap"}
    assert [m for m, _ in faults_of(parameters, (), DriverVersion("v2.3.1", (2, 3, 1)))] == [INVALID]
    assert not faults_of(parameters, (), DriverVersion("v3.0.0", (3, 0, 0)))
