"""Any model: named arrays in, named arrays out."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, overload

import numpy as np

from warmstart.catalog import Entry
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared, Row
from warmstart.core.options import BatchOptions, takes
from warmstart.core.records.options import EvaluateOptions
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.engines.base import TensorSpec
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.tensors.inputs import ARRAYS, ArrayInput, items_of_file
from warmstart.tensors.results import Arrays, NamedArray
from warmstart.tensors.settings import ArraySettings

if TYPE_CHECKING:
    import keras
    from numpy.typing import ArrayLike

    from warmstart.engines.keras import Program


@dataclass(frozen=True, kw_only=True)
class ArrayOptions(BatchOptions):
    """Options of a model of arrays."""


class ArrayModel(Model[ArrayInput, Arrays, ArrayOptions]):
    """Takes named arrays, and returns named arrays.

    Example:
        >>> model = ws.load("prices-model")  # made by ws.wrap
        >>> model({"area": 120.0, "rooms": 5})["price"].shape
        (1,)
        >>> [(one.name, one.shape) for one in model.inputs], model.outputs[0].name
        ([('area', ('batch', 1)), ('rooms', ('batch', 1))], 'price')
        >>> examples = [({"area": 120.0, "rooms": 5}, [310.0])]
        >>> sorted(model.evaluate(examples))
        ['count', 'errors', 'mean_absolute_error', 'mean_squared_error', 'per_output']
    """

    task = "tensors"
    options = ArrayOptions
    evaluate_options = EvaluateOptions
    result = Arrays
    settings_type = ArraySettings
    batch_size = 32
    decodes_ahead = False
    output_notes: ClassVar = {}

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The input arrays; the first dimension is the batch dimension."""
        return self.engine.signatures["forward"].inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The arrays that it returns; the first dimension is the batch dimension."""
        return self.engine.signatures["forward"].outputs

    @overload
    @takes(ArrayOptions)
    def __call__(self, arrays: ArrayInput, options: ArrayOptions) -> Arrays: ...
    @overload
    @takes(ArrayOptions)
    def __call__(
        self, arrays: Several[ArrayInput], options: ArrayOptions
    ) -> Results[Arrays | Failed]: ...
    @takes(ArrayOptions)
    def __call__(self, arrays: Any, options: ArrayOptions) -> Any:
        """The outputs of one input, or of a list of inputs.

        An input is a mapping from names to arrays without the dimension of the batch; of a model
        with one input also the array itself.

        Returns:
            `Arrays`; for a list a list, in which an unusable input is a `Failed` at its index.

        Raises:
            InputError: the one input has other names, shapes or dtypes.
            UsageError: an option is wrong, or `arrays` is something else.
        """
        return self.predict(arrays, options)

    @takes(ArrayOptions)
    def stream(
        self, arrays: Iterable[ArrayInput] | os.PathLike[str] | str, options: ArrayOptions
    ) -> ResultStream[Arrays | Failed]:
        """The outputs of the inputs of an iterator, an `.npz` file (one input a row), a `.json`
        file or a table, in constant memory.

        Returns:
            An iterator with an `Arrays` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of inputs.
        """
        return self.predict_stream(arrays, options)

    def prepare(self, item: Item, options: ArrayOptions) -> Prepared:
        specs = self.inputs
        value = item.value
        if not isinstance(value, Mapping):
            if len(specs) != 1:
                own = ", ".join(spec.name for spec in specs)
                raise InputError(f"{item.name}: needs arrays by name: {own}", item.name)
            value = {specs[0].name: value}
        names = [spec.name for spec in specs]
        if missing := [name for name in names if name not in value]:
            own = ", ".join(map(str, list(value)[:8])) or "nothing"
            raise InputError(
                f"{item.name}: lacks {missing[0]!r}; the model takes {', '.join(names)}, but "
                f"this has {own}",
                item.name,
            )
        row = {spec.name: fitted(value[spec.name], spec, item.name) for spec in specs}
        for name, size in self.entry.config.get("limits", {}).items():
            if row[name].size and not 0 <= row[name].min() <= row[name].max() < size:
                raise InputError(f"{item.name}: {name} takes numbers of 0 to {size - 1}", item.name)
        return Prepared(item.name, [row], index=item.index)

    def decode(self, prepared: Prepared, outputs: Any, options: ArrayOptions) -> Arrays:
        arrays = (
            NamedArray(spec.name, outputs[0][spec.name])
            for spec in self._ordered_outputs()
            if spec.name in outputs[0]
        )
        return Arrays(prepared.name, self.name, tuple(arrays))

    def _ordered_outputs(self) -> Sequence[TensorSpec]:
        order = list(self.entry.config.get("outputs", ()))
        last = len(order)
        return sorted(self.outputs, key=lambda s: order.index(s.name) if s.name in order else last)

    def forward(self, rows: Sequence[Row], batch_size: int) -> Generator[None, None, list[Row]]:
        """Rows of equal shapes go through the engine together."""
        groups: dict[Any, list[int]] = {}
        for index, row in enumerate(rows):
            key = tuple((name, array.shape) for name, array in row.items())
            groups.setdefault(key, []).append(index)
        outputs: list[Row] = [{}] * len(rows)
        for indices in groups.values():
            answers = yield from super().forward([rows[index] for index in indices], batch_size)
            for index, answer in zip(indices, answers, strict=True):
                outputs[index] = answer
        return outputs

    def stream_items(self, inputs: Any, options: ArrayOptions) -> Iterator[Item]:
        return ARRAYS.stream(inputs, [spec.name for spec in self.inputs])

    def read_table(self, path: str, options: ArrayOptions) -> Iterable[Item]:
        return items_of_file(path, [spec.name for spec in self.inputs])

    def from_row(self, row: Any, source: str, options: ArrayOptions) -> Any:
        if not isinstance(row, Mapping):
            raise InputError(f"{source}: is not a row with columns by name", source)
        return row

    @takes(EvaluateOptions)
    @documented_in(task_of(task).guide)
    def evaluate(
        self,
        data: Iterable[tuple[ArrayInput, ArrayLike | Mapping[str, ArrayLike]]],
        options: EvaluateOptions,
    ) -> Evaluation:
        """Measure the model against expected outputs.

        Args:
            data: pairs (input, expected): an input as a call takes it, and the array of its one
                output, or a mapping from names to arrays.
            options: inputs per call of the engine.

        Returns:
            `mean_absolute_error` and `mean_squared_error` over all outputs, `per_output` by name,
            `count`, and `errors`: what is wrong with each input that could not be used.

        Raises:
            UsageError: there are no usable pairs, or an expected array does not fit its output.
        """
        if isinstance(data, str | os.PathLike | Mapping) or not isinstance(data, Iterable):
            raise UsageError("Evaluation data must be pairs (input, expected output).")
        pairs = list(data)
        if any(not isinstance(pair, tuple | list) or len(pair) != 2 for pair in pairs):
            raise UsageError("Evaluation data must be pairs (input, expected output).")
        errors: list[str] = []
        sums: dict[str, list[float]] = {}
        call = ArrayOptions(batch_size=options.batch_size)
        items = self.input_kind.elements([value for value, _ in pairs])
        for done, (result, (_, expected)) in enumerate(
            zip(self.results(items, call), pairs, strict=True), 1
        ):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                _add_errors(sums, result, expected, done)
            if callable(options.progress):
                options.progress(self.name, done, len(pairs))
        if not sums:
            first = f"; the first problem: {errors[0]}" if errors else ""
            raise UsageError(f"There are no pairs to evaluate on{first}.")
        per_output = {
            name: {"mean_absolute_error": absolute / size, "mean_squared_error": squared / size}
            for name, (absolute, squared, size) in sums.items()
        }
        absolute, squared, size = (sum(column) for column in zip(*sums.values(), strict=True))
        metrics = {
            "mean_absolute_error": absolute / size,
            "mean_squared_error": squared / size,
            "per_output": per_output,
            "count": len(pairs) - len(errors),
            "errors": errors,
        }
        return Evaluation.of(self, metrics)

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """`forward`: the model's inputs by name → its outputs by name."""
        from warmstart.engines.keras import Function, Program
        from warmstart.models import architecture

        config = entry.config
        outputs = architecture(entry.architecture).array_outputs(model, config)
        batch = config.get("batch", "batch")
        read = map(TensorSpec.from_dict, config["inputs"])
        specs = tuple(replace(spec, shape=(batch, *spec.shape[1:])) for spec in read)

        def forward(*tensors: Any) -> Any:
            return outputs(list(tensors), training=False)

        return Program({"forward": Function(forward, specs)}, outputs)


def fitted(value: Any, spec: TensorSpec, name: str) -> np.ndarray:
    """An array of one input as its spec has it.

    Raises:
        InputError: its numbers or its shape are others.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, object)
    if array.dtype.kind in "US" and array.ndim == 0:  # a cell of a table
        array = _number(str(array))
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: {spec.name} is not made of numbers", name)
    target = spec.numpy_dtype
    with np.errstate(all="ignore"):
        cast = array.astype(target)
    if target.kind in "biu" and not np.array_equal(cast, array):
        raise InputError(
            f"{name}: {spec.name} takes {spec.dtype}, but this has other numbers", name
        )
    expected = spec.shape[1:]
    if cast.ndim == 0 and all(side == 1 for side in expected):
        cast = cast.reshape([1] * len(expected))
    fits = cast.ndim == len(expected) and all(
        not isinstance(side, int) or side == own
        for side, own in zip(expected, cast.shape, strict=True)
    )
    if not fits:
        shape = ", ".join(map(str, expected))
        hint = "; several inputs are a list" if cast.ndim == len(expected) + 1 else ""
        raise InputError(
            f"{name}: {spec.name} has the shape {cast.shape}, but the model takes ({shape}){hint}",
            name,
        )
    return cast


def _number(text: str) -> np.ndarray:
    try:
        return np.asarray(float(text))
    except ValueError:
        return np.empty(0, object)


def _add_errors(sums: dict[str, list[float]], result: Arrays, expected: Any, number: int) -> None:
    """Add the differences of one result to (absolute, squared, numbers) by output."""
    if not isinstance(expected, Mapping):
        if len(result) != 1:
            raise UsageError(f"Pair {number} needs its expected outputs by name.")
        expected = {result.keys()[0]: expected}
    for name, value in expected.items():
        if name not in result:
            raise UsageError(
                f"Pair {number} expects {str(name)[:60]!r}, and the outputs are "
                f"{', '.join(result.keys())}."
            )
        own, target = result[name].astype(np.float64), np.asarray(value, np.float64)
        if own.shape != target.shape and own.size != target.size:
            raise UsageError(
                f"Pair {number} expects {name!r} of the shape {target.shape}, not {own.shape}."
            )
        difference = own.ravel() - target.ravel()
        total = sums.setdefault(name, [0.0, 0.0, 0.0])
        total[0] += float(np.abs(difference).sum())
        total[1] += float((difference**2).sum())
        total[2] += own.size
