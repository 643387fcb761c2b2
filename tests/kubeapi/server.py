"""`KubeApi`: the server as tests hold it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from .bundle import Cluster, read_cluster
from .logs import Log
from .record import Request
from .resources import Discovery
from .rules import Fault
from .service import Service
from .store import item_to_object
from .wire import Server


class KubeApi:
    """A Kubernetes API server on loopback. Use it with `with`, or call `start` and `stop`.

    `objects` are manifests (a List is taken apart) and are not to be changed afterwards: add them again instead.
    `token`: requests without this bearer token get 401; empty lets everybody in. `user` is who asks without
    impersonation, and so who 403 messages name.
    """

    def __init__(
        self,
        objects: Iterable[Mapping[str, Any]] = (),
        logs: Iterable[Log] = (),
        version: str = "v1.36.2",
        *,
        token: str = "",
        user: str = "viewer",
    ) -> None:
        self._service = Service(Discovery(version), token, user)
        self._server: Server | None = None
        for manifest in objects:
            self.add(manifest)
        for log in logs:
            self._service.logs.add(log)

    @classmethod
    def from_bundle(
        cls, path: str | Path, *, unread: Literal["forbidden", "empty"] = "forbidden", **settings: Any
    ) -> KubeApi:
        """The cluster that a bundle recorded (a folder or a .tar.gz).

        Absence is not emptiness: what nobody read is answered with 403, as a user would get it who may not read it.
        `unread="empty"` answers as if it had been read and there had been nothing.
        """
        cluster = read_cluster(Path(path))
        if cluster.version:
            settings = {"version": cluster.version, **settings}
        api = cls(cluster.objects, cluster.logs, **settings)
        if unread == "forbidden":
            api._forbid_unread(cluster)
        return api

    def __enter__(self) -> KubeApi:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._service.stopping.clear()
        self._server = Server(self._service.answer)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="kubeapi", daemon=True).start()

    def stop(self) -> None:
        """Ends the server, its connections and its delays."""
        self._service.stopping.set()
        if self._server:
            self._server.close()
            self._server = None

    @property
    def url(self) -> str:
        """Where it listens. Errors: RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of their answers. Clear it to count from here."""
        return self._service.requests

    @property
    def mutations(self) -> list[Request]:
        """The requests to write, refused ones and dry runs included; questions that are asked with POST are none."""
        return [request for request in self.requests if request.mutates]

    @property
    def secret_reads(self) -> list[Request]:
        """The requests to get, list or watch Secrets, refused ones included."""
        reading = ("get", "list", "watch")
        return [r for r in self.requests if r.resource.partition("/")[0] == "secrets" and r.verb in reading]

    def add(self, manifest: Mapping[str, Any]) -> None:
        """Keeps an object as it is (replacing one of its name); uid, resourceVersion and age are made up if missing.

        The first object of a group that is no part of Kubernetes declares its kind, as a CustomResourceDefinition does.
        Errors: ValueError where a group of Kubernetes does not have the kind, or where a namespace is missing.
        """
        if "items" in manifest:
            for item in manifest["items"]:
                self.add(item)
            return
        resource = self._service.discovery.of(manifest)
        metadata = manifest["metadata"]
        if resource.namespaced and not metadata.get("namespace"):
            raise ValueError(f"{resource.kind} {metadata.get('name')!r} is without a namespace")
        replaced = self._service.store.get(resource, metadata.get("namespace", ""), metadata["name"])
        self._service.store.put(resource, manifest, fresh=replaced is not None)

    def remove(self, resource: str, name: str, namespace: str = "") -> None:
        """Removes the object of the resource ("pods", "deployments.apps"). Errors: LookupError where there is none."""
        self._service.store.drop(self._service.discovery.named(resource), namespace, name)

    def object(self, resource: str, name: str, namespace: str = "") -> dict[str, Any] | None:
        """The object as it is kept now; None where there is none."""
        found = self._service.store.get(self._service.discovery.named(resource), namespace, name)
        return found.value if found else None

    def objects(self, resource: str, namespace: str = "") -> list[dict[str, Any]]:
        """All objects of the resource as they are kept now, in every namespace where none is given."""
        kind = self._service.discovery.named(resource)
        items = self._service.store.page(kind, namespace).items
        return [json.loads(item_to_object(kind, item)) for item in items]

    def add_log(self, namespace: str, pod: str, container: str, text: str, *, previous: bool = False) -> None:
        """Keeps what a container wrote, in its present run or in the one before."""
        self._service.logs.add(Log(namespace, pod, container, text, previous))

    def forbid(self, verb: str, resource: str, namespace: str | None = None) -> None:
        """403 for the verb ("*": any) on the resource ("pods", "pods/log", "deployments.apps", "*").

        `namespace`: None forbids it everywhere, "" at the cluster scope alone, a name in that namespace and, as RBAC
        only ever adds rights, at the cluster scope too.
        """
        self._service.access.forbid(verb, resource, namespace)

    def grant_only(self, *roles: Mapping[str, Any]) -> None:
        """The caller gets these roles, ClusterRoles and Roles as manifests, and 403 for everything else, as with RBAC.

        It may look at discovery, /version and its own rights all the same, as everybody may who is signed in.
        """
        self._service.access.grant_only(roles)

    def permit(self) -> None:
        """Allows everything that was forbidden, as what a bundle does not hold is."""
        self._service.access.permit()

    def fail(
        self,
        match: str,
        *,
        status: int = 0,
        times: int | None = 1,
        headers: Mapping[str, str] | None = None,
        reset: bool = False,
        delay_s: float = 0,
        message: str = "",
    ) -> None:
        """Misbehaves `times` times (None: for ever) for the requests whose unquoted "METHOD path?query" `match` finds.

        `status` is answered as the real server words it (429 with Retry-After, 410 with a new token); `reset` ends the
        connection without an answer; `delay_s` comes before either, or before the right answer where it stands alone.
        """
        self._service.faults.add(Fault(re.compile(match), status, times, headers or {}, reset, delay_s, message))

    def compact(self) -> None:
        """Expires every continue token handed out so far, as etcd's compaction does after five minutes."""
        self._service.compacted = self._service.store.revision
        self._service.store.revision += 1

    def kubeconfig(self, folder: Path, *, token: str | None = None, namespace: str = "default") -> Path:
        """Writes a kubeconfig for this server (JSON, which is YAML) and returns its path.

        `token` is for a wrong one.
        """
        service = self._service
        bearer = service.token if token is None else token
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "kubeapi", "cluster": {"server": self.url}}],
            "users": [{"name": service.user, "user": {"token": bearer} if bearer else {}}],
            "contexts": [
                {"name": "kubeapi", "context": {"cluster": "kubeapi", "user": service.user, "namespace": namespace}}
            ],
            "current-context": "kubeapi",
        }
        path = Path(folder) / "kubeconfig"
        path.write_text(json.dumps(config, indent=1))
        path.chmod(0o600)
        return path

    def _forbid_unread(self, cluster: Cluster) -> None:
        service = self._service
        for api_version, kind, namespace in cluster.unread():
            resource = service.discovery.of({"apiVersion": api_version, "kind": kind})
            for verb in ("get", "list"):
                service.access.forbid(verb, resource.qualified, namespace, cluster_too=namespace is None)
        service.logs.complete = False
