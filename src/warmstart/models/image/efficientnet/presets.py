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
from warmstart.models.checks import Values
from warmstart.models.image.efficientnet.config import EfficientNetConfig
from warmstart.models.image.keras_hub import CONVOLUTION, DEPTHWISE, NORMALISATION, numbered
from warmstart.models.image.repository import divisible
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
    return _mobile(preset) if preset.backbone == "MobileNet" else _efficient(preset.values)


def _efficient(values: Values) -> EfficientNetConfig:
    values.one_of("include_stem_padding", (True,))
    values.one_of("stem_conv_padding", ("valid",))
    values.one_of("projection_activation", (None,))
    if any(values.get("stackwise_force_input_filters") or ()):
        raise UsageError(f"{values.path}: stackwise_force_input_filters above 0 are not supported.")
    activation = SWISH[values.one_of("activation", tuple(SWISH), "swish")]
    count = len(_list(values, "stackwise_kernel_sizes"))
    columns = {
        key: _list(values, f"stackwise_{key}", count)
        for key in (
            "width_coefficients", "depth_coefficients", "kernel_sizes", "num_repeats",
            "input_filters", "output_filters", "expansion_ratios", "squeeze_and_excite_ratios",
            "strides", "block_types",
        )
    }  # fmt: skip
    rows = [
        Values({key: column[index] for key, column in columns.items()}, values.path)
        for index in range(count)
    ]
    stages = []
    for row in rows:
        row.one_of("block_types", ("v1",))
        before = _rounded(values, row.get("input_filters"), row)
        channels = _rounded(values, row.get("output_filters"), row)
        kernel = row.integer("kernel_sizes", 3, 1, LARGEST_KERNEL)
        ratio = row.integer("expansion_ratios", 1, 1, 64)
        squeeze = row.number("squeeze_and_excite_ratios", 0, 0, 1)
        repeats = row.integer("num_repeats", 1, 1, MOST_BLOCKS)
        repeats = math.ceil(row.number("depth_coefficients", 1, 0.01, 16) * repeats)
        blocks = []
        for block in range(repeats):
            stride = 1 if block else row.integer("strides", 1, 1, 2)
            width = before * ratio if ratio > 1 else 0
            inner = max(1, int(before * squeeze)) if squeeze else 0
            blocks.append([kernel, stride, width, channels, inner, activation])
            before = channels
        stages.append(blocks)
    return EfficientNetConfig(
        stem=_rounded(values, columns["input_filters"][0], rows[0]),
        stages=tuple(stages),
        top=_rounded(values, TOP, rows[-1]),
        activation=activation,
        epsilon=values.number("batch_norm_epsilon", 1e-5, 0, 1),
    )


def _list(values: Values, key: str, count: int | None = None) -> list[Any]:
    """A list of the config, with one item per stage.

    Raises:
        UsageError: it is missing, empty or of another length.
    """
    column = values.get(key)
    if not isinstance(column, list) or not column or len(column) != (count or len(column)):
        raise UsageError(f"{values.path}: {key} must have one value per stage, not {column!r}.")
    return column


def _rounded(values: Values, filters: Any, stage: Values) -> int:
    """A number of channels times the width coefficient of a stage, as KerasHub rounds it."""
    own = Values({"filters": filters}, values.path).integer("filters", 1, 1, WIDEST)
    divisor = values.integer("depth_divisor", 8, 1, 1024)
    least = values.integer("min_depth", 8, 1, 1024)
    if values.get("use_depth_divisor_as_min_depth"):
        least = divisor
    wide = own * stage.number("width_coefficients", 1, 0.01, 16)
    return divisible(
        wide, divisor, least, limit_decrease=bool(values.get("cap_round_filter_decrease"))
    )


def _mobile(preset: Preset) -> EfficientNetConfig:
    values, path = preset.values, preset.repo.path
    for key in ("input_activation", "output_activation"):
        values.one_of(key, ("hard_swish", "hard_silu"))
    counts = _list(values, "stackwise_num_blocks")
    keys = ("expansion", "num_filters", "kernel_size", "num_strides", "se_ratio", "activation")
    columns = {key: _list(values, f"stackwise_{key}", len(counts)) for key in (*keys, "padding")}
    stem = divisible(values.integer("input_num_filters", 16, 1, WIDEST))
    first = values.integer("depthwise_filters", 8, 1, WIDEST)
    stride = values.integer("depthwise_stride", 2, 1, 2)
    values.one_of("depthwise_residual", (stride == 1 and stem == first,), False)
    stages = [[[3, stride, 0, first, _squeezed(stem, values.get("squeeze_and_excite")), "relu"]]]
    for index, count in enumerate(counts):
        blocks = []
        for position in range(Values({"blocks": count}, path).integer("blocks", 1, 1, MOST_BLOCKS)):
            try:
                block = Values(
                    {key: column[index][position] for key, column in columns.items()}, path
                )
            except (IndexError, TypeError) as error:
                raise UsageError(
                    f"{path}: the stackwise_ lists must have one value for each of the {count} "
                    f"blocks of stage {index}."
                ) from error
            kernel = block.integer("kernel_size", 3, 1, LARGEST_KERNEL)
            block.one_of("padding", (kernel // 2,))
            width = divisible(block.integer("expansion", 1, 1, WIDEST))
            blocks.append(
                [
                    kernel,
                    block.integer("num_strides", 1, 1, 2),
                    width,
                    divisible(block.integer("num_filters", 1, 1, WIDEST)),
                    _squeezed(width, block.get("se_ratio")),
                    HARD[block.one_of("activation", tuple(HARD), "relu")],
                ]
            )
        stages.append(blocks)
    has_head = preset.model == "ImageClassifier"
    return EfficientNetConfig(
        stem=stem,
        stages=tuple(stages),
        top=divisible(values.integer("last_layer_filter", 960, 1, WIDEST)),
        mobile=True,
        hidden=preset.head.integer("num_features", 1024, 1, WIDEST) if has_head else 0,
        activation="hard_silu",
    )


def _squeezed(channels: int, ratio: Any) -> int:
    return divisible(channels * float(ratio)) if ratio else 0


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
