"""New, ongoing, resolved, incomparable: what two looks say together."""

from __future__ import annotations

import copy

import pytest
from healthreports import (
    ALL,
    LOOKED,
    blind,
    diagnosis,
    health,
    of,
    story,
    suppressed_story,
    target,
    timed_out,
    unlisted,
)

from efsdiag.report.comparison import CAUSE, LATENT, SUPPRESSED, compared, findings_of

MODE = "permission.parent-not-searchable"
CHECK = "parents-searchable"


def ids(findings):
    return [finding.id for finding in findings]


def causes(findings):
    return [finding for finding in findings if finding.role == CAUSE]


def gone(before, after):
    """What becomes of the causes of `before` in `after`: ids resolved, and why others are incomparable."""
    changes = compared(causes(findings_of(before)), after)
    return ids(changes.resolved), [unseen.why for _, unseen in changes.incomparable]


def test_a_document_has_each_fingerprint_once():
    found = findings_of(story())
    assert len({finding.fingerprint for finding in found}) == len(found)
    assert ids(causes(found)) == [MODE]
    assert {finding.role for finding in found} == {CAUSE, LATENT}


def test_everything_is_new_where_nothing_was_known():
    changes = compared((), story())
    assert len(changes.new) == 1 + len(story()["latent"])
    assert (changes.ongoing, changes.resolved, changes.incomparable) == ((), (), ())


def test_what_is_there_again_goes_on_whatever_its_pods_are_called():
    later = story(target("prometheus-server", "default", pods=3))
    later["rootCauses"][0]["summary"] = "the same in other words"
    changes = compared(findings_of(story()), later)
    assert (changes.new, changes.resolved, changes.incomparable) == ((), (), ())
    assert len(changes.ongoing) == len(findings_of(story()))


def test_what_is_gone_after_a_whole_look_is_resolved():
    assert gone(story(), health()) == ([MODE], [])


def test_a_cause_that_was_latent_before_is_new_and_the_other_way_round_goes_on():
    cause = story()
    latent = copy.deepcopy(cause)
    item = latent["rootCauses"].pop()
    latent["latent"] = [{**item, "kind": "cause", "clearedBy": []}]
    assert ids(causes(compared(findings_of(latent), cause).new)) == [MODE]
    assert MODE in ids(compared(findings_of(cause), latent).ongoing)


def test_what_is_suppressed_now_is_not_resolved_and_is_new_once_it_is_not_suppressed_any_more():
    held = suppressed_story()
    assert [f.role for f in findings_of(held)] == [SUPPRESSED]
    assert gone(story(), held) == ([], [])
    assert compared((), held).new == ()
    assert ids(causes(compared(findings_of(held), story()).new)) == [MODE]
    assert compared(findings_of(held), health()).resolved == ()


def test_a_finding_whose_check_was_unknown_for_its_workload_is_incomparable():
    later = health(
        suspects=[of({"check": CHECK, "reason": "no listing", "grant": ""}, target("prometheus-server", "default"))]
    )
    assert gone(story(), later) == ([], [f"{CHECK} could not be looked at: no listing"])
    later = health(notChecked=later["suspects"])
    assert gone(story(), later) == ([], [f"{CHECK} could not be looked at: no listing"])


def test_a_check_that_was_unknown_for_others_alone_says_nothing_of_this_workload():
    entry = {"check": CHECK, "reason": "no listing", "grant": ""}
    coverage = {"refused": [], "unlisted": [], "incomplete": False, "timedOut": False, "unknownChecks": [CHECK]}
    others = health(suspects=[of(entry, target("other"))], coverage=coverage)
    assert gone(story(), others) == ([MODE], [])
    some_unnamed = health(suspects=[of(entry, target("other"), count=30)], coverage=coverage)
    assert gone(story(), some_unnamed)[0] == []
    assert gone(story(target("web"), count=30), others)[0] == []
    nobody_says_for_whom = health(coverage=coverage)
    assert gone(story(), nobody_says_for_whom) == ([], [f"{CHECK} could not be looked at"])


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (timed_out(), "the time was over before everything was looked at"),
        (health(workloads={**LOOKED, "notLooked": 2}), "workloads that were not looked at: 2"),
        (unlisted(), "kube:list pods could not be asked: forbidden"),
        (unlisted("default"), "kube:list pods could not be asked: forbidden"),
        (unlisted("default", "deployments"), "kube:list deployments could not be asked: forbidden"),
    ],
)
def test_a_finding_whose_workload_may_not_have_been_looked_at_is_incomparable(later, why):
    assert gone(story(), later) == ([], [why])


def test_a_list_of_another_kind_that_was_refused_hides_no_workload_of_this_one():
    assert gone(story(), unlisted(kind="prometheuses")) == ([MODE], [])
    resource = story(target("main", "default", kind="Prometheus"))
    assert gone(resource, unlisted(kind="prometheuses"))[0] == []


def test_a_list_that_was_refused_in_another_namespace_says_nothing_of_this_one():
    assert gone(story(), unlisted("elsewhere")) == ([MODE], [])
    assert gone(story(target("web", "default"), count=30), unlisted("elsewhere"))[0] == []


def scope(*namespaces, selector=""):
    return {"allNamespaces": not namespaces, "namespaces": list(namespaces), "selector": selector}


@pytest.mark.parametrize(
    ("before", "after", "resolved"),
    [
        (ALL, scope("default"), True),
        (ALL, scope("default", "other"), True),
        (ALL, scope("other"), False),
        (scope("default"), ALL, True),
        (ALL, scope(selector="app=x"), False),
        (scope(selector="app=x"), scope(selector="app=x"), True),
        (scope(selector="app=x"), ALL, True),
        (scope(selector="app=x"), scope(selector="app=y"), False),
    ],
)
def test_what_is_out_of_the_later_scope_is_incomparable(before, after, resolved):
    changes = compared(causes(findings_of(story(scope=before))), health(scope=after))
    assert bool(changes.resolved) is resolved
    assert [unseen.asked for _, unseen in changes.incomparable] == ([] if resolved else [False])


def test_a_finding_with_workloads_that_nobody_names_needs_the_scope_that_it_was_found_in():
    many = story(target("web", "default"), count=30, scope=ALL)
    assert gone(many, health(scope=scope("default")))[0] == []
    assert gone(many, health(scope=ALL))[0] == [MODE]


def test_diagnoses_are_compared_as_well():
    before = diagnosis("nfs-port-closed")
    after = copy.deepcopy(before)
    cause = after["rootCauses"].pop()
    assert gone(before, after) == ([cause["id"]], [])
    after["suspects"] = [{"check": cause["check"], "reason": "refused", "grant": "", "supportedBy": []}]
    assert gone(before, after) == ([], [f"{cause['check']} could not be looked at: refused"])


def test_the_order_of_a_document_makes_no_difference():
    turned = story()
    turned["latent"].reverse()
    assert compared(findings_of(turned), blind()) == compared(findings_of(story()), blind())
