"""Rights as documents to apply: YAML with the reason beside each line, or JSON with the reasons in a key of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from efsdiag.report.data import API_VERSION
from efsdiag.report.machine import as_json
from efsdiag.report.text import safe
from efsdiag.rights.needs import Reasons
from efsdiag.rights.roles import Grants, Right, binding_of, policy_of, role_of, roles_of

KIND = "Permissions"
NAMED = 3
"""Checks or remedies that a comment names; JSON names all."""
ACCOUNT = ("efsdiag", "efsdiag")
"""Name and namespace of the service account in the example of a binding."""


@dataclass(frozen=True)
class Asked:
    """Which rights are to be printed, and under what name."""

    title: str
    """What they are for, as a sentence without its end: "what efsdiag why reads"."""
    name: str
    """Of the roles, and of the statement."""
    kubernetes: bool = True
    aws: bool = True


def rights_json(grants: Grants, asked: Asked) -> str:
    """With one of the two halves the bare object, as `kubectl` or `aws iam` take it; else both, with their reasons."""
    roles = roles_of(grants.kubernetes, asked.name)
    policy = policy_of(grants.aws, _sid(asked.name))
    if not asked.aws:
        return as_json(roles[0] if len(roles) == 1 else {"apiVersion": "v1", "kind": "List", "items": roles})
    if not asked.kubernetes:
        return as_json(policy)
    return as_json(
        {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "title": asked.title,
            "kubernetes": roles,
            "aws": policy,
            "neededBy": {
                "kubernetes": [{**vars(r), **_reasons(why)} for r, why in grants.kubernetes.items()],
                "aws": [{"action": action, **_reasons(why)} for action, why in grants.aws.items()],
            },
        }
    )


def rights_yaml(grants: Grants, asked: Asked, others: Iterable[str] = ()) -> str:
    """A document for each role and one for the policy, with comments; `others` are what is no right."""
    documents = []
    if asked.kubernetes:
        documents += [_role_yaml(grants.kubernetes, asked, namespace) for namespace in _namespaces(grants)]
    if asked.aws and grants.aws:
        documents.append(_policy_yaml(grants.aws, asked))
    notes = [f"# {safe(text)}\n" for text in others]
    if notes:
        notes.insert(0, "# What else would show more, and is no right:\n")
    if not documents:
        return f"# {asked.title}: nothing.\n{''.join(notes)}"
    return "---\n".join(documents) + "".join(notes)


def _namespaces(grants: Grants) -> list[str]:
    return sorted({right.namespace for right in grants.kubernetes})


def _role_yaml(rights: Mapping[Right, Reasons], asked: Asked, namespace: str) -> str:
    own = {right: why for right, why in rights.items() if right.namespace == namespace}
    role = role_of(own, asked.name, namespace)
    where = f"in namespace {namespace}" if namespace else "in Kubernetes"
    lines = [f"# {asked.title}, {where}.", *_head(role), "rules:"]
    for rule in role["rules"]:
        (group,), (resource,) = rule["apiGroups"], rule["resources"]
        for verb in rule["verbs"]:
            lines.append(f"  # {verb}: {_said(own[Right(group, resource, verb, namespace)])}")
        lines += [
            f"  - apiGroups: [{group or chr(34) * 2}]",
            f"    resources: [{resource}]",
            f"    verbs: [{', '.join(rule['verbs'])}]",
        ]
    return "\n".join([*lines, *_binding(role), ""])


def _head(thing: Mapping[str, Any]) -> list[str]:
    metadata = [f"  {key}: {value}" for key, value in thing["metadata"].items()]
    return [f"apiVersion: {thing['apiVersion']}", f"kind: {thing['kind']}", "metadata:", *metadata]


def _binding(role: Mapping[str, Any]) -> list[str]:
    """What gives the role to somebody, as a comment: to whom is for the reader to say."""
    binding = binding_of(role, *ACCOUNT)
    (subject,) = binding["subjects"]
    lines = [
        "---",
        *_head(binding),
        "roleRef:",
        *(f"  {key}: {value}" for key, value in binding["roleRef"].items()),
        "subjects:",
        f"  - kind: {subject['kind']}",
        f"    name: {subject['name']}",
        f"    namespace: {subject['namespace']}",
    ]
    return ["# It is given to a service account, a user or a group by a binding:", *(f"# {own}" for own in lines)]


def _policy_yaml(actions: Mapping[str, Reasons], asked: Asked) -> str:
    (statement,) = policy_of(actions, _sid(asked.name))["Statement"]
    lines = [
        f"# {asked.title}, in AWS. IAM takes JSON: --aws -o json.",
        'Version: "2012-10-17"',
        "Statement:",
        f"  - Sid: {statement['Sid']}",
        "    Effect: Allow",
        "    Action:",
    ]
    for action in statement["Action"]:
        lines += [f"      # {_said(actions[action])}", f"      - {action}"]
    return "\n".join([*lines, '    Resource: "*"', ""])


def _said(why: Reasons) -> str:
    """The reasons on one line: "finds the target; nfs-port-open and 12 more checks"."""
    parts = [*why.purposes, *_some(why.checks, "check"), *_some(why.remedies, "remedy")]
    return "; ".join(safe(part) for part in parts) or "-"


def _some(names: Mapping[str, int], what: str) -> list[str]:
    """The names, those first that need few rights besides: they are the nearest to each right."""
    known = sorted(names, key=lambda name: (names[name], name))
    if not known:
        return []
    plural = {"check": "checks", "remedy": "remedies"}[what]
    if len(known) <= NAMED:
        return [f"{what if len(known) == 1 else plural} {', '.join(known)}"]
    return [f"{plural} {', '.join(known[:NAMED])} and {len(known) - NAMED} more"]


def _reasons(why: Reasons) -> dict[str, list[str]]:
    return {"purposes": list(why.purposes), "checks": sorted(why.checks), "remedies": sorted(why.remedies)}


def _sid(name: str) -> str:
    """A statement's id has letters and digits only: "efsdiag-why" → "EfsdiagWhy"."""
    return "".join(word.capitalize() for word in name.split("-"))
