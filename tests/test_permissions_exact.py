"""Under exactly the printed rights every read works; without any single one of them the report names that one."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, lab_of
from permits import Served, atoms, guard, less, policy, rights_for, roles, served, without
from remedylab import RemedyLab, lab_of_world
from rightscases import CASES, FAULTS
from sampling import one_in
from test_remedies_lab import ROUNDS
from worlds.base import healthy
from worlds.ids import NOW
from worlds.look import rulebook

from efsdiag.investigate import Investigation, investigate
from efsdiag.model import State
from efsdiag.report.data import Environment, Surroundings, Usage, report_of
from efsdiag.rights.missing import missing_rights
from efsdiag.rights.roles import Grants
from efsdiag.subjects import SubjectError

WHY = ("--for", "why")
(ROLE,) = roles(*WHY)
POLICY = policy(*WHY)
REFUSALS = ("cannot", "AWS refuses", "forbidden")


def look(world: Served) -> Investigation | None:
    """What a diagnosis finds; None where there is no such target."""
    try:
        return investigate(rulebook(), world, world.world.asked, NOW, strict=True)
    except SubjectError:
        return None


def refused_in(found: Investigation) -> list[str]:
    verdicts = found.diagnosis.verdicts.values()
    return [v.says for v in verdicts if v.state is State.UNKNOWN and any(word in v.says for word in REFUSALS)]


def missing_in(found: Investigation | None) -> tuple[set[tuple[str, str, str]], set[str]]:
    """The rights of Kubernetes and the actions of AWS that `--missing` makes of the report."""
    if found is None:
        return set(), set()
    report = report_of(found, Surroundings(Environment("live"), Usage(0)))
    grants, _ = missing_rights(report)
    return {(r.group, r.resource, r.verb) for r in grants.kubernetes}, set(grants.aws)


@pytest.fixture(scope="module")
def asking(cases: dict[str, Served]) -> dict[str, list[Served]]:
    """Operation → the worlds in which it is asked for."""
    found: dict[str, list[Served]] = {}
    for world in cases.values():
        world.let([ROLE], POLICY).asked.clear()
        look(world)
        for operation in world.asked:
            found.setdefault(operation, []).append(world)
    return found


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """The worlds that together ask for everything, each on an HTTP API server."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("cases")
        made = {}
        for number, (name, world) in enumerate(CASES.items()):
            own = folder / str(number)
            own.mkdir()
            made[name] = stack.enter_context(served(world(), own))
        yield made


@pytest.mark.parametrize("name", CASES)
def test_with_exactly_the_rights_nothing_is_refused_in_the_worlds_that_ask_for_all(
    cases: dict[str, Served], name: str
) -> None:
    world = cases[name].let([ROLE], POLICY)
    world.kube.requests.clear()
    found = look(world)
    assert [r.path for r in world.kube.requests if r.status == 403] == []
    assert missing_in(found) == (set(), set())
    assert found is None or refused_in(found) == []


@pytest.mark.parametrize("name", one_in(14, sorted(FAULTS)))
def test_with_exactly_the_rights_nothing_is_refused_in_a_world_with_a_fault(tmp_path: Path, name: str) -> None:
    with served(FAULTS[name].world(), tmp_path) as world:
        found = look(world.let([ROLE], POLICY))
        assert [r.path for r in world.kube.requests if r.status == 403] == []
    assert found is not None
    assert refused_in(found) == []


@pytest.mark.parametrize("atom", atoms(ROLE), ids="-".join)
def test_without_one_right_of_the_role_a_report_names_it(
    asking: dict[str, list[Served]], atom: tuple[str, str, str]
) -> None:
    poorer = without(ROLE, atom)
    operation = "kube:log pods" if atom[1] == "pods/log" else f"kube:{atom[2]} {atom[1]}"
    assert any(missing_in(look(world.let([poorer], POLICY)))[0] == {atom} for world in asking[operation])


@pytest.mark.parametrize("action", POLICY["Statement"][0]["Action"])
def test_without_one_action_of_the_policy_a_report_names_it(asking: dict[str, list[Served]], action: str) -> None:
    poorer = less(POLICY, action)
    operation = action.replace("elasticfilesystem:", "efs:")
    assert any(missing_in(look(world.let([ROLE], poorer)))[1] == {action} for world in asking[operation])


# --- the same over HTTP to both -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["nfs-port-closed"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_of(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


def report(lab: Lab, own_role: dict[str, Any], own_policy: dict[str, Any]) -> dict[str, Any]:
    lab.kube.grant_only(own_role)
    lab.aws.meddle = guard(own_policy)
    found: dict[str, Any] = json.loads(lab.run("why", *lab.target, "-o", "json").stdout)
    return found


def test_moto_and_the_api_server_refuse_nothing_that_the_printed_rights_allow(lab: Lab) -> None:
    """The causes are those that the fixture is expected to have, and nothing is a suspect for lack of a right."""
    found = report(lab, ROLE, POLICY)
    assert {c["id"] for c in found["rootCauses"]} in [set(s) for s in lab.expect["rootCauses"]]
    grants, _ = missing_rights(found)
    assert set(grants.aws) == set()


@pytest.mark.parametrize("action", ["ec2:DescribeInstances", "elasticfilesystem:DescribeFileSystems", "iam:GetRole"])
def test_a_refusal_in_the_words_of_aws_is_named_with_its_action(lab: Lab, action: str) -> None:
    grants, _ = missing_rights(report(lab, ROLE, less(POLICY, action)))
    assert set(grants.aws) == {action}


# --- everything at once -------------------------------------------------------------------------------------------

(CHECK,) = roles("--for", "check")
LISTED = [atom for atom in atoms(CHECK) if atom[2] == "list" and atom[1] in ("pods", "persistentvolumeclaims", "jobs")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemedyLab]:
    """A healthy world of which everything can be read."""
    with lab_of_world(healthy(), tmp_path_factory.mktemp("whole")) as made:
        yield made


def checked(whole: RemedyLab, own_role: dict[str, Any]) -> Grants:
    """What `check -A` was refused, for a caller with this role and the policy of check."""
    whole.rights = [own_role], policy("--for", "check")
    whole.kube.requests.clear()
    whole.run("check", "-A", "-o", "json")
    return missing_rights(json.loads(whole.printed))[0]


def test_a_check_of_everything_is_refused_nothing(whole: RemedyLab) -> None:
    grants = checked(whole, CHECK)
    assert (set(grants.kubernetes), set(grants.aws)) == (set(), set())
    assert [r.path for r in whole.kube.requests if r.status == 403] == []


@pytest.mark.parametrize("atom", LISTED, ids="-".join)
def test_without_one_right_to_list_a_check_of_everything_names_it(whole: RemedyLab, atom: tuple[str, str, str]) -> None:
    grants = checked(whole, without(CHECK, atom))
    assert atom in {(r.group, r.resource, r.verb) for r in grants.kubernetes}


def test_a_capture_is_refused_nothing(whole: RemedyLab, tmp_path: Path) -> None:
    whole.rights = roles("--for", "capture"), policy("--for", "capture")
    whole.kube.requests.clear()
    assert whole.run("capture", "-A", "-o", str(tmp_path / "all.tar.gz")) == 0, whole.printed
    assert [r.path for r in whole.kube.requests if r.status == 403] == []
    with tarfile.open(tmp_path / "all.tar.gz") as archive:
        (name,) = [n for n in archive.getnames() if n.endswith("/reads.json") or n == "reads.json"]
        reads = json.load(archive.extractfile(name))
    assert [r for r in reads["reads"] if r["outcome"] == "refused"] == []


# --- to write -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remedy", "lacking", "named"),
    [
        ("label-volume", ("", "persistentvolumes", "patch"), "allow patch persistentvolumes"),
        ("attach-client-policy", "iam:AttachRolePolicy", "allow iam:AttachRolePolicy"),
    ],
    ids=str,
)
def test_without_one_right_to_write_apply_changes_nothing_and_names_it(
    remedy: str, lacking: Any, named: str, tmp_path: Path
) -> None:
    told = ROUNDS[remedy]
    with lab_of_world(told.world(), tmp_path) as lab:
        (role,), own_policy = rights_for(remedy)
        lab.rights = [role], own_policy
        before = lab.declared()
        plan = lab.plan("--remedy", remedy)
        if isinstance(lacking, str):
            lab.rights = [role], less(own_policy, lacking)
        else:
            lab.rights = [without(role, lacking)], own_policy
        assert lab.apply(plan["digest"]) == 5
        assert named in lab.printed
        assert lab.declared() == before
