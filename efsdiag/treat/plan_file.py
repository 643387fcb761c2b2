"""A plan as a JSON document, and back. What comes back can only name operations of READS and WRITES."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from efsdiag.changes import Change, Choices, Lookup, Option, Place, Plan, Risk, Write
from efsdiag.files import text_of
from efsdiag.model import Ref, Subject
from efsdiag.operations import read_of
from efsdiag.writes import command_of, write_of


class PlanError(Exception):
    """A file that is not a plan of efsdiag, and why."""


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """The document, kind Plan, with every change's command and undo command beside it."""
    return {
        "apiVersion": "efsdiag/v1",
        "kind": "Plan",
        "target": vars(plan.target),
        "live": plan.live,
        "place": vars(plan.place),
        "madeAt": plan.made_at.isoformat(),
        "expiresAt": plan.expires_at.isoformat(),
        "digest": plan.digest,
        "chosen": [_with_commands(option) for option in plan.chosen],
        "alternatives": [_with_commands(option) for option in plan.alternatives],
        "looks": [_with_commands(option) for option in plan.looks],
        "choices": {k: list(v) if isinstance(v, tuple) else v for k, v in vars(plan.choices).items()},
        "declined": [{"mode": m, "remedy": r, "why": w} for m, r, w in plan.declined],
    }


def read_plan(path: Path) -> Plan:
    """The plan in the file. Errors: PlanError, also where the digest in it is not the plan's own."""
    try:
        document = json.loads(text_of(path))
    except (OSError, ValueError, RecursionError) as error:
        raise PlanError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "Plan":
        raise PlanError(f"{path} is not a plan: its kind is not Plan")
    try:
        plan = plan_from_json(document)
    except KeyError as error:
        raise PlanError(f"{path} is not a plan of efsdiag: it lacks {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise PlanError(f"{path} is not a plan of efsdiag: {error}") from error
    if plan.digest != document.get("digest"):
        raise PlanError(f"{path} was changed after it was made: its digest is {document.get('digest')}")
    # What stands beside the writes, such as their commands, is what people read before they agree.
    if _text(plan_as_json(plan)) != _text(document):
        raise PlanError(f"{path} was changed after it was made, or by another version of efsdiag")
    return plan


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """The plan that `plan_as_json` wrote. Errors: KeyError, TypeError, ValueError."""
    chose = document["choices"]
    return Plan(
        Subject(**document["target"]),
        Place(**document["place"]),
        _time(document["madeAt"]),
        _time(document["expiresAt"]),
        tuple(_option(o) for o in document["chosen"]),
        tuple(_option(o) for o in document["alternatives"]),
        tuple((d["mode"], d["remedy"], d["why"]) for d in document["declined"]),
        Choices(
            tuple(chose["remedies"]),
            tuple(chose["also"]),
            bool(chose["likely"]),
            chose["probe_image"],
            chose["install"],
        ),
        bool(document["live"]),
        tuple(_option(o) for o in document["looks"]),
    )


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)


def _with_commands(option: Option) -> dict[str, Any]:
    made = option.as_json()
    for change, shown in zip(option.changes, made["changes"], strict=True):
        shown["command"] = command_of(change.write)
        shown["undoCommand"] = command_of(change.undo) if change.undo else None
    return made


def _option(given: Mapping[str, Any]) -> Option:
    return Option(
        given["mode"],
        given["check"],
        Ref(**given["object"]) if given["object"] else None,
        given["remedy"],
        given["does"],
        given["costs"],
        float(given["settlesS"]),
        tuple(_change(c) for c in given["changes"]),
    )


def _change(given: Mapping[str, Any]) -> Change:
    return Change(
        _write(given["write"]),
        given["words"],
        Ref(**given["object"]),
        Risk(given["risk"]),
        _write(given["undo"]) if given["undo"] else None,
        given["residue"],
    )


def _write(given: Mapping[str, Any]) -> Write:
    return write_of(given["operation"], **{k: _value(v) for k, v in given["parameters"].items()})


def _value(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"read", "parameters", "path"}:
        return Lookup(read_of(value["read"], **value["parameters"]), value["path"])
    if isinstance(value, dict):
        return {k: _value(v) for k, v in value.items()}
    return [_value(v) for v in value] if isinstance(value, list) else value
