"""`permissions`, wired: which parts of the program each command runs, and so what it needs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from efsdiag import deletions, surroundings
from efsdiag.belongings import cluster, identity, network
from efsdiag.cli import job_ends
from efsdiag.cli.faults import USAGE, Fault
from efsdiag.cli.run import rulebook_of
from efsdiag.files import text_of
from efsdiag.health import scope, survey
from efsdiag.remedy_rules import Remedy, load_remedies
from efsdiag.report.rights import Asked, rights_json, rights_yaml
from efsdiag.rights import needs
from efsdiag.rights.missing import missing_rights
from efsdiag.rights.needs import Needs
from efsdiag.rights.roles import Grants, grants_of
from efsdiag.rights.spoken import operations_of
from efsdiag.rules import Rulebook
from efsdiag.subjects import choose
from efsdiag.target import TARGET
from efsdiag.treat import planning
from efsdiag.world.live import LiveSource

REGION: dict[str, list[Any]] = {"finds the region and the account": [LiveSource.find_region, LiveSource.account]}
LOOKING: dict[str, list[Any]] = {"finds the target": [choose], **REGION}
PLACE: dict[str, list[Any]] = {"knows the cluster again": [planning.place_of]}
JOBS: dict[str, list[Any]] = {"waits for Jobs": [job_ends]}


def rights_text(which: str, missing: str | None, rules: str | None, form: str, *, kubernetes: bool, aws: bool) -> str:
    """The rights for `which`, or those that the report `missing` lacks, in the form. Errors: Fault."""
    others: list[str] = []
    if missing:
        title, name = "what was refused in the report", "efsdiag-missing"
        grants, others = missing_rights(_report_in(missing))
    else:
        title, needed = NEEDED[which]
        name, grants = f"efsdiag-{which}", grants_of(needed(rulebook_of(rules)))
    chosen = Grants(grants.kubernetes if kubernetes else {}, grants.aws if aws else {})
    asked = Asked(title, name, kubernetes, aws)
    return rights_json(chosen, asked) if form == "json" else rights_yaml(chosen, asked, others)


def _why(book: Rulebook) -> Needs:
    found = needs.of_parts(LOOKING)
    found.merge(needs.of_checks(book))
    return found


def _check(book: Rulebook) -> Needs:
    found = needs.of_parts({"finds what has storage": [survey, scope], **REGION})
    # Who has this role lists all namespaces at once; their names are asked for only where that is refused.
    del found["kube:list namespaces"]
    found.merge(needs.of_checks(book))
    return found


def _plan(book: Rulebook) -> Needs:
    found = _why(book)
    found.merge(needs.of_parts(PLACE))
    found.merge(needs.of_remedies(book, load_remedies().values()))
    return found


def _capture(book: Rulebook) -> Needs:
    """A capture reads what a plan reads, and what surrounds that."""
    found = _plan(book)
    found.merge(needs.of_parts({"keeps what surrounds it": [surroundings]}))
    return found


def _probe(book: Rulebook) -> Needs:
    remedies = load_remedies()
    return _mended(book, _why(book), [remedies[name] for name in planning.LOOKS])


def _apply(book: Rulebook) -> Needs:
    return _mended(book, _plan(book), list(load_remedies().values()))


def _install(book: Rulebook) -> Needs:
    """What makes the target's claims true; what helm asks for the objects of its charts is the charts' to say."""
    known = load_remedies()
    modes = {mode for check in TARGET for mode in book.checks[check].modes}
    made = [remedy for remedy in known.values() if modes & set(remedy.mends)]
    return _mended(book, _plan(book), [*made, *(known[name] for name in planning.TRIAL)])


def _uninstall(book: Rulebook) -> Needs:
    found = _apply(book)
    found.ask(operations_of(deletions), needs.for_("deletes what is named, after a yes apart"))
    found.ask(operations_of(cluster, identity, network), needs.for_("takes back what bears the mark of an install"))
    return found


def _mended(book: Rulebook, found: Needs, remedies: list[Remedy]) -> Needs:
    found.merge(needs.of_parts({**PLACE, **JOBS}))
    found.merge(needs.of_remedies(book, remedies))
    found.merge(needs.of_changes(book, remedies))
    return found


def _read(book: Rulebook) -> Needs:
    found = _capture(book)
    found.merge(_check(book))
    found.merge(needs.of_parts({"finds the namespaces, where it may not list all of them at once": [scope]}))
    return found


def _write(book: Rulebook) -> Needs:
    return needs.writing(_apply(book))


NEEDED: dict[str, tuple[str, Callable[[Rulebook], Needs]]] = {
    "why": ("What efsdiag why reads", _why),
    "check": ("What efsdiag check reads", _check),
    "plan": ("What efsdiag plan reads", _plan),
    "capture": ("What efsdiag capture reads", _capture),
    "probe": ("What efsdiag why --probe reads and writes", _probe),
    "apply": ("What efsdiag apply, undo and why --fix read and write", _apply),
    "install": ("What efsdiag install reads and writes, less what helm asks for its charts", _install),
    "uninstall": ("What efsdiag uninstall reads and writes", _uninstall),
    "read": ("What efsdiag may read", _read),
    "write": ("What the identity needs that writes for efsdiag", _write),
}


def _report_in(place: str) -> Any:
    """The document in the file, or on standard input for "-". Errors: Fault."""
    from efsdiag.yaml_files import from_yaml

    hint = "give what efsdiag why or check printed with -o json or -o yaml"
    try:
        text = sys.stdin.read() if place == "-" else text_of(Path(place))
        report = from_yaml(text)
    except (OSError, ValueError) as error:
        raise Fault("report-unreadable", f"{place} cannot be read: {error}", hint, USAGE) from error
    if not isinstance(report, dict) or not isinstance(report.get("checks", report.get("coverage")), list | dict):
        raise Fault("report-unreadable", f"{place} is not a report of efsdiag", hint, USAGE)
    return report
