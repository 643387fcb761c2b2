"""`efsdiag install` on EKS: the driver's role by IRSA and by Pod Identity, from nothing and from what is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import consents
import pytest
from awsworld import Asked, Trouble
from installlab import SAFE
from installworlds_eks import EksCluster, EksLab, add_addon, bare_eks, eks_lab
from permits import DENIED, rights_of
from sampling import one_in
from test_install import Killed, consents_to_everything, digest_of

from efsdiag.changes import Write
from efsdiag.semantics.iam import Context, Principal, controller_requests, evaluate, parse_policy, trusts
from efsdiag.treat import carry_out
from efsdiag.treat.journal import journals
from efsdiag.world import lease
from efsdiag.world.writer import Writer

ROLE = "prometheus-efs-efs-csi"
WAYS = ("irsa", "pod-identity")
IDENTITY = {
    "irsa": ("CreateOpenIDConnectProvider", "CreateRole", "PutRolePolicy"),
    "pod-identity": ("CreateRole", "PutRolePolicy", "CreatePodIdentityAssociation"),
}
"""What the driver's role takes of AWS, in the order of the writes."""


def world_for(way: str) -> Any:
    """A cluster that has what the way needs of it, and nothing of the other way."""
    return bare_eks(agent=way == "pod-identity")


@pytest.fixture
def lab(way: str, tmp_path: Path) -> Iterator[EksLab]:
    with eks_lab(world_for(way), tmp_path) as made:
        yield made


@pytest.fixture(scope="module", params=WAYS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EksLab]:
    """A lab in which everything was installed in one go, the way told by the cluster. Tests only look at it."""
    with eks_lab(world_for(request.param), tmp_path_factory.mktemp("eks")) as made:
        consents.forget()
        made.rights = rights_of("install")
        assert made.run("install", "--plan") == 0, made.printed
        assert made.writes() == []
        (made.shown,) = re.findall(r"^PLAN (\w+)", made.printed, re.M)
        assert made.run(*SAFE) == 0, made.printed
        assert consents.OFFENCES == []
        yield made


def way_of(lab: EksLab) -> str:
    return "pod-identity" if lab.aws.gaps.associations else "irsa"


# --- from nothing -------------------------------------------------------------------------------------------------


def test_an_empty_account_and_a_bare_eks_cluster_become_a_prometheus_on_efs(installed: EksLab) -> None:
    assert "Prometheus runs with its data on EFS" in installed.printed
    made = [w for w in installed.writes() if w in {*IDENTITY["irsa"], *IDENTITY["pod-identity"]}]
    assert tuple(made) == IDENTITY[way_of(installed)]
    account = installed.account()
    assert ROLE in [name for name, _ in account["roles"]]
    assert account["attached"] == [[name, []] for name, _ in account["roles"]], "no managed policy is attached"
    assert len(account["profiles"]) == 1, "the nodes keep their own profile, and there is no other one"
    assert [name for name, _ in account["associations"]] == [name for name, _ in account["instances"]]


def test_the_first_plan_on_eks_is_shown_exactly(installed: EksLab) -> None:
    assert journals(installed.journal)[0].plan.digest.startswith(installed.shown)


def test_the_controllers_pods_come_up_with_the_role_and_are_not_replaced(installed: EksLab) -> None:
    pods = [p for p in installed.all("pods", "kube-system") if p["metadata"]["labels"].get("app")]
    env = {
        p["metadata"]["name"]: {e["name"] for c in p["spec"]["containers"] for e in c.get("env") or []} for p in pods
    }
    variable = "AWS_ROLE_ARN" if way_of(installed) == "irsa" else "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    assert {n for n, names in env.items() if variable in names} == {n for n in env if "controller" in n}
    assert not any(w.startswith("patch ") for w in installed.writes())


def test_a_second_run_on_eks_asks_for_no_change_at_all(installed: EksLab) -> None:
    before = len(installed.kube.mutations), len([a for a in installed.aws.asked if a.mutates])
    assert installed.run(*SAFE) == 0, installed.printed
    assert (len(installed.kube.mutations), len([a for a in installed.aws.asked if a.mutates])) == before


def test_why_finds_nothing_in_the_way_on_eks(installed: EksLab) -> None:
    assert installed.run("why", "deployment/prometheus-server", "-n", "monitoring", "-o", "json") == 0
    report = json.loads(installed.printed[installed.printed.index("{") :])
    assert report["status"] == "healthy"
    assert {latent["kind"] for latent in report["latent"]} <= {"risk"}
    states = {check["id"]: check["state"] for check in report["checks"]}
    asked = ("service-account-has-role", "role-trusts-service-account", "policy-allows-driver")
    own = "oidc-provider-registered" if way_of(installed) == "irsa" else "pod-identity-served"
    assert {states[check] for check in (*asked, own)} == {"pass"}


# --- the least rights ---------------------------------------------------------------------------------------------


def test_the_role_on_eks_may_do_what_the_driver_asks_for_and_nothing_else(installed: EksLab) -> None:
    iam = installed.aws.client("iam")
    (inline,) = iam.list_role_policies(RoleName=ROLE)["PolicyNames"]
    policy = parse_policy(iam.get_role_policy(RoleName=ROLE, PolicyName=inline)["PolicyDocument"], inline)
    system = installed.aws.client("efs").describe_file_systems()["FileSystems"][0]["FileSystemArn"]
    asked = controller_requests()
    for action, request in asked.items():
        assert evaluate([policy], action, request.resource(system), request.context).allowed, action
    session = botocore.session.get_session()
    for prefix, service in (("elasticfilesystem", "efs"), ("ec2", "ec2"), ("iam", "iam"), ("sts", "sts")):
        for operation in session.get_service_model(service).operation_names:
            action = f"{prefix}:{operation}"
            if action not in asked:
                assert evaluate([policy], action, "*", Context()).denied, action


SUBJECT = "system:serviceaccount:kube-system:efs-csi-controller-sa"


def test_the_role_trusts_the_controllers_service_account_and_nobody_else(installed: EksLab) -> None:
    role = installed.aws.client("iam").get_role(RoleName=ROLE)["Role"]
    trust = parse_policy(role["AssumeRolePolicyDocument"], "trust")
    ec2 = trusts(trust, Principal.service("ec2.amazonaws.com"), "sts:AssumeRole", Context())
    assert ec2.denied
    cluster = installed.aws.client("eks").describe_cluster(name="shop-cluster")["cluster"]
    if way_of(installed) == "irsa":
        issuer = cluster["identity"]["oidc"]["issuer"].removeprefix("https://")
        (provider,) = installed.account()["providers"]
        who, actions = Principal.federated(provider), ["sts:AssumeRoleWithWebIdentity"]
        right = {f"{issuer}:sub": SUBJECT, f"{issuer}:aud": "sts.amazonaws.com"}
        other = {"sub": SUBJECT.replace("controller", "node"), "aud": "kubernetes"}
        wrong = [{**right, f"{issuer}:{key}": value} for key, value in other.items()]
    else:
        who, actions = Principal.service("pods.eks.amazonaws.com"), ["sts:AssumeRole", "sts:TagSession"]
        tag = "aws:RequestTag/"
        right = {
            f"{tag}kubernetes-namespace": "kube-system",
            f"{tag}kubernetes-service-account": "efs-csi-controller-sa",
            f"{tag}eks-cluster-arn": cluster["arn"],
        }
        wrong = [{**right, key: f"{value}-2"} for key, value in right.items()]
    for action in actions:
        assert trusts(trust, who, action, Context(right, closed=True)).allowed
        assert [trusts(trust, who, action, Context(w, closed=True)).denied for w in wrong] == [True] * len(wrong)
        assert trusts(trust, who, action, Context({}, closed=True)).denied


# --- interrupted --------------------------------------------------------------------------------------------------


class Assassin:
    """Ends the run once at each of some writes, before or after the server has carried it out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, operations: tuple[str, ...] | None, *, after: bool) -> None:
        self.struck: list[str] = []
        self.killing = False
        self.hired = True
        write, release = Writer.write, lease._release

        def struck(writer: Writer, what: Write) -> Any:
            name = what.operation.partition(":")[2]
            known = name in self.struck or name.endswith(" jobs")
            self.killing = self.hired and not known and (operations is None or name in operations)
            if self.killing:
                self.struck.append(name)
            if self.killing and not after:
                raise Killed
            answer = write(writer, what)
            if self.killing:
                raise Killed
            return answer

        monkeypatch.setattr(Writer, "write", struck)
        # A process that is killed releases no lock.
        monkeypatch.setattr(lease, "_release", lambda *given: None if self.killing else release(*given))


KILLED = [
    pytest.param("irsa", True, True, id="irsa, the answer is lost"),
    pytest.param("pod-identity", False, True, id="pod-identity, the call is not made"),
]
MORE_KILLED = one_in(1000, ["", *((way, after, False) for way in WAYS for after in (True, False))])[1:]


@pytest.mark.parametrize(
    ("way", "after", "identity"),
    [
        *KILLED,
        *(pytest.param(*p.values[0], marks=p.marks) for p in MORE_KILLED),
    ],
)
def test_an_install_on_eks_that_is_killed_goes_on_and_makes_nothing_twice(
    lab: EksLab, monkeypatch: pytest.MonkeyPatch, way: str, after: bool, identity: bool
) -> None:
    before = lab.account(), lab.cluster(), lab.accounts()
    assassin = Assassin(monkeypatch, (*IDENTITY[way], "upgrade") if identity else None, after=after)
    for _ in range(30):
        try:
            code = lab.run(*SAFE)
        except Killed:
            continue
        break
    assert code == 0, lab.printed
    assert set(assassin.struck) >= {*IDENTITY[way], "upgrade"}
    made = [w for w in lab.writes() if w.startswith(("Create", "create ", "Put")) and "jobs" not in w]
    once = [w for w in made if w != "CreateMountTarget"]
    assert once == list(dict.fromkeys(once))
    assassin.killing = assassin.hired = False
    consents_to_everything(lab)
    assert lab.run("uninstall") == 6
    assert lab.run("uninstall", "--approve", digest_of(lab.printed)) == 0, lab.printed
    EksCluster(lab).work()
    (system,) = lab.account()["systems"]
    for what in (("--delete-file-system", system), ("--delete-namespace",)):
        assert lab.run("uninstall", *what) == 6, lab.printed
        assert lab.run("uninstall", *what, "--approve", digest_of(lab.printed)) == 0, lab.printed
    assert (lab.account(), lab.cluster(), lab.accounts()) == before


# --- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", one_in(2, WAYS))
def test_each_call_for_the_role_that_aws_refuses_stops_the_install_and_names_the_right(lab: EksLab, way: str) -> None:
    refused = list(IDENTITY[way])
    lab.aws.meddle = lambda asked: Trouble(DENIED[asked.service], 403) if asked.operation in refused else None
    while refused:
        assert lab.run(*SAFE) == 5, (refused, lab.printed)
        granted = [call for call in refused if re.search(rf"allow [\w:, ]*\w+:{call}\b", lab.printed)]
        assert granted == refused[:1], lab.printed
        refused.remove(granted[0])
    assert lab.run(*SAFE) == 0, lab.printed
    found = lab.account()
    assert [len(found[k]) for k in ("systems", "points", "profiles", "providers", "pod identities")] == (
        [1, 1, 1, 1, 0] if way == "irsa" else [1, 1, 1, 0, 1]
    )


@pytest.mark.parametrize(
    ("way", "call"),
    [
        ("irsa", "DescribeCluster"),
        ("irsa", "ListPodIdentityAssociations"),
        ("irsa", "ListOpenIDConnectProviders"),
        ("irsa", "GetRole"),
        ("pod-identity", "DescribeCluster"),
        ("pod-identity", "ListPodIdentityAssociations"),
    ],
)
def test_what_of_the_role_may_not_be_read_is_never_made(lab: EksLab, call: str) -> None:
    lab.aws.meddle = lambda asked: Trouble(DENIED[asked.service], 403) if asked.operation == call else None
    assert lab.run("install", "--dry-run") == 0, lab.printed
    assert f":{call}" in lab.printed
    assert "create the file system" in lab.printed
    made = {"create-role", "put-role-policy", "create-open-id-connect-provider", "create-pod-identity-association"}
    assert not [word for word in made if word in lab.printed]
    # The chart only names the role, and that is told by the cluster.
    assert ("helm upgrade" in lab.printed) is (call == "ListOpenIDConnectProviders")


@pytest.mark.parametrize("way", ["pod-identity"])
def test_a_role_that_eks_does_not_know_yet_is_waited_for(lab: EksLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carry_out, "PAUSES_S", (0.01, 0.02, 0.03))
    early = [Trouble("InvalidParameterException", says="Role provided in the request does not exist.")] * 2

    def meddle(asked: Asked) -> Trouble | None:
        return early.pop() if early and asked.operation == "CreatePodIdentityAssociation" else None

    lab.aws.meddle = meddle
    assert lab.run("install") == 6
    assert lab.run("install", "--approve", digest_of(lab.printed)) == 6, "the next plan is another one"
    assert lab.printed.count("since AWS does not know yet what was just made") == 2
    assert len(lab.aws.gaps.associations) == 1


# --- what is there is used ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["pod-identity"])
def test_the_way_of_the_settings_comes_before_what_the_cluster_has(lab: EksLab) -> None:
    assert lab.run("install", "--plan", "--set", "iam.way=irsa") == 0, lab.printed
    assert "register the cluster's issuer" in lab.printed
    assert "create-pod-identity-association" not in lab.printed


@pytest.mark.parametrize("way", ["irsa"])
def test_pod_identity_without_its_agent_is_told(lab: EksLab) -> None:
    assert lab.run("install", "--dry-run", "--set", "iam.way=pod-identity") == 0, lab.printed
    assert "no pod of eks-pod-identity-agent stands on node" in lab.printed


@pytest.mark.parametrize("way", ["irsa"])
def test_a_service_account_that_names_a_role_already_keeps_it(lab: EksLab) -> None:
    arn = "arn:aws:iam::123456789012:role/teams/storage/efs"
    account = lab.example.get("serviceaccounts", "efs-csi-controller-sa", "kube-system")
    lab.kube.add({**account, "metadata": {**account["metadata"], "annotations": {"eks.amazonaws.com/role-arn": arn}}})
    assert lab.run("install", "--plan") == 0, lab.printed
    assert '"serviceAccount": {"create": false}' in lab.printed
    assert re.search(r"create-role --role-name efs .*--path /teams/storage/", lab.printed)
    assert f"put-role-policy --role-name efs --policy-name {ROLE}" in lab.printed
    assert f"--role-name {ROLE}" not in lab.printed


@pytest.mark.parametrize("way", one_in(2, WAYS))
def test_an_add_on_of_eks_is_adopted_and_gets_the_role(lab: EksLab, way: str) -> None:
    add_addon(lab)
    # Its pods are older than the role that they are to get, and to replace them is more than safe.
    assert lab.run(*SAFE) == 6, lab.printed
    assert "--approve-risk safe does not cover: replace the pods of efs-csi-controller" in lab.printed
    assert lab.run("install", "--approve-risk", "disruptive") == 0, lab.printed
    assert list(lab.releases) == ["prometheus"], "the driver is not installed a second time"
    assert [len(lab.account()[k]) for k in ("providers", "pod identities")] == ([1, 0] if way == "irsa" else [0, 1])


@pytest.mark.parametrize("way", ["irsa"])
def test_an_add_on_that_has_its_role_is_left_as_it_is(lab: EksLab) -> None:
    add_addon(lab, **{"eks.amazonaws.com/role-arn": f"arn:aws:iam::123456789012:role/{ROLE}"})
    assert lab.run("install", "--plan") == 0, lab.printed
    first = lab.printed.partition("NOT PROPOSED")[0]
    assert "create the role" in first
    assert not [word for word in ("helm", "kubectl", "replace the pods") if word in first]


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", ["irsa"])
def test_a_volume_that_the_driver_makes_is_bound_on_eks(lab: EksLab) -> None:
    assert lab.run(*SAFE, "--set", "storage.way=access-point-dynamic") == 0, lab.printed
    assert len(lab.account()["points"]) == 1
