"""Charts of the tests as archives and as a repository, a cluster for helm, and a stand-in for the program itself."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import consents
import yaml
from kubeapi import KubeApi
from plans import namespace, plan_with

from efsdiag.changes import Change, Consent, Plan
from efsdiag.world.helm import Helm, Identity
from efsdiag.world.kube import KubeSource
from efsdiag.world.kube_http import Cluster
from efsdiag.world.writer import Writer

CHARTS = Path(__file__).parent / "charts"


def real_helm() -> str | None:
    """The helm of the test set-up, beside Python, or the one on PATH; None where there is none."""
    beside = Path(sys.executable).parent / "helm"
    return str(beside) if beside.exists() else shutil.which("helm")


def packed(chart: str, folder: Path, changed: Mapping[str, str] | None = None, version: str = "") -> Path:
    """The chart of tests/charts as an archive, the same bytes every time. `changed` replaces the text of files."""
    files = {p.relative_to(CHARTS).as_posix(): p.read_text() for p in (CHARTS / chart).rglob("*") if p.is_file()}
    files |= {f"{chart}/{name}": text for name, text in (changed or {}).items()}
    head = yaml.safe_load(files[f"{chart}/Chart.yaml"])
    if version:
        head["version"] = version
        files[f"{chart}/Chart.yaml"] = yaml.safe_dump(head)
    path = folder / f"{chart}-{head['version']}.tgz"
    path.write_bytes(tar_of({name: text.encode() for name, text in files.items()}))
    return path


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of the files, without times and owners."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
    return packed.getvalue()


@contextmanager
def repository(archives: Sequence[Path], folder: Path) -> Iterator[str]:
    """Serves a chart repository with these archives on loopback; its address."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for archive in archives:
        shutil.copy(archive, folder)
        name, _, version = archive.name.removesuffix(".tgz").rpartition("-")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        entry = {"apiVersion": "v2", "name": name, "version": version, "urls": [archive.name], "digest": digest}
        entries.setdefault(name, []).append(entry)
    (folder / "index.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "entries": entries}))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@dataclass
class HelmLab:
    """A cluster that helm can install into, as whoever runs efsdiag."""

    kube: KubeApi
    folder: Path
    program: str
    """Folder of the program, which is all of PATH that comes before the machine's own."""
    more: dict[str, str] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> str:
        return str(self.kube.kubeconfig(self.folder))

    @property
    def environment(self) -> dict[str, str]:
        """A home of its own, so that no setting of the user counts."""
        path = f"{self.program}:{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "KUBECONFIG": self.kubeconfig, **self.more}

    def helm(self, **identity: Any) -> Helm:
        return Helm(Identity(kubeconfig=self.kubeconfig, **identity), self.environment)

    def writer(self, plan: Plan, helm: Helm, *, undoing: bool = False) -> Writer:
        """A writer for the plan. It is no consent of the test: `consents.agree` is."""
        cluster = Cluster(self.kubeconfig, None, None, (), 5)
        read = KubeSource(self.kubeconfig, None)
        return Writer(plan, Consent(plan.digest), cluster, None, read, helm, undoing=undoing)  # type: ignore[arg-type]

    def carry_out(self, change: Change, *, undoing: bool = False) -> Any:
        """The change, or its undo, by a writer that the test agreed to."""
        plan = consents.agree(plan_with(change))
        write = change.undo if undoing else change.write
        assert write is not None
        with self.helm() as helm:
            return self.writer(plan, helm, undoing=undoing).write(write)

    def rehearse(self, change: Change) -> None:
        with self.helm() as helm:
            self.writer(consents.agree(plan_with(change)), helm).rehearse(change.write)

    def objects(self) -> dict[str, list[str]]:
        """The names of what charts make, by resource; what the cluster began with is left out."""
        kinds = ("deployments.apps", "daemonsets.apps", "statefulsets.apps", "services", "configmaps", "secrets")
        more = ("serviceaccounts", "csidrivers.storage.k8s.io", "storageclasses.storage.k8s.io")
        found = {kind: sorted(o["metadata"]["name"] for o in self.kube.objects(kind)) for kind in (*kinds, *more)}
        return {kind: names for kind, names in found.items() if names}


@contextmanager
def helm_lab(folder: Path, program: str) -> Iterator[HelmLab]:
    """The lab; its files are in `folder`, and `program` is the folder where helm is."""
    with KubeApi([namespace("kube-system"), namespace("default")]) as kube:
        yield HelmLab(kube, folder, program)


STAND_IN = """#!{python}
import json, os, sys, time
from pathlib import Path

folder = Path({folder!r})
words = sys.argv[1:]
given = sys.stdin.read()
with open(folder / "asked.jsonl", "a") as log:
    names = ("KUBECONFIG", "HELM_KUBECONTEXT", "HELM_CONFIG_HOME", "HELM_REPOSITORY_CONFIG", "HELM_DRIVER")
    kept = {{name: os.environ[name] for name in names if name in os.environ}}
    log.write(json.dumps({{"words": words, "given": given, "environment": kept}}) + "\\n")
answers = json.loads((folder / "answers.json").read_text())
for at, answer in enumerate(answers):
    if answer["left"] and all(word in words for word in answer["words"]):
        answer["left"] -= 1
        (folder / "answers.json").write_text(json.dumps(answers))
        time.sleep(answer["delay_s"])
        sys.stdout.write(answer["out"])
        sys.stderr.write(answer["err"])
        sys.exit(answer["code"])
sys.exit(f"Error: nothing was recorded for {{words}}")
"""


class StandIn:
    """A program called helm that notes what it was asked, and answers what was recorded of a real one."""

    def __init__(self, folder: Path, version: str = "v3.19.0") -> None:
        self.folder = folder
        (folder / "answers.json").write_text("[]")
        program = folder / "helm"
        program.write_text(STAND_IN.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.answer("version", out=version, times=1000)

    def answer(
        self, *words: str, out: str = "", err: str = "", code: int = 0, times: int = 1, delay_s: float = 0
    ) -> None:
        """Answers a command line that has all these words, `times` times; what was recorded first comes first."""
        answers = json.loads((self.folder / "answers.json").read_text())
        answers.append({"words": words, "out": out, "err": err, "code": code, "left": times, "delay_s": delay_s})
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def history(self, *revisions: tuple[int, str, str], updated: str = "2026-11-21T06:00:00.123456789Z") -> None:
        """Answers one `helm history` with (revision, status, description); without any, that there is no release."""
        if not revisions:
            self.answer("history", err="Error: release: not found\n", code=1)
            return
        items = [
            {"revision": r, "updated": updated, "status": s, "chart": "prometheus-29.27.0", "description": d}
            for r, s, d in revisions
        ]
        self.answer("history", out=json.dumps(items))

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What it was asked so far, without the question for its version."""
        log = self.folder / "asked.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line for line in lines if line["words"][0] != "version"]

    @property
    def verbs(self) -> list[str]:
        """The first words of what it was asked; a dry run is told apart."""
        return ["dry run" if any(w.startswith("--dry-run") for w in a["words"]) else a["words"][0] for a in self.asked]
