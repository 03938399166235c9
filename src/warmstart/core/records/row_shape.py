"""The usual shape of the records of a CSV file, by which an unclosed quotation mark is recognised.

A cell in quotation marks may contain line ends. If a mark is not closed, the cell extends to the
next mark and swallows the records between them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from warmstart.core.records.content import are_labels
from warmstart.core.records.dialects import is_number

FEWEST = 2
"""Lines like records in one record."""
FEWEST_WITHOUT_CLASSES = 3
"""The same, if no column has classes or numbers, which tell records from prose."""
RARE = 0.01
"""Share of the lines below which a cell is not taken for a class."""
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class RowShape:
    """The lines of a file that are one record each.

    Attributes:
        delimiter, width: of a record.
        classes: by index of the column, the cells of one that has classes.
        numbers: indices of the columns that have numbers.
        is_quoted: whether the header is in quotation marks: then so is a cell of every record.
    """

    delimiter: str
    width: int
    classes: Mapping[int, frozenset[str]]
    numbers: frozenset[int]
    is_quoted: bool

    @classmethod
    def of(cls, lines: Sequence[str], delimiter: str, width: int) -> RowShape:
        """The shape that these lines have, the header first."""
        rows = [line.rstrip("\r\n").split(delimiter) for line in lines[1:]]
        columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
        classes: dict[int, frozenset[str]] = {}
        numbers: set[int] = set()
        for index, quoted in enumerate(columns):
            cells = [cell.strip('"') for cell in quoted]
            if all(map(is_number, cells)):
                numbers.add(index)
            elif are_labels(cells):
                counts = Counter(cells)  # lines of cells with line ends are among them
                fewest = max(2, RARE * len(cells))
                spaced = 2 * sum(cell[:1].isspace() for cell in cells) > len(cells)
                classes[index] = frozenset(
                    cell
                    for cell in counts
                    if counts[cell] >= fewest and cell and cell[0].isspace() == spaced
                )
        is_quoted = all(cell.strip()[:1] == '"' for cell in lines[0].split(delimiter))
        return cls(delimiter, width, classes, frozenset(numbers), is_quoted)

    def has_records(self, row: Sequence[str]) -> bool:
        """Whether most lines of a record look like records themselves."""
        lines = _LINE_END.split(self.delimiter.join(row))
        count = sum(map(self._is_record, lines))
        is_known = bool(self.classes or self.numbers)
        return count >= (FEWEST if is_known else FEWEST_WITHOUT_CLASSES) and 2 * count >= len(lines)

    def _is_record(self, line: str) -> bool:
        cells = line.split(self.delimiter)
        if len(cells) != self.width or not all(cells) or (self.is_quoted and '"' not in line):
            return False
        # Prose has a space behind a comma.
        if any(cell[0].isspace() for cell in (cells[index] for index in self.numbers)):
            return False
        if not self.classes and not self.numbers:
            return not any(cell[0].isspace() for cell in cells[1:])
        return all(cells[index] in known for index, known in self.classes.items()) and all(
            is_number(cells[index]) for index in self.numbers
        )
