"""Healthy worlds of the field stories' other storage and programs: EBS, an NFS server, Longhorn, Grafana."""

from __future__ import annotations

from worlds.cluster import running_status
from worlds.world import Thing, World, metadata

ZONE = "topology.ebs.csi.aws.com/zone"
LONGHORN = "driver.longhorn.io"


def on_ebs(world: World) -> None:
    """The volume is one of EBS in the zone of the pod's node, made by the class gp3."""
    zone = world.node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    _volume_of(world, "ebs.csi.aws.com", "vol-0123456789abcdef0", "gp3", attached=True)
    for node in world.all("nodes"):
        node["metadata"]["labels"][ZONE] = node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}
    world.volume["spec"]["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}


def on_nfs(world: World) -> None:
    """The volume is an export of the control plane's node."""
    server = world.all("nodes")[0]["status"]["addresses"][0]["address"]
    world.volume["spec"].pop("csi")
    world.volume["spec"] |= {"nfs": {"server": server, "path": "/exports/prometheus"}, "mountOptions": []}
    world.volumes.clear()


def on_longhorn(world: World) -> None:
    """The volume is one of Longhorn, whose manager runs on every node."""
    _volume_of(world, LONGHORN, "pvc-0123", "longhorn", attached=True)
    world.all("namespaces").append({"kind": "Namespace", "metadata": metadata(world, "longhorn-system")})
    for node in world.all("nodes"):
        named = metadata(world, f"longhorn-manager-{world.ids.suffix()}", "longhorn-system")
        named["labels"] = {"app": "longhorn-manager"}
        container = {"name": "longhorn-manager", "image": "longhornio/longhorn-manager:v1.10.0"}
        spec = {"nodeName": node["metadata"]["name"], "containers": [container]}
        manager: Thing = {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": spec}
        manager["status"] = running_status(world, manager, since=9000)
        world.all("pods").append(manager)


def as_grafana(world: World) -> None:
    """The program with the data is Grafana."""
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        container = spec["containers"][0]
        container |= {"image": "docker.io/grafana/grafana:12.2.0", "args": []}
        container["volumeMounts"][1]["mountPath"] = "/var/lib/grafana"


def manager_of(world: World) -> Thing:
    """The longhorn-manager on the pod's node."""
    node = world.node["metadata"]["name"]
    pods = [p for p in world.all("pods") if p["metadata"]["labels"].get("app") == "longhorn-manager"]
    return next(p for p in pods if p["spec"]["nodeName"] == node)


def _volume_of(world: World, driver: str, handle: str, class_name: str, *, attached: bool) -> None:
    """Put a volume of another CSI driver, made by a class of its own, in the place of the EFS volume."""
    volume, claim = world.volume, world.claim
    volume["spec"]["csi"] = {"driver": driver, "volumeHandle": handle, "fsType": "ext4"}
    volume["spec"]["mountOptions"] = []
    for thing in (volume, claim):
        thing["spec"] |= {"accessModes": ["ReadWriteOnce"], "storageClassName": class_name}
    volume["metadata"]["annotations"] = {"pv.kubernetes.io/provisioned-by": driver}
    world.volumes.clear()
    world.all("csidrivers").append(
        {"kind": "CSIDriver", "metadata": metadata(world, driver), "spec": {"attachRequired": attached}}
    )
    class_ = {"metadata": metadata(world, class_name), "provisioner": driver, "reclaimPolicy": "Delete"}
    more = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "volumeBindingMode": "WaitForFirstConsumer"}
    world.all("storageclasses").append({**class_, **more, "parameters": {"type": class_name}})
    for node in world.all("csinodes"):
        node["spec"]["drivers"].append({"name": driver, "nodeID": node["metadata"]["name"], "topologyKeys": [ZONE]})
