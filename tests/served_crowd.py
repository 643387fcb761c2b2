"""A served cluster of any size: a healthy world, and a crowd of namespaces whose pods share its file system.

Of ten pods, two are of one Deployment with storage, one claim and one volume of their own; the others have none.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from awsworld import AwsWorld, build
from kubeapi import KubeApi
from lab import renamed
from worlds.base import healthy
from worlds.bundle import write
from worlds.world import World

Thing = dict[str, Any]

PODS_OF_A_NAMESPACE = 500
WITH_STORAGE = 2
PLAIN = 8


@dataclass
class Crowd:
    """A served cluster and account. `add` grows it to so many pods."""

    kube: KubeApi
    aws: AwsWorld
    kubeconfig: Path
    pod: Thing
    """The pod of the world; others are like it."""
    claim: Thing
    volume: Thing
    deployment: Thing
    replica_set: Thing
    made: int = 0

    def add(self, pods: int) -> None:
        """Adds pods until the crowd has so many."""
        while self.made < pods:
            group, namespace = self.made // (WITH_STORAGE + PLAIN), f"team-{self.made // PODS_OF_A_NAMESPACE:04d}"
            if not self.made % PODS_OF_A_NAMESPACE:
                self.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            self._with_storage(namespace, f"store-{group}")
            for number in range(PLAIN):
                self.kube.add(self._plain(namespace, f"plain-{group}", number))
            self.made += WITH_STORAGE + PLAIN

    def _with_storage(self, namespace: str, name: str) -> None:
        deployment = _named(self.deployment, namespace, name)
        replica_set = _named(self.replica_set, namespace, f"{name}-7c9d4")
        claim, volume = _named(self.claim, namespace, name), _named(self.volume, "", f"{namespace}-{name}")
        claim["spec"]["volumeName"] = volume["metadata"]["name"]
        volume["spec"]["claimRef"] |= {"namespace": namespace, "name": name, "uid": claim["metadata"]["uid"]}
        labels = {"app": name}
        for owner in (deployment, replica_set):
            owner["spec"]["selector"] = {"matchLabels": labels}
        replica_set["metadata"]["ownerReferences"] = [_owner(deployment)]
        for thing in (deployment, replica_set, claim, volume):
            self.kube.add(thing)
        for number in range(WITH_STORAGE):
            pod = _named(self.pod, namespace, f"{name}-7c9d4-{number:05d}")
            pod["metadata"] |= {
                "labels": labels | {"pod-template-hash": "7c9d4"},
                "ownerReferences": [_owner(replica_set)],
            }
            for mounted in pod["spec"]["volumes"]:
                if "persistentVolumeClaim" in mounted:
                    mounted["persistentVolumeClaim"]["claimName"] = name
            self.kube.add(pod)
            for container in pod["spec"]["containers"]:
                self.kube.add_log(namespace, pod["metadata"]["name"], container["name"], "Server is ready.\n")

    def _plain(self, namespace: str, name: str, number: int) -> Thing:
        """A pod without storage. All of them have one spec and status, so that a large crowd fits into memory."""
        replica_set = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5b8f6", "uid": name}
        metadata = self.pod["metadata"] | {
            "name": f"{name}-5b8f6-{number:05d}",
            "namespace": namespace,
            "uid": f"Pod-{namespace}-{name}-{number}",
            "labels": {"app": name, "pod-template-hash": "5b8f6"},
            "ownerReferences": [{**replica_set, "controller": True}],
        }
        metadata.pop("resourceVersion")
        return {**self.pod, "metadata": metadata, "spec": self._plain_spec}

    @cached_property
    def _plain_spec(self) -> Thing:
        volumes = [v for v in self.pod["spec"]["volumes"] if "persistentVolumeClaim" not in v]
        return {**self.pod["spec"], "volumes": volumes}


@contextmanager
def crowd(folder: Path) -> Iterator[Crowd]:
    """The healthy world on loopback, without a crowd yet."""
    world = healthy()
    write(world, folder / "bundle")
    with AwsWorld(world.region) as aws:
        build(aws, folder / "bundle")
        with KubeApi.from_bundle(renamed(folder / "bundle", aws, folder / "served"), unread="empty") as kube:
            yield Crowd(kube, aws, kube.kubeconfig(folder), *_first_of(kube, world))


def _first_of(kube: KubeApi, world: World) -> list[Thing]:
    """The pod of Prometheus, its claim, volume, Deployment and ReplicaSet, with the ids of the account."""
    space, name = world.namespace, world.pod["metadata"]["name"]
    owner = world.pod["metadata"]["ownerReferences"][0]["name"]
    found = [
        kube.object("pods", name, space),
        kube.object("persistentvolumeclaims", "prometheus-server", space),
        kube.object("persistentvolumes", world.volume["metadata"]["name"]),
        kube.object("deployments.apps", "prometheus-server", space),
        kube.object("replicasets.apps", owner, space),
    ]
    assert all(found)
    return [thing for thing in found if thing is not None]


def _named(thing: Thing, namespace: str, name: str) -> Thing:
    made = copy.deepcopy(thing)
    made["metadata"] |= {"name": name, "uid": f"{made['kind']}-{namespace}-{name}"}
    made["metadata"].pop("resourceVersion", None)
    if namespace:
        made["metadata"]["namespace"] = namespace
    return made


def _owner(thing: Thing) -> Thing:
    named = {"name": thing["metadata"]["name"], "uid": thing["metadata"]["uid"]}
    return {"apiVersion": thing["apiVersion"], "kind": thing["kind"], **named, "controller": True}
