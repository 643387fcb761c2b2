"""Whether IAM lets a request through, in three values: what cannot be decided is `unknown`, with the keys named.

`evaluate` asks the policies of the caller, `evaluate_resource_policy` the policy of a resource, `trusts` the trust
policy of a role, and `efs_client_access` both sides for an NFS client of EFS. All are pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from efsdiag.semantics.iam_decisions import Decision, Effect, LayerKind, NearMiss, Reason, Route, decide, layer_of
from efsdiag.semantics.iam_language import Context, ContextValue, Policy, PolicyError, parse_policy
from efsdiag.semantics.iam_requests import (
    CLUSTER_TAG,
    CONTROLLER_ACTIONS,
    NODE_ACTIONS,
    DriverRequest,
    controller_requests,
)
from efsdiag.semantics.iam_statements import ANONYMOUS, Part, Principal, PrincipalKind, Request

__all__ = [
    "ANONYMOUS",
    "CLUSTER_TAG",
    "CONTROLLER_ACTIONS",
    "NFS_CONDITION_KEYS",
    "NODE_ACTIONS",
    "Context",
    "Decision",
    "DriverRequest",
    "Effect",
    "NearMiss",
    "Part",
    "Policy",
    "PolicyError",
    "Principal",
    "PrincipalKind",
    "Reason",
    "controller_requests",
    "efs_client_access",
    "evaluate",
    "evaluate_resource_policy",
    "parse_policy",
    "trusts",
]

NFS_CONDITION_KEYS = (
    "aws:SecureTransport",
    "aws:SourceIp",
    "elasticfilesystem:AccessPointArn",
    "elasticfilesystem:AccessedViaMountTarget",
)
"""What EFS enforces for NFS clients. https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html"""


def evaluate(
    identity: Sequence[Policy],
    action: str,
    resource: str,
    context: Context,
    boundary: Policy | None = None,
    scps: Sequence[Sequence[Policy]] = (),
) -> Decision:
    """Whether the caller to whom the policies are attached may do the action.

    `scps` are the service control policies, one sequence for each level of the organization: each level must allow.
    """
    return decide(action, [_own_route(identity, Request(action, resource, context), boundary, scps)])


def evaluate_resource_policy(
    policy: Policy, principal: Principal, action: str, resource: str, context: Context
) -> Decision:
    """What the policy of a resource alone says. Of the actions of NFS clients, EFS enforces NFS_CONDITION_KEYS only.

    An Allow for the caller's whole account is `unknown`, DELEGATED: the identity policies there decide.
    """
    if action.lower() in {name.lower() for name in NODE_ACTIONS}:
        context = context.only(NFS_CONDITION_KEYS)
    request = Request(action, resource, context, principal)
    return decide(action, [[layer_of(LayerKind.RESOURCE, [policy], request)]])


def trusts(trust_policy: Policy, principal: Principal, action: str, context: Context) -> Decision:
    """Whether the role lets the principal do sts:AssumeRole, sts:AssumeRoleWithWebIdentity or sts:TagSession.

    For a web identity the context holds "<issuer without https://>:sub" and ":aud" of its token.
    An Allow for the caller's whole account is `unknown`, DELEGATED.
    """
    request = Request(action, "", context, principal, names_resource=False)
    return decide(action, [[layer_of(LayerKind.TRUST, [trust_policy], request)]])


def efs_client_access(
    file_system_policy: Policy | None,
    identity: Sequence[Policy] | None,
    file_system_arn: str,
    access_point_arn: str | None,
    secure_transport: bool,
    *,
    principal_arn: str = "",
    boundary: Policy | None = None,
) -> dict[str, Decision]:
    """What an NFS client may do through a mount target, by action of NODE_ACTIONS.

    file_system_policy:  None where the file system has none: then everybody who reaches it may do everything.
    identity:            the policies of the node's role, or None for a mount without the option `iam` (anonymous).
    principal_arn:       that role; without it a Principal that names a role cannot be decided.
    An Allow on either side is enough; a Deny on either side decides.
    """
    known: dict[str, ContextValue] = {
        "aws:SecureTransport": secure_transport,
        "elasticfilesystem:AccessedViaMountTarget": True,
    }
    if access_point_arn:
        known["elasticfilesystem:AccessPointArn"] = access_point_arn
    context = Context(known, ("elasticfilesystem:AccessPointArn",))
    caller = ANONYMOUS if identity is None else Principal.aws(principal_arn)
    requests = [Request(action, file_system_arn, context, caller) for action in NODE_ACTIONS]
    return {request.action: _client_decision(file_system_policy, identity, request, boundary) for request in requests}


def _client_decision(
    policy: Policy | None, identity: Sequence[Policy] | None, request: Request, boundary: Policy | None
) -> Decision:
    if policy is None:
        said = f"{request.resource} has no file system policy, and the default allows {request.action} to everyone"
        return Decision(Effect.ALLOWED, Reason.DEFAULT_POLICY, because=(said,))
    granted = layer_of(LayerKind.RESOURCE, [policy], request)
    if identity is None:
        return decide(request.action, [[granted]])
    own = _own_route(identity, replace(request, principal=None), boundary, ())
    # Whether a boundary also limits what the resource's policy grants depends on how that names the caller:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    limits = [replace(layer, binding=False) for layer in own if layer.kind is LayerKind.BOUNDARY]
    return decide(request.action, [own, [replace(granted, delegates=False), *limits]])


def _own_route(
    identity: Sequence[Policy], request: Request, boundary: Policy | None, scps: Sequence[Sequence[Policy]]
) -> Route:
    above = [(LayerKind.BOUNDARY, [boundary])] if boundary is not None else []
    levels = [(LayerKind.SERVICE_CONTROL, list(level)) for level in scps]
    layers = [(LayerKind.IDENTITY, list(identity)), *above, *levels]
    return [layer_of(kind, policies, request) for kind, policies in layers]
