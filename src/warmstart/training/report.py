"""`report.html`: the report of a fine-tuning run in one file, without external resources.

    report = Report("ants and bees", "MobileNet 0.25, fine-tuned on 244 photos")
    report.section("Curves", "The loss falls …", charts.lines(…))
    report.section("Per class", table(("class", "recall"), rows))
    html = report.render(command_line())

Sections are HTML; `text`, `table`, `pictures` and the functions of `charts` write it and escape
their text.
"""

from __future__ import annotations

import base64
import io
import shlex
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

STYLE = """
:root { --page:#fff; --ink:#1c2430; --faint:#667284; --rule:#dfe4ea; --soft:#f5f7f9; --on:#fff;
  --c0:#2b6cb0; --c1:#d9622b; --c2:#2f855a; --c3:#8250c4; --c4:#b7791f; --c5:#c2417c; }
@media (prefers-color-scheme: dark) {
  :root { --page:#14181d; --ink:#e4e8ee; --faint:#95a1b0; --rule:#2c343e; --soft:#1c2229; --on:#10151a;
    --c0:#6cb0f5; --c1:#f5955f; --c2:#68c592; --c3:#b79af0; --c4:#e0ad58; --c5:#f08bb8; } }
* { box-sizing:border-box; }
body { margin:0 auto; padding:2rem 1.25rem 4rem; max-width:60rem; background:var(--page); color:var(--ink);
  font:16px/1.55 system-ui, sans-serif; }
h1 { font-size:1.75rem; line-height:1.2; margin:0 0 .25rem; }
h2 { font-size:1.2rem; margin:2.5rem 0 .5rem; padding-top:1rem; border-top:1px solid var(--rule); }
h3 { font-size:1rem; margin:1.25rem 0 .25rem; }
p { max-width:46rem; margin:.5rem 0; }
.lead { color:var(--faint); margin:0 0 1.5rem; }
.tiles { display:flex; flex-wrap:wrap; gap:.75rem; margin:1rem 0; }
.tiles div { background:var(--soft); border-radius:.5rem; padding:.7rem 1rem; min-width:9rem; }
.tiles b { display:block; font-size:1.5rem; line-height:1.25; font-variant-numeric:tabular-nums; }
.tiles span { color:var(--faint); font-size:.85rem; }
.scroll { overflow-x:auto; }
table { border-collapse:collapse; margin:.75rem 0; font-variant-numeric:tabular-nums; font-size:.92rem; }
th, td { padding:.3rem .9rem .3rem 0; text-align:left; border-bottom:1px solid var(--rule); vertical-align:top; }
th { color:var(--faint); font-weight:500; white-space:nowrap; }
td.n, th.n { text-align:right; }
pre { background:var(--soft); padding:.8rem 1rem; border-radius:.5rem; overflow-x:auto; font-size:.88rem; }
svg { max-width:100%; height:auto; display:block; margin:.5rem 0; }
svg polyline { fill:none; stroke-width:2; stroke-linejoin:round; }
svg .grid { stroke:var(--rule); } svg .mark { stroke:var(--faint); stroke-dasharray:4 3; }
svg text { font:12px system-ui, sans-serif; } svg .tick { fill:var(--faint); } svg .on { fill:var(--on); }
.side { display:flex; flex-wrap:wrap; gap:1rem 2rem; } .side > * { flex:1 1 22rem; min-width:0; }
.legend { margin:0; font-size:.85rem; color:var(--faint); } .legend span { margin-right:1rem; white-space:nowrap; }
.legend i { display:inline-block; width:.8rem; height:.2rem; margin-right:.4rem; vertical-align:middle; }
.pictures { display:grid; grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr)); gap:1rem; margin:1rem 0; }
figure { margin:0; font-size:.85rem; } figure img { width:100%; border-radius:.4rem; display:block; }
figcaption { color:var(--faint); margin-top:.25rem; overflow-wrap:anywhere; }
.warning { border-left:3px solid var(--c1); padding:.1rem 0 .1rem .8rem; }
"""


class Report:
    """A page of sections under a title."""

    def __init__(self, title: str, lead: str = ""):
        self.title, self.lead = title, lead
        self.parts: list[str] = []

    def tiles(self, values: Iterable[tuple[str, str]]) -> None:
        """Large numbers side by side: (number, its name)."""
        tiles = "".join(
            f"<div><b>{escape(figure)}</b><span>{escape(name)}</span></div>"
            for figure, name in values
        )
        self.parts.append(f'<div class="tiles">{tiles}</div>')

    def section(self, title: str, *content: str) -> None:
        """A heading and the HTML below it."""
        self.parts.append(f"<h2>{escape(title)}</h2>{''.join(content)}")

    def render(self, command: str = "") -> str:
        """The page. `command` reproduces the result; it is shown at the end."""
        if command:
            self.section("Made by", f"<pre>{escape(command)}</pre>")
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(self.title)}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<meta name="color-scheme" content="light dark">'
            f"<style>{STYLE}</style></head>\n<body><h1>{escape(self.title)}</h1>"
            f'<p class="lead">{escape(self.lead)}</p>\n'
            + "\n".join(self.parts)
            + "\n</body></html>\n"
        )


def text(words: str, *, warning: bool = False) -> str:
    """A paragraph."""
    return f"<p{' class=warning' if warning else ''}>{escape(words)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; columns of numbers, or of texts that begin with a digit, are aligned to the right."""
    shown = [[_cell(cell) for cell in row] for row in rows]
    right = [
        bool(shown) and all(not row[i] or row[i][0] in "0123456789-–+<" for row in shown)
        for i in range(len(head))
    ]

    def line(cells: Iterable[str], tag: str) -> str:
        return (
            "<tr>"
            + "".join(
                f"<{tag}{' class=n' if r else ''}>{escape(cell)}</{tag}>"
                for cell, r in zip(cells, right, strict=True)
            )
            + "</tr>"
        )

    body = "".join(line(row, "td") for row in shown)
    return f'<div class="scroll"><table><thead>{line(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def columns(*blocks: str) -> str:
    """Blocks next to each other where the page is wide enough."""
    return f'<div class="side">{"".join(f"<div>{block}</div>" for block in blocks)}</div>'


def pictures(items: Iterable[tuple[Image.Image, str]], size: int = 224) -> str:
    """Thumbnails of PIL images in a grid with captions, embedded in the page."""
    figures = (
        f'<figure><img alt="" src="{_data_url(picture, size)}"><figcaption>{escape(caption)}</figcaption>'
        "</figure>"
        for picture, caption in items
    )
    return f'<div class="pictures">{"".join(figures)}</div>'


def command_line(call: str = "") -> str:
    """The running command, quoted for a shell; `call` if Python was started in another way."""
    name = Path(sys.argv[0]).name
    if name == "__main__.py":
        name = f"python -m {Path(sys.argv[0]).parent.name}"
    if name in ("warmstart", "python -m warmstart"):
        return " ".join([name, *map(shlex.quote, sys.argv[1:])])
    return call


def _data_url(picture: Image.Image, size: int) -> str:
    thumbnail = picture.convert("RGB")
    thumbnail.thumbnail((size, size))
    file = io.BytesIO()
    thumbnail.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "" if value is None else "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
