"""Plain values for the tests of what AWS and the volume say: instances, mount targets, roles, listings, and a source.

Everything has a default that is well; a test names only what is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from values import CLAIM, CLAIM_REF, FILE_SYSTEM, IMAGE, efs_volume, heard, said
from values import pod as plain_pod

from efsdiag import judge as engine
from efsdiag.evidence.data import Listing
from efsdiag.evidence.messages import Heard
from efsdiag.gather import Gather
from efsdiag.model import Evidence, Missing, Query, Unread, Unreadable, Verdict
from efsdiag.operations import READS
from efsdiag.rules import load_rulebook
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.driver import CredentialPath, Via
from efsdiag.semantics.posix import parse_entries
from efsdiag.semantics.roles import Role
from efsdiag.semantics.statuses import Container

RULEBOOK = load_rulebook()
ACCOUNT = "111122223333"
FS = FILE_SYSTEM
FS_ARN = f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:file-system/{FS}"
AP = "fsap-0123456789abcdef0"
AP_ARN = f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/{AP}"
INSTANCE = "i-0aaaaaaaaaaaaaaaa"
CLIENT = ("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite", "elasticfilesystem:ClientRootAccess")
DRIVER = (
    "elasticfilesystem:DescribeAccessPoints",
    "elasticfilesystem:DescribeFileSystems",
    "elasticfilesystem:CreateAccessPoint",
    "elasticfilesystem:TagResource",
)
EVERYTHING_OUT = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}


class World:
    """A source with an answer for each operation, or a function of the query; what is in `refused` is unreadable.

    An operation without an answer is an error of the test: nothing is read that was not expected.
    """

    def __init__(self, answers: Mapping[str, Any] | None = None, *refused: str) -> None:
        self.answers = answers or {}
        self.refused = refused
        self.asked: list[Query] = []

    def __call__(self, query: Query) -> Any:
        self.asked.append(query)
        if query.operation in self.refused:
            raise Unreadable(query, f"{query.operation} was refused", f"allow {READS[query.operation].permission}")
        assert query.operation in self.answers, f"nobody expected {query}"
        answer = self.answers[query.operation]
        return answer(query) if callable(answer) else answer


def judged(check: str, world: Callable[[Query], Any] | None = None, **given: Any) -> Verdict:
    """The verdict of the engine: `given` are evidences by name, all others are made from the world."""
    return engine.judge(RULEBOOK.checks[check], Gather(RULEBOOK.evidence, world or World(), given, strict=True))


def heard_out(check: str, world: Callable[[Query], Any] | None = None, **given: Any) -> Verdict:
    """The same, with what was said standing in for what could not be read."""
    rules = replace(RULEBOOK, checks={check: RULEBOOK.checks[check]})
    return engine.judge_all(rules, Gather(RULEBOOK.evidence, world or World(), given, strict=True))[check]


def made(evidence: str, world: Callable[[Query], Any], **given: Any) -> Evidence | Missing:
    """One evidence, made as in a real run."""
    return Gather(RULEBOOK.evidence, world, given, strict=True)(evidence)


def value(evidence: Evidence | Missing) -> Any:
    """The value of an evidence that was made."""
    assert isinstance(evidence, Evidence), evidence
    return evidence.value


def absent(evidence: Evidence | Missing) -> bool:
    """Whether what a missing evidence inspects does not exist, and not that it could not be read."""
    assert isinstance(evidence, Missing), evidence
    return evidence.absent


def unread(operation: str) -> Unread:
    """What a function gets in place of an evidence that could not be read."""
    return Unread(f"{operation} was refused", f"allow {READS[operation].permission}")


def modes_of(verdict: Verdict) -> list[tuple[str, bool]]:
    """(mode, sure) of each finding."""
    return [(finding.mode, finding.sure) for finding in verdict.findings]


def instance(
    name: str = INSTANCE,
    *,
    ip: str = "10.0.1.10",
    zone: str = "us-east-1a",
    zone_id: str = "use1-az1",
    vpc: str = "vpc-1",
    subnet: str = "subnet-a",
    groups: tuple[str, ...] = ("sg-node",),
    tokens: str = "required",
    hops: int = 2,
    endpoint: str = "enabled",
    state: str = "running",
    ipv6: str = "",
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One of Reservations[].Instances[]."""
    interface: dict[str, Any] = {
        "Attachment": {"DeviceIndex": 0},
        "PrivateIpAddress": ip,
        "SubnetId": subnet,
        "VpcId": vpc,
        "OwnerId": ACCOUNT,
        "Groups": [{"GroupId": g} for g in groups],
        "Ipv6Addresses": [{"Ipv6Address": ipv6}] if ipv6 else [],
    }
    return {
        "InstanceId": name,
        "PrivateIpAddress": ip,
        "PrivateDnsName": f"ip-{ip.replace('.', '-')}.ec2.internal",
        "SubnetId": subnet,
        "VpcId": vpc,
        "Placement": {"AvailabilityZone": zone, "AvailabilityZoneId": zone_id},
        "SecurityGroups": [{"GroupId": g} for g in groups],
        "NetworkInterfaces": [interface],
        "MetadataOptions": {"HttpTokens": tokens, "HttpPutResponseHopLimit": hops, "HttpEndpoint": endpoint},
        "State": {"Name": state},
        "Tags": [{"Key": k, "Value": v} for k, v in (tags or {}).items()],
    }


def instances(*found: dict[str, Any]) -> dict[str, Any]:
    """The answer of ec2:DescribeInstances."""
    return {"Reservations": [{"Instances": [one]} for one in found]}


def mount_target(
    name: str = "fsmt-a",
    *,
    file_system: str = FS,
    ip: str = "10.0.2.50",
    zone: str = "us-east-1a",
    zone_id: str = "use1-az1",
    vpc: str = "vpc-1",
    subnet: str = "subnet-t",
    state: str = "available",
    ipv6: str = "",
) -> dict[str, Any]:
    """One of MountTargets[]."""
    made = {
        "MountTargetId": name,
        "FileSystemId": file_system,
        "IpAddress": ip,
        "AvailabilityZoneName": zone,
        "AvailabilityZoneId": zone_id,
        "VpcId": vpc,
        "SubnetId": subnet,
        "LifeCycleState": state,
        "OwnerId": ACCOUNT,
    }
    return {**made, "Ipv6Address": ipv6} if ipv6 else made


def security_group(
    name: str, *sources: str, port: int = 2049, egress: tuple[dict[str, Any], ...] = (EVERYTHING_OUT,)
) -> dict[str, Any]:
    """A group that admits TCP `port` from groups ("sg-…") and ranges, and by default lets everything out."""
    pairs = [{"GroupId": s, "VpcId": "vpc-1"} for s in sources if s.startswith("sg-")]
    ranges = [{"CidrIp": s} for s in sources if not s.startswith("sg-") and ":" not in s]
    ranges6 = [{"CidrIpv6": s} for s in sources if ":" in s]
    rule = {
        "IpProtocol": "tcp",
        "FromPort": port,
        "ToPort": port,
        "UserIdGroupPairs": pairs,
        "IpRanges": ranges,
        "Ipv6Ranges": ranges6,
    }
    return {
        "GroupId": name,
        "VpcId": "vpc-1",
        "IpPermissions": [rule] if sources else [],
        "IpPermissionsEgress": list(egress),
    }


def network_acl(*denied: tuple[int, bool, str], name: str = "acl-1", vpc: str = "vpc-1") -> dict[str, Any]:
    """The default ACL of a VPC: everything is allowed but (rule number, egress, CIDR) for TCP."""
    entries = [
        {"RuleNumber": n, "Egress": egress, "RuleAction": "deny", "Protocol": "6", "CidrBlock": cidr}
        for n, egress, cidr in denied
    ]
    for egress in (True, False):
        entries.append(
            {"RuleNumber": 100, "Egress": egress, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
        )
    return {"NetworkAclId": name, "VpcId": vpc, "IsDefault": True, "Entries": entries, "Associations": []}


def route_table(
    *routes: tuple[str, str], name: str = "rtb-1", vpc: str = "vpc-1", cidr: str = "10.0.0.0/16"
) -> dict[str, Any]:
    """The main table of a VPC: its local route, and (destination, peering connection) for others."""
    made = [{"DestinationCidrBlock": cidr, "GatewayId": "local", "State": "active"}]
    made += [{"DestinationCidrBlock": to, "VpcPeeringConnectionId": via, "State": "active"} for to, via in routes]
    return {"RouteTableId": name, "VpcId": vpc, "Routes": made, "Associations": [{"Main": True}]}


def file_system(name: str = FS, **fields: Any) -> dict[str, Any]:
    """One of FileSystems[]."""
    arn = f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:file-system/{name}"
    return {"FileSystemId": name, "FileSystemArn": arn, "LifeCycleState": "available", "Encrypted": True, **fields}


def access_point(
    name: str = AP,
    *,
    user: tuple[int, int] | None = (1000, 1000),
    groups: tuple[int, ...] = (),
    path: str = "/",
    creation: bool = True,
    file_system: str = FS,
    state: str = "available",
) -> dict[str, Any]:
    """One of AccessPoints[]."""
    root: dict[str, Any] = {"Path": path}
    if creation:
        root["CreationInfo"] = {"OwnerUid": 1000, "OwnerGid": 1000, "Permissions": "0755"}
    made = {
        "AccessPointId": name,
        "AccessPointArn": f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:access-point/{name}",
        "FileSystemId": file_system,
        "RootDirectory": root,
        "LifeCycleState": state,
    }
    identity = {"Uid": user[0], "Gid": user[1], "SecondaryGids": list(groups)} if user else None
    return {**made, "PosixUser": identity} if identity else made


def statement(effect: str, *actions: str, **others: Any) -> dict[str, Any]:
    """One statement: statement("Allow", "elasticfilesystem:*", Resource="*", Condition={...})."""
    return {"Effect": effect, "Action": list(actions), "Resource": "*", **others}


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def file_system_policy(*statements: dict[str, Any]) -> str:
    """A policy as efs:DescribeFileSystemPolicy has it: JSON, for everybody where a statement names nobody."""
    return json.dumps(policy(*({"Principal": {"AWS": "*"}, **s} for s in statements)))


EC2_TRUST = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})


def role(
    *documents: Any, name: str = "efs-driver", trust: Any = EC2_TRUST, boundary: Any = None, account: str = ACCOUNT
) -> Role:
    """A role with the documents as its policies."""
    raw = {
        "RoleName": name,
        "Arn": f"arn:aws:iam::{account}:role/{name}",
        "AssumeRolePolicyDocument": trust,
    }
    return Role(name, raw, tuple((f"policy-{i}", d) for i, d in enumerate(documents)), boundary)


DRIVER_ROLE = role(policy(statement("Allow", *DRIVER)))


def association(state: str = "associated", on: str = INSTANCE) -> dict[str, Any]:
    """One of IamInstanceProfileAssociations[]."""
    arn = f"arn:aws:iam::{ACCOUNT}:instance-profile/nodes"
    return {"AssociationId": "iip-1", "InstanceId": on, "State": state, "IamInstanceProfile": {"Arn": arn}}


def profile(*roles: Role) -> dict[str, Any]:
    """One of InstanceProfiles[]."""
    return {
        "InstanceProfileName": "nodes",
        "Arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/nodes",
        "Roles": [r.raw for r in roles],
    }


def credentials_via(
    via: Via = Via.INSTANCE, *, role_arn: str = "", annotated: str = "", host_network: bool = False
) -> CredentialPath:
    """How the controller's pod gets its credentials."""
    return CredentialPath(
        via, role_arn, annotated, "efs-csi-controller-1", "efs-csi-controller-sa", "kube-system", host_network
    )


def volume(
    handle: str = FS, *, options: tuple[str, ...] = (), attributes: Mapping[str, str] | None = None, **spec: Any
) -> EfsVolume:
    """The volume pv-1 of the EFS driver, its handle taken apart; `spec` are fields of its spec."""
    csi = {"volumeAttributes": dict(attributes or {}), **spec.pop("csi", {})}
    return efs_volume(handle, "pv-1", mountOptions=list(options), csi=csi, **spec)


def listing(*entries: tuple[str, int, int, str], files: tuple[tuple[str, int, int, str], ...] = ()) -> Listing:
    """Directories and files of a volume: (path, uid, gid, octal mode)."""
    raw = [
        {"path": path, "type": kind, "uid": uid, "gid": gid, "mode": mode}
        for kind, found in (("directory", entries), ("file", files))
        for path, uid, gid, mode in found
    ]
    return Listing(parse_entries(raw), "probe-pod", None, None)


def data_pod(
    *,
    args: tuple[str, ...] = ("--storage.tsdb.path=/prometheus/server",),
    image: str = IMAGE,
    mount: Mapping[str, Any] | None = None,
    user: int | None = 1000,
    own: Mapping[str, Any] | None = None,
    **security: Any,
) -> dict[str, Any]:
    """A pod that runs as `user` and keeps its data in prometheus/server on its claim.

    `security` are more fields of its securityContext, `own` are those of the container, `mount` of the volumeMount.
    """
    context = {**({"runAsUser": user, "runAsGroup": user} if user is not None else {}), **security}
    mounts = [{"name": f"data-{CLAIM}", "mountPath": "/prometheus", **(mount or {})}]
    only = {"name": "prometheus", "image": image, "args": list(args), "volumeMounts": mounts}
    if own:
        only["securityContext"] = dict(own)
    return plain_pod(containers=[only], securityContext=context)


def container_of(pod: Mapping[str, Any], **status: Any) -> Container:
    """The pod's first container with its status."""
    spec = pod["spec"]["containers"][0]
    return Container(spec["name"], spec, status)


def printed(log: str) -> Heard:
    """What is heard where the pod's program printed `log`."""
    return heard(said("log", "prometheus", log))


def mount_failed(text: str) -> Heard:
    """What is heard where the kubelet could not mount the pod's volume."""
    return heard(said("pod-event", "FailedMount", text))


def provisioning_failed(text: str) -> Heard:
    """What is heard where the claim waits for its volume, and the provisioner says `text`."""
    return heard(said("claim-event", "ProvisioningFailed", text, CLAIM_REF))


NO_ROLE_404 = (
    'failed to provision volume with StorageClass "efs": rpc error: code = Internal desc = Failed to fetch File '
    "System info: Describe File System failed: operation error EFS: DescribeFileSystems, get identity: get "
    "credentials: failed to refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, "
    "http response error StatusCode: 404, request to EC2 IMDS failed"
)
NO_ROLE_TIMEOUT = NO_ROLE_404.replace(
    "http response error StatusCode: 404, request to EC2 IMDS failed", "canceled, context deadline exceeded"
)
ACCESS_DENIED = (
    'failed to provision volume with StorageClass "efs": rpc error: code = Unauthenticated desc = Access Denied. '
    "Please ensure you have the right AWS permissions: Access denied"
)
UNRESOLVED = (
    'MountVolume.SetUp failed for volume "pv-1" : rpc error: code = Internal desc = Could not mount: mount failed: '
    f'exit status 1 Failed to resolve "{FS}.efs.us-east-1.amazonaws.com" - check that your file system ID is correct'
)
REFUSED = (
    'MountVolume.SetUp failed for volume "pv-1" : rpc error: code = Internal desc = Could not mount: mount failed: '
    "exit status 32 mount.nfs4: access denied by server while mounting 127.0.0.1:/"
)
TIMED_OUT = (
    'MountVolume.SetUp failed for volume "pv-1" : rpc error: code = Internal desc = Could not mount: mount failed: '
    "exit status 32 mount.nfs4: Connection timed out"
)
DEADLINE = (
    'MountVolume.SetUp failed for volume "pv-1" : rpc error: code = DeadlineExceeded desc = context deadline exceeded'
)
