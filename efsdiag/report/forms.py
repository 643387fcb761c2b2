"""The forms that a HealthReport can be printed in, each by the name that `-o` takes.

A new form is one entry here: a module that turns the document into text, and the function's name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from efsdiag.report.terminal import Look

Form: TypeAlias = "Callable[[Mapping[str, Any], Look], str]"
"""The document and how the terminal shows things → the text, with a newline at its end."""

HEALTH_FORMS = {
    "terminal": "efsdiag.report.health_page:health_page",
    "json": "efsdiag.report.forms:_json",
    "yaml": "efsdiag.report.forms:_yaml",
    "markdown": "efsdiag.report.markdown_health:health_markdown",
    "jsonl": "efsdiag.report.forms:_jsonl",
    "junit": "efsdiag.report.forms:_junit",
    "openreports": "efsdiag.report.forms:_openreports",
    "policyreport": "efsdiag.report.forms:_policyreport",
    "prometheus": "efsdiag.report.forms:_prometheus",
}
"""Name → where its function is; a form's module is imported when it is used."""


def health_text(form: str, document: Mapping[str, Any], look: Look) -> str:
    """The HealthReport in the form."""
    module, _, name = HEALTH_FORMS[form].partition(":")
    written: Form = getattr(importlib.import_module(module), name)
    return written(document, look)


def _json(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.machine import as_json

    return as_json(_with_rendered(document))


def _yaml(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.machine import as_yaml

    return as_yaml(_with_rendered(document))


def _with_rendered(document: Mapping[str, Any]) -> dict[str, Any]:
    """With its text for people under `rendered`: the same text wherever it is made."""
    from efsdiag.report.health_page import health_page
    from efsdiag.report.terminal import Look

    return {**document, "rendered": health_page(document, Look())}


def _jsonl(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.jsonl import jsonl

    return jsonl(document)


def _junit(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.junit import junit

    return junit(document)


def _openreports(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.openreports import openreports

    return openreports(document)


def _policyreport(document: Mapping[str, Any], _: Look) -> str:
    from efsdiag.report.openreports import policy_report

    return policy_report(document)


def _prometheus(document: Mapping[str, Any], look: Look) -> str:
    from efsdiag.report.prometheus import metrics

    return metrics(document, cluster=look.cluster)
