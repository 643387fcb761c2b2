"""A plan in a cluster full of secrets, what is carried out of it, and its journal: none of them has a secret in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from canary import PLAN_SHOWN, assert_sown, found_in, said, sown_lab, written_in
from lab import Lab

from efsdiag.cli.plan import EMITS
from efsdiag.treat.journal import journals


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fault that is mended by a change in AWS."""
    with sown_lab("nfs-port-closed", tmp_path_factory.mktemp("closed")) as lab:
        yield lab


def test_the_canary_is_served_in_every_place(closed: Lab) -> None:
    assert_sown(closed)


@pytest.mark.parametrize("emit", EMITS)
def test_a_plan_has_no_secret(closed: Lab, emit: str) -> None:
    code, text = said(closed, "plan", *closed.target, "--emit", emit)
    assert code == 0, text
    assert PLAN_SHOWN.search(text)


def test_what_is_carried_out_and_its_journal_have_no_secret(closed: Lab, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    code, text = said(closed, "plan", *closed.target, "-o", str(file))
    assert code == 0, text
    digest = json.loads(file.read_text())["digest"]
    code, text = said(closed, "apply", str(file), "--approve", digest, "--settle", "1s")
    assert code == 0, text
    for asked in ((), (journals(closed.journal)[0].id,)):
        code, text = said(closed, "journal", *asked)
        assert code == 0, text
        assert digest[:8] in text
    assert said(closed, "undo", "--approve", digest)[0] == 0
    assert found_in(file.read_bytes(), *(data for _, data in written_in(closed.journal))) == []
