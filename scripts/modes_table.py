"""Writes docs/modes.md: every mode of the failure catalogue, and what judges it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from efsdiag.model import Check, Mode
from efsdiag.rules import Rulebook, load_rulebook

FILE = Path(__file__).parents[1] / "docs" / "modes.md"

NOT_JUDGED: Mapping[str, str] = {
    "csi.delete-volume-failed": "no pod uses such a volume any more, and efsdiag starts from a pod or a claim",
    "csi.orphaned-mount": "it would take the node's mount table; its one event fits a closed port as well",
    "csi.v1-to-v2-remount": "nothing keeps which version of the driver made a mount",
    "ebs.in-tree-provisioner": "Kubernetes hands its work to the EBS CSI driver, which is judged: `ebs.no-csi-driver`",
    "ebs.root-volume-too-small": "a full disk is reported as `pod.node-disk-pressure`; how large it is, is not read",
    "efs.bursting-credits": "CloudWatch is not among the reads",
    "efs.kms-key-unusable": "KMS is not among the reads; the events of a hanging mount fit a closed port as well",
    "efs.orphaned-access-points": "it would take the volumes of every cluster that uses the file system",
    "helm.ownership-conflict": "it stops Helm before anything is in the cluster; only Helm's output shows it",
    "helm.unknown-value-ignored": "Helm keeps the values of a release in Secrets, which are never read",
    "longhorn.unschedulable-replica": "Longhorn's own resources are not among the reads",
    "node.host-efs-utils-conflict": "packages of the node's own system do not show in the API",
    "permission.chown-wrong-path": "nothing keeps who changed which owner; the directory that counts is judged",
    "pv.capacity-not-enforced": "it is true of every EFS volume, so it tells nothing apart",
    "pv.s3files-prefix-missing": "S3 Files is not among the reads",
    "pv.volume-handle-placeholder": "the API server refuses such a volume, so there is nothing to look at",
    "pvc.terminating": "it is judged for the pod that wants the claim: `pod.pvc-being-deleted`",
}
"""Mode → why no check looks for it."""

HEAD = """\
# Failure modes

Written by `scripts/modes_table.py` from `rules/`; a test fails where this page is older than the rules.
`efsdiag explain <id>` shows one mode in full: how to see it by hand, what puts it right, what looks like it.

A *cause* can be blamed. A *symptom* is reported as the deepest thing seen; it is never a confirmed root cause. A *risk*
is worth knowing and stops no pod today. A mode that is "recognised in messages only" shows in events and logs alone,
so where those are gone it cannot be found.
"""


def page(rulebook: Rulebook) -> str:
    """The whole page. Errors: ValueError for a mode without a check and without a reason, or with both."""
    judges = _judges(rulebook)
    modes = rulebook.modes.values()
    counted = f"{len(rulebook.modes)} modes, {len(rulebook.checks)} checks; {len(NOT_JUDGED)} modes are not judged."
    lines = [HEAD, counted]
    for layer in sorted({mode.id.partition(".")[0] for mode in modes}):
        lines += ["", f"## {layer}", "", "| id | kind | what it is | judged by |", "|---|---|---|---|"]
        lines += [_row(mode, judges[mode.id]) for mode in modes if mode.id.partition(".")[0] == layer]
    return "\n".join(lines) + "\n"


def _judges(rulebook: Rulebook) -> dict[str, list[Check]]:
    judges: dict[str, list[Check]] = defaultdict(list)
    for check in rulebook.checks.values():
        for mode in check.modes:
            judges[mode].append(check)
    for mode in rulebook.modes:
        if (mode in judges) == (mode in NOT_JUDGED):
            says = "is judged and has a reason why not" if mode in judges else "has neither a check nor a reason"
            raise ValueError(f"{mode} {says}; see NOT_JUDGED in scripts/modes_table.py")
    return judges


def _row(mode: Mode, checks: list[Check]) -> str:
    return f"| `{mode.id}` | {mode.kind.value} | {_cell(mode.meaning)} | {_judged_by(mode, checks)} |"


def _judged_by(mode: Mode, checks: list[Check]) -> str:
    if not checks:
        return f"not judged: {NOT_JUDGED[mode.id]}"
    names = ", ".join(f"`{check.id}`" for check in checks)
    only_heard = all(check.judge.__module__ == "efsdiag.checks.messages" for check in checks)
    return f"recognised in messages only ({names})" if only_heard else names


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    FILE.write_text(page(load_rulebook()), encoding="utf-8")
    print(f"wrote {FILE}")
