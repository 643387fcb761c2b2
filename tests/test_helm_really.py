"""Releases by a real helm against the tests' API server: installed, upgraded, rolled back, removed, and refused."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import consents
import pytest
from helmlab import HelmLab, helm_lab, packed, real_helm, repository
from lab import lab_of
from plans import NOW, plan_with

from efsdiag.changes import Change, Consent, Trouble, WriteFailed
from efsdiag.charts import driver_release, prometheus_release
from efsdiag.model import Ref
from efsdiag.releases import Release, release_change
from efsdiag.settings_file import load_settings
from efsdiag.treat.carry_out import carry_out
from efsdiag.treat.journal import begin
from efsdiag.treat.plan_file import read_plan
from efsdiag.world.helm_reads import archive, digest_of, dry_run, revisions
from efsdiag.writes import command_of, description_of, mark_of

HELM = real_helm()
pytestmark = [
    pytest.mark.helm,
    pytest.mark.skipif(HELM is None, reason="there is no helm; scripts/setup makes one where Go is"),
]


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("charts")
    return {name: packed(name, folder) for name in ("prometheus", "aws-efs-csi-driver")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HelmLab]:
    with helm_lab(tmp_path_factory.mktemp("lab"), os.path.dirname(str(HELM))) as lab:
        yield lab


@pytest.fixture
def lab(made: HelmLab) -> Iterator[HelmLab]:
    """The lab without a release in it."""
    yield made
    for kind, names in made.objects().items():
        for found in [o["metadata"] for o in made.kube.objects(kind) if o["metadata"]["name"] in names]:
            made.kube.remove(kind, found["name"], found.get("namespace", ""))


def prometheus(archives: dict[str, Path], *flags: str) -> Release:
    return prometheus_release(load_settings(None, [f"prometheus.archive={archives['prometheus']}", *flags]))


def change_of(release: Release, *, present: bool = False) -> Change:
    return release_change(release, "make the release", Ref("Release", release.name), present=present)


def history(lab: HelmLab, release: Release) -> list[tuple[str, str]]:
    with lab.helm() as helm:
        return [(r.status, r.description) for r in revisions(helm, release.name, release.namespace)]


def server(lab: HelmLab) -> dict[str, Any]:
    found = lab.kube.object("deployments.apps", "prometheus-server", "monitoring")
    assert found is not None
    return found["spec"]


def test_a_release_is_installed_as_the_settings_say_and_its_undo_removes_it(
    lab: HelmLab, archives: dict[str, Path]
) -> None:
    release = prometheus(archives, "uid=1000", "gid=2000", "claim=data")
    change = change_of(release)
    lab.carry_out(change)
    pod = server(lab)["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 1000
    assert pod["volumes"][1]["persistentVolumeClaim"] == {"claimName": "data"}
    assert server(lab)["strategy"] == {"type": "Recreate"}
    assert "--storage.tsdb.retention.size=40GB" in pod["containers"][0]["args"]
    assert lab.objects()["daemonsets.apps"] == ["prometheus-prometheus-node-exporter"]
    assert "statefulsets.apps" not in lab.objects()
    assert history(lab, release) == [("deployed", description_of(mark_of(change.write)))]

    lab.carry_out(change, undoing=True)
    assert lab.objects() == {}


def test_an_upgrade_makes_a_revision_and_its_undo_goes_back_to_the_one_before(
    lab: HelmLab, archives: dict[str, Path]
) -> None:
    lab.carry_out(change_of(prometheus(archives)))
    later = change_of(prometheus(archives, "prometheus.retention=3d"), present=True)
    lab.carry_out(later)
    assert "--storage.tsdb.retention.time=3d" in server(lab)["template"]["spec"]["containers"][0]["args"]
    lab.carry_out(later, undoing=True)
    assert "--storage.tsdb.retention.time=15d" in server(lab)["template"]["spec"]["containers"][0]["args"]
    assert [status for status, _ in history(lab, prometheus(archives))] == ["superseded", "superseded", "deployed"]
    with pytest.raises(WriteFailed) as again:
        lab.carry_out(later, undoing=True)
    assert again.value.trouble is Trouble.GONE


def test_the_driver_is_installed_with_its_hook_and_spread_over_nodes(lab: HelmLab, archives: dict[str, Path]) -> None:
    flags = [f"driver.archive={archives['aws-efs-csi-driver']}", "driver.tags={team: a}"]
    change = change_of(driver_release(load_settings(None, flags), "arn:aws:iam::1:role/x"))
    lab.carry_out(change)
    controller = lab.kube.object("deployments.apps", "efs-csi-controller", "kube-system")
    assert controller is not None
    (spread,) = controller["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    account = lab.kube.object("serviceaccounts", "efs-csi-controller-sa", "kube-system")
    assert account is not None
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/x"
    assert lab.kube.object("csidrivers.storage.k8s.io", "efs.csi.aws.com")
    lab.carry_out(change, undoing=True)
    # As the residue of the change says: what a hook made stays.
    assert lab.objects() == {"csidrivers.storage.k8s.io": ["efs.csi.aws.com"]}
    assert "hooks made" in change.residue


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(lab: HelmLab, archives: dict[str, Path]) -> None:
    flags = [f"driver.archive={archives['aws-efs-csi-driver']}"]
    write = driver_release(load_settings(None, flags)).write
    with lab.helm() as helm:
        found = dry_run(helm, write, write.parameters, archive(helm, write.parameters))
    accounts = ("ServiceAccount/efs-csi-controller-sa", "ServiceAccount/efs-csi-node-sa")
    assert set(found.objects) == {*accounts, "DaemonSet/efs-csi-node", "Deployment/efs-csi-controller"}
    assert found.hooks == ("CSIDriver/efs.csi.aws.com",)
    assert found.server
    assert lab.objects() == {}


def test_what_is_done_already_is_there_and_nothing_is_sent(lab: HelmLab, archives: dict[str, Path]) -> None:
    change = change_of(prometheus(archives))
    lab.carry_out(change)
    lab.kube.requests.clear()
    with pytest.raises(WriteFailed) as found:
        lab.carry_out(change)
    assert found.value.trouble is Trouble.THERE
    assert lab.kube.mutations == []
    with lab.helm() as helm:
        assert lab.writer(consents.agree(plan_with(change)), helm).holds(change) is True


def test_the_undo_of_a_release_that_somebody_changed_since_is_refused(lab: HelmLab, archives: dict[str, Path]) -> None:
    change = change_of(prometheus(archives))
    lab.carry_out(change)
    shell(lab, f"helm upgrade prometheus {archives['prometheus']} -n monitoring --set server.retention=1d")
    with pytest.raises(WriteFailed, match="by this plan, and 2 was made since") as refused:
        lab.carry_out(change, undoing=True)
    assert refused.value.trouble is Trouble.CONFLICT
    assert "deployments.apps" in lab.objects()


def test_a_release_of_somebody_else_is_not_removed(lab: HelmLab, archives: dict[str, Path]) -> None:
    shell(lab, f"helm install prometheus {archives['prometheus']} -n monitoring --create-namespace")
    with pytest.raises(WriteFailed, match="no revision that this plan made"):
        lab.carry_out(change_of(prometheus(archives)), undoing=True)


@pytest.fixture
def refusing(archives: dict[str, Path], tmp_path: Path) -> Iterator[HelmLab]:
    """A lab of its own, whose refusals end with the test."""
    with helm_lab(tmp_path, os.path.dirname(str(HELM))) as lab:
        yield lab


def test_a_release_that_is_refused_half_way_is_known_as_ours_and_taken_back(
    refusing: HelmLab, archives: dict[str, Path]
) -> None:
    refusing.kube.forbid("create", "deployments.apps")
    change = change_of(prometheus(archives))
    with pytest.raises(WriteFailed, match=r"is left half-made \(failed, revision 1\)") as refused:
        refusing.carry_out(change)
    assert refused.value.trouble is Trouble.LOST
    assert refused.value.grant == "allow create deployments.apps in namespace monitoring"
    assert "configmaps" in refusing.objects()
    refusing.carry_out(change, undoing=True)
    assert refusing.objects() == {}


def test_a_release_that_failed_is_made_whole_by_the_next_run(tmp_path: Path, archives: dict[str, Path]) -> None:
    with helm_lab(tmp_path, os.path.dirname(str(HELM))) as lab:
        lab.kube.fail("(POST|PATCH) .*/deployments", status=500, times=1)
        change = change_of(prometheus(archives))
        with pytest.raises(WriteFailed, match="half-made"):
            lab.carry_out(change)
        lab.carry_out(change)
        assert [status for status, _ in history(lab, prometheus(archives))] == ["superseded", "deployed"]
        lab.carry_out(change, undoing=True)
        assert lab.objects() == {}


@pytest.mark.parametrize("verb", ["list", "create"])
def test_who_may_not_use_the_secrets_of_releases_is_told_so_and_nothing_is_made(
    refusing: HelmLab, archives: dict[str, Path], verb: str
) -> None:
    refusing.kube.forbid(verb, "secrets")
    with pytest.raises(WriteFailed) as refused:
        refusing.carry_out(change_of(prometheus(archives)))
    assert (refused.value.trouble, refused.value.grant) == (
        Trouble.REFUSED,
        f"allow {verb} secrets in namespace monitoring",
    )
    assert refusing.objects() == {}


def test_an_object_of_another_installation_is_not_taken_over(lab: HelmLab, archives: dict[str, Path]) -> None:
    lab.kube.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}})
    there = {"name": "prometheus-server", "namespace": "monitoring"}
    lab.kube.add({"apiVersion": "v1", "kind": "ConfigMap", "metadata": there, "data": {"a": "b"}})
    with pytest.raises(WriteFailed, match="invalid ownership metadata") as refused:
        lab.carry_out(change_of(prometheus(archives)))
    assert refused.value.trouble is Trouble.CONFLICT
    assert lab.objects() == {"configmaps": ["prometheus-server"]}


def test_the_chart_comes_from_a_repository_and_its_digest_is_held_to(
    lab: HelmLab, archives: dict[str, Path], tmp_path: Path
) -> None:
    with repository([archives["prometheus"]], tmp_path) as address:
        flags = [f"prometheus.repository={address}", f"prometheus.digest={digest_of(archives['prometheus'])}"]
        release = prometheus_release(load_settings(None, flags))
        lab.carry_out(change_of(release))
        assert server(lab)["replicas"] == 1
        lab.carry_out(change_of(release), undoing=True)
        other = replace(release, chart=replace(release.chart, digest=f"sha256:{'0' * 64}"))
        with pytest.raises(WriteFailed, match="was agreed to") as refused:
            lab.carry_out(change_of(other))
        assert refused.value.trouble is Trouble.CONFLICT
        missing = replace(release, chart=replace(release.chart, version="99.0.0", digest=""))
        with pytest.raises(WriteFailed, match=r"prometheus 99\.0\.0: .*not found") as refused:
            lab.carry_out(change_of(missing))
    with pytest.raises(WriteFailed, match="cannot be reached") as refused:
        lab.carry_out(change_of(replace(release, chart=replace(release.chart, repository="http://127.0.0.1:1/"))))
    assert refused.value.trouble is Trouble.REFUSED
    assert "take an archive" in refused.value.grant
    assert lab.objects() == {}


def test_values_that_the_schema_refuses_are_refused_before_anything_is_made(
    lab: HelmLab, archives: dict[str, Path]
) -> None:
    change = change_of(prometheus(archives, "prometheus.values={server: {replicaCount: two}}"))
    with pytest.raises(WriteFailed, match=r"server.replicaCount|/server/replicaCount"):
        lab.rehearse(change)
    with pytest.raises(WriteFailed, match="specifications of the schema") as refused:
        lab.carry_out(change)
    assert refused.value.trouble is Trouble.INVALID
    assert lab.objects() == {}


def test_the_printed_commands_do_what_efsdiag_does(lab: HelmLab, archives: dict[str, Path]) -> None:
    flags = ['prometheus.values={server: {nodeSelector: {"it\'s": \'a "b" $c\'}}}']
    flags += [f"prometheus.digest={digest_of(archives['prometheus'])}"]
    change = change_of(prometheus(archives, *flags))
    assert change.undo is not None
    lab.carry_out(change)
    by_us = server(lab)
    lab.carry_out(change, undoing=True)
    shell(lab, command_of(change.write))
    assert server(lab) == by_us
    with pytest.raises(WriteFailed) as there:
        lab.carry_out(change)
    assert there.value.trouble is Trouble.THERE
    shell(lab, command_of(change.undo))
    assert lab.objects() == {}
    other = change_of(prometheus(archives, f"prometheus.digest=sha256:{'0' * 64}"))
    with pytest.raises(AssertionError, match="did NOT match"):
        shell(lab, command_of(other.write))
    assert lab.objects() == {}


def shell(lab: HelmLab, command: str) -> None:
    """Runs a command as a user would."""
    with consents.helm_by_hand():
        done = subprocess.run(
            ["sh", "-euc", command], env=lab.environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, command + done.stderr


def test_helm_keeps_its_own_secrets_and_efsdiag_asks_for_none(lab: HelmLab, archives: dict[str, Path]) -> None:
    lab.carry_out(change_of(prometheus(archives)))
    agents = {r.headers.get("user-agent", "").partition("/")[0] for r in lab.kube.requests if "secrets" in r.path}
    assert agents == {"Helm"}
    assert json.dumps(lab.objects()["secrets"]) == '["sh.helm.release.v1.prometheus.v1"]'


def test_undo_takes_a_release_of_the_journal_back(archives: dict[str, Path], tmp_path: Path) -> None:
    with lab_of("nfs-port-closed", tmp_path) as whole:
        file = tmp_path / "plan.json"
        assert whole.run("plan", *whole.target, "-o", str(file)).returncode == 0
        agreed = read_plan(file)
        whole.kube.permit()
        lab = HelmLab(whole.kube, tmp_path, os.path.dirname(str(HELM)))
        namespace = agreed.target.namespace
        change = change_of(replace(prometheus(archives), name="beside", namespace=namespace))
        plan = consents.agree(replace(plan_with(change), place=agreed.place, target=agreed.target))
        journal = begin(whole.journal, plan, NOW)
        with lab.helm() as helm:
            ended = carry_out(plan, Consent(plan.digest), lab.writer(plan, helm), journal, lambda: NOW)
        assert ended.error is None
        assert whole.kube.object("deployments.apps", "beside-prometheus-server", namespace)

        shown = whole.run("undo", "--approve", plan.digest, **lab.environment)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert f"helm uninstall beside --namespace {namespace}" in shown.stdout
        assert whole.kube.object("deployments.apps", "beside-prometheus-server", namespace) is None
        again = whole.run("undo", journal.id, "--approve", plan.digest, **lab.environment)
        assert "nothing of" in again.stdout
