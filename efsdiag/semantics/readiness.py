"""Whether the kubelet asks Prometheus itself, at /-/ready, when it asks whether the container is ready.

Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
        https://prometheus.io/docs/prometheus/latest/management_api/
        prometheus v3.14.0 cmd/prometheus/main.go (the route prefix is the path of the external URL where none is given)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from efsdiag.semantics.containers import PROMETHEUS_IMAGES, flag_value, image_name

READY = "/-/ready"
PORT = 9090
"""Where Prometheus listens when nothing else is said."""
PERIOD_S = 10
"""How often the kubelet asks when nothing else is said."""


@dataclass(frozen=True)
class Asked:
    """What a container's readiness probe asks, and whether that is /-/ready."""

    path: str
    """Where the program answers: with its route prefix."""
    ready: bool
    words: str
    """What the probe asks, as "GET /-/ready on port 9090 every 5 s"."""


def is_prometheus(container: Mapping[str, Any]) -> bool:
    """Whether it is a Prometheus: its image is, or it is told where its time series are."""
    flag, _ = flag_value(container, ("--storage.tsdb.path", "--storage.agent.path"))
    return bool(flag) or image_name(str(container.get("image", ""))) in PROMETHEUS_IMAGES


def readiness_asked(container: Mapping[str, Any]) -> Asked:
    """What the readiness probe of a Prometheus asks. A command may ask anything, and is not looked through."""
    path = _prefix(container) + READY
    probe = container.get("readinessProbe") or {}
    get = probe.get("httpGet")
    if not isinstance(get, Mapping):
        other = next((kind for kind in ("tcpSocket", "exec", "grpc") if kind in probe), "")
        return Asked(path, False, f"its readiness probe is of kind {other}" if other else "it has no readiness probe")
    asked, port = urlsplit(str(get.get("path") or "/")).path, _port(container, get.get("port"))
    host = f" of {get['host']}" if get.get("host") else ""
    words = f"GET {asked} on port {port}{host} every {probe.get('periodSeconds') or PERIOD_S} s"
    return Asked(path, asked == path and port == _listens(container) and not host, words)


def _prefix(container: Mapping[str, Any]) -> str:
    """What stands before every path that it serves: "" or "/prom"."""
    _, prefix = flag_value(container, ("--web.route-prefix",))
    _, external = flag_value(container, ("--web.external-url",))
    inside = (prefix or urlsplit(external).path).strip("/")
    return f"/{inside}" if inside else ""


def _listens(container: Mapping[str, Any]) -> int:
    _, address = flag_value(container, ("--web.listen-address",))
    port = address.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else PORT


def _port(container: Mapping[str, Any], port: Any) -> Any:
    """The number of a port that a probe names; the name where the container has no such port."""
    named = (p for p in container.get("ports") or [] if p.get("name") == port)
    return next((p["containerPort"] for p in named), int(port) if str(port).isdigit() else port)
