"""rules/remedies/*.yaml and the functions of efsdiag/remedies/ → `Remedy`s; every mistake is reported with its line.

A remedy stands under its name in the file of its area, with these keys:

    mends      ids of the modes that it cures; none for a look where nobody looked
    does       what it does, as a phrase that goes on "it …"
    costs      what it costs or opens besides
    settles_s  seconds until the check that failed can pass
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from efsdiag.changes import Proposal
from efsdiag.rules import Rulebook, public_functions
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

KEYS: Mapping[str, type | tuple[type, ...]] = {"mends": list, "does": str, "costs": str, "settles_s": (int, float)}
CAUSE = "cause"
"""The parameter in which a remedy gets the finding that it is to cure; the others name evidence."""
PROBE_IMAGE = "probe_image"
"""The parameter in which a remedy that runs a Job gets the image that was asked for, or ""."""
GIVEN = (CAUSE, PROBE_IMAGE, "subject", "now")


@dataclass(frozen=True)
class Remedy:
    """One cure: what it is for, what it costs, and the function that proposes its changes."""

    id: str
    mends: tuple[str, ...]
    does: str
    costs: str
    settles_s: float
    propose: Callable[..., Proposal] = field(hash=False)
    where: str = ""


@cache
def load_remedies() -> dict[str, Remedy]:
    """All remedies by name, in the order of the files. Errors: RuleError."""
    functions = _functions()
    found: dict[str, Remedy] = {}
    folder = files("efsdiag.rulebook").joinpath("remedies")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name):
        area = file.name.removesuffix(".yaml")
        for entry in entries(file, f"rules/remedies/{file.name}"):
            found[entry.key] = remedy_of(entry, functions.get(area, {}))
    used = {name.replace("-", "_") for name in found}
    for area, own in functions.items():
        for name in own.keys() - used:
            raise RuleError(
                "function-without-rule", f"efsdiag/remedies/{area}.py", f"has {name}, which no rule declares"
            )
    return found


def remedy_of(entry: Entry, functions: Mapping[str, Callable[..., Any]]) -> Remedy:
    """One entry of a file. Errors: RuleError."""
    value = entry.value
    if not isinstance(value, dict):
        raise RuleError("rule-not-a-mapping", entry.where, f"{entry.key} is not a mapping of {', '.join(KEYS)}")
    for key in value:
        if key not in KEYS:
            raise RuleError(
                "rule-unknown-key", entry.where, f"{entry.key} has the key {key!r}", nearest(str(key), KEYS)
            )
    for key, kind in KEYS.items():
        if key not in value:
            raise RuleError("rule-incomplete", entry.where, f"{entry.key} lacks {key}")
        if not isinstance(value[key], kind):
            raise RuleError("rule-wrong-type", entry.where, f"{entry.key}: {key} has the wrong type")
    name = entry.key.replace("-", "_")
    if name not in functions:
        raise RuleError("rule-without-function", entry.where, f"declares {entry.key}", nearest(name, functions))
    return Remedy(
        entry.key,
        tuple(value["mends"]),
        value["does"],
        value["costs"],
        float(value["settles_s"]),
        functions[name],
        entry.where,
    )


def verify_remedies(remedies: Mapping[str, Remedy], rulebook: Rulebook) -> None:
    """Refuses a remedy for a mode that the catalogue does not have, or that asks for unknown evidence.

    Errors: RuleError.
    """
    from efsdiag.gather import parameters_of

    for remedy in remedies.values():
        for mode in remedy.mends:
            if mode not in rulebook.modes:
                raise RuleError(
                    "rule-unknown-mode", remedy.where, f"{remedy.id} mends {mode}", nearest(mode, rulebook.modes)
                )
        for name, _ in parameters_of(remedy.propose):
            if name not in rulebook.evidence and name not in GIVEN:
                raise RuleError(
                    "evidence-unknown", remedy.where, f"{remedy.id} asks for {name}", nearest(name, rulebook.evidence)
                )


def _functions() -> dict[str, dict[str, Callable[..., Any]]]:
    path = importlib.import_module("efsdiag.remedies").__path__
    return {
        m.name: public_functions(importlib.import_module(f"efsdiag.remedies.{m.name}"))
        for m in pkgutil.iter_modules(path)
    }
