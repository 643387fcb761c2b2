"""Which EC2 instance a node is: the surest way to look it up comes first."""

from __future__ import annotations

from typing import Any

import pytest

from efsdiag.semantics.instances import identities_of

INSTANCE = "i-0123456789abcdef0"


def node(provider: str | None = None, name: str = "worker1", **addresses: str) -> dict[str, Any]:
    listed = [{"type": kind, "address": address} for kind, address in addresses.items()]
    return {"metadata": {"name": name}, "spec": {"providerID": provider}, "status": {"addresses": listed}}


def csi_node(**ids: str) -> dict[str, Any]:
    return {"spec": {"drivers": [{"name": name, "nodeID": id_} for name, id_ in ids.items()]}}


def parameters(*given: Any) -> list[dict[str, Any]]:
    return [identity.parameters for identity in identities_of(*given)]


@pytest.mark.parametrize("provider", [f"aws:///eu-west-1a/{INSTANCE}", f"aws:///{INSTANCE}", f"aws://{INSTANCE}"])
def test_the_provider_id_names_the_instance(provider: str) -> None:
    assert parameters(node(provider)) == [{"InstanceIds": (INSTANCE,)}]


@pytest.mark.parametrize(
    "provider",
    [
        None,
        "",
        "k3s://worker1",
        "rke2://worker1",
        "kind://docker/kind/worker1",
        f"gce:///{INSTANCE}",
        "aws:///eu-west-1a/0123/fargate-ip-10-0-1-5.eu-west-1.compute.internal",
        "aws:///eu-west-1a/i-12",
    ],
)
def test_a_provider_id_that_names_no_instance_is_passed_over(provider: str | None) -> None:
    assert parameters(node(provider)) == []


def test_what_a_driver_read_from_the_metadata_comes_after_the_provider_id() -> None:
    found = identities_of(node(), csi_node(**{"longhorn": "worker1", "efs.csi.aws.com": INSTANCE}))
    assert [(i.parameters, i.says) for i in found] == [
        ({"InstanceIds": (INSTANCE,)}, "CSINode nodeID of efs.csi.aws.com")
    ]


def test_then_come_the_internal_address_and_at_last_the_private_dns_names() -> None:
    name = "ip-10-0-1-5.eu-west-1.compute.internal"
    found = node(f"aws:///eu-west-1a/{INSTANCE}", name, InternalIP="10.0.1.5", InternalDNS=name, Hostname="worker1")
    assert parameters(found) == [
        {"InstanceIds": (INSTANCE,)},
        {"Filter.private-ip-address": "10.0.1.5"},
        {"Filter.private-dns-name": name},
    ]


def test_only_internal_ipv4_addresses_are_looked_up() -> None:
    found = node(ExternalIP="203.0.113.5", InternalIP="2600:1f18::5", Hostname="worker1")
    assert parameters(found) == []


def test_a_node_that_reports_nothing_yet_has_no_identity() -> None:
    assert parameters({"metadata": {"name": "worker1"}}) == []
    assert parameters(node(), None) == []
    assert parameters(node(), {"spec": {"drivers": None}}) == []
