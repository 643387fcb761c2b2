"""Threads that work side by side, and that nobody waits for when the time is over."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from crowds import maker, pod, source_of

from efsdiag.health.examine import Examiner, examined
from efsdiag.health.hands import Hands, TimeIsOver
from efsdiag.health.scope import Scope
from efsdiag.health.survey import survey
from efsdiag.health.workloads import Workload
from efsdiag.model import Ref


def test_work_comes_back_and_so_does_what_it_raised() -> None:
    hands = Hands(2)
    assert hands.do(lambda: 42) == 42
    with pytest.raises(LookupError, match="lost"):
        hands.do(lambda: (_ for _ in ()).throw(LookupError("lost")))


def test_a_time_out_that_the_work_raised_is_not_the_end_of_the_time() -> None:
    with pytest.raises(TimeoutError, match="own"):
        Hands().do(lambda: (_ for _ in ()).throw(TimeoutError("own")))


def test_as_many_work_at_once_as_there_are_hands() -> None:
    together = threading.Barrier(3, timeout=20)
    hands = Hands(3)
    assert [hands.wait(f) for f in [hands.give(together.wait) for _ in range(3)]].count(0) == 1


def test_nobody_waits_for_what_hangs_when_the_time_is_over() -> None:
    stuck = threading.Event()
    hands = Hands(1, until=time.monotonic() + 0.05)
    first, second = hands.give(lambda: stuck.wait(30)), hands.give(lambda: 1)
    with pytest.raises(TimeIsOver):
        hands.wait(first)
    hands.close()
    assert second.cancelled()
    stuck.set()
    assert all(t.daemon for t in hands._threads)


class Told:
    """Remembers what a keeper is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, int]] = []

    def begin(self, namespace: str, subjects: int) -> None:
        self.heard.append(("begin", namespace, subjects))

    def end(self, namespace: str) -> None:
        self.heard.append(("end", namespace, 0))


def looked(number: int, hands: Hands, keeper: Told | None = None) -> list[str]:
    names = [Ref("Pod", f"p{n:02d}", f"space{n // 5}") for n in range(number)]

    def examine(workload: Workload) -> list[str]:
        time.sleep(0.02 if workload.ref.name == "p00" else 0)
        return [workload.ref.name]

    examiner = SimpleNamespace(examine=examine)
    found = examined(examiner, {ref: Workload(ref) for ref in names}, hands, keeper)  # type: ignore[arg-type]
    return [look for _, looks in found for look in looks]  # type: ignore[misc]


def test_workloads_come_back_in_their_order_whoever_is_done_first() -> None:
    assert looked(12, Hands(4)) == [f"p{n:02d}" for n in range(12)]


def test_the_keeper_is_told_of_each_namespace_before_and_after() -> None:
    told = Told()
    looked(12, Hands(1), told)
    assert told.heard[0] == ("begin", "", 12)
    for space, subjects in (("space0", 5), ("space1", 5), ("space2", 2)):
        assert told.heard.index(("begin", space, subjects)) < told.heard.index(("end", space, 0))
    assert told.heard.index(("end", "space0", 0)) < told.heard.index(("begin", "space2", 2))


def test_a_workload_that_is_gone_is_not_looked_at(rulebook) -> None:
    now = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
    found = survey(source_of(pod("alone"), pod("web-1", owner=("StatefulSet", "web"))), Scope())
    empty = Examiner(rulebook, source_of(), now)
    assert [empty.examine(workload) for workload in found.workloads.values()] == [[], []]
    scaled = Examiner(rulebook, source_of(maker("StatefulSet", "web", replicas=1)), now)
    (look,) = scaled.examine(found.workloads[Ref("StatefulSet", "web", "shop")])
    assert look.found.subject.kind == "statefulset"
