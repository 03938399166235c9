"""Pack a model for other machines, with its compiled program and without its weights.

A worker that unpacks it needs neither TensorFlow nor a network connection nor the model's folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.atomic import new_folder
from warmstart.catalog import Entry, Label
from warmstart.core.compiling import artifact_key
from warmstart.core.model import Model
from warmstart.core.model_files import model_files
from warmstart.core.task import task_class
from warmstart.core.weights import Weights
from warmstart.engines import store
from warmstart.errors import UsageError
from warmstart.hub import home
from warmstart.hub.files import writing

MAX_FILE_BYTES = 64 * 2**20
"""Bytes; larger files are weights (tokenizers take a few MiB)."""
EXCLUDED_SUFFIXES = (".safetensors", ".h5", ".keras", ".npz", ".bin", ".onnx", ".html", ".md")


@dataclass(frozen=True)
class Shipped:
    """A packed model.

    Attributes:
        entry: as JSON values.
        labels: (index, id, name).
        weights: their sha256.
        engine, precision: as for `ws.load`.
        files: of the model's folder, such as the tokenizer, by relative path.
        program: the files of the compiled program, by name.
        record: the metadata of the program.
    """

    entry: Mapping[str, Any]
    labels: list[tuple[int, str, str]]
    weights: str
    engine: str
    precision: str
    files: Mapping[str, bytes]
    program: Mapping[str, bytes]
    record: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return sum(map(len, (*self.files.values(), *self.program.values())))


def pack(model: Model[Any, Any, Any], engine: str) -> Shipped:
    """Pack a model, and compile it if it is not compiled yet.

    Raises:
        UsageError: it runs in Keras, which workers do not have.
    """
    if engine == "keras":
        raise UsageError(
            f"{model.name} runs on the keras engine, and workers have no TensorFlow; leave "
            "out engine=, or use on='local'."
        )
    artifact = model.artifact
    return Shipped(
        model.entry.to_dict(),
        [(label.index, label.id, label.name) for label in model.labels],
        model.weights.digest,
        engine,
        model.precision,
        files_of(model.folder),
        {name: (artifact.folder / name).read_bytes() for name in artifact.files},
        {
            **artifact.details,
            "model": model.name,
            "weights": model.weights.digest,
            "precision": artifact.precision,
        },
    )


def files_of(folder: Path | None) -> dict[str, bytes]:
    """The files that a model needs of its folder besides weights and programs, by relative path."""
    if folder is None:
        return {}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in model_files(folder)
        if path.suffix not in EXCLUDED_SUFFIXES
        and path.stat().st_size <= MAX_FILE_BYTES
        and "artifacts" not in path.relative_to(folder).parts
    }


def folder_of(files: Mapping[str, bytes]) -> Path:
    """The folder of these files in `$WARMSTART_HOME/shipped`, named by their hash.

    Raises:
        CacheError: it cannot be written.
    """
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    folder = home() / "shipped" / digest.hexdigest()[:40]
    if folder.is_dir():
        return folder
    with writing(home()):
        try:
            with new_folder(folder, ".making-") as temporary:
                for name, content in files.items():
                    path = temporary / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def unpack(shipped: Shipped) -> Model[Any, Any, Any]:
    """Open a packed model, and store its program on this machine.

    Raises:
        CacheError: the store cannot be written.
    """
    entry, weights = Entry.from_dict(dict(shipped.entry)), Weights(None, shipped.weights)

    def fill(folder: Path) -> Mapping[str, Any]:
        for name, content in shipped.program.items():
            (folder / name).write_bytes(content)
        return {key: value for key, value in shipped.record.items() if key != "precision"}

    store.make(artifact_key(entry, weights, shipped.precision), shipped.record["precision"], fill)
    folder = folder_of(shipped.files)
    labels = tuple(Label(*label) for label in shipped.labels)
    return task_class(entry.task)(
        entry, weights, labels, engine=shipped.engine, precision=shipped.precision, folder=folder
    )
