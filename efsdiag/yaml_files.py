"""YAML files that people wrote: values with their line numbers, and precise errors. PyYAML lives here alone."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RuleError(Exception):
    """A mistake in a rule file: reference, what is wrong and where, and the nearest right spelling."""

    def __init__(self, reference: str, where: str, message: str, hint: str = "") -> None:
        self.reference = reference
        self.where = where
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {where} {message}" + (f"; {hint}" if hint else ""))


@dataclass(frozen=True)
class Entry:
    """One top-level entry of a file: its key, its value, and where it stands."""

    key: str
    value: Any
    where: str
    """"rules/vpc.yaml:12"."""


def entries(file: Path | Traversable, shown_as: str) -> Iterator[Entry]:
    """The top-level entries of a YAML mapping, in the order of the file.

    Errors: RuleError yaml-unreadable, yaml-not-a-mapping, yaml-duplicate-key (at any depth), each with file and line.
    """
    try:
        loader = _LOADER(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise _unreadable(error, shown_as, 1) from error
    if node is None:
        return
    if not isinstance(node, yaml.MappingNode):
        raise RuleError("yaml-not-a-mapping", f"{shown_as}:1", "is not a mapping of names to entries")
    refuse_duplicates(node, shown_as)
    for key, value in node.value:
        line = key.start_mark.line + 1
        try:
            made = loader.construct_object(value, deep=True)
        except (yaml.YAMLError, ValueError, TypeError) as error:  # an unknown tag; a date that no calendar has
            raise _unreadable(error, shown_as, line) from error
        yield Entry(str(key.value), made, f"{shown_as}:{line}")


def _unreadable(error: Exception, shown_as: str, line: int) -> RuleError:
    """The error of a file that is not YAML, at the line that PyYAML names, or at `line` where it names none."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return RuleError("yaml-unreadable", f"{shown_as}:{mark.line + 1 if mark else line}", f"is not YAML: {problem}")


def refuse_duplicates(node: Any, shown_as: str) -> None:
    """PyYAML keeps the last of two equal keys in silence; a rule must not be lost that way."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            refuse_duplicates(item, shown_as)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise RuleError("yaml-unreadable", f"{shown_as}:{line}", "has a list or a mapping as the name of an entry")
        if key.value in seen:
            raise RuleError(
                "yaml-duplicate-key", f"{shown_as}:{line}", f"has {key.value!r} again; first on line {seen[key.value]}"
            )
        seen[key.value] = line
        refuse_duplicates(value, shown_as)


def nearest(name: str, known: Collection[str], also: str = "") -> str:
    """ "did you mean x?", or "" where nothing is near."""
    found = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {found[0]}{also}?" if found else ""


_SAFE: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SAFE):  # type: ignore[misc]
    """Writes a text of several lines as such, where YAML can."""


def _text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(value: Any) -> str:
    """Plain data as YAML, in the order that it has."""
    return str(yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def from_yaml(text: str) -> Any:
    """The value of one YAML document. Errors: ValueError."""
    try:
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
