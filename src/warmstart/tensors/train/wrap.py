"""Any Keras model as a model of named arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.checkpoints.naming import snake_case
from warmstart.engines.base import TensorSpec
from warmstart.errors import UsageError
from warmstart.training.wrap.wrapper import WrapOptions, Wrapper

if TYPE_CHECKING:
    import keras

AUTOMATIC = re.compile(r"(keras_tensor|input_layer|input)(_\d+)?")
"""Names that Keras gives to inputs by itself."""
LARGEST_INTEGER = 1
"""The limit of the probe's integers without an embedding that bounds them."""
AXES = {
    2: ("batch", "tokens"),
    3: ("batch", "tokens", "side_2"),
    4: ("batch", "rows", "columns", "side_3"),
}
"""Names of dimensions of any length, by the rank of the input."""


class ArrayWrapper(Wrapper[WrapOptions]):
    """Names the inputs and outputs of a model."""

    task = "tensors"
    options_class: ClassVar = WrapOptions

    def config(self) -> dict[str, Any]:
        model = self.opened.model
        specs = [spec_of(tensor, model) for tensor in model.inputs]
        names = unique_names(
            (None if AUTOMATIC.fullmatch(spec.name) else spec.name for spec in specs), "input"
        )
        inputs = [
            asdict(TensorSpec(name, spec.dtype, spec.shape, spec.low, spec.high))
            for name, spec in zip(names, specs, strict=True)
        ]
        return {
            "inputs": [{**port, "shape": list(port["shape"])} for port in inputs],
            "limits": {
                name: limit
                for name, tensor in zip(names, model.inputs, strict=True)
                if (limit := table_size(tensor, model)) is not None
            },
            "outputs": unique_names(output_names(model), "output"),
        }


def spec_of(tensor: Any, model: keras.Model) -> TensorSpec:
    """The spec of an input of a model.

    Raises:
        UsageError: it takes texts, or has a fixed number of rows.
    """
    name = tensor._keras_history.operation.name
    dtype = str(tensor.dtype)
    if dtype == "string":
        raise UsageError(
            f"The input {name!r} takes texts, which a compiled program does not. Wrap the "
            "part of the model after the layer that turns them into numbers."
        )
    first, *sides = tensor.shape
    if first is not None:
        raise UsageError(
            f"The input {name!r} takes only batches of {first}; leave that dimension open."
        )
    open_sides = AXES.get(len(sides) + 1, tuple(f"side_{axis}" for axis in range(len(sides) + 1)))
    shape = (
        open_sides[axis] if side is None else side for axis, side in enumerate(tensor.shape) if axis
    )
    high = 1.0
    if not dtype.startswith(("float", "bfloat", "bool")):
        size = table_size(tensor, model)
        high = float(LARGEST_INTEGER if size is None else size - 1)
    return TensorSpec(name, dtype, ("batch", *shape), 0.0, high)


def table_size(tensor: Any, model: keras.Model) -> int | None:
    """The rows of the smallest embedding that looks up the numbers of an input; None if none
    does.
    """
    import keras

    sizes = [
        int(layer.input_dim)
        for layer in model.layers
        if isinstance(layer, keras.layers.Embedding)
        and any(source is tensor for node in layer._inbound_nodes for source in node.input_tensors)
    ]
    return min(sizes, default=None)


def output_names(model: keras.Model) -> list[str | None]:
    """The names of a model's outputs, in their order; None if they have no name of their own."""
    import keras

    structure = None if isinstance(model, keras.Sequential) else model.output
    if isinstance(structure, dict):
        by_tensor = {id(tensor): name for name, tensor in structure.items()}
        return [by_tensor.get(id(tensor)) for tensor in model.outputs]
    operations = [tensor._keras_history.operation for tensor in model.outputs]
    return [None if _has_default_name(operation) else operation.name for operation in operations]


def _has_default_name(operation: keras.Operation) -> bool:
    return bool(re.fullmatch(rf"{snake_case(type(operation).__name__)}(_\d+)?", operation.name))


def unique_names(names: Iterable[str | None], default: str) -> list[str]:
    """Names of letters, digits and underscores, each once; `default` if there is none."""
    result: list[str] = []
    for name in names:
        plain = re.sub(r"\W+", "_", name or default).strip("_") or default
        candidate, number = plain, 1
        while candidate in result:
            number += 1
            candidate = f"{plain}_{number}"
        result.append(candidate)
    return result
