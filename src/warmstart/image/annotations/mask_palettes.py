"""The palettes of masks, in which an index must always have the same colour."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from warmstart.errors import UsageError

Colour = tuple[int, int, int]


class Palettes:
    """The colours of indices, over all masks of a data set."""

    def __init__(self) -> None:
        self.colours: dict[int, tuple[Colour, str]] = {}

    def add(self, mask: Any, name: str, indices: Iterable[int]) -> None:
        """Add the palette of a mask whose pixels have these indices.

        Raises:
            UsageError: an index had another colour before.
        """
        palette = _palette(mask)
        for index in indices if palette else ():
            colour = _colour(palette, index)
            earlier, first = self.colours.setdefault(index, (colour, name))
            if earlier != colour:
                raise UsageError(
                    f"{first} and {name} have masks of different palettes: index {index} is {earlier} "
                    f"in the first and {colour} in the second. If colours are the classes, pass "
                    "colours={label: (red, green, blue)}; if indices are, save all masks with one "
                    "palette or as grey levels."
                )


def _palette(mask: Any) -> list[int]:
    """Red, green and blue of each index; empty if a mask has no palette."""
    from PIL import Image

    if isinstance(mask, Image.Image):
        return (mask.getpalette() or []) if mask.mode == "P" else []
    if not isinstance(mask, str | os.PathLike | bytes):
        return []
    try:
        with Image.open(BytesIO(mask) if isinstance(mask, bytes) else mask) as picture:
            return (picture.getpalette() or []) if picture.mode == "P" else []
    except Exception:  # the pixels were read, and a missing palette does no harm
        return []


def _colour(palette: list[int], index: int) -> Colour:
    red, green, blue = (*palette[3 * index : 3 * index + 3], 0, 0, 0)[:3]
    return red, green, blue
