"""Names and times of a world: pseudo-random, and the same for the same seed."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
"""The moment at which every world is looked at."""
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
"""The characters of Kubernetes's own generated names."""


def ago(minutes: float) -> str:
    """The time that many minutes before `NOW`, as Kubernetes writes it."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ids:
    """Ids that no two worlds of different seeds share."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def hex(self, count: int) -> str:
        return "".join(self._random.choice("0123456789abcdef") for _ in range(count))

    def aws(self, prefix: str) -> str:
        """An AWS id: "fs-" with 17 hexadecimal digits."""
        return f"{prefix}-0{self.hex(16)}"

    def uid(self) -> str:
        return "-".join(self.hex(n) for n in (8, 4, 4, 4, 12))

    def suffix(self, count: int = 5) -> str:
        return "".join(self._random.choice(_SUFFIX) for _ in range(count))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and self._random.getstate() == other._random.getstate()

    __hash__ = None  # type: ignore[assignment]

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)
