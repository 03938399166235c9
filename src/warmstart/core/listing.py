"""`Entries`: entries of the catalogue as a list that prints as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warmstart.catalog import Entry
from warmstart.core import html
from warmstart.core.terminal import table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("name", "task", "input", "parameters", "GFLOPs", "top-1", "weights", "licence")


class Entries(list[Entry]):
    """Entries of the catalogue; `print` and a notebook show them as a table.

    Example:
        >>> entries = ws.list_models(task="audio-generation")
        >>> [entry.name for entry in entries]
        ['digits_wavenet']
        >>> entries.to_frame()["name"].tolist()
        ['digits_wavenet']
    """

    def __repr__(self) -> str:
        return table(COLUMNS, [_row(entry) for entry in self])

    def _repr_html_(self) -> str:
        return html.table(COLUMNS, [_row(entry) for entry in self])

    def to_frame(self) -> pd.DataFrame:
        """A table of pandas with a row for each entry; values are those of `Entry.to_dict`.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        from warmstart.errors import require

        require("pandas", extra="series", purpose="to make tables of models")
        import pandas as pd

        return pd.DataFrame([entry.to_dict() for entry in self])


def _row(entry: Entry) -> tuple[str, ...]:
    top1 = next((metric.value for metric in entry.metrics if metric.name == "top1"), None)
    rules = entry.preprocessing
    return (
        entry.name,
        entry.task,
        f"{rules.size[1]}x{rules.size[0]}" if rules else "",
        f"{entry.parameters / 1e6:.1f} M",
        "" if entry.gflops is None else f"{entry.gflops:.3g}",
        "" if top1 is None else f"{top1:.1%}",
        _megabytes(entry),
        entry.licence,
    )


def _megabytes(entry: Entry) -> str:
    """The approximate size of the float32 weights: four bytes per parameter."""
    if entry.parameters < 250_000:
        return "< 1 MB"
    return f"{entry.parameters * 4 / 1e6:,.0f} MB"
