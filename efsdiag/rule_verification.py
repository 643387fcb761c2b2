"""What all rules have to say together: every name that one of them uses is there, and nothing goes in a circle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from efsdiag.diagnose import graph_of
from efsdiag.gather import parameters_of
from efsdiag.model import Check, Mode
from efsdiag.yaml_files import RuleError, nearest

GIVEN = frozenset({"subject", "now"})
"""Values that the run gives, and no evidence function makes."""


def verify(checks: Mapping[str, Check], evidence: Mapping[str, Callable[..., Any]]) -> None:
    """Refuses what a rule or a function names and nobody declares, and circles. Errors: RuleError."""
    for check in checks.values():
        for blocked in check.blocks:
            if blocked not in checks:
                raise RuleError(
                    "rule-unknown-block", check.where, f"{check.id} blocks {blocked!r}", nearest(blocked, checks)
                )
        _verify_parameters(check.judge, evidence, {"settings"}, f"{check.where} {check.id}")
        if check.shown_by and check.shown_by not in evidence:
            says = f"{check.id} is shown by {check.shown_by!r}, which no evidence function makes"
            raise RuleError("evidence-unknown", check.where, says, nearest(check.shown_by, evidence))
    for name, function in evidence.items():
        _verify_parameters(function, evidence, {"read"}, f"{_place(function)} {name}")
    _verify_no_evidence_cycle(evidence)
    try:
        graph_of(checks.values())
    except ValueError as cycle:
        first = checks[str(cycle).partition(" ")[0]]
        raise RuleError("rules-cycle", first.where, f"rules block each other in a circle: {cycle}") from cycle


def verify_judged(found: Mapping[str, Check], modes: Mapping[str, Mode]) -> None:
    """Every mode has a check, or says why it has none and what would decide it."""
    judges = {mode: check.where for check in found.values() for mode in check.modes}
    for mode in modes.values():
        where = f"rules/modes/{mode.id.partition('.')[0]}.yaml"
        if mode.id not in judges and not mode.not_judged:
            hint = "let a rule name it, or say why not (not_judged) and what would decide it (decided_by)"
            raise RuleError("mode-without-check", where, f"has {mode.id}, which no check names", hint)
        if mode.id in judges and mode.not_judged:
            says = f"says of {mode.id} why no check looks for it, and {judges[mode.id]} does"
            raise RuleError("mode-judged-after-all", where, says, "take not_judged and decided_by away")


def line_of(function: Callable[..., Any]) -> int:
    """The line of its file in which the function begins."""
    return function.__code__.co_firstlineno


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__code__.co_filename}:{line_of(function)}"


def _verify_parameters(
    function: Callable[..., Any], evidence: Mapping[str, Callable[..., Any]], extra: set[str], where: str
) -> None:
    for name, _ in parameters_of(function):
        if name not in evidence and name not in GIVEN and name not in extra:
            hint = nearest(name, [*evidence, *GIVEN])
            raise RuleError("evidence-unknown", where, f"asks for {name!r}, which no evidence function makes", hint)


def _verify_no_evidence_cycle(evidence: Mapping[str, Callable[..., Any]]) -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " → ".join([*path[path.index(name) :], name])
            raise RuleError("evidence-cycle", _place(evidence[name]), f"evidence {name} needs itself: {circle}")
        if name in done or name not in evidence:
            return
        for wanted, _ in parameters_of(evidence[name]):
            visit(wanted, (*path, name))
        done.add(name)

    for name in evidence:
        visit(name, ())
