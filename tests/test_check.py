"""`efsdiag check` over bundles: the same answers as `why`, folded, in every form, with its exit codes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, Situation, run_efsdiag
from crowds import claim, maker, pod, source_of
from sampling import one_in
from test_many_pods import SHARED, twins
from worlds.base import healthy
from worlds.bundle import encoded, files_of, write
from worlds.compose import uncollected
from worlds.fault import Fault, load
from worlds.ids import NOW
from worlds.look import rulebook
from worlds.world import Thing, World

from efsdiag.health.examine import Examiner, examined
from efsdiag.health.hands import Hands
from efsdiag.health.scope import Scope, Unlisted
from efsdiag.health.survey import Survey, survey
from efsdiag.investigate import investigate
from efsdiag.model import Status
from efsdiag.report.data import Environment, Usage
from efsdiag.report.health import Course, Health, health_report
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory

FAULTS = load()
SITUATIONS = [Situation(folder) for folder in sorted(FIXTURES.iterdir()) if (folder / "expect.json").exists()]
KEYS = {
    "apiVersion",
    "kind",
    "status",
    "exitCode",
    "checkedAt",
    "scope",
    "environment",
    "usage",
    "totals",
    "workloads",
    "rootCauses",
    "latent",
    "suspects",
    "unexplained",
    "notChecked",
    "coverage",
}


def report_on(source: BundleSource, scope: Scope | None = None) -> dict[str, Any]:
    """The HealthReport of a source; a mistake in any function is raised."""
    scope = scope or Scope()
    found = survey(source, scope)
    health = Health(Environment("bundle"))
    for _, looks in examined(Examiner(rulebook(), source, NOW, strict=True), found.workloads, Hands()):
        health.add(looks)
    return health_report(health, Course(scope, found, NOW, Usage(0, None)))


def report_of_world(world: World) -> dict[str, Any]:
    return report_on(BundleSource.of(Memory(encoded(files_of(world)))))


def checked(bundle: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run_efsdiag(["check", "--bundle", str(bundle), "-o", "json", *options])
    assert err == ""
    return code, json.loads(out)


@pytest.fixture(scope="module")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a world in which sixty pods wait for one security group."""
    world = next(f for f in FAULTS if f.mode == "network.mount-target-sg-ingress" and f.sure).world()
    twins(world)
    folder = tmp_path_factory.mktemp("sick")
    write(world, folder)
    return folder


@pytest.fixture(scope="module")
def well(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("well")
    write(healthy(), folder)
    return folder


# --- as `why` says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.path.name)
def test_a_check_blames_in_a_fixture_what_why_blames(situation: Situation) -> None:
    why = situation.report()
    _, check = checked(situation.path, "-n", situation.target.namespace)
    told = {c["fingerprint"]: (c["id"], c["confidence"], c["chain"], c["summary"]) for c in check["rootCauses"]}
    wanted = {c["fingerprint"]: (c["id"], c["confidence"], c["chain"], c["summary"]) for c in why["rootCauses"]}
    assert wanted.items() <= told.items()
    assert check["status"] == why["status"]
    assert {entry["id"] for entry in why["latent"]} <= {entry["id"] for entry in check["latent"]}
    assert set(situation.expect["mustNotBlame"]).isdisjoint(c["id"] for c in check["rootCauses"])


ANOTHER_CAUSE = "operator_does_not_find_the_class_default"
"""The fault that leaves another workload of its world without pods, which is a cause of its own."""
OTHERS = [f for f in FAULTS if f.change.__name__ != ANOTHER_CAUSE]


@pytest.mark.parametrize("fault", one_in(3, OTHERS), ids=lambda f: f.name)
def test_a_check_blames_in_a_world_what_why_blames(fault: Fault) -> None:
    world = fault.world()
    source = BundleSource.of(Memory(encoded(files_of(world))))
    why = investigate(rulebook(), source, world.asked, NOW, strict=True).diagnosis
    check = report_on(source)
    assert {c["id"] for c in check["rootCauses"]} == {c.finding.mode for c in why.causes}
    assert check["status"] == why.status.value


def test_what_no_subject_has_a_part_in_is_made_once_and_is_the_same() -> None:
    """The second workload of a run gets the verdicts that it would get alone."""
    world = FAULTS[0].world()
    twins(world)
    source = BundleSource.of(Memory(encoded(files_of(world))))
    found = survey(source, Scope())
    together = Examiner(rulebook(), source, NOW, strict=True)
    for workload in list(found.workloads.values())[:4]:
        alone = Examiner(rulebook(), source, NOW, strict=True)
        (one,), (other,) = together.examine(workload), alone.examine(workload)
        assert one.found.diagnosis == other.found.diagnosis
        assert dict(one.found.queries) == dict(other.found.queries)


# --- one cause, one entry ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", SHARED)
def test_sixty_pods_with_one_cause_are_one_entry(mode: str) -> None:
    world = next(f for f in FAULTS if f.mode == mode and f.sure).world()
    names = twins(world)
    report = report_of_world(world)
    (cause,) = report["rootCauses"]
    assert (cause["id"], cause["targetCount"], cause["podCount"]) == (mode, len(names), len(names))
    assert len(cause["targets"]) == 20
    assert cause["targets"] == sorted(cause["targets"], key=lambda t: (t["namespace"], t["kind"], t["name"]))
    assert report["workloads"]["diagnosed"] == len(names)
    assert all(entry["targetCount"] <= len(names) for entry in report["latent"])


def test_a_confirmed_entry_stands_for_the_likely_ones() -> None:
    report = report_of_world(next(f for f in FAULTS if f.sure).world())
    assert {c["confidence"] for c in report["rootCauses"]} == {"confirmed"}


def test_pods_of_one_workload_in_two_ways_are_one_target_with_both_numbers() -> None:
    world = next(f for f in FAULTS if f.mode == "network.mount-target-sg-ingress" and f.sure).world()
    twin: Thing = copy.deepcopy(world.pod)
    twin["metadata"] |= {"name": f"{world.pod['metadata']['name'][:-5]}x2x2p", "uid": world.ids.uid()}
    twin["status"]["reason"] = "Another"
    world.all("pods").append(twin)
    (cause,) = report_of_world(world)["rootCauses"]
    assert (cause["targetCount"], cause["podCount"]) == (1, 2)
    assert cause["targets"][0]["pods"] == 2


def test_the_runs_of_a_cron_job_have_one_fingerprint() -> None:
    """The names of Jobs are made up anew for each run; a cause of all of them stays the same cause."""
    prints, targets = set(), set()
    for run in ("28391", "28392"):
        owner = {"kind": "CronJob", "name": "backup", "controller": True, "uid": "c"}
        job = maker("Job", f"backup-{run}")
        job["metadata"]["ownerReferences"] = [owner]
        waiting = pod(f"backup-{run}-x2x2p", owner=("Job", f"backup-{run}"), ready=False, waits="ImagePullBackOff")
        waiting["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = "manifest unknown"
        (cause,) = report_on(source_of(job, waiting, claim("data")))["rootCauses"]
        prints.add((cause["id"], cause["fingerprint"]))
        targets |= {(t["kind"], t["name"]) for t in cause["targets"]}
    assert len(prints) == 1
    assert targets == {("CronJob", "backup")}


# --- the document ------------------------------------------------------------------------------------------------


def test_the_document_has_its_keys_and_its_numbers_agree(sick: Path) -> None:
    code, report = checked(sick)
    assert set(report) - {"rendered"} == KEYS
    assert (report["apiVersion"], report["kind"]) == ("efsdiag/v1", "HealthReport")
    assert (code, report["exitCode"], report["status"]) == (1, 1, "diagnosed")
    assert report["scope"] == {"allNamespaces": True, "namespaces": [], "selector": ""}
    counts = report["workloads"]
    assert counts["looked"] == counts["healthy"] + counts["diagnosed"] + counts["inconclusive"] == 60
    totals = report["totals"]
    assert totals["checks"] == sum(totals[s] for s in ("pass", "fail", "unknown", "waiting", "skip"))
    for key in ("rootCauses", "latent", "suspects", "unexplained", "notChecked"):
        for entry in report[key]:
            assert {"targets", "targetCount", "podCount"} <= set(entry)
            assert key == "notChecked" or entry["fingerprint"]
    prints = [entry["fingerprint"] for key in ("rootCauses", "latent") for entry in report[key]]
    assert len(prints) == len(set(prints))


def test_the_same_evidence_gives_the_same_bytes(sick: Path) -> None:
    first, second = (run_efsdiag(["check", "--bundle", str(sick), "-o", "json"])[1] for _ in range(2))
    assert first == second


def test_yaml_is_the_same_document(well: Path) -> None:
    import yaml

    _, report = checked(well)
    assert yaml.safe_load(run_efsdiag(["check", "--bundle", str(well), "-o", "yaml"])[1]) == report


def test_the_scope_is_in_the_document(well: Path) -> None:
    _, report = checked(well, "-n", "monitoring", "-n", "kube-system", "-l", "app.kubernetes.io/name=prometheus")
    scope = {"allNamespaces": False, "namespaces": ["kube-system", "monitoring"]}
    assert report["scope"] == {**scope, "selector": "app.kubernetes.io/name=prometheus"}
    assert report["workloads"]["looked"] == 1


# --- what could not be looked at ---------------------------------------------------------------------------------


def test_a_list_of_pods_that_was_refused_is_never_healthy() -> None:
    report = report_on(source_of(unread=("pods",)))
    assert (report["status"], report["exitCode"]) == ("inconclusive", 3)
    missed = report["coverage"]["unlisted"]
    assert [(m["operation"], m["namespace"]) for m in missed] == [("kube:list pods", "")]
    assert missed[0]["grant"]


def test_a_workload_that_is_not_well_and_has_no_cause_is_named() -> None:
    world = next(f for f in FAULTS if f.mode == "network.mount-target-sg-ingress" and f.sure).world()
    report = report_on(
        BundleSource.of(uncollected(world, "aws/", "cluster-resources/events/", "cluster-resources/pods/logs/"))
    )
    assert (report["status"], report["rootCauses"]) == ("inconclusive", [])
    (entry,) = report["unexplained"]
    assert entry["object"]["name"] == world.pod["metadata"]["name"]
    assert entry["targets"][0]["name"] == "prometheus-server"
    assert entry["summary"]
    assert {s["check"] for s in report["suspects"]} >= {"nfs-port-open"}


def course(**more: Any) -> Course:
    return Course(Scope(), more.pop("survey", Survey()), NOW, Usage(0, None), **more)


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (course(), Status.HEALTHY),
        (course(timed_out=True), Status.INCONCLUSIVE),
        (course(not_looked=1), Status.INCONCLUSIVE),
        (course(survey=Survey(unlisted=[Unlisted("kube:list jobs", "", "no", "")])), Status.INCONCLUSIVE),
        (course(survey=Survey(unlisted=[Unlisted("kube:list prometheuses", "", "no", "")])), Status.HEALTHY),
    ],
)
def test_what_was_not_looked_at_is_never_healthy(found: Course, status: Status) -> None:
    assert health_report(Health(Environment("bundle")), found)["status"] == status.value


# --- on the command line -----------------------------------------------------------------------------------------


def test_the_terminal_has_the_answer_first_in_at_most_forty_lines(sick: Path) -> None:
    code, out, err = run_efsdiag(["check", "--bundle", str(sick)])
    lines = out.splitlines()
    assert (code, err) == (1, "")
    assert lines[0] == "✗ cause found   60 of 60 workloads with storage are not well"
    assert len(lines) <= 40
    assert "60 pods of 60 workloads: Deployment monitoring/prometheus-server" in out
    assert all(len(own) <= 100 for own in lines if not own.startswith("  collect "))


def test_verbose_shows_all_of_it_and_ascii_is_ascii(sick: Path) -> None:
    short = run_efsdiag(["check", "--bundle", str(sick), "--ascii"])[1]
    long = run_efsdiag(["check", "--bundle", str(sick), "--ascii", "-v"])[1]
    assert short.isascii()
    assert len(long.splitlines()) > len(short.splitlines())
    assert "(-v)" not in long
    assert "aws ec2 describe-security-groups" in long


def test_text_of_the_cluster_is_inert() -> None:
    from efsdiag.report.forms import HEALTH_FORMS, health_text
    from efsdiag.report.terminal import Look

    hostile = "\x1b[2J\u202e</details>|=cmd()\n"
    made = pod("web-0", ready=False, waits=f"Bad{hostile}")
    made["metadata"]["name"] = f"web{hostile}"
    report = report_on(source_of(made, claim("data")))
    assert any(hostile in t["name"] for e in report["unexplained"] + report["rootCauses"] for t in e["targets"])
    for form in HEALTH_FORMS:
        text = health_text(form, report, Look(verbose=True))
        assert not {"\x1b", "\u202e"} & set(text), form


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 0),
        (["--fail-on", "latent"], 1),
        (["--fail-on", "latent", "--exit-zero"], 0),
        (["--exit-zero"], 0),
    ],
)
def test_the_exit_code_of_something_that_is_wrong_and_in_nobodys_way(options: list[str], code: int, well: Path) -> None:
    found, report = checked(well, *options)
    assert report["latent"]
    assert (report["status"], found) == ("healthy", code)


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--exit-zero"], 0)])
def test_the_exit_code_of_a_cause(options: list[str], code: int, sick: Path) -> None:
    assert checked(sick, *options)[0] == code


def test_exit_zero_hides_no_mistake(well: Path) -> None:
    assert run_efsdiag(["check", "--bundle", str(well), "-n", "nowhere", "--exit-zero"])[0] == 2
    assert run_efsdiag(["check", "--bundle", "/nowhere", "--exit-zero"])[0] == 4


def test_quiet_says_nothing_where_all_is_well_and_a_document_all_the_same(well: Path, sick: Path) -> None:
    assert run_efsdiag(["check", "--bundle", str(well), "-q"]) == (0, "", "")
    assert run_efsdiag(["check", "--bundle", str(well), "-q", "--fail-on", "latent"])[1] != ""
    assert run_efsdiag(["check", "--bundle", str(sick), "-q"])[1] != ""
    assert checked(well, "-q")[1]["status"] == "healthy"


@pytest.mark.parametrize(
    ("arguments", "code", "reference"),
    [
        (["-A", "-n", "x"], 2, "usage"),
        (["-l", "a=b=c"], 2, "usage"),
        (["--bundle", "x", "--region", "eu-west-1"], 2, "usage"),
        (["--timeout", "0"], 2, "value-not-accepted"),
        (["--nonsense"], 2, "option-unknown"),
        (["pod/x"], 2, "usage"),
        (["--bundle", "/nowhere"], 4, "bundle-not-found"),
        (["--kubeconfig", "/nowhere"], 4, "kubeconfig-not-found"),
    ],
)
def test_a_mistake_is_one_document_too(arguments: list[str], code: int, reference: str) -> None:
    found, out, _ = run_efsdiag(["check", *arguments, "-o", "json"])
    document = json.loads(out)
    assert (found, document["kind"], document["exitCode"]) == (code, "Error", code)
    assert document["error"]["reference"] == reference
