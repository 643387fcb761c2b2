"""A query as the arguments of botocore calls, and their answers as JSON. Pure: nothing of boto3 is imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from efsdiag.model import Answer, Query

SPLIT_AT = 200
"""EC2 takes at most 200 values for a filter; longer lists are asked for in parts."""

# EC2 fails the whole call where one id of several is gone; the same ids as a filter find those that are left.
FILTER_OF = {
    "InstanceIds": "instance-id",
    "VpcIds": "vpc-id",
    "SubnetIds": "subnet-id",
    "GroupIds": "group-id",
    "NetworkInterfaceIds": "network-interface-id",
    "DhcpOptionsIds": "dhcp-options-id",
    "VolumeIds": "volume-id",
}


def arguments_of(query: Query, model: Any) -> dict[str, Any]:
    """The operation's arguments: filters gathered, and lists where the service model wants lists."""
    arguments: dict[str, Any] = {}
    for name, value in query.parameters:
        values = [value] if isinstance(value, str) else list(value)
        if name.startswith("Filter."):
            arguments.setdefault("Filters", []).append({"Name": name.removeprefix("Filter."), "Values": values})
        elif model.input_shape.members[name].type_name == "list":
            arguments[name] = values
        else:
            arguments[name] = ",".join(values)
    return arguments


def in_parts(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The arguments, several times over where a list of values is longer than EC2 takes in one call."""
    for name, values in _lists(arguments):
        if len(values) > SPLIT_AT:
            for start in range(0, len(values), SPLIT_AT):
                yield from in_parts(_with_list(arguments, name, values[start : start + SPLIT_AT]))
            return
    yield arguments


def as_filter(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """The same question with its ids as a filter, which never fails; None where it names fewer than two ids."""
    for name, values in arguments.items():
        if name in FILTER_OF and len(values) > 1:
            others = {key: value for key, value in arguments.items() if key != name}
            same = {"Name": FILTER_OF[name], "Values": values}
            return {**others, "Filters": [*others.get("Filters", []), same]}
    return None


def plain(value: Any) -> Any:
    """The value as JSON has it; a time is text, as the AWS CLI prints it but always in UTC."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def merged(answers: Sequence[dict[str, Any]]) -> Answer:
    """One answer out of the parts of a question; None where no part found anything."""
    if len(answers) < 2:
        return answers[0] if answers else None
    return {name: [item for answer in answers for item in answer.get(name, [])] for name in answers[0]}


def _lists(arguments: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The lists among the arguments, each with its name; that of a filter is "Filter.<name>"."""
    filters = [("Filter." + one["Name"], one["Values"]) for one in arguments.get("Filters", [])]
    return filters + [(name, value) for name, value in arguments.items() if name in FILTER_OF]


def _with_list(arguments: dict[str, Any], name: str, values: list[str]) -> dict[str, Any]:
    if name in FILTER_OF:
        return {**arguments, name: values}
    given = [{**one, "Values": values} if "Filter." + one["Name"] == name else one for one in arguments["Filters"]]
    return {**arguments, "Filters": given}
