"""`efsdiag check` on a live cluster over HTTP with its AWS account: what it asks, how often, and what stops it."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from conftest import run_efsdiag, unconfigured
from kubeapi import KubeApi
from served_crowd import WITH_STORAGE, Crowd, crowd

from efsdiag.cli.faults import BUSY, Fault
from efsdiag.cli.only_one import only_one
from efsdiag.cli.sources import LiveOptions, open_live
from efsdiag.health.examine import Examiner, examined
from efsdiag.health.hands import Hands
from efsdiag.health.scope import Scope
from efsdiag.health.survey import survey
from efsdiag.model import Evidence
from efsdiag.operations import READS
from efsdiag.rules import Rulebook

SMALL, LARGE = 100, 700
READING = {operation.partition(":")[2] for operation in READS}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """A healthy cluster with some hundred pods."""
    with crowd(tmp_path_factory.mktemp("crowd")) as found:
        found.add(SMALL)
        yield found


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks of the tests are not those of whoever runs them."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def environment(made: Crowd, **more: str) -> dict[str, str]:
    return {**unconfigured(), **made.aws.environment, **more}


def checked(made: Crowd, *options: str, **more: str) -> tuple[int, dict[str, Any]]:
    words = ["check", *(options or ("-A",)), "--kubeconfig", str(made.kubeconfig), "-o", "json"]
    with mock.patch.dict(os.environ, environment(made, **more), clear=True):
        code, out, err = run_efsdiag(words)
    assert err == ""
    return code, json.loads(out)


def lists(made: Crowd, resource: str) -> list[Any]:
    return [r for r in made.kube.requests if r.verb == "list" and r.resource == resource]


# --- what is asked -----------------------------------------------------------------------------------------------


def test_every_workload_is_looked_at_and_nothing_but_reads_is_asked(made: Crowd) -> None:
    made.kube.requests.clear()
    made.aws.requests.clear()
    code, report = checked(made)
    assert (code, report["status"]) == (0, "healthy")
    stores = [d for d in made.kube.objects("deployments.apps") if d["metadata"]["name"].startswith("store-")]
    assert report["workloads"]["looked"] == report["workloads"]["healthy"] == len(stores) + 1
    assert report["coverage"]["refused"] == [
        {
            "grant": "a listing of the volume: --probe, or in a bundle as volumes/<pv>.json",
            "operation": "volume:entries",
        }
    ]
    assert made.kube.mutations == made.kube.secret_reads == []
    named = [r for r in made.aws.requests if " " not in r]
    assert named
    assert [r for r in named if r not in READING] == []
    assert [r for r in made.aws.requests if " " in r and not r.startswith("GET ")] == []
    assert report["usage"]["requests"] == len(made.kube.requests) + len(made.aws.requests)


def test_no_question_is_asked_twice_and_no_object_read_by_name_that_was_listed(made: Crowd) -> None:
    made.kube.requests.clear()
    made.aws.asked.clear()
    checked(made)
    asked = Counter((r.path, tuple(sorted(r.query.items()))) for r in made.kube.requests)
    assert [question for question, times in asked.items() if times > 1] == []
    by_name = [r for r in made.kube.requests if r.verb == "get" and r.namespace.startswith("team-")]
    assert {r.resource for r in by_name} == {"pods/log"}
    aws = Counter((a.operation, a.text) for a in made.aws.asked)
    assert [question for question, times in aws.items() if times > 1] == []


def test_lists_come_in_pages_and_requests_grow_with_workloads_and_not_with_pods(made: Crowd) -> None:
    costs = []
    for pods in (SMALL, LARGE):
        made.add(pods)
        made.kube.requests.clear()
        _, report = checked(made)
        costs.append((report["workloads"]["looked"], report["usage"]["requests"]))
    everywhere = [r for r in lists(made, "pods") if not r.namespace and not r.query.get("labelSelector")]
    assert len(everywhere) == 1 + len(made.kube.objects("pods")) // 500
    assert {r.query["limit"] for r in everywhere} == {"500"}
    assert [bool(r.query.get("continue")) for r in everywhere] == [False] + [True] * (len(everywhere) - 1)
    (few, small), (many, large) = costs
    assert many > 3 * few
    # A log of each, and the lists of each further namespace with its further pages.
    namespaces = LARGE // 500
    assert large - small <= (many - few) + 12 * namespaces


def test_what_was_answered_about_a_namespace_is_not_kept(made: Crowd, rulebook: Rulebook) -> None:
    """The answers that are kept do not grow with the workloads, and nothing of a workload is held when it is done."""
    made.add(LARGE)
    with mock.patch.dict(os.environ, environment(made), clear=True):
        opened = open_live(LiveOptions(kubeconfig=str(made.kubeconfig)))
        found = survey(opened.source, Scope())
        kept, alive = [], []
        examiner = Examiner(rulebook, opened.source, opened.now)
        for _ in examined(examiner, found.workloads, Hands(1), opened.keeper):
            kept.append(len(opened.keeper._kept) + sum(map(len, opened.keeper.shelves._kept)))  # type: ignore[attr-defined]
            if len(kept) in (20, 60):
                gc.collect()
                alive.append(sum(isinstance(thing, Evidence) for thing in gc.get_objects()))
    assert len(kept) > 60
    assert kept[60] - kept[20] < 10
    # Of each workload that is under way there are some sixty.
    assert alive[1] < alive[0] + 200


def test_a_list_that_grew_too_old_between_two_pages_goes_on_where_it_was(made: Crowd) -> None:
    made.add(LARGE)
    _, before = checked(made)
    made.kube.fail(r"/api/v1/pods\?.*continue", status=410)
    made.kube.requests.clear()
    _, after = checked(made)
    assert [r.status for r in lists(made, "pods") if not r.namespace][:3] == [200, 410, 200]
    assert after["workloads"] == before["workloads"]


def test_the_context_says_which_namespace_where_none_is_given(made: Crowd, tmp_path: Path) -> None:
    made.add(LARGE)
    config = made.kube.kubeconfig(tmp_path, namespace="team-0000")
    _, report = checked(made, "--kubeconfig", str(config))
    assert report["scope"]["namespaces"] == ["default"]  # the later --kubeconfig counts
    words = ["check", "--kubeconfig", str(config), "-o", "json"]
    with mock.patch.dict(os.environ, environment(made), clear=True):
        report = json.loads(run_efsdiag(words)[1])
    assert report["scope"]["namespaces"] == ["team-0000"]
    assert report["workloads"]["looked"] == 500 // 10


def test_a_pod_that_is_gone_since_it_was_listed_is_looked_at_by_its_successor(made: Crowd, rulebook: Rulebook) -> None:
    with mock.patch.dict(os.environ, environment(made), clear=True):
        opened = open_live(LiveOptions(kubeconfig=str(made.kubeconfig)))
        found = survey(opened.source, Scope(("team-0000",)))
        workload = next(w for w in found.workloads.values() if w.pods == WITH_STORAGE)
        (gone, _), *_ = workload.to_look_at()
        whole = made.kube.object("pods", gone.name, gone.namespace)
        made.kube.remove("pods", gone.name, gone.namespace)
        try:
            (look,) = Examiner(rulebook, opened.source, opened.now).examine(workload)
        finally:
            made.kube.add(whole or {})
    assert look.found.subject.name != gone.name
    assert look.found.diagnosis.status.value == "healthy"


# --- what may not be read ----------------------------------------------------------------------------------------


@pytest.fixture
def served(made: Crowd, tmp_path: Path) -> Iterator[Crowd]:
    """The world without its crowd, on a server of its own that may be made to refuse."""
    with KubeApi.from_bundle(made.kubeconfig.parent / "served", unread="empty") as kube:
        yield Crowd(kube, made.aws, kube.kubeconfig(tmp_path), *[made.pod] * 5)


def test_pods_that_may_not_be_listed_are_named_and_nothing_is_healthy(served: Crowd) -> None:
    served.kube.forbid("list", "pods")
    code, report = checked(served)
    assert (code, report["status"]) == (3, "inconclusive")
    assert {"operation": "kube:list pods", "grant": "list pods in all namespaces"} in report["coverage"]["refused"]
    assert ("kube:list pods", "") in [(u["operation"], u["namespace"]) for u in report["coverage"]["unlisted"]]


def test_who_may_list_in_some_namespaces_only_looks_at_those(served: Crowd) -> None:
    served.kube.forbid("list", "pods", "")
    served.kube.forbid("list", "pods", "default")
    code, report = checked(served)
    missed = [(u["operation"], u["namespace"], u["grant"]) for u in report["coverage"]["unlisted"]]
    assert missed == [("kube:list pods", "default", "list pods in namespace default")]
    assert report["workloads"]["looked"] == 1
    assert (code, report["status"]) == (3, "inconclusive")


def test_without_namespaces_the_one_of_the_context_is_looked_at(served: Crowd, tmp_path: Path) -> None:
    for verb, resource in (("list", "pods"), ("list", "namespaces")):
        served.kube.forbid(verb, resource, "")
    served.kubeconfig = served.kube.kubeconfig(tmp_path, namespace="monitoring")
    code, report = checked(served)
    assert [u["operation"] for u in report["coverage"]["unlisted"]] == ["kube:list namespaces"]
    assert report["workloads"]["looked"] == 1
    assert code == 3


def test_a_cluster_that_lets_nothing_be_read_is_inconclusive_and_says_what_to_grant(served: Crowd) -> None:
    served.kube.forbid("*", "*")
    code, report = checked(served)
    assert (code, report["workloads"]["looked"]) == (3, 0)
    grants = {u["grant"] for u in report["coverage"]["unlisted"]}
    assert {"list pods in all namespaces", "list namespaces (cluster-wide)"} <= grants


@pytest.mark.parametrize("resource", ["deployments.apps", "statefulsets.apps", "jobs.batch", "persistentvolumeclaims"])
def test_a_list_that_may_not_be_read_is_named_and_nothing_is_healthy(served: Crowd, resource: str) -> None:
    served.kube.forbid("list", resource)
    code, report = checked(served)
    named = resource.partition(".")[0]
    assert f"kube:list {named}" in [u["operation"] for u in report["coverage"]["unlisted"]]
    assert f"list {named} in all namespaces" in [u["grant"] for u in report["coverage"]["unlisted"]]
    assert (code, report["status"]) == (3, "inconclusive")


def test_without_aws_the_kubernetes_half_is_looked_at(served: Crowd) -> None:
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "HOME": "/nonexistent"}
    _, report = checked(served, AWS_EC2_METADATA_DISABLED="true", **nobody)
    assert report["workloads"]["looked"] == 1
    assert report["environment"]["account"] is None
    assert any(r["operation"].startswith("efs:") for r in report["coverage"]["refused"])


def test_who_is_not_signed_in_gets_no_report(tmp_path: Path) -> None:
    with KubeApi(token="right") as kube:
        words = ["check", "-A", "--kubeconfig", str(kube.kubeconfig(tmp_path, token="wrong")), "-o", "json"]
        code, out, _ = run_efsdiag(words)
    document = json.loads(out)
    assert (code, document["kind"], document["error"]["reference"]) == (4, "Error", "cluster-unauthenticated")


def test_a_secret_of_a_pod_and_of_a_refusal_is_in_no_report(served: Crowd) -> None:
    canary = "password=Tr0ub4dor-and-3"
    for victim in served.kube.objects("pods"):
        victim["metadata"]["annotations"] = {"note": canary}
        served.kube.add(victim)
    served.kube.fail("/apis/batch/v1/.*jobs", status=403, times=None, message=f"jobs is forbidden: {canary}")
    _, report = checked(served)
    (missed,) = report["coverage"]["unlisted"]
    assert missed["operation"] == "kube:list jobs"
    assert "jobs is forbidden" in missed["reason"]
    assert "Tr0ub4dor" not in json.dumps(report)


# --- from cron ---------------------------------------------------------------------------------------------------


def test_what_is_left_when_the_time_is_over_is_not_looked_at(served: Crowd) -> None:
    served.kube.fail("/log", delay_s=30, times=None)
    began = time.monotonic()
    code, report = checked(served, "-A", "--timeout", "6s")
    assert time.monotonic() - began < 20
    assert (code, report["status"]) == (3, "inconclusive")
    assert report["coverage"]["timedOut"]
    assert report["workloads"]["notLooked"] == 1


def test_a_list_that_hangs_ends_with_the_time_too(served: Crowd) -> None:
    served.kube.fail("/api/v1/pods", delay_s=30, times=None)
    code, report = checked(served, "-A", "--timeout", "3s")
    assert (code, report["status"], report["coverage"]["timedOut"]) == (3, "inconclusive", True)


def test_a_process_does_not_wait_for_what_hangs(served: Crowd) -> None:
    served.kube.fail("/log", delay_s=60, times=None)
    words = ["check", "-A", "--timeout", "6s", "--kubeconfig", str(served.kubeconfig)]
    done = subprocess.run(
        [sys.executable, "-m", "efsdiag", *words],
        env=environment(served),
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "1 workload: the time was over" in done.stdout


def test_a_cluster_that_hangs_from_the_start_is_not_reached(served: Crowd) -> None:
    served.kube.fail("/version", delay_s=30, times=None)
    words = ["check", "-A", "--timeout", "2s", "--kubeconfig", str(served.kubeconfig), "-o", "json"]
    code, out, _ = run_efsdiag(words)
    assert (code, json.loads(out)["error"]["reference"]) == (4, "time-is-over")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_check_at_once_with_one_document(served: Crowd, number: int, code: int) -> None:
    served.kube.fail("/api/v1/pods", delay_s=60, times=None)
    words = ["check", "-A", "--kubeconfig", str(served.kubeconfig), "-o", "json"]
    served.kube.requests.clear()
    process = subprocess.Popen(
        [sys.executable, "-m", "efsdiag", *words],
        env=environment(served),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not served.kube.requests and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    document = json.loads(out)
    assert (process.returncode, document["kind"], document["exitCode"]) == (code, "Error", code)
    assert document["error"]["reference"] == "interrupted"
    assert "Traceback" not in err


def test_a_second_run_of_the_same_ends_at_once_and_another_question_does_not(served: Crowd, tmp_path: Path) -> None:
    lock = tmp_path / "own.lock"
    with only_one(str(lock), ""):
        code, error = checked(served, "-A", "--lock", str(lock))
        assert (code, error["exitCode"], error["error"]["reference"]) == (BUSY, BUSY, "check-under-way")
        assert str(os.getpid()) in error["error"]["message"]
        assert checked(served, "-A")[0] == 0
    assert checked(served, "-A", "--lock", str(lock))[0] == 0


def test_the_lock_of_a_question_is_its_own(tmp_path: Path) -> None:
    with only_one(None, "-n one"), only_one(None, "-n two"):
        (first, second) = sorted((tmp_path / "efsdiag").iterdir())
        assert first != second
        assert oct(first.stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("name", ["KUBECONFIG", "AWS_PROFILE", "AWS_REGION"])
def test_the_same_words_about_another_cluster_or_account_are_another_question(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("efsdiag.cli.checking.only_one", lambda _, question: nullcontext(asked.append(question)))
    for value in ("one", "two", "one"):
        monkeypatch.setenv("KUBECONFIG", "/nonexistent")
        monkeypatch.setenv(name, value)
        assert run_efsdiag(["check", "-A"])[0] == 4
    assert asked[0] == asked[2] != asked[1]


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    with pytest.raises(Fault, match="has no home") as raised, only_one(None, "-A"):
        pass
    assert (raised.value.exit_code, raised.value.reference) == (2, "lock-not-made")


def test_a_lock_that_cannot_be_made_is_a_mistake_and_no_lock(served: Crowd, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    code, error = checked(served, "-A", "--lock", str(tmp_path / "link"))
    assert (code, error["error"]["reference"]) == (2, "lock-not-made")
    assert not (tmp_path / "elsewhere").exists()


def test_jitter_waits_a_part_of_its_time(served: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("efsdiag.cli.checking.time.sleep", waited.append)
    assert checked(served, "-A", "--jitter", "5m")[0] == 0
    assert len(waited) == 1
    assert 0 <= waited[0] <= 300
