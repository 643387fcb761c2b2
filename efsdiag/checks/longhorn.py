"""Longhorn's manager on the nodes."""

from __future__ import annotations

from typing import Any

from efsdiag.messages import recognise
from efsdiag.model import UNREAD, Unread, Verdict, failed, passed, skipped, unknown
from efsdiag.semantics.objects import is_ready, ref_of

MODE = "longhorn.open-iscsi-missing"


def longhorn_manager_runs(longhorn_managers: list[dict[str, Any]] | None = None, longhorn_log: Any = UNREAD) -> Verdict:
    if longhorn_managers is None:
        return skipped("the pod does not use Longhorn")
    down = [p for p in longhorn_managers if not is_ready(p)]
    if longhorn_managers and not down:
        return passed(f"{longhorn_managers[0]['metadata']['name']} is ready")
    if not down:
        return unknown("no pod of longhorn-manager was found", "list pods in longhorn-system")
    name = down[0]["metadata"]["name"]
    if isinstance(longhorn_log, Unread):
        return unknown(f"{name} is not ready; its log: {longhorn_log.why}", longhorn_log.grant)
    said = [s for s in recognise(longhorn_log or "", "operator-log") if s.mode == MODE]
    if said:
        return failed(MODE, f"{name} does not start: {said[0].quote}", ref_of(down[0]), said[0].quote)
    return unknown(f"{name} is not ready, and its log does not say why")
