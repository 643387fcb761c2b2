"""The live source: the cluster and the account together. Both are stood in for at their edges."""

import threading

import pytest

from efsdiag.model import Unreadable
from efsdiag.operations import READS, read_of
from efsdiag.world.live import LiveSource, region_of

PODS = read_of("kube:list pods", namespace="shop")
NODES = read_of("kube:list nodes", limit="1")
SYSTEMS = read_of("efs:DescribeFileSystems")
CALLER = read_of("sts:GetCallerIdentity")


class Kube:
    """A cluster that answers every query with what it was given for it."""

    def __init__(self, **labels):
        self.asked = []
        self.nodes = [node(labels)]
        self.requests = 0

    def __call__(self, query):
        self.asked.append(query)
        self.requests += 1
        if isinstance(self.nodes, Unreadable):
            raise self.nodes
        return self.nodes if query == NODES else [query.operation]


class Aws:
    """An account; signed out where it has no region to offer and `unauthenticated` is set."""

    def __init__(self, region="", unauthenticated=False):
        self.region = region
        self.unauthenticated = unauthenticated
        self.asked = []
        self.requests = 0

    def set_region(self, region):
        self.region = region

    def __call__(self, query):
        self.asked.append((query, self.region))
        self.requests += 1
        if self.unauthenticated:
            raise Unreadable(query, "nobody is signed in to AWS")
        return {"Account": "111122223333"} if query == CALLER else {"FileSystems": []}


def node(labels=None, provider_id=""):
    return {"metadata": {"name": "worker1", "labels": labels or {}}, "spec": {"providerID": provider_id}}


REGION = {"topology.kubernetes.io/region": "ap-northeast-2"}


@pytest.mark.parametrize("operation", sorted(o for o in READS if not o.startswith("volume:")))
def test_every_read_goes_to_the_one_who_can_answer_it(operation):
    kube, aws = Kube(), Aws("eu-central-1")
    query = read_of(operation)
    source = LiveSource(kube, aws)
    source(query)
    assert (len(kube.asked), len(aws.asked)) == ((1, 0) if operation.startswith("kube:") else (0, 1))


def test_a_query_is_asked_once_however_often_it_comes():
    kube = Kube()
    source = LiveSource(kube, Aws())
    assert source(PODS) is source(PODS)
    assert kube.asked == [PODS]


def test_a_refusal_is_remembered_too():
    aws = Aws("eu-central-1", unauthenticated=True)
    source = LiveSource(Kube(), aws)
    for _ in range(2):
        with pytest.raises(Unreadable, match="signed in"):
            source(SYSTEMS)
    assert len(aws.asked) == 1


def test_threads_that_ask_the_same_at_once_share_one_answer():
    started, go_on = threading.Event(), threading.Event()
    kube = Kube()

    def slow(query):
        kube.asked.append(query)
        started.set()
        go_on.wait(5)
        return ["answer"]

    source = LiveSource(slow, Aws())
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(source(PODS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    started.wait(5)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert answers == [["answer"]] * 4
    assert kube.asked == [PODS]


def test_the_region_that_was_given_is_not_sought():
    kube, aws = Kube(**REGION), Aws("us-east-1")
    source = LiveSource(kube, aws, region_given=True)
    source(SYSTEMS)
    assert (source.find_region(), source.region_from) == ("us-east-1", "--region")
    assert kube.asked == []


def test_the_configured_region_comes_before_a_nodes():
    kube, aws = Kube(**REGION), Aws("us-east-1")
    source = LiveSource(kube, aws)
    source(SYSTEMS)
    assert (source.find_region(), source.region_from) == ("us-east-1", "the AWS configuration")
    assert kube.asked == []


def test_without_a_region_one_node_is_asked_once_and_the_report_can_say_which():
    kube, aws = Kube(**REGION), Aws()
    source = LiveSource(kube, aws)
    source(SYSTEMS)
    source(CALLER)
    assert kube.asked == [NODES]
    assert [region for _, region in aws.asked] == ["ap-northeast-2"] * 2
    assert source.region_from == "label topology.kubernetes.io/region of node worker1"


def test_a_run_that_asks_nothing_of_aws_does_not_look_for_a_region():
    kube = Kube(**REGION)
    source = LiveSource(kube, Aws())
    source(PODS)
    assert NODES not in kube.asked


def test_where_nobody_is_signed_in_no_node_is_asked():
    kube = Kube(**REGION)
    source = LiveSource(kube, Aws(unauthenticated=True))
    with pytest.raises(Unreadable):
        source(SYSTEMS)
    assert kube.asked == []
    assert (source.find_region(), source.account()) == (None, None)


def test_nodes_that_may_not_be_read_leave_the_region_open():
    kube = Kube()
    kube.nodes = Unreadable(NODES, "the cluster refuses it", "list nodes")
    source = LiveSource(kube, Aws())
    source(SYSTEMS)
    assert (source.find_region(), source.region_from) == (None, "")


def test_requests_are_those_to_both():
    source = LiveSource(Kube(), Aws("eu-central-1"))
    source(PODS)
    source(SYSTEMS)
    assert source.requests == 2


def test_the_account_is_who_sts_says_it_is():
    assert LiveSource(Kube(), Aws("eu-central-1")).account() == "111122223333"


def called(name: str, *addresses: str) -> dict:
    """A node of that name, which no cloud controller knows."""
    hosts = [{"type": "Hostname", "address": address} for address in addresses]
    return {
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.1.9"}, *hosts]},
    }


@pytest.mark.parametrize(
    ("thing", "region", "where"),
    [
        (node(REGION), "ap-northeast-2", "label topology.kubernetes.io/region"),
        (node({"topology.kubernetes.io/zone": "us-west-2-lax-1a"}), "us-west-2", "label topology.kubernetes.io/zone"),
        (node({"topology.kubernetes.io/zone": "us-gov-west-1b"}), "us-gov-west-1", "label topology.kubernetes.io/zone"),
        (node(provider_id="aws:///eu-central-1b/i-0a1b"), "eu-central-1", "providerID"),
        (node(provider_id="kind://docker/kind/worker"), "", ""),
        (node({"topology.kubernetes.io/region": "evil.example.com/#"}), "", ""),
        (node({"topology.kubernetes.io/region": "lab"}, "aws:///us-east-1a/i-1"), "us-east-1", "providerID"),
        (node(), "", ""),
        ({"metadata": {"name": "n"}}, "", ""),
        (called("ip-10-0-1-9.eu-west-1.compute.internal"), "eu-west-1", "host name"),
        (called("server", "ip-10-0-1-9.ec2.internal"), "us-east-1", "host name"),
        (called("i-0abc.us-gov-west-1.compute.internal"), "us-gov-west-1", "host name"),
        (called("ip-10-0-1-9"), "", ""),
        (called("a.evil.compute.internal"), "", ""),
        (called("a.eu-west-1.compute.internal", "a.eu-west-2.compute.internal"), "", ""),
        (called("a.b.eu-west-1.compute.internal"), "", ""),
    ],
)
def test_a_node_says_its_region_by_label_zone_or_provider_and_only_a_region_of_aws_is_believed(thing, region, where):
    assert region_of(thing) == (region, where)
