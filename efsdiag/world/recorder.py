"""Records what a source answers, and writes it down as an evidence bundle that answers the same.

Answers go into the files of the format, so that kubectl's and the AWS CLI's users find them; reads.json says what was
asked. Before a bundle is written it is replayed: an answer that its files would not give back exactly is put into
reads.json itself.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from efsdiag.model import Answer, Query, Source, Unreadable
from efsdiag.operations import READS, resource_of
from efsdiag.world.bundle import API_VERSION, KIND, MANIFEST, BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.bundle_layout import aws_file, kube_file, log_file, volume_file
from efsdiag.world.bundle_reads import READS_FILE, Outcome, Recorded, as_document
from efsdiag.world.bundle_writing import write_bundle


class Recording:
    """A source that passes each query on to another, and keeps the answer or the refusal; may be shared by threads.

    Where a query is asked twice the last outcome is kept. `path` is a folder, or an archive by its suffix.
    `manifest` is the content of bundle.json; apiVersion and kind are added.
    """

    def __init__(self, source: Source, path: str | Path, manifest: Mapping[str, Any]) -> None:
        self._source = source
        self._path = Path(path)
        self._manifest = manifest_of(manifest)
        self._lock = threading.Lock()
        self._kept: dict[Query, Recorded] = {}
        self._answers: dict[Query, Answer] = {}
        self.bytes_kept = 0
        """Of the answers as JSON, about."""

    def __call__(self, query: Query) -> Answer:
        """The source's answer as it is. Raises what the source raises."""
        try:
            answer = self._source(query)
        except Unreadable as refusal:
            self._keep(Recorded(query, Outcome.REFUSED, why=refusal.why, grant=refusal.grant))
            raise
        if answer is not None and self._answers.get(query) is answer:
            return answer  # as it was kept the last time
        outcome = Outcome.ABSENT if answer is None else Outcome.ANSWERED
        text = json.dumps(answer, default=_as_text)
        with self._lock:
            self._answers[query] = answer
            self.bytes_kept += len(text)
        self._keep(Recorded(query, outcome, answer=_plain(query, text)))
        return answer

    @property
    def recorded(self) -> int:
        """How many different queries were recorded so far."""
        return len(self._kept)

    @property
    def entries(self) -> list[Recorded]:
        """What was recorded so far, in the order of the queries."""
        with self._lock:
            return sorted(self._kept.values(), key=_order)

    def files(self) -> dict[str, bytes]:
        """The files of the bundle as it would be written now, by name."""
        return files_of(self.entries, self._manifest)

    def write(self) -> Path:
        """Writes the bundle where it was to go, all of it or nothing; readable by its owner alone.

        Errors: Unreachable where something is there already, or it cannot be written.
        """
        return write_bundle(self._path, self.files, str(self._manifest.get("capturedAt") or ""))

    def _keep(self, recorded: Recorded) -> None:
        with self._lock:
            self._kept[recorded.query] = recorded


def manifest_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of bundle.json."""
    return {"apiVersion": API_VERSION, "kind": KIND, **content}


def files_of(recorded: Sequence[Recorded], manifest: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a bundle that answers each recorded query as it was answered."""
    files = {**_evidence_files(recorded), MANIFEST: _json(manifest)}
    recorded = [replace(entry, files=_spread_over(entry)) for entry in recorded]
    replay = BundleSource.of(Memory({**files, READS_FILE: _json(as_document(recorded))}))
    entries = [entry if _answers(replay, entry) else replace(entry, inline=True) for entry in recorded]
    return {**files, READS_FILE: _json(as_document(entries))}


def _spread_over(entry: Recorded) -> tuple[str, ...]:
    """The files that hold the answer to a list of all namespaces; none for other queries."""
    query = entry.query
    if not query.operation.startswith("kube:list ") or query.get("namespace") or not READS[query.operation].namespaced:
        return ()
    items = entry.answer if isinstance(entry.answer, list) else []
    return tuple(sorted({file for item in items if (file := _file_of(item, query))}))


def _answers(replay: BundleSource, entry: Recorded) -> bool:
    """True where the bundle gives the answer back as it was recorded."""
    if entry.outcome is not Outcome.ANSWERED:
        return True
    try:
        return bool(replay(entry.query) == entry.answer)
    except (Unreadable, ValueError):
        return False


@dataclass
class _List:
    """A List file in the making."""

    items: dict[str, Any] = field(default_factory=dict)
    whole: bool = False


def _evidence_files(recorded: Iterable[Recorded]) -> dict[str, bytes]:
    lists: dict[str, _List] = {}
    files: dict[str, bytes] = {}
    # Answers come last: they win where one file stands for several reads.
    for entry in sorted(recorded, key=lambda entry: entry.outcome is Outcome.ANSWERED):
        kind, _, _ = entry.query.operation.partition(":")
        if kind not in ("kube", "volume"):
            files[aws_file(entry.query)] = _json(_aws_document(entry))
        elif entry.outcome is not Outcome.ANSWERED:
            continue
        elif entry.query.operation == "volume:reach":
            continue  # it has no file of its own, and stands in the list of reads
        elif kind == "volume":
            files[volume_file(entry.query.get("persistentVolume"))] = _json(entry.answer)
        elif entry.query.operation.startswith("kube:log "):
            _add_log(files, entry)
        else:
            _add_objects(lists, entry)
    return files | {name: _json(_list_document(made)) for name, made in lists.items()}


def _add_log(files: dict[str, bytes], entry: Recorded) -> None:
    """Stores the log, or keeps the longer one that is there already."""
    query = entry.query
    previous = query.get("previous").lower() == "true"
    file = log_file(query.get("namespace"), query.get("name"), query.get("container"), previous)
    text = str(entry.answer).encode("utf-8", "replace")
    if query.get("container") and len(text) >= len(files.get(file, b"")):
        files[file] = text


def _add_objects(lists: dict[str, _List], entry: Recorded) -> None:
    query = entry.query
    narrows = ("fieldSelector", "labelSelector", "limit")
    whole = query.operation.startswith("kube:list ") and not any(query.get(name) for name in narrows)
    if whole and (query.get("namespace") or not READS[query.operation].namespaced):
        lists.setdefault(kube_file(resource_of(query), query.get("namespace")), _List()).whole = True
    for item in entry.answer if isinstance(entry.answer, list) else [entry.answer]:
        file = _file_of(item, query)
        if file:
            into = lists.setdefault(file, _List())
            into.items[item["metadata"]["name"]] = item
            into.whole = into.whole or whole


def _file_of(item: Any, query: Query) -> str:
    """The List file of an object in the answer to `query`; empty where it does not say its name or namespace."""
    meta = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        return ""
    if not READS[query.operation].namespaced:
        return kube_file(resource_of(query))
    namespace = meta.get("namespace") or query.get("namespace")
    return kube_file(resource_of(query), namespace) if namespace and isinstance(namespace, str) else ""


def _list_document(made: _List) -> dict[str, Any]:
    """A List as kubectl prints it; one that narrow reads made says, as the API does, that there is more."""
    meta = {"resourceVersion": ""} if made.whole else {"continue": f"only what was asked for; see {READS_FILE}"}
    items = [made.items[name] for name in sorted(made.items)]
    return {"apiVersion": "v1", "kind": "List", "metadata": meta, "items": items}


def _aws_document(entry: Recorded) -> Any:
    if entry.outcome is Outcome.ANSWERED:
        return entry.answer
    absent = entry.outcome is Outcome.ABSENT
    message = f"{entry.query} does not exist" if absent else entry.why
    return {"Error": {"Code": "NotFound" if absent else "Unreadable", "Message": message}}


def _plain(query: Query, text: str) -> Answer:
    """The answer out of its JSON, without managedFields."""
    copied = json.loads(text)
    if query.operation.startswith(("kube:get ", "kube:list ")):
        for item in copied if isinstance(copied, list) else [copied]:
            if isinstance(item, dict) and isinstance(item.get("metadata"), dict):
                item["metadata"].pop("managedFields", None)
    return copied


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _order(entry: Recorded) -> tuple[str, str]:
    return entry.query.operation, json.dumps(entry.query.parameters)


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
