"""Holds every document that efsdiag makes against the schema of its kind, in every test of the whole run.

`conftest.py` puts `watched` around json.dumps and json.dump. What modules of efsdiag turn into JSON passes through
here, whether it is printed, written into a bundle, or put into a journal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any

import jsonschema_rs

from efsdiag.schemas import kinds, schema_of

OFFENCES: list[str] = []
SEEN: set[str] = set()
"""Kinds of which a document was made since the run began."""


COMPARE_ONLY = {"efsdiag.treat.plan_file"}
"""Modules that turn a file of somebody else's into JSON, to see whether it was changed, and do not write that."""
MACHINE = "efsdiag.report.machine"
"""Writes what others give to it, tests too: a document that a test makes is not efsdiag's."""


@cache
def validator(kind: str) -> Any:
    """The compiled schema of the kind."""
    return jsonschema_rs.Draft202012Validator(schema_of(kind))


def faults_of(document: Any, kind: str) -> list[str]:
    """What is wrong with the document, each with its place; empty where nothing is."""
    try:
        found = validator(kind).iter_errors(document)
    except UnicodeEncodeError:
        # Half a character, which a document may hold and UTF-8 cannot, stands as a question mark here.
        plain = json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))
        found = validator(kind).iter_errors(plain)
    return [f"{kind} {'/'.join(map(str, fault.instance_path))}: {fault.message[-300:]}" for fault in found]


def kind_of(document: Any, module: str) -> str:
    """The kind of a document of efsdiag; "" for what is none. Two kinds do not say what they are."""
    if not isinstance(document, dict):
        return ""
    if module == "efsdiag.treat.journal":
        return "Journal"
    if {"persistentVolume", "observedFrom"} <= document.keys():
        return "VolumeListing"
    return str(document.get("kind")) if document.get("apiVersion") == "efsdiag/v1" else ""


def verify(document: Any, module: str) -> None:
    """Remembers the document where its kind has no schema, or it is not as its schema says."""
    kind = kind_of(document, module)
    if not kind:
        return
    SEEN.add(kind)
    if kind not in kinds():
        OFFENCES.append(f"{module} makes a {kind}, which has no schema")
    else:
        OFFENCES.extend(f"{module} makes a {fault}" for fault in faults_of(document, kind))


def watched(dump: Callable[..., Any]) -> Callable[..., Any]:
    """json.dumps or json.dump that shows `verify` what efsdiag gives to it."""

    def watching(document: Any, *given: Any, **named: Any) -> Any:
        module = _maker(sys._getframe(1))
        if module.startswith("efsdiag.") and module not in COMPARE_ONLY:
            verify(document, module)
        return dump(document, *given, **named)

    return watching


def _maker(frame: FrameType | None) -> str:
    """The module that the document comes from: the nearest one above that does not only write it."""
    while frame and frame.f_globals.get("__name__") == MACHINE:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame else ""
