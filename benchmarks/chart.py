"""Bar charts and line charts as SVG, which follow the light or dark colour scheme of the reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from figures import Figure, show

WIDTH, ROW, LEFT, RIGHT = 820, 24, 250, 90
STYLE = """svg { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
.page { fill: #ffffff } text { fill: #1f2328 } .peer { fill: #57606a }
.ours { fill: #1f6fb4 } .theirs { fill: #afb8c1 } .one { stroke: #57606a; stroke-dasharray: 4 3 }
.line { fill: none; stroke-width: 2 } .axis { stroke: #d0d7de }
.ours-line { stroke: #1f6fb4 } .their-line { stroke: #8c959f }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .peer { fill: #9aa4af }
.ours { fill: #4a9ee0 } .theirs { fill: #57606a } .one { stroke: #9aa4af }
.ours-line { stroke: #4a9ee0 } .their-line { stroke: #768390 } .axis { stroke: #373e47 }
}"""
PLOT, LABELS = 190, 190
"""Height of a plot, and the width of the names at the ends of its lines."""
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 5")
"""Of the lines of the peers, one after the other."""


def svg(width: int, height: int, title: str, description: str, content: Sequence[str]) -> str:
    """An SVG image with the colours of both schemes."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" \
aria-labelledby="title description">
<title id="title">{escape(title)}</title>
<desc id="description">{escape(description)}</desc>
<style>
{STYLE}
</style>
<rect class="page" width="100%" height="100%" rx="6"/>
{chr(10).join(content)}
</svg>
"""


def bars(figures: Sequence[Figure], title: str) -> str:
    """A chart of the figures that have values: a bar for each tool, that of warmstart in another colour."""
    lines, words, y = [f'<text x="16" y="24">{escape(title)}</text>'], [], 40
    for figure in (each for each in figures if each.values):
        lines.append(f'<text x="16" y="{y + 16}">{escape(figure.what.replace("`", ""))}</text>')
        y += ROW
        longest = max(figure.values.values())
        for number, (name, value) in enumerate(figure.values.items()):
            width = (WIDTH - LEFT - RIGHT) * value / longest
            shown = show(value, figure.values_unit)
            lines.append(
                f'<text class="peer" x="{LEFT - 10}" y="{y + 16}" text-anchor="end">{escape(name)}</text>'
                f'<rect class="{"theirs" if number else "ours"}" x="{LEFT}" y="{y + 3}" '
                f'width="{width:.1f}" height="{ROW - 7}" rx="2"/>'
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 16}">{shown}</text>'
            )
            words.append(f"{figure.what}, {name}: {shown}")
            y += ROW
        y += 8
    return svg(WIDTH, y + 8, title, "; ".join(words), lines)


def lines(figures: Sequence[Figure], title: str) -> str:
    """A plot for each figure that has curves, with the points evenly spaced."""
    content, words, y = [f'<text x="16" y="24">{escape(title)}</text>'], [], 40
    for figure in (each for each in figures if each.curves):
        content += _plot(figure, y)
        words += [
            f"{figure.what}, {name}: "
            + ", ".join(
                f"{point}: {show(value, figure.values_unit)}"
                for point, value in zip(figure.points, values, strict=True)
            )
            for name, values in figure.curves.items()
        ]
        y += PLOT + 3 * ROW
    return svg(WIDTH, y, title, "; ".join(words), content)


def _plot(figure: Figure, top: int) -> list[str]:
    """The elements of a plot, below its name."""
    left, right, bottom = 90, WIDTH - LABELS, top + ROW + PLOT
    highest = max(max(values) for values in figure.curves.values())
    step = (right - left) / max(1, len(figure.points) - 1)

    def height(value: float) -> float:
        return bottom - (PLOT - 10) * value / highest

    name = figure.what.partition(":")[0].replace("`", "")
    elements = [f'<text x="16" y="{top + 16}">{escape(name)}</text>']
    elements += [
        f'<line class="axis" x1="{left}" x2="{right}" y1="{height(value):.1f}" '
        f'y2="{height(value):.1f}"/>'
        f'<text class="peer" x="{left - 8}" y="{height(value) + 4:.1f}" text-anchor="end">'
        f"{show(value, figure.values_unit)}</text>"
        for value in (0.0, highest / 2, highest)
    ]
    elements += [
        f'<text class="peer" x="{left + index * step:.1f}" y="{bottom + 18}" '
        f'text-anchor="middle">{point:,}</text>'
        for index, point in enumerate(figure.points)
    ]
    ends = _spread({tool: height(values[-1]) for tool, values in figure.curves.items()})
    for number, (tool, values) in enumerate(figure.curves.items()):
        corners = " ".join(
            f"{left + index * step:.1f},{height(value):.1f}" for index, value in enumerate(values)
        )
        dash = DASHES[(number - 1) % len(DASHES)] if number else ""
        style = f' stroke-dasharray="{dash}"' if dash else ""
        end = ends[tool] + 4
        elements.append(
            f'<polyline class="line {"their" if number else "ours"}-line"{style} '
            f'points="{corners}"/>'
            f'<text class="{"peer" if number else ""}" x="{right + 8}" y="{end:.1f}">'
            f"{escape(tool)}</text>"
        )
    return elements


def _spread(heights: Mapping[str, float]) -> dict[str, float]:
    """Heights of labels, moved down where two would overlap."""
    moved: dict[str, float] = {}
    lowest = 0.0
    for name in sorted(heights, key=lambda name: heights[name]):
        moved[name] = lowest = max(heights[name], lowest + 15)
    return moved
