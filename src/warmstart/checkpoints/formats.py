"""Open a checkpoint: its format is detected from the first bytes of the file, never from its name."""

from pathlib import Path

from warmstart.checkpoints import keras_hub
from warmstart.checkpoints.base import ByteSource, Checkpoint
from warmstart.checkpoints.file_names import (
    IN_PROGRAM,
    PRESET_HEAD,
    RECORD,
    TRANSFORMERS_H5,
    is_preset,
)
from warmstart.checkpoints.hdf5 import open_hdf5
from warmstart.checkpoints.hdf5_format import MAGIC
from warmstart.checkpoints.keras_zip import open_zip, pickle_error
from warmstart.checkpoints.program import ProgramCheckpoint
from warmstart.checkpoints.safetensors import SafetensorsCheckpoint
from warmstart.checkpoints.sharded import ShardedCheckpoint
from warmstart.checkpoints.tensor_bundle import TensorBundleCheckpoint, is_index
from warmstart.checkpoints.tensorflow_names import pytorch_names
from warmstart.checkpoints.tflite import IDENTIFIER, TFLiteCheckpoint
from warmstart.errors import CheckpointError, CorruptCheckpointError

INDEX = "model.safetensors.index.json"
FOLDER_FILES = (INDEX, "model.safetensors", IN_PROGRAM, "model.weights.h5", TRANSFORMERS_H5)
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a file of weights for reading.

    Args:
        path: a Keras `.h5`, `.weights.h5` or `.keras`, a `.safetensors` or its
            `model.safetensors.index.json`, a `.tflite`, under any name; the `.index` of a
            checkpoint of TensorFlow, or its name without that ending; the `artifact.json` of a
            program that contains a model's weights; or a folder that contains one of
            `FOLDER_FILES`, or one checkpoint of TensorFlow.

    Returns:
        The open checkpoint; close it, or use it in a `with` statement.

    Raises:
        CorruptCheckpointError: truncated, damaged, or of no known layout.
        UnsafeCheckpointError: a pickle (`.bin`, `.pth`, `.pt`); a file that links to others, or
            declares more numbers than it contains.
        CheckpointError: it does not exist, or cannot be opened.
    """
    path = checkpoint_file(Path(path))
    source = ByteSource.open(path)
    try:
        start = source.at(0, min(16, source.size))
        if start.startswith(MAGIC):
            whole = open_hdf5(path, source)
            return _preset(path, whole) if is_preset(path) else pytorch_names(whole)
        if start.startswith(b"PK\x03\x04"):
            return open_zip(path, source)
        if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            raise pickle_error(source.label)
        if start.lstrip()[:1] == b"{" and b"\0" not in start:  # JSON; a header's length has zeros
            source.close()
            return ProgramCheckpoint(path) if path.name == RECORD else ShardedCheckpoint(path)
        if start[4:8] == IDENTIFIER:
            source.close()
            return TFLiteCheckpoint(path)
        if start[8:9] == b"{":
            return SafetensorsCheckpoint(path, source)
        if is_index(source):
            return pytorch_names(TensorBundleCheckpoint(path, source))
        raise CorruptCheckpointError(f"{path} is not a weight file: {_guess(start, source.size)}.")
    except BaseException:
        source.close()
        raise


def _preset(path: Path, whole: Checkpoint) -> Checkpoint:
    """A KerasHub preset with its head."""
    head = path.with_name(PRESET_HEAD)
    if not head.is_file():
        return keras_hub.PresetCheckpoint(whole, None)
    return keras_hub.PresetCheckpoint(whole, open_hdf5(head, ByteSource.open(head)))


def checkpoint_file(path: Path) -> Path:
    """The weight file in a folder; any other path is returned unchanged.

    Raises:
        UnsafeCheckpointError: the folder has only pickles.
        CheckpointError: it has no weights.
    """
    if not path.is_dir():
        index = path.with_name(f"{path.name}.index")
        return index if index.is_file() and not path.exists() else path
    for name in FOLDER_FILES:
        if (path / name).is_file():
            return path / name
    bundles = sorted(path.glob("*ckpt*.index"))
    if len(bundles) > 1:
        names = ", ".join(bundle.name for bundle in bundles)
        raise CheckpointError(f"{path} contains several checkpoints ({names}); name one of them.")
    if bundles:
        return bundles[0]
    for name in PICKLES:
        if (path / name).is_file():
            raise pickle_error(str(path / name))
    raise CheckpointError(f"{path} contains no weights; expected one of {', '.join(FOLDER_FILES)}.")


def _guess(start: bytes, size: int) -> str:
    """The likely type of a file that starts with these bytes."""
    if size == 0:
        return "it is empty; fetch it again"
    if start.startswith(b"version https://"):
        return "it is a Git LFS pointer; fetch the file itself (git lfs pull)"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, probably an error message of the server; fetch it again"
    return "neither HDF5 (.h5, .weights.h5), nor .keras, nor .safetensors, nor .tflite, nor .ckpt.index"
