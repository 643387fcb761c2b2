"""What becomes of a release where helm fails, told by a stand-in that answers what a real helm was recorded to say."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import consents
import pytest
from helmlab import HelmLab, StandIn, helm_lab, packed
from plans import NOW, plan_with

from efsdiag.changes import Change, Consent, Lookup, Trouble, WriteFailed
from efsdiag.charts import prometheus_release
from efsdiag.model import Ref
from efsdiag.operations import read_of
from efsdiag.releases import release_change
from efsdiag.settings_file import load_settings
from efsdiag.treat.carry_out import carry_out, undo
from efsdiag.treat.journal import Step, begin
from efsdiag.world.helm import Helm, HelmError, Identity
from efsdiag.world.helm_reads import archive, dry_run
from efsdiag.writes import description_of, mark_of, write_of

TIMED_OUT = "Error: UPGRADE FAILED: timed out waiting for the condition\n"
FORBIDDEN = (
    'Error: 1 error occurred:\n\t* deployments.apps is forbidden: User "jane" cannot create resource "deployments" '
    'in API group "apps" in the namespace "monitoring"\n\n'
)
LISTED = json.dumps([{"name": "prometheus", "namespace": "monitoring", "revision": "1", "status": "failed"}])
DRY = json.dumps({"name": "prometheus", "manifest": "---\nkind: Service\nmetadata: {name: a}\n", "hooks": []})


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed("prometheus", tmp_path_factory.mktemp("charts"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HelmLab]:
    with helm_lab(tmp_path_factory.mktemp("lab"), "") as lab:
        yield lab


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.fixture
def lab(cluster: HelmLab, stand_in: StandIn) -> HelmLab:
    return HelmLab(cluster.kube, cluster.folder, str(stand_in.folder))


@pytest.fixture
def install(chart: Path) -> Change:
    return change_of(chart, present=False)


@pytest.fixture
def upgrade(chart: Path) -> Change:
    return change_of(chart, present=True)


def change_of(chart: Path, *, present: bool) -> Change:
    release = prometheus_release(load_settings(None, [f"prometheus.archive={chart}"]))
    return release_change(release, "make the release", Ref("Release", release.name), present=present)


def ours(change: Change) -> str:
    return description_of(mark_of(change.write))


def failure(lab: HelmLab, change: Change, *, undoing: bool = False) -> WriteFailed:
    with pytest.raises(WriteFailed) as failed:
        lab.carry_out(change, undoing=undoing)
    return failed.value


# --- what became of it --------------------------------------------------------------------------------------------


def test_a_time_out_leaves_a_release_half_made_and_says_so(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history()
    stand_in.answer("upgrade", err=TIMED_OUT, code=1)
    stand_in.history((1, "failed", 'Release "prometheus" failed: timed out waiting for the condition'))
    stand_in.answer("list", out=LISTED)
    found = failure(lab, install)
    assert found.trouble is Trouble.LOST
    assert "timed out waiting for the condition" in found.message
    assert "release monitoring/prometheus is left half-made (failed, revision 1)" in found.message
    assert stand_in.verbs == ["history", "upgrade", "history", "list"]


def test_a_time_out_before_any_revision_left_nothing(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history()
    stand_in.answer("upgrade", err="Error: context deadline exceeded\n", code=1)
    stand_in.history()
    found = failure(lab, install)
    assert found.trouble is Trouble.INVALID
    assert "half-made" not in found.message


def test_a_refusal_before_any_revision_is_a_refusal_with_the_right_that_is_missing(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.history()
    stand_in.answer("upgrade", err=FORBIDDEN, code=1)
    stand_in.history()
    found = failure(lab, install)
    assert (found.trouble, found.grant) == (
        Trouble.REFUSED,
        "allow create deployments.apps in namespace monitoring",
    )


def test_where_nobody_can_look_afterwards_the_outcome_is_lost(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history()
    stand_in.answer("upgrade", err=TIMED_OUT, code=1)
    stand_in.answer("history", err="Error: Kubernetes cluster unreachable: dial tcp: connection refused\n", code=1)
    found = failure(lab, install)
    assert found.trouble is Trouble.LOST
    assert "what became of it cannot be seen" in found.message


def test_what_cannot_be_read_before_the_write_changes_nothing(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.answer("history", out="<html>")
    assert failure(lab, install).trouble is Trouble.REFUSED
    assert stand_in.verbs == ["history"]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("pending-install", "helm uninstall prometheus --namespace monitoring"),
        ("pending-upgrade", "helm rollback prometheus --namespace monitoring"),
        ("pending-rollback", "helm rollback prometheus --namespace monitoring"),
        ("uninstalling", "helm uninstall prometheus --namespace monitoring"),
    ],
)
def test_a_release_at_which_helm_is_at_work_is_never_gone_over(
    lab: HelmLab, stand_in: StandIn, install: Change, status: str, advice: str
) -> None:
    for _ in range(2):
        stand_in.history((1, status, "Preparing upgrade"))
        stand_in.answer("list", out="[]")
    found = failure(lab, install)
    assert found.trouble is Trouble.CONFLICT
    assert f"is {status} since 06:00:00 UTC (revision 1)" in found.message
    assert found.grant.endswith(advice)
    with pytest.raises(WriteFailed, match=status):
        lab.rehearse(install)
    assert set(stand_in.verbs) == {"history", "list"}


def test_a_release_that_failed_before_is_upgraded(lab: HelmLab, stand_in: StandIn, upgrade: Change) -> None:
    stand_in.history((1, "failed", "Release failed: refused"))
    stand_in.answer("list", out="[]")
    stand_in.answer("upgrade", out="deployed")
    lab.carry_out(upgrade)
    assert stand_in.verbs == ["history", "list", "upgrade"]


def test_this_change_under_a_later_one_of_somebody_else_is_not_made_again(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.history((1, "superseded", ours(install)), (2, "deployed", "Upgrade complete"))
    found = failure(lab, install)
    assert (found.trouble, stand_in.verbs) == (Trouble.CONFLICT, ["history"])
    assert "had this change as revision 1, and 2 was made since" in found.message


@pytest.mark.parametrize(("version", "asks_for_all"), [("v3.19.0", True), ("v4.3.1", False)])
def test_releases_of_every_state_are_listed(
    lab: HelmLab, tmp_path: Path, install: Change, version: str, asks_for_all: bool
) -> None:
    stand_in = StandIn(tmp_path, version)
    stand_in.history((1, "failed", "x"))
    stand_in.answer("list", out=LISTED)
    stand_in.answer("uninstall", out="gone")
    lab.carry_out(install, undoing=True)
    assert ("--all" in stand_in.asked[1]["words"]) is asks_for_all


# --- taking it back -----------------------------------------------------------------------------------------------


def test_a_half_made_release_is_ours_by_its_label_and_is_uninstalled(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.history((1, "failed", "Release failed"))
    stand_in.answer("list", f"efsdiag={mark_of(install.write)}", out=LISTED)
    stand_in.answer("uninstall", out="uninstalled")
    lab.carry_out(install, undoing=True)
    assert stand_in.asked[-1]["words"][:4] == ["uninstall", "prometheus", "--namespace", "monitoring"]


def test_a_half_made_release_without_our_label_is_left_alone(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history((1, "failed", "Release failed"))
    stand_in.answer("list", out="[]")
    assert failure(lab, install, undoing=True).trouble is Trouble.CONFLICT
    assert "uninstall" not in stand_in.verbs


@pytest.mark.parametrize(("age_s", "taken_back"), [(30, False), (3600, True)])
def test_a_pending_release_of_ours_is_taken_back_once_no_helm_can_be_at_work(
    lab: HelmLab, stand_in: StandIn, install: Change, age_s: int, taken_back: bool
) -> None:
    since = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
    stand_in.history((1, "pending-install", "Initial install underway"), updated=since)
    stand_in.answer("list", out=LISTED)
    stand_in.answer("uninstall", out="uninstalled")
    if taken_back:
        lab.carry_out(install, undoing=True)
    else:
        assert failure(lab, install, undoing=True).trouble is Trouble.CONFLICT
    assert ("uninstall" in stand_in.verbs) is taken_back


def test_an_upgrade_goes_back_to_the_revision_that_stood_before_it(
    lab: HelmLab, stand_in: StandIn, upgrade: Change
) -> None:
    stand_in.history((3, "superseded", "a"), (4, "failed", "b"), (5, "deployed", ours(upgrade)))
    stand_in.answer("rollback", out="done")
    lab.carry_out(upgrade, undoing=True)
    assert stand_in.asked[-1]["words"][:3] == ["rollback", "prometheus", "3"]


def test_an_upgrade_without_a_revision_before_it_cannot_go_back(
    lab: HelmLab, stand_in: StandIn, upgrade: Change
) -> None:
    stand_in.history((1, "failed", "a"), (2, "deployed", ours(upgrade)))
    assert "no revision before 2 to go back to" in failure(lab, upgrade, undoing=True).message


def test_an_uninstall_that_stops_half_way_may_be_gone_on_with(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history((1, "deployed", ours(install)))
    stand_in.answer("uninstall", err="Error: uninstallation completed with 1 error(s): forbidden\n", code=1)
    stand_in.history((1, "uninstalling", "Deletion in progress (or silently failed)"))
    stand_in.answer("list", out=LISTED)
    found = failure(lab, install, undoing=True)
    assert (found.trouble, "uninstalling" in found.message) == (Trouble.LOST, True)


def test_what_is_gone_counts_as_taken_back(lab: HelmLab, stand_in: StandIn, install: Change) -> None:
    stand_in.history()
    assert failure(lab, install, undoing=True).trouble is Trouble.GONE


def test_a_run_that_timed_out_is_in_the_journal_and_can_be_undone(
    lab: HelmLab, stand_in: StandIn, install: Change, tmp_path: Path
) -> None:
    plan = consents.agree(plan_with(install))
    journal = begin(tmp_path / "journal", plan, NOW)
    stand_in.history()
    stand_in.answer("upgrade", err=TIMED_OUT, code=1)
    stand_in.history((1, "failed", "Release failed"))
    stand_in.answer("list", out=LISTED, times=2)
    with lab.helm() as helm:
        ended = carry_out(plan, Consent(plan.digest), lab.writer(plan, helm), journal, lambda: NOW)
        assert ended.stopped_at == 0
        assert (journal.steps, journal.to_undo) == ([Step.BEGUN], [0])
        stand_in.history((1, "failed", "Release failed"))
        stand_in.answer("uninstall", out="uninstalled")
        assert undo(journal, lab.writer(plan, helm, undoing=True), lambda: NOW).error is None
    assert journal.steps == [Step.UNDONE]


@pytest.mark.parametrize(
    ("revisions", "marked", "holds"),
    [
        ([], False, False),
        ([(1, "deployed", "ours")], False, True),
        ([(1, "superseded", "ours"), (2, "deployed", "x")], False, None),
        ([(1, "pending-install", "x")], True, None),
        ([(1, "pending-install", "x")], False, None),
        ([(1, "failed", "x")], True, None),
        ([(1, "failed", "x")], False, False),
        ([(1, "deployed", "x")], False, False),
    ],
)
def test_whether_a_release_is_as_the_upgrade_makes_it(
    lab: HelmLab, stand_in: StandIn, install: Change, revisions: Any, marked: bool, holds: bool | None
) -> None:
    stand_in.history(*((n, s, ours(install) if d == "ours" else d) for n, s, d in revisions))
    stand_in.answer("list", out=LISTED if marked else "[]")
    with lab.helm() as helm:
        assert lab.writer(consents.agree(plan_with(install)), helm).holds(install) is holds


# --- the dry run --------------------------------------------------------------------------------------------------


def test_where_the_cluster_refuses_look_ups_the_chart_is_rendered_here(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.answer("--dry-run=server", err=FORBIDDEN, code=1)
    stand_in.answer("--dry-run=client", out=DRY)
    given = install.write.parameters
    with lab.helm() as helm:
        found = dry_run(helm, install.write, given, archive(helm, given))
    assert (found.objects, found.server) == (("Service/a",), False)


def test_a_dry_run_that_fails_for_another_reason_is_no_dry_run(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.history()
    stand_in.answer("--dry-run=server", err="Error: execution error at (prometheus/templates/a.yaml:1:3): no\n", code=1)
    with pytest.raises(WriteFailed, match="execution error at"):
        lab.rehearse(install)
    assert stand_in.verbs == ["history", "dry run"]


REFUSED, CONFLICT, INVALID = Trouble.REFUSED, Trouble.CONFLICT, Trouble.INVALID
SAID = [
    (
        'looks like "https://x/" is not a valid chart repository or cannot be reached: 404',
        "repository-unreachable",
        REFUSED,
    ),
    ('Get "https://x/index.yaml": dial tcp: lookup x: no such host', "repository-unreachable", REFUSED),
    ('chart "prometheus" version "9.9.9" not found in https://x repository', "chart-not-found", REFUSED),
    ('path "/x.tgz" not found', "chart-not-found", REFUSED),
    ('Kubernetes cluster unreachable: Get "https://1/version": dial tcp: i/o timeout', "cluster-unreachable", REFUSED),
    ("query: failed to query with labels: Unauthorized", "helm-refused", REFUSED),
    ('pods "x" is forbidden: exceeded quota: small', "admission-refused", REFUSED),
    ('admission webhook "policy.example.org" denied the request: no', "admission-refused", REFUSED),
    ("UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress", "release-pending", CONFLICT),
    (
        'INSTALLATION FAILED: Unable to continue with install: CSIDriver "efs.csi.aws.com" in namespace "" exists and '
        "cannot be imported into the current release: invalid ownership metadata; label validation error",
        "helm.ownership-conflict",
        CONFLICT,
    ),
    (
        "chart requires kubeVersion: >=1.30.0 which is incompatible with Kubernetes v1.20.0",
        "chart-incompatible",
        INVALID,
    ),
    (
        'UPGRADE FAILED: cannot patch "x" with kind StatefulSet: StatefulSet.apps "x" is invalid: spec: Forbidden: '
        "updates to statefulset spec for fields other than 'replicas' are forbidden",
        "field-immutable",
        INVALID,
    ),
    (
        "values don't meet the specifications of the schema(s) in the following chart(s):\nprometheus:\n- x: no",
        "values-refused",
        INVALID,
    ),
    ("something nobody foresaw", "helm-failed", INVALID),
    ("", "helm-failed", INVALID),
]


@pytest.mark.parametrize(("says", "reference", "trouble"), SAID)
def test_what_helm_says_is_known_for_what_it_is(
    lab: HelmLab, stand_in: StandIn, says: str, reference: str, trouble: Trouble
) -> None:
    stand_in.answer("pull", err=f"WARNING: the kubeconfig is group-readable\n{says and 'Error: '}{says}\n", code=1)
    given = {"chart": "x", "repository": "https://x/", "version": "1.0.0", "digest": ""}
    with lab.helm() as helm, pytest.raises(HelmError) as found:
        archive(helm, given)
    assert (found.value.reference, found.value.trouble) == (reference, trouble)
    assert "WARNING" not in found.value.message or not says


# --- the program --------------------------------------------------------------------------------------------------


def test_without_helm_the_way_to_get_it_is_named(lab: HelmLab, install: Change, tmp_path: Path) -> None:
    lab.more["PATH"] = str(tmp_path / "nowhere")
    found = failure(lab, install)
    assert (found.trouble, found.message) == (
        Trouble.REFUSED,
        "helm is not on PATH, and charts are installed by it",
    )
    assert "get-helm-3" in found.grant


@pytest.mark.parametrize("version", ["v3.13.0", "v3.19", "v3.19.0+gabcdef0", "4.3.1", "v4.0.0-rc.1"])
def test_versions_that_will_do(lab: HelmLab, tmp_path: Path, version: str) -> None:
    StandIn(tmp_path, version)
    with lab.helm() as helm:
        assert helm.version >= (3, 13)


@pytest.mark.parametrize("version", ["v3.12.3", "v2.17.0", "v5.0.0", "nonsense", ""])
def test_a_version_that_will_not_do_is_named(lab: HelmLab, tmp_path: Path, version: str) -> None:
    StandIn(tmp_path, version)
    with lab.helm() as helm, pytest.raises(HelmError, match=f"its version is {version or 'nothing'}") as found:
        helm.run(["list"])
    assert found.value.reference == "helm-outdated"


def test_helm_acts_as_whoever_efsdiag_acts_as(lab: HelmLab, stand_in: StandIn) -> None:
    stand_in.answer("list", out="[]")
    lab.more |= {"HELM_KUBECONTEXT": "other", "HELM_NAMESPACE": "other", "HELM_DRIVER": "configmap"}
    identity = {"context": "kubeapi", "as_user": "jane", "as_groups": ("a", "b")}
    with lab.helm(**identity) as helm:
        helm.run(["list"])
    (asked,) = stand_in.asked
    assert asked["words"] == [
        *("list", "--kube-context", "kubeapi", "--kube-as-user", "jane"),
        *("--kube-as-group", "a", "--kube-as-group", "b"),
    ]
    assert asked["environment"]["KUBECONFIG"] == lab.kubeconfig
    assert "HELM_KUBECONTEXT" not in asked["environment"]
    assert asked["environment"]["HELM_DRIVER"] == "configmap"


def test_a_named_repository_needs_nothing_of_the_user_and_a_repository_of_the_user_does(
    lab: HelmLab, stand_in: StandIn
) -> None:
    lab.more["HELM_REPOSITORY_CONFIG"] = "/home/jane/repositories.yaml"
    stand_in.answer("pull", code=0, times=2)
    given = {"chart": "mine/prometheus", "repository": "", "version": "1.0.0", "digest": ""}
    with lab.helm() as helm:
        for more in ({}, {"chart": "prometheus", "repository": "https://x/"}):
            with pytest.raises(HelmError, match="left no archive behind"):
                archive(helm, {**given, **more})
        home = helm.home
        assert Path(home).is_dir()
    users, own = (asked["environment"] for asked in stand_in.asked)
    assert users["HELM_REPOSITORY_CONFIG"] == "/home/jane/repositories.yaml"
    assert "HELM_REPOSITORY_CONFIG" not in own
    assert own["HELM_CONFIG_HOME"].startswith(home)
    assert not Path(home).exists()


def test_values_go_in_on_standard_input_and_never_on_the_command_line(
    lab: HelmLab, stand_in: StandIn, install: Change
) -> None:
    stand_in.history()
    stand_in.answer("upgrade", out="done")
    lab.carry_out(install)
    asked = stand_in.asked[-1]
    assert json.loads(asked["given"]) == install.write.parameters["values"]
    assert "runAsUser" not in " ".join(asked["words"])


def test_a_run_that_takes_too_long_is_stopped(lab: HelmLab, stand_in: StandIn) -> None:
    stand_in.answer("list", delay_s=30)
    started = time.monotonic()
    with lab.helm() as helm:
        done = helm.run(["list"], limit_s=0.5)
    assert done.code is None
    assert time.monotonic() - started < 25


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    program = tmp_path / "helm"
    program.write_text("no program")
    program.chmod(0o755)
    with Helm(Identity(), {"PATH": str(tmp_path)}) as helm, pytest.raises(HelmError, match="cannot be run"):
        helm.run(["list"])


def test_a_writer_without_helm_says_so(lab: HelmLab, install: Change) -> None:
    plan = consents.agree(plan_with(install))
    with pytest.raises(WriteFailed, match="helm is not at hand"):
        lab.writer(plan, None).write(install.write)  # type: ignore[arg-type]


def test_a_value_that_is_looked_up_is_read_when_the_release_is_made(
    lab: HelmLab, stand_in: StandIn, chart: Path
) -> None:

    system = Lookup(read_of("kube:get namespaces", name="kube-system"), "metadata.uid")
    nothing = Lookup(read_of("kube:get namespaces", name="nowhere"), "metadata.uid")
    given = {"namespace": "monitoring", "chart": str(chart), "repository": "", "version": "", "digest": ""}
    more = {"createNamespace": False, "timeout": "5m"}
    for lookup, wanted in ((system, "uid-of-kube-system"), (nothing, None)):
        values = {"server": {"nodeSelector": {"uid": lookup}}}
        write = write_of("helm:upgrade", release="prometheus", **given, **more, values=values)
        change = Change(write, "x", Ref("Release", "prometheus"))
        if wanted is None:
            assert failure(lab, change).message.endswith("there is no values left")
            lab.rehearse(change)
            continue
        stand_in.history()
        stand_in.answer("upgrade", out="done")
        lab.carry_out(change)
        assert json.loads(stand_in.asked[-1]["given"]) == {"server": {"nodeSelector": {"uid": wanted}}}


def test_the_stand_in_is_found_where_the_lab_says(lab: HelmLab, stand_in: StandIn) -> None:
    assert lab.environment["PATH"].split(os.pathsep)[0] == str(stand_in.folder)
