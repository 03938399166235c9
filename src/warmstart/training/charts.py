"""Charts as SVG text for the report, without external fonts, scripts or files.

Colours are CSS variables of the page (`--ink`, `--faint`, `--c0` … `--c5`), so that a chart suits
light and dark mode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 560, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 28, 40
COLOURS = 6


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x: str,
    y: str,
    mark: float | None = None,
    span: tuple[float, float] | None = None,
    bounds: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> str:
    """Curves over a common axis, with their points.

    Args:
        series: (x, y) pairs by name; points that are not finite are left out.
        x, y: labels of the axes.
        mark: the position of a vertical line, such as the best epoch.
        span, bounds: (low, high) of the x and of the y axis; default: the range of the points.
        diagonal: whether to draw a faint line from the lower left to the upper right corner.
    """
    clean = {
        name: [(a, b) for a, b in points if np.isfinite(a) and np.isfinite(b)]
        for name, points in series.items()
    }
    everything = [point for points in clean.values() for point in points]
    if not everything:
        return "<p>Nothing to draw.</p>"
    xs, ys = zip(*everything, strict=True)
    left, right = span or (min(xs), max(xs))
    low, high = bounds or (min(ys), max(ys))
    across, up = _Axis(left, right, LEFT, WIDTH - RIGHT), _Axis(low, high, HEIGHT - BOTTOM, TOP)
    whole = all(float(value).is_integer() for value in xs)
    parts = [_grid(across, up, x, y, whole_x=whole)]
    if mark is not None:
        parts.append(
            f'<line class="mark" x1="{across(mark):.1f}" x2="{across(mark):.1f}" y1="{TOP}" '
            f'y2="{HEIGHT - BOTTOM}"/>'
        )
    if diagonal:
        parts.append(
            f'<line class="mark" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{TOP}"/>'
        )
    for index, points in enumerate(clean.values()):
        path = " ".join(f"{across(a):.1f},{up(b):.1f}" for a, b in points)
        colour = f"var(--c{index % COLOURS})"
        parts.append(f'<polyline points="{path}" style="stroke:{colour}"/>')
        parts += [
            f'<circle cx="{across(a):.1f}" cy="{up(b):.1f}" r="2.5" style="fill:{colour}"><title>'
            f"{_number(a)}: {_number(b)}</title></circle>"
            for a, b in points
            if len(points) <= 60
        ]
    return _svg(parts, f"{y} over {x}") + _legend(list(clean))


def reliability(probabilities: Mapping[str, tuple[np.ndarray, np.ndarray]], bins: int = 10) -> str:
    """A reliability diagram: accuracy over confidence; a calibrated model lies on the diagonal (Guo
    et al. 2017, figure 1).

    Args:
        probabilities: by name, (confidence of the best class (N,), whether it is correct (N,)).
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for name, (confidence, correct) in probabilities.items():
        indices = np.minimum((confidence * bins).astype(int), bins - 1)
        series[name] = [
            (float(confidence[indices == b].mean()), float(correct[indices == b].mean()))
            for b in range(bins)
            if (indices == b).any()
        ]
    return lines(
        series, x="confidence", y="accuracy", span=(0.0, 1.0), bounds=(0.0, 1.0), diagonal=True
    )


def matrix(counts: np.ndarray, labels: Sequence[str]) -> str:
    """A confusion matrix: rows are the true classes, columns the predicted ones; the colour is the
    fraction of the row.

    Args:
        counts: int (C, C).
        labels: C names.
    """
    size = len(labels)
    cell = max(10, min(46, 560 // max(size, 1)))
    names = [label if len(label) <= 18 else label[:17] + "…" for label in labels]
    left = 12 + 7 * max(map(len, names))
    top = left if size > 3 else 30
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    parts = []
    for row in range(size):
        y = top + row * cell
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{y + cell / 2 + 4}" text-anchor="end">'
            f"{escape(names[row])}</text>"
        )
        x = left + row * cell + cell / 2
        turn = f' transform="rotate(-60 {x} {top - 8})"' if size > 3 else ""
        anchor = "start" if size > 3 else "middle"
        shown = (
            names[row]
            if size > 3 or cell >= 7 * len(names[row])
            else names[row][: max(3, cell // 7)]
        )
        parts.append(
            f'<text class="tick" x="{x}" y="{top - 8}" text-anchor="{anchor}"{turn}>{escape(shown)}</text>'
        )
        for column in range(size):
            share = float(shares[row, column])
            colour = "var(--c0)" if row == column else "var(--c1)"
            tooltip = f"{labels[row]} mistaken for {labels[column]}: {int(counts[row, column])} ({share:.0%})"
            parts.append(
                f'<g><title>{escape(tooltip)}</title><rect x="{left + column * cell}" y="{y}" '
                f'width="{cell - 1}" height="{cell - 1}" style="fill:{colour};fill-opacity:'
                f'{0.06 + 0.94 * share:.3f}"/>'
            )
            if cell >= 22 and counts[row, column]:
                tone = "on" if share > 0.55 else "tick"
                parts.append(
                    f'<text class="{tone}" x="{left + (column + 0.5) * cell}" y="{y + cell / 2 + 4}" '
                    f'text-anchor="middle">{int(counts[row, column])}</text>'
                )
            parts.append("</g>")
    side = size * cell
    return _svg(parts, "confusion matrix", left + side + 60, top + side + 8)


def bars(values: Mapping[str, float], *, unit: str = "") -> str:
    """Horizontal bars from 0, one per name, each followed by its value."""
    top = max([*values.values(), 1e-12])
    left, cell = 12 + 7 * max(map(len, values), default=0), 24
    parts = []
    for index, (name, value) in enumerate(values.items()):
        y, width = index * cell + 4, max(1.0, (WIDTH - left - 80) * value / top)
        parts.append(
            f'<text class="tick" x="{left - 6}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{cell - 7}" style="fill:var(--c0)"/>'
            f'<text class="tick" x="{left + width + 6:.1f}" y="{y + 13}">'
            f"{_number(value)}{escape(unit)}</text>"
        )
    return _svg(parts, "bars", WIDTH, len(values) * cell + 8)


class _Axis:
    """Maps values to pixels, with round ticks."""

    def __init__(self, low: float, high: float, start: float, end: float):
        if high - low < 1e-12:
            low, high = low - 0.5 * max(abs(low), 1), high + 0.5 * max(abs(high), 1)
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, whole: bool = False) -> list[float]:
        """Four to eight multiples of 1, 2 or 5 times a power of ten; `whole`: only integers."""
        step = 10.0 ** np.floor(np.log10((self.high - self.low) / 4))
        step *= next(m for m in (1, 2, 5, 10) if (self.high - self.low) / (step * m) <= 8)
        step = max(step, 1.0) if whole else step
        first = np.ceil(self.low / step - 1e-9)
        return [float(n * step) for n in np.arange(first, np.floor(self.high / step + 1e-9) + 1)]


def _grid(across: _Axis, up: _Axis, x: str, y: str, *, whole_x: bool) -> str:
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(value):.1f}" y2="{up(value):.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{_number(value)}</text>'
        for value in up.ticks()
    ]
    parts += [
        f'<text class="tick" x="{across(value):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
        f"{_number(value)}</text>"
        for value in across.ticks(whole_x)
    ]
    parts.append(f'<text class="tick" x="4" y="14">{escape(y)}</text>')
    parts.append(
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" text-anchor="middle">'
        f"{escape(x)}</text>"
    )
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value + 0.0:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"  # the sum makes -0 a 0


def _svg(parts: Sequence[str], title: str, width: float = WIDTH, height: float = HEIGHT) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _legend(names: Sequence[str]) -> str:
    marks = (
        f'<span><i style="background:var(--c{index % COLOURS})"></i>{escape(name)}</span>'
        for index, name in enumerate(names)
    )
    return f'<p class="legend">{"".join(marks)}</p>'
