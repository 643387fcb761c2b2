"""One hop of the way that NFS takes from a node to a mount target and back, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address, ip_network

from efsdiag.model import Ref

NFS_PORT = 2049

Ports = tuple[int, int]
"""The first and the last port of a range, both included."""


class Step(Enum):
    """Where traffic is filtered or directed, in the order in which `network.path` reports it."""

    NODE_EGRESS = "node-egress"
    TARGET_INGRESS = "target-ingress"
    NODE_ACL_OUT = "node-acl-out"
    TARGET_ACL_IN = "target-acl-in"
    TARGET_ACL_OUT = "target-acl-out"
    NODE_ACL_IN = "node-acl-in"
    ROUTE_OUT = "route-out"
    ROUTE_BACK = "route-back"


class HopState(Enum):
    """What is known of one hop; UNKNOWN where something that decides it was not read, or cannot be read."""

    OPEN = "open"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class Hop:
    """One step with what was found there."""

    step: Step
    state: HopState
    says: str
    object_id: str = ""
    """The security group, network ACL, route table or mount target that decided; "" where none was found."""
    rule: str = ""
    """The one rule that admits or blocks: "TCP 2049 from sg-0b4", the number of an ACL rule, the destination of a
    route. "" where no rule matches."""
    family: int = 4
    """The IP version that was judged: 4 or 6. Where both ends have both, a mount may use either."""
    denied_ports: tuple[Ports, ...] = ()
    """The client ports whose replies a network ACL denies."""

    @property
    def partial(self) -> bool:
        """True where some client ports get through and others do not: mounts then fail now and then."""
        return bool(self.denied_ports) and self.denied_ports != (EPHEMERAL,)


MODES = {
    Step.NODE_EGRESS: "network.node-sg-egress",
    Step.TARGET_INGRESS: "network.mount-target-sg-ingress",
    Step.NODE_ACL_OUT: "network.nacl",
    Step.TARGET_ACL_IN: "network.nacl",
    Step.TARGET_ACL_OUT: "network.nacl",
    Step.NODE_ACL_IN: "network.nacl",
    Step.ROUTE_OUT: "network.no-route",
    Step.ROUTE_BACK: "network.no-route",
}
"""How a mode calls what stops the traffic at a step."""
KINDS = {"sg": "SecurityGroup", "acl": "NetworkAcl", "rtb": "RouteTable", "fsmt": "MountTarget"}
EPHEMERAL: Ports = (1024, 65535)
"""The unprivileged ports, from which a mount with `noresvport` (the default of efs-utils) connects."""


def object_of(hop: Hop) -> Ref:
    """The object that decides the hop, its kind by the beginning of its id: IPv6 can be stopped by any of them."""
    return Ref(KINDS.get(hop.object_id.partition("-")[0], "SecurityGroup"), hop.object_id)


def covers(cidr: str, ip: str) -> bool:
    """Whether the range holds the address; never where one is IPv4 and the other IPv6.

    Errors: ValueError for what is not a range or not an address.
    """
    return ip_address(ip) in ip_network(cidr, strict=False)
