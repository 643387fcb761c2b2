"""Which EC2 instance a Kubernetes node is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INSTANCE_ID = re.compile(r"i-[0-9a-f]{8,17}$")


@dataclass(frozen=True)
class Identity:
    """How a node is looked up in EC2, and what says so."""

    parameters: dict[str, Any]
    says: str


def identities_of(node: dict[str, Any], csi_node: dict[str, Any] | None = None) -> list[Identity]:
    """Ways to find the node's instance, the surest first.

    A cluster without a cloud controller has no providerID, and k3s and RKE2 fill in their own; then what the EFS driver
    itself read from the instance's metadata, the internal IP, and at last the private DNS name.
    """
    found = []
    provider = str(node.get("spec", {}).get("providerID") or "")
    if provider.startswith("aws:") and INSTANCE_ID.search(provider):
        found.append(Identity({"InstanceIds": (provider.rpartition("/")[2],)}, f"spec.providerID {provider}"))
    for driver in (csi_node or {}).get("spec", {}).get("drivers") or []:
        if INSTANCE_ID.match(str(driver.get("nodeID", ""))):
            found.append(Identity({"InstanceIds": (driver["nodeID"],)}, f"CSINode nodeID of {driver['name']}"))
    addresses = node.get("status", {}).get("addresses") or []
    for address in addresses:
        if address["type"] == "InternalIP" and ":" not in address["address"]:
            found.append(
                Identity({"Filter.private-ip-address": address["address"]}, f"internal IP {address['address']}")
            )
    names = [a["address"] for a in addresses if a["type"] in ("InternalDNS", "Hostname")]
    for name in dict.fromkeys([*names, node["metadata"]["name"]]):
        if name.endswith(".internal"):
            found.append(Identity({"Filter.private-dns-name": name}, f"private DNS name {name}"))
    return found


def region_of(instance: Mapping[str, Any]) -> str:
    """The region of an instance, from its zone: "us-east-1" of "us-east-1a"; "" where it is not known."""
    zone = str((instance.get("Placement") or {}).get("AvailabilityZone", ""))
    found = re.match(r"[a-z]{2,4}(-[a-z]+)+-\d+", zone)
    return found[0] if found else ""


def live_instances(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The instances in an answer of ec2:DescribeInstances, less those that are gone or go."""
    found = [i for r in (answer or {}).get("Reservations", []) for i in r.get("Instances", [])]
    return [i for i in found if i.get("State", {}).get("Name") not in ("terminated", "shutting-down")]
