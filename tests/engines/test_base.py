"""Specs, signatures and probes: no engine is needed for these."""

import json

import numpy as np
import pytest

from warmstart.engines.base import Engine, Signature, TensorSpec
from warmstart.errors import EngineError

IMAGES = TensorSpec("images", "float32", ("batch", 32, 24, 3), -1.0, 1.0)
TOKENS = TensorSpec("input_ids", "int32", ("batch", "length"), 0, 99)
SIGNATURE = Signature((IMAGES,), (TensorSpec("probabilities", "float32", ("batch", 5)),))


def test_probe_is_the_same_every_time_and_in_range():
    first, second = SIGNATURE.probe(seed=3), SIGNATURE.probe(seed=3)
    np.testing.assert_array_equal(first["images"], second["images"])
    assert first["images"].shape == (2, 32, 24, 3)
    assert first["images"].dtype == np.float32
    assert -1 <= first["images"].min() < -0.5 < 0.5 < first["images"].max() <= 1
    assert not np.array_equal(first["images"], SIGNATURE.probe(seed=4)["images"])
    assert not np.array_equal(first["images"][0], first["images"][1])


def test_probe_of_pictures_survives_average_pooling():
    """White noise would be averaged to nearly one grey; blocks are not."""
    picture = SIGNATURE.probe()["images"][0]
    pooled = picture.reshape(8, 4, 6, 4, 3).mean((1, 3))
    assert pooled.std() > 0.2


def test_probe_of_integers_stays_within_the_vocabulary():
    tokens = Signature((TOKENS,), ()).probe(size=7)["input_ids"]
    assert tokens.shape == (7, 7)
    assert tokens.dtype == np.int32
    assert tokens.min() >= 0
    assert tokens.max() <= 99


def test_signature_survives_json():
    told = Signature((IMAGES, TOKENS), SIGNATURE.outputs)
    assert Signature.from_dict(json.loads(json.dumps(told.to_dict()))) == told


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({}, "got nothing"),
        ({"image": np.zeros((1, 32, 24, 3), np.float32)}, "takes images"),
        ({"images": np.zeros((1, 32, 24, 3), np.float64)}, "float64"),
        ({"images": np.zeros((1, 24, 32, 3), np.float32)}, r"\(1, 24, 32, 3\)"),
        ({"images": np.zeros((32, 24, 3), np.float32)}, r"\(32, 24, 3\)"),
    ],
)
def test_engine_refuses_arrays_that_are_not_as_declared(arrays, words):
    class Never(Engine):
        def _run(self, function, arrays):
            raise AssertionError("must not be reached")

    with pytest.raises(EngineError, match=words):
        Never({"forward": SIGNATURE}).run("forward", **arrays)
    with pytest.raises(EngineError, match="no function 'backward'; it has forward"):
        Never({"forward": SIGNATURE}).run("backward", **arrays)
