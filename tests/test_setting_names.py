"""Names that are made from the setting `name`: each is such as its own setting would take, or the mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from efsdiag.settings_file import load_settings
from efsdiag.yaml_files import RuleError

LONG = "a" * 63


def mistake(folder: Path, text: str, *flags: str) -> RuleError:
    file = folder / "efsdiag.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        load_settings(file, flags)
    return caught.value


def test_a_name_that_makes_one_too_long_for_iam_is_told_with_its_line_and_both_settings(tmp_path: Path) -> None:
    found = mistake(tmp_path, f"# mine\nname: {LONG}\niam: {{policy: p}}\n")
    assert found.where == f"{tmp_path / 'efsdiag.yaml'}:2"
    assert found.message.startswith("name makes iam.role, iam.instanceProfile, which is 'aaa")
    assert "(at most 64)" in found.message
    assert found.hint == "shorten name, or give iam.role, iam.instanceProfile"


def test_the_flag_that_gave_the_name_is_told(tmp_path: Path) -> None:
    found = mistake(tmp_path, "name: short\n", f"name={LONG}")
    assert found.where == f"--set name={LONG}"


def test_a_long_name_is_taken_where_nothing_is_made_from_it_that_is_too_long(tmp_path: Path) -> None:
    names = [f"iam.{key}=mine" for key in ("role", "policy", "instanceProfile")]
    assert load_settings(None, [f"name={LONG}", *names]).claim == LONG
    assert load_settings(None, [f"name={'a' * 56}"]).iam.role == f"{'a' * 56}-efs-csi"


@pytest.mark.parametrize(("name", "says"), [("''", "is ''; a name of small"), ("sg-mine", "does not begin with sg-")])
def test_a_name_of_which_nothing_can_be_made_is_told(tmp_path: Path, name: str, says: str) -> None:
    found = mistake(tmp_path, f"tags: {{a: b}}\nname: {name}\n")
    assert (found.reference, found.where) == ("setting-invalid", f"{tmp_path / 'efsdiag.yaml'}:2")
    assert says in found.message
