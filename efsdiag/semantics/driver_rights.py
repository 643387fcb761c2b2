"""What a role lets the EFS driver do: make volumes (controller), and mount with the option `iam` (node plugin)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from efsdiag.model import Ref, Verdict, failed, passed, unknown
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.iam import (
    Decision,
    Effect,
    Policy,
    PolicyError,
    Reason,
    controller_requests,
    efs_client_access,
    evaluate,
    parse_policy,
)
from efsdiag.semantics.roles import Role

NEEDED = (
    "elasticfilesystem:DescribeAccessPoints",
    "elasticfilesystem:DescribeFileSystems",
    "elasticfilesystem:CreateAccessPoint",
    "elasticfilesystem:TagResource",
)
"""Of what the driver asks, the part without which no volume is made. The rest serves other mounts, or deletion."""
ANY_FILE_SYSTEM = "arn:aws:elasticfilesystem:us-east-1:000000000000:file-system/fs-00000000000000000"
"""Stands in for a file system whose ARN is not known."""

ANY_FILE_SYSTEM = "arn:aws:elasticfilesystem:us-east-1:000000000000:file-system/fs-00000000000000000"
"""Stands in for a file system whose ARN is not known."""


def tags_of(arguments: Sequence[str]) -> dict[str, str]:
    """The extra tags of the controller's argument --tags=key:value key:value."""
    given = next((a.partition("=")[2] for a in arguments if a.startswith("--tags=")), "")
    pairs = (word.rpartition(":") for word in given.replace(",", " ").split())
    return {key: value for key, _, value in pairs if key}


def decisions_for(
    role: Role, parameters: Mapping[str, str], arguments: Sequence[str], file_system_arn: str
) -> dict[str, Decision]:
    """The decision for each action that making a volume takes. Errors: PolicyError."""
    policies = [parse_policy(document, name) for name, document in role.policies]
    boundary = parse_policy(role.boundary, "permissions boundary") if role.boundary else None
    tagging = str(parameters.get("enableTagging", "true")).lower() != "false"
    region = "" if file_system_arn == ANY_FILE_SYSTEM else file_system_arn.split(":")[3]
    requests = controller_requests(tags_of(arguments), tagging=tagging, region=region)
    return {
        action: evaluate(policies, action, request.resource(file_system_arn), request.context, boundary)
        for action, request in requests.items()
        if action in NEEDED
    }


def may_use_efs(role: Role) -> bool:
    """Whether the role is allowed, or may be allowed, any of what making a volume takes, on some file system."""
    try:
        return any(not d.denied for d in decisions_for(role, {}, (), ANY_FILE_SYSTEM).values())
    except PolicyError:
        return True


def judge_provisioning(
    role: Role, parameters: Mapping[str, str], arguments: Sequence[str], file_system_arn: str, *, refused: bool = False
) -> Verdict:
    """Whether the role allows all that making a volume takes, and if not, in which way it falls short.

    `refused` says that AWS did refuse: then a condition that hangs on a key which nobody knows was likely not met.
    """
    try:
        decisions = decisions_for(role, parameters, arguments, file_system_arn)
    except PolicyError as error:
        return unknown(f"a policy of role {role.name} cannot be understood: {error}")
    denied = {action: d for action, d in decisions.items() if d.denied}
    on = Ref("Role", role.name)
    if not denied:
        open_keys = sorted({k for d in decisions.values() if not d.allowed for k in d.missing_keys})
        if open_keys and refused:
            says = f"AWS refuses role {role.name}, whose policies allow it under a condition on {', '.join(open_keys)}"
            return failed("iam.policy-condition-mismatch", says, on, sure=False)
        if open_keys:
            return unknown(f"whether role {role.name} may make volumes depends on {', '.join(open_keys)}")
        return passed(f"role {role.name} may make volumes", f"allowed: {', '.join(decisions)}")
    proof = [line for d in denied.values() for line in d.because][:6]
    if len(denied) == len(decisions) and all(d.reason is Reason.NO_STATEMENT for d in denied.values()):
        says = f"no policy of role {role.name} allows anything on EFS; it has {_names(role)}"
        return failed("iam.role-without-policy", says, on, *proof)
    mode = _mode(next(iter(denied.values())), denied, parameters, arguments)
    shown = ", ".join(a.partition(":")[2] for a in denied)
    return failed(mode, f"role {role.name} may not {shown}: {proof[0] if proof else 'no policy allows it'}", on, *proof)


def _mode(
    first: Decision, denied: Mapping[str, Decision], parameters: Mapping[str, str], arguments: Sequence[str]
) -> str:
    reasons = {d.reason for d in denied.values()}
    if any(d.effect is Effect.EXPLICIT_DENY for d in denied.values()):
        return "iam.explicit-deny"
    if Reason.BOUNDARY in reasons:
        return "iam.permissions-boundary"
    if Reason.NO_STATEMENT in reasons:
        return "iam.policy-missing-actions"
    if first.reason is Reason.CONDITION_FAILS and str(parameters.get("enableTagging", "true")).lower() == "false":
        return "csi.enable-tagging-conflict"
    if first.reason is Reason.CONDITION_FAILS and tags_of(arguments):
        return "csi.custom-tags-denied"
    return "iam.policy-condition-mismatch"


def _names(role: Role) -> str:
    return ", ".join(name for name, _ in role.policies) or "no policy at all"


def judge_mount(
    role: Role, policy: str | None, system: Mapping[str, Any], point: Mapping[str, Any] | None, volume: EfsVolume
) -> Verdict | None:
    """Whether the role may mount the volume; None where it certainly may."""
    decision = client_decisions(role, policy, system, point, volume)
    if isinstance(decision, Verdict):
        return decision
    mount = decision["elasticfilesystem:ClientMount"]
    if mount.allowed:
        return None
    if not mount.denied:
        return unknown(
            f"whether role {role.name} may mount {volume.file_system} depends on {', '.join(mount.missing_keys)}"
        )
    says = f"role {role.name} of the node plugin may not mount {volume.file_system}: {'; '.join(mount.because[:2])}"
    return failed("iam.client-mount-missing", says, Ref("Role", role.name), *mount.because)


def client_decisions(
    role: Role | None, policy: str | None, system: Mapping[str, Any], point: Mapping[str, Any] | None, volume: EfsVolume
) -> dict[str, Decision] | Verdict:
    """What EFS allows the mount, by action; an `unknown` verdict where a policy cannot be understood.

    `role` is None for a mount that does not sign in: the client is then anonymous.
    """
    try:
        written = parse_policy(policy, f"policy of {volume.file_system}") if policy else None
        own: list[Policy] | None = None
        boundary = None
        if role is not None:
            own = [parse_policy(document, name) for name, document in role.policies]
            boundary = parse_policy(role.boundary, "permissions boundary") if role.boundary else None
    except PolicyError as error:
        return unknown(f"a policy cannot be understood: {error}")
    return efs_client_access(
        written,
        own,
        str(system.get("FileSystemArn", "")),
        str(point["AccessPointArn"]) if point else None,
        volume.tls,
        principal_arn=role.arn if role else "",
        boundary=boundary,
    )
