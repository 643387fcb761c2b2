"""The errors of `world/` that stop a run. What stops one read only is `model.Unreadable`."""

from __future__ import annotations


class Unreachable(Exception):
    """The cluster or the account cannot be asked at all: no kubeconfig, an unknown context, nobody signed in."""

    def __init__(self, reference: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.reference = reference
        """The kind of trouble in kebab-case: "context-unknown"."""
        self.message = message
        self.hint = hint
        """What to do or to run next; may be empty."""
