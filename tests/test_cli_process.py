"""The command as a process: signals, pipes, encodings, and a live cluster over HTTP."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from conftest import FIXTURES, ROOT, Situation
from kubeapi import KubeApi

STORY, SICK = Situation(FIXTURES / "story-parent-dir"), Situation(FIXTURES / "recorded-parent-dir")
EFSDIAG = [sys.executable, "-m", "efsdiag"]
POD = STORY.target.name


@pytest.fixture
def environment(tmp_path):
    """A machine on which nobody is signed in to AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KUBE"))}
    return {
        **kept,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "HOME": str(tmp_path),
    }


def run(arguments, environment, **more):
    done = subprocess.run(
        [*EFSDIAG, *arguments], cwd=ROOT, env=environment, capture_output=True, check=False, timeout=60, **more
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def live(api, folder, *options, namespace="default", **kubeconfig):
    """The arguments that ask a live cluster about the pod of the story."""
    config = api.kubeconfig(folder, namespace=namespace, **kubeconfig)
    return ["why", f"pod/{POD}", "--kubeconfig", str(config), *options]


@pytest.mark.parametrize(
    ("number", "code", "form"),
    [(signal.SIGINT, 130, "json"), (signal.SIGTERM, 143, "json"), (signal.SIGINT, 130, "terminal")],
)
def test_a_signal_ends_a_run_that_waits_at_once_with_one_document(number, code, form, environment, tmp_path):
    with KubeApi.from_bundle(STORY.path) as api:
        api.fail("/events", delay_s=30, times=None)  # read by a thread, while the main one waits for it
        process = subprocess.Popen(
            [*EFSDIAG, *live(api, tmp_path, "-o", form)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not api.requests and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        sent = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == code
    assert time.monotonic() - sent < 5
    assert "Traceback" not in err
    if form == "json":
        document = json.loads(out)
        assert (document["kind"], document["exitCode"]) == ("Error", code)
        assert document["error"]["reference"] == "interrupted"
    else:
        assert out == ""
        assert "interrupted: stopped by" in err


@pytest.mark.parametrize(("arguments", "code"), [(["explain", "--list"], 0), (SICK.asked("-o", "json"), 1)])
def test_a_reader_that_goes_away_is_no_error(arguments, code, environment):
    process = subprocess.Popen(
        [*EFSDIAG, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=60) == code
    assert err == b""


def test_a_full_disk_is_told(environment):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*EFSDIAG, *SICK.asked("-o", "json")],
            cwd=ROOT,
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 74
    assert done.stderr.decode().startswith("output-not-written: ")
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&- <&-", SICK.asked("-o", "json"), 1),
        ("2>&-", ["check", "--bundle", "/none"], 4),
        ("2>/dev/full", ["check", "--bundle", "/none"], 4),
        (">&- 2>&- <&-", ["explain", "--list"], 0),
    ],
)
def test_a_stream_that_is_closed_or_full_changes_no_exit_code(environment, closed, words, code):
    quoted = shlex.join(["exec", *EFSDIAG, *words]).removeprefix("exec ")
    done = subprocess.run(
        ["sh", "-c", f"exec {quoted} {closed}"], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    # Talk that nobody hears is not on standard output.
    assert done.stdout == b""


def test_an_encoding_without_the_signs_gets_ascii(environment):
    code, out, _ = run(SICK.asked(), {**environment, "PYTHONIOENCODING": "ascii"})
    assert code == 1
    assert out.isascii()
    assert out.startswith("x cause found")


def test_json_is_utf8_whatever_the_locale_says(environment, tmp_path):
    code, out, _ = run(["why", "pod/프로메", "-n", "infra-metrics", "--bundle", str(SICK.path), "-o", "json"],
                       {**environment, "PYTHONIOENCODING": "ascii"})  # fmt: skip
    assert code == 2
    assert "프로메" in json.loads(out)["error"]["message"]


def test_a_live_cluster_is_diagnosed_without_aws_and_says_what_aws_would_add(environment, tmp_path):
    with KubeApi.from_bundle(STORY.path) as api:
        code, out, err = run(live(api, tmp_path, "-o", "json"), environment)
        assert (api.mutations, api.secret_reads) == ([], [])
    report = json.loads(out)
    assert (code, err) == (1, "")
    assert [cause["id"] for cause in report["rootCauses"]] == ["permission.parent-not-searchable"]
    assert report["rootCauses"][0]["confidence"] == "likely"
    assert "signed in to AWS" in report["suspects"][0]["reason"]
    assert (report["environment"]["source"], report["environment"]["context"]) == ("live", "kubeapi")
    assert report["environment"]["account"] is None
    assert report["usage"]["durationMs"] > 0


def test_no_question_is_asked_twice(environment, tmp_path):
    with KubeApi.from_bundle(STORY.path) as api:
        run(live(api, tmp_path), environment)
        asked = [(r.path, tuple(sorted(r.query.items()))) for r in api.requests]
    assert len(asked) == len(set(asked))


def test_the_namespace_is_the_contexts(environment, tmp_path):
    with KubeApi.from_bundle(STORY.path) as api:
        code, out, _ = run(live(api, tmp_path, "-o", "json", namespace="kube-system"), environment)
    assert code == 2
    assert "namespace kube-system" in json.loads(out)["error"]["message"]


def test_what_was_read_live_can_be_recorded_and_says_the_same(environment, tmp_path):
    place = tmp_path / "recorded.tar.gz"
    with KubeApi.from_bundle(STORY.path) as api:
        first = json.loads(run(live(api, tmp_path, "-o", "json", "--record", str(place)), environment)[1])
    _, out, _ = run(["why", f"pod/{POD}", "--bundle", str(place), "-o", "json"], environment)
    second = json.loads(out)
    own = ("usage", "environment", "rendered")
    assert {k: v for k, v in first.items() if k not in own} == {k: v for k, v in second.items() if k not in own}
    assert second["environment"]["kubernetesVersion"] == first["environment"]["kubernetesVersion"]


@pytest.mark.parametrize("form", ["json", "terminal"])
def test_who_is_not_let_in_gets_exit_code_4(form, environment, tmp_path):
    with KubeApi.from_bundle(STORY.path, token="right") as api:
        code, out, err = run(live(api, tmp_path, "-o", form, token="wrong"), environment)
    assert code == 4
    assert "cluster-unauthenticated" in (out if form == "json" else err)


def test_a_cluster_that_does_not_listen_gets_exit_code_4(environment, tmp_path):
    with KubeApi() as api:
        arguments = live(api, tmp_path, "-o", "json", "--request-timeout", "1s")
    code, out, _ = run(arguments, environment)
    assert code == 4
    assert json.loads(out)["kind"] == "Error"


def test_who_may_not_read_pods_gets_exit_code_3_and_what_to_grant(environment, tmp_path):
    with KubeApi.from_bundle(STORY.path) as api:
        api.forbid("*", "pods")
        code, out, _ = run(live(api, tmp_path, "-o", "json"), environment)
    report = json.loads(out)
    assert code == 3
    assert report["rootCauses"] == []
    assert {suspect["grant"] for suspect in report["suspects"]} == {"get pods in namespace default"}
