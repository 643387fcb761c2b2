"""What is cut from a bundle that would be too large, in which order, and that it counts as not read."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efsdiag.model import Unreadable
from efsdiag.operations import read_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.bundle_limits import LEAST_LOG, Fitted, fitted
from efsdiag.world.bundle_reads import Outcome, Recorded
from efsdiag.world.bundle_writing import size_of
from efsdiag.world.errors import Unreachable
from efsdiag.world.recorder import files_of, manifest_of

MANIFEST = manifest_of({"capturedAt": "2026-11-21T06:30:00Z"})
POD = read_of("kube:get pods", namespace="a", name="x")
EVENTS = read_of("kube:list events", namespace="a", atMost="500")
NODES = read_of("kube:list nodes", atMost="500")


def log_of(container: str, lines: str = "400") -> Any:
    return read_of("kube:log pods", namespace="a", name="x", container=container, tailLines=lines)


def entries(**logs: int) -> list[Recorded]:
    """A pod, the logs of its containers of so many lines, and lists that no diagnosis asked for."""
    pod = {"kind": "Pod", "metadata": {"name": "x", "namespace": "a"}}
    events = [{"metadata": {"name": f"e{n}", "namespace": "a"}, "message": "m" * 100} for n in range(40)]
    nodes = [{"metadata": {"name": f"n{n}"}} for n in range(10)]
    texts = [
        Recorded(log_of(name), Outcome.ANSWERED, "".join(f"{n:06} {'y' * 92}\n" for n in range(lines)))
        for name, lines in logs.items()
    ]
    lists = [Recorded(EVENTS, Outcome.ANSWERED, events), Recorded(NODES, Outcome.ANSWERED, nodes)]
    return [Recorded(POD, Outcome.ANSWERED, pod), *texts, *lists]


def whole_size(recorded: list[Recorded]) -> int:
    return size_of(files_of(recorded, MANIFEST))


def source_of(made: Fitted) -> BundleSource:
    return BundleSource.of(Memory(dict(made.files)))


def test_what_fits_is_left_as_it_is() -> None:
    recorded = entries(main=300)
    made = fitted(recorded, MANIFEST, whole_size(recorded))
    assert made.files == files_of(recorded, MANIFEST)
    assert made.left_out == ()


def test_the_beginnings_of_long_logs_go_first_and_short_logs_stay_whole() -> None:
    recorded = entries(main=400, side=300, small=30)
    most = whole_size(recorded) - 30_000
    made = fitted(recorded, MANIFEST, most, {EVENTS, NODES})
    source = source_of(made)
    assert size_of(made.files) <= most
    assert [text.partition(":log pods ")[2].partition(" ")[0] for text in made.left_out] == [
        "container=main",
        "container=side",
    ]
    assert source(log_of("small")) == recorded[3].answer
    assert len(source(EVENTS)) == 40
    with pytest.raises(Unreadable, match=r"left out: of this log only the last \d+ lines are kept") as refusal:
        source(log_of("main"))
    assert refusal.value.grant == "a capture with a larger --max-size"
    cut = made.files["cluster-resources/pods/logs/a/x/main.log"].decode()
    assert recorded[1].answer.endswith(cut)
    assert cut.count("\n") > 100
    assert source(log_of("main", str(cut.count("\n")))) == cut


def test_then_lists_go_that_no_diagnosis_asked_for_and_the_largest_first() -> None:
    recorded = entries(main=400)
    small = whole_size(entries(main=10))
    made = fitted(recorded, MANIFEST, small - 1000, {EVENTS, NODES})
    source = source_of(made)
    assert made.left_out[-1] == "kube:list events namespace=a: all of it"
    assert len(source(NODES)) == 10
    with pytest.raises(Unreadable, match="left out: the bundle would be too large"):
        source(EVENTS)
    assert source(POD)["kind"] == "Pod"


def test_what_was_left_out_stands_in_the_manifest() -> None:
    recorded = entries(main=400)
    before = {**MANIFEST, "leftOut": ["the diagnosis of 3 of 5 with storage"]}
    made = fitted(recorded, before, whole_size(recorded) - 10_000)
    assert source_of(made).manifest["leftOut"] == list(made.left_out)
    assert made.left_out[0] == "the diagnosis of 3 of 5 with storage"
    assert made.left_out[1].startswith("kube:log pods container=main name=x namespace=a: all but the last ")


def test_what_the_diagnosis_read_is_not_left_out_but_for_logs() -> None:
    with pytest.raises(Unreachable) as error:
        fitted(entries(main=400), MANIFEST, 3000, {EVENTS, NODES})
    assert error.value.reference == "bundle-too-large"
    assert "at most 3000 are wanted" in error.value.message


@settings(max_examples=25)
@given(st.lists(st.integers(0, 400), max_size=4), st.integers(12_000, 150_000))
def test_what_is_made_is_never_larger_and_never_gives_another_answer(lines: list[int], most: int) -> None:
    recorded = entries(**{f"c{n}": count for n, count in enumerate(lines)})
    made = fitted(recorded, MANIFEST, most, {EVENTS, NODES})
    source = source_of(made)
    assert size_of(made.files) <= most
    for entry in recorded:
        with contextlib.suppress(Unreadable):
            assert source(entry.query) == entry.answer
            continue
        assert made.left_out
    assert not made.left_out or whole_size(recorded) > most
    longest = max((len(f) for name, f in made.files.items() if name.endswith(".log")), default=0)
    assert longest <= LEAST_LOG or not [t for t in made.left_out if t.endswith(": all of it")]
