"""Fine-tuning encoders of texts, from data to bundle, with tiny checkpoints as the base."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import warmstart as ws
from warmstart.errors import BundleError, ChecksumError, UsageError
from warmstart.text.conll import Sentence
from warmstart.text.squad import Question

GOLDEN = Path(__file__).parents[2] / "golden" / "text"
BERT, DISTILBERT, ROBERTA = (
    GOLDEN / name for name in ("bert_fill_mask", "distilbert_base", "roberta_base")
)
pytestmark = pytest.mark.tensorflow


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    draw = random.Random(seed)
    return [
        (f"the film {draw.choice(['ann', 'bob'])} is {word}", label)
        for word, label in (draw.choice([("good", "pos"), ("bad", "neg")]) for _ in range(count))
    ]


def test_classes_are_learned_and_a_stopped_run_goes_on(tmp_path, as_killed, begun):
    file = tmp_path / "reviews.jsonl"
    file.write_text(
        "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in reviews(96, 0))
    )
    options = {
        "task": "text-classification",
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "seed": 0,
        "validation": [*reviews(20, 1), ("the film ann is good", "neg")],
        "names": {"pos": "positive"},
    }
    copy = as_killed(tmp_path / "whole", tmp_path / "run")
    whole = ws.finetune(BERT, file, output=tmp_path / "whole", callbacks=[copy], **options)
    assert not (tmp_path / "run" / "warmstart.json").exists()
    model = ws.finetune(BERT, file, output=tmp_path / "run", callbacks=[begun], **options)
    assert begun.epochs == [1, 2]
    assert [one.get("loss") for one in model.history] == [one.get("loss") for one in whole.history]
    assert model.weights.digest == whole.weights.digest
    assert model("the film is good").label == "positive"
    assert model("the film is bad").label == "neg"
    assert {metric.name: metric.value for metric in model.entry.metrics}["accuracy"] == 20 / 21
    page = model.report().read_text()
    assert "Per class" in page
    assert "The worst 1 of 1 among 21" in page
    assert "the film ann is good" in page
    assert json.loads((tmp_path / "run" / "config.json").read_text())["id2label"] == {
        "0": "neg",
        "1": "positive",
    }
    with pytest.raises(UsageError, match="other settings"):
        ws.finetune(BERT, file, output=tmp_path / "run", **{**options, "seed": 2})


def test_at_equal_accuracy_the_epoch_with_the_lowest_loss_is_selected(tmp_path):
    model = ws.finetune(
        BERT,
        reviews(96, 0),
        task="text-classification",
        epochs=6,
        batch_size=8,
        learning_rate=1e-2,
        seed=0,
        refit=0,
        validation=[*reviews(20, 1), ("the film ann is good", "neg")],
        output=tmp_path / "out",
    )
    accuracy = max(one["val_accuracy"] for one in model.history)
    trained = [one for one in model.history if one["epoch"]]  # without the linear probe
    equal = [one for one in trained if one["val_accuracy"] == accuracy]
    assert len(equal) > 1
    training = json.loads((tmp_path / "out" / "training.json").read_text())
    lowest = min(equal, key=lambda one: one["val_loss"])
    assert training["best"]["fit"]["epoch"] == lowest["epoch"]


PEOPLE = [
    ((name, "lives", "in", *place), ("B-PER", "O", "O", "B-LOC", *["I-LOC"] * (len(place) - 1)))
    for name in ("ann", "bob", "bobby", "annx")
    for place in (("paris",), ("new", "york"), ("new", "paris"))
]


def test_adversarial_training_learns_and_goes_on_after_a_stop(tmp_path, as_killed):
    options = {
        "task": "text-classification",
        "epochs": 3,
        "batch_size": 8,
        "learning_rate": 1e-2,
        "seed": 0,
        "validation": reviews(20, 1),
        "adversarial": 0.5,
    }
    copy = as_killed(tmp_path / "run", tmp_path / "stopped")
    whole = ws.finetune(BERT, reviews(96, 0), output=tmp_path / "run", callbacks=[copy], **options)
    assert not (tmp_path / "stopped" / "warmstart.json").exists()
    model = ws.finetune(BERT, reviews(96, 0), output=tmp_path / "stopped", **options)
    assert [one.get("loss") for one in model.history] == [one.get("loss") for one in whole.history]
    first, again = (
        next(one for one in result.history if one["epoch"] == 1) for result in (whole, model)
    )
    assert again["seconds"] == first["seconds"]  # the first epoch was not trained again
    assert model.weights.digest == whole.weights.digest
    assert model("the film is good").label == "pos"


def test_entities_are_learned_from_conll(tmp_path):
    file = tmp_path / "people.conll"
    file.write_text(
        "\n\n".join("\n".join(map("\t".join, zip(*one, strict=True))) for one in PEOPLE * 4) + "\n"
    )
    model = ws.finetune(
        BERT,
        file,
        task="token-classification",
        epochs=6,
        batch_size=4,
        learning_rate=1e-2,
        validation=PEOPLE[:6],
        seed=0,
    )
    assert [label.name for label in model.labels] == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert {metric.name: metric.value for metric in model.entry.metrics}["f1"] == 1
    found = model("bobby lives in new york")  # "bobby" is in pieces
    assert [(entity.label, entity.text) for entity in found] == [
        ("PER", "bobby"),
        ("LOC", "new york"),
    ]
    assert model.evaluate(file)["f1"] > 0.9
    assert "Per type" in model.report().read_text()


def test_entities_are_learned_in_any_scheme_and_at_any_length(tmp_path):
    """Plain types, and entities behind the end of what the model reads at once."""
    sentences = [
        (words * 16, tuple(tag.split("-")[-1] for tag in tags) * 16) for words, tags in PEOPLE
    ]
    model = ws.finetune(
        BERT,
        sentences * 2,
        task="token-classification",
        epochs=6,
        batch_size=4,
        learning_rate=1e-2,
        validation=sentences[:6],
        seed=0,
    )
    assert [label.name for label in model.labels] == ["O", "LOC", "PER"]
    assert {metric.name: metric.value for metric in model.entry.metrics}["f1"] == 1
    text = "bobby lives in new york " * 20
    assert len(model.tokenizer.encode(text)) > model.max_length
    assert [entity.text for entity in model(text)] == ["bobby", "new york"] * 20
    assert model.evaluate(PEOPLE)["f1"] == 1  # in BIO
    with pytest.raises(UsageError, match="no entities of type 'ORG'"):
        model.evaluate([(("x",), ("B-ORG",))])
    with pytest.raises(UsageError, match="use the same tagging scheme"):
        ws.finetune(BERT, sentences, task="token-classification", validation=PEOPLE)


def test_a_word_gives_its_tag_to_its_pieces():
    from warmstart.text.tags import scheme_of
    from warmstart.text.train.token_classification import aligned

    for folder in (BERT, ROBERTA):
        model = ws.load(folder, task="text-embedding")
        sentence = Sentence(("bobby", "is", "annx"), ("B-PER", "O", "B-PER"))
        encoded = model.tokenize(" ".join(sentence.words))
        classes, weights = aligned(
            sentence, encoded, {"O": 0, "B-PER": 1, "I-PER": 2}, scheme_of(["B-PER", "O"])
        )
        assert weights[[0, -1]].tolist() == [0, 0]
        assert (weights[1:-1] == 1).all()
        assert classes.tolist().count(1) == 2
        assert classes[1] == 1
        assert 0 in classes[1:-1]
        assert set(classes[1:-1][classes[1:-1] != 0]) == {1, 2}


def test_answers_are_learned_from_squad(tmp_path):
    asked = [
        {
            "context": f"{name} lives in {place} . the film is good .",
            "qas": [{"question": "who lives ?", "answers": [{"text": name, "answer_start": 0}]}],
        }
        for name in ("ann", "bob", "york", "film")
        for place in ("paris", "new york", "york")
    ]
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"paragraphs": asked * 4}]}))
    model = ws.finetune(
        DISTILBERT,
        file,
        task="question-answering",
        epochs=6,
        batch_size=8,
        learning_rate=1e-2,
        validation=0.2,
        seed=0,
    )
    figures = {metric.name: metric.value for metric in model.entry.metrics}
    assert figures["exact"] == 1
    assert model(("who lives ?", "bob lives in york . the film is good .")).text == "bob"
    assert model.evaluate(file)["f1"] == 1


def test_where_the_answer_stands():
    from warmstart.text.inputs import Pair
    from warmstart.text.train.question_answering import span

    model = ws.load(GOLDEN / "bert_question_answering")
    question = Question("who ?", "ann works . bobby lives in paris .", (("bobby", 12),))
    (window,) = model.windows(Pair(question.question, question.context))
    first, last = span(question, window)
    assert window.offsets[first, 0] == 12
    assert window.offsets[last, 1] == 17
    assert last > first
    assert span(replace(question, answers=()), window) == (0, 0)
    windows = model.tokenizer.windows(question.question, question.context, limit=10, stride=2)
    spans = [span(question, window) for window in windows]
    assert (0, 0) in spans
    whole = next(one for one in zip(spans, windows, strict=True) if one[0] != (0, 0))
    assert whole[1].offsets[whole[0][0], 0] == 12


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    base = folder / "base"
    base.mkdir()
    for path in BERT.iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    ws.finetune(
        base,
        reviews(96, 0),
        task="text-classification",
        epochs=3,
        batch_size=8,
        learning_rate=2e-2,
        lora=2,
        validation=reviews(20, 1),
        output=folder / "run",
    )
    return folder


def test_an_adapter_is_stored_alone_and_merged_when_loaded(adapted, tmp_path):
    from safetensors.numpy import load_file

    run = adapted / "run"
    assert not (run / "model.safetensors").exists()
    model = ws.load(run, engine="litert")
    assert model.entry.metrics[0].value == 1
    stored = load_file(run / "adapter_model.safetensors")
    a, b = (
        stored[f"base_model.model.bert.encoder.layer.0.attention.self.query.lora_{side}.weight"]
        for side in "AB"
    )
    assert a.shape == (2, 24)
    assert b.shape == (24, 2)
    assert np.abs(b).max() > 0
    config = json.loads((run / "adapter_config.json").read_text())
    assert config["base_sha256"] == ws.load(BERT).weights.digest
    assert config["target_modules"] == ["query", "value"]
    merged = load_file(model.save(tmp_path / "merged") / "model.safetensors")
    before = load_file(BERT / "model.safetensors")
    name = "bert.encoder.layer.0.attention.self.query.weight"
    np.testing.assert_allclose(merged[name], before[name] + b @ a, atol=1e-6)
    untouched = "bert.encoder.layer.0.attention.self.key.weight"
    np.testing.assert_array_equal(merged[untouched], before[untouched])
    texts = [text for text, _ in reviews(4, 3)]
    for other in (ws.load(run, engine="keras"), ws.load(tmp_path / "merged", engine="litert")):
        for one, two in zip(model(texts), other(texts), strict=True):
            assert {p.id: p.score for p in one} == pytest.approx(
                {p.id: p.score for p in two}, abs=1e-5
            )


def test_an_adapter_without_its_base_predicts_but_is_not_built_anew(adapted):
    base = adapted / "base" / "model.safetensors"
    content = base.read_bytes()
    try:
        base.write_bytes((GOLDEN / "bert_untied" / "model.safetensors").read_bytes())
        assert (
            ws.load(adapted / "run", engine="litert")("the film is good").label == "pos"
        )  # its program is in there
        with pytest.raises(ChecksumError, match="is an adapter of the weights with sha256"):
            ws.load(adapted / "run").keras  # noqa: B018
        base.unlink()
        with pytest.raises(BundleError, match="cannot be loaded"):
            ws.load(adapted / "run").keras  # noqa: B018
    finally:
        base.write_bytes(content)
    with pytest.raises(UsageError, match="no weights of its own"):
        ws.finetune(adapted / "run", reviews(8, 0), lora=2)


@pytest.mark.parametrize(
    ("how", "layers"),
    [
        (0, "01"),
        (1, "1"),
        ("encoder", ""),
        ("encoder.layer.0.output.LayerNorm", "1"),
    ],
)
def test_what_is_frozen(how, layers, unwritten):
    """One step moves every weight that is trained, and no other."""
    ws.finetune(
        BERT,
        reviews(8, 0),
        task="text-classification",
        epochs=1,
        learning_rate=1e-2,
        freeze=how,
        validation=0,
        warmup=0.0,
        batch_size=2,
    )
    before, after = (
        {w.path: w.numpy() for w in network.weights}
        for network in (ws.load(BERT).keras, unwritten.network)
    )
    moved = {
        name
        for name in before.keys() & after.keys()
        if not np.array_equal(before[name], after[name])
    }
    inside = {name.split(".")[2] for name in moved if name.startswith("encoder.")}
    assert inside == set(layers)
    assert any(name.startswith("embeddings.") for name in moved) == (how == 0)


def test_a_freeze_that_does_not_fit_is_refused_before_the_run(tmp_path):
    with pytest.raises(UsageError, match="a number of first blocks up to 2"):
        ws.finetune(
            BERT, reviews(8, 0), task="text-classification", freeze=3, output=tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_class_weights_move_the_decision():
    """Without weights the share would be that of the texts, 0.75."""
    texts = [("the film ann is good", "pos")] * 3 + [("the film ann is good", "neg")]
    options = {
        "task": "text-classification",
        "epochs": 20,
        "learning_rate": 1e-2,
        "validation": 0,
        "verbose": False,
    }

    def share(**weights):
        scores = ws.finetune(BERT, texts, **options, **weights)(texts[0][0])
        return next(one.score for one in scores if one.label == "pos")

    assert share(class_weight="balanced") == pytest.approx(0.5, abs=0.1)
    assert share(class_weight={"neg": 9.0}) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ("nowhere.tsv", {}, "nowhere.tsv does not exist"),
        ([("a", "x")] * 4, {}, "only the label"),
        (reviews(8, 0), {"validation": 1.5}, "fraction"),
        (reviews(8, 0), {"freeze": 3}, "first blocks up to 2"),
        (reviews(8, 0), {"lora": 0}, "lora must be 1 or more"),
        (reviews(8, 0), {"lora": 99}, "rank of the adapter"),
        (reviews(8, 0), {"lora": 2, "freeze": 1}, "not both"),
        (reviews(8, 0), {"adversarial": -1.0}, "0 or more"),
        (reviews(8, 0), {"adversarial": 1.0, "lora": 2}, "are not trained"),
        (reviews(8, 0), {"problem": "double"}, "problem must be one of"),
        (reviews(8, 0), {"augment": True}, "no option"),
        ([(["a"], ["O"])] * 4, {"task": "token-classification"}, "no entities"),
        (reviews(8, 0), {"task": "text-embedding"}, "look like labels"),
        (
            [{"question": "Who?", "context": "It was Ann.", "answer": "Bob"}] * 4,
            {"task": "question-answering"},
            "No question can be used; the first problem: .*row 1.*Bob",
        ),
    ],
)
def test_what_cannot_be_used(data, options, words):
    with pytest.raises(UsageError, match=words):
        ws.finetune(BERT, data, **{"task": "text-classification", **options})
