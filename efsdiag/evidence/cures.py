"""What the account has that could mend something; only remedies ask for it."""

from __future__ import annotations

from typing import Any

from efsdiag.model import State, Subject
from efsdiag.reading import association_of, path_of, profile_of, read_role
from efsdiag.semantics.claims import EFS_DRIVER
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.semantics.credentials import judge_trust_in_ec2
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.semantics.driver_rights import ANY_FILE_SYSTEM, judge_provisioning
from efsdiag.semantics.roles import Role
from efsdiag.settings import Settings

MOST_PROFILES = 25
"""In an account with more profiles than these, none is looked through: which one is meant is for a person to say."""


def usable_profiles(
    read: Any, file_systems: dict[str, dict[str, Any] | None] | None = None
) -> tuple[dict[str, Any], ...]:
    """The account's instance profiles whose role trusts EC2 and may make volumes on the file systems, or on any
    where none is named yet, sorted by name.

    Source:  iam:ListInstanceProfiles, then each role with its policies
    """
    answer = read("iam:ListInstanceProfiles")
    profiles = [p for p in (answer or {}).get("InstanceProfiles", []) if p.get("Roles")]
    if len(profiles) > MOST_PROFILES:
        return ()
    known = (file_systems or {ANY_FILE_SYSTEM: {"FileSystemArn": ANY_FILE_SYSTEM}}).values()
    arns = [str(s["FileSystemArn"]) for s in known if s is not None]
    found = [p for p in profiles if _usable(read, p["Roles"][0], arns)]
    return tuple(sorted(found, key=lambda p: str(p["InstanceProfileName"])))


def account_profiles(read: Any) -> tuple[dict[str, Any], ...]:
    """All instance profiles of the account, with their roles. Source: iam:ListInstanceProfiles."""
    answer = read("iam:ListInstanceProfiles")
    return tuple((answer or {}).get("InstanceProfiles", []))


def own_role(read: Any, wanted: Settings) -> Role | None:
    """The role of the name that the settings give, whoever made it. Source: as `controller_role`."""
    return read_role(read, wanted.iam.role)


def usable_roles(usable_profiles: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    """The roles of those profiles, each once."""
    return tuple(sorted({str(p["Roles"][0]["RoleName"]) for p in usable_profiles}))


def _usable(read: Any, raw: dict[str, Any], arns: list[str]) -> bool:
    if judge_trust_in_ec2(raw).state is not State.PASS or not arns:
        return False
    role = read_role(read, raw["RoleName"])
    return role is not None and all(judge_provisioning(role, {}, (), arn).state is State.PASS for arn in arns)


def signing_role(
    read: Any, node_plugin_pods: list[dict[str, Any]], node_instance: dict[str, Any] | None = None
) -> Role | None:
    """The role as which the node plugin on the pod's node would sign in, whether a mount does so today or not.

    Source:  as `node_role`
    """
    if not node_plugin_pods:
        return None
    path = path_of(read, node_plugin_pods[0])
    name = path.role_arn.rpartition("/")[2]
    if path.via is Via.INSTANCE and node_instance is not None:
        association = association_of(read, node_instance)
        profile = profile_of(read, association) if association else None
        name = next((str(r["RoleName"]) for r in (profile or {}).get("Roles") or []), "")
    return read_role(read, name) if name else None


def every_volume(read: Any) -> list[dict[str, Any]]:
    """Every volume of the cluster. Source: kube:list persistentvolumes."""
    return list(read("kube:list persistentvolumes") or [])


def mounted_claims(read: Any, subject: Subject) -> dict[str, str]:
    """Claim → a pod of the namespace that mounts it. Source: kube:list pods."""
    pods = read("kube:list pods", namespace=subject.namespace) or []
    return {c: p["metadata"]["name"] for p in pods for c in claim_volume_names(p["spec"]).values() if c}


def quotas(read: Any, subject: Subject) -> list[dict[str, Any]]:
    """The quotas of the namespace. Source: kube:list resourcequotas."""
    return list(read("kube:list resourcequotas", namespace=subject.namespace) or [])


def own_file_systems(read: Any) -> tuple[str, ...]:
    """Every file system of the account and region, by id. Source: efs:DescribeFileSystems."""
    answer = read("efs:DescribeFileSystems")
    return tuple(sorted(str(s["FileSystemId"]) for s in (answer or {}).get("FileSystems", [])))


def efs_provisioner(read: Any) -> dict[str, Any] | None:
    """The CSIDriver object of the EFS driver, whether it is needed yet or not. Source: kube:get csidrivers."""
    found: dict[str, Any] | None = read("kube:get csidrivers", name=EFS_DRIVER)
    return found


def registered_issuers(read: Any) -> tuple[str, ...]:
    """The issuers whose tokens the account accepts. Source: iam:ListOpenIDConnectProviders."""
    answer = read("iam:ListOpenIDConnectProviders")
    providers = (answer or {}).get("OpenIDConnectProviderList", [])
    return tuple(sorted(p["Arn"].partition(":oidc-provider/")[2] for p in providers))


def controller_account(read: Any, controller_credential_path: CredentialPath) -> dict[str, Any] | None:
    """The service account of the controller. Source: kube:get serviceaccounts."""
    path = controller_credential_path
    found: dict[str, Any] | None = read("kube:get serviceaccounts", namespace=path.namespace, name=path.service_account)
    return found
