"""The CIFAR-10 photos, for the scripts that train `cifar10_resnet20` and make its bundle."""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

# Per channel over the training photos, on the scale 0..1; the entry's preprocessing uses the same.
MEAN = np.array([0.4914, 0.4822, 0.4465], np.float32)
STD = np.array([0.2470, 0.2435, 0.2616], np.float32)


def read_zip(path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The photos of a zip of class folders: uint8 (N, 32, 32, 3), int labels (N,), class names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        labels = sorted({name.split("/")[-2] for name in names})
        images = np.stack(
            [
                np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
                for name in names
            ]
        )
    return images, np.array([labels.index(name.split("/")[-2]) for name in names], np.int32), labels


def standardise(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float32) / 255.0 - MEAN) / STD
