"""The complete list of what efsdiag can write, each with the permission that it needs, and how it reads as a command.

A `Write` is made by `write_of` alone, so a name that is not here cannot be written. `world/writer.py` carries them out.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.changes import Lookup, Write, with_lookups
from efsdiag.model import Query


@dataclass(frozen=True)
class WriteOperation:
    """One write: its name, its permissions, and the errors that mean that there is nothing left to do."""

    operation: str
    permissions: tuple[str, ...]
    already: tuple[str, ...] = ()
    """Error codes that say that what is wanted is there."""
    gone: tuple[str, ...] = ()
    """Error codes that say that what is to be taken away is not there."""
    early: tuple[tuple[str, str], ...] = ()
    """(error code, words of the message) that say that what was just made is not known to the service yet."""
    group: str = ""
    """The API group and version of a Kubernetes resource."""
    namespaced: bool = True


def _aws(
    name: str,
    *more: str,
    already: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
    early: tuple[tuple[str, str], ...] = (),
) -> WriteOperation:
    service, _, operation = name.partition(":")
    own = f"{'elasticfilesystem' if service == 'efs' else service}:{operation}"
    return WriteOperation(name, (own, *more), already, gone, early)


def _kube(resource: str, group: str, *verbs: str, namespaced: bool = True) -> list[WriteOperation]:
    return [
        WriteOperation(f"kube:{verb} {resource}", (f"{verb} {resource}",), group=group, namespaced=namespaced)
        for verb in verbs
    ]


# IAM's changes come to EC2 with a delay of seconds, seldom of minutes.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
_NEW_ROLE = ("InvalidParameterException", "Role provided in the request does not exist")
_PASSED = ("iam:PassRole", "eks:TagResource")
_NEW_PROFILE = ("InvalidParameterValue", "Invalid IAM Instance Profile name")

_ALL = [
    _aws("ec2:CreateSecurityGroup", "ec2:CreateTags", already=("InvalidGroup.Duplicate",)),
    _aws("ec2:DeleteSecurityGroup", gone=("InvalidGroup.NotFound",)),
    _aws("ec2:AuthorizeSecurityGroupIngress", already=("InvalidPermission.Duplicate",)),
    _aws("ec2:RevokeSecurityGroupIngress", gone=("InvalidPermission.NotFound", "InvalidGroup.NotFound")),
    _aws("ec2:AuthorizeSecurityGroupEgress", already=("InvalidPermission.Duplicate",)),
    _aws("ec2:RevokeSecurityGroupEgress", gone=("InvalidPermission.NotFound", "InvalidGroup.NotFound")),
    _aws("ec2:ModifyVpcAttribute"),
    _aws("ec2:ModifyInstanceMetadataOptions"),
    _aws("ec2:AssociateIamInstanceProfile", "iam:PassRole", early=(_NEW_PROFILE,)),
    _aws("ec2:DisassociateIamInstanceProfile", gone=("InvalidAssociationID.NotFound",)),
    _aws("ec2:CreateNetworkAclEntry", already=("NetworkAclEntryAlreadyExists",)),
    _aws("ec2:DeleteNetworkAclEntry", gone=("InvalidNetworkAclEntry.NotFound",)),
    _aws("ec2:CreateTags"),
    _aws("ec2:DeleteTags"),
    _aws("iam:AttachRolePolicy"),
    _aws("iam:DetachRolePolicy", gone=("NoSuchEntity",)),
    _aws("iam:PutRolePolicy"),
    _aws("iam:DeleteRolePolicy", gone=("NoSuchEntity",)),
    _aws("iam:UpdateAssumeRolePolicy"),
    _aws("iam:CreateRole", "iam:TagRole", already=("EntityAlreadyExists",)),
    _aws("iam:DeleteRole", gone=("NoSuchEntity",)),
    _aws("iam:CreateInstanceProfile", "iam:TagInstanceProfile", already=("EntityAlreadyExists",)),
    _aws("iam:DeleteInstanceProfile", gone=("NoSuchEntity",)),
    _aws("iam:AddRoleToInstanceProfile", "iam:PassRole"),
    _aws("iam:RemoveRoleFromInstanceProfile", gone=("NoSuchEntity",)),
    _aws("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider", already=("EntityAlreadyExists",)),
    _aws("iam:DeleteOpenIDConnectProvider", gone=("NoSuchEntity",)),
    _aws("eks:CreatePodIdentityAssociation", *_PASSED, already=("ResourceInUseException",), early=(_NEW_ROLE,)),
    _aws("eks:DeletePodIdentityAssociation", gone=("ResourceNotFoundException",)),
    _aws("efs:CreateFileSystem", "elasticfilesystem:TagResource", already=("FileSystemAlreadyExists",)),
    _aws("efs:DeleteFileSystem", gone=("FileSystemNotFound",)),
    _aws("efs:CreateMountTarget", "ec2:CreateNetworkInterface", already=("MountTargetConflict",)),
    _aws("efs:DeleteMountTarget", "ec2:DeleteNetworkInterface", gone=("MountTargetNotFound",)),
    _aws("efs:CreateAccessPoint", already=("AccessPointAlreadyExists",)),
    _aws("efs:DeleteAccessPoint", gone=("AccessPointNotFound",)),
    _aws("efs:PutBackupPolicy"),
    _aws("efs:PutFileSystemPolicy"),
    _aws("efs:DeleteFileSystemPolicy", gone=("PolicyNotFound",)),
    *_kube("namespaces", "v1", "create", "delete", namespaced=False),
    *_kube("persistentvolumes", "v1", "create", "patch", "delete", namespaced=False),
    *_kube("persistentvolumeclaims", "v1", "create", "delete"),
    *_kube("nodes", "v1", "patch", namespaced=False),
    *_kube("serviceaccounts", "v1", "patch"),
    *_kube("resourcequotas", "v1", "patch"),
    *_kube("deployments", "apps/v1", "patch"),
    *_kube("statefulsets", "apps/v1", "patch"),
    *_kube("daemonsets", "apps/v1", "patch"),
    *_kube("jobs", "batch/v1", "create", "delete"),
    *_kube("storageclasses", "storage.k8s.io/v1", "create", "patch", "delete", namespaced=False),
    *_kube("csidrivers", "storage.k8s.io/v1", "create", "delete", namespaced=False),
    *_kube("leases", "coordination.k8s.io/v1", "create", "patch", "delete"),
    # Which rights helm needs is said by its chart: those of all that the chart makes, and of the release's Secrets.
    WriteOperation("helm:upgrade", ()),
    WriteOperation("helm:rollback", ()),
    WriteOperation("helm:uninstall", ()),
]

WRITES: dict[str, WriteOperation] = {write.operation: write for write in _ALL}
"""Every write by its name. Parameters of an AWS write are those of the API. Those of a Kubernetes write are name,
namespace, and `patch` (JSON Patch, RFC 6902), `object` (a manifest), or `uid` (of what is to be deleted). Those of a
Helm write are in `releases.py`."""

MANAGED = {"app.kubernetes.io/managed-by": "efsdiag"}
"""Labels of everything that efsdiag creates in a cluster; what lacks them it never deletes."""

LISTING = "volume-listing"
"""Component of a Job whose log ends with a listing of the volume that its instance label stands for."""

TRIAL = "volume-trial"
"""Component of a Job that writes and reads back a line through a claim."""

REACHING = "node-reach"
"""Component of a Job whose log ends with what a node gets from the file system of a volume."""


def own_labels(component: str, about: str) -> dict[str, str]:
    """Labels of a Job of efsdiag and of its pod. `about` may be longer than a label, so it stands there as a hash."""
    instance = hashlib.sha256(about.encode()).hexdigest()[:16]
    return {**MANAGED, "app.kubernetes.io/component": component, "app.kubernetes.io/instance": instance}


def write_of(operation: str, **parameters: Any) -> Write:
    """The write of that name. Errors: ValueError for an operation that is not in `WRITES`."""
    if operation not in WRITES:
        raise ValueError(f"operation-not-a-write: {operation!r} is not in writes.WRITES")
    return Write(operation, parameters)


def own_uid(query: Query) -> Lookup:
    """The uid of an object that efsdiag created, and of no other one."""
    return Lookup(query, "metadata.labels.\"app.kubernetes.io/managed-by\" == 'efsdiag' && metadata.uid || null")


def command_of(write: Write) -> str:
    """The `kubectl`, `helm` or `aws` command that does the same, on one line; what is looked up stands as `$(…)`."""
    if write.operation.startswith("helm:"):
        return _helm(write)
    return _kubectl(write) if write.operation.startswith("kube:") else _aws_cli(write)


def _kubectl(write: Write) -> str:
    verb, _, resource = write.operation.removeprefix("kube:").partition(" ")
    given = write.parameters
    scope = f" -n {shlex.quote(given['namespace'])}" if given.get("namespace") else ""
    if verb == "create":
        return f"printf %s {_manifest(given['object'])} | kubectl{scope} create -f -"
    if verb == "delete":
        # By name and label: as efsdiag itself, it leaves alone what efsdiag did not make.
        label = ",".join(f"{key}={value}" for key, value in MANAGED.items())
        name = shlex.quote(f"metadata.name={given['name']}")
        return f"kubectl{scope} delete {resource} -l {label} --field-selector {name}"
    patch = json.dumps(given["patch"], separators=(",", ":"))
    return f"kubectl{scope} patch {resource} {shlex.quote(given['name'])} --type=json -p {shlex.quote(patch)}"


def _helm(write: Write) -> str:
    given = write.parameters
    arguments = " ".join(shlex.quote(a) for a in helm_arguments(write))
    if write.operation != "helm:upgrade":
        return f"helm {arguments}"
    check = ""
    if given["digest"] and is_archive(given["chart"]):
        listed = f"{given['digest'].removeprefix('sha256:')}  {given['chart']}"
        check = f"printf '%s\\n' {shlex.quote(listed)} | sha256sum --check --quiet && "
    return f"{check}printf %s {_manifest(given['values'])} | helm {arguments} --values -"


def helm_arguments(write: Write) -> list[str]:
    """The words after `helm` that carry out the write; the values of an upgrade are not among them.

    `upgrade --install` makes the release where there is none. By its description and its label an undo knows the
    revision that it may take back.
    """
    given, verb = write.parameters, write.operation.partition(":")[2]
    words = [verb, given["release"]]
    if verb == "upgrade":
        words += [given["chart"], "--install"]
        words += ["--repo", given["repository"]] if given["repository"] else []
        words += ["--version", given["version"]] if given["version"] else []
    words += ["--namespace", given["namespace"]]
    if verb == "upgrade":
        words += ["--create-namespace"] if given["createNamespace"] else []
        mark = mark_of(write)
        words += ["--timeout", given["timeout"], "--description", description_of(mark), "--labels", label_of(mark)]
    return words


def is_archive(chart: str) -> bool:
    """Whether the chart is a file of this machine, and no name in a repository."""
    return chart.endswith((".tgz", ".tar.gz")) and "://" not in chart


def mark_of(write: Write) -> str:
    """What the revision that the upgrade makes is known by: these values and this chart, and no others."""
    text = json.dumps(write.as_json(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def description_of(mark: str) -> str:
    """The description of a revision with that mark."""
    return f"efsdiag {mark}"


def label_of(mark: str) -> str:
    """The label of a revision with that mark, as helm takes it and selects by it."""
    return f"efsdiag={mark}"


def _manifest(thing: Any) -> str:
    """The manifest as one word of a shell, which puts in what is looked up."""
    commands: list[str] = []

    def hole(lookup: Lookup) -> str:
        commands.append(_looked_up(lookup))
        return f"<{len(commands) - 1}>"

    text = shlex.quote(json.dumps(with_lookups(thing, hole), sort_keys=True))
    for number, command in enumerate(commands):
        text = text.replace(f'"<{number}>"', f'"\'"$({command})"\'"', 1)
    return text


def manifest_of(write: Write) -> Any:
    """The object that is created, with `$(command)` in the place of what is looked up."""
    return with_lookups(write.parameters["object"], lambda lookup: f"$({_looked_up(lookup)})")


def _aws_cli(write: Write) -> str:
    service, _, operation = write.operation.partition(":")
    words = ["aws", service, dashed(operation)]
    for name, value in write.parameters.items():
        words += _option(name, value)
    return " ".join(words)


def _option(name: str, value: Any) -> list[str]:
    option = f"--{dashed(name)}"
    if name == "Egress" and value is False:
        # https://docs.aws.amazon.com/cli/latest/reference/ec2/create-network-acl-entry.html
        return ["--ingress"]
    if isinstance(value, Lookup):
        return [option, f'"$({_looked_up(value)})"']
    if isinstance(value, bool):
        return [option if value else f"--no-{dashed(name)}"]
    if isinstance(value, list) and all(isinstance(item, str | Lookup) for item in value):
        return [option, *(f'"$({_looked_up(v)})"' if isinstance(v, Lookup) else shlex.quote(v) for v in value)]
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return [option, shlex.quote(str(text))]


def _looked_up(lookup: Lookup) -> str:
    service, _, operation = lookup.query.operation.partition(":")
    words = ["aws", service, dashed(operation)]
    for name, value in lookup.query.parameters:
        values = [value] if isinstance(value, str) else list(value)
        if name.startswith("Filter."):
            words += ["--filters", shlex.quote(f"Name={name.removeprefix('Filter.')},Values={','.join(values)}")]
        else:
            words += [f"--{dashed(name)}", *map(shlex.quote, values)]
    return " ".join([*words, "--output", "text", "--query", shlex.quote(lookup.path)])


def dashed(name: str) -> str:
    """The AWS CLI's spelling of an operation or parameter: "IamInstanceProfile" → "iam-instance-profile"."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", name))
    return spaced.lower()


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as AWS takes them, sorted by key."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def json_of(value: Mapping[str, Any]) -> str:
    """A document for AWS: JSON with sorted keys, so that the same one is the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
