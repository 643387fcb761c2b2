"""A HealthReport as a ticket in Markdown: what has one cause is one section, however many pods it stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.report.health_page import ONLY_SUPPRESSED, counted, only_suppressed
from efsdiag.report.markdown import cause_title, chain_of, proof_of, remedies_of, short
from efsdiag.report.markdown_text import code, prose
from efsdiag.report.refs import how_many
from efsdiag.report.terminal import Look
from efsdiag.report.ticket import HEADS, Part, commands, foot, lines_of, listed, named, part, text_of

_MOST_WHOLE = 3
"""Root causes with a section of their own; where there are more, it is one less."""
_MOST_TARGETS = 5
_MOST_PROOF = 2
_MOST_COMMANDS = 2


def health_markdown(report: Mapping[str, Any], _: Look) -> str:
    """The ticket: at most 60 lines, with nothing in it that does more than stand there."""
    causes = report["rootCauses"]
    whole = _MOST_WHOLE if len(causes) <= _MOST_WHOLE else _MOST_WHOLE - 1
    sections = [own for at, cause in enumerate(causes[:whole]) for own in _cause(report, cause, at)]
    further = part("Further root causes", [f"{short(c)} ({how_many(c)})" for c in causes[whole:]])
    unexplained, missing, latent, expired = _unexplained(report), _missing(report), _latent(report), _expired(report)
    cuts = [(latent, 3), (missing, 3), (further, 4), (unexplained, 3), (expired, 1), (latent, 0), (missing, 1)]
    cuts += [(further, 1), (unexplained, 1), (expired, 0), (missing, 0), (unexplained, 0)]
    end = lines_of(foot(report["environment"], report["checkedAt"]))
    return text_of([_head(report), *sections, further, unexplained, missing, latent, expired, end], cuts)


def _head(report: Mapping[str, Any]) -> Part:
    found = len(report["rootCauses"])
    word = f"✗ {found} causes found" if found > 1 else HEADS[report["status"]]
    word = f"✓ {ONLY_SUPPRESSED}" if only_suppressed(report) else word
    return lines_of(f"## {word}: {counted(report)}", _scope(report["scope"]), _changes(report))


def _scope(scope: Mapping[str, Any]) -> str:
    names = listed(scope["namespaces"], _MOST_TARGETS)
    spaces = "All namespaces" if scope["allNamespaces"] else f"Namespaces: {names}"
    return f"{spaces}, pods with {code(scope['selector'])}" if scope["selector"] else spaces


def _changes(report: Mapping[str, Any]) -> str:
    """What became of what was found before, in one line; "" where that is not known."""
    changes = report.get("changes")
    counts = [f"{len(changes[key])} {key}" for key in ("new", "ongoing", "resolved", "incomparable")] if changes else []
    if changes and changes["since"]:
        counts.append(f"since {code(changes['since'])}")
    suppressed = len(report.get("suppressed", ()))
    return ", ".join([*counts, *([f"{suppressed} suppressed"] if suppressed else [])])


def _cause(report: Mapping[str, Any], cause: Mapping[str, Any], at: int) -> list[Part]:
    """The section of one root cause."""
    changes = report.get("changes") or {"new": ()}
    new = "; new" if cause["fingerprint"] in changes["new"] else ""
    remedy = remedies_of(cause)[:1]
    targets = [named(target) for target in cause["targets"][:_MOST_TARGETS]]
    left = cause["targetCount"] - len(targets)
    facts = [
        f"{how_many(cause)}: {', '.join(targets)}{f', … {left} more' if left > 0 else ''}",
        *(f"proof: {line}" for line in proof_of(cause)[:_MOST_PROOF]),
        f"chain: {chain_of(cause)}",
        *(f"mends it: {text}" for text in remedy),
    ]
    head = lines_of(cause_title(cause, at, len(report["rootCauses"])) + new, prose(cause["summary"]))
    return [head, part("", facts), commands("", cause["byHand"][:_MOST_COMMANDS])]


def _unexplained(report: Mapping[str, Any]) -> Part:
    items = [
        f"{named(entry['object'])} ({how_many(entry)}): {prose(entry['summary'])} ({code(entry['check'])})"
        for entry in report["unexplained"]
    ]
    return part("Not well, without a cause that could be seen", items)


def _missing(report: Mapping[str, Any]) -> Part:
    """What could not be looked at, with the right that is missing."""
    left = report["workloads"]["notLooked"]
    items = [f"{left} workload{'s' * (left != 1)}: the time was over"] if left else []
    for entry in report["suspects"]:
        items.append(f"{code(entry['check'])} ({how_many(entry)}): {prose(entry['reason'])}{_grant(entry)}")
    groups: dict[str, list[Mapping[str, str]]] = {}
    for entry in report["coverage"]["unlisted"]:
        groups.setdefault(entry["operation"], []).append(entry)
    for operation, group in groups.items():
        spaces = listed([entry["namespace"] for entry in group if entry["namespace"]], _MOST_TARGETS)
        where = f" in {spaces}" if spaces else ""
        items.append(f"{code(operation)}{where}: {prose(group[0]['reason'])}{_grant(group[0])}")
    return part("Not looked at", items)


def _grant(entry: Mapping[str, Any]) -> str:
    return f"; missing is {code(entry['grant'])}" if entry["grant"] else ""


def _latent(report: Mapping[str, Any]) -> Part:
    healthy = report["status"] == "healthy"
    items = [
        f"{'risk' if entry['kind'] == 'risk' else 'wrong'}: {code(entry['id'])} ({how_many(entry)}): "
        f"{prose(entry['summary'])}"
        for entry in report["latent"]
    ]
    return part("Wrong, but not in the way" if healthy else "Wrong, but not the cause", items)


def _expired(report: Mapping[str, Any]) -> Part:
    items = [
        f"{code(entry['id'])} on {code(entry['object'])} until {code(entry['expires'])}: {prose(entry['reason'])}"
        for entry in report.get("expiredSuppressions", ())
    ]
    return part("Suppressions whose time is over", items)
