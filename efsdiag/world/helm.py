"""The `helm` program: found on PATH, of a version that will do, and run as the identity that efsdiag has. No shell.

Nothing here decides what to run: `helm_reads.py` looks, and `helm_writes.py` carries out what was agreed to.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from efsdiag.changes import Trouble

LEAST = (3, 13)
"""The first version with --dry-run=server and with labels of releases, by which a half-made one is known."""
NEXT_MAJOR = 5
INSTALL = "curl -fsSL https://raw.githubusercontent.com/helm/helm/main/scripts/get-helm-3 | bash"
DOCS = "https://helm.sh/docs/intro/install/"

QUICK_S = 60.0
"""So long a look at a release, or the fetching of a chart, may take."""
_GRACE_S = 20.0
"""So long helm may take to note that it was stopped."""

_OTHER_CLUSTER = ("HELM_KUBE", "HELM_NAMESPACE", "HELM_DEBUG")
"""Variables by which helm would ask another cluster, or say more than is read."""


class HelmError(Exception):
    """Why helm did not do what was asked: reference, what kind of trouble, message and hint."""

    def __init__(self, reference: str, trouble: Trouble, message: str, hint: str = "") -> None:
        self.reference = reference
        self.trouble = trouble
        self.message = message
        self.hint = hint
        super().__init__(f"{reference}: {message}")


@dataclass(frozen=True)
class Identity:
    """Which cluster helm asks, and as whom."""

    kubeconfig: str | None = None
    """Path of the file, or several as in KUBECONFIG; None for what the environment says."""
    context: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The words that say so on helm's command line."""
        words = ["--kube-context", self.context] if self.context else []
        words += ["--kube-as-user", self.as_user] if self.as_user else []
        return words + [word for group in self.as_groups for word in ("--kube-as-group", group)]


@dataclass(frozen=True)
class Done:
    """How a run of helm ended."""

    code: int | None
    """None where it was stopped, since it took too long."""
    out: str
    err: str


class Helm:
    """Runs helm. It is looked for with the first run, so that whoever needs none is not asked to have one.

    Charts of a named repository and archives need nothing of the user's own configuration: helm then has a home that
    is thrown away at the end. Errors of a run: HelmError helm-missing, helm-outdated.
    """

    def __init__(self, identity: Identity, environment: Mapping[str, str] = os.environ) -> None:
        self.identity = identity
        self._environment = environment
        self._program = ""
        self._version: tuple[int, int] = (0, 0)
        self._closing = ExitStack()
        self._home = ""

    def __enter__(self) -> Helm:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version. Errors: HelmError."""
        self._found()
        return self._version

    @property
    def home(self) -> str:
        """A folder of this object's own, which is gone when it is closed."""
        if not self._home:
            self._home = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="efsdiag-helm-"))
        return self._home

    def run(self, words: list[str], *, given: str = "", limit_s: float = QUICK_S, own_home: bool = True) -> Done:
        """Runs helm with these words and `given` on its standard input. Errors: HelmError."""
        return self._run([self._found(), *words, *self.identity.arguments], given, limit_s, own_home)

    def _found(self) -> str:
        if not self._program:
            program = shutil.which("helm", path=self._environment.get("PATH"))
            if program is None:
                message = "helm is not on PATH, and charts are installed by it"
                raise HelmError("helm-missing", Trouble.REFUSED, message, f"install it: {INSTALL} ({DOCS})")
            self._version = self._version_of(program)
            self._program = program
        return self._program

    def _version_of(self, program: str) -> tuple[int, int]:
        done = self._run([program, "version", "--template", "{{.Version}}"], "", QUICK_S, own_home=True)
        found = re.match(r"v?(\d+)\.(\d+)", done.out.strip())
        version = (int(found[1]), int(found[2])) if found and done.code == 0 else (0, 0)
        if not LEAST <= version < (NEXT_MAJOR, 0):
            said = (done.out or done.err).strip().partition("\n")[0] or "nothing"
            message = f"{program} says that its version is {said[:80]}; from {LEAST[0]}.{LEAST[1]} on to 4 will do"
            raise HelmError("helm-outdated", Trouble.REFUSED, message, f"install another: {INSTALL} ({DOCS})")
        return version

    def _run(self, command: list[str], given: str, limit_s: float, own_home: bool) -> Done:
        # A session of its own: Ctrl-C at the terminal is for efsdiag, which lets the call under way come to its end.
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._variables(own_home),
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise HelmError("helm-missing", Trouble.REFUSED, f"{command[0]} cannot be run: {error}", INSTALL) from error
        try:
            out, err = process.communicate(given, timeout=limit_s)
            return Done(process.returncode, out, err)
        except subprocess.TimeoutExpired:
            process.terminate()
        except BaseException:
            process.terminate()
            raise
        try:
            out, err = process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        return Done(None, out, err)

    def _variables(self, own_home: bool) -> dict[str, str]:
        made = {k: v for k, v in self._environment.items() if not k.startswith(_OTHER_CLUSTER)}
        if self.identity.kubeconfig:
            made["KUBECONFIG"] = self.identity.kubeconfig
        if own_home:
            made = {k: v for k, v in made.items() if not k.startswith(("HELM_REPOSITORY", "HELM_REGISTRY"))}
            made |= {f"HELM_{part}_HOME": os.path.join(self.home, part.lower()) for part in ("CACHE", "CONFIG", "DATA")}
        return made
