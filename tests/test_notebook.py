"""docs/results.ipynb: its cells run, and every result shows itself."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("tutorials", ROOT / "scripts" / "run_tutorials.py")
assert SPEC
assert SPEC.loader
tutorials = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tutorials)
NUMBER = r"-?\d+(?:\.\d+)?"
SHOWN = {
    "cat.jpg": "<table>",
    "stream(": "3 results",
    "bccd_fcos": "<img ",
    "leaf_deeplabv3": "<img ",
    "sst2_bert_tiny": "negative",
    "pandas": "positive",
    "evaluate(": "precision",
    "search(": "photos/cat.jpg",
    "shakespeare_gpt2": "ROMEO:",
    "digits_wavenet": "<audio ",
    "digits_wavenet_asr": "seven",
    "deepar": "<img ",
    "list_models(": "Apache-2.0",
}
"""Part of the code of a cell -> part of what it shows."""


def cells(content):
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def html(cell):
    (output,) = [one for one in cell["outputs"] if one["output_type"] == "execute_result"]
    return "".join(output["data"]["text/html"])


def parts(cell):
    """The words and the numbers of what a cell prints, and the words of its HTML without pictures."""
    text = "".join(cell["outputs"][-1]["data"]["text/plain"])
    words = re.sub(r"data:[^\"]+|" + NUMBER, "#", html(cell))
    return re.sub(NUMBER, "#", text), words, [float(one) for one in re.findall(NUMBER, text)]


@pytest.mark.shared
def test_every_cell_shows_its_result_as_the_notebook_does(tmp_path):
    pytest.importorskip("pandas")
    stored = tutorials.read_results()
    fresh = tutorials.executed(stored, tmp_path)
    assert len(cells(fresh)) == len(SHOWN)
    for cell, old, (code, shown) in zip(cells(fresh), cells(stored), SHOWN.items(), strict=True):
        assert code in "".join(cell["source"])
        assert shown in html(cell)
        assert shown in html(old)
        words, shown_words, numbers = zip(*(parts(one) for one in (cell, old)), strict=True)
        assert words[0] == words[1], code
        assert shown_words[0] == shown_words[1], code
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-3), code  # processors round apart


def test_the_page_of_the_notebook_shows_all_cells():
    page = tutorials.html_page(tutorials.read_results())
    assert page.count("<img ") == 3
    assert page.count("<audio ") == 1
