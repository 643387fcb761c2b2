"""The values of the two charts that settings mean."""

from __future__ import annotations

from typing import Any

import pytest

from efsdiag.charts import driver_release, driver_values, merged, prometheus_release, prometheus_values, with_room
from efsdiag.model import Ref
from efsdiag.releases import release_change
from efsdiag.settings import Settings
from efsdiag.settings_file import load_settings
from efsdiag.writes import mark_of


def settings_with(*flags: str) -> Settings:
    return load_settings(None, flags)


def test_prometheus_runs_as_the_owner_of_its_data_and_is_its_only_writer() -> None:
    server = prometheus_values(settings_with("uid=1000", "gid=2000", "claim=data"))["server"]
    context = {"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 2000, "runAsNonRoot": True}
    assert server["securityContext"] == {**context, "seccompProfile": {"type": "RuntimeDefault"}}
    assert server["persistentVolume"] == {"enabled": True, "existingClaim": "data"}
    assert (server["replicaCount"], server["strategy"]) == (1, {"type": "Recreate"})


def test_a_stateful_set_has_no_strategy_of_a_deployment() -> None:
    server = prometheus_values(settings_with("prometheus.statefulSet=true"))["server"]
    assert server["statefulSet"] == {"enabled": True}
    assert "strategy" not in server


def test_root_may_be_asked_for_and_keeps_its_capabilities() -> None:
    values = prometheus_values(settings_with("uid=0"))
    assert values["server"]["securityContext"]["runAsNonRoot"] is False
    assert "containerSecurityContext" not in values["server"]
    assert "configmapReload" not in values


def test_any_other_user_has_no_privileges() -> None:
    values = prometheus_values(settings_with())
    unprivileged = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert values["server"]["containerSecurityContext"] == unprivileged
    assert values["configmapReload"]["prometheus"]["containerSecurityContext"] == unprivileged


@pytest.mark.parametrize(
    ("flags", "persistence"),
    [
        (["storage.way=access-point-dynamic", "storageClass=efs"], {"enabled": True, "storageClass": "efs"}),
        (["storage.way=access-point-static"], {"enabled": False}),
        (["storage.way=directory"], {"enabled": False}),
    ],
)
def test_alertmanager_asks_for_a_volume_only_where_one_is_made(flags: list[str], persistence: dict[str, Any]) -> None:
    values = prometheus_values(settings_with("prometheus.alertmanager=true", *flags))
    assert values["alertmanager"] == {"enabled": True, "persistence": persistence}


def test_what_is_not_wanted_is_switched_off() -> None:
    values = prometheus_values(settings_with("prometheus.nodeExporter=false", "prometheus.kubeStateMetrics=false"))
    parts = ("alertmanager", "prometheus-pushgateway", "prometheus-node-exporter", "kube-state-metrics")
    assert [values[part]["enabled"] for part in parts] == [False] * 4


def test_node_exporter_stands_on_tainted_nodes_too() -> None:
    assert prometheus_values(settings_with())["prometheus-node-exporter"]["tolerations"] == [{"operator": "Exists"}]


def test_a_service_says_who_may_reach_it_only_where_the_settings_do() -> None:
    wide = prometheus_values(settings_with("prometheus.serviceType=LoadBalancer"))["server"]["service"]
    narrow = prometheus_values(settings_with("prometheus.sourceRanges=[10.0.0.0/8]"))["server"]["service"]
    assert wide == {"type": "LoadBalancer"}
    assert narrow == {"type": "ClusterIP", "loadBalancerSourceRanges": ["10.0.0.0/8"]}


def test_the_controller_is_spread_over_nodes_and_has_the_role_of_irsa_where_there_is_one() -> None:
    values = driver_values(settings_with("driver.region=eu-west-1", "driver.tags={team: a}"), "arn:aws:iam::1:role/x")
    (spread,) = values["controller"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], values["controller"]["replicaCount"]) == ("kubernetes.io/hostname", 2)
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/x"}
    assert values["controller"]["serviceAccount"] == {"annotations": annotations}
    assert "serviceAccount" not in values["node"], "the role trusts the controller's service account alone"
    assert values["controller"]["tags"] == {"team": "a"}
    assert values["node"]["env"] == [{"name": "AWS_DEFAULT_REGION", "value": "eu-west-1"}]


@pytest.mark.parametrize(("nodes", "pods"), [(1, 1), (2, 2), (5, 3), (0, 1)])
def test_there_are_no_more_controllers_than_nodes(nodes: int, pods: int) -> None:
    values = driver_values(with_room(settings_with("driver.replicas=3"), nodes))
    assert values["controller"]["replicaCount"] == pods


def test_the_controller_stays_off_nodes_that_take_no_pods() -> None:
    tolerated = [{"key": "efs.csi.aws.com/agent-not-ready", "operator": "Exists"}]
    assert driver_values(settings_with())["controller"]["tolerations"] == tolerated


def test_a_service_account_that_is_there_already_is_not_made_by_the_chart() -> None:
    values = driver_values(settings_with(), "arn:aws:iam::1:role/x", own_account=False)
    assert values["controller"]["serviceAccount"] == {"create": False}


def test_a_driver_of_defaults_sets_nothing_for_its_node_plugin() -> None:
    assert driver_values(settings_with()).keys() == {"controller"}


def test_values_of_the_file_win_and_leave_what_stands_beside_them() -> None:
    values = prometheus_values(settings_with("prometheus.values={server: {retention: 3d, nodeSelector: {a: b}}}"))
    assert (values["server"]["retention"], values["server"]["nodeSelector"]) == ("3d", {"a": "b"})
    assert values["server"]["replicaCount"] == 1


def test_a_list_and_a_null_replace_what_they_stand_over() -> None:
    assert merged({"a": {"b": [1, 2], "c": {"d": 1}}}, {"a": {"b": [3], "c": None}}) == {"a": {"b": [3], "c": None}}


def test_the_releases_are_of_pinned_charts_in_their_namespaces() -> None:
    driver, prometheus = driver_release(settings_with()), prometheus_release(settings_with())
    assert (driver.namespace, driver.chart.version, driver.create_namespace) == ("kube-system", "4.4.1", False)
    assert (prometheus.namespace, prometheus.chart.version) == ("monitoring", "29.27.0")
    assert prometheus.create_namespace


def test_an_archive_stands_before_the_repository() -> None:
    digest = f"sha256:{'a' * 64}"
    release = driver_release(settings_with("driver.archive=/charts/d.tgz", f"driver.digest={digest}"))
    given = release.write.parameters
    assert (given["chart"], given["repository"], given["version"]) == ("/charts/d.tgz", "", "")
    assert given["digest"] == digest


@pytest.mark.parametrize(("present", "undo"), [(False, "helm:uninstall"), (True, "helm:rollback")])
def test_the_undo_names_the_revision_that_the_change_makes(present: bool, undo: str) -> None:
    change = release_change(prometheus_release(settings_with()), "x", Ref("Release", "prometheus"), present=present)
    assert change.undo is not None
    assert change.undo.operation == undo
    assert change.undo.parameters["mark"] == mark_of(change.write)


def test_the_mark_is_another_one_for_other_values() -> None:
    one, other = (prometheus_release(settings_with(f"uid={uid}")).write for uid in (1000, 1001))
    assert mark_of(one) != mark_of(other)
