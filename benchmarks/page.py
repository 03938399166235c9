"""Write the tables and charts of docs/benchmarks.md from the results in benchmarks/results.

    python benchmarks/page.py [--check]

A section has one table for each machine and day, the latest day first. `--check` writes nothing and
exits with 1 if a file is not current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import chart
import results
from figures import markdown_table, marked
from results import SYSTEM, Run

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "benchmarks.md"
CHARTS = DOCS / "images" / "benchmarks"
CHART_KINDS = (("values", "", chart.bars), ("curves", "-lines", chart.lines))
"""The attribute of a figure, the suffix of the file's name, and how the chart is drawn."""


def tables(runs: list[Run]) -> list[tuple[Run, ...]]:
    """The runs of each table: one machine, one day; the latest day first, all parts in order."""
    ordered = sorted(runs, key=lambda run: (run.origin, run.part))
    groups = [tuple(group) for _, group in groupby(ordered, key=lambda run: run.origin)]
    return sorted(groups, key=lambda group: group[0].day, reverse=True)


def section(group: tuple[Run, ...], charts: dict[str, str]) -> str:
    """The Markdown of one table; its charts are added to `charts` under their file names."""
    figures = [figure for run in group for figure in run.figures]
    first = group[0]
    commands = dict.fromkeys(run.command for run in group)
    lines = [f"Measured on {first.day} by {', '.join(f'`{each}`' for each in commands)}.", ""]
    lines += [f"- {name}: {value}" for name, value in _facts(group)]
    versions = {name: value for run in group for name, value in run.versions.items()}
    lines += [f"- versions: {', '.join(f'{n} {v}' for n, v in versions.items())}", ""]
    title = f"{first.topic.capitalize()}: {first.machine}, {first.day}"
    machine = results.path_of(Path(), first.about).stem
    for attribute, suffix, draw in CHART_KINDS:
        if any(getattr(figure, attribute) for figure in figures):
            name = f"{first.topic.replace(' ', '-')}{suffix}-{machine}-{first.day}.svg"
            charts[name] = draw(figures, title)
            lines += [f"![{title}](images/benchmarks/{name})", ""]
    return "\n".join([*lines, markdown_table(figures)])


def _facts(group: tuple[Run, ...]) -> Iterator[tuple[str, str]]:
    """The facts about the runs of a table: one value if they agree, else all of them."""
    names = dict.fromkeys([*SYSTEM, *(name for run in group for name in run.about)])
    for name in names:
        values = dict.fromkeys(run.about[name] for run in group if name in run.about)
        if values:
            yield name, "; ".join(values)


def page(text: str, runs: list[Run]) -> tuple[str, Mapping[str, str]]:
    """The page with the tables of all topics, and the charts by file name.

    Raises:
        ValueError: a topic has no section in the page.
    """
    charts: dict[str, str] = {}
    for topic in sorted({run.topic for run in runs}):
        groups = tables([run for run in runs if run.topic == topic])
        text = marked(text, "\n".join(section(group, charts) for group in groups), topic)
    return text, charts


def main(arguments: list[str]) -> int:
    before = PAGE.read_text("utf-8")
    text, charts = page(before, list(results.read_all()))
    files = {PAGE: text, **{CHARTS / name: content for name, content in charts.items()}}
    stale = [path for path in CHARTS.glob("*.svg") if path not in files]
    changed = [p for p, t in files.items() if not p.is_file() or p.read_text("utf-8") != t]
    if "--check" in arguments:
        for path in (*changed, *stale):
            print(f"{path} is not current: run python benchmarks/page.py")
        return int(bool(changed or stale))
    CHARTS.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.unlink()
    for path in changed:
        path.write_text(files[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
