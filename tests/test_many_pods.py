"""One cause that keeps sixty pods down is one fingerprint, whichever pod is asked about."""

from __future__ import annotations

import copy

import pytest
from worlds.bundle import encoded, files_of
from worlds.fault import load
from worlds.ids import NOW
from worlds.look import rulebook
from worlds.world import Thing, World

from efsdiag.investigate import investigate
from efsdiag.model import Subject
from efsdiag.report.data import Environment, Surroundings, Usage, report_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

PODS = 60
SHARED = ("network.mount-target-sg-ingress", "network.no-mount-target", "csi.driver-not-installed")


def twins(world: World) -> list[str]:
    """Sixty pods like the first one, of as many workloads, with its events; their names."""
    events = [e for e in world.all("events") if e["involvedObject"].get("uid") == world.pod["metadata"]["uid"]]
    names = []
    for number in range(PODS - 1):
        twin: Thing = copy.deepcopy(world.pod)
        uid, name = world.ids.uid(), f"reader-{number}-{world.ids.suffix()}"
        twin["metadata"] |= {"uid": uid, "name": name}
        twin["metadata"].pop("ownerReferences", None)
        world.all("pods").append(twin)
        for event in events:
            own = copy.deepcopy(event)
            own["metadata"] |= {"name": f"{name}.{world.ids.suffix()}", "uid": world.ids.uid()}
            own["involvedObject"] |= {"uid": uid, "name": name}
            world.all("events").append(own)
        names.append(name)
    return [world.pod["metadata"]["name"], *names]


@pytest.mark.parametrize("mode", SHARED)
def test_sixty_pods_with_one_cause_have_one_fingerprint(mode: str) -> None:
    world = next(f for f in load() if f.mode == mode and f.sure).world()
    names = twins(world)
    files = Memory(encoded(files_of(world)))
    found = {name: _prints(files, world.namespace, name) for name in names}
    assert len(found) == PODS
    assert len(set(map(frozenset, found.values()))) == 1
    assert len(found[names[0]]) == 1


def _prints(files: Memory, namespace: str, name: str) -> set[str]:
    done = investigate(rulebook(), BundleSource.of(files), Subject("pod", namespace, name), NOW, strict=True)
    report = report_of(done, Surroundings(Environment("bundle"), Usage(0, None), None, {}))
    return {cause["fingerprint"] for cause in report["rootCauses"]}
