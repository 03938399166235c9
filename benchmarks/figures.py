"""Figures with their bars, and the tables that show them. No measuring happens here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from settings import tell

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
        value: None where it could not be measured; `note` says why.
        unit: a key of `FORMATS`, or `"times"` (0 reads "never").
        bar: what the value has to keep; None for a figure that only informs.
        at_least: whether the bar is a lower bound.
        note: what the number is made of.
    """

    part: int
    what: str
    value: float | None
    unit: str = "ratio"
    bar: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """`"pass"`, `"MISSED"`, `"not measured"`, or nothing for a figure without a bar. NaN is a
        miss.
        """
        if self.value is None:
            return "not measured"
        if self.bar is None:
            return ""
        value = round(self.value, 9)  # 0.90 - 0.89 is not above 0.01
        kept = value >= self.bar if self.at_least else value <= self.bar
        return "pass" if kept else "MISSED"

    @property
    def shown(self) -> str:
        return "-" if self.value is None else show(self.value, self.unit)

    @property
    def bar_shown(self) -> str:
        if self.bar is None:
            return ""
        if self.unit == "times":
            return show(self.bar, self.unit)
        return f"{'≥' if self.at_least else '≤'} {_bar(self.bar, self.unit)}"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def show(value: float, unit: str) -> str:
    if unit == "times":
        return "never" if value == 0 else f"{value:.0f} times"
    return FORMATS[unit].format(value)


def _bar(value: float, unit: str) -> str:
    """A bar as it was set, without digits nobody wrote."""
    told = {"ratio": f"{value:g}", "share": f"{100 * value:g}%", "difference": f"{value:.0e}"}
    return told.get(unit, show(value, unit))


def _rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    return [(str(f.part), f.what, f.shown, f.bar_shown, f.verdict, f.note) for f in figures]


HEAD = ("", "what", "measured", "bar", "result", "made of")


def text_table(figures: Iterable[Figure]) -> str:
    """Columns of even width; the notes stand below their figure."""
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


def markdown(
    figures: Sequence[Figure], machine: Mapping[str, str], versions: Mapping[str, str], command: str
) -> str:
    """The whole result as Markdown: command, machine, versions, table."""

    def row(cells: Iterable[str]) -> str:
        return (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )

    def result(cells: tuple[str, ...]) -> tuple[str, ...]:
        bold = f"**{cells[4]}**" if cells[4] == "MISSED" else cells[4]
        return (*cells[:4], bold, cells[5])

    lines = [f"Made by `{command}`.", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += [f"- versions: {', '.join(f'{name} {value}' for name, value in versions.items())}", ""]
    lines += [
        row(HEAD),
        row(["---"] * len(HEAD)),
        *(row(result(cells)) for cells in _rows(figures)),
        "",
    ]
    lines += [summary(figures)]
    return "\n".join(lines) + "\n"


def summary(figures: Iterable[Figure]) -> str:
    verdicts = [f.verdict for f in figures if f.bar is not None]
    counts = {kind: verdicts.count(kind) for kind in ("pass", "MISSED", "not measured")}
    return (
        f"{counts['pass']} of {len(verdicts)} bars kept, {counts['MISSED']} missed, "
        f"{counts['not measured']} not measured."
    )


def write_markdown(path: Path, content: str, topic: str = "") -> None:
    """Write `content` to a file; in one with the two marker lines, only what stands between them is
    replaced.

    A page with the figures of several benchmarks has a `topic` in the marker lines of each.

    Raises:
        ValueError: the file exists and lacks the markers; it is left as it is.
    """
    first, last = (
        line.replace("figures", f"figures {topic}") if topic else line for line in (BEGIN, END)
    )
    if path.exists() and path.stat().st_size:
        before, begin, rest = path.read_text("utf-8").partition(first)
        _, end, after = rest.partition(last)
        if not begin or not end:
            raise ValueError(
                f"{path} has no lines {first} and {last}; name another file, nothing was written."
            )
    else:
        before = after = ""
    path.write_text(f"{before}{first}\n{content}{last}{after or chr(10)}", "utf-8")


def run_parts(
    parts: Mapping[int, Callable[[Any], Iterable[Figure]]], options: argparse.Namespace
) -> list[Figure]:
    """The figures of the parts named by `options.only`, and those that `options.keep` has of others.

    Args:
        parts: number -> what measures that part.
        options: of the command line; `options.keep` is a JSON file that is written after each part.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    if options.keep and options.keep.is_file():
        results = json.loads(options.keep.read_text("utf-8"))
    for part in map(int, filter(None, options.only.split(","))):
        tell(f"part {part}: {parts[part].__name__}")
        results[str(part)] = [figure.to_dict() for figure in parts[part](options)]
        if options.keep:
            options.keep.write_text(json.dumps(results, indent=1), "utf-8")
    return [
        Figure(**{name: value for name, value in row.items() if name != "verdict"})
        for part in sorted(results, key=int)
        for row in results[part]
    ]
