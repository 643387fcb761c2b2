"""Values of a chart that say otherwise than a setting on which the target of an install relies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.charts import driver_values, own_driver_values, own_prometheus_values, prometheus_values
from efsdiag.settings import Settings

Keys = tuple[str, ...]
Values = dict[str, Any]

_NODES = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
_VALUES: dict[str, tuple[Callable[[Settings], Values], Callable[[Settings], Values]]] = {
    "driver": (own_driver_values, driver_values),
    "prometheus": (own_prometheus_values, prometheus_values),
}
"""Section of the settings → its values by the settings alone, and with those of the user."""
_DECIDED: dict[tuple[str, Keys], str] = {
    ("driver", ("controller", *_NODES)): "nodes",
    ("prometheus", ("server", *_NODES)): "nodes",
    ("prometheus", ("alertmanager", *_NODES)): "nodes",
    ("prometheus", ("server", "statefulSet", "enabled")): "prometheus.statefulSet",
    ("prometheus", ("server", "persistentVolume", "enabled")): "claim",
    ("prometheus", ("server", "persistentVolume", "existingClaim")): "claim",
    ("prometheus", ("server", "persistentVolume", "statefulSetNameOverride")): "claim",
}
"""Section and value of its chart → the setting that decides it, where it has a value by the settings."""
_NONE = object()


@dataclass(frozen=True)
class Conflict:
    """A value of the user that says otherwise than a setting."""

    key: Keys
    """Where it stands in the settings, as far as it is given there."""
    setting: str

    @property
    def says(self) -> str:
        """What is wrong, as a sentence."""
        return f"{'.'.join(self.key)} says otherwise than the setting {self.setting}, which the install relies on"

    @property
    def hint(self) -> str:
        """What to do."""
        return f"leave it out, and say it in {self.setting}"


def conflicts(settings: Settings) -> Iterator[Conflict]:
    """The values of the user that would take the place of what the target of an install relies on."""
    for (section, path), setting in _DECIDED.items():
        own, merged = (values(settings) for values in _VALUES[section])
        if _at(own, path) not in (_NONE, _at(merged, path)):
            yield Conflict((section, "values", *_given(getattr(settings, section).values, path)), setting)


def _at(values: Any, path: Keys) -> Any:
    """The value of that path; _NONE where there is none."""
    for key in path:
        if not isinstance(values, Mapping) or key not in values:
            return _NONE
        values = values[key]
    return values


def _given(values: Any, path: Keys) -> Keys:
    """The part of the path that the values have."""
    return next(path[:n] for n in range(len(path), -1, -1) if _at(values, path[:n]) is not _NONE)
