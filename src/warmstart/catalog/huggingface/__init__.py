"""Repositories in Hugging Face layout: `config.json` beside `model.safetensors`, read as an `Entry`.

One file here per group of families; each has a function

    entry(config, folder, task) -> (Entry, labels)

which checks every key of the config that decides the numbers, and refuses by name what it cannot honour.
Reading a repository runs no code of it and builds nothing: sizes are checked before memory is taken.
"""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import BundleError, UsageError

READERS: dict[str, str] = {
    "segformer": "vision", "mobilenet_v2": "vision", "d_fine": "dfine",
    "gpt2": "gpt2",
    "bert": "bert", "distilbert": "bert", "roberta": "bert", "xlm-roberta": "bert", "camembert": "bert",
    "t5": "chronos_bolt",
    "whisper": "whisper",
}
"""`model_type` of a config -> the module here that reads it. A name from a file never imports anything else."""

CONFIG = "config.json"
LARGEST_CONFIG = 16 * 2**20
FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""What is fetched of a repository: numbers and JSON; no code, no pickles, no other frameworks' copies."""


def is_repository(folder: Path) -> bool:
    """Whether the folder has a `config.json`."""
    return (folder / CONFIG).is_file()


def read(folder: Path, task: str | None = None) -> tuple[Entry, tuple[Label, ...]]:
    """What a repository holds.

    Args:
        folder: a local folder with `config.json`.
        task: what it shall be used for; default: what its heads are made for.

    Raises:
        BundleError: the config is missing, damaged, or lacks a key.
        UsageError: the family or an option of it is not supported, or it cannot do the task.
    """
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")
    if kind not in READERS:
        raise UsageError(f"{folder / CONFIG} has model_type {kind!r}, which is not supported; supported are: "
                         f"{', '.join(sorted(READERS)) or 'none'}.")
    module = import_module(f"{__name__}.{READERS[kind]}")
    return module.entry(config, folder, task)


def read_json(path: Path, kind: type = dict) -> Any:
    """A JSON object (or, with `kind=list`, an array) from a file of the repository.

    Raises:
        BundleError: it is missing, too large, no JSON, or of another kind.
    """
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise BundleError(f"{path} is larger than {LARGEST_CONFIG >> 20} MiB; this is not a config.")
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise BundleError(f"{path} is missing; {path.parent} is not a whole repository.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, kind):
        wanted = "object" if kind is dict else "array"
        raise BundleError(f"{path} holds no JSON {wanted}; it is damaged, fetch it again.")
    return data
