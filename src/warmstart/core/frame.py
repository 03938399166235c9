"""Results of many inputs as one table of pandas."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from warmstart.core.many_results import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.wire import Result
from warmstart.errors import UsageError, require

if TYPE_CHECKING:
    import pandas as pd


def to_frame(results: Result | Failed | Iterable[Result | Failed]) -> pd.DataFrame:
    """Results as a table with a row for each input, in order; for forecasts a row for each step.

        reviews["label"] = ws.to_frame(model(reviews["text"]))["label"]

    Args:
        results: what a model returns for one input, for a list, or from `stream`.

    Returns:
        Columns `input` and the values of the results, such as `label` and `score`; what is a list,
        such as the boxes of a photo, stays one in its cell. Where an input failed there is a column
        `error`, and the other cells are empty. Results of a column of pandas have its index.

    Raises:
        UsageError: `results` holds something that is not a result, or is a stream whose results
            were all taken.
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
    several = [results] if isinstance(results, Result | Failed) else results
    rows: list[dict[str, Any]] = []
    for result in several:
        if isinstance(result, Failed):
            rows.append(result.to_dict())
        elif isinstance(result, Result):
            rows += result.table_rows()
        else:
            raise UsageError(f"to_frame takes results of models, not {type(result).__name__}.")
    names = results.columns if isinstance(results, Results) else ()
    columns = list(dict.fromkeys(chain(names, *rows)))
    index = results.row_labels if isinstance(results, Results) else None
    return pd.DataFrame(rows, index, columns)
