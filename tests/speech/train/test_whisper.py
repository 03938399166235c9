"""Fine-tuning a tiny Whisper with random weights on two tones: low is "can", high is "over"."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stderr
from html import unescape
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import UsageError
from warmstart.speech.mel_windows import RATE

pytestmark = pytest.mark.tensorflow
GOLDEN = Path(__file__).parents[2] / "golden" / "whisper"
OPTIONS = {
    "epochs": 5,
    "learning_rate": 2e-2,
    "batch_size": 4,
    "validation": 0.25,
    "augment": False,
    "language": "English",
    "verbose": False,
}


def tone(random, text):
    t = np.arange(round(RATE * random.uniform(0.5, 0.9))) / RATE
    pitch = {"can": 400.0, "over": 2500.0}[text] * random.uniform(0.9, 1.1)
    return (0.3 * np.sin(2 * np.pi * pitch * t)).astype(np.float32)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return [((tone(random, text), RATE), text) for text in ("can", "over") * 16]


@pytest.fixture(scope="module")
def tuned(data, tmp_path_factory):
    return ws.finetune(GOLDEN, data, output=tmp_path_factory.mktemp("tuned") / "out", **OPTIONS)


def test_it_learns_texts_and_the_bundle_answers_as_training_measured(tuned, data):
    before, *epochs = tuned.history
    assert before["epoch"] == 0
    assert before["val_wer_normalized"] > 0.9
    rates = {metric.name: metric.value for metric in tuned.entry.metrics}
    assert rates["wer_normalized"] == min(one["val_wer_normalized"] for one in epochs)
    assert rates["wer_normalized"] < 0.2
    assert tuned.entry.processing["language"] == "en"
    random = np.random.default_rng(7)
    for text in ("can", "over", "over"):
        for timestamps in (True, False):
            result = tuned((tone(random, text), RATE), timestamps=timestamps, temperature=0.0)
            assert (result.text, result.language) == (text, "en")


def test_the_bundle_answers_without_tensorflow(tuned, tmp_path):
    code = (
        "import sys, numpy as np, warmstart as ws\n"
        f"model = ws.load({str(tuned.report().parent)!r})\n"
        "model((np.full(16000, 0.1, np.float32), 16000))\n"
        "assert not {'tensorflow', 'keras', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_killed_and_started_again_it_ends_the_same(data, tuned, tmp_path):
    import keras

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ws.finetune(GOLDEN, data, output=tmp_path / "out", callbacks=[Killed()], **OPTIONS)
    again = ws.finetune(GOLDEN, data, output=tmp_path / "out", **OPTIONS)
    for ours, theirs in zip(again.history, tuned.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}


@pytest.fixture(scope="module")
def damaged(data, tmp_path_factory):
    """A run on six usable recordings and on others, with a frozen encoder: (model, folder, what it
    printed).
    """
    folder = tmp_path_factory.mktemp("damaged")
    long = (np.zeros(RATE * 4, np.float32), RATE)
    mixed = [
        *data[:6],
        (data[3][0], "over ("),
        (long, "can"),
        (data[0][0], "can " * 60),
        (data[0][0], "  "),
    ]
    (folder / "no.wav").write_bytes(b"no sound")
    mixed += [(folder / name, "can") for name in ("no.wav", "nowhere.wav")]
    options = {**OPTIONS, "language": None, "epochs": 1, "verbose": True, "augment": True}
    options |= {"validation": 0}  # so that the trained weights are the result
    with redirect_stderr(StringIO()) as printed:
        model = ws.finetune(GOLDEN, mixed, freeze="encoder", output=folder / "out", **options)
    return model, folder / "out", printed.getvalue()


def test_a_frozen_encoder_stays_and_the_language_is_detected(damaged):
    model, _, printed = damaged
    assert "detected in" in printed
    old, new = ws.load(GOLDEN).keras, model.keras
    moved = {
        name
        for name, layer in old.parts.items()
        for a, b in zip(layer.weights, new.parts[name].weights, strict=True)
        if not np.array_equal(a.numpy(), b.numpy())
    }
    assert moved
    assert moved <= {name for name in old.parts if name.startswith("decoder")}


def test_what_cannot_be_learned_is_named(damaged):
    _, folder, _ = damaged
    left_out = json.loads((folder / "training.json").read_text())["left_out"]
    reasons = " / ".join(reason for _, reason in left_out)
    assert "longer than 3 s" in reasons
    assert "has a text of" in reasons
    assert "is not a recording" in reasons
    assert len(left_out) == 4
    report = (folder / "report.html").read_text()
    assert "excludes: '('" in unescape(report)
    assert "has no text" in unescape(report)


def test_an_unknown_language_is_refused(data):
    with pytest.raises(UsageError, match="no language 'Klingon'"):
        ws.finetune(GOLDEN, data, language="Klingon", verbose=False)
