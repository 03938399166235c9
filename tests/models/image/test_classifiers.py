"""Image classifiers of timm and Hugging Face against the references' outputs, on tiny random
checkpoints (tests/golden/classifiers).
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import UsageError
from warmstart.models import repository

GOLDEN = Path(__file__).parents[2] / "golden" / "classifiers"
NAMES = sorted(path.name for path in GOLDEN.iterdir())
pytestmark = pytest.mark.tensorflow


@cache
def filled(name):
    """(entry, module, model filled from the golden checkpoint)."""
    from warmstart.models import architecture

    entry, _ = repository.read(GOLDEN / name)
    module = architecture(entry.architecture)
    model = module.build(entry.config, input_shape=expected(name)["images"].shape[1:])
    with open_checkpoint(GOLDEN / name) as checkpoint:
        module.load(model, checkpoint, entry.config)
    return entry, module, model


def expected(name):
    return {
        key: array.astype(np.float32)
        for key, array in np.load(GOLDEN / name / "expected.npz").items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_outputs_equal_the_reference(name):
    import keras

    from warmstart.models.image.features import pooled_features

    entry, _, model = filled(name)
    outputs = {"features": pooled_features(model)}
    if entry.config["classes"]:
        outputs["logits"] = model.get_layer("probabilities").input
    golden = expected(name)
    results = keras.Model(model.input, outputs)(golden["images"], training=False)
    for key in golden.keys() - {"images"}:
        assert np.ptp(golden[key], axis=0).max() > 0.1, "two pictures of one answer test nothing"
        values = np.asarray(results[key])
        if key == "features" and values.shape != golden[key].shape:  # timm averages its two tokens
            values = values.reshape(len(values), 2, -1).mean(1)
        np.testing.assert_allclose(values, golden[key], atol=1e-4, rtol=0, err_msg=key)
    assert model.count_params() == entry.parameters


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_loads_again(name, tmp_path):
    entry, module, model = filled(name)
    save_safetensors(tmp_path / "model.safetensors", module.arrays(model, entry.config))
    again = module.build(entry.config, input_shape=model.input.shape[1:])
    with open_checkpoint(tmp_path) as checkpoint:
        module.load(again, checkpoint, entry.config)
    for old, new in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_takes_the_checkpoint_without_its_head(name):
    import keras

    from warmstart.models.image.features import pooled_features

    entry, module, model = filled(name)
    shape = model.input.shape[1:]
    bare = module.build(entry.config, include_top=False, pooling="avg", input_shape=shape)
    with open_checkpoint(GOLDEN / name) as checkpoint:
        module.load(bare, checkpoint, entry.config)
    images = expected(name)["images"]
    features = keras.Model(model.input, pooled_features(model))(images)
    np.testing.assert_allclose(np.asarray(bare(images)), np.asarray(features), atol=1e-5)
    feature_map = module.build(entry.config, include_top=False, input_shape=shape)
    assert len(feature_map.output.shape) == 4


def test_a_backbone_of_a_repository_at_another_size():
    import warmstart as ws

    images = expected("dinov2_registers")["images"]
    model = ws.backbone(GOLDEN / "dinov2_registers", pooling="avg")
    np.testing.assert_allclose(model(images), expected("dinov2_registers")["features"], atol=1e-4)
    larger = ws.backbone(GOLDEN / "dinov2_registers", input_shape=(40, 32, 3))
    assert larger.output.shape == (None, 5, 4, 16)
    with pytest.raises(UsageError, match="multiples of 8"):
        ws.backbone(GOLDEN / "dinov2_registers", input_shape=(44, 44, 3))


def test_a_model_without_classes_has_features():
    import warmstart as ws

    model = ws.load(GOLDEN / "timm_dinov2")
    photo = np.full((30, 40, 3), 90, np.uint8)
    assert model.features(photo).shape == (16,)
    for call in (
        model,
        lambda one: list(model.stream([one])),
        lambda one: model.evaluate([(one, 0)]),
    ):
        with pytest.raises(UsageError, match=r"without classes.*features"):
            call(photo)


def test_blocks_of_a_transformer_are_frozen_together():
    from warmstart.models import family
    from warmstart.training.freeze import grouped

    *_, model = filled("timm_deit3")
    layers = [layer for layer in model.layers if layer.weights]
    blocks = grouped(layers, family("vit").BLOCK)
    assert [block[0].name for block in blocks] == ["patch_embed.proj", "blocks.1.norm1"]
    assert sum(map(len, blocks)) == len(layers) == len(grouped(layers, None))


def test_a_base_is_resized_for_fine_tuning():
    import warmstart as ws
    from warmstart.image.train import network

    model = network.resized(ws.load(GOLDEN / "timm_deit3"), (32, 40))
    assert model.keras.input_shape == (None, 32, 40, 3)
    assert model.features(np.full((30, 40, 3), 90, np.uint8)).shape == (16,)
