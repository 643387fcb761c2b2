"""Checks that only messages decide, and what holds for all checks: nobody passes or fails on what nobody could read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from values import CLAIM_REF, POD_REF, World, claim, heard, modes, pod, said, subject, volume

from efsdiag.checks.messages import judge_by_messages
from efsdiag.evidence.messages import Heard, Sighted
from efsdiag.gather import Gather
from efsdiag.judge import judge, judge_all
from efsdiag.model import Query, State, Unread, Unreadable, Verdict
from efsdiag.operations import READS
from efsdiag.rules import Rulebook

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
AREAS = ("pod", "volume", "csi", "container", "prometheus")
SETUP = 'MountVolume.SetUp failed for volume "pv" : rpc error: code = Internal desc = '
PROVISION = 'failed to provision volume with StorageClass "efs-sc": '

LINES = [
    (
        "volume-count-allowed",
        "pod.max-volume-count",
        "pod-event",
        "FailedScheduling",
        "2 node(s) exceed max volume count",
    ),
    (
        "claim-exclusive-free",
        "pod.rwop-in-use",
        "pod-event",
        "FailedScheduling",
        "2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by "
        "another pod",
    ),
    (
        "node-plugin-mounts",
        "csi.inflight-mount-limit",
        "pod-event",
        "FailedMount",
        f"{SETUP}The number of concurrent mount calls is 10, which has reached the limit",
    ),
    (
        "node-plugin-mounts",
        "mount.port-range-exhausted",
        "pod-event",
        "FailedMount",
        f"{SETUP}Failed to locate an available port in the range [20049, 21049], try specifying a different port range",
    ),
    (
        "node-plugin-mounts",
        "mount.tunnel-start-failed",
        "pod-event",
        "FailedMount",
        f"{SETUP}Failed to initialize TLS tunnel for fs-0123456789abcdef0",
    ),
    (
        "provisioner-answers",
        "csi.no-topology-registered",
        "claim-event",
        "ProvisioningFailed",
        f"{PROVISION}error generating accessibility requirements: no available topology found",
    ),
    (
        "environment-complete",
        "container.env-ref-missing",
        "container-status",
        "CreateContainerConfigError",
        'secret "remote-write" not found',
    ),
    (
        "sub-path-made",
        "container.subpath-failed",
        "container-status",
        "CreateContainerConfigError",
        'failed to create subPath directory for volumeMount "data" of container "prometheus"',
    ),
    (
        "flags-known",
        "prometheus.bad-flag",
        "log",
        "prometheus",
        "Error parsing command line arguments: unknown long flag '--x'",
    ),
    (
        "configuration-valid",
        "prometheus.bad-config",
        "log",
        "prometheus",
        'level=error msg="Error loading config (--config.file=/etc/prometheus.yml)" err="parsing YAML file: line 3"',
    ),
    (
        "data-intact",
        "prometheus.head-chunks-corruption",
        "log",
        "prometheus",
        'err="opening storage failed: found unsequential head chunk files 519 and 521"',
    ),
    (
        "storage-healthy",
        "prometheus.lock-unsupported",
        "log",
        "prometheus",
        'err="opening storage failed: lock DB directory: no locks available"',
    ),
    (
        "storage-healthy",
        "prometheus.io-error",
        "log",
        "prometheus",
        'err="read /data/wal/00000012: input/output error"',
    ),
]
"""Check, mode, and a line as it is found in the field."""


def listening(rulebook: Rulebook, check: str, ears: Heard) -> Verdict:
    return rulebook.checks[check].judge(ears)


@pytest.mark.parametrize(("check", "mode", "where", "reason", "text"), LINES, ids=[f"{c}-{m}" for c, m, *_ in LINES])
def test_a_line_of_the_field_fails_its_check(
    rulebook: Rulebook, check: str, mode: str, where: str, reason: str, text: str
) -> None:
    verdict = listening(rulebook, check, heard(said(where, reason, text)))
    assert modes(verdict) == [mode]
    assert verdict.findings[0].object == POD_REF
    assert verdict.findings[0].proof[0].endswith(text)


def by_messages(rulebook: Rulebook) -> list[str]:
    """The checks of these areas whose judge is the signs of their modes."""
    judges = judge_by_messages((), {}, certain=True).__code__
    named = {id_ for id_, c in rulebook.checks.items() if c.judge.__code__ is judges}
    return sorted(
        id_ for id_ in named if rulebook.checks[id_].where.split(":")[0] in {f"rules/{a}.yaml" for a in AREAS}
    )


def test_every_check_that_only_messages_decide_has_a_line_of_the_field(rulebook: Rulebook) -> None:
    assert set(by_messages(rulebook)) == {check for check, *_ in LINES}


FILLED = {"<n>": "3", "<ip>": "10.0.0.1", "<path>": "/data", "fs-X": "fs-0123456789abcdef0", "...": " "}


def written(sign: str) -> str:
    """The text of a sign with something in place of each placeholder."""
    text = sign.replace("fsap-X", "fsap-0123456789abcdef0")
    for placeholder, value in FILLED.items():
        text = text.replace(placeholder, value)
    while "<" in text and ">" in text[text.index("<") :]:
        start = text.index("<")
        text = text[:start] + "something" + text[text.index(">", start) + 1 :]
    return text


def test_every_mode_of_these_checks_can_be_told_by_one_of_its_signs(rulebook: Rulebook) -> None:
    for check in by_messages(rulebook):
        for mode in rulebook.checks[check].modes:
            verdicts = [
                listening(rulebook, check, heard(said(s["where"], next(iter(s["reasons"]), ""), written(s["text"]))))
                for s in rulebook.modes[mode].signs
            ]
            assert any([f.mode for f in v.findings] == [mode] for v in verdicts), f"{check} never names {mode}"


def test_they_wait_where_nothing_was_said(rulebook: Rulebook) -> None:
    assert {listening(rulebook, check, heard()).state for check in by_messages(rulebook)} == {State.WAITING}


@pytest.mark.parametrize(("check", "where"), sorted({(c, w) for c, _, w, *_ in LINES}))
def test_they_pass_where_something_else_was_said_and_are_unknown_where_nobody_listened(
    rulebook: Rulebook, check: str, where: str
) -> None:
    other = said(where, "Whatever", "the weather is fine")
    assert listening(rulebook, check, heard(other)).state is State.PASS
    deaf = heard(other, unread={where: Unread("may not be read", "list it")})
    verdict = listening(rulebook, check, deaf)
    assert verdict.state is State.UNKNOWN
    assert verdict.grant == "list it"


MESSAGE = said("pod-event", "FailedMount", "it is refused")
JUDGE = judge_by_messages(("a", "b"), {"a": frozenset({"pod-event"}), "b": frozenset({"log"})}, certain=True)


def sighted(*seen: tuple[str, bool]) -> Heard:
    return Heard((MESSAGE,), tuple(Sighted(mode, specific, f"says {mode}", MESSAGE) for mode, specific in seen))


def test_each_mode_is_named_once_in_the_order_in_which_it_was_heard() -> None:
    verdict = JUDGE(sighted(("b", True), ("a", True), ("b", True)))
    assert modes(verdict) == ["b", "a"]
    assert verdict.findings[0].says == f"event FailedMount on {POD_REF} says: says b"


def test_a_text_of_several_causes_decides_nothing() -> None:
    verdict = JUDGE(sighted(("a", False)))
    assert verdict.state is State.UNKNOWN
    assert "other causes too" in verdict.says


def test_what_is_specific_outdoes_what_is_not() -> None:
    assert modes(JUDGE(sighted(("a", False), ("b", True)))) == ["b"]


def test_modes_of_other_checks_are_not_heard() -> None:
    assert JUDGE(sighted(("c", True))).state is State.PASS


def test_a_rule_may_hear_one_channel_of_a_mode_only() -> None:
    channels = {"a": frozenset({"pod-event", "claim-event"})}
    said_to_the_pod = sighted(("a", True))
    judged = judge_by_messages(("a",), channels, certain=True, hears=frozenset({"pod-event"}))
    assert modes(judged(said_to_the_pod)) == ["a"]
    judged = judge_by_messages(("a",), channels, certain=True, hears=frozenset({"claim-event"}))
    assert judged(said_to_the_pod).state is State.WAITING


@pytest.mark.parametrize("certain", [True, False])
def test_a_rule_says_whether_its_messages_are_certain(certain: bool) -> None:
    judged = judge_by_messages(("a",), {"a": frozenset({"pod-event"})}, certain=certain)
    assert judged(sighted(("a", True))).findings[0].sure is certain


def test_a_channel_that_nobody_needs_may_be_deaf() -> None:
    deaf = Heard((MESSAGE,), (), {"owner-event": Unread("no")})
    assert JUDGE(deaf).state is State.PASS


# ---- all checks of the rulebook


def judged(rulebook: Rulebook, source: Any, kind: str, name: str = "x") -> dict[str, Verdict]:
    gather = Gather(rulebook.evidence, source, {"subject": subject(kind, name), "now": NOW}, strict=True)
    return judge_all(rulebook, gather)


def decided(verdicts: dict[str, Verdict], *states: State) -> set[str]:
    return {id_ for id_, verdict in verdicts.items() if verdict.state in states}


KINDS = ["pod", "deployment", "statefulset", "persistentvolumeclaim"]


@pytest.mark.parametrize("kind", KINDS)
def test_where_everything_is_refused_no_check_passes_or_fails(rulebook: Rulebook, kind: str) -> None:
    def refuse(query: Query) -> Any:
        raise Unreadable(query, "you may not", f"allow {query.operation}")

    verdicts = judged(rulebook, refuse, kind)
    assert decided(verdicts, State.PASS, State.FAIL) == set()
    assert "pod-exists" in decided(verdicts, State.UNKNOWN) or kind == "persistentvolumeclaim"


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_exists_no_check_passes(rulebook: Rulebook, kind: str) -> None:
    def nothing(query: Query) -> Any:
        return None

    verdicts = judged(rulebook, nothing, kind)
    assert decided(verdicts, State.PASS, State.UNKNOWN) == set()
    missing = {"claim-exists"} if kind == "persistentvolumeclaim" else set()
    assert decided(verdicts, State.FAIL) == missing


OF_THE_POD_ALONE = {
    "data-path-on-volume",
    "image-pulled",
    "memory-suffices",
    "pod-exists",
    "pod-scheduled",
    "user-allowed",
    "node-available",
    "node-selected",
    "node-tolerated",
    "pod-kept",
    "resources-suffice",
    "volume-zone-has-node",
    "volume-mounted",
}
"""Checks that the pod itself can decide."""


@pytest.mark.parametrize("node", ["worker1", None], ids=["scheduled", "not-scheduled"])
def test_where_only_the_pod_can_be_read_only_the_pod_decides(rulebook: Rulebook, node: str | None) -> None:
    mounts_config = [{"name": "config", "configMap": {"name": "prometheus"}}]
    thing = pod(node=node)
    thing["spec"]["volumes"] += mounts_config
    world = World(thing, refuses=set(READS) - {"kube:get pods"})
    verdicts = judged(rulebook, world, "pod", thing["metadata"]["name"])
    assert decided(verdicts, State.PASS) <= OF_THE_POD_ALONE
    assert decided(verdicts, State.FAIL) <= {"pod-ready", "pod-scheduled", "volume-mounted"}
    assert {"claim-exists", "claim-bound", "config-volumes-present"} & decided(
        verdicts, State.PASS, State.FAIL
    ) == set()


@pytest.mark.parametrize(
    "refused",
    ["persistentvolumeclaims", "persistentvolumes", "storageclasses", "csidrivers", "csinodes", "daemonsets", "events"],
)
def test_a_check_that_needs_what_is_refused_is_unknown(rulebook: Rulebook, refused: str) -> None:
    needs = {
        "persistentvolumeclaims": "claim-exists",
        "persistentvolumes": "claim-volume-present",
        "storageclasses": "storage-class-exists",
        "csidrivers": "driver-object-present",
        "csinodes": "driver-registered-on-node",
        "daemonsets": "node-plugin-on-node",
        "events": "claim-exclusive-free",
    }
    wanted = claim(bound_to="" if refused == "storageclasses" else "pv")
    world = World(pod(), wanted.object or {}, volume("pv", phase="Bound"), refuses={refused})
    gather = Gather(rulebook.evidence, world, {"subject": subject(), "now": NOW}, strict=True)
    verdict = judge(rulebook.checks[needs[refused]], gather)
    assert verdict.state is State.UNKNOWN
    assert refused in verdict.grant


def test_a_claim_is_named_where_the_message_is_about_it(rulebook: Rulebook) -> None:
    text = f"{PROVISION}error generating accessibility requirements: no available topology found"
    verdict = listening(
        rulebook, "provisioner-answers", heard(said("claim-event", "ProvisioningFailed", text, CLAIM_REF))
    )
    assert verdict.findings[0].object == CLAIM_REF
