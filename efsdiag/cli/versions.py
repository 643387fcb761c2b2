"""`--version`: of efsdiag, and with `-o json` of everything that decides what a diagnosis says."""

from __future__ import annotations

from typing import Any

import click

PACKAGES = ("boto3", "botocore", "click", "jmespath", "kubernetes", "networkx", "PyYAML", "rich")
ARGUMENTS = "efsdiag.arguments"
"""Under this key a context keeps the arguments as they were typed."""


def show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Prints the version and ends the program, where `--version` was given."""
    if not value or ctx.resilient_parsing:
        return
    from efsdiag.cli import output

    form = output.asked_format(ctx.meta.get(ARGUMENTS, ()))
    if form == "terminal":
        from importlib.metadata import version

        output.write(f"efsdiag, version {version('efsdiag')}\n")
    else:
        from efsdiag.report.machine import as_json, as_yaml

        output.write((as_json if form == "json" else as_yaml)(versions()))
    ctx.exit()


def versions() -> dict[str, Any]:
    """The document of `--version -o json`."""
    import platform
    from importlib.metadata import version

    from efsdiag.remedy_rules import load_remedies
    from efsdiag.report.data import API_VERSION
    from efsdiag.rules import load_rulebook

    book = load_rulebook()
    return {
        "apiVersion": API_VERSION,
        "kind": "Version",
        "efsdiag": version("efsdiag"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "rules": {
            "checks": len(book.checks),
            "modes": len(book.modes),
            "judged": len({mode for check in book.checks.values() for mode in check.modes}),
            "remedies": len(load_remedies()),
        },
    }
