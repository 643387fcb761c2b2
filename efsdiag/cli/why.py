"""`efsdiag why`: why does this pod, or what makes it, or this claim, not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from efsdiag.cli.options import account_options, cluster_options, output_options

if TYPE_CHECKING:
    from efsdiag.cli.run import Request


@click.command(
    epilog="Examples: efsdiag why pod/prometheus-server-0 -n monitoring; efsdiag why pvc data --bundle b.tgz"
)
@click.argument("target", nargs=-1, required=True, metavar="TYPE/NAME | TYPE NAME | POD")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace; else the context's, and default in a bundle.")
@click.option("--bundle", metavar="PATH", help="Look at a recorded bundle: a folder or a .tar.gz.")
@click.option("--record", metavar="PATH", help="Keep what is read as a bundle: a folder, or a .tar.gz.")
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
@output_options
@cluster_options
@account_options
def why(target: tuple[str, ...], **given: Any) -> int:
    """Find the root cause of why TARGET is not well, and say what was ruled out, and by what.

    TARGET is a pod, a deployment, statefulset, daemonset, replicaset or job, or a claim (pvc). It only reads.
    """
    from efsdiag.cli.run import Request, run

    request: Request = Request.of(target, given)
    return run(request)
