"""The checks of rules/container.yaml that objects decide: images, users, memory, probes, and the milestones between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from values import IMAGE, NAME, RUNNING, Object, attempt, container, heard, modes, pod, said, waits

from efsdiag.checks.container import (
    config_volumes_present,
    container_created,
    image_pulled,
    memory_suffices,
    probes_patient,
    process_started,
    user_allowed,
)
from efsdiag.model import State, Unread, Verdict

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CREATING = waits("ContainerCreating")
OOM: Object = {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-21T07:59:00Z"}
SECRET_MISSING = 'MountVolume.SetUp failed for volume "tls" : secret "prometheus-tls" not found'
CONFIG_MISSING = 'MountVolume.SetUp failed for volume "config" : configmap "prometheus" not found'


def running_since(minutes: float) -> Object:
    since = (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"running": {"startedAt": since}}


# ---- configuration


def test_config_volumes_present_passes_once_mounted_and_where_none_is_missing() -> None:
    assert config_volumes_present(pod(), attempt("mounted"), None, heard()).state is State.PASS
    assert config_volumes_present(pod(), attempt("scheduled"), (), heard()).state is State.PASS


def test_config_volumes_present_waits_for_a_node_because_nobody_looks_before() -> None:
    assert config_volumes_present(pod(node=None), attempt("unscheduled"), None, heard()).state is State.WAITING


def missing(*messages: Any) -> Verdict:
    return config_volumes_present(pod(), attempt("scheduled"), ("prometheus",), heard(*messages))


def test_config_volumes_present_fails_for_each_config_map_that_is_missing() -> None:
    verdict = config_volumes_present(pod(), attempt("scheduled"), ("a", "b"), heard())
    assert modes(verdict) == ["container.volume-config-missing"] * 2
    assert [str(f.object) for f in verdict.findings] == ["ConfigMap/monitoring/a", "ConfigMap/monitoring/b"]


@pytest.mark.parametrize(
    ("messages", "sure"),
    [
        ((), True),
        ((said("pod-event", "FailedMount", CONFIG_MISSING),), True),
        ((said("pod-event", "FailedMount", 'MountVolume.SetUp failed for volume "pv" : rpc error'),), False),
    ],
    ids=["silent", "named", "another-volume"],
)
def test_config_volumes_present_doubts_where_the_kubelet_names_other_volumes_only(messages: Any, sure: bool) -> None:
    assert missing(*messages).findings[0].sure is sure


def test_config_volumes_present_fails_for_a_secret_that_the_kubelet_names() -> None:
    ears = heard(said("pod-event", "FailedMount", SECRET_MISSING))
    verdict = config_volumes_present(pod(), attempt("scheduled"), (), ears)
    assert modes(verdict) == ["container.volume-config-missing"]
    assert 'secret "prometheus-tls" not found' in verdict.says


SECRET = {"name": "tls", "secret": {"secretName": "prometheus-tls"}}
PROJECTED = {"name": "tls", "projected": {"sources": [{"secret": {"name": "prometheus-tls"}}]}}
OPTIONAL = {"name": "tls", "secret": {"secretName": "prometheus-tls", "optional": True}}


@pytest.mark.parametrize(
    ("volume", "state"),
    [(SECRET, State.UNKNOWN), (PROJECTED, State.UNKNOWN), (OPTIONAL, State.PASS)],
    ids=["secret", "projected", "optional"],
)
def test_config_volumes_present_is_unknown_for_a_secret_where_the_events_cannot_be_read(
    volume: Object, state: State
) -> None:
    deaf = heard(unread={"pod-event": Unread("events may not be listed", "list events")})
    verdict = config_volumes_present(pod(volumes=[volume]), attempt("scheduled"), (), deaf)
    assert verdict.state is state
    assert verdict.grant == ("list events" if state is State.UNKNOWN else "")


# ---- images and users


def test_image_pulled_passes_and_waits() -> None:
    assert image_pulled(pod(), attempt("pulled"), (container(),)).state is State.PASS
    assert image_pulled(pod(), attempt("mounted"), (container(state=CREATING),)).state is State.WAITING


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_image_pulled_fails_with_the_image_and_the_words_of_the_registry(reason: str) -> None:
    stuck = container(state=waits(reason, "Back-off pulling\nimage"))
    verdict = image_pulled(pod(), attempt("mounted"), (stuck,))
    assert modes(verdict) == ["container.image-pull"]
    assert verdict.says == f"image {IMAGE} of container prometheus cannot be pulled: {reason}"
    assert verdict.findings[0].proof == ("Back-off pulling image",)


def test_image_pulled_names_the_sidecar_whose_image_is_missing_while_the_program_runs() -> None:
    both = (container(), container("reloader", waits("ImagePullBackOff"), image="x/reloader:v0"))
    verdict = image_pulled(pod(), attempt("running"), both)
    assert verdict.says == "image x/reloader:v0 of container reloader cannot be pulled: ImagePullBackOff"


def test_user_allowed_passes_for_what_was_created_and_for_another_user() -> None:
    strict = {"securityContext": {"runAsNonRoot": True, "runAsUser": 0}}
    assert user_allowed(pod(**strict), (container(),), heard()).state is State.PASS
    other = pod(securityContext={"runAsNonRoot": True, "runAsUser": 1000})
    assert user_allowed(other, (container(state=CREATING),), heard()).state is State.PASS
    assert user_allowed(pod(), (container(state=CREATING),), heard()).state is State.PASS


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ({"runAsNonRoot": True, "runAsUser": 0}, {}),
        ({"runAsNonRoot": True}, {"runAsUser": 0}),
        ({"runAsUser": 0}, {"runAsNonRoot": True}),
        ({"runAsNonRoot": False, "runAsUser": 1}, {"runAsNonRoot": True, "runAsUser": 0}),
    ],
)
def test_user_allowed_fails_for_root_against_the_pods_own_rule(outer: Object, inner: Object) -> None:
    waiting = container("reloader", CREATING, securityContext=inner)
    verdict = user_allowed(pod(securityContext=outer), (container(), waiting), heard())
    assert modes(verdict) == ["container.run-as-non-root-uid0"]
    assert verdict.says == "container reloader runs as uid 0, and runAsNonRoot is true"


def test_user_allowed_lets_the_containers_own_rule_win() -> None:
    own = container(state=CREATING, securityContext={"runAsNonRoot": False})
    assert (
        user_allowed(pod(securityContext={"runAsNonRoot": True, "runAsUser": 0}), (own,), heard()).state is State.PASS
    )


STRICT = pod(securityContext={"runAsNonRoot": True})


def test_user_allowed_fails_where_the_kubelet_says_that_the_image_runs_as_root() -> None:
    says = f'container has runAsNonRoot and image will run as root (pod: "{NAME}", container: prometheus)'
    stuck = container(state=waits("CreateContainerConfigError", says))
    ears = heard(said("container-status", "CreateContainerConfigError", says))
    assert modes(user_allowed(STRICT, (stuck,), ears)) == ["container.run-as-non-root-image"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (CREATING, State.WAITING),
        (waits("CreateContainerConfigError", 'secret "x" not found'), State.PASS),
        (RUNNING, State.PASS),
    ],
    ids=["not-looked-at", "looked-at-and-another-fault", "runs"],
)
def test_user_allowed_does_not_pass_before_anybody_looked_at_the_image(state: Object, expected: State) -> None:
    assert user_allowed(STRICT, (container(state=state),), heard()).state is expected


# ---- milestones


def test_container_created_passes_waits_and_fails_without_naming_a_cause() -> None:
    assert container_created(attempt("created"), container()).state is State.PASS
    assert container_created(attempt("mounted"), container(state=CREATING)).state is State.WAITING
    stuck = container(state=waits("CreateContainerConfigError", 'secret "x"\nnot found'))
    verdict = container_created(attempt("pulled"), stuck)
    assert [f.mode for f in verdict.findings] == [""]
    assert verdict.says == 'container prometheus cannot be created: CreateContainerConfigError: secret "x" not found'


def test_process_started_passes_waits_and_fails_without_naming_a_cause() -> None:
    assert process_started(attempt("running"), container()).state is State.PASS
    assert process_started(attempt("created"), container(state=CREATING)).state is State.WAITING
    verdict = process_started(attempt("created"), container(state=waits("RunContainerError", "exec: not found")))
    assert [f.mode for f in verdict.findings] == [""]
    assert verdict.says == "the process of prometheus could not be executed: exec: not found"
    ended = {"reason": "StartError", "message": 'exec: "prom": no such file', "exitCode": 128}
    crashing = container(state=waits("CrashLoopBackOff", "back-off"), last=ended)
    assert process_started(attempt("created"), crashing).state is State.FAIL


# ---- memory


def memory(*containers: Any, reached: str = "running") -> Verdict:
    return memory_suffices(attempt(reached), pod(), containers, NOW)


def not_ready(name: str = "prometheus", state: Object | None = None, last: Object | None = None, **spec: Any) -> Any:
    made = container(name, state, last, **spec)
    made.status["ready"] = False
    return made


def test_memory_suffices_passes_where_nothing_was_killed_for_it() -> None:
    assert memory(container(), not_ready(state=waits("CrashLoopBackOff"), last={"exitCode": 2})).state is State.PASS


def test_memory_suffices_fails_with_the_limit() -> None:
    limits = {"limits": {"memory": "512Mi"}}
    verdict = memory(not_ready(state=waits("CrashLoopBackOff"), last=OOM, resources=limits))
    assert modes(verdict) == ["prometheus.oom-killed"]
    assert verdict.says == "prometheus was killed for its memory (512Mi) at 2026-11-21T07:59:00Z"
    assert "limits.memory: 512Mi" in verdict.findings[0].proof


def test_memory_suffices_says_where_there_is_no_limit() -> None:
    assert "no limit of its own" in memory(not_ready(state=waits("CrashLoopBackOff"), last=OOM)).says


def test_memory_suffices_names_the_sidecar_that_was_killed_and_not_the_program() -> None:
    verdict = memory(container(), not_ready("thanos", waits("CrashLoopBackOff"), OOM))
    assert [f.says.split()[0] for f in verdict.findings] == ["thanos"]


def test_memory_suffices_passes_where_the_pod_is_ready_again() -> None:
    assert memory(container(last=OOM), reached="ready").state is State.PASS


def test_memory_suffices_does_not_blame_a_sidecar_that_is_ready_again() -> None:
    crashed = not_ready(state=waits("CrashLoopBackOff"), last={"exitCode": 2})
    assert memory(crashed, container("thanos", last=OOM)).state is State.PASS


@pytest.mark.parametrize(("minutes", "state"), [(5, State.FAIL), (20, State.PASS)])
def test_memory_suffices_forgets_a_kill_that_the_program_outlived_for_long(minutes: float, state: State) -> None:
    assert memory(not_ready(state=running_since(minutes), last=OOM)).state is state


# ---- probes

KILLED = "Container prometheus failed startup probe, will be restarted"
ENDED: Object = {"exitCode": 0, "reason": "Completed"}


def probes(text: str = KILLED, last: Object | None = None, reached: str = "running") -> Verdict:
    now = container(last=ENDED if last is None else last)
    return probes_patient(attempt(reached), now, heard(said("pod-event", "Killing", text)))


@pytest.mark.parametrize("code", [0, 137, 143])
def test_probes_patient_fails_where_the_kubelet_ended_the_program(code: int) -> None:
    verdict = probes(last={"exitCode": code, "reason": "Error"})
    assert modes(verdict) == ["prometheus.startup-probe-killed"]
    assert KILLED in verdict.says


@pytest.mark.parametrize(
    "verdict",
    [
        probes("Container reloader failed liveness probe, will be restarted"),
        probes(last={"exitCode": 2, "reason": "Error"}),
        probes(last=OOM),
        probes(reached="ready"),
        probes_patient(attempt("running"), container(last=ENDED), heard()),
        probes_patient(attempt("running"), container(), heard(said("pod-event", "Killing", KILLED))),
    ],
    ids=["the-sidecars-probe", "its-own-exit", "memory", "ready-now", "nobody-killed-it", "never-restarted"],
)
def test_probes_patient_passes_where_it_was_not_the_programs_probe(verdict: Verdict) -> None:
    assert verdict.state is State.PASS


def test_probes_patient_does_not_take_a_failed_probe_for_a_kill() -> None:
    ears = heard(said("pod-event", "Unhealthy", "Startup probe failed: HTTP probe failed with statuscode: 503"))
    assert probes_patient(attempt("running"), container(last=ENDED), ears).state is State.PASS


def test_probes_patient_does_not_apply_before_the_process_ran() -> None:
    assert probes_patient(attempt("created"), container(state=CREATING), heard()).state is State.SKIP
