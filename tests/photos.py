"""Photos made by the tests, and a classifier that is small enough for them."""

from pathlib import Path

import numpy as np
from PIL import Image

CIFAR = Path(__file__).parent / "data" / "cifar10_resnet20"
"""The bundle of a ResNet-20 for the ten classes of CIFAR-10; scripts/train_embedded_cifar10.py has
trained it.
"""


def write_photos(folder: Path, count: int, seed: int = 0, tint: int = 0) -> list[Path]:
    """Blocks of colour, all different; `tint` (0..255) reddens them."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n in range(count):
        blocks = random.integers(0, 256, (4, 4, 3), np.uint8)
        blocks[..., 0] = np.maximum(blocks[..., 0], tint)
        paths.append(folder / f"photo{n}.png")
        Image.fromarray(blocks).resize((40, 36), Image.Resampling.BICUBIC).save(paths[-1])
    return paths
