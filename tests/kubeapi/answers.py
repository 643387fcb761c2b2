"""What the server says: answers and refusals.

Recorded from a real 1.36 server: 401, 403, 404, 409 of a create and an update, 415 of a patch, 422 of a name and of a
volume's source. The other wordings follow the server's source and were not compared with a running one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .resources import Resource

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_TROUBLE = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    410: ("Expired", EXPIRED),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; `body` is sent as it is."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Refusal(Exception):
    """Ends a request with the answer that it carries."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode(errors="replace"))
        self.answer = answer


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Made once: `json.dumps` makes a new encoder for each call that names its separators."""


def encoded(value: object) -> bytes:
    """Compact JSON, as the server sends it."""
    return _encode(value).encode()


def json_answer(value: object, status: int = 200) -> Answer:
    return Answer(status, encoded(value))


def text_answer(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), "text/plain; charset=utf-8")


def refusal(
    status: int,
    reason: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Refusal:
    """A `Status` object of failure. The 1.36 server leaves `metadata` out where it is empty."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        **({"metadata": metadata} if metadata else {}),
        "status": "Failure",
        "message": message,
        "reason": reason,
        **({"details": details} if details is not None else {}),
        "code": status,
    }
    return Refusal(Answer(status, encoded(body), headers=tuple((headers or {}).items())))


def bad_request(message: str) -> Refusal:
    return refusal(400, "BadRequest", message)


def unauthorized() -> Refusal:
    return refusal(401, "Unauthorized", "Unauthorized")


def forbidden(resource: Resource, subresource: str, user: str, verb: str, namespace: str, name: str) -> Refusal:
    """403 in the words of RBAC; `namespace` is empty at the cluster scope, `name` where the request names no object."""
    asked = "/".join(part for part in (resource.plural, subresource) if part)
    scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    why = f'User "{user}" cannot {verb} resource "{asked}" in API group "{resource.group}" {scope}'
    return refusal(403, "Forbidden", f"{subject} is forbidden: {why}", resource.details(name))


def not_found(resource: Resource, name: str) -> Refusal:
    return refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', resource.details(name))


def no_such_resource() -> Refusal:
    """404 for a resource or subresource that a known API group does not have."""
    return refusal(404, "NotFound", "the server could not find the requested resource", {})


def no_such_path() -> Refusal:
    """404 for an API group, a version or any other path that nobody serves: plain text, not a Status."""
    return Refusal(text_answer("404 page not found\n", 404))


def method_not_allowed() -> Refusal:
    message = "the server does not allow this method on the requested resource"
    return refusal(405, "MethodNotAllowed", message, {})


def already_exists(resource: Resource, name: str) -> Refusal:
    message = f'{resource.qualified} "{name}" already exists'
    return refusal(409, "AlreadyExists", message, resource.details(name))


def conflict(resource: Resource, name: str, why: str) -> Refusal:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return refusal(409, "Conflict", message, resource.details(name))


def invalid(resource: Resource, name: str, errors: Sequence[tuple[str, str, str]]) -> Refusal:
    """422 for (field, reason of the cause, message); several messages stand in brackets."""
    messages = [f"{field}: {message}" for field, _, message in errors]
    joined = messages[0] if len(messages) == 1 else f"[{', '.join(messages)}]"
    causes = [{"reason": reason, "message": message, "field": field} for field, reason, message in errors]
    details = {**resource.details(name), "kind": resource.kind, "causes": causes}
    return refusal(422, "Invalid", f'{resource.qualified_kind} "{name}" is invalid: {joined}', details)


def unsupported_patch_type() -> Refusal:
    return refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def unsupported_body() -> Refusal:
    """415 as a real server words it for resources that it decodes from JSON alone."""
    message = "the body of the request was in an unknown format - accepted media types include: application/json"
    return refusal(415, "UnsupportedMediaType", message, {})


def expired(token: str) -> Refusal:
    """410 for a continue token from before a compaction; `token` continues with what is there now."""
    return refusal(410, "Expired", EXPIRED, metadata={"continue": token})


def trouble(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Refusal:
    """What the server says when it is not well. Its overload filter sends 429 as plain text, with Retry-After."""
    if status == 429:
        text = message or "Too many requests, please try again later."
        wait = {"Retry-After": "1", **(headers or {})}
        return Refusal(Answer(429, f"{text}\n".encode(), "text/plain; charset=utf-8", tuple(wait.items())))
    reason, words = _TROUBLE.get(status, ("", f"an error on the server has prevented the request ({status})"))
    return refusal(status, reason, message or words, headers=headers)
