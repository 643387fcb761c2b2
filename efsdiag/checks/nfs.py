"""An NFS server of one's own, behind a volume with `spec.nfs`."""

from __future__ import annotations

from typing import Any

from efsdiag.checks.messages import finding_of
from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, Verdict, failed, failed_all, passed, skipped, waiting
from efsdiag.semantics.attempt import Attempt
from efsdiag.semantics.mount_names import is_file_system_name

MODES = ("nfs.client-missing", "nfs.server-down", "nfs.export-denied", "nfs.path-missing")

OF_ONES_OWN = ("nfs.server-down", "nfs.export-denied")
"""Those that somebody mends on the server: EFS has no daemon to start and no exports to edit."""


def nfs_mountable(nfs_volumes: tuple[dict[str, Any], ...], attempt: Attempt, heard: Heard) -> Verdict:
    if not nfs_volumes:
        return skipped("the pod mounts no volume of an NFS server")
    if attempt.mounted:
        return passed("the export is mounted")
    said = heard.of(*MODES)
    servers = [str(v["spec"]["nfs"].get("server", "")) for v in nfs_volumes]
    if said and said[0].mode in OF_ONES_OWN and all(map(is_file_system_name, servers)):
        says = f"{servers[0]} is an EFS file system, mounted by NFS without the driver: {said[0].line}"
        return failed("", says, said[0].message.about, said[0].message.text, sure=False)
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
