"""A HealthReport as JSON Lines: one line for each finding, and a last one with everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from efsdiag.report.machine import as_line

ROLES = {
    "rootCauses": "rootCause",
    "latent": "latent",
    "unexplained": "unexplained",
    "suspects": "suspect",
    "notChecked": "notChecked",
    "suppressed": "suppressed",
}
"""Key of the document → the part that its entries play."""


def jsonl(document: Mapping[str, Any]) -> str:
    """Lines of kind Finding, in the order of the document, and one of kind Summary. Each is a document by itself."""
    return "".join(as_line(line) for line in _lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    version = document["apiVersion"]
    for key, role in ROLES.items():
        for item in document.get(key, ()):
            yield {"apiVersion": version, "kind": "Finding", "role": role, "finding": item}
    rest = {key: value for key, value in document.items() if key not in (*ROLES, "rendered")}
    counts = {key: len(document.get(key, ())) for key in ROLES}
    yield {**rest, "kind": "Summary", "findings": counts}
