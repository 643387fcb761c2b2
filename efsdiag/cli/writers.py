"""The one place that makes what writes: for a plan, and a consent to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from efsdiag.changes import Consent, Plan
from efsdiag.cli.faults import CONSENT, Fault
from efsdiag.cli.sources import LiveOptions, fault_of
from efsdiag.model import Source
from efsdiag.report.text import safe
from efsdiag.world.errors import Unreachable

if TYPE_CHECKING:
    from efsdiag.world.helm import Identity
    from efsdiag.world.writer import Writer


@dataclass(frozen=True)
class WriteOptions:
    """Who writes, where that is somebody else than who reads."""

    write_context: str | None = None
    write_as: str | None = None
    write_profile: str | None = None
    write_role_arn: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> WriteOptions:
        """The options out of click's parameters."""
        return cls(**{f.name: given.get(f.name) for f in fields(cls)})

    def over(self, live: LiveOptions) -> LiveOptions:
        """The reading identity's options with those of the writing one in their place."""
        changed: Mapping[str, Any] = {
            "context": self.write_context,
            "as_user": self.write_as,
            "profile": self.write_profile,
            "role_arn": self.write_role_arn,
        }
        return replace(live, **{name: value for name, value in changed.items() if value})


@contextmanager
def open_writer(
    plan: Plan, consent: Consent, live: LiveOptions, who: WriteOptions, read: Source, *, undoing: bool = False
) -> Iterator[Writer]:
    """A writer for this plan, with the cluster's lock held. Errors: Fault, WriteFailed, ConsentError."""
    from efsdiag.world.aws import AwsSource
    from efsdiag.world.helm import Helm
    from efsdiag.world.kube_http import Cluster
    from efsdiag.world.lease import Locked, locked
    from efsdiag.world.writer import Writer

    options = who.over(live)
    try:
        cluster = Cluster(
            options.kubeconfig, options.context, options.as_user, options.as_group, options.request_timeout
        )
    except Unreachable as error:
        raise fault_of(error) from error
    aws = AwsSource(
        options.profile,
        plan.place.region or options.region,
        options.role_arn,
        options.external_id,
        options.endpoint_url,
        timeout_s=options.request_timeout,
        attempts=1,
    )
    try:
        with Helm(helm_identity(options, cluster.context)) as helm:
            writer = Writer(plan, consent, cluster, aws, read, helm, undoing=undoing)
            with locked(cluster, plan.holder, datetime.now(UTC), _lock_stays):
                yield writer
    except Locked as error:
        raise Fault("another-fix-runs", str(error), "wait until it has ended", CONSENT) from error


def helm_identity(options: LiveOptions, context: str) -> Identity:
    """Who helm is: whoever efsdiag is, in the same context of the same kubeconfig."""
    from efsdiag.world.helm import Identity

    # In a pod there is no kubeconfig, and helm finds the service account as efsdiag does.
    named = options.context or (context if context != "in-cluster" else None)
    return Identity(options.kubeconfig, named, options.as_user, tuple(options.as_group))


def _lock_stays(why: str) -> None:
    print(f"the lock could not be released: {safe(why)}", file=sys.stderr)
