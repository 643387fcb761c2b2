"""Of many examples that are alike, those that every run takes; `--all` takes all of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

REASON = "one of many alike: scripts/check --all runs it"
"""What is printed for those that were left out."""


def one_in(every: int, examples: Iterable[Any], *, always: Collection[Any] = ()) -> list[Any]:
    """The examples, one value each, for `parametrize`; each run takes the first of every so many, and `always`."""
    return [
        pytest.param(example, marks=() if i % every == 0 or example in always else pytest.mark.exhaustive)
        for i, example in enumerate(examples)
    ]
