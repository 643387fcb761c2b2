"""A healthy world of a given shape: Prometheus on EFS in a cluster on EC2."""

from __future__ import annotations

from typing import Any

from worlds.account import CLIENT_POLICY, DRIVER_POLICY, add_file_system, add_network, add_role, trust_of
from worlds.cluster import add_driver, add_namespaces, add_nodes, config_map, owner_of, running_status, service_account
from worlds.ids import Ids
from worlds.logs import SOURCES, serving
from worlds.world import Shape, Thing, World, metadata

USER = 65534
"""As whom the chart runs Prometheus."""
POINT_USER = 50000
"""The POSIX user of the access point of a dynamic volume."""
LABELS = {
    "app.kubernetes.io/component": "server",
    "app.kubernetes.io/instance": "prometheus",
    "app.kubernetes.io/name": "prometheus",
}
EC2 = {"Service": "ec2.amazonaws.com"}


def healthy(shape: Shape | None = None, **fields: Any) -> World:
    """A world in which everything works; `fields` are those of `Shape`."""
    shape = shape or Shape(**fields)
    world = World(shape, Ids(shape.seed))
    world.node_role = "k8s-node"
    world.driver_role = "efs-csi-controller" if shape.flavour == "eks" else world.node_role
    add_network(world)
    add_file_system(world)
    _add_identities(world)
    add_namespaces(world)
    add_nodes(world)
    add_driver(world)
    _add_storage(world)
    _add_prometheus(world)
    return world


def _add_identities(world: World) -> None:
    eks = world.shape.flavour == "eks"
    own = {"efs-client": CLIENT_POLICY} if eks else {"efs-csi-driver": DRIVER_POLICY, "efs-client": CLIENT_POLICY}
    add_role(world, world.node_role, trust_of(EC2), own)
    arn = f"arn:aws:iam::{world.account}:instance-profile/{world.node_role}"
    role = world.aws[f"iam/get-role/RoleName={world.node_role}"]["Role"]
    world.aws["iam/list-instance-profiles"] = {
        "InstanceProfiles": [{"InstanceProfileName": world.node_role, "Arn": arn, "Roles": [role]}]
    }
    world.aws["iam/list-open-id-connect-providers"] = {"OpenIDConnectProviderList": []}
    world.aws["sts/get-caller-identity"] = {"Account": world.account, "Arn": f"arn:aws:iam::{world.account}:user/me"}
    if not eks:
        return
    issuer = f"oidc.eks.{world.region}.amazonaws.com/id/{world.ids.hex(32).upper()}"
    provider = f"arn:aws:iam::{world.account}:oidc-provider/{issuer}"
    subject = "system:serviceaccount:kube-system:efs-csi-controller-sa"
    trust = trust_of(
        {"Federated": provider},
        "sts:AssumeRoleWithWebIdentity",
        StringEquals={f"{issuer}:sub": subject, f"{issuer}:aud": "sts.amazonaws.com"},
    )
    add_role(world, world.driver_role, trust, {"efs-csi-driver": DRIVER_POLICY})
    world.aws["iam/list-open-id-connect-providers"] = {"OpenIDConnectProviderList": [{"Arn": provider}]}
    arn = f"arn:aws:eks:{world.region}:{world.account}:cluster/shop-cluster"
    world.aws["eks/describe-cluster/name=shop-cluster"] = {
        "cluster": {"name": "shop-cluster", "arn": arn, "identity": {"oidc": {"issuer": f"https://{issuer}"}}}
    }
    world.aws["eks/list-pod-identity-associations/clusterName=shop-cluster"] = {"associations": []}


def data_directory(world: World) -> tuple[str, str]:
    """(mount point in the container, data directory in the container)."""
    return ("/efs", "/efs/prometheus/server") if world.shape.storage == "directories" else ("/data", "/data")


def _add_storage(world: World) -> None:
    dynamic = world.shape.storage == "dynamic"
    class_name = "efs-sc" if dynamic else ""
    world.all("storageclasses").append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": metadata(world, "efs-sc"),
            "provisioner": "efs.csi.aws.com",
            "parameters": {"provisioningMode": "efs-ap", "fileSystemId": world.file_system, "directoryPerms": "700"},
            "mountOptions": list(world.shape.options),
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        }
    )
    claim: Thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(
            world,
            "prometheus-server",
            world.namespace,
            age=45,
            labels=dict(LABELS),
            annotations={"pv.kubernetes.io/bind-completed": "yes"},
            finalizers=["kubernetes.io/pvc-protection"],
        ),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "8Gi"}},
            "storageClassName": class_name,
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "8Gi"}},
    }
    handle, name = world.file_system, "prometheus-efs"
    if dynamic:
        name = f"pvc-{claim['metadata']['uid']}"
        handle = f"{world.file_system}::{_add_access_point(world, name)}"
        claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] = "efs.csi.aws.com"
    claim["spec"]["volumeName"] = name
    world.all("persistentvolumeclaims").append(claim)
    volume: Thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": metadata(world, name, age=45, labels=dict(LABELS), finalizers=["kubernetes.io/pv-protection"]),
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "capacity": {"storage": "8Gi"},
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "namespace": world.namespace,
                "name": "prometheus-server",
                "uid": claim["metadata"]["uid"],
            },
            "csi": {"driver": "efs.csi.aws.com", "volumeHandle": handle},
            "mountOptions": list(world.shape.options),
            "persistentVolumeReclaimPolicy": "Delete" if dynamic else "Retain",
            "storageClassName": class_name,
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound"},
    }
    world.all("persistentvolumes").append(volume)
    user = POINT_USER if dynamic else USER
    paths = ["/", "/prometheus", "/prometheus/server"] if world.shape.storage == "directories" else ["/"]
    world.volumes[name] = {
        "persistentVolume": name,
        "observedFrom": "probe-pod",
        "entries": [entry(p, user, mode="0700" if dynamic else "0755") for p in paths],
        "space": {"totalBytes": 9223372036853727232, "freeBytes": 9223372036853727232, "freeInodes": None},
    }
    if world.shape.storage == "directories":
        world.listing()["/"] |= {"uid": 0, "gid": 0}


def entry(path: str, uid: int, gid: int | None = None, *, mode: str = "0755", kind: str = "directory") -> Thing:
    """One line of a volume's listing."""
    return {"path": path, "type": kind, "uid": uid, "gid": uid if gid is None else gid, "mode": mode}


def _add_access_point(world: World, volume: str) -> str:
    world.access_point = point = world.ids.aws("fsap")
    arn = f"arn:aws:elasticfilesystem:{world.region}:{world.account}:access-point/{point}"
    world.aws[f"efs/describe-access-points/FileSystemId={world.file_system}"]["AccessPoints"].append(
        {
            "AccessPointId": point,
            "AccessPointArn": arn,
            "FileSystemId": world.file_system,
            "LifeCycleState": "available",
            "PosixUser": {"Uid": POINT_USER, "Gid": POINT_USER},
            "RootDirectory": {
                "Path": f"/{volume}",
                "CreationInfo": {"OwnerUid": POINT_USER, "OwnerGid": POINT_USER, "Permissions": "700"},
            },
            "Tags": [{"Key": "efs.csi.aws.com/cluster", "Value": "true"}],
        }
    )
    return point


def _add_prometheus(world: World) -> None:
    world.all("serviceaccounts").append(service_account(world, "prometheus-server", world.namespace))
    config = {"prometheus.yml": "global: {scrape_interval: 1m}\n"}
    world.all("configmaps").append(config_map(world, "prometheus-server", world.namespace, config))
    spec = _pod_spec(world)
    deployment: Thing = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(world, "prometheus-server", world.namespace, age=45, labels=dict(LABELS)),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(LABELS)},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": dict(LABELS)}, "spec": spec},
        },
        "status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1},
    }
    world.all("deployments").append(deployment)
    digest = world.ids.suffix(10)
    replica_set: Thing = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": metadata(
            world,
            f"prometheus-server-{digest}",
            world.namespace,
            age=45,
            labels={**LABELS, "pod-template-hash": digest},
            ownerReferences=[owner_of(deployment)],
        ),
        "spec": {"replicas": 1, "selector": {"matchLabels": {**LABELS, "pod-template-hash": digest}}},
        "status": {"replicas": 1, "readyReplicas": 1},
    }
    world.all("replicasets").append(replica_set)
    pod: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(
            world,
            f"prometheus-server-{digest}-{world.ids.suffix()}",
            world.namespace,
            age=45,
            labels={**LABELS, "pod-template-hash": digest},
            ownerReferences=[owner_of(replica_set)],
        ),
        "spec": {**_pod_spec(world), "nodeName": world.node["metadata"]["name"]},
    }
    pod["status"] = running_status(world, pod, since=44)
    world.all("pods").append(pod)
    world.print_log(pod, "prometheus-server", serving(world.shape.prometheus, on_nfs=True))
    world.say(pod, "Scheduled", f"assigned {world.namespace}", normal=True, first=45, last=45, count=1)


def _pod_spec(world: World) -> Thing:
    mount, directory = data_directory(world)
    image = f"quay.io/prometheus/prometheus:{SOURCES[world.shape.prometheus]}"
    probe = {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 5, "failureThreshold": 3}
    return {
        "serviceAccountName": "prometheus-server",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {"runAsUser": USER, "runAsGroup": USER, "runAsNonRoot": True, "fsGroup": USER},
        "containers": [
            {
                "name": "prometheus-server",
                "image": image,
                "args": ["--config.file=/etc/config/prometheus.yml", f"--storage.tsdb.path={directory}"],
                "readinessProbe": probe,
                "livenessProbe": {**probe, "httpGet": {"path": "/-/healthy", "port": 9090}},
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
                "volumeMounts": [
                    {"name": "config-volume", "mountPath": "/etc/config"},
                    {"name": "storage-volume", "mountPath": mount},
                ],
            }
        ],
        "tolerations": [
            {"key": f"node.kubernetes.io/{k}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
            for k in ("not-ready", "unreachable")
        ],
        "volumes": [
            {"name": "config-volume", "configMap": {"name": "prometheus-server"}},
            {"name": "storage-volume", "persistentVolumeClaim": {"claimName": "prometheus-server"}},
        ],
    }
