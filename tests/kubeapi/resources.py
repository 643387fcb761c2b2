"""Which resources the server has: the discovery documents recorded from a real 1.36.2 server, and custom resources."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_VERBS = ("create", "delete", "get", "list", "patch", "update")


@dataclass(frozen=True)
class Resource:
    """One resource of one API group and version: pods of v1, deployments of apps/v1."""

    group_version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: frozenset[str] = field(compare=False)
    subresources: frozenset[str] = field(compare=False)
    custom: bool = False

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.group_version.rpartition("/")[0]

    @property
    def qualified(self) -> str:
        """As error messages name it: "pods", "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """As validation errors name it: "Pod", "Deployment.apps"."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def head(self) -> bytes:
        """The first bytes of an object of this kind, up to its own fields."""
        return f'{{"kind":"{self.kind}","apiVersion":"{self.group_version}",'.encode()

    def details(self, name: str = "") -> dict[str, str]:
        """The `details` of a Status about an object of this resource."""
        found = {"name": name, "group": self.group, "kind": self.plural}
        return {key: value for key, value in found.items() if value}


USERS = Resource("v1", "users", "User", False, frozenset(), frozenset())
"""What RBAC calls those who can be impersonated; no such objects exist."""


class Discovery:
    """The documents under /api and /apis, and the resources that they declare."""

    def __init__(self, version: str) -> None:
        self._documents: dict[str, dict[str, Any]] = copy.deepcopy(_recorded())
        self._resources: dict[tuple[str, str], Resource] = {}
        self._kinds: dict[tuple[str, str], Resource] = {}
        self._custom: set[str] = set()
        number = version.lstrip("v").split(".")
        self._documents["/version"] |= {"gitVersion": version, "major": number[0], "minor": number[1]}
        for document in list(self._documents.values()):
            if document.get("kind") == "APIResourceList":
                self._declare(document)
        for group in self._documents["/apis"]["groups"]:
            self._documents[f"/apis/{group['name']}"] = {"kind": "APIGroup", "apiVersion": "v1", **group}

    def document(self, path: str) -> dict[str, Any] | None:
        """What the server answers at a discovery path; None where it is not one."""
        return self._documents.get(path.rstrip("/"))

    def serves(self, group_version: str) -> bool:
        """Whether the server has this API group in this version."""
        return _path(group_version) in self._documents

    def resource(self, group_version: str, plural: str) -> Resource | None:
        return self._resources.get((group_version, plural))

    def named(self, name: str) -> Resource:
        """The resource called "pods" or "deployments.apps"; the core group wins where a bare name is in two groups.

        Errors: LookupError where there is none.
        """
        matching = [r for r in self._resources.values() if name in (r.plural, r.qualified)]
        if not matching:
            raise LookupError(f"the server has no resource {name!r}")
        return min(matching, key=lambda r: r.group)

    def of(self, manifest: Mapping[str, Any]) -> Resource:
        """The resource of an object; a kind of a group that is no part of Kubernetes is declared as a custom resource.

        Errors: ValueError where a group of Kubernetes itself does not have the kind.
        """
        group_version, kind = manifest["apiVersion"], manifest["kind"]
        known = self._kinds.get((group_version, kind))
        if known:
            return known
        if self.serves(group_version) and group_version not in self._custom:
            raise ValueError(f"{group_version} has no kind {kind!r}")
        return self._declare_custom(group_version, kind, bool(manifest["metadata"].get("namespace")))

    def _declare(self, document: Mapping[str, Any], custom: bool = False) -> None:
        group_version = document["groupVersion"]
        names = [entry["name"] for entry in document["resources"]]
        for entry in document["resources"]:
            plural = entry["name"]
            if "/" in plural:
                continue
            subresources = frozenset(n.partition("/")[2] for n in names if n.startswith(f"{plural}/"))
            verbs = frozenset(entry["verbs"])
            found = Resource(group_version, plural, entry["kind"], entry["namespaced"], verbs, subresources, custom)
            self._resources[group_version, plural] = self._kinds[group_version, found.kind] = found

    def _declare_custom(self, group_version: str, kind: str, namespaced: bool) -> Resource:
        group, _, version = group_version.rpartition("/")
        served = {"groupVersion": group_version, "version": version}
        if f"/apis/{group}" not in self._documents:
            entry = {"name": group, "versions": [served], "preferredVersion": served}
            self._documents["/apis"]["groups"].append(entry)
            self._documents[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **entry}
        empty = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": []}
        document = self._documents.setdefault(_path(group_version), empty)
        self._custom.add(group_version)
        singular, plural = kind.lower(), _plural(kind.lower())
        declared = {"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind}
        document["resources"].append({**declared, "verbs": list(_VERBS)})
        self._declare(document, custom=True)
        return self._resources[group_version, plural]


@functools.cache
def _recorded() -> dict[str, dict[str, Any]]:
    recorded: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "discovery.json").read_text())
    return recorded


def _path(group_version: str) -> str:
    return f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"


def _plural(singular: str) -> str:
    if singular.endswith(("s", "x", "z", "ch", "sh")):
        return f"{singular}es"
    if singular.endswith("y"):
        return f"{singular[:-1]}ies"
    return f"{singular}s"
