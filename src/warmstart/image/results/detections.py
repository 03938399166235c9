"""What object detection answers: boxes in the pixels of the photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.image.results.segmentation import palette

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Box:
    """One thing: what it is, how sure the model is (0 to 1), and its rectangle.

    Coordinates are pixels of the upright photo, from its left and top edge: `xmin` of 0 is the left edge of the first
    column, `xmax` equal to the photo's width the right edge of its last.
    """

    label: str
    index: int
    score: float
    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @property
    def width(self) -> float:
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        return self.ymax - self.ymin

    def to_dict(self) -> dict[str, Any]:
        sides = {side: round(getattr(self, side), 2) for side in ("xmin", "ymin", "xmax", "ymax")}
        return {"label": self.label, "index": self.index, "score": round(self.score, 6), **sides}


@dataclass(frozen=True, eq=False)
class Detections:
    """The things in one photo, surest first; `len`, indexing and iteration are over `boxes`. It may be empty.

    Attributes:
        input: name of the photo.
        model: name of the model.
        size: (width, height) of the upright photo in pixels.
        boxes: what was found.
        picture: gives the photo again, for drawing on it.
    """

    input: str
    model: str
    size: tuple[int, int]
    boxes: tuple[Box, ...]
    picture: Callable[[], Image] = field(repr=False)

    def __iter__(self) -> Iterator[Box]:
        return iter(self.boxes)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, place: int) -> Box:
        return self.boxes[place]

    def __bool__(self) -> bool:
        return True  # an answer, also where nothing was found; only a `Failed` is false

    def counts(self) -> dict[str, int]:
        """How many of each label, most first."""
        found: dict[str, int] = {}
        for box in self.boxes:
            found[box.label] = found.get(box.label, 0) + 1
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    def draw(self) -> Image:
        """The photo with the boxes, their labels and scores."""
        photo = self.picture()
        photo = photo if photo.size == self.size else photo.resize(self.size)
        marks = [(box, f"{box.label} {box.score:.0%}", colour(box.index)) for box in self.boxes]
        return draw_boxes(photo, marks)

    def __str__(self) -> str:
        return ", ".join(f"{count} {label}" for label, count in self.counts().items()) or "nothing"

    def to_dict(self) -> dict[str, Any]:
        return {"input": self.input, "model": self.model, "size": list(self.size),
                "boxes": [box.to_dict() for box in self.boxes]}


def colour(index: int) -> tuple[int, int, int]:
    """A colour for a class; the first is not black."""
    red, green, blue = palette()[index % 255 + 1]
    return int(red), int(green), int(blue)


def draw_boxes(photo: Image, marks: list[tuple[Box, str, tuple[int, int, int]]]) -> Image:
    """Draw rectangles with a text each onto the photo itself, the last of them lowest; returns the photo."""
    from PIL import ImageDraw, ImageFont

    pen = ImageDraw.Draw(photo)
    side = min(photo.size)
    line = max(1, round(side / 250))
    font = ImageFont.load_default(max(10, round(side / 40)))
    for box, text, shade in reversed(marks):
        pen.rectangle((box.xmin, box.ymin, box.xmax - 1 if box.xmax >= box.xmin + 1 else box.xmax,
                       box.ymax - 1 if box.ymax >= box.ymin + 1 else box.ymax), outline=shade, width=line)
        if not text:
            continue
        left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
        width, height = right - left + 2 * line, bottom - top + 2 * line
        x = min(max(box.xmin, 0), max(photo.width - width, 0))
        y = box.ymin - height if box.ymin >= height else min(box.ymin, max(photo.height - height, 0))
        pen.rectangle((x, y, x + width, y + height), fill=shade)
        ink = (0, 0, 0) if np.dot(shade, (0.299, 0.587, 0.114)) > 140 else (255, 255, 255)
        pen.text((x + line - left, y + line - top), text, fill=ink, font=font)
    return photo
