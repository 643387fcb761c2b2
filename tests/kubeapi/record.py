"""What the server was asked: one `Request` for each, in the order of their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

WRITING_VERBS = frozenset(("create", "update", "patch", "delete", "deletecollection"))
REVIEWS = frozenset(
    ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "subjectaccessreviews")
)
"""Questions that are asked with POST and change nothing."""


@dataclass(frozen=True)
class Request:
    """One request and how it ended."""

    method: str
    path: str
    query: Mapping[str, str]
    status: int
    """The HTTP status sent; 0 where the connection was reset instead."""
    user: str
    """Who asked, after impersonation; empty where the token was not accepted."""
    headers: Mapping[str, str] = field(repr=False)
    """Those that say who asked: User-Agent and Impersonate-*. The token is left out."""
    bytes: int
    """Size of the answer's body."""
    verb: str = ""
    """The verb of RBAC ("get", "list"); empty where the path names no resource, as in discovery."""
    resource: str = ""
    """The resource, with its subresource: "pods", "pods/log", "deployments.apps"."""
    namespace: str = ""
    name: str = ""
    body: Any = field(default=None, repr=False)
    """What was sent, parsed."""

    @property
    def mutates(self) -> bool:
        """Whether it asked for a write, granted or not, dry runs included."""
        return self.verb in WRITING_VERBS and self.resource.partition(".")[0] not in REVIEWS

    @property
    def dry_run(self) -> bool:
        if self.verb == "delete" and isinstance(self.body, dict):
            return self.body.get("dryRun") == ["All"]
        return self.query.get("dryRun") == "All"


WATCHERS: list[Callable[[Request], None]] = []
"""Each is told every request that reaches any server of this process."""
