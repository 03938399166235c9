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
"""Pillow's formats by suffix."""


def encoded(picture: Image, suffix: str) -> bytes:
    """The content of a picture file with a suffix in `FORMATS`; PNG keeps palettes."""
    file = io.BytesIO()
    (picture if suffix == ".png" else picture.convert("RGB")).save(file, FORMATS[suffix])
    return file.getvalue()
