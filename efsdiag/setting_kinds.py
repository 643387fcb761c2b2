"""What a setting may be: how each kind of value is told from others, and said in a message."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from efsdiag.semantics.quantity import parse_quantity
from efsdiag.yaml_files import nearest


@dataclass(frozen=True)
class Kind:
    """One kind of value: its Python type, its name in messages, and what is wrong with a value of that type."""

    type: type
    called: str
    problem: Callable[[Any], str]
    """What is wrong with the value, as "is no CIDR"; "" where nothing is."""

    def fault(self, value: Any) -> str:
        """What is wrong with the value, its type included; "" where nothing is."""
        # A bool is an int for Python, and 1 is no truth value for people.
        if type(value) is not self.type:
            return f"is {_shown(value)}; {self.called} is wanted"
        return self.problem(value)


def choice(*known: str) -> Kind:
    """One of these words."""
    listed = ", ".join(k or '""' for k in known)

    def problem(value: str) -> str:
        hint = nearest(value, known)
        return "" if value in known else f"is {value!r}; it can be {listed}" + (f"; {hint}" if hint else "")

    return Kind(str, f"one of {listed}", problem)


def count(least: int, most: int) -> Kind:
    """A whole number between the two."""
    wanted = f"a whole number from {least} to {most}"
    return Kind(int, wanted, lambda value: "" if least <= value <= most else f"is {value}; {wanted} is wanted")


def aws_id(prefix: str) -> Kind:
    """An id of AWS with that prefix, or nothing. moto's are of 8 digits, as those of AWS once were."""
    return _pattern(rf"({prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}}))?", f"an id such as {prefix}-0123456789abcdef0")


def _pattern(pattern: str, called: str, most: int = 2048) -> Kind:
    known = re.compile(pattern, re.ASCII)

    def problem(value: str) -> str:
        return "" if len(value) <= most and known.fullmatch(value) else f"is {_shown(value)}; {called} is wanted"

    return Kind(str, called, problem)


def _text_problem(value: str) -> str:
    return "" if value.isprintable() else f"is {_shown(value)}; a text on one line is wanted"


def _quantity_problem(value: str) -> str:
    try:
        return "" if parse_quantity(value) > 0 else f"is {value!r}; more than 0 is wanted"
    except ValueError as error:
        return f": {error}"


def _cidrs_problem(values: list[Any]) -> str:
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError as error:
            return f"has {_shown(value)}, which is no CIDR: {error}"
        if not isinstance(value, str) or "/" not in value:
            return f"has {_shown(value)}, which is no CIDR: it lacks its prefix length, such as /24"
    return ""


_TAG_SIGNS = " _.:/=+-@"
"""What IAM, EFS and EC2 all take in a tag: https://docs.aws.amazon.com/efs/latest/ug/API_Tag.html"""


def _tags_problem(tags: dict[Any, Any]) -> str:
    for key, value in tags.items():
        if not isinstance(key, str) or not isinstance(value, str):
            return f"has {_shown(key)}: {_shown(value)}; a tag is two texts: quote them"
        if not 1 <= len(key) <= 128 or len(value) > 256:
            return f"has {_shown(key)}; the key of a tag has 1 to 128 characters, its value at most 256"
        if key.lower().startswith("aws:"):
            return f"has {_shown(key)}; AWS keeps the prefix aws: to itself"
        strange = next((text for text in (key, value) if not all(c.isalnum() or c in _TAG_SIGNS for c in text)), None)
        if strange is not None:
            return f"has {_shown(strange)}; a tag has letters, digits, spaces and {' '.join(_TAG_SIGNS.strip())}"
    return f"has {len(tags)} tags; AWS takes 50, two of which are the install's own" if len(tags) > 48 else ""


def _own_tags_problem(tags: dict[Any, Any]) -> str:
    own = next((key for key in ("Name", "efsdiag/name") if key in tags), None)
    return _tags_problem(tags) or (f"has {own!r}, which an install sets itself, to the setting name" if own else "")


def _driver_tags_problem(tags: dict[Any, Any]) -> str:
    # The chart hands them to the driver as one argument, "key:value key:value".
    strange = next((text for pair in tags.items() for text in pair if set(str(text)) & set(" :\t\n")), None)
    return _tags_problem(tags) or (f"has {_shown(strange)}; the driver takes no spaces and colons" if strange else "")


def _map_problem(value: dict[Any, Any]) -> str:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"has a value that no chart could take: {error}"
    strange = _strange_key(value)
    return f"has the key {strange}, which is no text: quote it" if strange else ""


def _strange_key(value: Any) -> str:
    """The first key that is no text ("on" is a truth value for YAML), however deep; "" where there is none."""
    if isinstance(value, list):
        return next((found for item in value if (found := _strange_key(item))), "")
    if not isinstance(value, dict):
        return ""
    own = next((_shown(key) for key in value if not isinstance(key, str)), "")
    return own or next((found for item in value.values() if (found := _strange_key(item))), "")


_TOLERATION_KEYS = ("key", "operator", "value", "effect", "tolerationSeconds")


def _tolerations_problem(values: list[Any]) -> str:
    for value in values:
        if not isinstance(value, dict):
            return f"has {_shown(value)}; a toleration is a mapping such as {{operator: Exists}}"
        strange = next((key for key in value if key not in _TOLERATION_KEYS), None)
        if strange is not None:
            hint = nearest(str(strange), _TOLERATION_KEYS)
            return f"has the key {_shown(strange)}, which a toleration has not" + (f"; {hint}" if hint else "")
        if value.get("operator", "Equal") not in ("Exists", "Equal"):
            return f"has the operator {_shown(value['operator'])}; it can be Exists or Equal"
    return ""


def _uid_problem(value: int) -> str:
    return "" if 0 <= value < 2**32 - 1 else f"is {value}; a number from 0 to {2**32 - 2} is wanted"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_NAME = r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)"
_KEY = rf"({_LABEL}(\.{_LABEL})*/)?{_NAME}"
_TERM = rf"({_KEY}\s*(=|==|!=)\s*{_NAME}?|!?{_KEY}|{_KEY}\s+(in|notin)\s*\(\s*{_NAME}(\s*,\s*{_NAME})*\s*\))"

BOOLEAN = Kind(bool, "true or false", lambda value: "")
TEXT = Kind(str, "a text", _text_problem)
DNS_NAME = _pattern(rf"({_LABEL})?", "a name of small letters, digits and - (at most 63)")
NAMESPACE = _pattern(_LABEL, "a name of small letters, digits and - (1 to 63)")
# The install's security group bears the name, and AWS keeps group names that begin with sg- for ids:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
NAME = _pattern(rf"(?!sg-){_LABEL}", "a name of small letters, digits and - (1 to 63), that does not begin with sg-,")
RELEASE = _pattern(rf"{_LABEL}(\.{_LABEL})*", "a release's name: small letters, digits, - and . (at most 53)", 53)
ACCOUNT_PART = _pattern(r"[\w+=,.@-]{0,64}", "a name of IAM: letters, digits and + = , . @ - _ (at most 64)")
REGION = _pattern(r"([a-z]{2,4}(-[a-z]+)+-\d{1,2})?", "a region such as eu-central-1")
SELECTOR = _pattern(rf"({_TERM}(\s*,\s*{_TERM})*)?", "a label selector such as pool=data,!gpu")
# No directory's name begins with a dot: https://docs.aws.amazon.com/efs/latest/ug/API_RootDirectory.html
PATH = _pattern(r"/|(/(?!\.)[\w.-]{1,100}){1,4}", "an absolute path of at most 4 directories, such as /prometheus", 100)
KMS_KEY = _pattern(r"([\w:/-]{1,2048})?", "the id, ARN or alias (alias/…) of a KMS key")
IMAGE = _pattern(r"[a-z0-9][^\s]*", "an image such as public.ecr.aws/docker/library/busybox:1.37")
VERSION = _pattern(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?", "one exact version such as 4.4.1")
URL = _pattern(r"((https?|oci)://[^\s]+|file:///[^\s]+)?", "an address such as https://charts.example.org")
DURATION = _pattern(r"(\d+(\.\d+)?(s|m|h))+", "a time such as 300s or 5m")
RETENTION = _pattern(r"(\d+(y|w|d|h|m|s))+", "a time as Prometheus writes it, such as 15d")
SIZE = _pattern(r"(\d+(B|KB|MB|GB|TB|PB|EB))?", "a size as Prometheus writes it, such as 40GB")
QUANTITY = Kind(str, "a quantity such as 50Gi", _quantity_problem)
UID = Kind(int, "a number of a user or group", _uid_problem)
CIDRS = Kind(list, "a list of CIDRs", _cidrs_problem)
TAGS = Kind(dict, "a mapping of tags", _own_tags_problem)
FREE_MAP = Kind(dict, "a mapping", _map_problem)
ARCHIVE = _pattern(r"([^\n]+\.(tgz|tar\.gz))?", "the path of a chart archive (.tgz)")
DIGEST = _pattern(r"(sha256:[0-9a-f]{64})?", "sha256: and 64 digits (0-9, a-f)")
DRIVER_TAGS = Kind(dict, "a mapping of tags", _driver_tags_problem)
TOLERATIONS = Kind(list, "a list of tolerations", _tolerations_problem)
