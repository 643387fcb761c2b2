"""The live AWS source against a moto server, with faults put in through botocore's own events."""

import json
import subprocess
import sys
import threading
import urllib.request
from functools import cache
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pytest
from awsworld import IMAGE
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.server import ThreadedMotoServer

from efsdiag.model import Query, Unreadable
from efsdiag.operations import READS, read_of
from efsdiag.world.aws import SERVICES, AwsSource
from efsdiag.world.aws_calls import SPLIT_AT, arguments_of, in_parts, plain
from efsdiag.world.aws_errors import Kind, kind_of, sentence

REGION = "eu-west-1"
AWS_READS = [name for name in READS if name.partition(":")[0] in SERVICES]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
DRIVER = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "elasticfilesystem:*", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def server():
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    # All servers of a process share one account: what another test left there goes.
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path, server):
    """The environment of a signed-in user whose AWS is the moto server, with nothing else from this machine."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(scope="module")
def world(server):
    """A VPC with two nodes, a file system with a mount target and access points, and the driver's role."""
    session = boto3.Session(aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="x", region_name=REGION)
    ec2, efs, iam, eks = (session.client(name, endpoint_url=server) for name in ("ec2", "efs", "iam", "eks"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="eu-west-1a")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="nodes", Description="nodes", VpcId=vpc)["GroupId"]
    role = iam.create_role(RoleName="node", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    for number in range(7):
        iam.put_role_policy(RoleName="node", PolicyName=f"p{number}", PolicyDocument=json.dumps(DRIVER))
    policy = iam.create_policy(PolicyName="driver", PolicyDocument=json.dumps(DRIVER))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="node", PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName="node")
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    image = IMAGE
    run = ec2.run_instances(
        ImageId=image,
        MinCount=7,
        MaxCount=7,
        SubnetId=subnet,
        SecurityGroupIds=[group],
        IamInstanceProfile={"Name": "node"},
    )
    for instance in run["Instances"][1:]:  # moto gives the profile to the first one only
        ec2.associate_iam_instance_profile(InstanceId=instance["InstanceId"], IamInstanceProfile={"Name": "node"})
    file_system = efs.create_file_system(CreationToken="prometheus", Encrypted=True)["FileSystemId"]
    target = efs.create_mount_target(FileSystemId=file_system, SubnetId=subnet, SecurityGroups=[group])
    for number in range(3):
        efs.create_access_point(FileSystemId=file_system, ClientToken=str(number))
    eks.create_cluster(name="prod", roleArn=role, resourcesVpcConfig={"subnetIds": [subnet]})
    return SimpleNamespace(
        vpc=vpc,
        subnet=subnet,
        group=group,
        policy=policy,
        file_system=file_system,
        target=target["MountTargetId"],
        instances=[i["InstanceId"] for i in run["Instances"]],
        address=run["Instances"][0]["PrivateIpAddress"],
    )


@pytest.fixture
def session():
    return boto3.Session()


def fault(session, operation, code, message="no", status=400):
    """From now on AWS answers `operation` with that error, as an HTTP answer that the retry handler sees."""
    body = json.dumps({"__type": code, "message": message, "ErrorCode": code, "Message": message}).encode()
    xml = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
    iam = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    service, _, name = operation.partition(":")
    content = {"ec2": xml.encode(), "iam": iam.encode(), "sts": iam.encode()}.get(service, body)
    session.events.register(f"before-send.{service}.{name}", lambda **_: _response(status, content))


def _response(status, content):
    response = AWSResponse("http://aws", status, {"content-type": "text/plain"}, None)
    response._content = content
    return response


# --- what efsdiag can say, against botocore's own models ---------------------------------------------------------


@cache
def service_model(service):
    return botocore.session.get_session().get_service_model(service)


@pytest.mark.parametrize("name", AWS_READS)
def test_every_aws_read_is_an_operation_with_these_parameters(name):
    service, _, operation = name.partition(":")
    model = service_model(service).operation_model(operation)
    sample = {"Attribute": "enableDnsSupport", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    query = read_of(
        name,
        **{
            p: sample.get(p, ("id-000000000001", "id-000000000002")[: 2 if p.endswith("Ids") else 1])
            for p in READS[name].parameters
        },
    )
    arguments = arguments_of(query, model)
    if model.input_shape is None:
        assert not arguments
    else:
        assert not ParamValidator().validate(arguments, model.input_shape).generate_report()
        assert arguments.keys() <= model.input_shape.members.keys()


@pytest.mark.parametrize("name", AWS_READS)
def test_every_aws_read_names_the_iam_action_that_allows_it(name):
    service, _, operation = name.partition(":")
    prefix = service_model(service).endpoint_prefix
    assert READS[name].permission == f"{prefix}:{operation}"


def test_a_parameter_that_aws_does_not_know_would_be_noticed():
    model = service_model("efs").operation_model("DescribeMountTargets")
    report = ParamValidator().validate({"FileSystem": "fs-1"}, model.input_shape).generate_report()
    assert 'Unknown parameter in input: "FileSystem"' in report


def test_importing_the_source_imports_neither_boto3_nor_kubernetes():
    code = (
        "import sys, efsdiag.world.aws, efsdiag.world.kube; "
        "print([m for m in ('boto3', 'botocore', 'kubernetes', 'urllib3', 'yaml') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"[]\n"


# --- answers -----------------------------------------------------------------------------------------------------


def test_the_answers_are_what_the_aws_cli_prints(world):
    source = AwsSource()
    systems = source(read_of("efs:DescribeFileSystems", FileSystemId=world.file_system))
    assert systems.keys() == {"FileSystems"}
    assert systems["FileSystems"][0]["CreationTime"].endswith("+00:00")
    assert json.loads(json.dumps(systems)) == systems
    targets = source(read_of("efs:DescribeMountTargets", FileSystemId=world.file_system))["MountTargets"]
    assert [t["MountTargetId"] for t in targets] == [world.target]
    groups = source(read_of("efs:DescribeMountTargetSecurityGroups", MountTargetId=world.target))
    assert groups == {"SecurityGroups": [world.group]}
    assert len(source(read_of("efs:DescribeAccessPoints", FileSystemId=world.file_system))["AccessPoints"]) == 3
    assert source(read_of("eks:DescribeCluster", name="prod"))["cluster"]["name"] == "prod"
    attribute = source(read_of("ec2:DescribeVpcAttribute", Attribute="enableDnsSupport", VpcId=world.vpc))
    assert attribute == {"VpcId": world.vpc, "EnableDnsSupport": {"Value": True}}


def test_policy_documents_come_decoded(world):
    source = AwsSource()
    assert source(read_of("iam:GetRole", RoleName="node"))["Role"]["AssumeRolePolicyDocument"] == TRUST
    inline = source(read_of("iam:GetRolePolicy", RoleName="node", PolicyName="p0"))
    assert inline == {"RoleName": "node", "PolicyName": "p0", "PolicyDocument": DRIVER}
    version = source(read_of("iam:GetPolicyVersion", PolicyArn=world.policy, VersionId="v1"))
    assert version["PolicyVersion"]["Document"] == DRIVER
    profiles = source(read_of("iam:ListInstanceProfiles"))["InstanceProfiles"]
    assert profiles[0]["Roles"][0]["AssumeRolePolicyDocument"] == TRUST


def test_filters_and_lists_of_ids_narrow_the_answer(world):
    source = AwsSource()
    by_address = source(read_of("ec2:DescribeInstances", **{"Filter.private-ip-address": (world.address,)}))
    assert [i["InstanceId"] for r in by_address["Reservations"] for i in r["Instances"]] == world.instances[:1]
    two = source(read_of("ec2:DescribeInstances", InstanceIds=tuple(world.instances[:2])))
    assert {i["InstanceId"] for r in two["Reservations"] for i in r["Instances"]} == set(world.instances[:2])
    one = source(read_of("ec2:DescribeVpcs", VpcIds=world.vpc))
    assert [v["VpcId"] for v in one["Vpcs"]] == [world.vpc]
    associations = source(
        read_of("ec2:DescribeIamInstanceProfileAssociations", **{"Filter.instance-id": (world.instances[3],)})
    )
    assert [a["InstanceId"] for a in associations["IamInstanceProfileAssociations"]] == [world.instances[3]]


@pytest.mark.parametrize("name", ["DescribeNetworkAcls", "DescribeRouteTables", "DescribeVpcEndpoints"])
def test_lists_of_a_vpc_can_be_read(world, name):
    answer = AwsSource()(read_of(f"ec2:{name}", **{"Filter.vpc-id": (world.vpc,)}))
    assert list(answer) == [name.removeprefix("Describe")]


def test_pages_are_merged(session):
    pages = {
        "": {"FileSystems": [{"FileSystemId": "fs-1"}], "NextMarker": "two"},
        "two": {"FileSystems": [{"FileSystemId": "fs-2"}], "NextMarker": "three"},
        "three": {"FileSystems": []},
    }

    def page(request, **_):
        marker = parse_qs(urlsplit(request.url).query).get("Marker", [""])[0]
        return _response(200, json.dumps(pages[marker]).encode())

    session.events.register("before-send.efs.DescribeFileSystems", page)
    source = AwsSource(session=session)
    systems = source(read_of("efs:DescribeFileSystems"))
    assert systems == {"FileSystems": [{"FileSystemId": "fs-1"}, {"FileSystemId": "fs-2"}]}
    assert source.requests == 3


def test_whole_lists_of_ec2_are_asked_for_in_pages_and_ids_are_not(world, session):
    sizes = []
    session.events.register("before-call.ec2", lambda params, **_: sizes.append(params["body"].get("MaxResults")))
    source = AwsSource(session=session)
    source(read_of("ec2:DescribeInstances"))
    source(read_of("ec2:DescribeRouteTables"))
    source(read_of("ec2:DescribeInstances", InstanceIds=(world.instances[0],)))
    assert sizes == [500, 100, None]


def test_long_lists_are_asked_for_in_parts_and_merged(world, session):
    asked = []
    session.events.register("before-call.ec2", lambda params, **_: asked.append(params["body"]))
    values = (*(f"i-{n:017x}" for n in range(SPLIT_AT)), *world.instances)
    answer = AwsSource(session=session)(
        read_of("ec2:DescribeIamInstanceProfileAssociations", **{"Filter.instance-id": values})
    )
    assert {a["InstanceId"] for a in answer["IamInstanceProfileAssociations"]} == set(world.instances)
    assert [sum(key.startswith("Filter.1.Value.") for key in body) for body in asked] == [SPLIT_AT, 7]


def test_every_value_is_in_exactly_one_part():
    values = [str(n) for n in range(2 * SPLIT_AT + 1)]
    parts = list(in_parts({"Filters": [{"Name": "vpc-id", "Values": ["v"]}], "InstanceIds": values}))
    assert [value for part in parts for value in part["InstanceIds"]] == values
    assert all(len(part["InstanceIds"]) <= SPLIT_AT and part["Filters"][0]["Values"] == ["v"] for part in parts)


def test_the_operation_of_another_source_is_refused():
    for operation in ("kube:get pods", "ec2:TerminateInstances", "volume:entries"):
        with pytest.raises(ValueError, match="operation-not-a-read"):
            AwsSource()(Query(operation))


def test_times_of_any_zone_are_printed_in_utc():
    import datetime

    seoul = datetime.timezone(datetime.timedelta(hours=9))
    at = datetime.datetime(2026, 7, 25, 10, 23, 17, tzinfo=seoul)
    assert plain({"Times": [{"At": at}], "N": 1}) == {"Times": [{"At": "2026-07-25T01:23:17+00:00"}], "N": 1}


# --- what does not exist -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("efs:DescribeFileSystems", {"FileSystemId": "fs-00000000000000000"}),
        ("efs:DescribeMountTargets", {"FileSystemId": "fs-00000000000000000"}),
        ("efs:DescribeMountTargetSecurityGroups", {"MountTargetId": "fsmt-00000000000000000"}),
        ("iam:GetRole", {"RoleName": "nobody"}),
        ("iam:GetPolicy", {"PolicyArn": "arn:aws:iam::123456789012:policy/none"}),
        ("ec2:DescribeInstances", {"InstanceIds": ("i-00000000000000000",)}),
        ("ec2:DescribeSecurityGroups", {"GroupIds": ("sg-00000000000000000",)}),
        ("ec2:DescribeVpcs", {"VpcIds": ("vpc-00000000000000000",)}),
        ("ec2:DescribeSubnets", {"SubnetIds": ("subnet-00000000000000000",)}),
        ("ec2:DescribeVolumes", {"VolumeIds": ("vol-00000000000000000",)}),
        ("ec2:DescribeNetworkInterfaces", {"NetworkInterfaceIds": ("eni-00000000000000000",)}),
        ("eks:DescribeCluster", {"name": "none"}),
    ],
)
def test_what_does_not_exist_is_none(name, parameters):
    assert AwsSource()(read_of(name, **parameters)) is None


def test_a_file_system_without_a_policy_has_none(world, session):
    fault(session, "efs:DescribeFileSystemPolicy", "PolicyNotFound", status=404)
    assert AwsSource(session=session)(read_of("efs:DescribeFileSystemPolicy", FileSystemId=world.file_system)) is None


def test_one_node_that_is_gone_does_not_hide_the_others(world):
    ids = (world.instances[0], "i-00000000000000000", world.instances[1])
    answer = AwsSource()(read_of("ec2:DescribeInstances", InstanceIds=ids))
    assert {i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]} == set(world.instances[:2])


def test_several_ids_that_are_all_gone_are_none():
    gone = ("sg-00000000000000000", "sg-11111111111111111")
    assert AwsSource()(read_of("ec2:DescribeSecurityGroups", GroupIds=gone)) is None


def _client_error(code, message="said", operation="DescribeVpcs"):
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("InvalidVpcID.NotFound", "", Kind.ABSENT),
        ("InvalidInstanceID.Malformed", "", Kind.ABSENT),
        ("ValidationException", "Member must satisfy regular expression pattern: ^fs-", Kind.ABSENT),
        ("ValidationException", "MaxItems is too large", Kind.OTHER),
        ("404", "Not Found", Kind.OTHER),
        ("AuthFailure", "", Kind.SIGNED_OUT),
        ("UnauthorizedOperation", "", Kind.REFUSED),
        ("RequestLimitExceeded", "", Kind.THROTTLED),
    ],
)
def test_the_code_decides_what_an_error_means(code, message, kind):
    assert kind_of(_client_error(code, message), "DescribeVpcs") is kind


# --- what could not be looked at ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "code", "grant"),
    [
        (
            "efs:DescribeMountTargets",
            {"FileSystemId": "fs-1"},
            "AccessDeniedException",
            "elasticfilesystem:DescribeMountTargets",
        ),
        ("ec2:DescribeVpcs", {}, "UnauthorizedOperation", "ec2:DescribeVpcs"),
        ("iam:GetRole", {"RoleName": "node"}, "AccessDenied", "iam:GetRole"),
    ],
)
def test_a_refused_read_names_the_permission_that_is_missing(session, name, parameters, code, grant):
    fault(session, name, code, "User: arn:aws:iam::1:user/x is not authorized", 403)
    source = AwsSource(session=session)
    with pytest.raises(Unreadable) as caught:
        source(read_of(name, **parameters))
    assert caught.value.query == read_of(name, **parameters)
    assert caught.value.why == f"AWS refuses {name}: User: arn:aws:iam::1:user/x is not authorized ({code})"
    assert caught.value.grant == f"allow {grant}"
    assert source.trouble is None
    assert not source.unauthenticated


def test_the_encoded_part_of_a_refusal_is_left_out():
    error = _client_error(
        "UnauthorizedOperation", "You are not authorized. Encoded authorization failure message: AAAA"
    )
    assert sentence(error) == "You are not authorized. (UnauthorizedOperation)"


def test_a_throttled_read_is_asked_again(world, session, monkeypatch):
    waits = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", waits.append)
    body = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    left = [_response(429, body), _response(429, body)]
    session.events.register("before-send.efs.DescribeAccessPoints", lambda **_: left.pop() if left else None)
    source = AwsSource(session=session)
    answer = source(read_of("efs:DescribeAccessPoints", FileSystemId=world.file_system))
    assert len(answer["AccessPoints"]) == 3
    assert (source.requests, len(waits)) == (3, 2)


def test_a_read_that_stays_throttled_is_unreadable_after_all_attempts(session, monkeypatch):
    waits = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", waits.append)
    fault(session, "ec2:DescribeVpcs", "RequestLimitExceeded", "Request limit exceeded.", 503)
    source = AwsSource(session=session, attempts=3)
    with pytest.raises(Unreadable, match=r"ec2:DescribeVpcs was throttled 3 times: Request limit exceeded\."):
        source(read_of("ec2:DescribeVpcs"))
    assert source.requests == 3
    assert source.trouble is None


def test_an_operation_that_the_endpoint_does_not_implement_is_unreadable(world):
    with pytest.raises(Unreadable):
        AwsSource(attempts=1)(read_of("eks:ListPodIdentityAssociations", clusterName="prod"))


def test_the_sign_in_page_of_a_network_is_not_an_empty_answer(session):
    session.events.register("before-send.efs", lambda **_: _response(200, b"<!DOCTYPE html><html>hotel</html>"))
    with pytest.raises(Unreadable, match=r"efs:DescribeFileSystems failed: the answer is a web page \(200\)"):
        AwsSource(session=session)(read_of("efs:DescribeFileSystems"))


def test_an_endpoint_that_nobody_listens_on_is_asked_once(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    source = AwsSource(attempts=1)
    for _ in range(2):
        with pytest.raises(Unreadable, match="ec2:DescribeVpcs got no answer: Could not connect") as caught:
            source(read_of("ec2:DescribeVpcs"))
        assert "network" in caught.value.grant
    assert source.requests == 1
    assert source.trouble.reference == "aws-unreachable"
    assert not source.unauthenticated


def test_an_endpoint_that_accepts_and_never_answers_times_out(monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = AwsSource(endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.3, attempts=1)
        with pytest.raises(Unreadable, match="sts:GetCallerIdentity got no answer: Read timeout"):
            source(read_of("sts:GetCallerIdentity"))


def test_an_endpoint_that_is_no_url_is_unreadable():
    with pytest.raises(Unreadable, match="Invalid endpoint"):
        AwsSource(endpoint_url="nonsense")(read_of("ec2:DescribeVpcs"))


# --- who asks, and where -----------------------------------------------------------------------------------------


def test_nobody_signed_in_is_said_once_and_costs_no_request(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    source = AwsSource()
    for name in ("sts:GetCallerIdentity", "ec2:DescribeVpcs"):
        with pytest.raises(Unreadable, match="nobody is signed in to AWS: no credentials were found") as caught:
            source(read_of(name))
        assert "aws sso login" in caught.value.grant
    assert source.unauthenticated
    assert source.requests == 0


def test_a_profile_that_does_not_exist_is_named():
    source = AwsSource(profile="prdo")
    with pytest.raises(Unreadable, match=r"profile \(prdo\) could not be found") as caught:
        source(read_of("sts:GetCallerIdentity"))
    assert "--profile prdo" in caught.value.grant
    assert source.unauthenticated


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("sts:GetCallerIdentity", "ExpiredToken"),
        ("efs:DescribeFileSystems", "UnrecognizedClientException"),
        ("ec2:DescribeVpcs", "AuthFailure"),
    ],
)
def test_credentials_that_aws_does_not_accept_mean_signed_out(session, name, code):
    fault(session, name, code, "The security token included in the request is expired", 403)
    source = AwsSource(session=session)
    with pytest.raises(Unreadable, match=f"nobody is signed in to AWS: .*{code}"):
        source(read_of(name))
    assert source.unauthenticated
    assert source.trouble.hint.startswith("sign in with")


def test_one_answer_shows_that_someone_is_signed_in(world, session):
    fault(session, "ec2:DescribeVpcs", "AuthFailure", status=401)
    source = AwsSource(session=session)
    with pytest.raises(Unreadable):
        source(read_of("ec2:DescribeVpcs"))
    assert source.unauthenticated
    assert source(read_of("sts:GetCallerIdentity"))["Account"] == "123456789012"
    assert not source.unauthenticated


def test_a_role_is_assumed_with_its_external_id(world, session):
    asked = []
    session.events.register("before-call.sts.AssumeRole", lambda params, **_: asked.append(params["body"]))
    role = "arn:aws:iam::123456789012:role/node"
    source = AwsSource(session=session, role_arn=role, external_id="abc")
    who = source(read_of("sts:GetCallerIdentity"))
    source(read_of("ec2:DescribeVpcs"))
    assert who["Arn"] == "arn:aws:sts::123456789012:assumed-role/node/efsdiag"
    assert [(body["RoleArn"], body["ExternalId"]) for body in asked] == [(role, "abc")]
    assert source.requests == 3


def test_a_role_that_cannot_be_assumed_is_named(session):
    fault(session, "sts:AssumeRole", "AccessDenied", "not authorized to perform: sts:AssumeRole", 403)
    role = "arn:aws:iam::123456789012:role/node"
    source = AwsSource(session=session, role_arn=role)
    with pytest.raises(Unreadable, match=r"not authorized to perform: sts:AssumeRole \(AccessDenied\)") as caught:
        source(read_of("ec2:DescribeVpcs"))
    assert caught.value.grant.startswith(f"allow sts:AssumeRole on {role}")
    assert source.unauthenticated


def test_without_a_region_the_read_says_so_until_one_is_set(world, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    source = AwsSource()
    assert source.region == ""
    with pytest.raises(Unreadable, match="efs:DescribeFileSystems needs a region, and none is set") as caught:
        source(read_of("efs:DescribeFileSystems"))
    assert "--region" in caught.value.grant
    assert source(read_of("sts:GetCallerIdentity"))["Account"] == "123456789012"
    source.set_region(REGION)
    assert source.region == REGION
    assert len(source(read_of("efs:DescribeFileSystems"))["FileSystems"]) == 1


def test_a_given_region_comes_before_that_of_the_environment(world):
    assert AwsSource().region == REGION
    elsewhere = AwsSource(region="us-east-2")
    assert elsewhere.region == "us-east-2"
    assert elsewhere(read_of("efs:DescribeFileSystems")) == {"FileSystems": []}


def test_eight_threads_share_one_source_and_its_clients(world, session):
    made = []
    session.events.register("creating-client-class.ec2", lambda **_: made.append(1))
    source = AwsSource(session=session)
    answers = []

    def ask():
        answers.append(source(read_of("ec2:DescribeVpcs", VpcIds=(world.vpc,)))["Vpcs"][0]["VpcId"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [world.vpc] * 8
    assert len(made) == 1
    assert source.requests == 8


def test_requests_say_that_efsdiag_asks(world, session):
    agents = []
    session.events.register("before-send", lambda request, **_: agents.append(request.headers["User-Agent"]))
    AwsSource(session=session)(read_of("sts:GetCallerIdentity"))
    assert b"efsdiag/" in agents[0]
