"""Whether the controller would work as well on the other nodes on which it stands, or may come to stand."""

from __future__ import annotations

from typing import Any

from efsdiag.model import UNREAD, Finding, Ref, State, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.credentials import judge_trust_in_ec2, metadata_fault, unread_among
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.semantics.driver_rights import ANY_FILE_SYSTEM, judge_provisioning
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.roles import Role
from efsdiag.settings import INSTANCE_PROFILE, Settings


def peers_serve_controller(
    controller_credential_path: CredentialPath,
    controller_peer_instances: list[dict[str, Any]],
    eks_cluster_name: Any = UNREAD,
    controller_association: Any = UNREAD,
    peer_associations: Any = UNREAD,
    peer_profiles: Any = UNREAD,
    peer_roles: Any = UNREAD,
    file_systems: Any = UNREAD,
    wanted: Settings | None = None,
    identity_way: Any = UNREAD,
) -> Verdict:
    path = controller_credential_path
    if path.via is not Via.INSTANCE:
        return skipped(f"the controller's credentials are {path.via.value}, not of an instance")
    if not controller_peer_instances:
        return skipped("the controller has no other node")
    given = (eks_cluster_name, controller_association, peer_associations, peer_profiles, peer_roles)
    if unread := unread_among(*given):
        return unread
    if eks_cluster_name is not None and identity_way != INSTANCE_PROFILE:
        return skipped("on EKS the role of a node is not meant for the controller: see service-account-has-role")
    if controller_association is None and wanted is None:
        return waiting("the controller's own node has no instance profile: see instance-profile-associated")
    known = [s for s in (file_systems or {}).values() if s is not None] if isinstance(file_systems, dict) else []
    arn = str(known[0]["FileSystemArn"]) if known else ANY_FILE_SYSTEM
    findings: list[Finding] = []
    doubts: list[Verdict] = []
    for instance in controller_peer_instances:
        for verdict in _on(instance, path, peer_associations, peer_profiles, peer_roles, arn):
            findings += verdict.findings
            doubts += [verdict] if verdict.state is State.UNKNOWN else []
    if findings:
        return failed_all(list(dict.fromkeys(findings)))
    names = ", ".join(instance_name(i) for i in controller_peer_instances)
    return doubts[0] if doubts else passed(f"the controller can work on {names} too")


def _on(
    instance: dict[str, Any],
    path: CredentialPath,
    associations: dict[str, Any],
    profiles: dict[str, Any],
    roles: dict[str, Role | None],
    arn: str,
) -> list[Verdict]:
    """What keeps the controller from AWS on that instance, and what of that nobody could tell."""
    own, name = instance["InstanceId"], instance_name(instance)
    fault = metadata_fault(instance, path)
    found = [fault] if fault else []
    association, profile = associations.get(own), profiles.get(own)
    if association is None and instance.get("IamInstanceProfile"):
        return [*found, unknown(f"no association of instance {name} was found, but it says that it has a profile")]
    if association is None:
        says = f"instance {name}, on which the controller may come to run, has no instance profile"
        return [*found, failed("iam.partial-node-coverage", says, Ref("Instance", own))]
    if profile is None:
        return [*found, unknown(f"the profile of instance {name} is associated, but was not found")]
    held = profile.get("Roles") or []
    if not held:
        on = Ref("InstanceProfile", str(profile["InstanceProfileName"]))
        return [*found, failed("iam.instance-profile-without-role", f"the profile {on.name} holds no role", on)]
    trust, role = judge_trust_in_ec2(held[0]), roles.get(str(held[0]["RoleName"]))
    rights = judge_provisioning(role, {}, (), arn) if role else unknown(f"role {held[0]['RoleName']} was not found")
    return [*found, trust, rights]
