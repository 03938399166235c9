"""The input and output tensors of a model: files and texts as BYTES, or the arrays of its program.

Every model takes BYTES, with a picture, text, recording or series in each row, and returns `answer`, the
JSON of its result, and the numeric parts of it as tensors. Models whose program maps rows to rows (all
but those that generate step by step) also take the program's inputs, preprocessed arrays, and return its
outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec
import numpy as np

from warmstart.core.wire import Result, annotation
from warmstart.engines.base import Signature, TensorSpec
from warmstart.errors import InputError
from warmstart.serve.errors import invalid, refusal
from warmstart.serve.inference import to_json
from warmstart.serve.registry import ServedModel
from warmstart.serve.settings import Settings
from warmstart.serve.tensors import datatype

FORWARD = "forward"
MAX_DIMENSION = 4096


def raw_inputs(served: ServedModel) -> dict[str, tuple[str, list[int]]]:
    """Inputs that are files, texts or series: name -> (datatype, shape); optional ones are left
    out.
    """
    input_kind = served.input_kind
    return {
        name: spec
        for name, spec in input_kind.tensors.items()
        if name not in input_kind.optional_tensors
    }


def raw_outputs(served: ServedModel) -> dict[str, tuple[str, list[int]]]:
    """Outputs for such inputs: the result as JSON, and its parts that are tensors."""
    result = served.model.result
    if not served.input_kind.tensors:
        return {}
    return {
        "answer": ("BYTES", [-1]),
        **{name: tensor_spec(result, name) for name in result.tensors},
    }


def tensor_spec(result: type[Result], name: str) -> tuple[str, list[int]]:
    """(datatype, shape) of a part of a result, from its annotation."""
    hint = annotation(result, name)
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if hint in (str, bytes):
        return "BYTES", [-1]
    if hint is float:
        return "FP32", [-1]
    scalar = get_args(get_args(hint)[1])[0]  # NDArray[scalar]
    return datatype(np.dtype(scalar).name), [-1, -1]


def program(served: ServedModel) -> Signature | None:
    """The function of the program, if it maps rows to rows."""
    signature = served.model.engine.signatures.get(FORWARD)
    if signature is None or any(
        spec.shape[:1] != ("batch",) for spec in (*signature.inputs, *signature.outputs)
    ):
        return None
    return signature


def metadata(served: ServedModel) -> dict[str, Any]:
    """The protocol's description of a model: first the inputs that are files or texts, then those
    of the program.
    """

    def tensors(named: Mapping[str, tuple[str, list[int]]]) -> list[dict[str, Any]]:
        return [
            {"name": name, "datatype": datatype_name, "shape": shape}
            for name, (datatype_name, shape) in named.items()
        ]

    def specs(described: Sequence[TensorSpec]) -> list[dict[str, Any]]:
        return [
            {
                "name": spec.name,
                "datatype": datatype(spec.dtype),
                "shape": [-1 if isinstance(size, str) else size for size in spec.shape],
            }
            for spec in described
        ]

    signature = program(served)
    return {
        "name": served.name,
        "versions": [str(served.version)],
        "platform": f"warmstart_{served.model.engine.name}",
        "inputs": tensors(raw_inputs(served)) + (specs(signature.inputs) if signature else []),
        "outputs": tensors(raw_outputs(served)) + (specs(signature.outputs) if signature else []),
    }


def config(served: ServedModel, settings: Settings) -> dict[str, Any]:
    """The model's configuration in the form of Triton's extension, which its clients read to shape
    their requests.
    """
    described = metadata(served)

    def tensors(specs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "name": spec["name"],
                "data_type": f"TYPE_{'STRING' if spec['datatype'] == 'BYTES' else spec['datatype']}",
                "dims": spec["shape"],
            }
            for spec in specs
        ]

    return {
        "name": served.name,
        "platform": described["platform"],
        "backend": "warmstart",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,  # shapes include the dimension of the batch
        "input": tensors(described["inputs"]),
        "output": tensors(described["outputs"]),
        "dynamic_batching": {
            "preferred_batch_size": [settings.max_batch],
            "max_queue_delay_microseconds": round(settings.max_delay * 1e6),
        },
    }


def raw_values(
    served: ServedModel, arrays: Mapping[str, np.ndarray], settings: Settings
) -> list[Any]:
    """The model's inputs, one for each row.

    Raises:
        Refused: names, datatypes or shapes are not those of the model, or a row holds no input.
    """
    required, known = set(raw_inputs(served)), set(served.input_kind.tensors)
    if not required <= arrays.keys() <= known:
        names = ", ".join(map(repr, sorted(arrays)))[:200]
        raise invalid(f"{served.name} takes {', '.join(sorted(known))}, not {names}.")
    try:
        return served.input_kind.from_tensors(arrays, settings)
    except InputError as error:
        raise refusal(error) from None


def raw_answers(served: ServedModel, answers: Sequence[Any]) -> dict[str, np.ndarray]:
    """The output tensors of results.

    Raises:
        Refused: the input in a row is unusable.
    """
    columns: dict[str, list[Any]] = {name: [] for name in raw_outputs(served)}
    for number, result in enumerate(answers, 1):
        if isinstance(result, InputError):
            raise refusal(result, f"row {number}")
        renamed = f"row {number}" if served.input_kind.is_file else ""
        columns["answer"].append(msgspec.json.encode(to_json(result, renamed)))
        for name in columns.keys() - {"answer"}:
            value = getattr(result, name)
            columns[name].append(value.encode() if isinstance(value, str) else value)
    arrays = {}
    for name, values in columns.items():
        datatype_name = raw_outputs(served)[name][0]
        if datatype_name == "BYTES":
            arrays[name] = np.empty(len(values), object)
            arrays[name][:] = values
        else:
            arrays[name] = np.array(values, np.float32 if datatype_name == "FP32" else np.float64)
    return arrays


def program_rows(
    served: ServedModel, arrays: Mapping[str, np.ndarray]
) -> tuple[tuple[Any, ...], list[dict[str, Any]]]:
    """A key of the queue, and the rows of the program's arrays. Rows with the same key can be stacked.

    Raises:
        Refused: names, datatypes, shapes or values are not those of the program.
    """
    signature = program(served)
    specs = {spec.name: spec for spec in signature.inputs} if signature else {}
    known = ", ".join([*raw_inputs(served), *specs])
    if not arrays.keys() <= specs.keys():
        raise invalid(
            f"{served.name} has no input {min(arrays.keys() - specs.keys())[:100]!r}; it has: {known}."
        )
    if missing := specs.keys() - arrays.keys():
        raise invalid(f"The input {min(missing)!r} is missing.")
    sizes: dict[str, int] = {}
    longest = int(served.model.entry.processing.get("max_length", MAX_DIMENSION))
    limits = served.model.entry.config.get(
        "limits"
    )  # of the task `tensors`: arrays whose range is known
    for name, array in arrays.items():
        _check(specs[name], array, sizes, longest, limits is None or name in limits)
    rows = [{name: array[row] for name, array in arrays.items()} for row in range(sizes["batch"])]
    return (forward, tuple((name, arrays[name].shape[1:]) for name in sorted(arrays))), rows


def _check(
    spec: TensorSpec, array: np.ndarray, sizes: dict[str, int], longest: int, is_bounded: bool
) -> None:
    shown = [-1 if isinstance(size, str) else size for size in spec.shape]
    if array.dtype == object or array.dtype != np.dtype(spec.dtype):
        raise invalid(
            f"The input {spec.name!r} is {datatype(spec.dtype)}, not "
            f"{'BYTES' if array.dtype == object else datatype(array.dtype.name)}."
        )
    if array.ndim != len(spec.shape):
        raise invalid(f"The input {spec.name!r} has the shape {shown}, not {list(array.shape)}.")
    for dimension, size in zip(spec.shape, array.shape, strict=True):
        if isinstance(dimension, str):
            if (
                not 1 <= size <= (2**31 if dimension == "batch" else longest)
                or sizes.setdefault(dimension, size) != size
            ):
                raise invalid(
                    f"The dimension {dimension!r} of the input {spec.name!r} cannot be {size} here."
                )
        elif dimension != size:
            raise invalid(
                f"The input {spec.name!r} has the shape {shown}, not {list(array.shape)}."
            )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise invalid(f"The input {spec.name!r} contains numbers that are not finite.")
    elif (
        is_bounded
        and array.dtype.kind in "iu"
        and (array.min() < min(spec.low, 0) or array.max() > spec.high)
    ):
        raise invalid(
            f"The values of the input {spec.name!r} are {min(int(spec.low), 0)} to {int(spec.high)}."
        )


def forward(
    served: ServedModel, key: Any, rows: Sequence[dict[str, np.ndarray]]
) -> list[dict[str, np.ndarray]]:
    """Run the program on rows; in a worker thread."""
    stacked = {
        name: np.ascontiguousarray(np.stack([row[name] for row in rows])) for name in rows[0]
    }
    outputs = served.current_model.engine.run(FORWARD, **stacked)
    return [{name: array[index] for name, array in outputs.items()} for index in range(len(rows))]
