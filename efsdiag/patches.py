"""Changes of Kubernetes objects that exist: a JSON Patch (RFC 6902) that tests what it relies on, and its inverse.

The server itself refuses a patch whose tests do not hold, so a change that was planned from stale evidence is not made.
A member that is to be new is tested for null: the library of the API server takes a missing member for null.
Source: https://github.com/evanphx/json-patch/blob/master/patch.go (Patch.test)
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final

from efsdiag.changes import Change, Declined, Risk
from efsdiag.redaction import is_redacted
from efsdiag.semantics.objects import controller_of, ref_of
from efsdiag.writes import write_of

Object = Mapping[str, Any]
Patch = list[dict[str, Any]]


class _Remove(Enum):
    REMOVE = "remove"


REMOVE: Final = _Remove.REMOVE
"""In the place of a new value: the member is to go."""
_MISSING = object()

RESOURCES = {
    "PersistentVolume": "persistentvolumes",
    "Node": "nodes",
    "ServiceAccount": "serviceaccounts",
    "ResourceQuota": "resourcequotas",
    "Deployment": "deployments",
    "StatefulSet": "statefulsets",
    "DaemonSet": "daemonsets",
    "StorageClass": "storageclasses",
}
"""The kinds that may be patched."""
TEMPLATED = ("Deployment", "StatefulSet", "DaemonSet")
"""The kinds whose template may be changed; they replace their pods then."""
TEMPLATE = "/spec/template/spec"
RESTARTED = "efsdiag/restarted-in-place-of"
"""The annotation of a template that makes its workload replace its pods; its value is a pod that is to be replaced."""


def pointer(*steps: object) -> str:
    """The JSON pointer (RFC 6901) of these steps: ("metadata", "labels", "a/b") → "/metadata/labels/a~1b"."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def patches(thing: Object, values: Mapping[str, Any], relies_on: Iterable[str] = ()) -> tuple[Patch, Patch]:
    """The patch that sets pointers of the object to new values, and the one that takes it back.

    Both begin with tests: of the object's uid, of the names of the list members on the way, of what is replaced and of
    `relies_on`. Both are empty where the object is as wanted already. A list is replaced as a whole, but for one in
    which a secret was redacted: there the other members are. Members on the way that are missing are made, and go again
    with the inverse.
    """
    after = copy.deepcopy(dict(thing))
    for path, value in values.items():
        _set(after, _steps(path), value)
    edits = list(dict.fromkeys(_edit(thing, path) for path in values))
    edits = [e for e in edits if _at(thing, _steps(e)) != _at(after, _steps(e))]
    apart = [_spared(thing, after, edit) for edit in edits]
    edits = [edit for changed, _ in apart for edit in changed]
    relies_on = [*relies_on, *(path for _, stays in apart for path in stays)]
    if not edits:
        return [], []
    return _patch(thing, after, edits, relies_on), _patch(after, thing, edits, relies_on)


def change_of(
    thing: Object,
    values: Mapping[str, Any],
    words: str,
    *,
    risk: Risk = Risk.SAFE,
    relies_on: Iterable[str] = (),
    residue: str = "",
    undoable: bool = True,
) -> Change | Declined:
    """The change that sets pointers of the object to new values; Declined where it is so already.

    Without `undoable` it has no undo, and `residue` says why.
    """
    there, back = patches(thing, values, relies_on)
    on = ref_of(dict(thing))
    if not there:
        return Declined(f"{on.kind} {on.name} is so already")
    scope = {"namespace": on.namespace} if on.namespace else {}
    operation = f"kube:patch {RESOURCES[on.kind]}"
    write = write_of(operation, **scope, name=on.name, patch=there)
    undo = write_of(operation, **scope, name=on.name, patch=back) if undoable else None
    return Change(write, words, on, risk, undo, residue)


def template_change(
    workload: Object | None, values: Mapping[str, Any], words: str, relies_on: Iterable[str] = ()
) -> Change | Declined:
    """The change of a workload's template, by pointers below its spec; its pods are replaced, so it is disruptive."""
    refused = template_fixed(workload)
    if refused or workload is None:
        return refused or Declined("the pod is made by nothing")
    found = change_of(
        workload,
        {f"{TEMPLATE}{path}": value for path, value in values.items()},
        words,
        risk=Risk.DISRUPTIVE,
        relies_on=[f"{TEMPLATE}{path}" for path in relies_on],
    )
    if isinstance(found, Declined):
        return Declined(f"the template of {_named(workload)} says so already; its pod is older than that")
    return found


def template_fixed(workload: Object | None) -> Declined | None:
    """Why the template of the workload cannot be changed here; None where it can."""
    if workload is None:
        return Declined("the pod is made by nothing that has a template, and a pod's own spec cannot be changed")
    if workload.get("kind") not in TEMPLATED:
        return Declined(f"the template of a {workload.get('kind')} cannot be changed; it has to be made again")
    owner = controller_of(dict(workload))
    if owner:
        made_by = f"{owner.get('kind')} {owner.get('name')}"
        return Declined(f"{_named(workload)} is made by {made_by}, which would put the old value back; set it there")
    return None


def restart_change(workload: Object | None, instead_of: str, words: str) -> Change | Declined:
    """The change that makes the workload replace its pods; `instead_of` names one of them."""
    refused = template_fixed(workload)
    if refused or workload is None:
        return refused or Declined("the pod is made by nothing")
    path = pointer("spec", "template", "metadata", "annotations", RESTARTED)
    return change_of(workload, {path: instead_of}, words, risk=Risk.DISRUPTIVE)


def container_path(spec: Object, name: str) -> str | None:
    """The pointer of a container below the spec, init containers included; None where it is not in the spec."""
    for key in ("containers", "initContainers"):
        for number, container in enumerate(spec.get(key) or []):
            if container.get("name") == name:
                return pointer(key, number)
    return None


def template_spec(workload: Object | None) -> dict[str, Any]:
    """The spec of the workload's template; empty where it has none."""
    found: dict[str, Any] = (((workload or {}).get("spec") or {}).get("template") or {}).get("spec") or {}
    return found


def _named(workload: Object) -> str:
    return f"{workload['kind']} {workload['metadata']['name']}"


def _patch(before: Object, after: Object, edits: list[str], relies_on: Iterable[str]) -> Patch:
    uid = pointer("metadata", "uid")
    named = [name for path in edits for name in _names_on_the_way(before, _steps(path))]
    others = [path for path in (uid, *named, *relies_on) if path not in edits]
    tested = [p for p in dict.fromkeys([*others, *edits]) if p != uid or _at(before, _steps(uid)) is not _MISSING]
    # Behind the end of a list there is nothing that could be tested, not even for null.
    tested = [p for p in tested if not _is_behind(before, _steps(p))]
    made = [{"op": "test", "path": p, "value": _or_null(_at(before, _steps(p)))} for p in tested]
    return made + [_operation(before, after, path) for path in edits]


def _spared(before: Object, after: Object, path: str) -> tuple[list[str], list[str]]:
    """The members to edit in the place of a list that cannot be written as a whole, because it holds a redacted one.

    With the others that can be tested, so that they are where they were. The list itself where its members do not stay
    where they are: then nobody can write it.
    """
    old, new = _at(before, _steps(path)), _at(after, _steps(path))
    if not (isinstance(old, list) and isinstance(new, list) and is_redacted([old, new])):
        return [path], []
    longer = max(len(old), len(new))
    changed = [n for n in range(longer) if old[n : n + 1] != new[n : n + 1]]
    stays = abs(len(old) - len(new)) <= 1 and not any(is_redacted([old[n : n + 1], new[n : n + 1]]) for n in changed)
    others = [n for n in range(min(len(old), len(new))) if n not in changed and not is_redacted(old[n])]
    return ([f"{path}/{n}" for n in changed], [f"{path}/{n}" for n in others]) if stays else ([path], [])


def _operation(before: Object, after: Object, path: str) -> dict[str, Any]:
    old, new = _at(before, _steps(path)), _at(after, _steps(path))
    if new is _MISSING:
        return {"op": "remove", "path": path}
    return {"op": "add" if old is _MISSING else "replace", "path": path, "value": new}


def _is_behind(thing: Object, steps: list[str]) -> bool:
    holder = _at(thing, steps[:-1])
    return isinstance(holder, list) and steps[-1].isdecimal() and int(steps[-1]) >= len(holder)


def _edit(thing: Object, path: str) -> str:
    """The pointer at which the object is edited: the first member on the way that it lacks, or the path itself."""
    steps = _steps(path)
    missing = (n for n in range(1, len(steps) + 1) if _at(thing, steps[:n]) is _MISSING)
    return pointer(*steps[: next(missing, len(steps))])


def _names_on_the_way(thing: Object, steps: list[str]) -> list[str]:
    """The pointers of the names of list members that the path goes through."""
    found = []
    for n in range(1, len(steps)):
        holder, member = _at(thing, steps[: n - 1]), _at(thing, steps[:n])
        if isinstance(holder, list) and isinstance(member, Mapping) and "name" in member:
            found.append(pointer(*steps[:n], "name"))
    return found


def _set(value: dict[str, Any], steps: list[str], new: Any) -> None:
    holder: Any = value
    for step in steps[:-1]:
        holder = holder[int(step)] if isinstance(holder, list) else holder.setdefault(step, {})
    if new is REMOVE:
        holder.pop(steps[-1], None)
    else:
        holder[steps[-1]] = new


def _at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return _MISSING
    return value


def _or_null(value: Any) -> Any:
    return None if value is _MISSING else value


def _steps(path: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
