"""Secrets in running text: logs, events, messages, options, shell commands, configuration files.

A text in which none of the words stands by which secrets are found is looked at once, and that is most of them. The
others are searched line by line.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from efsdiag.redaction.below import Below
from efsdiag.redaction.mark import MARK, SCHEMES, ending, is_kept
from efsdiag.redaction.names import is_secret_name
from efsdiag.redaction.patterns import (
    ALONE,
    AT_START,
    ATTRIBUTE,
    FLAG,
    FORMS,
    HINTS,
    LETTER,
    NAMED,
    NETRC,
    PAIR,
    PEM,
    RANDOM,
    TAGGED,
    VALUE,
)
from efsdiag.redaction.words import LOGINS, is_secret_of, takes_glued

Tells: TypeAlias = Callable[[str], bool] | None
"""Whether the value behind a name is a secret; None where none is, whatever it is."""

_SHORT = 200
"""Letters of a text that is likely to be met again: a name, an id, a time."""
_FAR = 200
"""Letters before a value in which its name, or the program that gets it, is looked for."""
_RANDOM_BITS = 4.3
"""Bits for each letter of a random key; words and paths of 40 letters have less."""
_MOST_SLASHES = 4
_SURE = re.compile(r"pass|pwd", re.IGNORECASE)
_IN_NAME = f"{string.ascii_letters}{string.digits}_.-"
_IN_ARN = re.compile(r"arn:aws[\w-]*:[\w.:/+=,@*-]*\Z")
_LAST_COMMAND = re.compile(r"[;&|(`\n]|\s-c\s+[\"']?")
_QUOTES = re.compile(r"\\*[\"']")
_LOWER, _UPPER, _DIGIT = re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]")
_FORMS = tuple((hint, re.compile(pattern)) for hint, pattern in FORMS)


def redacted_text(text: str) -> str:
    """The text with MARK in the place of each secret; the same object where there is none."""
    made = _of_short(text) if len(text) <= _SHORT else _of_any(text)
    return text if made == text else made


def _of_any(text: str) -> str:
    if not _is_hinted(text.lower()) and not (len(text) >= 40 and RANDOM.search(text)):
        return text
    made = PEM.sub(MARK, text) if "-----" in text else text
    return "".join(_lines(made)) if "\n" in made else _line(made)


_of_short = lru_cache(maxsize=65536)(_of_any)


def _lines(text: str) -> list[str]:
    below, made = Below(), []
    for line in text.splitlines(keepends=True):
        known = below.made(line)
        made.append(_line(line) if known is None else known)
    return made


def _line(line: str) -> str:
    lower = line.lower()
    if len(line) >= 40:
        line = RANDOM.sub(_without_key, line)
    if not _is_hinted(lower):
        return line
    start = AT_START.match(line)
    if start and is_secret_name(start["name"]) and _is_whole(start["name"], start["rest"]):
        # A line that begins with the name is one of YAML or ini: what follows is its value, blanks and all.
        return line if is_kept(start["rest"]) else f"{line[: start.start('rest')]}{MARK}{ending(line)}"
    alone = ALONE.match(line)
    if alone and is_secret_name(alone["name"]) and _is_value(alone):
        return f"{line[: alone.start('rest')]}{MARK}{ending(line)}"
    for hint, form in _FORMS:
        if hint in lower:
            line = form.sub(MARK, line)
    line = _replaced(NAMED, line, _of_name)
    line = _replaced(PAIR, line, _of_pair)
    if "login" in lower:
        line = _replaced(NETRC, line, _of_pair)
    if "</" in lower:
        line = TAGGED.sub(_of_tag, line)
    if "-" in lower:
        line = _replaced(FLAG, line, _of_flag)
        line = _replaced(LETTER, line, _of_letter)
    return line


def _is_hinted(lower: str) -> bool:
    # Faster than a pattern by far, and than any() with a generator.
    for hint in HINTS:  # noqa: SIM110
        if hint in lower:
            return True
    return False


def _replaced(pattern: re.Pattern[str], line: str, tells: Callable[[re.Match[str]], Tells]) -> str:
    """The line with MARK for each value that is a secret.

    Of a name that is none of a secret, the value is not even looked for: it is looked through for others.
    """
    made: list[str] = []
    done = at = 0
    while head := pattern.search(line, at):
        is_secret = tells(head)
        value = VALUE.match(line, head.end()) if is_secret else None
        at = head.end("name")
        if not is_secret or not value:
            continue
        at = value.end()
        if not is_kept(value[0]) and is_secret(value[0]):
            made += [line[done : value.start()], _marked(value[0])]
            done = at
    return "".join([*made, line[done:]]) if done else line


def _is_whole(name: str, rest: str) -> bool:
    """Whether the rest of the line is the value of that name: not the first of several, and no sentence."""
    return rest[0] not in "\"'{[&*" and not (_is_prose(rest) and not _SURE.search(name))


def _is_value(alone: re.Match[str]) -> bool:
    """Whether the one word behind the name is its value: "token expired" is a sentence, and a path is no secret."""
    rest = alone["rest"]
    said = alone["sep"] != "=" and (rest.isalpha() or rest[0] in "/~.") and not _SURE.search(alone["name"])
    return not is_kept(rest) and not said


def _is_prose(rest: str) -> bool:
    first, _, more = rest.partition(" ")
    return bool(more) and first.isalpha() and first.lower() not in SCHEMES


def _of_name(head: re.Match[str]) -> Tells:
    before = head.string[max(0, head.start() - _FAR) : head.start()]
    name, sep = before[len(before.rstrip(_IN_NAME)) :] + head["name"], head["sep"]
    if not is_secret_name(name) or (sep == ":" and (_IN_ARN.search(before) or name.endswith("auth"))):
        return None  # arn:aws:secretsmanager:eu-west-1:111122223333:secret:db; eks-auth:AssumeRoleForPodIdentity
    said = sep.strip("\\\"' \t") in (":", "is") and sep[-1] in " \t" and not head["way"]
    # "credentials: failed to refresh" and "the password is wrong" are sentences.
    return lambda value: not (said and value.isalpha() and ("is" in sep or not _SURE.search(name)))


def _of_pair(head: re.Match[str]) -> Tells:
    return _any if is_secret_name(head["name"]) else None


def _of_tag(element: re.Match[str]) -> str:
    attribute = ATTRIBUTE.search(element["more"])
    names = [element["name"].rpartition(":")[2], *(attribute.groups() if attribute else ())]
    kept = is_kept(element["value"]) or not any(is_secret_name(name) for name in names)
    return element[0] if kept else f"<{element['name']}{element['more']}{MARK}"


def _of_flag(head: re.Match[str]) -> Tells:
    if head["name"] in LOGINS:
        return lambda value: is_secret_of(_program_before(head), head["name"], value.strip("\"'\\"))
    return _any if len(head["name"]) > 2 and is_secret_name(head["name"]) else None


def _of_letter(head: re.Match[str]) -> Tells:
    program, glued = _program_before(head), not head["sep"]
    if glued and not takes_glued(program, head["name"]):
        return None
    return lambda value: is_secret_of(program, head["name"], value.strip("\"'\\"), glued=glued)


def _program_before(head: re.Match[str]) -> str:
    """The first word of the command that a flag is in."""
    words = _LAST_COMMAND.split(head.string[max(0, head.start() - _FAR) : head.start()])[-1].split()
    return words[0] if words else ""


def _any(_: str) -> bool:
    return True


def _marked(value: str) -> str:
    """MARK in the quotes of the value, where it has some."""
    quoted = _QUOTES.match(value)
    return f"{quoted[0]}{MARK}{quoted[0]}" if quoted and len(value) > len(quoted[0]) else MARK


def _without_key(match: re.Match[str]) -> str:
    """MARK for what is as random as a key; a path, a word or a checksum in hexadecimal is less."""
    found = match[0]
    if not (_LOWER.search(found) and _UPPER.search(found) and _DIGIT.search(found)):
        return found
    bits = -sum(n / len(found) * math.log2(n / len(found)) for n in Counter(found).values())
    return MARK if bits >= _RANDOM_BITS and found.count("/") <= _MOST_SLASHES else found
