"""Bundles whose JSON files were edited: they work, or an error of this package says what is wrong."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.photos import CIFAR

import warmstart as ws
from warmstart.errors import BundleError, WarmstartError

EMBEDDED = Path(ws.__file__).parent / "embedded"
FILES = ("warmstart.json", "labels.json", "artifacts/float32/artifact.json")
NOISE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
BUNDLES: dict[Path, Any] = {
    CIFAR: NOISE,
    EMBEDDED / "bccd_fcos": NOISE,
    EMBEDDED / "leaf_deeplabv3": NOISE,
    EMBEDDED / "sst2_bert_tiny": "a moving film",
    EMBEDDED / "shakespeare_gpt2": "ROMEO:",
    EMBEDDED / "digits_wavenet_asr": np.sin(np.arange(4000, dtype=np.float32)),
    EMBEDDED / "digits_wavenet": "one",
    EMBEDDED / "deepar": [float(n % 7) for n in range(90)],
}
"""Bundles, and an input of each."""
REPLACEMENTS = (None, {}, [], [None], {"a": 1}, 0, -1, 3, 10**6, 0.5, "", "text", True)
EXAMPLES = int(os.environ.get("WARMSTART_EDITS", "25"))
pytestmark = pytest.mark.filterwarnings("ignore")  # about licences and lengths of texts


def keys(value: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON value; of long lists, those of the first three items."""
    yield inside
    items: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value[:3])
    for key, item in items:
        yield from keys(item, (*inside, key))


def edited(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    """The value with one replacement at a path; `...` deletes."""
    if not path:
        return None if change is ... else change
    value = copy.deepcopy(value)
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if change is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = change
    return value


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> dict[Path, Path]:
    """The copy of each bundle, whose JSON files may be edited."""
    root = tmp_path_factory.mktemp("bundles")
    return {source: Path(shutil.copytree(source, root / source.name)) for source in BUNDLES}


@pytest.fixture(scope="module", autouse=True)
def nothing_is_compiled() -> Iterator[None]:
    """Where the program is refused, the model would be compiled from its weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warmstart.core.compiling.COMPILER", ("/bin/false",))
        yield


def use(folder: Path, value: Any) -> None:
    """Load a bundle, and answer one input."""
    model = ws.load(folder, engine="litert")
    if model.task == "text-generation":
        model(value, max_new_tokens=2)
    elif model.task == "forecasting":
        model(value, horizon=2, samples=4)
    elif model.task == "audio-generation":
        model(value, seconds=0.1)
    else:
        model(value)


@pytest.mark.fault(
    "bundle", "any value of its JSON files is deleted or replaced", "a typed error, or an answer"
)
@pytest.mark.parametrize("source", BUNDLES, ids=lambda source: source.name)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_an_edited_bundle_works_or_says_what_is_wrong(copies, source, data):
    folder = copies[source]
    name = data.draw(st.sampled_from([one for one in FILES if (folder / one).is_file()]))
    content = json.loads((source / name).read_text("utf-8"))
    path = data.draw(st.sampled_from(list(keys(content))))
    change = data.draw(st.sampled_from((..., *REPLACEMENTS)))
    (folder / name).write_text(json.dumps(edited(content, path, change)), "utf-8")
    try:
        use(folder, BUNDLES[source])
    except WarmstartError as error:
        message = str(error)
    else:
        message = "it works"
    finally:
        shutil.copyfile(source / name, folder / name)
    assert message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("source", "path", "change", "message"),
    [
        (CIFAR, ("entry", "preprocessing"), None, "needs entry.preprocessing, not null"),
        (CIFAR, ("entry", "task"), {}, "task must be a string, not an object"),
        (CIFAR, ("entry", "licence"), {}, "licence must be a string, not an object"),
        (CIFAR, ("entry",), 3, "entry must be an object, not 3"),
        (CIFAR, ("sha256",), [], "sha256 must be an object, not a list"),
        (CIFAR, ("sha256",), {}, "sha256 names no file of weights"),
        (CIFAR, ("format",), ..., "bundle format None"),
        (
            EMBEDDED / "sst2_bert_tiny",
            ("entry", "processing", "max_length"),
            "long",
            "entry.processing.max_length must be an integer, not the string 'long'",
        ),
        (
            EMBEDDED / "shakespeare_gpt2",
            ("entry", "config", "vocab_size"),
            [],
            "entry.config.vocab_size must be an integer, not a list",
        ),
    ],
)
def test_the_file_and_the_field_are_named(copies, source, path, change, message):
    folder = copies[source]
    content = json.loads((source / "warmstart.json").read_text("utf-8"))
    (folder / "warmstart.json").write_text(json.dumps(edited(content, path, change)), "utf-8")
    try:
        with pytest.raises(BundleError) as caught:
            ws.load(folder)
    finally:
        shutil.copyfile(source / "warmstart.json", folder / "warmstart.json")
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_program_without_functions_is_refused(copies):
    folder = copies[CIFAR]
    name = "artifacts/float32/artifact.json"
    content = json.loads((CIFAR / name).read_text("utf-8"))
    (folder / name).write_text(json.dumps(content | {"signatures": {}}), "utf-8")
    try:
        with pytest.raises(BundleError, match="the program has no function"):
            ws.load(folder)
    finally:
        shutil.copyfile(CIFAR / name, folder / name)


@pytest.mark.parametrize("content", ["{}", "[]", '{"history": 3}', '{"history": [1]}', "{"])
def test_a_damaged_record_of_training(copies, content):
    path = copies[CIFAR] / "training.json"
    path.write_text(content)
    try:
        model = ws.load(copies[CIFAR])
        with pytest.raises(BundleError, match=r"training\.json"):
            model.history  # noqa: B018 (is read)
    finally:
        path.unlink()
