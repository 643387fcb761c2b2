"""What a user gets: the wheel, the editable install, and dependencies that can be installed together."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LIST_RULES = """
import json, sys
from importlib.resources import files

def names(folder, above=""):
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from names(entry, f"{above}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield above + entry.name

from efsdiag.rules import load_rulebook
print(json.dumps({
    "files": sorted(names(files("efsdiag.rulebook"))),
    "checks": len(load_rulebook().checks),
    "from": load_rulebook.__code__.co_filename,
}))
"""


def rule_files() -> list[str]:
    """rules/vpc.yaml as "vpc.yaml", rules/modes/csi.yaml as "modes/csi.yaml"."""
    return sorted(str(file.relative_to(ROOT / "rules")) for file in (ROOT / "rules").rglob("*.yaml"))


def requirement(name: str) -> Requirement:
    return next(r for r in map(Requirement, PROJECT["dependencies"]) if r.name == name)


def run_python(code: str, *path: Path, cwd: Path) -> dict:
    """The JSON that the code prints, run with `path` before everything that is installed."""
    before = "import sys\n" + "".join(f"sys.path.insert(0, {str(p)!r})\n" for p in path)
    made = subprocess.run(
        [sys.executable, "-c", before + code], cwd=cwd, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(made.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the sources, so that no build/ of an earlier day can add to it."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    source.mkdir()
    leave = shutil.ignore_patterns("__pycache__")
    for name in ("efsdiag", "rules"):
        shutil.copytree(ROOT / name, source / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    made = subprocess.run(
        [*command, "--wheel-dir", place, source], check=False, capture_output=True, text=True, timeout=200
    )
    assert made.returncode == 0, made.stderr
    return next(place.glob("efsdiag-*.whl"))


@pytest.fixture(scope="module")
def in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_rule_and_every_mode(in_wheel):
    packaged = sorted(n.removeprefix("efsdiag/rulebook/") for n in in_wheel if n.endswith(".yaml"))
    assert "vpc.yaml" in packaged
    assert "modes/network.yaml" in packaged
    assert packaged == rule_files()


def test_the_wheel_holds_every_schema_and_finds_them(wheel, in_wheel, tmp_path):
    files = {str(file.relative_to(ROOT)) for file in (ROOT / "efsdiag" / "schemas").glob("*.json")}
    assert {name for name in in_wheel if name.startswith("efsdiag/schemas/") and name.endswith(".json")} == files
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import json\nfrom efsdiag.schemas import kinds, schema_of\n"
    code += "print(json.dumps({kind: len(schema_of(kind)) for kind in kinds()}))"
    assert set(run_python(code, tmp_path / "site", cwd=tmp_path)) == {Path(file).stem for file in files} - {"shared"}


def test_the_wheel_holds_every_module_and_says_that_it_is_typed(in_wheel):
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "efsdiag").rglob("*.py")}
    assert modules - in_wheel == set()
    assert "efsdiag/py.typed" in in_wheel


def test_the_wheel_holds_no_tests_and_no_bundles(in_wheel):
    assert {name.partition("/")[0] for name in in_wheel} == {"efsdiag", f"efsdiag-{PROJECT['version']}.dist-info"}


def test_rules_are_found_in_the_wheel_when_it_is_installed(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    found = run_python(LIST_RULES, tmp_path / "site", cwd=tmp_path)
    assert found["from"].startswith(str(tmp_path))
    assert found["files"] == rule_files()
    assert found["checks"] > 100


def test_rules_are_found_in_the_install_that_the_tests_run_in(tmp_path):
    found = run_python(LIST_RULES, cwd=tmp_path)
    assert found["files"] == rule_files()
    assert found["checks"] > 100


def test_the_command_is_the_one_that_the_project_names(tmp_path):
    (command,) = entry_points(group="console_scripts", name="efsdiag")
    assert command.value == PROJECT["scripts"]["efsdiag"] == "efsdiag.cli:main"
    script = Path(sys.executable).parent / "efsdiag"
    made = subprocess.run([script, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert made.stdout == f"efsdiag, version {PROJECT['version']}\n"


@pytest.mark.parametrize(
    ("name", "too_old", "oldest"), [("boto3", "1.39.99", "1.40"), ("kubernetes", "37.0.0", "37.0.1")]
)
def test_boto3_and_kubernetes_have_lower_bounds_and_their_installed_versions_keep_them(name, too_old, oldest):
    """Without bounds on both, a resolver tries hundreds of boto3 releases, or takes one from 2014."""
    bounds = requirement(name).specifier
    assert too_old not in bounds
    assert oldest in bounds
    assert Version(version(name)) >= Version(oldest)


def test_the_kubernetes_release_that_cannot_stand_beside_boto3_is_left_out():
    assert "37.0.2" not in requirement("kubernetes").specifier
    assert "37.0.3" in requirement("kubernetes").specifier


def test_boto3_is_named_before_kubernetes():
    names = [Requirement(text).name for text in PROJECT["dependencies"]]
    assert names.index("boto3") < names.index("kubernetes")


def test_every_dependency_has_a_lower_and_an_upper_bound():
    open_ended = [
        r for r in PROJECT["dependencies"] if not {">=", "<"} <= {s.operator for s in Requirement(r).specifier}
    ]
    assert open_ended == []
