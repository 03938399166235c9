"""The report page of a text fine-tuning: figures, curves, what went wrong on the held-out texts, settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.catalog import Entry
from warmstart.training import charts
from warmstart.training.fit import Fitted
from warmstart.training.report import Report, beside, command_line, table, text

MISTAKES = 20
SHOWN = 240
"""Characters of a text that are shown."""
OTHER = ("epoch", "seconds", "learning_rate")


def page(entry: Entry, fitted: Fitted, settings: Mapping[str, Any], counts: Mapping[str, int],
         sections: Sequence[tuple[str, str]], *, base: str, unit: str) -> str:
    """The page.

    Args:
        entry: of the result, with its metrics.
        fitted: its epochs.
        settings: of the run.
        counts: examples by part.
        sections: of the task: (title, HTML).
        base: the name of what it started from.
        unit: what the examples are, in the plural.
    """
    made = Report(entry.title, f"{base}, fine-tuned for {entry.task}")
    made.tiles([*((f"{metric.value:.4f}", metric.name) for metric in entry.metrics),
                *((f"{count:,}", f"{unit} for {part}") for part, count in counts.items()),
                (str(fitted.best), "best epoch")])
    names = [name for name in fitted.history[0] if name not in OTHER]
    rows = [[str(int(record["epoch"])), *(f"{record[name]:.4f}" for name in names)] for record in fitted.history]
    made.section("Epochs", text("The best epoch's weights were kept: the dashed line."), _curves(fitted, names),
                 table(("epoch", *names), rows))
    for title, content in sections:
        made.section(title, content)
    made.section("Settings", table(("setting", "value"), [(key, str(value)) for key, value in settings.items()]))
    return made.render(command_line())


def _curves(fitted: Fitted, names: Sequence[str]) -> str:
    if len(fitted.history) < 2:
        return ""
    blocks = []
    for key in dict.fromkeys(name.removeprefix("val_") for name in names):
        series = {part: [(record["epoch"], record[name]) for record in fitted.history if name in record]
                  for part, name in (("training", key), ("held out", f"val_{key}"))}
        blocks.append(charts.lines({part: points for part, points in series.items() if points}, x="epoch", y=key,
                                   mark=fitted.best))
    return beside(*blocks)


def mistakes(head: Sequence[str], rows: Iterable[Sequence[Any]], count: int, total: int) -> tuple[str, str]:
    """The section of what went wrong: `rows` with the worst first, of `count` mistakes among `total` texts."""
    if not count:
        return "Mistakes", text(f"None among {total:,}.")
    shown = [[short(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    return "Mistakes", text(f"The worst {len(shown)} of {count:,} among {total:,}. A wrong label is often among them."
                            ) + table(head, shown)


def confusion(truth: np.ndarray, said: np.ndarray, names: Sequence[str]) -> tuple[str, str]:
    """The section of which class was taken for which: classes as numbers, (N,) each."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (truth, said), 1)
    hits, claims, there = np.diag(counts), counts.sum(0), counts.sum(1)
    rows = [[name, int(there[i]), *(f"{a / b:.1%}" if b else "–" for a, b in (
        (hits[i], claims[i]), (hits[i], there[i]), (2 * hits[i], claims[i] + there[i])))] for i, name in
        enumerate(names)]
    content = table(("class", "held out", "precision", "recall", "F1"), rows)
    if len(names) <= 40:
        content += text("Rows are the truth, columns what the model said.") + charts.matrix(counts, names)
    return "Per class", content


def short(words: str) -> str:
    """A text as a cell shows it."""
    return words if len(words) <= SHOWN else words[:SHOWN - 1] + "…"
