"""EfficientNet and MobileNetV3 in KerasHub's presets: their configs, and the names of their arrays.

Their layers form a sequence, so Keras numbers the layers of each class in the order of the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.errors import MismatchError, UsageError
from warmstart.models.checks import integer, number, one_of
from warmstart.models.image.efficientnet.config import EfficientNetConfig
from warmstart.models.image.keras_hub import CONVOLUTION, DEPTHWISE, NORMALISATION, numbered
from warmstart.models.keras_hub import Preset

TOP = 1280
"""Channels of the last convolution, before scaling by the width coefficient; not in configs."""
WIDEST, MOST_BLOCKS, LARGEST_KERNEL = 16384, 256, 31
SWISH = {"swish": "silu", "silu": "silu", "relu": "relu"}
HARD = {"hard_swish": "hard_silu", "hard_silu": "hard_silu", "relu": "relu"}
"""Names of activations in configs -> ours."""
INVERTED = {
    "conv1": "conv_pw", "batch_normalization1": "bn1",
    "conv2": "conv_dw", "batch_normalization2": "bn2",
    "squeeze_excite.conv_reduce": "se.conv_reduce", "squeeze_excite.conv_expand": "se.conv_expand",
    "conv3": "conv_pwl", "batch_normalization3": "bn3",
}  # fmt: skip
SEPARABLE = {
    "conv1": "conv_dw", "batch_normalization1": "bn1",
    "se_layer.conv_reduce": "se.conv_reduce", "se_layer.conv_expand": "se.conv_expand",
    "conv2": "conv_pw", "batch_normalization2": "bn2",
}  # fmt: skip
"""KerasHub's names -> timm's, in an inverted residual block of MobileNetV3, and in its first block."""


def config_of(preset: Preset) -> EfficientNetConfig:
    """The sizes of a preset's network, without its classes.

    Raises:
        UsageError: an option is not supported.
    """
    made = _mobile(preset) if preset.backbone == "MobileNet" else _efficient(preset)
    return EfficientNetConfig.of(made)


def _efficient(preset: Preset) -> EfficientNetConfig:
    path, config = preset.path, preset.config
    one_of(config, "include_stem_padding", path, True, (True,))
    one_of(config, "stem_conv_padding", path, "valid", ("valid",))
    one_of(config, "projection_activation", path, None, (None,))
    if any(config.get("stackwise_force_input_filters") or ()):
        raise UsageError(f"{path}: stackwise_force_input_filters above 0 are not supported.")
    activation = SWISH[one_of(config, "activation", path, "swish", tuple(SWISH))]
    count = len(_list(preset, "stackwise_kernel_sizes"))
    columns = {
        key: _list(preset, f"stackwise_{key}", count)
        for key in (
            "width_coefficients", "depth_coefficients", "kernel_sizes", "num_repeats",
            "input_filters", "output_filters", "expansion_ratios", "squeeze_and_excite_ratios",
            "strides", "block_types",
        )
    }  # fmt: skip
    stages = []
    for index in range(count):
        stage = {key: column[index] for key, column in columns.items()}
        one_of(stage, "block_types", path, "v1", ("v1",))
        before = _rounded(preset, stage["input_filters"], stage)
        channels = _rounded(preset, stage["output_filters"], stage)
        kernel = integer(stage, "kernel_sizes", path, 3, 1, LARGEST_KERNEL)
        ratio = integer(stage, "expansion_ratios", path, 1, 1, 64)
        squeeze = number(stage, "squeeze_and_excite_ratios", path, 0, 0, 1)
        repeats = integer(stage, "num_repeats", path, 1, 1, MOST_BLOCKS)
        repeats = math.ceil(number(stage, "depth_coefficients", path, 1, 0.01, 16) * repeats)
        blocks = []
        for block in range(repeats):
            stride = 1 if block else integer(stage, "strides", path, 1, 1, 2)
            width = before * ratio if ratio > 1 else 0
            inner = max(1, int(before * squeeze)) if squeeze else 0
            blocks.append([kernel, stride, width, channels, inner, activation])
            before = channels
        stages.append(blocks)
    stem = {"width_coefficients": columns["width_coefficients"][0]}
    return EfficientNetConfig(
        stem=_rounded(preset, columns["input_filters"][0], stem),
        stages=tuple(stages),
        top=_rounded(preset, TOP, {"width_coefficients": columns["width_coefficients"][-1]}),
        activation=activation,
        epsilon=number(config, "batch_norm_epsilon", path, 1e-5, 0, 1),
    )


def _list(preset: Preset, key: str, count: int | None = None) -> list[Any]:
    """A list of the config, with one item per stage.

    Raises:
        UsageError: it is missing, empty or of another length.
    """
    values = preset.config.get(key)
    if not isinstance(values, list) or not values or len(values) != (count or len(values)):
        raise UsageError(f"{preset.path}: {key} must have one value per stage, not {values!r}.")
    return values


def _rounded(preset: Preset, filters: Any, stage: Mapping[str, Any]) -> int:
    """A number of channels times the width coefficient of a stage, as KerasHub rounds it."""
    path, config = preset.path, preset.config
    own = integer({"filters": filters}, "filters", path, 1, 1, WIDEST)
    divisor = integer(config, "depth_divisor", path, 8, 1, 1024)
    least = integer(config, "min_depth", path, 8, 1, 1024)
    if config.get("use_depth_divisor_as_min_depth"):
        least = divisor
    wide = own * number(stage, "width_coefficients", path, 1, 0.01, 16)
    rounded = max(least, int(wide + divisor / 2) // divisor * divisor)
    if config.get("cap_round_filter_decrease") and rounded < 0.9 * wide:
        rounded += divisor
    return rounded


def _mobile(preset: Preset) -> EfficientNetConfig:
    path, config = preset.path, preset.config
    for key in ("input_activation", "output_activation"):
        one_of(config, key, path, "hard_swish", ("hard_swish", "hard_silu"))
    counts = _list(preset, "stackwise_num_blocks")
    keys = ("expansion", "num_filters", "kernel_size", "num_strides", "se_ratio", "activation")
    columns = {key: _list(preset, f"stackwise_{key}", len(counts)) for key in (*keys, "padding")}
    stem = _divisible(integer(config, "input_num_filters", path, 16, 1, WIDEST))
    first = integer(config, "depthwise_filters", path, 8, 1, WIDEST)
    stride = integer(config, "depthwise_stride", path, 2, 1, 2)
    one_of(config, "depthwise_residual", path, False, (stride == 1 and stem == first,))
    stages = [[[3, stride, 0, first, _squeezed(stem, config.get("squeeze_and_excite")), "relu"]]]
    for index, count in enumerate(counts):
        blocks = []
        for position in range(integer({"blocks": count}, "blocks", path, 1, 1, MOST_BLOCKS)):
            try:
                block = {key: column[index][position] for key, column in columns.items()}
            except (IndexError, TypeError) as error:
                raise UsageError(
                    f"{path}: the stackwise_ lists must have one value for each of the {count} "
                    f"blocks of stage {index}."
                ) from error
            kernel = integer(block, "kernel_size", path, 3, 1, LARGEST_KERNEL)
            one_of(block, "padding", path, kernel // 2, (kernel // 2,))
            width = _divisible(integer(block, "expansion", path, 1, 1, WIDEST))
            blocks.append(
                [
                    kernel,
                    integer(block, "num_strides", path, 1, 1, 2),
                    width,
                    _divisible(integer(block, "num_filters", path, 1, 1, WIDEST)),
                    _squeezed(width, block["se_ratio"]),
                    HARD[one_of(block, "activation", path, "relu", tuple(HARD))],
                ]
            )
        stages.append(blocks)
    has_head = preset.task == "ImageClassifier"
    return EfficientNetConfig(
        stem=stem,
        stages=tuple(stages),
        top=_divisible(integer(config, "last_layer_filter", path, 960, 1, WIDEST)),
        mobile=True,
        hidden=integer(preset.options, "num_features", path, 1024, 1, WIDEST) if has_head else 0,
        activation="hard_silu",
    )


def _divisible(channels: float) -> int:
    """The nearest multiple of 8 that is not much smaller (Howard et al.'s rounding)."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near + 8 if near < 0.9 * channels else near


def _squeezed(channels: int, ratio: Any) -> int:
    return _divisible(channels * float(ratio)) if ratio else 0


def arrays(checkpoint: Checkpoint, config: EfficientNetConfig) -> Checkpoint:
    """The arrays of a preset under the names of timm.

    Raises:
        MismatchError: their number differs from that in the config.
    """

    def rename(names: list[str]) -> Mapping[str, str]:
        modules = {"task.dense.0": "classifier", "task.conv2d.0": "conv_head"}
        if config.mobile:
            return {**modules, **dict(_mobile_modules(config))}
        for layer, expected in _in_order(config).items():
            own = numbered(names, layer)
            if len(own) != len(expected):
                raise MismatchError(
                    f"{checkpoint.path} does not fit its config, which describes {len(expected)} "
                    f"layers of the class {layer}, not {len(own)}."
                )
            modules |= zip(own, expected, strict=True)
        return modules

    return pytorch_arrays(checkpoint, rename)


def _in_order(config: EfficientNetConfig) -> dict[str, list[str]]:
    """Class of layers -> timm's names of EfficientNet's layers, in order."""
    convolutions, depthwise, norms = ["conv_stem"], [], ["bn1"]
    for stage, blocks in enumerate(config.stages):
        for index, (_, _, width, _, squeeze, _) in enumerate(blocks):
            name = f"blocks.{stage}.{index}"
            own = [f"{name}.conv_pw"] if width else []
            if squeeze:
                own += [f"{name}.se.conv_reduce", f"{name}.se.conv_expand"]
            own.append(f"{name}.{'conv_pwl' if width else 'conv_pw'}")
            convolutions += own
            depthwise.append(f"{name}.conv_dw")
            norms += [f"{name}.bn{n + 1}" for n in range(3 if width else 2)]
    return {
        CONVOLUTION: [*convolutions, "conv_head"],
        DEPTHWISE: depthwise,
        NORMALISATION: [*norms, "bn2"],
    }


def _mobile_modules(config: EfficientNetConfig) -> Iterator[tuple[str, str]]:
    top = f"blocks.{len(config.stages)}.0"
    yield f"{CONVOLUTION}.0", "conv_stem"
    yield f"{NORMALISATION}.0", "bn1"
    yield from _parts("depthwise_conv_block.0", "blocks.0.0", SEPARABLE)
    index = 0
    for stage, blocks in enumerate(config.stages[1:], 1):
        for block in range(len(blocks)):
            layer = f"inverted_residual_block.{index}"
            yield from _parts(layer, f"blocks.{stage}.{block}", INVERTED)
            index += 1
    yield from _parts("conv_bn_act_block.0", top, {"conv": "conv", "batch_normalization": "bn1"})


def _parts(layer: str, module: str, parts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for own, name in parts.items():
        yield f"{layer}.{own}", f"{module}.{name}"
