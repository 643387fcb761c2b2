"""The pages say what is true today: generated ones are not stale, lists match the code, links lead somewhere."""

from __future__ import annotations

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from conftest import ROOT, run_efsdiag

from efsdiag.cli.group import COMMANDS
from efsdiag.report.data import EXIT_CODES
from efsdiag.setting_names import default_settings
from efsdiag.settings_file import commented_default

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"
REPORT = re.compile(
    r"(<!-- report: efsdiag (?P<command>.*) -->\n```text\n)(?P<shown>.*?)(```\n<!-- end of report -->)", re.S
)


def anchor_of(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def modes_table():
    """scripts/modes_table.py as a module."""
    spec = spec_from_file_location("modes_table", ROOT / "scripts" / "modes_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_modes_is_the_one_that_its_script_writes(modes_table, rulebook, request):
    if request.config.getoption("--rewrite-golden"):
        modes_table.FILE.write_text(modes_table.page(rulebook), encoding="utf-8")
    stale = "run .venv/bin/python scripts/modes_table.py"
    assert modes_table.FILE.read_text(encoding="utf-8") == modes_table.page(rulebook), stale


def test_the_readmes_summary_of_the_modes_is_the_one_that_the_script_writes(modes_table, rulebook, request):
    text = README.read_text(encoding="utf-8")
    assert text.count(modes_table.BEGIN) == text.count(modes_table.END) == 1
    if request.config.getoption("--rewrite-golden"):
        README.write_text(modes_table.with_summary(text, rulebook), encoding="utf-8")
    stale = "run .venv/bin/python scripts/modes_table.py"
    assert README.read_text(encoding="utf-8") == modes_table.with_summary(text, rulebook), stale


def test_the_readmes_summary_counts_every_mode_once(modes_table, rulebook):
    rows = [line.split("|")[2:4] for line in modes_table.summary(rulebook).splitlines() if line.startswith("| [")]
    assert sum(int(modes) for modes, _ in rows) == len(rulebook.modes)
    unjudged = [m for m in rulebook.modes.values() if m.not_judged]
    assert sum(int(judged) for _, judged in rows) == len(rulebook.modes) - len(unjudged)


def test_the_table_of_modes_has_each_mode_once_with_what_judges_it(modes_table, rulebook):
    rows = [line for line in modes_table.FILE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert sorted(re.match(r"\| `([\w.-]+)`", row)[1] for row in rows) == sorted(rulebook.modes)
    judged = {mode for check in rulebook.checks.values() for mode in check.modes}
    unjudged = [row for row in rows if "| not judged: " in row]
    assert len(unjudged) == len(set(rulebook.modes) - judged)


def test_the_readme_shows_the_report_that_its_command_prints(request):
    text = README.read_text(encoding="utf-8")
    found = REPORT.search(text)
    assert found is not None
    arguments = found["command"].replace("fixtures/", f"{ROOT}/fixtures/").split()
    code, printed, _ = run_efsdiag(arguments)
    shown = f"$ efsdiag {found['command']}\n\n{printed}"
    if request.config.getoption("--rewrite-golden"):
        README.write_text(REPORT.sub(lambda m: m[1] + shown + m[4], text), encoding="utf-8")
    assert code == 1
    assert REPORT.search(README.read_text(encoding="utf-8"))["shown"] == shown, "run pytest --rewrite-golden"


def test_the_readme_names_every_option_of_why():
    _, text, _ = run_efsdiag(["why", "--help"])
    options = set(re.findall(r"--[a-z-]+", text)) - {"--help"}
    assert len(options) > 10
    assert sorted(o for o in options if f"`{o}" not in README.read_text(encoding="utf-8")) == []


def test_the_pages_name_every_option_of_check_and_every_key_of_its_report():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    _, helped, _ = run_efsdiag(["check", "--help"])
    options = set(re.findall(r"--[a-z-]+", helped)) - {"--help"}
    assert len(options) > 10
    assert sorted(o for o in options if f"`{o}" not in text) == []
    _, printed, _ = run_efsdiag(["check", "--bundle", f"{ROOT}/fixtures/story-parent-dir", "-o", "json"])
    keys = set(json.loads(printed)) - {"apiVersion", "kind", "checkedAt", "scope"}
    assert sorted(key for key in keys if not re.search(rf"`{key}(\[\])?`", text)) == []


def test_the_readme_names_every_command():
    text = README.read_text(encoding="utf-8")
    assert [c for c in COMMANDS if not re.search(rf"\befsdiag {c}\b", text)] == []


def test_the_readme_has_the_exit_codes_of_a_diagnosis():
    codes = {int(code) for code in re.findall(r"^\| (\d+)", README.read_text(encoding="utf-8"), re.MULTILINE)}
    assert set(EXIT_CODES.values()) <= codes
    assert {2, 4, 70} <= codes


def test_the_readme_names_every_key_of_the_json_report():
    _, printed, _ = run_efsdiag(
        ["why", "prometheus-server", "--bundle", f"{ROOT}/fixtures/story-parent-dir", "-o", "json"]
    )
    _, _, section = README.read_text(encoding="utf-8").partition("### JSON")
    keys = set(json.loads(printed)) - {"apiVersion", "kind", "now", "changed", "symptoms", "deepest"}
    assert sorted(key for key in keys if not re.search(rf"`{key}(\[\])?`", section)) == []


def test_the_decision_about_symptoms_names_the_rules_that_may_report_one(rulebook):
    text = (ROOT / "docs" / "decisions" / "actionable-symptoms.md").read_text(encoding="utf-8")
    named = re.findall(r"^- `([a-z-]+)`", text, re.MULTILINE)
    assert sorted(named) == sorted(id_ for id_, check in rulebook.checks.items() if check.actionable)


def test_the_index_of_decisions_lists_every_page():
    index = ROOT / "docs" / "decisions" / "README.md"
    listed = re.findall(r"\]\(([\w-]+\.md)\)", index.read_text(encoding="utf-8"))
    assert sorted(listed) == sorted(page.name for page in index.parent.glob("*.md") if page != index)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path):
    dead = []
    for target in re.findall(r"\]\((?!https?://)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE) if there.is_file() else []
        if not there.exists() or (anchor and anchor not in map(anchor_of, headings)):
            dead.append(target)
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_test_and_file_that_a_page_names_is_there(page: Path):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:efsdiag|rules|tests|scripts|docs|fixtures|benchmarks|\.ci)/[\w./-]*)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").glob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", text) if f"def {name}(" not in sources] == []


def blocks(page, language):
    """The fenced blocks of a page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_of_settings_has_the_file_that_init_writes(request):
    page = ROOT / "docs" / "settings.md"
    (shown,) = blocks(page, "yaml")
    if request.config.getoption("--rewrite-golden"):
        page.write_text(page.read_text(encoding="utf-8").replace(shown, commented_default()), encoding="utf-8")
        (shown,) = blocks(page, "yaml")
    assert shown == commented_default()


def test_the_page_of_charts_names_the_charts_that_the_settings_pin():
    text = (ROOT / "docs" / "charts.md").read_text(encoding="utf-8")
    for name, part in (("driver", default_settings().driver), ("prometheus", default_settings().prometheus)):
        assert re.search(rf"\| `{name}` \| {part.chart} \| {re.escape(part.version)} .*{part.repository} \|", text)
