"""What the node plugin refuses in a volume's handle, attributes and mount options, by the version of the driver."""

from __future__ import annotations

import pytest

from efsdiag.semantics.containers import version_of
from efsdiag.semantics.driver import DriverVersion
from efsdiag.semantics.handles import attribute_fault, handle_fault, option_fault

POINT = "fsap-0123456789abcdef0"
OTHER = "fsap-00000000000000000"
INVALID = "pv.volume-handle-invalid"
SKEW = "pv.volume-handle-version-skew"
DNS = "pv.volume-handle-dns-name"
UNSUPPORTED = "pv.volume-attribute-unsupported"
REMOVED = "pv.volume-attribute-path-removed"
OPTION = "mount.option-invalid"
S3 = "mount.s3files-unsupported-option"


def driver(tag: str) -> DriverVersion:
    return DriverVersion(tag, version_of(tag))


def mode(fault: tuple[str, str] | None) -> str:
    return fault[0] if fault else ""


@pytest.mark.parametrize("tag", ["v1.7.7", "v2.1.0", "v3.4.2", "v3.5.0", "latest"])
@pytest.mark.parametrize(
    "handle",
    [
        "fs-0abcdef0",
        "fs-0123456789abcdef0",
        "fs-0123456789abcdef0:/prometheus",
        "fs-0123456789abcdef0::",
        "fs-0123456789abcdef0:",
        f"fs-0123456789abcdef0::{POINT}",
        f"fs-0123456789abcdef0:/prometheus/server:{POINT}",
    ],
)
def test_a_handle_of_the_old_grammar_is_good_for_every_driver(handle: str, tag: str) -> None:
    assert handle_fault(handle, driver(tag)) is None


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        ("", "begins with '', not with a file system id"),
        ("['FileSystemId']", "not with a file system id"),
        ("<FileSystemId>", "not with a file system id"),
        ("FS-0123456789abcdef0", "not with a file system id"),
        ("fs-0123456789ABCDEF0", "not with a file system id"),
        ("fs-0abc", "not with a file system id"),
        (" fs-0123456789abcdef0", "not with a file system id"),
        ("arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/fs-0123456789abcdef0", "has 6 fields"),
        ("/fs-0123456789abcdef0", "not with a file system id"),
        (f"fs-0123456789abcdef0:::{POINT}", "has 4 fields; the driver knows at most three"),
        ("fs-0123456789abcdef0::ap-0123456789abcdef0", "names the access point 'ap-0123456789abcdef0'"),
        ("fs-0123456789abcdef0::fsap-0123456789ABCDEF0", "names the access point"),
        ("fs-0123456789abcdef0::fsap-0123456789abcdef", "does not have 17 digits, and mount.efs refuses it"),
        ("fs-0123456789abcdef0::fsap-0123456789abcdef01", "does not have 17 digits"),
    ],
)
def test_a_malformed_handle_is_named_with_what_the_driver_wants(handle: str, says: str) -> None:
    fault = handle_fault(handle, driver("v3.5.0"))
    assert mode(fault) == INVALID
    assert fault is not None
    assert says in fault[1]


@pytest.mark.parametrize(
    ("handle", "tag", "wanted"),
    [
        (f"efs:fs-0123456789abcdef0::{POINT}", "v1.7.7", SKEW),
        (f"efs:fs-0123456789abcdef0::{POINT}", "v2.3.1", SKEW),
        (f"efs:fs-0123456789abcdef0::{POINT}", "v3.0.0", ""),
        (f"efs:fs-0123456789abcdef0::{POINT}", "v3.5.0", ""),
        (f"efs:fs-0123456789abcdef0::{POINT}", "latest", ""),
        ("s3files:fs-0123456789abcdef0", "v2.3.1", SKEW),
        ("s3files:fs-0123456789abcdef0", "v3.0.0", ""),
        ("efs:fs-0123456789abcdef0::x:y", "v3.0.0", INVALID),
        ("efs:", "v3.0.0", INVALID),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "v2.3.1", ""),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "v3.0.0", DNS),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "v3.4.2", DNS),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/x", "v3.4.2", DNS),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "v3.5.0", ""),
        ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "latest", ""),
    ],
)
def test_prefixes_and_dns_names_are_faults_of_some_versions_only(handle: str, tag: str, wanted: str) -> None:
    assert mode(handle_fault(handle, driver(tag))) == wanted


def test_without_a_known_version_only_what_every_version_refuses_is_a_fault() -> None:
    assert handle_fault(f"efs:fs-0123456789abcdef0::{POINT}", None) is None
    assert handle_fault("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", None) is None
    assert mode(handle_fault("fs-1", None)) == INVALID


def attribute(
    attributes: dict[str, str], options: tuple[str, ...] = (), tag: str = "v3.5.0", handle: str = "fs-0123456789abcdef0"
) -> str:
    return mode(attribute_fault(attributes, handle, options, driver(tag)))


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({}, ""),
        ({"encryptInTransit": "true"}, ""),
        ({"encryptintransit": "FALSE"}, ""),
        ({"encryptInTransit": "1"}, ""),
        ({"encryptInTransit": "yes"}, UNSUPPORTED),
        ({"encryptInTransit": ""}, UNSUPPORTED),
        ({"mounttargetip": "10.0.1.5"}, ""),
        ({"mounttargetip": "2600:1f18::5"}, ""),
        ({"mounttargetip": "fs-mt1"}, UNSUPPORTED),
        ({"mounttargetipmap": "euw1-az1:10.0.1.5"}, ""),
        ({"crossaccount": "true"}, ""),
        ({"storage.kubernetes.io/csiProvisionerIdentity": "1-8081-efs.csi.aws.com"}, ""),
        ({"provisioningMode": "efs-ap", "directoryPerms": "700"}, ""),
        ({"encryptInTransitt": "true"}, UNSUPPORTED),
        ({"volumePath": "/x"}, UNSUPPORTED),
    ],
)
def test_an_attribute_that_the_driver_does_not_know_or_understand_is_a_fault(
    attributes: dict[str, str], wanted: str
) -> None:
    assert attribute(attributes) == wanted


@pytest.mark.parametrize(("tag", "wanted"), [("v2.3.1", ""), ("v3.0.0", REMOVED), ("v3.5.0", REMOVED), ("latest", "")])
def test_the_attribute_path_is_refused_since_3_0_0(tag: str, wanted: str) -> None:
    assert attribute({"path": "/prometheus"}, tag=tag) == wanted


@pytest.mark.parametrize(
    ("handle", "options", "wanted"),
    [
        (f"fs-0123456789abcdef0::{POINT}", (f"accesspoint={OTHER}",), UNSUPPORTED),
        (f"fs-0123456789abcdef0::{POINT}", (f"accesspoint={POINT}",), ""),
        ("fs-0123456789abcdef0", (f"accesspoint={POINT}",), ""),
        ("fs-0123456789abcdef0::", (f"accesspoint={POINT}",), ""),
    ],
)
def test_two_different_access_points_are_a_fault(handle: str, options: tuple[str, ...], wanted: str) -> None:
    assert attribute({}, options, handle=handle) == wanted


@pytest.mark.parametrize("value", ["false", "False", "f", "0"])
def test_tls_beside_encryption_switched_off_is_a_fault(value: str) -> None:
    assert attribute({"encryptInTransit": value}, ("tls",)) == UNSUPPORTED
    assert attribute({"encryptInTransit": value}, ("noresvport",)) == ""


def test_tls_beside_encryption_switched_on_is_none() -> None:
    assert attribute({}, ("tls",)) == attribute({"encryptInTransit": "true"}, ("tls", "iam")) == ""


@pytest.mark.parametrize(("tag", "wanted"), [("v2.3.1", ""), ("v3.0.0", UNSUPPORTED), ("latest", "")])
def test_crossaccount_among_the_mount_options_is_refused_since_3_0_0(tag: str, wanted: str) -> None:
    assert attribute({}, ("crossaccount",), tag) == wanted


@pytest.mark.parametrize(
    ("options", "tls", "kind", "wanted"),
    [
        ((), True, "efs", ""),
        (("noresvport", "_netdev"), True, "efs", ""),
        (("iam",), True, "efs", ""),
        (("iam",), False, "efs", OPTION),
        (("port=2050",), True, "efs", OPTION),
        (("port=2050",), False, "efs", ""),
        (("vers=3",), True, "efs", OPTION),
        (("nfsvers=3",), True, "efs", OPTION),
        (("nfsvers=2",), True, "efs", OPTION),
        (("nfsvers=4.1",), True, "efs", ""),
        (("vers=4.0",), True, "efs", ""),
        (("stunnel",), True, "efs", ""),
        (("stunnel",), True, "s3files", S3),
        (("crossaccount",), True, "s3files", S3),
        ((), False, "s3files", S3),
        (("iam",), True, "s3files", ""),
    ],
)
def test_options_that_contradict_each_other_or_the_file_system_are_a_fault(
    options: tuple[str, ...], tls: bool, kind: str, wanted: str
) -> None:
    assert mode(option_fault(options, tls, kind)) == wanted


def test_a_version_that_is_none_is_neither_before_nor_since_another() -> None:
    odd = driver("latest")
    assert (odd.before(9, 9, 9), odd.since(0, 0, 0)) == (False, False)
    assert (driver("v3.0.0").before(3, 0, 0), driver("v3.0.0").since(3, 0, 0)) == (False, True)
