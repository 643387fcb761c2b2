"""The ticket of a HealthReport: one section for one cause, at most 60 lines."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import FIXTURES, ROOT, run_efsdiag
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import health
from tickets import Page, faults_of

from efsdiag.report.markdown_health import health_markdown
from efsdiag.report.terminal import Look

SITUATION = FIXTURES / "nfs-port-closed"


def ticket(**given):
    return health_markdown(health(**given), Look())


def with_more_pods(folder: Path, most: int) -> Path:
    """The situation with its Deployment's pod so many times, each as badly off."""
    shutil.copytree(SITUATION, folder)
    namespace, _, name = json.loads((SITUATION / "expect.json").read_text(encoding="utf-8"))["target"].split("/")
    for kind, of in (("pods", "metadata"), ("events", "involvedObject")):
        file = folder / "cluster-resources" / kind / f"{namespace}.json"
        listed = json.loads(file.read_text(encoding="utf-8"))
        own = [item for item in listed["items"] if item[of]["name"] == name]
        for number in range(most - 1):
            for item in json.loads(json.dumps(own)):
                ending = "".join("bcdfghjklm"[int(digit)] for digit in f"{number:05d}")
                item[of]["name"] = f"{name[:-5]}{ending}"
                item[of]["uid"] = f"{item[of]['uid'][:-5]}{number:05d}"
                if kind == "events":
                    item["metadata"]["name"] = f"{item['metadata']['name']}.{number}"
                listed["items"].append(item)
        file.write_text(json.dumps(listed), encoding="utf-8")
    return folder


def test_60_pods_with_one_cause_are_one_section(tmp_path):
    bundle = with_more_pods(tmp_path / "bundle", 60)
    namespace = json.loads((SITUATION / "expect.json").read_text(encoding="utf-8"))["target"].split("/")[0]
    code, out, _ = run_efsdiag(["check", "-n", namespace, "--bundle", str(bundle), "-o", "markdown"])
    assert code == 1
    assert out.count("network.mount-target-sg-ingress") == 1
    assert len(re.findall(r"^\*\*Root cause", out, re.MULTILINE)) == 1
    assert re.search(r"^- 61 pods of 2 workloads: Deployment `[\w/-]+`, StatefulSet `", out, re.MULTILINE)
    assert len(out.splitlines()) <= 60
    assert faults_of(out) == []


def test_a_cause_says_whom_it_stops_what_proves_it_and_what_mends_it():
    lines = ticket().splitlines()
    assert lines[:9] == [
        "## ✗ cause found: 30 of 42 workloads with storage are not well",
        "",
        "Namespaces: `shop`, pods with `app=web`",
        "",
        "1 new, 0 ongoing, 1 resolved, 1 incomparable, since `2026-11-20T06:30:00Z`, 1 suppressed",
        "",
        "**Root cause:** `net.port`, confirmed, on SecurityGroup `sg-1`; fingerprint `000000000000`; new",
        "",
        "`sg-1` admits nobody; the node is in `sg-2`",
    ]
    assert (
        "- 60 pods of 30 workloads: Deployment `shop/web-0`, Deployment `shop/web-1`, Deployment `shop/web-2`, "
        "Deployment `shop/web-3`, Deployment `shop/web-4`, … 25 more"
    ) in lines
    assert "- proof: `IpPermissions: none`" in lines
    assert "- chain: `port-open` → `mounted` → `ready`" in lines
    assert "- mends it: Mend it (risk: disruptive)" in lines
    assert lines[-1].startswith("efsdiag `")


def test_what_was_not_looked_at_and_what_expired_is_told():
    made = ticket()
    assert "- 2 workloads: the time was over\n" in made
    assert "- `kube:list pods` in `web`: it is refused; missing is `a right`\n" in made
    assert "- `iam.role` on `Role/*` until `2026-11-01`: known\n" in made
    assert "- Role `r` (60 pods of 30 workloads): nothing is mounted (`mounted`)\n" in made


@settings(max_examples=30)
@given(st.integers(0, 12), st.integers(0, 30))
def test_no_ticket_is_longer_than_60_lines(causes, latent):
    made = ticket(causes=causes, latent=latent)
    assert len(made.splitlines()) <= 60
    assert faults_of(made) == []
    assert made.splitlines()[-1].startswith("efsdiag ")
    page = Page(made)
    assert page.tags.count("h2") == 1
    assert min(causes, 2) <= made.count("**Root cause") <= min(causes, 3)


def test_further_causes_have_a_line_each_and_the_rest_is_counted():
    made = ticket(causes=12)
    assert made.count("fingerprint `0000") + int(re.search(r"and (\d+) more\n", made)[1]) == 12


@pytest.mark.parametrize("name", ["story-parent-dir", "healthy-noisy"])
def test_the_ticket_is_the_golden_one(name, golden):
    _, made, _ = run_efsdiag(["check", "--bundle", str(ROOT / "fixtures" / name), "-o", "markdown"])
    golden(f"{name}.check.md", made)
    assert faults_of(made) == []
