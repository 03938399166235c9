"""DeepLabV3 in KerasHub's presets: its config, and the names of its arrays."""

from __future__ import annotations

from functools import partial
from typing import Any

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.errors import UsageError
from warmstart.models.checks import Values
from warmstart.models.image.keras_hub import (
    CONVOLUTION,
    NORMALISATION,
    encoder_config,
    numbered,
    suffix,
)
from warmstart.models.image.resnet import presets as resnet
from warmstart.models.keras_hub import Preset

WIDEST, LARGEST_RATE, MOST_RATES = 8192, 1024, 16
ENCODER, PYRAMID = "functional.0", "spatial_pyramid_pooling.0"
BRANCHES = f"{PYRAMID}.aspp_parallel_channels"


def sizes_of(preset: Preset) -> dict[str, Any]:
    """The values of a `DeepLabConfig` for a preset, without its classes and input size.

    Raises:
        UsageError: an option is not supported.
    """
    values, path = preset.values, preset.repo.path
    backbone = resnet.sizes_of(encoder_config(preset, "ResNetBackbone"))
    if backbone["first_stride"] != 1:
        raise UsageError(f"{path}: a stride of the first stage other than 1 is not supported.")
    stages = len(backbone["depths"])
    deep = _stage(values, "spatial_pyramid_pooling_key", stages)
    details = None
    if values.get("low_level_feature_key") is not None:
        details = _stage(values, "low_level_feature_key", stages)
    upsampling = values.integer("upsampling_size", 0, 1, 2 ** (deep + 2))
    stride = 2 ** (deep + 2) / upsampling
    if not stride.is_integer() or (details is not None and stride != 2 ** (details + 2)):
        raise UsageError(
            f"{path}: upsampling_size {upsampling} does not bring the pyramid's map to the size of "
            f"{values.get('low_level_feature_key') or 'a map of the input'}."
        )
    return {
        "backbone": backbone,
        "pyramid_stage": deep,
        "rates": _rates(values),
        "upsampling": upsampling,
        "detail_stage": details,
        "detail_width": values.integer("projection_filters", 48, 1, WIDEST),
    }


def _stage(values: Values, key: str, stages: int) -> int:
    """The index of the stage that a key of `pyramid_outputs` names: "P2" is the first."""
    level = values.get(key)
    levels = [f"P{stage + 2}" for stage in range(stages)]
    if level not in levels:
        raise UsageError(f"{values.path}: {key} must be one of {', '.join(levels)}, not {level!r}.")
    return levels.index(level)


def _rates(values: Values) -> list[int]:
    rates = values.get("dilation_rates")
    if not isinstance(rates, list) or len(rates) > MOST_RATES:
        raise UsageError(
            f"{values.path}: dilation_rates must be a list of up to {MOST_RATES}, not {rates!r:.80}."
        )
    return values.integers("dilation_rates", [], 1, LARGEST_RATE, len(rates))


def arrays(checkpoint: Checkpoint) -> Checkpoint:
    """The arrays of a preset, with those of its ResNet under the names of torchvision and timm."""
    return pytorch_arrays(checkpoint, partial(_modules, checkpoint=checkpoint))


def _modules(names: list[str], checkpoint: Checkpoint) -> dict[str, str]:
    modules = resnet.modules(
        checkpoint,
        numbered(names, CONVOLUTION, ENCODER),
        numbered(names, NORMALISATION, ENCODER),
    )
    branches = sum(name.startswith(BRANCHES) and name.endswith(CONVOLUTION) for name in names)
    own = [*(f"aspp.{index}" for index in range(branches - 1)), "aspp.pool"]
    for index, module in enumerate(own):
        modules |= _parts(f"{BRANCHES}.sequential{suffix(index)}", module)
    modules |= _parts(f"{PYRAMID}.projection", "aspp.project")
    convolutions, normalisations = numbered(names, CONVOLUTION), numbered(names, NORMALISATION)
    top = ("decoder", "head")[-len(convolutions) :]
    for convolution, normalisation, module in zip(convolutions, normalisations, top, strict=False):
        modules |= {convolution: f"{module}.conv", normalisation: f"{module}.bn"}
    return {**modules, "task.conv2d.0": "classifier"}


def _parts(layer: str, module: str) -> dict[str, str]:
    """The names of a convolution and its normalisation."""
    return {f"{layer}.{CONVOLUTION}": f"{module}.conv", f"{layer}.{NORMALISATION}": f"{module}.bn"}
