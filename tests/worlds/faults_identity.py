"""EKS Pod Identity, conditions on what the driver does not decide, and the way to the AWS API."""

from __future__ import annotations

import copy

from worlds.account import DRIVER_POLICY, trust_of
from worlds.fault import Stage, fault
from worlds.faults_iam import EKS, KUBEADM, denied, drop_web_identity, set_driver_policy
from worlds.stages import unprovisioned
from worlds.world import Thing, World

PODS = {"Service": "pods.eks.amazonaws.com"}
ASSOCIATION = "a-0123456789abcdef0"


def _use_pod_identity(world: World, *, trusted: bool = True) -> None:
    """The controller asks the agent on its node, and EKS associates the driver's role with its service account."""
    drop_web_identity(world)
    account = world.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")
    account["metadata"]["annotations"] = {}
    for pod in world.driver_pods("efs-csi-controller"):
        address = "http://169.254.170.23/v1/credentials"
        pod["spec"]["containers"][0]["env"].append({"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": address})
    role = world.aws[f"iam/get-role/RoleName={world.driver_role}"]["Role"]
    if trusted:
        role["AssumeRolePolicyDocument"] = trust_of(PODS, ["sts:AssumeRole", "sts:TagSession"])
    own = {"namespace": "kube-system", "serviceAccount": "efs-csi-controller-sa", "associationId": ASSOCIATION}
    world.aws["eks/list-pod-identity-associations/clusterName=shop-cluster"]["associations"].append(own)
    described = f"eks/describe-pod-identity-association/associationId={ASSOCIATION}&clusterName=shop-cluster"
    world.aws[described] = {"association": {**own, "roleArn": role["Arn"]}}
    add_identity_agents(world)


def add_identity_agents(world: World) -> None:
    """The agent of EKS Pod Identity on every node."""
    for plugin in world.driver_pods("efs-csi-node"):
        agent = copy.deepcopy(plugin)
        name = agent["metadata"]["name"].replace("efs-csi-node", "eks-pod-identity-agent")
        agent["metadata"] |= {"name": name, "labels": {"app.kubernetes.io/name": "eks-pod-identity-agent"}}
        agent["metadata"]["uid"] = f"{agent['metadata']['uid'][:-4]}a9e7"
        world.all("pods").append(agent)


UNLOADED = (
    "rpc error: code = Internal desc = Failed to fetch Access Points or Describe File System: List Access Points "
    "failed: operation error EFS: DescribeAccessPoints, get identity: get credentials: failed to refresh cached "
    "credentials, failed to load credentials, "
)


@fault("iam.pod-identity-missing", Stage.BIND, **EKS)
def role_does_not_trust_pod_identity(world: World) -> None:
    _use_pod_identity(world, trusted=False)
    says = "Unauthorized Exception! EKS does not have permissions to assume the associated role."
    unprovisioned(world, f"{UNLOADED}: [AccessDeniedException]: {says}")


@fault("iam.pod-identity-missing", Stage.BIND, **EKS)
def no_agent_stands_on_the_controllers_node(world: World) -> None:
    _use_pod_identity(world)
    for pod in [p for p in world.all("pods") if "pod-identity" in p["metadata"]["name"]]:
        world.remove("pods", pod)
    says = 'Get "http://169.254.170.23/v1/credentials": dial tcp 169.254.170.23:80: connect: connection refused'
    unprovisioned(world, f"{UNLOADED}exceeded maximum number of attempts, 3, request send failed, {says}")


@fault("iam.role-without-policy", Stage.BIND, label="pod-identity", **EKS)
def associated_role_has_no_policy(world: World) -> None:
    _use_pod_identity(world)
    set_driver_policy(world, None)
    denied(world, "DescribeAccessPoints")


@fault("iam.policy-condition-mismatch", Stage.BIND, label="region", **KUBEADM)
def policy_is_for_another_region(world: World) -> None:
    set_driver_policy(world, _under({"StringEquals": {"aws:RequestedRegion": "sa-east-1"}}))
    denied(world, "DescribeAccessPoints")


@fault("iam.policy-condition-mismatch", Stage.BIND, label="endpoint", sure=False, **KUBEADM)
def policy_asks_for_an_endpoint(world: World) -> None:
    set_driver_policy(world, _under({"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}))
    denied(world, "DescribeAccessPoints")


def _under(condition: Thing) -> Thing:
    statements = [s | {"Condition": s.get("Condition", {}) | condition} for s in DRIVER_POLICY["Statement"]]
    return {"Version": "2012-10-17", "Statement": statements}


@fault("network.aws-api-unreachable", Stage.BIND, label="routes", **KUBEADM)
def no_route_leaves_the_vpc(world: World) -> None:
    for table in world.aws["ec2/describe-route-tables"]["RouteTables"]:
        table["Routes"] = [r for r in table["Routes"] if r.get("GatewayId") == "local"]
    unprovisioned(world, "rpc error: code = DeadlineExceeded desc = context deadline exceeded")
