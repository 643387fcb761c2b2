"""YAML files that people wrote: values with their line numbers, and precise errors. PyYAML lives here alone."""

from __future__ import annotations

import difflib
import re
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


_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")

Places = dict[tuple[str, ...], str]
"""Keys from the outermost one inwards → where the innermost one stands: ("storage", "way") → "efsdiag.yaml:12"."""


def placed(file: Path, shown_as: str) -> tuple[Any, Places]:
    """The whole document of a file, and where each of its keys stands. None for an empty file.

    Errors: RuleError as `entries`.
    """
    try:
        loader = _LOADER(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if node is None:
            return None, {}
        refuse_duplicates(node, shown_as)
        places: Places = {}
        _note_places(node, (), places, shown_as)
        return loader.construct_document(node), places
    except (yaml.YAMLError, ValueError, TypeError, OSError) as error:
        raise _unreadable(error, shown_as, 1) from error
    except RecursionError as error:
        raise RuleError("yaml-unreadable", f"{shown_as}:1", "has an anchor that holds itself") from error


def _note_places(node: Any, path: tuple[str, ...], places: Places, shown_as: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            places[here] = f"{shown_as}:{key.start_mark.line + 1}"
            _note_places(value, here, places, shown_as)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _note_places(item, path, places, shown_as)
    elif node.tag == "tag:yaml.org,2002:int" and not _PLAIN_NUMBER.fullmatch(node.value):
        where = f"{shown_as}:{node.start_mark.line + 1}"
        read_as = yaml.load(node.value, Loader=_LOADER)
        says = f"has the number {node.value}, which YAML reads as {read_as}"
        raise RuleError("yaml-number-unclear", where, says, f"write {read_as}, or quote it")


def scalar_of(text: str, where: str) -> Any:
    """What the text stands for in YAML: "true" is a truth value, "5" a number. Errors: RuleError."""
    try:
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise RuleError("yaml-unreadable", where, f"is not YAML: {getattr(error, 'problem', None) or error}") from error


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


def documents_of(text: str) -> list[Any]:
    """The documents of a text, such as the manifest of a chart. Errors: RuleError."""
    try:
        return list(yaml.load_all(text, Loader=_LOADER))
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise _unreadable(error, "the manifest", 1) from error


_SAFE: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_SAFE):  # type: ignore[misc]
    """Writes a text of several lines as such, where YAML can."""


def _text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(value: Any, *, flow: bool = False) -> str:
    """Plain data as YAML, in the order that it has; with `flow` on one line, and without its end."""
    width = 100_000 if flow else 120
    text = str(
        yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=flow)
    )
    return text.removesuffix("\n").removesuffix("\n...") if flow else text


def from_yaml(text: str) -> Any:
    """The value of one YAML document. Errors: ValueError."""
    try:
        return yaml.load(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
