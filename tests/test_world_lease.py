"""The lock: one plan at a time; the same plan, or anybody after its time, may take it over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import consents
import pytest
from kubeapi import KubeApi
from plans import NOW, a_change, namespace, plan_with

from efsdiag.changes import Trouble, WriteFailed
from efsdiag.world.kube_http import Cluster
from efsdiag.world.lease import DURATION_S, Locked, locked

OWN, OTHER = plan_with(a_change(1)), plan_with(a_change(2))


@pytest.fixture
def kube() -> Iterator[KubeApi]:
    consents.agree(OWN)
    consents.agree(OTHER)
    with KubeApi([namespace("kube-system")]) as made:
        yield made


@pytest.fixture
def cluster(kube: KubeApi, tmp_path: Path) -> Cluster:
    return Cluster(str(kube.kubeconfig(tmp_path)), None, None, (), 5)


def lease_of(kube: KubeApi) -> dict[str, Any] | None:
    return kube.object("leases.coordination.k8s.io", "efsdiag", "kube-system")


def held(kube: KubeApi, **spec: Any) -> None:
    """A lock that is held already."""
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    kube.add({**lease, "metadata": {"name": "efsdiag", "namespace": "kube-system"}, "spec": spec})


def stamp(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def taken(cluster: Cluster, kube: KubeApi, holder: str = OWN.digest) -> str:
    """Who holds the lock while it is held."""
    told: list[str] = []
    with locked(cluster, holder, NOW, told.append):
        found = lease_of(kube)
        assert found
        who = str(found["spec"]["holderIdentity"])
    assert told == []
    return who


def test_the_lock_carries_the_digest_and_is_gone_afterwards(cluster: Cluster, kube: KubeApi) -> None:
    assert taken(cluster, kube) == OWN.digest
    assert lease_of(kube) is None


def test_the_lock_is_released_after_a_failure_too(cluster: Cluster, kube: KubeApi) -> None:
    with pytest.raises(ZeroDivisionError), locked(cluster, OWN.digest, NOW, print):
        raise ZeroDivisionError
    assert lease_of(kube) is None


@pytest.mark.parametrize("seconds", [-1, -DURATION_S + 1, 60])
def test_a_lock_of_another_plan_keeps_this_one_out(cluster: Cluster, kube: KubeApi, seconds: float) -> None:
    held(kube, holderIdentity=OTHER.digest, leaseDurationSeconds=DURATION_S, renewTime=stamp(seconds))
    before = lease_of(kube)
    with pytest.raises(Locked, match=OTHER.digest[:12]), locked(cluster, OWN.digest, NOW, print):
        pass
    assert lease_of(kube) == before


@pytest.mark.parametrize(
    "spec",
    [
        {"holderIdentity": OTHER.digest, "leaseDurationSeconds": 10, "renewTime": stamp(-11)},
        {"holderIdentity": OWN.digest, "leaseDurationSeconds": DURATION_S, "renewTime": stamp(-1)},
    ],
    ids=["expired", "of the same plan"],
)
def test_a_lock_that_was_left_behind_is_taken_over(cluster: Cluster, kube: KubeApi, spec: dict[str, Any]) -> None:
    held(kube, **spec)
    assert taken(cluster, kube) == OWN.digest
    assert lease_of(kube) is None


@pytest.mark.parametrize("time", [None, "yesterday", "2020-01-01T00:00:00", 5])
def test_a_lock_whose_time_cannot_be_read_is_not_expired(cluster: Cluster, kube: KubeApi, time: Any) -> None:
    held(kube, holderIdentity=OTHER.digest, leaseDurationSeconds=10, renewTime=time)
    with pytest.raises(Locked), locked(cluster, OWN.digest, NOW, print):
        pass


def test_a_lock_that_was_taken_over_meanwhile_is_left_to_its_new_holder(cluster: Cluster, kube: KubeApi) -> None:
    later = NOW + timedelta(seconds=DURATION_S + 1)
    with locked(cluster, OTHER.digest, later, print):
        pass
    with locked(cluster, OWN.digest, NOW, print):
        other = locked(cluster, OTHER.digest, later, print)
        other.__enter__()
    found = lease_of(kube)
    assert found
    assert found["spec"]["holderIdentity"] == OTHER.digest
    other.__exit__(None, None, None)
    assert lease_of(kube) is None


@pytest.mark.parametrize("failure", [{"status": 403}, {"status": 500}, {"reset": True}])
def test_a_lock_that_cannot_be_released_is_told_and_undoes_nothing(
    cluster: Cluster, kube: KubeApi, failure: dict[str, Any]
) -> None:
    kube.fail("DELETE .*leases", **failure)
    told: list[str] = []
    with locked(cluster, OWN.digest, NOW, told.append):
        pass
    assert len(told) == 1
    assert "15 minutes" in told[0]
    assert lease_of(kube) is not None


def test_a_refused_lock_names_the_right_that_is_missing(cluster: Cluster, kube: KubeApi) -> None:
    kube.forbid("create", "leases.coordination.k8s.io")
    with pytest.raises(WriteFailed) as failed, locked(cluster, OWN.digest, NOW, print):
        pass
    assert failed.value.trouble is Trouble.REFUSED
    assert "leases in namespace kube-system" in failed.value.grant


def test_two_that_ask_at_once_do_not_both_get_it(cluster: Cluster, kube: KubeApi) -> None:
    held(kube, holderIdentity=OTHER.digest, leaseDurationSeconds=10, renewTime=stamp(-11))
    kube.fail("PATCH .*leases", status=409)
    with pytest.raises(Locked, match="same moment"), locked(cluster, OWN.digest, NOW, print):
        pass


def test_a_lost_answer_leaves_a_lock_that_the_same_plan_takes_over(cluster: Cluster, kube: KubeApi) -> None:
    kube.fail("POST .*leases", reset=True)
    with pytest.raises(WriteFailed) as failed, locked(cluster, OWN.digest, NOW, print):
        pass
    assert failed.value.trouble is Trouble.LOST
    assert len(kube.mutations) == 1
    assert taken(cluster, kube) == OWN.digest
