"""`efsdiag.yaml`: the settings of an install read from it with exact errors, from flags over it, and written anew."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from efsdiag.chart_keys import well_known
from efsdiag.setting_kinds import Kind
from efsdiag.setting_names import names_made, of_stateful_set, with_names
from efsdiag.settings import Driver, Prometheus, Settings, documented, known_fields, section_of
from efsdiag.yaml_files import RuleError, placed, scalar_of, to_yaml

FILE = "efsdiag.yaml"
_WIDTH = 110


class SettingError(RuleError):
    """A mistake in a settings file or in a flag: reference, place, what is wrong, and the nearest right spelling."""


def load_settings(file: Path | None = None, flags: Iterable[str] = ()) -> Settings:
    """The settings of the file, with flags ("storage.fileSystem=fs-…") over it and names in the place of empty ones.

    Errors: RuleError for a file that is not YAML or has a key twice; SettingError for an unknown key, a wrong type and
    a bad value, each with file and line, or with the flag.
    """
    settings, shown_as = Settings(), str(file) if file else "the settings"
    given: dict[str, str] = {}
    if file is not None:
        document, places = placed(file, shown_as)
        settings = _filled(settings, document, (), places, shown_as)
        given = {".".join(path): where for path, where in places.items()}
    for flag in flags:
        settings = _with_flag(settings, flag)
        given[flag.partition("=")[0]] = _flag(flag)
    _verify_together(settings, shown_as)
    _verify_names(settings, given, shown_as)
    return with_names(settings)


def setting_place(file: Path, path: tuple[str, ...]) -> str:
    """Where the key stands in the file: "efsdiag.yaml:31"; "" where it does not. Errors: RuleError."""
    return placed(file, str(file))[1].get(path, "")


def commented_default() -> str:
    """The text of `efsdiag.yaml` with every key at its default, and its meaning and unit above it."""
    lines = [
        "# Settings of `efsdiag install`. Every key stands here with its default; what is left out keeps it.",
        "# What can be found in the cluster and the account is found there: see the keys that are empty.",
    ]
    for path, says, value in documented():
        *above, key = path.split(".")
        indent = "  " * len(above)
        lines += ["", *_commented(says, indent)] if not above else _commented(says, indent)
        lines.append(f"{indent}{key}:" + (f" {_flow(value)}" if value is not None else ""))
    return "\n".join(lines) + "\n"


def _commented(says: str, indent: str) -> list[str]:
    words = " ".join(says.split())
    return textwrap.wrap(words, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _flow(value: Any) -> str:
    """The value on one line."""
    return to_yaml(value, flow=True)


def _filled(part: Any, given: Any, path: tuple[str, ...], places: Mapping[tuple[str, ...], str], shown_as: str) -> Any:
    """The section with what the document gives in the place of its defaults."""
    where = places.get(path, f"{shown_as}:1")
    if given is None:
        return part
    if not isinstance(given, dict):
        raise SettingError("setting-mistyped", where, f"{_named(path)} is {given!r}; a mapping is wanted")
    known = known_fields(part)
    changed: dict[str, Any] = {}
    for key, value in given.items():
        here = (*path, str(key))
        if key not in known:
            raise _unknown(here, places.get(here, where), known)
        field = known[key]
        if section_of(field):
            changed[field.name] = _filled(getattr(part, field.name), value, here, places, shown_as)
        else:
            changed[field.name] = _accepted(value, field.metadata["kind"], here, places.get(here, where))
    return replace(part, **changed)


def _accepted(value: Any, kind: Kind, path: tuple[str, ...], where: str) -> Any:
    problem = kind.fault(value)
    if not problem:
        return value
    mistyped = type(value) is not kind.type
    reference = "setting-mistyped" if mistyped else "setting-invalid"
    says = f"{_named(path)}{'' if problem.startswith(':') else ' '}{problem}"
    raise SettingError(reference, where, says)


def _unknown(path: tuple[str, ...], where: str, known: Iterable[str]) -> SettingError:
    """The error of a key that is not there, with the nearest one beside it, or the same one in another section."""
    *above, key = path
    elsewhere = [whole for whole, _, _ in documented() if whole.rpartition(".")[2].lower() == key.lower()]
    near = [".".join((*above, name)) for name in difflib.get_close_matches(key, list(known), 1, 0.6)]
    meant = [*near, *elsewhere, *_of_chart(key)] if above else [*_of_chart(key), *near, *elsewhere]
    hint = (
        f"did you mean {meant[0]}?" if meant else f"{_named((*above,)) if above else 'the file'} has {', '.join(known)}"
    )
    return SettingError("setting-unknown", where, f"has {_named(path)}, which is no setting", hint)


def _of_chart(key: str) -> list[str]:
    """The setting in which a key stands that people give to one of the two charts."""
    found = []
    for section, chart in (("driver", Driver.chart), ("prometheus", Prometheus.chart)):
        for known in well_known(chart).values():
            if known.key[0] == key:
                right = known.meant if len(known.key) == 1 else known.key[:1]
                found.append(".".join((section, "values", *(right or known.key))))
    return found


def _with_flag(settings: Settings, flag: str) -> Settings:
    """The settings with one flag over them. The value is text where text is wanted, and YAML elsewhere."""
    where = _flag(flag)
    whole, sign, text = flag.partition("=")
    if not sign:
        raise SettingError("setting-malformed", where, "has no =; KEY=VALUE is wanted, such as storage.capacity=80Gi")
    path = tuple(whole.split("."))
    part: Any = settings
    for depth, key in enumerate(path, 1):
        known = known_fields(part)
        if key not in known:
            raise _unknown(path[:depth], where, known)
        field = known[key]
        part = getattr(part, field.name)
        if not section_of(field):
            return _with_value(settings, path[:depth], path[depth:], text, field.metadata["kind"], part, where)
    raise SettingError("setting-mistyped", where, f"{whole} has settings of its own; name one of them")


def _flag(flag: str) -> str:
    """Where a mistake in the flag is."""
    return f"--set {flag}"


def _with_value(
    settings: Settings, path: tuple[str, ...], inner: tuple[str, ...], text: str, kind: Kind, now: Any, where: str
) -> Settings:
    """The settings with one value replaced, or with one key inside a mapping (`inner`) set."""
    if inner and kind.type is not dict:
        raise SettingError("setting-unknown", where, f"names {_named(path)}, which has no settings of its own")
    value = text if kind.type is str else scalar_of(text, where)
    if inner:
        value = _with_inner(now, inner, value)
    made: Settings = _replaced(settings, path, _accepted(value, kind, path, where))
    return made


def _with_inner(given: Any, path: tuple[str, ...], value: Any) -> dict[str, Any]:
    held = given if isinstance(given, dict) else {}
    key, *more = path
    return {**held, key: _with_inner(held.get(key), tuple(more), value) if more else value}


def _replaced(part: Any, path: tuple[str, ...], value: Any) -> Any:
    name = known_fields(part)[path[0]].name
    return replace(part, **{name: value if len(path) == 1 else _replaced(getattr(part, name), path[1:], value)})


def _verify_together(settings: Settings, where: str) -> None:
    """Settings that exclude each other."""
    storage = settings.storage
    provisioned = storage.throughput_mode == "provisioned"
    if provisioned != bool(storage.throughput):
        says = "storage.throughput is wanted with throughputMode provisioned, and with no other"
        raise SettingError("settings-disagree", where, says, f"it is {storage.throughput}")
    if storage.throughput_mode == "elastic" and storage.performance_mode != "generalPurpose":
        says = "storage.performanceMode maxIO and throughputMode elastic exclude each other"
        raise SettingError("settings-disagree", where, says, "take generalPurpose, or bursting")
    if storage.kms_key and not storage.encrypted:
        says = "storage.kmsKey is given, and storage.encrypted is false"
        raise SettingError("settings-disagree", where, says)


def _verify_names(settings: Settings, given: Mapping[str, str], shown_as: str) -> None:
    """Names that are made have to be such as their own settings would take. `given` is where each key stands."""
    wrong = [(base, key, says) for key, kind, made, base in names_made(settings) if (says := kind.fault(made))]
    if wrong:
        base, _, problem = wrong[0]
        keys = ", ".join(key for on, key, _ in wrong if on == base)
        says = f"{base} makes {keys}, which {problem}"
        raise SettingError("setting-invalid", given.get(base, shown_as), says, f"shorten {base}, or give {keys}")
    end = of_stateful_set(settings)
    if settings.prometheus.stateful_set and settings.claim and not settings.claim[1:].endswith(end):
        says = f"claim is {settings.claim!r}; the pod of a StatefulSet gets one that ends in {end}"
        hint = "leave claim empty, or prometheus.statefulSet false"
        raise SettingError("settings-disagree", given.get("claim", shown_as), says, hint)


def _named(path: tuple[str, ...]) -> str:
    return ".".join(path) or "it"
