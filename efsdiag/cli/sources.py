"""Where the evidence comes from: a bundle, or the live cluster and account. Modules of `world` are imported on use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from efsdiag.cli.faults import UNREACHABLE, USAGE, Fault
from efsdiag.model import Source
from efsdiag.report.data import Environment
from efsdiag.subjects import SubjectError
from efsdiag.world.errors import Unreachable
from efsdiag.world.redacting import Listing, Redacting

if TYPE_CHECKING:
    from efsdiag.health.examine import Keeper
    from efsdiag.world.live import LiveSource

LIVE_WORKERS = 8

_OWN_FAULT = frozenset({"bundle-exists", "bundle-not-written", "bundle-too-large"})
"""References of world.errors that are about where this run was told to write."""


@dataclass(frozen=True)
class LiveOptions:
    """What the command line says about the cluster and the account."""

    context: str | None = None
    kubeconfig: str | None = None
    as_user: str | None = None
    as_group: tuple[str, ...] = ()
    request_timeout: float = 30.0
    profile: str | None = None
    region: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> LiveOptions:
        """Those among click's parameters. Errors: click.UsageError where they contradict each other, or a bundle."""
        live = cls(**{name: given[name] for name in cls.names() if name in given})
        asked = [n for n in sorted(cls.names() - {"request_timeout"}) if getattr(live, n)]
        if given.get("bundle") and asked:
            option = f"--{asked[0].removesuffix('_user').replace('_', '-')}"
            raise click.UsageError(f"{option} is about a live system, and --bundle is a recorded one: give one of them")
        if live.as_group and not live.as_user:
            raise click.UsageError("--as-group needs --as: a group is impersonated together with a user")
        return live

    @classmethod
    def names(cls) -> set[str]:
        """The names of click's parameters."""
        return {f.name for f in fields(cls)}


@dataclass(frozen=True)
class Opened:
    """A source with what the run has to know about it."""

    source: Source
    """Its answers have no secrets in them."""
    again: Source
    """The same source, with answers of this moment."""
    namespace: str
    """The default one."""
    namespaces: tuple[str, ...]
    """Those that are known without asking for a list of them."""
    now: datetime
    workers: int
    live: bool
    environment: Callable[[], Environment]
    """Asks what is not known yet."""
    requests: Callable[[], int]
    verify: Callable[[], None]
    """Raises Fault where nothing could be asked at all."""
    closing: AbstractContextManager[Any]
    listed: Source
    """The same, for lists of which no more than names and states is kept."""
    keeper: Keeper | None = None
    """Whoever is to be told of which namespaces much will be asked."""


def open_bundle(path: str) -> Opened:
    """The recorded source. Errors: Fault."""
    from efsdiag.world.bundle import BundleSource
    from efsdiag.world.bundle_times import parsed
    from efsdiag.world.shelves import Shelved

    try:
        source = BundleSource(path)
    except Unreachable as error:
        raise fault_of(error) from error
    environment = Environment(
        source="bundle",
        context=source.context,
        kubernetes_version=source.kubernetes_version,
        account=source.account,
        region=source.region,
    )
    # Redacted below the shelves: once for each list, and not for each object that is asked for.
    redacting = Redacting(source)
    shelved = Shelved(redacting)
    return Opened(
        source=shelved,
        namespace="default",
        namespaces=source.namespaces,
        # A bundle in which nothing has a time was made at no time; the run's clock would make each report another one.
        now=parsed(source.captured_at) or datetime.fromtimestamp(0, UTC),
        workers=1,
        live=False,
        environment=lambda: environment,
        requests=lambda: source.requests,
        verify=lambda: None,
        again=redacting,
        closing=source,
        listed=shelved,
        keeper=shelved,
    )


def open_live(options: LiveOptions) -> Opened:
    """The live source; asks the cluster for its version, so that an unreachable one is known at once. Errors: Fault."""
    from efsdiag.world.aws import AwsSource
    from efsdiag.world.kube import KubeSource
    from efsdiag.world.live import LiveSource

    try:
        kube = KubeSource(
            options.kubeconfig, options.context, options.as_user, options.as_group, options.request_timeout
        )
        version = kube.version()
    except Unreachable as error:
        raise fault_of(error) from error
    aws = AwsSource(
        options.profile,
        options.region,
        options.role_arn,
        options.external_id,
        options.endpoint_url,
        timeout_s=options.request_timeout,
    )
    live = LiveSource(kube, aws, region_given=bool(options.region))

    def verify() -> None:
        if kube.trouble is not None:
            raise fault_of(kube.trouble)

    return Opened(
        source=Redacting(live),
        again=Redacting(live.again),
        namespace=kube.namespace,
        namespaces=(kube.namespace,),
        now=datetime.now(UTC),
        workers=LIVE_WORKERS,
        live=True,
        environment=lambda: _live_environment(live, version),
        requests=lambda: live.requests,
        verify=verify,
        closing=nullcontext(),
        listed=Listing(live, live.pages),
        keeper=live,
    )


def _live_environment(live: LiveSource, version: str) -> Environment:
    region, account = live.find_region(), live.account()
    return Environment(
        source="live",
        context=live.kube.context,
        kubernetes_version=version or None,
        account=account,
        region=region,
        region_from=live.region_from or None,
    )


@contextmanager
def target_told_of(opened: Opened | None = None) -> Iterator[None]:
    """While it lasts, a target that cannot be looked at ends the run in words.

    Errors: Fault; where nothing could be asked of the source at all, it is about that.
    """
    try:
        yield
    except SubjectError as error:
        if opened:
            opened.verify()
        raise Fault(error.reference, error.message, error.hint, USAGE) from error


def fault_of(error: Unreachable) -> Fault:
    """The fault that ends the run."""
    code = USAGE if error.reference in _OWN_FAULT else UNREACHABLE
    return Fault(error.reference, error.message, error.hint, code)
