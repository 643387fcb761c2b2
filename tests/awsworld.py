"""A moto server whose world is built by ordinary boto3 calls from the aws/ answers of a bundle.

moto chooses its own ids, so `AwsWorld.ids` maps the bundle's ids to them; whoever serves the bundle's Kubernetes
objects beside it renames those. Every request that reaches the server is kept.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partialmethod
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, unquote_plus

# moto would make hundreds of images in every region; it runs instances from any image.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

import boto3
import botocore.session
from awsgaps import Gaps
from botocore.loaders import Loader
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT_ID
from moto.ec2.models.instances import InstanceBackend
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AWSManagedPolicy, IAMBackend, iam_backends
from moto.moto_api._internal.moto_random import MotoRandom
from moto.server import ThreadedMotoServer
from werkzeug.serving import BaseWSGIServer

from efsdiag.operations import READS
from efsdiag.writes import WRITES


@cache
def _one_loader(search_path_string: str | None = None) -> Loader:
    return Loader()


# Reading AWS's API models again for each session would take most of the time of a run in this process.
botocore.session.create_loader = _one_loader
# A line for each request would bury what a failed test has to say.
logging.getLogger("werkzeug").setLevel(logging.ERROR)

MANAGED_POLICIES = ("AmazonEFSCSIDriverPolicy", "AmazonElasticFileSystemClientReadWriteAccess")
"""Those of AWS's own policies that a remedy attaches; to have moto load all of them takes seconds."""
WOULD_SUCCEED = (
    b"<Response><Errors><Error><Code>DryRunOperation</Code><Message>Request would have succeeded, but DryRun flag is "
    b"set.</Message></Error></Errors><RequestID>0</RequestID></Response>"
)
IMAGE = "ami-12c6146b"
"""One of moto's own images; to ask it for all of them takes seconds."""
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
    service: str = ""
    """The service that the request was signed for, as IAM calls it: "elasticfilesystem", "ec2"."""

    @property
    def mutates(self) -> bool:
        return not self.dry_run and self.operation not in READING


@dataclass(frozen=True)
class Trouble:
    """What the server does in the place of answering: an error of AWS, or a cut connection after the work was done."""

    code: str = ""
    status: int = 400
    cut: bool = False
    says: str = ""
    """The error's message, where it counts."""


READING = {operation.partition(":")[2] for operation in READS} | {"AssumeRole"}
EC2 = {operation.partition(":")[2] for operation in WRITES if operation.startswith("ec2:")}
WATCHERS: list[Callable[[Asked], None]] = []
"""Each is told every request that reaches any world of this process."""


@cache
def session_in(region: str) -> boto3.Session:
    """One for all worlds: it reads the API models of AWS once."""
    return boto3.Session("testing", "testing", "testing", region_name=region)


@cache
def _managed_policies() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws_managed_policies_data)
    return found


def _long_hex(random: MotoRandom, length: int = 8) -> str:
    """moto's ids have 8 digits by default; those of AWS have 17, and mount.efs refuses other access points."""
    return "".join(random.choice("0123456789abcdef") for _ in range(17 if length == 8 else length))


def _modify_metadata(backend: InstanceBackend, instance_id: str, **given: Any) -> Any:
    """moto forgets the metadata options that a call does not name; AWS keeps them."""
    instance = backend.get_instance(instance_id)
    before = copy.copy(instance.metadata_options)
    made = _MODIFY_METADATA(backend, instance_id, **given)
    for name, value in vars(before).items():
        if given.get(_METADATA_PARAMETERS.get(name, "")) is None:
            setattr(made, name, value)
    return made


def _remove_role(backend: IAMBackend, profile_name: str, role_name: str) -> None:
    """moto fails over a role that is not in the profile; AWS says so."""
    held = backend.get_instance_profile(profile_name).roles
    if all(role.name != role_name for role in held):
        raise NotFoundException(f"Role {role_name} is not in instance profile {profile_name}.")
    _REMOVE_ROLE(backend, profile_name, role_name)


_REMOVE_ROLE = IAMBackend.remove_role_from_instance_profile
_MODIFY_METADATA = InstanceBackend.modify_instance_metadata_options
_METADATA_PARAMETERS = {
    "http_tokens": "http_tokens",
    "http_put_response_hop_limit": "hop_limit",
    "http_endpoint": "http_endpoint",
    "http_protocol_ipv6": "http_protocol",
    "instance_metadata_tags": "metadata_tags",
}


SERVE = partialmethod(BaseWSGIServer.serve_forever, 0.02)
"""moto's server looks twice a second whether it is to stop, and whoever stops it waits; so it looks more often.
Made once: one world may begin while another lasts."""


def _mended_moto() -> ExitStack:
    """What moto does otherwise than AWS, or slowly, put right as long as the stack is open."""
    stack = ExitStack()
    stack.enter_context(patch.object(BaseWSGIServer, "serve_forever", SERVE))
    stack.enter_context(patch.object(MotoRandom, "get_random_hex", _long_hex))
    stack.enter_context(patch.object(InstanceBackend, "modify_instance_metadata_options", _modify_metadata))
    stack.enter_context(patch.object(IAMBackend, "remove_role_from_instance_profile", _remove_role))
    return stack


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
    # Credential=<key>/<date>/<region>/<service>/aws4_request
    scope = re.search(r"Credential=[^,/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    dry, service = form.get("DryRun") == ["true"], scope[1] if scope else ""
    return Asked(operation, environ.get("HTTP_USER_AGENT", ""), text, dry, service)


NEWEST: list[AwsWorld] = []
"""The account that was opened last. moto has one state in a process, so it has emptied the one before."""
EMPTIED: list[str] = []
"""What was asked of an account after another one was opened; a test in which that happens fails."""


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
    gaps: Gaps = field(default_factory=Gaps)
    """What moto has not."""
    _server: Any = None
    _clients: dict[str, Any] = field(default_factory=dict)
    _mended: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> AwsWorld:
        NEWEST[:] = [self]
        self._mended = _mended_moto()
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        app = self._server._server.app
        self._server._server.app = self._listening(app)
        self._call("POST", "/moto-api/reset")
        iam = iam_backends[ACCOUNT_ID]["aws"]
        for name in MANAGED_POLICIES:
            policy = AWSManagedPolicy.from_data(name, ACCOUNT_ID, "aws", _managed_policies()[name])
            iam.managed_policies[policy.arn] = policy
        self.requests.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self._mended.close()

    @property
    def environment(self) -> dict[str, str]:
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": self.region}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = session_in(self.region).client(service, endpoint_url=self.url)
        return self._clients[service]

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
            form = parse_qs(body.decode("latin-1"))
            action = form.get("Action")
            path = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            self.requests.append(action[0] if action else path)
            self.asked.append(asked_of(environ, body))
            if NEWEST[0] is not self:
                EMPTIED.append(self.asked[-1].operation)
            for watch in WATCHERS:
                watch(self.asked[-1])
            trouble = self.meddle(self.asked[-1])
            if trouble and trouble.code:
                start(f"{trouble.status} Trouble", [("Content-Type", "text/xml"), ("x-amzn-ErrorType", trouble.code)])
                return [_error(trouble, self.asked[-1].operation, bool(action))]
            if form.get("DryRun") == ["true"]:
                # moto carries out some operations all the same.
                start("412 Precondition Failed", [("Content-Type", "text/xml")])
                return [WOULD_SUCCEED]
            found = self.gaps.answer(environ["REQUEST_METHOD"], environ["PATH_INFO"], body)
            if found:
                status, document = found
                kind = [("x-amzn-ErrorType", document["__type"])] if "__type" in document else []
                start(f"{status} {'OK' if status == 200 else 'Error'}", [("Content-Type", "application/json"), *kind])
                return [json.dumps(document).encode()]
            if self.gaps.addresses and self.asked[-1].operation == "DescribeMountTargets":
                return self._amended(app, environ, start)
            answer = app(environ, start)
            if trouble and trouble.cut:
                b"".join(answer)
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return []
            return answer

        return listen

    def _amended(self, app: Callable[..., Any], environ: dict[str, Any], start: Any) -> list[bytes]:
        """moto's answer, with what it does not know of mount targets."""
        told: list[Any] = []
        body = self.gaps.amended(b"".join(app(environ, lambda *given: told.extend(given))))
        status, headers = told[:2]
        start(status, [*(h for h in headers if h[0].lower() != "content-length"), ("Content-Length", str(len(body)))])
        return [body]

    def _call(self, method: str, path: str) -> None:
        import urllib.request

        urllib.request.urlopen(urllib.request.Request(self.url + path, method=method)).read()


def _error(trouble: Trouble, operation: str, query: bool) -> bytes:
    """An error as EC2 and IAM (`query`) or EFS word it."""
    code, says = trouble.code, trouble.says or f"{trouble.code} for {operation}"
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
    _network_acls(world, bundle)
    _cluster(world, bundle)
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
        world.ids[f"{vpc['VpcId']}-default-acl"] = ec2.describe_network_acls(
            Filters=[{"Name": "vpc-id", "Values": [made]}]
        )["NetworkAcls"][0]["NetworkAclId"]
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
        for block in subnet.get("Ipv6CidrBlockAssociationSet") or []:
            name = made["Subnet"]["SubnetId"]
            ec2.associate_subnet_cidr_block(SubnetId=name, Ipv6CidrBlock=block["Ipv6CidrBlock"])
    _routes(world, ec2, bundle)
    groups = _read(bundle, "ec2/describe-security-groups").get("SecurityGroups", [])
    for group in groups:
        if group["GroupName"] == "default":
            found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [world.ids[group["VpcId"]]]}])
            world.ids[group["GroupId"]] = found["SecurityGroups"][0]["GroupId"]
            continue
        made = ec2.create_security_group(
            GroupName=group["GroupName"],
            Description=group.get("Description", "a group"),
            VpcId=world.ids[group["VpcId"]],
        )
        world.ids[group["GroupId"]] = made["GroupId"]
    for group in groups:
        rules = json.loads(world.rename(json.dumps(group["IpPermissions"])))
        if rules and group["GroupName"] != "default":
            for rule in rules:
                for pair in rule.get("UserIdGroupPairs", []):
                    pair.pop("UserId", None)
            ec2.authorize_security_group_ingress(GroupId=world.ids[group["GroupId"]], IpPermissions=rules)
        _egress(world, ec2, group)


def _egress(world: AwsWorld, ec2: Any, group: dict[str, Any]) -> None:
    """The rules out of a group, where they are not the ones that every group begins with."""
    rules = json.loads(world.rename(json.dumps(group.get("IpPermissionsEgress", []))))
    name = world.ids[group["GroupId"]]
    if not rules or any(r["IpProtocol"] == "-1" for r in rules):
        more = [{"IpProtocol": "-1", "Ipv6Ranges": r["Ipv6Ranges"]} for r in rules if r.get("Ipv6Ranges")]
        if more:
            ec2.authorize_security_group_egress(GroupId=name, IpPermissions=more)
        return
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=name, IpPermissions=everything)
    ec2.authorize_security_group_egress(GroupId=name, IpPermissions=rules)


def _network_acls(world: AwsWorld, bundle: Path) -> None:
    """The network ACLs beside the default one, with their subnets."""
    ec2 = world.client("ec2")
    for acl in _read(bundle, "ec2/describe-network-acls").get("NetworkAcls", []):
        if acl["IsDefault"]:
            world.ids[acl["NetworkAclId"]] = world.ids[f"{acl['VpcId']}-default-acl"]
            continue
        made = ec2.create_network_acl(VpcId=world.ids[acl["VpcId"]])["NetworkAcl"]["NetworkAclId"]
        world.ids[acl["NetworkAclId"]] = made
        for entry in acl["Entries"]:
            if entry["RuleNumber"] < 32767:
                ec2.create_network_acl_entry(NetworkAclId=made, **entry)
        ours = {world.ids[a["SubnetId"]] for a in acl["Associations"]}
        for other in ec2.describe_network_acls()["NetworkAcls"]:
            for association in other["Associations"]:
                if association["SubnetId"] in ours and other["NetworkAclId"] != made:
                    ec2.replace_network_acl_association(
                        AssociationId=association["NetworkAclAssociationId"], NetworkAclId=made
                    )


def _cluster(world: AwsWorld, bundle: Path) -> None:
    """The EKS cluster with its issuer, and the OIDC providers of the account."""
    iam = world.client("iam")
    for file in sorted((bundle / "aws/eks/describe-cluster").glob("*.json")):
        old = json.loads(file.read_text())["cluster"]
        role = f"arn:aws:iam::{ACCOUNT_ID}:role/eks"
        made = world.client("eks").create_cluster(name=old["name"], roleArn=role, resourcesVpcConfig={})["cluster"]
        issuer, new = (c["identity"]["oidc"]["issuer"].removeprefix("https://") for c in (old, made))
        arn = f"oidc-provider/{issuer}"
        world.ids |= {issuer: new, f"arn:aws:iam::111122223333:{arn}": f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/{new}"}
        known = _read(bundle, f"eks/list-pod-identity-associations/clusterName={old['name']}")
        for association in known.get("associations", []):
            world.gaps.associate(old["name"], {"roleArn": role, **association})
    for provider in _read(bundle, "iam/list-open-id-connect-providers").get("OpenIDConnectProviderList", []):
        issuer = world.rename(provider["Arn"]).partition(":oidc-provider/")[2]
        iam.create_open_id_connect_provider(Url=f"https://{issuer}", ThumbprintList=["0" * 40])


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
            document = world.rename(json.dumps(role["AssumeRolePolicyDocument"]))
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
                InstanceType=instance.get("InstanceType", "m5.large"),
                SubnetId=world.ids[instance["SubnetId"]],
                PrivateIpAddress=instance["PrivateIpAddress"],
                SecurityGroupIds=[world.ids[g["GroupId"]] for g in instance["SecurityGroups"]],
                MetadataOptions={k: v for k, v in instance["MetadataOptions"].items() if k != "State"},
                TagSpecifications=[{"ResourceType": "instance", "Tags": _tags(instance)}],
            )["Instances"][0]
            world.ids[instance["InstanceId"]] = made["InstanceId"]
            addresses = [a["Ipv6Address"] for i in instance["NetworkInterfaces"] for a in i.get("Ipv6Addresses") or []]
            if addresses:
                interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
                ec2.assign_ipv6_addresses(NetworkInterfaceId=interface, Ipv6Addresses=addresses)
    associations = _read(bundle, "ec2/describe-iam-instance-profile-associations")
    for association in associations.get("IamInstanceProfileAssociations", []):
        ec2.associate_iam_instance_profile(
            InstanceId=world.ids[association["InstanceId"]],
            IamInstanceProfile={"Name": association["IamInstanceProfile"]["Arn"].rpartition("/")[2]},
        )


def _tags(instance: dict[str, Any]) -> list[dict[str, str]]:
    """The tags; nobody but AWS itself may set those that begin with aws:."""
    return [{**t, "Key": t["Key"].removeprefix("aws:")} for t in instance.get("Tags") or []] or [
        {"Key": "Name", "Value": "node"}
    ]


def _file_systems(world: AwsWorld, bundle: Path) -> None:
    efs = world.client("efs")
    for system in _read(bundle, "efs/describe-file-systems").get("FileSystems", []):
        old = system["FileSystemId"]
        token = system.get("CreationToken", old)
        backup = _read(bundle, f"efs/describe-backup-policy/FileSystemId={old}").get("BackupPolicy", {})
        made = efs.create_file_system(
            CreationToken=token, Encrypted=system["Encrypted"], Backup=backup.get("Status") == "ENABLED"
        )
        world.ids[old] = made["FileSystemId"]
        if backup.get("Status") == "DISABLED":
            world.gaps.backups[made["FileSystemId"]] = "DISABLED"
        for target in _read(bundle, f"efs/describe-mount-targets/FileSystemId={old}").get("MountTargets", []):
            groups = _read(bundle, f"efs/describe-mount-target-security-groups/MountTargetId={target['MountTargetId']}")
            new = efs.create_mount_target(
                FileSystemId=made["FileSystemId"],
                SubnetId=world.ids[target["SubnetId"]],
                IpAddress=target["IpAddress"],
                SecurityGroups=[world.ids[g] for g in groups.get("SecurityGroups", [])],
            )
            world.ids[target["MountTargetId"]] = new["MountTargetId"]
            if target.get("Ipv6Address"):
                world.gaps.addresses[new["MountTargetId"]] = target["Ipv6Address"]
        for point in _read(bundle, f"efs/describe-access-points/FileSystemId={old}").get("AccessPoints", []):
            settings = {k: point[k] for k in ("PosixUser", "RootDirectory") if k in point}
            made_point = efs.create_access_point(
                ClientToken=point["AccessPointId"], FileSystemId=made["FileSystemId"], **settings
            )
            world.ids[point["AccessPointId"]] = made_point["AccessPointId"]
        policy = _read(bundle, f"efs/describe-file-system-policy/FileSystemId={old}").get("Policy")
        if policy:
            efs.put_file_system_policy(FileSystemId=made["FileSystemId"], Policy=world.rename(policy))
