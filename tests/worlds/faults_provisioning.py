"""Class parameters, and what EFS answers to the provisioner."""

from __future__ import annotations

from typing import Any

from worlds.fault import Stage, fault
from worlds.stages import unprovisioned
from worlds.world import World

DYNAMIC: dict[str, Any] = {"storage": "dynamic"}
INVALID = "rpc error: code = InvalidArgument desc = "
INTERNAL = "rpc error: code = Internal desc = "


def _parameters(world: World) -> dict[str, str]:
    found: dict[str, str] = world.get("storageclasses", "efs-sc")["parameters"]
    return found


@fault("csi.invalid-parameters", Stage.BIND, **DYNAMIC)
def class_lacks_the_provisioning_mode(world: World) -> None:
    _parameters(world).pop("provisioningMode")
    unprovisioned(world, f"{INVALID}Missing provisioningMode parameter")


@fault("csi.invalid-parameters", Stage.BIND, **DYNAMIC)
def class_has_an_unknown_mode(world: World) -> None:
    _parameters(world)["provisioningMode"] = "efs-dir"
    says = (
        "Provisioning mode efs-dir is not supported. Only Access point provisioning 'efs-ap' or "
        "'s3files-ap' are supported"
    )
    unprovisioned(world, INVALID + says)


@fault("csi.invalid-parameters", Stage.BIND, **DYNAMIC)
def class_names_no_file_system(world: World) -> None:
    _parameters(world).pop("fileSystemId")
    says = "one of fileSystemId, fileSystemIdConfigRef, or fileSystemIdSecretRef must be specified"
    unprovisioned(world, f"{INVALID}Failed to resolve filesystem Id {says}")


@fault("csi.invalid-parameters", Stage.BIND, **DYNAMIC)
def class_has_half_a_gid_range(world: World) -> None:
    _parameters(world)["gidRangeStart"] = "1000"
    unprovisioned(world, f"{INVALID}Missing gidRangeEnd parameter")


@fault("csi.directory-perms-missing", Stage.BIND, **DYNAMIC)
def class_has_no_directory_permissions(world: World) -> None:
    _parameters(world).pop("directoryPerms")
    unprovisioned(
        world,
        f"{INTERNAL}Failed to create Access point in File System {world.file_system} : Failed to create access point: "
        "operation error EFS: CreateAccessPoint, https response error StatusCode: 400, RequestID: 1, api error "
        "ValidationException: 2 validation errors detected: Value '' at "
        "'rootDirectory.creationInfo.permissions' failed "
        "to satisfy constraint: Member must have length greater than or equal to 3; ...",
    )


@fault("csi.subpath-pattern-invalid", Stage.BIND, **DYNAMIC)
def class_has_a_pattern_with_an_unknown_element(world: World) -> None:
    _parameters(world)["subPathPattern"] = "${.PVC.namespace}/${.PVC.labels}"
    says = "contains invalid elements. Can only contain [.PV.name .PVC.name .PVC.namespace]"
    unprovisioned(world, f'{INVALID}Path specified "${{.PVC.namespace}}/${{.PVC.labels}}" {says}')


@fault("csi.enable-tagging-conflict", Stage.BIND, **DYNAMIC)
def class_forbids_tags_that_the_driver_sets(world: World) -> None:
    _parameters(world)["enableTagging"] = "false"
    for spec in (
        world.controller["spec"]["template"]["spec"],
        *(p["spec"] for p in world.driver_pods("efs-csi-controller")),
    ):
        spec["containers"][0]["args"] = ["--v=2", "--tags=team:storage"]
    says = (
        "enableTagging is false but the driver is configured with --tags; set enableTagging=true or "
        "remove the --tags flag"
    )
    unprovisioned(world, INVALID + says)


@fault("pvc.volume-mode-mismatch", Stage.BIND, **DYNAMIC)
def claim_asks_efs_for_a_block_device(world: World) -> None:
    world.claim["spec"]["volumeMode"] = "Block"
    unprovisioned(world, f"{INVALID}Volume capabilities not supported: only filesystem volumes are supported")


@fault("pvc.selector-mismatch", Stage.BIND, **DYNAMIC)
def claim_gives_the_provisioner_a_selector(world: World) -> None:
    world.claim["spec"]["selector"] = {"matchLabels": {"tier": "metrics"}}
    unprovisioned(world, "claim Selector is not supported")


@fault("csi.invalid-parameters", Stage.BIND, **DYNAMIC)
def claim_asks_for_read_only_many(world: World) -> None:
    world.claim["spec"]["accessModes"] = ["ReadOnlyMany"]
    unprovisioned(world, f"{INVALID}Volume capabilities not supported: invalid access mode: MULTI_NODE_READER_ONLY")


@fault("efs.file-system-not-found", Stage.BIND, **DYNAMIC)
def class_names_a_deleted_file_system(world: World) -> None:
    gone = world.file_system
    world.aws["efs/describe-file-systems"] = {"FileSystems": []}
    for operation in ("mount-targets", "access-points", "file-system-policy", "backup-policy"):
        message = f"File system '{gone}' does not exist."
        error = {"Error": {"Code": "FileSystemNotFound", "Message": message}}
        world.aws[f"efs/describe-{operation}/FileSystemId={gone}"] = error
    unprovisioned(world, f"{INVALID}File System does not exist: Resource was not found")
    for operation in ("access-points",):
        world.aws[f"efs/describe-{operation}/FileSystemId={gone}"] = error


@fault("efs.not-available", Stage.BIND, **DYNAMIC)
def file_system_is_still_being_created(world: World) -> None:
    world.system["LifeCycleState"] = "creating"
    unprovisioned(
        world,
        f"{INTERNAL}Failed to create Access point in File System {world.file_system} : Failed to create access point: "
        "operation error EFS: CreateAccessPoint, api error IncorrectFileSystemLifeCycleState: "
        f"file system '{world.file_system}' is not available",
    )


@fault("efs.access-point-quota", Stage.BIND, sure=False, **DYNAMIC)
def file_system_takes_no_more_access_points(world: World) -> None:
    unprovisioned(
        world,
        f"{INTERNAL}Failed to create Access point in File System {world.file_system} : Failed to create access point: "
        "operation error EFS: CreateAccessPoint, https response error StatusCode: 403, RequestID: 1, "
        "AccessPointLimitExceeded: You have reached the maximum number of access points",
    )


@fault("csi.gid-range-exhausted", Stage.BIND, sure=False, **DYNAMIC)
def group_ids_are_used_up(world: World) -> None:
    _parameters(world).update({"gidRangeStart": "50000", "gidRangeEnd": "50001"})
    unprovisioned(
        world,
        f"{INTERNAL}Failed to locate a free GID for given file system: {world.file_system}. Please create a "
        f"new storage "
        "class with a new file-system",
    )


@fault("csi.reuse-access-point-mismatch", Stage.BIND, sure=False, **DYNAMIC)
def existing_access_point_has_another_path(world: World) -> None:
    _parameters(world).update({"reuseAccessPoint": "true", "ensureUniqueDirectory": "false"})
    unprovisioned(
        world,
        "rpc error: code = AlreadyExists desc = Invalid existing access point: Access point found but has "
        "different base "
        "path than what's specified in storage class",
    )


@fault("csi.filesystem-id-ref-rbac", Stage.BIND, sure=False, **DYNAMIC)
def driver_may_not_read_the_referenced_map(world: World) -> None:
    parameters = _parameters(world)
    parameters.pop("fileSystemId")
    parameters["fileSystemIdConfigRef"] = "shop/efs/id"
    unprovisioned(
        world,
        f"{INVALID}Failed to resolve filesystem Id fileSystemIdConfigRef 'shop/efs' is forbidden: User "
        f"cannot get. This "
        "feature requires RBAC permissions. See documentation for details",
    )


@fault("csi.cross-account-role", Stage.BIND, sure=False, **DYNAMIC)
def role_of_the_other_account_is_refused(world: World) -> None:
    unprovisioned(
        world,
        "rpc error: code = Unauthenticated desc = Unable to initialize aws cloud: AccessDenied. Please verify role has "
        "the correct AWS permissions for cross account mount",
    )


@fault("csi.region-unresolved", Stage.BIND, sure=False, **DYNAMIC)
def driver_knows_no_region(world: World) -> None:
    unprovisioned(
        world,
        f"{INTERNAL}Failed to fetch Access Points or Describe File System: List Access Points failed: operation error "
        "EFS: DescribeAccessPoints, failed to resolve service endpoint, Invalid Configuration: Missing Region",
    )


@fault("csi.provision-timeout", Stage.BIND, sure=False, **DYNAMIC)
def efs_throttles_the_driver(world: World) -> None:
    said = 'I1121 08:58:11.000000       1 cloud.go:200] "Throttle error from AWS EFS API"'
    unprovisioned(world, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", logged=[said] * 5)


@fault("csi.wrong-region", Stage.BIND, sure=False, **DYNAMIC)
def driver_is_set_to_another_region(world: World) -> None:
    env = {"name": "AWS_REGION", "value": "us-east-1"}
    for spec in (
        world.controller["spec"]["template"]["spec"],
        *(p["spec"] for p in world.driver_pods("efs-csi-controller")),
    ):
        spec["containers"][0]["env"].append(env)
    unprovisioned(world, f"{INVALID}File System does not exist: Resource was not found")
