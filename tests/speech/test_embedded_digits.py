"""The recogniser of digits inside the package: small, without TensorFlow, as good as its card says,
streaming too.
"""

import io
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.core.results import Failed
from warmstart.speech.options import TranscribeOptions

RATE = 8000


@pytest.fixture(scope="module")
def model():
    return ws.load("digits_wavenet_asr")


@pytest.fixture(scope="module")
def recordings(shared_data):
    """(samples, word) of ten test recordings, one of each digit."""
    import soundfile

    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    folder = shared_data / "speech" / "fsdd"
    names = [f"{n}_{('theo', 'jackson', 'lucas')[n % 3]}_{n % 5}.wav" for n in range(10)]
    return [
        (soundfile.read(folder / name, dtype="float32")[0], word)
        for name, word in zip(names, words, strict=True)
    ]


def test_it_is_small_and_listens_without_tensorflow():
    folder = Path(ws.__file__).parent / "embedded" / "digits_wavenet_asr"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3e6
    code = (
        "import sys, numpy as np, warmstart as ws\n"
        "model = ws.load('digits_wavenet_asr')\n"
        "said = model([(np.zeros(44100, np.float32), 44100), (np.zeros(800, np.float32), 8000)])\n"
        "assert [one.text for one in said] == ['', ''], said\n"
        "assert not {'tensorflow', 'keras', 'pandas', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.shared
def test_it_hears_the_digits_at_any_rate_also_in_a_stream(model, recordings):
    gap = np.zeros(RATE // 3, np.float32)
    samples = np.concatenate([part for sound, _ in recordings for part in (sound, gap)])
    truth = " ".join(word for _, word in recordings)
    whole = model((samples, RATE))
    assert whole.text == truth
    assert all(a.end <= b.start for a, b in zip(whole.words, whole.words[1:], strict=False))
    assert (
        model((np.repeat(samples, 2)[:, None].repeat(2, 1), 2 * RATE)).text == truth
    )  # as 16 kHz, in stereo
    live = model.listen()
    said = []
    for start in range(0, len(samples), 1000):
        said.append(live.add(samples[start : start + 1000]))
        assert {*live.pending.split()} <= {*truth.split()}  # no halves of words
    assert live.end().text == truth
    assert truth.startswith(" ".join(filter(None, said)))


@pytest.mark.shared
def test_its_own_words_are_the_default(model, recordings):
    found = model.recognizer.decoder(TranscribeOptions())
    assert found.language.words == {word for _, word in recordings}
    assert model.recognizer.decoder(TranscribeOptions(vocabulary=False)).language is None
    said = {metric.value for metric in model.entry.metrics}
    assert max(said) <= 0.02
    pairs = [((sound, RATE), word) for sound, word in recordings]
    assert model.evaluate(pairs)["wer"] == 0.0


def test_a_folder_or_pattern_is_not_a_labelled_recording(model, tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "a.wav").write_bytes(wav(samples, RATE))
    for name in (tmp_path / "single", tmp_path / "single" / "*.wav"):
        metrics = model.evaluate([(str(name), "one"), ((samples, RATE), "two")])
        assert metrics["count"] == 1
        (error,) = metrics["errors"]
        assert error.startswith(f"{name}: ")


def wav(samples, rate, **options):
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", **options})
    return file.getvalue()


def as_rate(samples, rate):
    import soxr

    return soxr.resample(samples, RATE, rate)


def test_what_is_wrong_with_a_recording_is_told_and_the_others_are_answered(model, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    picture = tmp_path / "picture.wav"
    picture.write_bytes(bytes.fromhex("ffd8ffe000104a4649460001") + bytes(500))
    wrong = {
        "no samples": wav(noise[:0], RATE),
        "NaN": (np.array([0.1, np.nan], np.float32), RATE),
        "cut off": wav(noise, RATE, format="FLAC")[:-3000],
        "picture.wav: is not a recording": str(picture),
    }
    *failed, silence, one = model(
        [*wrong.values(), (np.zeros(3 * RATE, np.float32), RATE), (noise[:1], RATE)]
    )
    for words, result in zip(wrong, failed, strict=True):
        assert isinstance(result, Failed)
        assert words in str(result.error)
    assert (silence.text, silence.words, silence.duration) == ("", (), 3.0)
    assert (one.text, one.words) == ("", ())


@pytest.mark.shared
def test_every_kind_of_recording_says_the_same(model, recordings):
    spoken, word = recordings[7]
    eight = as_rate(spoken, 192_000)[:, None] * np.linspace(0.5, 1.5, 8)
    for recording in (
        wav(spoken, RATE, subtype="PCM_24"),
        wav(spoken, RATE, subtype="FLOAT"),
        wav(eight, 192_000, subtype="FLOAT"),
        (as_rate(spoken, 44_100), 44_100),
        wav(as_rate(spoken, 4000), 4000),
    ):
        assert model(recording).text == word


def test_memory_does_not_grow_with_the_recording(model, tmp_path):
    import soundfile

    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for _ in range(seconds // 30):
                file.write(np.zeros(30 * RATE, np.float32))
        tracemalloc.start()
        assert model(path).text == ""
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(30)
    assert peak(360) < 1.2 * peak(90)
