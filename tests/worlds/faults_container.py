"""Mounted, and the container is not made: images, users, references."""

from __future__ import annotations

from worlds.fault import Stage, fault
from worlds.stages import not_created, unmounted
from worlds.world import World


@fault("container.image-pull", Stage.CONTAINER)
@fault("container.image-pull", Stage.CONTAINER, flavour="eks", kubernetes="v1.33.4", storage="dynamic")
def image_tag_does_not_exist(world: World) -> None:
    image = "quay.io/prometheus/prometheus:v3.55.0"
    for spec in (world.pod["spec"], world.deployment["spec"]["template"]["spec"]):
        spec["containers"][0]["image"] = image
    not_created(world, "ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {image}: not found')
    world.say(world.pod, "Failed", f'Failed to pull image "{image}": rpc error: code = NotFound desc = not found')


@fault("container.run-as-non-root-uid0", Stage.CONTAINER)
def chart_runs_as_root_against_its_rule(world: World) -> None:
    world.pod["spec"]["securityContext"] |= {"runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": True}
    name, uid = world.pod["metadata"]["name"], world.pod["metadata"]["uid"]
    says = f'container\'s runAsUser breaks non-root policy (pod: "{name}_{world.namespace}({uid})", container: '
    not_created(world, "CreateContainerConfigError", f"{says}prometheus-server)")


@fault("container.run-as-non-root-image", Stage.CONTAINER, sure=False)
def image_runs_as_root(world: World) -> None:
    context = world.pod["spec"]["securityContext"]
    context.pop("runAsUser")
    context.pop("runAsGroup")
    world.pod["spec"]["containers"][0]["image"] = "registry.shop.example/prometheus-root:1"
    name = world.pod["metadata"]["name"]
    says = f'container has runAsNonRoot and image will run as root (pod: "{name}", container: prometheus-server)'
    not_created(world, "CreateContainerConfigError", says)


@fault("container.env-ref-missing", Stage.CONTAINER, sure=False)
def secret_of_the_environment_is_missing(world: World) -> None:
    reference = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "remote-write", "key": "token"}}}
    world.main["env"] = [reference]
    not_created(world, "CreateContainerConfigError", 'secret "remote-write" not found')


@fault("container.volume-config-missing", Stage.MOUNT)
def config_map_is_missing(world: World) -> None:
    world.remove("configmaps", world.get("configmaps", "prometheus-server", world.namespace))
    text = 'MountVolume.SetUp failed for volume "config-volume" : configmap "prometheus-server" not found'
    unmounted(world, text, whole=True)


@fault("container.volume-config-missing", Stage.MOUNT, sure=False)
def mounted_secret_is_missing(world: World) -> None:
    world.pod["spec"]["volumes"].append({"name": "tls", "secret": {"secretName": "prometheus-tls"}})
    unmounted(world, 'MountVolume.SetUp failed for volume "tls" : secret "prometheus-tls" not found', whole=True)


@fault("container.subpath-failed", Stage.CONTAINER, sure=False)
def sub_path_cannot_be_made(world: World) -> None:
    world.main["volumeMounts"][1]["subPath"] = "prometheus"
    says = 'failed to create subPath directory for volumeMount "storage-volume" of container "prometheus-server"'
    not_created(world, "CreateContainerConfigError", says)
