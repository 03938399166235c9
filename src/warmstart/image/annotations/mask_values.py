"""What the values of masks mean, decided once for a data set: classes, pixels that do not count, or
background and object.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from warmstart.errors import UsageError

NOT_COUNTED = 255
TWO_VALUED = ("background", "object")
UNKNOWN_COLOUR = -1
Colours = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class Encoding:
    """How values become class indices.

    Attributes:
        labels: the classes in order.
        object_value: of the object in masks of two values, whose other one is 0; None: values are
            indices, and 255 does not count.
    """

    labels: tuple[str, ...]
    object_value: int | None = None

    def explains(self, value: int) -> bool:
        """Whether this is the value of a class, or of pixels that do not count."""
        if self.object_value is not None and value == self.object_value:
            return True
        count = len(self.labels) if self.object_value is None else 1
        return 0 <= value < count or value == NOT_COUNTED

    def indices(self, values: np.ndarray) -> np.ndarray:
        """Class indices (H, W) uint8 of the values of a mask (H, W)."""
        if self.object_value is None:
            return values.astype(np.uint8)
        indices = np.where(values == NOT_COUNTED, NOT_COUNTED, 0).astype(np.uint8)
        indices[values == self.object_value] = 1
        return indices


def decide(counts: Counter[int], labels: Sequence[str] | None, name: str) -> Encoding:
    """The encoding of a data set.

    Two values, 0 and another, are background and object. Else values are class indices, where
    255 does not count.

    Args:
        counts: pixels of each value, over all masks.
        labels: the classes in order; None: "class 0" on.
        name: of the data, for messages.

    Raises:
        UsageError: a value is not explained by a class, or there are not two classes.
    """
    if labels is not None and not labels:
        raise UsageError(f"{name}: there are no labels.")
    values = sorted(value for value, count in counts.items() if count)
    if len(values) == 2 and values[0] == 0 and (labels is None or len(labels) == 2):
        return Encoding(tuple(labels or TWO_VALUED), None if values[1] == 1 else values[1])
    if labels is None:
        indices = [value for value in values if value != NOT_COUNTED]
        if indices != list(range(len(indices))):
            raise UsageError(
                f"{name}: the masks hold {_counted(counts, values)}, and no labels say what these "
                f"values are. {_WAY_OUT}"
            )
        if len(indices) < 2:
            raise UsageError(
                f"{name}: the masks hold {_counted(counts, values) or 'no pixels'}, so there are not "
                "two classes to tell apart."
            )
        labels = [f"class {index}" for index in indices]
    encoding = Encoding(tuple(labels))
    check(encoding, counts, name)
    return encoding


_WAY_OUT = (
    "Name the classes in order with labels=, or give colours={label: (red, green, blue)}, for a grey "
    "level three equal numbers. A mask that was saved as JPEG or resized smoothly has values that "
    "nobody set."
)


def check(encoding: Encoding, counts: Counter[int], name: str) -> None:
    """Refuse values that no class explains.

    Raises:
        UsageError: there are some; the message has the number of their pixels.
    """
    unexplained = [value for value in sorted(counts) if not encoding.explains(value)]
    if unexplained:
        known = ", ".join(f"{index} {label!r}" for index, label in enumerate(encoding.labels[:20]))
        if encoding.object_value is not None:
            known = f"0 {encoding.labels[0]!r}, {encoding.object_value} {encoding.labels[1]!r}"
        raise UsageError(
            f"{name}: the masks hold {_counted(counts, unexplained)}, which no label explains; the "
            f"{len(encoding.labels)} classes are {known}. {_WAY_OUT}"
        )
    if not any(count for value, count in counts.items() if value != NOT_COUNTED):
        raise UsageError(f"{name}: no pixel of any mask belongs to a class.")


def _counted(counts: Counter[int], values: Sequence[int]) -> str:
    parts = [f"{value} ({counts[value]:,} pixels)" for value in values[:8]]
    more = f" and {len(values) - 8} more values" if len(values) > 8 else ""
    return ", ".join(parts) + more


def read_values(mask: Any, colours: Colours | None = None) -> np.ndarray:
    """The values (H, W) of a mask: int64 of a path, a file's bytes, a PIL image (palette, grey,
    1 bit, RGB with `colours`) or an array (H, W) or (H, W, 1).

    Pixels of a colour that is none of `colours` are `UNKNOWN_COLOUR` less the colour's code.

    Raises:
        UsageError: it is not such a mask.
    """
    from PIL import Image

    if isinstance(mask, str | os.PathLike | bytes):
        name = "the mask" if isinstance(mask, bytes) else str(mask)
        try:
            with Image.open(BytesIO(mask) if isinstance(mask, bytes) else mask) as opened:
                return _of_picture(opened, name, colours)
        except UsageError:
            raise
        except Exception as error:  # Pillow's parsers raise a dozen classes on damaged files
            raise UsageError(f"{name}: the mask cannot be read ({error})") from error
    if isinstance(mask, Image.Image):
        return _of_picture(mask, "the mask", colours)
    array = np.asarray(mask)
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if (
        array.ndim != 2
        or array.dtype.kind not in "uib"
        or (array.size and not 0 <= array.min() <= array.max() <= 255)
    ):
        raise UsageError(
            f"a mask is an array (H, W) of whole numbers from 0 to 255, not {array.dtype} "
            f"{array.shape}"
        )
    return array.astype(np.int64)


def _of_picture(picture: Any, name: str, colours: Colours | None) -> np.ndarray:
    if colours is not None:
        return _of_colours(np.array(picture.convert("RGB"), np.int64), colours)
    if picture.mode in ("P", "L", "1"):
        return np.array(picture, np.int64)
    if picture.mode in ("LA", "PA"):
        return np.array(picture.getchannel(0), np.int64)
    if picture.mode.startswith("I"):
        values = np.array(picture).astype(np.int64)
        if values.size and not 0 <= values.min() <= values.max() <= 255:
            raise UsageError(
                f"{name}: the mask holds values from {values.min()} to {values.max()}; there are 256 "
                "classes at most"
            )
        return values
    if picture.mode in ("RGB", "RGBA"):
        channels = np.array(picture.convert("RGB"), np.int64)
        if (channels == channels[..., :1]).all():  # grey levels, saved as colours
            return channels[..., 0]
    raise UsageError(
        f"{name}: the mask is a picture of colours ({picture.mode}); say what they mean with "
        "colours={label: (red, green, blue), …}"
    )


def _of_colours(pixels: np.ndarray, colours: Colours) -> np.ndarray:
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = {(r << 16) | (g << 8) | b: index for index, (r, g, b) in enumerate(colours.values())}
    distinct, inverse = np.unique(codes, return_inverse=True)
    values = [known.get(int(code), UNKNOWN_COLOUR - int(code)) for code in distinct]
    return np.array(values, np.int64)[inverse].reshape(codes.shape)


def unknown_colours(counts: Counter[int], name: str) -> None:
    """Refuse colours that are not a class.

    Raises:
        UsageError: there are some; the message has the number of their pixels.
    """
    unknown = [value for value in counts if value <= UNKNOWN_COLOUR]
    if not unknown:
        return
    unknown.sort(key=lambda value: -counts[value])
    named = ", ".join(
        f"({code >> 16}, {code >> 8 & 255}, {code & 255}) ({counts[value]:,} pixels)"
        for value in unknown[:5]
        for code in (UNKNOWN_COLOUR - value,)
    )
    raise UsageError(
        f"{name}: the masks have {len(unknown):,} colours that are not a class: {named}. Add them to "
        "colours=; a mask that was saved as JPEG or resized smoothly has colours that nobody set."
    )
