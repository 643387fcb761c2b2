"""`efsdiag uninstall` where the journal of the install is lost, or knows half of it."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import consents
import pytest
from awsworld import EC2, Asked, Trouble
from installlab import SAFE, Cluster, InstallLab, bare, install_lab
from permits import rights_of
from sampling import one_in
from test_install import CALLS, profile_on_every_node

from efsdiag.cli import uninstalling
from efsdiag.treat.journal import journals

NAME = "prometheus-efs"
ROLE = f"{NAME}-efs-csi"
OWN = {"Key": "efsdiag/name", "Value": NAME}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[InstallLab]:
    with install_lab(bare(), tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def _agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One digest stands for all parts: with it the test agrees to each of them."""
    carry, take_back = uninstalling.carry, uninstalling.take_back

    def carried(plan: Any, *given: Any) -> Any:
        return carry(consents.agree(plan), *given)

    def taken_back(journal: Any, *given: Any) -> int:
        consents.agree(journal.plan)
        return take_back(journal, *given)

    monkeypatch.setattr(uninstalling, "carry", carried)
    monkeypatch.setattr(uninstalling, "take_back", taken_back)


def digest_of(printed: str) -> str:
    found = re.findall(r"--approve ([0-9a-f]{64})", printed)
    assert found, printed
    return str(found[-1])


def uninstalled(lab: InstallLab) -> None:
    """Runs the uninstall with a yes to what it shows."""
    wrote = len(lab.writes())
    assert lab.run("uninstall") == 6, lab.printed
    assert len(lab.writes()) == wrote
    assert lab.run("uninstall", "--approve", digest_of(lab.printed)) == 0, lab.printed
    Cluster(lab).work()


def test_without_its_journal_an_install_is_taken_back_by_its_marks_with_the_printed_rights(
    lab: InstallLab,
) -> None:
    account, cluster = lab.account(), lab.cluster()
    assert lab.run(*SAFE) == 0, lab.printed
    system = lab.account()["systems"][0]
    shutil.rmtree(lab.journal)
    lab.rights = rights_of("uninstall")
    uninstalled(lab)
    assert lab.account() == {**account, "systems": [system]}, "the file system and its data stay"
    assert lab.cluster() == sorted([*cluster, "namespaces /monitoring"])
    assert lab.run("uninstall") == 0, lab.printed
    assert "there is nothing of this install that could be taken back" in lab.printed
    for what in (("--delete-file-system", system), ("--delete-namespace",)):
        assert " ".join(what) in lab.printed, "how to go on is told"
    for what in (("--delete-file-system", system), ("--delete-namespace",)):
        assert lab.run("uninstall", *what) == 6, lab.printed
        assert lab.run("uninstall", *what, "--approve", digest_of(lab.printed)) == 0, lab.printed
    assert (lab.account(), lab.cluster()) == (account, cluster)


def test_without_its_journal_the_policy_in_a_role_of_others_is_known_by_its_name_and_words(lab: InstallLab) -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    profile_on_every_node(lab, "nodes", json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    account = lab.account()
    assert lab.run(*SAFE) == 0, lab.printed
    assert lab.account()["inline"] != account["inline"]
    shutil.rmtree(lab.journal)
    uninstalled(lab)
    assert lab.account() == {**account, "systems": lab.account()["systems"]}


@pytest.mark.parametrize("kept", one_in(2, [0, 1]), ids=["the first round and each second after it", "the others"])
def test_with_half_of_its_journals_the_rest_is_taken_back_by_its_marks(lab: InstallLab, kept: int) -> None:
    account, cluster = lab.account(), lab.cluster()
    assert lab.run(*SAFE) == 0, lab.printed
    for file in sorted(lab.journal.glob("*.jsonl"))[1 - kept :: 2]:
        file.unlink()
    assert any(j.to_undo for j in journals(lab.journal))
    left = ["DeleteSecurityGroup"] * 2

    def in_use(asked: Asked) -> Trouble | None:
        """A mount target takes minutes to go, and the group is used as long."""
        if asked.operation not in left or asked.dry_run:
            return None
        left.remove(asked.operation)
        return Trouble("DependencyViolation", 400)

    lab.aws.meddle = in_use
    uninstalled(lab)
    assert left == []
    assert lab.account() == {**account, "systems": lab.account()["systems"]}
    assert lab.cluster() == sorted([*cluster, "namespaces /monitoring"])
    assert not any(j.to_undo for j in journals(lab.journal)), "the journals know that it is gone"


def test_a_typed_yes_is_needed_and_nothing_else_goes_on(lab: InstallLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.aws.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}", Tags=[OWN])
    lines = iter(["y\n", "yes\n"])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True, readline=lambda: next(lines)))
    assert lab.run("uninstall") == 6, lab.printed
    assert lab.writes() == []
    consents.INSTALLS.add("uninstall")
    assert lab.run("uninstall") == 0, lab.printed
    assert lab.writes() == ["DeleteRole"]


# --- after an install that came not to its end --------------------------------------------------------------------

STOPS = list(itertools.product(CALLS, ("refused", "throttled"), ("its journal", "no journal")))
LAST = ("CreateMountTarget", "refused", "no journal")


@pytest.mark.parametrize("stop", one_in(18, STOPS, always=[LAST]), ids=", ".join)
def test_what_an_install_made_before_it_stopped_is_taken_back(lab: InstallLab, stop: tuple[str, str, str]) -> None:
    call, how, journal = stop
    account, cluster = lab.account(), lab.cluster()
    codes = {"refused": ("UnauthorizedOperation", "AccessDenied"), "throttled": ("RequestLimitExceeded", "Throttling")}
    trouble = Trouble(codes[how][0 if call in EC2 else 1], 403 if how == "refused" else 400)
    lab.aws.meddle = lambda asked: trouble if asked.operation == call and not asked.dry_run else None
    assert lab.run(*SAFE) == 5, lab.printed
    lab.aws.meddle = lambda _: None
    if journal == "no journal":
        shutil.rmtree(lab.journal)
    code = lab.run("uninstall")
    if code:
        assert (code, lab.run("uninstall", "--approve", digest_of(lab.printed))) == (6, 0), lab.printed
    Cluster(lab).work()
    assert lab.account() == {**account, "systems": lab.account()["systems"]}
    assert [line for line in lab.cluster() if line != "namespaces /monitoring"] == cluster


def tagged_identity(lab: InstallLab) -> None:
    """The role and the profile of an install, and nothing else of it."""
    iam = lab.aws.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}", Tags=[OWN])
    iam.create_instance_profile(InstanceProfileName=ROLE, Tags=[OWN])
    iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)


def test_an_uninstall_that_is_refused_names_the_right_and_goes_on_from_there(lab: InstallLab) -> None:
    tagged_identity(lab)
    refused = ["RemoveRoleFromInstanceProfile", "DeleteRole"]
    lab.aws.meddle = lambda asked: Trouble("AccessDenied", 403) if asked.operation in refused else None
    for done in ("nothing of this plan was changed", "what was done cannot be undone"):
        assert lab.run("uninstall") == 6, lab.printed
        assert lab.run("uninstall", "--approve", digest_of(lab.printed)) == 5, lab.printed
        assert f"allow iam:{refused.pop(0)}" in lab.printed
        assert done in lab.printed
        assert "efsdiag uninstall goes on from here" in lab.printed
    uninstalled(lab)
    assert lab.account()["roles"] == lab.account()["profiles"] == []


def test_what_could_not_be_looked_at_is_named_with_its_right_and_is_not_called_gone(lab: InstallLab) -> None:
    tagged_identity(lab)
    lab.aws.meddle = lambda asked: Trouble("AccessDenied", 403) if asked.operation == "GetInstanceProfile" else None
    assert lab.run("uninstall") == 3, lab.printed
    assert "could not be looked at: instance profile and role" in lab.printed
    assert "allow iam:GetInstanceProfile" in lab.printed
    assert lab.writes() == []
