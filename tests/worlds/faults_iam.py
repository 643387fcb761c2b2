"""Credentials and rights of the driver's controller."""

from __future__ import annotations

from typing import Any

from worlds.account import CLIENT_POLICY, DRIVER_POLICY, set_attached
from worlds.fault import Stage, fault
from worlds.stages import ACCESS_DENIED, NOT_FOUND_404, TIMED_OUT, unprovisioned
from worlds.world import Thing, World

KUBEADM: dict[str, Any] = {"storage": "dynamic"}
EKS: dict[str, Any] = {"storage": "dynamic", "flavour": "eks", "kubernetes": "v1.33.4"}


def _controller_instance(world: World) -> Thing:
    return world.instance(world.get("nodes", world.leader["spec"]["nodeName"]))


def denied(world: World, action: str, because: str = "") -> None:
    """EFS refused the controller; a driver since 3.4 logs what AWS said."""
    who = f"arn:aws:sts::{world.account}:assumed-role/{world.driver_role}/i-0a"
    said = (
        'E1121 08:58:11.000000       1 middleware.go:40] "Error from AWS EFS API" err="operation error EFS: X, https '
        f"response error StatusCode: 403, api error AccessDeniedException: User: {who} is not authorized to perform: "
        f'elasticfilesystem:{action} on the specified resource{because}"'
    )
    unprovisioned(world, ACCESS_DENIED, logged=[said])


def set_driver_policy(world: World, driver: Thing | None, **more: Thing) -> None:
    arn = f"arn:aws:iam::{world.account}:policy"
    named = {**({"efs-csi-driver": driver} if driver else {}), **more}
    if world.driver_role == world.node_role and driver is not None:
        named["efs-client"] = CLIENT_POLICY
    set_attached(world, world.driver_role, {f"{arn}/{n}": d for n, d in named.items()})


def _without(action: str) -> Thing:
    statements = []
    for statement in DRIVER_POLICY["Statement"]:
        own = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [a for a in own if a != action]
        if left:
            statements.append({**statement, "Action": left})
    return {**DRIVER_POLICY, "Statement": statements}


@fault("iam.instance-profile-not-associated", Stage.BIND, **KUBEADM)
def no_instance_has_a_profile(world: World) -> None:
    world.aws["ec2/describe-iam-instance-profile-associations"] = {"IamInstanceProfileAssociations": []}
    for instance in world.instances():
        instance.pop("IamInstanceProfile")
    unprovisioned(world, NOT_FOUND_404)


@fault("iam.partial-node-coverage", Stage.BIND, **KUBEADM)
def the_leaders_node_has_no_profile(world: World) -> None:
    instance = _controller_instance(world)
    instance.pop("IamInstanceProfile")
    answer = world.aws["ec2/describe-iam-instance-profile-associations"]
    answer["IamInstanceProfileAssociations"] = [
        a for a in answer["IamInstanceProfileAssociations"] if a["InstanceId"] != instance["InstanceId"]
    ]
    unprovisioned(world, NOT_FOUND_404)


@fault("iam.association-transitioning", Stage.BIND, **KUBEADM)
def association_is_going_on(world: World) -> None:
    for association in world.aws["ec2/describe-iam-instance-profile-associations"]["IamInstanceProfileAssociations"]:
        association["State"] = "associating"
    unprovisioned(world, NOT_FOUND_404)


@fault("iam.instance-profile-without-role", Stage.BIND, **KUBEADM)
def profile_holds_no_role(world: World) -> None:
    world.aws["iam/list-instance-profiles"]["InstanceProfiles"][0]["Roles"] = []
    unprovisioned(world, NOT_FOUND_404)


@fault("iam.trust-policy-not-ec2", Stage.BIND, **KUBEADM)
def role_trusts_lambda_only(world: World) -> None:
    for role in (
        world.aws[f"iam/get-role/RoleName={world.node_role}"]["Role"],
        world.aws["iam/list-instance-profiles"]["InstanceProfiles"][0]["Roles"][0],
    ):
        role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"Service": "lambda.amazonaws.com"}
    unprovisioned(world, NOT_FOUND_404)


@fault("iam.imds-hop-limit", Stage.BIND, **KUBEADM)
def metadata_answers_one_hop_far(world: World) -> None:
    for instance in world.instances():
        instance["MetadataOptions"]["HttpPutResponseHopLimit"] = 1
    unprovisioned(world, TIMED_OUT)


@fault("iam.imds-disabled", Stage.BIND, **KUBEADM)
def metadata_is_switched_off(world: World) -> None:
    for instance in world.instances():
        instance["MetadataOptions"]["HttpEndpoint"] = "disabled"
    unprovisioned(world, TIMED_OUT)


@fault("network.pod-imds-blocked", Stage.BIND, sure=False, **KUBEADM)
def something_in_the_cluster_blocks_metadata(world: World) -> None:
    unprovisioned(world, TIMED_OUT)


@fault("iam.role-without-policy", Stage.BIND, **KUBEADM)
@fault("iam.role-without-policy", Stage.BIND, **EKS)
def role_has_no_policy_for_efs(world: World) -> None:
    set_driver_policy(world, None)
    denied(world, "DescribeAccessPoints")


@fault("iam.policy-missing-actions", Stage.BIND, **KUBEADM)
@fault("iam.policy-missing-actions", Stage.BIND, **EKS)
def policy_lacks_create_access_point(world: World) -> None:
    set_driver_policy(world, _without("elasticfilesystem:CreateAccessPoint"))
    denied(world, "CreateAccessPoint")


@fault("iam.policy-missing-actions", Stage.BIND, label="tag", **KUBEADM)
def policy_lacks_tag_resource(world: World) -> None:
    set_driver_policy(world, _without("elasticfilesystem:TagResource"))
    denied(world, "TagResource")


@fault("iam.policy-condition-mismatch", Stage.BIND, **KUBEADM)
def policy_asks_for_another_tag(world: World) -> None:
    statements = [
        {**s, "Condition": {"StringEquals": {"aws:RequestTag/team": "storage"}}}
        if "elasticfilesystem:CreateAccessPoint" in s["Action"]
        else s
        for s in DRIVER_POLICY["Statement"]
    ]
    set_driver_policy(world, {**DRIVER_POLICY, "Statement": statements})
    denied(world, "CreateAccessPoint")


@fault("iam.permissions-boundary", Stage.BIND, **KUBEADM)
def boundary_leaves_efs_out(world: World) -> None:
    arn = f"arn:aws:iam::{world.account}:policy/boundary"
    role = world.aws[f"iam/get-role/RoleName={world.driver_role}"]["Role"]
    attached = world.aws[f"iam/list-attached-role-policies/RoleName={world.driver_role}"]
    allow = {"Effect": "Allow", "Action": ["ec2:*", "s3:*", "ssm:*"], "Resource": "*"}
    set_attached(world, world.driver_role, {arn: {"Version": "2012-10-17", "Statement": [allow]}})
    world.aws[f"iam/list-attached-role-policies/RoleName={world.driver_role}"] = attached
    role["PermissionsBoundary"] = {"PermissionsBoundaryArn": arn, "PermissionsBoundaryType": "Policy"}
    action = "elasticfilesystem:CreateAccessPoint"
    denied(world, "CreateAccessPoint", f" because no permissions boundary allows the {action} action")


@fault("iam.explicit-deny", Stage.BIND, **KUBEADM)
def another_policy_denies_efs(world: World) -> None:
    deny = {"Effect": "Deny", "Action": "elasticfilesystem:Create*", "Resource": "*"}
    set_driver_policy(world, DRIVER_POLICY, guardrail={"Version": "2012-10-17", "Statement": [deny]})
    denied(world, "CreateAccessPoint", " with an explicit deny in an identity-based policy")


@fault("iam.scp-deny", Stage.BIND, sure=False, **KUBEADM)
def organisation_denies_efs(world: World) -> None:
    denied(world, "CreateAccessPoint", " with an explicit deny in a service control policy")


@fault("csi.custom-tags-denied", Stage.BIND, **KUBEADM)
def policy_admits_no_tags_of_ones_own(world: World) -> None:
    for workload in (
        world.controller["spec"]["template"]["spec"],
        *(p["spec"] for p in world.driver_pods("efs-csi-controller")),
    ):
        workload["containers"][0]["args"] = ["--v=2", "--tags=team:storage"]
    statements = [
        {
            **s,
            "Condition": {
                "StringLike": {"aws:RequestTag/efs.csi.aws.com/cluster": "true"},
                "ForAllValues:StringEquals": {"aws:TagKeys": ["efs.csi.aws.com/cluster"]},
            },
        }
        if "elasticfilesystem:CreateAccessPoint" in s["Action"]
        else s
        for s in DRIVER_POLICY["Statement"]
    ]
    set_driver_policy(world, {**DRIVER_POLICY, "Statement": statements})
    denied(world, "CreateAccessPoint")


NOT_AUTHORISED = (
    "rpc error: code = Internal desc = Failed to fetch Access Points or Describe File System: List Access "
    "Points failed: "
    "operation error EFS: DescribeAccessPoints, get identity: get credentials: failed to refresh cached credentials, "
    "failed to retrieve credentials, operation error STS: AssumeRoleWithWebIdentity, https response error StatusCode: "
)


@fault("iam.irsa-trust-mismatch", Stage.BIND, **EKS)
def role_trusts_another_service_account(world: World) -> None:
    statement = world.aws[f"iam/get-role/RoleName={world.driver_role}"]["Role"]["AssumeRolePolicyDocument"][
        "Statement"
    ][0]
    condition = statement["Condition"]["StringEquals"]
    for key in condition:
        if key.endswith(":sub"):
            condition[key] = "system:serviceaccount:kube-system:efs-csi-controller"
    unprovisioned(
        world,
        f"{NOT_AUTHORISED}403, RequestID: 1, api error AccessDenied: Not authorized to perform "
        "sts:AssumeRoleWithWebIdentity",
    )


@fault("iam.irsa-oidc-provider-missing", Stage.BIND, **EKS)
def account_has_no_oidc_provider(world: World) -> None:
    world.aws["iam/list-open-id-connect-providers"] = {"OpenIDConnectProviderList": []}
    issuer = world.aws["eks/describe-cluster/name=shop-cluster"]["cluster"]["identity"]["oidc"]["issuer"]
    unprovisioned(
        world,
        f"{NOT_AUTHORISED}400, RequestID: 1, InvalidIdentityToken: No OpenIDConnect provider found in your account for "
        f"{issuer}",
    )


def drop_web_identity(world: World) -> None:
    for pod in world.driver_pods("efs-csi-controller"):
        env = pod["spec"]["containers"][0]["env"]
        env[:] = [e for e in env if not e["name"].startswith("AWS_")]


@fault("iam.irsa-annotation-missing", Stage.BIND, **EKS)
def service_account_names_no_role(world: World) -> None:
    drop_web_identity(world)
    world.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")["metadata"]["annotations"] = {}
    set_attached(world, world.node_role, {})
    denied(world, "DescribeAccessPoints")


@fault("iam.irsa-pod-not-restarted", Stage.BIND, **EKS)
def controller_is_older_than_the_annotation(world: World) -> None:
    drop_web_identity(world)
    set_attached(world, world.node_role, {})
    denied(world, "DescribeAccessPoints")


@fault("iam.pod-identity-missing", Stage.BIND, **EKS)
def pod_identity_has_no_association(world: World) -> None:
    """The agent's address is in the pod, and the association was deleted since."""
    drop_web_identity(world)
    world.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")["metadata"]["annotations"] = {}
    for pod in world.driver_pods("efs-csi-controller"):
        address = "http://169.254.170.23/v1/credentials"
        pod["spec"]["containers"][0]["env"].append({"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": address})
    unprovisioned(
        world,
        "rpc error: code = Internal desc = Failed to fetch Access Points or Describe File System: List Access Points "
        "failed: operation error EFS: DescribeAccessPoints, get identity: get credentials: failed to refresh cached "
        "credentials, failed to load credentials, : [AccessDeniedException]: Unauthorized Exception! EKS does not have "
        "permissions to assume the associated role.",
    )


@fault("network.aws-api-unreachable", Stage.BIND, sure=False, **KUBEADM)
def controller_cannot_reach_the_aws_api(world: World) -> None:
    said = (
        "E1121 08:58:11.000000       1 cloud.go:200] Unknown error attempting to contact AWS EFS API: "
        "operation error EFS: "
        f'DescribeAccessPoints, request send failed, Get "https://elasticfilesystem.{world.region}.amazonaws.com": '
        "dial tcp 52.95.1.1:443: i/o timeout"
    )
    unprovisioned(world, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", logged=[said])
