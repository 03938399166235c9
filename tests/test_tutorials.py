"""The tutorials: their code runs, and prints what the pages show."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("tutorials", ROOT / "scripts" / "run_tutorials.py")
assert SPEC
assert SPEC.loader
tutorials = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tutorials)

MARKS = {
    "detect": [pytest.mark.shared],
    "keras": [pytest.mark.tensorflow],
    "own-classes": [pytest.mark.tensorflow],
    "sentiment": [pytest.mark.tensorflow],
}
PAGES = [
    pytest.param(page, id=page.stem, marks=MARKS.get(page.stem, [])) for page in tutorials.pages()
]


@pytest.mark.parametrize("page", PAGES)
def test_a_tutorial_prints_what_it_shows(page, tmp_path):
    assert tutorials.run(page, tmp_path) == page.read_text("utf-8")
    for name in tutorials.pictures(page):
        assert (tmp_path / name).stat().st_size > 1000, name


@pytest.mark.parametrize("page", tutorials.pages(), ids=lambda page: page.stem)
def test_the_notebook_of_a_tutorial_is_current(page):
    assert page.with_suffix(".ipynb").read_text("utf-8") == tutorials.notebook(page)


def test_a_changed_output_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", "utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    assert tutorials.run(page, folder) == page.read_text("utf-8").replace("3", "2")
    assert str(folder) not in sys.path
