"""`efsdiag permissions`: the least rights for a command or for what a report could not look at; no cluster is asked."""

from __future__ import annotations

import click

FOR = ("why", "check", "plan", "apply", "capture", "probe", "install", "uninstall")


@click.command(
    epilog="Examples: efsdiag permissions --for why --kubernetes | kubectl apply -f -; "
    "efsdiag permissions --for why --aws -o json > policy.json; efsdiag permissions --missing report.json"
)
@click.option("--for", "command", type=click.Choice(FOR), help="What this command needs.  [default: why]")
@click.option("--read", is_flag=True, help="All that efsdiag may read.")
@click.option("--write", is_flag=True, help="What the identity needs that writes.")
@click.option("--missing", metavar="REPORT", help="What was refused in this report (-o json or yaml); - is stdin.")
@click.option("--kubernetes", is_flag=True, help="The role for Kubernetes alone.")
@click.option("--aws", is_flag=True, help="The policy for AWS alone.")
@click.option("--rules", metavar="DIR", help="Your own rules and functions beside those of efsdiag.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True, help="Format."
)
def permissions(
    command: str | None,
    read: bool,
    write: bool,
    missing: str | None,
    kubernetes: bool,
    aws: bool,
    rules: str | None,
    form: str,
) -> int:
    """Print the least ClusterRole and IAM policy, each line with what needs it.

    They are made from what efsdiag's code can ask and write. In JSON, --kubernetes or --aws gives the bare object.
    """
    from efsdiag.cli import output
    from efsdiag.cli.permitting import rights_text

    if sum(map(bool, (command, read, write, missing))) > 1:
        raise click.UsageError("--for, --read, --write and --missing stand for one another: give one of them")
    which = "read" if read else "write" if write else command or "why"
    both = kubernetes == aws
    output.write(rights_text(which, missing, rules, form, kubernetes=kubernetes or both, aws=aws or both))
    return 0
