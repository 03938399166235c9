"""The blocks of Python on the pages of docs/ run, but for those that are listed with a reason."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.test_reference import LEAF, SMEAR, checkpoint, visits

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
STAND_INS = {
    "mobilenet_v2": "efficientnet_lite0",
    "mobilenet_0.25_224": "efficientnet_lite0",
    "whisper_tiny": "digits_wavenet_asr",
    "hf://openai-community/gpt2": "shakespeare_gpt2",
    "roberta_base_squad2": "qa-model",
    "all_minilm_l6_v2": "sentence-model",
    "dog.jpg": "rocket.jpg",
}
"""What a block names -> what is there without a network, of the same task."""
NAMED = re.compile("|".join(f'"{re.escape(name)}"' for name in STAND_INS))
NETWORK = "needs the network or a service"
CALIBRATES = "calibrates for minutes; see tests/core/test_calibration.py"
TRAINS = "trains on data of the reader for minutes; tests/*/train train on small data"
FILES = (
    "needs files of other tools, whose readers are tested in tests/checkpoints or tests/training"
)
ELSEWHERE = "runs in a test of its own"
NOT_RUN = {
    "batch": {1: NETWORK},
    "detection": {1: TRAINS, 2: TRAINS},
    "engines": {1: CALIBRATES, 2: CALIBRATES},
    "export": dict.fromkeys(range(5), "exports; see tests/core/test_exporting.py"),
    "fine-tuning": dict.fromkeys(range(8), TRAINS),
    "forecasting": {0: TRAINS, 2: TRAINS, 3: NETWORK, 4: TRAINS},
    "generation": {3: TRAINS},
    "hub": {0: NETWORK, 1: NETWORK},
    "index": {0: TRAINS},
    "inputs": {1: "needs polars; see tests/core/test_table_inputs.py"},
    "moving-in": dict.fromkeys(range(6), ELSEWHERE),
    "picking": {0: TRAINS},
    "segmentation": {1: TRAINS},
    "serving": {0: NETWORK, 1: NETWORK, 2: NETWORK},
    "tasks": {0: ELSEWHERE, 1: ELSEWHERE},
    "text": {1: NETWORK, 4: TRAINS},
    "weights": {0: FILES, 1: FILES, 2: FILES, 3: NETWORK},
    "wrap": dict.fromkeys(range(4), FILES),
}
"""Page -> number of a block on it -> why it is not run here."""
MARKS = {
    "bundles": [pytest.mark.tensorflow],
    "detection": [pytest.mark.shared],
    "segmentation": [pytest.mark.shared],
    "sklearn": [pytest.mark.tensorflow],
}


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text("utf-8"))


def runnable(page: Path) -> Iterator[tuple[int, str]]:
    for number, code in enumerate(blocks(page)):
        if number not in NOT_RUN.get(page.stem, {}):
            yield number, NAMED.sub(lambda match: f'"{STAND_INS[match[0][1:-1]]}"', code)


PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if blocks(page)]
RUN = [
    pytest.param(page, id=page.stem, marks=MARKS.get(page.stem, []))
    for page in PAGES
    if list(runnable(page))
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's folder, with the files that the pages name."""
    import soundfile

    photos = ROOT / "examples" / "photos"
    for name in ("photos", "examples/photos"):
        shutil.copytree(photos, tmp_path / name)
    copies = {"cat": "cat cat1 cat2 a", "espresso": "espresso b", "rocket": "rocket dog1 dog2"}
    for source, names in copies.items():
        for name in names.split():
            shutil.copy(photos / f"{source}.jpg", tmp_path / f"{name}.jpg")
    (tmp_path / "labelled" / "tabby").mkdir(parents=True)
    shutil.copy(photos / "cat.jpg", tmp_path / "labelled" / "tabby")
    digits = ROOT / "docs" / "sounds" / "digits.flac"
    samples, rate = soundfile.read(digits)
    shutil.copy(digits, tmp_path / "talk.flac")
    soundfile.write(tmp_path / "number.wav", samples, rate)
    soundfile.write(tmp_path / "call.wav", np.stack([samples, samples[::-1]], 1), rate)
    visits(tmp_path / "visits.csv")
    (tmp_path / "reviews.csv").write_text("review\na delight\na waste of time\n")
    (tmp_path / "reviews.txt").write_text("a delight\na waste of time\n")
    (tmp_path / "held-out.txt").write_text("To be, or not to be: that is the question.\n" * 20)
    (tmp_path / "letter.txt").write_text("Ann lives in Paris.")
    (tmp_path / "notes.txt").write_text("a cat sleeps\nrent is due\nstocks fell\n")
    for name, source in (("qa-model", "question_answering"), ("sentence-model", "base")):
        checkpoint(f"bert_{source}")(tmp_path / name)
    monkeypatch.setenv("WARMSTART_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUN)
def test_the_blocks_of_a_page_run(page, folder, request):
    if page.stem in ("detection", "segmentation"):
        data = request.getfixturevalue("shared_data")
        (folder / "BCCD" / "JPEGImages").mkdir(parents=True)
        shutil.copy(data / SMEAR, folder / "BCCD" / "JPEGImages")
        shutil.copy(data / LEAF, folder / "leaf.jpg")
    microphone = np.array_split(np.zeros(8000, np.float32), 4)
    names: dict[str, Any] = {"__name__": "__main__", "microphone": microphone}
    for number, code in runnable(page):
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)


def test_blocks_that_are_not_run_exist():
    known = {page.stem: set(range(len(blocks(page)))) for page in PAGES}
    assert [page for page, numbers in NOT_RUN.items() if not numbers.keys() <= known[page]] == []
