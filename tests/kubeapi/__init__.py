"""A Kubernetes API server for tests: real HTTP on loopback, standard library only.

    with KubeApi([pod, node], logs=[Log("monitoring", "prom-0", "server", "ready\\n")]) as api:
        kubectl_or_client(api.kubeconfig(tmp_path))
        assert api.mutations == []

It answers like a real 1.36 server, refusals included; `answers.py` says which wordings are recorded ones, and
`test_kubeapi_kubectl.py` holds it against the real kubectl.
It keeps what it is given and runs no controllers: nothing is scheduled, bound or garbage-collected. It has no watch.
"""

from .logs import Log
from .record import Request
from .server import KubeApi

__all__ = ["KubeApi", "Log", "Request"]
