"""`efsdiag diff`: what changed between two reports."""

from __future__ import annotations

import click

from efsdiag.cli.options import look_options


@click.command(epilog="Example: efsdiag diff yesterday.json today.json --fail-on-new")
@click.argument("old")
@click.argument("new")
@click.option("--fail-on-new", is_flag=True, help="Exit with 1 where a root cause is new, with 3 where nobody knows.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["terminal", "json", "yaml"]),
    default="terminal",
    show_default=True,
    help="Format.",
)
@look_options
def diff(old: str, new: str, fail_on_new: bool, form: str, verbose: bool, color: str, ascii: bool) -> int:
    """Say what is new, ongoing, resolved or not comparable between the reports in the files OLD and NEW.

    Both are what `efsdiag check -o json` printed, or what `efsdiag why -o json` printed of one target.
    """
    from efsdiag.cli.differing import print_difference
    from efsdiag.cli.output import ascii_wanted, colour_wanted, width
    from efsdiag.report.terminal import Look

    look = Look(width(), colour_wanted(color), ascii_wanted(ascii), verbose)
    return print_difference(old, new, fail_on_new, form, look)
