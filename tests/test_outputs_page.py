"""docs/outputs.md: its examples are what is printed today, and it names what there is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from conftest import ROOT, run_efsdiag
from healthreports import LOOKED, health, of, story, target

from efsdiag.report.alerts import NAMES, alerts
from efsdiag.report.comparison import CAUSE
from efsdiag.report.difference import difference, difference_text
from efsdiag.report.jsonl import ROLES, jsonl
from efsdiag.report.junit import junit
from efsdiag.report.openreports import openreports
from efsdiag.report.prometheus import metrics
from efsdiag.report.terminal import Look
from efsdiag.state_file import changes_since, next_state

PAGE = ROOT / "docs" / "outputs.md"
EXAMPLE = re.compile(r"(<!-- example: (?P<name>[a-z]+) -->\n)(?P<shown>.*?)(<!-- end of example -->)", re.DOTALL)
WIDTH = 118


def document():
    """One root cause of two pods."""
    item = story()["rootCauses"][0]
    item = {**item, "summary": item["summary"].partition(";")[0], "evidence": [], "references": [], "unverified": []}
    cause = of({**item, "byHand": item["byHand"][:1]}, target("prometheus-server", pods=2))
    return health(rootCauses=[cause], workloads={**LOOKED, "looked": 4, "diagnosed": 1})


def alert():
    now = datetime(2026, 11, 21, 6, 30, 4, tzinfo=UTC)
    changes = changes_since(None, document())
    state = next_state(None, document(), changes)
    given = {"roles": (CAUSE,), "cluster": "lab", "now": now, "holds_for": timedelta(hours=2)}
    return alerts(document(), None, state, changes, **given)


EXAMPLES = {
    "diff": ("text", lambda: difference_text(difference(health(), document(), False), Look(WIDTH))),
    "jsonl": ("text", lambda: jsonl(document())),
    "junit": ("xml", lambda: junit(document())),
    "openreports": ("yaml", lambda: openreports(document())),
    "prometheus": ("text", lambda: "".join(s for s in metrics(document()).splitlines(keepends=True) if s[0] != "#")),
    "alertmanager": ("json", lambda: json.dumps(alert(), indent=2, ensure_ascii=False) + "\n"),
}


def cut(text):
    return "".join(f"{line[: WIDTH - 1]}…\n" if len(line) > WIDTH else f"{line}\n" for line in text.splitlines())


def test_the_page_has_every_example_once():
    assert [found["name"] for found in EXAMPLE.finditer(PAGE.read_text(encoding="utf-8"))] == list(EXAMPLES)


def test_the_examples_are_what_is_printed_today(request):
    def shown(found):
        language, make = EXAMPLES[found["name"]]
        return f"{found[1]}```{language}\n{cut(make())}```\n{found[4]}"

    text = PAGE.read_text(encoding="utf-8")
    if request.config.getoption("--rewrite-golden"):
        PAGE.write_text(EXAMPLE.sub(shown, text), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == EXAMPLE.sub(shown, text), "run pytest --rewrite-golden"


def test_the_page_names_every_form_label_role_and_metric():
    text = PAGE.read_text(encoding="utf-8")
    _, help_text, _ = run_efsdiag(["check", "--help"])
    forms = re.search(r"-o, --output \[(.*?)\]", re.sub(r"\s+", "", help_text).replace("-o,--output", "-o, --output "))
    assert forms is not None
    known = {"terminal", "json", "yaml", "markdown"}
    missing = [form for form in forms[1].split("|") if form not in known and f"-o {form}" not in text]
    missing += [label for label in alert()[0]["labels"] if f"`{label}`" not in text]
    missing += [name for name in NAMES.values() if f"`{name}`" not in text]
    missing += [role for role in ROLES.values() if f"`{role}`" not in text]
    missing += [name for name in re.findall(r"^# TYPE (\w+)", metrics(document()), re.MULTILINE) if name not in text]
    assert missing == []


@pytest.mark.parametrize(
    "option",
    ["--state", "--suppress", "--textfile", "--alertmanager", "--alertmanager-token-file", "--alert-ttl", "--cluster"],
)
def test_the_page_names_the_options_of_delivery(option):
    assert f"{option}" in run_efsdiag(["check", "--help"])[1]
    assert f"{option}" in PAGE.read_text(encoding="utf-8")
