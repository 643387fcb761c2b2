"""What an account has that a remedy or an install could make or change, in an order that its server has no say in."""

from __future__ import annotations

import json
from typing import Any

from awsworld import AwsWorld


def account_of(aws: AwsWorld) -> dict[str, Any]:
    """Subject → what the account has of it, as JSON, sorted; equal before and after where nothing was changed.

    Shape:  {"systems": [id, ...], "profiles": [[profile, [role, ...]], ...], "groups": [security group, ...], ...}.
    Source: moto, which lists roles by ids that it makes at random.
    """
    found = {**_network(aws), **_file_systems(aws), **_identities(aws)}
    made: dict[str, list[Any]] = json.loads(json.dumps(found, sort_keys=True, default=str))
    return {subject: sorted(things, key=lambda t: json.dumps(t, sort_keys=True)) for subject, things in made.items()}


def _network(aws: AwsWorld) -> dict[str, list[Any]]:
    ec2 = aws.client("ec2")
    return {
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "acls": [sorted(map(str, a["Entries"])) for a in ec2.describe_network_acls()["NetworkAcls"]],
        "attributes": [
            (v["VpcId"], n, ec2.describe_vpc_attribute(VpcId=v["VpcId"], Attribute=n)[n[0].upper() + n[1:]])
            for v in ec2.describe_vpcs()["Vpcs"]
            for n in ("enableDnsSupport", "enableDnsHostnames")
        ],
        "instances": [
            (i["InstanceId"], i["MetadataOptions"])
            for r in ec2.describe_instances()["Reservations"]
            for i in r["Instances"]
        ],
        "associations": [
            (a["InstanceId"], a["IamInstanceProfile"]["Arn"])
            for a in ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
        ],
    }


def _file_systems(aws: AwsWorld) -> dict[str, list[Any]]:
    efs = aws.client("efs")
    systems = [s["FileSystemId"] for s in efs.describe_file_systems()["FileSystems"]]
    return {
        "systems": systems,
        "targets": [
            (t["SubnetId"], s) for s in systems for t in efs.describe_mount_targets(FileSystemId=s)["MountTargets"]
        ],
        "points": efs.describe_access_points()["AccessPoints"],
    }


def _identities(aws: AwsWorld) -> dict[str, list[Any]]:
    iam = aws.client("iam")
    roles = [r["RoleName"] for r in iam.list_roles()["Roles"]]
    return {
        "roles": [(r, iam.get_role(RoleName=r)["Role"]["AssumeRolePolicyDocument"]) for r in roles],
        "attached": [(r, iam.list_attached_role_policies(RoleName=r)["AttachedPolicies"]) for r in roles],
        "inline": [(r, iam.list_role_policies(RoleName=r)["PolicyNames"]) for r in roles],
        "profiles": [
            (p["InstanceProfileName"], [r["RoleName"] for r in p["Roles"]])
            for p in iam.list_instance_profiles()["InstanceProfiles"]
        ],
        "identities": list(aws.gaps.associations),
        "providers": iam.list_open_id_connect_providers()["OpenIDConnectProviderList"],
    }


def backups_of(aws: AwsWorld) -> list[Any]:
    """File system and what its backup policy says; it stays with a file system that an uninstall leaves."""
    efs = aws.client("efs")
    systems = sorted(s["FileSystemId"] for s in efs.describe_file_systems()["FileSystems"])
    return [[s, efs.describe_backup_policy(FileSystemId=s)["BackupPolicy"]] for s in systems]
