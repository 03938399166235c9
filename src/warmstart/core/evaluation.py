"""`Evaluation`: the metrics of a model on labelled data, as a dict that prints as a table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from warmstart.core import html
from warmstart.core.task import task_of
from warmstart.core.terminal import table
from warmstart.counts import counted, singular
from warmstart.errors import UsageError, require
from warmstart.json_values import JSON

if TYPE_CHECKING:
    import pandas as pd

    from warmstart.core.model import Model

SHOWN = 20
"""Classes that are printed."""
MISTAKES = 5
"""Confusions and mistakes that are printed."""
FORECAST_METRICS = ("mean_wQL", "MASE", "coverage_80")
"""Metrics in which a forecaster is compared with its baselines."""


class Evaluation(dict[str, Any]):
    """Metrics by name, as `evaluate` of the task describes them.

    `print` shows them as `warmstart evaluate` does, and a notebook as a table.

    Attributes:
        model: the name of the model.
        unit: what was counted, in the plural, such as "photos".

    Example:
        >>> model = ws.load("efficientnet_lite0")
        >>> evaluation = model.evaluate([("photos/espresso.jpg", "espresso"), ("photos/cat.jpg", "tabby")])
        >>> evaluation["top1"], evaluation["top5"], evaluation["count"]
        (0.5, 1.0, 2)
        >>> evaluation.figures().startswith("top-1 50.0%")
        True
        >>> evaluation.to_dict()["model"], evaluation.to_frame().shape
        ('efficientnet_lite0', (3, 5))
        >>> sorted(evaluation.classes()["tabby"])
        ['count', 'f1', 'precision', 'recall']
        >>> print(evaluation.to_csv().splitlines()[0])
        class,precision,recall,f1,count
        >>> evaluation.save("metrics.json")
        PosixPath('metrics.json')
    """

    @classmethod
    def of(cls, model: Model[Any, Any, Any], metrics: Mapping[str, JSON]) -> Self:
        """The metrics of a model, among them `count` and `errors`."""
        return cls(model.name, example_unit(model), metrics)

    def __init__(self, model: str, unit: str, metrics: Mapping[str, JSON]):
        super().__init__(metrics)
        self.model, self.unit = model, unit

    def __repr__(self) -> str:
        return f"<Evaluation {self.model}: {self.figures()}>"

    def __str__(self) -> str:
        lines = [f"{self.model}: {self.figures()}"]
        if classes := self.classes():
            lines.append(table(*self._weakest(classes)))
        return "\n".join([*lines, *self._remarks()])

    def _repr_html_(self) -> str:
        parts = [html.paragraph(html.text(self.figures()))]
        if classes := self.classes():
            parts.append(html.table(*self._weakest(classes)))
        parts += [html.paragraph(html.text(line)) for line in self._remarks()]
        return html.block(self.model, *parts)

    def figures(self) -> str:
        """The overall metrics in a line."""
        if "top1" in self and "top1_interval" in self:
            low, high = self["top1_interval"]
            figures = (
                f"top-1 {self['top1']:.1%} (95 % interval {low:.1%} to {high:.1%}), "
                f"top-5 {self['top5']:.1%}, macro F1 {self['macro_f1']:.3f}, "
                f"calibration error {self['calibration_error']:.3f}"
            )
        else:
            figures = ", ".join(
                f"{name} {value:.3f}" for name, value in self.items() if isinstance(value, float)
            )
        count = counted(self["count"], singular(self.unit), self.unit)
        return f"{figures} on {count}"

    @property
    def class_title(self) -> str:
        """The column title for the keys of `classes`: "class" or "forecast"."""
        return "forecast" if "baselines" in self else "class"

    def classes(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics of each class by its name, of a forecaster those of the model and its
        baselines; empty if there are none.
        """
        if "baselines" in self:
            rows = {self.model: self, **self["baselines"]}
            return {name: {key: row[key] for key in FORECAST_METRICS} for name, row in rows.items()}
        for value in self.values():
            if isinstance(value, Mapping) and all(
                isinstance(metrics, Mapping) for metrics in value.values()
            ):
                classes: Mapping[str, Mapping[str, float]] = value
                return classes
        keys = [key for key, value in self.items() if isinstance(value, Mapping)]
        names = self[keys[0]] if keys else ()
        return {name: {key: self[key][name] for key in keys} for name in names}

    def to_dict(self) -> dict[str, JSON]:
        """JSON values, with the name of the model; JSON has no NaN, which becomes None."""
        values: dict[str, JSON] = _plain({"model": self.model, **self})
        return values

    def to_frame(self) -> pd.DataFrame:
        """A table of pandas with a row for each class; without classes, one row with the metrics.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        require("pandas", extra="series", purpose="to make tables of metrics")
        import pandas as pd

        if classes := self.classes():
            return pd.DataFrame(
                [{self.class_title: name, **metrics} for name, metrics in classes.items()]
            )
        scalars = {name: value for name, value in self.items() if isinstance(value, int | float)}
        return pd.DataFrame([{"model": self.model, **scalars}])

    def to_csv(self) -> str:
        """The metrics of the classes as CSV.

        Raises:
            UsageError: there are none.
        """
        classes = self.classes()
        if not classes:
            raise UsageError(f"{self.model} has no metrics per class; take them all as JSON.")
        keys = _columns(classes)
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([self.class_title, *keys])
        for name, metrics in classes.items():
            cells = (metrics.get(key, "") for key in keys)
            writer.writerow([name, *("" if cell != cell else cell for cell in cells)])
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write all metrics as `.json`, or those of the classes as `.csv`; an existing file is
        overwritten.

        Raises:
            UsageError: another suffix, no metrics per class, or the file cannot be written.
        """
        from warmstart.core.output_files import write_whole

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in (".json", ".csv"):
            raise UsageError(f"{path}: metrics are written as .json or .csv.")
        content = self.to_csv() if suffix == ".csv" else f"{json.dumps(self.to_dict(), indent=2)}\n"
        write_whole(path, content.encode())
        return path

    def _weakest(
        self, classes: Mapping[str, Mapping[str, float]]
    ) -> tuple[list[str], list[list[str]]]:
        """Header and rows of a table of classes; only the weakest, if there are too many."""
        keys = _columns(classes)
        names = list(classes)
        title = self.class_title
        if len(names) > SHOWN:
            weak = "f1" if "f1" in keys else keys[0]
            values = {name: classes[name][weak] for name in names}
            names.sort(key=lambda name: math.inf if math.isnan(values[name]) else values[name])
            title = f"weakest {SHOWN} of {len(names)} classes"
        rows = [
            [name, *(_number(classes[name].get(key, math.nan)) for key in keys)]
            for name in names[:SHOWN]
        ]
        return [title, *keys], rows

    def _remarks(self) -> Iterator[str]:
        """Warnings, confusions and mistakes, a line each."""
        for warning in self.get("warnings", ()):
            yield f"Warning: {warning}"
        if errors := self.get("errors"):
            yield f"{len(errors):,} could not be read and are left out; the first: {errors[0]}"
        if pairs := self.get("confusions"):
            confused = (
                f"{pair['truth']} mistaken for {pair['answer']} ({pair['count']:,})"
                for pair in pairs[:MISTAKES]
            )
            yield f"Most often confused: {', '.join(confused)}"
        for mistake in self.get("mistakes", ())[:MISTAKES]:
            yield f"  {mistake['answer']} {mistake['score']:.0%}, but is {mistake['truth']}: {mistake['input']}"


def example_unit(model: Model[Any, Any, Any]) -> str:
    """The plural noun for the examples that `evaluate` of a model counts."""
    return task_of(model.task).examples or model.input_kind.plural


def _columns(classes: Mapping[str, Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(key for metrics in classes.values() for key in metrics))


def _number(value: float | int) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return "–" if math.isnan(value) else f"{value:.3f}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value
