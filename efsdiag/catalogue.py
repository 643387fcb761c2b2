"""rules/modes/*.yaml → `Mode`s, and rules/noise.yaml → `Noise`; every mistake in them is reported with file and line.

A mode stands under its id in the file of its layer (`pvc.terminating` in pvc.yaml) with these keys:

    kind            cause, symptom (never ends a walk) or risk (blocks nothing)
    meaning         what is wrong, in one or two sentences
    fix             what puts it right, each a way or a step
    risk            of the fix: safe, disruptive (something restarts), irreversible (data may be lost)
    reversible      whether the fix can be undone; true where it is left out
    by_hand         commands that only read and show it; <x> is for the reader to fill in
    confused_with   ids of modes that look alike
    references      addresses of documentation, source code and issues
    signs           texts that give it away: where (a key of PLACES), reason (of the event; one or a list), text, and
                    unless (texts that must not stand anywhere in the same message or log)
    not_judged      why no check looks for it; a mode that a check names has no such key
    decided_by      what would have to be read to decide it; it stands with not_judged, and only there

In a text <x> stands for something without a line break, fs-X and fsap-X for an id, ... for anything at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from efsdiag.model import Mode, ModeKind
from efsdiag.yaml_files import Entry, RuleError, entries, nearest

PLACES: Mapping[str, str] = {
    "pod-event": "an event of the pod",
    "claim-event": "an event of its PersistentVolumeClaim",
    "volume-event": "an event of the PersistentVolume",
    "owner-event": "an event of what owns the pod",
    "node-event": "an event of the node",
    "service-event": "an event of a Service or an Ingress",
    "plugin-event": "an event of a pod of the driver",
    "container-status": "the message of a waiting or terminated container",
    "resource-status": "a condition of a custom resource, such as Prometheus",
    "log": "the log of one of the pod's containers",
    "grafana-init-log": "the log of Grafana's init container",
    "plugin-log": "the log of efs-plugin, in the controller or on the node",
    "provisioner-log": "the log of csi-provisioner",
    "registrar-log": "the log of csi-driver-registrar",
    "operator-log": "the log of another controller: the Prometheus operator, Longhorn",
    "node-log": "the kernel's or the kubelet's log on the node",
    "command-output": "what a command prints to the person who runs it",
}
"""Where a text is found; the keys are what `signs` may name."""

RISKS = ("safe", "disruptive", "irreversible")
_LISTS = ("fix", "by_hand", "confused_with", "references")
_MODE_KEYS = {
    "kind": str,
    "meaning": str,
    "risk": str,
    "reversible": bool,
    "signs": list,
    "not_judged": str,
    "decided_by": str,
    **dict.fromkeys(_LISTS, list),
}
_MODE_NEEDS = ("kind", "meaning", "fix", "risk")
_SIGN_KEYS = {"where": str, "reason": (str, list), "text": str, "unless": list}
_NOISE_KEYS = {"text": str, "why": str, "reference": str}


@dataclass(frozen=True)
class Noise:
    """A line that is written when nothing is wrong."""

    id: str
    text: str
    why: str
    reference: str = ""


def load_modes(folder: Path | Traversable | None = None) -> dict[str, Mode]:
    """The failure catalogue by mode id, in the order of the files; the one that comes with efsdiag by default.

    Errors: RuleError for a file that is not YAML, a duplicate or unknown key, a missing or mistyped value, an unknown
    kind, risk or place, a look-alike that no mode has, and a mode in the file of another layer.
    """
    return dict(_packaged_modes()) if folder is None else _modes_of(folder, str(folder))


def load_noise(file: Path | Traversable | None = None) -> tuple[Noise, ...]:
    """The lines known to be harmless, in the order of the file. Errors: RuleError, as for `load_modes`."""
    return _packaged_noise() if file is None else tuple(_noise_of(file, str(file)))


@cache
def _packaged_modes() -> dict[str, Mode]:
    return _modes_of(files("efsdiag.rulebook").joinpath("modes"), "rules/modes")


@cache
def _packaged_noise() -> tuple[Noise, ...]:
    return tuple(_noise_of(files("efsdiag.rulebook").joinpath("noise.yaml"), "rules/noise.yaml"))


def _modes_of(folder: Path | Traversable, shown_as: str) -> dict[str, Mode]:
    found: dict[str, Mode] = {}
    written: dict[str, str] = {}
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".yaml")), key=lambda f: f.name):
        for entry in entries(file, f"{shown_as}/{file.name}"):
            if entry.key in found:
                raise RuleError("mode-twice", entry.where, f"has {entry.key}, as has {written[entry.key]}")
            if entry.key.partition(".")[0] != file.name.removesuffix(".yaml"):
                raise RuleError("mode-misplaced", entry.where, f"has {entry.key}, which is of another layer")
            found[entry.key] = _mode(entry)
            written[entry.key] = entry.where
    for mode in found.values():
        for other in mode.confused_with:
            _one_of(other, found, "mode-unknown-look-alike", written[mode.id], f"{mode.id} is confused with")
    return found


def _mode(entry: Entry) -> Mode:
    _verify(entry.value, _MODE_KEYS, _MODE_NEEDS, entry.where, entry.key)
    value = entry.value
    _one_of(value["kind"], [k.value for k in ModeKind], "mode-unknown-kind", entry.where, f"{entry.key} is of the kind")
    _one_of(value["risk"], RISKS, "mode-unknown-risk", entry.where, f"{entry.key} has the risk")
    if ("not_judged" in value) != ("decided_by" in value):
        raise RuleError("mode-half-unjudged", entry.where, f"{entry.key} has one of not_judged and decided_by alone")
    for key in _LISTS:
        _verify_strings(value.get(key, []), entry.where, f"{entry.key}: {key}")
    return Mode(
        id=entry.key,
        kind=ModeKind(value["kind"]),
        meaning=value["meaning"],
        fix=tuple(value["fix"]),
        risk=value["risk"],
        reversible=value.get("reversible", True),
        by_hand=tuple(value.get("by_hand", ())),
        confused_with=tuple(value.get("confused_with", ())),
        references=tuple(value.get("references", ())),
        signs=tuple(_sign(sign, entry) for sign in value.get("signs", ())),
        not_judged=value.get("not_judged", ""),
        decided_by=value.get("decided_by", ""),
    )


def _sign(sign: Any, entry: Entry) -> Mapping[str, Any]:
    _verify(sign, _SIGN_KEYS, ("where", "text"), entry.where, f"a sign of {entry.key}")
    _one_of(sign["where"], PLACES, "sign-unknown-place", entry.where, f"a sign of {entry.key} is looked for in")
    reason = sign.get("reason", [])
    reasons = [reason] if isinstance(reason, str) else reason
    for key, texts in (("reason", reasons), ("unless", sign.get("unless", []))):
        _verify_strings(texts, entry.where, f"a sign of {entry.key}: {key}")
    return {
        "where": sign["where"],
        "reasons": tuple(reasons),
        "text": sign["text"],
        "unless": tuple(sign.get("unless", ())),
    }


def _noise_of(file: Path | Traversable, shown_as: str) -> Iterator[Noise]:
    for entry in entries(file, shown_as):
        _verify(entry.value, _NOISE_KEYS, ("text", "why"), entry.where, entry.key)
        yield Noise(entry.key, entry.value["text"], entry.value["why"], entry.value.get("reference", ""))


def _verify(value: Any, keys: Mapping[str, Any], needed: Collection[str], where: str, what: str) -> None:
    if not isinstance(value, dict):
        raise RuleError("mode-not-a-mapping", where, f"{what} is not a mapping of {', '.join(needed)}")
    for key, part in value.items():
        if key not in keys:
            raise RuleError("mode-unknown-key", where, f"{what} has the key {key!r}", nearest(str(key), keys))
        if not isinstance(part, keys[key]):
            raise RuleError("mode-wrong-type", where, f"{what}: {key} is {part!r}, not {_name_of(keys[key])}")
        if part == "":
            raise RuleError("mode-empty", where, f"{what}: {key} is empty")
    for key in needed:
        if key not in value:
            raise RuleError("mode-lacks-key", where, f"{what} lacks {key}")


def _verify_strings(values: Collection[Any], where: str, what: str) -> None:
    for value in values:
        if not isinstance(value, str) or not value:
            raise RuleError("mode-wrong-type", where, f"{what} has {value!r}, which is not a text")


def _one_of(value: str, known: Collection[str], reference: str, where: str, what: str) -> None:
    if value not in known:
        hint = nearest(value, known) or (f"it is one of {', '.join(known)}" if len(known) < 20 else "")
        raise RuleError(reference, where, f"{what} {value!r}", hint)


def _name_of(kind: Any) -> str:
    names = {str: "a text", list: "a list", bool: "true or false"}
    return " or ".join(names[k] for k in (kind if isinstance(kind, tuple) else (kind,)))
