"""A failure mode as a change of a healthy world, and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from worlds.base import healthy
from worlds.world import Shape, World

Change = Callable[[World], None]


class Stage(IntEnum):
    """The step at which the pod stands because of the fault; an earlier one hides what comes later."""

    CREATE = 0
    BIND = 1
    SCHEDULE = 2
    MOUNT = 3
    CONTAINER = 4
    PROCESS = 5


@dataclass(frozen=True)
class Fault:
    """One way in which one mode shows."""

    mode: str
    stage: Stage
    change: Change
    shape: Shape
    wanted: frozenset[str]
    """The modes that a diagnosis has to name."""
    sure: bool
    """Whether objects prove it, so that the cause has to be confirmed; else only a message says so."""
    label: str = ""
    provable: bool = True
    """Whether a bundle can show it at all; where not, nothing may be confirmed but `wanted`."""
    latent: frozenset[str] = frozenset()
    """Modes that are wrong as well, and not the cause."""

    @property
    def name(self) -> str:
        return f"{self.mode}:{self.change.__name__}{f'-{self.label}' if self.label else ''}"

    def world(self) -> World:
        """A healthy world of the fault's shape, with the fault."""
        world = healthy(self.shape)
        self.change(world)
        return world


FAULTS: list[Fault] = []
BESIDE: list[Fault] = []
"""What is wrong beside a pod that is ready: a diagnosis reports it and blames nothing."""


def fault(
    mode: str,
    stage: Stage,
    *,
    wanted: tuple[str, ...] = (),
    sure: bool = True,
    label: str = "",
    provable: bool = True,
    latent: tuple[str, ...] = (),
    **shape: Any,
) -> Callable[[Change], Change]:
    """Register a change; `shape` are the fields of the healthy world that it needs."""

    def register(change: Change) -> Change:
        made = Shape(**{"seed": len(FAULTS) + 2, **shape})
        name = label or _label(shape)
        named = frozenset(wanted or (mode,))
        FAULTS.append(Fault(mode, stage, change, made, named, sure, name, provable, frozenset(latent)))
        return change

    return register


def beside(mode: str, *, label: str = "", **shape: Any) -> Callable[[Change], Change]:
    """Register a change that keeps the pod from nothing, and shows `mode` all the same."""

    def register(change: Change) -> Change:
        made = Shape(**{"seed": 1000 + len(BESIDE), **shape})
        name, wanted = label or _label(shape), frozenset[str]()
        BESIDE.append(Fault(mode, Stage.PROCESS, change, made, wanted, False, name, latent=frozenset({mode})))
        return change

    return register


def _label(shape: dict[str, Any]) -> str:
    return "-".join(str(v) for v in shape.values() if isinstance(v, str))


def load() -> list[Fault]:
    """All faults, in the order of their files; what stands beside is in `BESIDE` then."""
    from worlds import (  # noqa: F401
        faults_alike,
        faults_claims,
        faults_container,
        faults_data,
        faults_driver,
        faults_iam,
        faults_identity,
        faults_mount,
        faults_network,
        faults_others,
        faults_program,
        faults_provisioning,
        faults_release,
        faults_risks,
        faults_scheduling,
    )

    return list(FAULTS)
