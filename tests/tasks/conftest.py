"""Photos made here, and the model inside the package: no TensorFlow needed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path) -> Path:
    """A folder with five small photos, all different."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for n in range(5):
        blocks = random.integers(0, 256, (4, 6, 3), np.uint8)
        Image.fromarray(blocks).resize((60, 48), Image.Resampling.BICUBIC).save(folder / f"photo{n}.png")
    return folder


@pytest.fixture
def model():
    import warmstart as ws

    return ws.load("cifar10_resnet20")
