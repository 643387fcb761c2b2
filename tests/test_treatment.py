"""A broken world on a real HTTP API and moto: plan, consent, apply, a second look, undo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, lab_of

from efsdiag.operations import READS

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


def test_fix_needs_somebody_at_a_terminal(port_closed: Lab) -> None:
    port_closed.aws.requests.clear()
    done = port_closed.run("undo")
    assert done.returncode == 2
    assert "nothing-to-undo" in done.stderr
