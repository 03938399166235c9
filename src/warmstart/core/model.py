"""`Model`, the callable base class: one input gives one result, a list a list, `stream` an iterator.

A task defines how an input is prepared, and how a result is made from the engine's outputs. The rest
is here: options are checked, inputs are decoded ahead in threads and go through the engine in
batches, results come in order, and an unusable input is a `Failed`.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast

import numpy as np

from warmstart.core import prefetch, table_inputs
from warmstart.core.cancellation import Steps, drive
from warmstart.core.evaluation import Evaluation
from warmstart.core.first_use import model_for_call
from warmstart.core.inputs import Item, Prepared, Row
from warmstart.core.options import SECTION, ProgressOptions, are_defaults, fields_of, unknown_option
from warmstart.core.progress import reported
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed, raise_failed
from warmstart.core.searchable import SearchableModel
from warmstart.core.wire import Result
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

InputT = TypeVar("InputT")
ResultT = TypeVar("ResultT")
OptionsT = TypeVar("OptionsT")

Route: TypeAlias = tuple[
    Callable[[Sequence[Prepared], OptionsT], Steps], Callable[[Prepared, Any, OptionsT], Any]
]
"""(how the outputs of prepared inputs are computed, how the output of each is decoded)."""


class Model(SearchableModel, Generic[InputT, ResultT, OptionsT]):
    """A pretrained model, callable on real inputs. Returned by `ws.load`; one subclass per task.

    The program is loaded at the first prediction: from the bundle or the artifact store, or else the
    model is compiled (once per machine, 10 to 60 seconds; needs TensorFlow).

    Threads may call a model at the same time; the engine runs one batch after the other. A model
    cannot be pickled: in another process, load it again by its name or folder.

    Class attributes:
        task: its name, such as "image-classification".
        options, evaluate_options: the options classes of a call and of `evaluate`.
        result: the class of its results.
        batch_size: default number of inputs per call of the engine.
        batched: whether inputs of several requests share a batch.
        seeded_by_index: whether random numbers depend on the index of an input in the call.
        generates: what `generated` counts, in the plural.
        decodes_ahead: whether threads prepare inputs ahead of the engine; not worth it for texts.

    Example:
        >>> [result.label for result in ws.load("efficientnet_lite0").stream("photos")]
        ['tiger cat', 'espresso', 'missile']
    """

    task: ClassVar[str]
    options: ClassVar[type]
    evaluate_options: ClassVar[type] = ProgressOptions
    result: ClassVar[type[Result]]
    batch_size: ClassVar[int] = 8
    batched: ClassVar[bool] = True
    seeded_by_index: ClassVar[bool] = False
    generates: ClassVar[str] = "values"
    decodes_ahead: ClassVar[bool] = True

    @property
    def option_names(self) -> tuple[str, ...]:
        """The options of its task that this model supports."""
        return tuple(fields_of(self.options))

    # What a task defines

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """A result for one input, a list for a list."""
        raise NotImplementedError

    def stream(self, *inputs: Any, **options: Any) -> Iterator[Any]:
        """Results one after the other, of an iterator, a folder, a pattern or a file of lines."""
        raise NotImplementedError

    def features(self, *inputs: Any, **options: Any) -> NDArray[np.float32]:
        """Pooled features: (D,) for one input, (N, D) for a list.

        Raises:
            UsageError: a model of this task has none.
        """
        raise UsageError(f"{self.name} has no features of inputs.")

    @abstractmethod
    def prepare(self, item: Item, options: OptionsT) -> Prepared:
        """An input as arrays of the program; called in threads.

        Raises:
            InputError: the input is unusable.
        """

    @abstractmethod
    def decode(self, prepared: Prepared, outputs: Any, options: OptionsT) -> ResultT:
        """The result of an input from what `compute` gave for it.

        Raises:
            InputError: the input turns out to be unusable.
        """

    def compute(self, inputs: Sequence[Prepared], options: OptionsT) -> Steps:
        """The outputs of inputs, in order; yields between steps, where the caller may stop.

        Default: the program's function `forward` on the rows of all inputs, one batch per step.
        """
        rows = [row for prepared in inputs for row in prepared.rows]
        size = getattr(options, "batch_size", None) or self.batch_size
        outputs: list[Row] = yield from self.forward(rows, size)
        remaining = iter(outputs)
        return [list(islice(remaining, len(prepared.rows))) for prepared in inputs]

    def forward(self, rows: Sequence[Row], batch_size: int) -> Generator[None, None, list[Row]]:
        """Run `forward` on rows of equal shapes, `batch_size` at a time."""
        outputs: list[Row] = []
        batch_size = self.engine.signatures["forward"].rows_per_call(batch_size)
        for start in range(0, len(rows), batch_size):
            if start:
                yield
            batch = rows[start : start + batch_size]
            arrays = self.engine.run("forward", **self.batch(batch))
            outputs += [
                {name: array[index] for name, array in arrays.items()}
                for index in range(len(batch))
            ]
        return outputs

    def group_size(self, options: OptionsT, is_list: bool) -> int:
        """The number of inputs to prepare before the engine runs; default: one batch."""
        return getattr(options, "batch_size", None) or self.batch_size

    def compute_features(self, inputs: Sequence[Prepared], options: OptionsT) -> Steps:
        """The outputs that `vector` takes, one for each input, in order; default: those of `compute`."""
        return self.compute(inputs, options)

    def vector(self, prepared: Prepared, outputs: Any, options: OptionsT) -> NDArray[np.float32]:
        """The pooled features of an input, float32 (D,)."""
        if "features" not in outputs[0]:
            raise UsageError(f"{self.name} has no features of inputs.")
        return cast("NDArray[np.float32]", outputs[0]["features"])

    def generated(self, value: Any, options: OptionsT) -> int:
        """Maximum number of values that the model generates step by step for one input; 0 if it
        generates none.

        A server checks it against its limits before it runs the model; `value` may be unusable.
        """
        return 0

    def selected(self, inputs: Any, options: OptionsT) -> Any:
        """The inputs of a call; of a table, those in the columns that the option `column` names."""
        column = getattr(options, "column", None)
        return inputs if column is None else table_inputs.selected(inputs, column, self.input_kind)

    def elements(self, inputs: Any, options: OptionsT) -> Iterator[Item]:
        """The inputs of a call with several, in order; `options` may say how to read them."""
        return self.input_kind.elements(inputs)

    def stream_items(self, inputs: Any, options: OptionsT) -> Iterator[Item]:
        """The inputs of `stream`, one at a time; `options` may say how to read them."""
        input_kind = self.input_kind
        if isinstance(inputs, list) and not input_kind.is_file:  # folders in a list are searched
            return input_kind.elements(inputs)
        return input_kind.stream(inputs)

    def check_options(self, options: OptionsT) -> None:
        """Refuse options that this model does not support.

        Raises:
            UsageError: one is set.
        """
        if are_defaults(options):  # as in most calls
            return
        names = tuple(dict.fromkeys((*self.option_names, *fields_of(ProgressOptions))))
        for name, field in fields_of(type(options)).items():
            if name not in names and getattr(options, name) != field.default:
                raise UsageError(unknown_option(self.name, name, names), section=SECTION)

    def read_table(self, path: str, options: OptionsT) -> Iterable[Item]:
        """The inputs of a file that holds several; for input kinds with `table_suffixes`."""
        raise UsageError(f"{path} is not read as a table of {self.input_kind.plural}.")

    def from_row(self, row: Any, source: str, options: OptionsT) -> Any:
        """The input of a row (a mapping, list or text) of a table; for those with `table_suffixes`.

        Raises:
            InputError: the row holds none.
        """
        raise InputError(f"{source}: contains no {self.input_kind.noun}", source)

    # The flow

    def predict(self, inputs: Any, options: OptionsT) -> Any:
        """The body of a call: a result for one input, a list for a list.

        Raises:
            InputError: the one input is unusable.
            UsageError: an option is wrong, or `inputs` stands for many inputs and is not a list.
        """
        if self._engine is not None:
            return self._call(inputs, options, (self.compute, self.decode))
        with model_for_call(self) as model:
            return model._call(inputs, options, (model.compute, model.decode))

    def predict_stream(self, inputs: Any, options: OptionsT) -> ResultStream[ResultT | Failed]:
        """The body of `stream`: an iterator in order, in constant memory.

        Raises:
            UsageError: an option is wrong, or there are no inputs.
        """
        self.check_options(options)
        labels = table_inputs.row_labels(inputs, self.input_kind)
        inputs = self.selected(inputs, options)
        items = partial(self.stream_items, inputs, options)
        stream = ResultStream(self.results(items(), options), inputs, items, labels, self.result)
        return stream.reported(options, self.name)

    def results(
        self, items: Iterable[Item], options: OptionsT, *, is_list: bool = False
    ) -> Iterator[ResultT | Failed]:
        """A result or `Failed` for each item, in order."""
        return self.run(items, options, (self.compute, self.decode), is_list=is_list)

    def predict_features(self, inputs: Any, options: OptionsT) -> NDArray[np.float32]:
        """The body of `features`: (D,) for one input, (N, D) for a list.

        Raises:
            InputError: an input is unusable.
        """
        answer = self._call(inputs, options, (self.compute_features, self.vector))
        if not isinstance(answer, list):
            return cast("NDArray[np.float32]", answer)
        vectors = list(raise_failed(answer))
        return np.stack(vectors) if vectors else np.zeros((0, self.feature_size), np.float32)

    def stream_features(
        self, inputs: object, options: OptionsT | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """The pooled features of many inputs, (D,) each, in constant memory; inputs as of `stream`.

        Raises:
            InputError: an input is unusable.
        """
        options = self.options() if options is None else options
        items = self.stream_items(inputs, options)
        return raise_failed(self.run(items, options, (self.compute_features, self.vector)))

    def _call(self, inputs: Any, options: OptionsT, route: Route[OptionsT]) -> Any:
        self.check_options(options)
        input_kind = self.input_kind
        selected = self.selected(inputs, options)
        if input_kind.is_several(selected):
            results = self.run(self.elements(selected, options), options, route, is_list=True)
            counted = reported(results, options, self.name, lambda: len(selected))
            return Results(counted, table_inputs.row_labels(inputs, input_kind), self.result)
        item = input_kind.single(inputs)
        self.ready()
        compute, decode = route
        if isinstance(item.value, InputError):
            raise item.value
        prepared = self.prepare(item, options)
        (output,) = drive(compute([prepared], options))
        if isinstance(output, InputError):
            raise output
        return decode(prepared, output, options)

    def run(
        self,
        items: Iterable[Item],
        options: OptionsT,
        route: Route[OptionsT],
        *,
        is_list: bool = False,
    ) -> Iterator[Any]:
        """The result of `route` for each item, or a `Failed`, in order.

        Args:
            items: the inputs.
            options: of the call.
            route: how outputs are computed and decoded.
            is_list: whether all results are collected before the caller gets one.
        """
        self.ready()
        return self._run(items, options, route, is_list)

    def _run(
        self, items: Iterable[Item], options: OptionsT, route: Route[OptionsT], is_list: bool
    ) -> Iterator[Any]:
        size = self.group_size(options, is_list)
        numbered = (Item(item.name, item.value, index) for index, item in enumerate(items))
        first = list(islice(numbered, 2)) if is_list else []
        work = partial(self._prepared, options=options)
        values: Iterator[Prepared | Failed] = map(work, chain(first, numbered))
        with contextlib.ExitStack() as stack:
            if self.decodes_ahead and len(first) != 1:  # threads take too long to start for one
                decoded = prefetch.decoded(chain(first, numbered), work, ahead=2 * size + 4)
                stack.enter_context(contextlib.closing(decoded))
                values = (cast("Prepared | Failed", value) for _, value in decoded)
            while group := list(islice(values, size)):
                yield from self._group(group, options, route)

    def _prepared(self, item: Item, options: OptionsT) -> Prepared | Failed:
        try:
            if isinstance(item.value, InputError):
                raise item.value
            return self.prepare(item, options)
        except InputError as error:
            return Failed(item.name, error)

    def _group(
        self, group: Sequence[Prepared | Failed], options: OptionsT, route: Route[OptionsT]
    ) -> Iterator[Any]:
        """The results of a group, in order; failures keep their position."""
        compute, decode = route
        usable = [prepared for prepared in group if isinstance(prepared, Prepared)]
        outputs = iter(drive(compute(usable, options)) if usable else ())
        for prepared in group:
            if isinstance(prepared, Failed):
                yield prepared
                continue
            output = next(outputs)
            try:
                if isinstance(output, InputError):
                    raise output
                yield decode(prepared, output, options)
            except InputError as error:
                yield Failed(prepared.name, error)

    @abstractmethod
    def evaluate(self, *data: Any, **options: Any) -> Evaluation:
        """Metrics on labelled data."""


__all__ = ["Model", "Prepared", "Row", "Steps", "drive"]
