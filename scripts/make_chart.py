"""Draw the chart of the README from the figures of docs/benchmarks.md.

    python scripts/make_chart.py [--check]

Each bar is a row of a table there: the time that a job takes with warmstart, where the other tool
takes 1. The figures are read from the page, never written here. `--check` writes nothing and exits
with 1 where the chart is not current.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "images" / "benchmarks.svg"
WIDTH, ROW, LEFT, RIGHT, TOP = 820, 30, 330, 60, 46
LONGEST = 1.2
"""The ratio at the right end of the scale."""


class Bar(NamedTuple):
    """A bar of the chart.

    Attributes:
        job: its name in the chart.
        peer: what takes 1.
        row: the beginning of the second cell of its row in docs/benchmarks.md.
        is_speed: whether that row has a speed relative to the peer, of which the chart shows the
            inverse.
    """

    job: str
    peer: str
    row: str
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


def figures(page: str) -> list[tuple[Bar, float]]:
    """Each bar with its ratio, as the tables of the page say."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    found = []
    for bar in BARS:
        values = [row[2] for row in rows if len(row) > 4 and row[1].startswith(bar.row)]
        if not values:
            raise SystemExit(f"{PAGE.name} has no row that begins with {bar.row!r}.")
        ratio = float(values[0])
        found.append((bar, 1 / ratio if bar.is_speed else ratio))
    return found


def chart(page: str) -> str:
    """The chart as SVG; it follows the light or dark scheme of the reader."""
    bars = figures(page)
    scale = (WIDTH - LEFT - RIGHT) / LONGEST
    one = LEFT + scale
    bottom = TOP + ROW * len(bars)
    lines = []
    for number, (bar, ratio) in enumerate(bars):
        y = TOP + ROW * number
        width = scale * min(ratio, LONGEST)
        lines.append(
            f'<text x="{LEFT - 12}" y="{y + 19}" text-anchor="end">{escape(bar.job)} '
            f'<tspan class="peer">/ {escape(bar.peer)}</tspan></text>'
            f'<rect class="bar" x="{LEFT}" y="{y + 5}" width="{width:.1f}" height="{ROW - 10}" rx="2"/>'
            f'<text class="value" x="{LEFT + width + 6:.1f}" y="{y + 19}">{ratio:.2f}</text>'
        )
    described = "; ".join(f"{bar.job} / {bar.peer}: {ratio:.2f}" for bar, ratio in bars)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 16}" role="img" \
aria-labelledby="title description">
<title id="title">Time of warmstart relative to other tools</title>
<desc id="description">{escape(described)}</desc>
<style>
svg {{ font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }}
.page {{ fill: #ffffff }} text {{ fill: #1f2328 }} .peer {{ fill: #57606a }}
.bar {{ fill: #1f6fb4 }} .one {{ stroke: #57606a; stroke-dasharray: 4 3 }}
@media (prefers-color-scheme: dark) {{
.page {{ fill: #0d1117 }} text {{ fill: #e6edf3 }} .peer {{ fill: #9aa4af }}
.bar {{ fill: #4a9ee0 }} .one {{ stroke: #9aa4af }}
}}
</style>
<rect class="page" width="100%" height="100%" rx="6"/>
<text x="{LEFT}" y="24">Time relative to the other tool; shorter is faster</text>
<text class="peer" x="{one:.1f}" y="{TOP - 4}" text-anchor="middle">1</text>
<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{TOP}" y2="{bottom}"/>
{chr(10).join(lines)}
</svg>
"""


def main(arguments: list[str]) -> int:
    text = chart(PAGE.read_text("utf-8"))
    is_current = CHART.is_file() and CHART.read_text("utf-8") == text
    if "--check" in arguments:
        return int(not is_current)
    CHART.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
