"""Options that commands share, spelled as in kubectl and the AWS CLI."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from efsdiag.cli.completing import modes
from efsdiag.cli.completing import remedies as complete_remedies
from efsdiag.cli.output import FORMATS

PROBE_OPTIONS = ("probe", "probe_timeout", "approve")
WRITE_OPTIONS = ("write_context", "write_as", "write_profile", "write_role_arn")

_COMMAND = TypeVar("_COMMAND", bound=Callable[..., Any])
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


_MOST_S = 366 * 24 * 3600
"""A time that is longer is a mistake, and what waits so long cannot count it."""


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Seconds of "30", "30s" or "1m30s", as kubectl writes time-outs. 0 would be for ever, and is refused."""
    if value is None:
        return None
    text = f"{value}s" if value.isascii() and value.isdigit() else value
    parts = _PART.findall(text)
    found = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or not found:
        raise click.BadParameter(f"{value!r} is not a time above zero, such as 30s or 1m", ctx, param)
    if found > _MOST_S:
        raise click.BadParameter(f"{value!r} is more than a year", ctx, param)
    return found


def output_options(command: _COMMAND) -> _COMMAND:
    """How the report looks."""
    form = click.option(
        "-o", "--output", "form", type=click.Choice(FORMATS), default="terminal", show_default=True, help="Format."
    )
    return form(look_options(command))


def look_options(command: _COMMAND) -> _COMMAND:
    """How text looks on a terminal."""
    for option in (
        click.option("--ascii", is_flag=True, help="ASCII signs only."),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Colours.",
        ),
        click.option(
            "-v", "--verbose", is_flag=True, help="Everything: all checks, evidence, queries; and tracebacks."
        ),
    ):
        command = option(command)
    return command


def plan_options(command: _COMMAND) -> _COMMAND:
    """What a plan is to hold."""
    for option in (
        click.option("--probe-image", default="", metavar="IMAGE", help="Image of Jobs: one with sh and stat."),
        click.option("--likely", is_flag=True, help="Mend causes that are likely only, too."),
        click.option(
            "--also",
            multiple=True,
            metavar="MODE",
            shell_complete=modes,
            help="Mend this too: wrong, but not the cause.",
        ),
        click.option(
            "--remedy",
            "remedies",
            multiple=True,
            metavar="NAME",
            shell_complete=complete_remedies,
            help="Take this remedy, not the first.",
        ),
    ):
        command = option(command)
    return command


def probe_options(command: _COMMAND) -> _COMMAND:
    """A look where nobody can look without a write."""
    for option in (
        click.option(
            "--approve", metavar="DIGEST", default="", help="Digest of the probe's plan: no yes is asked for."
        ),
        click.option("--probe-timeout", callback=seconds, metavar="TIME", help="Wait at most so long for a probe."),
        click.option("--probe", is_flag=True, help="Look inside the volume by a short-lived Job, after a yes to it."),
    ):
        command = option(command)
    return command


def chart_options(command: _COMMAND) -> _COMMAND:
    """Where charts come from, and what becomes of values that they do not know."""
    for option in (
        click.option("--allow-unknown-values", is_flag=True, help="Only warn of values that a chart does not know."),
        click.option("--charts", "charts_dir", metavar="DIR", help="Folder with the charts as NAME-VERSION.tgz."),
    ):
        command = option(command)
    return command


def write_options(command: _COMMAND) -> _COMMAND:
    """As whom to write, where that is somebody else than who reads."""
    for option in (
        click.option("--write-role-arn", metavar="ARN", help="AWS role to assume for writing."),
        click.option("--write-profile", metavar="NAME", help="Profile of the AWS configuration for writing."),
        click.option("--write-as", metavar="USER", help="User to impersonate in the cluster for writing."),
        click.option("--write-context", metavar="NAME", help="Context of the kubeconfig for writing."),
    ):
        command = option(command)
    return command


def cluster_options(command: _COMMAND) -> _COMMAND:
    """Which cluster, and as whom."""
    for option in (
        click.option(
            "--request-timeout",
            callback=seconds,
            metavar="TIME",
            default="30s",
            show_default=True,
            help="For each request.",
        ),
        click.option("--as-group", multiple=True, metavar="GROUP", help="Group to impersonate; may be repeated."),
        click.option("--as", "as_user", metavar="USER", help="User to impersonate."),
        click.option("--kubeconfig", metavar="PATH", help="kubeconfig file; else KUBECONFIG, ~/.kube/config."),
        click.option("--context", metavar="NAME", help="Context of the kubeconfig."),
    ):
        command = option(command)
    return command


def account_options(command: _COMMAND) -> _COMMAND:
    """Which AWS account and region, and as whom."""
    for option in (
        click.option("--endpoint-url", metavar="URL", help="In the place of AWS's own endpoints."),
        click.option("--external-id", metavar="ID", help="For --role-arn."),
        click.option("--role-arn", metavar="ARN", help="Role to assume."),
        click.option("--region", metavar="REGION", help="AWS region; else the configuration's, else a node's."),
        click.option("--profile", metavar="NAME", help="Profile of the AWS configuration."),
    ):
        command = option(command)
    return command
