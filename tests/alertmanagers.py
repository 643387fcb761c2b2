"""A real Alertmanager on loopback, with a receiver that keeps what it notifies."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BINARY = Path("/usr/bin/prometheus-alertmanager")
PATIENCE_S = 30

CONFIG = """
route:
  receiver: test
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
receivers:
- name: test
  webhook_configs:
  - url: http://127.0.0.1:{port}/
"""


@dataclass
class Alertmanager:
    """One that runs."""

    url: str
    notified: list[dict[str, Any]] = field(default_factory=list)
    """The alerts of all notifications, in their order."""

    def firing(self, cluster: str) -> list[dict[str, Any]]:
        """The alerts of the cluster that fire now."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=PATIENCE_S) as answer:
            return [alert for alert in json.load(answer) if alert["labels"]["cluster"] == cluster]

    def heard(self, cluster: str, count: int) -> list[dict[str, Any]]:
        """What the receiver was told of the cluster; waits until there are `count` alerts."""
        until = time.monotonic() + PATIENCE_S
        while True:
            told = [alert for alert in list(self.notified) if alert["labels"].get("cluster") == cluster]
            if len(told) >= count or time.monotonic() > until:
                return told
            time.sleep(0.05)


@contextmanager
def alertmanager(folder: Path) -> Iterator[Alertmanager]:
    """Alertmanager as Debian packages it, without clustering, with its storage in the folder."""
    running = Alertmanager(f"http://127.0.0.1:{_free_port()}")

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.notified += json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    config = folder / "alertmanager.yml"
    config.write_text(CONFIG.format(port=receiver.server_port), encoding="utf-8")
    log = folder / "log"
    command = [
        str(BINARY),
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={running.url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
        try:
            _ready(running, process, log)
            yield running
        finally:
            process.kill()
            process.wait(PATIENCE_S)
            receiver.shutdown()
            receiver.server_close()


def _ready(running: Alertmanager, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(f"{running.url}/-/ready", timeout=PATIENCE_S):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
