"""ConvNeXt and ConvNeXt V2 as PyTorch has them: sizes, and the names of their arrays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import PYTORCH, Layout
from warmstart.errors import BundleError, UsageError
from warmstart.models.checks import integer, integers, number, one_of
from warmstart.models.configs import sizes
from warmstart.models.image import timm
from warmstart.models.image.classifiers import (
    array_shapes,
    check_task,
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import IMAGENET
from warmstart.models.repository import CONFIG, licence_of

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
class ConvNeXtConfig:
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

    @classmethod
    def of(cls, config: ConvNeXtConfig | Mapping[str, Any]) -> ConvNeXtConfig:
        """From the values of an entry.

        Raises:
            UsageError: a key is unknown, or stages have no size.
        """
        made = sizes(cls, config, "convnext")
        if len(made.depths) != len(made.widths) or not made.depths:
            raise UsageError("convnext: depths and widths must have one number per stage each")
        return made


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path = folder / CONFIG
    name, labels = head_of(config, folder, task, HEADS)
    is_second = name.startswith("ConvNextV2")
    one_of(config, "hidden_act", path, "gelu", ("gelu",))
    stages = integer(config, "num_stages", path, 4, 1, 8)
    rules = classifier_preprocessing(folder, 224, IMAGENET)
    made = ConvNeXtConfig(
        depths=tuple(integers(config, "depths", path, [3, 3, 9, 3], 1, MOST_BLOCKS, stages)),
        widths=tuple(
            integers(config, "hidden_sizes", path, [96, 192, 384, 768], 1, WIDEST, stages)
        ),
        patch=integer(config, "patch_size", path, 4, 1, 64),
        layer_scale=not is_second
        and number(config, "layer_scale_init_value", path, 1e-6, 0.0, 1e3) > 0,
        response_norm=is_second,
        head_epsilon=number(config, "layer_norm_eps", path, 1e-12, 0.0, 1.0),
        classes=len(labels),
        input_size=rules.size,
    )
    values = _values(made)
    entry = repository_entry(
        folder,
        family=str(config["model_type"]),
        architecture="convnext",
        config=values,
        rules=rules,
        licence=licence_of(config),
        paper=PAPER_V2 if is_second else PAPER,
        parameters=parameters(values),
    )
    return entry, labels


def read_timm(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path, name = folder / CONFIG, str(config["architecture"])
    check_task(folder, task)
    timm.check_arguments(config, path, ("depths", "dims", "ls_init_value"))
    labels, rules = timm.labels_of(config, path), timm.preprocessing(config, path)
    shapes = array_shapes(folder)
    timm.check_classes(shapes, "head.fc.weight", len(labels), path)
    epsilon = 1e-5 if "xxlarge" in name else EPSILON
    values = _values(_from_shapes(shapes, path, epsilon, len(labels), rules.size))
    entry = timm.entry(
        folder,
        config,
        family=name.partition("_")[0],
        architecture="convnext",
        values=values,
        rules=rules,
        paper=PAPER_V2 if values["response_norm"] else PAPER,
        parameters=parameters(values),
    )
    return entry, labels


def _from_shapes(
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    epsilon: float,
    classes: int,
    size: tuple[int, int],
) -> ConvNeXtConfig:
    stages: dict[int, set[str]] = {}
    for name in shapes:
        if match := re.match(r"stages\.(\d+)\.blocks\.(\d+)\.conv_dw\.weight", name):
            stages.setdefault(int(match[1]), set()).add(match[2])
    if not stages:
        raise BundleError(f"{path.parent}: the weights are not those of a ConvNeXt.")
    numbers = sorted(stages)
    try:
        return ConvNeXtConfig.of(
            ConvNeXtConfig(
                depths=tuple(len(stages[n]) for n in numbers),
                widths=tuple(shapes[f"stages.{n}.blocks.0.conv_dw.weight"][0] for n in numbers),
                patch=shapes["stem.0.weight"][-1],
                layer_scale="stages.0.blocks.0.gamma" in shapes,
                response_norm="stages.0.blocks.0.mlp.grn.weight" in shapes,
                epsilon=epsilon,
                head_epsilon=epsilon,
                classes=classes,
                input_size=size,
            )
        )
    except KeyError as error:
        raise BundleError(
            f"{path.parent}: the weights are not those of a ConvNeXt ({error} is missing)."
        ) from error


def parameters(config: Mapping[str, Any]) -> int:
    """The number of parameters of a network."""
    c = ConvNeXtConfig.of(config)
    count = (3 * c.patch**2 + 3) * c.widths[0]
    before = c.widths[0]
    for stage, (depth, width) in enumerate(zip(c.depths, c.widths, strict=True)):
        count += (2 * before + 4 * before * width + width) if stage else 0
        block = 50 * width + 2 * width + 8 * width * width + 5 * width
        count += depth * (block + width * c.layer_scale + 8 * width * c.response_norm)
        before = width
    return count + 2 * before + (before + 1) * c.classes


def _values(config: ConvNeXtConfig) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(config).items()
    }
