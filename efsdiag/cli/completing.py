"""What a shell offers at the tabulator: kinds, the pods of a bundle, modes, checks, remedies; no cluster is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""What a name of Kubernetes is; a bundle was made by others, and what else stands there is no word for a shell."""


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Kinds, and with --bundle the names of what is in it: "pod", "pod/prometheus-server-0", or the name alone."""
    from efsdiag.subjects import KINDS

    said = ctx.params.get(param.name or "") or ()
    if said:
        return _starting(incomplete, _names(ctx, said[0])) if len(said) == 1 else []
    kind, slash, _ = incomplete.partition("/")
    if slash:
        return _starting(incomplete, (f"{kind}/{name}" for name in _names(ctx, kind)))
    return _starting(incomplete, [*KINDS, *_names(ctx, "pod")])


def modes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The failure modes."""
    from efsdiag.catalogue import load_modes

    return _starting(incomplete, load_modes())


def checks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The checks."""
    from efsdiag.rules import load_rulebook

    return _starting(incomplete, load_rulebook().checks)


def remedies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The remedies."""
    from efsdiag.remedy_rules import load_remedies

    return _starting(incomplete, load_remedies())


def document_kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The kinds of documents that have a schema."""
    from efsdiag.schemas import kinds

    return _starting(incomplete, kinds())


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    """Files and folders, as the shell itself finds them."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _starting(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted(word for word in set(words) if word.startswith(incomplete))


def _names(ctx: click.Context, word: str) -> list[str]:
    """The names of that kind in the bundle of the command line; none where there is no bundle, or no such kind."""
    bundle = ctx.params.get("bundle")
    if not bundle:
        return []
    from efsdiag.model import Unreadable
    from efsdiag.operations import read_of
    from efsdiag.subjects import KINDS, SubjectError, kind_of
    from efsdiag.world.bundle import BundleSource
    from efsdiag.world.errors import Unreachable

    try:
        resource = KINDS[kind_of(word)][0]
        with BundleSource(bundle) as source:
            namespace = ctx.params.get("namespace") or "default"
            found = source(read_of(f"kube:list {resource}", namespace=namespace)) or []
    except (SubjectError, Unreachable, Unreadable):
        return []
    names = [str(thing["metadata"]["name"]) for thing in found]
    return [name for name in names if _NAME.fullmatch(name)]
