"""The graph that takes files of photos makes what Pillow makes, but for rounding."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.image import decoder, preprocessing

pytestmark = pytest.mark.tensorflow

STANDARD = {"scaling": "standard", "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
RULES = [
    ImagePreprocessing((32, 32), "tf"),
    ImagePreprocessing((48, 32), "torch", resize="crop", crop_ratio=0.9, interpolation="bicubic"),
    ImagePreprocessing((40, 56), "caffe", resize="squash"),
    ImagePreprocessing((64, 64), "raw", resize="squash", interpolation="lanczos"),
    ImagePreprocessing((40, 56), **STANDARD, resize="pad", interpolation="area"),
    ImagePreprocessing((30, 50), "raw", resize="crop", crop_ratio=1.0, interpolation="nearest"),
]
SIZES = [(160, 120), (57, 131), (20, 25), (32, 48)]
"""(width, height) of photos: larger, of odd shapes, smaller, and of a network's own size."""


def jpeg(size: tuple[int, int], **options) -> bytes:
    """A smooth picture with some detail, the same for the same size."""
    random = np.random.default_rng(size)
    small = Image.fromarray(random.integers(0, 256, (6, 7, 3)).astype(np.uint8))
    file = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=95, **options)
    return file.getvalue()


def made(rules: ImagePreprocessing, files: list[bytes]) -> np.ndarray:
    import tensorflow as tf

    from warmstart.image.train.photo_graph import photo_function

    photos = photo_function(rules, lambda images: {"images": images}, None)
    return photos(image_bytes=tf.constant(files))["images"].numpy()


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: f"{rules.resize}-{rules.interpolation}")
def test_every_rule(rules):
    files = [jpeg(size) for size in SIZES]
    ours = np.stack([preprocessing.preprocess(decoder.decode(file), rules) for file in files])
    theirs = made(rules, files)
    assert theirs.dtype == np.float32
    white, black = (
        preprocessing.scale(np.full((1, 1, 3), level, np.uint8), rules) for level in (255, 0)
    )
    levels = np.abs(theirs - ours) / np.abs(white - black) * 255
    assert levels.max() < 2.01
    assert levels.mean() < 0.2  # of which the decoder of JPEGs has 0.15 where a side is odd


def test_photos_are_turned_upright():
    rules = ImagePreprocessing((32, 32), "raw", resize="squash")
    files = []
    for value in (*range(1, 9), 0, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        exif[0x010F] = "Maker"
        files.append(jpeg((80, 50), exif=exif))
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    files += [jpeg((80, 50), exif=big), jpeg((80, 50))]
    ours = np.stack([preprocessing.preprocess(decoder.decode(file), rules) for file in files])
    assert np.abs(made(rules, files) - ours).max() < 2.01
    assert np.abs(ours[10] - ours[5]).max() == 0
    assert np.abs(ours[5] - ours[0]).max() > 20


def test_other_formats_and_files_that_are_none():
    import tensorflow as tf

    rules = ImagePreprocessing((32, 32), "raw", resize="squash")
    file = io.BytesIO()
    Image.open(io.BytesIO(jpeg((60, 40)))).save(file, "PNG")
    ours = preprocessing.preprocess(decoder.decode(file.getvalue()), rules)
    assert np.abs(made(rules, [file.getvalue()])[0] - ours).max() < 2.01
    with pytest.raises(tf.errors.InvalidArgumentError):
        made(rules, [b"no picture"])
