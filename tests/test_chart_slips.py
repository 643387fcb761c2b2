"""A key that a chart does not have, on the command line: named with the right one, and with what that does here."""

from __future__ import annotations

from pathlib import Path

import pytest
from helmlab import packed

from efsdiag.cli import main

DRIVER = "aws-efs-csi-driver"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charts")
    for name in (DRIVER, "prometheus"):
        packed(name, folder)
    return folder


def said(folder: Path, text: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `install --plan` says of a settings file with that text, on one line; it ends with exit code 2."""
    file = folder / "efsdiag.yaml"
    file.write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main(["install", "--plan", "--file", str(file), *arguments]) == 2
    return " ".join(capsys.readouterr().err.replace(f"{folder}/", "").split())


FIPS = "region: REGION\ndriver:\n  values:\n    useFips: true\n"
PATH = "prometheus:\n  values:\n    server:\n      storage: {tsdb: {path: /efs/prometheus}}\n"


@pytest.mark.parametrize(
    ("region", "does"),
    [
        ("ap-northeast-2", "FIPS endpoints; there are none in ap-northeast-2, and the driver from 3.1.0 on ends"),
        ("us-east-1", "through FIPS endpoints; --allow-unknown-values"),
        ("''", "through FIPS endpoints, in regions that begin with us- or ca- only"),
    ],
)
@pytest.mark.parametrize("at_hand", [True, False])
def test_use_fips_is_named_with_what_the_right_one_does_in_this_region(
    archives: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    does: str,
    at_hand: bool,
) -> None:
    # Without helm and without an archive nobody looks into the chart, and this much is known all the same.
    monkeypatch.setenv("PATH", "/nowhere")
    charts = ("--charts", str(archives)) if at_hand else ()
    text = said(tmp_path, FIPS.replace("REGION", region), capsys, *charts)
    assert "chart-value-unknown: efsdiag.yaml:4 driver.values: useFips is no value of chart" in text
    assert "did you mean useFIPS? It sends the driver's calls to AWS" in text
    assert does in text


@pytest.mark.parametrize(
    ("flags", "outside"),
    [((), True), (("--set", "prometheus.values.server.persistentVolume.mountPath=/efs"), False)],
)
def test_a_tsdb_path_is_named_with_where_the_data_would_be(
    archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], outside: bool
) -> None:
    text = said(tmp_path, PATH, capsys, "--charts", str(archives), *flags)
    assert "efsdiag.yaml:4 prometheus.values: server.storage.tsdb.path is no value of chart prometheus" in text
    assert "did you mean server.storagePath? It sets --storage.tsdb.path" in text
    assert ("/efs/prometheus is outside of /data, and server.persistentVolume.mountPath would" in text) is outside


def test_each_of_several_is_named_with_its_line_and_the_right_one(
    archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = "{persistentVolum: {size: 5Gi}}\n    replicaCount: 2\n    nodeExporter: {enabled: false}\n"
    text = said(tmp_path, f"prometheus:\n  values:\n    server: {wrong}", capsys, "--charts", str(archives))
    assert "efsdiag.yaml:4 prometheus.values: replicaCount is no value" in text
    assert "did you mean server.replicaCount? It says how many servers there are" in text
    assert "efsdiag.yaml:5 prometheus.values: nodeExporter.enabled is no value" in text
    assert "efsdiag.yaml:3 prometheus.values: server.persistentVolum.size is no value" in text
    assert "and 2 more did you mean server.persistentVolume.size? (by default 8Gi" in text


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("useFips: true", "driver.values.useFIPS"),
        ("driver: {useFips: true}", "driver.values.useFIPS"),
        ("server: {storage: {tsdb: {path: /x}}}", "prometheus.values.server"),
        ("prometheus: {server: {}}", "prometheus.values.server"),
    ],
)
def test_a_key_of_a_chart_among_the_settings_is_told_where_it_belongs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, right: str
) -> None:
    assert f"which is no setting did you mean {right}?" in said(tmp_path, text, capsys)
