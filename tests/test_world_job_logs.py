"""What Jobs of efsdiag printed answers the queries that neither the cluster nor AWS can answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubeapi import KubeApi

from efsdiag.model import Query, Unreadable
from efsdiag.operations import read_of
from efsdiag.world.aws import AwsSource
from efsdiag.world.job_logs import VOLUME_GRANT
from efsdiag.world.kube import KubeSource
from efsdiag.world.live import LiveSource
from efsdiag.writes import LISTING, REACHING, own_labels

ENTRIES = read_of("volume:entries", persistentVolume="pv-1")
REACH = read_of("volume:reach", persistentVolume="pv-1", node="node-1")
ROOT = {"path": "/", "type": "directory", "uid": 0, "gid": 0, "mode": "0755"}
VOLUME = {
    "apiVersion": "v1",
    "kind": "PersistentVolume",
    "metadata": {"name": "pv-1"},
    "spec": {"claimRef": {"namespace": "team", "name": "data"}},
}


def document(volume: str = "pv-1", **more: Any) -> str:
    return json.dumps({"persistentVolume": volume, "entries": [ROOT], **more})


def ended(name: str, at: str = "2026-11-21T06:00:00Z", phase: str = "Succeeded", **labels: str) -> dict[str, Any]:
    state = {"terminated": {"exitCode": 0, "finishedAt": at}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "team", "labels": labels or own_labels(LISTING, "pv-1")},
        "spec": {"nodeName": "node-1", "containers": [{"name": "efsdiag"}]},
        "status": {"phase": phase, "containerStatuses": [{"name": "efsdiag", "state": state}]},
    }


def answer(api: KubeApi, folder: Path, query: Query = ENTRIES) -> Any:
    with api:
        kube = KubeSource(str(api.kubeconfig(folder)), attempts=1)
        return LiveSource(kube, AwsSource(None, "us-east-1"))(query)


def cluster(*pods: dict[str, Any], **logs: str) -> KubeApi:
    api = KubeApi([VOLUME, *pods])
    for name, text in logs.items():
        api.add_log("team", name, "efsdiag", text)
    return api


def test_the_listing_of_a_job_that_succeeded_is_the_volume_s(tmp_path: Path) -> None:
    api = cluster(ended("a"), a=f"some talk\n{document()}\n")
    assert answer(api, tmp_path)["entries"] == [ROOT]


def test_the_newest_one_counts_and_within_a_second_the_later_object(tmp_path: Path) -> None:
    pods = [ended("b", "2026-11-21T06:00:01Z"), ended("a", "2026-11-21T06:00:00Z"), ended("c", "2026-11-21T06:00:01Z")]
    api = cluster(*pods, a=document(by="a"), b=document(by="b"), c=document(by="c"))
    assert answer(api, tmp_path)["by"] == "c"


@pytest.mark.parametrize(
    ("pod", "log"),
    [
        (ended("a", phase="Failed"), document()),
        (ended("a", phase="Running"), document()),
        (ended("a"), document("pv-2")),
        (ended("a"), "no json"),
        (ended("a"), "[1]"),
        (ended("a"), json.dumps({"persistentVolume": "pv-1", "entries": {}})),
        (ended("a"), ""),
        (ended("a", **own_labels(LISTING, "pv-2")), document()),
        (ended("a", **{**own_labels(LISTING, "pv-1"), "app.kubernetes.io/managed-by": "Helm"}), document()),
    ],
    ids=[
        "failed",
        "running",
        "another's",
        "no json",
        "no object",
        "no entries",
        "empty",
        "another's label",
        "not ours",
    ],
)
def test_what_is_no_listing_of_this_volume_is_none(pod: dict[str, Any], log: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="nobody has looked inside the volume") as refusal:
        answer(cluster(pod, a=log), tmp_path)
    assert refusal.value.grant == VOLUME_GRANT


def test_a_refused_list_of_pods_is_no_listing_either_and_names_the_right(tmp_path: Path) -> None:
    api = cluster(ended("a"), a=document())
    api.forbid("list", "pods")
    with pytest.raises(Unreadable, match="nobody has looked inside the volume, or the cluster refuses it") as refusal:
        answer(api, tmp_path)
    assert refusal.value.grant == "list pods in namespace team"


def test_a_volume_without_a_claim_was_looked_into_by_nobody(tmp_path: Path) -> None:
    api = KubeApi([{**VOLUME, "spec": {}}])
    with pytest.raises(Unreadable, match="nobody has looked inside the volume"):
        answer(api, tmp_path)


def test_what_a_node_reaches_is_told_by_a_job_on_that_node(tmp_path: Path) -> None:
    labels = own_labels(REACHING, "node-1/pv-1")
    log = json.dumps({"persistentVolume": "pv-1", "resolves": True, "targets": []})
    assert answer(cluster(ended("a", **labels), a=log), tmp_path, REACH)["resolves"] is True
    other = ended("a", **own_labels(REACHING, "node-2/pv-1"))
    with pytest.raises(Unreadable, match="nobody has asked from the node"):
        answer(cluster(other, a=log), tmp_path, REACH)
