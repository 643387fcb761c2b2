"""The live Kubernetes source against a small HTTP server that answers what each test tells it to."""

import inspect
import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from efsdiag.model import Query, Unreadable
from efsdiag.operations import READS, read_of
from efsdiag.world.errors import Unreachable
from efsdiag.world.kube import KubeSource
from efsdiag.world.retry import LONGEST_WAIT_S, Reply, insist, wait_s

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
GET_POD = read_of("kube:get pods", namespace="shop", name="web")
NOT_FOUND = "404 page not found\n"


def status(code, message):
    """An API server's Status, with its HTTP code."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return code, {}, json.dumps(body)


class Api:
    """Answers each path with the replies it was given, in order and the last one for ever; keeps the requests."""

    def __init__(self, tls=None):
        self.replies = {}
        self.requests = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet; else each request waits 40 ms for an acknowledgement

            def do_GET(self):
                api.requests.append((self.path, self.headers))
                replies = api.replies.get(urlsplit(self.path).path, [status(404, "not found")])
                reply = replies.pop(0) if len(replies) > 1 else replies[0]
                if reply == "cut":
                    self.close_connection = True
                elif reply == "hang":
                    api.released.wait(10)
                    self.close_connection = True
                else:
                    self._answer(*reply)

            def _answer(self, code, headers, body):
                content = body if isinstance(body, bytes) else body.encode()
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                if code != 204 and "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.released = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def says(self, path, *replies):
        self.replies[path] = [(200, {}, json.dumps(r)) if isinstance(r, dict) else r for r in replies]

    def paths(self):
        return [path for path, _ in self.requests]

    def queries(self):
        return [{k: v[0] for k, v in parse_qs(urlsplit(path).query).items()} for path in self.paths()]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def api():
    api = Api()
    yield api
    api.close()


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch, tmp_path):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def kubeconfig(path, server, context="prod", user=None, current=True, namespace=None, **cluster):
    """Writes a kubeconfig with one context; returns its path."""
    settings = {"cluster": context, "user": context, **({"namespace": namespace} if namespace else {})}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": {"server": server, **cluster}}],
        "users": [{"name": context, "user": user if user is not None else {"token": "t0ken"}}],
        "contexts": [{"name": context, "context": settings}],
        **({"current-context": context} if current else {}),
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture
def waits():
    return []


@pytest.fixture
def source(api, tmp_path, waits):
    return KubeSource(kubeconfig(tmp_path / "config", api.url), request_timeout_s=5, sleep=waits.append)


def pods(*names, kind="PodList", **metadata):
    return {"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": [{"metadata": {"name": n}} for n in names]}


# --- objects and lists -------------------------------------------------------------------------------------------


def test_an_object_is_its_json_without_managed_fields(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", {**POD, "metadata": {**POD["metadata"], "managedFields": [{}]}})
    assert source(GET_POD) == POD
    assert source.requests == 1


@pytest.mark.parametrize(
    ("query", "path"),
    [
        (read_of("kube:get nodes", name="ip-10-0-1-4.ec2.internal"), "/api/v1/nodes/ip-10-0-1-4.ec2.internal"),
        (read_of("kube:get deployments", namespace="a", name="b"), "/apis/apps/v1/namespaces/a/deployments/b"),
        (read_of("kube:get csidrivers", name="efs.csi.aws.com"), "/apis/storage.k8s.io/v1/csidrivers/efs.csi.aws.com"),
        (read_of("kube:get pods", namespace="a/../b", name="c d"), "/api/v1/namespaces/a%2F..%2Fb/pods/c%20d"),
    ],
)
def test_the_path_of_an_object_follows_its_group_and_scope(api, source, query, path):
    assert source(query) is None
    assert api.paths() == [path]


def test_every_kubernetes_read_asks_the_server_for_exactly_its_resource(api, source):
    for name, read in READS.items():
        if not name.startswith("kube:"):
            continue
        verb, resource = read.permission.split()
        source(read_of(name, **{p: "x" for p in read.parameters if p in ("namespace", "name")}))
        root = "/api/v1" if read.group == "v1" else f"/apis/{read.group}"
        scope = "/namespaces/x" if read.namespaced else ""
        target, _, sub = resource.partition("/")
        tail = {"get": "/x", "list": ""}[verb] + (f"/{sub}" if sub else "")
        assert urlsplit(api.paths()[-1]).path == f"{root}{scope}/{target}{tail}"


@pytest.mark.parametrize("name", [".", "..", ""])
def test_a_name_that_no_object_can_have_is_not_asked_for(api, source, name):
    assert source(read_of("kube:get pods", namespace="shop", name=name)) is None
    assert api.requests == []


def test_an_object_of_a_namespace_needs_the_namespace(source):
    with pytest.raises(ValueError, match="query-without-namespace"):
        source(read_of("kube:get pods", name="web"))


@pytest.mark.parametrize("operation", ["kube:get secrets", "kube:exec pods", "efs:DescribeMountTargets"])
def test_what_is_not_a_kubernetes_read_is_refused(api, source, operation):
    with pytest.raises(ValueError, match="operation-not-a-read"):
        source(Query(operation, (("name", "x"), ("namespace", "y"))))
    assert api.requests == []


def test_a_list_is_the_items_of_all_pages_with_kind_and_api_version(api, source):
    api.says("/api/v1/namespaces/shop/pods", pods("a", "b", **{"continue": "t1"}), pods("c"))
    items = source(read_of("kube:list pods", namespace="shop", fieldSelector="spec.nodeName=n1", labelSelector="app=x"))
    assert [(i["apiVersion"], i["kind"], i["metadata"]["name"]) for i in items] == [
        ("v1", "Pod", "a"),
        ("v1", "Pod", "b"),
        ("v1", "Pod", "c"),
    ]
    selectors = {"fieldSelector": "spec.nodeName=n1", "labelSelector": "app=x", "limit": "500"}
    assert api.queries() == [selectors, {**selectors, "continue": "t1"}]


def test_managed_fields_are_dropped_from_lists(api, source):
    body = pods("a")
    body["items"][0]["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    api.says("/api/v1/pods", body)
    assert source(read_of("kube:list pods")) == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]


def test_an_empty_list_is_empty_and_not_absent(api, source):
    api.says("/api/v1/pods", {**pods(), "items": None})
    assert source(read_of("kube:list pods")) == []


def test_a_list_that_expires_between_pages_is_read_again_whole(api, source):
    gone = status(410, "The provided continue parameter is too old")
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), gone, pods("a", "b"))
    assert [i["metadata"]["name"] for i in source(read_of("kube:list pods"))] == ["a", "b"]
    assert api.queries() == [{"limit": "500"}, {"limit": "500", "continue": "t1"}, {}]


def test_a_list_that_expires_for_ever_is_unreadable(api, source):
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), status(410, "too old"))
    with pytest.raises(Unreadable, match="410 too old"):
        source(read_of("kube:list pods"))
    assert source.requests == 3


def names_of(pages):
    return [[item["metadata"]["name"] for item in page] for page in pages]


def test_pages_come_one_by_one_as_they_are_taken(api, source):
    api.says("/api/v1/pods", pods("a", "b", **{"continue": "t1"}), pods("c", **{"continue": "t2"}), pods("d"))
    pages = source.pages(read_of("kube:list pods", labelSelector="app=x"))
    assert names_of([next(pages)]) == [["a", "b"]]
    assert source.requests == 1
    assert names_of(pages) == [["c"], ["d"]]
    assert [q.get("continue") for q in api.queries()] == [None, "t1", "t2"]
    assert {(q["limit"], q["labelSelector"]) for q in api.queries()} == {("500", "app=x")}


def expired(token=""):
    code, headers, body = status(410, "The provided continue parameter is too old")
    return code, headers, json.dumps({**json.loads(body), "metadata": {"continue": token} if token else {}})


def test_pages_go_on_with_the_token_that_an_expired_list_hands_out(api, source):
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), expired("t2"), pods("b"))
    assert names_of(source.pages(read_of("kube:list pods"))) == [["a"], ["b"]]
    assert [q.get("continue") for q in api.queries()] == [None, "t1", "t2"]


def test_pages_begin_anew_where_an_expired_list_hands_out_no_token(api, source):
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), expired(), pods("a", **{"continue": "t2"}), pods("b"))
    assert names_of(source.pages(read_of("kube:list pods"))) == [["a"], ["a"], ["b"]]


@pytest.mark.parametrize("token", ["", "t2"])
def test_pages_of_a_list_that_expires_for_ever_are_unreadable(api, source, token):
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), expired(token), expired(token))
    with pytest.raises(Unreadable, match="410"):
        list(source.pages(read_of("kube:list pods")))


def test_pages_of_what_the_cluster_does_not_have_are_none_and_of_what_it_refuses_unreadable(api, source):
    api.says("/apis/monitoring.coreos.com/v1/prometheuses", (404, {}, NOT_FOUND))
    api.says("/api/v1/pods", pods("a", **{"continue": "t1"}), status(403, "pods is forbidden"))
    assert list(source.pages(read_of("kube:list prometheuses"))) == []
    pages = source.pages(read_of("kube:list pods"))
    assert names_of([next(pages)]) == [["a"]]
    with pytest.raises(Unreadable, match="forbidden"):
        next(pages)


@pytest.mark.parametrize(
    "reply", [(404, {}, NOT_FOUND), status(404, "the server could not find the requested resource")]
)
def test_a_resource_that_the_cluster_does_not_have_is_absent(api, source, reply):
    api.says("/apis/monitoring.coreos.com/v1/prometheuses", reply)
    assert source(read_of("kube:list prometheuses")) is None


def test_a_server_that_does_not_know_pods_is_no_api_server(api, source):
    api.says("/api/v1/pods", (404, {}, NOT_FOUND))
    with pytest.raises(Unreadable, match="it is no API server") as caught:
        source(read_of("kube:list pods"))
    assert caught.value.grant == "set the server of context prod to the API server's address"


# --- logs --------------------------------------------------------------------------------------------------------

LOG = "/api/v1/namespaces/shop/pods/web/log"


def log(**parameters):
    return read_of("kube:log pods", namespace="shop", name="web", container="app", **parameters)


def test_a_log_is_its_text(api, source):
    api.says(LOG, (200, {}, "level=info\n\xff".encode("latin-1")))
    assert source(log(previous="true", tailLines="50")) == "level=info\n�"
    assert api.queries() == [{"container": "app", "previous": "true", "tailLines": "50"}]


@pytest.mark.parametrize("reply", [(204, {}, ""), (200, {}, "")])
def test_a_log_without_lines_is_empty_and_not_absent(api, source, reply):
    api.says(LOG, reply)
    assert source(log()) == ""


@pytest.mark.parametrize(
    "message",
    [
        'previous terminated container "app" in pod "web" not found',
        'container "app" in pod "web" is waiting to start: ContainerCreating',
        'container "app" in pod "web" is waiting to start: trying and failing to pull image',
        'container "app" in pod "web" is not available',
        "container app is not valid for pod web",
    ],
)
def test_a_container_without_a_log_has_none(api, source, message):
    api.says(LOG, status(400, message))
    assert source(log()) is None


def test_a_log_file_that_the_node_has_deleted_is_absent(api, source):
    api.says(LOG, (200, {}, "unable to retrieve container logs for containerd://0a1b"))
    assert source(log()) is None


def test_the_log_of_a_pod_that_is_gone_is_absent(api, source):
    api.says(LOG, status(404, 'pods "web" not found'))
    assert source(log()) is None


def test_a_log_without_a_container_name_where_there_are_two_is_unreadable(api, source):
    api.says(LOG, status(400, "a container name must be specified for pod web, choose one of: [app sidecar]"))
    with pytest.raises(Unreadable, match="choose one of"):
        source(read_of("kube:log pods", namespace="shop", name="web"))


def test_a_kubelet_that_cannot_be_reached_is_asked_once(api, source, waits):
    api.says(LOG, status(500, 'Get "https://10.0.1.4:10250/containerLogs/shop/web/app": dial tcp: i/o timeout'))
    with pytest.raises(Unreadable, match="dial tcp: i/o timeout"):
        source(log())
    assert (source.requests, waits) == (1, [])


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "grant"),
    [
        (GET_POD, "get pods in namespace shop"),
        (read_of("kube:list pods"), "list pods in all namespaces"),
        (read_of("kube:list nodes"), "list nodes (cluster-wide)"),
        (log(), "get pods/log in namespace shop"),
    ],
)
def test_a_forbidden_read_names_the_permission_that_is_missing(api, source, query, grant):
    for path in ("/api/v1/namespaces/shop/pods/web", "/api/v1/pods", "/api/v1/nodes", LOG):
        api.says(path, status(403, 'pods is forbidden: User "viewer" cannot do that'))
    with pytest.raises(Unreadable) as caught:
        source(query)
    assert caught.value.query == query
    assert caught.value.why == 'the cluster refuses it: pods is forbidden: User "viewer" cannot do that'
    assert caught.value.grant == grant
    assert source.trouble is None


@pytest.mark.parametrize(
    "reply",
    [
        status(401, "Unauthorized"),
        status(403, 'pods is forbidden: User "system:anonymous" cannot list resource "pods"'),
    ],
)
def test_credentials_that_the_cluster_does_not_accept_mean_unauthenticated(api, source, reply):
    api.says("/api/v1/namespaces/shop/pods/web", reply)
    with pytest.raises(Unreadable, match="does not accept the credentials") as caught:
        source(GET_POD)
    assert "sign in again" in caught.value.grant
    assert source.unauthenticated
    assert source.trouble.reference == "cluster-unauthenticated"


def test_one_answer_shows_that_someone_is_signed_in(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", status(401, "Unauthorized"), POD)
    with pytest.raises(Unreadable):
        source(GET_POD)
    assert source(GET_POD) == POD
    assert not source.unauthenticated


def test_a_selector_that_the_server_does_not_know_is_unreadable(api, source):
    api.says("/api/v1/pods", status(400, "field label not supported: spec.foo"))
    with pytest.raises(Unreadable, match=r"did not accept kube:list pods: 400 field label not supported: spec\.foo"):
        source(read_of("kube:list pods", fieldSelector="spec.foo=1"))


# --- a server that is busy, ill or away --------------------------------------------------------------------------


def test_a_busy_server_is_asked_again_when_it_says(api, source, waits):
    busy = status(429, "too many requests")
    api.says("/api/v1/namespaces/shop/pods/web", (busy[0], {"Retry-After": "3"}, busy[2]), busy, POD)
    assert source(GET_POD) == POD
    assert waits == [3.0, 0.5]


def test_a_server_that_stays_busy_is_unreadable(api, source, waits):
    api.says("/api/v1/namespaces/shop/pods/web", (429, {"Retry-After": "3600"}, "slow down"))
    with pytest.raises(Unreadable, match=r"throttled kube:get pods 4 times \(429 slow down\)"):
        source(GET_POD)
    assert waits == [LONGEST_WAIT_S] * 3


@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_server_error_is_asked_again_and_then_unreadable(api, source, waits, code):
    api.says("/api/v1/namespaces/shop/pods/web", status(code, "etcdserver: request timed out"))
    with pytest.raises(Unreadable, match=f"answered {code} to kube:get pods: etcdserver: request timed out"):
        source(GET_POD)
    assert (source.requests, waits) == (4, [0.25, 0.5, 1.0])
    assert source.trouble.reference == "cluster-unavailable"


def test_a_server_error_that_passes_is_not_seen(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", status(503, "starting"), POD)
    assert source(GET_POD) == POD


def test_a_connection_that_is_cut_is_tried_once_more(api, source, waits):
    api.says("/api/v1/namespaces/shop/pods/web", "cut", POD)
    assert source(GET_POD) == POD
    assert (source.requests, waits) == (2, [])


def test_a_connection_that_is_always_cut_is_unreadable(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", "cut")
    with pytest.raises(Unreadable, match="cut the connection twice"):
        source(GET_POD)
    assert source.requests == 2


def test_an_answer_that_stops_half_way_is_unreadable(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", (200, {"Content-Length": "999", "Connection": "close"}, "{"))
    with pytest.raises(Unreadable, match="cut the connection twice"):
        source(GET_POD)


def test_a_server_that_does_not_answer_in_time_is_unreadable(api, tmp_path):
    source = KubeSource(kubeconfig(tmp_path / "config", api.url), request_timeout_s=0.3)
    api.says("/api/v1/namespaces/shop/pods/web", "hang")
    with pytest.raises(Unreadable, match=rf"{api.url} did not answer within 0\.3 s"):
        source(GET_POD)
    assert source.requests == 1


def test_a_server_that_is_not_there_is_unreadable_and_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    source = KubeSource(kubeconfig(tmp_path / "config", f"http://127.0.0.1:{port}"))
    with pytest.raises(Unreadable, match=f"cannot connect to http://127.0.0.1:{port}: .*refused") as caught:
        source(GET_POD)
    assert "Connection(" not in caught.value.why
    assert "VPN" in caught.value.grant
    assert source.trouble.reference == "cluster-unreachable"
    assert not source.unauthenticated
    with pytest.raises(Unreachable):
        source.version()


@pytest.mark.parametrize("body", ["<html>sign in</html>", "[]", '{"kind": "Pod"', b"\xff\xfe"])
def test_an_answer_that_is_no_json_object_is_unreadable(api, source, body):
    api.says("/api/v1/namespaces/shop/pods/web", (200, {}, body))
    with pytest.raises(Unreadable, match="not a JSON object"):
        source(GET_POD)


def test_a_redirect_to_a_sign_in_page_is_not_followed(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", (302, {"Location": "/login"}, ""))
    with pytest.raises(Unreadable, match="302"):
        source(GET_POD)
    assert api.paths() == ["/api/v1/namespaces/shop/pods/web"]


@pytest.mark.parametrize(
    ("asked", "attempt", "wait"),
    [("", 0, 0.25), ("", 3, 2.0), ("", 20, LONGEST_WAIT_S), ("0", 0, 0.0), ("7", 0, 7.0), ("Fri, 01 Jan 2027", 1, 0.5)],
)
def test_the_wait_is_what_the_server_asks_for_or_doubles(asked, attempt, wait):
    assert wait_s(Reply(429, headers={"retry-after": asked}), attempt) == wait


def test_one_attempt_means_one():
    waits = []
    assert insist(lambda: Reply(503), waits.append, attempts=1) == Reply(503)
    assert waits == []


# --- who asks ----------------------------------------------------------------------------------------------------


def test_requests_carry_the_token_and_the_name_of_the_tool(api, source):
    source(GET_POD)
    headers = api.requests[0][1]
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["User-Agent"].startswith("efsdiag/")
    assert "Impersonate-User" not in headers


def test_impersonation_names_the_user_and_every_group(api, tmp_path):
    path = kubeconfig(tmp_path / "config", api.url)
    source = KubeSource(path, impersonate="jane", groups=("dev", "ops"))
    api.says("/api/v1/namespaces/shop/pods/web", status(403, 'users "jane" is forbidden: cannot impersonate resource'))
    with pytest.raises(Unreadable) as caught:
        source(GET_POD)
    headers = api.requests[0][1]
    assert (headers["Impersonate-User"], headers.get_all("Impersonate-Group")) == ("jane", ["dev", "ops"])
    assert caught.value.grant.startswith("impersonate")


def plugin(tmp_path, text):
    script = tmp_path / "plugin"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}
    }


def test_a_sign_in_plug_in_gives_the_token(api, tmp_path):
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "fresh"},
    }
    user = plugin(tmp_path, f"echo '{json.dumps(credential)}'")
    KubeSource(kubeconfig(tmp_path / "config", api.url, user=user))(GET_POD)
    assert api.requests[0][1]["Authorization"] == "Bearer fresh"


def test_a_sign_in_plug_in_that_fails_is_quoted_and_nothing_is_asked_as_nobody(api, tmp_path, capfd):
    user = plugin(tmp_path, "echo 'Token has expired and refresh failed' >&2; exit 255")
    with pytest.raises(Unreachable, match=r"plug-in of context prod failed: .*Token has expired") as caught:
        KubeSource(kubeconfig(tmp_path / "config", api.url, user=user))
    assert caught.value.reference == "kubeconfig-sign-in-failed"
    assert api.requests == []
    assert capfd.readouterr().err == ""


def test_eight_threads_share_one_source(api, source):
    api.says("/api/v1/namespaces/shop/pods/web", POD)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(source(GET_POD))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [POD] * 8
    assert source.requests == 8


def test_the_version_is_that_of_the_server(api, source):
    api.says("/version", {"major": "1", "gitVersion": "v1.36.2"})
    assert source.version() == "v1.36.2"
    assert api.paths() == ["/version"]


def test_a_version_that_is_kept_secret_is_empty(api, source):
    api.says("/version", status(403, 'forbidden: User "viewer" cannot get path "/version"'))
    assert source.version() == ""


def test_the_version_of_a_cluster_that_refuses_the_credentials_says_so(api, source):
    api.says("/version", status(401, "Unauthorized"))
    with pytest.raises(Unreachable, match="does not accept the credentials") as caught:
        source.version()
    assert caught.value.reference == "cluster-unauthenticated"


def test_the_version_of_a_cluster_that_is_ill_says_so(api, source):
    api.says("/version", status(503, "starting"))
    with pytest.raises(Unreachable, match="answered 503: starting"):
        source.version()


# --- kubeconfig --------------------------------------------------------------------------------------------------


def test_context_and_namespace_are_those_of_the_kubeconfig(api, tmp_path):
    source = KubeSource(kubeconfig(tmp_path / "config", api.url, namespace="shop"))
    assert (source.context, source.namespace, source.server) == ("prod", "shop", api.url)
    assert KubeSource(kubeconfig(tmp_path / "other", api.url)).namespace == "default"


def test_a_list_of_kubeconfigs_is_merged_and_the_first_current_context_counts(api, tmp_path, monkeypatch):
    first = kubeconfig(tmp_path / "a", api.url, context="prod")
    second = kubeconfig(tmp_path / "b", "http://127.0.0.1:1", context="test", namespace="two")
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'missing'}:{first}:{second}")
    assert KubeSource().context == "prod"
    assert KubeSource(context="test").namespace == "two"
    assert KubeSource(kubeconfig=f"{second}:{first}").context == "test"


def test_a_context_that_is_not_there_is_named_with_those_that_are(api, tmp_path):
    path = kubeconfig(tmp_path / "config", api.url)
    with pytest.raises(Unreachable) as caught:
        KubeSource(path, context="prdo")
    assert caught.value.reference == "context-unknown"
    assert caught.value.message == f"kubeconfig {path} has no context prdo; it has prod"
    assert "--context" in caught.value.hint


def test_a_kubeconfig_without_a_current_context_says_so(api, tmp_path):
    with pytest.raises(Unreachable, match="has no current context; it has prod"):
        KubeSource(kubeconfig(tmp_path / "config", api.url, current=False))


@pytest.mark.parametrize("text", ["", "{", "just text", "[1, 2]", "contexts: 7", "clusters: [{}]"])
def test_a_broken_kubeconfig_is_unreachable_and_named(tmp_path, text):
    (tmp_path / "config").write_text(text)
    with pytest.raises(Unreachable) as caught:
        KubeSource(str(tmp_path / "config"))
    assert caught.value.reference in ("kubeconfig-invalid", "context-not-set")
    assert str(tmp_path / "config") in caught.value.message


def test_a_context_whose_cluster_is_missing_is_invalid(api, tmp_path):
    path = kubeconfig(tmp_path / "config", api.url)
    config = yaml.safe_load((tmp_path / "config").read_text())
    (tmp_path / "config").write_text(yaml.safe_dump({**config, "clusters": []}))
    with pytest.raises(Unreachable, match=r"cannot be used: .*name prod"):
        KubeSource(path)


def test_without_any_kubeconfig_the_hint_says_how_to_name_one():
    with pytest.raises(Unreachable, match=r"no kubeconfig at ~/\.kube/config") as caught:
        KubeSource()
    assert caught.value.reference == "kubeconfig-not-found"
    assert "--kubeconfig" in caught.value.hint


def test_a_server_on_loopback_is_not_asked_through_the_proxy(api, tmp_path, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    api.says("/api/v1/namespaces/shop/pods/web", POD)
    assert KubeSource(kubeconfig(tmp_path / "config", api.url))(GET_POD) == POD


def test_a_proxy_that_the_kubeconfig_names_is_used(api, tmp_path):
    path = kubeconfig(tmp_path / "config", api.url, **{"proxy-url": "http://127.0.0.1:1"})
    with pytest.raises(Unreadable, match=r"cannot connect to the proxy on the way to .* Connection refused$"):
        KubeSource(path)(GET_POD)


# --- TLS and the pod's own account -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Path of a self-signed certificate for 127.0.0.1, its key in the same file."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "tls.pem"
    path.write_bytes(pem)
    return path


@pytest.fixture
def secure_api(certificate):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    api = Api(tls)
    yield api
    api.close()


def test_a_certificate_is_checked_against_the_authority_of_the_kubeconfig(secure_api, certificate, tmp_path):
    secure_api.says("/api/v1/namespaces/shop/pods/web", POD)
    trusted = {"certificate-authority": str(certificate)}
    assert KubeSource(kubeconfig(tmp_path / "config", secure_api.url, **trusted))(GET_POD) == POD


def test_a_certificate_of_an_unknown_authority_is_unreadable(secure_api, tmp_path):
    source = KubeSource(kubeconfig(tmp_path / "config", secure_api.url))
    with pytest.raises(
        Unreadable, match=r"TLS with https://127\.0\.0\.1:\d+ failed: .*certificate verify failed"
    ) as caught:
        source(GET_POD)
    assert "certificate-authority" in caught.value.grant
    assert source.trouble.reference == "cluster-not-trusted"
    assert secure_api.requests == []


@pytest.fixture
def account(tmp_path, monkeypatch, certificate, secure_api):
    """The files and variables that a pod of namespace "tools" finds."""
    from kubernetes.config import incluster_config

    (tmp_path / "token").write_text("pod-token")
    (tmp_path / "namespace").write_text("tools\n")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(certificate))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(secure_api.port))
    return secure_api


def test_in_a_pod_its_own_account_is_used(account):
    account.says("/api/v1/namespaces/shop/pods/web", POD)
    source = KubeSource()
    assert (source.context, source.namespace) == ("in-cluster", "tools")
    assert source(GET_POD) == POD
    assert account.requests[0][1]["Authorization"].lower() == "bearer pod-token"


def test_a_kubeconfig_comes_before_the_pods_account(account, api, tmp_path):
    assert KubeSource(kubeconfig(tmp_path / "config", api.url)).context == "prod"


def test_a_pods_account_without_the_address_of_the_cluster_is_incomplete(account, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(Unreachable, match="service account cannot be used") as caught:
        KubeSource()
    assert caught.value.reference == "in-cluster-incomplete"


def test_the_official_client_still_takes_the_calls_that_we_make():
    from kubernetes import client
    from kubernetes.config import kube_config

    call = inspect.signature(client.ApiClient.call_api).parameters
    assert list(call)[1:4] == ["method", "url", "header_params"]
    assert "_request_timeout" in call
    auth = list(inspect.signature(client.ApiClient.update_params_for_auth).parameters)
    assert auth[1:7] == ["headers", "queries", "auth_settings", "resource_path", "method", "body"]
    loader = inspect.signature(kube_config.KubeConfigLoader).parameters
    assert {"config_dict", "active_context", "config_base_path", "config_persister"} <= loader.keys()
