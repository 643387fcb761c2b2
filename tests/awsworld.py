"""A moto server whose world is built by ordinary boto3 calls from the aws/ answers of a bundle.

moto chooses its own ids, so `AwsWorld.ids` maps the bundle's ids to them; whoever serves the bundle's Kubernetes
objects beside it renames those. Every request that reaches the server is kept.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

# moto would make hundreds of images in every region; it runs instances from any image.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import boto3
import botocore.session
from moto.server import ThreadedMotoServer

from efsdiag.operations import READS
from efsdiag.writes import WRITES

# A line for each request would bury what a failed test has to say.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Asked:
    """One request: the operation in AWS's spelling, who asks, what was sent, and whether it is a rehearsal."""

    operation: str
    agent: str
    text: str
    """Path, query and body, decoded."""
    dry_run: bool

    @property
    def mutates(self) -> bool:
        return not self.dry_run and self.operation not in READING


@dataclass(frozen=True)
class Trouble:
    """What the server does in the place of answering: an error of AWS, or a cut connection after the work was done."""

    code: str = ""
    status: int = 400
    cut: bool = False


READING = {operation.partition(":")[2] for operation in READS} | {"AssumeRole"}
IMAGE = "ami-12c6146b"
EC2 = {operation.partition(":")[2] for operation in WRITES if operation.startswith("ec2:")}
WATCHERS: list[Callable[[Asked], None]] = []
"""Each is told every request that reaches any world of this process."""


@cache
def session_in(region: str) -> boto3.Session:
    # A session reads the models of the services once; that takes longer than what they are asked here.
    return boto3.Session("testing", "testing", "testing", region_name=region)


@cache
def _paths() -> list[tuple[str, re.Pattern[str], str]]:
    """(method, path, operation) of EFS and EKS, whose requests do not name their operation."""
    session = botocore.session.get_session()
    found = []
    for service in ("efs", "eks"):
        model = session.get_service_model(service)
        for name in model.operation_names:
            http = model.operation_model(name).http
            path = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(http["requestUri"].partition("?")[0]))
            found.append((http["method"], re.compile(path + "/?"), name))
    return found


def asked_of(environ: dict[str, Any], body: bytes) -> Asked:
    """What a WSGI request asks for."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    form = parse_qs(body.decode("latin-1"))
    named = [name for m, pattern, name in _paths() if m == method and pattern.fullmatch(path)]
    operation = form["Action"][0] if "Action" in form else next(iter(named), f"{method} {path}")
    text = unquote_plus(f"{path}?{environ.get('QUERY_STRING', '')} {body.decode('utf-8', 'replace')}")
    return Asked(operation, environ.get("HTTP_USER_AGENT", ""), text, form.get("DryRun") == ["true"])


@dataclass
class AwsWorld:
    """One account in one region, on loopback."""

    region: str
    url: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """The operations that were asked for, in order: "DescribeInstances", "GET /2015-02-01/mount-targets"."""
    asked: list[Asked] = field(default_factory=list)
    """The same requests, in full."""
    meddle: Callable[[Asked], Trouble | None] = lambda _: None
    """Decides for each request what goes wrong with it."""
    _server: Any = None

    def __enter__(self) -> AwsWorld:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        app = self._server._server.app
        self._server._server.app = self._listening(app)
        self._call("POST", "/moto-api/reset")
        self.requests.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def environment(self) -> dict[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": self.region}

    def client(self, service: str) -> Any:
        return session_in(self.region).client(service, endpoint_url=self.url)

    def rename(self, text: str) -> str:
        """A text of the bundle with this world's ids."""
        known = sorted(self.ids, key=len, reverse=True)
        if not known:
            return text
        return re.sub("|".join(re.escape(k) for k in known), lambda m: self.ids[m[0]], text)

    def _listening(self, app: Callable[..., Any]) -> Callable[..., Any]:
        def listen(environ: dict[str, Any], start: Any) -> Any:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"].read(length) if length else b""
            environ["wsgi.input"] = _Body(body)
            action = parse_qs(body.decode("latin-1")).get("Action")
            path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            self.requests.append(action[0] if action else path)
            self.asked.append(asked_of(environ, body))
            for watch in WATCHERS:
                watch(self.asked[-1])
            trouble = self.meddle(self.asked[-1])
            if trouble and trouble.code:
                start(f"{trouble.status} Trouble", [("Content-Type", "text/xml"), ("x-amzn-ErrorType", trouble.code)])
                return [_error(trouble.code, self.asked[-1].operation, bool(action))]
            answer = app(environ, start)
            if trouble and trouble.cut:
                b"".join(answer)
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return []
            return answer

        return listen

    def _call(self, method: str, path: str) -> None:
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(self.url + path, method=method)).read()


def _error(code: str, operation: str, query: bool) -> bytes:
    """An error as EC2 and IAM (`query`) or EFS word it."""
    says = f"{code} for {operation}"
    if not query:
        return json.dumps({"ErrorCode": code, "Message": says}).encode()
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{says}</Message></Error>"
    inner = f"<Errors>{error}</Errors>" if operation in EC2 else error
    name = "Response" if operation in EC2 else "ErrorResponse"
    return f"<{name}>{inner}<RequestId>r</RequestId></{name}>".encode()


class _Body:
    """The request's body, to be read a second time."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size is None or size < 0 else self._at + size
        piece, self._at = self._data[self._at : end], min(end, len(self._data))
        return piece

    def readline(self, size: int = -1) -> bytes:
        found = self._data.find(b"\n", self._at)
        return self.read((found + 1 if found >= 0 else len(self._data)) - self._at)

    def __iter__(self) -> Iterable[bytes]:
        return iter(self._data[self._at :].splitlines(True))


def build(world: AwsWorld, bundle: Path) -> None:
    """Make in `world` what the bundle's aws/ folder describes."""
    _network(world, bundle)
    _identity(world, bundle)
    _instances(world, bundle)
    _file_systems(world, bundle)
    world.requests.clear()


def _read(bundle: Path, path: str) -> dict[str, Any]:
    file = bundle / "aws" / f"{path}.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def _routes(world: AwsWorld, ec2: Any, bundle: Path) -> None:
    """The tables of subnets with a default route; it leads to an internet gateway, whatever it led to."""
    gateways: dict[str, str] = {}
    for table in _read(bundle, "ec2/describe-route-tables").get("RouteTables", []):
        own = [world.ids[a["SubnetId"]] for a in table["Associations"] if a.get("SubnetId")]
        if not own or all(r.get("DestinationCidrBlock") != "0.0.0.0/0" for r in table["Routes"]):
            continue
        vpc = world.ids[table["VpcId"]]
        if vpc not in gateways:
            gateways[vpc] = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=gateways[vpc], VpcId=vpc)
        made = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=made, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateways[vpc])
        for subnet in own:
            ec2.associate_route_table(RouteTableId=made, SubnetId=subnet)


def _network(world: AwsWorld, bundle: Path) -> None:
    ec2 = world.client("ec2")
    for vpc in _read(bundle, "ec2/describe-vpcs").get("Vpcs", []):
        made = ec2.create_vpc(CidrBlock=vpc["CidrBlock"])["Vpc"]["VpcId"]
        world.ids[vpc["VpcId"]] = made
        for name in ("enableDnsSupport", "enableDnsHostnames"):
            answer = _read(bundle, f"ec2/describe-vpc-attribute/Attribute={name}&VpcId={vpc['VpcId']}")
            field_name = name[0].upper() + name[1:]
            if field_name in answer:
                ec2.modify_vpc_attribute(VpcId=made, **{field_name: {"Value": answer[field_name]["Value"]}})
    subnets = _read(bundle, "ec2/describe-subnets").get("Subnets", [])
    _zones(world, ec2, {subnet["AvailabilityZone"] for subnet in subnets})
    for subnet in subnets:
        made = ec2.create_subnet(
            VpcId=world.ids[subnet["VpcId"]],
            CidrBlock=subnet["CidrBlock"],
            AvailabilityZone=world.rename(subnet["AvailabilityZone"]),
        )
        world.ids[subnet["SubnetId"]] = made["Subnet"]["SubnetId"]
    _routes(world, ec2, bundle)
    groups = _read(bundle, "ec2/describe-security-groups").get("SecurityGroups", [])
    for group in groups:
        if group["GroupName"] == "default":
            found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [world.ids[group["VpcId"]]]}])
            world.ids[group["GroupId"]] = found["SecurityGroups"][0]["GroupId"]
            continue
        made = ec2.create_security_group(
            GroupName=group["GroupName"], Description=group["Description"], VpcId=world.ids[group["VpcId"]]
        )
        world.ids[group["GroupId"]] = made["GroupId"]
    for group in groups:
        rules = json.loads(world.rename(json.dumps(group["IpPermissions"])))
        if rules and group["GroupName"] != "default":
            for rule in rules:
                for pair in rule.get("UserIdGroupPairs", []):
                    pair.pop("UserId", None)
            ec2.authorize_security_group_ingress(GroupId=world.ids[group["GroupId"]], IpPermissions=rules)


def _zones(world: AwsWorld, ec2: Any, wanted: set[str]) -> None:
    """moto does not know every zone; the others get the names of zones that the bundle does not use."""
    known = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
    spare = [zone for zone in known if zone not in wanted]
    for zone in sorted(wanted - set(known)):
        world.ids[zone] = spare.pop(0)


def _identity(world: AwsWorld, bundle: Path) -> None:
    iam = world.client("iam")
    roles = {}
    for file in sorted((bundle / "aws/iam/get-role").glob("*.json")):
        role = json.loads(file.read_text()).get("Role")
        if role:
            document = json.dumps(role["AssumeRolePolicyDocument"])
            made = iam.create_role(RoleName=role["RoleName"], AssumeRolePolicyDocument=document)["Role"]
            world.ids[role["Arn"]] = made["Arn"]
            roles[role["RoleName"]] = role
    policies = {}
    for file in sorted((bundle / "aws/iam/get-policy-version").glob("*.json")):
        answer = json.loads(file.read_text())
        arn = re.search(r"PolicyArn=([^&]+)&", file.name)
        if arn and "PolicyVersion" in answer:
            policies[arn[1].replace("%3A", ":").replace("%2F", "/")] = answer["PolicyVersion"]["Document"]
    for arn, document in policies.items():
        made = iam.create_policy(PolicyName=arn.rpartition("/")[2], PolicyDocument=json.dumps(document))["Policy"]
        world.ids[arn] = made["Arn"]
    for name in roles:
        for attached in _read(bundle, f"iam/list-attached-role-policies/RoleName={name}").get("AttachedPolicies", []):
            if attached["PolicyArn"] in policies:
                iam.attach_role_policy(RoleName=name, PolicyArn=world.ids[attached["PolicyArn"]])
    for profile in _read(bundle, "iam/list-instance-profiles").get("InstanceProfiles", []):
        made = iam.create_instance_profile(InstanceProfileName=profile["InstanceProfileName"])["InstanceProfile"]
        world.ids[profile["Arn"]] = made["Arn"]
        for role in profile["Roles"]:
            if role["RoleName"] in roles:
                iam.add_role_to_instance_profile(
                    InstanceProfileName=profile["InstanceProfileName"], RoleName=role["RoleName"]
                )


def _instances(world: AwsWorld, bundle: Path) -> None:
    ec2 = world.client("ec2")
    for reservation in _read(bundle, "ec2/describe-instances").get("Reservations", []):
        for instance in reservation["Instances"]:
            made = ec2.run_instances(
                ImageId=IMAGE,
                MinCount=1,
                MaxCount=1,
                InstanceType=instance["InstanceType"],
                SubnetId=world.ids[instance["SubnetId"]],
                PrivateIpAddress=instance["PrivateIpAddress"],
                SecurityGroupIds=[world.ids[g["GroupId"]] for g in instance["SecurityGroups"]],
                MetadataOptions={k: instance["MetadataOptions"][k] for k in ("HttpTokens", "HttpPutResponseHopLimit")},
            )["Instances"][0]["InstanceId"]
            world.ids[instance["InstanceId"]] = made
    associations = _read(bundle, "ec2/describe-iam-instance-profile-associations")
    for association in associations.get("IamInstanceProfileAssociations", []):
        ec2.associate_iam_instance_profile(
            InstanceId=world.ids[association["InstanceId"]],
            IamInstanceProfile={"Name": association["IamInstanceProfile"]["Arn"].rpartition("/")[2]},
        )


def _file_systems(world: AwsWorld, bundle: Path) -> None:
    efs = world.client("efs")
    for system in _read(bundle, "efs/describe-file-systems").get("FileSystems", []):
        made = efs.create_file_system(CreationToken=system["CreationToken"], Encrypted=system["Encrypted"])
        old = system["FileSystemId"]
        world.ids[old] = made["FileSystemId"]
        for target in _read(bundle, f"efs/describe-mount-targets/FileSystemId={old}").get("MountTargets", []):
            groups = _read(bundle, f"efs/describe-mount-target-security-groups/MountTargetId={target['MountTargetId']}")
            new = efs.create_mount_target(
                FileSystemId=made["FileSystemId"],
                SubnetId=world.ids[target["SubnetId"]],
                IpAddress=target["IpAddress"],
                SecurityGroups=[world.ids[g] for g in groups.get("SecurityGroups", [])],
            )
            world.ids[target["MountTargetId"]] = new["MountTargetId"]
        for point in _read(bundle, f"efs/describe-access-points/FileSystemId={old}").get("AccessPoints", []):
            settings = {k: point[k] for k in ("PosixUser", "RootDirectory") if k in point}
            made_point = efs.create_access_point(
                ClientToken=point["AccessPointId"], FileSystemId=made["FileSystemId"], **settings
            )
            world.ids[point["AccessPointId"]] = made_point["AccessPointId"]
        policy = _read(bundle, f"efs/describe-file-system-policy/FileSystemId={old}").get("Policy")
        if policy:
            efs.put_file_system_policy(FileSystemId=made["FileSystemId"], Policy=world.rename(policy))
