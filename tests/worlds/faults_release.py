"""What stands around Prometheus: its operator, its Alertmanager, and the load balancers in front of it.

Most of it keeps no pod of Prometheus from being ready, and is `beside`.
"""

from __future__ import annotations

from efsdiag.model import Subject
from worlds.fault import Stage, beside, fault
from worlds.ids import ago
from worlds.stages import no_pod
from worlds.world import Thing, World, metadata


def _custom_resource(world: World, class_name: str) -> Thing:
    """A Prometheus resource with a claim of that class."""
    template = {"spec": {"storageClassName": class_name, "resources": {"requests": {"storage": "50Gi"}}}}
    found: Thing = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": metadata(world, "kps", world.namespace),
        "spec": {"replicas": 1, "storage": {"volumeClaimTemplate": template}},
        "status": {"conditions": [{"type": "Reconciled", "status": "True", "lastTransitionTime": ago(60)}]},
    }
    world.all("prometheuses").append(found)
    return found


@fault("helm.operator-storageclass-missing", Stage.CREATE)
def operator_does_not_find_the_class_default(world: World) -> None:
    resource = _custom_resource(world, "default")
    refused = {"status": "False", "reason": "ReconciliationFailed", "message": 'storage class "default" does not exist'}
    resource["status"]["conditions"][0] |= refused
    no_pod(world, "not asked")
    world.asked = Subject("prometheus", world.namespace, "kps")


@beside("helm.storage-spec-ignored")
def operators_prometheus_keeps_its_data_in_an_empty_dir(world: World) -> None:
    _custom_resource(world, "efs-sc")["spec"].pop("storage")
    pod = world.pod
    pod["metadata"]["labels"] |= {"operator.prometheus.io/name": "kps"}
    pod["spec"]["volumes"][1] = {"name": "prometheus-kps-db", "emptyDir": {}}
    world.main["volumeMounts"][1]["name"] = "prometheus-kps-db"
    world.asked = Subject("prometheus", world.namespace, "kps")


def alertmanagers_claim(world: World) -> Thing:
    """The Pending claim of the release's Alertmanager, which names no class where none is the default."""
    labels = {"app.kubernetes.io/name": "alertmanager", "app.kubernetes.io/instance": "prometheus"}
    claim: Thing = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(world, "storage-prometheus-alertmanager-0", world.namespace, age=45, labels=labels),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
        "status": {"phase": "Pending"},
    }
    world.all("persistentvolumeclaims").append(claim)
    text = "no persistent volumes available for this claim and no storage class is set"
    world.say(claim, "FailedBinding", text, by="persistentvolume-controller", normal=True)
    return claim


@beside("alertmanager.pvc-pending")
@beside("alertmanager.pvc-pending", flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def claim_of_alertmanager_is_pending(world: World) -> None:
    alertmanagers_claim(world)


@fault("storageclass.no-default", Stage.BIND, label="alertmanager")
def claim_of_alertmanager_has_no_class(world: World) -> None:
    claim = alertmanagers_claim(world)
    world.asked = Subject("persistentvolumeclaim", world.namespace, claim["metadata"]["name"])


def service(world: World, kind: str = "LoadBalancer") -> Thing:
    """The Service in front of Prometheus, without an address."""
    selector = {k: v for k, v in world.pod["metadata"]["labels"].items() if k != "pod-template-hash"}
    found: Thing = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(world, "prometheus-server", world.namespace),
        "spec": {"type": kind, "selector": selector, "ports": [{"port": 80, "targetPort": 9090}]},
        "status": {"loadBalancer": {}},
    }
    world.all("services").append(found)
    return found


def ingress(world: World) -> Thing:
    """An Ingress in front of that Service, without an address."""
    backend = {"service": {"name": service(world, "ClusterIP")["metadata"]["name"], "port": {"number": 80}}}
    named = metadata(world, "prometheus", world.namespace, annotations={"alb.ingress.kubernetes.io/group.name": "all"})
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    found: Thing = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": named,
        "spec": {"ingressClassName": "alb", "rules": [{"http": {"paths": [path]}}]},
        "status": {"loadBalancer": {}},
    }
    world.all("ingresses").append(found)
    return found


@beside("lb.no-controller")
def service_waits_in_silence(world: World) -> None:
    service(world)


@beside("lb.no-controller", label="ingress")
def ingress_waits_in_silence(world: World) -> None:
    ingress(world)


NO_SUBNET = (
    "Failed build model due to unable to resolve at least one subnet. Evaluated 3 subnets: 0 are tagged for other "
    "clusters, and 3 have insufficient available IP addresses"
)


@beside("lb.subnets-not-tagged", flavour="eks", kubernetes="v1.33.4")
def controller_finds_no_subnet(world: World) -> None:
    world.say(service(world), "FailedBuildModel", NO_SUBNET, by="service")


@beside("lb.subnets-not-tagged", label="ingress", flavour="eks")
def controller_finds_no_subnet_for_an_ingress(world: World) -> None:
    text = NO_SUBNET.replace("unable", "couldn't auto-discover subnets: unable")
    world.say(ingress(world), "FailedBuildModel", text, by="ingress")


@beside("lb.subnets-not-tagged", label="cloud-controller")
def cloud_controller_finds_no_subnet(world: World) -> None:
    text = (
        "Error syncing load balancer: failed to ensure load balancer: could not find any suitable subnets for "
        "creating the ELB"
    )
    world.say(service(world), "SyncLoadBalancerFailed", text, by="service-controller")


@beside("lb.iam-denied", flavour="eks")
def load_balancer_controller_may_not_look_for_subnets(world: World) -> None:
    text = (
        "Failed build model due to couldn't auto-discover subnets: UnauthorizedOperation: You are not authorized to "
        "perform this operation."
    )
    world.say(service(world), "FailedBuildModel", text, by="service")


@beside("lb.attribute-conflict", flavour="eks")
def two_ingresses_of_a_group_disagree(world: World) -> None:
    text = "Failed build model due to conflicting load balancer attributes idle_timeout.timeout_seconds: 60 | 300"
    world.say(ingress(world), "FailedBuildModel", text, by="ingress")
