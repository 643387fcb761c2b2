"""The walk: what a definition over all paths says, the walk says too; then findings, modes and the status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efsdiag.diagnose import diagnose, graph_of, walk
from efsdiag.model import (
    Check,
    Diagnosis,
    Finding,
    Mode,
    ModeKind,
    State,
    Status,
    Verdict,
    failed,
    failed_all,
    passed,
    skipped,
    unknown,
    waiting,
)

Edges = Mapping[str, tuple[str, ...]]
States = Mapping[str, State]

MODES = {
    "a.cause": Mode("a.cause", ModeKind.CAUSE, "It is broken."),
    "b.cause": Mode("b.cause", ModeKind.CAUSE, "It is broken too."),
    "a.symptom": Mode("a.symptom", ModeKind.SYMPTOM, "It shows."),
    "a.risk": Mode("a.risk", ModeKind.RISK, "It may break."),
}


def check(id_: str, *blocks: str, actionable: bool = False) -> Check:
    return Check(id_, f"{id_} holds", "it matters", blocks, (), lambda: passed(""), actionable=actionable)


def checks_of(edges: Edges) -> dict[str, Check]:
    return {id_: check(id_, *blocks) for id_, blocks in edges.items()}


# --- the definition, over all paths ------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """A random graph of `blocks` with a state for each check; c0 blocks only later ones, so there is no cycle."""

    edges: Edges
    states: States
    target: str


STATES = (State.FAIL, State.FAIL, State.FAIL, State.UNKNOWN, State.WAITING, State.PASS, State.PASS, State.SKIP)
"""Where everything fails or nothing does, little can go wrong: open and closed states are about as frequent."""


@st.composite
def worlds(draw: st.DrawFn) -> World:
    size = draw(st.integers(1, 10))
    names = [f"c{number}" for number in range(size)]
    order = draw(st.permutations(names))
    edges = {
        name: tuple(other for other in order[i + 1 :] if draw(st.booleans()) and draw(st.booleans()))
        for i, name in enumerate(order)
    }
    states = {name: draw(st.sampled_from(STATES)) for name in names}
    target = draw(st.sampled_from(order[-3:]))
    return World(edges, states, target)


def paths(edges: Edges, start: str, end: str) -> Iterator[tuple[str, ...]]:
    """Every path from `start` to `end`, both included; one of length one where they are the same."""
    if start == end:
        yield (end,)
        return
    for following in edges[start]:
        for rest in paths(edges, following, end):
            yield (start, *rest)


class Definition:
    """The terms of the design, each said once, over the paths of a world."""

    def __init__(self, world: World) -> None:
        self.edges, self.states, self.target = world.edges, world.states, world.target
        self.open = {c for c, s in world.states.items() if s in (State.FAIL, State.UNKNOWN, State.WAITING)}

    def leads(self, start: str, end: str) -> bool:
        """Whether a path from `start` to `end` passes nothing that passes or is skipped."""
        return any(self.open.issuperset(path) for path in paths(self.edges, start, end))

    def implicated(self) -> set[str]:
        return {c for c in self.states if self.leads(c, self.target)}

    def behind(self, check_: str, state: State) -> set[str]:
        return {c for c in self.implicated() if c != check_ and self.states[c] is state and self.leads(c, check_)}

    def with_nothing_failing_behind(self, state: State) -> set[str]:
        return {c for c in self.implicated() if self.states[c] is state and not self.behind(c, State.FAIL)}

    def not_implicated(self, state: State) -> set[str]:
        return {c for c, s in self.states.items() if s is state} - self.implicated()

    def cutters(self, check_: str) -> set[str]:
        """On each path to the target, the first check that is not open; the passing ones of them, if any pass."""
        first = {next(c for c in path if c not in self.open) for path in paths(self.edges, check_, self.target)}
        return {c for c in first if self.states[c] is State.PASS} or first


def compare(world: World) -> None:
    """Every part of the walk against its definition."""
    wanted = Definition(world)
    walked = walk(graph_of(checks_of(world.edges).values()), world.states, world.target)

    causes = wanted.with_nothing_failing_behind(State.FAIL)
    assert set(walked.causes) == causes
    assert set(walked.symptoms) == {c for c in wanted.implicated() if world.states[c] is State.FAIL} - causes
    assert set(walked.suspects) == wanted.with_nothing_failing_behind(State.UNKNOWN)
    assert {c: set(by) for c, by in walked.latent.items()} == {
        c: wanted.cutters(c) for c in wanted.not_implicated(State.FAIL)
    }
    assert {c: set(by) for c, by in walked.cleared.items()} == {
        c: wanted.cutters(c) for c in wanted.not_implicated(State.UNKNOWN)
    }
    assert {c: set(by) for c, by in walked.unverified.items()} == {c: wanted.behind(c, State.UNKNOWN) for c in causes}
    assert set(walked.chains) == causes
    for cause, chain in walked.chains.items():
        assert chain in set(paths(world.edges, cause, world.target))
        assert wanted.open.issuperset(chain)


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_the_walk_equals_its_definition_over_all_paths(world: World) -> None:
    compare(world)


def test_the_walk_equals_its_definition_in_graphs_of_every_density() -> None:
    """Evenly spread, where hypothesis prefers small and regular graphs."""
    random = Random(2049)
    for _ in range(1200):
        order = [f"c{number}" for number in range(random.randint(4, 10))]
        random.shuffle(order)
        density = random.choice([0.15, 0.3, 0.45])
        edges = {
            name: tuple(other for other in order[i + 1 :] if random.random() < density) for i, name in enumerate(order)
        }
        compare(World(edges, {name: random.choice(STATES) for name in order}, order[-1]))


@settings(max_examples=200, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_the_walk_does_not_depend_on_the_order_in_which_the_rules_are_read(world: World, random: Random) -> None:
    given_order = list(checks_of(world.edges).values())
    shuffled = [check(c.id, *random.sample(c.blocks, len(c.blocks))) for c in given_order]
    random.shuffle(shuffled)
    first = walk(graph_of(given_order), world.states, world.target)
    second = walk(graph_of(shuffled), world.states, world.target)
    assert (first.causes, first.symptoms, first.suspects) == (second.causes, second.symptoms, second.suspects)
    assert (dict(first.latent), dict(first.cleared)) == (dict(second.latent), dict(second.cleared))
    assert {c: len(chain) for c, chain in first.chains.items()} == {c: len(chain) for c, chain in second.chains.items()}


@settings(max_examples=200, deadline=None)
@given(worlds())
def test_each_failing_check_is_a_cause_a_symptom_or_latent_and_only_one_of_them(world: World) -> None:
    walked = walk(graph_of(checks_of(world.edges).values()), world.states, world.target)
    sorted_into = [*walked.causes, *walked.symptoms, *walked.latent]
    assert sorted(sorted_into) == sorted(c for c, s in world.states.items() if s is State.FAIL)


# --- the words of the design, one by one -------------------------------------------------------------------------

PORT = {"port": ("mounted", "readable"), "mounted": ("ready",), "readable": ("ready",), "ready": ()}


def test_a_port_that_closed_after_the_mount_is_still_a_cause_through_the_other_path() -> None:
    states = {"port": State.FAIL, "mounted": State.PASS, "readable": State.WAITING, "ready": State.FAIL}
    walked = walk(graph_of(checks_of(PORT).values()), states, "ready")
    assert walked.causes == ("port",)
    assert walked.chains["port"] == ("port", "readable", "ready")


def test_a_check_that_passes_on_every_path_makes_what_is_behind_it_latent() -> None:
    states = {"port": State.FAIL, "mounted": State.PASS, "readable": State.PASS, "ready": State.FAIL}
    walked = walk(graph_of(checks_of(PORT).values()), states, "ready")
    assert walked.causes == ("ready",)
    assert walked.latent == {"port": ("mounted", "readable")}


def test_a_skipped_check_cuts_too_but_is_named_only_where_none_passes() -> None:
    states = {"port": State.FAIL, "mounted": State.SKIP, "readable": State.PASS, "ready": State.FAIL}
    assert walk(graph_of(checks_of(PORT).values()), states, "ready").latent == {"port": ("readable",)}
    states = {**states, "readable": State.SKIP}
    assert walk(graph_of(checks_of(PORT).values()), states, "ready").latent == {"port": ("mounted", "readable")}


def test_a_failure_that_reaches_the_target_but_not_another_failure_does_not_make_that_one_a_symptom() -> None:
    edges = {"deep": ("between", "ready"), "between": ("shallow",), "shallow": ("ready",), "ready": ()}
    states = {"deep": State.FAIL, "between": State.PASS, "shallow": State.FAIL, "ready": State.FAIL}
    walked = walk(graph_of(checks_of(edges).values()), states, "ready")
    assert walked.causes == ("deep", "shallow")
    assert walked.symptoms == ("ready",)


def test_a_check_that_passes_beside_the_way_to_the_target_cuts_nothing_off() -> None:
    edges = {"risk": ("elsewhere",), "elsewhere": (), "ready": ()}
    states = {"risk": State.FAIL, "elsewhere": State.PASS, "ready": State.FAIL}
    assert walk(graph_of(checks_of(edges).values()), states, "ready").latent == {"risk": ()}


def test_a_cycle_is_named() -> None:
    with pytest.raises(ValueError, match=r"^(a → b → c → a|b → c → a → b|c → a → b → c)$"):
        graph_of([check("a", "b"), check("b", "c"), check("c", "a")])


# --- findings, modes and the status ------------------------------------------------------------------------------


def diagnosed(edges: Edges, verdicts: Mapping[str, Verdict], actionable: tuple[str, ...] = ()) -> Diagnosis:
    checks = {id_: check(id_, *blocks, actionable=id_ in actionable) for id_, blocks in edges.items()}
    return diagnose(checks, MODES, verdicts, "ready")


CHAIN = {"deep": ("middle",), "middle": ("ready",), "ready": ()}


def test_a_cause_with_nothing_unknown_behind_it_is_confirmed_and_has_its_chain() -> None:
    found = diagnosed(CHAIN, {"deep": failed("a.cause", "d"), "middle": failed("", "m"), "ready": failed("", "r")})
    assert found.status is Status.DIAGNOSED
    assert [(c.check, c.finding.mode, c.confirmed, c.chain, c.unverified) for c in found.causes] == [
        ("deep", "a.cause", True, ("deep", "middle", "ready"), ())
    ]
    assert found.symptoms == ("middle", "ready")
    assert found.deepest == ()


def test_a_cause_with_an_unknown_behind_it_is_likely_and_the_unknown_is_a_suspect() -> None:
    verdicts = {"deep": unknown("refused", "get it"), "middle": failed("a.cause", "m"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts)
    assert [(c.check, c.confirmed, c.unverified) for c in found.causes] == [("middle", False, ("deep",))]
    assert [(s.check, s.reason, s.grant) for s in found.suspects] == [("deep", "refused", "get it")]


def test_an_unknown_in_front_of_the_cause_is_no_suspect_and_does_not_weaken_it() -> None:
    verdicts = {"deep": failed("a.cause", "d"), "middle": unknown("refused"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts)
    assert [(c.check, c.confirmed) for c in found.causes] == [("deep", True)]
    assert found.suspects == ()


def test_a_cause_that_only_a_message_names_is_likely() -> None:
    verdicts = {"deep": failed("a.cause", "d", sure=False), "middle": waiting("w"), "ready": failed("", "r")}
    assert [(c.check, c.confirmed) for c in diagnosed(CHAIN, verdicts).causes] == [("deep", False)]


def test_a_symptom_is_no_cause_but_the_deepest_thing_seen() -> None:
    verdicts = {"deep": unknown("refused"), "middle": failed("a.symptom", "m"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts)
    assert found.causes == ()
    assert found.status is Status.INCONCLUSIVE
    assert found.deepest == ("middle",)
    assert [s.check for s in found.suspects] == ["deep"]


def test_an_actionable_symptom_is_a_likely_cause() -> None:
    verdicts = {"deep": passed("p"), "middle": failed("a.symptom", "m"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts, actionable=("middle",))
    assert [(c.check, c.confirmed) for c in found.causes] == [("middle", False)]
    assert found.status is Status.DIAGNOSED


@pytest.mark.parametrize("actionable", [(), ("deep",)])
def test_a_risk_is_never_a_cause(actionable: tuple[str, ...]) -> None:
    verdicts = {"deep": failed("a.risk", "d"), "middle": waiting("w"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts, actionable)
    assert found.causes == ()
    assert found.status is Status.INCONCLUSIVE


def test_each_finding_of_a_check_is_a_cause_of_its_own() -> None:
    both = failed_all([Finding("a.cause", "one"), Finding("", "nameless"), Finding("b.cause", "two")])
    found = diagnosed(CHAIN, {"deep": both, "middle": waiting("w"), "ready": failed("", "r")})
    assert [c.finding.says for c in found.causes] == ["one", "two"]


def test_one_mode_that_two_checks_see_is_told_once_by_the_first_in_the_order_of_the_graph() -> None:
    edges = {"b-check": ("ready",), "a-check": ("ready",), "ready": ()}
    verdicts = {"a-check": failed("a.cause", "a"), "b-check": failed("a.cause", "b"), "ready": failed("", "r")}
    found = diagnosed(edges, verdicts)
    assert [c.check for c in found.causes] == ["a-check"]
    assert found.deepest == ()


def test_what_passes_and_what_it_cuts_off_is_ruled_out() -> None:
    verdicts = {"deep": failed("a.cause", "d"), "middle": passed("p"), "ready": failed("", "r")}
    found = diagnosed(CHAIN, verdicts)
    assert [(r.check, r.by) for r in found.ruled_out] == [("deep", ("middle",)), ("middle", ("middle",))]
    assert [(x.check, x.finding.mode, x.cleared_by) for x in found.latent] == [("deep", "a.cause", ("middle",))]
    assert found.deepest == ("ready",)


def test_a_failure_without_a_path_to_the_target_is_latent_with_nothing_that_cleared_it() -> None:
    edges = {"risk": (), "ready": ()}
    found = diagnosed(edges, {"risk": failed("a.risk", "r"), "ready": passed("p")})
    assert [(x.check, x.cleared_by) for x in found.latent] == [("risk", ())]
    assert found.ruled_out == ()
    assert found.status is Status.HEALTHY


@pytest.mark.parametrize(
    ("ready", "deep", "wanted"),
    [
        (passed("p"), failed("a.cause", "d"), Status.HEALTHY),
        (passed("p"), unknown("u"), Status.HEALTHY),
        (skipped("s"), failed("a.cause", "d"), Status.HEALTHY),
        (waiting("w"), waiting("w"), Status.HEALTHY),
        (waiting("w"), unknown("u"), Status.INCONCLUSIVE),
        (waiting("w"), failed("a.cause", "d"), Status.DIAGNOSED),
        (failed("", "f"), waiting("w"), Status.INCONCLUSIVE),
        (failed("", "f"), failed("a.cause", "d"), Status.DIAGNOSED),
        (unknown("u"), waiting("w"), Status.INCONCLUSIVE),
        (unknown("u"), failed("a.cause", "d"), Status.DIAGNOSED),
    ],
)
def test_the_status_follows_from_the_target_the_causes_and_the_suspects(
    ready: Verdict, deep: Verdict, wanted: Status
) -> None:
    assert diagnosed(CHAIN, {"deep": deep, "middle": waiting("w"), "ready": ready}).status is wanted
