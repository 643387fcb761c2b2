"""`efsdiag journal`: what was changed, when, and what became of it."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False, default="", metavar="[ID]")
def journal(name: str) -> int:
    """List the journals of this user, or what the journal ID holds, step by step."""
    from efsdiag.cli.journals import print_journals

    return print_journals(name)
