"""`efsdiag why`: why does this pod, or what makes it, or this claim, not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from efsdiag.cli.completing import files, targets
from efsdiag.cli.options import (
    PROBE_OPTIONS,
    WRITE_OPTIONS,
    account_options,
    cluster_options,
    output_options,
    plan_options,
    probe_options,
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
)
"""Parameters that only --fix has a use for."""
WRITING = ("probe_image", "probe_timeout", "approve", *WRITE_OPTIONS)
"""Parameters that --fix and --probe have a use for."""


@click.command(
    epilog="Examples: efsdiag why pod/prometheus-server-0 -n monitoring; efsdiag why pvc data --bundle b.tgz"
)
@click.argument("target", nargs=-1, required=True, metavar="TYPE/NAME | TYPE NAME | POD", shell_complete=targets)
@click.option("-n", "--namespace", metavar="NAME", help="Namespace; else the context's, and default in a bundle.")
@click.option(
    "--bundle", metavar="PATH", shell_complete=files, help="Look at a recorded bundle: a folder or a .tar.gz."
)
@click.option(
    "--record", metavar="PATH", shell_complete=files, help="Keep what is read as a bundle: a folder, or a .tar.gz."
)
@click.option(
    "--rules", metavar="DIR", shell_complete=files, help="Your own rules and functions beside those of efsdiag."
)
@click.option(
    "--settings",
    metavar="FILE",
    shell_complete=files,
    help="Look at TARGET as these settings of an install wish for it.",
)
@click.option("--fix", is_flag=True, help="Propose what mends it, and carry it out after a typed yes.")
@click.option("--settle", callback=seconds, metavar="TIME", help="With --fix, wait at most so long for a check.")
@plan_options
@probe_options
@write_options
@output_options
@cluster_options
@account_options
def why(target: tuple[str, ...], **given: Any) -> int:
    """Find the root cause of why TARGET is not well, and say what was ruled out, and by what.

    TARGET is a pod, a deployment, statefulset, daemonset, replicaset or job, a claim (pvc) or a volume (pv). It only
    reads, but for --fix and --probe, which write what was agreed to.
    """
    from efsdiag.cli.run import Request, run

    own = {name: given.pop(name) for name in {*FIX_OPTIONS, *PROBE_OPTIONS, *WRITING}}
    settings = given.pop("settings")
    request: Request = Request.of(target, given)
    if settings:
        from efsdiag.cli.wishes import wishing

        request = wishing(request, settings, fix=own["fix"])
    for names, able in ((FIX_OPTIONS[1:], own["fix"]), (WRITING, own["fix"] or own["probe"])):
        named = [name for name in names if own[name]]
        if named and not able:
            goes = "--fix" if names is not WRITING else "--fix or --probe"
            raise click.UsageError(f"--{named[0].removesuffix('s').replace('_', '-')} goes with {goes}")
    if own["probe"] and request.bundle:
        raise click.UsageError("--probe is for a live system, without --bundle")
    if own["fix"] and (request.bundle or request.record or request.form != "terminal"):
        raise click.UsageError("--fix is for a live system and a terminal, without --bundle, --record and -o")
    if own["probe"] and not own["fix"]:
        from efsdiag.cli.probing import run_probed

        return run_probed(request, own)
    if not own["fix"]:
        return run(request)
    from efsdiag.cli.applying import fix

    return fix(request, own)
