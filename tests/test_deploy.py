"""deploy/ and docs/scheduled.md: manifests that a cluster takes, commands that efsdiag takes, rules that fire."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import kubernetes.client as models
import pytest
import yaml
from conftest import FIXTURES, ROOT, run_efsdiag
from kubeapi import KubeApi
from permits import printed
from test_kubeapi_kubectl import KUBECTL, Kubectl

from efsdiag.cli.check import check
from efsdiag.cli.group import program

DEPLOY = ROOT / "deploy"
MANIFESTS = DEPLOY / "efsdiag.yaml"
PAGE = (ROOT / "docs" / "scheduled.md").read_text(encoding="utf-8")
PROMTOOL = shutil.which("promtool")
ANALYZE = shutil.which("systemd-analyze")
needs_kubectl = [pytest.mark.kubectl, pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH")]
needs_promtool = [pytest.mark.prometheus, pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on PATH")]
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze on PATH")


def manifests() -> dict[str, dict[str, Any]]:
    found = {d["kind"]: d for d in yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8"))}
    assert list(found) == ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "CronJob"]
    return found


def pod_spec() -> dict[str, Any]:
    spec: dict[str, Any] = manifests()["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (only,) = pod_spec()["containers"]
    return dict(only)


def parsed(arguments: list[str]) -> dict[str, Any]:
    """What the command line makes of `efsdiag` with these arguments. Errors: click.UsageError."""
    name, *rest = arguments
    assert program.get_command(click.Context(program), name) is check
    with check.make_context("check", rest) as context:
        return dict(context.params)


# --- the manifests ------------------------------------------------------------------------------------------------


def strangers(value: Any, kind: str, path: str = "") -> Iterator[str]:
    """The fields that the API has not, by the models of the official client."""
    items = re.fullmatch(r"[Ll]ist\[(.*)\]", kind)
    if items:
        for number, item in enumerate(value):
            yield from strangers(item, items[1], f"{path}[{number}]")
    elif hasattr(models, kind) and isinstance(value, dict):
        model = getattr(models, kind)
        fields = {name: model.openapi_types[own] for own, name in model.attribute_map.items()}
        for name, inner in value.items():
            if name not in fields:
                yield f"{path}.{name}"
            else:
                yield from strangers(inner, fields[name], f"{path}.{name}")


@pytest.mark.parametrize("kind", manifests())
def test_a_manifest_has_only_fields_that_the_api_has(kind: str) -> None:
    assert list(strangers(manifests()[kind], f"V1{kind}", kind)) == []


def test_a_misspelt_field_would_be_found() -> None:
    spelt = {"spec": {"containers": [{"securityContexts": {}}]}}
    assert list(strangers(spelt, "V1Pod", "Pod")) == ["Pod.spec.containers[0].securityContexts"]


ROLE = re.compile(r"(?<=^---\n)# What efsdiag check reads, in Kubernetes\.\n.*?(?=^---\n)", re.MULTILINE | re.DOTALL)


def test_the_role_is_the_one_that_the_command_prints(request: pytest.FixtureRequest) -> None:
    role = printed("--for", "check", "--kubernetes").partition("# It is given")[0]
    if request.config.getoption("--rewrite-golden"):
        MANIFESTS.write_text(ROLE.sub(lambda _: role, MANIFESTS.read_text(encoding="utf-8")), encoding="utf-8")
    (shown,) = ROLE.findall(MANIFESTS.read_text(encoding="utf-8"))
    assert shown == role, "run pytest --rewrite-golden"
    binding = manifests()["ClusterRoleBinding"]
    assert binding["roleRef"]["name"] == yaml.safe_load(role)["metadata"]["name"]
    account = manifests()["ServiceAccount"]["metadata"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]


def test_the_service_account_has_no_other_right_and_one_pod_has_its_token() -> None:
    assert manifests()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod_spec()["automountServiceAccountToken"] is True
    assert pod_spec()["serviceAccountName"] == manifests()["ServiceAccount"]["metadata"]["name"]


def test_the_pod_is_one_that_the_restricted_profile_admits() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    assert manifests()["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    spec, own = pod_spec(), container()["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] != 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert [set(volume) - {"name"} for volume in spec["volumes"]] == [{"emptyDir"}]


def test_a_run_is_over_before_the_next_one_begins() -> None:
    cron = manifests()["CronJob"]["spec"]
    job = cron["jobTemplate"]["spec"]
    (minutes,) = re.fullmatch(r"\*/(\d+) \* \* \* \*", cron["schedule"]).groups()
    given = parsed(container()["args"])
    assert given["jitter"] + given["timeout"] < job["activeDeadlineSeconds"] < int(minutes) * 60
    assert (cron["concurrencyPolicy"], job["backoffLimit"], pod_spec()["restartPolicy"]) == ("Forbid", 0, "Never")
    assert job["ttlSecondsAfterFinished"] > 0


def test_the_job_asks_for_everything_and_fails_only_where_it_could_not_look() -> None:
    given = parsed(container()["args"])
    assert (given["all_namespaces"], given["exit_zero"], given["bundle"]) == (True, True, None)


def test_what_stands_as_a_comment_beside_the_arguments_are_arguments_too() -> None:
    more = re.findall(r"^ +# - (--.*)$", MANIFESTS.read_text(encoding="utf-8"), re.MULTILINE)
    given = parsed([*container()["args"], *more])
    assert given["alertmanager"].startswith("http://")
    # An alert lasts until the next run but one.
    assert given["alert_ttl"] > 2 * 15 * 60


def test_the_home_of_the_image_can_be_written_and_nothing_else() -> None:
    (mount,) = container()["volumeMounts"]
    assert f"HOME={mount['mountPath']} " in (DEPLOY / "Containerfile").read_text(encoding="utf-8")


@pytest.fixture
def kubectl(tmp_path: Path) -> Iterator[Kubectl]:
    with KubeApi() as api:
        yield Kubectl(api, tmp_path)


class TestWithKubectl:
    """The manifests as kubectl sends them to the API server of the tests."""

    pytestmark = needs_kubectl

    def test_kubectl_takes_them_for_a_dry_run(self, kubectl: Kubectl) -> None:
        said = kubectl("apply", "--dry-run=client", "--validate=false", "-f", str(MANIFESTS))
        assert said.count("created (dry run)") == len(manifests())

    def test_kubectl_applies_them_in_the_order_of_the_file(self, kubectl: Kubectl) -> None:
        said = kubectl("apply", "--validate=false", "-f", str(MANIFESTS))
        assert said.count(" created") == len(manifests())
        kept = json.loads(kubectl("get", "cronjob", "efsdiag", "-n", "efsdiag", "-o", "json"))
        assert kept["spec"] == manifests()["CronJob"]["spec"]

    def test_kubectl_applies_what_the_command_prints(self, kubectl: Kubectl) -> None:
        said = kubectl("apply", "--validate=false", "-f", "-", given=printed("--for", "why", "--kubernetes"))
        assert said == "clusterrole.rbac.authorization.k8s.io/efsdiag-why created\n"


# --- the image ----------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_image_is_of_a_pinned_base_and_not_run_as_root() -> None:
    made = instructions()
    (argument,) = [rest for word, rest in made if word == "ARG"]
    assert re.fullmatch(r"PYTHON=3\.\d+-slim-\w+", argument)
    assert {rest.split(" ")[0] for word, rest in made if word == "FROM"} == {"docker.io/library/python:${PYTHON}"}
    assert [rest for word, rest in made if word == "USER"] == ["65532:65532"]
    assert pod_spec()["securityContext"]["runAsUser"] == 65532


def test_the_image_is_built_from_everything_that_a_wheel_is_built_from() -> None:
    """tests/test_packaging.py builds the wheel from these, and from nothing else."""
    copied = {n for word, rest in instructions() if word == "COPY" and "--from" not in rest for n in rest.split()[:-1]}
    source = (ROOT / "tests" / "test_packaging.py").read_text(encoding="utf-8")
    folders, files = (re.search(rf"for name in \(({what}[^)]*)\)", source)[1] for what in ('"efsdiag"', '"pyproject'))
    assert copied == set(re.findall(r'"([\w.]+)"', f"{folders}, {files}"))
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_runs_the_command() -> None:
    made = dict(instructions())
    assert json.loads(made["ENTRYPOINT"]) == ["efsdiag"]
    assert json.loads(made["CMD"]) == ["--help"]


# --- the alert rules ----------------------------------------------------------------------------------------------

RULE_TESTS = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - name: a cause is an alert once it has lasted, one for each mode
    interval: 1m
    input_series:
      - series: 'efsdiag_root_causes{{mode="network.nacl",kind="Subnet",confidence="confirmed"}}'
        values: '0x9 1x60'
      - series: 'efsdiag_root_causes{{mode="network.nacl",kind="Subnet",confidence="likely"}}'
        values: '0x9 1x60'
      - series: 'efsdiag_check_last_success_timestamp_seconds'
        values: '0+60x70'
      - series: 'efsdiag_check_last_run_timestamp_seconds'
        values: '0+60x70'
    alert_rule_test:
      - eval_time: 15m
        alertname: EfsdiagCauseFound
      - eval_time: 40m
        alertname: EfsdiagCauseFound
        exp_alerts:
          - exp_labels: {{severity: warning, mode: network.nacl}}
            exp_annotations:
              summary: efsdiag found network.nacl, 2 of it
              description: efsdiag check -A says which; efsdiag explain network.nacl says what it is.
      - eval_time: 60m
        alertname: EfsdiagCheckSilent
  - name: a check that succeeded for the last time an hour ago is an alert
    interval: 1m
    input_series:
      - series: 'efsdiag_check_last_success_timestamp_seconds'
        values: '0x120'
      - series: 'efsdiag_check_last_run_timestamp_seconds'
        values: '0+60x120'
    alert_rule_test:
      - eval_time: 59m
        alertname: EfsdiagCheckSilent
      - eval_time: 70m
        alertname: EfsdiagCheckSilent
        exp_alerts: [{silent}]
  - name: of two clusters each is an alert of its own
    interval: 1m
    input_series:
      - series: 'efsdiag_check_last_success_timestamp_seconds{{cluster="a"}}'
        values: '0+60x120'
      - series: 'efsdiag_check_last_run_timestamp_seconds{{cluster="a"}}'
        values: '0+60x120'
      - series: 'efsdiag_check_last_success_timestamp_seconds{{cluster="b"}}'
        values: '0x120'
      - series: 'efsdiag_check_last_run_timestamp_seconds{{cluster="b"}}'
        values: '0+60x120'
      - series: 'efsdiag_root_causes{{cluster="a",mode="network.nacl",kind="Subnet",confidence="confirmed"}}'
        values: '1x120'
      - series: 'efsdiag_root_causes{{cluster="b",mode="network.nacl",kind="Subnet",confidence="confirmed"}}'
        values: '0x120'
    alert_rule_test:
      - eval_time: 70m
        alertname: EfsdiagCheckSilent
        exp_alerts: [{silent_b}]
      - eval_time: 70m
        alertname: EfsdiagCauseFound
        exp_alerts:
          - exp_labels: {{severity: warning, mode: network.nacl, cluster: a}}
            exp_annotations:
              summary: efsdiag found network.nacl, 1 of it
              description: efsdiag check -A says which; efsdiag explain network.nacl says what it is.
  - name: a check that ran and never succeeded is an alert
    interval: 1m
    input_series:
      - series: 'efsdiag_check_last_run_timestamp_seconds'
        values: '0+60x30'
    alert_rule_test:
      - eval_time: 10m
        alertname: EfsdiagCheckSilent
        exp_alerts: [{silent}]
  - name: a check that never ran is one, too
    interval: 1m
    input_series:
      - series: 'up'
        values: '1x30'
    alert_rule_test:
      - eval_time: 10m
        alertname: EfsdiagCheckSilent
        exp_alerts: [{silent}]
      - eval_time: 10m
        alertname: EfsdiagCauseFound
"""
SILENT = {
    "exp_labels": {"severity": "warning"},
    "exp_annotations": {
        "summary": "efsdiag has looked at everything for the last time more than an hour ago, or never",
        "description": "Run efsdiag check -A by hand; its exit code and the end of its output say what is wrong.",
    },
}


def test_the_rules_ask_for_metrics_that_a_check_writes() -> None:
    _, text, _ = run_efsdiag(["check", "--bundle", str(FIXTURES / "nfs-port-closed"), "-o", "prometheus"])
    written = dict(re.findall(r"^(efsdiag_\w+)(?:\{(.*)\})? ", text, re.MULTILINE))
    rules = (DEPLOY / "alerts.yaml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\b(efsdiag_\w+)", "".join(re.findall(r"expr:(?:.|\n)*?(?=\n +for:)", rules))))
    assert len(asked) == 3
    assert asked <= set(written)
    assert 'mode="' in written["efsdiag_root_causes"]


class TestWithPromtool:
    """The alert rules, checked and tried by Prometheus' own tool."""

    pytestmark = needs_promtool

    def test_the_rules_are_valid(self) -> None:
        made = subprocess.run(
            [str(PROMTOOL), "check", "rules", DEPLOY / "alerts.yaml"], capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stdout + made.stderr
        assert "2 rules found" in made.stdout

    def test_they_fire_when_they_should_and_only_then(self, tmp_path: Path) -> None:
        file = tmp_path / "rules_test.yaml"
        of_b = {**SILENT, "exp_labels": {**SILENT["exp_labels"], "cluster": "b"}}
        text = RULE_TESTS.format(rules=DEPLOY / "alerts.yaml", silent=json.dumps(SILENT), silent_b=json.dumps(of_b))
        file.write_text(text, encoding="utf-8")
        made = subprocess.run([str(PROMTOOL), "test", "rules", file], capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stdout + made.stderr


# --- host ---------------------------------------------------------------------------------------------------------


def test_the_line_of_the_crontab_is_one_that_cron_and_efsdiag_take() -> None:
    (line,) = re.findall(r"^\*/15 .*$", PAGE, re.MULTILINE)
    *when, user, command = line.split(" ", 6)
    assert when == ["*/15", "*", "*", "*", "*"]
    assert user == "efsdiag"
    # cron takes a percent sign for the end of the line.
    assert "%" not in command
    program_path, *arguments = shlex.split(command.partition(">")[0])
    assert program_path == "/opt/efsdiag/bin/efsdiag"
    assert parsed(arguments)["all_namespaces"] is True


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment]
    found.read(DEPLOY / "systemd" / name, encoding="utf-8")
    return found


def test_the_service_runs_a_command_that_efsdiag_takes() -> None:
    program_path, *arguments = shlex.split(unit("efsdiag-check.service")["Service"]["ExecStart"])
    assert program_path == "/opt/efsdiag/bin/efsdiag"
    assert parsed(arguments)["timeout"] < 15 * 60
    assert unit("efsdiag-check.service")["Service"]["SuccessExitStatus"].split() == ["1", "3"]


@needs_systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With the program of this environment in the place of the one that would be installed."""
    program_path = Path(sys.executable).parent / "efsdiag"
    for file in (DEPLOY / "systemd").iterdir():
        text = file.read_text(encoding="utf-8").replace("/opt/efsdiag/bin/efsdiag", str(program_path))
        (tmp_path / file.name).write_text(text, encoding="utf-8")
    command = [str(ANALYZE), "verify", "--man=no", *map(str, sorted(tmp_path.glob("efsdiag-check.*")))]
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")


@needs_systemd
def test_the_time_of_the_timer_is_one_of_systemd() -> None:
    when = unit("efsdiag-check.timer")["Timer"]["OnCalendar"]
    made = subprocess.run([str(ANALYZE), "calendar", when], capture_output=True, text=True, check=False, timeout=60)
    assert made.returncode == 0, made.stderr
    assert "Normalized form: *-*-* *:00/15:00" in made.stdout


def test_the_page_names_every_file_of_the_folder() -> None:
    files = [f.relative_to(ROOT).as_posix() for f in DEPLOY.rglob("*") if f.is_file()]
    assert [f for f in files if f not in PAGE] == []
