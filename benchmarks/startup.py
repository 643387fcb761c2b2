"""How long efsdiag takes to start and to judge a bundle, against the imports that it cannot do without.

    .venv/bin/python benchmarks/startup.py [ROUNDS]

Each command runs ROUNDS times (9 by default) in a fresh interpreter, all commands in turn, so that a busy moment hits
all of them. What counts is the least CPU time, user and system, of one run: the rest is the machine's other work. The
ratios are to the baseline of the same run; milliseconds compare on one machine only.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

BUNDLE = Path(__file__).parents[1] / "fixtures" / "story-parent-dir"
EFSDIAG = (sys.executable, "-m", "efsdiag")
BASELINE = 'python -c "import click, rich, yaml"'
COMMANDS = {
    "python -c pass": (sys.executable, "-c", "pass"),
    BASELINE: (sys.executable, "-c", "import click, rich, yaml"),
    "efsdiag --help": (*EFSDIAG, "--help"),
    "efsdiag why … --bundle fixtures/story-parent-dir": (
        *EFSDIAG,
        "why",
        "pod/prometheus-server",
        "--bundle",
        str(BUNDLE),
    ),
}
EXPECTED = {"efsdiag why … --bundle fixtures/story-parent-dir": 1}
"""Command → its exit code, where that is not 0: `why` ends with 1 because it finds a cause."""


def cpu_ms(name: str, byte_code: str) -> float:
    """CPU time of one run in milliseconds; `byte_code` is a folder for compiled modules.

    Errors: RuntimeError where it does not end as it should.
    """
    arguments = COMMANDS[name]
    silence = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    ]
    # Byte code is kept, as where efsdiag is installed, whatever the environment says, in a folder of its own.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = byte_code
    child = os.posix_spawn(arguments[0], arguments, environment, file_actions=silence)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code != EXPECTED.get(name, 0):
        raise RuntimeError(f"{name} ended with {code}, wanted is {EXPECTED.get(name, 0)}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure(rounds: int) -> dict[str, float]:
    """Command → its least CPU time in milliseconds."""
    with TemporaryDirectory() as byte_code:
        for name in COMMANDS:  # once unmeasured: byte code is compiled and files come into the page cache
            cpu_ms(name, byte_code)
        taken = [{name: cpu_ms(name, byte_code) for name in COMMANDS} for _ in range(rounds)]
    return {name: min(one[name] for one in taken) for name in COMMANDS}


def table(least_ms: dict[str, float], rounds: int) -> str:
    """The figures as a Markdown table."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    lines = [f"Python {version}, least of {rounds} runs", "", "| command | CPU | ratio |", "|---|---:|---:|"]
    base = least_ms[BASELINE]
    lines += [f"| `{name}` | {ms:.0f} ms | {ms / base:.2f} |" for name, ms in least_ms.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(table(measure(rounds), rounds))
