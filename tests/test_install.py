"""`efsdiag install` from an empty account and a bare cluster to a Prometheus that is ready, and back."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import consents
import pytest
from awsworld import EC2, Asked, Trouble
from helmlab import packed, real_helm
from installlab import DRIVER, SAFE, Cluster, InstallLab, bare, install_lab
from kubelet import Kubelet
from permits import rights_of, without
from sampling import one_in

from efsdiag.changes import Write
from efsdiag.treat.journal import journals
from efsdiag.world import lease
from efsdiag.world.writer import Writer


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


def digest_of(printed: str) -> str:
    found = re.findall(r"--approve ([0-9a-f]{64})", printed)
    assert found, printed
    return str(found[-1])


@pytest.mark.parametrize("flag", ["--plan", "--dry-run"])
def test_a_plan_shows_the_first_round_and_what_follows_and_writes_nothing(lab: InstallLab, flag: str) -> None:
    assert lab.run("install", flag) == 0, lab.printed
    assert "create the file system prometheus-efs" in lab.printed
    later = lab.printed.partition("THEN, ONCE IT EXISTS")[2]
    assert "every zone that has nodes has a mount target   by create-mount-target" in later
    assert "create the file system" not in later
    assert lab.kube.mutations == []
    assert lab.writes() == []


def test_without_a_yes_nothing_is_written_and_the_digest_is_named(lab: InstallLab) -> None:
    assert lab.run("install") == 6
    digest_of(lab.printed)
    assert lab.writes() == []


def test_consent_can_be_given_to_one_plan_after_the_other(lab: InstallLab) -> None:
    for _ in range(4):
        assert lab.run("install", "--approve", digest_of(lab.printed) if lab.printed else "") == 6, lab.printed
    assert lab.run("install", "--approve", digest_of(lab.printed)) == 0, lab.printed


def test_what_is_riskier_than_the_budget_stops_the_install_and_is_named(lab: InstallLab) -> None:
    lambdas = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [lambdas]})
    profile_on_every_node(lab, "nodes", trust)
    assert lab.run(*SAFE) == 6, lab.printed
    assert "--approve-risk safe does not cover: let the role nodes trust EC2" in lab.printed
    assert "UpdateAssumeRolePolicy" not in lab.writes()
    assert lab.run("install", "--approve-risk", "disruptive") == 0, lab.printed


def profile_on_every_node(lab: InstallLab, name: str, trust: str) -> None:
    iam, ec2 = lab.aws.client("iam"), lab.aws.client("ec2")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    for reservation in ec2.describe_instances()["Reservations"]:
        for instance in reservation["Instances"]:
            ec2.associate_iam_instance_profile(InstanceId=instance["InstanceId"], IamInstanceProfile={"Name": name})


def test_uninstall_brings_back_the_world_before(lab: InstallLab) -> None:
    account, cluster = lab.account(), lab.cluster()
    assert lab.run(*SAFE) == 0, lab.printed
    system = lab.account()["systems"][0]
    assert lab.run("uninstall") == 6, lab.printed
    agreed = digest_of(lab.printed)
    consents_to_everything(lab)
    assert lab.run("uninstall", "--approve", agreed) == 0, lab.printed
    Cluster(lab).work()
    assert lab.account() == {**account, "systems": [system]}, "the file system and its data stay"
    assert lab.cluster() == sorted([*cluster, "namespaces /monitoring"])
    for what in (("--delete-file-system", system), ("--delete-namespace",)):
        assert lab.run("uninstall", *what) == 6, lab.printed
        assert lab.run("uninstall", *what, "--approve", digest_of(lab.printed)) == 0, lab.printed
    assert (lab.account(), lab.cluster()) == (account, cluster)


def consents_to_everything(lab: InstallLab) -> None:
    """The test agrees to whatever the journal holds, as its yes to the uninstall does."""
    for journal in journals(lab.journal):
        consents.agree(journal.plan)


def test_an_install_needs_no_other_rights_than_those_that_are_printed_for_it(lab: InstallLab) -> None:
    lab.rights = rights_of("install")
    assert lab.run(*SAFE) == 0, lab.printed
    assert lab.run(*SAFE) == 0, lab.printed


TO_MAKE = (
    ("coordination.k8s.io", "leases", "create"),
    ("", "namespaces", "create"),
    ("", "persistentvolumes", "create"),
    ("", "persistentvolumeclaims", "create"),
    ("batch", "jobs", "create"),
)
"""The rights to make what an install makes in the cluster without helm."""


def test_each_right_in_the_cluster_that_is_missing_stops_the_install_and_is_named(lab: InstallLab) -> None:
    roles, policy = rights_of("install")
    missing = list(TO_MAKE)
    while missing:
        lab.rights = ([reduce(without, missing, roles[0]), *roles[1:]], policy)
        assert lab.run(*SAFE) not in (0, 1), (missing, lab.printed)
        named = [m for m in missing if re.search(rf"allow [\w, ]*\bcreate\b[\w, ]* {m[1]}\b", lab.printed)]
        assert len(named) == 1, (missing, lab.printed)
        missing.remove(named[0])
    lab.rights = (roles, policy)
    assert lab.run(*SAFE) == 0, lab.printed
    made = [w for w in lab.writes() if w.startswith("create ") and "jobs" not in w]
    assert all(made.count(w) <= 2 for w in made), "once refused, once made"


class Killed(BaseException):
    """The end of the process in the middle of its work."""


class Assassin:
    """Ends the run with its n-th write, before or after the server has carried it out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
        self.left = 0
        self.after = after
        self.struck: set[str] = set()
        write = Writer.write

        def struck(writer: Writer, what: Write) -> Any:
            # The trial is made anew with each run that comes so far, so its Job is struck once only.
            if what.operation.endswith(" jobs") and what.operation in self.struck:
                return write(writer, what)
            self.struck |= {what.operation}
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            answer = write(writer, what)
            if self.left == 0:
                raise Killed
            return answer

        monkeypatch.setattr(Writer, "write", struck)
        # A process that is killed releases no lock.
        monkeypatch.setattr(lease, "_release", lambda *given: None if self.left == 0 else RELEASE(*given))


RELEASE = lease._release


@pytest.mark.parametrize("after", one_in(2, [True, False]), ids=["the answer is lost", "the call is not made"])
def test_an_install_that_is_killed_at_every_step_goes_on_and_makes_nothing_twice(
    lab: InstallLab, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    before = lab.account(), lab.cluster()
    assassin = Assassin(monkeypatch, after=after)
    killed = 0
    for _ in range(60):
        # Before the call: the first write goes through, so that each run comes one step further.
        assassin.left = 1 if after else 2
        try:
            code = lab.run(*SAFE)
        except Killed:
            killed += 1
            continue
        break
    assert code == 0, lab.printed
    assert killed >= 15, lab.printed
    made = [w for w in lab.writes() if w.startswith(("Create", "create ")) and "jobs" not in w]
    assert [w for w in made if w != "CreateMountTarget"] == list(
        dict.fromkeys(w for w in made if w != "CreateMountTarget")
    )
    assert made.count("CreateMountTarget") == 2
    consents_to_everything(lab)
    assassin.left = 0
    assert lab.run("uninstall") == 6
    assert lab.run("uninstall", "--approve", digest_of(lab.printed)) == 0, lab.printed
    Cluster(lab).work()
    systems = lab.account()["systems"]
    assert (lab.account(), lab.cluster()) == (
        {**before[0], "systems": systems},
        sorted([*before[1], "namespaces /monitoring"]),
    )


# --- what is there is used ----------------------------------------------------------------------------------------


def test_a_file_system_of_the_settings_is_adopted_with_its_mount_targets(lab: InstallLab) -> None:
    efs, ec2 = lab.aws.client("efs"), lab.aws.client("ec2")
    system = efs.create_file_system(CreationToken="theirs", Encrypted=True, Backup=True)["FileSystemId"]
    instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    nodes = instances[0]["SecurityGroups"][0]["GroupId"]
    efs.create_mount_target(FileSystemId=system, SubnetId=instances[1]["SubnetId"], SecurityGroups=[nodes])
    assert lab.run(*SAFE, "--set", f"storage.fileSystem={system}") == 0, lab.printed
    assert lab.account()["systems"] == [system]
    assert "CreateFileSystem" not in lab.writes()
    assert "CreateSecurityGroup" not in lab.writes(), "the group of the mount target that is there is taken"
    assert lab.writes().count("CreateMountTarget") == 1, "the zone that had none gets one"


def test_an_instance_that_has_a_profile_keeps_it_and_its_role_gets_the_policy(lab: InstallLab) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    profile_on_every_node(lab, "nodes", json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    assert lab.run(*SAFE) == 0, lab.printed
    assert {w for w in lab.writes() if "Profile" in w or "Role" in w} == {"PutRolePolicy"}
    assert lab.account()["profiles"] == [["nodes", ["nodes"]]]


@pytest.mark.parametrize("way", ["access-point-dynamic", "directory"])
def test_the_other_ways_of_storage(lab: InstallLab, way: str) -> None:
    code = lab.run(*SAFE, "--set", f"storage.way={way}", "--set", "storage.path=/")
    assert code == 0, lab.printed
    assert "Prometheus runs with its data on EFS" in lab.printed
    assert (len(lab.account()["points"]) == 1) is (way == "access-point-dynamic")


def test_a_file_system_of_the_settings_that_does_not_exist_is_not_made_up(lab: InstallLab) -> None:
    assert lab.run(*SAFE, "--set", "storage.fileSystem=fs-0123456789abcdef0") == 5, lab.printed
    assert "there is no file system fs-0123456789abcdef0 in this account and region" in lab.printed
    assert lab.account()["systems"] == []


def test_two_file_systems_of_the_name_are_not_chosen_from(lab: InstallLab) -> None:
    tags = [{"Key": "efsdiag/name", "Value": "prometheus-efs"}]
    for token in ("one", "two"):
        lab.aws.client("efs").create_file_system(CreationToken=token, Tags=tags)
    assert lab.run("install", "--dry-run") == 3, lab.printed
    assert "several have that name" in lab.printed
    assert "create the file system" not in lab.printed


def test_nodes_are_those_that_the_settings_select(lab: InstallLab) -> None:
    assert lab.run(*SAFE, "--set", "nodes=workload=monitoring") == 0, lab.printed
    assert len(lab.account()["associations"]) == 1
    assert len(lab.account()["targets"]) == 1


# --- settings -----------------------------------------------------------------------------------------------------


def test_init_writes_the_settings_and_they_are_used(lab: InstallLab) -> None:
    assert lab.run("install", "--init") == 0, lab.printed
    file = lab.folder / "efsdiag.yaml"
    file.write_text(file.read_text().replace("name: prometheus-efs", "name: metrics", 1))
    assert lab.run("install", "--plan") == 0, lab.printed
    assert "create the file system metrics" in lab.printed
    assert lab.run("install", "--init") == 2, "a file that is there is never written over"


def test_a_mistake_in_the_settings_is_told_with_its_line(lab: InstallLab) -> None:
    (lab.folder / "efsdiag.yaml").write_text("name: x\nstorage:\n  wey: directory\n")
    assert lab.run("install", "--plan") == 2
    assert "efsdiag.yaml:3 has storage.wey, which is no setting" in lab.printed
    assert "did you mean storage.way?" in lab.printed


# --- the trial ----------------------------------------------------------------------------------------------------


def test_a_claim_through_which_nobody_can_write_gets_no_prometheus(lab: InstallLab) -> None:
    lab.runs_jobs = False
    assert lab.run(*SAFE) == 5, lab.printed
    assert "Job efsdiag-trial" in lab.printed
    assert lab.all("jobs.batch") == [], "the Job is taken away all the same"
    assert lab.kube.object("deployments.apps", "prometheus-server", "monitoring") is None
    lab.runs_jobs = True
    assert lab.run(*SAFE) == 0, lab.printed


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv (Debian's package util-linux) is not installed")
@pytest.mark.parametrize("owner", [65534, 0], ids=["of its owner", "of root"])
def test_the_trial_really_writes_and_reads_back_and_leaves_nothing(lab: InstallLab, owner: int) -> None:
    lab.runs_jobs = False
    with tempfile.TemporaryDirectory() as made:
        volume = Path(made)
        os.chown(volume, owner, owner)
        volume.chmod(0o755)
        with Kubelet(lab.kube, {"prometheus-efs": volume}) as kubelet:
            lab.pause_s = 0.1
            code = lab.run(*SAFE)
        assert (code, len(kubelet.ran)) == ((0, 1) if owner else (5, 1)), lab.printed
        assert list(volume.iterdir()) == []
    assert ("uid 65534 cannot write to the volume" in lab.printed) is not bool(owner)


# --- refused and throttled ----------------------------------------------------------------------------------------

CALLS = (
    "CreateFileSystem",
    "CreateRole",
    "PutRolePolicy",
    "CreateInstanceProfile",
    "AddRoleToInstanceProfile",
    "AssociateIamInstanceProfile",
    "CreateAccessPoint",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "CreateMountTarget",
)
"""What an install from an empty account asks AWS to make."""


def test_each_call_that_aws_refuses_stops_the_install_and_names_the_right_and_nothing_is_forgotten(
    lab: InstallLab,
) -> None:
    refused = list(CALLS)

    def meddle(asked: Asked) -> Trouble | None:
        code = "UnauthorizedOperation" if asked.operation in EC2 else "AccessDenied"
        return Trouble(code, 403) if asked.operation in refused else None

    lab.aws.meddle = meddle
    while refused:
        assert lab.run(*SAFE) == 5, (refused, lab.printed)
        granted = [call for call in refused if re.search(rf"allow [\w:, ]*\w+:{call}\b", lab.printed)]
        assert len(granted) == 1, (refused, lab.printed)
        refused.remove(granted[0])
    lab.aws.meddle = lambda _: None
    assert lab.run(*SAFE) == 0, lab.printed
    made = [w for w in lab.writes() if w in CALLS and w != "AssociateIamInstanceProfile"]
    # A refused call was sent as well; each of them came to its end once, as the account shows.
    assert set(made) == set(CALLS) - {"AssociateIamInstanceProfile"}
    account = lab.account()
    assert [len(account[k]) for k in ("systems", "targets", "points", "roles", "profiles")] == [1, 2, 1, 1, 1]


def test_each_call_that_aws_throttles_is_waited_for(lab: InstallLab) -> None:
    left = set(CALLS)

    def throttled(asked: Asked) -> Trouble | None:
        if asked.operation not in left or asked.dry_run:
            return None
        left.discard(asked.operation)
        return Trouble("RequestLimitExceeded" if asked.operation in EC2 else "ThrottlingException", 400)

    lab.aws.meddle = throttled
    assert lab.run(*SAFE) == 0, lab.printed
    assert left == set()
    assert lab.printed.count("looking again in") == len(CALLS)


@pytest.mark.parametrize("call", ["DescribeFileSystems", "DescribeInstances", "ListInstanceProfiles"])
def test_what_may_not_be_read_is_never_made(lab: InstallLab, call: str) -> None:
    refusal = Trouble("UnauthorizedOperation" if call == "DescribeInstances" else "AccessDenied", 403)
    lab.aws.meddle = lambda asked: refusal if asked.operation == call else None
    assert lab.run(*SAFE) in (3, 5), lab.printed
    assert f":{call}" in lab.printed
    depends = {
        "DescribeFileSystems": {"CreateFileSystem"},
        "DescribeInstances": {"AssociateIamInstanceProfile", "CreateMountTarget"},
        "ListInstanceProfiles": {"CreateRole", "CreateInstanceProfile"},
    }
    assert not depends[call] & set(lab.writes())


# --- helm itself --------------------------------------------------------------------------------------------------


@pytest.mark.helm
@pytest.mark.skipif(real_helm() is None, reason="helm is not installed")
def test_a_real_helm_installs_both_releases_and_takes_them_back(
    lab: InstallLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(str(real_helm())), prepend=os.pathsep)
    lab.stands_in = False
    charts = {part: packed(name, lab.folder) for part, name in (("driver", DRIVER), ("prometheus", "prometheus"))}
    (lab.folder / "efsdiag.yaml").write_text(
        "".join(f"{part}:\n  archive: {archive}\n" for part, archive in charts.items())
    )
    cluster = lab.cluster()
    assert lab.run(*SAFE) == 0, lab.printed
    assert "Deployment/prometheus-server" in lab.printed.partition("WHAT HELM WOULD MAKE")[2]
    assert lab.run("uninstall") == 6, lab.printed
    consents_to_everything(lab)
    assert lab.run("uninstall", "--approve", digest_of(lab.printed)) == 0, lab.printed
    Cluster(lab).work()
    # The chart keeps its CSIDriver, which is made by a hook, as the plan says.
    assert lab.cluster() == sorted([*cluster, "csidrivers.storage.k8s.io /efs.csi.aws.com", "namespaces /monitoring"])
