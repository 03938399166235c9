"""Tables of series in, forecasts out: one line a step, a file, a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from warmstart.cli.consoles import Console
from warmstart.errors import UsageError

DRAWN = 12
SHOWN_STEPS = 6


class ForecastingConsole(Console):
    """Mean and quantiles of the next steps."""

    options: ClassVar = frozenset({"batch_size", "horizon", "quantiles", "samples", "seed", "freq", "target", "item",
                                   "timestamp", "duplicates", "plot", "output"})
    columns: ClassVar = ("item_id", "timestamp", "mean", "quantiles", "error")
    unit: ClassVar = "series"

    def answers(self, model: Any, inputs: Iterator[str], **options: Any) -> Iterable[Any]:
        plot, output = options.pop("plot", None), options.pop("output", None)
        if "quantiles" in options:
            options["quantiles"] = levels(options["quantiles"])
        for path in (plot, output):
            if path is not None and not Path(path).expanduser().absolute().parent.is_dir():
                raise UsageError(f"There is no folder for {path}.")
        results = model(inputs, **options)
        return results if plot is None and output is None else _written(results, plot, output)

    def rows(self, result: Any) -> Iterable[Sequence[Any]]:
        levels = [(f"{level:g}", result.quantile(level)) for level in result.quantiles]
        for step, (time, mean) in enumerate(zip(result.index, result.mean, strict=True)):
            told = " ".join(f"{level}:{values[step]:.7g}" for level, values in levels)
            yield result.input, time.isoformat(), f"{mean:.7g}", told, ""

    def show(self, result: Any) -> str:
        levels = [(f"{level:.0%}", result.quantile(level)) for level in result.quantiles]
        head = f"  {'':<25}" + "".join(f"{name:>12}" for name, _ in levels)
        lines = [f"{result.input}: {result.horizon} steps of {result.series.freq}", head]
        times = result.index
        lines += [f"  {times[step]!s:<25}" + "".join(f"{values[step]:>12.6g}" for _, values in levels)
                  for step in range(min(result.horizon, SHOWN_STEPS))]
        if result.horizon > SHOWN_STEPS:
            lines.append(f"  … until {times[-1]}; --output FILE.csv writes all")
        return "\n".join([*lines, ""])


def levels(text: str) -> tuple[float, ...]:
    """The levels of `--quantiles`."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--quantiles takes levels between 0 and 1 with commas (0.1,0.5,0.9), not {text!r}.") from None


def _written(results: Iterable[Any], plot: str | None, output: str | None) -> Iterator[Any]:
    """Pass the results on; write each one's table, and draw the first ones at the end."""
    drawn: list[Any] = []
    with ExitStack() as stack:
        writer = None
        if output is not None:
            writer = csv.writer(stack.enter_context(Path(output).expanduser().open("w", encoding="utf-8", newline="")),
                                lineterminator="\n")
        first = True
        for result in results:
            if result and writer is not None:
                table = result.to_frame()
                if first:
                    writer.writerow(table.columns)
                first = False
                numbers = table.columns[2:]
                table[numbers] = table[numbers].map("{:.7g}".format)  # float32 has no more digits
                writer.writerows(table.itertuples(index=False))
            if result and plot is not None and len(drawn) < DRAWN:
                drawn.append(result)
            yield result
    if drawn and plot is not None:
        from warmstart.series.results import figure

        drawing, axes = figure(len(drawn))
        for result, where in zip(drawn, axes, strict=True):
            result.plot(where)
        try:
            drawing.savefig(Path(plot).expanduser())
        except ValueError as error:
            raise UsageError(f"{plot} cannot be drawn: {error}") from error
