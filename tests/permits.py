"""Callers with exactly the rights that `efsdiag permissions` prints, and not one more.

Kubernetes: the API server of the tests lets in what the printed roles allow and refuses the rest in RBAC's words.
AWS: moto enforces no policy for EFS, so the printed policy is evaluated before a request reaches it, with the service
that the request is signed for as the action's; or before a bundle's answer, where no server is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from awsworld import Asked, Trouble
from conftest import run_efsdiag
from kubeapi import KubeApi, Log
from worlds.bundle import CLUSTER_SCOPED, NAMESPACED, encoded, files_of
from worlds.world import World

from efsdiag.cli import permitting
from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS
from efsdiag.remedy_rules import load_remedies
from efsdiag.rights import needs
from efsdiag.rights.roles import FOR_EVERYBODY, grants_of, policy_of, roles_of
from efsdiag.rules import load_rulebook
from efsdiag.semantics.iam import Context, evaluate, parse_policy
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.bundle_layout import RESOURCES
from efsdiag.world.kube import KubeSource

DENIED = {
    "ec2": "UnauthorizedOperation",
    "iam": "AccessDenied",
    "sts": "AccessDenied",
    "eks": "AccessDeniedException",
    "elasticfilesystem": "AccessDeniedException",
}
PASSES_A_ROLE = {
    "ec2:AssociateIamInstanceProfile",
    "iam:AddRoleToInstanceProfile",
    "eks:CreatePodIdentityAssociation",
}
"""Actions for which AWS asks for iam:PassRole as well."""


@cache
def printed(*options: str) -> str:
    """What `efsdiag permissions` prints with these options."""
    code, out, err = run_efsdiag(["permissions", *options])
    assert code == 0, err
    return out


def roles(*options: str) -> list[dict[str, Any]]:
    """The roles that the command prints as YAML."""
    found = yaml.safe_load_all(printed(*options, "--kubernetes"))
    return [document for document in found if document]


def policy(*options: str) -> dict[str, Any]:
    """The policy that the command prints as JSON."""
    made: dict[str, Any] = json.loads(printed(*options, "--aws", "-o", "json"))
    return made


def atoms(role: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each single right of a role: (group, resource, verb)."""
    return [
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def without(role: Mapping[str, Any], atom: tuple[str, str, str]) -> dict[str, Any]:
    """The role less one single right."""
    left = [a for a in atoms(role) if a != atom]
    assert len(left) == len(atoms(role)) - 1
    return {**role, "rules": [{"apiGroups": [g], "resources": [r], "verbs": [v]} for g, r, v in left]}


def less(document: Mapping[str, Any], action: str) -> dict[str, Any]:
    """The policy less one action."""
    (statement,) = document["Statement"]
    assert action in statement["Action"]
    kept = [a for a in statement["Action"] if a != action]
    return {**document, "Statement": [{**statement, "Action": kept}]}


def allows(document: Mapping[str, Any], action: str) -> bool:
    """Whether the policy allows the action on any resource."""
    if action in FOR_EVERYBODY:
        return True
    return evaluate([parse_policy(document)], action, "*", Context(closed=True)).allowed


def guard(document: Mapping[str, Any]) -> Callable[[Asked], Trouble | None]:
    """For `AwsWorld.meddle`: refuses in AWS's own codes what the policy does not allow."""
    decided: dict[str, bool] = {}

    def decide(asked: Asked) -> Trouble | None:
        action = f"{asked.service}:{asked.operation}"
        wanted = [action, *(["iam:PassRole"] if action in PASSES_A_ROLE else [])]
        for name in wanted:
            if name not in decided:
                decided[name] = allows(document, name)
        return None if all(decided[name] for name in wanted) else Trouble(DENIED[asked.service], 403)

    return decide


@cache
def rights_for(*remedies: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The roles and the policy of who may plan everything, and apply and undo these remedies alone."""
    book, known = load_rulebook(), load_remedies()
    needed = permitting.NEEDED["plan"][1](book)
    needed.merge(needs.of_parts(permitting.JOBS))
    needed.merge(needs.of_changes(book, [known[name] for name in remedies]))
    grants = grants_of(needed)
    return roles_of(grants.kubernetes, "efsdiag-test"), policy_of(grants.aws, "EfsdiagTest")


def rights_of(command: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The roles and the policy that `efsdiag permissions --for` prints for the command."""
    grants = grants_of(permitting.NEEDED[command][1](load_rulebook()))
    return roles_of(grants.kubernetes, "efsdiag-test"), policy_of(grants.aws, "EfsdiagTest")


class Served:
    """A world whose cluster is on HTTP and whose account is a bundle's, asked with the roles and the policy."""

    def __init__(self, world: World, kube: KubeApi, folder: Path) -> None:
        self.world, self.kube = world, kube
        self._source = KubeSource(str(kube.kubeconfig(folder)))
        self._account = BundleSource.of(Memory(encoded(files_of(world))))
        self._policy: Mapping[str, Any] = {}
        self.asked: set[str] = set()

    def let(self, own_roles: list[dict[str, Any]], own_policy: Mapping[str, Any]) -> Served:
        """The same world for a caller with these rights."""
        self.kube.grant_only(*own_roles)
        self._policy = own_policy
        return self

    def __call__(self, query: Query) -> Answer:
        self.asked.add(query.operation)
        if query.operation.startswith("kube:"):
            return self._source(query)
        action = READS[query.operation].permission
        if query.operation.startswith("volume:") or allows_cached(json.dumps(self._policy), action):
            return self._account(query)
        raise Unreadable(query, f"AWS refuses {query.operation}: no policy allows it", f"allow {action}")


@cache
def allows_cached(document: str, action: str) -> bool:
    return allows(json.loads(document), action)


@contextmanager
def served(world: World, folder: Path) -> Iterator[Served]:
    """The world on an HTTP API server of its own."""
    things = [
        {"apiVersion": READS[f"kube:list {resource}"].group, "kind": RESOURCES[resource][1], **thing}
        for resource in (*CLUSTER_SCOPED, *NAMESPACED)
        for thing in world.all(resource)
    ]
    logs = [Log(*key[:3], text, key[3]) for key, text in world.logs.items()]
    with KubeApi(things, logs, world.shape.kubernetes) as kube:
        yield Served(world, kube, folder)
