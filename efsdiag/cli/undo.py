"""`efsdiag undo`: take back what a plan changed."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.options import account_options, cluster_options, look_options, write_options


@click.command(epilog="Example: efsdiag undo 20261121T060000Z-3f9c2a1b")
@click.argument("journal", required=False, default="", metavar="[ID]")
@click.option("--approve", metavar="DIGEST", default="", help="The digest of the plan, in the place of a typed yes.")
@write_options
@look_options
@cluster_options
@account_options
def undo(journal: str, **given: Any) -> int:
    """Take back the changes of the journal ID, the last change first; without ID, of the newest one.

    Every step is shown, and only a typed "yes", or the digest of the plan, starts it.
    """
    from efsdiag.cli.undoing import undo_journal

    return undo_journal(journal, given)
