"""Standard streams that are closed or full: what a run found does not depend on whether its talk is heard."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STREAMS = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


@contextmanager
def lasting_streams() -> Iterator[None]:
    """While it lasts, standard streams that were closed lead to nowhere, and standard error takes whatever it is told.

    A closed standard output is a reader that has gone. Where it stayed closed, the next file that is opened would get
    its number.
    """
    for number, name, mode in _STREAMS:
        if getattr(sys, name) is None:
            _open_to_nowhere(number, name, mode)
    before = sys.stderr
    sys.stderr = _Talk(before)
    try:
        yield
    finally:
        sys.stderr = before


class _Talk:
    """Standard error, of which an error in writing is none of the run: on a full disk, say."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._unheard():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unheard():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # Python flushes it once more when it ends, and would change the exit code then.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _open_to_nowhere(number: int, name: str, mode: str) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))
