"""EKS clusters without a driver in accounts without EFS, and what EKS itself does there for pods and their roles."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

from installlab import Cluster, InstallLab, bare, install_lab
from worlds.account import set_attached
from worlds.base import healthy
from worlds.cluster import owner_of, running_status
from worlds.world import Thing, World

CLUSTER = "shop-cluster"
AGENT = "eks-pod-identity-agent"
ACCOUNT = ("kube-system", "efs-csi-controller-sa")
RESTARTED = "efsdiag/restarted-in-place-of"
PROFILES = "ec2/describe-iam-instance-profile-associations"


def bare_eks(*, agent: bool = False, provider: bool = False) -> World:
    """An EKS cluster whose nodes have their own role and profile, as every node of EKS has.

    `agent` says that the add-on of Pod Identity is installed, `provider` that IAM knows the cluster's issuer.
    """
    world, example = bare(flavour="eks"), healthy(flavour="eks")
    of_node = [k for k in example.aws if k.startswith("iam/") and k.endswith(f"RoleName={world.node_role}")]
    for key in (*of_node, "iam/list-instance-profiles", PROFILES):
        world.aws[key] = example.aws[key]
    set_attached(world, world.node_role, {})
    for own, like in zip(world.instances(), example.instances(), strict=True):
        own["IamInstanceProfile"] = like["IamInstanceProfile"]
    if not provider:
        world.aws["iam/list-open-id-connect-providers"] = {"OpenIDConnectProviderList": []}
    if agent:
        world.kube["pods"] = [_agent(world, node) for node in world.all("nodes")]
    return world


def _agent(world: World, node: Thing) -> Thing:
    name = node["metadata"]["name"]
    pod: Thing = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{AGENT}-{world.ids.suffix(5)}",
            "namespace": "kube-system",
            "uid": world.ids.uid(),
            "labels": {"app.kubernetes.io/name": AGENT},
        },
        "spec": {"nodeName": name, "hostNetwork": True, "containers": [{"name": AGENT, "image": f"{AGENT}:v1"}]},
    }
    pod["status"] = running_status(world, pod, since=9000)
    return pod


class EksCluster(Cluster):
    """As `Cluster`, with EKS's own webhook, which tells a new pod of the controller where its role is."""

    def work(self) -> None:
        self._restarts()
        super().work()

    def _restarts(self) -> None:
        controller = self.lab.kube.object("deployments.apps", "efs-csi-controller", "kube-system")
        annotations = (controller or {}).get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
        pods = [p["metadata"] for p in self.lab.all("pods", "kube-system")]
        mine = [m["name"] for m in pods if m["labels"].get("app") == "efs-csi-controller"]
        if annotations.get(RESTARTED) in mine:
            for name in mine:
                self.lab.kube.remove("pods", name, "kube-system")

    def _pod(self, workload: Thing, node: str) -> Thing:
        pod = super()._pod(workload, node)
        namespace, account = pod["metadata"]["namespace"], pod["spec"].get("serviceAccountName", "default")
        env = self._webhook(namespace, account)
        for container in pod["spec"]["containers"] if env else ():
            container["env"] = [*(container.get("env") or []), *env]
        if env:
            self.lab.kube.add(pod)
        return pod

    def _webhook(self, namespace: str, account: str) -> list[Thing]:
        """An association comes before an annotation.

        https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go
        """
        own = {"namespace": namespace, "serviceAccount": account}
        if any(own.items() <= a.items() for a in self.lab.aws.gaps.associations):
            address = "http://169.254.170.23/v1/credentials"
            return [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": address}]
        found = self.lab.kube.object("serviceaccounts", account, namespace) or {}
        role = ((found.get("metadata") or {}).get("annotations") or {}).get("eks.amazonaws.com/role-arn")
        token = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
        told = [{"name": "AWS_ROLE_ARN", "value": role}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": token}]
        return told if role else []


class EksLab(InstallLab):
    """One bare EKS cluster."""

    shown = ""
    """Digest of the plan that was shown first, as far as it is printed."""

    @property
    def controllers(self) -> type[Cluster]:
        return EksCluster

    def account(self) -> dict[str, Any]:
        known = self.aws.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        associations = [(a["serviceAccount"], a["roleArn"]) for a in self.aws.gaps.associations]
        return {**super().account(), "providers": [p["Arn"] for p in known], "pod identities": associations}

    def accounts(self) -> list[str]:
        """The service accounts of the driver."""
        found = [a["metadata"]["name"] for a in self.all("serviceaccounts", "kube-system")]
        return [name for name in found if name.startswith("efs-csi")]


def eks_lab(world: World, folder: Path) -> AbstractContextManager[EksLab]:
    """The lab of a world of EKS."""
    return cast(AbstractContextManager[EksLab], install_lab(world, folder, made=EksLab))


def add_addon(lab: EksLab, **annotations: str) -> None:
    """EKS's own add-on of the driver, as EKS installs it: nothing of it is helm's.

    Source:  aws eks describe-addon-configuration --addon-name aws-efs-csi-driver
    """
    example = lab.example
    image = "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/aws-efs-csi-driver:v2.1.9"
    labels = {"app.kubernetes.io/name": "aws-efs-csi-driver", "app.kubernetes.io/managed-by": "EKS"}
    for thing in (example.all("csidrivers")[0], example.daemonset, example.controller):
        made = {**thing, "metadata": {**thing["metadata"], "labels": labels}}
        made.pop("status", None)
        for container in made["spec"].get("template", {}).get("spec", {}).get("containers", []):
            container["image"] = image if container["name"] == "efs-plugin" else container["image"]
        lab.kube.add(made)
    for name in ("efs-csi-controller-sa", "efs-csi-node-sa"):
        account = example.get("serviceaccounts", name, "kube-system")
        kept = annotations if name == "efs-csi-controller-sa" else {}
        lab.kube.add({**account, "metadata": {**account["metadata"], "annotations": dict(kept), "labels": labels}})
    EksCluster(lab).work()


__all__ = ["CLUSTER", "EksCluster", "EksLab", "add_addon", "bare_eks", "eks_lab", "owner_of"]
