"""Run docs/results.ipynb and write the outputs that it shows.

python scripts/make_notebook.py

Cells run in order in one namespace, in an empty folder with the example files of the tutorials. A
cell shows what Jupyter would show: what it prints, and the value of its last expression, as HTML
where it has that form.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import shutil
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "results.ipynb"
DATA = ROOT.parent / "shared" / "data" / "images"
FILES = {
    "photos": ROOT / "examples" / "photos",
    "digits.flac": ROOT / "docs" / "sounds" / "digits.flac",
    "smear.jpg": DATA / "bccd" / "JPEGImages" / "BloodImage_00007.jpg",
    "leaf.jpg": DATA / "coffee-leaves" / "test" / "images" / "1449.jpg",
}
"""Name in the folder of a run -> what is copied there."""
STYLE = """:root { color-scheme: light dark }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
       overflow-wrap: anywhere }
pre { background: color-mix(in srgb, currentColor 6%, transparent); padding: .6rem .8rem; overflow-x: auto }
table { border-collapse: collapse; display: block; max-width: 100%; overflow-x: auto }
td, th { padding: .2rem .6rem; text-align: right; overflow-wrap: normal }
img, audio, svg { max-width: 100% }"""


def executed(notebook: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook with the outputs of this run.

    Args:
        notebook: of nbformat 4.
        folder: an empty folder, in which it runs.
    """
    for name, source in FILES.items():
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    names: dict[str, object] = {"__name__": "__main__"}
    cells = []
    count = 0
    with contextlib.chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                outputs = _outputs("".join(cell["source"]), names, count)
                cell = cell | {"execution_count": count, "outputs": outputs}
            cells.append(cell)
    return notebook | {"cells": cells}


def _outputs(code: str, names: dict[str, object], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<notebook>", "exec"), names)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<notebook>", "eval"), names)
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        lines = text.splitlines(keepends=True)
        outputs.append({"output_type": "stream", "name": "stdout", "text": lines})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        page = getattr(value, "_repr_html_", None)
        if page is not None:
            data["text/html"] = page().splitlines(keepends=True)
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": data,
            }
        )
    return outputs


def page(notebook: dict[str, Any]) -> str:
    """The notebook as one HTML page."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            level = len(source) - len(source.lstrip("#"))
            tag = f"h{level}" if level else "p"
            parts.append(f"<{tag}>{escape(source.lstrip('# '))}</{tag}>")
            continue
        parts.append(f"<pre>{escape(source)}</pre>")
        for output in cell["outputs"]:
            data = output.get("data", {})
            text = "".join(output.get("text", data.get("text/plain", ())))
            html = "".join(data.get("text/html", ()))
            parts.append(html or f"<pre>{escape(text)}</pre>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Results</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def read() -> dict[str, Any]:
    """The notebook of the documentation."""
    notebook: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return notebook


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        notebook = executed(read(), Path(folder))
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(notebook), "utf-8")


if __name__ == "__main__":
    main()
