"""Names that settings leave empty: what is made from the name of the install, and from that of Prometheus' release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from efsdiag.setting_kinds import Kind
from efsdiag.settings import Prometheus, Settings, key_of

_NAMED = {
    ("claim",): "",
    ("volume",): "",
    ("storage_class",): "",
    ("iam", "role"): "-efs-csi",
    ("iam", "policy"): "-efs-csi",
    ("iam", "instance_profile"): "-efs-csi",
}
"""Field that is empty where the name is to be its base → what follows the name."""
_LONGEST = 63


def default_settings() -> Settings:
    """The settings of an empty file."""
    return with_names(Settings())


def with_names(given: Settings) -> Settings:
    """The settings with made names in the place of the empty ones."""
    made: Any = given
    for path in _NAMED:
        part = _holder(made, path)
        part = replace(part, **{path[-1]: getattr(part, path[-1]) or _made(given, path)[0]})
        made = part if len(path) == 1 else replace(made, **{path[0]: part})
    found: Settings = made
    return found


def names_made(given: Settings) -> Iterator[tuple[str, Kind, str, str]]:
    """What is made in the place of the empty names: (key by its whole path, its kind, the name, its base's key)."""
    for path in _NAMED:
        part = _holder(given, path)
        if not getattr(part, path[-1]):
            kind = next(f for f in fields(part) if f.name == path[-1]).metadata["kind"]
            yield ".".join(key_of(name) for name in path), kind, *_made(given, path)


def server_name(given: Prometheus) -> str:
    """The name of the Deployment or StatefulSet that the chart of Prometheus makes.

    Source:  https://github.com/prometheus-community/helm-charts/blob/prometheus-29.27.0/charts/prometheus/templates/_helpers.tpl
             (prometheus.server.fullname)
    """
    server = given.values.get("server")
    own = server if isinstance(server, Mapping) else {}
    chart = str(given.values.get("nameOverride") or "prometheus")
    base = given.release if chart in given.release else f"{given.release}-{chart}"
    whole = str(own.get("fullnameOverride") or f"{base}-{own.get('name') or 'server'}")
    return whole[:_LONGEST].removesuffix("-")


def of_stateful_set(given: Settings) -> str:
    """What follows the name of a template in the claim that the pod of the StatefulSet gets."""
    return f"-{server_name(given.prometheus)}-0"


def _made(given: Settings, path: tuple[str, ...]) -> tuple[str, str]:
    """The name that is made for the field, and the key of the setting on which it is built."""
    if path == ("claim",) and given.prometheus.stateful_set:
        # A StatefulSet mounts the claims of its own templates, by this name, and takes those that are there already.
        return f"storage-volume{of_stateful_set(given)}", "prometheus.release"
    return given.name + _NAMED[path], "name"


def _holder(given: Any, path: tuple[str, ...]) -> Any:
    """The settings themselves, or the section in which the field is."""
    return given if len(path) == 1 else getattr(given, path[0])
