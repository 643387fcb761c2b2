"""A mount after it was made: still served, or hanging on a proxy that is gone."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt, parse_time
from efsdiag.semantics.driver import plugin_status
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.statuses import Container

MODES = ("mount.hang-existing", "mount.stale-handle")
TIMED_OUT = ("context deadline exceeded", "Client.Timeout", "timed out")


def mount_alive(
    attempt: Attempt, main_container: Container, heard: Heard, pod: dict[str, Any], node_plugin_pods: Any = UNREAD
) -> Verdict:
    said = [s for s in heard.of(*MODES) if s.specific]
    if said:
        return failed_all([finding_of(s, sure=True) for s in {s.mode: s for s in said}.values()])
    if attempt.ready:
        return passed("the pod is ready")
    if not attempt.mounted:
        return skipped("nothing is mounted yet")
    if "log" in heard.unread and not main_container.running:
        return unknown(heard.unread["log"].why, heard.unread["log"].grant)
    if not main_container.running and heard.speaks("log"):
        return passed("the program's own words do not tell of a mount that hangs")
    if not main_container.running:
        return waiting("nothing says whether the mount is served")
    late = [m for m in heard.messages if m.reason == "Unhealthy" and any(words in m.text for words in TIMED_OUT)]
    restarted = _restarted_since(main_container, node_plugin_pods)
    if late and restarted:
        says = f"efs-plugin of {restarted} was restarted after the pod had mounted, and the pod has not answered since"
        return failed("mount.hang-existing", says, ref_of(pod), late[0].text, sure=False)
    if "log" in heard.unread:
        return unknown(heard.unread["log"].why, heard.unread["log"].grant)
    return waiting("nothing says whether the mount is served")


def _restarted_since(container: Container, node_plugin_pods: Any) -> str:
    """The node plugin's pod that was restarted after the container began: the proxy of its mount went with it."""
    began = parse_time(str((container.running or {}).get("startedAt", "")))
    for plugin_pod in node_plugin_pods if isinstance(node_plugin_pods, list) else []:
        running = (plugin_status(plugin_pod).get("state") or {}).get("running") or {}
        if running and parse_time(str(running.get("startedAt", ""))) > began:
            return str(plugin_pod["metadata"]["name"])
    return ""
