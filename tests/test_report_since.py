"""What a page says of other runs and of what is suppressed."""

from __future__ import annotations

import pytest
from healthreports import health, sixty, story, suppressed_story
from hostile import MARK, TEXTS, invisible, planted

from efsdiag.report.forms import health_text
from efsdiag.report.terminal import MOST_LINES, Look

SINCE = "2026-11-21T05:30:00Z"
OVER = {"fingerprint": "0" * 12, "id": "network.nacl", "summary": "acl-1 shuts the door", "object": None}
UNSEEN = {"fingerprint": "1" * 12, "id": "network.no-route", "summary": "no route", "why": "the time was over"}


def changed(document, *, new=(), resolved=(), incomparable=(), since=SINCE):
    ongoing = [item["fingerprint"] for item in document["rootCauses"] if item["fingerprint"] not in new]
    lists = {"new": list(new), "ongoing": ongoing, "resolved": list(resolved), "incomparable": list(incomparable)}
    return {**document, "changes": {"since": since, **lists}}


def page(document, **look):
    return health_text("terminal", document, Look(**look))


def test_a_cause_that_is_new_is_marked_and_the_others_are_not():
    print_ = story()["rootCauses"][0]["fingerprint"]
    assert f"   {print_}   new\n" in page(changed(story(), new=[print_]))
    assert f"   {print_}\n" in page(changed(story()))
    assert f"   {print_}\n" in page(story())


def test_what_is_over_and_what_nobody_knows_are_named_and_the_rest_is_counted():
    text = page(changed(story(), resolved=[OVER], incomparable=[UNSEEN]))
    assert "SINCE 2026-11-21T05:30:00Z: 0 new, 1 ongoing, 1 resolved, 1 not comparable\n" in text
    assert "  ✓ over     network.nacl: acl-1 shuts the door\n" in text
    assert "  ? unknown  network.no-route: the time was over\n" in text
    assert "SINCE 2026-11-21T05:30:00Z: 0 new, 1 ongoing, 0 resolved" in page(changed(story()))


def test_the_first_run_says_that_it_is_and_one_without_a_state_says_nothing():
    assert "the first run with this state file\n" in page(changed(story(), since=None))
    assert "SINCE" not in page(story())
    assert "first run" not in page(story())


def test_what_is_suppressed_and_what_is_not_any_more_is_named():
    text = page(suppressed_story())
    assert "SUPPRESSED\n" in text
    assert "  ‼ expired  network.nacl on *, until 2026-11-01: moved\n" in text
    assert "  · held     permission.parent-not-searchable on PersistentVolume/prometheus-server, until" in text
    assert "SUPPRESSED" not in page(health())


def test_forty_lines_are_enough_whatever_changed_and_v_shows_all():
    many = [{**OVER, "id": f"network.m{n}"} for n in range(100)]
    document = {**changed(sixty(), resolved=many, incomparable=[UNSEEN] * 100)}
    document["suppressed"] = suppressed_story()["suppressed"] * 100
    assert len(page(document).splitlines()) <= MOST_LINES
    assert all(f"network.m{n}:" in page(document, verbose=True) for n in range(100))
    assert "100 resolved, 100 not comparable" in page(document)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_is_inert(text):
    document = changed(suppressed_story(), resolved=[{**OVER, "object": {"kind": "Pod", "name": "x"}}],
                       incomparable=[UNSEEN])  # fmt: skip
    document["suppressed"] = [{**item, "reason": text} for item in document["suppressed"]]
    printed = page(planted(document, text), verbose=True)
    assert MARK in printed
    assert invisible(printed) == []
    # The last paragraph is about the cluster and the run.
    told = printed.rstrip().rpartition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in told[1:] if line[:1] not in ("", " ")] == ["SINCE", "SUPPRESSED"]
    assert page(planted(document, text), ascii=True).isascii()
