"""What a probe from the node's network found decides before messages do."""

from __future__ import annotations

from typing import Any

import pytest
from values import attempt, efs_volume, heard
from values import container as plain_container
from values import pod as plain_pod
from values_aws import FS, RULEBOOK, World, instance, judged, made, mount_failed, mount_target
from values_aws import volume as aws_volume

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


def asked_for(**changed: Any) -> list[str]:
    """The name, and the addresses behind the port, that the Job is given."""
    (change,) = proposed(**changed)
    words = change.write.parameters["object"]["spec"]["template"]["spec"]["containers"][0]["command"]
    return [words[6], *words[8:]]


def test_a_volume_by_address_is_asked_for_that_address_and_for_no_name() -> None:
    by_address = aws_volume(attributes={"mountTargetIp": "10.9.0.77"})
    assert asked_for(efs_volumes=(by_address,), mount_targets={FS: None}) == ["", "10.9.0.77"]


@pytest.mark.parametrize("found", [told(resolves=False), told(resolves=None)], ids=["an older probe", "a probe"])
def test_whether_a_name_resolves_is_nothing_to_a_volume_by_address(found: Any) -> None:
    by_address = aws_volume(attributes={"mounttargetip": "10.9.0.77"})
    assert judged("name-resolves", efs_volumes=(by_address,), heard=heard(), node_reach=found).state is State.SKIP
    assert judged("nfs-answers", efs_volumes=(by_address,), heard=heard(), node_reach=found).state is State.PASS


def test_beside_a_volume_by_address_only_the_others_name_is_judged() -> None:
    both = (aws_volume(attributes={"mounttargetip": "10.9.0.77"}), efs_volume(name="pv-2"))
    given = {"pv-1": told(resolves=None)["pv-1"], "pv-2": told()["pv-1"]}
    assert judged("name-resolves", efs_volumes=both, heard=heard(), node_reach=given).state is State.PASS


def in_zone(zone: str, zone_id: str) -> dict[str, Any]:
    found = instance()
    found["Placement"] = {"AvailabilityZone": zone, "AvailabilityZoneId": zone_id}
    return found


@pytest.mark.parametrize(
    ("mounted", "node", "name"),
    [
        (aws_volume(), in_zone("cn-north-1a", ""), f"{FS}.efs.cn-north-1.amazonaws.com.cn"),
        (aws_volume(), in_zone("us-gov-west-1a", ""), f"{FS}.efs.us-gov-west-1.amazonaws.com"),
        (aws_volume(options=("az=us-east-1b",)), instance(), f"us-east-1b.{FS}.efs.us-east-1.amazonaws.com"),
        (
            aws_volume(attributes={"crossaccount": "true"}),
            in_zone("us-east-1a", "use1-az4"),
            f"use1-az4.{FS}.efs.us-east-1.amazonaws.com",
        ),
        (aws_volume(options=("region=eu-west-1",)), instance(), f"{FS}.efs.eu-west-1.amazonaws.com"),
        (aws_volume(f"{FS}.efs.eu-west-1.amazonaws.com:/"), instance(), f"{FS}.efs.eu-west-1.amazonaws.com"),
        (aws_volume(f"s3files:{FS}"), in_zone("us-east-1a", "use1-az4"), f"use1-az4.{FS}.s3files.us-east-1.on.aws"),
        (
            aws_volume(f"s3files:{FS}"),
            in_zone("cn-north-1a", "cnn1-az1"),
            f"cnn1-az1.{FS}.s3files.cn-north-1.on.amazonwebservices.com.cn",
        ),
    ],
    ids=["China", "GovCloud", "one zone", "another account", "option region", "a name as handle", "S3", "S3 in China"],
)
def test_the_name_is_the_one_that_mount_efs_makes(mounted: Any, node: Any, name: str) -> None:
    assert asked_for(efs_volumes=(mounted,), node_instance=node, mount_targets={FS: None}) == [name]


@pytest.mark.parametrize(
    ("mounted", "node"),
    [
        (aws_volume(attributes={"crossaccount": "true"}), in_zone("us-east-1a", "")),
        (aws_volume(attributes={"mounttargetip": "10.9"}), instance()),
        (aws_volume(attributes={"mounttargetipmap": '{"use1-az1": "10.9.0.7"}'}), instance()),
    ],
    ids=["a zone without an id", "no address", "an address for each zone"],
)
def test_where_it_is_not_known_for_what_a_mount_asks_no_job_is_proposed(mounted: Any, node: Any) -> None:
    declined = proposed(efs_volumes=(mounted,), node_instance=node, mount_targets={FS: None})
    assert isinstance(declined, Declined)
    assert "volume pv-1" in declined.why


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
