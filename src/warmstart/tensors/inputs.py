"""Named arrays as inputs: `ARRAYS`, from mappings, arrays, JSON, `.npz` files and tables."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, Union

import numpy as np

from warmstart.checkpoints.npz import NpzCheckpoint
from warmstart.core.input_kind import InputKind, Limits
from warmstart.core.inputs import Item
from warmstart.core.reading import input_name, opened, printable
from warmstart.core.records import SUFFIXES, Record, read_table
from warmstart.core.records.columns import Field
from warmstart.core.records.json_lines import json_lines
from warmstart.core.table_inputs import is_table
from warmstart.errors import (
    CheckpointError,
    InputError,
    RecordError,
    TooLargeError,
    UsageError,
    documented_in,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

ArrayInput: TypeAlias = Union[Mapping[str, Any], "NDArray[Any]"]
"""The arrays of one input by name; of a model with one input also the array itself. Without the
dimension of the batch.
"""

NPZ = ".npz"
ZIP = b"PK\x03\x04"
MAX_VALUES = 2**28
"""Numbers of one file outside a server, which has a limit of its own."""
NUMBERS: Mapping[str, Any] = {"type": ["array", "number", "boolean"]}


class ArrayKind(InputKind):
    """Named arrays of numbers."""

    name = "arrays"
    noun = "set of arrays"
    plural = "sets of arrays"
    media = ("application/zip",)
    suffixes = frozenset({NPZ, *SUFFIXES})
    table_suffixes = (NPZ,)
    is_parsed = True
    field = Field("input", "input_column", (("input", "inputs"),))
    tensors: ClassVar = {}
    schema: ClassVar = {
        "anyOf": [
            {"type": "object", "minProperties": 1, "additionalProperties": NUMBERS},
            {"type": "array", "minItems": 1, "items": NUMBERS},
        ]
    }

    # Python

    def is_column(self, inputs: Any) -> bool:
        """A column of numbers is one array."""
        return False

    @documented_in("inputs.md#one-several-a-stream")
    def single(self, value: Any) -> Item:
        if isinstance(value, Mapping) or hasattr(value, "__array__"):
            if is_table(value):
                raise UsageError(
                    "A table contains many inputs; iterate over "
                    "model.stream(table.to_dict(orient='records'))."
                )
            return Item(self.default_name, value)
        if isinstance(value, str | os.PathLike):
            name = printable(str(value))
            raise UsageError(
                f"{name} may hold several inputs; iterate over model.stream({name!r})."
            )
        raise UsageError(
            "An input is a mapping from names to arrays, or the array of a model with one input, "
            f"not an object of type {type(value).__name__}."
        )

    def stream(self, inputs: Any, names: Sequence[str] = ()) -> Iterator[Item]:
        """The inputs of an iterator or a file; `names` are those of the model's inputs."""
        if isinstance(inputs, str | os.PathLike):
            return items_of_file(os.fspath(inputs), names)
        if isinstance(inputs, Mapping) or hasattr(inputs, "__array__"):
            return iter([self.single(inputs)])
        if not isinstance(inputs, Iterable):
            raise UsageError(
                f"Inputs are an iterator or the path of a file, not an object of type "
                f"{type(inputs).__name__}."
            )
        return self._each(inputs, names)

    def _each(self, inputs: Iterable[Any], names: Sequence[str]) -> Iterator[Item]:
        for number, value in enumerate(inputs, 1):
            if isinstance(value, str | os.PathLike):
                try:
                    yield from items_of_file(os.fspath(value), names)
                except InputError as error:
                    yield Item(printable(str(value)), error)
            elif isinstance(value, io.IOBase):
                name = input_name(value) or f"item {number}"
                try:
                    with opened(value, name) as file:
                        yield from _items_of_content(file.read(), name)
                except InputError as error:
                    yield Item(name, error)
            else:
                (item,) = self.elements([value])
                named = item.name != "item 1"
                yield Item(item.name if named else f"item {number}", item.value)

    # The command line

    def is_content(self, line: str) -> bool:
        """Whether this is a line of JSON, not the name of a file."""
        return line.lstrip().startswith(("{", "["))

    # Requests

    def from_bytes(self, data: bytes, limits: Limits) -> Any:
        if data.startswith(ZIP):
            return read_npz(data, "the file", limits.max_values)
        return self.from_json(_json(data, "the input"), limits)

    def from_json(self, value: Any, limits: Limits) -> Any:
        if isinstance(value, Mapping) and value:
            return {str(name): numbers(array, str(name)[:100]) for name, array in value.items()}
        if isinstance(value, list) and value:
            return numbers(value, "the input")
        raise InputError('An input is an object of arrays by name, such as {"a": [1.5, 2]}.')

    def is_several_json(self, value: Any) -> bool:
        return isinstance(value, list) and any(isinstance(item, dict) for item in value)


ARRAYS = ArrayKind()


def numbers(value: Any, name: str) -> NDArray[Any]:
    """An array from a JSON value.

    Raises:
        InputError: it does not consist of numbers, or its rows differ in length.
    """
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} is not made of numbers in arrays of equal lengths.")
    return array


def items_of_file(path: str, names: Sequence[str] = ()) -> Iterator[Item]:
    """The inputs of a file: the rows of the arrays of an `.npz` file, a JSON object or array, or
    the rows of a table, whose columns have the names of the model's inputs.

    Raises:
        InputError: it cannot be read.
        UsageError: files of this suffix hold no arrays.
    """
    name = printable(path)
    suffix = os.path.splitext(path)[1].lower()
    if suffix == NPZ:
        with opened(path, name) as file:
            arrays = read_npz(file.read(), name, MAX_VALUES)
        return (Item(f"{name}:{n}", row) for n, row in enumerate(rows(arrays, name), 1))
    if suffix == ".json":
        with opened(path, name) as file:
            return _items(_json(file.read(), name), name)
    if suffix in SUFFIXES:
        return _table_items(path, names)
    raise UsageError(
        f"{name}: arrays are read from {NPZ}, .json and tables ({', '.join(sorted(SUFFIXES))})."
    )


def _items_of_content(data: bytes, name: str) -> Iterator[Item]:
    """The inputs of an open file: an `.npz` file, a JSON value, or one in each line."""
    if data.startswith(ZIP):
        arrays = read_npz(data, name, MAX_VALUES)
        yield from (Item(f"{name}:{n}", row) for n, row in enumerate(rows(arrays, name), 1))
        return
    lines = list(json_lines(data.decode("utf-8-sig", "replace").splitlines(), name))
    if any(isinstance(value, RecordError) for _, value in lines[:1]):
        yield from _items(_json(data, name), name)
        return
    for where, value in lines:
        if isinstance(value, RecordError):
            yield Item(where, value)
        else:
            yield from _items(value, where if len(lines) > 1 else name)


def _items(value: Any, name: str) -> Iterator[Item]:
    several = value if ARRAYS.is_several_json(value) else [value]
    for number, item in enumerate(several, 1):
        label = f"{name}:{number}" if several is value else name
        yield Item(label, item if isinstance(item, Mapping) else numbers(item, label))


def _table_items(path: str, names: Sequence[str]) -> Iterator[Item]:
    layout = [ARRAYS.field] * max(len(names), 2)
    for record in read_table(path, layout, named=names or [ARRAYS.field.name]).records:
        if isinstance(record, Record):
            yield Item(record.name, record.values)
        else:
            yield Item(record.item, record)


def rows(arrays: Mapping[str, NDArray[Any]], name: str) -> Iterator[dict[str, NDArray[Any]]]:
    """The inputs that arrays with a dimension of the batch hold.

    Raises:
        InputError: they have several numbers of rows.
    """
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1:
        raise InputError(
            f"{name}: its arrays must have the same number of rows, one for each input", name
        )
    for index in range(counts.pop()):
        yield {key: array[index] for key, array in arrays.items()}


def read_npz(data: bytes, name: str, max_values: int) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file; pickles are refused.

    Args:
        data: the file.
        name: for messages.
        max_values: numbers in all.

    Raises:
        InputError: it is damaged, or contains something other than numbers.
        TooLargeError: it contains more numbers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 8 * max_values:
                raise TooLargeError(f"{name}: has more than {max_values:,} numbers", name)
            NpzCheckpoint(Path(name), archive, name).close()  # compares headers with sizes
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except CheckpointError as error:
        raise InputError(str(error), name) from error
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, KeyError, RuntimeError) as error:
        raise InputError(f"{name}: is not an .npz file of arrays ({error})", name) from error
    if not arrays:
        raise InputError(f"{name}: contains no arrays", name)
    return arrays


def _json(data: bytes | str, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: is not JSON ({str(error)[:100]})", name) from None


__all__ = ["ARRAYS", "ArrayInput", "ArrayKind", "items_of_file", "rows"]
