"""Pictures of results as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Suffix -> format of Pillow."""


def encoded(picture: Image, suffix: str) -> bytes:
    """A picture as the content of a file with one of the suffixes of `FORMATS`; PNG keeps palettes."""
    file = io.BytesIO()
    (picture if suffix == ".png" else picture.convert("RGB")).save(file, FORMATS[suffix])
    return file.getvalue()
