"""Text for Markdown (CommonMark and GitHub's additions) that stays text, whoever wrote it.

A backslash hides a sign from the parser only. GitHub, GitLab and Jira look for @names, #numbers, addresses, commits
and :signs: in the finished page once more, and leave out nothing but code. So a word that is more than letters is put
into a code span, which suits names, paths and numbers of objects anyway; a plain word can start nothing.
"""

from __future__ import annotations

import re

from efsdiag.report.text import clipped, safe

MOST_COLUMNS = 400
"""A text that is longer is cut off, with a mark."""

_LETTERS = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
_PLAIN = re.compile(rf"[\"'(]*(?:{_LETTERS}|[0-9]{{1,6}})[\"')]*[,.;:?…]?|[→·–—…]")
_COUNT = re.compile(r"[0-9]")
# Seven hexadecimal digits and more may be a commit of whatever project the text is pasted into.
_COMMIT = re.compile(r"[\"'(]*[0-9a-fA-F]{7,}[\"')]*[,.;:?…]?")
_STOP = re.compile(r"[,.;:?…]$")


def prose(text: object, most: int = MOST_COLUMNS) -> str:
    """A sentence on one line; words that Markdown or a web site could take for more than letters stand as code.

    Neighbours that stand as code share one span; a bracket and a stop around them stay outside of it.
    """
    made: list[str] = []
    span: list[str] = []
    for at, word in enumerate(_one_line(text, most).split()):
        # A number that begins a line may begin a list.
        if _PLAIN.fullmatch(word) and not _COMMIT.fullmatch(word) and (at or not _COUNT.search(word)):
            made += [*_joined(span), word]
            span = []
        else:
            # A span does not go on past a comma, or into a bracket.
            if span and (_STOP.search(span[-1]) or word[0] == "("):
                made += _joined(span)
                span = []
            span.append(word)
    return " ".join([*made, *_joined(span)])


def code(text: object, most: int = MOST_COLUMNS) -> str:
    """The whole text as one code span; "" for an empty one."""
    made = _one_line(text, most)
    return f"`{made}`" if made else ""


def fenced(lines: list[str], language: str = "sh") -> list[str]:
    """The lines as a block of code. They are not cut: half a command may do something else."""
    return [f"```{language}", *(_one_line(line) for line in lines), "```"] if lines else []


def _joined(span: list[str]) -> list[str]:
    """The words as a code span, without the brackets and the stop of the sentence around them."""
    if not span:
        return []
    inner, before, after = " ".join(span), "", ""
    if len(inner) > 1 and _STOP.search(inner):
        inner, after = inner[:-1], inner[-1]
    if len(inner) > 2 and inner[0] == "(" and inner[-1] == ")" and inner.count("(") == inner.count(")") == 1:
        return [f"(`{inner[1:-1]}`){after}"]
    if len(inner) > 1 and inner[0] == "(" and inner.count("(") > inner.count(")"):
        inner, before = inner[1:], "("
    if len(inner) > 1 and inner[-1] == ")" and inner.count(")") > inner.count("("):
        inner, after = inner[:-1], ")" + after
    return [f"{before}`{inner}`{after}"]


def _one_line(text: object, most: int = 0) -> str:
    """The text with its invisible characters, and the mark of code, as escapes; cut off where it is too long.

    A backtick could end a span, and parsers differ in how many of them they count.
    """
    made = " ".join(safe(text).split()).replace("`", "\\x60")
    return clipped(made, most) if most else made
