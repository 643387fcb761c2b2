"""Looking until what a plan was for is no longer found, or its settling time is over."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from efsdiag.changes import Option
from efsdiag.cli import output
from efsdiag.cli.faults import FAILED
from efsdiag.cli.journals import in_journals, now
from efsdiag.cli.next_start import Start, next_start_lines
from efsdiag.cli.planning import say
from efsdiag.cli.run import Looked, Request, look_of, looked
from efsdiag.model import Diagnosis, Evidence
from efsdiag.report.layout import line
from efsdiag.report.terminal import render
from efsdiag.target import in_the_making
from efsdiag.treat.journal import Journal

LOOK_AGAIN_S = 5.0


def verify(
    journal: Journal, request: Request, settle_s: float | None, before: Start | None = None, *, show: bool = True
) -> int:
    """Looks until what the plan was for is no longer found, or its settling time is over; the exit code. Errors: Fault.

    The journal is told what came of it. `before` is the program's newest start before the change.
    """
    awaited = Awaited.of(journal, settle_s, before)
    while True:
        with looked(request) as done:
            code = awaited.judged(done, request)
        if code is not None:
            break
    if show:
        output.write(render({**done.report, "changed": True}, look_of(request)))
    return code


@dataclass(frozen=True)
class Awaited:
    """What a plan that was carried out is to bring about, and since when it is waited for."""

    journal: Journal
    most_s: float
    began_s: float
    before: Start | None

    @classmethod
    def of(cls, journal: Journal, settle_s: float | None, before: Start | None = None) -> Awaited:
        """From now on, for as long as the plan's remedies need at most, or for `settle_s`."""
        return cls(journal, most_s(journal.plan.chosen, settle_s), time.monotonic(), before)

    def judged(self, done: Looked, request: Request) -> int | None:
        """The exit code where it came true, or took too long, which the journal is told; None after some waiting.

        Errors: Fault.
        """
        chosen = self.journal.plan.chosen
        left = [o for o in chosen if not worked(o, done.found.diagnosis)]
        waited = time.monotonic() - self.began_s
        if left and waited < self.most_s:
            names = ", ".join(sorted({o.check for o in left}))
            print(f"waiting for {names}, {waited:.0f} of {self.most_s:.0f} s", file=sys.stderr)
            time.sleep(min(LOOK_AGAIN_S, max(self.most_s - waited, 0.1)))
            return None
        lines = [line(f"worked: {o.check} no longer finds {o.mode}", "good") for o in chosen if o not in left]
        lines += [line(f"did not help within {self.most_s:.0f} s: {o.check} still finds {o.mode}", "bad") for o in left]
        undo = left and self.journal.to_undo
        lines += [line(f"efsdiag undo {self.journal.id} takes it back", "dim")] if undo else []
        say([*lines, *(() if left else next_start_lines(done, self.before)), ()], request)
        in_journals(lambda _: self.journal.end("did not help" if left else "worked", now()))
        return FAILED if left else 0


def made_by_aws(done: Looked) -> tuple[str, ...]:
    """What of the storage that is wished for AWS is still making, in words."""
    gather = done.gather()
    found = {name: gather(name) for name in ("wanted_file_system", "mount_targets", "wanted_access_point")}
    known = {name: one.value if isinstance(one, Evidence) else None for name, one in found.items()}
    return in_the_making(known["wanted_file_system"], known["mount_targets"] or {}, known["wanted_access_point"])


def worked(option: Option, diagnosis: Diagnosis) -> bool:
    """Whether the check that failed was looked at again, and no longer finds it on that object."""
    verdict = diagnosis.verdicts.get(option.check)
    if verdict is None or verdict.state.value == "unknown":
        return False
    return not any(f.mode == option.mode and (option.on is None or f.object == option.on) for f in verdict.findings)


def most_s(chosen: Sequence[Option], settle_s: float | None) -> float:
    """So long what the options are for may take to come true."""
    return settle_s if settle_s is not None else max((o.settles_s for o in chosen), default=0.0)
