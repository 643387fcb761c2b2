"""Which values a chart knows, and what is said of one that it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helmlab import CHARTS, packed, tar_of

from efsdiag.chart_keys import mistakes, well_known
from efsdiag.charts import driver_values, prometheus_values
from efsdiag.semantics.chart_values import Chart, comment_above, unknown_keys
from efsdiag.settings_file import load_settings
from efsdiag.world.chart_archive import read_chart
from efsdiag.world.helm import HelmError

VALUES = """\
# How many there are. Ref: https://example.org
replicaCount: 1
labels: {}
extraFlags: []
service:
  type: ClusterIP
  # nodePort: 30000
strategy:
  type: Recreate
probe:
  path: /
image:
  tag: v1
"""
TEMPLATES = """\
replicas: {{ .Values.replicaCount }}
strategy: {{ toYaml .Values.strategy | nindent 2 }}
{{- with .Values.labels }}{{ toYaml . }}{{ end }}
type: {{ .Values.service.type }}
path: {{ .Values.probe.path }} {{ .Values.probe.timeout }} {{ index .Values.probe "success-codes" }}
{{- if hasKey .Values "hostNetwork" }}x{{ end }}
{{/* .Values.inComment is no reference */}}
"""
SCHEMA = {"properties": {"service": {"type": "object", "properties": {"clusterIP": {"type": "string"}}}}}


def chart_of(values: str = VALUES, templates: str = TEMPLATES, **more: Any) -> Chart:
    return Chart("demo", "1.0.0", yaml.safe_load(values) or {}, values, templates=templates, **more)


def unknown(given: dict[str, Any], chart: Chart | None = None) -> list[str]:
    return [".".join(found.path) for found in unknown_keys(given, chart or chart_of(schema=SCHEMA))]


@pytest.mark.parametrize(
    "given",
    [
        {"replicaCount": 3},
        {"labels": {"any": {"thing": 1}}},
        {"extraFlags": [{"any": "thing"}]},
        {"service": {"nodePort": 1, "clusterIP": "None"}},
        {"strategy": {"rollingUpdate": {"maxSurge": 1}}},
        {"probe": {"timeout": 5, "success-codes": [200]}},
        {"hostNetwork": True},
        {"global": {"any": {"thing": 1}}},
        {"replicaCount": {"a": "mapping"}},
        {"labels": {"team": "{{ .Values.ours.team }}"}, "ours": {"team": "a"}},
    ],
)
def test_what_a_chart_knows_in_any_way_is_known(given: dict[str, Any]) -> None:
    assert unknown(given) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"replicas": 3}, ["replicas"]),
        ({"service": {"tpye": "x", "type": "y"}}, ["service.tpye"]),
        ({"probe": {"path": "/", "delay": {"s": 1}}, "x": 1}, ["probe.delay", "x"]),
        ({"inComment": 1}, ["inComment"]),
        ({"labels": {"a": "{{ .Values.other }}"}, "mine": 1}, ["mine"]),
    ],
)
def test_what_it_does_not_know_is_found(given: dict[str, Any], found: list[str]) -> None:
    assert unknown(given) == found


@pytest.mark.parametrize(
    ("templates", "open_to_all"),
    [
        ("{{ toYaml .Values }}", True),
        ("{{ range $k, $v := .Values }}{{ end }}", True),
        ('{{ include "x" (dict "Values" .Values) }}', False),
        ("{{ .Values.a }}", False),
    ],
)
def test_all_values_are_open_only_where_they_are_printed_or_gone_through(templates: str, open_to_all: bool) -> None:
    assert (unknown({"b": 1}, chart_of("a: 1", templates)) == []) is open_to_all


def test_a_subchart_is_looked_into_under_the_key_of_its_values() -> None:
    chart = chart_of("below:\n  enabled: true\n", "", subcharts={"below": chart_of()})
    assert unknown({"below": {"enabled": False, "replicaCount": 2, "replicas": 1}}, chart) == ["below.replicas"]


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ({"replicacount": 1}, "replicaCount"),
        ({"replicaCounts": 1}, "replicaCount"),
        ({"tag": "v2"}, "image.tag"),
        ({"nothing": {"like": "it"}}, ""),
    ],
)
def test_the_nearest_right_key_is_named(given: dict[str, Any], near: str) -> None:
    (found,) = unknown_keys(given, chart_of())
    assert ".".join(found.near) == near


def test_the_chart_itself_says_what_its_key_does() -> None:
    (found,) = mistakes({"replicas": 1}, chart_of(), "")
    assert found.says == "replicas is no value of chart demo 1.0.0, and helm would ignore it"
    assert found.hint == "did you mean replicaCount? (by default 1; the chart says: How many there are)"
    assert comment_above(chart_of(), ("service",)) == ""


# --- the two charts of an install ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    folder = tmp_path_factory.mktemp("charts")
    return {name: read_chart(packed(name, folder)) for name in ("prometheus", "aws-efs-csi-driver")}


EVERYTHING = [
    "driver.tags={a: b}",
    "driver.region=eu-west-1",
    "prometheus.alertmanager=true",
    "prometheus.sourceRanges=[10.0.0.0/8]",
]


@pytest.mark.parametrize("flags", [[], EVERYTHING, [*EVERYTHING, "storage.way=access-point-dynamic"]])
def test_every_value_that_efsdiag_sets_is_one_of_the_charts(charts: dict[str, Chart], flags: list[str]) -> None:
    settings = load_settings(None, flags)
    assert unknown_keys(driver_values(settings, "arn"), charts["aws-efs-csi-driver"]) == []
    assert unknown_keys(prometheus_values(settings), charts["prometheus"]) == []


@pytest.mark.parametrize("name", ["prometheus", "aws-efs-csi-driver"])
def test_a_chart_knows_its_own_defaults(charts: dict[str, Chart], name: str) -> None:
    assert unknown_keys(charts[name].values, charts[name]) == []


@pytest.mark.parametrize("name", ["prometheus", "aws-efs-csi-driver"])
def test_every_well_known_key_is_unknown_to_the_chart_and_what_is_meant_is_known(
    charts: dict[str, Chart], name: str
) -> None:
    for key, known in well_known(name).items():
        given: Any = 1
        for part in reversed(key):
            given = {part: given}
        assert [m.path for m in mistakes(given, charts[name], "")] == [key]
        assert not known.meant or known.meant in charts[name].known


def test_use_fips_is_named_with_what_the_right_key_would_do_in_the_region(charts: dict[str, Chart]) -> None:
    def hint(region: str) -> str:
        (found,) = mistakes({"useFips": True}, charts["aws-efs-csi-driver"], region)
        return found.hint

    assert hint("us-east-1") == "did you mean useFIPS? It sends the driver's calls to AWS through FIPS endpoints"
    assert "there are none in ap-northeast-2, and the driver from 3.1.0 on ends at its start" in hint("ap-northeast-2")
    assert hint("").endswith("in regions that begin with us- or ca- only")


def test_the_path_of_the_database_is_named_with_what_the_right_key_does(charts: dict[str, Chart]) -> None:
    (found,) = mistakes({"server": {"storage": {"tsdb": {"path": "/x"}}}}, charts["prometheus"], "")
    assert found.says.startswith("server.storage.tsdb.path is no value of chart prometheus 29.27.0")
    assert found.hint.startswith("did you mean server.storagePath? It sets --storage.tsdb.path; outside of")


def test_where_a_chart_has_no_key_for_it_that_is_said(charts: dict[str, Chart]) -> None:
    (found,) = mistakes({"region": "eu-west-1"}, charts["aws-efs-csi-driver"], "")
    assert found.hint.startswith("it has none for that: the driver takes its region from IMDS")


# --- archives -----------------------------------------------------------------------------------------------------


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "x.tgz"
    path.write_bytes(tar_of(files))
    return path


def test_subcharts_are_read_from_folders_and_archives_and_stand_under_their_alias(tmp_path: Path) -> None:
    inner = tar_of({"b/Chart.yaml": b"name: b", "b/values.yaml": b"x: 1"})
    head = b"name: top\nversion: 1.2.3\ndependencies: [{name: a, alias: first}, {name: b}, {name: missing}]\n"
    files = {"top/Chart.yaml": head, "top/charts/b-1.0.0.tgz": inner}
    files |= {"top/charts/a/Chart.yaml": b"name: a", "top/charts/a/values.yaml": b"y: 1"}
    chart = read_chart(archive(tmp_path, files))
    assert (chart.name, chart.version, set(chart.subcharts)) == ("top", "1.2.3", {"first", "b"})
    assert unknown({"first": {"y": 2, "z": 1}, "b": {"x": 2}}, chart) == ["first.z"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"values.yaml": b""}, "no Chart.yaml"),
        ({"a/Chart.yaml": b"", "b/Chart.yaml": b""}, "no Chart.yaml in a folder of its own"),
        ({"a/Chart.yaml": b"name: a", "a/values.yaml": b"x: ["}, "is not YAML"),
        ({"a/Chart.yaml": b"name: a", "a/values.schema.json": b"{"}, "cannot|Expecting|is no chart"),
    ],
)
def test_an_archive_that_is_no_chart_is_named(tmp_path: Path, files: dict[str, bytes], says: str) -> None:
    with pytest.raises(HelmError, match=says) as found:
        read_chart(archive(tmp_path, files))
    assert found.value.reference == "chart-unreadable"


@pytest.mark.parametrize("content", [b"", b"no tar", b"\x1f\x8b\x08\x00" + b"\x00" * 20])
def test_a_file_that_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tgz"
    path.write_bytes(content)
    with pytest.raises(HelmError, match="is no chart that can be read"):
        read_chart(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("efsdiag.world.chart_archive.MOST_BYTES", 1000)
    with pytest.raises(HelmError, match="more than 1000 bytes"):
        read_chart(archive(tmp_path, {"a/Chart.yaml": b"name: a", "a/big": b"0" * 2000}))


def test_the_charts_of_the_tests_are_those_that_the_settings_pin() -> None:
    settings = load_settings()
    for given in (settings.driver, settings.prometheus):
        head = yaml.safe_load((CHARTS / given.chart / "Chart.yaml").read_text())
        assert (head["name"], head["version"]) == (given.chart, given.version)
