"""From a picture to a network's float32 input: the resize rule, then the scaling.

The scalings do the arithmetic of `keras.applications.imagenet_utils.preprocess_input` in the same
order and in float32, so that the results are bit-identical. Only numpy and Pillow are needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from warmstart.errors import UsageError

if TYPE_CHECKING:
    from warmstart.catalog import ImagePreprocessing

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "area": Image.Resampling.BOX,
}
# ImageNet statistics of keras.applications.imagenet_utils: "torch" on 0..1 in RGB, "caffe" on
# 0..255 in BGR.
_TORCH_MEAN, _TORCH_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)


def preprocess(image: Image.Image, rules: ImagePreprocessing) -> np.ndarray:
    """Convert an RGB image, as `decoder.decode` returns it, to a new float32 array (H, W, 3), where
    (H, W) is `rules.size`.

    Raises:
        UsageError: the image has another mode, or a rule is unknown.
    """
    return scale(np.asarray(_resized(image, rules)), rules)


def resize(image: Image.Image, rules: ImagePreprocessing) -> np.ndarray:
    """Resize a picture to the network's size: a new uint8 array (H, W, 3), RGB, 0..255.

    "crop"    the shorter side to round(size / crop_ratio), then the centre, as torchvision's Resize and CenterCrop
              (for sizes that are not square: the smallest size that covers (H, W) / crop_ratio)
    "squash"  to (H, W) regardless of the aspect ratio: the pixels of `keras.utils.load_img(target_size=…)`
    "pad"     to the largest size that fits into (H, W), centred on black

    A picture of this size is left unchanged, also by "crop", because it has been cropped before.

    All filters except "nearest" average over the area when they reduce the size, as in Pillow; "area" is a box filter.
    """
    return np.array(_resized(image, rules))


def scale(array: np.ndarray, rules: ImagePreprocessing) -> np.ndarray:
    """Scale RGB pixels of 0..255, (..., W, 3) of any dtype, to a new float32 array.

    "tf": -1..1; "torch": 0..1, then ImageNet's mean and standard deviation; "caffe": BGR of 0..255
    minus ImageNet's mean; "raw": 0..255, for networks that scale their inputs; "standard": 0..1,
    then `rules.mean` and `rules.std`.

    Raises:
        UsageError: the scaling is unknown, or "standard" has no mean or std.
    """
    if array.ndim < 2 or array.shape[-1] != 3:
        raise UsageError(f"pictures have the shape (..., width, 3), not {array.shape}")
    scaling = rules.scaling
    if scaling == "tf":
        out = _float32(array)
        out /= 127.5
        out -= 1.0
    elif scaling == "torch":
        out = _standardised(array, _TORCH_MEAN, _TORCH_STD)
    elif scaling == "caffe":
        out = _float32(array[..., ::-1])
        rows = _rows(out)
        rows -= _row(_CAFFE_MEAN, rows)
    elif scaling == "raw":
        out = _float32(array)
    elif scaling == "standard":
        if rules.mean is None or rules.std is None or len(rules.mean) != 3 or len(rules.std) != 3:
            raise UsageError("scaling 'standard' needs a mean and a std of three numbers each")
        out = _standardised(array, rules.mean, rules.std)
    else:
        raise UsageError(
            f"scaling must be 'tf', 'torch', 'caffe', 'raw' or 'standard', not {scaling!r}"
        )
    return out


def decode_target(rules: ImagePreprocessing) -> tuple[int, int] | None:
    """The smallest (height, width) at which `resize` needs the whole picture, for
    `decoder.decode(target=…)`.

    None for "nearest" and "area", which select whole pixels: those of a JPEG decoded at half its
    size differ.
    """
    if rules.interpolation in ("nearest", "area"):
        return None
    return covering(rules) if rules.resize == "crop" else rules.size


def covering(rules: ImagePreprocessing) -> tuple[int, int]:
    """The (height, width) that a photo must cover before "crop" takes the centre."""
    height, width = rules.size
    if not 0 < rules.crop_ratio <= 1:
        raise UsageError(f"crop_ratio must be in (0, 1], not {rules.crop_ratio}")
    return round(height / rules.crop_ratio), round(width / rules.crop_ratio)


def _resized(image: Image.Image, rules: ImagePreprocessing) -> Image.Image:
    if image.mode != "RGB":
        raise UsageError(
            f"the image must have the mode RGB, as decode() returns it, not {image.mode}"
        )
    resample = _FILTERS.get(rules.interpolation)
    if resample is None:
        raise UsageError(
            f"interpolation must be one of {', '.join(_FILTERS)}, not {rules.interpolation!r}"
        )
    height, width = rules.size
    if rules.resize not in ("crop", "squash", "pad"):
        raise UsageError(f"resize must be 'crop', 'squash' or 'pad', not {rules.resize!r}")
    if image.size == (width, height):  # it was cropped before
        return image
    if rules.resize == "squash":
        return image.resize((width, height), resample)
    if rules.resize == "crop":
        return _cropped(image, rules, resample)
    inner = fitted(image.size, rules.size)
    canvas = Image.new("RGB", (width, height))
    canvas.paste(image.resize(inner, resample), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def fitted(size: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) with the aspect ratio of `size` (width, height) that fits `into`
    (height, width).
    """
    ratio = min(into[0] / size[1], into[1] / size[0])
    return max(1, min(into[1], round(size[0] * ratio))), max(
        1, min(into[0], round(size[1] * ratio))
    )


def _cropped(
    image: Image.Image, rules: ImagePreprocessing, resample: Image.Resampling
) -> Image.Image:
    """Resize and crop in one step, so that only the pixels of the crop are computed: a 1x4000 strip
    would become huge otherwise.
    """
    height, width = rules.size
    tall, wide = covering(rules)
    if tall * image.width >= wide * image.height:  # the height decides
        wide = max(wide, int(tall * image.width / image.height))
    else:
        tall = max(tall, int(wide * image.height / image.width))
    top, left = round((tall - height) / 2), round((wide - width) / 2)
    # source pixels per pixel of the resized picture
    down, across = image.height / tall, image.width / wide
    right = min((left + width) * across, image.width)
    bottom = min((top + height) * down, image.height)
    return image.resize((width, height), resample, box=(left * across, top * down, right, bottom))


def _float32(array: np.ndarray) -> np.ndarray:
    return np.array(array, dtype=np.float32, order="C")  # a copy, which is changed in place


def _standardised(array: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    out = _float32(array)
    out /= 255.0
    rows = _rows(out)
    rows -= _row(mean, rows)
    rows /= _row(std, rows)
    return out


def _rows(array: np.ndarray) -> np.ndarray:
    """A view (rows, W * 3): broadcasting over such long rows is faster than over rows of 3."""
    return array.reshape(-1, array.shape[-2] * 3)


def _row(values: tuple[float, ...], rows: np.ndarray) -> np.ndarray:
    return np.tile(np.asarray(values, np.float32), rows.shape[1] // 3)
