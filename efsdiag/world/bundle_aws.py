"""Answers the AWS queries from the files under aws/: the same read, or a wider one filtered here."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

from efsdiag.model import Answer, Query, Unreadable
from efsdiag.operations import READS, Read
from efsdiag.world.aws_errors import Kind, kind_of, sentence
from efsdiag.world.bundle_documents import Documents, Malformed
from efsdiag.world.bundle_documents import kind_of as json_kind
from efsdiag.world.bundle_layout import aws_command, aws_file, aws_folder, aws_values, values_of

Values: TypeAlias = Mapping[str, tuple[str, ...]]


class AwsFiles:
    """What the files under aws/ say, as the AWS CLI printed them."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def __call__(self, query: Query) -> Answer:
        """The operation's output; None where what was asked about does not exist.

        Errors: Unreadable where the read is not in the bundle, was refused, or is damaged.
        """
        asked = values_of(query)
        refusal: Unreadable | None = None
        for file, values in self._candidates(query, asked):
            try:
                answer = self._said(query, file)
                if values == asked:
                    return _whole(query, file, answer)
                if answer is not None:
                    return narrowed(query, answer)
            except Malformed as fault:
                refusal = refusal or Unreadable(query, str(fault), _again(query))
            except Unreadable as fault:
                refusal = refusal or fault
        raise refusal or _missing(query)

    def _said(self, query: Query, file: str) -> Answer:
        """What the file says; None for "does not exist". Raises Unreadable where AWS refused it, and Malformed."""
        answer = self._documents.mapping(file)
        return _failed(query, file, answer["Error"]) if "Error" in answer else answer

    def _candidates(self, query: Query, asked: Values) -> list[tuple[str, Values]]:
        """The files that can answer, with the parameters that they answer: the same read first, then wider ones."""
        read, folder, exact = READS[query.operation], aws_folder(query), aws_file(query)
        found: list[tuple[str, Values]] = [(exact, asked), (f"{folder}.json", {})]
        for base in self._documents.within(folder):
            values = aws_values(base)
            if values is not None:
                found.append((f"{folder}/{base}", values))
        return [(file, values) for file, values in found if file in self._documents and covers(read, values, asked)]


def _again(query: Query) -> str:
    return f"collect it again, e.g. {aws_command(query, dict(READS[query.operation].narrow))}"


def _missing(query: Query) -> Unreadable:
    narrow = dict(READS[query.operation].narrow)
    file = aws_file(Query(query.operation, tuple(p for p in query.parameters if p[0] not in narrow)))
    grant = f"collect {file}, e.g. {aws_command(query, narrow)}"
    return Unreadable(query, f"{file} is not in the bundle", grant)


def _whole(query: Query, file: str, answer: Answer) -> Answer:
    if answer is not None and _unfinished(answer):
        raise Unreadable(query, f"{file} holds only the first page", _again(query))
    return answer


def covers(read: Read, wide: Values, asked: Values) -> bool:
    """True where the answer to `wide` holds the answer to `asked`: the same, or a list that only has to be narrowed."""
    narrow = dict(read.narrow)
    for name in {*wide, *asked}:
        if name not in narrow:
            if wide.get(name) != asked.get(name):
                return False
        elif name in wide and not (name in asked and set(asked[name]) <= set(wide[name])):
            return False
        elif wide.get(name) != asked.get(name) and any("*" in v or "?" in v for v in asked[name]):
            return False  # a wildcard of an EC2 filter; what it matches is EC2's to say
    return True


def narrowed(query: Query, answer: Mapping[str, Any]) -> Answer:
    """What is left of a wider answer, in the same envelope; None where ids were asked for and none of them is there.

    Errors: Unreadable where the answer has not the list that was wanted, or is only the first page of it.
    """
    read, asked = READS[query.operation], values_of(query)
    wanted = {field: asked[name] for name, field in read.narrow if name in asked}
    try:
        kept, count = _filtered(answer, read.items.split("."), wanted)
    except Malformed as fault:
        raise Unreadable(query, str(fault), _again(query)) from fault
    ids = [name for name, _ in read.narrow if name in asked and not name.startswith("Filter.")]
    if _unfinished(answer) and not (ids and count >= max(len(asked[name]) for name in ids)):
        raise Unreadable(query, f"{aws_folder(query)}.json holds only the first page", _again(query))
    return kept if count or not ids else None


def _filtered(node: Any, path: list[str], wanted: Values) -> tuple[Any, int]:
    """`node` with only the wanted items at the end of `path`, and how many they are; emptied groups are left out."""
    name, *rest = path
    items = node.get(name) if isinstance(node, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Malformed(f"the recorded answer has {json_kind(items)} as {name}, wanted is a list of objects")
    if not rest:
        kept = [item for item in items if all(item.get(field) in values for field, values in wanted.items())]
        return {**node, name: kept}, len(kept)
    groups = [_filtered(item, rest, wanted) for item in items]
    return {**node, name: [group for group, count in groups if count]}, sum(count for _, count in groups)


def _unfinished(answer: Mapping[str, Any]) -> bool:
    """True where more pages were there than were recorded."""
    return answer.get("IsTruncated") is True or any(answer.get(n) for n in ("NextToken", "nextToken", "NextMarker"))


def _failed(query: Query, file: str, error: Any) -> None:
    """None where AWS said that it does not exist. Raises Unreadable for every other refusal, and Malformed."""
    if not isinstance(error, dict) or not isinstance(error.get("Code"), str):
        raise Malformed(f"{file}:1 has an Error without a Code, wanted is what AWS answered")
    operation = query.operation.partition(":")[2]
    said = SimpleNamespace(response={"Error": error}, operation_name=operation)
    code = error["Code"].removesuffix("Exception")
    if kind_of(said, operation) is Kind.ABSENT or code.endswith(("NotFound", "NoSuchEntity")):
        return
    permission = READS[query.operation].permission
    raise Unreadable(query, f"AWS refuses {query.operation}: {sentence(said)}", f"allow {permission}")
