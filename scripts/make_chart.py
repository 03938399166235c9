"""Draw the chart of the README from the results of the benchmarks.

    python scripts/make_chart.py [--check]

Each bar is a figure of benchmarks/results: the time of a job with warmstart, relative to that of the
other tool. Bars are grouped by machine and day. `--check` writes nothing and exits with 1 if the chart
is not current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from chart import svg  # noqa: E402
from results import Run, read_all  # noqa: E402

CHART = ROOT / "docs" / "images" / "benchmarks.svg"
WIDTH, ROW, LEFT, RIGHT, TOP = 820, 30, 330, 60, 46
LONGEST = 1.2
"""The ratio at the right end of the scale."""


class Bar(NamedTuple):
    """A bar of the chart.

    Attributes:
        job: its name in the chart.
        peer: the other tool, whose time is 1.
        what: the beginning of the name of its figure.
        is_speed: whether that figure is a speed relative to the peer; the chart shows its inverse.
    """

    job: str
    peer: str
    what: str
    is_speed: bool = False


BARS = (
    Bar(
        "one photo, whole process",
        "import tensorflow",
        "`warmstart predict PHOTO`",
    ),
    Bar("MobileNetV2, one image", "keras predict", "one image, `ws.load('mobilenet_v2')(array)`"),
    Bar("ResNet50, one image", "keras predict", "one image, `ws.load('resnet50')(array)`"),
    Bar("ResNet50, one image", "fastest other engine", "one image, resnet50, against the fastest"),
    Bar("D-FINE nano, one photo", "transformers", "D-FINE-nano, 640x640, one photo"),
    Bar("SegFormer b0, one photo", "transformers", "SegFormer-b0, 512x512, one photo"),
    Bar(
        "BERT base, 64 sentences",
        "transformers",
        "BERT base, 64 real sentences of mixed lengths, float32",
    ),
    Bar(
        "GPT-2, 128 tokens",
        "transformers",
        "128 tokens, float32: speed relative to transformers",
        True,
    ),
    Bar(
        "fine-tune a head, 245 photos",
        "textbook script",
        "phase 1 alone, time against the textbook",
    ),
)


def groups(runs: Iterable[Run]) -> dict[str, list[tuple[Bar, float]]]:
    """Each bar with its latest ratio, by machine and day.

    Raises:
        SystemExit: there is no figure for a bar.
    """
    ordered = sorted(runs, key=lambda run: run.day)
    found: dict[str, list[tuple[Bar, float]]] = {}
    for bar in BARS:
        measured = [
            (run, figure.value)
            for run in ordered
            for figure in run.figures
            if figure.what.startswith(bar.what) and figure.value is not None
        ]
        if not measured:
            raise SystemExit(f"benchmarks/results has no figure that begins with {bar.what!r}.")
        run, ratio = measured[-1]
        found.setdefault(f"{run.machine}, {run.day}", []).append(
            (bar, 1 / ratio if bar.is_speed else ratio)
        )
    return found


def chart(runs: Iterable[Run]) -> str:
    """The chart as SVG."""
    scale = (WIDTH - LEFT - RIGHT) / LONGEST
    one = LEFT + scale
    title = "Time relative to the other tool; shorter is faster"
    lines, words, y = [f'<text x="{LEFT}" y="24">{title}</text>'], [], TOP
    lines.append(f'<text class="peer" x="{one:.1f}" y="{TOP - 4}" text-anchor="middle">1</text>')
    for name, bars in groups(runs).items():
        lines.append(f'<text class="peer" x="{LEFT}" y="{y + 19}">{escape(name)}</text>')
        y += ROW
        for bar, ratio in bars:
            width = scale * min(ratio, LONGEST)
            lines.append(
                f'<text x="{LEFT - 12}" y="{y + 19}" text-anchor="end">{escape(bar.job)} '
                f'<tspan class="peer">/ {escape(bar.peer)}</tspan></text>'
                f'<rect class="ours" x="{LEFT}" y="{y + 5}" width="{width:.1f}" '
                f'height="{ROW - 10}" rx="2"/>'
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 19}">{ratio:.2f}</text>'
            )
            words.append(f"{bar.job} / {bar.peer}: {ratio:.2f}")
            y += ROW
    lines.append(f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{TOP}" y2="{y}"/>')
    return svg(WIDTH, y + 16, "Time of warmstart relative to other tools", "; ".join(words), lines)


def main(arguments: list[str]) -> int:
    text = chart(read_all())
    is_current = CHART.is_file() and CHART.read_text("utf-8") == text
    if "--check" in arguments:
        return int(not is_current)
    CHART.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
