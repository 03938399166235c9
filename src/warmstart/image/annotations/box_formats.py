"""Formats of boxes: two corners, or a corner or the centre with width and height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations.numbers import FRACTION_SLACK, are_fractions, must_be_fractions

FORMATS = ("xyxy", "xywh", "cxcywh")
MEANING = {
    "xyxy": "xmin, ymin, xmax, ymax",
    "xywh": "x and y of the top left corner, width, height",
    "cxcywh": "x and y of the centre, width, height",
}
SLACK = 1.5
"""Pixels that a box may reach beyond its photo."""
MISFITS = 0.05
"""The fraction of boxes that may lie outside their photos in the correct format."""
_LEFT, _TOP = ("xmin", "x1", "left"), ("ymin", "y1", "top")
_RIGHT, _BOTTOM = ("xmax", "x2", "right"), ("ymax", "y2", "bottom")
_WIDTH, _HEIGHT = ("width", "w"), ("height", "h")
_CENTRE_X = ("xcenter", "xcentre", "centerx", "centrex", "cx", "xc")
_CENTRE_Y = ("ycenter", "ycentre", "centery", "centrey", "cy", "yc")
_PHOTO = ("image", "img", "photo", "picture")
_QUADRUPLES: Sequence[tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]] = (
    ((("x0",), ("y0",), ("x1",), ("y1",)), ("xyxy",)),
    ((_LEFT, _TOP, _RIGHT, _BOTTOM), ("xyxy",)),
    ((_CENTRE_X, _CENTRE_Y, _WIDTH, _HEIGHT), ("cxcywh",)),
    ((_LEFT, _TOP, _WIDTH, _HEIGHT), ("xywh",)),
    ((("x",), ("y",), _WIDTH, _HEIGHT), ("xywh", "cxcywh")),
)
"""Common names of the columns, and the formats that they allow."""
Numbers = tuple[float, ...]
Sides = tuple[float, float, float, float]


@dataclass(frozen=True)
class RowBox:
    """A box of a table: its row for messages, its label, its four numbers, and whether it is a
    crowd or difficult.
    """

    row: str
    label: str
    numbers: Numbers
    crowd: bool = False
    difficult: bool = False


def columns_of(
    columns: Sequence[str], *, positional: bool
) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """The four columns of boxes, or None, and the formats that they allow.

    Args:
        columns: of the table.
        positional: whether the file has no header.

    Raises:
        UsageError: two columns may be the same side.
    """
    if positional:
        return ("xmin", "ymin", "xmax", "ymax"), FORMATS
    plain = {column: _plain(column) for column in columns}
    for names, formats in _QUADRUPLES:
        matches = [[column for column in columns if plain[column] in side] for side in names]
        if all(matches):
            if doubled := next((match for match in matches if len(match) > 1), None):
                raise UsageError(
                    f"The columns {' and '.join(map(repr, doubled))} may be the same side of a box; "
                    "rename one."
                )
            return tuple(match[0] for match in matches), formats
    return None, ()


def size_columns(columns: Sequence[str], used: Sequence[str]) -> tuple[str, str] | None:
    """The columns of the width and height of the photo, or None.

    Args:
        columns: of the table.
        used: the columns of boxes.
    """
    pair = []
    for side, short in (("width", "w"), ("height", "h")):
        names = {prefix + end for prefix in _PHOTO for end in (side, short)} | {side}
        matches = [column for column in columns if column not in used and _bare(column) in names]
        pair.append(matches[0] if len(matches) == 1 else "")
    return (pair[0], pair[1]) if all(pair) else None


def _plain(column: str) -> str:
    return _bare(column).removeprefix("bbox").removeprefix("box")


def _bare(column: str) -> str:
    return column.strip().casefold().replace("_", "").replace(" ", "")


def decide(
    boxes: Sequence[tuple[Any, Sequence[RowBox]]],
    formats: Sequence[str],
    box_format: str | None,
    name: str,
) -> tuple[bool, str]:
    """Whether the numbers are fractions of the photo, and their format; see `corners_of`.

    They are fractions if none is above 1. Of several formats, that one is chosen in which the boxes
    lie inside their photos.

    Args:
        boxes: (photo, its boxes).
        formats: that the names of the columns allow.
        box_format: the user's option.
        name: of the table, for messages.

    Raises:
        UsageError: `box_format` contradicts the columns, or two formats are possible.
    """
    if box_format is not None and box_format not in formats:
        raise UsageError(
            f"{name}: the columns are {' or '.join(map(MEANING.__getitem__, formats))}, not "
            f"box_format={box_format!r}."
        )
    rows = [row for _, rows_of_photo in boxes for row in rows_of_photo]
    scaled = uses_fractions(rows, name)
    if box_format is not None or len(formats) == 1:
        return scaled, box_format or formats[0]
    sizes = [(1, 1) if scaled else _size(photo) for photo, _ in boxes]
    slack = FRACTION_SLACK if scaled else SLACK
    misfits = {
        candidate: sum(
            not _fits(corners_of(row.numbers, candidate), size, slack)
            for size, (_, rows_of_photo) in zip(sizes, boxes, strict=True)
            for row in rows_of_photo
        )
        for candidate in formats
    }
    ordered = sorted(formats, key=misfits.__getitem__)
    best, second = (misfits[candidate] for candidate in ordered[:2])
    if not rows or (best <= MISFITS * len(rows) and second > 4 * best):
        return scaled, ordered[0]
    limit = max(4 * best, MISFITS * len(rows))
    meanings = " or ".join(
        f"{MEANING[candidate]} ({candidate!r})"
        for candidate in formats
        if misfits[candidate] <= limit
    )
    raise UsageError(
        f"{name}: the coordinates of the boxes may be {meanings}, such as {_example(rows[0])}; "
        "set box_format."
    )


def uses_fractions(rows: Sequence[RowBox], name: str) -> bool:
    """Whether the numbers of a data set are fractions of the photos instead of pixels.

    Raises:
        UsageError: some must be fractions, and others must be pixels.
    """
    pixels = [row for row in rows if not are_fractions(row.numbers)]
    fractions = [row for row in rows if must_be_fractions(row.numbers)]
    if pixels and fractions:
        raise UsageError(
            f"{name}: the boxes are in two units: {counted(len(fractions), 'box', 'boxes')} in fractions of the "
            f"photo's size, such as {_example(fractions[0])}, and {len(pixels):,} in pixels, such as "
            f"{_example(pixels[0])}; write all of them in the same unit."
        )
    return bool(rows) and not pixels


def corners_of(numbers: Numbers, box_format: str) -> Sides:
    """xmin, ymin, xmax, ymax of the four numbers of a box.

    Raises:
        ValueError: these are not four numbers.
    """
    x, y, width, height = numbers
    if box_format == "xyxy":
        return x, y, width, height
    if box_format == "xywh":
        return x, y, x + width, y + height
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _example(row: RowBox) -> str:
    return f"{', '.join(f'{n:g}' for n in row.numbers)} in {row.row}"


def _size(photo: Any) -> tuple[int, int]:
    try:
        return decoder.size(photo)
    except InputError:
        return (0, 0)  # the collector reports the problem


def _fits(sides: Sides, size: tuple[int, int], slack: float) -> bool:
    left, top, right, bottom = sides
    inside = left >= -slack and top >= -slack
    inside = inside and right <= size[0] + slack and bottom <= size[1] + slack
    return size == (0, 0) or (inside and left < right and top < bottom)
