"""The real kubectl and AWS CLI on the servers of the tests, called as a user calls them: by a command in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from awsworld import CREDENTIALS

AWS, KUBECTL = shutil.which("aws"), shutil.which("kubectl")


def missing(*programs: str) -> str:
    """Which of the programs are not there; "" where all are."""
    lacking = [name for name in programs or ("aws", "kubectl") if not shutil.which(name)]
    return f"there is no {' and no '.join(lacking)} on PATH" if lacking else ""


class Shell:
    """A shell whose kubectl and aws speak to one cluster and one account."""

    def __init__(self, home: Path, kubeconfig: Path, aws_url: str, region: str) -> None:
        home.mkdir(exist_ok=True)
        # Debian's AWS CLI 2.9 knows no AWS_ENDPOINT_URL.
        (home / "aws").write_text(f'#!/bin/sh\nexec "{AWS}" --endpoint-url "{aws_url}" "$@"\n')
        (home / "aws").chmod(0o755)
        self._environment = {
            **CREDENTIALS,
            "HOME": str(home),
            "PATH": f"{home}:{os.environ['PATH']}",
            "KUBECONFIG": str(kubeconfig),
            "AWS_DEFAULT_REGION": region,
            "AWS_PAGER": "",
            # A version manager looks for its folder at home, which is another one here.
            **{name: os.environ[name] for name in ("PYENV_ROOT", "PYENV_VERSION") if name in os.environ},
        }

    def __call__(self, command: str) -> subprocess.CompletedProcess[str]:
        """What came of the command."""
        return subprocess.run(
            ["sh", "-euc", command], env=self._environment, capture_output=True, text=True, timeout=120, check=False
        )
