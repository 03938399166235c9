"""EfficientNet-Lite against the reference implementation on a tiny random checkpoint, and its
sizes.
"""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from warmstart import catalog
from warmstart.checkpoints.formats import open_checkpoint
from warmstart.checkpoints.safetensors import save_safetensors
from warmstart.errors import MismatchError, UsageError
from warmstart.models import architecture

GOLDEN = Path(__file__).parents[2] / "golden" / "vision" / "efficientnet_lite"
SIZES = json.loads((GOLDEN / "sizes.json").read_text())
pytestmark = pytest.mark.tensorflow


@cache
def network():
    return architecture("efficientnet_lite")


def filled(path, **options):
    model = network().build(SIZES, **options)
    with open_checkpoint(path) as checkpoint:
        network().load(model, checkpoint, SIZES)
    return model


@pytest.fixture(scope="module")
def expected():
    return {
        key: value.astype(np.float32) for key, value in np.load(GOLDEN / "expected.npz").items()
    }


def test_outputs_equal_the_reference(expected):
    model = filled(GOLDEN / "model.safetensors")
    assert np.ptp(expected["probabilities"], axis=0).max() > 0.02, (
        "two photos of one answer test nothing"
    )
    outputs = np.asarray(model(expected["images"], training=False))
    np.testing.assert_allclose(outputs, expected["probabilities"], atol=1e-4)


def test_features_equal_the_reference_without_the_top(expected):
    model = filled(GOLDEN / "model.safetensors", include_top=False, pooling="avg")
    np.testing.assert_allclose(
        np.asarray(model(expected["images"])), expected["features"], atol=1e-4
    )


def test_arrays_are_those_of_the_file():
    model = filled(GOLDEN / "model.safetensors")
    arrays = network().arrays(model, SIZES)
    with open_checkpoint(GOLDEN / "model.safetensors") as checkpoint:
        assert set(arrays) == set(checkpoint.names())
        for name, array in arrays.items():
            np.testing.assert_array_equal(
                array, checkpoint.read(name).astype(np.float32), err_msg=name
            )


def test_names_of_timm(tmp_path, expected):
    names = json.loads((GOLDEN / "timm.json").read_text())
    with open_checkpoint(GOLDEN / "model.safetensors") as checkpoint:
        arrays = {
            name: checkpoint.read(other)
            for name, other in names.items()
            if "num_batches" not in name
        }
    save_safetensors(
        tmp_path / "model.safetensors", {**arrays, "bn1.num_batches_tracked": np.zeros(1, np.int64)}
    )
    model = filled(tmp_path / "model.safetensors")
    outputs = np.asarray(model(expected["images"], training=False))
    np.testing.assert_allclose(outputs, expected["probabilities"], atol=1e-4)


def test_another_width_is_refused():
    wider = {**SIZES, "width": 0.5}
    model = network().build(wider)
    with (
        open_checkpoint(GOLDEN / "model.safetensors") as checkpoint,
        pytest.raises(MismatchError, match="shape"),
    ):
        network().load(model, checkpoint, wider)


@pytest.mark.parametrize(
    "entry", catalog.search(family="efficientnet_lite"), ids=lambda entry: entry.name
)
def test_parameters_are_those_of_the_catalogue(entry, not_drawn):
    model = network().build(entry.config)
    assert model.count_params() == entry.parameters
    assert model.input_shape[1:3] == entry.preprocessing.size
    assert model.output_shape == (None, 1000)


@pytest.mark.parametrize(
    "config", [{"widht": 1.0}, {"width": 0}, {"depth": 9}, {"dropout": 1}, {"classes": 0}]
)
def test_impossible_sizes(config):
    with pytest.raises(UsageError, match="efficientnet_lite"):
        network().build(config)


def test_any_size_of_image_without_the_top():
    model = network().build({"width": 0.1}, include_top=False, input_shape=(None, None, 3))
    assert model(np.zeros((1, 40, 70, 3), np.float32)).shape == (1, 2, 3, 1280)


def test_no_layer_is_taken_for_one_of_a_new_head():
    from warmstart.image.train.network import base_layers

    base = network().build({"width": 0.1}, include_top=False, pooling="avg")
    assert len(base_layers(base)) == sum(bool(layer.weights) for layer in base.layers)
