"""What a message, an event or a log gives away: the modes whose signs it holds, and the lines that are noise.

A text is evidence of what was written, not of why. Many modes write the same line, so each sighting says whether its
line is one that a single cause writes; where an object or AWS can decide, they decide.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from efsdiag.catalogue import PLACES, load_modes, load_noise
from efsdiag.model import ModeKind
from efsdiag.yaml_files import nearest


@dataclass(frozen=True)
class Sighting:
    """A mode that a text points to."""

    mode: str
    sign: str
    """The text of the sign, with its placeholders."""
    specific: bool
    """True where, of all causes, this one alone fits the message. Never true of a symptom or a risk."""
    quote: str = ""
    """What stood there: the line in which the sign begins, at most 300 characters."""


@dataclass(frozen=True)
class _Sign:
    mode: str
    kind: ModeKind
    where: str
    reasons: tuple[str, ...]
    text: str
    unless: tuple[str, ...]
    causes: int
    """How many causes have this very text."""


@dataclass(frozen=True)
class _Match:
    sign: _Sign
    start: int
    end: int
    lines: tuple[int, int]
    """First and last line; (0, 0) in what is one message."""

    def beside(self, other: _Match) -> bool:
        return self.lines[0] <= other.lines[1] and other.lines[0] <= self.lines[1]

    def says_more_than(self, other: _Match) -> bool:
        """A text of one cause outdoes one of many; a longer text outdoes what it contains."""
        if self.sign.causes == 1 < other.sign.causes:
            return True
        contains = self.start <= other.start and other.end <= self.end
        return contains and _weight(self.sign.text) > _weight(other.sign.text)


_HEARD: dict[str, frozenset[str]] = {
    # A container's message is also written as an event of its pod, and can hold the end of its log.
    "pod-event": frozenset({"pod-event", "container-status"}),
    "container-status": frozenset({"container-status", "pod-event", "log"}),
    "grafana-init-log": frozenset({"grafana-init-log", "log"}),
    # What the driver answers becomes an event of the claim or the pod, word for word. Of the volume too, when deleting
    # fails; but the answer is then the same as when creating fails, and only the event says which it was.
    "plugin-log": frozenset({"plugin-log", "pod-event", "claim-event"}),
    "provisioner-log": frozenset({"provisioner-log", "claim-event"}),
    "operator-log": frozenset({"operator-log", "resource-status"}),
}
"""Whose signs are looked for in a place, where it is not its own alone."""

_KEPT = 10
"""Of a line that is written again and again, the last ones are looked at."""

_TOKEN = re.compile(r"<[a-z][a-z-]*>|\bfs-X\b|\bfsap-X\b|\s*\.\.\.\s*|\s+")
_WILD = re.compile(r"<[a-z][a-z-]*>|\bfs-X\b|\bfsap-X\b|\.\.\.")
_NARROW = {
    "<n>": r"\d+",
    "<ip>": r"[0-9A-Fa-f.:]+",
    "<path>": r'[^\s"]*?',
    "fs-X": r"fs-[0-9A-Za-z]+",
    "fsap-X": r"fsap-[0-9A-Za-z]+",
    "...": r"[\s\S]{0,1500}?",
}
_ESCAPES = re.compile(r"\\[nrt]")
_BLANKS = re.compile(r"[^\S\n]+")
_LOGGER = re.compile(r'" logger="\w+"$')
"""What klog writes after an error that it quotes."""


def recognise(text: str, where: str, reason: str = "") -> tuple[Sighting, ...]:
    """The modes that `text` points to, one sighting each: specific ones first, then by mode id.

    `where` is a key of `catalogue.PLACES`, `reason` the event's reason. An event or a status is one message; a log is
    given whole, because a line elsewhere in it can decide, and each of its lines is then taken by itself.

    Errors: ValueError for an unknown place.
    """
    if where not in PLACES:
        raise ValueError(f"place-unknown: {where!r} is not in catalogue.PLACES; {nearest(where, PLACES)}".rstrip("; "))
    plain = _plain(text)
    signs = (s for s in _signs_heard(where) if s.where != where or not (reason and s.reasons) or reason in s.reasons)
    matches = list(_matches(plain, signs, by_line=where.endswith("-log") or where == "log"))
    return tuple(_sightings(plain, _most_telling(matches)))


def is_noise(line: str) -> bool:
    """Whether `line`, or each line of it where it has several, is one that is written when nothing is wrong."""
    lines = [part for part in _plain(line).split("\n") if part.strip()]
    return bool(lines) and all(any(_pattern(noise.text).search(part) for noise in load_noise()) for part in lines)


def _plain(text: str) -> str:
    """The text with the escapes of a quoted message undone, and each run of blanks within a line made one."""
    return _BLANKS.sub(" ", _ESCAPES.sub("\n", text.replace('\\"', '"')))


@cache
def _signs_heard(where: str) -> tuple[_Sign, ...]:
    places = _HEARD.get(where, frozenset({where}))
    return tuple(sign for sign in _signs() if sign.where in places)


@cache
def _signs() -> tuple[_Sign, ...]:
    modes = load_modes().values()
    causes: dict[str, set[str]] = defaultdict(set)
    for mode in modes:
        if mode.kind is ModeKind.CAUSE:
            for sign in mode.signs:
                causes[sign["text"]].add(mode.id)
    return tuple(
        _Sign(m.id, m.kind, s["where"], s["reasons"], s["text"], s["unless"], len(causes[s["text"]]))
        for m in modes
        for s in m.signs
    )


def _matches(plain: str, signs: Iterable[_Sign], by_line: bool) -> Iterator[_Match]:
    flat = " ".join(plain.split())
    starts = [0, *(found.end() for found in re.finditer("\n", plain))]
    for sign in signs:
        if _needle(sign.text) not in flat or any(_pattern(other).search(plain) for other in sign.unless):
            continue
        for found in deque(_pattern(sign.text).finditer(plain), maxlen=_KEPT):
            start, end = found.span()
            lines = (bisect_right(starts, start), bisect_right(starts, end - 1)) if by_line else (0, 0)
            yield _Match(sign, start, end, lines)


def _most_telling(matches: list[_Match]) -> list[_Match]:
    """The matches without the causes that another cause's text in the same lines outdoes."""
    causes = [m for m in matches if m.sign.kind is ModeKind.CAUSE]

    def outdone(match: _Match) -> bool:
        return any(
            other.sign.mode != match.sign.mode and other.beside(match) and other.says_more_than(match)
            for other in causes
        )

    return [m for m in matches if m.sign.kind is not ModeKind.CAUSE or not outdone(m)]


def _sightings(plain: str, matches: list[_Match]) -> list[Sighting]:
    best: dict[str, tuple[tuple[bool, int, str], Sighting]] = {}
    causes = [m for m in matches if m.sign.kind is ModeKind.CAUSE]
    for match in matches:
        sign = match.sign
        alone = all(other.sign.mode == sign.mode for other in causes if other.beside(match))
        seen = Sighting(sign.mode, sign.text, sign.kind is ModeKind.CAUSE and alone, _quote(plain, match))
        rank = (seen.specific, _weight(sign.text), sign.text)
        if sign.mode not in best or rank >= best[sign.mode][0]:
            best[sign.mode] = (rank, seen)
    return sorted((seen for _, seen in best.values()), key=lambda s: (not s.specific, s.mode))


def _quote(plain: str, match: _Match) -> str:
    begin = plain.rfind("\n", 0, match.start) + 1
    end = plain.find("\n", match.start)
    line = plain[begin : end if end >= 0 else len(plain)]
    if match.start - begin > 200:
        line = plain[match.start : match.start + 300]
    return _LOGGER.sub("", line.strip())[:300]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """The text as an expression: blanks stand for any blanks, placeholders for what they name."""
    parts: list[str] = []
    at = 0
    for token in _TOKEN.finditer(text):
        parts.append(re.escape(text[at : token.start()]))
        found = token.group().strip()
        parts.append(_NARROW.get(found, r"[^\n]{1,300}?") if found else r"\s+")
        at = token.end()
    parts.append(re.escape(text[at:]))
    return re.compile("".join(parts))


@cache
def _needle(text: str) -> str:
    """The longest stretch of the text without a placeholder: a quick test before the expression is made."""
    return max((" ".join(part.split()) for part in _WILD.split(text)), key=len)


@cache
def _weight(text: str) -> int:
    """How many characters of the text are not left open."""
    return sum(len(part.strip()) for part in _WILD.split(text))
