"""Networks, a folder for each family. Importing this package does not import Keras.

A family is a folder `models/<wing>/<family>/` and a row of `FAMILIES`. Its `network.py` imports Keras and has

    build(config, **options) -> keras.Model      for images: include_top, input_shape, pooling, classes
    load(model, checkpoint, config) -> None

and, if a bundle's checkpoint has names of its own (those of Hugging Face), the opposite of `load`:

    arrays(model, config) -> {name: array}

and, if a text's outputs are not those of `models.text.outputs`:

    outputs(model, inputs) -> {name: tensor}     `features`, and those of its head

and, if its program is not built as for the other families of its task:

    classifier_outputs(model, config) -> keras.Model    with the outputs `probabilities` and `features`
    segmentation_outputs(model, config) -> keras.Model  with the outputs `logits` and maybe `features`
    detection_outputs(model, config) -> keras.Model     with the outputs `scores` and `boxes`
    text_outputs(model, config) -> keras.Model          with the outputs `logits` and `features`
    array_outputs(model, config) -> keras.Model         with outputs by name
    series_outputs(model, config) -> keras.Model        with the output `quantiles`

Its `family.py` imports no Keras and says all else that is particular to the family. Each name is optional:

    read(repo) -> (Entry, labels)                    from the `config.json` of a repository
    read_timm(repo) -> (Entry, labels)               the same of a repository of timm
    read_keras_hub(preset) -> (Entry, labels)        the same of a preset of KerasHub
    write(entry, labels, **tokens) -> dict           the `config.json` of a bundle
    as_task(entry, task) -> Entry | None             by which the same weights do another task
    parameters(config) -> int                        numbers in a network of this config
    LAYOUT: Layout                                   names and axes of the arrays in public checkpoints
    BLOCK                                            pattern of the layers of a block, whose number is its group
    LORA_TARGETS                                     ends of the names of the layers that LoRA adapts
    RUNNER                                           what runs the network for its task: "module" or "module:Class"
    BACKBONE, SEGMENTATION                           what may be built on it
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from warmstart.errors import UsageError


@dataclass(frozen=True)
class Family:
    """A row of the table.

    Attributes:
        package: the folder, as a dotted name below this package.
        architecture: what entries and bundles call it.
        model_types: those of `config.json` that it reads.
        timm: a pattern of the architectures of timm that it reads.
        keras_hub: the classes of KerasHub backbones that it reads.
    """

    package: str
    architecture: str
    model_types: tuple[str, ...] = ()
    timm: str = ""
    keras_hub: tuple[str, ...] = ()


FAMILIES = (
    Family("image.keras_applications", "keras_applications"),
    Family("image.cifar_resnet", "cifar_resnet"),
    Family("image.efficientnet_lite", "efficientnet_lite"),
    Family(
        "image.vit",
        "vit",
        ("vit", "deit", "dinov2", "dinov2_with_registers"),
        r"(vit|deit3?)_[a-z]+(_distilled)?_patch\d+(_(plus|clip|quickgelu|gap|reg\d+|dinov2|\d+))*",
    ),
    Family(
        "image.resnet",
        "resnet",
        ("resnet",),
        r"resnet(10|14|18|26|34|50|101|152|200)[cdst]?|wide_resnet(50|101)_2",
        ("ResNetBackbone",),
    ),
    Family(
        "image.convnext",
        "convnext",
        ("convnext", "convnextv2"),
        r"convnext(v2)?_(atto|femto|pico|nano|tiny|small|base|large|xlarge|xxlarge|huge)",
    ),
    Family(
        "image.efficientnet",
        "efficientnet",
        timm=r"(tf_)?(efficientnet_b[0-8]|mobilenetv3_(large|small)(_minimal)?_(050|075|100))",
        keras_hub=("EfficientNetBackbone", "MobileNetBackbone"),
    ),
    Family("image.segformer", "segformer", ("segformer",), keras_hub=("SegFormerBackbone",)),
    Family("image.deeplabv3_mobilenet_v2", "deeplabv3_mobilenet_v2", ("mobilenet_v2",)),
    Family("image.deeplabv3", "deeplabv3"),
    Family("image.deeplabv3_resnet", "deeplabv3_resnet", keras_hub=("DeepLabV3Backbone",)),
    Family("image.dfine", "dfine", ("d_fine",)),
    Family("image.fcos", "fcos"),
    Family("image.transfer", "transfer"),
    Family("text.bert", "bert", ("bert",), keras_hub=("BertBackbone",)),
    Family("text.distilbert", "distilbert", ("distilbert",), keras_hub=("DistilBertBackbone",)),
    Family(
        "text.roberta",
        "roberta",
        ("roberta", "xlm-roberta", "camembert"),
        keras_hub=("RobertaBackbone",),
    ),
    Family("text.gpt2", "gpt2", ("gpt2",), keras_hub=("GPT2Backbone",)),
    Family("speech.whisper", "whisper", ("whisper",), keras_hub=("WhisperBackbone",)),
    Family("speech.wavenet", "wavenet"),
    Family("speech.wavenet_asr", "wavenet_asr"),
    Family("speech.wavenet_raw", "wavenet_raw"),
    Family("series.deepar", "deepar"),
    Family("series.chronos_bolt", "chronos_bolt", ("t5",)),
    Family("tensors.wrapped", "wrapped"),
)
"""All families. A name from a file never imports anything else."""

ARCHITECTURES = {row.architecture: row for row in FAMILIES}
MODEL_TYPES = {model_type: row for row in FAMILIES for model_type in row.model_types}


def architecture(name: str) -> ModuleType:
    """The network module of an architecture; imports Keras.

    Raises:
        UsageError: the name is not one of `ARCHITECTURES`.
    """
    return import_module(f"{__name__}.{_row(name).package}.network")


def family(name: str) -> ModuleType:
    """The family module of an architecture; does not import Keras.

    Raises:
        UsageError: the name is not one of `ARCHITECTURES`.
    """
    return import_module(f"{__name__}.{_row(name).package}.family")


def runner(name: str) -> Any:
    """The module or class by which a task runs the network of an architecture.

    Raises:
        UsageError: the architecture is unknown, or no task runs it in a way of its own.
    """
    where = getattr(family(name), "RUNNER", None)
    if where is None:
        raise UsageError(f"the architecture {name!r} has no runner")
    module, _, attribute = where.partition(":")
    runs = import_module(module)
    return getattr(runs, attribute) if attribute else runs


def timm_family(name: str) -> Family | None:
    """The family of an architecture of timm; None if none reads it."""
    return next((row for row in FAMILIES if row.timm and re.fullmatch(row.timm, name)), None)


def _row(name: str) -> Family:
    if name not in ARCHITECTURES:
        raise UsageError(
            f"there is no architecture named {name!r}; available: {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]


def has_network(config: Mapping[str, Any]) -> bool:
    """Whether there is a Keras model of a config, and not a compiled program only."""
    return "reason" not in config


def arrays(module: ModuleType, model: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The weights of a model under the names that `module.load` reads."""
    from warmstart.checkpoints.naming import model_arrays

    own = getattr(module, "arrays", None)
    return own(model, config) if own else model_arrays(model)
