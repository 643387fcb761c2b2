"""What remedies propose for every fault of tests/worlds, on plain values: valid, narrow, and taken back by its undo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from kubeapi.patches import json_patch
from remedylab import settle_template
from worlds.bundle import encoded, files_of
from worlds.fault import Fault, load
from worlds.ids import NOW
from worlds.look import rulebook
from worlds.world import Thing, World

from efsdiag.changes import Change, Choices, Lookup, Plan, Risk, Write, with_lookups
from efsdiag.gather import Gather
from efsdiag.investigate import investigate
from efsdiag.patches import RESOURCES
from efsdiag.remedy_rules import load_remedies
from efsdiag.treat.planning import place_of, plan_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.writes import MANAGED, command_of

MENDED = {mode for remedy in load_remedies().values() for mode in remedy.mends}
FAULTS = [f for f in load() if f.wanted & MENDED]


@cache
def planned(name: str) -> tuple[World, Plan]:
    """The fault's world, and the plan for it with everything that is likely."""
    fault = next(f for f in FAULTS if f.name == name)
    world = fault.world()
    settle_template(world)
    source = BundleSource.of(Memory(encoded(files_of(world))))
    found = investigate(rulebook(), source, world.asked, NOW, strict=True)
    gather = Gather(rulebook().evidence, source, {"subject": found.subject, "now": NOW}, strict=True)
    place = place_of(source, world.account, world.region, "")
    return world, plan_of(found.diagnosis, found.asked, gather, load_remedies(), place, NOW, Choices(likely=True))


def changes_of(plan: Plan) -> Iterator[Change]:
    for option in (*plan.chosen, *plan.alternatives):
        yield from option.changes


every_fault = pytest.mark.parametrize("fault", FAULTS, ids=[f.name for f in FAULTS])


@every_fault
def test_every_proposal_is_valid_narrow_and_can_be_taken_back(fault: Fault) -> None:
    world, plan = planned(fault.name)
    for change in changes_of(plan):
        assert change.undo or change.residue, change.words
        assert change.risk is not Risk.IRREVERSIBLE
        for write in (change.write, change.undo):
            if write is None:
                continue
            assert command_of(write)
            if write.operation.startswith("kube:"):
                assert_harmless(write, world)
            elif write.operation.startswith("helm:"):
                assert write.parameters["release"] in ("aws-efs-csi-driver", "prometheus")
            else:
                assert_valid(write)
        if change.write.operation.startswith("kube:patch"):
            assert_inverse(change, world)


@every_fault
def test_what_nothing_is_proposed_for_says_why(fault: Fault) -> None:
    _, plan = planned(fault.name)
    proposed = {o.mode for o in (*plan.chosen, *plan.alternatives)}
    for mode, _, why in plan.declined:
        assert len(why) > 15, (mode, why)
    assert proposed | {mode for mode, _, _ in plan.declined}


def test_no_proposal_opens_a_group_for_anything_but_a_nodes_group_on_nfs() -> None:
    opened = 0
    for fault in FAULTS:
        world, plan = planned(fault.name)
        groups = {g["GroupId"]: g for g in world.aws["ec2/describe-security-groups"]["SecurityGroups"]}
        nodes = {g["GroupId"] for i in world.instances() for g in i["SecurityGroups"]}
        for change in changes_of(plan):
            if "SecurityGroup" not in change.write.operation:
                continue
            given = change.write.parameters
            (rule,) = given["IpPermissions"]
            assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 2049, 2049)
            assert not rule.get("IpRanges")
            assert not rule.get("Ipv6Ranges")
            (pair,) = rule["UserIdGroupPairs"]
            inward = change.write.operation.endswith("Ingress")
            assert (pair["GroupId"] if inward else given["GroupId"]) in nodes
            assert {pair["GroupId"], given["GroupId"]} <= groups.keys()
            opened += 1
    assert opened > 3


def assert_valid(write: Write) -> None:
    """botocore's model of the service takes the parameters."""
    service, _, operation = write.operation.partition(":")
    shape = _session().get_service_model(service).operation_model(operation).input_shape
    given = with_lookups(write.parameters, lambda _: "looked-up-0123456789abcdef0")
    assert ParamValidator().validate(given, shape).has_errors() is False, (write, given)


def assert_harmless(write: Write, world: World) -> None:
    """Only what efsdiag made is deleted, nothing is made that claims somebody else's, and no volume loses its data."""
    verb, _, resource = write.operation.removeprefix("kube:").partition(" ")
    assert resource != "secrets"
    if verb == "delete":
        assert isinstance(write.parameters["uid"], Lookup)
        assert "managed-by" in write.parameters["uid"].path
    if verb == "create":
        assert MANAGED.items() <= write.parameters["object"]["metadata"]["labels"].items()
    if verb == "create" and resource == "persistentvolumes":
        assert write.parameters["object"]["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
    if verb == "patch" and resource == "persistentvolumes":
        allowed = "capacity/storage|accessModes|mountOptions|storageClassName|claimRef|persistentVolumeReclaimPolicy"
        edited = [o["path"] for o in write.parameters["patch"] if o["op"] != "test"]
        assert all(re.fullmatch(f"/spec/({allowed})|/metadata/labels(/.*)?", path) for path in edited)


def assert_inverse(change: Change, world: World) -> None:
    """The patch applies to the object as it is, and the undo gives back just that object."""
    before = object_of(change.write, world)
    after = json_patch(before, change.write.parameters["patch"])
    assert after != before
    assert change.write.parameters["patch"][0]["op"] == "test"
    if change.undo:
        assert json_patch(after, change.undo.parameters["patch"]) == before


def object_of(write: Write, world: World) -> Thing:
    resource = write.operation.rpartition(" ")[2]
    assert resource in RESOURCES.values()
    return world.get(resource, write.parameters["name"], write.parameters.get("namespace", ""))


@cache
def _session() -> Any:
    return botocore.session.get_session()
