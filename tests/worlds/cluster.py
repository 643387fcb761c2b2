"""Namespaces, nodes and the EFS CSI driver of a healthy cluster."""

from __future__ import annotations

from typing import Any

from worlds.ids import ago
from worlds.world import Thing, World, metadata

NAMESPACES = ("default", "kube-system", "kube-public", "monitoring", "shop")
CONDITIONS = (("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True"))
DRIVER_LABELS = {"app.kubernetes.io/name": "aws-efs-csi-driver", "app.kubernetes.io/instance": "aws-efs-csi-driver"}
REGISTRY = "public.ecr.aws/efs-csi-driver/amazon/aws-efs-csi-driver"


def add_namespaces(world: World) -> None:
    for name in NAMESPACES:
        world.all("namespaces").append(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": metadata(world, name),
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
        )
        world.all("serviceaccounts").append(service_account(world, "default", name))
        world.all("configmaps").append(config_map(world, "kube-root-ca.crt", name, {"ca.crt": "…"}))


def service_account(world: World, name: str, namespace: str, **annotations: str) -> Thing:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(world, name, namespace, annotations=dict(annotations)),
    }


def config_map(world: World, name: str, namespace: str, data: dict[str, str]) -> Thing:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(world, name, namespace), "data": data}


def add_nodes(world: World) -> None:
    """The instances of the account as nodes: on kubeadm the first one is the control plane."""
    eks = world.shape.flavour == "eks"
    for i, instance in enumerate(world.instances()):
        control = i == 0 and not eks
        zone, address = instance["Placement"]["AvailabilityZone"], instance["PrivateIpAddress"]
        name = instance["PrivateDnsName"] if eks else ("master" if control else f"worker{i}")
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": zone,
            "topology.kubernetes.io/region": world.region,
        }
        if control:
            labels["node-role.kubernetes.io/control-plane"] = ""
        if i == 1:
            labels["workload"] = "monitoring"
        node: Thing = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": metadata(world, name, labels=labels),
            "spec": {"podCIDR": f"192.168.{i}.0/24"},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": address},
                    {"type": "Hostname", "address": name},
                    *([{"type": "InternalDNS", "address": instance["PrivateDnsName"]}] if eks else []),
                ],
                "allocatable": {"cpu": "4", "memory": "15Gi", "ephemeral-storage": "28Gi", "pods": "110"},
                "capacity": {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "30Gi", "pods": "110"},
                "conditions": [_condition(kind, status) for kind, status in CONDITIONS],
                "nodeInfo": {
                    "kubeletVersion": world.shape.kubernetes + ("-eks-99d6cc0" if eks else ""),
                    "osImage": "Amazon Linux 2023.9" if eks else "Ubuntu 24.04.3 LTS",
                    "kernelVersion": "6.14.0-1017-aws",
                    "containerRuntimeVersion": "containerd://2.1.5",
                },
            },
        }
        if eks:
            node["spec"]["providerID"] = f"aws:///{zone}/{instance['InstanceId']}"
        if control:
            node["spec"]["taints"] = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]
        world.all("nodes").append(node)


def _condition(kind: str, status: str) -> Thing:
    return {"type": kind, "status": status, "lastHeartbeatTime": ago(1), "lastTransitionTime": ago(9000)}


def add_driver(world: World) -> None:
    """The driver as its chart installs it: object, controller, node plugin, lease, accounts."""
    world.all("csidrivers").append(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "CSIDriver",
            "metadata": metadata(world, "efs.csi.aws.com"),
            "spec": {"attachRequired": False, "fsGroupPolicy": "ReadWriteOnceWithFSType", "podInfoOnMount": False},
        }
    )
    eks = world.shape.flavour == "eks"
    role = f"arn:aws:iam::{world.account}:role/{world.driver_role}"
    annotations = {"eks.amazonaws.com/role-arn": role} if eks else {}
    world.all("serviceaccounts").extend(
        [
            service_account(world, "efs-csi-controller-sa", "kube-system", **annotations),
            service_account(world, "efs-csi-node-sa", "kube-system"),
        ]
    )
    env: list[Any] = [{"name": "CSI_ENDPOINT", "value": "unix:///csi/csi.sock"}]
    controller = _workload(world, "Deployment", "efs-csi-controller", ["efs-plugin", "csi-provisioner"], env)
    controller["spec"]["replicas"] = 2
    controller["spec"]["template"]["spec"]["serviceAccountName"] = "efs-csi-controller-sa"
    world.all("deployments").append(controller)
    daemons = _workload(world, "DaemonSet", "efs-csi-node", ["efs-plugin", "csi-driver-registrar"], env)
    daemons["spec"]["template"]["spec"] |= {
        "serviceAccountName": "efs-csi-node-sa",
        "hostNetwork": True,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
    }
    world.all("daemonsets").append(daemons)
    nodes = world.all("nodes")
    count = len(nodes)
    daemons["status"] = {"desiredNumberScheduled": count, "numberReady": count, "currentNumberScheduled": count}
    web_identity = [
        {"name": "AWS_ROLE_ARN", "value": role},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"},
    ]
    for node in nodes[-2:]:
        _pod_of(world, controller, node, web_identity if eks else [])
    for node in nodes:
        _pod_of(world, daemons, node, [])
        instance = world.instance(node)
        world.all("csinodes").append(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "CSINode",
                "metadata": metadata(world, node["metadata"]["name"]),
                "spec": {
                    "drivers": [
                        {
                            "name": "efs.csi.aws.com",
                            "nodeID": instance["InstanceId"],
                            "topologyKeys": ["topology.kubernetes.io/zone"],
                        }
                    ]
                },
            }
        )
    holder = world.driver_pods("efs-csi-controller")[0]["metadata"]["name"]
    world.all("leases").append(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata(world, "efs-csi-aws-com", "kube-system"),
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": ago(0.1)},
        }
    )


def _workload(world: World, kind: str, name: str, containers: list[str], env: list[Any]) -> Thing:
    labels = {"app": name, **DRIVER_LABELS}
    made = []
    for container in containers:
        image = f"{REGISTRY}:{world.shape.driver}"
        if container != "efs-plugin":
            image = f"public.ecr.aws/csi-components/{container}:v6.3.0"
        own = env if container == "efs-plugin" else []
        made.append({"name": container, "image": image, "env": list(own), "args": ["--v=2"], "resources": {}})
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": metadata(world, name, "kube-system", labels=dict(DRIVER_LABELS)),
        "spec": {
            "selector": {"matchLabels": dict(labels)},
            "template": {"metadata": {"labels": dict(labels)}, "spec": {"containers": made}},
        },
        "status": {},
    }


def _pod_of(world: World, workload: Thing, node: Thing, more_env: list[Any]) -> None:
    spec = workload["spec"]["template"]["spec"]
    name = f"{workload['metadata']['name']}-{world.ids.suffix()}"
    containers = [
        {**c, "env": [*c["env"], *(more_env if c["name"] == "efs-plugin" else [])]} for c in spec["containers"]
    ]
    pod: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(
            world,
            name,
            "kube-system",
            labels=dict(workload["spec"]["selector"]["matchLabels"]),
            ownerReferences=[owner_of(workload)],
        ),
        "spec": {**spec, "containers": containers, "nodeName": node["metadata"]["name"]},
    }
    pod["status"] = running_status(world, pod, since=9000)
    world.all("pods").append(pod)
    for container in containers:
        world.print_log(pod, container["name"], _log_lines(container["name"]))


def _log_lines(container: str) -> list[str]:
    if container == "efs-plugin":
        return [
            "I1101 02:00:45.289706       1 metadata.go:67] getting MetadataService...",
            "I1101 02:00:45.294267       1 driver.go:161] Did not find any input tags.",
            "I1101 02:00:45.296950       1 driver.go:128] Registering Node Server",
            'I1101 02:00:45.307270       1 driver.go:148] Listening for connections on address: "/csi/csi.sock"',
        ]
    if container == "csi-provisioner":
        return ["I1101 02:00:52.293057       1 csi-provisioner.go:246] Detected CSI driver efs.csi.aws.com"]
    return ["I1101 02:00:47.100000       1 main.go:90] Received NotifyRegistrationStatus call: PluginRegistered:true"]


def owner_of(workload: Thing) -> Thing:
    return {
        "apiVersion": workload["apiVersion"],
        "kind": workload["kind"],
        "name": workload["metadata"]["name"],
        "uid": workload["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def running_status(world: World, pod: Thing, *, since: float) -> Thing:
    """The status of a pod all of whose containers have run for `since` minutes."""
    states = [
        {
            "name": c["name"],
            "image": c["image"],
            "ready": True,
            "started": True,
            "restartCount": 0,
            "containerID": f"containerd://{world.ids.hex(64)}",
            "state": {"running": {"startedAt": ago(since)}},
            "lastState": {},
        }
        for c in pod["spec"]["containers"]
    ]
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "startTime": ago(since),
        "conditions": [{"type": k, "status": "True", "lastTransitionTime": ago(since)} for k in kinds],
        "containerStatuses": states,
    }
