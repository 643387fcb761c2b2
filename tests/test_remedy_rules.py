"""The rules of remedies, and the list of writes that they may use."""

from __future__ import annotations

import botocore.session
import pytest

from efsdiag.changes import Lookup
from efsdiag.operations import READS, read_of
from efsdiag.remedy_rules import load_remedies, remedy_of, verify_remedies
from efsdiag.rights.spoken import operations_of
from efsdiag.rules import load_rulebook
from efsdiag.writes import WRITES, command_of, dashed, own_uid, write_of
from efsdiag.yaml_files import Entry, RuleError

REMEDIES = load_remedies()
GOOD = {"mends": ["network.nacl"], "does": "does", "costs": "nothing", "settles_s": 5}


def test_every_remedy_mends_modes_of_the_catalogue_and_asks_for_evidence_that_exists() -> None:
    verify_remedies(REMEDIES, load_rulebook())
    assert len(REMEDIES) > 10


def test_every_remedy_is_named_by_a_verb_and_says_what_it_costs() -> None:
    for remedy in REMEDIES.values():
        assert remedy.costs
        assert remedy.does.split()[0].endswith("s"), remedy.id
        assert remedy.settles_s > 0


@pytest.mark.parametrize(
    ("change", "reference"),
    [
        ({"mend": []}, "rule-unknown-key"),
        ({"costs": 5}, "rule-wrong-type"),
        ({"does": None}, "rule-wrong-type"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_line(change: dict[str, object], reference: str) -> None:
    with pytest.raises(RuleError) as told:
        remedy_of(Entry("open-door", {**GOOD, **change}, "rules/remedies/x.yaml:3"), {"open_door": lambda: ()})
    assert told.value.reference == reference
    assert told.value.where == "rules/remedies/x.yaml:3"


def test_a_rule_that_lacks_something_or_has_no_function_is_refused() -> None:
    short = {key: value for key, value in GOOD.items() if key != "costs"}
    with pytest.raises(RuleError, match="lacks costs"):
        remedy_of(Entry("open-door", short, "x:1"), {"open_door": lambda: ()})
    with pytest.raises(RuleError, match="did you mean open_doors"):
        remedy_of(Entry("open-door", GOOD, "x:1"), {"open_doors": lambda: ()})


def test_every_write_of_aws_is_an_operation_of_its_service_and_none_is_a_read() -> None:
    session = botocore.session.get_session()
    for name in WRITES:
        service, _, operation = name.partition(":")
        if service not in ("kube", "helm"):
            assert operation in session.get_service_model(service).operation_names, name
    assert not set(WRITES) & set(READS)


def test_what_is_not_in_the_list_cannot_be_written() -> None:
    for name in ("ec2:TerminateInstances", "efs:UpdateFileSystem", "kube:delete pods", "kube:create secrets"):
        with pytest.raises(ValueError, match="operation-not-a-write"):
            write_of(name)


def test_no_remedy_deletes_what_holds_data() -> None:
    assert "ec2:ReplaceIamInstanceProfileAssociation" not in WRITES
    said = operations_of(*(remedy.propose for remedy in REMEDIES.values()))
    assert "efs:CreateFileSystem" in said
    assert not {"efs:DeleteFileSystem", "kube:delete namespaces"} & said


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("IamInstanceProfile", "iam-instance-profile"),
        ("CreateOpenIDConnectProvider", "create-open-id-connect-provider"),
        ("HttpPutResponseHopLimit", "http-put-response-hop-limit"),
        ("VpcId", "vpc-id"),
    ],
)
def test_names_are_spelled_as_in_the_aws_cli(name: str, spelled: str) -> None:
    assert dashed(name) == spelled


def test_a_looked_up_value_stands_in_the_command_as_the_command_that_finds_it() -> None:
    query = read_of("efs:DescribeMountTargets", FileSystemId="fs-1")
    found = write_of("efs:DeleteMountTarget", MountTargetId=Lookup(query, "MountTargets[0].MountTargetId"))
    assert command_of(found) == (
        'aws efs delete-mount-target --mount-target-id "$(aws efs describe-mount-targets --file-system-id fs-1 '
        "--output text --query 'MountTargets[0].MountTargetId')\""
    )


def test_only_what_efsdiag_made_is_found_for_deletion() -> None:
    import jmespath

    path = own_uid(read_of("kube:get jobs", namespace="a", name="b")).path
    own = {"metadata": {"uid": "u", "labels": {"app.kubernetes.io/managed-by": "efsdiag"}}}
    other = {"metadata": {"uid": "u", "labels": {"app.kubernetes.io/managed-by": "Helm"}}}
    assert [jmespath.search(path, o) for o in (own, other, {"metadata": {"uid": "u"}})] == ["u", None, None]
