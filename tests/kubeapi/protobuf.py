"""The protobuf in which client-go sends a Secret and its deletion, as the JSON that it stands for, and no other kind.

Source: k8s.io/apimachinery v0.36.2 pkg/runtime/generated.proto (Unknown) and pkg/apis/meta/v1/generated.proto
        (ObjectMeta); k8s.io/api v0.36.2 core/v1/generated.proto (Secret)
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

MAGIC = b"k8s\0"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def object_of(body: bytes) -> dict[str, Any] | None:
    """The Secret, or the empty DeleteOptions, that the body holds; None where it holds something else.

    Errors: ValueError, IndexError for a body that is cut off.
    """
    if not body.startswith(MAGIC):
        return None
    unknown = dict(_fields(body[len(MAGIC) :]))
    kind = dict(_fields(unknown.get(1, b""))).get(2)
    raw = unknown.get(2, b"")
    if kind == b"DeleteOptions" and not raw:
        return {"kind": "DeleteOptions", "apiVersion": "v1"}
    return _secret(raw) if kind == b"Secret" else None


def _secret(raw: bytes) -> dict[str, Any]:
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {}}
    for number, value in _fields(raw):
        if number == 1:
            made["metadata"] = _metadata(value)
        elif number == 2:
            key, held = _entry(value)
            made["data"][key] = base64.b64encode(held).decode()
        elif number == 3:
            made["type"] = value.decode()
    return made


_TEXTS = {1: "name", 2: "generateName", 3: "namespace", 5: "uid", 6: "resourceVersion"}
_MAPS = {11: "labels", 12: "annotations"}


def _metadata(message: bytes) -> dict[str, Any]:
    """Names, labels and annotations; the server makes the rest."""
    made: dict[str, Any] = {}
    for number, value in _fields(message):
        if number in _TEXTS and value:
            made[_TEXTS[number]] = value.decode()
        elif number in _MAPS:
            key, held = _entry(value)
            made.setdefault(_MAPS[number], {})[key] = held.decode()
    return made


def _entry(message: bytes) -> tuple[str, bytes]:
    """Key and value of an entry of a map."""
    found = dict(_fields(message))
    return found.get(1, b"").decode(), found.get(2, b"")


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: bytes, or an int where it is a number."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind == _BYTES:
            size, at = _varint(message, at)
            yield number, message[at : at + size]
            at += size
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            yield number, int.from_bytes(message[at : at + size], "little")
            at += size
        else:
            raise ValueError(f"wire type {kind}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
