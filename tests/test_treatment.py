"""A broken world on a real HTTP API and moto: plan, consent, apply, a second look, undo."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import consents
import pytest
from awsworld import Asked, Trouble
from botocore.exceptions import ClientError
from lab import Lab, lab_of
from plans import label

from efsdiag.changes import Change, Plan
from efsdiag.cli import main
from efsdiag.model import Ref
from efsdiag.operations import READS
from efsdiag.treat.journal import Journal, Step, begin, journals
from efsdiag.treat.plan_file import plan_as_json, read_plan
from efsdiag.writes import write_of

READING = {operation.partition(":")[2] for operation in READS}
SITUATIONS = {
    "nfs-port-closed": "network.mount-target-sg-ingress",
    "no-mount-target-in-zone": "network.no-mount-target-in-az",
    "profile-not-associated": "iam.instance-profile-not-associated",
    "vpc-dns-support-off": "network.vpc-dns-support-disabled",
}


@pytest.fixture(params=SITUATIONS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    with lab_of(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def port_closed(tmp_path: Path) -> Iterator[Lab]:
    with lab_of("nfs-port-closed", tmp_path) as made:
        yield made


def planned(lab: Lab) -> tuple[Path, dict[str, Any]]:
    """A plan in a file, and its document."""
    file = lab.folder / "plan.json"
    file.unlink(missing_ok=True)
    done = lab.run("plan", *lab.target, "-o", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    return file, json.loads(file.read_text())


def mutating(lab: Lab) -> list[str]:
    """Every request that writes which reached either server."""
    kube = [f"{r.verb} {r.resource}" for r in lab.kube.mutations]
    named = [r for r in lab.aws.requests if " " not in r and r not in READING]
    return kube + named + [r for r in lab.aws.requests if " " in r and not r.startswith("GET ")]


def world_of(lab: Lab) -> dict[str, Any]:
    """What can be changed, as both servers tell it."""
    ec2, efs, iam = (lab.aws.client(s) for s in ("ec2", "efs", "iam"))
    vpcs = [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]]
    names = ("enableDnsSupport", "enableDnsHostnames")
    found = {
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "attributes": [
            (v, n, ec2.describe_vpc_attribute(VpcId=v, Attribute=n)[n[0].upper() + n[1:]]) for v in vpcs for n in names
        ],
        "associations": [
            (a["InstanceId"], a["IamInstanceProfile"]["Arn"])
            for a in ec2.describe_iam_instance_profile_associations()["IamInstanceProfileAssociations"]
        ],
        "targets": [
            (t["SubnetId"], t["FileSystemId"])
            for s in efs.describe_file_systems()["FileSystems"]
            for t in efs.describe_mount_targets(FileSystemId=s["FileSystemId"])["MountTargets"]
        ],
        "policies": [
            (r["RoleName"], iam.list_attached_role_policies(RoleName=r["RoleName"])["AttachedPolicies"])
            for r in iam.list_roles()["Roles"]
        ],
    }
    return json.loads(json.dumps(found, sort_keys=True, default=str))


def test_a_plan_writes_nothing_and_names_the_cause(lab: Lab, request: pytest.FixtureRequest) -> None:
    lab.aws.requests.clear()
    _, plan = planned(lab)
    assert [o["mode"] for o in plan["chosen"]] == [SITUATIONS[request.node.callspec.params["lab"]]]
    assert mutating(lab) == []
    assert lab.kube.secret_reads == []


def test_a_plan_that_is_agreed_to_mends_its_cause_and_undo_takes_it_back(lab: Lab) -> None:
    before = world_of(lab)
    file, plan = planned(lab)
    done = lab.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"worked: {plan['chosen'][0]['check']}" in done.stdout
    _, report = lab.why()
    assert plan["chosen"][0]["mode"] not in {c["id"] for c in report["rootCauses"]}
    assert world_of(lab) != before
    back = lab.run("undo", "--approve", plan["digest"])
    assert back.returncode == 0, back.stdout + back.stderr
    assert world_of(lab) == before
    _, report = lab.why()
    assert plan["chosen"][0]["mode"] in {c["id"] for c in report["rootCauses"]}
    assert lab.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None


@pytest.mark.parametrize("approval", [[], ["--approve", "0" * 64], ["--approve", ""]])
def test_without_the_right_approval_nothing_is_written(port_closed: Lab, approval: list[str]) -> None:
    file, plan = planned(port_closed)
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), *approval)
    assert done.returncode == 6
    assert plan["digest"] in done.stderr
    assert mutating(port_closed) == []


def test_changed_evidence_makes_the_plan_stale_and_nothing_is_written(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    ec2 = port_closed.aws.client("ec2")
    group = plan["chosen"][0]["changes"][0]["write"]["parameters"]["GroupId"]
    other = ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc_of(ec2, group))["GroupId"]
    efs = port_closed.aws.client("efs")
    for system in efs.describe_file_systems()["FileSystems"]:
        for target in efs.describe_mount_targets(FileSystemId=system["FileSystemId"])["MountTargets"]:
            efs.modify_mount_target_security_groups(MountTargetId=target["MountTargetId"], SecurityGroups=[other])
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 6, done.stdout + done.stderr
    assert "plan-stale" in done.stderr
    assert mutating(port_closed) == []


def vpc_of(ec2: Any, group: str) -> str:
    return str(ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"])


def test_a_plan_whose_cause_is_gone_has_nothing_to_do(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    write = plan["chosen"][0]["changes"][0]["write"]["parameters"]
    port_closed.aws.client("ec2").authorize_security_group_ingress(**write)
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing to do" in done.stdout
    assert mutating(port_closed) == []


def test_a_changed_plan_file_is_refused(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    plan["chosen"][0]["changes"][0]["write"]["parameters"]["IpPermissions"][0]["FromPort"] = 0
    file.write_text(json.dumps(plan))
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 2
    assert "was changed after it was made" in done.stderr
    assert mutating(port_closed) == []


def test_another_cluster_is_refused(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    namespace = port_closed.kube.object("namespaces", "kube-system")
    assert namespace is not None
    port_closed.kube.add({**namespace, "metadata": {**namespace["metadata"], "uid": "another"}})
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 6
    assert "other-place" in done.stderr
    assert mutating(port_closed) == []


def test_a_lock_that_another_plan_holds_keeps_this_one_out(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    spec = {"holderIdentity": "f" * 64, "leaseDurationSeconds": 900, "renewTime": "2999-01-01T00:00:00.000000Z"}
    port_closed.kube.add(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "efsdiag", "namespace": "kube-system"},
            "spec": spec,
        }
    )
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 6, done.stdout + done.stderr
    assert "another-fix-runs" in done.stderr
    assert [r for r in mutating(port_closed) if "leases" not in r] == []


def test_a_refused_lock_changes_nothing_and_names_the_right(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    port_closed.kube.forbid("create", "leases.coordination.k8s.io")
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", plan["digest"])
    assert done.returncode == 5, done.stdout + done.stderr
    assert "leases" in done.stderr
    assert [r for r in mutating(port_closed) if "leases" not in r] == []


def test_without_a_journal_there_is_nothing_to_undo(port_closed: Lab) -> None:
    port_closed.aws.requests.clear()
    done = port_closed.run("undo")
    assert done.returncode == 2
    assert "nothing-to-undo" in done.stderr
    assert mutating(port_closed) == []


def test_fix_needs_somebody_at_a_terminal(port_closed: Lab) -> None:
    port_closed.aws.requests.clear()
    done = port_closed.run("why", *port_closed.target, "--fix")
    assert done.returncode == 6
    assert "nobody is at a terminal" in done.stderr
    assert "efsdiag apply" in done.stderr
    assert "allow-nfs-from-nodes" in done.stdout
    assert mutating(port_closed) == []


def test_an_undo_without_consent_changes_nothing(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    assert port_closed.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s").returncode == 0
    before = world_of(port_closed)
    port_closed.aws.requests.clear()
    port_closed.kube.requests.clear()
    for approval in ([], ["--approve", "0" * 64]):
        assert port_closed.run("undo", *approval).returncode == 6
    assert mutating(port_closed) == []
    assert world_of(port_closed) == before


@pytest.mark.parametrize("resumed", [False, True])
def test_an_expired_plan_is_refused_also_where_it_was_begun(port_closed: Lab, resumed: bool) -> None:
    file, document = planned(port_closed)
    plan = replace(read_plan(file), expires_at=datetime.now(UTC) - timedelta(seconds=1))
    file.write_text(json.dumps(plan_as_json(plan)))
    if resumed:
        journal = begin(port_closed.journal, plan, datetime.now(UTC))
    port_closed.aws.requests.clear()
    done = port_closed.run("apply", str(file), "--approve", document["digest"])
    assert done.returncode == 6
    assert "plan-expired" in done.stderr
    assert not resumed or f"efsdiag undo {journal.id}" in done.stderr
    assert mutating(port_closed) == []


def test_a_remedy_that_does_not_help_is_told_and_kept(port_closed: Lab) -> None:
    """The server says yes and does nothing."""
    file, plan = planned(port_closed)
    ec2 = port_closed.aws.client("ec2")

    def forget(asked: Asked) -> None:
        if asked.operation == "DescribeSecurityGroups" and "efsdiag/" in asked.agent:
            given = plan["chosen"][0]["changes"][0]["undo"]["parameters"]
            with contextlib.suppress(ClientError):
                ec2.revoke_security_group_ingress(**given)

    port_closed.aws.meddle = forget
    done = port_closed.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    assert done.returncode == 5, done.stdout + done.stderr
    (journal,) = journals(port_closed.journal)
    assert "did not help within 1 s: nfs-port-open still finds network.mount-target-sg-ingress" in done.stdout
    assert f"efsdiag undo {journal.id}" in done.stdout
    assert (journal.outcome, journal.steps) == ("did not help", [Step.DONE])
    assert "did not help" in port_closed.run("journal").stdout
    assert mutating(port_closed).count("AuthorizeSecurityGroupIngress") == 2, "a rehearsal and one call"


def begun(lab: Lab) -> tuple[Path, Plan, Journal]:
    """A plan of three changes, two of the account and one of the cluster, that a run has begun and left."""
    file, _ = planned(lab)
    plan = read_plan(file)
    first = plan.chosen[0].changes[0]
    vpc = lab.aws.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"][0]["VpcId"]

    def names(on: bool) -> Any:
        return write_of("ec2:ModifyVpcAttribute", VpcId=vpc, EnableDnsHostnames={"Value": on})

    second = Change(names(False), "switch off host names", Ref("Vpc", vpc), undo=names(True))
    lab.kube.add(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "spare", "labels": {"fixed": "no"}},
            "spec": {"capacity": {"storage": "1Gi"}},
        }
    )
    changes = (first, second, label("spare"))
    plan = replace(plan, chosen=(replace(plan.chosen[0], changes=changes),))
    file.write_text(json.dumps(plan_as_json(plan)))
    journal = begin(lab.journal, plan, datetime.now(UTC))
    lab.aws.requests.clear()
    lab.kube.requests.clear()
    return file, plan, journal


FAILURES = {
    "AccessDenied": (Trouble("UnauthorizedOperation", 403), Step.FAILED, "allow ec2:ModifyVpcAttribute"),
    "Throttling": (Trouble("Throttling", 400), Step.FAILED, "try again in a minute"),
    "lost": (Trouble(cut=True), Step.BEGUN, "nobody knows whether it was made"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_plan_that_stops_half_way_says_what_was_done_and_goes_on_later(port_closed: Lab, failure: str) -> None:
    trouble, step, says = FAILURES[failure]
    file, plan, journal = begun(port_closed)
    port_closed.aws.meddle = lambda asked: trouble if asked.operation == "ModifyVpcAttribute" else None
    done = port_closed.run("apply", str(file), "--approve", plan.digest, "--settle", "1s")
    assert done.returncode == 5, done.stdout + done.stderr
    assert f"  made: {plan.changes[0].words}" in done.stdout
    assert says in done.stdout
    assert "  not made: label spare" in done.stdout
    assert f"efsdiag undo {journal.id} takes back what was done" in done.stdout
    (kept,) = journals(port_closed.journal)
    assert (kept.outcome, kept.steps) == ("failed", [Step.DONE, step, Step.LEFT])
    assert kept.notes[1] in done.stdout
    writes = [r for r in mutating(port_closed) if "leases" not in r]
    assert writes == ["AuthorizeSecurityGroupIngress", "ModifyVpcAttribute"], "each once, nothing after the failure"
    assert port_closed.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None

    port_closed.aws.meddle = lambda _: None
    done = port_closed.run("apply", str(file), "--approve", plan.digest, "--settle", "1s")
    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = journals(port_closed.journal)
    assert (kept.outcome, kept.steps) == ("worked", [Step.DONE] * 3)


def test_a_conflict_in_the_cluster_stops_the_plan_and_undo_takes_back_the_rest(port_closed: Lab) -> None:
    before = world_of(port_closed)
    file, plan, _ = begun(port_closed)
    spare = port_closed.kube.object("persistentvolumes", "spare")
    assert spare
    port_closed.kube.add({**spare, "metadata": {**spare["metadata"], "labels": {"fixed": "by hand"}}})
    done = port_closed.run("apply", str(file), "--approve", plan.digest)
    assert done.returncode == 5
    assert "failed: label spare" in done.stdout
    assert next(r for r in port_closed.kube.mutations if r.verb == "patch" and not r.dry_run).status == 422
    done = port_closed.run("undo", "--approve", plan.digest)
    assert done.returncode == 0, done.stdout + done.stderr
    assert world_of(port_closed) == before
    spare = port_closed.kube.object("persistentvolumes", "spare")
    assert spare
    assert spare["metadata"]["labels"] == {"fixed": "by hand"}


def test_an_undo_that_is_refused_half_way_says_so_and_goes_on_later(port_closed: Lab) -> None:
    before = world_of(port_closed)
    file, plan, journal = begun(port_closed)
    assert port_closed.run("apply", str(file), "--approve", plan.digest, "--settle", "1s").returncode == 0
    port_closed.aws.meddle = lambda asked: Trouble("Throttling") if asked.operation == "ModifyVpcAttribute" else None
    done = port_closed.run("undo", "--approve", plan.digest)
    assert done.returncode == 5
    assert "  taken back: label spare" in done.stdout
    assert "not known to be taken back: switch off host names" in done.stdout
    assert f"  made: {plan.changes[0].words}" in done.stdout
    port_closed.aws.meddle = lambda _: None
    assert port_closed.run("undo", journal.id, "--approve", plan.digest).returncode == 0
    assert world_of(port_closed) == before


def test_a_lock_that_cannot_be_released_is_no_failure_of_the_plan(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    port_closed.kube.fail("DELETE .*leases", status=500)
    done = port_closed.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the lock could not be released" in done.stderr
    assert port_closed.run("undo", "--approve", plan["digest"]).returncode == 0, "the same plan takes it over"
    assert port_closed.kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system") is None


def test_a_journal_that_cannot_be_written_stops_the_plan_before_its_first_write(
    port_closed: Lab, tmp_path: Path
) -> None:
    file, plan = planned(port_closed)
    (tmp_path / "file").write_text("")
    port_closed.aws.requests.clear()
    done = port_closed.run(
        "apply", str(file), "--approve", plan["digest"], EFSDIAG_JOURNAL=str(tmp_path / "file" / "j")
    )
    assert done.returncode == 6
    assert "journal-not-written" in done.stderr
    assert mutating(port_closed) == []


def test_a_disk_that_is_full_half_way_is_told_with_what_was_done(
    port_closed: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, plan, _ = begun(port_closed)
    left, write = iter(range(3)), os.pwrite

    def full(opened: int, text: bytes, at: int) -> int:
        return write(opened, text, at) if next(left, None) is not None else write(opened, b"", at)

    monkeypatch.setattr(os, "pwrite", full)
    done = port_closed.run("apply", str(file), "--approve", plan.digest)
    assert done.returncode == 5
    assert "journal-not-written" in done.stderr
    assert f"  made: {plan.changes[0].words}" in done.stdout
    assert "nobody knows whether it was made: switch off host names" in done.stdout
    assert "  not made: label spare" in done.stdout
    assert [r for r in mutating(port_closed) if "leases" not in r][-1] == "ModifyVpcAttribute"


def test_a_write_that_nobody_agreed_to_fails_the_test_that_made_it(port_closed: Lab) -> None:
    file, plan = planned(port_closed)
    done = port_closed.run("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    assert done.returncode == 0
    assert consents.OFFENCES == []
    consents.forget()
    assert port_closed.run("undo", "--approve", plan["digest"]).returncode == 0
    assert consents.OFFENCES == [], "the words of an undo are a consent too"
    file, plan = planned(port_closed)
    words = port_closed.words("apply", str(file), "--approve", plan["digest"], "--settle", "1s")
    consents.forget()
    with mock.patch.dict(os.environ, port_closed.environment, clear=True):
        main(words)
    assert [offence.split()[0] for offence in consents.OFFENCES] == [
        "create",
        "AuthorizeSecurityGroupIngress",
        "delete",
    ]
    consents.OFFENCES.clear()
