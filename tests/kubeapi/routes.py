"""From a method and a path to what is asked: verb, resource, namespace, name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .answers import method_not_allowed, no_such_path, no_such_resource
from .resources import Discovery, Resource
from .selectors import exact_name

_ON_ONE = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_ON_ALL = {"GET": "list", "POST": "create", "DELETE": "deletecollection"}
_OF_A_NAMESPACE = ("status", "finalize")


@dataclass(frozen=True)
class Route:
    """What a request asks for. `namespace` is empty for all namespaces and for resources without one."""

    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def asked(self) -> str:
        """The resource as a record of requests names it: "pods/log"."""
        return "/".join(part for part in (self.resource.qualified, self.subresource) if part)

    def subject(self, query: Mapping[str, str]) -> tuple[str, str]:
        """Namespace and name as RBAC sees them.

        A namespace lies in itself, and a list that a field selector narrows to one name is about that name.
        """
        if self.resource.plural == "namespaces" and self.name:
            return self.name, self.name
        return self.namespace, self.name or exact_name(query.get("fieldSelector", ""))


def route(discovery: Discovery, method: str, path: str, query: Mapping[str, str]) -> Route:
    """Refuses: plain 404 for a group that is not served, 404 for an unknown resource, 405 for a method out of place."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    group_version, rest = _group_version(parts)
    if not discovery.serves(group_version) or not rest:
        raise no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_A_NAMESPACE:
        namespace, rest = rest[1], rest[2:]
    resource = discovery.resource(group_version, rest[0])
    if resource is None:
        raise no_such_resource()
    name = rest[1] if len(rest) > 1 else ""
    subresource = "/".join(rest[2:])
    _check_scope(resource, namespace, name, subresource)
    verb = _verb(method, name, subresource, query)
    return Route(verb, resource, namespace, name, subresource)


def _group_version(parts: list[str]) -> tuple[str, list[str]]:
    if parts[0] == "api" and len(parts) > 1:
        return parts[1], parts[2:]
    if parts[0] == "apis" and len(parts) > 2:
        return f"{parts[1]}/{parts[2]}", parts[3:]
    raise no_such_path()


def _check_scope(resource: Resource, namespace: str, name: str, subresource: str) -> None:
    out_of_scope = bool(namespace) and not resource.namespaced
    nowhere = bool(name) and resource.namespaced and not namespace
    if out_of_scope or nowhere or (subresource and subresource not in resource.subresources):
        raise no_such_resource()


def _verb(method: str, name: str, subresource: str, query: Mapping[str, str]) -> str:
    if method == "POST" and subresource:
        return "create"
    verb = (_ON_ONE if name else _ON_ALL).get(method)
    if verb is None:
        raise method_not_allowed()
    if verb in ("get", "list") and query.get("watch") in ("1", "true"):
        return "watch"
    return verb
