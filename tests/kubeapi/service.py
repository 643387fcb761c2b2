"""One request after another: misbehave if asked to, let in, route, permit, answer, record."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from . import reads, writes
from .answers import (
    Answer,
    Refusal,
    expired,
    forbidden,
    json_answer,
    method_not_allowed,
    not_found,
    text_answer,
    trouble,
    unauthorized,
)
from .logs import Logs
from .record import WATCHERS, Request
from .resources import USERS, Discovery
from .routes import Route, route
from .rules import Access, Fault, Faults
from .store import Store

_HEALTH = frozenset(("/healthz", "/livez", "/readyz"))
_NO_SCHEMAS = Answer(200, b"", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf")
"""An OpenAPI document without a schema, in protobuf: a client that checks what it sends against it checks nothing."""


@dataclass(frozen=True)
class _Ask:
    """A request as it came in; the names of headers are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Service:
    """The server behind HTTP. Answers come from several threads at once."""

    def __init__(self, discovery: Discovery, token: str, user: str) -> None:
        self.discovery, self.token, self.user = discovery, token, user
        self.store, self.logs = Store(), Logs()
        self.access, self.faults = Access(), Faults()
        self.compacted = 0
        """Continue tokens of this revision and before are expired."""
        self.requests: list[Request] = []
        self.stopping = threading.Event()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        """The answer to one request, which is recorded before it is sent; None resets the connection."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        ask = _Ask(method, parts.path, query, {name.lower(): value for name, value in headers.items()}, body)
        fault = self.faults.take(f"{method} {unquote_plus(target)}")
        if fault and fault.delay_s:
            self.stopping.wait(fault.delay_s)
        found = None if fault and fault.reset else self._answered(ask, fault)
        self.requests.append(self._record(ask, found))
        for watch in WATCHERS:
            watch(self.requests[-1])
        return found

    def _answered(self, ask: _Ask, fault: Fault | None) -> Answer:
        try:
            if fault and fault.status:
                raise _misbehaviour(fault, ask.query)
            return self._permitted(ask)
        except Refusal as refused:
            return refused.answer

    def _permitted(self, ask: _Ask) -> Answer:
        user = self._user(ask)
        document = self.discovery.document(ask.path) if ask.method == "GET" else None
        if document:
            return json_answer(document)
        if ask.path in _HEALTH:
            return text_answer("ok")
        if (ask.method, ask.path) == ("GET", "/openapi/v2"):
            return _NO_SCHEMAS
        found = route(self.discovery, ask.method, ask.path, ask.query)
        namespace, name = found.subject(ask.query)
        self.access.check(user, found.verb, found.resource, found.subresource, namespace, name)
        return self._routed(found, ask, user)

    def _routed(self, found: Route, ask: _Ask, user: str) -> Answer:
        if found.verb not in found.resource.verbs and not found.subresource:
            raise method_not_allowed()
        if found.verb == "get" and found.subresource == "log":
            return self._log(found, ask.query, user)
        if found.verb == "get" and found.subresource in ("", "status"):
            return reads.get(self.store, found)
        if found.verb == "list":
            return reads.list_(self.store, found, ask.query, self.compacted)
        if found.verb in ("get", "watch"):
            raise method_not_allowed()
        content_type = ask.headers.get("content-type", "").partition(";")[0]
        if content_type == writes.APPLY and not self.store.get(found.resource, found.namespace, found.name):
            self.access.check(user, "create", found.resource, found.subresource, found.namespace, found.name)
        asked = writes.Write(found, ask.query, content_type, writes.parsed(ask.body))
        return writes.write(self.store, self.access, asked)

    def _log(self, found: Route, query: Mapping[str, str], user: str) -> Answer:
        pod = self.store.get(found.resource, found.namespace, found.name)
        if pod is None:
            raise not_found(found.resource, found.name)
        answer = self.logs.answer(pod.value, query)
        if answer is None:
            raise forbidden(found.resource, "log", user, "get", found.namespace, found.name)
        return answer

    def _user(self, ask: _Ask) -> str:
        """Who asks. Refuses with 401 without the token, with 403 who may not impersonate."""
        if self.token and ask.headers.get("authorization") != f"Bearer {self.token}":
            raise unauthorized()
        other = ask.headers.get("impersonate-user")
        if other:
            self.access.check(self.user, "impersonate", USERS, "", "", other)
        return other or self.user

    def _record(self, ask: _Ask, answer: Answer | None) -> Request:
        who = {k: v for k, v in ask.headers.items() if k == "user-agent" or k.startswith("impersonate-")}
        user, found = "", None
        with contextlib.suppress(Refusal):
            user = self._user(ask)
        with contextlib.suppress(Refusal):
            found = route(self.discovery, ask.method, ask.path, ask.query)
        return Request(
            method=ask.method,
            path=ask.path,
            query=ask.query,
            status=answer.status if answer else 0,
            user=user,
            headers=who,
            bytes=len(answer.body) if answer else 0,
            verb=found.verb if found else "",
            resource=found.asked if found else "",
            namespace=found.namespace if found else "",
            name=found.name if found else "",
            body=_json(ask.body),
        )


def _misbehaviour(fault: Fault, query: Mapping[str, str]) -> Refusal:
    if fault.status == 410 and not fault.message and query.get("continue"):
        return expired(reads.renewed(query["continue"]))
    return trouble(fault.status, fault.message, fault.headers)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode(errors="replace")
