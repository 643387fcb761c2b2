"""Pseudonyms: what is replaced, that joins survive, and that the diagnosis of the bundle is the same one."""

from __future__ import annotations

import json
import re
import tarfile
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from conftest import FIXTURES, Situation, run_efsdiag
from hypothesis import assume, given
from hypothesis import strategies as st
from sampling import one_in
from worlds.bundle import encoded
from worlds.bundle import files_of as files_of_world
from worlds.fault import Fault, load
from worlds.ids import NOW

from efsdiag.investigate import investigate
from efsdiag.model import Diagnosis, Source, Subject
from efsdiag.operations import read_of
from efsdiag.pseudonyms.addresses import Addresses
from efsdiag.pseudonyms.names import pseudonyms_for
from efsdiag.pseudonyms.vocabulary import vocabulary
from efsdiag.report.data import time_text
from efsdiag.rules import Rulebook
from efsdiag.taking import Taking
from efsdiag.world.bundle import BundleSource
from efsdiag.world.bundle_files import Memory
from efsdiag.world.bundle_reads import Outcome, Recorded
from efsdiag.world.pseudonymous import Renamed, renamed
from efsdiag.world.recorder import Recording, files_of, manifest_of

KEY = b"a key of the tests, 32 bytes long"
ADDRESSES = Addresses(KEY)
four = st.integers(0, 2**32 - 1).map(ip_address).map(str)
six = st.integers(0, 2**128 - 1).map(lambda number: str(ip_address(number | 2**127 if number < 2**64 else number)))
either = st.sampled_from([four, six])


def shared(one: str, other: str) -> int:
    """How many bits two addresses begin with alike."""
    a, b = ip_address(one), ip_address(other)
    return a.max_prefixlen - (int(a) ^ int(b)).bit_length()


@given(either.flatmap(lambda kind: st.tuples(kind, kind)))
def test_two_addresses_share_as_many_bits_afterwards_as_before(pair: tuple[str, str]) -> None:
    assert shared(*map(ADDRESSES.address, pair)) == shared(*pair)


@given(four, four, st.integers(0, 32))
def test_an_address_is_in_a_network_afterwards_where_it_was_before(address: str, other: str, bits: int) -> None:
    network = ip_network(f"{other}/{bits}", strict=False)
    made = ip_network(ADDRESSES.text(str(network)))
    assert made.prefixlen == bits
    assert (ip_address(ADDRESSES.address(address)) in made) == (ip_address(address) in network)


@given(st.sampled_from(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]), st.integers(0, 2**16 - 1))
def test_a_private_address_stays_private_and_in_its_own_network(network: str, host: int) -> None:
    inside = ip_network(network)
    assert ip_address(ADDRESSES.address(str(inside.network_address + host))) in inside


KEPT_ADDRESSES = (
    "0.0.0.0/0 127.0.0.1 169.254.169.254 169.254.170.23 ::1 fd00:ec2::254 ::/0 0.0.0.0 255.255.255.255 "
    "2026-11-21T06:30:00Z 06:30:00 sha256:12ab v1.36.2 1.2.3.400 arn:aws:iam::aws:policy/x a::b::c"
)


@pytest.mark.parametrize("text", KEPT_ADDRESSES.split())
def test_what_everybody_has_and_what_is_no_address_stays(text: str) -> None:
    assert ADDRESSES.text(text) == text


def test_an_address_is_replaced_wherever_it_stands() -> None:
    made = ADDRESSES.address("10.1.2.3")
    dashed = made.replace(".", "-")
    text = "dial tcp 10.1.2.3:2049: i/o timeout (ip-10-1-2-3.eu-west-1.compute.internal, http://10.1.2.3/x, 10.1.2.3)"
    wanted = f"dial tcp {made}:2049: i/o timeout (ip-{dashed}.eu-west-1.compute.internal, http://{made}/x, {made})"
    assert ADDRESSES.text(text) == wanted


POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "acme-billing-0",
        "namespace": "payments",
        "uid": "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0",
        "labels": {"app": "acme-billing", "payments.example.org/team": "redfox"},
    },
    "spec": {
        "nodeName": "ip-10-0-1-23.eu-west-1.compute.internal",
        "containers": [{"name": "main", "image": "registry.bigcorp.io/payments/prometheus:v3"}],
    },
    "status": {"phase": "Running", "message": "volume of payments/acme-billing-0 is not mounted"},
}


def test_every_word_of_a_name_is_replaced_alike_and_all_else_stays() -> None:
    made = pseudonyms_for(KEY, [POD]).value(POD)
    text = json.dumps(made)
    assert not re.search("acme|billing|payments|redfox|bigcorp|10-0-1-23", text)
    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    assert re.fullmatch(r"[a-z]{12}-[a-z]{12}-0", name)
    assert made["metadata"]["labels"]["app"] == name.removesuffix("-0")
    assert made["status"] == {"phase": "Running", "message": f"volume of {namespace}/{name} is not mounted"}
    assert made["metadata"]["uid"] == POD["metadata"]["uid"]
    assert made["spec"]["containers"][0]["image"].endswith(f".io/{namespace}/prometheus:v3")
    assert made["kind"] == "Pod"


def test_the_same_key_gives_the_same_pseudonyms_and_another_key_others() -> None:
    one, again, other = (pseudonyms_for(key, [POD]).value(POD) for key in (KEY, KEY, b"another key, of 16 or more"))
    assert one == again
    assert one["metadata"]["name"] != other["metadata"]["name"]
    assert one["spec"]["nodeName"] != other["spec"]["nodeName"]


def test_account_ids_are_replaced_by_account_ids_and_those_of_aws_stay() -> None:
    arn = "arn:aws:iam::123456789012:role/BluebirdNodes"
    image = "602401143452.dkr.ecr.eu-west-1.amazonaws.com/eks/aws-efs-csi-driver:v2"
    account = "123456789012"
    made = pseudonyms_for(KEY, [{"Account": account}, arn, {"image": image}]).value([arn, image, account])
    assert re.fullmatch(r"arn:aws:iam::\d{12}:role/[A-Z][a-z]{11}", made[0])
    assert made[2] in made[0]
    assert made[2] != account
    assert made[1] == image


def test_a_name_that_a_policy_has_a_pattern_for_inside_a_word_is_left_with_its_pattern() -> None:
    policy = {"Statement": [{"Resource": "arn:aws:iam::123456789012:role/blueb*"}]}
    arn = "arn:aws:iam::123456789012:role/bluebird"
    made = pseudonyms_for(KEY, [policy, arn]).value([policy, arn])
    assert made[1].endswith(":role/bluebird")
    assert made[0]["Statement"][0]["Resource"].endswith(":role/blueb*")


def test_words_that_a_diagnosis_compares_with_are_in_the_vocabulary() -> None:
    words = "running crashloopbackoff efs csi prometheus iam tls failedmount associated available kube system default"
    assert set(words.split()) <= vocabulary()
    assert not {"acme", "payments", "bigcorp", "hunter2"} & vocabulary()


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{3,8}", fullmatch=True), min_size=2, max_size=12, unique=True))
def test_two_words_never_become_one(words: list[str]) -> None:
    things = [{"metadata": {"name": word}} for word in words]
    made = pseudonyms_for(KEY, things).value(words)
    assert len(set(made)) == len(words)
    assume(not set(words) <= vocabulary())


# --- the diagnosis -----------------------------------------------------------------------------------------------


def hidden(rulebook: Rulebook, source: Source, asked: Subject, now: datetime) -> Renamed:
    """What a capture of the target keeps, under pseudonyms."""
    recording = Recording(source, "nowhere", {})
    Taking(rulebook, recording, now, 1, 10**9).around(asked)
    manifest = manifest_of({"capturedAt": time_text(now), "cluster": {"context": "admin@bigcorp"}})
    return renamed(KEY, recording.entries, manifest)


def gist(diagnosis: Diagnosis) -> Any:
    """The modes, checks and states, without a name of today."""
    return (
        diagnosis.status,
        [(c.check, c.finding.mode, c.confirmed, c.chain, c.unverified) for c in diagnosis.causes],
        {name: verdict.state for name, verdict in diagnosis.verdicts.items()},
        sorted((x.check, x.finding.mode, x.cleared_by) for x in diagnosis.latent),
        [x.check for x in diagnosis.suspects],
        [(x.check, x.by) for x in diagnosis.ruled_out],
        diagnosis.deepest,
    )


def compare(rulebook: Rulebook, source: Source, asked: Subject, now: datetime) -> Renamed:
    made = hidden(rulebook, source, asked, now)
    bundle = BundleSource.of(Memory(files_of(made.entries, made.manifest)))
    name = made.pseudonyms.text
    before = investigate(rulebook, source, asked, now, strict=True)
    after = investigate(
        rulebook, bundle, Subject(asked.kind, name(asked.namespace), name(asked.name)), now, strict=True
    )
    assert gist(after.diagnosis) == gist(before.diagnosis)
    return made


@pytest.mark.parametrize("folder", sorted(FIXTURES.iterdir()), ids=lambda folder: folder.name)
def test_the_diagnosis_of_a_situation_under_pseudonyms_is_the_same(rulebook: Rulebook, folder: Path) -> None:
    with BundleSource(folder) as source:
        now = datetime.fromisoformat(str(source.captured_at))
        made = compare(rulebook, source, Situation(folder).target, now)
        account = source.account
    text = json.dumps([[str(e.query), e.answer, e.why, e.grant] for e in made.entries])
    assert not account or account not in text


@pytest.mark.parametrize("fault", one_in(16, load()), ids=lambda fault: fault.name)
def test_the_diagnosis_of_a_fault_under_pseudonyms_is_the_same(rulebook: Rulebook, fault: Fault) -> None:
    world = fault.world()
    compare(rulebook, BundleSource.of(Memory(encoded(files_of_world(world)))), world.asked, NOW)


def test_queries_and_refusals_have_pseudonyms_too_and_lists_are_in_the_order_of_a_server() -> None:
    pods = [{"metadata": {"name": name, "namespace": "payments"}} for name in ("anna", "bert", "carl", "dora")]
    listed = read_of("kube:list pods", namespace="payments", labelSelector="team=anna")
    refused = read_of("kube:get nodes", name="bert")
    entries = [
        Recorded(listed, Outcome.ANSWERED, pods),
        Recorded(refused, Outcome.REFUSED, why="bert is not yours", grant="get nodes bert"),
    ]
    made = renamed(KEY, entries, manifest_of({"capturedAt": "2026-11-21T06:30:00Z"}))
    text = made.pseudonyms.text
    assert made.entries[0].query.get("labelSelector") == f"team={text('anna')}"
    names = [pod["metadata"]["name"] for pod in made.entries[0].answer]
    assert names == sorted(text(name) for name in ("anna", "bert", "carl", "dora"))
    assert made.entries[1].why == f"{text('bert')} is not yours"
    assert "pseudonyms" in made.manifest


# --- the command -------------------------------------------------------------------------------------------------


def captured(folder: Path, *more: str) -> tuple[int, str, str, Path]:
    target = folder / f"b{len(list(folder.iterdir()))}.tar.gz"
    words = ["capture", "pod/prometheus-server", "--bundle", str(FIXTURES / "story-parent-dir"), "-o", str(target)]
    return *run_efsdiag([*words, *more]), target


def test_the_command_says_how_to_ask_for_the_target_by_its_pseudonym(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    code, out, _, bundle = captured(tmp_path, "--pseudonym-key", str(tmp_path / "key"))
    assert code == 0
    words = out.splitlines()[1].split()[1:]
    assert words[:2] == ["why", "pod/prometheus-server"]
    assert run_efsdiag(words)[0] == 1
    with tarfile.open(bundle) as archive:
        data = b"".join(archive.extractfile(m).read() for m in archive if m.isfile())  # type: ignore[union-attr]
    original = b"".join(f.read_bytes() for f in (FIXTURES / "story-parent-dir").rglob("*") if f.is_file())
    for name in (b"126540600433", b"k8s-node1", b"dvj2hz2rgs", b"xhcx2", b"172.31.3.21"):
        assert name in original, name
        assert name not in data


def test_a_key_in_a_file_gives_the_same_bundle_again_and_no_key_another(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY)
    with_key = [captured(tmp_path, "--pseudonym-key", str(tmp_path / "key"))[3].read_bytes() for _ in range(2)]
    without = [captured(tmp_path, "--pseudonyms")[3].read_bytes() for _ in range(2)]
    assert with_key[0] == with_key[1]
    assert len({*with_key, *without}) == 3


@pytest.mark.parametrize(("content", "said"), [(b"short", "key-too-short"), (None, "key-unreadable")])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    code, _, err, bundle = captured(tmp_path, "--pseudonym-key", str(tmp_path / "key"))
    assert (code, err.partition(":")[0]) == (2, said)
    assert not bundle.exists()


def test_a_key_without_an_end_is_refused(tmp_path: Path) -> None:
    code, _, err, bundle = captured(tmp_path, "--pseudonym-key", "/dev/urandom")
    assert (code, err.partition(":")[0], bundle.exists()) == (2, "key-too-long", False)
