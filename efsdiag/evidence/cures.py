"""What the account has that could mend something; only remedies ask for it."""

from __future__ import annotations

from typing import Any

from efsdiag.model import State
from efsdiag.reading import read_role
from efsdiag.semantics.credentials import judge_trust_in_ec2
from efsdiag.semantics.driver_rights import judge_provisioning

MOST_PROFILES = 25
"""In an account with more profiles than these, none is looked through: which one is meant is for a person to say."""


def usable_profiles(read: Any, file_systems: dict[str, dict[str, Any] | None]) -> tuple[dict[str, Any], ...]:
    """The account's instance profiles whose role trusts EC2 and may make volumes on the file systems, sorted by name.

    Source:  iam:ListInstanceProfiles, then each role with its policies
    """
    answer = read("iam:ListInstanceProfiles")
    profiles = [p for p in (answer or {}).get("InstanceProfiles", []) if p.get("Roles")]
    if len(profiles) > MOST_PROFILES:
        return ()
    arns = [str(s["FileSystemArn"]) for s in file_systems.values() if s is not None]
    found = [p for p in profiles if _usable(read, p["Roles"][0], arns)]
    return tuple(sorted(found, key=lambda p: str(p["InstanceProfileName"])))


def usable_roles(usable_profiles: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    """The roles of those profiles, each once."""
    return tuple(sorted({str(p["Roles"][0]["RoleName"]) for p in usable_profiles}))


def _usable(read: Any, raw: dict[str, Any], arns: list[str]) -> bool:
    if judge_trust_in_ec2(raw).state is not State.PASS or not arns:
        return False
    role = read_role(read, raw["RoleName"])
    return role is not None and all(judge_provisioning(role, {}, (), arn).state is State.PASS for arn in arns)
