"""Fine-tuning a recognizer on a language of two tones: "a" is low, "b" is high."""

import json

import numpy as np
import pytest
from tests.photos import CIFAR

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.errors import UsageError

RATE = 8000
pytestmark = pytest.mark.tensorflow
OPTIONS = {
    "epochs": 20,
    "learning_rate": 1e-2,
    "batch_size": 4,
    "seed": 3,
    "verbose": False,
    "validation": 0.2,
}


def spoken(random, said):
    tones = {"a": 500.0, "b": 1500.0}
    parts = [np.zeros(400)]
    for character in said:
        t = np.arange(int(RATE * random.uniform(0.08, 0.12))) / RATE
        sound = (
            0.0 * t
            if character == " "
            else np.sin(2 * np.pi * tones[character] * t) * np.hanning(len(t))
        )
        parts += [random.uniform(0.1, 0.5) * sound, np.zeros(160)]
    return np.concatenate([*parts, np.zeros(400)]).astype(np.float32)


@pytest.fixture(scope="module")
def base():
    """Random weights, and an alphabet without the "b"."""
    from warmstart.core.compiling import Weights
    from warmstart.speech.recognition import SpeechRecognizer

    config = {
        "features": 10,
        "symbols": 3,
        "channels": 24,
        "blocks": 1,
        "dilations": [1, 2],
        "filter_width": 3,
    }
    rules = {
        "sample_rate": RATE,
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
        processing={"features": rules, "alphabet": " a", "padding": 0.1, "language": "en"},
    )
    return SpeechRecognizer(entry, Weights.random(), (), engine="keras")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty recordings in files, and five that cannot be learned from."""
    import soundfile

    folder, random = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    rows = []
    for n in range(40):
        said = ("a", "b", "ab", "ba")[n % 4]
        soundfile.write(folder / f"{n}.wav", spoken(random, said), RATE)
        rows.append({"audio": f"{n}.wav", "text": said.upper() + "."})
    soundfile.write(folder / "short.wav", spoken(random, "a")[:800], RATE)
    soundfile.write(folder / "long.wav", np.zeros(RATE * 7, np.float32), RATE)
    (folder / "picture.wav").write_bytes(b"\xff\xd8\xff\xe0 no sound")
    rows += [
        {"audio": "short.wav", "text": "ab ab ab ab"},
        {"audio": "long.wav", "text": "a"},
        {"audio": "picture.wav", "text": "a"},
        {"audio": "nowhere.wav", "text": "a"},
        {"audio": "0.wav", "text": "…"},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def learned(base, folder, tmp_path_factory):
    return ws.finetune(base, folder, output=tmp_path_factory.mktemp("tuned") / "out", **OPTIONS)


def test_it_learns_to_hear(learned):
    rates = {metric.name: metric.value for metric in learned.entry.metrics}
    assert learned.history[0]["val_cer"] > 0.4
    assert rates["cer"] < 0.2
    random = np.random.default_rng(7)
    wants = ["ab", "b", "a", "ba"]
    heard = learned.evaluate([((spoken(random, want), RATE), want) for want in wants])
    assert heard["count"] == 4
    assert heard["cer"] < 0.3
    assert learned.entry.processing["alphabet"] == " ab"
    assert learned.entry.config["symbols"] == 4


def test_what_does_not_fit_its_text_is_left_out_and_listed(learned):
    told = json.loads((learned.report().parent / "training.json").read_text())
    assert {
        name.rpartition("/")[2]: reason.partition(":")[0] for name, reason in told["left_out"]
    } == {
        "short.wav": "is shorter than its text allows",
        "long.wav": "is longer than its text allows",
        "picture.wav": "is not a recording that can be read (WAV, FLAC, OGG, MP3, AIFF)",
        "nowhere.wav": told["left_out"][3][1].partition(":")[0],
        "0.wav": "has no text",
    }
    assert "shorter than its text allows" in learned.report().read_text()
    assert told["examples"] == {"train": 32, "validation": 8}


def test_killed_and_started_again_it_ends_the_same(base, folder, learned, tmp_path):
    import keras

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ws.finetune(base, folder, output=tmp_path / "out", callbacks=[Killed()], **OPTIONS)
    assert json.loads((tmp_path / "out/training/fit.json").read_text())["epoch"] == 3
    again = ws.finetune(base, folder, output=tmp_path / "out", **OPTIONS)
    for ours, theirs in zip(again.history, learned.history, strict=True):
        assert {**ours, "seconds": 0} == {**theirs, "seconds": 0}
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune(base, folder, output=tmp_path / "out", **{**OPTIONS, "epochs": 5})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"freeze": 9}, "up to 2"),
        ({"freeze": "some"}, "freeze must be"),
        ({"epochs": 0}, "epochs"),
        ({"validation": 1.5}, "fraction"),
        ({"rate": 1}, "no option 'rate'"),
    ],
)
def test_options_are_checked(base, options, words):
    data = [((spoken(np.random.default_rng(n), "ab a"), RATE), "ab a") for n in range(3)]
    with pytest.raises(UsageError, match=words):
        ws.finetune(base, data, **{"verbose": False, **options})
    with pytest.raises(
        UsageError, match="No recording can be used for training: recording 1: has no text"
    ):
        ws.finetune(base, [(data[0][0], "…")], verbose=False)


def test_only_wavenets_are_fine_tuned(base):
    with pytest.raises(
        UsageError, match="is a model for image-classification, not speech-recognition"
    ):
        ws.finetune(CIFAR, [], task="speech-recognition")


def test_frozen_layers_and_batch_normalisation_stay(base):
    """The outputs of known symbols are where training begins; the new one gets a row of its own."""
    from warmstart.core.compiling import build_keras

    random = np.random.default_rng(1)
    data = [((spoken(random, text), RATE), text) for text in ("ab a", "b ab")]
    model = ws.finetune(
        base, data, freeze="backbone", epochs=1, learning_rate=1e-5, validation=0, verbose=False
    )
    old, new = build_keras(base.entry, base.weights), model.keras
    assert model.entry.processing["alphabet"] == " ab"
    moved = set()
    for layer in old.layers:
        for before, after in zip(layer.weights, new.get_layer(layer.name).weights, strict=True):
            known = after.numpy()[..., : before.shape[-1]]
            np.testing.assert_allclose(known, before.numpy(), atol=1e-4)
            if not np.array_equal(known, before.numpy()):
                moved.add(layer.name)
                assert "moving_" not in after.path
    assert moved == {"head", "symbols"}
