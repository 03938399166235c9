"""Tables and columns of polars and pyarrow as those of pandas, through the Arrow interface."""

from __future__ import annotations

from typing import Any

import numpy as np

from warmstart.core import table_inputs
from warmstart.errors import require


def to_pandas(value: Any) -> Any:
    """A table or column of polars or pyarrow as one of pandas; anything else is returned unchanged.

    Decimal numbers become float64, and dates datetime64.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    is_column = table_inputs.is_column(value)
    is_foreign = is_column or table_inputs.is_table(value)
    if hasattr(value, "iloc") or isinstance(value, np.ndarray) or not is_foreign:
        return value
    name = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
    require("pyarrow", extra="parquet", purpose=f"to read series from a {name}")
    import pyarrow as pa

    if is_column:
        values = value if isinstance(value, pa.ChunkedArray) else pa.chunked_array(value)
        table = pa.table({"values": values})
    else:
        table = pa.table(value)
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            column = table.column(index).cast(pa.float64())
            table = table.set_column(index, field.name, column)
    frame = table.to_pandas(date_as_object=False)
    return frame["values"].rename(getattr(value, "name", None) or None) if is_column else frame
