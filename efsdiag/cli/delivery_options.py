"""Options of `check` for what it takes from its last run, and for where its report goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from efsdiag.cli.options import seconds

_COMMAND = TypeVar("_COMMAND", bound=Callable[..., Any])


def delivery_options(command: _COMMAND) -> _COMMAND:
    """The last run, suppressions, metrics and alerts."""
    for option in (
        click.option("--cluster", default="", metavar="NAME", help="The cluster's name in alerts and metrics."),
        click.option(
            "--alert-ttl",
            callback=seconds,
            default="2h",
            show_default=True,
            metavar="TIME",
            help="An alert ends after this time where no run sends it again.",
        ),
        click.option("--alertmanager", metavar="URL", help="Send alerts there (API v2); needs --state."),
        click.option("--alertmanager-token-file", metavar="FILE", help="Signs in there with the bearer token in it."),
        click.option("--textfile", metavar="FILE.prom", help="Write metrics there, for node_exporter."),
        click.option("--suppress", metavar="FILE", help="YAML file of findings that are known and accepted."),
        click.option("--state", metavar="FILE", help="Remembers what was found: says what is new and what is over."),
    ):
        command = option(command)
    return command
