"""`efsdiag apply`: carry out a plan that was agreed to."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.completing import files
from efsdiag.cli.options import account_options, cluster_options, look_options, seconds, write_options


@click.command(epilog="Example: efsdiag apply plan.json --approve 3f9c…")
@click.argument("file", metavar="FILE", shell_complete=files)
@click.option("--approve", metavar="DIGEST", default="", help="The digest of the plan that you agree to, in full.")
@click.option("--settle", callback=seconds, metavar="TIME", help="Wait at most so long for a check to pass.")
@write_options
@look_options
@cluster_options
@account_options
def apply(file: str, **given: Any) -> int:
    """Carry out the plan in FILE, look again until what failed passes, and say what stands in the way then.

    The plan is made again from fresh evidence first, and refused where that gives another digest. What is written goes
    to the journal, and `efsdiag undo` takes it back.
    """
    from efsdiag.cli.applying import apply_file

    return apply_file(file, given)
