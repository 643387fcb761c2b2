"""What stands in the place of a secret, and the values that are none although their name says so."""

from __future__ import annotations

import re

from efsdiag.redaction.names import one_of

MARK = "<redacted>"
SCHEMES = one_of("bearer basic token digest negotiate apikey aws4-hmac-sha256")
_KEPT = SCHEMES | one_of(
    "true false yes no on off required optional enabled disabled none null nil empty unset missing"
)
"""Values that say whether there is a secret, or of which kind."""
_REFERENCE = re.compile(r"\$(\(\w*\)?|\{[^}]*\}?|[A-Z_][A-Z0-9_]*)?")
"""$(PASSWORD), ${PASSWORD} and $PASSWORD of a shell or of Kubernetes."""


def is_kept(value: str) -> bool:
    """Whether a value under a secret's name is none: a word that says whether there is one, or a reference to it."""
    bare = value.strip("\\\"' \t\r\n")
    return not bare.strip("*") or bare == MARK or bare.lower() in _KEPT or bool(_REFERENCE.fullmatch(bare))


def marked_rest(line: str, start: int) -> str:
    """The line with MARK from `start` to its end, in the quotes that are there; as it is where that is no secret."""
    rest = line[start:].rstrip()
    if is_kept(rest):
        return line
    quote = rest[0] if rest[0] in "\"'" else ""
    return f"{line[:start]}{quote}{MARK}{quote}{ending(line)}"


def ending(line: str) -> str:
    """The line feed at the end of the line, where there is one."""
    return line[len(line.rstrip("\r\n")) :]
