"""`efsdiag why`: why does this pod, or what makes it, or this claim, not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from efsdiag.cli.options import (
    account_options,
    cluster_options,
    output_options,
    plan_options,
    seconds,
    write_options,
)

if TYPE_CHECKING:
    from efsdiag.cli.run import Request

FIX_OPTIONS = (
    "fix",
    "settle",
    "remedies",
    "also",
    "likely",
    "write_context",
    "write_as",
    "write_profile",
    "write_role_arn",
)
"""Parameters that only --fix has a use for."""


@click.command(
    epilog="Examples: efsdiag why pod/prometheus-server-0 -n monitoring; efsdiag why pvc data --bundle b.tgz"
)
@click.argument("target", nargs=-1, required=True, metavar="TYPE/NAME | TYPE NAME | POD")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace; else the context's, and default in a bundle.")
@click.option("--bundle", metavar="PATH", help="Look at a recorded bundle: a folder or a .tar.gz.")
@click.option("--record", metavar="PATH", help="Keep what is read as a bundle: a folder, or a .tar.gz.")
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
@click.option("--fix", is_flag=True, help="Propose what mends it, and carry it out after a typed yes.")
@click.option("--settle", callback=seconds, metavar="TIME", help="With --fix, wait at most so long for a check.")
@plan_options
@write_options
@output_options
@cluster_options
@account_options
def why(target: tuple[str, ...], **given: Any) -> int:
    """Find the root cause of why TARGET is not well, and say what was ruled out, and by what.

    TARGET is a pod, a deployment, statefulset, daemonset, replicaset or job, or a claim (pvc). It only reads, but for
    --fix, which writes what was agreed to.
    """
    from efsdiag.cli.run import Request, run

    own = {name: given.pop(name) for name in FIX_OPTIONS}
    request: Request = Request.of(target, given)
    named = [name for name in FIX_OPTIONS if name != "fix" and own[name]]
    if named and not own["fix"]:
        raise click.UsageError(f"--{named[0].removesuffix('s').replace('_', '-')} goes with --fix")
    if own["fix"] and (request.bundle or request.record or request.form != "terminal"):
        raise click.UsageError("--fix is for a live system and a terminal, without --bundle, --record and -o")
    if not own["fix"]:
        return run(request)
    from efsdiag.cli.applying import fix

    return fix(request, own)
