"""What helm's own words mean: which kind of failure it was, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from efsdiag.changes import Trouble
from efsdiag.world.helm import Done, HelmError

_FORBIDDEN = re.compile(
    r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)


@dataclass(frozen=True)
class _Kind:
    reference: str
    words: re.Pattern[str]
    trouble: Trouble
    hint: str = ""


def _kind(reference: str, words: str, trouble: Trouble, hint: str = "") -> _Kind:
    return _Kind(reference, re.compile(words, re.IGNORECASE), trouble, hint)


_KINDS = (
    _kind("helm-refused", r"cannot \w+ resource \"|unauthorized|must be logged in", Trouble.REFUSED),
    _kind(
        "admission-refused",
        r"is forbidden:|admission webhook .* denied the request",
        Trouble.REFUSED,
        "a quota, an admission policy or a limit of your own rights says no: it names which",
    ),
    _kind(
        "helm.ownership-conflict",
        r"invalid ownership metadata|cannot be imported into the current release",
        Trouble.CONFLICT,
        "something else installed it before: remove that, or mark its objects as this release's",
    ),
    _kind(
        "release-pending",
        r"another operation \(install/upgrade/rollback\) is in progress",
        Trouble.CONFLICT,
        "wait until the other helm has ended",
    ),
    _kind(
        "cluster-unreachable",
        r"kubernetes cluster unreachable",
        Trouble.REFUSED,
        "check that the network reaches the API server (VPN, proxy, allowed addresses)",
    ),
    _kind(
        "repository-unreachable",
        r"is not a valid chart repository or cannot be reached|no such host|could not download|"
        r"failed to (?:fetch|perform|do request)|dial tcp|tls: |x509: ",
        Trouble.REFUSED,
        "check the repository's address, or take an archive (driver.archive, prometheus.archive, --charts)",
    ),
    _kind(
        "chart-not-found",
        r"chart \S+ (?:matching .* )?(?:version \"[^\"]*\" )?not found|no chart (?:name|version) found"
        r"|not found: manifest unknown|path \S+ not found|repo \S+ not found|no such file or directory"
        r"|failed to download|non-absolute URLs",
        Trouble.REFUSED,
        "look up its name and version: helm search repo, or the repository's index.yaml",
    ),
    _kind(
        "helm-timed-out",
        r"timed out|context deadline exceeded|context canceled|would exceed context deadline",
        Trouble.LOST,
    ),
    _kind(
        "values-refused",
        r"values don't meet the specifications of the schema",
        Trouble.INVALID,
        "compare the values with the chart's values.schema.json",
    ),
    _kind(
        "chart-incompatible",
        r"chart requires kubeVersion|incompatible with Kubernetes",
        Trouble.INVALID,
        "take a version of the chart that is for this version of Kubernetes",
    ),
    _kind(
        "field-immutable",
        r"field is immutable|updates to statefulset spec .* are forbidden",
        Trouble.INVALID,
        "that object has to be made anew for this change; efsdiag leaves that to you",
    ),
)
"""The first that fits counts: helm quotes the error of the API server, and that says more than its own words."""


def failure_of(done: Done, what: str) -> HelmError:
    """The error that a run of helm ended with. `what` is the command, as "helm upgrade prometheus"."""
    said = _said(done)
    if done.code is None:
        return HelmError("helm-timed-out", Trouble.LOST, f"{what} did not end, and was stopped{said and f': {said}'}")
    kind = next((k for k in _KINDS if k.words.search(said)), None)
    message = f"{what}: {said or f'exit code {done.code}'}"
    if kind is None:
        return HelmError("helm-failed", Trouble.INVALID, message)
    hint = _grant(said) if kind.reference == "helm-refused" else kind.hint
    return HelmError(kind.reference, kind.trouble, message, hint)


def _said(done: Done) -> str:
    """What helm complains about, on one line: its "Error:", without the warnings above it."""
    text = done.err.strip() or done.out.strip()
    _, sign, error = text.rpartition("Error: ")
    return " ".join((error if sign else text).split())[:600]


def _grant(said: str) -> str:
    """The right that is missing, in the words of a ClusterRole."""
    found = _FORBIDDEN.search(said)
    if not found:
        return "sign in as somebody who may install releases"
    group = f".{found['group']}" if found["group"] else ""
    where = f" in namespace {found['namespace']}" if found["namespace"] else ""
    return f"allow {found['verb']} {found['resource']}{group}{where}"
