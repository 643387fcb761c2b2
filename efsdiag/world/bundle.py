"""The recorded source: answers queries from an evidence bundle, as a live source would have answered them then.

A plain Troubleshoot.sh support bundle is read too. What the bundle does not hold was never read, and is unreadable,
with how to collect it; only a file that was read can say that something is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS
from efsdiag.world import bundle_aws, bundle_kube
from efsdiag.world.archive import LIMITS, Limits
from efsdiag.world.bundle_documents import Documents, Malformed, kind_of
from efsdiag.world.bundle_files import Files, open_files
from efsdiag.world.bundle_layout import volume_file
from efsdiag.world.bundle_reads import READS_FILE, Outcome, Reads, Recorded, from_document
from efsdiag.world.bundle_times import newest, parsed
from efsdiag.world.errors import Unreachable

MANIFEST = "bundle.json"
API_VERSION = "efsdiag/v1"
KIND = "EvidenceBundle"


AGAIN = "capture it again with efsdiag capture"


class BundleSource:
    """Answers the queries of operations.READS from a folder or a tar archive; may be shared by threads.

    kube:get   an object, or None where the List that was read does not hold it.
    kube:list  a list of objects, filtered by the selectors; of all namespaces where the query names none.
    kube:log   text, or None where the pod's status proves that there is none.
    AWS        the operation's output, out of the same read or out of a wider one.
    Errors:    on construction Unreachable (not there, no bundle, damaged, refused); on a query Unreadable.
    What is returned is shared between callers and must not be changed.
    """

    def __init__(self, path: str | Path, limits: Limits = LIMITS) -> None:
        self._begin(open_files(path, limits), str(path))

    @classmethod
    def of(cls, files: Files, name: str = "the bundle") -> BundleSource:
        """The source over files that are open already. Raises Unreachable."""
        source = cls.__new__(cls)
        source._begin(files, name)
        return source

    def _begin(self, files: Files, place: str) -> None:
        self._documents = Documents(files)
        self._place = place
        try:
            self.manifest: Mapping[str, Any] = self._manifest()
            self._reads = self._recorded_reads()
        except BaseException:
            self.close()
            raise
        self._kube = bundle_kube.KubeFiles(self._documents, self._reads is not None)
        self._aws = bundle_aws.AwsFiles(self._documents)

    def __call__(self, query: Query) -> Answer:
        if query.operation not in READS:
            raise ValueError(f"operation-not-a-read: {query.operation!r} is not in operations.READS")
        if self._reads is None:
            return self._look(query)
        same = self._reads.same(query)
        if same is not None:
            return self._replay(same)
        wider = self._reads.wider(query)
        if wider is None:
            raise Unreadable(query, f"{query} was not recorded", AGAIN)
        return _narrowed(query, self._replay(wider))

    def close(self) -> None:
        """Releases the archive. No query can be answered afterwards."""
        self._documents.close()

    def __enter__(self) -> BundleSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def requests(self) -> int:
        """Files of the bundle that were read so far."""
        return self._documents.files_read

    @cached_property
    def captured_at(self) -> str | None:
        """When the bundle was made, in ISO 8601; without bundle.json, the newest time in events, pods and nodes."""
        said = self.manifest.get("capturedAt")
        return str(said) if said else newest(self._documents)

    @cached_property
    def context(self) -> str | None:
        """The kubeconfig's context it was captured with; None where the bundle does not say."""
        return _text(self.manifest, "cluster", "context")

    @cached_property
    def kubernetes_version(self) -> str | None:
        """The API server's version, "v1.36.2"; None where the bundle does not say."""
        said = _text(self.manifest, "cluster", "kubernetesVersion")
        return said or self._first_text(("cluster-info/cluster_version.json", "info", "gitVersion"))

    @cached_property
    def account(self) -> str | None:
        """The AWS account's id; None where the bundle does not say."""
        return _text(self.manifest, "aws", "accountId") or self._first_text(
            ("aws/sts/get-caller-identity.json", "Account")
        )

    @cached_property
    def region(self) -> str | None:
        """The AWS region; None where the bundle does not say."""
        return _text(self.manifest, "aws", "region") or self._first_text(
            ("aws/ec2/describe-availability-zones.json", "AvailabilityZones", "0", "RegionName")
        )

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces of which the bundle has a list of pods, sorted."""
        return bundle_kube.namespaces_in(self._documents)

    def _look(self, query: Query) -> Answer:
        """What the files say."""
        if query.operation.startswith("kube:"):
            return self._kube(query)
        if query.operation == "volume:reach":
            raise Unreadable(query, "nobody has asked from the node", "a probe: --probe, on the live system")
        if query.operation.startswith("volume:"):
            return self._volume(query)
        return self._aws(query)

    def _replay(self, recorded: Recorded) -> Answer:
        if recorded.outcome is Outcome.REFUSED:
            raise Unreadable(recorded.query, recorded.why, recorded.grant)
        if recorded.outcome is Outcome.ABSENT:
            return None
        if recorded.inline:
            return recorded.answer
        for file in recorded.files:
            if file not in self._documents:
                raise Unreadable(recorded.query, f"{file} is not in the bundle", AGAIN)
        return self._look(recorded.query)

    def _volume(self, query: Query) -> Answer:
        name = query.get("persistentVolume")
        file = next((f for f in (volume_file(name), f"volumes/{name}.json") if f in self._documents), None)
        if file is None:
            grant = f"a listing of the volume in {volume_file(name)}"
            raise Unreadable(query, "nobody has looked inside the volume", grant)
        try:
            found = self._documents.mapping(file)
            if not isinstance(found.get("entries"), list):
                raise Malformed(f"{file}:1 has {kind_of(found.get('entries'))} as entries, wanted is a list")
        except Malformed as fault:
            raise Unreadable(query, str(fault), f"write {file} again") from fault
        return found

    def _manifest(self) -> Mapping[str, Any]:
        """bundle.json; empty where there is none. Raises Unreachable where it is of another kind or malformed."""
        if MANIFEST not in self._documents:
            return {}
        try:
            found = self._documents.mapping(MANIFEST)
        except Malformed as fault:
            raise self._unusable("bundle-manifest-malformed", str(fault)) from fault
        version, kind = found.get("apiVersion"), found.get("kind")
        if (version, kind) != (API_VERSION, KIND):
            message = f"{MANIFEST} is {kind} of {version}, wanted is {KIND} of {API_VERSION}"
            raise self._unusable("bundle-version-unknown", message)
        captured = found.get("capturedAt")
        if captured is not None and parsed(captured) is None:
            message = f"{MANIFEST} has capturedAt {captured!r}, wanted is a time like 2026-11-21T06:30:00Z"
            raise self._unusable("bundle-manifest-malformed", message)
        return found

    def _recorded_reads(self) -> Reads | None:
        if READS_FILE not in self._documents:
            return None
        try:
            return from_document(self._documents.json(READS_FILE))
        except (Malformed, ValueError) as fault:
            raise self._unusable("bundle-reads-malformed", f"{READS_FILE}: {fault}") from fault

    def _unusable(self, reference: str, why: str) -> Unreachable:
        return Unreachable(reference, f"{self._place}: {why}", "capture it again, or use the efsdiag that wrote it")

    def _first_text(self, path: tuple[str, ...]) -> str | None:
        """The text at a path inside a file, where both are there."""
        file, *fields = path
        try:
            return _text(self._documents.json(file), *fields) if file in self._documents else None
        except Malformed:
            return None


def _narrowed(query: Query, wider: Answer) -> Answer:
    """The answer to `query` out of the answer to a wider one, which may be None: then there is no such kind."""
    if wider is None:
        return None
    try:
        if query.operation.startswith("kube:log "):
            return bundle_kube.tail(query, str(wider))
        if query.operation.startswith("kube:"):
            return bundle_kube.narrowed(query, bundle_kube.list_of(wider, READS_FILE))
        return bundle_aws.narrowed(query, wider)
    except Malformed as fault:
        raise Unreadable(query, str(fault), AGAIN) from fault


def _text(value: Any, *path: str) -> str | None:
    for part in path:
        if isinstance(value, list):
            value = value[int(part)] if part.isdecimal() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else None
