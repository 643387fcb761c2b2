"""The checks of rules/csi.yaml that objects decide: the driver's object, node plugin, controller, class and version."""

from __future__ import annotations

from typing import Any

import pytest
from values import (
    NODE,
    Object,
    attempt,
    claim,
    efs_volume,
    heard,
    modes,
    node,
    pod,
    provisioning,
    said,
    storage_class,
)
from worlds.base import healthy
from worlds.look import diagnosis_of
from worlds.world import Shape

from efsdiag.checks.csi import (
    class_parameters_valid,
    controller_running,
    controller_spread,
    driver_current,
    driver_object_present,
    driver_registered_on_node,
    node_plugin_on_node,
    node_plugin_runs,
    node_plugin_started,
)
from efsdiag.evidence.messages import Heard
from efsdiag.model import Ref, State, Status, Unread, Verdict
from efsdiag.semantics.driver import DriverVersion

VOLUMES = (efs_volume(),)
DRIVER: Object = {"kind": "CSIDriver", "metadata": {"name": "efs.csi.aws.com"}, "spec": {"attachRequired": False}}
PLUGIN_POD = "efs-csi-node-abcde"
PLUGIN_REF = Ref("Pod", PLUGIN_POD, "kube-system")
CONTROLLER_POD = "efs-csi-controller-1"
RUNS: Object = {"ready": True, "restartCount": 0, "state": {"running": {}}}
CRASHES: Object = {
    "ready": False,
    "restartCount": 7,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
}
PULLS: Object = {
    "ready": False,
    "restartCount": 0,
    "image": "public.ecr.aws/x:v9",
    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}},
}
NOT_REGISTERED = "driver name efs.csi.aws.com not found in the list of registered CSI drivers"


def workload(
    kind: str, name: str, *, replicas: int = 2, tag: str = "v3.5.0", status: Object | None = None, **c: Any
) -> Object:
    plugin = {"name": "efs-plugin", "image": f"public.ecr.aws/efs-csi-driver/amazon/aws-efs-csi-driver:{tag}", **c}
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [plugin]}}},
        "status": status or {},
    }


DAEMONS = workload("DaemonSet", "efs-csi-node", status={"desiredNumberScheduled": 2})
CONTROLLER = workload("Deployment", "efs-csi-controller")


def csi_node(*drivers: str) -> Object:
    return {"metadata": {"name": NODE}, "spec": {"drivers": [{"name": d} for d in drivers]}}


def driver_pod(name: str = PLUGIN_POD, *, ready: bool = False, node: str = NODE, **containers: Object) -> Object:
    """A pod of the driver; `containers` are statuses by name, "_" for "-"."""
    statuses = [{"name": n.replace("_", "-"), **s} for n, s in containers.items()]
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"nodeName": node},
        "status": {"conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": statuses},
    }


def mount_failed(text: str) -> Heard:
    return heard(said("pod-event", "FailedMount", text))


# ---- the CSIDriver object


def test_driver_object_present_passes_and_skips() -> None:
    assert driver_object_present(VOLUMES, DRIVER).state is State.PASS
    assert driver_object_present((), None).state is State.SKIP


def test_driver_object_present_fails_where_the_object_is_gone_and_the_pods_are_there() -> None:
    verdict = driver_object_present(VOLUMES, None, DAEMONS, csi_node(), heard())
    assert modes(verdict) == ["csi.driver-object-missing"]
    assert verdict.says == "the driver's pods exist, but there is no CSIDriver efs.csi.aws.com"


def test_driver_object_present_fails_where_the_object_asks_for_an_attacher() -> None:
    asks = {**DRIVER, "spec": {"attachRequired": True}}
    verdict = driver_object_present(VOLUMES, asks, DAEMONS, csi_node("efs.csi.aws.com"), heard())
    assert modes(verdict) == ["csi.driver-object-missing"]
    assert "attachRequired true" in verdict.says


@pytest.mark.parametrize("node", [csi_node(), None, Unread("no")], ids=["lists-none", "no-csi-node", "unreadable"])
def test_driver_object_present_fails_where_nothing_of_the_driver_is_there(node: Any) -> None:
    assert modes(driver_object_present(VOLUMES, None, None, node, heard())) == ["csi.driver-not-installed"]


def test_a_driver_that_the_node_knows_is_installed_whatever_runs_it() -> None:
    verdict = driver_object_present(VOLUMES, None, None, csi_node("efs.csi.aws.com"), heard())
    assert modes(verdict) == ["csi.driver-object-missing"]
    assert verdict.says == "the node knows the driver, but there is no CSIDriver efs.csi.aws.com"


def test_driver_object_present_is_unknown_where_its_pods_cannot_be_looked_for() -> None:
    verdict = driver_object_present(VOLUMES, None, Unread("refused", "list daemonsets"))
    assert verdict.state is State.UNKNOWN
    assert verdict.grant == "list daemonsets"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (f'MountVolume.SetUp failed for volume "{VOLUMES[0].name}" : rpc error', State.UNKNOWN),
        (f'MountVolume.MountDevice failed for volume "{VOLUMES[0].name}" : rpc error', State.UNKNOWN),
        (f'MountVolume.WaitForAttach failed for volume "{VOLUMES[0].name}" : timed out', State.FAIL),
        ('MountVolume.SetUp failed for volume "config" : configmap "x" not found', State.FAIL),
    ],
)
def test_only_the_mount_of_the_efs_volume_itself_shows_that_nobody_waits_for_an_attacher(
    text: str, state: State
) -> None:
    assert driver_object_present(VOLUMES, None, DAEMONS, csi_node(), mount_failed(text)).state is state


# ---- registered


def registered(node: Object | None, **overrides: Any) -> Verdict:
    return driver_registered_on_node(attempt("scheduled", **overrides), VOLUMES, pod(), node)


def test_driver_registered_on_node_passes_skips_and_waits() -> None:
    assert registered(csi_node("ebs.csi.aws.com", "efs.csi.aws.com")).state is State.PASS
    assert driver_registered_on_node(attempt("scheduled"), (), pod(), csi_node()).state is State.SKIP
    assert driver_registered_on_node(attempt("unscheduled"), VOLUMES, pod(node=None), None).state is State.WAITING
    assert registered(csi_node(), young=True).state is State.WAITING


@pytest.mark.parametrize(
    ("node", "has"),
    [(csi_node("ebs.csi.aws.com"), "it lists ebs.csi.aws.com"), (csi_node(), "it lists none"), (None, "it lists none")],
)
def test_driver_registered_on_node_fails_with_what_the_node_lists(node: Object | None, has: str) -> None:
    verdict = registered(node)
    assert modes(verdict) == ["csi.node-plugin-not-registered"]
    assert verdict.says == f"the kubelet of {NODE} does not know efs.csi.aws.com; {has}"


# ---- the node plugin's pod


def on_node(pods: list[Object] | None, daemons: Object | None = DAEMONS, driver: Any = DRIVER) -> Verdict:
    return node_plugin_on_node(attempt("scheduled"), VOLUMES, pod(), daemons, pods, driver)


def test_node_plugin_on_node_passes_skips_and_waits() -> None:
    assert on_node([driver_pod()]).state is State.PASS
    assert node_plugin_on_node(attempt(), (), pod()).state is State.SKIP
    waits = node_plugin_on_node(attempt("unscheduled"), VOLUMES, pod(node=None), DAEMONS, None, DRIVER)
    assert waits.state is State.WAITING


def test_node_plugin_on_node_fails_where_the_daemon_set_leaves_the_node_out() -> None:
    verdict = on_node([])
    assert modes(verdict) == ["csi.node-daemonset-not-on-node"]
    assert verdict.says == f"no pod of efs-csi-node stands on {NODE}; it wants 2 nodes in all"
    assert verdict.findings[0].proof == ("tolerations: none", "nodeSelector: none")


@pytest.mark.parametrize(("driver", "sure"), [(None, True), (DRIVER, False), (Unread("no"), False)])
def test_node_plugin_on_node_is_sure_that_nothing_is_installed_only_without_the_object(driver: Any, sure: bool) -> None:
    verdict = on_node(None, None, driver)
    assert modes(verdict) == ["csi.driver-not-installed"]
    assert verdict.findings[0].sure is sure


def runs(*pods: Object, ears: Heard | None = None) -> Verdict:
    return node_plugin_runs(attempt("scheduled"), VOLUMES, list(pods), ears or heard())


def test_node_plugin_runs_passes_skips_and_waits() -> None:
    assert runs(driver_pod(ready=True)).state is State.PASS
    assert node_plugin_runs(attempt(), (), None).state is State.SKIP
    assert runs().state is State.WAITING


def test_node_plugin_runs_passes_where_another_container_of_it_is_not_ready() -> None:
    probe = driver_pod(efs_plugin={**RUNS, "restartCount": 3}, csi_driver_registrar=RUNS, liveness_probe=PULLS)
    assert runs(probe).state is State.PASS


def test_node_plugin_runs_looks_at_the_new_pod_while_the_old_one_goes() -> None:
    assert runs(driver_pod("efs-csi-node-aaaaa"), driver_pod("efs-csi-node-zzzzz", ready=True)).state is State.PASS


def test_node_plugin_runs_fails_where_it_was_killed_for_its_memory() -> None:
    killed = {**CRASHES, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    assert modes(runs(driver_pod(efs_plugin=killed, csi_driver_registrar=CRASHES))) == ["csi.node-plugin-oom"]


def test_node_plugin_runs_does_not_blame_the_memory_of_long_ago() -> None:
    once = {**RUNS, "restartCount": 1, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    verdict = runs(driver_pod(efs_plugin=once, csi_driver_registrar=CRASHES))
    assert modes(verdict) == ["csi.node-topology-collision"]


def test_node_plugin_runs_fails_with_the_exit_code_of_a_crash() -> None:
    verdict = runs(driver_pod(efs_plugin=CRASHES, csi_driver_registrar=CRASHES), ears=mount_failed(NOT_REGISTERED))
    assert modes(verdict) == ["csi.node-plugin-crash"]
    assert verdict.says == f"efs-plugin of {PLUGIN_POD} does not stay up: exit code 1"


def test_node_plugin_runs_fails_with_what_the_plugin_printed_before_it_crashed() -> None:
    line = "F1121 driver.go:70] could not get metadata: node providerID empty, cannot parse"
    verdict = runs(driver_pod(efs_plugin=CRASHES), ears=heard(said("plugin-log", "efs-plugin", line, PLUGIN_REF)))
    assert modes(verdict) == ["csi.node-plugin-crash"]
    assert "node providerID empty" in verdict.says


COLLISION = (
    "plugin registration failed with err: detected topology value collision: driver reported "
    '"topology.kubernetes.io/zone":"eu-west-1b" but existing label is "topology.kubernetes.io/zone":"local"'
)


@pytest.mark.parametrize("told", [True, False], ids=["told", "silent"])
def test_node_plugin_runs_is_sure_of_a_collision_of_zones_where_the_registrar_tells(told: bool) -> None:
    ears = heard(said("registrar-log", "csi-driver-registrar", COLLISION, PLUGIN_REF)) if told else heard()
    verdict = runs(driver_pod(efs_plugin=RUNS, csi_driver_registrar=CRASHES), ears=ears)
    assert modes(verdict) == ["csi.node-topology-collision"]
    assert verdict.findings[0].sure is told


@pytest.mark.parametrize(
    ("reason", "text", "mode"),
    [
        (
            "FailedMount",
            'MountVolume.SetUp failed for volume "registration-dir" : hostPath type check failed: '
            "/var/lib/kubelet/plugins_registry/ is not a directory",
            "csi.node-kubelet-path",
        ),
        ("Failed", "Error: mkdir /etc/amazon: read-only file system", "csi.node-selinux-or-readonly-host-path"),
    ],
)
def test_node_plugin_runs_fails_with_the_event_of_the_plugins_own_pod(reason: str, text: str, mode: str) -> None:
    creating = {"ready": False, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
    stuck = driver_pod(efs_plugin=creating, csi_driver_registrar=creating)
    verdict = runs(stuck, ears=heard(said("plugin-event", reason, text, PLUGIN_REF)))
    assert modes(verdict) == [mode]
    assert not verdict.findings[0].sure
    assert runs(stuck, ears=mount_failed(NOT_REGISTERED)).state is State.UNKNOWN


@pytest.mark.parametrize("name", ["efs_plugin", "csi_driver_registrar"])
def test_node_plugin_runs_fails_where_an_image_of_it_cannot_be_pulled(name: str) -> None:
    verdict = runs(driver_pod(**{"efs_plugin": RUNS, "csi_driver_registrar": RUNS, name: PULLS}))
    assert modes(verdict) == ["container.image-pull"]
    assert "public.ecr.aws/x:v9" in verdict.says


def test_node_plugin_runs_is_unknown_where_nothing_says_why_it_is_not_ready() -> None:
    assert runs(driver_pod()).state is State.UNKNOWN


# ---- the controller

WAITING_CLAIM = (provisioning(claim()),)


def controls(
    *pods: Object,
    deployment: Object | None = CONTROLLER,
    driver: Any = DRIVER,
    ears: Heard | None = None,
    of: Any = WAITING_CLAIM,
) -> Verdict:
    return controller_running(True, of, of, deployment, list(pods), driver, ears or heard())


def test_controller_running_passes_where_one_pod_is_ready() -> None:
    verdict = controls(driver_pod("down"), driver_pod(CONTROLLER_POD, ready=True))
    assert verdict.state is State.PASS
    assert verdict.says == f"{CONTROLLER_POD} is ready"


def test_controller_running_does_not_apply_to_a_claim_of_other_storage() -> None:
    ebs = (provisioning(claim(), storage_class("gp3", "ebs.csi.aws.com")),)
    assert controller_running(True, ebs, (), CONTROLLER, [], DRIVER, heard()).state is State.SKIP


def test_controller_running_fails_also_where_every_claim_is_bound_so_that_it_is_known() -> None:
    assert modes(controls(of=())) == ["csi.controller-not-running"]


def test_controller_running_fails_where_it_is_scaled_to_zero_or_crashes() -> None:
    none = controls(deployment=workload("Deployment", "efs-csi-controller", replicas=0))
    assert modes(none) == ["csi.controller-not-running"]
    assert none.says == "the controller is scaled to zero"
    crashed = controls(driver_pod(CONTROLLER_POD, efs_plugin=CRASHES))
    assert modes(crashed) == ["csi.controller-not-running"]
    assert crashed.says == "none of the controller's 2 pods is ready"
    assert crashed.findings[0].sure


def test_controller_running_is_not_sure_of_a_crash_whose_log_nobody_read() -> None:
    deaf = heard(unread={"plugin-log": Unread("logs may not be read")})
    assert not controls(driver_pod(CONTROLLER_POD, efs_plugin=CRASHES), ears=deaf).findings[0].sure
    assert controls(deployment=workload("Deployment", "c", replicas=0), ears=deaf).findings[0].sure


@pytest.mark.parametrize(
    ("driver", "mode"), [(None, "csi.driver-not-installed"), (DRIVER, "csi.controller-not-running")]
)
def test_controller_running_fails_without_a_deployment(driver: Any, mode: str) -> None:
    assert modes(controls(deployment=None, driver=driver)) == [mode]


@pytest.mark.parametrize(("name", "state"), [("prometheus-server", State.UNKNOWN), ("other", State.FAIL)])
def test_controller_running_is_unknown_without_a_deployment_that_speaks_of_the_claim(name: str, state: State) -> None:
    of = Ref("PersistentVolumeClaim", name, "monitoring")
    ears = heard(said("claim-event", "Provisioning", "External provisioner is provisioning volume", of))
    assert controls(deployment=None, ears=ears).state is state


def test_controller_running_is_unknown_where_the_deployment_counts_pods_that_were_not_found() -> None:
    counted = workload("Deployment", "efs-csi-controller", status={"availableReplicas": 2})
    assert controls(deployment=counted).state is State.UNKNOWN


METADATA = "could not get metadata: node providerID empty, cannot parse"
FIPS = (
    "FIPS endpoints are not available in region eu-west-1. FIPS endpoints are only supported in US and Canada regions. "
    "To resolve this, either set AWS_USE_FIPS_ENDPOINT=false or deploy your workload in a FIPS-supported region"
)


@pytest.mark.parametrize(
    ("line", "mode"), [(METADATA, "csi.controller-crash-metadata"), (FIPS, "csi.controller-fips-region")]
)
def test_controller_running_fails_with_what_its_own_pod_printed(line: str, mode: str) -> None:
    own = heard(said("plugin-log", "efs-plugin", line, Ref("Pod", CONTROLLER_POD, "kube-system")))
    assert modes(controls(driver_pod(CONTROLLER_POD, efs_plugin=CRASHES), ears=own)) == [mode]
    of_the_node = heard(said("plugin-log", "efs-plugin", line, PLUGIN_REF))
    crashed = controls(driver_pod(CONTROLLER_POD, efs_plugin=CRASHES), ears=of_the_node)
    assert modes(crashed) == ["csi.controller-not-running"]


@pytest.mark.parametrize(
    ("region", "tag", "mode"),
    [
        ("ap-northeast-2", "v3.1.0", "csi.controller-fips-region"),
        ("ap-northeast-2", "v2.0.2", "csi.controller-not-running"),
        ("us-east-1", "v3.1.0", "csi.controller-not-running"),
        ("", "v3.1.0", "csi.controller-not-running"),
    ],
)
def test_controller_running_fails_for_fips_where_there_is_none(region: str, tag: str, mode: str) -> None:
    env = [{"name": "AWS_USE_FIPS_ENDPOINT", "value": "true"}, {"name": "AWS_REGION", "value": region}]
    told = workload("Deployment", "efs-csi-controller", tag=tag, env=env)
    assert modes(controls(driver_pod(CONTROLLER_POD, efs_plugin=CRASHES), deployment=told)) == [mode]


def test_controller_spread_passes_skips_and_fails() -> None:
    one, two, same = driver_pod("a"), driver_pod("b", node="worker2"), driver_pod("c")
    assert controller_spread([one, two]).state is State.PASS
    assert controller_spread([one]).state is State.SKIP
    verdict = controller_spread([one, same])
    assert modes(verdict) == ["csi.controller-replicas-colocated"]
    assert verdict.says == f"a, c all stand on {NODE}"


# ---- the class, the version


def parameters(*arguments: str, **changed: str) -> Verdict:
    good = storage_class()["parameters"]
    kept = {k: v for k, v in {**good, **changed}.items() if v}
    deployment = workload("Deployment", "efs-csi-controller", args=list(arguments))
    return class_parameters_valid((provisioning(claim(), storage_class(parameters=kept)),), deployment)


def test_class_parameters_valid_passes_and_skips() -> None:
    assert parameters("--tags=team:a").state is State.PASS
    assert class_parameters_valid(()).state is State.SKIP


@pytest.mark.parametrize(
    ("changed", "mode"),
    [
        ({"fileSystemId": ""}, "csi.invalid-parameters"),
        ({"provisioningMode": "efs"}, "csi.invalid-parameters"),
        ({"directoryPerms": ""}, "csi.directory-perms-missing"),
        ({"directoryPerms": "rwx"}, "csi.directory-perms-missing"),
        ({"subPathPattern": "${.PVC.labels}"}, "csi.subpath-pattern-invalid"),
        ({"enableTagging": "false"}, "csi.enable-tagging-conflict"),
    ],
)
def test_class_parameters_valid_fails(changed: dict[str, str], mode: str) -> None:
    verdict = parameters("--tags=team:a", **changed)
    assert modes(verdict) == [mode]
    assert verdict.says.startswith("class efs-sc: ")


def test_class_parameters_valid_fails_with_everything_that_is_wrong() -> None:
    verdict = parameters(fileSystemId="", directoryPerms="")
    assert modes(verdict) == ["csi.invalid-parameters", "csi.directory-perms-missing"]


SETTINGS = {"oldest": "2.0.0", "faulty_from": "3.0.0", "faulty_to": "3.4.2"}


@pytest.mark.parametrize(
    ("number", "state"),
    [
        ((1, 7, 7), State.FAIL),
        ((2, 0, 0), State.PASS),
        ((3, 0, 0), State.FAIL),
        ((3, 4, 2), State.FAIL),
        ((3, 5, 0), State.PASS),
        (None, State.SKIP),
    ],
)
def test_driver_current_knows_the_versions_with_regressions(number: Any, state: State) -> None:
    tag = "latest" if number is None else "v" + ".".join(str(n) for n in number)
    verdict = driver_current(DriverVersion(tag, number), SETTINGS)
    assert verdict.state is state
    assert state is not State.FAIL or modes(verdict) == ["csi.driver-outdated"]


# ---- in a whole world


def test_a_controller_that_is_down_is_latent_while_the_claim_is_bound() -> None:
    world = healthy(Shape(storage="dynamic"))
    for gone in world.driver_pods("efs-csi-controller"):
        world.remove("pods", gone)
    world.controller["spec"]["replicas"] = 0
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    latent = {f.finding.mode: f.cleared_by for f in diagnosis.latent}
    assert latent["csi.controller-not-running"] == ("volume-provisioned",)


def test_a_node_plugin_that_is_down_is_latent_once_the_volumes_are_mounted() -> None:
    world = healthy(Shape(storage="static"))
    for status in world.node_plugin["status"]["containerStatuses"]:
        status |= CRASHES
    world.node_plugin["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    diagnosis = diagnosis_of(world)
    assert diagnosis.status is Status.HEALTHY
    assert "csi.node-plugin-crash" in {f.finding.mode for f in diagnosis.latent}


# ---- nodes that wait for the node plugin, and Fargate


def started(pods: Any) -> Verdict:
    return node_plugin_started(pod(node=None), pods, DAEMONS)


def test_node_plugin_started_does_not_apply_where_no_node_waits() -> None:
    assert started(None).state is State.SKIP
    assert node_plugin_started(pod(), Unread("refused"), DAEMONS).state is State.SKIP
    assert started(Unread("refused")).state is State.UNKNOWN


def test_node_plugin_started_passes_where_it_is_ready_so_that_the_taint_itself_is_at_fault() -> None:
    assert started({NODE: [driver_pod(ready=True)]}).state is State.PASS


def test_node_plugin_started_fails_where_it_stands_on_no_node_that_waits_for_it() -> None:
    verdict = started({NODE: []})
    assert modes(verdict) == ["csi.node-daemonset-not-on-node"]
    assert NODE in verdict.says


def test_node_plugin_started_fails_with_what_keeps_the_plugin_from_starting() -> None:
    crashing = driver_pod(**{"efs-plugin": {"restartCount": 7, "lastState": {"terminated": {"exitCode": 255}}}})
    assert modes(started({NODE: [crashing]})) == ["csi.node-plugin-crash"]


def test_no_plugin_is_missed_on_fargate() -> None:
    fargate = node(labels={"eks.amazonaws.com/compute-type": "fargate"})
    assert node_plugin_on_node(attempt("scheduled"), VOLUMES, pod(), DAEMONS, [], None, fargate).state is State.SKIP
    assert driver_registered_on_node(attempt("scheduled"), VOLUMES, pod(), None, fargate).state is State.SKIP
