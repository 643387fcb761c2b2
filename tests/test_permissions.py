"""`efsdiag permissions`: what it prints, and that it leaves nothing out that the code can say."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from conftest import FIXTURES, ROOT, run_efsdiag
from permits import atoms, policy, printed, roles

import efsdiag
from efsdiag.cli import permitting
from efsdiag.cli.permissions import FOR
from efsdiag.operations import READS
from efsdiag.rights.missing import missing_rights
from efsdiag.rights.needs import JOB_LOGS, LOCK
from efsdiag.rights.roles import FOR_EVERYBODY, Right, grants_of, roles_of
from efsdiag.rights.spoken import operations_of
from efsdiag.rules import load_rulebook
from efsdiag.world import lease
from efsdiag.writes import WRITES

PAGE = ROOT / "docs" / "rights.md"
PRINTED = re.compile(
    r"(<!-- permissions: (?P<options>[\w -]+?) -->\n```yaml\n)(?P<shown>.*?)(```\n<!-- end of permissions -->)", re.S
)
WHICH = [*(("--for", name) for name in FOR), ("--read",), ("--write",)]
SOURCE = Path(efsdiag.__file__).parent


@cache
def needed(which: str) -> set[str]:
    return set(permitting.NEEDED[which][1](load_rulebook()))


# --- derived from the code, and nothing left out ------------------------------------------------------------------

TABLES = {"operations.py", "writes.py"}
"""The lists of operations themselves."""
KNOWS_ALL = ("semantics/", "world/bundle", "world/recorder.py", "world/kube.py", "world/aws.py", "world/writer.py")
"""What asks for nothing by itself: it answers or carries out whatever it is asked for."""


def said_in(file: Path) -> set[str]:
    """The operations that stand as texts anywhere in the file."""
    texts = {n.value for n in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(n, ast.Constant)}
    # What helm may do is for its chart to say: its operations have no right of their own.
    granted = [*READS, *(name for name, write in WRITES.items() if write.permissions)]
    return {name for name in granted if name in texts}


def test_every_operation_that_a_module_names_is_in_the_rights_of_some_command() -> None:
    known, strangers = needed("apply") | needed("read") | needed("uninstall"), {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        if name not in TABLES and not name.startswith(KNOWS_ALL):
            strangers[name] = said_in(file) - known
    assert len(strangers) > 100
    assert {name: sorted(left) for name, left in strangers.items() if left} == {}


def test_an_operation_is_found_in_a_function_that_the_function_calls() -> None:
    def inner(read):
        return read("efs:DescribeFileSystems")

    scope = {"inner": inner, "__name__": "efsdiag.made_up"}
    inner.__module__ = "efsdiag.made_up"
    exec("def outer(read):\n    return [inner(read) for _ in range(2)]", scope)
    assert operations_of(scope["outer"]) == {"efs:DescribeFileSystems"}


def test_an_operation_is_found_where_its_end_stands_in_a_table() -> None:
    scope = {"KINDS": {"Deployment": ("deployments", ("deploy", "secrets"))}, "__name__": "efsdiag.made_up"}
    exec("def ask(read, kind):\n    return read(f'kube:get {KINDS[kind][0]}')", scope)
    assert operations_of(scope["ask"]) == {"kube:get deployments"}


def test_an_action_that_a_policy_names_is_no_read() -> None:
    """A role of the driver needs ec2:DescribeAvailabilityZones; efsdiag never asks for it."""
    book = load_rulebook()
    assert "ec2:DescribeAvailabilityZones" not in operations_of(book.evidence["usable_profiles"])


def test_the_lock_needs_the_verbs_of_its_requests() -> None:
    source = Path(lease.__file__).read_text(encoding="utf-8")
    verbs = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
    used = {verbs[method] for method in re.findall(r'"(GET|POST|PATCH|DELETE|PUT)"', source)}
    assert {f"kube:{verb} leases" for verb in used} == set(LOCK)


def test_queries_about_a_volume_are_answered_from_job_logs() -> None:
    assert set(JOB_LOGS) == {name for name in READS if name.startswith("volume:")}


def test_what_nothing_asks_for_is_in_no_role() -> None:
    unused = set(READS) - needed("read") - needed("apply") - needed("uninstall")
    assert "ec2:DescribeVolumes" in unused
    granted = {a for which in WHICH for a in policy(*which)["Statement"][0]["Action"]}
    assert not granted & {READS[name].permission for name in unused}


# --- what is printed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", WHICH, ids="".join)
def test_yaml_and_json_say_the_same(which: tuple[str, ...]) -> None:
    document = json.loads(printed(*which, "-o", "json"))
    assert document["kind"] == "Permissions"
    assert document["kubernetes"] == roles(*which) == [json.loads(printed(*which, "--kubernetes", "-o", "json"))]
    assert document["aws"] == policy(*which) == yaml.safe_load(printed(*which, "--aws"))
    assert list(yaml.safe_load_all(printed(*which))) == [*document["kubernetes"], document["aws"]]


@pytest.mark.parametrize("which", WHICH, ids="".join)
def test_every_right_has_a_reason(which: tuple[str, ...]) -> None:
    document = json.loads(printed(*which, "-o", "json"))
    (role,) = document["kubernetes"]
    said = document["neededBy"]
    assert sorted((r["group"], r["resource"], r["verb"]) for r in said["kubernetes"]) == sorted(atoms(role))
    assert [r["action"] for r in said["aws"]] == document["aws"]["Statement"][0]["Action"]
    assert all(r["purposes"] or r["checks"] or r["remedies"] for r in (*said["kubernetes"], *said["aws"]))


@pytest.mark.parametrize("which", WHICH, ids="".join)
def test_in_yaml_a_comment_with_the_reason_stands_over_each_right(which: tuple[str, ...]) -> None:
    text = printed(*which, "--kubernetes")
    for group, resource, verb in atoms(roles(*which)[0]):
        named = rf"apiGroups: \[{re.escape(group or chr(34) * 2)}\]\n    resources: \[{re.escape(resource)}\]"
        assert re.search(rf"^  # {verb}: \S.*\n(  # .*\n)*  - {named}\n    verbs: .*{verb}", text, re.MULTILINE)
    lines = printed(*which, "--aws").splitlines()
    for action in policy(*which)["Statement"][0]["Action"]:
        assert re.match(r"      # \w", lines[lines.index(f"      - {action}") - 1])


def test_a_reason_names_first_what_needs_little_else() -> None:
    text = printed("--for", "why", "--kubernetes")
    assert re.search(r"# list: check ebs-volume-attachable\n.*\n    resources: \[volumeattachments\]", text)


def test_nobody_needs_secrets_or_exec_or_a_wildcard() -> None:
    for which in WHICH:
        rules = [rule for role in roles(*which) for rule in role["rules"]]
        assert not any("*" in rule[key] for rule in rules for key in ("apiGroups", "resources", "verbs"))
        assert not {"secrets", "pods/exec"} & {r for rule in rules for r in rule["resources"]}
        assert not any("*" in a for a in policy(*which)["Statement"][0]["Action"])


def test_to_look_no_verb_is_needed_but_get_and_list() -> None:
    for name in ("why", "check", "plan", "capture"):
        assert {verb for _, _, verb in atoms(roles("--for", name)[0])} == {"get", "list"}
    assert not FOR_EVERYBODY & set(policy("--read")["Statement"][0]["Action"])


def test_who_reads_and_who_writes_have_together_what_apply_needs() -> None:
    both = {*atoms(roles("--read")[0]), *atoms(roles("--write")[0])}
    assert set(atoms(roles("--for", "apply")[0])) <= both
    actions = {a for which in ("--read", "--write") for a in policy(which)["Statement"][0]["Action"]}
    assert set(policy("--for", "apply")["Statement"][0]["Action"]) <= actions


def test_a_probe_writes_jobs_and_the_lock_and_nothing_else() -> None:
    writes = {(r, v) for _, r, v in atoms(roles("--for", "probe")[0]) if v not in ("get", "list")}
    locks = {("leases", verb) for verb in ("create", "patch", "delete")}
    assert writes == {("jobs", "create"), ("jobs", "delete"), *locks}


def test_options_that_stand_for_one_another_are_refused_together() -> None:
    code, out, err = run_efsdiag(["permissions", "--read", "--for", "why"])
    assert (code, out) == (2, "")
    assert "give one of them" in err


def test_a_folder_of_rules_of_ones_own_adds_what_its_evidence_reads(tmp_path: Path) -> None:
    (tmp_path / "disks.yaml").write_text(
        "disk-kept: {claim: the disk is kept, matters: it is lost, blocks: [], modes: [pv.capacity-not-enforced]}\n"
    )
    (tmp_path / "disks.py").write_text(
        "from efsdiag.model import passed\n"
        "def _ask(read):\n    return read('ec2:DescribeVolumes')\n"
        "def disks(read):\n    return _ask(read)\n"
        "def disk_kept(disks):\n    return passed('it is')\n"
    )
    code, out, err = run_efsdiag(["permissions", "--aws", "--rules", str(tmp_path)])
    assert code == 0, err
    assert "      # check disk-kept\n      - ec2:DescribeVolumes\n" in out


# --- what a report lacks ------------------------------------------------------------------------------------------

REPORT = {
    "kind": "Diagnosis",
    "checks": [],
    "suspects": [
        {"check": "claim-bound", "grant": "get persistentvolumeclaims in namespace monitoring"},
        {"check": "node-ready", "grant": "get nodes (cluster-wide)"},
        {"check": "driver-current", "grant": "list daemonsets in all namespaces"},
        {"check": "driver-log", "grant": "get pods/log in namespace kube-system"},
    ],
    "notChecked": [
        {"check": "nfs-port-open", "grant": "allow elasticfilesystem:DescribeMountTargets"},
        {"check": "ipv6-open", "grant": "allow elasticfilesystem:DescribeMountTargets"},
        {"check": "node-plugin-runs", "grant": "list daemonsets in namespace kube-system"},
        {"check": "data-owned", "grant": "a listing of the volume: --probe"},
        {"check": "x", "grant": "give --region, or set AWS_REGION\n- apiGroups: ['*']"},
        {"check": "y", "grant": "get secrets in namespace monitoring"},
    ],
}


def test_what_a_report_was_refused_becomes_a_role_for_each_namespace() -> None:
    grants, others = missing_rights(REPORT)
    found = {(r["kind"], r["metadata"].get("namespace", "")): atoms(r) for r in roles_of(grants.kubernetes, "x")}
    assert found == {
        ("ClusterRole", ""): [("", "nodes", "get"), ("apps", "daemonsets", "list")],
        ("Role", "monitoring"): [("", "persistentvolumeclaims", "get")],
        ("Role", "kube-system"): [("", "pods/log", "get")],
    }
    assert list(grants.aws) == ["elasticfilesystem:DescribeMountTargets"]
    assert sorted(grants.aws["elasticfilesystem:DescribeMountTargets"].checks) == ["ipv6-open", "nfs-port-open"]
    assert len(others) == 3


def test_what_a_check_of_everything_was_refused_is_found_in_its_coverage() -> None:
    refused = {"operation": "kube:list pods", "namespace": "", "why": "no", "grant": "list pods in all namespaces"}
    grants, others = missing_rights({"kind": "HealthReport", "coverage": {"refused": [], "unlisted": [refused]}})
    assert [(r.resource, list(why.purposes)) for r, why in grants.kubernetes.items()] == [("pods", ["was refused"])]
    assert others == []


def test_a_text_of_a_report_that_is_no_right_of_efsdiag_gives_no_right(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(REPORT))
    code, out, _ = run_efsdiag(["permissions", "--missing", str(file)])
    documents = list(yaml.safe_load_all(out))
    assert code == 0
    assert [d.get("kind", "policy") for d in documents] == ["ClusterRole", "Role", "Role", "policy"]
    assert "secrets" not in json.dumps(documents)
    assert "'*'" not in json.dumps(documents)
    assert "# get secrets in namespace monitoring\n" in out


def test_the_report_of_a_bundle_with_all_answers_lacks_nothing(tmp_path: Path) -> None:
    _, report, _ = run_efsdiag(
        ["why", "prometheus-server", "--bundle", str(FIXTURES / "story-parent-dir"), "-o", "yaml"]
    )
    file = tmp_path / "report.yaml"
    file.write_text(report)
    code, out, _ = run_efsdiag(["permissions", "--missing", str(file), "--kubernetes"])
    assert code == 0
    assert yaml.safe_load(out) is None
    assert "nothing" in out


@pytest.mark.parametrize("text", ["", "kind: [", "just words", '{"kind": "Plan"}'])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "report"
    file.write_text(text)
    code, out, err = run_efsdiag(["permissions", "--missing", str(file)])
    assert (code, out) == (2, "")
    assert err.startswith("report-unreadable: ")


def test_a_report_that_is_not_there_is_refused_as_a_document_where_json_is_asked_for() -> None:
    code, out, _ = run_efsdiag(["permissions", "--missing", "no-such-file", "-o", "json"])
    assert code == 2
    assert json.loads(out)["error"]["reference"] == "report-unreadable"


def test_every_right_of_kubernetes_that_a_refusal_can_name_is_read_back() -> None:
    from efsdiag.operations import read_of
    from efsdiag.world.kube import _grant

    for name, read in READS.items():
        if not name.startswith("kube:"):
            continue
        for namespace in ("monitoring", "") if read.namespaced else ("",):
            given = {"namespace": namespace} if namespace else {}
            grants, others = missing_rights({"checks": [{"grant": _grant(read_of(name, **given), read)}]})
            (right,) = grants.kubernetes
            assert others == []
            expected = next(iter(grants_of({name: grants.kubernetes[right]}).kubernetes))
            assert right == Right(expected.group, expected.resource, expected.verb, namespace)


# --- the page -----------------------------------------------------------------------------------------------------


def test_the_page_shows_what_the_command_prints(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text(encoding="utf-8")
    fresh = PRINTED.sub(lambda m: m[1] + printed(*m["options"].split()) + m[4], text)
    if request.config.getoption("--rewrite-golden"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert len(PRINTED.findall(text)) == 4
    assert PAGE.read_text(encoding="utf-8") == fresh, "run pytest --rewrite-golden"


def test_the_page_names_every_choice_of_for() -> None:
    assert [name for name in FOR if f"`{name}`" not in PAGE.read_text(encoding="utf-8")] == []
    assert set(FOR) | {"read", "write"} == set(permitting.NEEDED)
