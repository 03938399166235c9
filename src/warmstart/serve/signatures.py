"""What a model takes and gives as tensors: files and texts as BYTES, or the arrays of its program.

Every model takes the first kind: a picture, text, recording or series of each row, and gives `answer`, the JSON of its
result, and the parts of it that are tensors by nature. Models whose program is one function from rows to rows (all but
those that write or draw step by step) also take its arrays, preprocessed, and give its outputs.
"""

from __future__ import annotations

import binascii
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from warmstart.engines.base import Signature, TensorSpec
from warmstart.errors import InputError
from warmstart.serve.answering import told, wav
from warmstart.serve.errors import invalid, refusal
from warmstart.serve.kinds import AUDIO, IMAGE, PAIR, QUESTION, SERIES, TEXT, Kind
from warmstart.serve.registry import Served
from warmstart.serve.settings import Settings
from warmstart.serve.tensors import datatype

FORWARD = "forward"
LONGEST_DIMENSION = 4096
TYPED = {  # task -> output -> (datatype, shape)
    "image-classification": {"label": ("BYTES", [-1]), "score": ("FP32", [-1])},
    "text-classification": {"label": ("BYTES", [-1]), "score": ("FP32", [-1])},
    "question-answering": {"text": ("BYTES", [-1]), "score": ("FP32", [-1])},
    "text-embedding": {"vector": ("FP32", [-1, -1])},
    "text-generation": {"text": ("BYTES", [-1])},
    "speech-recognition": {"text": ("BYTES", [-1])},
    "audio-generation": {"audio": ("BYTES", [-1])},
    "forecasting": {"mean": ("FP64", [-1, -1])},
}


def raw_inputs(served: Served) -> dict[str, tuple[str, list[int]]]:
    """Inputs that are files, texts or series: name -> (datatype, shape)."""
    if served.kind is QUESTION:
        return {"question": ("BYTES", [-1]), "context": ("BYTES", [-1])}
    return {served.kind.name: ("FP64", [-1, -1]) if served.kind is SERIES else ("BYTES", [-1])}


def raw_outputs(served: Served) -> dict[str, tuple[str, list[int]]]:
    return {"answer": ("BYTES", [-1]), **TYPED.get(served.task, {})}


def program(served: Served) -> Signature | None:
    """The function of the program, where it is from rows to rows."""
    signature = served.model.engine.signatures.get(FORWARD)
    if signature is None or any(s.shape[:1] != ("batch",) for s in (*signature.inputs, *signature.outputs)):
        return None
    return signature


def metadata(served: Served) -> dict[str, Any]:
    """The protocol's description of a model: first the inputs that are files or texts, then those of the program."""

    def tensors(found: Mapping[str, tuple[str, list[int]]]) -> list[dict[str, Any]]:
        return [{"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in found.items()]

    def specs(found: Sequence[TensorSpec]) -> list[dict[str, Any]]:
        return [{"name": s.name, "datatype": datatype(s.dtype),
                 "shape": [-1 if isinstance(d, str) else d for d in s.shape]} for s in found]

    signature = program(served)
    return {"name": served.name, "versions": [str(served.version)],
            "platform": f"warmstart_{served.model.engine.name}",
            "inputs": tensors(raw_inputs(served)) + (specs(signature.inputs) if signature else []),
            "outputs": tensors(raw_outputs(served)) + (specs(signature.outputs) if signature else [])}


def raw_values(served: Served, arrays: Mapping[str, np.ndarray], settings: Settings) -> list[Any]:
    """The model's inputs, one for each row.

    Raises:
        Refused: names, datatypes or shapes are not those of the model, or a text is none.
    """
    kind, expected = served.kind, set(raw_inputs(served))
    optional = {"text_pair"} if kind is PAIR else set()
    if not expected <= arrays.keys() <= expected | optional:
        raise invalid(f"{served.name} takes {', '.join(sorted(expected | optional))}, not "
                      f"{', '.join(map(repr, sorted(arrays)))[:200]}.")
    if kind is SERIES:
        table = arrays["series"]
        if table.ndim not in (1, 2) or table.dtype.kind not in "iuf" or not table.size:
            raise invalid("series must be numbers of the shape [steps] or [series, steps].")
        return [np.array(row, np.float64) for row in np.atleast_2d(table)]
    if kind is IMAGE and arrays["image"].dtype == np.uint8:
        pixels = arrays["image"]
        if pixels.ndim not in (3, 4) or pixels.shape[-1] != 3 or not pixels.size:
            raise invalid("image of UINT8 must be pixels of the shape [height, width, 3] or [rows, height, width, 3].")
        return list(pixels if pixels.ndim == 4 else pixels[None])
    columns: list[list[Any]] = []
    for name, array in arrays.items():
        if array.dtype != object or array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
            raise invalid(f"{name} must be BYTES of the shape [rows] or [rows, 1].")
        columns.append([_read(kind, one, settings) for one in array.ravel()])
    if len({len(column) for column in columns}) != 1:
        raise invalid("All inputs must have the same number of rows.")
    if len(columns) == 1:
        return columns[0]
    order = list(arrays)
    first, second = ("question", "context") if kind is QUESTION else ("text", "text_pair")
    return list(zip(columns[order.index(first)], columns[order.index(second)], strict=True))


def _read(kind: Kind, data: bytes, settings: Settings) -> Any:
    """One element of BYTES. JSON cannot hold a file's bytes, so those of a file may also be base64."""
    if kind is QUESTION:
        return TEXT.of_bytes(data, settings)
    if kind in (IMAGE, AUDIO) and len(data) % 4 == 0:
        with contextlib.suppress(binascii.Error):
            data = binascii.a2b_base64(data, strict_mode=True)
    return kind.of_bytes(data, settings)


def raw_answers(served: Served, answers: Sequence[Any]) -> dict[str, np.ndarray]:
    """The output tensors of results.

    Raises:
        Refused: a row could not be answered.
    """
    found: dict[str, list[Any]] = {name: [] for name in raw_outputs(served)}
    for number, result in enumerate(answers, 1):
        if isinstance(result, InputError):
            raise refusal(result, f"row {number}")
        renamed = f"row {number}" if served.kind in (IMAGE, AUDIO) else ""
        found["answer"].append(msgspec.json.encode(told(result, renamed)))
        for name in found.keys() - {"answer"}:
            value = wav(result) if name == "audio" else getattr(result, name)
            found[name].append(value.encode() if isinstance(value, str) else value)
    arrays = {}
    for name, values in found.items():
        kind = raw_outputs(served)[name][0]
        if kind == "BYTES":
            arrays[name] = np.empty(len(values), object)
            arrays[name][:] = values
        else:
            arrays[name] = np.array(values, np.float32 if kind == "FP32" else np.float64)
    return arrays


def program_rows(served: Served, arrays: Mapping[str, np.ndarray]) -> tuple[tuple[Any, ...], list[dict[str, Any]]]:
    """The rows of the program's arrays, and a key: rows of one key can be stacked.

    Raises:
        Refused: names, datatypes, shapes or values are not what the program takes.
    """
    signature = program(served)
    specs = {spec.name: spec for spec in signature.inputs} if signature else {}
    known = ", ".join([*raw_inputs(served), *specs])
    if not arrays.keys() <= specs.keys():
        raise invalid(f"{served.name} has no input {min(arrays.keys() - specs.keys())[:100]!r}; it has: {known}.")
    if missing := specs.keys() - arrays.keys():
        raise invalid(f"The input {min(missing)!r} is missing.")
    sizes: dict[str, int] = {}
    longest = int(served.model.entry.processing.get("max_length", LONGEST_DIMENSION))
    for name, array in arrays.items():
        _check(specs[name], array, sizes, longest)
    rows = [{name: array[row] for name, array in arrays.items()} for row in range(sizes["batch"])]
    return (forward, tuple((name, arrays[name].shape[1:]) for name in sorted(arrays))), rows


def _check(spec: TensorSpec, array: np.ndarray, sizes: dict[str, int], longest: int) -> None:
    shown = [-1 if isinstance(d, str) else d for d in spec.shape]
    if array.dtype == object or array.dtype != np.dtype(spec.dtype):
        raise invalid(f"The input {spec.name!r} is {datatype(spec.dtype)}, not "
                      f"{'BYTES' if array.dtype == object else datatype(array.dtype.name)}.")
    if array.ndim != len(spec.shape):
        raise invalid(f"The input {spec.name!r} has the shape {shown}, not {list(array.shape)}.")
    for want, got in zip(spec.shape, array.shape, strict=True):
        if isinstance(want, str):
            if not 1 <= got <= (2**31 if want == "batch" else longest) or sizes.setdefault(want, got) != got:
                raise invalid(f"The dimension {want!r} of the input {spec.name!r} cannot be {got} here.")
        elif want != got:
            raise invalid(f"The input {spec.name!r} has the shape {shown}, not {list(array.shape)}.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise invalid(f"The input {spec.name!r} holds numbers that are not finite.")
    elif array.dtype.kind in "iu" and (array.min() < min(spec.low, 0) or array.max() > spec.high):
        raise invalid(f"The values of the input {spec.name!r} are {min(int(spec.low), 0)} to {int(spec.high)}.")


def forward(served: Served, key: Any, rows: Sequence[dict[str, np.ndarray]]) -> list[dict[str, np.ndarray]]:
    """Run the program on rows; in a worker thread."""
    stacked = {name: np.ascontiguousarray(np.stack([row[name] for row in rows])) for name in rows[0]}
    outputs = served.at_hand.engine.run(FORWARD, **stacked)
    return [{name: array[place] for name, array in outputs.items()} for place in range(len(rows))]
