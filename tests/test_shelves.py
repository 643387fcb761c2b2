"""Whole lists that answer what many subjects ask one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from crowds import Thing, claim, pod, source_of

from efsdiag.model import Query, Unreadable
from efsdiag.operations import read_of
from efsdiag.world.bundle_kube import narrowed
from efsdiag.world.shelves import Shelved, Shelves

PODS = [pod(f"web-{n}", labels={"app": "web", "tier": f"t{n % 2}"}) for n in range(6)] + [pod("plain")]


def event(number: int, uid: str) -> Thing:
    return {"kind": "Event", "metadata": {"name": f"e{number}", "namespace": "shop"}, "involvedObject": {"uid": uid}}


EVENTS = [event(n, f"uid-{n % 3}") for n in range(9)]
LISTS: dict[str, list[Thing]] = {"pods": PODS, "events": EVENTS, "persistentvolumeclaims": [claim("data")]}


class Served:
    """Pages of two objects; remembers what was asked."""

    def __init__(self, refused: str = "") -> None:
        self.asked: list[Query] = []
        self.pages_read = 0
        self.refused = refused

    def __call__(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        self.asked.append(query)
        resource = query.operation.partition(" ")[2]
        if resource == self.refused:
            raise Unreadable(query, "no", "list it")
        things = LISTS.get(resource, [])
        for at in range(0, len(things), 2):
            self.pages_read += 1
            yield things[at : at + 2]


def shelves(subjects: int = 100, refused: str = "") -> tuple[Shelves, Served]:
    served = Served(refused)
    made = Shelves(served)
    made.begin("shop", subjects)
    return made, served


@pytest.mark.parametrize(
    ("resource", "parameters"),
    [
        ("get pods", {"name": "web-3"}),
        ("get pods", {"name": "nobody"}),
        ("get persistentvolumeclaims", {"name": "data"}),
        ("get deployments", {"name": "none"}),
        ("list pods", {}),
        ("list pods", {"labelSelector": "app=web"}),
        ("list pods", {"labelSelector": "app=web,tier=t1"}),
        ("list pods", {"labelSelector": "tier!=t1"}),
        ("list pods", {"labelSelector": "app in (web, api),tier=t0"}),
        ("list pods", {"labelSelector": "app=nobody"}),
        ("list events", {"fieldSelector": "involvedObject.uid=uid-1"}),
        ("list events", {"fieldSelector": "involvedObject.uid=other"}),
    ],
)
def test_a_shelf_answers_as_the_server_would(resource: str, parameters: dict[str, str]) -> None:
    made, served = shelves()
    query = read_of(f"kube:{resource}", namespace="shop", **parameters)
    assert made.answer(query) == (True, narrowed(query, LISTS.get(resource.partition(" ")[2], [])))
    assert made.answer(query)[0]
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    "query",
    [
        read_of("kube:list pods", namespace="shop", fieldSelector="spec.nodeName=node1"),
        read_of("kube:list pods", namespace="shop", fieldSelector="involvedObject.uid=a,reason=b"),
        read_of("kube:list pods", namespace="shop", limit="1"),
        read_of("kube:list pods", namespace="shop", labelSelector="a=b=c"),
        read_of("kube:list pods", namespace="other"),
        read_of("kube:list pods"),
        read_of("kube:get configmaps", namespace="shop", name="x"),
        read_of("kube:get nodes", name="x"),
        read_of("kube:log pods", namespace="shop", name="web-1"),
        read_of("sts:GetCallerIdentity"),
    ],
)
def test_what_a_shelf_cannot_answer_is_asked_of_the_server(query: Query) -> None:
    assert shelves()[0].answer(query) == (False, None)


@pytest.mark.parametrize("resource", ["persistentvolumes", "nodes", "csinodes"])
def test_what_is_in_no_namespace_has_a_shelf_for_the_whole_cluster(resource: str) -> None:
    made, served = shelves()
    query = read_of(f"kube:get {resource}", name="v")
    assert made.answer(query) == (False, None)
    made.begin("", 10)
    assert made.answer(query) == (True, None)
    assert served.asked == [read_of(f"kube:list {resource}")]
    assert made.answer(read_of("kube:list nodes", limit="1")) == (False, None)


def test_one_subject_alone_makes_no_list() -> None:
    made, served = shelves(subjects=1)
    assert made.answer(read_of("kube:get pods", namespace="shop", name="web-1")) == (False, None)
    assert served.asked == []


def test_a_list_of_more_pages_than_subjects_is_given_up_and_not_tried_again() -> None:
    made, served = shelves(subjects=3)
    for name in ("web-1", "web-2"):
        assert made.answer(read_of("kube:get pods", namespace="shop", name=name)) == (False, None)
    assert len(served.asked) == 1
    assert served.pages_read == 4


def test_a_list_that_may_not_be_read_leaves_the_objects_to_be_asked_by_name() -> None:
    made, _ = shelves(refused="pods")
    assert made.answer(read_of("kube:get pods", namespace="shop", name="web-1")) == (False, None)
    assert made.answer(read_of("kube:get persistentvolumeclaims", namespace="shop", name="data"))[0]


def test_what_has_ended_is_kept_no_more() -> None:
    made, _ = shelves()
    query = read_of("kube:get pods", namespace="shop", name="web-1")
    assert made.answer(query)[0]
    made.end("shop")
    assert made.answer(query) == (False, None)
    assert made._kept == {}


def test_what_a_shelf_gives_out_is_nobody_elses() -> None:
    made, _ = shelves()
    query = read_of("kube:get pods", namespace="shop", name="web-1")
    made.answer(query)[1]["metadata"]["name"] = "changed"
    assert made.answer(query)[1]["metadata"]["name"] == "web-1"


def test_all_objects_are_unpacked_once() -> None:
    made, _ = shelves()
    query = read_of("kube:list pods", namespace="shop")
    assert made.answer(query)[1] is made.answer(query)[1]


def test_a_source_behind_shelves_answers_as_without_them() -> None:
    plain = source_of(*PODS, claim("data"))
    shelved = Shelved(plain)
    queries = [
        read_of("kube:get pods", namespace="shop", name="web-3"),
        read_of("kube:list pods", namespace="shop", labelSelector="app=web"),
        read_of("kube:get persistentvolumeclaims", namespace="shop", name="data"),
        read_of("kube:list pods"),
    ]
    before = [shelved(query) for query in queries]
    shelved.begin("shop", 10)
    assert [shelved(query) for query in queries] == before == [plain(query) for query in queries]
    shelved.end("shop")
    with pytest.raises(Unreadable):
        Shelved(source_of(unread=("pods",)))(read_of("kube:list pods", namespace="shop"))
