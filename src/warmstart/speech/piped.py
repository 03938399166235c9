"""Lists of recordings with `|` between the cells, as LJSpeech and text-to-speech recipes have them.

    LJ001-0001|Printing, in the only sense …|Printing, in the only sense …
    wavs/p225_001.wav|12|Please call Stella.

The first cell names the recording, with or without its suffix; the last one is the text (of LJSpeech
the one with numbers written out). Quotation marks are text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from pathlib import Path

from warmstart.core.records.columns import RECORDING
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.usable import report
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError
from warmstart.speech.audio import SUFFIXES

FOLDERS = ("clips", "wavs", "audio")
"""Folders of recordings, relative to the table that names them."""
LISTS = (".csv", ".tsv", ".txt")
"""Suffixes of such lists."""
PEEK = 1000
"""Lines by which the columns are recognized."""


def located(recording: Path, folder: Path) -> Path | None:
    """The file of a recording: next to the table, or in one of `FOLDERS` there; its suffix may be
    left out.
    """
    if not recording.is_relative_to(folder):
        return recording if recording.is_file() else None
    name = recording.relative_to(folder)
    for parent in (folder, *(folder / name for name in FOLDERS)):
        path = parent / name
        if path.is_file():
            return path
        for suffix in sorted(SUFFIXES):
            if (named := path.with_name(path.name + suffix)).is_file():
                return named
    return None


def is_piped(path: Path, encoding: str | None, named: Collection[str]) -> bool:
    """Whether a file is such a list: its first cell names a recording, or the first line has
    the name of a column, a usual one or one of `named`.
    """
    if path.suffix.lower() not in LISTS or not path.is_file():
        return False
    first = next((line for line in file_lines(path, encoding) if line.strip()), "")
    cell, bar, _ = first.partition("|")
    name = cell.strip().strip('"')
    if not bar or not name:
        return False
    return (
        has_header(first, named)
        or Path(name).suffix.lower() in SUFFIXES
        or located(path.parent / name, path.parent) is not None
    )


def has_header(line: str, named: Collection[str]) -> bool:
    """Whether the cells of a line are names of columns, usual ones or those of `named`."""
    cells = {cell.strip().strip('"').casefold() for cell in line.split("|")}
    return bool(cells & {*RECORDING.usual_names, *map(str.casefold, named)})


def read_piped(
    path: Path, problems: list[str] | None, encoding: str | None
) -> list[tuple[str, str]]:
    """(recording, text) of each line of a list without a header.

    Raises:
        UsageError: the last column is not the text, or a line is unusable and `problems` is None.
    """
    rows = [
        (number, line.rstrip("\r\n").split("|"))
        for number, line in enumerate(file_lines(path, encoding), 1)
        if line.strip()
    ]
    width = len(rows[0][1])
    _check_text(path, [cells for _, cells in islice(rows, PEEK) if len(cells) == width])
    pairs = []
    for number, cells in rows:
        where = f"{path}:{number}"
        name, text = cells[0].strip(), " ".join(cells[-1].split())
        reason = ""
        if len(cells) != width:
            reason = f"has {counted(len(cells), 'cell')} where the first line has {width}"
        elif not name or not text:
            reason = f"has no {'path' if not name else 'text'}; fill it in, or remove the line"
        if reason:
            report(RecordError(f"{where}: {reason}", where), problems)
            continue
        recording = Path(name).expanduser()
        recording = recording if recording.is_absolute() else path.parent / recording
        pairs.append((str(located(recording, path.parent) or recording), text))
    return pairs


def _check_text(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Refuse a list whose last column looks like names, and another one like texts."""
    spaces = [sum(" " in row[n].strip() for row in rows) for n in range(1, len(rows[0]))]
    if not spaces or spaces[-1] or not any(spaces):
        return
    text = 1 + spaces.index(max(spaces))
    raise UsageError(
        f"{path}: the text may be in column {text + 1} ({rows[0][text].strip()[:40]!r}) or in the last "
        f"one ({rows[0][-1].strip()[:40]!r}); add a first line such as audio|text|speaker."
    )
