"""KerasHub's presets: reads `config.json` and, for a model with a head, `task.json`.

The family whose row in `FAMILIES` names the class of the backbone turns it into an `Entry`. Only
data is read; no code of a preset is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.checkpoints.file_names import PRESET_CLASS
from warmstart.errors import BundleError
from warmstart.json_values import is_integer
from warmstart.models.checks import Repository, Values

TASK_CONFIG, PREPROCESSOR = "task.json", "preprocessor.json"
MOST_CLASSES = 65_536
ACTIVATIONS = (None, "linear", "softmax")
"""Supported activations of a classification head: the class scores are the softmax of its logits."""
LARGEST_SIZE = 2**24


@dataclass(frozen=True)
class Preset:
    """The contents of a preset's config files.

    Attributes:
        repo: the repository.
        backbone: the class of the backbone, without "Backbone".
        values: of the config of the backbone.
        model: the class of the model with its head, without the name of the backbone; "" without a
            head.
        head: options of the model with its head.
    """

    repo: Repository
    backbone: str
    values: Values
    model: str
    head: Values

    def sizes(self, *keys: str) -> dict[str, int]:
        """Numbers of the config.

        Raises:
            BundleError: one is missing, or not a size.
        """
        for key in keys:
            value = self.values.get(key)
            if not is_integer(value, 1, LARGEST_SIZE - 1):
                raise BundleError(f"{self.repo.path}: {key} must be a size, not {value!r}.")
        return {key: self.values.config[key] for key in keys}

    @property
    def classes(self) -> int:
        """The number of classes of its head.

        Raises:
            BundleError: `num_classes` is missing or invalid.
        """
        count = self.head.get("num_classes")
        if not is_integer(count, 1, MOST_CLASSES):
            raise BundleError(f"{self.head.path}: num_classes is {count!r}.")
        return count

    def check_head(self, **supported: tuple[Any, ...]) -> None:
        """Check options of its head against the supported values, of which the first is the
        default.

        Raises:
            UsageError: an option has another value.
        """
        for key, values in supported.items():
            self.head.one_of(key, values)


def is_preset(config: Mapping[str, Any]) -> bool:
    """Whether a `config.json` is one of KerasHub."""
    name = config.get("registered_name")
    return isinstance(name, str) and bool(PRESET_CLASS.fullmatch(name))


def class_of(config: Mapping[str, Any]) -> str:
    """The class of a preset's backbone."""
    return str(config["registered_name"]).partition(">")[2]


def preset_of(repo: Repository, head: Mapping[str, Any]) -> Preset:
    """Parse the config files of a preset; `head` is that of `task.json`, empty if there is none.

    Raises:
        BundleError: it has no config of its backbone.
    """
    own, options = repo.get("config"), head.get("config")
    if not isinstance(own, Mapping):
        raise BundleError(f"{repo.path} has no config for its backbone; fetch it again.")
    backbone = class_of(repo.config).removesuffix("Backbone")
    model = str(head.get("class_name", "")).removeprefix(backbone)
    values = Values(options if isinstance(options, Mapping) else {}, repo.folder / TASK_CONFIG)
    return Preset(repo, backbone, Values(own, repo.path), model, values)


def preset_limits(preprocessor: Mapping[str, Any], path: Path) -> list[int]:
    """The maximum number of tokens in a `preprocessor.json`, as a list; empty if it has none.

    Raises:
        UsageError: `sequence_length` is not a number of tokens, or pairs are truncated in another
            way than token by token from the longer text.
    """
    config = preprocessor.get("config")
    if not isinstance(config, Mapping) or config.get("sequence_length") is None:
        return []
    values = Values(config, path)
    values.one_of("truncate", ("round_robin",))
    return [values.integer("sequence_length", 512, 3, LARGEST_SIZE)]
