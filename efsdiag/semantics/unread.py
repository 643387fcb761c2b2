"""What a check says of evidence that only some of its cases need, where it could not be read."""

from __future__ import annotations

from typing import Any

from efsdiag.model import Unread, Verdict, unknown


def unread_of(*evidence: Any) -> Verdict | None:
    """Unknown where one of these could not be read; None where all were.

    For checks that do not apply to every way of getting credentials: those skip before they ask what was read.
    """
    unread = next((e for e in evidence if isinstance(e, Unread)), None)
    return unknown(unread.why, unread.grant) if unread is not None else None
