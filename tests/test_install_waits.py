"""An install waits for what AWS is still making, says for what and how long, and gives up honestly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consents
import pytest
from awsworld import ACCOUNT_ID, Asked, Trouble
from installlab import SAFE, Cluster, InstallLab, bare, install_lab
from moto.efs import models

from efsdiag.treat.journal import journals

MAKERS = {"FileSystem": "CreateFileSystem", "MountTarget": "CreateMountTarget", "AccessPoint": "CreateAccessPoint"}
WORDS = {"FileSystem": "file system", "MountTarget": "mount target", "AccessPoint": "access point"}
NAME = "prometheus-efs"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


class Making:
    """AWS takes its time: each thing of these kinds is `creating` for so many seconds of the lab's clock.

    As long as the file system is, AWS makes nothing on it.
    """

    def __init__(self, lab: InstallLab, monkeypatch: pytest.MonkeyPatch, **takes_s: float) -> None:
        self.lab = lab
        self.takes_s = takes_s
        self.began: dict[int, float] = {}
        for kind in takes_s:
            monkeypatch.setattr(getattr(models, kind), "info_json", self._told(kind))
        lab.aws.meddle = self._meddle

    def is_made(self, kind: str, thing: Any) -> bool:
        began = self.began.setdefault(id(thing), self.lab.waited_s)
        return self.lab.waited_s - began >= self.takes_s[kind]

    def _told(self, kind: str) -> Any:
        plain = getattr(models, kind).info_json

        def told(thing: Any) -> dict[str, Any]:
            state = "available" if self.is_made(kind, thing) else "creating"
            return {**plain(thing), "LifeCycleState": state}

        return told

    def _meddle(self, asked: Asked) -> Trouble | None:
        if asked.operation not in ("CreateMountTarget", "CreateAccessPoint") or "FileSystem" not in self.takes_s:
            return None
        backend = models.efs_backends[ACCOUNT_ID][self.lab.aws.region]
        made = all(self.is_made("FileSystem", s) for s in backend.file_systems_by_id.values())
        return None if made else Trouble("IncorrectFileSystemLifeCycleState", 409)


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_being_made_is_waited_for_and_an_end_of_patience_forgets_nothing(
    lab: InstallLab, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    Making(lab, monkeypatch, **{kind: 20.0})
    assert lab.run(*SAFE, "--settle", "10s") == 5, lab.printed
    thing = rf"{WORDS[kind]} \S+ \(creating\)"
    assert re.search(rf"^waiting for {thing}.*, 5 of 10 s$", lab.printed, re.MULTILINE), lab.printed
    end = lab.printed.partition("THE TARGET IS NOT REACHED, AND TIME IS UP")[2]
    assert re.search(rf"not there after 10 s: {thing}", end), lab.printed
    assert "efsdiag install goes on from here" in end
    assert lab.jobs == [], "nothing mounts what is not there"
    assert lab.kube.object("deployments.apps", "prometheus-server", "monitoring") is None

    assert lab.run(*SAFE) == 0, lab.printed
    assert re.search(rf"^waiting for {thing}.*, 0 of 600 s$", lab.printed, re.MULTILINE), lab.printed
    made = lab.writes()
    assert {maker: made.count(maker) for maker in MAKERS.values()} == {
        "CreateFileSystem": 1,
        "CreateMountTarget": 2,
        "CreateAccessPoint": 1,
    }


@pytest.mark.parametrize("state", ["deleting", "error"])
def test_what_will_not_come_by_itself_is_not_waited_for(lab: InstallLab, state: str) -> None:
    system = lab.aws.client("efs").create_file_system(CreationToken=NAME, Backup=True)["FileSystemId"]
    backend = models.efs_backends[ACCOUNT_ID][lab.aws.region]
    backend.file_systems_by_id[system].life_cycle_state = state
    code = lab.run(*SAFE, "--set", f"storage.fileSystem={system}")
    assert code == 5, lab.printed
    assert f"{system} (" not in lab.printed
    assert "THE TARGET IS NOT REACHED, AND NO REMEDY IS LEFT" in lab.printed
    said = "there is no file system" if state == "deleting" else f"file system {system} is error"
    assert said in lab.printed


def test_what_is_still_being_made_is_taken_back_like_the_rest(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    account, cluster = lab.account(), lab.cluster()
    Making(lab, monkeypatch, MountTarget=600.0, AccessPoint=600.0)
    assert lab.run(*SAFE, "--settle", "5s") == 5, lab.printed
    for journal in journals(lab.journal):
        consents.agree(journal.plan)
    assert lab.run("uninstall") == 6, lab.printed
    digest = re.findall(r"--approve ([0-9a-f]{64})", lab.printed)[-1]
    assert lab.run("uninstall", "--approve", digest) == 0, lab.printed
    Cluster(lab).work()
    assert lab.account() == {**account, "systems": lab.account()["systems"]}
    assert lab.cluster() == sorted([*cluster, "namespaces /monitoring"])
