"""Which reads and writes a function can ask for: found in its compiled code and that of what it calls.

An operation is named by a text ("kube:get pods"), or put together from a beginning and an end that stand in the same
code or in a table that the code uses (f"kube:get {resource}"). So no list of it is kept by hand, and what is found is
never less than what can be asked.
"""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from efsdiag.operations import READS
from efsdiag.writes import WRITES

OWN = ("efsdiag.", "efsdiag_rules_")
"""Where modules stand whose functions are followed: the package, and a user's own folder of rules."""
NOT_FOLLOWED = ("efsdiag.operations", "efsdiag.writes", "efsdiag.semantics.")
"""Modules that name every operation, and those that read nothing: there an action of AWS is what a policy allows."""


@cache
def operations_of(*roots: Any) -> frozenset[str]:
    """The names of `READS` and `WRITES` that these functions, classes and modules, and all that they call, can say."""
    said: set[str] = set()
    ends: set[str] = set()
    seen: set[int] = set()
    unvisited = list(roots)
    while unvisited:
        thing = unvisited.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, FunctionType):
            for code in _codes(thing.__code__):
                said.update(text for constant in code.co_consts for text in _texts(constant))
                unvisited += _used_by(code, thing)
        elif isinstance(thing, ModuleType | type):
            unvisited += _members(thing)
        else:
            ends.update(_texts(thing))
    return _named(said, said | ends)


def _named(said: set[str], ends: set[str]) -> frozenset[str]:
    """The operations that are said in full, and those that a beginning and an end make together."""
    names = {*READS, *WRITES}
    whole = said & names
    for beginning in (text for text in said if text.partition(":")[1] and text not in names):
        whole |= {name for name in names if name.startswith(beginning) and name.removeprefix(beginning) in ends}
    return frozenset(whole)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code with that of the functions, lambdas and comprehensions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from _texts(pair)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _texts(item)


def _used_by(code: CodeType, function: FunctionType) -> Iterator[Any]:
    """The functions, classes and tables of efsdiag that the code names, and the methods of the function's own class."""
    scope = function.__globals__
    owner = scope.get(function.__qualname__.rpartition(".")[0])
    own = vars(owner) if isinstance(owner, type) else {}
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and instruction.argval in scope:
            value = scope[instruction.argval]
            if isinstance(value, str | tuple | list | dict | frozenset) or _is_own(value):
                yield value
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(
            own.get(instruction.argval), FunctionType
        ):
            yield own[instruction.argval]


def _members(thing: ModuleType | type) -> Iterator[Any]:
    """The functions of a class or a module, and the module's classes."""
    own = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
    for member in vars(thing).values():
        function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
        function = getattr(function, "__wrapped__", function)
        if isinstance(function, FunctionType | type) and function.__module__ == own:
            yield function


def _is_own(value: Any) -> bool:
    module = getattr(value, "__module__", None) or ""
    return isinstance(value, FunctionType | type) and f"{module}.".startswith(OWN) and not _is_left_out(module)


def _is_left_out(module: str) -> bool:
    return f"{module}.".startswith(tuple(f"{name.rstrip('.')}." for name in NOT_FOLLOWED))
