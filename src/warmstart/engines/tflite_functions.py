"""One function of a `.tflite` file that has several, for OpenVINO, which reads the first one only.

Each function is a subgraph of the file (`tensorflow/compiler/mlir/lite/schema/schema.fbs`). In a copy
of the file, the first element of the list of subgraphs refers to the requested one.
"""

from __future__ import annotations

import contextlib
import mmap
import shutil
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path

from warmstart.checkpoints.tflite import open_interpreter
from warmstart.errors import EngineError

LENGTH, POSITION, FIELD = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<H")
SUBGRAPHS = 2
"""The index of the field `subgraphs` of the table `Model`."""


def check_functions(path: Path, count: int) -> None:
    """Raise `EngineError` unless each of so many functions of a `.tflite` file can be read: loops and
    conditions refer to subgraphs by their index.
    """
    try:
        subgraphs = open_interpreter(path).num_subgraphs()
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"{path} is not a program that OpenVINO can run: {error}") from error
    if subgraphs != count:
        raise EngineError(
            "OpenVINO runs programs of several functions only without loops; use engine='litert' "
            "with precision='float32' or precision='int8'."
        )


@contextlib.contextmanager
def file_of(path: Path, function: str, count: int) -> Iterator[Path]:
    """A `.tflite` file whose first function is this one: itself, or a temporary copy.

    Args:
        path: the file.
        function: its name.
        count: the number of functions of the file.

    Raises:
        OSError: the file cannot be copied.
        RuntimeError, ValueError: LiteRT cannot read it.
    """
    if count == 1:
        yield path
        return
    index = open_interpreter(path)._interpreter.GetSubgraphIndexFromSignature(function)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        with open(copy, "r+b") as file, mmap.mmap(file.fileno(), 0) as content:
            _move_first(content, index)
        yield copy


def _move_first(content: mmap.mmap, index: int) -> None:
    """Let the first element of the list of subgraphs refer to the one at `index`.

    In a FlatBuffer, an element of a list of tables is the distance from itself to its table.
    """
    (model,) = LENGTH.unpack_from(content)
    fields = model - POSITION.unpack_from(content, model)[0]
    field = model + FIELD.unpack_from(content, fields + FIELD.size * (2 + SUBGRAPHS))[0]
    first = field + LENGTH.unpack_from(content, field)[0] + LENGTH.size
    element = first + LENGTH.size * index
    LENGTH.pack_into(content, first, LENGTH.unpack_from(content, element)[0] + element - first)
