"""The commands that a plan prints do what efsdiag's own writes do: run by the real kubectl and the real AWS CLI."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import consents
import pytest
from commandline import AWS, KUBECTL, Shell
from plans import REGION, Scene, label, plan_with, scene_in, storage_class

from efsdiag.changes import Change
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.report.export import exported
from efsdiag.writes import MANAGED, command_of, own_uid, write_of

needs_kubectl = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH"),
]
IN_THE_CLUSTER = {"label": lambda scene: label("pv-1"), "class": lambda scene: storage_class("efs")}
EVERY = [pytest.param(make, id=name, marks=needs_kubectl) for name, make in IN_THE_CLUSTER.items()]
"""Those of the account are run in test_remedies_lab.py, for every remedy."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("scene")) as made:
        yield made


@pytest.fixture(scope="module")
def shell(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    home = tmp_path_factory.mktemp("home")
    return Shell(home, scene.kube.kubeconfig(home), scene.aws.url, REGION)


def own(scene: Scene, change: Change, *, back: bool = False) -> None:
    """What efsdiag itself does."""
    write = change.undo if back else change.write
    assert write
    scene.writer(consents.agree(plan_with(change)), undoing=back).write(write)


@pytest.mark.parametrize("make", EVERY)
def test_a_command_and_its_undo_do_what_efsdiag_does(scene: Scene, shell: Shell, make: Any) -> None:
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
def test_the_script_does_the_whole_plan(scene: Scene, shell: Shell) -> None:
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
def test_the_undo_command_leaves_alone_what_efsdiag_did_not_make(scene: Scene, shell: Shell) -> None:
    change = storage_class("efs")
    assert change.undo
    scene.kube.add({**change.write.parameters["object"], "metadata": {"name": "efs"}})
    shell(command_of(change.undo))
    assert scene.kube.object("storageclasses.storage.k8s.io", "efs")
    scene.kube.remove("storageclasses.storage.k8s.io", "efs")


@pytest.mark.kubectl
@pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH")
def test_what_is_in_a_namespace_is_made_and_taken_back_there(scene: Scene, shell: Shell) -> None:
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
