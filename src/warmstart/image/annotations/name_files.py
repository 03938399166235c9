"""Files of class names, one per line: the number of a class is that of its line, counted from 0."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from warmstart.errors import UsageError


def read_names(file: Path) -> list[str]:
    """The names of a file.

    Raises:
        UsageError: a line before the last name is blank, a name is repeated, or there is no name.
    """
    lines = [line.strip() for line in file.read_text("utf-8-sig", "replace").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UsageError(f"{file} has no class names.")
    if "" in lines:
        raise UsageError(
            f"{file}: line {lines.index('') + 1} is blank. Each line is a class, so it is "
            "unclear whether the blank line counts; name the class, or remove the line."
        )
    if twice := next((name for name in lines if lines.count(name) > 1), None):
        raise UsageError(f"{file}: the name {twice!r} occurs twice.")
    return lines


def refuse_two_lists(lists: Sequence[tuple[Path, dict[int, str]]]) -> None:
    """Refuse files that number classes differently.

    Raises:
        UsageError: two files disagree.
    """
    for file, names in lists[1:]:
        first, others = lists[0]
        if names != others:
            number = min(key for key in {*names, *others} if names.get(key) != others.get(key))
            raise UsageError(
                f"{first} and {file} disagree about the classes: class {number} is "
                f"{others.get(number, 'absent')!r} in one and {names.get(number, 'absent')!r} "
                "in the other. Correct or remove one."
            )
