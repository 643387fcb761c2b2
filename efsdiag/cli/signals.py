"""Ctrl-C and SIGTERM: the run ends at once, with one error document where a document was asked for.

A handler that raised would wait for the threads that read; a read may hang for as long as its time-out. So the handler
says what happened and leaves the process. What must not be left half done runs in `undivided`; what has to be cleaned
up in any case runs in `unwound`, where a signal is raised after all.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from efsdiag.cli import faults, output

_STOPPED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def answered(form: str) -> Iterator[None]:
    """While it lasts, a signal ends the process with 128 + its number. `form` is the output format."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # Made now: what a form needs may be half imported when the signal comes.
    texts = {number: faults.text_of(interruption(number), form) for number in _STOPPED}

    def leave(number: int, _: FrameType | None) -> None:
        _say(texts[signal.Signals(number)], form)
        os._exit(128 + number)

    output.BEGUN.clear()
    with _handled(leave):
        yield


class Stopped(BaseException):
    """A signal came while something has to be cleaned up."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


@contextmanager
def unwound() -> Iterator[None]:
    """While it lasts, a signal is raised as Stopped in the main thread, so that `finally` is come to."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    with _handled(stop):
        yield


@contextmanager
def undivided() -> Iterator[None]:
    """While it lasts, signals wait until it ends.

    They are kept by a handler and not by a mask: a mask holds for one thread, and any other one would let them in.
    """
    came: list[int] = []
    try:
        with _handled(lambda number, _: came.append(number)):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """While it lasts, the handler gets the signals that stop a run; another thread than the main one can set none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _STOPPED}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def interruption(number: int) -> faults.Fault:
    """What ends a run that a signal stopped."""
    return faults.Fault("interrupted", f"stopped by {signal.Signals(number).name}, before the end", "", 128 + number)


def _say(text: str, form: str) -> None:
    if form in output.FOR_PEOPLE:
        os.write(2, f"\n{text}".encode())
    elif not output.BEGUN.is_set():
        try:
            os.write(1, text.encode("utf-8", "backslashreplace"))
        except OSError:
            return
