"""The live Kubernetes source: raw HTTP GETs with the official client's kubeconfig, sign-in and TLS.

No typed models: they drop fields that the client does not know, and one odd object loses the whole list. The official
package itself is used in `kube_http.py` alone, and imported when a `KubeSource` is made.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS, Read, resource_of
from efsdiag.world.errors import Unreachable
from efsdiag.world.kube_http import Cluster, json_of, message_of
from efsdiag.world.retry import PASSING, Reply, insist

PAGE = 500

# What the kubelet says with 400 where a container has no log (kubelet_pods.go, validateContainerLogStatus), and where
# the pod has no such container. Other 400s mean that the question was wrong.
_NO_LOG = re.compile(
    r"previous terminated container .* not found|is waiting to start|is not available"
    r"|container .* is terminated|container \S+ is not valid for pod"
)
# The kubelet answers 200 with these sentences in the place of a log file that was rotated away or collected.
_LOG_GONE = re.compile(rb"(unable to retrieve container logs for \S+|failed to try resolving symlinks in path .*)\s*")
_ANONYMOUS = 'User "system:anonymous"'


class KubeSource:
    """Answers the `kube:` queries of operations.READS from a live cluster; may be shared by threads.

    kube:get   an object, or None where it (or its API group) does not exist.
    kube:list  a list of objects, all pages merged (with a limit, the first page), each with apiVersion and kind; None
               where the API does not exist. With atMost, Unreadable where there are more.
    kube:log   text, or None where the container has no log (yet, or any more).
    managedFields are left out.

    Errors: on construction Unreachable (no kubeconfig, unknown context, sign-in plug-in failed); on a query Unreadable.
    """

    def __init__(
        self,
        kubeconfig: str | None = None,
        context: str | None = None,
        impersonate: str | None = None,
        groups: tuple[str, ...] = (),
        request_timeout_s: float = 30.0,
        attempts: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`kubeconfig` is a path or a colon list; KUBECONFIG, ~/.kube/config and the pod's own account come after."""
        self._cluster = Cluster(kubeconfig, context, impersonate, groups, request_timeout_s)
        self._attempts = attempts
        self._sleep = sleep
        self._answered = False
        self._trouble: Unreachable | None = None
        self.context = self._cluster.context
        """Name of the kubeconfig's context, or "in-cluster"."""
        self.namespace = self._cluster.namespace
        """The context's namespace, "default" where it names none."""
        self.server = self._cluster.host
        """URL of the API server."""

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, pages and repeated ones included."""
        return self._cluster.requests

    @property
    def trouble(self) -> Unreachable | None:
        """Why nothing could be asked: set where questions failed and none was ever answered."""
        return None if self._answered else self._trouble

    @property
    def unauthenticated(self) -> bool:
        """True where the cluster does not know who is asking, and never answered."""
        return self.trouble is not None and self.trouble.reference == "cluster-unauthenticated"

    def version(self) -> str:
        """The API server's version ("v1.36.2"); "" where it keeps that to itself. Errors: Unreachable."""
        try:
            reply = self._get(None, "/version", {})
        except Unreadable:
            reply = Reply(0)
        if self.trouble is not None:
            raise self.trouble
        parsed = json_of(reply) if reply.status == 200 else None
        return str(parsed.get("gitVersion", "")) if isinstance(parsed, dict) else ""

    def __call__(self, query: Query) -> Answer:
        read = READS.get(query.operation)
        verb = query.operation.partition(" ")[0]
        answer = {"kube:get": self._object, "kube:list": self._list, "kube:log": self._log}.get(verb)
        if read is None or answer is None:
            raise ValueError(f"operation-not-a-read: {query.operation!r} is not a Kubernetes read")
        return answer(query, read)

    def pages(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        """The answer to a kube:list page by page, of which one is in memory at a time; nothing where there is no API.

        Where the server's copy of the list is gone before its last page, the list goes on as it is then, or begins
        anew: an object may come twice. Errors: Unreadable, also between two pages.
        """
        read = READS[query.operation]
        path = _path(query, read) or ""
        selectors = {name: query.get(name) for name in ("fieldSelector", "labelSelector") if query.get(name)}
        token, expired = "", False
        while True:
            page = {"limit": str(PAGE), **({"continue": token} if token else {})}
            reply = self._get(query, path, {**selectors, **page})
            if reply.status == 404:
                self._absent(query, read, reply)
                return
            if reply.status == 410 and token and not expired:
                token, expired = _renewed(reply), True
                continue
            body = self._parsed(query, read, reply)
            expired = expired and not token  # to have begun anew is no page further
            yield _items(body)
            token = (body.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def _object(self, query: Query, read: Read) -> Answer:
        path = _path(query, read)
        if path is None:
            return None
        reply = self._get(query, path, {})
        if reply.status == 404:
            return self._absent(query, read, reply)
        return _tidy(self._parsed(query, read, reply))

    def _list(self, query: Query, read: Read) -> Answer:
        path = _path(query, read)
        selectors = {name: query.get(name) for name in ("fieldSelector", "labelSelector") if query.get(name)}
        first, most = query.get("limit"), int(query.get("atMost") or 0)
        size = str(min(PAGE, most) if most else PAGE)
        page = {"limit": first or size}
        items: list[dict[str, Any]] = []
        while path is not None:
            reply = self._get(query, path, {**selectors, **page})
            if reply.status == 404:
                return self._absent(query, read, reply)
            if reply.status == 410 and "continue" in page:
                # The list grew older than etcd's compaction while we paged; one whole answer cannot.
                items, page = [], {}
                continue
            body = self._parsed(query, read, reply)
            items += _items(body)
            token = (body.get("metadata") or {}).get("continue")
            if most and (len(items) > most or (token and len(items) == most)):
                raise _too_many(query, most)
            if not token or first:
                return items
            page = {"limit": size, "continue": token}
        return None

    def _log(self, query: Query, read: Read) -> Answer:
        path = _path(query, read)
        if path is None:
            return None
        wanted = {name: query.get(name) for name in ("container", "previous", "tailLines") if query.get(name)}
        # 500 is the API server's word for a kubelet that it cannot reach, after half a minute of trying itself.
        reply = self._get(query, f"{path}/log", wanted, PASSING - {500})
        if reply.status == 404:
            return self._absent(query, read, reply)
        if reply.status == 204 or (reply.status == 200 and not reply.body):
            return ""
        if reply.status == 400 and _NO_LOG.search(message_of(reply)):
            return None
        if reply.status != 200:
            raise self._refusal(query, read, reply)
        return None if _LOG_GONE.fullmatch(reply.body) else reply.body.decode("utf-8", "replace")

    def _get(
        self, query: Query | None, path: str, parameters: Mapping[str, str], passing: frozenset[int] = PASSING
    ) -> Reply:
        """The last reply to GET `path`; keeps account of whether the cluster answers this caller at all."""
        url = f"{path}?{urlencode(parameters)}" if parameters else path
        try:
            reply = insist(lambda: self._cluster.get(url), self._sleep, self._attempts, passing)
        except Unreachable as error:
            self._trouble = error
            raise Unreadable(query, error.message, error.hint) from error
        if reply.status == 401 or (reply.status == 403 and _ANONYMOUS in message_of(reply)):
            why = f"the cluster of context {self.context} does not accept the credentials ({message_of(reply)})"
            hint = f"sign in again: the token or certificate of context {self.context} is missing, expired or revoked"
            self._trouble = Unreachable("cluster-unauthenticated", why, hint)
            raise Unreadable(query, why, hint)
        if reply.status not in passing:
            self._answered = True
        else:
            why = f"the API server {self.server} answered {reply.status}: {message_of(reply)}"
            self._trouble = Unreachable("cluster-unavailable", why, "try again when the API server is well")
        return reply

    def _absent(self, query: Query, read: Read, reply: Reply) -> None:
        # Every API server knows v1: a bare 404 there comes from something else at that address. It is not "no pods".
        if read.group == "v1" and not _is_status(reply):
            why = f"{self.server} answered 404 without a Kubernetes Status to {query.operation}: it is no API server"
            raise Unreadable(query, why, f"set the server of context {self.context} to the API server's address")

    def _parsed(self, query: Query, read: Read, reply: Reply) -> dict[str, Any]:
        if reply.status != 200:
            raise self._refusal(query, read, reply)
        parsed = json_of(reply)
        if not isinstance(parsed, dict):
            raise Unreadable(
                query, f"{self.server} answered {query.operation} with something that is not a JSON object"
            )
        return parsed

    def _refusal(self, query: Query, read: Read, reply: Reply) -> Unreadable:
        message = message_of(reply)
        if reply.status == 403:
            grant = _grant(query, read)
            if "cannot impersonate" in message:
                grant = "impersonate the user and the groups that were named for the request"
            return Unreadable(query, f"the cluster refuses it: {message}", grant)
        if reply.status == 429:
            why = f"the API server throttled {query.operation} {self._attempts} times (429 {message})"
            return Unreadable(query, why, "try again when the API server is less busy")
        if reply.status >= 500:
            return Unreadable(query, f"the API server answered {reply.status} to {query.operation}: {message}")
        return Unreadable(query, f"the API server did not accept {query.operation}: {reply.status} {message}")


def _path(query: Query, read: Read) -> str | None:
    """The API path that `query` reads; None where no object can have the name.

    Names are quoted, and "." and ".." refused, so that a name cannot lead to another resource.
    """
    namespace, name = query.get("namespace"), query.get("name")
    listing = query.operation.startswith("kube:list ")
    if read.namespaced and not namespace and not listing:
        raise ValueError(f"query-without-namespace: {query} needs a namespace")
    if namespace in (".", "..") or name in (".", "..") or not (name or listing):
        return None
    root = "/api/v1" if read.group == "v1" else f"/apis/{read.group}"
    scope = f"/namespaces/{quote(namespace, safe='')}" if read.namespaced and namespace else ""
    tail = "" if listing else f"/{quote(name, safe='')}"
    return f"{root}{scope}/{resource_of(query)}{tail}"


def _too_many(query: Query, most: int) -> Unreadable:
    where = f"namespace {query.get('namespace')}" if query.get("namespace") else "the cluster"
    why = f"{where} has more than {most} {resource_of(query)}"
    return Unreadable(query, why, "a capture of the namespace (-n), or of the cluster (-A)")


def _items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of a List, each with the apiVersion and kind that the server leaves out in lists."""
    kind = {"apiVersion": body.get("apiVersion", ""), "kind": str(body.get("kind", "")).removesuffix("List")}
    return [_tidy({**kind, **item}) for item in body.get("items") or []]


def _renewed(reply: Reply) -> str:
    """The token that a 410 hands out to go on with the list as it is now; "" to begin anew."""
    parsed = json_of(reply)
    metadata = parsed.get("metadata") if isinstance(parsed, dict) else None
    return str((metadata or {}).get("continue") or "")


def _tidy(item: dict[str, Any]) -> dict[str, Any]:
    """The object without managedFields, which are bookkeeping and often half of its size."""
    (item.get("metadata") or {}).pop("managedFields", None)
    return item


def _grant(query: Query, read: Read) -> str:
    if not read.namespaced:
        return f"{read.permission} (cluster-wide)"
    namespace = query.get("namespace")
    return f"{read.permission} in namespace {namespace}" if namespace else f"{read.permission} in all namespaces"


def _is_status(reply: Reply) -> bool:
    parsed = json_of(reply)
    return isinstance(parsed, dict) and parsed.get("kind") == "Status"
