"""`efsdiag.yaml`: what is written loads and is the defaults; every mistake is named with its line and what is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from efsdiag.setting_names import default_settings
from efsdiag.settings import Settings, documented
from efsdiag.settings_file import commented_default, load_settings
from efsdiag.yaml_files import RuleError


def loaded(folder: Path, text: str, *flags: str) -> Settings:
    file = folder / "efsdiag.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, flags)


def mistake(folder: Path, text: str) -> tuple[str, int, str]:
    """Reference, line, and message with its hint."""
    with pytest.raises(RuleError) as caught:
        loaded(folder, text)
    line = caught.value.where.removeprefix(f"{folder / 'efsdiag.yaml'}:")
    return caught.value.reference, int(line), f"{caught.value.message}; {caught.value.hint}"


def test_the_file_that_is_written_loads_and_is_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, commented_default()) == default_settings() == load_settings()


def test_every_key_of_the_file_that_is_written_has_a_comment_above_it() -> None:
    lines = commented_default().splitlines()
    keys = [at for at, line in enumerate(lines) if line and not line.lstrip().startswith("#")]
    assert len(keys) == len(list(documented()))
    assert [lines[at] for at in keys if not lines[at - 1].lstrip().startswith("# ")] == []


@pytest.mark.parametrize(("path", "says"), [(path, says) for path, says, _ in documented()])
def test_every_comment_is_a_sentence_and_no_placeholder(path: str, says: str) -> None:
    assert says[0].isupper() or says.startswith("MiB"), path
    assert says.endswith("."), path


def test_an_empty_file_and_an_empty_section_are_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == loaded(tmp_path, "storage:\niam:\n") == default_settings()


def test_empty_names_are_made_from_the_name(tmp_path: Path) -> None:
    made = loaded(tmp_path, "name: team-a\niam:\n  role: mine\n")
    assert (made.claim, made.volume, made.storage_class) == ("team-a", "team-a", "team-a")
    assert (made.iam.role, made.iam.policy, made.iam.instance_profile) == ("mine", "team-a-efs-csi", "team-a-efs-csi")
    assert made.aws_tags == {"Name": "team-a", "efsdiag/name": "team-a"}


FULL = """\
name: team-a
tags: {env: prod}
region: ap-northeast-2
nodes: pool in (data, more),!gpu
uid: 1000
storage:
  way: access-point-dynamic
  fileSystem: fs-0123456789abcdef0
  kmsKey: alias/efs
  throughputMode: provisioned
  throughput: 128
prometheus:
  sourceRanges: [10.0.0.0/8, "2001:db8::/32"]
  nodeExporterTolerations: [{key: node-role, operator: Exists, effect: NoSchedule}]
  values: {server: {nodeSelector: {pool: data}}}
"""


def test_what_the_file_gives_stands_in_the_place_of_the_default(tmp_path: Path) -> None:
    made = loaded(tmp_path, FULL)
    assert (made.tags, made.region, made.uid, made.gid) == ({"env": "prod"}, "ap-northeast-2", 1000, 65534)
    assert (made.storage.way, made.storage.throughput) == ("access-point-dynamic", 128)
    assert made.storage.encrypted is True
    assert made.prometheus.values == {"server": {"nodeSelector": {"pool": "data"}}}


@pytest.mark.parametrize(
    ("text", "line", "reference", "says"),
    [
        ("name: a\nstorage:\n  wya: x", 3, "setting-unknown", "has storage.wya, .* did you mean storage.way"),
        ("name: a\ncapacity: 5Gi", 2, "setting-unknown", "did you mean storage.capacity"),
        ("\nfrobnicate: 1", 2, "setting-unknown", "the file has name, tags, region"),
        ("storage:\n  way: directry", 2, "setting-invalid", "'directry'; .* did you mean directory"),
        ("storage: 5", 1, "setting-mistyped", "storage is 5; a mapping is wanted"),
        ("[1]", 1, "setting-mistyped", "a mapping is wanted"),
        ("storage:\n  encrypted: yes please", 2, "setting-mistyped", "'yes please'; true or false is wanted"),
        ("storage:\n  encrypted: 1", 2, "setting-mistyped", "is 1; true or false"),
        ("uid: true", 1, "setting-mistyped", "is True; a number of a user"),
        ("uid: '1000'", 1, "setting-mistyped", "is '1000'; a number of a user"),
        ("gid: -1", 1, "setting-invalid", "from 0 to 4294967294"),
        ("uid: 4294967295", 1, "setting-invalid", "from 0 to 4294967294"),
        ("uid: 065534", 1, "yaml-number-unclear", "065534, which YAML reads as 27484"),
        ("name: a\nuid: 1:30", 2, "yaml-number-unclear", "reads as 90"),
        ("storage:\n  capacity: 5GB", 2, "setting-invalid", "'GB', and 'G' is the one that exists"),
        ("storage:\n  capacity: 0Gi", 2, "setting-invalid", "more than 0 is wanted"),
        ("storage:\n  fileSystem: fsap-0123456789abcdef0", 2, "setting-invalid", "an id such as fs-"),
        ("storage:\n  path: prometheus", 2, "setting-invalid", "an absolute path"),
        ("storage:\n  path: /a/b/c/d/e", 2, "setting-invalid", "at most 4 directories"),
        ("prometheus:\n  sourceRanges: [10.0.0.1/8]", 2, "setting-invalid", "no CIDR: 10.0.0.1/8 has host bits"),
        ("prometheus:\n  sourceRanges: [10.0.0.1]", 2, "setting-invalid", "lacks its prefix length"),
        ("prometheus:\n  sourceRanges: 10.0.0.0/8", 2, "setting-mistyped", "a list of CIDRs is wanted"),
        ("prometheus:\n  version: ^29.0.0", 2, "setting-invalid", "one exact version"),
        ("prometheus:\n  retention: 15 days", 2, "setting-invalid", "such as 15d"),
        ("prometheus:\n  nodeExporterTolerations: [{opertor: Exists}]", 2, "setting-invalid", "did you mean operator"),
        ("prometheus:\n  nodeExporterTolerations: [{operator: In}]", 2, "setting-invalid", "Exists or Equal"),
        ("nodes: pool==a==b", 1, "setting-invalid", "a label selector"),
        ("tags: {a: 1}", 1, "setting-invalid", "'a': 1; a tag is two texts"),
        ("tags: {Name: x}", 1, "setting-invalid", "'Name', which an install sets itself"),
        ('tags: {a: "x\\ny"}', 1, "setting-invalid", "a tag has letters, digits, spaces and _"),
        ("tags: {" + ", ".join(f"k{i}: v" for i in range(49)) + "}", 1, "setting-invalid", "49 tags; AWS takes 50"),
        ("smokeImage: ''", 1, "setting-invalid", "is ''; an image such as"),
        ("smokeImage: busy box", 1, "setting-invalid", "'busy box'; an image such as"),
        ("storage:\n  path: /a/../b", 2, "setting-invalid", "'/a/../b'; an absolute path"),
        ("tags: {aws:x: y}", 1, "setting-invalid", "prefix aws:"),
        ("name: Team A", 1, "setting-invalid", "small letters"),
        ("driver:\n  values:\n    on: 1", 2, "setting-invalid", "the key True, which is no text"),
        ("driver:\n  values:\n    day: 2024-01-01", 2, "setting-invalid", "no chart could take"),
        ("name: a\nname: b", 2, "yaml-duplicate-key", "'name' again; first on line 1"),
        ("storage:\n  way: directory\n  way: directory", 3, "yaml-duplicate-key", "first on line 2"),
        ("name: a: b", 1, "yaml-unreadable", "is not YAML"),
        ("tags: &a [*a]", 1, "yaml-unreadable", "an anchor that holds itself"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, line: int, reference: str, says: str) -> None:
    found = mistake(tmp_path, text)
    assert found[:2] == (reference, line)
    assert re.search(says, found[2]), found[2]


@pytest.mark.parametrize(
    "text",
    [
        "storage: {throughput: 5}",
        "storage: {throughputMode: provisioned}",
        "storage: {performanceMode: maxIO}",
        "storage: {encrypted: false, kmsKey: alias/x}",
    ],
)
def test_settings_that_exclude_each_other_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RuleError, match="settings-disagree"):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("flag", "wanted"),
    [
        ("storage.capacity=80Gi", ("storage", "capacity", "80Gi")),
        ("uid=1000", (None, "uid", 1000)),
        ("prometheus.alertmanager=true", ("prometheus", "alertmanager", True)),
        ("prometheus.sourceRanges=[10.0.0.0/8]", ("prometheus", "source_ranges", ["10.0.0.0/8"])),
        ("driver.tags.team=a=b", ("driver", "tags", {"team": "a=b"})),
        ("driver.values.controller.replicaCount=3", ("driver", "values", {"controller": {"replicaCount": 3}})),
        ("name=2024", (None, "name", "2024")),
    ],
)
def test_a_flag_stands_over_the_file(tmp_path: Path, flag: str, wanted: tuple[str | None, str, Any]) -> None:
    made = loaded(tmp_path, "storage: {capacity: 10Gi}\nuid: 5\n", flag)
    part, name, value = wanted
    assert getattr(getattr(made, part) if part else made, name) == value


def test_a_flag_keeps_what_the_file_has_beside_it(tmp_path: Path) -> None:
    text = "driver: {values: {controller: {logLevel: 5}}}"
    made = loaded(tmp_path, text, "driver.values.controller.replicaCount=3", "driver.replicas=1")
    assert made.driver.values == {"controller": {"logLevel": 5, "replicaCount": 3}}
    assert made.driver.replicas == 1


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("storage.capacty=1Gi", "setting-unknown: --set storage.capacty=1Gi .*did you mean storage.capacity"),
        ("storage=1", "has settings of its own"),
        ("storage.way.x=1", "names storage.way, which has no settings of its own"),
        ("storage.way", "has no ="),
        ("uid=x", "setting-mistyped: --set uid=x uid is 'x'"),
        ("uid=[", "yaml-unreadable: --set uid="),
    ],
)
def test_a_mistake_in_a_flag_is_named_with_the_flag(flag: str, says: str) -> None:
    with pytest.raises(RuleError, match=says):
        load_settings(None, [flag])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="No such file"):
        load_settings(tmp_path / "none.yaml")
