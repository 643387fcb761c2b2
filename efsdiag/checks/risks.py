"""Standing risks: they block nothing, so they are never a cause."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Ref, Verdict, failed, passed, skipped
from efsdiag.semantics.claims import EfsVolume, ref_of_claim
from efsdiag.semantics.driver import CredentialPath, Via, plugin_container
from efsdiag.semantics.driver_rights import may_use_efs
from efsdiag.semantics.objects import instance_name, ref_of
from efsdiag.semantics.quantity import bytes_of
from efsdiag.semantics.roles import Role


def volumes_retained(efs_volumes: tuple[EfsVolume, ...]) -> Verdict:
    made = [v for v in efs_volumes if not v.static]
    if not made:
        return skipped("no volume was made by a provisioner")
    doomed = [v for v in made if v.object["spec"].get("persistentVolumeReclaimPolicy") == "Delete"]
    if not doomed:
        return passed("kept when the claim goes")
    says = f"volume {doomed[0].name} and its access point are deleted with claim {doomed[0].claim.name}"
    return failed(
        "pv.reclaim-delete", says, Ref("PersistentVolume", doomed[0].name), "persistentVolumeReclaimPolicy: Delete"
    )


def growth_not_awaited(efs_volumes: tuple[EfsVolume, ...]) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    for volume in efs_volumes:
        claim = volume.claim
        wanted = str(((claim.spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
        given = str(((claim.object or {}).get("status", {}).get("capacity") or {}).get("storage", wanted))
        if bytes_of(wanted) > bytes_of(given):
            says = f"claim {claim.name} asks for {wanted} and has {given}; EFS knows no sizes, so it never grows"
            return failed("pv.capacity-not-enforced", says, ref_of_claim(claim), f"status.capacity.storage: {given}")
    return passed("no claim asks for more than it was given")


def single_writer_guarded(
    pod: dict[str, Any], efs_volumes: tuple[EfsVolume, ...], sibling_pods: list[dict[str, Any]] | None = None
) -> Verdict:
    alone = [v for v in efs_volumes if v.object["spec"].get("accessModes") == ["ReadWriteOnce"]]
    if not alone:
        return skipped("no volume is ReadWriteOnce")
    nodes = {p["spec"].get("nodeName") for p in [pod, *(sibling_pods or [])]} - {None}
    if len(nodes) < 2:
        return passed("one node uses it")
    where = ", ".join(sorted(map(str, nodes)))
    says = f"claim {alone[0].claim.name} is ReadWriteOnce and is used on {where}; EFS lets both write"
    return failed("pv.rwo-not-enforced", says, ref_of_claim(alone[0].claim))


def volume_metrics_on(node_daemonset: dict[str, Any]) -> Verdict:
    arguments = plugin_container(node_daemonset["spec"]["template"]["spec"]).get("args") or []
    if any(a in ("--vol-metrics-opt-in=true", "--vol-metrics-opt-in") for a in arguments):
        return passed("the node plugin reports how full volumes are")
    says = "the node plugin does not report how full volumes are"
    return failed("csi.no-volume-metrics", says, ref_of(node_daemonset), "--vol-metrics-opt-in is not true")


def file_system_has_policy(file_system_policies: dict[str, str | None], file_systems: dict[str, Any]) -> Verdict:
    bare = [i for i, p in file_system_policies.items() if p is None and file_systems.get(i) is not None]
    if not bare:
        return passed("a policy says who may mount")
    says = f"file system {bare[0]} has no policy: whoever reaches port 2049 may mount it and write"
    return failed("efs.policy-anonymous", says, Ref("FileSystem", bare[0]), "PolicyNotFound")


def node_role_narrow(
    controller_credential_path: CredentialPath, controller_instance: dict[str, Any], controller_role: Role | None = None
) -> Verdict:
    if controller_credential_path.via is not Via.INSTANCE or controller_role is None:
        return skipped("the driver does not use the role of a node")
    limit = (controller_instance.get("MetadataOptions") or {}).get("HttpPutResponseHopLimit", 1)
    if limit < 2 or not may_use_efs(controller_role):
        return passed("pods do not reach rights on EFS through their node")
    name = instance_name(controller_instance)
    says = f"every pod on instance {name} can ask for the credentials of role {controller_role.name}, which may use EFS"
    return failed(
        "iam.overbroad-instance-profile", says, Ref("Role", controller_role.name), f"HttpPutResponseHopLimit: {limit}"
    )
