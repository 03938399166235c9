"""The report of a fine-tuning run: the outline for all tasks, and sections that several tasks have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.core.metrics.classification import per_class
from warmstart.training import charts
from warmstart.training.fit import Fitted
from warmstart.training.progress import HIDDEN
from warmstart.training.report import Report, columns, command_line, table, text
from warmstart.training.summary import Summary

MISTAKES = 20
LONGEST_CELL = 240
"""Characters of a text that are shown."""
MOST_IN_MATRIX = 40
"""Classes of a confusion matrix."""
Section = tuple[str, str]
"""Title, HTML."""


def page(
    title: str,
    lead: str,
    tiles: Iterable[tuple[str, str]],
    summary: Summary,
    fits: Mapping[str, Fitted],
    sections: Sequence[Section],
    settings: Mapping[str, Any],
    usage: Sequence[str],
    call: str,
) -> str:
    """The HTML page.

    Args:
        title, lead: of the result.
        tiles: (number, its name).
        summary: of the data.
        fits: by name, in order.
        sections: of the task.
        settings: of the run.
        usage: commands that use the result.
        call: the Python call that reproduces the result, shown if no command line made it.
    """
    report = Report(title, lead)
    report.tiles(tiles)
    report.section("Data", summary.html())
    report.section("Curves", *curves(fits))
    for heading, content in sections:
        report.section(heading, content)
    rows = [[key, str(value)] for key, value in settings.items()]
    report.section("Settings", table(("setting", "value"), rows))
    report.section("Use it", *(text(line.strip()) for line in usage))
    return report.render(command_line(call))


def curves(fits: Mapping[str, Fitted]) -> list[str]:
    """Curves of the loss and metrics of each fit over its epochs, and a table of them."""
    content = [
        text(
            "The weights are those of the best epoch, the dashed line; epoch 0 is before training."
        )
    ]
    for name, fitted in fits.items():
        records = fitted.history
        if len(records) < 2:
            continue
        keys = list(dict.fromkeys(key for record in records for key in record if key not in HIDDEN))
        blocks = []
        for key in dict.fromkeys(key.removeprefix("val_") for key in keys):
            parts = {
                part: [(record["epoch"], record[column]) for record in records if column in record]
                for part, column in (("training", key), ("validation", f"val_{key}"))
            }
            shown = {part: points for part, points in parts.items() if points}
            x = "epoch" if len(fits) == 1 else f"epoch of the {name}"
            blocks.append(charts.lines(shown, x=x, y=key, mark=fitted.best))
        rows = [
            [
                str(int(record["epoch"])),
                *(f"{record[key]:.4f}" if key in record else "" for key in keys),
            ]
            for record in records
        ]
        content += [columns(*blocks), table(("epoch", *keys), rows)]
    return content


def mistakes(head: Sequence[str], rows: Iterable[Sequence[Any]], count: int, total: int) -> Section:
    """The worst of `count` mistakes among `total` examples: `rows`, the worst first."""
    if not count:
        return "Mistakes", text(f"None among {total:,}.")
    shown = [[shorten(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    note = (
        f"The worst {len(shown)} of {count:,} among {total:,}. Often, some of these are "
        "mislabelled."
    )
    return "Mistakes", text(note) + table(head, shown)


def class_section(predicted: np.ndarray, truth: np.ndarray, names: Sequence[str]) -> Section:
    """Precision, recall and F1 of each class, and a confusion matrix if each example has one
    class.

    Args:
        predicted, truth: bool (N, classes).
        names: of the classes.
    """
    rows = []
    for name, scores in per_class(predicted, truth, names).items():
        values = (scores[key] for key in ("precision", "recall", "f1"))
        cells = ("–" if math.isnan(value) else f"{value:.1%}" for value in values)
        rows.append([name, scores["count"], *cells])
    content = table(("class", "validation", "precision", "recall", "F1"), rows)
    exclusive = bool((truth.sum(1) == 1).all() and (predicted.sum(1) == 1).all())
    if exclusive and len(names) <= MOST_IN_MATRIX:
        counts = truth.T.astype(int) @ predicted.astype(int)
        content += text("Rows are the true classes, columns the predicted ones.")
        content += charts.matrix(counts, names)
    return "Per class", content


def shorten(words: str) -> str:
    """A text cut to the length of a cell."""
    return words if len(words) <= LONGEST_CELL else words[: LONGEST_CELL - 1] + "…"
