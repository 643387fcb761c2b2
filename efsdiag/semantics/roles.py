"""An IAM role with everything that decides what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Role:
    """A role with everything that decides what it may do."""

    name: str
    raw: dict[str, Any]
    policies: tuple[tuple[str, Any], ...]
    """(name, document) of its attached and inline policies."""
    boundary: Any
    """The document of its permissions boundary, or None."""

    @property
    def arn(self) -> str:
        return str(self.raw.get("Arn", ""))

    @property
    def trust(self) -> Any:
        return self.raw.get("AssumeRolePolicyDocument")
