"""Words that stay: those that a diagnosis compares with, and those that everybody has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from efsdiag.catalogue import load_modes, load_noise

WORD = re.compile(r"%[0-9A-Fa-f]{2}|[A-Za-z0-9]+")
"""A word, or an escape of a URL, which is none."""

_JUDGING = ("checks", "evidence", "remedies", "semantics")
_EVERYBODYS = """
    kube system public node nodes lease leases default kubernetes coredns dns proxy etcd apiserver scheduler flannel
    calico cilium aws amazon amazonaws com net org io dev local cluster svc internal compute ec2 efs ebs csi eks ecr
    registry docker quay gcr ghcr k8s prom helm pod pods service account accounts admin master worker control plane
    us eu ap sa ca me af il mx cn gov iso east west north south central northeast southeast northwest southwest
    http https www localhost root user prometheus grafana alertmanager data server volume claim storage
    monitoring config www test job jobs deployment replicaset daemonset statefulset
    dkr linux windows amd64 arm64 x86 sha256 latest az1 az2 az3 az4 az5 az6 primary secondary critical important managed
    attachdetach bootstrap signer token cleaner certificate clusterrole aggregation cronjob daemon disruption endpoint
    endpointslice endpointslicemirroring ephemeral expand generic garbage collector horizontal autoscaler legacy
    namespace persistent binder protection publisher root ca cert resourcequota resourceclaim route selinux warning
    replication service ttl after finished taint eviction validatingadmissionpolicy volumeattributesclass vac cidrs
    docs dashboard metrics ingress nginx cert argocd flux istio linkerd velero fluentd fluentbit loki tempo thanos
    exporter webhook agent addon addons components infra amazonssmmanagedinstancecore redacted
"""


@cache
def vocabulary() -> frozenset[str]:
    """The words in lower case: of the code that judges, of the signs of modes, and those that everybody has."""
    texts = [_EVERYBODYS, *_texts_of_code(), *_texts_of_signs()]
    return frozenset(word.lower() for text in texts for word in WORD.findall(text))


def _texts_of_signs() -> Iterator[str]:
    for mode in load_modes().values():
        yield from (str(sign.get("text") or "") for sign in mode.signs)
    yield from (noise.text for noise in load_noise())


def _texts_of_code() -> Iterator[str]:
    """Constants of one word: a name of a field, a state, a reason. Sentences are for people."""
    package = resources.files("efsdiag")
    folders = [package / name for name in _JUDGING]
    for file in [package, *folders]:
        for module in sorted(_modules(file), key=lambda module: module.name):
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
                    yield node.value


def _modules(folder: Traversable) -> list[Traversable]:
    return [file for file in folder.iterdir() if file.name.endswith(".py")]
