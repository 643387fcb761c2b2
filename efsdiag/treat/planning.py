"""A plan from a diagnosis: for each cause the remedies that have something to propose, the least risky one chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from efsdiag.changes import Choices, Declined, Option, Place, Plan, Proposal, Risk
from efsdiag.gather import Gather
from efsdiag.model import Cause, Diagnosis, Finding, Missing, Source, Subject, Unreadable
from efsdiag.operations import read_of
from efsdiag.redaction import is_redacted
from efsdiag.remedy_rules import Remedy

VALID_FOR = timedelta(hours=1)
"""A plan that is older is made again."""

HELD_BACK = "what it would write holds a secret that stands in the object, and efsdiag keeps none: change it by hand"

LOOKS = {"look-inside-the-volume": "data-owned", "ask-from-the-node": "nfs-answers"}
"""Remedy for not knowing → the check that cannot be decided without it."""
TRIAL = {"write-through-the-claim": "volume-takes-writes"}
"""The same before anything is installed on a claim."""


class ChoiceError(Exception):
    """A choice that this plan cannot have: reference, message, hint."""

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        self.reference = reference
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {message}")


def place_of(source: Source, account: str | None, region: str | None, context: str | None) -> Place:
    """Where a plan may be carried out. Source: kube:get namespaces, the uid of kube-system."""
    try:
        found = source(read_of("kube:get namespaces", name="kube-system"))
    except Unreadable:
        found = None
    cluster = str((found or {}).get("metadata", {}).get("uid", ""))
    return Place(cluster, account or "", region or "", context or "")


def plan_of(
    diagnosis: Diagnosis,
    target: Subject,
    gather: Gather,
    remedies: Mapping[str, Remedy],
    place: Place,
    now: datetime,
    choices: Choices,
    *,
    live: bool = True,
    looks: tuple[Option, ...] = (),
) -> Plan:
    """The plan for what was found, where `looks` were made before.

    An irreversible option is shown among the alternatives and never chosen. Errors: ChoiceError.
    """
    _verify(choices, remedies, diagnosis)
    chosen: list[Option] = []
    alternatives: list[Option] = []
    declined: list[tuple[str, str, str]] = []
    for check, finding, confirmed in _wanted(diagnosis, choices):
        if not confirmed and not choices.likely:
            why = "the cause is likely, not confirmed; look first, or ask for it with --likely"
            declined.append((finding.mode, "", why))
            continue
        options, refused = _options(check, finding, gather, remedies, choices.probe_image)
        declined += refused
        best = _best(options, choices.remedies)
        chosen += [best] if best else []
        alternatives += [option for option in options if option is not best]
        if not options and not refused:
            declined.append((finding.mode, "", "there is no remedy that efsdiag can carry out; see what mends it"))
    until = now + VALID_FOR
    return Plan(target, place, now, until, tuple(chosen), tuple(alternatives), tuple(declined), choices, live, looks)


def look_plan_of(
    target: Subject,
    gather: Gather,
    remedies: Mapping[str, Remedy],
    place: Place,
    now: datetime,
    choices: Choices,
    looks: Mapping[str, str] = LOOKS,
) -> Plan:
    """The plan for looking where nobody can look without a write: short-lived Jobs."""
    options: list[Option] = []
    declined: list[tuple[str, str, str]] = []
    for name, check in looks.items():
        remedy = remedies[name]
        found = _option(remedy, gather.call(remedy.propose, probe_image=choices.probe_image), check)
        if isinstance(found, str):
            declined.append(("", name, found))
        else:
            options.append(replace(found, on=found.changes[0].on))
    return Plan(target, place, now, now + VALID_FOR, tuple(options), (), tuple(declined), choices)


def _verify(choices: Choices, remedies: Mapping[str, Remedy], diagnosis: Diagnosis) -> None:
    for name in choices.remedies:
        if name not in remedies:
            raise ChoiceError("remedy-unknown", f"there is no remedy {name}", f"remedies are {', '.join(remedies)}")
    wrong = {latent.finding.mode for latent in diagnosis.latent}
    for mode in choices.also:
        if mode not in wrong:
            raise ChoiceError(
                "mode-not-found",
                f"{mode} is not among what is wrong here",
                f"that is {', '.join(sorted(wrong)) or '-'}",
            )


def _wanted(diagnosis: Diagnosis, choices: Choices) -> list[tuple[str, Finding, bool]]:
    """(check, finding, whether it is confirmed): the causes, then what else was asked for."""
    causes: list[tuple[str, Finding, bool]] = [_of_cause(cause) for cause in diagnosis.causes]
    return causes + [
        (latent.check, latent.finding, latent.finding.sure)
        for latent in diagnosis.latent
        if latent.finding.mode in choices.also
    ]


def _of_cause(cause: Cause) -> tuple[str, Finding, bool]:
    return cause.check, cause.finding, cause.confirmed


def _options(
    check: str, finding: Finding, gather: Gather, remedies: Mapping[str, Remedy], probe_image: str
) -> tuple[list[Option], list[tuple[str, str, str]]]:
    """The options for a finding, the least risky first, and the remedies that have none, with the reason."""
    options: list[Option] = []
    refused: list[tuple[str, str, str]] = []
    for remedy in remedies.values():
        if finding.mode not in remedy.mends:
            continue
        proposal = gather.call(remedy.propose, cause=finding, probe_image=probe_image)
        found = _option(remedy, proposal, check)
        if isinstance(found, str):
            refused.append((finding.mode, remedy.id, found))
        elif found.changes:
            options.append(replace(found, mode=finding.mode, on=finding.object))
    return sorted(options, key=lambda option: option.risk.rank), refused


def _option(remedy: Remedy, proposal: Proposal | Missing, check: str) -> Option | str:
    """What the remedy proposes, for no finding yet; or why that is nothing."""
    if isinstance(proposal, Declined | Missing):
        return proposal.why
    if any(is_redacted(c.write.parameters) or (c.undo and is_redacted(c.undo.parameters)) for c in proposal):
        return HELD_BACK
    return Option("", check, None, remedy.id, remedy.does, remedy.costs, remedy.settles_s, tuple(proposal))


def _best(options: list[Option], wanted: Collection[str]) -> Option | None:
    named = [o for o in options if o.remedy in wanted]
    able = [o for o in named or options if o.risk is not Risk.IRREVERSIBLE]
    return able[0] if able else None
