"""What several test files share: golden files, the rules, and the situations under fixtures/."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import awsworld
import consents
import documents
import kubeapi.record
import pytest
import sampling
from hypothesis import settings

from efsdiag.cli import main
from efsdiag.investigate import Investigation, investigate
from efsdiag.model import Subject
from efsdiag.rules import Rulebook, load_rulebook
from efsdiag.world.bundle import BundleSource

# Machines are shared and slow: no example fails for the time it takes, and every run tries the same ones.
settings.register_profile("efsdiag", deadline=None, derandomize=True)
settings.load_profile("efsdiag")

kubeapi.record.WATCHERS.append(consents.watch_kube)
awsworld.WATCHERS.append(consents.watch_aws)
json.dumps, json.dump = documents.watched(json.dumps), documents.watched(json.dump)

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write tests/golden/ anew, to be read in review")
    parser.addoption("--all", action="store_true", help="also run what is marked exhaustive: all of many alike")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        for item in items:
            if item.get_closest_marker("exhaustive"):
                item.add_marker(pytest.mark.skip(reason=sampling.REASON))


@pytest.fixture
def golden(request):
    """`golden(name, text)` compares the text with tests/golden/<name>, or writes it there with --rewrite-golden."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--rewrite-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.read_text(encoding="utf-8") == text

    return compare


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    return load_rulebook()


@dataclass(frozen=True)
class Situation:
    """A folder of fixtures/: a bundle, and what a diagnosis of it must say."""

    path: Path

    @property
    def expect(self) -> dict[str, Any]:
        return json.loads((self.path / "expect.json").read_text(encoding="utf-8"))

    @property
    def target(self) -> Subject:
        namespace, kind, name = self.expect["target"].split("/")
        return Subject(kind, namespace, name)

    def investigated(self, rulebook: Rulebook) -> Investigation:
        """The situation as the library sees it; a mistake in any evidence function or check is raised."""
        with BundleSource(self.path) as source:
            now = datetime.fromisoformat(source.captured_at)
            return investigate(rulebook, source, self.target, now, strict=True)

    def asked(self, *options: str) -> list[str]:
        """The arguments of the command that diagnoses the situation."""
        target = self.target
        where = ["-n", target.namespace, "--bundle", str(self.path)]
        return ["why", f"{target.kind}/{target.name}", *where, *options]

    def report(self) -> dict[str, Any]:
        """The document that the command prints."""
        return json.loads(run_efsdiag(self.asked("-o", "json"))[1])


def run_efsdiag(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, in this process."""
    consents.agree_on(arguments)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def unconfigured() -> dict[str, str]:
    """The environment, without what leads to the cluster and the account of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KUBE"))}


@pytest.fixture(scope="session")
def situation():
    """`situation("nfs-port-closed")`."""
    return lambda name: Situation(FIXTURES / name)


@pytest.fixture(autouse=True)
def no_write_without_consent():
    """Fails a test in which efsdiag wrote, to any server of the tests, what no consent of the test was for."""
    consents.forget()
    yield
    assert consents.OFFENCES == []


@pytest.fixture(autouse=True)
def every_document_has_its_schema():
    """Fails a test in which efsdiag made a document that its schema does not allow."""
    documents.OFFENCES.clear()
    yield
    assert documents.OFFENCES == []


@pytest.fixture(autouse=True)
def no_account_is_emptied_by_another():
    """Fails a test that asks an account although another one was opened since."""
    awsworld.EMPTIED.clear()
    yield
    assert awsworld.EMPTIED == []


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """No test depends on the terminal, the colours or the AWS configuration of whoever runs it."""
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
