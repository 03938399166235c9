"""The API reference: every public name has an example, and every example prints what it shows."""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import warmstart as ws

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "text"
SMEAR = "images/bccd/JPEGImages/BloodImage_00007.jpg"
LEAF = "images/coffee-leaves/test/images/1449.jpg"
NAMES = sorted(set(ws.__all__) - {"__version__"})
TRAINING = {"backbone", "finetune", "pick", "wrap"}
"""Names whose examples use Keras by themselves."""


def example_of(name: str) -> doctest.DocTest | None:
    """The example in the docstring of a public name; None where it has none."""
    documentation = inspect.getdoc(getattr(ws, name)) or ""
    example = doctest.DocTestParser().get_doctest(documentation, {}, name, None, None)
    return example if example.examples else None


def files_of(name: str) -> set[str]:
    """Which files and models made here an example names."""
    example = example_of(name)
    return {file for file in MADE if example and file in example.docstring}


def photo_classes(folder: Path) -> None:
    """Twelve pieces of each of two photos."""
    corners = np.random.default_rng(0).integers(0, 200, (2, 12, 2))
    for name, places in zip(("cat", "espresso"), corners, strict=True):
        (folder / name).mkdir(parents=True)
        with Image.open(ROOT / "examples" / "photos" / f"{name}.jpg") as photo:
            whole = photo.convert("RGB").resize((400, 400))
        for number, (x, y) in enumerate(places):
            whole.crop((x, y, x + 200, y + 200)).save(folder / name / f"{number}.jpg")


def visits(path: Path) -> None:
    """Six weeks of hourly visits."""
    import pandas as pd

    hours = pd.date_range("2024-03-04", periods=24 * 42, freq="h")
    busy = np.exp(-0.5 * ((hours.hour.to_numpy() - 14) / 4) ** 2)
    pd.DataFrame({"timestamp": hours, "visits": (40 + 400 * busy).round()}).to_csv(
        path, index=False
    )


def prices_model(folder: Path) -> None:
    """A Keras model of two named numbers."""
    import keras

    inputs = [keras.Input((1,), name=name) for name in ("area", "rooms")]
    price = keras.layers.Dense(1, name="price")(keras.layers.Concatenate()(inputs))
    ws.wrap(keras.Model(inputs, price), task="tensors", output=folder)


def checkpoint(name: str) -> Callable[[Path], object]:
    """A tiny one of tests/golden, with random weights."""
    return lambda folder: shutil.copytree(GOLDEN / name, folder)


MADE: dict[str, Callable[[Path], object]] = {
    "photos": lambda folder: shutil.copytree(ROOT / "examples" / "photos", folder),
    "classes": photo_classes,
    "digits.flac": lambda path: shutil.copy(ROOT / "docs" / "sounds" / "digits.flac", path),
    "visits.csv": visits,
    "ner-model": checkpoint("bert_token_classification"),
    "mask-model": checkpoint("bert_fill_mask"),
    "qa-model": checkpoint("bert_question_answering"),
    "sentence-model": checkpoint("bert_base"),
    "prices-model": prices_model,
    "smear.jpg": lambda path: None,
    "leaf.jpg": lambda path: None,
}
"""What examples name -> what makes it; the photos of the last two are real data."""


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    needed = files_of(name)
    marks = [pytest.mark.shared] if needed & {"smear.jpg", "leaf.jpg"} else []
    if name in TRAINING or any(file.endswith("-model") for file in needed):
        marks.append(pytest.mark.tensorflow)
    return marks


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("reference")


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks_of(n), id=n) for n in NAMES])
def test_examples_print_what_they_show(folder, monkeypatch, request, name):
    monkeypatch.chdir(folder)
    needed = files_of(name)
    if needed & {"smear.jpg", "leaf.jpg"}:
        data = request.getfixturevalue("shared_data")
        shutil.copy(data / SMEAR, "smear.jpg")
        shutil.copy(data / LEAF, "leaf.jpg")
    for file in needed:
        if not Path(file).exists():
            MADE[file](Path(file))
    example = example_of(name)
    assert example is not None
    example.globs = {"ws": ws, "np": np}
    if name in TRAINING:
        import keras

        example.globs["keras"] = keras
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not result.failed, "".join(report)


def test_every_public_name_has_an_example():
    assert [name for name in NAMES if example_of(name) is None] == []


def test_every_public_function_names_its_arguments_results_and_errors():
    functions = [name for name in NAMES if inspect.isroutine(getattr(ws, name))]
    for name in functions:
        function, documentation = getattr(ws, name), inspect.getdoc(getattr(ws, name)) or ""
        arguments = documentation.partition("Args:")[2].partition("\n\n")[0]
        parameters = inspect.signature(function).parameters
        assert [one for one in parameters if one not in arguments] == [], name
        assert "Returns:" in documentation, name
