"""A world of tests/worlds on a real HTTP API and moto, in which a plan is made, carried out and taken back.

The command line runs in this process. What Kubernetes itself would do after a change (binding, replacing pods,
scheduling) is done by `Controllers`, from the objects as they are then, after the healthy world's example.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import consents
from accounts import account_of, backups_of
from awsworld import AwsWorld, build
from conftest import unconfigured
from kubeapi import KubeApi
from lab import renamed
from permits import guard
from worlds.base import healthy
from worlds.bundle import write
from worlds.world import Thing, World

from efsdiag.cli import applying, main
from efsdiag.semantics.binding import nearest_volumes
from efsdiag.treat.plan_file import read_plan
from efsdiag.world.live import LiveSource

DECLARED = {
    "persistentvolumes": "",
    "persistentvolumeclaims": "monitoring",
    "storageclasses.storage.k8s.io": "",
    "csidrivers.storage.k8s.io": "",
    "nodes": "",
    "resourcequotas": "monitoring",
    "serviceaccounts": "kube-system",
    "deployments.apps": "monitoring kube-system",
    "daemonsets.apps": "kube-system",
}
"""What is compared before and after, with its namespaces."""
BY_CONTROLLERS = ("claimRef", "volumeName", "taints")
"""What the controllers, and not a remedy, write into a spec; the remedies' own writes there are looked at apart."""


@dataclass
class RemedyLab:
    """One broken world."""

    world: World
    kube: KubeApi
    aws: AwsWorld
    folder: Path
    printed: str = ""
    number: int = 0
    heals: bool = True
    rights: tuple[list[dict[str, Any]], dict[str, Any]] | None = None
    """The roles and the policy that whoever runs efsdiag has; None for all rights."""
    written: dict[str, Any] = field(default_factory=dict)
    """What was declared when the last plan was written, before the controllers worked."""
    example: World = field(init=False)

    def __post_init__(self) -> None:
        self.example = healthy(self.world.shape)

    def run(self, *arguments: str) -> int:
        """`efsdiag` in this process; what it prints is in `printed`."""
        consents.agree_on(arguments, self.folder / "journal")
        more = ["--kubeconfig", str(self.kube.kubeconfig(self.folder))]
        kept = {"EFSDIAG_JOURNAL": str(self.folder / "journal"), "EFSDIAG_NO_COLOR": "1"}
        out = io.StringIO()
        if self.rights:
            self.kube.grant_only(*self.rights[0])
        with (
            patch.object(self.aws, "meddle", guard(self.rights[1]) if self.rights else self.aws.meddle),
            patch.dict(os.environ, {**unconfigured(), **self.aws.environment, **kept}, clear=True),
            patch.object(LiveSource, "_ask", self._asked()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
        ):
            code = main([*arguments, *more])
        self.printed = out.getvalue()
        return code

    def plan(self, *more: str) -> dict[str, Any]:
        """The plan of the world's Deployment, kept in plan.json."""
        file = self.folder / "plan.json"
        file.unlink(missing_ok=True)
        code = self.run("plan", *self.target, "--likely", "-o", str(file), *more)
        assert code == 0, self.printed
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def apply(self, digest: str) -> int:
        """Carries out plan.json; the controllers work before the second look."""
        consents.agree(read_plan(self.folder / "plan.json"))
        verify = applying.verify

        def after(*given: Any, **named: Any) -> Any:
            with patch.object(self.aws, "meddle", lambda _: None):
                self.written = self.declared()
            Controllers(self).work()
            return verify(*given, **named)

        with patch.object(applying, "verify", after):
            return self.run("apply", str(self.folder / "plan.json"), "--approve", digest, "--settle", "1s")

    def undo(self, digest: str) -> int:
        return self.run("undo", "--approve", digest)

    def causes(self) -> set[str]:
        """The modes that `why` blames, and those that it finds wrong besides."""
        self.run("why", *self.target, "-o", "json")
        report = json.loads(self.printed[self.printed.index("{") :])
        return {c["id"] for c in [*report["rootCauses"], *report["latent"]]}

    @property
    def target(self) -> tuple[str, str, str]:
        return "deployment/prometheus-server", "-n", self.world.namespace

    def declared(self) -> dict[str, Any]:
        """What people and programs have declared, in the cluster and in the account."""
        account = {**account_of(self.aws), "backups": backups_of(self.aws)}
        found: dict[str, Any] = {f"aws {name}": value for name, value in account.items()}
        for resource, namespaces in DECLARED.items():
            for namespace in namespaces.split() or [""]:
                for thing in self.all(resource, namespace):
                    metadata = thing["metadata"]
                    kept = {k: metadata.get(k) or {} for k in ("labels", "annotations")}
                    spec = {k: v for k, v in (thing.get("spec") or {}).items() if k not in BY_CONTROLLERS}
                    other = {k: v for k, v in thing.items() if k not in ("metadata", "spec", "status")}
                    found[f"{resource}/{namespace}/{metadata['name']}"] = {**kept, "spec": spec, **other}
        return found

    def all(self, resource: str, namespace: str = "") -> list[Thing]:
        """Every object of the resource that is there now."""
        return self.kube.objects(resource, namespace)

    def _asked(self) -> Callable[..., Any]:
        """A live source for which somebody has looked inside the volumes, where the world says what was seen."""
        ask = LiveSource._ask

        def asked(source: LiveSource, query: Any) -> Any:
            if query.operation != "volume:entries" or not self.world.volumes:
                return ask(source, query)
            return self.world.volumes.get(str(query["persistentVolume"]))

        return asked


class Controllers:
    """What Kubernetes does with the objects as they are now."""

    def __init__(self, lab: RemedyLab) -> None:
        self.lab = lab
        self.example = lab.example

    def work(self) -> None:
        self._nodes()
        self._claims()
        self._driver()
        self._pods()

    def _nodes(self) -> None:
        """A node that is no longer cordoned loses the taint that stands for it."""
        for node in self.lab.all("nodes"):
            taints = node["spec"].get("taints") or []
            kept = [t for t in taints if t["key"] != "node.kubernetes.io/unschedulable"]
            if kept != taints and not node["spec"].get("unschedulable"):
                node["spec"]["taints"] = kept
                self.lab.kube.add(node)

    def _claims(self) -> None:
        for claim in self.lab.all("persistentvolumeclaims", self.lab.world.namespace):
            if claim.get("status", {}).get("phase") == "Bound":
                continue
            volumes = self.lab.all("persistentvolumes")
            nearest = [c for c in nearest_volumes(claim, volumes) if not c.mismatches]
            if nearest:
                self._bind(claim, dict(nearest[0].volume))
            elif self._provisioner(claim):
                self._bind(claim, self._provisioned(claim))

    def _provisioner(self, claim: Thing) -> bool:
        classes = self.lab.all("storageclasses.storage.k8s.io")
        mark = "storageclass.kubernetes.io/is-default-class"
        default = [c for c in classes if (c["metadata"].get("annotations") or {}).get(mark) == "true"]
        named = claim["spec"].get("storageClassName")
        names = [
            c["metadata"]["name"] for c in (classes if named else default) if c["provisioner"] == "efs.csi.aws.com"
        ]
        return named in names if named else bool(names)

    def _provisioned(self, claim: Thing) -> Thing:
        """The volume that the driver would make."""
        example = copy.deepcopy(self.example.volume)
        handle = next(iter(self.lab.aws.client("efs").describe_file_systems()["FileSystems"]))["FileSystemId"]
        example["spec"]["csi"]["volumeHandle"] = handle
        example["spec"]["storageClassName"] = claim["spec"].get("storageClassName", "")
        return example

    def _bind(self, claim: Thing, volume: Thing) -> None:
        metadata = claim["metadata"]
        volume["spec"]["claimRef"] = {
            **(volume["spec"].get("claimRef") or {"kind": "PersistentVolumeClaim"}),
            **{k: metadata[k] for k in ("namespace", "name", "uid")},
        }
        volume["status"] = {"phase": "Bound"}
        claim["spec"]["volumeName"] = volume["metadata"]["name"]
        claim["status"] = {"phase": "Bound", "accessModes": claim["spec"]["accessModes"]}
        self.lab.kube.add(volume)
        self.lab.kube.add(claim)

    def _driver(self) -> None:
        """The driver's pods as their templates say, one on each node or on two of them, and what they register."""
        accounts = {a["metadata"]["name"]: a for a in self.lab.all("serviceaccounts", "kube-system")}
        for resource, name, app in (
            ("deployments.apps", "efs-csi-controller", "efs-csi-controller"),
            ("daemonsets.apps", "efs-csi-node", "efs-csi-node"),
        ):
            workload = self.lab.kube.object(resource, name, "kube-system")
            if workload is None:
                continue
            mine = [p for p in self.lab.all("pods", "kube-system") if p["metadata"]["labels"].get("app") == app]
            if not self._is_new(workload, mine, len(self.example.driver_pods(app))):
                continue
            for pod in mine:
                self.lab.kube.remove("pods", pod["metadata"]["name"], "kube-system")
            for pod in self.example.driver_pods(app):
                self._start(workload, pod, self._identity(accounts, workload))
        for node in self.example.all("csinodes"):
            self._add(node)
        lease = copy.deepcopy(self.example.get("leases", "efs-csi-aws-com", "kube-system"))
        pods = [p["metadata"]["name"] for p in self.lab.all("pods", "kube-system")]
        lease["spec"]["holderIdentity"] = next((p for p in pods if p.startswith("efs-csi-controller")), "")
        self._add(lease)

    def _identity(self, accounts: dict[str, Thing], workload: Thing) -> list[Thing]:
        """What the webhook of EKS puts into a pod whose service account names a role."""
        account = accounts.get(workload["spec"]["template"]["spec"].get("serviceAccountName", ""), {})
        role = (account.get("metadata", {}).get("annotations") or {}).get("eks.amazonaws.com/role-arn")
        token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
        names = [("AWS_ROLE_ARN", role), ("AWS_WEB_IDENTITY_TOKEN_FILE", token)]
        return [{"name": n, "value": v} for n, v in names] if role else []

    def _is_new(self, workload: Thing, pods: list[Thing], count: int) -> bool:
        """Whether the template is another one than that of the pods, or some of them are missing."""
        template = workload["spec"]["template"]
        wanted = _comparable(template["spec"]), (template["metadata"].get("annotations") or {})
        return len(pods) != count or any(
            (_comparable(p["spec"]), p["metadata"].get("annotations") or {}) != wanted for p in pods
        )

    def _start(self, workload: Thing, example: Thing, env: list[Thing]) -> None:
        self.lab.number += 1
        pod = copy.deepcopy(example)
        template = workload["spec"]["template"]
        pod["metadata"] |= {
            "name": f"{example['metadata']['name'][:-5]}new{self.lab.number:02}",
            "uid": f"00000000-0000-4000-8000-{self.lab.number:012}",
            "annotations": copy.deepcopy(template["metadata"].get("annotations") or {}),
        }
        pod["spec"] = {**copy.deepcopy(template["spec"]), "nodeName": example["spec"]["nodeName"]}
        pod["spec"]["containers"][0].setdefault("env", []).extend(env)
        self._add(pod)

    def _pods(self) -> None:
        world = self.lab.world
        workload = self.lab.kube.object("deployments.apps", "prometheus-server", world.namespace)
        assert workload is not None
        part = "app.kubernetes.io/component"
        mine = [p for p in self.lab.all("pods", world.namespace) if p["metadata"]["labels"].get(part) == "server"]
        for pod in mine:
            self.lab.kube.remove("pods", pod["metadata"]["name"], world.namespace)
        self._start(workload, self.example.pod, [])

    def _add(self, thing: Thing) -> None:
        """Keeps an object of the healthy world, with the ids of this one."""
        self.lab.kube.add(json.loads(self.lab.aws.rename(json.dumps(thing))))


def _comparable(spec: Thing) -> Thing:
    kept = {k: v for k, v in spec.items() if k != "nodeName"}
    containers = [
        {**c, "env": [e for e in c.get("env") or [] if not e["name"].startswith("AWS_")]} for c in spec["containers"]
    ]
    return {**kept, "containers": containers}


def settle_template(world: World) -> None:
    """The Deployment's template is what its pod shows, as it is where nobody changes pods by hand."""
    pods = [p for p in world.all("pods") if p["metadata"]["labels"].get("app.kubernetes.io/component") == "server"]
    if pods:
        spec = {k: v for k, v in world.pod["spec"].items() if k != "nodeName"}
        world.deployment["spec"]["template"]["spec"] = copy.deepcopy(spec)


@contextmanager
def lab_of_world(world: World, folder: Path) -> Iterator[RemedyLab]:
    """The lab of a world. Its files are in `folder`."""
    settle_template(world)
    write(world, folder / "bundle")
    with AwsWorld(world.region) as aws:
        build(aws, folder / "bundle")
        with KubeApi.from_bundle(renamed(folder / "bundle", aws, folder / "served")) as kube:
            yield RemedyLab(world, kube, aws, folder)
