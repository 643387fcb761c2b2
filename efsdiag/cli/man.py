"""`efsdiag man`: manual pages, made from the same help that --help prints."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from efsdiag.cli import output
from efsdiag.report.man import Manual


@click.command(epilog="Examples: efsdiag man why | man -l -; efsdiag man --dir /usr/local/share/man/man1")
@click.argument("command", required=False)
@click.option("--dir", "folder", metavar="DIR", help="Write the pages of all commands into this folder.")
@click.pass_context
def man(ctx: click.Context, command: str | None, folder: str | None) -> int:
    """Print the manual page of efsdiag or of one COMMAND, or write all of them."""
    from importlib.metadata import version

    from efsdiag.cli.faults import USAGE, Fault
    from efsdiag.report.man import page_name, roff

    if command and folder:
        raise click.UsageError("--dir writes the pages of all commands: leave COMMAND out")
    root = ctx.find_root()
    pages = {page.info_name or "": page for page in _contexts(root)}
    if command and command not in pages:
        raise click.UsageError(f"there is no command {command!r}; commands are {', '.join(list(pages)[1:])}", ctx)
    if not folder:
        output.write(roff(_manual(pages[command or root.info_name or ""]), version("efsdiag")))
        return 0
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for page in pages.values():
            manual = _manual(page)
            text = roff(manual, version("efsdiag"))
            (Path(folder) / f"{page_name(manual.command)}.1").write_text(text, encoding="utf-8")
    except OSError as error:
        raise Fault("pages-not-written", f"{folder}: {error.strerror or error}", "", USAGE) from error
    return 0


def _contexts(root: click.Context) -> Iterator[click.Context]:
    """The context of the program, then one for each command."""
    yield root
    group = root.command
    if isinstance(group, click.Group):
        for name in group.list_commands(root):
            found = group.get_command(root, name)
            if found is not None:
                yield click.Context(found, info_name=name, parent=root)


def _manual(page: click.Context) -> Manual:
    """What click knows of the command."""
    command = page.command
    others = [] if page.parent is None else ["efsdiag"]
    commands: list[tuple[str, str]] = []
    if isinstance(command, click.Group):
        known = {name: command.get_command(page, name) for name in command.list_commands(page)}
        commands = [(name, _first_sentence(own)) for name, own in known.items() if own is not None]
        others = [f"efsdiag-{name}" for name in known]
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    options = [param for param in command.get_params(page) if isinstance(param, click.Option)]
    records = [option.get_help_record(page) for option in options]
    return Manual(
        "efsdiag" if page.parent is None else f"efsdiag {page.info_name}",
        _first_sentence(command),
        " ".join(command.collect_usage_pieces(page)),
        paragraphs,
        [record for record in records if record is not None],
        commands,
        command.epilog or "",
        others,
    )


def _first_sentence(command: click.Command) -> str:
    """The first sentence of the help, without its full stop, on one line."""
    text = " ".join(inspect.cleandoc(command.help or "").split("\n\n")[0].split())
    return text.partition(". ")[0].removesuffix(".")
