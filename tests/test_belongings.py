"""What bears the mark of an install, and what is left, with the reason: values in, changes and sentences out."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from helmlab import HelmLab, StandIn, helm_lab
from kubeapi import KubeApi
from plans import plan_with
from values import pod, volume
from values_aws import (
    AP,
    FS,
    INSTANCE,
    World,
    access_point,
    file_system,
    instance,
    mount_target,
    security_group,
)

from efsdiag.belongings import cluster, identity, network
from efsdiag.belongings.own import Belongings
from efsdiag.changes import Change, Trouble, WriteFailed
from efsdiag.charts import prometheus_release
from efsdiag.cli.charts import verify_releases
from efsdiag.cli.faults import Fault
from efsdiag.cli.sources import LiveOptions
from efsdiag.driver_role import LEAST_POLICY
from efsdiag.gather import Reader
from efsdiag.model import Ref
from efsdiag.nfs_group import RULE_SAYS
from efsdiag.releases import ANY_MARK, release_change
from efsdiag.setting_names import default_settings
from efsdiag.world.helm_releases import origin_of
from efsdiag.writes import MANAGED, write_of

WANTED = default_settings()
NAME = WANTED.name
ROLE = WANTED.iam.role
OWN = {"Tags": [{"Key": "efsdiag/name", "Value": NAME}]}
OTHERS = {"Tags": [{"Key": "efsdiag/name", "Value": "another"}]}
GROUP = {**security_group("sg-own", "sg-node"), "GroupName": f"{NAME}-efs"}
ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
PROFILE = {"InstanceProfileName": ROLE, "Arn": f"arn:aws:iam::1:instance-profile/{ROLE}", "Roles": [{"RoleName": ROLE}]}


def words(found: Belongings) -> list[str]:
    return [change.words for change in found.changes]


# --- around the file system ---------------------------------------------------------------------------------------


def points(*given: dict[str, Any], volumes: tuple[dict[str, Any], ...] = ()) -> Belongings:
    found = Belongings()
    world = World({"efs:DescribeAccessPoints": {"AccessPoints": list(given)}, "kube:list persistentvolumes": volumes})
    network.find_access_points(Reader(world, 1), [file_system(**OWN)], WANTED, found)
    return found


def test_an_access_point_with_tag_and_token_is_taken_away() -> None:
    found = points({**access_point(), **OWN, "ClientToken": NAME}, volumes=(volume(NAME, handle=f"{FS}::{AP}"),))
    assert words(found) == [f"delete access point {AP} of {FS}"]
    assert found.changes[0].write == write_of("efs:DeleteAccessPoint", AccessPointId=AP)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({**OWN, "ClientToken": "theirs"}, f"access point {AP} has the tag, and was not made by efsdiag install"),
        ({"ClientToken": NAME}, f"access point {AP} bears no tag efsdiag/name of this install"),
        ({**OTHERS, "ClientToken": NAME}, f"access point {AP} bears no tag efsdiag/name of this install"),
    ],
    ids=["tagged to be adopted", "no tag", "the tag of another install"],
)
def test_an_access_point_that_was_not_made_by_the_install_stays(fields: dict[str, Any], says: str) -> None:
    found = points({**access_point(), **fields})
    assert (words(found), found.stays) == ([], [says])


def test_an_access_point_that_another_volume_uses_stays() -> None:
    found = points({**access_point(), **OWN, "ClientToken": NAME}, volumes=(volume("other", handle=f"{FS}::{AP}"),))
    assert (words(found), found.stays) == ([], [f"access point {AP} is used by volume other"])


def around(
    groups: dict[str, list[str]],
    system: dict[str, Any] | None = None,
    group: dict[str, Any] | None = None,
    nodes: dict[str, Any] | None = None,
) -> Belongings:
    """What is found with these mount targets, each with its groups."""
    known = {"sg-own": group or {**GROUP, **OWN}, "sg-node": nodes or security_group("sg-node")}

    def described(query: Any) -> Any:
        return {"SecurityGroups": [known["sg-own" if query.get("Filter.group-name") else "sg-node"]]}

    answers = {
        "ec2:DescribeSecurityGroups": described,
        "efs:DescribeMountTargets": {"MountTargets": [mount_target(t, subnet=f"subnet-{t}") for t in groups]},
        "efs:DescribeMountTargetSecurityGroups": lambda q: {"SecurityGroups": groups[str(q.get("MountTargetId"))]},
        "kube:list persistentvolumes": [],
    }
    found = Belongings()
    network.find_network(Reader(World(answers), 1), [system or file_system(**OWN)], [instance()], WANTED, found)
    return found


def test_mount_targets_with_no_group_but_the_own_one_go_and_then_the_group() -> None:
    found = around({"a": ["sg-own"], "b": ["sg-own"]})
    assert words(found) == [
        f"delete mount target a of {FS} in subnet-a",
        f"delete mount target b of {FS} in subnet-b",
        f"delete security group sg-own ({NAME}-efs) with its rules",
    ]
    assert found.stays == []


@pytest.mark.parametrize("more", [["sg-own", "sg-theirs"], ["sg-theirs"]], ids=["one more", "another"])
def test_a_mount_target_with_a_group_of_others_stays_and_keeps_the_group(more: list[str]) -> None:
    found = around({"a": ["sg-own"], "b": more})
    gone = [f"delete mount target a of {FS} in subnet-a"]
    if "sg-own" in more:
        assert words(found) == gone
        assert found.stays[1] == "security group sg-own is used by mount target b, which stays"
    else:
        assert words(found) == [*gone, f"delete security group sg-own ({NAME}-efs) with its rules"]
    assert found.stays[0].startswith(f"mount target b of {FS} has no tags, and its security groups (")


def test_a_mount_target_of_a_file_system_without_the_tag_stays_with_its_group() -> None:
    found = around({"a": ["sg-own"]}, file_system(CreationToken="theirs"))
    assert words(found) == []
    assert found.stays == [
        f"mount target a of {FS} has no tags, and {FS} bears no tag of this install",
        "security group sg-own is used by mount target a, which stays",
    ]


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ({**GROUP, **OTHERS}, "security group sg-own bears no tag efsdiag/name of this install"),
        ({**GROUP, **OWN, "VpcId": "vpc-2"}, "security group sg-own is in vpc-2, where no node of this cluster is"),
    ],
    ids=["another's tag", "another VPC"],
)
def test_a_security_group_of_others_stays(group: dict[str, Any], says: str) -> None:
    found = around({}, group=group)
    assert (words(found), found.stays) == ([], [says])


def test_a_rule_of_the_nodes_that_names_the_group_goes_before_it_and_others_stay() -> None:
    ports = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}
    ours = {**ports, "UserIdGroupPairs": [{"GroupId": "sg-own", "UserId": "1", "Description": RULE_SAYS}]}
    theirs = {**ports, "UserIdGroupPairs": [{"GroupId": "sg-own", "Description": "mine"}]}
    found = around({}, nodes=security_group("sg-node", egress=(ours, theirs)))
    revoke, delete = found.changes
    assert revoke.write == write_of(
        "ec2:RevokeSecurityGroupEgress",
        GroupId="sg-node",
        IpPermissions=[{**ports, "UserIdGroupPairs": [{"GroupId": "sg-own", "Description": RULE_SAYS}]}],
    )
    assert delete.write.operation == "ec2:DeleteSecurityGroup"


# --- IAM ----------------------------------------------------------------------------------------------------------


def identities(
    *,
    profile: dict[str, Any] | None = None,
    role: dict[str, Any] | None = None,
    attached: dict[str, list[str]] | None = None,
    inline: tuple[str, ...] = (),
    on: dict[str, str] | None = None,
    profiles: tuple[dict[str, Any], ...] = (),
    pods: dict[str, str] | None = None,
    document: dict[str, Any] = LEAST_POLICY,
    issuer: str = "",
) -> Belongings:
    """What is found: `on` is instance → profile, `attached` is role → policies, `pods` service account → role."""
    arn = "arn:aws:iam::1:instance-profile/"
    associations = [
        {"AssociationId": f"iip-{i}", "InstanceId": i, "State": "associated", "IamInstanceProfile": {"Arn": arn + p}}
        for i, p in (on or {}).items()
    ]

    def policies(query: Any) -> Any:
        names = (attached or {}).get(str(query.get("RoleName")), [])
        return {"AttachedPolicies": [{"PolicyName": n, "PolicyArn": f"arn:aws:iam::aws:policy/{n}"} for n in names]}

    known = [{"associationId": f"a-{s}", "namespace": "kube-system", "serviceAccount": s} for s in pods or {}]
    answers = {
        "ec2:DescribeIamInstanceProfileAssociations": {"IamInstanceProfileAssociations": associations},
        "iam:GetInstanceProfile": profile and {"InstanceProfile": profile},
        "iam:GetRole": None
        if role is None
        else {"Role": {"RoleName": ROLE, "Arn": f"arn:aws:iam::1:role/{ROLE}", **role}},
        "iam:ListInstanceProfiles": {"InstanceProfiles": [p for p in (profile, *profiles) if p]},
        "iam:ListAttachedRolePolicies": policies,
        "iam:ListRolePolicies": {"PolicyNames": list(inline)},
        "iam:GetRolePolicy": {"PolicyDocument": document},
        "iam:ListOpenIDConnectProviders": {
            "OpenIDConnectProviderList": [{"Arn": f"arn:aws:iam::1:oidc-provider/{i}"} for i in (ISSUER, f"{ISSUER}0")]
        },
        "eks:ListPodIdentityAssociations": {"associations": known},
        "eks:DescribePodIdentityAssociation": lambda q: {
            "association": {"roleArn": f"arn:aws:iam::1:role/{(pods or {})[str(q.get('associationId'))[2:]]}"}
        },
    }
    found = Belongings()
    identity.find_identity(Reader(World(answers), 1), [instance()], "c1" if pods else "", issuer, WANTED, found)
    return found


def operations(found: Belongings) -> list[str]:
    return [change.write.operation.partition(":")[2] for change in found.changes]


def test_associations_profile_and_role_go_in_the_reverse_of_their_order() -> None:
    found = identities(
        profile={**PROFILE, **OWN},
        role=OWN,
        attached={ROLE: ["AmazonEFSCSIDriverPolicy"]},
        inline=(WANTED.iam.policy,),
        on={INSTANCE: ROLE},
    )
    assert operations(found) == [
        "DisassociateIamInstanceProfile",
        "RemoveRoleFromInstanceProfile",
        "DeleteInstanceProfile",
        "DetachRolePolicy",
        "DeleteRolePolicy",
        "DeleteRole",
    ]
    assert found.stays == []


def test_a_profile_that_an_instance_of_others_uses_stays_and_keeps_its_role() -> None:
    found = identities(profile={**PROFILE, **OWN}, role=OWN, on={INSTANCE: ROLE, "i-other": ROLE})
    assert operations(found) == ["DisassociateIamInstanceProfile"]
    assert found.stays == [
        f"instance profile {ROLE} is used by instance i-other, which is no node of this cluster",
        f"role {ROLE} is in instance profile {ROLE}, which stays",
    ]


def test_a_role_with_a_policy_of_others_stays() -> None:
    found = identities(role=OWN, attached={ROLE: ["AmazonS3FullAccess"]}, inline=("mine",))
    says = f"role {ROLE} has policy AmazonS3FullAccess, mine, which is not efsdiag's"
    assert (operations(found), found.stays) == ([], [says])


def test_a_role_and_a_profile_without_the_tag_stay() -> None:
    found = identities(profile={**PROFILE, **OTHERS}, role={}, on={INSTANCE: ROLE})
    tag = "bears no tag efsdiag/name of this install"
    assert (operations(found), found.stays) == ([], [f"instance profile {ROLE} {tag}", f"role {ROLE} {tag}"])


def test_a_policy_on_a_role_that_the_nodes_had_is_told_and_stays() -> None:
    nodes = {**PROFILE, "Arn": "arn:aws:iam::1:instance-profile/nodes", "Roles": [{"RoleName": "nodes"}]}
    found = identities(
        on={INSTANCE: "nodes"}, profiles=(nodes,), attached={"nodes": ["AmazonEFSCSIDriverPolicy", "Other"]}
    )
    assert (operations(found), found.stays) == ([], [])
    (says,) = found.perhaps.values()
    assert says.startswith("policy AmazonEFSCSIDriverPolicy is attached to role nodes, which bears no mark")


@pytest.mark.parametrize("own", [True, False], ids=["as it is made", "with other words"])
def test_an_inline_policy_on_a_role_that_the_nodes_had_goes_where_each_word_of_it_is_an_installs(own: bool) -> None:
    nodes = {**PROFILE, "Arn": "arn:aws:iam::1:instance-profile/nodes", "Roles": [{"RoleName": "nodes"}]}
    names = (WANTED.iam.policy, "theirs")
    document = LEAST_POLICY if own else {**LEAST_POLICY, "Statement": LEAST_POLICY["Statement"][:1]}
    found = identities(on={INSTANCE: "nodes"}, profiles=(nodes,), inline=names, document=document)
    removal = write_of("iam:DeleteRolePolicy", RoleName="nodes", PolicyName=WANTED.iam.policy)
    assert [change.write for change in found.changes] == ([removal] if own else [])
    assert ("says something else than an install writes" in "".join(found.perhaps.values())) is not own


def test_the_clusters_issuer_in_iam_is_told_and_stays() -> None:
    found = identities(issuer=ISSUER)
    assert (operations(found), found.stays) == ([], [])
    assert list(found.perhaps) == [f"iam:CreateOpenIDConnectProvider https://{ISSUER}"]
    assert "roles of others may trust it" in "".join(found.perhaps.values())
    assert identities(issuer="oidc.eks.eu-west-1.amazonaws.com/id/OTHER").perhaps == {}


def test_associations_of_the_role_with_service_accounts_go_and_those_of_other_roles_stay() -> None:
    found = identities(role=OWN, pods={"efs-csi-controller-sa": ROLE, "efs-csi-node-sa": "theirs"})
    assert operations(found) == ["DeletePodIdentityAssociation", "DeleteRole"]
    assert found.changes[0].write.parameters["associationId"] == "a-efs-csi-controller-sa"


# --- the cluster --------------------------------------------------------------------------------------------------


def thing(kind: str, name: str, *, ours: bool = True, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "labels": MANAGED if ours else {}}, "spec": spec}


RESERVED = {"claimRef": {"namespace": WANTED.namespace, "name": WANTED.claim}}


@pytest.mark.parametrize(
    ("claim", "volume", "gone"),
    [
        (thing("PersistentVolumeClaim", NAME), thing("PersistentVolume", NAME, **RESERVED), ["claim", "volume"]),
        (None, thing("PersistentVolume", NAME, **RESERVED), ["volume"]),
        (thing("PersistentVolumeClaim", NAME), thing("PersistentVolume", NAME), ["claim"]),
        (thing("PersistentVolumeClaim", NAME, ours=False), thing("PersistentVolume", NAME, **RESERVED), []),
        (thing("PersistentVolumeClaim", NAME), thing("PersistentVolume", NAME, ours=False, **RESERVED), ["claim"]),
    ],
    ids=["both", "the volume is left", "for another claim", "the claim was there", "the volume was there"],
)
def test_claim_and_volume_go_where_efsdiag_made_them(claim: Any, volume: Any, gone: list[str]) -> None:
    found = Belongings()
    world = World({"kube:get persistentvolumeclaims": claim, "kube:get persistentvolumes": volume})
    cluster.find_claim(Reader(world, 1), WANTED, found)
    assert [w.split()[1] for w in words(found)] == gone
    assert len(found.stays) == bool(claim) + bool(volume) - len(gone)


def test_a_class_goes_and_a_volume_that_it_made_and_keeps_is_told() -> None:
    found = Belongings()
    kept = volume("pvc-1", storageClassName=NAME, persistentVolumeReclaimPolicy="Retain")
    world = World(
        {"kube:get storageclasses": thing("StorageClass", NAME), "kube:list persistentvolumes": [kept, volume("other")]}
    )
    cluster.find_class(Reader(world, 1), WANTED, found)
    assert words(found) == [f"delete the storage class {NAME}"]
    assert found.stays == ["volume pvc-1, which that class made, is to be kept, and so is its access point"]


def test_bound_volumes_of_other_claims_use_the_driver() -> None:
    theirs, ours = volume("theirs", phase="Bound"), volume("ours", phase="Bound", **RESERVED)
    free, ebs = volume("free"), volume("ebs", phase="Bound", csi={"driver": "ebs.csi.aws.com"})
    world = World({"kube:list persistentvolumes": [theirs, ours, free, ebs]})
    assert cluster.driver_users(Reader(world, 1), WANTED) == ["theirs"]


def test_pods_that_mount_the_claim_are_named() -> None:
    world = World({"kube:list pods": [pod(claims=(WANTED.claim,)), pod(claims=("other",))]})
    assert len(cluster.mounting_pods(Reader(world, 1), WANTED)) == 1


def test_what_may_not_be_read_takes_nothing_of_its_area_away() -> None:
    found = Belongings()
    world = World(
        {"kube:get persistentvolumeclaims": thing("PersistentVolumeClaim", NAME)}, "kube:get persistentvolumes"
    )
    found.look("claim and volume", lambda: cluster.find_claim(Reader(world, 1), WANTED, found))
    assert (words(found), found.stays) == ([], [])
    assert found.unread == [
        "claim and volume: kube:get persistentvolumes was refused; allow get persistentvolumes",
    ]


# --- releases -----------------------------------------------------------------------------------------------------

MINE = "efsdiag 0123456789abcdef"
FAILED = 'Release "prometheus" failed: timed out waiting for the condition'


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with helm_lab(tmp_path_factory.mktemp("lab"), "") as lab:
        yield lab.kube


@pytest.mark.parametrize(
    ("revisions", "labelled", "mark", "says"),
    [
        ([(1, "deployed", MINE)], False, "0123456789abcdef", "has the mark of efsdiag"),
        ([(1, "superseded", MINE), (2, "deployed", "efsdiag " + "f" * 16)], False, "f" * 16, "revision 2"),
        ([(1, "failed", FAILED)], True, ANY_MARK, "revision 1 (failed) has the mark"),
        ([(1, "failed", FAILED)], False, "", "was not made by efsdiag"),
        ([(1, "deployed", "Install complete")], True, "", "its revision 1, prometheus-29.27.0, was not made"),
        ([(1, "superseded", MINE), (2, "deployed", "Upgrade complete")], True, "", "its revision 2 (deployed)"),
        (
            [(1, "superseded", "Install complete"), (2, "deployed", MINE)],
            True,
            "",
            "its revision 1, prometheus-29.27.0",
        ),
        ([(1, "failed", FAILED), (2, "deployed", MINE)], False, "0123456789abcdef", "revision 2 (deployed)"),
        (
            [(4, "superseded", MINE), (5, "deployed", MINE)],
            True,
            "",
            "no longer in helm's history",
        ),
    ],
    ids=[
        "made",
        "made and upgraded",
        "half made",
        "failed",
        "theirs",
        "upgraded by them",
        "adopted",
        "tried again",
        "cut off",
    ],
)
def test_a_release_is_its_own_where_its_first_and_its_newest_revision_have_the_mark(
    kube: KubeApi, tmp_path: Path, revisions: Any, labelled: bool, mark: str, says: str
) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.history(*revisions)
    stand_in.answer("list", "efsdiag", out=json.dumps([{"name": "prometheus"}] if labelled else []))
    with HelmLab(kube, tmp_path, str(tmp_path)).helm() as helm:
        origin = origin_of(helm, "prometheus", "monitoring")
    assert origin is not None
    assert origin.mark == mark
    assert says in origin.why


def test_where_there_is_no_release_there_is_nothing_to_take_back(kube: KubeApi, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.history()
    with HelmLab(kube, tmp_path, str(tmp_path)).helm() as helm:
        assert origin_of(helm, "prometheus", "monitoring") is None


@pytest.mark.parametrize("labelled", [True, False])
def test_a_half_made_release_is_uninstalled_by_its_label_alone(kube: KubeApi, tmp_path: Path, labelled: bool) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.history((1, "failed", FAILED))
    stand_in.answer("list", "efsdiag", out=json.dumps([{"name": "prometheus"}] if labelled else []))
    stand_in.answer("uninstall", out="release uninstalled\n")
    write = write_of("helm:uninstall", release="prometheus", namespace="monitoring", mark=ANY_MARK)
    change = Change(write, "uninstall it", Ref("Release", "prometheus"))
    lab = HelmLab(kube, tmp_path, str(tmp_path))
    if labelled:
        lab.carry_out(change)
    else:
        with pytest.raises(WriteFailed) as failed:
            lab.carry_out(change)
        assert failed.value.trouble is Trouble.CONFLICT
    assert ("uninstall" in stand_in.verbs) is labelled


@pytest.mark.parametrize(
    ("revisions", "labelled", "reference", "hint"),
    [
        ([], False, "", ""),
        ([(1, "deployed", MINE)], False, "", ""),
        ([(1, "failed", FAILED)], True, "", ""),
        ([(1, "failed", FAILED)], False, "release-there", "helm uninstall prometheus --namespace monitoring"),
        ([(1, "deployed", "Install complete")], True, "release-there", "name another release in the settings"),
        ([(1, "pending-install", "Initial install underway")], True, "release-pending", "helm uninstall prometheus"),
        ([(1, "uninstalled", "Uninstallation complete")], False, "", ""),
    ],
    ids=["none", "own", "own and failed", "failed", "theirs", "pending", "kept history"],
)
def test_an_install_goes_over_no_release_of_others_and_says_what_to_do(
    kube: KubeApi, tmp_path: Path, revisions: Any, labelled: bool, reference: str, hint: str
) -> None:
    stand_in = StandIn(tmp_path)
    stand_in.history(*revisions)
    stand_in.answer("list", "efsdiag", out=json.dumps([{"name": "prometheus"}] if labelled else []))
    lab = HelmLab(kube, tmp_path, str(tmp_path))
    change = release_change(prometheus_release(WANTED), "install", Ref("Release", "prometheus"), present=False)
    live = LiveOptions(kubeconfig=lab.kubeconfig)
    with patch.dict(os.environ, {"PATH": lab.environment["PATH"]}):
        if not reference:
            verify_releases(plan_with(change), live)
            return
        with pytest.raises(Fault) as fault:
            verify_releases(plan_with(change), live)
    assert (fault.value.reference, fault.value.exit_code) == (reference, 5)
    assert hint in fault.value.hint
