"""All 16 bits of the colours of a PNG or TIFF; Pillow decodes the upper 8."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from warmstart.image.depth import to_8bit

_OTHER = "16B" if sys.byteorder == "little" else "16L"
_GREY_ALPHA = "LA;16B"
_LOWER = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": f"RGB;{_OTHER}",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": f"RGBA;{_OTHER}",
    _GREY_ALPHA: "RGBA",  # the bytes of the file: two of grey, two of alpha
}
"""Pillow's raw modes that decode the upper bytes, and those that decode the lower bytes."""


def use_all_bits(image: Image.Image, file: BinaryIO, format_name: str) -> None:
    """Scale the colours of a picture of 16 bits per channel as in `image.depth`, in place.

    If the highest bit is used, their upper bytes are the result. Otherwise, such as for 12 bits, the
    file is decoded again, for the lower bytes.

    Args:
        image: just opened from `file`, not loaded. Pictures of another depth are not changed.
        file: open for reading.
        format_name: Pillow's name of its format.
    """
    raw_mode = _raw_mode(image)
    if raw_mode not in _LOWER:
        return
    image.load()
    upper = np.asarray(image)[..., :3]
    if upper.max() > 127:
        return
    file.seek(0)
    with Image.open(file, formats=(format_name,)) as source:
        lower_mode = _LOWER[raw_mode]
        for index, tile in enumerate(source.tile):
            args: Any = tile[3]
            args = lower_mode if isinstance(args, str) else (lower_mode, *args[1:])
            source.tile[index] = type(tile)(*tile[:3], args)
        pixels = np.asarray(source)
    lower = pixels[..., 1:2] if raw_mode == _GREY_ALPHA else pixels[..., :3]
    colours = to_8bit(upper * np.uint16(256) + lower, "", None)
    alpha = np.asarray(image)[..., 3:]
    image.paste(Image.fromarray(np.concatenate([colours, alpha], axis=-1)))


def _raw_mode(image: Image.Image) -> str:
    """Pillow's name for the bytes of all pixels in the file; "" if it is unknown."""
    if not isinstance(image, ImageFile.ImageFile) or image.mode not in ("RGB", "RGBA"):
        return ""
    raw_modes = {
        tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in image.tile
    }
    return str(raw_modes.pop()) if len(raw_modes) == 1 else ""
