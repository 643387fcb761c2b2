"""Evidence by name: once, lazily, with the queries behind it; and what happens where it is absent or unreadable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efsdiag.gather import Gather, Memo, Reader, parameters_of
from efsdiag.model import UNREAD, Evidence, Missing, Query, Subject, Unread, Unreadable
from efsdiag.operations import read_of

POD = read_of("kube:get pods", namespace="m", name="p")
NODE = read_of("kube:get nodes", name="n")
CLASS = read_of("kube:get storageclasses", name="efs")
WAIT_S = 20.0


class Answers:
    """A source over a dictionary; a query that is not in it is refused. Keeps what was asked."""

    def __init__(self, answers: Mapping[Query, Any] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[Query] = []

    def __call__(self, query: Query) -> Any:
        self.asked.append(query)
        if query not in self.answers:
            raise Unreadable(query, f"{query} is refused", "allow it")
        return self.answers[query]


def pod(read: Any) -> Any:
    return read("kube:get pods", namespace="m", name="p")


def node(read: Any, pod: dict[str, Any]) -> Any:
    return read("kube:get nodes", name=pod["node"])


def storage_class(read: Any) -> Any:
    return read("kube:get storageclasses", name="efs")


def zone(node: dict[str, Any], storage_class: Any = None) -> str:
    return f"{node['zone']}/{storage_class}"


FUNCTIONS: dict[str, Callable[..., Any]] = {"pod": pod, "node": node, "storage_class": storage_class, "zone": zone}
ALL = {POD: {"node": "n"}, NODE: {"zone": "a"}, CLASS: "fast"}


def gather(
    answers: Mapping[Query, Any], functions: Mapping[str, Callable[..., Any]] = FUNCTIONS, **more: Any
) -> Gather:
    return Gather(functions, Answers(answers), {"now": 7}, **more)


# --- once, lazily, with the queries behind it --------------------------------------------------------------------


def test_nothing_is_read_before_it_is_asked_for() -> None:
    source = Answers(ALL)
    collected = Gather(FUNCTIONS, source, {})
    assert source.asked == []
    collected("storage_class")
    assert source.asked == [CLASS]


def test_evidence_is_made_once_however_often_it_is_asked_for() -> None:
    source = Answers(ALL)
    collected = Gather(FUNCTIONS, source, {})
    first = collected("zone")
    assert collected("zone") is first
    assert collected("node").value == {"zone": "a"}
    assert sorted(source.asked) == sorted([POD, NODE, CLASS])


@pytest.mark.parametrize("answers", [{}, {POD: None}])
def test_evidence_that_is_not_there_is_not_asked_for_again(answers: dict[Query, Any]) -> None:
    source = Answers(answers)
    collected = Gather(FUNCTIONS, source, {})
    assert collected("pod") == collected("pod")
    assert source.asked == [POD]


def test_evidence_has_its_value_and_its_own_queries() -> None:
    assert gather(ALL)("node") == Evidence("node", {"zone": "a"}, (NODE,))


def test_the_queries_behind_evidence_are_its_own_and_those_of_all_that_it_was_made_from() -> None:
    collected = gather(ALL)
    collected("zone")
    assert collected.queries_of(["zone"]) == tuple(sorted([POD, NODE, CLASS]))
    assert collected.queries_of(["node", "pod"]) == tuple(sorted([POD, NODE]))
    assert collected.queries_of(["now"]) == ()


def test_the_queries_behind_evidence_that_is_missing_are_kept_too() -> None:
    collected = gather({POD: {"node": "n"}})
    collected("zone")
    assert collected.queries_of(["zone"]) == tuple(sorted([POD, NODE, CLASS]))


def test_evidence_that_nobody_asked_for_has_no_queries() -> None:
    assert gather(ALL).queries_of(["zone"]) == ()


def test_given_values_are_evidence_without_queries() -> None:
    assert gather(ALL)("now") == Evidence("now", 7)


def test_extra_arguments_win_over_evidence_of_the_same_name() -> None:
    assert gather(ALL).call(lambda pod, settings: (pod, settings), pod="other", settings={"a": 1}) == (
        "other",
        {"a": 1},
    )


@pytest.mark.parametrize("value", [False, 0, "", (), [], {}])
def test_an_empty_value_is_evidence_and_not_absence(value: Any) -> None:
    assert gather({POD: value})("pod") == Evidence("pod", value, (POD,))


# --- absent and unreadable ---------------------------------------------------------------------------------------


def test_what_does_not_exist_is_absent() -> None:
    assert gather({POD: None})("pod") == Missing("pod", "there is no pod", True, "", (POD,))


def test_what_was_refused_is_unreadable_with_what_would_grant_it() -> None:
    wanted = Missing("storage_class", f"{CLASS} is refused", False, "allow it", (CLASS,))
    assert gather({})("storage_class") == wanted


def test_what_is_made_from_absent_evidence_is_absent_for_the_same_reason() -> None:
    assert gather({POD: None, CLASS: "fast"})("zone") == Missing("zone", "there is no pod", True, "", ())


def test_what_is_made_from_unreadable_evidence_is_unreadable_for_the_same_reason() -> None:
    assert gather({POD: {"node": "n"}, CLASS: "fast"})("zone") == Missing(
        "zone", f"{NODE} is refused", False, "allow it", ()
    )


def test_a_function_says_with_a_missing_what_it_could_not_find_and_its_queries_are_kept() -> None:
    def instance(read: Any) -> Any:
        read("kube:get nodes", name="n")
        return Missing("", "two instances fit", False, "set spec.providerID")

    made = gather(ALL, {"instance": instance})("instance")
    assert made == Missing("instance", "two instances fit", False, "set spec.providerID", (NODE,))


SORTS = {
    "there": Evidence("there", 1),
    "absent": Missing("absent", "absent", True),
    "refused": Missing("r", "no", False),
}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["there", "absent", "refused"]), min_size=1, max_size=6))
def test_unreadable_beats_absent_in_any_order_of_parameters(sorts: list[str]) -> None:
    def refuse(read: Any) -> Any:
        raise Unreadable(None, "no", "grant")

    makers = {"there": lambda: 1, "absent": lambda: None, "refused": refuse}
    names = [f"e{i}" for i in range(len(sorts))]
    functions = {name: makers[sort] for name, sort in zip(names, sorts, strict=True)}
    called: dict[str, Any] = {}
    exec(f"def wanted({', '.join(names)}): return ({', '.join(names)},)", called)
    got = Gather(functions, Answers(), {}).call(called["wanted"])
    if "refused" in sorts:
        assert isinstance(got, Missing)
        assert not got.absent
        assert (got.why, got.grant) == ("no", "grant")
    elif "absent" in sorts:
        assert isinstance(got, Missing)
        assert got.absent
    else:
        assert got == (1,) * len(sorts)


def test_a_default_of_none_takes_absent_evidence_and_not_unreadable_evidence() -> None:
    def wanted(pod: Any = None) -> Any:
        return ("called", pod)

    assert gather({POD: None}).call(wanted) == ("called", None)
    assert gather({POD: 5}).call(wanted) == ("called", 5)
    refused = gather({}).call(wanted)
    assert isinstance(refused, Missing)
    assert not refused.absent


def test_a_default_of_unread_takes_unreadable_evidence_as_an_unread_that_counts_as_false() -> None:
    def wanted(pod: Any = UNREAD) -> Any:
        return pod

    got = gather({}).call(wanted)
    assert got == Unread(f"{POD} is refused", "allow it")
    assert not got
    assert gather({POD: None}).call(wanted) is None
    assert gather({POD: 5}).call(wanted) == 5


def test_a_parameter_without_default_still_keeps_the_function_from_being_called_beside_one_with_a_default() -> None:
    def wanted(pod: Any, storage_class: Any = UNREAD) -> Any:
        raise AssertionError("called without a pod")

    got = gather({POD: None}).call(wanted)
    assert isinstance(got, Missing)
    assert got.absent


# --- malformed data ----------------------------------------------------------------------------------------------

MISTAKES: list[Callable[[Any], Any]] = [
    lambda pod: pod["spec"],
    lambda pod: pod.spec,
    lambda pod: pod + 1,
    lambda pod: int("x"),
    lambda pod: list(pod)[5],
    lambda pod: 1 / (len(pod) - len(pod)),
    lambda pod: 10.0**400,
]


@pytest.mark.parametrize("function", MISTAKES)
def test_data_that_cannot_be_understood_is_unreadable_and_takes_nothing_else_down(function: Callable[..., Any]) -> None:
    collected = gather(ALL, {**FUNCTIONS, "odd_thing": function, "more": lambda odd_thing: odd_thing})
    odd = collected("odd_thing")
    assert isinstance(odd, Missing)
    assert not odd.absent
    assert odd.why.startswith("odd thing could not be understood: ")
    assert odd.grant == "report it with the bundle"
    assert collected("more") == Missing("more", odd.why, False, odd.grant, ())
    assert collected("zone") == Evidence("zone", "a/fast", ())


@pytest.mark.parametrize("function", MISTAKES)
def test_with_strict_a_mistake_in_a_function_is_raised(function: Callable[..., Any]) -> None:
    with pytest.raises((LookupError, AttributeError, TypeError, ValueError, ArithmeticError)):
        gather(ALL, {**FUNCTIONS, "odd_thing": function}, strict=True)("odd_thing")


def test_an_operation_that_is_no_read_is_not_asked() -> None:
    source = Answers(ALL)
    made = Gather({"secret": lambda read: read("kube:get secrets", namespace="m", name="s")}, source, {})("secret")
    assert isinstance(made, Missing)
    assert "operation-not-a-read" in made.why
    assert source.asked == []


# --- several reads at once ---------------------------------------------------------------------------------------

THREE = [("kube:get pods", {"namespace": "m", "name": "p"}), ("kube:get nodes", {"name": "n"})]
THREE += [("kube:get storageclasses", {"name": "efs"})]


class Meeting:
    """A source that answers only once `parties` queries are under way at the same time."""

    def __init__(self, answers: Mapping[Query, Any], parties: int) -> None:
        self.answers = answers
        self.barrier = threading.Barrier(parties)

    def __call__(self, query: Query) -> Any:
        self.barrier.wait(WAIT_S)
        return self.answers[query]


def test_reads_that_do_not_depend_on_each_other_go_out_together_and_come_back_in_order() -> None:
    reader = Reader(Meeting(ALL, 3), workers=3)
    assert reader.many(THREE) == [{"node": "n"}, {"zone": "a"}, "fast"]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_many_raises_the_first_refusal_and_keeps_all_its_queries_whatever_the_number_of_workers(workers: int) -> None:
    reader = Reader(Answers({NODE: 1}), workers)
    with pytest.raises(Unreadable) as raised:
        reader.many(THREE)
    assert raised.value.query == POD
    assert reader.asked == [POD, NODE, CLASS]


@pytest.mark.parametrize("workers", [1, 8])
def test_many_of_nothing_is_nothing(workers: int) -> None:
    assert Reader(Answers(), workers).many([]) == []


def test_prefetch_makes_independent_evidence_at_the_same_time() -> None:
    functions = {"pod": pod, "storage_class": storage_class, "nodes": lambda read: read("kube:get nodes", name="n")}
    collected = Gather(functions, Meeting(ALL, 3), {}, workers=3)
    collected.prefetch([lambda pod, storage_class, nodes: None])
    assert {n: collected(n).value for n in functions} == {
        "pod": {"node": "n"},
        "storage_class": "fast",
        "nodes": {"zone": "a"},
    }


def test_prefetch_without_workers_reads_nothing() -> None:
    source = Answers(ALL)
    Gather(FUNCTIONS, source, {}, workers=1).prefetch([zone])
    assert source.asked == []


def test_prefetch_makes_each_evidence_of_a_diamond_once() -> None:
    source = Answers(ALL)
    functions = {
        "pod": pod,
        "left": lambda read, pod: read("kube:get nodes", name="n"),
        "right": lambda read, pod: read("kube:get storageclasses", name="efs"),
        "both": lambda left, right, pod: (left, right),
    }
    collected = Gather(functions, source, {}, workers=2)
    collected.prefetch([lambda both, left: None, lambda right: None])
    assert sorted(source.asked) == sorted([POD, NODE, CLASS])
    assert collected("both") == Evidence("both", ({"zone": "a"}, "fast"), ())


def test_prefetch_does_not_begin_what_needs_evidence_that_is_still_being_made() -> None:
    asked_again = threading.Event()
    pods: list[Query] = []

    def source(query: Query) -> Any:
        if query == POD:
            pods.append(query)
            if len(pods) > 1:
                asked_again.set()
            asked_again.wait(0.3)
        return ALL[query]

    Gather(FUNCTIONS, source, {}, workers=4).prefetch([zone])
    assert pods == [POD]


def test_a_refusal_in_a_thread_leaves_that_evidence_unreadable_and_the_rest_readable() -> None:
    collected = gather({POD: {"node": "n"}, CLASS: "fast"}, workers=4)
    collected.prefetch([zone])
    assert collected("zone") == Missing("zone", f"{NODE} is refused", False, "allow it", ())
    assert collected("storage_class") == Evidence("storage_class", "fast", (CLASS,))


def test_a_source_that_breaks_in_a_thread_is_not_swallowed() -> None:
    class Broken(Exception):
        pass

    def source(query: Query) -> Any:
        raise Broken(str(query))

    with pytest.raises(Broken):
        Gather(FUNCTIONS, source, {}, workers=4).prefetch([zone])


def test_with_strict_a_mistake_in_a_thread_is_raised() -> None:
    with pytest.raises(KeyError):
        gather({POD: {}, CLASS: "fast"}, workers=4, strict=True).prefetch([zone])


@st.composite
def evidence_graphs(draw: st.DrawFn) -> dict[str, Callable[..., Any]]:
    """Evidence functions e0, e1, …, each made from some of those before it and from a read that may end in any way."""
    functions: dict[str, Callable[..., Any]] = {}
    for number in range(draw(st.integers(1, 8))):
        wanted = [f"e{i}" for i in range(number) if draw(st.booleans())]
        defaults = [draw(st.sampled_from(["", "=None", "=UNREAD"])) for _ in wanted]
        # Python wants parameters without a default first.
        parameters = sorted(zip(wanted, defaults, strict=True), key=lambda pair: bool(pair[1]))
        given_ = ", ".join(["read", *(name + default for name, default in parameters)])
        made: dict[str, Any] = {"UNREAD": UNREAD}
        body = f"return [read('kube:get nodes', name='e{number}'), *map(repr, [{', '.join(wanted)}])]"
        ends = [
            body,
            body,
            "return None",
            "return read('kube:get pods', namespace='m', name='refused')",
            "return {}[1]",
        ]
        many = "return read.many([('kube:get nodes', {'name': 'e0'}), ('kube:get pods', {'name': 'refused'})] * 2)"
        exec(f"def e{number}({given_}):\n    {draw(st.sampled_from([*ends, many]))}", made)
        functions[f"e{number}"] = made[f"e{number}"]
    return functions


@settings(max_examples=150, deadline=None)
@given(evidence_graphs(), st.integers(2, 5))
def test_with_workers_everything_is_as_without(functions: dict[str, Callable[..., Any]], workers: int) -> None:
    answers = {read_of("kube:get nodes", name=name): name for name in functions}
    alone, together = Answers(answers), Answers(answers)
    one, many = Gather(functions, alone, {}), Gather(functions, together, {}, workers=workers)
    many.prefetch(functions.values())
    for name in functions:
        first, second = one(name), many(name)
        assert (type(first), repr(first)) == (type(second), repr(second))
        assert one.queries_of([name]) == many.queries_of([name])
    assert set(alone.asked) <= set(together.asked)


def test_the_parameters_of_a_function_are_its_names_and_defaults() -> None:
    assert dict(parameters_of(lambda pod, node=None: None))["node"] is None
    assert [name for name, _ in parameters_of(lambda pod, node=None: None)] == ["pod", "node"]


# --- what no subject has a part in -------------------------------------------------------------------------------


def own(read: Any, subject: Any) -> Any:
    return read("kube:get pods", namespace="m", name="p")


def wanted(own: Any) -> bool:
    return True


def absent(read: Any) -> Any:
    return None


def shared(read: Any, wanted: bool) -> Any:
    return read("kube:get storageclasses", name="efs")


def further(shared: Any, absent: Any = None) -> list[Any]:
    return [shared]


def of_both(shared: Any, own: Any) -> list[Any]:
    return [shared, own]


def refused(read: Any, wanted: bool) -> Any:
    return read("kube:get nodes", name="other")


MADE: dict[str, Callable[..., Any]] = {
    "own": own,
    "absent": absent,
    "wanted": wanted,
    "shared": shared,
    "further": further,
    "of_both": of_both,
    "refused": refused,
}


def two(name: str) -> tuple[Any, Any, Answers]:
    """The evidence as two subjects of one run have it, and what was asked for it."""
    source, memo = Answers({POD: {"node": "n"}, CLASS: {"fast": True}}), Memo()
    first, second = (Gather(MADE, source, {"subject": Subject("pod", "m", n)}, memo=memo)(name) for n in "ab")
    return first, second, source


def test_what_no_subject_has_a_part_in_is_made_once_with_its_queries() -> None:
    first, second, source = two("further")
    assert second is first
    assert first.value == [{"fast": True}]
    assert source.asked.count(CLASS) == 1
    assert two("shared")[1].queries == (CLASS,)


def test_what_a_subject_has_a_part_in_is_made_for_each() -> None:
    first, second, source = two("of_both")
    assert second is not first
    assert second.value == first.value
    assert source.asked.count(POD) == 2


def test_what_was_refused_is_shared_too() -> None:
    first, second, source = two("refused")
    assert isinstance(first, Missing)
    assert second is first
    assert len([q for q in source.asked if q.get("name") == "other"]) == 1


def test_values_that_are_equal_and_not_the_same_share_nothing() -> None:
    memo, given = Memo(), {"now": 7}
    assert memo.key("x", {"given": given}) is None
    memo.keep("made", "made", given)
    assert memo.key("x", {"given": given}) is not None
    assert memo.key("x", {"given": {"now": 7}}) is None
    assert memo.key("x", {"given": None, "more": Unread("no", "right")}) == memo.key(
        "x", {"given": None, "more": Unread("no", "right")}
    )


def test_threads_that_make_the_same_at_once_go_on_with_the_first() -> None:
    memo = Memo()
    assert memo.keep("k", "first", "first") == "first"
    assert memo.keep("k", "second", "second") == "first"
    assert memo.key("x", {"v": "second"}) is None
