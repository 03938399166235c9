"""The results of many inputs: a list of those of a list, an iterator of those of a stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from os import PathLike
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeVar, overload

import numpy as np

from warmstart.core import html
from warmstart.core.progress import reported
from warmstart.core.results import Failed, raise_failed
from warmstart.core.table_inputs import is_column
from warmstart.core.wire import Result
from warmstart.counts import counted
from warmstart.errors import UsageError, require

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
SHOWN = 10
"""Results that a notebook shows."""


class Results(list[T]):
    """The results of a list or column of inputs, in order; a notebook shows the first as a table.

    Results of a pandas column keep its index, also when they are sorted or sliced.

    Example:
        >>> results = ws.load("sst2_bert_tiny")(["a delight", "a waste of time"])
        >>> results.to_frame()["label"].tolist()
        ['positive', 'negative']
        >>> results.row_labels is None
        True
    """

    def __init__(
        self,
        results: Iterable[T],
        row_labels: pd.Index[Any] | None = None,
        result: type[Result] | None = None,
    ):
        super().__init__(results)
        self._result = result
        self._index = row_labels
        self._positions = (
            {} if row_labels is None else {id(value): (n, value) for n, value in enumerate(self)}
        )

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Results[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Results[T]:
        if not isinstance(index, slice):
            return super().__getitem__(index)
        part: Results[T] = Results(super().__getitem__(index), None, self._result)
        part._index, part._positions = self._index, self._positions
        return part

    def copy(self) -> Results[T]:
        return self[:]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The vectors of embeddings as one array, (N, D).

        Raises:
            InputError: an input failed.
        """
        if any(hasattr(value, "__array__") for value in self):
            return np.stack([np.asarray(value, dtype) for value in raise_failed(self)])
        return np.array(list(self), dtype)

    @property
    def row_labels(self) -> pd.Index[Any] | None:
        """The index labels of the pandas column that the inputs came from; None for other inputs.

        Raises:
            UsageError: a result was added that does not come from that column.
        """
        if self._index is None:
            return None
        positions = [self._positions.get(id(value)) for value in self]
        if None in positions:
            raise UsageError(
                f"Result {positions.index(None) + 1} is not one of the column's, so the row it "
                "belongs to is unknown; make a table without the index: ws.to_frame(list(results))."
            )
        return self._index[[position[0] for position in positions if position]]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table of the results has at least."""
        return () if self._result is None else self._result.table_columns()

    def _repr_html_(self) -> str:
        return _table(self[:SHOWN], len(self))

    def to_frame(self) -> pd.DataFrame:
        """A table of pandas with a row for each input; see `warmstart.to_frame`."""
        return to_frame(self)  # type: ignore[arg-type]


class ResultStream(Iterator[T_co]):
    """The results of a stream, in order, computed on demand; an iterator.

    A notebook shows the first ones as a table, without consuming them. `len` is the number of inputs
    of a folder, pattern, file or list; for an iterator it raises `TypeError`.

    Example:
        >>> stream = ws.load("efficientnet_lite0").stream("photos", top_k=1)
        >>> len(stream)
        3
        >>> next(stream).label
        'tiger cat'
        >>> stream.to_frame()["label"].tolist()
        ['espresso', 'missile']
        >>> stream.close()
    """

    def __init__(
        self,
        results: Iterator[T_co],
        inputs: object,
        items: Callable[[], Iterable[object]],
        row_labels: pd.Index[Any] | None = None,
        result: type[Result] | None = None,
    ):
        self._source = self._results = results
        self._inputs, self._items = inputs, items
        self._index, self._result = row_labels, result
        self._length: int | None = None
        self._consumed = 0

    def reported(self, options: object, name: str) -> Self:
        """Report each result as the options of the call say; `name` is that of the model."""

        def count() -> int | None:
            return len(self) if self.is_counted else None

        self._results = reported(self._results, options, name, count)
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T_co:
        result = next(self._results)
        self._consumed += 1
        return result

    def close(self) -> None:
        """Stop, and read no more inputs."""
        if isinstance(self._source, Generator):
            self._source.close()
        self._results = iter(())

    def __bool__(self) -> bool:
        return True

    @property
    def is_counted(self) -> bool:
        """Whether `len` knows the number of inputs."""
        return isinstance(self._inputs, str | PathLike | list) or is_column(self._inputs)

    def __len__(self) -> int:
        if not self.is_counted:
            raise TypeError("The number of results of an iterator is known only at its end.")
        if self._length is None:
            self._length = sum(1 for _ in self._items())
        return self._length

    def __repr__(self) -> str:
        name = str(self._inputs) if isinstance(self._inputs, str | PathLike) else "an iterator"
        count = counted(len(self), "result") if self.is_counted else "results"
        of = "" if isinstance(self._inputs, list) else f" of {name}"
        return f"<ResultStream: {count}{of}, {self._consumed:,} of them taken>"

    def _repr_html_(self) -> str:
        first = self._peek(SHOWN)
        if not first and self._consumed:
            return html.paragraph(html.text(self._all_consumed()))
        count = len(self) - self._consumed if self.is_counted else None
        return _table(first, count)

    def to_frame(self) -> pd.DataFrame:
        """The results that were not consumed yet, as a table of pandas; see `warmstart.to_frame`.

        Raises:
            UsageError: all were consumed.
        """
        if self._consumed and not self._peek(1):
            raise UsageError(self._all_consumed())
        index = None if self._index is None else self._index[self._consumed :]
        return to_frame(Results(self, index, self._result))  # type: ignore[arg-type]

    def _peek(self, count: int) -> list[T_co]:
        """The next results, without consuming them."""
        first = list(islice(self._results, count))
        self._results = chain(first, self._results)
        return first

    def _all_consumed(self) -> str:
        return (
            f"All results of this stream ({self._consumed:,}) were consumed; store them in a "
            "list, or call model.stream(…) again."
        )


def to_frame(results: Result | Failed | Iterable[Result | Failed]) -> pd.DataFrame:
    """Results as a table with a row for each input, in order; for forecasts a row for each step.

        reviews["label"] = ws.to_frame(model(reviews["text"]))["label"]

    Args:
        results: what a model returns for one input, for a list, or from `stream`.

    Returns:
        A DataFrame with the column `input` and the values of the results, such as `label` and
        `score`; lists, such as the boxes of a photo, remain lists. If an input failed, the column
        `error` has the message, and its other cells are empty. Results of a pandas column have its
        index.

    Raises:
        UsageError: `results` is or contains something that is not a result, or is a stream whose results
            are all consumed.
        MissingPackageError: pandas is not installed.

    Example:
        >>> model = ws.load("efficientnet_lite0")
        >>> table = ws.to_frame(model(["photos/cat.jpg", "missing.jpg"]))
        >>> table["label"].tolist()[0], table["error"].tolist()[1]
        ('tiger cat', 'missing.jpg: there is no such file')
    """
    require("pandas", extra="series", purpose="to make tables of results")
    import pandas as pd

    if isinstance(results, ResultStream):
        return results.to_frame()
    if not isinstance(results, Result | Failed | Iterable):
        raise UsageError(_refusal(results))
    rows = list(_rows([results] if isinstance(results, Result | Failed) else results))
    names = results.columns if isinstance(results, Results) else ()
    columns = list(dict.fromkeys(chain(names, *rows)))
    index = results.row_labels if isinstance(results, Results) else None
    return pd.DataFrame(rows, index, columns)


def _rows(results: Iterable[object]) -> Iterator[dict[str, Any]]:
    """The rows of a table of results, by column."""
    for result in results:
        if isinstance(result, Failed):
            yield result.to_dict()
        elif isinstance(result, Result):
            yield from result.table_rows()
        else:
            raise UsageError(_refusal(result))


def _refusal(value: object) -> str:
    what = "None" if value is None else type(value).__name__
    return f"to_frame takes a result of a model, a list of results or a stream, not {what}."


def _table(results: Sequence[Any], count: int | None) -> str:
    """The first of `count` results as a table; None: their number is unknown."""
    rows = list(_rows(results))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    more = "" if count is None else counted(count, "result")
    if count is None and len(results) == SHOWN:
        more = f"The first {SHOWN} results"
    shown = [[_cell(row.get(name, "")) for name in columns] for row in rows]
    return html.table(columns, shown) + html.paragraph(html.text(more))


def _cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= html.MAX_CELL else f"{text[: html.MAX_CELL - 1]}…"
