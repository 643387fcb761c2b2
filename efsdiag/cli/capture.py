"""`efsdiag capture`: what a diagnosis reads and its surroundings, as a bundle. It only reads."""

from __future__ import annotations

import re
from typing import Any

import click

from efsdiag.cli.options import account_options, cluster_options, seconds

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([kKMGT]?i?)B?")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Bytes of "500000", "50M", "50MB" or "50MiB"; thousands, and with an i 1,024s."""
    found = _SIZE.fullmatch(value)
    bytes_ = 0
    if found:
        unit = found[2].upper()
        bytes_ = int(float(found[1]) * (1024 if unit.endswith("I") else 1000) ** _POWERS[unit.removesuffix("I")])
    if not bytes_:
        raise click.BadParameter(f"{value!r} is not a size above zero, such as 50M", ctx, param)
    return bytes_


@click.command(
    epilog="Examples: efsdiag capture pod/prometheus-server-0 -n monitoring -o bundle.tar.gz; "
    "efsdiag capture -A -o all.tar.gz --pseudonyms"
)
@click.argument("target", nargs=-1, metavar="[TYPE/NAME | TYPE NAME | POD]")
@click.option("-A", "--all-namespaces", is_flag=True, help="Every pod with storage, in place of a target.")
@click.option("-n", "--namespace", metavar="NAME", help="Namespace of the target; without one, all that is in it.")
@click.option("-o", "--output", "file", required=True, metavar="FILE", help="The bundle: a .tar.gz, or a folder.")
@click.option("--bundle", metavar="PATH", help="Make it out of another bundle, not of a live system.")
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
@click.option(
    "--max-size", callback=size, metavar="SIZE", default="100M", show_default=True, help="Unpacked, at most so large."
)
@click.option(
    "--timeout", callback=seconds, metavar="TIME", default="10m", show_default=True, help="Read at most so long."
)
@click.option("--pseudonyms", is_flag=True, help="Other names, addresses and account ids in place of the real ones.")
@click.option("--pseudonym-key", metavar="FILE", help="Make the pseudonyms with this key: the same ones each time.")
@click.option("-v", "--verbose", is_flag=True, help="Name everything that was not read; and tracebacks.")
@cluster_options
@account_options
def capture(target: tuple[str, ...], **given: Any) -> int:
    """Keep what a diagnosis of TARGET reads, and its surroundings, as a bundle for `--bundle`.

    Secrets are taken out, and Secrets are never read. Nothing is written over. What could not be read, or was left
    out, is named in the bundle.
    """
    from efsdiag.cli.capturing import run

    return run(target, given)
