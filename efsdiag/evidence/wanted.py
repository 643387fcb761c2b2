"""What an install wishes for, and what of it is there: the second root of evidence, where there is no pod yet.

The settings are given to a run as its subject is. Without them all evidence of this module is absent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from efsdiag.model import Missing
from efsdiag.reading import find_instance
from efsdiag.semantics.claims import EFS_DRIVER, Claim, EfsVolume, efs_volume
from efsdiag.semantics.ends import node_end
from efsdiag.settings import ACCESS_POINT_DYNAMIC, DIRECTORY, OWN_TAG, Settings

KEEPS_PODS_OUT = ("NoSchedule", "NoExecute")


def wanted() -> Settings | None:
    """The settings of the workload that is wished for; absent where nothing is wished for, as in an ordinary `why`."""
    return None


def wanted_nodes(read: Any, wanted: Settings) -> list[dict[str, Any]] | Missing:
    """The nodes that are to reach EFS, sorted by name: those that the settings select, else all that take pods.

    Unreadable where there is none: nothing of an install could be judged, and nothing is to be made for it.

    Source:  kube:list nodes, label selector
    """
    found = read("kube:list nodes", labelSelector=wanted.nodes) or []
    chosen = found if wanted.nodes else [n for n in found if _takes_pods(n)]
    if not chosen:
        why = f"no node has the labels {wanted.nodes}" if wanted.nodes else "no node of the cluster takes pods"
        return Missing("wanted_nodes", why, False, "name nodes that are there in the setting nodes")
    return sorted(chosen, key=lambda n: str(n["metadata"]["name"]))


def _takes_pods(node: dict[str, Any]) -> bool:
    effects = {t.get("effect") for t in node.get("spec", {}).get("taints") or [] if not _passes(t)}
    return not effects & set(KEEPS_PODS_OUT)


def _passes(taint: dict[str, Any]) -> bool:
    """Whether the taint goes by itself: of a node that is not ready yet, or waits for a cloud controller or the driver.

    Source:  https://kubernetes.io/docs/reference/labels-annotations-taints/#node-cloudprovider-kubernetes-io-uninitialized
    """
    key = str(taint.get("key", ""))
    return key.startswith(("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", f"{EFS_DRIVER}/"))


def wanted_instances(read: Any, wanted_nodes: list[dict[str, Any]]) -> Any:
    """Node name → its EC2 instance, for the wanted nodes; unreadable where one of them cannot be told.

    Source:  ec2:DescribeInstances
    """
    found = {str(n["metadata"]["name"]): find_instance(read, n) for n in wanted_nodes}
    lost = next((i for i in found.values() if isinstance(i, Missing)), None)
    return found if lost is None else replace(lost, why=f"{lost.why}; the setting nodes can leave a node out")


def wanted_vpc(wanted_instances: dict[str, dict[str, Any]]) -> str | Missing:
    """The VPC of the wanted nodes; unreadable where they stand in several, which an install cannot join."""
    vpcs = sorted({node_end(i).vpc_id for i in wanted_instances.values()} - {""})
    if len(vpcs) == 1:
        return vpcs[0]
    why = f"the wanted nodes stand in several VPCs ({', '.join(vpcs)})" if vpcs else "the VPC of the nodes is not told"
    return Missing("wanted_vpc", why, False, "name nodes of one VPC in the setting nodes")


def wanted_group(read: Any, wanted: Settings, wanted_vpc: str) -> dict[str, Any] | None:
    """The security group of the install's mount targets. Source: ec2:DescribeSecurityGroups, by name and VPC."""
    named = {"Filter.group-name": wanted.group_name, "Filter.vpc-id": wanted_vpc}
    answer = read("ec2:DescribeSecurityGroups", **named)
    found = [g for g in (answer or {}).get("SecurityGroups", []) if g["GroupName"] == named["Filter.group-name"]]
    return found[0] if found else None


def wanted_namespace(read: Any, wanted: Settings) -> dict[str, Any] | None:
    """The namespace of the claim and of Prometheus. Source: kube:get namespaces."""
    found: dict[str, Any] | None = read("kube:get namespaces", name=wanted.namespace)
    return found


def wanted_file_system(read: Any, wanted: Settings) -> Any:
    """The file system that the install uses: the one that the settings name, else the one with the name as creation
    token or tag. Absent where there is none, unreadable where several have that name, or where one is being deleted.

    Source:  efs:DescribeFileSystems
    """
    named = wanted.storage.file_system
    answer = read("efs:DescribeFileSystems", **({"FileSystemId": named} if named else {}))
    every = (answer or {}).get("FileSystems", [])
    known = [s for s in every if s.get("LifeCycleState") not in ("deleting", "deleted")]
    if named:
        return next((s for s in known if s["FileSystemId"] == named), None)
    own = [s for s in known if wanted.name in (s.get("CreationToken"), _tag(s))]
    going = [s for s in every if s.get("LifeCycleState") == "deleting" and s.get("CreationToken") == wanted.name]
    if going and not own:
        # AWS makes no second one with the token of one that is still there.
        why = f"file system {going[0]['FileSystemId']}, which has that name, is being deleted"
        return Missing("wanted_file_system", why, False, "run it again when that one is gone")
    return _the_one(own, "FileSystemId", "fileSystem")


def wanted_access_point(read: Any, wanted: Settings, wanted_file_system: dict[str, Any]) -> Any:
    """The access point that the install uses, found as the file system is. Absent where it is not made yet.

    Source:  efs:DescribeAccessPoints
    """
    named = wanted.storage.access_point
    answer = read("efs:DescribeAccessPoints", FileSystemId=str(wanted_file_system["FileSystemId"]))
    known = [
        p for p in (answer or {}).get("AccessPoints", []) if p.get("LifeCycleState") not in ("deleting", "deleted")
    ]
    if named:
        return next((p for p in known if p["AccessPointId"] == named), None)
    return _the_one(
        [p for p in known if wanted.name in (p.get("ClientToken"), _tag(p))], "AccessPointId", "accessPoint"
    )


def wished_volume(wanted: Settings, wanted_file_system: dict[str, Any], claims: tuple[Claim, ...]) -> EfsVolume | None:
    """The volume that the claim is to get, before it is there: what the network and the file system are judged for."""
    if not claims:
        return None
    system = str(wanted_file_system["FileSystemId"])
    path = f":{wanted.storage.path}" if wanted.storage.way == DIRECTORY and wanted.storage.path != "/" else ""
    thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": wanted.volume},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": wanted.storage.capacity},
            "csi": {"driver": EFS_DRIVER, "volumeHandle": f"{system}{path}"},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": wanted.storage_class if wanted.storage.way == ACCESS_POINT_DYNAMIC else "",
        },
    }
    return efs_volume(thing, claims[0])


def _the_one(found: list[dict[str, Any]], key: str, setting: str) -> Any:
    if len(found) < 2:
        return found[0] if found else None
    ids = ", ".join(sorted(str(thing[key]) for thing in found))
    return Missing("", f"several have that name: {ids}", False, f"name one of them in the setting storage.{setting}")


def _tag(thing: dict[str, Any]) -> str | None:
    """The name of the install in the thing's tag; None where it has none, which no name equals."""
    return next((str(t["Value"]) for t in thing.get("Tags") or [] if t["Key"] == OWN_TAG), None)
