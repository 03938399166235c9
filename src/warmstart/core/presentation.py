"""How results are presented: a short repr, HTML in notebooks, tables and files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from warmstart.core import html
from warmstart.core.output_files import write_whole
from warmstart.errors import UsageError, require
from warmstart.json_values import JSON

if TYPE_CHECKING:
    import pandas as pd

MAX_REPR = 120
"""Characters of a repr."""


class Presentation:
    """The part of `Result` that shows it.

    Class attributes:
        summary: names on the wire that a table with one row for each result shows; default: all.
        files: suffixes of files that `file_content` writes; every result is also written as
            `.json` and `.csv`.
    """

    summary: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:
        input: str
        model: str

        def to_dict(self, *, embed: bool = False) -> dict[str, JSON]: ...
        def encoded(self, name: str) -> Any: ...
        @classmethod
        def csv_columns(cls) -> tuple[str, ...]: ...
        @classmethod
        def record_columns(cls) -> list[str]: ...
        def csv_rows(self) -> Iterator[tuple[str, ...]]: ...

    def __repr__(self) -> str:
        text = str(self) if str(self).startswith(self.input) else f"{self.input}: {self}"
        text = " ".join(text.split())
        short = text if len(text) <= MAX_REPR else text[: MAX_REPR - 1] + "…"
        return f"<{type(self).__name__} {short}>"

    def _repr_html_(self) -> str:
        return html.block(self.input, self.to_html())

    def to_html(self) -> str:
        """The result as HTML, as a notebook shows it; columns without any value are left out."""
        columns, rows = self.csv_columns(), list(self.csv_rows())
        shown = [i for i in range(1, len(columns)) if not rows or any(row[i] for row in rows)]
        return html.table([columns[i] for i in shown], [[row[i] for i in shown] for row in rows])

    def table_rows(self) -> Iterator[dict[str, Any]]:
        """The rows of this result in a table of many results, by column; one row by default."""
        values = self.to_dict()
        names = self.summary or tuple(name for name in values if name not in ("input", "model"))
        yield {"input": self.input} | {
            name: values[name] if name in values else self.encoded(name) for name in names
        }

    def to_frame(self) -> pd.DataFrame:
        """The result as a table of pandas: a row for each class, box, entity or step.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        require("pandas", extra="series", purpose="to make tables of results")
        import pandas as pd

        values = self.to_dict()
        rows = values.get(getattr(self, "rows", "") or "", None)
        if rows is None:
            return pd.DataFrame(list(self.table_rows()))
        return pd.DataFrame(rows, columns=None if rows else self.record_columns())

    def save(self, path: str | Path) -> Path:
        """Write the result as a file, whole or not at all; one that exists is overwritten.

        Args:
            path: `.json` and `.csv` for every result; also pictures (`.png`, `.jpg`, `.webp`) of
                photos and forecasts, `.wav` and others of sound, `.srt`, `.vtt` and `.txt` of
                transcripts.

        Raises:
            UsageError: a result of this class is not written with this suffix, or the file cannot
                be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        suffixes = (*self.files, ".json", ".csv")
        if suffix not in suffixes:
            raise UsageError(
                f"{path}: a result of {self.model} is written as {', '.join(suffixes[:-1])} or "
                f"{suffixes[-1]}."
            )
        content = self.file_content(suffix) if suffix in self.files else self._table(suffix)
        write_whole(path, content if isinstance(content, bytes) else content.encode())
        return path

    def file_content(self, suffix: str) -> str | bytes:
        """The content of a file with one of the suffixes `files`."""
        raise NotImplementedError

    def _table(self, suffix: str) -> str:
        if suffix == ".json":
            return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"
        file = io.StringIO(newline="")
        writer = csv.writer(file)
        writer.writerow(self.csv_columns())
        writer.writerows(self.csv_rows())
        return file.getvalue()
