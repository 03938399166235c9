"""Repositories in Hugging Face layout, `config.json` and `model.safetensors`, and KerasHub's
presets, read as an `Entry`.

The family of the config's `model_type` reads it: it checks every key that decides the numbers, and
refuses by name what it does not support. Reading a repository runs no code of it and builds
nothing: sizes are checked before memory is allocated.
"""

import json
import re
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry
from warmstart.checkpoints.file_names import PRESET, PRESET_HEAD, TRANSFORMERS_H5
from warmstart.errors import BundleError, UsageError
from warmstart.json_values import is_integer
from warmstart.models import FAMILIES, MODEL_TYPES, family, keras_hub, timm_family
from warmstart.models.checks import Described, Repository, Values

CONFIG = "config.json"
LARGEST_CONFIG = 16 * 2**20
DESCRIPTION = ("*.json", "*.txt", "*.model", "assets/tokenizer/*")
"""The files that describe how to build and use a repository's model."""
FILES = (*DESCRIPTION, "*.safetensors")
"""The files that are fetched: arrays and JSON, but no code, no pickles, and no copies for other
frameworks.
"""
ALTERNATIVES = {"*.safetensors": (TRANSFORMERS_H5, PRESET, PRESET_HEAD)}
"""Former TensorFlow repositories and KerasHub's presets have these weights only."""
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9.]+)*")
MOST_CLASSES = 200_000


def is_repository(folder: Path) -> bool:
    """Whether the folder has a `config.json`."""
    return (folder / CONFIG).is_file()


def read(folder: Path, task: str | None = None) -> Described:
    """Read a repository.

    Args:
        folder: a local folder with `config.json`.
        task: of the model; default: that of its head.

    Raises:
        BundleError: the config is missing, damaged, or lacks a key.
        UsageError: the family or an option of it is not supported, or it cannot do the task.
    """
    repo = Repository(read_json(folder / CONFIG), folder / CONFIG, task)
    described: Described
    if keras_hub.is_preset(repo.config):
        described = _read_preset(repo)
    elif repo.get("model_type") is None and isinstance(repo.get("architecture"), str):
        described = _read_timm(repo)
    else:
        model_type = repo.get("model_type")
        if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
            raise UsageError(
                f"{repo.path} has model_type {model_type!r}, which is not supported; supported "
                f"are: {', '.join(sorted(MODEL_TYPES))}."
            )
        described = family(MODEL_TYPES[model_type].architecture).read(repo)
    return described


def _read_timm(repo: Repository) -> Any:
    name = repo.config["architecture"]
    row = timm_family(name)
    if row is None:
        raise UsageError(
            f"{repo.path} is of timm, and its architecture {name!r} is not supported; "
            "docs/weights.md lists those that are."
        )
    return family(row.architecture).read_timm(repo)


def _read_preset(repo: Repository) -> Any:
    name = keras_hub.class_of(repo.config)
    rows = {backbone: row for row in FAMILIES for backbone in row.keras_hub}
    if name not in rows:
        raise UsageError(
            f"{repo.path} is KerasHub's {name}, which is not supported; supported are: "
            f"{', '.join(rows)}."
        )
    path = repo.folder / keras_hub.TASK_CONFIG
    head = read_json(path) if path.is_file() else {}
    return family(rows[name].architecture).read_keras_hub(keras_hub.preset_of(repo, head))


def read_json(path: Path, cls: type = dict) -> Any:
    """A JSON object (or, with `cls=list`, an array) from a file of the repository.

    Raises:
        BundleError: it is missing, too large, not JSON, or of another type.
    """
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise BundleError(
                f"{path} is larger than {LARGEST_CONFIG >> 20} MiB; this is not a config."
            )
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BundleError(
            f"{path} is missing; {path.parent} is not a complete repository."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, cls):
        expected = "object" if cls is dict else "array"
        raise BundleError(f"{path} is not a JSON {expected}; it is damaged, fetch it again.")
    return data


def licence_of(repo: Values) -> str:
    """The licence that a config states, as an SPDX identifier."""
    return str(repo.get("license") or "NOASSERTION")


def class_names(repo: Values) -> tuple[str, ...]:
    """The classes of `id2label`; without it `LABEL_0`, `LABEL_1`, …, in the number of `num_labels`
    (default 2).

    Raises:
        BundleError: they are not counted from 0 up, or too many.
    """
    named, count = repo.get("id2label"), repo.get("num_labels", 2)
    if not named:
        if not is_integer(count, 0, MOST_CLASSES):
            raise BundleError(
                f"{repo.path}: num_labels must be a whole number of at most {MOST_CLASSES:,}, not {count!r}."
            )
        return tuple(f"LABEL_{index}" for index in range(count))
    try:
        names = {int(index): str(name) for index, name in named.items()}
    except (AttributeError, ValueError, TypeError):
        names = {}
    if not names or len(names) > MOST_CLASSES or sorted(names) != list(range(len(names))):
        raise BundleError(f"{repo.path}: id2label must number its classes from 0 without gaps.")
    return tuple(names[index] for index in range(len(names)))


def slug(folder: Path, default: str = "model") -> str:
    """A name for the catalogue from the name of a folder: lower snake case, starting with a letter."""
    parts = re.findall(r"[a-z0-9.]+", folder.resolve().name.lower())
    name = "_".join(part.strip(".") for part in parts if part.strip(".")) or default
    return name if NAME.fullmatch(name) else f"{default}_{name}"


def check_parameters(count: int, folder: Path, maximum: int) -> None:
    """Refuse a config with more parameters than its files can contain, before memory is allocated.

    Raises:
        BundleError: the config has too many parameters.
    """
    stored = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if stored and count > stored:  # a parameter takes at least one byte
        reason = f"but its weights have {stored:,} bytes: they do not belong to the same model."
    elif count > maximum:
        reason = f"more than the {maximum:,} that are supported."
    else:
        return
    raise BundleError(f"{folder / CONFIG} describes a network of {count:,} parameters, {reason}")


def entry_of(repo: Repository, **facts: Any) -> Entry:
    """The entry of a repository without pictures; fields that only the catalogue has stay empty."""
    return Entry(
        title=repo.folder.resolve().name,
        weights={},
        preprocessing=None,
        labels="",
        licence=licence_of(repo),
        gflops=None,
        min_size=0,
        metrics=(),
        **facts,
    )
