"""The logs of containers, and what kubelet says where there is none.

Source: kubelet's validateContainerLogStatus and the API server's LogLocation (pkg/registry/core/pod/strategy.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .answers import Answer, bad_request, text_answer

_WAITING = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}


class Log(NamedTuple):
    """What one container wrote: in its present run, or in the one before."""

    namespace: str
    pod: str
    container: str
    text: str
    previous: bool = False


class Logs:
    """The log of each container and run."""

    def __init__(self) -> None:
        self._texts: dict[tuple[str, str, str, bool], str] = {}
        self.complete = True
        """Whether a container without a log here wrote nothing; else nobody collected what it wrote."""

    def add(self, log: Log) -> None:
        self._texts[log.namespace, log.pod, log.container, log.previous] = log.text

    def answer(self, pod: Mapping[str, Any], query: Mapping[str, str]) -> Answer | None:
        """200 with the text, 204 for a pod on no node, 400 in kubelet's words where nothing ran.

        None where the container ran and nobody collected its log.
        """
        metadata = pod["metadata"]
        container = _container(pod, query.get("container", ""))
        if not pod["spec"].get("nodeName"):
            return Answer(204)
        previous = query.get("previous") in ("true", "1")
        text = self._texts.get((metadata["namespace"], metadata["name"], container, previous))
        if text is None:
            _check_ran(pod, container, previous, self.complete)
            if not self.complete:
                return None
            text = ""
        return text_answer(_cut(text, query))


def _container(pod: Mapping[str, Any], asked: str) -> str:
    """The container that is meant: the one asked for, or the only one."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    ordinary, init, ephemeral = (
        [c["name"] for c in spec.get(kind) or ()] for kind in ("containers", "initContainers", "ephemeralContainers")
    )
    if asked:
        if asked not in (*ordinary, *init, *ephemeral):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(ordinary) != 1:
        also = f" or one of the init containers: [{' '.join(init)}]" if init else ""
        choice = f", choose one of: [{' '.join(ordinary)}]{also}" if ordinary else ""
        raise bad_request(f"a container name must be specified for pod {name}{choice}")
    return str(ordinary[0])


def _check_ran(pod: Mapping[str, Any], container: str, previous: bool, complete: bool) -> None:
    """Refuses the log of a container that did not run."""
    called = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
    status = _status(pod, container)
    ended = (status or {}).get("lastState", {}).get("terminated")
    if previous:
        # Where the logs are complete, a run that ended and has none is one that kubelet no longer keeps.
        if complete or not ended:
            raise bad_request(f"previous terminated {called} not found")
        return
    if status is None:
        if complete and pod.get("status", {}).get("phase") == "Running":
            return  # A test may say that a pod runs without the status of each container.
        raise bad_request(f"{called} is not available")
    state = status.get("state", {})
    if "running" in state or "terminated" in state or ended:
        return
    if "waiting" not in state:
        raise bad_request(f"{called} is waiting to start - no logs yet")
    reason = state["waiting"].get("reason", "")
    raise bad_request(f"{called} is waiting to start: {_WAITING.get(reason, reason)}")


def _status(pod: Mapping[str, Any], container: str) -> Mapping[str, Any] | None:
    status = pod.get("status") or {}
    for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(kind) or ():
            if entry["name"] == container:
                found: Mapping[str, Any] = entry
                return found
    return None


def _cut(text: str, query: Mapping[str, str]) -> str:
    for name in ("sinceSeconds", "sinceTime", "timestamps"):
        if query.get(name, "false") != "false":
            raise bad_request(f"{name} is not served: these logs are kept without the times of their lines")
    tail, limit = _number(query, "tailLines"), _number(query, "limitBytes")
    if tail is not None:
        # Lines end at "\n" alone, as kubelet counts them: a log may hold other characters that split lines.
        lines = [f"{line}\n" for line in text.split("\n")]
        lines[-1] = lines[-1].removesuffix("\n")
        lines = lines if lines[-1] else lines[:-1]
        text = "".join(lines[max(0, len(lines) - tail) :])
    return text if limit is None else text.encode()[:limit].decode(errors="ignore")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is not None and not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return None if text is None else int(text)
