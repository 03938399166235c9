"""The API reference: every public name and member is documented, typed and shown in an example, and
every example prints what it shows.
"""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import re
import shutil
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import warmstart as ws

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
assert SPEC
assert SPEC.loader
make_docs = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make_docs)
GOLDEN = ROOT / "tests" / "golden" / "text"
SMEAR = "images/bccd/JPEGImages/BloodImage_00007.jpg"
LEAF = "images/coffee-leaves/test/images/1449.jpg"
NAMES = sorted(set(ws.__all__) - {"__version__"})
MEMBERS = {
    f"{name}.{member}": function
    for name in NAMES
    if inspect.isclass(getattr(ws, name))
    for member, function in make_docs.documented(name).items()
}
"""Those that the reference shows, with their functions."""
TRAINING = {"backbone", "finetune", "pick", "wrap"}
"""Names whose examples use Keras by themselves."""
NEED_NETWORK = {"Model.push_to_hub"}
"""Members without an example that could run here."""
WITH_ANY = re.compile(r"\b(Model|NDArray|np\.integer|pd\.Series|pd\.Index)\[Any(, Any)*\]")
"""Any model, any array: not an untyped value."""


def documentation_of(name: str) -> str:
    """The docstring of a public name or of a member."""
    value = MEMBERS[name] if name in MEMBERS else getattr(ws, name)
    return inspect.getdoc(value) or ""


def example_of(name: str) -> doctest.DocTest | None:
    """The example in the docstring of a public name or member; None where it has none."""
    parser = doctest.DocTestParser()
    example = parser.get_doctest(documentation_of(name), {}, name, None, None)
    return example if example.examples else None


def code_of(name: str) -> str:
    """What the example of a name runs."""
    example = example_of(name)
    return "".join(one.source for one in example.examples) if example else ""


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


RUN = [*NAMES, *(name for name in MEMBERS if example_of(name))]


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    needed = files_of(name)
    marks = [pytest.mark.shared] if needed & {"smear.jpg", "leaf.jpg"} else []
    if name in TRAINING or any(file.endswith("-model") for file in needed):
        marks.append(pytest.mark.tensorflow)
    return marks


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("reference")


@pytest.mark.parametrize("name", [pytest.param(n, marks=marks_of(n), id=n) for n in RUN])
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


def test_every_member_is_documented_and_is_part_of_an_example():
    undocumented = [name for name in MEMBERS if not documentation_of(name)]
    assert undocumented == []
    used = {}
    for owner in RUN:
        value, code = getattr(ws, owner.partition(".")[0]), code_of(owner)
        members = make_docs.user_members(value) if inspect.isclass(value) else everywhere()
        for member, function in members.items():
            if re.search(rf"\.{member}\b", code):
                used[function] = owner
    names = {function.__name__ for function in used}
    without = {
        name
        for name, function in MEMBERS.items()
        if function not in used
        and not example_of(name)
        and function.__name__ not in make_docs.CALLS & names
        and function.__name__ != "__call__"
    }
    assert without == NEED_NETWORK


def everywhere() -> dict[str, Callable[..., Any]]:
    """The members of all models: what functions return."""
    return make_docs.user_members(ws.Model)


def test_hooks_that_the_reference_leaves_out_exist():
    models = {name for each in NAMES for name in dir(getattr(ws, each))}
    hooks = {*make_docs.HOOKS_OF_MODELS.split(), *make_docs.OTHER_HOOKS.split()}
    assert hooks - models == set()


def annotations_of(function: Callable[..., Any]) -> list[str]:
    """The types of parameters and of the result; of overloads where there are some."""
    shown = []
    for each in typing.get_overloads(inspect.unwrap(function)) or [function]:
        signature = inspect.signature(each)
        types = [
            one.annotation
            for one in signature.parameters.values()
            if one.name not in ("self", "cls")
        ]
        shown += [str(one) for one in (*types, signature.return_annotation)]
    return shown


def test_no_public_signature_has_any():
    functions = {name: getattr(ws, name) for name in NAMES}
    functions = {name: one for name, one in functions.items() if inspect.isroutine(one)} | MEMBERS
    untyped = {}
    for name, function in functions.items():
        types = [WITH_ANY.sub("", one) for one in annotations_of(function)]
        if bad := [one for one in types if re.search(r"\b(Any|_empty)\b", one)]:
            untyped[name] = bad
    assert untyped == {}


def test_no_public_attribute_has_any():
    untyped = [
        f"{name}.{attribute}: {annotation}"
        for name in NAMES
        if inspect.isclass(getattr(ws, name))
        for attribute, annotation in inspect.get_annotations(getattr(ws, name)).items()
        if not attribute.startswith("_")
        and "ClassVar" not in str(annotation)
        and re.search(r"\bAny\b", WITH_ANY.sub("", str(annotation)))
    ]
    assert untyped == []


def test_every_public_function_names_its_arguments_results_and_errors():
    functions = [name for name in NAMES if inspect.isroutine(getattr(ws, name))]
    for name in functions:
        function, documentation = getattr(ws, name), inspect.getdoc(getattr(ws, name)) or ""
        arguments = documentation.partition("Args:")[2].partition("\n\n")[0]
        parameters = inspect.signature(function).parameters
        assert [one for one in parameters if one not in arguments] == [], name
        assert "Returns:" in documentation, name
