"""Record, then replay: a bundle answers what was asked when it was made, the same way, and nothing else."""

from __future__ import annotations

import gzip
import json
import tarfile
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from efsdiag.model import Query, Unreadable
from efsdiag.operations import READS, read_of
from efsdiag.world.bundle import BundleSource
from efsdiag.world.errors import Unreachable
from efsdiag.world.recorder import Recording

MANIFEST = {"capturedAt": "2026-11-21T06:30:00Z", "cluster": {"context": "lab"}}

NAMESPACES = ("a", "a-b", "b")
LABELS: dict[str, Callable[[dict[str, str]], bool]] = {
    "app=x": lambda of: of.get("app") == "x",
    "app": lambda of: "app" in of,
    "!app": lambda of: "app" not in of,
    "app notin (y)": lambda of: of.get("app") != "y",
}
FIELDS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "metadata.name=p1": lambda item: item["metadata"]["name"] == "p1",
    "spec.nodeName=n1": lambda item: item["spec"].get("nodeName") == "n1",
    "spec.nodeName!=n1": lambda item: item["spec"].get("nodeName") != "n1",
}


@dataclass
class World:
    """A source over dictionaries. `refused` are the queries that it does not answer; `truth` answers those too."""

    pods: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[tuple[str, ...], str] = field(default_factory=dict)
    instances: list[list[dict[str, str]]] = field(default_factory=list)
    file_systems: list[str] = field(default_factory=list)
    policies: dict[str, str] = field(default_factory=dict)
    inside: dict[str, list[Any]] = field(default_factory=dict)
    refused: dict[Query, tuple[str, str]] = field(default_factory=dict)
    in_order: bool = True

    def __call__(self, query: Query) -> Any:
        if query in self.refused:
            raise Unreadable(query, *self.refused[query])
        return self.truth(query)

    def truth(self, query: Query) -> Any:
        verb, _, resource = query.operation.partition(" ")
        if resource == "prometheuses":
            return None
        if verb == "kube:get":
            key: Any = (query.get("namespace"), query.get("name")) if resource == "pods" else query.get("name")
            return (self.pods if resource == "pods" else self.volumes).get(key)
        if verb == "kube:list":
            return self._listed(query, resource)
        if verb == "kube:log":
            return self._log(query)
        if verb == "ec2:DescribeInstances":
            return self._instances(query)
        if verb == "efs:DescribeFileSystems":
            wanted = [i for i in self.file_systems if query.get("FileSystemId", i) == i]
            found = {"FileSystems": [{"FileSystemId": i} for i in wanted], "Marker": "m"}
            return None if query.parameters and not wanted else found
        if verb == "efs:DescribeFileSystemPolicy":
            policy = self.policies.get(query.get("FileSystemId"))
            return None if policy is None else {"Policy": policy}
        entries = self.inside.get(query.get("persistentVolume"))
        return None if entries is None else {"entries": entries}

    def _listed(self, query: Query, resource: str) -> list[Any]:
        if resource == "pods":
            items = [self.pods[key] for key in sorted(self.pods, key="/".join)]
        else:
            items = [self.volumes[name] for name in sorted(self.volumes)]
        labels, fields = LABELS.get(query.get("labelSelector")), FIELDS.get(query.get("fieldSelector"))
        chosen = [
            i
            for i in items
            if query.get("namespace") in ("", i["metadata"].get("namespace"))
            and (labels is None or labels(i["metadata"].get("labels", {})))
            and (fields is None or fields(i))
        ]
        return chosen if self.in_order else chosen[::-1]

    def _log(self, query: Query) -> str | None:
        text = self.logs.get((query.get("namespace"), query.get("name"), query.get("container"), query.get("previous")))
        if text is None or not query.get("tailLines"):
            return text
        lines = text.splitlines(keepends=True)
        return "".join(lines[-int(query.get("tailLines")) :])

    def _instances(self, query: Query) -> dict[str, Any] | None:
        given = dict(query.parameters)
        ids, address = given.get("InstanceIds"), query.get("Filter.private-ip-address")
        groups = [
            [i for i in group if (not ids or i["InstanceId"] in ids) and (not address or i["Ip"] == address)]
            for group in self.instances
        ]
        if ids and not any(groups):
            return None
        as_found = [[{"InstanceId": i["InstanceId"], "PrivateIpAddress": i["Ip"]} for i in group] for group in groups]
        return {"Reservations": [{"Instances": group} for group in as_found if group or not given]}


POD = st.builds(
    lambda app, node, note: {"app": app, "node": node, "note": note},
    st.sampled_from([None, "x", "y"]),
    st.sampled_from([None, "n1", "n2"]),
    st.text(max_size=5),
)
NAMES = st.sampled_from(["p1", "p2", "p3"])
LOG_TEXT = st.lists(st.sampled_from(["", "line", "é\r", "\x1b[31m"]), max_size=4).map("\n".join)
WHY = st.tuples(st.text(max_size=8), st.text(max_size=8))


def as_pod(namespace: str, name: str, of: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": of["app"]} if of["app"] else {}
    spec = {"nodeName": of["node"]} if of["node"] else {}
    meta = {"name": name, "namespace": namespace, "labels": labels, "annotations": {"note": of["note"]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


@st.composite
def queries(draw: st.DrawFn) -> Query:
    kind = draw(st.sampled_from(["get", "list", "log", "pv", "crd", "ids", "address", "fs", "policy", "volume"]))
    namespace, name = draw(st.sampled_from(NAMESPACES)), draw(NAMES)
    if kind == "get":
        return read_of("kube:get pods", namespace=namespace, name=name)
    if kind == "list":
        where = draw(st.sampled_from(["", namespace]))
        labels, fields = draw(st.sampled_from(["", "", *LABELS])), draw(st.sampled_from(["", "", *FIELDS]))
        return read_of("kube:list pods", namespace=where, labelSelector=labels, fieldSelector=fields)
    if kind == "log":
        extra = {"previous": draw(st.sampled_from(["", "true"])), "tailLines": draw(st.sampled_from(["", "1", "3"]))}
        return read_of("kube:log pods", namespace=namespace, name=name, container="main", **extra)
    if kind == "pv":
        return draw(
            st.sampled_from([read_of("kube:list persistentvolumes"), read_of("kube:get persistentvolumes", name=name)])
        )
    if kind == "crd":
        return draw(
            st.sampled_from(
                [
                    read_of("kube:list prometheuses"),
                    read_of("kube:list prometheuses", namespace=namespace),
                    read_of("kube:get prometheuses", namespace=namespace, name=name),
                ]
            )
        )
    if kind == "ids":
        ids = draw(st.lists(st.sampled_from(["i-1", "i-2", "i-3"]), unique=True, max_size=3))
        return read_of("ec2:DescribeInstances", InstanceIds=ids)
    if kind == "address":
        return read_of(
            "ec2:DescribeInstances", **{"Filter.private-ip-address": draw(st.sampled_from(["10.0.0.1", "10.0.0.2"]))}
        )
    file_system = draw(st.sampled_from(["fs-1", "fs-2"]))
    if kind == "fs":
        return read_of("efs:DescribeFileSystems", FileSystemId=draw(st.sampled_from(["", file_system])))
    if kind == "policy":
        return read_of("efs:DescribeFileSystemPolicy", FileSystemId=file_system)
    return read_of("volume:entries", persistentVolume=name)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    keys = st.tuples(st.sampled_from(NAMESPACES), NAMES)
    pods = {key: as_pod(*key, of) for key, of in draw(st.dictionaries(keys, POD, max_size=6)).items()}
    volumes = {n: {"kind": "PersistentVolume", "metadata": {"name": n}, "spec": {}} for n in draw(st.sets(NAMES))}
    log_keys = st.tuples(st.sampled_from(NAMESPACES), NAMES, st.just("main"), st.sampled_from(["", "true"]))
    address = st.sampled_from(["10.0.0.1", "10.0.0.2"])
    machines = draw(st.dictionaries(st.sampled_from(["i-1", "i-2", "i-3"]), address))
    each = [{"InstanceId": i, "Ip": ip} for i, ip in sorted(machines.items())]
    split = draw(st.integers(0, len(each)))
    return World(
        pods=pods,
        volumes=volumes,
        logs=draw(st.dictionaries(log_keys, LOG_TEXT, max_size=4)),
        instances=[group for group in (each[:split], each[split:]) if group],
        file_systems=draw(st.lists(st.sampled_from(["fs-1", "fs-2"]), unique=True)),
        policies=draw(st.dictionaries(st.sampled_from(["fs-1", "fs-2"]), st.text(max_size=3))),
        inside=draw(st.dictionaries(NAMES, st.just([{"path": "/"}]))),
        in_order=draw(st.booleans()),
    )


def outcome(source: Callable[[Query], Any], query: Query) -> tuple[Any, ...]:
    try:
        return ("value", source(query))
    except Unreadable as refusal:
        return ("unreadable", refusal.why, refusal.grant)


def wider(query: Query, world: World) -> list[Query]:
    """Queries of which each would have brought home what `query` asks for, if it was answered."""
    verb, _, resource = query.operation.partition(" ")
    if verb in ("kube:get", "kube:list"):
        namespace = query.get("namespace")
        return [Query(f"kube:list {resource}", (("namespace", namespace),)), Query(f"kube:list {resource}")]
    if verb == "kube:log":
        fixed = tuple((name, value) for name, value in query.parameters if name != "tailLines")
        tails = {"": [""], "3": ["", "3"], "1": ["", "1", "3"]}[query.get("tailLines")]
        made = [Query(query.operation, tuple(sorted((*fixed, *((("tailLines", t),) if t else ()))))) for t in tails]
        return [one for one in made if world.truth(one) is not None]
    if verb == "efs:DescribeFileSystems":
        return [Query(verb)]
    if verb == "ec2:DescribeInstances":
        ids = set(dict(query.parameters).get("InstanceIds", ()))
        several = ([a, b] for a in ("i-1", "i-2", "i-3") for b in ("i-1", "i-2", "i-3"))
        candidates = [*several, ["i-1", "i-2", "i-3"], ["i-1", "i-3", "i-2"], ["i-2", "i-1", "i-3"]]
        candidates += [["i-2", "i-3", "i-1"], ["i-3", "i-1", "i-2"], ["i-3", "i-2", "i-1"]]
        wide = [read_of(verb, InstanceIds=list(dict.fromkeys(c))) for c in candidates if ids and ids <= set(c)]
        return [Query(verb), *(one for one in wide if world.truth(one) is not None)]
    return []


@settings(max_examples=150, deadline=None)
@given(
    worlds(),
    st.lists(queries(), max_size=14),
    st.lists(queries(), max_size=14),
    st.dictionaries(st.integers(0, 13), WHY),
)
def test_a_replayed_recording_answers_what_was_recorded_and_nothing_else(world, asked, others, refusals):
    world.refused = {asked[at]: said for at, said in refusals.items() if at < len(asked)}
    with tempfile.TemporaryDirectory() as scratch:
        sources = []
        for name in ("bundle", "bundle.tar.gz"):
            recording = Recording(world, Path(scratch) / name, MANIFEST)
            for query in asked:
                assert outcome(recording, query) == outcome(world, query)
            sources.append(BundleSource(recording.write()))
        answered = {query for query in asked if query not in world.refused}
        for source in sources:
            for query in asked:
                assert outcome(source, query) == outcome(world, query)
            for query in (q for q in others if q not in asked):
                if answered.intersection(wider(query, world)):
                    seen = outcome(source, query)[1]
                    assert _sorted(seen) == _sorted(world.truth(query))
                else:
                    assert outcome(source, query)[1] == f"{query} was not recorded"
            source.close()


def _sorted(answer: Any) -> Any:
    """A list without its order, which a world that is not in order does not keep between two reads."""
    return sorted(answer, key=lambda item: json.dumps(item, sort_keys=True)) if isinstance(answer, list) else answer


@settings(max_examples=40, deadline=None)
@given(worlds(), st.lists(queries(), max_size=10), st.randoms())
def test_the_same_evidence_makes_the_same_bytes_in_any_order_and_under_any_name(world, asked, random):
    with tempfile.TemporaryDirectory() as scratch:
        written = []
        for name in ("one.tar.gz", "two.tgz"):
            recording = Recording(world, Path(scratch) / name, MANIFEST)
            for query in random.sample(asked, len(asked)):
                outcome(recording, query)
            written.append(recording.write().read_bytes())
        assert written[0] == written[1]


def pod(name: str, namespace: str = "a", **of: Any) -> dict[str, Any]:
    return as_pod(namespace, name, {"app": "x", "node": "n1", "note": "", **of})


WORLD = World(
    pods={("a", "p1"): pod("p1"), ("a", "p2"): pod("p2", app="y"), ("b", "p1"): pod("p1", "b")},
    logs={("a", "p1", "main", ""): "one\ntwo\n"},
    instances=[[{"InstanceId": "i-1", "Ip": "10.0.0.1"}]],
    inside={"pv-1": [{"path": "/"}]},
)
GET = read_of("kube:get pods", namespace="a", name="p1")
LIST = read_of("kube:list pods", namespace="a")
ALL = read_of("kube:list pods")
LOG = read_of("kube:log pods", namespace="a", name="p1", container="main")


def recorded(place: Path, source: Callable[[Query], Any], *asked: Query) -> Path:
    recording = Recording(source, place, MANIFEST)
    for query in asked:
        outcome(recording, query)
    return recording.write()


def loaded(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_answers_are_laid_out_as_the_format_has_them(tmp_path):
    denied = World(refused={read_of("ec2:DescribeVpcs"): ("no", "allow ec2:DescribeVpcs")}, instances=WORLD.instances)
    by_id = read_of("ec2:DescribeInstances", InstanceIds=["i-1"])
    absent = read_of("efs:DescribeFileSystemPolicy", FileSystemId="fs-1")
    one = recorded(tmp_path / "one", WORLD, LIST, LOG, read_of("volume:entries", persistentVolume="pv-1"))
    two = recorded(tmp_path / "two", denied, by_id, absent, read_of("ec2:DescribeVpcs"))
    assert loaded(one / "bundle.json") == {"apiVersion": "efsdiag/v1", "kind": "EvidenceBundle", **MANIFEST}
    listed = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}
    assert loaded(one / "cluster-resources/pods/a.json") == {**listed, "items": [pod("p1"), pod("p2", app="y")]}
    assert (one / "cluster-resources/pods/logs/a/p1/main.log").read_bytes() == b"one\ntwo\n"
    assert loaded(one / "volumes/pv-1.json") == {"entries": [{"path": "/"}]}
    assert loaded(two / "aws/ec2/describe-instances/InstanceIds=i-1.json")["Reservations"][0]["Instances"]
    assert loaded(two / "aws/ec2/describe-vpcs.json") == {"Error": {"Code": "Unreadable", "Message": "no"}}
    gone = loaded(two / "aws/efs/describe-file-system-policy/FileSystemId=fs-1.json")
    assert gone["Error"]["Code"] == "NotFound"
    assert loaded(two / "reads.json")["reads"][1] == {
        "operation": "ec2:DescribeVpcs",
        "parameters": {},
        "outcome": "refused",
        "why": "no",
        "grant": "allow ec2:DescribeVpcs",
    }


def test_an_answer_that_the_files_give_back_is_not_written_twice(tmp_path):
    made = recorded(tmp_path / "b", WORLD, GET, LIST, ALL, LOG, read_of("kube:list pods", labelSelector="app=x"))
    assert [entry for entry in loaded(made / "reads.json")["reads"] if "answer" in entry] == []


def test_a_narrow_read_never_looks_like_the_whole_list(tmp_path):
    made = recorded(tmp_path / "b", WORLD, GET, read_of("kube:list pods", namespace="a", labelSelector="app=x"))
    assert outcome(BundleSource(made), LIST)[1] == f"{LIST} was not recorded"
    (made / "reads.json").unlink()
    source = BundleSource(made)
    assert source(GET) == pod("p1")
    assert outcome(source, LIST)[1] == "cluster-resources/pods/a.json holds only a part of the list"


def test_a_whole_list_is_whole_without_the_record_of_the_reads_too(tmp_path):
    made = recorded(tmp_path / "b", WORLD, LIST, read_of("kube:list pods", namespace="a-b"))
    (made / "reads.json").unlink()
    source = BundleSource(made)
    assert source(LIST) == WORLD.truth(LIST)
    assert source(read_of("kube:list pods", namespace="a-b")) == []


def test_a_refused_list_says_nothing_about_narrower_reads(tmp_path):
    world = World(pods=WORLD.pods, refused={ALL: ("forbidden", "list pods"), LIST: ("forbidden too", "")})
    source = BundleSource(recorded(tmp_path / "b", world, ALL, LIST, GET))
    assert outcome(source, ALL) == ("unreadable", "forbidden", "list pods")
    assert outcome(source, GET) == ("value", pod("p1"))
    for query in (read_of("kube:get pods", namespace="a", name="p2"), read_of("kube:list pods", namespace="b")):
        assert outcome(source, query)[1] == f"{query} was not recorded"


def test_a_recorded_log_answers_for_as_many_lines_as_it_has(tmp_path):
    def last(lines: str, **extra: str) -> Query:
        return read_of("kube:log pods", namespace="a", name="p1", container="main", tailLines=lines, **extra)

    text = "1\n2\n3\n4\n"
    world = World(logs={("a", "p1", "main", ""): text, ("a", "p1", "main", "true"): text})
    source = BundleSource(recorded(tmp_path / "b", world, last("3"), last("1", previous="true")))
    assert [source(last(n)) for n in ("1", "2", "3")] == ["4\n", "3\n4\n", "2\n3\n4\n"]
    for query in (LOG, last("4"), last("2", previous="true"), last("", previous="true")):
        assert outcome(source, query)[1] == f"{query} was not recorded"


def test_a_list_of_all_namespaces_is_unreadable_once_one_of_its_files_is_gone(tmp_path):
    made = recorded(tmp_path / "b", WORLD, ALL)
    assert BundleSource(made)(ALL) == WORLD.truth(ALL)
    (made / "cluster-resources/pods/b.json").unlink()
    for query in (ALL, LIST, GET):
        assert outcome(BundleSource(made), query)[1] == "cluster-resources/pods/b.json is not in the bundle"


def test_an_object_that_changed_between_two_reads_is_answered_as_each_read_saw_it(tmp_path):
    later = pod("p1", note="changed")
    answers = {GET: pod("p1"), LIST: [later]}
    source = BundleSource(recorded(tmp_path / "b.tgz", lambda query: answers[query], GET, LIST))
    assert (source(GET), source(LIST)) == (pod("p1"), [later])


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (LIST, ["not", "objects", None]),
        (LIST, [{"metadata": None}, {"metadata": {"name": 5}}]),
        (LIST, [pod("p1"), pod("p1")]),
        (ALL, [{"metadata": {"name": "without-namespace"}}]),
        (GET, {"metadata": {"name": "another"}}),
        (GET, "text"),
        (LOG, ["lines"]),
        (LOG, "surrogate \ud800 and \x00"),
        (read_of("kube:log pods", namespace="a", name="p1"), "of some container"),
        (read_of("ec2:DescribeVpcs"), ["no", "object"]),
        (read_of("ec2:DescribeVpcs"), {"Vpcs": [], "NextToken": "more"}),
        (read_of("ec2:DescribeVpcs"), {"Error": "odd"}),
        (read_of("volume:entries", persistentVolume="../x"), {"no": "entries"}),
        (read_of("volume:entries", persistentVolume="v" * 253), {"entries": [1]}),
        (read_of("kube:get pods", namespace="..", name="../../p"), pod("../../p", "..")),
        (read_of("ec2:DescribeVolumes", VolumeIds=[f"vol-{n:017x}" for n in range(60)]), {"Volumes": []}),
        (read_of("iam:GetRole", RoleName="a/b&c=d%"), {"Role": {}}),
        (LOG, 0),
        (GET, False),
    ],
)
@pytest.mark.parametrize("name", ["b", "b.tar.gz", "b.tar"])
def test_odd_answers_come_back_too(tmp_path, query, answer, name):
    source = BundleSource(recorded(tmp_path / name, lambda _: answer, query))
    assert source(query) == answer
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("answer", [["a", None], "x", 5, {"a": 1}, [{"metadata": 1}]])
def test_an_odd_wide_answer_makes_a_narrow_query_unreadable_and_not_empty(tmp_path, answer):
    wide = {ALL: answer, read_of("ec2:DescribeInstances"): answer}
    source = BundleSource(recorded(tmp_path / "b", wide.__getitem__, *wide))
    for query in (GET, LIST, read_of("ec2:DescribeInstances", InstanceIds=["i-1"])):
        assert outcome(source, query)[0] == "unreadable"


def test_managed_fields_are_left_out_and_other_values_become_json(tmp_path):
    noisy = {**pod("p1"), "metadata": {**pod("p1")["metadata"], "managedFields": [{"manager": "kubectl"}]}}
    vpcs = {"Vpcs": ({"VpcId": "vpc-1", "Seen": datetime(2026, 11, 21, tzinfo=UTC)},)}
    answers = {GET: noisy, LIST: [noisy], read_of("ec2:DescribeVpcs"): vpcs}
    recording = Recording(answers.__getitem__, tmp_path / "b", MANIFEST)
    assert recording(GET) is noisy
    recording(LIST)
    recording(read_of("ec2:DescribeVpcs"))
    source = BundleSource(recording.write())
    assert (source(GET), source(LIST)) == (pod("p1"), [pod("p1")])
    assert source(read_of("ec2:DescribeVpcs")) == {"Vpcs": [{"VpcId": "vpc-1", "Seen": "2026-11-21T00:00:00+00:00"}]}


def test_the_last_outcome_of_a_repeated_query_is_kept(tmp_path):
    answers = iter([pod("p1"), pod("p1", note="later")])
    recording = Recording(lambda _: next(answers), tmp_path / "b", MANIFEST)
    recording(GET)
    recording(GET)
    assert recording.recorded == 1
    assert BundleSource(recording.write())(GET) == pod("p1", note="later")


def test_an_answer_that_is_changed_afterwards_is_recorded_as_it_was(tmp_path):
    mine = pod("p1")
    recording = Recording(lambda _: mine, tmp_path / "b", MANIFEST)
    recording(GET)["metadata"]["labels"] = {"changed": "yes"}
    assert BundleSource(recording.write())(GET) == pod("p1")


def test_a_fault_that_is_no_refusal_goes_through_unrecorded(tmp_path):
    recording = Recording(lambda _: 1 / 0, tmp_path / "b", MANIFEST)
    with pytest.raises(ZeroDivisionError):
        recording(GET)
    assert recording.recorded == 0


def test_threads_may_share_a_recording(tmp_path):
    world = World(pods={("a", f"p{n}"): pod(f"p{n}") for n in range(200)})
    recording = Recording(world, tmp_path / "b", MANIFEST)
    asked = [read_of("kube:get pods", namespace="a", name=f"p{n}") for n in range(220)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(recording, asked * 3))
    assert recording.recorded == 220
    source = BundleSource(recording.write())
    assert [source(query) for query in asked] == [world(query) for query in asked]


def test_an_empty_recording_is_a_bundle_that_knows_nothing(tmp_path):
    source = BundleSource(recorded(tmp_path / "b.tar.gz", WORLD))
    assert source.captured_at == MANIFEST["capturedAt"]
    for operation in READS:
        assert outcome(source, Query(operation))[1] == f"{operation} was not recorded"


@pytest.mark.parametrize("captured", ["1900-01-01T00:00:00Z", "9000-01-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["b.tar.gz", "b.tar", "b"])
def test_a_bundle_of_another_century_is_written_all_the_same(tmp_path, captured, name):
    recording = Recording(World(), tmp_path / name, {**MANIFEST, "capturedAt": captured})
    assert BundleSource(recording.write()).captured_at == captured


def test_the_bundle_is_readable_by_its_owner_alone(tmp_path):
    folder = recorded(tmp_path / "b", WORLD, LIST, LOG)
    archive = recorded(tmp_path / "b.tar.gz", WORLD, LIST, LOG)
    modes = {p.is_dir(): set() for p in folder.rglob("*")}
    for path in (folder, *folder.rglob("*")):
        modes[path.is_dir()].add(path.stat().st_mode & 0o777)
    assert modes == {True: {0o700}, False: {0o600}}
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
    assert {(m.isdir(), m.mode, m.mtime, m.uid, m.uname) for m in members} == {
        (True, 0o700, 1795242600, 0, ""),
        (False, 0o600, 1795242600, 0, ""),
    }
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*")} == {
        m.name.removeprefix("efsdiag-bundle/") for m in members if "/" in m.name
    }


def test_the_archive_says_nothing_about_when_and_where_it_was_packed(tmp_path):
    data = recorded(tmp_path / "secret-project.tar.gz", WORLD, LIST).read_bytes()
    assert int.from_bytes(data[4:8], "little") == 1795242600
    assert data[3] == 0  # no file name in the gzip header
    assert b"secret-project" not in gzip.decompress(data)


@pytest.mark.parametrize("name", ["b", "b.tar.gz"])
def test_nothing_is_overwritten(tmp_path, name):
    recorded(tmp_path / name, WORLD, LIST)
    with pytest.raises(Unreachable) as caught:
        recorded(tmp_path / name, WORLD, GET)
    assert caught.value.reference == "bundle-exists"
    assert BundleSource(tmp_path / name)(LIST) == WORLD.truth(LIST)


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "b").mkdir()
    assert BundleSource(recorded(tmp_path / "b", WORLD, LIST))(LIST) == WORLD.truth(LIST)


@pytest.mark.parametrize("name", ["gone/b", "gone/b.tgz"])
def test_what_cannot_be_written_is_said_so_and_leaves_nothing_behind(tmp_path, name):
    with pytest.raises(Unreachable) as caught:
        recorded(tmp_path / name, WORLD, LIST)
    assert caught.value.reference == "bundle-not-written"
    assert "No such file or directory" in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_recorded_from_a_bundle_is_the_same(tmp_path):
    asked = (GET, LIST, ALL, LOG, read_of("ec2:DescribeInstances"), read_of("ec2:DescribeVpcs"))
    world = World(**{**vars(WORLD), "refused": {read_of("ec2:DescribeVpcs"): ("no", "allow it")}})
    first = recorded(tmp_path / "one.tgz", world, *asked)
    second = recorded(tmp_path / "two.tgz", BundleSource(first), *asked)
    assert first.read_bytes() == second.read_bytes()
