"""Results for a terminal, drawn with characters."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence

UNLIMITED = 10_000
"""Columns of an output that is not a terminal."""

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Turn messages of `say` and progress off or on."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether the user asked for results and errors only."""
    return _quiet


def say(*lines: str) -> None:
    """Write lines to standard error, unless `--quiet` is set."""
    if not _quiet:
        print_error(*lines)


def print_error(*lines: str) -> None:
    """Write lines about errors to standard error, also with `--quiet`."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def bar(share: float, cells: int = 24) -> str:
    """A bar in steps of an eighth of a cell if the output's encoding allows; `share` is 0 to 1."""
    eighths = round(share * cells * 8)
    parts: tuple[str, ...] = ("", *"▏▎▍▌▋▊▉")
    text = "█" * (eighths // 8) + parts[eighths % 8]
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * (eighths // 8)
    return text


def bars(rows: Iterable[tuple[str, float]]) -> list[str]:
    """Names and shares (0 to 1) as lines."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}  {share:6.1%}  {bar(share)}" for name, share in rows]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Texts in columns, as wide as the terminal if standard output is one; numbers are aligned to
    the right.
    """
    import io

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = Table(box=None, pad_edge=False)
    for index, name in enumerate(header):
        cells = [row[index] for row in rows]
        is_figure = any(cells) and all(not cell or cell[0] in "0123456789-–<" for cell in cells)
        columns.add_column(
            name, justify="right" if is_figure else "left", no_wrap=index == 0, header_style=""
        )
    for row in rows:
        columns.add_row(*map(Text, row))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED
    file = io.StringIO()
    Console(file=file, width=width, color_system=None).print(columns)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
