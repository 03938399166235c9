"""Similarity and search over the features of models: exact, saved without pickles."""

import json

import numpy as np
import pytest

import warmstart as ws
from warmstart.core.search import Index, similarity
from warmstart.errors import BundleError, InputError, UsageError

TEXTS = ["a warm film", "a dull film", "a warm and moving film", "two hours of nothing"]


@pytest.fixture(scope="module")
def model():
    return ws.load("sst2_bert_tiny", task="text-embedding")


def test_results_are_arrays(model):
    results = model(TEXTS)
    vectors = np.asarray(results)
    assert vectors.shape == (4, 128)
    np.testing.assert_array_equal(vectors[1], results[1].vector)
    np.testing.assert_allclose(model.encode(TEXTS), vectors, atol=1e-5)
    assert model.encode(TEXTS[0], batch_size=1).shape == (128,)


def test_similarity(model):
    vectors = model.features(TEXTS).astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    expected = vectors @ vectors.T / np.outer(lengths, lengths)
    np.testing.assert_allclose(model.similarity(TEXTS, TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(model.similarity(TEXTS[0], TEXTS), expected[0], atol=1e-5)
    assert model.similarity(TEXTS[0], TEXTS[0]) == pytest.approx(1, abs=1e-5)


def test_vectors_are_compared_as_they_are(model):
    vectors, expected = model.encode(TEXTS), model.similarity(TEXTS, TEXTS)
    for inputs in (vectors, model(TEXTS)):
        np.testing.assert_allclose(model.similarity(inputs, TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(model.similarity(vectors[0], TEXTS), expected[0], atol=1e-5)
    np.testing.assert_allclose(model.similarity(model(TEXTS[0]), TEXTS), expected[0], atol=1e-5)
    with pytest.raises(UsageError, match=r"arrays \(128,\) or \(N, 128\), not \(4, 5\)"):
        model.similarity(vectors[:, :5], TEXTS)


def test_a_failed_input_is_named_in_place_of_its_vector(model):
    results = model(["a film", "", "another"])
    for arrays in (np.asarray, lambda failed: model.similarity(failed, TEXTS)):
        with pytest.raises(InputError, match="item 2"):
            arrays(results)


@pytest.mark.parametrize("name", ["vectors.safetensors", "items.jsonl"])
def test_a_changed_file_of_an_index_is_refused(model, tmp_path, name):
    path = model.index(TEXTS).save(tmp_path / "index") / name
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=f"{name} is not the file that was saved"):
        Index.load(tmp_path / "index")


def test_search(model, tmp_path):
    found = model.search(TEXTS[0], TEXTS, top_k=2)
    assert [match.item for match in found] == [TEXTS[0], TEXTS[2]]
    assert found[0].score == pytest.approx(1, abs=1e-5)
    assert found.input == TEXTS[0]
    index = model.index(iter([*TEXTS, b"bad \xff"]))
    assert len(index) == 4
    assert "item 5: is not UTF-8" in index.errors[0]
    again = Index.load(index.save(tmp_path / "index"))
    assert not list((tmp_path / "index").glob("*.pkl"))
    assert list(again.items) == TEXTS
    many = model.search(TEXTS, again, top_k=9)
    assert [matches[0].item for matches in many] == TEXTS
    assert len(many[0]) == 4
    assert many[0].to_dict()["matches"][0] == {"index": 0, "item": TEXTS[0], "score": 1.0}
    assert model.search([], again) == []
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS))
    assert model.search("warm", tmp_path / "texts.txt", top_k=1)[0].item in TEXTS


def test_photos_are_searched_too():
    from tests.oracles.cases import DATA

    model = ws.load("efficientnet_lite0")
    found = model.search(DATA / "cat.jpg", [DATA / "rocket.png", DATA / "cat.jpg"], top_k=1)
    assert found[0].item.endswith("cat.jpg")
    assert found[0].score == pytest.approx(1, abs=1e-4)


def test_what_does_not_belong_together_is_refused(model, tmp_path):
    index = model.index(TEXTS)
    other = ws.load("efficientnet_lite0")
    with pytest.raises(UsageError, match="other weights or settings than those of eff"):
        other.search("cat.jpg", index)
    with pytest.raises(UsageError, match="top_k must be 1 or more"):
        model.search("a", index, top_k=0)
    with pytest.raises(UsageError, match="a list, an iterator, or the Path of a file"):
        model.search("a", "texts.txt")
    with pytest.raises(UsageError, match="no usable input"):
        model.index([""])
    with pytest.raises(UsageError, match="vectors of 128 numbers"):
        index.matches(np.zeros((1, 3), np.float32))
    folder = index.save(tmp_path / "index")
    with pytest.raises(UsageError, match="is not empty"):
        index.save(folder)
    with pytest.raises(UsageError, match="below cannot be written"):
        index.save(folder / "index.json" / "below")
    manifest = json.loads((folder / "index.json").read_text())
    del manifest["sha256"]  # as in an index that an earlier version saved
    (folder / "index.json").write_text(json.dumps(manifest))
    (folder / "items.jsonl").write_text('"a"\n')
    with pytest.raises(BundleError, match="damaged index: 1 items and vectors"):
        Index.load(folder)
    (folder / "index.json").write_text("{}")
    with pytest.raises(BundleError, match="damaged index"):
        Index.load(folder)
    (folder / "index.json").unlink()
    with pytest.raises(BundleError, match="is not an index"):
        Index.load(folder)


def test_every_vector_is_compared(tmp_path):
    """Exact, in blocks, with items of any characters."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 8)).astype(np.float32)
    items = [f"a\u2028{n}\n" for n in range(500)]
    index = Index("m", "d", items, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    queries = random.normal(size=(40, 8)).astype(np.float32)
    expected = similarity(queries, vectors)
    for matches, cosines in zip(index.matches(queries, 7), expected, strict=True):
        assert [match.index for match in matches] == np.argsort(-cosines)[:7].tolist()
        assert [match.item for match in matches] == [items[m.index] for m in matches]
    assert list(Index.load(index.save(tmp_path / "i")).items) == items
    assert json.loads((tmp_path / "i" / "index.json").read_text())["model"] == "m"
