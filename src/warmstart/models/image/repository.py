"""Reads repositories of image models: task, classes and `preprocessor_config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, ImagePreprocessing, Label
from warmstart.errors import UsageError
from warmstart.json_values import is_integer
from warmstart.models.checks import Repository
from warmstart.models.repository import class_names, read_json

PROCESSOR = "preprocessor_config.json"
LARGEST_SIDE, MOST_CLASSES = 4096, 65_536
RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "area"}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
NONE = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def divisible(
    channels: float, divisor: int = 8, least: int = 8, *, limit_decrease: bool = True
) -> int:
    """The nearest multiple of `divisor` that is `least` or more, and by default not smaller than 90
    % of `channels`: the rounding of MobileNetV2's reference implementation.
    """
    nearest = max(least, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if limit_decrease and nearest < 0.9 * channels else nearest


def require_head(repo: Repository, head: str, task: str) -> None:
    """Raise `UsageError` unless the repository has this head, and is for this task."""
    heads = repo.get("architectures")
    if not isinstance(heads, list) or head not in heads:
        raise UsageError(
            f"{repo.path} has no supported head: its architectures are {heads}, not {head}."
        )
    repo.check_task(task)


def labels_of(repo: Repository) -> tuple[Label, ...]:
    """The classes of a config's `id2label`, in order; their ids are their indices.

    Raises:
        UsageError: there are none, or too many.
        BundleError: they are not counted from 0 up.
    """
    names = repo.get("id2label")
    if not isinstance(names, dict) or not 0 < len(names) <= MOST_CLASSES:
        raise UsageError(f"{repo.path}: id2label must name 1 to {MOST_CLASSES:,} classes.")
    return tuple(Label(index, str(index), name) for index, name in enumerate(class_names(repo)))


def preprocessing(
    folder: Path, size: tuple[int, int], scale: Mapping[str, tuple[float, ...]]
) -> ImagePreprocessing:
    """The rules of `preprocessor_config.json`, or (where there is none) those of the family.

    A centre crop would leave the sides of the photo without a result: if the processor crops to
    a square, the photo is fitted into it instead, as Google's own DeepLab demonstration does.
    """
    path = folder / PROCESSOR
    config = read_json(path) if path.is_file() else {}
    is_cropped = config.get("do_center_crop")
    value = config.get("crop_size" if is_cropped else "size")
    is_size = isinstance(value, dict | int) or (isinstance(value, list) and len(value) == 2)
    rules: dict[str, Any] = {
        "size": sides(value if is_size else size, path),
        "resize": "pad" if is_cropped else "squash",
        "interpolation": RESAMPLING.get(config.get("resample", 2), "bilinear"),
    }
    return ImagePreprocessing(**rules, **scaling(config, path, scale))


def sides(value: Any, path: Path) -> tuple[int, int]:
    """Height and width in pixels: one number, two, or a mapping of `height` and `width` or of
    `shortest_edge`.

    Raises:
        UsageError: it is something else, or too small or large.
    """
    if isinstance(value, Mapping):
        shortest = value.get("shortest_edge")
        value = value.get("height", shortest), value.get("width", shortest)
    elif not isinstance(value, list | tuple):
        value = value, value
    if len(value) != 2 or not all(is_integer(side, 16, LARGEST_SIDE) for side in value):
        raise UsageError(
            f"{path}: the size must be of whole numbers from 16 to {LARGEST_SIDE}, not {value!r}."
        )
    return value[0], value[1]


def scaling(
    config: Mapping[str, Any], path: Path, scale: Mapping[str, tuple[float, ...]]
) -> dict[str, Any]:
    """The fields of `ImagePreprocessing` that say how pixels are scaled, from `do_normalize`,
    `image_mean` and `image_std`.
    """
    if not config.get("do_normalize", True):
        return normalisation(NONE["mean"], NONE["std"])
    mean, std = (
        three(config.get(f"image_{key}", scale[key]), path, f"image_{key}")
        for key in ("mean", "std")
    )
    return normalisation(mean, std)


def normalisation(mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """The fields of `ImagePreprocessing` for a mean and a standard deviation on the 0..1 scale."""
    if (mean, std) == (IMAGENET["mean"], IMAGENET["std"]):
        return {"scaling": "torch"}
    if (mean, std) == (HALF["mean"], HALF["std"]):
        return {"scaling": "tf"}
    return {"scaling": "standard", "mean": mean, "std": std}


def three(values: Any, path: Path, key: str) -> tuple[float, ...]:
    """Three numbers, one per channel; those of a standard deviation must be above 0.

    Raises:
        UsageError: the values are invalid.
    """
    if (
        not isinstance(values, list | tuple)
        or len(values) != 3
        or not all(isinstance(v, int | float) for v in values)
    ):
        raise UsageError(f"{path}: {key} must be three numbers, not {values!r}.")
    if key.endswith("std") and not all(v > 0 for v in values):
        raise UsageError(f"{path}: {key} must be above 0, not {values!r}.")
    return tuple(float(v) for v in values)


def make_entry(
    family: str,
    task: str,
    architecture: str,
    config: Mapping[str, Any],
    rules: ImagePreprocessing,
    licence: str,
    paper: str,
    *,
    name: str = "",
    parameters: int = 0,
) -> Entry:
    """The entry of a repository; fields that only the catalogue has stay empty."""
    return Entry(
        name=name or family,
        task=task,
        family=family,
        title=family,
        architecture=architecture,
        config=config,
        weights={},
        preprocessing=rules,
        labels="",
        licence=licence,
        parameters=parameters,
        gflops=None,
        min_size=16,
        metrics=(),
        paper=paper,
    )
