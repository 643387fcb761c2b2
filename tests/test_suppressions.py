"""Suppressions: what they hold back, until when, and what is wrong with a file of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import date

import pytest
from healthreports import blind, health, story, unlisted

from efsdiag.report.junit import junit
from efsdiag.suppressions import read_suppressions, suppressed, unused
from efsdiag.yaml_files import RuleError

MODE = "permission.parent-not-searchable"
MODES = {MODE, "network.nacl", "network.vpc-dns-hostnames-disabled"}
VALID = {"id": MODE, "object": "PersistentVolume/prometheus-*", "reason": "OPS-1", "expires": "2026-12-31"}


@pytest.fixture
def written(tmp_path):
    """`written(expires="…")`: the suppressions of a file with one entry: VALID but for the changes; None: left out."""

    def write(text="", **changes):
        file = tmp_path / "suppress.yaml"
        lines = [f"  {key}: {value}" for key, value in {**VALID, **changes}.items() if value is not None]
        file.write_text(text or "\n".join(["# known", "the-parents:", *lines]))
        return read_suppressions(file, MODES)

    return write


def test_what_a_file_says(written):
    [one] = written()
    assert (one.name, one.id, one.reason, one.expires) == ("the-parents", MODE, "OPS-1", date(2026, 12, 31))
    assert one.where.endswith("suppress.yaml:2")
    assert written("# nothing yet") == []
    assert written(expires="'2026-12-31'")[0].expires == date(2026, 12, 31)


def test_a_suppressed_finding_is_apart_with_the_reason(written):
    before = story()
    made = suppressed(before, written())
    assert made["rootCauses"] == []
    item = before["rootCauses"][0]
    assert made["suppressed"] == [
        {
            "id": MODE,
            "fingerprint": item["fingerprint"],
            "object": {"kind": "PersistentVolume", "name": "prometheus-server"},
            "summary": item["summary"],
            "reason": "OPS-1",
            "expires": "2026-12-31",
        }
    ]
    assert made["expiredSuppressions"] == []
    assert made["latent"] == before["latent"]
    assert before["rootCauses"] != []


@pytest.mark.parametrize(("kind", "status"), [("prometheuses", "healthy"), ("pods", "inconclusive")])
def test_what_is_not_listed_counts_beside_a_suppressed_cause_as_it_counts_without_a_cause(written, kind, status):
    missed = unlisted(kind=kind)
    made = suppressed(story(coverage=missed["coverage"]), written())
    assert (made["rootCauses"], made["status"], missed["status"]) == ([], status, status)


def test_what_nobody_could_look_at_is_left_when_the_likely_cause_is_suppressed(written):
    made = suppressed(story(suspects=blind()["suspects"]), written())
    assert (made["rootCauses"], made["status"], made["exitCode"]) == ([], "inconclusive", 3)
    failing = [e for e in ET.fromstring(junit(made)).iter() if e.tag in ("failure", "error")]
    assert failing
    well = suppressed(story(), written())
    assert not [e for e in ET.fromstring(junit(well)).iter() if e.tag in ("failure", "error")]


def test_latent_findings_are_suppressed_too(tmp_path, written):
    item = story()["latent"][0]
    file = tmp_path / "suppress.yaml"
    file.write_text(f"x: {{id: {item['id']}, object: '*', reason: r, expires: 2026-12-31}}")
    made = suppressed(story(), read_suppressions(file, {item["id"]}))
    assert item["id"] not in {left["id"] for left in made["latent"]}
    assert item["id"] in {held["id"] for held in made["suppressed"]}


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({"object": "'*'"}, True),
        ({"object": "PersistentVolume/prometheus-server"}, True),
        ({"object": "PersistentVolume/*"}, True),
        ({"object": "'*/prometheus-serve?'"}, True),
        ({"object": "persistentvolume/prometheus-server"}, False),
        ({"object": "PersistentVolume/prometheus"}, False),
        ({"object": "PersistentVolume/default/prometheus-server"}, False),
        ({"id": "network.nacl"}, False),
    ],
)
def test_mode_and_object_have_to_fit(written, changes, fits):
    given = written(**changes)
    made = suppressed(story(), given)
    assert bool(made["suppressed"]) is fits
    assert bool(made["rootCauses"]) is not fits
    assert bool(unused(story(), given)) is not fits


@pytest.mark.parametrize(("day", "holds"), [("2026-11-20", False), ("2026-11-21", True), ("2026-11-22", True)])
def test_a_suppression_holds_until_the_end_of_its_last_day_by_the_clock_of_the_report(written, day, holds):
    given = written(expires=day)
    made = suppressed(story(checkedAt="2026-11-21T23:59:59Z"), given)
    assert bool(made["suppressed"]) is holds
    over = [] if holds else [{"id": MODE, "object": "PersistentVolume/prometheus-*", "reason": "OPS-1", "expires": day}]
    assert made["expiredSuppressions"] == over


def test_an_expired_one_is_told_where_it_fits_nothing_as_well(written):
    given = written(expires="2026-01-01")
    assert len(suppressed(health(), given)["expiredSuppressions"]) == 1
    assert unused(health(), given) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": None}, "suppression-incomplete: {}:2 the-parents has no id; the mode"),
        ({"object": None}, "suppression-incomplete: {}:2 the-parents has no object; a pattern"),
        ({"reason": None}, "suppression-incomplete: {}:2 the-parents has no reason; say why"),
        ({"reason": "''"}, "suppression-incomplete: {}:2 the-parents has no reason; say why"),
        ({"expires": None}, "suppression-incomplete: {}:2 the-parents has no expires; the last day"),
        ({"expires": "soon"}, "suppression-malformed: {}:2 expires of the-parents is 'soon', which is no day"),
        ({"expires": "2026-12-31 10:00:00"}, "suppression-malformed: {}:2 expires of the-parents is datetime"),
        ({"expires": "20261231"}, "suppression-malformed: {}:2 expires of the-parents is 20261231, which is no day"),
        ({"expires": "2026-02-30"}, "yaml-unreadable: {}:2"),
        ({"id": "[a]"}, "suppression-malformed: {}:2 id of the-parents is not text"),
        ({"id": "network.nakl"}, "suppression-unknown-mode: {}:2 there is no mode 'network.nakl'; did you mean"),
        ({"id": "zzz"}, "suppression-unknown-mode: {}:2 there is no mode 'zzz'; efsdiag explain --list names all"),
        ({"expiry": "x"}, "suppression-unknown-key: {}:2 the-parents has 'expiry'; did you mean expires?"),
        ({"qqq": "x"}, "suppression-unknown-key: {}:2 the-parents has 'qqq'; the keys are id, object, reason, expires"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_what_is_right(written, tmp_path, changes, said):
    with pytest.raises(RuleError) as error:
        written(**changes)
    assert str(error.value).startswith(said.format(tmp_path / "suppress.yaml"))


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("- id: x", "yaml-not-a-mapping"),
        ("a: {", "yaml-unreadable"),
        ("a: 1", "suppression-malformed"),
        ("a: {id: x}\na: {id: y}", "yaml-duplicate-key"),
        ("a: !!python/object:os.system {}", "yaml-unreadable"),
    ],
)
def test_a_file_of_another_shape_is_refused(written, text, reference):
    with pytest.raises(RuleError) as error:
        written(text)
    assert error.value.reference == reference


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RuleError, match="suppressions-not-found: "):
        read_suppressions(tmp_path / "none", MODES)
