"""The Jobs that efsdiag may run in a cluster: what they mount, as whom they run, and the script that they run.

Every Job is of one container without a token, without privileges and with a root file system that is read-only; it ends
by itself, and the cluster takes it away some minutes later. The scripts stand beside this module.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from efsdiag.changes import Write
from efsdiag.operations import read_of
from efsdiag.semantics.claims import Claim
from efsdiag.semantics.containers import DataPath
from efsdiag.semantics.hops import NFS_PORT
from efsdiag.semantics.posix import Credentials
from efsdiag.semantics.statuses import Container
from efsdiag.writes import LISTING, REACHING, TRIAL, own_labels, own_uid, write_of

CONTAINER = "efsdiag"
MOUNTED_AT = "/volume"
MOST_ENTRIES = 500
LASTS_S = 60
KEPT_S = 300
"""After so long a Job that has ended is taken away by the cluster, where efsdiag itself did not do it."""
SMALL = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}}


@dataclass(frozen=True)
class Place:
    """Where a Job runs: beside a pod, with its image."""

    pod: Mapping[str, Any]
    image: str
    taken: Collection[str] = ()
    """Names of Jobs that are there already."""

    @classmethod
    def beside(cls, pod: Mapping[str, Any], container: Container, image: str, taken: Any) -> Place:
        """Beside the pod, with the container's image where no other one was asked for."""
        return cls(pod, image or str(container.spec["image"]), taken if isinstance(taken, tuple) else ())

    @property
    def namespace(self) -> str:
        """The pod's own one."""
        return str(self.pod["metadata"]["namespace"])


@dataclass(frozen=True)
class Inside:
    """A directory of a volume, and the way to it."""

    volume: str
    claim: str
    path: str
    sub_path: str = ""
    """The directory of the volume that the pod mounts in the place of the volume's root."""

    @classmethod
    def of(cls, directory: DataPath, claim: Claim, volume: Mapping[str, Any]) -> Inside:
        """The data directory on its volume."""
        return cls(volume["metadata"]["name"], claim.name, directory.on_volume, directory.sub_path)


@dataclass(frozen=True)
class State:
    """What becomes of one path: the owner and mode that it has to have before, and those that it gets."""

    path: str
    before: str
    """uid:gid:mode, the mode with four octal digits."""
    after: str

    @property
    def back(self) -> State:
        """The change that takes it back."""
        return State(self.path, self.after, self.before)


def look_job(place: Place, inside: Inside, who: Credentials) -> dict[str, Any]:
    """A Job that prints what these credentials see on the way to the directory. It is deleted with the pod."""
    start = f"/{inside.sub_path}" if inside.sub_path else "/"
    given = [script("look"), "look", MOUNTED_AT, inside.volume, str(MOST_ENTRIES), start, inside.path]
    # With a subPath the kubelet goes to that directory itself, for this Job as for the pod.
    mount = {"name": "data", "mountPath": f"{MOUNTED_AT}{start}".rstrip("/"), "readOnly": True}
    mount |= {"subPath": inside.sub_path} if inside.sub_path else {}
    spec = _spec(place, given, _mounting(inside, mount), _running_as(who))
    return _job("look", place, own_labels(LISTING, inside.volume), spec, [_owner(place)])


def mend_job(place: Place, inside: Inside, states: Iterable[State], verb: str) -> dict[str, Any]:
    """A Job that changes exactly these paths, or nothing, and then prints the same listing, as root."""
    triples = [word for state in states for word in (state.path, state.before, state.after)]
    given = [f"{script('mend')}{script('look')}", "mend"]
    given += [MOUNTED_AT, inside.volume, str(MOST_ENTRIES), "/", inside.path, *triples]
    context = {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = _spec(place, given, _mounting(inside, {"name": "data", "mountPath": MOUNTED_AT}), context)
    spec["containers"][0]["securityContext"]["capabilities"]["add"] = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
    return _job(verb, place, own_labels(LISTING, inside.volume), spec, [])


def reach_job(place: Place, volume: str, name: str, addresses: Iterable[str]) -> dict[str, Any]:
    """A Job that resolves a name and opens TCP 2049 to addresses, from the network of the pod's node.

    Without addresses it opens TCP 2049 to the name; without a name ("") it resolves nothing.
    """
    node = str(place.pod["spec"]["nodeName"])
    given = [script("reach"), "reach", volume, node, name, str(NFS_PORT), *addresses]
    spec = _spec(place, given, {}, _running_as(Credentials(65534, 65534)))
    # dnsPolicy Default is the node's own resolver, which mount.efs asks.
    spec |= {"hostNetwork": True, "dnsPolicy": "Default"}
    return _job("reach", place, own_labels(REACHING, f"{node}/{volume}"), spec, [_owner(place)])


def trial_job(
    namespace: str, claim: str, image: str, who: Credentials, placed: Mapping[str, Any], taken: Any
) -> dict[str, Any]:
    """A Job that writes a line through the claim, reads it back and removes it, as these credentials.

    `placed` says on which nodes, as a pod's spec does: those on which the program is to stand.
    """
    place = Place({"metadata": {"namespace": namespace}, "spec": {}}, image, taken if isinstance(taken, tuple) else ())
    given = [script("trial"), "trial", MOUNTED_AT, f".efsdiag-trial-{claim}", f"written through claim {claim}"]
    inside = Inside("", claim, "/")
    spec = _spec(place, given, _mounting(inside, {"name": "data", "mountPath": MOUNTED_AT}), _running_as(who))
    return _job("trial", place, own_labels(TRIAL, claim), {**spec, **placed}, [])


def creation(job: Mapping[str, Any]) -> Write:
    """The write that makes the Job."""
    return write_of("kube:create jobs", namespace=job["metadata"]["namespace"], object=job)


def deletion(job: Mapping[str, Any]) -> Write:
    """The write that takes away the Job of that name, if efsdiag made it."""
    where = {name: str(job["metadata"][name]) for name in ("namespace", "name")}
    return write_of("kube:delete jobs", **where, uid=own_uid(read_of("kube:get jobs", **where)))


@cache
def script(name: str) -> str:
    """The shell script of that name, without its comments."""
    text = files("efsdiag.jobs").joinpath(f"{name}.sh").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


def _mounting(inside: Inside, mount: Mapping[str, Any]) -> dict[str, Any]:
    source = {"name": "data", "persistentVolumeClaim": {"claimName": inside.claim}}
    return {"volumes": [source], "volumeMounts": [mount]}


def _running_as(who: Credentials) -> dict[str, Any]:
    """The process's ids. fsGroup is one of the groups here: as fsGroup it could make the kubelet change owners."""
    return {
        "runAsUser": who.uid,
        "runAsGroup": who.gid,
        "runAsNonRoot": who.uid != 0,
        "supplementalGroups": sorted(who.groups),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _spec(place: Place, given: list[str], mounting: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    own = place.pod["spec"]
    container = {
        "name": CONTAINER,
        "image": place.image,
        "command": ["sh", "-c", *given],
        "resources": SMALL,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounting.get("volumeMounts", []),
    }
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": dict(context),
        "volumes": mounting.get("volumes", []),
        "containers": [container],
    }
    same = ("nodeName", "tolerations", "imagePullSecrets")
    return spec | {name: own[name] for name in same if own.get(name)}


def _job(
    verb: str, place: Place, labels: Mapping[str, str], spec: Mapping[str, Any], owners: list[dict[str, Any]]
) -> dict[str, Any]:
    digest = hashlib.sha256(json.dumps([place.namespace, spec], sort_keys=True).encode()).hexdigest()
    metadata = {"name": _free(f"efsdiag-{verb}-{digest[:8]}", place.taken), "namespace": place.namespace}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**metadata, "labels": dict(labels), **({"ownerReferences": owners} if owners else {})},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": LASTS_S,
            "ttlSecondsAfterFinished": KEPT_S,
            "template": {"metadata": {"labels": dict(labels)}, "spec": dict(spec)},
        },
    }


def _owner(place: Place) -> dict[str, Any]:
    """The pod as an owner: where it is deleted, so is the Job."""
    metadata = place.pod["metadata"]
    return {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}


def _free(name: str, taken: Collection[str]) -> str:
    """The name, or with a number behind it where a Job of an earlier run still has it."""
    return next(n for n in (name, *(f"{name}-{i}" for i in range(1, len(taken) + 2))) if n not in taken)
