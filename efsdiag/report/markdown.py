"""A Diagnosis as a ticket in Markdown, to be pasted into GitHub, GitLab or Jira."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from efsdiag.report.grouped import not_looked_at, ruled_out
from efsdiag.report.markdown_text import code, prose
from efsdiag.report.ticket import HEADS, Part, commands, foot, lines_of, listed, named, part, text_of

_SIGNS = {"pass": "✓", "fail": "✗", "unknown": "?", "waiting": "…", "skip": "–"}
_LONGEST_CHAIN = 5
_MOST_CHECKS = 6
_PROOF_COLUMNS = 300


def markdown(report: Mapping[str, Any]) -> str:
    """The ticket: at most 60 lines, with nothing in it that does more than stand there."""
    causes = report["rootCauses"]
    first = causes[0] if causes else None
    head, end = _head(report), lines_of(foot(report["environment"], report["now"]))
    proof = part("Proof", proof_of(first) if first else ())
    chain = _chain(report, first) if first else _deepest(report)
    further = part("Further root causes", [short(cause) for cause in causes[1:]])
    cleared, latent, suspects = _ruled_out(report), _latent(report), _suspects(report)
    mends = part("What mends it", remedies_of(first) if first else ())
    shows = commands("What shows it by hand", first["byHand"] if first else ())
    cuts = [(cleared, 3), (latent, 3), (further, 4), (suspects, 3), (mends, 3), (shows, 3), (proof, 4), (cleared, 1)]
    cuts += [(latent, 1), (suspects, 1), (further, 1), (mends, 1), (shows, 1), (proof, 1), (cleared, 0), (latent, 0)]
    return text_of([head, proof, chain, further, cleared, latent, suspects, mends, shows, end], cuts)


def _head(report: Mapping[str, Any]) -> Part:
    target, causes = report["target"], report["rootCauses"]
    title = f"## {HEADS[report['status']]}: {named(target)}"
    paragraphs = [title, prose(target["says"]), prose(report["note"])]
    if causes:
        cause = causes[0]
        paragraphs += [cause_title(cause, 0, len(causes)), prose(cause["summary"])]
        if cause["unverified"]:
            paragraphs.append(f"Likely only: nobody looked at {listed(cause['unverified'], _MOST_CHECKS)}")
    return lines_of(*paragraphs)


def cause_title(cause: Mapping[str, Any], at: int, count: int) -> str:
    """Which mode on which object, how sure it is, and its fingerprint."""
    name = "Root cause" if count == 1 else f"Root cause {at + 1} of {count}"
    return f"**{name}:** {_what(cause)}"


def _what(cause: Mapping[str, Any]) -> str:
    where = f"on {named(cause['object'])}; fingerprint {code(cause['fingerprint'])}"
    return f"{code(cause['id'])}, {cause['confidence']}, {where}"


def short(cause: Mapping[str, Any]) -> str:
    """A cause on one line."""
    return f"{_what(cause)}: {prose(cause['summary'])}"


def proof_of(cause: Mapping[str, Any]) -> list[str]:
    """Lines that a reader can check, those at the cause first, without the one that the summary repeats."""
    lines = dict.fromkeys(text for step in cause["evidence"] for text in step["proof"])
    return [code(text, _PROOF_COLUMNS) for text in lines if text.strip() and text != cause["summary"]]


def chain_of(cause: Mapping[str, Any]) -> str:
    """The ids of the checks from the cause to the target."""
    steps = [code(id_) for id_ in cause["chain"]]
    return " → ".join(steps if len(steps) <= _LONGEST_CHAIN else [*steps[:2], "…", *steps[-2:]])


def _chain(report: Mapping[str, Any], cause: Mapping[str, Any]) -> Part:
    checks = {check["id"]: check for check in report["checks"]}
    steps = [f"{_SIGNS[checks[id_]['state']]} {prose(checks[id_]['claim'])} ({code(id_)})" for id_ in cause["chain"]]
    if len(steps) > _LONGEST_CHAIN:
        steps = [*steps[:2], f"… {len(steps) - 4} more steps", *steps[-2:]]
    return part("Chain, from the cause on", steps)


def _deepest(report: Mapping[str, Any]) -> Part:
    """Where no cause can be named: how far the pod came."""
    checks = {check["id"]: check for check in report["checks"]}
    found = [checks[id_] for id_ in report["deepest"]]
    return part(
        "The deepest thing seen", [f"✗ {prose(c['claim'])} ({code(c['id'])}): {prose(c['says'])}" for c in found]
    )


def _ruled_out(report: Mapping[str, Any]) -> Part:
    if report["status"] == "healthy":
        return part("Ruled out", ())
    groups = ruled_out(report)
    return part(
        "Ruled out",
        [f"{f'{code(by)} holds, so not' if by else 'seen to hold'}: {listed(ids, _MOST_CHECKS)}" for by, ids in groups],
    )


def _latent(report: Mapping[str, Any]) -> Part:
    healthy = report["status"] == "healthy"
    items = [
        f"{'risk' if item['kind'] == 'risk' else 'wrong'}: {code(item['id'])}: {prose(item['summary'])}"
        + (f" (cleared by {listed(item['clearedBy'], 3)})" if item["clearedBy"] else "")
        for item in report["latent"]
    ]
    return part("Wrong, but not in the way" if healthy else "Wrong, but not the cause", items)


def _suspects(report: Mapping[str, Any]) -> Part:
    items = [
        f"{listed(checks, 3)}: {prose(reason)}" + (f"; missing is {code(grant)}" if grant else "")
        for reason, grant, checks in not_looked_at(report)
    ]
    return part("Not looked at", items)


def remedies_of(cause: Mapping[str, Any]) -> list[str]:
    """What mends it, each with its risk."""
    return [
        f"{prose(r['text'])} (risk: {r['risk']}{'' if r['reversible'] else ', not reversible'})"
        for r in cause["remedies"]
    ]
