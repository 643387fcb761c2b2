"""What a probe from the node's network found decides before messages do."""

from __future__ import annotations

from typing import Any

import pytest
from values import attempt, efs_volume, heard
from values import container as plain_container
from values import pod as plain_pod
from values_aws import FS, RULEBOOK, World, instance, judged, made, mount_failed, mount_target

from efsdiag.changes import Declined
from efsdiag.gather import Gather
from efsdiag.model import Missing, State
from efsdiag.remedy_rules import load_remedies

VOLUME = efs_volume(name="pv-1")
TIMED_OUT = mount_failed("Mount attempt 1/3 failed due to timeout after 15 sec, wait 0 sec before next attempt.")
POD = plain_pod()
POD["spec"]["nodeName"] = "node-1"
POD["metadata"]["uid"] = "uid-1"


def told(resolves: bool | None = True, answers: bool | None = True) -> dict[str, Any]:
    target = {"address": "10.0.1.5", "answers": answers, "said": "connected"}
    found = {"name": f"{FS}.efs.us-east-1.amazonaws.com", "node": "node-1", "port": 2049, "said": "says"}
    return {"pv-1": {**found, "resolves": resolves, "targets": [target]}}


def verdict(check: str, found: Any, said: Any = None) -> Any:
    return judged(check, efs_volumes=(VOLUME,), heard=said or heard(), node_reach=found)


@pytest.mark.parametrize("check", ["name-resolves", "nfs-answers"])
def test_a_probe_that_got_through_passes_whatever_was_said_before(check: str) -> None:
    assert verdict(check, told(), TIMED_OUT).state is State.PASS


def test_a_name_that_does_not_resolve_is_told_for_sure() -> None:
    found = verdict("name-resolves", told(resolves=False))
    assert [(f.mode, f.sure) for f in found.findings] == [("mount.dns-unresolved", True)]


def test_a_port_that_does_not_answer_is_told_for_sure() -> None:
    found = verdict("nfs-answers", told(answers=False))
    assert [(f.mode, f.sure) for f in found.findings] == [("mount.timeout", True)]


@pytest.mark.parametrize("check", ["name-resolves", "nfs-answers"])
def test_what_the_probe_could_not_tell_is_neither(check: str) -> None:
    assert verdict(check, told(None, None)).state is State.WAITING


def test_a_node_that_has_mounted_the_volumes_is_not_asked() -> None:
    given = {"pod": POD, "efs_volumes": (VOLUME,), "attempt": attempt("running")}
    found = made("node_reach", World(), **given)
    assert isinstance(found, Missing)
    assert found.absent


def test_the_answers_of_every_volume_are_read() -> None:
    world = World({"volume:reach": told()["pv-1"]})
    given = {"pod": POD, "efs_volumes": (VOLUME,), "attempt": attempt("scheduled")}
    found = made("node_reach", world, **given)
    assert not isinstance(found, Missing)
    assert found.value == told()


def proposed(**changed: Any) -> Any:
    given = {
        "pod": POD,
        "main_container": plain_container(),
        "attempt": attempt("scheduled"),
        "efs_volumes": (VOLUME,),
        "node_instance": instance(),
        "mount_targets": {FS: [mount_target()]},
        "own_job_names": (),
        **changed,
    }
    propose = load_remedies()["ask-from-the-node"].propose
    return Gather(RULEBOOK.evidence, World(), given, strict=True).call(propose, probe_image="")


def test_the_node_is_asked_for_the_name_and_the_address_that_its_mount_would_use() -> None:
    (change,) = proposed()
    words = change.write.parameters["object"]["spec"]["template"]["spec"]["containers"][0]["command"]
    assert words[4:] == ["pv-1", "node-1", f"{FS}.efs.us-east-1.amazonaws.com", "2049", mount_target()["IpAddress"]]
    assert change.undo.operation == "kube:delete jobs"


def test_without_mount_targets_the_name_alone_is_asked() -> None:
    (change,) = proposed(mount_targets={FS: []})
    assert change.write.parameters["object"]["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "2049"


@pytest.mark.parametrize(
    "changed",
    [
        {"attempt": attempt("running")},
        {"efs_volumes": ()},
        {"node_instance": None},
        {"pod": plain_pod() | {"spec": {}}},
    ],
    ids=["mounted", "no volume", "unknown region", "no node"],
)
def test_where_there_is_nothing_to_ask_or_nobody_to_ask_it_is_said(changed: dict[str, Any]) -> None:
    assert isinstance(proposed(**changed), Declined | Missing)
