"""The writer against real HTTP servers: what it refuses, what each failure means, and that nothing is sent twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import consents
import pytest
from awsworld import Asked
from awsworld import Trouble as AwsTrouble
from plans import Scene, label, plan_with, scene_in, storage_class

from efsdiag.changes import Change, Consent, ConsentError, Lookup, Plan, Trouble, WriteFailed
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.world.aws import AwsSource
from efsdiag.world.kube_http import Cluster
from efsdiag.world.retry import Reply
from efsdiag.world.writer import Writer
from efsdiag.writes import write_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_in(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    """The scene as it was, with no request counted."""
    made.aws.meddle = lambda _: None
    for change in (label("pv-1"), *made.account_changes(), storage_class("efs")):
        _try(made, change, back=True)
    made.kube.requests.clear()
    made.aws.asked.clear()
    yield made
    made.aws.meddle = lambda _: None


def _try(scene: Scene, change: Change, *, back: bool) -> None:
    """Makes it, or takes it back where there is something to take back."""
    with contextlib.suppress(WriteFailed):
        take_back(scene, change) if back else scene.writer(agreed(change)).write(change.write)


def take_back(scene: Scene, change: Change) -> None:
    assert change.undo
    scene.writer(agreed(change), undoing=True).write(change.undo)


def agreed(*changes: Change) -> Plan:
    return consents.agree(plan_with(*changes))


def failure_of(scene: Scene, change: Change) -> WriteFailed:
    with pytest.raises(WriteFailed) as failed:
        scene.writer(agreed(change)).write(change.write)
    return failed.value


def meddle(scene: Scene, operation: str, trouble: AwsTrouble) -> None:
    def decide(asked: Asked) -> AwsTrouble | None:
        return trouble if asked.operation == operation and not asked.dry_run else None

    scene.aws.meddle = decide


def test_a_writer_is_not_made_for_another_consent(scene: Scene) -> None:
    with pytest.raises(ConsentError):
        Writer(plan_with(label("pv-1")), Consent("0" * 64), scene.cluster(), scene.account(), scene.source())


@pytest.mark.parametrize("undoing", [False, True])
def test_a_write_that_was_not_agreed_to_is_not_sent(scene: Scene, undoing: bool) -> None:
    change = label("pv-1")
    writer = scene.writer(agreed(change), undoing=undoing)
    assert change.undo
    for write in (label("pv-2").write, storage_class("efs").write, change.write if undoing else change.undo):
        for send in (writer.write, writer.rehearse):
            with pytest.raises(ConsentError):
                send(write)
    assert scene.kube.mutations == []


def test_a_rehearsal_changes_nothing(scene: Scene) -> None:
    before, plan = scene.state(), scene.plan()
    for change in plan.changes:
        scene.writer(plan).rehearse(change.write)
    assert scene.state() == before
    assert all(request.dry_run for request in scene.kube.mutations)
    assert [asked.operation for asked in scene.aws.asked if asked.dry_run] == ["AuthorizeSecurityGroupIngress"]


def test_a_rehearsal_of_what_is_there_already_is_no_failure(scene: Scene) -> None:
    change = storage_class("efs")
    _try(scene, change, back=False)
    scene.writer(agreed(change)).rehearse(change.write)
    _try(scene, label("pv-1"), back=False)
    scene.writer(agreed(label("pv-1"))).rehearse(label("pv-1").write)


def test_each_change_holds_once_it_was_made_and_not_before(scene: Scene) -> None:
    plan = scene.plan()
    writer = scene.writer(plan)
    before = [writer.holds(change) for change in plan.changes]
    for change in plan.changes:
        writer.write(change.write)
    after = [writer.holds(change) for change in plan.changes]
    # The operation alone tells for what has no id of its own; it is asked again, and answers that it was done.
    told = [False, None, False, None, None, False]
    assert before == told
    assert after == [None if was is None else True for was in told]


@pytest.mark.parametrize(
    ("code", "status", "trouble"),
    [
        ("Throttling", 400, Trouble.THROTTLED),
        ("RequestLimitExceeded", 503, Trouble.THROTTLED),
        ("AccessDenied", 403, Trouble.REFUSED),
        ("UnauthorizedOperation", 403, Trouble.REFUSED),
        ("ExpiredToken", 403, Trouble.REFUSED),
        ("InvalidParameterValue", 400, Trouble.INVALID),
        ("InternalError", 500, Trouble.LOST),
        ("ServiceUnavailable", 503, Trouble.LOST),
    ],
)
@pytest.mark.parametrize("which", [0, 1, 2], ids=["ec2", "efs", "iam"])
def test_an_error_of_aws_is_classed_and_not_asked_again(
    scene: Scene, which: int, code: str, status: int, trouble: Trouble
) -> None:
    change = scene.account_changes()[which]
    operation = change.write.operation.partition(":")[2]
    meddle(scene, operation, AwsTrouble(code, status))
    failure = failure_of(scene, change)
    assert failure.trouble is trouble
    assert code in failure.message
    assert failure.grant.startswith("sign in with `aws ") if code == "ExpiredToken" else True
    assert (trouble is Trouble.REFUSED and code != "ExpiredToken") == failure.grant.startswith("allow ")
    assert scene.writes() == [operation]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["ec2", "efs", "iam"])
def test_a_cut_connection_leaves_open_what_happened(scene: Scene, which: int) -> None:
    change = scene.account_changes()[which]
    operation = change.write.operation.partition(":")[2]
    meddle(scene, operation, AwsTrouble(cut=True))
    assert failure_of(scene, change).trouble is Trouble.LOST
    assert scene.writes() == [operation]


@pytest.mark.parametrize("which", [0, 1], ids=["ec2", "efs"])
def test_what_aws_has_already_is_there(scene: Scene, which: int) -> None:
    change = scene.account_changes()[which]
    _try(scene, change, back=False)
    assert failure_of(scene, change).trouble is Trouble.THERE


@pytest.mark.parametrize("which", [0, 1, 2], ids=["ec2", "efs", "iam"])
def test_what_aws_no_longer_has_is_gone(scene: Scene, which: int) -> None:
    change = scene.account_changes()[which]
    with pytest.raises(WriteFailed) as failed:
        take_back(scene, change)
    assert failed.value.trouble is Trouble.GONE


@pytest.mark.parametrize(
    ("failing", "trouble"),
    [
        ({"status": 429}, Trouble.THROTTLED),
        ({"status": 403, "message": 'User "jane" cannot patch resource "persistentvolumes"'}, Trouble.REFUSED),
        ({"status": 403, "message": 'admission webhook "names.corp" denied the request'}, Trouble.REFUSED),
        ({"status": 403, "message": "exceeded quota: few, requested: persistentvolumes=1"}, Trouble.REFUSED),
        ({"status": 401}, Trouble.REFUSED),
        ({"status": 409}, Trouble.CONFLICT),
        ({"status": 422}, Trouble.CONFLICT),
        ({"status": 500}, Trouble.LOST),
        ({"status": 504}, Trouble.LOST),
        ({"reset": True}, Trouble.LOST),
    ],
)
def test_a_failure_of_the_cluster_is_classed_and_not_asked_again(
    scene: Scene, failing: dict[str, Any], trouble: Trouble
) -> None:
    scene.kube.fail("PATCH .*persistentvolumes", **failing)
    failure = failure_of(scene, label("pv-1"))
    assert failure.trouble is trouble
    assert ("cannot" in failing.get("message", "")) == failure.grant.startswith("allow patch persistentvolumes")
    assert failing.get("message", "") in failure.message
    assert failure.grant.startswith("sign in again") == (failing.get("status") == 401)
    assert scene.writes() == ["patch persistentvolumes"]


def test_a_stale_patch_is_a_conflict_and_changes_nothing(scene: Scene) -> None:
    before = scene.state()
    assert failure_of(scene, label("pv-1", was="another")).trouble is Trouble.CONFLICT
    assert scene.state() == before


def test_a_patch_that_was_made_already_is_there(scene: Scene) -> None:
    _try(scene, label("pv-1"), back=False)
    assert failure_of(scene, label("pv-1")).trouble is Trouble.THERE


def test_an_object_of_somebody_else_is_a_conflict_and_is_never_deleted(scene: Scene) -> None:
    change = storage_class("efs")
    theirs = {**change.write.parameters["object"], "metadata": {"name": "efs"}}
    scene.kube.add(theirs)
    assert failure_of(scene, change).trouble is Trouble.CONFLICT
    with pytest.raises(WriteFailed) as failed:
        take_back(scene, change)
    assert failed.value.trouble is Trouble.GONE
    assert scene.kube.object("storageclasses.storage.k8s.io", "efs")
    assert scene.writes() == ["create storageclasses.storage.k8s.io"]
    scene.kube.remove("storageclasses.storage.k8s.io", "efs")


def test_an_object_of_efsdiag_that_says_something_else_is_a_conflict(scene: Scene) -> None:
    change = storage_class("efs")
    scene.kube.add({**change.write.parameters["object"], "provisioner": "another"})
    assert failure_of(scene, change).trouble is Trouble.CONFLICT


def test_an_object_that_is_made_anew_between_look_up_and_deletion_stays(scene: Scene) -> None:
    change = storage_class("efs")
    _try(scene, change, back=False)
    scene.kube.fail("DELETE .*storageclasses", status=409)
    with pytest.raises(WriteFailed) as failed:
        take_back(scene, change)
    assert failed.value.trouble is Trouble.CONFLICT
    (request,) = [r for r in scene.kube.mutations if r.verb == "delete"]
    assert request.body["preconditions"]["uid"]


def test_a_look_up_that_is_refused_stops_the_write(scene: Scene) -> None:
    change = storage_class("efs")
    _try(scene, change, back=False)
    scene.kube.requests.clear()
    scene.kube.fail("GET .*storageclasses", status=403)
    with pytest.raises(WriteFailed) as failed:
        take_back(scene, change)
    assert failed.value.trouble is Trouble.REFUSED
    assert scene.writes() == []


def test_a_look_up_is_made_when_the_write_is(scene: Scene) -> None:
    """What was read before the plan began says nothing of what its first change made."""
    target = scene.mount_target()
    assert target.undo
    found = target.undo.parameters["MountTargetId"]
    assert isinstance(found, Lookup)
    source = scene.source()
    source(found.query)
    _try(scene, target, back=False)
    writer = Writer(
        agreed(target), Consent(plan_with(target).digest), scene.cluster(), scene.account(), source.again, undoing=True
    )
    writer.write(target.undo)
    assert scene.state()["targets"] == []


def test_a_look_up_that_finds_nothing_for_what_is_to_be_made_is_no_success(scene: Scene) -> None:
    query = read_of("efs:DescribeMountTargets", FileSystemId=scene.system)
    nothing = Lookup(query, "MountTargets[?SubnetId=='none'].MountTargetId | [0]")
    write = write_of("iam:AttachRolePolicy", RoleName="driver", PolicyArn=nothing)
    assert failure_of(scene, Change(write, "attach", Ref("Role", "driver"))).trouble is Trouble.INVALID


class SignInPage(Cluster):
    """A proxy that answers everything, well, with its own page."""

    def send(self, method: str, url: str, body: Any, content_type: str) -> Reply:
        return Reply(200, b"<html>sign in</html>")


def test_an_object_with_a_look_up_in_it_holds_once_it_was_made(scene: Scene) -> None:
    name = Lookup(read_of("kube:get namespaces", name="kube-system"), "metadata.name")
    plain = storage_class("efs-looked-up")
    written = plain.write.parameters["object"]
    change = replace(plain, write=write_of(plain.write.operation, object={**written, "parameters": {"found": name}}))
    writer = scene.writer(agreed(change))
    assert writer.holds(change) is False
    writer.write(change.write)
    assert writer.holds(change) is True
    take_back(scene, change)


def test_an_answer_that_is_no_json_leaves_open_what_happened(scene: Scene) -> None:
    change, proxy = label("pv-1"), SignInPage(str(scene.kube.kubeconfig(scene.folder)), None, None, (), 5)
    writer = Writer(agreed(change), Consent(plan_with(change).digest), proxy, scene.account(), scene.source())
    with pytest.raises(WriteFailed, match="no answer of Kubernetes: <html>") as failed:
        writer.write(change.write)
    assert failed.value.trouble is Trouble.LOST


def test_nobody_signed_in_writes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(scene.folder))
    change = scene.rule()
    nobody = AwsSource(region="eu-west-1", endpoint_url=scene.aws.url, attempts=1)
    writer = Writer(agreed(change), Consent(plan_with(change).digest), scene.cluster(), nobody, scene.source())
    with pytest.raises(WriteFailed) as failed:
        writer.write(change.write)
    assert failed.value.trouble is Trouble.REFUSED
    assert scene.writes() == []
