"""Tensors of the Open Inference Protocol, version 2: from JSON or binary to numpy arrays, and back.

Source: KServe's specification "Open Inference Protocol", and Triton's "binary tensor data"
extension, with which tensors follow the JSON as bytes: little-endian, row-major, elements of BYTES
each preceded by its length in 4 bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.counts import counted
from warmstart.serve.errors import invalid

DTYPES = {
    "BOOL": np.dtype(bool),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
NAMES = {np.dtype(dtype).name: name for name, dtype in DTYPES.items()}
MAX_DIMENSIONS = 8
MAX_NAME_LENGTH = 256


def datatype(dtype: str) -> str:
    """The protocol's name of a numpy dtype."""
    return NAMES[np.dtype(dtype).name]


def decode(inputs: Any, binary: memoryview) -> dict[str, np.ndarray]:
    """The tensors of a request by name; those of BYTES are object arrays of bytes.

    Args:
        inputs: the descriptions in the request's JSON.
        binary: the bytes after the JSON.

    Raises:
        Refused: the tensors do not conform to the protocol.
    """
    if not isinstance(inputs, list) or not inputs:
        raise invalid("inputs must be an array of tensors, at least one.")
    arrays: dict[str, np.ndarray] = {}
    offset = 0
    for tensor in inputs:
        name, dtype, shape, size = _parsed_header(tensor)
        if name in arrays:
            raise invalid(f"The input {name!r} is listed twice.")
        if size is None:
            arrays[name] = _of_json(name, dtype, shape, tensor["data"])
        else:
            if size > len(binary) - offset:
                raise invalid(
                    f"The input {name!r} has binary_data_size {size}, but the body has only "
                    f"{counted(len(binary) - offset, 'more byte')}."
                )
            arrays[name] = _of_bytes(name, dtype, shape, binary[offset : offset + size])
            offset += size
    if offset != len(binary):
        after = counted(len(binary) - offset, "byte")
        raise invalid(f"There is more after the last binary tensor: {after}.")
    return arrays


def _parsed_header(tensor: Any) -> tuple[str, str, tuple[int, ...], int | None]:
    """(name, datatype, shape, bytes or None for JSON) of one tensor."""
    if not isinstance(tensor, dict):
        raise invalid("A tensor is an object with name, shape, datatype and data.")
    name, shape, dtype = tensor.get("name"), tensor.get("shape"), tensor.get("datatype")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise invalid("Every input needs a name.")
    if unknown := tensor.keys() - {"name", "shape", "datatype", "parameters", "data"}:
        raise invalid(f"The input {name!r} has an unknown key: {min(unknown)[:100]!r}.")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise invalid(f"The input {name!r} needs a datatype: one of {', '.join(DTYPES)}.")
    if (
        not isinstance(shape, list)
        or not 1 <= len(shape) <= MAX_DIMENSIONS
        or not all(isinstance(d, int) and not isinstance(d, bool) and 0 <= d < 2**31 for d in shape)
    ):
        raise invalid(
            f"The input {name!r} needs a shape: 1 to {MAX_DIMENSIONS} whole numbers of 0 or more."
        )
    if math.prod(shape) >= 2**31:
        raise invalid(
            f"The input {name!r} has a shape of {math.prod(shape)} elements, more than any body can contain."
        )
    parameters = tensor.get("parameters", {})
    if not isinstance(parameters, dict):
        raise invalid(f"The parameters of the input {name!r} must be an object.")
    refuse_unsupported(name, parameters)
    size = parameters.get("binary_data_size")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or size < 0):
        raise invalid(
            f"binary_data_size of the input {name!r} must be a whole number of 0 or more."
        )
    if (size is None) == ("data" not in tensor):
        raise invalid(f"The input {name!r} needs either data or the parameter binary_data_size.")
    return name, dtype, tuple(shape), size


def refuse_unsupported(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse unsupported parameters of a tensor that would change its meaning; others are ignored."""
    for parameter in parameters:
        if parameter.startswith("shared_memory") or parameter == "classification":
            raise invalid(
                f"The parameter {parameter[:40]!r} of {name[:100]!r} is not supported here; leave it out."
            )


def _of_bytes(name: str, dtype: str, shape: tuple[int, ...], data: memoryview) -> np.ndarray:
    if dtype == "BYTES":
        return _elements(name, shape, data)
    expected = math.prod(shape) * DTYPES[dtype].itemsize
    if len(data) != expected:
        raise invalid(
            f"The input {name!r}, {dtype} of shape {list(shape)}, takes {expected} bytes, not {len(data)}."
        )
    array = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    if dtype == "BOOL" and (array.view("u1") > 1).any():
        raise invalid(f"The input {name!r} contains bytes that are neither 0 nor 1.")
    return array


def _elements(name: str, shape: tuple[int, ...], data: memoryview) -> np.ndarray:
    count, offset = math.prod(shape), 0
    elements: list[bytes] = []
    while offset < len(data) and len(elements) < count:
        if offset + 4 > len(data):
            raise invalid(f"The input {name!r} ends within the length of an element.")
        (length,) = struct.unpack_from("<I", data, offset)
        if length > len(data) - offset - 4:
            raise invalid(
                f"The input {name!r} has an element of {length} bytes, longer than what is left."
            )
        elements.append(bytes(data[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    if len(elements) != count or offset != len(data):
        raise invalid(
            f"The input {name!r} of shape {list(shape)} needs {count} elements in its bytes, exactly."
        )
    return _objects(elements, shape)


def _objects(values: Sequence[bytes], shape: tuple[int, ...]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def _of_json(name: str, dtype: str, shape: tuple[int, ...], data: Any) -> np.ndarray:
    if not isinstance(data, list):
        raise invalid(f"The data of the input {name!r} must be an array.")
    if dtype == "BYTES":
        texts = list(_flat(name, data, MAX_DIMENSIONS))
        if not all(isinstance(text, str) for text in texts):
            raise invalid(f"The data of the input {name!r} must be strings.")
        try:
            array = np.empty(len(texts), object)
            array[:] = [text.encode() for text in texts]
        except UnicodeEncodeError:
            raise invalid(
                f"The data of the input {name!r} contains an unpaired surrogate."
            ) from None
    else:
        array = _numbers(name, dtype, data)
    if array.size != math.prod(shape):
        raise invalid(
            f"The input {name!r} of shape {list(shape)} needs {math.prod(shape)} elements, "
            f"not {array.size}."
        )
    return array.reshape(shape)


def _numbers(name: str, dtype: str, data: list[Any]) -> np.ndarray:
    """Numbers of JSON in their dtype; values that are fractional for an integer, or out of its range, are
    refused.
    """
    try:
        array = np.asarray(data) if data else np.empty(0, DTYPES[dtype])
    except (ValueError, OverflowError):
        raise invalid(
            f"The data of the input {name!r} are not numbers in arrays of equal lengths."
        ) from None
    target: Any = DTYPES[dtype]
    if data and array.dtype.kind not in {"b": "b", "u": "iu", "i": "iu", "f": "iuf"}[target.kind]:
        raise invalid(f"The data of the input {name!r} are not all {dtype}.")
    if target.kind in "iu" and array.size:
        low, high = np.iinfo(target).min, np.iinfo(target).max
        if int(array.min()) < low or int(array.max()) > high:
            raise invalid(f"The data of the input {name!r} are not all {dtype}, {low} to {high}.")
    with np.errstate(over="ignore"):
        cast = array.astype(target)
    if target.kind == "f" and not np.isfinite(cast).all():
        raise invalid(f"The data of the input {name!r} do not all fit into {dtype}.")
    return cast


def _flat(name: str, data: Any, levels: int) -> Any:
    if not isinstance(data, list):
        yield data
    elif levels:
        for item in data:
            yield from _flat(name, item, levels - 1)
    else:
        raise invalid(f"The data of the input {name!r} are nested too deeply.")


def encode(
    arrays: Mapping[str, np.ndarray], binary: Mapping[str, bool]
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The JSON descriptions of output tensors, and the binary data that follows the JSON.

    Args:
        arrays: by name; object arrays hold bytes.
        binary: which of them are binary.

    Raises:
        Refused: one that is not binary cannot be written as JSON.
    """
    described: list[dict[str, Any]] = []
    binary_data: list[bytes] = []
    for name, array in arrays.items():
        datatype_name = "BYTES" if array.dtype == object else datatype(array.dtype.name)
        description: dict[str, Any] = {
            "name": name,
            "datatype": datatype_name,
            "shape": list(array.shape),
        }
        if binary[name]:
            data = (
                b"".join(struct.pack("<I", len(value)) + value for value in array.ravel())
                if datatype_name == "BYTES"
                else np.ascontiguousarray(array, DTYPES[datatype_name]).tobytes()
            )
            description["parameters"] = {"binary_data_size": len(data)}
            binary_data.append(data)
        elif datatype_name == "BYTES":
            description["data"] = [_as_text(name, value) for value in array.ravel()]
        else:
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise invalid(
                    f"The output {name!r} contains numbers that are not finite; request it with binary_data."
                )
            description["data"] = array.ravel().tolist()
        described.append(description)
    return described, binary_data


def _as_text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise invalid(
            f"The output {name!r} contains bytes that are not text; request it with binary_data."
        ) from None
