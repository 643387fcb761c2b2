"""Commands to run by hand: the names that are known stand in the place of their <placeholders>."""

from __future__ import annotations

import re
from collections.abc import Mapping

from efsdiag.model import Ref, Subject

# What Kubernetes and AWS allow in the names that are put in. A name from a hostile bundle could be a shell command; one
# that could be anything but a word stays a placeholder.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLACEHOLDER = re.compile(r"<([a-z][a-z-]*)>")

_OF_KIND = {
    "AccessPoint": ("access-point", "fsap"),
    "CSINode": ("node",),
    "FileSystem": ("file-system", "fs"),
    "Instance": ("instance",),
    "MountTarget": ("mount-target",),
    "Node": ("node",),
    "PersistentVolume": ("pv", "volume"),
    "PersistentVolumeClaim": ("claim",),
    "Role": ("role",),
    "SecurityGroup": ("security-group", "sg"),
    "StorageClass": ("class",),
    "Vpc": ("vpc",),
}
"""Kind of object → the placeholders that mean its name. <pod> is the subject's, never another one's."""


def filled(command: str, names: Mapping[str, str]) -> str:
    """The command with each placeholder that `names` has replaced, where the name is one plain word."""

    def name(match: re.Match[str]) -> str:
        known = names.get(match[1], "")
        return known if _WORD.fullmatch(known) else match[0]

    return _PLACEHOLDER.sub(name, command)


def names_of(thing: Ref | Subject) -> dict[str, str]:
    """The placeholders that one object fills. A Subject also says which namespace the commands are about."""
    if isinstance(thing, Ref):
        return dict.fromkeys(_OF_KIND.get(thing.kind, ()), thing.name)
    own = {"pod": "pod", "persistentvolumeclaim": "claim"}.get(thing.kind)
    return {"namespace": thing.namespace, **({own: thing.name} if own else {})}
