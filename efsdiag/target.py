"""The target of an install: the claims of the rulebook that together mean that Prometheus runs with its data on EFS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.model import Check, Diagnosis, State, Subject, Verdict
from efsdiag.setting_names import server_name
from efsdiag.settings import Settings

TARGET = (
    "instance-profile-associated",
    "profile-has-role",
    "role-trusts-ec2",
    "instance-metadata-reachable",
    "service-account-has-role",
    "pod-identity-served",
    "oidc-provider-registered",
    "role-trusts-service-account",
    "policy-allows-driver",
    "peers-serve-controller",
    "vpc-dns-support-on",
    "vpc-dns-hostnames-on",
    "file-system-exists",
    "file-system-available",
    "file-system-encrypted",
    "file-system-backed-up",
    "mount-target-exists",
    "mount-target-in-vpc",
    "mount-target-in-zone",
    "mount-target-available",
    "mount-target-in-every-zone",
    "nfs-port-open",
    "node-egress-open",
    "network-acls-open",
    "route-exists",
    "other-nodes-reach-mount-target",
    "driver-object-present",
    "controller-running",
    "controller-spread",
    "node-plugin-on-node",
    "node-plugin-runs",
    "driver-registered-on-node",
    "storage-class-exists",
    "claim-exists",
    "volume-fits-claim",
    "claim-bound",
    "access-point-exists",
    "pod-exists",
    "pod-scheduled",
    "volume-mounted",
    "single-instance",
    "data-path-on-volume",
    "data-directory-writable",
    "ready-answered",
    "pod-ready",
)
"""The checks, from the account to the pod. All of them are checks of an ordinary `why`."""

PASSING_BY = frozenset(
    {
        "efs.not-available",
        "network.mount-target-not-available",
        "iam.association-transitioning",
        "csi.controller-not-running",
        "csi.node-daemonset-not-on-node",
        "csi.node-plugin-not-registered",
    }
)
"""Modes that may pass by themselves: what was asked for is still being made."""

AT_WORK = ("creating", "updating")
"""States of a file system, a mount target and an access point that AWS itself ends.
https://docs.aws.amazon.com/efs/latest/ug/API_FileSystemDescription.html"""
Thing = Mapping[str, Any]


@dataclass(frozen=True)
class Standing:
    """How far the target has come."""

    holds: tuple[str, ...]
    wrong: tuple[str, ...]
    open: tuple[str, ...]
    """Checks that wait for something, or that nobody could look at."""

    @property
    def reached(self) -> bool:
        """Whether every check of the target passes, or does not apply."""
        return not self.wrong and not self.open


def subject_of(settings: Settings) -> Subject:
    """The workload that the chart of Prometheus makes."""
    kind = "statefulset" if settings.prometheus.stateful_set else "deployment"
    return Subject(kind, settings.namespace, server_name(settings.prometheus))


def standing(verdicts: Mapping[str, Verdict]) -> Standing:
    """The target's checks by what became of them, in their order."""

    def those(*states: State) -> tuple[str, ...]:
        return tuple(c for c in TARGET if verdicts[c].state in states)

    return Standing(those(State.PASS, State.SKIP), those(State.FAIL), those(State.WAITING, State.UNKNOWN))


def wrong_beside(diagnosis: Diagnosis) -> tuple[str, ...]:
    """The modes of the target's checks that fail and block nothing: a plan mends them where it is asked to."""
    return tuple(sorted({latent.finding.mode for latent in diagnosis.latent if latent.check in TARGET}))


def in_the_making(
    file_system: Thing | None, targets: Mapping[str, list[Thing] | None], access_point: Thing | None
) -> tuple[str, ...]:
    """What AWS is still at, each with its state: "file system fs-0a1 (creating)". It takes seconds to minutes."""
    own = str((file_system or {}).get("FileSystemId", ""))
    things = [("file system", "FileSystemId", file_system), ("access point", "AccessPointId", access_point)]
    things += [("mount target", "MountTargetId", target) for target in targets.get(own) or []]
    return tuple(
        f"{what} {thing[key]} ({thing['LifeCycleState']})"
        for what, key, thing in things
        if thing is not None and thing.get("LifeCycleState") in AT_WORK
    )


def comes_by_itself(diagnosis: Diagnosis, rules: Mapping[str, Check]) -> bool:
    """Whether what is left of the target may come true without another write: nothing is known to stand in its way.

    Milestones are effects: a claim that is not bound yet, and a pod that is not made yet, are what is waited for.
    """
    causes = {c.finding.mode for c in diagnosis.causes if not rules[c.check].milestone}
    modes = {finding.mode for check in TARGET for finding in diagnosis.verdicts[check].findings}
    coming = diagnosis.verdicts["pod-ready"].state is not State.PASS
    return causes <= PASSING_BY and (coming or bool(modes & PASSING_BY))
