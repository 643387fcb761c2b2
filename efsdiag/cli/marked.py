"""What an install made by its marks, for an uninstall: without the journal, or beside one that knows half of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from efsdiag.belongings import cluster, identity, network
from efsdiag.belongings.own import Belongings, maker_of, taken
from efsdiag.changes import Choices, Option, Plan
from efsdiag.cli.journals import now
from efsdiag.cli.planning import place_at
from efsdiag.cli.run import Looked, Request
from efsdiag.cli.writers import helm_identity
from efsdiag.gather import Reader
from efsdiag.model import Evidence, Missing, Ref, Unreadable
from efsdiag.reading import find_instance
from efsdiag.releases import Origin
from efsdiag.settings import Settings
from efsdiag.treat.journal import Journal
from efsdiag.treat.planning import VALID_FOR

RELEASE_STAYS = "CustomResourceDefinitions of the chart, and what its hooks made, stay"
PARTS = ("take-back-prometheus", "take-back-storage", "take-back-driver")
"""The parts of an uninstall, in their order: the pods have to end after the first one."""


@dataclass(frozen=True)
class Marked:
    """What bears the mark of the install, in the parts in which it is taken away."""

    plans: tuple[Plan, ...]
    """One plan for each part that has something in it, in the order in which they are carried out."""
    makers: frozenset[str]
    """By what an install made them."""
    stays: tuple[str, ...]
    perhaps: Mapping[str, str]
    """What stays because it bears no mark, by what an install would have made it."""
    unread: tuple[str, ...]

    def is_in(self, found: Sequence[Journal]) -> bool:
        """Whether the journals know all of it, and take it back themselves."""
        return self.makers <= makers_in(found)

    def staying_beside(self, found: Sequence[Journal]) -> tuple[str, ...]:
        """What stays, each with the reason, but for what the journals take back themselves."""
        known = makers_in(found)
        return (*self.stays, *(says for maker, says in self.perhaps.items() if maker not in known))


def makers_in(found: Sequence[Journal]) -> set[str]:
    """The writes that the journals take back, as `maker_of` has them."""
    return {maker_of(j.plan.changes[i].write) for j in found for i in j.to_undo}


def marked(done: Looked, request: Request, settings: Settings) -> Marked:
    """What bears the mark now."""
    read = Reader(done.source, done.opened.workers)
    whole = [Belongings() for _ in PARTS]
    prometheus, storage, driver = whole
    _prometheus(done, request, settings, prometheus)
    held = _held(read, settings, prometheus)
    if held:
        storage.stays.append(held)
    else:
        _storage(read, settings, storage)
        _driver(done, read, request, settings, driver)
    return Marked(
        tuple(_plan(done, settings, name, part) for name, part in zip(PARTS, whole, strict=True) if part.own),
        frozenset(own.maker for part in whole for own in part.own),
        tuple(dict.fromkeys(line for part in whole for line in part.stays)),
        {maker: says for part in whole for maker, says in part.perhaps.items()},
        tuple(dict.fromkeys(line for part in whole for line in part.unread)),
    )


def _prometheus(done: Looked, request: Request, settings: Settings, part: Belongings) -> None:
    """The release of Prometheus. Its mark does not name the install; the claim of its data tells whose it is."""
    spec = done.gather()("pod_spec")
    others = cluster.other_claims(spec.value, settings) if isinstance(spec, Evidence) else []
    if others:
        name, on = f"release {settings.prometheus.release} of {settings.namespace}", ", ".join(others)
        part.stays.append(f"{name}: its data is on claim {on}, and the settings are about claim {settings.claim}")
        return
    _release(done, request, settings.prometheus.release, settings.namespace, part)


def _held(read: Reader, settings: Settings, prometheus: Belongings) -> str:
    """Why the storage stays: pods mount it that do not go with the release; else ""."""
    try:
        pods = cluster.mounting_pods(read, settings)
    except Unreadable as error:
        return f"whether a pod mounts claim {settings.claim} could not be read ({error.why}); what is under it stays"
    return cluster.held_by(pods, settings) if pods and not prometheus.own else ""


def _storage(read: Reader, settings: Settings, part: Belongings) -> None:
    def around() -> None:
        systems = network.own_systems(read, settings)
        network.find_systems(systems, settings, part)
        network.find_access_points(read, systems, settings, part)
        network.find_network(read, systems, _instances(read), settings, part)

    part.look("Jobs of efsdiag", lambda: cluster.find_jobs(read, settings, part))
    part.look("claim and volume", lambda: cluster.find_claim(read, settings, part))
    part.look("namespace", lambda: cluster.find_namespace(read, settings, part))
    part.look("storage class", lambda: cluster.find_class(read, settings, part))
    part.look("file system, access points, mount targets and security group", around)


def _driver(done: Looked, read: Reader, request: Request, settings: Settings, part: Belongings) -> None:
    try:
        users = cluster.driver_users(read, settings)
    except Unreadable as error:
        part.unread.append(f"whether others use the driver: {error.why}; {error.grant}")
        return
    if users:
        part.stays.append(f"the driver, its role and its profile are used by volume {', '.join(users)}")
        return
    _release(done, request, settings.driver.release, settings.driver.namespace, part)
    part.look("CSIDriver", lambda: cluster.find_driver_object(read, part))
    eks, issuer = _of_eks(done, "eks_cluster_name", part), _of_eks(done, "eks_issuer", part)

    def identities() -> None:
        identity.find_identity(read, _instances(read), eks, issuer, settings, part)

    part.look("instance profile and role", identities)


def _of_eks(done: Looked, evidence: str, part: Belongings) -> str:
    """What is known of the EKS cluster; "" where there is none, or where that could not be looked at."""
    found = done.gather()(evidence)
    if isinstance(found, Missing) and not found.absent:
        part.unread.append(f"the EKS cluster: {found.why}")
    return str(found.value) if isinstance(found, Evidence) else ""


def _instances(read: Reader) -> list[dict[str, object]]:
    """The EC2 instances of all nodes. Errors: Unreadable, also where one of them cannot be told."""
    found = [find_instance(read, node) for node in read("kube:list nodes") or []]
    lost = next((i for i in found if isinstance(i, Missing)), None)
    if lost:
        raise Unreadable(None, lost.why, lost.grant)
    return found


def _release(done: Looked, request: Request, name: str, namespace: str, part: Belongings) -> None:
    from efsdiag.world.helm import HelmError

    try:
        origin = origin_at(done, request, name, namespace)
    except HelmError as error:
        hint = f"; {error.hint}" if error.hint else ""
        part.unread.append(f"release {name} of {namespace}: {error.message}{hint}")
        return
    if origin is None:
        return
    if not origin.mark:
        part.stays.append(f"release {name} of {namespace}: {origin.why}")
        return
    words = f"uninstall the release {name} of {namespace}: {origin.why}"
    given = {"release": name, "namespace": namespace, "mark": origin.mark}
    on, maker = Ref("Release", name, namespace), f"helm:upgrade {name}"
    part.own.append(taken("helm:uninstall", words, on, maker, residue=RELEASE_STAYS, **given))


def origin_at(done: Looked, request: Request, name: str, namespace: str) -> Origin | None:
    """Whose the release is, as helm says; None where there is none. Errors: HelmError."""
    from efsdiag.world.helm import Helm
    from efsdiag.world.helm_releases import origin_of

    with Helm(helm_identity(request.live, place_at(done.opened).context)) as helm:
        return origin_of(helm, name, namespace)


def _plan(done: Looked, settings: Settings, name: str, part: Belongings) -> Plan:
    made, changes = now(), part.changes
    does = "takes away what bears the mark of the install"
    option = Option("", name, changes[0].on, name, does, "", 0.0, changes)
    choices = Choices(install=settings.name)
    return Plan(done.found.asked, place_at(done.opened), made, made + VALID_FOR, (option,), choices=choices)
