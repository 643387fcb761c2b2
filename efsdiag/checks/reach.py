"""Whether the cluster's other nodes could mount what the pod's node mounts."""

from __future__ import annotations

from typing import Any

from efsdiag.evidence.reach import MOST_NODES, Reach
from efsdiag.evidence.vpc import NfsPath
from efsdiag.model import UNREAD, Finding, Verdict, failed_all, passed, skipped, unknown
from efsdiag.semantics.hops import MODES, Hop, HopState, object_of

NAMED = 3
"""So many nodes are named; of the others the number is told."""


def other_nodes_reach_mount_target(
    other_instances: dict[str, dict[str, Any] | None], reaches: tuple[Reach, ...], nfs_path: Any = UNREAD
) -> Verdict:
    if not other_instances:
        return skipped("the cluster has no other node")
    # What keeps the pod's own node out is judged there.
    known = {h.object_id for h in nfs_path.hops if h.state is HopState.BLOCKED} if isinstance(nfs_path, NfsPath) else ()
    stopped: dict[tuple[str, str], list[tuple[Reach, Hop]]] = {}
    for reach in reaches:
        for hop in _counting(reach):
            if hop.state is HopState.BLOCKED and hop.object_id not in known:
                stopped.setdefault((MODES[hop.step], hop.object_id), []).append((reach, hop))
    if stopped:
        return failed_all([_finding(mode, rows) for (mode, _), rows in sorted(stopped.items())])
    lost = sorted(name for name, instance in other_instances.items() if instance is None)
    if lost:
        return unknown(f"which instance is node {lost[0]} is not known", "set spec.providerID, or check the region")
    open_ends = [h for r in reaches for h in _counting(r) if h.state is HopState.UNKNOWN]
    if open_ends:
        return unknown(open_ends[0].says)
    most = f", the first {MOST_NODES} of the cluster" if len(other_instances) >= MOST_NODES - 1 else ""
    rows = (f"{r.node} ({r.instance_id}) reaches {r.target}" for r in reaches)
    return passed(f"{_count(len({r.node for r in reaches}))} reach a mount target{most}", *rows)


def _counting(reach: Reach) -> list[Hop]:
    """The hops over IPv4, or over IPv6 where there is nothing else: the other is judged for the pod's own node."""
    families = {h.family for h in reach.hops}
    return [h for h in reach.hops if h.family == 4 or 4 not in families]


def _finding(mode: str, rows: list[tuple[Reach, Hop]]) -> Finding:
    names = sorted({reach.node for reach, _ in rows})
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    hop = rows[0][1]
    says = f"{', '.join(names[:NAMED])}{more} could not mount: {hop.says}"
    proof = tuple(f"{reach.node} ({reach.instance_id}) → {reach.target}: {h.says}" for reach, h in rows)
    return Finding(mode, says, object_of(hop), True, proof)


def _count(nodes: int) -> str:
    return f"{nodes} other node{'' if nodes == 1 else 's'}"
