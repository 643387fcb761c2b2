"""Secrets in objects of Kubernetes and answers of AWS: by the names of their fields, and in each of their texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from efsdiag.redaction.mark import MARK, is_kept
from efsdiag.redaction.names import is_secret_name, is_value_name
from efsdiag.redaction.text import redacted_text
from efsdiag.redaction.words import LOGINS, is_secret_of

_JOINED = frozenset(("labels", "matchLabels", "nodeSelector", "selector"))
"""What Kubernetes finds objects by. The values are names; asking for a changed one would find nothing."""
_WORDS = frozenset(("args", "command"))
_WHOLE = frozenset(("UserData", "userData", "binaryData"))
"""What may hold anything, in a form that is not looked through."""
_PAIRED = (("name", "value"), ("Key", "Value"), ("key", "value"), ("ParameterKey", "ParameterValue"))
"""How a name and its value stand in a list: of variables in Kubernetes, of tags in AWS."""
_LONGEST_JSON = 4_000_000


def redacted(value: Any) -> Any:
    """The value with MARK in the place of each secret. What holds none is returned as it is, and may be shared."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        made = [redacted(item) for item in value]
        return value if all(a is b for a, b in zip(made, value, strict=True)) else type(value)(made)
    return value


def is_redacted(value: Any) -> bool:
    """Whether there is MARK anywhere in the value: then it is not what the world has, and cannot be written to it."""
    if isinstance(value, str):
        return MARK in value
    if isinstance(value, Mapping):
        return any(is_redacted(held) for held in value.values())
    return isinstance(value, list | tuple) and any(is_redacted(item) for item in value)


def _mapping(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if "Statement" in value:
        return value  # a policy of IAM: names of actions, ARNs and conditions, which have to stay as they are
    paired = next((p for p in _PAIRED if p[1] in value and p[0] in value), None)
    named = {paired[1]: str(value[paired[0]])} if paired else {}
    made: dict[str, Any] = {}
    for name, held in value.items():
        if name in _JOINED and isinstance(held, Mapping):
            made[name] = held
        elif name in _WHOLE:
            made[name] = {key: _marked(text) for key, text in held.items()} if isinstance(held, dict) else _marked(held)
        elif name in _WORDS and isinstance(held, list):
            made[name] = _words(held, _program(value))
        elif is_secret_name(named.get(name, str(name))):
            made[name] = _marked(held)
        else:
            made[name] = redacted(held)
    return value if all(made[name] is held for name, held in value.items()) else made


def _marked(value: Any) -> Any:
    """MARK for each text and number in the value."""
    if isinstance(value, bool) or value is None or (isinstance(value, str) and is_kept(value)):
        return value
    if isinstance(value, str | int | float):
        return MARK
    if isinstance(value, list):
        made = [_marked(item) if isinstance(item, str | list) else redacted(item) for item in value]
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    if isinstance(value, Mapping):
        inner = {name: _marked(held) if is_value_name(name) else held for name, held in value.items()}
        return redacted(value if all(inner[name] is held for name, held in value.items()) else inner)
    return redacted(value)


def _text(text: str) -> str:
    start = text[:64].lstrip()[:1]
    if start in ("{", "[") and len(text) <= _LONGEST_JSON:
        try:
            read = json.loads(text)
            made = redacted(read)
        except (ValueError, RecursionError):
            return redacted_text(text)
        # Written as it was: what kubectl applied last ends in a line feed, and is on one line.
        return text if made is read else json.dumps(made, separators=(",", ":")) + text[len(text.rstrip()) :]
    return redacted_text(text)


def _program(value: Mapping[str, Any]) -> str:
    """The program that the words are given to: the first word of the command, else the image's name."""
    command = value.get("command")
    if isinstance(command, list) and command:
        return str(command[0])
    return str(value.get("image") or "").rpartition("/")[2].partition("@")[0].partition(":")[0]


def _words(words: list[Any], program: str) -> list[Any]:
    """The words of a command: a flag's value may be in the same word or in the next."""
    made: list[Any] = []
    flag = ""
    for word in words:
        before, flag = flag, ""
        if not isinstance(word, str):
            made.append(redacted(word))
            continue
        name, sign, rest = word.partition("=")
        dashed = word.startswith("-")
        if before and not dashed:
            long = before not in LOGINS and (before.startswith("--") or len(before) > 2)
            secret = is_secret_name(before) if long else is_secret_of(program, before, word)
            made.append(MARK if secret and not is_kept(word) else _text(word))
        elif sign and not any(c.isspace() for c in name) and is_secret_name(name) and not is_kept(rest):
            made.append(f"{name}={MARK}")
        elif dashed and len(word) > 2 and word[1] != "-" and is_secret_of(program, word[:2], word[2:], glued=True):
            made.append(f"{word[:2]}{MARK}")
        else:
            made.append(_text(word))
            flag = word if dashed and not sign else ""
    return words if all(a is b for a, b in zip(made, words, strict=True)) else made
