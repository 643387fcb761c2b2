"""A kubelet for the test server's Jobs: their containers run as local processes, with a directory as their volume.

The process gets the uid, the groups and the capabilities of the container, and the directory in the place of the mount.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from kubeapi import KubeApi

LOOK_AGAIN_S = 0.05
Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


def run_here(command: list[str]) -> subprocess.CompletedProcess[str]:
    """The command as a process of this machine."""
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd="/")


class Kubelet:
    """Runs every Job of the server once; `claims` are the directories behind the claims, by name.

    `path` is the PATH of the processes. `images` without a shell are named in `without_shell`. `run` runs a command
    where the directories are.
    """

    def __init__(
        self,
        api: KubeApi,
        claims: Mapping[str, Path],
        path: str = "/usr/bin:/bin",
        without_shell: str = "",
        run: Run = run_here,
    ) -> None:
        self._api, self._claims, self._path, self._without_shell = api, claims, path, without_shell
        self._run_command = run
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)
        self.ran: list[dict[str, Any]] = []
        """The Jobs that were run, in their order."""
        self.paused = threading.Event()
        """While it is set, Jobs stay as they are made."""
        self.before: Callable[[dict[str, Any]], None] = lambda job: None
        """What happens to the volume before a Job runs."""
        self.after: Callable[[dict[str, Any]], None] = lambda job: None
        """What happens in the cluster before the end of a Job is told."""
        self._known: set[str] = set()

    def __enter__(self) -> Kubelet:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_AGAIN_S):
            jobs = self._api.objects("jobs.batch")
            uids = {job["metadata"]["uid"] for job in jobs}
            for pod in self._api.objects("pods"):
                owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
                if owner.get("kind") == "Job" and owner["uid"] in self._known - uids:
                    self._api.remove("pods", pod["metadata"]["name"], pod["metadata"]["namespace"])
            for job in jobs:
                mine = (job["metadata"].get("labels") or {}).get("app.kubernetes.io/managed-by") == "efsdiag"
                if mine and job["metadata"]["uid"] not in self._known and not self.paused.is_set():
                    self._known.add(job["metadata"]["uid"])
                    self._start(job)

    def _start(self, job: dict[str, Any]) -> None:
        self.ran.append(job)
        self.before(job)
        metadata, template = job["metadata"], job["spec"]["template"]
        name, namespace = f"{metadata['name']}-x7k2p", metadata["namespace"]
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
        labels = {**template["metadata"]["labels"], "job-name": metadata["name"]}
        spec = template["spec"]
        (container,) = spec["containers"]
        if self._without_shell == container["image"]:
            message = 'exec: "sh": executable file not found in $PATH'
            ended = {"exitCode": 128, "reason": "StartError", "message": message}
            text = ""
        else:
            done = self._run_command(self._command(spec, container))
            ended = {"exitCode": done.returncode, "reason": "Error" if done.returncode else "Completed"}
            text = done.stderr + done.stdout
        ended["finishedAt"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        well = not ended["exitCode"]
        if self._api.object("jobs.batch", metadata["name"], namespace) is None:
            return
        self.after(job)
        self._api.add_log(namespace, name, container["name"], text)
        self._api.add(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": labels, "ownerReferences": [owner]},
                # Where the Job names no node, a scheduler would have chosen one.
                "spec": {"nodeName": "worker1", **spec},
                "status": {
                    "phase": "Succeeded" if well else "Failed",
                    "containerStatuses": [{"name": container["name"], "state": {"terminated": ended}}],
                },
            }
        )
        condition = {"type": "Complete" if well else "Failed", "status": "True"}
        if not well:
            condition |= {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
        self._api.add({**job, "status": {"conditions": [condition]}})

    def _command(self, spec: dict[str, Any], container: dict[str, Any]) -> list[str]:
        """The container's command under its ids and capabilities, with the directories where the mounts would be."""
        sources = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"]}
        places = {m["mountPath"]: str(self._claims[sources[m["name"]]]) for m in container["volumeMounts"]}
        context = spec["securityContext"]
        groups = ",".join(map(str, context.get("supplementalGroups") or []))
        added = [f"+{c.lower()}" for c in container["securityContext"]["capabilities"].get("add", [])]
        return [
            "setpriv",
            f"--reuid={context['runAsUser']}",
            f"--regid={context['runAsGroup']}",
            f"--groups={groups}" if groups else "--clear-groups",
            "--no-new-privs",
            "--inh-caps=-all",
            f"--bounding-set={','.join(['-all', *added])}",
            "env",
            "-i",
            f"PATH={self._path}",
            *(places.get(word, word) for word in container["command"]),
        ]
