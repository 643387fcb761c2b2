"""What the server refuses to store: bad names, and changes of fields that are fixed once an object exists.

These are the rules that a remedy can run into, not all of the server's. Wordings: pkg/apis/*/validation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .answers import invalid
from .resources import Resource

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_BAD_NAME = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
_POD_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CLAIM_FIXED = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_SOURCE_FIXED = "spec.persistentvolumesource is immutable after creation"
_VOLUME_SOURCES = frozenset(
    ("csi", "nfs", "hostPath", "local", "iscsi", "fc", "awsElasticBlockStore", "cephfs", "rbd", "azureFile")
)
_SELECTED = frozenset(("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"))

_Errors = list[tuple[str, str, str]]


def check_name(resource: Resource, name: str) -> None:
    """Refuses with 422 a name that is no DNS subdomain."""
    if resource.group == "rbac.authorization.k8s.io" or _SUBDOMAIN.fullmatch(name):
        return
    raise invalid(resource, name, [("metadata.name", "FieldValueInvalid", f'Invalid value: "{name}": {_BAD_NAME}')])


def check_change(resource: Resource, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuses with 422 a change of what is fixed: a volume's source, a claim's spec, a pod's spec, a selector."""
    before, after = old.get("spec") or {}, new.get("spec") or {}
    errors: _Errors = []
    if resource.kind == "PersistentVolume" and _only(before, _VOLUME_SOURCES) != _only(after, _VOLUME_SOURCES):
        errors.append(_forbidden("spec.persistentvolumesource", _SOURCE_FIXED))
    elif resource.kind == "PersistentVolumeClaim" and _fixed_claim(before, after) != _fixed_claim(after, before):
        errors.append(_forbidden("spec", _CLAIM_FIXED))
    elif resource.kind == "Pod" and _fixed_pod(before) != _fixed_pod(after):
        errors.append(_forbidden("spec", _POD_FIXED))
    elif resource.kind in _SELECTED and before.get("selector") != after.get("selector"):
        errors.append(_immutable("spec.selector", after.get("selector")))
    elif resource.kind == "StorageClass":
        errors.extend(_class_errors(old, new))
    if errors:
        raise invalid(resource, str(new["metadata"]["name"]), errors)


def _class_errors(old: Mapping[str, Any], new: Mapping[str, Any]) -> _Errors:
    fixed = ("parameters", "provisioner", "reclaimPolicy")
    errors = [
        _forbidden(field, f"updates to {field} are forbidden.") for field in fixed if old.get(field) != new.get(field)
    ]
    if old.get("volumeBindingMode") != new.get("volumeBindingMode"):
        errors.append(_immutable("volumeBindingMode", new.get("volumeBindingMode")))
    return errors


def _fixed_claim(spec: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The fixed part of a claim's spec: the binder may still set volumeName where there was none."""
    fixed = {key: value for key, value in spec.items() if key not in ("resources", "volumeAttributesClassName")}
    if not (spec.get("volumeName") and other.get("volumeName")):
        fixed.pop("volumeName", None)
    return fixed


def _fixed_pod(spec: Mapping[str, Any]) -> dict[str, Any]:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "ephemeralContainers", "nodeName")
    fixed = {key: value for key, value in spec.items() if key not in free}
    for kind in ("containers", "initContainers"):
        fixed[kind] = [_only(c, frozenset(c) - {"image"}) for c in spec.get(kind) or ()]
    return fixed


def _only(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: found for key, found in value.items() if key in names}


def _forbidden(field: str, message: str) -> tuple[str, str, str]:
    return field, "FieldValueForbidden", f"Forbidden: {message}"


def _immutable(field: str, value: Any) -> tuple[str, str, str]:
    return field, "FieldValueInvalid", f"Invalid value: {json.dumps(value)}: field is immutable"
