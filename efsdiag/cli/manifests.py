"""What bundle.json says of a run: when, and of which cluster and account."""

from __future__ import annotations

from typing import Any

from efsdiag.cli.sources import Opened
from efsdiag.report.data import time_text


def manifest_of(opened: Opened) -> dict[str, Any]:
    """The content of bundle.json, without apiVersion and kind."""
    environment = opened.environment()
    cluster = {"context": environment.context, "kubernetesVersion": environment.kubernetes_version}
    account = {"accountId": environment.account, "region": environment.region}
    return {
        "capturedAt": time_text(opened.now),
        "cluster": {name: value for name, value in cluster.items() if value},
        "aws": {name: value for name, value in account.items() if value},
    }
