"""`efsdiag capture` on a live cluster and account: the same answers from the bundle, limits, and nothing half."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import run_efsdiag
from kubeapi import KubeApi
from lab import Lab, lab_of

from efsdiag.surroundings import AT_MOST, subjects_with_storage
from efsdiag.world.bundle_writing import write_bundle
from efsdiag.world.errors import Unreachable

ANSWER = ("target", "asked", "note", "status", "exitCode", "rootCauses", "latent", "suspects", "ruledOut", "notChecked")
ANSWER += ("deepest", "checks", "totals")
SITUATIONS = ("nfs-port-closed", "healthy-noisy")


@pytest.fixture(scope="module", params=SITUATIONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of("story-parent-dir", tmp_path_factory.mktemp("story")) as made:
        yield made


def answer(lab: Lab, *target: str, bundle: Path | None = None) -> dict[str, Any]:
    """What `why` says, less times, requests and the source; of the live system, or of the bundle."""
    words = ["why", *target, "-o", "json"]
    printed = run_efsdiag([*words, "--bundle", str(bundle)])[1] if bundle else lab.run(*words).stdout
    report = json.loads(printed)
    return {key: report[key] for key in ANSWER if key in report}


def captured(lab: Lab, *scope: str) -> tuple[Path, str]:
    """The bundle of the scope, and what the command printed; captured once for all tests of the lab."""
    bundle = lab.folder / f"{'_'.join(scope).replace('/', '_')}.tar.gz"
    said = bundle.with_suffix(".txt")
    if not bundle.exists():
        done = lab.run("capture", *scope, "-o", str(bundle))
        assert done.returncode == 0, done.stderr
        said.write_text(done.stdout)
    return bundle, said.read_text()


def files_in(bundle: Path) -> dict[str, Any]:
    """The files of the archive by name; JSON as what it says."""
    with tarfile.open(bundle) as archive:
        members = {m.name.partition("/")[2]: archive.extractfile(m).read() for m in archive if m.isfile()}
    return {n: json.loads(data) if n.endswith(".json") else data.decode() for n, data in members.items()}


def with_storage(lab: Lab) -> list[tuple[str, ...]]:
    """The words that name each pod that mounts a claim."""
    files = sorted((lab.folder / "served" / "cluster-resources" / "pods").glob("*.json"))
    pods = [pod for file in files for pod in json.loads(file.read_text())["items"]]
    return [
        (f"pod/{p['metadata']['name']}", "-n", p["metadata"]["namespace"])
        for p in pods
        if any("persistentVolumeClaim" in v for v in p["spec"].get("volumes") or [])
    ]


def test_why_on_the_bundle_of_a_target_says_what_it_says_on_the_live_system(lab: Lab) -> None:
    bundle, said = captured(lab, *lab.target)
    assert said.startswith(f"{bundle}: 1 target, ")
    assert bundle.stat().st_mode & 0o777 == 0o600
    assert answer(lab, *lab.target, bundle=bundle) == answer(lab, *lab.target)


def test_why_on_the_bundle_of_all_says_of_every_pod_with_storage_what_it_says_live(lab: Lab) -> None:
    bundle, said = captured(lab, "-A")
    targets = with_storage(lab)
    assert said.startswith(f"{bundle}: {len(targets)} with storage, ")
    for target in [*targets, lab.target]:
        assert answer(lab, *target, bundle=bundle) == answer(lab, *target), target


def test_a_plan_from_the_bundle_has_the_changes_of_a_live_one(lab: Lab) -> None:
    bundle, _ = captured(lab, *lab.target)
    live = json.loads(lab.run("plan", *lab.target, "--emit", "json").stdout)
    recorded = json.loads(run_efsdiag(["plan", *lab.target, "--bundle", str(bundle), "--emit", "json"])[1])
    assert recorded["chosen"] == live["chosen"]
    assert bool(live["chosen"]) == (lab.expect["status"] == "diagnosed")
    assert recorded["digest"] == live["digest"]
    assert (live["live"], recorded["live"]) == (True, False)


def test_the_namespace_of_the_target_is_in_the_bundle_whole_and_no_secret_was_asked_for(
    story: Lab, tmp_path: Path
) -> None:
    story.kube.requests.clear()
    story.run("capture", *story.target, "-o", str(tmp_path / "b.tar.gz"))
    files = files_in(tmp_path / "b.tar.gz")
    for resource in ("pods", "events", "services", "serviceaccounts", "resource-quota", "network-policy"):
        served = story.folder / "served" / "cluster-resources" / resource / "default.json"
        names = {item["metadata"]["name"] for item in json.loads(served.read_text())["items"]}
        found = files[f"cluster-resources/{resource}/default.json"]
        assert {item["metadata"]["name"] for item in found["items"]} == names
        assert "continue" not in found["metadata"]
    for name in ("nodes", "namespaces", "pvs", "storage-classes", "csidrivers", "csinodes", "volumeattachments"):
        assert "continue" not in files[f"cluster-resources/{name}.json"]["metadata"]
    for operation in ("describe-mount-targets", "describe-access-points", "describe-backup-policy"):
        assert [name for name in files if name.startswith(f"aws/efs/{operation}/FileSystemId=fs-")]
    assert files["bundle.json"]["kind"] == "EvidenceBundle"
    assert "leftOut" not in files["bundle.json"]
    assert story.kube.mutations == []
    assert story.kube.secret_reads == []


def test_the_reads_of_one_target_are_bounded_in_a_large_cluster(story: Lab, tmp_path: Path) -> None:
    """5,000 nodes with two pods each in kube-system: neither all of them nor all of their pods are fetched."""
    story.kube.requests.clear()
    story.run("capture", *story.target, "-o", str(tmp_path / "small.tar.gz"))
    before = len(story.kube.requests)
    with KubeApi.from_bundle(story.folder / "served") as kube:
        for number in range(5000):
            kube.add({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}"}})
            for what in ("proxy", "cni"):
                kube.add(_pod(f"{what}-{number}", "kube-system", f"node-{number}"))
        large = Lab(kube, story.aws, story.expect, story.folder)
        done = large.run("capture", *large.target, "-o", str(tmp_path / "large.tar.gz"))
        sent = len(kube.requests)
    assert sent <= before
    files = files_in(tmp_path / "large.tar.gz")
    assert len(files["cluster-resources/pods/kube-system.json"]["items"]) < 20
    bounded = [r for r in files["reads.json"]["reads"] if r["parameters"].get("atMost") == AT_MOST]
    said = {(r["operation"], r["parameters"].get("namespace")): r for r in bounded}
    for key in (("kube:list nodes", None), ("kube:list pods", "kube-system")):
        assert said[key]["outcome"] == "refused"
        assert f"has more than {AT_MOST} " in said[key]["why"]
    assert f"the cluster has more than {AT_MOST} nodes" in done.stderr
    assert answer(large, *large.target, bundle=tmp_path / "large.tar.gz")["status"] == "diagnosed"


def _pod(name: str, namespace: str, node: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {"app": "other"}}
    spec = {"nodeName": node, "containers": [{"name": "main", "image": "other"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}


def test_all_is_read_in_pages(tmp_path: Path, story: Lab) -> None:
    with KubeApi.from_bundle(story.folder / "served") as kube:
        for number in range(1200):
            kube.add(_pod(f"other-{number}", f"team-{number % 7}", "node-1"))
        many = Lab(kube, story.aws, story.expect, story.folder)
        many.run("capture", "-A", "-o", str(tmp_path / "b.tar.gz"))
        pods = [r for r in kube.requests if r.verb == "list" and r.resource == "pods" and not r.namespace]
    assert len(pods) == 3, "500 at a time, once"
    files = files_in(tmp_path / "b.tar.gz")
    assert sum(len(files[f"cluster-resources/pods/team-{n}.json"]["items"]) for n in range(7)) == 1200


@pytest.mark.parametrize("scope", ["target", "-A"])
def test_what_is_refused_is_named_and_the_rest_is_there(story: Lab, tmp_path: Path, scope: str) -> None:
    with KubeApi.from_bundle(story.folder / "served") as kube:
        kube.forbid("list", "events")
        kube.forbid("get", "persistentvolumes")
        few = Lab(kube, story.aws, story.expect, story.folder)
        target = few.target if scope == "target" else ("-A",)
        done = few.run("capture", *target, "-v", "-o", str(tmp_path / "b.tar.gz"))
        live = answer(few, *few.target)
    assert done.returncode == 0
    assert "not read: kube:list events" in done.stderr
    assert "(list events in " in done.stderr
    refused = [r for r in files_in(tmp_path / "b.tar.gz")["reads.json"]["reads"] if r["outcome"] == "refused"]
    assert {"kube:list events"} <= {r["operation"] for r in refused}
    if scope == "target":
        assert answer(few, *few.target, bundle=tmp_path / "b.tar.gz") == live


def test_where_all_namespaces_may_not_be_listed_each_is_asked(story: Lab, tmp_path: Path) -> None:
    with KubeApi.from_bundle(story.folder / "served") as kube:
        kube.forbid("list", "pods", namespace="")
        few = Lab(kube, story.aws, story.expect, story.folder)
        done = few.run("capture", "-A", "-o", str(tmp_path / "b.tar.gz"))
        live = answer(few, *few.target)
    assert done.stdout.startswith(f"{tmp_path / 'b.tar.gz'}: 1 with storage"), done.stderr
    assert answer(few, *few.target, bundle=tmp_path / "b.tar.gz") == live


def test_nothing_is_written_over(story: Lab, tmp_path: Path) -> None:
    (tmp_path / "there.tar.gz").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("mine")
    story.kube.requests.clear()
    for name in ("there.tar.gz", "folder"):
        done = story.run("capture", *story.target, "-o", str(tmp_path / name))
        assert (done.returncode, done.stderr.partition(":")[0]) == (2, "bundle-exists")
    assert (tmp_path / "there.tar.gz").read_text() == "mine"
    assert story.kube.requests == [], "that is known before anything is read"


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    def files() -> dict[str, bytes]:
        (tmp_path / "b.tar.gz").write_text("mine")
        return {"bundle.json": b"{}"}

    with pytest.raises(Unreachable, match="exists already"):
        write_bundle(tmp_path / "b.tar.gz", files, "")
    assert (tmp_path / "b.tar.gz").read_text() == "mine"
    assert os.listdir(tmp_path) == ["b.tar.gz"]


def test_nothing_half_stays_after_ctrl_c(story: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with KubeApi.from_bundle(story.folder / "served") as kube:
        kube.fail(r"GET .*/events", delay_s=20, times=None)
        slow = Lab(kube, story.aws, story.expect, story.folder)
        running = slow.start("capture", *slow.target, "-o", str(folder / "b.tar.gz"))
        while not [r for r in kube.requests if r.resource == "pods"]:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert out == ""
    assert "interrupted: " in err
    assert os.listdir(folder) == []


def test_what_is_asked_after_the_time_is_left_out_and_says_so(story: Lab, tmp_path: Path) -> None:
    done = story.run("capture", *story.target, "--timeout", "1ms", "-o", str(tmp_path / "b.tar.gz"))
    assert done.returncode == 0
    assert "left out: the 0.001 s of the capture were over (a capture with a longer --timeout)" in done.stderr
    report = answer(story, *story.target, bundle=tmp_path / "b.tar.gz")
    assert report["status"] == "inconclusive"
    assert "a capture with a longer --timeout" in json.dumps(report["suspects"])


WRONG = [
    ([], "give a target, or -n for all that is in a namespace, or -A for everything"),
    (["-A", "pod/x"], "give one of them"),
    (["-A", "-n", "x"], "give one of them"),
    (["pod/x", "--max-size", "0"], "'0' is not a size above zero, such as 50M"),
    (["pod/x", "--max-size", "x"], "'x' is not a size above zero, such as 50M"),
    (["pod/x", "--as-group", "g"], "--as-group needs --as"),
    (["pod/x", "--bundle", "old.tar.gz"], "--kubeconfig is about a live system, and --bundle is a recorded one"),
    (["wrong/x"], "'wrong' is not a kind that efsdiag can look at"),
    (["pod/no-such-pod"], "there is no pod no-such-pod in namespace default"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_a_wrong_command_line_is_said_and_nothing_is_written(
    story: Lab, tmp_path: Path, words: list[str], said: str
) -> None:
    done = story.run("capture", *words, "-o", str(tmp_path / "b.tar.gz"))
    assert done.returncode == 2
    assert said in done.stderr
    assert os.listdir(tmp_path) == []


def test_no_cluster_is_exit_code_4(tmp_path: Path) -> None:
    code, _, err = run_efsdiag(
        ["capture", "pod/x", "--kubeconfig", str(tmp_path / "none"), "-o", str(tmp_path / "b.tar.gz")]
    )
    assert (code, err.partition(":")[0]) == (4, "kubeconfig-not-found")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("scope", [("-A",), ("-n", "NAMESPACE")], ids=["all", "namespace"])
def test_a_check_of_the_bundle_finds_what_it_finds_on_the_live_system(
    lab: Lab, tmp_path: Path, scope: tuple[str, ...]
) -> None:
    where = [lab.target[2] if word == "NAMESPACE" else word for word in scope]
    bundle, _ = captured(lab, *where)
    check = ["check", *where, "-o", "json", "--lock", str(tmp_path / "lock")]
    done = lab.run(*check)
    code, out, err = run_efsdiag([*check, "--bundle", str(bundle)])
    assert done.returncode == code, done.stderr + err
    assert code in (0, 1, 3)
    live, recorded = json.loads(done.stdout), json.loads(out)
    for key in ("status", "rootCauses", "latent", "notChecked", "suspects", "totals", "workloads"):
        assert recorded[key] == live[key], key


@pytest.mark.parametrize("size", ["60k", "400k"])
@pytest.mark.parametrize("scope", ["target", "-A"])
def test_a_small_bundle_says_less_and_nothing_else(lab: Lab, tmp_path: Path, scope: str, size: str) -> None:
    bundle = tmp_path / "b.tar.gz"
    done = lab.run("capture", *(lab.target if scope == "target" else ("-A",)), "--max-size", size, "-o", str(bundle))
    if done.returncode:
        assert (done.returncode, done.stderr.partition(":")[0]) == (2, "bundle-too-large")
        assert os.listdir(tmp_path) == []
        return
    files = files_in(bundle)
    assert ("leftOut" in files["bundle.json"]) == ("left out: " in done.stderr)
    small, live = answer(lab, *lab.target, bundle=bundle), answer(lab, *lab.target)
    causes = [{c["id"] for c in report["rootCauses"] if c["confidence"] == "confirmed"} for report in (small, live)]
    assert causes[0] <= causes[1]
    assert small["status"] in ("inconclusive", live["status"])
    if "leftOut" not in files["bundle.json"]:
        assert small == live


def test_what_is_odd_in_a_list_belongs_to_the_bundle() -> None:
    pods = [{"metadata": {"namespace": "a", "name": "odd"}, "spec": {"volumes": 7}}]
    claims = [{"metadata": {"namespace": "a", "name": "odd"}, "status": [1]}]
    found = subjects_with_storage(pods, claims)
    assert [(s.kind, s.name) for s in found] == [("persistentvolumeclaim", "odd"), ("pod", "odd")]
