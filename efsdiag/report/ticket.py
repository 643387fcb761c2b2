"""The form of a ticket in Markdown: parts with a title and one line for each item, at most 60 lines in all."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from efsdiag.report.layout import Item, Line, Section, fit, joined, line
from efsdiag.report.markdown_text import code, fenced

MOST_LINES = 60
LONGEST_COMMAND = 600
"""Characters. A longer command is left out: a part of it may do something else."""
HEADS = {
    "healthy": "✓ healthy",
    "diagnosed": "✗ cause found",
    "inconclusive": "? no cause found in what could be checked",
}


class Part(Section):
    """A title in bold with items under it; without a title its items stand alone."""

    def lines(self, etc: str) -> list[Line]:
        """The lines as they are printed; what is left out is counted."""
        if not self.items:
            return []
        left = len(self.items) - self.shown
        if not self.shown:
            return [line(f"**{self._name()}** {etc} {left} {self.more}")]
        body = self.body([own for item in self.items[: self.shown] for own in item])
        head = [line(f"**{self._name()}**"), line("")] if self.title else []
        return [*head, *body, *([line(f"- {etc} and {left} {self.more}")] if left else [])]

    def body(self, shown: list[Line]) -> list[Line]:
        """What stands under the title."""
        return shown

    def _name(self) -> str:
        return "".join(text for text, _ in self.title)


class Commands(Part):
    """Commands in a block of code."""

    def body(self, shown: list[Line]) -> list[Line]:
        """The block."""
        return [line(own) for own in fenced(["".join(text for text, _ in command) for command in shown])]


def part(title: str, items: Sequence[str], more: str = "more") -> Part:
    """A list of items, each one line of Markdown."""
    made: list[Item] = [(line(f"- {item}"),) for item in items]
    return Part(line(title) if title else (), made, more)


def lines_of(*texts: str) -> Part:
    """Paragraphs and headings, each of one line, with an empty line between them."""
    made: list[Line] = []
    for text in filter(None, texts):
        made += [*([line("")] if made else []), line(text)]
    return Part((), [tuple(made)] if made else [])


def commands(title: str, given: Sequence[str]) -> Part:
    """Commands to copy."""
    # Some bots obey lines such as "/close" wherever these stand.
    able = [own for own in dict.fromkeys(given) if len(own) <= LONGEST_COMMAND and own[:1].isalpha()]
    return Commands(line(title) if title else (), [(line(own),) for own in able])


def text_of(parts: Sequence[Part], cuts: Sequence[tuple[Section, int]]) -> str:
    """The ticket; what does not fit is left out part by part, as `cuts` says."""
    fit(parts, cuts, MOST_LINES, "…")
    return "".join("".join(text for text, _ in own) + "\n" for own in joined(parts, "…"))


def named(thing: dict[str, Any]) -> str:
    """Kind and name of an object: PersistentVolume `prometheus-server`."""
    kind, name = str(thing["kind"]), "/".join(p for p in (thing.get("namespace", ""), thing["name"]) if p)
    return f"{kind if kind.isalpha() and kind.isascii() else code(kind, 60)} {code(name, 150)}".strip()


def listed(names: Sequence[str], most: int) -> str:
    """At most so many names as code, and how many are left."""
    shown = ", ".join(code(name, 100) for name in names[:most])
    return f"{shown}, … {len(names) - most} more" if len(names) > most else shown


def foot(environment: dict[str, Any], taken: str) -> str:
    """The last line: versions first, then where and when."""
    try:
        own = version("efsdiag")
    except PackageNotFoundError:
        own = ""
    driver, kubernetes = environment.get("driverVersion"), environment["kubernetesVersion"]
    known = (
        f"efsdiag {code(own)}".strip(),
        f"Kubernetes {code(kubernetes, 60)}" if kubernetes else "",
        f"EFS CSI driver {code(driver, 60)}" if driver else "",
        f"account {code(environment['account'], 40)}" if environment["account"] else "",
        code(environment["region"] or "", 40),
        f"context {code(environment['context'], 100)}" if environment["context"] else "",
        f"{'recorded' if environment['source'] == 'bundle' else 'looked at'} {code(taken)}",
    )
    return " · ".join(filter(None, known))
