"""`efsdiag graph`: the checks, and which of them keep which others from coming true."""

from __future__ import annotations

import click

from efsdiag.cli.completing import checks


@click.command(epilog="Example: efsdiag graph --format dot volume-mounted | dot -Tsvg > graph.svg")
@click.argument("check", required=False, shell_complete=checks)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "dot", "mermaid"]),
    default="text",
    show_default=True,
    help="A tree, or a language that draws graphs.",
)
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
def graph(check: str | None, form: str, rules: str | None) -> int:
    """Print the graph of all checks, or the part that lies behind one CHECK."""
    import difflib

    from efsdiag.cli import output
    from efsdiag.cli.faults import Fault
    from efsdiag.cli.run import rulebook_of
    from efsdiag.report.graph import as_dot, as_mermaid, as_text, behind

    checks = rulebook_of(rules).checks
    if check and check not in checks:
        near = difflib.get_close_matches(check, checks, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "efsdiag graph shows all"
        raise Fault("check-unknown", f"there is no check {check!r}", hint)
    output.write(
        {"text": as_text, "dot": as_dot, "mermaid": as_mermaid}[form](behind(checks, check) if check else checks)
    )
    return 0
