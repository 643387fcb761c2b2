"""The graph and the walk: verdicts in, a diagnosis out.

Edge: *P blocks C* means that C could not have come true while P was broken. So a C that holds proves that P was not in
its way. Take away every check that passes or is skipped; what is left is *open*. A failing check that still reaches the
target is implicated; one with no implicated failure behind it is a cause, the others are symptoms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import networkx as nx

from efsdiag.model import (
    Cause,
    Check,
    Diagnosis,
    Finding,
    Latent,
    Mode,
    ModeKind,
    RuledOut,
    State,
    Status,
    Suspect,
    Verdict,
)

OPEN = frozenset({State.FAIL, State.UNKNOWN, State.WAITING})


@dataclass(frozen=True)
class Walk:
    """What the graph alone says, before findings and modes are looked at. All sets are sorted causes-first."""

    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    suspects: tuple[str, ...]
    latent: Mapping[str, tuple[str, ...]]
    """Failing checks that do not reach the target in what is left → the passing or skipped checks that cut them off."""
    cleared: Mapping[str, tuple[str, ...]]
    """The same for unknown checks: nobody needed to look."""
    chains: Mapping[str, tuple[str, ...]]
    unverified: Mapping[str, tuple[str, ...]]


def graph_of(checks: Iterable[Check]) -> nx.DiGraph:
    """The graph of `blocks`. Errors: ValueError naming the cycle."""
    return _graph(tuple((check.id, tuple(check.blocks)) for check in checks))


def walk(graph: nx.DiGraph, states: Mapping[str, State], target: str) -> Walk:
    """Sort the checks by what they have to do with the target's failure."""
    rank = _rank(graph)
    open_graph = graph.subgraph([c for c in graph if states[c] in OPEN])
    implicated = nx.ancestors(open_graph, target) | {target} if target in open_graph else set()
    failing = {c for c in implicated if states[c] is State.FAIL}
    causes = {c for c in failing if not nx.ancestors(open_graph, c) & failing}
    suspects = {c for c in implicated if states[c] is State.UNKNOWN and not nx.ancestors(open_graph, c) & failing}

    def in_order(checks: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted(checks, key=lambda c: rank[c]))

    reaching = nx.ancestors(graph, target) | {target}

    def cut_off(state: State) -> dict[str, tuple[str, ...]]:
        left = [c for c in in_order(graph) if states[c] is state and c not in implicated]
        return {c: in_order(_cutters(graph.subgraph(reaching | {c}), open_graph, states, c)) for c in left}

    return Walk(
        causes=in_order(causes),
        symptoms=in_order(failing - causes),
        suspects=in_order(suspects),
        latent=cut_off(State.FAIL),
        cleared=cut_off(State.UNKNOWN),
        chains={c: tuple(nx.shortest_path(open_graph, c, target)) for c in in_order(causes)},
        unverified={
            c: in_order(a for a in nx.ancestors(open_graph, c) if states[a] is State.UNKNOWN) for c in in_order(causes)
        },
    )


@lru_cache(maxsize=4)
def _rank(graph: nx.DiGraph) -> Mapping[str, int]:
    """Check → its place in the order in which causes come first."""
    return {check: i for i, check in enumerate(nx.lexicographical_topological_sort(graph))}


@lru_cache(maxsize=4)
def _graph(edges: tuple[tuple[str, tuple[str, ...]], ...]) -> nx.DiGraph:
    """The frozen graph of (check, what it blocks): one for all diagnoses with the same rules."""
    graph = nx.DiGraph()
    for check, blocks in edges:
        graph.add_node(check)
        graph.add_edges_from((check, blocked) for blocked in blocks)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = [edge[0] for edge in nx.find_cycle(graph)]
        raise ValueError(" → ".join([*cycle, cycle[0]]))
    return nx.freeze(graph)


def _cutters(graph: nx.DiGraph, open_graph: nx.DiGraph, states: Mapping[str, State], check: str) -> set[str]:
    """The passing checks just past what `check` still reaches; skipped ones only where none passes.

    `graph` holds what lies on a way to the target: a check that passes beside it cuts nothing off.
    """
    through = (nx.descendants(open_graph, check) | {check}) & set(graph)
    past = {blocked for c in through for blocked in graph.successors(c)} - through
    passing = {c for c in past if states[c] is State.PASS}
    return passing or {c for c in past if states[c] is State.SKIP}


def diagnose(
    checks: Mapping[str, Check], modes: Mapping[str, Mode], verdicts: Mapping[str, Verdict], target: str
) -> Diagnosis:
    """The verdicts sorted into causes, symptoms, suspects, latent findings and what was ruled out."""
    graph = graph_of(checks.values())
    walked = walk(graph, {c: v.state for c, v in verdicts.items()}, target)
    found = [c for check in walked.causes for c in _causes_of(checks[check], modes, verdicts[check], walked)]
    causes = tuple(_once_each(found))
    named = {cause.check for cause in found}
    return Diagnosis(
        target=target,
        status=_status(verdicts[target].state, causes, walked.suspects),
        verdicts=verdicts,
        causes=causes,
        symptoms=walked.symptoms,
        suspects=tuple(Suspect(c, verdicts[c].says, verdicts[c].grant) for c in walked.suspects),
        latent=tuple(
            Latent(check, finding, by)
            for check, by in walked.latent.items()
            for finding in verdicts[check].findings
            if finding.mode
        ),
        ruled_out=_ruled_out(graph, verdicts, walked, target),
        deepest=tuple(c for c in walked.causes if c not in named),
    )


def _causes_of(check: Check, modes: Mapping[str, Mode], verdict: Verdict, walked: Walk) -> list[Cause]:
    behind = walked.unverified[check.id]
    blamed = [f for f in verdict.findings if _can_be_blamed(check, f, modes)]
    return [
        Cause(
            check.id,
            finding,
            finding.sure and not behind and _is_cause(finding, modes),
            walked.chains[check.id],
            behind,
        )
        for finding in blamed
    ]


def _once_each(causes: list[Cause]) -> list[Cause]:
    """Two checks can see the same mode; the first one, nearest to the root, speaks for both."""
    speaker: dict[str, str] = {}
    for cause in causes:
        speaker.setdefault(cause.finding.mode, cause.check)
    return [c for c in causes if speaker[c.finding.mode] == c.check]


def _can_be_blamed(check: Check, finding: Finding, modes: Mapping[str, Mode]) -> bool:
    """A symptom is blamed only where its rule says that the reader can act on it; a risk and a nameless way never."""
    if not finding.mode:
        return False
    return _is_cause(finding, modes) or (check.actionable and modes[finding.mode].kind is ModeKind.SYMPTOM)


def _is_cause(finding: Finding, modes: Mapping[str, Mode]) -> bool:
    return modes[finding.mode].kind is ModeKind.CAUSE


def _status(target: State, causes: tuple[Cause, ...], suspects: tuple[str, ...]) -> Status:
    if target is State.PASS or (target is State.SKIP and not causes):
        return Status.HEALTHY
    if causes:
        return Status.DIAGNOSED
    return Status.HEALTHY if target is State.WAITING and not suspects else Status.INCONCLUSIVE


def _ruled_out(graph: nx.DiGraph, verdicts: Mapping[str, Verdict], walked: Walk, target: str) -> tuple[RuledOut, ...]:
    """What could have led to the target and did not: it passes itself, or a passing check stands between."""
    reaching = nx.ancestors(graph, target)
    own = [RuledOut(c, (c,)) for c in sorted(reaching) if verdicts[c].state is State.PASS]
    cut = [RuledOut(c, by) for c, by in {**walked.latent, **walked.cleared}.items() if c in reaching and by]
    return tuple(sorted([*own, *cut], key=lambda r: r.check))
