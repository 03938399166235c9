"""Text tasks answer as the reference's pipelines do, on the tiny checkpoints of tests/golden/text."""

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.fixtures import as_repository

import warmstart as ws
from warmstart.core.results import Failed
from warmstart.errors import CorruptCheckpointError, InputError, UsageError
from warmstart.text.inputs import Pair
from warmstart.text.tokenizer import TruncationWarning

pytestmark = pytest.mark.tensorflow
GOLDEN = Path(__file__).parents[1] / "golden" / "text"
FORMATTED = ("message", "category", "filename", "lineno")
FAMILIES = ("bert", "distilbert", "roberta")


@pytest.fixture(scope="module")
def opened():
    """Models by folder, each built once."""
    models = {}

    def load(folder: str, **options):
        key = (folder, *options.items())
        if key not in models:
            models[key] = ws.load(GOLDEN / folder, engine="keras", **options)
        return models[key]

    return load


def answers(folder: str) -> dict:
    return json.loads((GOLDEN / folder / "answers.json").read_text())


def scores(result) -> dict[str, float]:
    return {p.label: p.score for p in result}


@pytest.mark.parametrize("family", FAMILIES)
def test_classes(opened, family):
    model, want = opened(f"{family}_text_classification"), answers(f"{family}_text_classification")
    results = model(want["texts"])
    assert [result.input for result in results] == want["texts"]
    for result, expected in zip(results, want["single"], strict=True):
        assert scores(result) == pytest.approx({p["label"]: p["score"] for p in expected}, abs=1e-5)
        assert result.label == expected[0]["label"]
    pair = model((want["pairs"][0]["text"], want["pairs"][0]["text_pair"]))
    assert scores(pair) == pytest.approx(
        {p["label"]: p["score"] for p in want["paired"][0]}, abs=1e-5
    )
    assert scores(model(want["pairs"])[0]) == pytest.approx(scores(pair), abs=1e-6)


def changed(folder: str, target: Path, **config) -> Path:
    """A copy of a golden checkpoint with another config."""
    target.mkdir(parents=True, exist_ok=True)
    for path in (GOLDEN / folder).iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    old = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**old, **config}))
    return target


def test_several_classes_and_regression(opened, tmp_path):
    want = answers("bert_text_classification")
    multi = ws.load(
        changed(
            "bert_text_classification",
            tmp_path / "multi",
            problem_type="multi_label_classification",
        ),
        engine="keras",
    )
    for result, expected in zip(multi(want["texts"]), want["multi"], strict=True):
        assert scores(result) == pytest.approx({p["label"]: p["score"] for p in expected}, abs=1e-5)
    folder = changed("bert_text_classification", tmp_path / "values", problem_type="regression")
    values = ws.load(folder, engine="keras")
    result = values(want["texts"][0])
    exact = {p.label: 1 / (1 + np.exp(-p.score)) for p in result}
    assert exact == pytest.approx({p["label"]: p["score"] for p in want["multi"][0]}, abs=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["none", "simple", "first", "max"])
def test_entities(opened, family, way):
    model, want = (
        opened(f"{family}_token_classification"),
        answers(f"{family}_token_classification"),
    )
    for text, result, expected in zip(
        want["texts"], model(want["texts"], aggregation=way), want[way], strict=True
    ):
        key = "entity" if way == "none" else "entity_group"
        assert [(e.label, e.start, e.end) for e in result] == [
            (e[key], e["start"], e["end"]) for e in expected
        ]
        assert [e.score for e in result] == pytest.approx([e["score"] for e in expected], abs=1e-5)
        assert all(e.text == text[e.start : e.end] for e in result)


@pytest.mark.parametrize("family", FAMILIES)
def test_masks(opened, family):
    model, want = opened(f"{family}_fill_mask"), answers(f"{family}_fill_mask")
    one, two = model([text.replace("<mask>", "[MASK]") for text in want["texts"]], top_k=4)
    for mask, expected in zip(
        [*one.masks, *two.masks], [want["filled"][0], *want["filled"][1]], strict=True
    ):
        assert [(p.index, p.label) for p in mask] == [
            (p["token"], p["token_str"].strip()) for p in expected
        ]
        assert [p.score for p in mask] == pytest.approx([p["score"] for p in expected], abs=1e-5)
    assert one[0] == one.masks[0][0]
    with pytest.raises(InputError, match=r"has no \[MASK\]"):
        model("nothing to fill")
    with (
        warnings.catch_warnings(action="ignore", category=TruncationWarning),
        pytest.raises(InputError, match=r"no \[MASK\] in the \d+ tokens that .* takes; shorten"),
    ):
        model("anna lives in new york . " * 50 + "[MASK]")


@pytest.mark.parametrize("family", FAMILIES)
def test_answers(opened, family):
    model, want = opened(f"{family}_question_answering"), answers(f"{family}_question_answering")
    question, context = "who works in paris ?", "bob works in paris . anna lives in new york ."
    (window,) = model.windows(Pair(question, context))
    assert window.ids.tolist() == want["ids"]
    inside = window.sequences == 1
    start, end = (np.exp(np.array(want[key])[inside]) for key in ("start", "end"))
    products = np.triu(np.outer(start / start.sum(), end / end.sum()))
    places = np.flatnonzero(inside)
    first, last = np.unravel_index(products.argmax(), products.shape)
    options = {"max_answer_tokens": 1000, "align_to_words": False}
    result = model((question, context), top_k=3, **options)
    assert result.score == pytest.approx(products.max(), abs=1e-5)
    assert (result.start, result.end) == (
        window.offsets[places[first], 0],
        window.offsets[places[last], 1],
    )
    assert result.text == context[result.start : result.end]
    assert len(result.others) == 2
    assert [result.score, *(other.score for other in result.others)] == pytest.approx(
        np.sort(products, axis=None)[::-1][:3], abs=1e-5
    )
    assert model({"question": question, "context": context}, **options).text == result.text
    short = model((question, context), max_answer_tokens=1, align_to_words=False)
    assert len(model.tokenizer.encode(short.text, special=False)) <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value, tmp_path):
    folder = shutil.copytree(GOLDEN / "bert_token_classification", tmp_path / "ner")
    arrays = load_file(folder / "model.safetensors")
    arrays["classifier.bias"][0] = value
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(
        CorruptCheckpointError, match=r"'.*classifier/bias' contain NaN or infinity"
    ):
        ws.load(folder)("anna lives in new york")


def test_long_contexts_are_answered_from_windows(opened):
    model = opened("bert_question_answering")
    context = "anna lives in new york . " * 20 + "bob works in paris ."
    result = model(("who works ?", context), top_k=5)
    assert all(context[a.start : a.end] == a.text for a in (result, *result.others))
    assert len(model.windows(Pair("who works ?", context))) > 2
    none = model(("who works ?", context), top_k=10**6, no_answer=True)
    assert sum(not a.text for a in (none, *none.others)) == 1
    with pytest.raises(InputError, match="question and a context"):
        model("who works ?")
    with pytest.raises(InputError, match=r"first text of [\d,]+, such as the question; shorten it"):
        model(("who works ? " * 400, context))


def test_windows_of_a_context_are_compared_by_their_logits(opened):
    """The best span of all windows wins, however sure another window is of its own best."""
    model = opened("bert_question_answering")
    pair = Pair("who works ?", "ann works . " * 40)
    windows = model.windows(pair)
    high, low = 5.0, 1.0
    rows = [
        {name: np.full(len(window), -9.0, np.float32) for name in ("start_logits", "end_logits")}
        for window in windows
    ]
    for row, window, logit in zip(rows, windows, (low, high), strict=False):
        token = np.flatnonzero(window.sequences == 1)[-3]
        for logits in row.values():
            logits[token] = logit
    rows[1]["start_logits"][np.flatnonzero(windows[1].sequences == 1)] += 4.0  # less sure of it
    options = model.options(top_k=2)
    answer = model.answer(pair, windows, rows, options)
    expected = windows[1].offsets[np.flatnonzero(windows[1].sequences == 1)[-3]]
    assert (answer.start, answer.end) == tuple(expected)
    assert 0 < answer.score < 1
    for row in rows:
        row["start_logits"][0] = row["end_logits"][0] = 8.0
    assert model.answer(pair, windows, rows, model.options(no_answer=True)).text == ""
    rows[1]["start_logits"][0] = -9.0  # one window with an answer is enough
    assert model.answer(pair, windows, rows, model.options(no_answer=True)).text


@pytest.mark.parametrize(
    ("context", "tokens", "answer"),
    [
        ("bobby lives .", (1, 1), "bobby"),  # "bob", "##b", "##y"
        ("in new york .", (1, 1), "new"),
        ("né en mai .", (0, 0), "né"),
        ("l'annexe .", (3, 3), "annexe"),
    ],
)
def test_answers_are_whole_words(opened, context, tokens, answer):
    model = opened("bert_question_answering")
    pair = Pair("who ?", context)
    (window,) = model.windows(pair)
    inside = np.flatnonzero(window.sequences == 1)
    row = {name: np.full(len(window), -9.0) for name in ("start_logits", "end_logits")}
    for logits, token in zip(row.values(), tokens, strict=True):
        logits[inside[token]] = 9.0
    assert model.answer(pair, [window], [row], model.options()).text == answer
    exact = model.answer(pair, [window], [row], model.options(align_to_words=False)).text
    assert exact in answer


def test_entities_of_long_texts_are_found_to_the_end(opened):
    """Windows give what the whole text gives, where tokens see no further than a window."""
    model = opened("bert_token_classification")
    text = " ".join(f"anna lives in new york {letter} ." for letter in "abcdefghijkl" * 3)
    whole = model.tokenizer.encode(text)
    windows = model.windows(text)
    assert len(windows) > 3
    logits = [window.ids[:, None] * [[1.0, -1.0]] for window in windows]  # of the token itself
    tokens = model.merged(windows, logits)
    np.testing.assert_array_equal(tokens.ids, whole.ids[1:-1])
    np.testing.assert_array_equal(tokens.offsets, whole.offsets[1:-1])
    np.testing.assert_array_equal(tokens.logits[:, 0], whole.ids[1:-1])
    entities = model(text)
    assert entities[-1].end > len(text) - 20
    assert all(text[entity.start : entity.end] == entity.text for entity in entities)


def test_a_cut_text_is_marked_and_named(opened):
    model = ws.load(GOLDEN / "bert_base", engine="keras")
    long = "the film is good " * 40
    with pytest.warns(TruncationWarning, match="^item 2 has more than the 64 tokens") as warned:
        results = model(["the film", long])
    assert [result.truncated for result in results] == [False, True]
    assert "truncated" not in results[0].to_dict()
    assert results[1].to_dict()["truncated"] is True
    shown = warnings.formatwarning(*(getattr(warned[0], name) for name in FORMATTED))
    assert shown.count("\n") == 1  # no source line


def test_embeddings_follow_modules_json(opened, tmp_path):
    plain = opened("bert_base")
    text = "the film is good"
    states = plain.keras(plain.batch([plain.row(plain.tokenize(text))]))["last_hidden_state"][0]
    mean = np.mean(states, axis=0)
    np.testing.assert_allclose(plain(text).vector, mean, atol=1e-5)
    folder = changed("bert_base", tmp_path / "sentences")
    kinds = ("Transformer", "Pooling", "Normalize")
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": n,
                    "name": str(n),
                    "path": ["", "1_Pooling", "2_Normalize"][n],
                    "type": f"sentence_transformers.models.{kind}",
                }
                for n, kind in enumerate(kinds)
            ]
        )
    )
    (folder / "1_Pooling").mkdir()
    pooling = '{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}'
    (folder / "1_Pooling" / "config.json").write_text(pooling)
    model = ws.load(folder, engine="keras")
    np.testing.assert_allclose(model(text).vector, states[0] / np.linalg.norm(states[0]), atol=1e-5)


@pytest.fixture(scope="module")
def compiled():
    """A compiled model with every kind of head's plumbing: what users run."""
    model = ws.load(GOLDEN / "bert_text_classification", engine="litert")
    assert model.engine.name == "litert"
    return model


TEXTS = [
    "the film is good",
    "a",
    "who works in paris ? bob works in paris , anna lives in new york .",
    "bad film",
    "anna",
    "is the film bad ?",
] * 3


def test_batches_answer_as_single_texts_do(compiled):
    alone = [scores(compiled(text)) for text in TEXTS[:6]] * 3
    for batch_size in (1, 4, 18):
        together = compiled(TEXTS, batch_size=batch_size)
        assert [result.input for result in together] == TEXTS
        for one, other in zip(alone, together, strict=True):
            assert scores(other) == pytest.approx(one, abs=1e-5)
    assert [scores(r) for r in compiled.stream(iter(TEXTS))] == [
        pytest.approx(one, abs=1e-5) for one in alone
    ]
    assert compiled([]) == []


def test_the_compiled_model_equals_the_reference(compiled):
    want = answers("bert_text_classification")
    for result, expected in zip(compiled(want["texts"]), want["single"], strict=True):
        assert scores(result) == pytest.approx({p["label"]: p["score"] for p in expected}, abs=1e-5)


@pytest.mark.parametrize("text", ["", " \n", b"bad \xff", "\ud800", 5])
def test_bad_texts_do_not_stop_the_others(compiled, text):
    results = compiled(["a film", text, "the film"])
    assert [isinstance(r, Failed) for r in results] == [False, True, False]
    assert "item 2" in str(results[1].error)
    assert not hasattr(results[1], "label")
    if not isinstance(text, int):
        with pytest.raises(InputError, match="the text"):
            compiled(text)


@pytest.mark.parametrize(
    "text", ["\0", "a\0b", "🙂🙂", "مرحبا بالعالم", "ελληνικά", "你好", "\u202egood\u202c"]
)
def test_strange_texts_are_answered(compiled, text):
    assert len(compiled(text)) == 3


def test_a_megabyte_of_text_is_cut_and_told():
    model = ws.load(GOLDEN / "bert_text_classification", engine="keras")
    with pytest.warns(TruncationWarning, match="the 64 tokens"):
        result = model("the film is good " * 60_000)
    assert len(result.input) == 200
    assert scores(result) == pytest.approx(scores(model("the film is good " * 20)), abs=1e-6)


def test_features(compiled):
    many = compiled.features(TEXTS[:3])
    assert many.shape == (3, 24)
    np.testing.assert_allclose(compiled.features(TEXTS[1]), many[1], atol=1e-5)
    np.testing.assert_allclose(list(compiled.stream_features(iter(TEXTS[:3]))), many, atol=1e-5)
    assert compiled.features([]).shape == (0, 24)


def test_evaluate(compiled, tmp_path):
    rows = [(text, compiled(text).label) for text in TEXTS[:6]]
    (tmp_path / "dev.tsv").write_text("".join(f"{text}\t{label}\n" for text, label in rows))
    (tmp_path / "dev.jsonl").write_text(
        "".join(json.dumps({"text": t, "label": x}) + "\n" for t, x in rows)
    )
    for data in (rows, tmp_path / "dev.tsv", tmp_path / "dev.jsonl"):
        metrics = compiled.evaluate(data)
        assert (metrics["accuracy"], metrics["f1"], metrics["count"]) == (1.0, 1.0, 6)
    last = compiled("a film", top_k=3)[2].label
    metrics = compiled.evaluate([rows[0], ("a film", last)])
    assert (metrics["accuracy"], metrics["count"], metrics["errors"]) == (0.5, 2, [])
    assert metrics["f1"] == pytest.approx(1 / 3)
    assert metrics["per_class"][last] == {
        "precision": pytest.approx(np.nan, nan_ok=True), "recall": 0, "f1": 0, "count": 1}  # fmt: skip
    with pytest.raises(UsageError, match="no class 'unicorn'"):
        compiled.evaluate([("a", "unicorn")])


def test_saved_folders_are_repositories(compiled, tmp_path):
    folder = compiled.save(tmp_path / "saved")
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "warmstart.json",
    } <= names
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    text = "the film is good"
    code = (
        f"import sys, warmstart as ws; print(ws.load({str(folder)!r})({text!r})[0].score); "
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(compiled(text).score, abs=1e-6)
    again = ws.load(as_repository(folder), engine="keras")
    assert scores(again(text)) == pytest.approx(scores(compiled(text)), abs=1e-5)
    assert [label.name for label in again.labels] == ["NEGATIVE", "NEUTRAL", "POSITIVE"]


def test_a_missing_head_is_told(tmp_path):
    with pytest.raises(
        UsageError, match="no head for question-answering: it is a BertForSequenceClassification"
    ):
        ws.load(GOLDEN / "bert_text_classification", task="question-answering")
    folder = changed("bert_base", tmp_path / "x", architectures=["BertForTokenClassification"])
    with pytest.raises(
        ws.errors.MismatchError, match=r"no weights for token-classification: classifier"
    ):
        ws.load(folder, engine="keras").keras  # noqa: B018
    embedder = ws.load(GOLDEN / "bert_text_classification", task="text-embedding", engine="keras")
    assert embedder("a").vector.shape == (24,)


@pytest.mark.parametrize(("config", "error"), [
    ({"hidden_size": None}, "lacks 'hidden_size'"),
    ({"hidden_size": 10**9}, "hidden_size is 1000000000"),
    ({"num_hidden_layers": "2"}, "num_hidden_layers is 2"),
    ({"vocab_size": -1}, "vocab_size is -1"),
    ({"vocab_size": 1_900_000, "hidden_size": 12_000, "num_attention_heads": 2}, "parameters"),
    ({"num_attention_heads": 7}, "24 is not divisible by 7"),
    ({"hidden_act": "mish"}, "activation 'mish'"),
    ({"layer_norm_eps": "x"}, "layer_norm_eps is x"),
    ({"position_embedding_type": "relative_key"}, "position_embedding_type: 'relative_key'"),
    ({"is_decoder": True}, "is_decoder"),
    ({"auto_map": {"AutoModel": "evil.py"}}, "has its own code"),
    ({"model_type": "unheard"}, "model_type 'unheard'"),
    ({"architectures": ["BertForNextSentencePrediction"]}, "BertForNextSentencePrediction"),
    ({"id2label": {"0": "a", "2": "b"}}, "number its classes"),
    ({"problem_type": "odd"}, "problem_type 'odd'"),
])  # fmt: skip
def test_bad_configs_are_refused_by_name(tmp_path, config, error):
    folder = changed("bert_text_classification", tmp_path / "x", **config)
    with pytest.raises(ws.errors.WarmstartError, match=error):
        ws.load(folder)


def test_a_vocabulary_of_another_model_is_refused(tmp_path):
    folder = changed("bert_text_classification", tmp_path / "x")
    with open(folder / "vocab.txt", "a") as file:
        file.write("one\nmore\n")
    with pytest.raises(ws.errors.BundleError, match="do not belong to the same model"):
        ws.load(folder, engine="keras")("a film")


def test_wrong_options(opened, compiled):
    for options, error in (({"top_k": 0}, "top_k"), ({"topk": 3}, "'topk'")):
        with pytest.raises(UsageError, match=error):
            compiled("a", **options)
    with pytest.raises(UsageError, match="batch_size"):
        compiled(["a"], batch_size=0)
    with pytest.raises(UsageError, match="aggregation must be one of"):
        opened("bert_token_classification")("a", aggregation="average")
    with pytest.raises(UsageError, match="A call takes one text"):
        opened("bert_token_classification")(("a", "b"))


def test_pickles_are_named(tmp_path):
    folder = changed("bert_base", tmp_path / "x")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ws.errors.UnsafeCheckpointError, match="safetensors"):
        ws.load(folder)
