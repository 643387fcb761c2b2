"""`uninstall`, wired: an install taken back by its journals and its marks, the last first, and what stays."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from efsdiag.changes import Consent, Declined, Option, Plan, Proposal, Trouble
from efsdiag.cli import output
from efsdiag.cli.applying import asked_consent, carry, no_other_fix
from efsdiag.cli.awaiting import LOOK_AGAIN_S
from efsdiag.cli.faults import CONSENT, FAILED, Fault
from efsdiag.cli.installing import request_of
from efsdiag.cli.journals import in_journals, now
from efsdiag.cli.marked import PARTS, Marked, marked
from efsdiag.cli.planning import place_at, say, verify_place
from efsdiag.cli.run import Looked, Request, looked
from efsdiag.cli.sources import open_live
from efsdiag.cli.undoing import show_undo, take_back
from efsdiag.cli.wishes import settings_of
from efsdiag.deletions import around_file_system, file_system_deletion, inside_namespace, namespace_deletion
from efsdiag.model import Status, Unreadable
from efsdiag.operations import read_of
from efsdiag.report.data import EXIT_CODES
from efsdiag.report.layout import Line, line
from efsdiag.report.plan_text import change_lines, plan_lines
from efsdiag.report.text import safe
from efsdiag.semantics.containers import claim_volume_names
from efsdiag.settings import Settings
from efsdiag.target import subject_of
from efsdiag.treat.journal import Journal, Step, journals
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.treat.planning import VALID_FOR

PODS_S = 330.0
"""So long the pods may take to end: their 300 seconds of grace, and some more."""
IN_USE_S = 15.0
"""So long until it is tried again to delete what AWS says is in use; a mount target takes minutes to go."""
MOST_TRIES = 40
GOES_ON = "efsdiag uninstall goes on from here"


@dataclass(frozen=True)
class Removal:
    """What one run of `uninstall` was asked for."""

    settings: Settings
    request: Request
    given: Mapping[str, Any]


def run_uninstall(given: Mapping[str, Any]) -> int:
    """Takes back the install and returns the exit code. Errors: Fault."""
    settings = settings_of(given["file"], given["flags"])
    removal = Removal(settings, request_of(settings, given), given)
    with no_other_fix():
        found = in_journals(lambda folder: _of_install(folder, settings))
        with looked(removal.request) as done:
            here = place_at(done.opened)
            found = [j for j in found if j.plan.place.cluster == here.cluster]
            for journal in found:
                verify_place(journal.plan, here)
            own = marked(done, removal.request, settings)
            plans = () if own.is_in(found) else own.plans
            _show(found, plans, own, removal)
            unsure = EXIT_CODES[Status.INCONCLUSIVE] if own.unread else 0
            if given["only_plan"]:
                return unsure
            asked = _agreed(found, plans, removal) if found or plans else False
            if asked and plans:
                _verify_fresh(plans, removal)
            code = _carried(plans, done, removal)
        for journal in () if code else reversed(found):
            code = _taken_back(journal, removal)
            if code:
                break
        return code or _deleted(removal) or unsure


def _of_install(folder: Path, settings: Settings) -> list[Journal]:
    """The journals of this install's rounds that have something to take back, the oldest first."""
    target = subject_of(settings)
    return [
        j for j in journals(folder) if j.plan.choices.install == settings.name and j.plan.target == target and j.to_undo
    ]


def _show(found: Sequence[Journal], plans: Sequence[Plan], own: Marked, removal: Removal) -> None:
    """What is taken back, in its order, and what stays."""
    request = removal.request
    if plans:
        head = line("TAKE BACK BY ITS MARK   the journals here do not know all of it", "title")
        changes = [c for plan in plans for o in plan_as_json(plan)["chosen"] for c in o["changes"]]
        say([head, *change_lines(changes, output.width()), ()], request)
    for journal in reversed(found):
        show_undo(journal, request)
    lines: list[Line] = [] if found or plans else [line("there is nothing of this install that could be taken back")]
    say([*lines, *_staying(found, own)], request)


def _staying(found: Sequence[Journal], own: Marked) -> list[Line]:
    """What is not taken back: what was there before, what has no undo, and what bears no mark, or nobody could see."""
    steps = [pair for journal in found for pair in zip(journal.plan.changes, journal.steps, strict=True)]
    lines = [line(f"  not taken back: {safe(c.words)}", "warn") for c, s in steps if s is Step.DONE and c.undo is None]
    lines += [line(f"  was there before: {safe(c.words)}", "dim") for c, s in steps if s is Step.THERE]
    lines += [line(f"  {safe(says)}", "warn") for says in own.staying_beside(found)]
    lines += [line(f"  could not be looked at: {safe(says)}", "bad") for says in own.unread]
    return [(), line("WHAT STAYS", "title"), *lines] if lines else []


def _agreed(found: Sequence[Journal], plans: Sequence[Plan], removal: Removal) -> bool:
    """One yes to all of it; whether somebody was asked for it. Errors: Fault where it is missing."""
    text = "\n".join([p.digest for p in plans] + [f"{j.plan.digest} {j.to_undo}" for j in found])
    digest = hashlib.sha256(f"uninstall\n{text}".encode()).hexdigest()
    if digest in removal.given["approve"]:
        return False
    asked_consent(digest, "take all of this back?", f"agree with --approve {digest}")
    return True


def _verify_fresh(plans: Sequence[Plan], removal: Removal) -> None:
    """Nobody knows how long the question stood there. Errors: Fault where the marks say something else by now."""
    with looked(removal.request) as done:
        again = marked(done, removal.request, removal.settings).plans
    if [p.digest for p in again] != [p.digest for p in plans]:
        says = "what bears the mark of the install is not what was agreed to any more"
        raise Fault("plan-stale", says, "run efsdiag uninstall again, and read it again", CONSENT)


def _carried(plans: Sequence[Plan], done: Looked, removal: Removal) -> int:
    """Takes away what bears the mark, one part after the other; the exit code. Errors: Fault."""
    for plan in plans:
        if plan.chosen[0].remedy != PARTS[0]:
            _await_pods(removal)
        journal: Journal | None = None

        def once(plan: Plan = plan) -> tuple[int, Trouble | None]:
            nonlocal journal
            journal = carry(plan, Consent(plan.digest), done, removal.request, removal.given, journal, GOES_ON)
            return (FAILED if journal.outcome == "failed" else 0), journal.trouble

        code = _until_free(once)
        if code:
            return code
    return 0


def _taken_back(journal: Journal, removal: Removal) -> int:
    if not _is_of_prometheus(journal, removal.settings):
        _await_pods(removal)

    def once() -> tuple[int, Trouble | None]:
        return take_back(journal, Consent(journal.plan.digest), removal.request, removal.given), journal.trouble

    return _until_free(once)


def _until_free(once: Callable[[], tuple[int, Trouble | None]]) -> int:
    """The exit code of `once`, which is tried again as long as something is still used that goes away too."""
    for tries in range(MOST_TRIES):
        code, trouble = once()
        if not code or trouble not in (Trouble.IN_USE, Trouble.THROTTLED) or tries + 1 == MOST_TRIES:
            return code
        print(f"trying again in {IN_USE_S:.0f} s: the call was {trouble.value}", file=sys.stderr)
        time.sleep(IN_USE_S)
    return FAILED


def _is_of_prometheus(journal: Journal, settings: Settings) -> bool:
    """Whether the release of Prometheus is among what the journal takes back: its pods go with that."""
    writes = [journal.plan.changes[i].write for i in journal.to_undo]
    releases = [w.parameters["release"] for w in writes if w.operation == "helm:upgrade"]
    return settings.prometheus.release in releases


def _await_pods(removal: Removal) -> None:
    """Waits until no pod mounts the claim: a mount whose target goes away hangs. Errors: Fault where pods stay."""
    settings = removal.settings
    query = read_of("kube:list pods", namespace=settings.namespace)
    started = time.monotonic()
    while True:
        pods = open_live(removal.request.live).source(query) or []
        left = [p["metadata"]["name"] for p in pods if settings.claim in claim_volume_names(p["spec"]).values()]
        waited = time.monotonic() - started
        if not left:
            return
        if waited > PODS_S:
            says = f"{', '.join(left)} mounts claim {settings.claim}; the storage is not taken away under it"
            raise Fault("claim-in-use", says, "end it, and run efsdiag uninstall again", FAILED)
        print(f"waiting for {', '.join(left)} to end, {waited:.0f} of {PODS_S:.0f} s", file=sys.stderr)
        time.sleep(LOOK_AGAIN_S)


def _deleted(removal: Removal) -> int:
    """Deletes what was named, after a yes apart for each; the exit code. Errors: Fault."""
    code = 0
    if removal.given["empty_namespace"]:
        code = _delete(removal, "delete-namespace", _namespace, "delete this namespace?", "yes")
    named = removal.given["file_system"]
    if named and not code:
        code = _delete(removal, "delete-file-system", _file_system, f"type {named} to delete it with its data", named)
    return code


def _delete(removal: Removal, name: str, propose: Callable[[Looked, Removal], Proposal], ask: str, answer: str) -> int:
    request = removal.request
    with looked(request) as done:
        try:
            proposal = propose(done, removal)
        except Unreadable as error:
            says = f"what is in it could not be read: {error.why}"
            raise Fault("not-deleted", says, error.grant, EXIT_CODES[Status.INCONCLUSIVE]) from error
        if isinstance(proposal, Declined):
            raise Fault("not-deleted", proposal.why, "", FAILED)
        on = proposal[0].on
        option = Option("", name, on, name, proposal[0].words, proposal[0].residue, 0.0, tuple(proposal))
        made = now()
        plan = Plan(done.found.asked, place_at(done.opened), made, made + VALID_FOR, (option,))
        say([(), *plan_lines(plan_as_json(plan), output.width()), ()], request)
        consent = Consent(plan.digest)
        if plan.digest not in removal.given["approve"]:
            asked_consent(plan.digest, ask, f"agree with --approve {plan.digest}", answer)
        journal = carry(plan, consent, done, request, removal.given, None)
    return FAILED if journal.outcome == "failed" else 0


def _file_system(done: Looked, removal: Removal) -> Proposal:
    return file_system_deletion(removal.settings, *around_file_system(done.source, removal.given["file_system"]))


def _namespace(done: Looked, removal: Removal) -> Proposal:
    return namespace_deletion(*inside_namespace(done.source, removal.settings.namespace))
