"""The values of a mask: a picture with a palette, grey levels or colours, or an array."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np

from warmstart.core.reading import opened, scheme
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError

NOT_COUNTED = 255
UNKNOWN_COLOUR = -1
Colours = Mapping[str, tuple[int, int, int]]


def read_values(mask: Any, colours: Colours | None = None) -> np.ndarray:
    """The values of a mask, int64 (H, W), from a path, a file's bytes, a PIL image (palette,
    greyscale, 1 bit, RGB with `colours`) or an array (H, W) or (H, W, 1).

    Pixels of a colour that is not in `colours` are `UNKNOWN_COLOUR` minus the colour's code.

    Raises:
        UsageError: the mask cannot be read, or has another format.
    """
    from PIL import Image

    if isinstance(mask, str | os.PathLike | bytes):
        name = "the mask" if isinstance(mask, bytes) else str(mask)
        try:
            if scheme(mask) is not None:
                with opened(mask, name, None) as file:
                    mask = file.read()
            with Image.open(BytesIO(mask) if isinstance(mask, bytes) else mask) as picture:
                return _of_picture(picture, name, colours)
        except (InputError, UsageError):
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
            f"a mask must be an array (H, W) of integers from 0 to 255, not {array.dtype} "
            f"{array.shape}"
        )
    return array.astype(np.int64)


def has_colours(mask: str | os.PathLike[str]) -> bool:
    """Whether a mask file is a picture with three colour channels."""
    from PIL import Image

    try:
        with Image.open(mask) as picture:
            return picture.mode in ("RGB", "RGBA")
    except Exception:  # `read_values` reports the problem
        return False


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
                f"{name}: the mask contains values from {values.min()} to {values.max()}; there "
                "may be at most 256 classes"
            )
        return values
    if picture.mode in ("RGB", "RGBA"):
        channels = np.array(picture.convert("RGB"), np.int64)
        if (channels == channels[..., :1]).all():  # grey levels, saved as colours
            return channels[..., 0]
    if picture.mode == "F":
        raise UsageError(
            f"{name}: the mask contains floating-point numbers; save it as 8-bit or 16-bit integers"
        )
    raise UsageError(
        f"{name}: the mask is a colour image ({picture.mode}); map its colours with "
        "colours={label: (red, green, blue), …}"
    )


def _of_colours(pixels: np.ndarray, colours: Colours) -> np.ndarray:
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    known = {(r << 16) | (g << 8) | b: index for index, (r, g, b) in enumerate(colours.values())}
    distinct, inverse = np.unique(codes, return_inverse=True)
    values = [known.get(int(code), UNKNOWN_COLOUR - int(code)) for code in distinct]
    return np.array(values, np.int64)[inverse].reshape(codes.shape)


def unknown_colours(counts: Counter[int], name: str) -> None:
    """Refuse colours that are not in `colours`.

    Raises:
        UsageError: masks have such colours; the message has the numbers of their pixels.
    """
    unknown = [value for value in counts if value <= UNKNOWN_COLOUR]
    if not unknown:
        return
    unknown.sort(key=lambda value: -counts[value])
    named = ", ".join(
        f"({code >> 16}, {code >> 8 & 255}, {code & 255}) ({counted(counts[value], 'pixel')})"
        for value in unknown[:5]
        for code in (UNKNOWN_COLOUR - value,)
    )
    raise UsageError(
        f"{name}: the masks have {counted(len(unknown), 'colour')} outside the classes: "
        f"{named}. Add them to colours=; a mask that was saved as JPEG or resized with "
        "interpolation has spurious colours."
    )
