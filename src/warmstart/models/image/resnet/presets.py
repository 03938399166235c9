"""ResNet in KerasHub's presets: its config, and the names of its arrays.

Keras orders the layers of a functional model by depth and, at one depth, by their creation. In the
first block of a stage the convolution of the shortcut is created first, and is as deep as the last
one of the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.errors import MismatchError, UsageError
from warmstart.models.checks import Values
from warmstart.models.image.keras_hub import CONVOLUTION, NORMALISATION, numbered

BLOCK_TYPES = ("basic", "bottleneck")
STAGES, MOST_BLOCKS, WIDEST = 8, 256, 16384
FEWEST = 2
"""Every ResNet has more convolutions."""


def sizes_of(values: Values) -> dict[str, Any]:
    """The values of a `ResNetConfig` for a `ResNetBackbone`, without its classes and input size.

    Raises:
        UsageError: an option is not supported.
    """
    blocks = tuple(f"{block}_block" for block in BLOCK_TYPES)
    block = values.one_of("block_type", blocks, "").removesuffix("_block")
    values.one_of("use_pre_activation", (False,))
    values.one_of("input_conv_kernel_sizes", ([7],))
    blocks_by_stage = values.get("stackwise_num_blocks")
    stages = len(blocks_by_stage) if isinstance(blocks_by_stage, list) else 1
    stages = min(max(stages, 1), STAGES)
    depths = values.integers("stackwise_num_blocks", [], 1, MOST_BLOCKS, stages)
    widths = values.integers("stackwise_num_filters", [], 1, WIDEST, stages)
    strides = values.integers("stackwise_num_strides", [], 1, 2, stages)
    if strides[1:] != [2] * (stages - 1):
        raise UsageError(f"{values.path}: stackwise_num_strides={strides} is not supported.")
    return {
        "block": block,
        "depths": depths,
        "channels": [4 * width for width in widths] if block == "bottleneck" else widths,
        "widths": widths,
        "stem": values.integers("input_conv_filters", [], 1, WIDEST, 1),
        "first_stride": strides[0],
    }


def arrays(checkpoint: Checkpoint) -> Checkpoint:
    """The arrays of a preset under the names of torchvision and timm."""

    def rename(names: list[str]) -> Mapping[str, str]:
        heads = {name: "fc" for name in names if re.fullmatch(r"task\.dense\.\d+", name)}
        return (
            modules(checkpoint, numbered(names, CONVOLUTION), numbered(names, NORMALISATION))
            | heads
        )

    return pytorch_arrays(checkpoint, rename)


def modules(
    checkpoint: Checkpoint, convolutions: list[str], normalisations: list[str]
) -> dict[str, str]:
    """The layers of a `ResNetBackbone` -> the modules of torchvision and timm.

    Args:
        checkpoint: has their kernels.
        convolutions: names of layers, in their order.
        normalisations: the same.

    Raises:
        MismatchError: the kernels are not those of a ResNet.
    """
    kernels = [checkpoint.shape(f"{name}.vars0") for name in convolutions]
    own = list(_modules(kernels)) if len(kernels) > FEWEST else []
    if not own or len(own) != len(kernels):
        raise MismatchError(f"{checkpoint.path} does not contain a KerasHub ResNet.")
    convolution_modules, normalisation_modules = zip(*own, strict=True)
    return {
        **dict(zip(convolutions, convolution_modules, strict=True)),
        **dict(zip(normalisations, normalisation_modules, strict=False)),
    }


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
