"""The graph of the checks as text, for Graphviz or for Mermaid. P → C: while P is broken, C cannot come true."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from efsdiag.model import Check


def behind(checks: Mapping[str, Check], target: str) -> dict[str, Check]:
    """The target and every check that could keep it from coming true, by id."""
    return {id_: checks[id_] for id_ in sorted(ids_behind({c.id: c.blocks for c in checks.values()}, target))}


def ids_behind(blocks: Mapping[str, Collection[str]], target: str) -> set[str]:
    """The same as ids alone; `blocks` says what each check blocks."""
    found: set[str] = set()
    new = {target}
    while new:
        found |= new
        new = {id_ for id_, blocked in blocks.items() if new.intersection(blocked)} - found
    return found


def as_text(checks: Mapping[str, Check]) -> str:
    """A tree for each check that blocks nothing: under a check stands what blocks it. A part is drawn out once."""
    blockers: dict[str, list[str]] = {id_: [] for id_ in checks}
    for id_, check in sorted(checks.items()):
        for blocked in check.blocks:
            if blocked in blockers:
                blockers[blocked].append(id_)
    ends = [id_ for id_ in sorted(checks) if not any(b in checks for b in checks[id_].blocks)]
    lines: list[str] = []
    drawn: set[str] = set()

    def draw(id_: str, start: str, indent: str) -> None:
        again = id_ in drawn and blockers[id_]
        lines.append(f"{start}{id_}: {checks[id_].claim}" + (" (drawn above)" if again else ""))
        if again:
            return
        drawn.add(id_)
        for at, blocker in enumerate(blockers[id_]):
            last = at == len(blockers[id_]) - 1
            draw(blocker, f"{indent}{'└─ ' if last else '├─ '}", f"{indent}{'   ' if last else '│  '}")

    for end in sorted(ends, key=lambda e: (not blockers[e], e)):
        draw(end, "", "")
    return "\n".join(lines) + "\n"


def as_dot(checks: Mapping[str, Check]) -> str:
    """A digraph for Graphviz; milestones are boxes."""
    lines = ["digraph efsdiag {", "  rankdir=LR;"]
    for id_, check in sorted(checks.items()):
        shape = "box" if check.milestone else "ellipse"
        lines.append(f"  {_quoted(id_)} [shape={shape}, tooltip={_quoted(check.claim)}];")
    lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in _edges(checks)]
    return "\n".join([*lines, "}"]) + "\n"


def as_mermaid(checks: Mapping[str, Check]) -> str:
    """A flowchart for Mermaid; milestones are boxes, the others are rounded."""
    # Ids of Mermaid must not be words of its own language, such as "end".
    own = {id_: f"n{at}" for at, id_ in enumerate(sorted(checks))}
    lines = ["flowchart LR"]
    for id_, check in sorted(checks.items()):
        label = id_.replace('"', "#quot;")
        lines.append(f'  {own[id_]}["{label}"]' if check.milestone else f'  {own[id_]}("{label}")')
    lines += [f"  {own[a]} --> {own[b]}" for a, b in _edges(checks)]
    return "\n".join(lines) + "\n"


def _edges(checks: Mapping[str, Check]) -> list[tuple[str, str]]:
    return sorted((id_, b) for id_, check in checks.items() for b in check.blocks if b in checks)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
