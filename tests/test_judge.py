"""Every check judged once: what the engine decides before a check is called, and what messages stand in for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from efsdiag.evidence.messages import Heard, Message, Sighted
from efsdiag.gather import Gather
from efsdiag.judge import judge, judge_all, states_of
from efsdiag.model import (
    UNREAD,
    Check,
    Query,
    Ref,
    State,
    Unread,
    Unreadable,
    Verdict,
    failed,
    passed,
    skipped,
    unknown,
    waiting,
)
from efsdiag.rules import Rulebook

POD = Ref("Pod", "p", "m")
REFUSED = Message("pod-event", "FailedMount", "access denied by server", POD)


def check(id_: str, function: Callable[..., Any], *modes: str, **settings: Any) -> Check:
    return Check(id_, f"{id_} holds", "it matters", (), modes, function, settings=settings)


def refuse(read: Any) -> Any:
    raise Unreadable(None, "AWS refuses it", "allow ec2:DescribeVpcs")


EVIDENCE: dict[str, Callable[..., Any]] = {"there": lambda: 3, "absent": lambda: None, "refused": refuse}


def gather(heard: Any = None, strict: bool = False, workers: int = 1) -> Gather:
    def source(query: Query) -> Any:
        raise Unreadable(query, "nothing is asked of the source here")

    return Gather({**EVIDENCE, "heard": lambda: heard}, source, {}, strict=strict, workers=workers)


def called(*_: Any) -> Verdict:
    raise AssertionError("the function was called without what it needs")


def heard(*modes: str, specific: bool = True) -> Heard:
    return Heard((REFUSED,), tuple(Sighted(m, specific, "access denied", REFUSED) for m in modes))


def test_a_check_gets_its_evidence_and_its_settings_by_name() -> None:
    verdict = judge(check("a", lambda there, settings: passed(f"{there} of {settings['most']}"), most=5), gather())
    assert verdict == passed("3 of 5")


def test_a_check_whose_evidence_is_unreadable_is_unknown_with_the_reason_and_the_grant() -> None:
    assert judge(check("a", lambda there, refused: called()), gather()) == unknown(
        "AWS refuses it", "allow ec2:DescribeVpcs"
    )


def test_a_check_whose_evidence_is_absent_is_waiting() -> None:
    assert judge(check("a", lambda absent: called()), gather()) == waiting("there is no absent")


@pytest.mark.parametrize("function", [lambda absent, refused: called(), lambda refused, absent: called()])
def test_a_check_whose_evidence_is_absent_and_unreadable_is_unknown(function: Callable[..., Any]) -> None:
    assert judge(check("a", function), gather()).state is State.UNKNOWN


def test_a_check_that_can_decide_without_evidence_is_told_that_it_is_unread() -> None:
    def function(refused: Any = UNREAD) -> Verdict:
        return unknown(refused.why) if isinstance(refused, Unread) else called()

    assert judge(check("a", function), gather()) == unknown("AWS refuses it")


@pytest.mark.parametrize("function", [lambda there: there["spec"], lambda there: there.spec, lambda there: 1 // 0])
def test_a_check_that_trips_over_its_evidence_is_unknown_and_with_strict_the_mistake_is_raised(
    function: Callable[..., Any],
) -> None:
    verdict = judge(check("a-b", function), gather())
    assert verdict.state is State.UNKNOWN
    assert verdict.says.startswith("a-b could not be judged: ")
    assert verdict.grant == "report it with the bundle"
    with pytest.raises((TypeError, AttributeError, ZeroDivisionError)):
        judge(check("a-b", function), gather(strict=True))


@pytest.mark.parametrize("strict", [False, True])
def test_what_is_no_verdict_is_a_mistake_of_the_program_and_never_a_pass(strict: bool) -> None:
    with pytest.raises(TypeError, match="a returned True, not a verdict"):
        judge(check("a", lambda there: True), gather(strict=strict))


def book(*checks: Check) -> Rulebook:
    return Rulebook({c.id: c for c in checks}, {}, {})


@pytest.mark.parametrize("workers", [1, 4])
def test_all_checks_are_judged_in_the_order_of_their_ids(workers: int) -> None:
    checks = [
        check("b", lambda there: passed("b")),
        check("a", lambda absent: called()),
        check("c", lambda: skipped("c")),
    ]
    verdicts = judge_all(book(*checks), gather(workers=workers))
    assert list(verdicts.items()) == [("a", waiting("there is no absent")), ("b", passed("b")), ("c", skipped("c"))]


def test_a_message_that_belongs_to_one_mode_stands_in_for_what_could_not_be_seen_and_is_not_sure() -> None:
    checks = book(check("a", lambda refused: called(), "mount.access-denied-by-server"))
    verdict = judge_all(checks, gather(heard("mount.access-denied-by-server")))["a"]
    assert verdict.state is State.FAIL
    assert [(f.mode, f.object, f.sure) for f in verdict.findings] == [("mount.access-denied-by-server", POD, False)]
    assert verdict.says == "event FailedMount on Pod/m/p says: access denied"


def test_two_messages_of_one_mode_are_one_finding() -> None:
    checks = book(check("a", lambda refused: called(), "x.a", "x.b"))
    verdict = judge_all(checks, gather(heard("x.a", "x.b", "x.a")))["a"]
    assert sorted(f.mode for f in verdict.findings) == ["x.a", "x.b"]


def test_a_message_that_several_modes_share_and_one_of_another_mode_leave_a_check_unknown() -> None:
    checks = book(check("a", lambda refused: called(), "x.a"))
    wanted = unknown("AWS refuses it", "allow ec2:DescribeVpcs")
    assert judge_all(checks, gather(heard("x.a", specific=False)))["a"] == wanted
    assert judge_all(checks, gather(heard("x.b")))["a"] == wanted
    assert judge_all(checks, gather(None))["a"] == wanted


@pytest.mark.parametrize(
    ("function", "state"),
    [
        (lambda there: passed("it holds"), State.PASS),
        (lambda absent: called(), State.WAITING),
        (lambda: skipped("not here"), State.SKIP),
        (lambda: failed("x.b", "the object says so"), State.FAIL),
    ],
)
def test_a_message_never_overrides_what_the_objects_say(function: Callable[..., Any], state: State) -> None:
    verdict = judge_all(book(check("a", function, "x.a")), gather(heard("x.a")))["a"]
    assert verdict.state is state
    assert "x.a" not in [f.mode for f in verdict.findings]


def test_states_are_counted_and_a_state_that_none_has_is_nought() -> None:
    counts = states_of({"a": passed("p"), "b": passed("p"), "c": unknown("u")})
    assert counts == {"pass": 2, "fail": 0, "unknown": 1, "waiting": 0, "skip": 0}


def test_a_likely_failure_names_what_could_not_be_read() -> None:
    def claim(refused: Any = UNREAD) -> Verdict:
        return failed("a.b", "it seems so", POD, sure=False)

    verdict = judge(check("c", claim, "a.b"), gather())
    assert (verdict.state, verdict.unread, verdict.grant) == (State.FAIL, "AWS refuses it", "allow ec2:DescribeVpcs")


def test_a_certain_failure_lacks_nothing() -> None:
    def claim(refused: Any = UNREAD) -> Verdict:
        return failed("a.b", "it is so", POD)

    verdict = judge(check("c", claim, "a.b"), gather())
    assert (verdict.unread, verdict.grant) == ("", "")


def test_where_a_message_stands_in_what_could_not_be_read_is_kept() -> None:
    book = Rulebook({"c": check("c", lambda refused: called(), "a.b")}, {}, EVIDENCE)
    verdict = judge_all(book, gather(heard("a.b")))["c"]
    assert (verdict.state, verdict.unread, verdict.grant) == (State.FAIL, "AWS refuses it", "allow ec2:DescribeVpcs")
