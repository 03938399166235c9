"""Decoding and preprocessing of photos in a TensorFlow graph, for a SavedModel that takes JPEG
files: as in `image.decoder` and `image.preprocessing`, photos are decoded, rotated upright, resized
and scaled.

The decoder and the kernels match those of Pillow: libjpeg-turbo; triangle, Keys with -0.5, Lanczos
with 3 lobes. Differences remain: some pixels are rounded the other way; Pillow decodes large JPEGs
at half their size or less; transparency is dropped here, and EXIF orientation is read from JPEGs
only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from warmstart.image import preprocessing

if TYPE_CHECKING:
    from warmstart.catalog import ImagePreprocessing

INPUT = "image_bytes"
"""The name of the input; TensorFlow Serving decodes base64 if a name ends with `_bytes`."""
KERNELS = {"bilinear": "triangle", "bicubic": "keyscubic", "lanczos": "lanczos3"}
HEAD = 65_536
"""The bytes at the start of a file that contain its EXIF data, one segment."""
EXIF = b"Exif\0\0"
ORIENTATION = {b"I": b"\x12\x01\x03\0\x01\0\0\0", b"M": b"\x01\x12\0\x03\0\0\0\x01"}
"""Byte order -> the entry of EXIF's orientation: its tag, the type SHORT, one value."""


def photo_function(
    rules: ImagePreprocessing,
    forward: Callable[[Any], Mapping[str, Any]],
    batch: int | None,
) -> Any:
    """A function from files to the outputs of `forward`.

    Args:
        rules: of the model.
        forward: from images, float32 (batch, H, W, 3), to outputs by name.
        batch: photos in a call; None: any number.

    Returns:
        A `tf.function` of one input, `image_bytes`: strings (batch,), JPEG, PNG or GIF files.
    """

    def photo(data: Any) -> Any:
        return scaled(resized(upright(decoded(data), orientation(data)), rules), rules)

    def photos(image_bytes: Any) -> Mapping[str, Any]:
        shape = tf.TensorSpec((*rules.size, 3), tf.float32)
        return forward(tf.map_fn(photo, image_bytes, fn_output_signature=shape))

    spec = tf.TensorSpec([batch], tf.string, name=INPUT)
    return tf.function(photos, input_signature=[spec], autograph=False)


def decoded(data: Any) -> Any:
    """The pixels of a file, uint8 (h, w, 3)."""
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def orientation(data: Any) -> Any:
    """EXIF orientation of a JPEG, int32 from 1 to 8; 1 if there is none."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, HEAD), tf.uint8), tf.int32)
    begin = _end_of(head, EXIF)
    body = head[begin:]
    value = tf.constant(1)
    for order, entry in ORIENTATION.items():
        end = _end_of(body, entry)
        last = end + (0 if order == b"I" else 1)  # the lower of the two bytes of the value
        is_there = (begin > 0) & (end > 0) & (_at(body, 0) == order[0])
        value = tf.where(is_there, _at(body, last), value)
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _end_of(values: Any, pattern: bytes) -> Any:
    """The index after the first occurrence of a pattern; 0 if there is none."""
    starts = tf.maximum(tf.size(values) - len(pattern) + 1, 0)
    equal = [values[n : n + starts] == byte for n, byte in enumerate(pattern)]
    matches = tf.reduce_all(tf.stack(equal), 0)
    first = tf.argmax(tf.concat([matches, [True]], 0), output_type=tf.int32)
    return tf.where(tf.reduce_any(matches), first + len(pattern), 0)


def _at(values: Any, index: Any) -> Any:
    """The value at an index; 0 beyond the end."""
    return tf.reduce_sum(values[index : index + 1])


def upright(pixels: Any, value: Any) -> Any:
    """Pixels (h, w, 3) rotated and mirrored by EXIF's orientation (EXIF 2.32, 4.6.4.A)."""
    pixels = tf.cond(value >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    for axis, values in ((1, (2, 3, 6, 7)), (0, (3, 4, 7, 8))):
        flipped = tf.reverse(pixels, (axis,))
        pixels = tf.cond(tf.reduce_any(value == values), lambda f=flipped: f, lambda p=pixels: p)
    return pixels


def resized(pixels: Any, rules: ImagePreprocessing) -> Any:
    """The resized photo, integers as float32 (H, W, 3); see `preprocessing.resize`."""
    height, width = rules.size
    sides = tf.shape(pixels)[:2]
    if rules.resize == "pad":
        inner = _fitted(sides, rules.size)
        small = _sampled(pixels, (0.0, 0.0), tf.cast(sides, tf.float64), inner, rules)
        before = (rules.size - inner) // 2
        after = rules.size - inner - before
        padding = tf.stack([before, after], 1)
        result = tf.pad(small, tf.concat([padding, [[0, 0]]], 0))
    elif rules.resize == "squash":
        result = _sampled(pixels, (0.0, 0.0), tf.cast(sides, tf.float64), rules.size, rules)
    else:
        result = _sampled(pixels, *_crop(sides, rules), rules.size, rules)
    is_this_size = tf.reduce_all(sides == rules.size)
    result = tf.cond(is_this_size, lambda: tf.cast(pixels, tf.float32), lambda: result)
    return tf.ensure_shape(result, (height, width, 3))


def _fitted(sides: Any, size: tuple[int, int]) -> Any:
    """(height, width) of a picture in the largest size that fits; see `preprocessing.fitted`."""
    sides = tf.cast(sides, tf.float64)
    ratio = tf.reduce_min(tf.constant(size, tf.float64) / sides)
    return tf.clip_by_value(tf.cast(tf.round(sides * ratio), tf.int32), 1, size)


def _crop(sides: Any, rules: ImagePreprocessing) -> tuple[Any, Any]:
    """The (top, left) and (height, width) of the centre in pixels of the photo."""
    sides = tf.cast(sides, tf.float64)
    least = tf.constant(preprocessing.covering(rules), tf.float64)
    ratio = tf.reduce_max(least / sides)  # the side that needs the larger one decides
    new = tf.maximum(least, tf.floor(sides * ratio + 1e-9))
    size = tf.constant(rules.size, tf.float64)
    scale = sides / new
    return tf.round((new - size) / 2) * scale, size * scale


def _sampled(pixels: Any, corner: Any, box: Any, size: Any, rules: ImagePreprocessing) -> Any:
    """A box of the photo, resized to `size` (height, width) and rounded to integers.

    Resizes the width first and then the height, rounding in between, as Pillow does.
    """
    corner, box = tf.cast(corner, tf.float64), tf.cast(box, tf.float64)
    low, high = tf.cast(corner, tf.float32), tf.cast(corner + box, tf.float32)  # as Pillow has them
    start, length = tf.cast(low, tf.float64), tf.cast(high - low, tf.float64)
    size = tf.cast(size, tf.int32)
    pixels = tf.cast(pixels, tf.float32)
    sample = {"nearest": _nearest, "area": _averaged}.get(rules.interpolation, _filtered)
    for axis in (1, 0):
        pixels = sample(pixels, axis, start[axis], length[axis], size[axis], rules)
        pixels = tf.clip_by_value(tf.floor(pixels + 0.5), 0.0, 255.0)
    return pixels


def _filtered(
    pixels: Any, axis: int, start: Any, length: Any, count: Any, rules: ImagePreprocessing
) -> Any:
    """`count` pixels along an axis, from a range of it: weighted sums of neighbouring pixels."""
    scale = tf.cast(count, tf.float64) / length
    sides = tf.shape(pixels)[:2]
    along = tf.one_hot(axis, 2, dtype=tf.float32)
    values = tf.raw_ops.ScaleAndTranslate(
        images=pixels[None],
        size=tf.where(tf.range(2) == axis, count, sides),
        scale=1 + along * tf.cast(scale - 1, tf.float32),
        translation=-along * tf.cast(start * scale, tf.float32),
        kernel_type=KERNELS[rules.interpolation],
        antialias=True,
    )
    return values[0]


def _nearest(
    pixels: Any, axis: int, start: Any, length: Any, count: Any, rules: ImagePreprocessing
) -> Any:
    """`count` pixels along an axis, from a range of it: the nearest pixels to the centres."""
    step = length / tf.cast(count, tf.float64)
    steps = tf.concat([[start + step * 0.5], tf.fill([count - 1], step)], 0)
    centres = tf.cumsum(steps)
    return tf.gather(pixels, _within(tf.floor(centres), tf.shape(pixels)[axis] - 1), axis=axis)


def _averaged(
    pixels: Any, axis: int, start: Any, length: Any, count: Any, rules: ImagePreprocessing
) -> Any:
    """`count` pixels along an axis, from a range of it: means of the pixels in each cell."""
    step = length / tf.cast(count, tf.float64)
    centres = start + (tf.range(count, dtype=tf.float64) + 0.5) * step
    width, side = tf.maximum(step, 1.0), tf.shape(pixels)[axis]
    first = _within(centres - width / 2 + 0.5, side)
    behind = _within(centres + width / 2 + 0.5, side)

    def outside(index: Any) -> Any:  # of the interval from -0.5, without it, to 0.5
        distance = (tf.cast(index, tf.float64) - centres + 0.5) * (1 / width)
        return tf.cast((distance <= -0.5) | (distance > 0.5), tf.int32)

    first, behind = first + outside(first), behind - outside(behind - 1)
    sums = tf.cumsum(pixels, axis=axis)
    padding = [[1, 0] if index == axis else [0, 0] for index in range(3)]
    sums = tf.pad(sums, padding)  # up to 255 times a side: exact in float32
    totals = tf.gather(sums, behind, axis=axis) - tf.gather(sums, first, axis=axis)
    shape = [-1 if index == axis else 1 for index in range(3)]
    return totals / tf.reshape(tf.cast(behind - first, tf.float32), shape)


def _within(indices: Any, last: Any) -> Any:
    return tf.clip_by_value(tf.cast(indices, tf.int32), 0, last)


def scaled(pixels: Any, rules: ImagePreprocessing) -> Any:
    """Scale pixels of 0 to 255, (H, W, 3); see `preprocessing.scale`.

    Every rule is an affine map of the channels, so its values for black, red, green and blue
    determine it.
    """
    probe = np.zeros((4, 1, 3), np.float32)
    probe[1:, 0] = 255 * np.eye(3)
    black, *colours = preprocessing.scale(probe, rules)[:, 0].astype(np.float64)
    matrix = np.stack([colour - black for colour in colours]) / 255
    return tf.linalg.matmul(pixels, matrix.astype(np.float32)) + black.astype(np.float32)
