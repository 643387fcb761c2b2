"""Every fault, as a whole world: the diagnosis names exactly that fault, and a healthy world is healthy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from worlds.base import healthy
from worlds.bundle import write
from worlds.fault import BESIDE, Fault, Stage, load
from worlds.gaps import KNOWN_GAPS
from worlds.ids import NOW
from worlds.look import causes_of, diagnosis_of, rulebook
from worlds.noise import ALL, AROUND, Noise, spare_node_cordoned
from worlds.other_storage import as_grafana, on_ebs, on_longhorn, on_nfs
from worlds.symptoms import SYMPTOMS, Symptom
from worlds.world import Shape, World

from efsdiag.investigate import investigate
from efsdiag.model import ModeKind, Status
from efsdiag.world.bundle import BundleSource

FAULTS = load()
SHAPES = [
    Shape(flavour=flavour, storage=storage, kubernetes=kubernetes, prometheus=prometheus, options=options, seed=seed)
    for seed, (flavour, storage, kubernetes, prometheus, options) in enumerate(
        [
            ("kubeadm", "static", "v1.36.2", "3.5", ()),
            ("kubeadm", "directories", "v1.36.2", "2.42", ()),
            ("kubeadm", "dynamic", "v1.33.4", "3.14", ()),
            ("kubeadm", "static", "v1.33.4", "3.14", ("iam",)),
            ("eks", "static", "v1.33.4", "2.42", ()),
            ("eks", "directories", "v1.36.2", "3.14", ("iam",)),
            ("eks", "dynamic", "v1.33.4", "3.5", ("iam",)),
        ],
        100,
    )
]
PAIRS = 60
"""How many pairs of faults are tried."""


def mistake_of(fault: Fault, noise: Sequence[Noise] = ()) -> str:
    """What is wrong with the diagnosis of the fault's world; "" where nothing is."""
    world = healthy(fault.shape)
    for add in noise:
        add(world)
    fault.change(world)
    diagnosis = diagnosis_of(world)
    named, confirmed = causes_of(diagnosis), causes_of(diagnosis, confirmed=True)
    if not fault.provable:
        stray = named - fault.wanted
        return f"names {sorted(stray)}, which nothing shows" if stray else ""
    if diagnosis.status is not Status.DIAGNOSED:
        return f"is {diagnosis.status.value}"
    if named != fault.wanted:
        return f"names {sorted(named)}, wanted is {sorted(fault.wanted)}"
    if not fault.latent <= {f.finding.mode for f in diagnosis.latent}:
        return f"does not report {sorted(fault.latent)} as wrong beside it"
    return f"confirms only {sorted(confirmed)}, though objects prove it" if fault.sure and confirmed != named else ""


def ids(faults: Sequence[Fault]) -> list[str]:
    return [f.name for f in faults]


@pytest.mark.parametrize("fault", FAULTS, ids=ids(FAULTS))
def test_the_diagnosis_names_exactly_the_fault(fault: Fault) -> None:
    mistake = mistake_of(fault)
    if fault.name in KNOWN_GAPS:
        assert mistake, f"{fault.name} is right now; take it out of KNOWN_GAPS"
    else:
        assert not mistake


@pytest.mark.parametrize("fault", FAULTS, ids=ids(FAULTS))
def test_noise_around_it_changes_nothing(fault: Fault) -> None:
    noise = [n for n in AROUND if n is not spare_node_cordoned or fault.stage is not Stage.SCHEDULE]
    if fault.name in KNOWN_GAPS:
        assert mistake_of(fault, noise), f"{fault.name} is right with noise around it only"
    else:
        assert not mistake_of(fault, noise)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.flavour}-{s.storage}-{s.kubernetes}-{s.prometheus}")
@pytest.mark.parametrize(
    "noise", [(), *((n,) for n in ALL), ALL], ids=lambda n: "-".join(f.__name__ for f in n) or "quiet"
)
def test_a_healthy_world_is_healthy(shape: Shape, noise: Sequence[Noise]) -> None:
    world = healthy(shape)
    for add in noise:
        add(world)
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert not diagnosis.causes
    modes = rulebook().modes
    not_risks = {f.finding.mode for f in diagnosis.latent if modes[f.finding.mode].kind is not ModeKind.RISK}
    assert not not_risks


def test_known_gaps_are_faults_and_have_reasons() -> None:
    assert set(KNOWN_GAPS) <= {f.name for f in FAULTS}
    assert all(len(reason) > 20 for reason in KNOWN_GAPS.values())


def test_every_fault_has_a_name_of_its_own_and_a_mode_of_the_catalogue() -> None:
    names = [f.name for f in FAULTS]
    assert len(names) == len(set(names))
    modes = rulebook().modes
    assert {m for f in FAULTS for m in (f.mode, *f.wanted)} <= set(modes)


NO_PAIR = {
    ("pv.mounttargetip-stale", "network.no-mount-target"): "without any mount target no address is stale",
    ("network.", "network.no-mount-target"): "without any mount target there is no port and no route to it",
}
"""Beginnings of two modes that make no pair of faults, or of which only the first can be told."""


def _no_pair(first: str, then: str) -> bool:
    return any(first.startswith(one) and then.startswith(other) for one, other in NO_PAIR)


def _pairs() -> list[tuple[Fault, Fault]]:
    """Pairs of provable faults of one shape and two layers, the earlier step first; the same ones in every run."""
    certain = [f for f in FAULTS if f.provable and f.sure and f.name not in KNOWN_GAPS]
    usable = [f for f in certain if not _has_other_storage(f)]
    found = []
    for one, other in combinations(usable, 2):
        first, then = sorted((one, other), key=lambda f: f.stage)
        same_shape = {**vars(first.shape), "seed": 0} == {**vars(then.shape), "seed": 0}
        apart = first.stage != then.stage or {f.mode.split(".")[0] for f in (first, then)} == {"network", "efs"}
        if (
            not _no_pair(first.mode, then.mode)
            and same_shape
            and apart
            and Stage.CREATE not in (first.stage, then.stage)
            and _composes(first, then)
        ):
            found.append((first, then))
    return random.Random(20261121).sample(found, PAIRS)


def _has_other_storage(fault: Fault) -> bool:
    return fault.mode.startswith(("ebs.", "nfs.")) or fault.change.__module__ == "worlds.faults_others"


def _composes(first: Fault, then: Fault) -> bool:
    """Whether one world can have both: where the one takes away what the other changes, it cannot."""
    try:
        _both(first, then)
    except (KeyError, StopIteration, IndexError, ValueError, AttributeError):
        return False
    return True


def _both(first: Fault, then: Fault) -> World:
    """The later step's fault with its symptoms, then the earlier one's, which hide them."""
    world = healthy(first.shape)
    then.change(world)
    first.change(world)
    return world


PAIRED = _pairs()


@pytest.mark.parametrize(("first", "then"), PAIRED, ids=[f"{a.name}+{b.name}" for a, b in PAIRED])
def test_of_two_faults_the_one_that_stops_the_pod_is_named_and_nothing_else_is_blamed(
    first: Fault, then: Fault
) -> None:
    diagnosis = diagnosis_of(_both(first, then))
    named = causes_of(diagnosis)
    assert diagnosis.status is Status.DIAGNOSED
    assert first.wanted <= named or (first.stage is then.stage and then.wanted <= named)
    assert named <= first.wanted | then.wanted


def test_a_written_world_is_a_bundle_with_the_same_diagnosis(tmp_path: Path) -> None:
    fault = next(f for f in FAULTS if f.mode == "network.mount-target-sg-ingress")
    world = fault.world()
    write(world, tmp_path / "bundle")
    with BundleSource(tmp_path / "bundle") as source:
        written = investigate(rulebook(), source, world.asked, NOW, strict=True).diagnosis
    assert written == diagnosis_of(world)


def test_the_same_seed_makes_the_same_world_and_another_one_another() -> None:
    assert healthy(seed=4) == healthy(seed=4)
    assert healthy(seed=4).file_system != healthy(seed=5).file_system


@pytest.mark.parametrize("put", [on_ebs, on_nfs, on_longhorn, as_grafana], ids=lambda put: put.__name__)
@pytest.mark.parametrize("noise", [(), ALL], ids=["quiet", "noise"])
def test_a_world_with_other_storage_or_another_program_is_healthy(put: Noise, noise: Sequence[Noise]) -> None:
    world = healthy()
    for change in (put, *noise):
        change(world)
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    modes = rulebook().modes
    assert not {f.finding.mode for f in diagnosis.latent if modes[f.finding.mode].kind is not ModeKind.RISK}


@pytest.mark.parametrize("fault", BESIDE, ids=ids(BESIDE))
def test_what_is_wrong_beside_a_ready_pod_is_reported_and_not_blamed(fault: Fault) -> None:
    diagnosis = diagnosis_of(fault.world())
    assert diagnosis.status is Status.HEALTHY
    assert not diagnosis.causes
    assert fault.latent <= {f.finding.mode for f in diagnosis.latent}


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=[s.mode for s in SYMPTOMS])
def test_where_nothing_deeper_can_be_read_the_symptom_is_named_with_its_suspects(symptom: Symptom) -> None:
    world, files = symptom.world()
    diagnosis = diagnosis_of(world, files)
    shown = {f.mode for v in diagnosis.verdicts.values() for f in v.findings}
    assert symptom.mode in shown
    assert not causes_of(diagnosis, confirmed=True)
    if symptom.actionable:
        assert causes_of(diagnosis) == {symptom.mode}
    else:
        assert diagnosis.status is Status.INCONCLUSIVE
        assert diagnosis.suspects
        assert any(f.mode == symptom.mode for c in diagnosis.deepest for f in diagnosis.verdicts[c].findings)


def test_every_symptom_of_the_catalogue_has_its_world() -> None:
    assert {s.mode for s in SYMPTOMS} == {m.id for m in rulebook().modes.values() if m.kind is ModeKind.SYMPTOM}


def test_every_mode_that_is_judged_has_a_world() -> None:
    judged = {mode for check in rulebook().checks.values() for mode in check.modes}
    seen = {mode for f in (*FAULTS, *BESIDE) for mode in (*f.wanted, *f.latent)} | {s.mode for s in SYMPTOMS}
    assert sorted(judged - seen) == []
