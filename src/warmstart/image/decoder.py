"""Decodes a picture of any form into an upright 8-bit RGB image.

This module decides what Pillow leaves to its callers: the formats that are parsed, the maximum
size, the orientation, the background of transparent pixels, and the conversion of 16-bit and float
pixels to 8 bits.
"""

from __future__ import annotations

import contextlib
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image, UnidentifiedImageError

from warmstart.core.reading import input_name, opened
from warmstart.errors import CancelledError, InputError
from warmstart.image.deep_colours import use_all_bits
from warmstart.image.depth import ValueRange, range_of, to_8bit
from warmstart.image.formats import HEAD, SUFFIXES, format_of

__all__ = ["MAX_PIXELS", "SUFFIXES", "ValueRange", "decode", "size"]

MAX_PIXELS = 178_956_970
"""The default limit of pixels, Pillow's own (2**31 / 4 / 3)."""
_ORIENTATION = 0x0112
# By the value of EXIF's orientation, the position of row 0 and column 0 (EXIF 2.32, 4.6.4.A).
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0  # a tag of TIFF


def decode(
    item: Any,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
    target: tuple[int, int] | None = None,
    value_range: ValueRange | None = None,
    fetch: Callable[[str], bytes] | None = None,
) -> Image.Image:
    """Decode a picture into a new upright 8-bit RGB image; the item is not changed.

    Args:
        item: a path, `http(s)` URL, encoded bytes, binary file object, PIL image, or array: (H, W,
            3) uint8, also (H, W) or (H, W, 1) greyscale and (H, W, 4) with alpha; integers of other
            types are scaled as in `image.depth`; float arrays need a `value_range`. Files are JPEG,
            PNG, WebP, GIF (first frame), BMP, TIFF, AVIF or HEIC by content, not by name.
        name: in error messages; default: its path, URL or file name.
        max_pixels: a file with more pixels is refused before it is decoded.
        target: (height, width) in pixels to which the whole picture will be reduced later: a JPEG
            may then be decoded at 1/2, 1/4 or 1/8 of its size, but at least at twice the target on
            both sides.
        value_range: "0..1", "0..255", "-1..1" or two numbers: black and white of a float array or
            float TIFF.
        fetch: `fetch(url) -> bytes`, instead of the built-in download.

    Returns:
        The picture. `.info["size"]` is the (width, height) of the upright picture at full size.
        Transparent pixels are blended with white. Pictures of more than 8 bits are scaled as in
        `image.depth`.

    Raises:
        InputError: the item cannot be decoded; the message names it.
    """
    name = name or input_name(item) or f"the {_noun(item)}"
    try:
        if isinstance(item, InputError):  # of a folder in a list that could not be expanded
            raise item
        with _quiet_pillow():
            if isinstance(item, Image.Image):
                return _from_pil(item, name, max_pixels, value_range)
            if hasattr(item, "__array__"):
                return _from_array(np.asarray(item), name, value_range)
            with opened(item, name, fetch) as file:
                return _from_file(file, name, max_pixels, target, value_range)
    except (InputError, CancelledError):
        raise
    except MemoryError as error:
        raise InputError(f"{name}: is too large for the free memory", name) from error
    except Exception as error:  # Pillow's parsers raise a dozen classes for damaged files
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise InputError(
            f"{name}: the picture is damaged or incomplete ({reason})", name
        ) from error


def size(item: Any, *, name: str | None = None, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """(width, height) of the upright picture; see `upright_size`."""
    return upright_size(item, name=name, max_pixels=max_pixels)[0]


def upright_size(
    item: Any, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[tuple[int, int], bool]:
    """(width, height) of the upright picture, and whether EXIF rotates or mirrors it; only the
    header of a file is read.

    Raises:
        InputError: the size cannot be read; the message names the item.
    """
    name = name or input_name(item) or f"the {_noun(item)}"
    if isinstance(item, Image.Image) or hasattr(item, "__array__"):
        return decode(item, name=name, max_pixels=max_pixels).size, False
    try:
        with (
            _quiet_pillow(),
            opened(item, name, None) as file,
            _opened_image(file, name, max_pixels) as (image, _),
        ):
            orientation = _orientation(image)
            upright = image.size[::-1] if orientation >= 5 else image.size
            return upright, orientation in _UPRIGHT
    except InputError:
        raise
    except Exception as error:  # as in `decode`
        raise InputError(f"{name}: the picture is damaged or incomplete ({error})", name) from error


def _noun(item: Any) -> str:
    if isinstance(item, (bytes, bytearray, memoryview)):
        return "bytes"
    if isinstance(item, Image.Image):
        return "image"
    return "array" if hasattr(item, "__array__") else "item"


def _from_file(
    file: BinaryIO,
    name: str,
    max_pixels: int,
    target: tuple[int, int] | None,
    value_range: ValueRange | None,
) -> Image.Image:
    with _opened_image(file, name, max_pixels) as (image, format_name):
        whole = image.size
        if target is not None and format_name == "JPEG":
            _draft(image, 2 * max(target))  # for both sides, because EXIF may swap them
        decoded = image.size
        use_all_bits(image, file, format_name)
        picture = _from_pil(image, name, max_pixels, value_range, is_own=True)
        picture.info["size"] = whole if picture.size == decoded else whole[::-1]
        return picture


@contextlib.contextmanager
def _opened_image(file: BinaryIO, name: str, max_pixels: int) -> Iterator[tuple[Image.Image, str]]:
    """The picture, before its pixels are decoded, and its format."""
    format_name = format_of(file.read(HEAD), name)
    file.seek(0)
    try:
        # Only this parser is tried: no Ghostscript for EPS, no rare formats.
        image = Image.open(file, formats=(format_name,))
    except UnidentifiedImageError:
        raise InputError(
            f"{name}: the file begins as a {format_name} picture, but its header is damaged, or its "
            "type of pixels cannot be read",
            name,
        ) from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{name}: has more pixels than the limit of {max_pixels:,}", name
        ) from None
    with image:
        _check_size(image, name, max_pixels)
        yield image, format_name


def _draft(image: Image.Image, least: int) -> None:
    """Decode a JPEG at 1/8, 1/4 or 1/2 of its size, with at least `least` pixels on both sides.

    Only if both sides are divisible: an incomplete last column would shift the picture.
    """
    width, height = image.size
    for factor in (8, 4, 2):
        if width % factor == 0 == height % factor and min(width, height) // factor >= least:
            # None keeps the colour mode
            image.draft(cast(str, None), (width // factor, height // factor))
            return


def _from_pil(
    image: Image.Image,
    name: str,
    max_pixels: int,
    value_range: ValueRange | None,
    is_own: bool = False,
) -> Image.Image:
    """A new picture; with `is_own`, an RGB picture may be returned itself."""
    _check_size(image, name, max_pixels)
    image.load()
    is_rgb = is_own and image.mode == "RGB" and not image.has_transparency_data
    rgb = image if is_rgb else _to_rgb(image, name, value_range)
    transposition = _UPRIGHT.get(_orientation(image))
    if transposition is not None:
        rgb = rgb.transpose(transposition)
    rgb.info = {"size": rgb.size}  # without the orientation, so that it is not applied twice
    return rgb


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise InputError(f"{name}: has no pixels ({width}x{height})", name)
    if width * height > max_pixels:
        raise InputError(
            f"{name}: has {width}x{height} pixels, more than the limit of {max_pixels:,}", name
        )


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # damaged EXIF is common, and the pixels may still be intact
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, name: str, value_range: ValueRange | None) -> Image.Image:
    """A new RGB image of the same size, as described in `decode`."""
    if image.mode == "F" or image.mode.startswith("I"):
        grey = to_8bit(np.asarray(image), name, value_range)
        if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            grey = 255 - grey  # Pillow inverts only pixels of 8 bits and less
        return Image.fromarray(grey).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")  # a copy, even of an RGB image
    rgba = image.convert("RGBA")
    lowest, _ = cast("tuple[tuple[int, int], ...]", rgba.getextrema())[3]
    if lowest < 255:
        rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return rgba.convert("RGB")


def _from_array(array: np.ndarray, name: str, value_range: ValueRange | None) -> Image.Image:
    shape = "x".join(map(str, array.shape)) or "a single value"
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; it seems to have its channels first: pass array.transpose(1, 2, 0)"
        elif array.ndim == 4:
            hint = "; pass the batch as a list, or one image of it"
        raise InputError(
            f"{name}: an image has the shape (height, width), or (height, width, 1, 3 or 4), "
            f"not {shape}{hint}",
            name,
        )
    if array.size == 0:
        raise InputError(f"{name}: has no pixels ({shape})", name)
    if np.issubdtype(array.dtype, np.floating):
        if value_range is None:
            raise InputError(
                f"{name}: is a float array; pass its range with value_range='0..1', '0..255' "
                "or '-1..1'",
                name,
            )
    elif not (np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise InputError(
            f"{name}: is an array of {array.dtype}; images are integers, or floats with a "
            "value_range",
            name,
        )
    elif value_range is not None and range_of(value_range, name) != (0.0, 255.0):
        raise InputError(
            f"{name}: is an array of {array.dtype}, whose range is not {value_range!r}; a "
            "value_range is for floats",
            name,
        )
    array = to_8bit(array, name, value_range)
    if array.shape[-1] == 1:
        array = array[..., 0]
    image = _to_rgb(Image.fromarray(np.ascontiguousarray(array)), name, None)
    image.info = {"size": image.size}
    return image


_quiet_lock = threading.Lock()
_quiet_users = 0
_QUIET = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Suppress Pillow's warnings (odd metadata, large pictures) while a file is decoded.

    `warnings.catch_warnings` replaces a list that all threads share, and restores the wrong one if
    threads overlap. This adds and removes a single filter for Pillow's modules.
    """
    global _quiet_users
    with _quiet_lock:
        _quiet_users += 1
        filters = cast("list[Any]", warnings.filters)
        if _QUIET not in filters:
            filters.insert(0, _QUIET)
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_users -= 1
            filters = cast("list[Any]", warnings.filters)
            if _quiet_users == 0 and _QUIET in filters:
                filters.remove(_QUIET)
