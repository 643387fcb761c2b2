"""Plain data as one JSON or YAML document that is also safe to look at in a terminal."""

from __future__ import annotations

import json
from typing import Any

from efsdiag.report.text import is_invisible


def as_json(data: Any) -> str:
    """The data as one JSON document with a newline. Invisible characters stand as \\u escapes, so they do nothing."""
    text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
    # Outside of strings json.dumps puts newlines only; inside of them it has escaped those already.
    return "".join(json.dumps(c)[1:-1] if c != "\n" and is_invisible(c) else c for c in text) + "\n"


def as_yaml(data: Any) -> str:
    """The same data as YAML; as JSON, which is YAML too, where only JSON's escapes keep invisible characters inert."""
    from efsdiag.yaml_files import to_yaml

    document = as_json(data)
    # Read back, so that no list stands in it twice: YAML would write an alias for the second.
    try:
        text = to_yaml(json.loads(document))
    except UnicodeEncodeError:  # libyaml and a lone surrogate
        return document
    return document if any(is_invisible(c) and c != "\n" for c in text) else text

