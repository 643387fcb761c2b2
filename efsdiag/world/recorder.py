"""Records what a source answers, and writes it down as an evidence bundle that answers the same.

Answers go into the files of the format, so that kubectl's and the AWS CLI's users find them; reads.json says what was
asked. Before a bundle is written it is replayed: an answer that its files would not give back exactly is put into
reads.json itself.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
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
from efsdiag.world.bundle_times import parsed
from efsdiag.world.errors import Unreachable

ARCHIVES = (".tar.gz", ".tgz", ".tar")
TOP = "efsdiag-bundle"
"""The folder inside an archive; fixed, so that the same evidence makes the same bytes under any name."""


class Recording:
    """A source that passes each query on to another, and keeps the answer or the refusal; may be shared by threads.

    Where a query is asked twice the last outcome is kept. `path` is a folder, or an archive by its suffix.
    `manifest` is the content of bundle.json; apiVersion and kind are added.
    """

    def __init__(self, source: Source, path: str | Path, manifest: Mapping[str, Any]) -> None:
        self._source = source
        self._path = Path(path)
        self._manifest = {"apiVersion": API_VERSION, "kind": KIND, **manifest}
        self._lock = threading.Lock()
        self._kept: dict[Query, Recorded] = {}

    def __call__(self, query: Query) -> Answer:
        """The source's answer as it is. Raises what the source raises."""
        try:
            answer = self._source(query)
        except Unreadable as refusal:
            self._keep(Recorded(query, Outcome.REFUSED, why=refusal.why, grant=refusal.grant))
            raise
        outcome = Outcome.ABSENT if answer is None else Outcome.ANSWERED
        self._keep(Recorded(query, outcome, answer=_plain(query, answer)))
        return answer

    @property
    def recorded(self) -> int:
        """How many different queries were recorded so far."""
        return len(self._kept)

    def files(self) -> dict[str, bytes]:
        """The files of the bundle as it would be written now, by name. Raises Unreachable for a bad manifest."""
        with self._lock:
            kept = sorted(self._kept.values(), key=_order)
        return files_of(kept, self._manifest)

    def write(self) -> Path:
        """Writes the bundle where it was to go, all of it or nothing; readable by its owner alone.

        Errors: Unreachable where something is there already, or it cannot be written.
        """
        path = self._path
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise Unreachable("bundle-exists", f"{path} exists already", "give another path, or remove it first")
        time = parsed(self._manifest.get("capturedAt"))
        modified_s = int(time.timestamp()) if time else 0
        try:
            if path.name.endswith(ARCHIVES):
                _write_archive(path, self.files(), modified_s)
            else:
                _write_folder(path, self.files())
        except OSError as fault:
            message = f"{path} cannot be written: {fault.strerror or fault}"
            hint = "give a path in a folder that exists and has room"
            raise Unreachable("bundle-not-written", message, hint) from fault
        return path

    def _keep(self, recorded: Recorded) -> None:
        with self._lock:
            self._kept[recorded.query] = recorded


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
    whole = query.operation.startswith("kube:list ") and not (query.get("fieldSelector") or query.get("labelSelector"))
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


def _plain(query: Query, answer: Answer) -> Answer:
    """A copy of the answer as JSON has it, without managedFields."""
    copied = json.loads(json.dumps(answer, default=_as_text))
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


def _write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))  # mode 0700
    try:
        for name, data in sorted(files.items()):
            for folder in reversed(Path(name).parents):
                (made / folder).mkdir(mode=0o700, exist_ok=True)
            with open(os.open(made / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
        made.rename(path)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _write_archive(path: Path, files: Mapping[str, bytes], modified_s: int) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
    try:
        with open(handle, "wb") as file:
            if path.name.endswith(".tar"):
                _tar(file, files, modified_s)
            else:
                with gzip.GzipFile("", "wb", 6, file, mtime=modified_s) as packed:
                    _tar(packed, files, modified_s)
        os.replace(made, path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


def _tar(into: Any, files: Mapping[str, bytes], modified_s: int) -> None:
    """The files and their folders in the order of their names, owned by nobody in particular."""
    folders = {f"{TOP}/{folder}".removesuffix("/.") for name in files for folder in Path(name).parents}
    with tarfile.open(fileobj=into, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted({*folders, *(f"{TOP}/{name}" for name in files)}):
            member = tarfile.TarInfo(name)
            member.mtime = modified_s
            data = files.get(name.removeprefix(f"{TOP}/"))
            if data is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o700
                archive.addfile(member)
            else:
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
