"""Bar charts as SVG, which follow the light or dark colour scheme of the reader."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from figures import Figure, show

WIDTH, ROW, LEFT, RIGHT = 820, 24, 250, 90
STYLE = """svg { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif }
.page { fill: #ffffff } text { fill: #1f2328 } .peer { fill: #57606a }
.ours { fill: #1f6fb4 } .theirs { fill: #afb8c1 } .one { stroke: #57606a; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .peer { fill: #9aa4af }
.ours { fill: #4a9ee0 } .theirs { fill: #57606a } .one { stroke: #9aa4af }
}"""


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
