"""What goes into a plan: the least risky cure of each confirmed cause, what was asked for, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from plans import NOW, PLACE, TARGET, a_change

from efsdiag.changes import Change, Choices, Declined, Plan, Proposal, Risk
from efsdiag.model import Finding, Missing, Query, Ref, Subject, Unreadable
from efsdiag.remedy_rules import Remedy
from efsdiag.treat.planning import VALID_FOR, ChoiceError, place_of, plan_of

NO_CHOICE = Choices()
ON = Ref("FileSystem", "fs-1")


def remedy(name: str, gives: Proposal | Missing, *mends: str) -> Remedy:
    def propose(cause: Finding) -> Any:
        return gives

    return Remedy(name, mends or ("a.b",), f"does {name}", "nothing", 5.0, propose)


def cause(mode: str = "a.b", *, confirmed: bool = True, sure: bool = True) -> Any:
    finding = SimpleNamespace(mode=mode, object=ON, sure=sure)
    return SimpleNamespace(check=f"check-of-{mode}", finding=finding, confirmed=confirmed)


def planned(
    *remedies: Remedy, causes: tuple[Any, ...] = (cause(),), latent: tuple[Any, ...] = (), choices: Choices = NO_CHOICE
) -> Plan:
    diagnosis: Any = SimpleNamespace(causes=causes, latent=latent)
    gather: Any = SimpleNamespace(call=lambda propose, cause, **_: propose(cause))
    known: Mapping[str, Remedy] = {r.id: r for r in remedies}
    return plan_of(diagnosis, TARGET, gather, known, PLACE, NOW, choices)


def one(number: int, risk: Risk = Risk.SAFE) -> tuple[Change, ...]:
    return (a_change(number, risk),)


def test_the_least_risky_cure_is_chosen_and_the_others_are_shown() -> None:
    plan = planned(remedy("harsh", one(1, Risk.DISRUPTIVE)), remedy("mild", one(2)))
    assert [o.remedy for o in plan.chosen] == ["mild"]
    assert [o.remedy for o in plan.alternatives] == ["harsh"]
    assert plan.expires_at - plan.made_at == VALID_FOR


def test_a_cure_is_as_risky_as_its_riskiest_change() -> None:
    both = (a_change(1), a_change(2, Risk.DISRUPTIVE))
    plan = planned(remedy("both", both), remedy("mild", one(3)))
    assert plan.alternatives[0].risk is Risk.DISRUPTIVE


def test_what_was_asked_for_is_chosen_in_its_place() -> None:
    remedies = remedy("harsh", one(1, Risk.DISRUPTIVE)), remedy("mild", one(2))
    assert [o.remedy for o in planned(*remedies, choices=Choices(("harsh",))).chosen] == ["harsh"]


def test_an_irreversible_cure_is_never_chosen_whoever_asks() -> None:
    forever = remedy("forever", one(1, Risk.IRREVERSIBLE))
    for choices in (Choices(), Choices(("forever",))):
        plan = planned(forever, choices=choices)
        assert plan.changes == ()
        assert [o.remedy for o in plan.alternatives] == ["forever"]


@pytest.mark.parametrize("gives", [Declined("two of them fit"), Missing("x", "two of them fit", absent=True)])
def test_a_remedy_that_has_nothing_to_propose_says_why(gives: Any) -> None:
    plan = planned(remedy("unsure", gives))
    assert plan.chosen == ()
    assert plan.declined == (("a.b", "unsure", "two of them fit"),)


def test_a_cause_without_a_remedy_is_said_to_have_none() -> None:
    plan = planned(remedy("other", one(1), "c.d"))
    assert [(mode, name) for mode, name, _ in plan.declined] == [("a.b", "")]


def test_a_likely_cause_is_mended_only_where_that_was_asked_for() -> None:
    mild, likely = remedy("mild", one(1)), (cause(confirmed=False),)
    assert planned(mild, causes=likely).chosen == ()
    assert "--likely" in planned(mild, causes=likely).declined[0][2]
    assert len(planned(mild, causes=likely, choices=Choices(likely=True)).chosen) == 1


def test_what_is_wrong_but_not_the_cause_is_mended_only_where_it_is_named() -> None:
    remedies, latent = (remedy("mild", one(1)), remedy("other", one(2), "c.d")), (cause("c.d"),)
    assert [o.mode for o in planned(*remedies, latent=latent).chosen] == ["a.b"]
    plan = planned(*remedies, latent=latent, choices=Choices(also=("c.d",)))
    assert [o.mode for o in plan.chosen] == ["a.b", "c.d"]


def test_the_same_change_for_two_causes_is_made_once() -> None:
    plan = planned(remedy("mild", one(1), "a.b", "c.d"), causes=(cause(), cause("c.d")))
    assert (len(plan.chosen), len(plan.changes)) == (2, 1)


@pytest.mark.parametrize(
    ("choices", "reference"),
    [(Choices(("mlid",)), "remedy-unknown"), (Choices(also=("c.d",)), "mode-not-found")],
)
def test_a_choice_that_cannot_be_is_told(choices: Choices, reference: str) -> None:
    with pytest.raises(ChoiceError) as told:
        planned(remedy("mild", one(1)), choices=choices)
    assert told.value.reference == reference
    assert told.value.hint


def test_the_digest_is_of_what_is_done_where_and_for_what() -> None:
    plan = planned(remedy("mild", one(1)))
    assert planned(remedy("mild", one(1))).digest == plan.digest
    for other in (
        planned(remedy("mild", one(2))),
        planned(remedy("mild", one(1, Risk.DISRUPTIVE))),
        planned(remedy("wild", one(1))),
        planned(remedy("mild", one(1), "c.d"), causes=(cause("c.d"),)),
    ):
        assert other.digest != plan.digest


def test_a_name_with_half_of_a_character_in_it_is_in_a_digest_and_in_the_name_of_the_lock() -> None:
    plan = planned(remedy("mild", one(1)), choices=Choices(install="efs"))
    odd = replace(plan, target=Subject("Pod", "monitoring", "prometheus-\udc80"))
    assert replace(odd, chosen=()).holder == odd.holder, "the next round of the same install"
    assert len({odd.holder, plan.holder, odd.digest, plan.digest}) == 4


def test_a_place_that_could_not_be_read_is_not_made_up() -> None:
    def refusing(query: Query) -> Any:
        raise Unreadable(query, "refused")

    assert place_of(refusing, None, None, None).cluster == ""
    assert place_of(lambda _: {"metadata": {"uid": "u"}}, "1", "r", "c").cluster == "u"
