"""`check` with a state file, suppressions, a text file and alerts, on recorded situations and against real servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest
import yaml
from alertmanagers import BINARY, alertmanager
from conftest import FIXTURES, ROOT, run_efsdiag, unconfigured
from kubeapi import KubeApi
from test_world_alertmanager import server  # noqa: F401

from efsdiag.report.forms import HEALTH_FORMS
from efsdiag.report.prometheus import last_success_in

STORY = FIXTURES / "story-parent-dir"
MODE = "permission.parent-not-searchable"
FORMS = [form for form in HEALTH_FORMS if form != "terminal"]


def check(*options, bundle=STORY):
    return run_efsdiag(["check", "--bundle", str(bundle), *map(str, options)])


def document(*options, bundle=STORY):
    code, out, err = check("-o", "json", *options, bundle=bundle)
    return code, json.loads(out), err


@pytest.fixture
def mended(tmp_path):
    """The story's bundle with the directory's mode put right, and the pod ready."""
    folder = tmp_path / "mended"
    shutil.copytree(STORY, folder)
    file = next((folder / "volumes").glob("*.json"))
    file.write_text(file.read_text().replace('"0700"', '"0755"'))
    return folder


@pytest.fixture
def suppress(tmp_path):
    """`suppress(expires="…")`: a file that suppresses the story's cause."""

    def write(expires="2026-12-31", mode=MODE):
        file = tmp_path / "suppress.yaml"
        entry = {"id": mode, "object": "PersistentVolume/*", "reason": "OPS-1", "expires": expires}
        file.write_text(yaml.safe_dump({"known": entry}))
        return file

    return write


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """The story's bundle with sixty deployments of one pod each, all on the one volume."""
    folder = tmp_path_factory.mktemp("crowd") / "bundle"
    shutil.copytree(STORY, folder)
    listed = folder / "cluster-resources"
    for kind in ("pods", "replicasets", "deployments"):
        file = listed / kind / "default.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        [one] = [item for item in content["items"] if re.match(r"prometheus-server(-dvj|$)", item["metadata"]["name"])]
        content["items"].remove(one)
        content["items"] += [numbered(one, n) for n in range(60)]
        file.write_text(json.dumps(content), encoding="utf-8")
    logs = listed / "pods" / "logs" / "default"
    [log] = logs.glob("prometheus-server-*")
    for n in range(60):
        shutil.copytree(log, logs / log.name.replace("prometheus-server-", f"web-{n:02}-"))
    return folder


def numbered(one, n):
    """A copy of a pod, ReplicaSet or Deployment of the story, with names and uids of its own."""
    made = json.loads(json.dumps(one))
    for named in (made["metadata"], *made["metadata"].get("ownerReferences", ())):
        named["name"] = named["name"].replace("prometheus-server", f"web-{n:02}")
        named["uid"] = f"{n:08}{named['uid'][8:]}"
    return made


# --- the state ---------------------------------------------------------------------------------------------------


def test_the_first_run_finds_everything_new_and_the_second_nothing(tmp_path):
    state = tmp_path / "state"
    _, first, err = document("--state", state)
    assert (first["changes"]["since"], err) == (None, "")
    cause = first["rootCauses"][0]["fingerprint"]
    assert cause in first["changes"]["new"]
    code, second, _ = document("--state", state)
    assert code == 1
    assert second["changes"]["since"] == first["checkedAt"]
    assert second["changes"] == {
        "since": first["checkedAt"],
        "new": [],
        "ongoing": first["changes"]["new"],
        "resolved": [],
        "incomparable": [],
    }


def test_what_is_mended_is_resolved_and_the_page_says_so(tmp_path, mended):
    state = tmp_path / "state"
    document("--state", state)
    _, out, _ = check("--state", state, bundle=mended)
    assert "SINCE 2026-09-25T02:01:21Z: " in out
    assert f"  ✓ over     {MODE}: " in out
    assert len(out.splitlines()) <= 40


def test_what_could_not_be_looked_at_is_not_resolved_and_not_new_once_it_is(tmp_path, mended):
    state = tmp_path / "state"
    cause = document("--state", state)[1]["rootCauses"][0]["fingerprint"]
    next((mended / "volumes").glob("*.json")).unlink()
    for log in (mended / "cluster-resources" / "pods" / "logs").rglob("*.log"):
        log.unlink()
    code, report, _ = document("--state", state, bundle=mended)
    # What nobody could look at inside the volume: the cause, and whether fsGroup is applied.
    told, other = sorted(report["changes"]["incomparable"], key=lambda c: c["fingerprint"] != cause)
    assert other["id"] == "permission.fsgroup-ineffective"
    assert (code, told["id"], told["fingerprint"]) == (3, MODE, cause)
    assert told["why"] == "parents-searchable could not be looked at: nobody has looked inside the volume"
    _, out, _ = check("--state", state, bundle=mended)
    assert f"  ? unknown  {MODE}: parents-searchable could not be looked at" in out
    _, report, _ = document("--state", state)
    assert cause in report["changes"]["ongoing"]
    assert cause not in report["changes"]["new"]


def test_without_a_state_file_nothing_is_said_of_changes():
    assert "changes" not in document()[1]


def test_a_damaged_state_is_an_error_before_anything_is_looked_at_and_stays(tmp_path):
    state = tmp_path / "state"
    state.write_text("{")
    code, report, _ = document("--state", state)
    assert (code, report["error"]["reference"], state.read_text()) == (2, "state-unreadable", "{")


def test_a_state_of_another_cluster_is_an_error_and_stays(tmp_path, mended):
    state = tmp_path / "state"
    document("--state", state)
    before = state.read_bytes()
    manifest = mended / "bundle.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "cluster": {"context": "another"}}))
    code, report, _ = document("--state", state, bundle=mended)
    assert (code, report["error"]["reference"], state.read_bytes()) == (2, "state-of-another-cluster", before)


def test_a_state_that_could_not_be_written_is_an_error_before_anything_is_looked_at(tmp_path):
    code, report, _ = document("--state", tmp_path / "no-folder" / "state")
    assert (code, report["error"]["reference"]) == (2, "state-not-written")


# --- suppressions ------------------------------------------------------------------------------------------------


def test_a_suppressed_cause_does_not_decide_the_exit_code(suppress):
    code, report, err = document("--suppress", suppress())
    assert (report["rootCauses"], err) == ([], "")
    assert [(held["id"], held["reason"]) for held in report["suppressed"]] == [(MODE, "OPS-1")]
    assert (code, report["exitCode"], report["status"]) == (0, 0, "healthy")
    _, out, _ = check("--suppress", suppress())
    assert out.splitlines()[0] == "✓ nothing but what is suppressed   1 of 1 workloads with storage is not well"
    assert f"  · held     {MODE} on PersistentVolume/prometheus-server, until" in out
    assert " 2026-12-31: OPS-1" in out


def test_an_expired_suppression_is_told_and_holds_nothing_back(suppress):
    code, report, _ = document("--suppress", suppress("2026-09-24"))
    assert (code, len(report["rootCauses"]), report["suppressed"]) == (1, 1, [])
    assert [over["expires"] for over in report["expiredSuppressions"]] == ["2026-09-24"]
    assert "  ‼ expired  " in check("--suppress", suppress("2026-09-24"))[1]


def test_one_that_fits_nothing_is_told_with_v(suppress):
    file = suppress(mode="network.nacl")
    assert check("--suppress", file)[2] == ""
    assert check("--suppress", file, "-v")[2].startswith(f"suppression-unused: {file}:1 known fits nothing")


def test_a_mistake_in_the_file_is_an_error_with_its_line(suppress):
    file = suppress(mode="network.nakl")
    code, report, _ = document("--suppress", file)
    assert (code, report["error"]["reference"]) == (2, "suppression-unknown-mode")
    assert report["error"]["message"] == f"{file}:1 there is no mode 'network.nakl'"
    assert report["error"]["hint"] == "did you mean network.nacl?"


# --- metrics -----------------------------------------------------------------------------------------------------


def value(file, name):
    return next(float(line.split()[-1]) for line in file.read_text().splitlines() if line.split()[0] == name)


def test_the_text_file_is_readable_by_others_and_alone_in_its_folder(tmp_path):
    file = tmp_path / "efsdiag.prom"
    before = os.umask(0o077)
    try:
        assert check("--textfile", file)[0] == 1
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["efsdiag.prom"]
    assert file.read_text() == check("-o", "prometheus")[1]


def test_a_failed_run_keeps_what_was_found_and_the_last_success(tmp_path):
    file = tmp_path / "efsdiag.prom"
    check("--textfile", file)
    before, started = file.read_text(), time.time()
    code, _, _ = check("--textfile", file, bundle=tmp_path / "none")
    assert code == 4
    assert value(file, "efsdiag_check_exit_code") == 4
    assert value(file, "efsdiag_check_last_run_timestamp_seconds") >= int(started)
    assert last_success_in(file.read_text()) == last_success_in(before)
    causes = [line for line in before.splitlines() if line.startswith("efsdiag_root_causes{")]
    assert causes
    assert set(causes) <= set(file.read_text().splitlines())


def test_a_mistake_in_another_file_is_a_failed_run_too(tmp_path):
    file, broken = tmp_path / "efsdiag.prom", tmp_path / "suppress.yaml"
    broken.write_text("a: {")
    assert check("--textfile", file, "--suppress", broken)[0] == 2
    assert value(file, "efsdiag_check_exit_code") == 2
    assert last_success_in(file.read_text()) is None


@pytest.mark.parametrize(("name", "reference"), [("e.txt", "textfile-name"), ("none/e.prom", "textfile-not-written")])
def test_a_text_file_that_nobody_would_read_is_refused_before_anything_is_looked_at(tmp_path, name, reference):
    code, report, _ = document("--textfile", tmp_path / name)
    assert (code, report["error"]["reference"], os.listdir(tmp_path)) == (2, reference, [])


def test_what_cannot_be_written_in_the_end_is_told_and_the_report_is_there(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    code, report, err = document("--textfile", tmp_path / "e.prom", "--state", tmp_path / "state")
    assert (code, report["kind"]) == (74, "HealthReport")
    assert [line.split(":")[0] for line in err.splitlines()] == ["textfile-not-written", "state-not-written"]
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_report_that_cannot_be_printed_is_delivered_all_the_same(tmp_path):
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "efsdiag", "check", "--bundle", str(STORY), "-o", "json"]
        more = ["--state", str(tmp_path / "state"), "--textfile", str(tmp_path / "e.prom")]
        done = subprocess.run([*command, *more], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74
    assert done.stderr.startswith(b"output-not-written: ")
    assert sorted(os.listdir(tmp_path)) == ["e.prom", "state"]


# --- alerts ------------------------------------------------------------------------------------------------------


@pytest.mark.alertmanager
@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} (Debian's prometheus-alertmanager) is not installed")
def test_sixty_pods_with_one_cause_are_one_alert_and_one_finding_in_every_form(crowd, tmp_path):
    metrics = tmp_path / "e.prom"
    with alertmanager(tmp_path) as real:
        sent = ("--state", tmp_path / "state", "--alertmanager", real.url, "--cluster", "lab")
        code, out, err = check("-o", "jsonl", "--textfile", metrics, *sent, bundle=crowd)
        [fired] = real.firing("lab")
    assert (code, err) == (1, "")
    roles = [json.loads(line).get("role") for line in out.splitlines()]
    assert roles.count("rootCause") == 1
    assert fired["labels"]["mode"] == MODE
    assert "60 pods of 60 workloads" in fired["annotations"]["description"]
    assert "workload" not in fired["labels"]
    [pods] = [line for line in metrics.read_text().splitlines() if line.startswith("efsdiag_root_cause_pods{")]
    assert pods.endswith(" 60")
    state = tmp_path / "state"
    failures = ET.fromstring(check("-o", "junit", "--state", state, bundle=crowd)[1]).findall(".//failure")
    assert len(failures) == 1


@pytest.mark.alertmanager
@pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} (Debian's prometheus-alertmanager) is not installed")
def test_the_command_fires_goes_on_and_ends_in_a_real_alertmanager(tmp_path, mended, suppress):
    state = tmp_path / "state"
    with alertmanager(tmp_path) as real:
        send = ("--state", state, "--alertmanager", real.url, "--cluster", "lab")
        assert check(*send)[0] == 1
        [fired] = real.firing("lab")
        assert fired["labels"]["mode"] == MODE
        assert check(*send)[0] == 1
        [again] = real.firing("lab")
        assert (again["startsAt"], again["labels"]) == (fired["startsAt"], fired["labels"])
        assert check(*send, "--suppress", suppress())[0] == 0
        assert real.firing("lab") == []
        assert [told["status"] for told in real.heard("lab", 2)] == ["firing", "resolved"]
        assert check(*send)[0] == 1
        assert [told["status"] for told in real.heard("lab", 3)] == ["firing", "resolved", "firing"]
        check(*send, bundle=mended)
        assert real.firing("lab") == []
        assert [told["status"] for told in real.heard("lab", 4)][3:] == ["resolved"]


def test_alerts_that_do_not_arrive_are_told_and_the_report_and_the_state_are_there(tmp_path):
    state = tmp_path / "state"
    url = "http://user:hunter2@127.0.0.1:1"
    code, report, err = document("--state", state, "--alertmanager", url)
    assert (code, report["kind"], report["exitCode"]) == (74, "HealthReport", 1)
    assert err.startswith("alerts-not-sent: http://127.0.0.1:1/api/v2/alerts cannot be reached: ")
    assert "hunter2" not in err
    assert json.loads(state.read_text())["kind"] == "HealthState"
    assert document("--exit-zero", "--state", state, "--alertmanager", url)[0] == 74


def test_what_is_over_is_told_by_the_next_run_where_this_one_could_not(tmp_path, mended, server):  # noqa: F811
    (tmp_path / "token").write_text("hunter2\n")
    token = ("--alertmanager-token-file", tmp_path / "token")
    send = ("--state", tmp_path / "state", "--alertmanager", server.url, *token)
    assert check(*send)[0] == 1
    server.answer = (503, {}, b"hunter2")
    code, report, err = document(*send, bundle=mended)
    assert (code, "hunter2" in err) == (74, False)
    assert MODE in [e["id"] for e in report["changes"]["resolved"]]
    server.answer = (200, {}, b"")
    document(*send, bundle=mended)
    [ended] = server.received[-1][3]
    assert (ended["labels"]["mode"], ended["startsAt"] < ended["endsAt"]) == (MODE, True)
    count = len(server.received)
    document(*send, bundle=mended)
    assert len(server.received) == count
    assert {headers["Authorization"] for _, _, headers, _ in server.received} == {"Bearer hunter2"}


@pytest.mark.parametrize(
    ("url", "held", "reference"),
    [
        ("http://am:9093", None, "alertmanager-token"),
        ("http://am:9093", "", "alertmanager-token"),
        ("http://am:9093", "hunter2 and more", "alertmanager-token"),
        ("http://am:9093", "hunter2\nX-Other: a", "alertmanager-token"),
        ("http://me:x@am:9093", "hunter2", "alertmanager-two-sign-ins"),
        (None, "hunter2", "alertmanager-missing"),
    ],
)
def test_a_token_that_is_none_is_a_mistake_and_is_not_shown(url, held, reference, tmp_path):
    if held is not None:
        (tmp_path / "token").write_text(held)
    send = ("--alertmanager", url) if url else ()
    options = ("--state", tmp_path / "s", *send, "--alertmanager-token-file", tmp_path / "token")
    code, report, err = document(*options)
    assert (code, report["error"]["reference"]) == (2, reference)
    assert "hunter2" not in json.dumps(report) + err


def test_the_name_of_the_cluster_is_a_label_of_printed_metrics_too():
    series = [line for line in check("-o", "prometheus", "--cluster", "lab")[1].splitlines() if line[:1] != "#"]
    assert series
    assert all('cluster="lab"' in line for line in series)


def test_a_run_with_nothing_to_tell_sends_nothing(tmp_path):
    state = tmp_path / "state"
    bundle = FIXTURES / "healthy-noisy"
    code, _, err = document("--state", state, "--alertmanager", "http://127.0.0.1:1", bundle=bundle)
    assert (code, err) == (document(bundle=bundle)[0], "")


@pytest.mark.parametrize(
    ("options", "reference"),
    [
        (("--alertmanager", "http://am:9093"), "state-missing"),
        (("--alertmanager", "am:9093", "--state", "s"), "alertmanager-url"),
    ],
)
def test_alerts_without_a_state_or_a_url_are_a_mistake(options, reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, report, _ = document(*options)
    assert (code, report["error"]["reference"]) == (2, reference)


# --- one document on standard output -----------------------------------------------------------------------------


def kind_of(form, out):
    """What the one document on standard output is, read as its readers read it."""
    if form == "json":
        return json.loads(out)["kind"]
    if form == "jsonl":
        return [json.loads(line)["kind"] for line in out.splitlines()][-1]
    if form == "junit":
        suite = ET.fromstring(out)
        return "Error" if suite.get("errors") != "0" else "HealthReport"
    if form == "prometheus":
        return "Error" if all(line[:1] == "#" for line in out.splitlines()) else "HealthReport"
    [made] = yaml.safe_load_all(out)
    return made["kind"]


GOOD = {"json": "HealthReport", "yaml": "HealthReport", "jsonl": "Summary", "junit": "HealthReport"}
GOOD |= {"openreports": "ClusterReport", "policyreport": "ClusterPolicyReport", "prometheus": "HealthReport"}
every_form = pytest.mark.parametrize("form", [form for form in FORMS if form in GOOD])


@every_form
def test_success_is_one_document(form):
    code, out, err = check("-o", form)
    assert (code, kind_of(form, out), err) == (1, GOOD[form], "")
    assert check("-o", form)[1] == out


@every_form
@pytest.mark.parametrize(
    ("options", "code"),
    [(("--no-such-option",), 2), (("-A", "-n", "x"), 2), (("--fail-on", "x"), 2), (("--rules", "/none"), 2)],
)
def test_a_usage_error_is_one_document(form, options, code):
    returned, out, err = check("-o", form, *options)
    assert (returned, kind_of(form, out), err) == (code, "Error", "")


@every_form
def test_no_cluster_is_one_document(form, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    code, out, err = run_efsdiag(["check", "-o", form, "--lock", str(tmp_path / "lock")])
    assert (code, kind_of(form, out), err) == (4, "Error", "")


@every_form
def test_a_fault_of_efsdiag_itself_is_one_document(form, monkeypatch):
    def fault(*_):
        raise RuntimeError("boom\n\x1b[31m")

    monkeypatch.setattr("efsdiag.cli.checking.checked", fault)
    code, out, err = check("-o", form)
    assert (code, kind_of(form, out), err) == (70, "Error", "")
    assert "\x1b" not in out


@pytest.mark.parametrize("form", ["jsonl", "junit", "openreports", "prometheus"])
def test_a_signal_is_one_document(form, tmp_path):
    environment = {**unconfigured(), "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
    with KubeApi.from_bundle(STORY) as api:
        api.fail("/pods", delay_s=3, times=None)
        command = [sys.executable, "-m", "efsdiag", "check", "-o", form, "--kubeconfig", str(api.kubeconfig(tmp_path))]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while not any("pods" in request.path for request in api.requests) and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(2)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, kind_of(form, out)) == (130, "Error")
    assert "Traceback" not in err
