"""An NFS server of one's own, behind a volume with `spec.nfs`."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, Verdict, failed, failed_all, passed, skipped, waiting
from efsdiag.semantics.attempt import Attempt

MODES = ("nfs.client-missing", "nfs.server-down", "nfs.export-denied", "nfs.path-missing")


def nfs_mountable(nfs_volumes: tuple[dict[str, Any], ...], attempt: Attempt, heard: Heard) -> Verdict:
    if not nfs_volumes:
        return skipped("the pod mounts no volume of an NFS server")
    if attempt.mounted:
        return passed("the export is mounted")
    said = heard.of(*MODES)
    if said:
        return failed_all([finding_of(said[0], sure=said[0].specific)])
    return waiting("nothing says what keeps the export from being mounted")


def nfs_server_apart(nfs_volumes: tuple[dict[str, Any], ...], control_plane_addresses: dict[str, str]) -> Verdict:
    if not nfs_volumes:
        return skipped("the pod mounts no volume of an NFS server")
    for volume in nfs_volumes:
        server = volume["spec"]["nfs"].get("server", "")
        if server in control_plane_addresses:
            name = volume["metadata"]["name"]
            says = f"volume {name} is served by {server}, the control-plane node {control_plane_addresses[server]}"
            return failed(
                "nfs.single-point-on-master", says, Ref("PersistentVolume", name), f"spec.nfs.server: {server}"
            )
    return passed("the NFS server is no control-plane node")
