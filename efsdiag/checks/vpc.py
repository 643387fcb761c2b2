"""The network between the pod's node and the mount target, computed from what AWS describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from efsdiag.evidence.messages import Heard
from efsdiag.evidence.vpc import NfsPath
from efsdiag.model import UNREAD, Ref, Unread, Verdict, failed, passed, skipped, unknown, waiting
from efsdiag.semantics.claims import EfsVolume
from efsdiag.semantics.hops import MODES, Hop, HopState, Step, object_of

RESOLVERS = frozenset({"AmazonProvidedDNS", "169.254.169.253", "fd00:ec2::253"})
NAMES = frozenset({"mount.dns-unresolved"})
DECIDED_BY = {
    Step.NODE_EGRESS: ("groups", "security groups"),
    Step.TARGET_INGRESS: ("groups", "security groups"),
    Step.NODE_ACL_OUT: ("network ACLs",),
    Step.TARGET_ACL_IN: ("network ACLs",),
    Step.TARGET_ACL_OUT: ("network ACLs",),
    Step.NODE_ACL_IN: ("network ACLs",),
    Step.ROUTE_OUT: ("route tables",),
    Step.ROUTE_BACK: ("route tables",),
}
"""Which reads decide a hop, by their names in `NfsPath.unread`."""


def vpc_dns_support_on(vpc_id: str, vpc_dns_support: bool, efs_volumes: tuple[EfsVolume, ...]) -> Verdict:
    if _by_address(efs_volumes):
        return skipped("the volumes are mounted by IP address")
    if vpc_dns_support:
        return passed(f"DNS support of {vpc_id} is on", "EnableDnsSupport: true")
    says = f"DNS support of {vpc_id} is off; EFS names resolve only through it"
    return failed("network.vpc-dns-support-disabled", says, Ref("Vpc", vpc_id), "EnableDnsSupport: false")


def vpc_dns_hostnames_on(vpc_id: str, vpc_dns_hostnames: bool, heard: Heard | None = None) -> Verdict:
    if heard and heard.of(*NAMES):
        return skipped("vpc-names-complete judges it, because a name does not resolve")
    if vpc_dns_hostnames:
        return passed(f"DNS host names of {vpc_id} are on")
    return failed("network.vpc-dns-hostnames-disabled", f"DNS host names of {vpc_id} are off", Ref("Vpc", vpc_id))


def vpc_names_complete(vpc_id: Any = UNREAD, vpc_dns_hostnames: Any = UNREAD, heard: Heard | None = None) -> Verdict:
    if not (heard and heard.of(*NAMES)):
        return skipped("nothing says that a name does not resolve")
    if isinstance(vpc_dns_hostnames, Unread):
        return unknown(vpc_dns_hostnames.why, vpc_dns_hostnames.grant)
    if vpc_dns_hostnames is None:
        return waiting("the node's VPC is not known")
    if vpc_dns_hostnames:
        return passed(f"DNS host names of {vpc_id} are on")
    says = f"DNS host names of {vpc_id} are off, and the file system's name does not resolve"
    return failed("network.vpc-dns-hostnames-disabled", says, Ref("Vpc", vpc_id), "EnableDnsHostnames: false")


def node_asks_vpc_resolver(vpc_id: Any = UNREAD, heard: Heard | None = None, vpc_name_servers: Any = UNREAD) -> Verdict:
    if not (heard and heard.of(*NAMES)):
        return skipped("nothing says that a name does not resolve")
    if isinstance(vpc_name_servers, Unread):
        return unknown(vpc_name_servers.why, vpc_name_servers.grant)
    if vpc_id is None:
        return waiting("the node's VPC is not known")
    others = [s for s in vpc_name_servers or () if s not in RESOLVERS]
    if not others or any(s in RESOLVERS for s in vpc_name_servers or ()):
        return passed(f"instances of {vpc_id} are given the VPC's own name server")
    servers = ", ".join(others)
    says = f"instances of {vpc_id} ask {servers}, not the VPC's own name server"
    # Such a server may well pass the question on to the VPC's own one; that is not to be seen from here.
    return failed(
        "network.custom-dns-resolver", says, Ref("Vpc", vpc_id), f"domain-name-servers: {servers}", sure=False
    )


def _by_address(efs_volumes: tuple[EfsVolume, ...]) -> bool:
    return bool(efs_volumes) and all(v.by_address for v in efs_volumes)


def name_resolves(efs_volumes: tuple[EfsVolume, ...], heard: Heard | None = None, node_reach: Any = UNREAD) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    if _by_address(efs_volumes):
        return skipped("the volumes are mounted by IP address")
    named = tuple(v for v in efs_volumes if not v.by_address)
    asked = _asked(named, node_reach, lambda found: found.get("resolves"))
    for volume, found in asked.get(False, []):
        says = f"{found['name']} does not resolve on node {found['node']}, as a probe from there found: {found['said']}"
        return failed("mount.dns-unresolved", says, Ref("FileSystem", volume.file_system), str(found["said"]))
    if True in asked and len(asked[True]) == len(named):
        found = asked[True][0][1]
        return passed(f"{found['name']} resolves on node {found['node']}, as a probe from there found")
    if heard is None:
        return waiting("nobody tried")
    failing = heard.of("mount.dns-unresolved")
    if failing:
        says = f"{named[0].file_system} does not resolve on the pod's node: {failing[0].line}"
        return failed("mount.dns-unresolved", says, Ref("FileSystem", named[0].file_system), sure=False)
    if _answered(heard) or (heard.of("mount.timeout") and not _only_deadline(heard)):
        return passed("the mount got past the name")
    return waiting("nothing says whether the name resolves")


def _answered(heard: Heard) -> bool:
    return any(s.mode in ("mount.access-denied-by-server", "mount.path-not-found") for s in heard.sighted)


def _only_deadline(heard: Heard) -> bool:
    """A bare "context deadline exceeded" does not say how far the mount came."""
    return all(
        "Mount attempt" not in s.message.text and "timed out" not in s.message.text for s in heard.of("mount.timeout")
    )


def _asked(
    efs_volumes: tuple[EfsVolume, ...], node_reach: Any, answer: Callable[[dict[str, Any]], bool | None]
) -> dict[bool | None, list[tuple[EfsVolume, dict[str, Any]]]]:
    """What a probe from the node found, by its answer; empty where there was none."""
    found: dict[bool | None, list[tuple[EfsVolume, dict[str, Any]]]] = {}
    for volume in efs_volumes if isinstance(node_reach, dict) else ():
        told = node_reach[volume.name]
        found.setdefault(answer(told), []).append((volume, told))
    return found


def _all_answer(found: dict[str, Any]) -> bool | None:
    answers = {t.get("answers") for t in found["targets"]}
    return False if False in answers else None if None in answers or not answers else True


def nfs_answers(efs_volumes: tuple[EfsVolume, ...], heard: Heard | None = None, node_reach: Any = UNREAD) -> Verdict:
    if not efs_volumes:
        return skipped("the pod mounts no EFS volume")
    asked = _asked(efs_volumes, node_reach, _all_answer)
    for volume, found in asked.get(False, []):
        closed = next(t for t in found["targets"] if t.get("answers") is False)
        says = f"TCP {found['port']} of {closed['address']} does not answer node {found['node']}: {closed['said']}"
        return failed("mount.timeout", says, Ref("FileSystem", volume.file_system), str(closed["said"]))
    if True in asked and len(asked[True]) == len(efs_volumes):
        found = asked[True][0][1]
        return passed(f"TCP {found['port']} of {found['targets'][0]['address']} answers node {found['node']}")
    if heard is None:
        return waiting("nobody tried")
    if _answered(heard):
        return passed("the server answered: a refusal or an error of its own came back")
    late = heard.of("mount.timeout")
    if late:
        says = f"the mount target of {efs_volumes[0].file_system} does not answer: {late[0].line}"
        return failed("mount.timeout", says, Ref("FileSystem", efs_volumes[0].file_system), sure=False)
    return waiting("nothing says whether the mount target answers")


def nfs_port_open(nfs_path: NfsPath) -> Verdict:
    return _judge(nfs_path, "network.mount-target-sg-ingress")


def node_egress_open(nfs_path: NfsPath) -> Verdict:
    return _judge(nfs_path, "network.node-sg-egress")


def network_acls_open(nfs_path: NfsPath) -> Verdict:
    return _judge(nfs_path, "network.nacl")


def route_exists(nfs_path: NfsPath) -> Verdict:
    return _judge(nfs_path, "network.no-route")


def ipv6_open(nfs_path: NfsPath) -> Verdict:
    over_6 = [h for h in nfs_path.hops if h.family == 6]
    if not over_6 or not any(h.family == 4 for h in nfs_path.hops):
        return skipped("node and mount target do not share both IP versions")
    if any(h.state is HopState.BLOCKED for h in nfs_path.hops if h.family == 4):
        return skipped("IPv4 is blocked as well")
    return _judge_all(over_6, nfs_path, "network.ipv6")


def _judge(nfs_path: NfsPath, mode: str) -> Verdict:
    families = {h.family for h in nfs_path.hops}
    own = [h for h in nfs_path.hops if MODES[h.step] == mode and (h.family == 4 or 4 not in families)]
    return _judge_all(own, nfs_path, mode)


def _judge_all(hops: list[Hop], nfs_path: NfsPath, mode: str) -> Verdict:
    """Fails on a blocked hop; is unknown where none is blocked and one could not be decided."""
    blocked = [h for h in hops if h.state is HopState.BLOCKED]
    if blocked:
        return failed(mode, blocked[0].says, object_of(blocked[0]), *(h.says for h in blocked))
    open_ends = [h for h in hops if h.state is HopState.UNKNOWN]
    if open_ends:
        wanted = {name for h in open_ends for name in DECIDED_BY[h.step]}
        refusals = [r for name, r in nfs_path.unread.items() if name in wanted]
        why = "; ".join(dict.fromkeys([open_ends[0].says, *(r.why for r in refusals)]))
        return unknown(why, "; ".join(dict.fromkeys(r.grant for r in refusals if r.grant)))
    applying = [h for h in hops if h.state is HopState.OPEN]
    if not applying:
        return skipped("node and mount target share a subnet")
    return passed(applying[0].says, *(h.says for h in applying))
