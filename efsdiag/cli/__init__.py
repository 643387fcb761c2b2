"""The command line: `efsdiag why`, `explain` and `graph`. Only click is imported before a command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from efsdiag.cli.faults import UNDELIVERED, Fault, internal_fault, report_fault, usage_fault
from efsdiag.cli.group import program
from efsdiag.cli.output import NotWritten, asked_format, asked_verbose
from efsdiag.cli.signals import Stopped, answered, interruption
from efsdiag.cli.streams import lasting_streams


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command. Returns the exit code; whatever happens, what was asked for as JSON is answered as JSON."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    form = asked_format(arguments)
    with lasting_streams(), answered(form):
        try:
            return _run(arguments, form)
        except NotWritten as error:
            print(f"output-not-written: {error}", file=sys.stderr)
            return UNDELIVERED


def _run(arguments: list[str], form: str) -> int:
    try:
        returned = program.main(arguments, prog_name=_own_name(), standalone_mode=False)
        return returned if isinstance(returned, int) else 0
    except Fault as fault:
        return report_fault(fault, form)
    except Stopped as stopped:
        return report_fault(interruption(stopped.number), form)
    except click.ClickException as error:
        return report_fault(usage_fault(error), form)
    except (click.Abort, KeyboardInterrupt):
        return report_fault(Fault("interrupted", "stopped before the end", "", 130), form)
    except SystemExit as left:  # click leaves with 1 where nobody reads its help any more
        return left.code if isinstance(left.code, int) and left.code != 1 else 0
    except NotWritten:
        raise
    except Exception as error:
        return report_fault(internal_fault(error, asked_verbose(arguments)), form)


def _own_name() -> str:
    """What the user typed: kubectl runs its plugins as kubectl-<name>."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return "kubectl efsdiag" if name.startswith("kubectl-") else "efsdiag"
