"""A bare cluster and an empty account, in which `efsdiag install` runs as its user would run it.

What Kubernetes does is done by `Cluster.work`: binding, rolling out, readiness, and nothing else. What the driver does
for a claim of its class it does there too. Helm is a stand-in that makes what the two charts make.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import consents
from accounts import account_of
from awsworld import AwsWorld, build
from conftest import unconfigured
from kubeapi import KubeApi
from lab import renamed
from permits import guard
from worlds.base import LABELS, healthy
from worlds.bundle import write
from worlds.cluster import owner_of, running_status
from worlds.world import Thing, World

from efsdiag.changes import Trouble, Write, WriteFailed
from efsdiag.cli import applying, awaiting, installing, job_ends, main, marked, sources, uninstalling
from efsdiag.releases import Origin
from efsdiag.semantics.binding import nearest_volumes
from efsdiag.semantics.scheduling import matches_selector, untolerated_taints
from efsdiag.world import writer
from efsdiag.world.helm import Helm
from efsdiag.writes import mark_of

GONE_FROM_CLUSTER = (
    "csidrivers",
    "daemonsets",
    "deployments",
    "replicasets",
    "leases",
    "storageclasses",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "csinodes",
    "events",
)
IDENTITIES = ("iam/get-role", "iam/list-attached", "iam/list-role", "iam/get-policy", "iam/get-role-")
TOLERATED = [{"key": k, "operator": "Exists"} for k in ("CriticalAddonsOnly", "efs.csi.aws.com/agent-not-ready")]
"""What the driver's chart lets its controller tolerate."""
DRIVER = "aws-efs-csi-driver"
SAFE = ("install", "--approve-risk", "safe")


def bare(**shape: Any) -> World:
    """Instances with Kubernetes on them, and nothing else: no driver, no claim, no file system, no role."""
    world = stripped(healthy(**shape))
    world.aws = {k: v for k, v in world.aws.items() if not k.startswith(IDENTITIES)}
    world.aws["iam/list-instance-profiles"] = {"InstanceProfiles": []}
    world.aws["ec2/describe-iam-instance-profile-associations"] = {"IamInstanceProfileAssociations": []}
    for instance in world.instances():
        instance.pop("IamInstanceProfile", None)
    return world


def stripped(world: World) -> World:
    """The world without Prometheus, the driver and the file system; what its instances may do stays."""
    for resource in GONE_FROM_CLUSTER:
        world.kube[resource] = []
    for resource in ("serviceaccounts", "configmaps"):
        kept = [t for t in world.all(resource) if t["metadata"]["name"] in ("default", "kube-root-ca.crt")]
        world.kube[resource] = [t for t in kept if t["metadata"]["namespace"] != world.namespace]
    world.kube["namespaces"] = [t for t in world.all("namespaces") if t["metadata"]["name"] != world.namespace]
    world.logs, world.volumes = {}, {}
    world.aws = {k: v for k, v in world.aws.items() if not k.startswith("efs/")}
    world.aws["efs/describe-file-systems"] = {"FileSystems": []}
    groups = world.aws["ec2/describe-security-groups"]
    groups["SecurityGroups"] = [g for g in groups["SecurityGroups"] if g["GroupName"] != "efs"]
    return world


@dataclass
class InstallLab:
    """One bare world."""

    world: World
    kube: KubeApi
    aws: AwsWorld
    folder: Path
    printed: str = ""
    releases: dict[str, Write] = field(default_factory=dict)
    """The releases that helm knows."""
    jobs: list[Thing] = field(default_factory=list)
    """The Jobs that were run."""
    stands_in: bool = True
    """Whether helm is the stand-in."""
    runs_jobs: bool = True
    waited_s: float = 0.0
    rights: tuple[list[Thing], Thing] | None = None
    """The roles and the policy that whoever runs efsdiag has; None for all rights."""
    pause_s: float = 0.0
    """So long each wait really takes, where something else works beside."""
    without: tuple[str, ...] = ()
    """Variables that the environment of a run has not."""
    refuses: Callable[[Thing, Thing], list[str]] = lambda namespace, pod: []
    """Why the cluster takes no pod of that template in that namespace; nothing where it does."""
    afterwards: Callable[[InstallLab], None] = lambda lab: None
    """What more the cluster does whenever it works."""
    number: int = 0
    whole: World | None = None
    """The world when all is installed, from which come the objects that the charts make; by its shape, where None."""
    example: World = field(init=False)

    def __post_init__(self) -> None:
        self.example = self.whole or healthy(self.world.shape)

    @property
    def controllers(self) -> type[Cluster]:
        """What works in the cluster while efsdiag waits."""
        return Cluster

    def run(self, *arguments: str) -> int:
        """`efsdiag` in this process; what it prints is in `printed`. The risks on the command line are agreed to."""
        consents.agree_on(arguments, self.journal)
        more = ["--kubeconfig", str(self.kube.kubeconfig(self.folder))]
        out = io.StringIO()
        # The cluster works whenever efsdiag waits, and time passes only then.
        clock = SimpleNamespace(sleep=self._wait, monotonic=lambda: self.waited_s)
        if self.rights:
            self.kube.grant_only(*self.rights[0])
        with (
            patch.object(self.aws, "meddle", guard(self.rights[1]) if self.rights else self.aws.meddle),
            patch.dict(os.environ, self.environment, clear=True),
            patch.object(sources, "LIVE_WORKERS", 1),
            patch.object(applying, "time", clock),
            patch.object(awaiting, "time", clock),
            patch.object(installing, "time", clock),
            patch.object(uninstalling, "time", clock),
            patch.object(job_ends, "time", clock),
            helm_of(self) if self.stands_in else contextlib.nullcontext(),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            code = main([*arguments, *more])
        self.printed = out.getvalue()
        return code

    def _wait(self, time_s: float) -> None:
        self.waited_s += time_s
        time.sleep(self.pause_s)
        # What the cluster asks AWS for is not asked with the rights of who runs efsdiag.
        with patch.object(self.aws, "meddle", lambda _: None):
            self.controllers(self).work()

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def environment(self) -> dict[str, str]:
        own = {**self.aws.environment, "EFSDIAG_JOURNAL": str(self.journal), "EFSDIAG_NO_COLOR": "1"}
        return {k: v for k, v in {**unconfigured(), **own}.items() if k not in self.without}

    def all(self, resource: str, namespace: str = "") -> list[Thing]:
        return self.kube.objects(resource, namespace)

    def account(self) -> dict[str, Any]:
        """What the account has that an install could make or change."""
        return account_of(self.aws)

    def cluster(self) -> list[str]:
        """What is in the cluster, by name."""
        resources = ("namespaces", "persistentvolumes", "persistentvolumeclaims", "storageclasses.storage.k8s.io")
        more = ("csidrivers.storage.k8s.io", "deployments.apps", "daemonsets.apps", "pods", "jobs.batch")
        named = [
            (r, t["metadata"].get("namespace", ""), t["metadata"]["name"])
            for r in resources + more
            for t in self.all(r)
        ]
        return sorted(f"{resource} {namespace}/{name}" for resource, namespace, name in named)

    def writes(self) -> list[str]:
        """What efsdiag wrote to both servers so far, rehearsals and the lock left out."""
        kube = [
            f"{r.verb} {r.resource} {r.name or r.body['metadata']['name']}"
            for r in self.kube.mutations
            if not r.dry_run and not r.resource.startswith("leases")
        ]
        return kube + [a.operation for a in self.aws.asked if a.mutates and "efsdiag/" in a.agent]


class Cluster:
    """What Kubernetes and the driver do with the objects as they are now."""

    def __init__(self, lab: InstallLab) -> None:
        self.lab = lab

    def work(self) -> None:
        self._driver()
        self._claims()
        self._jobs()
        self._prometheus()
        self.lab.afterwards(self.lab)

    def _driver(self) -> None:
        lab = self.lab
        daemons = lab.kube.object("daemonsets.apps", "efs-csi-node", "kube-system")
        controller = lab.kube.object("deployments.apps", "efs-csi-controller", "kube-system")
        pods = lab.all("pods", "kube-system")
        for pod in pods:
            owner = pod["metadata"]["labels"].get("app")
            if (owner, daemons) == ("efs-csi-node", None) or (owner, controller) == ("efs-csi-controller", None):
                lab.kube.remove("pods", pod["metadata"]["name"], "kube-system")
        nodes = [n["metadata"]["name"] for n in lab.all("nodes")]
        if daemons is not None and not any(p["metadata"]["labels"].get("app") == "efs-csi-node" for p in pods):
            for node in nodes:
                self._pod(daemons, node)
            for csi_node in lab.example.all("csinodes"):
                self._add(csi_node)
            count = len(nodes)
            daemons["status"] = {"desiredNumberScheduled": count, "numberReady": count}
            lab.kube.add(daemons)
        if controller is not None and not any(p["metadata"]["labels"].get("app") == "efs-csi-controller" for p in pods):
            shape = template(controller)
            open_to = [
                n["metadata"]["name"]
                for n in lab.all("nodes")
                if matches_selector(shape, n) and not untolerated_taints(shape, n)
            ]
            made = [self._pod(controller, open_to[i % len(open_to)]) for i in range(controller["spec"]["replicas"])]
            lease = copy.deepcopy(lab.example.get("leases", "efs-csi-aws-com", "kube-system"))
            lease["spec"]["holderIdentity"] = made[0]["metadata"]["name"]
            lab.kube.add(lease)

    def _claims(self) -> None:
        for claim in self.lab.all("persistentvolumeclaims"):
            if claim.get("status", {}).get("phase") == "Bound":
                continue
            volumes = self.lab.all("persistentvolumes")
            nearest = [c for c in nearest_volumes(claim, volumes) if not c.mismatches]
            if nearest:
                self._bind(claim, copy.deepcopy(dict(nearest[0].volume)))
            elif claim["spec"].get("storageClassName"):
                volume = self._provisioned(claim)
                if volume:
                    self._bind(claim, volume)
        for volume in self.lab.all("persistentvolumes"):
            if "status" not in volume:
                self.lab.kube.add({**volume, "status": {"phase": "Available"}})

    def _provisioned(self, claim: Thing) -> Thing | None:
        """The volume that the driver makes, on an access point of its own, where it may ask AWS for one."""
        name = claim["spec"]["storageClassName"]
        found = self.lab.kube.object("storageclasses.storage.k8s.io", name)
        if found is None or not self.lab.aws.client("iam").list_instance_profiles()["InstanceProfiles"]:
            return None
        given = found["parameters"]
        volume = f"pvc-{claim['metadata']['uid']}"
        uid, gid = int(given.get("uid", 50000)), int(given.get("gid", 50000))
        owner = {"OwnerUid": uid, "OwnerGid": gid, "Permissions": given["directoryPerms"]}
        point = self.lab.aws.client("efs").create_access_point(
            ClientToken=volume,
            FileSystemId=given["fileSystemId"],
            PosixUser={"Uid": uid, "Gid": gid},
            RootDirectory={"Path": f"/{volume}", "CreationInfo": owner},
            Tags=[{"Key": "efs.csi.aws.com/cluster", "Value": "true"}],
        )["AccessPointId"]
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": "efs.csi.aws.com"}},
            "spec": {
                "accessModes": claim["spec"]["accessModes"],
                "capacity": claim["spec"]["resources"]["requests"],
                "csi": {"driver": "efs.csi.aws.com", "volumeHandle": f"{given['fileSystemId']}::{point}"},
                "persistentVolumeReclaimPolicy": found.get("reclaimPolicy", "Delete"),
                "storageClassName": name,
                "volumeMode": "Filesystem",
            },
        }

    def _bind(self, claim: Thing, volume: Thing) -> None:
        metadata = claim["metadata"]
        reference = {"kind": "PersistentVolumeClaim", **{k: metadata[k] for k in ("namespace", "name", "uid")}}
        volume["spec"]["claimRef"] = {**(volume["spec"].get("claimRef") or {}), **reference}
        volume["status"] = {"phase": "Bound"}
        claim["spec"]["volumeName"] = volume["metadata"]["name"]
        claim["status"] = {"phase": "Bound", "accessModes": claim["spec"]["accessModes"]}
        self.lab.kube.add(volume)
        self.lab.kube.add(claim)

    def _jobs(self) -> None:
        """Jobs on a claim that is bound come to a good end; the pods of those that were deleted go."""
        for job in self.lab.all("jobs.batch") if self.lab.runs_jobs else ():
            claim = job["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
            found = self.lab.kube.object("persistentvolumeclaims", claim, job["metadata"]["namespace"])
            bound = found and found.get("status", {}).get("phase") == "Bound"
            if bound and not job.get("status") and not self._refused(job):
                self.lab.jobs.append(job)
                self.lab.kube.add({**job, "status": {"conditions": [{"type": "Complete", "status": "True"}]}})

    def _prometheus(self) -> None:
        namespace = self.lab.world.namespace
        found = (
            self.lab.kube.object(resource, "prometheus-server", namespace)
            for resource in ("deployments.apps", "statefulsets.apps")
        )
        workload = next((w for w in found if w is not None), None)
        mine = [p for p in self.lab.all("pods", namespace) if "job-name" not in p["metadata"]["labels"]]
        if workload is None:
            for pod in mine:
                self.lab.kube.remove("pods", pod["metadata"]["name"], namespace)
        elif not mine and not self._refused(workload):
            self._pod(_with_claims(workload), self.lab.aws.rename(self.lab.example.node["metadata"]["name"]))
            workload["status"] = {"replicas": 1, "readyReplicas": 1}
            self.lab.kube.add(workload)

    def _refused(self, workload: Thing) -> list[str]:
        space = self.lab.kube.object("namespaces", workload["metadata"]["namespace"])
        return self.lab.refuses(space or {}, template(workload))

    def _pod(self, workload: Thing, node: str) -> Thing:
        lab, metadata = self.lab, workload["metadata"]
        lab.number += 1
        owner = owner_of(workload)
        if workload["kind"] == "Deployment" and metadata["name"] == "prometheus-server":
            owner = {**owner, "kind": "ReplicaSet", "name": f"{metadata['name']}-5d8f6c7b9"}
        pod: Thing = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{owner['name']}-new{lab.number:02}",
                "namespace": metadata["namespace"],
                "labels": dict(workload["spec"]["template"]["metadata"]["labels"]),
                "ownerReferences": [owner],
            },
            "spec": {**copy.deepcopy(workload["spec"]["template"]["spec"]), "nodeName": node},
        }
        pod["status"] = running_status(lab.example, pod, since=2)
        lab.kube.add(pod)
        for container in pod["spec"]["containers"]:
            lab.kube.add_log(metadata["namespace"], pod["metadata"]["name"], container["name"], "started\n")
        return pod

    def _add(self, thing: Thing) -> None:
        """Keeps an object of the healthy world, with the ids of this one."""
        self.lab.kube.add(json.loads(self.lab.aws.rename(json.dumps(thing))))


def _with_claims(workload: Thing) -> Thing:
    """The workload with the claims of its templates in its pod's volumes, as the controller of StatefulSets has it."""
    made = copy.deepcopy(workload)
    for template in made["spec"].get("volumeClaimTemplates", ()):
        name = template["metadata"]["name"]
        source = {"claimName": f"{name}-{made['metadata']['name']}-0"}
        made["spec"]["template"]["spec"]["volumes"].append({"name": name, "persistentVolumeClaim": source})
    return made


@contextmanager
def helm_of(lab: InstallLab) -> Iterator[None]:
    """While it lasts, the program helm is a stand-in, which makes and takes away what the two charts would."""

    def wrote(helm: Helm, write: Write, given: Thing) -> Any:
        return _helm(lab, write)

    def held(helm: Helm, write: Write, given: Thing) -> bool:
        return given["release"] in lab.releases

    def origin(done: Any, request: Any, name: str, namespace: str) -> Origin | None:
        made = lab.releases.get(name)
        return Origin(mark_of(made), "revision 1 (deployed) has the mark of efsdiag") if made else None

    with (
        patch.object(marked, "origin_at", origin),
        patch.object(writer, "write_release", wrote),
        patch.object(writer, "rehearse_release", lambda *_: None),
        patch.object(writer, "release_holds", held),
        patch.object(installing, "releases_of", lambda *_: []),
        patch.object(installing, "verify_releases", lambda *_: None),
    ):
        yield


def _helm(lab: InstallLab, what: Write) -> None:
    given = what.parameters
    name = given["release"]
    if what.operation == "helm:uninstall":
        held = lab.releases.pop(name, None)
        if held is None:
            raise WriteFailed(Trouble.GONE, f"release {name} is not there")
        for thing in _chart(lab, name, held.parameters["values"]):
            metadata = thing["metadata"]
            lab.kube.remove(_resource(thing), metadata["name"], metadata.get("namespace", ""))
        return
    lab.releases[name] = what
    for thing in _chart(lab, name, given["values"]):
        lab.kube.add(thing)


def template(workload: Thing) -> Thing:
    """The pod template of a workload."""
    found: Thing = workload["spec"]["template"]
    return found


def _resource(thing: Thing) -> str:
    group = thing["apiVersion"].rpartition("/")[0]
    return f"{thing['kind'].lower()}s{f'.{group}' if group else ''}"


def _chart(lab: InstallLab, release: str, values: Thing) -> list[Thing]:
    """The objects of the chart, as the healthy world has them."""
    example = lab.example
    if release == DRIVER:
        account = copy.deepcopy(example.get("serviceaccounts", "efs-csi-controller-sa", "kube-system"))
        own = values.get("controller", {}).get("serviceAccount", {})
        account["metadata"]["annotations"] = dict(own.get("annotations", {}))
        node = example.get("serviceaccounts", "efs-csi-node-sa", "kube-system")
        controller = copy.deepcopy(example.controller)
        given = values.get("controller", {})
        controller["spec"]["replicas"] = given.get("replicaCount", 2)
        template(controller)["spec"] |= {"tolerations": TOLERATED} | {
            name: given[name] for name in ("tolerations", "affinity") if name in given
        }
        daemons = copy.deepcopy(example.daemonset)
        daemons.pop("status", None)
        accounts = [account, node] if own.get("create", True) else [node]
        return [example.all("csidrivers")[0], *accounts, daemons, controller]
    deployment = copy.deepcopy(example.deployment)
    deployment.pop("status", None)
    server = values.get("server", {})
    spec = deployment["spec"]["template"]["spec"]
    spec["securityContext"] = server.get("securityContext", {})
    spec["containers"][0]["securityContext"] = server.get("containerSecurityContext", {})
    for volume in spec["volumes"]:
        if "persistentVolumeClaim" in volume:
            volume["persistentVolumeClaim"]["claimName"] = server.get("persistentVolume", {}).get("existingClaim")
    config = example.get("configmaps", "prometheus-server", example.namespace)
    account = example.get("serviceaccounts", "prometheus-server", example.namespace)
    assert set(LABELS) <= set(deployment["metadata"]["labels"])
    return [account, config, deployment]


@contextmanager
def install_lab(
    world: World, folder: Path, whole: World | None = None, made: type[InstallLab] | None = None
) -> Iterator[InstallLab]:
    """The lab of a world. Its files are in `folder`."""
    write(world, folder / "bundle")
    with AwsWorld(world.region) as aws:
        build(aws, folder / "bundle")
        served = renamed(folder / "bundle", aws, folder / "served")
        with KubeApi.from_bundle(served, unread="empty") as kube:
            yield (made or InstallLab)(world, kube, aws, folder, whole=whole)
