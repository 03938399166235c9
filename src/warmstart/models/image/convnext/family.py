"""ConvNeXt and ConvNeXt V2 as PyTorch has them: sizes, and the names of their arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from warmstart.checkpoints.layout import PYTORCH, Layout
from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.image import timm
from warmstart.models.image.classifiers import (
    Shapes,
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import IMAGENET
from warmstart.models.repository import licence_of

PAPER = "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: A ConvNet for the 2020s, 2022, arXiv:2201.03545"
PAPER_V2 = (
    "Woo et al.: ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders, 2023, "
    "arXiv:2301.00808"
)
BACKBONE = True
HEADS = {
    "ConvNextForImageClassification": True,
    "ConvNextModel": False,
    "ConvNextV2ForImageClassification": True,
    "ConvNextV2Model": False,
}
WIDEST, MOST_BLOCKS = 16384, 256
EPSILON = 1e-6

LAYOUT = Layout(
    modules=((r"\.scale$", ""),),
    variables={**PYTORCH, "scale": "gamma"},
    aliases=(
        (r"^convnext(v2)?\.", ""),
        (r"^embeddings\.patch_embeddings\.", "stem.0."),
        (r"^embeddings\.layernorm\.", "stem.1."),
        (r"^encoder\.stages\.(\d+)\.downsampling_layer\.", r"stages.\1.downsample."),
        (r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.dwconv\.", r"stages.\1.blocks.\2.conv_dw."),
        (r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.layernorm\.", r"stages.\1.blocks.\2.norm."),
        (r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.pwconv", r"stages.\1.blocks.\2.mlp.fc"),
        (r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.grn\.", r"stages.\1.blocks.\2.mlp.grn."),
        (
            r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.layer_scale_parameter$",
            r"stages.\1.blocks.\2.gamma",
        ),
        (r"^layernorm\.", "head.norm."),
        (r"^classifier\.", "head.fc."),
    ),
)
"""The names of timm; the aliases are those of Hugging Face."""


@dataclass(frozen=True)
class ConvNeXtConfig(Config):
    """Sizes of one network; tuples have one number per stage.

    Attributes:
        depths: blocks.
        widths: channels.
        patch: side of the first convolution, and its stride.
        layer_scale: whether the output of a block is scaled (ConvNeXt).
        response_norm: whether the responses of a block are normalised (ConvNeXt V2).
        epsilon: of the normalisations.
        head_epsilon: of the one before the classes.
        classes: outputs; 0: no head.
        input_size: (height, width) in pixels.
    """

    depths: tuple[int, ...] = (3, 3, 9, 3)
    widths: tuple[int, ...] = (96, 192, 384, 768)
    patch: int = 4
    layer_scale: bool = True
    response_norm: bool = False
    epsilon: float = EPSILON
    head_epsilon: float = EPSILON
    classes: int = 1000
    input_size: tuple[int, int] = (224, 224)

    def check(self) -> None:
        if len(self.depths) != len(self.widths) or not self.depths:
            raise UsageError("convnext: depths and widths must have one number per stage each")

    def parameters(self) -> int:
        c = self
        count = (3 * c.patch**2 + 3) * c.widths[0]
        before = c.widths[0]
        for stage, (depth, width) in enumerate(zip(c.depths, c.widths, strict=True)):
            count += (2 * before + 4 * before * width + width) if stage else 0
            block = 50 * width + 2 * width + 8 * width * width + 5 * width
            count += depth * (block + width * c.layer_scale + 8 * width * c.response_norm)
            before = width
        return count + 2 * before + (before + 1) * c.classes


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    name, labels = head_of(repo, HEADS)
    is_second = name.startswith("ConvNextV2")
    repo.one_of("hidden_act", ("gelu",))
    stages = repo.integer("num_stages", 4, 1, 8)
    rules = classifier_preprocessing(repo.folder, 224, IMAGENET)
    config = ConvNeXtConfig(
        depths=tuple(repo.integers("depths", [3, 3, 9, 3], 1, MOST_BLOCKS, stages)),
        widths=tuple(repo.integers("hidden_sizes", [96, 192, 384, 768], 1, WIDEST, stages)),
        patch=repo.integer("patch_size", 4, 1, 64),
        layer_scale=not is_second and repo.number("layer_scale_init_value", 1e-6, 0.0, 1e3) > 0,
        response_norm=is_second,
        head_epsilon=repo.number("layer_norm_eps", 1e-12, 0.0, 1.0),
        classes=len(labels),
        input_size=rules.size,
    )
    entry = repository_entry(
        repo,
        config,
        rules,
        family=str(repo.get("model_type")),
        licence=licence_of(repo),
        paper=PAPER_V2 if is_second else PAPER,
    )
    return entry, labels


def read_timm(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return timm.read(
        repo,
        _from_shapes,
        arguments=("depths", "dims", "ls_init_value"),
        head="head.fc.weight",
        paper=lambda _, config: PAPER_V2 if config.response_norm else PAPER,
    )


def _from_shapes(repo: Repository, shapes: Shapes, **outputs: Any) -> ConvNeXtConfig:
    stages = timm.depths(shapes, r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.weight")
    epsilon = 1e-5 if "xxlarge" in repo.config["architecture"] else EPSILON
    return ConvNeXtConfig(
        depths=tuple(stages.values()),
        widths=tuple(shapes[f"stages.{n}.blocks.0.conv_dw.weight"][0] for n in stages),
        patch=shapes["stem.0.weight"][-1],
        layer_scale="stages.0.blocks.0.gamma" in shapes,
        response_norm="stages.0.blocks.0.mlp.grn.weight" in shapes,
        epsilon=epsilon,
        head_epsilon=epsilon,
        **outputs,
    )
