"""The commands that a plan prints do what efsdiag's own writes do: run by the real kubectl and the real AWS CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consents
import pytest
from awsworld import CREDENTIALS
from plans import REGION, Scene, label, plan_with, scene_in, storage_class

from efsdiag.changes import Change, Write
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.report.export import exported
from efsdiag.writes import MANAGED, command_of, own_uid, write_of

AWS, KUBECTL = shutil.which("aws"), shutil.which("kubectl")
needs_aws = pytest.mark.skipif(AWS is None, reason="there is no aws on PATH")
needs_kubectl = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH"),
]
IN_THE_CLUSTER = {"label": lambda scene: label("pv-1"), "class": lambda scene: storage_class("efs")}
IN_THE_ACCOUNT = {
    "rule": Scene.rule,
    "mount target": Scene.mount_target,
    "attachment": Scene.attachment,
    "dns": Scene.dns,
}
EVERY = [
    *(pytest.param(make, id=name, marks=needs_kubectl) for name, make in IN_THE_CLUSTER.items()),
    *(pytest.param(make, id=name, marks=needs_aws) for name, make in IN_THE_ACCOUNT.items()),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.fixture(scope="module")
def shell(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs a command as a user would. Debian's AWS CLI 2.9 knows no AWS_ENDPOINT_URL, so a wrapper tells it."""
    home = tmp_path_factory.mktemp("home")
    # The tests' server has no OpenAPI document, which kubectl wants for checking what it creates.
    wrappers = {
        "aws": f'exec "{AWS}" --endpoint-url "{scene.aws.url}" "$@"',
        "kubectl": f'case " $* " in *" create "*) set -- "$@" --validate=false;; esac; exec "{KUBECTL}" "$@"',
    }
    for name, words in wrappers.items():
        (home / name).write_text(f"#!/bin/sh\n{words}\n")
        (home / name).chmod(0o755)
    environment = {
        **CREDENTIALS,
        "HOME": str(home),
        "PATH": f"{home}:{os.environ['PATH']}",
        "KUBECONFIG": str(scene.kube.kubeconfig(home)),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_PAGER": "",
        # A version manager looks for its folder at home, which is another one here.
        **{name: os.environ[name] for name in ("PYENV_ROOT", "PYENV_VERSION") if name in os.environ},
    }

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", command], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def own(scene: Scene, change: Change, *, back: bool = False) -> None:
    """What efsdiag itself does."""
    write = change.undo if back else change.write
    assert write
    scene.writer(consents.agree(plan_with(change)), undoing=back).write(write)


@pytest.mark.parametrize("make", EVERY)
def test_a_command_and_its_undo_do_what_efsdiag_does(scene: Scene, shell: Any, make: Any) -> None:
    change: Change = make(scene)
    assert change.undo
    before = scene.state()
    own(scene, change)
    made = scene.state()
    assert made != before
    own(scene, change, back=True)
    assert scene.state() == before

    for write, wanted in ((change.write, made), (change.undo, before)):
        done = shell(command_of(write))
        assert done.returncode == 0, command_of(write) + done.stderr
        assert scene.state() == wanted


@pytest.mark.skipif(AWS is None or KUBECTL is None, reason="there is no aws, or no kubectl, on PATH")
def test_the_script_does_the_whole_plan(scene: Scene, shell: Any) -> None:
    before, plan = scene.state(), scene.plan()
    for change in plan.changes:
        own(scene, change)
    made = scene.state()
    for change in reversed(plan.changes):
        own(scene, change, back=True)
    done = shell(exported(plan, "commands"))
    assert done.returncode == 0, done.stderr
    assert scene.state() == made
    for change in reversed(plan.changes):
        own(scene, change, back=True)
    assert scene.state() == before


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH")
def test_the_undo_command_leaves_alone_what_efsdiag_did_not_make(scene: Scene, shell: Any) -> None:
    change = storage_class("efs")
    assert change.undo
    scene.kube.add({**change.write.parameters["object"], "metadata": {"name": "efs"}})
    shell(command_of(change.undo))
    assert scene.kube.object("storageclasses.storage.k8s.io", "efs")
    scene.kube.remove("storageclasses.storage.k8s.io", "efs")


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH")
def test_what_is_in_a_namespace_is_made_and_taken_back_there(scene: Scene, shell: Any) -> None:
    scene.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "monitoring", "labels": MANAGED},
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    where = {"namespace": "monitoring", "name": "data"}
    uid = own_uid(read_of("kube:get persistentvolumeclaims", **where))
    undo = write_of("kube:delete persistentvolumeclaims", **where, uid=uid)
    write = write_of("kube:create persistentvolumeclaims", **where, object=claim)
    change = Change(write, "make a claim", Ref("PersistentVolumeClaim", "data"), undo=undo)
    for done in (shell(command_of(write)), shell(command_of(undo))):
        assert done.returncode == 0, done.stderr
    assert scene.kube.object("persistentvolumeclaims", "data", "monitoring") is None
    own(scene, change)
    own(scene, change, back=True)
    assert scene.kube.object("persistentvolumeclaims", "data", "monitoring") is None


DOCUMENT = '{"Statement":[{"Action":"a:*","Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}'
EC2 = '{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"}}'
TRUSTING = f'{{"Statement":[{EC2}],"Version":"2012-10-17"}}'
CALLS: dict[str, dict[str, Any]] = {
    "iam:PutRolePolicy": {"RoleName": "driver", "PolicyName": "own", "PolicyDocument": DOCUMENT},
    "iam:DeleteRolePolicy": {"RoleName": "driver", "PolicyName": "own"},
    "iam:UpdateAssumeRolePolicy": {"RoleName": "driver", "PolicyDocument": TRUSTING},
    "iam:CreateRole": {"RoleName": "new", "AssumeRolePolicyDocument": TRUSTING},
    "iam:CreateInstanceProfile": {"InstanceProfileName": "nodes"},
    "iam:AddRoleToInstanceProfile": {"InstanceProfileName": "nodes", "RoleName": "new"},
    "iam:RemoveRoleFromInstanceProfile": {"InstanceProfileName": "nodes", "RoleName": "new"},
    "iam:DeleteInstanceProfile": {"InstanceProfileName": "nodes"},
    "iam:DeleteRole": {"RoleName": "new"},
    "iam:CreateOpenIDConnectProvider": {
        "Url": "https://oidc.example.com/id",
        "ClientIDList": ["sts.amazonaws.com"],
        "ThumbprintList": ["0" * 40],
    },
}


@needs_aws
def test_calls_of_iam_are_spelled_as_the_aws_cli_takes_them(scene: Scene, shell: Any) -> None:
    """Each after the other, as each needs what the one before made."""
    for operation, given in CALLS.items():
        write: Write = write_of(operation, **given)
        done = shell(command_of(write))
        assert done.returncode == 0, command_of(write) + done.stderr


def test_no_name_breaks_out_of_its_command(tmp_path: Path) -> None:
    """Names are checked by Kubernetes and AWS; a command does not count on that."""
    mark = tmp_path / "mark"
    hostile = f"x; touch {mark}; $(touch {mark}) `touch {mark}` ' \" \n touch {mark}"
    uid = own_uid(read_of("kube:get jobs", namespace=hostile, name=hostile))
    writes = [
        write_of("kube:patch nodes", name=hostile, patch=[{"op": "add", "path": hostile, "value": hostile}]),
        write_of("kube:create jobs", name=hostile, namespace=hostile, object={"metadata": {"name": hostile}}),
        write_of("kube:delete jobs", name=hostile, namespace=hostile, uid=uid),
        write_of("iam:AttachRolePolicy", RoleName=hostile, PolicyArn=hostile),
        write_of("ec2:CreateTags", Resources=[hostile], Tags=[{"Key": hostile, "Value": hostile}]),
    ]
    none = {"PATH": "/nonexistent"}
    for write in writes:
        command = command_of(write)
        subprocess.run(["/bin/sh", "-c", command], env=none, capture_output=True, timeout=20, check=False)
        assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0
        assert not mark.exists(), command
