"""The mount: let in by EFS, and afterwards still served, or hanging on a proxy that is gone."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import UNREAD, Ref, Verdict, failed, failed_all, passed, skipped, unknown, waiting
from efsdiag.semantics.attempt import Attempt, parse_time
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.driver import plugin_status
from efsdiag.semantics.objects import ref_of
from efsdiag.semantics.statuses import Container

MODES = ("mount.hang-existing", "mount.stale-handle")
TIMED_OUT = ("context deadline exceeded", "Client.Timeout", "timed out")
BY_DRIVER = "code = InvalidArgument"
"""What the node plugin answers where a volume's own fields are wrong, before it goes to the network.

Source: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/pkg/driver/node.go (NodePublishVolume)
"""


def mount_admitted(efs_volumes: tuple[EfsVolume, ...], attempt: Attempt, heard: Heard | None = None) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if attempt.mounted:
        return passed("EFS admitted the mount of this pod")
    file_system = efs_volumes[0].file_system
    refused = heard.of("mount.access-denied-by-server") if heard else ()
    if refused:
        says = f"{file_system} refuses the mount: {refused[0].line}"
        return failed("mount.access-denied-by-server", says, Ref("FileSystem", file_system), sure=False)
    looked = heard.of("mount.path-not-found") if heard else ()
    if looked:
        # EFS says so only to a client whom it has let in.
        return passed(f"{file_system} let the mount in, and looked for its directory: {looked[0].line}")
    if heard and all(_is_refused_by_driver(v, heard) for v in efs_volumes):
        return waiting("the node plugin refuses the volume's own fields, and has asked EFS nothing yet")
    return waiting("nothing says whether EFS admits the mount")


def _is_refused_by_driver(volume: EfsVolume, heard: Heard) -> bool:
    said = [m.text for m in heard.messages if m.reason == "FailedMount" and f'"{volume.name}"' in m.text]
    return bool(said) and all(BY_DRIVER in text for text in said)


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
