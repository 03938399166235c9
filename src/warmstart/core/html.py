"""HTML of results in notebooks.

It has inline styles only, no scripts and no external resources, and takes the colours of the
notebook, so that it is readable in light and dark themes. Texts are escaped; `<bdi>` keeps the
direction of one text from changing that of its neighbours.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from warmstart.counts import counted

if TYPE_CHECKING:
    from PIL.Image import Image

COLOUR = "#1f6fb4"
MAX_ROWS = 50
"""Rows of a table that are shown."""
MAX_CELL = 80
"""Characters of a cell of a table of results."""
MAX_SIDE = 720
"""Pixels of the longer side of a picture."""


def text(value: object) -> str:
    """An escaped text, isolated from the direction of its neighbours."""
    return f"<bdi>{escape(str(value))}</bdi>"


def block(title: str, *parts: str) -> str:
    """A result: its title above its parts."""
    return f'<div style="margin:.3em 0"><div style="opacity:.7">{text(title)}</div>{"".join(parts)}</div>'


def paragraph(content: str) -> str:
    """Content that is HTML already, with its line breaks."""
    return f'<div style="white-space:pre-wrap;max-width:60em;margin:.3em 0">{content}</div>'


def bars(rows: Iterable[tuple[str, float]]) -> str:
    """Names with shares (0 to 1) as bars."""
    lines = []
    for name, share in rows:
        width = 200 * min(max(share, 0.0), 1.0)
        lines.append(
            f'<tr><td style="text-align:left">{text(name)}</td><td>{share:.1%}</td>'
            f'<td style="text-align:left"><div style="width:{width:.0f}px;height:.8em;'
            f'background:{COLOUR}"></div></td></tr>'
        )
    return f"<table>{''.join(lines)}</table>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; a long one is cut, and states the number of omitted rows."""
    head = "".join(f"<th>{text(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows[:MAX_ROWS]
    )
    more = len(rows) - MAX_ROWS
    note = f"<div>… {counted(more, 'more row')}</div>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def picture(image: Image, alternative: str) -> str:
    """A picture, scaled down if it is large; `alternative` is its text for screen readers."""
    import io

    shown = image.copy()
    shown.thumbnail((MAX_SIDE, MAX_SIDE))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return embedded_picture(file.getvalue(), alternative)


def embedded_picture(png: bytes, alternative: str) -> str:
    """A PNG file; `alternative` is read to those who cannot see it."""
    data = base64.b64encode(png).decode()
    return (
        f'<img alt="{escape(alternative, quote=True)}" style="max-width:100%" '
        f'src="data:image/png;base64,{data}">'
    )


def sound(wav: str) -> str:
    """A player of a WAV file in base64."""
    return f'<audio controls src="data:audio/wav;base64,{wav}"></audio>'


def marked(content: str, spans: Iterable[tuple[int, int, str]]) -> str:
    """A text with parts highlighted.

    Args:
        content: the text.
        spans: (start, end, label) in characters, in order and without overlap.
    """
    parts, position = [], 0
    for start, end, label in spans:
        parts.append(escape(content[position:start]))
        parts.append(
            f'<mark style="padding:0 .2em;border-radius:.2em">{escape(content[start:end])}'
            f'<sup style="opacity:.7;margin-left:.2em">{escape(label)}</sup></mark>'
        )
        position = end
    parts.append(escape(content[position:]))
    return paragraph(f'<span dir="auto">{"".join(parts)}</span>')
