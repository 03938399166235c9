"""Pictures of results as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""Suffix -> format of Pillow."""


def encoded(picture: Image, suffix: str) -> bytes:
    """A picture as the content of a file with one of the suffixes of `FORMATS`."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, FORMATS[suffix])
    return file.getvalue()
