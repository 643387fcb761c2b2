"""Answers the kube: queries from the List files and logs of a bundle. Absence is not emptiness: a file that is not
there was never read, and what it would have held is unreadable, not empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS, read_of, resource_of
from efsdiag.world.bundle_documents import Documents, Malformed, kind_of
from efsdiag.world.bundle_layout import NAMESPACES, RESOURCES, kube_file, kube_folder, kubectl, log_file, log_folder
from efsdiag.world.selectors import field_selector, label_selector

Item: TypeAlias = dict[str, Any]
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_CRDS = "cluster-resources/custom-resource-definitions.json"


class KubeFiles:
    """What the files under cluster-resources/ say. `recorded` where reads.json says which of their lists are whole."""

    def __init__(self, documents: Documents, recorded: bool) -> None:
        self._documents = documents
        self._recorded = recorded

    def __call__(self, query: Query) -> Answer:
        """An object, a list of objects or a log; None where it does not exist.

        Errors: Unreadable where the bundle does not hold what would decide it; ValueError for an incomplete query.
        """
        verb = query.operation.partition(" ")[0]
        if READS[query.operation].namespaced and verb != "kube:list" and not query.get("namespace"):
            raise ValueError(f"query-without-namespace: {query} needs a namespace")
        if verb != "kube:list" and not query.get("name"):
            return None
        try:
            return self._log(query) if verb == "kube:log" else self._objects(query)
        except Malformed as fault:
            raise Unreadable(query, str(fault), f"collect it again, e.g. {kubectl(query)}") from fault

    def _objects(self, query: Query) -> Answer:
        resource, namespace = resource_of(query), query.get("namespace")
        if self._no_such_kind(resource):
            return None
        if READS[query.operation].namespaced and not namespace:
            return narrowed(query, self._everywhere(query))
        name = kube_file(resource, namespace)
        items, whole = self._items(query, name, namespace)
        answer = narrowed(query, items)
        if not whole and (answer is None or isinstance(answer, list)):
            raise Unreadable(query, f"{name} holds only a part of the list", _collect(name, query))
        return answer

    def _everywhere(self, query: Query) -> list[Item]:
        """The objects of all namespaces, in the order of a server's keys."""
        resource = resource_of(query)
        names = [unquote(base.removesuffix(".json")) for base in self._documents.within(kube_folder(resource))]
        if not self._recorded:
            expected = [item["metadata"]["name"] for item in self._namespaces(query)]
            for namespace in expected:
                name = kube_file(resource, namespace)
                if name not in self._documents:
                    raise Unreadable(query, f"{name} is not in the bundle", _collect(name, query, namespace))
        found: list[Item] = []
        for namespace in sorted(names, key="{}/".format):
            name = kube_file(resource, namespace)
            items, whole = self._items(query, name, namespace)
            if not whole:
                raise Unreadable(query, f"{name} holds only a part of the list", _collect(name, query, namespace))
            found += items
        return found

    def _namespaces(self, query: Query) -> list[Item]:
        if NAMESPACES not in self._documents:
            why = f"{NAMESPACES} is not in the bundle, so it does not say whether every namespace was read"
            raise Unreadable(query, why, _collect(NAMESPACES, read_of("kube:list namespaces")))
        items, whole = self._items(query, NAMESPACES, "")
        if not whole:
            why = f"{NAMESPACES} holds only a part of the list"
            raise Unreadable(query, why, _collect(NAMESPACES, read_of("kube:list namespaces")))
        return items

    def _items(self, query: Query, name: str, namespace: str) -> tuple[list[Item], bool]:
        """The objects in a List file, and whether they are all that there were. Raises Unreadable, Malformed."""
        if name not in self._documents:
            raise Unreadable(query, f"{name} is not in the bundle{self._unlisted(namespace)}", _collect(name, query))
        document = self._documents.json(name)
        items = list_of(document, name)
        of_namespace = [i for i in items if (i["metadata"].get("namespace") or namespace) == namespace]
        if self._recorded:
            return of_namespace, True
        meta = document.get("metadata") if isinstance(document, dict) else None
        whole = not (isinstance(meta, dict) and meta.get("continue"))
        return [_with_kind(item, resource_of(query)) for item in of_namespace], whole

    def _unlisted(self, namespace: str) -> str:
        """Half a sentence, where the list of namespaces can be read and does not hold this one."""
        if not namespace or NAMESPACES not in self._documents:
            return ""
        try:
            listed = [i["metadata"]["name"] for i in list_of(self._documents.json(NAMESPACES), NAMESPACES)]
        except Malformed:
            return ""
        return "" if namespace in listed else f", and {NAMESPACES} has no {namespace}"

    def _no_such_kind(self, resource: str) -> bool:
        """True where the bundle lists the cluster's custom resources, and this one is not among them."""
        kind = RESOURCES[resource][0].removeprefix("custom-resources/")
        if kind == RESOURCES[resource][0] or _CRDS not in self._documents:
            return False
        return all(i["metadata"].get("name") != kind for i in list_of(self._documents.json(_CRDS), _CRDS))

    def _log(self, query: Query) -> str | None:
        namespace, pod = query.get("namespace"), query.get("name")
        previous = query.get("previous").lower() == "true"
        container = query.get("container") or self._only_container(query)
        name = log_file(namespace, pod, container, previous)
        if name in self._documents:
            return tail(query, self._documents.text(name))
        if self._never_had_a_log(namespace, pod, container, previous):
            return None
        flag = " --previous" if previous else ""
        command = f"kubectl logs {pod} -n {namespace} -c {container}{flag}"
        raise Unreadable(query, f"{name} is not in the bundle", f"collect {name}, e.g. {command}")

    def _only_container(self, query: Query) -> str:
        folder = log_folder(query.get("namespace"), query.get("name"))
        names = {base.removesuffix(".log").removesuffix("-previous") for base in self._documents.within(folder, ".log")}
        if len(names) != 1:
            raise Unreadable(query, f"{folder} has logs of {len(names)} containers, wanted is one, or its name")
        return unquote(names.pop())

    def _never_had_a_log(self, namespace: str, name: str, container: str, previous: bool) -> bool:
        """True where the pod's status in the bundle proves that the container has not written what is asked for."""
        try:
            pod = self._objects(read_of("kube:get pods", namespace=namespace, name=name))
        except (Unreadable, Malformed):
            return False
        return pod is None or never_had_a_log(pod, container, previous)


def namespaces_in(documents: Documents) -> tuple[str, ...]:
    """The namespaces of which there is a List of pods, sorted."""
    return tuple(sorted(unquote(base.removesuffix(".json")) for base in documents.within(kube_folder("pods"))))


def narrowed(query: Query, items: Sequence[Item]) -> Answer:
    """What `query` selects from a wider list: one object or None for kube:get, a list for kube:list.

    Errors: Unreadable where a selector cannot be understood.
    """
    namespace = query.get("namespace")
    items = [i for i in items if not namespace or (i["metadata"].get("namespace") or namespace) == namespace]
    if query.operation.startswith("kube:get "):
        return next((item for item in items if item["metadata"].get("name") == query.get("name")), None)
    try:
        fields = field_selector(query.get("fieldSelector"))
        labels = label_selector(query.get("labelSelector"))
    except ValueError as fault:
        raise Unreadable(query, str(fault)) from fault
    selected = [item for item in items if fields(item) and labels(item)]
    limit = query.get("limit")
    return selected[: int(limit)] if limit.isdecimal() else selected


def tail(query: Query, text: str) -> str:
    """The last `tailLines` lines of a log; all of it where the query does not say. Errors: Unreadable."""
    wanted = query.get("tailLines")
    if not wanted:
        return text
    if not wanted.isdecimal():
        raise Unreadable(query, f"tailLines is {wanted!r}, wanted is a number")
    *ended, last = text.split("\n")
    lines = [f"{line}\n" for line in ended] + ([last] if last else [])
    return "".join(lines[max(0, len(lines) - int(wanted)) :])


def never_had_a_log(pod: Mapping[str, Any], container: str, previous: bool) -> bool:
    """True where the pod's status proves that the container never started, or has no instance before this one."""
    try:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        if container not in [c["name"] for c in _of_all_kinds(spec, _CONTAINERS)]:
            return True
        now = next((s for s in _of_all_kinds(status, _STATUSES) if s["name"] == container), None)
        if now is None:
            return status.get("phase") == "Pending"
        first = not now.get("restartCount") and not (now.get("lastState") or {}).get("terminated")
        state = now.get("state") or {}
        started = "running" in state or "terminated" in state
        return first and (previous or not started)
    except (AttributeError, KeyError, TypeError):
        return False


def _of_all_kinds(part: Mapping[str, Any], fields: Iterable[str]) -> list[Mapping[str, Any]]:
    return [entry for field in fields for entry in part.get(field) or []]


def list_of(document: Any, name: str) -> list[Item]:
    """The objects of a List or of a bare array; null is Go's empty list. Raises Malformed."""
    items = document
    if isinstance(document, dict):
        if "items" not in document:
            raise Malformed(f"{name}:1 is one {document.get('kind') or 'object'}, wanted is a List with items")
        items = document["items"]
    if items is None:
        return []
    if not isinstance(items, list):
        raise Malformed(f"{name}:1 holds {kind_of(items)}, wanted is a list of objects")
    for at, item in enumerate(items):
        meta = item.get("metadata") if isinstance(item, dict) else None
        if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
            raise Malformed(
                f"{name}: item {at} is {kind_of(item)} without metadata.name, wanted is a Kubernetes object"
            )
    return items


def _with_kind(item: Item, resource: str) -> Item:
    """The object with the apiVersion and kind that the API leaves out of lists."""
    if "kind" in item:
        return item
    return {"apiVersion": READS[f"kube:get {resource}"].group, "kind": RESOURCES[resource][1], **item}


def _collect(name: str, query: Query, namespace: str = "") -> str:
    return f"collect {name}, e.g. {kubectl(query, namespace)}"
