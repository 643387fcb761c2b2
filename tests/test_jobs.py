"""The Jobs of efsdiag: what they may do, and their scripts on real files, on two shells."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_listing import AS_ROOT, busybox, directory, root  # noqa: F401  fixtures
from values import pod as plain_pod

from efsdiag.evidence.jobs import OWN
from efsdiag.jobs.manifest import Inside, Place, State, deletion, look_job, mend_job, reach_job, script
from efsdiag.semantics.posix import Credentials
from efsdiag.writes import MANAGED

POD = plain_pod()
POD["metadata"]["uid"] = "uid-1"
POD["spec"]["nodeName"] = "node-1"
PLACE = Place(POD, "prom/prometheus")
INSIDE = Inside("pv-1", "data", "/prometheus/server")
USER = Credentials(1000, 1000, frozenset({7}))
JOBS = {
    "look": look_job(PLACE, INSIDE, USER),
    "mend": mend_job(PLACE, INSIDE, [State("/a", "0:0:0700", "0:0:0701")], "mend"),
    "reach": reach_job(PLACE, "pv-1", "fs-1.efs.us-east-1.amazonaws.com", ["10.0.0.1"]),
}


@pytest.mark.parametrize("name", JOBS)
def test_every_job_ends_by_itself_and_has_no_token_and_no_privilege(name: str) -> None:
    job = JOBS[name]["spec"]
    spec = job["template"]["spec"]
    (container,) = spec["containers"]
    context = container["securityContext"]
    assert (job["backoffLimit"], spec["restartPolicy"]) == (0, "Never")
    assert 0 < job["activeDeadlineSeconds"] <= 60
    assert 0 < job["ttlSecondsAfterFinished"] <= 300
    assert spec["automountServiceAccountToken"] is False
    assert (context["privileged"], context["allowPrivilegeEscalation"]) == (False, False)
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert set(container["resources"]) == {"requests", "limits"}
    assert "env" not in container
    assert JOBS[name]["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "efsdiag"
    assert job["template"]["metadata"]["labels"] == JOBS[name]["metadata"]["labels"]


def test_a_look_is_the_pods_own_user_on_a_read_only_mount_and_goes_with_the_pod() -> None:
    spec = JOBS["look"]["spec"]["template"]["spec"]
    context = spec["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["supplementalGroups"]) == (1000, 1000, [7])
    assert context["runAsNonRoot"] is True
    assert "fsGroup" not in context  # the kubelet would change owners for it
    assert spec["containers"][0]["volumeMounts"] == [{"name": "data", "mountPath": "/volume", "readOnly": True}]
    assert "add" not in spec["containers"][0]["securityContext"]["capabilities"]
    assert spec["nodeName"] == "node-1"
    assert JOBS["look"]["metadata"]["ownerReferences"][0]["uid"] == "uid-1"


def test_a_look_goes_the_way_of_the_sub_path() -> None:
    job = look_job(PLACE, Inside("pv-1", "data", "/team/server", "team"), USER)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["volumeMounts"] == [
        {"name": "data", "mountPath": "/volume/team", "subPath": "team", "readOnly": True}
    ]
    assert container["command"][-2:] == ["/team", "/team/server"]


def test_the_question_to_the_network_mounts_nothing_and_is_on_the_node_s_network() -> None:
    spec = JOBS["reach"]["spec"]["template"]["spec"]
    assert (spec["hostNetwork"], spec["dnsPolicy"]) == (True, "Default")
    assert spec["volumes"] == spec["containers"][0]["volumeMounts"] == []
    assert spec["securityContext"]["runAsNonRoot"] is True


def test_only_a_job_of_efsdiag_is_deleted_and_by_its_uid() -> None:
    write = deletion(JOBS["look"])
    assert "managed-by" in write.parameters["uid"].path


# The script that mends, on real files.


@pytest.fixture(params=["sh", "busybox"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("busybox")) if request.param == "busybox" else "/usr/bin:/bin"


@pytest.fixture
def mend(path: str, root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:  # noqa: F811
    def run(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        text = script("mend") + script("look")
        shell = str(shutil.which("sh", path=path))
        command = [shell, "-c", text, "mend", str(root), "pv-1", "500", "/", "/prometheus/server", *words]
        return subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=False, **more)

    directory(root / "prometheus" / "server", 0o755, 1000)
    directory(root / "prometheus", 0o700, 0)
    return run


def state(path: Path) -> str:
    found = path.lstat()
    return f"{found.st_uid}:{found.st_gid}:{stat.S_IMODE(found.st_mode):04o}"


@AS_ROOT
def test_the_named_paths_are_changed_and_a_listing_follows(mend: Any, root: Path) -> None:  # noqa: F811
    done = mend("/prometheus", "0:0:0700", "0:0:0701", "/prometheus/server", "1000:1000:0755", "7:8:2770")
    assert (done.returncode, done.stderr) == (0, "")
    assert (state(root / "prometheus"), state(root / "prometheus" / "server")) == ("0:0:0701", "7:8:2770")
    entries = {e["path"]: e for e in json.loads(done.stdout)["entries"]}
    assert entries["/prometheus/server"]["mode"] == "2770"
    back = mend("/prometheus/server", "7:8:2770", "1000:1000:0755", "/prometheus", "0:0:0701", "0:0:0700")
    assert back.returncode == 0
    assert (state(root / "prometheus"), state(root / "prometheus" / "server")) == ("0:0:0700", "1000:1000:0755")


@AS_ROOT
@pytest.mark.parametrize(
    "second",
    [
        ("/prometheus/server", "0:0:0755", "7:7:0755"),
        ("/prometheus/missing", "0:0:0755", "7:7:0755"),
        ("/link/x", "0:0:0755", "7:7:0755"),
        ("/link", "0:0:0777", "7:7:0755"),
    ],
    ids=["another owner", "not there", "behind a link", "a link"],
)
def test_where_one_path_is_not_as_it_was_seen_nothing_is_changed(
    mend: Any,
    root: Path,  # noqa: F811
    second: tuple[str, str, str],
    tmp_path: Path,
) -> None:
    (tmp_path / "x").mkdir(0o755)
    (root / "link").symlink_to(tmp_path)
    before = state(tmp_path), state(tmp_path / "x")
    done = mend("/prometheus", "0:0:0700", "0:0:0701", *second)
    assert done.returncode == 3
    assert second[0] in done.stderr
    assert done.stdout == ""
    assert state(root / "prometheus") == "0:0:0700"
    assert state(root / "prometheus" / "server") == "1000:1000:0755"
    assert (state(tmp_path), state(tmp_path / "x")) == before


@AS_ROOT
def test_what_is_done_already_is_well(mend: Any, root: Path) -> None:  # noqa: F811
    words = ("/prometheus", "0:0:0700", "0:0:0701")
    assert mend(*words).returncode == mend(*words).returncode == 0
    assert state(root / "prometheus") == "0:0:0701"


@AS_ROOT
def test_a_refused_change_puts_back_what_came_before_it(mend: Any, root: Path) -> None:  # noqa: F811
    os.chown(root / "prometheus", 1000, 1000)
    (root / "prometheus" / "lock").write_text("")
    (root / "prometheus" / "lock").chmod(0o600)
    # Somebody without rights stands for a root that the server squashes.
    who: dict[str, Any] = {"user": 1000, "group": 1000, "extra_groups": []}
    words = ("/prometheus", "1000:1000:0700", "1000:1000:0701", "/prometheus/lock", "0:0:0600", "1000:1000:0600")
    done = mend(*words, **who)
    assert done.returncode == 4
    assert "/prometheus/lock may not be changed" in done.stderr
    assert (state(root / "prometheus"), state(root / "prometheus" / "lock")) == ("1000:1000:0700", "0:0:0600")


@AS_ROOT
def test_odd_paths_are_paths_and_nothing_else(mend: Any, root: Path) -> None:  # noqa: F811
    for name in ("-R", "with space", "$(id)", "*"):
        directory(root / name, 0o700)
        assert mend(f"/{name}", "0:0:0700", "0:0:0701").returncode == 0
        assert state(root / name) == "0:0:0701"
    assert state(root / "prometheus") == "0:0:0700"


# The script that asks the network.


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def reached(path: str, *words: str) -> dict[str, Any]:
    shell = str(shutil.which("sh", path=path))
    command = [shell, "-c", script("reach"), "reach", "pv-1", "node-1", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=True, timeout=60)
    return dict(json.loads(done.stdout))


def test_a_port_that_answers_and_one_that_does_not_are_told_apart(busybox: str, port: int) -> None:  # noqa: F811
    found = reached(busybox, "localhost", str(port), "127.0.0.1")
    assert [t["answers"] for t in found["targets"]] == [True]
    closed = reached(busybox, "localhost", "1", "127.0.0.1")
    assert [t["answers"] for t in closed["targets"]] == [False]
    assert (found["persistentVolume"], found["node"], found["port"]) == ("pv-1", "node-1", port)


def test_without_a_name_none_is_resolved(busybox: str, port: int) -> None:  # noqa: F811
    found = reached(busybox, "", str(port), "127.0.0.1")
    assert (found["resolves"], found["name"]) == (None, "")
    assert [t["answers"] for t in found["targets"]] == [True]


@pytest.mark.parametrize(
    ("says", "code", "resolves"),
    [
        ("Server:\\t10.0.0.2\\nAddress:\\t10.0.0.2:53\\n\\nName:\\tfs-1\\nAddress: 10.0.1.5", 0, True),
        ("Server:    10.0.0.2\\nAddress 1: 10.0.0.2\\n\\nName:      fs-1\\nAddress 1: 10.0.1.5", 0, True),
        ("Server:\\t10.0.0.2\\nAddress:\\t10.0.0.2:53\\n\\n** server can\\047t find fs-1: NXDOMAIN", 1, False),
        (";; connection timed out; no servers could be reached", 1, False),
    ],
    ids=["busybox", "an old busybox", "no such name", "no name server"],
)
def test_the_words_of_nslookup_are_understood(says: str, code: int, resolves: bool, tmp_path: Path) -> None:
    fakes = {"nslookup": f"printf '{says}\\n'; exit {code}", "nc": "exit 1"}
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    for name in ("sh", "tr", "cut", "sed", "timeout"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    found = reached(str(tmp_path), "fs-1", "2049")
    assert found["resolves"] is resolves
    assert found["targets"][0]["address"] == "fs-1"


def test_what_the_image_cannot_tell_is_null_and_no_answer(tmp_path: Path) -> None:
    for name in ("sh", "tr", "cut", "sed"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    found = reached(str(tmp_path), "fs-1", "2049", "10.0.0.1")
    assert (found["resolves"], found["targets"][0]["answers"]) == (None, None)
    assert "nslookup" in found["said"]


def test_own_jobs_are_found_by_the_label_that_all_that_is_made_carries() -> None:
    assert ",".join(f"{key}={value}" for key, value in MANAGED.items()) == OWN
