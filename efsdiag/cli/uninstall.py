"""`efsdiag uninstall`: takes back what `efsdiag install` made, and nothing else."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.options import account_options, cluster_options, look_options, write_options


@click.command(epilog="Examples: efsdiag uninstall --plan; efsdiag uninstall --delete-file-system fs-0123456789abcdef0")
@click.option("-f", "--file", metavar="FILE", help="Settings of the install; else efsdiag.yaml, else their defaults.")
@click.option("--set", "flags", multiple=True, metavar="KEY=VALUE", help="A setting over those of the file.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be taken back and what stays, and end.")
@click.option("--approve", multiple=True, metavar="DIGEST", help="Agree to what has this digest; may be repeated.")
@click.option(
    "--delete-file-system",
    "file_system",
    metavar="ID",
    default="",
    help="Delete this file system with its data, after a yes apart.",
)
@click.option(
    "--delete-namespace", "empty_namespace", is_flag=True, help="Delete the namespace, where nothing is left in it."
)
@write_options
@look_options
@cluster_options
@account_options
def uninstall(**given: Any) -> int:
    """Take back what the journal of `efsdiag install` says that it made, the last first; without it, what bears the
    mark of the install.

    What was there before stays. So do the file system and its data, unless it is named by its id and agreed to apart.
    """
    from efsdiag.cli.uninstalling import run_uninstall

    return run_uninstall(given)
