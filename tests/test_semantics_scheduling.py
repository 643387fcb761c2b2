"""Which nodes the scheduler can give to a pod. Expected values follow Kubernetes v1.36."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from efsdiag.semantics.scheduling import (
    Condition,
    Filter,
    bad_conditions,
    first_excluding_filter,
    free_resources,
    is_cordoned,
    is_ready,
    judge_condition,
    lacks,
    matches_selector,
    pod_requests,
    taint_text,
    untolerated_taints,
    volume_affinity_matches,
)

MI, GI = 2**20, 2**30
CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
DEDICATED = {"key": "dedicated", "value": "monitoring", "effect": "NoExecute"}
ZONE = "topology.kubernetes.io/zone"


def a_pod(name: str = "prometheus-server-0", phase: str = "Pending", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "monitoring", "name": name}, "spec": spec, "status": {"phase": phase}}


def requesting(**requests: str) -> dict[str, Any]:
    return {"resources": {"requests": {name.replace("_", "-"): size for name, size in requests.items()}}}


def a_node(
    name: str = "worker1", ready: str = "True", labels: Any = None, allocatable: Any = None, **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {
            "allocatable": allocatable or {"cpu": "2", "memory": "4Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady"}],
        },
    }


def wanting(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return a_pod(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}})


def expression(operator: str, *values: str, key: str = "disk") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


# Taints


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoExecute"},
        {"key": "dedicated", "operator": "Exists"},
        {"key": "dedicated", "operator": "Equal", "value": "monitoring"},
        {"key": "dedicated", "value": "monitoring", "effect": "NoExecute"},
        {"key": "dedicated", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1},
    ],
)
def test_a_toleration_covers_the_taint_that_it_describes(toleration: dict[str, Any]) -> None:
    assert untolerated_taints(a_pod(tolerations=[toleration]), a_node(taints=[DEDICATED])) == []


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "dedicated"},
        {"key": "dedicated", "operator": "Equal", "value": "logging"},
        {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists"},
        {"key": "dedicated", "operator": "Gt", "value": "3"},
        {"key": "dedicated", "operator": "Like", "value": "monitoring"},
    ],
)
def test_a_toleration_does_not_cover_another_taint(toleration: dict[str, Any]) -> None:
    assert untolerated_taints(a_pod(tolerations=[toleration]), a_node(taints=[DEDICATED])) == [DEDICATED]


def test_a_taint_that_is_only_a_preference_excludes_nobody() -> None:
    node = a_node(taints=[{"key": "slow", "effect": "PreferNoSchedule"}, CONTROL_PLANE])
    assert untolerated_taints(a_pod(), node) == [CONTROL_PLANE]
    assert untolerated_taints({}, {}) == []


@pytest.mark.parametrize(("operator", "covered"), [("Gt", {"5", "4"}), ("Lt", {"2"}), ("Equal", {"3"})])
def test_numeric_tolerations_compare_the_taint_with_their_own_value(operator: str, covered: set[str]) -> None:
    pod = a_pod(tolerations=[{"key": "sla", "operator": operator, "value": "3"}])
    nodes = {v: a_node(taints=[{"key": "sla", "value": v, "effect": "NoSchedule"}]) for v in ("2", "3", "4", "5", "x")}
    assert {value for value, node in nodes.items() if not untolerated_taints(pod, node)} == covered


def test_taints_are_written_as_kubectl_writes_them() -> None:
    assert taint_text(CONTROL_PLANE) == "node-role.kubernetes.io/control-plane:NoSchedule"
    assert taint_text(DEDICATED) == "dedicated=monitoring:NoExecute"


# Selectors


def test_a_node_selector_wants_every_label() -> None:
    pod = a_pod(nodeSelector={"disk": "ssd", "zone": "a"})
    assert matches_selector(pod, a_node(labels={"disk": "ssd", "zone": "a", "x": "y"}))
    assert not matches_selector(pod, a_node(labels={"disk": "ssd"}))
    assert matches_selector(a_pod(), a_node())


@pytest.mark.parametrize(
    ("term", "matching"),
    [
        (expression("In", "ssd", "3"), {"ssd", "3"}),
        (expression("NotIn", "ssd"), {"3", "7", None}),
        (expression("Exists"), {"ssd", "3", "7"}),
        (expression("DoesNotExist"), {None}),
        (expression("Gt", "3"), {"7"}),
        (expression("Lt", "7"), {"3"}),
        (expression("Gt", "-3"), set()),
        (expression("In"), set()),
        (expression("NotIn"), set()),
        (expression("Exists", "ssd"), set()),
        (expression("Near", "ssd"), set()),
        ({}, set()),
    ],
)
def test_a_required_expression_matches_by_its_operator(term: dict[str, Any], matching: set[str | None]) -> None:
    labels = {value: {"disk": value} if value else {} for value in ("ssd", "3", "7", None)}
    found = {value for value, given in labels.items() if matches_selector(wanting(term), a_node(labels=given))}
    assert found == matching


def test_terms_are_alternatives_and_the_requirements_of_a_term_are_not() -> None:
    both = {"matchExpressions": [*expression("In", "ssd")["matchExpressions"], {"key": "zone", "operator": "Exists"}]}
    assert matches_selector(wanting(expression("In", "hdd"), both), a_node(labels={"disk": "ssd", "zone": "a"}))
    assert not matches_selector(wanting(expression("In", "hdd"), both), a_node(labels={"disk": "ssd"}))
    assert not matches_selector(wanting(), a_node(labels={"disk": "ssd"}))


@pytest.mark.parametrize(
    ("operator", "values", "key", "matching"),
    [
        ("In", ["worker1"], "metadata.name", {"worker1"}),
        ("NotIn", ["worker1"], "metadata.name", {"worker2"}),
        ("In", ["worker1", "worker2"], "metadata.name", set()),
        ("Exists", [], "metadata.name", set()),
        ("In", ["worker1"], "metadata.uid", set()),
    ],
)
def test_match_fields_compare_the_name_of_the_node(
    operator: str, values: list[str], key: str, matching: set[str]
) -> None:
    pod = wanting({"matchFields": [{"key": key, "operator": operator, "values": values}]})
    assert {name for name in ("worker1", "worker2") if matches_selector(pod, a_node(name))} == matching


def test_the_node_selector_and_the_affinity_must_both_match() -> None:
    pod = wanting(expression("In", "ssd"))
    pod["spec"]["nodeSelector"] = {"zone": "a"}
    assert matches_selector(pod, a_node(labels={"disk": "ssd", "zone": "a"}))
    assert not matches_selector(pod, a_node(labels={"disk": "ssd"}))
    assert not matches_selector(pod, a_node(labels={"zone": "a"}))


def one_zone(zone: str) -> dict[str, Any]:
    required = {"nodeSelectorTerms": [expression("In", zone, key=ZONE)]}
    return {"metadata": {"name": "efs-one-zone"}, "spec": {"nodeAffinity": {"required": required}}}


def test_a_volume_without_node_affinity_matches_every_node_and_a_zonal_one_its_zone() -> None:
    assert volume_affinity_matches({"spec": {}}, a_node())
    assert volume_affinity_matches(one_zone("a"), a_node(labels={ZONE: "a"}))
    assert not volume_affinity_matches(one_zone("a"), a_node(labels={ZONE: "b"}))


# Conditions


@pytest.mark.parametrize(
    ("kind", "status", "judged"),
    [
        ("Ready", "True", Condition.GOOD),
        ("Ready", "False", Condition.BAD),
        ("Ready", "Unknown", Condition.BAD),
        ("DiskPressure", "True", Condition.BAD),
        ("DiskPressure", "False", Condition.GOOD),
        ("MemoryPressure", "Unknown", Condition.INFORMATION),
        ("NetworkUnavailable", "True", Condition.BAD),
        ("FrequentKubeletRestart", "True", Condition.INFORMATION),
        ("FrequentKubeletRestart", "False", Condition.INFORMATION),
    ],
)
def test_a_condition_is_judged_by_the_polarity_of_its_type(kind: str, status: str, judged: Condition) -> None:
    assert judge_condition({"type": kind, "status": status}) is judged


def test_the_bad_conditions_of_a_node_are_listed_and_the_unknown_types_are_not() -> None:
    node = a_node(ready="Unknown")
    node["status"]["conditions"] += [
        {"type": "DiskPressure", "status": "True"},
        {"type": "PIDPressure", "status": "False"},
        {"type": "KernelDeadlock", "status": "True"},
    ]
    assert [condition["type"] for condition in bad_conditions(node)] == ["Ready", "DiskPressure"]


def test_a_node_is_ready_only_when_it_says_so() -> None:
    assert is_ready(a_node())
    assert not is_ready(a_node(ready="Unknown"))
    assert not is_ready({})
    assert is_cordoned(a_node(unschedulable=True))
    assert not is_cordoned(a_node())


# Resources


def test_a_pod_requests_the_sum_of_its_containers_and_its_overhead() -> None:
    pod = a_pod(containers=[requesting(cpu="500m", memory="1Gi"), requesting(cpu="1"), {}], overhead={"cpu": "250m"})
    assert pod_requests(pod) == {"cpu": Fraction(7, 4), "memory": GI}


def test_an_init_container_counts_only_as_far_as_it_needs_more() -> None:
    pod = a_pod(
        containers=[requesting(cpu="1", memory="1Gi")],
        initContainers=[requesting(cpu="500m", memory="3Gi"), requesting(ephemeral_storage="1Gi")],
    )
    assert pod_requests(pod) == {"cpu": 1, "memory": 3 * GI, "ephemeral-storage": GI}


def test_a_sidecar_counts_beside_the_containers_and_beside_the_init_containers_after_it() -> None:
    sidecar = {**requesting(memory="1Gi"), "restartPolicy": "Always"}
    before = a_pod(containers=[requesting(memory="1Gi")], initContainers=[requesting(memory="3Gi"), sidecar])
    after = a_pod(containers=[requesting(memory="1Gi")], initContainers=[sidecar, requesting(memory="3Gi")])
    assert pod_requests(before) == {"memory": 3 * GI}
    assert pod_requests(after) == {"memory": 4 * GI}


def test_requests_of_the_whole_pod_replace_those_of_its_containers() -> None:
    pod = a_pod(containers=[requesting(cpu="1", memory="1Gi")], **requesting(memory="128Mi", ephemeral_storage="9Gi"))
    assert pod_requests(pod) == {"cpu": 1, "memory": 128 * MI}


def test_a_node_has_left_what_its_running_pods_do_not_request() -> None:
    running = a_pod("a", "Running", containers=[requesting(cpu="500m")])
    ended = a_pod("b", "Succeeded", containers=[requesting(cpu="1")])
    failed = a_pod("c", "Failed", containers=[requesting(cpu="1")])
    assert free_resources(a_node(), [running, ended, failed]) == {"cpu": Fraction(3, 2), "memory": 4 * GI, "pods": 109}


def test_a_pod_lacks_what_it_wants_beyond_what_is_free() -> None:
    pod = a_pod(containers=[requesting(cpu="2", memory="1Gi", nvidia="1")])
    others = [a_pod("a", "Running", containers=[requesting(cpu="1500m")])]
    assert lacks(pod, a_node(), others) == {"cpu": (2, Fraction(1, 2)), "nvidia": (1, 0)}
    assert lacks(a_pod(containers=[requesting(cpu="500m")]), a_node(), others) == {}


def test_a_request_of_nothing_fits_a_node_that_promised_too_much() -> None:
    full = [a_pod("a", "Running", containers=[requesting(cpu="3")])]
    assert free_resources(a_node(), full)["cpu"] == -1
    assert lacks(a_pod(containers=[requesting(cpu="0")]), a_node(), full) == {}


def test_a_node_takes_no_more_pods_than_it_allows() -> None:
    node = a_node(allocatable={"cpu": "2", "memory": "4Gi", "pods": "1"})
    assert lacks(a_pod(), node, []) == {}
    assert lacks(a_pod(), node, [a_pod("other", "Running")]) == {"pods": (1, 0)}


def test_the_pod_itself_is_not_in_its_own_way() -> None:
    node = a_node(allocatable={"cpu": "1", "pods": "1"})
    pod = a_pod(containers=[requesting(cpu="1")])
    assert lacks(pod, node, [pod]) == {}
    namesake = {**pod, "metadata": {**pod["metadata"], "uid": "u2"}}
    mine = {**pod, "metadata": {**pod["metadata"], "uid": "u1"}}
    assert set(lacks(mine, node, [namesake])) == {"cpu", "pods"}


def test_a_node_that_reports_nothing_allocatable_takes_no_pod() -> None:
    assert lacks(a_pod(), {"metadata": {"name": "new"}}, []) == {"pods": (1, 0)}


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=6), st.integers(1, 8000))
def test_a_pod_fits_exactly_when_the_sum_of_all_requests_is_within_what_is_allocatable(
    taken: list[int], wanted: int
) -> None:
    node = a_node(allocatable={"cpu": "8", "pods": "110"})
    others = [a_pod(str(i), "Running", containers=[requesting(cpu=f"{m}m")]) for i, m in enumerate(taken)]
    pod = a_pod(containers=[requesting(cpu=f"{wanted}m")])
    assert (not lacks(pod, node, others)) is (sum(taken) + wanted <= 8000)


# The filters together


def test_a_node_that_passes_everything_is_left_and_the_others_have_their_reasons() -> None:
    found = first_excluding_filter(a_pod(), [a_node("master", taints=[CONTROL_PLANE]), a_node()], [], {})
    assert found.filter is None
    assert found.left == ("worker1",)
    assert [(e.node, e.filter, e.taints) for e in found.exclusions] == [
        ("master", Filter.TAINTS, ("node-role.kubernetes.io/control-plane:NoSchedule",))
    ]
    assert found.unjudged == ()


def test_the_filter_that_takes_the_last_node_is_named_and_not_the_first_that_takes_one() -> None:
    nodes = [a_node("master", taints=[CONTROL_PLANE]), a_node("worker1", unschedulable=True)]
    found = first_excluding_filter(a_pod(), nodes)
    assert found.filter is Filter.NOT_READY
    assert [e.node for e in found.by(Filter.TAINTS)] == ["master"]
    assert [e.says for e in found.by(Filter.NOT_READY)] == ["node worker1 is cordoned (spec.unschedulable is true)"]


@pytest.mark.parametrize(
    ("pod", "node", "filter", "says"),
    [
        (
            a_pod(nodeSelector={"disk": "ssd"}),
            a_node(taints=[CONTROL_PLANE]),
            Filter.SELECTOR,
            "node worker1 does not have the labels that the pod's selector wants",
        ),
        (
            a_pod(),
            a_node(taints=[CONTROL_PLANE, DEDICATED], unschedulable=True),
            Filter.TAINTS,
            "node worker1 has the taints node-role.kubernetes.io/control-plane:NoSchedule, "
            "dedicated=monitoring:NoExecute; the pod does not tolerate them",
        ),
        (
            a_pod(),
            a_node(ready="False", labels={ZONE: "b"}),
            Filter.NOT_READY,
            "node worker1 is not ready (its condition Ready is False, KubeletReady)",
        ),
        (
            a_pod(),
            a_node(labels={ZONE: "b"}),
            Filter.VOLUME_AFFINITY,
            "node worker1 is outside the node affinity of the volume efs-one-zone",
        ),
        (
            a_pod(containers=[requesting(cpu="2500m", memory="8Gi")]),
            a_node(labels={ZONE: "a"}),
            Filter.RESOURCES,
            "node worker1 has 2 of cpu free, the pod wants 2500m; 4Gi of memory free, the pod wants 8Gi",
        ),
    ],
)
def test_each_filter_says_why_it_refuses_a_node(
    pod: dict[str, Any], node: dict[str, Any], filter: Filter, says: str
) -> None:
    found = first_excluding_filter(pod, [node], [one_zone("a")], {})
    assert found.filter is filter
    assert [exclusion.says for exclusion in found.exclusions] == [says]


@pytest.mark.parametrize("key", ["unschedulable", "not-ready", "unreachable"])
def test_the_taints_that_stand_for_a_node_that_is_down_are_not_blamed_on_the_pod(key: str) -> None:
    taint = {"key": f"node.kubernetes.io/{key}", "effect": "NoSchedule"}
    node = a_node(ready="Unknown", taints=[taint], unschedulable=key == "unschedulable")
    assert first_excluding_filter(a_pod(), [node]).filter is Filter.NOT_READY


def test_a_taint_that_outlives_its_condition_still_keeps_the_pod_away() -> None:
    node = a_node(taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    (only,) = first_excluding_filter(a_pod(), [node]).exclusions
    assert (only.filter, only.says) == (Filter.NOT_READY, "node worker1 is marked node.kubernetes.io/not-ready")


def test_the_pressure_of_a_disk_is_a_taint_like_others() -> None:
    node = a_node(taints=[{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}])
    assert first_excluding_filter(a_pod(), [node]).filter is Filter.TAINTS


def test_an_agent_that_tolerates_everything_goes_to_a_node_that_is_down() -> None:
    agent = a_pod(tolerations=[{"operator": "Exists"}])
    node = a_node(ready="False", taints=[CONTROL_PLANE], unschedulable=True)
    assert first_excluding_filter(agent, [node], [], {}).left == ("worker1",)


def test_the_default_toleration_of_a_pod_that_runs_does_not_bring_a_new_one_to_a_node_that_is_down() -> None:
    default = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    assert first_excluding_filter(a_pod(tolerations=[default]), [a_node(ready="False")]).filter is Filter.NOT_READY


def test_without_the_pods_of_the_nodes_resources_are_unjudged_and_not_fine() -> None:
    pod = a_pod(containers=[requesting(cpu="64")])
    found = first_excluding_filter(pod, [a_node()])
    assert (found.filter, found.left, found.unjudged) == (None, ("worker1",), (Filter.RESOURCES,))
    assert first_excluding_filter(pod, [a_node()], [], {}).filter is Filter.RESOURCES
    assert first_excluding_filter(pod, [a_node(unschedulable=True)]).unjudged == ()


def test_pods_take_resources_from_the_node_on_which_they_run() -> None:
    taking = [a_pod("a", "Running", containers=[requesting(cpu="2")])]
    pod = a_pod(containers=[requesting(cpu="1")])
    found = first_excluding_filter(pod, [a_node("worker1"), a_node("worker2")], [], {"worker1": taking})
    assert found.left == ("worker2",)
    assert [exclusion.resources for exclusion in found.exclusions] == [("cpu",)]


def test_a_cluster_without_nodes_leaves_none_and_blames_no_filter() -> None:
    found = first_excluding_filter(a_pod(), [], [], {})
    assert (found.filter, found.left, found.exclusions, found.unjudged) == (None, (), (), ())
