"""`efsdiag explain`: the page of a failure mode. It needs no cluster."""

from __future__ import annotations

import click

from efsdiag.cli.completing import modes


@click.command(epilog="Example: efsdiag explain permission.parent-not-searchable")
@click.argument("mode", required=False, shell_complete=modes)
@click.option("--list", "listed", is_flag=True, help="All failure modes, one on a line.")
def explain(mode: str | None, listed: bool) -> int:
    """Say what a failure MODE is, how to see it by hand, what it is confused with, and how to mend it."""
    from efsdiag.catalogue import load_modes
    from efsdiag.cli import output
    from efsdiag.report.page import index, page

    if listed == bool(mode):
        raise click.UsageError("wanted is a MODE, or --list")
    modes = load_modes()
    if mode and mode not in modes:
        raise _unknown(mode, list(modes))
    text = page(modes[mode], modes, output.width()) if mode else index(modes, output.width())
    output.write(text)
    return 0


def _unknown(mode: str, known: list[str]) -> Exception:
    import difflib

    from efsdiag.cli.faults import Fault

    # People remember a part of it.
    same = [id_ for id_ in known if mode.lower() in id_][:5]
    near = same or difflib.get_close_matches(mode.lower(), known, 3, 0.5)
    hint = f"did you mean {', '.join(near)}?" if near else "efsdiag explain --list shows all"
    return Fault("mode-unknown", f"there is no failure mode {mode!r}", hint)
