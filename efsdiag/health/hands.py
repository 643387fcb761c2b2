"""Threads that nobody has to wait for: where the time is over, the run ends although one of them hangs in a read."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

_Made = TypeVar("_Made")


class TimeIsOver(Exception):
    """What was waited for is not there by the end of the time."""


@dataclass
class Hands:
    """So many threads, and until when they are waited for."""

    number: int = 1
    until: float | None = None
    """In seconds of `time.monotonic`; None for as long as it takes."""
    _work: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    _threads: list[Thread] = field(default_factory=list)

    def give(self, function: Callable[[], _Made]) -> Future[_Made]:
        """Begins the work as soon as a hand is free."""
        if len(self._threads) < self.number:
            # Daemons: Python waits for every other thread before it ends.
            self._threads.append(Thread(target=self._serve, name="efsdiag-hand", daemon=True))
            self._threads[-1].start()
        future: Future[_Made] = Future()
        self._work.put((future, function))
        return future

    def wait(self, future: Future[_Made]) -> _Made:
        """What the work made. Errors: TimeIsOver; and what the work raised."""
        left = None if self.until is None else max(self.until - time.monotonic(), 0)
        try:
            return future.result(left)
        except TimeoutError as error:
            if future.done():
                raise
            raise TimeIsOver from error

    def do(self, function: Callable[[], _Made]) -> _Made:
        """The work, given and waited for. Errors: TimeIsOver; and what the work raised."""
        return self.wait(self.give(function))

    def close(self) -> None:
        """No more work comes; what waits is not begun."""
        while not self._work.empty():
            self._work.get()[0].cancel()
        for _ in self._threads:
            self._work.put(None)

    def _serve(self) -> None:
        while (given := self._work.get()) is not None:
            future, function = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
