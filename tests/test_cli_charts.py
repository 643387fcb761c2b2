"""Where an install's charts come from, whether they know its values, and what is shown before anybody agrees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from helmlab import HelmLab, StandIn, helm_lab, packed, real_helm, repository
from plans import plan_with

from efsdiag.changes import Change, Lookup, Plan
from efsdiag.charts import driver_release, prometheus_release
from efsdiag.cli.charts import releases_of, with_charts
from efsdiag.cli.faults import Fault
from efsdiag.cli.options import chart_options
from efsdiag.cli.sources import LiveOptions
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.releases import release_change
from efsdiag.settings import Settings
from efsdiag.settings_file import load_settings
from efsdiag.world.helm_reads import digest_of

HELM = real_helm()
NO_HELM = pytest.mark.skipif(HELM is None, reason="there is no helm; scripts/setup makes one where Go is")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An air-gapped folder: the archives of both charts."""
    made = tmp_path_factory.mktemp("charts")
    for name in ("prometheus", "aws-efs-csi-driver"):
        packed(name, made)
    return made


def settings_with(*flags: str) -> Settings:
    return load_settings(None, flags)


def fault_of(settings: Settings, file: Path | None = None, **given: Any) -> Fault:
    with pytest.raises(Fault) as found:
        with_charts(settings, given, file)
    assert found.value.exit_code == 2
    return found.value


def test_a_folder_has_the_archives_of_the_pinned_versions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    made = with_charts(settings_with(), {"charts_dir": folder.name})
    for part in (made.driver, made.prometheus):
        assert part.archive == str(folder / f"{part.chart}-{part.version}.tgz")
        assert part.digest == digest_of(part.archive)


def test_a_chart_of_a_registry_is_looked_for_under_its_last_name(folder: Path) -> None:
    flags = ["prometheus.chart=oci://ghcr.io/prometheus-community/charts/prometheus", "prometheus.repository="]
    made = with_charts(settings_with(*flags), {"charts_dir": str(folder)})
    assert made.prometheus.archive == str(folder / "prometheus-29.27.0.tgz")


def test_without_archives_and_values_of_ones_own_no_chart_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert with_charts(settings_with(), {}) == settings_with()


def test_a_version_that_the_folder_lacks_is_named_with_what_is_there(folder: Path) -> None:
    fault = fault_of(settings_with("prometheus.version=30.0.0"), charts_dir=str(folder))
    assert fault.reference == "chart-not-found"
    assert "prometheus-30.0.0.tgz cannot be read" in fault.message
    assert "has aws-efs-csi-driver-4.4.1.tgz, prometheus-29.27.0.tgz; helm pull prometheus" in fault.hint


def test_an_archive_of_another_digest_is_refused(folder: Path) -> None:
    digest = f"prometheus.digest=sha256:{'0' * 64}"
    fault = fault_of(settings_with(f"prometheus.archive={folder}/prometheus-29.27.0.tgz", digest))
    assert fault.reference == "chart-changed"
    assert "prometheus.digest is sha256:000" in fault.message


def test_a_value_that_the_chart_does_not_know_is_named_with_its_line(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "efsdiag.yaml"
    text = "region: ap-northeast-2\ndriver:\n  values:\n    controller:\n      logLevel: 5\n    useFips: true\n"
    file.write_text(text)
    fault = fault_of(load_settings(file), file, charts_dir=str(folder))
    assert fault.reference == "chart-value-unknown"
    assert fault.message.startswith(f"{file}:6 driver.values: useFips is no value of chart aws-efs-csi-driver 4.4.1")
    by_flag = fault_of(load_settings(file, ["driver.values={tags: {}}"]), file, charts_dir=str(folder))
    assert by_flag.message.startswith("driver.values: tags is no value")
    assert "did you mean useFIPS?" in fault.hint
    assert "there are none in ap-northeast-2" in fault.hint


def test_several_such_values_are_counted_and_can_be_allowed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_with("prometheus.values={server: {storage: {tsdb: {path: /x}}, replicas: 2}}")
    fault = fault_of(settings, charts_dir=str(folder))
    assert "server.storage.tsdb.path is no value" in fault.message
    assert fault.message.endswith("; and 1 more")
    assert capsys.readouterr().err.startswith("prometheus.values: server.replicas is no value")
    with_charts(settings, {"charts_dir": str(folder), "allow_unknown_values": True})
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("prometheus.values: server.storage.tsdb.path is no value of chart prometheus 29.27.0")
    assert "did you mean server.replicaCount?" in second


def test_values_of_ones_own_are_looked_up_in_the_repository_s_chart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if HELM is None:
        pytest.skip("there is no helm; scripts/setup makes one where Go is")
    monkeypatch.setenv("PATH", f"{os.path.dirname(HELM)}:{os.environ['PATH']}")
    with repository([folder / "prometheus-29.27.0.tgz"], tmp_path) as address:
        flags = [f"prometheus.repository={address}", "prometheus.values={server: {nodeselector: {}}}"]
        fault = fault_of(settings_with(*flags))
        assert "server.nodeselector is no value" in fault.message
    assert fault_of(settings_with(*flags)).reference == "repository-unreachable"


# --- what is shown before consent ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HelmLab]:
    with helm_lab(tmp_path_factory.mktemp("lab"), os.path.dirname(HELM or "")) as lab:
        yield lab


def plan_of(settings: Settings, **values: Any) -> Plan:
    releases = (driver_release(settings), prometheus_release(settings))
    made = [replace(r, values={**r.values, **values}) if values else r for r in releases]
    return plan_with(*(release_change(r, "make it", Ref("Release", r.name), present=False) for r in made))


def shown(plan: Plan, lab: HelmLab, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    lines = releases_of(plan, LiveOptions(kubeconfig=lab.kubeconfig))
    return "\n".join("".join(text for text, _ in line) for line in lines)


@pytest.mark.helm
@NO_HELM
def test_what_helm_would_make_is_shown_by_its_own_dry_run(
    cluster: HelmLab, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_charts(settings_with(), {"charts_dir": str(folder)})
    text = shown(plan_of(settings), cluster, monkeypatch)
    assert "release kube-system/aws-efs-csi-driver: new" in text
    assert "chart aws-efs-csi-driver 4.4.1, 4 objects: ServiceAccount/efs-csi-controller-sa" in text
    assert "hooks, which stay when the release goes: CSIDriver/efs.csi.aws.com" in text
    assert "Deployment/prometheus-server" in text
    assert cluster.kube.mutations == []


@pytest.mark.helm
@NO_HELM
def test_a_value_that_is_looked_up_later_does_not_stop_the_dry_run(
    cluster: HelmLab, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_charts(settings_with(), {"charts_dir": str(folder)})
    later = Lookup(read_of("kube:get namespaces", name="kube-system"), "metadata.uid")
    text = shown(plan_of(settings, fullnameOverride=later), cluster, monkeypatch)
    assert "4 objects" in text
    assert "fullnameOverride is no value of chart prometheus" in text


OURS = "efsdiag 0123456789abcdef"
MADE = "chart prometheus 29.27.0, 1 object: Service/a"
THEIRS = (
    "is there (prometheus-29.27.0, deployed), and stays: its revision 1, prometheus-29.27.0, was not made by efsdiag"
)
PENDING = "where none runs any more, helm uninstall prometheus --namespace monitoring"


@pytest.mark.parametrize(
    ("revisions", "says", "then"),
    [
        ([], "release monitoring/prometheus: new", MADE),
        ([(1, "deployed", OURS)], "release monitoring/prometheus: deployed as revision 1 (prometheus-29.27.0)", MADE),
        ([(1, "failed", "late")], "failed as revision 1 (prometheus-29.27.0), and gone over by this: late", MADE),
        ([(1, "deployed", "x")], "release monitoring/prometheus: deployed as revision 1 (prometheus-29.27.0)", THEIRS),
        ([(1, "pending-install", "x")], "pending-install as revision 1 (prometheus-29.27.0), and helm would", PENDING),
    ],
    ids=["new", "ours", "ours and failed", "theirs", "pending"],
)
def test_the_release_as_it_is_now_is_shown(
    cluster: HelmLab,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    revisions: Any,
    says: str,
    then: str,
) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.history(*revisions)
    stand_in.answer("list", "efsdiag", out='[{"name": "prometheus"}]')
    stand_in.answer("--dry-run=server", out='{"manifest": "kind: Service\\nmetadata: {name: a}", "hooks": []}')
    lab = HelmLab(cluster.kube, cluster.folder, str(tmp_path))
    settings = with_charts(settings_with(), {"charts_dir": str(folder)})
    change = plan_of(settings).changes[1]
    text = shown(plan_with(change), lab, monkeypatch)
    assert says in " ".join(text.split())
    assert then in " ".join(text.split())


def test_where_helm_cannot_say_it_the_reason_is_shown_and_nothing_stops(
    cluster: HelmLab, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = with_charts(settings_with(), {"charts_dir": str(folder)})
    lab = HelmLab(cluster.kube, cluster.folder, str(tmp_path), {"PATH": "/nowhere"})
    text = shown(plan_of(settings), lab, monkeypatch)
    assert text.count("what it would make is not known: helm is not on PATH") == 2
    assert "get-helm-3" in text


def test_a_plan_without_releases_shows_nothing_of_helm(cluster: HelmLab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Change(plan_of(settings_with()).changes[0].undo, "x", Ref("Release", "x"))  # type: ignore[arg-type]
    assert shown(plan_with(other), cluster, monkeypatch) == ""


def test_a_command_takes_the_options_of_charts() -> None:
    command = click.command()(chart_options(lambda **given: given))
    assert command.main(["--charts", "here"], standalone_mode=False) == {
        "charts_dir": "here",
        "allow_unknown_values": False,
    }
