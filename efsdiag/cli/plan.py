"""`efsdiag plan`: what would be changed to mend what `why` finds. It only reads."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.completing import files, targets
from efsdiag.cli.options import (
    account_options,
    cluster_options,
    look_options,
    plan_options,
    probe_options,
    write_options,
)

EMITS = ("text", "json", "commands", "yaml", "terraform")


@click.command(
    epilog="Examples: efsdiag plan pod/prometheus-server-0 -n monitoring -o plan.json; "
    "efsdiag apply plan.json --approve DIGEST"
)
@click.argument("target", nargs=-1, required=True, metavar="TYPE/NAME | TYPE NAME | POD", shell_complete=targets)
@click.option("-n", "--namespace", metavar="NAME", help="Namespace; else the context's, and default in a bundle.")
@click.option("--bundle", metavar="PATH", shell_complete=files, help="Plan from a recorded bundle: for review.")
@click.option(
    "--rules", metavar="DIR", shell_complete=files, help="Your own rules and functions beside those of efsdiag."
)
@click.option("-o", "--output", "file", metavar="FILE", help="Write the plan to FILE, for `efsdiag apply`.")
@click.option("--emit", type=click.Choice(EMITS), default="text", show_default=True, help="What is printed.")
@plan_options
@probe_options
@write_options
@look_options
@cluster_options
@account_options
def plan(target: tuple[str, ...], **given: Any) -> int:
    """Say what would mend TARGET: the changes with their risk, their undo and their digest. Nothing is changed.

    With --probe the volume is looked into first, by a Job that is agreed to, and is gone at the end.

    A plan is carried out by `efsdiag apply`, with a yes to its digest.
    """
    from efsdiag.cli.planning import print_plan

    return print_plan(target, given)
