"""Forecasting on the command line: a table of all forecasts and a plot of the first ones."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, TextIO

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.options import Option
from warmstart.errors import UsageError
from warmstart.series.results import Forecast, figure

MAX_PLOTS = 12


@dataclass(frozen=True, kw_only=True)
class ForecastFlags(ConsoleOptions):
    """Flags of forecasting."""

    plot: Annotated[
        str | None, Option("Draw the first forecasts into this PNG, SVG or PDF file.")
    ] = None
    output: Annotated[str | None, Option("Write all forecasts into this CSV file.", short="-o")] = (
        None
    )


class ForecastConsole(Console):
    """Quantiles of the next steps; a CSV file and a plot."""

    options: ClassVar = ForecastFlags
    outputs: ClassVar = ("plot", "output")

    def results(self, arguments: Iterable[str], options: Mapping[str, Any]) -> Iterable[Any]:
        plot, output = self.flags.plot, self.flags.output
        for path in (plot, output):
            if path is not None and not Path(path).expanduser().absolute().parent.is_dir():
                raise UsageError(f"There is no folder for {path}.")
        return written(super().results(arguments, options), plot, output)


def written(results: Iterable[Any], plot: str | None, output: str | None) -> Iterator[Any]:
    """The same results; each is written to the CSV file as it passes, the first ones are drawn at
    the end.

    Raises:
        UsageError: the plot has a suffix that matplotlib does not know, or a file cannot be
        written.
    """
    plotted: list[Forecast] = []
    with ExitStack() as stack:
        writer: Any = None
        for result in results:
            if result and output is not None:
                is_first = writer is None
                if is_first:  # not before: without a result, an existing file stays
                    writer = csv.writer(stack.enter_context(_opened(output)), lineterminator="\n")
                _write_table(writer, result, header=is_first)
            if result and plot is not None and len(plotted) < MAX_PLOTS:
                plotted.append(result)
            yield result
    if plotted and plot is not None:
        _save_plot(plotted, plot)


def _opened(path: str) -> TextIO:
    try:
        return Path(path).expanduser().open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error


def _write_table(writer: Any, result: Forecast, *, header: bool) -> None:
    table: Any = result.to_frame()
    if header:
        writer.writerow(table.columns)
    numbers = table.columns[2:]
    table[numbers] = table[numbers].map("{:.7g}".format)  # float32 has no more digits
    writer.writerows(table.itertuples(index=False))


def _save_plot(forecasts: list[Forecast], path: str) -> None:
    drawing, axes = figure(len(forecasts))
    for forecast, where in zip(forecasts, axes, strict=True):
        forecast.plot(where)
    try:
        drawing.savefig(Path(path).expanduser())
    except ValueError as error:
        raise UsageError(f"{path} cannot be drawn: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
