"""The requests that the EFS CSI driver makes of AWS, with the context keys that it sends.

https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/docs/iam-policy-example.json
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticfilesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from efsdiag.semantics.iam_language import Context, ContextValue

CLUSTER_TAG = "efs.csi.aws.com/cluster"
"""The tag that the driver puts on every access point it creates; its value is "true"."""

NODE_ACTIONS = (
    "elasticfilesystem:ClientMount",
    "elasticfilesystem:ClientWrite",
    "elasticfilesystem:ClientRootAccess",
)
"""What a client that mounts with the option `iam` is allowed one by one: to read, to write, to be root."""


@dataclass(frozen=True)
class DriverRequest:
    """One kind of request of the controller: the action, the kind of resource it is asked on, what it sends."""

    action: str
    on: str
    """"file-system", "access-point", or "*" where the action takes no resource."""
    context: Context

    def resource(self, file_system_arn: str) -> str:
        """The ARN to ask about. An access point gets an id that none has, as the one to be created has none yet."""
        if self.on == "access-point":
            return f"{file_system_arn.rpartition(':')[0]}:access-point/fsap-00000000000000000"
        return file_system_arn if self.on == "file-system" else "*"


def controller_requests(
    tags: Mapping[str, str] | None = None, *, tagging: bool = True, region: str = ""
) -> dict[str, DriverRequest]:
    """The controller's requests by action.

    `tags` are those of its argument --tags. `tagging` is False for a StorageClass with enableTagging "false": then no
    tag is sent, so nothing is tagged. `region` is the one that is asked, where it is known. Keys that the driver does
    not decide (VPC, principal) stay unknown.
    """
    sent = {CLUSTER_TAG: "true", **(tags or {})} if tagging else {}
    requested: dict[str, ContextValue] = {f"aws:RequestTag/{key}": value for key, value in sent.items()}
    owned: dict[str, ContextValue] = {f"aws:ResourceTag/{key}": value for key, value in sent.items()}
    if sent:
        requested["aws:TagKeys"] = tuple(sent)
    creating: dict[str, ContextValue] = {**requested, **owned, "elasticfilesystem:CreateAction": "CreateAccessPoint"}
    asked: dict[str, ContextValue] = {"aws:RequestedRegion": region} if region else {}
    tagged = {**creating, **asked}
    listed = [
        _request("elasticfilesystem:DescribeAccessPoints", "file-system", asked),
        _request("elasticfilesystem:DescribeFileSystems", "file-system", asked),
        _request("elasticfilesystem:DescribeMountTargets", "file-system", asked),
        _request("ec2:DescribeAvailabilityZones", "*", asked, "aws:ResourceTag/*"),
        _request("elasticfilesystem:CreateAccessPoint", "file-system", {**requested, **asked}),
        *([_request("elasticfilesystem:TagResource", "access-point", tagged, "aws:ResourceTag/*")] if sent else []),
        _request("elasticfilesystem:DeleteAccessPoint", "access-point", {**owned, **asked}, "aws:ResourceTag/*"),
    ]
    return {request.action: request for request in listed}


def _request(action: str, on: str, known: Mapping[str, ContextValue], *absent: str) -> DriverRequest:
    never = ("aws:RequestTag/*", "aws:TagKeys", "elasticfilesystem:CreateAction", *absent)
    return DriverRequest(action, on, Context({"aws:SecureTransport": "true", **known}, never))


CONTROLLER_ACTIONS = controller_requests()
"""The requests of a controller without extra tags. For EFS the tag context: RequestTag and TagKeys on CreateAccessPoint
and TagResource, ResourceTag on TagResource and DeleteAccessPoint."""
