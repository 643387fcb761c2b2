"""Rules and functions make a rulebook; a mistake in either is named with its place and the nearest right spelling."""

from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from efsdiag.diagnose import diagnose
from efsdiag.gather import Gather
from efsdiag.judge import judge_all
from efsdiag.model import Query, State, Subject, Verdict, passed
from efsdiag.rule_verification import verify_judged
from efsdiag.rules import load_rulebook, public_functions
from efsdiag.yaml_files import RuleError, entries, nearest, to_yaml

RULE = """\
# my own rules

quota-left:
  claim: the namespace may make one more pod
  matters: no pod is made
  blocks: [pod-exists]
  modes: [pod.quota-exceeded]
"""
CODE = """\
from __future__ import annotations

from efsdiag.model import Verdict, failed, passed


def quota_left(subject, own_quota) -> Verdict:
    if own_quota["pods"] < own_quota["most"]:
        return passed("there is room")
    return failed("pod.quota-exceeded", f"{subject.namespace} is full")


def own_quota(read):
    '''The namespace's own quota.'''
    return read("kube:get resourcequotas", namespace="m", name="own")
"""


def written(folder: Path, rule: str = RULE, code: str | None = CODE, area: str = "own") -> Path:
    (folder / f"{area}.yaml").write_text(rule, encoding="utf-8")
    if code is not None:
        (folder / f"{area}.py").write_text(code, encoding="utf-8")
    return folder


# --- a folder of one's own ---------------------------------------------------------------------------------------


def judged(folder: Path, quota: Any) -> dict[str, Verdict]:
    book = load_rulebook(folder)

    def source(query: Query) -> Any:
        return quota if query.operation == "kube:get resourcequotas" else None

    return judge_all(book, Gather(book.evidence, source, {"subject": Subject("pod", "m", "p"), "now": None}))


def test_a_rule_of_ones_own_is_judged_by_ones_own_function_over_ones_own_evidence(tmp_path: Path) -> None:
    assert judged(written(tmp_path), {"pods": 1, "most": 5})["quota-left"] == passed("there is room")
    full = judged(written(tmp_path), {"pods": 5, "most": 5})["quota-left"]
    assert (full.state, full.findings[0].mode, full.says) == (State.FAIL, "pod.quota-exceeded", "m is full")


def test_a_rule_of_ones_own_can_block_a_check_that_comes_with_efsdiag(tmp_path: Path) -> None:
    book = load_rulebook(written(tmp_path))
    verdicts = {id_: Verdict(State.WAITING, "w") for id_ in book.checks}
    verdicts["quota-left"] = judged(tmp_path, {"pods": 5, "most": 5})["quota-left"]
    found = diagnose(book.checks, book.modes, verdicts, "pod-ready")
    assert [(c.check, c.finding.mode) for c in found.causes] == [("quota-left", "pod.quota-exceeded")]
    assert found.causes[0].chain[:2] == ("quota-left", "pod-exists")


def test_what_a_rule_says_is_what_the_check_has(tmp_path: Path) -> None:
    more = "  by_hand: [kubectl get x]\n  reference: https://x\n  settings: {most: 5}\n"
    more += "  milestone: true\n  actionable: true\n"
    check = load_rulebook(written(tmp_path, RULE + more)).checks["quota-left"]
    assert (check.claim, check.matters) == ("the namespace may make one more pod", "no pod is made")
    assert (check.blocks, check.modes) == (("pod-exists",), ("pod.quota-exceeded",))
    assert (check.by_hand, check.reference, check.settings) == (("kubectl get x",), "https://x", {"most": 5})
    assert (check.milestone, check.actionable) == (True, True)
    assert check.where == f"{tmp_path / 'own.yaml'}:3"


def test_a_rule_that_messages_judge_needs_no_function(tmp_path: Path) -> None:
    book = load_rulebook(written(tmp_path, RULE + "  judged_by: messages\n", None))
    assert book.checks["quota-left"].judge.__name__ == "judge"


def test_evidence_of_ones_own_needs_no_rules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("def own_limit(now):\n    return 5\n", encoding="utf-8")
    assert "own_limit" in load_rulebook(tmp_path).evidence


def test_a_module_of_ones_own_may_define_dataclasses(tmp_path: Path) -> None:
    code = (
        CODE + "\n\nfrom dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Quota:\n    most: int = 5\n"
    )
    assert "quota-left" in load_rulebook(written(tmp_path, code=code)).checks


def test_helpers_of_ones_own_and_imported_functions_are_no_evidence(tmp_path: Path) -> None:
    code = CODE + "\n\nfrom textwrap import dedent\n\n\ndef _helper(text):\n    return dedent(text)\n"
    evidence = load_rulebook(written(tmp_path, code=code)).evidence
    assert "own_quota" in evidence
    assert not {"dedent", "_helper", "failed"} & evidence.keys()


def test_without_a_folder_the_rules_are_those_that_come_with_efsdiag() -> None:
    book = load_rulebook()
    assert {"pod-ready", "nfs-port-open", "claim-bound"} <= book.checks.keys()
    assert book.checks["nfs-port-open"].judge is public_functions(sys.modules["efsdiag.checks.vpc"])["nfs_port_open"]
    assert re.fullmatch(r"rules/vpc\.yaml:\d+", book.checks["nfs-port-open"].where)


# --- mistakes, each with its place and the nearest right spelling ------------------------------------------------


def test_a_mode_has_a_check_or_says_why_not() -> None:
    book = load_rulebook()
    check, mode = next((c, book.modes[m]) for c in book.checks.values() for m in c.modes)
    unjudged = next(m for m in book.modes.values() if m.not_judged)
    verify_judged({check.id: check}, {mode.id: mode, unjudged.id: unjudged})
    with pytest.raises(RuleError, match=f"mode-without-check: .* has {mode.id}, which no check names"):
        verify_judged({}, {mode.id: mode})
    excused = dataclasses.replace(mode, not_judged="nobody can", decided_by="something else")
    with pytest.raises(RuleError, match=f"mode-judged-after-all: .* says of {mode.id} why no check looks for it"):
        verify_judged({check.id: check}, {mode.id: excused})


def mistake(folder: Path) -> RuleError:
    with pytest.raises(RuleError) as raised:
        load_rulebook(folder)
    assert str(raised.value).startswith(f"{raised.value.reference}: {raised.value.where} ")
    return raised.value


@pytest.mark.parametrize(
    ("rule", "reference", "line", "says", "hint"),
    [
        (RULE.replace("matters:", "maters:"), "rule-unknown-key", 3, "'maters'", "did you mean matters?"),
        (RULE.replace("[pod-exists]", "pod-exists"), "rule-wrong-type", 3, "blocks is not a list", ""),
        (RULE.replace("[pod-exists]", "[on]"), "rule-wrong-type", 3, "blocks has True", ""),
        (RULE.replace("[pod-exists]", "[{a: b}]"), "rule-wrong-type", 3, "blocks has {'a': 'b'}", ""),
        (RULE + "  milestone: 'yes'\n", "rule-wrong-type", 3, "milestone is not a bool", ""),
        (RULE.replace("  matters: no pod is made\n", ""), "rule-lacks-key", 3, "quota-left lacks matters", ""),
        (
            RULE.replace("pod.quota-exceeded", "pod.quota-exceded"),
            "rule-unknown-mode",
            3,
            "'pod.quota-exceded'",
            "did you mean pod.quota-exceeded?",
        ),
        (RULE.replace("pod-exists", "pod-exist"), "rule-unknown-block", 3, "'pod-exist'", "did you mean pod-exists?"),
        (RULE + "  judged_by: mesages\n", "rule-unknown-judge", 3, "'mesages'", "did you mean messages?"),
        ("quota-left: so\n", "rule-not-a-mapping", 1, "quota-left is not a mapping", ""),
        (RULE + "  modes: []\n", "yaml-duplicate-key", 8, "'modes' again; first on line 7", ""),
        (RULE + RULE, "yaml-duplicate-key", 10, "'quota-left' again; first on line 3", ""),
        (RULE.replace("[pod-exists]", "[pod-exists"), "yaml-unreadable", 7, "is not YAML", ""),
        (RULE.replace("[pod-exists]", "!!python/name:os.system x"), "yaml-unreadable", 6, "is not YAML", ""),
        (RULE.replace("[pod-exists]", "2026-02-31"), "yaml-unreadable", 3, "is not YAML", ""),
        ("? [quota-left]\n: {}\n", "yaml-unreadable", 1, "has a list or a mapping as the name of an entry", ""),
        ("- quota-left\n", "yaml-not-a-mapping", 1, "is not a mapping", ""),
    ],
)
def test_a_mistake_in_a_rule_is_named(
    tmp_path: Path, rule: str, reference: str, line: int, says: str, hint: str
) -> None:
    error = mistake(written(tmp_path, rule))
    assert (error.reference, error.where) == (reference, f"{tmp_path / 'own.yaml'}:{line}")
    assert says in error.message
    assert error.hint == hint


def test_a_rule_without_a_function_is_named_with_the_function_that_was_meant(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, code=CODE.replace("def quota_left", "def quota_lefft")))
    assert (error.reference, error.where) == ("rule-without-function", f"{tmp_path / 'own.yaml'}:3")
    assert error.message == "declares quota-left, but there is no function quota_left"
    assert error.hint == f"did you mean quota_lefft in {tmp_path / 'own.py'}:6?"


def test_a_rule_without_any_function_like_it_says_where_to_write_one(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, code=None))
    assert (error.reference, error.hint) == ("rule-without-function", f"write it in {tmp_path / 'own.py'}")


def test_a_function_that_returns_a_verdict_without_a_rule_is_named_with_the_rule_that_was_meant(tmp_path: Path) -> None:
    code = CODE + "\n\ndef quota_lefft() -> Verdict:\n    return passed('')\n"
    error = mistake(written(tmp_path, code=code))
    assert (error.reference, error.where) == ("function-without-rule", f"{tmp_path / 'own.py'}:17")
    assert error.hint == "did you mean quota-left?"


def test_evidence_that_nobody_makes_is_named_with_what_was_meant(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, code=CODE.replace("subject, own_quota)", "subject, own_qouta)")))
    assert (error.reference, error.where) == ("evidence-unknown", f"{tmp_path / 'own.yaml'}:3 quota-left")
    assert error.message == "asks for 'own_qouta', which no evidence function makes"
    assert error.hint == "did you mean own_quota?"


def test_a_check_may_not_read_and_evidence_has_no_settings(tmp_path: Path) -> None:
    code = CODE.replace("subject, own_quota)", "read, subject, own_quota)")
    assert mistake(written(tmp_path, code=code)).message.startswith("asks for 'read'")
    error = mistake(written(tmp_path, code=CODE.replace("own_quota(read)", "own_quota(settings)")))
    assert (error.reference, error.where) == ("evidence-unknown", f"{tmp_path / 'own.py'}:12 own_quota")


def test_evidence_that_is_to_show_a_claim_and_that_nobody_makes_is_named_with_the_nearest(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, RULE.rstrip("\n") + "\n  shown_by: mounted_besides\n"))
    assert (error.reference, error.where) == ("evidence-unknown", f"{tmp_path / 'own.yaml'}:3")
    assert "mounted_beside" in error.hint


def test_evidence_that_needs_itself_is_named_with_its_circle(tmp_path: Path) -> None:
    code = CODE.replace("own_quota(read)", "own_quota(first)")
    code += "\n\ndef first(second):\n    return second\n\n\ndef second(own_quota):\n    return own_quota\n"
    error = mistake(written(tmp_path, code=code))
    assert (error.reference, error.where) == ("evidence-cycle", f"{tmp_path / 'own.py'}:12")
    assert error.message == "evidence own_quota needs itself: own_quota → first → second → own_quota"


@pytest.mark.parametrize("name", ["pod", "subject", "now"])
def test_evidence_that_is_made_elsewhere_is_named(tmp_path: Path, name: str) -> None:
    error = mistake(written(tmp_path, code=CODE + f"\n\ndef {name}(read):\n    return 1\n"))
    assert (error.reference, error.where) == ("evidence-twice", f"{tmp_path / 'own.py'}:17")
    assert name in error.message


def test_a_rule_of_ones_own_may_not_replace_one_that_comes_with_efsdiag(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, RULE.replace("quota-left", "pod-ready")))
    assert (error.reference, error.where) == ("rule-twice", f"{tmp_path / 'own.yaml'}:3")
    assert re.fullmatch(r"declares pod-ready, as does rules/pod\.yaml:\d+", error.message)


def test_rules_that_block_each_other_are_named_with_their_circle(tmp_path: Path) -> None:
    other = RULE.replace("quota-left", "other-left").replace("pod-exists", "quota-left")
    both = RULE.replace("pod-exists", "other-left") + other.partition("\n")[2]
    error = mistake(written(tmp_path, both + "  judged_by: messages\n"))
    assert error.reference == "rules-cycle"
    assert re.fullmatch(rf"{re.escape(str(tmp_path / 'own.yaml'))}:(3|9)", error.where)
    assert re.search(
        r"circle: (quota-left → other-left → quota-left|other-left → quota-left → other-left)$", str(error)
    )


def test_a_rule_that_blocks_itself_is_a_circle(tmp_path: Path) -> None:
    error = mistake(written(tmp_path, RULE.replace("pod-exists", "quota-left")))
    assert (error.reference, error.where) == ("rules-cycle", f"{tmp_path / 'own.yaml'}:3")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = mistake(tmp_path / "nowhere")
    assert (error.reference, error.where) == ("rules-folder-missing", str(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert mistake(tmp_path / "file").reference == "rules-folder-missing"


@pytest.mark.parametrize(
    ("code", "line", "says"),
    [
        ("x = 1\ndef quota_left(:\n", 2, "SyntaxError"),
        ("import os\n\nimport no_such_module_of_mine\n", 3, "ModuleNotFoundError: No module named"),
        ("def f():\n    return {}['x']\n\n\nf()\n", 2, "KeyError: 'x'"),
    ],
)
def test_python_that_does_not_load_is_named_with_its_line(tmp_path: Path, code: str, line: int, says: str) -> None:
    error = mistake(written(tmp_path, code=code))
    assert (error.reference, error.where) == ("rules-not-python", f"{tmp_path / 'own.py'}:{line}")
    assert says in error.message


def test_a_file_that_is_not_text_and_a_folder_in_the_place_of_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00")
    assert mistake(tmp_path).reference == "yaml-unreadable"
    (tmp_path / "own.yaml").unlink()
    (tmp_path / "own.yaml").mkdir()
    error = mistake(tmp_path)
    assert (error.reference, error.where) == ("yaml-unreadable", f"{tmp_path / 'own.yaml'}:1")


# --- YAML itself -------------------------------------------------------------------------------------------------


def test_entries_come_in_the_order_of_the_file_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("b: [1]\n\n# why\na: {c: true}\n", encoding="utf-8")
    assert [(e.key, e.value, e.where) for e in entries(file, "x.yaml")] == [
        ("b", [1], "x.yaml:1"),
        ("a", {"c": True}, "x.yaml:4"),
    ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_has_no_entries(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    assert list(entries(tmp_path / "x.yaml", "x.yaml")) == []


def test_a_duplicate_key_is_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a:\n  - b:\n      c: 1\n      c: 2\n", encoding="utf-8")
    with pytest.raises(RuleError, match=r"yaml-duplicate-key: x\.yaml:4 has 'c' again; first on line 3"):
        list(entries(tmp_path / "x.yaml", "x.yaml"))


def test_the_nearest_spelling_is_offered_only_where_it_is_near() -> None:
    assert nearest("nfs-port-opne", ["nfs-port-open", "pod-ready"]) == "did you mean nfs-port-open?"
    assert nearest("nfs-port-opne", ["nfs-port-open"], also=" in x") == "did you mean nfs-port-open in x?"
    assert nearest("zzz", ["nfs-port-open"]) == ""


def test_plain_data_keeps_its_order_as_yaml(tmp_path: Path) -> None:
    text = to_yaml({"b": [1, "ä"], "a": {"c": True}})
    assert text.index("b:") < text.index("a:")
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    assert [(e.key, e.value) for e in entries(tmp_path / "x.yaml", "x")] == [("b", [1, "ä"]), ("a", {"c": True})]
