"""Forecasting on the command line: a table of all forecasts and a plot of the first ones."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO, TextIOWrapper
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from warmstart.core.console import Console, ConsoleOptions
from warmstart.core.input_kind import Argument
from warmstart.core.options import Option
from warmstart.core.output_files import Output, OutputFiles
from warmstart.series.results import QUANTILES, Forecast, figure

MAX_PLOTS = 12
PLOT = Output("plots", (".png", ".svg", ".pdf"), folder=False, collects=True)
TABLE = Output("forecasts", (".csv",), folder=False, collects=True)


@dataclass(frozen=True, kw_only=True)
class ForecastFlags(ConsoleOptions):
    """Flags of forecasting."""

    plot: Annotated[
        str | None,
        Option("Plot the first forecasts into this PNG, SVG or PDF file.", metavar="FILE"),
    ] = None
    output: Annotated[
        str | None, Option("Write all forecasts to this CSV file.", short="-o", metavar="FILE")
    ] = None


class ForecastConsole(Console):
    """Quantiles of the next steps; a CSV file and a plot."""

    options: ClassVar = ForecastFlags
    outputs: ClassVar = MappingProxyType({"plot": PLOT, "output": TABLE})

    quantiles: Sequence[float] = QUANTILES

    def columns(self) -> tuple[str, ...]:
        return Forecast.csv_columns(self.quantiles)

    def results(self, arguments: Iterable[Argument], options: Mapping[str, Any]) -> Iterable[Any]:
        self.quantiles = options.get("quantiles", QUANTILES)
        return written(super().results(arguments, options), self.flags.plot, self.flags.output)


def written(results: Iterable[Any], plot: str | None, output: str | None) -> Iterator[Any]:
    """Pass the results on; each is written to the CSV file, and the first ones are plotted at the
    end.

    Raises:
        UsageError: a file cannot be written.
    """
    plotted: list[Forecast] = []
    table = OutputFiles(output, TABLE) if output is not None else None
    drawing = OutputFiles(plot, PLOT) if plot is not None else None
    with ExitStack() as stack:
        writer: Any = None
        for result in results:
            if result and table is not None:
                is_first = writer is None
                if is_first:  # an existing file is not replaced before there is a result
                    file = TextIOWrapper(
                        stack.enter_context(table.opened()), "utf-8", newline="", write_through=True
                    )
                    stack.callback(file.detach)
                    writer = csv.writer(file, lineterminator="\n")
                _write_table(writer, result, header=is_first)
            if result and drawing is not None and len(plotted) < MAX_PLOTS:
                plotted.append(result)
            yield result
    if plotted and drawing is not None:
        drawing.save("", partial(_plot, plotted))
    for files in (table, drawing):
        if files is not None:
            files.report()


def _write_table(writer: Any, result: Forecast, *, header: bool) -> None:
    if header:
        writer.writerow(result.csv_columns(result.quantiles))
    writer.writerows(result.csv_rows())


def _plot(forecasts: list[Forecast], suffix: str) -> bytes:
    drawing, axes = figure(len(forecasts))
    for forecast, where in zip(forecasts, axes, strict=True):
        forecast.plot(where)
    file = BytesIO()
    drawing.savefig(file, format=suffix[1:])
    return file.getvalue()
