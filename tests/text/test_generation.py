"""Text generation against transformers' `generate`, and what users may do wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures import as_repository
from tests.optional import require_bfloat16, require_paged_attention

import warmstart as ws
from warmstart.errors import BundleError, InputError, UsageError
from warmstart.text.decoding.options import GenerateOptions
from warmstart.text.decoding.sampler import next_token, truncate

GOLDEN = Path(__file__).parents[1] / "golden" / "gpt2"
PROMPTS = [
    "The cat sat on the mat.",
    "a",
    "To be, or not to be: that is the question",
    "Ünïcode 😀 too",
]
pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def expected():
    return dict(np.load(GOLDEN / "plain" / "expected.npz"))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def model(home):
    """The golden model, compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", home)
        found = ws.load(GOLDEN / "plain")
        assert found.engine.name == "litert"
        yield found


def same(one, other) -> None:
    """The same text; numbers differ by what arithmetic in another order does."""
    assert (one.text, one.tokens, one.finish) == (other.text, other.tokens, other.finish)
    np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-4)


def golden(rows) -> list[tuple[int, ...]]:
    """Rows of tokens without what fills them up, and without the token that ends a text."""
    return [tuple(int(token) for token in row if token not in (-1, 302)) for row in rows]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("greedy", {"max_new_tokens": 24}),
        ("penalised", {"max_new_tokens": 24, "repetition_penalty": 1.3, "no_repeat_ngram_size": 2}),
        ("beams", {"max_new_tokens": 12, "num_beams": 3}),
        (
            "beams_penalised",
            {
                "max_new_tokens": 12,
                "num_beams": 4,
                "repetition_penalty": 1.2,
                "no_repeat_ngram_size": 2,
            },
        ),
    ],
)
def test_tokens_are_those_of_transformers(model, expected, name, options):
    want = golden(expected[name])
    assert len(set(want)) == len(want)
    assert [
        result.tokens for result in model(PROMPTS, **options)
    ] == want  # side by side, of different lengths
    assert model(PROMPTS[2], **options).tokens == want[2]


def test_logprobs_and_score_are_the_model_s(model):
    result = model(PROMPTS[0], max_new_tokens=20)
    prompt = model.tokenizer.encode(PROMPTS[0]).ids
    ids = np.array([[*prompt, *result.tokens]], np.int32)
    logits = np.asarray(model.keras({"input_ids": ids})["logits"], np.float64)[0]
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    of_tokens = logprobs[np.arange(ids.shape[1] - 1), ids[0, 1:]]
    np.testing.assert_allclose(result.logprobs, of_tokens[len(prompt) - 1 :], atol=1e-4)
    score = model.score(PROMPTS[0])
    assert (score.tokens, score.characters) == (tuple(prompt[1:]), len(" cat sat on the mat."))
    of_tokens = of_tokens[: len(prompt) - 1]
    np.testing.assert_allclose(score.logprobs, of_tokens, atol=1e-4)
    assert score.perplexity == pytest.approx(np.exp(-of_tokens.mean()), rel=1e-4)


def test_long_texts_are_scored_in_windows_that_overlap(model):
    text = " ".join(PROMPTS) * 8
    ids = np.asarray(model.tokenizer.encode(text).ids)
    assert len(ids) > 3 * model.max_length
    score = model.score(text)
    assert score.tokens == tuple(ids[1:])
    for end in (
        10,
        70,
        len(ids) - 1,
    ):  # each token after at least half a context, where there is one
        begin = 0 if end < 64 else (end - 64) // 32 * 32 + 32
        logits = np.asarray(
            model.keras({"input_ids": ids[None, begin:end].astype(np.int32)})["logits"]
        )[0, -1]
        want = logits[ids[end]] - np.log(np.exp(logits.astype(np.float64)).sum())
        assert score.logprobs[end - 1] == pytest.approx(want, abs=1e-4)
    assert model.evaluate([text])["nats_per_character"] == pytest.approx(score.nats_per_character)


@pytest.mark.parametrize("name", ["top_k", "top_p", "min_p", "all"])
def test_cuts_are_those_of_transformers(expected, name):
    options = {
        "top_k": {"top_k": 7},
        "top_p": {"top_p": 0.8},
        "min_p": {"min_p": 0.1},
        "all": {"top_k": 20, "top_p": 0.9, "min_p": 0.02},
    }[name]
    scores = expected["scores"] / np.float32(0.7 if name == "all" else 1)
    got = np.stack([truncate(row, GenerateOptions(**options)) for row in scores])
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected[f"cut_{name}"]))
    assert np.isinf(got).any()


def test_drawing(model):
    first = model(PROMPTS[0], seed=1, max_new_tokens=12)
    same(model([PROMPTS[1], PROMPTS[0]], seed=1, max_new_tokens=12)[1], first)
    others = {
        model(PROMPTS[0], seed=seed, temperature=1.5, max_new_tokens=12).tokens for seed in range(6)
    }
    assert len(others) > 3
    greedy = model(PROMPTS[0], max_new_tokens=12)
    assert model(PROMPTS[0], top_k=1, max_new_tokens=12) == greedy
    assert model(PROMPTS[0], temperature=0, max_new_tokens=12) == greedy
    assert model(PROMPTS[0], temperature=1e-4, seed=3, max_new_tokens=12).tokens == greedy.tokens


def test_draws_follow_the_distribution():
    random = np.random.default_rng(0)
    logits = np.log(np.array([0.5, 0.3, 0.15, 0.05], np.float32))
    options = GenerateOptions(temperature=1.0)
    drawn = np.bincount([next_token(logits, options, random) for _ in range(4000)], minlength=4)
    np.testing.assert_allclose(drawn / 4000, [0.5, 0.3, 0.15, 0.05], atol=0.03)
    options = GenerateOptions(top_p=0.7)
    drawn = np.bincount([next_token(logits, options, random) for _ in range(1000)], minlength=4)
    np.testing.assert_allclose(drawn / 1000, [0.625, 0.375, 0, 0], atol=0.05)


def test_streaming_gives_whole_characters(model):
    for seed in range(4):  # random weights write mostly broken bytes
        options = {"seed": seed, "max_new_tokens": 30, "temperature": 2.0}
        stream = model.stream_text(PROMPTS[3], **options)
        pieces = list(stream)
        assert all(pieces)
        assert stream.result == model(PROMPTS[3], **options)
        assert "".join(pieces) == stream.result.text == model.tokenizer.decode(stream.result.tokens)


def test_two_streams_at_once(model):
    alone = [model(prompt, max_new_tokens=15).text for prompt in PROMPTS[:2]]
    streams = [model.stream_text(prompt, max_new_tokens=15) for prompt in PROMPTS[:2]]
    texts = ["", ""]
    while any(stream.result is None for stream in streams):
        for place, stream in enumerate(streams):
            texts[place] += next(stream, "")
    assert texts == alone


def test_stop_strings(model):
    whole = model(PROMPTS[0], max_new_tokens=24)
    middle = whole.text[len(whole.text) // 2 :][:3]
    want = whole.text[: whole.text.index(middle)]
    stopped = model(PROMPTS[0], max_new_tokens=24, stop=["never", middle])
    assert (stopped.text, stopped.finish) == (want, "stop")
    assert stopped.tokens == whole.tokens[: len(stopped.tokens)]
    assert "".join(model.stream_text(PROMPTS[0], max_new_tokens=24, stop=middle)) == want
    assert model(PROMPTS[0], max_new_tokens=24, stop="never") == whole


def test_context_overflow(model):
    prompt = PROMPTS[2]
    count = len(model.tokenizer.encode(prompt))
    with pytest.raises(InputError, match="overflow='slide'"):
        model(prompt, max_new_tokens=65 - count)
    exact = model(prompt, max_new_tokens=64 - count)
    assert model(prompt) == exact  # the default fits
    longer = model([prompt, "a"], max_new_tokens=100, overflow="slide")
    assert longer[0].tokens[: 64 - count] == exact.tokens
    assert [len(result.tokens) for result in longer] == [100, 100] or any(
        r.finish == "end" for r in longer
    )
    for one, other in zip((prompt, "a"), longer, strict=True):
        same(model(one, max_new_tokens=100, overflow="slide"), other)
    ids = [*model.tokenizer.encode(prompt).ids, *longer[0].tokens]
    for begin, end in ((0, 64), (33, 65)):  # the whole context once more, then its later half only
        logits = np.asarray(
            model.keras({"input_ids": np.array([ids[begin:end]], np.int32)})["logits"]
        )[0, -1]
        assert ids[end] == logits.argmax()
    assert len(model(prompt * 20, max_new_tokens=5, overflow="slide").tokens) == 5


def test_bad_prompts(model):
    results = model(
        ["a", b"\xff\xfe", "b\x00c", "\ud800", None, "word " * 200_000, "🎉"], max_new_tokens=3
    )
    assert [bool(result) for result in results] == [True, False, True, False, False, False, True]
    for place, words in (
        (1, "item 2: is not UTF-8 at byte 0"),
        (3, "surrogate"),
        (4, "cannot take prompts from None"),
        (5, "do not fit into the 64"),
    ):
        assert words in str(results[place].error)
    assert len(model("", max_new_tokens=3).tokens) == 3  # starts from the token that begins texts
    assert list(model.stream(iter(["a"]), max_new_tokens=2)) == [model("a", max_new_tokens=2)]
    assert model([], max_new_tokens=2) == []
    with pytest.raises(InputError, match="only one token"):
        model.score("a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 1.5}, "top_p"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": 1e40}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"min_p": -0.1}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"repetition_penalty": 1e300}, "repetition_penalty"),
        ({"num_beams": 2, "length_penalty": 1e6}, "length_penalty"),
        ({"num_beams": 2, "length_penalty": -11}, "length_penalty"),
        ({"num_beams": 2, "seed": 1}, "num_beams"),
        ({"stop": ""}, "stop"),
        ({"overflow": "wrap"}, "overflow"),
        ({"beams": 3}, "no option 'beams'"),
        ({"seed": -1}, "seed"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_wrong_options(model, options, words):
    with pytest.raises(UsageError, match=words):
        model("a", **options)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 5e-324, "seed": 1},
        {"temperature": 100, "top_p": 1e-300, "min_p": 1e-300},
        {"temperature": 0, "repetition_penalty": 0.01},
        {"temperature": 0, "repetition_penalty": 100, "no_repeat_ngram_size": 10**9},
        {"num_beams": 3, "length_penalty": 10},
        {"num_beams": 3, "length_penalty": -10},
        {"temperature": 0, "logit_bias": {"a": -1e6, "b": float("-inf")}, "bad_words": ["c"]},
    ],
    ids=str,
)
def test_extreme_options(model, options):
    result = model("a", max_new_tokens=6, **options)
    assert np.isfinite(result.logprobs).all()
    if "seed" in options:  # so low a temperature takes the most likely token
        assert result.tokens == model("a", max_new_tokens=6).tokens


def test_engines(model):
    reference = ws.load(GOLDEN / "plain", engine="keras")
    assert reference("a", max_new_tokens=8).tokens == model("a", max_new_tokens=8).tokens
    with pytest.raises(UsageError, match="use engine='litert'"):
        ws.load(GOLDEN / "plain", engine="onnxruntime")("a")


def test_openvino_writes_the_same(model, expected):
    require_paged_attention()
    other = model.on_engine("openvino")
    for options in ({"max_new_tokens": 24}, {"max_new_tokens": 12, "num_beams": 3}):
        name = "beams" if "num_beams" in options else "greedy"
        assert other.engine.name == "openvino"
        assert [result.tokens for result in other(PROMPTS, **options)] == golden(expected[name])
    np.testing.assert_allclose(other.features(PROMPTS), model.features(PROMPTS), atol=1e-4)
    scores = [one.score(" ".join(PROMPTS) * 8).logprobs for one in (other, model)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_bfloat16(model):
    require_bfloat16()
    require_paged_attention()
    rough = ws.load(GOLDEN / "plain", precision="bfloat16")
    assert rough.engine.name == "openvino"
    options = {"max_new_tokens": 24, "num_beams": 3}
    assert rough(PROMPTS, **options) == rough(PROMPTS, **options)
    states, expected = rough.features(PROMPTS), model.features(PROMPTS)
    assert 0 < np.abs(states - expected).max() < 0.05 * np.abs(expected).max()


def test_features(model):
    ids = model.tokenizer.encode(PROMPTS[0]).ids[None].astype(np.int32)
    want = np.asarray(model.keras({"input_ids": ids})["last_hidden_state"])[0, -1]
    np.testing.assert_allclose(model.features(PROMPTS[0]), want, atol=1e-4)
    assert model.features(PROMPTS).shape == (4, 32)


def test_a_saved_model_is_a_repository_for_transformers_too(model, home, tmp_path, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", home)
    saved = model.save(tmp_path / "saved")
    again = ws.load(saved)
    assert again.is_compiled()
    assert again("a", max_new_tokens=8).tokens == model("a", max_new_tokens=8).tokens
    told, original = (
        json.loads((folder / "config.json").read_text()) for folder in (saved, GOLDEN / "plain")
    )
    for key in (
        "model_type",
        "architectures",
        "n_embd",
        "n_layer",
        "vocab_size",
        "eos_token_id",
        "bos_token_id",
    ):
        assert told[key] == original[key]
    assert (
        ws.load(as_repository(saved), engine="keras")("a", max_new_tokens=8).tokens
        == model("a", max_new_tokens=8).tokens
    )


def test_a_tokenizer_of_another_model(tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(GOLDEN / "plain", folder)
    told = json.loads((folder / "tokenizer.json").read_text())
    told["added_tokens"] += [
        {**told["added_tokens"][0], "id": 302 + n, "content": f"<{n}>"} for n in range(1, 9)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(BundleError, match="do not belong to the same model"):
        ws.load(folder)("a")


def test_generating_never_imports_tensorflow(model, home):
    code = (
        f"import sys, warmstart as ws\nm = ws.load({str(GOLDEN / 'plain')!r})\n"
        "print(m('a', max_new_tokens=4).tokens, m.score('two words').perplexity > 1)\n"
        "heavy = {'tensorflow', 'keras', 'pandas', 'torch', 'openvino'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "WARMSTART_HOME": home},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{model('a', max_new_tokens=4).tokens} True"


def test_on_the_command_line(run, model, home, monkeypatch):
    monkeypatch.setenv("WARMSTART_HOME", home)
    predict = ("predict", "--model", GOLDEN / "plain", "--max-new-tokens", 6)
    whole = model(PROMPTS[0], max_new_tokens=6)
    assert run(*predict, PROMPTS[0]).out == f"{whole}\n\n"
    done = run(*predict, "--json", "-", stdin=f"{PROMPTS[0]}\n{'long ' * 100}\n")
    generated, failed = [json.loads(line) for line in done.out.splitlines()]
    assert generated == whole.to_dict()
    assert "do not fit" in failed["error"]
    assert done.code == 1
    done = run(*predict, "--stop", whole.text[3:5], "--csv", PROMPTS[0])
    assert whole.text[:3] in done.out
    assert run(*predict, "--temperature", -1, "a").code == 2
