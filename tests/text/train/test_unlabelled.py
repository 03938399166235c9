"""Fine-tuning without classes: masked tokens, and texts that belong together."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from tests.fixtures import as_repository

import warmstart as ws
from warmstart.errors import UsageError

GOLDEN = Path(__file__).parents[2] / "golden" / "text"
BERT, ENCODER = GOLDEN / "bert_fill_mask", GOLDEN / "bert_base"
WORDS = ("ann", "bob", "film", "paris", "good", "bad", "new", "york")
TEXTS = [f"{a} lives in {b} ." for a in ("ann", "bob") for b in ("paris", "york")] * 8
PAIRS = [(f"the {a} {b}", f"is {a} {b} .") for a in WORDS for b in WORDS if a != b]
pytestmark = pytest.mark.tensorflow


def test_masked_tokens_are_learned(tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS))
    options = {"task": "fill-mask", "epochs": 4, "batch_size": 8, "learning_rate": 1e-2}
    model = ws.finetune(BERT, file, output=tmp_path / "out", **options)
    first, *_, last = model.history
    assert first["epoch"] == 0
    assert last["val_loss"] < 0.6 * first["val_loss"]
    assert last["val_perplexity"] == pytest.approx(math.exp(last["val_loss"]))
    filled = model("ann [MASK] in paris .")[0].label
    assert filled in TEXTS[0].split() + TEXTS[-1].split()
    assert ws.load(tmp_path / "out")("ann [MASK] in paris .")[0].label == filled
    with pytest.raises(UsageError, match="has no negatives"):
        ws.finetune(ENCODER, PAIRS, task="text-embedding", batch_size=1)
    with pytest.raises(UsageError, match="has no head for fill-mask"):
        ws.finetune(ENCODER, TEXTS, task="fill-mask")


def test_a_share_of_the_tokens_is_masked_anew_in_each_epoch():
    from warmstart.text.train.batches import padder
    from warmstart.text.train.fill_mask import MaskedBatches

    model = ws.load(BERT)
    mask = model.tokenizer.special_id("mask")
    texts = [model.tokenizer.encode("ann lives in paris . " * 10) for _ in range(64)]
    sizes = {"mask": mask, "tokens": 20, "share": 0.2}
    pad = padder(model.entry.config)
    batches = MaskedBatches(texts, pad, **sizes, batch_size=64, shuffle=True, seed=0)
    (inputs, truth, weights), again = batches.batch(0, 0), batches.batch(1, 0)
    chosen = weights["logits"] > 0
    assert (chosen.sum(1) == 10).all()
    assert not chosen[:, 0].any()  # special tokens are not predicted
    assert (truth["logits"] == batches.pad(texts, 56)["input_ids"]).all()
    assert (inputs["input_ids"] == truth["logits"])[~chosen].all()
    assert 0.7 < (inputs["input_ids"][chosen] == mask).mean() < 0.9
    assert (again[2]["logits"] != weights["logits"]).any()
    np.testing.assert_array_equal(batches.batch(0, 0)[0]["input_ids"], inputs["input_ids"])


def test_texts_that_belong_together_come_closer(tmp_path):
    rows = [{"query": a, "positive": b} for a, b in PAIRS]
    options = {"task": "text-embedding", "epochs": 8, "batch_size": 8, "learning_rate": 3e-3}
    model = ws.finetune(ENCODER, rows, output=tmp_path / "out", **options)
    first = model.history[0]
    figures = {metric.name: metric.value for metric in model.entry.metrics}
    assert figures["accuracy"] > first["val_accuracy"]
    reloaded = ws.load(tmp_path / "out")
    assert reloaded.entry.task == "text-embedding"
    np.testing.assert_allclose(reloaded("ann").vector, model("ann").vector, atol=1e-5)


def test_the_loss_is_that_of_the_paper():
    """Equal texts are no negatives of each other, and the third text of a triplet is one of all."""
    from warmstart.text.train.embedding import RankingLoss

    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    texts = np.array([10, 11, 12, 0, 1, 0, 5, 6, 7], np.int32)[:, None]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = 20 * units[:3] @ units[3:].T
    scores[0, 2] = scores[2, 0] = -np.inf
    expected = np.log(np.exp(scores).sum(1)) - scores[np.arange(3), np.arange(3)]
    loss = RankingLoss(20.0, roles=3)(texts, vectors)
    assert float(loss) == pytest.approx(float(expected.mean()), rel=1e-5)


def test_a_classifier_of_sentence_vectors_takes_their_mean(tmp_path):
    """Its probe is the start of training (Kumar et al. 2022), and it is saved and read again."""
    (tmp_path / "base").mkdir()
    for file in ENCODER.iterdir():
        (tmp_path / "base" / file.name).write_bytes(file.read_bytes())
    pooling = {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}
    (tmp_path / "base" / "modules.json").write_text(json.dumps([pooling]))
    (tmp_path / "base" / "1_Pooling").mkdir()
    config = {"pooling_mode_mean_tokens": True}
    (tmp_path / "base" / "1_Pooling" / "config.json").write_text(json.dumps(config))
    reviews = [(f"the film {n} is {word}", word) for n in WORDS for word in ("good", "bad")]
    model = ws.finetune(
        tmp_path / "base", reviews, task="text-classification", epochs=2, output=tmp_path / "out"
    )
    assert model.entry.config["classifier_pooling"] == "mean_of_last_four"
    assert [record["epoch"] for record in model.history] == [0, 1, 2], "the probe is a candidate"
    again = ws.load(tmp_path / "out", engine="keras")
    features = again.features("the film is good")
    kernel, bias = again.keras.get_layer("head.classifier").get_weights()
    logits = features @ kernel + bias
    expected = np.exp(logits) / np.exp(logits).sum()
    found = {one.label: one.score for one in again("the film is good")}
    for label, score in zip(again.labels, expected, strict=True):
        assert found[label.name] == pytest.approx(float(score), abs=1e-5)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    plain = ws.load(as_repository(tmp_path / "out"), engine="keras")
    assert plain("the film is good")[0].score == pytest.approx(again("the film is good")[0].score)
