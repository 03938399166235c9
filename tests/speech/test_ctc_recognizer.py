"""The recognizer as a task: a random network, so what it says means nothing, but it must say the
same in every way.
"""

from dataclasses import replace

import numpy as np
import pytest

from warmstart.catalog import Entry
from warmstart.errors import InputError, UsageError
from warmstart.speech.ctc.language_model import LanguageModel
from warmstart.speech.ctc.recognizer import CtcRecognizer
from warmstart.speech.options import TranscribeOptions

RATE = 8000
RULES = {"sample_rate": RATE, "n_fft": 256, "hop": 80, "mels": 20, "coefficients": 8}
CONFIG = {
    "features": 8,
    "symbols": 4,
    "channels": 8,
    "blocks": 1,
    "dilations": [1, 2],
    "filter_width": 3,
}


def recognizer(**rules):
    """A `SpeechRecognizer` on the Keras engine, with other rules of its features."""
    from warmstart.core.weights import Weights
    from warmstart.speech.recognition import SpeechRecognizer

    entry = Entry(
        name="tiny_wavenet",
        task="speech-recognition",
        family="wavenet_asr",
        title="Tiny",
        architecture="wavenet_asr",
        config=CONFIG,
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
            "features": {**RULES, **rules},
            "alphabet": " ab",
            "padding": 0.25,
            "language": "en",
            "vocabulary": ["ab", "ba"],
        },
    )
    return SpeechRecognizer(entry, Weights.random(), (), engine="keras")


@pytest.fixture(scope="module")
def model():
    return recognizer()


@pytest.fixture(scope="module")
def sound():
    random = np.random.default_rng(0)
    return (random.normal(size=3 * RATE) * np.repeat(random.random(30), RATE // 10)).astype(
        np.float32
    ) * 0.3


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "rules",
    [{}, {"kind": "log_mel", "mels": 8, "mean": [-30.0] * 8, "std": [10.0] * 8}],
    ids=["mfcc", "log-mel"],
)
def test_a_stream_says_what_the_whole_recording_says(rules, sound):
    model = recognizer(**rules)
    whole = model((sound, RATE))
    assert whole.language == "en"
    assert whole.text
    live = model.listen()
    said = [live.add(sound[start : start + 700]) for start in range(0, len(sound), 700)]
    end = live.end()
    assert end.text == whole.text
    assert whole.text.startswith(" ".join(filter(None, said)))
    for word in whole.words:
        assert 0 <= word.start <= word.end <= 3.5


@pytest.mark.tensorflow
def test_a_vocabulary_leaves_only_its_words(model, sound):
    assert {word.text for word in model((sound, RATE), vocabulary=True).words} <= {"ab", "ba"}
    with pytest.raises(UsageError, match="beam"):
        model((sound, RATE), beam=0)
    with pytest.raises(UsageError, match="not both"):
        model((sound, RATE), vocabulary=True, language_model="some.arpa")


@pytest.mark.tensorflow
def test_a_model_may_decode_with_its_own_words_by_default(model):
    assert model.recognizer.decoder(TranscribeOptions()).language is None
    processing = {**model.entry.processing, "decoding": "vocabulary"}
    own = CtcRecognizer(None, replace(model.entry, processing=processing))

    def decoder(**options):
        return own.decoder(TranscribeOptions(**options))

    assert decoder().language.words == {"ab", "ba"}
    assert decoder(vocabulary=["a"]).language.words == {"a"}
    assert decoder(language_model=LanguageModel(["b"])).language.words == {"b"}
    free = decoder(vocabulary=False)
    assert (free.language, free.beam) == (None, 1)


@pytest.mark.tensorflow
def test_features_and_bad_recordings(model, sound):
    assert model.features((sound, RATE)).shape == (8,)
    good, bad = model([(sound, RATE), (np.array([0.0, np.nan]), RATE)])
    assert good
    assert not bad
    assert "NaN" in str(bad.error)
    assert not hasattr(bad, "text")
    assert model.features([(sound, RATE)]).shape == (1, 8)
    assert model.features([]).shape == (0, 8)
    with pytest.raises(InputError, match="NaN"):
        model.features([(sound, RATE), (np.array([0.0, np.nan]), RATE)])
    np.testing.assert_allclose(
        np.stack(list(model.stream_features(iter([(sound, RATE)])))),
        model.features([(sound, RATE)]),
    )


def test_words_are_spelt_as_the_model_spells_or_refused(model, tmp_path):
    def words(*vocabulary):
        options = TranscribeOptions(vocabulary=vocabulary)
        return model.recognizer.decoder(options).language.words

    assert words("AB", "Ba") == {"ab", "ba"}
    for wrong, message in (
        (("ab", "a1", "c d"), r"cannot spell 'a1', 'c d': its characters are .*, without ' .*1"),
        (("a-b",), "without '-'"),
    ):
        with pytest.raises(UsageError, match=message):
            words(*wrong)
    (tmp_path / "words.txt").write_text("AB\nba\nxyz\n")
    with pytest.raises(UsageError, match="cannot spell 'xyz'"):
        model.recognizer.decoder(TranscribeOptions(vocabulary=tmp_path / "words.txt"))
