"""ResNet in KerasHub's presets: the names of its arrays.

Keras orders the layers of a functional model by depth and, at one depth, by their creation. In the
first block of a stage the convolution of the shortcut is created first, and is as deep as the last
one of the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.errors import MismatchError
from warmstart.models.image.keras_hub import CONVOLUTION, NORMALISATION, numbered


def arrays(checkpoint: Checkpoint) -> Checkpoint:
    """The arrays of a preset under the names of torchvision and timm."""
    shapes = {
        name.rpartition(".")[0]: checkpoint.shape(name)
        for name in checkpoint.names()
        if name.endswith(".vars0")
    }

    def rename(names: list[str]) -> Mapping[str, str]:
        kernels = [shapes[name] for name in numbered(names, CONVOLUTION)]
        modules = list(_modules(kernels))
        if len(modules) != len(kernels):
            raise MismatchError(f"{checkpoint.path} holds no ResNet of KerasHub.")
        convolutions, normalisations = zip(*modules, strict=True)
        return {
            **dict(zip(numbered(names, CONVOLUTION), convolutions, strict=True)),
            **dict(zip(numbered(names, NORMALISATION), normalisations, strict=False)),
            **{name: "fc" for name in names if re.fullmatch(r"task\.dense\.\d+", name)},
        }

    return pytorch_arrays(checkpoint, rename)


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
