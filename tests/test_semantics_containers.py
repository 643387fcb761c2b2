"""Where a container keeps its data, on which volume, and as whom its process runs."""

from __future__ import annotations

from typing import Any

import pytest

from efsdiag.semantics.containers import (
    DataPath,
    claim_volume_names,
    credentials,
    data_container,
    data_path,
    drops_override,
    flag_value,
    image_name,
    image_tag,
    mounted_config_maps,
    version_of,
)
from efsdiag.semantics.posix import Credentials

PROMETHEUS = "quay.io/prometheus/prometheus:v3.5.0"
DATA = {"name": "data", "persistentVolumeClaim": {"claimName": "prometheus-server"}}


def mount(path: str, volume: str = "data", **more: Any) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, **more}


def spec(*volumes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"volumes": list(volumes) or [DATA], **more}


def container(*args: str, mounts: Any = None, image: str = PROMETHEUS, **more: Any) -> dict[str, Any]:
    mounts = [mount("/data")] if mounts is None else mounts
    return {"name": "server", "image": image, "args": list(args), "volumeMounts": mounts, **more}


def path_of(*args: str, **more: Any) -> DataPath:
    found = data_path(spec(), container(*args, **more))
    assert found is not None
    return found


# --- what nobody says ---


@pytest.mark.parametrize(
    ("more", "path", "on_volume"),
    [
        ({"args": ["--config.file=/x"]}, "/prometheus/data", ""),
        ({"args": ["--agent"]}, "/prometheus/data-agent", ""),
        ({"args": ["--config.file=/x"], "workingDir": "/data"}, "/data/data", "/data"),
        ({"args": ["--config.file=/x"], "command": ["/bin/prometheus"]}, "/prometheus/data", ""),
        ({"args": []}, "/data", "/"),
        ({"args": ["-c", "exec prometheus --storage.tsdb.path=/x"], "command": ["sh"]}, "/data", "/"),
        ({"args": ["--log.level=info"], "image": "example.org/x/y"}, "/data", "/"),
    ],
)
def test_prometheus_with_arguments_and_without_a_path_writes_below_its_working_directory(
    more: dict[str, Any], path: str, on_volume: str
) -> None:
    found = data_path(spec(), {**container(), **more})
    assert found is not None
    assert (found.path, found.on_volume, found.flag) == (path, on_volume, "")


def test_variables_of_the_container_are_put_into_path_and_sub_path() -> None:
    env = [
        {"name": "SHARD", "value": "eu"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "HIDDEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    mounts = [{**mount("/data"), "subPathExpr": "$(POD)/$(HIDDEN)"}]
    found = data_path(
        spec(), {**container("--storage.tsdb.path=/data/$(SHARD)", mounts=mounts), "env": env}, {"name": "p-0"}
    )
    assert found is not None
    assert (found.path, found.sub_path) == ("/data/eu", "p-0/$(HIDDEN)")


# --- the flag ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "flag"),
    [
        (("--storage.tsdb.path=/data",), "--storage.tsdb.path"),
        (("--storage.tsdb.path", "/data"), "--storage.tsdb.path"),
        (("-storage.tsdb.path=/data",), "-storage.tsdb.path"),
        (("-storage.tsdb.path", "/data"), "-storage.tsdb.path"),
        (("--config.file=/etc/config/prometheus.yml", "--storage.tsdb.path=/data/"), "--storage.tsdb.path"),
        (("--agent", "--storage.agent.path=/data"), "--storage.agent.path"),
        (("--storage.path=/data",), "--storage.path"),
    ],
)
def test_the_data_directory_is_what_the_flag_says(args: tuple[str, ...], flag: str) -> None:
    found = path_of(*args)
    assert (found.path, found.flag, found.volume, found.mount_path) == ("/data", flag, "data", "/data")
    assert (found.sub_path, found.on_volume, found.read_only) == ("", "/", False)


def test_a_flag_among_the_words_of_the_command_counts_too() -> None:
    command = {"command": ["/bin/prometheus", "--storage.tsdb.path=/data/x"]}
    assert path_of(**command).path == "/data/x"


@pytest.mark.parametrize(
    "args", [("--storage.tsdb.path.extra=/x",), ("--storage.tsdb.retention.time=15d",), ("/data",)]
)
def test_other_flags_are_not_the_data_directory(args: tuple[str, ...]) -> None:
    assert flag_value(container(*args), ("--storage.tsdb.path",)) == ("", "")


def test_a_flag_at_the_end_without_a_value_has_none() -> None:
    assert flag_value(container("--storage.tsdb.path"), ("--storage.tsdb.path",)) == ("--storage.tsdb.path", "")


def test_a_number_among_the_arguments_is_no_mistake() -> None:
    given = {"args": ["--web.max-connections", 512, "--storage.tsdb.path=/data"]}
    assert flag_value(given, ("--storage.tsdb.path",)) == ("--storage.tsdb.path", "/data")


# --- where that is on the volume ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("working", "image", "path"),
    [
        (None, PROMETHEUS, "/prometheus/data"),
        (None, "quay.io/prometheus/alertmanager:v0.28.0", "/alertmanager/data"),
        (None, "example.org/team/program:1", "/data"),
        ("/srv", PROMETHEUS, "/srv/data"),
    ],
)
def test_a_relative_path_lies_below_the_working_directory(working: str | None, image: str, path: str) -> None:
    more = {"workingDir": working} if working else {}
    assert path_of("--storage.tsdb.path=data/", image=image, **more).path == path


def test_a_relative_path_below_the_mounted_working_directory_is_on_the_volume() -> None:
    found = path_of("--storage.tsdb.path=data/", mounts=[mount("/prometheus")])
    assert (found.volume, found.on_volume) == ("data", "/data")


@pytest.mark.parametrize(
    ("mounts", "path", "on_volume", "sub_path"),
    [
        ([mount("/data", subPath="prometheus/server")], "/data", "/prometheus/server", "prometheus/server"),
        ([mount("/data", subPath="/prometheus/")], "/data/tsdb", "/prometheus/tsdb", "prometheus"),
        ([mount("/data/")], "/data/tsdb", "/tsdb", ""),
        ([mount("/")], "/data", "/data", ""),
        ([mount("/data", subPathExpr="$(POD_NAME)")], "/data/tsdb", "/$(POD_NAME)/tsdb", "$(POD_NAME)"),
    ],
)
def test_the_directory_on_the_volume_is_the_sub_path_and_what_lies_below_the_mount(
    mounts: list[dict[str, Any]], path: str, on_volume: str, sub_path: str
) -> None:
    found = path_of(f"--storage.tsdb.path={path}", mounts=mounts)
    assert (found.on_volume, found.sub_path) == (on_volume, sub_path)


@pytest.mark.parametrize("order", [1, -1])
def test_of_nested_mounts_the_longest_one_holds_the_directory(order: int) -> None:
    volumes = [DATA, {"name": "wal", "persistentVolumeClaim": {"claimName": "wal"}}]
    mounts = [mount("/data"), mount("/data/wal", "wal"), mount("/data/walrus", "data", subPath="x")][::order]
    found = data_path(spec(*volumes), container("--storage.tsdb.path=/data/wal/now", mounts=mounts))
    assert found is not None
    assert (found.volume, found.mount_path, found.on_volume) == ("wal", "/data/wal", "/now")


def test_a_mount_whose_name_only_begins_alike_does_not_hold_the_directory() -> None:
    assert path_of("--storage.tsdb.path=/database", mounts=[mount("/data")]).volume == ""


def test_an_empty_dir_between_takes_the_directory_off_the_claim() -> None:
    volumes = [DATA, {"name": "scratch", "emptyDir": {}}]
    mounts = [mount("/data"), mount("/data/tsdb", "scratch")]
    found = data_path(spec(*volumes), container("--storage.tsdb.path=/data/tsdb", mounts=mounts))
    assert found == DataPath("server", "/data/tsdb", "--storage.tsdb.path", "", "", "", "", False)


def test_a_path_beside_the_mount_is_on_no_volume() -> None:
    found = path_of("--storage.tsdb.path=/efs", mounts=[mount("/data")])
    assert (found.path, found.volume, found.on_volume) == ("/efs", "", "")


@pytest.mark.parametrize(
    ("volume", "given", "read_only"),
    [
        (DATA, mount("/data"), False),
        (DATA, mount("/data", readOnly=True), True),
        (
            {"name": "data", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
            mount("/data"),
            True,
        ),
    ],
)
def test_a_directory_is_read_only_where_its_mount_or_its_claim_is(
    volume: dict[str, Any], given: dict[str, Any], read_only: bool
) -> None:
    found = data_path(spec(volume), container("--storage.tsdb.path=/data", mounts=[given]))
    assert found is not None
    assert found.read_only is read_only


def test_grafana_has_a_data_directory_without_saying_so() -> None:
    found = path_of(image="docker.io/grafana/grafana:12.0.0", mounts=[mount("/var/lib/grafana", subPath="grafana")])
    assert (found.path, found.flag, found.on_volume) == ("/var/lib/grafana", "", "/grafana")


def test_without_a_flag_the_first_claims_mount_is_the_data_directory() -> None:
    mounts = [mount("/etc/config", "config"), mount("/var/data"), mount("/more")]
    assert path_of(image="example.org/x/y", mounts=mounts).path == "/var/data"


def test_a_container_without_a_claim_or_a_flag_has_no_data_directory() -> None:
    assert data_path(spec(), container(image="example.org/x/y", mounts=[])) is None


# --- which container, which claims -------------------------------------------------------------------------------


def test_the_claims_of_a_pod_are_told_by_volume() -> None:
    volumes = [{"name": "config", "configMap": {"name": "x"}}, DATA, {"name": "tmp", "ephemeral": {}}]
    assert claim_volume_names(spec(*volumes)) == {"data": "prometheus-server", "tmp": ""}
    assert claim_volume_names({}) == {}


def test_the_data_container_is_the_first_that_mounts_a_claim() -> None:
    reloader = {"name": "reloader", "volumeMounts": [mount("/etc/config", "config")]}
    assert data_container(spec(containers=[reloader, container(), {"name": "third"}])) == "server"
    assert data_container(spec(containers=[reloader])) == ""


def test_config_maps_that_must_be_there_are_those_not_optional_and_not_published_by_the_cluster() -> None:
    projected = {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}, {"configMap": {"name": "b"}}, {"secret": {}}]}
    volumes = [
        {"name": "a", "configMap": {"name": "a"}},
        {"name": "c", "configMap": {"name": "c", "optional": True}},
        {"name": "p", "projected": projected},
    ]
    assert mounted_config_maps(spec(*volumes)) == ["a", "b"]


# --- images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "name", "tag"),
    [
        ("quay.io/prometheus/prometheus:v3.5.0@sha256:00ff", "prometheus/prometheus", "v3.5.0"),
        ("registry.example.org:5000/mirror/prometheus/prometheus:v2.53.0", "prometheus/prometheus", "v2.53.0"),
        ("registry.example.org:5000/prometheus", "registry.example.org:5000/prometheus", ""),
        ("grafana/grafana@sha256:00ff", "grafana/grafana", ""),
        ("busybox", "busybox", ""),
        ("", "", ""),
    ],
)
def test_an_image_has_a_name_and_a_tag(image: str, name: str, tag: str) -> None:
    assert (image_name(image), image_tag(image)) == (name, tag)


@pytest.mark.parametrize(
    ("tag", "number"),
    [
        ("v3.4.1-eksbuild.1", (3, 4, 1)),
        ("2.1", (2, 1, 0)),
        ("v1.7.0", (1, 7, 0)),
        ("latest", None),
        ("master-2026", None),
        ("", None),
    ],
)
def test_a_tag_is_a_version_where_it_begins_with_one(tag: str, number: tuple[int, ...] | None) -> None:
    assert version_of(tag) == number


# --- as whom -----------------------------------------------------------------------------------------------------


def runs_as(pod: dict[str, Any] | None, own: dict[str, Any] | None, image: str = PROMETHEUS) -> Credentials | None:
    context = {"securityContext": pod} if pod is not None else {}
    return credentials(context, container(image=image, securityContext=own))[0]


@pytest.mark.parametrize(
    ("pod", "own", "wanted"),
    [
        ({"runAsUser": 65534, "runAsGroup": 65534}, None, Credentials(65534, 65534)),
        ({"runAsUser": 65534, "runAsGroup": 1}, {"runAsUser": 1000}, Credentials(1000, 1)),
        ({"runAsUser": 65534, "runAsGroup": 1}, {"runAsUser": 1000, "runAsGroup": 2}, Credentials(1000, 2)),
        ({"runAsUser": 1000}, {"runAsUser": 0}, Credentials(0, 0)),
        ({"runAsUser": 0}, None, Credentials(0, 0)),
        ({"fsGroup": 65534}, {"runAsUser": 1000}, Credentials(1000, 0, frozenset({65534}))),
        ({"runAsUser": 1000, "fsGroup": 0}, None, Credentials(1000, 0, frozenset({0}))),
        ({"runAsUser": 1000, "supplementalGroups": [7, 8]}, None, Credentials(1000, 0, frozenset({7, 8}))),
        ({"fsGroup": 5, "supplementalGroups": [7]}, None, Credentials(65534, 65534, frozenset({5, 7}))),
        (None, None, Credentials(65534, 65534)),
        ({"runAsUser": 65534}, None, Credentials(65534, 65534)),
        ({"runAsUser": 1000}, None, Credentials(1000, 0)),
        ({"runAsGroup": 3}, None, Credentials(65534, 3)),
    ],
)
def test_the_container_wins_over_the_pod_and_the_image_fills_in_what_neither_says(
    pod: dict[str, Any] | None, own: dict[str, Any] | None, wanted: Credentials
) -> None:
    assert runs_as(pod, own) == wanted


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("grafana/grafana:12.0.0", Credentials(472, 0)),
        ("docker.io/bitnami/prometheus:3", Credentials(1001, 0)),
        ("prom/alertmanager", Credentials(65534, 65534)),
    ],
)
def test_well_known_images_have_their_own_users(image: str, wanted: Credentials) -> None:
    assert runs_as(None, None, image) == wanted


@pytest.mark.parametrize("pod", [None, {"runAsGroup": 1000}, {"fsGroup": 1000, "runAsNonRoot": True}])
def test_nobody_knows_as_whom_an_unknown_image_runs(pod: dict[str, Any] | None) -> None:
    assert runs_as(pod, None, "example.org/team/prometheus-fork:1") is None


def test_it_is_told_who_says_as_whom_the_process_runs() -> None:
    assert credentials({}, container())[1] == "the image prometheus/prometheus"
    assert credentials({"securityContext": {"runAsUser": 1}}, container())[1] == "securityContext"
    assert credentials({}, container(image="x"))[1].startswith("neither the securityContext nor a well-known image")


@pytest.mark.parametrize(
    ("capabilities", "drops"),
    [
        (None, False),
        ({"drop": ["ALL"]}, True),
        ({"drop": ["all"]}, True),
        ({"drop": ["CAP_DAC_OVERRIDE"]}, True),
        ({"drop": ["NET_RAW"]}, False),
        ({"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}, False),
        ({"drop": ["ALL"], "add": ["CHOWN"]}, True),
    ],
)
def test_root_may_not_pass_over_permissions_where_the_capability_is_dropped(
    capabilities: dict[str, Any] | None, drops: bool
) -> None:
    assert drops_override(container(securityContext={"capabilities": capabilities})) is drops
