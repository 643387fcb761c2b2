"""What `efsdiag check -A` costs on clusters of growing size, over the HTTP API and the emulated AWS of the tests.

    .venv/bin/python benchmarks/check.py [PODS ...]

For each number of pods (100, 1,000, 10,000 and 50,000 by default) one process checks all of them, and one asks why one
pod is as it is. Requests, peak memory and CPU time are of that process alone; the servers run in this one.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from served_crowd import Crowd, crowd

SIZES = (100, 1_000, 10_000, 50_000)
LAUNCH = """
import sys
from efsdiag.cli import main
code = main(sys.argv[1:])
print(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""
"""The command, which says at its end how much memory it had at most: what wait4 says has this process's own in it."""
HEADS = (
    "pods",
    "workloads",
    "requests",
    "requests for each",
    "peak memory",
    "CPU",
    "CPU for each pod",
    "`why` of one pod: requests, memory, CPU",
)
"""Memory and CPU are multiples of those of the first `why`; the CPU for each pod, of that CPU by a thousand."""


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    requests: int
    cpu_s: float
    peak_mb: float
    report: dict[str, Any]


def cost(made: Crowd, *arguments: str) -> Cost:
    """One run of efsdiag on the crowd. Errors: RuntimeError where it prints no report of something healthy."""
    out, err = made.kubeconfig.with_name("out.json"), made.kubeconfig.with_name("err.txt")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | made.aws.environment
    command = [sys.executable, "-c", LAUNCH, *arguments, "--kubeconfig", str(made.kubeconfig), "-o", "json"]
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 1, str(out), how, 0o600), (os.POSIX_SPAWN_OPEN, 2, str(err), how, 0o600)]
    child = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, status, usage = os.wait4(child, 0)
    report = json.loads(out.read_text())
    if os.waitstatus_to_exitcode(status) or report["status"] != "healthy":
        raise RuntimeError(f"{' '.join(arguments)} ended with {report.get('status')}: {str(report)[:2000]}")
    peak_kb = int(err.read_text().split()[-2])
    return Cost(report["usage"]["requests"], usage.ru_utime + usage.ru_stime, peak_kb / 1024, report)


def main(sizes: list[int]) -> None:
    """Prints the figures as a Markdown table."""
    print(f"| {' | '.join(HEADS)} |")
    print("|---:" * len(HEADS) + "|")
    with TemporaryDirectory() as folder, crowd(Path(folder)) as made:
        first: Cost | None = None
        for size in sizes:
            made.add(size)
            one = cost(made, "why", f"pod/{made.pod['metadata']['name']}", "-n", made.pod["metadata"]["namespace"])
            first = first or one
            whole = cost(made, "check", "-A")
            workloads = whole.report["workloads"]["looked"]
            cpu, memory = whole.cpu_s / first.cpu_s, whole.peak_mb / first.peak_mb
            cells = [
                f"{size:,}",
                f"{workloads:,}",
                f"{whole.requests:,}",
                f"{whole.requests / workloads:.1f}",
                f"{memory:.2f}",
                f"{cpu:.1f}",
                f"{cpu / size * 1000:.2f}",
                f"{one.requests}, {one.peak_mb / first.peak_mb:.2f}, {one.cpu_s / first.cpu_s:.2f}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
        if first is not None:
            print(f"\nOne `why`: {first.requests} requests, {first.peak_mb:.0f} MB, {first.cpu_s:.1f} s of CPU")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(SIZES))
