"""A cluster and an account on loopback, as a bundle describes them, and `efsdiag` run on them as its user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import consents
from awsworld import AwsWorld, build
from conftest import run_efsdiag, unconfigured
from kubeapi import KubeApi

FIXTURES = Path(__file__).parent.parent / "fixtures"


@dataclass
class Lab:
    """A cluster and an account on loopback, as a bundle describes them."""

    kube: KubeApi
    aws: AwsWorld
    expect: dict[str, Any]
    folder: Path

    def why(self, *more: str, live: bool = True, **environment: str) -> tuple[int, dict[str, Any]]:
        """Exit code and report of `efsdiag why` on the lab's target, in this process."""
        roads = ["--kubeconfig", str(self.kube.kubeconfig(self.folder))] if live else []
        with mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True):
            code, out, err = run_efsdiag(["why", *self.target, "-o", "json", *roads, *more])
        assert out, err
        return code, json.loads(out)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`efsdiag` with these arguments, on the lab's cluster and account, in this process."""
        words = self.words(*arguments)
        with mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True):
            code, out, err = run_efsdiag(words)
        return subprocess.CompletedProcess(words, code, out, err)

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """The same as a process of its own, to be killed or talked to."""
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        return subprocess.Popen(self.command(*arguments), env=self.environment, text=True, **given)

    def command(self, *arguments: str) -> list[str]:
        """The command of such a process."""
        return [sys.executable, "-m", "efsdiag", *self.words(*arguments)]

    def words(self, *arguments: str) -> list[str]:
        """The arguments with the lab's cluster; a digest that is among them is the test's consent."""
        consents.agree_on(arguments, self.journal)
        live = arguments[0] not in ("journal", "explain", "graph")
        return [*arguments, *(["--kubeconfig", str(self.kube.kubeconfig(self.folder))] if live else [])]

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def environment(self) -> dict[str, str]:
        return {**unconfigured(), **self.aws.environment, "EFSDIAG_JOURNAL": str(self.journal)}

    @property
    def target(self) -> tuple[str, str, str]:
        """The target's words: "pod/x", "-n", its namespace."""
        namespace, kind, name = self.expect["target"].split("/")
        return f"{kind}/{name}", "-n", namespace


def renamed(bundle: Path, aws: AwsWorld, folder: Path) -> Path:
    """The bundle's Kubernetes objects with the ids of the moto world."""
    for file in sorted((bundle / "cluster-resources").rglob("*")):
        if file.is_file():
            target = folder / file.relative_to(bundle)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(aws.rename(file.read_text()))
    (folder / "bundle.json").write_text((bundle / "bundle.json").read_text())
    return folder


@contextmanager
def lab_of(situation: str, folder: Path) -> Iterator[Lab]:
    """The lab of a fixture. Its files are in `folder`."""
    bundle = FIXTURES / situation
    manifest = json.loads((bundle / "bundle.json").read_text())
    with AwsWorld(manifest["aws"]["region"]) as aws:
        build(aws, bundle)
        with KubeApi.from_bundle(renamed(bundle, aws, folder / "served")) as kube:
            yield Lab(kube, aws, json.loads((bundle / "expect.json").read_text()), folder)
