"""Credentials and rights of the driver, as its own pods really get them."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, State, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.claims import EfsVolume, Provisioning
from efsdiag.semantics.credentials import (
    judge_metadata,
    judge_mount_credentials,
    judge_trust_in_ec2,
    unread_among,
)
from efsdiag.semantics.driver import CredentialPath, Via, plugin_container
from efsdiag.semantics.driver_rights import ANY_FILE_SYSTEM, judge_mount, judge_provisioning, may_use_efs
from efsdiag.semantics.objects import instance_name
from efsdiag.semantics.roles import Role
from efsdiag.settings import INSTANCE_PROFILE

DENIED_ABOVE = ("iam.scp-deny", "iam.permissions-boundary", "iam.explicit-deny")
TIMEOUTS = ("context deadline exceeded", "request canceled", "exceeded maximum number of attempts")
NOT_INSTANCE = "the controller's credentials are {}, not of its instance"


def instance_profile_associated(
    controller_credential_path: CredentialPath,
    controller_instance: Any = UNREAD,
    controller_association: Any = UNREAD,
    peer_associations: Any = UNREAD,
) -> Verdict:
    if controller_credential_path.via is not Via.INSTANCE:
        return skipped(NOT_INSTANCE.format(controller_credential_path.via.value))
    if refused := unread_among(controller_instance, controller_association):
        return refused
    if controller_instance is None:
        return waiting("the controller stands on no node")
    name = instance_name(controller_instance)
    on = Ref("Instance", controller_instance["InstanceId"])
    if controller_association is None and controller_instance.get("IamInstanceProfile"):
        return unknown(f"no association of instance {name} was found, but the instance says that it has a profile")
    if controller_association is None:
        says = f"instance {name}, on which the controller runs, has no instance profile"
        peers = peer_associations if isinstance(peer_associations, dict) else {}
        covered = sorted(i for i, a in peers.items() if a is not None)
        if covered:
            says = f"{says}; {', '.join(covered)}, where its other pod runs, has one"
            return failed("iam.partial-node-coverage", says, on)
        return failed("iam.instance-profile-not-associated", says, on, "no association of this instance")
    state = controller_association.get("State", "")
    if state in ("associating", "disassociating"):
        return failed(
            "iam.association-transitioning", f"the profile of instance {name} is {state}", on, f"State: {state}"
        )
    profile = controller_association["IamInstanceProfile"]["Arn"].rpartition("/")[2]
    return passed(f"instance {name} has the profile {profile}", f"association State: {state}")


def profile_has_role(
    controller_credential_path: CredentialPath, controller_association: Any = UNREAD, controller_profile: Any = UNREAD
) -> Verdict:
    if controller_credential_path.via is not Via.INSTANCE:
        return skipped(NOT_INSTANCE.format(controller_credential_path.via.value))
    if refused := unread_among(controller_association, controller_profile):
        return refused
    if controller_association is None:
        return waiting("there is no instance profile")
    arn = controller_association["IamInstanceProfile"]["Arn"]
    name = arn.rpartition("/")[2]
    if controller_profile is None:
        return unknown(f"the instance profile {name} is associated, but was not found among the account's")
    roles = [r["RoleName"] for r in controller_profile.get("Roles") or []]
    if roles:
        return passed(f"the profile {name} holds the role {roles[0]}")
    return failed(
        "iam.instance-profile-without-role",
        f"the profile {name} holds no role",
        Ref("InstanceProfile", name),
        "Roles: []",
    )


def role_trusts_ec2(controller_credential_path: CredentialPath, controller_profile: Any = UNREAD) -> Verdict:
    if controller_credential_path.via is not Via.INSTANCE:
        return skipped(NOT_INSTANCE.format(controller_credential_path.via.value))
    if refused := unread_among(controller_profile):
        return refused
    roles = (controller_profile or {}).get("Roles") or []
    if not roles:
        return waiting("there is no role")
    return judge_trust_in_ec2(roles[0])


def instance_metadata_reachable(
    controller_credential_path: CredentialPath,
    controller_instance: Any = UNREAD,
    heard: Heard | None = None,
    eks_cluster_name: Any = UNREAD,
    controller_role: Any = UNREAD,
    identity_way: Any = UNREAD,
) -> Verdict:
    path = controller_credential_path
    if path.via is not Via.INSTANCE:
        return skipped(NOT_INSTANCE.format(path.via.value))
    if identity_way == INSTANCE_PROFILE:
        eks_cluster_name = None
    if eks_cluster_name and not path.annotated and (refused := unread_among(controller_role)):
        return refused
    if eks_cluster_name and (path.annotated or controller_role is None or not may_use_efs(controller_role)):
        return skipped("on EKS the role of the node is not meant for the controller: see service-account-has-role")
    if heard and any("StatusCode: 404" in s.message.text for s in heard.of("csi.no-credentials")):
        return passed("the metadata service answered the controller (404: no role there)")
    if refused := unread_among(controller_instance):
        return refused
    if controller_instance is None:
        return waiting("the controller stands on no node")
    silent = (
        any(words in s.message.text for s in heard.of("csi.no-credentials") for words in TIMEOUTS) if heard else False
    )
    return judge_metadata(controller_instance, path, silent=silent)


def controller_has_credentials(
    provisioning_needed: bool, provisionings: tuple[Provisioning, ...], heard: Heard | None = None
) -> Verdict:
    if heard is None:
        return waiting("nobody said so")
    said = heard.of("csi.no-credentials", "csi.access-denied")
    if not said:
        return waiting("nothing says whether the controller has credentials")
    newest = said[-1]
    if newest.mode == "csi.access-denied":
        return passed("AWS knew who asked, and refused", newest.line)
    claim = Ref("PersistentVolumeClaim", provisionings[0].claim.name, provisionings[0].claim.namespace)
    return failed("csi.no-credentials", f"the controller finds no credentials: {newest.line}", claim, sure=False)


def policy_allows_driver(
    controller_credential_path: CredentialPath,
    efs_classes: tuple[Provisioning, ...],
    file_system_ids: tuple[str, ...],
    controller_deployment: dict[str, Any],
    eks_cluster_name: Any = UNREAD,
    controller_role: Role | None = None,
    file_systems: Any = UNREAD,
    heard: Heard | None = None,
    pod_identity_role: Any = UNREAD,
    identity_way: Any = UNREAD,
) -> Verdict:
    path = controller_credential_path
    if path.via is Via.POD_IDENTITY and controller_role is None and (unread := unread_among(pod_identity_role)):
        return unread
    if path.via is Via.KEYS or (path.via is Via.POD_IDENTITY and controller_role is None):
        return unknown(
            f"the controller uses {path.via.value}, and nothing tells the role", "aws sts get-caller-identity"
        )
    if controller_role is None:
        return waiting("there is no role")
    on_its_node = path.via is Via.INSTANCE and eks_cluster_name is not None and identity_way != INSTANCE_PROFILE
    if on_its_node and not may_use_efs(controller_role):
        return unread_among(eks_cluster_name) or waiting("the controller should not depend on the role of its node")
    parameters = ((efs_classes[0].storage_class or {}).get("parameters") or {}) if efs_classes else {}
    arguments = tuple(plugin_container(controller_deployment["spec"]["template"]["spec"]).get("args") or ())
    system = (file_systems or {}).get(file_system_ids[0]) or {}
    arn = str(system.get("FileSystemArn") or ANY_FILE_SYSTEM)
    denied = [s for s in heard.of(*DENIED_ABOVE) if s.specific] if heard else []
    refused = bool(heard and heard.of("csi.access-denied")) and not denied
    verdict = judge_provisioning(controller_role, parameters, arguments, arn, refused=refused)
    if verdict.state is State.PASS and denied:
        # What stands above the account is read by nobody here; AWS itself says that it denies.
        return failed(denied[0].mode, f"AWS denies what role {controller_role.name} allows: {denied[0].line}", None)
    return verdict


def node_has_credentials(
    efs_volumes: tuple[EfsVolume, ...],
    node_credential_path: Any = UNREAD,
    node_association: Any = UNREAD,
    node_profile: Any = UNREAD,
    node_instance: Any = UNREAD,
) -> Verdict:
    signing = [v for v in efs_volumes if v.uses_iam]
    if not signing:
        return skipped("no volume is mounted with the option iam")
    if refused := unread_among(node_credential_path):
        return refused
    if node_credential_path is None:
        return waiting("no pod of efs-csi-node stands on the node")
    if node_credential_path.via is not Via.INSTANCE:
        return passed(f"the node plugin's credentials are {node_credential_path.via.value}")
    if refused := unread_among(node_instance, node_association, node_profile):
        return refused
    if node_instance is None:
        return waiting("the pod has no node")
    return judge_mount_credentials(node_instance, node_association, node_profile)


def policy_allows_mount(
    efs_volumes: tuple[EfsVolume, ...],
    node_role: Any = UNREAD,
    file_system_policies: Any = UNREAD,
    file_systems: Any = UNREAD,
    access_point_arns: Any = UNREAD,
) -> Verdict:
    signing = [v for v in efs_volumes if v.uses_iam and v.kind == "efs"]
    if not signing:
        return skipped("no volume is mounted with the option iam")
    if refused := unread_among(node_role, file_system_policies, file_systems):
        return refused
    if node_role is None:
        return waiting("the node plugin has no role")
    for volume in signing:
        system = (file_systems or {}).get(volume.file_system)
        if system is None:
            return waiting(f"file system {volume.file_system} does not exist")
        policy = (file_system_policies or {}).get(volume.file_system)
        arn = (access_point_arns or {}).get(volume.access_point)
        verdict = judge_mount(node_role, policy, system, {"AccessPointArn": arn} if arn else None, volume)
        if verdict is not None:
            return verdict
    return passed(f"role {node_role.name} may mount {signing[0].file_system}")
