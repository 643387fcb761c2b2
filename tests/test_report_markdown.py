"""The ticket: at most 60 lines of Markdown, in which nothing does more than stand there."""

from __future__ import annotations

import copy
import re

import pytest
from conftest import FIXTURES, ROOT, Situation, run_efsdiag
from hostile import TEXTS, every_text, planted
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import BLIND, SICK, report, verdicts
from tickets import Page, faults_of

from efsdiag.report.markdown import markdown
from efsdiag.report.markdown_text import code, fenced, prose

NAMES = sorted(file.parent.name for file in FIXTURES.glob("*/expect.json"))
STATES = {"diagnosed": SICK, "inconclusive": BLIND, "healthy": verdicts()}


def test_a_sentence_is_readable_and_its_names_are_code():
    assert prose("fsmt-03 uses sg-0aa, which admits TCP 2049 from sg-0bb (the node's)") == (
        "`fsmt-03` uses `sg-0aa`, which admits TCP 2049 from `sg-0bb` (the node's)"
    )


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("1. one", "`1`. one"),
        ("at 1. one", "at 1. one"),
        ("# x", "`#` x"),
        ("a deadbeef b", "a `deadbeef` b"),
        ("1234567 b", "`1234567` b"),
        ("read-only", "read-only"),
        ("a  b\tc d", "a `b\\tc` d"),
        ("in /a b-1, (x-2 y-3) and", "in `/a b-1`, (`x-2 y-3`) and"),
        ("in /a b-1, (x-2) and", "in `/a b-1`, (`x-2`) and"),
        ("", ""),
        ("프로메테우스 서버", "프로메테우스 서버"),
    ],
)
def test_only_letters_and_small_numbers_stand_outside_of_code(text, made):
    assert prose(text) == made


@every_text
def test_a_hostile_sentence_is_text(text):
    page = Page(f"- {prose(text)}\n\n{prose(text)}\n\n{code(text)}\n\n" + "\n".join(fenced([text])) + "\n")
    assert "PLANTED" in page.prose + page.code
    assert set(page.tags) <= {"ul", "li", "p", "code", "pre"}


SIGNS = st.text(st.sampled_from("`~<>&|*_[]()#@!:/\\-+=.\"'$ \n\t1ab"), max_size=30)


@settings(max_examples=200)
@given(st.lists(SIGNS | st.text(max_size=10), max_size=8))
def test_no_sentence_gets_out_of_its_place(parts):
    for text in (" ".join(parts), "".join(parts)):
        assert faults_of(f"## {code(text)}\n\n{prose(text)}\n\n- {prose(text)}\n") == []


@every_text
@pytest.mark.parametrize("state", STATES)
def test_a_ticket_with_hostile_text_everywhere_is_inert(state, text):
    made = markdown(planted(report(STATES[state], note="x"), text))
    assert faults_of(made) == []
    assert "PLANTED" in made


@every_text
def test_no_heading_comes_out_of_hostile_text(text):
    page = Page(markdown(planted(report(SICK), text)))
    assert len(page.headings) == 1
    assert page.headings[0].startswith("✗ cause found: Pod ")


def test_a_long_text_is_cut_with_a_mark_and_a_long_command_left_out():
    made = markdown(planted(report(SICK), TEXTS["long"]))
    assert max(map(len, made.splitlines())) < 1000
    assert "PLANTED…`" in made or "…" in made
    found = report(SICK)
    found["rootCauses"][0]["byHand"] = ["kubectl get pods", "kubectl " + "x" * 5000, "/close"]
    assert re.search(r"```sh\nkubectl get pods\n```", markdown(found))


def crowded(causes, latent, suspects, fixes, commands, chain, proof):
    """A report with as many entries as asked for."""
    found = copy.deepcopy(report(SICK, note="a note"))
    ids = [check["id"] for check in found["checks"]]
    cause = found["rootCauses"][0] | {"chain": (ids * chain)[:chain], "unverified": ids}
    cause["evidence"][0]["proof"] = [f"line {n}" for n in range(proof)]
    cause["remedies"] = [{"text": f"Mend {n}", "risk": "safe", "reversible": False} for n in range(fixes)]
    cause["byHand"] = [f"kubectl get {n}" for n in range(commands)]
    found["rootCauses"] = [cause] * causes
    found["latent"] = [found["latent"][0]] * latent
    found["suspects"] = [
        {"check": ids[0], "reason": f"reason {n}", "grant": "a right", "supportedBy": []} for n in range(suspects)
    ]
    found["ruledOut"] = [{"check": id_, "by": [by]} for id_ in ids for by in ids]
    return found


MANY = st.integers(0, 30)


@settings(max_examples=60)
@given(st.integers(1, 12), MANY, MANY, MANY, MANY, st.integers(1, 12), MANY)
def test_no_ticket_is_longer_than_60_lines(causes, latent, suspects, fixes, commands, chain, proof):
    made = markdown(crowded(causes, latent, suspects, fixes, commands, chain, proof))
    assert len(made.splitlines()) <= 60
    assert made.splitlines()[-1].startswith("efsdiag ")
    assert "**Root cause" in made


def test_what_is_left_out_is_counted():
    made = markdown(crowded(3, 9, 9, 9, 9, 9, 20))
    assert re.search(r"- … and \d+ more\n", made)
    assert re.search(r"\*\*Ruled out\*\* … \d+ more|- `[\w-]+` holds", made)


@pytest.mark.parametrize("name", NAMES)
def test_the_ticket_of_a_situation_is_the_golden_one_and_has_what_a_ticket_needs(name, golden):
    case = Situation(FIXTURES / name)
    code_, made, _ = run_efsdiag(case.asked("-o", "markdown"))
    golden(f"{name}.md", made)
    found = case.report()
    page = Page(made)
    assert code_ == found["exitCode"]
    assert set(page.tags) <= {"h2", "p", "strong", "ul", "li", "code", "pre"}
    assert len(made.splitlines()) <= 60
    for cause in found["rootCauses"]:
        assert cause["id"] in page.code
        assert cause["fingerprint"] in page.code
    assert len(page.headings) == 1
    assert found["target"]["name"] in page.headings[0]
    assert found["environment"]["kubernetesVersion"] in page.code


def test_a_run_that_failed_prints_no_ticket():
    bundle = str(ROOT / "fixtures" / "story-parent-dir")
    code_, out, err = run_efsdiag(["why", "pod/nobody", "--bundle", bundle, "-o", "markdown"])
    assert (code_, out) == (2, "")
    assert err.startswith("target-not-found: ")


EXAMPLE = re.compile(
    r"(<!-- ticket: efsdiag (?P<command>.*) -->\n````markdown\n)(?P<shown>.*?)(````\n<!-- end of ticket -->)", re.S
)


def test_the_page_about_tickets_shows_what_its_command_prints(request):
    page = ROOT / "docs" / "ticket.md"
    text = page.read_text(encoding="utf-8")
    found = EXAMPLE.search(text)
    assert found is not None
    code_, made, _ = run_efsdiag(found["command"].replace("fixtures/", f"{ROOT}/fixtures/").split())
    if request.config.getoption("--rewrite-golden"):
        page.write_text(EXAMPLE.sub(lambda m: m[1] + made + m[4], text), encoding="utf-8")
    assert code_ == 1
    assert EXAMPLE.search(page.read_text(encoding="utf-8"))["shown"] == made, "run pytest --rewrite-golden"
