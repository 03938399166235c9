"""A picture as the float32 array a network was trained on: the resize rule, then the scaling of its
family.

The scalings do the arithmetic of `keras.applications.imagenet_utils.preprocess_input` in the same
order and in float32, so that the results are equal to the bit (tests/inputs/test_preprocess.py).
numpy and Pillow only.
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
    """An RGB image, as `image.decode` gives it, to a fresh float32 array (H, W, 3); (H, W) is
    `rules.size`.

    Raises UsageError for an image of another mode and for unknown rules.
    """
    return scale(np.asarray(_resized(image, rules)), rules)


def resize(image: Image.Image, rules: ImagePreprocessing) -> np.ndarray:
    """The picture in the network's size: a fresh uint8 array (H, W, 3), RGB, 0..255.

    "crop"    the shorter side to round(size / crop_ratio), then the centre, as torchvision's Resize and CenterCrop do
              (where (H, W) is not square: the smallest size that covers (H, W) / crop_ratio)
    "squash"  straight to (H, W), whatever the aspect ratio: the pixels of `keras.utils.load_img(target_size=…)`
    "pad"     the largest size that fits into (H, W), centred on black

    A picture that has this size already is taken as it is, also by "crop": it was cropped by who made it.

    All filters but "nearest" average over the area when they shrink (Pillow's rule); "area" is the plain box filter.
    """
    return np.array(_resized(image, rules))


def scale(array: np.ndarray, rules: ImagePreprocessing) -> np.ndarray:
    """Pixels of 0..255 in RGB, (..., W, 3) of any dtype, to a fresh float32 array as the family
    expects them.

    "tf" to -1..1; "torch" to 0..1, then ImageNet's mean and deviation; "caffe" to BGR less
    ImageNet's mean, 0..255; "raw" stays 0..255 (those networks scale inside); "standard" to 0..1,
    then `rules.mean` and `rules.std`. Raises UsageError for another scaling, or "standard" without
    mean or std.
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
    """(height, width) that `resize` shrinks the whole picture to at least: what
    `image.decode(target=…)` wants.

    None for "nearest" and "area", which take whole pixels: those of a JPEG unpacked at half its
    size are others.
    """
    if rules.interpolation in ("nearest", "area"):
        return None
    return covering(rules) if rules.resize == "crop" else rules.size


def covering(rules: ImagePreprocessing) -> tuple[int, int]:
    """(height, width) that "crop" resizes a photo to cover, before it cuts out the centre."""
    height, width = rules.size
    if not 0 < rules.crop_ratio <= 1:
        raise UsageError(f"crop_ratio must be in (0, 1], not {rules.crop_ratio}")
    return round(height / rules.crop_ratio), round(width / rules.crop_ratio)


def _resized(image: Image.Image, rules: ImagePreprocessing) -> Image.Image:
    if image.mode != "RGB":
        raise UsageError(
            f"the image must have the mode RGB, as decode() gives it, not {image.mode}"
        )
    resample = _FILTERS.get(rules.interpolation)
    if resample is None:
        raise UsageError(f"interpolation {rules.interpolation!r} is none of {', '.join(_FILTERS)}")
    height, width = rules.size
    if rules.resize not in ("crop", "squash", "pad"):
        raise UsageError(f"resize {rules.resize!r} is none of 'crop', 'squash', 'pad'")
    if image.size == (width, height):  # somebody has cropped it already
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
    """(width, height) of a picture of `size` (width, height) in the largest size that fits `into`
    (height, width).
    """
    ratio = min(into[0] / size[1], into[1] / size[0])
    return max(1, min(into[1], round(size[0] * ratio))), max(
        1, min(into[0], round(size[1] * ratio))
    )


def _cropped(
    image: Image.Image, rules: ImagePreprocessing, resample: Image.Resampling
) -> Image.Image:
    """Resize and centre crop in one: only the pixels of the crop are made, which a 1x4000 strip
    makes a need.
    """
    height, width = rules.size
    tall, wide = covering(rules)
    if (
        tall * image.width >= wide * image.height
    ):  # the height decides; the width gets what the aspect ratio gives
        wide = max(wide, int(tall * image.width / image.height))
    else:
        tall = max(tall, int(wide * image.height / image.width))
    top, left = round((tall - height) / 2), round((wide - width) / 2)
    down, across = (
        image.height / tall,
        image.width / wide,
    )  # source pixels per pixel of the resized picture
    right = min((left + width) * across, image.width)
    bottom = min((top + height) * down, image.height)
    return image.resize((width, height), resample, box=(left * across, top * down, right, bottom))


def _float32(array: np.ndarray) -> np.ndarray:
    return np.array(
        array, dtype=np.float32, order="C"
    )  # always a copy: the arithmetic below is in place


def _standardised(array: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    out = _float32(array)
    out /= 255.0
    rows = _rows(out)
    rows -= _row(mean, rows)
    rows /= _row(std, rows)
    return out


def _rows(array: np.ndarray) -> np.ndarray:
    """A view (rows, W * 3): against a row as long, numpy's inner loops are long, where (3,) would
    make them three.
    """
    return array.reshape(-1, array.shape[-2] * 3)


def _row(values: tuple[float, ...], rows: np.ndarray) -> np.ndarray:
    return np.tile(np.asarray(values, np.float32), rows.shape[1] // 3)
