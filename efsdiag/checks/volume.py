"""Claims, volumes and classes: what the binder and the provisioner ask for."""

from __future__ import annotations

import difflib
from typing import Any

from efsdiag.evidence.messages import Heard, Message
from efsdiag.model import (
    UNREAD,
    Finding,
    Ref,
    State,
    Subject,
    Unread,
    Verdict,
    failed,
    failed_all,
    passed,
    skipped,
    unknown,
    waiting,
)
from efsdiag.semantics import claims as csi
from efsdiag.semantics.binding import nearest_volumes
from efsdiag.semantics.by_hand import is_for_a_volume_by_hand, what_is_amiss
from efsdiag.semantics.claims import Claim, Provisioning, ref_of_claim
from efsdiag.semantics.objects import ref_of, scheduler_message

PROVISIONER_REASONS = ("Provisioning", "ProvisioningSucceeded")
PROVISIONER_ANNOTATIONS = frozenset(
    {"volume.kubernetes.io/storage-provisioner", "volume.beta.kubernetes.io/storage-provisioner"}
)


def claim_exists(
    subject: Subject,
    claims: tuple[Claim, ...],
    pod: dict[str, Any] | None = None,
    workload: dict[str, Any] | None = None,
    same_named_claims: Any = UNREAD,
    neighbour_claims: Any = UNREAD,
) -> Verdict:
    if not claims:
        return skipped("the pod mounts no claim")
    missing = [c.name for c in claims if c.object is None]
    if not missing:
        return passed(f"{_names(claims)} exist{'s' if len(claims) == 1 else ''} in {subject.namespace}")
    if pod is not None and "unbound immediate" in scheduler_message(pod):
        return unknown(f"claim {missing[0]} was not found, but the scheduler says that it is there and unbound")
    if pod is not None and pod["spec"].get("nodeName"):
        # No pod is scheduled before its claims exist, and a claim in use is protected from being deleted.
        return unknown(f"claim {missing[0]} was not found, but the pod could not have been scheduled without it")
    # That the claim is missing is proven; where its namesakes are is only a hint, so they need not be readable.
    elsewhere = {c["metadata"]["name"]: c["metadata"]["namespace"] for c in same_named_claims or []}
    neighbours = list(neighbour_claims or [])
    nothing = "" if isinstance(neighbour_claims, Unread) else f"; namespace {subject.namespace} has no claim at all"
    owner = ref_of(workload) if workload else Ref("Pod", subject.name, subject.namespace)
    findings = []
    for name in missing:
        near = difflib.get_close_matches(name, neighbours, 1, 0.5)
        if name in elsewhere and not near:
            says = f"claim {name} is in namespace {elsewhere[name]}; the pod is in {subject.namespace}"
            findings.append(Finding("helm.existing-claim-in-other-namespace", says, owner))
            continue
        shown = near or neighbours[:3]
        has = f"; the namespace has {', '.join(shown)}" if shown else nothing
        says = f"the pod mounts claim {name}, which does not exist in {subject.namespace}{has}"
        proof = (f"spec.volumes[].persistentVolumeClaim: {name}",)
        # A claim of that very name in a namespace that nobody could look at would be another mode.
        sure = bool(near) or not isinstance(same_named_claims, Unread)
        findings.append(Finding("pod.pvc-not-found", says, owner, sure, proof))
    return failed_all(findings)


def claim_kept(claims: tuple[Claim, ...], pod: dict[str, Any] | None = None) -> Verdict:
    existing = [c for c in claims if c.object is not None]
    if not existing:
        return skipped("the pod mounts no claim that exists")
    going = [c for c in existing if (c.object or {})["metadata"].get("deletionTimestamp")]
    if not going:
        return passed("no claim is being deleted")
    since = (going[0].object or {})["metadata"]["deletionTimestamp"]
    says, on = f"claim {going[0].name} is being deleted since {since}", ref_of_claim(going[0])
    if pod is not None and not pod["spec"].get("nodeName"):
        return failed("pod.pvc-being-deleted", says, on)
    # A claim that a pod uses stays until the last such pod is gone, one that has ended included.
    user = f"pod {pod['metadata']['name']} refers to it" if pod else "something still refers to it"
    return failed("pvc.terminating", f"{says}, and stays as long as {user}", on, sure=pod is not None)


def claim_volume_present(claims: tuple[Claim, ...], volumes: dict[str, dict[str, Any] | None]) -> Verdict:
    held = [c for c in claims if c.spec.get("volumeName") and c.phase in ("Bound", "Lost")]
    if not held:
        return skipped("no claim is bound")
    lost = [c for c in held if volumes.get(c.spec["volumeName"]) is None]
    if not lost:
        return passed("the volumes of the bound claims exist")
    says = f"claim {lost[0].name} is bound to volume {lost[0].spec['volumeName']}, which does not exist"
    # The binder marks such a claim as Lost; where it has not, the answer may have a gap.
    sure = lost[0].phase == "Lost"
    return failed("pod.pvc-pv-gone", says, ref_of_claim(lost[0]), f"status.phase: {lost[0].phase}", sure=sure)


def claim_bound(claims: tuple[Claim, ...], provisionings: tuple[Provisioning, ...]) -> Verdict:
    if not claims:
        return skipped("the pod mounts no claim")
    if any(c.object is None for c in claims):
        return waiting("a claim does not exist")
    open_claims = [c for c in claims if not c.bound]
    if not open_claims:
        shown = ", ".join(f"{c.name} → {c.spec['volumeName']}" for c in claims)
        return passed(f"bound: {shown}", *(f"PersistentVolumeClaim {c.name} status.phase: Bound" for c in claims))
    held_back = {p.claim.name for p in provisionings if _is_held_back(p)}
    stuck = [c for c in open_claims if c.name not in held_back]
    if not stuck:
        return waiting(
            f"claim {open_claims[0].name} is bound only when the scheduler finds a node (WaitForFirstConsumer)"
        )
    claim = stuck[0]
    return failed("pod.unbound-immediate-pvc", f"claim {claim.name} is {claim.phase or 'Pending'}", ref_of_claim(claim))


def consumer_scheduled(provisionings: tuple[Provisioning, ...], pod: dict[str, Any] | None = None) -> Verdict:
    held_back = [p.claim for p in provisionings if _is_held_back(p)]
    if not held_back:
        return skipped("no claim waits for its first consumer")
    node = (pod or {}).get("spec", {}).get("nodeName")
    if not node:
        return waiting(f"the scheduler has not chosen a node for claim {held_back[0].name} yet")
    # The scheduler tells the claim its choice before it tells the pod.
    says = f"the pod is on {node} and claim {held_back[0].name} was told of no node: the pod names its node itself"
    return failed("pvc.waiting-first-consumer", says, ref_of_claim(held_back[0]), f"spec.nodeName: {node}")


def _is_held_back(p: Provisioning) -> bool:
    """Whether nobody has to make the volume yet, because the scheduler has not chosen a node."""
    return p.waits_for_consumer and not p.node_selected


def volume_fits_claim(
    provisionings: tuple[Provisioning, ...], candidate_volumes: list[dict[str, Any]] | None = None
) -> Verdict:
    # A claim that lost its volume looks for no other one.
    by_hand = [p for p in provisionings if not p.dynamic and p.claim.phase != "Lost"]
    findings: list[Finding] = []
    fitting: list[str] = []
    for p in by_hand:
        nearest = nearest_volumes(p.claim.object or {}, candidate_volumes or [])
        if nearest and not nearest[0].mismatches:
            fitting.append(f"volume {nearest[0].name} fits claim {p.claim.name}")
        else:
            findings += what_is_amiss(p, nearest)
    if findings:
        return failed_all(findings)
    return passed("; ".join(fitting)) if fitting else skipped("no claim waits for a volume made by hand")


def storage_class_exists(
    provisionings: tuple[Provisioning, ...],
    candidate_volumes: list[dict[str, Any]] | None = None,
    heard: Heard | None = None,
) -> Verdict:
    named = [p for p in provisionings if p.claim.class_name and not p.claim.spec.get("volumeName")]
    needing = [p for p in named if p.storage_class or not is_for_a_volume_by_hand(p.claim, candidate_volumes)]
    if not needing:
        return skipped("no unbound claim needs a class")
    lacking = [p.claim for p in needing if p.storage_class is None]
    if not lacking:
        return passed(f"class {needing[0].claim.class_name} exists")
    claim = lacking[0]
    says = f"claim {claim.name} names the storage class {claim.class_name}, which does not exist"
    # The binder writes the provisioner on the claim once it has seen the class: then the class was there.
    seen = bool(set((claim.object or {})["metadata"].get("annotations") or {}) & PROVISIONER_ANNOTATIONS)
    sure = not seen or bool(heard and heard.of("storageclass.not-found"))
    on = Ref("StorageClass", str(claim.class_name))
    return failed("storageclass.not-found", says, on, f"spec.storageClassName: {claim.class_name}", sure=sure)


def default_class_exists(
    provisionings: tuple[Provisioning, ...], candidate_volumes: list[dict[str, Any]] | None = None
) -> Verdict:
    classless = [p for p in provisionings if p.claim.class_name is None and not p.claim.spec.get("volumeName")]
    needing = [p for p in classless if p.storage_class or not is_for_a_volume_by_hand(p.claim, candidate_volumes)]
    if not needing:
        return skipped("no unbound claim needs a default class")
    lacking = [p.claim for p in needing if p.storage_class is None]
    if not lacking:
        return passed("a default class exists")
    says = f"claim {lacking[0].name} names no storage class, and no class is marked as default"
    return failed("storageclass.no-default", says, ref_of_claim(lacking[0]))


def one_default_class(defaults_of_cluster: list[dict[str, Any]]) -> Verdict:
    names = [c["metadata"]["name"] for c in defaults_of_cluster]
    if len(names) < 2:
        return passed("at most one class is the default")
    says = f"{' and '.join(names)} are all default classes; {names[0]}, the newest, wins"
    return failed("storageclass.multiple-default", says, Ref("StorageClass", names[0]))


def provisioner_known(
    provisionings: tuple[Provisioning, ...],
    provisioner_drivers: dict[str, bool],
    heard: Heard,
    candidate_volumes: list[dict[str, Any]] | None = None,
    controller_deployment: Any = UNREAD,
    longhorn_managers: Any = UNREAD,
) -> Verdict:
    dynamic = [p for p in provisionings if p.dynamic]
    if not dynamic:
        return skipped("no claim waits for a provisioner")
    unseen = [p for p in dynamic if not provisioner_drivers.get(p.provisioner)]
    silent = [p for p in unseen if not _has_answered(p, heard, candidate_volumes)]
    # Without the CSIDriver object the driver is installed all the same, where its controller is, or the manager that
    # makes the object when it has started.
    there = {csi.EFS_DRIVER: controller_deployment, csi.LONGHORN_DRIVER: longhorn_managers}
    silent = [p for p in silent if not there.get(p.provisioner)]
    verdicts = [_unknown_provisioner(p, provisioner_drivers) for p in silent]
    wrong = [v for v in verdicts if v.state is State.FAIL]
    return next(iter([*wrong, *verdicts]), passed(f"{dynamic[0].provisioner} is installed"))


def _has_answered(p: Provisioning, heard: Heard, volumes: list[dict[str, Any]] | None) -> bool:
    """Whether the provisioner itself has spoken about the claim, or made a volume without being a CSI driver."""
    spoke = any(
        m.where == "claim-event" and m.about.name == p.claim.name and _is_provisioners(m) for m in heard.messages
    )
    made = {(v["metadata"].get("annotations") or {}).get("pv.kubernetes.io/provisioned-by") for v in volumes or []}
    return spoke or (p.provisioner in made and not _is_csi_name(p.provisioner))


def _is_provisioners(message: Message) -> bool:
    """Whether a provisioner wrote the event; of failures, Kubernetes itself writes some with the same reason."""
    failure = message.text.startswith(("failed to provision volume with StorageClass", "Volume provisioning failed"))
    return message.reason in PROVISIONER_REASONS or (message.reason == "ProvisioningFailed" and failure)


def _is_csi_name(provisioner: str) -> bool:
    return ".csi." in provisioner or provisioner == csi.IN_TREE_EBS


def _unknown_provisioner(p: Provisioning, drivers: dict[str, bool]) -> Verdict:
    name = (p.storage_class or {})["metadata"]["name"]
    near = difflib.get_close_matches(p.provisioner, [d for d, there in drivers.items() if there], 1, 0.7)
    hint = f"; {near[0]} is" if near else ""
    says = f"class {name} has the provisioner {p.provisioner}, which is not an installed CSI driver{hint}"
    proof = (f"StorageClass {name} provisioner: {p.provisioner}", f"CSIDriver {p.provisioner}: not found")
    if p.provisioner == csi.EFS_DRIVER:
        return failed("csi.driver-not-installed", says, Ref("CSIDriver", csi.EFS_DRIVER), *proof)
    if p.provisioner in (csi.EBS_DRIVER, csi.IN_TREE_EBS):
        return failed("ebs.no-csi-driver", says, Ref("CSIDriver", csi.EBS_DRIVER), *proof)
    # Not every provisioner is a CSI driver: only a name that is one, or nearly one, is certainly wrong.
    sure = bool(near) or _is_csi_name(p.provisioner) or "efs" in p.provisioner
    if not sure and _is_held_back(p):
        return waiting(f"{p.provisioner} is asked only when the pod has a node (WaitForFirstConsumer)")
    return failed("storageclass.wrong-provisioner", says, Ref("StorageClass", name), *proof, sure=sure)


def volume_provisioned(
    claims: tuple[Claim, ...],
    provisionings: tuple[Provisioning, ...],
    candidate_volumes: list[dict[str, Any]] | None = None,
) -> Verdict:
    if claims and all(c.bound for c in claims):
        return passed("every claim has its volume")
    unbound = [p for p in provisionings if p.dynamic or _wants_a_class(p, candidate_volumes)]
    if not unbound:
        return skipped("no claim waits for a provisioner")
    asked = [p.claim for p in unbound if not _is_held_back(p)]
    if not asked:
        return waiting("provisioning begins when the scheduler finds a node (WaitForFirstConsumer)")
    return failed("", f"no volume was made for claim {asked[0].name}", ref_of_claim(asked[0]), sure=False)


def _wants_a_class(p: Provisioning, volumes: list[dict[str, Any]] | None) -> bool:
    """Whether the claim would be provisioned if the class that it names, or a default one, existed."""
    by_hand = p.claim.class_name == "" or p.claim.spec.get("volumeName")
    return p.storage_class is None and not by_hand and not is_for_a_volume_by_hand(p.claim, volumes)


def volume_mode_supported(efs_classes: tuple[Provisioning, ...]) -> Verdict:
    if not efs_classes:
        return skipped("no claim waits for the EFS provisioner")
    for p in efs_classes:
        claim = p.claim
        if claim.spec.get("volumeMode") == "Block":
            says = f"claim {claim.name} asks for a block device; EFS has file systems only"
            return failed("pvc.volume-mode-mismatch", says, ref_of_claim(claim), "spec.volumeMode: Block")
        if claim.spec.get("selector"):
            says = f"claim {claim.name} has a selector; the provisioner supports none"
            return failed("pvc.selector-mismatch", says, ref_of_claim(claim), "spec.selector is set")
        if claim.spec.get("accessModes") == ["ReadOnlyMany"]:
            says = f"claim {claim.name} asks for ReadOnlyMany, which the EFS driver refuses"
            return failed("csi.invalid-parameters", says, ref_of_claim(claim), "spec.accessModes: [ReadOnlyMany]")
    return passed("the driver offers what the claims ask for")


def _names(claims: tuple[Claim, ...]) -> str:
    return ", ".join(c.name for c in claims)
