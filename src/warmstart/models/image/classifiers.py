"""Reads repositories of image classifiers: heads, classes and preprocessing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from warmstart.catalog.entry import Entry, ImagePreprocessing, Label
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.errors import UsageError
from warmstart.json_values import is_number
from warmstart.models.checks import Repository
from warmstart.models.configs import Config
from warmstart.models.image.repository import (
    PROCESSOR,
    RESAMPLING,
    labels_of,
    make_entry,
    scaling,
    sides,
)
from warmstart.models.repository import check_parameters, read_json, slug

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
TASK = "image-classification"
MOST_PARAMETERS = 10 * 10**9
SQUASHED_FROM = 384
"""Sides from which ConvNeXt's processor squashes pictures and does not crop them."""


def head_of(repo: Repository, heads: Mapping[str, bool]) -> tuple[str, tuple[Label, ...]]:
    """The class of a repository of Hugging Face, and its labels; none if it has no head.

    Args:
        repo: the repository.
        heads: the classes that are supported, and whether each has a head.

    Raises:
        UsageError: the class, the task, or the problem is not supported.
    """
    names = repo.get("architectures") or []
    known = [name for name in names if isinstance(name, str) and name in heads]
    if not known:
        raise UsageError(
            f"{repo.path}: the architecture {', '.join(map(str, names)) or None} is not supported; "
            f"supported are {', '.join(heads)}."
        )
    repo.check_task(TASK)
    if repo.get("problem_type") not in (None, "single_label_classification"):
        raise UsageError(
            f"{repo.path}: problem_type {repo.get('problem_type')!r} is not supported."
        )
    if repo.get("num_channels", 3) != 3:
        raise UsageError(f"{repo.path}: num_channels must be 3, not {repo.get('num_channels')!r}.")
    return known[0], labels_of(repo) if heads[known[0]] else ()


def array_shapes(folder: Path) -> Shapes:
    """The shapes of the arrays of a repository, by name; nothing else is read of them.

    Raises:
        CheckpointError: there are no weights, or they are damaged.
    """
    with open_checkpoint(folder) as checkpoint:
        return {name: checkpoint.shape(name) for name in checkpoint.names()}


def classifier_preprocessing(
    folder: Path, side: int | tuple[int, int], scale: Mapping[str, tuple[float, ...]]
) -> ImagePreprocessing:
    """The rules of `preprocessor_config.json`; without it, squashed to `side`, scaled by `scale`.

    `size`, `crop_size`, `crop_pct`, `resample` and the statistics mean what they mean to Hugging
    Face's processors. One thing differs: a picture that is cropped from a square keeps its aspect
    ratio here, as in the evaluations of the papers.
    """
    path = folder / PROCESSOR
    config = read_json(path) if path.is_file() else {}
    if config.get("do_rescale") is False or not math.isclose(
        config.get("rescale_factor", 1 / 255), 1 / 255, rel_tol=1e-3
    ):
        raise UsageError(f"{path}: pixels that are not rescaled by 1/255 are not supported.")
    height, width = sides(config.get("size", side), path)
    rules: dict[str, Any] = {
        "interpolation": RESAMPLING.get(config.get("resample", 2), "bilinear"),
        **scaling(config, path, scale),
    }
    if config.get("do_center_crop", "crop_size" in config):
        crop = sides(config.get("crop_size", side), path)
        if crop[0] > height or crop[1] > width:
            raise UsageError(
                f"{path}: crop_size {crop} is larger than the size {(height, width)}; that is not "
                "supported."
            )
        return ImagePreprocessing(size=crop, crop_ratio=crop[0] / height, **rules)
    fraction = config.get("crop_pct")
    if fraction is None and "ConvNext" in str(config.get("image_processor_type", "")):
        fraction = 224 / 256
    if fraction is not None and height < SQUASHED_FROM:
        return cropped((height, width), fraction, path, **rules)
    if fraction is None and _is_shortest(config.get("size")):
        return ImagePreprocessing(size=(height, width), crop_ratio=1.0, **rules)
    return ImagePreprocessing(size=(height, width), resize="squash", **rules)


def cropped(size: tuple[int, int], fraction: Any, path: Path, **rules: Any) -> ImagePreprocessing:
    """Rules that crop the fraction `crop_pct` of a picture, whose size before is rounded down."""
    if not is_number(fraction, 0.1, 1):
        raise UsageError(f"{path}: crop_pct must be a number from 0.1 to 1, not {fraction!r}.")
    before = math.floor(size[0] / fraction)
    return ImagePreprocessing(size=size, crop_ratio=size[0] / before, **rules)


def _is_shortest(size: Any) -> bool:
    return isinstance(size, Mapping) and "shortest_edge" in size


def repository_entry(
    repo: Repository,
    config: Config,
    rules: ImagePreprocessing,
    *,
    family: str,
    licence: str,
    paper: str,
) -> Entry:
    """The entry of a repository, after comparing its parameters with the size of its files."""
    count = config.parameters()
    check_parameters(count, repo.folder, MOST_PARAMETERS)
    return make_entry(
        family,
        TASK,
        config.architecture,
        config.to_dict(),
        rules,
        licence,
        paper,
        name=slug(repo.folder, family),
        parameters=count,
    )
