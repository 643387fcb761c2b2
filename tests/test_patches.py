"""JSON Patches with tests, and their inverse, on plain values and as the test server applies them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from kubeapi.answers import Refusal
from kubeapi.patches import json_patch

from efsdiag.changes import Declined, Risk
from efsdiag.patches import REMOVE, change_of, patches, pointer, restart_change, template_change

VOLUME: dict[str, Any] = {
    "kind": "PersistentVolume",
    "metadata": {"name": "data", "uid": "u-1", "labels": {"a": "b"}},
    "spec": {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": {"name": "old"}},
}
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "shop", "uid": "u-2"},
    "spec": {"template": {"metadata": {}, "spec": {"containers": [{"name": "main", "image": "x"}]}}},
}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (VOLUME, {"/spec/capacity/storage": "8Gi"}),
    (VOLUME, {"/spec/mountOptions": ["iam"]}),
    (VOLUME, {"/spec/claimRef": REMOVE}),
    (VOLUME, {"/metadata/labels/x~1y": "z", "/metadata/labels/a": "c"}),
    (VOLUME, {"/metadata/annotations/k": "v", "/metadata/annotations/l": "w"}),
    (DEPLOYMENT, {"/spec/template/spec/containers/0/resources/limits/memory": "1Gi"}),
    (DEPLOYMENT, {"/spec/template/spec/securityContext/runAsUser": 1, "/spec/template/spec/tolerations": []}),
]


@pytest.mark.parametrize(("thing", "values"), CASES)
def test_a_patch_makes_what_is_wanted_and_its_inverse_takes_it_back(
    thing: dict[str, Any], values: dict[str, Any]
) -> None:
    before = copy.deepcopy(thing)
    there, back = patches(thing, values)
    made = json_patch(thing, there)
    assert made != thing
    assert json_patch(made, back) == thing == before
    for path, value in values.items():
        assert _found(made, path) == (None if value is REMOVE else value)


@pytest.mark.parametrize(("thing", "values"), CASES)
def test_both_begin_with_tests_and_are_refused_where_these_do_not_hold(
    thing: dict[str, Any], values: dict[str, Any]
) -> None:
    there, back = patches(thing, values)
    for patch in (there, back):
        kinds = [o["op"] for o in patch]
        assert "test" not in kinds[kinds.index(next(k for k in kinds if k != "test")) :]
        edited = {o["path"] for o in patch if o["op"] != "test"}
        assert edited < {o["path"] for o in patch if o["op"] == "test"}
        assert patch[0] == {"op": "test", "path": "/metadata/uid", "value": thing["metadata"]["uid"]}
    with pytest.raises(Refusal):
        json_patch(json_patch(thing, there), there)
    with pytest.raises(Refusal):
        json_patch(thing, back)


def test_a_container_that_moved_is_not_patched() -> None:
    there, _ = patches(DEPLOYMENT, {"/spec/template/spec/containers/0/image": "y"})
    moved = copy.deepcopy(DEPLOYMENT)
    moved["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "x"})
    with pytest.raises(Refusal):
        json_patch(moved, there)


def test_what_a_change_relies_on_is_tested() -> None:
    change = change_of(VOLUME, {"/spec/claimRef": REMOVE}, "words", relies_on=["/spec/accessModes"], undoable=False)
    assert not isinstance(change, Declined)
    assert {"op": "test", "path": "/spec/accessModes", "value": ["ReadWriteOnce"]} in change.write.parameters["patch"]
    assert change.undo is None


def test_what_is_so_already_is_declined() -> None:
    assert patches(VOLUME, {"/spec/capacity/storage": "5Gi"}) == ([], [])
    assert isinstance(change_of(VOLUME, {"/spec/mountOptions": REMOVE}, "words"), Declined)
    assert isinstance(template_change(DEPLOYMENT, {"/containers/0/image": "x"}, "words"), Declined)


def test_a_template_is_changed_only_where_that_lasts() -> None:
    change = template_change(DEPLOYMENT, {"/containers/0/image": "y"}, "words")
    assert not isinstance(change, Declined)
    assert change.risk is Risk.DISRUPTIVE
    owner = {"kind": "Prometheus", "name": "main", "controller": True}
    owned = {**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "ownerReferences": [owner]}}
    for workload, word in ((owned, "Prometheus main"), ({**DEPLOYMENT, "kind": "Job"}, "Job"), (None, "no")):
        refused = template_change(workload, {"/containers/0/image": "y"}, "words")
        assert isinstance(refused, Declined)
        assert word in refused.why
        assert isinstance(restart_change(workload, "pod-1", "words"), Declined)


def test_a_pointer_escapes_what_json_pointers_escape() -> None:
    assert pointer("metadata", "annotations", "a/b~c") == "/metadata/annotations/a~1b~0c"


def _found(thing: Any, path: str) -> Any:
    for step in path.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        thing = thing[int(key)] if isinstance(thing, list) else (thing or {}).get(key)
    return thing
