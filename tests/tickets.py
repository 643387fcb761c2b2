"""A ticket rendered as GitHub renders it, and what came of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

TAGS = {"h2", "h3", "p", "strong", "ul", "li", "code", "pre"}
"""What a ticket may become; all of it is made by efsdiag."""

SPEAKING = re.compile(
    r"[@#&!~%$*_\\<>|={}\[\]+^]"  # mentions, references, emphasis, HTML, tables, formulas, templates
    r"|://|www\.|mailto:|:\w+:"  # addresses and signs
    r"|\b[0-9a-fA-F]{7,}\b|\b[A-Za-z]+-[0-9]"  # commits and issues
    r"|[\x00-\x09\x0b-\x1f\x7f-\x9f]"
)
"""What a web site could make more of than text, outside of code."""


class Page(HTMLParser):
    """A rendered page: its tags, the attributes of them, and the text inside and outside of code."""

    def __init__(self, markdown: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.prose = ""
        self.code = ""
        self.headings: list[str] = []
        self._open: list[str] = []
        extensions = ["table", "autolink", "strikethrough", "tasklist"]
        options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
        self.html = cmarkgfm.markdown_to_html_with_extensions(markdown, options, extensions)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._open.append(tag)
        self.attributes += attributes
        if tag in ("h2", "h3"):
            self.headings.append("")

    def handle_endtag(self, tag):
        self._open.remove(tag)

    def handle_comment(self, data):
        self.tags.append(f"comment {data}")

    def handle_decl(self, decl):
        self.tags.append(f"declaration {decl}")

    def handle_pi(self, data):
        self.tags.append(f"instruction {data}")

    def handle_data(self, data):
        if "code" in self._open:
            self.code += data + "\n"
        else:
            self.prose += data
        if {"h2", "h3"} & set(self._open):
            self.headings[-1] += data


def faults_of(markdown: str) -> list[str]:
    """What in the ticket does more than stand there, or is not as a ticket is; empty where nothing is."""
    page = Page(markdown)
    found = [f"tag {tag}" for tag in page.tags if tag not in TAGS]
    found += [
        f"attribute {name}={value}" for name, value in page.attributes if (name, value) != ("class", "language-sh")
    ]
    found += [f"speaking {part!r}" for part in SPEAKING.findall(page.prose)]
    lines = markdown.splitlines()
    found += [f"{len(lines)} lines"] if len(lines) > 60 else []
    found += [f"line {own[:40]!r}" for own in lines if re.match(r"[/=+@\s]|-\S", own)]
    found += ["no newline at the end"] if not markdown.endswith("\n") or markdown.endswith("\n\n") else []
    return found
