"""Worlds with more than one thing wrong: faults that do not show, and evidence that nobody collected."""

from __future__ import annotations

import copy

from efsdiag.world.bundle_files import Memory
from worlds.bundle import encoded, files_of
from worlds.fault import Change
from worlds.world import Thing, World


def unnoticed(world: World, *changes: Change) -> None:
    """Make the changes of faults, less their symptoms: the pod and its claim stand where they stood before.

    So it is where the thing was broken after the pod had come past it, and where it is broken beside the pod's way.
    """
    for change in changes:
        before = world.copied()
        change(world)
        world.kube["events"], world.logs = before.all("events"), before.logs
        _put_back(world.all("pods"), before.all("pods"), world.namespace)
        _put_back(world.all("deployments"), before.all("deployments"), world.namespace)
        _put_back(world.all("persistentvolumeclaims"), before.all("persistentvolumeclaims"), world.namespace)
        _put_volumes_back(world, before)


def _put_volumes_back(world: World, before: World) -> None:
    """Bind the volumes again; one that was never made in the fault's own world was made before in this one."""
    for was in before.all("persistentvolumes"):
        uid = was["metadata"]["uid"]
        volume = next((v for v in world.all("persistentvolumes") if v["metadata"]["uid"] == uid), None)
        if volume is not None:
            volume["status"] = was["status"]
            volume["spec"] |= {key: was["spec"][key] for key in ("claimRef",) if key in was["spec"]}
            continue
        world.all("persistentvolumes").append(was)
        world.volumes = {**before.volumes, **world.volumes}
        points = f"efs/describe-access-points/FileSystemId={world.file_system}"
        world.aws[points] = before.aws[points]


def _put_back(things: list[Thing], before: list[Thing], namespace: str) -> None:
    """Give the namespace's things the status that they had, and what a controller wrote into their spec."""
    old = {t["metadata"]["uid"]: t for t in before if t["metadata"].get("namespace") == namespace}
    for thing in things:
        was = old.get(thing["metadata"]["uid"])
        if was is None:
            continue
        thing["status"] = copy.deepcopy(was["status"])
        thing["metadata"]["annotations"] = copy.deepcopy(was["metadata"].get("annotations", {}))
        for key in ("nodeName", "volumeName"):
            if key in was["spec"]:
                thing["spec"][key] = was["spec"][key]


def uncollected(world: World, *prefixes: str) -> Memory:
    """The world's files without those below the prefixes: "aws/", "volumes/", "cluster-resources/events/"."""
    return Memory(encoded({path: c for path, c in files_of(world).items() if not path.startswith(prefixes)}))
