"""A real NFSv4.1 mount without a kernel that has NFS: Debian's User Mode Linux, a kernel that runs as a process.

`nfs/guest.sh` is its init; the root of its file system is this machine's, read-only. No right is needed outside.
"""

from __future__ import annotations

import os
import platform
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType

TOOLS = Path(sys.prefix) / "nfs"
"""Where scripts/setup unpacks Debian's user-mode-linux, nfs-kernel-server and libwrap0."""
KERNEL = TOOLS / "usr" / "bin" / "linux.uml"
INIT = Path(__file__).parent / "nfs" / "guest.sh"
MEMORY = 256 << 20
BOOTS_S = 60
PATIENCE_S = 60


def missing() -> str:
    """What is not there to start a guest with; "" where all is there."""
    if not KERNEL.exists():
        return f"{KERNEL} is not there; scripts/setup test unpacks it on Debian for {platform.machine()}, if it has it"
    lacking = [name for name in ("busybox", "setpriv", "prometheus") if not shutil.which(name)]
    return f"{', '.join(lacking)} is not installed" if lacking else ""


class NoGuest(Exception):
    """The kernel does not come to its init here."""


class Guest:
    """One running guest. Its folders have the same paths here, where they are empty."""

    def __init__(self) -> None:
        self._box = Path(tempfile.mkdtemp(prefix="efsdiag-nfs-"))
        self._box.chmod(0o755)
        for name in ("said", "tools", "efs", "point", "server"):
            (self._box / name).mkdir()
        self._number = 0
        self._printed = ""

    @property
    def efs(self) -> Path:
        """The export, over NFS."""
        return self._box / "efs"

    @property
    def point(self) -> Path:
        """Its folder `data`, over NFS, through another export that acts as 1000:1000 whoever asks."""
        return self._box / "point"

    @property
    def server(self) -> Path:
        """The export as its server sees it, without NFS and its caches."""
        return self._box / "server"

    def __enter__(self) -> Guest:
        command = [
            str(KERNEL),
            f"mem={MEMORY >> 20}M",
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            "quiet",
            "con0=fd:0,fd:1",
            "con=null",
            f"init={INIT}",
            f"NFS_TOOLS={TOOLS}",
            f"NFS_BOX={self._box}",
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"HOME": str(self._box), "PATH": "/usr/bin:/bin", "TMPDIR": _place_of_memory()},
            start_new_session=True,
        )
        try:
            self._until("guest: ready", BOOTS_S)
        except AssertionError:
            self.__exit__(None, None, None)
            # What goes wrong after the kernel's start is a mistake of the guest's init, and is not passed over.
            if "guest: up" in self._printed:
                raise
            raise NoGuest(f"User Mode Linux does not start here: {self._printed.strip()[-500:]}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait(5)
        shutil.rmtree(self._box)

    def run(self, script: str, timeout_s: float = PATIENCE_S) -> CompletedProcess[str]:
        """What came of a script of a shell, run as root in the guest."""
        self._number += 1
        said = self._box / "said" / str(self._number)
        said.write_text(script)
        assert self._process.stdin
        self._process.stdin.write(f"{self._number}\n".encode())
        self._process.stdin.flush()
        self._until(f"guest: done {self._number}", timeout_s)
        out, err, code = (said.with_suffix(f".{part}").read_text() for part in ("out", "err", "code"))
        return CompletedProcess(script, int(code), out, err)

    def _until(self, mark: str, timeout_s: float) -> None:
        """Reads what the guest prints up to the line. Errors: AssertionError where it does not come."""
        assert self._process.stdout
        before, ends_at = len(self._printed), time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while mark not in self._printed[before:].replace("\r", "").splitlines():
                assert selector.select(max(0.0, ends_at - time.monotonic())), f"{mark} did not come: {self._printed}"
                piece = os.read(self._process.stdout.fileno(), 65536)
                assert piece, f"the guest ended before {mark}: {self._printed}"
                self._printed += piece.decode(errors="replace")


def _place_of_memory() -> str:
    """Where there is room for the file that is the guest's memory."""
    shared = Path("/dev/shm")
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 * MEMORY
    return str(shared) if roomy else tempfile.gettempdir()
