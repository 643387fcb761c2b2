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


def health(causes=1, latent=1, pods=60, **more):
    """A HealthReport with all that one can have, made of the entries of a Diagnosis. Further keys replace its own."""
    sick, blind = report(SICK), report(BLIND)
    names = [{"kind": "Deployment", "namespace": "shop", "name": f"web-{n}"} for n in range(30)]
    targets = [{**name, "pod": f"{name['name']}-7c9d4-x2x2p", "pods": 2} for name in names]
    about = {"targets": targets[:20], "targetCount": 30, "podCount": pods}
    cause, wrong, unseen = sick["rootCauses"][0], sick["latent"][0], blind["suspects"][0]
    object_ = {"kind": "Role", "name": "r"}
    gone = {"fingerprint": "f" * 12, "id": "iam.role", "summary": "role r lacks its policy", "object": object_}
    document = {
        "apiVersion": "efsdiag/v1",
        "kind": "HealthReport",
        "status": "diagnosed" if causes else "healthy",
        "exitCode": 1 if causes else 0,
        "checkedAt": "2026-11-21T06:30:00Z",
        "scope": {"allNamespaces": False, "namespaces": ["shop"], "selector": "app=web"},
        "environment": sick["environment"],
        "usage": sick["usage"],
        "totals": sick["totals"],
        "workloads": dict(zip(WORKLOADS, (40, 10, 30, 0, 7, 2), strict=True)),
        "rootCauses": [{**cause, **about, "fingerprint": f"{n:012x}"} for n in range(causes)],
        "latent": [{**wrong, **about, "object": object_, "fingerprint": f"{n:012x}"} for n in range(latent)],
        "suspects": [{**unseen, **about, "fingerprint": "a" * 12}],
        "unexplained": [
            {"check": "mounted", "summary": "nothing is mounted", "object": object_, "fingerprint": "b" * 12, **about}
        ],
        "notChecked": [{"check": "backed-up", "reason": "AWS refuses it", "grant": "a right", **about}],
        "coverage": {
            "refused": [{"operation": "efs:DescribeMountTargets", "grant": "a right"}],
            "unlisted": [
                {"operation": "kube:list pods", "namespace": "web", "reason": "it is refused", "grant": "a right"}
            ],
            "incomplete": True,
            "timedOut": True,
            "unknownChecks": ["port-open"],
        },
        "suppressed": [{**gone, "reason": "known", "expires": "2026-12-01"}],
        "expiredSuppressions": [{"id": "iam.role", "object": "Role/*", "reason": "known", "expires": "2026-11-01"}],
        "changes": {
            "since": "2026-11-20T06:30:00Z",
            "new": ["0" * 12],
            "ongoing": [],
            "resolved": [gone],
            "incomparable": [
                {"fingerprint": "c" * 12, "id": "iam.role", "summary": "role r lacks its policy", "why": "refused"}
            ],
        },
    }
    return {**document, **more}


WORKLOADS = ("looked", "healthy", "diagnosed", "inconclusive", "withoutStorage", "notLooked")
