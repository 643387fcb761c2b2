"""What bears the mark of an install, with the change that takes it away, and what is left, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from efsdiag.changes import Change, Risk, Write
from efsdiag.model import Ref, Unreadable
from efsdiag.operations import read_of
from efsdiag.settings import OWN_TAG, Settings
from efsdiag.writes import MANAGED, own_uid, write_of

Object = dict[str, Any]
Found = dict[str, Any]

NAMED_BY = {
    "ec2:AssociateIamInstanceProfile": "InstanceId",
    "ec2:AuthorizeSecurityGroupEgress": "GroupId",
    "ec2:CreateSecurityGroup": "GroupName",
    "efs:CreateAccessPoint": "ClientToken",
    "efs:CreateMountTarget": "SubnetId",
    "eks:CreatePodIdentityAssociation": "serviceAccount",
    "helm:upgrade": "release",
    "iam:AddRoleToInstanceProfile": "InstanceProfileName",
    "iam:AttachRolePolicy": "RoleName",
    "iam:CreateInstanceProfile": "InstanceProfileName",
    "iam:CreateOpenIDConnectProvider": "Url",
    "iam:CreateRole": "RoleName",
    "iam:PutRolePolicy": "RoleName",
}
"""Write of an install → its parameter that says what it makes."""


def maker_of(write: Write) -> str:
    """What the write makes, in one word for each thing: "efs:CreateMountTarget subnet-0a1"."""
    named = write.parameters.get(NAMED_BY.get(write.operation, ""), "")
    if write.operation.startswith("kube:create "):
        named = write.parameters["object"]["metadata"].get("name", "")
    return f"{write.operation.removeprefix('kube:')} {named}"


@dataclass(frozen=True)
class Own:
    """One thing that bears the mark, and how it is taken away."""

    change: Change
    maker: str
    """The write by which an install makes it, as `maker_of` has it: so the journal's own are known."""


@dataclass
class Belongings:
    """What was found. The order of `own` is the one in which it is taken away."""

    own: list[Own] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    """What is left, each with the reason."""
    perhaps: dict[str, str] = field(default_factory=dict)
    """Why something stays that bears no mark, by what an install would have made it: its journal may know it."""
    unread: list[str] = field(default_factory=list)
    """What could not be looked at, each with what would make it readable."""

    @property
    def changes(self) -> tuple[Change, ...]:
        """What takes away all that is its own."""
        return tuple(own.change for own in self.own)

    def look(self, what: str, area: Callable[[], None]) -> None:
        """Runs one area's search; where a read of it is refused, nothing of what it would find is taken away."""
        before = len(self.own)
        try:
            area()
        except Unreadable as error:
            del self.own[before:]
            self.unread.append(f"{what}: {error.why}" + (f"; {error.grant}" if error.grant else ""))


def bears(thing: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a thing of AWS has the tag of this install."""
    return any((t["Key"], t["Value"]) == (OWN_TAG, settings.name) for t in thing.get("Tags") or [])


def is_managed(thing: Mapping[str, Any]) -> bool:
    """Whether efsdiag created an object of Kubernetes."""
    return MANAGED.items() <= (thing["metadata"].get("labels") or {}).items()


def unmarked(what: str) -> str:
    """The sentence about what has another's name, or none."""
    return f"{what} bears no tag {OWN_TAG} of this install"


def taken(operation: str, words: str, on: Ref, maker: str, *, residue: str = "", **parameters: Any) -> Own:
    """A thing of AWS that is taken away by this call."""
    return Own(Change(write_of(operation, **parameters), words, on, Risk.DISRUPTIVE, residue=residue), maker)


def deleted(resource: str, thing: Object, *, residue: str = "") -> Own:
    """An object of Kubernetes that is deleted by its uid, as long as it has efsdiag's label."""
    metadata, kind = thing["metadata"], str(thing.get("kind") or KINDS[resource])
    name, namespace = str(metadata["name"]), str(metadata.get("namespace", ""))
    scope = {"namespace": namespace} if namespace else {}
    query = read_of(f"kube:get {resource}", name=name, **scope)
    where = f" in {namespace}" if namespace else ""
    change = Change(
        write_of(f"kube:delete {resource}", name=name, uid=own_uid(query), **scope),
        f"delete {WORDS[resource]} {name}{where}",
        Ref(kind, name, namespace),
        Risk.DISRUPTIVE,
        residue=residue,
    )
    return Own(change, f"create {resource} {name}")


KINDS = {
    "jobs": "Job",
    "persistentvolumeclaims": "PersistentVolumeClaim",
    "persistentvolumes": "PersistentVolume",
    "storageclasses": "StorageClass",
}
"""Resources of which an install makes objects that an uninstall deletes."""
WORDS = {
    "jobs": "the Job",
    "persistentvolumeclaims": "claim",
    "persistentvolumes": "volume",
    "storageclasses": "the storage class",
}


def listed(things: Iterable[object]) -> str:
    """Names in a sentence, sorted."""
    return ", ".join(sorted(str(thing) for thing in things))
