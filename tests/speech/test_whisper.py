"""Whisper's decoding equals transformers' generate on a tiny random network, in both engines; then
its own rules.
"""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.optional import require_bfloat16

import warmstart as ws
from warmstart.core import cancellation
from warmstart.core.model import drive
from warmstart.core.precision_comparison import compare_precisions
from warmstart.engines.keras import KerasEngine
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.openvino import OpenVINOEngine
from warmstart.engines.parity import differences
from warmstart.errors import BundleError, CancelledError, InputError, UsageError, is_installed
from warmstart.models import repository
from warmstart.speech.mel_windows import RATE, Windows
from warmstart.speech.options import TranscribeOptions
from warmstart.speech.whisper.decoder import WhisperTranscriber
from warmstart.speech.whisper.program import WhisperDecoder, whisper_program
from warmstart.speech.whisper.rules import Rules, choose
from warmstart.speech.whisper.tokens import WhisperTokens

pytestmark = pytest.mark.tensorflow
GOLDEN = Path(__file__).parents[1] / "golden" / "whisper"


@pytest.fixture(scope="module")
def expected():
    with np.load(GOLDEN / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def entry():
    return repository.read(GOLDEN)[0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The golden network as a bundle, compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
        return ws.load(GOLDEN).save(tmp_path_factory.mktemp("saved") / "tiny-whisper")


@pytest.fixture(scope="module")
def engines(bundle, entry):
    from warmstart.core.compiling import build_keras
    from warmstart.core.weights import Weights
    from warmstart.engines.store import Artifact

    artifact = Artifact.load(bundle / "artifacts" / "float32")
    reference = KerasEngine(whisper_program(entry, build_keras(entry, Weights.of(GOLDEN))))
    engines = {"keras": reference, "litert": LiteRTEngine(artifact.path, artifact.signatures)}
    if is_installed("openvino"):
        engines["openvino"] = OpenVINOEngine(artifact.path, artifact.signatures)
    return engines


@pytest.fixture(scope="module")
def tokens():
    return WhisperTokens.open(GOLDEN, 531)


@pytest.fixture
def transcriber(engines, entry, tokens):
    return WhisperTranscriber(engines["litert"], entry, tokens)


def recording(seconds: float) -> np.ndarray:
    """As in scripts/make_goldens_whisper.py."""
    t = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * (200 + 900 * (t % 1.7)) * t) * (np.sin(2 * np.pi * 0.6 * t) > -0.3)
    return (0.4 * tone + 0.1 * np.sin(2 * np.pi * 3000 * t * (1 + t / 50))).astype(np.float32)


def transcript(transcriber, samples, options):
    return drive(transcriber.transcribe("x", samples, options))


def blocks(seconds: float):
    samples = recording(seconds)
    return lambda: np.array_split(samples, 7)


@pytest.mark.parametrize("name", ["keras", "litert", "openvino"])
def test_cached_steps_equal_the_uncached_reference(name, engines, entry, expected):
    if name == "openvino":
        pytest.importorskip("openvino")
    decoder = WhisperDecoder(engines[name], entry)
    encoded = decoder.encode(expected["features"])
    np.testing.assert_allclose(encoded, expected["encoded"], atol=1e-4)
    text = expected["tokens"].tolist()
    decoder.start(text[:9])  # a text before this one leaves no trace
    logits = [*decoder.start(text[:3], 1), *map(decoder.step, text[3:])]
    np.testing.assert_allclose(logits, expected["logits"][1:], atol=1e-4)
    looks, all_logits = decoder.attention(text)
    np.testing.assert_allclose(all_logits, expected["logits"], atol=1e-4)
    np.testing.assert_allclose(looks.sum(-1), 1.0, atol=1e-5)
    assert looks.shape == (3, len(text), 150)


def test_functions_equal_those_of_litert_on_openvino(engines):
    """Also for arrays that are not contiguous in memory, such as probes of four axes."""
    pytest.importorskip("openvino")
    for name, signature in engines["litert"].signatures.items():
        inputs = signature.probe()
        outputs, expected = (engines[e].run(name, **inputs) for e in ("openvino", "litert"))
        assert max(differences(outputs, expected).values()) < 1e-4


def test_language_equals_the_reference(transcriber, expected):
    language, shares = transcriber.detect(Windows(blocks(2.5), 80, 300).at(0))
    assert transcriber.tokens.languages[language] == expected["language"][0]
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(("name", "before"), [("plain", ""), ("prompted", " ask not")])
def test_greedy_tokens_equal_the_reference(name, before, transcriber, entry, tokens, expected):
    options = TranscribeOptions(timestamps=False)
    begin, rest = transcriber.prompt("en", options, tokens.encode(before))
    transcriber._decoder.encode(Windows(blocks(2.5), 80, 300).at(0))
    said = transcriber._decode_at(
        Rules(tokens, entry.processing, False), begin, rest, 0.0, np.random.default_rng(0)
    )
    assert said.tokens == expected[name].tolist()


@pytest.mark.parametrize(("name", "previous"), [("long", False), ("long_previous", True)])
def test_a_recording_of_several_windows_equals_the_reference(name, previous, transcriber, expected):
    options = TranscribeOptions(
        language="en", condition_on_previous=previous, temperature=0.0, no_speech=None
    )
    windows = Windows(blocks(10.3), 80, 300)
    parts = [part for found, _ in transcriber._windows(windows, "en", options) for part in found]
    times = [(segment.start, segment.end) for segment, _ in parts]
    np.testing.assert_allclose(times, expected[f"{name}_times"], atol=1e-6)
    # The reference keeps, at a window's end, the time at which the next segment would begin.
    first = transcriber.tokens.first_time
    ours = [t for _, ids in parts for t in ids if t < first]
    assert ours == [t for t in expected[f"{name}_tokens"].tolist() if t < first]


def test_rules_allow_times_in_pairs_only(tokens, entry):
    rules = Rules(tokens, entry.processing, True)
    first, end = tokens.first_time, tokens.end

    def allowed(*said: int) -> set[int]:
        logits = np.zeros(531, np.float32)
        logits[[20, end]] = 100.0  # so likely that times do not outweigh them
        rules.apply(logits, said)
        return set(np.flatnonzero(np.isfinite(logits)))

    assert allowed() == set(range(first, first + 51))
    assert min(allowed(first + 5, 20)) == 0  # text goes on
    assert {t for t in allowed(first + 5, 20) if t >= first} == set(
        range(first + 6, 531)
    )  # time does not go back
    assert {t for t in allowed(first + 5, 20, first + 9) if t < end} == set()
    assert (
        min(allowed(first + 5, 20, first + 9)) == end
    )  # the end, or the same time again: the next segment
    assert {t for t in allowed(first + 5, 20, first + 9) if t >= first} == set(
        range(first + 9, 531)
    )
    assert max(allowed(first + 5, 20, first + 9, first + 9)) < first
    assert not allowed(20) & {1, 2, 7, *tokens.special()}


def test_times_that_together_outweigh_the_best_text_win(tokens, entry):
    logits = np.full(531, -50.0, np.float32)
    logits[20], logits[tokens.first_time + 20 :] = 0.0, -1.0
    Rules(tokens, entry.processing, True).apply(logits, [tokens.first_time + 3, 20])
    assert np.isneginf(logits[20])


def test_choosing_is_greedy_at_zero_and_random_above():
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    random = np.random.default_rng(0)
    assert choose(logits, 0.0, random) == (1, pytest.approx(np.log(0.6), abs=1e-6))
    drawn = [choose(logits, 1.0, random)[0] for _ in range(2000)]
    np.testing.assert_allclose(np.bincount(drawn) / 2000, [0.1, 0.6, 0.3], atol=0.04)


def test_a_doubtful_text_is_tried_again_warmer(transcriber, monkeypatch):
    tried = []
    once = WhisperTranscriber._decode_at

    def record(self, rules, begin, rest, temperature, random):
        tried.append(temperature)
        return once(self, rules, begin, rest, temperature, random)

    monkeypatch.setattr(WhisperTranscriber, "_decode_at", record)
    transcript(transcriber, blocks(2.5), TranscribeOptions(language="en"))
    assert tried[:6] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]  # random weights are never sure
    tried.clear()
    sure = TranscribeOptions(language="en", log_probability=None, compression_ratio=None)
    transcript(transcriber, blocks(2.5), sure)
    assert set(tried) == {0.0}


def test_silent_windows_are_skipped_and_seeds_decide(transcriber):
    warm = partial(TranscribeOptions, language="en", temperature=0.8)
    text = [transcript(transcriber, blocks(4.0), warm(seed=seed)).text for seed in (0, 0, 1)]
    assert text[0] == text[1] != text[2]
    skipped = transcript(transcriber, blocks(4.0), warm(no_speech=0.0, log_probability=None))
    assert (skipped.text, skipped.segments) == ("", ())
    assert skipped.duration == 4.0


def test_tokens_of_vocab_and_merges_equal_those_of_tokenizer_json(tokens, tmp_path):
    model = json.loads((GOLDEN / "tokenizer.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps(model["model"]["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["model"]["merges"]]
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    (tmp_path / "added_tokens.json").write_text(
        json.dumps({t["content"]: t["id"] for t in model["added_tokens"]})
    )
    other = WhisperTokens.open(tmp_path, 531)
    text = " Grüße: what can you do, 123 …?"
    assert other.encode(text) == tokens.encode(text)
    assert other.decode([*other.encode(text), other.end]) == text
    assert (other.languages, other.special()) == (tokens.languages, tokens.special())
    assert tokens.encode("<|endoftext|>") == []
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(BundleError, match=r"no merges\.txt"):
        WhisperTokens.open(tmp_path, 531)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BundleError, match="cannot be read"):
        WhisperTokens.open(tmp_path, 531)
    with pytest.raises(BundleError, match="below 100"):
        WhisperTokens.open(GOLDEN, 100)


def test_what_the_checkpoint_forces_is_the_default(engines, entry, tokens):
    def transcriber(**processing):
        changed = replace(entry, processing={**entry.processing, **processing})
        return WhisperTranscriber(engines["litert"], changed, tokens)

    forced = transcriber(forced=[371, 375, 379])  # <|de|><|transcribe|><|notimestamps|>
    once = TranscribeOptions(temperature=0.0)
    assert transcript(forced, blocks(2.5), once).language == "de"
    assert transcript(forced, blocks(2.5), replace(once, language="fr")).language == "fr"
    assert transcript(transcriber(language="spanish"), blocks(2.5), once).language == "es"
    with pytest.raises(UsageError, match="call it with translate=True"):
        transcript(transcriber(forced=[371, 374]), blocks(2.5), once)
    with pytest.raises(BundleError, match="the token 20, which is not a language"):
        transcriber(forced=[20])
    with pytest.raises(BundleError, match=r"task of generation_config\.json is 'sing'"):
        transcriber(task="sing")
    plain = replace(once, timestamps=False, language="en")
    whole = transcript(transcriber(), blocks(2.5), plain).text
    for limit in ({"max_length": 10}, {"max_new_tokens": 6}):  # the prompt has 4
        short = transcript(transcriber(**limit), blocks(2.5), plain).text
        assert len(short) < len(whole)
        assert whole.startswith(short.rstrip("�"))  # it may end within a character


def test_languages_have_names(tokens):
    for language in ("de", "DE", "German", "<|de|>", " german "):
        assert tokens.language(language) == "de"
    assert tokens.language("Castilian") == "es"
    for language, message in (
        ("germn", r"did you mean de \(German\)\?"),
        ("de-AT", r"did you mean de \(German\)\?"),
        ("Hungarian", "available: en, de, fr, es"),
        ("xx", "available: en, de, fr, es"),
    ):
        with pytest.raises(UsageError, match=message):
            tokens.language(language)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eos_token_id": 5}, "eos_token_id is 5, but 368 in the tokenizer"),
        ({"no_timestamps_token_id": 5}, "no_timestamps_token_id is 5"),
        ({"task_to_id": {"translate": 5}}, "task_to_id.translate is 5"),
        ({"lang_to_id": {"<|de|>": 370}}, "lang_to_id maps <|de|> to the id 370"),
    ],
)
def test_tokens_that_contradict_the_tokenizer_are_refused(tmp_path, change, message):
    stated = json.loads((GOLDEN / "generation_config.json").read_text())
    (tmp_path / "tokenizer.json").write_bytes((GOLDEN / "tokenizer.json").read_bytes())
    (tmp_path / "generation_config.json").write_text(json.dumps({**stated, **change}))
    with pytest.raises(BundleError, match=re.escape(message)):
        WhisperTokens.open(tmp_path, 531)


def test_a_checkpoint_lists_its_languages(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes((GOLDEN / "tokenizer.json").read_bytes())
    (tmp_path / "generation_config.json").write_text('{"lang_to_id": {"<|es|>": 373}}')
    assert WhisperTokens.open(tmp_path, 531).languages == {"es": 373}


def test_words_keep_their_punctuation(tokens):
    def words(text: str, language: str = "en") -> list[str]:
        found = tokens.words(tokens.encode(text), language)
        assert [t for _, ids in found for t in ids] == tokens.encode(text)
        return [word for word, _ in found]

    assert words(' ask not, my "Grüße": 1 …') == [" ask", " not,", " my", ' "Grüße":', " 1", " …"]
    assert words("zyx", "ja") == list("zyx")
    assert words("zyx", "en") == ["zyx"]


def test_bfloat16(bundle):
    require_bfloat16()
    model, rough = ws.load(bundle), ws.load(bundle, precision="bfloat16")
    sound = (recording(4.2), RATE)
    assert rough.engine.name == "openvino"
    options = {"language": "en", "temperature": 0.0, "word_timestamps": True}
    assert rough(sound, **options) == rough(sound, **options)
    features, expected = rough.features(sound), model.features(sound)
    assert 0 < np.abs(features - expected).max() < 0.05 * np.abs(expected).max()


def test_precisions_are_compared_by_the_words(bundle, monkeypatch, run):
    recordings = [(recording(seconds / 8), RATE) for seconds in range(8, 20)]
    model = ws.load(bundle)
    compared = compare_precisions(model, model.on_engine("litert"), recordings)
    assert (compared.agreement, compared.measure, compared.count) == (1.0, "same words", 12)
    assert compared.unit == "window with 32 tokens"
    chosen = ws.load(bundle, precision="auto", calibration=recordings, agreement=1e-6)
    again = ws.load(bundle, precision="auto")
    assert again.precision == chosen.precision
    assert "same words, on 12 inputs" in run("info", bundle).out
    with pytest.raises(UsageError, match="int8 is not calibrated for speech-recognition"):
        ws.load(bundle, precision="int8", calibration=recordings)


def test_a_bundle_hears_files_arrays_and_lists(bundle, tmp_path):
    model = ws.load(bundle)
    samples = recording(4.2)
    soundfile.write(tmp_path / "a.flac", samples, RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "b.wav", np.stack([samples, samples], 1), RATE, subtype="FLOAT")
    (tmp_path / "photo.wav").write_bytes(b"\xff\xd8\xff\xe0JFIF")
    one = model(tmp_path / "b.wav", language="en", word_timestamps=True)
    assert one.language == "en"
    assert one.duration == pytest.approx(4.2)
    assert one.segments
    assert all(
        a.end <= b.start + 1e-9 for a, b in zip(one.segments, one.segments[1:], strict=False)
    )
    assert "".join(w.text for w in one.words).replace(" ", "") == one.text.replace(" ", "")
    assert one.to_srt().startswith("1\n00:00:")
    assert one.to_vtt().startswith("WEBVTT\n\n00:00:")
    with open(tmp_path / "b.wav", "rb") as file:
        assert model(file, language="en").text == one.text
    several = model(
        [tmp_path / "photo.wav", (np.zeros(RATE, np.int16), RATE), tmp_path / "a.flac"],
        language="en",
    )
    assert not several[0]
    assert "is not a recording" in str(several[0])
    assert (several[1].text, several[1].segments) == ("", ())
    assert several[2].text
    with pytest.raises(InputError, match="no samples"):
        model((np.zeros(0), RATE))
    assert model.features((samples, RATE)).shape == (32,)
    assert model.features([]).shape == (0, 32)
    rates = model.evaluate(
        [((samples, RATE), one.text), (tmp_path / "photo.wav", "x")], language="en"
    )
    assert (rates["wer"], rates["count"]) == (0.0, 1)
    (tmp_path / "said.jsonl").write_text(json.dumps({"audio": "b.wav", "text": one.text}) + "\n\n")
    assert model.evaluate(tmp_path / "said.jsonl", language="en")["cer"] == 0.0
    (tmp_path / "said.csv").write_text("audio,words\nb.wav,x\n")
    for data, words in ((tmp_path / "said.csv", "text"), (str(tmp_path), "path of the table")):
        with pytest.raises(UsageError, match=words):
            model.evaluate(data)


def test_wrong_options_are_refused_before_listening(bundle):
    model = ws.load(bundle)
    for options, message in (
        ({"language": "xx"}, "no language 'xx'; available: en, de, fr, es"),
        ({"beam": 5}, "has no option 'beam'"),
        ({"temperature": ()}, "one or several numbers"),
        ({"word_timestamps": True, "timestamps": False}, "word_timestamps=True needs"),
    ):
        with pytest.raises(UsageError, match=message):
            model("nowhere.wav", **options)
    with pytest.raises(UsageError, match="only whole recordings"):
        model.listen()


def test_transcribing_stops_between_tokens_and_leaves_the_model_usable(bundle):
    model = ws.load(bundle)
    options = {"language": "en", "temperature": 0.0}
    text = model((recording(2.5), RATE), **options).text
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) == 3

    with cancellation.scope(cancelled), pytest.raises(CancelledError) as caught:
        model((recording(2.5), RATE), **options)
    assert caught.value
    assert len(calls) == 3
    assert model((recording(2.5), RATE), **options).text == text


def test_the_saved_folder_is_the_public_layout(bundle):
    from warmstart.checkpoints.formats import open_checkpoint

    with open_checkpoint(GOLDEN) as ours, open_checkpoint(bundle / "model.safetensors") as saved:
        assert set(ours.names()) == set(saved.names())
    for name in (
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "tokenizer.json",
    ):
        assert (bundle / name).read_bytes() == (GOLDEN / name).read_bytes()
    assert repository.read(bundle)[0].config == repository.read(GOLDEN)[0].config
