"""A command with somebody in front of it, at a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Mapping, Sequence

WAIT_S = 60


class Terminal:
    """One process; what it prints is in `text`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        # With the terminal as its own, Ctrl-C there is a signal to it.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=slave, stdout=slave, stderr=slave, env=dict(environment)
        )
        os.close(slave)
        self.text = ""

    def until(self, mark: str) -> str:
        """What is shown from here until the last that was shown is the mark."""
        begins = len(self.text)
        while not self.text[begins:].endswith(mark) and self._read():
            pass
        assert self.text[begins:].endswith(mark), self.text
        return self.text[begins:]

    def until_asked(self) -> str:
        """What is shown from here to the next question."""
        return self.until("[no]: ")

    def answer(self, text: str) -> None:
        """Types it; Ctrl-C is "\\x03"."""
        os.write(self._master, text.encode())
        self.text += "\n"

    def end(self) -> tuple[int, str]:
        """The exit code, and what is shown from here on."""
        begins = len(self.text)
        while self._read():
            pass
        os.close(self._master)
        return self.process.wait(WAIT_S), self.text[begins:]

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], WAIT_S)
        try:
            piece = os.read(self._master, 65536) if ready else b""
        except OSError:  # Linux ends a terminal that nobody holds any more with EIO
            piece = b""
        self.text += piece.decode().replace("\r\n", "\n")
        return bool(piece)
