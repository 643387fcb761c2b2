"""Where a bundle keeps the answer to a query: file names, and back from a file name to the query's parameters.

Names that come from outside are percent-encoded, so that none can lead out of its folder. What would be longer than
a file system allows is named by its SHA-256 instead; such a file is found by its query, but says nothing by its name.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from urllib.parse import quote, unquote

from efsdiag.model import Query
from efsdiag.operations import resource_of

RESOURCES = {
    "pods": ("pods", "Pod"),
    "persistentvolumeclaims": ("pvcs", "PersistentVolumeClaim"),
    "persistentvolumes": ("pvs", "PersistentVolume"),
    "nodes": ("nodes", "Node"),
    "namespaces": ("namespaces", "Namespace"),
    "events": ("events", "Event"),
    "services": ("services", "Service"),
    "serviceaccounts": ("serviceaccounts", "ServiceAccount"),
    "configmaps": ("configmaps", "ConfigMap"),
    "resourcequotas": ("resource-quota", "ResourceQuota"),
    "limitranges": ("limitranges", "LimitRange"),
    "deployments": ("deployments", "Deployment"),
    "replicasets": ("replicasets", "ReplicaSet"),
    "statefulsets": ("statefulsets", "StatefulSet"),
    "daemonsets": ("daemonsets", "DaemonSet"),
    "jobs": ("jobs", "Job"),
    "storageclasses": ("storage-classes", "StorageClass"),
    "csidrivers": ("csidrivers", "CSIDriver"),
    "csinodes": ("csinodes", "CSINode"),
    "volumeattachments": ("volumeattachments", "VolumeAttachment"),
    "leases": ("leases", "Lease"),
    "networkpolicies": ("network-policy", "NetworkPolicy"),
    "ingresses": ("ingress", "Ingress"),
    "prometheuses": ("custom-resources/prometheuses.monitoring.coreos.com", "Prometheus"),
}
"""Resource → its file or folder under cluster-resources/, as Troubleshoot.sh names it, and the kind of its objects."""

NAMESPACES = "cluster-resources/namespaces.json"
_LONGEST = 240  # of 255 bytes, less ".json" and room for a temporary suffix


def segment(text: str) -> str:
    """`text` as one part of a path: percent-encoded, never "." or "..", and never too long for a file system."""
    encoded = quote(text, safe="")
    return _bounded(encoded.replace(".", "%2E") if encoded in ("", ".", "..") else encoded)


def kube_file(resource: str, namespace: str = "") -> str:
    """The List file of the resource, of one namespace where it is namespaced."""
    name = f"{kube_folder(resource)}/{segment(namespace)}" if namespace else kube_folder(resource)
    return f"{name}.json"


def kube_folder(resource: str) -> str:
    """The folder of a namespaced resource, with one List file for each namespace."""
    return f"cluster-resources/{RESOURCES[resource][0]}"


def log_file(namespace: str, pod: str, container: str, previous: bool) -> str:
    """The file of `kubectl logs`, or of `kubectl logs --previous`."""
    suffix = "-previous.log" if previous else ".log"
    return f"{log_folder(namespace, pod)}/{segment(container)}{suffix}"


def log_folder(namespace: str, pod: str) -> str:
    """The folder with the logs of one pod's containers."""
    return f"cluster-resources/pods/logs/{segment(namespace)}/{segment(pod)}"


def volume_file(persistent_volume: str) -> str:
    """The file with the owners and modes inside a volume."""
    return f"volumes/{segment(persistent_volume)}.json"


def kebab(name: str) -> str:
    """An AWS name as the AWS CLI spells it: "ListOpenIDConnectProviders" → "list-open-id-connect-providers"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def aws_folder(query: Query) -> str:
    """The path of the operation, without ".json": "aws/efs/describe-mount-targets"."""
    service, _, operation = query.operation.partition(":")
    return f"aws/{service}/{kebab(operation)}"


def aws_file(query: Query) -> str:
    """The file of the read: its parameters URL-encoded, in alphabetical order.

    A parameter with several values is repeated, its values sorted: "InstanceIds=i-1&InstanceIds=i-2". A filter keeps
    its name: "Filter.vpc-id=vpc-1".
    """
    values = values_of(query)
    if not values:
        return f"{aws_folder(query)}.json"
    pairs = (f"{quote(name, safe='')}={quote(v, safe='')}" for name, vs in sorted(values.items()) for v in vs)
    return f"{aws_folder(query)}/{_bounded('&'.join(pairs))}.json"


def aws_values(file_name: str) -> dict[str, tuple[str, ...]] | None:
    """The parameters that `aws_file` encoded in "<parameters>.json"; None where the name does not say them."""
    found: dict[str, list[str]] = {}
    for pair in file_name.removesuffix(".json").split("&"):
        name, sign, value = pair.partition("=")
        if not sign:
            return None
        found.setdefault(unquote(name), []).append(unquote(value))
    return {name: tuple(sorted(values)) for name, values in found.items()}


def values_of(query: Query) -> dict[str, tuple[str, ...]]:
    """The parameters, each as a sorted tuple: one value and a list of that one value are the same question."""
    return {name: (given,) if isinstance(given, str) else tuple(sorted(given)) for name, given in query.parameters}


def kubectl(query: Query, namespace: str = "") -> str:
    """The command that collects the List file which would answer `query`."""
    where = namespace or query.get("namespace")
    return f"kubectl get {resource_of(query)}{f' -n {shlex.quote(where)}' if where else ''} -o json"


def aws_command(query: Query, narrow: Mapping[str, str]) -> str:
    """The AWS CLI's command for `query`, less the parameters that only narrow its answer."""
    service, _, operation = query.operation.partition(":")
    options = [
        f"--{kebab(name)} {shlex.join(values)}" for name, values in values_of(query).items() if name not in narrow
    ]
    return " ".join([f"aws {service} {kebab(operation)}", *options])


def _bounded(encoded: str) -> str:
    if len(encoded) <= _LONGEST:
        return encoded
    return f"sha256-{hashlib.sha256(encoded.encode()).hexdigest()}"
