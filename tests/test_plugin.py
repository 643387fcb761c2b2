"""How efsdiag fits into a shell: kubectl's plugin, completion, versions, manual pages, each with the real program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import yaml
from click.shell_completion import ShellComplete
from conftest import FIXTURES, ROOT, run_efsdiag, unconfigured
from kubeapi import KubeApi
from test_kubeapi_kubectl import KUBECTL

from efsdiag.cli.completion import SHELLS
from efsdiag.cli.group import COMMANDS, program
from efsdiag.cli.versions import PACKAGES
from efsdiag.remedy_rules import load_remedies
from efsdiag.report.man import Manual, roff
from efsdiag.subjects import KINDS

BASH, GROFF, MAN = (shutil.which(name) for name in ("bash", "groff", "man"))
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
STORY = str(FIXTURES / "story-parent-dir")
POD = "prometheus-server-dvj2hz2rgs-xhcx2"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs of pyproject.toml, as pip makes them."""
    folder = tmp_path_factory.mktemp("bin")
    for name, target in SCRIPTS.items():
        module, _, function = target.partition(":")
        file = folder / name
        file.write_text(f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        file.chmod(0o755)
    return folder


# --- versions -----------------------------------------------------------------------------------------------------


def test_the_version_is_one_line() -> None:
    assert run_efsdiag(["--version"]) == (0, f"efsdiag, version {version('efsdiag')}\n", "")


@pytest.mark.parametrize(
    "arguments", [["--version", "-o", "json"], ["-o", "json", "--version"], ["--version", "-ojson"]]
)
def test_in_json_the_version_tells_everything_that_decides_what_is_said(arguments: list[str], rulebook) -> None:
    code, out, err = run_efsdiag(arguments)
    document = json.loads(out)
    assert (code, err, document["kind"]) == (0, "", "Version")
    assert document["efsdiag"] == version("efsdiag")
    assert document["python"] == ".".join(map(str, sys.version_info[:3]))
    assert document["packages"] == {name: version(name) for name in PACKAGES}
    assert document["rules"]["checks"] == len(rulebook.checks)
    assert document["rules"]["modes"] == len(rulebook.modes)
    assert document["rules"]["judged"] == sum(not mode.not_judged for mode in rulebook.modes.values())
    assert document["rules"]["remedies"] == len(load_remedies())


def test_the_packages_are_those_that_efsdiag_depends_on() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {re.match(r"[\w-]+", text)[0] for text in named} | {"botocore"} == set(PACKAGES)


def test_the_version_is_told_in_yaml_too() -> None:
    assert yaml.safe_load(run_efsdiag(["--version", "-o", "yaml"])[1])["kind"] == "Version"


def test_a_format_before_the_command_is_no_silent_choice() -> None:
    code, out, _ = run_efsdiag(["-o", "json", "explain", "--list"])
    assert code == 2
    assert json.loads(out)["error"]["message"] == "-o stands behind the command, as in efsdiag why TARGET -o json"


# --- completion ---------------------------------------------------------------------------------------------------


def offered(*words: str) -> list[str]:
    """What is offered for the last word."""
    items = ShellComplete(program, {}, "efsdiag", "_EFSDIAG_COMPLETE").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in items]


def test_commands_are_offered() -> None:
    assert offered("") == list(COMMANDS)
    assert offered("pe") == ["permissions"]


def test_after_explain_modes_are_offered(rulebook) -> None:
    assert offered("explain", "") == sorted(rulebook.modes)
    assert offered("explain", "permission.parent") == ["permission.parent-not-searchable"]


def test_after_why_and_plan_kinds_are_offered() -> None:
    for command in ("why", "plan"):
        assert offered(command, "") == sorted(KINDS)
        assert offered(command, "stat") == ["statefulset"]


def test_pods_of_a_bundle_are_offered_in_each_spelling_of_a_target() -> None:
    assert offered("why", "--bundle", STORY, f"pod/{POD[:20]}") == [f"pod/{POD}"]
    assert offered("why", "--bundle", STORY, "po", POD[:20]) == [POD]
    assert offered("why", "--bundle", STORY, POD[:20]) == [POD]
    assert offered("why", "--bundle", STORY, "pvc/") == ["pvc/prometheus-server"]
    assert offered("why", "--bundle", STORY, "-n", "elsewhere", "pod/") == []


@pytest.mark.parametrize("words", [("pod/",), ("--bundle", "no-such-folder", "pod/"), ("--bundle", STORY, "secret/")])
def test_where_nothing_is_known_nothing_is_offered(words: tuple[str, ...]) -> None:
    assert offered("why", *words) == []


def test_a_name_that_is_no_name_of_kubernetes_is_not_handed_to_the_shell(tmp_path: Path) -> None:
    folder = tmp_path / "cluster-resources" / "pods"
    folder.mkdir(parents=True)
    names = ["web-0", "$(reboot)", "a b", "web-1\n", "-x", "*"]
    items = [{"metadata": {"name": n, "namespace": "default", "uid": n}, "spec": {}, "status": {}} for n in names]
    (folder / "default.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))
    assert offered("why", "--bundle", str(tmp_path), "pod/") == ["pod/web-0"]


def test_checks_and_remedies_and_formats_are_offered(rulebook) -> None:
    assert offered("graph", "nfs-port") == [id_ for id_ in sorted(rulebook.checks) if id_.startswith("nfs-port")]
    assert offered("plan", "x", "--remedy", "label-") == ["label-volume"]
    assert offered("why", "x", "-o", "j") == ["json"]
    assert offered("schema", "Diag") == ["Diagnosis"]
    assert offered("permissions", "--for", "w") == ["why"]
    assert offered("completion", "") == list(SHELLS)


@pytest.mark.skipif(BASH is None, reason="there is no bash on PATH")
class TestInBash:
    """The script in the real shell."""

    def complete(self, programs: Path, *words: str) -> list[str]:
        script = (
            'eval "$(efsdiag completion bash)"; complete -p efsdiag >/dev/null || exit 9; '
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _efsdiag_completion efsdiag "${@: -1}"; '
            "printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        command = [str(BASH), "--norc", "-c", script, "bash", "efsdiag", *words]
        made = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
        assert made.stderr == ""
        return made.stdout.split()

    def test_a_command_and_a_pod_of_a_bundle_are_completed(self, programs: Path) -> None:
        assert self.complete(programs, "perm") == ["permissions"]
        assert self.complete(programs, "why", "--bundle", STORY, "pod/prometheus-server-d") == [f"pod/{POD}"]

    def test_the_script_is_one_that_bash_parses(self) -> None:
        subprocess.run([str(BASH), "-n"], input=run_efsdiag(["completion", "bash"])[1], text=True, check=True)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_of_another_shell_is_one_that_it_parses(shell: str) -> None:
    code, script, _ = run_efsdiag(["completion", shell])
    assert code == 0
    assert "_EFSDIAG_COMPLETE" in script
    found = shutil.which(shell)
    if not found:
        pytest.skip(f"there is no {shell} on PATH, so its script was printed and not parsed")
    subprocess.run([found, "-n"], input=script, text=True, check=True)


def test_the_program_that_kubectl_asks_says_what_the_shell_is_to_do(programs: Path) -> None:
    """The words, then a directive of cobra: 4 for no files, 0 for what the shell does by itself."""

    def said(*words: str) -> list[str]:
        command = [str(programs / "kubectl_complete-efsdiag"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    assert said("explain", "permission.parent") == ["permission.parent-not-searchable", ":4"]
    assert said("why", "--bundle", "") == [":0"]
    assert said()[-1] == ":4"


# --- kubectl ------------------------------------------------------------------------------------------------------


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH")
class TestWithKubectl:
    """efsdiag as kubectl runs it."""

    def run(self, programs: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**unconfigured(), "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home)}
        command = [str(KUBECTL), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)

    def needs_completion(self) -> None:
        made = subprocess.run([str(KUBECTL), "version", "--client", "-o", "json"], capture_output=True, check=True)
        minor = int(re.match(r"\d+", json.loads(made.stdout)["clientVersion"]["minor"])[0])
        if minor < 26:
            pytest.skip(f"kubectl 1.{minor} asks no plugin for completions; 1.26 was the first that did")

    def test_kubectl_finds_the_plugin(self, programs: Path, tmp_path: Path) -> None:
        made = self.run(programs, tmp_path, "plugin", "list", "--name-only")
        assert "kubectl-efsdiag" in made.stdout.splitlines()

    def test_usage_says_what_was_typed(self, programs: Path, tmp_path: Path) -> None:
        made = self.run(programs, tmp_path, "efsdiag", "why", "--help")
        assert made.stdout.startswith("Usage: kubectl efsdiag why [OPTIONS] TYPE/NAME")
        wrong = self.run(programs, tmp_path, "efsdiag", "why")
        assert wrong.returncode == 2
        assert "kubectl efsdiag why --help" in wrong.stderr

    def test_a_bundle_is_diagnosed_with_the_exit_code_of_efsdiag(self, programs: Path, tmp_path: Path) -> None:
        made = self.run(programs, tmp_path, "efsdiag", "why", f"pod/{POD}", "--bundle", STORY, "-o", "json")
        assert made.returncode == 1
        assert json.loads(made.stdout)["rootCauses"][0]["id"] == "permission.parent-not-searchable"

    def test_the_cluster_is_the_one_of_kubectl(self, programs: Path, tmp_path: Path) -> None:
        with KubeApi.from_bundle(STORY) as api:
            config = api.kubeconfig(tmp_path)
            given = ["--kubeconfig", str(config), "--region", "ap-northeast-2", "-o", "json"]
            made = self.run(programs, tmp_path, "efsdiag", "why", f"pod/{POD}", *given)
            assert api.requests
        assert json.loads(made.stdout)["environment"]["context"] == "kubeapi"

    def test_kubectl_completes_it(self, programs: Path, tmp_path: Path) -> None:
        self.needs_completion()
        made = self.run(
            programs, tmp_path, "__complete", "efsdiag", "why", "--bundle", STORY, "pod/prometheus-server-d"
        )
        assert made.stdout.splitlines() == [f"pod/{POD}", ":4"]
        made = self.run(programs, tmp_path, "__complete", "efsdiag", "perm")
        assert [line.partition("\t")[0] for line in made.stdout.splitlines()] == ["permissions", ":4"]

    def test_where_a_file_is_wanted_the_shell_finds_it(self, programs: Path, tmp_path: Path) -> None:
        self.needs_completion()
        made = self.run(programs, tmp_path, "__complete", "efsdiag", "why", "--bundle", "")
        assert made.stdout.splitlines() == [":0"]


# --- manual pages -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man") / "man1"
    assert run_efsdiag(["man", "--dir", str(folder)])[0] == 0
    return folder


def test_every_command_has_a_page(pages: Path) -> None:
    assert {f.name for f in pages.iterdir()} == {"efsdiag.1", *(f"efsdiag-{name}.1" for name in COMMANDS)}


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_a_page_has_every_option_that_help_has(name: str) -> None:
    context = click.Context(program, info_name="efsdiag")
    command = program.get_command(context, name) if name else program
    assert command is not None
    page = run_efsdiag(["man", *([name] if name else [])])[1].replace("\\-", "-")
    options = [option for param in command.params if isinstance(param, click.Option) for option in param.opts]
    assert [option for option in options if option not in page] == []
    assert page.startswith('.TH "EFSDIAG')


@pytest.mark.skipif(GROFF is None, reason="there is no groff on PATH")
def test_groff_has_nothing_to_say_about_the_pages(pages: Path) -> None:
    files = sorted(pages.iterdir())
    made = subprocess.run(
        [str(GROFF), "-man", "-Tutf8", "-ww", "-z", *files], capture_output=True, text=True, check=True
    )
    assert made.stderr == ""


@pytest.mark.skipif(GROFF is None, reason="there is no groff on PATH")
def test_what_looks_like_a_request_is_shown_as_it_is() -> None:
    text = '.SH GONE\\n "quoted" \\fB …'
    page = roff(Manual("efsdiag x", text, text, ["'first", text], [(text, text)], epilog=text, see_also=["b"]), "1")
    command = [str(GROFF), "-man", "-Tutf8", "-ww"]
    made = subprocess.run(command, input=page, capture_output=True, text=True, check=True)
    # Bold letters are printed twice, one over the other, or stand between escape sequences.
    shown = re.sub("\x1b\\[[0-9;]*m|.\x08", "", made.stdout)
    assert made.stderr == ""
    assert shown.count('.SH GONE\\n "quoted" \\fB …') == 6
    assert "'first" in shown


@pytest.mark.skipif(MAN is None, reason="there is no man on PATH")
def test_man_shows_a_page(pages: Path) -> None:
    command = [str(MAN), "--warnings", "-l", str(pages / "efsdiag-why.1")]
    environment = {**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}
    made = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    assert made.stderr == ""
    assert "efsdiag why pod/prometheus-server-0 -n monitoring" in made.stdout


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run_efsdiag(["man", "--dir", str(tmp_path / "file" / "below")])
    assert code == 2
    assert err.startswith("pages-not-written: ")


def test_a_page_of_a_command_that_is_not_there_is_refused() -> None:
    code, _, err = run_efsdiag(["man", "wy"])
    assert code == 2
    assert "there is no command 'wy'" in err
