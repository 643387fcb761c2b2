"""Entries of many workloads as one."""

from __future__ import annotations

from efsdiag.report.folding import MOST_TARGETS, Entry, Fold, Target, of_one_workload


def target(name: str, pods: int = 1) -> Target:
    return Target("Deployment", "shop", name, f"{name}-x2x2p", pods)


def entry(summary: str = "", confidence: str = "confirmed") -> Entry:
    return {"id": "net.port", "summary": summary, "confidence": confidence}


def folded(*added: tuple[str, Entry, Target]) -> list[Entry]:
    fold = Fold()
    for key, own, thing in added:
        fold.add({key: (own, thing)})
    return fold.entries()


def test_equal_keys_are_one_entry_with_every_pod_counted_and_the_first_targets_named() -> None:
    (found,) = folded(*(("a", entry(), target(f"web-{n:02d}", 2)) for n in reversed(range(30))))
    assert (found["targetCount"], found["podCount"]) == (30, 60)
    assert [t["name"] for t in found["targets"]] == [f"web-{n:02d}" for n in range(MOST_TARGETS)]


def test_what_stops_the_most_pods_comes_first() -> None:
    found = folded(("a", entry("a"), target("x")), ("b", entry("b"), target("y", 3)), ("c", entry("c"), target("z", 3)))
    assert [e["summary"] for e in found] == ["b", "c", "a"]


def test_a_confirmed_entry_stands_for_likely_ones_and_else_the_first() -> None:
    likely = [("a", entry(name, "likely"), target(name)) for name in ("first", "second")]
    assert folded(*likely)[0]["summary"] == "first"
    assert folded(*likely, ("a", entry("sure"), target("third")))[0]["summary"] == "sure"


def test_runs_of_one_cron_job_are_one_target() -> None:
    jobs = [Target("CronJob", "shop", "backup", f"backup-{n}-x2x2p", 1) for n in range(3)]
    (found,) = folded(*(("a", entry(), job) for job in jobs), ("a", entry(), target("web")))
    assert (found["targetCount"], found["podCount"]) == (2, 4)
    assert [(t["name"], t["pods"]) for t in found["targets"]] == [("backup", 3), ("web", 1)]


def test_pods_that_stand_for_one_workload_are_one_target() -> None:
    made = of_one_workload([("a", entry("x", "likely"), target("web", 2)), ("a", entry("y"), target("web", 3))])
    assert made["a"] == (entry("y"), target("web", 5))
