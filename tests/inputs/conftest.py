"""A picture with structure to compare against, and its encoded forms."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """57x40 RGB, smooth and without any symmetry: JPEG keeps it, and every turn of it differs from the others."""
    y, x = np.mgrid[0:40, 0:57]
    bands = (255 * x / 56, 255 * y / 39, 127 + 90 * np.sin(x / 9 + y / 15))
    return Image.fromarray(np.stack(bands, axis=-1).astype(np.uint8))


@pytest.fixture(scope="session")
def encoded(photo):
    """encoded("PNG", **options) -> the bytes of the photo, or of `image=`, in that format."""

    def encode(kind: str, image: Image.Image = photo, **options) -> bytes:
        file = io.BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    return encode


@pytest.fixture(scope="session")
def apart():
    """Mean absolute difference of two pictures or arrays, in units of 0..255; infinite where the shapes differ."""

    def difference(a, b) -> float:
        a, b = np.asarray(a, float), np.asarray(b, float)
        return float(np.abs(a - b).mean()) if a.shape == b.shape else float("inf")

    return difference
