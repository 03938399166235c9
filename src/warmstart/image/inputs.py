"""Photos as inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from warmstart.core.input_kind import FileKind, Limits, Readable
from warmstart.core.records import columns
from warmstart.errors import InputError
from warmstart.image.decoder import SUFFIXES

if TYPE_CHECKING:
    from PIL.Image import Image

Photo: TypeAlias = Union[str, "os.PathLike[str]", bytes, Readable, "Image", "NDArray[Any]"]
"""A path, URL, bytes, open binary file, PIL image, or array (H, W), (H, W, 1), (H, W, 3) or (H, W,
4) of integers, or of floats with a `value_range`.
"""


LARGE = 16_000_000
"""Pixels of a large photo; a decoded photo takes four bytes per pixel, and more during decoding."""
DECODING = {"WEBP": 3, "AVIF": 2, "HEIF": 2}
"""Memory per pixel while decoding, relative to other formats."""


class PhotoKind(FileKind):
    """Photos: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF and HEIC files, PIL images and arrays."""

    name = "image"
    noun = "photo"
    plural = "photos"
    media = ("image/",)
    suffixes = SUFFIXES
    field = columns.PHOTO
    schema: ClassVar = {"type": "string", "format": "image-base64", "minLength": 1}
    tensors: ClassVar = {"image": ("BYTES", [-1])}

    def from_tensors(self, arrays: Mapping[str, NDArray[Any]], limits: Limits) -> list[Any]:
        pixels = arrays["image"]
        if pixels.dtype != "uint8":
            return super().from_tensors(arrays, limits)
        if pixels.ndim not in (3, 4) or pixels.shape[-1] != 3 or not pixels.size:
            raise InputError(
                "image of UINT8 must be pixels of the shape [height, width, 3] or [rows, height, width, 3]."
            )
        return list(pixels if pixels.ndim == 4 else pixels[None])

    def warmup_input(self) -> NDArray[Any]:
        return np.full((48, 64, 3), 128, np.uint8)

    def check_size(
        self, value: Any, limits: Limits, options: Mapping[str, Any] | None = None
    ) -> bool:
        from warmstart.image import decoder, formats

        if not isinstance(value, bytes):
            return False
        factor = DECODING.get(formats.format_of(value[: formats.HEAD], "the photo"), 1)
        most = limits.max_pixels // factor
        width, height = decoder.size(value, name="the photo", max_pixels=most)
        return width * height * factor > LARGE


PHOTO = PhotoKind()
