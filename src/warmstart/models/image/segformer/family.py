"""SegFormer with its decoder for segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.catalog.licences import SEGFORMER
from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import integer, integers, one_of
from warmstart.models.configs import sizes
from warmstart.models.image import keras_hub
from warmstart.models.image.repository import (
    IMAGENET,
    check_task,
    labels_of,
    make_entry,
    preprocessing,
)
from warmstart.models.image.segformer import presets
from warmstart.models.keras_hub import Preset
from warmstart.models.repository import CONFIG

PAPER = (
    "Xie, Wang, Yu, Anandkumar, Alvarez, Luo: SegFormer: Simple and Efficient Design for Semantic Segmentation with "
    "Transformers, 2021, arXiv:2105.15203"
)
WIDEST, MOST_BLOCKS = 8192, 256
STAGES = (
    ("depths", [2, 2, 2, 2], MOST_BLOCKS),
    ("hidden_sizes", [32, 64, 160, 256], WIDEST),
    ("num_attention_heads", [1, 2, 5, 8], 256),
    ("sr_ratios", [8, 4, 2, 1], 64),
    ("patch_sizes", [7, 3, 3, 3], 64),
    ("strides", [4, 2, 2, 2], 64),
    ("mlp_ratios", [4, 4, 4, 4], 16),
)
"""Key, default, largest; one number per stage."""
LAYOUT = Layout()
SEGMENTATION = True


@dataclass(frozen=True)
class SegformerConfig:
    """Sizes of one network; tuples have one number per stage.

    Attributes:
        hidden_act: the activation of the convolutions between linear layers; "gelu_pytorch_tanh" is
            GELU approximated with tanh.
        block_epsilon: epsilon of the normalisations inside blocks, except that of reduced maps.
    """

    depths: tuple[int, ...] = (2, 2, 2, 2)
    hidden_sizes: tuple[int, ...] = (32, 64, 160, 256)
    num_attention_heads: tuple[int, ...] = (1, 2, 5, 8)
    sr_ratios: tuple[int, ...] = (8, 4, 2, 1)
    patch_sizes: tuple[int, ...] = (7, 3, 3, 3)
    strides: tuple[int, ...] = (4, 2, 2, 2)
    mlp_ratios: tuple[int, ...] = (4, 4, 4, 4)
    decoder_hidden_size: int = 256
    hidden_act: str = "gelu"
    classes: int = 150
    input_size: tuple[int, int] = (512, 512)
    dropout: float = 0.1
    block_epsilon: float = 1e-5

    @classmethod
    def of(cls, config: SegformerConfig | Mapping[str, Any]) -> SegformerConfig:
        """From the values of an entry.

        Raises:
            UsageError: a key is unknown, or stages have no size.
        """
        made = sizes(cls, config, "segformer")
        lengths = {
            len(getattr(made, key))
            for key in (
                "depths",
                "hidden_sizes",
                "num_attention_heads",
                "sr_ratios",
                "patch_sizes",
                "strides",
                "mlp_ratios",
            )
        }
        if len(lengths) != 1:
            raise UsageError(
                "segformer: depths, hidden_sizes, num_attention_heads, sr_ratios, patch_sizes, strides "
                "and mlp_ratios must have one number per stage each"
            )
        if any(
            size % heads
            for size, heads in zip(made.hidden_sizes, made.num_attention_heads, strict=True)
        ):
            raise UsageError(
                "segformer: every hidden size must be divisible by its number of attention heads"
            )
        return made


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    check_task(config, folder, task, "image-segmentation", "SegformerForSemanticSegmentation")
    labels = labels_of(config, folder)
    stages = integer(config, "num_encoder_blocks", path, 4, 1, 8)
    values: dict[str, Any] = {
        key: integers(config, key, path, default, 1, largest, stages)
        for key, default, largest in STAGES
    }
    values["decoder_hidden_size"] = integer(config, "decoder_hidden_size", path, 256, 1, WIDEST)
    values["hidden_act"] = one_of(config, "hidden_act", path, "gelu", ("gelu", "relu", "silu"))
    integer(config, "num_channels", path, 3, 3, 3)
    if config.get("reshape_last_stage") is False:
        raise UsageError(f"{path}: reshape_last_stage false is not supported.")
    rules = preprocessing(folder, (512, 512), IMAGENET)
    values |= {"classes": len(labels), "input_size": list(rules.size)}
    entry = make_entry(
        "segformer", "image-segmentation", "segformer", values, rules, SEGFORMER, PAPER
    )
    return entry, labels


def read_keras_hub(
    preset: Preset, folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    classes = keras_hub.segmentation_classes(preset, folder, task)
    values = presets.sizes_of(preset, {key: largest for key, _, largest in STAGES}, WIDEST)
    rules = keras_hub.preprocessing(folder, tuple(values["input_size"]))
    values |= {"classes": classes, "input_size": list(rules.size)}
    entry = make_entry(
        "segformer", "image-segmentation", "segformer", values, rules, "NOASSERTION", PAPER
    )
    return entry, keras_hub.labels(classes, folder)
