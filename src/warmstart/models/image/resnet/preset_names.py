"""ResNet in KerasHub's presets: names of arrays, class names and preprocessing.

Keras orders the layers of a functional model by depth and, at one depth, by their creation. In the
first block of a stage the convolution of the shortcut is created first, and is as deep as the last
one of the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from warmstart import catalog
from warmstart.catalog.entry import ImagePreprocessing, Label
from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.errors import MismatchError
from warmstart.models.image.repository import normalisation, three
from warmstart.models.repository import read_json

PREPROCESSOR = "preprocessor.json"
SIZE = (224, 224)
IMAGENET_CLASSES = 1000
CONVOLUTION, NORMALISATION = "conv2d", "batch_normalization"


def arrays(checkpoint: Checkpoint) -> Checkpoint:
    """The arrays of a preset under the names of torchvision and timm."""
    shapes = {
        name.rpartition(".")[0]: checkpoint.shape(name)
        for name in checkpoint.names()
        if name.endswith(".vars0")
    }

    def rename(names: list[str]) -> Mapping[str, str]:
        kernels = [shapes[name] for name in _counted(names, CONVOLUTION)]
        modules = list(_modules(kernels))
        if len(modules) != len(kernels):
            raise MismatchError(f"{checkpoint.path} holds no ResNet of KerasHub.")
        convolutions, normalisations = zip(*modules, strict=True)
        return {
            **dict(zip(_counted(names, CONVOLUTION), convolutions, strict=True)),
            **dict(zip(_counted(names, NORMALISATION), normalisations, strict=False)),
            **{name: "fc" for name in names if re.fullmatch(r"task\.dense\.\d+", name)},
        }

    return pytorch_arrays(checkpoint, rename)


def _counted(names: list[str], layer: str) -> list[str]:
    """The layers of a class in their order."""
    own = [name for name in names if re.fullmatch(rf"{layer}\.\d+", name)]
    return sorted(own, key=lambda name: int(name.rpartition(".")[2]))


def _modules(kernels: list[tuple[int, ...]]) -> Iterator[tuple[str, str]]:
    """The names of the convolutions and their normalisations, from the shapes of the kernels."""
    stem = 1 if kernels[0][0] == 7 else 3
    for index in range(stem):
        yield ("conv1", "bn1") if stem == 1 else (f"conv1.{3 * index}", _stem_norm(index))
    rest = kernels[stem:]
    size = 3 if rest[0][0] == 1 else 2
    stage, block, start, before = 1, 0, 0, rest[0][2]
    while start < len(rest):
        # the first block of a stage has a convolution more, unless its shortcut is the input
        count = size
        if start + size < len(rest) and _has_shortcut(rest[start : start + size + 1], size, before):
            count += 1
            if start:
                stage, block = stage + 1, 0
        prefix = f"layer{stage}.{block}"
        convs = [f"{prefix}.conv{n + 1}" for n in range(size)]
        norms = [f"{prefix}.bn{n + 1}" for n in range(size)]
        if count > size:
            convs.insert(size - 1, f"{prefix}.downsample.0")
            norms.insert(size - 1, f"{prefix}.downsample.1")
        yield from zip(convs, norms, strict=True)
        before = rest[start + count - 1][3]
        block, start = block + 1, start + count


def _stem_norm(index: int) -> str:
    return "bn1" if index == 2 else f"conv1.{3 * index + 1}"


def _has_shortcut(kernels: list[tuple[int, ...]], size: int, before: int) -> bool:
    """Whether the second last convolution of a block belongs to its shortcut."""
    shortcut, last = kernels[size - 1], kernels[size]
    return shortcut[0] == 1 and shortcut[2] == before and shortcut[3] == last[3]


def labels(classes: int, folder: Path) -> tuple[Label, ...]:
    """The classes of a preset, which have no names there; those of ImageNet if the folder's name
    says so.
    """
    if classes == IMAGENET_CLASSES and "imagenet" in folder.resolve().name.lower():
        return catalog.labels("imagenet")
    names = [f"LABEL_{index}" for index in range(classes)]
    return tuple(Label(index, str(index), name) for index, name in enumerate(names))


def preprocessing(folder: Path) -> ImagePreprocessing:
    """The preprocessing of a preset's `ImageConverter`; without one, that of PyTorch's ImageNet
    models.
    """
    path = folder / PREPROCESSOR
    converter: Any = (
        read_json(path).get("config", {}).get("image_converter") if path.is_file() else None
    )
    config = (converter or {}).get("config", {})
    size = config.get("image_size") or SIZE
    height, width = (int(side) for side in size)
    scale, offset = config.get("scale"), config.get("offset")
    if not config:
        rules: dict[str, Any] = {"scaling": "torch"}
    elif scale is None and offset is None:
        rules = {"scaling": "raw"}
    else:
        rules = _normalisation(scale, offset, path)
    crop = "crop" if config.get("crop_to_aspect_ratio", True) else "squash"
    return ImagePreprocessing(
        size=(height, width),
        resize="pad" if config.get("pad_to_aspect_ratio") else crop,
        crop_ratio=1.0,
        interpolation=str(config.get("interpolation", "bilinear")),
        **rules,
    )


def _normalisation(scale: Any, offset: Any, path: Path) -> dict[str, Any]:
    """Pixels of 0..255 times `scale` plus `offset`, as mean and standard deviation of 0..1."""
    scales = [scale] * 3 if isinstance(scale, int | float) else scale
    offsets = [offset or 0.0] * 3 if not isinstance(offset, list) else offset
    factors, shifts = three(scales, path, "scale"), three(offsets, path, "offset")
    std = tuple(round(1 / (255 * factor), 6) for factor in factors)
    mean = tuple(round(-shift * one, 6) for shift, one in zip(shifts, std, strict=True))
    return normalisation(three(mean, path, "offset"), three(std, path, "scale std"))
