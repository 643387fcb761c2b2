"""Plans from evidence without secrets: nothing redacted is written back, and what can be changed beside it still is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from canary import CANARY, found_in, sow
from kubeapi.answers import Refusal
from kubeapi.patches import json_patch
from plans import plan_with, scene_in
from remedylab import settle_template
from sampling import one_in
from test_remedies import FAULTS, assert_inverse, changes_of
from worlds.bundle import encoded, files_of
from worlds.fault import Fault
from worlds.ids import NOW
from worlds.look import rulebook
from worlds.world import World

from efsdiag.changes import Change, Choices, Plan, Trouble, WriteFailed
from efsdiag.gather import Gather
from efsdiag.investigate import investigate
from efsdiag.model import Ref
from efsdiag.patches import patches
from efsdiag.redaction import MARK, is_redacted, redacted
from efsdiag.remedy_rules import load_remedies
from efsdiag.report.export import exported
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.treat.planning import HELD_BACK, place_of, plan_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.redacting import Redacting
from efsdiag.writes import write_of

KINDS = ("prometheus.tsdb-path", "grafana.init-chown", "mount.", "pv.", "container.")
OFTEN_REDACTED = [f for f in FAULTS if f.mode.startswith(KINDS)]


def planned(fault: Fault) -> tuple[World, Plan]:
    """The fault's world with secrets everywhere, and the plan for it."""
    world = fault.world()
    settle_template(world)
    for things in world.kube.values():
        for thing in things:
            sow(thing)
    source = Redacting(BundleSource.of(Memory(encoded(files_of(world)))))
    found = investigate(rulebook(), source, world.asked, NOW, strict=True)
    gather = Gather(rulebook().evidence, source, {"subject": found.subject, "now": NOW}, strict=True)
    place = place_of(source, world.account, world.region, "")
    return world, plan_of(found.diagnosis, found.asked, gather, load_remedies(), place, NOW, Choices(likely=True))


@pytest.mark.parametrize("fault", one_in(14, FAULTS, always=OFTEN_REDACTED), ids=lambda fault: fault.name)
def test_a_plan_writes_back_nothing_redacted_and_fits_the_object_with_its_secrets(fault: Fault) -> None:
    world, plan = planned(fault)
    for change in changes_of(plan):
        assert not is_redacted(change.write.parameters), change.words
        assert not (change.undo and is_redacted(change.undo.parameters)), change.words
        if "patch" in change.write.parameters:
            assert_inverse(change, world)
    assert found_in(json.dumps(plan_as_json(plan)), *(exported(plan, emit) for emit in ("commands", "yaml"))) == []


def test_an_argument_is_added_beside_those_that_are_secret() -> None:
    fault = next(f for f in FAULTS if f.mode == "prometheus.tsdb-path-off-volume")
    world, plan = planned(fault)
    (change,) = [c for c in changes_of(plan) if c.write.operation.startswith("kube:patch ")]
    made = json_patch(_template(world), change.write.parameters["patch"])
    before, after = (_arguments(thing) for thing in (_template(world), made))
    assert CANARY in before
    assert len(set(after) ^ set(before)) in (1, 2)
    assert [w for w in after if CANARY in w] == [w for w in before if CANARY in w]


def _template(world: World) -> dict[str, Any]:
    asked = world.asked
    return world.get(f"{asked.kind}s", asked.name, asked.namespace)


def _arguments(workload: dict[str, Any]) -> list[str]:
    return [word for c in workload["spec"]["template"]["spec"]["containers"] for word in c.get("args") or []]


def test_a_remedy_that_would_have_to_write_a_secret_back_says_so() -> None:
    said = [why for fault in OFTEN_REDACTED for _, _, why in planned(fault)[1].declined]
    assert HELD_BACK in said


# --- patches of lists ---------------------------------------------------------------------------------------------

VOLUME = {
    "kind": "PersistentVolume",
    "metadata": {"name": "data", "uid": "u-1"},
    "spec": {"mountOptions": ["tls", f"password={CANARY}", "iam"]},
}
SHOWN = redacted(VOLUME)
OPTIONS = "/spec/mountOptions"
SECRET = f"password={MARK}"


@pytest.mark.parametrize(
    "wanted", [["tls", SECRET, "noresvport"], ["tls", SECRET, "iam", "ro"], ["tls", SECRET], ["a", SECRET, "b"]]
)
def test_members_beside_a_redacted_one_are_changed_by_themselves(wanted: list[str]) -> None:
    before = copy.deepcopy(VOLUME)
    there, back = patches(SHOWN, {OPTIONS: wanted})
    assert not is_redacted([there, back])
    made = json_patch(VOLUME, there)
    assert made["spec"]["mountOptions"] == [w.replace(MARK, CANARY) for w in wanted]
    assert json_patch(made, back) == before == VOLUME
    elsewhere = {**VOLUME, "spec": {"mountOptions": ["x", "y"]}}
    with pytest.raises(Refusal):
        json_patch(elsewhere, there)


@pytest.mark.parametrize("wanted", [["tls", "iam"], [SECRET, "tls", "iam"], ["tls", "iam", SECRET, "ro"], []])
def test_a_list_whose_redacted_member_would_move_or_go_is_not_taken_apart(wanted: list[str]) -> None:
    """Then the patch holds the mark, and planning declines it."""
    there, back = patches(SHOWN, {OPTIONS: wanted})
    assert is_redacted([there, back])


def test_a_list_without_a_secret_is_replaced_as_a_whole() -> None:
    volume = {**VOLUME, "spec": {"mountOptions": ["tls"]}}
    there, _ = patches(volume, {OPTIONS: ["tls", "iam"]})
    assert there[-1] == {"op": "replace", "path": OPTIONS, "value": ["tls", "iam"]}


def test_the_writer_sends_nothing_that_was_redacted(tmp_path: Any) -> None:
    import consents

    patch = [{"op": "replace", "path": OPTIONS, "value": [SECRET]}]
    write = write_of("kube:patch persistentvolumes", name="pv-1", patch=patch)
    with scene_in(tmp_path) as scene:
        scene.kube.requests.clear()
        plan = consents.agree(plan_with(Change(write, "x", Ref("PersistentVolume", "pv-1"))))
        writer = scene.writer(plan)
        for call in (writer.rehearse, writer.write):
            with pytest.raises(WriteFailed) as failure:
                call(write)
            assert failure.value.trouble is Trouble.INVALID
            assert "was redacted, and is not known" in failure.value.message
        assert scene.kube.mutations == []
