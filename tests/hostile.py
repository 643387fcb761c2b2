"""Text that others wrote, as an attacker would write it; for the tests of every format.

`TEXTS` are the texts: each holds the word PLANTED, so that a test can see that it arrived. `planted` puts one into a
document wherever a text comes from the cluster or from AWS, `bundle` into evidence: names, events, logs, annotations,
tags.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES

from efsdiag.world.bundle_layout import segment

MARK = "PLANTED"

TEXTS = {
    "ansi": "\x1b[2J\x1b]0;PLANTED\x07\x1b]8;;https://evil.example\x07PLANTED\x9b31m\x08\x7f",
    "directions": "\u202egnp.PLANTED\u2066 PLANTED\u2069\u200f\u061c",
    "zero-width": "PLANTED\u200b\u200d\ufeff\u00ad\u2060\U000e0041 PLANTED",
    "newlines": "PLANTED\r\n\n# PLANTED\n- PLANTED\n\x0b\x0c\x85\u2028\u2029PLANTED\r✓ healthy",
    "html": '</details></code></pre><script>alert("PLANTED")</script><img src=x onerror=alert(1)>&lt;b&gt;&#x3c;i>',
    "html-comment": "<!-- PLANTED --> <!PLANTED> <?PLANTED?> <![CDATA[PLANTED]]> <!--",
    "links": "[PLANTED](javascript:alert(1)) ![PLANTED](https://evil.example/a.png) [x][PLANTED] [^PLANTED]",
    "link-definition": "[PLANTED]: https://evil.example 'PLANTED'",
    "emphasis": "**PLANTED** __PLANTED__ *a*_b_ ~~PLANTED~~ \\*PLANTED\\ $`PLANTED`$ $PLANTED$ ==PLANTED==",
    "heading": "# PLANTED\n===\nPLANTED\n---\n***",
    "list": "1. PLANTED\n2) PLANTED\n- [x] PLANTED\n+ PLANTED\n> PLANTED\n    PLANTED\n\tPLANTED",
    "table": "PLANTED | b |\n|---|---|\n| PLANTED | \\| |",
    "backticks": "`PLANTED` ``PLANTED`` ``` PLANTED ```` ` ~~~",
    "fence": "PLANTED\n```\n# PLANTED\n~~~\n</code></pre><b>PLANTED</b>\n```sh",
    "mentions": "@PLANTED @org/PLANTED #1 !2 %3 &4 ~PLANTED $5 GH-6 PLANTED-7 a/b#8 PLANTED/b@deadbeef :tada: deadbeef",
    "autolinks": "https://PLANTED.example www.PLANTED.example PLANTED@evil.example mailto:a@evil.example <ftp://PLANTED>",
    "formula": '=HYPERLINK("https://evil.example","PLANTED")',
    "formula-plus": "+PLANTED|' /C calc'!A0",
    "formula-minus": "-2+3+PLANTED",
    "formula-at": "@SUM(PLANTED)",
    "formula-tab": "\t=PLANTED",
    "bot-commands": "/close PLANTED\n/assign @PLANTED\n/lgtm",
    "shell": "$(touch PLANTED) `PLANTED` ; rm PLANTED & | > < \\ ' \" ${PLANTED} !! *",
    "templates": '{{ PLANTED }} {% raw %} ${file("PLANTED")} %{ for PLANTED } #{PLANTED} {{`PLANTED`}} {PLANTED}',
    "yaml": "PLANTED: &a *a !!python/object [x, - ? | > % \"'\n---\nPLANTED: x\n...",
    "json": 'PLANTED"}]}, {"kind": "PLANTED", "\\u0000\\',
    "prometheus": 'PLANTED"} 1\n# HELP PLANTED x\nPLANTED{a="b\\',
    "xml": "]]><PLANTED a='b'/>&PLANTED; \x00\x01\ufffe\uffff",
    "surrogate": "PLANTED \ud800 \udfff",
    "long": "PLANTED " + "PLANTED" * 100,
}

every_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)

FIELDS = frozenset(
    {"says", "summary", "reason", "grant", "proof", "name", "namespace", "pod", "note", "context", "kubernetesVersion"}
    | {"account", "region", "regionFrom", "driverVersion", "parameters", "byHand", "why", "words"}
    | {"residue", "message", "hint", "namespaces", "selector"}
)
"""Keys of our documents whose texts come from outside, or have such a text in them."""


def planted(document: Any, text: str) -> Any:
    """A copy with the text in the place of every string under one of FIELDS, however deep; numbers and ids stay."""
    if isinstance(document, list):
        return [planted(item, text) for item in document]
    if not isinstance(document, dict):
        return document
    return {key: _filled(value, text) if key in FIELDS else planted(value, text) for key, value in document.items()}


def _filled(value: Any, text: str) -> Any:
    if isinstance(value, str):
        return text
    if isinstance(value, list):
        return [_filled(item, f"{text} {at}") for at, item in enumerate(value)]
    return {key: _filled(item, text) for key, item in value.items()} if isinstance(value, dict) else value


# --- evidence ----------------------------------------------------------------------------------------------------

SITUATION = FIXTURES / "nfs-port-closed"
"""Its pod waits for a mount, and events say so."""


def target() -> tuple[str, str, str]:
    """Namespace, kind and name of what the situation is about."""
    namespace, kind, name = json.loads((SITUATION / "expect.json").read_text(encoding="utf-8"))["target"].split("/")
    return namespace, kind, name


def bundle(folder: Path, text: str) -> Path:
    """The situation again, with the text in what others can write: messages, logs, annotations, tags, names."""
    _, _, pod = target()
    for file in sorted(path for path in SITUATION.rglob("*") if path.is_file()):
        content = file.read_text(encoding="utf-8")
        if file.suffix == ".json":
            content = json.dumps(_evidence(json.loads(content), text, pod))
        else:
            content = f"{text}\n{content}{text}\n".encode("utf-8", "replace").decode()
        name = str(file.relative_to(SITUATION)).replace(pod, segment(_named(text)))
        to = folder / name
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(content, encoding="utf-8")
    return folder


def _named(text: str) -> str:
    """The text as a name; one that UTF-8 cannot write names no file."""
    return text.encode("utf-8", "replace").decode()


def _evidence(value: Any, text: str, pod: str) -> Any:
    if isinstance(value, str):
        return _named(text) if value == pod else value
    if isinstance(value, list):
        return [_evidence(item, text, pod) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _evidence(item, text, pod) for key, item in value.items()}
    if isinstance(made.get("message"), str):
        made["message"] = f"{made['message']} {text}"
    for key in ("context", "kubernetesVersion", "Description", "GroupName"):
        if isinstance(made.get(key), str):
            made[key] = text
    if set(made) == {"Key", "Value"}:
        made["Value"] = text
    if isinstance(made.get("metadata"), dict) and "name" in made["metadata"]:
        made["metadata"]["annotations"] = {**made["metadata"].get("annotations", {}), "example.com/note": text}
    return made


# --- what an inert output looks like -----------------------------------------------------------------------------


def invisible(printed: str, but: str = "\n") -> list[str]:
    """The characters that a terminal would act on or show nothing for; none in an inert text."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return [c for c in printed if c not in but and unicodedata.category(c) in kinds]


def strings(document: Any) -> Iterator[str]:
    """Every string in a document, keys too."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        for item in document:
            yield from strings(item)
    elif isinstance(document, dict):
        for key, item in document.items():
            yield key
            yield from strings(item)
