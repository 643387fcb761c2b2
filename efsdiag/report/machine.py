"""Plain data as one JSON or YAML document that is also safe to look at in a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from efsdiag.report.text import is_invisible


def as_json(data: Any) -> str:
    """The data as one JSON document with a newline. Invisible characters stand as \\u escapes, so they do nothing."""
    return _document(data, lambda character: json.dumps(character)[1:-1])


def as_yaml(data: Any) -> str:
    """The same data as YAML; in JSON's notation, which is YAML too, where YAML's own would leave marks invisible."""
    from efsdiag.yaml_files import to_yaml

    try:
        # Read back, so that no list stands in it twice: YAML would write an alias for the second.
        text = to_yaml(json.loads(as_json(data)))
    except UnicodeEncodeError:  # libyaml and a lone surrogate
        return _document(data, _yaml_escape)
    return _document(data, _yaml_escape) if _hides_something(text) else text


def as_line(data: Any) -> str:
    """The data as one JSON document on one line, for JSON Lines."""
    return _document(data, lambda character: json.dumps(character)[1:-1], None)


def _document(data: Any, escape: Callable[[str], str], indent: int | None = 2) -> str:
    text = json.dumps(data, ensure_ascii=False, indent=indent, allow_nan=False)
    # Outside of strings json.dumps puts newlines only; inside of them it has escaped those already.
    return "\n".join(_escaped(line, escape) for line in text.split("\n")) + "\n"


def _escaped(line: str, escape: Callable[[str], str]) -> str:
    if line.isprintable():  # nearly all lines are, and a report can have a hundred thousand
        return line
    return "".join(escape(c) if is_invisible(c) else c for c in line)


def _hides_something(text: str) -> bool:
    return any(is_invisible(c) for line in text.split("\n") if not line.isprintable() for c in line)


def _yaml_escape(character: str) -> str:
    """JSON writes what is above U+FFFF as two surrogates, which YAML would take for two characters."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
