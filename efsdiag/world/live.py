"""The live source: a cluster and an AWS account together, each question asked once.

AWS is optional. Where nobody is signed in, its queries are unreadable and the Kubernetes half is answered all the same.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import read_of
from efsdiag.world.aws import AwsSource
from efsdiag.world.job_logs import listing, reach
from efsdiag.world.kube import KubeSource
from efsdiag.world.shelves import Shelves

USUAL_NAMESPACE = "kube-system"
"""Where the driver is mostly installed."""
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"

# ap-northeast-2, us-gov-west-1; zones continue with a letter (ap-northeast-2a) or with a place (us-west-2-lax-1a).
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]{1,2}")
# aws:///ap-northeast-2a/i-0a1b2c3d
_PROVIDER_ID = re.compile(r"aws:///([^/]+)/")
# ip-10-0-1-59.eu-west-1.compute.internal; in us-east-1 ip-10-0-1-59.ec2.internal
# https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
_HOST = re.compile(r"[^.]+\.(?:([^.]+)\.compute|ec2)\.internal")


class LiveSource:
    """Answers every query of operations.READS from the cluster and the account; may be shared by threads.

    A query that is asked again gets the same answer or the same refusal, so one run sees one state of the world.
    Where no region is set, the first AWS query looks for it at a node. Errors: Unreadable.
    """

    def __init__(self, kube: KubeSource, aws: AwsSource, region_given: bool = False) -> None:
        """`region_given` says that the region of `aws` was named for this run."""
        self.kube = kube
        self.aws = aws
        self.region_from = "--region" if region_given else ""
        """Who says which region it is; "" where nobody was asked yet, or nobody knows."""
        self._kept: dict[Query, Future[Answer]] = {}
        self._lock = threading.Lock()
        self._region_lock = threading.Lock()
        self._region_sought = region_given
        self.shelves = Shelves(self.pages)
        """Whole lists of namespaces that are asked about often; empty until somebody begins."""

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, to the cluster and to AWS."""
        return self.kube.requests + self.aws.requests

    def __call__(self, query: Query) -> Answer:
        shelved, found = self.shelves.answer(query)
        if shelved:
            return found
        if self._is_asked_once(query):
            return self._ask(query)
        with self._lock:
            kept = self._kept.get(query)
            asked = kept is not None
            if kept is None:
                kept = self._kept[query] = Future()
        if not asked:
            try:
                kept.set_result(self._ask(query))
            except BaseException as error:
                kept.set_exception(error.with_traceback(None))
        refusal = kept.exception()
        if isinstance(refusal, Unreadable):
            # Another one each time: an exception that is raised again and again holds on to all that it came past.
            raise Unreadable(refusal.query, refusal.why, refusal.grant)
        return kept.result()

    def pages(self, query: Query) -> Iterator[list[dict[str, Any]]]:
        """A kube:list page by page, as `KubeSource.pages` has it. It is not kept."""
        return self.kube.pages(query)

    def _is_asked_once(self, query: Query) -> bool:
        """Whether one subject of many asks it and no other, so that keeping all answers would only fill memory."""
        of_volume = query.operation.startswith("volume:")
        space = query.get("namespace")
        own = space != USUAL_NAMESPACE and query.operation == "kube:log pods"
        return self.shelves.expects("" if of_volume else space) if of_volume or own else False

    def begin(self, namespace: str, subjects: int) -> None:
        """So many subjects of the namespace are about to be looked at ("": of the whole cluster)."""
        self.shelves.begin(namespace, subjects)

    def end(self, namespace: str) -> None:
        """Nobody asks about the namespace any more: what was answered about its objects is forgotten.

        What is answered about the driver's own namespace, the nodes and AWS is kept: every other one asks it again.
        """
        self.shelves.end(namespace)
        with self._lock:
            for query in [q for q in self._kept if _is_about(q, namespace)]:
                del self._kept[query]

    def again(self, query: Query) -> Answer:
        """The answer as it is now, whatever was answered before: for what is looked up between two writes."""
        return self._ask(query)

    def account(self) -> str | None:
        """The account's id; None where AWS was not asked, or does not say."""
        try:
            answer = self(read_of("sts:GetCallerIdentity"))
        except Unreadable:
            return None
        return str(answer["Account"]) if answer and answer.get("Account") else None

    def find_region(self) -> str | None:
        """The region that AWS is asked in: given, configured, or said by a node; None where nobody says."""
        with self._region_lock:
            if not self._region_sought:
                self._region_sought = True
                if self.aws.region:
                    self.region_from = "the AWS configuration"
                elif not self.aws.unauthenticated:
                    self._region_of_a_node()
        return self.aws.region or None

    def _ask(self, query: Query) -> Answer:
        if query.operation.startswith("kube:"):
            return self.kube(query)
        if query.operation.startswith("volume:"):
            return (reach if query.operation == "volume:reach" else listing)(self, query)
        self.find_region()
        return self.aws(query)

    def _region_of_a_node(self) -> None:
        try:
            nodes = self.kube(read_of("kube:list nodes", limit="1"))
        except Unreadable:
            return
        for node in nodes or []:
            region, where = region_of(node)
            if region:
                self.aws.set_region(region)
                self.region_from = f"{where} of node {node['metadata']['name']}"


def _is_about(query: Query, namespace: str) -> bool:
    if query.operation == "kube:get persistentvolumes":
        return True  # a volume is of one claim, in one namespace
    return query.get("namespace") == namespace != USUAL_NAMESPACE


def region_of(node: dict[str, Any]) -> tuple[str, str]:
    """The region that a node says it is in, and where it says so; two empty strings where it does not.

    What does not look like a region of AWS is not believed: credentials will be sent to an address made from it.
    """
    labels = node["metadata"].get("labels") or {}
    provider = _PROVIDER_ID.match(str((node.get("spec") or {}).get("providerID") or ""))
    region = _REGION.fullmatch(str(labels.get(REGION_LABEL, "")))
    if region:
        return region[0], f"label {REGION_LABEL}"
    for zone, where in ((labels.get(ZONE_LABEL), f"label {ZONE_LABEL}"), (provider and provider[1], "providerID")):
        region = _REGION.match(str(zone or ""))
        if region:
            return region[0], where
    # Without a cloud controller of AWS its instances are known by the names that their VPC gives them.
    told = [str(a.get("address", "")) for a in (node.get("status") or {}).get("addresses") or []]
    hosts = [found for name in [*told, str(node["metadata"]["name"])] if (found := _HOST.fullmatch(name))]
    named = {host[1] or "us-east-1" for host in hosts}
    region = _REGION.fullmatch(named.pop()) if len(named) == 1 else None
    return (region[0], "host name") if region else ("", "")
