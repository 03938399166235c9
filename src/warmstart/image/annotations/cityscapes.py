"""Cityscapes' file names and classes (Cordts et al. 2016, arXiv:1604.01685)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PHOTOS, MASKS = "leftImg8bit", "gtFine"
PHOTO_ENDING = "_leftImg8bit"
IDS, TRAIN_IDS = "_gtFine_labelIds", "_gtFine_labelTrainIds"
ENDINGS = (IDS, TRAIN_IDS)
_OTHERS = ("_gtFine_color", "_gtFine_instanceIds")
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle",
    "bicycle",
)  # fmt: skip
"""The classes that are trained and evaluated, in the order of `labelTrainIds`."""
_ID_OF_CLASS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


def is_other(file: Path) -> bool:
    """Whether a file is a picture of colours or instances, and not a mask of classes."""
    return file.stem.endswith(_OTHERS)


def is_better(other: Path, file: Path) -> bool:
    """Whether `file` has the training ids of the same mask as `other`."""
    return other.stem.endswith(IDS) and file.stem.endswith(TRAIN_IDS)


def are_masks(files: list[Path]) -> bool:
    """Whether all masks have Cityscapes' names."""
    return bool(files) and all(file.stem.endswith(ENDINGS) for file in files)


def train_ids(values: np.ndarray, file: Path) -> np.ndarray:
    """Convert the values of a mask to `labelTrainIds`; ids of other classes become 255."""
    if not file.stem.endswith(IDS):
        return values
    table = np.full(256, 255, np.int64)
    table[list(_ID_OF_CLASS)] = np.arange(len(CLASSES))
    return np.asarray(table[values])
