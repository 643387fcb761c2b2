"""The program's root command. A command's module is imported when the command is named or listed."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from efsdiag.cli.versions import ARGUMENTS, show_version

COMMANDS = {
    "why": "efsdiag.cli.why:why",
    "check": "efsdiag.cli.check:check",
    "plan": "efsdiag.cli.plan:plan",
    "apply": "efsdiag.cli.apply:apply",
    "install": "efsdiag.cli.install:install",
    "uninstall": "efsdiag.cli.uninstall:uninstall",
    "undo": "efsdiag.cli.undo:undo",
    "journal": "efsdiag.cli.journal:journal",
    "capture": "efsdiag.cli.capture:capture",
    "probe-path": "efsdiag.cli.probe_path:probe_path",
    "diff": "efsdiag.cli.diff:diff",
    "explain": "efsdiag.cli.explain:explain",
    "graph": "efsdiag.cli.graph:graph",
    "schema": "efsdiag.cli.schema:schema",
    "permissions": "efsdiag.cli.permissions:permissions",
    "completion": "efsdiag.cli.completion:completion",
    "man": "efsdiag.cli.man:man",
}
"""Command → where it is. These modules import nothing but click themselves."""


class LazyGroup(click.Group):
    """A group whose commands are imported one by one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        typed = args[0]
        if typed not in COMMANDS and not typed.startswith("-"):
            near = difflib.get_close_matches(typed, COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"commands are {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {typed!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    name="efsdiag",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 healthy, 1 a cause was found, 2 usage, 3 inconclusive, 4 cannot reach or sign in, "
    "5 a remedy failed or did not help, 6 consent missing or plan stale, 70 a fault of efsdiag.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=show_version,
    help="Show the version and exit; with -o json also those of what efsdiag is built upon.",
)
@click.option("-o", "--output", "form", type=click.Choice(["json", "yaml"]), help="With --version: format.")
def program(form: str | None) -> None:
    """Finds why a pod whose data is on Amazon EFS does not run: proven root causes, not a list of symptoms.

    It only reads, but for `apply`, `undo`, --fix and --probe: they write what was agreed to, and nothing else.
    """
    if form:
        raise click.UsageError("-o stands behind the command, as in efsdiag why TARGET -o json")
