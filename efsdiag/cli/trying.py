"""The trial: a line is written through the claim and read back, before a program relies on it.

Both `install` and `why --fix --settings` make it, and no Prometheus is installed without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from efsdiag.changes import Choices, Consent, Plan
from efsdiag.cli import output
from efsdiag.cli.applying import carry
from efsdiag.cli.journals import in_journals, now
from efsdiag.cli.planning import look_plan, say
from efsdiag.cli.run import Looked, Request
from efsdiag.cli.signals import undivided, unwound
from efsdiag.cli.undoing import take_back
from efsdiag.report.plan_text import plan_lines
from efsdiag.treat.journal import begin
from efsdiag.treat.plan_file import plan_as_json
from efsdiag.treat.planning import TRIAL


def wants_trial(plan: Plan) -> bool:
    """Whether the plan lets a program rely on a claim that nobody has written through yet."""
    return any(option.remedy == "install-prometheus" for option in plan.chosen)


def trial_holds(
    done: Looked, request: Request, given: Mapping[str, Any], choices: Choices, agree: Callable[[Plan], Consent]
) -> bool:
    """Runs the Job of the trial after a yes, takes it away, and says whether it came to a good end; so does where
    there is nothing to try. Errors: Fault.
    """
    plan = look_plan(done, choices, TRIAL)
    if not plan.changes:
        return True
    say([(), *plan_lines(plan_as_json(plan), output.width()), ()], request)
    consent = agree(plan)
    with unwound():
        journal = in_journals(lambda folder: begin(folder, plan, now()))
        try:
            return carry(plan, consent, done, request, given, journal).outcome != "failed"
        finally:
            with undivided():
                # A Job that could not be taken away is told of; the cluster takes it away some minutes after its end.
                take_back(journal, consent, request, given)
