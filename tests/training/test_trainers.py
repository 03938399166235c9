"""What every fine-tuning promises: options checked first, one vocabulary, the same things on the
terminal.
"""

import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.core.options import fields_of
from warmstart.core.task import TASKS as RECORDS
from warmstart.core.task import task_of
from warmstart.errors import UsageError
from warmstart.training.options import TrainOptions

TEXT = Path(__file__).parents[1] / "golden" / "text"
GPT2 = Path(__file__).parents[1] / "golden" / "gpt2" / "plain"
TASKS = sorted(name for name, task in RECORDS.items() if task.trainer)
SHARED = tuple(fields_of(TrainOptions))
OTHER_DEFAULTS = {
    "image-classification": {"patience"},
    "object-detection": {"epochs", "batch_size"},
    "image-segmentation": {"epochs", "batch_size"},
    "text-classification": {"epochs"},
    "token-classification": {"epochs"},
    "question-answering": {"epochs"},
    "fill-mask": {"epochs"},
    "text-embedding": {"epochs", "batch_size"},
    "text-generation": {"epochs", "batch_size", "validation"},
    "speech-recognition": {"epochs", "batch_size"},
    "forecasting": {"epochs", "batch_size", "patience"},
}
"""Each has its reason beside it in the options class."""


@pytest.mark.parametrize("task", TASKS)
def test_one_vocabulary_with_the_same_defaults(task):
    own, shared = fields_of(task_of(task).train_options_class()), fields_of(TrainOptions)
    assert set(shared) <= set(own)
    different = {name for name in shared if own[name].default != shared[name].default}
    assert different == OTHER_DEFAULTS[task]
    assert all(field.option.help for field in own.values())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("options", "words"), [
    ({"zest": "red"}, "has no option 'zest'. Its options are epochs"), ({"epochs": "3"}, "epochs must be an integer"),
    ({"epochs": -1}, "epochs must be"), ({"batch_size": 0}, "batch_size must be 1 or more"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0"), ({"seed": 1.5}, "seed must be an integer"),
    ({"verbose": "yes"}, "verbose must be true or false"), ({"callbacks": 3}, "callbacks must be a list"),
    ({"patience": 0}, "patience must be 1 or more"), ({"validation": 1.5}, "validation must be"),
    ({"learning_rate": 0.1, "optimizer": "sgd"}, "pass one of the two"),
])  # fmt: skip
def test_options_are_checked_before_any_work(task, options, words):
    """There is neither such a base nor such data."""
    with pytest.raises(UsageError, match=words):
        ws.finetune("no-such-model", "no/such/data", task=task, **options)


@pytest.mark.parametrize("task", TASKS)
def test_the_output_folder_is_checked_before_any_work(task, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is not empty and contains no unfinished run"):
        ws.finetune("no-such-model", [], task=task, output=tmp_path)


@pytest.mark.parametrize("options", [{"freeze": "layer 7"}, {"freeze": 999}])
def test_a_wrong_freeze_leaves_the_folder_free(options, tmp_path):
    examples = [(word, label) for word, label in zip("abcdefgh", "xy" * 4, strict=True)]
    with pytest.raises(UsageError, match="freeze must be"):
        ws.finetune(
            TEXT / "bert_fill_mask",
            examples,
            task="text-classification",
            output=tmp_path / "out",
            **options,
        )
    assert not list((tmp_path / "out").rglob("*.json"))


def test_a_task_without_fine_tuning_is_refused_before_any_work():
    with pytest.raises(UsageError, match="no fine-tuning for 'audio-generation'"):
        ws.finetune("no-such-model", "no/such/data", task="audio-generation")


def test_options_are_known_without_tensorflow():
    code = (
        "import sys\nfrom warmstart.training import finetune  # noqa\n"
        "from warmstart.core.task import TASKS\n"
        "print(len({task.train_options_class() for task in TASKS.values() if task.trainer}))\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 7


def reviews(count: int) -> list[tuple[str, str]]:
    draw = random.Random(0)
    return [
        (f"the film {draw.choice(['ann', 'bob'])} is {word}", label)
        for word, label in (draw.choice([("good", "pos"), ("bad", "neg")]) for _ in range(count))
    ]


def sentences() -> list:
    return [
        ((name, "lives", "in", place), ("B-PER", "O", "O", "B-LOC"))
        for name in ("ann", "bob", "bobby")
        for place in ("paris", "york")
    ]


def questions() -> list:
    return [
        ("who lives ?", f"{name} lives in {place} .", ((name, 0),))
        for name in ("ann", "bob")
        for place in ("paris", "york", "new york")
    ]


def photos(count: int = 12) -> list[tuple[np.ndarray, str]]:
    draw = np.random.default_rng(0)
    return [
        (draw.integers(0, 120, (32, 32, 3)).astype(np.uint8) + 120 * (n % 2), "ab"[n % 2])
        for n in range(count)
    ]


def boxes(folder: Path) -> list:
    from PIL import Image

    rows = []
    for n, (picture, label) in enumerate(photos(6)):
        Image.fromarray(picture).resize((64, 64)).save(folder / f"{n}.png")
        rows.append((folder / f"{n}.png", [(label, 8, 8, 40, 40)]))
    return rows


def masks(folder: Path) -> list:
    return [(path, np.eye(64, dtype=np.uint8)) for path, _ in boxes(folder)]


def recognizer():
    from warmstart.catalog import Entry
    from warmstart.core.weights import Weights

    config = {
        "features": 10,
        "symbols": 3,
        "channels": 8,
        "blocks": 1,
        "dilations": [1],
        "filter_width": 3,
    }
    rules = {
        "sample_rate": 8000,
        "n_fft": 256,
        "hop": 160,
        "mels": 20,
        "coefficients": 10,
        "mean": [-200.0] + [0.0] * 9,
        "std": [100.0] + [30.0] * 9,
    }
    entry = Entry(
        name="tones",
        task="speech-recognition",
        family="wavenet",
        title="Tones",
        architecture="wavenet_asr",
        config=config,
        weights={},
        preprocessing=None,
        labels="",
        licence="Apache-2.0",
        parameters=1,
        gflops=None,
        min_size=0,
        metrics=(),
        paper="",
        processing={"features": rules, "alphabet": " ab", "padding": 0.1, "language": "en"},
    )
    return ws.SpeechRecognizer(entry, Weights.random(), (), engine="keras")


def recordings() -> list:
    draw = np.random.default_rng(0)
    return [
        ((draw.normal(0, 0.1, 8000).astype(np.float32), 8000), text)
        for text in ("a", "b", "ab", "ba")
    ]


def series():
    import pandas as pd

    values = 3 + np.sin(np.arange(72) / 24 * 2 * np.pi)
    return pd.DataFrame(
        {"a": values, "b": 10 * values}, pd.date_range("2024-01-01", periods=72, freq="h")
    )


def small_run(task: str, folder: Path) -> tuple:
    """(base, data, options) of a run of seconds."""
    bert = TEXT / "bert_fill_mask"
    size = {"image_size": 64, "width": 8}
    mobilenet = "mobilenet_0.25_128"
    return {
        "image-classification": lambda: (CIFAR, photos(), {"freeze": "backbone", "augment": False}),
        "object-detection": lambda: (
            ws.load(mobilenet, weights=None),
            boxes(folder),
            {**size, "depth": 1},
        ),
        "image-segmentation": lambda: (ws.load(mobilenet, weights=None), masks(folder), size),
        "text-classification": lambda: (bert, reviews(12), {}),
        "token-classification": lambda: (bert, sentences(), {}),
        "question-answering": lambda: (bert, questions(), {}),
        "fill-mask": lambda: (bert, [text for text, _ in reviews(12)], {}),
        "text-embedding": lambda: (bert, [(text, f"ann {text}") for text, _ in reviews(12)], {}),
        "text-generation": lambda: (GPT2, ["The cat sat on the mat. " * 40], {"context": 16}),
        "speech-recognition": lambda: (recognizer(), recordings(), {}),
        "forecasting": lambda: (
            "deepar",
            series(),
            {"horizon": 4, "context": 8, "batches_per_epoch": 2, "hidden": 4, "layers": 1},
        ),
    }[task]()


@pytest.mark.tensorflow
@pytest.mark.parametrize("task", TASKS)
def test_the_terminal_and_the_report_show_the_same_things(task, tmp_path, capsys, unwritten):
    base, data, options = small_run(task, tmp_path)
    ws.finetune(base, data, task=task, epochs=1, output=tmp_path / "out", **options)
    output = capsys.readouterr().err
    pieces = [
        r"^\S.*; [\d,]+ to train on, [\d,]+ to validate$",
        r"^result: ",
        r"^written: .*out.*report.html",
        r"^  warmstart [\w-]+ .* --model \S*out$",
        r"^  ws\.load\('.*out'\)$",
    ]
    found = [re.search(piece, output, re.MULTILINE) for piece in pieces]
    assert all(found), f"{pieces[found.index(None)]} is not in\n{output}"
    assert [match.start() for match in found] == sorted(match.start() for match in found)
    # Of images phase 1 is solved, not trained in epochs; a language model is measured before
    # training.
    progress = "^head: " if task == "image-classification" else "^[a-z]+: epoch 1/1, "
    assert re.search(progress, output, re.MULTILINE)
    assert re.search("^baseline: |before training", output, re.MULTILINE)
    for title in ("Data", "Curves", "Settings", "Use it", "Made by"):
        assert f"<h2>{title}</h2>" in unwritten.report
    assert re.search("Baseline: |before training", unwritten.report)
    assert unwritten.entry.task == task
    assert unwritten.entry.metrics


@pytest.mark.tensorflow
def test_nothing_is_shown_unless_verbose(tmp_path, capsys, unwritten):
    base, data, options = small_run("text-classification", tmp_path)
    ws.finetune(
        base, data, task="text-classification", epochs=1, verbose=False, name="reviews", **options
    )
    shown = capsys.readouterr()
    assert "train" not in shown.out + shown.err
    assert "epoch" not in shown.err
    assert unwritten.entry.name == "reviews"
