"""What a pod's spec says about its containers: which one holds the data, where, and as whom it runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.semantics.posix import Credentials

PATH_FLAGS = ("--storage.tsdb.path", "--storage.agent.path", "--storage.path", "--data.path", "--store.path")
"""Flags that name a data directory: Prometheus, its agent mode, Alertmanager, and others of their family."""

WELL_KNOWN_PATHS = {
    "grafana/grafana": "/var/lib/grafana",
    "grafana/grafana-enterprise": "/var/lib/grafana",
}
"""Data directories that a program has when nothing else is said, by image."""


PROMETHEUS_IMAGES = ("prometheus/prometheus", "prom/prometheus")
WORKING_DIRECTORIES = {"prometheus": "/prometheus", "alertmanager": "/alertmanager"}

IMAGE_USERS = {
    "prometheus/prometheus": (65534, 65534),
    "prometheus/alertmanager": (65534, 65534),
    "prometheus/pushgateway": (65534, 65534),
    "prometheus/node-exporter": (65534, 65534),
    "prom/prometheus": (65534, 65534),
    "prom/alertmanager": (65534, 65534),
    "grafana/grafana": (472, 0),
    "grafana/grafana-enterprise": (472, 0),
    "bitnami/prometheus": (1001, 0),
}
"""Users that well-known images run as when the pod does not say: uid, gid."""


@dataclass(frozen=True)
class DataPath:
    """Where a container keeps its data, and how that maps to the volume."""

    container: str
    path: str
    """In the container, absolute."""
    flag: str
    """The argument that says so, or "" where it is the mount point itself."""
    volume: str
    """The pod's volume behind it, or "" where the path is on no claim's volume."""
    mount_path: str
    sub_path: str
    on_volume: str
    """The same directory as seen from the volume's root: "/prometheus/server"."""
    read_only: bool


def image_name(image: str) -> str:
    """ "quay.io/prometheus/prometheus:v3.5.0@sha256:…" → "prometheus/prometheus"."""
    bare = image.partition("@")[0]
    last = bare.rpartition("/")[2]
    if ":" in last:
        bare = bare.rpartition(":")[0]
    return "/".join(bare.split("/")[-2:])


def image_tag(image: str) -> str:
    """The tag of an image, or "" where it has none."""
    last = image.partition("@")[0].rpartition("/")[2]
    return last.partition(":")[2]


def claim_volume_names(spec: Mapping[str, Any]) -> dict[str, str]:
    """The pod's volumes that are claims: volume name → claim name ("" for a claim made from a template)."""
    found = {}
    for volume in spec.get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            found[volume["name"]] = volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            found[volume["name"]] = ""
    return found


def data_container(spec: Mapping[str, Any]) -> str:
    """The container that mounts a claim, the first one in the spec; "" where none does."""
    volumes = claim_volume_names(spec)
    for container in spec.get("containers") or []:
        if any(mount["name"] in volumes for mount in container.get("volumeMounts") or []):
            return str(container["name"])
    return ""


def flag_value(container: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str]:
    """(flag, value) of the first of `names` among the container's arguments, "--flag=value" or "--flag value"."""
    words = [str(w) for w in [*(container.get("command") or []), *(container.get("args") or [])]]
    for i, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if flag in names or flag.replace("-", "--", 1) in names:
            return flag, value if equals else (words[i + 1] if i + 1 < len(words) else "")
    return "", ""


def expanded(text: str, container: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """`text` with the container's variables in place of $(NAME); those that come from elsewhere stay as they are.

    Source:  https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    known: dict[str, str] = {}
    for variable in container.get("env") or []:
        field = ((variable.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath", "")
        value = (
            variable.get("value", "") if "valueFrom" not in variable else metadata.get(field.removeprefix("metadata."))
        )
        if isinstance(value, str):
            known[variable["name"]] = value
    return re.sub(r"\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)", lambda found: known.get(found[1], found[0]), text)


def data_path(
    spec: Mapping[str, Any], container: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> DataPath | None:
    """The data directory of a container, and where that is on which of the pod's claims; None where it has none.

    `metadata` is the pod's, for what the container's variables take from it.
    """
    mounts = container.get("volumeMounts") or []
    volumes = claim_volume_names(spec)
    claimed = [m for m in mounts if m["name"] in volumes]
    flag, path = flag_value(container, PATH_FLAGS)
    if not path:
        path = WELL_KNOWN_PATHS.get(image_name(container.get("image", "")), "") or _default_path(container)
    if not path:
        path = claimed[0]["mountPath"] if claimed else ""
    if not path:
        return None
    path = expanded(path, container, metadata or {})
    path = posixpath.normpath(posixpath.join(_working_directory(container), path))
    holder = _mount_of(path, mounts)
    if holder is None or holder["name"] not in volumes:
        return DataPath(container["name"], path, flag, "", "", "", "", False)
    # A variable that nobody knows stays as it is: a directory of that name is in no listing, so nobody judges it.
    sub_path = str(holder.get("subPath") or expanded(holder.get("subPathExpr") or "", container, metadata or {}))
    sub_path = sub_path.strip("/")
    rest = posixpath.relpath(path, holder["mountPath"])
    on_volume = posixpath.normpath(posixpath.join("/", sub_path, rest))
    read_only = bool(holder.get("readOnly")) or _claim_read_only(spec, holder["name"])
    return DataPath(container["name"], path, flag, holder["name"], holder["mountPath"], sub_path, on_volume, read_only)


def _default_path(container: Mapping[str, Any]) -> str:
    """Where Prometheus keeps its data when its own arguments do not say: relative to its working directory.

    Without arguments the image's own apply, which say it; what a shell is given to run is not read.
    Source:  https://prometheus.io/docs/prometheus/latest/command-line/prometheus/
    """
    words = [str(word) for word in [*(container.get("command") or ["prometheus"]), *(container.get("args") or [])]]
    if image_name(container.get("image", "")) not in PROMETHEUS_IMAGES or not words[1:]:
        return ""
    if posixpath.basename(words[0]) != "prometheus" or any(flag in word for word in words for flag in PATH_FLAGS):
        return ""
    return "data-agent/" if {"--agent", "--enable-feature=agent"} & set(words) else "data/"


def _working_directory(container: Mapping[str, Any]) -> str:
    given = container.get("workingDir")
    name = image_name(container.get("image", "")).rpartition("/")[2]
    return str(given or WORKING_DIRECTORIES.get(name, "/"))


def _mount_of(path: str, mounts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The mount that holds the path: the longest mount point that is the path or above it."""

    def holds(mount: dict[str, Any]) -> bool:
        point = posixpath.normpath(mount["mountPath"])
        return point == "/" or path == point or path.startswith(point + "/")

    return max((m for m in mounts if holds(m)), key=lambda m: len(posixpath.normpath(m["mountPath"])), default=None)


def _claim_read_only(spec: Mapping[str, Any], volume: str) -> bool:
    source: Mapping[str, Any] = next((v for v in spec.get("volumes") or [] if v["name"] == volume), {})
    return bool((source.get("persistentVolumeClaim") or {}).get("readOnly"))


def credentials(spec: Mapping[str, Any], container: Mapping[str, Any]) -> tuple[Credentials | None, str]:
    """As whom the container's process runs, and where that is said.

    The container's securityContext wins over the pod's; fsGroup and supplementalGroups are the process's groups in any
    case. Where nobody says and the image is not well known, the answer is None: nobody knows.
    """
    pod_context = spec.get("securityContext") or {}
    own_context = container.get("securityContext") or {}
    known = IMAGE_USERS.get(image_name(container.get("image", "")))
    uid = own_context.get("runAsUser", pod_context.get("runAsUser"))
    gid = own_context.get("runAsGroup", pod_context.get("runAsGroup"))
    said = "securityContext" if uid is not None else f"the image {image_name(container.get('image', ''))}"
    if uid is None:
        uid = known[0] if known else None
    if uid is None:
        return None, "neither the securityContext nor a well-known image says which user the process runs as"
    if gid is None:
        # The runtime takes the group of that user from the image's /etc/passwd; a uid that is not there gets group 0.
        gid = known[1] if known and known[0] == uid else 0
    groups = {int(g) for g in pod_context.get("supplementalGroups") or []}
    if pod_context.get("fsGroup") is not None:
        groups.add(int(pod_context["fsGroup"]))
    return Credentials(int(uid), int(gid), frozenset(groups)), said


def drops_override(container: Mapping[str, Any]) -> bool:
    """Whether root in this container may not pass over permissions: ALL or DAC_OVERRIDE dropped and not added again."""
    capabilities = (container.get("securityContext") or {}).get("capabilities") or {}
    dropped = {str(c).upper().removeprefix("CAP_") for c in capabilities.get("drop") or []}
    added = {str(c).upper().removeprefix("CAP_") for c in capabilities.get("add") or []}
    return bool({"ALL", "DAC_OVERRIDE"} & dropped) and "DAC_OVERRIDE" not in added and "ALL" not in added


def version_of(tag: str) -> tuple[int, ...] | None:
    """ "v3.4.1-eksbuild.1" → (3, 4, 1); None for a tag that is no version."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", tag)
    return tuple(int(n or 0) for n in found.groups()) if found else None


PUBLISHED = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
"""ConfigMaps that the control plane itself puts into every namespace; a collection often leaves them out."""


def mounted_config_maps(spec: Mapping[str, Any]) -> list[str]:
    """The ConfigMaps that the pod mounts and may not do without, projected ones included."""
    found = []
    for volume in spec.get("volumes") or []:
        sources = [volume, *((volume.get("projected") or {}).get("sources") or [])]
        maps = [s["configMap"] for s in sources if "configMap" in s]
        found += [m["name"] for m in maps if not m.get("optional") and m["name"] not in PUBLISHED]
    return found
