"""The rules of the house, checked on the source itself: who imports whom, who may speak, and that nothing writes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter
from pathlib import Path

import botocore.session
import networkx as nx
import pytest
from botocore import xform_name

import efsdiag
from efsdiag.diagnose import graph_of
from efsdiag.gather import parameters_of
from efsdiag.model import UNREAD, Check, ModeKind
from efsdiag.operations import READS
from efsdiag.rules import load_rulebook

ROOT = Path(efsdiag.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
BOOK = load_rulebook()


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def area(file: Path) -> str:
    """ "world" for world/aws.py, "model" for model.py."""
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported(file: Path) -> set[str]:
    """The dotted names that a module imports anywhere in it, inside functions too."""
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(file)}:{node.lineno} imports relatively"
            whole = node.module == "efsdiag"
            found |= {f"efsdiag.{alias.name}" for alias in node.names} if whole else {str(node.module)}
    return found


def every_module(rule: Callable[[Path], None]) -> Callable[[], None]:
    """The rule for all modules in one test, which names each that breaks it: there are too many for a test each."""

    def test() -> None:
        wrong = []
        for file in MODULES:
            try:
                rule(file)
            except AssertionError as error:
                wrong.append(f"{named(file)}: {error}")
        assert wrong == [], "\n".join(wrong)

    test.__doc__ = rule.__doc__
    return test


# --- imports point one way ---------------------------------------------------------------------------------------

MAY_IMPORT = {
    "model": set(),
    "yaml_files": set(),
    "operations": {"model"},
    "catalogue": {"model", "yaml_files"},
    "messages": {"catalogue", "model", "yaml_files"},
    "semantics": {"model", "semantics"},
    "reading": {"model", "semantics"},
    "evidence": {"evidence", "messages", "model", "reading", "semantics", "settings"},
    "checks": {"checks", "evidence", "messages", "model", "semantics", "settings"},
    "diagnose": {"model"},
    "gather": {"model", "operations"},
    "rule_verification": {"diagnose", "gather", "model", "yaml_files"},
    "rules": {"catalogue", "checks", "model", "rule_verification", "yaml_files"},
    "judge": {"checks", "gather", "model", "rules"},
    "subjects": {"gather", "model", "semantics"},
    "investigate": {"diagnose", "gather", "judge", "model", "rules", "semantics", "settings", "subjects"},
    "health": {"gather", "health", "investigate", "model", "operations", "rules", "semantics", "subjects"},
    "changes": {"model"},
    "writes": {"changes", "model"},
    "patches": {"changes", "redaction", "semantics", "writes"},
    "chart_keys": {"semantics", "yaml_files"},
    "chart_conflicts": {"charts", "settings"},
    "charts": {"releases", "semantics", "setting_names", "settings"},
    "driver_role": {"changes", "model", "semantics", "settings", "writes"},
    "nfs_group": {"changes", "model", "operations", "semantics", "settings", "writes"},
    "deletions": {"changes", "model", "operations", "settings", "writes"},
    "target": {"model", "setting_names", "settings"},
    "belongings": {
        "belongings",
        "changes",
        "driver_role",
        "model",
        "nfs_group",
        "operations",
        "remedies",
        "semantics",
        "settings",
        "writes",
    },
    "adoption": {"model", "semantics", "settings"},
    "releases": {"changes", "model", "writes"},
    "setting_kinds": {"semantics", "yaml_files"},
    "settings": {"setting_kinds"},
    "setting_names": {"setting_kinds", "settings"},
    "settings_file": {"chart_keys", "setting_kinds", "setting_names", "settings", "yaml_files"},
    "listing": {"semantics"},
    "jobs": {"changes", "model", "operations", "semantics", "writes"},
    "remedies": {
        "changes",
        "charts",
        "driver_role",
        "evidence",
        "jobs",
        "model",
        "nfs_group",
        "operations",
        "patches",
        "releases",
        "remedies",
        "semantics",
        "setting_names",
        "settings",
        "writes",
    },
    "remedy_rules": {"changes", "gather", "remedies", "rules", "yaml_files"},
    "rights": {"gather", "operations", "remedy_rules", "rights", "rules", "world", "writes"},
    "treat": {"changes", "files", "gather", "model", "operations", "redaction", "remedy_rules", "treat", "writes"},
    "redaction": {"redaction"},
    "pseudonyms": {"catalogue", "pseudonyms"},
    "surroundings": {"model", "operations", "semantics"},
    "world": {
        "changes",
        "chart_keys",
        "model",
        "operations",
        "pseudonyms",
        "redaction",
        "releases",
        "semantics",
        "world",
        "writes",
        "yaml_files",
    },
}
"""Module or folder → what of efsdiag it may import. Those that are not here may import anything, except as below."""

MAY_NOT_IMPORT = {"report": {"world", "cli", "evidence", "checks"}}

HOMES = {
    "boto3": {"world/aws.py"},
    "botocore": {"world/aws.py", "world/writer.py"},
    "jmespath": {"world/writer.py"},
    "kubernetes": {"world/kube_http.py"},
    "urllib3": {"world/kube_http.py"},
    "networkx": {"diagnose.py"},
    "yaml": {"yaml_files.py"},
    "rich": {"report/"},
    "click": {"cli/"},
}
"""Third-party package → the file or folder where it lives."""


@every_module
def test_imports_point_one_way(file: Path) -> None:
    inside = {name.split(".")[1] for name in imported(file) if name.startswith("efsdiag.")}
    if area(file) in MAY_IMPORT:
        assert inside <= MAY_IMPORT[area(file)]
    assert not inside & MAY_NOT_IMPORT.get(area(file), set())
    assert "cli" not in inside or area(file) in ("cli", "__main__")


@every_module
def test_every_third_party_package_is_used_in_its_home_alone(file: Path) -> None:
    packages = {name.partition(".")[0] for name in imported(file)} - {"efsdiag"} - sys.stdlib_module_names
    strangers = {p for p in packages if not any(named(file).startswith(home) for home in HOMES.get(p, ()))}
    assert strangers == set()


def test_every_home_is_inhabited() -> None:
    for package, homes in HOMES.items():
        users = {named(f) for f in MODULES if package in {name.partition(".")[0] for name in imported(f)}}
        assert users, f"{package} is used nowhere"
        assert all(any(user.startswith(home) for user in users) for home in homes)


def test_the_packages_of_the_world_are_imported_with_the_first_question_only() -> None:
    for file in MODULES:
        at_once = {
            name.partition(".")[0]
            for node in tree(file).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)])
        }
        assert not at_once & {"boto3", "botocore", "kubernetes", "urllib3"}, named(file)


# --- nothing writes ----------------------------------------------------------------------------------------------


def calls(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(file)) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    """The last name of what is called: "get" of `self._client.get(…)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@cache
def writes_of_aws() -> frozenset[str]:
    """botocore's method names of all operations, of the services that efsdiag asks, that are no reads of its list."""
    services = {name.partition(":")[0] for name in READS} - {"kube", "volume"}
    session = botocore.session.get_session()
    found = {f"{s}:{o}": xform_name(o) for s in services for o in session.get_service_model(s).operation_names}
    reads = {method for operation, method in found.items() if operation in READS}
    return frozenset(found.values()) - reads


def test_the_list_of_what_changes_aws_is_not_empty() -> None:
    assert {"create_mount_target", "authorize_security_group_ingress", "assume_role"} <= writes_of_aws()
    assert "describe_mount_targets" not in writes_of_aws()


@every_module
def test_no_method_of_aws_is_named_that_is_no_read(file: Path) -> None:
    attributes = {node.attr for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(tree(file)) if isinstance(node, ast.Constant)}
    assert (attributes | texts) & writes_of_aws() == set()


WRITERS = {"world/writer.py", "world/lease.py"}
"""What sends requests that change something: a plan's writes, and the lock that keeps two plans apart."""


SENDERS = {"world/alertmanager.py"}
"""What sends a report to a place that the user names, and knows neither the cluster nor the account."""


@every_module
def test_kubernetes_is_asked_with_get_alone_but_by_the_writers(file: Path) -> None:
    texts = {node.value for node in ast.walk(tree(file)) if isinstance(node, ast.Constant)}
    assert named(file) in WRITERS | SENDERS or texts & {"POST", "PUT", "PATCH", "DELETE"} == set()
    for call in calls(file):
        assert not re.match(r"(create|delete|patch|replace|connect)_(namespaced|cluster|persistent|node)", called(call))
        assert called(call) != "call_api" or named(file) == "world/kube_http.py"


def test_what_sends_reports_knows_nothing_of_efsdiag_and_of_no_client() -> None:
    for file in MODULES:
        if named(file) in SENDERS:
            assert {name.partition(".")[0] for name in imported(file)} <= sys.stdlib_module_names


@every_module
def test_a_writer_is_made_in_one_place_for_those_who_asked_for_consent(file: Path) -> None:
    made = {called(call) for call in calls(file)} & {"Writer", "open_writer", "locked"}
    allowed = {
        "cli/writers.py": {"Writer", "locked"},
        "cli/applying.py": {"open_writer"},
        "cli/undoing.py": {"open_writer"},
        "cli/probing.py": {"open_writer"},
    }
    assert made <= allowed.get(named(file), set())


@every_module
def test_no_other_program_is_run_but_helm_in_one_place(file: Path) -> None:
    if named(file) == "world/helm.py":
        return
    assert not imported(file) & {"subprocess", "pty", "ctypes", "multiprocessing"}
    assert not [c.lineno for c in calls(file) if re.match(r"system$|popen|exec[lv]|spawn|posix_spawn", called(c))]


def test_helm_is_run_by_those_who_look_and_by_the_writes_of_releases_alone() -> None:
    users = {named(f) for f in MODULES if "efsdiag.world.helm_writes" in imported(f)}
    assert users == {"world/writer.py"}
    runs = {
        named(f) for f in MODULES for call in calls(f) if called(call) == "run" and "helm" in ast.unparse(call.func)
    }
    assert runs == {"world/helm_reads.py", "world/helm_writes.py"}
    texts = {n.value for n in ast.walk(tree(ROOT / "world/helm_reads.py")) if isinstance(n, ast.Constant)}
    assert not texts & {"upgrade", "install", "uninstall", "rollback", "delete", "push"}


MAKE_QUERIES = {
    "operations.py",
    "world/bundle_aws.py",  # keys to look up a wider read that was recorded
    "world/bundle_reads.py",  # the queries of a recording, to be compared with those that are asked
}


@every_module
def test_queries_are_made_by_read_of_alone(file: Path) -> None:
    made = [call.lineno for call in calls(file) if called(call) == "Query"]
    assert not made or named(file) in MAKE_QUERIES


# --- the form of the source --------------------------------------------------------------------------------------


@every_module
def test_a_module_has_at_most_300_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300


@every_module
def test_a_module_says_what_it_is(file: Path) -> None:
    assert ast.get_docstring(tree(file)) or not tree(file).body


@every_module
def test_what_is_public_says_what_it_is(file: Path) -> None:
    """Functions of checks and remedies are documented by their rules."""
    kinds = (
        ast.ClassDef if area(file) in ("checks", "remedies") else ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    )
    public = [node for node in tree(file).body if isinstance(node, kinds) and not node.name.startswith("_")]
    assert [f"{named(file)}:{node.lineno} {node.name}" for node in public if not ast.get_docstring(node)] == []


@every_module
def test_only_the_command_line_and_the_reports_print(file: Path) -> None:
    printing = [c.lineno for c in calls(file) if isinstance(c.func, ast.Name) and c.func.id == "print"]
    assert not printing or area(file) in ("cli", "report")


@every_module
def test_no_sentence_shouts(file: Path) -> None:
    """An exclamation mark after a word; marks of operators and formats (!=, !r) are none."""
    texts = [n for n in ast.walk(tree(file)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert [f"{named(file)}:{n.lineno}" for n in texts if re.search(r"\w!(\s|$)", n.value)] == []


# --- the rules ---------------------------------------------------------------------------------------------------

every_check = pytest.mark.parametrize("check", BOOK.checks.values(), ids=lambda check: check.id)
TARGETS = ("pod-ready", "claim-bound")

LATENT_BY_NATURE = {
    "ebs.in-tree-provisioner",  # works with the driver; without it provisioner-known names the cause
    "ebs.root-volume-too-small",  # node-available names the pressure
    "permission.fsgroup-ineffective",  # the owner that stays is judged by data-owned
    "network.vpc-dns-hostnames-disabled",  # blocks through vpc-names-complete, where a name does not resolve
    "helm.storage-spec-ignored",  # the pod runs, on storage that nobody meant
    "alertmanager.pvc-pending",  # of another pod of the release
    "network.mount-target-sg-ingress",
    "network.node-sg-egress",
    "network.nacl",
    "network.no-route",  # of other nodes of the cluster; for the pod's own node they block
    "iam.partial-node-coverage",
    "iam.instance-profile-without-role",
    "iam.trust-policy-not-ec2",
    "iam.role-without-policy",
    "iam.policy-missing-actions",
    "iam.policy-condition-mismatch",
    "iam.permissions-boundary",
    "iam.explicit-deny",
    "iam.imds-hop-limit",
    "iam.imds-disabled",  # of nodes to which the controller may move; for its own node they block
    "lb.no-controller",
    "lb.subnets-not-tagged",
    "lb.iam-denied",
    "lb.attribute-conflict",  # a Service without a load balancer leaves the pod ready
}
"""Causes that break something, but neither the pod nor its claim; their checks block nothing."""

CAUSES_OF_THEIR_OWN = {"pod-exists", "claim-bound"}
"""Milestones whose failure no setting beside them explains: no pod was made, the binder waits for a consumer."""

READ_ONLY = re.compile(
    r"kubectl (-n \S+ )?(get|describe|logs) "
    r"|kubectl (-n \S+ )?exec .* -- (timeout \d+ )?(ls|df|namei|cat|stat) "
    r"|aws \w+ (describe|get|list)-"
    r"|helm (-n \S+ )?(get|list|show|status) ?"
    r"|promtool check |dmesg|ausearch |getsebool |getenforce|showmount |rpcinfo "
)


@every_check
def test_a_rule_has_a_reference_and_a_command_that_shows_it_by_hand(check: Check) -> None:
    assert re.fullmatch(r"https://[\w./#-]+", check.reference)
    assert check.by_hand
    assert [command for command in check.by_hand if not READ_ONLY.match(command)] == []


@every_check
def test_a_rule_is_worded_as_a_sentence_without_its_full_stop(check: Check) -> None:
    for text in (check.claim, check.matters):
        assert text
        assert not text.endswith((".", "!"))
        assert len(text) <= 140


@every_check
def test_the_modes_of_a_rule_are_known_and_named_once(check: Check) -> None:
    assert set(check.modes) <= BOOK.modes.keys()
    assert len(set(check.modes)) == len(check.modes)


@every_check
def test_what_blocks_nothing_is_a_risk_or_latent_by_nature_and_a_risk_blocks_nothing(check: Check) -> None:
    risks = {mode for mode in check.modes if BOOK.modes[mode].kind is ModeKind.RISK}
    if check.blocks or check.id in TARGETS:
        assert risks == set()
    else:
        assert set(check.modes) - risks <= LATENT_BY_NATURE


def test_no_exception_is_listed_that_is_none() -> None:
    free = {mode for check in BOOK.checks.values() if not check.blocks for mode in check.modes}
    assert {mode for mode in LATENT_BY_NATURE if BOOK.modes[mode].kind is ModeKind.CAUSE} == LATENT_BY_NATURE
    assert free >= LATENT_BY_NATURE


@every_check
def test_a_rule_that_blocks_something_leads_to_a_target(check: Check) -> None:
    reached = nx.descendants(graph_of(BOOK.checks.values()), check.id) | {check.id}
    assert not check.blocks or reached & set(TARGETS)


@every_check
def test_a_milestone_has_no_mode_that_it_could_confirm(check: Check) -> None:
    """A milestone is an effect: a cause belongs to the setting beside it."""
    kinds = {BOOK.modes[mode].kind for mode in check.modes}
    assert not check.milestone or kinds <= {ModeKind.SYMPTOM} or check.id in CAUSES_OF_THEIR_OWN


@pytest.mark.parametrize("name", BOOK.evidence)
def test_evidence_takes_read_first_and_no_default_but_none_or_unread(name: str) -> None:
    parameters = parameters_of(BOOK.evidence[name])
    assert "read" not in [parameter for parameter, _ in parameters[1:]]
    assert {default for _, default in parameters} <= {Parameter.empty, None, UNREAD}


@every_check
def test_a_check_has_no_default_but_none_or_unread(check: Check) -> None:
    assert {default for _, default in parameters_of(check.judge)} <= {Parameter.empty, None, UNREAD}


def test_every_module_of_checks_has_its_rules() -> None:
    modules = {file.stem for file in MODULES if area(file) == "checks"} - {"__init__", "messages"}
    assert modules <= {check.where.partition(".yaml")[0].removeprefix("rules/") for check in BOOK.checks.values()}
