"""KerasHub's presets of image models: classes, preprocessing, the order of layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from warmstart import catalog
from warmstart.catalog.entry import ImagePreprocessing, Label
from warmstart.errors import UsageError
from warmstart.models.checks import Described, Values
from warmstart.models.configs import Config
from warmstart.models.image.classifiers import TASK, repository_entry
from warmstart.models.image.repository import LARGEST_SIDE, make_entry, normalisation, three
from warmstart.models.keras_hub import ACTIVATIONS, PREPROCESSOR, Preset
from warmstart.models.repository import read_json

CONVERTER = "image_converter.json"
SEGMENTATION = "image-segmentation"
SIZE = (224, 224)
IMAGENET_CLASSES = 1000
OPTIONS = {
    "image_size", "scale", "offset", "interpolation", "crop_to_aspect_ratio", "pad_to_aspect_ratio",
    "name", "trainable", "dtype", "antialias", "bounding_box_format", "data_format",
}  # fmt: skip
"""Options of an `ImageConverter`. Those of the second line have no effect on the pixels, except
`antialias`, which Pillow always applies.
"""
INTERPOLATIONS = {
    "bilinear": "bilinear",
    "nearest": "nearest",
    "bicubic": "bicubic",
    "lanczos3": "lanczos",
}
CONVOLUTION, DEPTHWISE = "conv2d", "depthwise_conv2d"
NORMALISATION = "batch_normalization"


def numbered(names: Sequence[str], layer: str, within: str = "") -> list[str]:
    """The layers of a class, in order: those of the model itself, `layer.0`, `layer.1`, …, or those
    within another layer, `within.layer`, `within.layer_1`, ….
    """
    pattern = rf"{re.escape(within)}\.{layer}(?:_(\d+))?" if within else rf"{layer}\.(\d+)"
    matches = ((re.fullmatch(pattern, name), name) for name in names)
    own = [(int(match[1] or 0), name) for match, name in matches if match]
    return [name for _, name in sorted(own)]


def suffix(index: int) -> str:
    """The suffix that Keras appends to the class name of the layer at this index: `""`, `"_1"`, …."""
    return f"_{index}" if index else ""


def classes_of(preset: Preset) -> int:
    """The number of classes of an `ImageClassifier`; 0 if the preset has no such head.

    Raises:
        UsageError: an option of its head is not supported.
        BundleError: the number is missing or invalid.
    """
    if preset.model != "ImageClassifier":
        return 0
    preset.check_head(pooling=("avg",), activation=ACTIVATIONS)
    return preset.classes


def read_classifier(
    preset: Preset, network_config: Config, *, family: str, paper: str
) -> Described:
    """The entry and the classes of a preset that classifies; `network_config` has the sizes of its
    network.

    Raises:
        UsageError: another task was requested, or an option is not supported.
    """
    folder = preset.repo.folder
    preset.repo.check_task(TASK)
    classes, rules = classes_of(preset), preprocessing(folder)
    network_config = replace(network_config, classes=classes, input_size=rules.size)  # type: ignore[call-arg]
    entry = repository_entry(
        preset.repo, network_config, rules, family=family, licence="NOASSERTION", paper=paper
    )
    return entry, labels(classes, folder)


def read_segmenter(
    preset: Preset, family: str, config: type[Config], values: dict[str, Any], paper: str
) -> Described:
    """The same of a preset that segments.

    Args:
        preset: an `ImageSegmenter`.
        family: of the entry.
        config: the class of the family's config.
        values: of it; `input_size` is that of pictures that the converter does not resize.
        paper: of the family.

    Raises:
        UsageError: the preset has no such head, another task was requested, or an option is not
            supported.
        BundleError: the number of classes is missing or invalid.
    """
    folder = preset.repo.folder
    if preset.model != "ImageSegmenter":
        raise UsageError(
            f"{folder} has no supported head: it is not a {preset.backbone}ImageSegmenter."
        )
    preset.repo.check_task(SEGMENTATION)
    preset.check_head(activation=ACTIVATIONS)
    rules = preprocessing(folder, tuple(values.get("input_size", SIZE)))
    values = {**values, "classes": preset.classes, "input_size": list(rules.size)}
    network_config = config.of(values)
    entry = make_entry(
        family,
        SEGMENTATION,
        network_config.architecture,
        values,
        rules,
        "NOASSERTION",
        paper,
        parameters=network_config.parameters(),
    )
    return entry, labels(preset.classes, folder)


def encoder_config(preset: Preset, backbone: str) -> Values:
    """The config of the image encoder that is part of a preset's backbone.

    Raises:
        UsageError: the encoder is not of the class `backbone`.
    """
    encoder = preset.values.get("image_encoder")
    encoder = encoder if isinstance(encoder, Mapping) else {}
    config = encoder.get("config")
    if encoder.get("class_name") != backbone or not isinstance(config, Mapping):
        raise UsageError(
            f"{preset.repo.path}: the image encoder {encoder.get('class_name')} is not supported; "
            f"only {backbone} is."
        )
    return Values(config, preset.repo.path)


def labels(classes: int, folder: Path) -> tuple[Label, ...]:
    """The classes of a preset, which does not name them: `LABEL_0`, …, or those of ImageNet if the
    name of the folder says so.
    """
    if classes == IMAGENET_CLASSES and "imagenet" in folder.resolve().name.lower():
        return catalog.labels("imagenet")
    names = [f"LABEL_{index}" for index in range(classes)]
    return tuple(Label(index, str(index), name) for index, name in enumerate(names))


def preprocessing(folder: Path, size: tuple[int, int] = SIZE) -> ImagePreprocessing:
    """The preprocessing of a preset's `ImageConverter`; without one, that of PyTorch's ImageNet
    models.

    Args:
        folder: of the preset.
        size: (height, width) if the converter does not resize.

    Raises:
        UsageError: an option of the converter is not supported.
    """
    path, config = _converter(folder)
    if unknown := sorted({*config} - OPTIONS):
        raise UsageError(
            f"{path}: the option {unknown[0]!r} of the image converter is not supported."
        )
    values = Values({**config, "image_size": config.get("image_size") or size}, path)
    height, width = values.integers("image_size", (), 16, LARGEST_SIDE, 2)
    scale, offset = config.get("scale"), config.get("offset")
    if not config:
        rules: dict[str, Any] = {"scaling": "torch"}
    elif scale is None and offset is None:
        rules = {"scaling": "raw"}
    else:
        rules = _normalisation(1.0 if scale is None else scale, offset, path)
    crop = "crop" if config.get("crop_to_aspect_ratio", True) else "squash"
    name = values.one_of("interpolation", tuple(INTERPOLATIONS))
    return ImagePreprocessing(
        size=(height, width),
        resize="pad" if config.get("pad_to_aspect_ratio") else crop,
        crop_ratio=1.0,
        interpolation=INTERPOLATIONS[name],
        **rules,
    )


def _converter(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """The file and the config of a preset's `ImageConverter`; an empty config without one."""
    for name in (PREPROCESSOR, CONVERTER):
        path = folder / name
        if not path.is_file():
            continue
        own = read_json(path)
        converter = own if name == CONVERTER else (own.get("config") or {}).get("image_converter")
        config = (converter or {}).get("config")
        if isinstance(config, Mapping):
            return path, config
    return folder / PREPROCESSOR, {}


def _normalisation(scale: Any, offset: Any, path: Path) -> dict[str, Any]:
    """`pixel * scale + offset`, for pixels of 0..255, as a mean and standard deviation for 0..1."""
    scales = [scale] * 3 if isinstance(scale, int | float) else scale
    offsets = offset if isinstance(offset, list) else [offset or 0.0] * 3
    factors, shifts = three(scales, path, "scale"), three(offsets, path, "offset")
    if not all(factor > 0 for factor in factors):
        raise UsageError(f"{path}: scale must be above 0, not {scale!r}.")
    std = tuple(round(1 / (255 * factor), 6) for factor in factors)
    mean = tuple(
        round(0.0 - shift * deviation, 6) for shift, deviation in zip(shifts, std, strict=True)
    )
    return normalisation(three(mean, path, "offset"), three(std, path, "scale std"))
