"""Photos made by the tests."""

from pathlib import Path

import numpy as np
from PIL import Image


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
