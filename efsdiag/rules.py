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
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

from efsdiag.catalogue import load_modes
from efsdiag.checks.messages import judge_by_messages
from efsdiag.model import Check, Mode, Verdict
from efsdiag.rule_verification import GIVEN, line_of, verify, verify_judged
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

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
    "shown_by": str,
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
    own = _own_rulebook()
    if extra is None:
        return own
    found, evidence = dict(own.checks), dict(own.evidence)
    _add_folder(extra, found, evidence, own.modes)
    verify(found, evidence)
    return Rulebook(found, own.modes, evidence)


@cache
def _own_rulebook() -> Rulebook:
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
    verify_judged(found, modes)
    verify(found, evidence)
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
            at = f"{where}:{line_of(function)}"
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
            "function-without-rule", f"{code}:{line_of(function)}", f"has {name}, which no rule declares", hint
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
        shown_by=rule.get("shown_by", ""),
        where=entry.where,
    )


def _function_of(entry: Entry, functions: Mapping[str, Callable[..., Any]], code: str) -> Callable[..., Any]:
    name = entry.key.replace("-", "_")
    if name not in functions:
        near = nearest(name, functions)
        at = next((f":{line_of(functions[n])}" for n in functions if n in near), "")
        hint = near.replace("?", f" in {code}{at}?") if near else f"write it in {code}"
        raise RuleError(
            "rule-without-function", entry.where, f"declares {entry.key}, but there is no function {name}", hint
        )
    return functions[name]
