"""SegFormer with its decoder for segmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warmstart.catalog.licences import SEGFORMER
from warmstart.checkpoints.layout import Layout
from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.image import keras_hub
from warmstart.models.image.repository import (
    IMAGENET,
    labels_of,
    make_entry,
    preprocessing,
    require_head,
)
from warmstart.models.image.segformer import presets
from warmstart.models.keras_hub import Preset

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
class SegformerConfig(Config):
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

    def check(self) -> None:
        lengths = {
            len(getattr(self, key))
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
            for size, heads in zip(self.hidden_sizes, self.num_attention_heads, strict=True)
        ):
            raise UsageError(
                "segformer: every hidden size must be divisible by its number of attention heads"
            )


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    require_head(repo, "SegformerForSemanticSegmentation", "image-segmentation")
    labels = labels_of(repo)
    stages = repo.integer("num_encoder_blocks", 4, 1, 8)
    values: dict[str, Any] = {
        key: repo.integers(key, default, 1, largest, stages) for key, default, largest in STAGES
    }
    values["decoder_hidden_size"] = repo.integer("decoder_hidden_size", 256, 1, WIDEST)
    values["hidden_act"] = repo.one_of("hidden_act", ("gelu", "relu", "silu"))
    repo.integer("num_channels", 3, 3, 3)
    if repo.get("reshape_last_stage") is False:
        raise UsageError(f"{repo.path}: reshape_last_stage false is not supported.")
    rules = preprocessing(repo.folder, (512, 512), IMAGENET)
    values |= {"classes": len(labels), "input_size": list(rules.size)}
    entry = make_entry(
        "segformer", "image-segmentation", "segformer", values, rules, SEGFORMER, PAPER
    )
    return entry, labels


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    values = presets.sizes_of(preset, {key: largest for key, _, largest in STAGES}, WIDEST)
    return keras_hub.read_segmenter(preset, "segformer", SegformerConfig, values, PAPER)
