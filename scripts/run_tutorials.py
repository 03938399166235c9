"""Run the tutorials in docs/tutorials and docs/results.ipynb, and write the outputs that they show.

python scripts/run_tutorials.py               # runs all pages and the notebook
python scripts/run_tutorials.py forecast      # one page
python scripts/run_tutorials.py results       # docs/results.ipynb
python scripts/run_tutorials.py --notebooks   # only writes docs/tutorials/*.ipynb, runs nothing

The blocks of a page, and the cells of the notebook, run in order, in one namespace and an empty
folder, which has the example photos and sounds. A block of Python or of the shell is followed by a
block of text with what it printed. Pictures that a page shows are those that its code wrote under
the same name. A cell of the notebook shows what Jupyter would show: what it prints, and the value
of its last expression, as HTML where it has that form.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
RESULTS = ROOT / "docs" / "results.ipynb"
DATA = ROOT.parent / "shared" / "data" / "images"
FILES = {
    "photos": ROOT / "examples" / "photos",
    "digits.flac": ROOT / "docs" / "sounds" / "digits.flac",
    "smear.jpg": DATA / "bccd" / "JPEGImages" / "BloodImage_00007.jpg",
    "leaf.jpg": DATA / "coffee-leaves" / "test" / "images" / "1449.jpg",
}
"""Name in the folder of a run -> what is copied there. Those of `DATA` are not in the repository."""
NEEDS_DATA = ("smear.jpg", "leaf.jpg")
BLOCK = re.compile(
    r"^```(?P<language>python|console)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
PICTURE = re.compile(r"!\[[^]]*\]\(([\w.-]+\.(?:png|jpg|svg))\)")

STYLE = """:root { color-scheme: light dark }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif;
       overflow-wrap: anywhere }
pre { background: color-mix(in srgb, currentColor 6%, transparent); padding: .6rem .8rem; overflow-x: auto }
table { border-collapse: collapse; display: block; max-width: 100%; overflow-x: auto }
td, th { padding: .2rem .6rem; text-align: right; overflow-wrap: normal }
img, audio, svg { max-width: 100% }"""


def pages() -> list[Path]:
    """The tutorials, sorted by name; `index.md` is not one."""
    return [page for page in sorted(FOLDER.glob("*.md")) if page.stem != "index"]


def run(page: Path, folder: Path) -> str:
    """The text of a page with the outputs of this run.

    Args:
        page: a tutorial.
        folder: an empty folder, in which its code runs.
    """
    _copy_examples(folder)
    names: dict[str, object] = {"__name__": "__main__"}

    def replaced(match: re.Match[str]) -> str:
        code = match["code"]
        output = _python(code, names) if match["language"] == "python" else _shell(code)
        block = f"```{match['language']}\n{code}```\n"
        return f"{block}\n```text\n{output}```\n" if output else block

    with contextlib.chdir(folder):
        return BLOCK.sub(replaced, page.read_text("utf-8"))


def _copy_examples(folder: Path) -> None:
    for name, source in FILES.items():
        if name in NEEDS_DATA and not source.exists():
            continue
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)


def _python(code: str, names: dict[str, object]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<tutorial>", "exec"), names)
    return printed.getvalue()


def _shell(code: str) -> str:
    """What the commands of a block print, which begin with "$ "."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    outputs = []
    for line in code.splitlines():
        command = line.removeprefix("$ ")
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, env=environment, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{command!r} ended with {done.returncode}:\n{done.stderr}")
        outputs.append(done.stdout)
    return "".join(outputs)


def pictures(page: Path) -> list[str]:
    """The names of the pictures that a page shows."""
    return PICTURE.findall(page.read_text("utf-8"))


def notebook(page: Path) -> str:
    """A page as a Jupyter notebook, without outputs."""
    text = re.sub(r"\n```text\n.*?^```\n", "", page.read_text("utf-8"), flags=re.DOTALL | re.M)
    cells = [
        {"cell_type": kind, "metadata": {}, "source": source.splitlines(keepends=True)}
        | ({"execution_count": None, "outputs": []} if kind == "code" else {})
        for kind, source in _cells(text)
    ]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return _as_text({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4})


def _as_text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cells(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for match in BLOCK.finditer(text):
        yield "markdown", text[end : match.start()].strip()
        code = match["code"].strip()
        if match["language"] == "console":
            code = "\n".join("!" + line.removeprefix("$ ") for line in code.splitlines())
        yield "code", code
        end = match.end()
    if rest := text[end:].strip():
        yield "markdown", rest


def executed(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The notebook with the outputs of this run.

    Args:
        content: of nbformat 4.
        folder: an empty folder, in which it runs.
    """
    _copy_examples(folder)
    names: dict[str, object] = {"__name__": "__main__"}
    cells = []
    count = 0
    with contextlib.chdir(folder):
        for cell in content["cells"]:
            if cell["cell_type"] == "code":
                count += 1
                outputs = _outputs("".join(cell["source"]), names, count)
                cell = cell | {"execution_count": count, "outputs": outputs}
            cells.append(cell)
    return content | {"cells": cells}


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
        as_html = getattr(value, "_repr_html_", None)
        if as_html is not None:
            data["text/html"] = as_html().splitlines(keepends=True)
        outputs.append(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "metadata": {},
                "data": data,
            }
        )
    return outputs


def html_page(content: dict[str, Any]) -> str:
    """The notebook as one HTML page."""
    parts = []
    for cell in content["cells"]:
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


def read_results() -> dict[str, Any]:
    """The notebook of all results."""
    content: dict[str, Any] = json.loads(RESULTS.read_text("utf-8"))
    return content


def main(arguments: list[str]) -> None:
    chosen = [page for page in pages() if not arguments or page.stem in arguments]
    for page in chosen if "--notebooks" not in arguments else []:
        print(page.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            text = run(page, Path(folder))
            for name in pictures(page):
                shutil.copy(Path(folder) / name, FOLDER / name)
        page.write_text(text, "utf-8")
    if (not arguments and FILES["leaf.jpg"].exists()) or RESULTS.stem in arguments:
        with tempfile.TemporaryDirectory() as folder:
            RESULTS.write_text(_as_text(executed(read_results(), Path(folder))), "utf-8")
    for page in pages():
        page.with_suffix(".ipynb").write_text(notebook(page), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
