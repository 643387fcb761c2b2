"""The probe of the network, by the command: a Job asks from the node's network, and its answer changes the verdicts."""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from awsworld import Trouble
from kubelet import Kubelet
from remedylab import RemedyLab, lab_of_world
from test_listing import AS_ROOT
from worlds.fault import load

pytestmark = [AS_ROOT, pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")]

FAULT = "network.mount-target-sg-ingress:mount_target_admits_udp_only"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemedyLab]:
    """A mount that times out, in an account that shows nobody its security groups."""
    (fault,) = [f for f in load() if f.name == FAULT]
    with lab_of_world(fault.world(), tmp_path_factory.mktemp("lab")) as made:
        refused = Trouble("UnauthorizedOperation", 403)
        made.aws.meddle = lambda asked: refused if asked.operation == "DescribeSecurityGroups" else None
        yield made


@contextmanager
def node(lab: RemedyLab, port: int) -> Iterator[Kubelet]:
    """A node whose resolver knows the file system, and from which its mount target is the port of this machine."""
    found = lab.aws.client("efs").describe_mount_targets(FileSystemId=system(lab))["MountTargets"]
    targets = "|".join(f'"{t["IpAddress"]} 2049"' for t in found)
    with tempfile.TemporaryDirectory(prefix="efsdiag-node-") as made:
        Path(made).chmod(0o755)
        programs = {
            "getent": f'[ "$2" = {system(lab)}.efs.{lab.world.region}.amazonaws.com ] && echo "10.0.0.1 $2"',
            "nc": f'case "$4 $5" in {targets}) exec busybox nc -w "$3" 127.0.0.1 {port} -e /bin/true;; esac; exit 9',
        }
        for name, script in programs.items():
            (Path(made) / name).write_text(f"#!/bin/sh\n{script}\n")
            (Path(made) / name).chmod(0o755)
        with Kubelet(lab.kube, {}, path=f"{made}:/usr/bin:/bin") as kubelet:
            yield kubelet


def system(lab: RemedyLab) -> str:
    return str(lab.aws.rename(lab.world.file_system))


def why(lab: RemedyLab, *more: str) -> dict[str, Any]:
    """The report."""
    lab.run("why", *lab.target, "-o", "json", *more)
    found: dict[str, Any] = json.loads(lab.printed[lab.printed.index("{\n") :])
    return found


def states(report: dict[str, Any]) -> dict[str, str]:
    return {c["id"]: c["state"] for c in report["checks"]}


def said(report: dict[str, Any], check: str) -> str:
    (found,) = [str(c["says"]) for c in report["checks"] if c["id"] == check]
    return found


def probed(lab: RemedyLab) -> dict[str, Any]:
    """The report after a probe that was agreed to."""
    assert lab.run("why", *lab.target, "--probe") == 6
    digest = re.findall(r"--approve ([0-9a-f]{64})", lab.printed)[-1]
    lab.kube.requests.clear()
    return why(lab, "--probe", "--approve", digest)


def test_the_job_is_made_read_and_removed_and_an_open_port_clears_what_could_not_be_read(lab: RemedyLab) -> None:
    before = why(lab)
    assert said(before, "nfs-answers").startswith("the mount target of ")
    assert {"nfs-port-open", "node-egress-open"} <= {s["check"] for s in before["suspects"]}
    with socket.create_server(("127.0.0.1", 0)) as server, node(lab, server.getsockname()[1]) as kubelet:
        after = probed(lab)
        assert [job["metadata"]["name"][:13] for job in kubelet.ran] == ["efsdiag-reach"]
    assert lab.kube.objects("jobs.batch") == []
    written = [f"{r.verb} {r.resource}" for r in lab.kube.mutations if "leases" not in r.resource]
    assert written == ["create jobs.batch", "create jobs.batch", "delete jobs.batch"], "the first one is a dry run"
    assert (states(after)["name-resolves"], states(after)["nfs-answers"]) == ("pass", "pass")
    assert not {"nfs-port-open", "node-egress-open"} & {s["check"] for s in after["suspects"]}


def test_a_closed_port_is_told_for_sure_and_leaves_the_suspects(lab: RemedyLab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with node(lab, closed):
        after = probed(lab)
    assert states(after)["nfs-answers"] == "fail"
    assert "does not answer node worker1" in said(after, "nfs-answers")
    assert {"nfs-port-open", "node-egress-open"} <= {s["check"] for s in after["suspects"]}
    assert lab.kube.objects("jobs.batch") == []
