"""Checks whose modes only a message reveals: one judge for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from efsdiag.evidence.messages import Heard, Sighted
from efsdiag.model import Finding, Verdict, failed_all, passed, unknown, waiting


def judge_by_messages(
    modes: tuple[str, ...],
    channels: Mapping[str, frozenset[str]],
    *,
    certain: bool,
    hears: frozenset[str] = frozenset(),
) -> Callable[..., Verdict]:
    """A judge that fails where a message of the present attempt names one of `modes`.

    `channels` are the places where each mode speaks; of them only `hears` count, where it is given. It passes only
    where one of them spoke and named something else; it is unknown where nobody could listen, and waits where nothing
    has been said yet.
    """
    places = sorted({where for mode in modes for where in channels.get(mode, ()) if not hears or where in hears})

    def judge(heard: Heard) -> Verdict:
        sighted = [s for s in heard.of(*modes) if not hears or s.message.where in hears]
        specific = [s for s in sighted if s.specific]
        if specific:
            return failed_all([finding_of(s, sure=certain) for s in _first_of_each(specific)])
        if sighted:
            return unknown(f"what was said fits it, and other causes too: {sighted[0].line}")
        deaf = [heard.unread[where] for where in places if where in heard.unread]
        if deaf:
            return unknown(deaf[0].why, deaf[0].grant)
        speaking = [where for where in places if heard.speaks(where)]
        if speaking:
            return passed(f"the {speaking[0].replace('-', ' ')} says nothing of it")
        return waiting("nothing was said about it yet")

    return judge


def finding_of(sighted: Sighted, *, sure: bool) -> Finding:
    """The finding that a sighting supports, with its source as proof."""
    return Finding(
        sighted.mode,
        f"{sighted.message.source} says: {sighted.line}",
        sighted.message.about,
        sure,
        (f"{sighted.message.source}: {sighted.line}",),
    )


def _first_of_each(sighted: list[Sighted]) -> list[Sighted]:
    found: dict[str, Sighted] = {}
    for s in sighted:
        found.setdefault(s.mode, s)
    return list(found.values())
