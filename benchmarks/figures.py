"""Figures with their bars, and the tables that show them; without any measuring."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CRASHED = ": CRASHED"
"""The end of the words of a part that crashed."""
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
FORMATS = {
    "ratio": "{:.3f}",
    "share": "{:.1%}",
    "difference": "{:.1e}",
    "MB": "{:.0f} MB",
    "ms": "{:.1f} ms",
    "s": "{:.2f} s",
    "loss": "{:.4f}",
    "per second": "{:.1f}/s",
    "photos": "{:.0f}",
    "count": "{:.0f}",
}


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        part: of the benchmark, as `--only` takes it.
        what: in words.
        value: None if it could not be measured; `note` says why.
        unit: a key of `FORMATS`, or `"times"` (0 reads "never").
        bar: the limit for the value; None for a figure without a target.
        at_least: whether the bar is a lower bound.
        note: how the number is computed.
        spread: the lowest and the highest value of all rounds.
        values: the value of each tool for a bar chart, that of warmstart first.
        values_unit: the unit of `values` and `curves`, a key of `FORMATS`.
        axis: what increases along the axis of a line chart.
        points: the values on the axis.
        curves: the values of each tool at the points, those of warmstart first.
    """

    part: int
    what: str
    value: float | None
    unit: str = "ratio"
    bar: float | None = None
    at_least: bool = False
    note: str = ""
    spread: tuple[float, float] | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    values_unit: str = "ms"
    axis: str = ""
    points: tuple[int, ...] = ()
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Figure:
        spread, curves = data.get("spread"), data.get("curves", {})
        return cls(
            **{
                **data,
                "spread": tuple(spread) if spread else None,
                "points": tuple(data.get("points", ())),
                "curves": {name: tuple(values) for name, values in curves.items()},
            }
        )

    @classmethod
    def of_crash(cls, part: int, what: str, error: Exception) -> Figure:
        """The figure of a part that crashed."""
        note = f"{type(error).__name__}: {error}"[:300]
        return cls(part, what + CRASHED, None, bar=0, note=note)

    @property
    def is_crash(self) -> bool:
        return self.what.endswith(CRASHED)

    @property
    def verdict(self) -> str:
        """`"pass"`, `"MISSED"`, `"not measured"`, or nothing for a figure without a bar. NaN is a
        miss.
        """
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        above = round(self.value - self.bar, 9)  # 0.90 - 0.89 is not above 0.01
        is_met = above >= 0 if self.at_least else above <= 0
        return "pass" if is_met else "MISSED"

    @property
    def shown(self) -> str:
        if self.value is None:
            return "-"
        between = " to ".join(show(each, self.unit) for each in self.spread or ())
        return show(self.value, self.unit) + (f" ({between})" if between else "")

    @property
    def bar_shown(self) -> str:
        if self.bar is None:
            return ""
        if self.unit == "times":
            return show(self.bar, self.unit)
        return f"{'≥' if self.at_least else '≤'} {_bar(self.bar, self.unit)}"


def compared(
    part: int, what: str, times: Mapping[str, Sequence[float]], peer: str, **more: Any
) -> Figure:
    """The time of the first tool relative to that of a peer, with its spread.

    Args:
        part, what: of the figure.
        times: by the names of the tools, one value per round.
        peer: the name of the tool to compare with.
        more: further fields of the figure.
    """
    ours, theirs = next(iter(times.values())), times[peer]
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Figure(
        part,
        what,
        statistics.median(ratios),
        spread=(min(ratios), max(ratios)),
        values={name: statistics.median(each) for name, each in times.items()},
        **more,
    )


def show(value: float, unit: str) -> str:
    if unit == "times":
        return "never" if value == 0 else f"{value:.0f} times"
    return FORMATS[unit].format(value)


def _bar(value: float, unit: str) -> str:
    """A bar with the digits that it was set with."""
    shown = {"ratio": f"{value:g}", "share": f"{100 * value:g}%", "difference": f"{value:.0e}"}
    return shown.get(unit, show(value, unit))


def _rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    return [(str(f.part), f.what, f.shown, f.bar_shown, f.verdict, f.note) for f in figures]


HEAD = ("", "what", "measured", "bar", "result", "made of")


def text_table(figures: Iterable[Figure]) -> str:
    """Columns of even width; notes are below their figures."""
    rows = [HEAD[:5], *(row[:5] for row in _rows(figures))]
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    notes = ["", *(f.note for f in figures)]
    lines = []
    for row, note in zip(rows, notes, strict=True):
        lines.append(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
        if note:
            lines.append(f"{' ' * (widths[0] + 2)}  {note}")
    return "\n".join(lines)


def markdown_table(figures: Sequence[Figure]) -> str:
    """The table as Markdown, and the number of bars that were met."""

    def row(cells: Iterable[str]) -> str:
        return (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )

    def result(cells: tuple[str, ...]) -> tuple[str, ...]:
        bold = f"**{cells[4]}**" if cells[4] == "MISSED" else cells[4]
        return (*cells[:4], bold, cells[5])

    lines = [row(HEAD), row(["---"] * len(HEAD)), *(row(result(cells)) for cells in _rows(figures))]
    return "\n".join([*lines, "", summary(figures)]) + "\n"


def summary(figures: Iterable[Figure]) -> str:
    verdicts = [f.verdict for f in figures if f.bar is not None]
    counts = {kind: verdicts.count(kind) for kind in ("pass", "MISSED", "not measured")}
    return (
        f"{counts['pass']} of {len(verdicts)} bars met, {counts['MISSED']} missed, "
        f"{counts['not measured']} not measured."
    )


def marked(text: str, content: str, topic: str) -> str:
    """The page with `content` between the two marker lines of a topic.

    Raises:
        ValueError: the page lacks the markers.
    """
    first, last = (line.replace("figures", f"figures {topic}") for line in (BEGIN, END))
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"The page has no lines {first} and {last}.")
    return f"{before}{first}\n{content}{last}{after}"
