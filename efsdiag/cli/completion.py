"""`efsdiag completion`: the script that teaches a shell to complete the command line; and what kubectl asks for."""

from __future__ import annotations

import sys

import click

from efsdiag.cli import output

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_EFSDIAG_COMPLETE"
"""Set by the script: what click's own answer to a shell listens to."""
NO_FILES = 4
FILES = 0
"""What the shell does with the words, as kubectl takes it: ShellCompDirectiveNoFileComp and Default of cobra.
Source: https://github.com/spf13/cobra/blob/main/completions.go"""


@click.command(
    epilog='Examples: eval "$(efsdiag completion bash)"; '
    "efsdiag completion fish > ~/.config/fish/completions/efsdiag.fish"
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> int:
    """Print the script that completes efsdiag's commands, options, targets and modes in SHELL."""
    from click.shell_completion import ShellComplete, get_completion_class

    from efsdiag.cli.group import program

    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover - click has had these three since it completes at all
        raise click.UsageError(f"this version of click does not complete {shell}")
    # That of bash would start bash, to ask for its version.
    output.write(ShellComplete.source(kind(program, {}, "efsdiag", VARIABLE)))
    return 0


def kubectl_complete() -> int:
    """What `kubectl efsdiag …` offers: kubectl runs this program with the words so far, the last one unfinished.

    It prints a word on each line, and then what the shell is to do with them.
    Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/ and cobra's `__complete`
    """
    from click.shell_completion import ShellComplete

    from efsdiag.cli.group import program

    *words, unfinished = sys.argv[1:] or [""]
    items = ShellComplete(program, {}, "efsdiag", VARIABLE).get_completions(words, unfinished)
    plain = [item for item in items if item.type == "plain"]
    lines = [f"{item.value}\t{item.help}" if item.help else item.value for item in plain]
    output.write("\n".join([*lines, f":{NO_FILES if len(plain) == len(items) else FILES}", ""]))
    return 0
