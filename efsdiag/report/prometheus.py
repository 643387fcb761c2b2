"""A HealthReport as Prometheus metrics, in the text format that node_exporter collects from *.prom files.

Labels are bounded: modes, kinds of objects and states, no name of anything. So a run makes some hundreds of series at
most, however many pods there are.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from efsdiag.report.text import safe

MOST_CAUSES = 50
"""Series of root causes, those of the most pods first; one more series says how many were left out."""
STATUSES = ("healthy", "diagnosed", "inconclusive")
LAST_RUN = "efsdiag_check_last_run_timestamp_seconds"
LAST_SUCCESS = "efsdiag_check_last_success_timestamp_seconds"
EXIT_CODE = "efsdiag_check_exit_code"


@dataclass(frozen=True)
class Metric:
    """One family: its name, its help, and its samples as (labels, value)."""

    name: str
    help: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float], ...]


def metrics(document: Mapping[str, Any], last_success: float | None = None, cluster: str = "") -> str:
    """The metrics of one run. `last_success` is that of the file before, in seconds since 1970, where there is one.

    A run is a success where it looked at every workload in scope, whatever it found. `cluster` is a label of every
    series, where one machine collects the files of several clusters.
    """
    now = datetime.fromisoformat(document["checkedAt"]).timestamp()
    succeeded = now if whole(document) else last_success
    return _text([*_about_the_run(document, now, succeeded), *_about_what_was_found(document)], cluster)


def failed_run(before: str, now: float, exit_code: int, cluster: str = "") -> str:
    """The file of the run before, with the time and the exit code of one that came to no report.

    What was found last stays: to leave it out would say that it is over.
    """
    run = (
        Metric(LAST_RUN, _RUN_HELP, (((), now),)),
        Metric(EXIT_CODE, _EXIT_HELP, (((), exit_code),)),
    )
    kept = [line for line in before.splitlines() if line.strip() and _family(line) not in (LAST_RUN, EXIT_CODE)]
    return _text(run, cluster) + "".join(f"{line}\n" for line in kept)


def last_success_in(text: str) -> float | None:
    """The time of the last success in an earlier file; None where it says none."""
    found = re.search(rf"^{LAST_SUCCESS}(?:\{{.*\}})? ([0-9.e+]+)$", text, re.MULTILINE)
    try:
        return float(found[1]) if found else None
    except ValueError:
        return None


def comment(text: str) -> str:
    """A line that is valid where metrics are expected, and says nothing to Prometheus."""
    return f"# efsdiag: {safe(text)}\n"


def whole(document: Mapping[str, Any]) -> bool:
    """Whether every workload in scope was looked at."""
    coverage = document["coverage"]
    return not (coverage["timedOut"] or coverage["incomplete"] or document["workloads"]["notLooked"])


_RUN_HELP = "When the last run of efsdiag check was, whatever became of it."
_EXIT_HELP = "The exit code of the last run: 0 healthy, 1 diagnosed, 3 inconclusive, others: no report."


def _about_the_run(document: Mapping[str, Any], now: float, succeeded: float | None) -> Iterable[Metric]:
    usage, workloads = document["usage"], document["workloads"]
    yield Metric(LAST_RUN, _RUN_HELP, (((), now),))
    if succeeded is not None:
        help_ = "When the last run was that looked at every workload in scope."
        yield Metric(LAST_SUCCESS, help_, (((), succeeded),))
    yield Metric(EXIT_CODE, _EXIT_HELP, (((), document["exitCode"]),))
    if usage["durationMs"] is not None:
        yield Metric("efsdiag_check_duration_seconds", "How long the run took.", (((), usage["durationMs"] / 1000),))
    yield Metric("efsdiag_check_requests", "Requests that the run made.", (((), usage["requests"]),))
    yield Metric(
        "efsdiag_check_status",
        "1 for the status of the last run, 0 for the others.",
        _by("status", ((status, status == document["status"]) for status in STATUSES)),
    )
    yield Metric(
        "efsdiag_workloads",
        "Workloads in scope by what was found of them.",
        _by("state", ((_snake(state), count) for state, count in workloads.items() if state != "looked")),
    )
    yield Metric(
        "efsdiag_verdicts",
        "Verdicts of all checks on all workloads by their state.",
        _by("state", ((state, count) for state, count in document["totals"].items() if state != "checks")),
    )
    refused = len(document["coverage"]["refused"]) + len(document["coverage"]["unlisted"])
    yield Metric("efsdiag_refused_reads", "Reads that were refused, by kind of read.", (((), refused),))


def _about_what_was_found(document: Mapping[str, Any]) -> Iterable[Metric]:
    causes: Counter[tuple[tuple[str, str], ...]] = Counter()
    pods: Counter[tuple[tuple[str, str], ...]] = Counter()
    for item in document["rootCauses"]:
        kind = (item.get("object") or {}).get("kind", "")
        labels = (("mode", item["id"]), ("kind", kind), ("confidence", item["confidence"]))
        causes[labels] += 1
        pods[labels] += item["podCount"]
    shown = sorted(sorted(causes, key=lambda labels: (-pods[labels], labels))[:MOST_CAUSES])
    yield Metric(
        "efsdiag_root_causes",
        "Root causes by mode, kind of object and confidence.",
        tuple((labels, causes[labels]) for labels in shown),
    )
    yield Metric(
        "efsdiag_root_cause_pods",
        "Pods that the root causes stop; a pod with two of them counts twice.",
        tuple((labels, pods[labels]) for labels in shown),
    )
    left_out = len(causes) - len(shown)
    yield Metric("efsdiag_root_cause_series_left_out", f"Series beyond the first {MOST_CAUSES}.", (((), left_out),))
    latent = Counter(item["kind"] for item in document["latent"])
    yield Metric(
        "efsdiag_latent_findings",
        "What is wrong, but stops no pod, by the kind of its mode.",
        _by("kind", ((kind, latent[kind]) for kind in ("cause", "risk", "symptom"))),
    )
    yield Metric("efsdiag_suspects", "Checks that nobody could look at and that could be a cause.",
                 (((), len(document["suspects"])),))  # fmt: skip
    yield Metric("efsdiag_suppressed_findings", "Findings that a suppression holds back.",
                 (((), len(document.get("suppressed", ()))),))  # fmt: skip
    yield Metric("efsdiag_expired_suppressions", "Suppressions that are over and hold nothing back.",
                 (((), len(document.get("expiredSuppressions", ()))),))  # fmt: skip


def _by(label: str, values: Iterable[tuple[str, float]]) -> tuple[tuple[tuple[tuple[str, str], ...], float], ...]:
    return tuple((((label, name),), value) for name, value in values)


def _snake(name: str) -> str:
    return re.sub("([A-Z])", lambda letter: "_" + letter[1].lower(), name)


def _family(line: str) -> str:
    """The metric that a line is about: "# HELP x …", "x{…} 1", "x 1"."""
    words = line.split()
    return words[2] if words[0] == "#" and len(words) > 2 else words[0].partition("{")[0]


def _text(families: Iterable[Metric], cluster: str) -> str:
    lines = []
    everywhere = (("cluster", cluster),) if cluster else ()
    for metric in families:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} gauge"]
        for labels, value in metric.samples:
            shown = ",".join(f'{name}="{_label(text)}"' for name, text in (*everywhere, *labels))
            lines.append(f"{metric.name}{{{shown}}} {_number(value)}" if shown else f"{metric.name} {_number(value)}")
    return "".join(f"{line}\n" for line in lines)


def _label(text: str) -> str:
    return safe(text).replace("\\", "\\\\").replace('"', '\\"')


def _number(value: float) -> str:
    return f"{float(value):.15g}"
