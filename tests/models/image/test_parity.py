"""Segmentation and detection models against transformers' outputs on tiny random checkpoints
(tests/golden/vision).
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import MismatchError, UsageError
from warmstart.models import repository

GOLDEN = Path(__file__).parents[2] / "golden" / "vision"
pytestmark = pytest.mark.tensorflow


@cache
def built(name):
    """(module, config, model filled from the golden checkpoint)."""
    from warmstart.models import architecture

    entry, _ = repository.read(GOLDEN / name)
    module = architecture(entry.architecture)
    model = module.build(entry.config)
    with open_checkpoint(GOLDEN / name / "model.safetensors") as checkpoint:
        module.load(model, checkpoint, entry.config)
    return module, entry.config, model


@pytest.mark.parametrize(
    "name", ["segformer_a", "segformer_b", "deeplabv3_a", "deeplabv3_b", "dfine_a", "dfine_b"]
)
def test_outputs_equal_the_reference(name):
    module, config, model = built(name)
    expected = np.load(GOLDEN / name / "expected.npz")
    outputs = model(expected["images"].astype(np.float32), training=False)
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    for key in set(expected.files) - {"images"}:
        assert np.abs(expected[key]).max() > 0.3, "an output of nothing tests nothing"
        np.testing.assert_allclose(np.asarray(outputs[key]), expected[key], atol=1e-4, rtol=0)
    with open_checkpoint(GOLDEN / name / "model.safetensors") as checkpoint:
        for key, array in module.arrays(model, config).items():
            np.testing.assert_array_equal(
                array, checkpoint.read(key).astype(np.float32), err_msg=key
            )


@pytest.mark.parametrize("name", ["segformer_a", "deeplabv3_a", "dfine_a"])
def test_a_backbone_takes_the_checkpoint_without_its_head(name):
    module, config, whole = built(name)
    bare = module.build(config, include_top=False, pooling="avg")
    with open_checkpoint(GOLDEN / name / "model.safetensors") as checkpoint:
        module.load(bare, checkpoint, config)
    images = np.load(GOLDEN / name / "expected.npz")["images"].astype(np.float32)
    import keras

    features = keras.Model(whole.input, keras.ops.mean(module.feature_map(whole), axis=(1, 2)))
    np.testing.assert_allclose(np.asarray(bare(images)), np.asarray(features(images)), atol=1e-5)


def test_a_checkpoint_of_another_size_is_refused(tmp_path):
    module, config, model = built("segformer_a")
    before = model.get_weights()
    with open_checkpoint(GOLDEN / "segformer_b" / "model.safetensors") as checkpoint:
        with pytest.raises(MismatchError, match=r"shape|the model lacks 44 arrays"):
            module.load(model, checkpoint, config)
    arrays = dict(module.arrays(model, config))
    arrays.pop("decode_head.classifier.bias")
    save_safetensors(tmp_path / "less.safetensors", arrays)
    with open_checkpoint(tmp_path / "less.safetensors") as checkpoint:
        with pytest.raises(MismatchError, match=r"decode_head\.classifier/bias"):
            module.load(model, checkpoint, config)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_heads_of_dfine_are_found_under_either_name(tmp_path):
    module, config, model = built("dfine_a")
    arrays = {
        key.replace("model.decoder.class_embed", "class_embed"): value
        for key, value in module.arrays(model, config).items()
    }
    assert any(key.startswith("class_embed.") for key in arrays)
    save_safetensors(tmp_path / "other.safetensors", arrays)
    with open_checkpoint(tmp_path / "other.safetensors") as checkpoint:
        module.load(model, checkpoint, config)


def test_impossible_sizes():
    from warmstart.models.image.dfine import network as dfine
    from warmstart.models.image.segformer import network as segformer

    with pytest.raises(UsageError, match="unknown key 'depht'"):
        segformer.build({"depht": 3})
    with pytest.raises(UsageError, match="one number per stage"):
        segformer.build({"depths": [1, 1]})
    with pytest.raises(UsageError, match="multiples of 32"):
        dfine.build({"classes": 2}, input_shape=(100, 64, 3))
