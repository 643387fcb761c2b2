"""Mounts that mount.efs, the driver or EFS refuses."""

from __future__ import annotations

from worlds.account import DRIVER_POLICY, set_attached, set_file_system_policy
from worlds.fault import Stage, fault
from worlds.ids import ago
from worlds.logs import REFUSED_BY_SERVER, failing, opening, unresolved
from worlds.stages import crashing, directory_of, mount_fails, name_unresolved, running_unready, unmounted
from worlds.world import Thing, World

INVALID = "rpc error: code = InvalidArgument desc = "
ANYBODY = {"AWS": "*"}
RIGHTS = [f"elasticfilesystem:Client{r}" for r in ("Mount", "Write", "RootAccess")]


def _csi(world: World) -> Thing:
    found: Thing = world.volume["spec"]["csi"]
    return found


@fault("pv.volume-handle-invalid", Stage.MOUNT)
def handle_is_the_volumes_name(world: World) -> None:
    _csi(world)["volumeHandle"] = "prometheus-efs"
    says = "volume ID 'prometheus-efs' is invalid: Expected a file system ID of the form 'fs-[0-9a-f]{8,40}'"
    unmounted(world, INVALID + says)


@fault("pv.volume-handle-invalid", Stage.MOUNT)
def handle_has_four_fields(world: World) -> None:
    handle = f"{world.file_system}:/a::x"
    _csi(world)["volumeHandle"] = handle
    unmounted(world, f"{INVALID}volume ID '{handle}' is invalid: Expected at most three fields separated by ':'")


@fault("pv.volume-handle-version-skew", Stage.MOUNT, driver="v2.3.1")
def handle_has_a_prefix_that_the_driver_does_not_know(world: World) -> None:
    handle = f"efs:{world.file_system}"
    _csi(world)["volumeHandle"] = handle
    unmounted(
        world, f"{INVALID}volume ID '{handle}' is invalid: Expected a file system ID of the form 'fs-[0-9a-f]{{8,40}}'"
    )


@fault("pv.volume-handle-dns-name", Stage.MOUNT, driver="v3.1.0")
def handle_is_a_dns_name(world: World) -> None:
    handle = f"{world.file_system}.efs.{world.region}.amazonaws.com"
    _csi(world)["volumeHandle"] = handle
    unmounted(
        world, f"{INVALID}volume ID '{handle}' is invalid: Expected a file system ID of the form 'fs-[0-9a-f]{{8,40}}'"
    )


@fault("pv.volume-attribute-path-removed", Stage.MOUNT)
def attribute_path_is_from_an_old_driver(world: World) -> None:
    _csi(world)["volumeAttributes"] = {"path": "/prometheus"}
    unmounted(world, f"{INVALID}Volume context property path not supported.")


@fault("pv.volume-attribute-unsupported", Stage.MOUNT)
def attribute_is_unknown(world: World) -> None:
    _csi(world)["volumeAttributes"] = {"accessPointId": "fsap-0123456789abcdef0"}
    unmounted(world, f"{INVALID}Volume context property accessPointId not supported.")


@fault("pv.access-mode-unsupported-by-driver", Stage.MOUNT)
def volume_is_read_only_many(world: World) -> None:
    world.volume["spec"]["accessModes"] = world.claim["spec"]["accessModes"] = ["ReadOnlyMany"]
    says = "Volume capability not supported: invalid access mode: MULTI_NODE_READER_ONLY"
    unmounted(world, INVALID + says)


@fault("mount.option-invalid", Stage.MOUNT, options=("iam",))
def iam_without_tls(world: World) -> None:
    _csi(world).setdefault("volumeAttributes", {})["encryptInTransit"] = "false"
    mount_fails(world, 'The "tls" option is required when mounting via "iam"', 1)


@fault("mount.option-invalid", Stage.MOUNT, options=("nfsvers=3",))
def volume_asks_for_nfs_3(world: World) -> None:
    mount_fails(world, "b'mount.nfs4: an incorrect mount option was specified'", 32)


@fault("mount.option-invalid", Stage.MOUNT, options=("capath=/etc/ca",), sure=False)
def mount_helper_does_not_know_an_option(world: World) -> None:
    mount_fails(world, 'Unsupported mount options detected: "capath"', 1)


@fault("mount.cross-account", Stage.MOUNT, sure=False)
def mount_across_accounts_lacks_the_zone(world: World) -> None:
    _csi(world)["volumeAttributes"] = {"crossaccount": "true"}
    says = "Cannot retrieve AZ-ID from metadata service. This is required for the crossaccount mount option."
    mount_fails(world, says, 1)


@fault("mount.s3files-unsupported-option", Stage.MOUNT)
def s3_files_without_tls(world: World) -> None:
    _csi(world)["volumeHandle"] = f"s3files:{world.file_system}"
    _csi(world).setdefault("volumeAttributes", {})["encryptInTransit"] = "false"
    mount_fails(world, "Encryption in transit cannot be disabled for S3 Files file system.", 1)


@fault("mount.path-not-found", Stage.MOUNT, sure=False)
def handle_names_a_directory_that_is_not_there(world: World) -> None:
    _csi(world)["volumeHandle"] = f"{world.file_system}:/prometheus-data"
    world.volumes.clear()
    output = (
        "b'mount.nfs4: mounting 127.0.0.1:/prometheus-data failed, reason given by server: No such file or directory'"
    )
    mount_fails(world, output)


@fault("mount.port-range-exhausted", Stage.MOUNT, sure=False)
def tunnels_have_used_all_ports(world: World) -> None:
    mount_fails(
        world,
        "Failed to locate an available port in the range [20049, 21049], try specifying a different port range in "
        "/etc/amazon/efs/efs-utils.conf",
        1,
    )


@fault("mount.tunnel-start-failed", Stage.MOUNT, sure=False)
def tunnel_does_not_start(world: World) -> None:
    mount_fails(
        world, f"Failed to initialize tunnel for {world.file_system}, please check mount.log for the failure reason.", 1
    )


@fault("node.nfs-kernel-client-missing", Stage.MOUNT, sure=False)
def kernel_has_no_nfs_client(world: World) -> None:
    mount_fails(world, "b'mount.nfs4: Protocol not supported'")


@fault("efs.policy-requires-iam", Stage.MOUNT)
@fault("efs.policy-requires-iam", Stage.MOUNT, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def policy_admits_the_nodes_role_and_the_mount_is_anonymous(world: World) -> None:
    role = {"AWS": f"arn:aws:iam::{world.account}:role/{world.node_role}"}
    set_file_system_policy(world, {"Effect": "Allow", "Principal": role, "Action": RIGHTS})
    mount_fails(world, REFUSED_BY_SERVER)


@fault("efs.policy-requires-tls", Stage.MOUNT)
def policy_denies_plain_nfs(world: World) -> None:
    _csi(world).setdefault("volumeAttributes", {})["encryptInTransit"] = "false"
    set_file_system_policy(
        world,
        {"Effect": "Allow", "Principal": ANYBODY, "Action": RIGHTS},
        {
            "Effect": "Deny",
            "Principal": ANYBODY,
            "Action": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
    mount_fails(world, "mount.nfs4: access denied by server while mounting 10.0.1.120:/")


@fault("efs.policy-access-point-only", Stage.MOUNT)
def policy_admits_one_access_point(world: World) -> None:
    arn = f"arn:aws:elasticfilesystem:{world.region}:{world.account}:access-point/fsap-0aaaaaaaaaaaaaaaa"
    condition = {"StringEquals": {"elasticfilesystem:AccessPointArn": arn}}
    set_file_system_policy(world, {"Effect": "Allow", "Principal": ANYBODY, "Action": RIGHTS, "Condition": condition})
    mount_fails(world, REFUSED_BY_SERVER)


@fault("efs.access-point-not-found", Stage.MOUNT, storage="dynamic")
def access_point_was_deleted(world: World) -> None:
    world.aws[f"efs/describe-access-points/FileSystemId={world.file_system}"] = {"AccessPoints": []}
    world.volumes.clear()
    mount_fails(world, REFUSED_BY_SERVER)


@fault("efs.access-point-root-missing", Stage.MOUNT, storage="dynamic", sure=False)
def access_point_has_no_root(world: World) -> None:
    point = world.aws[f"efs/describe-access-points/FileSystemId={world.file_system}"]["AccessPoints"][0]
    point["RootDirectory"].pop("CreationInfo")
    world.volumes.clear()
    mount_fails(world, REFUSED_BY_SERVER)


@fault("efs.file-system-not-found", Stage.MOUNT)
def volume_names_a_deleted_file_system(world: World) -> None:
    gone = world.file_system
    world.aws["efs/describe-file-systems"] = {"FileSystems": []}
    for operation in ("mount-targets", "access-points", "file-system-policy", "backup-policy"):
        error = {"Code": "FileSystemNotFound", "Message": f"File system '{gone}' does not exist."}
        world.aws[f"efs/describe-{operation}/FileSystemId={gone}"] = {"Error": error}
    world.volumes.clear()
    name_unresolved(world, f"The file system {gone} is not found")


@fault("efs.not-available", Stage.MOUNT)
def file_system_is_being_deleted(world: World) -> None:
    world.system["LifeCycleState"] = "deleting"
    name_unresolved(world, f"No mount target created for the file system {world.file_system} is in available state yet")


@fault("efs.kms-key-unusable", Stage.PROCESS, provable=False, wanted=("prometheus.io-error",))
def key_of_the_file_system_is_disabled(world: World) -> None:
    world.system["KmsKeyId"] = f"arn:aws:kms:{world.region}:{world.account}:key/0a"
    path = f"{directory_of(world)}/wal/00000012"
    crashing(world, failing(world.shape.prometheus, f"opening storage failed: read {path}: input/output error"))


@fault("csi.wrong-region", Stage.MOUNT, sure=False)
def file_system_is_in_another_region(world: World) -> None:
    """The handle's file system exists, in us-east-1; the node asks in its own region."""
    world.aws["efs/describe-file-systems"] = {"FileSystems": []}
    for operation in ("mount-targets", "access-points", "file-system-policy", "backup-policy"):
        error = {"Code": "FileSystemNotFound", "Message": "does not exist."}
        world.aws[f"efs/describe-{operation}/FileSystemId={world.file_system}"] = {"Error": error}
    _csi(world)["volumeHandle"] = f"{world.file_system}.efs.us-east-1.amazonaws.com"
    mount_fails(
        world, unresolved(world.file_system, "us-east-1", f"The file system {world.file_system} is not found"), 1
    )


@fault("mount.stale-handle", Stage.MOUNT, sure=False)
def mount_is_stale(world: World) -> None:
    pod, volume = world.pod["metadata"]["uid"], world.volume["metadata"]["name"]
    path = f"/var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~csi/{volume}/mount"
    unmounted(world, f"rpc error: code = Internal desc = stat {path}: stale NFS file handle")


@fault("mount.hang-existing", Stage.PROCESS, sure=False)
def mount_hangs_after_the_driver_restarted(world: World) -> None:
    """The node plugin was killed after the mount; its proxy went with it."""
    plugin = world.node_plugin["status"]["containerStatuses"][0]
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": ago(25)}
    plugin |= {"restartCount": 1, "lastState": {"terminated": ended}, "state": {"running": {"startedAt": ago(24)}}}
    running_unready(world, opening(world.shape.prometheus), since=44)
    world.say(world.pod, "Unhealthy", "Liveness probe failed: context deadline exceeded")
    world.say(world.pod, "FailedKillPod", "error killing pod: failed to stop container: context deadline exceeded")


@fault("csi.orphaned-mount", Stage.MOUNT, provable=False)
def only_this_node_keeps_timing_out(world: World) -> None:
    text = "E1121 08:57:00 mount_helper: stat /var/lib/kubelet/pods/x/mount: transport endpoint is not connected"
    unmounted(world, "rpc error: code = DeadlineExceeded desc = context deadline exceeded")
    world.print_log(world.node_plugin, "efs-plugin", [text])


@fault("permission.fsgroup-apply-failed", Stage.MOUNT, sure=False)
def kubelet_may_not_change_the_group(world: World) -> None:
    world.get("csidrivers", "efs.csi.aws.com")["spec"]["fsGroupPolicy"] = "File"
    unmounted(world, f"applyFSGroup failed for vol {world.file_system}: open /mount/wal: permission denied")


@fault("iam.client-mount-missing", Stage.MOUNT, options=("iam",))
@fault("iam.client-mount-missing", Stage.MOUNT, options=("iam",), flavour="eks", storage="dynamic")
def role_may_not_mount(world: World) -> None:
    named = {f"arn:aws:iam::{world.account}:policy/efs-csi-driver": DRIVER_POLICY}
    set_attached(world, world.node_role, {} if world.shape.flavour == "eks" else named)
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{world.account}:role/backup"},
        "Action": ["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
    }
    set_file_system_policy(world, allow)
    mount_fails(world, REFUSED_BY_SERVER)


@fault("mount.iam-no-credentials", Stage.MOUNT, options=("iam",))
def node_has_no_profile_and_the_mount_signs_in(world: World) -> None:
    instance = world.instance()
    instance.pop("IamInstanceProfile")
    answer = world.aws["ec2/describe-iam-instance-profile-associations"]
    answer["IamInstanceProfileAssociations"] = [
        a for a in answer["IamInstanceProfileAssociations"] if a["InstanceId"] != instance["InstanceId"]
    ]
    mount_fails(
        world,
        "AWS Access Key ID and Secret Access Key are not found in AWS credentials file "
        "(/root/.aws/credentials), config "
        "file (/root/.aws/config), from ECS credentials relative uri, or from the instance security "
        "credentials service",
        1,
    )
