"""Reads repositories of timm: `config.json` with `pretrained_cfg`.

timm's classes are chosen by name (`architecture`); sizes that the name stands for are read from the
shapes of the arrays, so that they agree with the weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from warmstart import catalog
from warmstart.catalog.entry import ImagePreprocessing, Label
from warmstart.counts import counted
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import is_integer
from warmstart.models.checks import Described, Repository
from warmstart.models.configs import Config
from warmstart.models.image.classifiers import (
    TASK,
    Shapes,
    array_shapes,
    cropped,
    repository_entry,
)
from warmstart.models.image.repository import (
    IMAGENET,
    MOST_CLASSES,
    RESAMPLING,
    normalisation,
    sides,
    three,
)

ConfigT = TypeVar("ConfigT", bound=Config)
LICENCES = {
    "apache-2.0": "Apache-2.0",
    "mit": "MIT",
    "bsd-3-clause": "BSD-3-Clause",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-4.0": "CC-BY-4.0",
}
"""timm's names of licences -> SPDX identifiers."""
HARMLESS = (
    "img_size", "num_classes", "in_chans", "drop_rate", "drop_path_rate", "global_pool",
)  # fmt: skip
"""Arguments of models that change no numbers, or that follow from arrays and `pretrained_cfg`."""


def pretrained(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of timm's `config.json` on the weights."""
    inner = config.get("pretrained_cfg")
    return inner if isinstance(inner, Mapping) else config


def preprocessing(config: Mapping[str, Any], path: Path) -> ImagePreprocessing:
    """The rules by which timm evaluates the model: `input_size`, `crop_pct`, `crop_mode`,
    `interpolation`, `mean` and `std`.

    Raises:
        UsageError: one is not supported.
    """
    known = pretrained(config)
    size = known.get("input_size", [3, 224, 224])
    if not isinstance(size, list | tuple) or len(size) != 3 or size[0] != 3:
        raise UsageError(f"{path}: input_size must be [3, height, width], not {size!r}.")
    shape = sides(size[1:], path)
    mean, std = (three(known.get(key, default), path, key) for key, default in IMAGENET.items())
    interpolation = known.get("interpolation", "bicubic")
    interpolation = "bilinear" if interpolation == "random" else interpolation
    if interpolation not in RESAMPLING.values():
        raise UsageError(f"{path}: interpolation {interpolation!r} is not supported.")
    rules = {"interpolation": interpolation, **normalisation(mean, std)}
    fraction, mode = known.get("crop_pct", 0.875), known.get("crop_mode") or "center"
    if mode == "center" or (mode == "squash" and fraction == 1):
        if mode == "squash":
            return ImagePreprocessing(size=shape, resize="squash", **rules)
        return cropped(shape, fraction, path, **rules)
    raise UsageError(f"{path}: crop_mode {mode!r} with crop_pct {fraction!r} is not supported.")


def labels_of(config: Mapping[str, Any], path: Path) -> tuple[Label, ...]:
    """The classes of `label_names`, with their `label_descriptions`; without them, a thousand are
    those of ImageNet-1k, as in timm, and others are called `LABEL_0`, `LABEL_1`, ….

    Raises:
        BundleError: they are not counted from 0 up, or not as many as `num_classes`.
    """
    known = {**pretrained(config), **config}
    count = known.get("num_classes", 1000)
    if not is_integer(count, 0, MOST_CLASSES):
        raise BundleError(
            f"{path}: num_classes must be a whole number of at most {MOST_CLASSES:,}, not {count!r}."
        )
    names: Any = known.get("label_names")
    if not names:
        if count == 1000:
            return catalog.labels("imagenet-1k")
        return tuple(Label(n, f"LABEL_{n}", f"LABEL_{n}") for n in range(count))
    if isinstance(names, Mapping):
        names = [names.get(str(index)) for index in range(len(names))]
    if not isinstance(names, list) or len(names) != count or None in names:
        raise BundleError(
            f"{path}: label_names must number the classes (num_classes={count}) from 0 without gaps."
        )
    described = known.get("label_descriptions") or {}
    return tuple(
        Label(index, str(name), str(described.get(name, name))) for index, name in enumerate(names)
    )


def depths(shapes: Shapes, pattern: str) -> dict[int, int]:
    """The blocks of each stage, by its number: those whose arrays match (stage, block).

    Raises:
        KeyError: there are none.
    """
    blocks: dict[int, set[str]] = {}
    for name in shapes:
        if match := re.match(pattern, name):
            blocks.setdefault(int(match[1]), set()).add(match[2])
    if not blocks:
        raise KeyError(pattern)
    return {stage: len(blocks[stage]) for stage in sorted(blocks)}


def read(
    repo: Repository,
    config_of: Callable[..., ConfigT],
    *,
    arguments: Sequence[str],
    head: str,
    paper: Callable[[Repository, ConfigT], str],
    family: str = "",
) -> Described:
    """See `models.repository.read`.

    Args:
        repo: the repository.
        config_of: called with it, the shapes of its arrays, `classes` and `input_size`.
        arguments: keys of `model_args` that `config_of` takes; the others must change no numbers.
        head: the array with a row for each class.
        paper: of the repository and its config.
        family: of the entry; default: the start of the architecture's name.

    Raises:
        UsageError: another task was requested, or an option is not supported.
        BundleError: the arrays are not those of the architecture.
    """
    config, path, name = repo.config, repo.path, str(repo.config["architecture"])
    repo.check_task(TASK)
    if unknown := sorted({*(config.get("model_args") or ())} - {*HARMLESS, *arguments}):
        raise UsageError(f"{path}: the model argument {unknown[0]!r} is not supported.")
    labels, rules = labels_of(config, path), preprocessing(config, path)
    shapes = array_shapes(repo.folder)
    rows = shapes.get(head, (0,))[0]
    if rows != len(labels):
        raise BundleError(
            f"{path}: num_classes is {len(labels)}, but {head!r} has {counted(rows, 'row')}."
        )
    try:
        network_config = config_of(repo, shapes, classes=len(labels), input_size=rules.size)
    except UsageError:
        raise
    except (KeyError, ValueError, IndexError) as error:
        raise BundleError(
            f"{repo.folder}: the weights are not those of {name} ({error} is missing or has "
            "another shape)."
        ) from error
    licence = str(pretrained(config).get("license") or "NOASSERTION")
    entry = repository_entry(
        repo,
        network_config,
        rules,
        family=family or name.removeprefix("tf_").partition("_")[0],
        licence=LICENCES.get(licence.lower(), licence),
        paper=paper(repo, network_config),
    )
    return entry, labels
