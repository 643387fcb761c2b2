"""A short name for one cause on one object, equal in every run and for every pod of the same workload."""

from __future__ import annotations

import hashlib
import re

from efsdiag.model import Ref

LENGTH = 12
"""Hexadecimal digits: 48 bits are enough for the causes of one organisation."""

# Kubernetes makes such endings out of letters that form no words (apimachinery, util/rand): a ReplicaSet's hash and
# the pod's own five.
_MADE = "[bcdfghjklmnpqrstvwxz2456789]"
_MADE_ENDING = re.compile(f"(?<=.)(-(?=[a-z]*[0-9]){_MADE}{{5,10}})?-{_MADE}{{5}}$")


def fingerprint(mode: str, thing: Ref, workload: Ref | None = None) -> str:
    """Twelve hexadecimal digits of the mode and its object.

    Where the object is a pod, its workload stands for it, so that its next pod has the same fingerprint; where nobody
    knows the workload, the pod's name without the made-up endings does.
    """
    if thing.kind == "Pod":
        name = workload.name if workload else base_name(thing.name)
        thing = Ref("Workload", name, thing.namespace)
    elif workload and (thing.kind, thing.name, thing.namespace) == (workload.kind, workload.name, workload.namespace):
        thing = Ref("Workload", thing.name, thing.namespace)
    text = "\n".join((mode, thing.kind, thing.namespace, thing.name))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:LENGTH]


def base_name(pod: str) -> str:
    """ "prometheus-server" of "prometheus-server-7c9d4-x2x2p"; the name itself where nothing about it is made up."""
    return _MADE_ENDING.sub("", pod)
