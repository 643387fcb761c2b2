"""`efsdiag install`: from a cluster with nothing in it to Prometheus with its data on EFS."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.options import account_options, chart_options, cluster_options, look_options, seconds, write_options


@click.command(epilog="Examples: efsdiag install --init; efsdiag install --plan; efsdiag install --approve-risk safe")
@click.option(
    "-f", "--file", metavar="FILE", help="Settings; else efsdiag.yaml where there is one, else their defaults."
)
@click.option("--set", "flags", multiple=True, metavar="KEY=VALUE", help="A setting over those of the file.")
@click.option("--init", is_flag=True, help="Write the settings with their defaults and comments into FILE, and end.")
@click.option("--plan", "only_plan", is_flag=True, help="Show the first plan and what follows, and end.")
@click.option("--dry-run", is_flag=True, help="Show every claim of the target and the first plan, and end.")
@click.option("--approve", multiple=True, metavar="DIGEST", help="Agree to the plan of this digest; may be repeated.")
@click.option(
    "--approve-risk",
    type=click.Choice(["safe", "disruptive"]),
    help="Agree to every plan whose changes have at most this risk.",
)
@click.option("--settle", callback=seconds, metavar="TIME", help="Wait at most so long for what a plan was for.")
@click.option("--probe-image", default="", metavar="IMAGE", help="Image of Jobs; else the one of the settings.")
@chart_options
@write_options
@look_options
@cluster_options
@account_options
def install(**given: Any) -> int:
    """Bring Prometheus up with its data on EFS: diagnose, propose, ask, apply, look again, until it is ready.

    What is there already is used. Run it again after an interruption: it goes on from what it finds.
    """
    from efsdiag.cli.installing import run_install

    return run_install(given)
