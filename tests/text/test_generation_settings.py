"""`generation_config.json` and the options of generation, against transformers' `generate`."""

import json
import math
import shutil
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import BundleError, UsageError
from warmstart.models.text.generation_config import NUMBERS
from warmstart.text.decoding.constraints import Constraints
from warmstart.text.decoding.options import GenerateOptions

GOLDEN = Path(__file__).parents[1] / "golden" / "gpt2"
REFERENCE = json.loads((GOLDEN.parent / "gpt2_settings.json").read_text())
PROMPTS = [
    "The cat sat on the mat.",
    "a",
    "To be, or not to be: that is the question",
    "Ünïcode 😀 too",
]
pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One store of compiled programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMSTART_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def opened(target: Path, keys: dict, file: str = "generation_config"):
    """The golden model with settings of its own; the Keras engine, which compiles nothing."""
    shutil.copytree(GOLDEN / "plain", target)
    path = target / f"{file}.json"
    old = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**old, **keys}))
    return ws.load(target, engine="keras")


def without_end(rows, ends) -> list[tuple[int, ...]]:
    """Tokens before the one that ends the text, and before what fills up."""
    cut = []
    for row in rows:
        end = next((n for n, token in enumerate(row) if token in ends), len(row))
        cut.append(tuple(row[:end]))
    return cut


@pytest.mark.parametrize("name", REFERENCE["config"])
def test_settings_of_a_checkpoint(tmp_path, name):
    case = REFERENCE["config"][name]
    model = opened(tmp_path / "a", case["keys"])
    ends = case["keys"].get("eos_token_id", [302])
    expected = [without_end(rows, ends)[0] for rows in case["tokens"]]
    assert [result.tokens for result in model(PROMPTS)] == expected
    if name == "penalised":  # an option wins
        loose = model(PROMPTS[0], repetition_penalty=1.0, no_repeat_ngram_size=0)
        assert loose.tokens != expected[0]
    if name == "ends_beams":
        assert len(model(PROMPTS[0], seed=1).tokens) > 0  # samples exclude its search
    if name == "least":
        saved = model.save(tmp_path / "saved")
        keys = json.loads((saved / "generation_config.json").read_text())
        assert keys["eos_token_id"] == ends
        assert keys["min_new_tokens"] == 9


@pytest.mark.parametrize("name", REFERENCE["options"])
def test_options(tmp_path, name):
    case = REFERENCE["options"][name]
    model = opened(tmp_path / "a", case["keys"])
    options = dict(case["options"])
    if options.pop("bad_words_ids", None):
        options["bad_words"] = REFERENCE["bad"]
    if options.pop("sequence_bias", None):
        options["logit_bias"] = dict.fromkeys(REFERENCE["bad"], 4.0)
    ends = case["keys"].get("eos_token_id", [302])
    for result, rows in zip(
        model(PROMPTS, max_new_tokens=12, **options), case["tokens"], strict=True
    ):
        texts = [result, *result.others]
        assert [text.tokens for text in texts] == without_end(rows, ends)


def test_old_repositories_have_these_keys_in_their_config(tmp_path):
    keys = {"no_repeat_ngram_size": 2, "repetition_penalty": 1.4, "max_new_tokens": 12}
    model = opened(tmp_path / "a", keys, "config")
    expected = REFERENCE["config"]["penalised"]["tokens"][0][0]
    assert list(model(PROMPTS[0]).tokens) == expected


def test_a_sampling_checkpoint_samples(tmp_path):
    model = opened(tmp_path / "a", {"do_sample": True, "temperature": 2.0, "max_new_tokens": 8})
    assert model.defaults["top_k"] == 50
    assert len({model(PROMPTS[0]).tokens for _ in range(4)}) > 1
    greedy = model(PROMPTS[0], temperature=0)
    assert greedy == model(PROMPTS[0], temperature=0)
    assert model(PROMPTS[0], num_beams=2) == model(PROMPTS[0], num_beams=2)
    first = model(PROMPTS[0], seed=3, num_return_sequences=3)
    again = model(["a", PROMPTS[0]], seed=3, num_return_sequences=3)[1]
    assert [t.tokens for t in (again, *again.others)] == [t.tokens for t in (first, *first.others)]
    assert len({text.tokens for text in (first, *first.others)}) == 3
    assert first.tokens == model(PROMPTS[0], seed=3).tokens
    assert len(first.to_dict()["others"]) == 2
    assert "others" not in greedy.to_dict()


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"penalty_alpha": 0.6}, "penalty_alpha=0.6 is not supported"),
        ({"early_stopping": True}, "early_stopping=True"),
        ({"typical_p": 0.9}, "typical_p=0.9"),
        ({"forced_bos_token_id": 3}, "forced_bos_token_id=3"),
        ({"do_sample": True, "num_beams": 4}, "beam search with sampling"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"temperature": 1e40}, "temperature must be a number from 0 to 100, not 1e.40"),
        ({"repetition_penalty": 0}, "repetition_penalty must be a number from 0.01 to 100, not 0"),
        ({"length_penalty": 1e6}, "length_penalty must be a number from -10 to 10, not 1000000"),
        ({"max_new_tokens": float("inf")}, "max_new_tokens must be a number of 1 or more, not inf"),
        ({"suppress_tokens": [-5]}, "suppress_tokens must be the id of a token"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path, keys, error):
    with pytest.raises((UsageError, BundleError), match=error):
        opened(tmp_path / "a", keys)


def test_beams_with_a_sliding_context(home):
    model = ws.load(GOLDEN / "plain", engine="keras")
    options = {"overflow": "slide", "max_new_tokens": 90}
    result = model(PROMPTS[0], num_beams=2, bad_words=["<|endoftext|>"], **options)
    assert len(result.tokens) == 90  # more than the 64 of the context
    assert len(model(PROMPTS[0] * 20, num_beams=2, **{**options, "max_new_tokens": 4}).tokens) == 4
    ids = [*model.tokenizer.encode(PROMPTS[0]).ids, *result.tokens]
    logits = np.asarray(model.keras({"input_ids": np.array([ids[:63]], np.int32)})["logits"])
    rows = logits[0] - np.log(np.exp(logits[0].astype(np.float64)).sum(-1, keepdims=True))
    first = len(ids) - len(result.tokens)
    expected = [rows[n - 1, ids[n]] for n in range(first, 64)]
    np.testing.assert_allclose(result.logprobs[: 64 - first], expected, atol=1e-4)


def test_a_checkpoint_may_say_what_a_caller_may():
    options = get_type_hints(GenerateOptions, include_extras=True)
    for name in (NUMBERS.keys() & options.keys()) - {"top_k"}:  # 0 is its default in checkpoints
        (option,) = get_args(options[name])[1:]
        least, most = (math.inf if limit is None else limit for limit in (option.ge, option.le))
        assert NUMBERS[name][1:] == (least, most), name


def test_options_that_do_not_go_together(home):
    model = ws.load(GOLDEN / "plain", engine="keras")
    with pytest.raises(UsageError, match="at most num_beams"):
        model("a", num_beams=2, num_return_sequences=3)
    with pytest.raises(UsageError, match="needs samples or a beam search"):
        model("a", num_return_sequences=2)
    with pytest.raises(UsageError, match="logit_bias of 'a' must be a number"):
        model("a", logit_bias={"a": "much"})
    for bias in (True, math.inf, math.nan, 1e7):
        with pytest.raises(UsageError, match=r"logit_bias of 'a' must be a number from -1e\+06"):
            model("a", logit_bias={"a": bias})
    for biases in (5, 0, [("a", 1.0)], {5: 1.0}):
        with pytest.raises(UsageError, match="logit_bias must map words to numbers, such as"):
            model("a", logit_bias=biases)
    with pytest.raises(UsageError, match="has no tokens"):
        model("a", logit_bias={"": 1.0})
    with pytest.raises(UsageError, match="Only a single text can be streamed"):
        model.stream_text("a", num_return_sequences=2, seed=1)


def test_constraints_change_nothing_where_there_are_none():
    scores = np.zeros(4, np.float32)
    assert Constraints().apply(scores, [1, 2]) is scores
    assert GenerateOptions().with_defaults({}) == GenerateOptions()
    biased = Constraints(biases=[((2, 3), 1.5), ((1, 3), 9.0)]).apply(scores, [1, 2])
    assert biased.tolist() == [0, 0, 0, 1.5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"min_new_tokens": 9, "max_new_tokens": 5}, r"min_new_tokens \(9\) is above max_new_tok"),
        ({"length_penalty": 2.0}, "length_penalty is for a beam search: set num_beams"),
    ],
)
def test_options_without_effect_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        GenerateOptions(**options).with_defaults({})
    beams = GenerateOptions(num_beams=2, length_penalty=2.0).with_defaults({})
    assert beams.length_penalty == 2.0
    # of a checkpoint: no wish of the caller
    assert GenerateOptions().with_defaults({"length_penalty": 2.0}).length_penalty == 2.0
