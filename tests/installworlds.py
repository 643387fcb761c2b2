"""Bare clusters as kubeadm, kops, RKE2 and k3s leave them on EC2: names, provider ids, labels, taints, profiles, IMDS.

What is particular to each, with its source, stands in docs/install.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from installlab import InstallLab, bare, stripped
from worlds.account import add_role, trust_of
from worlds.base import EC2, healthy
from worlds.cluster import running_status
from worlds.faults_driver import stop
from worlds.world import Thing, World, metadata

CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ETCD = {"key": "node-role.kubernetes.io/etcd", "effect": "NoExecute"}
DEDICATED = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoExecute"}
"""The taint that k3s and RKE2 tell to give to servers that are to take no workload."""
CLUSTER = "shop.example.com"
KOPS_RIGHTS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}]}


@dataclass(frozen=True)
class Bare:
    """One bare cluster, and the same one when all is installed."""

    world: World
    whole: World


@dataclass(frozen=True)
class Part:
    """One node: what it is, and what keeps pods off it."""

    kind: str
    """server or agent; etcd for a server of k3s or RKE2 that runs etcd alone."""
    taint: Thing | None = None

    @property
    def leads(self) -> bool:
        return self.kind != "agent"


SERVER, AGENT = Part("server"), Part("agent")
TAINTED = Part("server", CONTROL_PLANE)


def kubeadm(*parts: Part) -> Bare:
    """kubeadm without a cloud controller: nodes are named after their host, and nothing tells instance or zone."""
    return _made(parts, _kubeadm_node)


def kubeadm_with_cloud_controller(*parts: Part) -> Bare:
    """kubeadm with the cloud controller of AWS."""

    def node(world: World, node: Thing, instance: Thing, part: Part) -> None:
        _kubeadm_node(world, node, instance, part)
        _told_by_aws(world, node, instance)
        _named(node, instance["PrivateDnsName"])

    return _made(parts, node)


def kops(*parts: Part) -> Bare:
    """kops: nodes are named after their instance, which has a profile; pods do not reach its metadata service."""

    def node(world: World, node: Thing, instance: Thing, part: Part) -> None:
        _roles(node, {"control-plane": ""} if part.leads else {"node": ""})
        _told_by_aws(world, node, instance)
        _named(node, instance["InstanceId"])
        node["metadata"]["labels"]["kops.k8s.io/instancegroup"] = "control-plane" if part.leads else "nodes"
        instance["MetadataOptions"] = {**instance["MetadataOptions"], "HttpPutResponseHopLimit": 1}

    return _made(parts, node, _kops_account)


def rke2(*parts: Part) -> Bare:
    """RKE2 with its own cloud controller, which knows nothing of AWS."""

    def node(world: World, node: Thing, instance: Thing, part: Part) -> None:
        roles = {"control-plane": "true", "etcd": "true"} if part.leads else {}
        _own_cloud_controller(node, instance, part, "rke2", roles)

    return _made(parts, node)


def k3s(*parts: Part) -> Bare:
    """k3s with its own cloud controller and its own default class, on instances with AWS' own metadata defaults."""

    def node(world: World, node: Thing, instance: Thing, part: Part) -> None:
        roles = {"control-plane": "true"} if part.leads else {}
        _own_cloud_controller(node, instance, part, "k3s", roles)
        instance["MetadataOptions"] = {**instance["MetadataOptions"], "HttpPutResponseHopLimit": 1}

    def everything(world: World, parts: tuple[Part, ...]) -> None:
        world.all("storageclasses").append(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": metadata(
                    world, "local-path", annotations={"storageclass.kubernetes.io/is-default-class": "true"}
                ),
                "provisioner": "rancher.io/local-path",
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
        )

    return _made(parts, node, everything)


NodeOf = Callable[[World, Thing, Thing, Part], None]


def _made(parts: tuple[Part, ...], of: NodeOf, more: Callable[[World, tuple[Part, ...]], None] | None = None) -> Bare:
    whole = healthy()
    _shaped(whole, parts, of)
    world = stripped(healthy()) if more is _kops_account else bare()
    _shaped(world, parts, of)
    if more:
        more(world, parts)
    return Bare(world, whole)


def _shaped(world: World, parts: tuple[Part, ...], of: NodeOf) -> None:
    """Leaves as many instances and nodes as there are parts, each as the flavour has it."""
    instances = world.instances()[: len(parts)]
    world.aws["ec2/describe-instances"]["Reservations"][0]["Instances"] = instances
    csi_nodes = {d["metadata"]["name"]: d for d in world.all("csinodes")}
    nodes, kept = world.all("nodes")[: len(parts)], []
    first = next(i for i, part in enumerate(parts) if part.taint is None)
    for i, (node, instance, part) in enumerate(zip(nodes, instances, parts, strict=True)):
        csi_node = csi_nodes.get(node["metadata"]["name"])
        node["metadata"]["labels"] = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        node["spec"] = {k: v for k, v in node["spec"].items() if k not in ("taints", "providerID")}
        node["spec"] |= {"taints": [dict(part.taint)]} if part.taint else {}
        of(world, node, instance, part)
        node["metadata"]["labels"] |= {"workload": "monitoring"} if i == first else {}
        if csi_node is not None:
            csi_node["metadata"]["name"] = node["metadata"]["name"]
            kept.append(csi_node)
    world.kube["nodes"], world.kube["csinodes"] = nodes, kept


def _named(node: Thing, name: str) -> None:
    node["metadata"]["name"] = name
    node["metadata"]["labels"]["kubernetes.io/hostname"] = name


def _roles(node: Thing, roles: dict[str, str]) -> None:
    node["metadata"]["labels"] |= {f"node-role.kubernetes.io/{role}": value for role, value in roles.items()}


def _host(instance: Thing) -> str:
    """What Ubuntu calls the machine."""
    return str(instance["PrivateDnsName"]).partition(".")[0]


def _addressed(node: Thing, instance: Thing, *more: tuple[str, str]) -> None:
    given = (("InternalIP", instance["PrivateIpAddress"]), *more)
    node["status"]["addresses"] = [{"type": kind, "address": address} for kind, address in given]


def _kubeadm_node(world: World, node: Thing, instance: Thing, part: Part) -> None:
    _roles(node, {"control-plane": ""} if part.leads else {})
    _named(node, _host(instance))
    _addressed(node, instance, ("Hostname", _host(instance)))


def _told_by_aws(world: World, node: Thing, instance: Thing) -> None:
    """What the cloud controller of AWS writes into a node."""
    zone, name = instance["Placement"]["AvailabilityZone"], instance["PrivateDnsName"]
    node["spec"]["providerID"] = f"aws:///{zone}/{instance['InstanceId']}"
    node["metadata"]["labels"] |= {
        "topology.kubernetes.io/zone": zone,
        "topology.kubernetes.io/region": world.region,
        "node.kubernetes.io/instance-type": "m5.large",
    }
    _addressed(node, instance, ("InternalDNS", name), ("Hostname", name))


def _own_cloud_controller(node: Thing, instance: Thing, part: Part, program: str, roles: dict[str, str]) -> None:
    _roles(node, {"etcd": "true"} if part.kind == "etcd" else roles)
    _named(node, _host(instance))
    _addressed(node, instance, ("Hostname", _host(instance)))
    node["spec"]["providerID"] = f"{program}://{_host(instance)}"
    node["metadata"]["labels"]["node.kubernetes.io/instance-type"] = program


def _kops_account(world: World, parts: tuple[Part, ...]) -> None:
    """A role with its profile for the control plane, and one for the nodes."""
    world.aws = {k: v for k, v in world.aws.items() if not k.startswith("iam/") or k.startswith("iam/list-open-id")}
    world.aws["iam/list-instance-profiles"] = {"InstanceProfiles": []}
    associations = []
    for name in (f"masters.{CLUSTER}", f"nodes.{CLUSTER}"):
        add_role(world, name, trust_of(EC2), {f"{name}-rights": KOPS_RIGHTS})
        role = world.aws[f"iam/get-role/RoleName={name}"]["Role"]
        arn = f"arn:aws:iam::{world.account}:instance-profile/{name}"
        world.aws["iam/list-instance-profiles"]["InstanceProfiles"].append(
            {"InstanceProfileName": name, "Arn": arn, "Roles": [role]}
        )
        own = [i for i, part in zip(world.instances(), parts, strict=True) if part.leads is name.startswith("masters")]
        for instance in own:
            instance["IamInstanceProfile"] = {"Arn": arn, "Id": "AIPA"}
            associations.append(
                {
                    "AssociationId": world.ids.aws("iip-assoc"),
                    "InstanceId": instance["InstanceId"],
                    "IamInstanceProfile": {"Arn": arn},
                    "State": "associated",
                }
            )
    world.aws["ec2/describe-iam-instance-profile-associations"] = {"IamInstanceProfileAssociations": associations}


LEVEL = "pod-security.kubernetes.io/enforce"


def as_restricted(namespace: Thing, template: Thing) -> list[str]:
    """What Pod Security Admission says where every namespace without a label is restricted, as RKE2 with a CIS profile
    has it.

    Source:  https://docs.rke2.io/security/pod_security_standards
             https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    """
    if namespace["metadata"].get("labels", {}).get(LEVEL, "restricted") != "restricted":
        return []
    spec = template["spec"]
    pod = spec.get("securityContext") or {}
    found = [f"host namespaces ({key}=true)" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += ["restricted volume types (hostPath)" for volume in spec.get("volumes") or [] if "hostPath" in volume]
    for container in spec["containers"]:
        own = container.get("securityContext") or {}
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation != false")
        if "ALL" not in (own.get("capabilities") or {}).get("drop", []):
            found.append("unrestricted capabilities")
        if not own.get("runAsNonRoot", pod.get("runAsNonRoot")):
            found.append("runAsNonRoot != true")
        if (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") not in (
            "RuntimeDefault",
            "Localhost",
        ):
            found.append("seccompProfile")
    return found


NO_INSTANCE = "could not get metadata: did not find aws instance ID in node providerID string"


def controller_wants_metadata(lab: InstallLab) -> None:
    """The driver's controller ends where it neither reaches the metadata service nor finds its instance at its node.

    Source:  https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/v3.4.1/pkg/cloud/metadata.go and k8s_metadata.go
    """
    nodes = {n["metadata"]["name"]: n for n in lab.all("nodes")}
    reservations = lab.aws.client("ec2").describe_instances()["Reservations"]
    instances = {i["PrivateIpAddress"]: i for r in reservations for i in r["Instances"]}
    for pod in lab.all("pods", "kube-system"):
        if pod["metadata"]["labels"].get("app") != "efs-csi-controller":
            continue
        node = nodes[pod["spec"]["nodeName"]]
        options = instances.get(node["status"]["addresses"][0]["address"], {}).get("MetadataOptions")
        near = options is None or (options["HttpTokens"] == "required" and options["HttpPutResponseHopLimit"] < 2)
        lost = near and "/i-" not in node["spec"].get("providerID", "")
        pod["status"] = running_status(lab.example, pod, since=2)
        said = "started\n"
        if lost:
            stop(pod, "efs-plugin")
            said = f"F1121 08:58:00.000000       1 driver.go:70] {NO_INSTANCE}\n"
        lab.kube.add(pod)
        lab.kube.add_log("kube-system", pod["metadata"]["name"], "efs-plugin", said)
        lab.kube.add_log("kube-system", pod["metadata"]["name"], "efs-plugin", said, previous=True)
