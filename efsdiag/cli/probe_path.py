"""`efsdiag probe-path`: a listing of a volume, from a machine that has it mounted."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command(
    name="probe-path",
    epilog="Example, on the node: efsdiag probe-path /mnt/efs --data-path /prometheus/server --uid 1000 --gid 1000 "
    "--volume prometheus-server -o prometheus-server.json",
)
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--data-path", default="/", show_default=True, metavar="PATH", help="The data directory on the volume.")
@click.option("--volume", default="", metavar="NAME", help="The PersistentVolume that PATH is the root of.")
@click.option("--uid", type=click.IntRange(0), metavar="N", help="Look as this user; for root alone.")
@click.option("--gid", type=click.IntRange(0), metavar="N", help="With --uid, as this group; else as group 0.")
@click.option("--groups", default="", metavar="N,N", help="With --uid, with these groups besides.")
@click.option("-o", "--output", "file", metavar="FILE", help="Write the listing to FILE, not to standard output.")
def probe_path(
    path: Path, data_path: str, volume: str, uid: int | None, gid: int | None, groups: str, file: str | None
) -> int:
    """List owners and modes below PATH, a volume's root as its pod sees it: the way to the data directory, and what is
    in it.

    What is printed is volumes/<pv>.json of a bundle. It only reads, and follows no link.
    """
    from efsdiag.cli import output
    from efsdiag.cli.faults import USAGE, Fault
    from efsdiag.listing import acting_as, listing_of
    from efsdiag.report.machine import as_json
    from efsdiag.semantics.posix import Credentials

    if uid is None and (gid is not None or groups):
        raise click.UsageError("--gid and --groups go with --uid")
    try:
        others = frozenset(int(group) for group in groups.split(",") if group)
    except ValueError as error:
        raise click.BadParameter(f"{groups!r} is not a list of numbers", param_hint="--groups") from error
    who = Credentials(uid, gid or 0, others) if uid is not None else None
    if who and os.geteuid() != 0:
        raise Fault("not-root", "only root can look as another user", "leave --uid out, or run it as root", USAGE)
    try:
        with acting_as(who):
            found = as_json(listing_of(path, data_path, volume))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Fault("path-not-readable", f"{path}: {why}", "name the root of the volume", USAGE) from error
    if file:
        _save(file, found)
    else:
        output.write(found)
    return 0


def _save(file: str, text: str) -> None:
    from efsdiag.cli.faults import USAGE, Fault

    try:
        with Path(file).open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise Fault("listing-not-written", f"{file} cannot be written: {error.strerror}", "", USAGE) from error
