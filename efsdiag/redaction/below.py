"""Secrets in lines of YAML whose name stands in a line above them: blocks, lists, mappings, names and values."""

from __future__ import annotations

from dataclasses import dataclass

from efsdiag.redaction.mark import MARK, ending, marked_rest
from efsdiag.redaction.names import is_secret_name, is_value_name
from efsdiag.redaction.patterns import BLOCK, INNER, NAME_OF, OPENS, VALUE_OF


@dataclass
class Below:
    """What the lines above say of the next one; lines are given one by one. Columns are -1 where there is no such."""

    text: int = -1
    """Column of the name whose value is the text in the lines below it."""
    opened: int = -1
    """Column of the name whose value is a list or a mapping in the lines below it."""
    named: int = -1
    """Column of `name` in the line above, where what it names is a secret."""

    def made(self, line: str) -> str | None:
        """The line without its secret; None where the lines above say nothing of it."""
        if not line.strip():
            return line
        column = len(line) - len(line.lstrip())
        if 0 <= self.text < column:
            return f"{line[:column]}{MARK}{ending(line)}"
        self.text = -1
        named, self.named = self.named, -1
        value = VALUE_OF.match(line)
        if value and len(value["indent"]) == named >= 0:
            return self._value(line, value.start("rest"), named)
        if self.opened >= 0 and (column > self.opened or (column == self.opened and line.lstrip().startswith("- "))):
            inner = INNER.match(line)
            if inner and (inner["name"] is None or is_value_name(inner["name"])):
                return self._value(line, inner.start("rest"), column)
        else:
            self.opened = -1
        return self._begun(line, column)

    def _value(self, line: str, start: int, column: int) -> str:
        if line[start] in "|>":
            self.text = column
            return line
        return marked_rest(line, start)

    def _begun(self, line: str, column: int) -> str | None:
        """Whether the line is the beginning of something, which is then the line as it is."""
        if (found := BLOCK.match(line)) and is_secret_name(found["name"]):
            self.text = column
        elif (found := OPENS.match(line)) and is_secret_name(found["name"]):
            self.opened = column
        elif (found := NAME_OF.match(line)) and is_secret_name(found["name"]):
            self.named = len(found["indent"])
        else:
            return None
        return line
