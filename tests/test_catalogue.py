"""The failure catalogue that comes with efsdiag is whole, and a mistake in a catalogue is named with file and line."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from efsdiag.catalogue import PLACES, RISKS, load_modes, load_noise
from efsdiag.model import Mode, ModeKind
from efsdiag.yaml_files import RuleError

MODES = load_modes()

BY_LAYER = {
    "alertmanager": 1,
    "container": 6,
    "csi": 35,
    "ebs": 6,
    "efs": 16,
    "grafana": 2,
    "helm": 6,
    "iam": 20,
    "lb": 4,
    "longhorn": 2,
    "mount": 14,
    "network": 15,
    "nfs": 7,
    "node": 3,
    "permission": 9,
    "pod": 15,
    "prometheus": 16,
    "pv": 14,
    "pvc": 9,
    "storageclass": 4,
}

READ_ONLY = re.compile(
    r"kubectl (-n \S+ )?(get|describe|logs|auth can-i|apply --dry-run=server) ?"
    r"|kubectl (-n \S+ )?exec \S+ -c \S+ -- (ls|df|cat|grep|getent) "
    r"|aws \S+ (describe|get|list|simulate)-"
    r"|helm (list|show values|get values) ?"
    r"|ssh \S+ (systemctl status|getenforce|grep)"
)


def test_the_catalogue_has_every_mode_of_every_layer() -> None:
    assert Counter(mode.partition(".")[0] for mode in MODES) == BY_LAYER


def test_the_catalogue_has_causes_symptoms_and_risks() -> None:
    assert Counter(mode.kind for mode in MODES.values()) == {
        ModeKind.CAUSE: 174,
        ModeKind.SYMPTOM: 9,
        ModeKind.RISK: 21,
    }


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.id)
def test_a_mode_says_what_it_means_how_to_fix_it_and_how_to_see_it(mode: Mode) -> None:
    assert mode.meaning.endswith(".")
    assert mode.fix
    assert mode.risk in RISKS
    assert mode.by_hand
    assert mode.references
    assert "!" not in mode.meaning + "".join(mode.fix)


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.id)
def test_the_commands_of_a_mode_only_read(mode: Mode) -> None:
    assert [command for command in mode.by_hand if not READ_ONLY.match(command)] == []


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.id)
def test_a_mode_is_not_confused_with_itself_and_names_each_look_alike_and_address_once(mode: Mode) -> None:
    assert mode.id not in mode.confused_with
    assert len(set(mode.confused_with)) == len(mode.confused_with)
    assert len(set(mode.references)) == len(mode.references)
    assert all(re.fullmatch(r"https://[\w./#-]+", address) for address in mode.references)


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.id)
def test_an_irreversible_fix_is_never_said_to_be_undone(mode: Mode) -> None:
    assert not (mode.risk == "irreversible" and mode.reversible)


@pytest.mark.parametrize("mode", MODES.values(), ids=lambda mode: mode.id)
def test_only_events_and_container_states_have_a_reason(mode: Mode) -> None:
    with_reason = {sign["where"] for sign in mode.signs if sign["reasons"]}
    assert {where for where in with_reason if not where.endswith(("-event", "-status"))} == set()


def test_no_mode_has_the_same_sign_twice() -> None:
    signs = Counter((m.id, s["where"], s["text"]) for m in MODES.values() for s in m.signs)
    assert [sign for sign, times in signs.items() if times > 1] == []


def test_an_out_of_memory_kill_has_no_sign_because_the_object_says_it() -> None:
    assert MODES["prometheus.oom-killed"].signs == ()


def test_the_noise_is_explained_and_its_ids_differ() -> None:
    noise = load_noise()
    assert len({n.id for n in noise}) == len(noise)
    assert all(n.why for n in noise)


def test_what_load_modes_returns_can_be_changed_without_changing_the_catalogue() -> None:
    load_modes().clear()
    assert len(load_modes()) == 204


GOOD = """
pod.a:
  kind: cause
  meaning: It is so.
  fix: [Do that]
  risk: safe
  signs:
    - where: pod-event
      reason: FailedMount
      text: so it is
"""


def written(folder: Path, text: str, name: str = "pod.yaml") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_of_ones_own_is_read(tmp_path: Path) -> None:
    assert load_modes(written(tmp_path, GOOD)) == {
        "pod.a": Mode(
            "pod.a",
            ModeKind.CAUSE,
            "It is so.",
            ("Do that",),
            "safe",
            signs=({"where": "pod-event", "reasons": ("FailedMount",), "text": "so it is", "unless": ()},),
        )
    }


@pytest.mark.parametrize(
    ("wrong", "reference", "named"),
    [
        (GOOD.replace("meaning:", "meanign:"), "mode-unknown-key", "did you mean meaning?"),
        (GOOD.replace("reason:", "raeson:"), "mode-unknown-key", "did you mean reason?"),
        (GOOD.replace("kind: cause", "kind: cuase"), "mode-unknown-kind", "did you mean cause?"),
        (GOOD.replace("risk: safe", "risk: harmless"), "mode-unknown-risk", "safe, disruptive, irreversible"),
        (GOOD.replace("pod-event", "pod-evnet"), "sign-unknown-place", "did you mean pod-event?"),
        (GOOD.replace("  fix: [Do that]\n", ""), "mode-lacks-key", "lacks fix"),
        (GOOD.replace("      text: so it is\n", ""), "mode-lacks-key", "a sign of pod.a lacks text"),
        (GOOD.replace("[Do that]", "Do that"), "mode-wrong-type", "fix is 'Do that', not a list"),
        (GOOD.replace("[Do that]", "[on]"), "mode-wrong-type", "fix has True, which is not a text"),
        (GOOD.replace("so it is", "off"), "mode-wrong-type", "text is False, not a text"),
        (GOOD.replace("reason: FailedMount", "reason: 7"), "mode-wrong-type", "reason is 7, not a text or a list"),
        (GOOD.replace("It is so.", "''"), "mode-empty", "meaning is empty"),
        (GOOD + "  not_judged: so\n", "mode-half-unjudged", "one of not_judged and decided_by alone"),
        (GOOD + "  not_judged: ''\n  decided_by: this\n", "mode-empty", "not_judged is empty"),
        (GOOD + "  confused_with: [pod.b]\n", "mode-unknown-look-alike", "did you mean pod.a?"),
        (GOOD.replace("pod.a", "pv.a"), "mode-misplaced", "pv.a"),
        ("pod.a: so\n", "mode-not-a-mapping", "pod.a is not a mapping of kind, meaning, fix, risk"),
        ("pod.a: [\n", "yaml-unreadable", "is not YAML"),
    ],
)
def test_a_mistake_in_a_mode_is_named(tmp_path: Path, wrong: str, reference: str, named: str) -> None:
    with pytest.raises(RuleError) as raised:
        load_modes(written(tmp_path, wrong))
    assert raised.value.reference == reference
    assert re.search(r"pod\.yaml:\d+$", raised.value.where)
    assert named in str(raised.value)


def test_a_duplicate_key_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"^yaml-duplicate-key: .*pod\.yaml:11 has 'risk' again; first on line 6$"):
        load_modes(written(tmp_path, GOOD + "  risk: safe\n"))


def test_a_mode_that_stands_twice_in_one_file_is_named_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"pod\.yaml:12 has 'pod\.a' again; first on line 2"):
        load_modes(written(tmp_path, GOOD + GOOD))


def test_a_mistake_in_the_noise_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "a:\n  text: so\n  wyh: because\n", "noise.yaml") / "noise.yaml"
    with pytest.raises(RuleError, match=r"noise\.yaml:1 a has the key 'wyh'; did you mean why\?"):
        load_noise(file)


def test_what_no_check_looks_for_says_why_and_what_would_decide_it() -> None:
    unjudged = [mode for mode in MODES.values() if mode.not_judged]
    assert unjudged
    assert all(len(mode.not_judged) > 20 and len(mode.decided_by) > 20 for mode in unjudged)
    assert not [mode for mode in MODES.values() if mode.decided_by and not mode.not_judged]


def test_every_place_is_explained() -> None:
    assert all(PLACES.values())
