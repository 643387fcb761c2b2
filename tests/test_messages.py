"""Messages, events and logs are recognised: as the modes that write them, and as no others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from efsdiag.catalogue import PLACES, load_modes, load_noise
from efsdiag.messages import Sighting, is_noise, recognise
from efsdiag.model import ModeKind

MODES = load_modes()
SIGNS = [(mode.id, sign) for mode in MODES.values() for sign in mode.signs]

VALUES = {
    "<n>": "3",
    "<path>": "/prometheus/server",
    "<ip>": "10.0.12.7",
    "<pv>": "pvc-7e887257-a1bd-49a1-a958-a13e47a63796",
    "<claim>": "prometheus-server",
    "<class>": "efs-sc",
    "<zone>": "us-east-1c",
    "<node>": "ip-10-0-1-7.ec2.internal",
    "<taint>": "dedicated:gpu",
    "<handle>": "fs-0b6021719b7bf6d97:/a",
    "fs-X": "fs-0b6021719b7bf6d97",
    "fsap-X": "fsap-08216a742c0b1fd36",
    "...": "in its own way\nand on a further line",
}
PLACEHOLDER = re.compile(r"<[a-z][a-z-]*>|\bfs-X\b|\bfsap-X\b|\.\.\.")


def filled(text: str) -> str:
    """The text of a sign with a realistic value for each placeholder."""
    return PLACEHOLDER.sub(lambda found: VALUES.get(found.group(), "some-value"), text)


def modes_of(sightings: tuple[Sighting, ...]) -> set[str]:
    return {sighting.mode for sighting in sightings}


def causes_of(sightings: tuple[Sighting, ...]) -> set[str]:
    return {mode for mode in modes_of(sightings) if MODES[mode].kind is ModeKind.CAUSE}


def specific_of(sightings: tuple[Sighting, ...]) -> list[str]:
    return [sighting.mode for sighting in sightings if sighting.specific]


def named(value: object) -> str:
    return value if isinstance(value, str) else ""


each_sign = pytest.mark.parametrize(("mode", "sign"), SIGNS, ids=named)


@each_sign
def test_the_text_of_a_sign_is_recognised_as_its_own_mode(mode: str, sign: Mapping[str, Any]) -> None:
    for reason in sign["reasons"] or ("",):
        assert mode in modes_of(recognise(filled(sign["text"]), sign["where"], reason))


@each_sign
def test_the_text_of_a_sign_is_recognised_inside_a_longer_message_with_other_line_breaks(
    mode: str, sign: Mapping[str, Any]
) -> None:
    text = "before that, " + filled(sign["text"]).replace(" ", " \n  ") + ", and after it"
    assert mode in modes_of(recognise(text, sign["where"]))


@each_sign
def test_the_text_of_a_sign_is_recognised_where_a_log_quotes_it(mode: str, sign: Mapping[str, Any]) -> None:
    quoted = filled(sign["text"]).replace('"', '\\"').replace("\n", "\\n")
    text = f'E1008 11:51:23.381903       1 controller.go:974] "Unhandled Error" err="{quoted}"'
    assert mode in modes_of(recognise(text, sign["where"]))


@pytest.mark.parametrize(("mode", "sign"), [(m, s) for m, s in SIGNS if s["unless"]], ids=named)
def test_a_sign_is_not_recognised_beside_what_its_unless_names(mode: str, sign: Mapping[str, Any]) -> None:
    others = {s["text"] for s in MODES[mode].signs} - {sign["text"]}
    for other in sign["unless"]:
        seen = recognise(f"{filled(sign['text'])}\nand {filled(other)}", sign["where"])
        assert [s for s in seen if s.mode == mode and s.sign not in others] == []


@pytest.mark.parametrize(
    ("mode", "sign"), [(m, s) for m, s in SIGNS if s["reasons"] and s["where"].endswith("-event")], ids=named
)
def test_an_event_of_another_reason_is_not_taken_for_the_sign(mode: str, sign: Mapping[str, Any]) -> None:
    seen = recognise(filled(sign["text"]), sign["where"], "SomethingElse")
    assert [s for s in seen if s.mode == mode and s.sign == sign["text"]] == []


@pytest.mark.parametrize("noise", load_noise(), ids=lambda noise: noise.id)
def test_a_line_of_noise_is_noise_and_nothing_else(noise: Any) -> None:
    line = f"W1021 10:14:44.111222       1 main.go:155] {filled(noise.text)} (seen 3 times)"
    assert is_noise(line)
    assert [recognise(line, place) for place in PLACES] == [()] * len(PLACES)


@each_sign
def test_no_sign_is_noise(mode: str, sign: Mapping[str, Any]) -> None:
    assert not is_noise(filled(sign["text"])), mode


def test_noise_before_an_error_does_not_make_the_message_noise() -> None:
    watchdog = 'Output: Could not start amazon-efs-mount-watchdog, unrecognized init system "aws-efs-csi-dri"'
    assert is_noise(watchdog)
    assert not is_noise(watchdog + "\nb'mount.nfs4: mount system call failed'")
    assert not is_noise("")


def test_an_unknown_place_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"'pod-evnet' is not in catalogue\.PLACES; did you mean pod-event"):
        recognise("so", "pod-evnet")


def test_what_klog_writes_after_an_error_is_no_part_of_it() -> None:
    error = "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found"
    line = f'E0925 18:49:21.293634 1 controller.go:974] "Unhandled Error" err="{error}" logger="UnhandledError"'
    heard = recognise(line, "provisioner-log")
    assert [s.quote.endswith(error) for s in heard if s.mode == "csi.no-credentials"] == [True]


def test_a_symptom_or_a_risk_is_never_specific() -> None:
    kinds = {
        MODES[s.mode].kind for m, sign in SIGNS for s in recognise(filled(sign["text"]), sign["where"]) if s.specific
    }
    assert kinds == {ModeKind.CAUSE}


# --- What looks alike ------------------------------------------------------------------------------------------------

MOUNT = (
    'MountVolume.SetUp failed for volume "prometheus-efs" : rpc error: code = Internal desc = Could not mount '
    '"fs-0dfe4b8247187595c:/prometheus" at "/var/lib/kubelet/pods/4efa5f64/volumes/kubernetes.io~csi/prometheus-efs/'
    'mount": mount failed: exit status %s\nMounting command: mount\nMounting arguments: -t efs -o tls '
    "fs-0dfe4b8247187595c:/prometheus /var/lib/kubelet/pods/4efa5f64/volumes/kubernetes.io~csi/prometheus-efs/mount\n"
    "Output: %s\n"
)
RESOLVE = (
    'Failed to resolve "fs-0dfe4b8247187595c.efs.us-east-1.amazonaws.com" - check that your file system ID is correct, '
    "and ensure that the VPC has an EFS mount target for this file system ID.\n"
    "See https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail.\n"
    "Attempting to lookup mount target ip address using botocore. %s"
)
DNS_CAUSES = {
    "csi.wrong-region",
    "efs.file-system-not-found",
    "efs.not-available",
    "network.custom-dns-resolver",
    "network.different-vpc",
    "network.no-mount-target",
    "network.no-mount-target-in-az",
    "network.vpc-dns-hostnames-disabled",
    "network.vpc-dns-support-disabled",
    "pv.s3files-prefix-missing",
}


@pytest.mark.parametrize(
    ("tail", "mode"),
    [
        (
            "No matching mount target in the az us-east-1c. Please create one mount target in us-east-1c, or try the "
            "mount target in another AZ by passing the availability zone name option. Available mount target(s) are "
            "in az ['us-east-1b', 'us-east-1d']",
            "network.no-mount-target-in-az",
        ),
        (
            "Cannot find mount target for the file system fs-0dfe4b8247187595c, please create a mount target in "
            "us-east-1c.",
            "network.no-mount-target",
        ),
        (
            "No mount target created for the file system fs-0dfe4b8247187595c is in available state yet, please retry "
            "in 5 minutes.",
            "network.mount-target-not-available",
        ),
        ("The file system fs-0dfe4b8247187595c is not found", "efs.file-system-not-found"),
    ],
)
@pytest.mark.parametrize("place", ["pod-event", "plugin-log"])
def test_the_tail_of_a_failed_resolution_names_the_cause(tail: str, mode: str, place: str) -> None:
    seen = recognise(MOUNT % (1, RESOLVE % tail), place)
    assert causes_of(seen) == {mode}
    assert specific_of(seen) == [mode]
    assert "mount.dns-unresolved" in modes_of(seen)


@pytest.mark.parametrize(
    "tail",
    [
        "Unable to locate credentials when performing operation DescribeMountTargets, please confirm your aws "
        "credentials are properly configured.",
        "User: arn:aws:sts::111122223333:assumed-role/nodes/i-0a is not authorized to perform: "
        "elasticfilesystem:DescribeMountTargets on the specified resource",
    ],
)
def test_a_look_up_that_was_not_allowed_says_nothing_about_why_the_name_did_not_resolve(tail: str) -> None:
    for place in ("pod-event", "plugin-log"):
        assert causes_of(recognise(MOUNT % (1, RESOLVE % tail), place)) == DNS_CAUSES


def test_an_api_out_of_reach_leaves_open_whether_dns_or_the_way_is_at_fault() -> None:
    tail = (
        "Could not connect to the endpoint when performing operation DescribeMountTargets, Could not connect to the "
        'endpoint URL: "https://elasticfilesystem.ap-southeast-1.amazonaws.com/2015-02-01/mount-targets"'
    )
    seen = recognise(MOUNT % (1, RESOLVE % tail), "pod-event", "FailedMount")
    assert causes_of(seen) == DNS_CAUSES | {"network.aws-api-unreachable"}
    assert specific_of(seen) == []


def test_a_failed_resolution_of_an_older_efs_utils_is_recognised() -> None:
    text = (
        'Output: Failed to resolve "fs-0dfe4b82.efs.us-east-1.amazonaws.com" - check that your file system ID is '
        "correct.\nSee https://docs.aws.amazon.com/console/efs/mount-dns-name for more detail."
    )
    assert causes_of(recognise(text, "pod-event", "FailedMount")) == DNS_CAUSES


def test_a_silent_mount_target_leaves_the_network_and_the_key_open() -> None:
    text = MOUNT % (
        32,
        'Could not start amazon-efs-mount-watchdog, unrecognized init system "aws-efs-csi-dri"\n'
        "Mount attempt 1/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.\n"
        "b'mount.nfs4: mount system call failed'",
    )
    seen = recognise(text, "pod-event", "FailedMount")
    assert causes_of(seen) == {
        "efs.kms-key-unusable",
        "network.ipv6",
        "network.mount-target-sg-ingress",
        "network.nacl",
        "network.no-route",
        "network.node-sg-egress",
    }
    assert modes_of(seen) - causes_of(seen) == {"mount.timeout"}
    assert specific_of(seen) == []


def test_a_time_out_of_a_claim_is_not_one_of_a_mount() -> None:
    text = (
        'failed to provision volume with StorageClass "efs-sc": rpc error: code = DeadlineExceeded desc = context '
        "deadline exceeded"
    )
    for place in ("claim-event", "plugin-log", "provisioner-log"):
        assert modes_of(recognise(text, place)) == {"csi.provision-timeout", "network.aws-api-unreachable"}


def test_access_denied_by_efs_is_neither_the_network_nor_the_api_nor_another_nfs_server() -> None:
    text = MOUNT % (
        32,
        "Mount attempt 1/3 failed due to b'mount.nfs4: access denied by server while mounting 127.0.0.1:/\\n', wait 1 "
        "sec before next attempt.\nb'mount.nfs4: access denied by server while mounting 127.0.0.1:/'",
    )
    seen = recognise(text, "pod-event", "FailedMount")
    assert causes_of(seen) == {
        "efs.access-point-not-found",
        "efs.access-point-root-missing",
        "efs.policy-access-point-only",
        "efs.policy-requires-iam",
        "efs.policy-requires-tls",
        "iam.client-mount-missing",
    }
    assert modes_of(seen) - causes_of(seen) == {"mount.access-denied-by-server"}


def test_access_denied_by_another_nfs_server_is_its_export() -> None:
    text = "Output: mount.nfs: access denied by server while mounting 192.168.1.10:/srv/nfs"
    assert specific_of(recognise(text, "pod-event", "FailedMount")) == ["nfs.export-denied"]


def test_no_credentials_with_404_is_a_missing_role_and_with_a_time_out_a_metadata_service_out_of_reach() -> None:
    text = (
        'failed to provision volume with StorageClass "efs-sc": rpc error: code = Internal desc = Failed to fetch '
        "Access Points or Describe File System: List Access Points failed: operation error EFS: DescribeAccessPoints, "
        "get identity: get credentials: failed to refresh cached credentials, no EC2 IMDS role found, operation error "
        "ec2imds: GetMetadata, "
    )
    refused = recognise(
        text + "http response error StatusCode: 404, request to EC2 IMDS failed", "claim-event", "ProvisioningFailed"
    )
    silent = recognise(text + "request canceled, context deadline exceeded", "claim-event", "ProvisioningFailed")
    assert causes_of(refused) == {
        "iam.instance-profile-not-associated",
        "iam.instance-profile-without-role",
        "iam.irsa-annotation-missing",
    }
    assert causes_of(silent) == {
        "iam.imds-disabled",
        "iam.imds-hop-limit",
        "iam.irsa-annotation-missing",
        "network.pod-imds-blocked",
    }
    assert "csi.no-credentials" in modes_of(refused) & modes_of(silent)


@pytest.mark.parametrize(
    ("end", "mode"),
    [
        ("because no permissions boundary allows the elasticfilesystem:TagResource action", "iam.permissions-boundary"),
        ("with an explicit deny in a service control policy", "iam.scp-deny"),
        ("with an explicit deny in an identity-based policy", "iam.explicit-deny"),
    ],
)
def test_a_refusal_that_says_what_refused_names_the_cause(end: str, mode: str) -> None:
    text = (
        'E1008 11:51:23.374723       1 handlers.go:73] "Error from AWS EFS API" err="api error AccessDeniedException: '
        "User: arn:aws:sts::111122223333:assumed-role/for_efs_role/i-07 is not authorized to perform: "
        f'elasticfilesystem:TagResource on the specified resource {end}"'
    )
    assert specific_of(recognise(text, "plugin-log")) == [mode]


INFEASIBLE = "Volume provisioning failed with infeasible error. Retries will be delayed. "
OLDER = 'failed to provision volume with StorageClass "efs-sc": '


@pytest.mark.parametrize("beginning", [INFEASIBLE, OLDER])
@pytest.mark.parametrize(
    ("message", "mode"),
    [
        ("rpc error: code = InvalidArgument desc = Missing provisioningMode parameter", "csi.invalid-parameters"),
        ("claim Selector is not supported", "pvc.selector-mismatch"),
        (
            "rpc error: code = InvalidArgument desc = Volume capability not supported: invalid access mode: "
            "MULTI_NODE_READER_ONLY",
            "pv.access-mode-unsupported-by-driver",
        ),
    ],
)
def test_a_refused_claim_is_recognised_in_both_wordings_of_the_provisioner(
    beginning: str, message: str, mode: str
) -> None:
    assert specific_of(recognise(beginning + message, "claim-event", "ProvisioningFailed")) == [mode]


@pytest.mark.parametrize(
    ("message", "modes"),
    [
        (
            "0/5 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, "
            "4 Insufficient memory. preemption: 0/5 nodes are available: 1 Preemption is not helpful for scheduling.",
            {"pod.untolerated-taint", "pod.insufficient-resources"},
        ),
        (
            "0/4 nodes are available: 2 Insufficient memory, 2 node(s) had untolerated taint(s). no new claims to "
            "deallocate, preemption: 0/4 nodes are available: 2 No preemption victims found for incoming pod.",
            {"pod.untolerated-taint", "pod.insufficient-resources"},
        ),
        (
            "0/3 nodes are available: 3 node(s) had untolerated taint {efs.csi.aws.com/agent-not-ready: }.",
            {"pod.efs-agent-not-ready-taint"},
        ),
        (
            "0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 node(s) had untolerated "
            "taint {efs.csi.aws.com/agent-not-ready: }.",
            {"pod.efs-agent-not-ready-taint", "pod.untolerated-taint"},
        ),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            {"pod.volume-node-affinity-conflict"},
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.",
            {"pod.volume-node-affinity-conflict"},
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
            {"pod.node-selector-mismatch"},
        ),
        (
            '0/5 nodes are available: persistentvolumeclaim "efs-claim" not found. not found',
            {"pod.pvc-not-found", "helm.existing-claim-in-other-namespace"},
        ),
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            {"pod.unbound-immediate-pvc"},
        ),
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are "
            "available: 3 Preemption is not helpful for scheduling.",
            {"pod.unbound-immediate-pvc"},
        ),
    ],
)
def test_the_scheduler_is_understood_before_and_from_1_36(message: str, modes: set[str]) -> None:
    assert modes_of(recognise(message, "pod-event", "FailedScheduling")) == modes


@pytest.mark.parametrize(
    ("handle", "mode"),
    [
        ("efs:fs-0b6021719b7bf6d97::fsap-08216a742c0b1fd36", "pv.volume-handle-version-skew"),
        ("fs-0b6021719b7bf6d97.efs.us-east-1.amazonaws.com", "pv.volume-handle-dns-name"),
        ("arn:aws:elasticfilesystem:us-east-1:111122223333:file-system/fs-0b", "pv.volume-handle-invalid"),
        ("FS-0B6021719B7BF6D97", "pv.volume-handle-invalid"),
    ],
)
def test_a_handle_that_is_refused_is_told_by_what_it_looks_like(handle: str, mode: str) -> None:
    text = (
        'MountVolume.SetUp failed for volume "prometheus-server" : rpc error: code = InvalidArgument desc = volume ID '
        f"'{handle}' is invalid: Expected a file system ID of the form 'fs-[0-9a-f]{{8,40}}'"
    )
    assert specific_of(recognise(text, "pod-event", "FailedMount")) == [mode]


@pytest.mark.parametrize(
    ("provisioner", "modes"),
    [
        ("efs.csi.aws.com", {"csi.driver-not-installed", "csi.controller-not-running"}),
        ("ebs.csi.aws.com", {"ebs.no-csi-driver", "ebs.in-tree-provisioner"}),
        ("openshift.org/aws-efs", {"storageclass.wrong-provisioner"}),
    ],
)
def test_the_provisioner_that_is_waited_for_tells_what_is_missing(provisioner: str, modes: set[str]) -> None:
    newer = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    older = (
        f'waiting for a volume to be created, either by external provisioner "{provisioner}" or manually created by '
        "system administrator"
    )
    for message in (newer, older):
        assert modes_of(recognise(message, "claim-event", "ExternalProvisioning")) == modes


@pytest.mark.parametrize("beginning", ["MountVolume.SetUp", "MountVolume.MountDevice"])
def test_a_driver_that_is_not_registered_has_many_causes_whichever_step_says_so(beginning: str) -> None:
    text = (
        f'{beginning} failed for volume "pvc-34f67db0" : kubernetes.io/csi: attacher.MountDevice failed to create '
        "newCsiDriverClient: driver name efs.csi.aws.com not found in the list of registered CSI drivers"
    )
    seen = recognise(text, "pod-event", "FailedMount")
    assert {"csi.driver-not-installed", "csi.node-daemonset-not-on-node", "csi.node-plugin-crash"} <= causes_of(seen)
    assert "csi.driver-object-missing" not in modes_of(seen)
    assert specific_of(seen) == []


def test_a_missing_configmap_is_told_apart_by_who_misses_it() -> None:
    mounted = 'MountVolume.SetUp failed for volume "config-volume" : configmap "prometheus-server" not found'
    assert specific_of(recognise(mounted, "pod-event", "FailedMount")) == ["container.volume-config-missing"]
    for place, reason, text in (
        ("container-status", "CreateContainerConfigError", 'configmap "prometheus-server" not found'),
        ("pod-event", "Failed", 'Error: configmap "prometheus-server" not found'),
    ):
        assert specific_of(recognise(text, place, reason)) == ["container.env-ref-missing"]


def test_a_root_user_that_is_refused_is_recognised_in_the_status_and_in_the_event() -> None:
    text = (
        "container's runAsUser breaks non-root policy (pod: \"prometheus-server-65f5c7669d-8kts4_observability"
        '(95e66ef8)", container: prometheus-server)'
    )
    for place, reason in (("container-status", "CreateContainerConfigError"), ("pod-event", "Failed")):
        assert specific_of(recognise("Error: " + text, place, reason)) == ["container.run-as-non-root-uid0"]


def test_chown_that_is_not_permitted_is_not_a_chown_of_a_closed_directory() -> None:
    seen = recognise("chown: changing ownership of '/var/lib/postgresql': Operation not permitted", "log")
    assert causes_of(seen) == {
        "permission.access-point-chown-denied",
        "permission.root-squash",
        "nfs.root-squash",
    }
    assert recognise("chown: /var/lib/grafana/png: Permission denied", "grafana-init-log") == ()


def test_grafana_s_init_container_is_recognised_by_its_own_log() -> None:
    seen = recognise("chown: /var/lib/grafana: Operation not permitted", "grafana-init-log")
    assert specific_of(seen) == ["grafana.init-chown-denied"]


@pytest.mark.parametrize(
    "line",
    [
        'pods is forbidden: User "system:serviceaccount:monitoring:prometheus-server" cannot list resource "pods" in '
        'API group "" at the cluster scope: permission denied',
        '{"level":"fatal","msg":"could not connect to database","err":"dial tcp 10.0.9.20:5432: connect: connection '
        'refused"}',
        "Back-off restarting failed container prometheus-server in pod prometheus-server-54b54fdcb5-xfrk2_monitoring",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "OOMKilled",
        'ts=2026-11-21T06:07:13.483Z caller=main.go:1012 level=info msg="TSDB started"',
    ],
)
def test_what_says_nothing_about_storage_is_recognised_as_nothing(line: str) -> None:
    assert [recognise(line, place) for place in PLACES] == [()] * len(PLACES)


def test_what_the_provisioner_logs_in_quotes_is_the_event_that_it_writes() -> None:
    line = (
        'I1008 11:51:23.378131       1 event.go:389] "Event occurred" object="monitoring/prometheus-server" '
        'fieldPath="" kind="PersistentVolumeClaim" apiVersion="v1" type="Warning" reason="ProvisioningFailed" '
        'message="failed to provision volume with StorageClass \\"efs-sc\\": rpc error: code = Unauthenticated desc = '
        'Access Denied. Please ensure you have the right AWS permissions: Access denied"\n'
    )
    seen = recognise(line, "provisioner-log")
    assert {"csi.access-denied", "iam.role-without-policy", "iam.policy-missing-actions"} <= modes_of(seen)
    assert not {"csi.delete-volume-failed", "mount.access-denied-by-server"} & modes_of(seen)
    assert specific_of(seen) == []


# --- Logs of Prometheus ----------------------------------------------------------------------------------------------

START = 'ts=2026-11-21T06:07:13.177Z caller=main.go:551 level=info msg="Starting Prometheus Server" mode=server\n'
PANIC = (
    "panic: Unable to create mmap-ed active query log\n\ngoroutine 1 [running]:\n"
    "github.com/prometheus/prometheus/promql.NewActiveQueryTracker({0x7ffc85a9a9cc, 0x10}, 0x14, {0x24cdbc0})\n"
)
NO_DIRECTORY = (
    "ts=2026-11-21T06:07:13.177Z caller=query_logger.go:113 level=error component=activeQueryTracker "
    'msg="Failed to create directory for logging active queries"\n'
)


def query_log(error: str) -> str:
    return (
        "ts=2026-11-21T06:07:13.177Z caller=query_logger.go:91 level=error component=activeQueryTracker "
        'msg="Error opening query log file" file=/efs/prometheus/data/queries.active '
        f'err="open /efs/prometheus/data/queries.active: {error}"\n'
    )


QUERY_LOG_3 = (
    'time=2026-10-27T08:01:16.413Z level=ERROR source=query_logger.go:113 msg="Error opening query log file" '
    'component=activeQueryTracker file=/data/queries.active err="open /data/queries.active: permission denied"\n'
)
QUERY_LOG_3_14 = (
    'time=2026-10-27T08:01:16.413Z level=ERROR source=main.go:894 msg="failed to initialize active query tracker" '
    'err="create mmap-ed active query log: open /data/queries.active: permission denied"\n'
)
MKDIR_3_14 = (
    'time=2026-10-27T08:01:16.413Z level=ERROR source=main.go:894 msg="failed to initialize active query tracker" '
    'err="create active query log directory: mkdir /efs/prometheus/server: permission denied"\n'
)
REFUSED = {
    "node.selinux-denies-nfs",
    "permission.access-point-uid-mismatch",
    "permission.chown-wrong-path",
    "permission.data-dir-not-writable",
    "permission.existing-file-owner",
    "permission.fsgroup-ineffective",
    "permission.root-squash",
    "prometheus.tsdb-path-off-volume",
}


@pytest.mark.parametrize(
    "log",
    [START + query_log("permission denied") + PANIC, START + QUERY_LOG_3 + PANIC, START + QUERY_LOG_3_14],
    ids=["2.42", "3.5", "3.14"],
)
def test_a_refused_query_log_leaves_open_who_owns_what(log: str) -> None:
    seen = recognise(log, "log")
    assert causes_of(seen) == REFUSED
    assert specific_of(seen) == []


def test_a_directory_that_could_not_be_made_means_a_parent_that_cannot_be_searched() -> None:
    seen = recognise(START + NO_DIRECTORY + query_log("permission denied") + PANIC, "log")
    assert seen == (
        Sighting(
            "permission.parent-not-searchable",
            "Failed to create directory for logging active queries ... open <path>/queries.active: permission denied",
            True,
            NO_DIRECTORY.strip(),
        ),
    )


def test_from_3_14_a_directory_that_could_not_be_made_leaves_open_why() -> None:
    assert causes_of(recognise(MKDIR_3_14, "log")) == {
        "permission.parent-not-searchable",
        "permission.data-dir-not-writable",
        "prometheus.tsdb-path-off-volume",
    }


def test_a_missing_directory_below_one_that_cannot_be_written_is_no_parent_that_cannot_be_searched() -> None:
    seen = recognise(START + NO_DIRECTORY + query_log("no such file or directory") + PANIC, "log")
    assert causes_of(seen) == {"permission.data-dir-not-writable", "prometheus.tsdb-path-off-volume"}


def test_a_query_log_that_was_there_before_belongs_to_another_user() -> None:
    read = (
        "ts=2026-11-21T06:07:25.855Z caller=query_logger.go:72 level=error component=activeQueryTracker "
        'msg="Failed to read query log file" err=EOF\n'
    )
    seen = recognise(START + read + query_log("permission denied") + PANIC, "log")
    assert specific_of(seen) == ["permission.existing-file-owner"]
    assert modes_of(seen) == {"permission.existing-file-owner"}


def test_a_read_only_file_system_is_not_a_matter_of_owners() -> None:
    seen = recognise(START + query_log("read-only file system") + PANIC, "log")
    assert causes_of(seen) == {"mount.read-only", "efs.replica-read-only"}


LOCKFILE = (
    "ts=2026-11-21T06:14:25.602Z caller=dir_locker.go:77 level=warn component=tsdb "
    'msg="A lockfile from a previous execution already existed. It was replaced" file=/efs/prometheus/data/lock\n'
)


@pytest.mark.parametrize(
    ("error", "modes"),
    [
        (
            "opening storage failed: lock DB directory: resource temporarily unavailable",
            {"prometheus.lock-held", "helm.rolling-update-overlap"},
        ),
        ("opening storage failed: lock DB directory: no locks available", {"prometheus.lock-unsupported"}),
        (
            "opening storage failed: lock DB directory: open /efs/prometheus/data/lock: permission denied",
            {"permission.existing-file-owner"},
        ),
        (
            "opening storage failed: open /efs/prometheus/data/chunks_head: permission denied",
            {"permission.existing-file-owner"},
        ),
        (
            "opening storage failed: migrate WAL: list sequence files: open /efs/prometheus/wal: permission denied",
            {"permission.existing-file-owner"},
        ),
        (
            "opening storage failed: lock DB directory: open /efs/prometheus/data/lock: no space left on device",
            {"prometheus.no-space", "ebs.volume-full", "nfs.server-disk-full"},
        ),
    ],
)
def test_a_storage_that_does_not_open_is_told_by_its_error(error: str, modes: set[str]) -> None:
    log = START + LOCKFILE + f'ts=2026-11-21T06:14:42.334Z caller=main.go:1127 level=error err="{error}"\n'
    assert modes_of(recognise(log, "log")) == modes


def test_a_lock_file_of_an_earlier_run_alone_is_noise() -> None:
    assert is_noise(LOCKFILE)
    assert recognise(START + LOCKFILE, "log") == ()


@pytest.mark.parametrize(
    "line",
    [
        "Error parsing commandline arguments: unknown long flag '--storage.tsdb.retention.tim'",
        "Error parsing command line arguments: unknown long flag '--storage.tsdb.retention'",
    ],
)
def test_an_unknown_flag_is_recognised_in_version_2_and_3(line: str) -> None:
    log = line + "\nprometheus: error: unknown long flag\n"
    assert specific_of(recognise(log, "log")) == ["prometheus.bad-flag"]


def test_the_warning_about_nfs_is_a_risk_and_takes_nothing_from_a_cause() -> None:
    warning = (
        'time=2026-11-03T00:24:45.520Z level=WARN source=main.go:1350 msg="This filesystem is not supported and may '
        'lead to data corruption and data loss. Please carefully read https://prometheus.io/docs/" '
        "fs_type=NFS_SUPER_MAGIC\n"
    )
    error = (
        'time=2026-11-03T00:24:46.520Z level=ERROR err="opening storage failed: lock DB directory: no locks available"'
    )
    seen = recognise(warning + error, "log")
    assert [(s.mode, s.specific) for s in seen] == [
        ("prometheus.lock-unsupported", True),
        ("prometheus.on-nfs-unsupported", False),
    ]


def test_a_write_ahead_log_that_was_repaired_is_nothing_to_report() -> None:
    damaged = (
        'level=warn msg="Encountered WAL read error, attempting repair" err="read records: corruption in segment"\n'
    )
    assert modes_of(recognise(damaged, "log")) == {"prometheus.wal-corruption"}
    assert recognise(damaged + 'level=info msg="Successfully repaired WAL"\n', "log") == ()


def test_lines_of_a_log_are_judged_one_by_one() -> None:
    log = (
        'level=error err="opening storage failed: lock DB directory: no locks available"\n'
        'level=error msg="Error loading config (--config.file=/etc/config/prometheus.yml)" err="parsing YAML file"\n'
    )
    assert specific_of(recognise(log, "log")) == ["prometheus.bad-config", "prometheus.lock-unsupported"]


def test_two_volumes_in_the_log_of_one_plugin_do_not_hide_each_other() -> None:
    absent = MOUNT % (1, RESOLVE % "The file system fs-0dfe4b8247187595c is not found")
    denied = MOUNT % (32, "b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'")
    seen = recognise(absent + denied, "plugin-log")
    assert specific_of(seen) == ["efs.file-system-not-found"]
    assert "efs.policy-requires-iam" in modes_of(seen)


def test_a_line_that_is_repeated_ten_thousand_times_is_one_sighting() -> None:
    log = (START + query_log("permission denied")) * 10_000
    assert causes_of(recognise(log, "log")) == REFUSED
