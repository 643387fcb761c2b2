"""The report for people: the answer first, at most 40 lines, the same with and without colour."""

import copy
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import BLIND, SICK, report, verdicts

from efsdiag.report.data import Usage
from efsdiag.report.layout import Section, joined, line
from efsdiag.report.terminal import MOST_LINES, Look, render
from efsdiag.report.text import width_of

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
TITLES = ["ROOT CAUSE 1 of 1", "RULED OUT", "WRONG, BUT NOT THE CAUSE", "WHAT MENDS IT", "WHAT SHOWS IT BY HAND"]
HOSTILE = "x\x1b[2J\x1b]0;owned\x07\u202egnp.exe\n✓ healthy\r\u200b"


def lines_of(found, **look):
    return render(found, Look(**look)).splitlines()


def test_the_answer_comes_first():
    lines = lines_of(report(SICK, note="deployment/web → pod/web-7c9d4-x2x2p"))
    assert lines[:10] == [
        "✗ cause found   Pod shop/web-7c9d4-x2x2p",
        "  the pod is not ready: ContainerCreating",
        "  deployment/web → pod/web-7c9d4-x2x2p",
        "",
        "ROOT CAUSE 1 of 1   net.port   confirmed",
        "  sg-1 admits nobody; the node is in sg-2",
        "  on SecurityGroup sg-1",
        "  ✗ fail  the claim of port-open   port-open",
        "  └▶ ✗ fail  the claim of mounted   mounted",
        "     └▶ ✗ fail  the claim of ready   ready",
    ]


def test_the_sections_stand_in_the_order_in_which_they_are_read():
    text = render(report(SICK), Look())
    assert [text.index(title) for title in TITLES] == sorted(text.index(title) for title in TITLES)


def test_what_was_ruled_out_says_by_what():
    assert "  provisioned holds, so not: role-right" in lines_of(report(SICK))


def test_what_is_wrong_but_harmless_says_what_cleared_it():
    lines = lines_of(report(SICK))
    assert "  ‼ wrong  iam.role: role r lacks its policy (cleared by provisioned)" in lines
    assert "  · risk   efs.no-backup: there are no backups" in lines


def test_the_last_lines_are_the_totals_and_that_nothing_was_changed():
    assert lines_of(report(SICK, usage=Usage(27, 3210)))[-3:] == [
        "context lab · account 111122223333 · eu-central-1 · v1.36.2 · recorded 2026-11-21T06:30:00Z",
        "7 checks: 2 pass, 5 fail · 27 requests · 3.2 s",
        "Nothing was changed.",
    ]


def test_a_healthy_run_takes_few_lines():
    assert lines_of(report(verdicts())) == [
        "✓ healthy   Pod shop/web-7c9d4-x2x2p: ready holds",
        "context lab · account 111122223333 · eu-central-1 · v1.36.2 · recorded 2026-11-21T06:30:00Z",
        "7 checks: 7 pass · 12 requests",
        "Nothing was changed.",
    ]


def test_an_inconclusive_run_says_how_far_it_came_and_what_to_grant():
    lines = lines_of(report(BLIND))
    assert lines[0] == "? no cause found in what could be checked   Pod shop/web-7c9d4-x2x2p"
    assert lines[3:6] == ["THE DEEPEST THING SEEN", "  ✗ fail  the claim of mounted", "    nothing is mounted"]
    assert "  ? unknown  port-open: AWS refuses ec2:DescribeSecurityGroups" in lines
    assert "  allow ec2:DescribeSecurityGroups" in lines


def test_what_one_refusal_hides_is_told_once():
    found = report(BLIND)
    suspect = found["suspects"][0]
    found["suspects"] = [{**suspect, "check": id_} for id_ in ("port-open", "user-allowed", "role-right")]
    lines = lines_of(found)
    assert "  ? unknown  port-open and 2 more: AWS refuses ec2:DescribeSecurityGroups" in lines
    assert lines.count("  allow ec2:DescribeSecurityGroups") == 1


def test_a_likely_cause_says_what_nobody_looked_at_and_that_comes_first_among_the_unknown():
    found = report(SICK)
    found["rootCauses"][0] |= {"confidence": "likely", "unverified": ["role-right"]}
    found["suspects"] = [
        {"check": "user-allowed", "reason": "r1", "grant": "", "supportedBy": []},
        {"check": "role-right", "reason": "r2", "grant": "", "supportedBy": []},
    ]
    text = render(found, Look())
    assert "likely only: nobody looked at role-right" in text
    assert text.index("role-right: r2") < text.index("user-allowed: r1")


def test_a_command_stands_alone_at_column_3_and_is_never_broken():
    found = report(SICK)
    command = "kubectl " + "--very-long-flag=value " * 12 + "end"
    found["rootCauses"][0]["byHand"] = [command]
    assert f"  {command}" in lines_of(found, width=60)


def crowded(causes=1, latent=1, suspects=1, fixes=1, commands=1, chain=3, words=3, note=1):
    """A report with as many entries as asked for, and sentences of so many words."""
    found = copy.deepcopy(report(SICK, note="note " * words * note))
    text = "word " * words
    found["target"]["says"] = text
    ids = [check["id"] for check in found["checks"]]
    cause = found["rootCauses"][0] | {"summary": text, "chain": (ids * chain)[:chain], "unverified": ids}
    cause["remedies"] = [{"text": f"{n} {text}", "risk": "safe", "reversible": True} for n in range(fixes)]
    cause["byHand"] = [f"kubectl {n} {text}" for n in range(commands)]
    found["rootCauses"] = [cause] * causes
    risk = {"id": "a.b", "check": ids[0], "kind": "risk", "summary": text, "clearedBy": ids, "object": None}
    found["latent"] = [risk] * latent
    found["suspects"] = [
        {"check": ids[0], "reason": f"{n} {text}", "grant": text, "supportedBy": []} for n in range(suspects)
    ]
    found["environment"]["context"] = text
    for check in found["checks"]:
        check["claim"] = text
    found["ruledOut"] = [{"check": id_, "by": [by]} for id_ in ids for by in ids]
    return found


MANY = st.integers(0, 30)


@settings(max_examples=150, deadline=None)
@given(
    causes=st.integers(1, 12),
    latent=MANY,
    suspects=MANY,
    fixes=st.integers(1, 12),
    commands=MANY,
    chain=st.integers(1, 12),
    words=st.integers(1, 120),
    note=st.integers(0, 1),
)
def test_no_report_is_longer_than_40_lines_without_v(**many):
    lines = lines_of(crowded(**many), width=100)
    assert len(lines) <= MOST_LINES
    assert lines[-1] == "Nothing was changed."
    assert any(line_.startswith("ROOT CAUSE 1 of ") for line_ in lines)


def test_the_most_crowded_report_counts_what_it_leaves_out_and_v_shows_it():
    found = crowded(causes=9, latent=30, suspects=30, fixes=9, commands=30, chain=12, words=60)
    short, long = render(found, Look()), render(found, Look(verbose=True))
    assert len(short.splitlines()) <= MOST_LINES
    assert "30 more (-v)" in short
    assert "8 more root causes (-v)" in short
    assert "(-v)" not in long
    assert "ROOT CAUSE 9 of 9" in long
    assert all(f"kubectl {n} word" in long for n in range(30))


def test_v_shows_every_check_with_its_state_and_the_queries_behind_a_cause():
    lines = lines_of(report(SICK), verbose=True)
    assert "  ✗ fail     port-open: sg-1 admits nobody; the node is in sg-2" in lines
    assert "  ✓ pass     user-allowed: user-allowed holds" in lines
    assert "    IpPermissions: none" in lines
    assert "    read ec2:DescribeSecurityGroups GroupIds=sg-1" in lines


@pytest.mark.parametrize("width", [50, 60, 80, 100, 160])
def test_only_commands_and_grants_are_wider_than_the_terminal(width):
    found = crowded(causes=2, latent=4, suspects=2, fixes=2, commands=2, chain=5, words=40)
    copied = {f"  {c}".rstrip() for cause in found["rootCauses"] for c in cause["byHand"]}
    copied |= {f"  {s['grant']}".rstrip() for s in found["suspects"]}
    wide = [own for own in lines_of(found, width=width) if width_of(own) > width and not own.startswith("ROOT CAUSE")]
    assert set(wide) <= copied


def test_korean_is_measured_two_columns_a_letter():
    found = report(SICK)
    found["rootCauses"][0]["summary"] = "프로메테우스 서버가 데이터 디렉터리에 파일을 만들 수 없습니다 " * 3
    korean = [own for own in lines_of(found, width=60) if "프로메테우스" in own or "디렉터리" in own]
    assert len(korean) == 3
    assert all(width_of(own) <= 60 < 2 * len(own) + 30 for own in korean)


@pytest.mark.parametrize("states", [SICK, BLIND, verdicts()], ids=["sick", "blind", "healthy"])
def test_colour_adds_escapes_and_nothing_else(states):
    plain, coloured = render(report(states), Look()), render(report(states), Look(colour=True))
    assert "\x1b[" not in plain
    assert "\x1b[" in coloured
    assert ESCAPE.sub("", coloured) == plain


def test_without_colour_a_state_is_a_word_beside_its_sign():
    lines = lines_of(report(SICK), verbose=True)
    signs = [own for own in lines if re.match(r"\s*(└▶ )?[✗✓?‼·–…] ", own)]
    assert signs
    assert all(re.search(r"[✗✓?‼·–…] (fail|pass|unknown|wrong|risk|skip|waiting|cause found)", own) for own in signs)


@pytest.mark.parametrize("verbose", [False, True])
def test_ascii_is_ascii(verbose):
    found = crowded(latent=9, suspects=9, chain=9, words=30)
    found["rootCauses"][0]["summary"] = "프로메테우스 → …"
    text = render(found, Look(ascii=True, verbose=verbose))
    assert text.isascii()
    assert "`> x fail" in text
    assert verbose or len(text.splitlines()) <= MOST_LINES


def every_text_hostile(value):
    """The report with every text that a cluster could have written replaced."""
    kept = {"apiVersion", "kind", "status", "confidence", "state", "id", "check", "by", "blocks", "chain", "risk"}
    if isinstance(value, dict):
        return {k: v if k in (kept - {"kind"}) else every_text_hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [every_text_hostile(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("look", [Look(), Look(verbose=True), Look(ascii=True), Look(width=50)])
@pytest.mark.parametrize("states", [SICK, BLIND, verdicts()], ids=["sick", "blind", "healthy"])
def test_hostile_text_from_a_cluster_is_inert(states, look):
    found = report(states)
    text = render(every_text_hostile(found) | {"deepest": found["deepest"]}, look)
    assert [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")] == []
    assert "\n✓ healthy" not in text.removeprefix("✓ healthy")


def test_a_hostile_name_with_colour_brings_no_escapes_of_its_own():
    text = render(every_text_hostile(report(SICK)), Look(colour=True))
    assert [c for c in ESCAPE.sub("", text) if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")] == []


def test_markup_of_rich_in_a_name_is_text():
    found = report(SICK)
    found["rootCauses"][0]["summary"] = "[bold red]pod[/] :smile: [link=x]y[/link]"
    assert "[bold red]pod[/] :smile: [link=x]y[/link]" in ESCAPE.sub("", render(found, Look(colour=True)))


def test_a_section_without_items_prints_nothing_and_one_cut_to_none_counts_them():
    section = Section(line("TITLE"), [(line("  one"),), (line("  two"),)])
    section.shown = 0
    assert joined([Section(line("EMPTY"), []), section], "…") == [(("TITLE", ""), ("   … 2 more (-v)", "dim"))]
