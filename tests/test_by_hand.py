"""The commands that show a fault by hand are commands: the real kubectl takes them, and AWS's own API models do."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import jmespath
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator
from commandline import Shell, missing
from conftest import FIXTURES
from kubeapi import KubeApi

from efsdiag.rules import load_rulebook

RULES = load_rulebook()
COMMANDS = sorted({c for thing in (*RULES.checks.values(), *RULES.modes.values()) for c in thing.by_hand})
ARN = "arn:aws:iam::123456789012:role/x"
TARGET = "fsmt-0123456789abcdef0"
NAMES = {"namespace": "default", "fsmt": TARGET, "mount-target": TARGET, "policy-arn": ARN, "role-arn": ARN}
"""What is put in for some placeholders; for the others it is their own name, as one word."""
GLOBAL = {"query", "region", "output"}
ACCEPTED = re.compile(
    r"NotFound|the server doesn't have a resource type|unable to upgrade|no objects passed"
    r"|\((Forbidden|BadRequest|UnsupportedMediaType)\)"
)
"""What the cluster, and not kubectl, says of a command: then kubectl has taken it."""


def filled(command: str) -> str:
    """The command with a word in the place of every placeholder, or a time, or a file that is there."""
    command = command.replace("<from>", "2026-11-21T00:00:00Z").replace("<to>", "2026-11-22T00:00:00Z")
    command = command.replace("<file>", "/dev/null")
    return re.sub(r"<([a-z][a-z -]*)>", lambda m: NAMES.get(m[1], m[1].replace(" ", "-")), command)


def of(program: str) -> list[str]:
    return sorted({filled(c) for c in COMMANDS if c.startswith(f"{program} ")})


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_means_the_same_in_every_shell(command: str) -> None:
    """zsh ends with an error where a pattern outside of quotes matches no file, and macOS comes with zsh."""
    assert subprocess.run(["sh", "-n", "-c", filled(command)], check=False).returncode == 0
    bare = re.sub(r"'[^']*'", "", filled(command))
    assert not set("[]*?{}") & set(bare), bare


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    home = tmp_path_factory.mktemp("home")
    with KubeApi.from_bundle(FIXTURES / "story-parent-dir") as api:
        yield Shell(home, api.kubeconfig(home), "http://127.0.0.1:9", "us-east-1")


@pytest.mark.kubectl
@pytest.mark.skipif(bool(missing("kubectl")), reason=missing("kubectl"))
def test_kubectl_takes_every_command(shell: Shell) -> None:
    """All in one test, a few at a time: each is a process."""
    with ThreadPoolExecutor(4) as pool:
        commands = of("kubectl")
        refused = [
            f"{command}: {done.stderr.strip()}"
            for command, done in zip(commands, pool.map(shell, commands), strict=True)
            if done.returncode and done.stderr.strip() and not ACCEPTED.search(done.stderr)
        ]
    assert refused == []


def option_value(words: list[str], shape: Any) -> Any:
    """The words behind an option, as the AWS CLI reads them for a parameter of that shape."""
    if shape.type_name == "list" and shape.member.type_name == "structure":
        return [_shorthand(word, shape.member) for word in words]
    if shape.type_name == "list":
        return words
    (word,) = words
    return {"integer": int, "boolean": bool}.get(shape.type_name, str)(word)


def _shorthand(word: str, shape: Any) -> dict[str, Any]:
    """Name=vpc-id,Values=a: https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-shorthand.html"""
    pairs = dict(part.split("=", 1) for part in word.split(","))
    return {name: [value] if shape.members[name].type_name == "list" else value for name, value in pairs.items()}


@pytest.mark.parametrize("command", of("aws"))
def test_aws_has_the_operation_and_its_parameters(command: str) -> None:
    _, service, operation, *rest = shlex.split(command.partition(" | ")[0])
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names
    shape = model.operation_model(names[operation]).input_shape
    options: dict[str, list[str]] = {}
    for word in rest:
        if word.startswith("--"):
            options[word.removeprefix("--")] = []
        else:
            options[list(options)[-1]].append(word)
    if "query" in options:
        jmespath.compile(options["query"][0])
    known = {xform_name(name, "-"): name for name in (shape.members if shape else ())}
    given = {known[o]: option_value(v, shape.members[known[o]]) for o, v in options.items() if o not in GLOBAL}
    report = ParamValidator().validate(given, shape) if shape else None
    assert report is None or not report.has_errors(), report.generate_report()


def test_there_are_commands_of_both() -> None:
    assert len(of("kubectl")) > 100
    assert len(of("aws")) > 40
