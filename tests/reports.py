"""A small rulebook, and reports made with it, for tests of what reports say."""

from __future__ import annotations

from datetime import UTC, datetime

from efsdiag.diagnose import diagnose
from efsdiag.investigate import Investigation
from efsdiag.model import Check, Mode, ModeKind, Query, Ref, Subject, failed, passed, unknown
from efsdiag.report.data import Environment, Surroundings, Usage, report_of
from efsdiag.rules import Rulebook

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
POD = Subject("pod", "shop", "web-7c9d4-x2x2p")


def check(id_, *blocks, milestone=False):
    return Check(
        id_, f"the claim of {id_}", "it matters", blocks, (), passed, "https://example.com/rule", milestone=milestone
    )


def mode(id_, kind=ModeKind.CAUSE, **more):
    return Mode(id_, kind, f"The meaning of {id_}.", **{"fix": ("Mend it",), **more})


CHECKS = {
    c.id: c
    for c in (
        check("port-open", "mounted"),
        check("role-right", "provisioned"),
        check("provisioned", "mounted", milestone=True),
        check("mounted", "ready", milestone=True),
        check("user-allowed", "ready"),
        check("backed-up"),
        check("ready", milestone=True),
    )
}
MODES = {
    m.id: m
    for m in (
        mode("net.port", by_hand=("aws ec2 describe --group <sg> --pod <namespace>/<pod>",), risk="disruptive"),
        mode("iam.role"),
        mode("user.root"),
        mode("efs.no-backup", ModeKind.RISK),
        mode("mount.timeout", ModeKind.SYMPTOM),
    )
}
GROUP = Ref("SecurityGroup", "sg-1")


def verdicts(**changes):
    """All checks hold, except where said otherwise: `verdicts(port_open=failed(...))`."""
    states = {id_: passed(f"{id_} holds") for id_ in CHECKS}
    return {**states, **{name.replace("_", "-"): verdict for name, verdict in changes.items()}}


SICK = verdicts(
    port_open=failed("net.port", "sg-1 admits nobody; the node is in sg-2", GROUP, "IpPermissions: none"),
    mounted=failed("mount.timeout", "the mount timed out"),
    ready=failed("", "the pod is not ready: ContainerCreating"),
    role_right=failed("iam.role", "role r lacks its policy", Ref("Role", "r")),
    backed_up=failed("efs.no-backup", "there are no backups", Ref("FileSystem", "fs-1")),
)
BLIND = verdicts(
    port_open=unknown("AWS refuses ec2:DescribeSecurityGroups", "allow ec2:DescribeSecurityGroups"),
    mounted=failed("", "nothing is mounted"),
    ready=failed("", "the pod is not ready: ContainerCreating"),
)


def investigation(states, subject=POD, note="", now=NOW):
    rulebook = Rulebook(CHECKS, MODES, {})
    queries = {"port-open": (Query("ec2:DescribeSecurityGroups", (("GroupIds", ("sg-1",)),)),)}
    found = diagnose(CHECKS, MODES, states, "ready")
    return Investigation(subject, subject, note, now, found, rulebook, queries)


def report(states, *, environment=None, usage=None, workload=None, names=None, **asked):
    where = environment or Environment("bundle", "lab", "v1.36.2", "111122223333", "eu-central-1")
    around = Surroundings(where, usage or Usage(12), workload, names or {})
    return report_of(investigation(states, **asked), around)
