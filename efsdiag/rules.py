"""rules/*.yaml and the functions beside them → a `Rulebook`; every mistake in a rule is reported here.

A rule in rules/vpc.yaml is judged by the function of the same name in efsdiag/checks/vpc.py, with `-` for `_`; or, with
`judged_by: messages`, by the signs of its modes in what the pod, the claim and the driver said. A folder given with
`--rules` adds <area>.yaml and <area>.py of one's own, with the same errors.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from efsdiag.catalogue import load_modes
from efsdiag.checks.messages import judge_by_messages
from efsdiag.diagnose import graph_of
from efsdiag.gather import parameters_of
from efsdiag.model import Check, Mode, Verdict
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

GIVEN = frozenset({"subject", "now"})
"""Values that the run gives, and no evidence function makes."""

KEYS = {
    "claim": str,
    "matters": str,
    "blocks": list,
    "modes": list,
    "reference": str,
    "by_hand": list,
    "milestone": bool,
    "actionable": bool,
    "judged_by": str,
    "certain": bool,
    "hears": list,
    "settings": dict,
}
NEEDED = ("claim", "matters", "blocks", "modes")


@dataclass(frozen=True)
class Rulebook:
    """All checks, modes and evidence functions, by name."""

    checks: Mapping[str, Check]
    modes: Mapping[str, Mode]
    evidence: Mapping[str, Callable[..., Any]] = field(hash=False)


def load_rulebook(extra: Path | None = None) -> Rulebook:
    """The rules that come with efsdiag, and those of the folder `extra`. Errors: RuleError."""
    modes = load_modes()
    evidence: dict[str, Callable[..., Any]] = {}
    found: dict[str, Check] = {}
    for module in _modules("efsdiag.evidence"):
        _add_evidence(evidence, public_functions(module), f"{module.__name__.replace('.', '/')}.py")
    folder = files("efsdiag.rulebook")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name):
        if file.name == "noise.yaml":
            continue
        area = file.name.removesuffix(".yaml")
        functions, code = _check_functions(f"efsdiag.checks.{area}"), f"efsdiag/checks/{area}.py"
        left = _add_checks(found, entries(file, f"rules/{file.name}"), functions, modes, code)
        _refuse(left, found, code)
    _verify_judged(found, modes)
    if extra is not None:
        _add_folder(extra, found, evidence, modes)
    _verify(found, evidence)
    return Rulebook(found, modes, evidence)


def public_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions that a module defines itself and does not hide behind an underscore."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


def _modules(package: str) -> list[ModuleType]:
    path = importlib.import_module(package).__path__
    return [importlib.import_module(f"{package}.{m.name}") for m in pkgutil.iter_modules(path)]


def _check_functions(name: str) -> dict[str, Callable[..., Any]]:
    return public_functions(importlib.import_module(name)) if importlib.util.find_spec(name) else {}


def _add_folder(
    folder: Path, found: dict[str, Check], evidence: dict[str, Callable[..., Any]], modes: Mapping[str, Mode]
) -> None:
    if not folder.is_dir():
        raise RuleError("rules-folder-missing", str(folder), "is not a folder")
    for area in sorted({file.stem for kind in ("*.yaml", "*.py") for file in folder.glob(kind)}):
        file, code = folder / f"{area}.yaml", folder / f"{area}.py"
        functions = public_functions(_module_at(code)) if code.exists() else {}
        left = _add_checks(found, entries(file, str(file)) if file.exists() else (), functions, modes, str(code))
        # A function without a rule is evidence, unless it says itself that it returns a verdict.
        checks = {n: f for n, f in left.items() if f.__annotations__.get("return") in (Verdict, "Verdict")}
        _refuse(checks, found, str(code))
        _add_evidence(evidence, {n: f for n, f in left.items() if n not in checks}, str(code))


def _module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"efsdiag_rules_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise RuleError("rules-not-python", str(path), "cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the module that they stand in
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, "lineno", None) or next(reversed(lines), None) or 1
        says = getattr(error, "msg", None) or str(error)
        raise RuleError(
            "rules-not-python", f"{path}:{line}", f"does not load: {type(error).__name__}: {says}"
        ) from error
    return module


def _add_evidence(
    evidence: dict[str, Callable[..., Any]], functions: Mapping[str, Callable[..., Any]], where: str
) -> None:
    for name, function in functions.items():
        if name in evidence or name in GIVEN:
            at = f"{where}:{_line(function)}"
            raise RuleError("evidence-twice", at, f"makes the evidence {name}, which is made elsewhere already")
        evidence[name] = function


def _add_checks(
    found: dict[str, Check],
    rules: Iterable[Entry],
    functions: Mapping[str, Callable[..., Any]],
    modes: Mapping[str, Mode],
    code: str,
) -> dict[str, Callable[..., Any]]:
    """Adds the rules with their functions to `found`; returns the functions that are left without a rule."""
    used = set()
    for entry in rules:
        if entry.key in found:
            raise RuleError("rule-twice", entry.where, f"declares {entry.key}, as does {found[entry.key].where}")
        _verify_keys(entry)
        _verify_modes(entry, modes)
        found[entry.key] = _check(entry, functions, modes, code)
        used.add(entry.key.replace("-", "_"))
    return {name: function for name, function in functions.items() if name not in used}


def _refuse(left: Mapping[str, Callable[..., Any]], found: Mapping[str, Check], code: str) -> None:
    for name, function in left.items():
        hint = nearest(name.replace("_", "-"), found)
        raise RuleError(
            "function-without-rule", f"{code}:{_line(function)}", f"has {name}, which no rule declares", hint
        )


def _verify_keys(entry: Entry) -> None:
    if not isinstance(entry.value, dict):
        raise RuleError("rule-not-a-mapping", entry.where, f"{entry.key} is not a mapping of {', '.join(NEEDED)}")
    for key, value in entry.value.items():
        if key not in KEYS:
            raise RuleError(
                "rule-unknown-key", entry.where, f"{entry.key} has the key {key!r}", nearest(str(key), KEYS)
            )
        if not isinstance(value, KEYS[key]):
            raise RuleError("rule-wrong-type", entry.where, f"{entry.key}: {key} is not a {KEYS[key].__name__}")
        for item in value if isinstance(value, list) else ():
            if not isinstance(item, str):
                raise RuleError("rule-wrong-type", entry.where, f"{entry.key}: {key} has {item!r}, which is not a str")
    for key in NEEDED:
        if key not in entry.value:
            raise RuleError("rule-lacks-key", entry.where, f"{entry.key} lacks {key}")
    judge = entry.value.get("judged_by", "messages")
    if judge != "messages":
        hint = nearest(judge, ["messages"]) or "leave it out where a function judges"
        raise RuleError("rule-unknown-judge", entry.where, f"{entry.key} is judged by {judge!r}", hint)


def _verify_modes(entry: Entry, modes: Mapping[str, Mode]) -> None:
    for mode in entry.value["modes"]:
        if mode not in modes:
            raise RuleError(
                "rule-unknown-mode", entry.where, f"{entry.key} names the mode {mode!r}", nearest(str(mode), modes)
            )


def _check(entry: Entry, functions: Mapping[str, Callable[..., Any]], modes: Mapping[str, Mode], code: str) -> Check:
    rule = entry.value
    if rule.get("judged_by") == "messages":
        own = {mode: frozenset(str(sign["where"]) for sign in modes[mode].signs) for mode in rule["modes"]}
        certain, hears = bool(rule.get("certain", True)), frozenset(rule.get("hears", ()))
        judge = judge_by_messages(tuple(rule["modes"]), own, certain=certain, hears=hears)
    else:
        judge = _function_of(entry, functions, code)
    return Check(
        id=entry.key,
        claim=rule["claim"],
        matters=rule["matters"],
        blocks=tuple(rule["blocks"]),
        modes=tuple(rule["modes"]),
        judge=judge,
        reference=rule.get("reference", ""),
        by_hand=tuple(rule.get("by_hand", ())),
        milestone=bool(rule.get("milestone", False)),
        actionable=bool(rule.get("actionable", False)),
        settings=rule.get("settings", {}),
        where=entry.where,
    )


def _function_of(entry: Entry, functions: Mapping[str, Callable[..., Any]], code: str) -> Callable[..., Any]:
    name = entry.key.replace("-", "_")
    if name not in functions:
        near = nearest(name, functions)
        at = next((f":{_line(functions[n])}" for n in functions if n in near), "")
        hint = near.replace("?", f" in {code}{at}?") if near else f"write it in {code}"
        raise RuleError(
            "rule-without-function", entry.where, f"declares {entry.key}, but there is no function {name}", hint
        )
    return functions[name]


def _line(function: Callable[..., Any]) -> int:
    return function.__code__.co_firstlineno


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__code__.co_filename}:{_line(function)}"


def _verify(checks: Mapping[str, Check], evidence: Mapping[str, Callable[..., Any]]) -> None:
    for check in checks.values():
        for blocked in check.blocks:
            if blocked not in checks:
                raise RuleError(
                    "rule-unknown-block", check.where, f"{check.id} blocks {blocked!r}", nearest(blocked, checks)
                )
        _verify_parameters(check.judge, evidence, {"settings"}, f"{check.where} {check.id}")
    for name, function in evidence.items():
        _verify_parameters(function, evidence, {"read"}, f"{_place(function)} {name}")
    _verify_no_evidence_cycle(evidence)
    try:
        graph_of(checks.values())
    except ValueError as cycle:
        first = checks[str(cycle).partition(" ")[0]]
        raise RuleError("rules-cycle", first.where, f"rules block each other in a circle: {cycle}") from cycle


def _verify_judged(found: Mapping[str, Check], modes: Mapping[str, Mode]) -> None:
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
