"""`efsdiag check`: is every workload with storage well."""

from __future__ import annotations

from typing import Any

import click

from efsdiag.cli.delivery_options import delivery_options
from efsdiag.cli.options import account_options, cluster_options, look_options, seconds
from efsdiag.report.forms import HEALTH_FORMS


@click.command(epilog="Examples: efsdiag check -A; efsdiag check -n monitoring -o json; efsdiag check --bundle b.tgz")
@click.option("-A", "--all-namespaces", is_flag=True, help="Every namespace.")
@click.option("-n", "--namespace", "namespaces", multiple=True, metavar="NAME", help="This namespace; may be repeated.")
@click.option("-l", "--selector", default="", metavar="SELECTOR", help="Only what these labels are on: app=x,tier!=y.")
@click.option("--bundle", metavar="PATH", help="Look at a recorded bundle: a folder or a .tar.gz.")
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
@click.option("--timeout", callback=seconds, metavar="TIME", help="Look no longer; what is left is not looked at.")
@click.option("--jitter", callback=seconds, metavar="TIME", help="Begin after a random part of this time.")
@click.option("--lock", metavar="FILE", help="Held while it runs; else one in the user's state folder.")
@click.option(
    "--fail-on",
    type=click.Choice(["cause", "latent"]),
    default="cause",
    show_default=True,
    help="What exits with 1: a root cause, or also what is wrong and in nobody's way.",
)
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where it would be 1 or 3.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; on a terminal, nothing where all is well.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(list(HEALTH_FORMS)),
    default="terminal",
    show_default=True,
    help="Format.",
)
@delivery_options
@look_options
@cluster_options
@account_options
def check(**given: Any) -> int:
    """Look at every workload with storage, and at what the cluster and the account are to it; it only reads.

    Without -A and -n it looks at the context's namespace, and in a bundle at all of it.
    """
    from efsdiag.cli.checking import CheckRequest, run_check

    return run_check(CheckRequest.of(given))
