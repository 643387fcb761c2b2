"""`why --fix --settings` from nothing: the same remedies as an install, the trial among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import consents
import pytest
from helmlab import packed
from installlab import DRIVER, SAFE, Cluster, InstallLab, bare, install_lab

from efsdiag.cli import applying, trying
from efsdiag.remedy_rules import load_remedies
from efsdiag.rules import load_rulebook
from efsdiag.target import TARGET
from efsdiag.treat.journal import journals

TARGETED = "deployment/prometheus-server"
ASKED = ("why", TARGETED, "--settings", "wishes.yaml")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        (tmp_path / "wishes.yaml").write_text("{}\n")
        yield made


@pytest.fixture
def yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at a terminal and types yes to every question; each is a consent of the test."""
    carry = applying.carry

    def agreed(plan: Any, *given: Any) -> Any:
        consents.agree(plan)
        return carry(plan, *given)

    for module in (applying, trying):
        monkeypatch.setattr(module, "carry", agreed)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "yes\n"))


def fixed(lab: InstallLab) -> int:
    """`why --fix` until it is healthy, or nothing comes of it any more; its last exit code."""
    for _ in range(4):
        code = lab.run(*ASKED, "--fix", "--settle", "1s")
        Cluster(lab).work()
        if code == 0:
            break
    return code


def used(lab: InstallLab) -> set[tuple[str, str]]:
    """(mode, remedy) of all that was carried out."""
    return {(option.mode, option.remedy) for j in journals(lab.journal) for option in j.plan.chosen}


def test_an_install_and_why_use_the_same_remedies_for_the_same_modes(
    lab: InstallLab, tmp_path_factory: pytest.TempPathFactory, yes: None
) -> None:
    assert lab.run(*ASKED) == 1, lab.printed
    assert "pod.not-created" in lab.printed
    assert fixed(lab) == 0, lab.printed
    with install_lab(bare(), tmp_path_factory.mktemp("installed")) as installed:
        assert installed.run(*SAFE) == 0, installed.printed
        assert used(installed) == used(lab)
        assert [j["spec"] for j in installed.jobs] == [j["spec"] for j in lab.jobs]
    remedies, rules = load_remedies(), load_rulebook().checks
    found = {mode for check in TARGET for mode in rules[check].modes}
    assert [(m, r) for m, r in used(lab) if m and m not in set(remedies[r].mends) & found] == []
    assert {remedy for mode, remedy in used(lab) if not mode} == {"write-through-the-claim"}
    assert {remedy for _, remedy in used(lab)} == {
        "create-file-system",
        "install-driver",
        "create-instance-profile",
        "create-storage-for-claim",
        "create-mount-target",
        "write-through-the-claim",
        "install-prometheus",
    }


def test_a_claim_through_which_nobody_can_write_gets_no_prometheus_by_why_either(
    lab: InstallLab, yes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.runs_jobs = False
    assert lab.run(*SAFE) == 5, lab.printed
    assert lab.run(*ASKED, "--fix") == 5, lab.printed
    assert "Job efsdiag-trial" in lab.printed
    assert lab.all("jobs.batch") == [], "the Job is taken away all the same"
    lab.runs_jobs = True
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: "no\n"))
    assert lab.run(*ASKED, "--fix") == 6, lab.printed
    assert "run a Job that writes a line through claim prometheus-efs" in lab.printed
    assert lab.jobs == []
    assert lab.kube.object("deployments.apps", "prometheus-server", "monitoring") is None


def test_settings_that_wish_for_another_workload_are_refused(lab: InstallLab) -> None:
    assert lab.run("why", "deployment/grafana", "--settings", "wishes.yaml") == 2
    assert "wishes for deployment/prometheus-server in namespace monitoring" in lab.printed


def test_why_looks_at_the_charts_of_the_settings_before_it_proposes_them(lab: InstallLab) -> None:
    archive = packed(DRIVER, lab.folder)
    text = f"driver:\n  archive: {archive.name}\n  values:\n    useFips: true\n"
    (lab.folder / "wishes.yaml").write_text(text)
    assert lab.run(*ASKED, "--fix") == 2, lab.printed
    said = " ".join(lab.printed.split())
    assert "wishes.yaml:4 driver.values: useFips is no value of chart aws-efs-csi-driver" in said
    assert "did you mean useFIPS?" in said
