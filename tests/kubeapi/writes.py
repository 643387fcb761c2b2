"""The writing verbs: create, update, patch (JSON, merge, strategic, apply), delete; with dryRun=All nothing is kept.

Apply merges without keeping track of who owns a field: it finds no conflicts and removes no field that is left out.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .answers import (
    Answer,
    Refusal,
    already_exists,
    bad_request,
    conflict,
    invalid,
    json_answer,
    method_not_allowed,
    not_found,
    refusal,
    unsupported_body,
    unsupported_patch_type,
)
from .patches import json_patch, merge_patch, strategic_merge
from .protobuf import object_of
from .resources import Resource
from .routes import Route
from .rules import Access
from .store import Store, Stored
from .validation import check_change, check_name

APPLY = "application/apply-patch+yaml"
"""What it patches need not be there: then it is created, which takes the right to do that."""
_STRATEGIC = "application/strategic-merge-patch+json"
_FIXED_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "name", "namespace")
_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
_PENDING = frozenset(("Pod", "PersistentVolumeClaim", "PersistentVolume"))


@dataclass(frozen=True)
class Write:
    """A request to write: where to, how, and what."""

    route: Route
    query: Mapping[str, str]
    content_type: str
    body: Any

    @property
    def dry(self) -> bool:
        """Of a delete that has options in its body, these say it, and the query is not looked at."""
        if self.route.verb == "delete" and isinstance(self.body, dict):
            return self.body.get("dryRun") == ["All"]
        return self.query.get("dryRun") == "All"


def parsed(body: bytes) -> Any:
    """The body as JSON; None where there is none. Clients send their YAML for apply as JSON, too.

    A Secret is known in protobuf too, since helm sends those of its releases in it. Refuses with 415 what else is not
    JSON, such as the protobuf of kubectl's own questions ("auth can-i").
    """
    try:
        return (object_of(body) or json.loads(body)) if body else None
    except (ValueError, IndexError):
        raise unsupported_body() from None


def write(store: Store, access: Access, asked: Write) -> Answer:
    """Does what is asked, or refuses in the real server's words."""
    route = asked.route
    if route.resource.plural == "selfsubjectaccessreviews":
        return _access_review(access, asked)
    if route.subresource not in ("", "status") or "get" not in route.resource.verbs:
        raise method_not_allowed()
    with store.lock:
        if route.verb == "create":
            return json_answer(_create(store, asked, _object(asked.body)), 201)
        if route.verb == "delete":
            return _delete(store, asked)
        if route.verb in ("update", "patch"):
            return _change(store, asked)
    raise method_not_allowed()


def _create(store: Store, asked: Write, manifest: dict[str, Any]) -> dict[str, Any]:
    resource, namespace = asked.route.resource, asked.route.namespace
    metadata = dict(manifest.get("metadata") or {})
    if resource.namespaced:
        if metadata.setdefault("namespace", namespace) != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if not store.has_namespace(namespace):
            details = {"name": namespace, "kind": "namespaces"}
            raise refusal(404, "NotFound", f'namespaces "{namespace}" not found', details)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
    if not metadata.get("name"):
        why = "Required value: name or generateName is required"
        raise invalid(resource, "", [("metadata.name", "FieldValueRequired", why)])
    check_name(resource, metadata["name"])
    if store.get(resource, namespace, metadata["name"]):
        raise already_exists(resource, metadata["name"])
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": _now()}
    if "spec" in manifest and (resource.group or resource.kind == "Pod"):
        metadata["generation"] = 1
    new = {**manifest, "metadata": metadata}
    if "status" in resource.subresources:
        new["status"] = {"phase": "Pending"} if resource.kind in _PENDING else {}
    return _kept(store, asked, new)


def _change(store: Store, asked: Write) -> Answer:
    route = asked.route
    found = store.get(route.resource, route.namespace, route.name)
    if found is None and asked.content_type == APPLY:
        return json_answer(_create(store, asked, _applied(asked)), 201)
    if found is None:
        raise not_found(route.resource, route.name)
    old = found.value
    new = _object(asked.body) if route.verb == "update" else _patched(asked, old)
    if (new.get("metadata") or {}).get("name", route.name) != route.name:
        named = new["metadata"]["name"]
        raise bad_request(f"the name of the object ({named}) does not match the name on the URL ({route.name})")
    new = _completed(route, old, new)
    check_change(route.resource, old, new)
    if new == old:
        return json_answer(old)
    if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
        if not asked.dry:
            store.drop(route.resource, route.namespace, route.name)
        return json_answer(new)
    return json_answer(_kept(store, asked, new))


def _patched(asked: Write, old: dict[str, Any]) -> dict[str, Any]:
    kind, custom = asked.content_type, asked.route.resource.custom
    if kind == "application/json-patch+json":
        return _object(json_patch(old, asked.body))
    if kind == "application/merge-patch+json":
        return _object(merge_patch(old, asked.body))
    if kind == _STRATEGIC and not custom:
        return _object(strategic_merge(old, asked.body))
    if kind == APPLY:
        return _object((merge_patch if custom else strategic_merge)(old, _applied(asked)))
    raise unsupported_patch_type()


def _applied(asked: Write) -> dict[str, Any]:
    """The manifest of an apply patch, under the name in the path."""
    if not asked.query.get("fieldManager"):
        message = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        raise refusal(422, "Invalid", message, {"group": "meta.k8s.io", "kind": "PatchOptions"})
    manifest = _object(asked.body)
    return {**manifest, "metadata": {"name": asked.route.name, **(manifest.get("metadata") or {})}}


def _completed(route: Route, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The new object with what a client cannot change, or cannot change by this path."""
    sent = new.get("metadata") or {}
    was = old["metadata"]
    if sent.get("resourceVersion", was["resourceVersion"]) != was["resourceVersion"]:
        raise conflict(route.resource, route.name, _MODIFIED)
    if sent.get("uid", was["uid"]) != was["uid"]:
        why = f"Precondition failed: UID in precondition: {sent['uid']}, UID in object meta: {was['uid']}"
        raise conflict(route.resource, route.name, why)
    metadata = {**sent, **{key: was[key] for key in _FIXED_METADATA if key in was}}
    metadata["resourceVersion"] = was["resourceVersion"]
    new = {**new, "kind": old["kind"], "apiVersion": old["apiVersion"], "metadata": metadata}
    if route.subresource == "status":
        return _with(old, "status", new.get("status"))
    if "status" in route.resource.subresources:
        new = _with(new, "status", old.get("status"))
    if "generation" in was:
        metadata["generation"] = was["generation"] + (new.get("spec") != old.get("spec"))
    return new


def _delete(store: Store, asked: Write) -> Answer:
    route = asked.route
    found = store.get(route.resource, route.namespace, route.name)
    if found is None:
        raise not_found(route.resource, route.name)
    metadata = found.value["metadata"]
    _check_preconditions(route.resource, route.name, found, asked.body)
    if metadata.get("finalizers"):
        leaving = {**metadata, "deletionTimestamp": metadata.get("deletionTimestamp") or _now()}
        return json_answer(_kept(store, asked, {**found.value, "metadata": leaving}))
    if not asked.dry:
        store.drop(route.resource, route.namespace, route.name)
    details = {**route.resource.details(route.name), "uid": metadata["uid"]}
    return json_answer({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details})


def _check_preconditions(resource: Resource, name: str, found: Stored, options: Any) -> None:
    wanted = (options or {}).get("preconditions") or {}
    metadata = found.value["metadata"]
    then = {"uid": ("UID", "deleted and then recreated"), "resourceVersion": ("ResourceVersion", "modified")}
    for key, (called, happened) in then.items():
        if wanted.get(key, metadata[key]) != metadata[key]:
            why = f"the {called} in the precondition ({wanted[key]}) does not match the {called} in record "
            raise conflict(resource, name, f"{why}({metadata[key]}). The object might have been {happened}")


def _access_review(access: Access, asked: Write) -> Answer:
    """Answers `kubectl auth can-i` from what is forbidden."""
    body = _object(asked.body)
    attributes = (body.get("spec") or {}).get("resourceAttributes") or {}
    group, version = attributes.get("group", ""), attributes.get("version") or "v1"
    name = f"{group}/{version}" if group else version
    nothing: frozenset[str] = frozenset()
    resource = Resource(name, attributes.get("resource", "*"), "", True, nothing, nothing)
    where = attributes.get("subresource", ""), attributes.get("namespace", "")
    allowed = access.allows(attributes.get("verb", "*"), resource, *where)
    return json_answer({**body, "status": {"allowed": allowed}}, 201)


def _kept(store: Store, asked: Write, new: dict[str, Any]) -> dict[str, Any]:
    if asked.dry:
        return {"kind": asked.route.resource.kind, "apiVersion": asked.route.resource.group_version, **new}
    return store.put(asked.route.resource, new).value


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _not_an_object()
    return body


def _not_an_object() -> Refusal:
    return bad_request("the object provided is unrecognized (must be of type object)")


def _with(value: dict[str, Any], key: str, part: Any) -> dict[str, Any]:
    rest = {k: v for k, v in value.items() if k != key}
    return rest if part is None else {**rest, key: part}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
