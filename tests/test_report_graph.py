"""The check graph as text, dot and Mermaid."""

from dataclasses import replace

from reports import CHECKS

from efsdiag.report.graph import as_dot, as_mermaid, as_text, behind


def test_behind_a_check_stands_all_that_can_keep_it_from_coming_true():
    assert list(behind(CHECKS, "mounted")) == ["mounted", "port-open", "provisioned", "role-right"]
    assert list(behind(CHECKS, "role-right")) == ["role-right"]


def test_the_tree_has_under_each_check_what_blocks_it():
    assert as_text(behind(CHECKS, "mounted")).splitlines() == [
        "mounted: the claim of mounted",
        "├─ port-open: the claim of port-open",
        "└─ provisioned: the claim of provisioned",
        "   └─ role-right: the claim of role-right",
    ]


def test_a_part_that_two_checks_share_is_drawn_once():
    shared = {**CHECKS, "provisioned": replace(CHECKS["provisioned"], blocks=("mounted", "ready"))}
    lines = as_text(shared).splitlines()
    assert len([own for own in lines if "role-right:" in own]) == 1
    assert len([own for own in lines if own.endswith("(drawn above)")]) == 1


def test_every_check_is_in_the_tree_and_those_that_stand_alone_come_last():
    lines = as_text(CHECKS).splitlines()
    assert all(any(f"{id_}: " in own for own in lines) for id_ in CHECKS)
    assert lines[-1] == "backed-up: the claim of backed-up"


def test_dot_has_a_node_for_each_check_and_an_edge_for_each_block():
    lines = as_dot(behind(CHECKS, "provisioned")).splitlines()
    assert lines == [
        "digraph efsdiag {",
        "  rankdir=LR;",
        '  "provisioned" [shape=box, tooltip="the claim of provisioned"];',
        '  "role-right" [shape=ellipse, tooltip="the claim of role-right"];',
        '  "role-right" -> "provisioned";',
        "}",
    ]


def test_dot_escapes_quotes_of_a_claim():
    odd = {"a": replace(CHECKS["ready"], id="a", claim='says "no" \\ yes')}
    assert 'tooltip="says \\"no\\" \\\\ yes"' in as_dot(odd)


def test_mermaid_has_a_node_for_each_check_and_an_edge_for_each_block():
    assert as_mermaid(behind(CHECKS, "provisioned")).splitlines() == [
        "flowchart LR",
        '  n0["provisioned"]',
        '  n1("role-right")',
        "  n1 --> n0",
    ]


def test_an_edge_to_a_check_that_is_left_out_is_left_out():
    part = behind(CHECKS, "provisioned")
    assert "mounted" not in as_dot(part)
    assert as_mermaid(part).count("-->") == 1
