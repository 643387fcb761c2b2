"""`efsdiag schema`: the JSON Schema of a kind of document. It needs no cluster."""

from __future__ import annotations

import click

from efsdiag.cli.completing import document_kinds


@click.command(epilog="Example: efsdiag schema Diagnosis > diagnosis.schema.json")
@click.argument("kind", required=False, shell_complete=document_kinds)
def schema(kind: str | None) -> int:
    """Print the JSON Schema (2020-12) of the documents of one KIND; without KIND, list all kinds."""
    from efsdiag.cli import output
    from efsdiag.report.machine import as_json
    from efsdiag.schemas import kinds, schema_of

    if kind is None:
        column = max(map(len, kinds()))
        output.write("".join(f"{name:<{column}}  {schema_of(name)['description']}\n" for name in kinds()))
        return 0
    # People type it as they see it in a list, or all in small letters.
    known = next((name for name in kinds() if name.lower() == kind.lower()), "")
    if not known:
        raise _unknown(kind, kinds())
    output.write(as_json(schema_of(known)))
    return 0


def _unknown(kind: str, known: list[str]) -> Exception:
    import difflib

    from efsdiag.cli.faults import Fault

    near = difflib.get_close_matches(kind.lower(), [name.lower() for name in known], 1, 0.5)
    meant = next((name for name in known if name.lower() in near), "")
    return Fault("kind-unknown", f"there is no kind {kind!r}", f"did you mean {meant}?" if meant else ", ".join(known))
