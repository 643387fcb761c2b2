"""Plans made by hand, and a small cluster and account in which they can be carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import consents
from awsworld import AwsWorld, session_in
from kubeapi import KubeApi

from efsdiag.changes import Change, Consent, Lookup, Option, Place, Plan, Risk
from efsdiag.model import Ref, Subject
from efsdiag.operations import read_of
from efsdiag.world.aws import AwsSource
from efsdiag.world.kube import KubeSource
from efsdiag.world.kube_http import Cluster
from efsdiag.world.live import LiveSource
from efsdiag.world.writer import Writer
from efsdiag.writes import MANAGED, own_uid, write_of

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
REGION = "ap-northeast-2"
PLACE = Place("uid-of-kube-system", "123456789012", REGION, "kubeapi")
TARGET = Subject("Pod", "monitoring", "prometheus-0")
TRUST = {"Version": "2012-10-17", "Statement": []}


def plan_with(*changes: Change, place: Place = PLACE, target: Subject = TARGET, made_at: datetime = NOW) -> Plan:
    """A plan of one option with these changes. Nobody has agreed to it yet."""
    on = Ref("FileSystem", "fs-1")
    option = Option("efs.no-backup", "backed-up", on, "by-hand", "does what is asked", "nothing", 1.0, changes)
    return Plan(target, place, made_at, made_at + timedelta(hours=1), (option,))


def a_change(number: int = 1, risk: Risk = Risk.SAFE) -> Change:
    """A change of an account, with its undo."""

    def setting(status: str) -> Any:
        return write_of("efs:PutBackupPolicy", FileSystemId=f"fs-{number}", BackupPolicy={"Status": status})

    words = f"switch on backups of fs-{number}"
    return Change(setting("ENABLED"), words, Ref("FileSystem", f"fs-{number}"), risk, setting("DISABLED"))


def label(name: str, value: str = "yes", was: str = "no") -> Change:
    """A patch of a volume's label, as remedies make them: it tests what was, and its undo tests what is."""

    def patch(old: str, new: str) -> Any:
        at = "/metadata/labels/fixed"
        both = [{"op": "test", "path": at, "value": old}, {"op": "replace", "path": at, "value": new}]
        return write_of("kube:patch persistentvolumes", name=name, patch=both)

    return Change(patch(was, value), f"label {name}", Ref("PersistentVolume", name), undo=patch(value, was))


def storage_class(name: str) -> Change:
    """Creates a class; its undo deletes that class, and none that somebody else made."""
    manifest = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "labels": MANAGED},
        "provisioner": "efs.csi.aws.com",
    }
    uid = own_uid(read_of("kube:get storageclasses", name=name))
    return Change(
        write_of("kube:create storageclasses", name=name, object=manifest),
        f"create the class {name}",
        Ref("StorageClass", name),
        undo=write_of("kube:delete storageclasses", name=name, uid=uid),
    )


class Scene:
    """A cluster with one volume and a workload, and an account with a network, a file system and a role."""

    def __init__(self, kube: KubeApi, aws: AwsWorld, folder: Path) -> None:
        self.kube, self.aws, self.folder = kube, aws, folder
        ec2, iam = aws.client("ec2"), aws.client("iam")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
        made = [ec2.create_security_group(GroupName=n, Description=n, VpcId=self.vpc) for n in ("target", "nodes")]
        self.target_group, self.node_group = (m["GroupId"] for m in made)
        self.system = aws.client("efs").create_file_system(CreationToken="scene")["FileSystemId"]
        iam.create_role(RoleName="driver", AssumeRolePolicyDocument=json.dumps(TRUST))
        statement = {"Effect": "Allow", "Action": "elasticfilesystem:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.policy = iam.create_policy(PolicyName="efs", PolicyDocument=document)["Policy"]["Arn"]
        aws.requests.clear()

    def plan(self) -> Plan:
        """Six changes: two of the cluster and four of the account, every kind of undo among them. Agreed to."""
        return consents.agree(plan_with(label("pv-1"), *self.account_changes(), storage_class("efs")))

    def account_changes(self) -> tuple[Change, ...]:
        return self.rule(), self.mount_target(), self.attachment(), self.dns()

    def rule(self) -> Change:
        pairs = [{"GroupId": self.node_group, "Description": "NFS to EFS, by efsdiag"}]
        given = {
            "GroupId": self.target_group,
            "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049, "UserIdGroupPairs": pairs}],
        }
        write, undo = (write_of(f"ec2:{verb}SecurityGroupIngress", **given) for verb in ("Authorize", "Revoke"))
        return Change(write, "admit NFS", Ref("SecurityGroup", self.target_group), undo=undo)

    def mount_target(self) -> Change:
        query = read_of("efs:DescribeMountTargets", FileSystemId=self.system)
        found = Lookup(query, f"MountTargets[?SubnetId=='{self.subnet}'].MountTargetId | [0]")
        given = {"FileSystemId": self.system, "SubnetId": self.subnet, "SecurityGroups": [self.target_group]}
        write = write_of("efs:CreateMountTarget", **given)
        undo = write_of("efs:DeleteMountTarget", MountTargetId=found)
        return Change(write, "create a mount target", Ref("FileSystem", self.system), undo=undo)

    def attachment(self) -> Change:
        given = {"RoleName": "driver", "PolicyArn": self.policy}
        write, undo = (write_of(f"iam:{verb}RolePolicy", **given) for verb in ("Attach", "Detach"))
        return Change(write, "attach the policy", Ref("Role", "driver"), undo=undo)

    def dns(self) -> Change:
        def setting(on: bool) -> Any:
            return write_of("ec2:ModifyVpcAttribute", VpcId=self.vpc, EnableDnsHostnames={"Value": on})

        return Change(setting(True), "switch on host names", Ref("Vpc", self.vpc), undo=setting(False))

    def source(self) -> LiveSource:
        """The scene as efsdiag reads it."""
        return LiveSource(KubeSource(str(self.kube.kubeconfig(self.folder)), None), self.account(), region_given=True)

    def cluster(self, timeout_s: float = 5) -> Cluster:
        return Cluster(str(self.kube.kubeconfig(self.folder)), None, None, (), timeout_s)

    def writer(self, plan: Plan, kind: Callable[..., Writer] = Writer, *, undoing: bool = False) -> Writer:
        """A writer for the plan. It is no consent of the test: `consents.agree` is."""
        again = self.source().again
        return kind(plan, Consent(plan.digest), self.cluster(), self.account(), again, undoing=undoing)

    def writes(self) -> list[str]:
        """The requests that wrote, or tried to, at either server, dry runs left out."""
        kube = [f"{r.verb} {r.resource}" for r in self.kube.mutations if not r.dry_run]
        return kube + [asked.operation for asked in self.aws.asked if asked.mutates and "efsdiag/" in asked.agent]

    def state(self) -> dict[str, Any]:
        """Whatever the plan changes, as both servers tell it, without what every write changes."""
        ec2, efs, iam = (self.aws.client(s) for s in ("ec2", "efs", "iam"))
        (group,) = ec2.describe_security_groups(GroupIds=[self.target_group])["SecurityGroups"]
        volume = self.kube.object("persistentvolumes", "pv-1") or {}
        made = self.kube.object("storageclasses.storage.k8s.io", "efs")
        targets = efs.describe_mount_targets(FileSystemId=self.system)["MountTargets"]
        names = ec2.describe_vpc_attribute(VpcId=self.vpc, Attribute="enableDnsHostnames")
        return {
            "labels": volume["metadata"]["labels"],
            "class": made and made["provisioner"],
            "rules": [(r["FromPort"], [p["GroupId"] for p in r["UserIdGroupPairs"]]) for r in group["IpPermissions"]],
            "targets": [(t["SubnetId"], t["FileSystemId"]) for t in targets],
            "policies": iam.list_attached_role_policies(RoleName="driver")["AttachedPolicies"],
            "names": names["EnableDnsHostnames"]["Value"],
        }

    def account(self) -> AwsSource:
        """The scene's account, in which nothing is tried twice."""
        url, session = self.aws.url, session_in(REGION)
        return AwsSource(region=REGION, endpoint_url=url, timeout_s=5, attempts=1, session=session)


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    """The scene, with its kubeconfig in `folder`."""
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pv-1", "labels": {"fixed": "no"}},
        "spec": {"capacity": {"storage": "5Gi"}},
    }
    with AwsWorld(REGION) as aws, KubeApi([volume, namespace("kube-system")]) as kube:
        yield Scene(kube, aws, folder)


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": f"uid-of-{name}"}}
