"""HealthReport documents for tests, folded out of the diagnoses of recorded situations."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

from conftest import FIXTURES, Situation

from efsdiag.report.fingerprint import fingerprint
from efsdiag.report.refs import ref_in

Document = dict[str, Any]
NOW = "2026-11-21T06:30:00Z"
ALL = {"allNamespaces": True, "namespaces": [], "selector": ""}
LOOKED = {"looked": 3, "healthy": 3, "diagnosed": 0, "inconclusive": 0, "withoutStorage": 2, "notLooked": 0}


def target(name: str, namespace: str = "monitoring", pods: int = 1, kind: str = "Deployment") -> Document:
    return {"kind": kind, "namespace": namespace, "name": name, "pod": f"{name}-7c9d4-x2x2p", "pods": pods}


def of(entry: Document, *targets: Document, count: int = 0) -> Document:
    """The entry of a diagnosis, as one of a HealthReport for these workloads; `count` of them in all."""
    pods = sum(t["pods"] for t in targets)
    told = {"targets": list(targets), "targetCount": count or len(targets), "podCount": max(pods, count)}
    thing = entry.get("object")
    # What was not looked at and is in nobody's way is no finding.
    finding = entry.keys() & {"id", "summary", "supportedBy"}
    own = {"fingerprint": fingerprint(entry.get("id") or entry["check"], ref_in(thing))} if finding else {}
    return {**own, **copy.deepcopy(entry), **told}


@cache
def _diagnosis(situation: str) -> Document:
    report = Situation(FIXTURES / situation).report()
    for seen in (seen for cause in report["rootCauses"] for seen in cause["evidence"]):
        seen["queries"] = seen["queries"][:2]  # dozens of them would make every test slower, and no other
    return report


def diagnosis(situation: str = "story-parent-dir") -> Document:
    """What `why -o json` prints of the situation."""
    return copy.deepcopy(_diagnosis(situation))


def health(**changes: Any) -> Document:
    """A healthy cluster, but for the changes. The status and the exit code follow from them."""
    found = diagnosis()
    document = {
        "apiVersion": "efsdiag/v1",
        "kind": "HealthReport",
        "status": "healthy",
        "exitCode": 0,
        "checkedAt": NOW,
        "scope": ALL,
        "environment": {**found["environment"], "source": "live", "driverVersion": None},
        "usage": {"requests": 38, "durationMs": 1234},
        "totals": found["totals"],
        "workloads": LOOKED,
        "rootCauses": [],
        "latent": [],
        "suspects": [],
        "unexplained": [],
        "notChecked": [],
        "coverage": {"refused": [], "unlisted": [], "incomplete": False, "timedOut": False, "unknownChecks": []},
        **changes,
    }
    unsure = document["workloads"]["inconclusive"] or document["workloads"]["notLooked"]
    if document["rootCauses"]:
        document |= {"status": "diagnosed", "exitCode": 1}
    elif unsure or document["coverage"]["timedOut"] or document["coverage"]["incomplete"]:
        document |= {"status": "inconclusive", "exitCode": 3}
    return document


def story(*targets: Document, count: int = 0, **changes: Any) -> Document:
    """The cause and the latent findings of the story, for these workloads."""
    found = diagnosis()
    on = targets or (target("prometheus-server", "default"),)
    workloads = {**LOOKED, "looked": 3 + len(on), "diagnosed": len(on)}
    made = health(
        rootCauses=[of(item, *on, count=count) for item in found["rootCauses"]],
        latent=[of(item, *on, count=count) for item in found["latent"]],
        notChecked=[of(item, *on, count=count) for item in found["notChecked"]],
        workloads=workloads,
    )
    return {**made, **changes}


def blind(*targets: Document) -> Document:
    """A workload that is not well, whose causes nobody could look at."""
    on = targets or (target("prometheus-server", "default"),)
    suspect = {
        "check": "nfs-port-open",
        "reason": "AWS refuses ec2:DescribeSecurityGroups",
        "grant": "allow ec2:DescribeSecurityGroups",
        "supportedBy": [],
    }
    deepest = {"check": "volume-mounted", "summary": "nothing is mounted", "object": {"kind": "Pod", "name": "p-0"}}
    coverage = {
        "refused": [{"operation": "ec2:DescribeSecurityGroups", "grant": "allow ec2:DescribeSecurityGroups"}],
        "unlisted": [],
        "incomplete": False,
        "timedOut": False,
        "unknownChecks": ["nfs-port-open"],
    }
    return health(
        suspects=[of(suspect, *on)],
        unexplained=[of(deepest, *on)],
        workloads={**LOOKED, "inconclusive": len(on)},
        coverage=coverage,
    )


def sixty() -> Document:
    """Sixty deployments of three namespaces with one pod each, which one cause stops."""
    targets = [target(f"web-{n:02}", f"shop-{n % 3}") for n in range(20)]
    return story(*targets, count=60)


def timed_out() -> Document:
    """The time was over before everything was looked at."""
    coverage = {"refused": [], "unlisted": [], "incomplete": False, "timedOut": True, "unknownChecks": []}
    return health(workloads={**LOOKED, "notLooked": 4}, coverage=coverage)


def unlisted(namespace: str = "", kind: str = "pods") -> Document:
    """Pods, or others, of a namespace (of all: "") could not be listed. No prometheus-operator was seen to run."""
    refused = {"operation": f"kube:list {kind}", "namespace": namespace, "reason": "forbidden", "grant": "list pods"}
    hides = {"incomplete": kind != "prometheuses", "timedOut": False, "unknownChecks": []}
    return health(coverage={"refused": [], "unlisted": [refused], **hides})


def suppressed_story() -> Document:
    """The cause of the story, held back by a suppression; another suppression is over."""
    found = story()
    item = found["rootCauses"][0]
    held = {key: item[key] for key in ("id", "fingerprint", "object", "summary")}
    over = {"id": "network.nacl", "object": "*", "reason": "moved", "expires": "2026-11-01"}
    return health(
        suppressed=[{**held, "reason": "known; ticket OPS-1", "expires": "2026-12-31"}],
        expiredSuppressions=[over],
        workloads={**LOOKED, "diagnosed": 1},
    )


def damages(document: Any, junk: Any) -> Iterator[Any]:
    """Copies of the document, each with the junk in the place of one value, however deep."""
    for path in list(_places(document))[1:]:
        damaged = copy.deepcopy(document)
        inner = damaged
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = junk
        yield damaged


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


CASES = {
    "healthy": health,
    "story": story,
    "blind": blind,
    "sixty": sixty,
    "timed-out": timed_out,
    "unlisted": unlisted,
    "suppressed": suppressed_story,
}
"""Documents of every kind, by what they say."""
