"""Results of object detection: boxes in pixels of the photo."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias

import numpy as np

from warmstart.core import html
from warmstart.core.wire import Decimals, Record, Result, Score
from warmstart.image.results.lettering import text_of
from warmstart.image.results.pictures import FORMATS, encoded
from warmstart.image.results.segmentation import palette

if TYPE_CHECKING:
    from PIL.Image import Image


Pixels: TypeAlias = Annotated[float, Decimals(2)]
"""A coordinate in pixels."""


@dataclass(frozen=True)
class Box(Record):
    """One object: its class, the score of the class (0 to 1), and its rectangle.

    Coordinates are pixels of the upright photo, from its left and top edge: `xmin` of 0 is the left
    edge of the first column, `xmax` equal to the photo's width the right edge of its last.

    Example:
        >>> box = ws.load("bccd_fcos")("smear.jpg")[0]
        >>> box.label, box.width > 50
        ('WBC', True)
        >>> box.height == box.ymax - box.ymin
        True
    """

    label: str
    index: int
    score: Score
    xmin: Pixels
    ymin: Pixels
    xmax: Pixels
    ymax: Pixels

    @property
    def width(self) -> float:
        """Width in pixels of the photo."""
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        """Height in pixels of the photo."""
        return self.ymax - self.ymin


@dataclass(frozen=True, eq=False, repr=False)
class Detections(Result):
    """The objects in a photo, best first; `len`, indexing and iteration are over `boxes`, which may be
    empty.

    Attributes:
        input: name of the photo.
        model: name of the model.
        size: (width, height) of the upright photo in pixels.
        boxes: the objects.
        picture: opens the photo again, to draw on it.

    Example:
        >>> detections = ws.load("bccd_fcos")("smear.jpg")
        >>> detections.counts()
        {'RBC': 23, 'Platelets': 2, 'WBC': 1}
        >>> detections.draw().size == detections.size
        True
        >>> len(detections.crops())
        26
        >>> detections.plot().size == detections.size
        True
    """

    wire: ClassVar = ("input", "model", "size", "boxes")
    rows: ClassVar = "boxes"
    files: ClassVar = tuple(FORMATS)

    input: str
    model: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    picture: Callable[[], Image] = field(repr=False)

    def __iter__(self) -> Iterator[Box]:
        return iter(self.boxes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Box:
        return self.boxes[index]

    def counts(self) -> dict[str, int]:
        """The number of boxes of each label, highest first."""
        return dict(Counter(box.label for box in self.boxes).most_common())

    def photo(self) -> Image:
        """The upright photo, opened again."""
        photo = self.picture()
        return photo if photo.size == self.size else photo.resize(self.size)

    def draw(self) -> Image:
        """The photo with the boxes, their labels and scores."""
        photo = self.photo()
        marks: list[Mark] = [(box, f" {box.score:.0%}", colour(box.index)) for box in self.boxes]
        return draw_boxes(photo, marks)

    def plot(self) -> Image:
        """The same as `draw`."""
        return self.draw()

    def crops(self) -> list[Image]:
        """Crops of the objects, in the order of `boxes`; each has at least one pixel."""
        photo = self.photo()
        crops = []
        for box in self.boxes:
            left, top = min(int(box.xmin), photo.width - 1), min(int(box.ymin), photo.height - 1)
            left, top = max(left, 0), max(top, 0)
            right = min(max(math.ceil(box.xmax), left + 1), photo.width)
            bottom = min(max(math.ceil(box.ymax), top + 1), photo.height)
            crops.append(photo.crop((left, top, right, bottom)))
        return crops

    def file_content(self, suffix: str) -> bytes:
        """`draw()` as a file."""
        return encoded(self.draw(), suffix)

    def to_html(self) -> str:
        return html.picture(self.draw(), f"Boxes: {self}") + super().to_html()

    def __str__(self) -> str:
        return ", ".join(f"{count} {label}" for label, count in self.counts().items()) or "nothing"

    def show(self) -> str:
        width = max((len(box.label) for box in self), default=0)
        lines = [
            f"  {box.label:<{width}}  {box.score:6.1%}  "
            f"{box.xmin:6.0f} {box.ymin:6.0f} {box.xmax:6.0f} {box.ymax:6.0f}"
            for box in self
        ]
        head = f"{self.input} ({self.size[0]}x{self.size[1]}): {self}"
        return "\n".join([head, *lines, ""])


def colour(index: int) -> tuple[int, int, int]:
    """A colour for a class; the first is not black."""
    red, green, blue = palette()[index % 255 + 1]
    return int(red), int(green), int(blue)


Mark: TypeAlias = tuple[Box, str | None, tuple[int, int, int]]
"""(box, text after the name of its class, such as a score, or None for no text, colour)."""


def draw_boxes(photo: Image, marks: list[Mark]) -> Image:
    """Draw labelled rectangles onto the photo, the last one first, and return the photo."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(photo)
    side = min(photo.size)
    line = max(1, round(side / 250))
    for box, ending, shade in reversed(marks):
        pen.rectangle(
            (
                box.xmin,
                box.ymin,
                box.xmax - 1 if box.xmax >= box.xmin + 1 else box.xmax,
                box.ymax - 1 if box.ymax >= box.ymin + 1 else box.ymax,
            ),
            outline=shade,
            width=line,
        )
        if ending is None:
            continue
        text = text_of(box.label, ending, f"class {box.index}", max(10, round(side / 40)))
        left, top, right, bottom = text.box(pen)
        width, height = right - left + 2 * line, bottom - top + 2 * line
        x = min(max(box.xmin, 0), max(photo.width - width, 0))
        y = (
            box.ymin - height
            if box.ymin >= height
            else min(box.ymin, max(photo.height - height, 0))
        )
        pen.rectangle((x, y, x + width, y + height), fill=shade)
        ink = (0, 0, 0) if np.dot(shade, (0.299, 0.587, 0.114)) > 140 else (255, 255, 255)
        text.draw(pen, (x + line - left, y + line - top), ink)
    return photo
