"""A HealthReport as Prometheus metrics, which promtool has to accept."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from healthreports import CASES, LOOKED, blind, health, of, sixty, story, suppressed_story, target, timed_out, unlisted
from hostile import TEXTS, invisible, planted

from efsdiag.report.prometheus import comment, failed_run, last_success_in, metrics

NOW = 1795242600
every_case = pytest.mark.parametrize("document", [make() for make in CASES.values()], ids=CASES)
promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's prometheus) is not installed")


def samples(text):
    """{series: value}"""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[:1] != "#"}


def linted(text):
    """What promtool says against the text."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.prometheus
@promtool
def test_promtool_has_nothing_against_any_document():
    texts = [metrics(make(), NOW - 60) for make in CASES.values()]
    texts += [failed_run(metrics(story()), NOW + 60, 4), failed_run("", NOW, 4, "lab"), comment("nothing\nat\x1b all")]
    hostile = sixty()
    hostile["rootCauses"] = [{**item, "id": text} for item in hostile["rootCauses"] for text in TEXTS.values()]
    texts += [metrics(hostile), metrics(story(), NOW, " ".join(TEXTS.values()))]
    assert [said for said in map(linted, texts) if said != (0, "")] == []


@pytest.mark.prometheus
@promtool
def test_promtool_would_have_said_something():
    assert linted(metrics(story()) + "efsdiag_check_status 1 2 3 4\n")[0] != 0
    assert linted("# TYPE efsdiag_x_count gauge\nefsdiag_x_count 1\n")[0] != 0


@every_case
def test_the_status_is_one_of_three(document):
    found = samples(metrics(document))
    told = {status: found[f'efsdiag_check_status{{status="{status}"}}'] for status in STATUSES}
    assert told == {status: float(status == document["status"]) for status in STATUSES}
    assert found["efsdiag_check_exit_code"] == document["exitCode"]


STATUSES = ("healthy", "diagnosed", "inconclusive")


def test_counts_are_those_of_the_document():
    found = samples(metrics(story()))
    assert found['efsdiag_workloads{state="without_storage"}'] == 2
    assert found['efsdiag_workloads{state="diagnosed"}'] == 1
    assert 'efsdiag_workloads{state="looked"}' not in found
    assert found['efsdiag_verdicts{state="pass"}'] == story()["totals"]["pass"]
    assert found["efsdiag_check_duration_seconds"] == 1.234
    assert found["efsdiag_check_requests"] == 38
    latent = [item["kind"] for item in story()["latent"]]
    assert found['efsdiag_latent_findings{kind="risk"}'] == latent.count("risk") > 0
    assert samples(metrics(blind()))["efsdiag_suspects"] == 1
    assert samples(metrics(blind()))["efsdiag_refused_reads"] == 1
    held = samples(metrics(suppressed_story()))
    assert (held["efsdiag_suppressed_findings"], held["efsdiag_expired_suppressions"]) == (1, 1)


def test_a_bundle_has_no_duration():
    text = metrics(health(usage={"requests": 1, "durationMs": None}))
    assert "efsdiag_check_duration_seconds" not in text


def test_sixty_pods_with_one_cause_are_one_series_without_a_name():
    text = metrics(sixty())
    labels = '{mode="permission.parent-not-searchable",kind="PersistentVolume",confidence="confirmed"}'
    assert samples(text)[f"efsdiag_root_causes{labels}"] == 1
    assert samples(text)[f"efsdiag_root_cause_pods{labels}"] == 60
    for name in ("web-", "shop", "prometheus-server", "e514b717aa59"):
        assert name not in text


def test_labels_are_bounded_and_what_is_left_out_is_counted():
    item = story()["rootCauses"][0]
    many = [of({**item, "id": f"mode.{n}"}, target("x", pods=n)) for n in range(1, 81)]
    found = samples(metrics(health(rootCauses=many, workloads=LOOKED)))
    series = [name for name in found if name.startswith("efsdiag_root_causes{")]
    assert len(series) == 50
    assert any('"mode.80"' in name for name in series)
    assert not any('"mode.30"' in name for name in series)
    assert found["efsdiag_root_cause_series_left_out"] == 30


def test_a_cluster_that_is_named_is_a_label_of_every_series():
    text = metrics(sixty(), NOW, 'lab "1"')
    assert {'cluster="lab \\"1\\""' in name for name in samples(text)} == {True}
    assert last_success_in(text) == NOW
    assert set(samples(failed_run(text, NOW + 60, 4, 'lab "1"'))) == set(samples(text))


def test_no_series_stands_twice():
    text = metrics(sixty())
    names = [line.rpartition(" ")[0] for line in text.splitlines() if line[:1] != "#"]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("document", [health(), story(), blind(), suppressed_story()])
def test_a_run_that_looked_at_every_workload_is_a_success_whatever_it_found(document):
    text = metrics(document, NOW - 3600)
    assert last_success_in(text) == samples(text)["efsdiag_check_last_run_timestamp_seconds"] == NOW


@pytest.mark.parametrize("document", [timed_out(), unlisted(), unlisted("shop")])
def test_a_run_that_did_not_keeps_the_last_success_of_the_file_before(document):
    text = metrics(document, NOW - 3600)
    assert last_success_in(text) == NOW - 3600
    assert samples(text)["efsdiag_check_last_run_timestamp_seconds"] == NOW
    assert last_success_in(metrics(document)) is None


def test_a_failed_run_changes_its_time_and_exit_code_alone():
    before = metrics(story())
    after = failed_run(before, NOW + 3600, 4)
    changed = {name for name, value in samples(after).items() if samples(before)[name] != value}
    assert samples(before).keys() == samples(after).keys()
    assert changed == {"efsdiag_check_last_run_timestamp_seconds", "efsdiag_check_exit_code"}
    assert sorted(failed_run(after, NOW + 3600, 4).splitlines()) == sorted(after.splitlines())
    assert set(samples(failed_run("", NOW, 4))) == changed


@pytest.mark.parametrize("text", ["", "x", "efsdiag_check_last_success_timestamp_seconds soon", "\0\0"])
def test_a_file_without_a_last_success_has_none(text):
    assert last_success_in(text) is None


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_hostile_text_makes_no_line_no_label_and_no_sign(text):
    document = planted(story(), text)
    document["rootCauses"][0]["id"] = document["rootCauses"][0]["object"]["kind"] = text
    printed = metrics(document)
    assert invisible(printed) == []
    assert len(printed.splitlines()) == len(metrics(story()).splitlines())
    pattern = (
        r'(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[a-z]+="([^"\\]|\\["\\n])*"(,[a-z]+="([^"\\]|\\["\\n])*")*\})? [0-9.e+]+)'
    )
    assert [line for line in printed.splitlines() if not re.fullmatch(pattern, line)] == []
    assert comment(text).count("\n") == 1
