"""The reading verbs: get, list with selectors and pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import NamedTuple

from .answers import Answer, bad_request, encoded, expired, not_found
from .resources import Resource
from .routes import Route
from .selectors import exact_name, field_selector, label_selector
from .store import Page, Store, item_to_object

_LATEST = -1
"""The resourceVersion in a token that continues with what is there now: what a 410 hands out."""


class _Token(NamedTuple):
    revision: int
    after: str


def get(store: Store, route: Route) -> Answer:
    found = store.get(route.resource, route.namespace, route.name)
    if found is None:
        raise not_found(route.resource, route.name)
    return Answer(200, item_to_object(route.resource, found.item))


def list_(store: Store, route: Route, query: Mapping[str, str], compacted: int) -> Answer:
    """One page of a list. Tokens from before revision `compacted` are expired: 410, with a token that still works.

    Later pages show the objects as they are then; the real server shows them as they were at the first page.
    """
    resource = route.resource
    labels = label_selector(query.get("labelSelector", ""))
    fields = field_selector(resource, query.get("fieldSelector", ""))
    limit = _limit(query.get("limit", ""))
    token = _Token(store.revision, "")
    if query.get("continue"):
        if query.get("resourceVersion", "0") != "0":
            raise bad_request("specifying resource version is not allowed when using continue")
        token = _decoded(resource, route.namespace, query["continue"])
        if token.revision != _LATEST and token.revision <= compacted:
            raise expired(renewed(query["continue"]))
        if token.revision == _LATEST:
            token = token._replace(revision=store.revision)
    selectors = [selector for selector in (labels, fields) if selector]
    matches = (lambda value: all(selector(value) for selector in selectors)) if selectors else None
    name = exact_name(query.get("fieldSelector", ""))
    page = store.page(resource, route.namespace, token.after, limit, matches, name)
    return Answer(200, _list_body(route, page, token.revision))


def renewed(token: str) -> str:
    """The token that a 410 hands out for an expired one: the same place, in the objects as they are now."""
    try:
        content = json.loads(_unbase64(token))
        return _base64({**content, "rv": _LATEST})
    except (ValueError, TypeError):
        return ""


def _list_body(route: Route, page: Page, revision: int) -> bytes:
    resource = route.resource
    metadata: dict[str, object] = {"resourceVersion": str(revision)}
    if page.more:
        # The token begins where the next page does: behind the last key, and relative to the namespace asked for.
        start = page.last.partition("/")[2] if route.namespace else page.last
        metadata["continue"] = _base64({"v": "meta.k8s.io/v1", "rv": revision, "start": f"/{start}\0"})
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    head = {"kind": f"{resource.kind}List", "apiVersion": resource.group_version, "metadata": metadata}
    return encoded(head)[:-1] + b',"items":[' + b",".join(page.items) + b"]}"


def _limit(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _decoded(resource: Resource, namespace: str, text: str) -> _Token:
    try:
        data = _unbase64(text)
    except binascii.Error:
        raise _bad_token("illegal base64 data") from None
    try:
        content = json.loads(data)
        revision, start = int(content["rv"]), str(content["start"])
    except (ValueError, TypeError, KeyError):
        first = data.decode("latin-1")[:1]
        raise _bad_token(f"invalid character '{first}' looking for beginning of value") from None
    after = start.removeprefix("/").removesuffix("\0")
    return _Token(revision, f"{namespace}/{after}" if namespace and resource.namespaced else after)


def _bad_token(why: str) -> Exception:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


def _base64(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def _unbase64(text: str) -> bytes:
    padding = "=" * (-len(text) % 4)
    return base64.b64decode(text + padding, altchars=b"-_", validate=True)
