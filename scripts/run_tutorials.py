"""Run the tutorials in docs/tutorials, and write the outputs that they show.

python scripts/run_tutorials.py               # runs all pages and rewrites their outputs
python scripts/run_tutorials.py forecast      # one page
python scripts/run_tutorials.py --notebooks   # only writes docs/tutorials/*.ipynb, runs nothing

The blocks of a page run in order, in one namespace and an empty folder, which has the example
photos and sounds. A block of Python or of the shell is followed by a block of text with what it
printed. Pictures that a page shows are those that its code wrote under the same name.
"""

from __future__ import annotations

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
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
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


def pages() -> list[Path]:
    """The tutorials, sorted by name; `index.md` is not one."""
    return [page for page in sorted(FOLDER.glob("*.md")) if page.stem != "index"]


def run(page: Path, folder: Path) -> str:
    """The text of a page with the outputs of this run.

    Args:
        page: a tutorial.
        folder: an empty folder, in which its code runs.
    """
    for name, source in FILES.items():
        if name in NEEDS_DATA and not source.exists():
            continue
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    names: dict[str, object] = {"__name__": "__main__"}

    def replaced(match: re.Match[str]) -> str:
        code = match["code"]
        output = _python(code, names) if match["language"] == "python" else _shell(code)
        block = f"```{match['language']}\n{code}```\n"
        return f"{block}\n```text\n{output}```\n" if output else block

    with contextlib.chdir(folder):
        return BLOCK.sub(replaced, page.read_text("utf-8"))


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
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


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


def main(arguments: list[str]) -> None:
    chosen = [page for page in pages() if not arguments or page.stem in arguments]
    for page in chosen if "--notebooks" not in arguments else []:
        print(page.name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            text = run(page, Path(folder))
            for name in pictures(page):
                shutil.copy(Path(folder) / name, FOLDER / name)
        page.write_text(text, "utf-8")
    for page in pages():
        page.with_suffix(".ipynb").write_text(notebook(page), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
