"""A world as plain data."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from efsdiag.model import Subject
from worlds.ids import Ids, ago

Thing = dict[str, Any]
PROMETHEUS = Subject("deployment", "monitoring", "prometheus-server")


@dataclass(frozen=True)
class Shape:
    """Which of the many healthy worlds."""

    flavour: str = "kubeadm"
    """kubeadm (the driver takes the role of its instance) or eks (a service account's role, IRSA)."""
    kubernetes: str = "v1.36.2"
    prometheus: str = "3.5"
    """2.42, 3.5 or 3.14: each has its own log format and wording."""
    storage: str = "static"
    """static (the whole file system), directories (a path in it), or dynamic (an access point)."""
    options: tuple[str, ...] = ()
    """The volume's mount options: iam, for one."""
    driver: str = "v3.5.0"
    seed: int = 1


@dataclass
class World:
    """Everything that can be read. Faults change it in place."""

    shape: Shape
    ids: Ids
    kube: dict[str, list[Thing]] = field(default_factory=dict)
    """Resource → its objects, of all namespaces."""
    logs: dict[tuple[str, str, str, bool], str] = field(default_factory=dict)
    """(namespace, pod, container, previous) → text."""
    aws: dict[str, Any] = field(default_factory=dict)
    """ "efs/describe-mount-targets/FileSystemId=fs-…" → what the AWS CLI prints."""
    volumes: dict[str, Thing] = field(default_factory=dict)
    """Persistent volume → owners and modes inside it."""
    account: str = "111122223333"
    region: str = "eu-west-1"
    namespace: str = "monitoring"
    file_system: str = ""
    access_point: str = ""
    vpc: str = ""
    node_role: str = ""
    driver_role: str = ""
    """The role that the controller gets: of its node, or of its service account."""
    asked: Subject = PROMETHEUS

    def all(self, resource: str) -> list[Thing]:
        return self.kube.setdefault(resource, [])

    def get(self, resource: str, name: str, namespace: str = "") -> Thing:
        """The object of that name. Errors: KeyError."""
        for thing in self.all(resource):
            if thing["metadata"]["name"] == name and (thing["metadata"].get("namespace") or "") == namespace:
                return thing
        raise KeyError(f"{resource} {namespace}/{name}")

    def remove(self, resource: str, thing: Thing) -> None:
        self.kube[resource] = [other for other in self.all(resource) if other is not thing]

    @property
    def pod(self) -> Thing:
        """The pod of Prometheus."""
        return next(
            p for p in self.all("pods") if p["metadata"]["labels"].get("app.kubernetes.io/component") == "server"
        )

    @property
    def main(self) -> Thing:
        """The spec of the container of Prometheus."""
        return self.container("prometheus-server")

    def container(self, name: str) -> Thing:
        found: Thing = next(c for c in self.pod["spec"]["containers"] if c["name"] == name)
        return found

    @property
    def deployment(self) -> Thing:
        return self.get("deployments", "prometheus-server", self.namespace)

    @property
    def claim(self) -> Thing:
        return self.get("persistentvolumeclaims", "prometheus-server", self.namespace)

    @property
    def volume(self) -> Thing:
        """The persistent volume behind the claim of Prometheus."""
        return next(
            v
            for v in self.all("persistentvolumes")
            if v["metadata"]["labels"].get("app.kubernetes.io/name") == "prometheus"
        )

    @property
    def node(self) -> Thing:
        """The node that Prometheus was given in the healthy world: the first worker."""
        return next(n for n in self.all("nodes") if n["metadata"]["labels"].get("workload") == "monitoring")

    def instance(self, node: Thing | None = None) -> Thing:
        """The EC2 instance of a node; of the node of Prometheus, where none is given."""
        address = (node or self.node)["status"]["addresses"][0]["address"]
        return next(i for i in self.instances() if i["PrivateIpAddress"] == address)

    def instances(self) -> list[Thing]:
        return [i for r in self.aws["ec2/describe-instances"]["Reservations"] for i in r["Instances"]]

    @property
    def targets(self) -> list[Thing]:
        """The mount targets of the file system."""
        found: list[Thing] = self.aws[f"efs/describe-mount-targets/FileSystemId={self.file_system}"]["MountTargets"]
        return found

    @property
    def target(self) -> Thing:
        """The mount target in the zone of the node of Prometheus."""
        zone = self.instance()["Placement"]["AvailabilityZone"]
        return next(t for t in self.targets if t["AvailabilityZoneName"] == zone)

    def group(self, name: str) -> Thing:
        """The security group of that name: nodes or efs."""
        groups: list[Thing] = self.aws["ec2/describe-security-groups"]["SecurityGroups"]
        return next(g for g in groups if g["GroupName"] == name)

    @property
    def system(self) -> Thing:
        systems: list[Thing] = self.aws["efs/describe-file-systems"]["FileSystems"]
        return next(s for s in systems if s["FileSystemId"] == self.file_system)

    @property
    def daemonset(self) -> Thing:
        return self.get("daemonsets", "efs-csi-node", "kube-system")

    @property
    def controller(self) -> Thing:
        return self.get("deployments", "efs-csi-controller", "kube-system")

    def driver_pods(self, app: str) -> list[Thing]:
        """The pods of efs-csi-node or efs-csi-controller, the one that counts first: of the node, or the leader."""
        pods = [p for p in self.all("pods") if p["metadata"]["labels"].get("app") == app]
        first = self.node["metadata"]["name"] if app == "efs-csi-node" else ""
        return sorted(pods, key=lambda p: (p["spec"].get("nodeName") != first, p["metadata"]["name"]))

    @property
    def node_plugin(self) -> Thing:
        """The pod of efs-csi-node on the node of Prometheus."""
        return self.driver_pods("efs-csi-node")[0]

    @property
    def leader(self) -> Thing:
        """The controller pod that the Lease names."""
        holder = self.get("leases", "efs-csi-aws-com", "kube-system")["spec"]["holderIdentity"]
        return next(p for p in self.driver_pods("efs-csi-controller") if holder.startswith(p["metadata"]["name"]))

    def listing(self) -> dict[str, Thing]:
        """Path → entry, inside the volume of Prometheus."""
        return {e["path"]: e for e in self.volumes[self.volume["metadata"]["name"]]["entries"]}

    def say(
        self,
        about: Thing,
        reason: str,
        message: str,
        *,
        last: float = 1,
        first: float = 40,
        count: int = 20,
        normal: bool = False,
        by: str = "kubelet",
    ) -> None:
        """An event about an object, last seen `last` minutes ago."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        self.all("events").append(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "type": "Normal" if normal else "Warning",
                "reason": reason,
                "message": message,
                "count": count,
                "eventTime": None,
                "firstTimestamp": ago(first),
                "lastTimestamp": ago(last),
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
                },
                "metadata": {
                    "name": f"{metadata['name']}.18d{self.ids.hex(13)}",
                    "namespace": namespace,
                    "uid": self.ids.uid(),
                    "creationTimestamp": ago(first),
                },
                "reportingComponent": by,
                "reportingInstance": "",
                "source": {"component": by},
            }
        )

    def forget(self, about: Thing) -> None:
        """Drop all events about an object."""
        uid = about["metadata"]["uid"]
        self.kube["events"] = [e for e in self.all("events") if e["involvedObject"]["uid"] != uid]

    def print_log(self, pod: Thing, container: str, lines: Iterable[str], *, previous: bool = False) -> None:
        """Replace the log of a container."""
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"], container, previous)
        self.logs[key] = "\n".join(lines) + "\n"

    def append_log(self, pod: Thing, container: str, *lines: str) -> None:
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"], container, False)
        self.logs[key] = self.logs.get(key, "") + "\n".join(lines) + "\n"

    def copied(self) -> World:
        return copy.deepcopy(self)


def metadata(world: World, name: str, namespace: str = "", *, age: float = 60 * 24 * 30, **more: Any) -> Thing:
    """Metadata with an uid and an age in minutes."""
    found: Thing = {"name": name, "uid": world.ids.uid(), "creationTimestamp": ago(age), "labels": {}, **more}
    if namespace:
        found["namespace"] = namespace
    found["resourceVersion"] = str(world.ids.number(10_000, 9_999_999))
    return found
