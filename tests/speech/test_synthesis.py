"""Sound on request: the same from every engine and for the same seed, said by whom was asked for,
written to files.
"""

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import warmstart as ws
from warmstart.catalog import Entry
from warmstart.core import cancellation
from warmstart.core.compiling import Weights
from warmstart.core.options import fields_of, schema
from warmstart.core.results import Failed
from warmstart.errors import CancelledError, InputError, UsageError
from warmstart.speech.console import AudioConsole, AudioFlags
from warmstart.speech.inputs import RECORDING
from warmstart.speech.spectrum import Features
from warmstart.speech.synthesis import AudioGenerator, SynthesizeOptions
from warmstart.speech.wavenet_sampler import position_frames

pytestmark = pytest.mark.tensorflow
ENTRY = Entry(
    name="tiny_wavenet",
    task="audio-generation",
    family="wavenet",
    title="tiny",
    architecture="wavenet",
    config={
        "output": "logistics",
        "mixtures": 2,
        "stacks": 1,
        "dilations": [1, 2],
        "channels": 4,
        "residual": 4,
        "skip": 4,
        "classes": [3, 2],
        "global_channels": 3,
        "frame_features": 6,
        "frame_channels": 4,
        "upsampling": [2],
        "hold": 10,
    },
    weights={},
    preprocessing=None,
    labels="",
    licence="Apache-2.0",
    parameters=1,
    gflops=None,
    min_size=0,
    metrics=(),
    paper="",
    processing={
        "sample_rate": 1000,
        "classes": [["zero", "one", "two"], ["ann", "bob"]],
        "hop": 20,
        "frames": "position",
        "harmonics": 2,
        "log_seconds": [[[-2.0, 0.1]] * 2, [[-1.0, 0.1]] * 2, [[-2.0, 0.1]] * 2],
    },
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", str(home))
        AudioGenerator(ENTRY, Weights.random(), ()).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(bundle):
    return ws.load(bundle)


@pytest.fixture(scope="module")
def vocoder(tmp_path_factory):
    """A network that turns mel frames into sound, with random weights, as a bundle."""
    rules = {"sample_rate": 1000, "kind": "log_mel", "n_fft": 64, "hop": 20, "mels": 6, "log": "ln"}
    entry = replace(
        ENTRY,
        name="tiny_vocoder",
        config={**ENTRY.config, "classes": [], "global_channels": 0},
        processing={"sample_rate": 1000, "hop": 20, "frames": "features", "features": rules},
    )
    folder = tmp_path_factory.mktemp("bundles") / "vocoder"
    AudioGenerator(entry, Weights.random(), ()).save(folder)
    return folder


def test_a_vocoder_makes_sound_of_frames_or_of_a_recording(vocoder):
    model = ws.load(vocoder)
    recording = np.sin(np.arange(500) / 3, dtype=np.float32)
    frames = Features.of(model.entry.processing["features"])(recording)
    sound = model(frames, seed=1)
    assert (sound.sample_rate, len(sound.samples)) == (1000, 20 * len(frames))
    assert len(np.unique(sound.samples)) > 50
    np.testing.assert_array_equal(model((recording, 1000), seed=1).samples, sound.samples)
    np.testing.assert_array_equal(
        ws.load(vocoder, engine="keras")(frames, seed=1).samples, sound.samples
    )
    assert (model(frames[::-1].copy(), seed=1).samples != sound.samples).any()
    np.testing.assert_array_equal(model(recording, sample_rate=1000, seed=1).samples, sound.samples)
    assert model.input_kind is RECORDING
    assert model.option_names == ("temperature", "seed", "sample_rate")
    with pytest.raises(InputError, match="finite"):
        model(np.full((3, 6), np.nan, np.float32))
    with pytest.raises(UsageError, match="speakers"):
        model(frames, speaker="ann")
    with pytest.raises(UsageError, match="no option 'seconds'"):
        model(frames, seconds=1.0)
    first, failed = model([frames, np.full((3, 6), np.nan, np.float32)], seed=1)
    np.testing.assert_array_equal(first.samples, sound.samples)
    assert not failed


def test_the_same_seed_gives_the_same_samples_on_both_engines(bundle, model):
    sound = model("1", speaker="bob", seconds=0.9, seed=3)
    assert isinstance(sound, ws.Audio)
    assert (sound.samples.dtype, sound.samples.shape, sound.sample_rate) == (
        np.float32,
        (900,),
        1000,
    )
    assert len(np.unique(sound.samples)) > 50
    keras = ws.load(bundle, engine="keras")("1", speaker="bob", seconds=0.9, seed=3)
    np.testing.assert_array_equal(keras.samples, sound.samples)
    np.testing.assert_array_equal(
        model("one", speaker=1, seconds=0.9, seed=3).samples, sound.samples
    )
    for other in ({"seed": 4}, {"speaker": "ann"}, {"temperature": 0.5}):
        options = {"speaker": "bob", "seconds": 0.9, "seed": 3, **other}
        assert (model("1", **options).samples != sound.samples).any()


def test_a_model_may_say_at_which_temperature_it_sounds_best(model, monkeypatch):
    asked = {"speaker": "bob", "seconds": 0.2, "seed": 3}
    cool, warm = (model("1", temperature=t, **asked).samples for t in (0.5, 1.0))
    np.testing.assert_array_equal(model("1", **asked).samples, warm)
    processing = {**model.entry.processing, "temperature": 0.5}
    monkeypatch.setattr(model, "entry", replace(model.entry, processing=processing))
    np.testing.assert_array_equal(model("1", **asked).samples, cool)


def test_lists_several_words_and_bad_items(model):
    results = model(["0", "nine", 2])
    assert [isinstance(r, Failed) for r in results] == [False, True, False]
    assert "nine" in str(results[1].error)
    assert model("0").seconds < model("1").seconds  # the lengths of the training data
    joined = model("0 0", seconds=0.1)
    assert joined.seconds == pytest.approx(0.32)
    assert not joined.samples[100:220].any()
    with pytest.raises(InputError, match="zero, one, two"):
        model("three")
    with pytest.raises(InputError, match="no words"):
        model("  ")


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"speaker": "carl"},
        {"seconds": 1e6},
        {"seed": -1},
        {"seed": 1.5},
        {"speaker": 2},
        {"loudness": 3},
        {"sample_rate": 1000},
    ],
)
def test_wrong_options(model, options):
    with pytest.raises(UsageError):
        model("0", **options)


def test_a_list_and_a_stream_have_seeds_of_their_own(model, tmp_path):
    options = {"seconds": 0.1, "seed": 5}
    alone = [model("1", **{**options, "seed": 5 + n}).samples for n in range(3)]
    (tmp_path / "words.txt").write_text("1\n\n1\n1\n", "utf-8")
    for results in (
        model(["1"] * 3, **options),
        model.stream(iter(["1"] * 3), **options),
        model.stream(tmp_path / "words.txt", **options),
    ):
        for one, expected in zip(results, alone, strict=True):
            np.testing.assert_array_equal(one.samples, expected)
    assert model([]) == []


@pytest.mark.parametrize(
    ("utterance", "message"),
    [
        (iter(["1"]), "stream"),
        (Path("words.txt"), "stream"),
        (("0", "1"), "list"),
        (None, "None"),
    ],
)
def test_a_call_refuses_what_stands_for_many(model, utterance, message):
    with pytest.raises(UsageError, match=message):
        model(utterance)


def test_parameters_are_those_of_the_options(model):
    signature = inspect.signature(AudioGenerator.__call__)
    assert list(signature.parameters) == ["self", "utterance", *fields_of(SynthesizeOptions)]
    assert model.option_names == ("speaker", "seconds", "temperature", "seed")
    schemas = schema(SynthesizeOptions, model.option_names)
    assert list(schemas) == list(model.option_names)
    assert schemas["speaker"]["type"] == ["string", "integer"]
    with pytest.raises(UsageError, match="no features"):
        model.features("1")


def test_generating_stops_between_chunks(model):
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) == 2

    with cancellation.scope(cancelled), pytest.raises(CancelledError):
        model("1", seconds=60.0)
    assert len(calls) == 2


def test_files(model, tmp_path):
    sound = model("0")
    for name in ("a.wav", "a.flac"):
        again, rate = soundfile.read(sound.save(tmp_path / name), dtype="float32")
        assert rate == 1000
        assert np.abs(again - sound.samples).max() < 1e-4
    with pytest.raises(UsageError, match="wav"):
        sound.save(tmp_path / "a.txt")
    assert sound.to_dict()["seconds"] == pytest.approx(sound.seconds, abs=1e-3)


def test_the_console_writes_files_and_overwrites_none(model, tmp_path):
    console = AudioConsole(model, AudioFlags(output=str(tmp_path)))
    for names in (
        ["tiny_wavenet-0.wav", "tiny_wavenet-1.wav"],
        ["tiny_wavenet-0-2.wav", "tiny_wavenet-1-2.wav"],
    ):
        results = list(console.results(["0", "1"], {}))
        assert [Path(r.file).name for r in results] == names
        assert all(Path(r.file).is_file() for r in results)
        assert results[0].file in console.show(results[0])
        assert results[0].to_dict()["file"] == results[0].file
    assert console.columns() == ("input", "file", "seconds", "sample_rate")
    assert list(console.rows(results[1])) == [
        ("1", results[1].file, f"{results[1].seconds:.4f}", "1000")
    ]
    console = AudioConsole(model, AudioFlags(output=str(tmp_path / "one.flac")))
    with pytest.raises(UsageError, match="several"):
        list(console.results(["0", "1"], {}))


def test_position_frames():
    frames = position_frames(95, 20, {"sample_rate": 1000, "harmonics": 2})
    assert frames.shape == (5, 6)
    assert frames[:, 0].tolist() == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert frames[2, 1] == pytest.approx(1.0)  # sin(pi / 2)
