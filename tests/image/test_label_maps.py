"""The quick upsampling against the plain one."""

import numpy as np
import pytest

from warmstart.catalog import ImagePreprocessing
from warmstart.errors import UsageError
from warmstart.image import label_maps
from warmstart.image.geometry import Frame
from warmstart.image.label_maps import label_map


def plain(logits, frame):
    """Upsample every class to the photo's size, then the largest."""

    def mix(array, axis, length, start, inner, whole):
        cells = array.shape[axis]
        place = np.clip(
            ((np.arange(length) + 0.5) * inner / length + start) * cells / whole - 0.5, 0, cells - 1
        )
        low = np.floor(place).astype(int)
        part = np.expand_dims(place - low, tuple(a for a in range(3) if a != axis))
        high = np.minimum(low + 1, cells - 1)
        return np.take(array, low, axis) * (1 - part) + np.take(array, high, axis) * part

    out = mix(
        logits.astype(np.float64),
        0,
        frame.height,
        frame.top,
        frame.inner_height,
        frame.input_height,
    )
    return mix(out, 1, frame.width, frame.left, frame.inner_width, frame.input_width)


@pytest.mark.parametrize("resize", ["squash", "pad"])
@pytest.mark.parametrize("classes", [1, 2, 20, 300])
@pytest.mark.parametrize("size", [(1, 1), (37, 90), (64, 32), (300, 7)])
def test_equal_to_plain_upsampling(resize, classes, size, monkeypatch):
    monkeypatch.setattr(label_maps, "PIXELS", 512)  # several parts, also of small pictures
    monkeypatch.setattr(label_maps, "CHUNK", 4096)
    random = np.random.default_rng(classes)
    logits = random.normal(size=(8, 12, classes)).astype(np.float32)
    logits[:4] = logits[:1]  # large areas of one class, too
    frame = Frame.of(size, ImagePreprocessing(size=(32, 48), scaling="torch", resize=resize))
    got = label_map(logits, frame)
    assert got.shape == (size[1], size[0])
    assert got.dtype == (np.uint8 if classes <= 256 else np.uint16)
    scores = plain(logits, frame)
    chosen = np.take_along_axis(scores, got[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(chosen, scores.max(-1), atol=1e-5)  # near ties may go either way
    assert (got == scores.argmax(-1)).mean() > 0.999


def test_frames():
    rules = ImagePreprocessing(size=(100, 200), scaling="tf", resize="pad")
    assert Frame.of((50, 100), rules) == Frame(50, 100, 75, 0, 50, 100, 200, 100)
    assert Frame.of((20000, 30), rules).inner_height == 1
    with pytest.raises(UsageError, match="'crop' loses the sides"):
        Frame.of((5, 5), ImagePreprocessing(size=(8, 8), scaling="tf", resize="crop"))
