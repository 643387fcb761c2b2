"""The recorded source: queries in, answers out, over bundles written here by hand."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from efsdiag.model import Query, Unreadable
from efsdiag.operations import READS, read_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_layout import RESOURCES, aws_file, aws_values, kebab, segment, values_of
from efsdiag.world.errors import Unreachable
from efsdiag.world.selectors import field_selector, label_selector

MANIFEST = {
    "apiVersion": "efsdiag/v1",
    "kind": "EvidenceBundle",
    "capturedAt": "2026-11-21T06:30:00Z",
    "cluster": {"context": "admin@lab", "kubernetesVersion": "v1.36.2"},
    "aws": {"accountId": "111122223333", "region": "ap-northeast-2"},
}
Make = Callable[[Mapping[str, Any]], BundleSource]


def pod(name: str, namespace: str = "web", **more: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace, "labels": more.pop("labels", {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, **more}


def listed(*items: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": list(items)}


def namespaces(*names: str) -> dict[str, Any]:
    return listed(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))


def write(place: Path, files: Mapping[str, Any]) -> Path:
    """The files as a folder: text and bytes as they are, everything else as JSON."""
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, (str, bytes)) else json.dumps(content)
        (place / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return place


@pytest.fixture
def bundle(tmp_path: Path) -> Make:
    """Makes a source over a folder with bundle.json and the given files."""
    return lambda files: BundleSource(write(tmp_path / "bundle", {"bundle.json": MANIFEST, **files}))


def refusal(source: BundleSource, operation: str, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        source(read_of(operation, **parameters))
    return caught.value.why, caught.value.grant


def names(answer: Any) -> list[str]:
    return [item["metadata"]["name"] for item in answer]


PODS = "cluster-resources/pods/web.json"


# kube:get


def test_an_object_is_found_in_the_list_of_its_namespace(bundle):
    source = bundle({PODS: listed(pod("a"), pod("b"))})
    assert source(read_of("kube:get pods", namespace="web", name="b")) == pod("b")


def test_an_object_that_the_list_does_not_hold_does_not_exist(bundle):
    source = bundle({PODS: listed(pod("a"))})
    assert source(read_of("kube:get pods", namespace="web", name="z")) is None
    assert source(read_of("kube:get pods", namespace="web")) is None


def test_a_list_that_is_missing_is_unreadable_with_how_to_collect_it(bundle):
    assert refusal(bundle({}), "kube:get pods", namespace="web", name="a") == (
        f"{PODS} is not in the bundle",
        f"collect {PODS}, e.g. kubectl get pods -n web -o json",
    )


def test_the_reason_says_where_the_namespace_itself_is_not_listed(bundle):
    why, _ = refusal(
        bundle({"cluster-resources/namespaces.json": namespaces("a")}), "kube:get pods", namespace="web", name="x"
    )
    assert why == f"{PODS} is not in the bundle, and cluster-resources/namespaces.json has no web"
    listing_it = bundle({"cluster-resources/namespaces.json": namespaces("web")})
    assert refusal(listing_it, "kube:get pods", namespace="web", name="x")[0] == f"{PODS} is not in the bundle"


@pytest.mark.parametrize("resource", sorted(RESOURCES))
def test_every_resource_has_its_file(bundle, resource):
    read = READS[f"kube:get {resource}"]
    where = {"namespace": "web"} if read.namespaced else {}
    why, grant = refusal(bundle({}), f"kube:get {resource}", **where, name="x")
    file = why.removesuffix(" is not in the bundle")
    assert grant.endswith(f"kubectl get {resource}{' -n web' if where else ''} -o json")
    item = {"apiVersion": read.group, "kind": RESOURCES[resource][1], "metadata": {"name": "x", **where}}
    assert bundle({file: listed(item)})(read_of(f"kube:get {resource}", **where, name="x")) == item


def test_the_resources_of_the_layout_are_those_of_operations():
    assert set(RESOURCES) == {name.partition(" ")[2] for name in READS if name.startswith("kube:get ")}


@pytest.mark.parametrize(
    ("resource", "file"),
    [
        ("persistentvolumeclaims", "pvcs/web.json"),
        ("persistentvolumes", "pvs.json"),
        ("storageclasses", "storage-classes.json"),
        ("resourcequotas", "resource-quota/web.json"),
        ("networkpolicies", "network-policy/web.json"),
        ("ingresses", "ingress/web.json"),
        ("volumeattachments", "volumeattachments.json"),
        ("prometheuses", "custom-resources/prometheuses.monitoring.coreos.com/web.json"),
    ],
)
def test_files_are_named_as_a_support_bundle_names_them(bundle, resource, file):
    where = {"namespace": "web"} if READS[f"kube:get {resource}"].namespaced else {}
    assert refusal(bundle({}), f"kube:list {resource}", **where)[0] == f"cluster-resources/{file} is not in the bundle"


def test_a_bare_array_and_null_are_lists_and_their_objects_get_their_kind(bundle):
    bare = {"metadata": {"name": "a", "namespace": "web"}}
    source = bundle({PODS: [bare], "cluster-resources/pods/empty.json": "null"})
    whole = {"apiVersion": "v1", "kind": "Pod", **bare}
    assert source(read_of("kube:get pods", namespace="web", name="a")) == whole
    assert source(read_of("kube:list pods", namespace="empty")) == []


def test_objects_of_another_namespace_in_the_file_are_not_answers(bundle):
    source = bundle({PODS: listed(pod("a", "other"), pod("b"))})
    assert source(read_of("kube:get pods", namespace="web", name="a")) is None
    assert names(source(read_of("kube:list pods", namespace="web"))) == ["b"]


def test_a_custom_resource_that_the_cluster_does_not_define_does_not_exist(bundle):
    crds = "cluster-resources/custom-resource-definitions.json"
    source = bundle({crds: listed({"metadata": {"name": "others.example.com"}})})
    assert source(read_of("kube:list prometheuses", namespace="web")) is None
    assert source(read_of("kube:list prometheuses")) is None
    source = bundle({crds: listed({"metadata": {"name": "prometheuses.monitoring.coreos.com"}})})
    assert "is not in the bundle" in refusal(source, "kube:list prometheuses", namespace="web")[0]


def test_a_query_that_is_no_read_or_lacks_its_namespace_is_a_mistake(bundle):
    source = bundle({})
    for query in (Query("kube:get secrets"), Query("ec2:RunInstances"), Query("kube:get pods", (("name", "a"),))):
        with pytest.raises(ValueError, match=r"^(operation-not-a-read|query-without-namespace): "):
            source(query)


# kube:list


def test_a_list_is_filtered_by_fields_and_labels(bundle):
    source = bundle(
        {
            PODS: listed(
                pod("a", labels={"app": "x"}, spec={"nodeName": "n1"}),
                pod("b", labels={"app": "x"}, spec={"nodeName": "n2"}),
                pod("c", labels={"app": "y"}, spec={"nodeName": "n1"}),
            )
        }
    )

    def got(**selectors: str) -> list[str]:
        return names(source(read_of("kube:list pods", namespace="web", **selectors)))

    assert got() == ["a", "b", "c"]
    assert got(labelSelector="app=x") == ["a", "b"]
    assert got(fieldSelector="spec.nodeName=n1") == ["a", "c"]
    assert got(fieldSelector="spec.nodeName=n1", labelSelector="app=x") == ["a"]
    assert got(fieldSelector="metadata.name=z") == []


def test_a_selector_that_cannot_be_understood_is_unreadable_and_not_empty(bundle):
    source = bundle({PODS: listed(pod("a"))})
    assert "label-selector-malformed" in refusal(source, "kube:list pods", namespace="web", labelSelector="a==b==c")[0]


def test_all_namespaces_are_put_together_in_the_order_of_the_servers_keys(bundle):
    source = bundle(
        {
            "cluster-resources/namespaces.json": namespaces("web", "web-2"),
            PODS: listed(pod("a"), pod("b")),
            "cluster-resources/pods/web-2.json": listed(pod("c", "web-2")),
        }
    )
    assert names(source(read_of("kube:list pods"))) == ["c", "a", "b"]
    assert names(source(read_of("kube:list pods", fieldSelector="metadata.namespace!=web"))) == ["c"]


def test_a_namespace_whose_file_is_missing_makes_all_namespaces_unreadable(bundle):
    source = bundle({"cluster-resources/namespaces.json": namespaces("web", "db", "ci"), PODS: listed(pod("a"))})
    why, grant = refusal(source, "kube:list pods", fieldSelector="metadata.name=a")
    assert why == "cluster-resources/pods/db.json is not in the bundle"
    assert grant.endswith("kubectl get pods -n db -o json")


def test_without_the_list_of_namespaces_all_namespaces_are_unreadable(bundle):
    why, grant = refusal(bundle({PODS: listed(pod("a"))}), "kube:list pods")
    assert why.startswith("cluster-resources/namespaces.json is not in the bundle")
    assert grant.endswith("kubectl get namespaces -o json")


def test_a_list_that_says_that_there_is_more_proves_no_absence(bundle):
    part = {**listed(pod("a")), "metadata": {"continue": "token"}}
    source = bundle({PODS: part, "cluster-resources/namespaces.json": namespaces("web")})
    assert source(read_of("kube:get pods", namespace="web", name="a")) == pod("a")
    for query in ({"namespace": "web"}, {}):
        assert refusal(source, "kube:list pods", **query)[0] == f"{PODS} holds only a part of the list"
    assert refusal(source, "kube:get pods", namespace="web", name="b")[0] == f"{PODS} holds only a part of the list"


# Selectors


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", "abcd"),
        ("  ", "abcd"),
        ("app=x", "ab"),
        ("app==x", "ab"),
        (" app = x ", "ab"),
        ("app!=x", "cd"),
        ("app", "abc"),
        ("!app", "d"),
        ("app in (x)", "ab"),
        ("app in (x, y)", "abc"),
        ("app notin (x,z)", "cd"),
        ("app notin (x),app", "c"),
        ("tier=", "c"),
        ("tier in ()", "c"),
        ("rank>2", "b"),
        ("rank<10,rank > 1", "ab"),
        ("app.kubernetes.io/name=prom", "a"),
        ("app.kubernetes.io/name", "a"),
        ("app in (x,y),!tier,rank!=7", "a"),
        ("in=in", "d"),
    ],
)
def test_label_selectors_select_as_the_server_does(selector, selected):
    labels = {
        "a": {"app": "x", "app.kubernetes.io/name": "prom", "rank": "2"},
        "b": {"app": "x", "rank": "7"},
        "c": {"app": "y", "tier": "", "rank": "high"},
        "d": {"in": "in"},
    }
    match = label_selector(selector)
    assert "".join(n for n, of in labels.items() if match({"metadata": {"labels": of}})) == selected


@pytest.mark.parametrize(
    "selector", ["a=b,", ",a", "a==b==c", "a in x", "a in (x", "!a=b", "a>x", "a b", "xin (a)", "="]
)
def test_what_is_no_label_selector_is_an_error(selector):
    with pytest.raises(ValueError, match=r"^label-selector-malformed: "):
        label_selector(selector)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("spec.nodeName=n1", "a"),
        ("spec.nodeName==n1", "a"),
        ("spec.nodeName!=n1", "bc"),
        ("spec.nodeName=", "bc"),
        ("spec.nodeName=n1,status.phase=Running", "a"),
        ("status.phase!=Running,status.phase!=Failed", "bc"),
        ("spec.unschedulable=true", "b"),
        ("spec.unschedulable=false", "ac"),
        ("count=3", "c"),
        ("involvedObject.uid=u\\,1", "c"),
        ("source=kubelet", "c"),
        ("spec.nodeName.deeper=", "abc"),
    ],
)
def test_field_selectors_take_any_path(selector, selected):
    objects = {
        "a": {"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}},
        "b": {"spec": {"unschedulable": True}},
        "c": {"involvedObject": {"uid": "u,1"}, "count": 3, "source": {"component": "kubelet"}},
    }
    match = field_selector(selector)
    assert "".join(name for name, item in objects.items() if match(item)) == selected


@pytest.mark.parametrize("selector", ["spec.nodeName", "a=b=c", "a=b,", "=x"])
def test_what_is_no_field_selector_is_an_error(selector):
    with pytest.raises(ValueError, match=r"^field-selector-malformed: "):
        field_selector(selector)


# kube:log

LOGS = "cluster-resources/pods/logs/web/a"


def running(restarts: int = 0, **last: Any) -> dict[str, Any]:
    return {"name": "main", "restartCount": restarts, "state": {"running": {}}, "lastState": last}


def pod_with(*statuses: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    spec = {"containers": [{"name": "main"}], "initContainers": [{"name": "first"}]}
    return pod("a", spec=spec, status={"phase": phase, "containerStatuses": list(statuses)})


LOG = {"namespace": "web", "name": "a", "container": "main"}


def test_logs_are_text_and_previous_ones_are_apart(bundle):
    source = bundle({f"{LOGS}/main.log": "one\ntwo\n", f"{LOGS}/main-previous.log": b"caf\xe9\n"})
    assert source(read_of("kube:log pods", **LOG)) == "one\ntwo\n"
    assert source(read_of("kube:log pods", **LOG, previous="true")) == "caf�\n"
    assert source(read_of("kube:log pods", namespace="web", name="a")) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("lines", "got"), [("0", ""), ("1", "c\n"), ("2", "b\r\nc\n"), ("3", "a\nb\r\nc\n"), ("99", "a\nb\r\nc\n")]
)
def test_the_last_lines_of_a_log_are_counted_by_newline(bundle, lines, got):
    source = bundle({f"{LOGS}/main.log": "a\nb\r\nc\n", f"{LOGS}/open.log": "a\nb"})
    assert source(read_of("kube:log pods", **LOG, tailLines=lines)) == got
    assert source(read_of("kube:log pods", **LOG | {"container": "open"}, tailLines="1")) == "b"


def test_a_stored_empty_log_is_empty_and_not_absent(bundle):
    source = bundle({f"{LOGS}/main.log": ""})
    assert source(read_of("kube:log pods", **LOG)) == ""
    assert source(read_of("kube:log pods", **LOG, tailLines="5")) == ""


@pytest.mark.parametrize(
    ("status", "current", "previous"),
    [
        (running(), "unread", None),
        (running(2, terminated={"exitCode": 1}), "unread", "unread"),
        (running(2), "unread", "unread"),
        ({"name": "main", "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}, None, None),
        ({"name": "main", "restartCount": 0, "state": {}}, None, None),
        ({"name": "main", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}, "unread", "unread"),
        ({"name": "main", "restartCount": 0, "state": {"terminated": {"exitCode": 1}}}, "unread", None),
    ],
)
def test_a_missing_log_is_absent_only_where_the_pods_status_proves_it(bundle, status, current, previous):
    source = bundle({PODS: listed(pod_with(status))})
    for wanted, extra in ((current, {}), (previous, {"previous": "true"})):
        if wanted is None:
            assert source(read_of("kube:log pods", **LOG, **extra)) is None
        else:
            assert "is not in the bundle" in refusal(source, "kube:log pods", **LOG, **extra)[0]


def test_a_pod_without_statuses_has_logged_nothing_only_while_it_is_pending(bundle):
    assert bundle({PODS: listed(pod_with(phase="Pending"))})(read_of("kube:log pods", **LOG)) is None
    assert "main.log" in refusal(bundle({PODS: listed(pod_with(phase="Unknown"))}), "kube:log pods", **LOG)[0]


def test_the_log_of_what_does_not_exist_is_absent(bundle):
    source = bundle({PODS: listed(pod_with(running()))})
    assert source(read_of("kube:log pods", **LOG | {"name": "gone"})) is None
    assert source(read_of("kube:log pods", **LOG | {"container": "gone"})) is None


def test_without_the_pod_a_missing_log_is_unreadable_with_the_command(bundle):
    assert refusal(bundle({}), "kube:log pods", **LOG, previous="true") == (
        f"{LOGS}/main-previous.log is not in the bundle",
        f"collect {LOGS}/main-previous.log, e.g. kubectl logs a -n web -c main --previous",
    )


def test_a_log_without_a_container_is_unreadable_where_there_are_several(bundle):
    source = bundle({f"{LOGS}/x.log": "1", f"{LOGS}/y.log": "2"})
    assert "has logs of 2 containers" in refusal(source, "kube:log pods", namespace="web", name="a")[0]


# AWS

INSTANCES = {
    "Reservations": [
        {"OwnerId": "1", "Instances": [{"InstanceId": "i-1", "PrivateIpAddress": "10.0.0.1"}, {"InstanceId": "i-2"}]},
        {"OwnerId": "2", "Instances": [{"InstanceId": "i-3", "PrivateIpAddress": "10.0.0.3"}]},
    ]
}
ALL = "aws/ec2/describe-instances.json"


def ids(answer: Any) -> list[str]:
    return [i["InstanceId"] for r in answer["Reservations"] for i in r["Instances"]]


@pytest.mark.parametrize("operation", [name for name in READS if not name.startswith(("kube:", "volume:"))])
def test_operations_are_spelled_as_the_aws_cli_spells_them(operation):
    name = operation.partition(":")[2]
    assert kebab(name) == xform_name(name, "-")


def test_the_same_read_comes_first(bundle):
    one = {"Reservations": [{"Instances": [{"InstanceId": "i-1", "Exact": True}]}]}
    source = bundle({ALL: INSTANCES, "aws/ec2/describe-instances/InstanceIds=i-1.json": one})
    assert source(read_of("ec2:DescribeInstances", InstanceIds=["i-1"])) == one
    assert source(read_of("ec2:DescribeInstances")) == INSTANCES


def test_a_wider_read_is_filtered_in_its_envelope(bundle):
    source = bundle({ALL: INSTANCES})
    assert source(read_of("ec2:DescribeInstances", InstanceIds=["i-3"])) == {
        "Reservations": [INSTANCES["Reservations"][1]]
    }
    assert ids(source(read_of("ec2:DescribeInstances", InstanceIds=["i-1", "i-3", "i-9"]))) == ["i-1", "i-3"]
    assert ids(source(read_of("ec2:DescribeInstances", **{"Filter.private-ip-address": "10.0.0.1"}))) == ["i-1"]


def test_a_recorded_list_of_ids_is_wider_than_a_part_of_it(bundle):
    source = bundle({"aws/ec2/describe-instances/InstanceIds=i-1&InstanceIds=i-2&InstanceIds=i-3.json": INSTANCES})
    assert ids(source(read_of("ec2:DescribeInstances", InstanceIds=["i-3", "i-1"]))) == ["i-1", "i-3"]
    for parameters in ({"InstanceIds": ["i-1", "i-4"]}, {}, {"Filter.private-ip-address": "10.0.0.1"}):
        assert refusal(source, "ec2:DescribeInstances", **parameters)[0] == f"{ALL} is not in the bundle"


def test_an_id_that_the_whole_list_does_not_hold_does_not_exist(bundle):
    source = bundle({ALL: INSTANCES, "aws/efs/describe-file-systems.json": {"FileSystems": [{"FileSystemId": "fs-1"}]}})
    assert source(read_of("ec2:DescribeInstances", InstanceIds=["i-9"])) is None
    assert source(read_of("ec2:DescribeInstances", InstanceIds=["i-8", "i-9"])) is None
    assert source(read_of("efs:DescribeFileSystems", FileSystemId="fs-9")) is None
    assert source(read_of("efs:DescribeFileSystems", FileSystemId="fs-1")) == {
        "FileSystems": [{"FileSystemId": "fs-1"}]
    }


def test_a_filter_that_matches_nothing_leaves_an_empty_list(bundle):
    source = bundle({ALL: INSTANCES})
    assert source(read_of("ec2:DescribeInstances", **{"Filter.private-ip-address": "10.9.9.9"})) == {"Reservations": []}


def test_a_wildcard_filter_is_not_answered_from_a_wider_list(bundle):
    source = bundle({ALL: INSTANCES})
    assert "not in the bundle" in refusal(source, "ec2:DescribeInstances", **{"Filter.private-ip-address": "10.0.*"})[0]


def test_the_first_page_of_a_list_proves_no_absence(bundle):
    source = bundle({ALL: {**INSTANCES, "NextToken": "more"}})
    assert ids(source(read_of("ec2:DescribeInstances", InstanceIds=["i-1"]))) == ["i-1"]
    for parameters in ({"InstanceIds": ["i-9"]}, {"InstanceIds": ["i-1", "i-9"]}, {}):
        assert refusal(source, "ec2:DescribeInstances", **parameters)[0] == f"{ALL} holds only the first page"


def test_a_missing_read_names_the_file_and_the_command(bundle):
    why, grant = refusal(bundle({}), "efs:DescribeMountTargets", FileSystemId="fs-1")
    file = "aws/efs/describe-mount-targets/FileSystemId=fs-1.json"
    assert why == f"{file} is not in the bundle"
    assert grant == f"collect {file}, e.g. aws efs describe-mount-targets --file-system-id fs-1"


@pytest.mark.parametrize(
    "code",
    [
        "NoSuchEntity",
        "FileSystemNotFound",
        "PolicyNotFound",
        "AccessPointNotFound",
        "InvalidGroup.NotFound",
        "InvalidVpcID.NotFound",
        "ResourceNotFoundException",
        "NotFoundException",
    ],
)
def test_an_error_that_says_not_found_means_that_it_does_not_exist(bundle, code):
    file = "aws/efs/describe-file-system-policy/FileSystemId=fs-1.json"
    source = bundle({file: {"Error": {"Code": code, "Message": "gone"}}})
    assert source(read_of("efs:DescribeFileSystemPolicy", FileSystemId="fs-1")) is None


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Throttling", "X"])
def test_every_other_error_is_unreadable_with_the_permission(bundle, code):
    error = {"Error": {"Code": code, "Message": "User: x is not authorized"}}
    source = bundle({"aws/efs/describe-file-systems.json": error, ALL: error})
    assert refusal(source, "efs:DescribeFileSystems") == (
        f"AWS refuses efs:DescribeFileSystems: User: x is not authorized ({code})",
        "allow elasticfilesystem:DescribeFileSystems",
    )
    assert "not authorized" in refusal(source, "ec2:DescribeInstances", InstanceIds=["i-1"])[0]


def test_a_refused_read_does_not_hide_a_wider_one_that_was_answered(bundle):
    denied = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    source = bundle({ALL: INSTANCES, "aws/ec2/describe-instances/InstanceIds=i-1.json": denied})
    assert ids(source(read_of("ec2:DescribeInstances", InstanceIds=["i-1"]))) == ["i-1"]


@pytest.mark.parametrize(
    ("operation", "parameters", "file"),
    [
        ("sts:GetCallerIdentity", {}, "aws/sts/get-caller-identity.json"),
        (
            "iam:GetPolicyVersion",
            {"VersionId": "v1", "PolicyArn": "arn:aws:iam::111122223333:policy/ec2_kubernetes"},
            "aws/iam/get-policy-version/"
            "PolicyArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Apolicy%2Fec2_kubernetes&VersionId=v1.json",
        ),
        (
            "ec2:DescribeVpcAttribute",
            {"VpcId": "vpc-1", "Attribute": "enableDnsSupport"},
            "aws/ec2/describe-vpc-attribute/Attribute=enableDnsSupport&VpcId=vpc-1.json",
        ),
        (
            "ec2:DescribeSubnets",
            {"SubnetIds": ["s-2", "s-1"]},
            "aws/ec2/describe-subnets/SubnetIds=s-1&SubnetIds=s-2.json",
        ),
        (
            "ec2:DescribeVpcEndpoints",
            {"Filter.vpc-id": "vpc-1"},
            "aws/ec2/describe-vpc-endpoints/Filter.vpc-id=vpc-1.json",
        ),
        (
            "iam:GetRole",
            {"RoleName": "a&b=c/../%+ é"},
            "aws/iam/get-role/RoleName=a%26b%3Dc%2F..%2F%25%2B%20%C3%A9.json",
        ),
    ],
)
def test_file_names_of_aws_reads_say_their_parameters_and_back(operation, parameters, file):
    query = read_of(operation, **parameters)
    assert aws_file(query) == file
    folder, _, base = file.rpartition("/")
    if query.parameters:
        assert folder.count("/") == 2
        assert aws_values(base) == values_of(query)


def test_many_parameters_get_a_short_name_that_is_found_again(bundle):
    query = read_of("ec2:DescribeInstances", InstanceIds=[f"i-{n:017x}" for n in range(100)])
    assert len(Path(aws_file(query)).name) < 100
    assert bundle({aws_file(query): INSTANCES})(query) == INSTANCES


@pytest.mark.parametrize(
    ("name", "part"), [("a-b.c", "a-b.c"), ("..", "%2E%2E"), ("a/../b", "a%2F..%2Fb"), (".", "%2E")]
)
def test_a_name_from_outside_is_one_part_of_a_path(name, part):
    assert segment(name) == part


def test_a_name_with_unescaped_colons_is_recognised(bundle):
    source = bundle({"aws/iam/get-policy/PolicyArn=arn:aws:iam::aws:x.json": {"Policy": {}}})
    assert source(read_of("iam:GetPolicy", PolicyArn="arn:aws:iam::aws:x")) == {"Policy": {}}


# Volumes


def test_what_is_inside_a_volume_is_read_by_the_volumes_name(bundle):
    inside = {"persistentVolume": "pv-1", "entries": [{"path": "/", "type": "directory", "uid": 0}]}
    source = bundle({"volumes/pv-1.json": inside})
    assert source(read_of("volume:entries", persistentVolume="pv-1")) == inside
    assert refusal(source, "volume:entries", persistentVolume="pv-2") == (
        "nobody has looked inside the volume",
        "a listing of the volume in volumes/pv-2.json",
    )


# Damage


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"items": [\n{"metadata": }]}', f"{PODS}:2 is not JSON"),
        ("", f"{PODS}:1 is empty"),
        ("apiVersion: v1\nitems: []\n", f"{PODS}:1 is not JSON"),
        (b'{"a":\n\n"\xff\xfe"}', f"{PODS}:3 is not JSON: it is not UTF-8"),
        ("[" * 100_000, f"{PODS}:1 is nested too deeply"),
        ("1" * 10_000, f"{PODS}:1 is not JSON"),
        ('"text"', f"{PODS}:1 holds a string, wanted is a list"),
        ('{"kind": "Pod", "metadata": {"name": "a"}}', f"{PODS}:1 is one Pod, wanted is a List"),
        ('{"items": {"a": 1}}', f"{PODS}:1 holds an object"),
        ('{"items": [null]}', f"{PODS}: item 0 is null"),
        ('[{"metadata": {"name": "a"}}, {"metadata": []}]', f"{PODS}: item 1 is an object without metadata.name"),
    ],
)
def test_a_damaged_list_is_unreadable_and_names_file_and_line(bundle, content, words):
    source = bundle({PODS: content, "cluster-resources/namespaces.json": namespaces("web")})
    for operation, query in (
        ("kube:get pods", {"namespace": "web", "name": "a"}),
        ("kube:list pods", {"namespace": "web"}),
        ("kube:list pods", {}),
    ):
        why, grant = refusal(source, operation, **query)
        assert why.startswith(words)
        assert grant.startswith("collect it again")


def test_json_with_a_byte_order_mark_or_in_utf16_is_understood(bundle):
    text = json.dumps(listed(pod("é")))
    for data in (text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32")):
        assert names(bundle({PODS: data})(read_of("kube:list pods", namespace="web"))) == ["é"]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", '"x"', '{"Reservations": null}', '{"Reservations": [1]}', '{"Error": "denied"}', "{}"],
)
def test_a_damaged_aws_answer_is_unreadable(bundle, content):
    why, _ = refusal(bundle({ALL: content}), "ec2:DescribeInstances", InstanceIds=["i-1"])
    assert why.startswith((ALL, "the recorded answer"))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"entries": {}}'])
def test_a_damaged_volume_listing_is_unreadable(bundle, content):
    source = bundle({"volumes/pv.json": content})
    assert refusal(source, "volume:entries", persistentVolume="pv")[0].startswith("volumes/pv.json:1 ")


def test_a_status_of_an_unexpected_shape_proves_nothing(bundle):
    source = bundle(
        {PODS: listed(pod("a", spec={"containers": [{"name": "main"}]}, status={"containerStatuses": [1]}))}
    )
    assert "main.log" in refusal(source, "kube:log pods", **LOG)[0]


# The bundle itself


def test_the_manifest_says_where_and_when(bundle):
    source = bundle({})
    assert (source.captured_at, source.context) == ("2026-11-21T06:30:00Z", "admin@lab")
    assert (source.kubernetes_version, source.account, source.region) == ("v1.36.2", "111122223333", "ap-northeast-2")
    assert source.manifest == MANIFEST


def test_files_are_opened_when_they_are_asked_for_and_parsed_once(bundle):
    source = bundle({PODS: listed(pod("a")), "aws/damaged.json": "{"})
    assert source.requests == 1
    for _ in range(3):
        source(read_of("kube:get pods", namespace="web", name="a"))
    assert source.requests == 2


def test_threads_share_one_parse(bundle):
    source = bundle({PODS: listed(*(pod(f"p{n}") for n in range(2000)))})
    with ThreadPoolExecutor(16) as pool:
        queries = [read_of("kube:get pods", namespace="web", name=f"p{n}") for n in range(200)]
        answers = list(pool.map(source, queries))
    assert names(answers) == [f"p{n}" for n in range(200)]
    assert source.requests == 2


TROUBLESHOOT = {
    "version.yaml": "apiVersion: troubleshoot.sh/v1beta2\n",
    "cluster-info/cluster_version.json": {"info": {"major": "1", "gitVersion": "v1.35.0"}, "string": "v1.35.0"},
    "cluster-resources/namespaces.json": namespaces("web"),
    "cluster-resources/nodes.json": {
        "kind": "NodeList",
        "apiVersion": "v1",
        "items": [
            {
                "metadata": {"name": "n1", "creationTimestamp": "2026-01-01T00:00:00Z"},
                "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": "2026-11-20T10:00:00Z"}]},
            }
        ],
    },
    "cluster-resources/events/web.json": [
        {"metadata": {"name": "e"}, "lastTimestamp": "2026-11-20T10:04:59Z", "eventTime": None, "message": "x"}
    ],
    PODS: {
        "kind": "PodList",
        "items": [
            {"metadata": {"name": "a", "deletionTimestamp": "2027-01-01T00:00:00Z"}, "status": {"startTime": "soon"}}
        ],
    },
    f"{LOGS}/main.log": "hello\n",
    "cluster-resources/pods-errors.json": ["forbidden"],
}


def test_a_plain_support_bundle_is_read_from_a_folder_and_from_an_archive(tmp_path):
    folder = write(tmp_path / "support-bundle-2026-11-20", TROUBLESHOOT)
    archive = tmp_path / "sb.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)
    for place in (folder, archive, tmp_path):
        if place == tmp_path:
            archive.unlink()
        with BundleSource(place) as source:
            assert source.manifest == {}
            assert source.kubernetes_version == "v1.35.0"
            assert source.captured_at == "2026-11-20T10:04:59Z"
            assert (source.context, source.account, source.region) == (None, None, None)
            found = source(read_of("kube:get pods", namespace="web", name="a"))
            assert (found["kind"], found["apiVersion"]) == ("Pod", "v1")
            assert source(read_of("kube:log pods", **LOG)) == "hello\n"
            assert "csidrivers.json is not in the bundle" in refusal(source, "kube:list csidrivers")[0]
            assert "not in the bundle" in refusal(source, "ec2:DescribeVpcs")[0]


def test_account_and_region_are_found_in_the_aws_answers_where_no_manifest_says_them(tmp_path):
    zones = {"AvailabilityZones": [{"ZoneName": "eu-west-1a", "RegionName": "eu-west-1"}]}
    files = {"aws/sts/get-caller-identity.json": {"Account": "1"}, "aws/ec2/describe-availability-zones.json": zones}
    source = BundleSource(write(tmp_path, files))
    assert (source.account, source.region, source.captured_at) == ("1", "eu-west-1", None)


@pytest.mark.parametrize(
    ("manifest", "reference", "words"),
    [
        ("{", "bundle-manifest-malformed", "bundle.json:1 is not JSON"),
        ("[]", "bundle-manifest-malformed", "bundle.json:1 is a list, wanted is a JSON object"),
        ({**MANIFEST, "apiVersion": "efsdiag/v9"}, "bundle-version-unknown", "EvidenceBundle of efsdiag/v9"),
        ({**MANIFEST, "kind": "Diagnosis"}, "bundle-version-unknown", "wanted is EvidenceBundle of efsdiag/v1"),
        ({}, "bundle-version-unknown", "None of None"),
        ({**MANIFEST, "capturedAt": "yesterday"}, "bundle-manifest-malformed", "capturedAt 'yesterday'"),
        ({**MANIFEST, "capturedAt": 5}, "bundle-manifest-malformed", "capturedAt 5"),
    ],
)
def test_a_manifest_of_another_kind_or_version_is_refused(bundle, manifest, reference, words):
    with pytest.raises(Unreachable) as caught:
        bundle({"bundle.json": manifest})
    assert caught.value.reference == reference
    assert words in caught.value.message
    assert caught.value.hint


def test_a_manifest_with_odd_parts_is_read_as_far_as_it_goes(bundle):
    source = bundle({"bundle.json": {"apiVersion": "efsdiag/v1", "kind": "EvidenceBundle", "cluster": [], "aws": "x"}})
    assert (source.context, source.kubernetes_version, source.region, source.captured_at) == (None, None, None, None)


@pytest.mark.parametrize(
    "reads",
    [
        "{",
        [],
        {"apiVersion": "efsdiag/v2", "kind": "RecordedReads", "reads": []},
        {"apiVersion": "efsdiag/v1", "kind": "RecordedReads"},
        {"apiVersion": "efsdiag/v1", "kind": "RecordedReads", "reads": [1]},
        {"apiVersion": "efsdiag/v1", "kind": "RecordedReads", "reads": [{"operation": "x", "outcome": "answered"}]},
        {
            "apiVersion": "efsdiag/v1",
            "kind": "RecordedReads",
            "reads": [{"operation": "x", "parameters": {"a": 1}, "outcome": "answered"}],
        },
        {
            "apiVersion": "efsdiag/v1",
            "kind": "RecordedReads",
            "reads": [{"operation": "x", "parameters": {}, "outcome": "maybe"}],
        },
    ],
)
def test_a_damaged_record_of_the_reads_is_refused_and_not_passed_over(bundle, reads):
    with pytest.raises(Unreachable) as caught:
        bundle({"reads.json": reads, PODS: listed(pod("a"))})
    assert caught.value.reference == "bundle-reads-malformed"


def test_an_archive_answers_as_its_folder_does(tmp_path):
    files = {"bundle.json": MANIFEST, PODS: listed(pod("a")), ALL: INSTANCES, f"{LOGS}/main.log": "x"}
    folder = write(tmp_path / "b", files)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, ".")
    (tmp_path / "b.tgz").write_bytes(packed.getvalue())
    queries = [
        read_of("kube:list pods", namespace="web"),
        read_of("kube:log pods", **LOG),
        read_of("ec2:DescribeInstances", InstanceIds=["i-2"]),
    ]
    with BundleSource(tmp_path / "b.tgz") as archive:
        assert [archive(query) for query in queries] == [BundleSource(folder)(query) for query in queries]
